//! Everything that can be known before the first write: who, how much is left, what is taken, what would not work.
//!
//! Reads only, all at once. What cannot be read is `unknown` and stops nothing.

use super::client::{AwsCx, Principal};
use super::layout::letter;
use super::patience::patient;
use super::plan::cluster_name;
use super::quotas::{self, Demand};
use super::versions::{self, MIN_DAYS, Support};
use super::{adopted, clusters, error, instances, permissions, steps, tags, zones};
use crate::engine::{Clock, ErrorClass, Identity, Plan, PlannedStep, StepError};
use crate::model::ResolvedSpec;
use crate::providers::{Check, CheckStatus};
use aws_sdk_iam::types::{ContextEntry, ContextKeyTypeEnum, PolicyEvaluationDecisionType};
use std::collections::{BTreeMap, BTreeSet};

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
    if [error::AUTH, error::EXPIRED, error::UNREACHABLE].contains(&err.id.as_str()) {
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
        let told =
            if types.is_empty() { Vec::new() } else { instances::describe(self.cx, &types).await.unwrap_or_default() };
        for (pool, names, nodes) in self.pools() {
            let known = |name: &String| told.iter().find(|it| it.name == *name).cloned();
            let kind = |name: &String| known(name).or_else(|| instances::from_catalogue(name));
            let spot = self.spec.node_pools.iter().any(|it| it.name == pool && it.spot);
            // Types that stand for each other are of one size.
            let vcpus = names.iter().filter_map(kind).map(|kind| kind.vcpus).max().unwrap_or_default();
            let Some(first) = names.first() else { continue };
            demand.machines(first, spot, nodes, vcpus);
        }
        quotas::checks(self.cx, self.clock, &demand).await
    }

    /// What the caller may do, by simulation. IAM does not tell everybody.
    async fn permissions(&self) -> Vec<Check> {
        let actions = permissions::actions(self.fresh.iter().map(|step| step.kind.as_str()));
        if actions.is_empty() {
            return Vec::new();
        }
        match patient(self.clock, || self.simulate(&actions)).await {
            Ok(None) => Vec::new(),
            Ok(Some((denied, doubtful))) => verdict(actions.len(), &denied, &doubtful),
            Err(err) => vec![unknown("permissions", "permissions cannot be simulated", &err)],
        }
    }

    /// Denied actions, and those that hang on conditions unknown here. None for callers that cannot be simulated.
    async fn simulate(
        &self,
        actions: &BTreeSet<&'static str>,
    ) -> Result<Option<(Vec<String>, Vec<String>)>, StepError> {
        let failed = |err| error::fail("iam:SimulatePrincipalPolicy", "permissions", err);
        let who = self
            .cx
            .sts
            .get_caller_identity()
            .send()
            .await
            .map_err(|err| error::fail("sts:GetCallerIdentity", "who we are", err))?;
        let source = match Principal::of(who.arn().unwrap_or_default()) {
            Principal::User(arn) => arn,
            Principal::Session { role } => match steps::iam_role::get(self.cx, &role).await? {
                Some((_, role)) => role.arn().to_owned(),
                None => return Ok(None),
            },
            Principal::Other => return Ok(None),
        };
        let (mut denied, mut doubtful) = (Vec::new(), Vec::new());
        // One question for each kind of resource: a policy may name them apart.
        let mut questions: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for action in actions {
            questions.entry(self.resource(action)).or_default().push((*action).to_owned());
        }
        for (resource, asked) in questions {
            let call = self.cx.iam.simulate_principal_policy().policy_source_arn(&source).resource_arns(resource);
            let call = call.set_action_names(Some(asked));
            let results = call.set_context_entries(Some(self.context())).into_paginator().items().send();
            for result in results.collect::<Result<Vec<_>, _>>().await.map_err(failed)? {
                if *result.eval_decision() == PolicyEvaluationDecisionType::Allowed {
                    continue;
                }
                let action = result.eval_action_name();
                let certain = result.missing_context_values().is_empty() && is_certain(action);
                if certain { &mut denied } else { &mut doubtful }.push(action.to_owned());
            }
        }
        Ok(Some((denied, doubtful)))
    }

    /// What an action would be done to, as the plan would make it.
    fn resource(&self, action: &str) -> String {
        let (partition, region, account) = (self.cx.partition, &self.plan.region, &self.plan.account);
        let (service, name) = action.split_once(':').unwrap_or((action, ""));
        let kind = permissions::eks_resource(name);
        match (service, kind) {
            ("iam", _) if permissions::is_about_all(name) => "*".to_owned(),
            ("iam", _) => {
                format!("arn:{partition}:iam::{account}:role{}kw-{}-cluster", super::names::ROLE_PATH, self.plan.stack)
            }
            ("eks", kind) => {
                let cluster = cluster_name(&self.plan.stack);
                format!("arn:{partition}:eks:{region}:{account}:{}", kind.replace("CLUSTER", &cluster))
            }
            _ => "*".to_owned(),
        }
    }

    fn context(&self) -> Vec<ContextEntry> {
        let entry = |key: String, value: String| {
            ContextEntry::builder()
                .context_key_name(key)
                .context_key_values(value)
                .context_key_type(ContextKeyTypeEnum::String)
                .build()
        };
        let stack = self.plan.stack.to_string();
        let mut known = vec![
            entry("aws:RequestedRegion".to_owned(), self.plan.region.to_string()),
            entry("iam:PassedToService".to_owned(), "eks.amazonaws.com".to_owned()),
        ];
        for side in ["RequestTag", "ResourceTag"] {
            known.push(entry(format!("aws:{side}/{}", crate::engine::proof::TAG_STACK), stack.clone()));
        }
        known
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

/// Judged for one made-up resource of each kind: what EC2 and load balancing policies narrow by is not known here, and
/// conditions may speak of anything. Only a plain lack of any statement, where the resource is as real as can be or
/// the action has none, is certain.
fn is_certain(action: &str) -> bool {
    let (service, name) = action.split_once(':').unwrap_or((action, ""));
    matches!(service, "iam" | "eks") || (service == "elasticloadbalancing" && name.starts_with("Describe"))
}

fn verdict(asked: usize, denied: &[String], doubtful: &[String]) -> Vec<Check> {
    let mut checks = Vec::new();
    if !denied.is_empty() {
        let message = format!("these credentials are not allowed: {}", denied.join(", "));
        let hints = vec!["allow these actions, then run the same command again".to_owned()];
        checks.push(failing(ErrorClass::Auth, Check { hints, ..Check::of(error::DENIED, CheckStatus::Fail, message) }));
    }
    if !doubtful.is_empty() {
        let message = format!("may not be allowed, as far as a simulation can tell: {}", doubtful.join(", "));
        checks.push(Check::of("permissions", CheckStatus::Warn, message));
    }
    if checks.is_empty() {
        checks.push(Check::of("permissions", CheckStatus::Ok, format!("{asked} actions allowed, by simulation")));
    }
    checks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certain_denial_stops_and_a_doubtful_one_warns() {
        let name = |action: &str| vec![action.to_owned()];
        let both = verdict(3, &name("iam:CreateRole"), &name("ec2:CreateVpc"));
        assert_eq!(both.iter().map(|it| it.status).collect::<Vec<_>>(), [CheckStatus::Fail, CheckStatus::Warn]);
        assert!(both[0].message.contains("iam:CreateRole") && both[0].class == Some(ErrorClass::Auth));
        assert_eq!(verdict(3, &[], &[])[0].status, CheckStatus::Ok);
    }

    #[test]
    fn only_what_a_simulation_can_know_is_certain() {
        for certain in ["iam:CreateRole", "eks:CreateNodegroup", "elasticloadbalancing:DescribeLoadBalancers"] {
            assert!(is_certain(certain), "{certain}");
        }
        for doubtful in ["ec2:CreateVpc", "ec2:DescribeVolumes", "elasticloadbalancing:DeleteLoadBalancer"] {
            assert!(!is_certain(doubtful), "{doubtful}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_unknown_but_no_connection_is_a_failure() {
        let denied = StepError::new(ErrorClass::Auth, error::DENIED, "no");
        assert_eq!(unknown("x", "y", &denied).status, CheckStatus::Unknown);
        let gone = StepError::new(ErrorClass::Transient, error::UNREACHABLE, "no");
        assert_eq!(unknown("x", "y", &gone).status, CheckStatus::Fail);
    }
}
