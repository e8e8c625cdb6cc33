//! `kubewright.schema-list/v1`.

use schemars::JsonSchema;
use serde::Serialize;

/// One schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SchemaKind {
    /// What `kubewright schema` is asked for.
    pub kind: String,
    /// What stands in `schema` of such a document, or in `apiVersion` of the file.
    pub id: String,
    /// In words.
    pub about: String,
}

/// The body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SchemaList {
    /// All of them.
    pub kinds: Vec<SchemaKind>,
}
