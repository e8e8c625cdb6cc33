//! What a step can fail with, and what the failed call may have left behind.

use super::ResourceRef;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Decides whether the engine tries again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ErrorClass {
    /// Network, 5xx, reset: retried.
    Transient,
    /// Told to slow down: retried, and the service's limiter slows too.
    Throttled,
    /// Not visible or not ready yet, propagation, dependency still going: retried within the step's deadline.
    NotYet,
    /// Something with that name is there, or somebody else is changing it: looked up, then decided.
    Conflict,
    /// Not signed in, signed in as somebody else, or not allowed.
    Auth,
    /// A limit of the account.
    Quota,
    /// The cloud has none left of it.
    Capacity,
    /// Trying again cannot help.
    Permanent,
}

impl ErrorClass {
    /// Whether the engine alone may try the same call again.
    pub const fn is_retried(self) -> bool {
        matches!(self, Self::Transient | Self::Throttled | Self::NotYet)
    }
}

/// What the failed call may have left in the cloud.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(tag = "kind", content = "resource", rename_all = "camelCase")]
pub enum Residue {
    /// Provably nothing: refused before any effect.
    None,
    /// This.
    Some(ResourceRef),
    /// Nobody knows. The default in doubt.
    #[default]
    Unknown,
}

/// A step's failure, with all a person needs to act on it. Serialised into the journal: never a secret in here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
#[serde(rename_all = "camelCase")]
pub struct StepError {
    /// Decides about retries.
    pub class: ErrorClass,
    /// Decides about recovery.
    pub residue: Residue,
    /// Our id, `KW-AWS-QUOTA`.
    pub id: String,
    /// What was tried, on which thing, why it failed. Lower case, no period.
    pub message: String,
    /// The vendor's error code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The vendor's request id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Commands to paste or things to do next.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<String>,
    /// How long this is worth trying again, where that is less than the step's deadline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_for: Option<Duration>,
    /// The vendor's own word on when to try again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<Duration>,
}

impl StepError {
    /// An error of this class; residue unknown until the caller says better.
    pub fn new(class: ErrorClass, id: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            class,
            residue: Residue::Unknown,
            id: id.into(),
            message: message.into(),
            code: None,
            request_id: None,
            hints: Vec::new(),
            retry_for: None,
            retry_after: None,
        }
    }

    /// The same error with what it left behind.
    #[must_use]
    pub fn with_residue(mut self, residue: Residue) -> Self {
        self.residue = residue;
        self
    }

    /// The same error with one more hint.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}
