//! The sections of the file, one file each.

pub(crate) mod auth;
pub(crate) mod history;
pub(crate) mod limits;
pub(crate) mod listener;
pub(crate) mod log;
pub(crate) mod roles;
pub(crate) mod server;
pub(crate) mod storage;

use crate::part::Part;

/// All sections, in the order of the documentation.
pub(crate) static PARTS: &[&dyn Part] = &[
    &listener::PART,
    &auth::PART,
    &roles::PART,
    &server::PART,
    &storage::PART,
    &history::PART,
    &limits::PART,
    &log::PART,
];
