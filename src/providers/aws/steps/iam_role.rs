//! An IAM role, found by its name under the path `/kubewright/` and proven by its tags.

use super::ExtraTags;
use super::refs::{RoleArn, RoleName};
use crate::engine::OutputKey;
use serde::{Deserialize, Serialize};

/// How plans name this kind.
pub const KIND: &str = "aws/iam-role";
/// The role's name.
pub const NAME: OutputKey<RoleName> = OutputKey::new("name");
/// The role's ARN.
pub const ARN: OutputKey<RoleArn> = OutputKey::new("arn");
/// Every role of ours stands under this path, so that a listing finds them.
pub const PATH: &str = "/kubewright/";

/// Who may take the role on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trusts {
    /// The EKS control plane.
    Eks,
    /// Nodes.
    Ec2,
    /// Pods, through EKS Pod Identity.
    Pods,
}

/// A role. Identity: `Name`, tagged. Its `ResourceRef` id is its name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IamRole {
    /// Name, at most 64 characters, the same as in the identity.
    pub name: RoleName,
    /// Trust policy.
    pub trusts: Trusts,
    /// Shown in the console.
    pub description: String,
    /// More tags.
    #[serde(default, skip_serializing_if = "ExtraTags::is_empty")]
    pub extra_tags: ExtraTags,
}
