//! `kubewright.sandbox-show/v1`.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The pretend world.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SandboxWorld {
    /// Its id.
    pub id: String,
    /// What its randomness starts from.
    pub seed: u64,
    /// How much faster its clock runs, `20` or `max`; null while nobody serves it.
    pub speed: Option<String>,
    /// Its time.
    pub virtual_time: Timestamp,
    /// How often it has changed.
    pub revision: u64,
}

/// One pretend object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SandboxObject {
    /// Cloud.
    pub cloud: String,
    /// Account.
    pub account: String,
    /// Region.
    pub region: String,
    /// Service, `ec2`.
    pub service: String,
    /// Kind, `vpc`.
    pub kind: String,
    /// Id.
    pub id: String,
    /// Name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// State in the vendor's word.
    pub state: String,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// What it is part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// Who made it.
    #[schemars(extend("enum" = ["api", "controller", "builtin", "seeded"]))]
    pub created_by: String,
    /// When, in its time.
    pub created_at: Timestamp,
    /// Whether it is billed.
    pub billable: bool,
    /// For how much; null when unknown.
    pub usd_per_hour: Option<f64>,
}

/// Sums without the builtin objects.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SandboxTotals {
    /// Objects.
    pub objects: usize,
    /// Billed ones.
    pub billable: usize,
    /// What they cost; null when some price is unknown.
    pub usd_per_hour: Option<f64>,
}

/// One operation's count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SandboxOp {
    /// `ec2:CreateVpc`.
    pub op: String,
    /// Whether it changes something.
    pub mutating: bool,
    /// Calls.
    pub count: u64,
    /// Refused ones among them.
    pub failed: u64,
}

/// How often a permission was asked for, by its own call or by another's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SandboxAction {
    /// `iam:PassRole`.
    pub action: String,
    /// Times it was allowed.
    pub allowed: u64,
    /// Times it was denied.
    pub denied: u64,
}

/// The calls.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SandboxRequests {
    /// All.
    pub total: u64,
    /// Those that change something.
    pub mutating: u64,
    /// By operation.
    pub by_op: Vec<SandboxOp>,
    /// By the permission that was asked for.
    #[serde(default)]
    pub by_action: Vec<SandboxAction>,
}

/// One fault rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SandboxFault {
    /// As given.
    pub spec: String,
    /// How often it struck.
    pub fired: u64,
}

/// The body.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SandboxShow {
    /// The world.
    pub world: SandboxWorld,
    /// Its objects.
    pub objects: Vec<SandboxObject>,
    /// Sums.
    pub totals: SandboxTotals,
    /// The calls.
    pub requests: SandboxRequests,
    /// The faults.
    pub faults: Vec<SandboxFault>,
}
