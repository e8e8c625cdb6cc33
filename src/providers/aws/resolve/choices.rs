//! What only the cloud can answer: version, machines, zones, as far as it told.

use super::super::client::AwsCx;
use super::super::instances::{self, nearest_of};
use super::super::layout::MAX_ZONES;
use super::super::versions::{self, Support, Version};
use super::super::zones::Zone;
use super::{DISK_GIB, Facts, NODES, Pool, Work, candidates};
use crate::model::spec::{NetworkSpec, PoolSpec, ResolvedPool};
use crate::providers::USUAL;
use std::collections::BTreeSet;

const ZONES: u8 = USUAL.zones;

impl Work {
    pub(super) fn version(&mut self, asked: Option<&str>, facts: &Facts, now: jiff::Timestamp) -> String {
        let known = facts.versions.as_deref();
        let standard = |all: &[Version]| {
            let names = all.iter().filter(|it| it.support == Support::Standard).map(|it| it.name.clone());
            format!("--version {}", names.collect::<Vec<_>>().join(", "))
        };
        match (asked, known) {
            (Some(name), _) if versions::minor(name).is_none() => {
                self.hinted("KW-AWS-VERSION", format!("`{name}` is not a Kubernetes minor version"), "--version 1.35");
            }
            (Some(name), Some(all)) => {
                match all.iter().find(|it| it.name == name) {
                    None => {
                        self.hinted("KW-AWS-VERSION", format!("EKS does not offer Kubernetes {name}"), standard(all))
                    }
                    Some(it) if it.support != Support::Standard => {
                        let ended = it.ends_on().map_or_else(String::new, |day| format!(" since {day}"));
                        self.hinted("KW-AWS-VERSION", format!("Kubernetes {name} is out of standard support{ended}; EKS would bill six times the price"), standard(all));
                    }
                    Some(_) => {}
                }
            }
            (Some(_), None) => {}
            (None, Some(all)) => match versions::choose(all, now) {
                Some(chosen) => {
                    self.defaults.push("version".to_owned());
                    return chosen.name.clone();
                }
                None => self.problem("KW-AWS-VERSION", "EKS lists no version in standard support"),
            },
            (None, None) => self.unknown(
                "KW-AWS-VERSION",
                facts.no_versions.as_ref(),
                "EKS's versions cannot be listed here, so none can be chosen",
                "name one: --version 1.35",
            ),
        }
        asked.unwrap_or_default().to_owned()
    }

    /// Machines for the pools, as far as types alone decide.
    pub(super) fn pools(&mut self, wishes: &[PoolSpec], facts: &Facts, cx: &AwsCx) -> Vec<Pool> {
        let mut made = Vec::new();
        for wish in wishes {
            let (all, named) = candidates(wish, &cx.region);
            let path = |field: &str| format!("nodePools.{}.{field}", wish.name);
            let known = |name: &String| match &facts.types {
                Some(types) => types.iter().any(|it| it.name == *name),
                None => true,
            };
            let usable: Vec<String> = all.iter().filter(|name| known(name)).cloned().collect();
            let Some(first) = usable.first() else {
                self.no_type(wish, &all, named, cx);
                continue;
            };
            if wish.instance_type.is_none() {
                self.defaults.push(path("instanceType"));
            }
            let kind = facts.kind(first);
            if let Some((gpu, _)) = &kind.gpu {
                self.no_gpus(&wish.name, &format!("{first} ({gpu})"));
            }
            let spot = wish.spot.unwrap_or(false);
            if spot && !kind.spot {
                self.problem("KW-AWS-TYPE", format!("pool `{}`: there are no spot machines of {first}", wish.name));
            }
            let given = wish.count.or(wish.min).or(wish.max);
            let count = self.or(given, &path("count"), NODES);
            let disk_gib = self.or(wish.disk_gib, &path("diskGiB"), DISK_GIB);
            let resolved = ResolvedPool {
                name: wish.name.clone(),
                instance_type: first.clone(),
                arch: kind.arch,
                gpu: None,
                count,
                min: count,
                max: count,
                spot,
                disk_gib,
                labels: wish.labels.clone(),
                taints: wish.taints.clone(),
            };
            made.push(Pool { resolved, candidates: usable, named });
        }
        made
    }

    pub(super) fn no_type(&mut self, wish: &PoolSpec, all: &[String], named: bool, cx: &AwsCx) {
        let region = &cx.region;
        match all.first() {
            Some(name) if named => {
                let message = format!("pool `{}`: no instance type {name} in {region}", wish.name);
                match instances::nearest(region, name) {
                    Some(meant) => self.hinted("KW-AWS-TYPE", message, format!("did you mean {meant}?")),
                    None => self.problem("KW-AWS-TYPE", message),
                }
            }
            _ => self.problem(
                "KW-AWS-TYPE",
                format!("pool `{}`: no instance type in {region} has what is asked for", wish.name),
            ),
        }
    }

    /// Zones that can hold the control plane and have every pool's machines.
    pub(super) fn zones(
        &mut self,
        spec: Option<&NetworkSpec>,
        facts: &Facts,
        pools: &mut [Pool],
        cx: &AwsCx,
    ) -> Vec<String> {
        let wanted = spec.and_then(|spec| spec.zones.clone());
        let count = spec.and_then(|spec| spec.zone_count);
        if let (Some(zones), Some(count)) = (&wanted, count)
            && zones.len() != usize::from(count)
        {
            self.problem("KW-AWS-ZONE", format!("zoneCount {count}, but {} zones are named", zones.len()));
        }
        let size = wanted.as_ref().map_or_else(|| usize::from(count.unwrap_or(ZONES)), Vec::len);
        if !(2..=MAX_ZONES).contains(&size) {
            self.problem("KW-AWS-ZONE", format!("a cluster stands in 2 to {MAX_ZONES} zones, not {size}"));
            return wanted.unwrap_or_default();
        }
        if let Some(zones) = wanted {
            self.named_zones(&zones, facts, pools, cx);
            return zones;
        }
        if count.is_none() {
            self.defaults.push("network.zoneCount".to_owned());
        }
        let Some(all) = &facts.zones else {
            self.unknown(
                "KW-AWS-ZONE",
                facts.no_zones.as_ref(),
                "the region's zones cannot be listed here, so none can be chosen",
                "name them: --zones us-east-1a,us-east-1b",
            );
            return Vec::new();
        };
        let fit: Vec<&str> = all.iter().filter(|zone| zone.unfit.is_none()).map(|zone| zone.name.as_str()).collect();
        for pool in pools.iter_mut() {
            // Wishes take the first type that enough zones have.
            let enough = |name: &&String| fit.iter().filter(|zone| facts.offers(name, zone)).count() >= size;
            if let Some(chosen) = pool.candidates.iter().find(enough).cloned() {
                pool.resolved.arch = facts.kind(&chosen).arch;
                pool.resolved.instance_type = chosen;
            }
        }
        let good: Vec<String> = fit
            .iter()
            .filter(|zone| pools.iter().all(|pool| facts.offers(&pool.resolved.instance_type, zone)))
            .take(size)
            .map(|zone| (*zone).to_owned())
            .collect();
        if good.len() < size {
            self.too_few(size, &fit, facts, pools, cx);
        }
        good
    }

    pub(super) fn too_few(&mut self, size: usize, fit: &[&str], facts: &Facts, pools: &[Pool], cx: &AwsCx) {
        if fit.len() < size {
            self.problem(
                "KW-AWS-ZONE",
                format!("{} has {} zones that EKS can stand in, {size} are asked for", cx.region, fit.len()),
            );
            return;
        }
        let before = self.problems.len();
        for pool in pools {
            let name = &pool.resolved.instance_type;
            let has: Vec<&str> = fit.iter().copied().filter(|zone| facts.offers(name, zone)).collect();
            if has.len() < size {
                let places = if has.is_empty() { "no zone".to_owned() } else { format!("{} only", has.join(", ")) };
                self.hinted(
                    "KW-AWS-TYPE",
                    format!("pool `{}`: {name} is offered in {places}; {size} zones are needed", pool.resolved.name),
                    "another type: --node-type m6i.large, m5.large",
                );
            }
        }
        if self.problems.len() == before {
            self.problem(
                "KW-AWS-ZONE",
                format!("no {size} zones of {} have all of the pools' instance types", cx.region),
            );
        }
    }

    pub(super) fn named_zones(&mut self, zones: &[String], facts: &Facts, pools: &mut [Pool], cx: &AwsCx) {
        if zones.iter().collect::<BTreeSet<_>>().len() != zones.len() {
            self.problem("KW-AWS-ZONE", "a zone is named twice");
        }
        let Some(all) = &facts.zones else { return };
        for name in zones {
            match all.iter().find(|zone| zone.name == *name) {
                Some(Zone { unfit: Some(why), .. }) => {
                    self.problem("KW-AWS-ZONE", format!("no cluster can stand in zone {name}: {why}"))
                }
                Some(_) => {}
                None => {
                    let there: Vec<&str> =
                        all.iter().filter(|zone| zone.unfit.is_none()).map(|zone| zone.name.as_str()).collect();
                    let meant = nearest_of(name, there.iter().copied()).map_or_else(
                        || format!("there are {}", there.join(", ")),
                        |meant| format!("did you mean {meant}?"),
                    );
                    self.hinted("KW-AWS-ZONE", format!("no zone {name} in {}", cx.region), meant);
                }
            }
        }
        let exist: Vec<&String> =
            zones.iter().filter(|name| all.iter().any(|zone| zone.name == **name && zone.unfit.is_none())).collect();
        for pool in pools {
            let everywhere = |name: &&String| exist.iter().all(|zone| facts.offers(name, zone));
            match pool.candidates.iter().find(everywhere).cloned() {
                Some(chosen) => {
                    pool.resolved.arch = facts.kind(&chosen).arch;
                    pool.resolved.instance_type = chosen;
                }
                None => {
                    let name = &pool.resolved.instance_type;
                    let lacking: Vec<&str> =
                        exist.iter().filter(|zone| !facts.offers(name, zone)).map(|zone| zone.as_str()).collect();
                    let hint = if pool.named {
                        "another type, or other zones: --node-type, --zones"
                    } else {
                        "other zones: --zones"
                    };
                    self.hinted(
                        "KW-AWS-TYPE",
                        format!("pool `{}`: {name} is not offered in {}", pool.resolved.name, lacking.join(", ")),
                        hint,
                    );
                }
            }
        }
    }
}
