//! `kubewright.status/v1`.

use super::{Error, Stack};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

/// Where a cluster is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// A run is at it.
    Building,
    /// Built and well.
    Ready,
    /// Built, but something is wrong or gone.
    Degraded,
    /// The last run failed for good.
    Failed,
    /// Its removal has begun.
    Deleting,
    /// Begun and not finished, and nobody is at it.
    Incomplete,
}

impl Phase {
    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Building => "building",
            Self::Ready => "ready",
            Self::Degraded => "degraded",
            Self::Failed => "failed",
            Self::Deleting => "deleting",
            Self::Incomplete => "incomplete",
        }
    }
}

/// A node pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pool {
    /// Its name.
    pub name: String,
    /// Machine type.
    pub instance_type: Option<String>,
    /// Spot machines.
    pub spot: bool,
    /// Nodes that are Ready; null when not known.
    pub ready: Option<u32>,
    /// Nodes ordered.
    pub desired: u32,
    /// Fewest.
    pub min: u32,
    /// Most.
    pub max: u32,
}

/// A difference between journal and cloud.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Drift {
    /// The step.
    pub step: Option<String>,
    /// The provider's kind.
    pub kind: String,
    /// The cloud's id.
    pub id: Option<String>,
    /// What differs: missing, unexpected, or in words.
    pub what: String,
}

/// Who made a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Owner {
    /// `kubewright`, `eksctl`, `cloudformation`, `terraform` …
    pub tool: String,
    /// `user@host`, where that is known.
    pub by: Option<String>,
    /// What says so: `tag alpha.eksctl.io/cluster-name=legacy`.
    pub evidence: Option<String>,
}

/// Who works on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Lock {
    /// `user@host pid 4211`.
    pub holder: String,
    /// Since when.
    pub since: Option<Timestamp>,
}

/// What a job gets when it asks for nothing.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Defaults {
    /// Namespace.
    pub namespace: Option<String>,
    /// Image.
    pub image: Option<String>,
    /// CPUs.
    pub cpu: Option<f64>,
    /// Memory.
    pub memory_gib: Option<f64>,
}

/// One cluster.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatusCluster {
    /// The stack.
    pub stack: Stack,
    /// Whose it is.
    #[schemars(extend("enum" = ["kubewright", "other"]))]
    pub managed_by: String,
    /// Who made it, where tags or the journal tell; null when nothing does.
    pub owner: Option<Owner>,
    /// Where it is in its life.
    pub phase: Phase,
    /// The cloud's own word; null when the cloud was not asked.
    pub cloud_status: Option<String>,
    /// Kubernetes version.
    pub version: Option<String>,
    /// End of that version's standard support.
    pub support_ends: Option<String>,
    /// API server host.
    pub host: Option<String>,
    /// API server port.
    pub port: Option<u16>,
    /// Whether it answered; null when not asked.
    pub reachable: Option<bool>,
    /// Its node pools.
    pub node_pools: Vec<Pool>,
    /// What it costs as it stands now; null when unknown.
    pub usd_per_hour: Option<f64>,
    /// The known part of it, where the whole is unknown; null when nothing is known. For clusters without a journal
    /// here both count control plane and machines, not disks and addresses.
    pub usd_per_hour_at_least: Option<f64>,
    /// What it has cost since it was confirmed running.
    pub accrued_usd: Option<f64>,
    /// When it was begun.
    pub created_at: Option<Timestamp>,
    /// When it expires.
    pub expires_at: Option<Timestamp>,
    /// Whether destroy and reap must not touch it.
    pub protect: bool,
    /// Differences between journal and cloud.
    pub drift: Vec<Drift>,
    /// Who works on it.
    pub lock: Option<Lock>,
    /// Job defaults.
    pub defaults: Option<Defaults>,
    /// The provider's own settings of the cluster.
    pub provider_config: Option<Value>,
    /// What is wrong, in words.
    pub issues: Vec<String>,
}

/// A place that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct StatusFailure {
    /// Cloud.
    pub provider: String,
    /// Account, project or subscription, where that is known.
    pub account: Option<String>,
    /// Region.
    pub region: String,
    /// Why.
    pub error: Error,
}

/// How much of the world a wide look has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Regions {
    /// Regions that answered.
    pub read: usize,
    /// Regions that did not, or not to everything.
    pub refused: usize,
}

/// The body.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Status {
    /// Whether every place answered.
    pub complete: bool,
    /// With `--all`: the regions that were looked at; else null.
    pub regions: Option<Regions>,
    /// The clusters.
    pub clusters: Vec<StatusCluster>,
    /// The places that did not answer.
    pub failures: Vec<StatusFailure>,
}
