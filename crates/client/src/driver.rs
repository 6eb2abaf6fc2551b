//! The task that owns the network connection.

use crate::messages::Incoming;
use crate::requests::{Request, Requests};
use crate::routes::Routes;
use crate::{
    Acknowledgement, ClientOptions, Disconnect, Error, Lost, Observer, Properties, Publish, ReasonCode,
    Resubscribe, SubAck, Subscribe, UnsubAck, Unsubscribe, backoff, network,
};
use darter_codec::ConnAck;
use darter_session::client::{Connection, Delivery, End, Event, Status, Token};
use std::collections::BTreeMap;
use std::future::pending;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, sleep_until};

/// What a [`crate::Client`] asks for.
#[derive(Debug)]
pub(crate) enum Command {
    Publish {
        publish: Publish,
        reply: oneshot::Sender<Result<Acknowledgement, Error>>,
    },
    Subscribe {
        subscribe: Subscribe,
        /// None for the inbox.
        stream: Option<mpsc::Sender<Incoming>>,
        reply: oneshot::Sender<Result<SubAck, Error>>,
    },
    Unsubscribe {
        unsubscribe: Unsubscribe,
        reply: oneshot::Sender<Result<UnsubAck, Error>>,
    },
    Disconnect {
        disconnect: Disconnect,
    },
}

pub(crate) struct Driver {
    options: ClientOptions,
    observer: Option<Observer>,
    connection: Connection,
    commands: mpsc::Receiver<Command>,
    acknowledgements: mpsc::UnboundedReceiver<Delivery>,
    publications: BTreeMap<Token, oneshot::Sender<Result<Acknowledgement, Error>>>,
    requests: Requests,
    routes: Routes,
    /// Told of the first connection.
    started: Option<oneshot::Sender<Result<(), Lost>>>,
    /// What the server has to be told when the connection ends at the client's wish.
    leaving: Option<Disconnect>,
    start: Instant,
    /// Failed attempts since the server last accepted the connection.
    failures: u32,
}

impl Driver {
    pub(crate) fn new(
        mut options: ClientOptions,
        commands: mpsc::Receiver<Command>,
        inbox: Option<mpsc::Sender<Incoming>>,
        started: oneshot::Sender<Result<(), Lost>>,
    ) -> Self {
        let (sender, acknowledgements) = mpsc::unbounded_channel();
        Self {
            connection: Connection::new(options.session.clone()),
            observer: options.observer.take(),
            options,
            commands,
            acknowledgements,
            publications: BTreeMap::new(),
            requests: Requests::default(),
            routes: Routes::new(inbox, sender),
            started: Some(started),
            leaving: None,
            start: Instant::now(),
            failures: 0,
        }
    }

    /// Runs until the client is disconnected for good, and tells why.
    pub(crate) async fn run(mut self) -> Lost {
        loop {
            let lost = match network::open(&self.options).await {
                Ok(stream) => self.serve(stream).await,
                Err(lost) => lost,
            };
            self.connection.handle_close();
            self.requests.connection_closed();
            if let Some(started) = self.started.take() {
                // Whoever wanted to connect has given up.
                let _ = started.send(Err(lost.clone()));
                return lost;
            }
            let backoff = match self.options.reconnect {
                Some(backoff) if !matches!(lost, Lost::Requested) => backoff,
                _ => return lost,
            };
            let delay = backoff.delay(self.failures, backoff::random());
            self.failures = self.failures.saturating_add(1);
            if !self.wait(delay).await {
                return Lost::Requested;
            }
        }
    }

    /// One network connection from CONNECT to its end.
    async fn serve(&mut self, mut stream: TcpStream) -> Lost {
        let (mut reader, mut writer) = stream.split();
        self.connection.handle_open(self.now());
        let mut input = vec![0; READ_SIZE];
        let mut output = Vec::new();
        let mut lost = None;
        loop {
            self.connection.poll_transmit(self.now(), &mut output);
            while let Some(event) = self.connection.poll_event() {
                lost = lost.or(self.handle_event(event));
            }
            self.connection.poll_transmit(self.now(), &mut output);
            if let Some(lost) = lost {
                finish(&mut reader, &mut writer, &output, &mut input).await;
                return lost;
            }
            if let Err(error) = self.turn(&mut reader, &mut writer, &mut input, &mut output).await {
                return error;
            }
        }
    }

    /// Waits for whatever comes first and handles it.
    async fn turn(
        &mut self,
        reader: &mut ReadHalf<'_>,
        writer: &mut WriteHalf<'_>,
        input: &mut [u8],
        output: &mut Vec<u8>,
    ) -> Result<(), Lost> {
        let full = self.routes.is_full();
        let timeout = self.connection.poll_timeout().map(|time| self.start + Duration::from_millis(time));
        // Commands wait while the network is slower than they are.
        let takes_commands = output.is_empty()
            && self.connection.status() == Status::Connected
            && self.connection.queued() < QUEUE_LIMIT;
        tokio::select! {
            biased;
            written = writer.write(output), if !output.is_empty() => match written {
                Ok(0) => return Err(Lost::ServerClosed),
                Ok(count) => drop(output.drain(..count)),
                Err(error) => return Err(Lost::Io(Arc::new(error))),
            },
            Some(delivery) = self.acknowledgements.recv() => self.connection.acknowledge(delivery),
            read = reader.read(input), if !full => match read {
                Ok(0) => return Err(Lost::ServerClosed),
                Ok(count) => self.connection.handle_input(input.get(..count).unwrap_or_default()),
                Err(error) => return Err(Lost::Io(Arc::new(error))),
            },
            () = self.routes.room() => self.connection.handle_read_pause(self.now()),
            command = self.commands.recv(), if takes_commands => self.handle_command(command),
            () = until(timeout) => {
                if full {
                    self.connection.handle_read_pause(self.now());
                }
                self.connection.handle_timeout(self.now());
            }
        }
        Ok(())
    }

    /// Waits before the next attempt, taking commands meanwhile. False when one of them was to disconnect.
    async fn wait(&mut self, delay: Duration) -> bool {
        let deadline = Instant::now() + delay;
        loop {
            let takes_commands = self.connection.queued() < QUEUE_LIMIT;
            tokio::select! {
                () = sleep_until(deadline) => return true,
                Some(delivery) = self.acknowledgements.recv() => self.connection.acknowledge(delivery),
                () = self.routes.room() => {}
                command = self.commands.recv(), if takes_commands => self.handle_command(command),
            }
            if self.leaving.take().is_some() {
                return false;
            }
        }
    }

    fn handle_command(&mut self, command: Option<Command>) {
        match command {
            Some(Command::Publish { publish, reply }) => {
                // The queue has room whenever commands are taken.
                if let Ok(token) = self.connection.publish(publish) {
                    self.publications.insert(token, reply);
                }
            }
            Some(Command::Subscribe { subscribe, stream, reply }) => {
                if let Some(stream) = stream {
                    let filters = subscribe.filters.iter().map(|filter| filter.filter.clone()).collect();
                    self.routes.add(filters, stream);
                }
                self.requests.push(Request::Subscribe(subscribe, Some(reply)));
            }
            Some(Command::Unsubscribe { unsubscribe, reply }) => {
                self.routes.remove(&unsubscribe.filters);
                self.requests.push(Request::Unsubscribe(unsubscribe, Some(reply)));
            }
            Some(Command::Disconnect { disconnect }) => self.leave(disconnect),
            None => {
                self.leave(Disconnect { reason: ReasonCode::Success, properties: Properties::default() });
            }
        }
        self.requests.send(&mut self.connection);
    }

    /// Ends the connection: what was taken out of the streams before is acknowledged first.
    fn leave(&mut self, disconnect: Disconnect) {
        while let Ok(delivery) = self.acknowledgements.try_recv() {
            self.connection.acknowledge(delivery);
        }
        self.connection.disconnect(disconnect.reason, disconnect.properties.clone());
        self.leaving = Some(disconnect);
    }

    fn handle_event(&mut self, event: Event) -> Option<Lost> {
        match event {
            Event::Connected(connack) => self.connected(&connack),
            Event::Message(message) => {
                self.routes.deliver(*message);
                self.unsubscribe_abandoned();
            }
            Event::Published(token, outcome) => {
                if let Some(reply) = self.publications.remove(&token) {
                    // Nobody waits for the outcome of a dropped publication.
                    let _ = reply.send(outcome.map_err(Error::from));
                }
            }
            Event::Subscribed(token, suback) => self.requests.subscribed(token, *suback),
            Event::Unsubscribed(token, unsuback) => self.requests.unsubscribed(token, *unsuback),
            Event::Packet(direction, packet) => {
                if let Some(observer) = &mut self.observer {
                    observer.0(self.connection.client_id(), direction, &packet);
                }
            }
            Event::Ended(end) => return Some(lost(end)),
        }
        None
    }

    fn connected(&mut self, connack: &ConnAck) {
        self.failures = 0;
        if let Some(started) = self.started.take() {
            // Without a client the channel of commands ends, and with it this task.
            let _ = started.send(Ok(()));
        } else if !connack.session_present || self.options.resubscribe == Resubscribe::Always {
            self.requests.subscribe_again();
        }
        self.requests.send(&mut self.connection);
    }

    /// Unsubscribes what only dropped streams wanted.
    fn unsubscribe_abandoned(&mut self) {
        let filters = self.routes.take_abandoned();
        if !filters.is_empty() {
            let packet_id = darter_codec::PacketId::MIN;
            let unsubscribe = Unsubscribe { packet_id, properties: Properties::default(), filters };
            self.requests.push(Request::Unsubscribe(unsubscribe, None));
            self.requests.send(&mut self.connection);
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

fn lost(end: End) -> Lost {
    match end {
        End::Requested => Lost::Requested,
        End::Refused(connack) => Lost::Refused(connack),
        End::Disconnected(disconnect) => Lost::Disconnected(disconnect),
        End::Failed(failure) => Lost::Failed(failure),
        End::Unsendable(error) => Lost::Unsendable(error),
    }
}

/// Writes what is left, closes the writing side and waits for the server to close its own: closing with unread bytes
/// could take back what was written. Whatever fails here, the connection is over.
async fn finish(reader: &mut ReadHalf<'_>, writer: &mut WriteHalf<'_>, output: &[u8], input: &mut [u8]) {
    let finish = async {
        writer.write_all(output).await?;
        writer.shutdown().await?;
        while reader.read(input).await? > 0 {}
        io::Result::Ok(())
    };
    tokio::select! {
        _ = finish => {}
        () = sleep(FINISH_TIMEOUT) => {}
    }
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => pending().await,
    }
}

/// Bytes read at once.
const READ_SIZE: usize = 64 * 1024;

/// Messages that the session holds back for the server before no more commands are taken.
const QUEUE_LIMIT: usize = 64;

/// Longest time spent on the last bytes of a connection.
const FINISH_TIMEOUT: Duration = Duration::from_secs(1);
