//! EKS clusters as AWS reports them, and the stacks of ours that tags tell of.
//!
//! Reads only, by per-service listings: the tagging API lags and leaves types out.

use super::client::AwsCx;
use super::error::{clean, fail, is_absent};
use super::steps::support::time;
use super::tags::{self, Tags};
use super::versions;
use crate::engine::proof::{TAG_STACK, TAG_STEP};
use crate::engine::{Clock, StepError};
use crate::model::ClusterName;
use crate::providers::kit::stacks_among;
use crate::providers::patience::patient;
use crate::providers::{Bill, CloudCluster, CloudPool, StackSeen};
use aws_sdk_ec2::types::Filter;
use aws_sdk_eks::types::{CapacityTypes, Cluster, Nodegroup};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures::stream::{self, StreamExt, TryStreamExt};
use jiff::Timestamp;

/// Describes under way at once: EKS allows few a second.
pub(super) const AT_ONCE: usize = 4;
/// On roles, which know no region of their own.
pub const TAG_REGION: &str = "kubewright-region";

/// One cluster with its node groups; none when EKS has none of that name.
///
/// # Errors
/// As the calls'.
pub async fn cluster(cx: &AwsCx, name: &str) -> Result<Option<CloudCluster>, StepError> {
    let Some(found) = describe(cx, name).await? else { return Ok(None) };
    let (pools, support_ends) = futures::join!(pools(cx, name), support_ends(cx, found.version()));
    let mut shown = show(&found);
    shown.node_pools = pools?;
    shown.support_ends = support_ends;
    Ok(Some(shown))
}

/// The cluster alone.
///
/// # Errors
/// As the call's.
pub async fn describe(cx: &AwsCx, name: &str) -> Result<Option<Cluster>, StepError> {
    match cx.eks.describe_cluster().name(name).send().await {
        Ok(answer) => Ok(answer.cluster),
        Err(err) if is_absent(&err) => Ok(None),
        Err(err) => Err(fail("eks:DescribeCluster", &format!("cluster {name}"), err)),
    }
}

pub(super) fn show(cluster: &Cluster) -> CloudCluster {
    let tags = tags::from_map(cluster.tags());
    let ca = cluster.certificate_authority().and_then(|ca| ca.data());
    let issues = cluster.health().map(|health| health.issues()).unwrap_or_default();
    CloudCluster {
        name: cluster.name().unwrap_or_default().to_owned(),
        stack: tags::stack_of(&tags),
        status: cluster.status().map_or("UNKNOWN", |status| status.as_str()).to_owned(),
        version: cluster.version().map(str::to_owned),
        support_ends: None,
        endpoint: cluster.endpoint().map(|url| url.trim_end_matches('/').to_owned()),
        ca_pem: ca.and_then(|data| String::from_utf8(STANDARD.decode(data).ok()?).ok()),
        created_at: time(cluster.created_at()),
        tags,
        issues: issues.iter().map(|it| issue(it.code().map(|code| code.as_str()), it.message())).collect(),
        node_pools: Vec::new(),
        bill: Bill::default(),
    }
}

fn issue(code: Option<&str>, message: Option<&str>) -> String {
    let message = clean(message.unwrap_or_default());
    match code {
        Some(code) if message.is_empty() => code.to_owned(),
        Some(code) => format!("{code}: {message}"),
        None => message,
    }
}

pub(super) async fn pools(cx: &AwsCx, cluster: &str) -> Result<Vec<CloudPool>, StepError> {
    let call = cx.eks.list_nodegroups().cluster_name(cluster).into_paginator().items().send();
    let names = match call.collect::<Result<Vec<String>, _>>().await {
        Ok(names) => names,
        Err(err) if is_absent(&err) => return Ok(Vec::new()),
        Err(err) => return Err(fail("eks:ListNodegroups", &format!("node groups of {cluster}"), err)),
    };
    let read = |name: String| async move {
        match cx.eks.describe_nodegroup().cluster_name(cluster).nodegroup_name(&name).send().await {
            Ok(answer) => Ok(answer.nodegroup.as_ref().map(show_pool)),
            Err(err) if is_absent(&err) => Ok(None),
            Err(err) => Err(fail("eks:DescribeNodegroup", &format!("node group {name}"), err)),
        }
    };
    let found: Vec<Option<CloudPool>> = stream::iter(names).map(read).buffered(AT_ONCE).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

fn show_pool(group: &Nodegroup) -> CloudPool {
    let tags = tags::from_map(group.tags());
    // `nodes__pool__default` of ours is pool `default`.
    let ours = tags.get(TAG_STEP).and_then(|step| step.strip_prefix("nodes__pool__"));
    let count = |n: Option<i32>| n.and_then(|n| u32::try_from(n).ok()).unwrap_or_default();
    let scaling = group.scaling_config();
    let issues = group.health().map(|health| health.issues()).unwrap_or_default();
    CloudPool {
        name: ours.or(group.nodegroup_name()).unwrap_or_default().to_owned(),
        status: group.status().map_or("UNKNOWN", |status| status.as_str()).to_owned(),
        instance_types: group.instance_types().to_vec(),
        spot: group.capacity_type() == Some(&CapacityTypes::Spot),
        desired: count(scaling.and_then(|it| it.desired_size())),
        min: count(scaling.and_then(|it| it.min_size())),
        max: count(scaling.and_then(|it| it.max_size())),
        issues: issues.iter().map(|it| issue(it.code().map(|code| code.as_str()), it.message())).collect(),
    }
}

/// A date is worth one call, not a failure.
async fn support_ends(cx: &AwsCx, version: Option<&str>) -> Option<String> {
    let all = versions::all(cx).await.ok()?;
    all.iter().find(|it| Some(it.name.as_str()) == version)?.ends_on()
}

/// Every stack of ours in this account and region, half-built ones included; `name` narrows.
///
/// # Errors
/// As the calls': a listing that fails must not pass for an empty one.
pub async fn stacks(cx: &AwsCx, clock: &dyn Clock, name: Option<&ClusterName>) -> Result<Vec<StackSeen>, StepError> {
    let (ec2, roles, clusters) = futures::join!(ec2_objects(cx, clock), roles(cx, clock), clusters(cx, clock, name));
    let mut seen = stacks_among(ec2?.into_iter().chain(roles?).chain(clusters?));
    seen.retain(|seen| name.is_none_or(|name| seen.stack.name == *name));
    Ok(seen)
}

pub(super) type Seen = Vec<(Tags, Option<Timestamp>)>;

/// What a plan makes in EC2, kind by kind: any of them may be the only one that stands.
pub(super) async fn ec2_objects(cx: &AwsCx, clock: &dyn Clock) -> Result<Seen, StepError> {
    let by = tags::filter("tag-key", TAG_STACK);
    macro_rules! listing {
        ($op:literal, $what:literal, $call:ident, $tags:ident) => {
            patient(clock, || async {
                let by: Filter = by.clone();
                let call = cx.ec2.$call().filters(by).into_paginator().items().send();
                let found = call.collect::<Result<Vec<_>, _>>().await.map_err(|err| fail($op, $what, err))?;
                Ok::<Seen, StepError>(found.iter().map(|it| (tags::from_ec2(it.$tags()), None)).collect())
            })
        };
    }
    let addresses = || async {
        let answer = cx.ec2.describe_addresses().filters(by.clone()).send().await;
        let answer = answer.map_err(|err| fail("ec2:DescribeAddresses", "addresses", err))?;
        Ok::<Seen, StepError>(answer.addresses().iter().map(|it| (tags::from_ec2(it.tags()), None)).collect())
    };
    let found = futures::try_join!(
        listing!("ec2:DescribeVpcs", "VPCs", describe_vpcs, tags),
        listing!("ec2:DescribeSubnets", "subnets", describe_subnets, tags),
        listing!("ec2:DescribeInternetGateways", "internet gateways", describe_internet_gateways, tags),
        listing!("ec2:DescribeRouteTables", "route tables", describe_route_tables, tags),
        listing!("ec2:DescribeSecurityGroups", "security groups", describe_security_groups, tags),
        listing!("ec2:DescribeVpcEndpoints", "VPC endpoints", describe_vpc_endpoints, tags),
        listing!("ec2:DescribeLaunchTemplates", "launch templates", describe_launch_templates, tags),
        patient(clock, addresses),
        patient(clock, || nat_gateways(cx, &by)),
    )?;
    let (a, b, c, d, e, f, g, h, i) = found;
    Ok([a, b, c, d, e, f, g, h, i].into_iter().flatten().collect())
}

/// Their filter parameter is named otherwise, and deleted ones stay listed for an hour.
async fn nat_gateways(cx: &AwsCx, by: &Filter) -> Result<Seen, StepError> {
    let call = cx.ec2.describe_nat_gateways().filter(by.clone()).into_paginator().items().send();
    let found = call
        .collect::<Result<Vec<_>, _>>()
        .await
        .map_err(|err| fail("ec2:DescribeNatGateways", "NAT gateways", err))?;
    let lives = found.iter().filter(|it| it.state().is_none_or(|state| state.as_str() != "deleted"));
    Ok(lives.map(|it| (tags::from_ec2(it.tags()), time(it.create_time()))).collect())
}

/// IAM is global: roles of stacks in other regions are left out by their tag.
async fn roles(cx: &AwsCx, clock: &dyn Clock) -> Result<Seen, StepError> {
    let here = |tags: &Tags| tags.get(TAG_REGION).is_none_or(|region| region == cx.region.as_str());
    Ok(all_roles(cx, clock).await?.into_iter().filter(|(tags, _)| here(tags)).collect())
}

/// The tags of every role below our path, of whatever region.
pub(super) async fn all_roles(cx: &AwsCx, clock: &dyn Clock) -> Result<Seen, StepError> {
    let list = || async {
        let call = cx.iam.list_roles().path_prefix(super::names::ROLE_PATH).into_paginator().items().send();
        call.collect::<Result<Vec<_>, _>>().await.map_err(|err| fail("iam:ListRoles", "roles", err))
    };
    let found = patient(clock, list).await?;
    let read = |name: String| async move {
        let name = name.as_str();
        let once = || async move {
            match cx.iam.list_role_tags().role_name(name).send().await {
                Ok(answer) => Ok(tags::from_iam(answer.tags())),
                Err(err) if is_absent(&err) => Ok(Tags::new()),
                Err(err) => Err(fail("iam:ListRoleTags", &format!("role {name}"), err)),
            }
        };
        patient(clock, once).await
    };
    let (names, made): (Vec<_>, Vec<_>) =
        found.into_iter().map(|role| (role.role_name, time(Some(&role.create_date)))).unzip();
    let tagged: Vec<Tags> = stream::iter(names).map(read).buffered(AT_ONCE).try_collect().await?;
    Ok(tagged.into_iter().zip(made).collect())
}

/// The names of the region's clusters.
pub(super) async fn cluster_names(cx: &AwsCx, clock: &dyn Clock) -> Result<Vec<String>, StepError> {
    let list = || async {
        let call = cx.eks.list_clusters().into_paginator().items().send();
        call.collect::<Result<Vec<String>, _>>().await.map_err(|err| fail("eks:ListClusters", "clusters", err))
    };
    patient(clock, list).await
}

/// Clusters, or the one that a stack of this name has: others may be none of our business to read.
async fn clusters(cx: &AwsCx, clock: &dyn Clock, name: Option<&ClusterName>) -> Result<Seen, StepError> {
    if let Some(name) = name {
        let found = patient(clock, || describe(cx, name.as_str())).await?;
        return Ok(found.iter().map(|it| (tags::from_map(it.tags()), time(it.created_at()))).collect());
    }
    let names = cluster_names(cx, clock).await?;
    let read = |name: String| async move { patient(clock, || describe(cx, &name)).await };
    let found: Vec<Option<Cluster>> = stream::iter(names).map(read).buffered(AT_ONCE).try_collect().await?;
    Ok(found.iter().flatten().map(|it| (tags::from_map(it.tags()), time(it.created_at()))).collect())
}
