//! What `pub` and `sub` say and return when the connection ends, with the exit codes of mosquitto's clients.

use darter_client::{ConnAck, Lost, ReasonCode, Version};
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

/// Exit code after a connection that was lost.
pub(crate) const CONNECTION_LOST: u8 = 7;

/// Exit code when the time of `-W` is over.
pub(crate) const TIMED_OUT: u8 = 27;

/// Writes one line on standard error, unless the user wants quiet.
pub(crate) fn complain(quiet: bool, text: &str) {
    if !quiet {
        // Nobody is left to tell when standard error is closed.
        let _ = writeln!(io::stderr(), "{text}");
    }
}

/// Says why there is no connection, and gives the exit code.
pub(crate) fn lost(lost: &Lost, version: Version, quiet: bool) -> ExitCode {
    let code = match lost {
        Lost::Requested => return ExitCode::SUCCESS,
        Lost::Refused(connack) => {
            let advice = if connack.reason == ReasonCode::UnsupportedProtocolVersion && version == Version::V5
            {
                ": use -V 311"
            } else {
                ""
            };
            complain(
                quiet,
                &format!("Error: The server refused the connection: {}{advice}.", words(connack.reason)),
            );
            return ExitCode::from(connack_code(connack, version));
        }
        Lost::Disconnected(disconnect) => {
            complain(
                quiet,
                &format!("Error: The server ended the connection: {}.", words(disconnect.reason)),
            );
            return ExitCode::from(CONNECTION_LOST);
        }
        Lost::Lookup { .. } | Lost::Open { .. } | Lost::Unsendable(_) => 1,
        Lost::Io(_) | Lost::ServerClosed | Lost::Failed(_) => CONNECTION_LOST,
    };
    let advice = match lost {
        Lost::Open { error, .. } if error.kind() == ErrorKind::ConnectionRefused => {
            "; 'darter' starts a server"
        }
        _ => "",
    };
    complain(quiet, &format!("Error: {lost}{advice}."));
    ExitCode::from(code)
}

/// The number in a CONNACK: a return code before version 5, a reason code from it on.
pub(crate) fn connack_code(connack: &ConnAck, version: Version) -> u8 {
    if version == Version::V5 { connack.reason.to_u8() } else { connack.reason.to_v3_return_code() as u8 }
}

/// A reason code as words, from its name in the standard.
pub(crate) fn words(reason: ReasonCode) -> String {
    let mut words = String::new();
    for letter in format!("{reason:?}").chars() {
        if letter.is_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.extend(letter.to_lowercase());
    }
    words
}
