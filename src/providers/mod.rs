//! The clouds. Each provider is a folder, a feature and a line in [`registry`]; all return the same nouns.
//!
//! A provider knows its cloud and the engine's traits; it must not know the sandbox, print, prompt, or touch files.

#[cfg(feature = "aws")]
pub mod aws;

use crate::engine::{Backend, ErrorClass, Plan, StepError};
use crate::model::{Cloud, ClusterName, ClusterSpec, Region, ResolvedSpec, Secret, Stack};
use async_trait::async_trait;
use jiff::Timestamp;
use std::{collections::BTreeMap, sync::Arc};

/// Who we are to the cloud.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Account, project or subscription.
    pub account: String,
    /// ARN or mail address of the caller.
    pub principal: String,
    /// Where the credentials came from, in the user's words: `profile acme-dev (sso)`.
    pub source: String,
    /// When they end, if they do.
    pub expires_at: Option<Timestamp>,
}

/// How a preflight question was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CheckStatus {
    /// Fine.
    Ok,
    /// Worth knowing; does not stop.
    Warn,
    /// Stops before the first write.
    Fail,
    /// Could not be known; does not stop.
    Unknown,
}

/// One preflight question with its answer.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// Our id, `KW-AWS-QUOTA`, or a plain name for those that passed.
    pub id: String,
    /// The answer.
    pub status: CheckStatus,
    /// In words.
    pub message: String,
    /// How much the plan needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub need: Option<f64>,
    /// How much is in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub have: Option<f64>,
    /// The limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<f64>,
    /// What kind of failure it would be: decides the exit code.
    #[serde(skip)]
    pub class: Option<ErrorClass>,
    /// Commands to paste.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<String>,
}

/// A stack of ours seen in the cloud by its tags.
#[derive(Debug, Clone, PartialEq)]
pub struct StackSeen {
    /// The stack.
    pub stack: Stack,
    /// Who built it, where a tag says so: `user@host`.
    pub builder: Option<String>,
    /// When it began.
    pub created_at: Option<Timestamp>,
    /// Latest expiry found on any object.
    pub expires_at: Option<Timestamp>,
    /// Destroy and reap must not touch it.
    pub protect: bool,
    /// The resolved spec as stored with it, where it could be read whole.
    pub spec: Option<ResolvedSpec>,
    /// How many objects carry its tag.
    pub objects: usize,
}

/// A managed cluster as its cloud reports it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CloudCluster {
    /// Name there.
    pub name: String,
    /// The stack in its tags, when it is ours.
    pub stack: Option<Stack>,
    /// The cloud's own status word.
    pub status: String,
    /// Kubernetes version.
    pub version: Option<String>,
    /// End of standard support of that version, `2026-12-02`.
    pub support_ends: Option<String>,
    /// API server URL.
    pub endpoint: Option<String>,
    /// CA certificate, PEM.
    pub ca_pem: Option<String>,
    /// When it was made.
    pub created_at: Option<Timestamp>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// What is wrong with it in the cloud's words.
    pub issues: Vec<String>,
    /// Its node pools.
    pub node_pools: Vec<CloudPool>,
}

/// A node pool as its cloud reports it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CloudPool {
    /// Pool name in the spec where it is ours, else the cloud's.
    pub name: String,
    /// The cloud's status word.
    pub status: String,
    /// Machine types.
    pub instance_types: Vec<String>,
    /// Spot machines.
    pub spot: bool,
    /// Nodes ordered.
    pub desired: u32,
    /// Fewest.
    pub min: u32,
    /// Most.
    pub max: u32,
    /// What is wrong with it in the cloud's words.
    pub issues: Vec<String>,
}

/// A bearer token for a cluster's API server.
#[derive(Debug, Clone)]
pub struct ClusterToken {
    /// The token.
    pub token: Secret<String>,
    /// Until when a client may keep it.
    pub expires_at: Timestamp,
}

/// What happens to disks that workloads made, when their cluster goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum VolumeFate {
    /// By each one's reclaim policy. Where that can no longer be known: kept, and listed with its price.
    #[default]
    ByPolicy,
    /// All kept.
    Keep,
    /// All deleted, with their data.
    Delete,
}

/// A cloud.
#[async_trait]
pub trait Provider: Send + Sync {
    /// Which cloud.
    fn cloud(&self) -> Cloud;

    /// The region it works in.
    fn region(&self) -> &Region;

    /// Who we are. One call; the first of every command that acts.
    async fn whoami(&self) -> Result<Identity, StepError>;

    /// Fills every default and makes every choice that needs the cloud (zones, version, types). Reads only.
    /// All problems at once.
    async fn resolve(&self, spec: &ClusterSpec, who: &Identity) -> Result<ResolvedSpec, Vec<StepError>>;

    /// The plan for a resolved spec: pure.
    fn plan(&self, spec: &ResolvedSpec, stack: &Stack, tags: BTreeMap<String, String>) -> Result<Plan, StepError>;

    /// Permissions, quotas, zones, versions, names, limits: read before the first write. `fresh` are the steps that
    /// are still to be made.
    async fn preflight(&self, plan: &Plan, fresh: &[&crate::engine::PlannedStep]) -> Vec<Check>;

    /// The engine's view.
    fn backend(&self) -> Arc<dyn Backend>;

    /// Stacks of ours in this account and region, by tag; `name` narrows.
    async fn stacks(&self, name: Option<&ClusterName>) -> Result<Vec<StackSeen>, StepError>;

    /// One managed cluster by its name in the cloud.
    async fn cluster(&self, name: &str) -> Result<Option<CloudCluster>, StepError>;

    /// The name that `stack`'s cluster has in the cloud.
    fn cluster_name(&self, stack: &Stack) -> String;

    /// A token for a cluster's API server.
    async fn token(&self, cluster: &str) -> Result<ClusterToken, StepError>;
}
