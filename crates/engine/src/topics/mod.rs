//! Who wants a topic, and what is retained on it: the two indexes a PUBLISH and a SUBSCRIBE are answered from.
//!
//! - [`SubscriptionTree`] holds topic filters and answers "which filters match this topic name" (section 4.7).
//! - [`RetainedTree`] holds retained messages and answers "which topic names match this filter" (section 3.3.1.3).
//!
//! Both are plain memory without clocks or locks, keyed with a seed from the caller because their keys come from
//! clients. Neither checks the syntax of topic names and filters; the codec does that before they arrive here.

mod arena;
mod extras;
mod hash;
mod levels;
mod literals;
mod matching;
mod order;
mod retained;
mod scan;
mod subscribers;
mod subscriptions;
mod table;
#[cfg(test)]
mod tests;
mod wildcards;

pub use matching::Matches;
pub use retained::RetainedTree;
pub use scan::ScanCursor;
pub use subscribers::{Look, Subscriber};
pub use subscriptions::{FilterId, SubscriptionTree};

/// Ids have 32 bits: memory ends before they do.
fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}
