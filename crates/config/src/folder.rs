//! Where the server keeps its data: a folder, named or the platform's own, or memory.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use thiserror::Error;

/// Where sessions and messages are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum DataDir {
    /// The platform's own place.
    #[default]
    Auto,
    /// Nowhere: everything is in memory and gone when the server stops.
    Memory,
    /// This folder.
    Folder(PathBuf),
}

/// A text in the file does not name a folder.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("is not an absolute path")]
pub struct BadFolder;

/// The platform's own place for data cannot be told.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "no folder for the data is known, since {0} is not set; name one with --data-dir, or keep everything in memory with --memory"
)]
pub struct NoFolder(&'static str);

impl DataDir {
    /// The folder, `None` for memory.
    ///
    /// # Errors
    /// When it is the platform's own place and the environment does not tell where that is.
    pub fn folder(&self) -> Result<Option<PathBuf>, NoFolder> {
        match self {
            Self::Auto => own_place(System::here(), is_root(), |name| std::env::var_os(name)).map(Some),
            Self::Memory => Ok(None),
            Self::Folder(folder) => Ok(Some(folder.clone())),
        }
    }
}

impl FromStr for DataDir {
    type Err = BadFolder;

    fn from_str(text: &str) -> Result<Self, BadFolder> {
        match text {
            "auto" => Ok(Self::Auto),
            "memory" => Ok(Self::Memory),
            path if Path::new(path).is_absolute() => Ok(Self::Folder(path.into())),
            _ => Err(BadFolder),
        }
    }
}

impl fmt::Display for DataDir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Memory => f.write_str("memory"),
            Self::Folder(folder) => folder.display().fmt(f),
        }
    }
}

/// Systems that have places of their own for data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum System {
    Unix,
    Mac,
    Windows,
}

impl System {
    fn here() -> Self {
        if cfg!(windows) {
            Self::Windows
        } else if cfg!(target_os = "macos") {
            Self::Mac
        } else {
            Self::Unix
        }
    }
}

/// The folder where programs of this user keep their data; `variable` is the environment.
fn own_place(
    system: System,
    root: bool,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<PathBuf, NoFolder> {
    let folder = |name: &str| {
        let value = PathBuf::from(variable(name)?);
        // "/" is what some service managers give a program that has no home.
        (value.is_absolute() && value.parent().is_some()).then_some(value)
    };
    if system == System::Windows {
        return Ok(folder("LOCALAPPDATA").ok_or(NoFolder("LOCALAPPDATA"))?.join("darter"));
    }
    // The first of several, when systemd was told of several.
    let states = variable("STATE_DIRECTORY");
    let state = states.as_deref().and_then(|states| std::env::split_paths(states).next());
    if let Some(state) = state.filter(|state| state.is_absolute()) {
        return Ok(state);
    }
    let home = folder("HOME");
    match (system, folder("XDG_DATA_HOME"), home) {
        (System::Mac, _, Some(home)) => Ok(home.join("Library/Application Support/darter")),
        (System::Unix, Some(data), _) => Ok(data.join("darter")),
        (System::Unix, None, Some(home)) => Ok(home.join(".local/share/darter")),
        _ if root => Ok("/var/lib/darter".into()),
        _ => Err(NoFolder("HOME")),
    }
}

#[cfg(unix)]
fn is_root() -> bool {
    nix::unistd::Uid::effective().is_root()
}

#[cfg(not(unix))]
fn is_root() -> bool {
    false
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    type Variables<'a> = &'a [(&'a str, &'a str)];

    fn place(system: System, root: bool, variables: Variables<'_>) -> Result<PathBuf, NoFolder> {
        own_place(system, root, |name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into())
        })
    }

    #[test]
    fn every_system_has_its_own_place() {
        use System::{Mac, Unix};
        let cases: [(System, bool, Variables<'_>, &str); 8] = [
            (Unix, false, &[("HOME", "/home/me")], "/home/me/.local/share/darter"),
            (Unix, true, &[("HOME", "/root")], "/root/.local/share/darter"),
            (Unix, false, &[("HOME", "/home/me"), ("XDG_DATA_HOME", "/data")], "/data/darter"),
            (Unix, false, &[("HOME", "/home/me"), ("XDG_DATA_HOME", "data")], "/home/me/.local/share/darter"),
            (Unix, false, &[("HOME", "/home/me"), ("STATE_DIRECTORY", "/var/lib/d:/x")], "/var/lib/d"),
            (Unix, true, &[], "/var/lib/darter"),
            (Unix, true, &[("HOME", "/")], "/var/lib/darter"),
            (Mac, false, &[("HOME", "/Users/me")], "/Users/me/Library/Application Support/darter"),
        ];
        for (system, root, variables, expected) in cases {
            assert_eq!(place(system, root, variables), Ok(expected.into()), "{variables:?}");
        }
        let windows = place(System::Windows, false, &[("LOCALAPPDATA", "/c/local")]);
        assert_eq!(windows, Ok("/c/local/darter".into()));
    }

    #[test]
    fn without_a_home_the_missing_variable_is_named() {
        let error = place(System::Unix, false, &[]).unwrap_err().to_string();
        assert!(
            error.contains("HOME") && error.contains("--data-dir") && error.contains("--memory"),
            "{error}"
        );
        let error = place(System::Windows, false, &[]).unwrap_err().to_string();
        assert!(error.contains("LOCALAPPDATA"), "{error}");
    }

    #[test]
    fn a_path_in_a_file_is_absolute() {
        assert_eq!("/data".parse(), Ok(DataDir::Folder("/data".into())));
        assert_eq!("memory".parse(), Ok(DataDir::Memory));
        for text in ["", "data", "./data", "~/data"] {
            assert_eq!(text.parse::<DataDir>(), Err(BadFolder), "{text}");
        }
    }
}
