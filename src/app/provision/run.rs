//! Show, ask, build, wait for nodes, report.

use super::{OnFailure, ProvisionRequest, WaitFor, prepare::Prepared, report};
use crate::app::kubeconfig::{self, Written};
use crate::app::{durations, money, outcome, readiness, spread, stacks, token};
use crate::engine::{
    Event, Mode, Observer, Options, Outcome, Owned, Plan, Report, Session, StackState, StepId, StepState, Teardown,
};
use crate::env::{Env, StopCause};
use crate::error::{Class, CliError, Exit};
use crate::model::doc::{Kubeconfig, Provision, ProvisionOutcome};
use crate::providers::{CheckStatus, CloudCluster};
use crate::ui::{Answer, Format, style::hourly};
use std::sync::Arc;

/// From the plan to the exit code.
pub(super) async fn decide(env: &Env, request: &ProvisionRequest, prepared: Prepared) -> Result<Exit, CliError> {
    let view = report::plan_view(env, &prepared);
    let refusal = refusal(request, &prepared);
    for other in &prepared.beside {
        env.ui.warn(&format!(
            "this file built `{}`, which still stands ({}); names cannot be changed, so this builds a SECOND cluster",
            other.name,
            hourly(other.usd_per_hour)
        ));
    }
    if request.dry_run {
        env.ui.show(env.now(), &view, refusal.as_ref());
        return refusal.map_or(Ok(Exit::DONE), Err);
    }
    if let Some(error) = refusal {
        env.ui.show(env.now(), &view, Some(&error));
        return Err(error);
    }
    if !prepared.is_finished() {
        // Programs get one document at the end; people see what they are asked about.
        if env.settings.format == Format::Table {
            env.ui.say_at_length(view.text(env.now(), env.ui.style()).trim_end());
        }
        beside(env, request, &prepared).await?;
        let (question, stands) = question(&prepared);
        if !env.settings.yes {
            match env.reading(env.ui.ask(&question, "--yes")).await {
                Ok(Answer::Yes) => {}
                Ok(Answer::No) => {
                    let error = CliError::new("KW-DECLINED", format!("declined; {stands}"));
                    let doc = report::untouched(env, &prepared, ProvisionOutcome::Declined);
                    env.ui.show(env.now(), &doc, Some(&error));
                    return Err(error);
                }
                Err(error) => {
                    let doc = report::untouched(env, &prepared, ProvisionOutcome::Declined);
                    env.ui.show(env.now(), &doc, Some(&error));
                    return Err(error);
                }
            }
        }
    }
    build(env, request, prepared).await
}

/// A file whose name was changed builds a second cluster; that must be meant. `--yes` does not answer this: it spends
/// what the plan says, and the plan does not know of the other one.
async fn beside(env: &Env, request: &ProvisionRequest, prepared: &Prepared) -> Result<(), CliError> {
    let new = &prepared.place.name;
    for other in prepared.beside.iter().filter(|other| !request.beside.contains(&other.name)) {
        let name = &other.name;
        let together = money::sum([other.usd_per_hour, Some(prepared.cost.totals.usd_per_hour.desired)]);
        let question = format!("Build {new} beside {name} ({} together)?", hourly(together));
        let refused = match env.reading(env.ui.ask(&question, &format!("--beside {name}"))).await {
            Ok(Answer::Yes) => continue,
            Ok(Answer::No) => CliError::new("KW-DECLINED", "declined; nothing was created"),
            Err(error) => error,
        };
        env.ui.show(env.now(), &report::untouched(env, prepared, ProvisionOutcome::Declined), Some(&refused));
        return Err(refused);
    }
    Ok(())
}

/// What stops before the first write, the gravest first.
fn refusal(request: &ProvisionRequest, prepared: &Prepared) -> Option<CliError> {
    if let Some(expected) = &request.expect_plan
        && *expected != prepared.hash
    {
        return Some(
            CliError::new(
                "KW-PLAN-CHANGED",
                format!(
                    "the plan is not the expected one: {} instead of {expected}; nothing was created",
                    prepared.hash
                ),
            )
            .hint("look at it with --dry-run"),
        );
    }
    let failed: Vec<_> = prepared.checks.iter().filter(|check| check.status == CheckStatus::Fail).collect();
    if let Some(first) = failed.first() {
        let class = first.class.map_or(Class::Spec, |class| {
            CliError::from(crate::engine::StepError::new(class, "KW-PREFLIGHT", "")).class
        });
        let mut error = CliError::new(&first.id, format!("{}; nothing was created", first.message));
        error.class = if class == Class::Unexpected { Class::Spec } else { class };
        error.exit = error.class.exit();
        error.hints.clone_from(&first.hints);
        for other in &failed[1..] {
            error.details.push(format!("{}: {}", other.id, other.message));
            error.hints.extend(other.hints.iter().cloned());
        }
        return Some(error);
    }
    if prepared.is_finished() { None } else { prepared.over_budget.clone() }
}

fn question(prepared: &Prepared) -> (String, String) {
    let hourly = prepared.cost.totals.usd_per_hour.desired;
    match &prepared.known {
        None => (format!("Build and start paying ${hourly:.4}/h?"), "nothing was created".to_owned()),
        Some(_) if prepared.changes.is_empty() => {
            (format!("Continue building, up to ${hourly:.4}/h?"), "nothing more was created".to_owned())
        }
        Some(_) => (
            format!("Continue with {}, up to ${hourly:.4}/h?", prepared.changes.join("; ")),
            "nothing more was created".to_owned(),
        ),
    }
}

async fn build(env: &Env, request: &ProvisionRequest, prepared: Prepared) -> Result<Exit, CliError> {
    let resumed = prepared.known.is_some();
    let held = stacks::hold(env, &prepared.plan.stack, "provision").await?;
    // Between the look and the lock another process may have moved on.
    let (journal, mut state) = stacks::open_for_writing(env, &held, prepared.known.as_ref())?;
    if resumed && !prepared.is_finished() {
        env.ui.say(&format!(
            "continuing {}: {} of {} steps done",
            prepared.plan.stack.name,
            ready(&state).len(),
            prepared.plan.steps.len()
        ));
    }
    let observer = watch(env, &prepared.plan, &state, Mode::Provision);
    let mut session = Session {
        backend: prepared.cloud.provider.backend(),
        journal,
        clock: Arc::clone(&env.clock),
        ids: Arc::clone(&env.ids),
        observer,
        stop: env.stop.receiver(),
        options: Options { timeout: env.time_left(), ..Options::default() },
        gate: env.auth_gate(&prepared.cloud.provider),
    };
    if let Some(path) = &prepared.path {
        note(env, &mut session, &mut state, &prepared, stacks::file_note(path))?;
    }
    note_override(env, &mut session, &mut state, request, &prepared)?;
    let calls_before = session.backend.mutating_calls();
    if resumed && !prepared.is_finished() {
        renew_anchors(env, &mut session, &mut state, &prepared).await?;
    }
    let renewing = session.backend.mutating_calls() - calls_before;
    let mut report = session.provision(&prepared.plan, &mut state, env.run_info()).await;
    // The bars go before a question or the answer comes.
    session.observer = Arc::new(Silent);
    if report.outcome == Outcome::Failed
        && report::only_drift(&report)
        && consent_to_recreate(env, &prepared, &report).await
    {
        session.options.recreate = true;
        let calls = report.mutating_calls;
        session.observer = watch(env, &prepared.plan, &state, Mode::Provision);
        report = session.provision(&prepared.plan, &mut state, env.run_info()).await;
        report.mutating_calls += calls;
        session.observer = Arc::new(Silent);
    }
    report.mutating_calls += renewing;
    let mut rolled_back = None;
    let mut built = Built::judge(env, request, &prepared, &state, &report, resumed).await;
    if let Some(why) = built.error.as_ref().filter(|_| rolls_back(env, request, &prepared)) {
        env.ui.say(&format!("the build failed: {why}"));
        env.ui.say("removing what it made (--on-failure rollback)");
        let undone = roll_back(env, &mut session, &mut state, &prepared).await;
        built.undo(env, &prepared, &undone).await;
        rolled_back = Some(undone);
    }
    drop(session);
    for run in std::iter::once(&report).chain(&rolled_back).map(|report| &report.run) {
        durations::learn(env, &prepared.plan.stack, run);
    }
    conclude(env, &prepared, &state, built)
}

/// Whether a build that did not get where it should is taken down again. A signal leaves everything as it is: whoever
/// sent it wants to decide. What was finished before this run is no failed build, whatever was found wrong with it.
fn rolls_back(env: &Env, request: &ProvisionRequest, prepared: &Prepared) -> bool {
    request.on_failure == OnFailure::Rollback && env.stop.cause().is_none() && !prepared.is_finished()
}

/// The spec in the tags of what stands follows the plan, before anything is built to it: `recover` on another machine
/// must rebuild the journal of what is really there. Looked at on every continuation, so that a kill in between heals.
async fn renew_anchors(
    env: &Env,
    session: &mut Session,
    state: &mut StackState,
    prepared: &Prepared,
) -> Result<(), CliError> {
    let (provider, stack) = (&prepared.cloud.provider, &prepared.plan.stack);
    let wanted = provider.anchor_tags(&prepared.spec);
    let swept = env.reading(async { Ok(session.backend.sweep(stack).await?) }).await?;
    let stale = spread::speakers(stack, &swept).filter(|(_, tags)| {
        let anchors = wanted.keys().next().is_some_and(|first| tags.contains_key(first));
        anchors && wanted.iter().any(|(key, value)| tags.get(key) != Some(value))
    });
    let stale = stale.map(|(owned, _)| owned).filter(|owned| provider.retags(&owned.reference().kind));
    let stale: Vec<Owned> = stale.collect();
    if stale.is_empty() {
        return Ok(());
    }
    let what = format!("the spec in the tags of {} objects follows the plan", stale.len());
    note(env, session, state, prepared, what)?;
    env.reading(async { Ok(provider.retag(stack, &stale, &wanted).await?) }).await
}

/// The steps that stand.
fn ready(state: &StackState) -> Vec<StepId> {
    let steps = state.steps().filter(|(_, step)| matches!(step, StepState::Ready { .. }));
    steps.map(|(id, _)| id.clone()).collect()
}

/// The steps of which nothing stands.
fn unmade(plan: &Plan, state: &StackState) -> Vec<StepId> {
    plan.steps.iter().filter(|step| state.step(&step.id).is_unmade()).map(|step| step.id.clone()).collect()
}

fn watch(env: &Env, plan: &Plan, state: &StackState, mode: Mode) -> Arc<dyn Observer> {
    let done = if mode == Mode::Destroy { unmade(plan, state) } else { ready(state) };
    durations::observer(env, plan, done, mode)
}

fn note_override(
    env: &Env,
    session: &mut Session,
    state: &mut StackState,
    request: &ProvisionRequest,
    prepared: &Prepared,
) -> Result<(), CliError> {
    if !request.limits.override_budget || prepared.verdict.verdict != "overridden" {
        return Ok(());
    }
    let unknown = match prepared.cost.unknown.as_slice() {
        [] => String::new(),
        names => format!(" and what is not known ({})", names.join(", ")),
    };
    let what = format!(
        "budget overridden by {}: ${:.4}/h{unknown} at maximum, limit ${:.4}/h",
        env.builder(),
        prepared.cost.totals.usd_per_hour.max,
        prepared.verdict.limit_usd_per_hour.unwrap_or_default()
    );
    note(env, session, state, prepared, what)
}

/// Writes a note; in a new journal after the plan, which is the first line of every one.
fn note(
    env: &Env,
    session: &mut Session,
    state: &mut StackState,
    prepared: &Prepared,
    what: String,
) -> Result<(), CliError> {
    let bad = |fault: crate::engine::BadTransition| CliError::new("KW-JOURNAL", fault.to_string());
    if state.plan().is_none() {
        let planned =
            Event::Planned { plan: Box::new(prepared.plan.clone()), plan_hash: prepared.hash.clone(), found: false };
        let record = session.journal.append(env.now(), None, &planned)?;
        state.apply(&record).map_err(bad)?;
    }
    let record = session.journal.append(env.now(), None, &Event::Note { what })?;
    state.apply(&record).map_err(bad)
}

/// What was ready and is gone is made anew only with consent.
async fn consent_to_recreate(env: &Env, prepared: &Prepared, report: &Report) -> bool {
    for failure in &report.failures {
        env.ui.warn(&failure.error.message);
    }
    // What was within its limit when it was made may not be within today's.
    if let Some(over) = &prepared.over_budget {
        env.ui.warn(&format!("what is gone is not made anew: {}", over.message));
        return false;
    }
    env.settings.yes || matches!(env.reading(env.ui.ask("Make anew what is gone?", "--yes")).await, Ok(Answer::Yes))
}

async fn roll_back(env: &Env, session: &mut Session, state: &mut StackState, prepared: &Prepared) -> Report {
    let plan = Arc::new(prepared.plan.clone());
    session.observer = watch(env, &plan, state, Mode::Destroy);
    session.options.timeout = None;
    let work = Teardown::from_plan(&plan, state);
    let report = session.teardown(work, state, env.run_info()).await;
    session.observer = Arc::new(Silent);
    report
}

/// What a run came to, before it is told.
struct Built {
    doc: Provision,
    /// Why it is not what was asked for.
    error: Option<CliError>,
    stopped: Option<StopCause>,
    context: Option<Written>,
}

impl Built {
    /// After the engine: waits for nodes where everything else is well.
    async fn judge(
        env: &Env,
        request: &ProvisionRequest,
        prepared: &Prepared,
        state: &StackState,
        report: &Report,
        resumed: bool,
    ) -> Self {
        let late = || (report.outcome == Outcome::TimedOut).then_some(StopCause::Timeout);
        let stopped = env.stop.cause().or_else(late);
        let doc = report::provision(env, prepared, state, report, resumed);
        let mut built = Self { doc, error: outcome::cause(report, stopped), stopped, context: None };
        if built.error.is_none() {
            built.await_nodes(env, request, prepared).await;
        }
        built
    }

    async fn await_nodes(&mut self, env: &Env, request: &ProvisionRequest, prepared: &Prepared) {
        match report::cluster(env, prepared, &mut self.doc).await {
            Ok(seen) => {
                if let Some(seen) = &seen {
                    self.context = write_context(env, prepared, seen).await;
                    self.doc.kubeconfig = self.context.as_ref().map(in_document);
                }
                if request.wait == WaitFor::Nodes {
                    let provider = prepared.cloud.provider.as_ref();
                    self.error = readiness::wait_for_nodes(env, provider, &prepared.plan, &mut self.doc).await.err();
                }
            }
            // Everything stands and the audit said so; only the last look at it failed.
            Err(failed) => env.ui.warn(&format!("cannot read the finished cluster: {failed}")),
        }
        if let Some(error) = &self.error {
            let late = error.exit == Exit::TIMEOUT;
            self.stopped = env.stop.cause().or_else(|| late.then_some(StopCause::Timeout));
            if self.doc.outcome != ProvisionOutcome::Unchanged {
                self.doc.outcome = ProvisionOutcome::Incomplete;
            }
        }
    }

    /// It was taken down again, or not quite.
    async fn undo(&mut self, env: &Env, prepared: &Prepared, undone: &Report) {
        let (doc, clean) = (&mut self.doc, undone.outcome == Outcome::Done);
        doc.outcome = if clean { ProvisionOutcome::RolledBack } else { ProvisionOutcome::Incomplete };
        doc.audit = undone.audit.as_ref().map(outcome::audit);
        doc.mutating_calls += undone.mutating_calls;
        if clean {
            (doc.commands, doc.cluster, doc.kubeconfig) = (None, None, None);
            doc.usd_per_hour = Some(0.0);
            if let Some(error) = self.error.as_mut().filter(|error| error.class == Class::Incomplete) {
                // Nothing is incomplete any more: nodes that had all the time there is are a matter of time.
                error.class = Class::Timeout;
                error.hints.clear();
            }
            let provider = prepared.cloud.provider.as_ref();
            let cluster = provider.cluster_name(&prepared.plan.stack);
            kubeconfig::forget_destroyed(env, provider, &prepared.cloud.who.account, &cluster).await;
        }
    }
}

fn conclude(env: &Env, prepared: &Prepared, state: &StackState, built: Built) -> Result<Exit, CliError> {
    let Built { mut doc, error, stopped, context } = built;
    let Some(error) = error else {
        env.ui.show(env.now(), &doc, None);
        report::farewell(env, prepared, &doc, context.as_ref());
        return Ok(Exit::DONE);
    };
    doc.resources = outcome::resources(&prepared.plan, state);
    // What was finished before and is untouched does not "remain": no build of it has failed.
    let done = matches!(doc.outcome, ProvisionOutcome::RolledBack | ProvisionOutcome::Unchanged);
    let remains = !done && report::something_stands(&prepared.plan, state);
    let stopped = env.stop.cause().or(stopped);
    let mut error = outcome::settle(error, stopped, remains);
    if doc.outcome == ProvisionOutcome::RolledBack {
        error.details.push("rolled back: nothing is left of it, $0.00/h".to_owned());
    }
    if remains {
        doc.usd_per_hour = outcome::hourly(&prepared.plan, state);
        let made = doc.resources.iter().filter(|res| res.id.is_some()).count();
        error.details.push(format!(
            "running: {made} of {} resources, {}",
            doc.resources.len(),
            crate::ui::style::hourly(doc.usd_per_hour)
        ));
        let commands = prepared.place.commands();
        error.hints.push(format!("continue with         {}", commands.resume));
        error.hints.push(format!("or remove everything  {}", commands.destroy));
    }
    env.ui.show(env.now(), &doc, Some(&error));
    Err(error)
}

/// The context where kubectl looks; the first token needs no call then.
async fn write_context(env: &Env, prepared: &Prepared, seen: &CloudCluster) -> Option<Written> {
    let (provider, account) = (prepared.cloud.provider.as_ref(), prepared.cloud.who.account.as_str());
    token::remember_account(env, provider.cloud(), account);
    let name = &prepared.plan.stack.name;
    kubeconfig::after_provision(env, provider, account, seen, name).await
}

fn in_document(written: &Written) -> Kubeconfig {
    Kubeconfig { path: written.path.display().to_string(), context: written.context.clone() }
}

/// Watches nothing.
struct Silent;

impl Observer for Silent {
    fn record(&self, _: &crate::engine::Record) {}
    fn tick(&self, _: &crate::engine::Tick) {}
}
