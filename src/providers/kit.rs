//! What the steps of every cloud share: the thing in words, how an answer becomes evidence, refusals that no cloud gives.

use super::anchors::Tags;
use crate::engine::{
    Creation, ErrorClass, Evidence, Identity, Observed, PlannedStep, Residue, ResourceRef, Scope, StepError, StepId,
    Timing,
};
use serde::Serialize;
use std::collections::BTreeMap;

/// Tags beside those every object of the stack gets: roles of subnets, the chunks of the stored spec.
pub type ExtraTags = BTreeMap<String, String>;

/// The thing in the user's words, for messages: `VPC (network/vpc)`.
pub fn what(noun: &str, at: Scope<'_>) -> String {
    format!("{noun} ({})", at.step)
}

/// All tags of a new object.
pub fn all_tags(at: Scope<'_>, extra: &ExtraTags) -> Tags {
    at.tags.iter().chain(extra).map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// Labels that an object should carry and does not: a later plan may word them anew.
pub fn lacking(seen: &Observed, extra: &ExtraTags) -> Tags {
    let differs = |(key, value): &(&String, &String)| seen.evidence.tags.get(*key) != Some(*value);
    extra.iter().filter(differs).map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// The key of a child.
pub fn child_key<'a>(at: &Scope<'a>) -> Option<&'a str> {
    match at.identity {
        Identity::Child { key, .. } => Some(key),
        _ => None,
    }
}

/// An object with its tags; the caller adds name, parent and time where the kind has them.
pub fn seen(kind: &str, id: &str, tags: Tags) -> Observed {
    Observed {
        reference: ResourceRef::new(kind, id),
        evidence: Evidence { tags, ..Evidence::default() },
        created_at: None,
        attached: false,
    }
}

/// An entry in something of ours.
pub fn seen_child(kind: &str, id: &str, parent: &str, key: &str) -> Observed {
    Observed {
        reference: ResourceRef::new(kind, id),
        evidence: Evidence { name: Some(key.to_owned()), parent: Some(parent.to_owned()), ..Evidence::default() },
        created_at: None,
        attached: false,
    }
}

/// Create was called for something that is never made by us: a fault of ours, caught before any call.
pub fn never_made(what: &str) -> StepError {
    StepError::new(ErrorClass::Permanent, "KW-PLAN", format!("cannot create {what}: it is not ours to make"))
        .with_residue(Residue::None)
}

/// Of an object that exists but is not visible yet, or is gone: the engine bounds the wait and looks again. `id` is the
/// cloud's own for that.
pub fn visible<T>(id: &str, what: &str, found: Option<T>) -> Result<T, StepError> {
    found.ok_or_else(|| {
        StepError::new(ErrorClass::NotYet, id, format!("cannot read {what}: it is not visible yet"))
            .with_residue(Residue::None)
    })
}

/// Waiting for something in a delete. `id` is the cloud's own for that.
pub fn busy(id: &str, what: &str, why: impl std::fmt::Display) -> StepError {
    StepError::new(ErrorClass::NotYet, id, format!("cannot delete {what} yet: {why}")).with_residue(Residue::None)
}

/// Why something never became usable, for [`crate::engine::Probe::Broken`].
pub fn broken(class: ErrorClass, id: &str, it: &ResourceRef, message: impl Into<String>) -> StepError {
    StepError::new(class, id, message).with_residue(Residue::Some(it.clone()))
}

/// A step that is good for one thing: to be deleted. `whose` is how it is found and whether it carries tags, `times` the
/// usual seconds until it is gone and the most that are waited for.
pub fn deletable<P: Serialize>(
    id: StepId,
    kind: &str,
    params: &P,
    whose: (Identity, bool),
    service: &str,
    times: (u32, u32),
) -> PlannedStep {
    let (identity, tagged) = whose;
    let (delete_p50_secs, delete_deadline_secs) = times;
    PlannedStep {
        id,
        kind: kind.to_owned(),
        params: serde_json::to_value(params).expect("params are plain strings, numbers, lists and maps"),
        identity,
        tagged,
        needs: Vec::new(),
        service: service.to_owned(),
        creation: Creation::Plain,
        settle_secs: 0,
        timing: Timing { p50_secs: 0, p90_secs: 0, deadline_secs: 0, delete_p50_secs, delete_deadline_secs },
        usage: Vec::new(),
        dies_with: None,
    }
}
