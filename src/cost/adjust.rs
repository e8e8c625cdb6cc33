//! Discounts and prices of the user's own, laid over the table as it is read. Pure.
//!
//! A price of one's own stands for itself: no discount is taken from it. Spot is discounted only where that was said, and
//! is never dearer than the same machine on demand.

use super::Vendor;
use crate::model::{Adjustments, Discount, OwnPrice};

/// A price after adjustment, and in words what was done.
pub(super) struct Adjusted {
    pub(super) on_demand: f64,
    pub(super) spot: Option<f64>,
    pub(super) note: Option<String>,
}

/// Prices have five decimals; what a discount leaves is rounded to them.
fn rounded(usd: f64) -> f64 {
    (usd * 1e5).round() / 1e5
}

fn less(usd: f64, share: f64) -> f64 {
    rounded(usd * (1.0 - share))
}

fn discount(all: &Adjustments, vendor: Vendor) -> Option<&Discount> {
    all.discounts.iter().find(|it| it.provider == vendor.as_str())
}

/// The one that fits best: a region that is named beats one that is not.
fn own<'a>(all: &'a Adjustments, vendor: Vendor, region: &str, name: &str) -> Option<&'a OwnPrice> {
    let fits = |it: &&OwnPrice| {
        it.provider == vendor.as_str() && it.name == name && it.region.as_deref().is_none_or(|own| own == region)
    };
    all.prices.iter().filter(fits).max_by_key(|it| it.region.is_some())
}

/// A machine's price.
pub(super) fn machine(
    all: &Adjustments,
    vendor: Vendor,
    region: &str,
    name: &str,
    (on_demand, spot): (f64, Option<f64>),
) -> Adjusted {
    let mut out = Adjusted { on_demand, spot, note: None };
    let mut notes = Vec::new();
    if let Some(cut) = discount(all, vendor) {
        if cut.on_demand > 0.0 {
            out.on_demand = less(on_demand, cut.on_demand);
            notes.push(format!("{}: {} % off {on_demand}", cut.at, percent(cut.on_demand)));
        }
        if cut.spot > 0.0 {
            out.spot = spot.map(|usd| less(usd, cut.spot));
            notes.push(format!("{}: {} % off spot", cut.at, percent(cut.spot)));
        }
    }
    if let Some(price) = own(all, vendor, region, name) {
        if let Some(usd) = price.usd {
            out.on_demand = usd;
            notes = vec![format!("{}: instead of {on_demand}", price.at)];
        }
        if let Some(usd) = price.spot_usd {
            out.spot = Some(usd);
            let list = spot.map_or_else(|| "none".to_owned(), |usd| usd.to_string());
            notes.push(format!("{}: instead of {list} spot", price.at));
        }
    }
    out.note = (!notes.is_empty()).then(|| notes.join("; "));
    out
}

/// A component's price.
pub(super) fn component(
    all: &Adjustments,
    vendor: Vendor,
    region: &str,
    name: &str,
    usd: f64,
) -> (f64, Option<String>) {
    if let Some(price) = own(all, vendor, region, name)
        && let Some(own) = price.usd
    {
        return (own, Some(format!("{}: instead of {usd}", price.at)));
    }
    match discount(all, vendor).filter(|cut| cut.components > 0.0) {
        Some(cut) => {
            let note = format!("{}: {} % off {usd}", cut.at, percent(cut.components));
            // Months of gigabytes have more decimals than five.
            ((usd * (1.0 - cut.components) * 1e7).round() / 1e7, Some(note))
        }
        None => (usd, None),
    }
}

fn percent(share: f64) -> f64 {
    (share * 1e4).round() / 1e2
}
