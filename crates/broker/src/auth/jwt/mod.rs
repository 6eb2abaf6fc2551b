//! JSON Web Tokens in the password field (RFC 7519, signed as RFC 7515 says).
//!
//! A token counts when one of the keys has signed it, with the one algorithm that goes with that key, and its claims say that it
//! is for now and for here. What is no token is left to other methods.

mod claims;
mod der;
mod key;
mod key_file;
#[cfg(test)]
mod tests;
mod token;

pub use key::{Algorithm, UnknownAlgorithm};
pub use key_file::{BadKey, KeyError, Keys};

use super::{Login, Method, Outcome, Verdict};
use crate::clock::since_1970;
use claims::Claims;
pub(crate) use claims::permitted;
use darter_codec::ReasonCode;
use key::Key;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use token::Token;

/// Which tokens are accepted, and what they say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Where the keys are that may have signed a token.
    pub keys: Keys,
    /// Algorithms that are accepted; all that go with the keys if it is empty.
    pub algorithms: Vec<Algorithm>,
    /// What `iss` must be, if anything.
    pub issuer: Option<String>,
    /// What `aud` must be or have in it, if anything.
    pub audience: Option<String>,
    /// By how much the clocks of the issuer and of this computer may differ, up to 10 minutes. 30 seconds unless said otherwise.
    pub leeway: Duration,
    /// Whether a token without `exp` is refused: it is valid for ever. True unless said otherwise.
    pub must_expire: bool,
    /// The claim with the user; `sub` unless said otherwise.
    pub user_claim: String,
    /// Whether the user name of the CONNECT must be that user. Otherwise it means nothing.
    pub user_must_match: bool,
    /// The claim with an array of roles; `roles` unless said otherwise.
    pub roles_claim: String,
    /// The claim with an array of rules that allow something, each as [`Rule::read`](darter_engine::access::Rule::read) has it;
    /// `permissions` unless said otherwise. With that claim, even an empty one, what no rule names is denied.
    pub permissions_claim: String,
}

impl Options {
    /// The usual claims, and nothing asked for but a signature and an end.
    #[must_use]
    pub fn new(keys: Keys) -> Self {
        Self {
            keys,
            algorithms: Vec::new(),
            issuer: None,
            audience: None,
            leeway: Duration::from_secs(30),
            must_expire: true,
            user_claim: "sub".into(),
            user_must_match: false,
            roles_claim: "roles".into(),
            permissions_claim: "permissions".into(),
        }
    }
}

/// The method for tokens.
pub struct Jwt {
    options: Arc<Options>,
    keys: RwLock<Arc<[Key]>>,
}

impl Jwt {
    /// Reads the keys.
    ///
    /// # Errors
    /// When they cannot be read, or none of them can be used.
    pub fn open(options: Options) -> Result<Self, KeyError> {
        let keys = RwLock::new(options.read_keys()?);
        Ok(Self { options: Arc::new(options), keys })
    }

    /// Reads the keys again and returns how many there are.
    ///
    /// # Errors
    /// As when they are opened; the keys stay as they were.
    pub fn reload(&self) -> Result<usize, KeyError> {
        let keys = self.options.read_keys()?;
        let count = keys.len();
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        Ok(count)
    }
}

impl Options {
    fn read_keys(&self) -> Result<Arc<[Key]>, KeyError> {
        let wanted = |key: &Key| self.algorithms.is_empty() || self.algorithms.contains(&key.algorithm());
        self.keys.read(wanted).map(Into::into)
    }

    /// What a token comes to. `since_1970` is the time of day in milliseconds.
    fn verdict(&self, token: &Token, keys: &[Key], user: Option<&str>, now: u64, since_1970: u64) -> Verdict {
        let accepted = token.verified(keys).and_then(|payload| {
            let claims = Claims::read(&payload)?;
            claims.check(self, since_1970)?;
            let identity = claims.identity(self, now, since_1970)?;
            match (self.user_must_match, user) {
                (true, name) if name != identity.user.as_deref() => {
                    Err("the user name is not the token's user")
                }
                _ => Ok(identity),
            }
        });
        match accepted {
            Ok(identity) => Verdict::Accept(identity),
            Err(what) => Verdict::Refuse { reason: ReasonCode::BadUserNameOrPassword, what },
        }
    }
}

impl Method for Jwt {
    fn name(&self) -> &'static str {
        "jwt"
    }

    fn check(&self, login: &Login<'_>) -> Outcome {
        let Some(token) = login.connect.password.as_deref().and_then(Token::read) else {
            return Outcome::Pass;
        };
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner).clone();
        let (options, user, now) = (self.options.clone(), login.connect.username.clone(), login.now);
        Outcome::Work(Box::new(move || {
            Outcome::Done(options.verdict(&token, &keys, user.as_deref(), now, since_1970()))
        }))
    }
}

impl fmt::Debug for Jwt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jwt").field("options", &self.options).finish_non_exhaustive()
    }
}
