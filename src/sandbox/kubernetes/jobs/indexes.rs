//! The indexes of an Indexed Job as its status names them: `0-2,5`.

use serde_json::Value;
use std::collections::BTreeSet;

/// The spans that a text names, if it names them as the API server takes them: each once, ascending, below `limit`.
pub(super) fn spans(text: &str, limit: u64) -> Option<Vec<(u64, u64)>> {
    let mut next = 0;
    let span = |part: &str| {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let (from, to) = (from.parse::<u64>().ok()?, to.parse::<u64>().ok()?);
        let in_order = from >= next && to >= from && to < limit;
        next = to.saturating_add(1);
        in_order.then_some((from, to))
    };
    text.split(',').map(span).collect()
}

/// The indexes that a text names that was checked before, or written here; none where there is no text.
pub(super) fn read(text: &Value) -> BTreeSet<u64> {
    let spans = text.as_str().and_then(|text| spans(text, u64::MAX)).unwrap_or_default();
    spans.into_iter().flat_map(|(from, to)| from..=to).collect()
}

/// The text that names these indexes.
pub(super) fn named(indexes: &BTreeSet<u64>) -> String {
    let mut spans: Vec<(u64, u64)> = Vec::new();
    for index in indexes {
        match spans.last_mut() {
            Some((_, to)) if *to + 1 == *index => *to = *index,
            _ => spans.push((*index, *index)),
        }
    }
    let one = |(from, to): &(u64, u64)| match to - from {
        0 => from.to_string(),
        1 => format!("{from},{to}"),
        _ => format!("{from}-{to}"),
    };
    spans.iter().map(one).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn indexes_are_named_as_kubernetes_names_them() {
        for (text, count) in [("", 0), ("0", 1), ("0,1", 2), ("0-2,5", 4), ("1,3-5,7", 5)] {
            let found = read(&json!(text));
            assert_eq!(found.len(), count, "{text}");
            assert_eq!(named(&found), text);
        }
    }

    #[test]
    fn what_the_api_server_does_not_take_is_told_without_counting_it_out() {
        assert_eq!(spans("0-2,5", 6), Some(vec![(0, 2), (5, 5)]));
        for bad in ["", "5,0-2", "0-2,2", "3-1", "0-6", "0-18446744073709551615", "a", "1,", "-1"] {
            assert_eq!(spans(bad, 6), None, "{bad}");
        }
    }
}
