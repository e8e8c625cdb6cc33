//! `kubewright provision`: plan, price, ask, build; again on an unfinished stack: continue.

use crate::app::provision::{self, Limits, OnFailure, Overrides, ProvisionRequest, WaitFor};
use crate::env::Env;
use crate::error::{CliError, Exit};
use crate::model::{ClusterName, NameError, spec::Nat, time::parse_span};
use ipnet::Ipv4Net;
use std::{path::PathBuf, time::Duration};

/// What a finished provision waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum WaitArg {
    /// Nodes are Ready, asked of the cluster itself
    Nodes,
    /// The cloud says that everything is there
    Cloud,
}

/// What happens to a failed build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum OnFailureArg {
    /// It stays, to be continued
    Keep,
    /// It is removed again
    Rollback,
}

/// Address translation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum NatArg {
    /// None; nodes get public addresses
    None,
    /// One for all zones
    Single,
    /// One in each zone
    PerZone,
}

impl From<NatArg> for Nat {
    fn from(nat: NatArg) -> Self {
        match nat {
            NatArg::None => Self::None,
            NatArg::Single => Self::Single,
            NatArg::PerZone => Self::PerZone,
        }
    }
}

/// Plan a cluster, price it, and build it; again on an unfinished one: continue
#[derive(clap::Args, Debug)]
pub struct ProvisionArgs {
    /// Cluster name; beats the file's
    #[arg(add = super::complete::stacks())]
    name: Option<ClusterName>,
    /// Cluster file [default: ./cluster.yaml when no NAME is given]
    #[arg(short, long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    file: Option<PathBuf>,
    /// Show the plan with its cost, time and hash; change nothing
    #[arg(long)]
    dry_run: bool,
    /// Build only if the plan has this hash
    #[arg(long, value_name = "HASH")]
    expect_plan: Option<String>,
    /// Refuse above this many USD an hour, judged at the maximum
    #[arg(long, value_name = "USD", value_parser = money, allow_negative_numbers = true)]
    max_hourly_cost: Option<f64>,
    /// Refuse above this many USD a month, judged at the maximum
    #[arg(long, value_name = "USD", value_parser = money, allow_negative_numbers = true)]
    max_monthly_cost: Option<f64>,
    /// Pass every budget and limit; written to the journal
    #[arg(long)]
    override_budget: bool,
    /// Build beside this cluster, which the same file built under its earlier name; repeatable
    #[arg(long, value_name = "NAME", add = super::complete::stacks())]
    beside: Vec<ClusterName>,
    /// What to wait for [default: nodes]
    #[arg(long, value_enum, value_name = "WHAT")]
    wait: Option<WaitArg>,
    /// What happens to a build that fails, runs into --timeout, or whose nodes never get Ready; a signal always keeps [default: keep]
    #[arg(long, value_enum, value_name = "WHAT")]
    on_failure: Option<OnFailureArg>,
    #[command(flatten)]
    spec: SpecArgs,
}

/// What the cluster shall be, where it is not a file that says it
#[derive(clap::Args, Debug)]
pub(super) struct SpecArgs {
    /// Life time: 90m, 8h, 2d; enforced by `reap`
    #[arg(long, value_name = "SPAN", value_parser = parse_span)]
    ttl: Option<Duration>,
    /// Kubernetes version, 1.35 [default: the provider's, with 90 days of support left]
    #[arg(long = "version", id = "kubernetes-version", value_name = "MINOR", add = super::complete::versions())]
    version: Option<String>,
    /// Nodes of the default pool, in all [default: 2]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    nodes: Option<u32>,
    /// Machine of the default pool [default: m6a.large, e2-standard-2 or Standard_D2as_v5]
    #[arg(long, value_name = "TYPE", add = super::complete::machines())]
    node_type: Option<String>,
    /// A further pool: name=gpu,type=g5.xlarge,spot,max=4; repeatable
    #[arg(long = "pool", value_name = "POOL", add = super::complete::pools())]
    pools: Vec<String>,
    /// Exactly these zones
    #[arg(
        long,
        value_name = "ZONE,…",
        value_delimiter = ',',
        conflicts_with = "zone_count",
        add = super::complete::zones()
    )]
    zones: Option<Vec<String>>,
    /// How many zones [default: 2]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    zone_count: Option<u8>,
    /// Address translation for private nodes [default: single]
    #[arg(long, value_enum, value_name = "WHAT")]
    nat: Option<NatArg>,
    /// Address range of the new network [default: 10.0.0.0/16]
    #[arg(long, value_name = "CIDR")]
    network_cidr: Option<Ipv4Net>,
    /// Ranges that may reach the API server; repeatable [default: 0.0.0.0/0]
    #[arg(long, value_name = "CIDR", value_delimiter = ',')]
    api_allow: Vec<Ipv4Net>,
    /// Any key of the cluster file: network.nat=none; repeatable
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
}

impl SpecArgs {
    /// As plain values.
    pub(super) fn overrides(self) -> Overrides {
        Overrides {
            ttl: self.ttl,
            version: self.version,
            nodes: self.nodes,
            node_type: self.node_type,
            pools: self.pools,
            zones: self.zones,
            zone_count: self.zone_count,
            nat: self.nat.map(Into::into),
            network_cidr: self.network_cidr,
            api_allow: self.api_allow,
            set: self.set,
        }
    }
}

/// Reads an amount of money.
pub(super) fn money(text: &str) -> Result<f64, NameError> {
    match text.parse::<f64>() {
        Ok(usd) if usd.is_finite() && usd >= 0.0 => Ok(usd),
        _ => Err(NameError(format!("`{text}` is not an amount in USD, such as 1.50"))),
    }
}

/// Runs the verb.
pub(super) async fn run(env: &mut Env, args: ProvisionArgs) -> Result<Exit, CliError> {
    let request = ProvisionRequest {
        name: args.name,
        file: args.file,
        dry_run: args.dry_run,
        expect_plan: args.expect_plan,
        beside: args.beside,
        limits: Limits {
            hourly_usd: args.max_hourly_cost,
            monthly_usd: args.max_monthly_cost,
            override_budget: args.override_budget,
        },
        wait: match args.wait {
            Some(WaitArg::Cloud) => WaitFor::Cloud,
            Some(WaitArg::Nodes) | None => WaitFor::Nodes,
        },
        on_failure: match args.on_failure {
            Some(OnFailureArg::Rollback) => OnFailure::Rollback,
            Some(OnFailureArg::Keep) | None => OnFailure::Keep,
        },
        overrides: args.spec.overrides(),
    };
    provision::run(env, request).await
}
