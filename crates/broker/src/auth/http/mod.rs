//! Asking another server, by HTTP, whether a client may log in.
//!
//! The server is sent a POST with a JSON object: `client`, `user`, `password`, `address` (of the client, without the port) and
//! `listener`; what there is none of is null, and a password that is not UTF-8 is in `password_base64`. Status 200 or 204 lets
//! the client in. The body is empty then, or a JSON object that may have `user` (another name than the client's own), `roles`
//! and `permissions` (rules that allow something, as a token has them), and nothing else. Other statuses from 400 to 499 refuse
//! it, but for 408 and 429; those, and everything else, such as no answer in time, refuse it too, and say so to the client as
//! what it is: a server that is not available.

mod answer;
mod gate;
#[cfg(test)]
mod tests;

use super::encoding::BASE64;
use super::successes::{Key, Successes};
use super::{Login, Method, Outcome, Verdict};
use answer::Answer;
use base64::Engine;
use darter_codec::ReasonCode;
use darter_engine::access::Identity;
use gate::Gate;
use serde::Serialize;
use std::fmt;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use thiserror::Error;
use ureq::Agent;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig};

/// So many answers are known.
const MOST: usize = 16_384;
/// Bytes of the longest answer.
const MOST_BYTES: u64 = 64 * 1024;

/// Whom to ask, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Where: `http://` or `https://`.
    pub url: String,
    /// How long an answer may take, with the wait for one's turn; 100 ms to 60 s. 5 s unless said otherwise.
    pub timeout: Duration,
    /// Most questions on the way at once, 1 to 64; others wait. 4 unless said otherwise.
    pub at_once: usize,
    /// How long a client that was let in is let in again without a question, up to an hour; zero asks each time. 60 s unless said
    /// otherwise.
    pub cache: Duration,
    /// For `https://`: a file with the authorities that vouch for the server, in PEM. `None`: those that this computer trusts.
    pub authority: Option<PathBuf>,
}

impl Options {
    /// The usual limits.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            timeout: Duration::from_secs(5),
            at_once: 4,
            cache: Duration::from_secs(60),
            authority: None,
        }
    }
}

/// Why nobody can be asked.
#[derive(Debug, Error)]
pub enum HttpError {
    /// The URL is none, or of another kind.
    #[error("{0:?} is no URL that begins with http:// or https:// and names a server")]
    Url(String),
    /// The file of authorities cannot be read.
    #[error("the authorities in {} cannot be read: {source}", .file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is no certificate in the file of authorities.
    #[error("{} has no certificate of an authority in PEM", .0.display())]
    NoAuthority(PathBuf),
    /// This computer trusts no authority.
    #[error("no authorities are set up on this computer, so name a file with one for {0}")]
    NoneTrusted(String),
    /// No random numbers.
    #[error("the system gives no random numbers")]
    NoRandom,
}

/// The method that asks.
pub struct Http {
    shared: Arc<Shared>,
}

struct Shared {
    options: Options,
    agent: Agent,
    gate: Gate,
    successes: Successes<Identity>,
}

/// What is asked.
#[derive(Serialize)]
struct Question<'a> {
    client: &'a str,
    user: Option<&'a str>,
    password: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password_base64: Option<String>,
    address: Option<String>,
    listener: &'a str,
}

impl Http {
    /// Asks as the options say.
    ///
    /// # Errors
    /// When the URL is none, or the authorities cannot be read.
    pub fn new(options: Options) -> Result<Self, HttpError> {
        let agent = agent(&options)?;
        let gate = Gate::new(options.at_once);
        let successes = Successes::new(MOST, options.cache).ok_or(HttpError::NoRandom)?;
        Ok(Self { shared: Arc::new(Shared { options, agent, gate, successes }) })
    }
}

fn agent(options: &Options) -> Result<Agent, HttpError> {
    let url = &options.url;
    let uri: ureq::http::Uri = url.parse().map_err(|_| HttpError::Url(url.clone()))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none_or(str::is_empty) {
        return Err(HttpError::Url(url.clone()));
    }
    let mut config = Agent::config_builder()
        // What it says is looked at here, whatever it is.
        .http_status_as_error(false)
        .max_redirects(0)
        // Passwords go where the options say and nowhere else.
        .proxy(None)
        .max_idle_connections_per_host(options.at_once)
        .user_agent(concat!("darter/", env!("CARGO_PKG_VERSION")));
    if uri.scheme_str() == Some("https") {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let roots = RootCerts::new_with_certs(&authorities(options)?);
        let tls = TlsConfig::builder().root_certs(roots).unversioned_rustls_crypto_provider(provider).build();
        config = config.tls_config(tls);
    }
    Ok(config.build().into())
}

fn authorities(options: &Options) -> Result<Vec<Certificate<'static>>, HttpError> {
    let Some(file) = &options.authority else {
        let found = rustls_native_certs::load_native_certs().certs;
        if found.is_empty() {
            return Err(HttpError::NoneTrusted(options.url.clone()));
        }
        return Ok(found.iter().map(|certificate| Certificate::from_der(certificate).to_owned()).collect());
    };
    let pem = fs::read(file).map_err(|source| HttpError::Unreadable { file: file.clone(), source })?;
    let certificates = ureq::tls::parse_pem(&pem).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    });
    let certificates: Vec<_> = certificates.collect();
    if certificates.is_empty() { Err(HttpError::NoAuthority(file.clone())) } else { Ok(certificates) }
}

impl Method for Http {
    fn name(&self) -> &'static str {
        "http"
    }

    fn check(&self, login: &Login<'_>) -> Outcome {
        let connect = login.connect;
        if connect.username.is_none() && connect.password.is_none() {
            return Outcome::Pass;
        }
        let password = connect.password.as_deref().map(|bytes| std::str::from_utf8(bytes).map_err(|_| bytes));
        let question = Question {
            client: &connect.client_id,
            user: connect.username.as_deref(),
            password: password.and_then(Result::ok),
            password_base64: password.and_then(Result::err).map(|bytes| BASE64.encode(bytes)),
            address: login.peer.ip().map(|address| address.to_canonical().to_string()),
            listener: login.listener,
        };
        let Ok(question) = serde_json::to_vec(&question) else {
            return Outcome::Done(unavailable("it cannot be asked about"));
        };
        let key = self.shared.successes.key(&[&question]);
        let generation = self.shared.successes.generation(0);
        if let Some(identity) = self.shared.successes.get(&key, generation, Instant::now()) {
            return Outcome::Done(Verdict::Accept(identity));
        }
        let (shared, user) = (self.shared.clone(), connect.username.as_deref().map(Arc::from));
        Outcome::Work(Box::new(move || Outcome::Done(shared.ask(&question, (key, generation), user))))
    }

    fn flush(&self) {
        self.shared.successes.flush();
    }
}

impl Shared {
    fn ask(&self, question: &[u8], (key, generation): (Key, u64), user: Option<Arc<str>>) -> Verdict {
        let deadline = Instant::now() + self.options.timeout;
        let Some(turn) = self.gate.enter(deadline) else {
            return unavailable("the HTTP server for logins has not answered a moment ago, or is too busy");
        };
        let answer = self.send(question, deadline.saturating_duration_since(Instant::now()));
        turn.end(answer.is_some());
        let answer = answer.unwrap_or(Answer::Unavailable("the HTTP server for logins does not answer"));
        match answer.identity(user) {
            Answer::Accept(identity) => {
                if !self.options.cache.is_zero() {
                    self.successes.add(key, identity.clone(), generation, Instant::now());
                }
                Verdict::Accept(identity)
            }
            Answer::Refuse(what) => Verdict::Refuse { reason: ReasonCode::BadUserNameOrPassword, what },
            Answer::Unavailable(what) => unavailable(what),
        }
    }

    /// None without an answer.
    fn send(&self, question: &[u8], timeout: Duration) -> Option<Answer> {
        let request = self.agent.post(&self.options.url).config().timeout_global(Some(timeout)).build();
        let sent = request.header("content-type", "application/json").send(question);
        let answered = sent.and_then(|mut answer| {
            let body = answer.body_mut().with_config().limit(MOST_BYTES).read_to_vec()?;
            Ok((answer.status().as_u16(), body))
        });
        match answered {
            Ok((status, body)) => Some(Answer::read(status, &body)),
            Err(error) => {
                tracing::debug!(%error, url = %self.options.url, "no answer to a login by HTTP");
                None
            }
        }
    }
}

fn unavailable(what: &'static str) -> Verdict {
    Verdict::Refuse { reason: ReasonCode::ServerUnavailable, what }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").field("options", &self.shared.options).finish_non_exhaustive()
    }
}
