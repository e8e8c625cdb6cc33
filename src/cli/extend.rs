//! `kubewright extend`: a later expiry for a cluster.

use crate::app::extend::{self, ExtendRequest};
use crate::env::Env;
use crate::error::{CliError, Exit};
use crate::model::{ClusterName, time::parse_span};
use std::time::Duration;

/// Move a cluster's expiry, counted from the one it has, or from now where that is past
#[derive(clap::Args, Debug)]
pub struct ExtendArgs {
    /// Cluster name
    #[arg(add = super::complete::stacks())]
    name: ClusterName,
    /// By how much: 90m, 8h, 2d
    #[arg(value_name = "SPAN", value_parser = parse_span)]
    span: Duration,
    /// Count from now instead; for a cluster that has no expiry
    #[arg(long)]
    from_now: bool,
}

/// Runs the verb.
pub(super) async fn run(env: &Env, args: ExtendArgs) -> Result<Exit, CliError> {
    extend::run(env, ExtendRequest { name: args.name, span: args.span, from_now: args.from_now }).await
}
