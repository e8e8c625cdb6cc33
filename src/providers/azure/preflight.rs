//! Everything that can be known before the first write: who, how much is left, what is taken, what would not work.
//!
//! Reads only, all at once. What cannot be read is `unknown` and stops nothing.

use super::client::{AzureCx, Op, version};
use super::permissions::{self, Allowed, Need, On, Permission};
use super::quotas::{self, Demand, Machines};
use super::refs::ArmId;
use super::skus::Skus;
use super::{adopted, clusters, error, instances, names, plan, provider, resolve, rules, steps, tags};
use crate::engine::{Clock, ErrorClass, Plan, PlannedStep, StepError};
use crate::model::spec::{AksNetwork, AksOutbound, AksTier, ResolvedPool};
use crate::model::{ClusterName, ResolvedSpec};
use crate::providers::life::Life;
use crate::providers::patience::{patient, stops_everything};
use crate::providers::versions::{MIN_DAYS, Support};
use crate::providers::{Check, CheckStatus};
use std::collections::BTreeSet;

const GROUP: Op = Op::new("resources:resourceGroups.get", version::RESOURCES);
const PERMISSIONS: Op = Op::new("authorization:permissions.list", version::AUTHORIZATION);
/// Without uptime guaranteed, Microsoft advises against more nodes than these (AKS documentation, "Free, Standard, and
/// Premium pricing tiers").
const FREE_NODES: u32 = 10;

/// What every check starts from.
struct Ground<'a> {
    cx: &'a AzureCx,
    clock: &'a dyn Clock,
    plan: &'a Plan,
    spec: ResolvedSpec,
    fresh: &'a [&'a PlannedStep],
}

/// Asks everything.
pub async fn preflight(cx: &AzureCx, clock: &dyn Clock, plan: &Plan, fresh: &[&PlannedStep]) -> Vec<Check> {
    let Ok(spec) = serde_json::from_value::<ResolvedSpec>(plan.spec.clone()) else {
        let message = "the plan's spec was written by another version and cannot be read";
        return vec![failing(ErrorClass::Permanent, Check::of("KW-PLAN", CheckStatus::Fail, message))];
    };
    let ground = Ground { cx, clock, plan, spec, fresh };
    let (identity, providers, names, version, sizes, network, allowed, rules) = futures::join!(
        ground.identity(),
        ground.providers(),
        ground.names(),
        ground.version(),
        ground.sizes(),
        ground.network(),
        ground.permissions(),
        rules::checks(cx, clock, &ground.spec),
    );
    let mut checks = identity;
    checks.extend(providers);
    checks.extend(names);
    checks.extend(version);
    checks.extend(sizes);
    checks.extend(network);
    checks.extend(allowed);
    checks.extend(rules);
    checks.extend(ground.advice());
    checks
}

fn failing(class: ErrorClass, check: Check) -> Check {
    Check { class: Some(class), ..check }
}

/// A question that could not be answered, in one line.
fn unknown(id: &str, what: &str, err: &StepError) -> Check {
    // No connection and no credentials are not "unknown": everything else would fail as well.
    if stops_everything(err) {
        let check = Check::of(&err.id, CheckStatus::Fail, err.message.clone());
        return failing(err.class, Check { hints: err.hints.clone(), ..check });
    }
    Check::of(id, CheckStatus::Unknown, format!("{what}: {}", err.message))
}

impl Ground<'_> {
    fn makes(&self, kind: &str) -> bool {
        self.fresh.iter().any(|step| step.kind == kind)
    }

    fn count(&self, kind: &str) -> f64 {
        self.fresh.iter().filter(|step| step.kind == kind).count() as f64
    }

    /// Pools whose nodes are still to be made.
    fn pools(&self) -> Vec<&ResolvedPool> {
        let cluster = self.makes(steps::cluster::KIND);
        let own = |pool: &&ResolvedPool| {
            let id = format!("nodes/pool/{}", pool.name);
            cluster || self.fresh.iter().any(|step| step.id.as_str() == id)
        };
        self.spec.node_pools.iter().filter(own).collect()
    }

    /// Subscription, tenant, and how well the subscription is.
    async fn identity(&self) -> Vec<Check> {
        let subscription = match provider::subscription(self.cx, self.clock).await {
            Ok(found) => found,
            Err(err) => return vec![unknown("identity", "the subscription cannot be read", &err)],
        };
        if !subscription.id.eq_ignore_ascii_case(&self.plan.account) {
            let message = format!("the plan is for subscription {}, this is {}", self.plan.account, subscription.id);
            return vec![failing(ErrorClass::Auth, Check::of("KW-ACCOUNT", CheckStatus::Fail, message))];
        }
        let planned = self.spec.azure.as_ref().map(|azure| azure.tenant.as_str());
        if planned.is_some_and(|tenant| !tenant.eq_ignore_ascii_case(&subscription.tenant)) {
            let tenant = planned.unwrap_or_default();
            let message =
                format!("the plan is for tenant {tenant}, the subscription is now of {}", subscription.tenant);
            return vec![failing(ErrorClass::Auth, Check::of(provider::TENANT, CheckStatus::Fail, message))];
        }
        let name = &subscription.name;
        let mut checks =
            vec![Check::of("identity", CheckStatus::Ok, format!("subscription {name} ({})", subscription.id))];
        if !subscription.state.eq_ignore_ascii_case("Enabled") {
            let message = format!("subscription {name} is {}: Azure may switch it off soon", subscription.state);
            checks.push(Check::of("subscription", CheckStatus::Warn, message));
        }
        checks
    }

    /// Whether the services are switched on; those that are not are registered by the build.
    async fn providers(&self) -> Vec<Check> {
        let planned = self.plan.steps.iter().filter(|step| step.kind == steps::provider_registration::KIND);
        let ids = planned.filter_map(|step| Some(ArmId(step.params["id"].as_str()?.to_owned())));
        let ask = |id: ArmId| async move {
            let state = patient(self.clock, || steps::provider_registration::state(self.cx, &id)).await?;
            Ok::<_, StepError>((id.name().to_owned(), state))
        };
        let states = match futures::future::try_join_all(ids.map(ask)).await {
            Ok(states) => states,
            Err(err) => {
                return vec![unknown("providers", "whether resource providers are registered cannot be read", &err)];
            }
        };
        let on = |state: &Option<String>| state.as_deref().is_some_and(|it| it.eq_ignore_ascii_case("registered"));
        let off: Vec<&str> = states.iter().filter(|(_, it)| !on(it)).map(|(namespace, _)| namespace.as_str()).collect();
        if off.is_empty() {
            return vec![Check::of("providers", CheckStatus::Ok, "all resource providers are registered")];
        }
        let message = format!("{} will be registered, which takes minutes and stays", off.join(", "));
        vec![Check::of("providers", CheckStatus::Ok, message)]
    }

    /// Whether the names of the groups are free, or ours, and whether somebody else's cluster bears this one's.
    async fn names(&self) -> Vec<Check> {
        if !self.makes(steps::resource_group::KIND) {
            return Vec::new();
        }
        let stack = &self.plan.stack;
        let account = &self.plan.account;
        let groups = [names::group(stack), names::node_group(stack)];
        let mut checks = Vec::new();
        for name in &groups {
            let id = ArmId::group(account, name);
            let what = format!("resource group {name}");
            match patient(self.clock, || self.cx.get::<clusters::Group>(GROUP, &what, &id)).await {
                Ok(Some(found)) if found.tags.as_ref().and_then(tags::stack_of).as_ref() != Some(stack) => {
                    let message = format!("a resource group `{name}` exists and is not of this stack");
                    let check = Check::of("KW-NOT-OURS", CheckStatus::Fail, message);
                    let hints = vec!["choose another name, or remove the group".to_owned()];
                    checks.push(failing(ErrorClass::Conflict, Check { hints, ..check }));
                }
                Ok(_) => {}
                Err(err) => checks.push(unknown("names", "whether the groups' names are free cannot be read", &err)),
            }
        }
        let name = plan::cluster_name(stack);
        match clusters::all(self.cx, self.clock).await {
            Ok(all) => {
                let same = |it: &&clusters::Cluster| {
                    it.name.eq_ignore_ascii_case(&name) && clusters::is_in(&self.plan.region, &it.location)
                };
                let others = all.iter().filter(same).filter(|it| it.stack().as_ref() != Some(stack));
                checks.extend(others.map(|it| self.namesake(&name, it)));
            }
            Err(err) => checks.push(unknown("name", "whether other clusters bear that name cannot be read", &err)),
        }
        if checks.is_empty() {
            checks.push(Check::of("name", CheckStatus::Ok, format!("cluster name `{name}` is free")));
        }
        checks
    }

    /// Another cluster of that name: Azure allows it in another group, people take one for the other.
    fn namesake(&self, name: &str, it: &clusters::Cluster) -> Check {
        let region = &self.plan.region;
        let group = ArmId(it.id.clone()).group_name().unwrap_or_default().to_owned();
        let (id, message, hint) = match it.stack() {
            Some(stack) => (
                "KW-NAME-TAKEN",
                format!("cluster `{name}` exists in {region}, of stack {stack}"),
                format!("take it over: kubewright recover {name}"),
            ),
            None => (
                "KW-NOT-OURS",
                format!("a cluster `{name}` exists in {region}, in resource group {group}, and is not kubewright's"),
                "choose another name".to_owned(),
            ),
        };
        failing(ErrorClass::Conflict, Check { hints: vec![hint], ..Check::of(id, CheckStatus::Fail, message) })
    }

    async fn version(&self) -> Option<Check> {
        let name = &self.spec.version;
        let offered = match resolve::offered(self.cx, self.clock).await {
            Ok(offered) => offered,
            Err(err) => return Some(unknown("version", "Kubernetes versions cannot be read", &err)),
        };
        let fail =
            |message: String| failing(ErrorClass::Permanent, Check::of("KW-AZURE-VERSION", CheckStatus::Fail, message));
        let Some(version) = offered.versions.iter().find(|it| it.name == *name) else {
            return Some(fail(format!("AKS does not offer Kubernetes {name} in {}", self.plan.region)));
        };
        let premium = self.spec.azure.as_ref().is_some_and(|azure| azure.tier == AksTier::Premium);
        if version.support != Support::Standard {
            return Some(match premium {
                true => Check::of("version", CheckStatus::Ok, format!("Kubernetes {name}, in long-term support")),
                false => fail(format!("Kubernetes {name} is out of community support")),
            });
        }
        let ends = version.ends_on().unwrap_or_else(|| "a day that Azure does not tell".to_owned());
        Some(match version.days_left(self.clock.now()) {
            Some(days) if days < MIN_DAYS => {
                let message = format!("support of Kubernetes {name} ends on {ends}, in {days} days");
                Check::of("version", CheckStatus::Warn, message)
            }
            _ => Check::of("version", CheckStatus::Ok, format!("Kubernetes {name}, supported until {ends}")),
        })
    }

    /// Sizes and zones once more, for a recorded plan may be old; and what is left of the limits.
    async fn sizes(&self) -> Vec<Check> {
        let pools = self.pools();
        let skus = match pools.is_empty() {
            true => Ok(Skus::new()),
            false => resolve::sizes(self.cx, self.clock).await,
        };
        let (skus, mut checks) = match skus {
            Ok(skus) => {
                let checks = self.offered(&pools, &skus);
                (Some(skus), checks)
            }
            Err(err) => (
                None,
                vec![unknown("sizes", "what VM sizes there are cannot be read, the embedded table stands in", &err)],
            ),
        };
        let machines = |pool: &&ResolvedPool| {
            let told = skus.as_ref().and_then(|skus| skus.get(&pool.instance_type));
            let known = || instances::from_catalogue(&pool.instance_type).map(|size| size.vcpus);
            Machines {
                family: told.and_then(|sku| sku.family.clone()),
                vcpus: told.map(|sku| sku.size.vcpus).or_else(known).unwrap_or_default(),
                nodes: pool.max,
                spot: pool.spot,
            }
        };
        let cluster = self.count(steps::cluster::KIND);
        let balanced = self.spec.azure.as_ref().is_some_and(|azure| azure.outbound == AksOutbound::LoadBalancer);
        let demand = Demand {
            machines: pools.iter().map(machines).collect(),
            // AKS's own balancer gets an address of its own, where nodes leave through it.
            addresses: self.count(steps::public_ip::KIND) + if balanced { cluster } else { 0.0 },
            networks: self.count(steps::virtual_network::KIND),
            gateways: self.count(steps::nat_gateway::KIND),
            balancers: if balanced { cluster } else { 0.0 },
        };
        checks.extend(quotas::checks(self.cx, self.clock, &demand).await);
        checks
    }

    fn offered(&self, pools: &[&ResolvedPool], skus: &Skus) -> Vec<Check> {
        let region = &self.plan.region;
        let fail =
            |message: String| failing(ErrorClass::Capacity, Check::of("KW-AZURE-SIZE", CheckStatus::Fail, message));
        let mut checks = Vec::new();
        for pool in pools {
            let name = &pool.instance_type;
            let Some(sku) = skus.get(name) else {
                checks.push(fail(format!("pool `{}`: {name} is not offered in {region}", pool.name)));
                continue;
            };
            if let Some(why) = &sku.barred {
                checks.push(fail(format!("pool `{}`: {name} cannot be used in {region}: {}", pool.name, why.why())));
            }
            let zones = &self.spec.network.zones;
            let lacking: Vec<&str> =
                zones.iter().filter(|zone| !sku.zones.contains(*zone)).map(String::as_str).collect();
            if !lacking.is_empty() && sku.barred.is_none() {
                let zones = lacking.join(", ");
                checks.push(fail(format!(
                    "pool `{}`: {name} is not offered to this subscription in zone {zones}",
                    pool.name
                )));
            }
        }
        if checks.is_empty() && !pools.is_empty() {
            let message = match self.spec.network.zones.join(", ") {
                none if none.is_empty() => format!("{region}, which has no zones"),
                zones => format!("zones {zones} of {region}"),
            };
            checks.push(Check::of("zones", CheckStatus::Ok, message));
        }
        checks
    }

    /// A network brought along, as it is now.
    async fn network(&self) -> Vec<Check> {
        let makes = self.makes(steps::cluster::KIND) || !self.pools().is_empty();
        let Some(existing) = self.spec.network.existing.as_ref().filter(|_| makes) else { return Vec::new() };
        let adopted = match patient(self.clock, || adopted::read(self.cx, existing)).await {
            Ok(adopted) => adopted,
            Err(err) => return vec![unknown("network", "the network brought along cannot be read", &err)],
        };
        let problems = adopted.problems();
        if problems.is_empty() {
            let nodes = self.spec.node_pools.iter().map(|pool| pool.max).fold(0, u32::saturating_add);
            let surge = self.spec.node_pools.iter().map(|pool| pool.max.div_ceil(10)).max().unwrap_or_default();
            return adopted.checks(nodes, surge);
        }
        problems
            .into_iter()
            .map(|it| failing(it.class, Check { hints: it.hints, ..Check::of(&it.id, CheckStatus::Fail, it.message) }))
            .collect()
    }

    /// What the caller may do, by its roles.
    async fn permissions(&self) -> Vec<Check> {
        let kinds = self.fresh.iter().map(|step| step.kind.as_str());
        // What can be done without is found out by doing it, but for what only a teardown would look at.
        let asked = |need: &Need| !need.optional || need.life == Life::DESTROY;
        let needs: Vec<Need> = permissions::needs(kinds, self.spec.network.existing.is_some(), Life::ALL)
            .into_iter()
            .filter(asked)
            .collect();
        match self.lacking(&needs).await {
            Ok(lacking) => lacking_checks(&lacking, &needs, &self.plan.stack.name),
            Err(err) => vec![unknown("permissions", "the caller's permissions cannot be read", &err)],
        }
    }

    /// The actions that no role of the caller allows where they are needed.
    async fn lacking(&self, needs: &[Need]) -> Result<BTreeSet<&'static str>, StepError> {
        let scopes: BTreeSet<On> = needs.iter().map(|need| need.on).collect();
        let mut lacking = BTreeSet::new();
        for on in scopes {
            let Some(scope) = self.scope(on)? else { continue };
            let at = ArmId(format!("{scope}/providers/Microsoft.Authorization/permissions"));
            let what = "the caller's permissions";
            let found: Vec<Permission> = patient(self.clock, || self.cx.list(PERMISSIONS, what, &at, &[])).await?;
            let allowed = Allowed(found);
            lacking.extend(needs.iter().filter(|it| it.on == on && !allowed.allows(it.action)).map(|it| it.action));
        }
        Ok(lacking)
    }

    fn scope(&self, on: On) -> Result<Option<ArmId>, StepError> {
        let azure = self.spec.azure.as_ref();
        Ok(match on {
            On::Subscription => Some(self.cx.subscription_id()?),
            On::Network => {
                let existing = self.spec.network.existing.as_ref();
                existing.and_then(|it| adopted::network_id(&it.vpc)?.group_id())
            }
            On::Identity => azure.and_then(|it| ArmId(it.identity.clone()?).group_id()),
        })
    }

    /// What is allowed and not wise, and whether another machine could rebuild the journal from the cloud.
    fn advice(&self) -> Vec<Check> {
        let mut checks = Vec::new();
        let Some(azure) = &self.spec.azure else { return checks };
        if azure.network == AksNetwork::Kubenet {
            let message = "kubenet retires on 31 March 2028: clusters must be moved to overlay networking before";
            let hints = vec!["azure.network: overlay".to_owned()];
            checks.push(Check { hints, ..Check::of("kubenet", CheckStatus::Warn, message) });
        }
        let nodes = self.spec.node_pools.iter().map(|pool| pool.max).fold(0, u32::saturating_add);
        if azure.tier == AksTier::Free && nodes > FREE_NODES {
            let message = format!(
                "{nodes} nodes on the free tier, whose API server has no guaranteed uptime: Microsoft advises it for up to {FREE_NODES}"
            );
            let hints = vec!["--set azure.tier=standard".to_owned()];
            checks.push(Check { hints, ..Check::of("tier", CheckStatus::Warn, message) });
        }
        if tags::spec_chunks(&self.spec).is_none() {
            let message =
                "the spec is too large to be stored in tags: `recover` will not work, keep this machine's journal";
            checks.push(Check::of("spec-stored", CheckStatus::Warn, message));
        }
        checks
    }
}

/// What the caller may not do, said as it matters.
fn lacking_checks(lacking: &BTreeSet<&'static str>, needs: &[Need], name: &ClusterName) -> Vec<Check> {
    let joined = |list: &[&str]| list.join(", ");
    let mut checks = Vec::new();
    // Changes that only a teardown makes. Who has none of them is meant to build and nothing else.
    let teardown: BTreeSet<&str> = needs.iter().filter(|it| it.life == Life::DESTROY).map(|it| it.action).collect();
    let changes: Vec<&&str> = teardown.iter().filter(|action| !action.ends_with("/read")).collect();
    let builds_only = !changes.is_empty() && changes.iter().all(|action| lacking.contains(**action));
    let optional = |action: &str| needs.iter().filter(|it| it.action == action).all(|it| it.optional);
    let (blind, stops): (Vec<&str>, Vec<&str>) = lacking
        .iter()
        .copied()
        .filter(|action| !(builds_only && teardown.contains(action)))
        .partition(|action| optional(action));
    if !stops.is_empty() {
        let message = format!("these credentials are not allowed: {}", joined(&stops));
        let hints = vec![
            "allow these actions, then run the same command again".to_owned(),
            format!("everything that this cluster needs: kubewright policy {name}"),
        ];
        checks.push(failing(ErrorClass::Auth, Check { hints, ..Check::of(error::DENIED, CheckStatus::Fail, message) }));
    }
    if !blind.is_empty() {
        let message = format!("what keeps a removal from going might stay unnamed without {}", joined(&blind));
        checks.push(Check::of("permissions", CheckStatus::Warn, message));
    }
    if builds_only {
        let message = "these credentials can build it and not take it down: others will have to";
        checks.push(Check::of("permissions", CheckStatus::Warn, message));
    }
    if checks.is_empty() {
        let count = needs.iter().map(|it| it.action).collect::<BTreeSet<_>>().len();
        checks.push(Check::of("permissions", CheckStatus::Ok, format!("{count} actions allowed by roles")));
    }
    checks
}
