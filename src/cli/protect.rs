//! `kubewright protect`: guard a cluster against destroy and reap, or lift that.

use crate::app::protect;
use crate::env::Env;
use crate::error::{CliError, Exit};
use crate::model::ClusterName;

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Switch {
    /// Guarded
    On,
    /// Not guarded
    Off,
}

/// Guard a cluster against destroy and reap, or lift that
#[derive(clap::Args, Debug)]
pub struct ProtectArgs {
    /// Cluster name
    #[arg(add = super::complete::stacks())]
    name: ClusterName,
    /// on or off
    #[arg(value_enum)]
    switch: Switch,
}

/// Runs the verb.
pub(super) async fn run(env: &mut Env, args: ProtectArgs) -> Result<Exit, CliError> {
    protect::run(env, &args.name, args.switch == Switch::On).await
}
