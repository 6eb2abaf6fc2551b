use bytes::Bytes;
use darter_codec::{ByteString, Connect, Properties, Version, Will};

/// What a client asks for in CONNECT, and its own limits.
///
/// What the client announces in version 5 (Session Expiry Interval, Receive Maximum, Maximum Packet Size, Topic Alias
/// Maximum and so on) stands in `properties` and is enforced from there.
#[derive(Debug, Clone)]
pub struct Options {
    /// Protocol version to speak.
    pub version: Version,
    /// Client identifier; empty lets the server choose one (section 3.1.3.1).
    pub client_id: ByteString,
    /// Clean Start, called Clean Session before version 5 (section 3.1.2.4).
    pub clean_start: bool,
    /// Keep Alive in seconds; 0 switches it off (section 3.1.2.10).
    pub keep_alive: u16,
    /// The will message.
    pub will: Option<Will>,
    /// User name.
    pub username: Option<ByteString>,
    /// Password.
    pub password: Option<Bytes>,
    /// Properties of CONNECT; used with version 5 only.
    pub properties: Properties,
    /// Most unacknowledged QoS 1 and 2 messages on the way to the server; a lower Receive Maximum of the server wins.
    pub max_in_flight: u16,
    /// Most messages waiting for the server or for their turn, those on the way not counted.
    pub queue_limit: usize,
    /// Largest packet taken from the server, in bytes, where `properties` has no Maximum Packet Size.
    pub packet_size_limit: usize,
    /// Milliseconds to wait for CONNACK, and for any sign of life after a PINGREQ.
    pub response_timeout: u64,
    /// Report every packet in both directions as [`super::Event::Packet`].
    pub trace: bool,
}

impl Options {
    /// Defaults: clean start, keep alive of 60 s, 20 messages in flight, 10 s to answer, no other limit but the
    /// standard's.
    #[must_use]
    pub fn new(version: Version, client_id: impl Into<ByteString>) -> Self {
        Self {
            version,
            client_id: client_id.into(),
            clean_start: true,
            keep_alive: 60,
            will: None,
            username: None,
            password: None,
            properties: Properties::default(),
            max_in_flight: 20,
            queue_limit: usize::MAX,
            packet_size_limit: LARGEST_PACKET,
            response_timeout: 10_000,
            trace: false,
        }
    }

    /// Session Expiry Interval in seconds: 0 ends the session with the network connection (section 3.1.2.11.2).
    ///
    /// Before version 5 a clean session is like 0 and any other never expires.
    #[must_use]
    pub fn session_expiry(&self) -> u32 {
        match self.version {
            Version::V5 => self.properties.session_expiry_interval().unwrap_or(0),
            Version::V31 | Version::V311 if self.clean_start => 0,
            Version::V31 | Version::V311 => u32::MAX,
        }
    }

    /// The limit for packets from the server, in bytes.
    pub(super) fn incoming_limit(&self) -> usize {
        match (self.version, self.properties.maximum_packet_size()) {
            (Version::V5, Some(announced)) => usize::try_from(announced).unwrap_or(usize::MAX),
            _ => self.packet_size_limit,
        }
    }

    /// The Receive Maximum announced to the server, where there is one.
    pub(super) fn receive_maximum(&self) -> Option<u16> {
        if self.version == Version::V5 { self.properties.receive_maximum() } else { None }
    }

    /// The Topic Alias Maximum announced to the server.
    pub(super) fn topic_alias_maximum(&self) -> u16 {
        if self.version == Version::V5 { self.properties.topic_alias_maximum().unwrap_or(0) } else { 0 }
    }

    pub(super) fn connect(&self, client_id: &ByteString, clean_start: bool) -> Connect {
        let version = self.version;
        let properties = if version == Version::V5 { self.properties.clone() } else { Properties::default() };
        Connect {
            version,
            clean_start,
            keep_alive: self.keep_alive,
            client_id: client_id.clone(),
            will: self.will.clone(),
            username: self.username.clone(),
            password: self.password.clone(),
            properties,
            bridge: false,
        }
    }
}

/// The largest packet that a remaining length can express, header included (section 2.1.4).
const LARGEST_PACKET: usize = 268_435_455 + 5;
