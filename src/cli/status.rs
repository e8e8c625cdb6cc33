//! `kubewright status`: one cluster in depth, or all own stacks.

use crate::app::status::{self, Goal, StatusRequest};
use crate::env::Env;
use crate::error::{CliError, Exit};
use crate::model::ClusterName;

/// What to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum GoalArg {
    /// Built and well
    Ready,
    /// Gone
    Deleted,
}

/// Show one cluster in depth, or all of them
#[derive(clap::Args, Debug)]
pub struct StatusArgs {
    /// Cluster name [default: all own stacks]
    #[arg(add = super::complete::stacks())]
    name: Option<ClusterName>,
    /// Every cluster in every region that is on in the account, also those kubewright did not make
    #[arg(long, conflicts_with_all = ["name", "local"])]
    all: bool,
    /// From the journals alone: no network
    #[arg(long)]
    local: bool,
    /// Show it again whenever it changes, until Ctrl-C
    #[arg(long, conflicts_with = "wait")]
    watch: bool,
    /// Return when it is so; at once on a final failure
    #[arg(long, value_enum, value_name = "WHAT", requires = "name", conflicts_with = "local")]
    wait: Option<GoalArg>,
    /// Exit 10 when unhealthy or drifted
    #[arg(long)]
    check: bool,
}

/// Runs the verb.
pub(super) async fn run(env: &mut Env, args: StatusArgs) -> Result<Exit, CliError> {
    let request = StatusRequest {
        name: args.name,
        all: args.all,
        local: args.local,
        watch: args.watch,
        wait: args.wait.map(|goal| match goal {
            GoalArg::Ready => Goal::Ready,
            GoalArg::Deleted => Goal::Deleted,
        }),
        check: args.check,
    };
    status::run(env, request).await
}
