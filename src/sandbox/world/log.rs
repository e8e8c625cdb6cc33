//! The world's log: its lines, where they go, and why they cannot be read.

use super::{Asked, Birth, Key, Object, OpCount, Settings, meter::Meter};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, io};

/// One line of the log.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Line {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) birth: Option<Birth>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) rev: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) draws: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) settings: Option<Settings>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) put: Vec<Object>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) del: Vec<Key>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) ops: BTreeMap<String, OpCount>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) actions: BTreeMap<String, Asked>,
    /// Of a line that holds everything: what was billed until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) meter: Option<Meter>,
}

/// Where the world's lines go. The file behind it belongs to the store room.
pub trait Log: Send {
    /// Appends one line (without its line feed). With `sync` it returns only when the line is durable.
    fn append(&mut self, line: &str, sync: bool) -> io::Result<()>;
    /// Replaces the whole log atomically.
    fn replace(&mut self, lines: &[String]) -> io::Result<()>;
}

/// A log that forgets: for unit tests and for looking at a world without owning it.
#[derive(Debug, Default)]
pub struct NoLog;

impl Log for NoLog {
    fn append(&mut self, _: &str, _: bool) -> io::Result<()> {
        Ok(())
    }
    fn replace(&mut self, _: &[String]) -> io::Result<()> {
        Ok(())
    }
}

/// Why a log could not be read.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// A line that is not the last does not parse.
    #[error("line {line} of the sandbox's log is damaged: {why}")]
    Damaged {
        /// Counted from one.
        line: usize,
        /// The parser's words.
        why: String,
    },
    /// Written by a newer kubewright.
    #[error("the sandbox's log has format {0}, this kubewright reads up to {VERSION}")]
    Newer(u32),
    /// The log does not begin with the world's birth.
    #[error("the sandbox's log has no beginning")]
    Headless,
    /// The disk said no.
    #[error("cannot write the sandbox's log: {0}")]
    Io(#[from] io::Error),
}

/// Format of the log this build writes.
pub const VERSION: u32 = 1;

pub(super) fn encode(line: &Line) -> String {
    serde_json::to_string(line).expect("lines have string keys")
}
