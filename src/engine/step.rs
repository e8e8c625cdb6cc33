//! The step: one cloud object, five verbs. Steps never sleep, retry, print or read the clock; the engine does.

use super::{Identity, Inputs, Observed, Outputs, Owned, ResourceRef, RunId, StepError, StepId, Token};
use crate::model::Stack;
use async_trait::async_trait;
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// What every verb is told about where it stands.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// The stack being built or removed.
    pub stack: &'a Stack,
    /// The run that acts.
    pub run: &'a RunId,
    /// The step.
    pub step: &'a StepId,
    /// How its object is found.
    pub identity: &'a Identity,
    /// Outputs of its ancestors.
    pub inputs: &'a Inputs,
    /// All tags a created object carries, ours and the user's.
    pub tags: &'a BTreeMap<String, String>,
}

/// Whether to look by what the plan knows or by an id from the journal.
#[derive(Debug, Clone, Copy)]
pub enum Lookup<'a> {
    /// By [`Scope::identity`].
    Identity,
    /// By the id the cloud gave; a strongly consistent read wherever there is one.
    Id(&'a ResourceRef),
}

/// What a look-up found. Tombstones (terminated, deleted) count as nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "one at a time, taken apart where it is made; a box would only be noise")]
pub enum Found {
    /// Nothing now.
    None,
    /// Exactly one.
    One(Observed),
    /// Several, in no order.
    Many(Vec<Observed>),
}

impl From<Vec<Observed>> for Found {
    fn from(mut seen: Vec<Observed>) -> Self {
        match seen.len() {
            0 => Self::None,
            1 => Self::One(seen.remove(0)),
            _ => Self::Many(seen),
        }
    }
}

impl Found {
    /// All that was found.
    pub fn into_vec(self) -> Vec<Observed> {
        match self {
            Self::None => Vec::new(),
            Self::One(one) => vec![one],
            Self::Many(many) => many,
        }
    }
}

/// Whether an object can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "one at a time, taken apart where it is made; a box would only be noise")]
pub enum Probe {
    /// It can.
    Ready,
    /// Not yet; the cloud's own status word, for the progress line.
    NotYet(String),
    /// The same, and the cloud asked not to be asked again sooner than that.
    NotBefore(String, Duration),
    /// It never will: deleted and made anew, or given up.
    Broken(StepError),
}

/// How far a delete came in one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deletion {
    /// It is gone, or was not there.
    Gone,
    /// Under way; look again by id.
    Started,
    /// Ours is gone: under its name stands somebody else's, which stays.
    Taken,
}

/// One kind of cloud object, with its params inside. `Cx` is the provider's own context.
#[async_trait]
pub trait Step<Cx: Send + Sync>: Send + Sync {
    /// Reads; never changes anything.
    async fn find(&self, cx: &Cx, at: Scope<'_>, by: Lookup<'_>) -> Result<Found, StepError>;

    /// Exactly one mutating call, tagged in that call. For things brought along this is never called.
    async fn create(&self, cx: &Cx, at: Scope<'_>, token: &Token) -> Result<ResourceRef, StepError>;

    /// Idempotent follow-ups and the outputs; may run many times, before and after the object is ready.
    /// Called once after creation or adoption, and again on every resume that is not yet `Ready`.
    async fn converge(&self, cx: &Cx, at: Scope<'_>, owned: &Owned) -> Result<(), StepError>;

    /// One read: can it be used?
    async fn probe(&self, cx: &Cx, at: Scope<'_>, it: &ResourceRef) -> Result<Probe, StepError>;

    /// The typed outputs of a ready (or brought-along) object; reads only.
    async fn outputs(&self, cx: &Cx, at: Scope<'_>, it: &ResourceRef) -> Result<Outputs, StepError>;

    /// One mutating call that removes it. Not found is [`Deletion::Gone`]. A call that the cloud refuses because
    /// something still uses it is `NotYet` while that something is going, `Conflict` when it is not ours.
    async fn delete(&self, cx: &Cx, at: Scope<'_>, owned: &Owned) -> Result<Deletion, StepError>;
}

/// A step with its context bound: what the engine runs.
#[async_trait]
pub trait AnyStep: Send + Sync {
    /// See [`Step::find`].
    async fn find(&self, at: Scope<'_>, by: Lookup<'_>) -> Result<Found, StepError>;
    /// See [`Step::create`].
    async fn create(&self, at: Scope<'_>, token: &Token) -> Result<ResourceRef, StepError>;
    /// See [`Step::converge`].
    async fn converge(&self, at: Scope<'_>, owned: &Owned) -> Result<(), StepError>;
    /// See [`Step::probe`].
    async fn probe(&self, at: Scope<'_>, it: &ResourceRef) -> Result<Probe, StepError>;
    /// See [`Step::outputs`].
    async fn outputs(&self, at: Scope<'_>, it: &ResourceRef) -> Result<Outputs, StepError>;
    /// See [`Step::delete`].
    async fn delete(&self, at: Scope<'_>, owned: &Owned) -> Result<Deletion, StepError>;
}

/// Erases a provider's context.
pub struct Bound<Cx, S> {
    /// The provider's context: clients, region, account.
    pub cx: Arc<Cx>,
    /// The step's kind and params.
    pub step: S,
}

#[async_trait]
impl<Cx: Send + Sync, S: Step<Cx>> AnyStep for Bound<Cx, S> {
    async fn find(&self, at: Scope<'_>, by: Lookup<'_>) -> Result<Found, StepError> {
        self.step.find(&self.cx, at, by).await
    }
    async fn create(&self, at: Scope<'_>, token: &Token) -> Result<ResourceRef, StepError> {
        self.step.create(&self.cx, at, token).await
    }
    async fn converge(&self, at: Scope<'_>, owned: &Owned) -> Result<(), StepError> {
        self.step.converge(&self.cx, at, owned).await
    }
    async fn probe(&self, at: Scope<'_>, it: &ResourceRef) -> Result<Probe, StepError> {
        self.step.probe(&self.cx, at, it).await
    }
    async fn outputs(&self, at: Scope<'_>, it: &ResourceRef) -> Result<Outputs, StepError> {
        self.step.outputs(&self.cx, at, it).await
    }
    async fn delete(&self, at: Scope<'_>, owned: &Owned) -> Result<Deletion, StepError> {
        self.step.delete(&self.cx, at, owned).await
    }
}
