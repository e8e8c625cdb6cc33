//! A gateway endpoint: S3 without NAT, free of charge.

use super::refs::{RouteTableId, VpcId};
use crate::engine::Input;
use serde::{Deserialize, Serialize};

/// How plans name this kind.
pub const KIND: &str = "aws/vpc-endpoint";

/// A gateway endpoint. Identity: `Tags`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VpcEndpoint {
    /// The VPC.
    pub vpc: Input<VpcId>,
    /// `com.amazonaws.<region>.s3`.
    pub service_name: String,
    /// The tables that get a route to it.
    pub route_tables: Vec<Input<RouteTableId>>,
}
