//! Microsoft.Network: virtual networks and what stands in and around them. Every write takes some seconds, one at a time
//! for a network and its subnets; nothing goes that something else names.

mod parts;
pub(super) mod usages;
mod views;
mod vnet;

pub(super) use views::view;

use super::{
    access, locations, lro,
    path::within,
    resources::check_locks,
    store::{self, due, find, of_kind, schedule, secs},
    wire::{Answer, ArmError, Cx, Outcome, dig},
};
use crate::{
    model::Unit,
    sandbox::world::{Kind, Object, Tx},
};
use serde_json::{Value, json};

pub(super) const VNET: Kind = Kind::new("network", "virtualNetworks");
pub(super) const SUBNET: Kind = Kind::new("network", "virtualNetworks/subnets");
pub(super) const NAT: Kind = Kind::new("network", "natGateways");
pub(super) const PUBLIC_IP: Kind = Kind::new("network", "publicIPAddresses");
pub(super) const NSG: Kind = Kind::new("network", "networkSecurityGroups");
pub(super) const ROUTE_TABLE: Kind = Kind::new("network", "routeTables");
pub(super) const BALANCER: Kind = Kind::new("network", "loadBalancers");
pub(super) const NIC: Kind = Kind::new("network", "networkInterfaces");

const PROVISIONED: &str = "provisioned";
const DELETED: &str = "deleted";

fn kind(name: &str) -> Option<Kind> {
    [VNET, SUBNET, NAT, PUBLIC_IP, NSG, ROUTE_TABLE, BALANCER, NIC].into_iter().find(|kind| kind.kind == name)
}

/// Answers a call.
pub(super) fn call(cx: &mut Cx<'_, '_>) -> Outcome {
    let full = cx.target.full_type();
    if full == "locations/usages" {
        return usages::list(cx);
    }
    let Some(kind) = kind(&full) else { return Err(super::no_such_call(cx)) };
    if cx.target.named() {
        return match cx.verb {
            "GET" => {
                let object = need(cx, kind)?;
                Ok(Answer::ok(view(cx.tx, &object)).and(etag_header(&object)))
            }
            "PUT" => put(cx, kind),
            "PATCH" => patch(cx, kind),
            _ => delete(cx, kind),
        };
    }
    let scope = match (kind, cx.target.group.is_some()) {
        (SUBNET, _) => {
            let parent = cx.id();
            let vnet = parent.trim_end_matches("/subnets").to_owned();
            of_kind(cx.tx, VNET, &vnet).ok_or_else(|| store::not_found(&vnet))?;
            vnet
        }
        (_, true) => cx.target.group_id(),
        (_, false) => cx.target.subscription_id(),
    };
    let found = store::listed(cx.tx, kind, &scope);
    Ok(Answer::list(found.iter().map(|object| view(cx.tx, object)).collect()))
}

fn etag_header(object: &Object) -> Vec<(&'static str, String)> {
    vec![("etag", format!("W/\"{}\"", store::etag(object)))]
}

fn need(cx: &Cx<'_, '_>, kind: Kind) -> Result<Object, ArmError> {
    let id = cx.id();
    if let Some(object) = of_kind(cx.tx, kind, &id) {
        return Ok(object.clone());
    }
    if kind != SUBNET {
        return Err(store::not_found(&id));
    }
    let vnet = store::parent_of(&id).unwrap_or_default();
    of_kind(cx.tx, VNET, &vnet).ok_or_else(|| store::not_found(&vnet))?;
    Err(ArmError::new(404, "NotFound", format!("Resource {id} not found.")))
}

/// What nobody else may write to meanwhile: a network counts with all its subnets.
fn busy(tx: &Tx<'_>, id: &str, kind: Kind) -> Option<String> {
    let root = if kind == SUBNET { store::parent_of(id).unwrap_or_default() } else { id.to_owned() };
    let moving =
        |object: &&Object| within(&object.id, &root) && matches!(object.state.as_str(), "Updating" | "Deleting");
    store::all(tx).filter(|object| object.service == "network").find(moving).map(|object| object.id.clone())
}

fn check_idle(cx: &Cx<'_, '_>, kind: Kind) -> Result<(), ArmError> {
    let id = cx.id();
    if busy(cx.tx, &id, kind).is_none() {
        return Ok(());
    }
    let message = "Another operation on this or dependent resource is in progress. To retrieve status of the operation use the URI in the Azure-AsyncOperation header of the call that began it.";
    Err(ArmError::new(429, "AnotherOperationInProgress", message).with_header("retry-after", "10"))
}

/// Ids that a document names: `{"id": "…"}` anywhere in it.
fn named(doc: &Value, found: &mut Vec<String>) {
    match doc {
        Value::Object(map) => {
            for (key, value) in map.iter().filter(|(key, _)| *key != store::HIDDEN) {
                match value.as_str().filter(|text| key == "id" && text.starts_with('/')) {
                    Some(id) => found.push(id.to_owned()),
                    None => named(value, found),
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|one| named(one, found)),
        _ => {}
    }
}

/// Who names this, or something inside it: ids of the resources that do.
pub(super) fn referrers(tx: &Tx<'_>, id: &str) -> Vec<(Object, String)> {
    let mut all = Vec::new();
    for object in store::all(tx).filter(|object| matches!(object.service.as_str(), "network" | "compute")) {
        if within(&object.id, id) {
            continue;
        }
        let mut ids = Vec::new();
        named(&object.doc, &mut ids);
        all.extend(ids.into_iter().find(|one| within(one, id)).map(|one| (object.clone(), one)));
    }
    all
}

/// Why something of this namespace cannot go.
pub(super) fn blocker(tx: &Tx<'_>, object: &Object) -> Option<ArmError> {
    let (id, name) = (object.id.as_str(), object.name.as_deref().unwrap_or_default());
    // A network's parts are in use by their users, not by its other parts.
    let users: Vec<(Object, String)> = referrers(tx, id);
    let first = users.first()?;
    let ids: Vec<&str> = users.iter().map(|(user, _)| user.id.as_str()).collect();
    let (code, message) = match object.kind.as_str() {
        "virtualNetworks" | "virtualNetworks/subnets" => {
            let subnet = if object.is(SUBNET) { name } else { super::path::name_of(&first.1) };
            (
                "InUseSubnetCannotBeDeleted",
                format!(
                    "Subnet {subnet} is in use by {} and cannot be deleted. In order to delete the subnet, delete all the resources within the subnet. See aka.ms/deletesubnet.",
                    first.0.id
                ),
            )
        }
        "natGateways" => (
            "InUseNatGatewayCannotBeDeleted",
            format!("Nat Gateway {id} is in use by the following subnets: {} and cannot be deleted.", ids.join(", ")),
        ),
        "publicIPAddresses" => (
            "PublicIPAddressCannotBeDeleted",
            format!(
                "Public IP address {id} can not be deleted since it is still allocated to resource {}. In order to delete the public IP, disassociate/detach the Public IP address from the resource.  To learn how to do this, see aka.ms/deletepublicip.",
                first.0.id
            ),
        ),
        "networkSecurityGroups" => (
            "InUseNetworkSecurityGroupCannotBeDeleted",
            format!(
                "Network security group {id} cannot be deleted because it is in use by the following resources: {}. In order to delete the Network security group, remove the association with the resource(s). To learn how to do this, see aka.ms/deletensg.",
                ids.join(", ")
            ),
        ),
        "routeTables" => {
            ("InUseRouteTableCannotBeDeleted", format!("Route table {name} is in use and cannot be deleted."))
        }
        "loadBalancers" => (
            "LoadBalancerInUseByVirtualMachineScaleSet",
            format!(
                "Cannot delete load balancer {id} since its child resources {} are in use by virtual machine scale set {}.",
                first.1, first.0.id
            ),
        ),
        _ => (
            "NicInUse",
            format!(
                "Network Interface {id} is used by existing resource {}. In order to delete the network interface, it must be dissociated from the resource. To learn more, see aka.ms/deletenic.",
                first.0.id
            ),
        ),
    };
    Some(ArmError::bad(code, message))
}

/// Judges what a body names: it must stand, be ready, and be in the same place; and the caller must be allowed to use it.
fn check_named(cx: &mut Cx<'_, '_>, location: &str) -> Result<(), ArmError> {
    let mut ids = Vec::new();
    named(&cx.body, &mut ids);
    let own = cx.id();
    for id in ids.into_iter().filter(|id| !within(id, &own)) {
        let Some(other) = find(cx.tx, &id).cloned() else {
            let message = format!(
                "Resource {id} referenced by resource {own} was not found. Please make sure that the referenced resource exists, and that both resources are in the same region."
            );
            return Err(ArmError::bad("InvalidResourceReference", message));
        };
        if other.region != location {
            let message = format!(
                "Resource {id} referenced by resource {own} was not found in region '{location}'. Please make sure that both resources are in the same region."
            );
            return Err(ArmError::bad("InvalidResourceReference", message));
        }
        if other.service == "network" && other.state != "Succeeded" {
            let message = format!(
                "Cannot proceed with operation because resource {id} used by resource {own} is not in Succeeded state. Resource is in {} state and the last operation that updated/is updating the resource is PutOperation.",
                other.state
            );
            return Err(ArmError::new(429, "ReferencedResourceNotProvisioned", message).with_header("retry-after", "5"));
        }
        let action = format!("{}/join/action", store::type_of(&other));
        let write = format!("Microsoft.Network/{}/write", cx.target.full_type());
        access::linked(cx, &write, &action, &other.id)?;
    }
    Ok(())
}

fn put(cx: &mut Cx<'_, '_>, kind: Kind) -> Outcome {
    let id = cx.id();
    let stands = of_kind(cx.tx, kind, &id).cloned();
    store::check_match(cx, stands.as_ref())?;
    check_locks(cx.tx, &id, false)?;
    check_idle(cx, kind)?;
    let location = match kind {
        SUBNET => {
            let vnet = store::parent_of(&id).unwrap_or_default();
            let vnet = of_kind(cx.tx, VNET, &vnet).ok_or_else(|| store::not_found(&vnet))?;
            vnet.region.clone()
        }
        _ => locations::of_body(&cx.body, &format!("Microsoft.Network/{}", kind.kind))?,
    };
    if let Some(stands) = stands.as_ref().filter(|stands| stands.region != location) {
        let message = format!(
            "The resource '{}' already exists in location '{}' in resource group '{}'. A resource with the same name cannot be created in location '{location}'. Please select a new resource name.",
            cx.name(),
            stands.region,
            cx.target.group.as_deref().unwrap_or_default()
        );
        return Err(ArmError::conflict("InvalidResourceLocation", message));
    }
    check_named(cx, &location)?;
    if stands.is_none() {
        usages::check(cx.tx, kind, &location)?;
    }
    let mut body = cx.body.clone();
    parts::complete(cx, kind, &mut body, stands.as_ref())?;
    let mut object = store::resource(cx.tx, kind, &id, &location, &body);
    if let Some(stands) = &stands {
        object.created_at = stands.created_at;
        object.visible_at = stands.visible_at;
        object.doc[store::HIDDEN] = stands.doc[store::HIDDEN].clone();
    } else {
        object.visible_at = Some(cx.tx.read_lag());
        object.doc[store::HIDDEN] = json!({"guid": cx.tx.uuid()});
    }
    object.doc[store::HIDDEN]["tagged"] = json!(cx.body["tags"].is_object());
    if kind == VNET {
        vnet::replace_subnets(cx, &id, &location, &body)?;
        if let Some(properties) = object.doc["properties"].as_object_mut() {
            properties.remove("subnets");
        }
    }
    object.usage = usage(kind, &location, &object.doc);
    "Updating".clone_into(&mut object.state);
    let op = lro::begin(cx, "Microsoft.Network", &location, &id, "put");
    lro::attach(&mut object, &op);
    store::stamp(cx.tx, &mut object);
    let span = match kind {
        NAT => cx.tx.between(secs(8), secs(20)),
        BALANCER | NIC => cx.tx.between(secs(4), secs(10)),
        _ => cx.tx.between(secs(2), secs(7)),
    };
    object.due = due(cx.tx, span, PROVISIONED);
    cx.tx.put(object.clone());
    Ok(lro::answer(cx, &object, stands.is_none(), Some(&op)))
}

/// What stands of this kind costs.
fn usage(kind: Kind, location: &str, doc: &Value) -> Vec<crate::model::Usage> {
    let standard = dig(doc, "sku.name").as_str() == Some("Standard");
    match kind {
        NAT => vec![store::component(location, "nat-gateway", Unit::Hour, 1.0)],
        PUBLIC_IP if standard => vec![store::component(location, "public-ip-standard-static", Unit::Hour, 1.0)],
        _ => Vec::new(),
    }
}

/// Makes something of this namespace on a service's behalf, ready at once.
pub(super) fn make(tx: &mut Tx<'_>, kind: Kind, id: &str, location: &str, body: &Value) -> Object {
    let mut object = store::by_controller(store::resource(tx, kind, id, location, body));
    "Succeeded".clone_into(&mut object.state);
    object.doc[store::HIDDEN] = json!({"guid": tx.uuid(), "tagged": true});
    if kind == PUBLIC_IP {
        object.doc["properties"]["ipAddress"] = json!(parts::public_address(tx));
    }
    object.usage = usage(kind, location, &object.doc);
    object.visible_at = Some(tx.read_lag());
    store::stamp(tx, &mut object);
    tx.put(object.clone());
    object
}

fn patch(cx: &mut Cx<'_, '_>, kind: Kind) -> Outcome {
    let mut object = need(cx, kind)?;
    store::check_match(cx, Some(&object))?;
    check_locks(cx.tx, &object.id, false)?;
    check_idle(cx, kind)?;
    if cx.body["tags"].is_object() {
        object.tags = store::tags(&cx.body);
        object.doc[store::HIDDEN]["tagged"] = json!(true);
    }
    store::stamp(cx.tx, &mut object);
    cx.tx.put(object.clone());
    Ok(Answer::ok(view(cx.tx, &object)))
}

fn delete(cx: &mut Cx<'_, '_>, kind: Kind) -> Outcome {
    let id = cx.id();
    let Some(object) = of_kind(cx.tx, kind, &id).cloned() else { return Ok(Answer::empty(204)) };
    store::check_match(cx, Some(&object))?;
    check_locks(cx.tx, &id, true)?;
    if object.state == "Deleting"
        && let Some(op) = lro::attached(&object)
    {
        return Ok(Answer::empty(202).and(lro::headers(cx, &op)));
    }
    check_idle(cx, kind)?;
    if let Some(why) = blocker(cx.tx, &object) {
        return Err(why);
    }
    let op = lro::begin(cx, "Microsoft.Network", &object.region, &id, "delete");
    let span = cx.tx.between(secs(3), if kind == NAT { secs(15) } else { secs(10) });
    let due = due(cx.tx, span, DELETED);
    store::change(cx.tx, &id, |object| {
        "Deleting".clone_into(&mut object.state);
        object.due = due;
        lro::attach(object, &op);
    });
    Ok(Answer::empty(202).and(lro::headers(cx, &op)))
}

/// Time passes for something of this namespace.
pub(super) fn happen(tx: &mut Tx<'_>, object: &Object, what: &str) {
    let failed = || ArmError::new(500, "InternalServerError", "An error occurred.");
    let again = if what == PROVISIONED { None } else { blocker(tx, object) };
    match (what, object.doomed, again) {
        (PROVISIONED, true, _) => {
            store::change(tx, &object.id, |object| {
                "Failed".clone_into(&mut object.state);
                object.doomed = false;
            });
            lro::finish_of(tx, object, Err(failed()));
        }
        (PROVISIONED, false, _) => {
            store::change(tx, &object.id, |object| "Succeeded".clone_into(&mut object.state));
            lro::finish_of(tx, object, Ok(()));
        }
        (DELETED, _, None) => {
            lro::finish_of(tx, object, Ok(()));
            store::remove(tx, &object.id);
        }
        (DELETED, _, Some(why)) => {
            // Somebody came to use it in the meantime.
            store::change(tx, &object.id, |object| "Succeeded".clone_into(&mut object.state));
            lro::finish_of(tx, object, Err(why));
        }
        _ => schedule(tx, &object.id, secs(5), PROVISIONED),
    }
}

/// The subnet of this id, if it stands.
pub(super) fn subnet<'a>(tx: &'a Tx<'_>, id: &str) -> Option<&'a Object> {
    of_kind(tx, SUBNET, id)
}

/// Whether machines in this subnet reach the outside by themselves: a NAT gateway that has an address, or the default way.
pub(super) fn way_out(tx: &Tx<'_>, subnet: &Object) -> bool {
    let properties = &subnet.doc["properties"];
    let nat = properties["natGateway"]["id"].as_str().and_then(|id| of_kind(tx, NAT, id));
    let through_nat = nat.is_some_and(|nat| {
        let addresses = nat.doc["properties"]["publicIpAddresses"].as_array().map_or(0, Vec::len);
        nat.state == "Succeeded" && addresses > 0
    });
    through_nat || properties["defaultOutboundAccess"] != json!(false)
}

/// Whether a NAT gateway stands at this subnet.
pub(super) fn has_nat(subnet: &Object) -> bool {
    subnet.doc["properties"]["natGateway"]["id"].is_string()
}

/// The ranges of a subnet.
pub(super) fn ranges(subnet: &Object) -> Vec<ipnet::Ipv4Net> {
    vnet::prefixes(&subnet.doc["properties"]).iter().filter_map(|range| range.parse().ok()).collect()
}

/// The ranges of the network that a subnet is in.
pub(super) fn network_ranges(tx: &Tx<'_>, subnet: &str) -> Vec<ipnet::Ipv4Net> {
    let vnet = store::parent_of(subnet).and_then(|id| of_kind(tx, VNET, &id));
    let space = vnet.map(|vnet| super::wire::texts(dig(&vnet.doc, "properties.addressSpace.addressPrefixes")));
    space.unwrap_or_default().iter().filter_map(|range| range.parse().ok()).collect()
}
