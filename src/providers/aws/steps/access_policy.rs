//! What an access entry may do in the whole cluster.

use super::refs::EksName;
use crate::engine::Input;
use serde::{Deserialize, Serialize};

/// How plans name this kind.
pub const KIND: &str = "aws/access-policy";
/// Everything.
pub const CLUSTER_ADMIN: &str = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy";

/// An association of an access policy, cluster wide. Identity: `Child` of the access entry's step with the policy's
/// ARN as key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AccessPolicy {
    /// The cluster.
    pub cluster: Input<EksName>,
    /// Whose entry.
    pub principal_arn: String,
    /// The policy.
    pub policy_arn: String,
}
