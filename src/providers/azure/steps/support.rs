//! What all steps share: how an answer becomes evidence, how something is made without writing over what is there, how
//! it is removed.

use crate::engine::{Deletion, ErrorClass, Found, Lookup, Observed, Probe, Residue, ResourceRef, Scope, StepError};
use crate::providers::azure::client::{AzureCx, Only, Op};
use crate::providers::azure::error::{BLOCKED, EXISTS, NOT_YET};
use crate::providers::azure::lro;
use crate::providers::azure::models::{Answered, Provisioned};
use crate::providers::azure::refs::ArmId;
use crate::providers::kit;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub(in crate::providers::azure) use crate::providers::kit::{all_tags, lacking, never_made, seen_child, what};

/// An object with its evidence, under the id that we know it by.
pub(in crate::providers::azure) fn observe<P: Default>(kind: &str, id: &ArmId, it: &Answered<P>) -> Observed {
    let mut seen = kit::seen(kind, id.as_str(), it.tags.clone());
    seen.reference.name = Some(id.name().to_owned());
    seen.evidence.name = Some(id.name().to_owned());
    seen.created_at = it.system_data.created_at.or(it.created_time);
    seen
}

/// The operations of one type.
#[derive(Debug, Clone, Copy)]
pub(in crate::providers::azure) struct Type {
    /// How plans name the kind.
    pub kind: &'static str,
    /// In the user's words.
    pub noun: &'static str,
    /// Reads one.
    pub get: Op,
    /// Makes or replaces one.
    pub put: Op,
    /// Removes one.
    pub delete: Op,
}

impl Type {
    /// The thing in the user's words.
    pub fn what(&self, at: Scope<'_>) -> String {
        what(self.noun, at)
    }

    /// One of them, with what Azure answered.
    pub async fn read<P: DeserializeOwned + Default>(
        &self,
        cx: &AzureCx,
        id: &ArmId,
    ) -> Result<Option<(Observed, Answered<P>)>, StepError> {
        let found: Option<Answered<P>> = cx.get(self.get, &format!("{} {}", self.noun, id.name()), id).await?;
        Ok(found.map(|it| (observe(self.kind, id, &it), it)))
    }

    /// What [`crate::engine::Step::find`] says of an object with a provisioning state: its id is known beforehand. A
    /// deletion that failed meanwhile is told here, once.
    pub async fn find(&self, cx: &AzureCx, at: Scope<'_>, id: &ArmId, by: Lookup<'_>) -> Result<Found, StepError> {
        let asked = match by {
            Lookup::Id(it) => ArmId(it.id.clone()),
            Lookup::Identity => id.clone(),
        };
        let Some((seen, it)) = self.read::<Provisioned>(cx, &asked).await? else { return Ok(Found::None) };
        if matches!(by, Lookup::Id(_)) {
            let state = it.properties.provisioning_state.as_deref();
            lro::surface(cx, self.delete, &self.what(at), asked.as_str(), state).await?;
        }
        Ok(Found::One(seen))
    }

    /// Makes one, in one call that has no effect where something of that name is.
    pub async fn create(
        &self,
        cx: &AzureCx,
        at: Scope<'_>,
        id: &ArmId,
        body: &impl Serialize,
        only: Only<'_>,
    ) -> Result<ResourceRef, StepError> {
        let what = self.what(at);
        // An interface without conditions would write over whatever is there, so that is looked for first. The name
        // holds the stack's id: nobody else comes by it between look and call.
        if only == Only::Always && cx.get::<Value>(self.get, &what, id).await?.is_some() {
            return Err(exists(&what, id));
        }
        let body = serde_json::to_value(body).expect("bodies are strings, numbers, lists and maps of them");
        let answer = cx.put(self.put, &what, id, body, only).await?;
        let mut made = ResourceRef::new(self.kind, id.as_str());
        made.name = Some(id.name().to_owned());
        Ok(lro::begun(cx, made, &answer))
    }

    /// Removes one.
    pub async fn delete(
        &self,
        cx: &AzureCx,
        at: Scope<'_>,
        id: &str,
        query: &[(&str, &str)],
    ) -> Result<Deletion, StepError> {
        match cx.delete(self.delete, &self.what(at), &ArmId(id.to_owned()), query).await? {
            None => Ok(Deletion::Gone),
            Some(answer) => {
                lro::removing(cx, id, &answer);
                Ok(Deletion::Started)
            }
        }
    }

    /// How one stands by its operation and its state.
    pub async fn probe(&self, cx: &AzureCx, at: Scope<'_>, it: &ResourceRef) -> Result<Probe, StepError> {
        let id = ArmId(it.id.clone());
        let read = async {
            let found = self.read::<Provisioned>(cx, &id).await?;
            Ok(found.map(|(_, it)| it.properties.provisioning_state))
        };
        lro::probe(cx, self.put, &self.what(at), it, read).await
    }
}

/// Of an object that exists but is not visible yet, or is gone.
pub(in crate::providers::azure) fn visible<T>(what: &str, found: Option<T>) -> Result<T, StepError> {
    found.ok_or_else(|| lro::invisible(what))
}

/// Something of that name is there.
fn exists(what: &str, id: &ArmId) -> StepError {
    let message = format!("cannot create {what}: {id} exists");
    StepError::new(ErrorClass::Conflict, EXISTS, message).with_residue(Residue::None)
}

/// Waiting for something in a delete.
pub(in crate::providers::azure) fn busy(what: &str, why: impl std::fmt::Display) -> StepError {
    kit::busy(NOT_YET, what, why)
}

/// Something that is not ours is in the way of a delete.
pub(in crate::providers::azure) fn blocked(what: &str, why: impl std::fmt::Display) -> StepError {
    kit::blocked(BLOCKED, what, why)
}

/// An answer without what is needed of it.
pub(super) fn lacks(what: &str, field: &str) -> StepError {
    StepError::new(ErrorClass::NotYet, NOT_YET, format!("cannot read {what}: it has no {field} yet"))
        .with_residue(Residue::None)
}
