//! `trace`: one client's packets, live.

use super::Subject;
use crate::Following;
use serde::{Deserialize, Serialize};
use std::task::Waker;

/// Asks to follow a client.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TraceRequest {
    /// Its client identifier.
    pub client: String,
}

pub(super) fn follow(subject: &Subject, request: &TraceRequest, waker: Waker) -> Following {
    subject.view.follow(&request.client, waker)
}
