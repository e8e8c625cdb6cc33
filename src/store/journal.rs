//! The journal of one stack: one JSON line per event, numbered, chained by hashes, durable before the append returns.
//!
//! A line is the record's JSON with the format's version `v` in front and `prev` and `hash` at its end. `hash` is the
//! sha256 of the line's own bytes up to `,"hash":`, in hexadecimal; `prev` is the hash of the line before, zeros for the
//! first; so it is in every version. A changed, removed, moved or inserted line is thereby noticed, byte for byte and without knowing the events. Only
//! a last line without its newline is forgiven: the process was killed while it wrote, before any call it announced.

use super::{
    append::{AppendLog, Lines, read_lines},
    error::{StoreError, StoreErrorKind},
    state_dir::StackLock,
};
use crate::engine::{Event, Journal, JournalError, Plan, Record, RunId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{borrow::Cow, path::Path, sync::Arc};

/// The version that is written. Newer ones are read where they can be understood, and never written to.
pub const VERSION: u32 = 1;
/// How this version's lines begin.
const OUR_START: &str = "{\"v\":1,";
const BEFORE_PREV: &str = ",\"prev\":\"";
const BEFORE_HASH: &str = ",\"hash\":\"";
const AFTER_HASH: &str = "\"}";
/// What the first line has for the hash of the line before.
const NO_HASH: &str = "0000000000000000000000000000000000000000000000000000000000000000";

#[derive(Serialize)]
struct Written<'a> {
    v: u32,
    #[serde(flatten)]
    record: &'a Record,
    prev: &'a str,
}

#[derive(Deserialize)]
struct Version {
    v: u32,
}

#[derive(Deserialize)]
struct Chain {
    prev: String,
}

#[derive(Deserialize)]
struct Place {
    seq: u64,
    at: Timestamp,
    run: Option<RunId>,
}

/// What a journal holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct JournalRead {
    /// The records, oldest first.
    pub records: Vec<Record>,
    /// Bytes of a torn last line that was dropped.
    pub torn: usize,
    /// Some line is of a newer version: do not write.
    pub newer: bool,
    /// Hash of the last line.
    last_hash: Option<String>,
}

impl JournalRead {
    /// The hash of the last line, on which every line before it hangs; none for an empty journal.
    pub fn head(&self) -> Option<&str> {
        self.last_hash.as_deref()
    }
}

/// Reads and checks a journal; changes nothing.
///
/// # Errors
/// `NotFound`, `Unusable`, `Damaged` with the number of the first bad line, `Newer` for a line of a newer version that
/// this one does not understand.
pub fn read(path: &Path) -> Result<JournalRead, StoreError> {
    check(path, &read_lines(path)?)
}

/// The plan in a journal's first line, if that line is whole: where to look when a later one is not.
pub fn first_plan(path: &Path) -> Option<Box<Plan>> {
    let lines = read_lines(path).ok()?;
    let first = Lines { lines: lines.lines.into_iter().take(1).collect(), torn: 0 };
    match check(path, &first).ok()?.records.pop()?.event {
        Event::Planned { plan, .. } => Some(plan),
        _ => None,
    }
}

fn check(path: &Path, lines: &Lines) -> Result<JournalRead, StoreError> {
    let mut read = JournalRead { torn: lines.torn, ..JournalRead::default() };
    for (number, line) in (1..).zip(&lines.lines) {
        let damaged = |why: &str| StoreError::damaged(path, Some(number), why);
        let line = std::str::from_utf8(line).map_err(|_| damaged("it is not UTF-8 text"))?;
        let v = version(line).map_err(|error| damaged(&format!("it is not a journal line: {error}")))?;
        // What a newer version says and this one does not understand is no damage.
        let unreadable = |why: String| {
            if v <= VERSION {
                return damaged(&why);
            }
            let message = format!("{} line {number} was written by a newer kubewright", path.display());
            StoreError::new(StoreErrorKind::Newer, path, message)
        };
        if v == 0 {
            return Err(damaged("there is no format 0"));
        }
        let Some((body, hash)) = split_hash(line) else {
            return Err(unreadable("it has no hash at its end".to_owned()));
        };
        if hash != digest(body) {
            return Err(damaged("its content does not match its hash"));
        }
        let prev = previous(line, body).map_err(|error| unreadable(format!("it is not a journal line: {error}")))?;
        if prev != read.last_hash.as_deref().unwrap_or(NO_HASH) {
            return Err(damaged("it does not follow the line before"));
        }
        let record = record(line).map_err(|error| unreadable(format!("it is not an event: {error}")))?;
        if record.seq != number {
            return Err(damaged(&format!("it is numbered {}", record.seq)));
        }
        read.records.push(record);
        read.last_hash = Some(hash.to_owned());
        read.newer |= v > VERSION;
    }
    Ok(read)
}

/// The version of a line. Ours are written one way, so they need no look at the rest; any other way is read as JSON.
fn version(line: &str) -> serde_json::Result<u32> {
    match line.strip_prefix(OUR_START) {
        Some(_) => Ok(VERSION),
        None => serde_json::from_str::<Version>(line).map(|line| line.v),
    }
}

/// The hash of the line before, which ours have right before their own.
fn previous<'l>(line: &'l str, body: &'l str) -> serde_json::Result<Cow<'l, str>> {
    let last = body.strip_suffix('"').and_then(|body| body.rsplit_once(BEFORE_PREV));
    match last.filter(|(_, prev)| prev.len() == NO_HASH.len() && prev.bytes().all(|byte| byte.is_ascii_hexdigit())) {
        Some((_, prev)) => Ok(Cow::Borrowed(prev)),
        None => serde_json::from_str::<Chain>(line).map(|line| Cow::Owned(line.prev)),
    }
}

/// The record of a line: its place and its event are read apart, since serde copies all of what it has to flatten.
fn record(line: &str) -> serde_json::Result<Record> {
    let Place { seq, at, run } = serde_json::from_str(line)?;
    Ok(Record { seq, at, run, event: Event::from_json(line)? })
}

fn split_hash(line: &str) -> Option<(&str, &str)> {
    line.strip_suffix(AFTER_HASH)?.rsplit_once(BEFORE_HASH)
}

fn digest(body: &str) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = |byte: &u8| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
    Sha256::digest(body).iter().flat_map(digits).map(char::from).collect()
}

/// A line without its newline, and its hash.
fn seal(record: &Record, prev: &str) -> (String, String) {
    let text = serde_json::to_string(&Written { v: VERSION, record, prev });
    let mut text = text.expect("events are strings, numbers and maps with string keys");
    text.pop();
    let hash = digest(&text);
    text.push_str(BEFORE_HASH);
    text.push_str(&hash);
    text.push_str(AFTER_HASH);
    (text, hash)
}

/// A journal open for writing. It keeps the stack's lock for as long as it lives.
#[derive(Debug)]
pub struct StackJournal {
    log: AppendLog,
    seq: u64,
    prev: String,
    _lock: Option<Arc<StackLock>>,
}

impl StackJournal {
    /// Makes an empty journal; there must be none.
    pub(super) fn create(path: &Path, lock: Arc<StackLock>) -> Result<Self, StoreError> {
        Ok(Self { _lock: Some(lock), ..Self::over(AppendLog::create(path)?, 0, None) })
    }

    /// Opens a journal to go on, with what it holds. A torn last line is cut off.
    pub(super) fn open(path: &Path, lock: Arc<StackLock>) -> Result<(Self, JournalRead), StoreError> {
        // Checked before anything is cut off: a damaged or newer journal stays exactly as it is.
        let read = read(path)?;
        if read.newer {
            let message =
                format!("{} was written by a newer kubewright, so this one does not write to it", path.display());
            return Err(StoreError::new(StoreErrorKind::Newer, path, message));
        }
        let (log, _) = AppendLog::open(path)?;
        let journal = Self::over(log, read.records.len() as u64, read.last_hash.as_deref());
        Ok((Self { _lock: Some(lock), ..journal }, read))
    }

    /// A journal over a log that the caller brings, after `seq` lines of which the last has this hash. For tests with
    /// a file that fails or forgets.
    pub fn over(log: AppendLog, seq: u64, last_hash: Option<&str>) -> Self {
        Self { log, seq, prev: last_hash.unwrap_or(NO_HASH).to_owned(), _lock: None }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.log.path()
    }
}

impl Journal for StackJournal {
    fn append(&mut self, at: Timestamp, run: Option<&RunId>, event: &Event) -> Result<Record, JournalError> {
        let record = Record { seq: self.seq + 1, at, run: run.cloned(), event: event.clone() };
        let (line, hash) = seal(&record, &self.prev);
        self.log
            .append(line.as_bytes())
            .map_err(|error| JournalError { disk_full: error.kind == StoreErrorKind::Full, message: error.message })?;
        self.seq = record.seq;
        self.prev = hash;
        Ok(record)
    }
}

#[cfg(test)]
#[path = "journal_tests.rs"]
pub(super) mod tests;
