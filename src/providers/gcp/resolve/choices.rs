//! What only the cloud can answer: version, machines, zones, as far as it told.

use super::super::instances::{self, Choice, nearest_of};
use super::super::versions::{self, Support, Version};
use super::super::zones::{Zone, region_of};
use super::{DISK_GIB, Facts, NODES, Pool, Work, candidates};
use crate::model::Region;
use crate::model::spec::{InstanceNeeds, InstanceWish, NetworkSpec, PoolSpec, ReleaseChannel, ResolvedPool};
use crate::providers::{USUAL, words};
use std::collections::BTreeSet;

const ZONES: u8 = USUAL.zones;
/// No region has more.
const MAX_ZONES: usize = 4;

impl Work {
    /// The minor version.
    pub(super) fn version(
        &mut self,
        asked: Option<&str>,
        channel: ReleaseChannel,
        facts: &Facts,
        now: jiff::Timestamp,
    ) -> String {
        let known = facts.versions.as_deref();
        let place = match channel {
            ReleaseChannel::None => "GKE".to_owned(),
            channel => format!("GKE's {} channel", channel.as_str()),
        };
        let standard = |all: &[Version]| {
            let names = all.iter().filter(|it| it.support == Support::Standard).map(|it| it.name.clone());
            format!("--version {}", names.collect::<Vec<_>>().join(", "))
        };
        match (asked, known) {
            (Some(name), _) if versions::minor(name).is_none() => {
                let message = match versions::minor_of(name) {
                    Some(minor) => format!(
                        "`{name}` is a patch version; name the minor version, {minor}: the channel keeps its patches"
                    ),
                    None => format!("`{name}` is not a Kubernetes minor version"),
                };
                self.hinted("KW-GCP-VERSION", message, "--version 1.35");
            }
            (Some(name), Some(all)) => match all.iter().find(|it| it.name == name) {
                None => {
                    self.hinted("KW-GCP-VERSION", format!("{place} does not offer Kubernetes {name}"), standard(all))
                }
                Some(it) if it.support != Support::Standard && channel != ReleaseChannel::Extended => {
                    let ended = it.ends_on().map_or_else(String::new, |day| format!(" since {day}"));
                    let message = format!(
                        "Kubernetes {name} is out of standard support{ended}; GKE would soon upgrade it by itself"
                    );
                    self.hinted(
                        "KW-GCP-VERSION",
                        message,
                        format!("{}; or gcp.releaseChannel: extended, at a price", standard(all)),
                    );
                }
                Some(_) => {}
            },
            (Some(_), None) => {}
            (None, Some(all)) => match versions::choose(all, now) {
                Some(chosen) => {
                    self.defaults.push("version".to_owned());
                    return chosen.name.clone();
                }
                None => self.problem("KW-GCP-VERSION", format!("{place} lists no version in standard support")),
            },
            (None, None) => self.unknown(
                "KW-GCP-VERSION",
                facts.no_versions.as_ref(),
                "GKE's versions cannot be listed here, so none can be chosen",
                "name one: --version 1.35",
            ),
        }
        asked.unwrap_or_default().to_owned()
    }

    /// Machines for the pools, as far as types alone decide.
    pub(super) fn pools(&mut self, wishes: &[PoolSpec], facts: &Facts, region: &Region) -> Vec<Pool> {
        let mut made = Vec::new();
        for wish in wishes {
            let (all, named) = candidates(wish, region);
            let path = |field: &str| format!("nodePools.{}.{field}", wish.name);
            let usable: Vec<Choice> = all.iter().filter(|choice| facts.knows(choice)).cloned().collect();
            let Some(first) = usable.first() else {
                self.no_type(wish, &all, named, region);
                continue;
            };
            if let Some(why) = instances::unfit(&first.name) {
                let message = format!("pool `{}`: {} cannot be a node: {why}", wish.name, first.name);
                self.hinted("KW-GCP-TYPE", message, "another machine type, as e2-standard-2");
            }
            if wish.instance_type.is_none() && wish.instance_types.is_empty() {
                self.defaults.push(path("instanceType"));
            }
            if wish.count.or(wish.min).or(wish.max).is_none() {
                self.defaults.push(path("count"));
            }
            let (min, count, max) = wish.sizes().unwrap_or((NODES, NODES, NODES));
            let disk_gib = self.or(wish.disk_gib, &path("diskGiB"), DISK_GIB);
            let mut pool = Pool {
                resolved: ResolvedPool {
                    name: wish.name.clone(),
                    instance_type: String::new(),
                    billed_type: None,
                    other_types: Vec::new(),
                    arch: String::new(),
                    gpu: None,
                    count,
                    min,
                    max,
                    spot: wish.spot.unwrap_or(false),
                    disk_gib,
                    labels: wish.labels.clone(),
                    taints: wish.taints.clone(),
                },
                candidates: usable.clone(),
                named,
            };
            pool.take(first.clone(), facts);
            made.push(pool);
        }
        made
    }

    fn no_type(&mut self, wish: &PoolSpec, all: &[Choice], named: bool, region: &Region) {
        match all.first() {
            Some(choice) if named => {
                let name = &choice.name;
                let message = format!("pool `{}`: no machine type {name} in {region}", wish.name);
                match instances::nearest(region, name) {
                    Some(meant) => self.hinted("KW-GCP-TYPE", message, format!("did you mean {meant}?")),
                    None => self.hinted("KW-GCP-TYPE", message, other_vendors(name)),
                }
            }
            _ => {
                let message = format!("pool `{}`: no machine type in {region} has what is asked for", wish.name);
                match &wish.instance_type {
                    Some(InstanceWish::Needs(InstanceNeeds { gpu: Some(gpu), .. })) => {
                        self.hinted("KW-GCP-TYPE", message, words::gpu_hint(&instances::gpus(region), gpu));
                    }
                    _ => self.hinted("KW-GCP-TYPE", message, "ask for less cpu and memory, or name a machine type"),
                }
            }
        }
    }

    /// Zones that have every pool's machines. The first holds the control plane of a zonal cluster.
    pub(super) fn zones(
        &mut self,
        spec: Option<&NetworkSpec>,
        facts: &Facts,
        pools: &mut [Pool],
        region: &Region,
    ) -> Vec<String> {
        let wanted = spec.and_then(|spec| spec.zones.clone());
        let count = spec.and_then(|spec| spec.zone_count);
        if let (Some(zones), Some(count)) = (&wanted, count)
            && zones.len() != usize::from(count)
        {
            self.problem("KW-GCP-ZONE", format!("zoneCount {count}, but {} zones are named", zones.len()));
        }
        let size = wanted.as_ref().map_or_else(|| usize::from(count.unwrap_or(ZONES)), Vec::len);
        if !(1..=MAX_ZONES).contains(&size) {
            self.problem("KW-GCP-ZONE", format!("nodes stand in 1 to {MAX_ZONES} zones, not {size}"));
            return wanted.unwrap_or_default();
        }
        if let Some(zones) = wanted {
            self.named_zones(&zones, facts, pools, region);
            return zones;
        }
        if count.is_none() {
            self.defaults.push("network.zoneCount".to_owned());
        }
        let Some(all) = &facts.zones else {
            self.unknown(
                "KW-GCP-ZONE",
                facts.no_zones.as_ref(),
                "the region's zones cannot be listed here, so none can be chosen",
                &format!("name them: --zones {region}-a,{region}-b"),
            );
            return Vec::new();
        };
        let fit: Vec<&str> = all.iter().filter(|zone| zone.unfit.is_none()).map(|zone| zone.name.as_str()).collect();
        for pool in pools.iter_mut() {
            // Wishes take the first machine that enough zones have.
            let enough = |choice: &&Choice| fit.iter().filter(|zone| facts.offers(choice, zone)).count() >= size;
            if let Some(chosen) = pool.candidates.iter().find(enough).cloned() {
                pool.take(chosen, facts);
            }
        }
        let good: Vec<String> = fit
            .iter()
            .filter(|zone| pools.iter().all(|pool| pool.stands_in(facts, zone)))
            .take(size)
            .map(|zone| (*zone).to_owned())
            .collect();
        if good.len() < size {
            self.too_few(size, &fit, facts, pools, region);
        }
        good
    }

    fn too_few(&mut self, size: usize, fit: &[&str], facts: &Facts, pools: &[Pool], region: &Region) {
        if fit.len() < size {
            let message = format!("{region} has {} zones that nodes can stand in, {size} are asked for", fit.len());
            self.hinted("KW-GCP-ZONE", message, format!("--zone-count {}", fit.len().max(1)));
            return;
        }
        let before = self.problems.len();
        for pool in pools {
            let has: Vec<&str> = fit.iter().copied().filter(|zone| pool.stands_in(facts, zone)).collect();
            if has.len() < size {
                let places = if has.is_empty() { "no zone".to_owned() } else { format!("{} only", has.join(", ")) };
                let message = format!(
                    "pool `{}`: {} is offered in {places}; {size} zones are needed",
                    pool.resolved.name,
                    pool.shown()
                );
                let fewer = if has.is_empty() { String::new() } else { format!(", or --zones {}", has.join(",")) };
                self.hinted("KW-GCP-TYPE", message, format!("another machine: --node-type n2-standard-2{fewer}"));
            }
        }
        if self.problems.len() == before {
            let message = format!("no {size} zones of {region} have all of the pools' machines");
            self.hinted("KW-GCP-ZONE", message, "fewer zones: --zone-count 1");
        }
    }

    fn named_zones(&mut self, zones: &[String], facts: &Facts, pools: &mut [Pool], region: &Region) {
        if zones.iter().collect::<BTreeSet<_>>().len() != zones.len() {
            self.problem("KW-GCP-ZONE", "a zone is named twice");
        }
        for zone in zones.iter().filter(|zone| region_of(zone) != region.as_str()) {
            let looks_right =
                zone.rsplit('-').next().is_some_and(|end| end.len() == 1) && zone.matches('-').count() == 2;
            let message = format!("`{zone}` is not a zone of {region}");
            let hint = if looks_right { format!("--region {}", region_of(zone)) } else { format!("as in {region}-a") };
            self.hinted("KW-GCP-ZONE", message, hint);
        }
        let Some(all) = &facts.zones else { return };
        let there: Vec<&str> = all.iter().filter(|zone| zone.unfit.is_none()).map(|zone| zone.name.as_str()).collect();
        for name in zones.iter().filter(|zone| region_of(zone) == region.as_str()) {
            match all.iter().find(|zone| zone.name == *name) {
                Some(Zone { unfit: Some(why), .. }) => {
                    self.problem("KW-GCP-ZONE", format!("no cluster can stand in zone {name}: {why}"));
                }
                Some(_) => {}
                None => {
                    let meant = nearest_of(name, there.iter().copied()).filter(|meant| meant.len() != name.len());
                    let hint = meant.map_or_else(
                        || format!("there are {}", there.join(", ")),
                        |meant| format!("did you mean {meant}?"),
                    );
                    self.hinted("KW-GCP-ZONE", format!("no zone {name} in {region}"), hint);
                }
            }
        }
        let exist: Vec<&str> = zones.iter().map(String::as_str).filter(|name| there.contains(name)).collect();
        for pool in pools {
            let everywhere = |choice: &&Choice| exist.iter().all(|zone| facts.offers(choice, zone));
            if let Some(chosen) = pool.candidates.iter().find(everywhere).cloned() {
                pool.take(chosen, facts);
            }
            let lacking: Vec<&str> = exist.iter().copied().filter(|zone| !pool.stands_in(facts, zone)).collect();
            if !lacking.is_empty() {
                let hint = match pool.named {
                    true => "another machine type, or other zones: --node-type, --zones",
                    false => "other zones: --zones",
                };
                let message =
                    format!("pool `{}`: {} is not offered in {}", pool.resolved.name, pool.shown(), lacking.join(", "));
                self.hinted("KW-GCP-TYPE", message, hint);
            }
        }
    }
}

/// Names of other clouds are known by their shape.
fn other_vendors(name: &str) -> &'static str {
    if name.contains('.') {
        "that is a name of EC2's; write it as in e2-standard-2, or say what is needed: {cpu: 2, memoryGiB: 8}"
    } else if name.starts_with("Standard_") {
        "that is a name of Azure's; write it as in e2-standard-2, or say what is needed: {cpu: 2, memoryGiB: 8}"
    } else {
        "write it as in e2-standard-2, or say what is needed: {cpu: 2, memoryGiB: 8}"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_other_vendors_are_told_by_their_shape() {
        assert!(other_vendors("m6a.large").contains("EC2"));
        assert!(other_vendors("Standard_D2as_v5").contains("Azure"));
        assert!(other_vendors("e9-standard-2").starts_with("write it"));
    }
}
