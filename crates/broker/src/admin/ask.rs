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
    Connection(io::Error),
    /// It takes too long.
    #[error("the server has not answered for {} seconds", PATIENCE.as_secs())]
    TooSlow,
    /// What came is no answer.
    #[error("the server's answer cannot be read; is it another version of darter?")]
    NoAnswer,
    /// The server refuses.
    #[error("{0}")]
    Refused(String),
}

impl From<io::Error> for AskError {
    fn from(error: io::Error) -> Self {
        // The system's word for a timeout is one or the other.
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Self::TooSlow,
            _ => Self::Connection(error),
        }
    }
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

    /// The next line of what was asked for and is followed; waits for it as long as it takes. None when the server has ended.
    ///
    /// # Errors
    /// When the connection fails, or what came is no line of this version.
    pub fn next_line(&mut self) -> Result<Option<Value>, AskError> {
        self.reader.get_ref().set_read_timeout(None)?;
        let mut line = String::new();
        if self.reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        serde_json::from_str(&line).map(Some).map_err(|_| AskError::NoAnswer)
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
            let ended = io::Error::new(io::ErrorKind::UnexpectedEof, "it has closed the connection");
            return Err(ended.into());
        }
        let mut answer: Value = serde_json::from_str(&answer).map_err(|_| AskError::NoAnswer)?;
        if let Some(value) = answer.get_mut("ok") {
            return Ok(value.take());
        }
        Err(answer["error"].as_str().map_or(AskError::NoAnswer, |why| AskError::Refused(why.into())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_does_not_come_is_said_in_words() {
        let (stream, silent) = UnixStream::pair().unwrap();
        let mut connection = Connection::new(Found { path: "/s".into(), stream }).unwrap();
        connection.reader.get_ref().set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        let error = connection.ask("status", json!({})).unwrap_err();
        assert_eq!(error.to_string(), "the server has not answered for 30 seconds");
        drop(silent);
        let error = connection.ask("status", json!({})).unwrap_err();
        assert!(error.to_string().starts_with("the server does not answer: "), "{error}");
    }
}
