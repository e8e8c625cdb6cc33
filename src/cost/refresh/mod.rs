//! What the vendors' price APIs say, read and laid over the table. Pure: pages in, prices out; who fetches them is
//! `providers/prices`.
//!
//! Each reader drops what looks like a machine's price and is none (another tenancy, Windows, a reservation, a commitment,
//! a queue of GPUs) and counts why. It trusts no filter that was sent along: an answer that ignores it is read the same.
//! Whatever cannot be read whole is an error, and the table stays as it was.

pub mod aws;
pub mod azure;
pub mod gcp;
pub mod lambda;
mod merge;

pub use merge::{Doubt, Merged, carry, merge};

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Why an answer cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It has not the form that the vendor describes.
    #[error("the answer has not the form of this API: {0}")]
    Shape(String),
    /// Another currency.
    #[error("prices came in {0}, not in USD")]
    Currency(String),
    /// Less than there must be.
    #[error("{0}: the answer is cut or filtered")]
    Cut(String),
}

/// What was read of one machine.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Read {
    /// USD an hour on demand.
    pub on_demand: Option<f64>,
    /// USD an hour on the spot market.
    pub spot: Option<f64>,
}

/// What a component costs in a region.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadComponent {
    /// Region.
    pub region: String,
    /// Our name for it.
    pub name: String,
    /// `hour`, `GB-month`.
    pub unit: String,
    /// USD per unit.
    pub usd: f64,
}

/// What one vendor's API has said so far.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Fresh {
    /// By region and machine type.
    pub machines: BTreeMap<(String, String), Read>,
    /// What is billed beside machines.
    pub components: Vec<ReadComponent>,
    /// Types that could be read at all, where that is not every type: an answer that lacks others is whole.
    pub readable: Option<BTreeSet<String>>,
    /// What was dropped, by reason.
    pub dropped: BTreeMap<&'static str, usize>,
}

impl Fresh {
    fn drop(&mut self, why: &'static str) {
        *self.dropped.entry(why).or_default() += 1;
    }

    fn at(&mut self, region: &str, name: &str) -> &mut Read {
        self.machines.entry((region.to_owned(), name.to_owned())).or_default()
    }

    /// The lowest of what is said of one machine stands.
    fn least(slot: &mut Option<f64>, usd: f64) {
        *slot = Some(slot.map_or(usd, |known| known.min(usd)));
    }
}

fn list<'v>(page: &'v Value, key: &str) -> Result<&'v [Value], Unreadable> {
    let found = page.get(key).and_then(Value::as_array);
    found.map(Vec::as_slice).ok_or_else(|| Unreadable::Shape(format!("it has no list `{key}`")))
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// The mark of the next page; none at the end, be it absent, null or empty.
fn next(page: &Value, key: &str) -> Option<String> {
    page.get(key).and_then(Value::as_str).filter(|mark| !mark.is_empty()).map(str::to_owned)
}
