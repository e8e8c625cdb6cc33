//! Usual durations that learn from this machine's own runs. Kept in one small file that is only ever a summary of the
//! journals: missing, damaged or of another version, it is made anew from them. Nothing of a plan changes by it.

use super::{money, stacks};
use crate::engine::{Mode, Observer, Paced, Paces, Plan, RunId, StepId};
use crate::env::Env;
use crate::model::Stack;
use crate::model::doc::{Basis, Eta};
use crate::store::StateDir;
use crate::ui::Watched;
use std::sync::Arc;

/// What is usual here.
pub(super) fn usual(env: &Env) -> Paces {
    load(env).unwrap_or_else(|| rebuild(env))
}

/// A plan as this machine's past makes it look.
pub(super) fn paced(env: &Env, plan: &Plan) -> Paced {
    usual(env).over(plan)
}

/// How long a plan takes, and where that is from.
pub(super) fn eta(Paced { plan, learned }: &Paced) -> Eta {
    let eta = plan.eta();
    let of_history = plan.critical_path().iter().any(|step| learned.contains(*step));
    let basis = if of_history { Basis::History } else { Basis::Table };
    Eta { p50_seconds: eta.p50.as_secs(), p90_seconds: eta.p90.as_secs(), basis }
}

/// Learns from a run that has come to its end. What goes wrong here is not worth a word to anybody.
pub(super) fn learn(env: &Env, stack: &Stack, run: &RunId) {
    let Some(mut paces) = load(env) else {
        rebuild(env);
        return;
    };
    if let Ok(known) = stacks::read(env, stack) {
        paces.learn(&known.records, Some(run));
        keep(env, &paces);
    }
}

fn load(env: &Env) -> Option<Paces> {
    let text = StateDir::open(&env.home).durations()?;
    serde_json::from_str(&text).ok().filter(Paces::is_current)
}

/// From every journal that can be read, those of destroyed stacks included.
fn rebuild(env: &Env) -> Paces {
    let mut paces = Paces::default();
    let known = StateDir::open(&env.home).list().unwrap_or_default();
    let mut all: Vec<_> = known.iter().filter_map(|known| stacks::read(env, &known.stack).ok()).collect();
    all.sort_by_key(|known| known.records.last().map(|record| record.at));
    all.iter().for_each(|known| paces.learn(&known.records, None));
    if !all.is_empty() {
        keep(env, &paces);
    }
    paces
}

fn keep(env: &Env, paces: &Paces) {
    let text = serde_json::to_string(paces).expect("numbers and names are JSON");
    if let Err(error) = StateDir::open(&env.home).keep_durations(&text) {
        env.ui.detail(&format!("what steps took is not remembered: {}", error.message));
    }
}

/// Watches a run by what is usual here. `done` are the steps that need no work in this direction.
pub(super) fn observer(env: &Env, plan: &Plan, done: Vec<StepId>, mode: Mode) -> Arc<dyn Observer> {
    let usd = plan.steps.iter().map(|step| (step.id.clone(), money::of_step(step))).collect();
    let plan = &paced(env, plan).plan;
    env.ui.observer(Watched { plan, done, mode, usd })
}
