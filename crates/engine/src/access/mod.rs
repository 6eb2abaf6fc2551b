//! What clients may do: rules on topic filters, put together for one client when it connects.
//!
//! A [`Policy`] holds every rule and who it is for. [`Policy::grant`] picks those for one client and puts its names into their
//! filters; the [`Grant`] answers for its publications, subscriptions and deliveries. Denying rules go before allowing ones, in
//! whatever order they stand, and what no rule names is denied. Without any rules everything is allowed but
//! [`EVENTS`], which tells of other clients.

mod grant;
mod identity;
mod policy;
mod rule;
#[cfg(test)]
mod tests;
mod text;

pub use grant::{Decision, Grant, Reach, Why};
pub use identity::Identity;
pub use policy::{Policy, Who};
pub use rule::{Action, Actions, Effect, Origin, Rule};
pub use text::BadRule;

/// What the server tells of single clients. Only a rule that names it lets anybody receive it.
pub const EVENTS: &str = "$SYS/broker/events/#";

/// The level of [`EVENTS`] above what is published there.
const EVENTS_PREFIX: &str = "$SYS/broker/events/";

/// Whether a client for which there are no rules may receive this topic.
pub(crate) fn is_free(topic: &str) -> bool {
    !topic.starts_with(EVENTS_PREFIX)
}
