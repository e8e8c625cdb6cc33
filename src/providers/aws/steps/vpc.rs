//! The network everything else lives in.

use super::ExtraTags;
use super::refs::VpcId;
use crate::engine::OutputKey;
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

/// How plans name this kind.
pub const KIND: &str = "aws/vpc";
/// The VPC's id.
pub const ID: OutputKey<VpcId> = OutputKey::new("id");

/// A VPC with DNS names on. Identity: `Tags`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Vpc {
    /// Address range.
    pub cidr: Ipv4Net,
    /// More tags.
    #[serde(default, skip_serializing_if = "ExtraTags::is_empty")]
    pub extra_tags: ExtraTags,
}
