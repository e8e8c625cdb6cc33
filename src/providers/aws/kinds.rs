//! Kind → code: one line per kind.

use super::client::AwsCx;
use super::steps;
use crate::engine::{AnyStep, PlannedStep, StepError};
use crate::providers::cluster_object::{self, ClusterObject};
use crate::providers::in_cluster;
use crate::providers::kinds::{self, Make, bind};
use std::sync::Arc;

/// Every kind this build knows.
const KINDS: [(&str, Make<AwsCx>); 41] = [
    (steps::access_entry::KIND, bind::<steps::AccessEntry, _>),
    (steps::access_policy::KIND, bind::<steps::AccessPolicy, _>),
    (steps::addon::KIND, bind::<steps::Addon, _>),
    (steps::classic_load_balancer::KIND, bind::<steps::ClassicLoadBalancer, _>),
    (steps::cluster::KIND, bind::<steps::Cluster, _>),
    (cluster_object::CLUSTER_ROLE, bind::<ClusterObject, _>),
    (cluster_object::CLUSTER_ROLE_BINDING, bind::<ClusterObject, _>),
    (cluster_object::DAEMON_SET, bind::<ClusterObject, _>),
    (cluster_object::DEPLOYMENT, bind::<ClusterObject, _>),
    (cluster_object::ROLE, bind::<ClusterObject, _>),
    (cluster_object::ROLE_BINDING, bind::<ClusterObject, _>),
    (cluster_object::SERVICE_ACCOUNT, bind::<ClusterObject, _>),
    (steps::elastic_ip::KIND, bind::<steps::ElasticIp, _>),
    (steps::existing::SUBNET_KIND, bind::<steps::ExistingSubnet, _>),
    (steps::existing::VPC_KIND, bind::<steps::ExistingVpc, _>),
    (steps::gateway_attachment::KIND, bind::<steps::GatewayAttachment, _>),
    (steps::iam_role::KIND, bind::<steps::IamRole, _>),
    (steps::inline_policy::KIND, bind::<steps::InlinePolicy, _>),
    (in_cluster::CLAIM, bind::<in_cluster::InCluster, _>),
    (in_cluster::INGRESS, bind::<in_cluster::InCluster, _>),
    (in_cluster::SERVICE, bind::<in_cluster::InCluster, _>),
    (steps::instance::KIND, bind::<steps::Instance, _>),
    (steps::internet_gateway::KIND, bind::<steps::InternetGateway, _>),
    (steps::launch_template::KIND, bind::<steps::LaunchTemplate, _>),
    (steps::load_balancer::KIND, bind::<steps::LoadBalancer, _>),
    (steps::log_group::KIND, bind::<steps::LogGroup, _>),
    (steps::nat_gateway::KIND, bind::<steps::NatGateway, _>),
    (steps::network_interface::KIND, bind::<steps::NetworkInterface, _>),
    (steps::node_group::KIND, bind::<steps::NodeGroup, _>),
    (steps::pod_identity::KIND, bind::<steps::PodIdentity, _>),
    (steps::role_policy::KIND, bind::<steps::RolePolicy, _>),
    (steps::route::KIND, bind::<steps::Route, _>),
    (steps::route_table::KIND, bind::<steps::RouteTable, _>),
    (steps::route_table_association::KIND, bind::<steps::RouteTableAssociation, _>),
    (steps::security_group::KIND, bind::<steps::SecurityGroup, _>),
    (steps::snapshot::KIND, bind::<steps::Snapshot, _>),
    (steps::subnet::KIND, bind::<steps::Subnet, _>),
    (steps::target_group::KIND, bind::<steps::TargetGroup, _>),
    (steps::volume::KIND, bind::<steps::Volume, _>),
    (steps::vpc::KIND, bind::<steps::Vpc, _>),
    (steps::vpc_endpoint::KIND, bind::<steps::VpcEndpoint, _>),
];

/// The code behind a planned step.
///
/// # Errors
/// `Permanent` for a kind or params this build does not know: another version's plan, or an edited journal.
pub fn step(cx: &Arc<AwsCx>, planned: &PlannedStep) -> Result<Arc<dyn AnyStep>, StepError> {
    kinds::step(&KINDS, cx, planned)
}
