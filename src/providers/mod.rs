//! The clouds. Each provider is a folder, a feature and a line in the registry; all return the same nouns.
//!
//! A provider knows its cloud and the engine's traits; it must not know what stands behind an endpoint, print, prompt, or touch files.

pub mod anchors;
#[cfg(feature = "aws")]
pub mod aws;
#[cfg(feature = "azure")]
pub mod azure;
pub mod cluster_object;
pub mod device_plugin;
#[cfg(feature = "gcp")]
pub mod gcp;
pub mod in_cluster;
#[cfg(any(feature = "azure", feature = "gcp"))]
mod jwt;
pub mod kinds;
pub mod kit;
pub mod life;
pub mod names;
mod offers;
pub mod patience;
pub mod plans;
pub mod prices;
pub mod rest;
#[cfg(test)]
pub(crate) mod testing;
pub mod versions;
mod wide;
pub mod words;
pub mod work;

pub use offers::{Offers, USUAL, Usual, VersionOffer, embedded_offers, suggested_machines, usual_machine};
pub use wide::{Bill, Owner, Survey, owner_of};

use crate::engine::{Backend, Clock, ErrorClass, Owned, Plan, PlannedStep, Residue, StepError};
use crate::model::{Cloud, ClusterName, ClusterSpec, Region, ResolvedSpec, Secret, Secrets, Stack};
use async_trait::async_trait;
use futures::future::BoxFuture;
use jiff::Timestamp;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

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
    /// The newest time that is known of any object: until then, at least, somebody built.
    pub last_made_at: Option<Timestamp>,
    /// Latest expiry found on any object.
    pub expires_at: Option<Timestamp>,
    /// Destroy and reap must not touch it.
    pub protect: bool,
    /// Whether expiry and protection are told by something whose tags can change. Else they are as on the first day.
    pub current: bool,
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
    /// What it is billed by; filled in by a look at the whole region only.
    pub bill: Bill,
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

/// A certificate that opens a cluster, with its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// Certificate, PEM.
    pub certificate_pem: String,
    /// Its key, PEM.
    pub key_pem: Secret<String>,
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

/// Which part of a stack's life permissions are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The whole of it.
    All,
    /// Plan, build, continue.
    Build,
    /// Status, access, protection, recovery.
    Operate,
    /// Take down.
    Destroy,
}

/// One policy in the cloud's own words.
#[derive(Debug, Clone, PartialEq)]
pub struct PolicyDocument {
    /// A name for it.
    pub name: String,
    /// Its size as the cloud counts it.
    pub characters: usize,
    /// The document.
    pub document: serde_json::Value,
}

/// The least that one cluster's life needs to be allowed.
#[derive(Debug, Clone, PartialEq)]
pub struct Policies {
    /// Several where one would be longer than the cloud takes; all of them are needed.
    pub documents: Vec<PolicyDocument>,
    /// Every action in them.
    pub actions: Vec<String>,
    /// Those of them without which something is not known beforehand, and nothing fails.
    pub optional: Vec<String>,
    /// What stays wider than this cluster, and why.
    pub wide: Vec<String>,
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

    /// What the region offers to whoever chooses. Reads only.
    ///
    /// # Errors
    /// What stops everything: no credentials, no connection.
    async fn offers(&self) -> Result<Offers, StepError>;

    /// [`Self::resolve`] from what this build knows, for a price before anybody is signed in: nothing is asked, so
    /// nothing is promised. All problems at once.
    fn guess(&self, spec: &ClusterSpec, who: &Identity) -> Result<ResolvedSpec, Vec<StepError>>;

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

    /// The projects or subscriptions that these credentials reach besides this one: none where credentials belong to one
    /// account.
    ///
    /// # Errors
    /// As the call's; not being allowed to ask is one.
    async fn accounts(&self) -> Result<Vec<String>, StepError> {
        Ok(Vec::new())
    }

    /// The regions that are on in this account.
    ///
    /// # Errors
    /// As the call's; not being allowed to ask is one.
    async fn regions(&self) -> Result<Vec<Region>, StepError>;

    /// The same account in another region, with the same credentials. Makes no call; for reading only.
    fn elsewhere(&self, region: &Region) -> Arc<dyn Provider>;

    /// Every cluster of this region, whoever made it, and the stacks of ours that its objects tell of.
    ///
    /// # Errors
    /// When not even the clusters' names can be read.
    async fn survey(&self) -> Result<Survey, StepError>;

    /// Stacks of ours that objects tell of which belong to no region, with the region they name. Once an account.
    ///
    /// # Errors
    /// As the calls'.
    async fn traces(&self) -> Result<Vec<(Region, StackSeen)>, StepError>;

    /// Puts these tags on objects of a stack, over what stands there under the same keys. Safe to repeat.
    ///
    /// # Errors
    /// The first call that failed; the others may have been made.
    async fn retag(&self, stack: &Stack, owned: &[Owned], tags: &BTreeMap<String, String>) -> Result<(), StepError>;

    /// Whether tags of an object of this kind can change while it stands. Where they cannot, they tell of its first day,
    /// and whether the stack is protected is for others to say.
    fn retags(&self, _kind: &str) -> bool {
        true
    }

    /// The tags of a stack's anchors from which `recover` reads the spec back.
    fn anchor_tags(&self, spec: &ResolvedSpec) -> BTreeMap<String, String>;

    /// One managed cluster by its name in the cloud.
    async fn cluster(&self, name: &str) -> Result<Option<CloudCluster>, StepError>;

    /// The name that `stack`'s cluster has in the cloud.
    fn cluster_name(&self, stack: &Stack) -> String;

    /// The node label that holds the cloud's name of the node's pool.
    fn pool_label(&self) -> &'static str;

    /// Beginnings of the finalizers by which the cloud's own controllers hold Services with load balancers.
    fn balancer_finalizers(&self) -> &'static [&'static str] {
        &[]
    }

    /// Where the pods that offer nodes' GPUs are, where the provider puts them into clusters itself.
    fn device_plugin(&self) -> Option<PodsAt> {
        None
    }

    /// The certificate of a cluster's own administrator, who is in nobody's directory; none on clouds without such. Read
    /// when it is asked for, and kept nowhere but where it was asked for.
    ///
    /// # Errors
    /// As the call's: a cluster may have switched it off.
    async fn administrator(&self, _cluster: &str) -> Result<Option<ClientCertificate>, StepError> {
        Ok(None)
    }

    /// A token for a cluster's API server.
    async fn token(&self, cluster: &str) -> Result<ClusterToken, StepError>;
}

/// Reads a file whole, as text; none where it is not there.
pub type FileReader = Arc<dyn Fn(&Path) -> Result<Option<String>, String> + Send + Sync>;

/// How to reach an account: from flags, environment, `.env` and the spec, in that order, collected by `env`.
#[derive(Clone)]
pub struct OpenOptions {
    /// Region; none means the provider's own configuration decides.
    pub region: Option<Region>,
    /// A profile named by flag or environment.
    pub profile: Option<String>,
    /// A role to assume on top.
    pub role_arn: Option<String>,
    /// A project or subscription named by flag or by our own variable.
    pub account: Option<String>,
    /// Variables of a `.env` file that the process environment does not set.
    pub dotenv: BTreeMap<String, String>,
    /// All variables that count for this cloud: the process's over those of [`Self::dotenv`].
    pub vars: BTreeMap<String, String>,
    /// Makes the client for clouds that are spoken to in plain REST.
    pub http: rest::HttpMaker,
    /// Reads a file of credentials; none where there is none, else why not.
    pub read_file: FileReader,
    /// Time, for what is judged by it: support dates, pauses between reads.
    pub clock: Arc<dyn Clock>,
    /// Real time, by which signatures and tokens end even where the rest does not live in it.
    pub wall: Arc<dyn Clock>,
    /// Learns the credentials in use, so that no output shows them.
    pub secrets: Secrets,
}

/// What the credential plugin may know of a cloud before anything is opened: from variables alone, without a call, a
/// runtime or configuration. kubectl waits for it at every command.
pub trait Plugin: Sync {
    /// Whether this variable decides whose credentials count.
    fn decides(&self, variable: &str) -> bool;

    /// The files that credentials come from, be they there or not.
    fn files(&self, vars: &BTreeMap<String, String>) -> Vec<PathBuf>;

    /// Further files, that those lead to by what stands in them. `read` gives a small file's text.
    fn led_to(&self, vars: &BTreeMap<String, String>, read: &dyn Fn(&Path) -> Option<String>) -> Vec<PathBuf> {
        let _ = (vars, read);
        Vec::new()
    }

    /// The id of keys in the variables that sign by themselves, and belong to one account for ever.
    fn key_id<'v>(&self, vars: &'v BTreeMap<String, String>) -> Option<&'v str> {
        let _ = vars;
        None
    }

    /// The profile that a variable names, where it counts.
    fn profile<'v>(&self, vars: &'v BTreeMap<String, String>) -> Option<&'v str> {
        let _ = vars;
        None
    }

    /// A token signed with the keys of the variables; none where there are none, or the cloud has to be asked.
    fn sign(
        &self,
        vars: &BTreeMap<String, String>,
        region: &str,
        cluster: &str,
        now: Timestamp,
    ) -> Option<ClusterToken> {
        let _ = (vars, region, cluster, now);
        None
    }
}

/// A region in which every account of a cloud can be asked for its regions, where nothing names another.
pub fn first_region(cloud: Cloud) -> Option<Region> {
    entry(cloud).map(|entry| Region(entry.first_region.to_owned()))
}

/// The least that a life of this cluster needs, without credentials and without asking anybody. `spec` has a name.
///
/// # Errors
/// Every problem of the spec that needs no cloud to be found; `Permanent` for a cloud that is not in this build.
pub fn policies(
    cloud: Cloud,
    spec: &ClusterSpec,
    region: &Region,
    account: Option<&str>,
    purpose: Purpose,
) -> Result<Policies, Vec<StepError>> {
    match entry(cloud) {
        Some(entry) => (entry.policies)(spec, region, account, purpose),
        None => Err(vec![not_built(cloud)]),
    }
}

fn not_built(cloud: Cloud) -> StepError {
    let message = format!("provider {cloud} is not in this build");
    StepError::new(ErrorClass::Permanent, "KW-USAGE", message).with_residue(Residue::None)
}

/// A cloud being opened; none when nothing names a region.
pub type Opening = BoxFuture<'static, Result<Option<Arc<dyn Provider>>, StepError>>;

/// Says what a life of a cluster needs: its spec, its region, its account where that is known, and which part of the life.
pub type Policing = fn(&ClusterSpec, &Region, Option<&str>, Purpose) -> Result<Policies, Vec<StepError>>;

/// Says whether credentials are in sight, by variables and by which files are there.
pub type Sighting = fn(&BTreeMap<String, String>, &dyn Fn(&Path) -> bool) -> bool;

/// One cloud of this build.
pub struct Entry {
    /// Which.
    pub cloud: Cloud,
    /// For the credential plugin.
    pub plugin: &'static dyn Plugin,
    /// See [`credentials_in_sight`].
    pub credentials: Sighting,
    /// Opens it; see [`open`].
    pub open: fn(OpenOptions) -> Opening,
    /// Says what it needs to be allowed; see [`policies`].
    pub policies: Policing,
    /// See [`first_region`].
    pub first_region: &'static str,
    /// See [`embedded_offers`].
    pub embedded: fn(&Region, Timestamp) -> Offers,
    /// See [`suggested_machines`].
    pub suggested: fn(&Region) -> Vec<String>,
    /// See [`usual_machine`].
    pub usual: fn(&Region) -> Option<String>,
}

/// The registry: a new cloud is its folder and its line here.
const CLOUDS: &[Entry] = &[
    #[cfg(feature = "aws")]
    aws::ENTRY,
    #[cfg(feature = "gcp")]
    gcp::ENTRY,
    #[cfg(feature = "azure")]
    azure::ENTRY,
];

/// The clouds of this build.
pub const BUILT: &[Cloud] = &built::<{ CLOUDS.len() }>();

const fn built<const N: usize>() -> [Cloud; N] {
    let mut all = [Cloud::Aws; N];
    let mut at = 0;
    while at < N {
        all[at] = CLOUDS[at].cloud;
        at += 1;
    }
    all
}

fn entry(cloud: Cloud) -> Option<&'static Entry> {
    CLOUDS.iter().find(|entry| entry.cloud == cloud)
}

/// What the credential plugin may know of a cloud; none for one that is not in this build.
pub fn plugin(cloud: Cloud) -> Option<&'static dyn Plugin> {
    entry(cloud).map(|entry| entry.plugin)
}

/// Whether credentials of a cloud are in sight, by these variables and the files that are there, without trying them.
pub fn credentials_in_sight(cloud: Cloud, vars: &BTreeMap<String, String>, is_there: &dyn Fn(&Path) -> bool) -> bool {
    entry(cloud).is_some_and(|entry| (entry.credentials)(vars, is_there))
}

/// Opens a cloud: loads its configuration, makes no call of its own. None when nothing names a region.
///
/// # Errors
/// `Permanent` for a cloud that is not in this build.
pub async fn open(cloud: Cloud, options: OpenOptions) -> Result<Option<Arc<dyn Provider>>, StepError> {
    match entry(cloud) {
        Some(entry) => (entry.open)(options).await,
        None => Err(not_built(cloud)),
    }
}
