//! Who a client is.

use super::Rule;
use alloc::sync::Arc;

/// Who a client is and what came with its login, as the authenticator found out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// The user; none for a client that was let in without a name.
    pub user: Option<Arc<str>>,
    /// Roles that came with the login, beside those that the [`Policy`](super::Policy) gives the user.
    pub roles: Arc<[Arc<str>]>,
    /// Rules that came with the login, such as those in a token.
    pub rules: Arc<[Rule]>,
    /// Whether the session of another user is refused to the client. Where everybody is let in there is nothing to guard.
    pub guarded: bool,
    /// When the login ends and the client is disconnected, in milliseconds of the engine's clock.
    pub ends_at: Option<u64>,
    /// What is put before every topic of the client on its way in and taken off on its way out, such as `school/`; none for
    /// nothing.
    pub mount: Option<Arc<str>>,
}

impl Identity {
    /// A user of whom nothing more is known.
    #[must_use]
    pub fn of_user(user: impl Into<Arc<str>>) -> Self {
        Self { user: Some(user.into()), ..Self::default() }
    }
}
