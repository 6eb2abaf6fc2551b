//! An asynchronous MQTT client for versions 3.1, 3.1.1 and 5.
//!
//! [`Client::connect`] starts a task on the current Tokio runtime that owns the network connection: it keeps it alive,
//! opens it again when it breaks, repeats what was not acknowledged and subscribes again when the server lost the
//! session. The caller has nothing to poll.
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use darter_client::{Client, ClientOptions, Publish, QoS, Version};
//!
//! let client = Client::connect(ClientOptions::new(Version::V5, "greeter", "localhost", 1883)).await?;
//! let mut greetings = client.subscribe("greetings/#", QoS::AtLeastOnce).await?;
//! client
//!     .publish(Publish {
//!         topic: "greetings/world".into(),
//!         payload: "hello".into(),
//!         qos: QoS::AtLeastOnce,
//!         ..Publish::default()
//!     })
//!     .await?;
//! let greeting = greetings.recv().await;
//! # drop(greeting);
//! client.disconnect().await;
//! # Ok(())
//! # }
//! ```

mod backoff;
mod client;
mod driver;
mod error;
mod messages;
mod network;
mod options;
mod requests;
mod routes;

pub use backoff::Backoff;
pub use client::{Answer, Client, Publication};
pub use error::{Error, Lost};
pub use messages::Messages;
pub use options::{ClientOptions, Observer, Resubscribe};

pub use darter_codec::{
    ByteString, ConnAck, Disconnect, Packet, PacketId, Properties, Property, Publish, QoS, ReasonCode,
    RetainHandling, SubAck, Subscribe, SubscribeFilter, SubscriptionOptions, UnsubAck, Unsubscribe, Version,
    Will, topic,
};
pub use darter_session::client::{Acknowledgement, Direction, Failure, Message, Options, PublishError};
