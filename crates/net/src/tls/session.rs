//! One connection's TLS. It owns no bytes but those of a record that has come in part.

use super::names::names;
use super::{Current, words};
use crate::filter::{Fault, Filter, Received};
use crate::peer::CertificateNames;
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncryptError, InsufficientSizeError, UnbufferedStatus, WriteTraffic,
};
use std::fmt;
use std::sync::Arc;

/// The first byte of a record that belongs to a hand-shake, as the first one does.
const HANDSHAKE: u8 = 0x16;
/// The most plain bytes in a record, and more than a record adds to them.
const RECORD: usize = 16 * 1024;
const RECORD_OVERHEAD: usize = 64;
/// Bytes of a record's header; the last two of them are the length of the rest (RFC 8446, section 5.1).
const HEADER: usize = 5;
/// The most bytes that wait until they make a message of the hand-shake whole. rustls bounds the message, but not into how many
/// records it is cut.
const PARTIAL_MOST: usize = 128 * 1024;

/// The filter of a connection.
pub(super) struct Session {
    current: Arc<Current>,
    /// Made when the first bytes have come.
    connection: Option<Box<UnbufferedServerConnection>>,
    /// What has come of a record, or of a message of the hand-shake, that is not whole.
    partial: Vec<u8>,
    /// The hand-shake is over.
    is_ready: bool,
    certificate: Option<Box<CertificateNames>>,
}

/// What became of the bytes in a buffer.
struct Progress {
    /// So many of them are not needed any more.
    done: usize,
    /// The other side has said good-bye.
    ended: bool,
}

impl Session {
    pub(super) fn new(current: Arc<Current>) -> Self {
        Self { current, connection: None, partial: Vec::new(), is_ready: false, certificate: None }
    }

    /// Begins with the first bytes, if they are TLS.
    fn begin(&mut self, first: &[u8]) -> Result<(), Fault> {
        if self.connection.is_none() && !first.is_empty() {
            if first[0] != HANDSHAKE {
                return Err(words::stranger(first));
            }
            let new = UnbufferedServerConnection::new(self.current.get());
            self.connection = Some(Box::new(new.map_err(|error| words::fault(&error))?));
        }
        Ok(())
    }

    /// How many of the next bytes go to those that wait: the rest of a record, or however many there are. What follows can be
    /// worked on where it is, and a buffer that must be kept is no larger than a record.
    fn missing(&self) -> usize {
        let whole = match self.partial[..] {
            [] => return usize::MAX,
            [_, _, _, high, low, ..] => HEADER + usize::from(u16::from_be_bytes([high, low])),
            _ => HEADER,
        };
        match whole.saturating_sub(self.partial.len()) {
            0 => usize::MAX,
            missing => missing,
        }
    }

    /// Takes a part of what has come. True when nothing follows.
    fn take(&mut self, bytes: &mut [u8], up: &mut Vec<u8>, down: &mut Vec<u8>) -> Result<bool, Fault> {
        let mut partial = std::mem::take(&mut self.partial);
        let Some(connection) = &mut self.connection else { return Ok(false) };
        if partial.is_empty() {
            let progress = drive(connection, bytes, up, down)?;
            self.partial.extend_from_slice(&bytes[progress.done..]);
            return Ok(progress.ended);
        }
        partial.extend_from_slice(bytes);
        let progress = drive(connection, &mut partial, up, down)?;
        if progress.done < partial.len() {
            partial.drain(..progress.done);
            self.partial = partial;
        }
        if self.partial.len() > PARTIAL_MOST {
            return Err(Fault::new("its TLS hand-shake comes in too many too small pieces"));
        }
        Ok(progress.ended)
    }

    fn finish_handshake(&mut self) {
        let Some(connection) = &self.connection else { return };
        if self.is_ready || connection.is_handshaking() {
            return;
        }
        self.is_ready = true;
        let first = connection.peer_certificates().and_then(|chain| chain.first());
        self.certificate = first.map(|certificate| Box::new(names(certificate)));
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("Session");
        fields
            .field("is_ready", &self.is_ready)
            .field("certificate", &self.certificate)
            .finish_non_exhaustive()
    }
}

impl Filter for Session {
    fn receive(&mut self, bytes: &mut [u8], up: &mut Vec<u8>, down: &mut Vec<u8>) -> Result<Received, Fault> {
        self.begin(bytes)?;
        let mut rest = bytes;
        let mut ended = false;
        while !rest.is_empty() && !ended {
            let (part, behind) = rest.split_at_mut(self.missing().min(rest.len()));
            ended = self.take(part, up, down)?;
            rest = behind;
        }
        self.finish_handshake();
        Ok(if ended { Received::End } else { Received::More })
    }

    fn send(&mut self, bytes: &[u8], down: &mut Vec<u8>) -> Result<(), Fault> {
        let Some(connection) = &mut self.connection else { return Err(Fault::new("TLS has not begun")) };
        encrypt(connection, &mut self.partial, bytes, down)
    }

    fn close(&mut self, down: &mut Vec<u8>) {
        let Some(connection) = &mut self.connection else { return };
        // Too early where the hand-shake goes on; what has come meanwhile does not matter any more.
        let _ = with_traffic(connection, &mut self.partial, down, |traffic, down| {
            grow(down, RECORD_OVERHEAD, |space| encrypted(traffic.queue_close_notify(space)))
        });
    }

    fn certificate(&self) -> Option<&CertificateNames> {
        self.certificate.as_deref()
    }

    fn waits_for(&self) -> Option<&'static str> {
        (!self.is_ready).then_some("the end of the TLS hand-shake")
    }
}

/// Lets rustls take what is in a buffer, until it needs more.
fn drive(
    connection: &mut UnbufferedServerConnection,
    buffer: &mut [u8],
    up: &mut Vec<u8>,
    down: &mut Vec<u8>,
) -> Result<Progress, Fault> {
    let mut progress = Progress { done: 0, ended: false };
    loop {
        let UnbufferedStatus { mut discard, state } =
            connection.process_tls_records(&mut buffer[progress.done..]);
        let mut is_over = false;
        match state {
            Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                while let Some(record) = traffic.next_record() {
                    let record = record.map_err(|error| words::fault(&error))?;
                    discard += record.discard;
                    up.extend_from_slice(record.payload);
                }
            }
            Ok(ConnectionState::EncodeTlsData(mut data)) => {
                grow(down, 0, |space| encoded(data.encode(space)))?;
            }
            Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
            Ok(ConnectionState::PeerClosed) => progress.ended = true,
            Ok(_) => is_over = true,
            Err(error) => {
                last_words(connection, &mut buffer[progress.done + discard..], down);
                return Err(words::fault(&error));
            }
        }
        progress.done += discard;
        if is_over {
            return Ok(progress);
        }
    }
}

/// Has the alert written that tells the other side what is wrong.
fn last_words(connection: &mut UnbufferedServerConnection, rest: &mut [u8], down: &mut Vec<u8>) {
    // Asked for no more than that, because rustls would look at `rest` again.
    while connection.wants_write()
        && let Ok(ConnectionState::EncodeTlsData(mut data)) = connection.process_tls_records(rest).state
        && grow(down, 0, |space| encoded(data.encode(space))).is_ok()
    {}
}

fn encrypt(
    connection: &mut UnbufferedServerConnection,
    partial: &mut Vec<u8>,
    bytes: &[u8],
    down: &mut Vec<u8>,
) -> Result<(), Fault> {
    with_traffic(connection, partial, down, |traffic, down| {
        let expected = bytes.len() + bytes.len().div_ceil(RECORD) * RECORD_OVERHEAD;
        grow(down, expected, |space| encrypted(traffic.encrypt(bytes, space)))
    })
}

/// Sends something. What rustls has to say itself goes first.
fn with_traffic(
    connection: &mut UnbufferedServerConnection,
    partial: &mut Vec<u8>,
    down: &mut Vec<u8>,
    send: impl FnOnce(&mut WriteTraffic<'_, ServerConnectionData>, &mut Vec<u8>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    // It is a part of a record at most: nothing for above comes of it.
    let progress = drive(connection, partial, &mut Vec::new(), down)?;
    partial.drain(..progress.done);
    match connection.process_tls_records(partial).state {
        Ok(ConnectionState::WriteTraffic(mut traffic)) => send(&mut traffic, down),
        _ => Err(Fault::new("TLS takes nothing to send")),
    }
}

/// What writing into a space came to: the bytes written, or the space that it takes.
type Written = Result<Result<usize, InsufficientSizeError>, Fault>;

fn encoded(outcome: Result<usize, EncodeError>) -> Written {
    match outcome {
        Ok(count) => Ok(Ok(count)),
        Err(EncodeError::InsufficientSize(more)) => Ok(Err(more)),
        Err(error) => Err(Fault::new(format!("TLS has failed: {error}"))),
    }
}

fn encrypted(outcome: Result<usize, EncryptError>) -> Written {
    match outcome {
        Ok(count) => Ok(Ok(count)),
        Err(EncryptError::InsufficientSize(more)) => Ok(Err(more)),
        Err(error) => Err(Fault::new(format!("TLS has failed: {error}"))),
    }
}

/// Appends to `down` what `write` writes into the space it is given, which grows until it is enough.
fn grow(
    down: &mut Vec<u8>,
    expected: usize,
    mut write: impl FnMut(&mut [u8]) -> Written,
) -> Result<(), Fault> {
    let start = down.len();
    let mut size = expected;
    loop {
        down.resize(start + size, 0);
        match write(&mut down[start..]) {
            Ok(Ok(count)) => {
                down.truncate(start + count);
                return Ok(());
            }
            Ok(Err(more)) => size = more.required_size.max(size + 1),
            Err(fault) => {
                down.truncate(start);
                return Err(fault);
            }
        }
    }
}
