//! GKE clusters as Google reports them, and the stacks of ours that labels and descriptions tell of.
//!
//! Reads only, by per-service listings. A listing of clusters that names places it could not ask is no listing: what is
//! not in it may well be there.

use super::client::{GcpCx, Request, encoded};
use super::labels::{self, LABEL_SPEC, TAG_BUILDER, TAG_REGION, Tags};
use super::steps::support::time;
use super::steps::{cluster as step, network, router, service_account, subnetwork};
use super::versions::{self, minor_of};
use super::{error, wire};
use crate::engine::proof::{self, TAG_STEP, protects};
use crate::engine::{Clock, ErrorClass, Observed, Residue, StepError};
use crate::model::{ClusterName, Stack};
use crate::providers::kit::{begun_at, made_in_run_of};
use crate::providers::patience::patient;
use crate::providers::{Bill, CloudCluster, CloudPool, StackSeen};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::{Timestamp, tz::TimeZone};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Every cluster of the project that is in this region, be it zonal or regional; none where the service is off.
///
/// # Errors
/// As the call's; also where a zone of this region could not be asked.
pub async fn all(cx: &GcpCx) -> Result<Vec<wire::Cluster>, StepError> {
    #[derive(Debug, Default, Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    struct Listed {
        clusters: Vec<wire::Cluster>,
        missing_zones: Vec<String>,
    }
    let path = cx.container_path("-", "clusters")?;
    let asked = cx.ask(Request::get("container:projects.locations.clusters.list", path, "clusters")).await;
    let found: Listed = match asked {
        Err(failure) if failure.is_off() => Listed::default(),
        answer => answer?,
    };
    let here = |location: &str| is_in(location, cx.region.as_str());
    if found.missing_zones.iter().any(|zone| here(zone)) {
        let message = format!("the listing of clusters leaves out {}", found.missing_zones.join(", "));
        return Err(StepError::new(ErrorClass::Transient, error::SERVER, message).with_residue(Residue::None));
    }
    Ok(found.clusters.into_iter().filter(|cluster| here(&cluster.location)).collect())
}

/// Whether a zone or region is in this region.
pub fn is_in(location: &str, region: &str) -> bool {
    location == region || location.strip_prefix(region).is_some_and(|rest| rest.starts_with('-'))
}

/// One cluster with its node pools; none when the region has none of that name.
///
/// # Errors
/// As the calls'.
pub async fn cluster(cx: &GcpCx, name: &str) -> Result<Option<CloudCluster>, StepError> {
    let found = all(cx).await?.into_iter().filter(|it| it.name == name);
    // Two zones may each have one: ours is the one that carries a stack's label.
    let Some(found) = found.max_by_key(|it| stack_of(it).is_some()) else { return Ok(None) };
    let (sizes, ends) = futures::join!(sizes(cx), support_ends(cx, &found));
    let mut shown = show(&found, sizes.as_ref().ok());
    shown.support_ends = ends;
    Ok(Some(shown))
}

/// The stack in a cluster's labels.
pub fn stack_of(cluster: &wire::Cluster) -> Option<Stack> {
    labels::stack_of(&labels::tags(&cluster.resource_labels))
}

/// How many machines the managed groups of the project are to have, by their place in it.
pub type Sizes = BTreeMap<String, u32>;

/// All groups at once: pools name theirs, and do not say how large they are.
///
/// # Errors
/// As the call's.
pub async fn sizes(cx: &GcpCx) -> Result<Sizes, StepError> {
    #[derive(Debug, Default, Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    struct Group {
        self_link: String,
        target_size: u32,
    }
    let path = cx.compute_path("aggregated/instanceGroupManagers")?;
    let request = Request::get("compute:instanceGroupManagers.aggregatedList", path, "groups of nodes");
    let found: Vec<Group> = cx.list_everywhere("instanceGroupManagers", request).await?;
    Ok(found.into_iter().map(|it| (group(&it.self_link), it.target_size)).collect())
}

/// Pools name their groups of either kind by one name.
fn group(link: &str) -> String {
    wire::inside_project(link).replace("/instanceGroups/", "/instanceGroupManagers/")
}

pub(super) fn show(cluster: &wire::Cluster, sizes: Option<&Sizes>) -> CloudCluster {
    let tags = labels::tags(&cluster.resource_labels);
    let endpoint = step::endpoint(cluster);
    let ca = &cluster.master_auth.cluster_ca_certificate;
    let mut issues: Vec<String> = cluster.conditions.iter().map(issue).collect();
    if issues.is_empty() && cluster.status == "ERROR" && !cluster.status_message.is_empty() {
        issues.push(error::clean(&cluster.status_message));
    }
    let version = if cluster.current_master_version.is_empty() {
        &cluster.initial_cluster_version
    } else {
        &cluster.current_master_version
    };
    CloudCluster {
        name: cluster.name.clone(),
        stack: labels::stack_of(&tags),
        status: if cluster.status.is_empty() { "UNKNOWN".to_owned() } else { cluster.status.clone() },
        version: minor_of(version),
        support_ends: None,
        endpoint: (!endpoint.is_empty()).then_some(endpoint),
        ca_pem: STANDARD.decode(ca).ok().and_then(|pem| String::from_utf8(pem).ok()).filter(|pem| !pem.is_empty()),
        created_at: time(&cluster.create_time),
        tags,
        issues,
        node_pools: cluster.node_pools.iter().map(|pool| show_pool(cluster, pool, sizes)).collect(),
        bill: Bill::default(),
    }
}

fn issue(condition: &wire::Condition) -> String {
    let code = if condition.canonical_code.is_empty() { &condition.code } else { &condition.canonical_code };
    match (code.as_str(), error::clean(&condition.message)) {
        ("", message) => message,
        (code, message) if message.is_empty() => code.to_owned(),
        (code, message) => format!("{code}: {message}"),
    }
}

fn show_pool(cluster: &wire::Cluster, pool: &wire::NodePool, sizes: Option<&Sizes>) -> CloudPool {
    let places = if pool.locations.is_empty() { &cluster.locations } else { &pool.locations };
    let zones = u32::try_from(places.len()).unwrap_or(1).max(1);
    let groups = || pool.instance_group_urls.iter().map(|link| sizes?.get(&group(link)).copied());
    let told: Option<u32> = groups().sum();
    let desired = told.filter(|_| !pool.instance_group_urls.is_empty()).unwrap_or(pool.initial_node_count * zones);
    let bounds = &pool.autoscaling;
    let (min, max) = match bounds {
        it if !it.enabled => (desired, desired),
        it if it.total_max_node_count > 0 => (it.total_min_node_count, it.total_max_node_count),
        it => (it.min_node_count * zones, it.max_node_count * zones),
    };
    let mut issues: Vec<String> = pool.conditions.iter().map(issue).collect();
    if issues.is_empty() && pool.status.contains("ERROR") && !pool.status_message.is_empty() {
        issues.push(error::clean(&pool.status_message));
    }
    CloudPool {
        name: pool.name.clone(),
        status: if pool.status.is_empty() { "UNKNOWN".to_owned() } else { pool.status.clone() },
        instance_types: vec![pool.config.machine_type.clone()],
        spot: pool.config.spot,
        desired,
        min,
        max,
        issues,
    }
}

/// When standard support of the cluster's version ends: its own word, else the release schedule's. A date is worth one
/// call, not a failure.
pub(super) async fn support_ends(cx: &GcpCx, cluster: &wire::Cluster) -> Option<String> {
    #[derive(Debug, Default, Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    struct Info {
        end_of_standard_support_timestamp: String,
    }
    let told = async {
        let inside = format!("clusters/{}:fetchClusterUpgradeInfo", encoded(&cluster.name));
        let path = cx.container_path(&cluster.location, &inside).ok()?;
        let op = "container:projects.locations.clusters.fetchClusterUpgradeInfo";
        let info: Info = cx.ask(Request::get(op, path, &cluster.name)).await.ok()?;
        time(&info.end_of_standard_support_timestamp)
    };
    let known = || versions::ends(&minor_of(&cluster.current_master_version)?);
    let ends = told.await.or_else(known)?;
    Some(ends.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d").to_string())
}

// ---- stacks

/// What an object tells of a stack.
#[derive(Debug, Clone, Default)]
pub(super) struct Told {
    tags: Tags,
    made: Option<Timestamp>,
    /// Its description, where that may hold the spec.
    text: Option<String>,
    /// Its tags can change while it stands, so that they speak for today.
    changes: bool,
}

impl Told {
    /// One of its tags.
    pub(super) fn tag(&self, key: &str) -> Option<&str> {
        self.tags.get(key).map(String::as_str)
    }
}

/// Every stack of ours in this project and region, half-built ones included; `name` narrows.
///
/// # Errors
/// As the calls': a listing that fails must not pass for an empty one.
pub async fn stacks(cx: &GcpCx, clock: &dyn Clock, name: Option<&ClusterName>) -> Result<Vec<StackSeen>, StepError> {
    let clusters = patient(clock, || all(cx));
    let (regional, roaming, clusters) = futures::join!(regional(cx, clock), roaming(cx, clock), clusters);
    let here = |told: &Told| told.tags.get(TAG_REGION).is_none_or(|region| region == cx.region.as_str());
    let roaming = roaming?.into_iter().filter(here);
    let clusters = clusters?;
    let mut seen = stacks_among(regional?.into_iter().chain(roaming).chain(clusters.iter().map(of_cluster)));
    seen.retain(|seen| name.is_none_or(|name| seen.stack.name == *name));
    Ok(seen)
}

pub(super) fn of_cluster(cluster: &wire::Cluster) -> Told {
    let sight = step::observed(cluster);
    let text = Some(cluster.description.clone());
    Told { tags: sight.evidence.tags, made: sight.created_at, text, changes: true }
}

fn told(sight: Observed, description: String) -> Told {
    Told { tags: sight.evidence.tags, made: sight.created_at, text: Some(description), changes: false }
}

/// Subnetworks and routers of the region. A service that was never on has none.
pub(super) async fn regional(cx: &GcpCx, clock: &dyn Clock) -> Result<Vec<Told>, StepError> {
    let subnetworks = patient(clock, || async {
        let path = cx.compute_path(&format!("regions/{}/subnetworks", cx.region))?;
        let request = Request::get("compute:subnetworks.list", path, "subnetworks");
        none_if_off(cx.list::<wire::Subnetwork>("items", request).await)
    });
    let routers = patient(clock, || async {
        let path = cx.compute_path(&format!("regions/{}/routers", cx.region))?;
        none_if_off(cx.list::<wire::Router>("items", Request::get("compute:routers.list", path, "routers")).await)
    });
    let (subnetworks, routers) = futures::try_join!(subnetworks, routers)?;
    let subnetworks = subnetworks.into_iter().map(|it| told(subnetwork::observed(&it), it.description));
    let routers = routers.into_iter().map(|it| told(router::observed(&it), it.description));
    Ok(subnetworks.chain(routers).collect())
}

/// Networks and service accounts, which belong to no region and say which one their stack is in.
pub(super) async fn roaming(cx: &GcpCx, clock: &dyn Clock) -> Result<Vec<Told>, StepError> {
    let networks = patient(clock, || async {
        let path = cx.compute_path("global/networks")?;
        none_if_off(cx.list::<wire::Network>("items", Request::get("compute:networks.list", path, "networks")).await)
    });
    let accounts = patient(clock, || async {
        let path = format!("v1/projects/{}/serviceAccounts", encoded(cx.project()?));
        let request =
            Request::get("iam:projects.serviceAccounts.list", path, "service accounts").query("pageSize", "100");
        none_if_off(cx.list::<wire::ServiceAccount>("accounts", request).await)
    });
    let (networks, accounts) = futures::try_join!(networks, accounts)?;
    let networks = networks.into_iter().map(|it| told(network::observed(&it), it.description));
    let accounts = accounts.into_iter().map(|it| told(service_account::observed(&it), String::new()));
    Ok(networks.chain(accounts).collect())
}

/// Where a service is off in the project, nothing of it stands.
pub(super) fn none_if_off<T>(answer: Result<Vec<T>, StepError>) -> Result<Vec<T>, StepError> {
    match answer {
        Err(err) if err.id == error::API_OFF => Ok(Vec::new()),
        answer => answer,
    }
}

/// The stacks of ours that these objects tell of.
pub(super) fn stacks_among(objects: impl IntoIterator<Item = Told>) -> Vec<StackSeen> {
    let mut seen: BTreeMap<Stack, Vec<Told>> = BTreeMap::new();
    for told in objects {
        if let Some(stack) = labels::stack_of(&told.tags) {
            seen.entry(stack).or_default().push(told);
        }
    }
    seen.into_iter().map(|(stack, told)| one(stack, &told)).collect()
}

fn one(stack: Stack, told: &[Told]) -> StackSeen {
    let tag = |key: &str| told.iter().find_map(|it| it.tags.get(key));
    // What can change speaks for what cannot: the expiry in a description is that of its first day.
    let speaks = told.iter().any(|it| it.changes);
    let today = || told.iter().filter(move |it| it.changes || !speaks);
    let texts = told.iter().filter_map(|it| it.text.as_deref());
    let spec = labels::spec_of(texts, tag(LABEL_SPEC).map(String::as_str));
    let labelled = told.iter().any(|it| it.changes && it.tags.contains_key(TAG_STEP) && protects(&it.tags));
    let mut seen = StackSeen {
        builder: tag(TAG_BUILDER).cloned(),
        // Only what carries both of our tags speaks for the stack.
        expires_at: today()
            .filter(|it| it.tags.contains_key(TAG_STEP))
            .filter_map(|it| proof::expires_at(&it.tags))
            .max(),
        // Until there is a cluster, what was asked for counts.
        protect: if speaks { labelled } else { spec.as_ref().is_some_and(|spec| spec.protect) },
        current: speaks,
        last_made_at: told.iter().filter_map(|it| made_in_run_of(&it.tags)).max(),
        spec,
        objects: told.len(),
        ..StackSeen::of(stack)
    };
    seen.seen_made(told.iter().flat_map(|it| [begun_at(&it.tags), it.made]));
    seen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::proof::{TAG_EXPIRES_AT, TAG_PROTECT, TAG_STACK};
    use crate::model::ResolvedSpec;
    use crate::providers::gcp::testing;
    use serde_json::json;

    fn running() -> wire::Cluster {
        serde_json::from_value(json!({
            "name": "demo", "location": "us-central1-a", "locations": ["us-central1-a", "us-central1-b"], "status": "RUNNING",
            "currentMasterVersion": "1.35.6-gke.1127000", "createTime": "2026-11-27T10:00:00+00:00",
            "resourceLabels": {TAG_STACK: "demo-0a1b2c3d", TAG_STEP: "cluster"},
            "endpoint": "34.1.2.3", "masterAuth": {"clusterCaCertificate": STANDARD.encode("-----BEGIN CERTIFICATE-----")},
            "conditions": [{"canonicalCode": "RESOURCE_EXHAUSTED", "message": "no room in zone b"}],
            "nodePools": [
                {"name": "default", "status": "RUNNING", "initialNodeCount": 1, "config": {"machineType": "e2-standard-2"},
                    "instanceGroupUrls": ["https://www.googleapis.com/compute/v1/projects/acme/zones/us-central1-a/instanceGroupManagers/gke-demo-a"]},
                {"name": "gpu", "status": "ERROR", "initialNodeCount": 0, "locations": ["us-central1-a"],
                    "config": {"machineType": "n1-standard-4", "spot": true}, "statusMessage": "out of stock",
                    "autoscaling": {"enabled": true, "totalMinNodeCount": 0, "totalMaxNodeCount": 3}},
            ],
        }))
        .unwrap()
    }

    #[test]
    fn a_cluster_is_shown_with_its_pools_and_troubles() {
        let sizes = Sizes::from([("zones/us-central1-a/instanceGroupManagers/gke-demo-a".to_owned(), 3)]);
        let shown = show(&running(), Some(&sizes));
        assert_eq!(shown.stack.unwrap().to_string(), "demo-0a1b2c3d");
        assert_eq!((shown.version.as_deref(), shown.endpoint.as_deref()), (Some("1.35"), Some("https://34.1.2.3")));
        assert!(shown.ca_pem.unwrap().starts_with("-----BEGIN"));
        assert_eq!(shown.issues, ["RESOURCE_EXHAUSTED: no room in zone b"]);
        let pools: Vec<_> = shown.node_pools.iter().map(|it| (it.desired, it.min, it.max)).collect();
        assert_eq!(pools, [(3, 3, 3), (0, 0, 3)]);
        assert_eq!(shown.node_pools[1].issues, ["out of stock"]);
        let unsized_pools = show(&running(), None).node_pools;
        assert_eq!(unsized_pools[0].desired, 2, "as ordered: one in each of two zones");
    }

    #[test]
    fn zones_belong_to_their_region_and_to_no_other() {
        assert!(is_in("us-central1", "us-central1") && is_in("us-central1-a", "us-central1"));
        assert!(!is_in("us-central10-a", "us-central1") && !is_in("us-east1-b", "us-central1"));
    }

    #[test]
    fn what_can_change_speaks_for_today() {
        let tags = |pairs: &[(&str, &str)]| -> Tags {
            let own = [(TAG_STACK, "demo-0a1b2c3d"), (TAG_STEP, "network")];
            own.iter().chain(pairs).map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        let asked = ResolvedSpec { protect: true, ..testing::spec("demo") };
        let text = labels::spec_text(&asked, labels::Anchor::Network).map(|spec| format!("network []{spec}"));
        let network = Told { tags: tags(&[(TAG_EXPIRES_AT, "300")]), text, ..Told::default() };
        let alone = stacks_among([network.clone()]);
        assert!(alone[0].protect && alone[0].expires_at.is_some_and(|at| at.as_second() == 300));
        let mut cluster = Told { tags: tags(&[(TAG_EXPIRES_AT, "200")]), changes: true, ..Told::default() };
        let both = stacks_among([network.clone(), cluster.clone()]);
        assert_eq!((both[0].protect, both[0].objects), (false, 2));
        assert_eq!(both[0].expires_at.map(Timestamp::as_second), Some(200));
        cluster.tags.insert(TAG_PROTECT.to_owned(), "true".to_owned());
        assert!(stacks_among([network, cluster])[0].protect);
    }
}
