//! QoS 2 publications that go to several shards.
//!
//! Their copies are not stored at one moment. After a crash between two of these moments nobody was told that the publication
//! has arrived, and its publisher sends it again: whoever lacks its copy must get it, and nobody a second one. So each copy in a
//! queue names its publication, and stays in the store until the publisher has released the packet identifier. One that was not
//! delivered by then stays longer; its name has a serial, and is none of a later publication with that packet identifier.

use crate::held::Release;
use crate::outbox::{Delivery, Outbox, Routed};
use crate::peer::PeerItem;
use crate::shard::Shard;
use alloc::sync::Arc;
use alloc::vec::Vec;
use darter_codec::record::{Change, KeptCopy, PublicationId, SessionNumber};
use darter_codec::{PacketId, QoS};
use hashbrown::HashMap;

/// The copies in this shard's queues, for as long as their publishers may send them again.
#[derive(Debug, Default)]
pub(crate) struct Spread {
    copies: HashMap<PublicationId, Vec<Copied>>,
    /// Shared subscriptions of this shard of which a member had its copy before the server started.
    taken: HashMap<PublicationId, Vec<Arc<str>>>,
    /// The last serial given or seen in a store. It goes on from one run to the next: what a store still has of a publication
    /// must never be taken for a copy of a later one.
    serial: u64,
}

/// A publication that went to several shards, as its publisher's session knows it until it is released.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unreleased {
    pub(crate) publication: PublicationId,
    /// It is of an earlier run, and it is not known whether every copy was stored.
    pub(crate) unsure: bool,
}

/// A row of a queue.
#[derive(Debug)]
struct Copied {
    slot: u32,
    number: SessionNumber,
    sequence: u64,
    group: Option<Arc<str>>,
}

impl Spread {
    /// A new publication.
    pub(crate) fn name(&mut self, session: SessionNumber, packet_id: PacketId) -> PublicationId {
        self.serial += 1;
        PublicationId { session, packet_id, serial: self.serial }
    }

    /// Serials given from now on are larger than this one.
    pub(crate) fn restore_serial(&mut self, serial: u64) {
        self.serial = self.serial.max(serial);
    }

    pub(crate) fn take(&mut self, publication: PublicationId, key: Arc<str>) {
        self.taken.entry(publication).or_default().push(key);
    }

    /// A publication, if its publisher may still send it again.
    pub(crate) fn open(&self, publication: Option<PublicationId>) -> Option<PublicationId> {
        publication.filter(|publication| self.copies.contains_key(publication))
    }

    pub(crate) fn is_taken(&self, publication: Option<PublicationId>, key: &str) -> bool {
        let taken = publication.and_then(|publication| self.taken.get(&publication));
        taken.is_some_and(|keys| keys.iter().any(|one| **one == *key))
    }
}

impl Outbox {
    /// Whether a receiver of a publication that comes again has had its copy. One of QoS 0 may have, and gets no other.
    pub(crate) fn has_copy(&self, routed: &Routed<'_>, to: Delivery<'_>) -> bool {
        if to.qos == QoS::AtMostOnce {
            return true;
        }
        let Some(session) = self.sessions.get(to.session as usize) else { return true };
        let Some(publication) = routed.publication else { return false };
        // A later one of the same publisher came here already: whatever this session was to get before, it has. It
        // subscribed in between, or it would have a copy. Of a shared subscription others may have had the later ones.
        let shows = |other: &PublicationId| match to.group {
            Some(_) => *other == publication,
            None => other.session == publication.session && other.serial >= publication.serial,
        };
        let mut copies =
            self.spread.copies.iter().filter(|(other, _)| shows(other)).flat_map(|(_, copies)| copies);
        copies.any(|copy| copy.number == session.number && copy.group.as_ref() == to.group)
    }

    /// Remembers a copy that joins the queue of the session in `slot`.
    pub(crate) fn note_copy(
        &mut self,
        publication: PublicationId,
        slot: u32,
        sequence: u64,
        group: Option<Arc<str>>,
        finished: bool,
    ) {
        let Some(session) = self.sessions.get_mut(slot as usize) else { return };
        session.copies.insert(sequence, finished);
        let copy = Copied { slot, number: session.number, sequence, group };
        self.spread.copies.entry(publication).or_default().push(copy);
    }
}

impl Shard {
    /// The copies that a restored session has.
    pub(crate) fn restore_copies(&mut self, slot: u32, copies: Vec<KeptCopy>) {
        for KeptCopy { sequence, publication, group, finished } in copies {
            if let Some(key) = group.clone() {
                let owner = self.place.choose(&key);
                if owner == self.place.index {
                    self.out.spread.take(publication, key);
                } else {
                    self.peers.send(owner, PeerItem::Taken { key, publication });
                }
            }
            self.out.note_copy(publication, slot, sequence, group, finished);
        }
    }

    /// The publisher released a packet identifier: once that is stored, the copies of the message need not be known any more.
    pub(crate) fn close_when_stored(&mut self, publisher: u32, packet_id: PacketId) {
        let Some(session) = self.out.sessions.get_mut(publisher as usize) else { return };
        if let Some(Unreleased { publication, .. }) = session.spread.remove(&packet_id) {
            let wait = self.out.this_batch();
            self.out.hold(wait, Release::Closed { publication });
        }
    }

    /// The publisher's session is over: none of its messages comes again.
    pub(crate) fn close_all_when_stored(&mut self, spread: impl IntoIterator<Item = PublicationId>) {
        for publication in spread {
            let wait = self.out.this_batch();
            self.out.hold(wait, Release::Closed { publication });
        }
    }

    pub(crate) fn close_everywhere(&mut self, publication: PublicationId) {
        self.peers.send_closed(publication);
        self.close_publication(publication);
    }

    /// Forgets the copies of a publication; those that were acknowledged leave the store.
    pub(crate) fn close_publication(&mut self, publication: PublicationId) {
        self.out.spread.taken.remove(&publication);
        for Copied { slot, number, sequence, .. } in
            self.out.spread.copies.remove(&publication).unwrap_or_default()
        {
            let session = self.out.sessions.get_mut(slot as usize);
            let Some(session) = session.filter(|session| session.number == number) else { continue };
            if session.copies.remove(&sequence) == Some(true) {
                self.out.persist.push(Change::Removed { session: number, sequence });
            }
        }
    }
}
