//! `kubewright.provision/v1`.

use super::{Audit, Res, Stack};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

/// How a provision ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ProvisionOutcome {
    /// Built from nothing.
    Created,
    /// An unfinished one was finished.
    Resumed,
    /// It was finished already, and nothing was sent that could change it; `error` says why the look at it was cut short.
    Unchanged,
    /// Something is missing; what there is stays.
    Incomplete,
    /// It failed and was removed again.
    RolledBack,
    /// Nobody said yes.
    Declined,
}

/// The cluster itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Cluster {
    /// API server host.
    pub host: Option<String>,
    /// API server port.
    pub port: Option<u16>,
    /// Kubernetes version.
    pub version: Option<String>,
    /// Nodes that are Ready; null when not asked.
    pub nodes_ready: Option<u32>,
    /// Nodes ordered.
    pub nodes_wanted: u32,
}

/// Where the context was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Kubeconfig {
    /// The file.
    pub path: String,
    /// The context's name.
    pub context: String,
}

/// What to type next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Commands {
    /// Goes on.
    pub resume: String,
    /// Takes it down.
    pub destroy: String,
}

/// The body.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Provision {
    /// The stack.
    pub stack: Option<Stack>,
    /// How it ended.
    pub outcome: ProvisionOutcome,
    /// The plan's hash.
    pub plan_hash: Option<String>,
    /// Every mutating call this command sent: those of the build, and those of its rollback where there was one. What
    /// the cloud counted, no matter what stands at the end.
    pub mutating_calls: u64,
    /// How long it took, on the cloud's clock.
    pub seconds: u64,
    /// Every object.
    pub resources: Vec<Res>,
    /// The cluster, once it is there.
    pub cluster: Option<Cluster>,
    /// Where its context is; null when none was written.
    pub kubeconfig: Option<Kubeconfig>,
    /// What it costs as it stands now.
    pub usd_per_hour: Option<f64>,
    /// When it expires.
    pub expires_at: Option<Timestamp>,
    /// The second look; null when there was none.
    pub audit: Option<Audit>,
    /// What to type next.
    pub commands: Option<Commands>,
}
