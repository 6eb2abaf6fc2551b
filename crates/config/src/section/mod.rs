//! The sections of the file, one file each.

pub(crate) mod history;
pub(crate) mod limits;
pub(crate) mod listener;
pub(crate) mod log;
pub(crate) mod server;
pub(crate) mod storage;

use crate::key::Section;

/// All sections, in the order of the documentation.
pub(crate) const SECTIONS: &[Section] =
    &[listener::SECTION, server::SECTION, storage::SECTION, history::SECTION, limits::SECTION, log::SECTION];
