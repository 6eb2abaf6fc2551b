//! `history`: what was published on a topic.

use super::{Refusal, Subject};
use darter_store::history::{History, Sample};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io;

/// Most points and topics in one answer.
pub const MOST: usize = 100_000;
/// Points of an answer when nothing else is asked for.
const FEW: usize = 1_000;

/// What can be asked of a history. Times are milliseconds since 1970, from `from` on and before `to`.
///
/// Called on the thread that answers questions, never on a shard's: it may read files.
pub trait Queries: Send + Sync + Debug {
    /// The last `count` points of a topic, the oldest first.
    ///
    /// # Errors
    /// When what is kept cannot be read.
    fn last(&self, topic: &str, count: usize) -> io::Result<Vec<Point>>;

    /// The points of a topic in a time, at most `most`, the oldest first.
    ///
    /// # Errors
    /// When what is kept cannot be read.
    fn range(&self, topic: &str, from: u64, to: u64, most: usize) -> io::Result<Vec<Point>>;

    /// The same time in about `points` equal parts, those without a number left out.
    ///
    /// # Errors
    /// When what is kept cannot be read.
    fn downsampled(&self, topic: &str, from: u64, to: u64, points: usize) -> io::Result<Vec<Part>>;

    /// The topics that begin with `prefix`, at most `most`, in their order.
    ///
    /// # Errors
    /// When what is kept cannot be read.
    fn topics(&self, prefix: &str, most: usize) -> io::Result<Vec<String>>;
}

/// A message that was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    /// When it came, in milliseconds since 1970.
    pub at: u64,
    /// Its payload.
    pub payload: Vec<u8>,
}

/// All points of a part of the time.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Where the part begins, in milliseconds since 1970.
    pub at: u64,
    /// How many points.
    pub count: u64,
    /// Of the numbers in their payloads.
    pub numbers: Vec<Numbers>,
}

/// The numbers of one kind in a part of the time.
#[derive(Debug, Clone, PartialEq)]
pub struct Numbers {
    /// The field of a JSON object, or empty for payloads that are numbers themselves.
    pub field: String,
    /// How many.
    pub count: u64,
    /// The smallest.
    pub min: f64,
    /// Their mean.
    pub mean: f64,
    /// The largest.
    pub max: f64,
}

/// Asks for points of `topic`, or for the topics that begin with `prefix`.
///
/// Of a topic: `last` of them; or those `from` and before `to`, at most `limit`; or the same, with both ends, in about `points` parts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Request {
    /// The topic name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// How many of the last points.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<usize>,
    /// Milliseconds since 1970; 0 when nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<u64>,
    /// Milliseconds since 1970; without end when nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<u64>,
    /// Most points of a range, or topics; 1000 when nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// About so many parts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub points: Option<usize>,
    /// The first characters of topic names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
}

pub(super) fn answer_live(subject: &Subject, request: &Request) -> Result<Value, Refusal> {
    let history = subject.history.as_deref();
    answer(history.ok_or_else(|| Refusal("this server keeps no history".into()))?, request)
}

/// Answers from a history.
///
/// # Errors
/// When the request makes no sense, or what is kept cannot be read.
pub fn answer(history: &dyn Queries, request: &Request) -> Result<Value, Refusal> {
    let unreadable = |error: io::Error| Refusal(format!("the history cannot be read: {error}"));
    let most = request.limit.unwrap_or(FEW).min(MOST);
    let (from, to) = (request.from.unwrap_or(0), request.to.unwrap_or(u64::MAX));
    let is_range = request.from.is_some() || request.to.is_some();
    let topic = match (&request.topic, &request.prefix) {
        (Some(topic), None) => topic,
        (None, Some(prefix)) => {
            let topics = history.topics(prefix, most).map_err(unreadable)?;
            return Ok(json!({ "topics": topics }));
        }
        _ => return Err(Refusal("it wants either a topic or a prefix".into())),
    };
    match (request.last, request.points) {
        (Some(_), _) if is_range || request.points.is_some() => {
            Err(Refusal("last goes with neither from, to nor points".into()))
        }
        (_, Some(0)) => Err(Refusal("points must be at least 1".into())),
        (None, Some(_)) if request.from.is_none() || request.to.is_none() => {
            Err(Refusal("points wants both from and to".into()))
        }
        (None, Some(points)) => {
            let parts = history.downsampled(topic, from, to, points.min(MOST)).map_err(unreadable)?;
            Ok(json!({ "topic": topic, "parts": parts.iter().map(part).collect::<Vec<_>>() }))
        }
        (last, _) => {
            let points = if is_range {
                history.range(topic, from, to, most)
            } else {
                history.last(topic, last.unwrap_or(most).min(MOST))
            };
            let points: Vec<_> = points.map_err(unreadable)?.iter().map(point).collect();
            Ok(json!({ "topic": topic, "points": points }))
        }
    }
}

/// The payload is text where it is UTF-8, and else hexadecimal digits in `hex`.
fn point(point: &Point) -> Value {
    match std::str::from_utf8(&point.payload) {
        Ok(text) => json!({ "at": point.at, "payload": text }),
        Err(_) => {
            let hex: String = point.payload.iter().map(|byte| format!("{byte:02x}")).collect();
            json!({ "at": point.at, "hex": hex })
        }
    }
}

fn part(part: &Part) -> Value {
    let numbers: Vec<_> = part
        .numbers
        .iter()
        .map(|numbers| {
            let Numbers { field, count, min, mean, max } = numbers;
            json!({ "field": field, "count": count, "min": min, "mean": mean, "max": max })
        })
        .collect();
    json!({ "at": part.at, "count": part.count, "numbers": numbers })
}

impl Queries for History {
    fn last(&self, topic: &str, count: usize) -> io::Result<Vec<Point>> {
        Ok(Self::last(self, topic, count).into_iter().map(kept).collect())
    }

    fn range(&self, topic: &str, from: u64, to: u64, most: usize) -> io::Result<Vec<Point>> {
        Ok(Self::range(self, topic, from..to, most).into_iter().map(kept).collect())
    }

    /// With the numbers of the payloads themselves, and of the fields that the last payload has.
    fn downsampled(&self, topic: &str, from: u64, to: u64, points: usize) -> io::Result<Vec<Part>> {
        let mut parts: BTreeMap<u64, Part> = BTreeMap::new();
        let fields = self.fields(topic);
        for field in std::iter::once(None).chain(fields.iter().map(|field| Some(&**field))) {
            for Sample { time_ms, count, min, mean, max } in
                Self::downsampled(self, topic, field, from..to, points)
            {
                let part =
                    parts.entry(time_ms).or_insert(Part { at: time_ms, count: 0, numbers: Vec::new() });
                part.count = part.count.max(count);
                let field = field.unwrap_or_default().to_owned();
                part.numbers.push(Numbers { field, count, min, mean, max });
            }
        }
        Ok(parts.into_values().collect())
    }

    fn topics(&self, prefix: &str, most: usize) -> io::Result<Vec<String>> {
        Ok(Self::topics(self, prefix, most))
    }
}

fn kept(point: darter_store::history::Point) -> Point {
    Point { at: point.time_ms, payload: point.payload.into() }
}
