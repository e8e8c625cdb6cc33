//! How things of this namespace show: with what is in them, and who uses them.

use super::{BALANCER, NAT, NIC, NSG, PUBLIC_IP, ROUTE_TABLE, SUBNET, VNET, referrers};
use crate::sandbox::{
    azure::store::{self, HIDDEN},
    world::{Object, Tx},
};
use serde_json::{Value, json};

/// The rules that every security group has: name, access, direction, priority, from, to.
const DEFAULT_RULES: &[(&str, &str, &str, u32, &str, &str)] = &[
    ("AllowVnetInBound", "Allow", "Inbound", 65_000, "VirtualNetwork", "VirtualNetwork"),
    ("AllowAzureLoadBalancerInBound", "Allow", "Inbound", 65_001, "AzureLoadBalancer", "*"),
    ("DenyAllInBound", "Deny", "Inbound", 65_500, "*", "*"),
    ("AllowVnetOutBound", "Allow", "Outbound", 65_000, "VirtualNetwork", "VirtualNetwork"),
    ("AllowInternetOutBound", "Allow", "Outbound", 65_001, "*", "Internet"),
    ("DenyAllOutBound", "Deny", "Outbound", 65_500, "*", "*"),
];

fn ids(list: Vec<String>) -> Value {
    list.into_iter().map(|id| json!({"id": id})).collect()
}

/// The resource as the service shows it.
pub(in super::super) fn view(tx: &Tx<'_>, object: &Object) -> Value {
    let mut shown = store::view(object);
    let etag = format!("W/\"{}\"", store::etag(object));
    shown["etag"] = json!(etag);
    shown["properties"]["provisioningState"] = json!(object.state);
    let guid = &object.doc[HIDDEN]["guid"];
    if guid.is_string() && !object.is(SUBNET) {
        shown["properties"]["resourceGuid"] = guid.clone();
    }
    let users = || referrers(tx, &object.id);
    let of = |kind| -> Vec<String> {
        users().into_iter().filter(|(user, _)| user.is(kind)).map(|(user, _)| user.id).collect()
    };
    let properties = &mut shown["properties"];
    if object.is(VNET) {
        let inside = store::each(tx, SUBNET).filter(|subnet| subnet.parent.as_deref() == Some(object.id.as_str()));
        properties["subnets"] = inside.map(|subnet| view(tx, subnet)).collect();
        properties["virtualNetworkPeerings"] = json!([]);
    } else if object.is(SUBNET) {
        let inside: Vec<String> = configurations(users());
        if !inside.is_empty() {
            properties["ipConfigurations"] = ids(inside);
        }
    } else if object.is(NAT) {
        show_users(properties, "subnets", of(SUBNET));
    } else if object.is(PUBLIC_IP) {
        match users().into_iter().next() {
            Some((user, _)) if user.is(NAT) => properties["natGateway"] = json!({"id": user.id}),
            Some((user, _)) => {
                let list = if user.is(BALANCER) { "frontendIPConfigurations" } else { "ipConfigurations" };
                properties["ipConfiguration"] = json!({"id": part_with(&user, list, &object.id)});
            }
            None => {}
        }
    } else if object.is(NSG) {
        let rule = |(name, access, direction, priority, from, to): &(&str, &str, &str, u32, &str, &str)| {
            json!({
                "name": name, "id": format!("{}/defaultSecurityRules/{name}", object.id), "etag": etag,
                "type": "Microsoft.Network/networkSecurityGroups/defaultSecurityRules",
                "properties": {
                    "provisioningState": "Succeeded", "protocol": "*", "sourcePortRange": "*", "destinationPortRange": "*",
                    "sourceAddressPrefix": from, "destinationAddressPrefix": to, "access": access, "priority": priority,
                    "direction": direction,
                },
            })
        };
        properties["defaultSecurityRules"] = DEFAULT_RULES.iter().map(rule).collect();
        show_users(properties, "subnets", of(SUBNET));
        show_users(properties, "networkInterfaces", of(NIC));
    } else if object.is(ROUTE_TABLE) {
        show_users(properties, "subnets", of(SUBNET));
    }
    shown
}

fn show_users(properties: &mut Value, list: &str, users: Vec<String>) {
    if !users.is_empty() {
        properties[list] = ids(users);
    }
}

/// The part of a resource that names an id.
fn part_with(user: &Object, list: &str, id: &str) -> String {
    let parts = user.doc["properties"][list].as_array().into_iter().flatten();
    let mut found = parts.filter(|part| part.to_string().to_ascii_lowercase().contains(&id.to_ascii_lowercase()));
    let name = found.next().and_then(|part| part["name"].as_str()).unwrap_or("primary").to_owned();
    format!("{}/{list}/{name}", user.id)
}

/// The IP configurations that live in a subnet.
fn configurations(users: Vec<(Object, String)>) -> Vec<String> {
    let one = |(user, id): (Object, String)| match user.kind.as_str() {
        "loadBalancers" => vec![part_with(&user, "frontendIPConfigurations", &id)],
        "virtualMachineScaleSets" => {
            let count = user.doc["sku"]["capacity"].as_u64().unwrap_or_default();
            let at = |index: u64| {
                format!("{}/virtualMachines/{index}/networkInterfaces/nic/ipConfigurations/ipconfig1", user.id)
            };
            (0..count).map(at).collect()
        }
        _ => vec![part_with(&user, "ipConfigurations", &id)],
    };
    users.into_iter().flat_map(one).collect()
}
