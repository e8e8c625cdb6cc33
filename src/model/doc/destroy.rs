//! `kubewright.destroy/v1`, `kubewright.protect/v1` and `kubewright.extend/v1`.

use super::{Audit, Stack};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

/// How a destroy ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum DestroyOutcome {
    /// All of it is gone, and a second look proved it.
    Destroyed,
    /// There was nothing.
    Nothing,
    /// Something of ours remains.
    Incomplete,
    /// Nobody said yes.
    Declined,
}

/// One deleted object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Gone {
    /// The step that had made it.
    pub step: String,
    /// The provider's kind.
    pub kind: String,
    /// The cloud's id, where one was known.
    pub id: Option<String>,
}

/// One object that stays: at the user's wish, or because it would not go.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Remaining {
    /// The step that made it.
    pub step: Option<String>,
    /// The provider's kind.
    pub kind: String,
    /// The cloud's id.
    pub id: String,
    /// Why it is still there.
    pub why: Option<String>,
    /// What it goes on costing; null when unknown.
    pub usd_per_hour: Option<f64>,
}

/// The body.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Destroy {
    /// The stack.
    pub stack: Stack,
    /// How it ended.
    pub outcome: DestroyOutcome,
    /// What went.
    pub deleted: Vec<Gone>,
    /// What stays at the user's wish.
    pub kept: Vec<Remaining>,
    /// What would not go.
    pub remaining: Vec<Remaining>,
    /// What the remaining goes on costing; null when unknown.
    pub usd_per_hour_remaining: Option<f64>,
    /// Mutating calls of this run.
    pub mutating_calls: u64,
    /// The second look; null when there was none.
    pub audit: Option<Audit>,
}

/// The body of `extend`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Extend {
    /// The stack.
    pub stack: Stack,
    /// When it would have expired; null where it never would.
    pub expired_at: Option<Timestamp>,
    /// When it expires now.
    pub expires_at: Timestamp,
    /// Mutating calls of this run.
    pub mutating_calls: u64,
}

/// The body of `protect`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Protect {
    /// The stack.
    pub stack: Stack,
    /// Whether it is protected now.
    pub protect: bool,
    /// Whether that was news, to the journal here or to the cloud.
    pub changed: bool,
    /// Mutating calls of this run.
    pub mutating_calls: u64,
}

/// Why something is kept that is switched on for good, as APIs of a project: no destroy undoes it.
pub const ONE_WAY: &str = "switched on for good";
