//! The looks for what the cluster itself made, and where in a teardown they stand.

use super::steps;
use crate::engine::{StepId, SweepPoint};

/// Services of type LoadBalancer, claims on disks: while the API server and its controllers live, and we are let in.
pub const IN_CLUSTER: &str = "in-cluster";
/// The group of the nodes, where AKS left it or something in it behind.
pub const NODE_GROUP: &str = "node-group";
/// Whatever else stands in the stack's group: named, for the group goes only when it is empty.
pub const GROUP_CONTENT: &str = "group-content";
/// The last look: all of these once more, the engine's own word for it.
pub const AUDIT: &str = "audit";

const IN_CLUSTER_KINDS: [&str; 3] = [steps::agent_pool::KIND, steps::role_assignment::KIND, steps::cluster::KIND];
// Balancers and interfaces of the nodes stand in our subnet, and nodes leave through our gateway, until their group is
// gone; the control plane's identity removes them.
const AFTER_NODES: [&str; 5] = [
    steps::virtual_network::KIND,
    steps::nat_gateway::KIND,
    steps::public_ip::KIND,
    steps::managed_identity::KIND,
    steps::resource_group::KIND,
];
const IN_THE_GROUP: [&str; 5] = [
    steps::cluster::KIND,
    steps::virtual_network::KIND,
    steps::nat_gateway::KIND,
    steps::public_ip::KIND,
    steps::managed_identity::KIND,
];

/// The sweep points for these steps, with or without a plan.
pub fn points(found: &[(StepId, &str)]) -> Vec<SweepPoint> {
    let of = |kinds: &[&str]| -> Vec<StepId> {
        found.iter().filter(|(_, kind)| kinds.contains(kind)).map(|(id, _)| id.clone()).collect()
    };
    let point = |stage: &str, after: Vec<StepId>, before: &[&str]| SweepPoint {
        stage: stage.to_owned(),
        after,
        before: of(before),
    };
    vec![
        // The role on the subnet is no way in, and goes after the cluster anyway: it may wait for this look as well.
        point(IN_CLUSTER, Vec::new(), &IN_CLUSTER_KINDS),
        point(NODE_GROUP, of(&[steps::cluster::KIND]), &AFTER_NODES),
        point(GROUP_CONTENT, of(&IN_THE_GROUP), &[steps::resource_group::KIND]),
    ]
}
