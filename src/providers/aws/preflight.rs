//! Everything that can be known before the first write: who, how much is left, what is taken, what would not work.
//!
//! Reads only, all at once. What cannot be read is `unknown` and stops nothing.

use super::client::{AwsCx, Principal};
use super::grants::{self, Names};
use super::layout::letter;
use super::permissions::{self, Life, Need, On};
use super::plan::cluster_name;
use super::quotas::{self, Demand};
use super::versions::{self, MIN_DAYS, Support};
use super::{adopted, clusters, error, instances, steps, tags, zones};
use crate::engine::{Clock, ErrorClass, Identity, Plan, PlannedStep, StepError};
use crate::model::{ClusterName, ResolvedSpec};
use crate::providers::patience::{patient, stops_everything};
use crate::providers::{Check, CheckStatus};
use aws_sdk_iam::types::{ContextEntry, ContextKeyTypeEnum, PolicyEvaluationDecisionType};
use futures::stream::{self, StreamExt, TryStreamExt};
use std::collections::{BTreeMap, BTreeSet};

/// Simulations under way at once: IAM allows a few a second.
const AT_ONCE: usize = 4;

/// What every check starts from.
struct Ground<'a> {
    cx: &'a AwsCx,
    clock: &'a dyn Clock,
    plan: &'a Plan,
    spec: ResolvedSpec,
    fresh: &'a [&'a PlannedStep],
}

/// Asks everything.
pub async fn preflight(cx: &AwsCx, clock: &dyn Clock, plan: &Plan, fresh: &[&PlannedStep]) -> Vec<Check> {
    let Ok(spec) = serde_json::from_value::<ResolvedSpec>(plan.spec.clone()) else {
        let message = "the plan's spec was written by another version and cannot be read";
        return vec![failing(ErrorClass::Permanent, Check::of("KW-PLAN", CheckStatus::Fail, message))];
    };
    let ground = Ground { cx, clock, plan, spec, fresh };
    let (identity, name, roles, version, zones, network, addons, quotas, allowed) = futures::join!(
        ground.identity(),
        ground.name(),
        ground.roles(),
        ground.version(),
        ground.zones(),
        ground.network(),
        ground.addons(),
        ground.quotas(),
        ground.permissions(),
    );
    let mut checks = identity;
    checks.extend([name, roles, version, zones].into_iter().flatten());
    checks.extend(network);
    checks.extend(addons);
    checks.extend(quotas);
    checks.extend(allowed);
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
        return failing(
            err.class,
            Check { hints: err.hints.clone(), ..Check::of(&err.id, CheckStatus::Fail, err.message.clone()) },
        );
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

    /// Account, and how long the credentials last.
    async fn identity(&self) -> Vec<Check> {
        let read = || async {
            self.cx
                .sts
                .get_caller_identity()
                .send()
                .await
                .map_err(|err| error::fail("sts:GetCallerIdentity", "who we are", err))
        };
        let who = match patient(self.clock, read).await {
            Ok(who) => who,
            Err(err) => return vec![unknown("identity", "who we are cannot be read", &err)],
        };
        let account = who.account().unwrap_or_default();
        if account != self.plan.account {
            let message = format!("the plan is for account {}, these credentials are of {account}", self.plan.account);
            return vec![failing(ErrorClass::Auth, Check::of("KW-ACCOUNT", CheckStatus::Fail, message))];
        }
        let mut checks = vec![Check::of(
            "identity",
            CheckStatus::Ok,
            format!("account {account} as {}", who.arn().unwrap_or_default()),
        )];
        checks.extend(self.expiry().await);
        checks
    }

    async fn expiry(&self) -> Option<Check> {
        let end = self.cx.credentials().await.ok()?.expiry()?;
        let left = end.duration_since(self.cx.wall_time()).unwrap_or_default();
        let needed = self.plan.eta().p90;
        if left >= needed {
            return None;
        }
        let message = format!(
            "the credentials last {} more minutes, the build may take {}",
            left.as_secs() / 60,
            needed.as_secs().div_ceil(60)
        );
        let hint = "sign in anew first; a build that stops half-way is continued by the same command".to_owned();
        Some(Check { hints: vec![hint], ..Check::of(error::EXPIRED, CheckStatus::Warn, message) })
    }

    /// Whether the cluster's name is free, or ours.
    async fn name(&self) -> Option<Check> {
        if !self.makes(steps::cluster::KIND) {
            return None;
        }
        let name = cluster_name(&self.plan.stack);
        let found = match patient(self.clock, || clusters::describe(self.cx, &name)).await {
            Ok(found) => found,
            Err(err) => return Some(unknown("name", "whether the name is free cannot be read", &err)),
        };
        let Some(found) = found else {
            return Some(Check::of("name", CheckStatus::Ok, format!("cluster name `{name}` is free")));
        };
        match tags::stack_of(&tags::from_map(found.tags())) {
            Some(stack) if stack == self.plan.stack => {
                Some(Check::of("name", CheckStatus::Ok, format!("cluster `{name}` is of this stack")))
            }
            Some(stack) => {
                let message = format!("cluster `{name}` exists in {}, of stack {stack}", self.plan.region);
                let hints =
                    vec![format!("take it over: kubewright recover {name}"), "or choose another name".to_owned()];
                Some(failing(
                    ErrorClass::Conflict,
                    Check { hints, ..Check::of("KW-NAME-TAKEN", CheckStatus::Fail, message) },
                ))
            }
            None => {
                let message = format!("a cluster `{name}` exists in {} and is not kubewright's", self.plan.region);
                let hints = vec!["choose another name".to_owned()];
                Some(failing(
                    ErrorClass::Conflict,
                    Check { hints, ..Check::of("KW-NOT-OURS", CheckStatus::Fail, message) },
                ))
            }
        }
    }

    /// Whether the roles' names are free, or ours.
    async fn roles(&self) -> Option<Check> {
        let names = self.fresh.iter().filter(|step| step.kind == steps::iam_role::KIND).filter_map(|step| match &step
            .identity
        {
            Identity::Name { name } => Some(name.as_str()),
            _ => None,
        });
        let reads =
            names.map(|name| async move { (name, patient(self.clock, || steps::iam_role::get(self.cx, name)).await) });
        for (name, found) in futures::future::join_all(reads).await {
            match found {
                Ok(Some((seen, _))) if tags::stack_of(&seen.evidence.tags).as_ref() != Some(&self.plan.stack) => {
                    let message = format!("an IAM role `{name}` exists and is not of this stack");
                    return Some(failing(ErrorClass::Conflict, Check::of("KW-NOT-OURS", CheckStatus::Fail, message)));
                }
                Ok(_) => {}
                Err(err) => return Some(unknown("roles", "whether the roles' names are free cannot be read", &err)),
            }
        }
        None
    }

    async fn version(&self) -> Option<Check> {
        let name = &self.spec.version;
        let all = match patient(self.clock, || versions::all(self.cx)).await {
            Ok(all) => all,
            Err(err) => return Some(unknown("version", "support dates cannot be read", &err)),
        };
        let Some(version) = all.iter().find(|it| it.name == *name) else {
            let message = format!("EKS does not offer Kubernetes {name}");
            return Some(failing(ErrorClass::Permanent, Check::of("KW-AWS-VERSION", CheckStatus::Fail, message)));
        };
        let ends = version.ends_on().unwrap_or_else(|| "an unknown day".to_owned());
        if version.support != Support::Standard {
            let message = format!("standard support of Kubernetes {name} ended on {ends}");
            return Some(failing(ErrorClass::Permanent, Check::of("KW-AWS-VERSION", CheckStatus::Fail, message)));
        }
        match version.days_left(self.clock.now()) {
            Some(days) if days < MIN_DAYS => {
                let message = format!(
                    "standard support of Kubernetes {name} ends on {ends}, in {days} days; EKS then upgrades the cluster by itself"
                );
                Some(Check::of("version", CheckStatus::Warn, message))
            }
            _ => {
                Some(Check::of("version", CheckStatus::Ok, format!("Kubernetes {name}, standard support until {ends}")))
            }
        }
    }

    /// Zones and offerings once more: a recorded plan may be old.
    async fn zones(&self) -> Option<Check> {
        let types: BTreeSet<String> = self.pools().flat_map(|(_, names, _)| names).collect();
        if self.spec.network.existing.is_some() || (types.is_empty() && !self.makes(steps::subnet::KIND)) {
            return None;
        }
        let all = match patient(self.clock, || zones::all(self.cx)).await {
            Ok(all) => all,
            Err(err) => return Some(unknown("zones", "zones cannot be read", &err)),
        };
        let wanted = &self.spec.network.zones;
        if let Some(bad) =
            wanted.iter().find(|name| !all.iter().any(|zone| zone.name == **name && zone.unfit.is_none()))
        {
            let message = format!("no cluster can stand in zone {bad}");
            return Some(failing(ErrorClass::Permanent, Check::of("KW-AWS-ZONE", CheckStatus::Fail, message)));
        }
        if !types.is_empty() {
            let offers = match patient(self.clock, || instances::offerings(self.cx, &types)).await {
                Ok(offers) => offers,
                Err(err) => return Some(unknown("zones", "where instance types are offered cannot be read", &err)),
            };
            for name in &types {
                if let Some(zone) =
                    wanted.iter().find(|zone| !offers.get(name).is_some_and(|zones| zones.contains(*zone)))
                {
                    let message = format!("{name} is not offered in {zone}");
                    return Some(failing(ErrorClass::Permanent, Check::of("KW-AWS-TYPE", CheckStatus::Fail, message)));
                }
            }
        }
        Some(Check::of("zones", CheckStatus::Ok, format!("zones {}", wanted.join(", "))))
    }

    /// A network brought along, as it is now.
    async fn network(&self) -> Vec<Check> {
        let Some(existing) = self
            .spec
            .network
            .existing
            .as_ref()
            .filter(|_| self.makes(steps::cluster::KIND) || self.makes(steps::node_group::KIND))
        else {
            return Vec::new();
        };
        let adopted = match patient(self.clock, || adopted::read(self.cx, existing)).await {
            Ok(adopted) => adopted,
            Err(err) => return vec![unknown("network", "the network brought along cannot be read", &err)],
        };
        let problems = adopted.problems();
        if problems.is_empty() {
            return adopted.checks(self.spec.node_pools.iter().map(|pool| pool.max).sum());
        }
        problems.into_iter().map(|it| failing(it.class, Check::of(&it.id, CheckStatus::Fail, it.message))).collect()
    }

    /// Whether the add-ons exist for this version.
    async fn addons(&self) -> Vec<Check> {
        let names: Vec<&str> = self
            .fresh
            .iter()
            .filter(|step| step.kind == steps::addon::KIND)
            .filter_map(|step| step.params["name"].as_str())
            .collect();
        let ask = |name: &str| {
            let call = self
                .cx
                .eks
                .describe_addon_versions()
                .addon_name(name)
                .kubernetes_version(&self.spec.version)
                .max_results(1);
            async move { call.send().await.map_err(|err| error::fail("eks:DescribeAddonVersions", "add-on versions", err)) }
        };
        let answers = futures::future::join_all(names.iter().map(|name| patient(self.clock, move || ask(name)))).await;
        let mut checks = Vec::new();
        for (name, answer) in names.iter().zip(answers) {
            match answer {
                Ok(answer) if answer.addons().is_empty() => {
                    let message = format!("there is no add-on {name} for Kubernetes {}", self.spec.version);
                    checks.push(failing(ErrorClass::Permanent, Check::of("KW-SPEC", CheckStatus::Fail, message)));
                }
                Ok(_) => {}
                Err(err)
                    if err.code.as_deref() == Some("ResourceNotFoundException")
                        || err.code.as_deref() == Some("InvalidParameterException") =>
                {
                    let message = format!("there is no add-on {name} for Kubernetes {}", self.spec.version);
                    checks.push(failing(ErrorClass::Permanent, Check::of("KW-SPEC", CheckStatus::Fail, message)));
                }
                Err(err) => return vec![unknown("addons", "add-on versions cannot be read", &err)],
            }
        }
        checks
    }

    /// Node groups still to be made: pool name, types, most nodes.
    fn pools(&self) -> impl Iterator<Item = (&str, Vec<String>, u32)> {
        self.fresh.iter().filter(|step| step.kind == steps::node_group::KIND).filter_map(|step| {
            let pool = step.id.as_str().rsplit('/').next().unwrap_or_default();
            let names = step.params["instanceTypes"].as_array()?.iter().filter_map(|name| name.as_str());
            Some((pool, names.map(str::to_owned).collect(), u32::try_from(step.params["max"].as_u64()?).ok()?))
        })
    }

    /// Where the NAT gateways still to be made go: gateway `a` stands in the first zone.
    fn nat_zones(&self) -> Vec<String> {
        let gateways = self.fresh.iter().filter(|step| step.kind == steps::nat_gateway::KIND);
        let at = |step: &&PlannedStep| {
            let last = step.id.as_str().rsplit('/').next()?;
            (0..self.spec.network.zones.len()).find(|at| last == letter(*at).to_string())
        };
        gateways.filter_map(|step| self.spec.network.zones.get(at(step)?).cloned()).collect()
    }

    async fn quotas(&self) -> Vec<Check> {
        let mut demand = Demand {
            vpcs: self.count(steps::vpc::KIND),
            gateways: self.count(steps::internet_gateway::KIND),
            addresses: self.count(steps::elastic_ip::KIND),
            // Each of ours stands in a zone of its own.
            nat_per_zone: self.count(steps::nat_gateway::KIND).min(1.0),
            nat_zones: self.nat_zones(),
            clusters: self.count(steps::cluster::KIND),
            node_groups: self.count(steps::node_group::KIND),
            roles: self.count(steps::iam_role::KIND),
            ..Demand::default()
        };
        let types: BTreeSet<String> = self.pools().flat_map(|(_, names, _)| names).collect();
        let mut checks = Vec::new();
        let read = async || match types.is_empty() {
            true => Ok(Vec::new()),
            false => patient(self.clock, || instances::describe(self.cx, &types)).await,
        };
        let told = match read().await {
            Ok(told) => told,
            Err(err) => {
                let what = "what the machine types have cannot be read, the embedded table stands in";
                checks.push(unknown("machine-types", what, &err));
                Vec::new()
            }
        };
        for (pool, names, nodes) in self.pools() {
            let known = |name: &String| told.iter().find(|it| it.name == *name).cloned();
            let kind = |name: &String| known(name).or_else(|| instances::from_catalogue(name));
            let spot = self.spec.node_pools.iter().any(|it| it.name == pool && it.spot);
            // Types that stand for each other are of one size.
            let vcpus = names.iter().filter_map(kind).map(|kind| kind.vcpus).max().unwrap_or_default();
            let Some(first) = names.first() else { continue };
            demand.machines(first, spot, nodes, vcpus);
        }
        checks.extend(quotas::checks(self.cx, self.clock, &demand).await);
        checks
    }

    /// What the caller may do, by simulation. IAM does not tell everybody.
    async fn permissions(&self) -> Vec<Check> {
        let kinds = self.fresh.iter().map(|step| step.kind.as_str());
        // What can be done without is found out by doing it, but for what only a teardown would look at.
        let asked = |need: &Need| !need.optional || need.life == Life::DESTROY;
        let needs: Vec<Need> = permissions::needs(kinds, Life::ALL).into_iter().filter(asked).collect();
        match self.simulate(&needs).await {
            Ok(None) => Vec::new(),
            Ok(Some(lacking)) => lacking.checks(&needs, &self.plan.stack.name),
            Err(err) => vec![unknown("permissions", "permissions cannot be simulated", &err)],
        }
    }

    /// What is denied. None for callers that cannot be simulated.
    async fn simulate(&self, needs: &[Need]) -> Result<Option<Lacking>, StepError> {
        let failed = |err| error::fail("iam:SimulatePrincipalPolicy", "permissions", err);
        let who = patient(self.clock, || async {
            let call = self.cx.sts.get_caller_identity().send().await;
            call.map_err(|err| error::fail("sts:GetCallerIdentity", "who we are", err))
        });
        let who = who.await?;
        let source = match Principal::of(who.arn().unwrap_or_default()) {
            Principal::User(arn) => arn,
            Principal::Session { role } => match patient(self.clock, || steps::iam_role::get(self.cx, &role)).await? {
                Some((_, role)) => role.arn().to_owned(),
                None => return Ok(None),
            },
            Principal::Other => return Ok(None),
        };
        let names = Names::of(self.plan, &self.spec);
        let context = context(&names);
        // One question for each set of things: a policy may name them apart.
        let mut questions: BTreeMap<(Vec<String>, bool), Vec<String>> = BTreeMap::new();
        for need in needs {
            let things = grants::samples(need, &names);
            if !things.is_empty() {
                let asked = questions.entry((things, is_certain(need.on))).or_default();
                if !asked.iter().any(|action| action == need.action) {
                    asked.push(need.action.to_owned());
                }
            }
        }
        let (source, context) = (&source, &context);
        // Each is repeated by itself: dozens of them would hardly ever all succeed at once on a bad line.
        let ask = |((things, certain), actions): ((Vec<String>, bool), Vec<String>)| async move {
            let once = || async {
                let call = self.cx.iam.simulate_principal_policy().policy_source_arn(source);
                let call = call.set_resource_arns(Some(things.clone())).set_context_entries(Some(context.clone()));
                let call = call.set_action_names(Some(actions.clone()));
                call.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await.map_err(failed)
            };
            Ok::<_, StepError>((certain, patient(self.clock, once).await?))
        };
        let answers: Vec<_> = stream::iter(questions).map(ask).buffered(AT_ONCE).try_collect().await?;
        let mut lacking = Lacking::default();
        for (certain, results) in answers {
            for result in results {
                if *result.eval_decision() == PolicyEvaluationDecisionType::Allowed {
                    continue;
                }
                let sure = certain && result.missing_context_values().is_empty();
                let list = if sure { &mut lacking.denied } else { &mut lacking.doubtful };
                list.insert(result.eval_action_name().to_owned());
            }
        }
        Ok(Some(lacking))
    }

    /// Whether another machine could rebuild the journal from the cloud.
    fn storable(&self) -> Option<Check> {
        if tags::spec_chunks(&self.spec).is_some() {
            return None;
        }
        let message =
            "the spec is too large to be stored in tags: `recover` will not work, keep this machine's journal";
        Some(Check::of("spec-stored", CheckStatus::Warn, message))
    }
}

/// What is known of a request, for a simulation.
fn context(names: &Names) -> Vec<ContextEntry> {
    let entry = |(key, value)| {
        ContextEntry::builder()
            .context_key_name(key)
            .context_key_values(value)
            .context_key_type(ContextKeyTypeEnum::String)
            .build()
    };
    grants::context(names).into_iter().map(entry).collect()
}

/// Things that the plan makes cannot be named in a policy before they are there, and the tags they will carry are known.
/// What the cluster will make by itself a policy may tell by marks that nobody knows here.
const fn is_certain(on: On) -> bool {
    !matches!(on, On::Ec2Caused(_) | On::Ec2GuardDuty(_) | On::Balancer | On::Profile | On::LogGroup)
}

/// Actions that a simulation did not allow.
#[derive(Debug, Default)]
struct Lacking {
    denied: BTreeSet<String>,
    /// They hang on conditions unknown here.
    doubtful: BTreeSet<String>,
}

impl Lacking {
    fn checks(&self, needs: &[Need], name: &ClusterName) -> Vec<Check> {
        let joined = |list: &BTreeSet<String>| list.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let mut checks = Vec::new();
        // Changes that only a teardown makes. Who has none of them is meant to build and nothing else.
        let teardown = |need: &&Need| need.life == Life::DESTROY && is_certain(need.on);
        let teardown: BTreeSet<&str> = needs.iter().filter(teardown).map(|need| need.action).collect();
        let changes = |action: &&&str| !action.contains(":Describe") && !action.contains(":List");
        let (all, none) = (teardown.iter().filter(changes), self.denied.iter());
        let builds_only = all.clone().count() > 0 && all.clone().all(|action| self.denied.contains(*action));
        let optional = |action: &str| needs.iter().filter(|need| need.action == action).all(|need| need.optional);
        let known: BTreeSet<&str> = needs.iter().map(|need| need.action).collect();
        let (stops, blind): (BTreeSet<String>, BTreeSet<String>) = none
            .filter(|action| !(builds_only && teardown.contains(action.as_str())))
            .cloned()
            .partition(|action| !known.contains(action.as_str()) || !optional(action));
        if !stops.is_empty() {
            let message = format!("these credentials are not allowed: {}", joined(&stops));
            let hints = vec![
                "allow these actions, then run the same command again".to_owned(),
                format!("everything that this cluster needs: kubewright policy {name}"),
            ];
            let check = Check { hints, ..Check::of(error::DENIED, CheckStatus::Fail, message) };
            checks.push(failing(ErrorClass::Auth, check));
        }
        if !blind.is_empty() {
            let message = format!("what keeps a removal from going might stay unnamed without {}", joined(&blind));
            checks.push(Check::of("permissions", CheckStatus::Warn, message));
        }
        if builds_only {
            let message = "these credentials can build it and not take it down: others will have to";
            checks.push(Check::of("permissions", CheckStatus::Warn, message));
        }
        if !self.doubtful.is_empty() {
            let message = format!("may not be allowed, as far as a simulation can tell: {}", joined(&self.doubtful));
            checks.push(Check::of("permissions", CheckStatus::Warn, message));
        }
        if checks.is_empty() {
            let message = format!("{} actions allowed, by simulation", known.len());
            checks.push(Check::of("permissions", CheckStatus::Ok, message));
        }
        checks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lacking(denied: &[&str], doubtful: &[&str]) -> Vec<Check> {
        let set = |list: &[&str]| list.iter().map(|it| (*it).to_owned()).collect();
        let needs: Vec<Need> = permissions::needs([steps::vpc::KIND].into_iter(), Life::ALL).into_iter().collect();
        let name = "demo".parse().unwrap();
        Lacking { denied: set(denied), doubtful: set(doubtful) }.checks(&needs, &name)
    }

    #[test]
    fn a_certain_denial_stops_and_a_doubtful_one_warns() {
        let both = lacking(&["iam:CreateRole"], &["ec2:CreateVpc"]);
        assert_eq!(both.iter().map(|it| it.status).collect::<Vec<_>>(), [CheckStatus::Fail, CheckStatus::Warn]);
        assert!(both[0].message.contains("iam:CreateRole") && both[0].class == Some(ErrorClass::Auth));
        assert!(both[0].hints[1].contains("kubewright policy demo"), "{:?}", both[0].hints);
        assert_eq!(lacking(&[], &[])[0].status, CheckStatus::Ok);
    }

    #[test]
    fn who_can_only_build_is_warned_and_who_lacks_a_piece_is_stopped() {
        let builder = lacking(&["ec2:DeleteVpc", "ec2:DescribeVolumes"], &[]);
        assert_eq!(builder.iter().map(|it| it.status).collect::<Vec<_>>(), [CheckStatus::Warn], "{builder:?}");
        assert_eq!(lacking(&["ec2:DescribeVolumes"], &[])[0].status, CheckStatus::Fail);
        assert!(!lacking(&["ec2:DeleteVpc", "ec2:CreateVpc"], &[])[0].message.contains("DeleteVpc"));
    }

    #[test]
    fn what_the_cluster_will_make_is_never_certain() {
        assert!(is_certain(On::Ec2New("vpc", &[])) && is_certain(On::Role) && is_certain(On::Region));
        assert!(!is_certain(On::Balancer) && !is_certain(On::Ec2Caused(&["security-group"])));
    }

    #[test]
    fn what_cannot_be_read_is_unknown_but_no_connection_is_a_failure() {
        let denied = StepError::new(ErrorClass::Auth, error::DENIED, "no");
        assert_eq!(unknown("x", "y", &denied).status, CheckStatus::Unknown);
        let gone = StepError::new(ErrorClass::Transient, crate::providers::patience::UNREACHABLE, "no");
        assert_eq!(unknown("x", "y", &gone).status, CheckStatus::Fail);
    }
}
