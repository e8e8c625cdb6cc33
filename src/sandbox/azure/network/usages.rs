//! How much of the network a subscription may have in a location, and how much of it is there.

use super::{BALANCER, NAT, NIC, NSG, PUBLIC_IP, ROUTE_TABLE, VNET};
use crate::sandbox::{
    azure::{
        locations,
        store::each,
        wire::{Answer, ArmError, Cx, Outcome},
    },
    world::{Kind, Tx},
};
use serde_json::json;

/// Name, words, limit, what counts.
const QUOTAS: &[(&str, &str, u64, Kind)] = &[
    ("VirtualNetworks", "Virtual Networks", 1_000, VNET),
    ("NatGateways", "Nat Gateways", 1_000, NAT),
    ("PublicIPAddresses", "Public IP Addresses", 1_000, PUBLIC_IP),
    ("StaticPublicIPAddresses", "Static Public IP Addresses", 1_000, PUBLIC_IP),
    ("StandardSkuPublicIpAddresses", "Public IPv4 Addresses - Standard", 1_000, PUBLIC_IP),
    ("NetworkSecurityGroups", "Network Security Groups", 5_000, NSG),
    ("NetworkInterfaces", "Network Interfaces", 65_536, NIC),
    ("LoadBalancers", "Load Balancers", 1_000, BALANCER),
    ("StandardSkuLoadBalancers", "Standard Sku Load Balancers", 1_000, BALANCER),
    ("RouteTables", "Route Tables", 200, ROUTE_TABLE),
];

/// A quota's name as settings keep it: `network/PublicIPAddresses`.
pub(in super::super) fn quota_name(code: &str) -> Option<String> {
    let code = code.strip_prefix("network/").unwrap_or(code);
    let known = QUOTAS.iter().find(|(name, ..)| name.eq_ignore_ascii_case(code));
    known.map(|(name, ..)| format!("network/{name}"))
}

fn limit(tx: &Tx<'_>, name: &str, usual: u64) -> u64 {
    tx.in_force().quotas.get(&format!("network/{name}")).map_or(usual, |limit| *limit as u64)
}

fn count(tx: &Tx<'_>, kind: Kind, location: &str) -> u64 {
    each(tx, kind).filter(|object| object.region == location).count() as u64
}

/// Refuses one more than there may be.
///
/// # Errors
/// 400, in the service's words.
pub(super) fn check(tx: &Tx<'_>, kind: Kind, location: &str) -> Result<(), ArmError> {
    let over = QUOTAS
        .iter()
        .find(|(name, _, usual, counted)| *counted == kind && count(tx, kind, location) >= limit(tx, name, *usual));
    let Some((name, words, usual, _)) = over else { return Ok(()) };
    let most = limit(tx, name, *usual);
    let (code, what) = match kind {
        PUBLIC_IP => ("PublicIPCountLimitReached", "public IP addresses".to_owned()),
        _ => ("ResourceCountExceedsLimitDueToTemplate", words.to_lowercase()),
    };
    Err(ArmError::bad(code, format!("Cannot create more than {most} {what} for this subscription in this region.")))
}

/// Whether a service may still make one.
pub(in super::super) fn room(tx: &Tx<'_>, kind: Kind, location: &str) -> Result<(), ArmError> {
    check(tx, kind, location)
}

/// `locations/{location}/usages`.
pub(super) fn list(cx: &mut Cx<'_, '_>) -> Outcome {
    let location = locations::normal(cx.target.location().unwrap_or_default());
    if !locations::exists(&location) {
        let message = format!("The location '{location}' is not available for this subscription.");
        return Err(ArmError::bad("LocationNotAvailable", message));
    }
    let one = |(name, words, usual, kind): &(&str, &str, u64, Kind)| {
        json!({
            "id": format!("{}/providers/Microsoft.Network/locations/{location}/usages/{name}", cx.target.subscription_id()),
            "name": {"value": name, "localizedValue": words}, "unit": "Count",
            "currentValue": count(cx.tx, *kind, &location), "limit": limit(cx.tx, name, *usual),
        })
    };
    let all = QUOTAS.iter().map(one).collect();
    Ok(Answer::list(all))
}
