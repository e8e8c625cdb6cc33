//! A NAT gateway: the way out for private nodes. It fails asynchronously, with a code of its own.

use super::refs::{AllocationId, NatGatewayId, SubnetId};
use crate::engine::{Input, OutputKey};
use serde::{Deserialize, Serialize};

/// How plans name this kind.
pub const KIND: &str = "aws/nat-gateway";
/// The gateway's id.
pub const ID: OutputKey<NatGatewayId> = OutputKey::new("id");

/// A public NAT gateway. Identity: `Tags`. Must wait for the internet gateway's attachment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NatGateway {
    /// A public subnet.
    pub subnet: Input<SubnetId>,
    /// Its address.
    pub allocation: Input<AllocationId>,
}
