//! Live administration: questions to the running server, each answered by a plain function.
//!
//! [`answer`] takes a request and gives an answer, both JSON objects. A request names what it wants in `do`, and has the
//! fields of that: `{"do":"drops","limit":10}`. The answer is `{"ok": ...}` or `{"error": "why"}`. There is one file for
//! each noun, with its request and its answer; whoever serves them, over the Unix socket of this module or over HTTP,
//! adds nothing.
//!
//! On systems with Unix sockets, `Socket` serves them to the user whom the server belongs to, one object a line.

#[cfg(unix)]
mod ask;
mod drops;
pub mod explain;
pub mod history;
#[cfg(unix)]
mod place;
mod refusals;
mod sessions;
#[cfg(unix)]
mod socket;
mod status;
mod store;
#[cfg(all(test, unix))]
mod tests;
mod trace;

#[cfg(unix)]
pub use ask::{AskError, Connection};
pub use drops::DropsRequest;
pub use history::Queries;
#[cfg(unix)]
pub use place::{FindError, Found, find, find_any, find_by_port};
pub use refusals::RefusalsRequest;
pub use sessions::SessionsRequest;
#[cfg(unix)]
pub use socket::Socket;
pub use store::report;
pub use trace::TraceRequest;

use crate::{Following, View};
use serde_json::{Map, Value, json};
use std::fmt;
use std::sync::Arc;
use std::task::Waker;

/// What the questions are about.
#[derive(Debug, Clone)]
pub struct Subject {
    /// The server.
    pub view: View,
    /// Its history, if it keeps one.
    pub history: Option<Arc<dyn Queries>>,
    /// Who may connect; whoever sets up the server's listeners keeps it.
    pub doors: Arc<explain::Doors>,
}

/// Why a request is not answered, in words for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal(pub String);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refusal {}

impl Subject {
    /// A server with its history.
    #[must_use]
    pub fn new(view: View) -> Self {
        let history = view.history().cloned().map(|history| history as Arc<dyn Queries>);
        Self { view, history, doors: Arc::default() }
    }

    /// The same with who may connect.
    #[must_use]
    pub fn with_doors(self, doors: Arc<explain::Doors>) -> Self {
        Self { doors, ..self }
    }
}

/// What follows a request.
#[derive(Debug)]
pub enum Reply {
    /// One answer.
    Once(Value),
    /// An answer now, and more of them as long as it is kept.
    Feed(Value, Following),
}

type Begin = fn(&Subject, Value, Waker) -> Result<Following, Refusal>;
type Handler = fn(&Subject, Value) -> Result<Value, Refusal>;

/// Every noun and the function that answers for it.
const HANDLERS: &[(&str, Handler)] = &[
    ("status", |subject, request| status::answer(subject, &read(request)?)),
    ("drops", |subject, request| drops::answer(subject, &read(request)?)),
    ("sessions", |subject, request| sessions::answer(subject, &read(request)?)),
    ("refusals", |subject, request| refusals::answer(subject, &read(request)?)),
    ("explain", explain::answer),
    ("store", |subject, request| store::answer(subject, &read(request)?)),
    ("history", |subject, request| history::answer_live(subject, &read(request)?)),
];

/// The nouns that are followed.
const FEEDS: &[(&str, Begin)] =
    &[("trace", |subject, request, waker| Ok(trace::follow(subject, &read(request)?, waker)))];

/// Answers one request, whatever it is. `waker` is woken when what is followed has something new.
#[must_use]
pub fn reply(subject: &Subject, request: &[u8], waker: &Waker) -> Reply {
    let parsed: Option<Map<String, Value>> = serde_json::from_slice(request).ok();
    let feed = parsed.and_then(|mut request| {
        let wanted = request.remove("do")?;
        let (name, begin) = FEEDS.iter().find(|(name, _)| wanted == *name)?;
        Some((name, begin(subject, Value::Object(request), waker.clone())))
    });
    match feed {
        None => Reply::Once(answer(subject, request)),
        Some((_, Ok(following))) => Reply::Feed(json!({ "ok": {} }), following),
        Some((name, Err(Refusal(why)))) => Reply::Once(json!({ "error": format!("{name}: {why}") })),
    }
}

/// Answers one request that has one answer, whatever it is.
#[must_use]
pub fn answer(subject: &Subject, request: &[u8]) -> Value {
    match dispatch(subject, request) {
        Ok(value) => json!({ "ok": value }),
        Err(Refusal(why)) => json!({ "error": why }),
    }
}

fn dispatch(subject: &Subject, request: &[u8]) -> Result<Value, Refusal> {
    let mut request: Map<String, Value> = serde_json::from_slice(request)
        .map_err(|error| Refusal(format!("a request is a JSON object on one line: {error}")))?;
    let known = || {
        let feeds = FEEDS.iter().map(|(name, _)| *name);
        HANDLERS.iter().map(|(name, _)| *name).chain(feeds).collect::<Vec<_>>().join(", ")
    };
    let Some(wanted) = request.remove("do") else {
        return Err(Refusal(format!("\"do\" is missing; it names one of {}", known())));
    };
    let handler = HANDLERS.iter().find(|(name, _)| wanted == *name);
    let (name, handler) =
        handler.ok_or_else(|| Refusal(format!("{wanted} is not known; there are {}", known())))?;
    handler(subject, Value::Object(request)).map_err(|Refusal(why)| Refusal(format!("{name}: {why}")))
}

/// A request's fields. Unknown ones are refused.
fn read<T: serde::de::DeserializeOwned>(request: Value) -> Result<T, Refusal> {
    serde_json::from_value(request).map_err(|error| Refusal(error.to_string()))
}
