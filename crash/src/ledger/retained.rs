//! Retained messages: each topic has the last acknowledged one, or one that was sent later.

use std::collections::BTreeMap;

use super::{Fault, Ledger, never_sent};
use crate::message::{MessageId, Stream};

/// The last acknowledged number of each stream whose messages are retained, at one moment.
pub(crate) type Snapshot = BTreeMap<Stream, u64>;

impl Ledger {
    /// What is certain to be there from now on.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let retained = self.streams.iter().filter(|(stream, _)| stream.lane.is_retained());
        retained.map(|(stream, sent)| (*stream, sent.newest())).collect()
    }

    /// A client that came for a look was given a retained message because of the SUBSCRIBE it sent at `snapshot`.
    /// Returns its stream and number.
    pub(crate) fn seen(
        &mut self,
        client: &str,
        snapshot: &Snapshot,
        topic: &str,
        payload: &[u8],
    ) -> Option<(Stream, u64)> {
        self.counts.retained += 1;
        let Some(id) = self.identify(topic, payload) else {
            self.blame(client, never_sent(topic, payload));
            return None;
        };
        let acknowledged = snapshot.get(&id.stream).copied().unwrap_or(0);
        if id.sequence < acknowledged {
            let found = Some(id.sequence);
            self.blame(client, Fault::Retained { topic: topic.to_owned(), found, acknowledged });
        }
        Some((id.stream, id.sequence))
    }

    /// A client has been given all retained messages there are, `found`: nothing may be missing.
    pub(crate) fn inspected(&mut self, client: &str, snapshot: &Snapshot, found: &BTreeMap<Stream, u64>) {
        let missing: Vec<(Stream, u64)> = snapshot
            .iter()
            .filter(|(stream, _)| !found.contains_key(stream))
            .filter(|(stream, acknowledged)| !self.may_be_empty(**stream, **acknowledged))
            .map(|(stream, acknowledged)| (*stream, *acknowledged))
            .collect();
        for (stream, acknowledged) in missing {
            self.blame(client, Fault::Retained { topic: stream.topic(), found: None, acknowledged });
        }
    }

    /// Nothing was acknowledged yet, or the last acknowledged message or a later one clears the topic.
    fn may_be_empty(&self, stream: Stream, acknowledged: u64) -> bool {
        let last = self.streams.get(&stream).map_or(0, |sent| sent.last);
        acknowledged == 0 || (acknowledged..=last).any(|sequence| MessageId { stream, sequence }.clears())
    }
}
