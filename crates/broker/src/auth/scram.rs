//! SCRAM-SHA-256 (RFC 5802 and 7677) as an Authentication Method of version 5: the password never travels, and the client learns
//! that it speaks to a server that knows it.
//!
//! For users in the store; password files do not have the keys for it. There is no channel binding. Passwords are taken as they
//! are: a client that prepares one that is not ASCII (RFC 4013) may come to another one.

use super::encoding::{BASE64, BASE64_UNPADDED, random};
use super::passwords::Source;
use super::users::{Known, Users};
use super::{Exchange, Login, Method, Outcome, Step};
use base64::Engine;
use base64::engine::GeneralPurpose;
use ring::{digest, hmac};
use std::fmt;
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// Its name in CONNECT.
pub const NAME: &str = "SCRAM-SHA-256";

/// Bytes of the longest nonce of a client.
const MOST_NONCE: usize = 1_024;
/// Random bytes in the server's part of a nonce.
const NONCE: usize = 18;

/// The method.
#[derive(Debug)]
pub struct Scram {
    users: Arc<Users>,
}

impl Scram {
    /// For these users.
    #[must_use]
    pub fn new(users: Arc<Users>) -> Self {
        Self { users }
    }
}

impl Method for Scram {
    fn name(&self) -> &'static str {
        "scram"
    }

    fn check(&self, _login: &Login<'_>) -> Outcome {
        Outcome::Pass
    }

    fn exchange(&self, login: &Login<'_>) -> Option<Box<dyn Exchange>> {
        let method = login.connect.properties.authentication_method()?;
        (*method == *NAME)
            .then(|| Box::new(Conversation { users: self.users.clone(), state: State::Begin }) as _)
    }

    fn is_idle(&self) -> bool {
        self.users.is_empty()
    }
}

/// One conversation.
struct Conversation {
    users: Arc<Users>,
    state: State,
}

enum State {
    /// The client has to say who it is.
    Begin,
    /// The client has to prove it.
    Challenged(Challenged),
    /// It is over.
    End,
}

/// What the two have said so far.
struct Challenged {
    user: String,
    /// None for a user who is not there.
    known: Option<Arc<Known>>,
    /// The beginning of the client's first message, about channels and names.
    header: String,
    /// The rest of it.
    first: String,
    challenge: String,
    nonce: String,
}

impl Exchange for Conversation {
    fn go_on(&mut self, data: &[u8]) -> Step {
        let Ok(message) = std::str::from_utf8(data) else {
            return Step::Refuse("its SCRAM message is not UTF-8");
        };
        let step = match std::mem::replace(&mut self.state, State::End) {
            State::Begin => self.challenge(message, random::<NONCE>()),
            State::Challenged(challenged) => challenged.verify(message, &self.users),
            State::End => Err("its SCRAM exchange is over"),
        };
        step.unwrap_or_else(Step::Refuse)
    }
}

impl Conversation {
    /// The answer to the client's first message (`client-first-message`).
    fn challenge(&mut self, message: &str, nonce: Option<[u8; NONCE]>) -> Result<Step, &'static str> {
        let first = First::read(message)?;
        let nonce = BASE64_UNPADDED.encode(nonce.ok_or("the system gives no random numbers")?);
        let nonce = format!("{}{nonce}", first.nonce);
        let known = self.users.get(&first.user);
        let keys = known.as_ref().and_then(|known| known.user.credentials.scram.keys());
        let (salt, iterations) = match &keys {
            Some(keys) => (BASE64.encode(&keys.salt), keys.iterations),
            None => (stand_in(self.users.secret(), &first.user), super::users::SCRAM_ITERATIONS),
        };
        let challenge = format!("r={nonce},s={salt},i={iterations}");
        let answer = Step::Challenge(challenge.clone().into_bytes());
        let (header, rest) = (first.header.to_owned(), first.bare.to_owned());
        self.state =
            State::Challenged(Challenged { user: first.user, known, header, first: rest, challenge, nonce });
        Ok(answer)
    }
}

/// A salt for somebody who is not there: always the same one for a name, so that nobody can tell.
fn stand_in(secret: &[u8; 32], user: &str) -> String {
    let salt = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), user.as_bytes());
    BASE64.encode(&salt.as_ref()[..super::users::SCRAM_SALT])
}

/// The client's first message, taken apart.
struct First<'a> {
    /// `gs2-header`
    header: &'a str,
    /// `client-first-message-bare`
    bare: &'a str,
    user: String,
    nonce: &'a str,
}

impl<'a> First<'a> {
    fn read(message: &'a str) -> Result<Self, &'static str> {
        const DAMAGED: &str = "its first SCRAM message is damaged";
        let (binding, rest) = message.split_once(',').ok_or(DAMAGED)?;
        match binding {
            // `y`: the client could bind the channel and has seen that the server cannot.
            "n" | "y" => {}
            _ if binding.starts_with("p=") => {
                return Err("it asks SCRAM for channel binding, which is not supported");
            }
            _ => return Err(DAMAGED),
        }
        let (identity, bare) = rest.split_once(',').ok_or(DAMAGED)?;
        let mut fields = bare.split(',');
        let mut field = |name: &str| fields.next().and_then(|field| field.strip_prefix(name)).ok_or(DAMAGED);
        if bare.starts_with("m=") {
            return Err("it asks for an extension of SCRAM, of which none is supported");
        }
        let user = unescaped(field("n=")?).ok_or(DAMAGED)?;
        let nonce = field("r=")?;
        if !(1..=MOST_NONCE).contains(&nonce.len()) || !nonce.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(DAMAGED);
        }
        // Whom it wants to act as: nobody else.
        let other = match identity.strip_prefix("a=") {
            Some(name) => unescaped(name).ok_or(DAMAGED)? != user,
            None => !identity.is_empty(),
        };
        if other {
            return Err("it wants to act as another user");
        }
        Ok(Self { header: &message[..message.len() - bare.len()], bare, user, nonce })
    }
}

/// A `saslname`: `=2C` is a comma and `=3D` an equals sign.
fn unescaped(name: &str) -> Option<String> {
    let mut parts = name.split('=');
    let mut plain = parts.next()?.to_owned();
    for part in parts {
        let (letter, rest) = match part.get(..2)? {
            "2C" => (',', &part[2..]),
            "3D" => ('=', &part[2..]),
            _ => return None,
        };
        plain.push(letter);
        plain.push_str(rest);
    }
    (!plain.is_empty() && !plain.contains(char::is_control)).then_some(plain)
}

impl Challenged {
    /// The answer to the client's last message (`client-final-message`).
    fn verify(self, message: &str, users: &Users) -> Result<Step, &'static str> {
        const DAMAGED: &str = "its last SCRAM message is damaged";
        let (unproven, proof) = message.rsplit_once(",p=").ok_or(DAMAGED)?;
        let mut fields = unproven.split(',');
        let header = fields.next().and_then(|field| field.strip_prefix("c=")).ok_or(DAMAGED)?;
        let nonce = fields.next().and_then(|field| field.strip_prefix("r=")).ok_or(DAMAGED)?;
        if strict(header).as_deref() != Some(self.header.as_bytes()) || nonce != self.nonce {
            return Err("its last SCRAM message does not fit its first one");
        }
        let proof: [u8; 32] = strict(proof).and_then(|proof| proof.try_into().ok()).ok_or(DAMAGED)?;
        let keys = self.known.as_ref().and_then(|known| known.user.credentials.scram.keys());
        let said = format!("{},{},{unproven}", self.first, self.challenge);
        // It takes as long for a user who is not there.
        let stored_key = keys.as_ref().map_or(users.secret(), |keys| &keys.stored_key);
        let right = proves(stored_key, said.as_bytes(), &proof);
        let (Some(known), Some(keys)) = (self.known, keys) else {
            return Err("SCRAM does not know the user");
        };
        if !right {
            return Err("the password is wrong");
        }
        // Not somebody who has been removed or changed since.
        match users.get(&self.user) {
            Some(now) if now.user.credentials == known.user.credentials => {
                if now.user.disabled {
                    return Err("the user is disabled");
                }
                let signature = sign(&keys.server_key, said.as_bytes());
                let data = format!("v={}", BASE64.encode(signature)).into_bytes();
                Ok(Step::Accept { identity: now.user.identity(), data })
            }
            _ => Err("the user has changed meanwhile"),
        }
    }
}

/// Whether it comes from somebody who has the client's key (section 3 of RFC 5802).
fn proves(stored_key: &[u8; 32], said: &[u8], proof: &[u8; 32]) -> bool {
    let signature = sign(stored_key, said);
    let mut client_key = *proof;
    for (byte, mask) in client_key.iter_mut().zip(signature.as_ref()) {
        *byte ^= mask;
    }
    digest::digest(&digest::SHA256, &client_key).as_ref().ct_eq(stored_key).into()
}

fn sign(key: &[u8; 32], said: &[u8]) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), said)
}

/// Base64 with all its `=`.
fn strict(text: &str) -> Option<Vec<u8>> {
    const STRICT: GeneralPurpose = base64::engine::general_purpose::STANDARD;
    STRICT.decode(text).ok()
}

/// Shows nothing of what was said.
impl fmt::Debug for Conversation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            State::Begin => "Conversation(begin)",
            State::Challenged(_) => "Conversation(challenged)",
            State::End => "Conversation(end)",
        })
    }
}

#[cfg(test)]
mod tests;
