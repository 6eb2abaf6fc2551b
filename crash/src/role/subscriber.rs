//! A subscriber with a persistent session.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use darter_codec::{
    ByteString, Packet, PacketId, Properties, Publish, QoS, Subscribe, SubscribeFilter, SubscriptionOptions,
    Unsubscribe,
};
use darter_session::client::{Delivery, Direction, Event, Token};

use super::Scene;
use crate::client::Client;
use crate::ledger::Fault;
use crate::message::MessageId;

/// Time between two changes of a subscription that is changed again and again.
const BETWEEN_CHANGES: Duration = Duration::from_millis(150);
/// Time until something refused is asked for again.
const BEFORE_RETRY: Duration = Duration::from_millis(200);

/// A subscription that a subscriber wants.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    /// The topic filter.
    pub(crate) filter: String,
    /// The QoS.
    pub(crate) qos: QoS,
    /// Whether it is made and removed again and again.
    pub(crate) fickle: bool,
    wanted: bool,
    standing: Standing,
    changed: Option<Instant>,
    /// It was asked for while the disk was at fault.
    excused: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// There is none.
    None,
    /// SUBACK came.
    Granted,
    /// A request was made, and its answer has not come.
    Asked(Option<Token>),
    /// The same for the end of the subscription.
    Leaving(Option<Token>),
}

impl Wish {
    /// A subscription that stays.
    pub(crate) fn lasting(filter: impl Into<String>, qos: QoS) -> Self {
        Self {
            filter: filter.into(),
            qos,
            fickle: false,
            wanted: true,
            standing: Standing::None,
            changed: None,
            excused: false,
        }
    }

    /// A subscription that comes and goes.
    pub(crate) fn fickle(filter: impl Into<String>, qos: QoS) -> Self {
        Self { fickle: true, ..Self::lasting(filter, qos) }
    }
}

/// Subscribes, and acknowledges what it gets.
pub(crate) struct Subscriber {
    wishes: Vec<Wish>,
    /// Whether it lets the server wait for its acknowledgements now and then.
    lazy: bool,
    unanswered: Vec<Delivery>,
    /// QoS 2 messages between PUBLISH and PUBREL.
    unreleased: BTreeMap<PacketId, Publish>,
    /// QoS 1 messages of this connection without PUBACK.
    unconfirmed: BTreeMap<PacketId, MessageId>,
}

impl Subscriber {
    /// One that wants these subscriptions.
    pub(crate) fn new(wishes: Vec<Wish>, lazy: bool) -> Self {
        let (unanswered, unreleased, unconfirmed) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        Self { wishes, lazy, unanswered, unreleased, unconfirmed }
    }

    /// Its client asks for a new session.
    pub(crate) fn renew(&mut self) {
        self.unanswered.clear();
        self.unreleased.clear();
        for wish in &mut self.wishes {
            wish.standing = Standing::None;
        }
    }

    /// Whether it has all that it wants, and no request is open.
    pub(crate) fn is_content(&self) -> bool {
        self.waits_for().is_none()
    }

    /// The subscription it waits for, or for whose end, for a message to people.
    pub(crate) fn waits_for(&self) -> Option<String> {
        self.wishes.iter().find_map(|wish| match wish.standing {
            Standing::Granted if wish.wanted => None,
            Standing::None if !wish.wanted => None,
            Standing::Asked(Some(_)) => Some(format!("for SUBACK of {}", wish.filter)),
            Standing::Leaving(Some(_)) => Some(format!("for UNSUBACK of {}", wish.filter)),
            _ => Some(format!("to ask again about {}", wish.filter)),
        })
    }

    pub(super) fn event(&mut self, event: Event, client: &mut Client, scene: &mut Scene<'_>) {
        match event {
            Event::Connected(connack) => {
                scene.ledger.connected(&client.name, connack.session_present);
                self.unconfirmed.clear();
                if !connack.session_present {
                    self.unreleased.clear();
                }
                for wish in &mut self.wishes {
                    wish.standing = match wish.standing {
                        _ if !connack.session_present => Standing::None,
                        Standing::Asked(_) => Standing::Asked(None),
                        Standing::Leaving(_) => Standing::Leaving(None),
                        settled => settled,
                    };
                }
            }
            Event::Packet(Direction::Sent, packet) => {
                if let Packet::PubAck(ack) = *packet
                    && let Some(id) = self.unconfirmed.remove(&ack.packet_id)
                    && scene.heard
                {
                    scene.ledger.confirmed(&client.name, id);
                }
            }
            Event::Packet(Direction::Received, packet) => self.watch_identifiers(*packet, client, scene),
            Event::Message(message) => {
                let (topic, payload) = (&message.topic, &message.payload);
                let id = scene.ledger.delivered(&client.name, topic, payload, message.qos, message.retain);
                if let (Some(id), Some(packet_id)) = (id, message.packet_id)
                    && message.qos == QoS::AtLeastOnce
                {
                    self.unconfirmed.insert(packet_id, id);
                }
                self.unanswered.extend(message.delivery);
                if !self.lazy {
                    self.answer(client);
                }
            }
            Event::Subscribed(token, ack) => {
                let asked = |wish: &&mut Wish| wish.standing == Standing::Asked(Some(token));
                if let Some(wish) = self.wishes.iter_mut().find(asked) {
                    let refused = ack.reasons.iter().find(|reason| reason.is_error());
                    if let Some(reason) = refused {
                        wish.standing = Standing::Asked(None);
                        wish.changed = Some(scene.now);
                        let what = format!("SUBSCRIBE to {} with {reason:?}", wish.filter);
                        if !scene.excused && !wish.excused {
                            scene.ledger.blame(&client.name, Fault::Refused { what });
                        }
                    } else {
                        wish.standing = Standing::Granted;
                        scene.ledger.subscribed(&client.name, &wish.filter);
                    }
                }
            }
            Event::Unsubscribed(token, ack) => {
                let left = |wish: &&mut Wish| wish.standing == Standing::Leaving(Some(token));
                if let Some(wish) = self.wishes.iter_mut().find(left) {
                    if ack.reasons.iter().any(|reason| reason.is_error()) {
                        wish.standing = Standing::Leaving(None);
                        wish.changed = Some(scene.now);
                    } else {
                        wish.standing = Standing::None;
                        scene.ledger.unsubscribed(&client.name, &wish.filter);
                    }
                }
            }
            _ => {}
        }
    }

    /// The protocol's state machine would take a message for a repetition of the one whose identifier it has.
    fn watch_identifiers(&mut self, packet: Packet, client: &Client, scene: &mut Scene<'_>) {
        match packet {
            Packet::PubRel(release) => drop(self.unreleased.remove(&release.packet_id)),
            Packet::Publish(publish) if publish.qos == QoS::ExactlyOnce => {
                let Some(packet_id) = publish.packet_id else { return };
                let known = self.unreleased.entry(packet_id).or_insert_with(|| publish.clone());
                if (&known.topic, &known.payload) != (&publish.topic, &publish.payload) {
                    let (before, topic) = (known.topic.to_string(), publish.topic.to_string());
                    let fault = Fault::IdentifierReused { packet_id: packet_id.get(), before, topic };
                    scene.ledger.blame(&client.name, fault);
                }
            }
            _ => {}
        }
    }

    pub(super) fn tick(&mut self, client: &mut Client, scene: &mut Scene<'_>) {
        if !client.is_connected() {
            return;
        }
        if !scene.load || scene.dice.once_in(4) {
            self.answer(client);
        }
        for wish in &mut self.wishes {
            let rested = |pause| wish.changed.is_none_or(|at| scene.now.duration_since(at) > pause);
            if wish.fickle && scene.load && rested(BETWEEN_CHANGES) && scene.dice.once_in(20) {
                wish.wanted = match wish.standing {
                    Standing::Granted => false,
                    Standing::None => true,
                    Standing::Asked(_) | Standing::Leaving(_) => wish.wanted,
                };
            }
            match (wish.standing, wish.wanted) {
                (Standing::None, true) => subscribe(wish, client, scene),
                (Standing::Asked(None), _) if rested(BEFORE_RETRY) => subscribe(wish, client, scene),
                (Standing::Granted, false) => unsubscribe(wish, client, scene),
                (Standing::Leaving(None), _) if rested(BEFORE_RETRY) => unsubscribe(wish, client, scene),
                _ => {}
            }
        }
    }

    fn answer(&mut self, client: &mut Client) {
        for delivery in self.unanswered.drain(..) {
            client.connection.acknowledge(delivery);
        }
    }
}

fn subscribe(wish: &mut Wish, client: &mut Client, scene: &mut Scene<'_>) {
    let filter = SubscribeFilter::new(wish.filter.as_str(), SubscriptionOptions::new(wish.qos));
    let packet =
        Subscribe { packet_id: PacketId::MIN, properties: Properties::default(), filters: vec![filter] };
    if let Ok(token) = client.connection.subscribe(packet) {
        scene.ledger.subscribing(&client.name, &wish.filter, wish.qos);
        wish.standing = Standing::Asked(Some(token));
        (wish.changed, wish.excused) = (Some(scene.now), scene.excused);
    }
}

fn unsubscribe(wish: &mut Wish, client: &mut Client, scene: &mut Scene<'_>) {
    let filters = vec![ByteString::from(wish.filter.as_str())];
    let packet = Unsubscribe { packet_id: PacketId::MIN, properties: Properties::default(), filters };
    if let Ok(token) = client.connection.unsubscribe(packet) {
        scene.ledger.unsubscribing(&client.name, &wish.filter);
        wish.standing = Standing::Leaving(Some(token));
        wish.changed = Some(scene.now);
    }
}
