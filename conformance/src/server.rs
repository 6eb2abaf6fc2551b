//! Starts a Darter of its own for a run.

use std::io::{self, BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A server process with its state in memory, on a port the system chose; it ends when this value is dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    /// Starts `darter serve` from this binary and waits until it listens.
    ///
    /// # Errors
    /// When the binary cannot be started or does not say where it listens.
    pub fn start(binary: &Path) -> io::Result<Self> {
        let mut child = Command::new(binary)
            .args(["serve", "--memory", "--port", "0", "--print-addresses", "json", "--no-console"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", binary.display())))?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        match address(&line) {
            Some(address) => Ok(Self { child, address }),
            None => {
                drop(Self { child, address: SocketAddr::from(([127, 0, 0, 1], 0)) });
                Err(io::Error::other(format!("{} did not say where it listens: {line:?}", binary.display())))
            }
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; either way nothing is left to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The first MQTT address of the line `{"mqtt":["127.0.0.1:1883", ..]}`.
fn address(line: &str) -> Option<SocketAddr> {
    let ready: serde_json::Value = serde_json::from_str(line).ok()?;
    ready.get("mqtt")?.get(0)?.as_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_address_of_the_ready_line_is_taken() {
        let line = "{\"mqtt\":[\"127.0.0.1:4321\",\"[::1]:4321\"]}\n";
        assert_eq!(address(line), Some(SocketAddr::from(([127, 0, 0, 1], 4321))));
        assert_eq!(address(""), None);
    }
}
