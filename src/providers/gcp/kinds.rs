//! Kind → code: one line per kind.

use super::client::GcpCx;
use super::steps;
use crate::engine::{AnyStep, PlannedStep, StepError};
use crate::providers::in_cluster::{self, InCluster};
use crate::providers::kinds::{self, Make, bind};
use std::sync::Arc;

/// Every kind that a plan makes or that stands in a cluster. What is left behind has a table of its own.
const KINDS: [(&str, Make<GcpCx>); 13] = [
    (steps::cluster::KIND, bind::<steps::Cluster, _>),
    (steps::existing::NETWORK_KIND, bind::<steps::ExistingNetwork, _>),
    (steps::existing::SUBNETWORK_KIND, bind::<steps::ExistingSubnetwork, _>),
    (in_cluster::CLAIM, bind::<InCluster, _>),
    (in_cluster::INGRESS, bind::<InCluster, _>),
    (in_cluster::SERVICE, bind::<InCluster, _>),
    (steps::network::KIND, bind::<steps::Network, _>),
    (steps::node_pool::KIND, bind::<steps::NodePool, _>),
    (steps::role_binding::KIND, bind::<steps::RoleBinding, _>),
    (steps::router::KIND, bind::<steps::Router, _>),
    (steps::service::KIND, bind::<steps::ServiceOn, _>),
    (steps::service_account::KIND, bind::<steps::ServiceAccount, _>),
    (steps::subnetwork::KIND, bind::<steps::Subnetwork, _>),
];

/// The code behind a planned step.
///
/// # Errors
/// `Permanent` for a kind or params this build does not know: another version's plan, or an edited journal.
pub fn step(cx: &Arc<GcpCx>, planned: &PlannedStep) -> Result<Arc<dyn AnyStep>, StepError> {
    if steps::remains::KINDS.iter().any(|kind| kind.kind == planned.kind) {
        return bind::<steps::Remains, GcpCx>(cx, planned);
    }
    kinds::step(&KINDS, cx, planned)
}
