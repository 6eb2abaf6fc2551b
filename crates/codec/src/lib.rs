//! MQTT 3.1, 3.1.1 and 5 packets, topic names and topic filters: bytes to values and back.
//!
//! The way in is [`frame::scan`], which finds the next control packet in a buffer without copying. Its body goes to
//! [`Packet::decode`] for an owned value, or, where speed matters, to the borrowed decoders [`PublishView`] and
//! [`AckView`]. The way out is [`Packet::encode`], or [`PublishHead`] for a PUBLISH whose payload is written apart.
//!
//! One set of types serves all versions of the protocol: the [`Version`] is an argument, and what a version cannot
//! carry (properties and most reason codes before version 5) is left out on the wire.
//!
//! ```
//! use darter_codec::{PublishView, Scan, Version, frame};
//!
//! let input = b"\x30\x05\x00\x01tHi...and the start of the next packet";
//! let Scan::Complete(frame) = frame::scan(input, 1024)? else { panic!("more bytes are needed") };
//! let publish = PublishView::decode(Version::V311, frame.first, frame.body)?;
//! assert_eq!((publish.topic, publish.payload), ("t", &b"Hi"[..]));
//! # Ok::<(), darter_codec::DecodeError>(())
//! ```
//!
//! Nothing here panics or allocates by a length that was announced but has not been read.
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod error;
pub mod frame;
mod identifier;
mod message;
pub mod packet;
pub mod property;
mod qos;
mod read;
mod reason;
pub mod record;
pub mod topic;
mod version;
mod write;

pub use bytestring::ByteString;
pub use error::{DecodeError, EncodeError};
pub use frame::{Frame, PacketType, Scan};
pub use identifier::PacketId;
pub use message::Message;
pub use packet::{
    AckView, Auth, ConnAck, Connect, Disconnect, Packet, PubAck, PubComp, PubRec, PubRel, Publish,
    PublishHead, PublishView, RetainHandling, SubAck, Subscribe, SubscribeFilter, SubscriptionOptions,
    UnsubAck, Unsubscribe, Will,
};
pub use property::{Properties, Property};
pub use qos::QoS;
pub use reason::{ConnectReturnCode, ReasonCode};
pub use topic::{SharedFilter, TopicError};
pub use version::Version;
