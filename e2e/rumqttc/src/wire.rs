//! Commands of the suite and events for it, one JSON object per line.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rumqttc::QoS;
use serde_json::{Value, json};

/// One line of stdin.
pub struct Command(Value);

impl Command {
    pub fn parse(line: &str) -> serde_json::Result<Self> {
        serde_json::from_str(line).map(Self)
    }

    pub fn text(&self, key: &str) -> &str {
        self.0[key].as_str().unwrap_or_default()
    }

    pub fn number(&self, key: &str) -> u64 {
        self.0[key].as_u64().unwrap_or_default()
    }

    pub fn flag(&self, key: &str) -> bool {
        self.0[key].as_bool().unwrap_or_default()
    }

    pub fn bytes(&self, key: &str) -> Vec<u8> {
        STANDARD.decode(self.text(key)).unwrap_or_default()
    }

    pub fn qos(&self) -> QoS {
        match self.number("qos") {
            0 => QoS::AtMostOnce,
            1 => QoS::AtLeastOnce,
            _ => QoS::ExactlyOnce,
        }
    }

    /// A nested object, `None` where the suite gave null.
    pub fn object(&self, key: &str) -> Option<Self> {
        self.0[key].is_object().then(|| Self(self.0[key].clone()))
    }

    /// The user properties of a version 5 message.
    pub fn pairs(&self, key: &str) -> Vec<(String, String)> {
        let pairs = self.0[key].as_array().into_iter().flatten();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        pairs.map(|pair| (text(&pair[0]), text(&pair[1]))).collect()
    }
}

/// Tells the suite what happened.
pub fn report(event: &str, mut details: Value) {
    details["event"] = json!(event);
    let mut out = std::io::stdout().lock();
    if writeln!(out, "{details}").and_then(|()| out.flush()).is_err() {
        std::process::exit(1);
    }
}

/// Tells the suite of an event that has no details.
pub fn report_plain(event: &str) {
    report(event, json!({}));
}

/// Tells the suite that the client could not do what was asked.
pub fn report_failure(what: &str) {
    report("failed", json!({ "what": what }));
}

/// Payloads and correlation data are base64.
pub fn encoded(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}
