//! Topic aliases (section 3.3.2.3.4): a number that stands for a topic name on one connection.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use thiserror::Error;

/// Why an alias in a received PUBLISH cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AliasError {
    /// Zero, or above the maximum that this side announced [MQTT-3.3.2-8] [MQTT-3.3.2-9].
    #[error("topic alias {alias} is outside 1..={maximum}")]
    OutOfRange {
        /// The alias received.
        alias: u16,
        /// The Topic Alias Maximum announced.
        maximum: u16,
    },
    /// An empty topic name with an alias that was never given a name.
    #[error("topic alias {0} was used before it was given a topic name")]
    Unknown(u16),
}

/// Aliases that the other side set on this connection.
#[derive(Debug, Default)]
pub struct IncomingAliases {
    names: Vec<Option<Box<str>>>,
    maximum: u16,
}

impl IncomingAliases {
    /// `maximum`: the Topic Alias Maximum this side announced; 0 allows none.
    #[must_use]
    pub fn new(maximum: u16) -> Self {
        Self { names: Vec::new(), maximum }
    }

    /// The topic name that a PUBLISH with `alias` means; a `topic` that is not empty sets the alias.
    ///
    /// # Errors
    /// When the alias is out of range or has no name yet.
    pub fn resolve<'a>(&'a mut self, alias: u16, topic: &'a str) -> Result<&'a str, AliasError> {
        if alias == 0 || alias > self.maximum {
            return Err(AliasError::OutOfRange { alias, maximum: self.maximum });
        }
        let index = usize::from(alias) - 1;
        if !topic.is_empty() {
            if self.names.len() <= index {
                self.names.resize(index + 1, None);
            }
            if self.names[index].as_deref() != Some(topic) {
                self.names[index] = Some(topic.into());
            }
            return Ok(topic);
        }
        self.names.get(index).and_then(Option::as_deref).ok_or(AliasError::Unknown(alias))
    }
}

/// Aliases that this side made for the topics it sends.
///
/// The first topics get them, up to the other side's maximum and [`OutgoingAliases::MOST`]; later topics are sent by name.
#[derive(Debug, Default)]
pub struct OutgoingAliases {
    by_topic: BTreeMap<Box<str>, u16>,
    maximum: u16,
}

/// How the topic of one outgoing PUBLISH is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutgoingAlias {
    /// Topic name and alias: the other side learns the alias.
    Introduce(u16),
    /// The alias alone.
    Known(u16),
    /// The topic name alone.
    None,
}

impl OutgoingAliases {
    /// Most aliases kept for one connection, whatever the other side allows.
    pub const MOST: u16 = 64;

    /// `maximum`: the Topic Alias Maximum that the other side announced.
    #[must_use]
    pub fn new(maximum: u16) -> Self {
        Self { by_topic: BTreeMap::new(), maximum: maximum.min(Self::MOST) }
    }

    /// The alias for a PUBLISH to `topic` that is certainly going to be sent.
    pub fn assign(&mut self, topic: &str) -> OutgoingAlias {
        if let Some(alias) = self.by_topic.get(topic) {
            return OutgoingAlias::Known(*alias);
        }
        match u16::try_from(self.by_topic.len()) {
            Ok(used) if used < self.maximum => {
                self.by_topic.insert(topic.into(), used + 1);
                OutgoingAlias::Introduce(used + 1)
            }
            _ => OutgoingAlias::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_stands_for_the_last_name_it_was_given() {
        let mut aliases = IncomingAliases::new(2);
        assert_eq!(aliases.resolve(1, ""), Err(AliasError::Unknown(1)));
        assert_eq!(aliases.resolve(1, "a"), Ok("a"));
        assert_eq!(aliases.resolve(1, ""), Ok("a"));
        assert_eq!(aliases.resolve(1, "b"), Ok("b"));
        assert_eq!(aliases.resolve(1, ""), Ok("b"));
        assert_eq!(aliases.resolve(3, "c"), Err(AliasError::OutOfRange { alias: 3, maximum: 2 }));
        assert_eq!(aliases.resolve(0, "c"), Err(AliasError::OutOfRange { alias: 0, maximum: 2 }));
    }

    #[test]
    fn outgoing_aliases_stop_at_the_maximum() {
        let mut aliases = OutgoingAliases::new(1);
        assert_eq!(aliases.assign("a"), OutgoingAlias::Introduce(1));
        assert_eq!(aliases.assign("b"), OutgoingAlias::None);
        assert_eq!(aliases.assign("a"), OutgoingAlias::Known(1));
    }
}
