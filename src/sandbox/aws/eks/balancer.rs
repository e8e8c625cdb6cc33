//! Load balancers that the cloud controller of a control plane makes for Services, with their security groups.

use super::{
    nodes,
    store::{CLUSTER, ClusterDoc},
};
use crate::sandbox::{
    aws::{
        ec2::inside::{self, GroupWish},
        elb::{self, BalancerKind, BalancerWish},
    },
    kubernetes::host::{Cluster, Front, FrontKind},
    world::{Kind, Object, Scope, Tx},
};
use std::collections::{BTreeMap, BTreeSet};

const NETWORK: Kind = Kind::new("elasticloadbalancing", "load-balancer");
const TARGETS: Kind = Kind::new("elasticloadbalancing", "target-group");
const GROUP: Kind = Kind::new("ec2", "security-group");

const TYPE: &str = "service.beta.kubernetes.io/aws-load-balancer-type";
const INTERNAL: &str = "service.beta.kubernetes.io/aws-load-balancer-internal";
const SCHEME: &str = "service.beta.kubernetes.io/aws-load-balancer-scheme";

/// Whether the cloud controller of the control plane serves it; other classes belong to controllers nobody installed.
pub(super) fn serves(front: &Front<'_>) -> bool {
    let kind = front.annotation(TYPE);
    front.kind == FrontKind::Service && front.class().is_none() && kind.is_none_or(|kind| kind == "nlb")
}

/// The VPC of a cluster, and the security group of its nodes.
fn network(tx: &Tx<'_>, cluster: &Cluster) -> (String, Option<String>) {
    let owner = tx.live(&cluster.scope, CLUSTER, &cluster.id).map(Object::read::<ClusterDoc>);
    let config = owner.map(|doc| doc.api["resourcesVpcConfig"].clone()).unwrap_or_default();
    let text = |key: &str| config[key].as_str().unwrap_or_default().to_owned();
    (text("vpcId"), Some(text("clusterSecurityGroupId")).filter(|id| !id.is_empty()))
}

/// The name the cloud provider gives: `a` and the UID, as far as fits.
fn balancer_name(uid: &str) -> String {
    format!("a{}", uid.replace('-', "")).chars().take(32).collect()
}

/// The tag of what a cluster made.
pub(super) fn owned(cluster: &Cluster) -> (String, String) {
    (format!("kubernetes.io/cluster/{}", cluster.name), "owned".to_owned())
}

/// The subnets for a balancer, one per zone: those tagged for it, else those that lead out (or all, for an internal one).
fn subnets(tx: &Tx<'_>, cluster: &Cluster, vpc: &str, internal: bool) -> Vec<String> {
    let role = if internal { "kubernetes.io/role/internal-elb" } else { "kubernetes.io/role/elb" };
    let all: Vec<_> = inside::subnets_of(tx, &cluster.scope, vpc)
        .into_iter()
        .filter_map(|id| inside::subnet(tx, &cluster.scope, &id).map(|facts| (id, facts)))
        .collect();
    let tagged = all.iter().any(|(_, facts)| facts.tags.contains_key(role));
    let fits = |id: &str, facts: &inside::SubnetFacts| {
        let leads_out = facts.public_ip_on_launch && inside::way_out(tx, &cluster.scope, id).is_ok();
        let public = leads_out || inside::public_without_addresses(tx, &cluster.scope, id);
        if tagged { facts.tags.contains_key(role) } else { internal || public }
    };
    let mut zones = BTreeSet::new();
    let chosen = all.iter().filter(|(id, facts)| fits(id, facts) && zones.insert(facts.zone.clone()));
    chosen.map(|(id, _)| id.clone()).collect()
}

/// Makes the balancer of a Service; returns its host name, or nothing when the cloud would not.
pub(super) fn make(tx: &mut Tx<'_>, cluster: &Cluster, front: &Front<'_>) -> Option<String> {
    let nlb = front.annotation(TYPE) == Some("nlb");
    let internal = front.annotation(INTERNAL) == Some("true") || front.annotation(SCHEME) == Some("internal");
    let (vpc, nodes_group) = network(tx, cluster);
    let name = balancer_name(front.uid);
    let service = format!("{}/{}", front.namespace, front.name);
    let subnets = subnets(tx, cluster, &vpc, internal);
    if subnets.is_empty() {
        return None;
    }
    let tags: BTreeMap<String, String> =
        [owned(cluster), ("kubernetes.io/service-name".to_owned(), service.clone())].into_iter().collect();
    let nodes = nodes::joined(tx, &cluster.scope, &cluster.id);
    let instances = nodes.into_iter().map(|(_, node)| node.instance).collect();
    let (mut groups, mut listeners) = (Vec::new(), Vec::new());
    if nlb {
        for (port, node_port) in front.ports() {
            let target_name: String = format!("k8s-{}-{port}", &name[..20]).chars().take(32).collect();
            let target = elb::create_target_group(tx, &cluster.scope, &target_name, &vpc, node_port, tags.clone());
            listeners.push((port, Some(target)));
        }
    } else {
        let open: Vec<i64> = front.ports().iter().map(|(port, _)| i64::from(*port)).collect();
        let wish = GroupWish {
            vpc: &vpc,
            name: format!("k8s-elb-{name}"),
            description: format!("Security group for Kubernetes ELB {name} ({service})"),
            tags: BTreeMap::from([owned(cluster)]),
            among_members: false,
            open_ports: &open,
        };
        let group = inside::create_group(tx, &cluster.scope, wish);
        if let Some(nodes) = &nodes_group {
            inside::allow_from_group(tx, &cluster.scope, nodes, &group, "kubernetes.io/rule/nlb/client");
        }
        groups.push(group);
        listeners.extend(front.ports().iter().map(|(port, _)| (*port, None)));
    }
    let wish = BalancerWish {
        name: &name,
        kind: if nlb { BalancerKind::Network } else { BalancerKind::Classic },
        internet_facing: !internal,
        subnets: &subnets,
        groups,
        listeners: &listeners,
        instances,
        tags,
    };
    match elb::create(tx, &cluster.scope, wish) {
        Ok(made) => Some(made.dns),
        Err(error) => {
            tracing::debug!(code = %error.code, %service, "no load balancer");
            strip(tx, &cluster.scope, &name);
            None
        }
    }
}

fn named(tx: &Tx<'_>, scope: &Scope, kind: Kind, fits: impl Fn(&str) -> bool) -> Vec<String> {
    let all = tx.list_live(scope, kind).filter(|object: &&Object| object.name.as_deref().is_some_and(&fits));
    all.map(|object| object.id.clone()).collect()
}

/// Removes what stands around a balancer: target groups, and the security group once no interface uses it.
fn strip(tx: &mut Tx<'_>, scope: &Scope, name: &str) -> bool {
    let prefix = format!("k8s-{}-", &name[..20]);
    for target in named(tx, scope, TARGETS, |own| own.starts_with(&prefix)) {
        elb::delete_target_group(tx, scope, &target);
    }
    let own = format!("k8s-elb-{name}");
    let groups = named(tx, scope, GROUP, |group| group == own);
    groups.iter().all(|group| inside::remove_group(tx, scope, group))
}

/// Removes the balancer of a Service. Says whether nothing of it is left; its interfaces go minutes later.
pub(super) fn remove(tx: &mut Tx<'_>, cluster: &Cluster, uid: &str) -> bool {
    let name = balancer_name(uid);
    elb::delete(tx, &cluster.scope, &name);
    for balancer in named(tx, &cluster.scope, NETWORK, |own| own == name) {
        elb::delete(tx, &cluster.scope, &balancer);
    }
    strip(tx, &cluster.scope, &name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn foreign_load_balancer_classes_are_left_alone() {
        let served = |annotations: Value, spec: Value| {
            let front = Front {
                kind: FrontKind::Service,
                uid: "u",
                namespace: "default",
                name: "web",
                annotations: &annotations,
                spec: &spec,
            };
            serves(&front)
        };
        assert!(served(json!(null), json!({})) && served(json!({TYPE: "nlb"}), json!({})));
        assert!(!served(json!({TYPE: "external"}), json!({})));
        assert!(!served(json!({}), json!({"loadBalancerClass": "service.k8s.aws/nlb"})));
    }
}
