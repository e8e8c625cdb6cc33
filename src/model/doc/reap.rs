//! `kubewright.reap/v1`.

use super::{Error, Remaining, Stack, StatusFailure};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

/// Why a stack is to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum DueReason {
    /// Its expiry is past.
    Expired,
    /// Its removal was begun and not finished.
    HalfRemoved,
    /// It has no cluster, and nobody can be building it any more.
    Abandoned,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum DueOutcome {
    /// Only listed.
    Listed,
    /// Left, for it is protected.
    Protected,
    /// Left, for its expiry was moved.
    Extended,
    /// Left, for it has a cluster after all, or somebody went on with it.
    Standing,
    /// Left to another process that works on it.
    Held,
    /// Another process took it down since it was found.
    Gone,
    /// Gone, and a second look proved it.
    Destroyed,
    /// Something of it remains.
    Incomplete,
}

/// One stack.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Due {
    /// The stack.
    pub stack: Stack,
    /// Why it is to go.
    pub reason: DueReason,
    /// When it expires or expired.
    pub expires_at: Option<Timestamp>,
    /// When it was begun.
    pub created_at: Option<Timestamp>,
    /// Who built it, `user@host`.
    pub builder: Option<String>,
    /// How many objects tell of it.
    pub objects: usize,
    /// What the whole of it costs an hour; null where its tags do not tell what it is.
    pub usd_per_hour: Option<f64>,
    /// What became of it.
    pub outcome: DueOutcome,
    /// How many objects went.
    pub deleted: usize,
    /// What would not go.
    pub remaining: Vec<Remaining>,
    /// Why not.
    pub error: Option<Error>,
}

/// The body.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reap {
    /// Whether every place answered.
    pub complete: bool,
    /// Whether what is due was to be taken down.
    pub delete: bool,
    /// What is due.
    pub due: Vec<Due>,
    /// How many stacks went whole.
    pub destroyed: usize,
    /// How many objects went.
    pub deleted: usize,
    /// How many objects of those that were to go remain.
    pub remaining: usize,
    /// What those that are due and stand go on costing an hour; null when unknown.
    pub usd_per_hour: Option<f64>,
    /// The places that did not answer.
    pub failures: Vec<StatusFailure>,
}
