//! Kind → code: one line per kind.

use super::client::AzureCx;
use super::steps;
use crate::engine::{AnyStep, PlannedStep, StepError};
use crate::providers::cluster_object::{self, ClusterObject};
use crate::providers::in_cluster;
use crate::providers::kinds::{self, Make, bind};
use std::sync::Arc;

/// Every kind this build knows.
const KINDS: [(&str, Make<AzureCx>); 17] = [
    (steps::agent_pool::KIND, bind::<steps::AgentPool, _>),
    (steps::cluster::KIND, bind::<steps::Cluster, _>),
    (cluster_object::DAEMON_SET, bind::<ClusterObject, _>),
    (steps::existing::NETWORK_KIND, bind::<steps::ExistingNetwork, _>),
    (steps::existing::SUBNET_KIND, bind::<steps::ExistingSubnet, _>),
    (in_cluster::CLAIM, bind::<in_cluster::InCluster, _>),
    (in_cluster::INGRESS, bind::<in_cluster::InCluster, _>),
    (in_cluster::SERVICE, bind::<in_cluster::InCluster, _>),
    (steps::managed_identity::EXISTING_KIND, bind::<steps::ExistingIdentity, _>),
    (steps::managed_identity::KIND, bind::<steps::ManagedIdentity, _>),
    (steps::nat_gateway::KIND, bind::<steps::NatGateway, _>),
    (steps::node_group::KIND, bind::<steps::node_group::NodeGroup, _>),
    (steps::provider_registration::KIND, bind::<steps::ProviderRegistration, _>),
    (steps::public_ip::KIND, bind::<steps::PublicIp, _>),
    (steps::resource_group::KIND, bind::<steps::ResourceGroup, _>),
    (steps::role_assignment::KIND, bind::<steps::RoleAssignment, _>),
    (steps::virtual_network::KIND, bind::<steps::VirtualNetwork, _>),
];

/// The code behind a planned step.
///
/// # Errors
/// `Permanent` for a kind or params this build does not know: another version's plan, or an edited journal.
pub fn step(cx: &Arc<AzureCx>, planned: &PlannedStep) -> Result<Arc<dyn AnyStep>, StepError> {
    kinds::step(&KINDS, cx, planned)
}
