//! Words of users that no cloud knows, met with what they may have meant.

use std::collections::{BTreeMap, BTreeSet};

/// `T4:1` as name and number.
pub fn parse_gpu(text: &str) -> Option<(&str, u32)> {
    let (name, count) = text.split_once(':')?;
    Some((name, count.parse().ok()?))
}

/// The nearest of some words, if it is near enough to be what was meant.
pub fn nearest_of<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let scored = known.map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate));
    scored.min().filter(|(distance, _)| *distance > 0 && *distance <= 1 + word.len() / 5).map(|(_, found)| found)
}

/// What GPUs there are instead of those wished for: `all` are names, each with the numbers that machines have.
pub fn gpu_hint(all: &BTreeMap<String, BTreeSet<u32>>, wish: &str) -> String {
    let (name, _) = parse_gpu(wish).unwrap_or((wish, 1));
    match all.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
        Some((known, counts)) => {
            let counts: Vec<String> = counts.iter().map(|count| format!("{known}:{count}")).collect();
            format!("there are {}; or ask for less cpu and memory", counts.join(", "))
        }
        None => {
            // `A10` may be meant for any that begin so.
            let begins = |known: &&String| known.to_lowercase().starts_with(&name.to_lowercase());
            let near: Vec<&String> = all.keys().filter(begins).collect();
            match (near.as_slice(), nearest_of(name, all.keys().map(String::as_str))) {
                ([], None) => format!("there are {}", all.keys().cloned().collect::<Vec<_>>().join(", ")),
                ([], Some(meant)) => format!("did you mean {meant}:1?"),
                (near, _) => {
                    let near: Vec<String> = near.iter().map(|name| format!("{name}:1")).collect();
                    format!("did you mean {}?", near.join(" or "))
                }
            }
        }
    }
}
