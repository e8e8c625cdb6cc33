//! Tab: answered before the full parser, with no runtime and no network. Names come from the local journals.

use super::Cli;
use crate::app::{at_hand, places};
use crate::model::Cloud;
use clap::CommandFactory;
use clap_complete::{ArgValueCandidates, CompleteEnv, CompletionCandidate};
use std::ffi::OsString;

/// The variable by which the shells' scripts ask.
pub const VARIABLE: &str = "KUBEWRIGHT_COMPLETE";

/// Answers a shell that asks for completions; `None` when none does.
pub fn answer(words: &[OsString]) -> Option<u8> {
    let env = CompleteEnv::with_factory(Cli::command).var(VARIABLE).completer("kubewright");
    let here = std::env::current_dir().ok();
    match env.try_complete(words.iter().cloned(), here.as_deref()) {
        Ok(true) => Some(0),
        Ok(false) => None,
        // A shell must not be bothered with our troubles.
        Err(_) => Some(1),
    }
}

/// Own stacks.
pub(super) fn stacks() -> ArgValueCandidates {
    ArgValueCandidates::new(|| candidates(false))
}

/// Own stacks that `destroy` would take.
pub(super) fn destroyable_stacks() -> ArgValueCandidates {
    ArgValueCandidates::new(|| candidates(true))
}

fn candidates(only_unprotected: bool) -> Vec<CompletionCandidate> {
    // The words are not parsed yet: the flag is looked for as the user typed it.
    let vars = crate::env::variables();
    let pretend = std::env::args().any(|word| word == "--sandbox") || vars.contains_key("KUBEWRIGHT_SANDBOX");
    let home = if pretend { crate::env::sandbox_home(&vars) } else { crate::env::home(&vars) };
    let Ok(home) = home else { return Vec::new() };
    at_hand(&home)
        .into_iter()
        .filter(|stack| !(only_unprotected && stack.protect))
        .map(|stack| CompletionCandidate::new(stack.name.as_str()).help(Some(stack.about.into())))
        .collect()
}

/// Clouds of this build.
pub(super) fn providers() -> ArgValueCandidates {
    ArgValueCandidates::new(|| places::BUILT.iter().map(|cloud| CompletionCandidate::new(cloud.as_str())).collect())
}

/// Regions, of the cloud that the words before name.
pub(super) fn regions() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let words: Vec<String> = std::env::args().collect();
        let named = words.iter().enumerate().find_map(|(at, word)| match word.strip_prefix("--provider=") {
            Some(cloud) => cloud.parse().ok(),
            None if word == "--provider" => words.get(at + 1)?.parse().ok(),
            None => None,
        });
        places::regions(named.unwrap_or(Cloud::Aws)).iter().map(CompletionCandidate::new).collect()
    })
}
