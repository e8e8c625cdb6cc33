//! `status`: one cluster in depth or all own stacks; from the journals alone, or with the cloud's word.

mod wait;
pub(in crate::app) mod wide;

use super::{accrual, cloud, command::program, money, outcome, provision::host_and_port, readiness, stacks, tags};
use crate::engine::{
    Event, Journal, JournalError, Observer, Options, Plan, Record, RunId, RunOutcome, Session, Standing, StepId,
    StepState, Tick, proof,
};
use crate::env::Env;
use crate::error::{CliError, Exit};
use crate::model::doc::{Drift, Lock, Owner, Phase, Pool, Stack, Status, StatusCluster, StatusFailure};
use crate::model::{Cloud, ClusterName, ResolvedSpec};
use crate::providers::{CloudCluster, Provider, owner_of};
use jiff::Timestamp;
use std::sync::Arc;

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
    /// `--all`.
    pub all: bool,
    /// `--local`.
    pub local: bool,
    /// `--watch`.
    pub watch: bool,
    /// `--wait`.
    pub wait: Option<Goal>,
    /// `--check`.
    pub check: bool,
}

/// Runs the verb.
pub async fn run(env: &Env, request: StatusRequest) -> Result<Exit, CliError> {
    if let (Some(goal), Some(name)) = (request.wait, &request.name) {
        return wait::wait(env, &request, name, goal).await;
    }
    if request.watch {
        return wait::watch(env, &request).await;
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
    } else if request.all {
        wide::incomplete(&status.failures, status.regions.map_or(0, |regions| regions.read))
    } else if let Some(failure) = status.failures.first() {
        let mut error =
            CliError::new("KW-UNREACHABLE", format!("{} was not read: {}", place(failure), failure.error.message));
        if request.name.is_some() {
            // One cluster was asked for: the cause decides.
            caused_by(&mut error, failure);
        }
        error.hints.clone_from(&failure.error.hints);
        Some(error)
    } else {
        None
    };
    env.ui.show(env.now(), status, error.as_ref());
    error.map_or(Ok(Exit::DONE), Err)
}

/// `aws/us-east-1`; with the project or subscription where several can be meant.
fn place(failure: &StatusFailure) -> String {
    let StatusFailure { provider, account, region, .. } = failure;
    let several = provider.parse::<Cloud>().is_ok_and(|cloud| cloud.terms().account_flag.is_some());
    match account.as_ref().filter(|_| several) {
        Some(account) => format!("{provider}/{account}/{region}"),
        None => format!("{provider}/{region}"),
    }
}

/// Gives an error the cause of this failure.
fn caused_by(error: &mut CliError, failure: &StatusFailure) {
    error.id.clone_from(&failure.error.id);
    if let Some(entry) = crate::error::explain(&failure.error.id) {
        error.class = entry.class;
    }
    if let Some((exit, _)) = crate::error::EXIT_CODES.iter().find(|(exit, _)| exit.code() == failure.error.exit) {
        error.exit = *exit;
    }
}

fn empty() -> Status {
    Status { complete: true, regions: None, clusters: Vec::new(), failures: Vec::new() }
}

/// One look at what was asked for.
async fn look(env: &Env, request: &StatusRequest) -> Result<Status, CliError> {
    if request.all {
        return wide::look(env).await;
    }
    let mut status = empty();
    let known = match &request.name {
        None => stacks::all_live(env)?,
        Some(name) => match stacks::any(env, name, None)?.inspect(|known| stacks::warn_of_expiry(env, known)) {
            Some(known) if known.state.standing() != Standing::Destroyed => vec![Ok(known)],
            gone if request.local => return Err(absent(env, name, gone.as_ref())),
            gone => {
                let found = foreign(env, name).await?;
                status.clusters.push(found.ok_or_else(|| absent(env, name, gone.as_ref()))?);
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
                status.complete = false;
                status.failures.push(unreadable(env, &stack, &error));
            }
        }
    }
    Ok(status)
}

/// A journal that cannot be read is a place that was not looked at.
fn unreadable(env: &Env, stack: &crate::model::Stack, error: &CliError) -> StatusFailure {
    env.ui.warn(&format!("{stack}: {error}"));
    StatusFailure { provider: "journal".to_owned(), account: None, region: stack.to_string(), error: error.to_doc() }
}

fn absent(env: &Env, name: &ClusterName, gone: Option<&stacks::Known>) -> CliError {
    match gone.and_then(stacks::Known::destroyed_at) {
        Some(at) => {
            CliError::new("KW-NOT-FOUND", format!("`{name}` was destroyed (proved {})", at.strftime("%Y-%m-%d %H:%MZ")))
        }
        None => {
            CliError::new("KW-NOT-FOUND", format!("no stack `{name}`")).hint(format!("{} recover {name}", program(env)))
        }
    }
}

/// A cluster without a journal here: ours from elsewhere, or somebody else's.
async fn foreign(env: &Env, name: &ClusterName) -> Result<Option<StatusCluster>, CliError> {
    let cloud = cloud::implied(env)?;
    let connected = cloud::connect(env, cloud, None, None).await?;
    let provider = &connected.provider;
    let Some(seen) = provider.cluster(name.as_str()).await? else { return Ok(None) };
    Ok(Some(unknown_here(&connected.who.account, provider.as_ref(), &seen)))
}

/// A cluster without a journal here, as the cloud tells of it.
fn unknown_here(account: &str, provider: &dyn Provider, seen: &CloudCluster) -> StatusCluster {
    let stack = Stack {
        name: seen.stack.as_ref().map_or_else(|| seen.name.clone(), |stack| stack.name.to_string()),
        id: seen.stack.as_ref().map(|stack| stack.id.to_string()),
        provider: provider.cloud().to_string(),
        account: Some(account.to_owned()),
        region: provider.region().to_string(),
    };
    let mut cluster = blank(stack, phase_of(seen));
    match &seen.stack {
        None => {
            "other".clone_into(&mut cluster.managed_by);
            cluster.owner = owner_of(&seen.tags).map(|owner| Owner {
                tool: owner.tool.to_owned(),
                by: None,
                evidence: Some(owner.evidence),
            });
        }
        Some(_) => {
            cluster.owner = Some(ours(seen.tags.get(tags::TAG_BUILDER).cloned(), Some(proof::TAG_STACK)));
        }
    }
    cluster.expires_at = proof::expires_at(&seen.tags);
    cluster.protect = proof::protects(&seen.tags);
    fill_from_cloud(&mut cluster, seen);
    cluster
}

fn ours(by: Option<String>, tag: Option<&str>) -> Owner {
    Owner { tool: "kubewright".to_owned(), by, evidence: tag.map(|tag| format!("tag {tag}")) }
}

/// Where a cluster is in its life that no journal here tells of.
fn phase_of(seen: &CloudCluster) -> Phase {
    match seen.status.to_ascii_uppercase().as_str() {
        "CREATING" | "PROVISIONING" | "PENDING" => Phase::Building,
        "DELETING" | "STOPPING" => Phase::Deleting,
        "FAILED" | "ERROR" | "CANCELED" => Phase::Failed,
        _ if seen.issues.is_empty() && is_well(&seen.status) => Phase::Ready,
        _ => Phase::Degraded,
    }
}

fn blank(stack: Stack, phase: Phase) -> StatusCluster {
    StatusCluster {
        stack,
        managed_by: "kubewright".to_owned(),
        owner: None,
        phase,
        cloud_status: None,
        version: None,
        support_ends: None,
        host: None,
        port: None,
        reachable: None,
        node_pools: Vec::new(),
        usd_per_hour: None,
        usd_per_hour_at_least: None,
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
            account: Some(plan.account.clone()),
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
        cluster.owner = Some(ours(plan.tags.get(tags::TAG_BUILDER).cloned(), None));
        cluster.usd_per_hour = outcome::hourly(plan, state);
        cluster.accrued_usd = accrual::accrued(known, env.now());
        cluster.expires_at = known.expires_at();
        if let Ok(spec) = serde_json::from_value::<ResolvedSpec>(plan.spec.clone()) {
            cluster.version = Some(spec.version.clone());
            cluster.provider_config = config_of(&spec);
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

/// What only this cloud has of a spec.
fn config_of(spec: &ResolvedSpec) -> Option<serde_json::Value> {
    let of = match spec.provider {
        Cloud::Aws => serde_json::to_value(&spec.aws),
        Cloud::Gcp => serde_json::to_value(&spec.gcp),
        Cloud::Azure => serde_json::to_value(&spec.azure),
    };
    of.ok().filter(|value| !value.is_null())
}

async fn live(env: &Env, known: &stacks::Known, cluster: &mut StatusCluster) -> Result<(), CliError> {
    let Some(plan) = known.state.plan() else { return Ok(()) };
    let connected = cloud::connect_at(env, plan.provider, Some(plan.region.clone()), Some(&plan.account)).await?;
    verify(env, &connected.provider, known, cluster).await
}

/// What the cloud and the cluster itself say of a stack whose journal is here.
async fn verify(
    env: &Env,
    provider: &Arc<dyn Provider>,
    known: &stacks::Known,
    cluster: &mut StatusCluster,
) -> Result<(), CliError> {
    let Some(plan) = known.state.plan() else { return Ok(()) };
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
