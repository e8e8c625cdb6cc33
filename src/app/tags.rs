//! What every object of a stack carries beside its own step and run: for people, for `reap`, and for other machines.

use crate::engine::proof::{TAG_EXPIRES_AT, TAG_PROTECT};
use crate::model::ResolvedSpec;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// Who built a stack, `user@host`.
pub(super) const TAG_BUILDER: &str = "kubewright-builder";
/// When it was begun, epoch seconds.
pub(super) const TAG_CREATED_AT: &str = "kubewright-created-at";

/// The tags of a stack.
pub(super) fn of(
    spec: &ResolvedSpec,
    builder: Option<&str>,
    created_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
) -> BTreeMap<String, String> {
    let mut tags = spec.tags.clone();
    // IAM tells keys apart without regard to case: the user's `Environment` and ours cannot stand on one role.
    let taken = |key: &str| spec.tags.keys().any(|has| has != key && has.eq_ignore_ascii_case(key));
    let mut put = |key: &str, value: Option<String>| {
        if let Some(value) = value.filter(|_| !taken(key)) {
            tags.insert(key.to_owned(), value);
        }
    };
    let seconds = |at: Timestamp| at.as_second().to_string();
    put("created_by", Some("kubewright".to_owned()));
    put("cluster_name", Some(spec.name.to_string()));
    put("environment", spec.environment.clone());
    put(TAG_BUILDER, builder.map(str::to_owned));
    put(TAG_CREATED_AT, created_at.map(seconds));
    put(TAG_EXPIRES_AT, expires_at.map(seconds));
    set_protection(&mut tags, spec.protect);
    tags
}

/// Says in these tags when the stack expires.
pub(super) fn set_expiry(tags: &mut BTreeMap<String, String>, at: Timestamp) {
    tags.insert(TAG_EXPIRES_AT.to_owned(), at.as_second().to_string());
}

/// Says in these tags whether the stack is protected. Where it is not, nothing is said.
pub(super) fn set_protection(tags: &mut BTreeMap<String, String>, on: bool) {
    if on {
        tags.insert(TAG_PROTECT.to_owned(), "true".to_owned());
    } else {
        tags.remove(TAG_PROTECT);
    }
}
