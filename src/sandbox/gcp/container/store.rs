//! How clusters, node pools and operations are kept, and how they are shown.

use super::super::{keys::etag, places, wire::Refused};
use crate::sandbox::world::{Due, Kind, Object, Scope, Tx};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;

pub(in crate::sandbox) const CLUSTER: Kind = Kind::new("container", "cluster");
pub(in crate::sandbox) const NODE_POOL: Kind = Kind::new("container", "nodePool");
pub(in crate::sandbox) const OPERATION: Kind = Kind::new("container", "operation");

/// How every link of GKE begins.
pub(super) const LINK: &str = "https://container.googleapis.com/v1/";

/// A machine of a pool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Node {
    /// Name of machine and Node.
    pub(super) name: String,
    pub(super) zone: String,
    pub(super) ip: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) public_ip: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) joined_at: Option<Timestamp>,
    #[serde(default)]
    pub(super) ready: bool,
}

/// A node pool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Pool {
    /// As the API shows it, but what follows from the rest.
    pub(super) api: Value,
    /// Of its groups' names.
    pub(super) hash: String,
    pub(super) nodes: Vec<Node>,
    /// Nodes wanted in each zone.
    pub(super) wanted: Vec<(String, u64)>,
    /// What is in its way: canonical code, GKE's code, words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) obstacle: Option<Obstacle>,
    /// When it began what it is doing.
    pub(super) since: Timestamp,
}

/// What keeps a pool from becoming whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Obstacle {
    /// `GCE_STOCKOUT`.
    pub(super) code: String,
    /// `RESOURCE_EXHAUSTED`.
    pub(super) canonical: String,
    pub(super) message: String,
}

impl Pool {
    pub(super) fn text(&self, pointer: &str) -> &str {
        self.api.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    pub(super) fn name(&self) -> &str {
        self.text("/name")
    }

    pub(super) fn zones(&self) -> Vec<String> {
        texts(&self.api["locations"])
    }

    pub(super) fn total(&self) -> u64 {
        self.wanted.iter().map(|(_, count)| count).sum()
    }
}

/// A cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Cluster {
    /// As the API shows it, but what follows from the rest.
    pub(super) api: Value,
    /// Of its API's path.
    pub(super) uid: String,
    /// Of the names of what it makes.
    pub(super) hash: String,
    /// Whether its API server answers.
    pub(super) up: bool,
    /// Secondary ranges that GKE added to the subnetwork.
    #[serde(default)]
    pub(super) own_ranges: bool,
}

impl Cluster {
    pub(super) fn text(&self, pointer: &str) -> &str {
        self.api.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    pub(super) fn is_autopilot(&self) -> bool {
        self.api["autopilot"]["enabled"] == json!(true)
    }
}

/// The texts of a list.
pub(super) fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(ToOwned::to_owned).collect()
}

pub(super) const fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

pub(super) const fn minutes(count: u64) -> Duration {
    Duration::from_secs(60 * count)
}

/// What happens after a span.
pub(super) fn due(tx: &Tx<'_>, after: Duration, what: &str) -> Option<Due> {
    Some(Due { at: tx.now() + after, what: what.to_owned() })
}

/// The scope of a location.
pub(super) fn scope(project: &str, location: &str) -> Scope {
    Scope::new(project, places::region_of(location).unwrap_or(location))
}

/// The id of something in a location.
pub(super) fn id(location: &str, name: &str) -> String {
    format!("{location}~{name}")
}

/// The location of a cluster's id.
pub(super) fn location_of(id: &str) -> &str {
    id.split_once('~').map_or(id, |(location, _)| location)
}

/// `projects/p/locations/l/clusters/c`.
pub(super) fn path(project: &str, location: &str, name: &str) -> String {
    format!("projects/{project}/locations/{location}/clusters/{name}")
}

/// A cluster by where and name.
///
/// # Errors
/// It is not there.
pub(super) fn find(tx: &Tx<'_>, project: &str, location: &str, name: &str) -> Result<Object, Refused> {
    let found = tx.live(&scope(project, location), CLUSTER, &id(location, name)).cloned();
    found.ok_or_else(|| {
        let path = path(project, location, name);
        let mut refused = Refused::not_found(format!("Not found: {path}."));
        refused.details.push(json!({
            "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "NOT_FOUND", "domain": "container.googleapis.com",
        }));
        refused
    })
}

/// The pools of a cluster, in name order.
pub(super) fn pools<'a>(tx: &'a Tx<'_>, cluster: &Object) -> Vec<&'a Object> {
    let own = tx.list_live(&cluster.scope(), NODE_POOL);
    own.filter(|pool| pool.parent.as_deref() == Some(cluster.id.as_str())).collect()
}

/// Changes a cluster's document in place.
pub(super) fn change(tx: &mut Tx<'_>, cluster: &Object, work: impl FnOnce(&mut Object, &mut Cluster)) {
    tx.update(&cluster.scope(), CLUSTER, &cluster.id, |object| {
        let mut doc: Cluster = object.read();
        work(object, &mut doc);
        object.write(&doc);
    });
}

/// Changes a pool's document in place.
pub(super) fn change_pool(tx: &mut Tx<'_>, pool: &Object, work: impl FnOnce(&mut Object, &mut Pool)) {
    tx.update(&pool.scope(), NODE_POOL, &pool.id, |object| {
        let mut doc: Pool = object.read();
        work(object, &mut doc);
        object.write(&doc);
    });
}

/// A time as GKE writes it.
pub(super) fn stamp(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string()
}

/// The groups of machines of a pool, one a zone.
pub(super) fn groups(cluster: &str, pool: &Pool) -> Vec<(String, String)> {
    let short: String = cluster.chars().take(20).collect();
    let name: String = pool.name().chars().take(16).collect();
    let group = format!("gke-{}-{}-{}-grp", short.trim_end_matches('-'), name.trim_end_matches('-'), pool.hash);
    pool.zones().into_iter().map(|zone| (zone, group.clone())).collect()
}

/// A pool as it is read.
pub(super) fn pool_view(object: &Object, cluster: &Object) -> Value {
    let doc: Pool = object.read();
    let location = location_of(&cluster.id);
    let name = cluster.name.clone().unwrap_or_default();
    let mut view = doc.api.clone();
    view["status"] = json!(object.state);
    let links: Vec<String> = groups(&name, &doc)
        .into_iter()
        .map(|(zone, group)| {
            format!(
                "https://www.googleapis.com/compute/v1/projects/{}/zones/{zone}/instanceGroupManagers/{group}",
                object.account
            )
        })
        .collect();
    view["instanceGroupUrls"] = json!(links);
    view["selfLink"] = json!(format!("{LINK}{}/nodePools/{}", path(&object.account, location, &name), doc.name()));
    if let Some(obstacle) = &doc.obstacle {
        view["conditions"] = json!([condition(obstacle)]);
        if object.state.contains("ERROR") {
            view["statusMessage"] = json!(obstacle.message);
        }
    }
    view["etag"] = json!(etag(&view.to_string()));
    view
}

/// An obstacle as a condition.
pub(super) fn condition(obstacle: &Obstacle) -> Value {
    json!({"code": obstacle.code, "canonicalCode": obstacle.canonical, "message": obstacle.message})
}

/// The fingerprint of a cluster's labels.
pub(super) fn label_fingerprint(object: &Object) -> String {
    etag(&format!("{:?}", object.tags))
}

/// A cluster as it is read.
pub(super) fn view(tx: &Tx<'_>, object: &Object) -> Value {
    let doc: Cluster = object.read();
    let location = location_of(&object.id);
    let name = object.name.clone().unwrap_or_default();
    let mut view = doc.api.clone();
    view["name"] = json!(name);
    view["status"] = json!(object.state);
    view["location"] = json!(location);
    view["zone"] = json!(location);
    view["createTime"] = json!(stamp(object.created_at));
    view["selfLink"] = json!(format!("{LINK}{}", path(&object.account, location, &name)));
    if !object.tags.is_empty() {
        view["resourceLabels"] = json!(object.tags);
    }
    view["labelFingerprint"] = json!(label_fingerprint(object));
    let pools = pools(tx, object);
    let views: Vec<Value> = pools.iter().map(|pool| pool_view(pool, object)).collect();
    let count: usize = pools.iter().map(|pool| pool.read::<Pool>().nodes.len()).sum();
    let urls: Vec<Value> =
        views.iter().flat_map(|view| view["instanceGroupUrls"].as_array().cloned().unwrap_or_default()).collect();
    if let Some(first) = views.first() {
        view["currentNodeVersion"] = first["version"].clone();
        view["nodeConfig"] = first["config"].clone();
    }
    if count > 0 {
        view["currentNodeCount"] = json!(count);
    }
    let mut conditions: Vec<Value> = view["conditions"].as_array().cloned().unwrap_or_default();
    conditions.extend(views.iter().flat_map(|view| view["conditions"].as_array().cloned().unwrap_or_default()));
    if !conditions.is_empty() {
        view["conditions"] = json!(conditions);
    }
    view["nodePools"] = json!(views);
    view["instanceGroupUrls"] = json!(urls);
    // The address and the authority come with the control plane.
    let site = tx.site();
    let address = format!("{}/clusters/{}", site.kubernetes_url.trim_start_matches("https://"), doc.uid);
    if doc.up {
        use base64::{Engine, prelude::BASE64_STANDARD};
        view["masterAuth"]["clusterCaCertificate"] = json!(BASE64_STANDARD.encode(&site.ca_pem));
        view["endpoint"] = json!(address);
        view["controlPlaneEndpointsConfig"]["ipEndpointsConfig"]["publicEndpoint"] = json!(address);
        view["controlPlaneEndpointsConfig"]["dnsEndpointConfig"]["endpoint"] = json!(address);
    } else {
        view["masterAuth"] = json!({});
    }
    view["etag"] = json!(etag(&view.to_string()));
    view
}
