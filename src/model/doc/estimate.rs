//! `kubewright.cost-estimate/v1`: what a plan costs, line by line.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A month, as cloud bills count it.
pub const HOURS_PER_MONTH: f64 = 730.0;

/// A figure that depends on how far autoscaled pools are scaled. Budgets are judged by `max`.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Range {
    /// Scaled down.
    pub min: f64,
    /// As ordered.
    pub desired: f64,
    /// Scaled up.
    pub max: f64,
}

impl Range {
    /// Each figure as `change` makes it.
    #[must_use]
    pub fn map(self, change: impl Fn(f64) -> f64) -> Self {
        Self { min: change(self.min), desired: change(self.desired), max: change(self.max) }
    }

    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self { min: self.min + other.min, desired: self.desired + other.desired, max: self.max + other.max }
    }
}

/// Money as it is shown: to a hundredth of a cent, and never as a negative nothing.
pub fn shown(usd: f64) -> f64 {
    (usd * 1e4).round() / 1e4 + 0.0
}

/// One billed component of one step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// The step that makes it.
    pub step: String,
    /// What it is, `m6a.large` or `nat-gateway`.
    pub component: String,
    /// Cloud.
    pub provider: String,
    /// Region.
    pub region: String,
    /// How it is bought: `on-demand`, `spot`, `list`.
    pub sku: String,
    /// How many, as ordered.
    pub quantity: f64,
    /// In which unit.
    pub unit: String,
    /// USD per unit; null when unknown.
    pub unit_price: Option<f64>,
    /// USD an hour; null when unknown.
    pub usd_per_hour: Option<Range>,
    /// Where the price was read.
    pub source: String,
    /// When.
    pub as_of: String,
    /// Estimated rather than read from a price list.
    pub extrapolated: bool,
    /// What the user's discounts and prices made of the unit price, with their line: `cost.yaml:3: instead of 0.096`;
    /// null where they say nothing.
    #[serde(default)]
    pub adjusted: Option<String>,
}

/// Sums over the lines with a known price.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    /// USD an hour.
    pub usd_per_hour: Range,
    /// USD a day, as ordered.
    pub usd_per_day: f64,
    /// USD a month of 730 hours, as ordered.
    pub usd_per_month: f64,
    /// USD until the expiry, when there is one.
    pub until_ttl_usd: Option<f64>,
}

/// What a plan costs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Estimate {
    /// `USD`.
    pub currency: String,
    /// Date of the price table.
    pub catalogue_date: String,
    /// 730.
    pub hours_per_month: f64,
    /// One per billed component.
    pub lines: Vec<Line>,
    /// Sums of what is known.
    pub totals: Totals,
    /// Whether every line has a price.
    pub complete: bool,
    /// Components without a price.
    pub unknown: Vec<String>,
    /// What no plan can price.
    pub excluded: Vec<String>,
}
