//! The second look: is everything there that the journal says, is nothing there that it does not say?
//!
//! Reads only.

use super::{
    Audit, ErrorClass, Identity, Item, Mode, Plan, ResourceRef, RunInfo, Session, StackState, StepError, StepId,
    StepState, Swept,
    run::{Cut, Run},
    task::{Task, inputs},
};
use futures::stream::{self, StreamExt};
use jiff::Timestamp;
use std::collections::HashSet;

/// How long a look into another object's inside is tried again.
const INSIDE_SECS: u32 = 20;

impl Session {
    /// Reads every recorded object by id, and everything that carries the stack's tags. Changes and records nothing.
    ///
    /// # Errors
    /// When the cloud could not be read, or the journal knows no plan.
    pub async fn audit(&mut self, state: &StackState) -> Result<Audit, StepError> {
        let Some(plan) = state.plan().cloned() else {
            return Err(StepError::new(ErrorClass::Permanent, "KW-NOTHING-RECORDED", "no plan is recorded to audit"));
        };
        let info = RunInfo {
            run: self.ids.run_id(),
            host: String::new(),
            pid: 0,
            user: String::new(),
            version: String::new(),
        };
        // Nothing is journalled here; the copy only satisfies the run's shape.
        let mut copy = state.clone();
        let (run, stop) = Run::of(self, &mut copy, plan.stack.clone(), info, Mode::Provision);
        match run.attend(stop, after_build(&run, &plan)).await.0 {
            Some(Ok(audit)) => Ok(audit),
            Some(Err(Cut::Step(error))) => Err(*error),
            Some(Err(Cut::Halted | Cut::Later)) | None => {
                Err(StepError::new(ErrorClass::Transient, "KW-INTERRUPTED", "the audit was interrupted"))
            }
        }
    }
}

/// What an audit that is not clean amounts to.
pub(super) fn complaint(audit: &Audit) -> StepError {
    let ids = |items: &[Item]| {
        items.iter().map(|item| format!("{} `{}`", item.resource.kind, item.resource.id)).collect::<Vec<_>>().join(", ")
    };
    let mut parts = Vec::new();
    if !audit.missing.is_empty() {
        parts.push(format!("recorded but not in the cloud: {}", ids(&audit.missing)));
    }
    if !audit.unexpected.is_empty() {
        parts.push(format!("ours in the cloud but not recorded: {}", ids(&audit.unexpected)));
    }
    // What is gone can be made anew; what is there too much is for people to judge.
    let id = if audit.missing.is_empty() { "KW-UNRECORDED" } else { "KW-DRIFT" };
    let message = format!("the audit disagrees with the journal; {}", parts.join("; "));
    let error = StepError::new(ErrorClass::Conflict, id, message);
    if audit.unexpected.is_empty() {
        return error;
    }
    error
        .with_hint("a copy that took the tags along? take the tag `kubewright-stack` off it, and it counts no more")
        .with_hint("made by another kubewright for this stack? `destroy` removes it with all the rest")
}

pub(super) fn item(step: &StepId, resource: &ResourceRef) -> Item {
    Item { step: step.clone(), resource: resource.clone(), note: None, usd_per_hour: None }
}

/// Every recorded object read by id; everything tagged compared with the record.
pub(super) async fn after_build(run: &Run<'_>, plan: &Plan) -> Result<Audit, Cut> {
    let recorded: Vec<(usize, ResourceRef, Timestamp)> = run.state(|state| {
        let made = plan.steps.iter().enumerate().filter_map(|(place, step)| match state.step(&step.id) {
            StepState::Acted { resource, at, .. } | StepState::Ready { resource, at, .. } => {
                Some((place, resource.clone(), *at))
            }
            _ => None,
        });
        made.collect()
    });
    let mut audit = Audit::default();
    let reads = recorded.into_iter().map(|(place, resource, at)| async move {
        let step = &plan.steps[place];
        let inputs = run.state(|state| inputs(step, state));
        let task = Task::new(run, Some(plan), step, inputs)?;
        let inside = step.dies_with.is_some();
        let deadline = if inside { run.in_secs(INSIDE_SECS) } else { task.deadline() };
        match task.look_by_id(&resource, at, deadline).await {
            // From here its holder's inside cannot be seen; that the holder stands is checked by itself.
            Err(Cut::Step(error)) if inside => {
                tracing::warn!(step = %step.id, %error, "not audited");
                Ok(None)
            }
            seen => Ok::<_, Cut>(Some(seen?.is_none().then(|| item(&step.id, &resource)))),
        }
    });
    let mut reads = stream::iter(reads).buffer_unordered(run.options.parallel.max(1));
    while let Some(read) = reads.next().await {
        if let Some(missing) = read? {
            audit.checked += 1;
            audit.missing.extend(missing);
        }
    }
    drop(reads);
    let swept = sweep(run).await?;
    audit.unexpected = run.state(|state| unrecorded(plan, state, &swept));
    audit.checked += audit.unexpected.len();
    audit.clean = audit.missing.is_empty() && audit.unexpected.is_empty();
    Ok(audit)
}

/// Everything that carries our tags or names.
pub(super) async fn sweep(run: &Run<'_>) -> Result<Vec<Swept>, Cut> {
    run.wide("sweep", || run.backend.sweep(&run.stack)).await
}

/// Swept objects that the journal does not know. What the cluster made under our tags (its machines and their disks)
/// belongs to the recorded object that ordered it.
fn unrecorded(plan: &Plan, state: &StackState, swept: &[Swept]) -> Vec<Item> {
    let mut known: HashSet<&str> = HashSet::new();
    for (_, resource) in state.resources() {
        known.insert(&resource.id);
        known.extend(resource.parts.values().map(String::as_str));
    }
    let never_ours: HashSet<&StepId> = plan
        .steps
        .iter()
        .filter(|step| matches!(step.identity, Identity::External { .. }))
        .map(|step| &step.id)
        .collect();
    swept
        .iter()
        .filter(|found| !known.contains(found.seen.reference.id.as_str()))
        .filter(|found| found.seen.evidence.caused.is_none() && !never_ours.contains(&found.step.id))
        .map(|found| item(&found.step.id, &found.seen.reference))
        .collect()
}
