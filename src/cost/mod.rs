//! What things cost: an embedded, dated price table and a pure estimate over it.
//!
//! Knows prices, not clouds: no I/O, no clock. An unknown price is unknown, never zero.

mod adjust;
pub mod attach;
mod catalogue;
mod compare;
mod estimate;
mod fit;
mod need;
pub mod outliers;
#[cfg(test)]
mod properties;
pub mod refresh;

pub mod table;

pub use crate::model::doc::{Estimate, HOURS_PER_MONTH, Line, Range, Totals};
pub use catalogue::{
    Catalogue, ComponentPrice, InstancePrice, MachineType, Vendor, catalogue, load_prices_with, prices,
    reference_region,
};
pub use compare::{Offer, Wish, compare, is_region};
pub use estimate::{estimate, range_per_hour, usd_per_hour};
pub use fit::allocatable;
pub use need::Need;
