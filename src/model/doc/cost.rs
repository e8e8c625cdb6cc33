//! `kubewright.cost-compare/v1`, `cost-show`, `cost-list`, `cost-forecast` and
//! `cost-refresh`.

use super::Stack;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// What is needed of each node.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Needed {
    /// Virtual CPUs.
    pub vcpus: f64,
    /// GiB.
    pub memory_gib: f64,
    /// Accelerator, `A100:1`.
    pub gpu: Option<String>,
    /// How many such nodes.
    pub nodes: u32,
}

/// Prices by the hour.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OfferPrice {
    /// One machine.
    pub machine: f64,
    /// The same machine on demand.
    pub on_demand: f64,
    /// The control plane; null where the vendor has none.
    pub control_plane: Option<f64>,
    /// All of it.
    pub total: f64,
}

/// The cheapest way in one region.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Offered {
    /// aws, gcp, azure or lambda.
    pub provider: String,
    /// Region.
    pub region: String,
    /// Machine type.
    pub instance_type: String,
    /// What it has.
    pub vcpus: f64,
    /// What it has.
    pub memory_gib: f64,
    /// Its accelerators, `A100:8`.
    pub gpu: Option<String>,
    /// What pods get of its CPUs.
    pub allocatable_vcpus: f64,
    /// What pods get of its memory.
    pub allocatable_gib: f64,
    /// USD an hour.
    pub usd_per_hour: OfferPrice,
    /// USD a month of 730 hours.
    pub usd_per_month: f64,
    /// What spot saves of the on-demand price of the machines, in percent; null where spot was not asked for.
    pub saving_percent: Option<f64>,
    /// Estimated rather than read from a price list.
    pub extrapolated: bool,
    /// Date of the machine's price.
    pub as_of: String,
    /// What discounts and prices of your own made of it, with their line; null where it is the list's.
    pub adjusted: Option<String>,
    /// Flags of `provision` that build it; null where this version cannot.
    pub flags: Option<String>,
}

/// The body of `cost compare`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CostCompare {
    /// What was asked for.
    pub need: Needed,
    /// Spot machines.
    pub spot: bool,
    /// Date of the price table.
    pub catalogue_date: String,
    /// How many regions have a machine that fits.
    pub found: usize,
    /// The cheapest of them, cheapest first.
    pub offers: Vec<Offered>,
    /// What is not in the prices.
    pub excluded: Vec<String>,
}

/// What one billed object has cost.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Accrued {
    /// The step that made it.
    pub step: String,
    /// What it is billed by.
    pub components: Vec<String>,
    /// Hours between confirmed running and proven gone, or now.
    pub hours: f64,
    /// USD an hour as ordered; null when unknown.
    pub usd_per_hour: Option<f64>,
    /// USD so far; null when unknown.
    pub usd: Option<f64>,
    /// Whether it still stands.
    pub running: bool,
}

/// The body of `cost show`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CostShow {
    /// The stack.
    pub stack: Stack,
    /// When its build began.
    pub since: Option<Timestamp>,
    /// When it was proven gone; null while something of it stands.
    pub destroyed_at: Option<Timestamp>,
    /// One per billed object.
    pub lines: Vec<Accrued>,
    /// USD so far, pools that scale as they were ordered; null when a price is unknown.
    pub accrued_usd: Option<f64>,
    /// USD so far if pools that scale were at their smallest all the time; null when a price is unknown.
    pub accrued_min_usd: Option<f64>,
    /// USD so far if pools that scale were at their largest all the time; null when a price is unknown.
    pub accrued_max_usd: Option<f64>,
    /// USD an hour of what stands; null when a price is unknown.
    pub usd_per_hour: Option<f64>,
    /// USD a month of 730 hours of what stands.
    pub usd_per_month: Option<f64>,
    /// When it expires.
    pub expires_at: Option<Timestamp>,
    /// USD from now until then.
    pub until_expiry_usd: Option<f64>,
    /// What no journal can know.
    pub excluded: Vec<String>,
}

/// One row of `cost list`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CostListed {
    /// The stack.
    pub stack: Stack,
    /// USD an hour; null when unknown.
    pub usd_per_hour: Option<f64>,
    /// USD a month of 730 hours; null when unknown.
    pub usd_per_month: Option<f64>,
    /// USD so far; null when unknown.
    pub accrued_usd: Option<f64>,
    /// When it expires.
    pub expires_at: Option<Timestamp>,
}

/// The body of `cost list`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CostList {
    /// One per stack.
    pub stacks: Vec<CostListed>,
    /// USD an hour of all whose price is known.
    pub usd_per_hour: f64,
    /// The same for a month of 730 hours.
    pub usd_per_month: f64,
    /// USD so far of all that is known.
    pub accrued_usd: f64,
    /// Whether all prices are known and all journals could be read.
    pub complete: bool,
}

/// The body of `cost forecast`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CostForecast {
    /// The stack.
    pub stack: Stack,
    /// The span in days.
    pub days: f64,
    /// Where it ends.
    pub until: Timestamp,
    /// USD so far; null when unknown.
    pub accrued_usd: Option<f64>,
    /// USD in the span with autoscaled pools at their smallest; null when unknown.
    pub min_usd: Option<f64>,
    /// USD in the span as ordered; null when unknown.
    pub desired_usd: Option<f64>,
    /// USD in the span with autoscaled pools at their largest; null when unknown.
    pub max_usd: Option<f64>,
    /// When it expires, where that is within the span: nothing is forecast beyond, if `reap` runs.
    pub expires_at: Option<Timestamp>,
}

/// A price that was read and not believed: what was known stands.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DoubtfulPrice {
    /// Region.
    pub region: String,
    /// Machine type or component.
    pub name: String,
    /// USD that is known.
    pub known: f64,
    /// USD that was read; null where the answer contradicts itself.
    pub said: Option<f64>,
}

/// What came of one vendor.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VendorRefresh {
    /// aws, gcp, azure or lambda.
    pub provider: String,
    /// `read`, `failed` (what was known stands), `skipped` (nobody is signed in).
    pub outcome: String,
    /// The regions that were asked for.
    pub regions: Vec<String>,
    /// Machine prices that now stand.
    pub prices: usize,
    /// How many of them are other than before.
    pub changed: usize,
    /// Spot prices that now stand.
    pub spot: usize,
    /// Components whose price now stands.
    pub components: usize,
    /// What was among the answers and is no price of a plain machine, by reason.
    pub dropped: BTreeMap<String, usize>,
    /// What was not believed.
    pub doubtful: Vec<DoubtfulPrice>,
    /// Why it failed or was skipped.
    pub reason: Option<String>,
}

/// The body of `cost refresh`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CostRefresh {
    /// One per vendor.
    pub vendors: Vec<VendorRefresh>,
    /// Date of the newest price in force now.
    pub catalogue_date: String,
    /// The file that keeps what was read.
    pub file: String,
}
