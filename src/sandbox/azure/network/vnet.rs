//! Virtual networks and subnets: ranges that fit into each other, and a list that is replaced as a whole.

use super::{SUBNET, blocker};
use crate::sandbox::{
    azure::{
        path::name_of,
        store::{self, of_kind},
        wire::{ArmError, Cx, dig, or_default, text, texts},
    },
    world::{Object, Tx},
};
use ipnet::Ipv4Net;
use serde_json::{Value, json};

/// The ranges of a subnet's properties: one, or a list.
pub(super) fn prefixes(properties: &Value) -> Vec<String> {
    match properties["addressPrefix"].as_str() {
        Some(one) => vec![one.to_owned()],
        None => texts(&properties["addressPrefixes"]),
    }
}

fn range(prefix: &str, id: &str) -> Result<Ipv4Net, ArmError> {
    let net: Ipv4Net = prefix.parse().map_err(|_| {
        let message = format!("The address prefix {prefix} in resource {id} is not a valid address prefix.");
        ArmError::bad("InvalidAddressPrefixFormat", message)
    })?;
    if net.trunc() != net {
        let message = format!(
            "The address prefix {prefix} in resource {id} has an invalid CIDR notation. For the given prefix length, the address prefix should be {}.",
            net.trunc()
        );
        return Err(ArmError::bad("InvalidCIDRNotation", message));
    }
    Ok(net)
}

fn overlap(a: Ipv4Net, b: Ipv4Net) -> bool {
    a.contains(&b.network()) || b.contains(&a.network())
}

/// Judges the ranges of a network; its subnets are judged one by one.
pub(super) fn check(cx: &Cx<'_, '_>, body: &mut Value) -> Result<(), ArmError> {
    let id = cx.id();
    let space = texts(dig(body, "properties.addressSpace.addressPrefixes"));
    if space.is_empty() {
        let message =
            format!("Virtual Network {} must have at least one address prefix in its address space.", cx.name());
        return Err(ArmError::bad("VnetAddressSpaceRequired", message));
    }
    let nets = space.iter().map(|prefix| range(prefix, &id)).collect::<Result<Vec<_>, _>>()?;
    for (index, net) in nets.iter().enumerate() {
        if nets[..index].iter().any(|other| overlap(*net, *other)) {
            let message = format!("Address prefixes of Virtual Network {} overlap: {net}.", cx.name());
            return Err(ArmError::bad("NetcfgInvalidVirtualNetworkSite", message));
        }
    }
    or_default(body, "properties.enableDdosProtection", json!(false));
    or_default(body, "properties.subnets", json!([]));
    let subnets = body["properties"]["subnets"].as_array().cloned().unwrap_or_default();
    let mut seen: Vec<(String, Vec<Ipv4Net>)> = Vec::new();
    for subnet in &subnets {
        let name = text(subnet, "name");
        if name.is_empty() {
            return Err(ArmError::bad("InvalidRequestFormat", "Cannot parse the request: a subnet has no name."));
        }
        check_subnet(cx.name(), name, &id, &subnet["properties"], &nets, &seen)?;
        seen.push((name.to_owned(), prefixes(&subnet["properties"]).iter().filter_map(|p| p.parse().ok()).collect()));
    }
    Ok(())
}

fn check_subnet(
    vnet: &str,
    name: &str,
    id: &str,
    properties: &Value,
    space: &[Ipv4Net],
    others: &[(String, Vec<Ipv4Net>)],
) -> Result<(), ArmError> {
    let own = prefixes(properties);
    if own.is_empty() {
        let message = format!("Subnet '{name}' of virtual network '{vnet}' has no address prefix.");
        return Err(ArmError::bad("MissingSubnetAddressPrefix", message));
    }
    for prefix in own {
        let net = range(&prefix, id)?;
        if net.prefix_len() > 29 || net.prefix_len() < 2 {
            let message = format!("Subnet '{name}' is not valid in virtual network '{vnet}': subnets are /2 to /29.");
            return Err(ArmError::bad("NetcfgInvalidSubnet", message));
        }
        if !space.iter().any(|wide| wide.contains(&net)) {
            let message = format!("Subnet '{name}' is not valid in virtual network '{vnet}'.");
            return Err(ArmError::bad("NetcfgInvalidSubnet", message));
        }
        let clash = others.iter().find(|(_, nets)| nets.iter().any(|other| overlap(*other, net)));
        if clash.is_some() {
            let message = format!(
                "Subnet '{name}' is not valid because its IP address range overlaps with that of an existing subnet in virtual network '{vnet}'."
            );
            return Err(ArmError::bad("NetcfgSubnetRangesOverlap", message));
        }
    }
    Ok(())
}

/// Judges one subnet of a network that stands.
pub(super) fn check_one(cx: &Cx<'_, '_>, body: &mut Value) -> Result<(), ArmError> {
    let id = cx.id();
    let vnet = store::parent_of(&id).unwrap_or_default();
    let network = store::find(cx.tx, &vnet).ok_or_else(|| store::not_found(&vnet))?;
    let space = texts(dig(&network.doc, "properties.addressSpace.addressPrefixes"));
    let space: Vec<Ipv4Net> = space.iter().filter_map(|prefix| prefix.parse().ok()).collect();
    let siblings = store::each(cx.tx, SUBNET).filter(|other| other.parent.as_deref() == Some(network.id.as_str()));
    let others: Vec<(String, Vec<Ipv4Net>)> = siblings
        .filter(|other| !other.id.eq_ignore_ascii_case(&id))
        .map(|other| (other.name.clone().unwrap_or_default(), super::ranges(other)))
        .collect();
    check_subnet(name_of(&vnet), cx.name(), &id, &body["properties"], &space, &others)?;
    if let Some(stands) = of_kind(cx.tx, SUBNET, &id) {
        check_kept(cx.tx, stands, &body["properties"])?;
    }
    defaults(body);
    Ok(())
}

/// What is in use keeps its range.
fn check_kept(tx: &Tx<'_>, stands: &Object, properties: &Value) -> Result<(), ArmError> {
    if prefixes(&stands.doc["properties"]) == prefixes(properties) || blocker(tx, stands).is_none() {
        return Ok(());
    }
    let message = format!(
        "IpPrefix {} on Subnet {} has active allocations and cannot be deleted.",
        prefixes(&stands.doc["properties"]).join(", "),
        stands.name.as_deref().unwrap_or_default()
    );
    Err(ArmError::bad("InUsePrefixCannotBeDeleted", message))
}

fn defaults(subnet: &mut Value) {
    or_default(subnet, "properties.delegations", json!([]));
    or_default(subnet, "properties.privateEndpointNetworkPolicies", json!("Disabled"));
    or_default(subnet, "properties.privateLinkServiceNetworkPolicies", json!("Enabled"));
}

/// Makes the subnets be those of the body: others go, if they can.
pub(super) fn replace_subnets(cx: &mut Cx<'_, '_>, vnet: &str, location: &str, body: &Value) -> Result<(), ArmError> {
    let wanted = body["properties"]["subnets"].as_array().cloned().unwrap_or_default();
    let inside = store::each(cx.tx, SUBNET).filter(|subnet| subnet.parent.as_deref() == Some(vnet));
    let standing: Vec<Object> = inside.cloned().collect();
    for subnet in &standing {
        let name = subnet.name.as_deref().unwrap_or_default();
        let kept = wanted.iter().find(|one| text(one, "name").eq_ignore_ascii_case(name));
        match kept {
            Some(one) => check_kept(cx.tx, subnet, &one["properties"])?,
            None => {
                if let Some(why) = blocker(cx.tx, subnet) {
                    return Err(why);
                }
                store::remove(cx.tx, &subnet.id);
            }
        }
    }
    for one in wanted {
        let name = text(&one, "name").to_owned();
        let stands = standing.iter().find(|subnet| subnet.name.as_deref() == Some(name.as_str()));
        let id = stands.map_or_else(|| format!("{vnet}/subnets/{name}"), |subnet| subnet.id.clone());
        let mut one = one;
        defaults(&mut one);
        let mut object = store::resource(cx.tx, SUBNET, &id, location, &one);
        "Succeeded".clone_into(&mut object.state);
        if let Some(stands) = stands {
            object.doc[store::HIDDEN] = stands.doc[store::HIDDEN].clone();
            object.created_at = stands.created_at;
        } else {
            object.doc[store::HIDDEN] = json!({});
        }
        store::stamp(cx.tx, &mut object);
        cx.tx.put(object);
    }
    Ok(())
}
