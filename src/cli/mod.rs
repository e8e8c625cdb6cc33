//! The command line: one file per verb with its flags and a short run. clap's types end here; `app` takes plain values.

pub mod complete;
mod cost;
mod destroy;
mod extend;
mod generate;
mod globals;
mod help;
mod history;
mod init;
mod kubeconfig;
mod parse;
mod policy;
mod protect;
mod provision;
mod reap;
mod recover;
mod sandbox;
mod schema;
mod start;
mod status;
pub mod token;

pub use globals::Globals;
pub use parse::{Parsed, parse};
pub use start::start;

use crate::env::Env;
use crate::error::{CliError, Exit};
use clap::{Parser, Subcommand};

const AFTER: &str = "\
First time?   kubewright --sandbox provision demo --provider aws --region us-east-1
Exit codes:   kubewright help exit-codes
An error id:  kubewright help KW-NAME-TAKEN";

/// Builds Kubernetes clusters, says what they cost before any spend, and takes them down again, provably
#[derive(Parser, Debug)]
#[command(name = "kubewright", version, after_help = AFTER, disable_help_subcommand = true, max_term_width = 110)]
pub struct Cli {
    /// Flags of every verb
    #[command(flatten)]
    pub globals: Globals,
    /// The verb
    #[command(subcommand)]
    pub command: Command,
}

/// The verbs.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Plan a cluster, price it, and build it; again on an unfinished one: continue
    Provision(Box<provision::ProvisionArgs>),
    /// Ask what a cluster shall be, say what it costs, and write cluster.yaml
    Init(Box<init::InitArgs>),
    /// Rebuild a stack's journal from the cloud, so that this machine can go on
    Recover(recover::RecoverArgs),
    /// Delete a cluster and everything it owns, and prove that nothing remains
    Destroy(destroy::DestroyArgs),
    /// Show one cluster in depth, or all of them
    Status(status::StatusArgs),
    /// Write a cluster's context for kubectl, with this binary as its credential plugin
    Kubeconfig(kubeconfig::KubeconfigArgs),
    /// Print a token for a cluster, as kubectl's credential plugin
    Token(token::TokenArgs),
    /// Guard a cluster against destroy and reap, or lift that
    Protect(protect::ProtectArgs),
    /// List what is past its expiry, half torn down, or left by a dead builder; with --delete take it down
    Reap(reap::ReapArgs),
    /// Move a cluster's expiry, counted from the one it has
    Extend(extend::ExtendArgs),
    /// Say what a cluster will cost, where it would cost less, and what it has cost; needs no credentials
    Cost(cost::CostArgs),
    /// Print the least that a cluster's life needs to be allowed, as policies or roles; needs no credentials
    Policy(policy::PolicyArgs),
    /// Show what happened to a stack
    History(history::HistoryArgs),
    /// Print the JSON Schema of cluster.yaml, or of a kind of document
    Schema(schema::SchemaArgs),
    /// The built-in pretend clouds
    Sandbox(sandbox::SandboxArgs),
    /// Print the completion script of a shell
    #[command(visible_alias = "completions")]
    Completion(generate::CompletionArgs),
    /// Write the manual pages into a directory
    Man(generate::ManArgs),
    /// Explain a verb, an error id, or the exit codes
    Help(help::HelpArgs),
    /// Write completions, manual pages and schemas as they are committed
    #[command(hide = true)]
    Generate(generate::GenerateArgs),
}

impl Command {
    /// Whether its answers are tables, for `-o csv` and `-o markdown`.
    pub const fn has_tables(&self) -> bool {
        matches!(self, Self::Cost(_))
    }

    /// Whether the verb is about the sandbox itself or needs no cloud, so that `--sandbox` does not re-execute it.
    pub const fn is_local(&self) -> bool {
        matches!(
            self,
            Self::Sandbox(_) | Self::Schema(_) | Self::Completion(_) | Self::Man(_) | Self::Help(_) | Self::Generate(_)
        )
    }
}

/// Runs a verb.
pub async fn run(env: &mut Env, command: Command) -> Result<Exit, CliError> {
    crate::app::prices::install(env);
    let prices_something = match &command {
        Command::Provision(_) | Command::Init(_) => true,
        Command::Cost(args) => args.prices_something(),
        _ => false,
    };
    if prices_something {
        crate::app::prices::check(env)?;
    }
    match command {
        Command::Provision(args) => provision::run(env, *args).await,
        Command::Init(args) => init::run(env, *args).await,
        Command::Recover(args) => recover::run(env, args).await,
        Command::Destroy(args) => destroy::run(env, args).await,
        Command::Status(args) => status::run(env, args).await,
        Command::Kubeconfig(args) => kubeconfig::run(env, args).await,
        Command::Token(args) => token::run(env, args).await,
        Command::Protect(args) => protect::run(env, args).await,
        Command::Reap(args) => reap::run(env, args).await,
        Command::Extend(args) => extend::run(env, args).await,
        Command::Cost(args) => cost::run(env, args).await,
        Command::Policy(args) => policy::run(env, args),
        Command::History(args) => history::run(env, args),
        Command::Schema(args) => schema::run(env, &args),
        Command::Sandbox(args) => sandbox::run(env, args).await,
        Command::Completion(args) => generate::completion(env, &args),
        Command::Man(args) => generate::man(env, &args),
        Command::Help(args) => help::run(env, &args),
        Command::Generate(args) => generate::all(env, &args),
    }
}
