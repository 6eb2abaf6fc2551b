//! What the user or the system asks of the running server: to stop, or to read its files again.

use std::io;
use std::process;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

/// What the shell expects of a program that was ended by ctrl-C.
const ENDED_BY_CTRL_C: i32 = 130;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// Ctrl-C, SIGTERM, or what other systems have for them.
    Stop,
    /// SIGHUP.
    Reload,
}

/// Watches for signals.
pub(super) struct Signals(Receiver<Asked>);

impl Signals {
    /// Watches from now on. The second signal to stop ends the program at once, whatever it still does.
    ///
    /// # Errors
    /// When the system does not let the program watch.
    pub(super) fn listen() -> io::Result<Self> {
        let (sender, receiver) = mpsc::channel();
        watch(Teller { sender, stopping: false })?;
        Ok(Self(receiver))
    }

    /// What is asked next; `None` when nothing is within `patience`, which is for ever when there is none.
    pub(super) fn next(&self, patience: Option<Duration>) -> Option<Asked> {
        let asked = match patience {
            Some(patience) => self.0.recv_timeout(patience),
            None => self.0.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match asked {
            Ok(asked) => Some(asked),
            Err(RecvTimeoutError::Timeout) => None,
            // Nobody watches any more; a server that cannot be stopped is worse than one that stops.
            Err(RecvTimeoutError::Disconnected) => Some(Asked::Stop),
        }
    }
}

/// Tells the server.
struct Teller {
    sender: Sender<Asked>,
    stopping: bool,
}

impl Teller {
    fn tell(&mut self, asked: Asked) {
        if asked == Asked::Stop && self.stopping {
            process::exit(ENDED_BY_CTRL_C);
        }
        self.stopping |= asked == Asked::Stop;
        // A server that is stopping listens no more.
        let _ = self.sender.send(asked);
    }
}

#[cfg(unix)]
fn watch(mut teller: Teller) -> io::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGHUP, SIGINT, SIGTERM])?;
    std::thread::Builder::new().name("darter-signals".to_owned()).spawn(move || {
        for signal in signals.forever() {
            teller.tell(if signal == SIGHUP { Asked::Reload } else { Asked::Stop });
        }
    })?;
    Ok(())
}

#[cfg(not(unix))]
fn watch(teller: Teller) -> io::Result<()> {
    let teller = std::sync::Mutex::new(teller);
    ctrlc::set_handler(move || {
        teller.lock().unwrap_or_else(std::sync::PoisonError::into_inner).tell(Asked::Stop);
    })
    .map_err(io::Error::other)
}
