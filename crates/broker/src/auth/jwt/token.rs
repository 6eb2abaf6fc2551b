//! A signed token: three parts with dots between them (section 3.1 of RFC 7515).

use super::super::encoding::BASE64_URL;
use super::key::Key;
use base64::Engine;
use serde_json::{Map, Value};
use std::str;

/// A token whose signature nobody has looked at.
pub(super) struct Token {
    header: Map<String, Value>,
    /// What is signed: the first two parts, and where the first ends.
    signed: String,
    dot: usize,
    signature: Vec<u8>,
}

impl Token {
    /// Takes a password apart. None if it does not look like a token: three parts, of which the first is an object with `alg`.
    pub(super) fn read(password: &[u8]) -> Option<Self> {
        let text = str::from_utf8(password).ok()?;
        let (signed, signature) = text.rsplit_once('.')?;
        let dot = signed.find('.').filter(|dot| !signed[dot + 1..].contains('.'))?;
        let header: Map<String, Value> =
            serde_json::from_slice(&BASE64_URL.decode(&signed[..dot]).ok()?).ok()?;
        header.get("alg")?;
        // One that is not base64 is no signature of anybody.
        let signature = BASE64_URL.decode(signature).unwrap_or_default();
        Some(Self { header, signed: signed.to_owned(), dot, signature })
    }

    /// What it says, if one of the keys has signed it.
    ///
    /// The key decides how it must be signed. What the header says of that must be the same, and chooses among the keys.
    pub(super) fn verified(&self, keys: &[Key]) -> Result<Vec<u8>, &'static str> {
        if self.header.contains_key("crit") {
            return Err("the token asks for something that is not known here");
        }
        let algorithm = self.header.get("alg").and_then(Value::as_str);
        let id = match self.header.get("kid") {
            None => None,
            Some(Value::String(id)) => Some(id),
            Some(_) => return Err("the token's header is damaged"),
        };
        let mut candidates = keys
            .iter()
            .filter(|key| algorithm == Some(key.algorithm().name()))
            .filter(|key| id.is_none() || key.id.is_none() || key.id.as_ref() == id)
            .peekable();
        if candidates.peek().is_none() {
            return Err("there is no key for the token's algorithm and key id");
        }
        if !candidates.any(|key| key.has_signed(self.signed.as_bytes(), &self.signature)) {
            return Err("the token's signature is wrong");
        }
        BASE64_URL.decode(&self.signed[self.dot + 1..]).map_err(|_| "the token's claims are damaged")
    }
}
