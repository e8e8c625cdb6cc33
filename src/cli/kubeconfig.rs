//! `kubewright kubeconfig`: a cluster's context in the files kubectl reads.

use crate::app::kubeconfig::{self, KubeconfigRequest};
use crate::env::Env;
use crate::error::{CliError, Exit};
use crate::model::ClusterName;
use std::path::PathBuf;

const AFTER: &str = "\
The current context never moves by itself, except when there is none. Works for clusters of others too:
  kubewright kubeconfig legacy --provider aws --region eu-west-1";

/// Write a cluster's context for kubectl, with this binary as its credential plugin
#[derive(clap::Args, Debug)]
#[command(after_help = AFTER)]
pub struct KubeconfigArgs {
    /// Cluster name
    #[arg(add = super::complete::stacks(), required_unless_present = "allowlist")]
    name: Option<ClusterName>,
    /// Call the context so; again with another one: rename it
    #[arg(long, value_name = "NAME", value_parser = alias)]
    alias: Option<String>,
    /// Make it the current context
    #[arg(long = "use")]
    switch: bool,
    /// Print a kubeconfig of this cluster alone and write nothing
    #[arg(long, conflicts_with_all = ["switch", "remove", "kubeconfig"])]
    print: bool,
    /// Take the context out again
    #[arg(long, conflicts_with_all = ["switch", "alias"])]
    remove: bool,
    /// This file instead of $KUBECONFIG or ~/.kube/config
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    kubeconfig: Option<PathBuf>,
    /// AKS with local accounts: get in as the cluster's own administrator, by a certificate that is written into the file
    #[arg(long, conflicts_with = "remove")]
    admin: bool,
    /// Print the stanza for kubectl's ~/.kube/kuberc that allows this plugin and no other
    #[arg(long, conflicts_with_all = ["name", "switch", "remove", "kubeconfig", "print", "alias", "admin"])]
    allowlist: bool,
}

fn alias(text: &str) -> Result<String, String> {
    let fine = !text.is_empty() && text.len() <= 253 && !text.chars().any(char::is_control);
    if fine { Ok(text.to_owned()) } else { Err("a context's name is 1 to 253 printable characters".to_owned()) }
}

/// Runs the verb.
pub(super) async fn run(env: &mut Env, args: KubeconfigArgs) -> Result<Exit, CliError> {
    let Some(name) = args.name else {
        return Ok(kubeconfig::allowlist(env));
    };
    let request = KubeconfigRequest {
        name,
        alias: args.alias,
        switch: args.switch,
        print: args.print,
        remove: args.remove,
        file: args.kubeconfig,
        admin: args.admin,
    };
    kubeconfig::run(env, &request).await
}
