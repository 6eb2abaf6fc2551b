//! A configuration put to use: what the server starts with, and what is read again while it runs.

use crate::acl_file::AclFileError;
use crate::folder::NoFolder;
use crate::listen::{self, ResolveError};
use crate::tls::TlsError;
use crate::ways::{Ways, WaysError};
use crate::{Auth, Config, Host, Listener, Transport};
use darter_broker::access::Policy;
use darter_broker::admin::explain::Door;
use darter_broker::auth::users::Users;
use darter_broker::auth::{Anonymous, Current};
use darter_broker::net::proxy::Trusted;
use darter_broker::net::websocket::WebSocket;
use darter_broker::net::{Address, Layer};
use darter_broker::store::{in_memory, log};
use darter_broker::{ListenerOptions, Options, websocket_rules};
use std::fs::DirBuilder;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use thiserror::Error;

/// Why a configuration that is right as it is written cannot be used here.
#[derive(Debug, Error)]
pub enum OptionsError {
    /// The name of a host to listen on is not known.
    #[error(transparent)]
    Host(#[from] ResolveError),
    /// There is no place for the data.
    #[error(transparent)]
    Folder(#[from] NoFolder),
    /// The file of rules cannot be used.
    #[error(transparent)]
    Rules(#[from] AclFileError),
    /// The ways to log in cannot be set up.
    #[error(transparent)]
    Ways(#[from] WaysError),
    /// Two listeners are at one place.
    #[error("{one} and {other} both listen on {address}; write another port")]
    Twice {
        /// The section of the first.
        one: String,
        /// The section of the second.
        other: String,
        /// Where.
        address: String,
    },
    /// A listener would let everybody in.
    #[error(
        "{section} would be open to everybody who can reach {address}, without a login: set up passwords (password_file in [auth], see \
         docs/access.md), or let everybody in with --allow-anonymous (allow_anonymous = true in {section})"
    )]
    Open {
        /// The section.
        section: String,
        /// Where it would listen.
        address: String,
    },
    /// A listener cannot speak TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// A configuration put to use.
#[derive(Debug)]
pub struct Setup {
    /// What the server starts with.
    pub options: Options,
    /// What is read again while it runs.
    pub running: Running,
}

/// What of a configuration can change while the server runs.
#[derive(Debug)]
pub struct Running {
    config: Config,
    users: Option<Arc<Users>>,
    entrances: Vec<(Arc<str>, Arc<Current>)>,
    doors: Vec<Door>,
}

/// What came of reading again.
#[derive(Debug)]
pub struct Reloaded {
    /// The rules to give to the server.
    pub policy: Arc<Policy>,
    /// Something has changed that counts only after a restart.
    pub needs_restart: bool,
}

impl Config {
    /// `[listener]` and then the others.
    pub fn all_listeners(&self) -> impl Iterator<Item = &Listener> {
        std::iter::once(&self.listener).chain(&self.listeners)
    }

    /// Files that say who may connect and what they may do, beside the configuration file. The server itself looks after those of
    /// its transports.
    pub fn files(&self) -> impl Iterator<Item = PathBuf> + use<> {
        let Auth { password_file, acl_file, jwt, http, .. } = self.auth.clone();
        [password_file, acl_file, jwt.key_file, jwt.jwks_file, http.authority].into_iter().flatten()
    }

    /// Puts the configuration to use: opens what it names, looks up names of hosts and the data folder.
    ///
    /// # Errors
    /// When something cannot be had, or a listener would let everybody in from elsewhere without being told to.
    pub fn set_up(&self) -> Result<Setup, OptionsError> {
        let folder = self.storage.data_dir.folder()?;
        // What is wrong with a folder that cannot be had, the store says.
        let users = open_users(folder.as_deref().filter(|folder| make_private(folder).is_ok()))?;
        let ways = Ways::open(&self.auth, users.clone())?;
        let policy = Arc::new(self.policy()?);
        let (mut listeners, mut entrances) = (Vec::new(), Vec::new());
        self.check_places()?;
        for listener in self.all_listeners() {
            let current = Arc::new(Current::new(ways.authenticator(self, listener)?));
            let options = listener.options(current.clone(), folder.as_deref())?;
            self.check_openness(&ways, listener, &options)?;
            entrances.push((listener.name.clone(), current));
            listeners.push(options);
        }
        let history = self.history.options(folder.as_deref(), &self.limits);
        let store = match folder {
            Some(folder) => log::opener(self.storage.log_options(folder)),
            None => in_memory(),
        };
        let options = Options {
            listeners,
            shards: self.server.shards,
            status_interval: self.server.status_interval,
            limits: self.limits.clone(),
            policy,
            store,
            history,
            ..Options::default()
        };
        let doors = self.doors_of(&ways);
        let running = Running { config: self.clone(), users, entrances, doors };
        Ok(Setup { options, running })
    }

    /// The listeners, for explanations. Opens the files that say who may log in.
    ///
    /// # Errors
    /// When one of them cannot be used.
    pub fn doors(&self) -> Result<Vec<Door>, OptionsError> {
        // Without a place for data there are no users in it. One that is not there is not made for this.
        let folder = self.storage.data_dir.folder().ok().flatten();
        let folder = folder.filter(|folder| folder.join(META_FOLDER).is_dir());
        let ways = Ways::open(&self.auth, open_users(folder.as_deref())?)?;
        Ok(self.doors_of(&ways))
    }

    fn doors_of(&self, ways: &Ways) -> Vec<Door> {
        self.all_listeners().map(|listener| ways.door(self, listener)).collect()
    }

    /// Two listeners at one place would be told that another program is there.
    fn check_places(&self) -> Result<(), OptionsError> {
        let mut taken: Vec<(String, &Listener)> = Vec::new();
        for listener in self.all_listeners() {
            for place in listener.places() {
                if let Some((_, one)) = taken.iter().find(|(other, _)| *other == place) {
                    let (one, other) = (one.section(), listener.section());
                    return Err(OptionsError::Twice { one, other, address: place });
                }
                taken.push((place, listener));
            }
        }
        Ok(())
    }

    /// Letting everybody in from elsewhere takes the words for it.
    fn check_openness(
        &self,
        ways: &Ways,
        listener: &Listener,
        options: &ListenerOptions,
    ) -> Result<(), OptionsError> {
        let open = ways.anonymous(self, listener).0 == Anonymous::Here && ways.knows_nobody();
        match options.addresses.iter().find(|address| !address.is_here()) {
            Some(address) if open => {
                let address = match address.inet() {
                    Some(address) if address.port() == 0 => address.ip().to_string(),
                    _ => address.to_string(),
                };
                Err(OptionsError::Open { section: listener.section(), address })
            }
            _ => Ok(()),
        }
    }
}

/// The users who are kept in a data folder.
fn open_users(folder: Option<&Path>) -> Result<Option<Arc<Users>>, OptionsError> {
    let users = folder.map(|folder| Users::open(&folder.join(META_FOLDER))).transpose();
    Ok(users.map_err(WaysError::from)?.map(Arc::new))
}

/// Makes a folder for the owner only, if it is not there.
fn make_private(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)
}

/// The folder of users and the like in the data folder.
pub const META_FOLDER: &str = "meta";

impl Listener {
    /// True when only programs on this computer reach it, as far as that can be told without looking up names.
    pub(crate) fn is_here(&self) -> bool {
        let is_here = |host: &Host| match host {
            Host::Ip(ip) => ip.to_canonical().is_loopback(),
            Host::Name(name) => name == "localhost",
        };
        self.transport == Transport::Unix || self.bind.iter().all(is_here)
    }

    /// Where it listens, as texts that are the same for the same place. A port that the system chooses is none.
    fn places(&self) -> Vec<String> {
        match (&self.path, self.port()) {
            (Some(path), _) => vec![path.display().to_string()],
            (None, 0) => Vec::new(),
            (None, port) => self.bind.iter().map(|host| format!("{host} port {port}")).collect(),
        }
    }

    fn options(
        &self,
        authenticator: Arc<Current>,
        folder: Option<&Path>,
    ) -> Result<ListenerOptions, OptionsError> {
        let (addresses, optional) = match &self.path {
            Some(path) => (vec![Address::Unix { path: path.clone(), mode: self.mode }], Vec::new()),
            None => {
                let (addresses, optional) = listen::addresses(&self.bind, self.port())?;
                (addresses.into_iter().map(Address::from).collect(), optional)
            }
        };
        Ok(ListenerOptions {
            name: self.name.clone(),
            addresses,
            optional,
            layers: self.layers(folder)?,
            authenticator,
            versions: self.versions.iter().copied().collect(),
            connections: self.connections,
            mount: self.mount_point.clone(),
        })
    }

    /// What the bytes go through, from the wire upwards.
    fn layers(&self, folder: Option<&Path>) -> Result<Vec<Arc<dyn Layer>>, OptionsError> {
        let mut layers: Vec<Arc<dyn Layer>> = Vec::new();
        // Both were read once already, when the file was.
        if let Ok(proxies) = Trusted::parse(self.proxy_protocol_from.iter().map(String::as_str)) {
            layers.push(Arc::new(proxies));
        }
        if let Some(tls) = self.acceptor(folder)? {
            layers.push(Arc::new(tls));
        }
        if self.transport == Transport::WebSocket {
            let mut rules = websocket_rules();
            rules.paths = vec![self.websocket_path.clone()];
            rules.origins = self.origins.iter().filter_map(|origin| origin.parse().ok()).collect();
            layers.push(Arc::new(WebSocket::new(rules)));
        }
        Ok(layers)
    }
}

impl Running {
    /// The listeners, for explanations.
    #[must_use]
    pub fn doors(&self) -> &[Door] {
        &self.doors
    }

    /// The users who are kept in the data folder, if there is one.
    #[must_use]
    pub fn users(&self) -> Option<&Arc<Users>> {
        self.users.as_ref()
    }

    /// The files of the configuration in force: see [`Config::files`].
    pub fn files(&self) -> impl Iterator<Item = PathBuf> {
        self.config.files()
    }

    /// Takes a configuration that was read again. Who may log in counts at once; the caller gives the rules to the server.
    ///
    /// # Errors
    /// When something in it cannot be used. Everything stays as it was then.
    pub fn reload(&mut self, config: &Config) -> Result<Reloaded, OptionsError> {
        if let Some(users) = &self.users {
            users.reload().map_err(WaysError::from)?;
        }
        let ways = Ways::open(&config.auth, self.users.clone())?;
        let policy = Arc::new(config.policy()?);
        let mut authenticators = Vec::new();
        for (name, current) in &self.entrances {
            if let Some(listener) = config.all_listeners().find(|listener| listener.name == *name) {
                authenticators.push((current.clone(), ways.authenticator(config, listener)?));
            }
        }
        for (current, authenticator) in authenticators {
            current.replace(authenticator);
        }
        let needs_restart = fixed(&self.config) != fixed(config);
        self.config = config.clone();
        self.doors = config.doors_of(&ways);
        Ok(Reloaded { policy, needs_restart })
    }
}

/// The part of a configuration that counts from the start of the server to its end, as a text.
fn fixed(config: &Config) -> String {
    let mut config = config.clone();
    config.auth = Auth::default();
    config.roles = Vec::new();
    for listener in std::iter::once(&mut config.listener).chain(&mut config.listeners) {
        listener.allow_anonymous = None;
        listener.authenticators = None;
    }
    format!("{config:?}")
}
