//! The cluster a user wants, after parsing and validation, and the same with every choice made.

use super::{Cloud, ClusterName, Region};
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What cluster.yaml and the flags asked for. Omitted means omitted: defaults are filled in by resolution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterSpec {
    /// Cluster name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<ClusterName>,
    /// Cloud.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<Cloud>,
    /// Region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<Region>,
    /// Account pin: any other account is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Becomes a tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// Kubernetes minor version, `1.35`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Life time in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl_secs: Option<u64>,
    /// Refuse destroy and reap until lifted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protect: Option<bool>,
    /// Spend limits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
    /// Network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<NetworkSpec>,
    /// Node pools; none means one default pool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_pools: Option<Vec<PoolSpec>>,
    /// Further identities that get in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub admins: Vec<String>,
    /// The user's own tags.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// What only EKS has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aws: Option<AwsSpec>,
    /// What only GKE has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gcp: Option<GcpSpec>,
    /// What only AKS has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub azure: Option<AzureSpec>,
}

/// Spend limits, judged at the maximum.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct Budget {
    /// USD an hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hourly_usd: Option<f64>,
    /// USD a month of 730 hours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monthly_usd: Option<f64>,
    /// Share of a limit at which to warn, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warn_at: Option<f64>,
}

impl Budget {
    /// Whether it limits anything.
    pub const fn is_limit(&self) -> bool {
        self.hourly_usd.is_some() || self.monthly_usd.is_some()
    }
}

/// Network address translation for private nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Nat {
    /// None: nodes get public addresses.
    None,
    /// One for all zones.
    Single,
    /// One in each zone.
    PerZone,
}

impl Nat {
    /// The word users type.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Single => "single",
            Self::PerZone => "per-zone",
        }
    }
}

/// Network wishes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct NetworkSpec {
    /// Address range of a new network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cidr: Option<Ipv4Net>,
    /// How many zones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone_count: Option<u8>,
    /// Exactly these zones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zones: Option<Vec<String>>,
    /// Address translation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nat: Option<Nat>,
    /// Ranges that may reach the API server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_allow: Option<Vec<Ipv4Net>>,
    /// A network brought along: adopted, never changed, never deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub existing: Option<ExistingNetwork>,
}

/// A network brought along.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct ExistingNetwork {
    /// Network id: `vpc-…`; on GCP its name or link; on Azure the resource id of the virtual network.
    pub vpc: String,
    /// Subnets for nodes and control plane; exactly one on GCP and Azure.
    pub private_subnets: Vec<String>,
    /// Subnets with a public route, for load balancers or public nodes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub public_subnets: Vec<String>,
    /// GCP: the subnet's secondary range for pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_range: Option<String>,
    /// GCP: the subnet's secondary range for Services.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_range: Option<String>,
}

/// A machine by name, or by what it must have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum InstanceWish {
    /// The vendor's name.
    Named(String),
    /// The smallest that has this.
    Needs(InstanceNeeds),
}

/// What a machine must have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct InstanceNeeds {
    /// Virtual CPUs, at least.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<f64>,
    /// Memory in GiB, at least.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_gib: Option<f64>,
    /// Accelerators, `T4:1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpu: Option<String>,
}

/// One node pool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct PoolSpec {
    /// Pool name, unique in the cluster.
    pub name: String,
    /// Machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_type: Option<InstanceWish>,
    /// Machines that may stand for each other, instead of one; on demand the first that can be had is taken.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub instance_types: Vec<String>,
    /// Nodes in all, not per zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// Fewest, when autoscaled; without it `count`, else one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<u32>,
    /// Most, when autoscaled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<u32>,
    /// Spot machines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spot: Option<bool>,
    /// Root disk in GiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_gib: Option<u32>,
    /// Kubernetes labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Kubernetes taints.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub taints: Vec<Taint>,
}

impl PoolSpec {
    /// Fewest nodes, nodes to begin with, most nodes; none where none of them is said.
    pub fn sizes(&self) -> Option<(u32, u32, u32)> {
        let max = self.max.or(self.count).or(self.min)?;
        let min = self.min.or(self.count).unwrap_or_else(|| max.min(1));
        Some((min, self.count.unwrap_or(min), max))
    }

    /// Whether an autoscaler is to decide how many nodes there are.
    pub fn scales(&self) -> bool {
        self.sizes().is_some_and(|(min, _, max)| min < max)
    }

    /// Whether there is always a node, and one that takes pods that tolerate no taint.
    pub fn is_steady(&self) -> bool {
        self.sizes().is_none_or(|(min, ..)| min > 0)
            && self.taints.iter().all(|taint| taint.effect == TaintEffect::PreferNoSchedule)
    }
}

/// A Kubernetes taint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taint {
    /// Key.
    pub key: String,
    /// Value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Effect.
    pub effect: TaintEffect,
}

/// What a taint does to pods that do not tolerate it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TaintEffect {
    /// Not scheduled.
    NoSchedule,
    /// Scheduled elsewhere if possible.
    PreferNoSchedule,
    /// Evicted.
    NoExecute,
}

/// What only EKS has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct AwsSpec {
    /// EKS add-ons to install; an empty list installs none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub addons: Option<Vec<String>>,
    /// The user's own cluster role.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_role_arn: Option<String>,
    /// The user's own node role.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_role_arn: Option<String>,
    /// Whether to make an access entry for the caller besides the creator's own (default true).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_entry: Option<bool>,
}

/// Who chooses and raises the versions of a GKE cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReleaseChannel {
    /// New versions first.
    Rapid,
    /// Two to three months later; the default.
    Regular,
    /// Three to four months after that.
    Stable,
    /// Long support, at a price.
    Extended,
    /// No channel: versions are raised by hand.
    None,
}

impl ReleaseChannel {
    /// The word users type.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rapid => "rapid",
            Self::Regular => "regular",
            Self::Stable => "stable",
            Self::Extended => "extended",
            Self::None => "none",
        }
    }
}

/// What only GKE has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct GcpSpec {
    /// A control plane in three zones instead of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regional: Option<bool>,
    /// Nodes are Google's business: pods are billed, and there are no node pools.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub autopilot: Option<bool>,
    /// Release channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release_channel: Option<ReleaseChannel>,
    /// Address range of pods, where a network is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_cidr: Option<Ipv4Net>,
    /// Address range of Services, where a network is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_cidr: Option<Ipv4Net>,
    /// The user's own service account for nodes, its mail address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_service_account: Option<String>,
    /// OAuth scopes of nodes: `cloud-platform`, `classic` (the six of old), or whole scopes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oauth_scopes: Option<Vec<String>>,
    /// Add-ons to turn on; an empty list turns off what can be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub addons: Option<Vec<String>>,
}

/// GKE, decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedGcp {
    /// Number of the project.
    pub project_number: String,
    /// Where the control plane is: a zone, or the region for one in three zones.
    pub location: String,
    /// Nodes are Google's business.
    pub autopilot: bool,
    /// Release channel.
    pub release_channel: ReleaseChannel,
    /// The whole version to begin with, `1.34.1-gke.1829001`.
    pub initial_version: String,
    /// Address range of pods; none where the network was brought along.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_cidr: Option<Ipv4Net>,
    /// Address range of Services; none where the network was brought along.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_cidr: Option<Ipv4Net>,
    /// The user's own service account for nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_service_account: Option<String>,
    /// OAuth scopes of nodes, whole.
    pub oauth_scopes: Vec<String>,
    /// Add-ons that are on.
    pub addons: Vec<String>,
}

/// What the control plane of an AKS cluster promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AksTier {
    /// Nothing; free of charge.
    Free,
    /// Uptime.
    Standard,
    /// Uptime, and long-term support of versions.
    Premium,
}

impl AksTier {
    /// The word users type.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Standard => "standard",
            Self::Premium => "premium",
        }
    }
}

/// How pods get addresses in an AKS cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AksNetwork {
    /// Azure CNI in overlay mode with Cilium.
    Overlay,
    /// Retires on 31 March 2028; on request only.
    Kubenet,
}

impl AksNetwork {
    /// The word users type.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Overlay => "overlay",
            Self::Kubenet => "kubenet",
        }
    }
}

/// How machines of an AKS cluster reach the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AksOutbound {
    /// Through the cluster's own load balancer: `nat: none`, or a network brought along that has no way out itself.
    LoadBalancer,
    /// Through a NAT gateway of the nodes' subnet, ours or the one that is there.
    NatGateway,
    /// By the routes of the subnet brought along.
    Routes,
}

/// What only AKS has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct AzureSpec {
    /// Tier of the control plane.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier: Option<AksTier>,
    /// How pods get addresses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<AksNetwork>,
    /// Address range of pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_cidr: Option<Ipv4Net>,
    /// Address range of Services.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_cidr: Option<Ipv4Net>,
    /// Azure roles decide what Entra identities may do inside (default true).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub azure_rbac: Option<bool>,
    /// Entra groups whose members are cluster admins, object ids.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin_groups: Option<Vec<String>>,
    /// Client certificates beside Entra (default false).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local_accounts: Option<bool>,
    /// The user's own identity for the cluster: resource id of a user-assigned one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
}

/// AKS, decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedAzure {
    /// The subscription's tenant.
    pub tenant: String,
    /// Tier of the control plane.
    pub tier: AksTier,
    /// How pods get addresses.
    pub network: AksNetwork,
    /// Address range of pods.
    pub pod_cidr: Ipv4Net,
    /// Address range of Services; the cluster's DNS has its tenth address.
    pub service_cidr: Ipv4Net,
    /// How machines reach the world.
    pub outbound: AksOutbound,
    /// Azure roles decide what Entra identities may do inside.
    pub azure_rbac: bool,
    /// Entra groups whose members are cluster admins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub admin_groups: Vec<String>,
    /// Client certificates beside Entra.
    pub local_accounts: bool,
    /// The user's own identity for the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// The caller's object id, who becomes cluster admin; and whether that is a `User` or a `ServicePrincipal`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin: Option<(String, String)>,
}

/// The spec with every choice made: what a plan is built from, stored with it and shown in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedSpec {
    /// Cluster name.
    pub name: ClusterName,
    /// Cloud.
    pub provider: Cloud,
    /// Region.
    pub region: Region,
    /// Account, project or subscription.
    pub account: String,
    /// Environment tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// Kubernetes minor version.
    pub version: String,
    /// Life time in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_secs: Option<u64>,
    /// Refuse destroy and reap until lifted.
    pub protect: bool,
    /// Spend limits.
    pub budget: Budget,
    /// Network.
    pub network: ResolvedNetwork,
    /// Node pools.
    pub node_pools: Vec<ResolvedPool>,
    /// Further identities that get in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub admins: Vec<String>,
    /// The user's own tags.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// What only EKS has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aws: Option<ResolvedAws>,
    /// What only GKE has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gcp: Option<ResolvedGcp>,
    /// What only AKS has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub azure: Option<ResolvedAzure>,
    /// Which values were defaults, by path (`network.nat`), for the plan's "default used" lines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub defaults: Vec<String>,
}

/// Network, decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedNetwork {
    /// Address range.
    pub cidr: Ipv4Net,
    /// Zones by name.
    pub zones: Vec<String>,
    /// Address translation.
    pub nat: Nat,
    /// Ranges that may reach the API server.
    pub api_allow: Vec<Ipv4Net>,
    /// A network brought along.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub existing: Option<ExistingNetwork>,
}

/// One pool, decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedPool {
    /// Pool name.
    pub name: String,
    /// Machine type; the first of several.
    pub instance_type: String,
    /// Types that may stand for it, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_types: Vec<String>,
    /// The dearest of them, by which the pool is billed at most, where that is not the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub billed_type: Option<String>,
    /// CPU architecture, `amd64` or `arm64`.
    pub arch: String,
    /// Accelerator, `T4`, and how many in one machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu: Option<(String, u32)>,
    /// Nodes now.
    pub count: u32,
    /// Fewest.
    pub min: u32,
    /// Most.
    pub max: u32,
    /// Spot machines.
    pub spot: bool,
    /// Root disk in GiB.
    pub disk_gib: u32,
    /// Kubernetes labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Kubernetes taints.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taints: Vec<Taint>,
}

impl ResolvedPool {
    /// All its machine types, in order.
    pub fn types(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.instance_type).chain(&self.other_types).map(String::as_str)
    }

    /// Whether an autoscaler decides how many nodes there are.
    pub const fn scales(&self) -> bool {
        self.min < self.max
    }

    /// Whether there is always a node, and one that takes the autoscaler's own pod.
    pub fn holds_the_autoscaler(&self) -> bool {
        self.min > 0 && self.taints.iter().all(|taint| taint.effect == TaintEffect::PreferNoSchedule)
    }
}

/// EKS, decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedAws {
    /// Add-ons.
    pub addons: Vec<String>,
    /// The user's own cluster role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_role_arn: Option<String>,
    /// The user's own node role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_role_arn: Option<String>,
    /// The principal that gets an access entry, if one is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin_principal_arn: Option<String>,
}
