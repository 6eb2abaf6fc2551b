//! The rules that the server goes by now.

use darter_engine::access::Policy;
use std::sync::{Arc, Mutex, PoisonError};

/// The rules, for threads that are asked about them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rules {
    now: Arc<Mutex<Arc<Policy>>>,
}

impl Rules {
    pub(crate) fn new(policy: Arc<Policy>) -> Self {
        Self { now: Arc::new(Mutex::new(policy)) }
    }

    pub(crate) fn get(&self) -> Arc<Policy> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set(&self, policy: Arc<Policy>) {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) = policy;
    }
}
