//! What only the cloud can answer: version, machines, zones, as far as it told.

use super::super::client::AwsCx;
use super::super::instances::InstanceType;
use super::super::instances::{self, nearest_of};
use super::super::layout::MAX_ZONES;
use super::super::versions::{self, Support, Version};
use super::super::zones::Zone;
use super::{DISK_GIB, Facts, NODES, Pool, Work, candidates, others};
use crate::cost::catalogue;
use crate::model::spec::{InstanceNeeds, InstanceWish, NetworkSpec, PoolSpec, ResolvedPool};
use crate::model::{Cloud, Region};
use crate::providers::{USUAL, words};
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
            if wish.instance_type.is_none() && wish.instance_types.is_empty() {
                self.defaults.push(path("instanceType"));
            }
            let kind = facts.kind(first);
            // EC2 lists other accelerators apart; the price table knows them all.
            let accelerator = kind.gpu.clone().or_else(|| instances::from_catalogue(first)?.gpu);
            if let Some((gpu, _)) = accelerator.filter(|(gpu, _)| !instances::is_nvidia(gpu)) {
                self.hinted(
                    "KW-AWS-TYPE",
                    format!("pool `{}`: {first} has {gpu}; drivers are installed for NVIDIA GPUs only", wish.name),
                    "choose a type with NVIDIA GPUs, or without accelerators",
                );
            }
            let spot = wish.spot.unwrap_or(false);
            let other_types = self.alternatives(wish, first, &kind, facts, cx);
            for kind in std::iter::once(first).chain(&other_types).map(|name| facts.kind(name)) {
                if spot && !kind.spot {
                    let message = format!("pool `{}`: there are no spot machines of {}", wish.name, kind.name);
                    self.problem("KW-AWS-TYPE", message);
                }
            }
            if wish.count.or(wish.min).or(wish.max).is_none() {
                self.defaults.push(path("count"));
            }
            let (min, count, max) = wish.sizes().unwrap_or((NODES, NODES, NODES));
            let disk_gib = self.or(wish.disk_gib, &path("diskGiB"), DISK_GIB);
            let resolved = ResolvedPool {
                name: wish.name.clone(),
                instance_type: first.clone(),
                billed_type: dearest(&cx.region, first, &other_types, spot),
                other_types,
                arch: kind.arch,
                gpu: kind.gpu,
                count,
                min,
                max,
                spot,
                disk_gib,
                labels: wish.labels.clone(),
                taints: wish.taints.clone(),
            };
            made.push(Pool { resolved, candidates: usable, named });
        }
        made
    }

    /// The types that may stand for the first, each checked: what runs on one must run on all, and the autoscaler takes
    /// them to be of one size.
    fn alternatives(
        &mut self,
        wish: &PoolSpec,
        first: &str,
        kind: &InstanceType,
        facts: &Facts,
        cx: &AwsCx,
    ) -> Vec<String> {
        let others = others(wish);
        for name in &others {
            let known = facts.types.as_ref().is_none_or(|types| types.iter().any(|it| it.name == *name));
            if !known {
                self.no_type(wish, std::slice::from_ref(name), true, cx);
                continue;
            }
            let other = facts.kind(name);
            let Some(why) = unlike(kind, &other) else { continue };
            self.hinted(
                "KW-AWS-TYPE",
                format!("pool `{}`: {name} cannot stand for {first}: {why}", wish.name),
                "give each size, processor and GPU a pool of its own",
            );
        }
        others
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
            _ => {
                let message = format!("pool `{}`: no instance type in {region} has what is asked for", wish.name);
                match &wish.instance_type {
                    Some(InstanceWish::Needs(InstanceNeeds { gpu: Some(gpu), .. })) => {
                        self.hinted("KW-AWS-TYPE", message, gpu_hint(region, gpu));
                    }
                    _ => self.problem("KW-AWS-TYPE", message),
                }
            }
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
        for (pool, name) in pools.iter().flat_map(|pool| pool.resolved.types().map(move |name| (pool, name))) {
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
            if let Some(chosen) = pool.candidates.iter().find(everywhere).cloned() {
                pool.take(chosen, facts);
            }
            for name in pool.resolved.types() {
                let lacking: Vec<&str> =
                    exist.iter().filter(|zone| !facts.offers(name, zone)).map(|zone| zone.as_str()).collect();
                if !lacking.is_empty() {
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

/// Memory of types that stand for each other may differ by so much: makers count it differently.
const MEMORY_SHARE: f64 = 0.1;

/// Why one type cannot stand for another; nothing where it can, or where too little is known of either.
fn unlike(one: &InstanceType, other: &InstanceType) -> Option<String> {
    if one.arch != other.arch {
        return Some(format!("its processor is {}, not {}", other.arch, one.arch));
    }
    let gpus = |kind: &InstanceType| match &kind.gpu {
        Some((name, count)) => format!("{count} x {name}"),
        None => "no GPU".to_owned(),
    };
    if one.gpu != other.gpu {
        return Some(format!("it has {}, not {}", gpus(other), gpus(one)));
    }
    if one.vcpus != other.vcpus && one.vcpus > 0 && other.vcpus > 0 {
        return Some(format!("it has {} virtual CPUs, not {}", other.vcpus, one.vcpus));
    }
    let (a, b) = (one.memory_mib as f64, other.memory_mib as f64);
    let far = a > 0.0 && b > 0.0 && (a - b).abs() > a.max(b) * MEMORY_SHARE;
    far.then(|| format!("it has {:.0} GiB of memory, not {:.0}", b / 1024.0, a / 1024.0))
}

/// The dearest of a pool's types, where that is not the first: what is priced by it costs no more than that, whichever
/// of them comes.
fn dearest(region: &Region, first: &str, others: &[String], spot: bool) -> Option<String> {
    let price = |name: &str| {
        let found = catalogue().instance(Cloud::Aws, region, name)?;
        if spot { found.spot } else { Some(found.on_demand) }
    };
    let most = others.iter().max_by(|a, b| price(a).unwrap_or(0.0).total_cmp(&price(b).unwrap_or(0.0)))?;
    (price(most) > price(first)).then(|| most.clone())
}

/// What GPUs there are instead.
fn gpu_hint(region: &Region, wish: &str) -> String {
    words::gpu_hint(&instances::gpus(region), wish)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(name: &str) -> InstanceType {
        instances::from_catalogue(name).unwrap()
    }

    #[test]
    fn only_what_is_alike_stands_for_each_other() {
        assert_eq!(unlike(&kind("m6a.large"), &kind("m5.large")), None);
        for (one, other, word) in [
            ("m6a.large", "m7g.large", "processor"),
            ("g4dn.xlarge", "g5g.xlarge", "processor"),
            ("g4dn.xlarge", "g5.xlarge", "A10G"),
            ("m6a.large", "g4dn.xlarge", "T4"),
            ("m6a.large", "m6a.xlarge", "virtual CPUs"),
            ("m6a.large", "c6a.large", "memory"),
        ] {
            assert!(unlike(&kind(one), &kind(other)).is_some_and(|why| why.contains(word)), "{one} {other}");
        }
    }

    #[test]
    fn several_types_are_billed_by_the_dearest() {
        let region = Region("us-east-1".to_owned());
        let others = ["m5.large".to_owned()];
        let cheap_first = dearest(&region, "m6a.large", &others, false);
        assert_eq!(cheap_first.as_deref(), Some("m5.large"));
        assert_eq!(dearest(&region, "m5.large", &["m6a.large".to_owned()], false), None);
        assert_eq!(dearest(&region, "m5.large", &[], true), None);
    }

    #[test]
    fn a_gpu_that_is_not_there_is_met_with_those_that_are() {
        let region = Region("us-east-1".to_owned());
        assert!(gpu_hint(&region, "T4:3").contains("T4:1, T4:4"));
        assert!(gpu_hint(&region, "A10:1").contains("A10G:1"), "{}", gpu_hint(&region, "A10:1"));
        assert!(gpu_hint(&region, "Voodoo:1").contains("H100"));
    }
}
