//! What a region of Azure offers to whoever chooses: asked of it, or from what this build knows.

use super::client::AzureCx;
use super::instances::{self, USUAL_SIZES};
use super::{resolve, skus, versions, zones};
use crate::cost::catalogue;
use crate::engine::{Clock, StepError};
use crate::model::spec::InstanceNeeds;
use crate::model::{Cloud, Region};
use crate::providers::Offers;
use crate::providers::patience::if_known;
use crate::providers::versions::offered;
use jiff::Timestamp;

/// Sizes that people start with: vCPUs and GiB.
const SIZES: [(f64, f64); 5] = [(2.0, 4.0), (2.0, 8.0), (4.0, 16.0), (8.0, 32.0), (16.0, 64.0)];

/// Asks the region. What may not be read is left out.
///
/// # Errors
/// What stops everything: no credentials, no connection.
pub async fn live(cx: &AzureCx, clock: &dyn Clock) -> Result<Offers, StepError> {
    let (skus, versions) = futures::join!(resolve::sizes(cx, clock), resolve::offered(cx, clock));
    let skus = if_known(skus)?;
    let usable = |it: &skus::Skus| {
        let open = it.values().filter(|sku| sku.barred.is_none());
        open.map(|sku| (sku.size.name.clone(), sku.zones.clone())).collect()
    };
    let zones = skus.as_ref().map(skus::zones).filter(|zones| !zones.is_empty());
    Ok(Offers {
        versions: if_known(versions)?.map(|it| offered(&it.versions, clock.now())),
        // In a region without zones the sizes stand in none, which would read as "nowhere".
        machines: skus.as_ref().filter(|_| zones.is_some()).map(usable),
        zones,
    })
}

/// What this build knows.
pub fn embedded(region: &Region, now: Timestamp) -> Offers {
    let zones = zones::embedded(region).filter(|zones| !zones.is_empty());
    Offers { versions: Some(offered(&versions::embedded(now).versions, now)), zones, machines: None }
}

/// The machine a pool gets in this region when none is named.
pub fn usual(region: &Region) -> Option<String> {
    let priced = |name: &&str| catalogue().instance(Cloud::Azure, region, name).is_some();
    USUAL_SIZES.iter().copied().find(priced).map(str::to_owned)
}

/// The default machine of a region, then the cheapest of each usual size.
pub fn suggested(region: &Region) -> Vec<String> {
    let mut names: Vec<String> = usual(region).into_iter().collect();
    for (cpu, memory_gib) in SIZES {
        let needs = InstanceNeeds { cpu: Some(cpu), memory_gib: Some(memory_gib), gpu: None };
        let fits = instances::fitting(region, &needs).into_iter().find(|name| !names.contains(name));
        names.extend(fits);
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_priced_region_has_machines_to_suggest() {
        for name in catalogue().regions(Cloud::Azure) {
            let region = Region(name.clone());
            let machines = suggested(&region);
            assert!(machines.len() >= 3 && USUAL_SIZES.contains(&machines[0].as_str()), "{name}: {machines:?}");
        }
    }

    #[test]
    fn versions_age_and_zones_are_named() {
        let offers = |name: &str| embedded(&Region(name.to_owned()), "2026-11-27T00:00:00Z".parse().unwrap());
        let versions = offers("eastus").versions.unwrap();
        let names: Vec<(&str, bool)> = versions.iter().map(|it| (it.name.as_str(), it.preferred)).collect();
        assert_eq!(names, [("1.36", false), ("1.35", true), ("1.34", false)]);
        assert_eq!(offers("eastus").zones.unwrap().len(), 3);
        assert_eq!(offers("westus").zones, None);
    }
}
