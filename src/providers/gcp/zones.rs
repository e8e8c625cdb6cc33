//! Zones of a region, and what machines and accelerators stand in each.

use super::adopted::name_of;
use super::client::{GcpCx, Request, encoded};
use crate::engine::StepError;
use crate::model::Region;
use futures::stream::{self, StreamExt, TryStreamExt};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// Listings under way at once.
const AT_ONCE: usize = 4;
/// As many as one page takes.
const PAGE: &str = "500";

/// Regions whose zones are not just a, b and c. Compute Engine, "Regions and zones", read 2026-11.
const LETTERS: [(&str, &str); 3] = [("europe-west1", "bcd"), ("us-central1", "abcf"), ("us-east1", "bcd")];

/// One zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    /// `europe-west4-a`
    pub name: String,
    /// Why no cluster of ours stands there, in words.
    pub unfit: Option<String>,
}

impl Zone {
    /// A zone by its name alone.
    pub fn named(name: String) -> Self {
        Self { name, unfit: None }
    }
}

/// A machine type, as one zone lists it.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Virtual CPUs.
    pub guest_cpus: u32,
    /// Memory.
    pub memory_mb: u64,
    /// `X86_64`, `ARM64`.
    pub architecture: Option<String>,
    /// What comes with it.
    pub accelerators: Vec<Attached>,
}

/// An accelerator that comes with a machine type.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Attached {
    /// `nvidia-l4`
    pub guest_accelerator_type: String,
    /// How many.
    pub guest_accelerator_count: u32,
}

/// What a region's zones have.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stock {
    /// Machine types, by name.
    pub machines: BTreeMap<String, Listed>,
    /// The zones that have them.
    pub in_zones: BTreeMap<String, BTreeSet<String>>,
    /// The zones that have an accelerator type, by its name.
    pub accelerators: BTreeMap<String, BTreeSet<String>>,
}

/// The zones of a region as most projects see them; none for a region that prices do not know.
pub fn embedded(region: &Region) -> Vec<String> {
    let letters = LETTERS.iter().find(|(known, _)| *known == region.as_str()).map_or("abc", |(_, letters)| letters);
    letters.chars().map(|letter| format!("{region}-{letter}")).collect()
}

/// The region that a zone's name begins with.
pub fn region_of(zone: &str) -> &str {
    zone.rsplit_once('-').map_or(zone, |(region, _)| region)
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Found {
    name: String,
    region: String,
    status: String,
}

/// The region's zones, by name.
///
/// # Errors
/// As the call's.
pub async fn all(cx: &GcpCx) -> Result<Vec<Zone>, StepError> {
    let request = Request::get("compute:zones.list", cx.compute_path("zones")?, "zones").query("maxResults", PAGE);
    let found: Vec<Found> = cx.list("items", request).await?;
    let here = found.into_iter().filter(|it| name_of(&it.region) == cx.region.as_str());
    let mut zones: Vec<Zone> = here.map(|it| judge(&it)).collect();
    zones.sort_by(|one, two| one.name.cmp(&two.name));
    Ok(zones)
}

fn judge(it: &Found) -> Zone {
    // `us-central1-ai1a`: machines with accelerators alone, and not for control planes.
    let suffix = it.name.rsplit('-').next().unwrap_or_default();
    let unfit = match it.status.as_str() {
        "UP" | "" if suffix.len() > 1 => Some("it is a zone for machines with accelerators only".to_owned()),
        "UP" | "" => None,
        status => Some(format!("it is {status}")),
    };
    Zone { name: it.name.clone(), unfit }
}

/// What these zones have.
///
/// # Errors
/// As the calls'.
pub async fn stock(cx: &GcpCx, zones: &[String]) -> Result<Stock, StepError> {
    let read = |zone: String| async move {
        let at = |what: &str| cx.compute_path(&format!("zones/{}/{what}", encoded(&zone)));
        let types = Request::get("compute:machineTypes.list", at("machineTypes")?, &zone).query("maxResults", PAGE);
        let kinds =
            Request::get("compute:acceleratorTypes.list", at("acceleratorTypes")?, &zone).query("maxResults", PAGE);
        let (types, kinds) = futures::try_join!(cx.list::<Listed>("items", types), cx.list::<Kind>("items", kinds))?;
        Ok::<_, StepError>((zone, types, kinds))
    };
    let found: Vec<_> = stream::iter(zones.to_vec()).map(read).buffered(AT_ONCE).try_collect().await?;
    let mut stock = Stock::default();
    for (zone, types, kinds) in found {
        for it in types {
            stock.in_zones.entry(it.name.clone()).or_default().insert(zone.clone());
            stock.machines.insert(it.name.clone(), it);
        }
        for it in kinds {
            stock.accelerators.entry(it.name).or_default().insert(zone.clone());
        }
    }
    Ok(stock)
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Kind {
    name: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::catalogue;
    use crate::model::Cloud;

    #[test]
    fn zones_are_named_after_their_region() {
        let of = |name: &str| embedded(&Region(name.to_owned()));
        assert_eq!(of("us-east1"), ["us-east1-b", "us-east1-c", "us-east1-d"]);
        assert_eq!(of("europe-west4").len(), 3);
        assert_eq!(region_of("us-central1-f"), "us-central1");
        let known = catalogue().regions(Cloud::Gcp);
        assert!(LETTERS.iter().all(|(name, _)| known.iter().any(|it| it == name)), "a region is misspelt");
    }

    #[test]
    fn zones_that_are_down_or_special_are_not_chosen() {
        let zone = |name: &str, status: &str| {
            judge(&Found { name: name.to_owned(), region: String::new(), status: status.to_owned() }).unfit
        };
        assert_eq!(zone("us-central1-a", "UP"), None);
        assert!(zone("us-central1-a", "DOWN").is_some_and(|why| why.contains("DOWN")));
        assert!(zone("us-central1-ai1a", "UP").is_some_and(|why| why.contains("accelerators")));
    }
}
