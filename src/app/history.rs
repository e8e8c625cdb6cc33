//! `history`: the journal in words.

use super::stacks;
use crate::engine::{Event, Mode, Record, RunOutcome};
use crate::env::Env;
use crate::error::{CliError, Exit};
use crate::model::doc::{History, HistoryEntry, Stack};
use crate::model::{ClusterName, StackId};
use serde_json::Value;
use std::time::Duration;

/// What was asked for.
#[derive(Debug, Clone)]
pub struct HistoryRequest {
    /// NAME.
    pub name: ClusterName,
    /// `--stack`.
    pub stack: Option<StackId>,
    /// `--since`.
    pub since: Option<Duration>,
}

/// Runs the verb. No network.
pub fn run(env: &Env, request: &HistoryRequest) -> Result<Exit, CliError> {
    let known = stacks::any(env, &request.name, request.stack)?.ok_or_else(|| {
        CliError::new("KW-NOTHING-RECORDED", format!("there is no journal of `{}` here", request.name))
    })?;
    let from = request.since.and_then(|span| env.now().checked_sub(span).ok());
    let plan = known.state.plan();
    let doc = History {
        stack: Stack {
            name: known.stack.name.to_string(),
            id: Some(known.stack.id.to_string()),
            provider: plan.map_or_else(String::new, |plan| plan.provider.to_string()),
            account: plan.map(|plan| plan.account.clone()),
            region: plan.map_or_else(String::new, |plan| plan.region.to_string()),
        },
        events: known.records.iter().filter(|record| from.is_none_or(|from| record.at >= from)).map(entry).collect(),
    };
    env.ui.show(env.now(), &doc, None);
    Ok(Exit::DONE)
}

fn entry(record: &Record) -> HistoryEntry {
    let mut detail = serde_json::to_value(&record.event).unwrap_or(Value::Null);
    let event = detail.get("event").and_then(Value::as_str).unwrap_or_default().to_owned();
    if let Value::Object(fields) = &mut detail {
        // A whole plan per line would drown what people look for; `provision --dry-run` shows plans.
        fields.remove("plan");
        fields.remove("event");
    }
    let (step, text) = words(&record.event);
    HistoryEntry {
        seq: record.seq,
        at: record.at,
        run: record.run.as_ref().map(ToString::to_string),
        event,
        step,
        text,
        detail,
    }
}

/// An event in words, with the step it is about.
fn words(event: &Event) -> (Option<String>, String) {
    let about = |step: &crate::engine::StepId, text: String| (Some(step.to_string()), format!("{step}  {text}"));
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
            let word = match outcome {
                RunOutcome::Done => "done",
                RunOutcome::Failed => "failed",
                RunOutcome::Stopped => "stopped",
            };
            let why = error.as_ref().map(|error| format!(": {}", error.message)).unwrap_or_default();
            (None, format!("run {word}, {mutating_calls} mutating calls{why}"))
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
