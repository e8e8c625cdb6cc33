//! A managed node group.

use super::refs::{EksName, LaunchTemplateId, RoleArn, SubnetId};
use crate::engine::Input;
use crate::model::spec::Taint;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How plans name this kind.
pub const KIND: &str = "aws/node-group";

/// A managed node group. Identity: `Child` of the cluster's step with the group's name as key. Its `ResourceRef` id is
/// its name. Must wait for the node role's policies, for a way out of its subnets and for the network add-on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodeGroup {
    /// The cluster.
    pub cluster: Input<EksName>,
    /// Name in the cluster, at most 63 characters.
    pub name: String,
    /// Kubernetes minor version.
    pub version: String,
    /// The nodes' role.
    pub role: Input<RoleArn>,
    /// Subnets to spread over.
    pub subnets: Vec<Input<SubnetId>>,
    /// The launch template.
    pub launch_template: Input<LaunchTemplateId>,
    /// Which version of it.
    pub launch_template_version: Input<String>,
    /// Machine types.
    pub instance_types: Vec<String>,
    /// EKS's word for the image: `AL2023_x86_64_STANDARD`, `AL2023_ARM_64_STANDARD` …
    pub ami_type: String,
    /// Spot machines.
    pub spot: bool,
    /// Fewest nodes.
    pub min: u32,
    /// Nodes now.
    pub desired: u32,
    /// Most nodes.
    pub max: u32,
    /// Kubernetes labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Kubernetes taints.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taints: Vec<Taint>,
}
