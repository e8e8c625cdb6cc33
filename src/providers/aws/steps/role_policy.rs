//! The attachment of a managed policy to a role of ours.

use super::refs::RoleName;
use crate::engine::Input;
use serde::{Deserialize, Serialize};

/// How plans name this kind.
pub const KIND: &str = "aws/role-policy";

/// An attachment. Identity: `Child` of the role's step with the policy's ARN as key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RolePolicy {
    /// The role.
    pub role: Input<RoleName>,
    /// The managed policy.
    pub policy_arn: String,
}
