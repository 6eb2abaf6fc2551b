//! The options that `pub` and `sub` share, with the names and the meaning of mosquitto_pub's and mosquitto_sub's.

use super::debug;
use super::property_flags::{PacketProperties, PropertyFlags};
use anyhow::{Context, bail};
use clap::{ArgAction, Args, ValueEnum};
use darter_client::{
    Backoff, ClientOptions, Observer, Options, Property, QoS, Resubscribe, Version, Will, topic,
};
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// How to connect.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct ConnectionFlags {
    /// Host name or address of the server [default: localhost]
    #[arg(short = 'h', long, value_name = "HOST", allow_hyphen_values = true)]
    host: Option<String>,

    /// Port of the server [default: 1883]
    #[arg(short, long, value_name = "PORT")]
    port: Option<u16>,

    /// Everything at once: user, password, host, port and topic
    #[arg(
        short = 'L',
        long,
        value_name = "URL",
        allow_hyphen_values = true,
        help = "Everything at once, as mqtt://[USER[:PASSWORD]@]HOST[:PORT]/TOPIC"
    )]
    url: Option<String>,

    /// User name
    #[arg(short, long, value_name = "NAME", allow_hyphen_values = true)]
    username: Option<String>,

    /// Password
    #[arg(short = 'P', long = "pw", value_name = "PASSWORD", allow_hyphen_values = true)]
    password: Option<String>,

    /// Client identifier [default: the server chooses one]
    #[arg(short, long, value_name = "ID", conflicts_with = "id_prefix", allow_hyphen_values = true)]
    id: Option<String>,

    /// Start of the client identifier; the process number follows
    #[arg(short = 'I', long, value_name = "PREFIX", allow_hyphen_values = true)]
    id_prefix: Option<String>,

    /// Seconds between signs of life, 5 to 65535
    #[arg(short, long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u16).range(5..))]
    keepalive: u16,

    /// Version of the protocol
    #[arg(short = 'V', long, value_name = "VERSION", default_value = "311")]
    protocol_version: ProtocolVersion,

    /// Keep the session at the server when this program ends (needs --id)
    #[arg(short = 'c', long)]
    disable_clean_session: bool,

    /// Seconds the server keeps the session, -1 for ever (version 5)
    #[arg(short = 'x', value_name = "SECONDS", value_parser = session_expiry, allow_hyphen_values = true)]
    session_expiry: Option<u32>,

    /// Local address to connect from
    #[arg(short = 'A', value_name = "ADDRESS", allow_hyphen_values = true)]
    bind_address: Option<String>,

    /// Most unacknowledged messages on the way
    #[arg(short = 'M', value_name = "COUNT", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    max_in_flight: u32,

    /// Quality of service
    #[arg(short, long, value_name = "QOS", default_value = "0", value_parser = qos, allow_hyphen_values = true)]
    pub(crate) qos: QoS,

    /// Send small packets at once; this is always so
    #[arg(long)]
    nodelay: bool,

    /// Topic of the will, which the server publishes when this program ends without saying goodbye
    #[arg(long, value_name = "TOPIC", help_heading = "Will", allow_hyphen_values = true)]
    will_topic: Option<String>,

    /// Content of the will [default: empty]
    #[arg(
        long,
        value_name = "TEXT",
        help_heading = "Will",
        allow_hyphen_values = true,
        requires = "will_topic"
    )]
    will_payload: Option<String>,

    /// Quality of service of the will
    #[arg(long, value_name = "QOS", help_heading = "Will", default_value = "0", value_parser = qos, allow_hyphen_values = true)]
    will_qos: QoS,

    /// The will becomes the retained message of its topic
    #[arg(long, help_heading = "Will", requires = "will_topic")]
    will_retain: bool,

    #[command(flatten)]
    properties: PropertyFlags,

    /// Say which packets are sent and received
    #[arg(short, long, help_heading = "Output")]
    pub(crate) debug: bool,

    /// Print no error messages while running
    #[arg(long, help_heading = "Output")]
    pub(crate) quiet: bool,

    /// Print this help
    #[arg(long, action = ArgAction::HelpLong, help_heading = "Output")]
    help: Option<bool>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ProtocolVersion {
    #[value(name = "5", alias = "mqttv5")]
    V5,
    #[value(name = "311", alias = "mqttv311")]
    V311,
    #[value(name = "31", alias = "mqttv31")]
    V31,
}

/// What the options come to.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) client: ClientOptions,
    /// Properties for the packets that follow CONNECT.
    pub(crate) properties: PacketProperties,
    /// The topic of `--url`.
    pub(crate) url_topic: Option<String>,
}

impl ConnectionFlags {
    /// Checks the options together. `receive_maximum` lowers the one that version 5 announces.
    pub(crate) fn plan(&self, receive_maximum: Option<u16>) -> anyhow::Result<Plan> {
        let mut properties = self.properties.parse()?;
        let version = self.version();
        let mut host = self.host.clone();
        let mut port = self.port;
        let (mut username, mut password) = (self.username.clone(), self.password.clone());
        let mut url_topic = None;
        if let Some(url) = &self.url {
            let url = Url::parse(url)?;
            host = host.or(Some(url.host));
            port = port.or(url.port);
            username = username.or(url.username);
            password = password.or(url.password);
            url_topic = Some(url.topic);
        }
        if password.is_some() && username.is_none() && version != Version::V5 {
            bail!("A password goes with a user name: add --username NAME, or use version 5 (-V 5).");
        }
        let mut session = Options::new(version, self.client_id(version));
        session.clean_start = !self.disable_clean_session;
        session.keep_alive = self.keepalive;
        session.max_in_flight = u16::try_from(self.max_in_flight).unwrap_or(u16::MAX);
        session.username = username.map(Into::into);
        session.password = password.map(Into::into);
        session.trace = self.debug;
        session.will = self.will(&mut properties)?;
        if let Some(seconds) = self.expiry()? {
            properties.connect.push(Property::SessionExpiryInterval(seconds));
        }
        if properties.connect.receive_maximum().is_none() {
            let most = receive_maximum.unwrap_or(RECEIVE_MAXIMUM).min(RECEIVE_MAXIMUM);
            properties.connect.push(Property::ReceiveMaximum(most));
        }
        session.properties = std::mem::take(&mut properties.connect);
        let host = host.unwrap_or_else(|| "localhost".to_owned());
        let mut client = ClientOptions::new(version, "", &host, port.unwrap_or(1883));
        client.session = session;
        client.bind_address.clone_from(&self.bind_address);
        client.reconnect = Some(Backoff { first: RECONNECT_DELAY, longest: RECONNECT_DELAY });
        client.resubscribe = Resubscribe::Always;
        if self.debug {
            let mut debug = debug::Debug::new(version, self.quiet);
            client.observer =
                Some(Observer::new(move |id, direction, packet| debug.packet(id, direction, packet)));
        }
        Ok(Plan { client, properties, url_topic })
    }

    /// A property makes the client one of version 5.
    pub(crate) fn version(&self) -> Version {
        match self.protocol_version {
            _ if !self.properties.is_empty() => Version::V5,
            ProtocolVersion::V5 => Version::V5,
            ProtocolVersion::V311 => Version::V311,
            ProtocolVersion::V31 => Version::V31,
        }
    }

    fn client_id(&self, version: Version) -> String {
        match (&self.id, &self.id_prefix) {
            (Some(id), _) => id.clone(),
            (None, Some(prefix)) => format!("{prefix}{}", std::process::id()),
            // MQTT 3.1 servers choose none.
            (None, None) if version == Version::V31 => random_id(),
            (None, None) => String::new(),
        }
    }

    fn expiry(&self) -> anyhow::Result<Option<u32>> {
        let own_id = self.id.as_ref().is_some_and(|id| !id.is_empty());
        if self.version() != Version::V5 {
            if self.disable_clean_session && !own_id {
                bail!("With -c the server keeps the session by the client identifier: add --id ID.");
            }
            return Ok(None);
        }
        let seconds = match self.session_expiry {
            None if self.disable_clean_session => Some(u32::MAX),
            other => other,
        };
        if seconds == Some(u32::MAX) && !own_id {
            bail!("A session that never expires is kept by the client identifier: add --id ID.");
        }
        Ok(seconds.filter(|seconds| *seconds > 0))
    }

    fn will(&self, properties: &mut PacketProperties) -> anyhow::Result<Option<Will>> {
        let Some(topic) = &self.will_topic else {
            return Ok(None);
        };
        topic::check_name(topic).with_context(|| format!("'{topic}' cannot be the topic of a will"))?;
        Ok(Some(Will {
            qos: self.will_qos,
            retain: self.will_retain,
            topic: topic.as_str().into(),
            payload: self.will_payload.clone().unwrap_or_default().into(),
            properties: std::mem::take(&mut properties.will),
        }))
    }
}

/// The parts of `mqtt://[username[:password]@]host[:port]/topic`.
#[derive(Debug, PartialEq)]
struct Url {
    host: String,
    port: Option<u16>,
    username: Option<String>,
    password: Option<String>,
    topic: String,
}

impl Url {
    fn parse(url: &str) -> anyhow::Result<Self> {
        let form = "write mqtt://[USER[:PASSWORD]@]HOST[:PORT]/TOPIC";
        let Some((scheme, rest)) = url.split_once("://") else {
            bail!("The URL '{url}' has no scheme: {form}.");
        };
        match scheme.to_ascii_lowercase().as_str() {
            "mqtt" => {}
            "mqtts" => bail!("mqtts:// needs TLS, which is not there yet: {form}."),
            "ws" | "wss" => bail!("{scheme}:// needs WebSocket, which is not there yet: {form}."),
            _ => bail!("The URL '{url}' has another scheme than mqtt: {form}."),
        }
        let Some((authority, topic)) = rest.split_once('/') else {
            bail!("The URL '{url}' has no topic: {form}.");
        };
        let (credentials, place) = match authority.split_once('@') {
            Some((credentials, place)) => (Some(credentials), place),
            None => (None, authority),
        };
        let (username, password) = match credentials.map(|both| both.split_once(':').unwrap_or((both, ""))) {
            Some((name, "")) if !credentials.is_some_and(|both| both.contains(':')) => (Some(name), None),
            Some((name, password)) => (Some(name), Some(password)),
            None => (None, None),
        };
        let (host, port) = match place.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => {
                (host, Some(port.parse().with_context(|| format!("'{port}' in the URL is no port number"))?))
            }
            _ => (place, None),
        };
        Ok(Self {
            host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
            port,
            username: username.map(str::to_owned),
            password: password.map(str::to_owned),
            topic: topic.to_owned(),
        })
    }
}

fn qos(text: &str) -> Result<QoS, String> {
    let number: u8 = text.parse().map_err(|_| "it must be 0, 1 or 2".to_owned())?;
    QoS::try_from(number).map_err(|_| "it must be 0, 1 or 2".to_owned())
}

fn session_expiry(text: &str) -> Result<u32, String> {
    match text {
        "-1" | "∞" => Ok(u32::MAX),
        _ => text.parse().map_err(|_| "it must be a number of seconds, or -1 for ever".to_owned()),
    }
}

/// A client identifier of 23 characters, the most that MQTT 3.1 allows.
fn random_id() -> String {
    const CHARACTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let random = RandomState::new();
    let letters = (0..18u8).map(|place| {
        let number = usize::try_from(random.hash_one(place) % 62).unwrap_or(0);
        char::from(CHARACTERS[number])
    });
    "mosq-".chars().chain(letters).collect()
}

/// What mosquitto's clients announce.
const RECEIVE_MAXIMUM: u16 = 20;

/// mosquitto's clients wait this long before they connect again.
const RECONNECT_DELAY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_all_its_parts() {
        let url = Url::parse("mqtt://me:p:w@example.org:1884/a/b").unwrap();
        assert_eq!(url.username.as_deref(), Some("me"));
        assert_eq!(url.password.as_deref(), Some("p:w"));
        assert_eq!((url.host.as_str(), url.port, url.topic.as_str()), ("example.org", Some(1884), "a/b"));
        let url = Url::parse("MQTT://me@[::1]/t").unwrap();
        assert_eq!((url.host.as_str(), url.port), ("::1", None));
        assert_eq!((url.username.as_deref(), url.password), (Some("me"), None));
        assert!(Url::parse("mqtt://host").is_err());
        assert!(Url::parse("http://host/t").is_err());
        assert!(Url::parse("mqtt://host:port/t").is_err());
    }

    #[test]
    fn a_made_up_identifier_fits_into_mqtt_3_1() {
        assert_eq!(random_id().len(), 23);
        assert_ne!(random_id(), random_id());
    }
}
