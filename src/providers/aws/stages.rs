//! The looks for what the cluster itself made, and where in a teardown they stand.

use super::steps;
use crate::engine::{StepId, SweepPoint};

/// Services of type LoadBalancer, volumes: while the API server and its controllers live.
pub const IN_CLUSTER: &str = "in-cluster";
/// Network interfaces the CNI left: after the nodes, or EKS cannot remove its own security group.
pub const LEAKED_ENIS: &str = "leaked-enis";
/// What nobody removed from within: load balancers, target groups, security groups, volumes, the log group.
pub const CLUSTER_LEFTOVERS: &str = "cluster-leftovers";
/// Nothing is looked for here: EKS takes its interfaces back some time after the cluster is gone, and only while the
/// cluster's role lets it. In a network of our own the look for its security group waits for that; in one that was
/// brought along the group is not ours to delete, so our own group, in which those interfaces stand, has to go first.
pub const EKS_FINISHED: &str = "eks-finished";
/// Whatever else stands in the network: named, and deleted only where provably ours.
pub const NETWORK_BLOCKERS: &str = "network-blockers";
/// The last look: all of these once more, the engine's own word for it.
pub const AUDIT: &str = "audit";

const IN_CLUSTER_KINDS: [&str; 6] = [
    steps::node_group::KIND,
    steps::addon::KIND,
    steps::pod_identity::KIND,
    steps::access_entry::KIND,
    steps::access_policy::KIND,
    steps::cluster::KIND,
];
// Roles with their policies stand until EKS has finished: one that lost them cannot remove its own interfaces and
// group, and leaves them behind.
const AFTER_CLUSTER_KINDS: [&str; 7] = [
    steps::role_policy::KIND,
    steps::iam_role::KIND,
    steps::subnet::KIND,
    steps::security_group::KIND,
    steps::gateway_attachment::KIND,
    steps::internet_gateway::KIND,
    steps::vpc::KIND,
];
const NETWORK_KINDS: [&str; 5] = [
    steps::subnet::KIND,
    steps::security_group::KIND,
    steps::gateway_attachment::KIND,
    steps::internet_gateway::KIND,
    steps::vpc::KIND,
];

/// The sweep points for these steps, with or without a plan.
pub fn points(found: &[(StepId, &str)]) -> Vec<SweepPoint> {
    let of = |kinds: &[&str]| -> Vec<StepId> {
        found.iter().filter(|(_, kind)| kinds.contains(kind)).map(|(id, _)| id.clone()).collect()
    };
    let point = |stage: &str, after: &[&str], before: &[&str]| SweepPoint {
        stage: stage.to_owned(),
        after: of(after),
        before: of(before),
    };
    let (nodes, cluster) = (steps::node_group::KIND, steps::cluster::KIND);
    vec![
        point(IN_CLUSTER, &[], &IN_CLUSTER_KINDS),
        point(LEAKED_ENIS, &[nodes], &[cluster]),
        point(CLUSTER_LEFTOVERS, &[nodes, cluster], &AFTER_CLUSTER_KINDS),
        point(
            EKS_FINISHED,
            &[cluster, steps::security_group::KIND],
            &[steps::role_policy::KIND, steps::iam_role::KIND],
        ),
        // The NAT gateways and endpoints have interfaces of their own, gone with them.
        point(NETWORK_BLOCKERS, &[nodes, cluster, steps::nat_gateway::KIND, steps::vpc_endpoint::KIND], &NETWORK_KINDS),
    ]
}
