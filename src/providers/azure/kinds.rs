//! Kind → code: how a plan read from a journal comes to life again. One line per kind.

use super::client::AzureCx;
use super::steps;
use crate::engine::{AnyStep, Bound, ErrorClass, PlannedStep, Residue, Step, StepError};
use crate::providers::cluster_object::{self, ClusterObject};
use crate::providers::in_cluster;
use serde::de::DeserializeOwned;
use std::sync::Arc;

type Make = fn(&Arc<AzureCx>, &PlannedStep) -> Result<Arc<dyn AnyStep>, StepError>;

/// Every kind this build knows.
const KINDS: [(&str, Make); 17] = [
    (steps::agent_pool::KIND, bind::<steps::AgentPool>),
    (steps::cluster::KIND, bind::<steps::Cluster>),
    (cluster_object::DAEMON_SET, bind::<ClusterObject>),
    (steps::existing::NETWORK_KIND, bind::<steps::ExistingNetwork>),
    (steps::existing::SUBNET_KIND, bind::<steps::ExistingSubnet>),
    (in_cluster::CLAIM, bind::<in_cluster::InCluster>),
    (in_cluster::INGRESS, bind::<in_cluster::InCluster>),
    (in_cluster::SERVICE, bind::<in_cluster::InCluster>),
    (steps::managed_identity::EXISTING_KIND, bind::<steps::ExistingIdentity>),
    (steps::managed_identity::KIND, bind::<steps::ManagedIdentity>),
    (steps::nat_gateway::KIND, bind::<steps::NatGateway>),
    (steps::node_group::KIND, bind::<steps::node_group::NodeGroup>),
    (steps::provider_registration::KIND, bind::<steps::ProviderRegistration>),
    (steps::public_ip::KIND, bind::<steps::PublicIp>),
    (steps::resource_group::KIND, bind::<steps::ResourceGroup>),
    (steps::role_assignment::KIND, bind::<steps::RoleAssignment>),
    (steps::virtual_network::KIND, bind::<steps::VirtualNetwork>),
];

fn bind<S>(cx: &Arc<AzureCx>, planned: &PlannedStep) -> Result<Arc<dyn AnyStep>, StepError>
where
    S: Step<AzureCx> + DeserializeOwned + 'static,
{
    let step: S =
        serde_json::from_value(planned.params.clone()).map_err(|err| unreadable(planned, &err.to_string()))?;
    Ok(Arc::new(Bound { cx: Arc::clone(cx), step }))
}

/// The code behind a planned step.
///
/// # Errors
/// `Permanent` for a kind or params this build does not know: another version's plan, or an edited journal.
pub fn step(cx: &Arc<AzureCx>, planned: &PlannedStep) -> Result<Arc<dyn AnyStep>, StepError> {
    match KINDS.iter().find(|(kind, _)| *kind == planned.kind) {
        Some((_, make)) => make(cx, planned),
        None => Err(unreadable(planned, "this build does not know its kind")),
    }
}

fn unreadable(planned: &PlannedStep, why: &str) -> StepError {
    let message = format!("step `{}` of kind {} cannot be read: {why}", planned.id, planned.kind);
    StepError::new(ErrorClass::Permanent, "KW-PLAN", message)
        .with_residue(Residue::None)
        .with_hint("use the version of kubewright that made the plan")
}
