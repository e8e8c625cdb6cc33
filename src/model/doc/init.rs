//! `kubewright.init/v1`.

use super::{Eta, Stack};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

/// The body.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Init {
    /// The cluster it describes; it has no id while it is not built.
    pub stack: Stack,
    /// Where it was written, as named.
    pub file: String,
    /// What was written.
    pub text: String,
    /// The same as data.
    pub spec: Value,
    /// The command line that does the same without the file.
    pub command: String,
    /// What builds it from the file.
    pub next: String,
    /// Whether the cloud itself was asked what it offers.
    pub live: bool,
    /// What it would cost; null when unknown.
    pub usd_per_hour: Option<f64>,
    /// How long it takes; null when unknown.
    pub eta: Option<Eta>,
}
