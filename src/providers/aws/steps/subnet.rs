//! A subnet in one zone.

use super::ExtraTags;
use super::refs::{SubnetId, VpcId};
use crate::engine::{Input, OutputKey};
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

/// How plans name this kind.
pub const KIND: &str = "aws/subnet";
/// The subnet's id.
pub const ID: OutputKey<SubnetId> = OutputKey::new("id");

/// A subnet. Identity: `Tags`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Subnet {
    /// The VPC.
    pub vpc: Input<VpcId>,
    /// Address range.
    pub cidr: Ipv4Net,
    /// Zone by name.
    pub zone: String,
    /// Machines in it get public addresses.
    pub public: bool,
    /// More tags: `kubernetes.io/role/elb`, `kubernetes.io/role/internal-elb`, `kubernetes.io/cluster/<name>`.
    #[serde(default, skip_serializing_if = "ExtraTags::is_empty")]
    pub extra_tags: ExtraTags,
}
