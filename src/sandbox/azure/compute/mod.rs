//! Microsoft.Compute, as far as clusters touch it: machine sizes and quotas, disks and snapshots, and the scale sets and
//! machines of node pools, which only their cluster makes.

pub(super) mod sizes;
pub(super) mod usages;

mod skus;

use super::{
    locations, lro,
    resources::check_locks,
    store::{self, due, of_kind, secs},
    wire::{Answer, ArmError, Cx, Outcome, dig, or_default, text},
};
use crate::{
    model::{Unit, Usage},
    sandbox::world::{Kind, Object, Tx},
};
use serde_json::{Value, json};

pub(super) const DISK: Kind = Kind::new("compute", "disks");
pub(super) const SNAPSHOT: Kind = Kind::new("compute", "snapshots");
pub(super) const SCALE_SET: Kind = Kind::new("compute", "virtualMachineScaleSets");
pub(super) const MACHINE: Kind = Kind::new("compute", "virtualMachineScaleSets/virtualMachines");

const PROVISIONED: &str = "provisioned";
const DELETED: &str = "deleted";

/// Answers a call.
pub(super) fn call(cx: &mut Cx<'_, '_>) -> Outcome {
    let full = cx.target.full_type();
    let kind = match full.as_str() {
        "locations/usages" => return usages::list(cx),
        "skus" => return skus::list(cx),
        "virtualMachines" => return Ok(Answer::list(Vec::new())),
        "disks" => DISK,
        "snapshots" => SNAPSHOT,
        "virtualMachineScaleSets" => SCALE_SET,
        "virtualMachineScaleSets/virtualMachines" => MACHINE,
        _ => return Err(super::no_such_call(cx)),
    };
    if !cx.target.named() {
        let scope = match (kind, cx.target.group.is_some()) {
            (MACHINE, _) => cx.id(),
            (_, true) => cx.target.group_id(),
            (_, false) => cx.target.subscription_id(),
        };
        return Ok(Answer::list(store::listed(cx.tx, kind, &scope).iter().map(store::view).collect()));
    }
    match cx.verb {
        "GET" => Ok(Answer::ok(store::view(&store::need(cx, kind)?))),
        "PUT" => put(cx, kind),
        "PATCH" => patch(cx, kind),
        _ => delete(cx, kind),
    }
}

fn put(cx: &mut Cx<'_, '_>, kind: Kind) -> Outcome {
    let id = cx.id();
    let location = locations::of_body(&cx.body, &format!("Microsoft.Compute/{}", kind.kind))?;
    check_locks(cx.tx, &id, false)?;
    let stands = of_kind(cx.tx, kind, &id).cloned();
    let mut body = cx.body.clone();
    let option = text(&body, "properties.creationData.createOption").to_owned();
    let size = dig(&body, "properties.diskSizeGB").as_i64();
    match (option.as_str(), size) {
        ("", _) => {
            return Err(ArmError::bad("InvalidParameter", "Required parameter 'creationData' is missing (null).")
                .at("creationData"));
        }
        ("Empty", None) => {
            return Err(ArmError::bad("InvalidParameter", "Required parameter 'diskSizeGB' is missing (null).")
                .at("diskSizeGB"));
        }
        _ => {}
    }
    or_default(&mut body, "sku.name", json!("Standard_LRS"));
    or_default(&mut body, "sku.tier", json!("Standard"));
    body["properties"]["timeCreated"] = json!(cx.tx.now().to_string());
    body["properties"]["diskState"] = json!("Unattached");
    let mut object = store::resource(cx.tx, kind, &id, &location, &body);
    object.usage = disk_usage(&location, text(&body, "sku.name"), size.unwrap_or(4));
    object.visible_at = Some(cx.tx.read_lag());
    let op = lro::begin(cx, "Microsoft.Compute", &location, &id, "put");
    lro::attach(&mut object, &op);
    set_state(&mut object, "Updating");
    object.due = due(cx.tx, secs(2), PROVISIONED);
    cx.tx.put(object.clone());
    let body = store::view(&object);
    let http = if stands.is_some() { 200 } else { 202 };
    Ok(Answer::with(http, body).and(lro::headers(cx, &op)))
}

fn patch(cx: &mut Cx<'_, '_>, kind: Kind) -> Outcome {
    let mut object = store::need(cx, kind)?;
    check_locks(cx.tx, &object.id, false)?;
    if cx.body["tags"].is_object() {
        object.tags = store::tags(&cx.body);
    }
    cx.tx.put(object.clone());
    Ok(Answer::ok(store::view(&object)))
}

fn delete(cx: &mut Cx<'_, '_>, kind: Kind) -> Outcome {
    let id = cx.id();
    let Some(object) = of_kind(cx.tx, kind, &id).cloned() else { return Ok(Answer::empty(204)) };
    check_locks(cx.tx, &id, true)?;
    if let Some(why) = blocker(&object) {
        return Err(why);
    }
    let op = lro::begin(cx, "Microsoft.Compute", &object.region, &id, "delete");
    let span = if kind == SCALE_SET { secs(60) } else { secs(3) };
    let due = due(cx.tx, span, DELETED);
    store::change(cx.tx, &id, |object| {
        set_state(object, "Deleting");
        object.due = due;
        lro::attach(object, &op);
    });
    Ok(Answer::empty(202).and(lro::headers(cx, &op)))
}

fn set_state(object: &mut Object, state: &str) {
    state.clone_into(&mut object.state);
    object.doc["properties"]["provisioningState"] = json!(state);
}

/// Time passes for something of this namespace.
pub(super) fn happen(tx: &mut Tx<'_>, object: &Object, what: &str) {
    match what {
        PROVISIONED => {
            store::change(tx, &object.id, |object| set_state(object, "Succeeded"));
            lro::finish_of(tx, object, Ok(()));
        }
        DELETED => {
            lro::finish_of(tx, object, Ok(()));
            store::remove(tx, &object.id);
        }
        _ => {}
    }
}

/// Why something of this namespace cannot go.
pub(super) fn blocker(object: &Object) -> Option<ArmError> {
    let holder = object.doc["managedBy"].as_str().filter(|holder| object.is(DISK) && !holder.is_empty())?;
    let message = format!("Disk {} is attached to VM {holder}.", object.name.as_deref().unwrap_or_default());
    Some(ArmError::conflict("OperationNotAllowed", message))
}

/// What a disk costs: by the next size that is sold, a month at a time.
pub(super) fn disk_usage(location: &str, sku: &str, gib: i64) -> Vec<Usage> {
    let tier = match (sku.starts_with("Premium"), gib) {
        (true, ..=32) => "disk-P4-32GiB",
        (true, ..=128) => "disk-P10-128GiB",
        (true, ..=256) => "disk-P15-256GiB",
        (true, ..=512) => "disk-P20-512GiB",
        (true, _) => "disk-P30-1TiB",
        (false, ..=32) => "disk-S4-32GiB",
        (false, _) => "disk-S10-128GiB",
    };
    vec![store::component(location, tier, Unit::Month, 1.0)]
}

/// Makes a disk for a claim in a cluster, ready at once.
pub(super) fn make_disk(
    tx: &mut Tx<'_>,
    id: &str,
    location: &str,
    sku: &str,
    gib: u32,
    zone: Option<&str>,
    tags: &Value,
) {
    let body = json!({
        "tags": tags,
        "sku": {"name": sku, "tier": if sku.starts_with("Premium") { "Premium" } else { "Standard" }},
        "zones": zone.map(|zone| vec![zone]),
        "properties": {
            "creationData": {"createOption": "Empty"}, "diskSizeGB": gib, "diskState": "Unattached",
            "timeCreated": tx.now().to_string(), "provisioningState": "Succeeded",
        },
    });
    let mut disk = store::by_controller(store::resource(tx, DISK, id, location, &body));
    "Succeeded".clone_into(&mut disk.state);
    disk.usage = disk_usage(location, sku, i64::from(gib));
    disk.visible_at = Some(tx.read_lag());
    tx.put(disk);
}
