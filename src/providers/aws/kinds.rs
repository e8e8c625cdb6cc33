//! Kind → code: how a plan read from a journal comes to life again. One line per kind.

use super::client::AwsCx;
use super::steps;
use crate::engine::{AnyStep, Bound, ErrorClass, PlannedStep, Residue, Step, StepError};
use crate::providers::cluster_object::{self, ClusterObject};
use crate::providers::in_cluster;
use serde::de::DeserializeOwned;
use std::sync::Arc;

type Make = fn(&Arc<AwsCx>, &PlannedStep) -> Result<Arc<dyn AnyStep>, StepError>;

/// Every kind this build knows.
const KINDS: [(&str, Make); 41] = [
    (steps::access_entry::KIND, bind::<steps::AccessEntry>),
    (steps::access_policy::KIND, bind::<steps::AccessPolicy>),
    (steps::addon::KIND, bind::<steps::Addon>),
    (steps::classic_load_balancer::KIND, bind::<steps::ClassicLoadBalancer>),
    (steps::cluster::KIND, bind::<steps::Cluster>),
    (cluster_object::CLUSTER_ROLE, bind::<ClusterObject>),
    (cluster_object::CLUSTER_ROLE_BINDING, bind::<ClusterObject>),
    (cluster_object::DAEMON_SET, bind::<ClusterObject>),
    (cluster_object::DEPLOYMENT, bind::<ClusterObject>),
    (cluster_object::ROLE, bind::<ClusterObject>),
    (cluster_object::ROLE_BINDING, bind::<ClusterObject>),
    (cluster_object::SERVICE_ACCOUNT, bind::<ClusterObject>),
    (steps::elastic_ip::KIND, bind::<steps::ElasticIp>),
    (steps::existing::SUBNET_KIND, bind::<steps::ExistingSubnet>),
    (steps::existing::VPC_KIND, bind::<steps::ExistingVpc>),
    (steps::gateway_attachment::KIND, bind::<steps::GatewayAttachment>),
    (steps::iam_role::KIND, bind::<steps::IamRole>),
    (steps::inline_policy::KIND, bind::<steps::InlinePolicy>),
    (in_cluster::CLAIM, bind::<in_cluster::InCluster>),
    (in_cluster::INGRESS, bind::<in_cluster::InCluster>),
    (in_cluster::SERVICE, bind::<in_cluster::InCluster>),
    (steps::instance::KIND, bind::<steps::Instance>),
    (steps::internet_gateway::KIND, bind::<steps::InternetGateway>),
    (steps::launch_template::KIND, bind::<steps::LaunchTemplate>),
    (steps::load_balancer::KIND, bind::<steps::LoadBalancer>),
    (steps::log_group::KIND, bind::<steps::LogGroup>),
    (steps::nat_gateway::KIND, bind::<steps::NatGateway>),
    (steps::network_interface::KIND, bind::<steps::NetworkInterface>),
    (steps::node_group::KIND, bind::<steps::NodeGroup>),
    (steps::pod_identity::KIND, bind::<steps::PodIdentity>),
    (steps::role_policy::KIND, bind::<steps::RolePolicy>),
    (steps::route::KIND, bind::<steps::Route>),
    (steps::route_table::KIND, bind::<steps::RouteTable>),
    (steps::route_table_association::KIND, bind::<steps::RouteTableAssociation>),
    (steps::security_group::KIND, bind::<steps::SecurityGroup>),
    (steps::snapshot::KIND, bind::<steps::Snapshot>),
    (steps::subnet::KIND, bind::<steps::Subnet>),
    (steps::target_group::KIND, bind::<steps::TargetGroup>),
    (steps::volume::KIND, bind::<steps::Volume>),
    (steps::vpc::KIND, bind::<steps::Vpc>),
    (steps::vpc_endpoint::KIND, bind::<steps::VpcEndpoint>),
];

fn bind<S>(cx: &Arc<AwsCx>, planned: &PlannedStep) -> Result<Arc<dyn AnyStep>, StepError>
where
    S: Step<AwsCx> + DeserializeOwned + 'static,
{
    let step: S =
        serde_json::from_value(planned.params.clone()).map_err(|err| unreadable(planned, &err.to_string()))?;
    Ok(Arc::new(Bound { cx: Arc::clone(cx), step }))
}

/// The code behind a planned step.
///
/// # Errors
/// `Permanent` for a kind or params this build does not know: another version's plan, or an edited journal.
pub fn step(cx: &Arc<AwsCx>, planned: &PlannedStep) -> Result<Arc<dyn AnyStep>, StepError> {
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
