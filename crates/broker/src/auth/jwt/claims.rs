//! What a token says (section 4 of RFC 7519).

use super::Options;
use darter_engine::access::{Actions, BadRule, Effect, Identity, Origin, Rule};
use serde_json::{Map, Value};
use std::sync::Arc;

/// Where rules of tokens are said to be written.
const ORIGIN: &str = "token";
/// Bytes of the longest user name that a CONNECT can carry.
const MOST_NAME: usize = 65_535;

/// The claims of a token that was signed by somebody who may.
pub(super) struct Claims(Map<String, Value>);

impl Claims {
    pub(super) fn read(payload: &[u8]) -> Result<Self, &'static str> {
        serde_json::from_slice(payload).map(Self).map_err(|_| "the token's claims are not a JSON object")
    }

    /// Whether the token is for now and for here.
    pub(super) fn check(&self, options: &Options, since_1970: u64) -> Result<(), &'static str> {
        let (now, leeway) = (seconds(since_1970), options.leeway.as_secs_f64());
        match self.time("exp")? {
            Some(end) if now >= end + leeway => return Err("the token has expired"),
            None if options.must_expire => return Err("the token has no end: the claim exp is missing"),
            _ => {}
        }
        if self.time("nbf")?.is_some_and(|start| start > now + leeway) {
            return Err("the token is not valid yet, or this computer's clock is slow");
        }
        if self.time("iat")?.is_some_and(|issued| issued > now + leeway) {
            return Err("the token was issued in the future, or this computer's clock is slow");
        }
        if options
            .issuer
            .as_deref()
            .is_some_and(|issuer| self.0.get("iss").and_then(Value::as_str) != Some(issuer))
        {
            return Err("the token is from another issuer");
        }
        if options.audience.as_deref().is_some_and(|audience| !self.is_for(audience)) {
            return Err("the token is for another audience");
        }
        Ok(())
    }

    fn is_for(&self, audience: &str) -> bool {
        match self.0.get("aud") {
            Some(Value::String(one)) => one == audience,
            Some(Value::Array(several)) => several.iter().any(|one| one == audience),
            _ => false,
        }
    }

    /// Who the client is.
    pub(super) fn identity(
        &self,
        options: &Options,
        now: u64,
        since_1970: u64,
    ) -> Result<Identity, &'static str> {
        let user = self.0.get(&options.user_claim).and_then(Value::as_str);
        let user =
            user.filter(|name| (1..=MOST_NAME).contains(&name.len()) && !name.contains(char::is_control));
        let user = user.ok_or("the token names no user")?;
        let roles = self.texts(&options.roles_claim)?.unwrap_or_default();
        Ok(Identity {
            roles: roles.into_iter().map(Arc::from).collect(),
            rules: self.rules(options)?.into(),
            ends_at: self.time("exp")?.map(|end| {
                let left = (end + options.leeway.as_secs_f64() - seconds(since_1970)).max(0.0) * 1_000.0;
                // A float becomes the next integer there is.
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "as casts saturate"
                )]
                now.saturating_add(left as u64)
            }),
            ..Identity::of_user(user)
        })
    }

    fn rules(&self, options: &Options) -> Result<Vec<Rule>, &'static str> {
        match self.texts(&options.permissions_claim)? {
            Some(texts) => permitted(texts, ORIGIN).map_err(|_| "a permission in the token is no rule"),
            None => Ok(Vec::new()),
        }
    }

    /// An array of texts; none if there is no such claim.
    fn texts(&self, name: &str) -> Result<Option<Vec<&str>>, &'static str> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::Array(values)) => {
                let texts: Option<Vec<_>> = values.iter().map(Value::as_str).collect();
                texts.map(Some).ok_or("the token's roles or permissions are not all texts")
            }
            Some(_) => Err("the token's roles or permissions are not an array"),
        }
    }

    /// A time in seconds since 1970; none if there is no such claim.
    fn time(&self, name: &str) -> Result<Option<f64>, &'static str> {
        match self.0.get(name) {
            None => Ok(None),
            Some(value) => value.as_f64().map(Some).ok_or("a time in the token is not a number"),
        }
    }
}

/// Rules that allow these things and nothing else, also when there is nothing that they allow.
pub(crate) fn permitted<'a>(
    texts: impl IntoIterator<Item = &'a str>,
    origin: &str,
) -> Result<Vec<Rule>, BadRule> {
    let read = |text| Rule::read(Effect::Allow, text, origin.into(), 0);
    let mut rules = texts.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
    if rules.is_empty() {
        // Without any rule everything would be allowed.
        let origin = Origin { file: origin.into(), line: 0, text: "no permissions".into() };
        let (actions, filter) = (Actions::default(), "#".into());
        rules.push(Rule { effect: Effect::Allow, actions, filter, origin: Arc::new(origin) });
    }
    Ok(rules)
}

#[expect(clippy::cast_precision_loss, reason = "exact for the next 285,000 years")]
fn seconds(milliseconds: u64) -> f64 {
    milliseconds as f64 / 1_000.0
}
