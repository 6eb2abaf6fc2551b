//! A client that keeps its session: the sans-IO connection of the session crate.

use super::Pair;
use super::wire::Holder;
use darter_codec::{ConnAck, Properties, Publish, ReasonCode, SubAck, Subscribe};
use darter_session::client::{
    Acknowledgement, CommandError, Connection, Delivery, End, Event, Message, Options, PublishError, Status,
    Token,
};

/// Names a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(pub(super) usize);

#[derive(Debug)]
pub(super) struct Client {
    pub(super) connection: Connection,
    wire: Option<usize>,
    messages: Vec<Message>,
    published: Vec<(Token, Result<Acknowledgement, PublishError>)>,
    subscribed: Vec<SubAck>,
    connacks: Vec<ConnAck>,
    ends: Vec<End>,
    acknowledges: bool,
    unacknowledged: Vec<Delivery>,
}

impl Client {
    pub(super) fn holds(&self, wire: usize) -> bool {
        self.wire == Some(wire)
    }

    /// The network connection is gone.
    pub(super) fn lost(&mut self) {
        self.wire = None;
        self.connection.handle_close();
    }
}

impl Pair {
    /// A client that has not connected yet. It acknowledges what it receives at once.
    pub fn client(&mut self, options: Options) -> ClientId {
        self.clients.push(Client {
            connection: Connection::new(options),
            wire: None,
            messages: Vec::new(),
            published: Vec::new(),
            subscribed: Vec::new(),
            connacks: Vec::new(),
            ends: Vec::new(),
            acknowledges: true,
            unacknowledged: Vec::new(),
        });
        ClientId(self.clients.len() - 1)
    }

    /// Whether the client acknowledges what it receives at once; when it does again, also what it has received before.
    pub fn set_acknowledges(&mut self, client: ClientId, acknowledges: bool) {
        let one = &mut self.clients[client.0];
        one.acknowledges = acknowledges;
        if acknowledges {
            for delivery in std::mem::take(&mut one.unacknowledged) {
                one.connection.acknowledge(delivery);
            }
            self.pump_client(client.0);
        }
    }

    /// The client opens a network connection, unless it has one.
    pub fn dial_client(&mut self, client: ClientId) {
        let index = client.0;
        if self.clients[index].wire.is_some() {
            return;
        }
        let wire = self.connect_wire(Holder::Client(index));
        self.clients[index].wire = Some(wire);
        let now = self.now;
        self.clients[index].connection.handle_open(now);
        self.pump_client(index);
    }

    /// Its state.
    #[must_use]
    pub fn connection(&self, client: ClientId) -> &Connection {
        &self.clients[client.0].connection
    }

    /// True when its CONNECT was accepted and its connection stands.
    #[must_use]
    pub fn is_connected(&self, client: ClientId) -> bool {
        self.connection(client).status() == Status::Connected
    }

    /// True when it has a network connection.
    #[must_use]
    pub fn is_dialled(&self, client: ClientId) -> bool {
        self.clients[client.0].wire.is_some()
    }

    /// Publishes; the outcome appears in [`outcomes`](Self::outcomes).
    ///
    /// # Errors
    /// Those of [`Connection::publish`].
    pub fn publish(&mut self, client: ClientId, publish: Publish) -> Result<Token, CommandError> {
        let token = self.connection_of(client).publish(publish);
        self.pump_client(client.0);
        token
    }

    /// Sends SUBSCRIBE; its answer appears in [`subacks`](Self::subacks).
    ///
    /// # Errors
    /// Those of [`Connection::subscribe`].
    pub fn client_subscribe(
        &mut self,
        client: ClientId,
        subscribe: Subscribe,
    ) -> Result<Token, CommandError> {
        let token = self.connection_of(client).subscribe(subscribe);
        self.pump_client(client.0);
        token
    }

    /// Ends its connection with DISCONNECT.
    pub fn disconnect(&mut self, client: ClientId, reason: ReasonCode) {
        self.connection_of(client).disconnect(reason, Properties::default());
        self.pump_client(client.0);
    }

    /// The messages that it has received so far, oldest first.
    #[must_use]
    pub fn inbox(&self, client: ClientId) -> &[Message] {
        &self.clients[client.0].messages
    }

    /// What became of its publications so far.
    pub fn outcomes(&self, client: ClientId) -> &[(Token, Result<Acknowledgement, PublishError>)] {
        &self.clients[client.0].published
    }

    /// Every SUBACK that it has received so far.
    #[must_use]
    pub fn subacks(&self, client: ClientId) -> &[SubAck] {
        &self.clients[client.0].subscribed
    }

    /// Every CONNACK of success that it has received so far.
    #[must_use]
    pub fn connacks(&self, client: ClientId) -> &[ConnAck] {
        &self.clients[client.0].connacks
    }

    /// How its connections ended so far, where they did not just break.
    #[must_use]
    pub fn ends(&self, client: ClientId) -> &[End] {
        &self.clients[client.0].ends
    }

    /// Its network connection is lost: both ends learn it, and what was on its way is gone.
    pub fn lose_client(&mut self, client: ClientId) {
        if let Some(wire) = self.clients[client.0].wire {
            self.lose_wire(wire);
        }
    }

    /// Its network connection is lost and it notices, but the server does not.
    pub fn abandon_client(&mut self, client: ClientId) {
        if let Some(wire) = self.clients[client.0].wire {
            self.wires[wire].unnoticed = true;
            self.wires[wire].up.silence();
            self.client_loses(wire);
        }
    }

    /// Only `bytes` more bytes of what it sends come through; then its connection is lost.
    pub fn cut_client_up(&mut self, client: ClientId, bytes: usize) {
        if let Some(wire) = self.clients[client.0].wire {
            self.wires[wire].up.cut_after(bytes);
        }
    }

    /// Only `bytes` more bytes of what it is sent come through; then its connection is lost.
    pub fn cut_client_down(&mut self, client: ClientId, bytes: usize) {
        if let Some(wire) = self.clients[client.0].wire {
            self.wires[wire].down.cut_after(bytes);
        }
    }

    pub(super) fn client_reads(&mut self, index: usize, bytes: &[u8]) {
        self.clients[index].connection.handle_input(bytes);
        self.pump_client(index);
    }

    pub(super) fn client_timeout(&mut self, index: usize) {
        let now = self.now;
        let connection = &mut self.clients[index].connection;
        if connection.poll_timeout().is_some_and(|at| at <= now) {
            connection.handle_timeout(now);
            self.pump_client(index);
        }
    }

    /// Takes what a client wants to send and to say.
    fn pump_client(&mut self, index: usize) {
        let now = self.now;
        let Client {
            connection,
            wire,
            messages,
            published,
            subscribed,
            connacks,
            ends,
            acknowledges,
            unacknowledged,
        } = &mut self.clients[index];
        let mut over = false;
        loop {
            let mut bytes = Vec::new();
            let sent = connection.poll_transmit(now, &mut bytes);
            if let Some(wire) = *wire {
                self.wires[wire].up.write(&bytes);
            }
            let Some(event) = connection.poll_event() else {
                if sent {
                    continue;
                }
                break;
            };
            match event {
                Event::Connected(connack) => connacks.push(*connack),
                Event::Message(message) => {
                    match message.delivery {
                        Some(delivery) if *acknowledges => connection.acknowledge(delivery),
                        delivery => unacknowledged.extend(delivery),
                    }
                    messages.push(*message);
                }
                Event::Published(token, outcome) => published.push((token, outcome)),
                Event::Subscribed(_, suback) => subscribed.push(*suback),
                Event::Unsubscribed(..) | Event::Packet(..) => {}
                Event::Ended(end) => {
                    ends.push(end);
                    over = true;
                }
            }
        }
        if over && let Some(wire) = self.clients[index].wire {
            self.wires[wire].up.ended = true;
            self.wires[wire].hung_up = true;
            self.clients[index].lost();
        }
    }
}
