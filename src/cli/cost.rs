//! `kubewright cost`: what a cluster will cost, where it would cost less, what it has cost.

use super::provision::{SpecArgs, money};
use crate::app::cost::{self, CompareRequest, EstimateRequest, Vendor};
use crate::app::{provision::Limits, refresh};
use crate::env::Env;
use crate::error::{CliError, Exit};
use crate::model::{ClusterName, NameError, StackId, time::parse_span};
use std::{path::PathBuf, time::Duration};

const AFTER: &str = "\
Prices are list prices of the table in this binary and of what `cost refresh` has read, with their date; traffic, and what workloads make by themselves, is
in none of them. `-o csv` and `-o markdown` write tables for other programs and for people elsewhere.";

/// Say what a cluster will cost, where it would cost less, and what it has cost; needs no credentials
#[derive(clap::Args, Debug)]
#[command(after_help = AFTER)]
pub struct CostArgs {
    #[command(subcommand)]
    verb: CostVerb,
}

impl CostArgs {
    /// Whether the user's own prices count: a refresh reads the vendors' alone.
    pub(super) const fn prices_something(&self) -> bool {
        !matches!(self.verb, CostVerb::Refresh(_))
    }
}

#[derive(clap::Subcommand, Debug)]
enum CostVerb {
    /// Price a cluster line by line, from a file or the flags of `provision`
    Estimate(Box<EstimateArgs>),
    /// Find where a need is met for the least money, over all clouds and regions
    Compare(CompareArgs),
    /// What one cluster has cost so far, object by object
    Show(ShowArgs),
    /// What all recorded clusters cost
    List,
    /// What one cluster will cost in the days to come
    Forecast(ForecastArgs),
    /// Read today's prices from the vendors' price APIs, to lie over those of this binary
    Refresh(RefreshArgs),
}

/// Price a cluster line by line, from a file or the flags of `provision`
#[derive(clap::Args, Debug)]
struct EstimateArgs {
    /// Cluster name; for one begun here the flags lie over what is recorded
    #[arg(add = super::complete::stacks())]
    name: Option<ClusterName>,
    /// Cluster file [default: ./cluster.yaml when no NAME is given and it is there]
    #[arg(short, long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    file: Option<PathBuf>,
    /// Exit 6 above this many USD an hour, judged at the maximum
    #[arg(long, value_name = "USD", value_parser = money, allow_negative_numbers = true)]
    max_hourly_cost: Option<f64>,
    /// Exit 6 above this many USD a month, judged at the maximum
    #[arg(long, value_name = "USD", value_parser = money, allow_negative_numbers = true)]
    max_monthly_cost: Option<f64>,
    #[command(flatten)]
    spec: SpecArgs,
}

/// Find where a need is met for the least money, over all clouds and regions
#[derive(clap::Args, Debug)]
struct CompareArgs {
    /// What each node must offer to pods, and how many: '8vcpu,32gib x3', A100:1
    #[arg(long, value_name = "NEED")]
    need: String,
    /// Spot machines
    #[arg(long)]
    spot: bool,
    /// Only these vendors: aws, gcp, azure, lambda
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', add = super::complete::vendors())]
    providers: Vec<Vendor>,
    /// Only these regions: us-east-1, 'us-*'
    #[arg(long, value_name = "REGION,…", value_delimiter = ',')]
    regions: Vec<String>,
    /// ARM machines as well
    #[arg(long)]
    arm: bool,
    /// Go by what machines have instead of what pods get of it
    #[arg(long)]
    raw: bool,
    /// How many to show; 0 is all [default: 20]
    #[arg(long, value_name = "N")]
    top: Option<usize>,
    /// Print nothing but the flags of `provision` that build the cheapest
    #[arg(long, conflicts_with = "top")]
    cheapest: bool,
}

/// What one cluster has cost so far, object by object
#[derive(clap::Args, Debug)]
struct ShowArgs {
    /// Cluster name, also of a destroyed one
    #[arg(add = super::complete::recorded_stacks())]
    name: ClusterName,
    /// Which stack, where several bore the name [default: the latest]
    #[arg(long, value_name = "ID", add = super::complete::stack_ids())]
    stack: Option<StackId>,
}

/// What one cluster will cost in the days to come
#[derive(clap::Args, Debug)]
struct ForecastArgs {
    /// Cluster name
    #[arg(add = super::complete::stacks())]
    name: ClusterName,
    /// Which stack, where several bore the name [default: the latest]
    #[arg(long, value_name = "ID", add = super::complete::stack_ids())]
    stack: Option<StackId>,
    /// How many days, or a span: 30, 12h
    #[arg(long, value_name = "N", value_parser = days, default_value = "30", allow_negative_numbers = true)]
    days: Duration,
}

/// Read today's prices from the vendors' price APIs, to lie over those of this binary
#[derive(clap::Args, Debug)]
struct RefreshArgs {
    /// Only these vendors: aws, gcp, azure, lambda [default: all that answer without or with the credentials in sight]
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', add = super::complete::vendors())]
    providers: Vec<Vendor>,
    /// Only these regions: us-east-1, 'us-*', all [default: where clusters are, and the region in use]
    #[arg(long, value_name = "REGION,…", value_delimiter = ',')]
    regions: Vec<String>,
}

/// Longest span that is worth a forecast: prices are not that old themselves.
const MOST_DAYS: f64 = 3_660.0;

fn days(text: &str) -> Result<Duration, NameError> {
    let number = text.parse::<f64>().ok().map(|days| (days, days * 86_400.0));
    match number {
        Some((days, secs)) if days > 0.0 && days <= MOST_DAYS => Ok(Duration::from_secs_f64(secs)),
        Some(_) => Err(NameError(format!("`{text}` days: more than none, and at most {MOST_DAYS}"))),
        None => parse_span(text).map_err(|_| NameError(format!("`{text}` is neither days nor a span such as 12h"))),
    }
}

const TOP: usize = 20;

/// Runs the verb.
pub(super) async fn run(env: &Env, args: CostArgs) -> Result<Exit, CliError> {
    match args.verb {
        CostVerb::Estimate(args) => {
            let limits =
                Limits { hourly_usd: args.max_hourly_cost, monthly_usd: args.max_monthly_cost, override_budget: false };
            let overrides = args.spec.overrides();
            cost::estimate(env, EstimateRequest { name: args.name, file: args.file, limits, overrides }).await
        }
        CostVerb::Compare(args) => {
            let top = args.top.unwrap_or(TOP);
            let request = CompareRequest {
                need: args.need,
                spot: args.spot,
                providers: args.providers,
                regions: args.regions,
                arm: args.arm,
                raw: args.raw,
                top: (top > 0).then_some(top),
                cheapest: args.cheapest,
            };
            cost::compare(env, request)
        }
        CostVerb::Show(args) => cost::show(env, &args.name, args.stack),
        CostVerb::Refresh(args) => refresh::refresh(env, &args.providers, &args.regions).await,
        CostVerb::List => cost::list(env),
        CostVerb::Forecast(args) => cost::forecast(env, &args.name, args.stack, args.days),
    }
}
