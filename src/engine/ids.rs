//! Ids of the engine: steps, runs, client request tokens.

use crate::model::Stack;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;

/// A stable path such as `network/subnet/private-a`; never an index.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepId(String);

impl StepId {
    /// The id with this path. Paths are made by providers: `a-z0-9._-` and `/` between parts.
    pub fn new(path: impl Into<String>) -> Self {
        Self(path.into())
    }

    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As a tag or label value, where `/` is not welcome everywhere.
    pub fn tag_value(&self) -> String {
        self.0.replace('/', "__")
    }

    /// Back from [`Self::tag_value`].
    pub fn from_tag_value(value: &str) -> Self {
        Self(value.replace("__", "/"))
    }
}

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for StepId {
    fn from(path: &str) -> Self {
        Self(path.to_owned())
    }
}

/// One invocation. Sorts by time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub String);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A client request token: the same for every repeat of one intent, another after a terminal failure or a delete.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Token(String);

impl Token {
    /// Derived from what it stands for, 64 hexadecimal digits: every cloud takes that.
    pub fn derive(stack: &Stack, step: &StepId, generation: u32) -> Self {
        let mut hash = Sha256::new();
        hash.update(format!("kubewright/token/1\n{stack}\n{step}\n{generation}"));
        Self(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// The token as sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
