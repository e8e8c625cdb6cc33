//! The looks for what the cluster itself made, and where in a teardown they stand.

use super::steps;
use crate::engine::{StepId, SweepPoint};

/// Services of type LoadBalancer, Ingresses, volumes: while the API server and its controllers live.
pub const IN_CLUSTER: &str = "in-cluster";
/// What nobody removed from within: load balancers and their parts, network endpoint groups, firewall rules, disks.
pub const CLUSTER_LEFTOVERS: &str = "cluster-leftovers";
/// Whatever else stands in the network: named, and deleted only where provably ours.
pub const NETWORK_BLOCKERS: &str = "network-blockers";
/// The last look: all of these once more, the engine's own word for it.
pub const AUDIT: &str = "audit";

const IN_CLUSTER_KINDS: [&str; 2] = [steps::node_pool::KIND, steps::cluster::KIND];
// The router serves nodes until the last is gone; the account is theirs, and the cluster's own controllers act beside
// it, so neither goes before what they leave is seen.
const AFTER_CLUSTER_KINDS: [&str; 5] = [
    steps::role_binding::KIND,
    steps::service_account::KIND,
    steps::router::KIND,
    steps::subnetwork::KIND,
    steps::network::KIND,
];
const NETWORK_KINDS: [&str; 2] = [steps::subnetwork::KIND, steps::network::KIND];

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
    vec![
        point(IN_CLUSTER, &[], &IN_CLUSTER_KINDS),
        point(CLUSTER_LEFTOVERS, &IN_CLUSTER_KINDS, &AFTER_CLUSTER_KINDS),
        point(NETWORK_BLOCKERS, &[steps::cluster::KIND, steps::router::KIND], &NETWORK_KINDS),
    ]
}
