//! A route table; its routes and associations are steps of their own.

use super::refs::{RouteTableId, VpcId};
use crate::engine::{Input, OutputKey};
use serde::{Deserialize, Serialize};

/// How plans name this kind.
pub const KIND: &str = "aws/route-table";
/// The table's id.
pub const ID: OutputKey<RouteTableId> = OutputKey::new("id");

/// A route table. Identity: `Tags`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RouteTable {
    /// The VPC.
    pub vpc: Input<VpcId>,
}
