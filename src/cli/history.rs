//! `kubewright history`: what happened to a stack.

use crate::app::history::{self, HistoryRequest};
use crate::env::Env;
use crate::error::{CliError, Exit};
use crate::model::{ClusterName, StackId, time::parse_span};
use std::time::Duration;

/// Show what happened to a stack
#[derive(clap::Args, Debug)]
pub struct HistoryArgs {
    /// Cluster name
    #[arg(add = super::complete::recorded_stacks())]
    name: ClusterName,
    /// Which stack, where several bore the name [default: the latest]
    #[arg(long, value_name = "ID", add = super::complete::stack_ids())]
    stack: Option<StackId>,
    /// Only the last SPAN: 3h
    #[arg(long, value_name = "SPAN", value_parser = parse_span)]
    since: Option<Duration>,
}

/// Runs the verb.
pub(super) fn run(env: &Env, args: &HistoryArgs) -> Result<Exit, CliError> {
    history::run(env, &HistoryRequest { name: args.name.clone(), stack: args.stack, since: args.since })
}
