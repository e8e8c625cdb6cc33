//! What a region of AWS offers to whoever chooses: asked of it, or from what this build knows.

use super::client::AwsCx;
use super::instances;
use super::versions;
use super::zones;
use crate::cost::catalogue;
use crate::engine::{Clock, StepError};
use crate::model::spec::InstanceNeeds;
use crate::model::{Cloud, Region};
use crate::providers::Offers;
use crate::providers::patience::{if_known, patient};
use crate::providers::versions::offered;
use jiff::Timestamp;

/// Sizes that people start with: vCPUs and GiB.
const SIZES: [(f64, f64); 5] = [(2.0, 4.0), (2.0, 8.0), (4.0, 16.0), (8.0, 32.0), (16.0, 64.0)];

/// Regions whose zones are not just a, b and c, with the letters a new account sees. AWS documentation, 2026-11.
const LETTERS: &[(&str, &str)] = &[
    ("ap-northeast-1", "acd"),
    ("ap-northeast-2", "abcd"),
    ("ca-central-1", "abd"),
    ("us-east-1", "abcdef"),
    ("us-west-1", "ac"),
    ("us-west-2", "abcd"),
];

/// Asks the region. What may not be read is left out.
///
/// # Errors
/// What stops everything: no credentials, no connection.
pub async fn live(cx: &AwsCx, clock: &dyn Clock) -> Result<Offers, StepError> {
    let (versions, zones, machines) = futures::join!(
        patient(clock, || versions::all(cx)),
        patient(clock, || zones::all(cx)),
        patient(clock, || instances::everywhere(cx)),
    );
    let fit = |all: Vec<zones::Zone>| all.into_iter().filter(|zone| zone.unfit.is_none()).map(|zone| zone.name);
    Ok(Offers {
        versions: if_known(versions)?.map(|all| offered(&all, clock.now())),
        zones: if_known(zones)?.map(|all| fit(all).collect()),
        machines: if_known(machines)?,
    })
}

/// What this build knows.
pub fn embedded(region: &Region, now: Timestamp) -> Offers {
    Offers { versions: Some(offered(&versions::embedded(now), now)), zones: embedded_zones(region), machines: None }
}

/// The zones of a region as most accounts see them; none for a region that this build does not know.
pub fn embedded_zones(region: &Region) -> Option<Vec<String>> {
    let name = region.as_str();
    catalogue().regions(Cloud::Aws).iter().find(|known| *known == name)?;
    let letters = LETTERS.iter().find(|(known, _)| *known == name).map_or("abc", |(_, letters)| letters);
    Some(letters.chars().map(|letter| format!("{name}{letter}")).collect())
}

/// The machine a pool gets in this region when none is named.
pub fn usual(region: &Region) -> Option<String> {
    let priced = |name: &&str| catalogue().instance(Cloud::Aws, region, name).is_some();
    super::resolve::INSTANCE_TYPES.iter().copied().find(priced).map(str::to_owned)
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

    fn region(name: &str) -> Region {
        Region(name.to_owned())
    }

    #[test]
    fn every_priced_region_has_zones_and_machines_to_suggest() {
        for name in catalogue().regions(Cloud::Aws) {
            let zones = embedded_zones(&region(name)).expect("known");
            assert!((2..=6).contains(&zones.len()) && zones.iter().all(|zone| zone.starts_with(name)), "{zones:?}");
            let machines = suggested(&region(name));
            assert!(machines.len() >= 3, "{name}: {machines:?}");
            assert!(
                ["m6a.large", "m6i.large", "m5.large", "m7i.large"].contains(&machines[0].as_str()),
                "{machines:?}"
            );
        }
        assert_eq!(embedded_zones(&region("moon-east-1")), None);
        assert!(LETTERS.iter().all(|(name, _)| embedded_zones(&region(name)).is_some()), "a region is misspelt");
    }

    #[test]
    fn versions_age() {
        let offers = |now: &str| embedded(&region("us-east-1"), now.parse().unwrap()).versions.unwrap();
        let names = |now| offers(now).into_iter().map(|it| (it.name, it.preferred)).collect::<Vec<_>>();
        assert_eq!(
            names("2026-11-20T00:00:00Z"),
            [("1.36".to_owned(), false), ("1.35".to_owned(), true), ("1.34".to_owned(), false)]
        );
        assert_eq!(names("2027-04-01T00:00:00Z"), [("1.36".to_owned(), true)]);
    }
}
