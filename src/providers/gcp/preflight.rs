//! Everything that can be known before the first write: whose project, who pays, what is on and allowed, how much is
//! left, what is taken, what would not work.
//!
//! Reads only, all at once. What cannot be read is `unknown` and stops nothing.

use super::client::GcpCx;
use super::layout::pool_zones;
use super::permissions::{self, ACT_AS, Need};
use super::quotas::{self, Demand, Machines};
use super::versions::{self, MIN_DAYS, Support};
use super::zones::Stock;
use super::{adopted, clusters, error, instances, labels, names, offers, project, steps, wire, zones};
use crate::engine::{Clock, ErrorClass, Plan, PlannedStep, StepError};
use crate::model::spec::{Nat, ReleaseChannel, ResolvedGcp, ResolvedPool};
use crate::model::{ClusterName, ResolvedSpec};
use crate::providers::life::Life;
use crate::providers::patience::{patient, stops_everything};
use crate::providers::{Check, CheckStatus};
use std::collections::BTreeSet;

/// What every check starts from.
struct Ground<'a> {
    cx: &'a GcpCx,
    clock: &'a dyn Clock,
    plan: &'a Plan,
    spec: &'a ResolvedSpec,
    gcp: &'a ResolvedGcp,
    fresh: &'a [&'a PlannedStep],
}

/// Asks everything.
pub async fn preflight(cx: &GcpCx, clock: &dyn Clock, plan: &Plan, fresh: &[&PlannedStep]) -> Vec<Check> {
    let read = serde_json::from_value::<ResolvedSpec>(plan.spec.clone()).ok();
    let Some((spec, gcp)) = read.as_ref().and_then(|spec| Some((spec, spec.gcp.as_ref()?))) else {
        let message = "the plan's spec was written by another version and cannot be read";
        return vec![failing(ErrorClass::Permanent, Check::of("KW-PLAN", CheckStatus::Fail, message))];
    };
    let ground = Ground { cx, clock, plan, spec, gcp, fresh };
    let mut checks = ground.project().await;
    if checks.iter().any(|check| check.status == CheckStatus::Fail) {
        // Without the project every other answer is the same refusal once more.
        return checks;
    }
    let (billing, services, account, allowed) =
        futures::join!(ground.billing(), ground.services(), ground.node_account(), ground.permissions());
    let compute = services.is_on("compute.googleapis.com");
    checks.extend([billing, Some(services.check), account].into_iter().flatten());
    let (name, version) = futures::join!(ground.name(), ground.version());
    checks.extend([name, version].into_iter().flatten());
    if compute {
        let (zones, network, quotas) = futures::join!(ground.zones(), ground.network(), ground.quotas());
        checks.extend(zones);
        checks.extend(network);
        checks.extend(quotas);
    }
    checks.extend(allowed);
    checks.extend(ground.spread());
    checks.extend(ground.storable());
    checks
}

fn failing(class: ErrorClass, check: Check) -> Check {
    Check { class: Some(class), ..check }
}

/// A question that could not be answered, in one line.
fn unknown(id: &str, what: &str, err: &StepError) -> Check {
    // No connection and no credentials are not "unknown": everything else would fail as well.
    if stops_everything(err) {
        let check = Check { hints: err.hints.clone(), ..Check::of(&err.id, CheckStatus::Fail, err.message.clone()) };
        return failing(err.class, check);
    }
    Check::of(id, CheckStatus::Unknown, format!("{what}: {}", err.message))
}

/// Which services are off.
struct Services {
    off: Vec<String>,
    check: Check,
}

impl Services {
    fn is_on(&self, service: &str) -> bool {
        !self.off.iter().any(|off| off == service)
    }
}

impl Ground<'_> {
    fn makes(&self, kind: &str) -> bool {
        self.fresh.iter().any(|step| step.kind == kind)
    }

    fn count(&self, kind: &str) -> f64 {
        self.fresh.iter().filter(|step| step.kind == kind).count() as f64
    }

    /// The pools whose nodes are still to be made: the first comes with the cluster.
    fn pools(&self) -> impl Iterator<Item = &ResolvedPool> {
        let made = |name: &str| {
            self.fresh.iter().any(|step| match step.kind.as_str() {
                steps::cluster::KIND => step.params["pool"]["name"] == name,
                steps::node_pool::KIND => step.params["pool"]["name"] == name,
                _ => false,
            })
        };
        self.spec.node_pools.iter().filter(move |pool| made(&pool.name))
    }

    /// Whose project it is, that it lives, and how long the credentials last.
    async fn project(&self) -> Vec<Check> {
        let found = match patient(self.clock, || project::read(self.cx)).await {
            Ok(found) => found,
            Err(err) if err.class == ErrorClass::Auth => {
                let check = Check { hints: err.hints.clone(), ..Check::of(&err.id, CheckStatus::Fail, err.message) };
                return vec![failing(ErrorClass::Auth, check)];
            }
            Err(err) => return vec![unknown("identity", "the project cannot be read", &err)],
        };
        if found.project_id != self.plan.account {
            let (ours, theirs) = (&self.plan.account, &found.project_id);
            let message = format!("the plan is for project {ours}, this is project {theirs}");
            let hints = vec![format!("--project {ours}")];
            let check = Check { hints, ..Check::of("KW-ACCOUNT", CheckStatus::Fail, message) };
            return vec![failing(ErrorClass::Auth, check)];
        }
        let who = self.cx.tokens().principal().unwrap_or_else(|| self.cx.tokens().words());
        let message = format!("project {} ({}) as {who}", found.project_id, found.project_number);
        vec![Check::of("identity", CheckStatus::Ok, message)]
    }

    async fn billing(&self) -> Option<Check> {
        let project = &self.plan.account;
        match patient(self.clock, || project::is_paid_for(self.cx)).await {
            Ok(true) => Some(Check::of("billing", CheckStatus::Ok, format!("billing is on for {project}"))),
            Ok(false) => {
                let message = format!("project {project} has no billing account that pays: nothing can be built in it");
                let hints = vec![
                    format!("gcloud billing projects link {project} --billing-account ID"),
                    "gcloud billing accounts list shows the ids".to_owned(),
                ];
                let check = Check { hints, ..Check::of(error::BILLING, CheckStatus::Fail, message) };
                Some(failing(ErrorClass::Auth, check))
            }
            Err(err) => Some(unknown("billing", "whether billing is on cannot be read", &err)),
        }
    }

    /// Services are switched on by steps of the plan; here it is only said which.
    async fn services(&self) -> Services {
        let wanted: Vec<&str> = self
            .fresh
            .iter()
            .filter(|step| step.kind == steps::service::KIND)
            .filter_map(|step| step.params["service"].as_str())
            .collect();
        match patient(self.clock, || project::services_off(self.cx, &wanted)).await {
            Ok(off) if off.is_empty() => {
                Services { off, check: Check::of("services", CheckStatus::Ok, "all needed services are on") }
            }
            Ok(off) => {
                let message = format!("these services are off and will be switched on: {}", off.join(", "));
                Services { off, check: Check::of("services", CheckStatus::Warn, message) }
            }
            Err(err) => {
                let check = unknown("services", "which services are on cannot be read", &err);
                Services { off: Vec::new(), check }
            }
        }
    }

    /// The account that nodes are to act as, where it was brought along.
    async fn node_account(&self) -> Option<Check> {
        let mail = self.gcp.node_service_account.as_deref().filter(|_| self.makes(steps::cluster::KIND))?;
        let refused = |message: String, hint: String| {
            let check = Check { hints: vec![hint], ..Check::of(error::DENIED, CheckStatus::Fail, message) };
            Some(failing(ErrorClass::Auth, check))
        };
        match patient(self.clock, || project::account(self.cx, mail)).await {
            Ok(Some(account)) if account.disabled => {
                let hint = format!("gcloud iam service-accounts enable {mail}");
                return refused(format!("service account {mail} is disabled: nodes would never join"), hint);
            }
            Ok(Some(_)) => {}
            Ok(None) => {
                let message = format!("there is no service account {mail}");
                let hint = "gcloud iam service-accounts list; or leave out gcp.nodeServiceAccount".to_owned();
                return refused(message, hint);
            }
            Err(err) => return Some(unknown("node-account", "the nodes' service account cannot be read", &err)),
        }
        let acting = BTreeSet::from([ACT_AS]);
        match patient(self.clock, || project::lacking_on(self.cx, mail, &acting)).await {
            Ok(lacking) if lacking.is_empty() => {
                Some(Check::of("node-account", CheckStatus::Ok, format!("nodes act as {mail}")))
            }
            Ok(_) => {
                let hint = format!(
                    "gcloud iam service-accounts add-iam-policy-binding {mail} --member MEMBER --role roles/iam.serviceAccountUser"
                );
                refused(format!("these credentials may not act as {mail} ({ACT_AS})"), hint)
            }
            Err(err) => Some(unknown("node-account", "whether nodes may act as it cannot be read", &err)),
        }
    }

    /// Whether the cluster's name is free, or ours.
    async fn name(&self) -> Option<Check> {
        if !self.makes(steps::cluster::KIND) {
            return None;
        }
        let name = names::cluster(&self.plan.stack);
        let found = match clusters::none_if_off(patient(self.clock, || clusters::all(self.cx)).await) {
            Ok(found) => found,
            Err(err) => return Some(unknown("name", "whether the name is free cannot be read", &err)),
        };
        let Some(found) = found.into_iter().find(|it| it.name == name && it.location == self.gcp.location) else {
            return Some(Check::of("name", CheckStatus::Ok, format!("cluster name `{name}` is free")));
        };
        let place = &found.location;
        match clusters::stack_of(&found) {
            Some(stack) if stack == self.plan.stack => {
                Some(Check::of("name", CheckStatus::Ok, format!("cluster `{name}` is of this stack")))
            }
            Some(stack) => {
                let message = format!("cluster `{name}` exists in {place}, of stack {stack}");
                let hints =
                    vec![format!("take it over: kubewright recover {name}"), "or choose another name".to_owned()];
                let check = Check { hints, ..Check::of("KW-NAME-TAKEN", CheckStatus::Fail, message) };
                Some(failing(ErrorClass::Conflict, check))
            }
            None => {
                let message = format!("a cluster `{name}` exists in {place} and is not kubewright's");
                let hints = vec!["choose another name".to_owned()];
                let check = Check { hints, ..Check::of("KW-NOT-OURS", CheckStatus::Fail, message) };
                Some(failing(ErrorClass::Conflict, check))
            }
        }
    }

    async fn version(&self) -> Option<Check> {
        if !self.makes(steps::cluster::KIND) {
            return None;
        }
        let (name, channel) = (&self.spec.version, self.gcp.release_channel);
        let config = match patient(self.clock, || offers::server_config(self.cx, &self.gcp.location)).await {
            Ok(config) => config,
            // It will be on when the cluster is made; until then nobody can tell.
            Err(err) if err.id == error::API_OFF => return None,
            Err(err) => return Some(unknown("version", "GKE's versions cannot be read", &err)),
        };
        let now = self.clock.now();
        let offered = versions::offered(&config, channel, now);
        let Some(version) = offered.versions.iter().find(|it| it.name == *name) else {
            let place = channel.as_str();
            let message = format!("GKE does not offer Kubernetes {name} on channel {place} in {}", self.gcp.location);
            return Some(failing(ErrorClass::Permanent, Check::of("KW-GCP-VERSION", CheckStatus::Fail, message)));
        };
        let ends = version.ends_on().unwrap_or_else(|| "a day that is not known yet".to_owned());
        if version.support != Support::Standard && channel != ReleaseChannel::Extended {
            let message = format!("standard support of Kubernetes {name} ended on {ends}");
            return Some(failing(ErrorClass::Permanent, Check::of("KW-GCP-VERSION", CheckStatus::Fail, message)));
        }
        match version.days_left(now) {
            Some(days) if days < MIN_DAYS && channel != ReleaseChannel::Extended => {
                let message = format!(
                    "standard support of Kubernetes {name} ends on {ends}, in {days} days; GKE then upgrades the cluster by itself"
                );
                Some(Check::of("version", CheckStatus::Warn, message))
            }
            _ => {
                let message = format!("Kubernetes {name}, standard support until {ends}");
                Some(Check::of("version", CheckStatus::Ok, message))
            }
        }
    }

    /// Zones, machines and accelerators once more: a recorded plan may be old.
    async fn zones(&self) -> Option<Check> {
        let wanted = &self.spec.network.zones;
        if !self.makes(steps::cluster::KIND) && !self.makes(steps::node_pool::KIND) {
            return None;
        }
        let all = match patient(self.clock, || zones::all(self.cx)).await {
            Ok(all) => all,
            Err(err) => return Some(unknown("zones", "zones cannot be read", &err)),
        };
        let fits = |name: &String| all.iter().any(|zone| zone.name == *name && zone.unfit.is_none());
        if let Some(bad) = wanted.iter().find(|name| !fits(name)) {
            let message = format!("no node can stand in zone {bad}");
            return Some(failing(ErrorClass::Permanent, Check::of("KW-GCP-ZONE", CheckStatus::Fail, message)));
        }
        let stock = match patient(self.clock, || zones::stock(self.cx, wanted)).await {
            Ok(stock) => stock,
            Err(err) => return Some(unknown("zones", "what machines the zones have cannot be read", &err)),
        };
        let lacking: Vec<String> = self.pools().flat_map(|pool| self.lacking(pool, &stock)).collect();
        if lacking.is_empty() {
            return Some(Check::of("zones", CheckStatus::Ok, format!("zones {}", wanted.join(", "))));
        }
        let hints = vec!["another machine type (--node-type) or other zones (--zones)".to_owned()];
        let check = Check { hints, ..Check::of("KW-GCP-TYPE", CheckStatus::Fail, lacking.join("; ")) };
        Some(failing(ErrorClass::Permanent, check))
    }

    /// What a pool's zones do not have of what it needs.
    fn lacking(&self, pool: &ResolvedPool, stock: &Stock) -> Vec<String> {
        let none = BTreeSet::new();
        let machine = &pool.instance_type;
        let gpu = pool.gpu.as_ref().filter(|_| instances::takes_gpus(machine));
        let kind = gpu.and_then(|(gpu, _)| instances::accelerator_type(gpu));
        let places = pool_zones(&self.spec.network.zones, pool.count, pool.scales());
        let mut lacking = Vec::new();
        for (what, has) in [(Some(machine.as_str()), &stock.in_zones), (kind, &stock.accelerators)] {
            let Some(what) = what else { continue };
            let has = has.get(what).unwrap_or(&none);
            let without: Vec<&str> = places.iter().filter(|zone| !has.contains(*zone)).map(String::as_str).collect();
            if !without.is_empty() {
                lacking.push(format!("pool `{}`: {what} is not offered in {}", pool.name, without.join(", ")));
            }
        }
        lacking
    }

    /// A network brought along, as it is now, and whether its range for Services is free.
    async fn network(&self) -> Vec<Check> {
        let builds = self.makes(steps::cluster::KIND) || self.makes(steps::node_pool::KIND);
        let Some(existing) = self.spec.network.existing.as_ref().filter(|_| builds) else { return Vec::new() };
        let network = patient(self.clock, || adopted::read(self.cx, existing));
        let others = patient(self.clock, || clusters::all(self.cx));
        let (network, others) = futures::join!(network, others);
        let network = match network {
            Ok(network) => network,
            Err(err) => return vec![unknown("network", "the network brought along cannot be read", &err)],
        };
        let problems = network.problems();
        if !problems.is_empty() {
            let fail = |it: StepError| {
                let check = Check { hints: it.hints.clone(), ..Check::of(&it.id, CheckStatus::Fail, it.message) };
                failing(it.class, check)
            };
            return problems.into_iter().map(fail).collect();
        }
        let mut checks = network.checks(self.spec.node_pools.iter().map(|pool| pool.max).sum());
        let neighbour = others.ok().and_then(|all| {
            let own = |it: &wire::Cluster| clusters::stack_of(it).as_ref() == Some(&self.plan.stack);
            let policy = |it: &wire::Cluster| it.ip_allocation_policy.services_secondary_range_name.clone();
            let same = |it: &wire::Cluster| {
                network.is_subnet(&it.network_config.subnetwork, &it.subnetwork)
                    && Some(policy(it)) == existing.service_range
            };
            all.into_iter().find(|it| !own(it) && same(it)).map(|it| it.name)
        });
        if let (Some(other), Some(range)) = (neighbour, &existing.service_range) {
            let message = format!("range {range} holds the Services of cluster {other}: two clusters cannot share it");
            let hints = vec![
                "add another secondary range to the subnet and name it as network.existing.serviceRange".to_owned(),
            ];
            checks.push(failing(
                ErrorClass::Permanent,
                Check { hints, ..Check::of("KW-NET", CheckStatus::Fail, message) },
            ));
        }
        checks
    }

    async fn quotas(&self) -> Vec<Check> {
        let nat = self.spec.network.nat;
        let pools = self.pools().map(|pool| {
            let zones = pool_zones(&self.spec.network.zones, pool.count, pool.scales()).len();
            Machines {
                vcpus: instances::from_catalogue(&pool.instance_type).map_or(0, |it| it.vcpus),
                machine: pool.instance_type.clone(),
                gpu: pool.gpu.clone(),
                spot: pool.spot,
                nodes: pool.max,
                zones: u32::try_from(zones).unwrap_or(1),
                disk_gib: pool.disk_gib,
                public: nat == Nat::None && self.spec.network.existing.is_none(),
            }
        });
        let demand = Demand {
            networks: self.count(steps::network::KIND),
            subnetworks: self.count(steps::subnetwork::KIND),
            routers: self.count(steps::router::KIND),
            nat_addresses: self.count(steps::router::KIND),
            pools: pools.collect(),
        };
        quotas::checks(self.cx, self.clock, &demand).await
    }

    /// What the caller may do, asked of the project: free, and exact but for conditions on what is not there yet.
    async fn permissions(&self) -> Vec<Check> {
        let kinds = self.fresh.iter().map(|step| step.kind.as_str());
        let own = self.gcp.node_service_account.is_some();
        // What can be done without is found out by doing it.
        let asked = |need: &Need| !need.optional;
        let needs: Vec<Need> = permissions::needs(kinds, Life::ALL)
            .into_iter()
            .filter(asked)
            .filter(|need| !(own && need.permission == ACT_AS))
            .collect();
        let names = permissions::names(&needs);
        match patient(self.clock, || project::lacking(self.cx, &names)).await {
            Ok(lacking) => judged(&lacking, &needs, &self.plan.stack.name),
            Err(err) => vec![unknown("permissions", "permissions cannot be tested", &err)],
        }
    }

    /// Pools that stand in fewer zones than the cluster: GKE counts nodes by zone.
    fn spread(&self) -> Vec<Check> {
        let zones = &self.spec.network.zones;
        let fewer = self.pools().filter_map(|pool| {
            let places = pool_zones(zones, pool.count, pool.scales());
            let message = format!(
                "pool `{}`: {} nodes cannot be shared out evenly over {} zones, so all stand in {}; a multiple of {} would spread",
                pool.name,
                pool.count,
                zones.len(),
                places.join(", "),
                zones.len()
            );
            (places.len() < zones.len()).then(|| Check::of("spread", CheckStatus::Warn, message))
        });
        fewer.collect()
    }

    /// Whether another machine could rebuild the journal from the cloud.
    fn storable(&self) -> Option<Check> {
        if labels::fits(self.spec) {
            return None;
        }
        let message =
            "the spec is too large to be stored in descriptions: `recover` will not work, keep this machine's journal";
        Some(Check::of("spec-stored", CheckStatus::Warn, message))
    }
}

fn judged(lacking: &BTreeSet<String>, needs: &[Need], name: &ClusterName) -> Vec<Check> {
    let joined = |list: &[&str]| list.join(", ");
    // Changes that only a teardown makes. Who has none of them is meant to build and nothing else.
    let teardown: BTreeSet<&str> =
        needs.iter().filter(|need| need.life == Life::DESTROY).map(|need| need.permission).collect();
    let elsewhere: BTreeSet<&str> =
        needs.iter().filter(|need| need.life != Life::DESTROY).map(|need| need.permission).collect();
    let changes = |it: &&&str| it.ends_with(".delete") && !elsewhere.contains(**it);
    let removals: Vec<&str> = teardown.iter().filter(changes).copied().collect();
    let builds_only = !removals.is_empty() && removals.iter().all(|it| lacking.contains(*it));
    let only_teardown = |it: &str| teardown.contains(it) && !elsewhere.contains(it);
    let stops: Vec<&str> =
        lacking.iter().map(String::as_str).filter(|it| !(builds_only && only_teardown(it))).collect();
    let mut checks = Vec::new();
    if !stops.is_empty() {
        let message = format!("these credentials are not allowed: {}", joined(&stops));
        let hints = vec![
            "allow these permissions, then run the same command again".to_owned(),
            format!("everything that this cluster needs: kubewright policy {name}"),
        ];
        checks.push(failing(ErrorClass::Auth, Check { hints, ..Check::of(error::DENIED, CheckStatus::Fail, message) }));
    }
    if builds_only {
        let message = "these credentials can build it and not take it down: others will have to";
        checks.push(Check::of("permissions", CheckStatus::Warn, message));
    }
    if checks.is_empty() {
        let message = format!("{} permissions are there", permissions::names(needs).len());
        checks.push(Check::of("permissions", CheckStatus::Ok, message));
    }
    checks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lacking(lacking: &[&str]) -> Vec<Check> {
        let kinds = [steps::network::KIND, steps::cluster::KIND];
        let needs: Vec<Need> = permissions::needs(kinds.into_iter(), Life::ALL).into_iter().collect();
        let set = lacking.iter().map(|it| (*it).to_owned()).collect();
        judged(&set, &needs, &"demo".parse().unwrap())
    }

    fn states(checks: &[Check]) -> Vec<CheckStatus> {
        checks.iter().map(|it| it.status).collect()
    }

    #[test]
    fn what_is_lacking_stops_and_is_named() {
        let stopped = lacking(&["container.clusters.create"]);
        assert_eq!(states(&stopped), [CheckStatus::Fail]);
        assert!(stopped[0].message.contains("container.clusters.create") && stopped[0].class == Some(ErrorClass::Auth));
        assert!(stopped[0].hints[1].contains("kubewright policy demo"), "{:?}", stopped[0].hints);
        assert_eq!(states(&lacking(&[])), [CheckStatus::Ok]);
    }

    #[test]
    fn who_can_only_build_is_warned_and_who_lacks_a_piece_is_stopped() {
        let needs = permissions::needs([steps::network::KIND, steps::cluster::KIND].into_iter(), Life::ALL);
        let build = permissions::names(needs.iter().filter(|it| it.life.meets(Life::BUILD)));
        let teardown = permissions::names(needs.iter().filter(|it| it.life == Life::DESTROY));
        let all: Vec<&str> = teardown.difference(&build).copied().collect();
        assert_eq!(states(&lacking(&all)), [CheckStatus::Warn], "{:?}", lacking(&all));
        assert_eq!(states(&lacking(&["compute.disks.delete"])), [CheckStatus::Fail]);
        let mut more = all;
        more.push("compute.networks.create");
        let both = lacking(&more);
        assert_eq!(states(&both), [CheckStatus::Fail, CheckStatus::Warn]);
        assert!(!both[0].message.contains("networks.delete"), "{both:?}");
    }

    #[test]
    fn what_cannot_be_read_is_unknown_but_no_connection_is_a_failure() {
        let denied = StepError::new(ErrorClass::Auth, error::DENIED, "no");
        assert_eq!(unknown("x", "y", &denied).status, CheckStatus::Unknown);
        let gone = StepError::new(ErrorClass::Transient, crate::providers::patience::UNREACHABLE, "no");
        assert_eq!(unknown("x", "y", &gone).status, CheckStatus::Fail);
    }
}
