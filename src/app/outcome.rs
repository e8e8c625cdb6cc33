//! From the engine's report to documents and errors: what stands, what it costs, which exit code it earns.

use super::money;
use crate::engine::{Audit, Failure, Identity, Item, Outcome, Plan, PlannedStep, Report, StackState, StepState};
use crate::env::StopCause;
use crate::error::{Class, CliError, Exit};
use crate::model::doc::{self, Origin, Res};

/// Every object of a plan, as the journal knows it.
pub(super) fn resources(plan: &Plan, state: &StackState) -> Vec<Res> {
    plan.steps.iter().map(|step| resource(plan, step, state.step(&step.id))).collect()
}

fn resource(plan: &Plan, step: &PlannedStep, state: &StepState) -> Res {
    let reference = state.resource();
    Res {
        step: Some(step.id.to_string()),
        kind: step.kind.clone(),
        id: reference.map(|reference| reference.id.clone()),
        name: reference.and_then(|reference| reference.name.clone()),
        region: plan.region.to_string(),
        zone: None,
        state: if state.name() == "delete-failed" { "deleteFailed".to_owned() } else { state.name().to_owned() },
        origin: origin(&step.identity),
        usd_per_hour: money::of_step(step),
    }
}

const fn origin(identity: &Identity) -> Origin {
    match identity {
        Identity::Tags | Identity::Name { .. } => Origin::Own,
        Identity::Child { .. } | Identity::Member { .. } => Origin::Child,
        Identity::OneWay { .. } => Origin::Oneway,
        Identity::External { .. } => Origin::External,
    }
}

/// What stands now costs this much an hour, as it is shown.
pub(super) fn hourly(plan: &Plan, state: &StackState) -> Option<f64> {
    rate(plan, state).map(doc::shown)
}

/// The same to the last decimal, to be multiplied by hours.
pub(super) fn rate(plan: &Plan, state: &StackState) -> Option<f64> {
    let standing = plan.steps.iter().filter(|step| state.step(&step.id).resource().is_some());
    standing.map(|step| Some(money::range_of(step)?.desired)).sum()
}

/// The engine's second look as a document.
pub(super) fn audit(audit: &Audit) -> doc::Audit {
    let name = |item: &Item| match &item.note {
        Some(note) => format!("{} {} ({note})", item.resource.kind, item.resource.id),
        None => format!("{} {}", item.resource.kind, item.resource.id),
    };
    doc::Audit {
        clean: audit.clean,
        checked: audit.checked,
        missing: audit.missing.iter().map(name).collect(),
        unexpected: audit.unexpected.iter().map(name).collect(),
    }
}

/// What is ours and stands.
pub(super) fn remaining(item: &Item, plan: Option<&Plan>, why: Option<String>) -> doc::Remaining {
    let step = plan.and_then(|plan| plan.step(&item.step));
    let own = step.is_some_and(|step| step.kind == item.resource.kind);
    doc::Remaining {
        step: Some(item.step.to_string()),
        kind: item.resource.kind.clone(),
        id: item.resource.id.clone(),
        why: why.or_else(|| item.note.clone()),
        usd_per_hour: match (item.usd_per_hour, step) {
            (Some(usd), _) => Some(usd),
            (None, Some(step)) if own => money::of_step(step),
            (None, _) => None,
        },
    }
}

/// The cause of a run that did not get where it should, before the exit code is settled.
pub(super) fn cause(report: &Report, stopped: Option<StopCause>) -> Option<CliError> {
    let failed =
        || report.failures.iter().max_by_key(|failure| weight(failure)).map(|failure| from_failure(failure, report));
    match report.outcome {
        Outcome::Done => None,
        Outcome::Failed => Some(failed().unwrap_or_else(|| {
            let mut error =
                CliError::new("KW-INCOMPLETE", "the second look found what should not be, or missed what should");
            if let Some(audit) = &report.audit {
                let lines = audit.missing.iter().map(|item| ("missing", item));
                for (word, item) in lines.chain(audit.unexpected.iter().map(|item| ("unexpected", item))) {
                    error.details.push(format!("{word}: {} {}", item.resource.kind, item.resource.id));
                }
            }
            error
        })),
        Outcome::Stopped => {
            let word = stopped.map_or("a signal", StopCause::word);
            Some(CliError::new("KW-INTERRUPTED", format!("{word} stopped the run; everything in flight is recorded")))
        }
        Outcome::TimedOut => Some(CliError::new("KW-TIMEOUT", "the time given by --timeout ran out")),
    }
}

/// A cause that a person can act on beats one that only says that something else was in the way.
const fn weight(failure: &Failure) -> u8 {
    use crate::engine::ErrorClass as C;
    match failure.error.class {
        C::Auth => 7,
        C::Quota | C::Capacity => 6,
        C::Permanent => 5,
        C::Conflict => 4,
        C::NotYet => 2,
        C::Transient | C::Throttled => 1,
    }
}

fn from_failure(failure: &Failure, report: &Report) -> CliError {
    let mut error: CliError = failure.error.clone().into();
    if let Some(step) = &failure.step {
        error.step = Some(step.to_string());
        error.resource = report
            .steps
            .iter()
            .find(|one| one.step == *step)
            .and_then(|one| one.state.resource())
            .map(|resource| resource.id.clone());
        error.message = format!("{step}: {}", error.message);
    }
    let others = report.failures.len().saturating_sub(1);
    if others > 0 {
        for other in report.failures.iter().filter(|other| *other != failure).take(5) {
            let step = other.step.as_ref().map(|step| format!("{step}: ")).unwrap_or_default();
            error.details.push(format!("also {step}{}", other.error.message));
        }
    }
    error
}

/// Settles the exit code in the order of the contract: a signal; 9 if something remains; else the cause.
pub(super) fn settle(mut error: CliError, stopped: Option<StopCause>, something_remains: bool) -> CliError {
    error.exit = match stopped {
        Some(StopCause::Interrupt) => Exit::INTERRUPT,
        Some(StopCause::Terminate) => Exit::TERMINATED,
        Some(StopCause::Hangup) => Exit::HANGUP,
        Some(StopCause::Timeout) | None if something_remains => Exit::INCOMPLETE,
        Some(StopCause::Timeout) => Exit::TIMEOUT,
        None if error.class == Class::Incomplete => Exit::INCOMPLETE,
        None => error.class.exit(),
    };
    error
}
