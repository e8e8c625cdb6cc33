//! The JSON documents that `-o json` prints: the contract with scripts. Additive changes only.
//!
//! Money is a USD number, unknown is null; times are RFC 3339 UTC; keys are camelCase.

mod cost;
mod destroy;
mod estimate;
mod event;
mod history;
mod init;
mod kubeconfig;
mod plan;
mod policy;
mod provision;
mod reap;
mod sandbox;
mod schema;
mod status;

pub use cost::{
    Accrued, CostCompare, CostForecast, CostList, CostListed, CostRefresh, CostShow, DoubtfulPrice, Needed, OfferPrice,
    Offered, VendorRefresh,
};
pub use destroy::{Destroy, DestroyOutcome, Extend, Gone, ONE_WAY, Protect, Remaining};
pub use estimate::{Estimate, HOURS_PER_MONTH, Line, Range, Totals, shown};
pub use event::{EventDetail, EventLine, EventPhase, Progress};
pub use history::{Chain, History, HistoryEntry, HistoryRun, HistoryVerify, Verified};
pub use init::Init;
pub use kubeconfig::{ContextAction, Exec, KubeconfigReport};
pub use plan::{Action, Basis, BudgetVerdict, Eta, Plan, PlanStep, Preflight};
pub use policy::{Policy, PolicyDocument};
pub use provision::{Cluster, Commands, Kubeconfig, Provision, ProvisionOutcome};
pub use reap::{Due, DueOutcome, DueReason, Reap};
pub use sandbox::{
    SandboxAction, SandboxFault, SandboxObject, SandboxOp, SandboxRequests, SandboxShow, SandboxTotals, SandboxWorld,
};
pub use schema::{SchemaKind, SchemaList};
pub use status::{Defaults, Drift, Lock, Owner, Phase, Pool, Regions, Status, StatusCluster, StatusFailure};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

/// What every document begins with.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Document<T> {
    /// `kubewright.<kind>/v1`.
    pub schema: String,
    /// When it was made.
    pub at: Timestamp,
    /// Whether all of it is pretend.
    pub sandbox: bool,
    /// What went wrong.
    pub error: Option<Error>,
    /// The verb's own fields.
    #[serde(flatten)]
    pub body: T,
}

/// The body of a document that has nothing but an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Nothing {}

/// The kinds of causes; `error::Class` has the same.
pub const CLASSES: [&str; 16] = [
    "unexpected",
    "usage",
    "spec",
    "auth",
    "notFound",
    "quota",
    "capacity",
    "budget",
    "declined",
    "conflict",
    "state",
    "incomplete",
    "check",
    "unreachable",
    "timeout",
    "interrupted",
];

/// A failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Error {
    /// `KW-AWS-QUOTA`; `kubewright help KW-AWS-QUOTA` explains it.
    pub id: String,
    /// The kind of cause.
    #[schemars(extend("enum" = CLASSES))]
    pub class: String,
    /// The process's exit code, as it is, or as it would be if this were all that went wrong.
    pub exit: u8,
    /// In words.
    pub message: String,
    /// The step it happened in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// The cloud's id of the thing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// The cloud's request id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Whether the same command may succeed later.
    pub retryable: bool,
    /// What to do next.
    pub hints: Vec<String>,
    /// What else there is to say, a line each: every problem of a spec.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
}

/// A stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Stack {
    /// The user's name.
    pub name: String,
    /// Eight hexadecimal digits; null before there is one and for clusters of others.
    pub id: Option<String>,
    /// Cloud.
    pub provider: String,
    /// Account, project or subscription.
    pub account: Option<String>,
    /// Region.
    pub region: String,
}

/// Where an object comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// A step made it.
    Own,
    /// Made with its parent, or part of it.
    Child,
    /// The cluster made it.
    Caused,
    /// Brought along; never changed or deleted.
    External,
    /// Made once and left for all.
    Oneway,
}

/// One object of a stack.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Res {
    /// The step that made it.
    pub step: Option<String>,
    /// The provider's kind.
    pub kind: String,
    /// The cloud's id; null while there is none.
    pub id: Option<String>,
    /// The cloud's name, where it differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Region.
    pub region: String,
    /// Zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// State in our words.
    #[schemars(extend("enum" = ["pending", "intended", "acted", "ready", "failed", "deleting", "deleteFailed", "deleted"]))]
    pub state: String,
    /// Whose it is.
    pub origin: Origin,
    /// Price while it stands; null when unknown.
    pub usd_per_hour: Option<f64>,
}

/// The second look.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Audit {
    /// Nothing missing, nothing unexpected.
    pub clean: bool,
    /// How many objects were looked at.
    pub checked: usize,
    /// Recorded, but not there.
    pub missing: Vec<String>,
    /// There, but not recorded (or there at all, after a destroy).
    pub unexpected: Vec<String>,
}
