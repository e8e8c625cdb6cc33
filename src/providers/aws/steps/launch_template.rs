//! What every machine of a node pool has: our tags on itself and its disks, IMDSv2, an encrypted disk of the right size.

use super::refs::LaunchTemplateId;
use crate::engine::OutputKey;
use serde::{Deserialize, Serialize};

/// How plans name this kind.
pub const KIND: &str = "aws/launch-template";
/// The template's id.
pub const ID: OutputKey<LaunchTemplateId> = OutputKey::new("id");
/// The version to use.
pub const VERSION: OutputKey<String> = OutputKey::new("version");

/// A launch template. Identity: `Tags`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LaunchTemplate {
    /// Name, at most 128 characters, holding the stack id.
    pub name: String,
    /// The `Name` tag of the machines.
    pub node_name: String,
    /// Root disk, gp3.
    pub disk_gib: u32,
    /// Root device of the image: `/dev/xvda` on Amazon Linux.
    pub root_device: String,
}
