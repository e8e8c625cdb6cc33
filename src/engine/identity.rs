//! How a thing can be found by somebody who knows only the journal line that announced it.

use super::StepId;
use serde::{Deserialize, Serialize};

/// Known before the call that creates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "camelCase")]
pub enum Identity {
    /// By our stack and step tags.
    Tags,
    /// By a deterministic name that holds the short stack id.
    Name {
        /// The full name, within the cloud's limit.
        name: String,
    },
    /// By its place in something of ours: a route, an association, an attachment, an inline policy.
    Child {
        /// The step that made the parent.
        parent: StepId,
        /// What tells it from the parent's other children.
        key: String,
    },
    /// By its place in something that is not ours: a role binding in a project, an assignment on an adopted subnet.
    Member {
        /// The foreign thing.
        of: String,
        /// Our entry in it.
        key: String,
    },
    /// Made once and left for all: API enablement, service-linked roles. Shown, never undone.
    OneWay {
        /// What it is called there.
        name: String,
    },
    /// Brought along by the user: adopted, never changed, never deleted.
    External {
        /// Its id there.
        id: String,
    },
}

impl Identity {
    /// Whether teardown may delete what this identity finds.
    pub const fn is_undone(&self) -> bool {
        !matches!(self, Self::OneWay { .. } | Self::External { .. })
    }
}
