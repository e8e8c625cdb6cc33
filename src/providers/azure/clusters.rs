//! AKS clusters as Azure reports them, and the stacks of ours that tags tell of.
//!
//! Reads only. A name of a cluster is unique in its resource group, so clusters are looked for in the whole subscription;
//! resource groups are listed as they are, for the index of tags lags.

use super::access;
use super::client::{AzureCx, Op, version};
use super::refs::ArmId;
use super::tags::{self, Tags};
use super::versions::{embedded, minor_of};
use crate::engine::proof::{self, TAG_STEP};
use crate::engine::{Clock, ErrorClass, Residue, StepError};
use crate::model::{ClusterName, Region, Stack};
use crate::providers::kit::stacks_among;
use crate::providers::patience::{if_known, patient};
use crate::providers::versions::Version;
use crate::providers::{Bill, ClientCertificate, CloudCluster, CloudPool, StackSeen};
use jiff::Timestamp;
use serde::Deserialize;
use std::collections::BTreeMap;

const LIST: Op = Op::new("containerservice:managedClusters.list", version::AKS);
const GET: Op = Op::new("containerservice:managedClusters.get", version::AKS);
const GROUPS: Op = Op::new("resources:resourceGroups.list", version::RESOURCES);
const RESOURCES: Op = Op::new("resources:resources.list", version::RESOURCES);
/// Clusters' type, as ids spell it.
pub(super) const TYPE: &str = "Microsoft.ContainerService/managedClusters";

/// A cluster, as far as it is read here.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Cluster {
    pub id: String,
    pub name: String,
    #[serde(default)]
    pub location: String,
    pub tags: Option<Tags>,
    pub sku: Option<Sku>,
    pub system_data: Option<SystemData>,
    pub properties: Option<Properties>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Sku {
    pub tier: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SystemData {
    created_at: Option<Timestamp>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Properties {
    pub provisioning_state: Option<String>,
    pub power_state: Option<PowerState>,
    pub kubernetes_version: Option<String>,
    pub current_kubernetes_version: Option<String>,
    pub fqdn: Option<String>,
    #[serde(rename = "privateFQDN")]
    pub private_fqdn: Option<String>,
    pub agent_pool_profiles: Option<Vec<Pool>>,
    pub node_provisioning_profile: Option<Mode>,
    pub addon_profiles: Option<BTreeMap<String, Addon>>,
    pub status: Option<Status>,
    pub disable_local_accounts: Option<bool>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct PowerState {
    code: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Mode {
    mode: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Addon {
    #[serde(default)]
    enabled: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Status {
    provisioning_error: Option<Failure>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Failure {
    code: Option<String>,
    message: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Pool {
    name: String,
    count: Option<u32>,
    vm_size: Option<String>,
    min_count: Option<u32>,
    max_count: Option<u32>,
    enable_auto_scaling: Option<bool>,
    scale_set_priority: Option<String>,
    provisioning_state: Option<String>,
    power_state: Option<PowerState>,
    tags: Option<Tags>,
    status: Option<Status>,
}

/// A resource group.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Group {
    pub id: String,
    #[serde(default)]
    pub location: String,
    pub tags: Option<Tags>,
}

/// Whatever a listing of resources holds.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Resource {
    #[serde(default)]
    pub location: String,
    pub tags: Option<Tags>,
    pub created_time: Option<Timestamp>,
}

/// Whether a location is this region: ARM answers `eastus` and `East US` alike.
pub(super) fn is_in(region: &Region, location: &str) -> bool {
    let plain: String = location.chars().filter(|c| !c.is_whitespace()).collect();
    plain.eq_ignore_ascii_case(region.as_str())
}

/// One cluster of this region with its pools; none when there is none of that name.
///
/// # Errors
/// As the calls'; a name that several clusters bear.
pub async fn cluster(cx: &AzureCx, clock: &dyn Clock, name: &str) -> Result<Option<CloudCluster>, StepError> {
    let Some(found) = find(cx, clock, name).await? else { return Ok(None) };
    let mut shown = show(&found, clock.now());
    // Where the API server is and whom to trust stands in the kubeconfig alone. Whoever may not read that still sees
    // how the cluster is.
    if found.has_server() {
        let id = ArmId(found.id.clone());
        if let Some(access) = if_known(patient(clock, || access::user(cx, &id)).await)?.flatten() {
            (shown.endpoint, shown.ca_pem) = (Some(access.server), Some(access.ca_pem));
        }
    }
    Ok(Some(shown))
}

/// The certificate of a cluster's own administrator.
///
/// # Errors
/// As the calls'; where local accounts are switched off.
pub async fn administrator(cx: &AzureCx, clock: &dyn Clock, name: &str) -> Result<ClientCertificate, StepError> {
    let none = |class, id: &str, why: &str| {
        StepError::new(class, id, format!("no admin certificate for cluster `{name}`: {why}"))
            .with_residue(Residue::None)
    };
    let Some(found) = find(cx, clock, name).await? else {
        return Err(none(ErrorClass::Permanent, "KW-NOT-FOUND", "there is no such cluster"));
    };
    if found.properties.as_ref().is_some_and(|it| it.disable_local_accounts == Some(true)) {
        return Err(none(ErrorClass::Permanent, "KW-USAGE", "its local accounts are switched off")
            .with_hint(format!("sign in with Entra: kubewright kubeconfig {name}"))
            .with_hint("or build it with azure.localAccounts: true"));
    }
    let id = ArmId(found.id);
    let access = patient(clock, || access::admin(cx, &id)).await?;
    let given = access.and_then(|it| {
        let (certificate_pem, key_pem) = it.certificate?;
        Some(ClientCertificate { certificate_pem, key_pem })
    });
    given.ok_or_else(|| none(ErrorClass::Permanent, "KW-NOT-READY", "AKS hands out none yet"))
}

/// The cluster's object in ARM.
pub(super) async fn find(cx: &AzureCx, clock: &dyn Clock, name: &str) -> Result<Option<Cluster>, StepError> {
    let here = |it: &Cluster| it.name.eq_ignore_ascii_case(name) && is_in(&cx.region, &it.location);
    let mut found: Vec<Cluster> = all(cx, clock).await?.into_iter().filter(here).collect();
    if found.is_empty() {
        return in_own_groups(cx, clock, name).await;
    }
    // One of ours beside one of somebody else's: ours is meant.
    if found.len() > 1 && found.iter().filter(|it| it.stack().is_some()).count() == 1 {
        found.retain(|it| it.stack().is_some());
    }
    if let [one, other, ..] = &found[..] {
        let groups = [one, other].map(|it| ArmId(it.id.clone()).group_name().unwrap_or_default().to_owned());
        let message = format!("several clusters `{name}` are in {}: in {} and in {}", cx.region, groups[0], groups[1]);
        return Err(StepError::new(ErrorClass::Conflict, "KW-AMBIGUOUS", message).with_residue(Residue::None));
    }
    // The listing comes from a cache; by its id the cluster is read as it is.
    match found.pop() {
        Some(one) => get(cx, clock, &ArmId(one.id)).await,
        None => Ok(None),
    }
}

/// A cluster that the subscription's listing does not show yet: its group is known by our tag.
async fn in_own_groups(cx: &AzureCx, clock: &dyn Clock, name: &str) -> Result<Option<Cluster>, StepError> {
    let ours = |it: &Group| {
        let stack = it.tags.as_ref().and_then(tags::stack_of);
        stack.is_some_and(|stack| stack.name.as_str() == name) && is_in(&cx.region, &it.location)
    };
    for group in groups(cx, clock).await?.into_iter().filter(ours) {
        if let Some(found) = get(cx, clock, &ArmId(group.id).inside(TYPE, name)).await? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

async fn get(cx: &AzureCx, clock: &dyn Clock, id: &ArmId) -> Result<Option<Cluster>, StepError> {
    let what = format!("cluster {}", id.name());
    patient(clock, || cx.get::<Cluster>(GET, &what, id)).await
}

/// Every cluster of the subscription.
pub(super) async fn all(cx: &AzureCx, clock: &dyn Clock) -> Result<Vec<Cluster>, StepError> {
    let at = ArmId(format!("{}/providers/{TYPE}", cx.subscription_id()?));
    patient(clock, || cx.list(LIST, "clusters", &at, &[])).await
}

/// Every resource group of the subscription.
pub(super) async fn groups(cx: &AzureCx, clock: &dyn Clock) -> Result<Vec<Group>, StepError> {
    let at = ArmId(format!("{}/resourcegroups", cx.subscription_id()?));
    patient(clock, || cx.list(GROUPS, "resource groups", &at, &[])).await
}

/// Every resource of the subscription that carries our tag, of whatever stack.
pub(super) async fn resources(cx: &AzureCx, clock: &dyn Clock) -> Result<Vec<Resource>, StepError> {
    let at = ArmId(format!("{}/resources", cx.subscription_id()?));
    let filter = format!("tagName eq '{}'", proof::TAG_STACK);
    let query = [("$filter", filter.as_str()), ("$expand", "createdTime")];
    patient(clock, || cx.list(RESOURCES, "tagged resources", &at, &query)).await
}

impl Cluster {
    /// The stack in its tags.
    pub fn stack(&self) -> Option<Stack> {
        tags::stack_of(self.tags.as_ref()?)
    }

    fn properties(&self) -> Properties {
        self.properties.clone().unwrap_or_default()
    }

    /// Whether there is an API server to speak of: AKS names it early and hands out credentials when it stands.
    fn has_server(&self) -> bool {
        let it = self.properties();
        let making = it.provisioning_state.as_deref().is_some_and(|state| state.eq_ignore_ascii_case("Creating"));
        !making && it.fqdn.or(it.private_fqdn).is_some()
    }

    /// Whether machines come that no pool tells of: node auto-provisioning, virtual nodes.
    pub fn has_hidden_machines(&self) -> bool {
        let it = self.properties();
        let auto = it.node_provisioning_profile.and_then(|it| it.mode).is_some_and(|mode| mode == "Auto");
        let addons = it.addon_profiles.unwrap_or_default();
        auto || addons.iter().any(|(name, addon)| addon.enabled && name.eq_ignore_ascii_case("aciConnectorLinux"))
    }

    /// Whether it is switched off: nothing of it runs.
    pub fn is_stopped(&self) -> bool {
        is_stopped(self.properties().power_state.as_ref())
    }
}

fn is_stopped(power: Option<&PowerState>) -> bool {
    power.and_then(|power| power.code.as_deref()) == Some("Stopped")
}

/// As status shows it.
pub(super) fn show(cluster: &Cluster, now: Timestamp) -> CloudCluster {
    let it = cluster.properties();
    let state = it.provisioning_state.clone().unwrap_or_else(|| "Unknown".to_owned());
    let full = it.current_kubernetes_version.as_ref().or(it.kubernetes_version.as_ref());
    let version = full.map(|full| minor_of(full));
    let stopped = cluster.is_stopped();
    let mut issues: Vec<String> = it.status.iter().filter_map(issue).collect();
    if stopped {
        issues.push("it is stopped: nothing runs, disks and addresses are still billed".to_owned());
    }
    // Failed operations leave clusters that work: whoever looks decides by the API server.
    if state == "Failed" && issues.is_empty() {
        issues.push("its last operation failed; AKS repairs with a repeated update of the same".to_owned());
    }
    let support_ends = version.as_ref().and_then(|name| {
        let known = embedded(now).versions;
        known.iter().find(|it| it.name == *name).and_then(Version::ends_on)
    });
    CloudCluster {
        name: cluster.name.clone(),
        stack: cluster.stack(),
        status: if stopped && state == "Succeeded" { "Stopped".to_owned() } else { state },
        version,
        support_ends,
        endpoint: it.fqdn.or(it.private_fqdn).map(|host| format!("https://{host}:443")),
        ca_pem: None,
        created_at: cluster.system_data.as_ref().and_then(|it| it.created_at),
        tags: cluster.tags.clone().unwrap_or_default(),
        issues,
        node_pools: it.agent_pool_profiles.unwrap_or_default().iter().map(show_pool).collect(),
        bill: Bill::default(),
    }
}

fn show_pool(pool: &Pool) -> CloudPool {
    // `nodes__pool__default` of ours is pool `default`.
    let step = pool.tags.as_ref().and_then(|tags| tags.get(TAG_STEP));
    let ours = step.and_then(|step| step.strip_prefix("nodes__pool__"));
    let desired = pool.count.unwrap_or_default();
    let scales = pool.enable_auto_scaling == Some(true);
    let state = pool.provisioning_state.clone().unwrap_or_else(|| "Unknown".to_owned());
    CloudPool {
        name: ours.unwrap_or(&pool.name).to_owned(),
        status: if is_stopped(pool.power_state.as_ref()) && state == "Succeeded" {
            "Stopped".to_owned()
        } else {
            state
        },
        instance_types: pool.vm_size.iter().cloned().collect(),
        spot: pool.scale_set_priority.as_deref() == Some("Spot"),
        desired,
        min: pool.min_count.filter(|_| scales).unwrap_or(desired),
        max: pool.max_count.filter(|_| scales).unwrap_or(desired),
        issues: pool.status.iter().filter_map(issue).collect(),
    }
}

fn issue(status: &Status) -> Option<String> {
    let failure = status.provisioning_error.as_ref()?;
    let message = super::error::clean(failure.message.as_deref().unwrap_or_default());
    match failure.code.as_deref().filter(|code| !code.is_empty()) {
        Some(code) if message.is_empty() => Some(code.to_owned()),
        Some(code) => Some(format!("{code}: {message}")),
        None => (!message.is_empty()).then_some(message),
    }
}

/// Every stack of ours in this region, half-built ones included; `name` narrows.
///
/// # Errors
/// As the calls': a listing that fails must not pass for an empty one.
pub async fn stacks(cx: &AzureCx, clock: &dyn Clock, name: Option<&ClusterName>) -> Result<Vec<StackSeen>, StepError> {
    let (groups, resources, clusters) = futures::join!(groups(cx, clock), resources(cx, clock), all(cx, clock));
    let mut seen = stacks_among(objects(&cx.region, &groups?, &resources?, &clusters?));
    seen.retain(|seen| name.is_none_or(|name| seen.stack.name == *name));
    Ok(seen)
}

/// The tags of a region's objects with the time each was made. A cluster that the tags' index shows as well is the same
/// object twice, and counted once: what only its own listing shows comes on top.
pub(super) fn objects(
    region: &Region,
    groups: &[Group],
    resources: &[Resource],
    clusters: &[Cluster],
) -> Vec<(Tags, Option<Timestamp>)> {
    let groups = groups.iter().filter(|it| is_in(region, &it.location)).filter_map(|it| Some((it.tags.clone()?, None)));
    let resources = resources.iter().filter(|it| is_in(region, &it.location));
    let mut all: Vec<(Tags, Option<Timestamp>)> =
        resources.filter_map(|it| Some((it.tags.clone()?, it.created_time))).chain(groups).collect();
    for it in clusters.iter().filter(|it| is_in(region, &it.location)) {
        let Some(tags) = &it.tags else { continue };
        let made = it.system_data.as_ref().and_then(|it| it.created_at);
        let same = |other: &Tags| tags::stack_of(other) == it.stack() && other.get(TAG_STEP) == tags.get(TAG_STEP);
        if !all.iter().any(|(other, _)| same(other)) {
            all.push((tags.clone(), made));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn cluster(state: &str, power: &str) -> Cluster {
        serde_json::from_value(json!({
            "id": "/subscriptions/s/resourcegroups/kw-demo-0a1b2c3d/providers/Microsoft.ContainerService/managedClusters/demo",
            "name": "demo", "location": "East US", "sku": { "name": "Base", "tier": "Free" },
            "tags": { "kubewright-stack": "demo-0a1b2c3d", "kubewright-step": "cluster" },
            "systemData": { "createdAt": "2026-11-27T20:00:00.1234567Z" },
            "properties": {
                "provisioningState": state, "powerState": { "code": power }, "fqdn": "demo-x.hcp.eastus.azmk8s.io",
                "kubernetesVersion": "1.35", "currentKubernetesVersion": "1.35.2",
                "agentPoolProfiles": [
                    { "name": "default", "count": 2, "vmSize": "Standard_D2as_v5", "enableAutoScaling": false,
                      "provisioningState": "Succeeded", "tags": { "kubewright-step": "nodes__pool__default" } },
                    { "name": "gpua1b2", "count": 0, "vmSize": "Standard_NC4as_T4_v3", "enableAutoScaling": true,
                      "minCount": 0, "maxCount": 3, "scaleSetPriority": "Spot", "provisioningState": "Failed",
                      "tags": { "kubewright-step": "nodes__pool__gpu-a" },
                      "status": { "provisioningError": { "code": "SkuNotAvailable", "message": "none left" } } },
                ],
            },
        }))
        .unwrap()
    }

    #[test]
    fn what_azure_says_of_a_cluster_is_what_is_shown() {
        let shown = show(&cluster("Succeeded", "Running"), "2026-11-27T20:30:00Z".parse().unwrap());
        assert_eq!((shown.status.as_str(), shown.version.as_deref()), ("Succeeded", Some("1.35")));
        assert_eq!(shown.endpoint.as_deref(), Some("https://demo-x.hcp.eastus.azmk8s.io:443"));
        assert_eq!(shown.stack.map(|it| it.to_string()).as_deref(), Some("demo-0a1b2c3d"));
        assert!(shown.support_ends.is_some() && shown.issues.is_empty() && shown.created_at.is_some());
        let pools: Vec<_> =
            shown.node_pools.iter().map(|it| (it.name.as_str(), it.min, it.desired, it.max, it.spot)).collect();
        assert_eq!(pools, [("default", 2, 2, 2, false), ("gpu-a", 0, 0, 3, true)]);
        assert_eq!(shown.node_pools[1].issues, ["SkuNotAvailable: none left"]);
    }

    #[test]
    fn a_stopped_or_failed_cluster_says_so() {
        let now = Timestamp::UNIX_EPOCH;
        let stopped = show(&cluster("Succeeded", "Stopped"), now);
        assert_eq!((stopped.status.as_str(), stopped.issues.len()), ("Stopped", 1));
        let failed = show(&cluster("Failed", "Running"), now);
        assert_eq!((failed.status.as_str(), failed.issues.len()), ("Failed", 1));
        assert!(!cluster("Creating", "Running").has_server() && cluster("Failed", "Running").has_server());
    }

    #[test]
    fn objects_of_other_regions_and_the_same_cluster_twice_are_not_counted() {
        let tagged = |step: &str, location: &str| Resource {
            location: location.to_owned(),
            tags: Some(
                [
                    ("kubewright-stack".to_owned(), "demo-0a1b2c3d".to_owned()),
                    ("kubewright-step".to_owned(), step.to_owned()),
                ]
                .into(),
            ),
            created_time: None,
        };
        let region = Region("eastus".to_owned());
        let clusters = [cluster("Succeeded", "Running")];
        let seen = |resources: &[Resource]| stacks_among(objects(&region, &[], resources, &clusters));
        assert_eq!(seen(&[tagged("cluster", "eastus"), tagged("network/vnet", "westus")])[0].objects, 1);
        assert_eq!(seen(&[tagged("network__vnet", "East US")])[0].objects, 2);
    }
}
