//! What says whose an object is. Clusters and node pools carry our tags as labels; networks, subnetworks, routers and
//! service accounts have none, and carry them in their description.
//!
//! A label's value is a-z, 0-9, `-` and `_`, 63 of them. What we write ourselves fits, but for who built it: such a
//! value is escaped, and comes back as it was. What the user wrote is never changed in secret: it fits or is refused.
//!
//! A description is a sentence for people, our tags in brackets, and on the anchors (network, subnetwork, cluster) the
//! resolved spec as JSON, from which a machine without the journal plans the same stack again:
//!
//! ```text
//! network of cluster demo [kubewright-stack=demo-0a1b2c3d kubewright-step=network] spec 1/1 {"name":"demo",…}
//! ```
//!
//! What is larger than one description is shared out between network and subnetwork. A cluster says in a label of which
//! spec it is: a description cannot be changed, a label can, so that a spec that was changed since is not taken for the
//! one that counts.

use crate::engine::proof::{TAG_PROTECT, TAG_RUN, TAG_STACK, TAG_STEP};
use crate::model::ResolvedSpec;
pub use crate::providers::anchors::{TAG_BUILDER, TAG_CREATED_AT, Tags, is_ours, stack_of};
use sha2::{Digest, Sha256};

/// The region of a stack, on things that belong to no region.
pub const TAG_REGION: &str = "kubewright-region";
/// A digest of the spec that counts.
pub const LABEL_SPEC: &str = "kubewright-spec";
/// Longest label.
const LABEL_MAX: usize = 63;
/// Longest description of a network, and of everything else of Compute Engine.
const DESCRIPTION_MAX: usize = 2048;
/// Longest description of a service account.
const ACCOUNT_DESCRIPTION_MAX: usize = 256;
/// How an escaped value starts.
const ESCAPED: &str = "esc_";

/// Our tags as labels.
pub fn labels(tags: &Tags) -> Tags {
    tags.iter().map(|(key, value)| (key.clone(), escape(value))).collect()
}

/// Labels as our tags.
pub fn tags(labels: &Tags) -> Tags {
    labels.iter().map(|(key, value)| (key.clone(), unescape(value))).collect()
}

fn is_plain(text: &str) -> bool {
    text.len() <= LABEL_MAX && text.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '-' | '_'))
}

/// Tags for what cannot change them while it stands: whether the stack is protected is for its cluster to say.
pub fn lasting(tags: &Tags) -> Tags {
    tags.iter().filter(|(key, _)| *key != TAG_PROTECT).map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// The value as a label takes it. One that is too long loses its end: only a builder's address can be.
fn escape(value: &str) -> String {
    if is_plain(value) && !value.starts_with(ESCAPED) {
        return value.to_owned();
    }
    let mut text = ESCAPED.to_owned();
    for byte in value.bytes() {
        let part = match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' => char::from(byte).to_string(),
            _ => format!("_{byte:02x}"),
        };
        if text.len() + part.len() > LABEL_MAX {
            break;
        }
        text.push_str(&part);
    }
    text
}

fn unescape(value: &str) -> String {
    let Some(text) = value.strip_prefix(ESCAPED) else { return value.to_owned() };
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match (first, code.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            (b'_', Some(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| value.to_owned())
}

/// What the user's own tags must be to be labels, in words; nothing where they are.
pub fn problems(spec: &ResolvedSpec) -> Vec<String> {
    let of_environment = spec.environment.iter().map(|value| ("environment", "environment", value));
    let of_tags = spec.tags.iter().map(|(key, value)| ("tags", key.as_str(), value));
    let mut wrong = Vec::new();
    for (place, key, value) in of_environment.chain(of_tags) {
        let starts = key.starts_with(|c: char| c.is_ascii_lowercase());
        if !(is_plain(key) && starts) {
            wrong.push(format!(
                "{place}: `{key}` cannot be a label's key on Google Cloud, which is a-z, 0-9, - and _ and starts with a letter; write `{}`",
                suggestion(key)
            ));
        }
        if !is_plain(value) {
            wrong.push(format!(
                "{place}: `{value}` of `{key}` cannot be a label's value on Google Cloud, which is at most 63 of a-z, 0-9, - and _; write `{}`",
                suggestion(value)
            ));
        }
        let reserved = key.starts_with("goog") || key.starts_with("kubewright-");
        if reserved {
            wrong.push(format!("{place}: labels that start like `{key}` are not the user's"));
        }
    }
    wrong
}

fn suggestion(text: &str) -> String {
    let plain = |c: char| match c.to_ascii_lowercase() {
        c @ ('a'..='z' | '0'..='9' | '-' | '_') => c,
        _ => '-',
    };
    let text: String = text.chars().map(plain).take(LABEL_MAX).collect();
    text.trim_matches('-').to_owned()
}

/// A digest of a spec, short enough for a label.
pub fn digest(spec: &ResolvedSpec) -> String {
    let json = serde_json::to_string(spec).expect("a resolved spec is strings, numbers, lists and maps of them");
    Sha256::digest(json.as_bytes()).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

// ---- descriptions

fn escape_word(value: &str) -> String {
    let unsafe_in_word = |c: char| !c.is_ascii() || c.is_whitespace() || c.is_control() || matches!(c, '[' | ']' | '%');
    let part = |c: char| {
        if !unsafe_in_word(c) {
            return c.to_string();
        }
        let mut buffer = [0; 4];
        c.encode_utf8(&mut buffer).bytes().map(|byte| format!("%{byte:02x}")).collect()
    };
    value.chars().map(part).collect()
}

/// Our tags in brackets, in at most so many characters: what proves whose a thing is comes first, and who built it
/// gives way.
fn in_brackets(tags: &Tags, room: usize) -> String {
    let first = [TAG_STACK, TAG_STEP, TAG_REGION, TAG_RUN];
    let rest = tags.keys().map(String::as_str).filter(|key| key.starts_with("kubewright-") && !first.contains(key));
    let mut text = String::from("[");
    for key in first.into_iter().chain(rest.filter(|key| *key != TAG_BUILDER)).chain([TAG_BUILDER]) {
        let Some(value) = tags.get(key) else { continue };
        let word = format!("{key}={}", escape_word(value));
        if text.chars().count() + word.chars().count() + 2 <= room {
            if text.len() > 1 {
                text.push(' ');
            }
            text.push_str(&word);
        }
    }
    text.push(']');
    text
}

/// The description of something without labels: a sentence and our tags.
pub fn description(sentence: &str, tags: &Tags) -> String {
    format!("{sentence} {}", in_brackets(tags, HEAD.saturating_sub(sentence.chars().count() + 1)))
}

/// The same within the little that a service account's holds.
pub fn short_description(tags: &Tags) -> String {
    in_brackets(tags, ACCOUNT_DESCRIPTION_MAX)
}

/// Our tags in a description.
pub fn tags_of(description: &str) -> Tags {
    let inside = description.split_once('[').and_then(|(_, rest)| rest.split_once(']'));
    let words = inside.map(|(inside, _)| inside).unwrap_or_default().split(' ');
    words
        .filter_map(|word| word.split_once('='))
        .filter(|(key, _)| key.starts_with("kubewright-"))
        .map(|(key, value)| {
            let plain = percent_encoding::percent_decode_str(value).decode_utf8_lossy().into_owned();
            (key.to_owned(), plain)
        })
        .collect()
}

/// Where in a stack a part of the spec stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Anchor {
    /// The network: all of it, or its first part.
    Network,
    /// The subnetwork: all of it, or its second part.
    Subnetwork,
    /// The cluster: all of it.
    Cluster,
}

/// Room that sentence and tags take in a description, at most.
const HEAD: usize = 560;
const ROOM: usize = DESCRIPTION_MAX - HEAD;

/// What an anchor's description says of the spec; nothing where it has no room for it.
pub fn spec_text(spec: &ResolvedSpec, anchor: Anchor) -> Option<String> {
    let json = serde_json::to_string(spec).expect("a resolved spec is strings, numbers, lists and maps of them");
    // Compute Engine counts characters; what is not ASCII is escaped, so that every cut falls between two.
    let json = ascii(&json);
    if json.len() <= ROOM {
        return Some(format!(" spec 1/1 {json}"));
    }
    if json.len() > 2 * ROOM {
        return None;
    }
    match anchor {
        Anchor::Network => Some(format!(" spec 1/2 {}", &json[..ROOM])),
        Anchor::Subnetwork => Some(format!(" spec 2/2 {}", &json[ROOM..])),
        Anchor::Cluster => None,
    }
}

/// Whether a spec has room on the anchors.
pub fn fits(spec: &ResolvedSpec) -> bool {
    spec_text(spec, Anchor::Network).is_some()
}

/// JSON with everything beyond ASCII as `\uXXXX`.
fn ascii(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_ascii() {
            text.push(c);
        } else {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                text.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    text
}

/// The spec in these descriptions, in any order, if one holds all of it or all parts are there and this build can read
/// it. `digest` is what the cluster says of the spec that counts: another one is not taken.
pub fn spec_of<'d>(descriptions: impl IntoIterator<Item = &'d str>, digest_of: Option<&str>) -> Option<ResolvedSpec> {
    let (mut whole, mut halves) = (Vec::new(), [None, None]);
    for text in descriptions {
        let Some((_, rest)) = text.split_once("] spec ") else { continue };
        match rest.split_once(' ') {
            Some(("1/1", json)) => whole.push(json.to_owned()),
            Some(("1/2", json)) => halves[0] = Some(json),
            Some(("2/2", json)) => halves[1] = Some(json),
            _ => {}
        }
    }
    if let [Some(first), Some(second)] = halves {
        whole.push(format!("{first}{second}"));
    }
    let read = whole.iter().filter_map(|json| serde_json::from_str::<ResolvedSpec>(json).ok());
    let mut specs: Vec<ResolvedSpec> = read.filter(|spec| digest_of.is_none_or(|said| digest(spec) == said)).collect();
    specs.pop()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn some(pairs: &[(&str, &str)]) -> Tags {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn what_fits_is_a_label_as_it_is() {
        let ours = some(&[(TAG_STACK, "demo-0a1b2c3d"), (TAG_STEP, "nodes__pool__gpu")]);
        assert_eq!(labels(&ours), ours);
        assert_eq!(tags(&ours), ours);
    }

    proptest! {
        #[test]
        fn labels_come_back(value in "[ -~]{0,19}") {
            let made = escape(&value);
            prop_assert!(is_plain(&made), "{made}");
            prop_assert_eq!(unescape(&made), value);
        }

        #[test]
        fn descriptions_come_back(builder in "[ -~]{0,40}") {
            let ours = some(&[(TAG_STACK, "demo-0a1b2c3d"), (TAG_STEP, "network"), (TAG_BUILDER, &builder)]);
            let text = description("network of cluster demo", &ours);
            prop_assert_eq!(tags_of(&text), ours.clone());
            prop_assert!(short_description(&ours).len() <= ACCOUNT_DESCRIPTION_MAX);
        }
    }

    #[test]
    fn a_short_description_keeps_the_proof() {
        let long = "x".repeat(150);
        let ours =
            some(&[(TAG_STACK, "demo-0a1b2c3d"), (TAG_STEP, "nodes__account"), (TAG_BUILDER, &long), ("team", "a")]);
        let text = short_description(&ours);
        assert!(text.len() <= ACCOUNT_DESCRIPTION_MAX, "{text}");
        assert_eq!(stack_of(&tags_of(&text)).unwrap().to_string(), "demo-0a1b2c3d");
        assert!(!tags_of(&text).contains_key("team"));
    }

    #[test]
    fn brackets_of_others_say_nothing() {
        for text in ["", "[x", "our network [team=data]", "see [1] kubewright-stack=demo-0a1b2c3d"] {
            assert!(tags_of(text).is_empty(), "{text}");
        }
    }
}
