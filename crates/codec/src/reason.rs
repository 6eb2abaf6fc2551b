use crate::frame::PacketType;

/// One row per reason code: name, number and the packets that may carry it (section 2.4).
macro_rules! reason_codes {
    ($($(#[doc = $doc:literal])* $name:ident = $code:literal in [$($packet:ident),*];)*) => {
        /// The outcome of an operation, as version 5 names it (section 2.4). From 0x80 on it is a failure.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum ReasonCode {
            $(
                $(#[doc = $doc])*
                $name = $code,
            )*
        }

        impl ReasonCode {
            /// Every reason code, by number.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The reason code of a byte; `None` if the standard has none of that number.
            #[must_use]
            pub const fn from_u8(code: u8) -> Option<Self> {
                match code {
                    $($code => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// Whether a packet of that type may carry it (section 2.4, last column).
            #[must_use]
            pub const fn is_allowed_in(self, packet: PacketType) -> bool {
                match self {
                    $(Self::$name => matches!(packet, $(PacketType::$packet)|*),)*
                }
            }
        }
    };
}

reason_codes! {
    /// Done as asked. Also "Normal disconnection" in DISCONNECT and "Granted QoS 0" in SUBACK.
    Success = 0x00 in [ConnAck, PubAck, PubRec, PubRel, PubComp, SubAck, UnsubAck, Disconnect, Auth];
    /// The subscription is accepted with QoS 1 at most.
    GrantedQos1 = 0x01 in [SubAck];
    /// The subscription is accepted with QoS 2 at most.
    GrantedQos2 = 0x02 in [SubAck];
    /// The client leaves, and its will is to be published.
    DisconnectWithWillMessage = 0x04 in [Disconnect];
    /// The message is accepted, but nobody subscribes to it.
    NoMatchingSubscribers = 0x10 in [PubAck, PubRec];
    /// There was no such subscription to end.
    NoSubscriptionExisted = 0x11 in [UnsubAck];
    /// Authentication goes on with another step.
    ContinueAuthentication = 0x18 in [Auth];
    /// The client starts authentication anew.
    ReAuthenticate = 0x19 in [Auth];
    /// Refused, and the reason is not told or has no code.
    UnspecifiedError = 0x80 in [ConnAck, PubAck, PubRec, SubAck, UnsubAck, Disconnect];
    /// The packet does not follow its layout.
    MalformedPacket = 0x81 in [ConnAck, Disconnect];
    /// The packet was not allowed, or not at this time.
    ProtocolError = 0x82 in [ConnAck, Disconnect];
    /// The packet is valid, but this receiver does not take it.
    ImplementationSpecificError = 0x83 in [ConnAck, PubAck, PubRec, SubAck, UnsubAck, Disconnect];
    /// The server does not speak that version of the protocol.
    UnsupportedProtocolVersion = 0x84 in [ConnAck];
    /// The client identifier is not allowed.
    ClientIdentifierNotValid = 0x85 in [ConnAck];
    /// User name or password were not accepted.
    BadUserNameOrPassword = 0x86 in [ConnAck];
    /// The client may not do this.
    NotAuthorized = 0x87 in [ConnAck, PubAck, PubRec, SubAck, UnsubAck, Disconnect];
    /// The server is not available.
    ServerUnavailable = 0x88 in [ConnAck];
    /// The server is busy; later it may work.
    ServerBusy = 0x89 in [ConnAck, Disconnect];
    /// An administrator has shut this client out.
    Banned = 0x8A in [ConnAck];
    /// The server is stopping.
    ServerShuttingDown = 0x8B in [Disconnect];
    /// The authentication method is not supported, or is not the one in use.
    BadAuthenticationMethod = 0x8C in [ConnAck, Disconnect];
    /// Nothing was received for one and a half times the keep alive.
    KeepAliveTimeout = 0x8D in [Disconnect];
    /// Another connection with the same client identifier took the session.
    SessionTakenOver = 0x8E in [Disconnect];
    /// The topic filter is not accepted.
    TopicFilterInvalid = 0x8F in [SubAck, UnsubAck, Disconnect];
    /// The topic name is not accepted.
    TopicNameInvalid = 0x90 in [ConnAck, PubAck, PubRec, Disconnect];
    /// The packet identifier is in use already.
    PacketIdentifierInUse = 0x91 in [PubAck, PubRec, SubAck, UnsubAck];
    /// The packet identifier is not known.
    PacketIdentifierNotFound = 0x92 in [PubRel, PubComp];
    /// More unacknowledged messages were sent than the receive maximum allows.
    ReceiveMaximumExceeded = 0x93 in [Disconnect];
    /// The topic alias is 0, above the maximum, or stands for nothing.
    TopicAliasInvalid = 0x94 in [Disconnect];
    /// The packet is larger than its receiver takes.
    PacketTooLarge = 0x95 in [ConnAck, Disconnect];
    /// Messages arrive too fast.
    MessageRateTooHigh = 0x96 in [Disconnect];
    /// A limit set by the implementation or an administrator is exceeded.
    QuotaExceeded = 0x97 in [ConnAck, PubAck, PubRec, SubAck, Disconnect];
    /// An administrator ended the connection.
    AdministrativeAction = 0x98 in [Disconnect];
    /// The payload is not what the payload format indicator says.
    PayloadFormatInvalid = 0x99 in [ConnAck, PubAck, PubRec, Disconnect];
    /// The server keeps no retained messages.
    RetainNotSupported = 0x9A in [ConnAck, Disconnect];
    /// The QoS is above the server's maximum.
    QosNotSupported = 0x9B in [ConnAck, Disconnect];
    /// The client should use another server for now.
    UseAnotherServer = 0x9C in [ConnAck, Disconnect];
    /// The client should use another server from now on.
    ServerMoved = 0x9D in [ConnAck, Disconnect];
    /// The server has no shared subscriptions.
    SharedSubscriptionsNotSupported = 0x9E in [SubAck, Disconnect];
    /// Connections are opened too fast.
    ConnectionRateExceeded = 0x9F in [ConnAck, Disconnect];
    /// The longest time allowed for this connection is over.
    MaximumConnectTime = 0xA0 in [Disconnect];
    /// The server has no subscription identifiers.
    SubscriptionIdentifiersNotSupported = 0xA1 in [SubAck, Disconnect];
    /// The server has no wildcard subscriptions.
    WildcardSubscriptionsNotSupported = 0xA2 in [SubAck, Disconnect];
}

impl ReasonCode {
    /// The byte on the wire.
    #[must_use]
    pub const fn to_u8(self) -> u8 {
        self as u8
    }

    /// Whether it is a failure: 0x80 and above.
    #[must_use]
    pub const fn is_error(self) -> bool {
        self.to_u8() >= 0x80
    }

    /// The answer to a CONNECT of version 3.1 or 3.1.1 that says the same, or comes nearest.
    #[must_use]
    pub const fn to_v3_return_code(self) -> ConnectReturnCode {
        match self {
            reason if !reason.is_error() => ConnectReturnCode::Accepted,
            Self::UnsupportedProtocolVersion => ConnectReturnCode::UnacceptableProtocolVersion,
            Self::ClientIdentifierNotValid => ConnectReturnCode::IdentifierRejected,
            Self::BadUserNameOrPassword => ConnectReturnCode::BadUserNameOrPassword,
            Self::NotAuthorized | Self::Banned | Self::BadAuthenticationMethod => {
                ConnectReturnCode::NotAuthorized
            }
            _ => ConnectReturnCode::ServerUnavailable,
        }
    }
}

impl From<ReasonCode> for u8 {
    fn from(reason: ReasonCode) -> Self {
        reason.to_u8()
    }
}

/// The outcome of a CONNECT of version 3.1 or 3.1.1 (section 3.2.2.3 of 3.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ConnectReturnCode {
    /// The connection is accepted.
    Accepted = 0,
    /// The server does not speak that version.
    UnacceptableProtocolVersion = 1,
    /// The client identifier is not allowed.
    IdentifierRejected = 2,
    /// The service is not available.
    ServerUnavailable = 3,
    /// User name or password were not accepted.
    BadUserNameOrPassword = 4,
    /// The client may not connect.
    NotAuthorized = 5,
}

impl ConnectReturnCode {
    /// The return code of a byte; `None` from 6 on, which are reserved.
    #[must_use]
    pub const fn from_u8(code: u8) -> Option<Self> {
        Some(match code {
            0 => Self::Accepted,
            1 => Self::UnacceptableProtocolVersion,
            2 => Self::IdentifierRejected,
            3 => Self::ServerUnavailable,
            4 => Self::BadUserNameOrPassword,
            5 => Self::NotAuthorized,
            _ => return None,
        })
    }

    /// The byte on the wire.
    #[must_use]
    pub const fn to_u8(self) -> u8 {
        self as u8
    }

    /// The version 5 reason code of the same meaning.
    #[must_use]
    pub const fn to_reason_code(self) -> ReasonCode {
        match self {
            Self::Accepted => ReasonCode::Success,
            Self::UnacceptableProtocolVersion => ReasonCode::UnsupportedProtocolVersion,
            Self::IdentifierRejected => ReasonCode::ClientIdentifierNotValid,
            Self::ServerUnavailable => ReasonCode::ServerUnavailable,
            Self::BadUserNameOrPassword => ReasonCode::BadUserNameOrPassword,
            Self::NotAuthorized => ReasonCode::NotAuthorized,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_the_numbers_of_the_standard() {
        let known = (0..=u8::MAX).filter_map(ReasonCode::from_u8);
        assert!(known.eq(ReasonCode::ALL.iter().copied()));
        assert_eq!(ReasonCode::ALL.len(), 43);
        for reason in ReasonCode::ALL {
            assert_eq!(ReasonCode::from_u8(reason.to_u8()), Some(*reason));
        }
        assert_eq!(ReasonCode::WildcardSubscriptionsNotSupported.to_u8(), 0xA2);
        assert_eq!(ReasonCode::from_u8(0x03), None);
    }

    #[test]
    fn failures_start_at_0x80() {
        assert!(!ReasonCode::ReAuthenticate.is_error());
        assert!(ReasonCode::UnspecifiedError.is_error());
    }

    #[test]
    fn packets_have_as_many_codes_as_the_standard_lists() {
        let counts = PacketType::ALL
            .map(|packet| ReasonCode::ALL.iter().filter(|reason| reason.is_allowed_in(packet)).count());
        // In the order of the packet types. DISCONNECT has 0x8C in section 2.4, though not in 3.14.2.1.
        assert_eq!(counts, [0, 22, 0, 9, 9, 2, 2, 0, 12, 0, 7, 0, 0, 30, 3]);
    }

    #[test]
    fn return_codes_survive_the_way_through_reason_codes() {
        for code in (0..=5).filter_map(ConnectReturnCode::from_u8) {
            assert_eq!(code.to_reason_code().to_v3_return_code(), code);
        }
        for reason in ReasonCode::ALL {
            let refused = reason.to_v3_return_code() != ConnectReturnCode::Accepted;
            assert_eq!(refused, reason.is_error());
        }
        assert_eq!(ConnectReturnCode::from_u8(6), None);
    }
}
