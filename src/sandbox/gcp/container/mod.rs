//! The pretend GKE: clusters and node pools by location, one operation a cluster, machines that start, join and go.
//!
//! What deletion leaves behind with the real one stays here, too: load balancers of Services and disks of claims.

mod balancer;
mod check;
mod cluster;
mod host;
mod nodes;
mod ops;
mod pools;
mod store;
mod update;
mod versions;

#[cfg(test)]
mod tests;

pub(in crate::sandbox) use host::Gke;

use super::{Answer, Cx, places, projects, wire::Refused};
use crate::sandbox::world::{Object, Tx};
use store::{CLUSTER, NODE_POOL, OPERATION};

/// The zone or region a call is about; `-` is every one.
fn location(cx: &Cx<'_, '_>) -> Result<String, Refused> {
    let location = cx.path.get("locationsId").cloned().unwrap_or_default();
    if location == "-" || places::is_region(&location) || places::region_of(&location).is_some() {
        return Ok(location);
    }
    let message = format!("Permission denied on 'locations/{location}' (or it may not exist).");
    Err(Refused::denied(message).informed("LOCATION_POLICY_VIOLATED", &[("location", &location)]))
}

/// Answers a call.
pub(super) fn answer(cx: &mut Cx<'_, '_>) -> Answer {
    let location = location(cx)?;
    if cx.method.mutates() {
        projects::check_billing(cx)?;
    }
    match short(cx.method.id) {
        "locations.getServerConfig" => Ok(versions::server_config()),
        "clusters.create" => cluster::create(cx, &location),
        "clusters.get" => cluster::get(cx, &location),
        "clusters.list" => cluster::list(cx, &location),
        "clusters.delete" => cluster::delete(cx, &location),
        "clusters.update" => update::cluster(cx, &location),
        "clusters.setResourceLabels" => update::labels(cx, &location),
        "clusters.fetchClusterUpgradeInfo" => update::upgrade_info(cx, &location),
        "nodePools.create" => pools::create(cx, &location),
        "nodePools.get" => pools::get(cx, &location),
        "nodePools.list" => pools::list(cx, &location),
        "nodePools.delete" => pools::delete(cx, &location),
        "nodePools.setSize" => pools::set_size(cx, &location),
        "nodePools.setAutoscaling" => pools::set_autoscaling(cx, &location),
        "nodePools.setManagement" => pools::set_management(cx, &location),
        "nodePools.update" => pools::update(cx, &location),
        "operations.get" => ops::get(cx, &location),
        "operations.list" => ops::list(cx, &location),
        "operations.cancel" => ops::cancel(cx, &location),
        _ => Err(cx.unknown()),
    }
}

/// Collection and verb of a method's id.
fn short(id: &str) -> &str {
    let mut dots = id.rmatch_indices('.').map(|(at, _)| at);
    dots.nth(1).map_or(id, |at| &id[at + 1..])
}

/// Time passes.
pub(super) fn happen(tx: &mut Tx<'_>, object: &Object, what: &str) {
    if object.is(OPERATION) {
        ops::happen(tx, object, what);
    } else if object.is(NODE_POOL) {
        nodes::happen(tx, object, what);
    }
}

/// How many clusters a project has.
fn clusters(tx: &Tx<'_>, project: &str) -> usize {
    tx.all().filter(|object| object.is(CLUSTER) && object.account == project).count()
}
