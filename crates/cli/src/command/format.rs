//! How `sub` prints a message: the payload, topic and payload (`-v`), or a format (`-F`) in mosquitto_sub's language.

mod json;
mod time;

use anyhow::bail;
use darter_client::{Message, QoS};
use time::Moment;

/// What is printed for a message.
#[derive(Debug)]
pub(crate) struct Printer {
    pub(crate) layout: Layout,
    /// End every message with a new line.
    pub(crate) end_of_line: bool,
    /// Spread JSON over several lines.
    pub(crate) pretty: bool,
}

/// The parts of a message that are printed.
#[derive(Debug)]
pub(crate) enum Layout {
    Payload,
    TopicAndPayload,
    Format(Format),
}

/// A parsed `-F` text.
#[derive(Debug)]
pub(crate) struct Format {
    pieces: Vec<Piece>,
}

#[derive(Debug, PartialEq)]
enum Piece {
    Literal(Vec<u8>),
    Field { letter: char, style: Style },
    Time(char),
}

/// Flags, width and precision between `%` and the letter.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
struct Style {
    left: bool,
    zero: bool,
    width: usize,
    precision: Option<usize>,
}

impl Printer {
    /// The bytes for standard output. Problems of single fields are added to `complaints`.
    pub(crate) fn print(&self, message: &Message, complaints: &mut Vec<String>) -> Vec<u8> {
        let mut out = Vec::with_capacity(message.payload.len() + 64);
        match &self.layout {
            // mosquitto_sub prints no line at all for an empty message.
            Layout::Payload if message.payload.is_empty() => return out,
            Layout::Payload => out.extend_from_slice(&message.payload),
            Layout::TopicAndPayload if message.payload.is_empty() => {
                if !self.end_of_line {
                    return out;
                }
                out.extend_from_slice(message.topic.as_bytes());
                out.extend_from_slice(b" (null)");
            }
            Layout::TopicAndPayload => {
                out.extend_from_slice(message.topic.as_bytes());
                out.push(b' ');
                out.extend_from_slice(&message.payload);
            }
            Layout::Format(format) => {
                let now = Moment::now();
                for piece in &format.pieces {
                    match piece {
                        Piece::Literal(bytes) => out.extend_from_slice(bytes),
                        Piece::Field { letter, style } => {
                            self.field(&mut out, message, *letter, *style, &now, complaints);
                        }
                        Piece::Time('N') => {
                            out.extend_from_slice(format!("{:09}", now.nanosecond()).as_bytes());
                        }
                        Piece::Time(letter) => out.extend_from_slice(now.strftime(*letter).as_bytes()),
                    }
                }
            }
        }
        if self.end_of_line {
            out.push(b'\n');
        }
        out
    }

    fn field(
        &self,
        out: &mut Vec<u8>,
        message: &Message,
        letter: char,
        style: Style,
        now: &Moment,
        complaints: &mut Vec<String>,
    ) {
        let properties = &message.properties;
        match letter {
            'A' => style.number(out, properties.topic_alias().map(u64::from)),
            'C' => match properties.content_type() {
                Some(text) => style.text(out, text),
                None => out.resize(out.len() + style.width, b' '),
            },
            'D' => {
                out.extend_from_slice(properties.correlation_data().map(|data| &**data).unwrap_or_default());
            }
            'E' => style.number(out, properties.message_expiry_interval().map(u64::from)),
            'F' => style.number(out, properties.payload_format_indicator().map(u64::from)),
            'I' => style.text(out, &now.iso_8601()),
            'j' => out.extend_from_slice(&json::print(&json::message(message, now, None), self.pretty)),
            'J' => match json::parse_payload(&message.payload) {
                Some(payload) => {
                    out.extend_from_slice(&json::print(
                        &json::message(message, now, Some(payload)),
                        self.pretty,
                    ));
                }
                None => complaints
                    .push(format!("Error: Message payload is not valid JSON on topic {}.", message.topic)),
            },
            'l' => style.number(out, u64::try_from(message.payload.len()).ok()),
            'm' => style.number(out, Some(message.packet_id.map_or(0, |id| u64::from(id.get())))),
            'P' => {
                let pairs: Vec<_> =
                    properties.user_properties().map(|(name, value)| format!("{name}:{value}")).collect();
                out.extend_from_slice(pairs.join(" ").as_bytes());
            }
            'p' => style.payload(out, &message.payload),
            'q' => out.push(b'0' + qos_digit(message.qos)),
            'R' => {
                if let Some(text) = properties.response_topic() {
                    style.text(out, text);
                }
            }
            'r' => out.push(b'0' + u8::from(message.retain)),
            'S' => style.number(out, properties.subscription_identifiers().next().map(u64::from)),
            't' => style.text(out, &message.topic),
            'U' => {
                out.extend_from_slice(format!("{}.{:09}", now.unix_seconds(), now.nanosecond()).as_bytes());
            }
            'x' => style.hex(out, &message.payload, |byte| format!("{byte:02x}")),
            'X' => style.hex(out, &message.payload, |byte| format!("{byte:02X}")),
            _ => {}
        }
    }
}

fn qos_digit(qos: QoS) -> u8 {
    qos.to_u8()
}

/// The letters after `%`.
const FIELDS: &str = "ACDEFIJPRSUXjlmpqrtx";

impl Format {
    /// Reads a format.
    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        let mut pieces = Vec::new();
        let mut letters = text.chars().peekable();
        let mut literal = Vec::new();
        while let Some(letter) = letters.next() {
            let piece = match letter {
                '%' => {
                    let style = Style::parse(&mut letters);
                    match letters.next() {
                        Some('%') => None,
                        Some(letter) if FIELDS.contains(letter) => Some(Piece::Field { letter, style }),
                        Some(letter) => bail!("-F: there is no format sequence '%{letter}'."),
                        None => bail!("-F: '%' stands at the end; write '%%' for a percent sign."),
                    }
                }
                '@' => match letters.next() {
                    Some('@') => None,
                    Some(letter) => Some(Piece::Time(letter)),
                    None => bail!("-F: '@' stands at the end; write '@@' for an at sign."),
                },
                '\\' => {
                    let Some(escape) = letters.next() else {
                        bail!("-F: '\\' stands at the end; write '\\\\' for a backslash.");
                    };
                    literal.push(escaped(escape)?);
                    continue;
                }
                other => {
                    literal.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes());
                    continue;
                }
            };
            match piece {
                Some(piece) => {
                    if !literal.is_empty() {
                        pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                    }
                    pieces.push(piece);
                }
                None => literal.push(if letter == '%' { b'%' } else { b'@' }),
            }
        }
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        Ok(Self { pieces })
    }
}

fn escaped(letter: char) -> anyhow::Result<u8> {
    Ok(match letter {
        '\\' => b'\\',
        '0' => 0,
        'a' => 7,
        'e' => 27,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 11,
        _ => bail!("-F: there is no escape '\\{letter}'."),
    })
}

impl Style {
    fn parse(letters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Self {
        let left = letters.next_if_eq(&'-').is_some();
        let zero = letters.next_if_eq(&'0').is_some();
        let width = digits(letters);
        let precision = letters.next_if_eq(&'.').is_some().then(|| digits(letters));
        Self { left, zero, width, precision }
    }

    /// A number; where there is none, as many blanks as the width says.
    fn number(self, out: &mut Vec<u8>, number: Option<u64>) {
        let width = self.width;
        let text = match number {
            None => String::from(if self.zero { '0' } else { ' ' }).repeat(width),
            Some(number) if self.left => format!("{number:<width$}"),
            Some(number) if self.zero => format!("{number:0width$}"),
            Some(number) => format!("{number:>width$}"),
        };
        out.extend_from_slice(text.as_bytes());
    }

    /// A text; width and precision count bytes.
    fn text(self, out: &mut Vec<u8>, text: &str) {
        let most = self.precision.unwrap_or(usize::MAX).min(text.len());
        let shown = text.as_bytes().get(..most).unwrap_or_default();
        self.padded(out, shown, b' ');
    }

    /// The payload, cut to the width.
    fn payload(self, out: &mut Vec<u8>, payload: &[u8]) {
        let shown = if self.width > 0 { payload.len().min(self.width) } else { payload.len() };
        self.padded(out, payload.get(..shown).unwrap_or_default(), if self.zero { b'0' } else { b' ' });
    }

    /// The payload in hexadecimal, cut as mosquitto_sub cuts it: to half as many bytes as the width or, if that is
    /// less, as the payload has.
    fn hex(self, out: &mut Vec<u8>, payload: &[u8], digits: impl Fn(u8) -> String) {
        let shown = if self.width > 0 { payload.len().min(self.width) / 2 } else { payload.len() };
        let text: String = payload.iter().take(shown).map(|byte| digits(*byte)).collect();
        self.padded(out, text.as_bytes(), if self.zero { b'0' } else { b' ' });
    }

    fn padded(self, out: &mut Vec<u8>, bytes: &[u8], pad: u8) {
        let missing = self.width.saturating_sub(bytes.len());
        if self.left {
            out.extend_from_slice(bytes);
            out.resize(out.len() + missing, b' ');
        } else {
            out.resize(out.len() + missing, pad);
            out.extend_from_slice(bytes);
        }
    }
}

fn digits(letters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> usize {
    let mut number = 0usize;
    while let Some(digit) = letters.next_if(char::is_ascii_digit).and_then(|letter| letter.to_digit(10)) {
        number = number.saturating_mul(10).saturating_add(usize::try_from(digit).unwrap_or(0)).min(WIDEST);
    }
    number
}

/// Wider fields are cut to this.
const WIDEST: usize = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use darter_client::{PacketId, Properties, Property};

    fn message(payload: &'static [u8]) -> Message {
        let mut properties = Properties::default();
        properties.push(Property::ContentType("text/plain".into()));
        properties.push(Property::MessageExpiryInterval(42));
        Message {
            topic: "a/b".into(),
            payload: payload.into(),
            qos: QoS::AtLeastOnce,
            retain: true,
            dup: false,
            packet_id: PacketId::new(7),
            properties,
            delivery: None,
        }
    }

    fn printed(format: &str, payload: &'static [u8]) -> String {
        let printer = Printer {
            layout: Layout::Format(Format::parse(format).unwrap()),
            end_of_line: false,
            pretty: false,
        };
        String::from_utf8(printer.print(&message(payload), &mut Vec::new())).unwrap()
    }

    #[test]
    fn widths_flags_and_precision() {
        assert_eq!(printed("%t|%6t|%-6t|%.2t|%5.1t|", b""), "a/b|   a/b|a/b   |a/|    a|");
        assert_eq!(printed("%l %3l %-3l %03l %m %q %r", b"hello"), "5   5 5   005 7 1 1");
        assert_eq!(printed("%p|%8p|%-8p|%08p|%2p|", b"hello"), "hello|   hello|hello   |000hello|he|");
        assert_eq!(
            printed("%x %X %4x %C %E %04E %3S|%R|%A", b"\x0a\xff\x01"),
            "0aff01 0AFF01   0a text/plain 42 0042    ||"
        );
        assert_eq!(printed("%%@@\\\\\\n", b""), "%@\\\n");
    }

    #[test]
    fn a_format_that_is_not_complete_is_refused() {
        for format in ["%", "%5", "%z", "@", "\\", "\\z", "%0-5l"] {
            assert!(Format::parse(format).is_err(), "{format}");
        }
    }

    #[test]
    fn an_empty_message_prints_no_line_without_its_topic() {
        let mut complaints = Vec::new();
        let print = |layout, complaints: &mut _| {
            Printer { layout, end_of_line: true, pretty: false }.print(&message(b""), complaints)
        };
        assert_eq!(print(Layout::Payload, &mut complaints), b"");
        assert_eq!(print(Layout::TopicAndPayload, &mut complaints), b"a/b (null)\n");
    }
}
