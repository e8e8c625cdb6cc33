//! What the controllers of a cluster make in Compute Engine for Services and Ingresses. It stays when the cluster goes
//! first, with the firewall rules and the endpoint groups that keep its network from being deleted.

use super::super::compute::{
    self, ADDRESS, BACKEND, ENDPOINT_GROUP, FIREWALL, FORWARDING, HEALTH_CHECK, HTTP_CHECK, HTTP_PROXY, INSTANCE, LINK,
    Named, Place, Sort, TARGET_POOL, URL_MAP, component,
};
use super::store::{CLUSTER, Cluster as Doc, NODE_POOL, Pool};
use crate::{
    model::Unit,
    sandbox::{
        kubernetes::host::{Cluster, Front, FrontKind},
        world::{Object, Origin, Tx},
    },
};
use serde_json::{Value, json};

const NEG: &str = "cloud.google.com/neg";
const INTERNAL: &str = "networking.gke.io/load-balancer-type";

/// Whether GKE's own controllers serve it.
pub(super) fn serves(doc: &Doc, front: &Front<'_>) -> bool {
    match front.kind {
        FrontKind::Service => front.class().is_none(),
        FrontKind::Ingress => {
            let class = front.class().or_else(|| front.annotation("kubernetes.io/ingress.class")).unwrap_or("gce");
            doc.api["addonsConfig"]["httpLoadBalancing"]["disabled"] != json!(true) && class == "gce"
        }
    }
}

/// The name of everything of a Service.
fn name(uid: &str) -> String {
    format!("a{}", uid.replace('-', "")).chars().take(32).collect()
}

/// Eight letters that stand for a cluster in the names of what it makes.
fn mark(cluster: &Cluster) -> &str {
    &cluster.uid[..8]
}

struct At<'a> {
    cluster: &'a Cluster,
    network: String,
    subnetwork: String,
    tag: String,
}

impl At<'_> {
    fn project(&self) -> &str {
        &self.cluster.scope.account
    }

    fn named(&self, sort: Sort, place: Place, name: &str) -> Named {
        Named::new(sort, self.project(), place, name)
    }

    fn region(&self) -> Place {
        Place::Region(self.cluster.region.clone())
    }
}

fn at<'a>(tx: &Tx<'_>, cluster: &'a Cluster) -> Option<At<'a>> {
    let doc: Doc = tx.live(&cluster.scope, CLUSTER, &cluster.id)?.read();
    let short: String = cluster.name.chars().take(40).collect();
    Some(At {
        cluster,
        network: format!("{LINK}{}", doc.text("/networkConfig/network")),
        subnetwork: format!("{LINK}{}", doc.text("/networkConfig/subnetwork")),
        tag: format!("gke-{}-{}-node", short.trim_end_matches('-'), doc.hash),
    })
}

fn nodes(tx: &Tx<'_>, cluster: &Cluster) -> Vec<(String, String)> {
    let pools =
        tx.list_live(&cluster.scope, NODE_POOL).filter(|pool| pool.parent.as_deref() == Some(cluster.id.as_str()));
    let all = pools.flat_map(|pool| pool.read::<Pool>().nodes);
    all.filter(|node| node.joined_at.is_some()).map(|node| (node.zone, node.name)).collect()
}

fn zones(tx: &Tx<'_>, cluster: &Cluster) -> Vec<String> {
    let mut zones: Vec<String> = nodes(tx, cluster).into_iter().map(|(zone, _)| zone).collect();
    zones.sort();
    zones.dedup();
    zones
}

fn put(tx: &mut Tx<'_>, named: &Named, doc: Value) {
    if named.find(tx).is_none() {
        named.put(tx, doc, Origin::Controller);
    }
}

/// Makes the load balancer; its address, or nothing where a quota is in the way.
pub(super) fn make(tx: &mut Tx<'_>, cluster: &Cluster, front: &Front<'_>) -> Option<String> {
    let at = at(tx, cluster)?;
    match front.kind {
        FrontKind::Service => service(tx, &at, front),
        FrontKind::Ingress => ingress(tx, &at, front),
    }
}

fn described(front: &Front<'_>, ip: &str) -> String {
    let service = format!("{}/{}", front.namespace, front.name);
    json!({"kubernetes.io/service-name": service, "kubernetes.io/service-ip": ip}).to_string()
}

fn service(tx: &mut Tx<'_>, at: &At<'_>, front: &Front<'_>) -> Option<String> {
    let name = name(front.uid);
    let internal = front.annotation(INTERNAL).is_some_and(|kind| kind.eq_ignore_ascii_case("internal"));
    let region = at.region();
    if compute::shortage(tx, at.project(), Some(&at.cluster.region), "FORWARDING_RULES", 1.0).is_some() {
        return None;
    }
    let mut address =
        json!({"addressType": if internal { "INTERNAL" } else { "EXTERNAL" }, "description": described(front, "")});
    if internal {
        address["subnetwork"] = json!(at.subnetwork);
    }
    let ip = if internal { compute::inner_ip(tx, &address) } else { compute::public_ip(tx) };
    address["address"] = json!(ip);
    put(tx, &at.named(ADDRESS, region.clone(), &name), address);
    let check = at.named(HTTP_CHECK, Place::Global, &format!("k8s-{}-node", mark(at.cluster)));
    put(tx, &check, json!({"port": 10_256, "requestPath": "/healthz", "description": "{}"}));
    let ports: Vec<String> = front.ports().iter().map(|(port, _)| port.to_string()).collect();
    for (rule, ranges, ports) in [
        (format!("k8s-fw-{name}"), json!(["0.0.0.0/0"]), ports.clone()),
        (
            format!("k8s-{}-node-http-hc", mark(at.cluster)),
            json!(["130.211.0.0/22", "35.191.0.0/16", "209.85.152.0/22"]),
            vec!["10256".to_owned()],
        ),
    ] {
        let doc = json!({
            "network": at.network, "direction": "INGRESS", "priority": 1000, "disabled": false, "sourceRanges": ranges,
            "targetTags": [at.tag], "allowed": [{"IPProtocol": "tcp", "ports": ports}], "description": described(front, &ip),
        });
        put(tx, &at.named(FIREWALL, Place::Global, &rule), doc);
    }
    let instances: Vec<String> = nodes(tx, at.cluster)
        .into_iter()
        .map(|(zone, node)| at.named(INSTANCE, Place::Zone(zone), &node).link())
        .collect();
    let pool = at.named(TARGET_POOL, region.clone(), &name);
    let doc = json!({
        "sessionAffinity": "NONE", "healthChecks": [check.link()], "instances": instances, "description": described(front, &ip),
    });
    put(tx, &pool, doc);
    let rule = at.named(FORWARDING, region, &name);
    let doc = json!({
        "IPAddress": ip, "IPProtocol": "TCP", "target": pool.link(), "description": described(front, &ip), "networkTier": "PREMIUM",
        "loadBalancingScheme": if internal { "INTERNAL" } else { "EXTERNAL" },
        "portRange": format!("{}-{}", ports.first().cloned().unwrap_or_default(), ports.last().cloned().unwrap_or_default()),
    });
    if rule.find(tx).is_none() {
        rule.put(tx, doc, Origin::Controller);
        let usage = vec![component(&at.cluster.region, "forwarding-rule", Unit::Hour, 1.0)];
        rule.update(tx, |object| object.usage = usage);
    }
    if front.annotation(NEG).is_some_and(|said| said.contains("exposed_ports")) {
        for (port, _) in front.ports() {
            endpoints(tx, at, front.namespace, front.name, port);
        }
    }
    Some(ip)
}

/// The endpoint groups of a Service's port, one a zone.
fn endpoints(tx: &mut Tx<'_>, at: &At<'_>, namespace: &str, service: &str, port: u16) -> Vec<Named> {
    let name = endpoint_name(at.cluster, namespace, service, port);
    let description = json!({
        "cluster-uid": at.cluster.uid, "namespace": namespace, "service-name": service, "port": port.to_string(),
    })
    .to_string();
    let mut made = Vec::new();
    for zone in zones(tx, at.cluster) {
        let named = at.named(ENDPOINT_GROUP, Place::Zone(zone), &name);
        let doc = json!({
            "network": at.network, "subnetwork": at.subnetwork, "networkEndpointType": "GCE_VM_IP_PORT", "size": 1,
            "description": description,
        });
        put(tx, &named, doc);
        made.push(named);
    }
    made
}

fn short(text: &str) -> String {
    text.chars().take(14).collect::<String>().trim_end_matches('-').to_owned()
}

fn endpoint_name(cluster: &Cluster, namespace: &str, service: &str, port: u16) -> String {
    let tail: String = compute::fingerprint(&format!("{}/{namespace}/{service}/{port}", cluster.uid)).to_lowercase();
    let tail: String = tail.chars().filter(char::is_ascii_alphanumeric).take(8).collect();
    format!("k8s1-{}-{}-{}-{port}-{tail}", mark(cluster), short(namespace), short(service))
}

/// The Service behind an Ingress: its name and port.
fn backend(front: &Front<'_>) -> (String, u16) {
    let rule = front.spec.pointer("/rules/0/http/paths/0/backend/service");
    let service = front.spec.pointer("/defaultBackend/service").or(rule).cloned().unwrap_or_default();
    let port = service["port"]["number"].as_u64().and_then(|port| u16::try_from(port).ok()).unwrap_or(80);
    (service["name"].as_str().unwrap_or("default-http-backend").to_owned(), port)
}

fn l7(cluster: &Cluster, what: &str, front: &Front<'_>) -> String {
    let tail: String = compute::fingerprint(front.uid).to_lowercase();
    let tail: String = tail.chars().filter(char::is_ascii_alphanumeric).take(8).collect();
    format!("k8s2-{what}-{}-{}-{}-{tail}", mark(cluster), short(front.namespace), short(front.name))
}

fn ingress(tx: &mut Tx<'_>, at: &At<'_>, front: &Front<'_>) -> Option<String> {
    let (service, port) = backend(front);
    let groups = endpoints(tx, at, front.namespace, &service, port);
    let base = endpoint_name(at.cluster, front.namespace, &service, port);
    let check = at.named(HEALTH_CHECK, Place::Global, &base);
    put(
        tx,
        &check,
        json!({"type": "HTTP", "httpHealthCheck": {"portSpecification": "USE_SERVING_PORT", "requestPath": "/"}}),
    );
    let backends: Vec<Value> =
        groups.iter().map(|group| json!({"group": group.link(), "balancingMode": "RATE"})).collect();
    let backend = at.named(BACKEND, Place::Global, &base);
    let doc = json!({"backends": backends, "healthChecks": [check.link()], "protocol": "HTTP", "loadBalancingScheme": "EXTERNAL",
        "description": json!({"kubernetes.io/service-name": format!("{}/{service}", front.namespace)}).to_string()});
    put(tx, &backend, doc);
    let map = at.named(URL_MAP, Place::Global, &l7(at.cluster, "um", front));
    put(tx, &map, json!({"defaultService": backend.link()}));
    let proxy = at.named(HTTP_PROXY, Place::Global, &l7(at.cluster, "tp", front));
    put(tx, &proxy, json!({"urlMap": map.link()}));
    let doc = json!({
        "network": at.network, "direction": "INGRESS", "priority": 1000, "disabled": false, "targetTags": [at.tag],
        "sourceRanges": ["130.211.0.0/22", "35.191.0.0/16"], "allowed": [{"IPProtocol": "tcp"}],
        "description": "GCE L7 firewall rule",
    });
    put(tx, &at.named(FIREWALL, Place::Global, &format!("k8s-fw-l7--{}", mark(at.cluster))), doc);
    let rule = at.named(FORWARDING, Place::Global, &l7(at.cluster, "fr", front));
    if let Some(before) = rule.find(tx) {
        return Some(before.text("IPAddress").to_owned());
    }
    let ip = compute::public_ip(tx);
    let doc = json!({
        "IPAddress": ip, "IPProtocol": "TCP", "portRange": "80-80", "target": proxy.link(), "loadBalancingScheme": "EXTERNAL",
        "networkTier": "PREMIUM",
        "description": json!({"kubernetes.io/ingress-name": format!("{}/{}", front.namespace, front.name)}).to_string(),
    });
    rule.put(tx, doc, Origin::Controller);
    let usage = vec![component(&at.cluster.region, "forwarding-rule", Unit::Hour, 1.0)];
    rule.update(tx, |object| object.usage = usage);
    Some(ip)
}

/// Removes it. Says whether nothing of it is left.
pub(super) fn remove(tx: &mut Tx<'_>, cluster: &Cluster, front: &Front<'_>) -> bool {
    let Some(at) = at(tx, cluster) else { return true };
    match front.kind {
        FrontKind::Service => {
            let name = name(front.uid);
            for named in [
                at.named(FORWARDING, at.region(), &name),
                at.named(TARGET_POOL, at.region(), &name),
                at.named(ADDRESS, at.region(), &name),
                at.named(FIREWALL, Place::Global, &format!("k8s-fw-{name}")),
            ] {
                named.remove(tx);
            }
            for (port, _) in front.ports() {
                forget_endpoints(tx, cluster, &endpoint_name(cluster, front.namespace, front.name, port));
            }
            last_service(tx, &at);
        }
        FrontKind::Ingress => {
            let (service, port) = backend(front);
            let base = endpoint_name(cluster, front.namespace, &service, port);
            for named in [
                at.named(FORWARDING, Place::Global, &l7(cluster, "fr", front)),
                at.named(HTTP_PROXY, Place::Global, &l7(cluster, "tp", front)),
                at.named(URL_MAP, Place::Global, &l7(cluster, "um", front)),
                at.named(BACKEND, Place::Global, &base),
                at.named(HEALTH_CHECK, Place::Global, &base),
                at.named(FIREWALL, Place::Global, &format!("k8s-fw-l7--{}", mark(cluster))),
            ] {
                named.remove(tx);
            }
            forget_endpoints(tx, cluster, &base);
        }
    }
    true
}

fn forget_endpoints(tx: &mut Tx<'_>, cluster: &Cluster, name: &str) {
    let all = tx.list_live(&cluster.scope, ENDPOINT_GROUP.kind()).filter(|group| group.name.as_deref() == Some(name));
    let named: Vec<Named> = all.filter_map(Named::of).collect();
    for group in named {
        group.remove(tx);
    }
}

/// With the last load balancer of a cluster goes what they share.
fn last_service(tx: &mut Tx<'_>, at: &At<'_>) {
    let check = at.named(HTTP_CHECK, Place::Global, &format!("k8s-{}-node", mark(at.cluster)));
    let link = check.link();
    let used = |object: &Object| {
        object.doc["healthChecks"].as_array().is_some_and(|all| all.iter().any(|own| *own == json!(link)))
    };
    if tx.list_live(&at.cluster.scope, TARGET_POOL.kind()).any(used) {
        return;
    }
    check.remove(tx);
    at.named(FIREWALL, Place::Global, &format!("k8s-{}-node-http-hc", mark(at.cluster))).remove(tx);
}
