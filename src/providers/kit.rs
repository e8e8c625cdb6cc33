//! What the steps of every cloud share: the thing in words, how an answer becomes evidence, refusals that no cloud gives.

use super::StackSeen;
use super::anchors::{self, Tags};
use crate::cost::{HOURS_PER_MONTH, prices};
use crate::engine::proof::{self, TAG_RUN, TAG_STEP};
use crate::engine::{
    Creation, ErrorClass, Evidence, Identity, Observed, PlannedStep, Residue, ResourceRef, Scope, StepError, StepId,
    Swept, Timing,
};
use crate::model::{Cloud, Region, Stack};
use jiff::Timestamp;
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

/// USD an hour for so much of a component of a region; none where the table does not know it.
pub fn hourly(cloud: Cloud, region: &Region, component: &str, quantity: f64) -> Option<f64> {
    let price = prices().component(cloud, region, component)?;
    match price.unit {
        "hour" => Some(price.usd * quantity),
        "GB-month" | "month" => Some(price.usd * quantity / HOURS_PER_MONTH),
        _ => None,
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

/// Something that is not ours is in the way of a delete. `id` is the cloud's own for that.
pub fn blocked(id: &str, what: &str, why: impl std::fmt::Display) -> StepError {
    StepError::new(ErrorClass::Conflict, id, format!("cannot delete {what}: {why}")).with_residue(Residue::None)
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

/// When the stack was begun, as these tags say.
pub fn begun_at(tags: &Tags) -> Option<Timestamp> {
    Timestamp::from_second(tags.get(anchors::TAG_CREATED_AT)?.parse().ok()?).ok()
}

/// When the run began that made an object: ids of runs begin with that (UUID version 7, RFC 9562 §5.7).
pub fn made_in_run_of(tags: &Tags) -> Option<Timestamp> {
    let run = tags.get(TAG_RUN).filter(|run| run.len() == 32 && run.as_bytes()[12] == b'7')?;
    Timestamp::from_millisecond(i64::from_str_radix(run.get(..12)?, 16).ok()?).ok()
}

/// The stacks of ours that these objects tell of, on clouds where all tags can change: each with the time at which it
/// was made, where the cloud says so.
pub fn stacks_among(objects: impl IntoIterator<Item = (Tags, Option<Timestamp>)>) -> Vec<StackSeen> {
    let mut seen: BTreeMap<Stack, StackSeen> = BTreeMap::new();
    for (tags, made) in objects {
        let Some(stack) = anchors::stack_of(&tags) else { continue };
        let entry = seen.entry(stack.clone()).or_insert_with(|| StackSeen::of(stack.clone()));
        // Only what carries both of our tags speaks for the stack.
        let speaks = tags.contains_key(TAG_STEP);
        let mut one = StackSeen {
            builder: tags.get(anchors::TAG_BUILDER).cloned(),
            expires_at: proof::expires_at(&tags).filter(|_| speaks),
            protect: speaks && proof::protects(&tags),
            current: true,
            last_made_at: made_in_run_of(&tags),
            spec: anchors::spec_of(&tags),
            objects: 1,
            ..StackSeen::of(stack)
        };
        one.seen_made([begun_at(&tags), made]);
        entry.absorb(one);
    }
    seen.into_values().collect()
}

/// Which kinds go after which: the kind, and those that have to be gone first.
pub type Order<'a> = [(&'a str, &'a [&'a str])];

/// What was found without a plan, each told after which of the others it goes.
pub fn ordered(mut found: Vec<Swept>, order: &Order<'_>) -> Vec<Swept> {
    let mut by_kind: BTreeMap<String, Vec<StepId>> = BTreeMap::new();
    for one in &found {
        by_kind.entry(one.step.kind.clone()).or_default().push(one.step.id.clone());
    }
    for one in &mut found {
        let first = order.iter().find(|(kind, _)| *kind == one.step.kind).map(|(_, first)| *first).unwrap_or_default();
        one.after = first.iter().filter_map(|kind| by_kind.get(*kind)).flatten().cloned().collect();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::proof::{TAG_EXPIRES_AT, TAG_PROTECT, TAG_STACK};

    #[test]
    fn a_stack_is_as_old_as_its_tag_and_was_built_until_its_newest_object() {
        let at = |second| Timestamp::from_second(second).ok();
        let tags = |more: &[(&str, &str)]| -> Tags {
            let own = [(TAG_STACK, "demo-0a1b2c3d"), (TAG_STEP, "network"), (anchors::TAG_CREATED_AT, "1000")];
            own.iter().chain(more).map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        let first = (tags(&[(TAG_EXPIRES_AT, "300")]), None);
        let protected = (tags(&[(TAG_PROTECT, "true"), (TAG_EXPIRES_AT, "200")]), at(5000));
        let seen = stacks_among([first.clone(), protected]);
        assert_eq!((seen[0].created_at, seen[0].last_made_at, seen[0].objects), (at(1000), at(5000), 2));
        assert_eq!((seen[0].expires_at, seen[0].protect, seen[0].current), (at(300), true, true));
        // 0x0000_0066_ff30 milliseconds: the run that went on.
        let later = (tags(&[(TAG_RUN, "00000066ff307abc8000000000000000")]), None);
        assert_eq!(stacks_among([first.clone(), later])[0].last_made_at, at(6750));
        for odd in [
            "r1",
            "00000066ff304abc8000000000000000",
            "zzzzzzzzzzzz7abc8000000000000000",
            "é0000066ff37abc800000000000000ä",
        ] {
            let odd = (tags(&[(TAG_RUN, odd)]), None);
            assert_eq!(stacks_among([first.clone(), odd])[0].last_made_at, at(1000));
        }
        // Whose tags lack the step speaks for nobody's protection, and for nobody's end.
        let mut bare = tags(&[(TAG_PROTECT, "true"), (TAG_EXPIRES_AT, "900")]);
        bare.remove(TAG_STEP);
        let seen = &stacks_among([first, (bare, None)])[0];
        assert_eq!((seen.protect, seen.expires_at), (false, at(300)));
    }
}
