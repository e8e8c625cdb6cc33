//! Gives a service account of the cluster an IAM role.

use super::refs::{EksName, RoleArn};
use crate::engine::Input;
use serde::{Deserialize, Serialize};

/// How plans name this kind.
pub const KIND: &str = "aws/pod-identity";

/// A pod identity association. Identity: `Child` of the cluster's step with `namespace/service-account` as key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PodIdentity {
    /// The cluster.
    pub cluster: Input<EksName>,
    /// Kubernetes namespace.
    pub namespace: String,
    /// Service account in it.
    pub service_account: String,
    /// The role.
    pub role: Input<RoleArn>,
}
