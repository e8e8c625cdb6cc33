//! `kubewright.policy/v1`.

use super::Stack;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

/// One policy in the cloud's own words.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct PolicyDocument {
    /// A name for it.
    pub name: String,
    /// Its size as the cloud counts it.
    pub characters: usize,
    /// The document.
    pub document: Value,
}

/// The body.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Policy {
    /// The cluster it is for; it has no id yet.
    pub stack: Stack,
    /// all, build, operate or destroy.
    pub purpose: String,
    /// All of them are needed.
    pub policies: Vec<PolicyDocument>,
    /// Every action in them.
    pub actions: Vec<String>,
    /// Those of them without which something is not known beforehand, and nothing fails.
    pub optional: Vec<String>,
    /// What stays wider than this cluster, and why.
    pub wide: Vec<String>,
}
