//! What the machines of a node group do: start, join, become Ready or not, drain and go, and leave ENIs behind.

use super::{
    access, addon, host,
    neighbours::{self, Launch},
    store::{
        self, ADDON, AddonDoc, CLUSTER, ClusterDoc, NODEGROUP, Node, NodegroupDoc, Obstacle, change, due, minutes,
        secs, within,
    },
};
use crate::sandbox::{
    aws::ApiError,
    kubernetes,
    world::{Object, Scope, Tx},
};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};

/// What `due` calls the moments of a node group's life.
pub(super) const LAUNCH: &str = "launch";
pub(super) const RESIZE: &str = "resize";
pub(super) const DRAIN: &str = "drain";
const JOIN: &str = "join";
const READY: &str = "ready";
const GIVE_UP: &str = "give-up";
const GONE: &str = "gone";

/// How long EKS waits for nodes to join before it gives a node group up.
const PATIENCE: Duration = minutes(20);
/// How long it retries launches.
const RETRIES: Duration = minutes(4);
/// How often it looks whether nodes have joined.
const GLANCE: Duration = secs(30);

/// Time passes for a node group.
pub(super) fn happen(tx: &mut Tx<'_>, object: &Object, what: &str) {
    match what {
        LAUNCH => launch(tx, object),
        JOIN => join(tx, object),
        READY => ready(tx, object),
        RESIZE => resize(tx, object),
        GIVE_UP => give_up(tx, object),
        DRAIN => drain(tx, object),
        GONE => gone(tx, object),
        _ => {}
    }
}

fn cluster_of(tx: &Tx<'_>, object: &Object) -> Option<(String, ClusterDoc)> {
    let name = object.parent.clone()?;
    let doc = tx.live(&object.scope(), CLUSTER, &name)?.read();
    Some((name, doc))
}

fn schedule(tx: &mut Tx<'_>, object: &Object, after: Duration, what: &str) {
    let due = due(tx, after, what);
    tx.update(&object.scope(), NODEGROUP, &object.id, |object| object.due = due);
}

/// The Auto Scaling group starts the machines; what stops it shows minutes later.
fn launch(tx: &mut Tx<'_>, object: &Object) {
    let scope = object.scope();
    let doc: NodegroupDoc = object.read();
    let Some((cluster, owner)) = cluster_of(tx, object) else { return };
    access::admit_nodes(tx, &scope, &cluster, doc.api["nodeRole"].as_str().unwrap_or_default());
    match preconditions(tx, &scope, &doc) {
        Ok(()) => {}
        Err(obstacle) => return stuck(tx, object, obstacle, minutes(1)),
    }
    let wanted = doc.api["scalingConfig"]["desiredSize"].as_u64().unwrap_or_default();
    if let Err(obstacle) = start(tx, object, &doc, &owner, wanted) {
        return stuck(tx, object, obstacle, RETRIES);
    }
    let boot = tx.between(secs(50), secs(80));
    schedule(tx, object, boot, JOIN);
}

fn stuck(tx: &mut Tx<'_>, object: &Object, obstacle: Obstacle, patience: Duration) {
    change(tx, &object.scope(), NODEGROUP, &object.id, |_, doc: &mut NodegroupDoc| doc.obstacle = Some(obstacle));
    schedule(tx, object, patience, GIVE_UP);
}

fn obstacle(code: &str, message: String) -> Obstacle {
    Obstacle { code: code.to_owned(), message }
}

fn subnets(doc: &NodegroupDoc) -> Vec<String> {
    super::cluster::texts(&doc.api["subnets"])
}

/// What EKS sees wrong before it starts a machine.
fn preconditions(tx: &Tx<'_>, scope: &Scope, doc: &NodegroupDoc) -> Result<(), Obstacle> {
    let name = doc.api["nodegroupName"].as_str().unwrap_or_default();
    let role = doc.api["nodeRole"].as_str().unwrap_or_default();
    if neighbours::role(tx, &scope.account, role, "ec2.amazonaws.com", &["sts:AssumeRole"]).is_err() {
        return Err(obstacle(
            "IamNodeRoleNotFound",
            format!("The role {role} of node group {name} does not exist any more"),
        ));
    }
    let ids = subnets(doc);
    if let Some(lost) = ids.iter().find(|id| neighbours::subnet(tx, scope, id).is_none()) {
        return Err(obstacle(
            "Ec2SubnetNotFound",
            format!("Subnet {lost} of node group {name} does not exist any more"),
        ));
    }
    let unaddressed: Vec<&str> =
        ids.iter().filter(|id| neighbours::public_without_addresses(tx, scope, id)).map(String::as_str).collect();
    if !unaddressed.is_empty() {
        let message = format!(
            "One or more Amazon EC2 Subnets of [{}] for node group {name} does not automatically assign public IP addresses \
             to instances launched into it. If you want your instances to be assigned a public IP address, then you need to \
             enable auto-assign public IP address for the subnet.",
            unaddressed.join(", ")
        );
        return Err(obstacle("Ec2SubnetInvalidConfiguration", message));
    }
    Ok(())
}

/// Starts machines until there are `wanted`, spread over the subnets.
fn start(
    tx: &mut Tx<'_>,
    object: &Object,
    doc: &NodegroupDoc,
    owner: &ClusterDoc,
    wanted: u64,
) -> Result<(), Obstacle> {
    let scope = object.scope();
    let template = doc.template.clone().unwrap_or_default();
    let (cluster, group) = (text(&doc.api, "clusterName"), text(&doc.api, "nodegroupName"));
    let types = super::cluster::texts(&doc.api["instanceTypes"]);
    let kinds = template.instance_type.clone().map_or(types, |kind| vec![kind]);
    let asg = doc.api["resources"]["autoScalingGroups"][0]["name"].as_str().unwrap_or_default();
    let mut tags: BTreeMap<String, String> = [
        (format!("kubernetes.io/cluster/{cluster}"), "owned"),
        ("eks:cluster-name".to_owned(), cluster.as_str()),
        ("eks:nodegroup-name".to_owned(), group.as_str()),
        ("aws:eks:cluster-name".to_owned(), cluster.as_str()),
        ("aws:autoscaling:groupName".to_owned(), asg),
        ("k8s.io/cluster-autoscaler/enabled".to_owned(), "true"),
        (format!("k8s.io/cluster-autoscaler/{cluster}"), "owned"),
    ]
    .into_iter()
    .map(|(k, v)| (k, v.to_owned()))
    .collect();
    if doc.template.is_some() {
        tags.insert("aws:ec2launchtemplate:id".to_owned(), template.id.clone());
        tags.insert("aws:ec2launchtemplate:version".to_owned(), template.version.clone());
    }
    tags.extend(template.instance_tags.clone());
    let own_group = owner.api["resourcesVpcConfig"]["clusterSecurityGroupId"].as_str().unwrap_or_default().to_owned();
    let groups = if template.security_groups.is_empty() { vec![own_group] } else { template.security_groups.clone() };
    let shown_disk = doc.api["diskSize"].as_u64().and_then(|gib| u32::try_from(gib).ok());
    let stock = || neighbours::image(&scope.region, &text(&doc.api, "amiType"), &text(&doc.api, "version"));
    let image = template.image.clone().unwrap_or_else(stock);
    let role = text(&doc.api, "nodeRole");
    if doc.own_template.is_none() {
        let own = neighbours::furnish_group(tx, &scope, &doc.uuid, &role, &image);
        change(tx, &scope, NODEGROUP, &object.id, |_, doc: &mut NodegroupDoc| doc.own_template = Some(own));
    }
    let ids = subnets(doc);
    let mut nodes = doc.nodes.clone();
    let mut trouble = None;
    while (nodes.len() as u64) < wanted && trouble.is_none() {
        let subnet = &ids[nodes.len() % ids.len()];
        let mut started = Err(ApiError::bad("InvalidParameterValue", "the node group names no instance type"));
        for kind in &kinds {
            started = neighbours::launch(
                tx,
                &scope,
                &Launch {
                    subnet,
                    instance_type: kind,
                    image: &image,
                    spot: doc.api["capacityType"] == json!("SPOT"),
                    security_groups: &groups,
                    disk_gib: template.disk_gib.or(shown_disk).unwrap_or(20),
                    instance_tags: &tags,
                    template: &template,
                    profile: &format!("eks-{}", doc.uuid),
                },
            );
            if started.is_ok() {
                break;
            }
        }
        match started {
            Ok(node) => nodes.push(node),
            Err(why) => trouble = Some(why),
        }
    }
    change(tx, &scope, NODEGROUP, &object.id, |_, doc: &mut NodegroupDoc| doc.nodes = nodes);
    match trouble {
        None => Ok(()),
        Some(why) if why.code == "InsufficientFreeAddressesInSubnet" => {
            Err(obstacle("InsufficientFreeAddresses", why.message))
        }
        Some(why) => {
            let market =
                if doc.api["capacityType"] == json!("SPOT") { "Spot Instances" } else { "On-Demand Instances" };
            let message =
                format!("Could not launch {market}. {} - {} Launching EC2 instance failed.", why.code, why.message);
            Err(obstacle("AsgInstanceLaunchFailures", message))
        }
    }
}

fn text(api: &Value, key: &str) -> String {
    api[key].as_str().unwrap_or_default().to_owned()
}

/// What keeps a node from joining, or from becoming Ready once it has joined.
fn hindrance(tx: &Tx<'_>, scope: &Scope, cluster: &str, owner: &ClusterDoc, doc: &NodegroupDoc) -> Option<Obstacle> {
    let role = doc.api["nodeRole"].as_str().unwrap_or_default();
    let unreachable = doc.nodes.iter().any(|node| neighbours::way_out(tx, scope, &node.subnet).is_err());
    let admitted = access::admits_nodes(tx, scope, cluster, owner, role);
    if unreachable || !admitted {
        return Some(obstacle("NodeCreationFailure", "Instances failed to join the kubernetes cluster".to_owned()));
    }
    if cni_works(tx, scope, cluster, owner, role) {
        return None;
    }
    Some(obstacle("NodeCreationFailure", "Unhealthy nodes in the kubernetes cluster".to_owned()))
}

/// Whether pods get addresses: vpc-cni is there, and may call EC2 through the node role or a role of its own.
fn cni_works(tx: &Tx<'_>, scope: &Scope, cluster: &str, owner: &ClusterDoc, role: &str) -> bool {
    let allowed = |arn: &str, principal: &str, actions: &[&str]| {
        neighbours::role(tx, &scope.account, arn, principal, actions)
            .is_ok_and(|role| role.allows(&["AmazonEKS_CNI_Policy"]))
    };
    let by_node = || allowed(role, "ec2.amazonaws.com", &["sts:AssumeRole"]);
    match tx.live(scope, ADDON, &within(cluster, "vpc-cni")) {
        None => owner.self_managed && by_node(),
        Some(object) if object.state == "DELETING" => false,
        Some(object) => {
            let doc: AddonDoc = object.read();
            let agent = tx.live(scope, ADDON, &within(cluster, "eks-pod-identity-agent")).is_some();
            let by_identity = agent
                && super::pod_identity::role_of(tx, scope, cluster, "kube-system", "aws-node")
                    .is_some_and(|arn| allowed(&arn, "pods.eks.amazonaws.com", &["sts:AssumeRole", "sts:TagSession"]));
            by_node() || by_identity || doc.api["serviceAccountRoleArn"].is_string()
        }
    }
}

/// Machines are up: do they reach the control plane, and do pods get addresses there?
fn join(tx: &mut Tx<'_>, object: &Object) {
    let scope = object.scope();
    let doc: NodegroupDoc = object.read();
    let Some((cluster, owner)) = cluster_of(tx, object) else { return };
    let hindrance = hindrance(tx, &scope, &cluster, &owner, &doc);
    let joined = hindrance.as_ref().is_none_or(|h| h.message.starts_with("Unhealthy"));
    let now = tx.now();
    change(tx, &scope, NODEGROUP, &object.id, |_, doc: &mut NodegroupDoc| {
        doc.obstacle.clone_from(&hindrance);
        for node in doc.nodes.iter_mut().filter(|node| joined && node.joined_at.is_none()) {
            node.joined_at = Some(now);
        }
    });
    if hindrance.is_none() {
        let settle = tx.between(secs(15), secs(30));
        schedule(tx, object, settle, READY);
    } else if now >= begun(object, &doc) + PATIENCE {
        give_up(tx, object);
    } else {
        schedule(tx, object, GLANCE, JOIN);
    }
}

/// When the group began what it is doing now.
fn begun(object: &Object, doc: &NodegroupDoc) -> Timestamp {
    doc.updates
        .iter()
        .find(|update| update.status == "InProgress")
        .map_or(object.created_at, |update| update.created_at)
}

/// The nodes are Ready; the group is done.
fn ready(tx: &mut Tx<'_>, object: &Object) {
    let scope = object.scope();
    if object.doomed && object.state == "CREATING" {
        let broken = obstacle("InternalFailure", "The node group could not be completed: internal failure".to_owned());
        change(tx, &scope, NODEGROUP, &object.id, |_, doc: &mut NodegroupDoc| doc.obstacle = Some(broken));
        return give_up(tx, object);
    }
    change(tx, &scope, NODEGROUP, &object.id, |object, doc: &mut NodegroupDoc| {
        "ACTIVE".clone_into(&mut object.state);
        object.due = None;
        for node in &mut doc.nodes {
            node.ready = true;
        }
        store::finish(&mut doc.updates, &mut doc.api);
        doc.api["health"] = json!({"issues": []});
    });
    if let Some(cluster) = &object.parent {
        addon::reconsider(tx, &scope, cluster);
        tell_scheduler(tx, &scope, cluster);
    }
}

fn tell_scheduler(tx: &mut Tx<'_>, scope: &Scope, cluster: &str) {
    if let Some(owner) = tx.live(scope, CLUSTER, cluster).cloned() {
        kubernetes::nodes_changed(tx, &host::cluster_of(&owner));
    }
}

/// EKS gives up and says why.
fn give_up(tx: &mut Tx<'_>, object: &Object) {
    let scope = object.scope();
    change(tx, &scope, NODEGROUP, &object.id, |object, doc: &mut NodegroupDoc| {
        let state = if object.state == "CREATING" { "CREATE_FAILED" } else { "DEGRADED" };
        state.clone_into(&mut object.state);
        object.due = None;
        for update in doc.updates.iter_mut().filter(|u| u.status == "InProgress") {
            update.fail(doc.obstacle.as_ref());
        }
        if let Some(obstacle) = &doc.obstacle {
            let machines: Vec<&str> = doc.nodes.iter().map(|node| node.instance.as_str()).collect();
            let ids = match obstacle.code.as_str() {
                "NodeCreationFailure" => json!(machines),
                "AsgInstanceLaunchFailures" => json!([doc.api["resources"]["autoScalingGroups"][0]["name"]]),
                "IamNodeRoleNotFound" => json!([doc.api["nodeRole"]]),
                _ => doc.api["subnets"].clone(),
            };
            doc.api["health"] =
                json!({"issues": [{"code": obstacle.code, "message": obstacle.message, "resourceIds": ids}]});
        }
    });
}

/// An update of the group takes effect: sizes, labels, taints.
fn resize(tx: &mut Tx<'_>, object: &Object) {
    let scope = object.scope();
    let Some((cluster, owner)) = cluster_of(tx, object) else { return };
    let doc: NodegroupDoc = object.read();
    let update = doc.updates.iter().find(|u| u.status == "InProgress");
    let sizes = update.map_or(&doc.api["scalingConfig"], |u| &u.outcome["scalingConfig"]);
    let wanted = sizes["desiredSize"].as_u64().unwrap_or(doc.nodes.len() as u64);
    let surplus: Vec<Node> = doc.nodes.iter().skip(usize::try_from(wanted).unwrap_or(usize::MAX)).cloned().collect();
    if !surplus.is_empty() {
        retire(tx, &scope, &cluster, &owner, &surplus);
        change(tx, &scope, NODEGROUP, &object.id, |_, doc: &mut NodegroupDoc| {
            doc.nodes.retain(|node| !surplus.iter().any(|gone| gone.instance == node.instance));
        });
        addon::reconsider(tx, &scope, &cluster);
        tell_scheduler(tx, &scope, &cluster);
    }
    if let Err(obstacle) = start(tx, object, &reread(tx, object), &owner, wanted) {
        return stuck(tx, object, obstacle, RETRIES);
    }
    let boot = if wanted > doc.nodes.len() as u64 { tx.between(secs(50), secs(80)) } else { secs(5) };
    schedule(tx, object, boot, JOIN);
}

fn reread(tx: &Tx<'_>, object: &Object) -> NodegroupDoc {
    tx.get(&object.scope(), NODEGROUP, &object.id).expect("the group whose time has come stands").read()
}

/// The machines go.
fn drain(tx: &mut Tx<'_>, object: &Object) {
    let scope = object.scope();
    let doc: NodegroupDoc = object.read();
    if let Some((cluster, owner)) = cluster_of(tx, object) {
        retire(tx, &scope, &cluster, &owner, &doc.nodes);
    }
    change(tx, &scope, NODEGROUP, &object.id, |_, doc: &mut NodegroupDoc| doc.nodes.clear());
    if let Some(cluster) = &object.parent {
        addon::reconsider(tx, &scope, cluster);
    }
    let rest = tx.between(minutes(2), minutes(5));
    schedule(tx, object, rest, GONE);
}

/// Terminates machines. A node that had pods with addresses of their own leaves the CNI's second ENI behind every other
/// time: terminated before ipamd could give it back (aws/amazon-vpc-cni-k8s, issue 608).
fn retire(tx: &mut Tx<'_>, scope: &Scope, cluster: &str, owner: &ClusterDoc, nodes: &[Node]) {
    let group = owner.api["resourcesVpcConfig"]["clusterSecurityGroupId"].as_str().unwrap_or_default();
    for node in nodes {
        neighbours::terminate(tx, scope, &node.instance);
        if node.ready && tx.below(2) == 0 {
            neighbours::leak_cni_eni(tx, scope, cluster, node, group);
        }
    }
}

fn gone(tx: &mut Tx<'_>, object: &Object) {
    let doc: NodegroupDoc = object.read();
    if let Some(template) = &doc.own_template {
        neighbours::strip_group(tx, &object.scope(), &doc.uuid, template);
    }
    tx.remove(&object.scope(), NODEGROUP, &object.id);
}

/// The nodes of a cluster that its API server lists, with the groups they belong to.
pub(in crate::sandbox) fn joined(tx: &Tx<'_>, scope: &Scope, cluster: &str) -> Vec<(NodegroupDoc, Node)> {
    let groups = store::of_cluster(tx, scope, NODEGROUP, cluster);
    let docs = groups.map(Object::read::<NodegroupDoc>);
    docs.flat_map(|doc| {
        let nodes: Vec<Node> = doc.nodes.iter().filter(|node| node.joined_at.is_some()).cloned().collect();
        nodes.into_iter().map(move |node| (doc.clone(), node))
    })
    .filter(|(_, node)| neighbours::stands(tx, scope, &node.instance))
    .collect()
}

/// A group as the cluster autoscaler sees its Auto Scaling group.
pub(in crate::sandbox) struct GroupSize {
    /// Its name in EKS.
    pub(in crate::sandbox) name: String,
    /// Its ARN in EKS.
    pub(in crate::sandbox) arn: String,
    /// Fewest nodes.
    pub(in crate::sandbox) min: u64,
    /// Nodes ordered.
    pub(in crate::sandbox) desired: u64,
    /// Most nodes.
    pub(in crate::sandbox) max: u64,
    /// The machine type that its nodes are taken to have.
    pub(in crate::sandbox) machine: String,
    /// Labels of its nodes.
    pub(in crate::sandbox) labels: Value,
    /// Taints of its nodes, as Kubernetes writes them.
    pub(in crate::sandbox) taints: Vec<Value>,
    /// Nothing is under way in it.
    pub(in crate::sandbox) settled: bool,
}

/// Effects in Kubernetes' words.
pub(in crate::sandbox) fn kubernetes_taints(taints: &Value) -> Vec<Value> {
    let effect = |word: Option<&str>| match word {
        Some("NO_EXECUTE") => "NoExecute",
        Some("PREFER_NO_SCHEDULE") => "PreferNoSchedule",
        _ => "NoSchedule",
    };
    let all = taints.as_array().into_iter().flatten();
    let one = |taint: &Value| {
        json!({
            "key": taint["key"], "value": taint["value"].as_str().unwrap_or_default(),
            "effect": effect(taint["effect"].as_str()),
        })
    };
    all.map(one).collect()
}

/// The groups of a cluster that live.
pub(in crate::sandbox) fn group_sizes(tx: &Tx<'_>, scope: &Scope, cluster: &str) -> Vec<GroupSize> {
    let groups = store::of_cluster(tx, scope, NODEGROUP, cluster).filter(|group| group.state == "ACTIVE");
    groups
        .map(|object| {
            let doc: NodegroupDoc = object.read();
            let size = |key: &str| doc.api["scalingConfig"][key].as_u64().unwrap_or_default();
            GroupSize {
                name: text(&doc.api, "nodegroupName"),
                arn: text(&doc.api, "nodegroupArn"),
                min: size("minSize"),
                desired: size("desiredSize"),
                max: size("maxSize"),
                machine: super::cluster::texts(&doc.api["instanceTypes"]).into_iter().next().unwrap_or_default(),
                labels: doc.api["labels"].clone(),
                taints: kubernetes_taints(&doc.api["taints"]),
                settled: object.due.is_none(),
            }
        })
        .collect()
}

/// Sets how many nodes a group is to have, as its Auto Scaling group does when asked; `going` are the machines that go
/// first. Says whether it will.
pub(in crate::sandbox) fn resize_group(
    tx: &mut Tx<'_>,
    scope: &Scope,
    cluster: &str,
    group: &str,
    desired: u64,
    going: &[String],
) -> bool {
    let id = within(cluster, group);
    let able = |object: &Object| object.state == "ACTIVE" && object.due.is_none();
    if !tx.live(scope, NODEGROUP, &id).is_some_and(able) {
        return false;
    }
    let after = tx.between(secs(2), secs(8));
    let due = due(tx, after, RESIZE);
    change(tx, scope, NODEGROUP, &id, |object, doc: &mut NodegroupDoc| {
        object.due = due;
        doc.api["scalingConfig"]["desiredSize"] = json!(desired);
        doc.nodes.sort_by_key(|node| going.contains(&node.instance));
    });
    true
}

/// How many nodes of a cluster can run pods.
pub(super) fn ready_count(tx: &Tx<'_>, scope: &Scope, cluster: &str) -> usize {
    joined(tx, scope, cluster).iter().filter(|(_, node)| node.ready).count()
}
