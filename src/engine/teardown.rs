//! What a teardown has to remove, and in which order: from the journal, from the tags, or from both.

use super::{
    Item, Observed, Plan, PlannedStep, StackState, StepId, SweepPoint, Swept, audit::item, proof::prove_found,
};
use crate::model::Stack;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

/// Everything known about one step that may have left something.
#[derive(Debug, Clone)]
pub(super) struct Target {
    /// How to delete it.
    pub(super) step: PlannedStep,
    /// Whether the journal knows that nothing of it stands.
    pub(super) unmade: bool,
    /// What the search found.
    pub(super) seen: Vec<Observed>,
    /// Duplicates the journal knows.
    pub(super) extras: Vec<super::ResourceRef>,
}

/// The work of a teardown.
#[derive(Debug, Clone)]
pub struct Teardown {
    pub(super) stack: Stack,
    pub(super) plan: Option<Arc<Plan>>,
    pub(super) targets: BTreeMap<StepId, Target>,
    /// For each step those that must be gone before it goes.
    pub(super) after: HashMap<StepId, HashSet<StepId>>,
    pub(super) points: Vec<SweepPoint>,
}

impl Teardown {
    /// The work that a journal tells of: every step of the plan that was or may have been made, in reverse order.
    pub fn from_plan(plan: &Arc<Plan>, state: &StackState) -> Self {
        let undone: Vec<&PlannedStep> = plan.steps.iter().filter(|step| step.identity.is_undone()).collect();
        let mut extras: HashMap<&StepId, Vec<super::ResourceRef>> = HashMap::new();
        for (id, extra) in state.extras() {
            extras.entry(id).or_default().push(extra.resource.clone());
        }
        let targets = undone
            .into_iter()
            .map(|step| {
                let target = Target {
                    step: step.clone(),
                    unmade: state.step(&step.id).is_unmade(),
                    seen: Vec::new(),
                    extras: extras.remove(&step.id).unwrap_or_default(),
                };
                (step.id.clone(), target)
            })
            .collect();
        let mut after: HashMap<StepId, HashSet<StepId>> = HashMap::new();
        for step in &plan.steps {
            for need in &step.needs {
                after.entry(need.clone()).or_default().insert(step.id.clone());
            }
        }
        Self { stack: plan.stack.clone(), plan: Some(Arc::clone(plan)), targets, after, points: plan.sweeps.clone() }
    }

    /// The work that the cloud tells of: what a sweep by tags found, without a journal. `points` are the provider's
    /// ([`super::Backend::sweep_points`]).
    pub fn from_swept(stack: &Stack, swept: Vec<Swept>, points: Vec<SweepPoint>) -> Self {
        let mut work =
            Self { stack: stack.clone(), plan: None, targets: BTreeMap::new(), after: HashMap::new(), points };
        for found in swept {
            let id = found.step.id.clone();
            work.after.entry(id.clone()).or_default().extend(found.after);
            let target = work.targets.entry(id).or_insert_with(|| Target {
                step: found.step,
                unmade: true,
                seen: Vec::new(),
                extras: Vec::new(),
            });
            target.seen.push(found.seen);
        }
        work
    }

    /// Both at once, when both are known: the journal decides the order of what it knows.
    #[must_use]
    pub fn union(mut self, swept: Self) -> Self {
        let known: HashSet<StepId> = self.targets.keys().cloned().collect();
        for (id, after) in swept.after {
            // Two orders of the same steps could contradict each other.
            let new = after.into_iter().filter(|other| !(known.contains(&id) && known.contains(other)));
            self.after.entry(id.clone()).or_default().extend(new);
        }
        for (id, found) in swept.targets {
            match self.targets.get_mut(&id) {
                Some(target) => target.seen.extend(found.seen),
                None => {
                    self.targets.insert(id, found);
                }
            }
        }
        let stages: HashSet<String> = self.points.iter().map(|point| point.stage.clone()).collect();
        self.points.extend(swept.points.into_iter().filter(|point| !stages.contains(&point.stage)));
        self
    }

    /// What the search by tags showed and proved. It stands until it is deleted, or until a later look says otherwise.
    pub(super) fn standing(&self) -> Vec<Item> {
        let undone = self.targets.values().filter(|target| target.step.identity.is_undone());
        let seen: Vec<(&StepId, &Observed)> =
            undone.flat_map(|target| target.seen.iter().map(|seen| (&target.step.id, seen))).collect();
        let around: BTreeSet<String> = seen.iter().map(|(_, seen)| seen.reference.id.clone()).collect();
        seen.into_iter()
            .filter(|(_, seen)| prove_found(&self.stack, (*seen).clone(), &around, None).is_ok())
            .map(|(step, seen)| item(step, &seen.reference))
            .collect()
    }

    /// Everything it may have to delete, in no order.
    pub fn steps(&self) -> impl Iterator<Item = &PlannedStep> {
        self.targets.values().map(|target| &target.step)
    }

    /// Whether there is nothing to do but to look.
    pub fn is_empty(&self) -> bool {
        self.targets.values().all(|target| target.unmade && target.seen.is_empty() && target.extras.is_empty())
    }

    /// How long a request of the lost builder may still be on its way: the longest settle window where a plan tells
    /// of it.
    pub(super) fn longest_settle(&self) -> Option<Duration> {
        self.plan.as_ref().and_then(|plan| plan.steps.iter().map(PlannedStep::settle).max())
    }
}
