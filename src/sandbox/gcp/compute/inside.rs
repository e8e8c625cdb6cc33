//! What the other rooms of this cloud make, see and remove in Compute Engine: addresses, ways out, machines.

use super::{
    insert::component,
    store::{FIREWALL, INSTANCE, Named, Place, ROUTER, SUBNETWORK},
};
use crate::{
    model::{Unit, Usage},
    sandbox::world::{Object, Tx},
};
use ipnet::Ipv4Net;
use serde_json::{Value, json};

/// An address of Google's.
pub(in crate::sandbox) fn public_ip(tx: &mut Tx<'_>) -> String {
    format!("34.{}.{}.{}", 64 + tx.below(64), tx.below(256), 1 + tx.below(254))
}

/// A free address of the subnetwork that a document names.
pub(in crate::sandbox) fn inner_ip(tx: &mut Tx<'_>, doc: &Value) -> String {
    let link = doc["subnetwork"].as_str().unwrap_or_default();
    let range =
        Named::read(link, "").and_then(|named| named.find(tx).map(|object| object.text("ipCidrRange").to_owned()));
    let net: Ipv4Net = range
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| Ipv4Net::new([10, 0, 0, 0].into(), 8).expect("a net"));
    let taken: Vec<String> = tx
        .all()
        .filter(|object| object.service == "compute" && !object.is_gone())
        .flat_map(|object| {
            let own = [
                object.text("address").to_owned(),
                object.doc["networkInterfaces"][0]["networkIP"].as_str().unwrap_or_default().to_owned(),
            ];
            own.into_iter().filter(|ip| !ip.is_empty())
        })
        .collect();
    // The first host is the gateway's.
    let free = net.hosts().skip(1).map(|ip| ip.to_string()).find(|ip| !taken.contains(ip));
    free.unwrap_or_else(|| net.network().to_string())
}

/// Routers with a NAT over all ranges of a network in a region.
pub(super) fn nats_of(tx: &Tx<'_>, project: &str, place: &Place, network: &str) -> Vec<(Named, Value)> {
    let routers = tx.list_live(&place.scope(project), ROUTER.kind()).filter(|router| router.text("network") == network);
    let mut found = Vec::new();
    for router in routers {
        let Some(named) = Named::of(router) else { continue };
        for nat in router.doc["nats"].as_array().into_iter().flatten() {
            if nat["sourceSubnetworkIpRangesToNat"] != json!("LIST_OF_SUBNETWORKS") {
                found.push((named.clone(), nat.clone()));
            }
        }
    }
    found
}

/// Whether machines without public addresses in this subnetwork reach the Internet.
pub(in crate::sandbox) fn has_nat(tx: &Tx<'_>, project: &str, subnet: &Named, network: &str) -> bool {
    if !nats_of(tx, project, &subnet.place, network).is_empty() {
        return true;
    }
    let link = subnet.link();
    let routers =
        tx.list_live(&subnet.place.scope(project), ROUTER.kind()).filter(|router| router.text("network") == network);
    routers
        .flat_map(|router| router.doc["nats"].as_array().into_iter().flatten())
        .any(|nat| nat["subnetworks"].as_array().is_some_and(|all| all.iter().any(|own| own["name"] == json!(link))))
}

/// Whether a rule of the network keeps its machines from going out.
pub(in crate::sandbox) fn egress_closed(tx: &Tx<'_>, project: &str, network: &str) -> bool {
    let first = |key: &str| {
        let rules = tx.list_live(&Place::Global.scope(project), FIREWALL.kind());
        let own = rules.filter(|rule| {
            let all = rule.doc["destinationRanges"].as_array();
            rule.text("network") == network
                && rule.text("direction") == "EGRESS"
                && rule.doc["disabled"] != json!(true)
                && rule.doc[key].is_array()
                && all.is_none_or(|list| list.iter().any(|range| range == "0.0.0.0/0"))
        });
        own.filter_map(|rule| rule.doc["priority"].as_i64()).min()
    };
    match (first("denied"), first("allowed")) {
        (Some(denied), Some(allowed)) => denied <= allowed,
        (Some(_), None) => true,
        _ => false,
    }
}

/// What the NATs of a router are billed by: the machines behind them. Their addresses are not counted.
pub(in crate::sandbox) fn nat_usage(tx: &Tx<'_>, router: &Named, doc: &Value) -> Vec<Usage> {
    let Place::Region(region) = &router.place else { return Vec::new() };
    if doc["nats"].as_array().is_none_or(Vec::is_empty) {
        return Vec::new();
    }
    let network = doc["network"].as_str().unwrap_or_default();
    let machines = tx.list_live(&router.place.scope(&router.project), INSTANCE.kind());
    let behind = machines.filter(|machine| {
        let interface = &machine.doc["networkInterfaces"][0];
        interface["network"] == json!(network) && interface["accessConfigs"].is_null()
    });
    vec![component(region, "cloud-nat-per-vm(<=32)", Unit::Hour, behind.count().min(32) as f64)]
}

/// Machines came or went: the NATs of their network are billed by how many there are.
pub(in crate::sandbox) fn rebill_nats(tx: &mut Tx<'_>, project: &str, region: &str, network: &str) {
    let scope = Place::Region(region.to_owned()).scope(project);
    let routers: Vec<Object> =
        tx.list_live(&scope, ROUTER.kind()).filter(|router| router.text("network") == network).cloned().collect();
    for router in routers {
        let Some(named) = Named::of(&router) else { continue };
        let usage = nat_usage(tx, &named, &router.doc);
        named.update(tx, |object| object.usage = usage);
    }
}

/// The subnetwork of a link, with its document.
pub(in crate::sandbox) fn subnetwork<'a>(tx: &'a Tx<'_>, link: &str) -> Option<(Named, &'a Object)> {
    let named = Named::read(link, "").filter(|named| named.sort == SUBNETWORK)?;
    let object = named.find(tx)?;
    Some((named, object))
}
