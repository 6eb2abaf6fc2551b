//! Looking into the log of a stopped server. Every function takes the folder's lock, so none works on a folder in use.

use super::LogOptions;
use super::folder::{self, Lock};
use super::frame::Checksum;
use super::journal::Journal;
use super::opening::opener;
use super::recovery::recover;
use super::segment::Segments;
use crate::{Lost, OpenError, Opened};
use darter_codec::record::{Kept, KeptSession, QueueRow, RowState};
use darter_codec::{Message, PacketId};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// What was found in a folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// How full it is.
    pub stats: Stats,
    /// Files that are damaged, and what is wrong with each.
    pub damaged: Vec<(PathBuf, String)>,
    /// What the damage costs.
    pub lost: Lost,
    /// Records that were read.
    pub records: u64,
    /// Records that cannot be read although something of them is there.
    pub unreadable: u64,
    /// Records that are missing without a trace but their numbers.
    pub missing: u64,
    /// The last writing was interrupted; nobody had been told that it was done.
    pub interrupted: bool,
}

/// How full a folder is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// Sessions.
    pub sessions: u64,
    /// Subscriptions.
    pub subscriptions: u64,
    /// Retained messages.
    pub retained: u64,
    /// Queued messages.
    pub queued: u64,
    /// Files.
    pub segments: u64,
    /// Bytes on the disk.
    pub bytes: u64,
    /// Bytes of these that are still wanted.
    pub live_bytes: u64,
}

/// How full the folder is; changes nothing.
///
/// # Errors
/// As for [`check`].
pub fn stats(folder: &Path) -> Result<Stats, OpenError> {
    check(folder).map(|findings| findings.stats)
}

/// Reads everything and says what is there, what is damaged and what that costs. Changes nothing.
///
/// # Errors
/// When the folder is in use, cannot be read, or is of a newer version.
pub fn check(folder: &Path) -> Result<Findings, OpenError> {
    let _lock = Lock::look(folder)?;
    let messages = data(folder)?;
    recover(folder, &messages, false).map(|recovered| recovered.findings)
}

/// Sets damaged files aside and writes everything that can be read of them again, as a server does at its start and
/// for some time after it.
///
/// # Errors
/// When the folder is in use, cannot be read or written, or is of a newer version.
pub fn repair(folder: &Path) -> Result<Findings, OpenError> {
    let findings = check(folder)?;
    let Opened { stores, keeper, .. } = open(folder)?;
    let mut report = keeper.report();
    while report.mending && !report.full {
        thread::park_timeout(LOOK);
        report = keeper.report();
    }
    drop(stores);
    keeper.finish();
    if report.mending {
        let source = io::Error::other(report.trouble.unwrap_or_else(|| "the disk is full".to_owned()));
        return Err(OpenError::Folder { folder: folder.to_owned(), source });
    }
    Ok(findings)
}

/// Writes sessions, their subscriptions and queues, wills and retained messages as lines of JSON; how many lines, and what
/// was found. Changes nothing in the folder.
///
/// # Errors
/// When the folder is in use, cannot be read or is of a newer version, or `out` cannot be written.
pub fn export(folder: &Path, out: &mut dyn Write) -> Result<(u64, Findings), OpenError> {
    let _lock = Lock::look(folder)?;
    let messages = data(folder)?;
    let recovered = recover(folder, &messages, false)?;
    let mut journal = Journal::new(&messages, recovered.secret, u64::MAX);
    for (number, path) in Segments::list(&messages).map_err(|source| failed(folder, source))? {
        let file = File::open(&path).map_err(|source| OpenError::File { file: path, source })?;
        journal.segments.add(number, file);
    }
    journal.go_on(recovered.index, recovered.next_segment, recovered.next_record, recovered.next_body);
    let mut lines = 0;
    let written = write_all(&journal, recovered.secret.checksum(), &recovered.kept, out, &mut lines);
    written.map_err(|source| OpenError::Output { source })?;
    Ok((lines, recovered.findings))
}

/// Where the log of a data folder is.
fn data(folder: &Path) -> Result<PathBuf, OpenError> {
    let messages = folder::messages(folder);
    if messages.is_dir() {
        return Ok(messages);
    }
    if folder.is_dir() {
        return Err(OpenError::NoData { folder: folder.to_owned() });
    }
    Err(failed(folder, io::Error::new(io::ErrorKind::NotFound, "there is no such folder")))
}

fn failed(folder: &Path, source: io::Error) -> OpenError {
    OpenError::Folder { folder: folder.to_owned(), source }
}

/// The folder of a stopped server, which no server can use as long as this is held.
#[derive(Debug)]
pub struct Hold(#[expect(dead_code, reason = "held for the lock")] Lock);

/// Takes the folder of a stopped server.
///
/// # Errors
/// When the folder is in use or is not there.
pub fn hold(folder: &Path) -> Result<Hold, OpenError> {
    lock(folder).map(Hold)
}

/// Opens the log as a server does. The ballast is the server's to make.
fn open(folder: &Path) -> Result<Opened, OpenError> {
    check_ours(folder)?;
    opener(LogOptions { ballast_bytes: 0, ..LogOptions::new(folder) })(1)
}

/// Takes a folder to write in it.
fn lock(folder: &Path) -> Result<Lock, OpenError> {
    check_ours(folder)?;
    Lock::take(folder)
}

fn check_ours(folder: &Path) -> Result<(), OpenError> {
    data(folder)?;
    folder::check_owner(folder)
}

/// Rows that are read at once.
const PAGE: usize = 256;
/// How often is looked whether everything is mended.
const LOOK: Duration = Duration::from_millis(10);

fn write_all(
    journal: &Journal,
    checksum: Checksum,
    kept: &Kept,
    out: &mut dyn Write,
    lines: &mut u64,
) -> io::Result<()> {
    for session in &kept.sessions {
        *lines += 1 + session.subscriptions.len() as u64;
        write_session(session, out)?;
        let mut from = 0;
        while from < session.next {
            let page = journal.page(checksum, session.session, from, PAGE);
            for (sequence, row) in &page.rows {
                write_row(&session.client, *sequence, row, out)?;
            }
            *lines += page.rows.len() as u64;
            from = page.through.max(from + 1);
        }
    }
    for (message, _) in &kept.retained {
        writeln!(out, "{{\"kind\":\"retained\",{}}}", message_fields(message))?;
    }
    let of_sessions = kept.sessions.iter().filter_map(|session| session.will.as_ref());
    for will in kept.wills.iter().map(|(_, will)| will).chain(of_sessions) {
        *lines += 1;
        let client = json(&will.client);
        writeln!(out, "{{\"kind\":\"will\",\"client\":{client},{}}}", message_fields(&will.message))?;
    }
    *lines += kept.retained.len() as u64;
    out.flush()
}

fn write_session(session: &KeptSession, out: &mut dyn Write) -> io::Result<()> {
    let client = json(&session.client);
    let user = session.user.as_deref().map_or_else(|| "null".to_owned(), json);
    let KeptSession { expiry, next, waiting, .. } = session;
    let sent = session.unacknowledged.len();
    writeln!(
        out,
        "{{\"kind\":\"session\",\"client\":{client},\"user\":{user},\"expiry\":{expiry},\"next\":{next},\
         \"waiting\":{waiting},\"unacknowledged\":{sent}}}"
    )?;
    for one in &session.subscriptions {
        let (filter, qos) = (json(&one.filter), one.options.qos.to_u8());
        writeln!(
            out,
            "{{\"kind\":\"subscription\",\"client\":{client},\"filter\":{filter},\"qos\":{qos},\"identifier\":{}}}",
            one.identifier
        )?;
    }
    Ok(())
}

fn write_row(client: &str, sequence: u64, row: &QueueRow, out: &mut dyn Write) -> io::Result<()> {
    let (state, id) = match row.state {
        RowState::Waiting => ("waiting", None),
        RowState::Sent(id) => ("sent", Some(id)),
        RowState::Released(id) => ("released", Some(id)),
        RowState::Finished => ("finished", None),
    };
    let id = id.map_or(0, PacketId::get);
    let qos = row.qos.to_u8();
    writeln!(
        out,
        "{{\"kind\":\"queued\",\"client\":{},\"sequence\":{sequence},\"delivery_qos\":{qos},\"state\":\"{state}\",\
         \"packet_id\":{id},{}}}",
        json(client),
        message_fields(&row.message)
    )
}

fn message_fields(message: &Message) -> String {
    let payload = match std::str::from_utf8(message.payload()) {
        Ok(text) => format!("\"payload\":{}", json(text)),
        Err(_) => {
            let hex: String = message.payload().iter().map(|byte| format!("{byte:02x}")).collect();
            format!("\"payload_hex\":\"{hex}\"")
        }
    };
    let expires = message.expires_at().map_or_else(|| "null".to_owned(), |at| at.to_string());
    let (topic, qos, retain) = (json(message.topic()), message.qos().to_u8(), message.retain());
    format!("\"topic\":{topic},\"qos\":{qos},\"retain\":{retain},\"expires_at\":{expires},{payload}")
}

/// A text as JSON writes it.
fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
