//! What a provision shows: the plan before, the document after.

use super::prepare::Prepared;
use crate::app::kubeconfig::Written;
use crate::app::{durations, money, outcome, stacks};
use crate::engine::{Identity, Outcome, Paced, Plan, Report, StackState, StepState, proof};
use crate::env::{Env, after};
use crate::error::CliError;
use crate::model::ResolvedSpec;
use crate::model::doc::{self, Action, Basis, Cluster, PlanStep, Preflight, Provision, ProvisionOutcome};
use crate::providers::CloudCluster;
use crate::ui::{PlanView, View as _, style::count};
use jiff::Timestamp;
use serde_json::Value;
use std::time::Duration;

/// The plan with its price, for people and for `--dry-run`.
pub(super) fn plan_view(env: &Env, prepared: &Prepared) -> PlanView {
    let Prepared { plan, spec, cost, .. } = prepared;
    let known = prepared.known.as_ref().map(|known| &known.state);
    let paced = durations::paced(env, plan);
    let eta = durations::eta(&paced);
    let Paced { plan: usual, learned } = paced;
    let critical = usual.critical_path();
    let basis = |learned: bool| if learned { Basis::History } else { Basis::Table };
    let steps = usual.steps.iter().map(|step| PlanStep {
        id: step.id.to_string(),
        kind: step.kind.clone(),
        action: action(&step.identity, known.map(|state| state.step(&step.id))),
        needs: step.needs.iter().map(ToString::to_string).collect(),
        params: step.params.clone(),
        identity: serde_json::to_value(&step.identity).unwrap_or(Value::Null),
        p50_seconds: step.timing.p50_secs,
        p90_seconds: step.timing.p90_secs,
        basis: basis(learned.contains(&step.id)),
        usd_per_hour: money::of_step(step),
    });
    let doc = doc::Plan {
        stack: stack(plan, prepared.known.is_some()),
        plan_hash: prepared.hash.clone(),
        spec: plan.spec.clone(),
        steps: steps.collect(),
        critical_path: critical.iter().map(ToString::to_string).collect(),
        eta,
        cost: serde_json::to_value(cost).unwrap_or(Value::Null),
        preflight: prepared
            .checks
            .iter()
            .map(|check| Preflight {
                id: check.id.clone(),
                status: serde_json::to_value(check.status)
                    .ok()
                    .and_then(|word| word.as_str().map(str::to_owned))
                    .unwrap_or_default(),
                message: check.message.clone(),
                need: check.need,
                have: check.have,
                limit: check.limit,
                hints: check.hints.clone(),
            })
            .collect(),
        budget: prepared.verdict.clone(),
    };
    let pools: Vec<String> = spec
        .node_pools
        .iter()
        .map(|pool| {
            let count = if pool.scales() { format!("{}-{}", pool.min, pool.max) } else { pool.count.to_string() };
            let types: Vec<&str> = pool.types().collect();
            format!("{count} x {}{}", types.join("|"), if pool.spot { " spot" } else { "" })
        })
        .collect();
    let who = &prepared.cloud.who;
    let mut defaults = money::defaults(spec);
    defaults.extend(prepared.advice.iter().cloned());
    PlanView {
        headline: format!(
            "plan {}: {} {}, {}, {}; {} resources",
            spec.name,
            spec.provider.terms().product,
            spec.version,
            zones(&spec.network.zones, spec.region.as_str()),
            pools.join(" + "),
            plan.steps.len()
        ),
        who: format!(
            "{} {} as {} · {}{}",
            spec.provider.terms().account,
            who.account,
            who.principal,
            who.source,
            validity(env, who.expires_at, Duration::from_secs(eta.p90_seconds))
        ),
        rows: money::rows(&usual, spec, cost),
        totals: cost.totals,
        unknown: cost.unknown.clone(),
        expiry: expires_at(plan)
            .or_else(|| spec.ttl_secs.map(|secs| after(env.now(), Duration::from_secs(secs))))
            .zip(cost.totals.until_ttl_usd),
        defaults,
        excluded: cost.excluded.clone(),
        adopted: adopted(spec),
        doc,
    }
}

/// What was brought along, in words.
fn adopted(spec: &ResolvedSpec) -> Vec<String> {
    let mut all = Vec::new();
    if let Some(network) = &spec.network.existing {
        all.push(network.vpc.rsplit('/').next().unwrap_or(&network.vpc).to_owned());
        all.push(count(network.private_subnets.len() + network.public_subnets.len(), "subnet"));
    }
    if let Some(aws) = &spec.aws {
        let roles = [&aws.cluster_role_arn, &aws.node_role_arn].into_iter().flatten();
        all.extend(roles.map(|arn| format!("role {}", arn.rsplit('/').next().unwrap_or(arn))));
    }
    if let Some(account) = spec.gcp.as_ref().and_then(|gcp| gcp.node_service_account.as_ref()) {
        all.push(format!("service account {account}"));
    }
    if let Some(identity) = spec.azure.as_ref().and_then(|azure| azure.identity.as_ref()) {
        all.push(format!("identity {}", identity.rsplit('/').next().unwrap_or(identity)));
    }
    all
}

fn action(identity: &Identity, state: Option<&StepState>) -> Action {
    match (identity, state) {
        (_, Some(StepState::Ready { .. } | StepState::Acted { .. })) => Action::Keep,
        (Identity::External { .. } | Identity::OneWay { .. }, _) => Action::Adopt,
        _ => Action::Create,
    }
}

fn zones(zones: &[String], region: &str) -> String {
    match zones.split_first() {
        // Zones that are called alike in every region say nothing without it.
        Some((first, _)) if !first.starts_with(region) => format!("{region} {}", zones.join(",")),
        Some((first, rest)) => {
            let letters: Vec<&str> = rest.iter().map(|zone| zone.strip_prefix(region).unwrap_or(zone)).collect();
            std::iter::once(first.as_str()).chain(letters).collect::<Vec<_>>().join(",")
        }
        None => region.to_owned(),
    }
}

fn validity(env: &Env, expires: Option<Timestamp>, p90: Duration) -> String {
    let Some(at) = expires else { return String::new() };
    let left = at.as_second() - env.wall.now().as_second();
    let short = if left < p90.as_secs().try_into().unwrap_or(i64::MAX) { "; that may be too short" } else { "" };
    format!(" [valid {} min; p90 is {} min{short}]", left / 60, p90.as_secs() / 60)
}

fn stack(plan: &Plan, exists: bool) -> doc::Stack {
    doc::Stack {
        name: plan.stack.name.to_string(),
        id: exists.then(|| plan.stack.id.to_string()),
        provider: plan.provider.to_string(),
        account: Some(plan.account.clone()),
        region: plan.region.to_string(),
    }
}

/// The expiry in a plan's tags.
fn expires_at(plan: &Plan) -> Option<Timestamp> {
    Timestamp::from_second(plan.tags.get(proof::TAG_EXPIRES_AT)?.parse().ok()?).ok()
}

/// A document of a run that did nothing.
pub(super) fn untouched(env: &Env, prepared: &Prepared, outcome: ProvisionOutcome) -> Provision {
    let empty = StackState::default();
    let state = prepared.known.as_ref().map_or(&empty, |known| &known.state);
    let mut doc = base(env, prepared, state, outcome);
    if prepared.known.is_none() {
        doc.resources.clear();
        doc.commands = None;
        doc.stack = Some(stack(&prepared.plan, false));
    }
    doc
}

fn base(_: &Env, prepared: &Prepared, state: &StackState, outcome: ProvisionOutcome) -> Provision {
    let plan = &prepared.plan;
    Provision {
        stack: Some(stack(plan, true)),
        outcome,
        plan_hash: Some(prepared.hash.clone()),
        mutating_calls: 0,
        seconds: 0,
        resources: outcome::resources(plan, state),
        cluster: None,
        kubeconfig: None,
        usd_per_hour: outcome::hourly(plan, state),
        expires_at: expires_at(plan).max(prepared.known.as_ref().and_then(stacks::Known::expires_at)),
        audit: None,
        commands: Some(prepared.place.commands()),
    }
}

/// The document of a run.
pub(super) fn provision(
    env: &Env,
    prepared: &Prepared,
    state: &StackState,
    report: &Report,
    resumed: bool,
) -> Provision {
    // A second look at a finished stack that a signal, the clock or the network cut short has changed nothing.
    let untouched = report.mutating_calls == 0 && prepared.is_finished() && !only_drift(report);
    let outcome = match report.outcome {
        _ if untouched => ProvisionOutcome::Unchanged,
        Outcome::Done if resumed => ProvisionOutcome::Resumed,
        Outcome::Done => ProvisionOutcome::Created,
        Outcome::Failed | Outcome::Stopped | Outcome::TimedOut => ProvisionOutcome::Incomplete,
    };
    let mut doc = base(env, prepared, state, outcome);
    doc.mutating_calls = report.mutating_calls;
    doc.seconds = report.elapsed.as_secs();
    doc.audit = report.audit.as_ref().map(outcome::audit);
    doc
}

/// The cluster as its cloud reports it, into the document.
pub(super) async fn cluster(
    env: &Env,
    prepared: &Prepared,
    doc: &mut Provision,
) -> Result<Option<CloudCluster>, CliError> {
    let provider = &prepared.cloud.provider;
    let name = provider.cluster_name(&prepared.plan.stack);
    let wanted = prepared.spec.node_pools.iter().map(|pool| pool.count).sum();
    let mut shown = Cluster {
        host: None,
        port: None,
        version: Some(prepared.spec.version.clone()),
        nodes_ready: None,
        nodes_wanted: wanted,
    };
    let seen = env.reading(async { Ok(provider.cluster(&name).await?) }).await;
    if let Ok(Some(seen)) = &seen {
        shown.version = seen.version.clone().or(shown.version);
        if let Some((host, port)) = seen.endpoint.as_deref().and_then(host_and_port) {
            (shown.host, shown.port) = (Some(host), Some(port));
        }
    }
    doc.cluster = Some(shown);
    seen
}

/// The host and port of an API server's URL.
pub(in crate::app) fn host_and_port(url: &str) -> Option<(String, u16)> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")).unwrap_or(url);
    let authority = rest.split('/').next().filter(|text| !text.is_empty())?;
    match authority.rsplit_once(':') {
        Some((host, port)) => Some((host.to_owned(), port.parse().ok()?)),
        None => Some((authority.to_owned(), 443)),
    }
}

/// Whether the journal knows of anything of ours that stands or may stand.
pub(in crate::app) fn something_stands(plan: &Plan, state: &StackState) -> bool {
    let steps = plan.steps.iter().filter(|step| step.identity.is_undone());
    steps.into_iter().any(|step| !state.step(&step.id).is_unmade()) || state.extras().next().is_some()
}

/// Whether the run failed only because something that was ready has vanished.
pub(super) fn only_drift(report: &Report) -> bool {
    !report.failures.is_empty() && report.failures.iter().all(|failure| failure.error.id == "KW-DRIFT")
}

/// The last words to people.
pub(super) fn farewell(env: &Env, prepared: &Prepared, doc: &Provision, context: Option<&Written>) {
    if doc.outcome == ProvisionOutcome::Unchanged {
        return;
    }
    let took = crate::model::time::show_span(Duration::from_secs(doc.seconds));
    let time = if env.sandbox { "sandbox time" } else { "in all" };
    env.ui.say(&format!("[{n}/{n}] ready in {took} {time}", n = doc.resources.len()));
    if env.sandbox {
        env.ui.say("your kubeconfig was not touched; for kubectl: kubewright sandbox serve");
    } else if let Some(written) = context {
        let current = match &written.current {
            Some(current) if *current != written.context => {
                let name = &prepared.plan.stack.name;
                format!("   (current context is still `{current}`; switch: kubewright kubeconfig {name} --use)")
            }
            _ => String::new(),
        };
        env.ui.say(&format!("kubectl --context {} get nodes{current}", written.context));
    }
    if let Some(commands) = &doc.commands {
        env.ui.say(&format!("take it down with: {}", commands.destroy));
    }
    env.ui.detail(&format!("plan hash {}; {}", prepared.hash, doc.names().join(" ")));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_split() {
        assert_eq!(host_and_port("https://abc.eks.amazonaws.com"), Some(("abc.eks.amazonaws.com".into(), 443)));
        assert_eq!(host_and_port("https://127.0.0.1:6443/clusters/x"), Some(("127.0.0.1".into(), 6443)));
        assert_eq!(host_and_port(""), None);
    }

    #[test]
    fn zones_read_short() {
        assert_eq!(zones(&["us-east-1a".into(), "us-east-1b".into()], "us-east-1"), "us-east-1a,b");
    }
}
