//! Reading a log from its beginning: what is kept, what is damaged, and what that cost.

use super::content::{Content, message_of};
use super::entry::{Entry, Kind};
use super::frame::{Checksum, Found, Hint, first_number, scan};
use super::index::{Index, Place, Secret};
use super::inspect::{Findings, Stats};
use super::segment::{FORMAT, HEADER, set_aside};
use super::side::{Mark, Side};
use super::source::{self, Contents, Source};
use super::totals::{Totals, What};
use crate::{Lost, OpenError};
use darter_codec::record::{Kept, SessionNumber};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::path::Path;

/// A log that was read.
#[derive(Debug)]
pub(super) struct Recovered {
    pub(super) secret: Secret,
    pub(super) index: Index,
    pub(super) kept: Kept,
    pub(super) lost: Lost,
    pub(super) files: Vec<(u32, File)>,
    /// Segments with damage in them.
    pub(super) damaged: BTreeSet<u32>,
    /// Number of the next segment, record and body.
    pub(super) next_segment: u32,
    pub(super) next_record: u64,
    pub(super) next_body: u64,
    pub(super) mark: Option<Mark>,
    /// Sessions of which something was left without the session itself.
    pub(super) orphans: Vec<SessionNumber>,
    /// Rows that are of no use any more.
    pub(super) done: Vec<(SessionNumber, u64)>,
    pub(super) findings: Findings,
}

/// The state of reading.
struct Reading {
    index: Index,
    content: Content,
    /// Number of the next record; none before the first frame.
    expected: Option<u64>,
    /// Records read since the last frame whose number is known.
    stray: u64,
    /// What the last readable frame says of everything before its end.
    totals: Totals,
    /// Unreadable records by what they would have added.
    known: [u64; What::ALL.len()],
    unreadable: u64,
    missing: u64,
    /// Segments with damage, and what is wrong with each.
    damaged: BTreeMap<u32, &'static str>,
    records: u64,
    torn: bool,
}

/// Reads the folder of a log. Changes nothing but, if `for_use`, that files which cannot be used at all are set aside.
pub(super) fn recover(data: &Path, folder: &Path, for_use: bool) -> Result<Recovered, OpenError> {
    let failed = |source| OpenError::Folder { folder: data.to_owned(), source };
    let mark = Side::read(folder);
    let sources = Source::all(folder).map_err(failed)?;
    let found = source::format(&sources, mark.as_ref());
    if found > FORMAT {
        return Err(OpenError::Newer { folder: data.to_owned(), found, known: FORMAT });
    }
    let known = source::secret(&sources, mark.as_ref());
    let secret = known.unwrap_or_else(new_secret);
    let mut reading = Reading::new(secret);
    reading.index.is_being_read = true;
    let mut files = Vec::new();
    let mut findings = Findings::default();
    findings.stats.segments = sources.len() as u64;
    let mut next_segment = 1;
    // One ahead: the number that the next segment begins with says what of this one was finished.
    let mut contents = sources.iter().map(|source| source.read(secret));
    let mut ahead = contents.next().transpose()?;
    for (position, source) in sources.iter().enumerate() {
        let Some(present) = std::mem::replace(&mut ahead, contents.next().transpose()?) else { break };
        let Source { number, path, .. } = source;
        let last = position + 1 == sources.len();
        let (bytes, is_right) = match present {
            Contents::Segment(bytes, is_right) => (bytes, is_right),
            Contents::Unbegun if last => {
                if for_use {
                    // If the disk refuses even that, it does no harm.
                    let _ = fs::remove_file(path);
                }
                continue;
            }
            Contents::Unbegun => {
                reading.set_aside(source, "it is empty", folder, for_use);
                continue;
            }
            Contents::Useless(why) => {
                reading.set_aside(source, why, folder, for_use);
                continue;
            }
        };
        next_segment = next_segment.max(number.saturating_add(1));
        let following = match &ahead {
            Some(Contents::Segment(next, _)) => first_number(secret.checksum(), next, HEADER),
            _ => None,
        };
        let acknowledged = following.or(mark.map(|mark| mark.next_record)).unwrap_or(0);
        reading.segment(secret.checksum(), *number, &bytes, acknowledged);
        if !is_right {
            reading.damaged.insert(*number, "its header is damaged");
        }
        if for_use {
            // What a killed server had written and not synced counts from now on, so it must not go when the power does.
            let open = File::open(path).and_then(|file| file.sync_all().map(|()| file));
            files.push((*number, open.map_err(|source| OpenError::File { file: path.clone(), source })?));
        }
    }
    let secret_lost = known.is_none() && !sources.is_empty();
    for Source { number, path, .. } in &sources {
        if let Some(why) = reading.damaged.get(number) {
            findings.damaged.push((path.clone(), (*why).to_owned()));
        }
    }
    Ok(reading.finish(secret, files, next_segment, mark, secret_lost, findings))
}

impl Reading {
    fn new(secret: Secret) -> Self {
        Self {
            index: Index::new(secret),
            content: Content::default(),
            expected: None,
            stray: 0,
            totals: Totals::default(),
            known: [0; What::ALL.len()],
            unreadable: 0,
            missing: 0,
            damaged: BTreeMap::new(),
            records: 0,
            torn: false,
        }
    }

    /// A file that is of no use: it must not be in the way of new ones.
    fn set_aside(&mut self, source: &Source, why: &'static str, folder: &Path, for_use: bool) {
        self.damaged.insert(source.number, why);
        if for_use {
            // A disk that refuses even that leaves a file that is never looked into again.
            let _ = set_aside(folder, &source.path);
        }
    }

    fn segment(&mut self, checksum: Checksum, number: u32, bytes: &[u8], acknowledged: u64) {
        let hint = Hint { acknowledged, expected: self.expected.unwrap_or(0) };
        self.index.add_segment(number, bytes.len() as u64);
        // Records of the present frame that were not found yet.
        let mut awaited = 0_u64;
        scan(checksum, bytes, HEADER, hint, |found| match found {
            Found::Frame(frame) => {
                self.missing += std::mem::take(&mut awaited);
                let gap = self.expected.map_or(0, |expected| frame.first.saturating_sub(expected));
                self.missing += gap.saturating_sub(std::mem::take(&mut self.stray));
                if gap > 0 {
                    self.damaged.insert(number, "records before it or in it are missing");
                }
                let end = frame.first + u64::from(frame.count);
                self.expected = Some(self.expected.map_or(end, |expected| expected.max(end)));
                self.totals = frame.totals;
                awaited = frame.count.into();
            }
            Found::Record(entry, offset, size) => {
                if awaited == 0 {
                    self.stray += 1;
                }
                awaited = awaited.saturating_sub(1);
                let offset = u32::try_from(offset).unwrap_or(u32::MAX);
                let size = u32::try_from(size).unwrap_or(u32::MAX);
                self.record(&entry, Place { segment: number, offset, size });
            }
            Found::Unreadable(kind) => {
                awaited = awaited.saturating_sub(1);
                self.unreadable(kind);
                self.damaged.insert(number, "records in it are damaged");
            }
            Found::Junk => {
                self.missing += std::mem::take(&mut awaited);
                self.damaged.insert(number, "parts of it are damaged");
            }
            Found::Torn => self.torn = true,
        });
        if awaited > 0 {
            self.missing += awaited;
            self.damaged.insert(number, "it ends early");
        }
    }

    fn record(&mut self, entry: &Entry<'_>, at: Place) {
        self.records += 1;
        if !self.content.add(entry, &self.index) {
            self.unreadable(entry.kind());
            self.damaged.insert(at.segment, "messages in it are damaged");
            return;
        }
        match *entry {
            Entry::Retained { message, stamp } => {
                if let Some(message) = message_of(message) {
                    let key = self.index.key(message.topic());
                    self.index.retain(key, Some((at, stamp)));
                }
            }
            Entry::RetainedCleared { topic, .. } => {
                let key = self.index.key(topic);
                self.index.retain(key, None);
            }
            _ => self.index.apply(entry, at),
        }
    }

    fn unreadable(&mut self, kind: Kind) {
        self.unreadable += 1;
        let what = match kind {
            Kind::Session => What::Sessions,
            Kind::Subscribed => What::Subscriptions,
            Kind::Row => What::Queued,
            Kind::Retained => What::Retained,
            Kind::Will | Kind::Incoming => What::Other,
            // Rows that miss their body are counted by themselves, and what was not removed is not lost.
            _ => return,
        };
        self.known[what as usize] += 1;
    }

    fn finish(
        mut self,
        secret: Secret,
        files: Vec<(u32, File)>,
        next_segment: u32,
        mark: Option<Mark>,
        secret_lost: bool,
        mut findings: Findings,
    ) -> Recovered {
        let found_end = self.expected.unwrap_or(0) + self.stray;
        let mut truth = self.totals;
        let mut at_least = secret_lost;
        match mark {
            // Also when both are equally new: what was lost before the mark was written was told then.
            Some(mark) if mark.next_record >= found_end || self.expected.is_none() => {
                self.missing += mark.next_record.saturating_sub(found_end);
                truth = mark.totals;
            }
            Some(_) => {}
            None => at_least |= !self.damaged.is_empty(),
        }
        self.known[What::Queued as usize] += self.index.forget_rows_without_body();
        let orphans = self.orphans();
        self.index.forget_bodies_without_rows();
        self.index.is_being_read = false;
        let lost = Lost {
            sessions: self.lost(What::Sessions, &truth).max(orphans.len() as u64),
            subscriptions: self.lost(What::Subscriptions, &truth),
            retained: self.lost(What::Retained, &truth),
            queued: self.lost(What::Queued, &truth),
            other: self.lost(What::Other, &truth),
            at_least,
            at_most: self.missing > 0,
        };
        let nothing = Lost { at_least, at_most: lost.at_most, ..Lost::default() };
        let lost = if lost == nothing && !secret_lost { Lost::default() } else { lost };
        let next_body = self.content.last_body + 1;
        let (kept, done) = self.content.finish(&mut self.index);
        let usage = self.index.whole_usage();
        findings.records = self.records;
        findings.unreadable = self.unreadable;
        findings.missing = self.missing;
        findings.interrupted = self.torn;
        let count = |what| self.index.totals.of(what).count;
        findings.stats = Stats {
            sessions: count(What::Sessions),
            subscriptions: count(What::Subscriptions),
            retained: count(What::Retained),
            queued: count(What::Queued),
            bytes: usage.bytes,
            live_bytes: usage.live,
            ..findings.stats
        };
        findings.lost = lost;
        let next_record = found_end.max(mark.map_or(0, |mark| mark.next_record));
        Recovered {
            secret,
            index: self.index,
            kept,
            lost,
            files,
            damaged: self.damaged.into_keys().collect(),
            next_segment,
            next_record,
            next_body,
            mark,
            orphans,
            done,
            findings,
        }
    }

    /// Ends what has lost its session: nobody can come back for it.
    fn orphans(&mut self) -> Vec<SessionNumber> {
        let mut orphans: Vec<SessionNumber> = Vec::new();
        for (session, places) in &self.index.sessions {
            let lone = places.record.is_none();
            if lone
                && !(places.queue.is_empty() && places.subscriptions.is_empty() && places.incoming.is_empty())
            {
                orphans.push(*session);
            }
        }
        let before = self.index.totals;
        for session in &orphans {
            let entry = Entry::SessionEnded { session: *session };
            self.index.apply(&entry, Place { segment: 0, offset: 0, size: 0 });
            self.content.add(&entry, &self.index);
        }
        // What they had is lost with them, whatever came back elsewhere.
        for what in What::ALL {
            let less = before.of(what).count.saturating_sub(self.index.totals.of(what).count);
            self.known[what as usize] += less;
        }
        orphans
    }

    /// How many of a kind are lost, never fewer than the truth: what is there now is compared with what was there, and what
    /// may have come back because its removal could not be read is not set against it.
    fn lost(&self, what: What, truth: &Totals) -> u64 {
        let (there, was) = (self.index.totals.of(what), truth.of(what));
        if there == was {
            return 0;
        }
        let less = was.count.saturating_sub(there.count);
        let unread = self.known[what as usize] + self.missing;
        less.max(unread.min(was.count))
    }
}

/// A secret that clients cannot guess.
pub(super) fn new_secret() -> Secret {
    let [a, b] = [RandomState::new(), RandomState::new()];
    Secret([a.hash_one(std::process::id()), b.hash_one(std::time::Instant::now())])
}
