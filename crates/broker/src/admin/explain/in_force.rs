//! What the running server goes by, and answers from.

use super::door::{Door, Visitor};
use super::{ConnectRequest, ExplainRequest, Explanation, explain};
use crate::access::Policy;
use crate::admin::Refusal;
use serde_json::{Value, json};
use std::sync::{Arc, PoisonError, RwLock};

/// The rules and the listeners' settings that are in force. A reload replaces them.
#[derive(Debug, Default)]
pub struct InForce(RwLock<Now>);

#[derive(Debug, Clone, Default)]
struct Now {
    policy: Arc<Policy>,
    doors: Arc<[Door]>,
}

impl InForce {
    /// Begins with these.
    #[must_use]
    pub fn new(policy: Arc<Policy>, doors: Vec<Door>) -> Self {
        Self(RwLock::new(Now { policy, doors: doors.into() }))
    }

    /// Replaces them.
    pub fn replace(&self, policy: Arc<Policy>, doors: Vec<Door>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Now { policy, doors: doors.into() };
    }

    fn now(&self) -> Now {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Answers a request of either kind; `action` tells them apart.
    ///
    /// # Errors
    /// When it is none, or names a listener that is not there.
    pub fn answer(&self, request: Value) -> Result<Value, Refusal> {
        let now = self.now();
        let refused = |error: serde_json::Error| Refusal(error.to_string());
        let explanation = if request["action"] == json!("connect") {
            let request: ConnectRequest = serde_json::from_value(request).map_err(refused)?;
            request.explain(&now.doors)?
        } else {
            let request: ExplainRequest = serde_json::from_value(request).map_err(refused)?;
            explain(&now.policy, &request.question()?)
        };
        Ok(json!(explanation))
    }
}

impl ConnectRequest {
    /// Whether the client may connect to the listener that it names, the first one if it names none.
    ///
    /// # Errors
    /// When there is no such listener, or the user name is empty.
    pub fn explain(&self, doors: &[Door]) -> Result<Explanation, Refusal> {
        if self.user.as_deref() == Some("") {
            return Err(Refusal("the user name is empty; leave it out for a client without one".into()));
        }
        let door = match &self.listener {
            None => doors.first(),
            Some(name) => doors.iter().find(|door| *door.listener == **name),
        };
        let door = door.ok_or_else(|| {
            let names: Vec<_> = doors.iter().map(|door| &*door.listener).collect();
            Refusal(format!("there is no such listener; there are {}", names.join(", ")))
        })?;
        let version = self.version.map(Into::into);
        Ok(door.explain(&Visitor { user: self.user.as_deref(), address: self.address, version }))
    }
}
