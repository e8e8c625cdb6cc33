//! `kubewright.cost-estimate/v1`, also inside the plan document.

use serde::Serialize;

/// Scaled down, as ordered, scaled up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Range {
    /// Scaled down.
    pub min: f64,
    /// As ordered.
    pub desired: f64,
    /// Scaled up: what budgets are judged by.
    pub max: f64,
}

/// One priced thing.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CostLine {
    /// The step it belongs to.
    pub step: String,
    /// What it is, in the price table's words.
    pub component: String,
    /// Cloud.
    pub provider: String,
    /// Region.
    pub region: String,
    /// The vendor's type or component name.
    pub sku: String,
    /// How many, as ordered.
    pub quantity: f64,
    /// Of what.
    pub unit: String,
    /// USD per unit.
    pub unit_price: Option<f64>,
    /// USD an hour; null when unknown.
    pub usd_per_hour: Option<Range>,
    /// Where the price comes from.
    pub source: Option<String>,
    /// Its date.
    pub as_of: Option<String>,
    /// Derived from another region or type.
    pub extrapolated: bool,
}

/// The sums of what is known.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CostTotals {
    /// By the hour.
    pub usd_per_hour: Range,
    /// By the day, as ordered.
    pub usd_per_day: f64,
    /// By the month, as ordered.
    pub usd_per_month: f64,
    /// Until it expires; null without a TTL.
    pub until_ttl_usd: Option<f64>,
}

/// A line without a price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unknown {
    /// The step.
    pub step: String,
    /// What has no price.
    pub sku: String,
    /// Why.
    pub why: String,
}

/// The body.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CostEstimate {
    /// Always USD.
    pub currency: String,
    /// The price table's date.
    pub catalogue_date: String,
    /// 730.
    pub hours_per_month: f64,
    /// The lines.
    pub lines: Vec<CostLine>,
    /// The sums.
    pub totals: CostTotals,
    /// Whether every line has a price.
    pub complete: bool,
    /// Lines without one.
    pub unknown: Vec<Unknown>,
    /// What is not in the price.
    pub excluded: Vec<String>,
}
