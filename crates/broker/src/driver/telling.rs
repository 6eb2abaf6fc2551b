//! What happened in the engine goes to the log, to those who follow a client, and to the last refusals.

use super::Running;
use crate::event;
use crate::refusals::{Refusal, TOPIC};
use darter_codec::{Message, QoS};
use darter_engine::Event;

impl Running {
    pub(super) fn tell(&mut self, event: &Event) {
        self.tell_followers(event);
        self.tell_of_transport(event);
        let of = |slot| self.peer(slot).map(|peer| peer.to_string());
        let Some(refusal) = Refusal::of(event, of) else {
            event::emit(event, |slot| self.peer(slot));
            return;
        };
        let payload = serde_json::to_vec(&refusal).unwrap_or_default();
        self.driver.refusals.keep(refusal);
        let Some(untold) = self.moderation.admits(self.now) else { return };
        if untold > 0 {
            event::RefusalsUntold { untold }.emit();
        }
        event::emit(event, |slot| self.peer(slot));
        let message = Message::new(QoS::AtMostOnce, false, TOPIC, [], &payload, None);
        self.driver.shard.publish_message(self.now, &message);
    }
}
