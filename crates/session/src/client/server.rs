use super::event::PublishError;
use darter_codec::{ConnAck, Publish, QoS, Version};

/// What the server allows, from its CONNACK (section 3.2.2.3); before version 5 everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerLimits {
    /// Most unacknowledged QoS 1 and 2 messages it takes.
    pub receive_maximum: u16,
    /// Highest QoS it takes.
    pub maximum_qos: QoS,
    /// Whether it keeps retained messages.
    pub retain_available: bool,
    /// Largest packet it takes, in bytes; none means no limit.
    pub maximum_packet_size: Option<u32>,
    /// Highest topic alias it takes; 0 means none.
    pub topic_alias_maximum: u16,
    /// Whether it takes topic filters with wildcards.
    pub wildcard_subscriptions: bool,
    /// Whether it takes subscription identifiers.
    pub subscription_identifiers: bool,
    /// Whether it takes shared subscriptions.
    pub shared_subscriptions: bool,
    /// The keep alive it asks for instead of the client's, in seconds.
    pub keep_alive: Option<u16>,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            receive_maximum: u16::MAX,
            maximum_qos: QoS::ExactlyOnce,
            retain_available: true,
            maximum_packet_size: None,
            topic_alias_maximum: 0,
            wildcard_subscriptions: true,
            subscription_identifiers: true,
            shared_subscriptions: true,
            keep_alive: None,
        }
    }
}

impl ServerLimits {
    pub(super) fn from_connack(version: Version, connack: &ConnAck) -> Self {
        if version != Version::V5 {
            return Self::default();
        }
        let properties = &connack.properties;
        Self {
            receive_maximum: properties.receive_maximum().unwrap_or(u16::MAX),
            maximum_qos: properties.maximum_qos().unwrap_or(QoS::ExactlyOnce),
            retain_available: properties.retain_available().unwrap_or(true),
            maximum_packet_size: properties.maximum_packet_size(),
            topic_alias_maximum: properties.topic_alias_maximum().unwrap_or(0),
            wildcard_subscriptions: properties.wildcard_subscription_available().unwrap_or(true),
            subscription_identifiers: properties.subscription_identifier_available().unwrap_or(true),
            shared_subscriptions: properties.shared_subscription_available().unwrap_or(true),
            keep_alive: properties.server_keep_alive(),
        }
    }

    /// Whether the server takes such a message, its size apart.
    pub(super) fn check(&self, publish: &Publish) -> Result<(), PublishError> {
        if publish.qos > self.maximum_qos {
            return Err(PublishError::QosNotSupported { maximum: self.maximum_qos });
        }
        if publish.retain && !self.retain_available {
            return Err(PublishError::RetainNotSupported);
        }
        Ok(())
    }
}
