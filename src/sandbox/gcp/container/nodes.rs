//! What the machines of a pool do: start in their zones, join, become Ready or not, go.

use super::super::{
    accounts,
    compute::{self, DISK, GROUP, INSTANCE, LINK, MANAGER, Named, Place, TARGET_POOL, component, disk_component},
    permissions, places,
};
use super::{
    host, ops,
    store::{self, CLUSTER, Cluster, Node, Obstacle, Pool, change_pool, due, minutes, secs},
};
use crate::{
    model::{Cloud, PriceKey, Region, Unit, Usage},
    sandbox::{
        kubernetes,
        world::{Object, Origin, Tx},
    },
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};

/// What `due` calls the moments of a pool.
const LAUNCH: &str = "launch";
const JOIN: &str = "join";
const READY: &str = "ready";

/// How often GKE tries again to start machines, or looks whether they have joined.
const GLANCE: Duration = secs(60);
/// How long it tries while a zone has none left: the cluster is locked all that time.
const STOCK_PATIENCE: Duration = minutes(35);
/// How long it tries otherwise.
const PATIENCE: Duration = minutes(20);

/// Starts what a pool lacks, after a span.
pub(super) fn start(tx: &mut Tx<'_>, pool: &Object, after: Duration) {
    let due = due(tx, after, LAUNCH);
    let now = tx.now();
    change_pool(tx, pool, |object, doc| {
        object.due = due;
        doc.since = now;
    });
}

fn schedule(tx: &mut Tx<'_>, pool: &Object, after: Duration, what: &str) {
    let due = due(tx, after, what);
    change_pool(tx, pool, |object, _| object.due = due);
}

/// Time passes for a pool.
pub(super) fn happen(tx: &mut Tx<'_>, object: &Object, what: &str) {
    let Some(cluster) = object.parent.as_deref().and_then(|id| tx.live(&object.scope(), CLUSTER, id)).cloned() else {
        return;
    };
    let doc: Pool = object.read();
    match what {
        LAUNCH => launch(tx, &cluster, object, &doc),
        JOIN => join(tx, &cluster, object, &doc),
        READY => ready(tx, &cluster, object),
        _ => {}
    }
}

/// How many machines of a type are left in a zone; none: as many as anybody wants.
fn stock(tx: &Tx<'_>, zone: &str, machine: &str) -> Option<f64> {
    let quotas = &tx.in_force().quotas;
    let names = [format!("capacity/{zone}/{machine}"), format!("capacity/{machine}")];
    names.iter().filter_map(|name| quotas.get(name)).copied().reduce(f64::min)
}

fn launch(tx: &mut Tx<'_>, cluster: &Object, object: &Object, doc: &Pool) {
    let owner: Cluster = cluster.read();
    let mut nodes = doc.nodes.clone();
    let mut obstacle = None;
    let mut started = false;
    for (zone, wanted) in &doc.wanted {
        groups(tx, cluster, &owner, doc, zone);
        let here = |node: &&Node| node.zone == *zone;
        while nodes.iter().filter(here).count() as u64 > *wanted {
            let last = nodes.iter().rposition(|node| node.zone == *zone).expect("there are more than wanted");
            remove(tx, cluster, &nodes.remove(last));
        }
        while (nodes.iter().filter(here).count() as u64) < *wanted {
            match machine(tx, cluster, &owner, doc, zone) {
                Ok(node) => {
                    nodes.push(node);
                    started = true;
                }
                Err(why) => {
                    // One zone without machines does not keep the others from starting theirs.
                    obstacle.get_or_insert(why);
                    break;
                }
            }
        }
    }
    let stuck = obstacle.is_some();
    let patience = if obstacle.as_ref().is_some_and(|why: &Obstacle| why.code == "GCE_STOCKOUT") {
        STOCK_PATIENCE
    } else {
        PATIENCE
    };
    change_pool(tx, object, |_, doc| {
        doc.nodes = nodes;
        doc.obstacle = obstacle;
    });
    members(tx, cluster, object);
    rebill(tx, cluster, &owner);
    if !stuck {
        let boot = if started { tx.between(secs(45), secs(75)) } else { secs(3) };
        schedule(tx, object, boot, JOIN);
    } else if tx.now() >= doc.since + patience {
        give_up(tx, cluster, object);
    } else {
        schedule(tx, object, GLANCE, LAUNCH);
    }
}

fn rebill(tx: &mut Tx<'_>, cluster: &Object, owner: &Cluster) {
    let network = format!("{LINK}{}", owner.text("/networkConfig/network"));
    compute::rebill_nats(tx, &cluster.account, &cluster.region, &network);
}

/// Labels that GKE puts on what it makes, with those of the cluster and the pool.
fn labels(cluster: &Object, doc: &Pool) -> BTreeMap<String, String> {
    let mut labels = cluster.tags.clone();
    let own = doc.api["config"]["resourceLabels"].as_object().into_iter().flatten();
    labels.extend(own.map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned())));
    let location = store::location_of(&cluster.id);
    for (key, value) in [
        ("goog-gke-node", ""),
        ("goog-k8s-cluster-name", cluster.name.as_deref().unwrap_or_default()),
        ("goog-k8s-cluster-location", location),
        ("goog-k8s-node-pool-name", doc.name()),
    ] {
        labels.insert(key.to_owned(), value.to_owned());
    }
    labels
}

/// Starts a machine in a zone.
fn machine(tx: &mut Tx<'_>, cluster: &Object, owner: &Cluster, doc: &Pool, zone: &str) -> Result<Node, Obstacle> {
    let project = cluster.account.clone();
    let region = places::region_of(zone).unwrap_or_default().to_owned();
    let name = cluster.name.clone().unwrap_or_default();
    let kind = doc.text("/config/machineType").to_owned();
    let spot = doc.api["config"]["spot"] == json!(true) || doc.api["config"]["preemptible"] == json!(true);
    let private = doc.api["networkConfig"]["enablePrivateNodes"] == json!(true);
    let group = store::groups(&name, doc).into_iter().next().map(|(_, group)| group).unwrap_or_default();
    let tail = tx.letters(4).to_lowercase();
    let node_name = format!("{}-{tail}", group.trim_end_matches("-grp"));
    let failed = |code: &str, why: &str| {
        format!(
            "Google Compute Engine: Not all instances running in IGM after 35s. Expected 1, running 0, transitioning 1. Current \
             errors: [{code}]: Instance '{node_name}' creation failed: {why}"
        )
    };
    if let Some(shortage) = compute::machine_shortage(tx, &project, &region, &kind, spot, !private) {
        let why = shortage["error"]["message"].as_str().unwrap_or_default().to_owned();
        return Err(Obstacle {
            code: "GCE_QUOTA_EXCEEDED".to_owned(),
            canonical: "RESOURCE_EXHAUSTED".to_owned(),
            message: failed("QUOTA_EXCEEDED", &why),
        });
    }
    let running = tx
        .all()
        .filter(|object| {
            object.is(INSTANCE.kind())
                && object.id.starts_with(&format!("{zone}/"))
                && object.text("machineType").ends_with(&format!("/{kind}"))
        })
        .count();
    if let Some(left) = stock(tx, zone, &kind)
        && running as f64 >= left
    {
        let why = format!(
            "The zone 'projects/{project}/zones/{zone}' does not have enough resources available to fulfill the request. '(resource \
             type:compute)'."
        );
        return Err(Obstacle {
            code: "GCE_STOCKOUT".to_owned(),
            canonical: "RESOURCE_EXHAUSTED".to_owned(),
            message: failed("ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS", &why),
        });
    }
    let labels = labels(cluster, doc);
    let place = Place::Zone(zone.to_owned());
    let disk = Named::new(DISK, &project, place.clone(), &node_name);
    let (disk_type, gib) =
        (doc.text("/config/diskType").to_owned(), doc.api["config"]["diskSizeGb"].as_f64().unwrap_or(100.0));
    let body = json!({
        "sizeGb": format!("{gib}"), "type": format!("{LINK}projects/{project}/zones/{zone}/diskTypes/{disk_type}"), "labels": labels,
        "sourceImage": format!("{LINK}projects/gke-node-images/global/images/gke-1356-cos-125-19216-104-74-c-pre"),
    });
    disk.put(tx, body, Origin::Controller);
    let billed = !owner.is_autopilot();
    if billed {
        disk.update(tx, |object| {
            object.usage = vec![component(&region, disk_component(&disk_type), Unit::GbMonth, gib)]
        });
    }
    let subnet = format!("{LINK}{}", owner.text("/networkConfig/subnetwork"));
    let ip = compute::inner_ip(tx, &json!({"subnetwork": subnet}));
    let public_ip = (!private).then(|| compute::public_ip(tx));
    let tag = format!("gke-{}-{}-node", name.chars().take(40).collect::<String>().trim_end_matches('-'), owner.hash);
    let email = match doc.text("/config/serviceAccount") {
        "default" => places::project(&project).map(accounts::default_of).unwrap_or_default(),
        email => email.to_owned(),
    };
    let mut interface = json!({
        "name": "nic0", "kind": "compute#networkInterface", "network": format!("{LINK}{}", owner.text("/networkConfig/network")),
        "subnetwork": subnet, "networkIP": ip,
        "aliasIpRanges": [{"ipCidrRange": "/24", "subnetworkRangeName": owner.text("/ipAllocationPolicy/clusterSecondaryRangeName")}],
    });
    if let Some(public) = &public_ip {
        interface["accessConfigs"] = json!([{"kind": "compute#accessConfig", "type": "ONE_TO_ONE_NAT", "name": "external-nat", "natIP": public}]);
    }
    let instance = Named::new(INSTANCE, &project, place, &node_name);
    let body = json!({
        "machineType": format!("{LINK}projects/{project}/zones/{zone}/machineTypes/{kind}"), "labels": labels,
        "disks": [{"kind": "compute#attachedDisk", "boot": true, "autoDelete": true, "source": disk.link(), "mode": "READ_WRITE", "type": "PERSISTENT", "deviceName": "persistent-disk-0"}],
        "networkInterfaces": [interface], "tags": {"items": [tag]}, "canIpForward": true,
        "scheduling": {"provisioningModel": if spot { "SPOT" } else { "STANDARD" }, "automaticRestart": !spot, "preemptible": spot},
        "serviceAccounts": [{"email": email, "scopes": doc.api["config"]["oauthScopes"]}],
        "guestAccelerators": accelerators(doc, &project, zone),
    });
    instance.put(tx, body, Origin::Controller);
    let mut usage = vec![running_usage(&region, &kind, spot)];
    usage.extend(gpu_usage(&region, doc, &kind, spot));
    if public_ip.is_some() {
        usage.push(component(&region, "ip-vm", Unit::Hour, 1.0));
    }
    instance.update(tx, |object| {
        "RUNNING".clone_into(&mut object.state);
        if billed {
            object.usage = usage;
        }
    });
    Ok(Node { name: node_name, zone: zone.to_owned(), ip, public_ip, joined_at: None, ready: false })
}

fn running_usage(region: &str, kind: &str, spot: bool) -> Usage {
    let key = PriceKey::Instance {
        cloud: Cloud::Gcp,
        region: Region(region.to_owned()),
        instance_type: kind.to_owned(),
        spot,
    };
    Usage::fixed(key, Unit::Hour, 1.0)
}

/// GPUs that are attached to a machine are billed beside it; built-in ones are in its price.
fn gpu_usage(region: &str, doc: &Pool, kind: &str, spot: bool) -> Vec<Usage> {
    if compute::accelerators(kind).is_some() {
        return Vec::new();
    }
    let all = doc.api["config"]["accelerators"].as_array().into_iter().flatten();
    all.map(|one| {
        let name = one["acceleratorType"]
            .as_str()
            .unwrap_or_default()
            .trim_start_matches("nvidia-")
            .trim_start_matches("tesla-");
        component(region, &format!("gpu-{name}{}", if spot { "-spot" } else { "" }), Unit::Hour, count(one) as f64)
    })
    .collect()
}

/// How many of an accelerator a pool's machine has.
pub(super) fn count(one: &Value) -> u32 {
    match &one["acceleratorCount"] {
        Value::String(text) => text.parse().unwrap_or_default(),
        value => value.as_u64().and_then(|count| u32::try_from(count).ok()).unwrap_or_default(),
    }
}

fn accelerators(doc: &Pool, project: &str, zone: &str) -> Value {
    let all = doc.api["config"]["accelerators"].as_array().into_iter().flatten();
    let one = |one: &Value| {
        let kind = one["acceleratorType"].as_str().unwrap_or_default();
        json!({"acceleratorType": format!("{LINK}projects/{project}/zones/{zone}/acceleratorTypes/{kind}"), "acceleratorCount": count(one)})
    };
    all.map(one).collect()
}

/// The groups of a pool in a zone, made when they are first needed.
fn groups(tx: &mut Tx<'_>, cluster: &Object, owner: &Cluster, doc: &Pool, zone: &str) {
    let name = cluster.name.as_deref().unwrap_or_default();
    let Some((_, group)) = store::groups(name, doc).into_iter().find(|(own, _)| own == zone) else { return };
    let place = Place::Zone(zone.to_owned());
    let named = Named::new(GROUP, &cluster.account, place.clone(), &group);
    if named.find(tx).is_some() {
        return;
    }
    let body = json!({
        "network": format!("{LINK}{}", owner.text("/networkConfig/network")), "size": 0,
        "subnetwork": format!("{LINK}{}", owner.text("/networkConfig/subnetwork")),
        "description": "This instance group is controlled by Instance Group Manager.",
    });
    named.put(tx, body, Origin::Controller);
    let body = json!({
        "instanceGroup": named.link(), "baseInstanceName": group.trim_end_matches("-grp"), "targetSize": 0,
    });
    Named::new(MANAGER, &cluster.account, place, &group).put(tx, body, Origin::Controller);
}

/// The groups list who is in them.
fn members(tx: &mut Tx<'_>, cluster: &Object, pool: &Object) {
    let Some(doc) = tx.live(&pool.scope(), store::NODE_POOL, &pool.id).map(Object::read::<Pool>) else { return };
    let name = cluster.name.as_deref().unwrap_or_default();
    for (zone, group) in store::groups(name, &doc) {
        let place = Place::Zone(zone.clone());
        let links: Vec<String> = doc
            .nodes
            .iter()
            .filter(|node| node.zone == zone)
            .map(|node| Named::new(INSTANCE, &cluster.account, place.clone(), &node.name).link())
            .collect();
        let wanted = doc.wanted.iter().find(|(own, _)| *own == zone).map_or(0, |(_, count)| *count);
        Named::new(GROUP, &cluster.account, place.clone(), &group).update(tx, |object| {
            object.set("size", links.len());
            object.set("_instances", json!(links));
        });
        Named::new(MANAGER, &cluster.account, place, &group).update(tx, |object| object.set("targetSize", wanted));
    }
}

/// A machine goes, with its disk; target pools forget it.
fn remove(tx: &mut Tx<'_>, cluster: &Object, node: &Node) {
    let place = Place::Zone(node.zone.clone());
    let instance = Named::new(INSTANCE, &cluster.account, place.clone(), &node.name);
    let link = instance.link();
    instance.remove(tx);
    Named::new(DISK, &cluster.account, place, &node.name).remove(tx);
    let pools: Vec<Named> = tx.list_live(&cluster.scope(), TARGET_POOL.kind()).filter_map(Named::of).collect();
    for pool in pools {
        pool.update(tx, |object| {
            if let Some(list) = object.doc.get_mut("instances").and_then(Value::as_array_mut) {
                list.retain(|own| *own != json!(link));
            }
        });
    }
}

/// All machines of a pool go, with their groups.
pub(super) fn remove_all(tx: &mut Tx<'_>, cluster: &Object, pool: &Object) {
    let doc: Pool = pool.read();
    for node in &doc.nodes {
        remove(tx, cluster, node);
    }
    for (zone, group) in store::groups(cluster.name.as_deref().unwrap_or_default(), &doc) {
        for sort in [MANAGER, GROUP] {
            Named::new(sort, &cluster.account, Place::Zone(zone.clone()), &group).remove(tx);
        }
    }
    change_pool(tx, pool, |_, doc| doc.nodes.clear());
    rebill(tx, cluster, &cluster.read());
}

/// What keeps nodes from registering, or from becoming Ready once they have.
fn hindrance(tx: &Tx<'_>, cluster: &Object, doc: &Pool) -> Option<(bool, Obstacle)> {
    let owner: Cluster = cluster.read();
    let network = format!("{LINK}{}", owner.text("/networkConfig/network"));
    let subnet = format!("{LINK}{}", owner.text("/networkConfig/subnetwork"));
    let private = doc.api["networkConfig"]["enablePrivateNodes"] == json!(true);
    let (named, object) = compute::subnetwork(tx, &subnet)?;
    // Google's registries are reached from inside where the subnetwork lets, everything else through a NAT only.
    let reaches = !private
        || object.doc["privateIpGoogleAccess"] == json!(true)
        || compute::has_nat(tx, &cluster.account, &named, &network);
    let email = match doc.text("/config/serviceAccount") {
        "default" => places::project(&cluster.account).map(accounts::default_of).unwrap_or_default(),
        email => email.to_owned(),
    };
    let waiting = doc.nodes.iter().filter(|node| !node.ready).count();
    if !reaches || compute::egress_closed(tx, &cluster.account, &network) {
        let message = format!(
            "All cluster resources were brought up, but: only 0 nodes out of {waiting} have registered; this is likely due to Nodes \
             failing to start correctly; try re-creating the cluster or contact support if that doesn't work."
        );
        return Some((false, Obstacle { code: "UNKNOWN".to_owned(), canonical: "UNKNOWN".to_owned(), message }));
    }
    if !accounts::usable(tx, &email) {
        let message = format!("The service account {email} of the node pool was deleted.");
        let (code, canonical) = ("GKE_SERVICE_ACCOUNT_DELETED".to_owned(), "FAILED_PRECONDITION".to_owned());
        return Some((false, Obstacle { code, canonical, message }));
    }
    if !permissions::may_be_node(tx, &cluster.account, &email) {
        let message = format!(
            "The node service account {email} is missing critical permissions. Grant it \
             roles/container.defaultNodeServiceAccount on project {}.",
            cluster.account
        );
        let (code, canonical) = ("NODE_SERVICE_ACCOUNT_MISSING_PERMISSIONS".to_owned(), "PERMISSION_DENIED".to_owned());
        return Some((true, Obstacle { code, canonical, message }));
    }
    None
}

/// Machines are up: do they register, and become Ready?
fn join(tx: &mut Tx<'_>, cluster: &Object, object: &Object, doc: &Pool) {
    let waiting = doc.nodes.iter().any(|node| !node.ready);
    let hindrance = if waiting { hindrance(tx, cluster, doc) } else { None };
    let joins = hindrance.as_ref().is_none_or(|(joins, _)| *joins);
    let now = tx.now();
    let held = hindrance.is_some();
    change_pool(tx, object, |_, doc| {
        doc.obstacle = hindrance.map(|(_, obstacle)| obstacle);
        for node in doc.nodes.iter_mut().filter(|node| joins && node.joined_at.is_none()) {
            node.joined_at = Some(now);
        }
    });
    if !held {
        let settle = if waiting { tx.between(secs(12), secs(28)) } else { secs(1) };
        schedule(tx, object, settle, READY);
    } else if now >= doc.since + PATIENCE {
        give_up(tx, cluster, object);
    } else {
        schedule(tx, object, GLANCE, JOIN);
    }
}

/// The pool is whole.
fn ready(tx: &mut Tx<'_>, cluster: &Object, object: &Object) {
    change_pool(tx, object, |object, doc| {
        "RUNNING".clone_into(&mut object.state);
        object.due = None;
        doc.obstacle = None;
        for node in &mut doc.nodes {
            node.ready = true;
        }
    });
    tell(tx, cluster);
    ops::settle(tx, cluster);
}

fn tell(tx: &mut Tx<'_>, cluster: &Object) {
    if let Some(cluster) = tx.live(&cluster.scope(), CLUSTER, &cluster.id).map(host::cluster_of) {
        kubernetes::nodes_changed(tx, &cluster);
    }
}

/// GKE gives up, and says why.
fn give_up(tx: &mut Tx<'_>, cluster: &Object, object: &Object) {
    change_pool(tx, object, |object, doc| {
        object.due = None;
        let state = match object.state.as_str() {
            "PROVISIONING" if doc.nodes.iter().all(|node| !node.ready) => "ERROR",
            // An autoscaler's wish: the pool stays as it is.
            "RUNNING" => "RUNNING",
            _ => "RUNNING_WITH_ERROR",
        };
        state.clone_into(&mut object.state);
        if state == "RUNNING" {
            doc.obstacle = None;
            for (zone, wanted) in &mut doc.wanted {
                *wanted = doc.nodes.iter().filter(|node| node.zone == *zone).count() as u64;
            }
        }
    });
    tell(tx, cluster);
    ops::settle(tx, cluster);
}

/// What pools are doing is called off.
pub(super) fn halt(tx: &mut Tx<'_>, cluster: &Object, obstacle: &Obstacle) {
    let busy: Vec<Object> = store::pools(tx, cluster).into_iter().filter(|pool| pool.due.is_some()).cloned().collect();
    for pool in busy {
        change_pool(tx, &pool, |object, doc| {
            object.due = None;
            let state = if object.state == "PROVISIONING" { "ERROR" } else { "RUNNING_WITH_ERROR" };
            state.clone_into(&mut object.state);
            doc.obstacle = Some(obstacle.clone());
        });
    }
}

/// An autoscaler orders so many nodes in all; these machines go first. Says whether they will come.
pub(super) fn resize(tx: &mut Tx<'_>, cluster: &Object, pool: &Object, desired: u64, going: &[String]) -> bool {
    if pool.due.is_some() || pool.state != "RUNNING" || ops::running(tx, cluster).is_some() {
        return false;
    }
    let doc: Pool = pool.read();
    for node in doc.nodes.iter().filter(|node| going.contains(&node.name)) {
        remove(tx, cluster, node);
    }
    let owner: Cluster = cluster.read();
    let after = tx.between(secs(2), secs(8));
    let due = due(tx, after, LAUNCH);
    let now = tx.now();
    change_pool(tx, pool, |object, doc| {
        doc.nodes.retain(|node| !going.contains(&node.name));
        for (zone, wanted) in &mut doc.wanted {
            *wanted = doc.nodes.iter().filter(|node| node.zone == *zone).count() as u64;
        }
        while doc.total() < desired {
            let Some((_, least)) = doc.wanted.iter_mut().min_by_key(|(_, count)| *count) else { break };
            *least += 1;
        }
        while doc.total() > desired {
            let Some((_, most)) = doc.wanted.iter_mut().max_by_key(|(_, count)| *count) else { break };
            *most -= 1;
        }
        object.due = due;
        doc.since = now;
    });
    members(tx, cluster, pool);
    rebill(tx, cluster, &owner);
    true
}
