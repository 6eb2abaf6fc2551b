//! What goes from one shard to another.

use crate::access::Grant;
use crate::forward::Frames;
use crate::groups::Member;
use crate::interest::Interests;
use alloc::sync::Arc;
use darter_codec::record::{PublicationId, SessionNumber};
use darter_codec::{Message, QoS};

/// An item on its way from one shard to another. Items between two shards keep their order.
#[derive(Debug, Clone)]
pub enum PeerItem {
    /// Publications to route to everybody who subscribes on the receiving shard.
    Routed {
        /// The publications, in order.
        batch: Frames,
    },
    /// A publication for one session, chosen by the owner of a shared subscription.
    Direct {
        /// The receiver.
        to: DirectTo,
        /// The message.
        message: Message,
        /// To be answered with [`PeerItem::Stored`].
        number: u64,
    },
    /// Whether the sending shard has subscribers to filters: any, and any with QoS 1 or 2.
    Interest {
        /// The changes, shared by all shards that get them.
        changes: Arc<Interests>,
        /// To be answered with [`PeerItem::Stored`].
        number: u64,
    },
    /// A session joins a shared subscription that the receiving shard owns.
    Join {
        /// `$share/group/filter`.
        key: Arc<str>,
        /// The session.
        member: Member,
        /// To be answered with [`PeerItem::Stored`].
        number: u64,
    },
    /// A session leaves a shared subscription that the receiving shard owns.
    Leave {
        /// `$share/group/filter`.
        key: Arc<str>,
        /// The session.
        member: SessionNumber,
        /// To be answered with [`PeerItem::Stored`].
        number: u64,
    },
    /// A member's client came or went.
    Presence {
        /// `$share/group/filter`.
        key: Arc<str>,
        /// The session.
        member: SessionNumber,
        /// Whether it is connected.
        online: bool,
    },
    /// What a member may receive has changed.
    Granted {
        /// `$share/group/filter`.
        key: Arc<str>,
        /// The session.
        member: SessionNumber,
        /// What it may receive; `None` where nothing restricts it.
        grant: Option<Arc<Grant>>,
    },
    /// A message that a member could not finish, for another member of the group.
    Reroute {
        /// `$share/group/filter`.
        key: Arc<str>,
        /// The message.
        message: Message,
        /// The publication that it is a copy of, if that went to several shards.
        publication: Option<PublicationId>,
    },
    /// A member of a shared subscription that the receiving shard owns had its copy of a publication before the server started.
    Taken {
        /// `$share/group/filter`.
        key: Arc<str>,
        /// The publication.
        publication: PublicationId,
    },
    /// The publisher has released a publication that went to several shards: its copies need not be remembered any more.
    Closed {
        /// The publication.
        publication: PublicationId,
    },
    /// Everything up to these numbers that the receiving shard sent is stored, or known where it must be.
    Stored(Numbers),
}

/// How far a shard has come with what another one sent it, on each lane; 0 says nothing new.
///
/// Three lanes, so that shards never wait for each other in a circle: an answer on the direct lane waits for no other
/// shard, one on the routed lane for direct ones at most, one on the lane of groups for routed ones at most.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Numbers {
    /// Publications to route and changes of interest.
    pub routed: u64,
    /// Publications for one session.
    pub direct: u64,
    /// Changes of groups.
    pub grouped: u64,
}

impl Numbers {
    pub(super) fn raise(&mut self, other: Self) {
        self.routed = self.routed.max(other.routed);
        self.direct = self.direct.max(other.direct);
        self.grouped = self.grouped.max(other.grouped);
    }
}

/// The receiver of a publication that the owner of a shared subscription chose.
#[derive(Debug, Clone)]
pub struct DirectTo {
    pub(crate) member: Member,
    pub(crate) key: Arc<str>,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) publication: Option<PublicationId>,
    pub(crate) again: bool,
}

impl PeerItem {
    /// Bytes of messages in it, for a bound on what is on its way.
    #[must_use]
    pub fn size(&self) -> usize {
        match self {
            Self::Routed { batch } => batch.size(),
            Self::Direct { message, .. } | Self::Reroute { message, .. } => message.size(),
            _ => 0,
        }
    }
}
