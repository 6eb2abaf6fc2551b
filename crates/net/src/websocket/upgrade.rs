//! The opening hand-shake (RFC 6455, section 4.2).

use super::refusal::{Refusal, Shown};
use super::request::Request;
use super::rules::Rules;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};

/// What the key is joined with, so that only who knows WebSocket answers it (section 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// Bytes of a key, before they are written in base64.
const KEY: usize = 16;

/// The answer to a request that opens a WebSocket.
pub(super) fn accept(request: &Request<'_>, rules: &Rules) -> Result<Vec<u8>, Refusal> {
    check_method(request, rules)?;
    if !rules.serves(request.path) {
        return Err(Refusal::Path { asked: Shown::new(request.path), served: rules.paths.join(" or ") });
    }
    if request.only("sec-websocket-version")? != Some("13") {
        return Err(Refusal::Version);
    }
    let key = request.only("sec-websocket-key")?.filter(|key| is_key(key)).ok_or(Refusal::Key)?;
    if let Some(origin) = request.only("origin")?
        && !rules.may_connect(origin, request.host)
    {
        return Err(Refusal::Origin(Shown::new(origin)));
    }
    let protocol = protocol(request, rules)?.map(|name| format!("Sec-WebSocket-Protocol: {name}\r\n"));
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\n{}\r\n",
        answer_to(key),
        protocol.unwrap_or_default(),
    );
    Ok(answer.into_bytes())
}

/// Whether it is a request for a WebSocket at all.
fn check_method(request: &Request<'_>, rules: &Rules) -> Result<(), Refusal> {
    if request.method != "GET" {
        return Err(Refusal::Method);
    }
    if request.values("transfer-encoding").next().is_some()
        || request.values("content-length").any(|length| length != "0")
    {
        return Err(Refusal::Body);
    }
    if !has(request, "upgrade", "websocket") {
        let path = rules.paths.first().cloned().unwrap_or_default();
        return Err(Refusal::NoUpgrade { host: Shown::new(request.host), path });
    }
    if has(request, "connection", "upgrade") { Ok(()) } else { Err(Refusal::NoConnection) }
}

fn has(request: &Request<'_>, header: &str, item: &str) -> bool {
    request.items(header).any(|other| other.eq_ignore_ascii_case(item))
}

fn is_key(key: &str) -> bool {
    BASE64_STANDARD.decode(key).is_ok_and(|bytes| bytes.len() == KEY)
}

fn answer_to(key: &str) -> String {
    let mut context = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    context.update(key.as_bytes());
    context.update(GUID);
    BASE64_STANDARD.encode(context.finish())
}

/// The first sub-protocol of the client's that is spoken here.
///
/// [MQTT-6.0.0-3] has clients offer one. A client that offers none at all is served without: nothing can be mistaken
/// then, and hand-made clients leave it out. One that offers only others wants to speak to somebody else.
fn protocol<'a>(request: &Request<'a>, rules: &Rules) -> Result<Option<&'a str>, Refusal> {
    let mut offered = request.items("sec-websocket-protocol").peekable();
    if offered.peek().is_none() {
        return Ok(None);
    }
    let spoken = |name: &&str| rules.protocols.iter().any(|spoken| spoken == name);
    match offered.find(spoken) {
        Some(name) => Ok(Some(name)),
        None => {
            let offered: Vec<_> = request.items("sec-websocket-protocol").collect();
            let spoken = rules.protocols.join(" or ");
            Err(Refusal::Protocol { offered: Shown::new(&offered.join(", ")), spoken })
        }
    }
}
