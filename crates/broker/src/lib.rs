//! The embeddable MQTT server: listeners, shards, authentication and status topics.
//!
//! ```no_run
//! use darter_broker::{Broker, Options};
//!
//! let broker = Broker::start(&Options::default())?;
//! println!("listening on {:?}", broker.addresses());
//! broker.shutdown();
//! # Ok::<(), darter_broker::StartError>(())
//! ```

pub mod admin;
pub mod auth;
mod broker;
mod clock;
mod conn;
mod driver;
mod entrance;
pub mod event;
mod failure;
mod file_watch;
mod inbox;
mod large;
mod options;
mod origin;
mod recorder;
mod refusals;
mod restoring;
mod rules;
mod status;
mod trace;
mod transport;
mod view;

pub use broker::{Broker, Listening, StartError};
pub use darter_codec::record::Durability;
pub use darter_codec::{Version, topic};
pub use darter_engine::access;
pub use darter_engine::{Drop, DropReason, Limits, QueuePolicy, RatePolicy, SessionSeen};
pub use darter_net as net;
pub use darter_store as store;
pub use failure::{ShardFailure, Watch};
pub use options::{ListenerOptions, Options, Versions};
pub use refusals::Refusal;
pub use status::Status;
pub use trace::Following;
pub use transport::websocket_rules;
pub use view::{Dropped, Sessions, View};
