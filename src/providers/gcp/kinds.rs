//! Kind → code: how a plan read from a journal comes to life again. One line per kind.

use super::client::GcpCx;
use super::steps;
use crate::engine::{AnyStep, Bound, ErrorClass, PlannedStep, Residue, Step, StepError};
use crate::providers::in_cluster::{self, InCluster};
use serde::de::DeserializeOwned;
use std::sync::Arc;

type Make = fn(&Arc<GcpCx>, &PlannedStep) -> Result<Arc<dyn AnyStep>, StepError>;

/// Every kind that a plan makes or that stands in a cluster. What is left behind has a table of its own.
const KINDS: [(&str, Make); 13] = [
    (steps::cluster::KIND, bind::<steps::Cluster>),
    (steps::existing::NETWORK_KIND, bind::<steps::ExistingNetwork>),
    (steps::existing::SUBNETWORK_KIND, bind::<steps::ExistingSubnetwork>),
    (in_cluster::CLAIM, bind::<InCluster>),
    (in_cluster::INGRESS, bind::<InCluster>),
    (in_cluster::SERVICE, bind::<InCluster>),
    (steps::network::KIND, bind::<steps::Network>),
    (steps::node_pool::KIND, bind::<steps::NodePool>),
    (steps::role_binding::KIND, bind::<steps::RoleBinding>),
    (steps::router::KIND, bind::<steps::Router>),
    (steps::service::KIND, bind::<steps::ServiceOn>),
    (steps::service_account::KIND, bind::<steps::ServiceAccount>),
    (steps::subnetwork::KIND, bind::<steps::Subnetwork>),
];

fn bind<S>(cx: &Arc<GcpCx>, planned: &PlannedStep) -> Result<Arc<dyn AnyStep>, StepError>
where
    S: Step<GcpCx> + DeserializeOwned + 'static,
{
    let step: S =
        serde_json::from_value(planned.params.clone()).map_err(|err| unreadable(planned, &err.to_string()))?;
    Ok(Arc::new(Bound { cx: Arc::clone(cx), step }))
}

/// The code behind a planned step.
///
/// # Errors
/// `Permanent` for a kind or params this build does not know: another version's plan, or an edited journal.
pub fn step(cx: &Arc<GcpCx>, planned: &PlannedStep) -> Result<Arc<dyn AnyStep>, StepError> {
    if let Some((_, make)) = KINDS.iter().find(|(kind, _)| *kind == planned.kind) {
        return make(cx, planned);
    }
    if steps::remains::KINDS.iter().any(|kind| kind.kind == planned.kind) {
        return bind::<steps::Remains>(cx, planned);
    }
    Err(unreadable(planned, "this build does not know its kind"))
}

fn unreadable(planned: &PlannedStep, why: &str) -> StepError {
    let message = format!("step `{}` of kind {} cannot be read: {why}", planned.id, planned.kind);
    StepError::new(ErrorClass::Permanent, "KW-PLAN", message)
        .with_residue(Residue::None)
        .with_hint("use the version of kubewright that made the plan")
}
