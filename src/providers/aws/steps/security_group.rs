//! A security group: ours for the control plane, or one that the cluster made and left behind.

use super::refs::{SecurityGroupId, VpcId};
use crate::engine::{Input, OutputKey};
use serde::{Deserialize, Serialize};

/// How plans name this kind.
pub const KIND: &str = "aws/security-group";
/// The group's id.
pub const ID: OutputKey<SecurityGroupId> = OutputKey::new("id");

/// A security group without rules of its own: it lets everything out, nothing in. Identity: `Tags`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecurityGroup {
    /// The VPC.
    pub vpc: Input<VpcId>,
    /// Its name, unique in the VPC.
    pub name: String,
    /// What it is for; a name cannot be changed later, nor can this.
    pub description: String,
}
