//! Why a connection does not become a WebSocket, and how the other side is told.

use super::request::{LONGEST_HEAD, MOST_HEADERS};
use std::fmt;
use thiserror::Error;

/// Why an upgrade is refused. The text is what the client is answered, and fit for a log: the client's own words in it
/// are escaped and short.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum Refusal {
    /// The client begins a TLS hand-shake.
    #[error("the client speaks TLS, and this port does not: connect with ws:// instead of wss://")]
    Tls,
    /// The client speaks something else than HTTP.
    #[error("what the client sends is no HTTP: this port takes WebSocket connections only")]
    NotHttp,
    /// The request line is none.
    #[error("the request's first line is not one of HTTP/1.1")]
    Line,
    /// HTTP/1.0 knows no upgrade.
    #[error(
        "WebSocket needs HTTP/1.1, and the request is one of HTTP/1.0; a proxy between may have to be told to use 1.1"
    )]
    OldHttp,
    /// A header line is none.
    #[error("a header line of the request is malformed")]
    Header,
    /// A header that may stand once stands twice.
    #[error("the request has the header {0} twice")]
    Twice(&'static str),
    /// No host is named.
    #[error("the request has no header Host")]
    Host,
    /// Something follows the head that is no WebSocket frame.
    #[error("a request to open a WebSocket has no body")]
    Body,
    /// The request's head is too long or has too many headers.
    #[error("the request is longer than {LONGEST_HEAD} bytes or has more than {MOST_HEADERS} headers")]
    TooLarge,
    /// Another method than GET.
    #[error("a WebSocket is opened with GET")]
    Method,
    /// A request for a page, by a browser perhaps.
    #[error(
        "This is the WebSocket port of a message server, and no web page. Connect to it with a client: ws://{host}{path} \
         (wss:// with TLS). If this came from such a client, a proxy between does not pass on the headers Upgrade and \
         Connection."
    )]
    NoUpgrade {
        /// How the client calls this server.
        host: Shown,
        /// A path that is served.
        path: String,
    },
    /// A proxy has taken off half of the request, most likely.
    #[error(
        "the request has the header Upgrade, but no Connection: Upgrade; a proxy between may have taken it off"
    )]
    NoConnection,
    /// Nothing is served at the path.
    #[error("nothing is served at {asked}; connect to {served}")]
    Path {
        /// The path asked for.
        asked: Shown,
        /// Those that are served.
        served: String,
    },
    /// Another version of WebSocket.
    #[error("only version 13 of WebSocket is spoken here (header Sec-WebSocket-Version)")]
    Version,
    /// The key is none.
    #[error("the header Sec-WebSocket-Key has to be 16 bytes in base64")]
    Key,
    /// A page of another site.
    #[error(
        "web pages from {0} may not connect; if they shall, name that among the origins of this listener"
    )]
    Origin(Shown),
    /// The client offers only sub-protocols that are not spoken here.
    #[error("none of the client's sub-protocols ({offered}) is spoken here; offer {spoken}")]
    Protocol {
        /// What the client offers.
        offered: Shown,
        /// What it should offer.
        spoken: String,
    },
}

impl Refusal {
    /// For a connection whose first byte begins no method.
    pub(super) fn not_http(first: u8) -> Self {
        const HANDSHAKE: u8 = 0x16;
        if first == HANDSHAKE { Self::Tls } else { Self::NotHttp }
    }

    /// The HTTP answer. Empty for those who would not understand it.
    pub(super) fn answer(&self) -> Vec<u8> {
        let status = match self {
            Self::Tls | Self::NotHttp => return Vec::new(),
            Self::Origin(_) => "403 Forbidden",
            Self::Path { .. } => "404 Not Found",
            Self::Method => "405 Method Not Allowed\r\nAllow: GET",
            Self::NoUpgrade { .. } => "426 Upgrade Required\r\nUpgrade: websocket",
            Self::Version => "426 Upgrade Required\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13",
            Self::TooLarge => "431 Request Header Fields Too Large",
            Self::OldHttp => "505 HTTP Version Not Supported",
            Self::Line | Self::Header | Self::Twice(_) | Self::Host | Self::Body => "400 Bad Request",
            Self::NoConnection | Self::Key | Self::Protocol { .. } => "400 Bad Request",
        };
        let connection = if status.starts_with("426") { "Upgrade, close" } else { "close" };
        let body = format!("{self}\n");
        let length = body.len();
        format!(
            "HTTP/1.1 {status}\r\nConnection: {connection}\r\nContent-Type: text/plain; charset=utf-8\r\n\
             X-Content-Type-Options: nosniff\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .into_bytes()
    }
}

/// What a client has written, made fit for a log and for a browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shown(String);

/// Characters that are shown of it.
const LONGEST_SHOWN: usize = 80;

impl Shown {
    pub(super) fn new(text: &str) -> Self {
        let end = text.char_indices().nth(LONGEST_SHOWN).map_or(text.len(), |(at, _)| at);
        let more = if end < text.len() { "..." } else { "" };
        Self(format!("{}{more}", text[..end].escape_debug()))
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_plain_text_and_ends_the_connection() {
        let answer = String::from_utf8(Refusal::Key.answer()).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert_eq!(body, "the header Sec-WebSocket-Key has to be 16 bytes in base64\n");
        assert_eq!(
            head.lines().collect::<Vec<_>>(),
            [
                "HTTP/1.1 400 Bad Request",
                "Connection: close",
                "Content-Type: text/plain; charset=utf-8",
                "X-Content-Type-Options: nosniff",
                &format!("Content-Length: {}", body.len()),
            ]
        );
    }

    #[test]
    fn words_of_the_client_are_escaped_and_cut() {
        assert_eq!(Shown::new("a\r\n\u{1b}[2Jb").to_string(), "a\\r\\n\\u{1b}[2Jb");
        assert_eq!(Shown::new(&"ä".repeat(81)).to_string(), "ä".repeat(80) + "...");
    }
}
