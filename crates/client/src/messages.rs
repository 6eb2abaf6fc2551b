use crate::Message;
use darter_session::client::Delivery;
use std::sync::Arc;
use tokio::sync::mpsc;

/// A stream of messages.
///
/// A message with QoS 1 or 2 is acknowledged to the server when it is taken out of the stream, and not before. While
/// a stream is full nothing more is read from the server. Dropping a stream ends its subscription; what it still
/// held is acknowledged unless the client was disconnected first.
#[derive(Debug)]
pub struct Messages {
    receiver: mpsc::Receiver<Incoming>,
}

/// A message on its way to the application.
#[derive(Debug, Clone)]
pub(crate) struct Incoming {
    pub(crate) message: Message,
    /// Shared by all the streams that get the message.
    #[expect(dead_code, reason = "kept for its drop")]
    pub(crate) acknowledgement: Option<Arc<AcknowledgeOnDrop>>,
}

/// Acknowledges a delivery when the last stream has let go of it.
#[derive(Debug)]
pub(crate) struct AcknowledgeOnDrop {
    pub(crate) delivery: Delivery,
    pub(crate) acknowledgements: mpsc::UnboundedSender<Delivery>,
}

impl Messages {
    pub(crate) fn new(capacity: usize) -> (mpsc::Sender<Incoming>, Self) {
        let (sender, receiver) = mpsc::channel(capacity.max(1));
        (sender, Self { receiver })
    }

    /// The next message. None when the client is disconnected for good and everything was taken.
    pub async fn recv(&mut self) -> Option<Message> {
        self.receiver.recv().await.map(Incoming::take)
    }

    /// The next message, if there is one already.
    pub fn try_recv(&mut self) -> Option<Message> {
        self.receiver.try_recv().ok().map(Incoming::take)
    }
}

impl Incoming {
    fn take(self) -> Message {
        self.message
    }
}

impl Drop for AcknowledgeOnDrop {
    fn drop(&mut self) {
        // Without a driver there is nobody to tell: the server sends the message again.
        let _ = self.acknowledgements.send(self.delivery);
    }
}
