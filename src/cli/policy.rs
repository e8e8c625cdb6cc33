//! `kubewright policy`: what a cluster's life needs to be allowed, in the cloud's own policy language.

use super::provision::NatArg;
use crate::app::policy::{self, PolicyRequest};
use crate::app::provision::Overrides;
use crate::env::Env;
use crate::error::{CliError, Exit};
use crate::model::ClusterName;
use crate::providers::Purpose;
use std::path::PathBuf;

/// Which part of a cluster's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum PurposeArg {
    /// The whole of it
    All,
    /// provision
    Build,
    /// status, kubeconfig, protect, recover
    Operate,
    /// destroy
    Destroy,
}

/// Print the least that a cluster's life needs to be allowed, as policies or roles; needs no credentials
///
/// Documents go to stdout, one after the other where one would be longer than the cloud takes; what stays wider than the
/// cluster, and why, goes to stderr. `-o name` lists the actions, `-o json` is one document with all of it.
#[derive(clap::Args, Debug)]
pub struct PolicyArgs {
    /// Cluster name; beats the file's
    #[arg(add = super::complete::stacks())]
    name: Option<ClusterName>,
    /// Cluster file [default: ./cluster.yaml when no NAME is given]
    #[arg(short, long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    file: Option<PathBuf>,
    /// Which part of its life [default: all]
    #[arg(long = "for", value_enum, value_name = "PART")]
    purpose: Option<PurposeArg>,
    /// Account, project or subscription it is for [default: the file's, else any]
    #[arg(long, value_name = "ID")]
    account: Option<String>,
    /// Address translation for private nodes [default: single]
    #[arg(long, value_enum, value_name = "WHAT")]
    nat: Option<NatArg>,
    /// A further pool: name=gpu,type=g5.xlarge,spot,max=4; repeatable
    #[arg(long = "pool", value_name = "POOL")]
    pools: Vec<String>,
    /// Any key of the cluster file: network.nat=none; repeatable
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
}

/// Runs the verb.
pub(super) fn run(env: &Env, args: PolicyArgs) -> Result<Exit, CliError> {
    let purpose = match args.purpose {
        Some(PurposeArg::All) | None => Purpose::All,
        Some(PurposeArg::Build) => Purpose::Build,
        Some(PurposeArg::Operate) => Purpose::Operate,
        Some(PurposeArg::Destroy) => Purpose::Destroy,
    };
    let overrides =
        Overrides { nat: args.nat.map(Into::into), pools: args.pools, set: args.set, ..Overrides::default() };
    policy::run(env, PolicyRequest { name: args.name, file: args.file, purpose, account: args.account, overrides })
}
