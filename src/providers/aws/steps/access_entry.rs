//! Lets an IAM identity into the cluster.

use super::refs::EksName;
use crate::engine::Input;
use serde::{Deserialize, Serialize};

/// How plans name this kind.
pub const KIND: &str = "aws/access-entry";

/// An access entry of type STANDARD. Identity: `Child` of the cluster's step with the principal's ARN as key.
/// Its `ResourceRef` id is that ARN.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AccessEntry {
    /// The cluster.
    pub cluster: Input<EksName>,
    /// The user or role (never a session) that gets in.
    pub principal_arn: String,
}
