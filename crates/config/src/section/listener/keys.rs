//! The records of a listener's keys.

use super::{ClientCertificate, Listener, Tls, TlsVersion, Transport, UserFrom, WayIn};
use crate::host::BadHost;
use crate::key::{Key, Kind, List, Number, Section, one_of};
use crate::part::Family;
use crate::quantity::Unit;
use darter_broker::net::proxy::Trusted;
use darter_broker::net::websocket::Origin;
use darter_broker::{Version, topic};

pub(crate) static PART: Family<Listener> = Family {
    section: SECTION,
    heading: "listener",
    first: Some(|config| &mut config.listener),
    begin: |name| {
        let is_fine = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        match name {
            "maker" => {
                Err("this name is kept for MakerMQTT, which is not there yet; take another one".into())
            }
            Listener::FIRST => Err("this is what [listener] is called; take another name".into()),
            _ if name.is_empty() || name.len() > 64 || !name.chars().all(is_fine) => {
                Err("the name of a listener has letters, digits, - and _, at most 64 of them".into())
            }
            _ => Ok(Listener::named(name)),
        }
    },
    add: |config, listener| config.listeners.push(listener),
    sample: Listener::default,
};

/// A key that takes one of the words of a type.
macro_rules! choice {
    ($name:literal, $field:ident, $type:ident, $($meaning:literal)+) => {
        Key {
            name: $name,
            meaning: concat!($($meaning),+),
            kind: Kind::Choice {
                words: $type::WORDS,
                get: |listener| listener.$field.word(),
                set: |listener, word| listener.$field = $type::named(word).unwrap_or(listener.$field),
            },
        }
    };
}

/// A key that takes a file.
macro_rules! file {
    ($name:literal, $field:ident, $example:literal, $($meaning:literal)+) => {
        Key {
            name: $name,
            meaning: concat!($($meaning),+),
            kind: Kind::File {
                example: $example,
                get: |listener| listener.$field.as_deref(),
                set: |listener, file| listener.$field = Some(file),
            },
        }
    };
}

const SECTION: Section<Listener> = Section {
    name: "listener",
    meaning: "Where clients connect. [listener] is always there; without it the server is reachable from this computer only. \
              Any number of others, each with a name, have the same keys: [listener.tls], [listener.web]. Paths of \
              files begin at the folder of the configuration file.",
    keys: &[
        Key {
            name: "bind",
            meaning: "Addresses of this computer to listen on. \"0.0.0.0\" is every IPv4 address and \"::\" every \
                      IPv6 address, so that the whole network can connect. A name such as \"localhost\" is looked \
                      up when the server starts. A single address needs no list.",
            kind: Kind::List(List {
                takes: "a list of IP addresses and host names",
                each: "an IP address or a host name",
                example: &[],
                may_be_empty: false,
                get: |listener| listener.bind.iter().map(ToString::to_string).collect(),
                clear: |listener| listener.bind.clear(),
                add: |listener, host| {
                    listener.bind.push(host.text.parse().map_err(|why: BadHost| why.to_string())?);
                    Ok(())
                },
            }),
        },
        Key {
            name: "port",
            meaning: "The TCP port. With 0 the system chooses a free one. \"auto\" is 1883, with TLS 8883, for WebSocket 8083 \
                      and for WebSocket with TLS 8084.",
            kind: Kind::Number(Number {
                unit: Unit::Count,
                range: 0..=65_535,
                word: Some("auto"),
                get: |listener| listener.port.map(u64::from),
                set: |listener, port| listener.port = port.and_then(|port| port.try_into().ok()),
            }),
        },
        choice!(
            "transport",
            transport,
            Transport,
            "What MQTT comes through: \"tcp\", \"websocket\" for web pages, or \"unix\" for programs on this computer."
        ),
        file!(
            "path",
            path,
            "darter-mqtt.sock",
            "For transport \"unix\": the file of the socket, in a folder that is there."
        ),
        Key {
            name: "mode",
            meaning: "For transport \"unix\": who may connect, as the mode of the file; \"0600\" is its owner only, \"0666\" \
                      is everybody.",
            kind: Kind::Text {
                takes: "four octal digits, such as \"0660\"",
                example: "0660",
                get: |listener| Some(format!("{:04o}", listener.mode)),
                set: |listener, text| {
                    let mode =
                        u32::from_str_radix(text, 8).ok().filter(|mode| text.len() == 4 && *mode <= 0o777);
                    listener.mode = mode.ok_or("is not a mode")?;
                    Ok(())
                },
            },
        },
        Key {
            name: "websocket_path",
            meaning: "For transport \"websocket\": the path of the address that clients open.",
            kind: Kind::Text {
                takes: "a path that begins with /",
                example: "/mqtt",
                get: |listener| Some(listener.websocket_path.clone()),
                set: |listener, text| {
                    let is_path = text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic());
                    if !is_path || text.contains(['?', '#']) {
                        return Err("is not a path".into());
                    }
                    listener.websocket_path = text.into();
                    Ok(())
                },
            },
        },
        Key {
            name: "origins",
            meaning: "For transport \"websocket\": web pages that may connect besides those that come from the same host, as \
                      browsers name them; \"*\" is every page. Programs that are no browsers name none and may always.",
            kind: Kind::List(List {
                takes: "a list of origins such as \"https://app.example.org\"",
                each: "an origin such as \"https://app.example.org\"",
                example: &["https://app.example.org"],
                may_be_empty: true,
                get: |listener| listener.origins.clone(),
                clear: |listener| listener.origins.clear(),
                add: |listener, item| {
                    item.text.parse::<Origin>().map_err(|_| {
                        "is no origin; write it as browsers send it, such as \"https://app.example.org\" or \
                         \"http://localhost:3000\", or \"*\" for all"
                    })?;
                    listener.origins.push(item.text.into());
                    Ok(())
                },
            }),
        },
        choice!(
            "tls",
            tls,
            Tls,
            "Whether it speaks TLS. \"files\": with the certificate and key that are named. \"auto\": with a certificate for \
             this computer's names and addresses by an authority of the server's own, both made when they are first needed and \
             kept in the data folder."
        ),
        file!(
            "certificate",
            certificate,
            "server.pem",
            "For tls \"files\": the server's certificate in PEM, and behind it those that lead to the authority. It is read \
             again when the file changes and at SIGHUP; connections stay."
        ),
        file!("key", key, "server.key", "For tls \"files\": the certificate's key in PEM."),
        file!("client_ca", client_ca, "clients-ca.pem", "Authorities of clients' certificates, in PEM."),
        choice!(
            "client_certificate",
            client_certificate,
            ClientCertificate,
            "Whether clients show a certificate of client_ca, or with tls \"auto\" of the server's own authority."
        ),
        file!(
            "crl",
            crl,
            "revoked.pem",
            "Lists of clients' certificates that do not count any more, in PEM."
        ),
        choice!("tls_min", tls_min, TlsVersion, "The oldest version of TLS that is spoken."),
        choice!(
            "user_from",
            user_from,
            UserFrom,
            "What a client's user name is: \"password\" is the one that it sends and that its password proves, \"cn\" the common \
             name and \"san\" the first alternative name in its certificate."
        ),
        Key {
            name: "versions",
            meaning: "Versions of MQTT that are spoken.",
            kind: Kind::List(List {
                takes: "a list of \"3.1\", \"3.1.1\" and \"5\"",
                each: "one of \"3.1\", \"3.1.1\", \"5\"",
                example: &[],
                may_be_empty: false,
                get: |listener| {
                    listener.versions.iter().map(|version| version_word(*version).into()).collect()
                },
                clear: |listener| listener.versions.clear(),
                add: |listener, item| {
                    let all = [Version::V31, Version::V311, Version::V5];
                    let version = all.into_iter().find(|version| version_word(*version) == item.text);
                    listener
                        .versions
                        .push(version.ok_or("is not a version; there are \"3.1\", \"3.1.1\" and \"5\"")?);
                    Ok(())
                },
            }),
        },
        Key {
            name: "connections",
            meaning: "Most connections at once.",
            kind: Kind::Number(Number {
                unit: Unit::Count,
                range: 1..=10_000_000,
                word: Some("any"),
                get: |listener| listener.connections.map(u64::from),
                set: |listener, most| listener.connections = most.and_then(|most| most.try_into().ok()),
            }),
        },
        Key {
            name: "allow_anonymous",
            meaning: "Whether clients without a user name are let in. Without it allow_anonymous of [auth] counts.",
            kind: Kind::Flag {
                get: |listener| listener.allow_anonymous,
                set: |listener, flag| listener.allow_anonymous = Some(flag),
            },
        },
        Key {
            name: "authenticators",
            meaning: "The ways to log in here. Without it all that are set up.",
            kind: Kind::List(List {
                takes: "a list of \"password_file\", \"users\", \"jwt\", \"http\", \"certificate\" and \"scram\"",
                each: "a way to log in",
                example: &["password_file", "users"],
                may_be_empty: false,
                get: |listener| {
                    let ways = listener.authenticators.iter().flatten();
                    ways.map(|way| way.word().into()).collect()
                },
                clear: |listener| listener.authenticators = Some(Vec::new()),
                add: |listener, item| {
                    let way = WayIn::named(item.text)
                        .ok_or_else(|| format!("is not known; it takes {}", one_of(WayIn::WORDS)))?;
                    listener.authenticators.get_or_insert_default().push(way);
                    Ok(())
                },
            }),
        },
        Key {
            name: "mount_point",
            meaning: "What is put before every topic of its clients and taken off before they see it, so that they have a part \
                      of all topics to themselves.",
            kind: Kind::Text {
                takes: "the begin of topics, which ends with /",
                example: "school/",
                get: |listener| listener.mount_point.as_deref().map(Into::into),
                set: |listener, text| {
                    if !text.ends_with('/') || text.starts_with('$') || topic::check_name(text).is_err() {
                        return Err("cannot stand before topics".into());
                    }
                    listener.mount_point = Some(text.into());
                    Ok(())
                },
            },
        },
        Key {
            name: "proxy_protocol_from",
            meaning: "Networks of proxies, such as HAProxy, that tell where a client really is by the PROXY protocol, version 1 or \
                      2; \"unix\" is one on this computer at a Unix socket. With it connections from elsewhere are refused.",
            kind: Kind::List(List {
                takes: "a list of IP addresses and networks such as \"10.0.0.0/8\", and \"unix\"",
                each: "an IP address or a network such as \"10.0.0.0/8\"",
                example: &["10.0.0.0/8"],
                may_be_empty: true,
                get: |listener| listener.proxy_protocol_from.clone(),
                clear: |listener| listener.proxy_protocol_from.clear(),
                add: |listener, item| {
                    Trusted::parse([item.text]).map_err(|_| "is not an address or a network")?;
                    listener.proxy_protocol_from.push(item.text.into());
                    Ok(())
                },
            }),
        },
    ],
    check: Listener::check,
};

fn version_word(version: Version) -> &'static str {
    match version {
        Version::V31 => "3.1",
        Version::V311 => "3.1.1",
        Version::V5 => "5",
    }
}
