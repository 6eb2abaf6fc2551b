//! Being asked to stop.

use std::process;
use std::sync::mpsc::{self, Receiver};

/// What the shell expects of a program that was ended by ctrl-C.
const ENDED_BY_CTRL_C: i32 = 130;

/// Ctrl-C, SIGTERM, SIGHUP, or what other systems have for them.
pub(super) struct Signal(Receiver<()>);

impl Signal {
    /// Watches from now on. The second signal ends the program at once, whatever it still does.
    ///
    /// # Errors
    /// When the system does not let the program watch.
    pub(super) fn listen() -> Result<Self, ctrlc::Error> {
        let (sender, receiver) = mpsc::sync_channel(1);
        ctrlc::set_handler(move || {
            if sender.try_send(()).is_err() {
                process::exit(ENDED_BY_CTRL_C);
            }
        })?;
        Ok(Self(receiver))
    }

    /// Returns when the first signal has come. The second then finds the receiver gone.
    pub(super) fn wait(self) {
        // An error would mean that the handler is gone; it never goes.
        let _ = self.0.recv();
    }
}
