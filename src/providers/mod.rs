//! The clouds. Each provider is a folder, a feature and a line in [`open`]; all return the same nouns.
//!
//! A provider knows its cloud and the engine's traits; it must not know what stands behind an endpoint, print, prompt, or touch files.

#[cfg(feature = "aws")]
pub mod aws;

use crate::engine::{Backend, Clock, ErrorClass, Owned, Plan, PlannedStep, Residue, StepError};
use crate::model::{Cloud, ClusterName, ClusterSpec, Region, ResolvedSpec, Secret, Secrets, Stack};
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

impl Check {
    /// A check without numbers or hints.
    pub fn of(id: &str, status: CheckStatus, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { id: id.to_owned(), status, message, need: None, have: None, limit: None, class: None, hints: Vec::new() }
    }
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

/// Pods of a namespace by one of their labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PodsAt {
    /// The namespace.
    pub namespace: &'static str,
    /// Key and value.
    pub label: (&'static str, &'static str),
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

/// Whether two plans of one step differ in nothing but tags, which can change while the object stands. Params of every
/// provider hold such tags under this one key.
pub fn differ_in_tags_only(one: &PlannedStep, other: &PlannedStep) -> bool {
    let bare = |step: &PlannedStep| {
        let mut step = step.clone();
        if let Some(params) = step.params.as_object_mut() {
            params.remove("extraTags");
        }
        step
    };
    bare(one).same_object(&bare(other))
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
    fn backend(&self) -> Arc<dyn Backend> {
        self.backend_for(VolumeFate::ByPolicy)
    }

    /// The engine's view for a teardown that was told what to do with disks.
    fn backend_for(&self, volumes: VolumeFate) -> Arc<dyn Backend>;

    /// Stacks of ours in this account and region, by tag; `name` narrows.
    async fn stacks(&self, name: Option<&ClusterName>) -> Result<Vec<StackSeen>, StepError>;

    /// Puts these tags on objects of a stack, over what stands there under the same keys. Safe to repeat.
    ///
    /// # Errors
    /// The first call that failed; the others may have been made.
    async fn retag(&self, stack: &Stack, owned: &[Owned], tags: &BTreeMap<String, String>) -> Result<(), StepError>;

    /// The tags of a stack's anchors from which `recover` reads the spec back.
    fn anchor_tags(&self, spec: &ResolvedSpec) -> BTreeMap<String, String>;

    /// One managed cluster by its name in the cloud.
    async fn cluster(&self, name: &str) -> Result<Option<CloudCluster>, StepError>;

    /// The name that `stack`'s cluster has in the cloud.
    fn cluster_name(&self, stack: &Stack) -> String;

    /// The node label that holds the cloud's name of the node's pool.
    fn pool_label(&self) -> &'static str;

    /// Where the pods that offer nodes' GPUs are, where the provider puts them into clusters itself.
    fn device_plugin(&self) -> Option<PodsAt> {
        None
    }

    /// A token for a cluster's API server.
    async fn token(&self, cluster: &str) -> Result<ClusterToken, StepError>;
}

/// How to reach an account: from flags, environment, `.env` and the spec, in that order, collected by `env`.
#[derive(Clone)]
pub struct OpenOptions {
    /// Region; none means the provider's own configuration decides.
    pub region: Option<Region>,
    /// A profile named by flag or environment.
    pub profile: Option<String>,
    /// A role to assume on top.
    pub role_arn: Option<String>,
    /// Variables of a `.env` file that the process environment does not set.
    pub dotenv: BTreeMap<String, String>,
    /// Time, for what is judged by it: support dates, pauses between reads.
    pub clock: Arc<dyn Clock>,
    /// Learns the credentials in use, so that no output shows them.
    pub secrets: Secrets,
}

/// A token signed with keys at hand, without any call, runtime or configuration; none where the cloud needs more.
#[cfg_attr(not(feature = "aws"), expect(unused_variables, reason = "this build has no cloud to give them to"))]
pub fn static_token(
    cloud: Cloud,
    key_id: &str,
    secret: &str,
    session: Option<String>,
    region: &str,
    cluster: &str,
    now: Timestamp,
) -> Option<ClusterToken> {
    match cloud {
        #[cfg(feature = "aws")]
        Cloud::Aws => aws::static_token(key_id, secret, session, region, cluster, now),
        _ => None,
    }
}

/// The clouds of this build.
pub const BUILT: &[Cloud] = &[
    #[cfg(feature = "aws")]
    Cloud::Aws,
];

/// Opens a cloud: loads its configuration, makes no call of its own. None when nothing names a region.
///
/// # Errors
/// `Permanent` for a cloud that is not in this build.
#[cfg_attr(not(feature = "aws"), expect(unused_variables, reason = "this build has no cloud to give them to"))]
pub async fn open(cloud: Cloud, options: OpenOptions) -> Result<Option<Arc<dyn Provider>>, StepError> {
    match cloud {
        #[cfg(feature = "aws")]
        Cloud::Aws => {
            let OpenOptions { region, profile, role_arn, dotenv, clock, secrets } = options;
            let options = aws::AwsOptions { region, profile, role_arn, dotenv, secrets };
            let opened = aws::Aws::open(options, clock).await;
            Ok(opened.map(|aws| Arc::new(aws) as Arc<dyn Provider>))
        }
        other => {
            let message = format!("provider {other} is not in this build");
            Err(StepError::new(ErrorClass::Permanent, "KW-USAGE", message).with_residue(Residue::None))
        }
    }
}
