//! Messages to the server until they are acknowledged, and the other requests that wait for an answer.

use super::event::Token;
use crate::{Phase, UnexpectedAck, Window};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use darter_codec::{PacketId, Publish, QoS};

/// Everything on its way to the server, or waiting to be.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    window: Window<Token>,
    /// Messages that may have to be sent again: those that wait for PUBACK or PUBREC.
    stored: BTreeMap<PacketId, Publish>,
    /// Not sent yet, in the order of the commands.
    queue: VecDeque<(Token, Publish)>,
    /// Sent on an earlier network connection and not yet repeated on this one.
    repeat: VecDeque<PacketId>,
    /// How many more QoS 1 and 2 messages may be sent before one is acknowledged (section 4.9).
    quota: u16,
    quota_maximum: u16,
}

/// What is to be sent again after a reconnect.
#[derive(Debug)]
pub(super) enum Repeat {
    /// A message, with the DUP flag.
    Publish(Publish),
    /// A PUBREL for this packet identifier.
    Release(PacketId),
}

impl Outgoing {
    /// A message takes its place behind the others.
    pub(super) fn enqueue(&mut self, token: Token, publish: Publish) {
        self.queue.push_back((token, publish));
    }

    /// Messages that were not sent yet.
    pub(super) fn queued(&self) -> usize {
        self.queue.len()
    }

    /// QoS 1 and 2 messages that were sent and are not acknowledged, with the requests that wait for an answer.
    pub(super) fn unacknowledged(&self) -> usize {
        self.window.len()
    }

    /// Takes a packet identifier for a SUBSCRIBE or UNSUBSCRIBE. None when all are in use.
    pub(super) fn request(&mut self, token: Token) -> Option<PacketId> {
        self.window.insert(Phase::Reply, token)
    }

    /// A network connection with a session stands: everything unacknowledged is to be repeated in its order
    /// [MQTT-4.4.0-1] [MQTT-4.6.0-1].
    pub(super) fn opened(&mut self, quota: u16) {
        // Messages between PUBREC and PUBCOMP take up their place on the new network connection as well.
        let half_done = self.window.iter().filter(|(_, phase, _)| *phase == Phase::Pubcomp).count();
        self.quota = quota.saturating_sub(u16::try_from(half_done).unwrap_or(u16::MAX));
        self.quota_maximum = quota;
        self.repeat = self.window.iter().map(|(id, ..)| id).collect();
    }

    /// The server knows nothing of this client any more.
    ///
    /// QoS 1 messages are queued again as new ones; of QoS 2 ones, the tokens of those that the server had taken over
    /// are returned first, then the tokens of those whose fate is unknown.
    pub(super) fn session_lost(&mut self) -> (Vec<Token>, Vec<Token>) {
        let (mut complete, mut unknown, mut again) = (Vec::new(), Vec::new(), Vec::new());
        for (id, phase, token) in self.window.iter() {
            match (phase, self.stored.remove(&id)) {
                (Phase::Puback, Some(publish)) => again.push((*token, publish)),
                (Phase::Pubcomp, _) => complete.push(*token),
                (Phase::Pubrec | Phase::Puback, _) => unknown.push(*token),
                (Phase::Reply, _) => {}
            }
        }
        for entry in again.into_iter().rev() {
            self.queue.push_front(entry);
        }
        self.window.clear();
        self.stored.clear();
        (complete, unknown)
    }

    /// The network connection is gone: requests get no answer any more, messages stay.
    pub(super) fn connection_closed(&mut self) {
        let requests: Vec<PacketId> =
            self.window.iter().filter(|(_, phase, _)| *phase == Phase::Reply).map(|(id, ..)| id).collect();
        for id in requests {
            self.window.take(id);
        }
        self.repeat.clear();
        self.quota = 0;
    }

    /// The next packet that has to be sent again.
    pub(super) fn next_repeat(&mut self) -> Option<Repeat> {
        while let Some(id) = self.repeat.front().copied() {
            match (self.window.get(id).map(|(phase, _)| phase), self.stored.get(&id)) {
                (Some(Phase::Pubcomp), _) => {
                    self.repeat.pop_front();
                    return Some(Repeat::Release(id));
                }
                (Some(Phase::Puback | Phase::Pubrec), Some(publish)) => {
                    if self.quota == 0 {
                        return None;
                    }
                    self.quota -= 1;
                    self.repeat.pop_front();
                    return Some(Repeat::Publish(Publish { dup: true, ..publish.clone() }));
                }
                _ => {
                    self.repeat.pop_front();
                }
            }
        }
        None
    }

    /// The next message that may be sent for the first time, with its packet identifier.
    pub(super) fn next_publish(&mut self) -> Option<(Token, Publish)> {
        if !self.repeat.is_empty() {
            return None;
        }
        let qos = self.queue.front()?.1.qos;
        if qos != QoS::AtMostOnce && self.quota == 0 {
            return None;
        }
        let (token, mut publish) = self.queue.pop_front()?;
        publish.dup = false;
        publish.packet_id = None;
        if qos != QoS::AtMostOnce {
            let phase = if qos == QoS::AtLeastOnce { Phase::Puback } else { Phase::Pubrec };
            let Some(id) = self.window.insert(phase, token) else {
                self.queue.push_front((token, publish));
                return None;
            };
            self.quota -= 1;
            publish.packet_id = Some(id);
            self.stored.insert(id, publish.clone());
        }
        Some((token, publish))
    }

    /// PUBACK.
    pub(super) fn acknowledged(&mut self, id: PacketId) -> Result<Token, UnexpectedAck> {
        let token = self.window.acknowledge(id, Phase::Puback)?;
        self.stored.remove(&id);
        self.regain_quota();
        Ok(token)
    }

    /// PUBREC without an error.
    pub(super) fn received(&mut self, id: PacketId) -> Result<(), UnexpectedAck> {
        self.window.received(id)?;
        self.stored.remove(&id);
        Ok(())
    }

    /// PUBREC with an error: this ends the handshake (section 4.3.3).
    pub(super) fn refused(&mut self, id: PacketId) -> Result<Token, UnexpectedAck> {
        let token = self.window.acknowledge(id, Phase::Pubrec)?;
        self.stored.remove(&id);
        self.regain_quota();
        Ok(token)
    }

    /// PUBCOMP.
    pub(super) fn completed(&mut self, id: PacketId) -> Result<Token, UnexpectedAck> {
        let token = self.window.acknowledge(id, Phase::Pubcomp)?;
        self.regain_quota();
        Ok(token)
    }

    /// SUBACK or UNSUBACK.
    pub(super) fn answered(&mut self, id: PacketId) -> Result<Token, UnexpectedAck> {
        self.window.acknowledge(id, Phase::Reply)
    }

    /// A message that was given a packet identifier is not sent after all.
    pub(super) fn abandon(&mut self, id: PacketId) {
        if self.window.take(id).is_some() {
            self.stored.remove(&id);
            self.regain_quota();
        }
    }

    fn regain_quota(&mut self) {
        self.quota = self.quota.saturating_add(1).min(self.quota_maximum);
    }
}
