//! An EKS add-on.

use super::refs::{EksName, RoleArn};
use crate::engine::Input;
use serde::{Deserialize, Serialize};

/// How plans name this kind.
pub const KIND: &str = "aws/addon";

/// A service account of the add-on with the role it gets through Pod Identity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AddonIdentity {
    /// The service account in the add-on's namespace.
    pub service_account: String,
    /// Its role.
    pub role: Input<RoleArn>,
}

/// An add-on. Identity: `Child` of the cluster's step with the add-on's name as key. Its `ResourceRef` id is its name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Addon {
    /// The cluster.
    pub cluster: Input<EksName>,
    /// `vpc-cni`, `coredns` …
    pub name: String,
    /// Version; none leaves the choice to EKS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Pod identities made and removed with the add-on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub identities: Vec<AddonIdentity>,
}
