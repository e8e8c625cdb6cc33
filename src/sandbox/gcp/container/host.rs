//! GKE as the Kubernetes room meets it: clusters by their path, callers by Google's access tokens and the project's roles,
//! nodes by their machines, disks as the PD driver makes them, pools as GKE's own autoscaler would have them.

use super::super::{
    Caller, PROJECT,
    compute::{self, DISK, INSTANCE, LINK, Named, Place, component, disk_component},
    permissions, public_key, token,
};
use super::{
    balancer, nodes,
    store::{self, CLUSTER, Cluster as Doc, NODE_POOL, Node, Pool as Group, location_of},
};
use crate::{
    model::{Cloud, Unit},
    sandbox::{
        kubernetes::host::{
            Address, Class, Cluster, Credentials, Disk, Front, FrontKind, Gpus, Host, NodeFacts, Pool, Right, Scaling,
            Software, Storage, System, User,
        },
        world::{Object, Origin, Scope, Tx},
    },
};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// GKE.
pub(in crate::sandbox) struct Gke;

/// The storage driver.
const DRIVER: &str = "pd.csi.storage.gke.io";

/// The cluster as its API server sees itself.
pub(super) fn cluster_of(object: &Object) -> Cluster {
    let doc: Doc = object.read();
    Cluster {
        cloud: Cloud::Gcp,
        scope: object.scope(),
        id: object.id.clone(),
        name: object.name.clone().unwrap_or_default(),
        region: object.region.clone(),
        uid: doc.uid.clone(),
        version: super::cluster::minor(&doc),
        git_version: format!("v{}", doc.text("/currentMasterVersion")),
        service_range: doc.text("/servicesIpv4Cidr").to_owned(),
        created_at: object.created_at,
    }
}

fn groups(tx: &Tx<'_>, cluster: &Cluster) -> Vec<(Object, Group)> {
    let own =
        tx.list_live(&cluster.scope, NODE_POOL).filter(|pool| pool.parent.as_deref() == Some(cluster.id.as_str()));
    own.map(|object| (object.clone(), object.read())).collect()
}

fn doc(tx: &Tx<'_>, cluster: &Cluster) -> Option<Doc> {
    tx.live(&cluster.scope, CLUSTER, &cluster.id).map(Object::read)
}

/// What a caller's roles in the project come to inside a cluster.
fn user(tx: &Tx<'_>, project: &str, caller: &Caller) -> Option<User> {
    let may = |permission: &str| permissions::may(tx, project, caller, permission);
    let name = caller.email.clone();
    if may("container.clusterRoleBindings.create") {
        return Some(User::master(name));
    }
    let mut rights = Vec::new();
    for (permission, right) in [
        ("container.services.delete", Right::Edit),
        ("container.nodes.list", Right::ViewAll),
        ("container.pods.list", Right::View),
    ] {
        if may(permission) {
            rights.push((right, None));
        }
    }
    // Somebody who may know of the cluster is known to it, too, if only to be refused.
    (!rights.is_empty() || may("container.clusters.get")).then(|| User::new(name, Vec::new(), rights))
}

/// GPUs that a pool's machine has.
fn gpus(group: &Group) -> (u32, Option<&str>) {
    let all = group.api["config"]["accelerators"].as_array().map(Vec::as_slice).unwrap_or_default();
    (all.iter().map(nodes::count).sum(), all.first().and_then(|one| one["acceleratorType"].as_str()))
}

fn labels(group: &Group) -> BTreeMap<String, String> {
    let config = &group.api["config"];
    let machine = group.text("/config/machineType");
    let family = machine.split('-').next().unwrap_or_default();
    let spot = config["spot"] == json!(true);
    let private = group.api["networkConfig"]["enablePrivateNodes"] == json!(true);
    let own = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let mut labels = BTreeMap::from([
        own("cloud.google.com/gke-nodepool", group.name()),
        own("cloud.google.com/gke-boot-disk", group.text("/config/diskType")),
        own("cloud.google.com/gke-container-runtime", "containerd"),
        own(
            "cloud.google.com/gke-os-distribution",
            if group.text("/config/imageType").starts_with("UBUNTU") { "ubuntu" } else { "cos" },
        ),
        own("cloud.google.com/gke-max-pods-per-node", group.text("/maxPodsConstraint/maxPodsPerNode")),
        own("cloud.google.com/gke-provisioning", if spot { "spot" } else { "standard" }),
        own("cloud.google.com/gke-stack-type", "IPV4"),
        own("cloud.google.com/machine-family", family),
        own("cloud.google.com/private-node", if private { "true" } else { "false" }),
    ]);
    if spot {
        labels.insert("cloud.google.com/gke-spot".to_owned(), "true".to_owned());
    }
    if config["workloadMetadataConfig"]["mode"] == json!("GKE_METADATA") {
        labels.insert("iam.gke.io/gke-metadata-server-enabled".to_owned(), "true".to_owned());
    }
    if let (1.., Some(kind)) = gpus(group) {
        labels.insert("cloud.google.com/gke-accelerator".to_owned(), kind.to_owned());
        labels.insert("cloud.google.com/gke-accelerator-count".to_owned(), gpus(group).0.to_string());
    }
    for (key, value) in config["labels"].as_object().into_iter().flatten() {
        labels.insert(key.clone(), value.as_str().unwrap_or_default().to_owned());
    }
    labels
}

fn taints(group: &Group, alone: bool) -> Vec<Value> {
    let effect = |word: Option<&str>| match word {
        Some("NO_EXECUTE") => "NoExecute",
        Some("PREFER_NO_SCHEDULE") => "PreferNoSchedule",
        _ => "NoSchedule",
    };
    let all = group.api["config"]["taints"].as_array().into_iter().flatten();
    let mut taints: Vec<Value> = all
        .map(|taint| json!({"key": taint["key"], "value": taint["value"].as_str().unwrap_or_default(), "effect": effect(taint["effect"].as_str())}))
        .collect();
    // GKE keeps ordinary pods off GPU machines where they have another place to go.
    if gpus(group).0 > 0 && !alone && !taints.iter().any(|taint| taint["key"] == json!("nvidia.com/gpu")) {
        taints.push(json!({"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}));
    }
    taints
}

/// Whether GKE puts a driver on the pool's machines.
fn driven(group: &Group) -> bool {
    let one = &group.api["config"]["accelerators"][0]["gpuDriverInstallationConfig"]["gpuDriverVersion"];
    one.as_str() != Some("INSTALLATION_DISABLED")
}

fn facts(cluster: &Cluster, group: &Group, node: &Node, alone: bool) -> NodeFacts {
    let machine = group.text("/config/machineType").to_owned();
    let count = match gpus(group) {
        (0, _) => Gpus::None,
        (count, _) if driven(group) => Gpus::Offered(count),
        (count, _) => Gpus::Bare(count),
    };
    let mut labels = labels(group);
    labels.insert("topology.gke.io/zone".to_owned(), node.zone.clone());
    let inner = format!("{}.{}.c.{}.internal", node.name, node.zone, cluster.scope.account);
    let mut addresses = vec![("InternalDNS", inner)];
    addresses.extend(node.public_ip.clone().map(|ip| ("ExternalIP", ip)));
    NodeFacts {
        name: node.name.clone(),
        machine_id: node.name.clone(),
        arch: if compute::is_arm(&machine) { "arm64" } else { "amd64" },
        machine,
        pool: group.name().to_owned(),
        zone: node.zone.clone(),
        internal_ip: node.ip.clone(),
        addresses,
        provider_id: format!("gce://{}/{}/{}", cluster.scope.account, node.zone, node.name),
        labels,
        taints: taints(group, alone),
        joined_at: node.joined_at.unwrap_or(cluster.created_at),
        ready: node.ready,
        gpus: count,
        max_pods: group.text("/maxPodsConstraint/maxPodsPerNode").parse().unwrap_or(110),
        software: Software {
            kubelet: format!("v{}", group.text("/version")),
            os_image: "Container-Optimized OS from Google",
            kernel: "6.12.46+",
            runtime: "containerd://2.1.4",
        },
    }
}

impl Host for Gke {
    fn cloud(&self) -> Cloud {
        Cloud::Gcp
    }

    fn reach(&self, tx: &Tx<'_>, uid: &str) -> Option<Cluster> {
        let open = |object: &&Object| {
            let doc: Doc = object.read();
            let endpoints = &doc.api["controlPlaneEndpointsConfig"];
            let by_address = endpoints["ipEndpointsConfig"]["enabled"] != json!(false)
                && endpoints["ipEndpointsConfig"]["enablePublicEndpoint"] != json!(false);
            let by_name = endpoints["dnsEndpointConfig"]["allowExternalTraffic"] == json!(true);
            doc.uid == uid && doc.up && (by_address || by_name)
        };
        let standing = |object: &&Object| object.is(CLUSTER) && !object.is_gone() && object.state != "STOPPING";
        tx.all().filter(standing).find(open).map(cluster_of)
    }

    fn living(&self, tx: &Tx<'_>, scope: &Scope, id: &str) -> Option<Cluster> {
        let object = tx.live(scope, CLUSTER, id)?;
        (object.state != "STOPPING" && object.read::<Doc>().up).then(|| cluster_of(object))
    }

    fn identify(
        &self,
        tx: &Tx<'_>,
        cluster: &Cluster,
        shown: Credentials<'_>,
        wall: Timestamp,
    ) -> Result<User, String> {
        let token = shown.token.ok_or("GKE gives no client certificates")?;
        let key = public_key(tx).ok_or("no token was ever given")?;
        let caller = token::who(&key, token, wall.as_second())
            .map_err(|late| if late { "the token has expired" } else { "no token of Google's" })?;
        user(tx, &cluster.scope.account, &caller).ok_or_else(|| format!("{} has no role in the project", caller.email))
    }

    fn nodes(&self, tx: &Tx<'_>, cluster: &Cluster) -> Vec<NodeFacts> {
        let groups = groups(tx, cluster);
        let alone = groups.len() == 1;
        let stands = |node: &Node| {
            Named::new(INSTANCE, &cluster.scope.account, Place::Zone(node.zone.clone()), &node.name).find(tx).is_some()
        };
        let joined = |group: &Group| -> Vec<NodeFacts> {
            let nodes = group.nodes.iter().filter(|node| node.joined_at.is_some() && stands(node));
            nodes.map(|node| facts(cluster, group, node, alone)).collect()
        };
        groups.iter().flat_map(|(_, group)| joined(group)).collect()
    }

    fn systems(&self, tx: &Tx<'_>, cluster: &Cluster) -> Vec<System> {
        let Some(doc) = doc(tx, cluster) else { return Vec::new() };
        let system = |name: &'static str, app: &'static str, copies: Option<usize>| System {
            name,
            app,
            copies,
            image: format!("gke.gcr.io/{name}"),
        };
        let mut all = vec![
            system("kube-dns", "kube-dns", Some(2)),
            system("konnectivity-agent", "konnectivity-agent", Some(2)),
            system("metrics-server", "metrics-server", Some(1)),
            system("event-exporter-gke", "event-exporter", Some(1)),
            system("fluentbit-gke", "fluentbit-gke", None),
            system("gke-metrics-agent", "gke-metrics-agent", None),
        ];
        if doc.api["networkConfig"]["datapathProvider"] == json!("ADVANCED_DATAPATH") {
            all.push(system("anetd", "cilium", None));
        } else {
            all.push(system("kube-proxy", "kube-proxy", None));
        }
        if doc.api["addonsConfig"]["gcePersistentDiskCsiDriverConfig"]["enabled"] == json!(true) {
            all.push(system("pdcsi-node", "gcp-compute-persistent-disk-csi-driver", None));
        }
        if doc.api["addonsConfig"]["httpLoadBalancing"]["disabled"] != json!(true) {
            all.push(system("l7-default-backend", "glbc", Some(1)));
        }
        if doc.api["workloadIdentityConfig"]["workloadPool"].is_string() {
            all.push(system("gke-metadata-server", "gke-metadata-server", None));
        }
        all
    }

    fn storage(&self, tx: &Tx<'_>, cluster: &Cluster) -> Storage {
        let on = doc(tx, cluster)
            .is_some_and(|doc| doc.api["addonsConfig"]["gcePersistentDiskCsiDriverConfig"]["enabled"] == json!(true));
        let class = |name, provisioner, kind: &str, default| Class {
            name,
            provisioner,
            parameters: json!({"type": kind}),
            default,
            waits: provisioner == DRIVER,
            grows: Some(true),
        };
        Storage {
            driver: DRIVER,
            also: &["kubernetes.io/gce-pd"],
            zone_label: "topology.gke.io/zone",
            classes: vec![
                class("premium-rwo", DRIVER, "pd-ssd", false),
                class("standard", "kubernetes.io/gce-pd", "pd-standard", false),
                class("standard-rwo", DRIVER, "pd-balanced", true),
            ],
            makes: on,
            removes: on,
        }
    }

    fn make_disk(&self, tx: &mut Tx<'_>, cluster: &Cluster, disk: &Disk<'_>) -> Option<String> {
        let kind = disk.parameters["type"].as_str().unwrap_or("pd-standard");
        let project = cluster.scope.account.clone();
        let metric = if kind == "pd-standard" { "DISKS_TOTAL_GB" } else { "SSD_TOTAL_GB" };
        if compute::shortage(tx, &project, Some(&cluster.region), metric, f64::from(disk.gib)).is_some() {
            return None;
        }
        let named = Named::new(DISK, &project, Place::Zone(disk.zone.to_owned()), disk.name);
        let description = json!({
            "kubernetes.io/created-for/pv/name": disk.name, "kubernetes.io/created-for/pvc/name": disk.claim.1,
            "kubernetes.io/created-for/pvc/namespace": disk.claim.0, "storage.gke.io/created-by": DRIVER,
        });
        let mut labels = json!({
            "goog-gke-volume": "", "goog-k8s-cluster-name": cluster.name, "goog-k8s-cluster-location": location_of(&cluster.id),
        });
        for pair in disk.parameters["labels"].as_str().unwrap_or_default().split(',') {
            if let Some((key, value)) = pair.split_once('=') {
                labels[key.trim()] = json!(value.trim());
            }
        }
        let gib = disk.gib.max(10);
        let doc = json!({
            "sizeGb": gib.to_string(), "type": format!("{LINK}projects/{project}/zones/{}/diskTypes/{kind}", disk.zone),
            "labels": labels, "description": description.to_string(), "physicalBlockSizeBytes": "4096",
        });
        named.put(tx, doc, Origin::Controller);
        let usage = vec![component(&cluster.region, disk_component(kind), Unit::GbMonth, f64::from(gib))];
        named.update(tx, |object| object.usage = usage);
        Some(named.path())
    }

    fn remove_disk(&self, tx: &mut Tx<'_>, _: &Cluster, handle: &str) {
        if let Some(named) = Named::read(handle, PROJECT).filter(|named| named.sort == DISK) {
            named.remove(tx);
        }
    }

    fn serves(&self, tx: &Tx<'_>, cluster: &Cluster, front: &Front<'_>) -> bool {
        doc(tx, cluster).is_some_and(|doc| balancer::serves(&doc, front))
    }

    fn finalizer(&self, kind: FrontKind) -> &'static str {
        match kind {
            FrontKind::Service => "service.kubernetes.io/load-balancer-cleanup",
            FrontKind::Ingress => "networking.gke.io/ingress-finalizer-V2",
        }
    }

    fn make_balancer(&self, tx: &mut Tx<'_>, cluster: &Cluster, front: &Front<'_>) -> Option<Address> {
        balancer::make(tx, cluster, front).map(Address::Ip)
    }

    fn remove_balancer(&self, tx: &mut Tx<'_>, cluster: &Cluster, front: &Front<'_>) -> bool {
        balancer::remove(tx, cluster, front)
    }

    fn scaling(&self) -> Scaling {
        Scaling::Cloud
    }

    fn pools(&self, tx: &Tx<'_>, cluster: &Cluster) -> Vec<Pool> {
        let groups = groups(tx, cluster);
        let alone = groups.len() == 1;
        let one = |(object, group): &(Object, Group)| {
            let said = &group.api["autoscaling"];
            let zones = group.wanted.len() as u64;
            let number = |key: &str| said[key].as_u64().unwrap_or_default();
            let (min, max) = if number("totalMaxNodeCount") > 0 {
                (number("totalMinNodeCount"), number("totalMaxNodeCount"))
            } else {
                (number("minNodeCount") * zones, number("maxNodeCount") * zones)
            };
            Pool {
                name: group.name().to_owned(),
                id: format!(
                    "{}/nodePools/{}",
                    store::path(&object.account, location_of(&cluster.id), &cluster.name),
                    group.name()
                ),
                scales: said["enabled"] == json!(true),
                min,
                desired: group.total(),
                max,
                machine: group.text("/config/machineType").to_owned(),
                gpus: if driven(group) { gpus(group).0 } else { 0 },
                labels: json!(labels(group)),
                taints: taints(group, alone),
                settled: object.due.is_none() && object.state == "RUNNING",
            }
        };
        let living = groups.iter().filter(|(object, _)| object.state == "RUNNING");
        living.map(one).collect()
    }

    fn resize(&self, tx: &mut Tx<'_>, cluster: &Cluster, pool: &str, desired: u64, going: &[String]) -> bool {
        let Some(owner) = tx.live(&cluster.scope, CLUSTER, &cluster.id).cloned() else { return false };
        let found = tx.live(&cluster.scope, NODE_POOL, &format!("{}/{pool}", cluster.id)).cloned();
        found.is_some_and(|pool| nodes::resize(tx, &owner, &pool, desired, going))
    }
}
