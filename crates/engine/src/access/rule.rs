//! One rule, and where it was written.

use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;
use core::ops::BitOr;

/// Something that a client does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// It publishes to a topic.
    Publish,
    /// It has a message retained, which takes [`Publish`](Self::Publish) too.
    Retain,
    /// It subscribes to a filter.
    Subscribe,
    /// It is sent a message on a topic.
    Receive,
}

impl Action {
    /// The action as one word for rules, logs and questions.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Retain => "retain",
            Self::Subscribe => "subscribe",
            Self::Receive => "receive",
        }
    }
}

/// A set of actions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Actions(u8);

impl Actions {
    /// To publish.
    pub const PUBLISH: Self = Self(1);
    /// To have retained.
    pub const RETAIN: Self = Self(2);
    /// To subscribe to filters that match no topic beyond the rule's.
    pub const SUBSCRIBE: Self = Self(4);
    /// To receive.
    pub const RECEIVE: Self = Self(8);
    /// To subscribe to every filter that matches a topic of the rule's, of which only what may be received comes. This is how
    /// mosquitto's files mean it.
    pub const OVERLAP: Self = Self(16);
    /// To publish and to have retained.
    pub const WRITE: Self = Self(1 | 2);
    /// To subscribe and to receive.
    pub const READ: Self = Self(4 | 8);
    /// All of it.
    pub const ALL: Self = Self(1 | 2 | 4 | 8);

    /// Whether it has all of `other`.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether it has any of `other`.
    #[must_use]
    pub const fn has_any(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl BitOr for Actions {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl From<Action> for Actions {
    fn from(action: Action) -> Self {
        match action {
            Action::Publish => Self::PUBLISH,
            Action::Retain => Self::RETAIN,
            Action::Subscribe => Self::SUBSCRIBE,
            Action::Receive => Self::RECEIVE,
        }
    }
}

/// What a rule does with what it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// It lets it pass, unless another rule denies it.
    Allow,
    /// It denies it, whatever other rules allow.
    Deny,
}

/// Where a rule was written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The file, or what else gave the rule, such as `token`.
    pub file: Arc<str>,
    /// The line in it, from 1 on; 0 where there are none.
    pub line: u32,
    /// The rule as it is written there.
    pub text: String,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        Ok(())
    }
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Rule {
    /// What it does.
    pub effect: Effect,
    /// With what.
    pub actions: Actions,
    /// On which topics: a topic filter, in which `%u` stands for the user name and `%c` for the client identifier, anywhere in a
    /// level, and `%%` for a percent sign; any other percent sign is itself.
    pub filter: Arc<str>,
    /// Where it was written.
    pub origin: Arc<Origin>,
}

impl Rule {
    /// Whether its filter depends on who the client is.
    #[must_use]
    pub fn is_personal(&self) -> bool {
        marks(&self.filter).any(|(_, mark)| mark != '%')
    }
}

/// The places in a filter where `%u`, `%c` or `%%` stands, each with the character behind the percent sign.
pub(super) fn marks(filter: &str) -> impl Iterator<Item = (usize, char)> {
    let mut from = 0;
    core::iter::from_fn(move || {
        while let Some(found) = filter[from..].find('%') {
            let at = from + found;
            from = at + 1;
            if let Some(mark @ (b'u' | b'c' | b'%')) = filter.as_bytes().get(from) {
                from += 1;
                return Some((at, char::from(*mark)));
            }
        }
        None
    })
}
