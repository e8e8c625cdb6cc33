//! `kubewright reap`: what is due to go, listed or taken down.

use crate::app::reap::{self, ReapRequest};
use crate::env::Env;
use crate::error::{CliError, Exit};
use crate::model::time::parse_span;
use std::time::Duration;

const AFTER: &str = "\
Due is what is past its expiry (`provision --ttl`, `extend`), what was half removed, and what has stood without a cluster
and without anything new for longer than any build takes. Where clusters cannot be read nothing counts as left. The
one limit: a build without a cluster that is continued after longer than --abandoned-after looks left to other machines
until it makes its next object. Tags are enough: no journal is needed, so it runs from cron or CI on any machine with
credentials. Protected stacks are left. --provider and --region narrow it.

  */15 * * * *  kubewright reap --delete -q        # cron

Exit codes: 0 done, 9 with the list if something would not go, 11 if a cloud did not answer.";

/// List what is past its expiry, half torn down, or left by a dead builder; with --delete take it down
#[derive(clap::Args, Debug)]
#[command(after_help = AFTER)]
pub struct ReapArgs {
    /// Take down what is due; asks nothing
    #[arg(long)]
    delete: bool,
    /// How long a stack may stand without a cluster and anything new before it counts as left by a dead builder
    #[arg(long, value_name = "SPAN", value_parser = parse_span, default_value = "3h")]
    abandoned_after: Duration,
}

/// Runs the verb.
pub(super) async fn run(env: &Env, args: ReapArgs) -> Result<Exit, CliError> {
    reap::run(env, ReapRequest { delete: args.delete, abandoned_after: args.abandoned_after }).await
}
