//! `-D COMMAND IDENTIFIER VALUE`: properties of version 5, for the packets that carry them.

use anyhow::{Context, bail};
use clap::{ArgAction, Args};
use darter_client::{Properties, Property};

/// The properties asked for.
#[derive(Debug, Args)]
pub(crate) struct PropertyFlags {
    /// A property of version 5 for one kind of packet, such as: -D publish content-type text/plain;
    /// user-property takes two values
    #[arg(
        short = 'D', long = "property", num_args = 3..=4, action = ArgAction::Append, allow_negative_numbers = true,
        value_names = ["PACKET", "NAME", "VALUE", "VALUE"], help_heading = "Connection"
    )]
    property: Vec<String>,
}

/// Properties by the packet that carries them.
#[derive(Debug, Default)]
pub(crate) struct PacketProperties {
    pub(crate) connect: Properties,
    pub(crate) publish: Properties,
    pub(crate) subscribe: Properties,
    pub(crate) unsubscribe: Properties,
    pub(crate) disconnect: Properties,
    pub(crate) will: Properties,
}

impl PropertyFlags {
    pub(crate) fn is_empty(&self) -> bool {
        self.property.is_empty()
    }

    pub(crate) fn parse(&self) -> anyhow::Result<PacketProperties> {
        let mut properties = PacketProperties::default();
        let mut words = self.property.iter().map(String::as_str);
        while let (Some(packet), Some(name), Some(value)) = (words.next(), words.next(), words.next()) {
            let second = if name.eq_ignore_ascii_case("user-property") {
                Some(words.next().context("-D ... user-property takes a name and a value")?)
            } else {
                None
            };
            let property = property(name, value, second)?;
            let (list, allowed) = properties.of(packet)?;
            if !allowed.contains(&name.to_ascii_lowercase().as_str()) {
                bail!("-D: a {} packet carries no {name}.", packet.to_ascii_uppercase());
            }
            if second.is_none() && list.iter().any(|other| other.id() == property.id()) {
                bail!("-D: {name} stands twice for {}.", packet.to_ascii_uppercase());
            }
            list.push(property);
        }
        Ok(properties)
    }
}

impl PacketProperties {
    fn of(&mut self, packet: &str) -> anyhow::Result<(&mut Properties, &'static [&'static str])> {
        Ok(match packet.to_ascii_lowercase().as_str() {
            "connect" => (&mut self.connect, CONNECT),
            "publish" => (&mut self.publish, PUBLISH),
            "subscribe" => (&mut self.subscribe, &["subscription-identifier", "user-property"]),
            "unsubscribe" => (&mut self.unsubscribe, &["user-property"]),
            "disconnect" => (&mut self.disconnect, &["session-expiry-interval", "user-property"]),
            "will" => (&mut self.will, WILL),
            _ => bail!(
                "-D: '{packet}' is none of connect, publish, subscribe, unsubscribe, disconnect and will."
            ),
        })
    }
}

fn property(name: &str, value: &str, second: Option<&str>) -> anyhow::Result<Property> {
    Ok(match name.to_ascii_lowercase().as_str() {
        "payload-format-indicator" => Property::PayloadFormatIndicator(flag(name, value)?),
        "message-expiry-interval" => Property::MessageExpiryInterval(number(name, value)?),
        "content-type" => Property::ContentType(value.into()),
        "response-topic" => Property::ResponseTopic(value.into()),
        "correlation-data" => Property::CorrelationData(value.to_owned().into()),
        "subscription-identifier" => Property::SubscriptionIdentifier(number(name, value)?),
        "session-expiry-interval" => Property::SessionExpiryInterval(number(name, value)?),
        "authentication-method" => Property::AuthenticationMethod(value.into()),
        "authentication-data" => Property::AuthenticationData(value.to_owned().into()),
        "request-problem-information" => Property::RequestProblemInformation(flag(name, value)?),
        "will-delay-interval" => Property::WillDelayInterval(number(name, value)?),
        "request-response-information" => Property::RequestResponseInformation(flag(name, value)?),
        "receive-maximum" => Property::ReceiveMaximum(number(name, value)?),
        "topic-alias-maximum" => Property::TopicAliasMaximum(number(name, value)?),
        "topic-alias" => Property::TopicAlias(number(name, value)?),
        "user-property" => Property::UserProperty((value.into(), second.unwrap_or_default().into())),
        "maximum-packet-size" => Property::MaximumPacketSize(number(name, value)?),
        _ => bail!("-D: there is no property '{name}'."),
    })
}

fn number<T: TryFrom<u32>>(name: &str, value: &str) -> anyhow::Result<T> {
    let number: Option<T> = value.parse::<u32>().ok().and_then(|number| number.try_into().ok());
    number.with_context(|| format!("-D: '{value}' is no number for {name}"))
}

fn flag(name: &str, value: &str) -> anyhow::Result<bool> {
    match value {
        "0" => Ok(false),
        "1" => Ok(true),
        _ => bail!("-D: {name} is 0 or 1, not '{value}'."),
    }
}

const CONNECT: &[&str] = &[
    "authentication-data",
    "authentication-method",
    "maximum-packet-size",
    "receive-maximum",
    "request-problem-information",
    "request-response-information",
    "session-expiry-interval",
    "topic-alias-maximum",
    "user-property",
];

const PUBLISH: &[&str] = &[
    "content-type",
    "correlation-data",
    "message-expiry-interval",
    "payload-format-indicator",
    "response-topic",
    "topic-alias",
    "user-property",
];

const WILL: &[&str] = &[
    "content-type",
    "correlation-data",
    "message-expiry-interval",
    "payload-format-indicator",
    "response-topic",
    "user-property",
    "will-delay-interval",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &str) -> anyhow::Result<PacketProperties> {
        PropertyFlags { property: words.split(' ').map(str::to_owned).collect() }.parse()
    }

    #[test]
    fn user_properties_take_two_values_and_the_others_one() {
        let parsed =
            parse("publish user-property a b PUBLISH topic-alias 3 connect receive-maximum 7").unwrap();
        assert_eq!(parsed.publish.user_properties().collect::<Vec<_>>(), [("a", "b")]);
        assert_eq!(parsed.publish.topic_alias(), Some(3));
        assert_eq!(parsed.connect.receive_maximum(), Some(7));
    }

    #[test]
    fn a_property_in_the_wrong_packet_or_twice_is_refused() {
        assert!(parse("subscribe topic-alias 3").is_err());
        assert!(parse("publish topic-alias 3 publish topic-alias 4").is_err());
        assert!(parse("publish topic-alias 70000").is_err());
        assert!(parse("publish colour red").is_err());
        assert!(parse("pingreq user-property a b").is_err());
    }
}
