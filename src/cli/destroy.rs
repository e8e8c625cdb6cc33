//! `kubewright destroy`: delete a cluster and everything it owns.

use crate::app::destroy::{self, DestroyRequest};
use crate::env::Env;
use crate::error::{CliError, Exit};
use crate::model::{ClusterName, StackId};
use crate::providers::VolumeFate;

/// What happens to volumes that workloads made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum VolumesArg {
    /// Each by its reclaim policy
    Policy,
    /// All stay
    Keep,
    /// All go, with their data
    Delete,
}

/// Delete a cluster and everything it owns, and prove that nothing remains
#[derive(clap::Args, Debug)]
pub struct DestroyArgs {
    /// Cluster name
    #[arg(add = super::complete::destroyable_stacks())]
    name: ClusterName,
    /// The name again: what a terminal would ask to be typed
    #[arg(long, value_name = "NAME")]
    confirm: Option<String>,
    /// A stack that is not there is no failure
    #[arg(long)]
    ignore_not_found: bool,
    /// Ignore the journal and go by what the cloud's tags say
    #[arg(long)]
    from_tags: bool,
    /// Which stack, where the name is not enough: the 8 digits of its id
    #[arg(long, value_name = "ID", add = super::complete::stack_ids())]
    stack: Option<StackId>,
    /// What happens to volumes that workloads made [default: policy]
    #[arg(long, value_enum, value_name = "WHAT")]
    volumes: Option<VolumesArg>,
}

/// Runs the verb.
pub(super) async fn run(env: &mut Env, args: DestroyArgs) -> Result<Exit, CliError> {
    let request = DestroyRequest {
        name: args.name,
        confirm: args.confirm,
        ignore_not_found: args.ignore_not_found,
        from_tags: args.from_tags,
        stack: args.stack,
        volumes: match args.volumes {
            Some(VolumesArg::Keep) => VolumeFate::Keep,
            Some(VolumesArg::Delete) => VolumeFate::Delete,
            Some(VolumesArg::Policy) | None => VolumeFate::ByPolicy,
        },
    };
    destroy::run(env, request).await
}
