//! Objects nobody stores: nodes seen through their machines, pods and workloads through the add-ons, and what every
//! new cluster holds from the start.

use super::{discovery::Kind, pods};
use crate::{
    cost,
    model::Cloud,
    sandbox::{
        aws::eks::{self, ClusterDoc, Node, NodegroupDoc},
        world::{Object, Scope, Tx},
    },
};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// The namespaces of every cluster.
pub(super) const NAMESPACES: &[&str] = &["default", "kube-node-lease", "kube-public", "kube-system"];

/// A cluster as its API server sees itself.
pub(super) struct Cluster {
    /// Name.
    pub(super) name: String,
    /// Account and region.
    pub(super) scope: Scope,
    /// Path of its API.
    pub(super) uid: String,
    /// Kubernetes version, `1.35`.
    pub(super) version: String,
    /// The VPC it lives in.
    pub(super) vpc: String,
    /// The security group of its nodes.
    pub(super) group: Option<String>,
    /// Range of Service addresses.
    pub(super) service_range: String,
    /// When it was made.
    pub(super) created_at: Timestamp,
}

impl Cluster {
    /// Reads an EKS cluster.
    pub(super) fn of(object: &Object) -> Self {
        let doc: ClusterDoc = object.read();
        let text = |path: &str| doc.api.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
        Self {
            name: object.id.clone(),
            scope: object.scope(),
            version: text("/version"),
            vpc: text("/resourcesVpcConfig/vpcId"),
            group: Some(text("/resourcesVpcConfig/clusterSecurityGroupId")).filter(|id| !id.is_empty()),
            service_range: text("/kubernetesNetworkConfig/serviceIpv4Cidr"),
            uid: doc.uid,
            created_at: object.created_at,
        }
    }

    /// The nth address of the Service range.
    pub(super) fn service_ip(&self, n: u32) -> String {
        let range: Option<ipnet::Ipv4Net> = self.service_range.parse().ok();
        let first = range.map_or(0, |range| u32::from(range.network()));
        std::net::Ipv4Addr::from(first + n).to_string()
    }
}

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
        "storageclasses" => vec![gp2(cluster)],
        "serviceaccounts" => NAMESPACES
            .iter()
            .map(|ns| json!({"metadata": metadata(cluster, "serviceaccounts", Some(ns), "default", cluster.created_at, 1)}))
            .collect(),
        "pods" => {
            let of_addons = workloads(tx, cluster).into_iter().flat_map(|w| w.pods(cluster, revision)).collect::<Vec<_>>();
            of_addons.into_iter().chain(pods::survey(tx, cluster).computed_pods()).collect()
        }
        "deployments" => workloads(tx, cluster).iter().filter(|w| w.replicas.is_some()).map(|w| w.deployment(cluster, revision)).collect(),
        "daemonsets" => workloads(tx, cluster).iter().filter(|w| w.replicas.is_none()).map(|w| w.daemonset(cluster, revision)).collect(),
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
    if eks::installed(tx, &cluster.scope, &cluster.name).iter().any(|name| name == "coredns") {
        let ports = json!([
            {"name": "dns", "protocol": "UDP", "port": 53, "targetPort": 53},
            {"name": "dns-tcp", "protocol": "TCP", "port": 53, "targetPort": 53},
        ]);
        all.push(service("kube-system", "kube-dns", cluster.service_ip(10), ports));
    }
    all
}

/// The class EKS puts into every cluster; nothing serves it until the EBS driver is there.
fn gp2(cluster: &Cluster) -> Value {
    json!({
        "metadata": metadata(cluster, "storageclasses", None, "gp2", cluster.created_at, 1),
        "provisioner": "kubernetes.io/aws-ebs", "parameters": {"type": "gp2", "fsType": "ext4"},
        "reclaimPolicy": "Delete", "volumeBindingMode": "WaitForFirstConsumer",
    })
}

/// The name a node has: its private DNS name.
pub(super) fn node_name(scope: &Scope, node: &Node) -> String {
    let host = format!("ip-{}", node.private_ip.replace('.', "-"));
    match scope.region.as_str() {
        "us-east-1" => format!("{host}.ec2.internal"),
        region => format!("{host}.{region}.compute.internal"),
    }
}

fn nodes(tx: &Tx<'_>, cluster: &Cluster, revision: u64) -> Vec<Value> {
    let joined = eks::joined_nodes(tx, &cluster.scope, &cluster.name);
    let gpus = pods::survey(tx, cluster).gpus;
    let view = |(group, node): &(NodegroupDoc, Node)| {
        let mut view = node_view(cluster, group, node, revision);
        let offered = view["metadata"]["name"].as_str().and_then(|name| gpus.get(name)).copied();
        for side in ["capacity", "allocatable"].iter().filter(|_| offered.is_some()) {
            view["status"][*side][pods::GPU] = json!(offered.unwrap_or_default().to_string());
        }
        view
    };
    joined.iter().map(view).collect()
}

/// A node without its GPUs: those are offered by a plugin, where there is one.
pub(super) fn node_view(cluster: &Cluster, group: &NodegroupDoc, node: &Node, revision: u64) -> Value {
    let name = node_name(&cluster.scope, node);
    let joined = node.joined_at.unwrap_or(cluster.created_at);
    let text = |key: &str| group.api[key].as_str().unwrap_or_default();
    let arch = if text("amiType").contains("ARM") { "arm64" } else { "amd64" };
    let machine = cost::catalogue().machine_type(Cloud::Aws, &node.instance_type);
    let (cpus, gib) = machine.as_ref().map_or((2.0, 4.0), |m| (m.vcpus, m.memory_gib));
    let mut labels = json!({
        "beta.kubernetes.io/arch": arch, "beta.kubernetes.io/instance-type": node.instance_type, "beta.kubernetes.io/os": "linux",
        "eks.amazonaws.com/capacityType": text("capacityType"), "eks.amazonaws.com/nodegroup": text("nodegroupName"),
        "failure-domain.beta.kubernetes.io/region": cluster.scope.region, "failure-domain.beta.kubernetes.io/zone": node.zone,
        "kubernetes.io/arch": arch, "kubernetes.io/hostname": name, "kubernetes.io/os": "linux",
        "node.kubernetes.io/instance-type": node.instance_type,
        "topology.kubernetes.io/region": cluster.scope.region, "topology.kubernetes.io/zone": node.zone,
    });
    for (key, value) in group.api["labels"].as_object().into_iter().flatten() {
        labels[key] = value.clone();
    }
    let mut taints = eks::kubernetes_taints(&group.api["taints"]);
    if !node.ready {
        taints.push(json!({"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}));
    }
    let mut meta = metadata(cluster, "nodes", None, &name, joined, revision);
    meta["labels"] = labels;
    let mut spec = json!({"providerID": format!("aws:///{}/{}", node.zone, node.instance)});
    if !taints.is_empty() {
        spec["taints"] = json!(taints);
    }
    let capacity = quantities(cpus * 1000.0, gib * 1024.0 - 300.0);
    let allocatable = quantities(cpus * 1000.0 - 70.0, gib * 1024.0 - 1000.0);
    let version = eks::kube_version(text("version")).map_or("", |v| v.patch);
    json!({
        "metadata": meta, "spec": spec,
        "status": {
            "capacity": capacity, "allocatable": allocatable, "conditions": conditions(node, joined),
            "addresses": [
                {"type": "InternalIP", "address": node.private_ip}, {"type": "InternalDNS", "address": name},
                {"type": "Hostname", "address": name},
            ],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
            "nodeInfo": {
                "machineID": uid(&["machine", &node.instance]).replace('-', ""), "systemUUID": uid(&["system", &node.instance]),
                "bootID": uid(&["boot", &node.instance]), "kernelVersion": "6.12.55-74.119.amzn2023.x86_64",
                "osImage": "Amazon Linux 2023", "containerRuntimeVersion": "containerd://2.1.4",
                "kubeletVersion": format!("v{version}-eks-ecaa3a6"), "kubeProxyVersion": "", "operatingSystem": "linux", "architecture": arch,
            },
        },
    })
}

fn quantities(millis: f64, mebibytes: f64) -> Value {
    json!({
        "cpu": format!("{millis:.0}m"), "memory": format!("{mebibytes:.0}Mi"), "ephemeral-storage": "18242267924",
        "hugepages-1Gi": "0", "hugepages-2Mi": "0", "pods": "58",
    })
}

fn conditions(node: &Node, joined: Timestamp) -> Value {
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

/// A system workload an add-on brings.
struct Workload {
    name: &'static str,
    app: &'static str,
    /// Copies of a Deployment; none for a DaemonSet.
    replicas: Option<usize>,
    /// Where its pods are, with the readiness of each node; none for pods that wait for one.
    places: Vec<Option<(String, String, bool)>>,
}

/// What the add-ons of a cluster run: name, label, copies (none: one per node).
const WORKLOADS: &[(&str, &str, &str, Option<usize>)] = &[
    ("vpc-cni", "aws-node", "aws-node", None),
    ("kube-proxy", "kube-proxy", "kube-proxy", None),
    ("eks-pod-identity-agent", "eks-pod-identity-agent", "eks-pod-identity-agent", None),
    ("eks-node-monitoring-agent", "eks-node-monitoring-agent", "eks-node-monitoring-agent", None),
    ("coredns", "coredns", "kube-dns", Some(2)),
    ("aws-ebs-csi-driver", "ebs-csi-node", "ebs-csi-node", None),
    ("aws-ebs-csi-driver", "ebs-csi-controller", "ebs-csi-controller", Some(2)),
    ("metrics-server", "metrics-server", "metrics-server", Some(2)),
];

fn workloads(tx: &Tx<'_>, cluster: &Cluster) -> Vec<Workload> {
    let installed = eks::installed(tx, &cluster.scope, &cluster.name);
    let joined = eks::joined_nodes(tx, &cluster.scope, &cluster.name);
    let nodes: Vec<(String, String, bool)> =
        joined.iter().map(|(_, node)| (node_name(&cluster.scope, node), node.private_ip.clone(), node.ready)).collect();
    let able: Vec<&(String, String, bool)> = nodes.iter().filter(|(_, _, ready)| *ready).collect();
    let place = |copies: Option<usize>| match copies {
        None => nodes.iter().cloned().map(Some).collect(),
        Some(n) => (0..n).map(|i| able.get(i % able.len().max(1)).map(|node| (*node).clone())).collect(),
    };
    WORKLOADS
        .iter()
        .filter(|(addon, ..)| installed.iter().any(|name| name == addon))
        .map(|(_, name, app, replicas)| Workload { name, app, replicas: *replicas, places: place(*replicas) })
        .collect()
}

impl Workload {
    fn running(&self) -> usize {
        // Network and proxy run on the host's network: they run on nodes that are not Ready yet.
        self.places.iter().flatten().filter(|(_, _, ready)| *ready || self.replicas.is_none()).count()
    }

    fn template(&self) -> Value {
        let image = format!("602401143452.dkr.ecr.us-west-2.amazonaws.com/eks/{}", self.name);
        json!({
            "metadata": {"labels": {"k8s-app": self.app}},
            "spec": {"containers": [{"name": self.name, "image": image}], "serviceAccountName": self.name},
        })
    }

    fn pods(&self, cluster: &Cluster, revision: u64) -> Vec<Value> {
        let owner = if self.replicas.is_some() { "ReplicaSet" } else { "DaemonSet" };
        self.places
            .iter()
            .enumerate()
            .map(|(index, place)| {
                let node = place.as_ref().map(|(name, _, _)| name.as_str()).unwrap_or_default();
                let key = if self.replicas.is_some() { index.to_string() } else { node.to_owned() };
                let tail = suffix(&[&cluster.uid, self.name, &key], 5);
                let name = match self.replicas {
                    Some(_) => format!("{}-{}-{tail}", self.name, suffix(&[&cluster.uid, self.name], 10)),
                    None => format!("{}-{tail}", self.name),
                };
                let runs = place.as_ref().is_some_and(|(_, _, ready)| *ready || self.replicas.is_none());
                let mut meta = metadata(cluster, "pods", Some("kube-system"), &name, cluster.created_at, revision);
                meta["labels"] = json!({"k8s-app": self.app});
                meta["ownerReferences"] = json!([{
                    "apiVersion": "apps/v1", "kind": owner, "name": self.name, "controller": true,
                    "uid": uid(&[&cluster.uid, owner, self.name]),
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
                        "name": self.name, "ready": runs, "restartCount": 0, "image": self.name, "imageID": "", "started": runs,
                        "state": if runs { json!({"running": {"startedAt": stamp(cluster.created_at)}}) } else { json!({"waiting": {"reason": "ContainerCreating"}}) },
                    }]);
                }
                json!({"metadata": meta, "spec": spec, "status": status})
            })
            .collect()
    }

    fn deployment(&self, cluster: &Cluster, revision: u64) -> Value {
        let wanted = self.replicas.unwrap_or_default();
        json!({
            "metadata": metadata(cluster, "deployments", Some("kube-system"), self.name, cluster.created_at, revision),
            "spec": {"replicas": wanted, "selector": {"matchLabels": {"k8s-app": self.app}}, "template": self.template()},
            "status": {
                "observedGeneration": 1, "replicas": wanted, "updatedReplicas": wanted, "readyReplicas": self.running(),
                "availableReplicas": self.running(), "unavailableReplicas": wanted.saturating_sub(self.running()),
            },
        })
    }

    fn daemonset(&self, cluster: &Cluster, revision: u64) -> Value {
        let wanted = self.places.len();
        json!({
            "metadata": metadata(cluster, "daemonsets", Some("kube-system"), self.name, cluster.created_at, revision),
            "spec": {"selector": {"matchLabels": {"k8s-app": self.app}}, "template": self.template()},
            "status": {
                "currentNumberScheduled": wanted, "desiredNumberScheduled": wanted, "numberMisscheduled": 0,
                "numberReady": self.running(), "numberAvailable": self.running(), "updatedNumberScheduled": wanted, "observedGeneration": 1,
            },
        })
    }
}
