//! The pretend Compute Engine: networks and what hangs in them, machines and disks, as far as a cluster's life needs.
//!
//! Resources share one life: an insert puts them and begins an operation; when that ends they are usable, or gone again.
//! What is still used by something else is not deleted, and the refusal names who uses it.

mod insert;
mod inside;
mod ops;
mod patch;
mod quota;
mod reads;
mod store;

pub(in crate::sandbox) use insert::{component, disk_component, taken};
pub(in crate::sandbox) use inside::*;
pub(in crate::sandbox) use quota::{is_metric, machine_shortage, shortage};
pub(in crate::sandbox) use reads::{accelerators, has_accelerator, is_arm, machine, machine_in};
pub(in crate::sandbox) use store::*;

use super::{
    Answer, Cx,
    filter::Filter,
    page,
    places::{self, Project},
    projects,
    wire::Refused,
};
use crate::sandbox::world::{Object, Origin, Tx};
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, time::Duration};

/// The sort of a collection: `globalAddresses` and `regionUrlMaps` are addresses and URL maps in places of their own.
fn sort_of(collection: &str) -> Option<Sort> {
    let own = ["global", "region"].iter().find_map(|place| collection.strip_prefix(place)).unwrap_or(collection);
    let mut letters = own.chars();
    let plural: String = letters.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(letters).collect();
    Sort::of(&plural)
}

/// Where a call's path leads.
///
/// # Errors
/// There is no such region or zone.
fn place(cx: &Cx<'_, '_>) -> Result<Place, Refused> {
    let missing = |what: &str, name: &str| Refused::field(what, name, &format!("Unknown {what}."));
    if let Some(zone) = cx.path.get("zone") {
        return places::region_of(zone).map(|_| Place::Zone(zone.clone())).ok_or_else(|| missing("zone", zone));
    }
    match cx.path.get("region") {
        Some(region) if places::is_region(region) => Ok(Place::Region(region.clone())),
        Some(region) => Err(missing("region", region)),
        None => Ok(Place::Global),
    }
}

/// The name at the end of a call's path.
fn name(cx: &Cx<'_, '_>) -> String {
    let own = cx.path.iter().find(|(key, _)| !matches!(**key, "project" | "region" | "zone"));
    own.map(|(_, value)| value.clone()).unwrap_or_default()
}

/// Answers a call.
pub(super) fn answer(cx: &mut Cx<'_, '_>) -> Answer {
    let (collection, verb) = cx.method.id.rsplit_once('.').unwrap_or_default();
    if verb != "aggregatedList" && collection.ends_with("Operations") {
        let place = place(cx)?;
        return ops::answer(cx, place);
    }
    if let Some(answer) = reads::answer(cx, collection, verb) {
        return answer;
    }
    if verb == "aggregatedList" {
        return aggregated(cx, collection);
    }
    let Some(sort) = sort_of(collection) else { return Err(cx.unknown()) };
    let place = place(cx)?;
    if cx.method.mutates() {
        projects::check_billing(cx)?;
        if let Some(before) = ops::replay(cx)? {
            return Ok(before);
        }
    }
    match verb {
        "list" => list(cx, sort, &place),
        "insert" => insert::insert(cx, sort, place),
        _ => {
            let named = Named::new(sort, cx.project.id, place, &name(cx));
            match verb {
                "get" => Ok(view(cx.tx, named.need(cx.tx)?)),
                "delete" => delete(cx, &named),
                "getRouterStatus" => router_status(cx, &named),
                "listInstances" => members(cx, &named),
                "listErrors" => {
                    named.need(cx.tx)?;
                    Ok(json!({"items": named.need(cx.tx)?.doc["_errors"].as_array().cloned().unwrap_or_default()}))
                }
                verb => patch::patch(cx, &named, verb),
            }
        }
    }
}

/// What a list sees: not what is younger than the lag.
fn seen(tx: &Tx<'_>, object: &Object) -> bool {
    object.visible_at.is_none_or(|at| at <= tx.now())
}

fn list(cx: &mut Cx<'_, '_>, sort: Sort, place: &Place) -> Answer {
    let filter = Filter::read(cx.query("filter"))?;
    let scope = place.scope(cx.project.id);
    let here = cx.tx.list_live(&scope, sort.kind()).filter(|object| Place::of(object) == *place && seen(cx.tx, object));
    let mut views: Vec<Value> = here.map(|object| view(cx.tx, object)).filter(|view| filter.takes(view)).collect();
    order(&mut views, cx.query("orderBy"))?;
    let (items, next) = page(&views, cx.query("maxResults"), cx.query("pageToken"), 500)?;
    let path = format!("projects/{}/{}/{}", cx.project.id, place.path(), sort.plural);
    let mut reply = json!({"kind": sort.list_kind(), "id": path, "selfLink": format!("{LINK}{path}")});
    if !items.is_empty() {
        reply["items"] = json!(items);
    }
    if let Some(next) = next {
        reply["nextPageToken"] = json!(next);
    }
    Ok(reply)
}

fn order(views: &mut [Value], by: &str) -> Result<(), Refused> {
    match by {
        "" | "name" => {}
        "creationTimestamp desc" => views
            .sort_by_key(|view| std::cmp::Reverse(view["creationTimestamp"].as_str().unwrap_or_default().to_owned())),
        other => return Err(Refused::field("orderBy", other, "Only name and creationTimestamp desc are supported.")),
    }
    Ok(())
}

/// Everything of a collection in every place, one map entry a place.
fn aggregated(cx: &mut Cx<'_, '_>, collection: &str) -> Answer {
    let filter = Filter::read(cx.query("filter"))?;
    let project = cx.project.id.to_owned();
    let (plural, singular, mut found) = match (collection, sort_of(collection)) {
        ("globalOperations", _) => ("operations", "operation", ops::all(cx.tx, &project)),
        (_, Some(sort)) => {
            let own = cx.tx.all().filter(|object| object.is(sort.kind()) && object.account == project);
            let live = own.filter(|object| !object.is_gone() && seen(cx.tx, object));
            (sort.plural, sort.singular, live.map(|object| (Place::of(object), view(cx.tx, object))).collect())
        }
        _ => return Err(cx.unknown()),
    };
    found.retain(|(_, view)| filter.takes(view));
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    // Paging goes over the resources, not over the places.
    let places: Vec<Value> = found.iter().map(|(place, view)| json!([place.path(), view])).collect();
    let (items, next) = page(&places, cx.query("maxResults"), cx.query("pageToken"), 500)?;
    let mut map: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for item in items {
        map.entry(item[0].as_str().unwrap_or_default().to_owned()).or_default().push(item[1].clone());
    }
    let mut scoped = Map::new();
    for (place, items) in map {
        scoped.insert(place, json!({plural: items}));
    }
    if scoped.is_empty() {
        let warning = json!({"code": "NO_RESULTS_ON_PAGE", "message": "There are no results for scope 'global' on this page.",
            "data": [{"key": "scope", "value": "global"}]});
        scoped.insert("global".to_owned(), json!({"warning": warning}));
    }
    let path = format!("projects/{project}/aggregated/{plural}");
    // Two of them are called after many.
    let called = if ["healthChecks", "urlMaps"].contains(&plural) { plural } else { singular };
    let mut reply = json!({
        "kind": format!("compute#{called}AggregatedList"), "id": path, "items": scoped, "selfLink": format!("{LINK}{path}"),
    });
    if let Some(next) = next {
        reply["nextPageToken"] = json!(next);
    }
    Ok(reply)
}

/// Usual time of a deletion.
fn delete_span(cx: &mut Cx<'_, '_>, sort: Sort) -> Duration {
    let (from, to) = match sort {
        NETWORK => (15, 30),
        SUBNETWORK | ROUTER | FORWARDING | TARGET_POOL | BACKEND => (8, 16),
        INSTANCE => (30, 60),
        _ => (3, 9),
    };
    cx.tx.between(Duration::from_secs(from), Duration::from_secs(to))
}

fn delete(cx: &mut Cx<'_, '_>, named: &Named) -> Answer {
    let object = named.need(cx.tx)?.clone();
    if ops::busy(cx.tx, named) {
        return Err(Refused::not_ready(&named.path()));
    }
    let word = format!("{}|{}", named.sort.singular, named.path());
    if named.sort == ROUTE && !object.text("nextHopNetwork").is_empty() {
        return Err(Refused::invalid("The local route cannot be deleted."));
    }
    if named.sort == ADDRESS
        && let Some(user) = users_of_address(cx.tx, &object).first()
    {
        return Err(Refused::in_use(&word, user.trim_start_matches(LINK)));
    }
    if let Some(user) = users(cx.tx, named, 1).first() {
        return Err(Refused::in_use(&word, &user.path()));
    }
    if named.sort == SUBNETWORK && object.doc["_auto"] == json!(true) {
        return Err(Refused::invalid("Cannot delete auto subnetwork from an auto subnet mode network."));
    }
    let span = delete_span(cx, named.sort);
    named.update(cx.tx, |object| {
        "DELETING".clone_into(&mut object.state);
        object.due = None;
    });
    let begin = ops::Begin { action: "delete", on: named, target_id: object.text("id"), span, fails: None };
    Ok(ops::begin(cx, &begin))
}

/// An operation on a resource has ended.
fn ends(tx: &mut Tx<'_>, target: &Named, action: &str, failed: bool) {
    match (action, failed) {
        ("insert", true) | ("delete", false) => {
            if let Some(object) = target.remove(tx) {
                gone(tx, target, &object);
            }
        }
        _ => target.update(tx, |object| {
            if matches!(object.state.as_str(), "CREATING" | "DELETING") {
                let state = if target.sort == INSTANCE { "RUNNING" } else { "READY" };
                state.clone_into(&mut object.state);
            }
        }),
    }
}

/// What goes with a resource.
fn gone(tx: &mut Tx<'_>, named: &Named, object: &Object) {
    let link = named.link();
    match named.sort {
        NETWORK | SUBNETWORK => {
            let key = if named.sort == NETWORK { "network" } else { "_subnetwork" };
            let routes: Vec<Named> = tx
                .all()
                .filter(|other| {
                    other.is(ROUTE.kind()) && other.created_by == Origin::Builtin && other.text(key) == link
                })
                .filter_map(Named::of)
                .collect();
            for route in routes {
                route.remove(tx);
            }
        }
        INSTANCE => {
            let disks =
                object.doc["disks"].as_array().into_iter().flatten().filter(|disk| disk["autoDelete"] == json!(true));
            let links: Vec<String> = disks.filter_map(|disk| disk["source"].as_str().map(ToOwned::to_owned)).collect();
            for disk in links.iter().filter_map(|link| Named::read(link, &named.project)) {
                disk.remove(tx);
            }
        }
        _ => {}
    }
}

fn router_status(cx: &mut Cx<'_, '_>, named: &Named) -> Answer {
    let router = named.need(cx.tx)?;
    let network = router.text("network").to_owned();
    let nats: Vec<Value> = router.doc["nats"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|nat| json!({"name": nat["name"], "minExtraNatIpsNeeded": 0, "numVmEndpointsWithNatMappings": 0, "autoAllocatedNatIps": router.doc["_ips"]}))
        .collect();
    Ok(json!({"kind": "compute#routerStatusResponse", "result": {"network": network, "natStatus": nats}}))
}

fn members(cx: &mut Cx<'_, '_>, named: &Named) -> Answer {
    let all = named.need(cx.tx)?.doc["_instances"].as_array().cloned().unwrap_or_default();
    let items: Vec<Value> = all.iter().map(|link| json!({"instance": link, "status": "RUNNING"})).collect();
    let path = named.path();
    let mut reply = json!({"kind": "compute#instanceGroupsListInstances", "id": path, "selfLink": format!("{LINK}{path}/listInstances")});
    if !items.is_empty() {
        reply["items"] = json!(items);
    }
    Ok(reply)
}

/// Time passes.
pub(super) fn happen(tx: &mut Tx<'_>, object: &Object, _what: &str) {
    if object.kind == "operation" {
        ops::happen(tx, object);
    }
}

/// What a project gets when Compute Engine is turned on: the default network with a subnetwork in every region.
pub(super) fn furnish(tx: &mut Tx<'_>, project: &Project) {
    let network = Named::new(NETWORK, project.id, Place::Global, "default");
    if network.find(tx).is_some() {
        return;
    }
    let doc = json!({
        "description": "Default network for the project", "autoCreateSubnetworks": true, "_auto": true,
        "routingConfig": {"routingMode": "REGIONAL"}, "networkFirewallPolicyEnforcementOrder": "AFTER_CLASSIC_FIREWALL",
    });
    network.put(tx, doc, Origin::Builtin);
    for (index, region) in places::regions().enumerate() {
        let subnet = Named::new(SUBNETWORK, project.id, Place::Region(region.to_owned()), "default");
        let second = 128 + 2 * index;
        let doc = json!({
            "network": network.link(), "ipCidrRange": format!("10.{second}.0.0/20"), "_auto": true,
            "gatewayAddress": format!("10.{second}.0.1"), "privateIpGoogleAccess": false, "purpose": "PRIVATE",
            "stackType": "IPV4_ONLY", "fingerprint": fingerprint(region),
        });
        subnet.put(tx, doc, Origin::Builtin);
    }
    for (name, ports, ranges) in [
        ("default-allow-internal", json!([{"IPProtocol": "all"}]), json!(["10.128.0.0/9"])),
        ("default-allow-ssh", json!([{"IPProtocol": "tcp", "ports": ["22"]}]), json!(["0.0.0.0/0"])),
    ] {
        let doc = json!({
            "network": network.link(), "priority": 65534, "direction": "INGRESS", "disabled": false, "allowed": ports,
            "sourceRanges": ranges,
        });
        Named::new(FIREWALL, project.id, Place::Global, name).put(tx, doc, Origin::Builtin);
    }
}
