//! Tab: answered before the full parser, with no runtime and no network. Everything comes from the local journals and
//! from what this build knows; whatever cannot be read is left out, and never an error.

mod candidates;
mod shells;
mod words;

pub(super) use candidates::{
    destroyable_stacks, machines, pools, providers, recorded_stacks, regions, stack_ids, stacks, topics, vendors,
    versions, zones,
};
pub(super) use shells::ALL as SHELLS;

use super::Cli;
use clap::CommandFactory;
use clap_complete::{CompleteEnv, env::Shells};
use std::ffi::OsString;

/// The variable by which the shells' scripts ask.
pub const VARIABLE: &str = "KUBEWRIGHT_COMPLETE";

/// Answers a shell that asks for completions; `None` when none does.
pub fn answer(words: &[OsString]) -> Option<u8> {
    let env = CompleteEnv::with_factory(Cli::command).var(VARIABLE).completer("kubewright").shells(Shells(shells::ALL));
    let here = std::env::current_dir().ok();
    match env.try_complete(words.iter().cloned(), here.as_deref()) {
        Ok(true) => Some(0),
        Ok(false) => None,
        // A shell must not be bothered with our troubles.
        Err(_) => Some(1),
    }
}
