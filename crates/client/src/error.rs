use crate::{ConnAck, Disconnect, Failure, PublishError, ReasonCode, SubAck, UnsubAck};
use darter_codec::EncodeError;
use darter_session::client::CommandError;
use std::io;
use std::sync::Arc;
use thiserror::Error;

/// Why there is no connection to the server.
#[derive(Debug, Clone, Error)]
pub enum Lost {
    /// [`crate::Client::disconnect`] was called, or every [`crate::Client`] was dropped.
    #[error("the client disconnected")]
    Requested,
    /// The host name has no address.
    #[error("cannot find the host {host}: {error}")]
    Lookup {
        /// The host name.
        host: String,
        /// What the resolver said.
        error: Arc<io::Error>,
    },
    /// The network connection could not be opened.
    #[error("cannot connect to port {port} of {host}: {error}")]
    Open {
        /// The host as it was named.
        host: String,
        /// The TCP port.
        port: u16,
        /// What the system said of the last address tried.
        error: Arc<io::Error>,
    },
    /// The network connection broke.
    #[error("the connection was lost: {0}")]
    Io(Arc<io::Error>),
    /// The server closed the network connection without a word.
    #[error("the server closed the connection")]
    ServerClosed,
    /// The server refused the connection.
    #[error("the server refused the connection: {:?}", .0.reason)]
    Refused(Box<ConnAck>),
    /// The server sent DISCONNECT.
    #[error("the server disconnected the client: {:?}", .0.reason)]
    Disconnected(Box<Disconnect>),
    /// The server broke the protocol, or did not answer.
    #[error(transparent)]
    Failed(Failure),
    /// CONNECT cannot be written with these options.
    #[error("CONNECT cannot be written: {0}")]
    Unsendable(EncodeError),
}

/// Why a request was not carried out.
#[derive(Debug, Clone, Error)]
pub enum Error {
    /// The client is disconnected for good; [`crate::Client::closed`] tells why.
    #[error("the client is disconnected")]
    Closed,
    /// The message was not published.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The server refused every topic filter.
    #[error("the server refused the subscription: {:?}", .0.reasons.first().unwrap_or(&ReasonCode::UnspecifiedError))]
    SubscriptionRefused(Box<SubAck>),
    /// The server refused to unsubscribe.
    #[error("the server refused to unsubscribe")]
    UnsubscribeRefused(Box<UnsubAck>),
    /// The request cannot be sent.
    #[error(transparent)]
    Command(#[from] CommandError),
}
