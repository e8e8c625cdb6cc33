//! The attachment of our internet gateway to our VPC.

use super::refs::{InternetGatewayId, VpcId};
use crate::engine::Input;
use serde::{Deserialize, Serialize};

/// How plans name this kind.
pub const KIND: &str = "aws/gateway-attachment";
/// The key of its `Child` identity: a VPC has one internet gateway at most.
pub const KEY: &str = "internet-gateway";

/// An attachment. Identity: `Child` of the VPC's step with [`KEY`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GatewayAttachment {
    /// The VPC.
    pub vpc: Input<VpcId>,
    /// The gateway.
    pub gateway: Input<InternetGatewayId>,
}
