//! AKS as the Kubernetes room meets it: callers by tokens of Entra or the local admin's certificate, nodes by the machines
//! of scale sets, disks and addresses in the node group, pools that the cloud scales itself.

use super::{
    CLUSTER, POOL, credentials, infra, nodes,
    pool::{self},
    pools,
};
use crate::{
    model::Cloud,
    sandbox::{
        azure::{
            Azure, access, compute, entra, network,
            store::{self, HIDDEN, of_kind, secs},
            wire::{dig, text, texts},
        },
        kubernetes::host::{
            Address, Class, Cluster, Credentials, Disk, Front, FrontKind, Gpus, Host, NodeFacts, Pool, Right, Scaling,
            Software, Storage, System, User,
        },
        world::{Object, Scope, Tx},
    },
};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The group that the default principal belongs to: what `adminGroupObjectIDs` may name.
pub(in super::super) const GROUP_ID: &str = "9a0b0000-0000-4000-8000-000000000001";
/// The driver of managed disks.
const DRIVER: &str = "disk.csi.azure.com";
/// Where it finds a machine's zone.
const ZONE: &str = "topology.disk.csi.azure.com/zone";
const INTERNAL: &str = "service.beta.kubernetes.io/azure-load-balancer-internal";

/// The cluster as its API server sees itself.
pub(super) fn cluster_of(object: &Object) -> Cluster {
    let patch = text(&object.doc, "properties.currentKubernetesVersion");
    Cluster {
        cloud: Cloud::Azure,
        scope: object.scope(),
        id: object.id.clone(),
        name: object.name.clone().unwrap_or_default(),
        region: object.region.clone(),
        uid: text(&object.doc, "_.uid").to_owned(),
        version: super::versions::minor_of(patch),
        git_version: format!("v{patch}"),
        service_range: text(&object.doc, "properties.networkProfile.serviceCidr").to_owned(),
        created_at: object.created_at,
    }
}

fn object<'a>(tx: &'a Tx<'_>, cluster: &Cluster) -> Option<&'a Object> {
    of_kind(tx, CLUSTER, &cluster.id)
}

/// Whether its control plane lives.
fn lives(object: &Object) -> bool {
    let stopped = text(&object.doc, "properties.powerState.code") == "Stopped";
    object.doc[HIDDEN]["up"] == json!(true) && object.state != "Deleting" && !stopped
}

/// The zone of a machine as nodes say it: `eastus-1`, or the fault domain where there are none.
fn zone(machine: &Object) -> String {
    texts(&machine.doc["zones"]).first().map_or_else(|| "0".to_owned(), |zone| format!("{}-{zone}", machine.region))
}

/// A taint as Kubernetes writes it.
fn taint(text: &str) -> Value {
    let (key, rest) = text.split_once('=').unwrap_or((text, ""));
    let (value, effect) = rest.split_once(':').unwrap_or(("", rest));
    json!({"key": key, "value": value, "effect": effect})
}

fn taints(profile: &Value) -> Vec<Value> {
    texts(&profile["nodeTaints"]).iter().map(|text| taint(text)).collect()
}

/// GPUs of a machine of this pool, with their driver unless it was declined.
fn gpus(profile: &Value) -> Gpus {
    let count = compute::sizes::named(text(profile, "vmSize")).map_or(0, |size| size.gpus);
    match (count, text(profile, "gpuProfile.driver")) {
        (0, _) => Gpus::None,
        (count, "None") => Gpus::Bare(count),
        (count, _) => Gpus::Driven(count),
    }
}

fn labels(cluster: &Object, pool: &Object, zone: &str) -> BTreeMap<String, String> {
    let profile = &pool.doc["properties"];
    let name = pool.name.as_deref().unwrap_or_default();
    let mode = text(profile, "mode").to_ascii_lowercase();
    let own = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let mut labels = BTreeMap::from([
        own("agentpool", name),
        own("kubernetes.azure.com/agentpool", name),
        own("kubernetes.azure.com/cluster", text(&cluster.doc, "properties.nodeResourceGroup")),
        own("kubernetes.azure.com/mode", &mode),
        own("kubernetes.azure.com/role", "agent"),
        own("kubernetes.azure.com/node-image-version", text(profile, "nodeImageVersion")),
        own("kubernetes.azure.com/os-sku", text(profile, "osSKU")),
        own("kubernetes.azure.com/os-sku-effective", "Ubuntu2204"),
        own("kubernetes.azure.com/storageprofile", "managed"),
        own("kubernetes.azure.com/storagetier", "Premium_LRS"),
        own("storageprofile", "managed"),
        own("storagetier", "Premium_LRS"),
        own(ZONE, if zone == "0" { "" } else { zone }),
    ]);
    if text(profile, "osDiskType") == "Ephemeral" {
        labels.insert("kubernetes.azure.com/storageprofile".to_owned(), "ephemeral".to_owned());
    }
    if gpus(profile) != Gpus::None {
        labels.extend([own("accelerator", "nvidia"), own("kubernetes.azure.com/accelerator", "nvidia")]);
    }
    for (key, value) in profile["nodeLabels"].as_object().into_iter().flatten() {
        labels.insert(key.clone(), value.as_str().unwrap_or_default().to_owned());
    }
    labels
}

fn facts(cluster: &Object, pool: &Object, machine: &Object) -> NodeFacts {
    let profile = &pool.doc["properties"];
    let zone = zone(machine);
    let size = compute::sizes::named(text(profile, "vmSize"));
    let joined: Option<Timestamp> = text(&machine.doc, "_.joinedAt").parse().ok();
    // Kubernetes is told the group in small letters.
    let id = machine.id.replace(
        text(&cluster.doc, "properties.nodeResourceGroup"),
        &text(&cluster.doc, "properties.nodeResourceGroup").to_lowercase(),
    );
    NodeFacts {
        name: text(&machine.doc, "_.host").to_owned(),
        machine_id: machine.id.clone(),
        machine: size.as_ref().map_or_else(|| text(profile, "vmSize").to_owned(), |size| size.name.clone()),
        pool: pool.name.clone().unwrap_or_default(),
        arch: if size.is_some_and(|size| size.arm) { "arm64" } else { "amd64" },
        internal_ip: text(&machine.doc, "_.ip").to_owned(),
        addresses: Vec::new(),
        provider_id: format!("azure://{id}"),
        labels: labels(cluster, pool, &zone),
        zone,
        taints: taints(profile),
        joined_at: joined.unwrap_or(machine.created_at),
        ready: nodes::is_ready(machine),
        gpus: gpus(profile),
        max_pods: profile["maxPods"].as_u64().and_then(|pods| u32::try_from(pods).ok()).unwrap_or(110),
        software: Software {
            kubelet: format!("v{}", text(profile, "currentOrchestratorVersion")),
            os_image: "Ubuntu 22.04.5 LTS",
            kernel: "5.15.0-1096-azure",
            runtime: "containerd://1.7.29-1",
        },
    }
}

/// What Azure RBAC lets a principal do in a cluster.
fn azure_rights(tx: &Tx<'_>, cluster: &Object, principal: &str) -> Vec<(Right, Option<Vec<String>>)> {
    let may = |action: &str| {
        access::may_on_data(tx, principal, &format!("Microsoft.ContainerService/managedClusters/{action}"), &cluster.id)
    };
    if may("rbac.authorization.k8s.io/clusterroles/write") {
        return vec![(Right::Everything, None)];
    }
    if may("pods/read") { vec![(Right::View, None)] } else { Vec::new() }
}

impl Host for Azure {
    fn cloud(&self) -> Cloud {
        Cloud::Azure
    }

    fn reach(&self, tx: &Tx<'_>, uid: &str) -> Option<Cluster> {
        let open = |object: &&Object| {
            let private = dig(&object.doc, "properties.apiServerAccessProfile.enablePrivateCluster") == &json!(true);
            text(&object.doc, "_.uid") == uid && lives(object) && !private
        };
        store::each(tx, CLUSTER).find(open).map(cluster_of)
    }

    fn living(&self, tx: &Tx<'_>, _: &Scope, id: &str) -> Option<Cluster> {
        of_kind(tx, CLUSTER, id).filter(|object| lives(object)).map(cluster_of)
    }

    fn identify(
        &self,
        tx: &Tx<'_>,
        cluster: &Cluster,
        shown: Credentials<'_>,
        wall: Timestamp,
    ) -> Result<User, String> {
        let owner = object(tx, cluster).ok_or("the cluster has gone")?;
        if let Some(der) = shown.certificate
            && credentials::is_admin(owner, der)
        {
            return Ok(User::master("masterclient"));
        }
        let token = shown.token.ok_or("no token, and no certificate of this cluster")?;
        if !credentials::by_entra(owner) {
            return Err("the cluster knows no tokens of Entra".to_owned());
        }
        let caller = entra::judge(token, wall, |audience| audience == entra::AKS_SERVER).map_err(|why| why.message)?;
        let profile = &owner.doc["properties"]["aadProfile"];
        let groups = vec![GROUP_ID.to_owned()];
        if texts(&profile["adminGroupObjectIDs"]).iter().any(|id| id == GROUP_ID) {
            return Ok(User::master(caller.object));
        }
        let rights = if profile["enableAzureRBAC"] == json!(true) {
            azure_rights(tx, owner, &caller.object)
        } else {
            Vec::new()
        };
        Ok(User::new(caller.object, groups, rights))
    }

    fn nodes(&self, tx: &Tx<'_>, cluster: &Cluster) -> Vec<NodeFacts> {
        let Some(owner) = object(tx, cluster) else { return Vec::new() };
        let joined = nodes::of_cluster(tx, &cluster.id)
            .into_iter()
            .filter(|(_, machine)| machine.doc[HIDDEN]["joinedAt"].is_string());
        joined.map(|(pool, machine)| facts(owner, &pool, &machine)).collect()
    }

    fn systems(&self, tx: &Tx<'_>, cluster: &Cluster) -> Vec<System> {
        let cilium = object(tx, cluster)
            .is_some_and(|owner| text(&owner.doc, "properties.networkProfile.networkDataplane") == "cilium");
        let rows: &[(&str, &str, Option<usize>)] = &[
            ("coredns", "kube-dns", Some(2)),
            ("coredns-autoscaler", "coredns-autoscaler", Some(1)),
            ("metrics-server", "metrics-server", Some(2)),
            ("konnectivity-agent", "konnectivity-agent", Some(2)),
            ("cloud-node-manager", "cloud-node-manager", None),
            ("csi-azuredisk-node", "csi-azuredisk-node", None),
            ("csi-azurefile-node", "csi-azurefile-node", None),
            ("azure-ip-masq-agent", "azure-ip-masq-agent", None),
            if cilium { ("cilium", "cilium", None) } else { ("kube-proxy", "kube-proxy", None) },
        ];
        let system = |&(name, app, copies): &(&'static str, &'static str, Option<usize>)| System {
            name,
            app,
            copies,
            image: format!("mcr.microsoft.com/oss/kubernetes/{name}"),
        };
        rows.iter().map(system).collect()
    }

    fn storage(&self, tx: &Tx<'_>, cluster: &Cluster) -> Storage {
        let on = object(tx, cluster)
            .is_some_and(|owner| dig(&owner.doc, "properties.storageProfile.diskCSIDriver.enabled") != &json!(false));
        let class = |name: &'static str, sku: &str, default: bool| Class {
            name,
            provisioner: DRIVER,
            parameters: json!({"skuname": sku}),
            default,
            waits: true,
            grows: Some(true),
        };
        Storage {
            driver: DRIVER,
            also: &["kubernetes.io/azure-disk"],
            zone_label: ZONE,
            classes: vec![
                class("default", "StandardSSD_LRS", true),
                class("managed", "StandardSSD_LRS", false),
                class("managed-csi", "StandardSSD_LRS", false),
                class("managed-csi-premium", "Premium_LRS", false),
                class("managed-premium", "Premium_LRS", false),
            ],
            makes: on,
            removes: on,
        }
    }

    fn make_disk(&self, tx: &mut Tx<'_>, cluster: &Cluster, disk: &Disk<'_>) -> Option<String> {
        let owner = object(tx, cluster)?.clone();
        let get = |key: &str| {
            let found = disk.parameters.as_object()?.iter().find(|(name, _)| name.eq_ignore_ascii_case(key))?;
            found.1.as_str().map(str::to_owned)
        };
        let sku = get("skuname").or_else(|| get("storageaccounttype")).unwrap_or_else(|| "StandardSSD_LRS".to_owned());
        let group = match get("resourcegroup") {
            Some(group) => {
                let subscription: Vec<&str> = owner.id.split('/').take(3).collect();
                format!("{}/resourceGroups/{group}", subscription.join("/"))
            }
            None => infra::group_id(&owner),
        };
        of_kind(tx, store::GROUP, &group)?;
        let id = format!("{group}/providers/Microsoft.Compute/disks/{}", disk.name);
        if !infra::identity_may(tx, &owner, "Microsoft.Compute/disks/write", &id) {
            return None;
        }
        let mut tags = json!({
            "k8s-azure-created-by": "kubernetes-azure-dd", "kubernetes.io-created-for-pv-name": disk.name,
            "kubernetes.io-created-for-pvc-namespace": disk.claim.0, "kubernetes.io-created-for-pvc-name": disk.claim.1,
        });
        for (key, value) in &owner.tags {
            tags[key] = json!(value);
        }
        for pair in get("tags").unwrap_or_default().split(',') {
            if let Some((key, value)) = pair.split_once('=') {
                tags[key] = json!(value);
            }
        }
        let zone = disk.zone.rsplit_once('-').map(|(_, zone)| zone);
        compute::make_disk(tx, &id, &owner.region, &sku, disk.gib, zone, &tags);
        Some(id)
    }

    fn remove_disk(&self, tx: &mut Tx<'_>, _: &Cluster, handle: &str) {
        if of_kind(tx, compute::DISK, handle).is_some() {
            store::remove(tx, handle);
        }
    }

    fn serves(&self, _: &Tx<'_>, _: &Cluster, front: &Front<'_>) -> bool {
        front.kind == FrontKind::Service && front.class().is_none()
    }

    fn make_balancer(&self, tx: &mut Tx<'_>, cluster: &Cluster, front: &Front<'_>) -> Option<Address> {
        let owner = object(tx, cluster)?.clone();
        make_front(tx, &owner, front).map(Address::Ip)
    }

    fn remove_balancer(&self, tx: &mut Tx<'_>, cluster: &Cluster, front: &Front<'_>) -> bool {
        let Some(owner) = object(tx, cluster).cloned() else { return true };
        remove_front(tx, &owner, front);
        true
    }

    fn scaling(&self) -> Scaling {
        Scaling::Cloud
    }

    fn pools(&self, tx: &Tx<'_>, cluster: &Cluster) -> Vec<Pool> {
        let Some(owner) = object(tx, cluster) else { return Vec::new() };
        let all = pools(tx, &cluster.id);
        let there = all.iter().filter(|pool| pool.state != "Deleting");
        there
            .map(|pool| {
                let profile = &pool.doc["properties"];
                let count = profile["count"].as_u64().unwrap_or_default();
                let number = |key: &str| profile[key].as_u64().unwrap_or(count);
                let machines = nodes::of_pool(tx, &pool.id);
                let size = compute::sizes::named(text(profile, "vmSize"));
                Pool {
                    name: pool.name.clone().unwrap_or_default(),
                    id: pool.id.clone(),
                    scales: profile["enableAutoScaling"] == json!(true),
                    min: number("minCount"),
                    desired: count,
                    max: number("maxCount"),
                    machine: size.map_or_else(|| text(profile, "vmSize").to_owned(), |size| size.name),
                    gpus: match gpus(profile) {
                        Gpus::Driven(count) | Gpus::Offered(count) => count,
                        Gpus::Bare(_) | Gpus::None => 0,
                    },
                    labels: json!(labels(owner, pool, "0")),
                    taints: taints(profile),
                    settled: pool.due.is_none() && pool.state == "Succeeded" && machines.iter().all(nodes::is_ready),
                }
            })
            .collect()
    }

    fn resize(&self, tx: &mut Tx<'_>, cluster: &Cluster, pool: &str, desired: u64, going: &[String]) -> bool {
        let Some(owner) = object(tx, cluster).cloned() else { return false };
        let id = format!("{}/agentPools/{pool}", owner.id);
        let Some(found) = of_kind(tx, POOL, &id).cloned() else { return false };
        if found.due.is_some() || found.state != "Succeeded" {
            return false;
        }
        let before = found.doc["properties"]["count"].clone();
        super::set(tx, &id, |properties| properties["count"] = json!(desired));
        if let Err(why) = nodes::scale(tx, &owner, &found, desired, going) {
            tracing::debug!(code = %why.code, pool, "the autoscaler gets no machines");
            let there = nodes::of_pool(tx, &id).len();
            super::set(tx, &id, |properties| properties["count"] = if there == 0 { before } else { json!(there) });
            return false;
        }
        let now = tx.now().to_string();
        store::change(tx, &id, |pool| pool.doc[HIDDEN]["since"] = json!(now));
        store::schedule(tx, &id, secs(10), pool::SETTLE);
        true
    }
}

/// Names of the parts that a Service has in the balancer.
fn front_name(uid: &str) -> String {
    let bare: String = format!("a{}", uid.replace('-', "")).chars().take(32).collect();
    bare
}

fn balancer_of(owner: &Object, front: &Front<'_>) -> String {
    let internal = front.annotation(INTERNAL) == Some("true");
    let name = if internal { "kubernetes-internal" } else { "kubernetes" };
    infra::inside(owner, "Microsoft.Network/loadBalancers", name)
}

fn make_front(tx: &mut Tx<'_>, owner: &Object, front: &Front<'_>) -> Option<String> {
    let (name, balancer) = (front_name(front.uid), balancer_of(owner, front));
    let internal = balancer.ends_with("-internal");
    infra::make_balancer(tx, owner, &balancer);
    let whose = format!("{}/{}", front.namespace, front.name);
    let profile = pools(tx, &owner.id).first().map(|pool| pool.doc["properties"].clone())?;
    let subnet = infra::subnet_of(owner, &profile);
    let (address, properties) = if internal {
        // A front inside the network needs the right to join the subnet.
        if !infra::identity_may(tx, owner, "Microsoft.Network/virtualNetworks/subnets/join/action", &subnet) {
            return None;
        }
        let range = network::ranges(network::subnet(tx, &subnet)?).into_iter().next()?;
        let last = u32::from(range.broadcast()) - 10 - u32::try_from(tx.below(40)).unwrap_or_default();
        let ip = std::net::Ipv4Addr::from(last).to_string();
        (ip.clone(), json!({"privateIPAddress": ip, "privateIPAllocationMethod": "Dynamic", "subnet": {"id": subnet}}))
    } else {
        let tags = json!({"k8s-azure-service": whose, "k8s-azure-cluster-name": "kubernetes"});
        let id = match infra::make_address(tx, owner, &format!("kubernetes-{name}"), tags) {
            Ok(id) => id,
            Err(error) => {
                tracing::debug!(code = %error.code, service = whose, "no load balancer");
                return None;
            }
        };
        let ip = store::find(tx, &id).map(|object| text(&object.doc, "properties.ipAddress").to_owned())?;
        (ip, json!({"privateIPAllocationMethod": "Dynamic", "publicIPAddress": {"id": id}}))
    };
    let at = |list: &str, part: &str| format!("{balancer}/{list}/{part}");
    let rules: Vec<Value> = front
        .ports()
        .into_iter()
        .map(|(port, _)| {
            let rule = format!("{name}-TCP-{port}");
            json!({
                "name": rule, "id": at("loadBalancingRules", &rule),
                "properties": {
                    "provisioningState": "Succeeded", "protocol": "Tcp", "frontendPort": port, "backendPort": port,
                    "enableFloatingIP": true, "idleTimeoutInMinutes": 4, "disableOutboundSnat": true,
                    "frontendIPConfiguration": {"id": at("frontendIPConfigurations", &name)},
                    "backendAddressPool": {"id": at("backendAddressPools", "kubernetes")},
                },
            })
        })
        .collect();
    let shown = json!({"name": name, "id": at("frontendIPConfigurations", &name), "properties": properties});
    super::set(tx, &balancer, |properties| {
        push(&mut properties["frontendIPConfigurations"], shown);
        rules.into_iter().for_each(|rule| push(&mut properties["loadBalancingRules"], rule));
    });
    Some(address)
}

fn push(list: &mut Value, one: Value) {
    let mut all = list.as_array().cloned().unwrap_or_default();
    all.retain(|other| other["name"] != one["name"]);
    all.push(one);
    *list = json!(all);
}

fn remove_front(tx: &mut Tx<'_>, owner: &Object, front: &Front<'_>) {
    let name = front_name(front.uid);
    for balancer in ["kubernetes", "kubernetes-internal"] {
        let id = infra::inside(owner, "Microsoft.Network/loadBalancers", balancer);
        super::set(tx, &id, |properties| {
            for list in ["frontendIPConfigurations", "loadBalancingRules", "probes"] {
                let mut all = properties[list].as_array().cloned().unwrap_or_default();
                all.retain(|part| !text(part, "name").starts_with(&name));
                properties[list] = json!(all);
            }
        });
        // Without a front it goes, unless machines go out through it.
        let empty = store::find(tx, &id)
            .is_some_and(|object| object.doc["properties"]["frontendIPConfigurations"] == json!([]));
        let out = text(&owner.doc, "properties.networkProfile.outboundType") == "loadBalancer";
        if empty && (balancer != "kubernetes" || !out) {
            store::remove(tx, &id);
        }
    }
    let address = infra::inside(owner, "Microsoft.Network/publicIPAddresses", &format!("kubernetes-{name}"));
    if store::find(tx, &address).is_some() {
        store::remove(tx, &address);
    }
}
