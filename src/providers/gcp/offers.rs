//! What a region of Google's offers to whoever chooses: asked of it, or from what this build knows.

use super::client::{GcpCx, Request};
use super::error;
use super::instances::{self, MACHINE_TYPES};
use super::versions::{self, ServerConfig};
use super::zones;
use crate::cost::catalogue;
use crate::engine::{Clock, StepError};
use crate::model::spec::{InstanceNeeds, ReleaseChannel};
use crate::model::{Cloud, Region};
use crate::providers::Offers;
use crate::providers::patience::{if_known, patient};
use crate::providers::versions::offered;
use jiff::Timestamp;

/// Sizes that people start with: vCPUs and GiB.
const SIZES: [(f64, f64); 5] = [(2.0, 4.0), (2.0, 8.0), (4.0, 16.0), (8.0, 32.0), (16.0, 64.0)];

/// Asks the region. What may not be read is left out.
///
/// # Errors
/// What stops everything: no credentials, no connection.
pub async fn live(cx: &GcpCx, clock: &dyn Clock) -> Result<Offers, StepError> {
    let region = cx.region.to_string();
    let is_off = |err: Option<&StepError>| err.is_some_and(|err| err.id == error::API_OFF);
    let (config, zones) =
        futures::join!(patient(clock, || server_config(cx, &region)), patient(clock, || zones::all(cx)));
    if is_off(config.as_ref().err()) || is_off(zones.as_ref().err()) {
        // A project in which the services were never on tells nothing yet.
        return Ok(embedded(&cx.region, clock.now()));
    }
    let zones: Option<Vec<String>> =
        if_known(zones)?.map(|all| all.into_iter().filter(|zone| zone.unfit.is_none()).map(|zone| zone.name).collect());
    let here = zones.clone().unwrap_or_else(|| zones::embedded(&cx.region));
    let machines = if_known(patient(clock, || zones::stock(cx, &here)).await)?
        .map(|stock| stock.in_zones.into_iter().filter(|(name, _)| instances::unfit(name).is_none()).collect());
    let now = clock.now();
    let versions = if_known(config)?.map(|config| versions::offered(&config, ReleaseChannel::Regular, now).versions);
    Ok(Offers { versions: versions.map(|all| offered(&all, now)), zones, machines })
}

/// What GKE offers in a zone or region.
///
/// # Errors
/// As the call's.
pub async fn server_config(cx: &GcpCx, location: &str) -> Result<ServerConfig, StepError> {
    let path = cx.container_path(location, "serverConfig")?;
    Ok(cx.ask(Request::get("container:projects.locations.getServerConfig", path, location)).await?)
}

/// What this build knows.
pub fn embedded(region: &Region, now: Timestamp) -> Offers {
    Offers { versions: Some(offered(&versions::embedded(now), now)), zones: embedded_zones(region), machines: None }
}

/// The zones of a region; none for one that this build does not know.
pub fn embedded_zones(region: &Region) -> Option<Vec<String>> {
    let known = catalogue().regions(Cloud::Gcp).iter().any(|name| name == region.as_str());
    known.then(|| zones::embedded(region))
}

/// The machine a pool gets in this region when none is named.
pub fn usual(region: &Region) -> Option<String> {
    let priced = |name: &&str| catalogue().instance(Cloud::Gcp, region, name).is_some();
    MACHINE_TYPES.iter().copied().find(priced).map(str::to_owned)
}

/// The default machine of a region, then the cheapest of each usual size.
pub fn suggested(region: &Region) -> Vec<String> {
    let mut names: Vec<String> = usual(region).into_iter().collect();
    for (cpu, memory_gib) in SIZES {
        let needs = InstanceNeeds { cpu: Some(cpu), memory_gib: Some(memory_gib), gpu: None };
        let fits = instances::fitting(region, &needs).into_iter().map(|it| it.name).find(|name| !names.contains(name));
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
    fn every_priced_region_for_machines_has_zones_and_some_to_suggest() {
        for name in catalogue().regions(Cloud::Gcp).iter().filter(|name| *name != "us-central2") {
            let zones = embedded_zones(&region(name)).expect("known");
            assert!((3..=4).contains(&zones.len()) && zones.iter().all(|zone| zone.starts_with(name)), "{zones:?}");
            let machines = suggested(&region(name));
            assert!(
                machines.first().is_some_and(|first| MACHINE_TYPES.contains(&first.as_str())),
                "{name}: {machines:?}"
            );
        }
        assert_eq!(usual(&region("us-central1")).as_deref(), Some("e2-standard-2"));
        assert_eq!(embedded_zones(&region("moon-east1")), None);
    }

    #[test]
    fn versions_age() {
        let offers = |now: &str| embedded(&region("us-central1"), now.parse().unwrap()).versions.unwrap();
        let preferred = |now| offers(now).into_iter().find(|it| it.preferred).map(|it| it.name);
        assert_eq!(preferred("2026-11-27T00:00:00Z").as_deref(), Some("1.35"));
        assert_eq!(preferred("2027-03-01T00:00:00Z").as_deref(), Some("1.36"));
        assert!(offers("2026-11-27T00:00:00Z").iter().all(|it| it.name != "1.34"));
    }
}
