//! `[listener]` and `[listener.NAME]`: where clients connect.

mod keys;

pub(crate) use keys::PART;

use crate::host::Host;
use darter_broker::Version;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::sync::Arc;

/// One way into the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Its name; `default` for `[listener]` itself.
    pub name: Arc<str>,
    /// Addresses and names to listen on; not empty.
    pub bind: Vec<Host>,
    /// The TCP port; 0 lets the system choose one, and `None` is the usual port of what is spoken there.
    pub port: Option<u16>,
    /// What the bytes of MQTT come through.
    pub transport: Transport,
    /// The file of a Unix socket.
    pub path: Option<PathBuf>,
    /// Who may connect to a Unix socket, as the mode of its file.
    pub mode: u32,
    /// The path that is served over WebSocket.
    pub websocket_path: String,
    /// Web pages that may connect besides those of the same host.
    pub origins: Vec<String>,
    /// Whether it speaks TLS, and with which certificate.
    pub tls: Tls,
    /// The server's certificate.
    pub certificate: Option<PathBuf>,
    /// Its key.
    pub key: Option<PathBuf>,
    /// Authorities of clients' certificates.
    pub client_ca: Option<PathBuf>,
    /// Whether clients have to show a certificate.
    pub client_certificate: ClientCertificate,
    /// Certificates that do not count any more.
    pub crl: Option<PathBuf>,
    /// The oldest version of TLS.
    pub tls_min: TlsVersion,
    /// What the user name is taken from.
    pub user_from: UserFrom,
    /// The versions of MQTT that are spoken.
    pub versions: Vec<Version>,
    /// Most connections at once; `None` is any number.
    pub connections: Option<u32>,
    /// Whether clients without a user name are let in; `None` leaves it to `[auth]`.
    pub allow_anonymous: Option<bool>,
    /// The ways to log in; `None` is all that are set up.
    pub authenticators: Option<Vec<WayIn>>,
    /// What is put before every topic of its clients.
    pub mount_point: Option<Arc<str>>,
    /// Networks of proxies whose PROXY header is believed; without any there is no header.
    pub proxy_protocol_from: Vec<String>,
}

/// A word of the file for each value of a small set.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$value_meta:meta])* $value:ident = $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$value_meta])* $value,)+
        }

        impl $name {
            /// All words, in their order.
            pub(crate) const WORDS: &'static [&'static str] = &[$($word,)+];

            /// The word for it.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$value => $word,)+
                }
            }

            /// What the word stands for.
            pub(crate) fn named(word: &str) -> Option<Self> {
                match word {
                    $($word => Some(Self::$value),)+
                    _ => None,
                }
            }
        }
    };
}

words! {
    /// What the bytes of MQTT come through.
    Transport {
        /// TCP.
        Tcp = "tcp",
        /// WebSocket over TCP.
        WebSocket = "websocket",
        /// A Unix socket.
        Unix = "unix",
    }
}

words! {
    /// Where a listener's certificate comes from.
    Tls {
        /// It speaks no TLS.
        Off = "off",
        /// From files that are named.
        Files = "files",
        /// From an authority of the server's own, which is made when it is first needed.
        Auto = "auto",
    }
}

words! {
    /// Whether clients show a certificate.
    ClientCertificate {
        /// They are not asked.
        Off = "off",
        /// They may.
        Optional = "optional",
        /// They have to.
        Required = "required",
    }
}

words! {
    /// Versions of TLS.
    TlsVersion {
        /// TLS 1.2.
        V1_2 = "1.2",
        /// TLS 1.3.
        V1_3 = "1.3",
    }
}

words! {
    /// What a user name is taken from.
    UserFrom {
        /// From the CONNECT packet.
        Password = "password",
        /// From the common name in the client's certificate.
        CommonName = "cn",
        /// From the first subject alternative name in the client's certificate.
        AlternativeName = "san",
    }
}

words! {
    /// Ways to log in.
    WayIn {
        /// By the password file.
        PasswordFile = "password_file",
        /// As a user who is kept in the store.
        Users = "users",
        /// With a token.
        Jwt = "jwt",
        /// By asking another server.
        Http = "http",
        /// With a certificate.
        Certificate = "certificate",
        /// With SCRAM-SHA-256, as a user who is kept in the store.
        Scram = "scram",
    }
}

impl Listener {
    /// The name of `[listener]` itself.
    pub const FIRST: &'static str = "default";

    /// One of that name with defaults.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self {
            name: name.into(),
            bind: vec![Host::Ip(Ipv4Addr::LOCALHOST.into()), Host::Ip(Ipv6Addr::LOCALHOST.into())],
            port: None,
            transport: Transport::Tcp,
            path: None,
            mode: 0o660,
            websocket_path: "/mqtt".into(),
            origins: Vec::new(),
            tls: Tls::Off,
            certificate: None,
            key: None,
            client_ca: None,
            client_certificate: ClientCertificate::Off,
            crl: None,
            tls_min: TlsVersion::V1_2,
            user_from: UserFrom::Password,
            versions: vec![Version::V31, Version::V311, Version::V5],
            connections: None,
            allow_anonymous: None,
            authenticators: None,
            mount_point: None,
            proxy_protocol_from: Vec::new(),
        }
    }

    /// The section of the file that it comes from.
    #[must_use]
    pub fn section(&self) -> String {
        match &*self.name {
            Self::FIRST => "[listener]".into(),
            name => format!("[listener.{name}]"),
        }
    }

    /// The TCP port; 0 lets the system choose one.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(match (self.transport, self.tls) {
            (Transport::WebSocket, Tls::Off) => 8083,
            (Transport::WebSocket, _) => 8084,
            (_, Tls::Off) => 1883,
            (_, _) => 8883,
        })
    }

    /// What does not go together.
    fn check(&self) -> Result<(), String> {
        let wrong = |what: &str| Err(what.into());
        let is_unix = self.transport == Transport::Unix;
        let (with_tls, asks) = (self.tls != Tls::Off, self.client_certificate != ClientCertificate::Off);
        match self {
            _ if is_unix && self.path.is_none() => wrong("is a Unix socket without a file; write path"),
            _ if !is_unix && self.path.is_some() => {
                wrong("has a path, which is for Unix sockets; write transport = \"unix\" too")
            }
            _ if is_unix && with_tls => wrong("is a Unix socket, which needs no TLS; leave tls out"),
            _ if self.transport != Transport::WebSocket && !self.origins.is_empty() => {
                wrong("has origins, which are for WebSocket; write transport = \"websocket\" too")
            }
            _ if self.tls == Tls::Files && (self.certificate.is_none() || self.key.is_none()) => {
                wrong("has tls = \"files\" and lacks certificate or key; write both")
            }
            _ if self.tls != Tls::Files && (self.certificate.is_some() || self.key.is_some()) => {
                wrong("has a certificate or key, which are for tls = \"files\"; write that too")
            }
            _ if asks && !with_tls => wrong("asks for certificates of clients without TLS; write tls too"),
            _ if asks && self.tls == Tls::Files && self.client_ca.is_none() => {
                wrong("asks for certificates of clients and trusts nobody's; write client_ca too")
            }
            _ if !asks && self.client_ca.is_some() => wrong(
                "has client_ca and asks for no certificates; write client_certificate = \"required\" too",
            ),
            _ if !asks && self.crl.is_some() => {
                wrong("has crl and asks for no certificates; write client_certificate = \"required\" too")
            }
            _ if !asks && self.user_from != UserFrom::Password => {
                wrong("takes user names from certificates and asks for none; write client_certificate too")
            }
            _ => Ok(()),
        }
    }
}

impl Default for Listener {
    fn default() -> Self {
        Self::named(Self::FIRST)
    }
}
