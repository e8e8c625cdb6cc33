//! `kubewright.kubeconfig/v1`.

use super::Stack;
use schemars::JsonSchema;
use serde::Serialize;

/// What happened to the context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ContextAction {
    /// It was added or changed.
    Written,
    /// It stood there as it should.
    Unchanged,
    /// It was taken out.
    Removed,
}

/// The credential plugin as kubectl calls it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Exec {
    /// Absolute path of the program.
    pub command: String,
    /// Its arguments.
    pub args: Vec<String>,
}

/// The body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KubeconfigReport {
    /// The cluster.
    pub stack: Stack,
    /// What happened.
    pub action: ContextAction,
    /// In which file.
    pub path: String,
    /// The context's name.
    pub context: String,
    /// The current context afterwards; null when there is none.
    pub current_context: Option<String>,
    /// Whether this run moved it.
    pub switched: bool,
    /// The credential plugin; null when the context went.
    pub exec: Option<Exec>,
}
