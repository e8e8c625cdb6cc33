//! Words of users that no cloud knows, met with what they may have meant; and words of clouds, fit to be shown.

use crate::model::without_secrets;
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

/// Longest sentence of a vendor's that is shown.
const SENTENCE: usize = 600;

/// A vendor's sentence, fit to stand in ours: one line, no period, nothing secret.
pub fn clean(text: &str) -> String {
    let mut line = without_secrets(&text.split_whitespace().collect::<Vec<_>>().join(" "));
    if line.len() > SENTENCE {
        let end = line.floor_char_boundary(SENTENCE);
        line.truncate(end);
        line.push('…');
    }
    line.trim_end_matches(['.', ' ', ':']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vendors_sentence_is_one_line_without_an_end_and_not_too_long() {
        assert_eq!(clean(" The zone\n  has none left. "), "The zone has none left");
        let long = clean(&"ä".repeat(SENTENCE));
        assert!(long.len() <= SENTENCE + '…'.len_utf8() && long.ends_with("ä…"), "{long}");
    }
}
