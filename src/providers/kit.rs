//! What the steps of every cloud share: the thing in words, how an answer becomes evidence, refusals that no cloud gives.

use super::anchors::Tags;
use crate::engine::{ErrorClass, Evidence, Identity, Observed, Residue, ResourceRef, Scope, StepError};
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

/// Why something never became usable, for [`crate::engine::Probe::Broken`].
pub fn broken(class: ErrorClass, id: &str, it: &ResourceRef, message: impl Into<String>) -> StepError {
    StepError::new(class, id, message).with_residue(Residue::Some(it.clone()))
}
