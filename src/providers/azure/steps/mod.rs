//! One file per kind of Azure object, verbs in the order find, create, converge, probe, outputs, delete.
//!
//! A step is its params: what [`crate::engine::PlannedStep::params`] holds. Steps never sleep, retry, print or read the
//! clock. `create` is exactly one mutating call, with the tags inside it, and never writes over what is there.

pub mod agent_pool;
pub mod cluster;
pub mod existing;
pub mod managed_identity;
pub mod nat_gateway;
pub mod node_group;
pub mod pool;
pub mod provider_registration;
pub mod public_ip;
pub(in crate::providers::azure) mod repair;
pub mod resource_group;
pub mod role_assignment;
pub(in crate::providers::azure) mod support;
pub mod virtual_network;

pub use agent_pool::AgentPool;
pub use cluster::Cluster;
pub use existing::{ExistingNetwork, ExistingSubnet};
pub use managed_identity::{ExistingIdentity, ManagedIdentity};
pub use nat_gateway::NatGateway;
pub use pool::PoolParams;
pub use provider_registration::ProviderRegistration;
pub use public_ip::PublicIp;
pub use resource_group::ResourceGroup;
pub use role_assignment::RoleAssignment;
pub use virtual_network::VirtualNetwork;
