//! `%j` and `%J`: a message as JSON, byte for byte as mosquitto_sub writes it.
//!
//! Strings are bytes here: topics are UTF-8, payloads need not be, and neither program changes them.

use super::time::Moment;
use darter_client::{Message, Property, QoS};

/// A JSON value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Number(f64),
    String(Vec<u8>),
    Array(Vec<Value>),
    Object(Vec<(Vec<u8>, Value)>),
}

/// The object for a message. `payload` is its payload where that is JSON itself; else it becomes a string.
pub(crate) fn message(message: &Message, now: &Moment, payload: Option<Value>) -> Value {
    let mut fields = vec![
        field("tst", text(&now.json())),
        field("topic", text(&message.topic)),
        field("qos", number(u32::from(message.qos.to_u8()))),
        field("retain", number(u32::from(message.retain))),
        field("payloadlen", number(u32::try_from(message.payload.len()).unwrap_or(u32::MAX))),
    ];
    if let (Some(id), true) = (message.packet_id, message.qos > QoS::AtMostOnce) {
        fields.push(field("mid", number(u32::from(id.get()))));
    }
    if !message.properties.is_empty() {
        fields.push(field("properties", properties(message)));
    }
    let payload = payload.unwrap_or_else(|| {
        if message.payload.is_empty() { Value::Null } else { Value::String(until_nul(&message.payload)) }
    });
    fields.push(field("payload", payload));
    Value::Object(fields)
}

/// Reads a payload that should be JSON; an empty one is null.
pub(crate) fn parse_payload(payload: &[u8]) -> Option<Value> {
    if payload.is_empty() {
        return Some(Value::Null);
    }
    let mut parser = Parser { rest: payload.strip_prefix(b"\xef\xbb\xbf").unwrap_or(payload), depth: 0 };
    let value = parser.value()?;
    parser.skip_blanks();
    parser.rest.is_empty().then_some(value)
}

/// Writes a value on one line, or with tabs and new lines.
pub(crate) fn print(value: &Value, pretty: bool) -> Vec<u8> {
    let mut out = Vec::new();
    write_value(&mut out, value, pretty, 0);
    out
}

fn properties(message: &Message) -> Value {
    let mut fields = Vec::new();
    let mut user: Option<usize> = None;
    for property in message.properties.iter() {
        let (name, value) = match property {
            Property::PayloadFormatIndicator(flag) => ("payload-format-indicator", number(u32::from(*flag))),
            Property::MessageExpiryInterval(seconds) => ("message-expiry-interval", number(*seconds)),
            Property::ContentType(content) => ("content-type", text(content)),
            Property::ResponseTopic(topic) => ("response-topic", text(topic)),
            Property::CorrelationData(data) => ("correlation-data", Value::String(until_nul(data))),
            Property::SubscriptionIdentifier(id) => ("subscription-identifier", number(*id)),
            Property::TopicAlias(alias) => ("topic-alias", number(u32::from(*alias))),
            Property::UserProperty((name, value)) => {
                // All of them share one object, where the first one stands.
                let place = *user.get_or_insert_with(|| {
                    fields.push(field("user-properties", Value::Object(Vec::new())));
                    fields.len() - 1
                });
                if let Some((_, Value::Object(pairs))) = fields.get_mut(place) {
                    pairs.push((name.as_bytes().to_vec(), text(value)));
                }
                continue;
            }
            _ => continue,
        };
        fields.push(field(name, value));
    }
    Value::Object(fields)
}

fn field(name: &str, value: Value) -> (Vec<u8>, Value) {
    (name.as_bytes().to_vec(), value)
}

fn text(text: &str) -> Value {
    Value::String(text.as_bytes().to_vec())
}

fn number(number: u32) -> Value {
    Value::Number(f64::from(number))
}

/// mosquitto_sub's strings end at the first zero byte.
fn until_nul(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().copied().take_while(|byte| *byte != 0).collect()
}

fn write_value(out: &mut Vec<u8>, value: &Value, pretty: bool, depth: usize) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => out.extend_from_slice(number_text(*number).as_bytes()),
        Value::String(bytes) => write_string(out, bytes),
        Value::Array(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.extend_from_slice(if pretty { b", " } else { b"," });
                }
                write_value(out, item, pretty, depth + 1);
            }
            out.push(b']');
        }
        Value::Object(fields) => {
            out.push(b'{');
            let indent = |out: &mut Vec<u8>, depth| {
                if pretty {
                    out.push(b'\n');
                    out.resize(out.len() + depth, b'\t');
                }
            };
            for (index, (name, value)) in fields.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                indent(out, depth + 1);
                write_string(out, name);
                out.extend_from_slice(if pretty { b":\t" } else { b":" });
                write_value(out, value, pretty, depth + 1);
            }
            indent(out, depth);
            out.push(b'}');
        }
    }
}

fn write_string(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    for byte in bytes {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            8 => out.extend_from_slice(b"\\b"),
            12 => out.extend_from_slice(b"\\f"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0..32 => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(*byte),
        }
    }
    out.push(b'"');
}

/// A number with 15 digits if that is enough to read it back, else with 17.
fn number_text(number: f64) -> String {
    if !number.is_finite() {
        return "null".to_owned();
    }
    let short = general(number, 15);
    let close = short
        .parse::<f64>()
        .is_ok_and(|read| (read - number).abs() <= f64::EPSILON * read.abs().max(number.abs()));
    if close { short } else { general(number, 17) }
}

/// C's `%g` with so many significant digits.
fn general(number: f64, digits: usize) -> String {
    let scientific = format!("{number:.*e}", digits - 1);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let most = i32::try_from(digits).unwrap_or(i32::MAX);
    if (-4..most).contains(&exponent) {
        let decimals = usize::try_from(most - 1 - exponent).unwrap_or(0);
        trimmed(&format!("{number:.decimals$}")).to_owned()
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{}e{sign}{:02}", trimmed(mantissa), exponent.abs())
    }
}

fn trimmed(digits: &str) -> &str {
    if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits }
}

/// A reader as generous as that of mosquitto_sub: any byte up to the space is blank, and strings may hold any byte.
struct Parser<'a> {
    rest: &'a [u8],
    depth: usize,
}

/// Deeper nesting is not read.
const DEEPEST: usize = 1000;

impl Parser<'_> {
    fn value(&mut self) -> Option<Value> {
        self.skip_blanks();
        match self.rest.first()? {
            b'n' => self.word(b"null", Value::Null),
            b't' => self.word(b"true", Value::Bool(true)),
            b'f' => self.word(b"false", Value::Bool(false)),
            b'"' => self.string().map(Value::String),
            b'-' | b'0'..=b'9' => self.number(),
            b'[' => self.nested(Self::array),
            b'{' => self.nested(Self::object),
            _ => None,
        }
    }

    fn nested(&mut self, parse: fn(&mut Self) -> Option<Value>) -> Option<Value> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return None;
        }
        let value = parse(self)?;
        self.depth -= 1;
        Some(value)
    }

    fn array(&mut self) -> Option<Value> {
        self.take(b'[')?;
        let mut items = Vec::new();
        if self.take_after_blanks(b']').is_some() {
            return Some(Value::Array(items));
        }
        loop {
            items.push(self.value()?);
            if self.take_after_blanks(b',').is_none() {
                self.take_after_blanks(b']')?;
                return Some(Value::Array(items));
            }
        }
    }

    fn object(&mut self) -> Option<Value> {
        self.take(b'{')?;
        let mut fields = Vec::new();
        if self.take_after_blanks(b'}').is_some() {
            return Some(Value::Object(fields));
        }
        loop {
            self.skip_blanks();
            let name = self.string()?;
            self.take_after_blanks(b':')?;
            fields.push((name, self.value()?));
            if self.take_after_blanks(b',').is_none() {
                self.take_after_blanks(b'}')?;
                return Some(Value::Object(fields));
            }
        }
    }

    fn number(&mut self) -> Option<Value> {
        let mut length = self
            .rest
            .iter()
            .take_while(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'))
            .count();
        // The longest start that is a number, as strtod takes it.
        while length > 0 {
            let number = core::str::from_utf8(self.rest.get(..length)?).ok()?.parse().ok();
            if let Some(number) = number {
                self.rest = self.rest.get(length..)?;
                return Some(Value::Number(number));
            }
            length -= 1;
        }
        None
    }

    fn string(&mut self) -> Option<Vec<u8>> {
        self.take(b'"')?;
        let mut bytes = Vec::new();
        loop {
            match self.next()? {
                b'"' => return Some(until_nul(&bytes)),
                b'\\' => match self.next()? {
                    b'b' => bytes.push(8),
                    b'f' => bytes.push(12),
                    b'n' => bytes.push(b'\n'),
                    b'r' => bytes.push(b'\r'),
                    b't' => bytes.push(b'\t'),
                    same @ (b'"' | b'\\' | b'/') => bytes.push(same),
                    b'u' => {
                        let letter = self.unicode()?;
                        bytes.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
                    }
                    _ => return None,
                },
                other => bytes.push(other),
            }
        }
    }

    /// What follows `\u`, with the second half of a surrogate pair.
    fn unicode(&mut self) -> Option<char> {
        let first = self.hexadecimal()?;
        if !(0xd800..0xdc00).contains(&first) {
            return char::from_u32(first);
        }
        self.take(b'\\')?;
        self.take(b'u')?;
        let second = self.hexadecimal()?;
        if !(0xdc00..0xe000).contains(&second) {
            return None;
        }
        char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00))
    }

    fn hexadecimal(&mut self) -> Option<u32> {
        (0..4).try_fold(0, |value, _| Some(value * 16 + char::from(self.next()?).to_digit(16)?))
    }

    fn word(&mut self, word: &[u8], value: Value) -> Option<Value> {
        self.rest = self.rest.strip_prefix(word)?;
        Some(value)
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        self.rest = self.rest.strip_prefix(&[byte])?;
        Some(())
    }

    fn take_after_blanks(&mut self, byte: u8) -> Option<()> {
        self.skip_blanks();
        self.take(byte)
    }

    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn skip_blanks(&mut self) {
        let blanks = self.rest.iter().take_while(|byte| **byte <= b' ' && **byte != 0).count();
        self.rest = self.rest.get(blanks..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reprinted(text: &str) -> Option<String> {
        parse_payload(text.as_bytes()).map(|value| String::from_utf8(print(&value, false)).unwrap())
    }

    #[test]
    fn values_are_printed_in_their_shortest_form() {
        let cases = [
            (
                r#" { "a" : 1.50 , "b":[1, 1e3,-0.0,12345678901,0.1]} "#,
                r#"{"a":1.5,"b":[1,1000,-0,12345678901,0.1]}"#,
            ),
            (r#""\u00e9\ud83d\ude00\/\u0001""#, "\"é😀/\\u0001\""),
            ("[1e20,1.5e-7,0.0001,123456789012345678]", "[1e+20,1.5e-07,0.0001,1.2345678901234568e+17]"),
            ("[true,false,null,{},[]]", "[true,false,null,{},[]]"),
        ];
        for (text, expected) in cases {
            assert_eq!(reprinted(text).as_deref(), Some(expected));
        }
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for text in ["hello", " ", "{", "[1,]", "{\"a\"}", "\"", "1 2", "\"\\x\"", "\"\\ud800\"", "-", "nul"]
        {
            assert_eq!(reprinted(text), None, "{text}");
        }
        assert_eq!(reprinted(&"[".repeat(2000)), None);
    }
}
