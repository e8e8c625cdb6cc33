//! From what the user asked for to what will be built: defaults filled in, choices made, all problems at once.
//!
//! Reads only. What the cloud does not let us see is not a problem here: preflight says what could not be known.

mod choices;
mod wishes;

use super::client::GcpCx;
use super::error;
use super::instances::{self, Choice, MACHINE_TYPES};
use super::layout::Layout;
use super::versions::{self, Offered, Version};
use super::zones::{self, Stock, Zone};
use super::{adopted, offers, project};
use crate::cost::catalogue;
use crate::engine::{Clock, ErrorClass, StepError};
use crate::model::spec::{InstanceWish, PoolSpec, ResolvedGcp, ResolvedNetwork, ResolvedPool};
use crate::model::{Cloud, ClusterSpec, Region, ResolvedSpec};
use crate::providers::patience::{if_known, patient};
use crate::providers::work::{self, stop};
use crate::providers::{Identity, USUAL};

const NODES: u32 = USUAL.nodes;
const DISK_GIB: u32 = 50;

/// Resolves a spec.
///
/// # Errors
/// Every problem found, in the order of the spec.
pub async fn resolve(
    cx: &GcpCx,
    clock: &dyn Clock,
    spec: &ClusterSpec,
    who: &Identity,
) -> Result<ResolvedSpec, Vec<StepError>> {
    let mut work = Work::default();
    let offline = Offline::of(&mut work, spec, who);
    let region = cx.region.to_string();
    let number = patient(clock, || project::number(cx));
    let zones = patient(clock, || zones::all(cx));
    let config = patient(clock, || offers::server_config(cx, &region));
    let adopted = async {
        match &offline.network.existing {
            Some(existing) => patient(clock, || adopted::read(cx, existing)).await.map(Some),
            None => Ok(None),
        }
    };
    let (number, zones, config, adopted) = futures::join!(number, zones, config, adopted);
    let refused = |answer: Option<&StepError>| answer.filter(|err| err.id == error::DENIED).cloned();
    let (no_zones, no_versions) = (refused(zones.as_ref().err()), refused(config.as_ref().err()));
    // A project in which a service was never on is not asked in vain: the plan switches it on first, and until then what
    // this build knows stands in.
    let off = |answer: Option<&StepError>| answer.is_some_and(|err| err.id == error::API_OFF);
    let (no_compute, no_container) = (off(zones.as_ref().err()), off(config.as_ref().err()));
    let facts = || -> Result<_, StepError> { Ok((number?, if_known(zones)?, if_known(config)?, adopted?)) };
    let (number, zones, config, adopted) = facts().map_err(|stop| vec![stop])?;
    let zones = if no_compute { known_zones(&cx.region) } else { zones };
    let stock = match &zones {
        Some(all) if !no_compute => {
            let here: Vec<String> = all.iter().map(|zone| zone.name.clone()).collect();
            if_known(patient(clock, || zones::stock(cx, &here)).await).map_err(|stop| vec![stop])?
        }
        _ => None,
    };
    // Nothing listed anywhere is a listing that was not allowed, or an endpoint that does not have it.
    let stock = stock.filter(|stock| !stock.machines.is_empty());
    let offered = config.map(|config| versions::offered(&config, offline.gcp.release_channel, clock.now()));
    let listed = offered.as_ref().map(|offered| offered.versions.clone());
    let versions = if no_container { Some(versions::embedded(clock.now())) } else { listed };
    let facts = Facts { zones, stock, versions, no_zones, no_versions };
    let found = Found { number, offered, adopted };
    decide(work, &cx.region, clock, spec, who, offline, &facts, found)
}

/// Resolves a spec from what this build knows: zones and versions of its own table, machines as the price table has
/// them. For an estimate before anybody is signed in.
///
/// # Errors
/// Every problem found, in the order of the spec.
pub fn guess(
    region: &Region,
    clock: &dyn Clock,
    spec: &ClusterSpec,
    who: &Identity,
) -> Result<ResolvedSpec, Vec<StepError>> {
    let mut work = Work::default();
    let offline = Offline::of(&mut work, spec, who);
    if offline.network.existing.is_some() {
        work.problem("KW-NET", "what network.existing names can only be read with credentials");
        return Err(work.problems);
    }
    let zones = known_zones(region);
    let versions = Some(versions::embedded(clock.now()));
    let facts = Facts { zones, stock: None, versions, no_zones: None, no_versions: None };
    decide(work, region, clock, spec, who, offline, &facts, Found::default())
}

fn known_zones(region: &Region) -> Option<Vec<Zone>> {
    offers::embedded_zones(region).map(|all| all.into_iter().map(Zone::named).collect())
}

/// What was read that is no choice.
#[derive(Default)]
struct Found {
    number: String,
    offered: Option<Offered>,
    adopted: Option<adopted::Adopted>,
}

#[expect(clippy::too_many_arguments, reason = "facts that were asked for and facts that are known meet here alone")]
fn decide(
    mut work: Work,
    region: &Region,
    clock: &dyn Clock,
    spec: &ClusterSpec,
    who: &Identity,
    offline: Offline,
    facts: &Facts,
    found: Found,
) -> Result<ResolvedSpec, Vec<StepError>> {
    let Offline { mut network, pools, mut gcp, layout } = offline;
    let version = work.version(spec.version.as_deref(), gcp.release_channel, facts, clock.now());
    let mut node_pools = work.pools(&pools, facts, region);
    if let Some(adopted) = &found.adopted {
        work.problems.extend(adopted.problems());
        network.cidr = adopted.cidr().unwrap_or(network.cidr);
    }
    network.zones = work.zones(spec.network.as_ref(), facts, &mut node_pools, region);
    work.room(layout.as_ref(), &pools);
    work.defaults.sort();
    if !work.problems.is_empty() {
        return Err(work.problems);
    }
    if let Some(layout) = layout {
        (gcp.pod_cidr, gcp.service_cidr) = (Some(layout.pods), Some(layout.services));
    }
    // A minor version alone is one that GKE completes, for where it could not be asked.
    let whole = found.offered.as_ref().and_then(|offered| offered.whole(&version)).unwrap_or(&version);
    gcp.initial_version = whole.to_owned();
    gcp.project_number = found.number;
    let regional = gcp.autopilot || spec.gcp.as_ref().and_then(|gcp| gcp.regional).unwrap_or(false);
    gcp.location = if regional { region.to_string() } else { network.zones.first().cloned().unwrap_or_default() };
    let node_pools = node_pools.into_iter().map(|pool| pool.resolved).collect();
    Ok(resolved(spec, region, who, version, network, node_pools, gcp, work.defaults))
}

#[expect(clippy::too_many_arguments, reason = "the parts of one document, put together in one place")]
fn resolved(
    spec: &ClusterSpec,
    region: &Region,
    who: &Identity,
    version: String,
    network: ResolvedNetwork,
    node_pools: Vec<ResolvedPool>,
    gcp: ResolvedGcp,
    defaults: Vec<String>,
) -> ResolvedSpec {
    ResolvedSpec {
        name: spec.name.clone().expect("its absence is a problem, and there is none"),
        provider: Cloud::Gcp,
        region: region.clone(),
        account: who.account.clone(),
        environment: spec.environment.clone(),
        version,
        ttl_secs: spec.ttl_secs,
        protect: spec.protect.unwrap_or(false),
        budget: spec.budget.clone().unwrap_or_default(),
        network,
        node_pools,
        admins: spec.admins.clone(),
        tags: spec.tags.clone(),
        aws: None,
        gcp: Some(gcp),
        azure: None,
        defaults,
    }
}

/// A spec as far as it goes without a cloud: enough for what the plan's shape decides. Zones, version and machines stand
/// for any.
///
/// # Errors
/// Every problem that needs no cloud to be found.
pub fn offline(spec: &ClusterSpec, region: &Region) -> Result<ResolvedSpec, Vec<StepError>> {
    let mut work = Work::default();
    let account = spec.account.clone().unwrap_or_else(|| "PROJECT".to_owned());
    let who = Identity { account, principal: String::new(), source: String::new(), expires_at: None };
    let Offline { mut network, pools, mut gcp, layout } = Offline::of(&mut work, spec, &who);
    let asked = spec.network.as_ref();
    let count = asked.and_then(|it| it.zone_count.map(usize::from)).unwrap_or(USUAL.zones.into());
    let known = zones::embedded(region).into_iter().take(count.max(1)).collect();
    network.zones = asked.and_then(|it| it.zones.clone()).unwrap_or(known);
    work.room(layout.as_ref(), &pools);
    if !work.problems.is_empty() {
        return Err(work.problems);
    }
    if let Some(layout) = layout {
        (gcp.pod_cidr, gcp.service_cidr) = (Some(layout.pods), Some(layout.services));
    }
    let regional = gcp.autopilot || spec.gcp.as_ref().and_then(|gcp| gcp.regional).unwrap_or(false);
    gcp.location = if regional { region.to_string() } else { network.zones.first().cloned().unwrap_or_default() };
    let nothing = Facts { zones: None, stock: None, versions: None, no_zones: None, no_versions: None };
    let pool = |wish: &PoolSpec| {
        let first = candidates(wish, region).0.into_iter().next();
        let first = first.unwrap_or(Choice { name: MACHINE_TYPES[0].to_owned(), gpu: None });
        let (min, count, max) = wish.sizes().unwrap_or((NODES, NODES, NODES));
        let resolved = ResolvedPool {
            name: wish.name.clone(),
            instance_type: String::new(),
            other_types: Vec::new(),
            billed_type: None,
            arch: String::new(),
            gpu: None,
            count,
            min,
            max,
            spot: wish.spot.unwrap_or(false),
            disk_gib: wish.disk_gib.unwrap_or(DISK_GIB),
            labels: wish.labels.clone(),
            taints: wish.taints.clone(),
        };
        let mut pool = Pool { resolved, candidates: Vec::new(), named: false };
        pool.take(first, &nothing);
        pool.resolved
    };
    let node_pools = pools.iter().map(pool).collect();
    let version = spec.version.clone().unwrap_or_default();
    gcp.initial_version.clone_from(&version);
    Ok(resolved(spec, region, &who, version, network, node_pools, gcp, Vec::new()))
}

/// What the cloud said; none where it could not be known.
struct Facts {
    zones: Option<Vec<Zone>>,
    stock: Option<Stock>,
    versions: Option<Vec<Version>>,
    /// The refusal, where the zones may not be read.
    no_zones: Option<StepError>,
    /// The refusal, where the versions may not be read.
    no_versions: Option<StepError>,
}

type Work = work::Work<super::Gcp>;

/// A pool on its way: machine still a wish.
struct Pool {
    resolved: ResolvedPool,
    /// Machines to choose from, best first; one where it was named.
    candidates: Vec<Choice>,
    named: bool,
}

/// What can be decided without the cloud.
struct Offline {
    network: ResolvedNetwork,
    pools: Vec<PoolSpec>,
    gcp: ResolvedGcp,
    layout: Option<Layout>,
}

impl Offline {
    fn of(work: &mut Work, spec: &ClusterSpec, who: &Identity) -> Self {
        if spec.name.is_none() {
            work.problem("KW-SPEC", "the cluster has no name");
        }
        if let Some(pin) = spec.account.as_ref().filter(|pin| **pin != who.account) {
            let message = format!("the spec is pinned to project {pin}, this is project {}", who.account);
            let error = stop(ErrorClass::Auth, "KW-ACCOUNT", message);
            work.problems.push(error.with_hint(format!("--project {pin}, with credentials that may enter it")));
        }
        work.tags(&spec.tags, spec.environment.as_deref());
        for who in &spec.admins {
            work.principal(who);
        }
        let wanted = spec.gcp.as_ref();
        let network = work.network(spec.network.as_ref(), wanted);
        let layout = work.layout(&network, wanted);
        let has_pools = spec.node_pools.as_ref().is_some_and(|pools| !pools.is_empty());
        let gcp = work.gcp(wanted, has_pools);
        let pools = work.wishes(spec.node_pools.as_deref(), gcp.autopilot);
        Self { network, pools, gcp, layout }
    }
}

/// The machines a pool may have, best first, and whether the user named it.
fn candidates(pool: &PoolSpec, region: &Region) -> (Vec<Choice>, bool) {
    let bare =
        |name: &str| Choice { name: name.to_owned(), gpu: instances::from_catalogue(name).and_then(|it| it.gpu) };
    if let Some(first) = pool.instance_types.first() {
        return (vec![bare(first)], true);
    }
    match &pool.instance_type {
        None => {
            let priced = |name: &&&str| catalogue().instance(Cloud::Gcp, region, name).is_some();
            let mut usual: Vec<Choice> = MACHINE_TYPES.iter().filter(priced).map(|name| bare(name)).collect();
            if usual.is_empty() {
                usual.push(bare(MACHINE_TYPES[0]));
            }
            (usual, false)
        }
        Some(InstanceWish::Named(name)) => (vec![bare(name)], true),
        Some(InstanceWish::Needs(needs)) => (instances::fitting(region, needs), false),
    }
}

impl Pool {
    fn choice(&self) -> Choice {
        Choice { name: self.resolved.instance_type.clone(), gpu: self.resolved.gpu.clone() }
    }

    /// Whether a zone has its machines.
    fn stands_in(&self, facts: &Facts, zone: &str) -> bool {
        facts.offers(&self.choice(), zone)
    }

    /// The machine in words: `n1-standard-4 with 1 x T4`.
    fn shown(&self) -> String {
        let name = &self.resolved.instance_type;
        match &self.resolved.gpu {
            Some((gpu, count)) if instances::takes_gpus(name) => format!("{name} with {count} x {gpu}"),
            _ => name.clone(),
        }
    }

    /// Takes this machine, with all that follows from it.
    fn take(&mut self, choice: Choice, facts: &Facts) {
        self.resolved.arch = facts.arch(&choice.name);
        self.resolved.gpu = choice.gpu.or_else(|| facts.gpu(&choice.name));
        self.resolved.instance_type = choice.name;
    }
}

impl Facts {
    /// Whether the region has a machine type; yes where that cannot be known, and the price table does not deny it.
    fn knows(&self, choice: &Choice) -> bool {
        match &self.stock {
            Some(stock) => stock.machines.contains_key(&choice.name),
            None => instances::from_catalogue(&choice.name).is_some(),
        }
    }

    /// Whether a zone has a machine, and what is attached to it; yes where that cannot be known.
    fn offers(&self, choice: &Choice, zone: &str) -> bool {
        let Some(stock) = &self.stock else { return true };
        let machine = stock.in_zones.get(&choice.name).is_some_and(|zones| zones.contains(zone));
        let attached = choice.gpu.as_ref().filter(|_| instances::takes_gpus(&choice.name));
        let accelerator = attached.and_then(|(gpu, _)| instances::accelerator_type(gpu));
        machine && accelerator.is_none_or(|kind| stock.accelerators.get(kind).is_some_and(|zones| zones.contains(zone)))
    }

    fn arch(&self, name: &str) -> String {
        let told = self.stock.as_ref().and_then(|stock| stock.machines.get(name)?.architecture.as_deref());
        match told {
            Some("ARM64") => "arm64".to_owned(),
            Some("X86_64") => "amd64".to_owned(),
            _ => instances::arch(name).to_owned(),
        }
    }

    /// The GPU that comes with a type, as the zone's listing says.
    fn gpu(&self, name: &str) -> Option<(String, u32)> {
        let listed = self.stock.as_ref()?.machines.get(name)?.accelerators.first()?;
        let gpu = instances::gpu_name(&listed.guest_accelerator_type)?;
        Some((gpu.to_owned(), listed.guest_accelerator_count))
    }
}

#[cfg(test)]
mod tests;
