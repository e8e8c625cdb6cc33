//! `kubewright history`: what happened to a stack.

use crate::app::history::{self, HistoryRequest};
use crate::env::Env;
use crate::error::{CliError, Exit};
use crate::model::{
    ClusterName, StackId,
    time::{Since, parse_since},
};

const AFTER: &str = "\
`-v` shows every event with the number of its line in the journal. Journals of destroyed stacks are kept.
A journal whose last lines were cut off is still a whole chain: to be sure that nothing is missing at its end, note the
head that `--verify` prints somewhere else.";

/// Show who did what to a stack, when, how long it took and what it cost
#[derive(clap::Args, Debug)]
#[command(after_help = AFTER)]
pub struct HistoryArgs {
    /// Cluster name, also of a destroyed one
    #[arg(add = super::complete::recorded_stacks())]
    name: ClusterName,
    /// Which stack, where several bore the name [default: the latest]
    #[arg(long, value_name = "ID", add = super::complete::stack_ids())]
    stack: Option<StackId>,
    /// Every stack that bears or bore the name
    #[arg(long, conflicts_with = "stack")]
    all: bool,
    /// Only from then on: 3h, 2026-11-20, 2026-11-20T08:30Z
    #[arg(long, value_name = "SPAN|TIME", value_parser = parse_since)]
    since: Option<Since>,
    /// Only this run: its id, or as much of it as is enough, or `last`
    #[arg(long, value_name = "ID")]
    run: Option<String>,
    /// Check that every line is as it was written: exit 8 and the first bad line otherwise
    #[arg(long, conflicts_with_all = ["since", "run"])]
    verify: bool,
}

/// Runs the verb.
pub(super) fn run(env: &Env, args: HistoryArgs) -> Result<Exit, CliError> {
    let request = HistoryRequest {
        name: args.name,
        stack: args.stack,
        all: args.all,
        since: args.since,
        run: args.run,
        verify: args.verify,
    };
    history::run(env, &request)
}
