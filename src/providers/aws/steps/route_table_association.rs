//! Ties a subnet of ours to a route table of ours.

use super::refs::{RouteTableId, SubnetId};
use crate::engine::Input;
use serde::{Deserialize, Serialize};

/// How plans name this kind.
pub const KIND: &str = "aws/route-table-association";

/// An association. Identity: `Child` of the table's step; the key is free (the subnet's step id is a good one), since
/// the subnet's own id is not known before the call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RouteTableAssociation {
    /// The table.
    pub table: Input<RouteTableId>,
    /// The subnet.
    pub subnet: Input<SubnetId>,
}
