//! Clusters: made with their first pools, listed, taken down.

use super::super::{
    Answer, Cx, check_labels,
    compute::{self, ADDRESS, FIREWALL, Named, Place, SUBNETWORK, component},
    new, places,
    wire::Refused,
};
use super::{
    check::{self, Around, Net},
    clusters, nodes, ops, pools,
    store::{self, CLUSTER, Cluster, NODE_POOL, change, due, find, minutes, scope, secs, texts},
    versions,
};
use crate::{
    model::Unit,
    sandbox::{
        kubernetes,
        world::{Object, Origin, Tx},
    },
};
use ipnet::Ipv4Net;
use serde_json::{Value, json};

/// Clusters a project may have.
const LIMIT: f64 = 100.0;

/// `clusters.create`.
pub(super) fn create(cx: &mut Cx<'_, '_>, location: &str) -> Answer {
    if location == "-" {
        return Err(Refused::invalid("Location \"-\" cannot be created in."));
    }
    let body = cx.body["cluster"].clone();
    if !body.is_object() {
        return Err(Refused::invalid("Cluster must be set."));
    }
    let name = body["name"].as_str().unwrap_or_default().to_owned();
    check::name("cluster.name", &name)?;
    let path = store::path(cx.project.id, location, &name);
    let place = scope(cx.project.id, location);
    if cx.tx.live(&place, CLUSTER, &store::id(location, &name)).is_some() {
        return Err(Refused::exists(format!("Already exists: {path}.")));
    }
    let (mut api, net) = check::cluster(cx, location, &body)?;
    let limit = cx.tx.in_force().quotas.get("container/CLUSTERS").copied().unwrap_or(LIMIT);
    if clusters(cx.tx, cx.project.id) as f64 >= limit {
        return Err(Refused { http: 403, ..Refused::quota(format!("Quota 'CLUSTERS' exceeded. Limit: {limit:.1}.")) });
    }
    let wanted = wanted_pools(&api);
    let hash = cx.tx.hex(8);
    let private = api["networkConfig"]["defaultEnablePrivateNodes"] == json!(true)
        || api["privateClusterConfig"]["enablePrivateNodes"] == json!(true);
    let around = Around {
        location,
        zones: &texts(&api["locations"]),
        channel: api["releaseChannel"]["channel"].as_str().unwrap_or_default(),
        version: api["currentMasterVersion"].as_str().unwrap_or_default(),
        private,
        identities: api["workloadIdentityConfig"]["workloadPool"].is_string(),
    };
    let mut made: Vec<Value> = Vec::new();
    for pool in &wanted {
        let pool = check::pool(cx, pool, &around)?;
        if made.iter().any(|other| other["name"] == pool["name"]) {
            return Err(Refused::invalid(format!("Node pool name {} is used more than once.", pool["name"])));
        }
        made.push(pool);
    }
    let own_ranges = own_ranges(cx, &mut api, &net, &name, &hash)?;
    let tags = check_labels(&api["resourceLabels"]).map_err(Refused::invalid)?;
    if let Some(map) = api.as_object_mut() {
        for key in ["nodePools", "initialNodeCount", "nodeConfig", "resourceLabels", "name", "status"] {
            map.remove(key);
        }
    }
    api["id"] = json!(cx.tx.hex(64));
    if private {
        api["privateClusterConfig"] = json!({"enablePrivateNodes": true});
        private_endpoint(cx.tx, &net, &name, &hash, &mut api);
    }
    let policy = api["ipAllocationPolicy"].clone();
    api["clusterIpv4Cidr"] = policy["clusterIpv4CidrBlock"].clone();
    api["servicesIpv4Cidr"] = policy["servicesIpv4CidrBlock"].clone();
    let region = places::region_of(location).unwrap_or(location);
    let mut object = new(cx.tx, &place, CLUSTER, &store::id(location, &name));
    object.name = Some(name.clone());
    "PROVISIONING".clone_into(&mut object.state);
    object.tags = tags;
    object.parent = Some(net.network.name.clone());
    object.usage = vec![component(region, "gke-cluster", Unit::Hour, 1.0)];
    let doc = Cluster { api, uid: cx.tx.hex(32), hash, up: false, own_ranges };
    object.write(&doc);
    cx.tx.put(object.clone());
    for pool in made {
        pools::put(cx, &object, pool);
    }
    let zonal = places::region_of(location).is_some();
    let after = if zonal { cx.tx.between(secs(150), secs(220)) } else { cx.tx.between(secs(240), secs(340)) };
    Ok(ops::begin(cx, &object, "CREATE_CLUSTER", &path, after, "control-plane"))
}

/// The pools a body asks for: listed, by the old fields, or Autopilot's own.
fn wanted_pools(api: &Value) -> Vec<Value> {
    if api["autopilot"]["enabled"] == json!(true) {
        let defaults = &api["autoscaling"]["autoprovisioningNodePoolDefaults"];
        let mut config = json!({"machineType": "e2-standard-4", "workloadMetadataConfig": {"mode": "GKE_METADATA"}});
        for key in ["serviceAccount", "oauthScopes"] {
            if !defaults[key].is_null() {
                config[key] = defaults[key].clone();
            }
        }
        return vec![json!({
            "name": "default-pool", "initialNodeCount": 1, "config": config,
            "autoscaling": {"enabled": true, "totalMinNodeCount": 0, "totalMaxNodeCount": 1000, "autoprovisioned": true},
        })];
    }
    match api["nodePools"].as_array() {
        Some(pools) if !pools.is_empty() => pools.clone(),
        _ => vec![
            json!({"name": "default-pool", "initialNodeCount": api["initialNodeCount"], "config": api["nodeConfig"]}),
        ],
    }
}

/// Ranges that GKE takes from the network where none are named; says whether it did.
fn own_ranges(cx: &mut Cx<'_, '_>, api: &mut Value, net: &Net, name: &str, hash: &str) -> Result<bool, Refused> {
    if api["ipAllocationPolicy"]["clusterSecondaryRangeName"].is_string() {
        let (pods, services) = (
            api["ipAllocationPolicy"]["clusterSecondaryRangeName"].clone(),
            api["ipAllocationPolicy"]["servicesSecondaryRangeName"].clone(),
        );
        // Services of two clusters do not share a range.
        let taken = cx.tx.all().filter(|object| object.is(CLUSTER)).any(|object| {
            let doc: Cluster = object.read();
            let other = &doc.api["ipAllocationPolicy"];
            doc.text("/networkConfig/subnetwork") == net.subnetwork.path()
                && (other["servicesSecondaryRangeName"] == services
                    || other["clusterSecondaryRangeName"] == services
                    || other["servicesSecondaryRangeName"] == pods)
        });
        if taken {
            return Err(Refused::invalid(format!(
                "Services range {services} in network \"{}\", subnetwork \"{}\" is already used by another cluster.",
                net.network.name, net.subnetwork.name
            )));
        }
        return Ok(false);
    }
    let mut taken: Vec<Ipv4Net> = compute::taken(cx.tx, &net.network.link()).into_iter().map(|(net, _)| net).collect();
    let mut free = |asked: &Value, usual: u8| -> Option<Ipv4Net> {
        let text = asked.as_str().unwrap_or_default();
        let length = text.trim_start_matches('/').parse().unwrap_or(usual);
        let found = match text.parse::<Ipv4Net>() {
            Ok(whole) => Some(whole).filter(|net| !taken.iter().any(|own| own.contains(net) || net.contains(own))),
            Err(_) => {
                let all = Ipv4Net::new([10, 0, 0, 0].into(), 8).ok()?.subnets(length).ok()?;
                let mut rest = all.filter(|net| !taken.iter().any(|own| own.contains(net) || net.contains(own)));
                rest.next()
            }
        };
        taken.extend(found);
        found
    };
    let policy = &mut api["ipAllocationPolicy"];
    let pods = free(&policy["clusterIpv4CidrBlock"].clone(), 14);
    let services = free(&policy["servicesIpv4CidrBlock"].clone(), 20);
    let (Some(pods), Some(services)) = (pods, services) else {
        return Err(Refused::invalid(format!(
            "The network \"{}\" does not have available private IP space in 10.0.0.0/8 to reserve for the cluster.",
            net.network.name
        )));
    };
    policy["clusterIpv4CidrBlock"] = json!(pods.to_string());
    policy["servicesIpv4CidrBlock"] = json!(services.to_string());
    let (pod_name, service_name) = (format!("gke-{name}-pods-{hash}"), format!("gke-{name}-services-{hash}"));
    policy["clusterSecondaryRangeName"] = json!(pod_name);
    policy["servicesSecondaryRangeName"] = json!(service_name);
    let more = [
        json!({"rangeName": pod_name, "ipCidrRange": pods.to_string()}),
        json!({"rangeName": service_name, "ipCidrRange": services.to_string()}),
    ];
    net.subnetwork.update(cx.tx, |subnet| {
        let mut all = subnet.doc["secondaryIpRanges"].as_array().cloned().unwrap_or_default();
        all.extend(more);
        subnet.set("secondaryIpRanges", json!(all));
    });
    Ok(true)
}

/// The control plane's address inside the network, which keeps the subnetwork in use.
fn private_endpoint(tx: &mut Tx<'_>, net: &Net, name: &str, hash: &str, api: &mut Value) {
    let short: String = name.chars().take(30).collect();
    let named =
        Named::new(ADDRESS, &net.subnetwork.project, net.subnetwork.place.clone(), &format!("gke-{short}-{hash}-pe"));
    let mut doc = json!({
        "addressType": "INTERNAL", "purpose": "GCE_ENDPOINT", "subnetwork": net.subnetwork.link(),
        "description": format!("Address of the control plane of cluster {name}"),
    });
    let ip = compute::inner_ip(tx, &doc);
    doc["address"] = json!(ip);
    named.put(tx, doc, Origin::Controller);
    api["privateClusterConfig"]["privateEndpoint"] = json!(ip);
    api["controlPlaneEndpointsConfig"]["ipEndpointsConfig"]["privateEndpoint"] = json!(ip);
}

/// `clusters.get`.
pub(super) fn get(cx: &mut Cx<'_, '_>, location: &str) -> Answer {
    let name = cx.path.get("clustersId").cloned().unwrap_or_default();
    let object = find(cx.tx, cx.project.id, location, &name)?;
    Ok(store::view(cx.tx, &object))
}

/// `clusters.list`, of one location or of all.
pub(super) fn list(cx: &mut Cx<'_, '_>, location: &str) -> Answer {
    let own = cx.tx.all().filter(|object| object.is(CLUSTER) && object.account == cx.project.id);
    let missing = ops::missing_zones(cx.tx);
    let silent = |object: &&Object| {
        let region = &object.region;
        missing.iter().any(|zone| places::region_of(zone) == Some(region))
    };
    let here = own.filter(|object| location == "-" && !silent(object) || store::location_of(&object.id) == location);
    let views: Vec<Value> = here.map(|object| store::view(cx.tx, object)).collect();
    let mut reply = if views.is_empty() { json!({}) } else { json!({"clusters": views}) };
    if location == "-" && !missing.is_empty() {
        reply["missingZones"] = json!(missing);
    }
    Ok(reply)
}

/// `clusters.delete`.
pub(super) fn delete(cx: &mut Cx<'_, '_>, location: &str) -> Answer {
    let name = cx.path.get("clustersId").cloned().unwrap_or_default();
    let object = find(cx.tx, cx.project.id, location, &name)?;
    ops::check_free(cx.tx, &object)?;
    change(cx.tx, &object, |object, doc| {
        "STOPPING".clone_into(&mut object.state);
        doc.up = false;
    });
    let pools: Vec<Object> = store::pools(cx.tx, &object).into_iter().cloned().collect();
    for pool in &pools {
        store::change_pool(cx.tx, pool, |pool, _| {
            "STOPPING".clone_into(&mut pool.state);
            pool.due = None;
        });
    }
    let after = cx.tx.between(secs(60), secs(100));
    let path = store::path(cx.project.id, location, &name);
    Ok(ops::begin(cx, &object, "DELETE_CLUSTER", &path, after, "torn-down"))
}

/// The control plane answers; the pools start their machines.
pub(super) fn rises(tx: &mut Tx<'_>, cluster: &Object, operation: &Object) {
    firewalls(tx, cluster);
    change(tx, cluster, |_, doc| doc.up = true);
    tx.update(&operation.scope(), store::OPERATION, &operation.id, |object| object.due = None);
    let pools: Vec<Object> = store::pools(tx, cluster).into_iter().cloned().collect();
    for pool in &pools {
        nodes::start(tx, pool, secs(5));
    }
    ops::settle(tx, cluster);
}

fn rule_names(cluster: &Object, doc: &Cluster) -> Vec<(String, Value, Value)> {
    let short: String = cluster.name.as_deref().unwrap_or_default().chars().take(40).collect();
    let base = format!("gke-{}-{}", short.trim_end_matches('-'), doc.hash);
    let pods = doc.api["clusterIpv4Cidr"].clone();
    let all = json!([{"IPProtocol": "tcp"}, {"IPProtocol": "udp"}, {"IPProtocol": "icmp"}, {"IPProtocol": "esp"}, {"IPProtocol": "ah"}, {"IPProtocol": "sctp"}]);
    let kubelet = json!([{"IPProtocol": "tcp", "ports": ["10255"]}]);
    vec![
        (format!("{base}-all"), all.clone(), json!([pods])),
        (format!("{base}-vms"), all, json!(["10.128.0.0/9"])),
        (format!("{base}-inkubelet"), kubelet.clone(), json!([pods])),
        (format!("{base}-exkubelet"), kubelet, json!(["0.0.0.0/0"])),
    ]
}

/// The rules that GKE makes for its nodes.
fn firewalls(tx: &mut Tx<'_>, cluster: &Object) {
    let doc: Cluster = cluster.read();
    let network = format!("{}{}", compute::LINK, doc.text("/networkConfig/network"));
    for (name, allowed, ranges) in rule_names(cluster, &doc) {
        let closed = name.ends_with("-exkubelet");
        let mut rule = json!({
            "network": network, "direction": "INGRESS", "priority": if closed { 1000 } else { 999 }, "disabled": false,
            "sourceRanges": ranges, "targetTags": [format!("{}-node", name.rsplit_once('-').map_or("", |(base, _)| base))],
        });
        rule[if closed { "denied" } else { "allowed" }] = allowed;
        Named::new(FIREWALL, &cluster.account, Place::Global, &name).put(tx, rule, Origin::Controller);
    }
}

/// The machines go; what the cluster's own controllers made stays.
pub(super) fn torn_down(tx: &mut Tx<'_>, cluster: &Object) {
    let pools: Vec<Object> = store::pools(tx, cluster).into_iter().cloned().collect();
    for pool in &pools {
        nodes::remove_all(tx, cluster, pool);
    }
    let after = tx.between(minutes(1), minutes(3));
    let due = due(tx, after, "gone");
    if let Some(operation) = ops::running(tx, cluster) {
        tx.update(&operation.scope(), store::OPERATION, &operation.id, |object| object.due = due);
    }
}

/// The cluster is gone, with the rules, routes and addresses that it came with.
pub(super) fn gone(tx: &mut Tx<'_>, cluster: &Object) {
    let doc: Cluster = cluster.read();
    for (name, ..) in rule_names(cluster, &doc) {
        Named::new(FIREWALL, &cluster.account, Place::Global, &name).remove(tx);
    }
    let region = Place::Region(cluster.region.clone());
    let short: String = cluster.name.as_deref().unwrap_or_default().chars().take(30).collect();
    Named::new(ADDRESS, &cluster.account, region, &format!("gke-{short}-{}-pe", doc.hash)).remove(tx);
    if doc.own_ranges {
        let subnet = Named::read(doc.text("/networkConfig/subnetwork"), &cluster.account)
            .filter(|named| named.sort == SUBNETWORK);
        let own = [
            doc.text("/ipAllocationPolicy/clusterSecondaryRangeName"),
            doc.text("/ipAllocationPolicy/servicesSecondaryRangeName"),
        ];
        if let Some(subnet) = subnet {
            subnet.update(tx, |object| {
                if let Some(all) = object.doc.get_mut("secondaryIpRanges").and_then(Value::as_array_mut) {
                    all.retain(|range| !range["rangeName"].as_str().is_some_and(|name| own.contains(&name)));
                }
            });
        }
    }
    let pools: Vec<String> = store::pools(tx, cluster).into_iter().map(|pool| pool.id.clone()).collect();
    for pool in pools {
        tx.remove(&cluster.scope(), NODE_POOL, &pool);
    }
    tx.remove(&cluster.scope(), CLUSTER, &cluster.id);
    kubernetes::forget_cluster(tx, &cluster.scope(), &cluster.id);
}

/// A minor version's build for the API server's own words.
pub(super) fn minor(doc: &Cluster) -> String {
    versions::minor_of(doc.text("/currentMasterVersion"))
}
