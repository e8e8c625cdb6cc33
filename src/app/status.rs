//! `status`: one cluster in depth or all own stacks; from the journals alone, or with the cloud's word.

use super::{cloud, money, outcome, provision::host_and_port, readiness, stacks};
use crate::engine::{
    Event, Journal, JournalError, Observer, Options, Plan, Record, RunId, RunOutcome, Session, Standing, StepId,
    StepState, Tick, proof,
};
use crate::env::Env;
use crate::error::{CliError, Exit};
use crate::model::doc::{Drift, Lock, Phase, Pool, Stack, Status, StatusCluster, StatusFailure};
use crate::model::{ClusterName, ResolvedSpec};
use crate::providers::{CloudCluster, Provider};
use jiff::Timestamp;
use std::{sync::Arc, time::Duration};

/// What to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// Built and well.
    Ready,
    /// Gone.
    Deleted,
}

/// What was asked for.
#[derive(Debug, Clone)]
pub struct StatusRequest {
    /// NAME.
    pub name: Option<ClusterName>,
    /// `--local`.
    pub local: bool,
    /// `--watch`.
    pub watch: bool,
    /// `--wait`.
    pub wait: Option<Goal>,
    /// `--check`.
    pub check: bool,
}

/// How often a watched or awaited cluster is looked at.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// Runs the verb.
pub async fn run(env: &Env, request: StatusRequest) -> Result<Exit, CliError> {
    if let (Some(goal), Some(name)) = (request.wait, &request.name) {
        return wait(env, &request, name, goal).await;
    }
    if request.watch {
        return watch(env, &request).await;
    }
    let status = env.reading(look(env, &request)).await?;
    report(env, &request, &status)
}

/// Shows a status and settles its exit code.
fn report(env: &Env, request: &StatusRequest, status: &Status) -> Result<Exit, CliError> {
    let unhealthy: Vec<&str> = status
        .clusters
        .iter()
        .filter(|cluster| cluster.phase != Phase::Ready || !cluster.drift.is_empty())
        .map(|cluster| cluster.stack.name.as_str())
        .collect();
    let error = if request.check && !unhealthy.is_empty() {
        Some(CliError::new("KW-CHECK", format!("not healthy: {}", unhealthy.join(", "))))
    } else if let Some(failure) = status.failures.first() {
        let mut error = CliError::new(
            "KW-UNREACHABLE",
            format!("{}/{} was not read: {}", failure.provider, failure.region, failure.error.message),
        );
        if request.name.is_some() {
            // One cluster was asked for: the cause decides.
            error.id.clone_from(&failure.error.id);
            if let Some(entry) = crate::error::explain(&failure.error.id) {
                error.class = entry.class;
            }
            if let Some((exit, _)) = crate::error::EXIT_CODES.iter().find(|(exit, _)| exit.code() == failure.error.exit)
            {
                error.exit = *exit;
            }
        }
        error.hints.clone_from(&failure.error.hints);
        Some(error)
    } else {
        None
    };
    env.ui.show(env.now(), status, error.as_ref());
    error.map_or(Ok(Exit::DONE), Err)
}

/// One look at what was asked for.
async fn look(env: &Env, request: &StatusRequest) -> Result<Status, CliError> {
    let mut status = Status { complete: true, clusters: Vec::new(), failures: Vec::new() };
    let known = match &request.name {
        None => stacks::all_live(env)?,
        Some(name) => match stacks::any(env, name, None)? {
            Some(known) if known.state.standing() != Standing::Destroyed => vec![Ok(known)],
            gone if request.local => return Err(absent(name, gone.as_ref())),
            gone => {
                let found = foreign(env, name).await?;
                status.clusters.push(found.ok_or_else(|| absent(name, gone.as_ref()))?);
                return Ok(status);
            }
        },
    };
    for known in known {
        match known {
            Ok(known) => {
                let (cluster, failure) = one(env, &known, request.local).await;
                status.complete &= failure.is_none();
                status.clusters.push(cluster);
                status.failures.extend(failure);
            }
            Err((stack, error)) => {
                env.ui.warn(&format!("{stack}: {error}"));
                status.complete = false;
                status.failures.push(StatusFailure {
                    provider: "journal".to_owned(),
                    region: stack.to_string(),
                    error: error.to_doc(),
                });
            }
        }
    }
    Ok(status)
}

fn absent(name: &ClusterName, gone: Option<&stacks::Known>) -> CliError {
    match gone.and_then(stacks::Known::destroyed_at) {
        Some(at) => {
            CliError::new("KW-NOT-FOUND", format!("`{name}` was destroyed (proved {})", at.strftime("%Y-%m-%d %H:%MZ")))
        }
        None => CliError::new("KW-NOT-FOUND", format!("no stack `{name}`")).hint(format!("kubewright recover {name}")),
    }
}

/// A cluster without a journal here: ours from elsewhere, or somebody else's.
async fn foreign(env: &Env, name: &ClusterName) -> Result<Option<StatusCluster>, CliError> {
    let cloud = cloud::implied(env)?;
    let connected = cloud::connect(env, cloud, None, None).await?;
    let provider = &connected.provider;
    let Some(seen) = provider.cluster(name.as_str()).await? else { return Ok(None) };
    let stack = Stack {
        name: name.to_string(),
        id: seen.stack.as_ref().map(|stack| stack.id.to_string()),
        provider: provider.cloud().to_string(),
        account: Some(connected.who.account.clone()),
        region: provider.region().to_string(),
    };
    let healthy = seen.issues.is_empty() && is_well(&seen.status);
    let mut cluster = blank(stack, if healthy { Phase::Ready } else { Phase::Degraded });
    if seen.stack.is_none() {
        "other".clone_into(&mut cluster.managed_by);
    }
    cluster.expires_at =
        seen.tags.get(proof::TAG_EXPIRES_AT).and_then(|text| Timestamp::from_second(text.parse().ok()?).ok());
    cluster.protect = proof::protects(&seen.tags);
    fill_from_cloud(&mut cluster, &seen);
    Ok(Some(cluster))
}

fn blank(stack: Stack, phase: Phase) -> StatusCluster {
    StatusCluster {
        stack,
        managed_by: "kubewright".to_owned(),
        phase,
        cloud_status: None,
        version: None,
        support_ends: None,
        host: None,
        port: None,
        reachable: None,
        node_pools: Vec::new(),
        usd_per_hour: None,
        accrued_usd: None,
        created_at: None,
        expires_at: None,
        protect: false,
        drift: Vec::new(),
        lock: None,
        defaults: None,
        provider_config: None,
        issues: Vec::new(),
    }
}

/// A cloud's status words that mean that all is well.
fn is_well(status: &str) -> bool {
    matches!(status, "ACTIVE" | "RUNNING" | "Succeeded")
}

/// One own stack, with the cloud's word unless only the journal is wanted.
async fn one(env: &Env, known: &stacks::Known, local: bool) -> (StatusCluster, Option<StatusFailure>) {
    let mut cluster = from_journal(env, known);
    if local {
        return (cluster, None);
    }
    let Some(plan) = known.state.plan().cloned() else { return (cluster, None) };
    let failure = match live(env, known, &mut cluster).await {
        Ok(()) => None,
        Err(error) => Some(StatusFailure {
            provider: plan.provider.to_string(),
            region: plan.region.to_string(),
            error: error.to_doc(),
        }),
    };
    (cluster, failure)
}

fn from_journal(env: &Env, known: &stacks::Known) -> StatusCluster {
    let state = &known.state;
    let plan = state.plan();
    let lock = stacks::holder(env, &known.stack).map(|(holder, since)| Lock { holder, since });
    let failed = state.last_run().and_then(|run| run.ended).is_some_and(|(_, outcome)| outcome == RunOutcome::Failed);
    let phase = match (state.standing(), &lock) {
        (Standing::Ready, _) => Phase::Ready,
        (Standing::Destroying | Standing::Destroyed, _) => Phase::Deleting,
        (Standing::Unfinished, Some(_)) => Phase::Building,
        (Standing::Unfinished, None) if failed => Phase::Failed,
        (Standing::Unfinished, None) => Phase::Incomplete,
    };
    let stack = Stack {
        name: known.stack.name.to_string(),
        id: Some(known.stack.id.to_string()),
        provider: plan.map_or_else(String::new, |plan| plan.provider.to_string()),
        account: plan.map(|plan| plan.account.clone()),
        region: plan.map_or_else(String::new, |plan| plan.region.to_string()),
    };
    let mut cluster = blank(stack, phase);
    cluster.lock = lock;
    cluster.protect = known.is_protected();
    cluster.created_at = state.started_at();
    if let Some(plan) = plan {
        cluster.usd_per_hour = outcome::hourly(plan, state);
        cluster.accrued_usd = accrued(known, env.now());
        cluster.expires_at =
            plan.tags.get(proof::TAG_EXPIRES_AT).and_then(|text| Timestamp::from_second(text.parse().ok()?).ok());
        if let Ok(spec) = serde_json::from_value::<ResolvedSpec>(plan.spec.clone()) {
            cluster.version = Some(spec.version.clone());
            cluster.provider_config = serde_json::to_value(&spec.aws).ok().filter(|value| !value.is_null());
            cluster.node_pools = spec
                .node_pools
                .iter()
                .map(|pool| Pool {
                    name: pool.name.clone(),
                    instance_type: Some(pool.instance_type.clone()),
                    spot: pool.spot,
                    ready: None,
                    desired: pool.count,
                    min: pool.min,
                    max: pool.max,
                })
                .collect();
        }
        for step in &plan.steps {
            if let StepState::Failed { error, .. } | StepState::DeleteFailed { error, .. } = state.step(&step.id) {
                cluster.issues.push(format!("{}: {}", step.id, error.message));
            }
        }
    }
    cluster
}

/// What the stack has cost: each object from the moment it was confirmed running until it was proven gone.
fn accrued(known: &stacks::Known, now: Timestamp) -> Option<f64> {
    let plan = known.state.plan()?;
    let mut usd = 0.0;
    for step in plan.steps.iter().filter(|step| !step.usage.is_empty()) {
        let hourly = money::of_step(step)?;
        let mut since: Option<Timestamp> = None;
        let mut hours = 0.0;
        let span = |from: Timestamp, to: Timestamp| (to.as_second() - from.as_second()).max(0) as f64 / 3_600.0;
        for record in &known.records {
            match &record.event {
                Event::Ready { step: id, .. } if *id == step.id => {
                    since.get_or_insert(record.at);
                }
                Event::Deleted { step: id, extra: false, .. } if *id == step.id => {
                    hours += since.take().map_or(0.0, |from| span(from, record.at));
                }
                _ => {}
            }
        }
        hours += since.map_or(0.0, |from| span(from, now));
        usd += hourly * hours;
    }
    Some((usd * 1e4).round() / 1e4)
}

async fn live(env: &Env, known: &stacks::Known, cluster: &mut StatusCluster) -> Result<(), CliError> {
    let Some(plan) = known.state.plan() else { return Ok(()) };
    let connected = cloud::connect_at(env, plan.provider, Some(plan.region.clone()), Some(&plan.account)).await?;
    let provider = &connected.provider;
    let name = provider.cluster_name(&known.stack);
    let seen = provider.cluster(&name).await?.filter(|seen| seen.stack.as_ref() == Some(&known.stack));
    let mut lack_gpus = false;
    match &seen {
        Some(seen) => {
            fill_from_cloud(cluster, seen);
            // Another machine may have turned it on: its journal is not here, the tag is.
            cluster.protect |= proof::protects(&seen.tags);
            price_as_scaled(cluster, plan, seen);
            let ready = readiness::look(provider.as_ref(), seen, plan).await;
            cluster.reachable = Some(ready.is_ok());
            match ready {
                Ok(nodes) => {
                    nodes.count_into(plan, &mut cluster.node_pools);
                    cluster.issues.extend(nodes.issues());
                    lack_gpus = nodes.lack_gpus();
                }
                Err(why) if cluster.phase == Phase::Ready => cluster.issues.push(format!("API server: {why}")),
                Err(_) => {}
            }
        }
        None => cluster.cloud_status = Some("ABSENT".to_owned()),
    }
    let audit = audit(env, provider, known).await?;
    let drift = |what: &str, item: &crate::engine::Item| Drift {
        step: Some(item.step.to_string()),
        kind: item.resource.kind.clone(),
        id: Some(item.resource.id.clone()),
        what: what.to_owned(),
    };
    cluster.drift.extend(audit.missing.iter().map(|item| drift("missing", item)));
    cluster.drift.extend(audit.unexpected.iter().map(|item| drift("unexpected", item)));
    let lacking = lack_gpus || cluster.node_pools.iter().any(|pool| pool.ready.is_some_and(|ready| ready < pool.min));
    let unwell = seen.as_ref().is_none_or(|seen| !is_well(&seen.status) || !seen.issues.is_empty());
    if cluster.phase == Phase::Ready
        && (unwell || lacking || cluster.reachable == Some(false) || !cluster.drift.is_empty())
    {
        cluster.phase = Phase::Degraded;
    }
    Ok(())
}

/// The price follows what the autoscaler did.
fn price_as_scaled(cluster: &mut StatusCluster, plan: &Plan, seen: &CloudCluster) {
    let Ok(spec) = serde_json::from_value::<ResolvedSpec>(plan.spec.clone()) else { return };
    for pool in spec.node_pools.iter().filter(|pool| pool.scales()) {
        let step = plan.step(&StepId::new(format!("{}{}", readiness::POOLS, pool.name)));
        let live = seen.node_pools.iter().find(|live| live.name == pool.name);
        let (Some(step), Some(live)) = (step, live) else { continue };
        let more = money::scaled(step, pool.max, live.desired);
        cluster.usd_per_hour = money::sum([cluster.usd_per_hour, more]);
    }
}

fn fill_from_cloud(cluster: &mut StatusCluster, seen: &CloudCluster) {
    cluster.cloud_status = Some(seen.status.clone());
    cluster.version = seen.version.clone().or_else(|| cluster.version.take());
    cluster.support_ends.clone_from(&seen.support_ends);
    cluster.created_at = cluster.created_at.or(seen.created_at);
    if let Some((host, port)) = seen.endpoint.as_deref().and_then(host_and_port) {
        (cluster.host, cluster.port) = (Some(host), Some(port));
    }
    cluster.issues.extend(seen.issues.iter().cloned());
    for pool in &seen.node_pools {
        cluster.issues.extend(pool.issues.iter().map(|issue| format!("pool {}: {issue}", pool.name)));
        let shown = Pool {
            name: pool.name.clone(),
            instance_type: pool.instance_types.first().cloned(),
            spot: pool.spot,
            ready: None,
            desired: pool.desired,
            min: pool.min,
            max: pool.max,
        };
        match cluster.node_pools.iter_mut().find(|known| known.name == pool.name) {
            Some(known) => *known = shown,
            None => cluster.node_pools.push(shown),
        }
    }
}

async fn audit(
    env: &Env,
    provider: &Arc<dyn Provider>,
    known: &stacks::Known,
) -> Result<crate::engine::Audit, CliError> {
    let mut session = Session {
        backend: provider.backend(),
        journal: Box::new(ReadOnly),
        clock: Arc::clone(&env.clock),
        ids: Arc::clone(&env.ids),
        observer: Arc::new(Nobody),
        stop: env.stop.receiver(),
        options: Options::default(),
        gate: None,
    };
    Ok(session.audit(&known.state).await?)
}

/// An audit writes nothing.
struct ReadOnly;

impl Journal for ReadOnly {
    fn append(&mut self, _: Timestamp, _: Option<&RunId>, _: &Event) -> Result<Record, JournalError> {
        Err(JournalError { message: "a look writes nothing".to_owned(), disk_full: false })
    }
}

/// Nobody watches a look.
struct Nobody;

impl Observer for Nobody {
    fn record(&self, _: &Record) {}
    fn tick(&self, _: &Tick) {}
}

/// Shows it again whenever it changes, until a signal.
async fn watch(env: &Env, request: &StatusRequest) -> Result<Exit, CliError> {
    let mut last = None;
    loop {
        let status = env.reading(look(env, request)).await?;
        // Money runs; only what stands beside it counts as a change.
        let mut without_money = status.clone();
        without_money.clusters.iter_mut().for_each(|cluster| cluster.accrued_usd = None);
        if last.as_ref() != Some(&without_money) {
            env.ui.show(env.now(), &status, None);
            last = Some(without_money);
        }
        env.reading(async {
            env.clock.sleep(LOOK_AGAIN).await;
            Ok(())
        })
        .await?;
    }
}

/// A place that answered, and said no.
fn is_refusal(failure: &StatusFailure) -> bool {
    !matches!(failure.error.class.as_str(), "unreachable" | "timeout" | "interrupted")
}

/// A removal that was begun here and that no process here goes on with.
fn is_abandoned(cluster: &StatusCluster) -> bool {
    cluster.phase == Phase::Deleting && cluster.lock.is_none()
}

/// Returns when the goal is reached, or cannot be any more.
async fn wait(env: &Env, request: &StatusRequest, name: &ClusterName, goal: Goal) -> Result<Exit, CliError> {
    let mut waiting = env.ui.waiting(&format!("waiting for {name}"));
    loop {
        let seen = env.reading(look(env, request)).await;
        let word = match &seen {
            Ok(status) => status.clusters.first().map_or("absent", |cluster| cluster.phase.as_str()),
            Err(error) if error.id == "KW-NOT-FOUND" => "absent",
            Err(_) => "unknown",
        };
        match (goal, seen) {
            // What the cloud refuses today it refuses tomorrow: wrong account, no permission, dead credentials.
            (_, Ok(status)) if status.failures.iter().any(is_refusal) => {
                drop(waiting);
                return report(env, request, &status);
            }
            (Goal::Ready, Ok(status)) => match status.clusters.first().map(|cluster| cluster.phase) {
                Some(Phase::Ready) if status.complete => {
                    drop(waiting);
                    return report(env, request, &status);
                }
                Some(Phase::Failed | Phase::Deleting | Phase::Incomplete) => {
                    drop(waiting);
                    let error = CliError::new(
                        "KW-INCOMPLETE",
                        format!("`{name}` is {word} and will not become ready by itself"),
                    )
                    .hint(if word == Phase::Deleting.as_str() {
                        format!("kubewright destroy {name} --confirm {name}")
                    } else {
                        format!("kubewright provision {name}")
                    });
                    env.ui.show(env.now(), &status, Some(&error));
                    return Err(error);
                }
                _ => {}
            },
            (Goal::Deleted, Err(error)) if error.id == "KW-NOT-FOUND" => {
                drop(waiting);
                env.ui.show(env.now(), &Status { complete: true, clusters: Vec::new(), failures: Vec::new() }, None);
                return Ok(Exit::DONE);
            }
            // The cloud may come back; a wrong account, a typing error or a signal will not.
            (_, Err(error)) if error.id == "KW-UNREACHABLE" => {}
            (_, Err(error)) => return Err(error),
            (Goal::Deleted, Ok(status)) if status.clusters.first().is_some_and(is_abandoned) => {
                drop(waiting);
                let error = CliError::new(
                    "KW-INCOMPLETE",
                    format!("the removal of `{name}` has begun and nobody is at work on it any more"),
                )
                .hint(format!("kubewright destroy {name} --confirm {name}"));
                env.ui.show(env.now(), &status, Some(&error));
                return Err(error);
            }
            (Goal::Deleted, Ok(_)) => {}
        }
        waiting.note(&env.ui, &format!("{name}: {word}"));
        env.reading(async {
            env.clock.sleep(LOOK_AGAIN).await;
            Ok(())
        })
        .await?;
    }
}
