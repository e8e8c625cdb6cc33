//! From what the user asked for to what will be built: defaults filled in, choices made, all problems at once.
//!
//! Reads only. What the cloud does not let us see is not a problem here: preflight says what could not be known.

mod choices;
mod wishes;

use super::client::AwsCx;
use super::error;
use super::instances::{self, InstanceType};
use super::layout::{Layout, MAX_ZONES};
use super::versions::{self, Version};
use super::zones::{self, Zone};
use super::{adopted, client, offers};
use crate::engine::{Clock, ErrorClass, StepError};
use crate::model::spec::{AwsSpec, InstanceWish, PoolSpec, ResolvedAws, ResolvedNetwork, ResolvedPool};
use crate::model::{Cloud, ClusterSpec, Region, ResolvedSpec};
use crate::providers::patience::{if_known, patient};
use crate::providers::work::{self, stop};
use crate::providers::{Identity, USUAL};
use std::collections::{BTreeMap, BTreeSet};

const NODES: u32 = USUAL.nodes;
const DISK_GIB: u32 = 50;
/// The default, and what stands in for it where the region does not have it: half of them do not.
pub(super) const INSTANCE_TYPES: [&str; 4] = ["m6a.large", "m6i.large", "m5.large", "m7i.large"];

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
    let mut work = Work::default();
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
    let refused = |answer: Option<&StepError>| answer.filter(|err| err.id == error::DENIED).cloned();
    let (no_zones, no_versions) = (refused(zones.as_ref().err()), refused(versions.as_ref().err()));
    let facts = || -> Result<_, StepError> {
        Ok((if_known(zones)?, if_known(types)?, if_known(offers)?, if_known(versions)?, adopted?, admin?))
    };
    let (zones, types, offers, versions, adopted, admin) = match facts() {
        Ok(facts) => facts,
        Err(stop) => return Err(vec![stop]),
    };
    let facts = Facts { zones, types, offers, versions, no_zones, no_versions };
    decide(work, cx, clock, spec, who, offline, facts, adopted, admin)
}

/// Resolves a spec from what this build knows: zones and versions of its own table, machines as the price table has
/// them. For an estimate before anybody is signed in.
///
/// # Errors
/// Every problem found, in the order of the spec.
pub fn guess(
    cx: &AwsCx,
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
    let zone = |name: String| Zone { name, id: String::new(), unfit: None };
    let zones = offers::embedded_zones(&cx.region).map(|all| all.into_iter().map(zone).collect());
    let versions = Some(versions::embedded(clock.now()));
    let facts = Facts { zones, types: None, offers: None, versions, no_zones: None, no_versions: None };
    decide(work, cx, clock, spec, who, offline, facts, None, None)
}

#[expect(clippy::too_many_arguments, reason = "facts that were asked for and facts that are known meet here alone")]
fn decide(
    mut work: Work,
    cx: &AwsCx,
    clock: &dyn Clock,
    spec: &ClusterSpec,
    who: &Identity,
    offline: Offline,
    facts: Facts,
    adopted: Option<adopted::Adopted>,
    admin: Option<String>,
) -> Result<ResolvedSpec, Vec<StepError>> {
    let version = work.version(spec.version.as_deref(), &facts, clock.now());
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
        gcp: None,
        azure: None,
        defaults: work.defaults,
    })
}

/// A spec as far as it goes without a cloud: enough for what the plan's shape decides. Zones, version and machines stand
/// for any.
///
/// # Errors
/// Every problem that needs no cloud to be found.
pub fn offline(spec: &ClusterSpec, region: &Region) -> Result<ResolvedSpec, Vec<StepError>> {
    let mut work = Work::default();
    let account = spec.account.clone().unwrap_or_else(|| "000000000000".to_owned());
    let who = Identity { account, principal: String::new(), source: String::new(), expires_at: None };
    let offline = Offline::of(&mut work, spec, &who);
    let mut network = offline.network;
    let asked = spec.network.as_ref();
    let count = asked.and_then(|it| it.zones.as_ref().map(Vec::len).or(it.zone_count.map(usize::from)));
    let letters = ('a'..='z').take(count.unwrap_or(2).clamp(2, MAX_ZONES));
    network.zones = letters.map(|letter| format!("{region}{letter}")).collect();
    if network.existing.is_none()
        && let Err(why) = Layout::of(network.cidr, network.zones.len(), network.nat)
    {
        work.problem("KW-NET", why);
    }
    if !work.problems.is_empty() {
        return Err(work.problems);
    }
    let pool = |wish: &PoolSpec| {
        let (min, count, max) = wish.sizes().unwrap_or((NODES, NODES, NODES));
        let instance_type = candidates(wish, region).0.into_iter().next().unwrap_or_default();
        ResolvedPool {
            name: wish.name.clone(),
            arch: instances::arch(&instance_type).to_owned(),
            gpu: instances::from_catalogue(&instance_type).and_then(|kind| kind.gpu),
            instance_type,
            other_types: others(wish),
            billed_type: None,
            count,
            min,
            max,
            spot: wish.spot.unwrap_or(false),
            disk_gib: wish.disk_gib.unwrap_or(DISK_GIB),
            labels: wish.labels.clone(),
            taints: wish.taints.clone(),
        }
    };
    // Whoever builds it gets an entry, unless the spec does not want one.
    let wants_entry = spec.aws.as_ref().and_then(|aws| aws.access_entry) != Some(false);
    let admin = wants_entry.then(|| format!("arn:aws:iam::{}:user/caller", who.account));
    Ok(ResolvedSpec {
        name: spec.name.clone().expect("its absence is a problem, and there is none"),
        provider: Cloud::Aws,
        region: region.clone(),
        account: who.account,
        environment: spec.environment.clone(),
        version: spec.version.clone().unwrap_or_default(),
        ttl_secs: spec.ttl_secs,
        protect: spec.protect.unwrap_or(false),
        budget: spec.budget.clone().unwrap_or_default(),
        network,
        node_pools: offline.pools.iter().map(pool).collect(),
        admins: spec.admins.clone(),
        tags: spec.tags.clone(),
        aws: Some(ResolvedAws { admin_principal_arn: admin, ..offline.aws }),
        gcp: None,
        azure: None,
        defaults: Vec::new(),
    })
}

/// What the cloud said; none where it could not be known.
struct Facts {
    zones: Option<Vec<Zone>>,
    types: Option<Vec<InstanceType>>,
    offers: Option<BTreeMap<String, BTreeSet<String>>>,
    versions: Option<Vec<Version>>,
    /// The refusal, where the zones may not be read.
    no_zones: Option<StepError>,
    /// The refusal, where the versions may not be read.
    no_versions: Option<StepError>,
}

type Work = work::Work<super::Aws>;

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
        work.scaling(&pools, &aws);
        Self { network, pools, aws }
    }

    /// Every type that may be used, so that one call asks for all.
    fn type_names(&self, region: &Region) -> BTreeSet<String> {
        self.pools.iter().flat_map(|pool| candidates(pool, region).0.into_iter().chain(others(pool))).collect()
    }
}

/// The types a pool may use, best first, and whether the user named it.
fn candidates(pool: &PoolSpec, region: &Region) -> (Vec<String>, bool) {
    if let Some(first) = pool.instance_types.first() {
        return (vec![first.clone()], true);
    }
    match &pool.instance_type {
        None => (INSTANCE_TYPES.map(str::to_owned).to_vec(), false),
        Some(InstanceWish::Named(name)) => (vec![name.clone()], true),
        Some(InstanceWish::Needs(needs)) => (instances::fitting(region, needs), false),
    }
}

/// The types that may stand for a pool's first.
fn others(pool: &PoolSpec) -> Vec<String> {
    pool.instance_types.iter().skip(1).cloned().collect()
}

impl Pool {
    /// Whether a zone has its machines, those of every type.
    fn stands_in(&self, facts: &Facts, zone: &str) -> bool {
        self.resolved.types().all(|name| facts.offers(name, zone))
    }

    /// Takes this type, with all that follows from it.
    fn take(&mut self, name: String, facts: &Facts) {
        let kind = facts.kind(&name);
        (self.resolved.arch, self.resolved.gpu) = (kind.arch, kind.gpu);
        self.resolved.instance_type = name;
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
            memory_mib: 0,
            gpu: None,
            spot: true,
        })
    }
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
