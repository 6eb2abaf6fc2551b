//! `history`: what was published on a topic.

mod portion;

use super::{Refusal, Subject};
use darter_store::history::{History, HistoryReport, NotKept, Point, Sample};
use portion::Portion;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::fmt::Debug;
use std::ops::Range;

/// Most points and topics in one answer.
pub const MOST: usize = 100_000;
/// What a point takes in an answer beside its payload.
const FRAME: usize = 64;
/// Points of an answer when nothing else is asked for.
const FEW: usize = 1_000;

/// What can be asked of a history. Times are milliseconds since 1970, from `from` on and before `to`.
///
/// Called on the thread that answers questions, never on a shard's: it may read files.
pub trait Queries: Send + Sync + Debug {
    /// The newest points of a topic, at most `most`, the oldest first.
    fn last(&self, topic: &str, most: usize) -> Vec<Point>;

    /// The points of a topic in a time, the first `most`, the oldest first.
    fn range(&self, topic: &str, range: Range<u64>, most: usize) -> Vec<Point>;

    /// The numbers in a time, in at most `points` equal parts of it; those without numbers are left out. `field` is the
    /// dotted path of a field of JSON objects; without it the payload is the number.
    fn downsampled(&self, topic: &str, field: Option<&str>, range: Range<u64>, points: usize) -> Vec<Sample>;

    /// The topics that begin with `prefix`, at most `most`, in their order.
    fn topics(&self, prefix: &str, most: usize) -> Vec<String>;

    /// How the history is.
    fn report(&self) -> HistoryReport;
}

impl Queries for History {
    fn last(&self, topic: &str, most: usize) -> Vec<Point> {
        self.flush();
        Self::last(self, topic, most)
    }

    fn range(&self, topic: &str, range: Range<u64>, most: usize) -> Vec<Point> {
        self.flush();
        Self::range(self, topic, range, most)
    }

    fn downsampled(&self, topic: &str, field: Option<&str>, range: Range<u64>, points: usize) -> Vec<Sample> {
        self.flush();
        Self::downsampled(self, topic, field, range, points)
    }

    fn topics(&self, prefix: &str, most: usize) -> Vec<String> {
        self.flush();
        Self::topics(self, prefix, most)
    }

    fn report(&self) -> HistoryReport {
        Self::report(self)
    }
}

/// Asks for points of `topic`, or for the topics that begin with `prefix`.
///
/// Of a topic: `last` of them; or those `from` and before `to`, at most `limit`; or their numbers, with both ends, in at most `points` parts.
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
    /// At most so many parts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub points: Option<usize>,
    /// The field of JSON objects whose numbers are wanted, as a dotted path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The first characters of topic names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
}

pub(super) fn answer_live(subject: &Subject, request: &Request) -> Result<Value, Refusal> {
    let history = subject.history.as_deref();
    answer(history.ok_or_else(|| Refusal("this server keeps no history".into()))?, request)
}

/// Answers from a history. Points and topics come with `more`, which says that there are more than the answer has: it has
/// not more than are asked for, and only so many as fit into 16 MiB.
///
/// # Errors
/// When the request makes no sense.
pub fn answer(history: &dyn Queries, request: &Request) -> Result<Value, Refusal> {
    let most = request.limit.unwrap_or(FEW).min(MOST);
    let (from, to) = (request.from.unwrap_or(0), request.to.unwrap_or(u64::MAX));
    let is_range = request.from.is_some() || request.to.is_some();
    let topic = match (&request.topic, &request.prefix) {
        (Some(topic), None) => topic,
        (None, Some(prefix)) => {
            let Portion { list, more } =
                portion::of(most, String::len, |count| history.topics(prefix, count));
            return Ok(json!({ "topics": list, "more": more }));
        }
        _ => return Err(Refusal("it wants either a topic or a prefix".into())),
    };
    match (request.last, request.points) {
        (Some(_), _) if is_range || request.points.is_some() => {
            Err(Refusal("last goes with neither from, to nor points".into()))
        }
        (_, Some(0)) => Err(Refusal("points must be at least 1".into())),
        (_, None) if request.field.is_some() => Err(Refusal("field goes with points only".into())),
        (None, Some(_)) if request.from.is_none() || request.to.is_none() => {
            Err(Refusal("points wants both from and to".into()))
        }
        (None, Some(points)) => {
            let parts = history.downsampled(topic, request.field.as_deref(), from..to, points.min(MOST));
            Ok(json!({ "topic": topic, "parts": parts.iter().map(part).collect::<Vec<_>>() }))
        }
        (last, _) => {
            let size = |point: &Point| point.payload.len() + FRAME;
            let Portion { list, more } = if is_range {
                portion::of(most, size, |count| history.range(topic, from..to, count))
            } else {
                let newest = |count| history.last(topic, count).into_iter().rev().collect();
                let mut portion = portion::of(last.unwrap_or(most).min(MOST), size, newest);
                portion.list.reverse();
                portion
            };
            let points: Vec<_> = list.iter().map(point).collect();
            Ok(json!({ "topic": topic, "points": points, "more": more }))
        }
    }
}

/// The payload is text where it is UTF-8, and else hexadecimal digits in `hex`.
fn point(point: &Point) -> Value {
    let Point { time_ms, payload, qos, retain } = point;
    let mut value = json!({ "at": time_ms, "qos": qos.to_u8(), "retain": retain });
    match std::str::from_utf8(payload) {
        Ok(text) => value["payload"] = json!(text),
        Err(_) => value["hex"] = payload.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into(),
    }
    value
}

fn part(sample: &Sample) -> Value {
    let Sample { time_ms, count, min, mean, max } = sample;
    json!({ "at": time_ms, "count": count, "min": min, "mean": mean, "max": max })
}

/// How a history is, as JSON.
pub(super) fn report(report: &HistoryReport) -> Value {
    let HistoryReport { points, topics, bytes, buckets, oldest, not_kept, damaged, unread, trouble } = report;
    let NotKept {
        too_often,
        too_large,
        name_too_long,
        queue_full,
        too_many_topics,
        error,
        over_cap,
        too_old,
        too_many_series,
    } = not_kept;
    json!({
        "points": points,
        "topics": topics,
        "bytes": bytes,
        "files": buckets,
        "oldest": oldest,
        "damaged": damaged,
        "unread": unread,
        "trouble": trouble,
        "not_kept": {
            "too-often": too_often,
            "too-large": too_large,
            "name-too-long": name_too_long,
            "queue-full": queue_full,
            "too-many-topics": too_many_topics,
            "error": error,
            "over-cap": over_cap,
            "too-old": too_old,
            "too-many-series": too_many_series,
        },
    })
}
