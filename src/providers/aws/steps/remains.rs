//! What a cluster leaves behind: found by the searches of a teardown, deleted, never made by a plan.
//!
//! Each kind says how it is read by id and how it is removed; the six verbs are the same for all.

use super::support::{never_made, what};
use crate::engine::{
    Deletion, Found, Lookup, Observed, Outputs, Owned, Probe, ResourceRef, Scope, Step, StepError, Token,
};
use crate::providers::aws::client::AwsCx;
use async_trait::async_trait;

/// One kind of leftover.
#[async_trait]
pub trait Remains: Send + Sync {
    /// In the user's words.
    const NOUN: &'static str;

    /// By its id; none when it is gone.
    async fn read(&self, cx: &AwsCx, id: &str) -> Result<Vec<Observed>, StepError>;

    /// One mutating call.
    async fn remove(&self, cx: &AwsCx, what: &str, id: &str) -> Result<Deletion, StepError>;
}

#[async_trait]
impl<T: Remains> Step<AwsCx> for T {
    async fn find(&self, cx: &AwsCx, _: Scope<'_>, by: Lookup<'_>) -> Result<Found, StepError> {
        match by {
            Lookup::Id(it) => Ok(self.read(cx, &it.id).await?.into()),
            // Nothing tells them apart but their id.
            Lookup::Identity => Ok(Found::None),
        }
    }

    async fn create(&self, _: &AwsCx, at: Scope<'_>, _: &Token) -> Result<ResourceRef, StepError> {
        Err(never_made(&what(T::NOUN, at)))
    }

    async fn converge(&self, _: &AwsCx, _: Scope<'_>, _: &Owned) -> Result<(), StepError> {
        Ok(())
    }

    async fn probe(&self, _: &AwsCx, _: Scope<'_>, _: &ResourceRef) -> Result<Probe, StepError> {
        Ok(Probe::Ready)
    }

    async fn outputs(&self, _: &AwsCx, _: Scope<'_>, _: &ResourceRef) -> Result<Outputs, StepError> {
        Ok(Outputs::new())
    }

    async fn delete(&self, cx: &AwsCx, _: Scope<'_>, owned: &Owned) -> Result<Deletion, StepError> {
        let it = owned.reference();
        let what = format!("{} {}", T::NOUN, it.name.as_deref().unwrap_or(&it.id));
        self.remove(cx, &what, &it.id).await
    }
}
