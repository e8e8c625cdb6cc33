//! Objects nobody stores: nodes seen through their machines, pods and workloads through what the cloud brings, and what
//! every new cluster holds from the start.

use super::{
    discovery::Kind,
    host::{Class, Cluster, NodeFacts, System},
    pods,
};
use crate::{cost, sandbox::world::Tx};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// The namespaces of every cluster.
pub(super) const NAMESPACES: &[&str] = &["default", "kube-node-lease", "kube-public", "kube-system"];
/// Marks the class of claims that name none.
pub(super) const DEFAULT_CLASS: &str = "storageclass.kubernetes.io/is-default-class";

/// A short word that always comes out the same for the same parts.
pub(super) fn suffix(parts: &[&str], letters: usize) -> String {
    const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
    let digest = Sha256::digest(parts.join("/").as_bytes());
    digest.iter().take(letters).map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()])).collect()
}

/// A UUID that always comes out the same for the same parts.
pub(super) fn uid(parts: &[&str]) -> String {
    let digest = Sha256::digest(parts.join("/").as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
}

/// A time as Kubernetes writes it: whole seconds.
pub(super) fn stamp(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn metadata(cluster: &Cluster, kind: &str, namespace: Option<&str>, name: &str, at: Timestamp, revision: u64) -> Value {
    let mut meta = json!({
        "name": name, "uid": uid(&[&cluster.uid, kind, namespace.unwrap_or_default(), name]),
        "resourceVersion": revision.to_string(), "creationTimestamp": stamp(at),
    });
    if let Some(namespace) = namespace {
        meta["namespace"] = json!(namespace);
    }
    meta
}

/// All computed objects of a kind in a cluster.
pub(super) fn objects(tx: &Tx<'_>, cluster: &Cluster, kind: &Kind, revision: u64) -> Vec<Value> {
    let rows = match kind.plural {
        "nodes" => nodes(tx, cluster, revision),
        "namespaces" => {
            NAMESPACES.iter().map(|name| {
                let mut meta = metadata(cluster, "namespaces", None, name, cluster.created_at, 1);
                meta["labels"] = json!({"kubernetes.io/metadata.name": name});
                json!({"metadata": meta, "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}})
            }).collect()
        }
        "services" => services(tx, cluster),
        "storageclasses" => {
            cluster.host().storage(tx, cluster).classes.iter().map(|class| storage_class(cluster, class)).collect()
        }
        "serviceaccounts" => NAMESPACES
            .iter()
            .map(|ns| json!({"metadata": metadata(cluster, "serviceaccounts", Some(ns), "default", cluster.created_at, 1)}))
            .collect(),
        "pods" => {
            let systems = workloads(tx, cluster).into_iter().flat_map(|w| w.pods(cluster, revision)).collect::<Vec<_>>();
            systems.into_iter().chain(pods::survey(tx, cluster).computed_pods()).collect()
        }
        "deployments" => workloads(tx, cluster).iter().filter(|w| w.of.copies.is_some()).map(|w| w.deployment(cluster, revision)).collect(),
        "daemonsets" => workloads(tx, cluster).iter().filter(|w| w.of.copies.is_none()).map(|w| w.daemonset(cluster, revision)).collect(),
        _ => Vec::new(),
    };
    rows.into_iter()
        .map(|row| {
            let mut whole = Map::new();
            whole.insert("apiVersion".to_owned(), json!(kind.api_version()));
            whole.insert("kind".to_owned(), json!(kind.kind));
            whole.extend(row.as_object().cloned().unwrap_or_default());
            Value::Object(whole)
        })
        .collect()
}

fn services(tx: &Tx<'_>, cluster: &Cluster) -> Vec<Value> {
    let service = |namespace: &str, name: &str, ip: String, ports: Value| {
        json!({
            "metadata": metadata(cluster, "services", Some(namespace), name, cluster.created_at, 1),
            "spec": {"type": "ClusterIP", "clusterIP": ip, "clusterIPs": [ip], "ports": ports, "sessionAffinity": "None"},
            "status": {"loadBalancer": {}},
        })
    };
    let https = json!([{"name": "https", "protocol": "TCP", "port": 443, "targetPort": 443}]);
    let mut all = vec![service("default", "kubernetes", cluster.service_ip(1), https)];
    if cluster.host().systems(tx, cluster).iter().any(|system| system.app == "kube-dns") {
        let ports = json!([
            {"name": "dns", "protocol": "UDP", "port": 53, "targetPort": 53},
            {"name": "dns-tcp", "protocol": "TCP", "port": 53, "targetPort": 53},
        ]);
        all.push(service("kube-system", "kube-dns", cluster.service_ip(10), ports));
    }
    all
}

/// A class the cloud puts into every cluster; nothing serves it until its driver is there.
fn storage_class(cluster: &Cluster, class: &Class) -> Value {
    let mut meta = metadata(cluster, "storageclasses", None, class.name, cluster.created_at, 1);
    if class.default {
        meta["annotations"] = json!({DEFAULT_CLASS: "true"});
    }
    let mut row = json!({
        "metadata": meta, "provisioner": class.provisioner, "parameters": class.parameters, "reclaimPolicy": "Delete",
        "volumeBindingMode": if class.waits { "WaitForFirstConsumer" } else { "Immediate" },
    });
    if let Some(grows) = class.grows {
        row["allowVolumeExpansion"] = json!(grows);
    }
    row
}

fn nodes(tx: &Tx<'_>, cluster: &Cluster, revision: u64) -> Vec<Value> {
    let gpus = pods::survey(tx, cluster).gpus;
    let view = |node: &NodeFacts| {
        let mut view = node_view(cluster, node, revision);
        let offered = gpus.get(&node.name).copied();
        for side in ["capacity", "allocatable"].iter().filter(|_| offered.is_some()) {
            view["status"][*side][pods::GPU] = json!(offered.unwrap_or_default().to_string());
        }
        view
    };
    cluster.host().nodes(tx, cluster).iter().map(view).collect()
}

/// vCPUs and GiB of a machine type, as the price table knows them.
pub(super) fn machine_size(cluster: &Cluster, machine: &str) -> (f64, f64) {
    cost::catalogue().machine_type(cluster.cloud, machine).map_or((2.0, 4.0), |m| (m.vcpus, m.memory_gib))
}

/// A node without its GPUs: those are offered by a plugin, where there is one.
pub(super) fn node_view(cluster: &Cluster, node: &NodeFacts, revision: u64) -> Value {
    let (cpus, gib) = machine_size(cluster, &node.machine);
    let mut labels = json!({
        "beta.kubernetes.io/arch": node.arch, "beta.kubernetes.io/instance-type": node.machine, "beta.kubernetes.io/os": "linux",
        "failure-domain.beta.kubernetes.io/region": cluster.region, "failure-domain.beta.kubernetes.io/zone": node.zone,
        "kubernetes.io/arch": node.arch, "kubernetes.io/hostname": node.name, "kubernetes.io/os": "linux",
        "node.kubernetes.io/instance-type": node.machine,
        "topology.kubernetes.io/region": cluster.region, "topology.kubernetes.io/zone": node.zone,
    });
    for (key, value) in &node.labels {
        labels[key] = json!(value);
    }
    let mut taints = node.taints.clone();
    if !node.ready {
        taints.push(json!({"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}));
    }
    let mut meta = metadata(cluster, "nodes", None, &node.name, node.joined_at, revision);
    meta["labels"] = labels;
    let mut spec = json!({"providerID": node.provider_id});
    if !taints.is_empty() {
        spec["taints"] = json!(taints);
    }
    let mut addresses = vec![json!({"type": "InternalIP", "address": node.internal_ip})];
    addresses.extend(node.addresses.iter().map(|(kind, address)| json!({"type": kind, "address": address})));
    addresses.push(json!({"type": "Hostname", "address": node.name}));
    let capacity = quantities(cpus * 1000.0, gib * 1024.0 - 300.0, node.max_pods);
    let allocatable = quantities(cpus * 1000.0 - 70.0, gib * 1024.0 - 1000.0, node.max_pods);
    let (id, software) = (&node.machine_id, &node.software);
    json!({
        "metadata": meta, "spec": spec,
        "status": {
            "capacity": capacity, "allocatable": allocatable, "conditions": conditions(node), "addresses": addresses,
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
            "nodeInfo": {
                "machineID": uid(&["machine", id]).replace('-', ""), "systemUUID": uid(&["system", id]), "bootID": uid(&["boot", id]),
                "kernelVersion": software.kernel, "osImage": software.os_image, "containerRuntimeVersion": software.runtime,
                "kubeletVersion": software.kubelet, "kubeProxyVersion": "", "operatingSystem": "linux", "architecture": node.arch,
            },
        },
    })
}

fn quantities(millis: f64, mebibytes: f64, pods: u32) -> Value {
    json!({
        "cpu": format!("{millis:.0}m"), "memory": format!("{mebibytes:.0}Mi"), "ephemeral-storage": "18242267924",
        "hugepages-1Gi": "0", "hugepages-2Mi": "0", "pods": pods.to_string(),
    })
}

fn conditions(node: &NodeFacts) -> Value {
    let joined = node.joined_at;
    let row = |kind: &str, status: bool, reason: &str, message: &str| {
        json!({
            "type": kind, "status": if status { "True" } else { "False" }, "reason": reason, "message": message,
            "lastHeartbeatTime": stamp(joined), "lastTransitionTime": stamp(joined),
        })
    };
    let ready = if node.ready {
        row("Ready", true, "KubeletReady", "kubelet is posting ready status")
    } else {
        let message = "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:Network plugin returns error: cni plugin not initialized";
        row("Ready", false, "KubeletNotReady", message)
    };
    json!([
        row("MemoryPressure", false, "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        row("DiskPressure", false, "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        row("PIDPressure", false, "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        ready,
    ])
}

/// A workload that the cloud brings.
struct Workload {
    of: System,
    /// Where its pods are, with the readiness of each node; none for pods that wait for one.
    places: Vec<Option<(String, String, bool)>>,
}

fn workloads(tx: &Tx<'_>, cluster: &Cluster) -> Vec<Workload> {
    let joined = cluster.host().nodes(tx, cluster);
    let nodes: Vec<(String, String, bool)> =
        joined.into_iter().map(|node| (node.name, node.internal_ip, node.ready)).collect();
    let able: Vec<&(String, String, bool)> = nodes.iter().filter(|(_, _, ready)| *ready).collect();
    let place = |copies: Option<usize>| match copies {
        None => nodes.iter().cloned().map(Some).collect(),
        Some(n) => (0..n).map(|i| able.get(i % able.len().max(1)).map(|node| (*node).clone())).collect(),
    };
    let systems = cluster.host().systems(tx, cluster);
    systems.into_iter().map(|of| Workload { places: place(of.copies), of }).collect()
}

impl Workload {
    fn running(&self) -> usize {
        // Network and proxy run on the host's network: they run on nodes that are not Ready yet.
        self.places.iter().flatten().filter(|(_, _, ready)| *ready || self.of.copies.is_none()).count()
    }

    fn template(&self) -> Value {
        json!({
            "metadata": {"labels": {"k8s-app": self.of.app}},
            "spec": {"containers": [{"name": self.of.name, "image": self.of.image}], "serviceAccountName": self.of.name},
        })
    }

    fn pods(&self, cluster: &Cluster, revision: u64) -> Vec<Value> {
        let owner = if self.of.copies.is_some() { "ReplicaSet" } else { "DaemonSet" };
        self.places
            .iter()
            .enumerate()
            .map(|(index, place)| {
                let node = place.as_ref().map(|(name, _, _)| name.as_str()).unwrap_or_default();
                let key = if self.of.copies.is_some() { index.to_string() } else { node.to_owned() };
                let tail = suffix(&[&cluster.uid, self.of.name, &key], 5);
                let name = match self.of.copies {
                    Some(_) => format!("{}-{}-{tail}", self.of.name, suffix(&[&cluster.uid, self.of.name], 10)),
                    None => format!("{}-{tail}", self.of.name),
                };
                let runs = place.as_ref().is_some_and(|(_, _, ready)| *ready || self.of.copies.is_none());
                let mut meta = metadata(cluster, "pods", Some("kube-system"), &name, cluster.created_at, revision);
                meta["labels"] = json!({"k8s-app": self.of.app});
                meta["ownerReferences"] = json!([{
                    "apiVersion": "apps/v1", "kind": owner, "name": self.of.name, "controller": true,
                    "uid": uid(&[&cluster.uid, owner, self.of.name]),
                }]);
                let mut spec = self.template()["spec"].clone();
                let word = if runs { "True" } else { "False" };
                let mut status = json!({
                    "phase": if runs { "Running" } else { "Pending" },
                    "conditions": [{"type": "PodScheduled", "status": if place.is_some() { "True" } else { "False" }}, {"type": "Ready", "status": word}],
                });
                if let Some((node, ip, _)) = place {
                    spec["nodeName"] = json!(node);
                    status["hostIP"] = json!(ip);
                    status["podIP"] = json!(ip);
                    status["containerStatuses"] = json!([{
                        "name": self.of.name, "ready": runs, "restartCount": 0, "image": self.of.name, "imageID": "", "started": runs,
                        "state": if runs { json!({"running": {"startedAt": stamp(cluster.created_at)}}) } else { json!({"waiting": {"reason": "ContainerCreating"}}) },
                    }]);
                }
                json!({"metadata": meta, "spec": spec, "status": status})
            })
            .collect()
    }

    fn deployment(&self, cluster: &Cluster, revision: u64) -> Value {
        let wanted = self.of.copies.unwrap_or_default();
        json!({
            "metadata": metadata(cluster, "deployments", Some("kube-system"), self.of.name, cluster.created_at, revision),
            "spec": {"replicas": wanted, "selector": {"matchLabels": {"k8s-app": self.of.app}}, "template": self.template()},
            "status": {
                "observedGeneration": 1, "replicas": wanted, "updatedReplicas": wanted, "readyReplicas": self.running(),
                "availableReplicas": self.running(), "unavailableReplicas": wanted.saturating_sub(self.running()),
            },
        })
    }

    fn daemonset(&self, cluster: &Cluster, revision: u64) -> Value {
        let wanted = self.places.len();
        json!({
            "metadata": metadata(cluster, "daemonsets", Some("kube-system"), self.of.name, cluster.created_at, revision),
            "spec": {"selector": {"matchLabels": {"k8s-app": self.of.app}}, "template": self.template()},
            "status": {
                "currentNumberScheduled": wanted, "desiredNumberScheduled": wanted, "numberMisscheduled": 0,
                "numberReady": self.running(), "numberAvailable": self.running(), "updatedNumberScheduled": wanted, "observedGeneration": 1,
            },
        })
    }
}
