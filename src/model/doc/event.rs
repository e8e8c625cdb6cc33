//! `kubewright.event/v1`: one line of `--events`. The last line of a stream is the document itself, with `event: document`.

use super::Stack;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

/// Where a step has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum EventPhase {
    /// It is part of the plan.
    Planned,
    /// The call that makes it is about to be sent.
    Intent,
    /// The cloud has answered with an id.
    Acted,
    /// It is there and not usable yet.
    Waiting,
    /// A call failed and is tried again.
    Retrying,
    /// It was found instead of made.
    Adopted,
    /// It can be used.
    Ready,
    /// Given up in this run.
    Failed,
    /// The call that removes it is about to be sent.
    Deleting,
    /// A read proved it gone.
    Deleted,
}

/// How far the run has come, and what it costs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// Share of the plan by usual durations, 0 to 100; never falls within a run. Null where there is no plan.
    pub percent: Option<f64>,
    /// Seconds that are usually left.
    pub eta_seconds: Option<u64>,
    /// Seconds that nine of ten runs need no longer than; null for removals.
    pub eta_p90_seconds: Option<u64>,
    /// What stands now costs this much an hour; null when unknown.
    pub usd_per_hour: Option<f64>,
    /// What that has cost since this run began; null when unknown.
    pub usd_so_far: Option<f64>,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventLine {
    /// `kubewright.event/v1`.
    #[schemars(extend("const" = "kubewright.event/v1"))]
    pub schema: String,
    /// Whether all of it is pretend.
    pub sandbox: bool,
    /// When.
    pub at: Timestamp,
    /// What happened. Journalled: planned, replanned, runStarted, intent, acted, ready, failed, adopted, deleteIntent,
    /// deleted, deleteFailed, note, runEnded. In between: waiting, retrying, clockJumped, paused, heartbeat.
    pub event: String,
    /// The run; null before it has begun and outside one.
    pub run: Option<String>,
    /// What the run is for.
    #[schemars(extend("enum" = ["provision", "destroy", "recover", null]))]
    pub verb: Option<String>,
    /// The stack; null outside a run.
    pub stack: Option<Stack>,
    /// The step it is about; null for the run as a whole.
    pub step: Option<String>,
    /// That step's kind.
    pub kind: Option<String>,
    /// Where that step has come to.
    pub phase: Option<EventPhase>,
    /// The cloud's own word for its state, where it gave one.
    pub cloud_status: Option<String>,
    /// How far the run has come.
    #[serde(flatten)]
    pub progress: Progress,
    /// What else this kind of event has to say.
    #[serde(flatten)]
    #[schemars(with = "EventDetail")]
    pub detail: Map<String, Value>,
}

/// What single kinds of events say beside that; absent in all others.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct EventDetail {
    /// Place in the journal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// planned, replanned: the whole plan, as journalled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<Value>,
    /// planned, replanned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan_hash: Option<String>,
    /// planned: it was read back from the cloud.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<bool>,
    /// replanned, retrying, paused: why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// runStarted, runEnded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
    /// runStarted: the verb.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// runStarted: this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// runStarted: this process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// runStarted: who started it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// runStarted: this build.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// intent: how often this step was begun.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<u32>,
    /// intent: the idempotency token of the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// The object: kind, id and what else is known of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<Value>,
    /// ready: what other steps need of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outputs: Option<Value>,
    /// failed, deleteFailed, runEnded: the cause, as journalled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Value>,
    /// deleteIntent, deleted, deleteFailed: not the step's own object, but one that it led to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extra: Option<bool>,
    /// note: what is noted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub what: Option<String>,
    /// runEnded: done, failed or stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// runEnded: mutating calls of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mutating_calls: Option<u64>,
    /// waiting, heartbeat: in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// retrying: which try failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// retrying: the pause.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_seconds: Option<f64>,
    /// clockJumped: by how much.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by_seconds: Option<u64>,
}
