//! Where a stack stands: its journal, folded.
//!
//! [`StepState::apply`] is pure and total: every pair of state and event either gives the next state or is refused.
//! The journal decides intent and order; whether a thing exists is the cloud's to say.

use super::{
    Event, Mode, Outputs, Plan, PlannedStep, Record, Residue, ResourceRef, RunId, RunOutcome, StepError, StepId, Token,
};
use jiff::Timestamp;
use std::{collections::BTreeMap, sync::Arc};

/// What the journal says about one step. `at` starts the settle window: the latest moment at which a call that
/// creates may have been sent.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum StepState {
    /// Nothing was sent for it.
    #[default]
    Pending,
    /// A call may have been sent.
    Intended { generation: u32, token: Token, at: Timestamp },
    /// The object is known by id.
    Acted { generation: u32, resource: ResourceRef, at: Timestamp },
    /// The object can be used.
    Ready { generation: u32, resource: ResourceRef, outputs: Outputs, at: Timestamp },
    /// Given up; `error.residue` says what may be there.
    Failed { generation: u32, error: StepError, at: Timestamp },
    /// A delete may have been sent.
    Deleting { generation: u32, resource: ResourceRef },
    /// It would not go.
    DeleteFailed { generation: u32, resource: ResourceRef, error: StepError },
    /// A read proved it gone, or never there.
    Deleted { generation: u32 },
}

/// A journal that says what cannot have happened. Its stack is not touched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("journal line {seq}: {why}")]
pub struct BadTransition {
    /// The line.
    pub seq: u64,
    /// What does not fit.
    pub why: String,
}

impl StepState {
    /// The state's name, for messages and tables.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Intended { .. } => "intended",
            Self::Acted { .. } => "acted",
            Self::Ready { .. } => "ready",
            Self::Failed { .. } => "failed",
            Self::Deleting { .. } => "deleting",
            Self::DeleteFailed { .. } => "delete-failed",
            Self::Deleted { .. } => "deleted",
        }
    }

    /// The object, as far as the journal knows one that may still stand.
    pub const fn resource(&self) -> Option<&ResourceRef> {
        match self {
            Self::Acted { resource, .. }
            | Self::Ready { resource, .. }
            | Self::Deleting { resource, .. }
            | Self::DeleteFailed { resource, .. } => Some(resource),
            Self::Failed { error, .. } => match &error.residue {
                Residue::Some(resource) => Some(resource),
                Residue::None | Residue::Unknown => None,
            },
            Self::Pending | Self::Intended { .. } | Self::Deleted { .. } => None,
        }
    }

    /// The outputs, once ready.
    pub const fn outputs(&self) -> Option<&Outputs> {
        match self {
            Self::Ready { outputs, .. } => Some(outputs),
            _ => None,
        }
    }

    /// How many times it was begun.
    pub const fn generation(&self) -> u32 {
        match self {
            Self::Pending => 0,
            Self::Intended { generation, .. }
            | Self::Acted { generation, .. }
            | Self::Ready { generation, .. }
            | Self::Failed { generation, .. }
            | Self::Deleting { generation, .. }
            | Self::DeleteFailed { generation, .. }
            | Self::Deleted { generation } => *generation,
        }
    }

    /// Whether provably nothing of it stands in the cloud: it may be planned anew, and undo has nothing to do.
    pub fn is_unmade(&self) -> bool {
        match self {
            Self::Pending | Self::Deleted { .. } => true,
            Self::Failed { error, .. } => error.residue == Residue::None,
            _ => false,
        }
    }

    /// The next state after an event about this step's own object, or why that cannot be. Events about extras or
    /// other steps are refused as well: they are not this function's business.
    pub fn apply(self, event: &Event, at: Timestamp) -> Result<Self, String> {
        use StepState as S;
        let refuse = |state: &Self, what: &str| Err(format!("{what} cannot follow `{}`", state.name()));
        let generation = self.generation();
        Ok(match event {
            Event::Intent { generation: new, token, .. } => {
                let fits = match &self {
                    // The same intent again, sent later: the settle window starts anew.
                    S::Intended { token: old, .. } => *new > generation || (*new == generation && token == old),
                    S::Pending | S::Acted { .. } | S::Ready { .. } | S::Failed { .. } | S::Deleted { .. } => {
                        *new > generation
                    }
                    S::Deleting { .. } | S::DeleteFailed { .. } => false,
                };
                if !fits {
                    return refuse(&self, &format!("an intent of generation {new} after {generation}"));
                }
                S::Intended { generation: *new, token: token.clone(), at }
            }
            Event::Acted { resource, .. } => match self {
                S::Intended { .. } => S::Acted { generation, resource: resource.clone(), at },
                other => return refuse(&other, "acted"),
            },
            Event::Adopted { resource, .. } => match self {
                S::Deleting { .. } | S::DeleteFailed { .. } => return refuse(&self, "adopted"),
                _ => S::Acted { generation, resource: resource.clone(), at },
            },
            Event::Ready { resource, outputs, .. } => match self {
                S::Acted { at, .. } | S::Ready { at, .. } => {
                    S::Ready { generation, resource: resource.clone(), outputs: outputs.clone(), at }
                }
                other => return refuse(&other, "ready"),
            },
            Event::Failed { error, .. } => {
                let mut error = error.clone();
                match self {
                    S::Pending | S::Intended { .. } | S::Failed { .. } | S::Deleted { .. } => {}
                    // What was made does not vanish because a later call left nothing behind.
                    S::Acted { resource, .. } => error.residue = Residue::Some(resource),
                    other => return refuse(&other, "failed"),
                }
                S::Failed { generation, error, at }
            }
            Event::DeleteIntent { resource, extra: false, .. } => match self {
                S::Deleted { .. } => return refuse(&self, "a delete intent"),
                _ => S::Deleting { generation, resource: resource.clone() },
            },
            Event::Deleted { extra: false, .. } => match self {
                S::Pending | S::Deleted { .. } => return refuse(&self, "deleted"),
                _ => S::Deleted { generation },
            },
            Event::DeleteFailed { resource, extra: false, error, .. } => match self {
                S::Pending | S::Intended { .. } | S::Deleted { .. } => return refuse(&self, "a failed delete"),
                _ => S::DeleteFailed { generation, resource: resource.clone(), error: error.clone() },
            },
            Event::DeleteIntent { .. }
            | Event::Deleted { .. }
            | Event::DeleteFailed { .. }
            | Event::Planned { .. }
            | Event::Replanned { .. }
            | Event::RunStarted { .. }
            | Event::Note { .. }
            | Event::RunEnded { .. } => return refuse(&self, "an event that is not this step's"),
        })
    }
}

/// A duplicate of a step's object, or something the cluster made, whose deletion was announced and not yet proven.
#[derive(Debug, Clone, PartialEq)]
pub struct Extra {
    /// The object.
    pub resource: ResourceRef,
    /// Why it would not go, if that was tried to the end.
    pub error: Option<StepError>,
}

/// Where the stack as a whole stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Being built, or stopped on the way.
    Unfinished,
    /// Built, and the audit agreed.
    Ready,
    /// Being removed, or stopped on the way. Never built on again.
    Destroying,
    /// Gone, and the audit agreed.
    Destroyed,
}

/// One run as the journal shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunSeen {
    /// Its id.
    pub run: RunId,
    /// Which way it went.
    pub mode: Mode,
    /// The machine.
    pub host: String,
    /// The process there.
    pub pid: u32,
    /// Who started it.
    pub user: String,
    /// The build of kubewright.
    pub version: String,
    /// When it began.
    pub at: Timestamp,
    /// When and how it ended; none while it runs or after a kill.
    pub ended: Option<(Timestamp, RunOutcome)>,
}

/// A folded journal.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StackState {
    plan: Option<Arc<Plan>>,
    plan_hash: Option<String>,
    steps: BTreeMap<StepId, StepState>,
    /// Last outputs of steps that are ready no more: what hangs on them may still have to be deleted.
    former_outputs: BTreeMap<StepId, Outputs>,
    extras: BTreeMap<(StepId, String), Extra>,
    last_run: Option<RunSeen>,
    started_at: Option<Timestamp>,
    seq: u64,
    /// Generations of steps that a replan left out: one that comes back must not use a token twice.
    retired: BTreeMap<StepId, u32>,
    /// Set while the journal is being rebuilt from the cloud.
    doubted_since: Option<Timestamp>,
    undoing: bool,
    built: bool,
    destroyed: bool,
}

impl StackState {
    /// Folds a journal, oldest line first.
    ///
    /// # Errors
    /// The first line that cannot have happened.
    pub fn fold<'a>(records: impl IntoIterator<Item = &'a Record>) -> Result<Self, BadTransition> {
        let mut state = Self::default();
        for record in records {
            state.apply(record)?;
        }
        Ok(state)
    }

    /// Takes in one more line.
    ///
    /// # Errors
    /// When it cannot have happened; the state is then not to be used any more.
    pub fn apply(&mut self, record: &Record) -> Result<(), BadTransition> {
        self.seq = record.seq;
        self.started_at.get_or_insert(record.at);
        self.take(record).map_err(|why| BadTransition { seq: record.seq, why })
    }

    fn take(&mut self, record: &Record) -> Result<(), String> {
        match &record.event {
            Event::Planned { plan, plan_hash, found } => {
                if self.plan.is_some() {
                    return Err("the stack was planned before".to_owned());
                }
                self.steps = plan.steps.iter().map(|step| (step.id.clone(), StepState::Pending)).collect();
                self.plan = Some(Arc::new((**plan).clone()));
                self.plan_hash = Some(plan_hash.clone());
                self.doubted_since = found.then_some(record.at);
            }
            Event::Replanned { plan, plan_hash, .. } => {
                self.fits(plan)?;
                let mut old = std::mem::take(&mut self.steps);
                let before = self.plan.take();
                let same = |step: &PlannedStep| {
                    before.as_ref().and_then(|plan| plan.step(&step.id)).is_none_or(|was| was.params == step.params)
                };
                for step in &plan.steps {
                    // One that comes back after it was left out must not use a token twice.
                    let again = || self.retired.remove(&step.id).map(|generation| StepState::Deleted { generation });
                    let state = match old.remove(&step.id).or_else(again).unwrap_or_default() {
                        // The same object under other labels: it is converged once more.
                        StepState::Ready { generation, resource, outputs, at } if !same(step) => {
                            self.former_outputs.insert(step.id.clone(), outputs);
                            StepState::Acted { generation, resource, at }
                        }
                        state => state,
                    };
                    self.steps.insert(step.id.clone(), state);
                }
                let begun = old.into_iter().filter(|(_, left)| left.generation() > 0);
                self.retired.extend(begun.map(|(id, left)| (id, left.generation())));
                self.plan = Some(Arc::new((**plan).clone()));
                self.plan_hash = Some(plan_hash.clone());
                self.built = false;
            }
            Event::RunStarted { run, mode, host, pid, user, version } => {
                self.last_run = Some(RunSeen {
                    run: run.clone(),
                    mode: *mode,
                    host: host.clone(),
                    pid: *pid,
                    user: user.clone(),
                    version: version.clone(),
                    at: record.at,
                    ended: None,
                });
            }
            Event::RunEnded { run, outcome, .. } => {
                let Some(last) = self.last_run.as_mut().filter(|last| last.run == *run) else {
                    return Err(format!("run {run} ended without having started"));
                };
                last.ended = Some((record.at, *outcome));
                if *outcome == RunOutcome::Done {
                    match last.mode {
                        Mode::Provision | Mode::Recover => {
                            self.built = true;
                            self.doubted_since = None;
                        }
                        Mode::Destroy => self.destroyed = true,
                    }
                }
            }
            Event::Note { .. } => {}
            Event::Intent { step, .. }
            | Event::Acted { step, .. }
            | Event::Ready { step, .. }
            | Event::Failed { step, .. }
            | Event::Adopted { step, .. } => {
                if !self.steps.contains_key(step) {
                    return Err(format!("step `{step}` is not in the plan"));
                }
                self.step_event(step, record)?;
            }
            Event::DeleteIntent { step, resource, extra } => {
                self.going_down();
                if *extra {
                    let extra = Extra { resource: resource.clone(), error: None };
                    self.extras.insert((step.clone(), resource.id.clone()), extra);
                } else {
                    self.step_event(step, record)?;
                }
            }
            Event::Deleted { step, resource, extra: true } => {
                self.going_down();
                if let Some(resource) = resource {
                    self.extras.remove(&(step.clone(), resource.id.clone()));
                }
            }
            Event::DeleteFailed { step, resource, extra: true, error } => {
                let extra = Extra { resource: resource.clone(), error: Some(error.clone()) };
                self.extras.insert((step.clone(), resource.id.clone()), extra);
            }
            Event::Deleted { step, .. } | Event::DeleteFailed { step, .. } => {
                self.going_down();
                self.step_event(step, record)?;
            }
        }
        Ok(())
    }

    fn going_down(&mut self) {
        self.destroyed = false;
        self.built = false;
        // A broken object that provisioning replaces is no teardown.
        self.undoing |= self.mode() == Some(Mode::Destroy);
    }

    /// A step that no plan knows is one that a search by tags found; only deletes reach it.
    fn step_event(&mut self, id: &StepId, record: &Record) -> Result<(), String> {
        let step = self.steps.entry(id.clone()).or_default();
        let before = std::mem::take(step);
        if let Some(outputs) = before.outputs()
            && !matches!(record.event, Event::Ready { .. })
        {
            self.former_outputs.insert(id.clone(), outputs.clone());
        }
        *step = before.apply(&record.event, record.at).map_err(|why| format!("step `{id}`: {why}"))?;
        self.built &= matches!(step, StepState::Ready { .. });
        Ok(())
    }

    /// Whether `plan` may take the place of the recorded one: all that was or may have been made stays as it is.
    ///
    /// # Errors
    /// What it would change, in words.
    pub fn fits(&self, plan: &Plan) -> Result<(), String> {
        let Some(old) = &self.plan else {
            return Err("nothing was planned before".to_owned());
        };
        if (&old.stack, old.provider, &old.account, &old.region)
            != (&plan.stack, plan.provider, &plan.account, &plan.region)
        {
            return Err("it is for another stack, account or region".to_owned());
        }
        let places = plan.places();
        let changed: Vec<&str> = old
            .steps
            .iter()
            .filter(|step| !self.step(&step.id).is_unmade())
            .filter(|step| !places.get(&step.id).is_some_and(|at| plan.steps[*at].same_object(step)))
            .map(|step| step.id.as_str())
            .collect();
        if changed.is_empty() {
            Ok(())
        } else {
            Err(format!("it changes what was already made: {}", changed.join(", ")))
        }
    }

    /// The latest plan; none for a stack known only from its tags.
    pub fn plan(&self) -> Option<&Arc<Plan>> {
        self.plan.as_ref()
    }

    /// The latest plan's hash.
    pub fn plan_hash(&self) -> Option<&str> {
        self.plan_hash.as_deref()
    }

    /// Where a step stands; unknown ones are pending.
    pub fn step(&self, id: &StepId) -> &StepState {
        self.steps.get(id).unwrap_or(&StepState::Pending)
    }

    /// All steps, by id.
    pub fn steps(&self) -> impl Iterator<Item = (&StepId, &StepState)> {
        self.steps.iter()
    }

    /// A step's outputs, also those it had before it went.
    pub fn outputs(&self, id: &StepId) -> Option<&Outputs> {
        self.step(id).outputs().or_else(|| self.former_outputs.get(id))
    }

    /// Duplicates and things the cluster made that are not yet proven gone, with the step they belong to.
    pub fn extras(&self) -> impl Iterator<Item = (&StepId, &Extra)> {
        self.extras.iter().map(|((step, _), extra)| (step, extra))
    }

    /// The run that acted last, or acts now.
    pub fn last_run(&self) -> Option<&RunSeen> {
        self.last_run.as_ref()
    }

    /// Since when a rebuild of this journal from the cloud is unfinished. Until it is done, a step without a line may
    /// have been made by the builder whose journal was lost: it is looked for before it is made.
    pub fn doubted_since(&self) -> Option<Timestamp> {
        self.doubted_since
    }

    /// Which way the last run went.
    pub fn mode(&self) -> Option<Mode> {
        self.last_run.as_ref().map(|run| run.mode)
    }

    /// When the stack was begun.
    pub fn started_at(&self) -> Option<Timestamp> {
        self.started_at
    }

    /// How many lines were folded; 0 for an empty journal.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Where the stack stands as a whole.
    pub fn standing(&self) -> Standing {
        if self.destroyed {
            Standing::Destroyed
        } else if self.undoing {
            Standing::Destroying
        } else if self.built
            && self.plan.is_some()
            && self.extras.is_empty()
            && self.steps.values().all(|step| matches!(step, StepState::Ready { .. }))
        {
            Standing::Ready
        } else {
            Standing::Unfinished
        }
    }

    /// Everything the journal believes to stand in the cloud, extras included.
    pub fn resources(&self) -> impl Iterator<Item = (&StepId, &ResourceRef)> {
        let own = self.steps.iter().filter_map(|(id, step)| Some((id, step.resource()?)));
        own.chain(self.extras().map(|(id, extra)| (id, &extra.resource)))
    }
}

#[cfg(test)]
mod tests;
