//! Microsoft.ContainerService: AKS clusters, their node pools, and the resource group that holds what a cluster makes.
//!
//! A cluster is built in steps that time takes: the group and what machines need (`infra`), the machines (`nodes`), then
//! Succeeded or Failed. One operation at a time for a cluster with all its pools.

mod cluster;
mod credentials;
mod host;
mod infra;
mod nodes;
mod pool;
mod profile;
mod removal;
mod rules;
mod versions;

#[cfg(test)]
pub(super) use host::GROUP_ID;
pub(super) use nodes::machine_ready;
pub(super) use removal::begin_delete;

use super::{
    entra::Caller,
    lro,
    path::within,
    store::{self, HIDDEN, of_kind},
    wire::{Answer, ArmError, Cx, Outcome, text},
};
use crate::sandbox::world::{Kind, Object, Tx};
use jiff::Timestamp;
use serde_json::{Value, json};

pub(super) const CLUSTER: Kind = Kind::new("containerservice", "managedClusters");
pub(super) const POOL: Kind = Kind::new("containerservice", "managedClusters/agentPools");

/// Answers a call.
pub(super) fn call(cx: &mut Cx<'_, '_>) -> Outcome {
    let full = cx.target.full_type();
    match (cx.verb, full.as_str(), cx.target.named()) {
        ("GET", "locations/kubernetesVersions", _) => versions::list(cx),
        ("GET", "managedClusters", false) => {
            let scope = if cx.target.group.is_some() { cx.target.group_id() } else { cx.target.subscription_id() };
            let found = store::listed(cx.tx, CLUSTER, &scope);
            Ok(Answer::list(found.iter().map(|object| view(cx.tx, object)).collect()))
        }
        ("GET", "managedClusters", true) => {
            let object = store::need(cx, CLUSTER)?;
            Ok(Answer::ok(view(cx.tx, &object)))
        }
        ("PUT", "managedClusters", _) => cluster::put(cx),
        ("PATCH", "managedClusters", _) => cluster::patch(cx),
        ("DELETE", "managedClusters", _) => removal::delete(cx),
        ("POST", "managedClusters/listClusterUserCredential", _) => credentials::user(cx),
        ("POST", "managedClusters/listClusterMonitoringUserCredential", _) => credentials::user(cx),
        ("POST", "managedClusters/listClusterAdminCredential", _) => credentials::admin(cx),
        ("POST", "managedClusters/abort", _) => cluster::abort(cx),
        ("POST", "managedClusters/stop", _) => cluster::power(cx, false),
        ("POST", "managedClusters/start", _) => cluster::power(cx, true),
        ("GET", "managedClusters/agentPools", false) => {
            let owner = owner(cx)?;
            let pools = pools(cx.tx, &owner.id);
            Ok(Answer::list(pools.iter().map(|object| view(cx.tx, object)).collect()))
        }
        ("GET", "managedClusters/agentPools", true) => {
            let pool = pool::need(cx)?;
            Ok(Answer::ok(view(cx.tx, &pool)))
        }
        ("PUT", "managedClusters/agentPools", _) => pool::put(cx),
        ("DELETE", "managedClusters/agentPools", _) => pool::delete(cx),
        ("POST", "managedClusters/agentPools/abort", _) => pool::abort(cx),
        ("POST", "managedClusters/agentPools/upgradeNodeImageVersion", _) => pool::upgrade_image(cx),
        ("GET", "managedClusters/upgradeProfiles", true) => versions::cluster_upgrades(cx),
        ("GET", "managedClusters/agentPools/upgradeProfiles", true) => versions::pool_upgrades(cx),
        ("GET", "managedClusters/availableAgentPoolVersions", false) => versions::for_pools(cx),
        ("GET", "managedClusters/maintenanceConfigurations" | "snapshots", false) => Ok(Answer::list(Vec::new())),
        _ => Err(super::no_such_call(cx)),
    }
}

/// The cluster that the path names a part of.
fn owner(cx: &Cx<'_, '_>) -> Result<Object, ArmError> {
    let id = cluster_id(cx);
    of_kind(cx.tx, CLUSTER, &id).cloned().ok_or_else(|| store::not_found(&id))
}

/// The id of the cluster that the path names, or names a part of.
fn cluster_id(cx: &Cx<'_, '_>) -> String {
    let name = cx.target.names.first().map_or("", String::as_str);
    format!("{}/providers/Microsoft.ContainerService/managedClusters/{name}", cx.target.group_id())
}

/// The pools of a cluster.
fn pools(tx: &Tx<'_>, cluster: &str) -> Vec<Object> {
    let own = |pool: &&Object| pool.parent.as_deref().is_some_and(|parent| parent.eq_ignore_ascii_case(cluster));
    store::each(tx, POOL).filter(own).cloned().collect()
}

/// Time passes for a cluster or a pool.
pub(super) fn happen(tx: &mut Tx<'_>, object: &Object, what: &str) {
    if object.is(CLUSTER) {
        cluster::happen(tx, object, what);
    } else {
        pool::happen(tx, object, what);
    }
}

/// A cluster or pool as AKS shows it.
pub(super) fn view(tx: &Tx<'_>, object: &Object) -> Value {
    let mut shown = store::view(object);
    shown["properties"]["provisioningState"] = json!(object.state);
    if object.is(POOL) {
        shown["properties"]["eTag"] = json!(store::etag(object));
        if !object.tags.is_empty() {
            shown["properties"]["tags"] = json!(object.tags);
        }
        return shown;
    }
    shown["eTag"] = json!(store::etag(object));
    let profile = |pool: &Object| {
        let mut profile = view(tx, pool)["properties"].clone();
        profile["name"] = json!(pool.name);
        profile
    };
    shown["properties"]["agentPoolProfiles"] = pools(tx, &object.id).iter().map(profile).collect();
    shown["identity"] = identity(tx, object);
    super::wire::prune(&mut shown);
    shown
}

/// The identity with the principals behind it.
fn identity(tx: &Tx<'_>, cluster: &Object) -> Value {
    let mut identity = cluster.doc["identity"].clone();
    match text(&identity, "type") {
        "SystemAssigned" => {
            identity["principalId"] = cluster.doc[HIDDEN]["principal"].clone();
            identity["tenantId"] = json!(super::TENANT);
        }
        "UserAssigned" => {
            for (id, value) in
                identity.get_mut("userAssignedIdentities").and_then(Value::as_object_mut).into_iter().flatten()
            {
                if let Some(own) = of_kind(tx, super::managedidentity::IDENTITY, id) {
                    *value = json!({
                        "clientId": own.doc["properties"]["clientId"], "principalId": own.doc["properties"]["principalId"],
                    });
                }
            }
        }
        _ => {}
    }
    identity
}

/// The principal that a cluster acts as.
fn principal(tx: &Tx<'_>, cluster: &Object) -> String {
    let identity = identity(tx, cluster);
    let own = identity["userAssignedIdentities"].as_object().and_then(|map| map.values().next());
    let found = own.map_or(&identity["principalId"], |own| &own["principalId"]);
    found.as_str().unwrap_or_default().to_owned()
}

/// Since when the directory knows a cluster's own principal.
pub(super) fn principal_known_at(tx: &Tx<'_>, principal: &str) -> Option<Timestamp> {
    let own = |cluster: &&Object| cluster.doc[HIDDEN]["principal"] == json!(principal);
    store::each(tx, CLUSTER).find(own).map(|cluster| cluster.created_at)
}

/// Refuses a second operation while one goes on.
fn check_idle(tx: &Tx<'_>, cluster: &Object) -> Result<(), ArmError> {
    let pools = pools(tx, &cluster.id);
    let busy = std::iter::once(cluster).chain(&pools).find(|object| is_busy(&object.state));
    let Some(busy) = busy else { return Ok(()) };
    let started = lro::attached(busy)
        .and_then(|op| tx.all().find(|object| object.id == op).map(|op| op.text("start").to_owned()))
        .unwrap_or_default();
    let (what, name) = match busy.is(POOL) {
        true => ("agent pool", busy.name.as_deref().unwrap_or_default()),
        false => ("managed cluster", busy.name.as_deref().unwrap_or_default()),
    };
    let message = format!(
        "Operation is not allowed because there's an in progress {} operation on the {what} {name} started at {started}. Please wait for it to finish before starting a new operation. See https://aka.ms/aks-pending-operation for more details",
        match busy.state.as_str() {
            "Creating" => "PutManagedClusterHandler.PUT",
            "Deleting" => "DeleteManagedClusterHandler.DELETE",
            _ => "Update",
        }
    );
    Err(ArmError::conflict("OperationNotAllowed", message))
}

/// Refuses what somebody would change by hand in a node group that is locked down.
///
/// # Errors
/// 403 `DenyAssignmentAuthorizationFailed`.
pub(super) fn check_denied(tx: &Tx<'_>, caller: &Caller, action: &str, scope: &str) -> Result<(), ArmError> {
    let over = |cluster: &&Object| {
        let locked = text(&cluster.doc, "properties.nodeResourceGroupProfile.restrictionLevel") == "ReadOnly";
        locked && within(scope, &infra::group_id(cluster))
    };
    let Some(cluster) = store::each(tx, CLUSTER).find(over) else { return Ok(()) };
    let group = infra::group_id(cluster);
    let message = format!(
        "The client '{}' with object id '{}' has permission to perform action '{action}' on scope '{scope}'; however, the access is denied because of the deny assignment with name '[Deny assignment created by AKS to protect {}]' and Id '{}' at scope '{group}'.",
        caller.app,
        caller.object,
        cluster.name.as_deref().unwrap_or_default(),
        text(&cluster.doc, "_.uid"),
    );
    Err(ArmError::new(403, "DenyAssignmentAuthorizationFailed", message))
}

/// Whether something goes on.
fn is_busy(state: &str) -> bool {
    !matches!(state, "Succeeded" | "Failed" | "Canceled")
}

/// Changes the `properties` of what stands.
fn set(tx: &mut Tx<'_>, id: &str, change: impl FnOnce(&mut Value)) {
    store::change(tx, id, |object| change(&mut object.doc["properties"]));
}

/// Sets the state, with a new version.
fn set_state(tx: &mut Tx<'_>, id: &str, state: &str) {
    let etag = tx.uuid();
    store::change(tx, id, |object| {
        state.clone_into(&mut object.state);
        object.doc[HIDDEN]["etag"] = json!(etag);
    });
}
