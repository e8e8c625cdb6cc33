//! What the cluster itself made and left in the cloud: load balancers, target groups, security groups, network
//! interfaces, disks, machines.
//!
//! A false delete is worse than a leak. What stands inside our own network, inside our own cluster or carries our tag
//! is proven and goes; a cluster's name in a tag proves nothing, for anyone can have a cluster of that name: such
//! things are named with their owner and left alone.

use super::steps::{
    blockers, classic_load_balancer, cluster, instance, load_balancer, log_group, network_interface, node_group,
    security_group, snapshot, support, support::Select, target_group, volume, vpc, vpc_endpoint,
};
use super::sweep::{as_node_group, deletable, is_ours, log_group_name};
use super::tags::{Tags, filter};
use super::{client::AwsCx, error, in_cluster, patience::patient, plan, stages, steps};
use crate::cost::{HOURS_PER_MONTH, catalogue};
use crate::engine::proof::{TAG_STACK, TAG_STEP};
use crate::engine::{Caused, Clock, Identity, Leftover, Observed, StepError, StepId};
use crate::model::{Cloud, Stack};
use crate::providers::VolumeFate;
use aws_sdk_ec2::types::{Filter, NetworkInterface as Ec2Interface, NetworkInterfaceStatus};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// One look for leftovers.
#[derive(Debug, Clone, Copy)]
pub struct Look<'a> {
    /// Whose.
    pub stack: &'a Stack,
    /// What is proven ours: being inside one of these is a proof.
    pub known: &'a [Observed],
    /// What the user wants done with disks.
    pub volumes: VolumeFate,
}

/// Whose a thing is that may be the cluster's making.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Whose {
    /// Proven.
    Ours(Caused),
    /// In the way, or named like ours: reported.
    Theirs(String),
    /// Of no concern.
    Nobodys,
}

/// What can be seen at this stage. Reads only.
///
/// # Errors
/// What the first listing that failed says: a partial answer would pass for "nothing left".
pub async fn leftovers(cx: &AwsCx, clock: &dyn Clock, stage: &str, look: Look<'_>) -> Result<Vec<Leftover>, StepError> {
    match stage {
        stages::IN_CLUSTER => in_cluster::made(cx, look).await,
        stages::LEAKED_ENIS => {
            let (groups, machines, leaked) = tokio::try_join!(
                patient(clock, || extra_node_groups(cx, look)),
                patient(clock, || machines(cx, look)),
                patient(clock, || leaked(cx, look))
            )?;
            Ok([groups, machines, leaked].concat())
        }
        stages::CLUSTER_LEFTOVERS => {
            let (balancers, classic, targets, groups) = tokio::try_join!(
                patient(clock, || balancers(cx, look)),
                patient(clock, || classic_balancers(cx, look)),
                patient(clock, || target_groups(cx, look)),
                patient(clock, || groups(cx, look))
            )?;
            let (machines, disks, snapshots, leaked, endpoints, logs) = tokio::try_join!(
                patient(clock, || machines(cx, look)),
                patient(clock, || disks(cx, look)),
                patient(clock, || snapshots(cx, look)),
                patient(clock, || leaked(cx, look)),
                patient(clock, || endpoints(cx, look)),
                patient(clock, || logs(cx, look))
            )?;
            let all = [balancers, classic, targets, groups, machines, disks, snapshots, leaked, endpoints, logs];
            Ok(all.concat())
        }
        stages::NETWORK_BLOCKERS => {
            let (leaked, foreign, endpoints) = tokio::try_join!(
                patient(clock, || leaked(cx, look)),
                patient(clock, || foreign_interfaces(cx, look)),
                patient(clock, || endpoints(cx, look))
            )?;
            Ok([leaked, foreign, endpoints].concat())
        }
        stages::AUDIT => {
            let (balancers, classic, targets, groups) = tokio::try_join!(
                patient(clock, || balancers(cx, look)),
                patient(clock, || classic_balancers(cx, look)),
                patient(clock, || target_groups(cx, look)),
                patient(clock, || groups(cx, look))
            )?;
            let (machines, disks, snapshots, leaked) = tokio::try_join!(
                patient(clock, || machines(cx, look)),
                patient(clock, || disks(cx, look)),
                patient(clock, || snapshots(cx, look)),
                patient(clock, || leaked(cx, look))
            )?;
            let all = [balancers, classic, targets, groups, machines, disks, snapshots, leaked].concat();
            // Things of a cluster that only shares the name were told where they could have stood in the way.
            Ok(all.into_iter().filter(|it| it.keep || is_proven(look.stack, &it.seen)).collect())
        }
        // Nothing of this provider's is asked for at a stage it does not know.
        _ => Ok(Vec::new()),
    }
}

impl Look<'_> {
    /// Our own networks. None where the network was brought along, or is gone already.
    fn networks(&self) -> BTreeSet<&str> {
        self.ids(vpc::KIND)
    }

    /// Our own cluster, while it stands.
    pub(super) fn clusters(&self) -> BTreeSet<&str> {
        self.ids(cluster::KIND)
    }

    /// Our cluster's name with the security group that EKS made for it, also after the cluster is gone.
    fn cluster_groups(&self) -> impl Iterator<Item = (&str, &str)> {
        let clusters = self.known.iter().filter(|it| it.reference.kind == cluster::KIND);
        let with_group = |it: &'_ Observed| it.reference.parts.contains_key(cluster::PART_GROUP);
        clusters
            .filter(move |it| with_group(it))
            .map(|it| (it.reference.id.as_str(), it.reference.parts[cluster::PART_GROUP].as_str()))
    }

    fn ids(&self, kind: &str) -> BTreeSet<&str> {
        self.known.iter().filter(|it| it.reference.kind == kind).map(|it| it.reference.id.as_str()).collect()
    }

    /// Whether none of our clusters stands any more: until then its group is EKS's to remove.
    async fn clusters_are_gone(&self, cx: &AwsCx) -> Result<bool, StepError> {
        for name in self.clusters() {
            if cluster::get(cx, name).await?.is_some_and(|(seen, _)| is_ours(self.stack, &seen)) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn cluster(&self) -> String {
        plan::cluster_name(self.stack)
    }

    /// Whose something in a network is, by where it stands and what its tags say of its maker.
    fn whose(&self, network: Option<&str>, tags: &Tags) -> Whose {
        let cluster = self.cluster();
        let ours = self.networks();
        let named = names_cluster(&cluster, tags);
        match network.filter(|id| ours.contains(id)) {
            Some(id) if named => Whose::Ours(Caused::InsideOwned { container: id.to_owned() }),
            Some(id) => Whose::Theirs(format!("in our network {id}, but not made by the cluster")),
            // With a network of our own, the cluster had no business anywhere else: another one of that name.
            None if named && ours.is_empty() => Whose::Theirs(format!(
                "tagged for a cluster named `{cluster}`, in {}, which is not ours",
                network.unwrap_or("no network")
            )),
            None => Whose::Nobodys,
        }
    }
}

/// Whether tags name this cluster as the maker: the cloud controller's, the load balancer controller's, EKS's own,
/// Auto Mode's.
fn names_cluster(cluster: &str, tags: &Tags) -> bool {
    let is = |key: &str, value: &str| tags.get(key).is_some_and(|have| have == value);
    is(&format!("kubernetes.io/cluster/{cluster}"), "owned")
        || is("elbv2.k8s.aws/cluster", cluster)
        || is("aws:eks:cluster-name", cluster)
        || is("eks:eks-cluster-name", cluster)
}

fn is_proven(stack: &Stack, seen: &Observed) -> bool {
    seen.evidence.caused.is_some() || is_ours(stack, seen)
}

// ---- inside the cluster

/// Node groups of our cluster that no step of ours made: EKS keeps the cluster as long as one is.
async fn extra_node_groups(cx: &AwsCx, look: Look<'_>) -> Result<Vec<Leftover>, StepError> {
    let mut found = Vec::new();
    for name in look.clusters() {
        let call = cx.eks.list_nodegroups().cluster_name(name).into_paginator().items().send();
        for group in support::list("eks:ListNodegroups", "node groups", call.collect().await)? {
            let Some((mut seen, details)) = node_group::get(cx, name, &group).await? else { continue };
            // Those of ours are steps of the teardown already.
            if is_ours(look.stack, &seen) {
                continue;
            }
            seen.evidence.caused = Some(Caused::InsideOwned { container: name.to_owned() });
            found.push(leftover(seen, "eks", &as_node_group(name, &group, &details)));
        }
    }
    Ok(found)
}

// ---- machines, disks, interfaces

/// Machines under our tags, put there by the launch template, whose node group is gone.
async fn machines(cx: &AwsCx, look: Look<'_>) -> Result<Vec<Leftover>, StepError> {
    let found = instance::list(cx, Select::stack(look.stack)).await?;
    let ours = found.into_iter().filter(|(seen, _)| is_ours(look.stack, seen));
    Ok(ours.map(|(seen, _)| machine(seen)).collect())
}

/// Anyone who starts a machine "like this one" copies its tags; only AWS itself writes down the launch template.
fn machine(seen: Observed) -> Leftover {
    let launched = ["aws:ec2launchtemplate:id", "aws:autoscaling:groupName"];
    if launched.iter().any(|key| seen.evidence.tags.contains_key(*key)) {
        return leftover(seen, "ec2", &steps::Instance {});
    }
    let owner = "it carries our tags, but no launch template started it: somebody's copy".to_owned();
    Leftover { keep: true, owner: Some(owner), ..leftover(seen, "ec2", &steps::Instance {}) }
}

/// Disks under our tag. Those of machines carry the step's as well and go; those that the storage driver made hold
/// data, so they go only when the user said so. By reclaim policy the driver removed what was to be removed while the
/// cluster lived: what is left has the policy `Retain`, or nobody can say any more.
async fn disks(cx: &AwsCx, look: Look<'_>) -> Result<Vec<Leftover>, StepError> {
    let mut found = Vec::new();
    for (seen, disk) in volume::list(cx, Select::by(&format!("tag:{TAG_STACK}"), &look.stack.to_string())).await? {
        // One in use goes, or stays, with what uses it.
        if seen.attached {
            continue;
        }
        let gib = f64::from(disk.size().unwrap_or_default());
        let kind = disk.volume_type().map(|kind| kind.as_str().to_owned()).unwrap_or_default();
        found.push(Leftover {
            usd_per_hour: price(cx, &format!("ebs-{kind}"), gib),
            ..stored(look, seen, &format!("{gib} GiB {kind}"), CSI_VOLUME, &steps::Volume {})
        });
    }
    // Without our tag it proves nothing that a disk was made for a cluster of this name.
    let named = filter(&format!("tag:kubernetes.io/cluster/{}", look.cluster()), "owned");
    let select = Select { ids: None, filters: Some(vec![named]) };
    let unproven = if look.known.is_empty() { Vec::new() } else { volume::list(cx, select).await? };
    for (seen, _) in unproven {
        let claim = seen.evidence.tags.contains_key("kubernetes.io/created-for/pvc/name");
        if claim && !seen.evidence.tags.contains_key(TAG_STACK) {
            let owner = format!("a disk for a cluster named `{}`, without our tag", look.cluster());
            found.push(Leftover { keep: true, owner: Some(owner), ..leftover(seen, "ec2", &steps::Volume {}) });
        }
    }
    Ok(found)
}

/// Snapshots under our tag.
async fn snapshots(cx: &AwsCx, look: Look<'_>) -> Result<Vec<Leftover>, StepError> {
    let select = Select::by(&format!("tag:{TAG_STACK}"), &look.stack.to_string());
    let found = snapshot::list(cx, select).await?.into_iter();
    Ok(found
        .map(|(seen, details)| {
            let gib = details.volume_size().unwrap_or_default();
            stored(look, seen, &format!("snapshot of {gib} GiB"), CSI_SNAPSHOT, &steps::Snapshot {})
        })
        .collect())
}

/// What the storage driver writes on its disks, and what on its snapshots.
const CSI_VOLUME: &str = "CSIVolumeName";
const CSI_SNAPSHOT: &str = "CSIVolumeSnapshotName";

/// Whether AWS Backup or a lifecycle policy made this: both copy the tags of what they save or restore.
fn is_backup(tags: &Tags) -> bool {
    tags.keys().any(|key| ["aws:backup:", "aws:dlm:", "dlm:"].iter().any(|start| key.starts_with(start)))
}

/// Something that holds data, under our tag. `driver` is the tag by which the storage driver marks what it made.
fn stored<P: Serialize>(look: Look<'_>, mut seen: Observed, what: &str, driver: &str, params: &P) -> Leftover {
    let tags = &seen.evidence.tags;
    // A snapshot is never ours by our tags: none of our steps makes one, and whoever saves a disk copies its tags.
    let of_machine = tags.contains_key(TAG_STEP) && driver == CSI_VOLUME;
    if is_backup(tags) || !(of_machine || tags.contains_key(driver)) {
        let owner = format!("{what}: it carries our tag, but is a copy that somebody else made");
        return Leftover { keep: true, owner: Some(owner), ..leftover(seen, "ec2", params) };
    }
    if of_machine {
        return leftover(seen, "ec2", params);
    }
    seen.evidence.caused = Some(Caused::StorageTag { tag: format!("{TAG_STACK}={}", look.stack) });
    let keep = look.volumes != VolumeFate::Delete;
    let owner = keep.then(|| match look.volumes {
        VolumeFate::Keep => format!("{what}, kept as asked"),
        _ => format!("{what}, kept: its reclaim policy may be Retain; --volumes delete removes it"),
    });
    Leftover { keep, owner, ..leftover(seen, "ec2", params) }
}

/// Whether the network add-on, or the controller that gives pods interfaces of their own, forgot this one: it is free,
/// one of theirs, and not another cluster's.
fn is_leaked(cluster: &str, eni: &Ec2Interface) -> bool {
    let free = eni.status() == Some(&NetworkInterfaceStatus::Available);
    let of_add_on = eni.description().is_some_and(blockers::is_of_nodes);
    let marks = ["node.k8s.amazonaws.com/instance_id", "cluster.k8s.amazonaws.com/name", "eks:eni:owner"];
    let marked = eni.tag_set().iter().filter_map(|tag| tag.key()).any(|key| marks.contains(&key));
    let named = eni.tag_set().iter().find(|tag| tag.key() == Some("cluster.k8s.amazonaws.com/name"));
    let of_another = named.is_some_and(|tag| tag.value() != Some(cluster));
    free && eni.requester_managed() != Some(true) && (of_add_on || marked) && !of_another
}

/// Interfaces that the network add-on forgot: in our network; in our cluster's own security group; under our tags.
async fn leaked(cx: &AwsCx, look: Look<'_>) -> Result<Vec<Leftover>, StepError> {
    let mut places: Vec<(Filter, String)> =
        look.networks().into_iter().map(|id| (filter("vpc-id", id), id.to_owned())).collect();
    places.extend(look.cluster_groups().map(|(name, group)| (filter("group-id", group), name.to_owned())));
    let mut found: Vec<Leftover> = Vec::new();
    for (place, container) in places {
        let select = Select { ids: None, filters: Some(vec![place, filter("status", "available")]) };
        for (mut seen, eni) in network_interface::list(cx, select).await? {
            let known = found.iter().any(|it| it.seen.reference.id == seen.reference.id);
            if is_leaked(&look.cluster(), &eni) && !known {
                seen.evidence.caused = Some(Caused::InsideOwned { container: container.clone() });
                found.push(leftover(seen, "ec2", &steps::NetworkInterface {}));
            }
        }
    }
    for (seen, eni) in network_interface::list(cx, Select::stack(look.stack)).await? {
        let known = found.iter().any(|it| it.seen.reference.id == seen.reference.id);
        let free = eni.status() == Some(&NetworkInterfaceStatus::Available);
        if free && !known && is_ours(look.stack, &seen) {
            found.push(leftover(seen, "ec2", &steps::NetworkInterface {}));
        }
    }
    Ok(found)
}

/// Interfaces in our networks that are not the cluster's: their owners have to remove them.
async fn foreign_interfaces(cx: &AwsCx, look: Look<'_>) -> Result<Vec<Leftover>, StepError> {
    let mut found = Vec::new();
    for network in look.networks() {
        for (seen, eni) in network_interface::list(cx, Select::by("vpc-id", network)).await? {
            if is_leaked(&look.cluster(), &eni) || is_ours(look.stack, &seen) {
                continue;
            }
            if let Some(owner) = blockers::foreign_interface(look.stack, &eni) {
                found.push(reported(seen, owner, &steps::NetworkInterface {}));
            }
        }
    }
    Ok(found)
}

// ---- load balancers and their groups

/// What the load balancers' services list comes without tags: those are asked for by id.
fn ids<T>(all: &[(Observed, T)]) -> Vec<String> {
    all.iter().map(|(seen, _)| seen.reference.id.clone()).collect()
}

fn with_tags<T>(all: Vec<(Observed, T)>, mut tags: BTreeMap<String, Tags>) -> impl Iterator<Item = (Observed, T)> {
    all.into_iter().map(move |(mut seen, details)| {
        seen.evidence.tags = tags.remove(&seen.reference.id).unwrap_or_default();
        (seen, details)
    })
}

async fn balancers(cx: &AwsCx, look: Look<'_>) -> Result<Vec<Leftover>, StepError> {
    let all = load_balancer::list(cx, None).await?;
    let tags = load_balancer::tags_of(cx, &ids(&all)).await?;
    let mut found = Vec::new();
    for (seen, details) in with_tags(all, tags) {
        let component = if details.r#type().is_some_and(|kind| kind.as_str() == "application") { "alb" } else { "nlb" };
        let made = judged(look, seen, details.vpc_id(), "elasticloadbalancing", &steps::LoadBalancer {});
        found.extend(made.map(|it| Leftover { usd_per_hour: price(cx, component, 1.0), ..it }));
    }
    Ok(found)
}

async fn classic_balancers(cx: &AwsCx, look: Look<'_>) -> Result<Vec<Leftover>, StepError> {
    let all = classic_load_balancer::list(cx, None).await?;
    let tags = classic_load_balancer::tags_of(cx, &ids(&all)).await?;
    let mut found = Vec::new();
    for (seen, details) in with_tags(all, tags) {
        let made = judged(look, seen, details.vpc_id(), "elasticloadbalancing", &steps::ClassicLoadBalancer {});
        found.extend(made.map(|it| Leftover { usd_per_hour: price(cx, "classic-elb", 1.0), ..it }));
    }
    Ok(found)
}

async fn target_groups(cx: &AwsCx, look: Look<'_>) -> Result<Vec<Leftover>, StepError> {
    let all = target_group::list(cx, None).await?;
    let tags = load_balancer::tags_of(cx, &ids(&all)).await?;
    let mut found = Vec::new();
    for (seen, details) in with_tags(all, tags) {
        let made = judged(look, seen, details.vpc_id(), "elasticloadbalancing", &steps::TargetGroup {});
        // A target group of somebody else's costs nothing and stands in nobody's way.
        found.extend(made.filter(|it| it.seen.evidence.caused.is_some()));
    }
    Ok(found)
}

/// Security groups that EKS, its controllers or GuardDuty made in our network, and our cluster's own wherever it is.
async fn groups(cx: &AwsCx, look: Look<'_>) -> Result<Vec<Leftover>, StepError> {
    let mut found: Vec<Leftover> = Vec::new();
    if look.clusters_are_gone(cx).await? {
        let groups: Vec<(&str, &str)> = look.cluster_groups().collect();
        for (name, id) in groups {
            for (mut seen, group) in security_group::list(cx, Select::id(id)).await? {
                if !names_cluster(name, &seen.evidence.tags) {
                    continue;
                }
                seen.evidence.caused = Some(Caused::InsideOwned { container: name.to_owned() });
                found.push(security_group_leftover(seen, &group));
            }
        }
    }
    for network in look.networks() {
        for (mut seen, group) in security_group::list(cx, Select::by("vpc-id", network)).await? {
            let guard = is_guard_duty(&seen.evidence.tags);
            let default = group.group_name() == Some("default");
            let known = found.iter().any(|it| it.seen.reference.id == seen.reference.id);
            let made = guard || names_cluster(&look.cluster(), &seen.evidence.tags);
            if default || known || !made || is_ours(look.stack, &seen) {
                continue;
            }
            seen.evidence.caused = Some(Caused::InsideOwned { container: network.to_owned() });
            found.push(security_group_leftover(seen, &group));
        }
    }
    Ok(found)
}

fn security_group_leftover(seen: Observed, group: &aws_sdk_ec2::types::SecurityGroup) -> Leftover {
    let params = steps::SecurityGroup {
        vpc: crate::engine::Input::Given(group.vpc_id().unwrap_or_default().into()),
        name: group.group_name().unwrap_or_default().to_owned(),
        description: group.description().unwrap_or_default().to_owned(),
    };
    leftover(seen, "ec2", &params)
}

/// GuardDuty puts an endpoint and a group into networks with EKS nodes without being asked, and leaves them there
/// (Amazon GuardDuty User Guide, "Runtime Monitoring").
fn is_guard_duty(tags: &Tags) -> bool {
    tags.get("GuardDutyManaged").is_some_and(|value| value == "true")
}

/// Endpoints in our network that no step of ours made: GuardDuty's go, others' are named.
async fn endpoints(cx: &AwsCx, look: Look<'_>) -> Result<Vec<Leftover>, StepError> {
    let mut found = Vec::new();
    for network in look.networks() {
        for (mut seen, endpoint) in vpc_endpoint::list(cx, Select::by("vpc-id", network)).await? {
            if is_ours(look.stack, &seen) {
                continue;
            }
            let service_name = endpoint.service_name().unwrap_or_default().to_owned();
            let params = steps::VpcEndpoint {
                vpc: crate::engine::Input::Given(network.into()),
                service_name: service_name.clone(),
                route_tables: Vec::new(),
            };
            if is_guard_duty(&seen.evidence.tags) && service_name.ends_with(".guardduty-data") {
                seen.evidence.caused = Some(Caused::InsideOwned { container: network.to_owned() });
                found.push(leftover(seen, "ec2", &params));
            } else {
                let owner = format!("an endpoint for {service_name} that somebody put into our network {network}");
                found.push(reported(seen, owner, &params));
            }
        }
    }
    Ok(found)
}

/// A log group with the cluster's name that does not carry our tags: EKS made it, now or for another cluster.
async fn logs(cx: &AwsCx, look: Look<'_>) -> Result<Vec<Leftover>, StepError> {
    let name = log_group_name(look.stack);
    // Nothing of it is deleted, so that not being allowed to read it stops nothing.
    let found = match log_group::get(cx, &name).await {
        Err(denied) if denied.id == error::DENIED => {
            tracing::debug!(%denied, "whether EKS left a log group cannot be known");
            return Ok(Vec::new());
        }
        found => found?,
    };
    let Some((seen, _)) = found.filter(|(seen, _)| !is_ours(look.stack, seen)) else { return Ok(Vec::new()) };
    let owner = "made by EKS; it may hold the logs of other clusters of this name".to_owned();
    let params = steps::LogGroup { name, retention_days: 0 };
    Ok(vec![Leftover { keep: true, owner: Some(owner), ..leftover(seen, "logs", &params) }])
}

// ---- shapes

/// What [`Look::whose`] says, as a leftover; none for what is of no concern.
fn judged<P: Serialize>(
    look: Look<'_>,
    mut seen: Observed,
    network: Option<&str>,
    service: &str,
    params: &P,
) -> Option<Leftover> {
    match look.whose(network, &seen.evidence.tags) {
        Whose::Ours(caused) => {
            seen.evidence.caused = Some(caused);
            Some(leftover(seen, service, params))
        }
        Whose::Theirs(owner) => Some(reported(seen, owner, params)),
        Whose::Nobodys => None,
    }
}

fn leftover<P: Serialize>(seen: Observed, service: &str, params: &P) -> Leftover {
    let step = deletable(step_id(&seen), &seen.reference.kind, params, Identity::Tags, false, service);
    Leftover { step, seen, keep: false, owner: None, usd_per_hour: None }
}

/// Named, never touched.
fn reported<P: Serialize>(seen: Observed, owner: String, params: &P) -> Leftover {
    Leftover { owner: Some(owner), ..leftover(seen, "ec2", params) }
}

/// `caused/network-interface/eni-0123`: the kind and the id, in the letters of step ids.
fn step_id(seen: &Observed) -> StepId {
    let kind = seen.reference.kind.trim_start_matches("aws/");
    // An ARN tells region and account first; what tells one from another comes last.
    let id = seen.reference.id.rsplit(':').next().unwrap_or_default();
    let plain =
        |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c.to_ascii_lowercase() } else { '-' };
    StepId::new(format!("caused/{kind}/{}", id.trim_start_matches('/').chars().map(plain).collect::<String>()))
}

/// USD an hour for so much of a component; none where the table does not know it.
fn price(cx: &AwsCx, component: &str, quantity: f64) -> Option<f64> {
    let price = catalogue().component(Cloud::Aws, &cx.region, component)?;
    match price.unit {
        "hour" => Some(price.usd * quantity),
        "GB-month" => Some(price.usd * quantity / HOURS_PER_MONTH),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_ec2::types::Tag;

    fn stack() -> Stack {
        "demo-0a1b2c3d".parse().unwrap()
    }

    fn tags(pairs: &[(&str, &str)]) -> Tags {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn in_network(known: &[Observed], network: Option<&str>, pairs: &[(&str, &str)]) -> Whose {
        let stack = stack();
        Look { stack: &stack, known, volumes: VolumeFate::ByPolicy }.whose(network, &tags(pairs))
    }

    #[test]
    fn a_cluster_name_proves_something_only_inside_our_network() {
        let ours = [support::seen(vpc::KIND, "vpc-ours", Tags::new())];
        for made_by in [
            ("kubernetes.io/cluster/demo", "owned"),
            ("elbv2.k8s.aws/cluster", "demo"),
            ("aws:eks:cluster-name", "demo"),
            ("eks:eks-cluster-name", "demo"),
        ] {
            let proven = Whose::Ours(Caused::InsideOwned { container: "vpc-ours".to_owned() });
            assert_eq!(in_network(&ours, Some("vpc-ours"), &[made_by]), proven);
            assert_eq!(in_network(&ours, Some("vpc-other"), &[made_by]), Whose::Nobodys);
            assert!(matches!(in_network(&[], Some("vpc-other"), &[made_by]), Whose::Theirs(_)));
        }
    }

    #[test]
    fn near_misses_in_our_network_are_named_and_left() {
        let ours = [support::seen(vpc::KIND, "vpc-ours", Tags::new())];
        for near in [
            ("kubernetes.io/cluster/demo", "shared"),
            ("kubernetes.io/cluster/demo2", "owned"),
            ("elbv2.k8s.aws/cluster", "demo-2"),
            ("Name", "demo"),
        ] {
            assert!(matches!(in_network(&ours, Some("vpc-ours"), &[near]), Whose::Theirs(_)), "{near:?}");
        }
        assert_eq!(in_network(&[], None, &[("Name", "demo")]), Whose::Nobodys);
    }

    #[test]
    fn only_free_interfaces_of_the_add_on_count_as_leaked() {
        let eni = || Ec2Interface::builder().network_interface_id("eni-1");
        let free = || eni().status(NetworkInterfaceStatus::Available);
        let mark = Tag::builder().key("node.k8s.amazonaws.com/instance_id").value("i-1").build();
        let is_leaked = |eni: &Ec2Interface| is_leaked("demo", eni);
        assert!(is_leaked(&free().description("aws-K8S-i-1").build()));
        assert!(is_leaked(&free().description("aws-k8s-branch-eni").build()));
        assert!(is_leaked(&free().tag_set(mark.clone()).build()));
        assert!(!is_leaked(&eni().status(NetworkInterfaceStatus::InUse).tag_set(mark.clone()).build()));
        assert!(!is_leaked(&free().tag_set(mark.clone()).requester_managed(true).build()));
        assert!(!is_leaked(&free().description("my own").build()));
        let of = |name: &str| Tag::builder().key("cluster.k8s.amazonaws.com/name").value(name).build();
        assert!(is_leaked(&free().tag_set(mark.clone()).tag_set(of("demo")).build()));
        assert!(!is_leaked(&free().tag_set(mark).tag_set(of("other")).build()));
    }

    #[test]
    fn a_machine_that_only_has_our_tags_is_somebodys_copy() {
        let ours = [(TAG_STACK, "demo-0a1b2c3d"), (TAG_STEP, "nodes__pool__default__template")];
        let seen = |more: &[(&str, &str)]| {
            machine(support::seen(instance::KIND, "i-1", tags(&[ours.as_slice(), more].concat())))
        };
        assert!(!seen(&[("aws:ec2launchtemplate:id", "lt-1")]).keep);
        assert!(seen(&[]).keep);
        assert!(seen(&[("eks:nodegroup-name", "default")]).keep);
    }

    #[test]
    fn backups_that_carry_our_tags_by_copy_are_kept_whatever_was_asked() {
        let stack = stack();
        let look = Look { stack: &stack, known: &[], volumes: VolumeFate::Delete };
        let of_root = [(TAG_STACK, "demo-0a1b2c3d"), (TAG_STEP, "nodes__pool__default__template")];
        let of_claim = [(TAG_STACK, "demo-0a1b2c3d"), (CSI_VOLUME, "pvc-1")];
        let snapshot = |pairs: &[(&str, &str)]| {
            stored(
                look,
                support::seen(snapshot::KIND, "snap-1", tags(pairs)),
                "snapshot",
                CSI_SNAPSHOT,
                &steps::Snapshot {},
            )
        };
        for copied in [of_root.as_slice(), of_claim.as_slice(), &[(TAG_STACK, "demo-0a1b2c3d")]] {
            let found = snapshot(copied);
            assert!(found.keep && found.seen.evidence.caused.is_none(), "{copied:?}");
        }
        assert!(!snapshot(&[(TAG_STACK, "demo-0a1b2c3d"), (CSI_SNAPSHOT, "snap")]).keep);
        let disk = |pairs: &[(&str, &str)]| {
            stored(look, support::seen(volume::KIND, "vol-1", tags(pairs)), "10 GiB", CSI_VOLUME, &steps::Volume {})
        };
        assert!(!disk(&of_root).keep && !disk(&of_claim).keep);
        for restored in [of_root, of_claim] {
            assert!(disk(&[restored.as_slice(), &[("aws:backup:source-resource", "vol-0")]].concat()).keep);
        }
        assert!(disk(&[(TAG_STACK, "demo-0a1b2c3d")]).keep, "not the storage driver's");
    }

    #[test]
    fn disks_with_data_go_only_when_told() {
        let stack = stack();
        let disk = |fate: VolumeFate, pairs: &[(&str, &str)]| {
            let look = Look { stack: &stack, known: &[], volumes: fate };
            stored(look, support::seen(volume::KIND, "vol-1", tags(pairs)), "10 GiB gp3", CSI_VOLUME, &steps::Volume {})
        };
        let claim = [(TAG_STACK, "demo-0a1b2c3d"), (CSI_VOLUME, "pvc-1")];
        assert!(disk(VolumeFate::ByPolicy, &claim).keep);
        assert!(disk(VolumeFate::Keep, &claim).keep);
        let told = disk(VolumeFate::Delete, &claim);
        assert!(!told.keep && told.seen.evidence.caused.is_some());
        // The root disk of a machine holds nothing to keep.
        let root =
            disk(VolumeFate::Keep, &[(TAG_STACK, "demo-0a1b2c3d"), (TAG_STEP, "nodes__pool__default__template")]);
        assert!(!root.keep && is_proven(&stack, &root.seen));
    }

    #[test]
    fn step_ids_of_leftovers_are_well_formed_and_apart() {
        let arn = "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/net/k8s-Default-web/0A1b";
        let seen = support::seen(load_balancer::KIND, arn, Tags::new());
        assert_eq!(step_id(&seen).as_str(), "caused/load-balancer/loadbalancer-net-k8s-default-web-0a1b");
    }
}
