//! `history --verify`: reads every line of a journal and recomputes its chain.

use crate::app::stacks;
use crate::engine::StackState;
use crate::env::Env;
use crate::error::{CliError, Exit};
use crate::model::Stack;
use crate::model::doc::{Chain, HistoryVerify, Verified};
use crate::store::{StoreError, StoreErrorKind};

/// Checks these journals; the first bad one decides the exit code, and all are told.
pub(super) fn run(env: &Env, stacks: &[Stack]) -> Result<Exit, CliError> {
    let doc = HistoryVerify { journals: stacks.iter().map(|stack| verified(env, stack)).collect() };
    let bad = doc.journals.iter().find(|journal| !journal.intact);
    let error = bad.map(|journal| {
        let place = journal.line.map_or_else(String::new, |line| format!(" line {line}"));
        let why = journal.why.as_deref().unwrap_or("it cannot be read");
        CliError::new(
            "KW-JOURNAL",
            format!("the journal of `{}` is not as it was written:{place} {why}", journal.stack),
        )
    });
    env.ui.show(env.now(), &doc, error.as_ref());
    error.map_or(Ok(Exit::DONE), Err)
}

fn verified(env: &Env, stack: &Stack) -> Verified {
    let name = stack.to_string();
    let bad = |line: Option<u64>, why: String| Verified {
        stack: name.clone(),
        intact: false,
        chain: None,
        line,
        why: Some(why),
    };
    let read = match stacks::whole(env, stack) {
        Ok(read) => read,
        Err(error) => return bad(line(&error), why(&error)),
    };
    // Lines that are as they were written, and yet cannot have been written by us.
    if let Err(fault) = StackState::fold(&read.records) {
        return bad(Some(fault.seq), fault.why);
    }
    let chain = Chain { events: read.records.len(), head: read.head().map(str::to_owned), torn_bytes: read.torn };
    Verified { stack: name, intact: true, chain: Some(chain), line: None, why: None }
}

const fn line(error: &StoreError) -> Option<u64> {
    match error.kind {
        StoreErrorKind::Damaged { line } => line,
        _ => None,
    }
}

/// Without the file and the line, which stand beside it.
fn why(error: &StoreError) -> String {
    error.message.split_once(" is damaged: ").map_or_else(|| error.message.clone(), |(_, why)| why.to_owned())
}
