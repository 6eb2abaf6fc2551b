//! What the server says when clients can connect.

use darter_broker::Listening;
use darter_broker::net::Address;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

/// MQTT's port, which clients use when they are not told another one.
const MQTT_PORT: u16 = 1883;

/// The banner. State is in `folder`, or in memory; `program` is what to type to run Darter.
pub(super) fn text(listening: &[Listening], folder: Option<&Path>, program: &str) -> String {
    let listed: Vec<_> = listening.iter().map(shown).collect();
    let mut text = format!("Darter {} is ready for MQTT clients.\n\n", env!("CARGO_PKG_VERSION"));
    let _ = writeln!(text, "  Listening  {}", listed.join(" and "));
    if listening.iter().all(|open| open.address.is_here()) {
        let _ = writeln!(text, "  Open to    programs on this computer only");
        let _ = writeln!(
            text,
            "             (for the network: set up passwords, then --bind 0.0.0.0; see docs/access.md)"
        );
    } else if listening.iter().any(|open| !open.address.is_here() && !open.asks_for_logins) {
        let _ = writeln!(text, "  Open to    everybody who can reach this computer, without a password");
    } else {
        let _ = writeln!(text, "  Open to    everybody who can reach this computer and may log in");
    }
    let _ = match folder {
        Some(folder) => writeln!(text, "  State      kept in {}", folder.display()),
        None => writeln!(text, "  State      in memory; it is gone when the server stops"),
    };
    let (where_to, quote) = (connection_flags(listening), if cfg!(windows) { '"' } else { '\'' });
    let _ = writeln!(text, "\nTry it, in two other terminals:\n");
    let _ = writeln!(text, "  {program} sub{where_to} -t {quote}#{quote} -v");
    let _ = writeln!(text, "  {program} pub{where_to} -t hello -m world");
    text.push_str("\nCtrl-C stops the server.\n");
    text
}

/// An address; what is spoken there is said if it is not plain MQTT.
fn shown(open: &Listening) -> String {
    match open.scheme {
        "mqtt" => open.address.to_string(),
        scheme => format!("{} ({scheme})", open.address),
    }
}

/// The addresses as one line of JSON, line end included: TCP by what is spoken there, then the paths of Unix sockets.
pub(super) fn json(listening: &[Listening]) -> String {
    let mut by_kind = BTreeMap::from([("mqtt", Vec::new())]);
    for open in listening {
        let kind = if matches!(open.address, Address::Unix { .. }) { "unix" } else { open.scheme };
        by_kind.entry(kind).or_default().push(open.address.to_string());
    }
    format!("{}\n", serde_json::json!(by_kind))
}

/// What was typed to run this program, so that the banner's commands work as they stand.
pub(super) fn program() -> String {
    let typed = std::env::args().next().unwrap_or_default();
    let fits = !typed.is_empty() && typed.chars().all(|c| c.is_ascii_alphanumeric() || "/\\._-:".contains(c));
    if fits { typed } else { "darter".into() }
}

/// The options that `darter pub` needs on this computer to reach the server: none for its usual place.
fn connection_flags(listening: &[Listening]) -> String {
    let mut flags = String::new();
    let plain = listening.iter().filter(|open| open.scheme == "mqtt");
    let addresses: Vec<SocketAddr> = plain.filter_map(|open| open.address.inet()).collect();
    let here = |ip: IpAddr| ip.is_loopback() || ip.is_unspecified();
    if let Some(first) = addresses.first() {
        if !addresses.iter().any(|address| here(address.ip())) {
            let _ = write!(flags, " -h {}", first.ip());
        }
        if first.port() != MQTT_PORT {
            let _ = write!(flags, " -p {}", first.port());
        }
    }
    flags
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listening(address: impl Into<Address>, scheme: &'static str) -> Listening {
        Listening { listener: "l".into(), address: address.into(), scheme, asks_for_logins: false }
    }

    fn addresses(list: &[&str]) -> Vec<Listening> {
        list.iter().map(|address| listening(address.parse::<SocketAddr>().unwrap(), "mqtt")).collect()
    }

    #[test]
    fn on_loopback_and_the_usual_port_the_commands_are_short() {
        let text = text(&addresses(&["127.0.0.1:1883", "[::1]:1883"]), None, "darter");
        assert!(text.starts_with("Darter "), "{text}");
        assert!(text.contains("127.0.0.1:1883 and [::1]:1883"), "{text}");
        assert!(text.contains("this computer only"), "{text}");
        assert!(text.contains("in memory"), "{text}");
        assert!(text.contains("  darter sub -t '#' -v\n") || cfg!(windows), "{text}");
        assert!(text.contains("  darter pub -t hello -m world\n"), "{text}");
    }

    #[test]
    fn the_folder_of_the_state_is_named() {
        let text = text(&addresses(&["127.0.0.1:1883"]), Some(Path::new("/srv/mqtt")), "darter");
        assert!(text.contains("  State      kept in /srv/mqtt\n"), "{text}");
        assert!(!text.contains("in memory"), "{text}");
    }

    #[test]
    fn another_port_is_in_the_commands() {
        let text = text(&addresses(&["127.0.0.1:4321"]), None, "target/debug/darter");
        assert!(text.contains("  target/debug/darter pub -p 4321 -t hello -m world\n"), "{text}");
    }

    #[test]
    fn a_server_for_the_network_says_that_there_is_no_password() {
        let every = text(&addresses(&["0.0.0.0:1883"]), None, "darter");
        assert!(every.contains("everybody who can reach this computer, without a password"), "{every}");
        assert!(every.contains("darter pub -t hello"), "{every}");
        let one = text(&addresses(&["192.168.1.7:1883"]), None, "darter");
        assert!(one.contains("darter pub -h 192.168.1.7 -t hello"), "{one}");
        assert!(one.contains("everybody"), "{one}");
    }

    #[test]
    fn addresses_are_one_line_of_json() {
        let line = json(&addresses(&["127.0.0.1:1883", "[::1]:1883"]));
        assert_eq!(line, "{\"mqtt\":[\"127.0.0.1:1883\",\"[::1]:1883\"]}\n");
        let secure = listening("127.0.0.1:8883".parse::<SocketAddr>().unwrap(), "mqtts");
        let local = listening(Address::Unix { path: "/run/a \"b\".sock".into(), mode: 0o600 }, "mqtt");
        let line = json(&[secure, local]);
        assert_eq!(
            line,
            "{\"mqtt\":[],\"mqtts\":[\"127.0.0.1:8883\"],\"unix\":[\"/run/a \\\"b\\\".sock\"]}\n"
        );
    }

    #[test]
    fn who_has_to_log_in_is_said() {
        let mut guarded = addresses(&["0.0.0.0:1883"]);
        guarded[0].asks_for_logins = true;
        let all = text(&guarded, None, "darter");
        assert!(all.contains("everybody who can reach this computer and may log in"), "{all}");
        guarded.push(listening("0.0.0.0:8883".parse::<SocketAddr>().unwrap(), "mqtts"));
        let all = text(&guarded, None, "darter");
        assert!(all.contains("0.0.0.0:1883 and 0.0.0.0:8883 (mqtts)\n"), "{all}");
        assert!(all.contains("without a password"), "{all}");
    }
}
