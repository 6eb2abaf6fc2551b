//! Files of listeners, such as certificates, are read again when they have changed.

use crate::entrance::Entrance;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How often is looked. What has changed is read when it looks the same twice.
const INTERVAL: Duration = Duration::from_secs(1);

/// The thread that looks. It ends with this value.
#[derive(Debug)]
pub(crate) struct FileWatch {
    /// Closed to end the thread.
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl FileWatch {
    /// Watches over the files of these listeners.
    pub(crate) fn start(entrances: Vec<Arc<Entrance>>) -> io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let thread = thread::Builder::new().name("darter-files".to_owned()).spawn(move || {
            while stopped.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                for entrance in &entrances {
                    // They were told.
                    let _ = entrance.reload(false);
                }
            }
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for FileWatch {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic was told when it happened.
            let _ = thread.join();
        }
    }
}
