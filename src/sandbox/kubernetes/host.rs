//! What an API server asks of the cloud its cluster lives in. Each cloud's room implements [`Host`] beside the service
//! that makes its clusters (`aws/eks/host.rs`, `gcp/…`, `azure/…`) and puts one line into [`HOSTS`]; the Kubernetes room
//! asks through the trait and knows no vendor.
//!
//! The arrow: this room never looks into a cloud's objects, and a cloud never looks into what this room stores. A cloud
//! tells it two things: [`super::nodes_changed`] when nodes of a cluster came, went or became Ready, and
//! [`super::forget_cluster`] when the control plane is gone.
//!
//! How to be a host, in the order in which it shows:
//! 1. [`Host::reach`] and [`Host::identify`]: `kubectl get nodes` gets an answer, with `[]` in it. The server's address is
//!    `{site.kubernetes_url}/clusters/{uid}`, its certificate authority `site.ca_pem`.
//! 2. [`Host::nodes`] and [`Host::systems`]: nodes and the pods of `kube-system`.
//! 3. [`Host::storage`], [`Host::make_disk`], [`Host::remove_disk`]: claims.
//! 4. [`Host::serves`], [`Host::make_balancer`], [`Host::remove_balancer`]: Services, and Ingresses where the cloud does.
//!    What they make is `created_by: Controller`, and stays when the control plane dies first.
//! 5. [`Host::scaling`], [`Host::pools`], [`Host::resize`]: pods without room make nodes, nodes without pods go.
//!
//! Everything is asked inside one transaction: the `&Tx` is the world as it is now, a `&mut Tx` may change it. Calls are
//! made often (every list of nodes asks for them); answer from the world, never from memory.

pub(in crate::sandbox) use super::auth::{Right, User};

use crate::{
    model::Cloud,
    sandbox::{
        aws, azure, gcp,
        world::{Object, Scope, Tx},
    },
};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;

/// Every cloud that has clusters.
const HOSTS: &[&dyn Host] = &[&aws::eks::Eks, &azure::Azure::BARE, &gcp::Gke];

/// All hosts.
pub(super) fn all() -> impl Iterator<Item = &'static dyn Host> {
    HOSTS.iter().copied()
}

/// The host of a cloud's clusters.
pub(super) fn of(cloud: Cloud) -> Option<&'static dyn Host> {
    all().find(|host| host.cloud() == cloud)
}

/// The cluster that an object of this room lives in, while its control plane lives.
pub(super) fn cluster_of(tx: &Tx<'_>, object: &Object) -> Option<Cluster> {
    of(object.cloud)?.living(tx, &object.scope(), object.parent.as_deref().unwrap_or_default())
}

/// A cluster as its API server sees itself.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::sandbox) struct Cluster {
    /// The cloud.
    pub(in crate::sandbox) cloud: Cloud,
    /// Where its objects are filed in the world: everything inside it is filed there, too.
    pub(in crate::sandbox) scope: Scope,
    /// Its id in the world, unique in its scope: the `parent` of everything inside it.
    pub(in crate::sandbox) id: String,
    /// The name people gave it.
    pub(in crate::sandbox) name: String,
    /// The region, as nodes are labelled with it.
    pub(in crate::sandbox) region: String,
    /// Path of its API. Unique in the world, never used again.
    pub(in crate::sandbox) uid: String,
    /// Kubernetes version, `1.35`.
    pub(in crate::sandbox) version: String,
    /// What `/version` says, `v1.35.2-eks-ecaa3a6`.
    pub(in crate::sandbox) git_version: String,
    /// Range of Service addresses.
    pub(in crate::sandbox) service_range: String,
    /// When it was made.
    pub(in crate::sandbox) created_at: Timestamp,
}

impl Cluster {
    /// The cloud it lives in.
    pub(super) fn host(&self) -> &'static dyn Host {
        of(self.cloud).expect("a cluster comes from its host")
    }

    /// The nth address of the Service range.
    pub(super) fn service_ip(&self, n: u32) -> String {
        let range: Option<ipnet::Ipv4Net> = self.service_range.parse().ok();
        let first = range.map_or(0, |range| u32::from(range.network()));
        std::net::Ipv4Addr::from(first + n).to_string()
    }
}

/// What a caller shows.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::sandbox) struct Credentials<'a> {
    /// A bearer token.
    pub(in crate::sandbox) token: Option<&'a str>,
    /// A client certificate, DER. The caller has its key; nobody has looked at who signed it or what it says. A host that
    /// gives certificates away keeps their digests and compares ([`super::certificate_digest`]).
    pub(in crate::sandbox) certificate: Option<&'a [u8]>,
}

/// A node that has joined.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::sandbox) struct NodeFacts {
    /// Name of the Node.
    pub(in crate::sandbox) name: String,
    /// The cloud's id of the machine, as [`Host::resize`] is told which of them go.
    pub(in crate::sandbox) machine_id: String,
    /// The machine's type by its name in the price table: vCPUs and memory come from there.
    pub(in crate::sandbox) machine: String,
    /// Its pool.
    pub(in crate::sandbox) pool: String,
    /// Its zone, as `topology.kubernetes.io/zone` says it.
    pub(in crate::sandbox) zone: String,
    /// `amd64` or `arm64`.
    pub(in crate::sandbox) arch: &'static str,
    /// Its address in the network. Host name and the name itself are added.
    pub(in crate::sandbox) internal_ip: String,
    /// Further addresses, with their Kubernetes types: `ExternalIP`, `InternalDNS`.
    pub(in crate::sandbox) addresses: Vec<(&'static str, String)>,
    /// `aws:///…`, `gce://…`, `azure:///…`.
    pub(in crate::sandbox) provider_id: String,
    /// The cloud's own labels and the pool's. The well-known ones (architecture, type, region, zone, host name) are added.
    pub(in crate::sandbox) labels: BTreeMap<String, String>,
    /// The pool's taints, as Kubernetes writes them. `not-ready` is added.
    pub(in crate::sandbox) taints: Vec<Value>,
    /// When it joined.
    pub(in crate::sandbox) joined_at: Timestamp,
    /// Whether its kubelet reports Ready.
    pub(in crate::sandbox) ready: bool,
    /// Its GPUs.
    pub(in crate::sandbox) gpus: Gpus,
    /// Most pods.
    pub(in crate::sandbox) max_pods: u32,
    /// What runs on it.
    pub(in crate::sandbox) software: Software,
}

/// GPUs of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sandbox) enum Gpus {
    /// None.
    None,
    /// So many, and no driver: they stay idle.
    Bare(u32),
    /// So many, with their driver. A device plugin in the cluster has to offer them.
    Driven(u32),
    /// So many, with driver and a device plugin of the cloud's own.
    Offered(u32),
}

/// A node's system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sandbox) struct Software {
    /// `v1.35.2-eks-ecaa3a6`.
    pub(in crate::sandbox) kubelet: String,
    /// `Amazon Linux 2023`.
    pub(in crate::sandbox) os_image: &'static str,
    /// `6.12.55-74.119.amzn2023.x86_64`.
    pub(in crate::sandbox) kernel: &'static str,
    /// `containerd://2.1.4`.
    pub(in crate::sandbox) runtime: &'static str,
}

/// A workload of `kube-system` that the cloud brings. Its pods take no room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sandbox) struct System {
    /// Its name.
    pub(in crate::sandbox) name: &'static str,
    /// Its label `k8s-app`.
    pub(in crate::sandbox) app: &'static str,
    /// Copies of a Deployment; none for a DaemonSet, which runs on nodes that are not Ready, too.
    pub(in crate::sandbox) copies: Option<usize>,
    /// Its image.
    pub(in crate::sandbox) image: String,
}

/// How disks come to claims.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::sandbox) struct Storage {
    /// The driver's name, `ebs.csi.aws.com`.
    pub(in crate::sandbox) driver: &'static str,
    /// Other provisioners that are handed on to it: the in-tree name.
    pub(in crate::sandbox) also: &'static [&'static str],
    /// The node label that says where a disk can be attached. Nodes carry it where it is not
    /// `topology.kubernetes.io/zone`.
    pub(in crate::sandbox) zone_label: &'static str,
    /// The classes that every new cluster has.
    pub(in crate::sandbox) classes: Vec<Class>,
    /// Whether the driver runs and may make disks now; claims wait until then.
    pub(in crate::sandbox) makes: bool,
    /// Whether the driver runs and removes disks now; otherwise they stay when their claim goes.
    pub(in crate::sandbox) removes: bool,
}

/// A storage class of the cloud's own.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::sandbox) struct Class {
    /// Name.
    pub(in crate::sandbox) name: &'static str,
    /// Provisioner.
    pub(in crate::sandbox) provisioner: &'static str,
    /// Its parameters.
    pub(in crate::sandbox) parameters: Value,
    /// Whether claims that name none get it.
    pub(in crate::sandbox) default: bool,
    /// Whether disks are made only once a pod wants them.
    pub(in crate::sandbox) waits: bool,
    /// Whether volumes may grow; none where the class does not say.
    pub(in crate::sandbox) grows: Option<bool>,
}

/// A disk for a claim.
#[derive(Debug, Clone, Copy)]
pub(in crate::sandbox) struct Disk<'a> {
    /// The volume's name in the cluster, `pvc-<uid>`.
    pub(in crate::sandbox) name: &'a str,
    /// Zone, as the node says it.
    pub(in crate::sandbox) zone: &'a str,
    /// Size.
    pub(in crate::sandbox) gib: u32,
    /// Parameters of its class.
    pub(in crate::sandbox) parameters: &'a Value,
    /// Namespace and name of the claim.
    pub(in crate::sandbox) claim: (&'a str, &'a str),
}

/// What asks for a load balancer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sandbox) enum FrontKind {
    /// A Service of type LoadBalancer.
    Service,
    /// An Ingress.
    Ingress,
}

/// A Service or an Ingress that wants a load balancer, or had one.
#[derive(Debug, Clone)]
pub(in crate::sandbox) struct Front<'a> {
    /// Which of the two.
    pub(in crate::sandbox) kind: FrontKind,
    /// Its UID.
    pub(in crate::sandbox) uid: &'a str,
    /// Its namespace.
    pub(in crate::sandbox) namespace: &'a str,
    /// Its name.
    pub(in crate::sandbox) name: &'a str,
    /// Its annotations, null where there are none.
    pub(in crate::sandbox) annotations: &'a Value,
    /// Its spec, as it was given.
    pub(in crate::sandbox) spec: &'a Value,
}

impl<'a> Front<'a> {
    /// Reads one.
    pub(super) fn of(kind: FrontKind, row: &'a Value) -> Self {
        let text = |key: &str| row["metadata"][key].as_str().unwrap_or_default();
        let (uid, namespace, name) = (text("uid"), text("namespace"), text("name"));
        Self { kind, uid, namespace, name, annotations: &row["metadata"]["annotations"], spec: &row["spec"] }
    }

    /// One of its annotations.
    pub(in crate::sandbox) fn annotation(&self, key: &str) -> Option<&'a str> {
        self.annotations[key].as_str()
    }

    /// `loadBalancerClass` of a Service, `ingressClassName` of an Ingress.
    pub(in crate::sandbox) fn class(&self) -> Option<&'a str> {
        let key = match self.kind {
            FrontKind::Service => "loadBalancerClass",
            FrontKind::Ingress => "ingressClassName",
        };
        self.spec[key].as_str()
    }

    /// Ports of a Service with their node ports.
    pub(in crate::sandbox) fn ports(&self) -> Vec<(u16, u16)> {
        let list = self.spec["ports"].as_array().into_iter().flatten();
        let number = |value: &Value| value.as_u64().and_then(|n| u16::try_from(n).ok()).unwrap_or_default();
        list.map(|port| (number(&port["port"]), number(&port["nodePort"]))).collect()
    }
}

/// Where a load balancer can be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sandbox) enum Address {
    /// By name.
    Host(String),
    /// By address.
    Ip(String),
}

/// Who scales node pools.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sandbox) enum Scaling {
    /// The cloud itself, the pools that have it switched on ([`Pool::scales`]).
    Cloud,
    /// A cluster autoscaler that somebody runs in the cluster, as far as its identity may ([`Host::lets`]).
    InCluster,
}

/// A pool that lives, as an autoscaler sees it. Counts are totals over all zones.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::sandbox) struct Pool {
    /// Its name, as in [`NodeFacts::pool`].
    pub(in crate::sandbox) name: String,
    /// The cloud's id of it.
    pub(in crate::sandbox) id: String,
    /// Whether it may be scaled between its bounds.
    pub(in crate::sandbox) scales: bool,
    /// Fewest nodes.
    pub(in crate::sandbox) min: u64,
    /// Nodes ordered.
    pub(in crate::sandbox) desired: u64,
    /// Most nodes.
    pub(in crate::sandbox) max: u64,
    /// The machine type of its next node.
    pub(in crate::sandbox) machine: String,
    /// GPUs that its next node would offer.
    pub(in crate::sandbox) gpus: u32,
    /// Labels that its next node would have, the cloud's own included.
    pub(in crate::sandbox) labels: Value,
    /// Taints that its next node would have, as Kubernetes writes them.
    pub(in crate::sandbox) taints: Vec<Value>,
    /// Nothing is under way in it.
    pub(in crate::sandbox) settled: bool,
}

/// Pods that want to do something in the cloud.
#[derive(Debug, Clone, Copy)]
pub(in crate::sandbox) struct Runner<'a> {
    /// Their namespace.
    pub(in crate::sandbox) namespace: &'a str,
    /// Their service account.
    pub(in crate::sandbox) account: &'a str,
    /// Command and arguments of their containers.
    pub(in crate::sandbox) words: &'a [&'a str],
}

/// What a cluster autoscaler in the cluster does in the cloud.
#[derive(Debug, Clone, Copy)]
pub(in crate::sandbox) enum Act<'a> {
    /// Looks around when it starts.
    Start,
    /// Finds the pools that its arguments name.
    Find,
    /// Asks what the next node of an empty pool would be like.
    Imagine(&'a Pool),
    /// Orders nodes.
    Grow,
    /// Lets nodes go.
    Shrink,
}

/// A cloud that has clusters.
pub(in crate::sandbox) trait Host: Sync {
    /// Which.
    fn cloud(&self) -> Cloud;

    /// The cluster whose API has this path, if its API server serves and can be reached from outside: the control plane is
    /// up and not being deleted, its public endpoint is open. Asked with every request.
    fn reach(&self, tx: &Tx<'_>, uid: &str) -> Option<Cluster>;

    /// The cluster with this id, if its control plane lives: its controllers work, reachable or not.
    fn living(&self, tx: &Tx<'_>, scope: &Scope, id: &str) -> Option<Cluster>;

    /// Who shows these credentials, and what the cloud's own authorisation lets them do. `wall` is real time: lifetimes
    /// of tokens are in it.
    ///
    /// # Errors
    /// Why nobody is known by them, for the server's log; the caller sees a 401.
    fn identify(&self, tx: &Tx<'_>, cluster: &Cluster, shown: Credentials<'_>, wall: Timestamp)
    -> Result<User, String>;

    /// The nodes that have joined and whose machine stands.
    fn nodes(&self, tx: &Tx<'_>, cluster: &Cluster) -> Vec<NodeFacts>;

    /// What the cloud runs in `kube-system`. A `kube-dns` Service is there where one of them has that label.
    fn systems(&self, tx: &Tx<'_>, cluster: &Cluster) -> Vec<System>;

    /// How disks come to claims.
    fn storage(&self, tx: &Tx<'_>, cluster: &Cluster) -> Storage;

    /// Makes a disk with the marks its driver puts on it; its handle, or nothing when the cloud would not (a quota): the
    /// driver goes on trying.
    fn make_disk(&self, tx: &mut Tx<'_>, cluster: &Cluster, disk: &Disk<'_>) -> Option<String>;

    /// Deletes a disk of the driver.
    fn remove_disk(&self, tx: &mut Tx<'_>, cluster: &Cluster, handle: &str);

    /// Whether a controller of the cloud's own serves it; other classes belong to controllers nobody installed.
    fn serves(&self, tx: &Tx<'_>, cluster: &Cluster, front: &Front<'_>) -> bool;

    /// The finalizer its controller holds it with.
    fn finalizer(&self, _: FrontKind) -> &'static str {
        "service.kubernetes.io/load-balancer-cleanup"
    }

    /// Makes the load balancer with everything around it, or as much as the cloud lets; nothing when it would not: the
    /// controller goes on trying.
    fn make_balancer(&self, tx: &mut Tx<'_>, cluster: &Cluster, front: &Front<'_>) -> Option<Address>;

    /// Removes it. Says whether nothing of it is left; it is asked again until then.
    fn remove_balancer(&self, tx: &mut Tx<'_>, cluster: &Cluster, front: &Front<'_>) -> bool;

    /// Who scales the pools of its clusters.
    fn scaling(&self) -> Scaling;

    /// The pools of a cluster that live.
    fn pools(&self, tx: &Tx<'_>, cluster: &Cluster) -> Vec<Pool>;

    /// Orders how many nodes a pool is to have; `going` are the machines ([`NodeFacts::machine_id`]) that go first. Says
    /// whether it will.
    fn resize(&self, tx: &mut Tx<'_>, cluster: &Cluster, pool: &str, desired: u64, going: &[String]) -> bool;

    /// Whether a cluster autoscaler in the cluster may do this; asked only where those scale.
    ///
    /// # Errors
    /// Why not, in the words its log would have.
    fn lets(&self, _tx: &Tx<'_>, _cluster: &Cluster, _runner: &Runner<'_>, _act: Act<'_>) -> Result<(), String> {
        Err("the pools of this cloud are scaled by itself".to_owned())
    }
}
