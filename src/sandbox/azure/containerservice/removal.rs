//! The end of a cluster: its control plane, and then the node group with everything that the cluster put into it. What
//! somebody else put there stops it.

use super::{CLUSTER, cluster, infra, is_busy, pools, set_state};
use crate::sandbox::{
    azure::{
        compute::SCALE_SET,
        lro,
        path::{name_of, within},
        resources::{check_locks, groups},
        store::{self, HIDDEN, due, mins, of_kind, schedule, secs},
        wire::{Answer, ArmError, Cx, Outcome},
    },
    kubernetes,
    world::{Object, Origin, Tx},
};
use serde_json::json;
use std::time::Duration;

/// What `due` calls a look at how far it is.
pub(super) const SWEEP: &str = "sweep";
/// How often it looks, and how long it tries.
const GLANCE: Duration = secs(30);
const PATIENCE: Duration = mins(40);

/// `DELETE …/managedClusters/{name}`.
pub(super) fn delete(cx: &mut Cx<'_, '_>) -> Outcome {
    let id = cx.id();
    let Some(cluster) = of_kind(cx.tx, CLUSTER, &id).cloned() else { return Ok(Answer::empty(204)) };
    store::check_match(cx, Some(&cluster))?;
    check_locks(cx.tx, &cluster.id, true)?;
    if cluster.state == "Deleting"
        && let Some(op) = lro::attached(&cluster)
    {
        return Ok(Answer::empty(202).and(lro::headers(cx, &op)));
    }
    // A deletion goes before whatever is under way.
    if let Some(op) = lro::attached(&cluster).filter(|_| is_busy(&cluster.state)) {
        lro::cancel(cx.tx, &op);
    }
    let op = lro::begin(cx, "Microsoft.ContainerService", &cluster.region, &cluster.id, "DeleteManagedCluster");
    start_delete(cx.tx, &cluster, Some(&op));
    Ok(Answer::empty(202).and(lro::headers(cx, &op)))
}

/// Begins to delete a cluster with the group it is in.
pub(in super::super) fn begin_delete(tx: &mut Tx<'_>, cluster: &Object) {
    if cluster.state != "Deleting" {
        if let Some(op) = lro::attached(cluster).filter(|_| is_busy(&cluster.state)) {
            lro::cancel(tx, &op);
        }
        start_delete(tx, cluster, None);
    }
}

fn start_delete(tx: &mut Tx<'_>, cluster: &Object, op: Option<&str>) {
    set_state(tx, &cluster.id, "Deleting");
    let span = tx.between(secs(60), secs(120));
    let (due, now) = (due(tx, span, SWEEP), tx.now().to_string());
    for pool in pools(tx, &cluster.id) {
        if let Some(op) = lro::attached(&pool).filter(|_| is_busy(&pool.state)) {
            lro::cancel(tx, &op);
        }
        set_state(tx, &pool.id, "Deleting");
        store::change(tx, &pool.id, |pool| pool.due = None);
    }
    store::change(tx, &cluster.id, |cluster| {
        cluster.due = due;
        cluster.doomed = false;
        cluster.doc[HIDDEN]["since"] = json!(now);
        cluster.doc[HIDDEN]["op"] = json!(op);
    });
}

/// The control plane goes, then the node group with all that AKS put into it; what somebody else put there stops it.
pub(super) fn sweep(tx: &mut Tx<'_>, cluster: &Object) {
    let group = infra::group_id(cluster);
    let foreign: Vec<Object> = store::all(tx)
        .filter(|object| object.parent.is_some() && within(&object.id, &group) && object.id != group)
        .filter(|object| !matches!(object.created_by, Origin::Controller | Origin::Builtin))
        .filter(|object| !matches!(object.service.as_str(), "authorization" | "sandbox"))
        .cloned()
        .collect();
    infra::detach(tx, cluster);
    let left = if foreign.is_empty() { groups::sweep(tx, &group) } else { sweep_own(tx, &group) };
    if left.is_empty() && foreign.is_empty() {
        if of_kind(tx, store::GROUP, &group).is_some() {
            store::remove(tx, &group);
        }
        lro::finish_of(tx, cluster, Ok(()));
        kubernetes::forget_cluster(tx, &cluster.scope(), &cluster.id);
        store::remove(tx, &cluster.id);
        return;
    }
    if tx.now() < cluster::since(cluster) + PATIENCE {
        return schedule(tx, &cluster.id, GLANCE, SWEEP);
    }
    let ids: Vec<String> =
        foreign.into_iter().map(|object| object.id).chain(left.into_iter().map(|(id, _)| id)).collect();
    let message = format!(
        "Deletion of resource group '{}' did not finish within the allowed time as resources with identifiers '{}' could not be deleted. The provisioning state of the resource group will be rolled back.",
        name_of(&group),
        ids.join(",")
    );
    cluster::fail(tx, cluster, ArmError::conflict("ResourceGroupDeletionTimeout", message));
}

/// Removes the machines all the same: they are AKS's own.
fn sweep_own(tx: &mut Tx<'_>, group: &str) -> Vec<(String, Option<ArmError>)> {
    let sets = store::each(tx, SCALE_SET);
    let sets: Vec<String> = sets.filter(|set| within(&set.id, group)).map(|set| set.id.clone()).collect();
    for set in sets {
        store::remove(tx, &set);
    }
    Vec::new()
}
