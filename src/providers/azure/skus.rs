//! VM sizes as a location offers them to this subscription: with zones, quota families and restrictions.
//!
//! `Microsoft.Compute/skus` lists every size that exists there, those that may not be used among them: what bars them
//! stands beside, by location or by zone.

use super::instances::{Size, arch};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// Why a size may not be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Barred {
    /// Not for this subscription, everywhere in the location.
    Subscription,
    /// The subscription's offer (free, sponsored …) does not include it.
    Offer,
}

impl Barred {
    /// In words.
    pub const fn why(&self) -> &'static str {
        match self {
            Self::Subscription => "it is not available to this subscription there",
            Self::Offer => "the offer of this subscription does not include it",
        }
    }
}

/// One size in one location.
#[derive(Debug, Clone, PartialEq)]
pub struct Sku {
    /// What it has.
    pub size: Size,
    /// The family whose quota it counts against, as usages name it: `standardDASv5Family`.
    pub family: Option<String>,
    /// The zones that have it and let this subscription use it.
    pub zones: BTreeSet<String>,
    /// The zones that have it.
    pub all_zones: BTreeSet<String>,
    /// Why it may not be used at all.
    pub barred: Option<Barred>,
}

/// Every size of a location, by name.
pub type Skus = BTreeMap<String, Sku>;

/// One entry of ARM's list.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    #[serde(default)]
    resource_type: String,
    #[serde(default)]
    name: String,
    family: Option<String>,
    #[serde(default)]
    location_info: Vec<Place>,
    #[serde(default)]
    capabilities: Vec<Capability>,
    #[serde(default)]
    restrictions: Vec<Restriction>,
}

#[derive(Debug, Deserialize)]
struct Place {
    #[serde(default)]
    location: String,
    #[serde(default)]
    zones: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Capability {
    name: String,
    value: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Restriction {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    restriction_info: RestrictionInfo,
    reason_code: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct RestrictionInfo {
    #[serde(default)]
    zones: Vec<String>,
}

/// Reads ARM's list for a location; entries that are no VM size are left out.
pub fn read(values: Vec<serde_json::Value>, location: &str) -> Skus {
    let entries = values.into_iter().filter_map(|value| serde_json::from_value::<Entry>(value).ok());
    let machines = entries.filter(|it| it.resource_type.eq_ignore_ascii_case("virtualMachines"));
    machines.map(|it| sku(it, location)).map(|sku| (sku.size.name.clone(), sku)).collect()
}

fn sku(entry: Entry, location: &str) -> Sku {
    let told = |name: &str| entry.capabilities.iter().find(|it| it.name == name).map(|it| it.value.as_str());
    let number = |name: &str| told(name).and_then(|text| text.parse::<f64>().ok());
    let here = entry.location_info.iter().filter(|it| it.location.eq_ignore_ascii_case(location));
    let all_zones: BTreeSet<String> = here.flat_map(|it| it.zones.iter().cloned()).collect();
    let mut zones = all_zones.clone();
    let mut barred = None;
    for it in &entry.restrictions {
        if it.kind.eq_ignore_ascii_case("Zone") {
            it.restriction_info.zones.iter().for_each(|zone| {
                zones.remove(zone);
            });
        } else {
            let offer = it.reason_code.as_deref() == Some("QuotaId");
            barred = Some(if offer { Barred::Offer } else { Barred::Subscription });
        }
    }
    let known = super::instances::from_catalogue(&entry.name);
    // ARM counts GPUs and does not name them; the price table does.
    let gpus = number("GPUs").unwrap_or_default();
    let gpu = known.and_then(|known| known.gpu).or_else(|| (gpus >= 1.0).then(|| ("GPU".to_owned(), gpus as u32)));
    let size = Size {
        arch: match told("CpuArchitectureType") {
            Some(kind) if kind.eq_ignore_ascii_case("Arm64") => "arm64",
            Some(_) => "amd64",
            None => arch(&entry.name),
        }
        .to_owned(),
        vcpus: number("vCPUs").unwrap_or_default() as u32,
        memory_mib: (number("MemoryGB").unwrap_or_default() * 1024.0) as u64,
        gpu,
        spot: told("LowPriorityCapable").is_none_or(|text| text.eq_ignore_ascii_case("true")),
        name: entry.name,
    };
    Sku { size, family: entry.family, zones, all_zones, barred }
}

/// The zones of a location: those in which anything at all is offered.
pub fn zones(skus: &Skus) -> Vec<String> {
    let all: BTreeSet<&String> = skus.values().flat_map(|sku| &sku.all_zones).collect();
    all.into_iter().cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn entry(name: &str, zones: &[&str], restrictions: Value) -> Value {
        json!({
            "resourceType": "virtualMachines", "name": name, "family": "standardDASv5Family",
            "locations": ["EastUS"], "locationInfo": [{ "location": "EastUS", "zones": zones }],
            "capabilities": [
                { "name": "vCPUs", "value": "2" }, { "name": "MemoryGB", "value": "8" },
                { "name": "LowPriorityCapable", "value": "True" }, { "name": "CpuArchitectureType", "value": "x64" },
            ],
            "restrictions": restrictions,
        })
    }

    #[test]
    fn restrictions_bar_a_size_or_a_zone_of_it() {
        let zone = json!([{ "type": "Zone", "values": ["eastus"], "reasonCode": "NotAvailableForSubscription",
            "restrictionInfo": { "locations": ["eastus"], "zones": ["3"] } }]);
        let all = json!([{ "type": "Location", "values": ["eastus"], "reasonCode": "QuotaId", "restrictionInfo": {} }]);
        let disk = json!({ "resourceType": "disks", "name": "Premium_LRS", "locations": ["eastus"] });
        let read = read(
            vec![
                entry("Standard_D2as_v5", &["1", "2", "3"], zone),
                entry("Standard_D2s_v5", &["1", "2"], all),
                entry("Standard_D2as_v4", &[], json!([])),
                disk,
            ],
            "eastus",
        );
        assert_eq!(read.len(), 3, "a disk is no machine");
        let first = &read["Standard_D2as_v5"];
        assert_eq!((first.zones.len(), first.all_zones.len(), first.barred.clone()), (2, 3, None));
        assert_eq!((first.size.vcpus, first.size.memory_mib, first.size.spot), (2, 8192, true));
        assert_eq!(read["Standard_D2s_v5"].barred, Some(Barred::Offer));
        assert_eq!(zones(&read), ["1", "2", "3"]);
    }

    #[test]
    fn gpus_are_named_by_the_price_table() {
        let mut it = entry("Standard_NC4as_T4_v3", &["1"], json!([]));
        it["capabilities"].as_array_mut().unwrap().push(json!({ "name": "GPUs", "value": "1" }));
        let mut new = it.clone();
        new["name"] = json!("Standard_NC4as_Z9_v9");
        let read = read(vec![it, new], "eastus");
        assert_eq!(read["Standard_NC4as_T4_v3"].size.gpu, Some(("T4".to_owned(), 1)));
        assert_eq!(read["Standard_NC4as_Z9_v9"].size.gpu, Some(("GPU".to_owned(), 1)));
    }
}
