//! `kubewright.history/v1`.

use super::Stack;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HistoryEntry {
    /// Its place in the journal.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// In which run.
    pub run: Option<String>,
    /// What, in one word.
    pub event: String,
    /// The step it was about.
    pub step: Option<String>,
    /// In words.
    pub text: String,
    /// The event as journalled, without plan bodies.
    pub detail: Value,
}

/// The body.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct History {
    /// The stack.
    pub stack: Stack,
    /// Oldest first.
    pub events: Vec<HistoryEntry>,
}
