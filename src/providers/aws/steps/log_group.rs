//! The log group of a control plane, made before EKS makes it without tags and without an end.

use serde::{Deserialize, Serialize};

/// How plans name this kind.
pub const KIND: &str = "aws/log-group";

/// A log group. Identity: `Name`, tagged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LogGroup {
    /// `/aws/eks/<cluster>/cluster`.
    pub name: String,
    /// Days until lines are dropped: one of the values CloudWatch takes.
    pub retention_days: u16,
}
