//! The asking end of the socket.

use super::place::Found;
use serde_json::{Value, json};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;
use thiserror::Error;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection to a running server.
#[derive(Debug)]
pub struct Connection {
    reader: BufReader<UnixStream>,
}

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum AskError {
    /// The connection failed.
    #[error("the server does not answer: {0}")]
    Connection(#[from] io::Error),
    /// What came is no answer.
    #[error("the server's answer cannot be read; is it another version of darter?")]
    NoAnswer,
    /// The server refuses.
    #[error("{0}")]
    Refused(String),
}

impl Connection {
    /// Talks to a server that was found.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn new(found: Found) -> io::Result<Self> {
        found.stream.set_read_timeout(Some(PATIENCE))?;
        found.stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { reader: BufReader::new(found.stream) })
    }

    /// Asks for `wanted` with the fields of `request`, which must be an object, and waits for the answer.
    ///
    /// # Errors
    /// When there is none, or the server refuses.
    pub fn ask(&mut self, wanted: &str, request: Value) -> Result<Value, AskError> {
        let mut request = request;
        request["do"] = json!(wanted);
        let mut line = request.to_string();
        line.push('\n');
        self.reader.get_mut().write_all(line.as_bytes())?;
        let mut answer = String::new();
        if self.reader.read_line(&mut answer)? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        let mut answer: Value = serde_json::from_str(&answer).map_err(|_| AskError::NoAnswer)?;
        if let Some(value) = answer.get_mut("ok") {
            return Ok(value.take());
        }
        Err(answer["error"].as_str().map_or(AskError::NoAnswer, |why| AskError::Refused(why.into())))
    }
}
