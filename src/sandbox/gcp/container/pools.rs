//! Node pools: made, resized, bounded, taken down.

use super::super::{Answer, Cx, new, wire::Refused};
use super::{
    check::{self, Around},
    nodes, ops,
    store::{self, Cluster, NODE_POOL, Pool, change, change_pool, find, secs, texts},
};
use crate::sandbox::world::{Object, Tx};
use serde_json::{Value, json};

fn cluster(cx: &Cx<'_, '_>, location: &str) -> Result<Object, Refused> {
    let name = cx.path.get("clustersId").cloned().unwrap_or_default();
    find(cx.tx, cx.project.id, location, &name)
}

/// A pool by the call's path.
fn pool(cx: &Cx<'_, '_>, location: &str) -> Result<(Object, Object), Refused> {
    let cluster = cluster(cx, location)?;
    let name = cx.path.get("nodePoolsId").cloned().unwrap_or_default();
    let id = format!("{}/{name}", cluster.id);
    let found = cx.tx.live(&cluster.scope(), NODE_POOL, &id).cloned();
    let pool = found.ok_or_else(|| {
        let path = store::path(cx.project.id, location, cluster.name.as_deref().unwrap_or_default());
        Refused::not_found(format!("Not found: {path}/nodePools/{name}."))
    })?;
    Ok((cluster, pool))
}

/// Puts a new pool; its machines start when its operation says so.
pub(super) fn put(cx: &mut Cx<'_, '_>, cluster: &Object, api: Value) -> Object {
    let name = api["name"].as_str().unwrap_or_default().to_owned();
    let mut object = new(cx.tx, &cluster.scope(), NODE_POOL, &format!("{}/{name}", cluster.id));
    object.name = Some(name);
    object.parent = Some(cluster.id.clone());
    "PROVISIONING".clone_into(&mut object.state);
    let labels = api["config"]["resourceLabels"].as_object().into_iter().flatten();
    object.tags = labels.map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned())).collect();
    let each = api["initialNodeCount"].as_u64().unwrap_or_default();
    let wanted = texts(&api["locations"]).into_iter().map(|zone| (zone, each)).collect();
    let hash = cx.tx.hex(8);
    object.write(&Pool { api, hash, nodes: Vec::new(), wanted, obstacle: None, since: cx.tx.now() });
    cx.tx.put(object.clone());
    object
}

/// Where a call's pool is, for its operation.
fn target(cx: &Cx<'_, '_>, location: &str, cluster: &Object, pool: &str) -> String {
    format!("{}/nodePools/{pool}", store::path(cx.project.id, location, cluster.name.as_deref().unwrap_or_default()))
}

/// A cluster that takes changes.
fn steady(cx: &Cx<'_, '_>, cluster: &Object) -> Result<(), Refused> {
    ops::check_free(cx.tx, cluster)?;
    if cluster.state != "RUNNING" {
        return Err(Refused::precondition(format!("Cluster is not ready: its status is {}.", cluster.state)));
    }
    Ok(())
}

/// Marks that the cluster is at work, and which pool an operation is about.
fn at_work(cx: &mut Cx<'_, '_>, cluster: &Object, pool: &str, view: Value) -> Answer {
    change(cx.tx, cluster, |object, _| "RECONCILING".clone_into(&mut object.state));
    if let Some(operation) = ops::running(cx.tx, cluster) {
        cx.tx.update(&operation.scope(), store::OPERATION, &operation.id, |object| object.set("pool", pool));
    }
    Ok(view)
}

/// `nodePools.create`.
pub(super) fn create(cx: &mut Cx<'_, '_>, location: &str) -> Answer {
    let cluster = cluster(cx, location)?;
    let doc: Cluster = cluster.read();
    if doc.is_autopilot() {
        return Err(Refused::invalid("Node pools cannot be created in Autopilot clusters."));
    }
    let body = cx.body["nodePool"].clone();
    let name = body["name"].as_str().unwrap_or_default().to_owned();
    check::name("node_pool.name", &name)?;
    if cx.tx.live(&cluster.scope(), NODE_POOL, &format!("{}/{name}", cluster.id)).is_some() {
        return Err(Refused::exists(format!("Already exists: {}.", target(cx, location, &cluster, &name))));
    }
    steady(cx, &cluster)?;
    let around = Around {
        location,
        zones: &texts(&doc.api["locations"]),
        channel: doc.text("/releaseChannel/channel"),
        version: doc.text("/currentMasterVersion"),
        private: doc.api["networkConfig"]["defaultEnablePrivateNodes"] == json!(true),
        identities: doc.api["workloadIdentityConfig"]["workloadPool"].is_string(),
    };
    let api = check::pool(cx, &body, &around)?;
    let pool = put(cx, &cluster, api);
    let target = target(cx, location, &cluster, &name);
    let view = ops::begin(cx, &cluster, "CREATE_NODE_POOL", &target, secs(1), "waiting");
    wait_for_pool(cx, &cluster);
    nodes::start(cx.tx, &pool, secs(15));
    at_work(cx, &cluster, &name, view)
}

/// The operation just begun has no moment of its own: it ends with its pool.
fn wait_for_pool(cx: &mut Cx<'_, '_>, cluster: &Object) {
    if let Some(operation) = ops::running(cx.tx, cluster) {
        cx.tx.update(&operation.scope(), store::OPERATION, &operation.id, |object| object.due = None);
    }
}

/// `nodePools.get`.
pub(super) fn get(cx: &mut Cx<'_, '_>, location: &str) -> Answer {
    let (cluster, pool) = pool(cx, location)?;
    Ok(store::pool_view(&pool, &cluster))
}

/// `nodePools.list`.
pub(super) fn list(cx: &mut Cx<'_, '_>, location: &str) -> Answer {
    let cluster = cluster(cx, location)?;
    let views: Vec<Value> =
        store::pools(cx.tx, &cluster).into_iter().map(|pool| store::pool_view(pool, &cluster)).collect();
    Ok(if views.is_empty() { json!({}) } else { json!({"nodePools": views}) })
}

/// `nodePools.delete`.
pub(super) fn delete(cx: &mut Cx<'_, '_>, location: &str) -> Answer {
    let (cluster, pool) = pool(cx, location)?;
    ops::check_free(cx.tx, &cluster)?;
    let name = pool.name.clone().unwrap_or_default();
    change_pool(cx.tx, &pool, |pool, _| {
        "STOPPING".clone_into(&mut pool.state);
        pool.due = None;
    });
    let after = cx.tx.between(secs(70), secs(130));
    let target = target(cx, location, &cluster, &name);
    let view = ops::begin(cx, &cluster, "DELETE_NODE_POOL", &target, after, "pool-gone");
    at_work(cx, &cluster, &name, view)
}

/// A pool is gone, with its machines.
pub(super) fn gone(tx: &mut Tx<'_>, cluster: &Object, name: &str) {
    let id = format!("{}/{name}", cluster.id);
    if let Some(pool) = tx.live(&cluster.scope(), NODE_POOL, &id).cloned() {
        nodes::remove_all(tx, cluster, &pool);
        tx.remove(&cluster.scope(), NODE_POOL, &id);
    }
}

/// `nodePools.setSize`: so many in each zone.
pub(super) fn set_size(cx: &mut Cx<'_, '_>, location: &str) -> Answer {
    let (cluster, pool) = pool(cx, location)?;
    let count = cx.body["nodeCount"].as_i64().unwrap_or_default();
    let Some(count) = u64::try_from(count).ok().filter(|count| *count <= 1_000) else {
        return Err(Refused::invalid("Node count must be between 0 and 1000."));
    };
    steady(cx, &cluster)?;
    let name = pool.name.clone().unwrap_or_default();
    let now = cx.tx.now();
    change_pool(cx.tx, &pool, |pool, doc| {
        "RECONCILING".clone_into(&mut pool.state);
        doc.obstacle = None;
        doc.since = now;
        for (_, wanted) in &mut doc.wanted {
            *wanted = count;
        }
    });
    let target = target(cx, location, &cluster, &name);
    let view = ops::begin(cx, &cluster, "SET_NODE_POOL_SIZE", &target, secs(1), "waiting");
    wait_for_pool(cx, &cluster);
    nodes::start(cx.tx, &pool, secs(5));
    at_work(cx, &cluster, &name, view)
}

/// `nodePools.setAutoscaling`.
pub(super) fn set_autoscaling(cx: &mut Cx<'_, '_>, location: &str) -> Answer {
    let said = cx.body["autoscaling"].clone();
    check::autoscaling(&said)?;
    changed(cx, location, "UPDATE_CLUSTER", |api| {
        if said["enabled"] == json!(true) {
            api["autoscaling"] = said;
        } else if let Some(map) = api.as_object_mut() {
            map.remove("autoscaling");
        }
    })
}

/// `nodePools.setManagement`.
pub(super) fn set_management(cx: &mut Cx<'_, '_>, location: &str) -> Answer {
    let (cluster, _) = pool(cx, location)?;
    let doc: Cluster = cluster.read();
    let around = Around {
        location,
        zones: &[],
        channel: doc.text("/releaseChannel/channel"),
        version: "",
        private: false,
        identities: false,
    };
    let mut said = json!({"management": cx.body["management"]});
    check::management(&mut said, &around)?;
    changed(cx, location, "SET_NODE_POOL_MANAGEMENT", |api| api["management"] = said["management"].clone())
}

fn changed(cx: &mut Cx<'_, '_>, location: &str, kind: &str, work: impl FnOnce(&mut Value)) -> Answer {
    let (cluster, pool) = pool(cx, location)?;
    steady(cx, &cluster)?;
    let name = pool.name.clone().unwrap_or_default();
    change_pool(cx.tx, &pool, |_, doc| work(&mut doc.api));
    let after = cx.tx.between(secs(8), secs(25));
    let target = target(cx, location, &cluster, &name);
    let view = ops::begin(cx, &cluster, kind, &target, after, "done");
    at_work(cx, &cluster, &name, view)
}

/// `nodePools.update`: a version, labels or taints; the nodes are made anew in the real one.
pub(super) fn update(cx: &mut Cx<'_, '_>, location: &str) -> Answer {
    let (cluster, _) = pool(cx, location)?;
    let master = cluster.read::<Cluster>().text("/currentMasterVersion").to_owned();
    let body = cx.body.clone();
    let known = [
        "nodeVersion",
        "imageType",
        "labels",
        "taints",
        "resourceLabels",
        "tags",
        "name",
        "etag",
        "clusterId",
        "projectId",
        "zone",
        "nodePoolId",
    ];
    if let Some(key) =
        body.as_object().into_iter().flatten().map(|(key, _)| key).find(|key| !known.contains(&key.as_str()))
    {
        return Err(Refused {
            http: 501,
            status: "UNIMPLEMENTED",
            ..Refused::invalid(format!("the sandbox does not update {key} of node pools"))
        });
    }
    let version = super::versions::of_nodes(body["nodeVersion"].as_str().unwrap_or_default(), &master)?;
    changed(cx, location, if body["nodeVersion"].is_string() { "UPGRADE_NODES" } else { "UPDATE_CLUSTER" }, |api| {
        if body["nodeVersion"].is_string() {
            api["version"] = json!(version);
        }
        for (key, inner) in [("labels", "labels"), ("taints", "taints"), ("resourceLabels", "labels"), ("tags", "tags")]
        {
            if let Some(said) = body.get(key) {
                api["config"][key] = said.get(inner).cloned().unwrap_or_default();
            }
        }
    })
}
