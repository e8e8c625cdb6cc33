//! Operations of GKE: one a cluster, with stages, and the real reason early.

use super::super::{Answer, Cx, builtin, places, wire::Refused};
use super::{
    cluster, nodes, pools,
    store::{self, CLUSTER, LINK, OPERATION, Obstacle, Pool, change, condition, due, scope, stamp},
};
use crate::sandbox::world::{Object, Tx};
use serde_json::{Value, json};
use std::time::Duration;

/// How long operations are remembered.
const REMEMBERED: Duration = Duration::from_secs(12 * 3600);

/// The operation under way on a cluster.
pub(super) fn running(tx: &Tx<'_>, cluster: &Object) -> Option<Object> {
    let mut all = tx.list(&cluster.scope(), OPERATION);
    all.find(|object| object.parent.as_deref() == Some(cluster.id.as_str()) && is_running(object)).cloned()
}

fn is_running(object: &Object) -> bool {
    matches!(object.state.as_str(), "RUNNING" | "ABORTING" | "PENDING")
}

/// Refuses a change while another is under way.
///
/// # Errors
/// As GKE words it, with the operation's name.
pub(super) fn check_free(tx: &Tx<'_>, cluster: &Object) -> Result<(), Refused> {
    let Some(before) = running(tx, cluster) else { return Ok(()) };
    let name = before.name.clone().unwrap_or_default();
    let message = format!("Cluster is running incompatible operation {name}.");
    Err(Refused::precondition(message).informed_by(
        "container.googleapis.com",
        "CLUSTER_ALREADY_HAS_OPERATION",
        &[("operation", &name)],
    ))
}

/// Begins an operation; `step` is what its first moment does, after this span.
pub(super) fn begin(
    cx: &mut Cx<'_, '_>,
    cluster: &Object,
    kind: &str,
    target: &str,
    after: Duration,
    step: &str,
) -> Value {
    let location = store::location_of(&cluster.id).to_owned();
    let name = format!("operation-{}-{}", cx.tx.now().as_millisecond(), cx.tx.uuid());
    let mut object = builtin(cx.tx, &cluster.scope(), OPERATION, &store::id(&location, &name));
    object.name = Some(name.clone());
    object.parent = Some(cluster.id.clone());
    "RUNNING".clone_into(&mut object.state);
    object.due = due(cx.tx, after, step);
    object.gone_at = Some(cx.tx.now() + REMEMBERED);
    let project = cx.project.id;
    let number = cx.project.number;
    object.doc = json!({"api": {
        "name": name, "operationType": kind, "location": location, "zone": location, "startTime": stamp(cx.tx.now()),
        "targetLink": format!("{LINK}projects/{number}/{}", target.split_once(&format!("projects/{project}/")).map_or(target, |(_, rest)| rest)),
        "selfLink": format!("{LINK}projects/{number}/locations/{location}/operations/{name}"),
    }});
    cx.tx.put(object.clone());
    view(cx.tx, &object)
}

fn stage(at: usize, names: &[&str]) -> Value {
    let word = |index: usize| match index.cmp(&at) {
        std::cmp::Ordering::Less => "DONE",
        std::cmp::Ordering::Equal => "RUNNING",
        std::cmp::Ordering::Greater => "PENDING",
    };
    let stages: Vec<Value> =
        names.iter().enumerate().map(|(index, name)| json!({"name": name, "status": word(index)})).collect();
    let percent = json!([{"name": "CLUSTER_HEALTHCHECKING", "intValue": (100 * at / names.len()).to_string()}]);
    json!({"status": "RUNNING", "stages": stages, "metrics": percent})
}

/// An operation as it is read.
pub(super) fn view(tx: &Tx<'_>, object: &Object) -> Value {
    let mut view = object.doc["api"].clone();
    view["status"] = json!(object.state);
    if is_running(object)
        && let Some(parent) = &object.parent
        && let Some(cluster) = tx.live(&object.scope(), CLUSTER, parent)
    {
        let up = cluster.read::<store::Cluster>().up;
        if view["operationType"] == json!("CREATE_CLUSTER") {
            let names = ["CLUSTER_CONFIGURING", "CLUSTER_DEPLOYING", "CLUSTER_HEALTHCHECKING"];
            view["progress"] = stage(if up { 2 } else { usize::from(object.due.is_some()) }, &names);
            view["detail"] =
                json!(if up { "Waiting for nodes to become healthy." } else { "Deploying the control plane." });
        }
        let conditions: Vec<Value> = store::pools(tx, cluster)
            .into_iter()
            .filter_map(|pool| pool.read::<Pool>().obstacle)
            .map(|obstacle| condition(&obstacle))
            .collect();
        if !conditions.is_empty() {
            view["nodepoolConditions"] = json!(conditions);
        }
    }
    view
}

fn find(cx: &Cx<'_, '_>, location: &str) -> Result<Object, Refused> {
    let name = cx.path.get("operationsId").cloned().unwrap_or_default();
    let found = cx.tx.get(&scope(cx.project.id, location), OPERATION, &store::id(location, &name)).cloned();
    found.ok_or_else(|| {
        Refused::not_found(format!("Not found: projects/{}/locations/{location}/operations/{name}.", cx.project.id))
    })
}

/// `operations.get`.
pub(super) fn get(cx: &mut Cx<'_, '_>, location: &str) -> Answer {
    let object = find(cx, location)?;
    Ok(view(cx.tx, &object))
}

/// `operations.list`.
pub(super) fn list(cx: &mut Cx<'_, '_>, location: &str) -> Answer {
    let own = cx.tx.all().filter(|object| object.is(OPERATION) && object.account == cx.project.id);
    let here = own.filter(|object| location == "-" || store::location_of(&object.id) == location);
    let views: Vec<Value> = here.map(|object| view(cx.tx, object)).collect();
    Ok(if views.is_empty() { json!({}) } else { json!({"operations": views}) })
}

/// `operations.cancel`: pools that are being made or resized.
pub(super) fn cancel(cx: &mut Cx<'_, '_>, location: &str) -> Answer {
    let object = find(cx, location)?;
    let kind = object.doc["api"]["operationType"].as_str().unwrap_or_default();
    if !is_running(&object) {
        return Err(Refused::precondition("Operation is already done."));
    }
    if !matches!(kind, "CREATE_NODE_POOL" | "SET_NODE_POOL_SIZE" | "UPGRADE_NODES" | "UPDATE_CLUSTER") {
        return Err(Refused::precondition(format!("Operation of type {kind} cannot be cancelled.")));
    }
    let due = due(cx.tx, Duration::from_secs(20), "cancelled");
    cx.tx.update(&object.scope(), OPERATION, &object.id, |object| {
        "ABORTING".clone_into(&mut object.state);
        object.due = due;
    });
    Ok(json!({}))
}

/// A moment of an operation.
pub(super) fn happen(tx: &mut Tx<'_>, object: &Object, what: &str) {
    let Some(parent) = &object.parent else { return };
    let Some(cluster) = tx.live(&object.scope(), CLUSTER, parent).cloned() else { return finish(tx, object, None) };
    match what {
        "control-plane" => cluster::rises(tx, &cluster, object),
        "torn-down" => cluster::torn_down(tx, &cluster),
        "gone" => {
            cluster::gone(tx, &cluster);
            finish(tx, object, None);
        }
        "pool-gone" => {
            pools::gone(tx, &cluster, object.doc["pool"].as_str().unwrap_or_default());
            finish(tx, object, None);
            settle_state(tx, &cluster);
        }
        "cancelled" => {
            let obstacle = Obstacle {
                code: "UNKNOWN".to_owned(),
                canonical: "CANCELLED".to_owned(),
                message: "The operation was cancelled.".to_owned(),
            };
            nodes::halt(tx, &cluster, &obstacle);
            finish(tx, object, Some(&obstacle));
            settle_state(tx, &cluster);
        }
        _ => {
            let error = object.doomed.then(broken);
            finish(tx, object, error.as_ref());
            settle_state(tx, &cluster);
        }
    }
}

/// What GKE says when something inside broke.
pub(super) fn broken() -> Obstacle {
    Obstacle { code: "UNKNOWN".to_owned(), canonical: "INTERNAL".to_owned(), message: "Internal error.".to_owned() }
}

/// A number for a canonical code.
fn number(canonical: &str) -> i32 {
    match canonical {
        "CANCELLED" => 1,
        "INVALID_ARGUMENT" => 3,
        "PERMISSION_DENIED" => 7,
        "RESOURCE_EXHAUSTED" => 8,
        "FAILED_PRECONDITION" => 9,
        "INTERNAL" => 13,
        "UNAVAILABLE" => 14,
        _ => 2,
    }
}

/// The operation is over.
pub(super) fn finish(tx: &mut Tx<'_>, object: &Object, error: Option<&Obstacle>) {
    let end = stamp(tx.now());
    tx.update(&object.scope(), OPERATION, &object.id, |object| {
        "DONE".clone_into(&mut object.state);
        object.due = None;
        object.doc["api"]["endTime"] = json!(end);
        if let Some(error) = error {
            object.doc["api"]["error"] = json!({"code": number(&error.canonical), "message": error.message});
            object.doc["api"]["statusMessage"] = json!(error.message);
            object.doc["api"]["nodepoolConditions"] = json!([condition(error)]);
        }
    });
}

/// A cluster is as it is when nothing is under way in it.
pub(super) fn settle_state(tx: &mut Tx<'_>, cluster: &Object) {
    change(tx, cluster, |object, _| {
        if object.state == "RECONCILING" {
            "RUNNING".clone_into(&mut object.state);
        }
    });
}

/// A pool has come to rest: the operation that waits for it ends when all pools have.
pub(super) fn settle(tx: &mut Tx<'_>, cluster: &Object) {
    let Some(operation) = running(tx, cluster) else { return };
    // Those with a moment of their own do not wait for pools.
    if operation.due.is_some() {
        return;
    }
    let pools: Vec<Object> = store::pools(tx, cluster).into_iter().cloned().collect();
    if pools.iter().any(|pool| pool.due.is_some()) {
        return;
    }
    let creating = operation.doc["api"]["operationType"] == json!("CREATE_CLUSTER");
    let only = operation.doc["pool"].as_str().map(ToOwned::to_owned);
    let concerned = |pool: &&Object| only.as_deref().is_none_or(|name| pool.name.as_deref() == Some(name));
    let mut obstacle = pools.iter().filter(concerned).find_map(|pool| pool.read::<Pool>().obstacle);
    if obstacle.is_none() && operation.doomed {
        obstacle = Some(broken());
    }
    change(tx, cluster, |object, doc| {
        let state = if creating && obstacle.is_some() { "ERROR" } else { "RUNNING" };
        state.clone_into(&mut object.state);
        if creating && let Some(obstacle) = &obstacle {
            doc.api["statusMessage"] = json!(obstacle.message);
            doc.api["conditions"] = json!([condition(obstacle)]);
        }
    });
    if let Some(obstacle) = obstacle.as_ref().filter(|_| operation.doomed) {
        for pool in pools.iter().filter(concerned) {
            store::change_pool(tx, pool, |object, doc| {
                "ERROR".clone_into(&mut object.state);
                doc.obstacle = Some(obstacle.clone());
            });
        }
    }
    finish(tx, &operation, obstacle.as_ref());
}

/// Zones that do not answer are missing from wide lists.
pub(super) fn missing_zones(tx: &Tx<'_>) -> Vec<String> {
    use crate::sandbox::world::Closed;
    let closed = tx.in_force().closed.iter().filter(|(_, why)| **why == Closed::Silent);
    closed.flat_map(|(region, _)| places::zones(region)).collect()
}
