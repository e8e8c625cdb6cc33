//! `kubewright init`: asks what a cluster shall be and writes cluster.yaml.

use super::provision::SpecArgs;
use crate::app::init::{self, InitRequest};
use crate::env::Env;
use crate::error::{CliError, Exit};
use crate::model::ClusterName;
use std::path::PathBuf;

const AFTER: &str = "\
Every question has a default; Enter all the way makes a cheap cluster that works. What a flag has said is not asked.
Without a terminal say everything, or take the defaults:
  kubewright init --provider aws --region us-east-1 --yes
Free and offline, against the pretend cloud:
  kubewright --sandbox init";

/// Ask what a cluster shall be, say what it costs, and write cluster.yaml
#[derive(clap::Args, Debug)]
#[command(after_help = AFTER)]
pub struct InitArgs {
    /// Where to write it [default: cluster.yaml]
    #[arg(value_hint = clap::ValueHint::FilePath)]
    file: Option<PathBuf>,
    /// Replace what is there
    #[arg(long)]
    force: bool,
    /// Cluster name
    #[arg(long, value_name = "NAME")]
    name: Option<ClusterName>,
    #[command(flatten)]
    spec: SpecArgs,
}

/// Runs the verb.
pub(super) async fn run(env: &Env, args: InitArgs) -> Result<Exit, CliError> {
    let request = InitRequest { file: args.file, force: args.force, name: args.name, overrides: args.spec.overrides() };
    init::run(env, request).await
}
