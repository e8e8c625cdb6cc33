//! What the controllers of a cluster do to the account: load balancers with their groups, disks of the storage driver.

use super::views::Cluster;
use crate::sandbox::{
    aws::{
        ec2::inside::{self, GroupWish},
        eks,
        elb::{self, BalancerKind, BalancerWish},
    },
    world::{Kind, Object, Scope, Tx},
};
use std::collections::{BTreeMap, BTreeSet};

const NETWORK: Kind = Kind::new("elasticloadbalancing", "load-balancer");
const TARGETS: Kind = Kind::new("elasticloadbalancing", "target-group");
const GROUP: Kind = Kind::new("ec2", "security-group");

/// A Service that wants a load balancer.
pub(super) struct Service<'a> {
    /// Its UID.
    pub(super) uid: &'a str,
    /// `namespace/name`.
    pub(super) name: &'a str,
    /// Port and node port of each of its ports.
    pub(super) ports: &'a [(u16, u16)],
    /// A network load balancer instead of a classic one.
    pub(super) nlb: bool,
    /// Not reachable from outside.
    pub(super) internal: bool,
}

/// The name the cloud provider gives: `a` and the UID, as far as fits.
fn balancer_name(uid: &str) -> String {
    format!("a{}", uid.replace('-', "")).chars().take(32).collect()
}

fn owned(cluster: &Cluster) -> (String, String) {
    (format!("kubernetes.io/cluster/{}", cluster.name), "owned".to_owned())
}

/// The subnets for a balancer, one per zone: those tagged for it, else those that lead out (or all, for an internal one).
fn subnets(tx: &Tx<'_>, cluster: &Cluster, internal: bool) -> Vec<String> {
    let role = if internal { "kubernetes.io/role/internal-elb" } else { "kubernetes.io/role/elb" };
    let all: Vec<_> = inside::subnets_of(tx, &cluster.scope, &cluster.vpc)
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
pub(super) fn make_balancer(tx: &mut Tx<'_>, cluster: &Cluster, service: &Service<'_>) -> Option<String> {
    let name = balancer_name(service.uid);
    let subnets = subnets(tx, cluster, service.internal);
    if subnets.is_empty() {
        return None;
    }
    let tags: BTreeMap<String, String> =
        [owned(cluster), ("kubernetes.io/service-name".to_owned(), service.name.to_owned())].into_iter().collect();
    let nodes = eks::joined_nodes(tx, &cluster.scope, &cluster.name);
    let instances = nodes.into_iter().map(|(_, node)| node.instance).collect();
    let (mut groups, mut listeners) = (Vec::new(), Vec::new());
    if service.nlb {
        for (port, node_port) in service.ports {
            let target_name: String = format!("k8s-{}-{port}", &name[..20]).chars().take(32).collect();
            let target =
                elb::create_target_group(tx, &cluster.scope, &target_name, &cluster.vpc, *node_port, tags.clone());
            listeners.push((*port, Some(target)));
        }
    } else {
        let open: Vec<i64> = service.ports.iter().map(|(port, _)| i64::from(*port)).collect();
        let wish = GroupWish {
            vpc: &cluster.vpc,
            name: format!("k8s-elb-{name}"),
            description: format!("Security group for Kubernetes ELB {name} ({})", service.name),
            tags: BTreeMap::from([owned(cluster)]),
            among_members: false,
            open_ports: &open,
        };
        let group = inside::create_group(tx, &cluster.scope, wish);
        if let Some(nodes) = &cluster.group {
            inside::allow_from_group(tx, &cluster.scope, nodes, &group, "kubernetes.io/rule/nlb/client");
        }
        groups.push(group);
        listeners.extend(service.ports.iter().map(|(port, _)| (*port, None)));
    }
    let wish = BalancerWish {
        name: &name,
        kind: if service.nlb { BalancerKind::Network } else { BalancerKind::Classic },
        internet_facing: !service.internal,
        subnets: &subnets,
        groups,
        listeners: &listeners,
        instances,
        tags,
    };
    match elb::create(tx, &cluster.scope, wish) {
        Ok(made) => Some(made.dns),
        Err(error) => {
            tracing::debug!(code = %error.code, service = service.name, "no load balancer");
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
pub(super) fn remove_balancer(tx: &mut Tx<'_>, cluster: &Cluster, uid: &str) -> bool {
    let name = balancer_name(uid);
    elb::delete(tx, &cluster.scope, &name);
    for balancer in named(tx, &cluster.scope, NETWORK, |own| own == name) {
        elb::delete(tx, &cluster.scope, &balancer);
    }
    strip(tx, &cluster.scope, &name)
}

/// A disk for a claim.
pub(super) struct Disk<'a> {
    /// The volume's name in the cluster.
    pub(super) name: &'a str,
    /// Zone name.
    pub(super) zone: &'a str,
    /// Size.
    pub(super) gib: u32,
    /// `gp3`.
    pub(super) kind: &'a str,
    /// Namespace and name of the claim.
    pub(super) claim: (&'a str, &'a str),
    /// Tags the storage class asks for.
    pub(super) tags: Vec<(String, String)>,
}

/// Makes a disk as the EBS driver does, with the tags its add-on was told to put on every disk; returns its id.
pub(super) fn make_disk(tx: &mut Tx<'_>, cluster: &Cluster, disk: &Disk<'_>) -> Option<String> {
    let own = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let configured = eks::addon_configuration(tx, &cluster.scope, &cluster.name, "aws-ebs-csi-driver");
    let extra = configured["controller"]["extraVolumeTags"].as_object().into_iter().flatten();
    let tags = [
        own("CSIVolumeName", disk.name),
        own("ebs.csi.aws.com/cluster", "true"),
        own("KubernetesCluster", &cluster.name),
        own("Name", &format!("{}-dynamic-{}", cluster.name, disk.name)),
        own("kubernetes.io/created-for/pv/name", disk.name),
        own("kubernetes.io/created-for/pvc/namespace", disk.claim.0),
        own("kubernetes.io/created-for/pvc/name", disk.claim.1),
        owned(cluster),
    ];
    let extra = extra.map(|(key, value)| own(key, value.as_str().unwrap_or_default()));
    let tags = tags.into_iter().chain(extra).chain(disk.tags.clone()).collect();
    inside::create_volume(tx, &cluster.scope, disk.zone, disk.gib, disk.kind, tags)
}

/// Deletes a disk of the driver.
pub(super) fn remove_disk(tx: &mut Tx<'_>, cluster: &Cluster, volume: &str) {
    inside::remove_volume(tx, &cluster.scope, volume);
}
