//! The configuration file: TOML to raw to validated.
//!
//! A file has sections, and each section has keys. Every key is one record (its name, what it takes, its range, what it
//! means and where its value lives), and everything else follows from these records: reading, what is refused and how,
//! `docs/config.md` and `examples/darter.toml`.
//!
//! ```
//! use darter_config::Config;
//!
//! let config: Config = "[listener]\nport = 1884\n".parse()?;
//! assert_eq!(config.listener.port(), 1884);
//!
//! let problems = "[listener]\nprot = 1884\n".parse::<Config>().unwrap_err();
//! assert_eq!(problems.to_string(), "line 2: listener.prot is not a key; did you mean port?");
//! # Ok::<(), darter_config::Problems>(())
//! ```

pub mod acl_file;
pub mod certificates;
mod document;
mod folder;
mod foreign;
mod host;
mod key;
mod listen;
mod nearest;
mod part;
mod problem;
mod quantity;
pub mod reference;
mod section;
mod setup;
mod tls;
mod value;
mod ways;

pub use darter_broker::{Durability, Limits, QueuePolicy};
pub use folder::{BadFolder, DataDir, NoFolder};
pub use host::{BadHost, Host};
pub use listen::ResolveError;
pub use problem::{Problem, Problems};
pub use section::auth::{Auth, HttpAuth, JwtAuth};
pub use section::history::{FOLDER as HISTORY_FOLDER, History};
pub use section::listener::{ClientCertificate, Listener, Tls, TlsVersion, Transport, UserFrom, WayIn};
pub use section::log::{BadLevel, Level, Log};
pub use section::roles::Role;
pub use section::server::Server;
pub use section::storage::Storage;
pub use setup::{META_FOLDER, OptionsError, Reloaded, Running, Setup};
pub use tls::{TLS_FOLDER, TlsError};
pub use ways::WaysError;

use acl_file::AclFileError;
use darter_broker::Options;
use darter_broker::access::Policy;
use document::Source;
use std::path::Path;
use std::str::FromStr;
use std::{fs, io};
use thiserror::Error;

/// Everything a configuration file says, with the defaults for what it does not say.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// `[listener]`: where clients connect.
    pub listener: Listener,
    /// `[listener.NAME]`: where else they connect, in the order of the file.
    pub listeners: Vec<Listener>,
    /// `[auth]`: who may connect, and what they may do.
    pub auth: Auth,
    /// `[roles.NAME]`: what users may do, in the order of the file.
    pub roles: Vec<Role>,
    /// `[server]`: how the server runs.
    pub server: Server,
    /// `[storage]`: where the server keeps its state. How safe messages are is among the limits.
    pub storage: Storage,
    /// `[history]`: what the server remembers. Its payload and rate are among the limits.
    pub history: History,
    /// `[limits]`: what clients are allowed.
    pub limits: Limits,
    /// `[log]`: what is logged.
    pub log: Log,
}

/// Why a configuration file cannot be used. Its text names the file.
#[derive(Debug, Error)]
pub enum FileError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {file}")]
    Unreadable {
        /// The file as it was named.
        file: String,
        /// What the system said.
        source: io::Error,
    },
    /// The file says things that cannot be. One line for each of them.
    #[error("{}", .problems.in_file(.file))]
    Refused {
        /// The file as it was named.
        file: String,
        /// Everything that is wrong in it.
        problems: Problems,
    },
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// When the file cannot be read, or with everything that is wrong in it.
    pub fn load(file: &Path) -> Result<Self, FileError> {
        let name = file.display().to_string();
        let text = match fs::read_to_string(file) {
            Ok(text) => text,
            Err(source) => return Err(FileError::Unreadable { file: name, source }),
        };
        let folder = file.parent().unwrap_or(Path::new(""));
        let source = Source { text: &text, file: name.as_str().into(), folder };
        document::read(source).map_err(|problems| FileError::Refused { file: name, problems })
    }

    /// The rules for what clients may do: those of the roles, and those of the `acl_file`, which is read now.
    ///
    /// # Errors
    /// When there is an `acl_file` and it cannot be used.
    pub fn policy(&self) -> Result<Policy, AclFileError> {
        // A role whose last rule was taken away shall not open everything.
        let mut policy = if self.roles.is_empty() { Policy::open() } else { Policy::closed() };
        for role in &self.roles {
            role.add_to(&mut policy);
        }
        if let Some(file) = &self.auth.acl_file {
            acl_file::add(file, &mut policy)?;
        }
        Ok(policy)
    }

    /// What the server needs to start, for one that never reads its files again.
    ///
    /// # Errors
    /// As for [`set_up`](Self::set_up).
    pub fn options(&self) -> Result<Options, OptionsError> {
        self.set_up().map(|setup| setup.options)
    }
}

/// What a text is called that comes from no file.
const NAMELESS: &str = "the configuration";

impl FromStr for Config {
    type Err = Problems;

    fn from_str(text: &str) -> Result<Self, Problems> {
        document::read(Source { text, file: NAMELESS.into(), folder: Path::new("") })
    }
}
