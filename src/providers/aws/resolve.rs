//! From what the user asked for to what will be built: defaults filled in, choices made, all problems at once.
//!
//! Reads only. What the cloud does not let us see is not a problem here: preflight says what could not be known.

use super::client::AwsCx;
use super::error;
use super::instances::{self, InstanceType, nearest_of};
use super::layout::{Layout, MAX_ZONES};
use super::patience::{if_known, patient};
use super::plan::{BEFORE_NODES, EBS_CSI, POD_IDENTITY_AGENT};
use super::versions::{self, Support, Version};
use super::zones::{self, Zone};
use super::{adopted, client};
use crate::engine::{Clock, ErrorClass, Residue, StepError};
use crate::model::spec::{
    AwsSpec, ExistingNetwork, InstanceNeeds, InstanceWish, Nat, NetworkSpec, PoolSpec, ResolvedAws, ResolvedNetwork,
    ResolvedPool,
};
use crate::model::{Cloud, ClusterSpec, ResolvedSpec};
use crate::providers::Identity;
use ipnet::Ipv4Net;
use std::collections::{BTreeMap, BTreeSet};

const NODES: u32 = 2;
const ZONES: u8 = 2;
const INSTANCE_TYPE: &str = "m6a.large";
const DISK_GIB: u32 = 50;
const CIDR: &str = "10.0.0.0/16";
const ADDONS: [&str; 5] = ["vpc-cni", "kube-proxy", "coredns", POD_IDENTITY_AGENT, EBS_CSI];
/// EKS: nodes in one group, and groups in one cluster (`facts` §3.8).
const MAX_NODES: u32 = 450;
const MAX_POOLS: usize = 30;
/// The image itself needs 20.
const DISK: std::ops::RangeInclusive<u32> = 20..=16_384;
/// EKS takes so many ranges.
const MAX_API_RANGES: usize = 40;
/// AWS takes 50 tags; the rest is ours (stored spec, ownership, shown names).
const MAX_USER_TAGS: usize = 12;

/// Resolves a spec.
///
/// # Errors
/// Every problem found, in the order of the spec.
pub async fn resolve(
    cx: &AwsCx,
    clock: &dyn Clock,
    spec: &ClusterSpec,
    who: &Identity,
) -> Result<ResolvedSpec, Vec<StepError>> {
    let mut work = Work { problems: Vec::new(), defaults: Vec::new() };
    let offline = Offline::of(&mut work, spec, who);
    let names = offline.type_names(&cx.region);
    let zones = patient(clock, || zones::all(cx));
    let types = patient(clock, || instances::describe(cx, &names));
    let offers = patient(clock, || instances::offerings(cx, &names));
    let versions = patient(clock, || versions::all(cx));
    let adopted = async {
        match &offline.network.existing {
            Some(existing) => patient(clock, || adopted::read(cx, existing)).await.map(Some),
            None => Ok(None),
        }
    };
    let admin = admin(cx, clock, spec.aws.as_ref(), who);
    let (zones, types, offers, versions, adopted, admin) =
        futures::join!(zones, types, offers, versions, adopted, admin);
    let facts = || -> Result<_, StepError> {
        Ok((if_known(zones)?, if_known(types)?, if_known(offers)?, if_known(versions)?, adopted?, admin?))
    };
    let (zones, types, offers, versions, adopted, admin) = match facts() {
        Ok(facts) => facts,
        Err(stop) => return Err(vec![stop]),
    };
    let facts = Facts { zones, types, offers, versions };
    let version = work.version(spec.version.as_deref(), facts.versions.as_deref(), clock.now());
    let mut node_pools = work.pools(&offline.pools, &facts, cx);
    let mut network = offline.network;
    if let Some(adopted) = adopted {
        work.problems.extend(adopted.problems());
        network.zones = adopted.zones();
        network.cidr = adopted.cidr().unwrap_or(network.cidr);
    } else {
        network.zones = work.zones(spec.network.as_ref(), &facts, &mut node_pools, cx);
        if let Err(why) = Layout::of(network.cidr, network.zones.len().clamp(2, MAX_ZONES), network.nat) {
            work.problem("KW-NET", why);
        }
    }
    work.defaults.sort();
    if !work.problems.is_empty() {
        return Err(work.problems);
    }
    Ok(ResolvedSpec {
        name: spec.name.clone().expect("its absence is a problem, and there is none"),
        provider: Cloud::Aws,
        region: cx.region.clone(),
        account: who.account.clone(),
        environment: spec.environment.clone(),
        version,
        ttl_secs: spec.ttl_secs,
        protect: spec.protect.unwrap_or(false),
        budget: spec.budget.clone().unwrap_or_default(),
        network,
        node_pools: node_pools.into_iter().map(|pool| pool.resolved).collect(),
        admins: spec.admins.clone(),
        tags: spec.tags.clone(),
        aws: Some(ResolvedAws { admin_principal_arn: admin, ..offline.aws }),
        defaults: work.defaults,
    })
}

/// What the cloud said; none where it could not be known.
struct Facts {
    zones: Option<Vec<Zone>>,
    types: Option<Vec<InstanceType>>,
    offers: Option<BTreeMap<String, BTreeSet<String>>>,
    versions: Option<Vec<Version>>,
}

struct Work {
    problems: Vec<StepError>,
    defaults: Vec<String>,
}

/// A pool on its way: machine still a wish.
struct Pool {
    resolved: ResolvedPool,
    /// Types to choose from, best first; one where it was named.
    candidates: Vec<String>,
    named: bool,
}

/// What can be decided without the cloud.
struct Offline {
    network: ResolvedNetwork,
    pools: Vec<PoolSpec>,
    aws: ResolvedAws,
}

impl Offline {
    fn of(work: &mut Work, spec: &ClusterSpec, who: &Identity) -> Self {
        if spec.name.is_none() {
            work.problem("KW-SPEC", "the cluster has no name");
        }
        if let Some(pin) = spec.account.as_ref().filter(|pin| **pin != who.account) {
            let message = format!("the spec is pinned to account {pin}, these credentials are of {}", who.account);
            work.problems.push(
                stop(ErrorClass::Auth, "KW-ACCOUNT", message).with_hint("set AWS_PROFILE to a profile of that account"),
            );
        }
        work.tags(&spec.tags);
        for arn in &spec.admins {
            work.principal(arn);
        }
        let network = work.network(spec.network.as_ref());
        let pools = work.wishes(spec.node_pools.as_deref());
        let aws = work.aws(spec.aws.as_ref());
        Self { network, pools, aws }
    }

    /// Every type that may be used, so that one call asks for all.
    fn type_names(&self, region: &crate::model::Region) -> BTreeSet<String> {
        self.pools.iter().flat_map(|pool| candidates(pool, region).0).collect()
    }
}

/// The types a pool may use, best first, and whether the user named it.
fn candidates(pool: &PoolSpec, region: &crate::model::Region) -> (Vec<String>, bool) {
    match &pool.instance_type {
        None => (vec![INSTANCE_TYPE.to_owned()], false),
        Some(InstanceWish::Named(name)) => (vec![name.clone()], true),
        Some(InstanceWish::Needs(needs)) => (instances::fitting(region, needs), false),
    }
}

fn stop(class: ErrorClass, id: &str, message: impl Into<String>) -> StepError {
    StepError::new(class, id, message).with_residue(Residue::None)
}

impl Work {
    fn problem(&mut self, id: &str, message: impl Into<String>) {
        self.problems.push(stop(ErrorClass::Permanent, id, message));
    }

    fn hinted(&mut self, id: &str, message: impl Into<String>, hint: impl Into<String>) {
        self.problems.push(stop(ErrorClass::Permanent, id, message).with_hint(hint));
    }

    /// The value, or the default, which is then named in the plan.
    fn or<T>(&mut self, given: Option<T>, path: &str, default: T) -> T {
        given.unwrap_or_else(|| {
            self.defaults.push(path.to_owned());
            default
        })
    }

    fn tags(&mut self, tags: &BTreeMap<String, String>) {
        if tags.len() > MAX_USER_TAGS {
            self.problem(
                "KW-SPEC",
                format!("{} tags: AWS leaves room for {MAX_USER_TAGS} beside kubewright's own", tags.len()),
            );
        }
        let allowed = |c: char| c.is_alphanumeric() || c.is_ascii_whitespace() || "+-=._:/@".contains(c);
        for (key, value) in tags {
            let reserved = ["aws:", "kubewright-", "kubernetes.io/", "eks:"].iter().any(|start| key.starts_with(start));
            if reserved {
                self.problem("KW-SPEC", format!("tag `{key}` is reserved"));
            } else if key.is_empty() || key.chars().count() > 128 || value.chars().count() > 256 {
                self.problem(
                    "KW-SPEC",
                    format!("tag `{key}`: AWS takes keys of 1 to 128 and values of up to 256 characters"),
                );
            } else if let Some(bad) = key.chars().chain(value.chars()).find(|c| !allowed(*c)) {
                self.problem("KW-SPEC", format!("tag `{key}`: AWS does not take {bad:?} in tags"));
            }
        }
    }

    fn principal(&mut self, arn: &str) {
        let part = arn.split(':').collect::<Vec<_>>();
        let good = matches!(part[..], ["arn", _, "iam", "", account, resource]
            if account.len() == 12 && (resource.starts_with("role/") || resource.starts_with("user/")));
        if !good {
            self.hinted(
                "KW-SPEC",
                format!("admin `{arn}` is not the ARN of an IAM role or user"),
                "arn:aws:iam::123456789012:role/NAME",
            );
        }
    }

    fn role(&mut self, key: &str, arn: Option<&String>) {
        let good = |arn: &str| arn.split(':').nth(2) == Some("iam") && arn.contains(":role/");
        if let Some(arn) = arn.filter(|arn| !good(arn)) {
            self.hinted(
                "KW-SPEC",
                format!("aws.{key} `{arn}` is not the ARN of an IAM role"),
                "arn:aws:iam::123456789012:role/NAME",
            );
        }
    }

    fn network(&mut self, spec: Option<&NetworkSpec>) -> ResolvedNetwork {
        let spec = spec.cloned().unwrap_or_default();
        let everywhere = vec!["0.0.0.0/0".parse().expect("a constant")];
        if let Some(existing) = &spec.existing {
            self.existing(&spec, existing);
        } else {
            for (path, missing) in [("network.cidr", spec.cidr.is_none()), ("network.nat", spec.nat.is_none())] {
                if missing {
                    self.defaults.push(path.to_owned());
                }
            }
        }
        let cidr = spec.cidr.unwrap_or_else(|| CIDR.parse().expect("a constant"));
        if cidr != cidr.trunc() {
            self.hinted(
                "KW-NET",
                format!("network.cidr {cidr} does not start where its range does"),
                format!("cidr: {}", cidr.trunc()),
            );
        }
        let first = cidr.addr();
        if spec.existing.is_none()
            && (first.is_loopback() || first.is_link_local() || first.is_multicast() || first.octets()[0] == 0)
        {
            self.problem("KW-NET", format!("network.cidr {cidr} is not a range for machines; use one of 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16"));
        }
        let api_allow = self.or(spec.api_allow, "network.apiAllow", everywhere);
        self.api_allow(&api_allow);
        ResolvedNetwork {
            cidr: cidr.trunc(),
            zones: Vec::new(),
            nat: spec.nat.unwrap_or(Nat::Single),
            api_allow,
            existing: spec.existing,
        }
    }

    fn existing(&mut self, spec: &NetworkSpec, existing: &ExistingNetwork) {
        let clashes = [
            ("cidr", spec.cidr.is_some()),
            ("nat", spec.nat.is_some()),
            ("zones", spec.zones.is_some()),
            ("zoneCount", spec.zone_count.is_some()),
        ];
        for (key, _) in clashes.iter().filter(|(_, set)| *set) {
            self.problem(
                "KW-NET",
                format!(
                    "network.{key} and network.existing exclude each other: a network brought along stays as it is"
                ),
            );
        }
        let all: Vec<&String> = existing.private_subnets.iter().chain(&existing.public_subnets).collect();
        if !existing.vpc.starts_with("vpc-") {
            self.problem("KW-NET", format!("network.existing.vpc `{}` is not a VPC id", existing.vpc));
        }
        for id in all.iter().filter(|id| !id.starts_with("subnet-")) {
            self.problem("KW-NET", format!("network.existing: `{id}` is not a subnet id"));
        }
        if all.iter().collect::<BTreeSet<_>>().len() != all.len() {
            self.problem("KW-NET", "network.existing names a subnet twice");
        }
        if all.len() < 2 {
            self.problem("KW-NET", "network.existing needs at least 2 subnets, in 2 zones");
        }
    }

    fn api_allow(&mut self, ranges: &[Ipv4Net]) {
        if ranges.is_empty() {
            self.problem("KW-NET", "network.apiAllow is empty: nobody could reach the API server");
        }
        if ranges.len() > MAX_API_RANGES {
            self.problem("KW-NET", format!("network.apiAllow has {} ranges, EKS takes {MAX_API_RANGES}", ranges.len()));
        }
        for range in ranges
            .iter()
            .filter(|range| range.addr().is_private() || range.addr().is_loopback() || range.addr().is_link_local())
        {
            self.problem("KW-NET", format!("network.apiAllow {range} is private: EKS takes public ranges, and private ones always get in from inside the network"));
        }
    }

    fn aws(&mut self, spec: Option<&AwsSpec>) -> ResolvedAws {
        let spec = spec.cloned().unwrap_or_default();
        let addons = self.or(spec.addons, "aws.addons", ADDONS.map(str::to_owned).to_vec());
        self.role("clusterRoleArn", spec.cluster_role_arn.as_ref());
        self.role("nodeRoleArn", spec.node_role_arn.as_ref());
        let has = |name: &str| addons.iter().any(|addon| addon == name);
        if has(EBS_CSI) && !has(POD_IDENTITY_AGENT) {
            self.hinted(
                "KW-SPEC",
                format!("add-on {EBS_CSI} gets its permissions through {POD_IDENTITY_AGENT}, which is not in the list"),
                format!("add {POD_IDENTITY_AGENT} to aws.addons"),
            );
        }
        let mut seen = BTreeSet::new();
        for name in &addons {
            let valid = name.starts_with(|c: char| c.is_ascii_lowercase())
                && name.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '-' | '_'));
            if !valid || name.len() > 100 {
                self.problem("KW-SPEC", format!("`{name}` is not the name of an add-on"));
            } else if !seen.insert(name) {
                self.problem("KW-SPEC", format!("add-on {name} is listed twice"));
            } else if let Some(meant) =
                nearest_of(name, ADDONS.into_iter()).filter(|_| !ADDONS.contains(&name.as_str()))
            {
                self.hinted("KW-SPEC", format!("there is no add-on {name}"), format!("did you mean {meant}?"));
            }
        }
        // All three or none: EKS's own copies of some beside add-ons of others fight over the same objects.
        let core = ["vpc-cni", "kube-proxy", "coredns"].map(has);
        if core.contains(&true) && core.contains(&false) {
            tracing::debug!("some of the core add-ons are left to EKS's own copies");
        }
        debug_assert!(BEFORE_NODES.contains(&POD_IDENTITY_AGENT));
        ResolvedAws {
            addons,
            cluster_role_arn: spec.cluster_role_arn,
            node_role_arn: spec.node_role_arn,
            admin_principal_arn: None,
        }
    }

    /// The pools as asked for, with the checks that need no cloud.
    fn wishes(&mut self, pools: Option<&[PoolSpec]>) -> Vec<PoolSpec> {
        let Some(pools) = pools else {
            self.defaults.push("nodePools".to_owned());
            return vec![PoolSpec { name: "default".to_owned(), ..PoolSpec::default() }];
        };
        if pools.is_empty() {
            self.problem("KW-SPEC", "nodePools is empty: a cluster without nodes runs nothing");
        }
        if pools.len() > MAX_POOLS {
            self.problem("KW-SPEC", format!("{} node pools, EKS takes {MAX_POOLS}", pools.len()));
        }
        let mut names = BTreeSet::new();
        for pool in pools {
            let name = &pool.name;
            let valid = name.starts_with(|c: char| c.is_ascii_lowercase()) && !name.ends_with('-') && name.len() <= 40;
            if !valid || !name.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '-')) {
                self.problem(
                    "KW-SPEC",
                    format!("pool name `{name}`: up to 40 of a-z, 0-9 and `-`, a letter first, no `-` last"),
                );
            }
            if !names.insert(name) {
                self.problem("KW-SPEC", format!("two node pools are called `{name}`"));
            }
            self.pool_numbers(pool);
            for key in pool.labels.keys().filter(|key| is_reserved_label(key)) {
                self.problem("KW-SPEC", format!("pool `{name}`: label {key} is reserved, EKS refuses it"));
            }
        }
        pools.to_vec()
    }

    fn pool_numbers(&mut self, pool: &PoolSpec) {
        let name = &pool.name;
        let (min, max) =
            (pool.min.or(pool.count).unwrap_or(NODES), pool.max.or(pool.count).or(pool.min).unwrap_or(NODES));
        if min > max {
            self.problem("KW-SPEC", format!("pool `{name}`: min {min} is more than max {max}"));
        } else if min < max {
            self.hinted(
                "KW-SPEC",
                format!(
                    "pool `{name}`: min {min} < max {max} needs an autoscaler, which kubewright does not install yet"
                ),
                format!("give pool `{name}` a fixed count"),
            );
        } else if pool.count.is_some_and(|count| count != min) {
            self.problem(
                "KW-SPEC",
                format!(
                    "pool `{name}`: count {} is not between min {min} and max {max}",
                    pool.count.unwrap_or_default()
                ),
            );
        } else if max == 0 {
            self.problem("KW-SPEC", format!("pool `{name}` has no nodes"));
        } else if max > MAX_NODES {
            self.problem("KW-SPEC", format!("pool `{name}`: {max} nodes, EKS takes {MAX_NODES} in one node group"));
        }
        if let Some(disk) = pool.disk_gib.filter(|disk| !DISK.contains(disk)) {
            self.problem(
                "KW-SPEC",
                format!("pool `{name}`: a disk has {} to {} GiB, not {disk}", DISK.start(), DISK.end()),
            );
        }
        if let Some(InstanceWish::Needs(InstanceNeeds { gpu: Some(gpu), .. })) = &pool.instance_type {
            self.no_gpus(name, gpu);
        }
    }

    fn no_gpus(&mut self, pool: &str, gpu: &str) {
        self.problem(
            "KW-SPEC",
            format!("pool `{pool}`: {gpu} needs a driver and a device plugin, which kubewright does not install yet"),
        );
    }

    fn version(&mut self, asked: Option<&str>, known: Option<&[Version]>, now: jiff::Timestamp) -> String {
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
            (None, None) => self.hinted(
                "KW-AWS-VERSION",
                "EKS's versions cannot be listed here, so none can be chosen",
                "name one: --version 1.35",
            ),
        }
        asked.unwrap_or_default().to_owned()
    }

    /// Machines for the pools, as far as types alone decide.
    fn pools(&mut self, wishes: &[PoolSpec], facts: &Facts, cx: &AwsCx) -> Vec<Pool> {
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

    fn no_type(&mut self, wish: &PoolSpec, all: &[String], named: bool, cx: &AwsCx) {
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
    fn zones(&mut self, spec: Option<&NetworkSpec>, facts: &Facts, pools: &mut [Pool], cx: &AwsCx) -> Vec<String> {
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
            self.hinted(
                "KW-AWS-ZONE",
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

    fn too_few(&mut self, size: usize, fit: &[&str], facts: &Facts, pools: &[Pool], cx: &AwsCx) {
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

    fn named_zones(&mut self, zones: &[String], facts: &Facts, pools: &mut [Pool], cx: &AwsCx) {
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

impl Facts {
    /// Whether a zone has a type; yes where that cannot be known.
    fn offers(&self, name: &str, zone: &str) -> bool {
        self.offers.as_ref().is_none_or(|offers| offers.get(name).is_some_and(|zones| zones.contains(zone)))
    }

    fn kind(&self, name: &str) -> InstanceType {
        let told = self.types.as_ref().and_then(|types| types.iter().find(|it| it.name == name).cloned());
        told.or_else(|| instances::from_catalogue(name)).unwrap_or_else(|| InstanceType {
            name: name.to_owned(),
            arch: instances::arch(name).to_owned(),
            vcpus: 0,
            gpu: None,
            spot: true,
        })
    }
}

/// Prefixes that belong to Kubernetes and EKS; the `node-restriction` one exists for users.
fn is_reserved_label(key: &str) -> bool {
    let Some((prefix, _)) = key.split_once('/') else { return false };
    let system = |domain: &str| prefix == domain || prefix.ends_with(&format!(".{domain}"));
    prefix != "node-restriction.kubernetes.io"
        && (system("kubernetes.io") || system("k8s.io") || system("eks.amazonaws.com"))
}

/// The principal behind the caller, for an access entry: the role of a session, the user itself. None where there is
/// none (root, federation), or where the spec does not want one: the creator then gets in by EKS's own rule.
async fn admin(
    cx: &AwsCx,
    clock: &dyn Clock,
    spec: Option<&AwsSpec>,
    who: &Identity,
) -> Result<Option<String>, StepError> {
    if spec.and_then(|spec| spec.access_entry) == Some(false) {
        return Ok(None);
    }
    match client::Principal::of(&who.principal) {
        client::Principal::User(arn) => Ok(Some(arn)),
        // The session's ARN leaves the role's path out, so the role is asked.
        client::Principal::Session { role } => {
            let read = || async {
                let answer = cx
                    .iam
                    .get_role()
                    .role_name(&role)
                    .send()
                    .await
                    .map_err(|err| error::fail("iam:GetRole", &format!("role {role}"), err))?;
                Ok(answer.role.map(|role| role.arn))
            };
            Ok(if_known(patient(clock, read).await)?.flatten())
        }
        client::Principal::Other => Ok(None),
    }
}
