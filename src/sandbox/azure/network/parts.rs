//! The rules of each type for what a body says, and what is taken where it says nothing.

use super::{BALANCER, NAT, NIC, NSG, PUBLIC_IP, ROUTE_TABLE, SUBNET, VNET, vnet};
use crate::sandbox::{
    azure::{
        locations,
        store::of_kind,
        wire::{ArmError, Cx, dig, or_default, text, texts},
    },
    world::{Kind, Object, Tx},
};
use serde_json::{Value, json};

/// Judges a body and completes it.
///
/// # Errors
/// In the service's words.
pub(super) fn complete(
    cx: &mut Cx<'_, '_>,
    kind: Kind,
    body: &mut Value,
    stands: Option<&Object>,
) -> Result<(), ArmError> {
    match kind {
        VNET => vnet::check(cx, body),
        SUBNET => vnet::check_one(cx, body),
        NAT => nat(cx, body),
        PUBLIC_IP => address(cx, body, stands),
        NSG => group(body),
        ROUTE_TABLE => routes(body),
        BALANCER => balancer(cx, body),
        NIC => interface(cx, body),
        _ => Ok(()),
    }
}

fn check_zones(cx: &Cx<'_, '_>, body: &Value) -> Result<(), ArmError> {
    let zones = texts(&body["zones"]);
    let there = locations::zones(text(body, "location"));
    let Some(lost) = zones.iter().find(|zone| !there.contains(&zone.as_str())) else { return Ok(()) };
    let message = format!(
        "The zone(s) '{lost}' for resource '{}' is not supported. The supported zones for location '{}' are '{}'",
        cx.id(),
        text(body, "location"),
        there.join(",")
    );
    Err(ArmError::bad("LocationDoesNotSupportAvailabilityZones", message))
}

fn nat(cx: &Cx<'_, '_>, body: &mut Value) -> Result<(), ArmError> {
    check_zones(cx, body)?;
    let sku = text(body, "sku.name").to_owned();
    if sku.is_empty() {
        let message = format!("Nat Gateway {} must have a sku.", cx.id());
        return Err(ArmError::bad("NatGatewaySkuNotSpecified", message));
    }
    let zones = texts(&body["zones"]);
    if zones.len() > 1 && sku == "Standard" {
        let message =
            format!("Resource {} has invalid zones: a NAT gateway of this SKU stands in one zone or in none.", cx.id());
        return Err(ArmError::bad("NatGatewayMultipleZonesNotSupported", message));
    }
    for address in dig(body, "properties.publicIpAddresses").as_array().into_iter().flatten() {
        let id = text(address, "id");
        let Some(stands) = of_kind(cx.tx, PUBLIC_IP, id) else { continue };
        if !text(&stands.doc, "sku.name").starts_with("Standard") {
            let message =
                format!("Nat Gateway {} cannot use public IP address {id}: it must be of SKU Standard.", cx.id());
            return Err(ArmError::bad("NatGatewayPublicIpSkuMismatch", message));
        }
        let other =
            super::referrers(cx.tx, &stands.id).into_iter().find(|(user, _)| !user.id.eq_ignore_ascii_case(&cx.id()));
        if let Some((user, _)) = other {
            let message = format!("Public IP address {id} is already in use by {}.", user.id);
            return Err(ArmError::bad("PublicIPAddressInUse", message));
        }
    }
    let idle = dig(body, "properties.idleTimeoutInMinutes").as_i64().unwrap_or(4);
    if !(4..=120).contains(&idle) {
        let message = format!("The idle timeout of Nat Gateway {} must be 4 to 120 minutes, not {idle}.", cx.id());
        return Err(ArmError::bad("NatGatewayIdleTimeoutInMinutesInvalid", message));
    }
    or_default(body, "properties.idleTimeoutInMinutes", json!(4));
    or_default(body, "sku.tier", json!(null));
    Ok(())
}

/// An address of the ranges that nobody routes.
pub(super) fn public_address(tx: &mut Tx<'_>) -> String {
    format!("203.0.113.{}", 1 + tx.below(254))
}

fn address(cx: &mut Cx<'_, '_>, body: &mut Value, stands: Option<&Object>) -> Result<(), ArmError> {
    check_zones(cx, body)?;
    or_default(body, "sku.name", json!("Basic"));
    or_default(body, "sku.tier", json!("Regional"));
    if text(body, "sku.name") == "Basic" {
        let message =
            "Cannot create more than 0 IPv4 Basic SKU public IP addresses for this subscription in this region.";
        return Err(ArmError::bad("IPv4BasicSkuPublicIpCountLimitReached", message));
    }
    or_default(body, "properties.publicIPAddressVersion", json!("IPv4"));
    or_default(body, "properties.publicIPAllocationMethod", json!("Dynamic"));
    or_default(body, "properties.idleTimeoutInMinutes", json!(4));
    or_default(body, "properties.ipTags", json!([]));
    if text(body, "properties.publicIPAllocationMethod") != "Static" {
        let message = format!("Standard sku publicIp {} must have AllocationMethod set to Static.", cx.id());
        return Err(ArmError::bad("StandardSkuPublicIPAddressesMustBeStatic", message));
    }
    let kept = stands.map(|stands| stands.doc["properties"]["ipAddress"].clone()).filter(Value::is_string);
    let own = kept.unwrap_or_else(|| json!(public_address(cx.tx)));
    body["properties"]["ipAddress"] = own;
    Ok(())
}

fn group(body: &mut Value) -> Result<(), ArmError> {
    or_default(body, "properties.securityRules", json!([]));
    let rules = body["properties"]["securityRules"].as_array().cloned().unwrap_or_default();
    let mut seen: Vec<(String, i64)> = Vec::new();
    for rule in &rules {
        let (direction, priority) = (
            text(rule, "properties.direction").to_owned(),
            dig(rule, "properties.priority").as_i64().unwrap_or_default(),
        );
        if !(100..=4096).contains(&priority) {
            let message =
                format!("Security rule has invalid Priority. Value provided: {priority} Allowed range 100-4096.");
            return Err(ArmError::bad("SecurityRuleInvalidPriority", message));
        }
        if seen.contains(&(direction.clone(), priority)) {
            let message = format!(
                "Security rule {} conflicts with another rule: both have the same Priority and Direction.",
                text(rule, "name")
            );
            return Err(ArmError::bad("SecurityRuleConflict", message));
        }
        seen.push((direction, priority));
    }
    Ok(())
}

fn routes(body: &mut Value) -> Result<(), ArmError> {
    or_default(body, "properties.routes", json!([]));
    or_default(body, "properties.disableBgpRoutePropagation", json!(false));
    for route in body["properties"]["routes"].as_array().into_iter().flatten() {
        let appliance = text(route, "properties.nextHopType") == "VirtualAppliance";
        if appliance != dig(route, "properties.nextHopIpAddress").is_string() {
            let message =
                format!("NextHopIpAddress of route {} is for VirtualAppliance, and only for it.", text(route, "name"));
            return Err(ArmError::bad("InvalidNextHopIpAddress", message));
        }
    }
    Ok(())
}

/// Gives each named part of a list its id.
fn number(body: &mut Value, id: &str, list: &str) {
    let parts = body["properties"].get_mut(list).and_then(Value::as_array_mut).into_iter().flatten();
    for part in parts {
        let name = text(part, "name").to_owned();
        part["id"] = json!(format!("{id}/{list}/{name}"));
    }
}

fn balancer(cx: &Cx<'_, '_>, body: &mut Value) -> Result<(), ArmError> {
    or_default(body, "sku.name", json!("Basic"));
    or_default(body, "sku.tier", json!("Regional"));
    if text(body, "sku.name") == "Basic" {
        return Err(ArmError::bad(
            "BasicSkuLoadBalancerRetired",
            "Basic SKU load balancers cannot be created any more.",
        ));
    }
    let id = cx.id();
    for list in [
        "frontendIPConfigurations",
        "backendAddressPools",
        "loadBalancingRules",
        "probes",
        "outboundRules",
        "inboundNatRules",
    ] {
        or_default(body, &format!("properties.{list}"), json!([]));
        number(body, &id, list);
    }
    Ok(())
}

fn interface(cx: &Cx<'_, '_>, body: &mut Value) -> Result<(), ArmError> {
    let id = cx.id();
    let configurations = dig(body, "properties.ipConfigurations").as_array().map_or(0, Vec::len);
    if configurations == 0 {
        let message = format!("Network interface {id} must have at least one IP configuration.");
        return Err(ArmError::bad("NetworkInterfaceMustHaveIpConfigurations", message));
    }
    number(body, &id, "ipConfigurations");
    or_default(body, "properties.enableIPForwarding", json!(false));
    Ok(())
}
