//! What a thing is billed by: a key into the price table and a quantity. Prices themselves live in `cost`.

use super::{Cloud, Region};
use serde::{Deserialize, Serialize};

/// A row of the price table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "camelCase")]
pub enum PriceKey {
    /// A machine of this type, Linux, shared tenancy.
    Instance {
        /// Whose machine.
        cloud: Cloud,
        /// Where it runs.
        region: Region,
        /// The vendor's type name, `m6a.large`.
        #[serde(rename = "type")]
        instance_type: String,
        /// Spot instead of on-demand.
        spot: bool,
    },
    /// Anything else: the component names of the price table, `eks-cluster`, `nat-gateway`, `ebs-gp3`.
    Component {
        /// Whose component.
        cloud: Cloud,
        /// Where it runs.
        region: Region,
        /// Component name.
        name: String,
    },
}

/// The unit a quantity counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Unit {
    /// Pieces, billed by the hour.
    Hour,
    /// Gibibytes kept, billed by the month of 730 hours.
    GbMonth,
    /// Pieces, billed by the month of 730 hours.
    Month,
}

/// What one object uses while it stands. A fixed object has `min == desired == max`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// What is billed.
    pub key: PriceKey,
    /// In which unit.
    pub unit: Unit,
    /// Quantity when scaled down.
    pub min: f64,
    /// Quantity as ordered.
    pub desired: f64,
    /// Quantity when scaled up: what budgets are judged by.
    pub max: f64,
}

impl Usage {
    /// A quantity that does not scale.
    pub fn fixed(key: PriceKey, unit: Unit, quantity: f64) -> Self {
        Self { key, unit, min: quantity, desired: quantity, max: quantity }
    }
}

/// Discounts and prices of the user's own, each with where it stands: `cost.yaml:3`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Adjustments {
    /// One a vendor at most.
    pub discounts: Vec<Discount>,
    /// Prices in place of the table's.
    pub prices: Vec<OwnPrice>,
}

impl Adjustments {
    /// Whether it changes nothing.
    pub const fn is_empty(&self) -> bool {
        self.discounts.is_empty() && self.prices.is_empty()
    }
}

/// What a vendor takes less than its list says, as shares from 0 to less than 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Discount {
    /// aws, gcp, azure or lambda.
    pub provider: String,
    /// Of machines on demand.
    pub on_demand: f64,
    /// Of spot machines.
    pub spot: f64,
    /// Of everything that is no machine.
    pub components: f64,
    /// File and line.
    pub at: String,
}

/// A price that stands for the table's.
#[derive(Debug, Clone, PartialEq)]
pub struct OwnPrice {
    /// aws, gcp, azure or lambda.
    pub provider: String,
    /// One region; none is all.
    pub region: Option<String>,
    /// Machine type or component.
    pub name: String,
    /// Whether it is a component.
    pub is_component: bool,
    /// USD a unit: an hour of a machine on demand, or what the component is counted in.
    pub usd: Option<f64>,
    /// USD an hour on the spot market.
    pub spot_usd: Option<f64>,
    /// File and line.
    pub at: String,
}
