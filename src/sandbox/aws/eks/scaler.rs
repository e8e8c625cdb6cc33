//! What a cluster autoscaler in a cluster may do in AWS: by the role its pods have through Pod Identity.

use super::{addon, pod_identity};
use crate::sandbox::{
    aws::iam,
    kubernetes::host::{Act, Cluster, Runner},
    world::Tx,
};
use std::collections::BTreeMap;

/// Without these it ends as soon as it has started.
const LOOKS: &[&str] = &[
    "autoscaling:DescribeAutoScalingGroups",
    "autoscaling:DescribeAutoScalingInstances",
    "autoscaling:DescribeScalingActivities",
    "autoscaling:DescribeTags",
    "ec2:DescribeImages",
    "ec2:DescribeInstanceTypes",
    "ec2:DescribeLaunchTemplateVersions",
];
const DISCOVERY: &str = "--node-group-auto-discovery=asg:tag=";

/// Whether it may, and why not.
pub(super) fn lets(tx: &Tx<'_>, cluster: &Cluster, runner: &Runner<'_>, act: Act<'_>) -> Result<(), String> {
    let Some(role) = role_of(tx, cluster, runner) else {
        return Err("no EC2 IMDS role found and no pod identity".to_owned());
    };
    let tagged = tags(cluster);
    let may = |action: &str, resource: &str, tags: &BTreeMap<String, String>| {
        let yes = iam::role_may(tx, &role, action, resource, tags);
        if yes { Ok(()) } else { Err(format!("AccessDenied: not authorized to perform: {action}")) }
    };
    match act {
        Act::Start => LOOKS.iter().try_for_each(|action| may(action, "*", &BTreeMap::new())),
        Act::Find => finds(cluster, runner),
        Act::Imagine(pool) => may("eks:DescribeNodegroup", &pool.id, &tagged),
        Act::Grow => may("autoscaling:SetDesiredCapacity", "*", &tagged),
        Act::Shrink => may("autoscaling:TerminateInstanceInAutoScalingGroup", "*", &tagged),
    }
}

/// The role that pods of a service account have: only where Pod Identity's agent runs.
fn role_of(tx: &Tx<'_>, cluster: &Cluster, runner: &Runner<'_>) -> Option<String> {
    let agent = addon::is_active(tx, &cluster.scope, &cluster.id, "eks-pod-identity-agent");
    pod_identity::role_of(tx, &cluster.scope, &cluster.id, runner.namespace, runner.account).filter(|_| agent)
}

/// Whether its flag finds the groups by their tags: EKS puts the usual two on every group of the cluster.
fn finds(cluster: &Cluster, runner: &Runner<'_>) -> Result<(), String> {
    let flags = runner.words.iter().filter_map(|word| word.strip_prefix(DISCOVERY));
    let wanted: Vec<&str> = flags.flat_map(|tags| tags.split(',')).collect();
    let carried = tags(cluster);
    if wanted.is_empty() || !wanted.iter().all(|tag| carried.contains_key(tag.split('=').next().unwrap_or_default())) {
        return Err("no Auto Scaling group has the tags that are looked for".to_owned());
    }
    Ok(())
}

fn tags(cluster: &Cluster) -> BTreeMap<String, String> {
    [
        ("k8s.io/cluster-autoscaler/enabled".to_owned(), "true".to_owned()),
        (format!("k8s.io/cluster-autoscaler/{}", cluster.name), "owned".to_owned()),
    ]
    .into()
}
