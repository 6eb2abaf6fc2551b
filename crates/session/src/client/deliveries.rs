//! Messages from the server between their arrival and their acknowledgement.

use crate::IncomingIds;
use alloc::collections::VecDeque;
use darter_codec::{PacketId, QoS};

/// Names one delivery of a QoS 1 or 2 message until it is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Delivery(u64);

/// Incoming QoS 1 and 2 messages; the QoS 2 part is session state and survives the network connection.
#[derive(Debug, Default)]
pub(super) struct Deliveries {
    next: u64,
    /// In the order of arrival on this network connection.
    waiting: VecDeque<Waiting>,
    /// QoS 2 packet identifiers between PUBLISH and PUBREL.
    unreleased: IncomingIds,
    /// Those of `unreleased` that were seen on this network connection.
    unreleased_here: IncomingIds,
}

#[derive(Debug)]
struct Waiting {
    delivery: Delivery,
    id: PacketId,
    qos: QoS,
    /// The application has acknowledged it.
    taken: bool,
    /// It arrived on this network connection, so it is here that it must be answered.
    here: bool,
}

/// What an incoming PUBLISH is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// A message to hand on.
    New(Delivery),
    /// A repetition of one that was handed on before.
    Repeated,
}

impl Deliveries {
    /// A PUBLISH with QoS 1 or 2 arrived.
    pub(super) fn arrived(&mut self, qos: QoS, id: PacketId) -> Arrival {
        let known = self.waiting.iter().position(|entry| entry.id == id && entry.qos == qos);
        if qos == QoS::ExactlyOnce {
            self.unreleased_here.insert(id);
            if !self.unreleased.insert(id) {
                // Its place among the answers is that of its latest arrival.
                let mut entry = match known.and_then(|index| self.waiting.remove(index)) {
                    Some(entry) => entry,
                    None => Waiting { taken: true, ..self.entry(qos, id) },
                };
                entry.here = true;
                self.waiting.push_back(entry);
                return Arrival::Repeated;
            }
        } else if known.is_some() {
            return Arrival::Repeated;
        }
        let entry = self.entry(qos, id);
        let delivery = entry.delivery;
        self.waiting.push_back(entry);
        Arrival::New(delivery)
    }

    /// The application is done with a message; a delivery that is no longer known is left alone.
    pub(super) fn take(&mut self, delivery: Delivery) {
        if let Some(entry) = self.waiting.iter_mut().find(|entry| entry.delivery == delivery) {
            entry.taken = true;
        }
    }

    /// The next PUBACK (QoS 1) or PUBREC (QoS 2) that may be sent, in the order of the PUBLISH packets
    /// [MQTT-4.6.0-2] [MQTT-4.6.0-3].
    pub(super) fn next_answer(&mut self) -> Option<(QoS, PacketId)> {
        let index = self.waiting.iter().position(|entry| entry.here)?;
        if !self.waiting.get(index)?.taken {
            return None;
        }
        self.waiting.remove(index).map(|entry| (entry.qos, entry.id))
    }

    /// PUBREL arrived. False when no such packet identifier waits for one.
    pub(super) fn released(&mut self, id: PacketId) -> bool {
        self.unreleased_here.release(id);
        self.waiting.retain(|entry| entry.qos != QoS::ExactlyOnce || entry.id != id);
        self.unreleased.release(id)
    }

    /// Messages of this network connection that count against the Receive Maximum (section 4.9).
    pub(super) fn unfinished(&self) -> usize {
        let qos_1 = self.waiting.iter().filter(|entry| entry.qos == QoS::AtLeastOnce).count();
        qos_1 + self.unreleased_here.len()
    }

    /// The network connection is gone: the server sends QoS 1 messages again as new ones.
    pub(super) fn connection_closed(&mut self) {
        self.unreleased_here.clear();
        self.waiting.retain(|entry| entry.qos == QoS::ExactlyOnce);
        for entry in &mut self.waiting {
            entry.here = false;
        }
    }

    /// The server has no session: whatever packet identifiers come now are new ones.
    pub(super) fn session_lost(&mut self) {
        self.waiting.clear();
        self.unreleased.clear();
        self.unreleased_here.clear();
    }

    fn entry(&mut self, qos: QoS, id: PacketId) -> Waiting {
        self.next += 1;
        Waiting { delivery: Delivery(self.next), id, qos, taken: false, here: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(value: u16) -> PacketId {
        PacketId::new(value).unwrap()
    }

    fn new(deliveries: &mut Deliveries, qos: QoS, value: u16) -> Delivery {
        match deliveries.arrived(qos, id(value)) {
            Arrival::New(delivery) => delivery,
            Arrival::Repeated => panic!("{value} should be new"),
        }
    }

    #[test]
    fn answers_go_out_in_the_order_of_arrival() {
        let mut deliveries = Deliveries::default();
        let first = new(&mut deliveries, QoS::AtLeastOnce, 1);
        let second = new(&mut deliveries, QoS::ExactlyOnce, 2);
        deliveries.take(second);
        assert_eq!(deliveries.next_answer(), None);
        deliveries.take(first);
        assert_eq!(deliveries.next_answer(), Some((QoS::AtLeastOnce, id(1))));
        assert_eq!(deliveries.next_answer(), Some((QoS::ExactlyOnce, id(2))));
        assert_eq!(deliveries.unfinished(), 1);
        assert!(deliveries.released(id(2)));
        assert_eq!(deliveries.unfinished(), 0);
    }

    #[test]
    fn a_qos_2_message_repeated_on_a_new_connection_is_answered_there_and_not_handed_on_twice() {
        let mut deliveries = Deliveries::default();
        let first = new(&mut deliveries, QoS::ExactlyOnce, 1);
        let other = new(&mut deliveries, QoS::ExactlyOnce, 2);
        deliveries.take(other);
        deliveries.connection_closed();
        deliveries.take(first);
        assert_eq!(deliveries.next_answer(), None, "nothing was repeated on the new connection yet");
        assert_eq!(deliveries.arrived(QoS::ExactlyOnce, id(2)), Arrival::Repeated);
        assert_eq!(deliveries.next_answer(), Some((QoS::ExactlyOnce, id(2))));
        assert_eq!(deliveries.arrived(QoS::ExactlyOnce, id(2)), Arrival::Repeated);
        assert_eq!(deliveries.next_answer(), Some((QoS::ExactlyOnce, id(2))), "a PUBREC was lost");
    }

    #[test]
    fn an_old_delivery_never_acknowledges_a_new_message_with_the_same_identifier() {
        let mut deliveries = Deliveries::default();
        let old = new(&mut deliveries, QoS::ExactlyOnce, 1);
        deliveries.session_lost();
        new(&mut deliveries, QoS::ExactlyOnce, 1);
        deliveries.take(old);
        assert_eq!(deliveries.next_answer(), None);
    }
}
