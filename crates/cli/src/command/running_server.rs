//! The running server that a command is about.

use anyhow::{Context, bail};
use clap::Args;
use darter_config::DataDir;
use std::path::{self, PathBuf};

/// Whose data.
#[derive(Debug, Args)]
pub(crate) struct FolderFlag {
    /// Data folder of the server [default: the platform's own place for data]
    #[arg(long, value_name = "DIR", help_heading = "Which server")]
    data_dir: Option<PathBuf>,
}

/// Which of the servers that run.
#[derive(Debug, Args)]
pub(crate) struct ServerFlags {
    #[command(flatten)]
    folder: FolderFlag,

    /// Port of a server that was started with --memory
    #[arg(long, value_name = "N", conflicts_with = "data_dir", help_heading = "Which server")]
    port: Option<u16>,
}

impl FolderFlag {
    /// The folder.
    pub(crate) fn folder(&self) -> anyhow::Result<PathBuf> {
        if let Some(folder) = &self.data_dir {
            return path::absolute(folder).context("--data-dir does not name a folder");
        }
        DataDir::Auto.folder()?.context("no folder for the data is known; name one with --data-dir")
    }
}

#[cfg(unix)]
mod on_unix {
    use super::{FolderFlag, ServerFlags};
    use anyhow::bail;
    use darter_broker::admin::{Connection, Found, find, find_any, find_by_port};

    impl FolderFlag {
        /// The server that uses the folder, if one runs.
        pub(crate) fn running(&self) -> anyhow::Result<Option<Connection>> {
            find(&self.folder()?)?.map(Connection::new).transpose().map_err(Into::into)
        }
    }

    impl ServerFlags {
        /// The server that is meant, if one runs.
        pub(crate) fn running(&self) -> anyhow::Result<Option<Connection>> {
            let mut found = match (&self.folder.data_dir, self.port) {
                (Some(_), _) => return self.folder.running(),
                (None, Some(port)) => find_by_port(port),
                (None, None) => match self.folder.running() {
                    Ok(None) => find_any(),
                    // Without a place for data no server keeps any.
                    Err(error) if error.is::<darter_config::NoFolder>() => find_any(),
                    outcome => return outcome,
                },
            };
            if found.len() > 1 {
                let names: Vec<_> = found.iter().map(name).collect();
                bail!("several servers run ({}); name one with --port N or --data-dir DIR", names.join(", "));
            }
            found.pop().map(Connection::new).transpose().map_err(Into::into)
        }
    }

    /// A server as its socket is named, by port and process.
    fn name(found: &Found) -> String {
        let name = found.path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        name.split_once('-').map_or(name.clone(), |(port, process)| format!("port {port}, process {process}"))
    }
}

#[cfg(unix)]
pub(crate) use darter_broker::admin::Connection;

/// Never there: this system has no Unix sockets.
#[cfg(not(unix))]
pub(crate) enum Connection {}

#[cfg(not(unix))]
impl Connection {
    pub(crate) fn ask(&mut self, _: &str, _: serde_json::Value) -> anyhow::Result<serde_json::Value> {
        match *self {}
    }
}

#[cfg(not(unix))]
impl FolderFlag {
    pub(crate) fn running(&self) -> anyhow::Result<Option<Connection>> {
        Ok(None)
    }
}

#[cfg(not(unix))]
impl ServerFlags {
    pub(crate) fn running(&self) -> anyhow::Result<Option<Connection>> {
        bail!("asking the running server needs Unix sockets, which this system does not have");
    }
}

impl ServerFlags {
    /// The server that is meant.
    pub(crate) fn connect(&self) -> anyhow::Result<Connection> {
        if let Some(connection) = self.running()? {
            return Ok(connection);
        }
        match (&self.folder.data_dir, self.port) {
            (Some(folder), _) => bail!("no server runs with the data folder {}", folder.display()),
            (None, Some(port)) => bail!(
                "no server of this user runs on port {port} without a data folder; for one that has a data folder \
                 name that with --data-dir DIR"
            ),
            (None, None) => bail!(
                "no server of this user runs here; 'darter' starts one, and one with a data folder of its own is \
                 found with --data-dir DIR"
            ),
        }
    }

    /// The data folder.
    pub(crate) fn folder(&self) -> anyhow::Result<PathBuf> {
        self.folder.folder()
    }

    /// A server that is named by its port has no data folder.
    pub(crate) fn is_by_port(&self) -> bool {
        self.port.is_some()
    }
}
