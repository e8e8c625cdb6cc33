//! `history`: the journal in words. Who, what, when, how long, what it cost; and whether the journal is still what was
//! written. Reads journals and nothing else.

mod verify;

use super::{accrual, outcome, stacks};
use crate::engine::{Event, Mode, Plan, Record, RunOutcome, Standing, StepError, StepId};
use crate::env::Env;
use crate::error::{CliError, Exit};
use crate::model::doc::{Chain, History, HistoryEntry, HistoryRun, Stack};
use crate::model::{ClusterName, StackId, time::Since};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::HashMap;

/// What was asked for.
#[derive(Debug, Clone)]
pub struct HistoryRequest {
    /// NAME.
    pub name: ClusterName,
    /// `--stack`.
    pub stack: Option<StackId>,
    /// `--all`.
    pub all: bool,
    /// `--since`.
    pub since: Option<Since>,
    /// `--run`.
    pub run: Option<String>,
    /// `--verify`.
    pub verify: bool,
}

/// Stands for the run that acted last.
const LAST: &str = "last";

/// Runs the verb. No network.
pub fn run(env: &Env, request: &HistoryRequest) -> Result<Exit, CliError> {
    let named = stacks::named(env, &request.name, request.stack)?;
    if named.is_empty() {
        return Err(CliError::new("KW-NOTHING-RECORDED", format!("there is no journal of `{}` here", request.name)));
    }
    if request.verify {
        return verify::run(env, &named);
    }
    let mut failed = None;
    let mut known = Vec::new();
    if request.all {
        for stack in &named {
            match stacks::read(env, stack) {
                Ok(one) => known.push(one),
                Err(error) => {
                    env.ui.warn(&format!("{stack}: {error}"));
                    failed = Some(error);
                }
            }
        }
        known.sort_by_key(|known| std::cmp::Reverse(known.state.started_at()));
    } else {
        match stacks::any(env, &request.name, request.stack)? {
            Some(one) => known.push(one),
            // There are some, and none can be read: why is what the user wants to know.
            None => {
                return Err(named.iter().find_map(|stack| stacks::read(env, stack).err()).unwrap_or_else(|| {
                    CliError::new("KW-NOTHING-RECORDED", format!("`{}` was never begun", request.name))
                }));
            }
        }
    }
    let mut docs = known.iter().map(|known| history(env, request, known)).collect::<Result<Vec<_>, _>>()?.into_iter();
    let Some(mut doc) = docs.next() else {
        return Err(failed.unwrap_or_else(|| CliError::new("KW-NOTHING-RECORDED", "nothing was recorded")));
    };
    doc.others = docs.collect();
    let shown = &known[0].stack;
    doc.other_stacks = named.iter().filter(|stack| *stack != shown).map(ToString::to_string).collect();
    env.ui.show(env.now(), &doc, failed.as_ref());
    failed.map_or(Ok(Exit::DONE), Err)
}

fn history(env: &Env, request: &HistoryRequest, known: &stacks::Known) -> Result<History, CliError> {
    let from = request.since.map(|since| since.from(env.now()));
    let plan = known.state.plan();
    let alive = stacks::holder(env, &known.stack).is_some();
    let mut runs = runs(&known.records, alive);
    let mut events = entries(&known.records, plan.map(AsRef::as_ref));
    if let Some(wanted) = &request.run {
        let id = picked(wanted, &runs, request)?;
        runs.retain(|run| run.id == id);
        events.retain(|event| event.run.as_deref() == Some(id.as_str()));
    }
    if let Some(from) = from {
        events.retain(|event| event.at >= from);
        let seen = |run: &HistoryRun| events.iter().any(|event| event.run.as_deref() == Some(run.id.as_str()));
        runs.retain(seen);
    }
    Ok(History {
        stack: Stack {
            name: known.stack.name.to_string(),
            id: Some(known.stack.id.to_string()),
            provider: plan.map_or_else(String::new, |plan| plan.provider.to_string()),
            account: plan.map(|plan| plan.account.clone()),
            region: plan.map_or_else(String::new, |plan| plan.region.to_string()),
        },
        standing: match known.state.standing() {
            Standing::Ready => "ready",
            Standing::Unfinished => "unfinished",
            Standing::Destroying => "deleting",
            Standing::Destroyed => "destroyed",
        }
        .to_owned(),
        destroyed_at: known.destroyed_at(),
        usd_per_hour: plan.and_then(|plan| outcome::hourly(plan, &known.state)),
        accrued_usd: accrual::accrued(known, env.now()),
        runs,
        events,
        chain: chain(known),
        other_stacks: Vec::new(),
        others: Vec::new(),
        every_event: env.settings.verbose > 0,
    })
}

fn chain(known: &stacks::Known) -> Chain {
    Chain { events: known.records.len(), head: known.head.clone(), torn_bytes: known.torn }
}

/// The one run that these letters begin.
fn picked(wanted: &str, runs: &[HistoryRun], request: &HistoryRequest) -> Result<String, CliError> {
    let fits: Vec<&HistoryRun> = match wanted {
        LAST => runs.last().into_iter().collect(),
        _ => runs.iter().filter(|run| run.id.starts_with(wanted)).collect(),
    };
    match fits.as_slice() {
        [one] => Ok(one.id.clone()),
        [] => {
            let mut error = CliError::new("KW-NOT-FOUND", format!("`{}` has no run `{wanted}`", request.name));
            error.details = runs.iter().map(|run| format!("{}  {} by {}", run.id, run.verb, run.user)).collect();
            Err(error)
        }
        _ => Err(CliError::usage(format!("{} runs begin with `{wanted}`; write more of the id", fits.len()))),
    }
}

/// Every run with its end. `alive`: somebody works on the stack now.
fn runs(records: &[Record], alive: bool) -> Vec<HistoryRun> {
    let mut runs: Vec<HistoryRun> = Vec::new();
    for record in records {
        match &record.event {
            Event::RunStarted { run, mode, host, pid, user, version } => runs.push(HistoryRun {
                id: run.to_string(),
                verb: mode_word(*mode).to_owned(),
                user: user.clone(),
                host: host.clone(),
                pid: *pid,
                version: version.clone(),
                started_at: record.at,
                ended_at: None,
                seconds: 0,
                outcome: "killed".to_owned(),
                error_id: None,
                error: None,
                mutating_calls: None,
            }),
            Event::RunEnded { run, outcome, mutating_calls, error } => {
                let id = run.to_string();
                if let Some(run) = runs.iter_mut().rev().find(|run| run.id == id) {
                    run.ended_at = Some(record.at);
                    run.seconds = seconds(run.started_at, record.at);
                    run.outcome = outcome_word(*outcome).to_owned();
                    run.error_id = error.as_ref().map(|error| error.id.clone());
                    run.error = error.as_ref().map(|error| error.message.clone());
                    run.mutating_calls = Some(*mutating_calls);
                }
            }
            _ => {
                let last = runs.last_mut().filter(|run| record.run.as_ref().is_some_and(|id| id.to_string() == run.id));
                if let Some(run) = last {
                    run.seconds = seconds(run.started_at, record.at);
                }
            }
        }
    }
    if let Some(last) = runs.last_mut().filter(|run| alive && run.ended_at.is_none()) {
        "running".clone_into(&mut last.outcome);
    }
    runs
}

fn seconds(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.as_second() - from.as_second()).unwrap_or(0)
}

/// Every event; what ends something knows how long that took.
fn entries(records: &[Record], plan: Option<&Plan>) -> Vec<HistoryEntry> {
    let mut begun: HashMap<(Option<String>, String), Timestamp> = HashMap::new();
    records.iter().map(|record| entry(record, plan, &mut begun)).collect()
}

fn entry(
    record: &Record,
    plan: Option<&Plan>,
    begun: &mut HashMap<(Option<String>, String), Timestamp>,
) -> HistoryEntry {
    let mut detail = serde_json::to_value(&record.event).unwrap_or(Value::Null);
    let event = detail.get("event").and_then(Value::as_str).unwrap_or_default().to_owned();
    if let Value::Object(fields) = &mut detail {
        // A whole plan per line would drown what people look for; `provision --dry-run` shows plans.
        fields.remove("plan");
        fields.remove("event");
    }
    let (step, text) = words(&record.event);
    let (resource, error) = about(&record.event);
    let planned = step.as_ref().and_then(|step| plan?.step(&StepId::new(step.clone())));
    let run = record.run.as_ref().map(ToString::to_string);
    // Something the cluster made is counted by itself, not with the step it hangs on.
    let thing = match (&step, &record.event) {
        (
            Some(step),
            Event::DeleteIntent { extra: true, resource, .. } | Event::DeleteFailed { extra: true, resource, .. },
        ) => Some(format!("{step} {}", resource.id)),
        (Some(step), Event::Deleted { extra: true, resource: Some(resource), .. }) => {
            Some(format!("{step} {}", resource.id))
        }
        (step, _) => step.clone(),
    };
    let since = thing.map(|thing| *begun.entry((run.clone(), thing)).or_insert(record.at));
    let ends = matches!(
        record.event,
        Event::Ready { .. } | Event::Failed { .. } | Event::Deleted { .. } | Event::DeleteFailed { .. }
    );
    HistoryEntry {
        seq: record.seq,
        at: record.at,
        run,
        event,
        kind: resource.map(|resource| resource.kind.clone()).or_else(|| planned.map(|step| step.kind.clone())),
        resource: resource.map(|resource| resource.id.clone()),
        seconds: since.filter(|_| ends).map(|since| seconds(since, record.at)),
        error_id: error.map(|error| error.id.clone()),
        step,
        text,
        detail,
    }
}

/// The object and the failure an event tells of.
fn about(event: &Event) -> (Option<&crate::engine::ResourceRef>, Option<&StepError>) {
    match event {
        Event::Acted { resource, .. }
        | Event::Ready { resource, .. }
        | Event::Adopted { resource, .. }
        | Event::DeleteIntent { resource, .. } => (Some(resource), None),
        Event::Deleted { resource, .. } => (resource.as_ref(), None),
        Event::DeleteFailed { resource, error, .. } => (Some(resource), Some(error)),
        Event::Failed { error, .. } => (None, Some(error)),
        Event::RunEnded { error, .. } => (None, error.as_ref()),
        Event::Planned { .. }
        | Event::Replanned { .. }
        | Event::RunStarted { .. }
        | Event::Intent { .. }
        | Event::Note { .. } => (None, None),
    }
}

/// An event in words, with the step it is about.
fn words(event: &Event) -> (Option<String>, String) {
    let about = |step: &StepId, text: String| (Some(step.to_string()), format!("{step}  {text}"));
    match event {
        Event::Planned { plan, plan_hash, .. } => {
            (None, format!("planned {} resources, plan {}", plan.steps.len(), short(plan_hash)))
        }
        Event::Replanned { why, plan_hash, .. } => (None, format!("replanned: {why}, plan {}", short(plan_hash))),
        Event::RunStarted { mode, host, pid, user, .. } => {
            (None, format!("{} by {user}@{host} pid {pid}", mode_word(*mode)))
        }
        Event::Intent { step, generation, .. } if *generation > 1 => {
            about(step, format!("creating, attempt {generation}"))
        }
        Event::Intent { step, .. } => about(step, "creating".to_owned()),
        Event::Acted { step, resource } => about(step, format!("made {}", resource.id)),
        Event::Ready { step, resource, .. } => about(step, format!("ready {}", resource.id)),
        Event::Failed { step, error } => about(step, format!("failed: {}", error.message)),
        Event::Adopted { step, resource } => about(step, format!("adopted {}", resource.id)),
        Event::DeleteIntent { step, resource, .. } => about(step, format!("deleting {}", resource.id)),
        Event::Deleted { step, resource, .. } => about(
            step,
            format!("deleted {}", resource.as_ref().map_or("", |resource| resource.id.as_str())).trim_end().to_owned(),
        ),
        Event::DeleteFailed { step, resource, error, .. } => {
            about(step, format!("{} would not go: {}", resource.id, error.message))
        }
        Event::Note { what } => (None, what.clone()),
        Event::RunEnded { outcome, mutating_calls, error, .. } => {
            let why = error.as_ref().map(|error| format!(": {}", error.message)).unwrap_or_default();
            (None, format!("run {}, {mutating_calls} mutating calls{why}", outcome_word(*outcome)))
        }
    }
}

fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}

const fn mode_word(mode: Mode) -> &'static str {
    match mode {
        Mode::Provision => "provision",
        Mode::Destroy => "destroy",
        Mode::Recover => "recover",
    }
}

const fn outcome_word(outcome: RunOutcome) -> &'static str {
    match outcome {
        RunOutcome::Done => "done",
        RunOutcome::Failed => "failed",
        RunOutcome::Stopped => "stopped",
    }
}
