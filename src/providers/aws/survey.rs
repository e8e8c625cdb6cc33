//! A whole region at a glance: every EKS cluster, whoever made it, with its node groups, its machines and what tags tell.
//!
//! Reads only. One refused question does not hide the answers to the others; what is missing is said.

use super::client::AwsCx;
use super::clusters::{AT_ONCE, Seen, TAG_REGION, all_roles, cluster_names, describe, ec2_objects, pools, show};
use super::error::fail;
use super::tags::{self, Tags};
use super::versions::{self, Support, Version};
use crate::engine::{Clock, StepError};
use crate::model::{Cloud, PriceKey, Region, Unit, Usage};
use crate::providers::kit::stacks_among;
use crate::providers::patience::patient;
use crate::providers::{Bill, CloudCluster, StackSeen, Survey};
use futures::stream::{self, StreamExt};
use std::collections::BTreeMap;

/// On the machines of managed node groups.
const TAG_CLUSTER: &str = "eks:cluster-name";
/// On every machine that belongs to a cluster, with the cluster's name behind it.
const TAG_MEMBER: &str = "kubernetes.io/cluster/";

/// The regions that are on in this account.
///
/// # Errors
/// As the call's.
pub async fn regions(cx: &AwsCx, clock: &dyn Clock) -> Result<Vec<Region>, StepError> {
    let read = || async {
        let answer = cx.ec2.describe_regions().send().await;
        answer.map_err(|err| fail("ec2:DescribeRegions", "the account's regions", err))
    };
    let found = patient(clock, read).await?;
    let on = found.regions().iter().filter(|it| it.opt_in_status() != Some("not-opted-in"));
    let mut regions: Vec<Region> = on.filter_map(|it| it.region_name()).map(|name| Region(name.to_owned())).collect();
    regions.sort();
    Ok(regions)
}

/// Everything of Kubernetes in this region.
///
/// # Errors
/// When the clusters' names cannot be read.
pub async fn survey(cx: &AwsCx, clock: &dyn Clock) -> Result<Survey, StepError> {
    let (names, objects) = futures::join!(cluster_names(cx, clock), ec2_objects(cx, clock));
    let names = names?;
    let mut found = Survey::default();
    let mut told: Seen = keep(objects, &mut found.refused).unwrap_or_default();
    if !names.is_empty() {
        let (versions, machines) = futures::join!(patient(clock, || versions::all(cx)), machines(cx, clock));
        let versions = keep(versions, &mut found.refused);
        let machines = keep(machines, &mut found.refused);
        let read = |name: String| one(cx, clock, name);
        let all: Vec<(Option<CloudCluster>, Option<StepError>)> =
            stream::iter(names).map(read).buffered(AT_ONCE).collect().await;
        for (cluster, refused) in all {
            let Some(mut cluster) = cluster else { continue };
            let version =
                versions.as_ref().and_then(|all| all.iter().find(|it| Some(&it.name) == cluster.version.as_ref()));
            cluster.support_ends = version.and_then(Version::ends_on);
            cluster.bill = bill(cx, &cluster, version, machines.as_ref());
            cluster.bill.complete &= refused.is_none();
            told.push((cluster.tags.clone(), cluster.created_at));
            found.clusters.push(cluster);
            found.refused.extend(refused);
        }
    }
    found.stacks = stacks_among(told);
    Ok(found)
}

/// The answer; a refusal is put with the others.
fn keep<T>(answer: Result<T, StepError>, refused: &mut Vec<StepError>) -> Option<T> {
    answer.map_err(|err| refused.push(err)).ok()
}

/// One cluster with its node groups, as far as they may be read; none when it went meanwhile.
async fn one(cx: &AwsCx, clock: &dyn Clock, name: String) -> (Option<CloudCluster>, Option<StepError>) {
    let name = name.as_str();
    let (cluster, pools, fargate) = futures::join!(
        patient(clock, || describe(cx, name)),
        patient(clock, || pools(cx, name)),
        patient(clock, || runs_fargate(cx, name)),
    );
    let mut shown = match cluster {
        Ok(Some(found)) => {
            let mut shown = show(&found);
            // Auto Mode bills a share on top of every machine, and its machines are its own.
            shown.bill.complete = found.compute_config().is_none_or(|it| it.enabled() != Some(true));
            shown
        }
        Ok(None) => return (None, None),
        Err(err) => {
            let (name, status, issues) = (name.to_owned(), "UNKNOWN".to_owned(), vec![err.message.clone()]);
            return (Some(CloudCluster { name, status, issues, ..CloudCluster::default() }), Some(err));
        }
    };
    let refused = match pools {
        Ok(pools) => {
            shown.node_pools = pools;
            None
        }
        Err(err) => {
            shown.issues.push(err.message.clone());
            Some(err)
        }
    };
    // What pods on Fargate cost is not to be seen from here; whether there are any is worth no failure.
    shown.bill.complete &= fargate.is_ok_and(|runs| !runs);
    (Some(shown), refused)
}

async fn runs_fargate(cx: &AwsCx, cluster: &str) -> Result<bool, StepError> {
    let answer = cx.eks.list_fargate_profiles().cluster_name(cluster).send().await;
    let answer =
        answer.map_err(|err| fail("eks:ListFargateProfiles", &format!("Fargate profiles of {cluster}"), err))?;
    Ok(!answer.fargate_profile_names().is_empty())
}

/// Running machines by cluster: type and whether it is spot.
type Machines = BTreeMap<String, Vec<(String, bool)>>;

/// One search for the whole region; the tags that make a machine a node stand on it.
async fn machines(cx: &AwsCx, clock: &dyn Clock) -> Result<Machines, StepError> {
    let read = || async {
        let call = cx.ec2.describe_instances().filters(tags::filter("instance-state-name", "running"));
        let call = call.filters(tags::filter("tag-key", &format!("{TAG_MEMBER}*"))).into_paginator().items().send();
        let found = call.collect::<Result<Vec<_>, _>>().await;
        found.map_err(|err| fail("ec2:DescribeInstances", "machines of clusters", err))
    };
    let mut by_cluster = Machines::new();
    for machine in patient(clock, read).await?.iter().flat_map(|it| it.instances()) {
        let tags: Tags = tags::from_ec2(machine.tags());
        let member = || tags.keys().find_map(|key| key.strip_prefix(TAG_MEMBER)).map(str::to_owned);
        let Some(cluster) = tags.get(TAG_CLUSTER).cloned().or_else(member) else { continue };
        let kind = machine.instance_type().map_or_else(String::new, |it| it.as_str().to_owned());
        let spot = machine.instance_lifecycle().is_some_and(|it| it.as_str() == "spot");
        by_cluster.entry(cluster).or_default().push((kind, spot));
    }
    Ok(by_cluster)
}

fn bill(cx: &AwsCx, cluster: &CloudCluster, version: Option<&Version>, machines: Option<&Machines>) -> Bill {
    let mut bill = Bill { usage: Vec::new(), complete: cluster.bill.complete };
    let key = |name: &str| PriceKey::Component { cloud: Cloud::Aws, region: cx.region.clone(), name: name.to_owned() };
    match version.map(|it| it.support) {
        Some(Support::Standard) => bill.usage.push(Usage::fixed(key("eks-cluster"), Unit::Hour, 1.0)),
        // What is past its end is moved on by AWS, and billed as extended until then.
        Some(Support::Extended | Support::Ended) => {
            bill.usage.push(Usage::fixed(key("eks-cluster-extended-support"), Unit::Hour, 1.0));
        }
        None => bill.complete = false,
    }
    let ordered: u32 = cluster.node_pools.iter().map(|pool| pool.desired).sum();
    let running = machines.and_then(|all| all.get(&cluster.name)).map_or(&[][..], Vec::as_slice);
    let mut counted: BTreeMap<(&str, bool), u32> = BTreeMap::new();
    for (kind, spot) in running {
        *counted.entry((kind.as_str(), *spot)).or_default() += 1;
    }
    for ((kind, spot), count) in counted {
        let key =
            PriceKey::Instance { cloud: Cloud::Aws, region: cx.region.clone(), instance_type: kind.to_owned(), spot };
        bill.usage.push(Usage::fixed(key, Unit::Hour, f64::from(count)));
    }
    // Fewer than ordered may be starting, or hidden: either way this is not the whole.
    bill.complete &= machines.is_some() && u32::try_from(running.len()).is_ok_and(|count| count >= ordered);
    bill
}

/// Stacks of ours that roles tell of, by the region their tags name: IAM knows none.
///
/// # Errors
/// As the calls'.
pub async fn traces(cx: &AwsCx, clock: &dyn Clock) -> Result<Vec<(Region, StackSeen)>, StepError> {
    let mut by_region: BTreeMap<Region, Seen> = BTreeMap::new();
    for (tags, made) in all_roles(cx, clock).await? {
        if let Some(region) = tags.get(TAG_REGION) {
            by_region.entry(Region(region.clone())).or_default().push((tags.clone(), made));
        }
    }
    let stacks = |(region, seen): (Region, Seen)| stacks_among(seen).into_iter().map(move |it| (region.clone(), it));
    Ok(by_region.into_iter().flat_map(stacks).collect())
}
