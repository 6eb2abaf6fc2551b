//! Names that people know from mosquitto.conf, and what to write instead.

/// What to do about a name that is none of Darter's, if it is one of mosquitto's.
pub(crate) fn advice(name: &str) -> Option<&'static str> {
    NAMES.iter().find(|(names, _)| names.contains(&name)).map(|(_, advice)| *advice)
}

const NO_PSK: &str = "there are no pre-shared keys (the TLS library, rustls, has none); use certificates: tls = \"auto\" or \"files\"";
const CIPHERS: &str = "the cipher suites are those of rustls, all of them safe, and cannot be chosen";

const NAMES: &[(&[&str], &str)] = &[
    (&["psk_file", "psk_hint", "use_identity_as_psk"], NO_PSK),
    (&["ciphers", "ciphers_tls1.3", "ciphers_tls13", "dhparamfile"], CIPHERS),
    (&["tls_engine", "tls_engine_kpass_sha1", "tls_keyform"], "keys are read from files: write key"),
    (&["certfile", "cert_file", "cert"], "write certificate"),
    (&["keyfile"], "write key"),
    (&["cafile", "ca_file", "capath"], "write client_ca, a file with the authorities of client certificates"),
    (&["crlfile"], "write crl"),
    (&["require_certificate"], "write client_certificate = \"required\""),
    (
        &["use_identity_as_username", "use_subject_as_username", "use_username_as_clientid"],
        "write user_from = \"cn\" or \"san\"",
    ),
    (&["tls_version"], "write tls_min = \"1.2\" or \"1.3\""),
    (&["protocol"], "write transport = \"tcp\", \"websocket\" or \"unix\""),
    (&["bind_address", "bind_interface", "socket_domain"], "write bind with the addresses to listen on"),
    (&["max_connections", "global_max_connections"], "write connections"),
    (&["accept_protocol_versions"], "write versions, such as [\"3.1.1\", \"5\"]"),
    (&["websockets_origin"], "write origins"),
    (&["websockets_headers_size", "websockets_log_level", "http_dir"], "there is no such setting"),
    (
        &["per_listener_settings"],
        "every listener has its own: write allow_anonymous and authenticators below [listener.NAME]",
    ),
    (&["enable_proxy_protocol", "proxy_protocol"], "write proxy_protocol_from with the proxies' networks"),
    (&["plugin", "auth_plugin", "auth_plugin_deny_special_chars"], "write [auth.http] or [auth.jwt] instead"),
    (&["dynamic_security", "dynsec"], "write [roles.NAME], and a password_file below [auth]"),
    (&["clientid_prefixes"], "write a rule with %c below [roles.everyone]"),
    (
        &["allow_zero_length_clientid", "auto_id_prefix"],
        "the server names clients without an identifier itself",
    ),
    (&["max_inflight_messages", "max_inflight_bytes"], "write inflight below [limits]"),
    (&["max_queued_messages"], "write queue_messages below [limits]"),
    (&["max_queued_bytes"], "write queue_bytes below [limits]"),
    (&["max_keepalive"], "write keep_alive below [limits]"),
    (&["max_packet_size", "message_size_limit"], "write packet_size below [limits]"),
    (&["max_topic_alias", "max_topic_alias_broker"], "write topic_alias_maximum below [limits]"),
    (&["persistent_client_expiration"], "write session_expiry below [limits]"),
    (&["memory_limit"], "write queues_bytes and outputs_bytes below [limits]"),
    (
        &["persistence", "persistence_location", "persistence_file"],
        "write data_dir below [storage], with \"memory\" for nothing on the disk",
    ),
    (&["autosave_interval", "autosave_on_changes"], "write durability below [storage]"),
    (&["log_type", "log_dest", "connection_messages"], "write level below [log]; it goes to standard error"),
    (&["sys_interval"], "write status_interval below [server]"),
    (&["connection", "address", "remote_username"], "there are no bridges yet"),
    (&["user"], "start the server as the user that it shall run as"),
    (&["pid_file", "include_dir"], "there is no such setting"),
    (
        &["max_qos", "retain_available", "queue_qos0_messages", "upgrade_outgoing_qos", "set_tcp_nodelay"],
        "there is no such setting",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::outlines;

    #[test]
    fn no_key_of_darters_is_taken_for_one_of_mosquittos() {
        for entry in outlines().flat_map(|section| section.keys) {
            assert_eq!(advice(entry.name), None, "{}", entry.name);
        }
    }

    #[test]
    fn every_name_stands_there_once() {
        let all: Vec<_> = NAMES.iter().flat_map(|(names, _)| *names).collect();
        for name in &all {
            assert_eq!(all.iter().filter(|other| *other == name).count(), 1, "{name}");
        }
        assert!(advice("psk_file").unwrap().contains("rustls"));
    }
}
