//! From what the user asked for to what will be built: defaults filled in, choices made, all problems at once.
//!
//! Reads only. What the cloud does not let us see is not a problem here: preflight says what could not be known.

mod choices;
mod network;
mod wishes;

use super::adopted::{self, Adopted};
use super::client::{AzureCx, Op, version};
use super::instances::{self, Size, USUAL_SIZES};
use super::refs::ArmId;
use super::skus::{self, Skus};
use super::token::Claims;
use super::versions::{self, Offered};
use super::{error, zones};
use crate::engine::{Clock, ErrorClass, Residue, StepError};
use crate::model::spec::{
    AksNetwork, AksOutbound, AzureSpec, InstanceWish, PoolSpec, ResolvedAzure, ResolvedNetwork, ResolvedPool,
};
use crate::model::{Cloud, ClusterSpec, Region, ResolvedSpec};
use crate::providers::patience::{if_known, patient};
use crate::providers::work::{self, stop};
use crate::providers::{Identity, USUAL};
use ipnet::Ipv4Net;
use jiff::Timestamp;

const NODES: u32 = USUAL.nodes;
const DISK_GIB: u32 = 50;

const SKUS: Op = Op::new("compute:skus.list", version::SKUS);
const VERSIONS: Op = Op::new("containerservice:locations.kubernetesVersions", version::AKS);

/// Who asks, as Entra knows them.
#[derive(Debug, Clone, Default)]
pub struct Caller {
    /// The subscription's tenant.
    pub tenant: String,
    /// What the caller's token says.
    pub claims: Option<Claims>,
}

impl Caller {
    /// Object id and kind, for a role assignment; none where the token names no object.
    fn admin(&self) -> Option<(String, String)> {
        let claims = self.claims.as_ref()?;
        let kind = if claims.is_application() { "ServicePrincipal" } else { "User" };
        Some((claims.object.clone()?, kind.to_owned()))
    }
}

/// Resolves a spec.
///
/// # Errors
/// Every problem found, in the order of the spec.
pub async fn resolve(
    cx: &AzureCx,
    clock: &dyn Clock,
    spec: &ClusterSpec,
    who: &Identity,
    caller: &Caller,
) -> Result<ResolvedSpec, Vec<StepError>> {
    let mut work = Work::default();
    let offline = Offline::of(&mut work, spec, who);
    let adopted = async {
        match &offline.network.existing {
            Some(existing) => patient(clock, || adopted::read(cx, existing)).await.map(Some),
            None => Ok(None),
        }
    };
    let (skus, versions, adopted) = futures::join!(sizes(cx, clock), offered(cx, clock), adopted);
    let refused = |answer: Option<&StepError>| answer.filter(|err| err.id == error::DENIED).cloned();
    let (no_sizes, no_versions) = (refused(skus.as_ref().err()), refused(versions.as_ref().err()));
    let facts = || -> Result<_, StepError> { Ok((if_known(skus)?, if_known(versions)?, adopted?)) };
    let (skus, versions, adopted) = match facts() {
        Ok(facts) => facts,
        Err(stop) => return Err(vec![stop]),
    };
    let zones = skus.as_ref().map(skus::zones).or_else(|| zones::embedded(&cx.region));
    let facts = Facts { skus, zones, versions, no_sizes, no_versions };
    decide(work, &cx.region, clock.now(), spec, who, offline, &facts, adopted, caller)
}

/// Resolves a spec from what this build knows: zones and versions of its own tables, machines as the price table has
/// them. For an estimate before anybody is signed in.
///
/// # Errors
/// Every problem found, in the order of the spec.
pub fn guess(
    region: &Region,
    now: Timestamp,
    spec: &ClusterSpec,
    who: &Identity,
) -> Result<ResolvedSpec, Vec<StepError>> {
    let mut work = Work::default();
    let offline = Offline::of(&mut work, spec, who);
    if offline.network.existing.is_some() {
        work.problem("KW-NET", "what network.existing names can only be read with credentials");
        return Err(work.problems);
    }
    let versions = Some(versions::embedded(now));
    let facts = Facts { skus: None, zones: zones::embedded(region), versions, no_sizes: None, no_versions: None };
    decide(work, region, now, spec, who, offline, &facts, None, &unnamed())
}

/// Whoever it will be: the shape of a plan does not hang on it, but a role is given to somebody.
fn unnamed() -> Caller {
    let object = "00000000-0000-0000-0000-000000000000";
    Caller { tenant: object.to_owned(), claims: Some(Claims::of_object(object)) }
}

#[expect(clippy::too_many_arguments, reason = "facts that were asked for and facts that are known meet here alone")]
fn decide(
    mut work: Work,
    region: &Region,
    now: Timestamp,
    spec: &ClusterSpec,
    who: &Identity,
    offline: Offline,
    facts: &Facts,
    adopted: Option<Adopted>,
    caller: &Caller,
) -> Result<ResolvedSpec, Vec<StepError>> {
    let version = work.version(spec.version.as_deref(), offline.azure.tier, facts, now);
    let mut pools = work.pools(&offline.pools, facts, region);
    let mut network = offline.network;
    network.zones = work.zones(spec.network.as_ref(), facts, &mut pools, region);
    work.system_pool(&pools, facts);
    if let Some(adopted) = &adopted {
        work.problems.extend(adopted.problems());
        network.cidr = adopted.cidr().unwrap_or(network.cidr);
    }
    let outbound = network::outbound(&network, adopted.as_ref());
    let nodes = pools.iter().map(|pool| pool.resolved.max).fold(0, u32::saturating_add);
    let ranges = work.ranges(&offline.azure, &network, adopted.as_ref(), nodes);
    work.defaults.sort();
    if !work.problems.is_empty() {
        return Err(work.problems);
    }
    let node_pools = pools.into_iter().map(|pool| pool.resolved).collect();
    Ok(offline.azure.assemble(
        spec,
        region,
        who,
        caller,
        version,
        network,
        node_pools,
        (ranges, outbound),
        work.defaults,
    ))
}

/// A spec as far as it goes without a cloud: enough for what the plan's shape decides. Zones, version and machines stand
/// for any.
///
/// # Errors
/// Every problem that needs no cloud to be found.
pub fn offline(spec: &ClusterSpec, region: &Region) -> Result<ResolvedSpec, Vec<StepError>> {
    let mut work = Work::default();
    let account = spec.account.clone().unwrap_or_else(|| unnamed().tenant);
    let who = Identity { account, principal: String::new(), source: String::new(), expires_at: None };
    let offline = Offline::of(&mut work, spec, &who);
    let pool = |wish: &PoolSpec| {
        let (min, count, max) = wish.sizes().unwrap_or((NODES, NODES, NODES));
        let instance_type = candidates(wish, region).0.into_iter().next().unwrap_or_default();
        let size = instances::from_catalogue(&instance_type).unwrap_or_else(|| Size::unknown(&instance_type));
        resolved_pool(wish, &size, (min, count, max))
    };
    let pools: Vec<ResolvedPool> = offline.pools.iter().map(pool).collect();
    let mut network = offline.network;
    network.zones = spec.network.as_ref().and_then(|it| it.zones.clone()).unwrap_or_default();
    let nodes = pools.iter().map(|pool| pool.max).fold(0, u32::saturating_add);
    let ranges = work.ranges(&offline.azure, &network, None, nodes);
    if !work.problems.is_empty() {
        return Err(work.problems);
    }
    let outbound = network::outbound(&network, None);
    let version = spec.version.clone().unwrap_or_default();
    let caller = unnamed();
    Ok(offline.azure.assemble(spec, region, &who, &caller, version, network, pools, (ranges, outbound), Vec::new()))
}

/// The sizes that the region offers to this subscription.
pub(super) async fn sizes(cx: &AzureCx, clock: &dyn Clock) -> Result<Skus, StepError> {
    let at = ArmId(format!("{}/providers/Microsoft.Compute/skus", cx.subscription_id()?));
    let filter = format!("location eq '{}'", cx.region);
    let query = [("$filter", filter.as_str())];
    let found = patient(clock, || cx.list(SKUS, "VM sizes", &at, &query)).await?;
    Ok(skus::read(found, cx.region.as_str()))
}

/// The Kubernetes versions that AKS offers in the region.
pub(super) async fn offered(cx: &AzureCx, clock: &dyn Clock) -> Result<Offered, StepError> {
    let provider = "providers/Microsoft.ContainerService/locations";
    let at = ArmId(format!("{}/{provider}/{}/kubernetesVersions", cx.subscription_id()?, cx.region));
    let found: Option<versions::Listing> = patient(clock, || cx.get(VERSIONS, "Kubernetes versions", &at)).await?;
    found.map(|listing| listing.read(clock.now())).ok_or_else(|| {
        let message = format!("Azure lists no Kubernetes versions for {}", cx.region);
        StepError::new(ErrorClass::Permanent, error::ABSENT, message).with_residue(Residue::None)
    })
}

/// What the cloud said; none where it could not be known.
struct Facts {
    skus: Option<Skus>,
    /// The region's zones, which may be none at all.
    zones: Option<Vec<String>>,
    versions: Option<Offered>,
    /// The refusal, where the sizes may not be read.
    no_sizes: Option<StepError>,
    /// The refusal, where the versions may not be read.
    no_versions: Option<StepError>,
}

type Work = work::Work<super::Azure>;

/// A pool on its way: machine still a wish.
struct Pool {
    resolved: ResolvedPool,
    /// Sizes to choose from, best first; one where it was named.
    candidates: Vec<String>,
    named: bool,
}

/// What can be decided without the cloud.
struct Offline {
    network: ResolvedNetwork,
    pools: Vec<PoolSpec>,
    azure: Aks,
}

/// AKS's own keys, as far as they go without the cloud.
struct Aks {
    asked: AzureSpec,
    tier: crate::model::spec::AksTier,
    network: AksNetwork,
}

/// Pods and services.
struct Ranges {
    pods: Ipv4Net,
    services: Ipv4Net,
}

impl Offline {
    fn of(work: &mut Work, spec: &ClusterSpec, who: &Identity) -> Self {
        if spec.name.is_none() {
            work.problem("KW-SPEC", "the cluster has no name");
        }
        if let Some(pin) = spec.account.as_ref().filter(|pin| !pin.eq_ignore_ascii_case(&who.account)) {
            let message = format!("the spec is pinned to subscription {pin}, this is {}", who.account);
            work.problems
                .push(stop(ErrorClass::Auth, "KW-ACCOUNT", message).with_hint(format!("--subscription {pin}")));
        }
        work.tags(&spec.tags);
        for admin in &spec.admins {
            work.object_id("admin", admin);
        }
        let network = work.network(spec.network.as_ref());
        let pools = work.wishes(spec.node_pools.as_deref());
        let azure = work.azure(spec, &network);
        work.scaling(&pools);
        Self { network, pools, azure }
    }
}

impl Aks {
    #[expect(clippy::too_many_arguments, reason = "the one place where a resolved spec is put together")]
    fn assemble(
        self,
        spec: &ClusterSpec,
        region: &Region,
        who: &Identity,
        caller: &Caller,
        version: String,
        network: ResolvedNetwork,
        node_pools: Vec<ResolvedPool>,
        (ranges, outbound): (Ranges, AksOutbound),
        defaults: Vec<String>,
    ) -> ResolvedSpec {
        let azure_rbac = self.asked.azure_rbac.unwrap_or(true);
        ResolvedSpec {
            name: spec.name.clone().expect("its absence is a problem, and there is none"),
            provider: Cloud::Azure,
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
            gcp: None,
            azure: Some(ResolvedAzure {
                tenant: caller.tenant.clone(),
                tier: self.tier,
                network: self.network,
                pod_cidr: ranges.pods,
                service_cidr: ranges.services,
                outbound,
                azure_rbac,
                admin_groups: self.asked.admin_groups.unwrap_or_default(),
                local_accounts: self.asked.local_accounts.unwrap_or(false),
                identity: self.asked.identity,
                admin: caller.admin().filter(|_| azure_rbac),
            }),
            defaults,
        }
    }
}

/// The sizes a pool may use, best first, and whether the user named it.
fn candidates(pool: &PoolSpec, region: &Region) -> (Vec<String>, bool) {
    if let Some(first) = pool.instance_types.first() {
        return (vec![first.clone()], true);
    }
    match &pool.instance_type {
        None => (USUAL_SIZES.map(str::to_owned).to_vec(), false),
        Some(InstanceWish::Named(name)) => (vec![name.clone()], true),
        Some(InstanceWish::Needs(needs)) => (instances::fitting(region, needs), false),
    }
}

fn resolved_pool(wish: &PoolSpec, size: &Size, (min, count, max): (u32, u32, u32)) -> ResolvedPool {
    ResolvedPool {
        name: wish.name.clone(),
        instance_type: size.name.clone(),
        other_types: Vec::new(),
        billed_type: None,
        arch: size.arch.clone(),
        gpu: size.gpu.clone(),
        count,
        min,
        max,
        spot: wish.spot.unwrap_or(false),
        disk_gib: wish.disk_gib.unwrap_or(DISK_GIB),
        labels: wish.labels.clone(),
        taints: wish.taints.clone(),
    }
}

impl Pool {
    /// Takes this size, with all that follows from it.
    fn take(&mut self, name: String, facts: &Facts) {
        let size = facts.size(&name);
        (self.resolved.arch, self.resolved.gpu) = (size.arch, size.gpu);
        self.resolved.instance_type = name;
    }
}

impl Facts {
    /// Whether a zone has a size for us; yes where that cannot be known.
    fn offers(&self, name: &str, zone: &str) -> bool {
        self.skus.as_ref().is_none_or(|skus| skus.get(name).is_some_and(|sku| sku.zones.contains(zone)))
    }

    fn size(&self, name: &str) -> Size {
        let told = self.skus.as_ref().and_then(|skus| skus.get(name)).map(|sku| sku.size.clone());
        told.or_else(|| instances::from_catalogue(name)).unwrap_or_else(|| Size::unknown(name))
    }
}

#[cfg(test)]
mod tests;
