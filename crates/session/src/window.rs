//! The window of outgoing QoS 1 and 2 packets that the other side has not yet acknowledged.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use darter_codec::PacketId;
use thiserror::Error;

/// What an unacknowledged outgoing packet waits for (sections 4.3.2 and 4.3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// A QoS 1 PUBLISH waits for PUBACK.
    Puback,
    /// A QoS 2 PUBLISH waits for PUBREC.
    Pubrec,
    /// A PUBREL waits for PUBCOMP.
    Pubcomp,
    /// A SUBSCRIBE or UNSUBSCRIBE waits for its acknowledgement (the client's end only).
    Reply,
}

/// An acknowledgement for a packet identifier that waits for no such packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("an acknowledgement for packet identifier {} that nothing waits for", .0.get())]
pub struct UnexpectedAck(pub PacketId);

/// Unacknowledged outgoing packets in the order they were first sent, each with a tag of the caller.
///
/// Packet identifiers ascend and wrap from 65,535 to 1 [MQTT-2.2.1-3]. A packet that is never acknowledged
/// never blocks the identifiers of the others: it is set aside once the window has moved far past it.
#[derive(Debug)]
pub struct Window<T> {
    /// Identifier of the first slot of `recent`; the following slots have the following identifiers.
    first: u16,
    recent: VecDeque<Option<(Phase, T)>>,
    /// Older than everything in `recent`, in sending order.
    set_aside: Vec<(PacketId, Phase, T)>,
    live: usize,
}

/// Slots that `recent` may hold before unacknowledged packets at its front are set aside.
const RECENT_SLOTS: usize = 4096;

impl<T> Default for Window<T> {
    fn default() -> Self {
        Self { first: 1, recent: VecDeque::new(), set_aside: Vec::new(), live: 0 }
    }
}

impl<T> Window<T> {
    /// How many packets wait for an acknowledgement.
    #[must_use]
    pub fn len(&self) -> usize {
        self.live
    }

    /// True when nothing waits for an acknowledgement.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// True when every packet identifier is in use.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.live >= usize::from(u16::MAX)
    }

    /// Takes the next free packet identifier for a packet that now waits in `phase`.
    ///
    /// None when all 65,535 identifiers are in use.
    pub fn insert(&mut self, phase: Phase, tag: T) -> Option<PacketId> {
        if self.is_full() {
            return None;
        }
        if self.recent.len() >= RECENT_SLOTS {
            self.set_front_aside();
        }
        loop {
            let id = self.next_id();
            let taken = self.set_aside.iter().any(|(other, ..)| *other == id);
            if taken {
                self.skip();
            } else {
                self.recent.push_back(Some((phase, tag)));
                self.live += 1;
                return Some(id);
            }
        }
    }

    /// Records a packet identifier of an earlier run of the program, in sending order.
    ///
    /// The identifiers handed out afterwards follow the last one restored.
    pub fn restore(&mut self, id: PacketId, phase: Phase, tag: T) {
        self.set_aside.push((id, phase, tag));
        self.live += 1;
        if self.recent.is_empty() {
            self.first = following(id.get());
        }
    }

    /// The other side acknowledged a QoS 1 PUBLISH (or a SUBSCRIBE or UNSUBSCRIBE): its tag, and the identifier is free.
    ///
    /// # Errors
    /// When no packet with this identifier waits in `phase`.
    pub fn acknowledge(&mut self, id: PacketId, phase: Phase) -> Result<T, UnexpectedAck> {
        let waits = self.get(id).is_some_and(|(found, _)| found == phase);
        if waits { self.take(id).ok_or(UnexpectedAck(id)) } else { Err(UnexpectedAck(id)) }
    }

    /// The other side sent PUBREC: the packet now waits for PUBCOMP. A repeated PUBREC is fine.
    ///
    /// # Errors
    /// When no QoS 2 packet with this identifier waits.
    pub fn received(&mut self, id: PacketId) -> Result<&T, UnexpectedAck> {
        match self.get_mut(id) {
            Some((phase @ (Phase::Pubrec | Phase::Pubcomp), tag)) => {
                *phase = Phase::Pubcomp;
                Ok(tag)
            }
            _ => Err(UnexpectedAck(id)),
        }
    }

    /// Ends the wait for `id` whatever its phase, for a PUBREC with an error and for abandoned packets.
    pub fn take(&mut self, id: PacketId) -> Option<T> {
        if let Some(index) = self.recent_index(id) {
            let (_, tag) = self.recent.get_mut(index)?.take()?;
            self.live -= 1;
            while matches!(self.recent.front(), Some(None)) {
                self.recent.pop_front();
                self.first = following(self.first);
            }
            return Some(tag);
        }
        let index = self.set_aside.iter().position(|(other, ..)| *other == id)?;
        self.live -= 1;
        Some(self.set_aside.remove(index).2)
    }

    /// What the packet with this identifier waits for.
    #[must_use]
    pub fn get(&self, id: PacketId) -> Option<(Phase, &T)> {
        if let Some(index) = self.recent_index(id) {
            return self.recent.get(index)?.as_ref().map(|(phase, tag)| (*phase, tag));
        }
        self.set_aside.iter().find(|(other, ..)| *other == id).map(|(_, phase, tag)| (*phase, tag))
    }

    /// Every waiting packet in the order of its first sending [MQTT-4.6.0-1].
    pub fn iter(&self) -> impl Iterator<Item = (PacketId, Phase, &T)> {
        let aside = self.set_aside.iter().map(|(id, phase, tag)| (*id, *phase, tag));
        let mut id = self.first;
        let recent = self.recent.iter().filter_map(move |slot| {
            let this = id;
            id = following(id);
            let (phase, tag) = slot.as_ref()?;
            Some((PacketId::new(this)?, *phase, tag))
        });
        aside.chain(recent)
    }

    /// Forgets everything; the identifiers go on where they were.
    pub fn clear(&mut self) {
        self.first = self.next_id().get();
        self.recent = VecDeque::new();
        self.set_aside = Vec::new();
        self.live = 0;
    }

    fn get_mut(&mut self, id: PacketId) -> Option<(&mut Phase, &mut T)> {
        if let Some(index) = self.recent_index(id) {
            return self.recent.get_mut(index)?.as_mut().map(|(phase, tag)| (phase, tag));
        }
        self.set_aside.iter_mut().find(|(other, ..)| *other == id).map(|(_, phase, tag)| (phase, tag))
    }

    fn recent_index(&self, id: PacketId) -> Option<usize> {
        let distance = distance(self.first, id.get());
        (distance < self.recent.len()).then_some(distance)
    }

    fn next_id(&self) -> PacketId {
        PacketId::new(advance(self.first, self.recent.len())).unwrap_or(PacketId::MIN)
    }

    /// Leaves the next identifier out, because a packet set aside still uses it.
    fn skip(&mut self) {
        if self.recent.is_empty() {
            self.first = following(self.first);
        } else {
            self.recent.push_back(None);
        }
    }

    fn set_front_aside(&mut self) {
        while let Some(slot) = self.recent.pop_front() {
            let id = self.first;
            self.first = following(self.first);
            if let (Some((phase, tag)), Some(id)) = (slot, PacketId::new(id)) {
                self.set_aside.push((id, phase, tag));
            }
            if !matches!(self.recent.front(), Some(None)) && self.recent.len() < RECENT_SLOTS {
                break;
            }
        }
    }
}

/// How many identifiers lie between `from` and `to`, on the circle 1..=65,535.
fn distance(from: u16, to: u16) -> usize {
    if to >= from { usize::from(to - from) } else { usize::from(u16::MAX - from) + usize::from(to) }
}

fn advance(from: u16, steps: usize) -> u16 {
    let zero_based = (usize::from(from) - 1 + steps) % usize::from(u16::MAX);
    u16::try_from(zero_based).unwrap_or(0) + 1
}

fn following(id: u16) -> u16 {
    if id == u16::MAX { 1 } else { id + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(value: u16) -> PacketId {
        PacketId::new(value).unwrap()
    }

    #[test]
    fn identifiers_ascend_and_wrap_to_one() {
        let mut window = Window::default();
        for expected in (1..=u16::MAX).chain(1..=10) {
            let got = window.insert(Phase::Puback, ()).unwrap();
            assert_eq!(got, id(expected));
            window.acknowledge(got, Phase::Puback).unwrap();
        }
        assert!(window.is_empty());
    }

    #[test]
    fn one_packet_that_is_never_acknowledged_never_blocks_the_others() {
        let mut window = Window::default();
        let stuck = window.insert(Phase::Puback, 0u32).unwrap();
        for n in 1..200_000 {
            let next = window.insert(Phase::Puback, n).unwrap();
            assert_ne!(next, stuck);
            assert_eq!(window.acknowledge(next, Phase::Puback), Ok(n));
        }
        assert_eq!(window.len(), 1);
        assert_eq!(window.acknowledge(stuck, Phase::Puback), Ok(0));
    }

    #[test]
    fn every_identifier_can_be_in_use_at_once() {
        let mut window = Window::default();
        for n in 0..u32::from(u16::MAX) {
            assert!(window.insert(Phase::Puback, n).is_some());
        }
        assert_eq!(window.insert(Phase::Puback, 0), None);
        let order: Vec<u32> = window.iter().map(|(_, _, tag)| *tag).collect();
        assert!(order.is_sorted());
        assert_eq!(window.acknowledge(id(77), Phase::Puback), Ok(76));
        assert_eq!(window.insert(Phase::Puback, 1), Some(id(77)));
    }

    #[test]
    fn the_phases_of_qos_2_follow_each_other() {
        let mut window = Window::default();
        let packet = window.insert(Phase::Pubrec, 'a').unwrap();
        assert_eq!(window.acknowledge(packet, Phase::Pubcomp), Err(UnexpectedAck(packet)));
        assert_eq!(window.received(packet), Ok(&'a'));
        assert_eq!(window.received(packet), Ok(&'a'));
        assert_eq!(window.acknowledge(packet, Phase::Pubcomp), Ok('a'));
        assert_eq!(window.received(packet), Err(UnexpectedAck(packet)));
    }

    #[test]
    fn a_restored_identifier_is_not_handed_out_again() {
        let mut window = Window::default();
        window.restore(id(65_535), Phase::Puback, 1);
        window.restore(id(1), Phase::Pubcomp, 2);
        assert_eq!(window.insert(Phase::Puback, 3), Some(id(2)));
        let order: Vec<u16> = window.iter().map(|(id, ..)| id.get()).collect();
        assert_eq!(order, [65_535, 1, 2]);
    }
}
