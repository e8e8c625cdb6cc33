//! EKS as the Kubernetes room meets it: clusters by their path, callers by signed STS requests and access entries, nodes by
//! their machines, disks as far as the EBS driver's add-on may, node groups as their Auto Scaling groups would have it.

use super::{
    Eks,
    access::{self, Grant},
    addon, balancer, disk, neighbours,
    nodes::{self, group_sizes, kubernetes_taints, resize_group},
    scaler,
    store::{CLUSTER, ClusterDoc, Node, NodegroupDoc},
    versions,
};
use crate::{
    model::Cloud,
    sandbox::{
        aws::sts,
        kubernetes::host::{
            Act, Address, Class, Cluster, Credentials, Disk, Front, Gpus, Host, NodeFacts, Pool, Right, Runner,
            Scaling, Software, Storage, System, User,
        },
        world::{Object, Scope, Tx},
    },
};
use jiff::Timestamp;
use serde_json::{Value, json};

/// The EBS driver's add-on.
pub(super) const EBS_ADDON: &str = "aws-ebs-csi-driver";
/// What `/version` and kubelets have behind their number.
const BUILD: &str = "eks-ecaa3a6";

/// What the add-ons of a cluster run: name, label, copies (none: one per node).
const WORKLOADS: &[(&str, &str, &str, Option<usize>)] = &[
    ("vpc-cni", "aws-node", "aws-node", None),
    ("kube-proxy", "kube-proxy", "kube-proxy", None),
    ("eks-pod-identity-agent", "eks-pod-identity-agent", "eks-pod-identity-agent", None),
    ("eks-node-monitoring-agent", "eks-node-monitoring-agent", "eks-node-monitoring-agent", None),
    ("coredns", "coredns", "kube-dns", Some(2)),
    (EBS_ADDON, "ebs-csi-node", "ebs-csi-node", None),
    (EBS_ADDON, "ebs-csi-controller", "ebs-csi-controller", Some(2)),
    ("metrics-server", "metrics-server", "metrics-server", Some(2)),
];

/// The cluster as its API server sees itself.
pub(super) fn cluster_of(object: &Object) -> Cluster {
    let doc: ClusterDoc = object.read();
    let text = |path: &str| doc.api.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
    let version = text("/version");
    Cluster {
        cloud: Cloud::Aws,
        scope: object.scope(),
        id: object.id.clone(),
        name: object.id.clone(),
        region: object.region.clone(),
        uid: doc.uid.clone(),
        git_version: built(&version),
        version,
        service_range: text("/kubernetesNetworkConfig/serviceIpv4Cidr"),
        created_at: object.created_at,
    }
}

/// `v1.35.2-eks-ecaa3a6`.
fn built(minor: &str) -> String {
    format!("v{}-{BUILD}", versions::named(minor).map_or("", |version| version.patch))
}

/// The user that a grant makes of an IAM principal; a session's name goes into the user name.
fn user(grant: Grant, session: &str) -> User {
    let name = grant.username.replace("{{SessionName}}", session).replace("{{SessionNameRaw}}", session);
    let rights = grant.policies.into_iter().filter_map(|(policy, namespaces)| Some((right(policy)?, namespaces)));
    User::new(name, grant.groups, rights.collect())
}

/// What an access policy comes to; none for those of machines.
fn right(policy: &str) -> Option<Right> {
    match policy {
        "AmazonEKSClusterAdminPolicy" => Some(Right::Everything),
        "AmazonEKSAdminPolicy" | "AmazonEKSEditPolicy" => Some(Right::Edit),
        "AmazonEKSAdminViewPolicy" => Some(Right::ViewAll),
        "AmazonEKSViewPolicy" => Some(Right::View),
        "AmazonEKSSecretReaderPolicy" => Some(Right::ViewSecrets),
        _ => None,
    }
}

/// The name a node has: its private DNS name.
fn node_name(region: &str, node: &Node) -> String {
    let host = format!("ip-{}", node.private_ip.replace('.', "-"));
    match region {
        "us-east-1" => format!("{host}.ec2.internal"),
        region => format!("{host}.{region}.compute.internal"),
    }
}

fn node_facts(cluster: &Cluster, group: &NodegroupDoc, node: &Node) -> NodeFacts {
    let text = |key: &str| group.api[key].as_str().unwrap_or_default();
    let name = node_name(&cluster.region, node);
    let own = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let mut labels = std::collections::BTreeMap::from([
        own("eks.amazonaws.com/capacityType", text("capacityType")),
        own("eks.amazonaws.com/nodegroup", text("nodegroupName")),
    ]);
    for (key, value) in group.api["labels"].as_object().into_iter().flatten() {
        labels.insert(key.clone(), value.as_str().unwrap_or_default().to_owned());
    }
    let gpus = match (gpus_of(&node.instance_type), text("amiType").contains("NVIDIA")) {
        (0, _) => Gpus::None,
        (count, false) => Gpus::Bare(count),
        (count, true) => Gpus::Driven(count),
    };
    NodeFacts {
        machine_id: node.instance.clone(),
        machine: node.instance_type.clone(),
        pool: text("nodegroupName").to_owned(),
        zone: node.zone.clone(),
        arch: if text("amiType").contains("ARM") { "arm64" } else { "amd64" },
        internal_ip: node.private_ip.clone(),
        addresses: vec![("InternalDNS", name.clone())],
        provider_id: format!("aws:///{}/{}", node.zone, node.instance),
        labels,
        taints: kubernetes_taints(&group.api["taints"]),
        joined_at: node.joined_at.unwrap_or(cluster.created_at),
        ready: node.ready,
        gpus,
        max_pods: 58,
        software: Software {
            kubelet: built(text("version")),
            os_image: "Amazon Linux 2023",
            kernel: "6.12.55-74.119.amzn2023.x86_64",
            runtime: "containerd://2.1.4",
        },
        name,
    }
}

/// NVIDIA GPUs in a machine of this type.
fn gpus_of(machine: &str) -> u32 {
    neighbours::machine(machine).map_or(0, |facts| facts.gpus)
}

impl Host for Eks {
    fn cloud(&self) -> Cloud {
        Cloud::Aws
    }

    fn reach(&self, tx: &Tx<'_>, uid: &str) -> Option<Cluster> {
        let open = |object: &&Object| {
            let doc: ClusterDoc = object.read();
            doc.uid == uid && doc.up && doc.api["resourcesVpcConfig"]["endpointPublicAccess"] == json!(true)
        };
        let standing = |object: &&Object| object.is(CLUSTER) && !object.is_gone() && object.state != "DELETING";
        tx.all().filter(standing).find(open).map(cluster_of)
    }

    fn living(&self, tx: &Tx<'_>, scope: &Scope, id: &str) -> Option<Cluster> {
        tx.live(scope, CLUSTER, id).filter(|owner| owner.state != "DELETING").map(cluster_of)
    }

    fn identify(
        &self,
        tx: &Tx<'_>,
        cluster: &Cluster,
        shown: Credentials<'_>,
        wall: Timestamp,
    ) -> Result<User, String> {
        let token = shown.token.ok_or("EKS knows no client certificates")?;
        let caller = sts::verify_token(tx, token, &cluster.id, wall).map_err(|why| why.to_string())?;
        let owner = tx.live(&cluster.scope, CLUSTER, &cluster.id).ok_or("the cluster has gone")?;
        let grant = access::grant(tx, owner, &caller.principal_arn()).ok_or("no access entry")?;
        Ok(user(grant, caller.arn.rsplit('/').next().unwrap_or_default()))
    }

    fn nodes(&self, tx: &Tx<'_>, cluster: &Cluster) -> Vec<NodeFacts> {
        let joined = nodes::joined(tx, &cluster.scope, &cluster.id);
        joined.iter().map(|(group, node)| node_facts(cluster, group, node)).collect()
    }

    fn systems(&self, tx: &Tx<'_>, cluster: &Cluster) -> Vec<System> {
        let installed = addon::installed(tx, &cluster.scope, &cluster.id);
        let there = WORKLOADS.iter().filter(|(addon, ..)| installed.iter().any(|name| name == addon));
        let system = |&(_, name, app, copies): &(&str, &'static str, &'static str, Option<usize>)| {
            let image = format!("602401143452.dkr.ecr.us-west-2.amazonaws.com/eks/{name}");
            System { name, app, copies, image }
        };
        there.map(system).collect()
    }

    fn storage(&self, tx: &Tx<'_>, cluster: &Cluster) -> Storage {
        let stands = addon::is_active(tx, &cluster.scope, &cluster.id, EBS_ADDON);
        let may = || addon::may(tx, &cluster.scope, &cluster.id, EBS_ADDON, "service-role/AmazonEBSCSIDriverPolicy");
        let gp2 = Class {
            name: "gp2",
            provisioner: "kubernetes.io/aws-ebs",
            parameters: json!({"type": "gp2", "fsType": "ext4"}),
            default: false,
            waits: true,
            grows: None,
        };
        Storage {
            driver: "ebs.csi.aws.com",
            also: &["kubernetes.io/aws-ebs"],
            zone_label: "topology.kubernetes.io/zone",
            classes: vec![gp2],
            makes: stands && may(),
            removes: stands,
        }
    }

    fn make_disk(&self, tx: &mut Tx<'_>, cluster: &Cluster, disk: &Disk<'_>) -> Option<String> {
        disk::make(tx, cluster, disk)
    }

    fn remove_disk(&self, tx: &mut Tx<'_>, cluster: &Cluster, handle: &str) {
        disk::remove(tx, cluster, handle);
    }

    fn serves(&self, _: &Tx<'_>, _: &Cluster, front: &Front<'_>) -> bool {
        balancer::serves(front)
    }

    fn make_balancer(&self, tx: &mut Tx<'_>, cluster: &Cluster, front: &Front<'_>) -> Option<Address> {
        balancer::make(tx, cluster, front).map(Address::Host)
    }

    fn remove_balancer(&self, tx: &mut Tx<'_>, cluster: &Cluster, front: &Front<'_>) -> bool {
        balancer::remove(tx, cluster, front.uid)
    }

    fn scaling(&self) -> Scaling {
        Scaling::InCluster
    }

    fn pools(&self, tx: &Tx<'_>, cluster: &Cluster) -> Vec<Pool> {
        let groups = group_sizes(tx, &cluster.scope, &cluster.id).into_iter();
        let pool = |group: nodes::GroupSize| {
            let mut labels = group.labels;
            labels["eks.amazonaws.com/nodegroup"] = json!(group.name);
            Pool {
                gpus: gpus_of(&group.machine),
                name: group.name,
                id: group.arn,
                scales: true,
                min: group.min,
                desired: group.desired,
                max: group.max,
                machine: group.machine,
                labels,
                taints: group.taints,
                settled: group.settled,
            }
        };
        groups.map(pool).collect()
    }

    fn resize(&self, tx: &mut Tx<'_>, cluster: &Cluster, pool: &str, desired: u64, going: &[String]) -> bool {
        resize_group(tx, &cluster.scope, &cluster.id, pool, desired, going)
    }

    fn lets(&self, tx: &Tx<'_>, cluster: &Cluster, runner: &Runner<'_>, act: Act<'_>) -> Result<(), String> {
        scaler::lets(tx, cluster, runner, act)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_becomes_a_user_with_the_rights_of_its_policies() {
        let namespaces = Some(vec!["team-*".to_owned()]);
        let grant = |policies: Vec<(&'static str, Option<Vec<String>>)>| Grant {
            username: "arn:x/{{SessionName}}".to_owned(),
            groups: vec!["viewers".to_owned()],
            policies,
        };
        let known = user(grant(vec![("AmazonEKSEditPolicy", namespaces.clone())]), "me");
        let same = User::new("arn:x/me", vec!["viewers".to_owned()], vec![(Right::Edit, namespaces)]);
        assert_eq!(known, same);
        let nothing = user(grant(vec![("AmazonEKSAutoNodePolicy", None)]), "me");
        assert_eq!(nothing, User::new("arn:x/me", vec!["viewers".to_owned()], vec![]));
    }
}
