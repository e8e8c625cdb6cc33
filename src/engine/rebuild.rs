//! Recovering a lost journal: finds the object of every planned step and records it, so that any machine can go on.
//!
//! Creates and deletes nothing; only idempotent follow-ups may be repeated.

use super::{
    ErrorClass, Event, Inputs, Mode, Outputs, Plan, PlannedStep, Probe, Report, RunInfo, Session, StackState, StepId,
    StepState,
    build::{may_build, record_plan, untouchable},
    drive::best_first,
    run::{Cut, Run, refused},
    task::{Task, inputs},
};
use futures::stream::{FuturesUnordered, StreamExt};
use jiff::Timestamp;

impl Session {
    /// Rebuilds a journal from the cloud: finds the object of every planned step by its identity and records it.
    /// What is usable is recorded as ready; the rest is for the next `provision`, duplicates included.
    ///
    /// `plan` is the one that the stack's own tags tell of; the journal is empty.
    pub async fn recover(&mut self, plan: &Plan, state: &mut StackState, info: RunInfo) -> Report {
        if let Err(error) = may_build(plan, state) {
            return refused(state, info, Mode::Recover, error);
        }
        let (run, stop) = Run::of(self, state, plan.stack.clone(), info, Mode::Recover);
        let (done, ending) = run.attend(stop, rebuild(&run, plan)).await;
        run.tally(|tally| tally.kept = untouchable(plan, &run));
        run.finish(ending, done.unwrap_or(false), None)
    }
}

async fn rebuild(run: &Run<'_>, plan: &Plan) -> bool {
    if record_plan(run, plan, true).and_then(|()| run.start()).is_err() {
        return false;
    }
    let began = run.now();
    let dependents = plan.dependents();
    let mut missing: Vec<usize> = plan.steps.iter().map(|step| step.needs.len()).collect();
    let mut free: Vec<usize> = (0..plan.steps.len()).filter(|at| missing[*at] == 0).collect();
    let mut looks = FuturesUnordered::new();
    let mut found: Vec<usize> = Vec::new();
    loop {
        while !run.stopped()
            && looks.len() < run.options.parallel.max(1)
            && let Some(at) = free.pop()
        {
            looks.push(async move { (at, find(run, plan, at, began).await) });
        }
        match looks.next().await {
            None => break,
            Some((_, Err(Cut::Halted | Cut::Later))) => {}
            // What needs a thing that is not there may stand all the same: somebody may have deleted its need.
            Some((at, Ok(there))) => {
                if there {
                    found.push(at);
                }
                for next in &dependents[at] {
                    missing[*next] -= 1;
                    if missing[*next] == 0 {
                        free.push(*next);
                    }
                }
            }
            Some((at, Err(Cut::Step(error)))) => {
                run.fail(Some(plan.steps[at].id.clone()), *error);
                run.stop();
            }
        }
    }
    drop(looks);
    if run.stopped() {
        return false;
    }
    for at in found.into_iter().rev() {
        let built_upon = dependents[at].iter().any(|next| run.step_state(&plan.steps[*next].id) != StepState::Pending);
        if let Err(Cut::Step(error)) = complete(run, plan, at, built_upon).await {
            run.fail(Some(plan.steps[at].id.clone()), *error);
        }
    }
    !run.stopped()
}

/// Looks for one step's object and records it. A creating call of the lost builder may still be on its way, so only
/// a look through the whole settle window says that there is none.
async fn find(run: &Run<'_>, plan: &Plan, at: usize, began: Timestamp) -> Result<bool, Cut> {
    let step = &plan.steps[at];
    match run.step_state(&step.id) {
        StepState::Pending => {}
        _ => return Ok(true), // an earlier recovery got this far
    }
    let task = Task::new(run, Some(plan), step, live_inputs(run, plan, at).await?)?;
    let seen = match task.look_settled(began, task.deadline()).await {
        Ok(seen) => seen,
        // What cannot be seen from here is found when it is made again: its holder keeps its name.
        Err(Cut::Step(error)) if step.dies_with.is_some() => {
            tracing::warn!(step = %step.id, %error, "not looked for");
            return Ok(false);
        }
        Err(cut) => return without_a_place(run, step, cut).map(|()| false),
    };
    let mut ours = best_first(seen).into_iter();
    let Some(best) = ours.next() else { return Ok(false) };
    if step.identity.is_undone() {
        // Announced here and deleted by whatever comes next: a recovery itself deletes nothing.
        for duplicate in ours.filter(|seen| seen.reference.id != best.reference.id) {
            task.announce(&duplicate.reference, true)?;
        }
    }
    run.append(Event::Adopted { step: step.id.clone(), resource: best.reference })?;
    Ok(true)
}

/// A part of something that is not there has no place to be looked at, so it is not there either; every other failure
/// to look stays one.
pub(super) fn without_a_place(run: &Run<'_>, step: &PlannedStep, cut: Cut) -> Result<(), Cut> {
    let lacks = || run.state(|state| step.needs.iter().any(|need| state.step(need).resource().is_none()));
    match cut {
        Cut::Step(error) if error.id == "KW-PLAN" && lacks() => Ok(()),
        cut => Err(cut),
    }
}

/// Records a found object as ready where it can be used. One that others were built upon had been ready before; for
/// the others nobody knows whether their builder got through the follow-ups, so those are repeated.
async fn complete(run: &Run<'_>, plan: &Plan, at: usize, built_upon: bool) -> Result<(), Cut> {
    let step = &plan.steps[at];
    let StepState::Acted { resource, .. } = run.step_state(&step.id) else { return Ok(()) };
    let task = Task::new(run, Some(plan), step, live_inputs(run, plan, at).await?)?;
    let (id, service, deadline) = (task.id(), step.service.as_str(), task.deadline());
    let probe = run.call(id, service, deadline, || task.code().probe(task.scope(), &resource)).await?;
    if probe != Probe::Ready {
        return Ok(());
    }
    if !built_upon && step.identity.is_undone() {
        let seen = task.look_by_id(&resource, run.now(), deadline).await?;
        let Some(Ok(owned)) = seen.map(|seen| task.prove(seen)) else { return Ok(()) };
        run.call(id, service, deadline, || task.code().converge(task.scope(), &owned)).await?;
    }
    let outputs = run.call(id, service, deadline, || task.code().outputs(task.scope(), &resource)).await?;
    run.append(Event::Ready { step: id.clone(), resource, outputs }).map(drop)
}

/// Inputs as far as the journal has them, and read from the cloud where it does not yet.
pub(super) async fn live_inputs(run: &Run<'_>, plan: &Plan, at: usize) -> Result<Inputs, Cut> {
    let step = &plan.steps[at];
    let mut known = run.state(|state| inputs(step, state));
    for need in &step.needs {
        if known.0.contains_key(need) {
            continue;
        }
        if let Some(outputs) = live_outputs(run, plan, need).await? {
            known.0.insert(need.clone(), outputs);
        }
    }
    Ok(known)
}

/// A made step's outputs, read from the cloud. None where there is no object, or none with outputs yet: what needs
/// them then says so itself.
pub(super) async fn live_outputs(run: &Run<'_>, plan: &Plan, id: &StepId) -> Result<Option<Outputs>, Cut> {
    let Some(step) = plan.step(id) else { return Ok(None) };
    let Some(resource) = run.state(|state| state.step(id).resource().cloned()) else { return Ok(None) };
    let task = Task::new(run, Some(plan), step, run.state(|state| inputs(step, state)))?;
    let soon = run.in_secs(30);
    let read = run.call(task.id(), &step.service, soon, || task.code().outputs(task.scope(), &resource)).await;
    match read {
        Ok(outputs) => Ok(Some(outputs)),
        Err(Cut::Step(error)) if error.class != ErrorClass::Auth => Ok(None),
        Err(cut) => Err(cut),
    }
}
