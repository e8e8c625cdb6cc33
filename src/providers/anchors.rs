//! What tags tell of a stack on the clouds whose tags hold long values: the resolved spec in chunks, so that a machine
//! without the journal can plan the same stack again; whose an object is; until when it lives.

use crate::engine::proof::{TAG_STACK, TAG_STEP};
use crate::model::{ResolvedSpec, Stack};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use std::collections::BTreeMap;

/// What we call tags everywhere inside.
pub type Tags = BTreeMap<String, String>;

/// Anchor tags that hold the spec: `kubewright-spec-0`, `-1` …
pub const TAG_SPEC: &str = "kubewright-spec-";
/// Who built it: `user@host`.
pub const TAG_BUILDER: &str = "kubewright-builder";
/// When it was begun, epoch seconds.
pub const TAG_CREATED_AT: &str = "kubewright-created-at";
/// AWS and Azure hold 256 characters a value; EC2 counts some twice, so chunks stay well below.
const CHUNK: usize = 200;
/// AWS and Azure allow 50 tags on an object; the rest is for ours and the user's.
const MAX_CHUNKS: usize = 24;

/// The stack in these tags, if they name one.
pub fn stack_of(tags: &Tags) -> Option<Stack> {
    tags.get(TAG_STACK)?.parse().ok()
}

/// Whether both of our tags name this stack.
pub fn is_ours(stack: &Stack, tags: &Tags) -> bool {
    stack_of(tags).as_ref() == Some(stack) && tags.contains_key(TAG_STEP)
}

/// The spec as anchor tags; none when it is too large to be stored, which preflight warns of.
pub fn spec_chunks(spec: &ResolvedSpec) -> Option<Tags> {
    let json = serde_json::to_vec(spec).expect("a resolved spec is strings, numbers, lists and maps of them");
    let text = URL_SAFE_NO_PAD.encode(json);
    // Base64 is ASCII: every cut is a character boundary.
    let chunks: Vec<&str> =
        text.as_bytes().chunks(CHUNK).map(|part| std::str::from_utf8(part).expect("base64 is ASCII")).collect();
    let count = chunks.len();
    (count <= MAX_CHUNKS).then(|| {
        // The count stands in every key's value, so that a missing last chunk is noticed.
        let numbered = chunks.into_iter().enumerate();
        numbered.map(|(at, part)| (format!("{TAG_SPEC}{at}"), format!("{count}.{part}"))).collect()
    })
}

/// Says over what stood there that the spec is too large to be stored.
pub fn no_spec() -> Tags {
    Tags::from([(format!("{TAG_SPEC}0"), "0.".to_owned())])
}

/// The spec stored in these tags, if all of it is there and this build can read it.
pub fn spec_of(tags: &Tags) -> Option<ResolvedSpec> {
    let (count, _) = tags.get(&format!("{TAG_SPEC}0"))?.split_once('.')?;
    let count: usize = count.parse().ok().filter(|count| *count <= MAX_CHUNKS)?;
    let mut text = String::new();
    for at in 0..count {
        text.push_str(tags.get(&format!("{TAG_SPEC}{at}"))?.split_once('.')?.1);
    }
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}
