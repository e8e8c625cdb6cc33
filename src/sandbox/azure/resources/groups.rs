//! Resource groups: made at once, deleted within minutes with everything inside, in an order that its parts allow. What
//! cannot go brings the group back, and says what it was.

use super::search;
use crate::sandbox::{
    azure::{
        compute, containerservice, locations, lro, managedidentity, network,
        path::{name_of, within},
        store::{self, GROUP, due, find, mins, of_kind, schedule, secs},
        wire::{Answer, ArmError, Cx, Outcome},
    },
    world::{Kind, Object, Tx},
};
use serde_json::{Value, json};
use std::time::Duration;

/// Locks.
pub(in super::super) const LOCK: Kind = Kind::new("authorization", "locks");

/// How often a deletion looks how far it is, and how long it tries.
const GLANCE: Duration = secs(15);
const PATIENCE: Duration = mins(20);

/// In which order what is in a group goes; what is not named goes last.
const ORDER: &[Kind] = &[
    containerservice::CLUSTER,
    compute::SCALE_SET,
    network::NIC,
    network::BALANCER,
    network::VNET,
    network::NAT,
    network::PUBLIC_IP,
    network::NSG,
    network::ROUTE_TABLE,
    compute::DISK,
    compute::SNAPSHOT,
    managedidentity::IDENTITY,
];

fn not_found(name: &str) -> ArmError {
    ArmError::new(404, "ResourceGroupNotFound", format!("Resource group '{name}' could not be found."))
}

fn being_deleted(name: &str) -> ArmError {
    let message = format!("The resource group '{name}' is in deprovisioning state and cannot perform this operation.");
    ArmError::conflict("ResourceGroupBeingDeleted", message)
}

/// Refuses what would go on in a group that is not there, or going.
///
/// # Errors
/// 404, or 409 while it is deleted.
pub(in super::super) fn check_stands(tx: &Tx<'_>, id: &str, verb: &str) -> Result<(), ArmError> {
    match of_kind(tx, GROUP, id) {
        None => Err(not_found(name_of(id))),
        Some(group) if group.state == "Deleting" && matches!(verb, "PUT" | "PATCH" | "POST") => {
            Err(being_deleted(name_of(id)))
        }
        Some(_) => Ok(()),
    }
}

/// Refuses what a lock forbids.
///
/// # Errors
/// 409 `ScopeLocked`.
pub(in super::super) fn check_locks(tx: &Tx<'_>, id: &str, deletes: bool) -> Result<(), ArmError> {
    let over = |lock: &&Object| {
        let scope = lock.text("scope");
        let level = lock.doc["properties"]["level"].as_str().unwrap_or_default();
        // A group goes only with all that is in it; a part of it may be changed whatever lies beside it.
        let reaches = within(id, scope) || deletes && within(scope, id);
        reaches && (deletes || level == "ReadOnly")
    };
    let Some(lock) = store::each(tx, LOCK).find(over) else { return Ok(()) };
    let what = if deletes { "delete" } else { "write" };
    let message = format!(
        "The scope '{id}' cannot perform {what} operation because following scope(s) are locked: '{}'. Please remove the lock and try again.",
        lock.text("scope")
    );
    Err(ArmError::conflict("ScopeLocked", message))
}

/// A group as ARM shows it.
fn view(object: &Object) -> Value {
    let mut shown = store::view(object);
    shown["properties"] = json!({"provisioningState": object.state});
    if shown["tags"].is_null() {
        shown["tags"] = json!({});
    }
    shown
}

/// Makes a group on a service's behalf: the one with a cluster's machines.
pub(in super::super) fn make(tx: &mut Tx<'_>, id: &str, location: &str, owner: &str, tags: Value) {
    let mut group = store::by_controller(store::resource(tx, GROUP, id, location, &json!({"tags": tags})));
    "Succeeded".clone_into(&mut group.state);
    group.parent = Some(owner.to_owned());
    group.doc["managedBy"] = json!(owner);
    tx.put(group);
}

pub(super) fn call(cx: &mut Cx<'_, '_>) -> Outcome {
    if !cx.target.named() {
        return list(cx);
    }
    let id = cx.target.group_id();
    let stands = of_kind(cx.tx, GROUP, &id).cloned();
    match (cx.verb, stands) {
        ("GET", Some(group)) => Ok(Answer::ok(view(&group))),
        ("HEAD", Some(_)) => Ok(Answer::empty(204)),
        ("PUT", stands) => put(cx, &id, stands),
        ("PATCH", Some(mut group)) => {
            if group.state == "Deleting" {
                return Err(being_deleted(cx.name()));
            }
            check_locks(cx.tx, &id, false)?;
            if cx.body["tags"].is_object() {
                group.tags = store::tags(&cx.body);
            }
            cx.tx.put(group.clone());
            Ok(Answer::ok(view(&group)))
        }
        ("DELETE", Some(group)) => delete(cx, &group),
        _ => Err(not_found(cx.name())),
    }
}

fn list(cx: &mut Cx<'_, '_>) -> Outcome {
    let filter = cx.asked("$filter");
    let mut found = Vec::new();
    for group in store::listed(cx.tx, GROUP, &cx.target.subscription_id()) {
        if search::fits(filter, &group)? {
            found.push(view(&group));
        }
    }
    if let Some(top) = cx.asked("$top").and_then(|top| top.parse().ok()) {
        found.truncate(top);
    }
    Ok(Answer::list(found))
}

fn put(cx: &mut Cx<'_, '_>, id: &str, stands: Option<Object>) -> Outcome {
    let location = locations::of_body(&cx.body, "Microsoft.Resources/resourceGroups")?;
    let Some(mut group) = stands else {
        let mut group = store::resource(cx.tx, GROUP, id, &location, &cx.body);
        group.parent = None;
        "Succeeded".clone_into(&mut group.state);
        group.visible_at = Some(cx.tx.read_lag());
        cx.tx.put(group.clone());
        return Ok(Answer::with(201, view(&group)));
    };
    if group.state == "Deleting" {
        return Err(being_deleted(cx.name()));
    }
    check_locks(cx.tx, id, false)?;
    if group.region != location {
        let message = format!(
            "Invalid resource group location '{location}'. The Resource group already exists in location '{}'.",
            group.region
        );
        return Err(ArmError::conflict("InvalidResourceGroupLocation", message));
    }
    group.tags = store::tags(&cx.body);
    cx.tx.put(group.clone());
    Ok(Answer::ok(view(&group)))
}

fn delete(cx: &mut Cx<'_, '_>, group: &Object) -> Outcome {
    check_locks(cx.tx, &group.id, true)?;
    let op = match lro::running(cx.tx, &group.id).map(|op| op.id.clone()) {
        Some(op) => op,
        None => {
            let op = lro::begin(cx, "Microsoft.Resources", &group.region, &group.id, "delete");
            let started = cx.tx.now().to_string();
            store::change(cx.tx, &group.id, |group| {
                "Deleting".clone_into(&mut group.state);
                group.doc[store::HIDDEN]["deletingSince"] = json!(started);
                lro::attach(group, &op);
            });
            let first = cx.tx.between(secs(10), secs(30));
            schedule(cx.tx, &group.id, first, "delete");
            op
        }
    };
    Ok(Answer::empty(202).and(lro::headers(cx, &op)))
}

/// A step of a deletion.
pub(super) fn happen(tx: &mut Tx<'_>, group: &Object, what: &str) {
    if what != "delete" || !group.is(GROUP) {
        return;
    }
    let began = group.doc["_"]["deletingSince"].as_str().and_then(|at| at.parse::<jiff::Timestamp>().ok());
    let late = began.is_some_and(|began| tx.now() > began + PATIENCE);
    let left = sweep(tx, &group.id);
    if left.is_empty() && !group.doomed {
        lro::finish_of(tx, group, Ok(()));
        store::remove(tx, &group.id);
        return;
    }
    if !late && !group.doomed {
        let glance = due(tx, GLANCE, "delete");
        store::change(tx, &group.id, |group| group.due = glance);
        return;
    }
    let ids: Vec<String> = left.iter().map(|(id, _)| id.clone()).collect();
    let message = format!(
        "Deletion of resource group '{}' did not finish within the allowed time as resources with identifiers '{}' could not be deleted. The provisioning state of the resource group will be rolled back.",
        name_of(&group.id),
        ids.join(",")
    );
    let mut error = ArmError::conflict("ResourceGroupDeletionBlocked", message);
    error.details = left.into_iter().filter_map(|(_, why)| why).map(|why| (why.code, why.message)).collect();
    lro::finish_of(tx, group, Err(error));
    store::change(tx, &group.id, |group| {
        "Succeeded".clone_into(&mut group.state);
        group.doomed = false;
    });
}

/// Removes what can go from a group now; returns what is left, and why where somebody else is to blame.
pub(in super::super) fn sweep(tx: &mut Tx<'_>, group: &str) -> Vec<(String, Option<ArmError>)> {
    let rank = |object: &Object| ORDER.iter().position(|kind| object.is(*kind)).unwrap_or(ORDER.len());
    let mut inside: Vec<Object> =
        store::all(tx).filter(|object| search::is_listed(object) && within(&object.id, group)).cloned().collect();
    inside.sort_by_key(rank);
    let mut left = Vec::new();
    for object in inside {
        if find(tx, &object.id).is_none() {
            continue;
        }
        if object.is(containerservice::CLUSTER) {
            containerservice::begin_delete(tx, &object);
            left.push((object.id, None));
            continue;
        }
        let blocked = check_locks(tx, &object.id, true).err().or_else(|| blocker(tx, &object));
        match blocked {
            Some(why) => left.push((object.id, Some(why))),
            None => store::remove(tx, &object.id),
        }
    }
    left
}

/// Why something cannot go.
fn blocker(tx: &Tx<'_>, object: &Object) -> Option<ArmError> {
    match object.service.as_str() {
        "network" => network::blocker(tx, object),
        "compute" => compute::blocker(object),
        _ => None,
    }
}
