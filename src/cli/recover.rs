//! `kubewright recover`: rebuild a stack's journal from the cloud.

use crate::app::recover;
use crate::env::Env;
use crate::error::{CliError, Exit};
use crate::model::{ClusterName, StackId};

/// Rebuild a stack's journal from the cloud, so that this machine can go on
#[derive(clap::Args, Debug)]
pub struct RecoverArgs {
    /// Cluster name
    #[arg(add = super::complete::stacks())]
    name: ClusterName,
    /// Which stack, where the name is not enough: the 8 digits of its id
    #[arg(long, value_name = "ID")]
    stack: Option<StackId>,
}

/// Runs the verb.
pub(super) async fn run(env: &mut Env, args: RecoverArgs) -> Result<Exit, CliError> {
    recover::run(env, args.name, args.stack).await
}
