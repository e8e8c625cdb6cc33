//! `kubewright.history/v1` and `kubewright.history-verify/v1`.

use super::Stack;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HistoryEntry {
    /// Its place in the journal: the number of its line.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// In which run.
    pub run: Option<String>,
    /// What, in one word.
    pub event: String,
    /// The step it was about.
    pub step: Option<String>,
    /// The provider's kind of the object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The cloud's id of the object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// How long it took, on what ends something: since the run began it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u64>,
    /// The id of what went wrong, `KW-AWS-QUOTA`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_id: Option<String>,
    /// In words.
    pub text: String,
    /// The event as journalled, without plan bodies.
    pub detail: Value,
}

/// One process's work on the stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HistoryRun {
    /// Its id.
    pub id: String,
    /// provision, destroy or recover.
    pub verb: String,
    /// Who.
    pub user: String,
    /// On which machine.
    pub host: String,
    /// As which process there.
    pub pid: u32,
    /// With which build.
    pub version: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended; null while it runs and after a kill.
    pub ended_at: Option<Timestamp>,
    /// How long it took; after a kill until the last it wrote.
    pub seconds: u64,
    /// done, failed, stopped, running, or killed: it never said how it ended.
    pub outcome: String,
    /// The id of what ended it.
    pub error_id: Option<String>,
    /// That in words.
    pub error: Option<String>,
    /// Mutating calls it sent; null where it could not say.
    pub mutating_calls: Option<u64>,
}

/// The journal's chain of hashes, whole as far as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Chain {
    /// How many lines.
    pub events: usize,
    /// Hash of the last one; null for an empty journal.
    pub head: Option<String>,
    /// Bytes of a torn last line, which a kill left and no call depends on.
    pub torn_bytes: usize,
}

/// The body.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct History {
    /// The stack.
    pub stack: Stack,
    /// ready, unfinished, deleting or destroyed.
    pub standing: String,
    /// When it was proven gone.
    pub destroyed_at: Option<Timestamp>,
    /// What stands costs this much; null when unknown.
    pub usd_per_hour: Option<f64>,
    /// What it has cost: each object from confirmed running until proven gone; null when unknown.
    pub accrued_usd: Option<f64>,
    /// Who worked on it, oldest first.
    pub runs: Vec<HistoryRun>,
    /// What happened, oldest first.
    pub events: Vec<HistoryEntry>,
    /// The journal's chain.
    pub chain: Chain,
    /// Other stacks that bear or bore the name, `demo-7f3a1b2c`.
    pub other_stacks: Vec<String>,
    /// Those, with `--all`.
    pub others: Vec<History>,
    /// Every event instead of a line per step, for people.
    #[serde(skip)]
    pub every_event: bool,
}

/// What a journal's check came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Verified {
    /// `demo-7f3a1b2c`.
    pub stack: String,
    /// Whether every line is as it was written, and where it was written.
    pub intact: bool,
    /// What was read; null where the journal could not be read to its end.
    pub chain: Option<Chain>,
    /// The first bad line.
    pub line: Option<u64>,
    /// What is wrong with it.
    pub why: Option<String>,
}

/// The body of `history --verify`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct HistoryVerify {
    /// Every journal that was checked.
    pub journals: Vec<Verified>,
}
