//! The listeners' settings that are in force.

use super::door::{Door, Visitor};
use super::{ConnectRequest, Explanation};
use crate::admin::Refusal;
use std::sync::{Arc, PoisonError, RwLock};

/// All listeners of a server, the first one first. A reload replaces them.
#[derive(Debug, Default)]
pub struct Doors(RwLock<Arc<[Door]>>);

impl Doors {
    /// Begins with these.
    #[must_use]
    pub fn new(doors: Vec<Door>) -> Self {
        Self(RwLock::new(doors.into()))
    }

    /// Replaces them.
    pub fn replace(&self, doors: Vec<Door>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = doors.into();
    }

    pub(super) fn now(&self) -> Arc<[Door]> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
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
            Refusal(match names.is_empty() {
                true => "this server does not tell who may connect".into(),
                false => format!("there is no such listener; there are {}", names.join(", ")),
            })
        })?;
        let version = self.version.map(Into::into);
        Ok(door.explain(&Visitor { user: self.user.as_deref(), address: self.address, version }))
    }
}
