//! One file per kind of AWS object, verbs in the order find, create, converge, probe, outputs, delete.
//!
//! A step is its params: what [`crate::engine::PlannedStep::params`] holds. Steps never sleep, retry, print or read the
//! clock. `create` is exactly one mutating call, with the tags inside it wherever AWS takes them there.

pub mod access_entry;
pub mod access_policy;
pub mod addon;
pub(in crate::providers::aws) mod blockers;
pub mod classic_load_balancer;
pub mod cluster;
pub mod elastic_ip;
pub mod existing;
pub mod gateway_attachment;
pub mod iam_role;
pub mod inline_policy;
pub mod instance;
pub mod internet_gateway;
pub mod launch_template;
pub mod load_balancer;
pub mod log_group;
pub mod nat_gateway;
pub mod network_interface;
pub mod node_group;
pub mod pod_identity;
pub mod refs;
pub mod remains;
pub mod role_policy;
pub mod route;
pub mod route_table;
pub mod route_table_association;
pub mod security_group;
pub mod snapshot;
pub(in crate::providers::aws) mod strangers;
pub mod subnet;
pub(in crate::providers::aws) mod support;
pub mod target_group;
pub mod volume;
pub mod vpc;
pub mod vpc_endpoint;

pub use access_entry::AccessEntry;
pub use access_policy::AccessPolicy;
pub use addon::Addon;
pub use classic_load_balancer::ClassicLoadBalancer;
pub use cluster::Cluster;
pub use elastic_ip::ElasticIp;
pub use existing::{ExistingSubnet, ExistingVpc};
pub use gateway_attachment::GatewayAttachment;
pub use iam_role::IamRole;
pub use inline_policy::InlinePolicy;
pub use instance::Instance;
pub use internet_gateway::InternetGateway;
pub use launch_template::LaunchTemplate;
pub use load_balancer::LoadBalancer;
pub use log_group::LogGroup;
pub use nat_gateway::NatGateway;
pub use network_interface::NetworkInterface;
pub use node_group::NodeGroup;
pub use pod_identity::PodIdentity;
pub use role_policy::RolePolicy;
pub use route::Route;
pub use route_table::RouteTable;
pub use route_table_association::RouteTableAssociation;
pub use security_group::SecurityGroup;
pub use snapshot::Snapshot;
pub use subnet::Subnet;
pub use target_group::TargetGroup;
pub use volume::Volume;
pub use vpc::Vpc;
pub use vpc_endpoint::VpcEndpoint;

pub use crate::providers::kit::ExtraTags;
