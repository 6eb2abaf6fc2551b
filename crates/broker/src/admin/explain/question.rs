//! What is asked.

use crate::access::{Action, Identity};
use crate::admin::Refusal;
use darter_codec::Version;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::sync::Arc;

/// Whether a client may do something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Who the client is, as far as rules look at it: its user and the roles that come with its login.
    pub identity: Identity,
    /// Its client identifier; empty when it is not known.
    pub client: String,
    /// What it wants to do.
    pub action: Action,
    /// With which topic name, or with which topic filter if it subscribes.
    pub topic: String,
}

/// The names of what a client may want.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Wish {
    /// To publish to a topic.
    Publish,
    /// To have a message retained on it.
    Retain,
    /// To subscribe to a filter.
    Subscribe,
    /// To be sent what is published to a topic.
    Receive,
}

impl Wish {
    /// What is called by this word.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        let all = [Self::Publish, Self::Retain, Self::Subscribe, Self::Receive];
        all.into_iter().find(|wish| Action::from(*wish).name() == word)
    }

    /// What stands between "may" and the topic.
    #[must_use]
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Publish => "publish to",
            Self::Retain => "have messages retained on",
            Self::Subscribe => "subscribe to",
            Self::Receive => "receive",
        }
    }
}

impl From<Wish> for Action {
    fn from(wish: Wish) -> Self {
        match wish {
            Wish::Publish => Self::Publish,
            Wish::Retain => Self::Retain,
            Wish::Subscribe => Self::Subscribe,
            Wish::Receive => Self::Receive,
        }
    }
}

/// Asks for an explanation.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ExplainRequest {
    /// What the client wants.
    pub action: Wish,
    /// Its user name; none for a client without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Its client identifier.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub client: String,
    /// Roles that its login would bring, beside those that the configuration gives the user.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// The topic name or filter.
    pub topic: String,
}

impl ExplainRequest {
    /// The question that it asks.
    ///
    /// # Errors
    /// When the user name is empty: nobody can log in with it.
    pub fn question(&self) -> Result<Question, Refusal> {
        if self.user.as_deref() == Some("") {
            return Err(Refusal("the user name is empty; leave it out for a client without one".into()));
        }
        let identity = Identity {
            user: self.user.as_deref().map(Into::into),
            roles: self.roles.iter().map(|role| Arc::from(role.as_str())).collect(),
            ..Identity::default()
        };
        let (client, action, topic) = (self.client.clone(), self.action.into(), self.topic.clone());
        Ok(Question { identity, client, action, topic })
    }
}

/// Asks whether a client may connect; passwords do not matter.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectRequest {
    /// Always the same.
    pub action: Connecting,
    /// Its user name; none for a client without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The name of the listener; `[listener]` itself without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listener: Option<String>,
    /// Where the client is; as far away as the listener can be reached from without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// The version of MQTT that it speaks, if that matters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Spoken>,
}

/// The one word that a [`ConnectRequest`] has as its action.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
pub enum Connecting {
    /// It is about connecting.
    #[default]
    #[serde(rename = "connect")]
    Connect,
}

/// A version of MQTT as people write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
pub enum Spoken {
    /// 3.1.
    #[serde(rename = "3.1")]
    V31,
    /// 3.1.1.
    #[serde(rename = "3.1.1")]
    V311,
    /// 5.
    #[serde(rename = "5")]
    V5,
}

impl From<Spoken> for Version {
    fn from(spoken: Spoken) -> Self {
        match spoken {
            Spoken::V31 => Self::V31,
            Spoken::V311 => Self::V311,
            Spoken::V5 => Self::V5,
        }
    }
}
