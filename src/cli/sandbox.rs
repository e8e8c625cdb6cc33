//! `kubewright sandbox`: the pretend clouds themselves. With `env.rs` the only place that knows the room.

use crate::env::Env;
use crate::error::{CliError, Exit};
use clap::Subcommand;
use std::path::PathBuf;

/// The built-in pretend clouds
#[derive(clap::Args, Debug)]
pub struct SandboxArgs {
    #[command(subcommand)]
    verb: SandboxVerb,
}

#[derive(Subcommand, Debug)]
enum SandboxVerb {
    /// Keep the pretend clouds up and print the environment that other clients need
    Serve(ServeArgs),
    /// List every object of the pretend world, what it costs, and what was called
    Show(ShowArgs),
    /// Begin a new, empty world
    Reset(ResetArgs),
}

#[derive(clap::Args, Debug)]
struct ServeArgs {
    /// How much faster its time runs: 1 to 100000, or `max` [env: KUBEWRIGHT_SANDBOX_SPEED] [default: 20]
    #[arg(long, value_name = "N")]
    speed: Option<String>,
    /// Faults to happen: 'ec2:CreateNatGateway=lost-reply@1,eks:*=throttle:5%,seed=7' [env: KUBEWRIGHT_SANDBOX_FAULT]
    #[arg(long, value_name = "FAULTS")]
    fault: Option<String>,
    /// What the randomness of a new world starts from
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Port of the AWS services [default: the last one, or any]
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// Written when everything listens
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    ready_file: Option<PathBuf>,
    /// Write the environment there instead of printing it
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    env_out: Option<PathBuf>,
    /// Where pods run: `simulated`, or `local` as processes of this machine [env: KUBEWRIGHT_SANDBOX_PODS]
    #[arg(long, value_enum, value_name = "WHERE")]
    pods: Option<Pods>,
    #[command(flatten)]
    conditions: ConditionArgs,
}

/// What the clouds allow and how sluggish they are
#[derive(clap::Args, Debug)]
struct ConditionArgs {
    /// A quota other than the account's usual one, L-1216C47A=8, by the cloud's own name; may be repeated [env: KUBEWRIGHT_SANDBOX_QUOTA]
    #[arg(long, value_name = "CODE=N")]
    quota: Vec<String>,
    /// A machine type that is sold out, everywhere or in one zone; may be repeated [env: KUBEWRIGHT_SANDBOX_SOLD_OUT]
    #[arg(long, value_name = "TYPE[@ZONE]")]
    sold_out: Vec<String>,
    /// A region of no use to the account: off, denied by policy, or silent; may be repeated [env: KUBEWRIGHT_SANDBOX_CLOSED_REGION]
    #[arg(long, value_name = "REGION[=WHY]")]
    closed_region: Vec<String>,
    /// How long searches miss what was just made [default: up to 3s] [env: KUBEWRIGHT_SANDBOX_LAG]
    #[arg(long, value_name = "D")]
    lag: Option<String>,
    /// How long other services miss what was just changed in IAM [default: 2s to 10s] [env: KUBEWRIGHT_SANDBOX_IAM_LAG]
    #[arg(long, value_name = "D")]
    iam_lag: Option<String>,
    /// IAM policies that the pretend credentials are limited to, as `kubewright policy` prints them; may be repeated
    /// [default: they may do everything] [env: KUBEWRIGHT_SANDBOX_POLICY]
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    policy: Vec<PathBuf>,
}

#[cfg(feature = "sandbox")]
impl ConditionArgs {
    /// These flags over what the variables said.
    fn over(&self, env: &Env, conditions: &mut crate::sandbox::conditions::Conditions) -> Result<(), CliError> {
        let refuse = |flag: &'static str| move |why: String| CliError::usage(format!("{flag}: {why}"));
        if !self.quota.is_empty() {
            conditions.set_quotas(&self.quota.join(",")).map_err(refuse("--quota"))?;
        }
        if !self.sold_out.is_empty() {
            conditions.set_sold_out(&self.sold_out.join(",")).map_err(refuse("--sold-out"))?;
        }
        if !self.closed_region.is_empty() {
            conditions.set_closed(&self.closed_region.join(",")).map_err(refuse("--closed-region"))?;
        }
        if let Some(lag) = &self.lag {
            conditions.set_lag(lag).map_err(refuse("--lag"))?;
        }
        if let Some(lag) = &self.iam_lag {
            conditions.set_iam_lag(lag).map_err(refuse("--iam-lag"))?;
        }
        if !self.policy.is_empty() {
            conditions.policies.clear();
        }
        for file in &self.policy {
            crate::env::add_policies(conditions, &env.here.join(file), "--policy")?;
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Pods {
    /// They only look as if
    Simulated,
    /// As processes of this machine, in a scratch directory
    Local,
}

#[derive(clap::Args, Debug)]
struct ShowArgs {
    /// Every operation that was called, with counts
    #[arg(long)]
    requests: bool,
}

#[derive(clap::Args, Debug)]
struct ResetArgs {
    /// What the new world's randomness starts from
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Faults to happen in it
    #[arg(long, value_name = "FAULTS")]
    fault: Option<String>,
    #[command(flatten)]
    conditions: ConditionArgs,
}

/// Runs the verb.
#[cfg(not(feature = "sandbox"))]
pub(super) async fn run(_: &Env, args: SandboxArgs) -> Result<Exit, CliError> {
    let _ = args;
    Err(CliError::usage("this build has no sandbox"))
}

/// Runs the verb.
#[cfg(feature = "sandbox")]
pub(super) async fn run(env: &Env, args: SandboxArgs) -> Result<Exit, CliError> {
    match args.verb {
        SandboxVerb::Serve(args) => serve(env, args).await,
        SandboxVerb::Show(args) => show(env, &args).await,
        SandboxVerb::Reset(args) => reset(env, args).await,
    }
}

#[cfg(feature = "sandbox")]
async fn serve(env: &Env, args: ServeArgs) -> Result<Exit, CliError> {
    use crate::engine::StopSignal;
    use crate::env::write_for_user;
    let mut options = env.sandbox_options()?;
    if let Some(speed) = &args.speed {
        options.speed = speed.parse().map_err(|why| CliError::usage(format!("--speed: {why}")))?;
    }
    if let Some(fault) = args.fault {
        options.faults = fault;
    }
    args.conditions.over(env, &mut options.conditions)?;
    options.seed = args.seed.or(options.seed);
    options.port = args.port.or(options.port);
    if let Some(pods) = args.pods {
        options.pods_local = pods == Pods::Local;
    }
    let pods_local = options.pods_local;
    let running = crate::sandbox::serve(options).await.map_err(crate::env::sandbox_error)?;
    let exports = env.client_exports(running.endpoints(), running.dir());
    match &args.env_out {
        Some(file) => write_for_user(file, &exports)?,
        None => env.ui.raw(&exports),
    }
    if let Some(file) = &args.ready_file {
        write_for_user(file, &format!("{}\n{}\n", running.endpoints().aws, running.endpoints().kubernetes))?;
    }
    env.ui.say(&format!(
        "SANDBOX serves {} and {}; Ctrl-C ends it",
        running.endpoints().aws,
        running.endpoints().kubernetes
    ));
    if pods_local {
        env.ui.say(
            "pods that run to an end run as processes of this machine, as you, in scratch directories and in real time: not isolated",
        );
    }
    let mut stop = env.stop.receiver();
    // The sender lives as long as `env`.
    let _ = stop.wait_for(|signal| *signal != StopSignal::No).await;
    running.stop().await.map_err(crate::env::sandbox_error)?;
    Ok(Exit::DONE)
}

#[cfg(feature = "sandbox")]
async fn show(env: &Env, args: &ShowArgs) -> Result<Exit, CliError> {
    let dir = crate::env::sandbox_home(&env.vars.all)?;
    let Some(doc) = crate::sandbox::show(&dir).await.map_err(crate::env::sandbox_error)? else {
        return Err(CliError::new("KW-NOT-FOUND", "there is no pretend world yet")
            .hint("kubewright --sandbox provision demo --provider aws --region us-east-1"));
    };
    if args.requests && env.settings.format == crate::ui::Format::Table {
        let mut table = crate::ui::Table::new(&["OPERATION", ">CALLS", ">REFUSED", "MUTATING"]);
        for op in &doc.requests.by_op {
            let mutating = if op.mutating { "yes" } else { "" };
            table.row([op.op.clone(), op.count.to_string(), op.failed.to_string(), mutating.to_owned()]);
        }
        env.ui.raw(&(table.lines().join("\n") + "\n"));
        return Ok(Exit::DONE);
    }
    env.ui.show(env.now(), &doc, None);
    Ok(Exit::DONE)
}

#[cfg(feature = "sandbox")]
async fn reset(env: &Env, args: ResetArgs) -> Result<Exit, CliError> {
    let mut options = env.sandbox_options()?;
    options.seed = args.seed;
    options.faults = args.fault.unwrap_or_default();
    options.settings.faults.clone_from(&options.faults);
    options.conditions = crate::sandbox::conditions::Conditions::default();
    args.conditions.over(env, &mut options.conditions)?;
    crate::sandbox::reset(&options).await.map_err(crate::env::sandbox_error)?;
    env.forget_rehearsed_stacks()?;
    env.ui.say("a new, empty pretend world");
    Ok(Exit::DONE)
}
