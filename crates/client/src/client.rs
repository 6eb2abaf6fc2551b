use crate::driver::{Command, Driver};
use crate::messages::Messages;
use crate::{
    Acknowledgement, ClientOptions, Disconnect, Error, Lost, Properties, Publish, QoS, ReasonCode, SubAck,
    Subscribe, SubscribeFilter, SubscriptionOptions, UnsubAck, Unsubscribe,
};
use darter_codec::ByteString;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::{mpsc, oneshot, watch};

/// A connection to an MQTT server. Clones share it; it is disconnected when the last one is dropped.
#[derive(Debug, Clone)]
pub struct Client {
    commands: mpsc::Sender<Command>,
    closed: watch::Receiver<Option<Lost>>,
    stream_capacity: usize,
}

impl Client {
    /// Connects, and returns when the server has accepted the connection. Must be called inside a Tokio runtime.
    ///
    /// Messages that no subscription of this client asks for, as those of a session's earlier life, are acknowledged
    /// and dropped; [`Self::connect_with_inbox`] keeps them.
    ///
    /// # Errors
    /// When there is no network connection, or the server refuses the client. Nothing is tried again then.
    pub async fn connect(options: ClientOptions) -> Result<Self, Lost> {
        Self::start(options, None).await
    }

    /// Connects as [`Self::connect`] does; the stream gets every message that no other stream asks for.
    ///
    /// # Errors
    /// As [`Self::connect`].
    pub async fn connect_with_inbox(options: ClientOptions) -> Result<(Self, Messages), Lost> {
        let (sender, messages) = Messages::new(options.stream_capacity);
        let client = Self::start(options, Some(sender)).await?;
        Ok((client, messages))
    }

    /// Publishes a message; complete when the server has acknowledged it (QoS 1, 2) or it is on its way (QoS 0).
    /// `dup` and `packet_id` of `publish` are not looked at.
    ///
    /// # Errors
    /// When the server refuses the message or the client is disconnected for good before.
    pub async fn publish(&self, publish: Publish) -> Result<Acknowledgement, Error> {
        self.start_publish(publish).await?.await
    }

    /// Hands a message over; the result is a future for its acknowledgement. Waits while too many are unacknowledged.
    ///
    /// # Errors
    /// When the client is disconnected for good.
    pub async fn start_publish(&self, publish: Publish) -> Result<Publication, Error> {
        let (reply, outcome) = oneshot::channel();
        self.command(Command::Publish { publish, reply }).await?;
        Ok(Answer { outcome })
    }

    /// Subscribes to one topic filter and returns the stream of its messages.
    ///
    /// # Errors
    /// When the server refuses it or the client is disconnected for good before.
    pub async fn subscribe(&self, filter: &str, qos: QoS) -> Result<Messages, Error> {
        let options = SubscriptionOptions { qos, ..SubscriptionOptions::default() };
        let filters = vec![SubscribeFilter::new(filter, options)];
        self.subscribe_with(filters, Properties::default()).await.map(|(messages, _)| messages)
    }

    /// Subscribes to any number of topic filters, whose messages share a stream.
    ///
    /// # Errors
    /// When the server refuses all of them or the client is disconnected for good before.
    pub async fn subscribe_with(
        &self,
        filters: Vec<SubscribeFilter>,
        properties: Properties,
    ) -> Result<(Messages, SubAck), Error> {
        let (sender, messages) = Messages::new(self.stream_capacity);
        let suback = self.start_subscribe(filters, properties, Some(sender)).await?.await?;
        if suback.reasons.iter().all(|reason| reason.is_error()) {
            return Err(Error::SubscriptionRefused(Box::new(suback)));
        }
        Ok((messages, suback))
    }

    /// Subscribes for the stream of [`Self::connect_with_inbox`]; the result is a future for the answer, in whose
    /// reasons the topic filters are that the server refused.
    ///
    /// # Errors
    /// When the client is disconnected for good.
    pub async fn start_subscribe_to_inbox(
        &self,
        filters: Vec<SubscribeFilter>,
        properties: Properties,
    ) -> Result<Answer<SubAck>, Error> {
        self.start_subscribe(filters, properties, None).await
    }

    /// Ends subscriptions.
    ///
    /// # Errors
    /// When the client is disconnected for good before.
    pub async fn unsubscribe(
        &self,
        filters: Vec<ByteString>,
        properties: Properties,
    ) -> Result<UnsubAck, Error> {
        self.start_unsubscribe(filters, properties).await?.await
    }

    /// Asks to end subscriptions; the result is a future for the answer.
    ///
    /// # Errors
    /// When the client is disconnected for good.
    pub async fn start_unsubscribe(
        &self,
        filters: Vec<ByteString>,
        properties: Properties,
    ) -> Result<Answer<UnsubAck>, Error> {
        let (reply, outcome) = oneshot::channel();
        let unsubscribe = Unsubscribe { packet_id: FIRST_ID, properties, filters };
        self.command(Command::Unsubscribe { unsubscribe, reply }).await?;
        Ok(Answer { outcome })
    }

    /// Disconnects after everything handed over before was sent, and returns when the network connection is closed.
    pub async fn disconnect(&self) {
        self.disconnect_with(Disconnect { reason: ReasonCode::Success, properties: Properties::default() })
            .await;
    }

    /// Disconnects as [`Self::disconnect`] does, with a reason code and properties (version 5).
    pub async fn disconnect_with(&self, disconnect: Disconnect) {
        // A client that is disconnected already is what was asked for.
        let _ = self.command(Command::Disconnect { disconnect }).await;
        self.closed().await;
    }

    /// Waits until the client is disconnected for good, and tells why.
    pub async fn closed(&self) -> Lost {
        let mut closed = self.closed.clone();
        match closed.wait_for(Option::is_some).await {
            Ok(lost) => lost.clone().unwrap_or(Lost::Requested),
            Err(_) => Lost::Requested,
        }
    }

    async fn start(
        options: ClientOptions,
        inbox: Option<mpsc::Sender<crate::messages::Incoming>>,
    ) -> Result<Self, Lost> {
        let (commands, receiver) = mpsc::channel(COMMAND_CAPACITY);
        let (closed_sender, closed) = watch::channel(None);
        let (started, outcome) = oneshot::channel();
        let stream_capacity = options.stream_capacity;
        let driver = Driver::new(options, receiver, inbox, started);
        tokio::spawn(async move {
            let lost = driver.run().await;
            // Nobody listens any more when every client is gone.
            let _ = closed_sender.send(Some(lost));
        });
        outcome.await.unwrap_or(Err(Lost::Requested))?;
        Ok(Self { commands, closed, stream_capacity })
    }

    async fn start_subscribe(
        &self,
        filters: Vec<SubscribeFilter>,
        properties: Properties,
        stream: Option<mpsc::Sender<crate::messages::Incoming>>,
    ) -> Result<Answer<SubAck>, Error> {
        let (reply, outcome) = oneshot::channel();
        let subscribe = Subscribe { packet_id: FIRST_ID, properties, filters };
        self.command(Command::Subscribe { subscribe, stream, reply }).await?;
        Ok(Answer { outcome })
    }

    async fn command(&self, command: Command) -> Result<(), Error> {
        self.commands.send(command).await.map_err(|_| Error::Closed)
    }
}

/// A future for the server's answer to one request.
#[derive(Debug)]
pub struct Answer<T> {
    outcome: oneshot::Receiver<Result<T, Error>>,
}

/// A future for the acknowledgement of one message.
pub type Publication = Answer<Acknowledgement>;

impl<T> Future for Answer<T> {
    type Output = Result<T, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.outcome).poll(context).map(|outcome| outcome.unwrap_or(Err(Error::Closed)))
    }
}

/// Stands in packets whose identifier the session chooses.
const FIRST_ID: darter_codec::PacketId = darter_codec::PacketId::MIN;

/// Commands that wait for the driver.
const COMMAND_CAPACITY: usize = 32;
