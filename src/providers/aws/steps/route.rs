//! A route in a table of ours.

use super::refs::{InternetGatewayId, NatGatewayId, RouteTableId};
use crate::engine::Input;
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

/// How plans name this kind.
pub const KIND: &str = "aws/route";

/// Where a route leads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RouteTarget {
    /// Out, both ways.
    InternetGateway(Input<InternetGatewayId>),
    /// Out only.
    NatGateway(Input<NatGatewayId>),
}

/// A route. Identity: `Child` of the table's step with the destination (`0.0.0.0/0`) as key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Route {
    /// The table.
    pub table: Input<RouteTableId>,
    /// Which addresses.
    pub destination: Ipv4Net,
    /// Where to.
    pub target: RouteTarget,
}
