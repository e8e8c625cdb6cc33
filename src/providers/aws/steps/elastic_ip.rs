//! A fixed public address for a NAT gateway.

use super::refs::AllocationId;
use crate::engine::OutputKey;
use serde::{Deserialize, Serialize};

/// How plans name this kind.
pub const KIND: &str = "aws/elastic-ip";
/// The allocation's id.
pub const ALLOCATION: OutputKey<AllocationId> = OutputKey::new("allocation");
/// The address.
pub const ADDRESS: OutputKey<String> = OutputKey::new("address");

/// An Elastic IP. Identity: `Tags`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ElasticIp {}
