//! What only the cloud can answer: version, machines, zones, as far as it told.

use super::super::instances::{self, is_nvidia, nearest};
use super::super::zones::{ALL, plain};
use super::{Facts, NODES, Pool, Work, candidates, resolved_pool};
use crate::model::Region;
use crate::model::spec::{AksTier, InstanceNeeds, InstanceWish, NetworkSpec, PoolSpec};
use crate::providers::USUAL;
use crate::providers::versions::{Support, Version, choose, minor};
use crate::providers::words::gpu_hint;
use std::collections::BTreeSet;

const ZONES: u8 = USUAL.zones;

impl Work {
    pub(super) fn version(
        &mut self,
        asked: Option<&str>,
        tier: AksTier,
        facts: &Facts,
        now: jiff::Timestamp,
    ) -> String {
        let offered = facts.versions.as_ref();
        let known = offered.map(|it| it.versions.as_slice());
        let standard = |all: &[Version]| {
            let names = all.iter().filter(|it| it.support == Support::Standard).map(|it| it.name.clone());
            format!("--version {}", names.collect::<Vec<_>>().join(", "))
        };
        match (asked, known) {
            (Some(name), _) if minor(name).is_none() => {
                self.hinted(
                    "KW-AZURE-VERSION",
                    format!("`{name}` is not a Kubernetes minor version"),
                    "--version 1.35",
                );
            }
            (Some(name), Some(all)) => match all.iter().find(|it| it.name == name) {
                None if offered.is_some_and(|it| it.previews.contains(name)) => self.hinted(
                    "KW-AZURE-VERSION",
                    format!("Kubernetes {name} is a preview on AKS, without support"),
                    standard(all),
                ),
                None => self.hinted("KW-AZURE-VERSION", format!("AKS does not offer Kubernetes {name}"), standard(all)),
                Some(it) if it.support != Support::Standard && tier != AksTier::Premium => {
                    let ended = it.ends_on().map_or_else(String::new, |day| format!(" since {day}"));
                    self.hinted(
                        "KW-AZURE-VERSION",
                        format!("Kubernetes {name} is out of community support{ended}; long-term support needs azure.tier: premium"),
                        standard(all),
                    );
                }
                Some(_) => {}
            },
            (Some(_), None) => {}
            (None, Some(all)) => match choose(all, now) {
                Some(chosen) => {
                    self.defaults.push("version".to_owned());
                    return chosen.name.clone();
                }
                None => self.problem("KW-AZURE-VERSION", "AKS lists no version in community support"),
            },
            (None, None) => self.unknown(
                "KW-AZURE-VERSION",
                facts.no_versions.as_ref(),
                "AKS's versions cannot be listed here, so none can be chosen",
                "name one: --version 1.35",
            ),
        }
        asked.unwrap_or_default().to_owned()
    }

    /// Machines for the pools, as far as sizes alone decide.
    pub(super) fn pools(&mut self, wishes: &[PoolSpec], facts: &Facts, region: &Region) -> Vec<Pool> {
        let mut made = Vec::new();
        for wish in wishes {
            let (all, named) = candidates(wish, region);
            let path = |field: &str| format!("nodePools.{}.{field}", wish.name);
            let barred = |name: &String| facts.skus.as_ref()?.get(name)?.barred.clone();
            let exists = |name: &String| facts.skus.as_ref().is_none_or(|skus| skus.contains_key(name));
            let usable: Vec<String> =
                all.iter().filter(|name| exists(name) && barred(name).is_none()).cloned().collect();
            let Some(first) = usable.first() else {
                match all.iter().find_map(|name| Some((name, barred(name)?))) {
                    Some((name, why)) => self.hinted(
                        "KW-AZURE-SIZE",
                        format!("pool `{}`: {name} cannot be used in {region}: {}", wish.name, why.why()),
                        "another size: --node-type, or another region; support lifts such restrictions on request",
                    ),
                    None => self.no_size(wish, &all, named, region),
                }
                continue;
            };
            if wish.instance_type.is_none() && wish.instance_types.is_empty() {
                self.defaults.push(path("instanceType"));
            }
            if wish.count.or(wish.min).or(wish.max).is_none() {
                self.defaults.push(path("count"));
            }
            if wish.disk_gib.is_none() {
                self.defaults.push(path("diskGiB"));
            }
            let size = facts.size(first);
            if let Some((gpu, _)) = size.gpu.as_ref().filter(|(gpu, _)| !is_nvidia(gpu)) {
                self.hinted(
                    "KW-AZURE-SIZE",
                    format!("pool `{}`: {first} has {gpu}; drivers are installed for NVIDIA GPUs only", wish.name),
                    "choose a size with NVIDIA GPUs, or without accelerators",
                );
            }
            if wish.spot == Some(true) && !size.spot {
                self.problem("KW-AZURE-SIZE", format!("pool `{}`: there are no spot machines of {first}", wish.name));
            }
            let resolved = resolved_pool(wish, &size, wish.sizes().unwrap_or((NODES, NODES, NODES)));
            made.push(Pool { resolved, candidates: usable, named });
        }
        made
    }

    fn no_size(&mut self, wish: &PoolSpec, all: &[String], named: bool, region: &Region) {
        match all.first() {
            Some(name) if named => {
                let message = format!("pool `{}`: no VM size {name} in {region}", wish.name);
                match nearest(region, name) {
                    Some(meant) => self.hinted("KW-AZURE-SIZE", message, format!("did you mean {meant}?")),
                    None => self.hinted("KW-AZURE-SIZE", message, format!("--node-type {}", instances::USUAL_SIZES[0])),
                }
            }
            _ => {
                let message = format!("pool `{}`: no VM size in {region} has what is asked for", wish.name);
                match &wish.instance_type {
                    Some(InstanceWish::Needs(InstanceNeeds { gpu: Some(gpu), .. })) => {
                        self.hinted("KW-AZURE-SIZE", message, gpu_hint(&instances::gpus(region), gpu));
                    }
                    _ => self.problem("KW-AZURE-SIZE", message),
                }
            }
        }
    }

    /// AKS's own pods need a pool with some room; the first that has it becomes theirs.
    pub(super) fn system_pool(&mut self, pools: &[Pool], facts: &Facts) {
        let steady: Vec<&Pool> = pools.iter().filter(|pool| is_steady(pool)).collect();
        let unfit = |pool: &&Pool| facts.size(&pool.resolved.instance_type).unfit_for_system();
        if let (Some(first), true) = (steady.first(), steady.iter().all(|pool| unfit(pool).is_some())) {
            let why = unfit(first).unwrap_or_default();
            self.hinted(
                "KW-AZURE-SIZE",
                format!(
                    "pool `{}`: AKS's own pods cannot run on {}: {why}",
                    first.resolved.name, first.resolved.instance_type
                ),
                format!("one pool of {} or larger", instances::USUAL_SIZES[0]),
            );
        }
    }

    /// Zones that have every pool's machines. None in a region without any.
    pub(super) fn zones(
        &mut self,
        spec: Option<&NetworkSpec>,
        facts: &Facts,
        pools: &mut [Pool],
        region: &Region,
    ) -> Vec<String> {
        // A recorded spec of a region without zones says so with an empty list.
        let wanted = spec.and_then(|spec| spec.zones.clone()).filter(|zones| !zones.is_empty());
        let wanted = wanted.map(|zones| zones.iter().map(|zone| plain(region, zone).to_owned()).collect::<Vec<_>>());
        let count = spec.and_then(|spec| spec.zone_count);
        if facts.zones.as_ref().is_some_and(Vec::is_empty) {
            if wanted.is_some() || count.is_some_and(|count| count > 1) {
                self.hinted(
                    "KW-AZURE-ZONE",
                    format!("{region} has no availability zones"),
                    "leave network.zones and network.zoneCount out, or choose another region",
                );
            }
            return Vec::new();
        }
        if let (Some(zones), Some(count)) = (&wanted, count)
            && zones.len() != usize::from(count)
        {
            self.problem("KW-AZURE-ZONE", format!("zoneCount {count}, but {} zones are named", zones.len()));
        }
        let size = wanted.as_ref().map_or_else(|| usize::from(count.unwrap_or(ZONES)), Vec::len);
        if !(1..=ALL.len()).contains(&size) {
            self.problem("KW-AZURE-ZONE", format!("a cluster stands in 1 to {} zones, not {size}", ALL.len()));
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
                "KW-AZURE-ZONE",
                facts.no_sizes.as_ref(),
                "the region's zones cannot be listed here, so none can be chosen",
                "name them: --zones 1,2",
            );
            return Vec::new();
        };
        for pool in pools.iter_mut() {
            // Wishes take the first size that enough zones have.
            let enough = |name: &&String| all.iter().filter(|zone| facts.offers(name, zone)).count() >= size;
            if let Some(chosen) = pool.candidates.iter().find(enough).cloned() {
                pool.take(chosen, facts);
            }
        }
        let stands = |pool: &Pool, zone: &str| facts.offers(&pool.resolved.instance_type, zone);
        let good: Vec<String> =
            all.iter().filter(|zone| pools.iter().all(|pool| stands(pool, zone))).take(size).cloned().collect();
        if good.len() < size {
            self.too_few(size, all, facts, pools, region);
        }
        good
    }

    fn too_few(&mut self, size: usize, all: &[String], facts: &Facts, pools: &[Pool], region: &Region) {
        if all.len() < size {
            self.problem("KW-AZURE-ZONE", format!("{region} has {} zones, {size} are asked for", all.len()));
            return;
        }
        let before = self.problems.len();
        for pool in pools {
            let name = &pool.resolved.instance_type;
            let has: Vec<&str> = all.iter().map(String::as_str).filter(|zone| facts.offers(name, zone)).collect();
            if has.len() < size {
                let places =
                    if has.is_empty() { "no zone".to_owned() } else { format!("zone {} only", has.join(", ")) };
                self.hinted(
                    "KW-AZURE-SIZE",
                    format!(
                        "pool `{}`: {name} is offered to this subscription in {places}; {size} are needed",
                        pool.resolved.name
                    ),
                    "another size: --node-type; or fewer zones: --zone-count 1",
                );
            }
        }
        if self.problems.len() == before {
            self.problem("KW-AZURE-ZONE", format!("no {size} zones of {region} have all of the pools' VM sizes"));
        }
    }

    fn named_zones(&mut self, zones: &[String], facts: &Facts, pools: &mut [Pool], region: &Region) {
        if zones.iter().collect::<BTreeSet<_>>().len() != zones.len() {
            self.problem("KW-AZURE-ZONE", "a zone is named twice");
        }
        let Some(all) = &facts.zones else {
            for zone in zones.iter().filter(|zone| !ALL.contains(&zone.as_str())) {
                self.hinted("KW-AZURE-ZONE", format!("`{zone}` is no zone of Azure's"), "zones are 1, 2 and 3");
            }
            return;
        };
        for zone in zones.iter().filter(|zone| !all.contains(zone)) {
            let hint = format!("there are {}", all.join(", "));
            self.hinted("KW-AZURE-ZONE", format!("no zone {zone} in {region}"), hint);
        }
        let exist: Vec<&String> = zones.iter().filter(|zone| all.contains(zone)).collect();
        for pool in pools {
            let everywhere = |name: &&String| exist.iter().all(|zone| facts.offers(name, zone));
            if let Some(chosen) = pool.candidates.iter().find(everywhere).cloned() {
                pool.take(chosen, facts);
            }
            let name = &pool.resolved.instance_type;
            let lacking: Vec<&str> =
                exist.iter().filter(|zone| !facts.offers(name, zone)).map(|zone| zone.as_str()).collect();
            if !lacking.is_empty() {
                let hint = if pool.named {
                    "another size, or other zones: --node-type, --zones"
                } else {
                    "other zones: --zones"
                };
                self.hinted(
                    "KW-AZURE-SIZE",
                    format!(
                        "pool `{}`: {name} is not offered to this subscription in zone {}",
                        pool.resolved.name,
                        lacking.join(", ")
                    ),
                    hint,
                );
            }
        }
    }
}

/// Whether AKS's own pods may stand there at all.
fn is_steady(pool: &Pool) -> bool {
    pool.resolved.holds_the_autoscaler() && !pool.resolved.spot
}
