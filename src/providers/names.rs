//! Names of cloud objects: deterministic, holding the short stack id, within each service's limit.
//!
//! One generator shortens for all clouds: what it is (`what`) is kept as long as it can be, then the cluster's name gives
//! way, then `what` itself is cut and told apart by a digest. The stack id is never cut: it is the proof of ownership.

use crate::model::Stack;
use sha2::{Digest, Sha256};

/// The start of every name we give.
pub const PREFIX: &str = "kw-";
const DIGEST: usize = 6;

/// `kw-<name>-<id8>-<what>` in at most `max` characters.
///
/// # Panics
/// Where a limit leaves no room for prefix, id and a digest: 40 characters are enough, and clouds give more.
pub fn named(stack: &Stack, what: &str, max: usize) -> String {
    let id = stack.id.to_string();
    let fixed = PREFIX.len() + 1 + id.len() + 1;
    let room = max.checked_sub(fixed).expect("every limit leaves room for prefix, id and a digest");
    let name = stack.name.as_str();
    if name.len() + what.len() <= room {
        return format!("{PREFIX}{name}-{id}-{what}");
    }
    // Two letters of the name are enough to recognise it; the id tells stacks apart.
    let what = if what.len() + 2 <= room { what.to_owned() } else { cut(what, room.saturating_sub(2)) };
    let kept = name[..room.saturating_sub(what.len()).min(name.len())].trim_end_matches('-');
    format!("{PREFIX}{kept}-{id}-{what}")
}

/// The prefix that all names of all stacks with this cluster name share, as far as no name was shortened.
pub fn id_part(stack: &Stack) -> String {
    format!("-{}-", stack.id)
}

/// A text of at most `room` characters that differs for different inputs.
fn cut(text: &str, room: usize) -> String {
    let digest: String = Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    let keep = room.saturating_sub(DIGEST + 1).min(text.len());
    format!("{}-{}", text[..keep].trim_end_matches('-'), &digest[..DIGEST])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stack(name: &str) -> Stack {
        format!("{name}-0a1b2c3d").parse().unwrap()
    }

    #[test]
    fn short_names_read_as_typed() {
        assert_eq!(named(&stack("demo"), "cluster", 64), "kw-demo-0a1b2c3d-cluster");
    }

    #[test]
    fn long_pool_names_stay_apart() {
        let stack = stack(&"a".repeat(40));
        let one = named(&stack, &format!("{}-1", "p".repeat(60)), 63);
        let two = named(&stack, &format!("{}-2", "p".repeat(60)), 63);
        assert_ne!(one, two);
    }

    proptest! {
        #[test]
        fn every_name_fits_and_holds_the_id(name in "[a-z][a-z0-9-]{0,38}[a-z0-9]", what in "[a-z][a-z0-9-]{0,80}", max in 40usize..256) {
            let stack = stack(&name);
            let made = named(&stack, &what, max);
            prop_assert!(made.len() <= max, "{made} has {} of {max}", made.len());
            prop_assert!(made.starts_with("kw-") && made.contains(&id_part(&stack)));
            prop_assert!(made.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '-')));
        }
    }
}
