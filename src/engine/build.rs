//! Provisioning: runs a plan towards everything ready, from whatever state the journal shows.
//!
//! The scheduler is here; what one step goes through is in [`super::drive`].

use super::{
    ErrorClass, Event, Identity, Item, Mode, Plan, Report, RunInfo, Session, StackState, Standing, StepError,
    StepState, audit,
    drive::Drive,
    run::{Cut, Run, refused},
    task::{Task, inputs},
};
use futures::stream::{FuturesUnordered, StreamExt};
use std::{cmp::Reverse, collections::BinaryHeap};

impl Session {
    /// Builds, or goes on building. The first call on an empty journal records the plan; a later one may bring
    /// another plan as long as it changes only steps that were never made. Refuses a stack whose removal has begun.
    ///
    /// `state` is the folded journal and is kept in step with it.
    pub async fn provision(&mut self, plan: &Plan, state: &mut StackState, info: RunInfo) -> Report {
        if let Err(error) = may_build(plan, state) {
            return refused(state, info, Mode::Provision, error);
        }
        let (run, stop) = Run::of(self, state, plan.stack.clone(), info, Mode::Provision);
        let (done, ending) = run.attend(stop, build(&run, plan)).await;
        let (goal, audit) = done.unwrap_or_default();
        run.tally(|tally| tally.kept = untouchable(plan, &run));
        run.finish(ending, goal, audit)
    }
}

/// What is never undone, or was brought along.
pub(super) fn untouchable(plan: &Plan, run: &Run<'_>) -> Vec<Item> {
    let steps = plan.steps.iter().filter(|step| !step.identity.is_undone());
    let items = steps.filter_map(|step| {
        let note = match step.identity {
            Identity::External { .. } => "brought along",
            _ => "shared by the whole account, never removed",
        };
        let resource = run.step_state(&step.id).resource()?.clone();
        Some(Item { step: step.id.clone(), resource, note: Some(note.to_owned()), usd_per_hour: None })
    });
    items.collect()
}

/// Refusals that need no look at the cloud.
pub(super) fn may_build(plan: &Plan, state: &StackState) -> Result<(), StepError> {
    plan.validate().map_err(|fault| StepError::new(ErrorClass::Permanent, "KW-PLAN", fault.to_string()))?;
    let refuse = |id: &str, message: String| Err(StepError::new(ErrorClass::Conflict, id, message));
    match state.standing() {
        Standing::Destroying => {
            let message = format!("the removal of `{}` has begun and has to be finished first", plan.stack.name);
            return refuse("KW-DELETING", message);
        }
        Standing::Destroyed => {
            let message = format!("`{}` was destroyed; a new build is a new stack", plan.stack);
            return refuse("KW-DELETING", message);
        }
        Standing::Unfinished | Standing::Ready => {}
    }
    match state.plan() {
        Some(_) => state.fits(plan).or_else(|why| {
            refuse("KW-PLAN-CHANGED", format!("`{}` cannot be built to another plan: {why}", plan.stack.name))
        }),
        None if state.seq() == 0 => Ok(()),
        None => refuse("KW-DELETING", format!("the journal of `{}` knows no plan, only a removal", plan.stack)),
    }
}

/// Records the plan where it is new. `found`: read back from the cloud, to rebuild a lost journal.
pub(super) fn record_plan(run: &Run<'_>, plan: &Plan, found: bool) -> Result<(), Cut> {
    let known = run.state(|state| state.plan().cloned());
    let plan_hash = || plan.hash();
    let event = match known {
        None => Event::Planned { plan: Box::new(plan.clone()), plan_hash: plan_hash(), found },
        Some(known) if *known != *plan => Event::Replanned {
            plan: Box::new(plan.clone()),
            plan_hash: plan_hash(),
            why: "the spec of steps that were not made yet changed".to_owned(),
        },
        Some(_) => return Ok(()),
    };
    run.append(event).map(drop)
}

async fn build(run: &Run<'_>, plan: &Plan) -> (bool, Option<super::Audit>) {
    if record_plan(run, plan, false).and_then(|()| run.start()).is_err() {
        return (false, None);
    }
    run_steps(run, plan).await;
    if run.stopped() {
        return (false, None);
    }
    match audit::after_build(run, plan).await {
        Ok(audit) => {
            let clean = audit.clean;
            if !clean {
                run.fail(None, audit::complaint(&audit));
            }
            (clean, Some(audit))
        }
        Err(Cut::Step(error)) => {
            run.fail(None, *error);
            (false, None)
        }
        Err(Cut::Halted | Cut::Later) => (false, None),
    }
}

/// Runs every step as soon as its needs are ready, longest remaining path first. After a failure nothing new starts
/// and what is under way gets to a record.
async fn run_steps(run: &Run<'_>, plan: &Plan) {
    let remaining = plan.remaining_secs();
    let dependents = plan.dependents();
    let mut missing: Vec<usize> = plan.steps.iter().map(|step| step.needs.len()).collect();
    let mut scheduled = vec![false; plan.steps.len()];
    let mut free = BinaryHeap::new();
    run.state(|state| {
        for (at, step) in plan.steps.iter().enumerate() {
            // What was ready before only has to be read once, all at the same time; what may have to be made anew
            // waits for its needs like everything that is made.
            let only_read = !run.options.recreate && matches!(state.step(&step.id), StepState::Ready { .. });
            if missing[at] == 0 || only_read {
                scheduled[at] = true;
                free.push((remaining[at], Reverse(at)));
            }
        }
    });
    let mut under_way = FuturesUnordered::new();
    loop {
        while !run.stopped()
            && under_way.len() < run.options.parallel.max(1)
            && let Some((_, Reverse(at))) = free.pop()
        {
            under_way.push(async move { (at, step(run, plan, at).await) });
        }
        let Some((at, ready)) = under_way.next().await else { break };
        if !ready {
            continue;
        }
        for next in &dependents[at] {
            missing[*next] -= 1;
            if missing[*next] == 0 && !std::mem::replace(&mut scheduled[*next], true) {
                free.push((remaining[*next], Reverse(*next)));
            }
        }
    }
}

/// Whether the step is ready now. Failures are recorded and stop the run.
async fn step(run: &Run<'_>, plan: &Plan, at: usize) -> bool {
    let step = &plan.steps[at];
    let inputs = run.state(|state| inputs(step, state));
    let driven = match Task::new(run, Some(plan), step, inputs) {
        Ok(task) => Box::pin(Drive::new(&task).bring_to_ready()).await,
        Err(error) => Err(error.with_residue(super::Residue::Unknown).into()),
    };
    match driven {
        Ok(()) => true,
        Err(Cut::Halted | Cut::Later) => false,
        Err(Cut::Step(error)) => {
            record_failure(run, plan, at, *error);
            false
        }
    }
}

fn record_failure(run: &Run<'_>, plan: &Plan, at: usize, mut error: StepError) {
    let step = &plan.steps[at];
    let in_doubt = run.state(|state| state.doubted_since().is_some());
    let recorded = match run.step_state(&step.id) {
        // Whether the lost builder had made it is still not known.
        StepState::Pending if in_doubt => false,
        // Nothing was sent for it, whatever a failed read may say about itself.
        StepState::Pending | StepState::Deleted { .. } => {
            error.residue = super::Residue::None;
            true
        }
        StepState::Intended { .. } | StepState::Acted { .. } | StepState::Failed { .. } => true,
        // A drift, or a deletion that failed and is recorded as such.
        StepState::Ready { .. } | StepState::Deleting { .. } | StepState::DeleteFailed { .. } => false,
    };
    run.fail(Some(step.id.clone()), error.clone());
    if recorded {
        // If even this cannot be written, the run is over anyway and says so.
        let _ = run.append(Event::Failed { step: step.id.clone(), error });
    }
    run.stop();
}
