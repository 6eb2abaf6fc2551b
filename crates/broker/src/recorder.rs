//! A shard's publications on their way into the history.

use crate::clock;
use crate::event;
use darter_codec::Message;
use darter_engine::Shard;
use darter_store::history::History;
use std::sync::Arc;

/// Hands publications over, if there is a history.
#[derive(Debug)]
pub(crate) struct Recorder {
    history: Option<Arc<History>>,
    /// Empty between two turns.
    records: Vec<Message>,
    /// It has been said that there is trouble.
    in_trouble: bool,
}

impl Recorder {
    pub(crate) fn new(history: Option<Arc<History>>) -> Self {
        Self { history, records: Vec::new(), in_trouble: false }
    }

    /// Says when trouble begins and when it is over.
    pub(crate) fn watch(&mut self) {
        let Some(history) = &self.history else { return };
        let trouble = history.trouble();
        if trouble.is_some() != self.in_trouble {
            self.in_trouble = !self.in_trouble;
            event::HistoryTrouble { trouble: trouble.as_deref() }.emit();
        }
    }

    /// There is no room on the disk: the past gives way to what was acknowledged.
    pub(crate) fn make_room(&self) {
        if let Some(history) = &self.history {
            history.make_room();
        }
    }

    /// What the shard has for the history since the last turn.
    pub(crate) fn take(&mut self, shard: &mut Shard) {
        let Some(history) = &self.history else { return };
        shard.take_records(&mut self.records);
        if self.records.is_empty() {
            return;
        }
        let at = clock::since_1970();
        for message in self.records.drain(..) {
            history.record(at, message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use darter_codec::QoS;
    use darter_store::history::HistoryOptions;
    use std::fs;
    use std::time::Duration;

    #[test]
    fn trouble_is_told_when_it_begins_and_when_it_is_over() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("history");
        // A file stands where the folder should be.
        fs::write(&place, "in the way").unwrap();
        let options = HistoryOptions { retry_after: Duration::ZERO, ..HistoryOptions::in_folder(&place) };
        let history = Arc::new(History::open(options));
        let mut recorder = Recorder::new(Some(history.clone()));
        let mut try_again = |at| {
            history.record(at, Message::new(QoS::AtMostOnce, false, "t", [], b"1", None));
            history.flush();
            recorder.watch();
            recorder.in_trouble
        };
        assert!(try_again(1_000));
        fs::remove_file(&place).unwrap();
        assert!(!try_again(2_000));
    }
}
