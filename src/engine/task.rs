//! One step in one run: its code, its scope, and the verbs as the engine calls them: with retries, proof and records.

use super::{
    AnyStep, Deletion, ErrorClass, Event, Found, Identity, Inputs, Item, Lookup, NotOurs, Observed, Owned, Plan,
    PlannedStep, Residue, ResourceRef, Scope, StackState, StepError, StepId, StepState, Tick,
    io::references,
    proof::{TAG_RUN, TAG_STACK, TAG_STEP, prove},
    retry::{Backoff, later, since},
    run::{Cut, Run},
};
use jiff::Timestamp;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

/// The pause between two looks for something that may still become visible; doubles up to [`LOOK_AGAIN_MAX`].
const LOOK_AGAIN: Duration = Duration::from_millis(500);
const LOOK_AGAIN_MAX: Duration = Duration::from_secs(5);
/// A delete that shows no effect is sent again after this long, or three times its usual duration.
const RESEND_DELETE: Duration = Duration::from_secs(60);

/// A step under way.
pub(super) struct Task<'r, 'a> {
    pub(super) run: &'r Run<'a>,
    pub(super) step: &'r PlannedStep,
    code: Arc<dyn AnyStep>,
    inputs: Inputs,
    tags: BTreeMap<String, String>,
    /// The proven parent's id, for children and members.
    parent: Option<String>,
}

/// How a deletion went that does not wait for ever.
pub(super) enum Removal {
    /// Gone, and recorded.
    Gone,
    /// The cloud says that something still uses it; and how long it only said to slow down.
    Stuck(Box<StepError>, Duration),
}

impl<'r, 'a> Task<'r, 'a> {
    /// The task for a planned step with these inputs.
    ///
    /// # Errors
    /// For a kind this build does not know. Nothing was sent.
    pub(super) fn new(
        run: &'r Run<'a>,
        plan: Option<&Plan>,
        step: &'r PlannedStep,
        inputs: Inputs,
    ) -> Result<Self, StepError> {
        let code = run.backend.step(step)?;
        let mut tags = plan.map(|plan| plan.tags.clone()).unwrap_or_default();
        tags.insert(TAG_STACK.to_owned(), run.stack.to_string());
        tags.insert(TAG_STEP.to_owned(), step.id.tag_value());
        tags.insert(TAG_RUN.to_owned(), run.info.run.to_string());
        let parent = match &step.identity {
            Identity::Child { parent, .. } => {
                run.state(|state| state.step(parent).resource().map(|resource| resource.id.clone()))
            }
            Identity::Member { of, .. } => Some(of.clone()),
            _ => None,
        };
        Ok(Self { run, step, code, inputs, tags, parent })
    }

    /// The same with a parent that no journal knows.
    pub(super) fn with_parent(mut self, parent: Option<String>) -> Self {
        self.parent = self.parent.or(parent);
        self
    }

    pub(super) fn id(&self) -> &'r StepId {
        &self.step.id
    }

    pub(super) fn scope(&self) -> Scope<'_> {
        Scope {
            stack: &self.run.stack,
            run: &self.run.info.run,
            step: &self.step.id,
            identity: &self.step.identity,
            inputs: &self.inputs,
            tags: &self.tags,
        }
    }

    pub(super) fn code(&self) -> &dyn AnyStep {
        &*self.code
    }

    pub(super) fn state(&self) -> StepState {
        self.run.step_state(self.id())
    }

    pub(super) fn deadline(&self) -> Timestamp {
        self.run.in_secs(self.step.timing.deadline_secs)
    }

    pub(super) fn delete_deadline(&self) -> Timestamp {
        self.run.in_secs(self.step.timing.delete_deadline_secs)
    }

    // ---- looking

    /// One look.
    pub(super) async fn look(&self, by: Lookup<'_>, deadline: Timestamp) -> Result<Found, Cut> {
        self.run.call(self.id(), &self.step.service, deadline, || self.code.find(self.scope(), by)).await
    }

    /// By id. A negative answer inside the settle window proves nothing, so the look is repeated until it is over.
    pub(super) async fn look_by_id(
        &self,
        resource: &ResourceRef,
        at: Timestamp,
        deadline: Timestamp,
    ) -> Result<Option<Observed>, Cut> {
        self.look_until(Lookup::Id(resource), at, deadline, |mut seen| {
            let same = seen.iter().position(|seen| seen.reference.id == resource.id);
            (!seen.is_empty()).then(|| seen.swap_remove(same.unwrap_or(0)))
        })
        .await
    }

    /// By identity, through the settle window that began at `at`: everything that is provably ours. Empty only when
    /// that is proven.
    pub(super) async fn look_settled(&self, at: Timestamp, deadline: Timestamp) -> Result<Vec<Observed>, Cut> {
        let ours = |seen| Some(self.ours(seen)).filter(|ours: &Vec<Observed>| !ours.is_empty());
        Ok(self.look_until(Lookup::Identity, at, deadline, ours).await?.unwrap_or_default())
    }

    async fn look_until<T>(
        &self,
        by: Lookup<'_>,
        at: Timestamp,
        deadline: Timestamp,
        wanted: impl Fn(Vec<Observed>) -> Option<T>,
    ) -> Result<Option<T>, Cut> {
        // A clock that was set back must not make the window longer than it is.
        let settled = later(at.min(self.run.now()), self.step.settle());
        let mut again = LOOK_AGAIN;
        loop {
            let asked = self.run.now();
            if let Some(found) = wanted(self.look(by, deadline.max(settled)).await?.into_vec()) {
                return Ok(Some(found));
            }
            if asked >= settled {
                return Ok(None);
            }
            self.run.tick(&Tick::Waiting { step: self.id().clone(), note: "making sure".to_owned() });
            self.run.pause(again.min(since(self.run.now(), settled)).max(Duration::from_millis(1))).await?;
            again = (again * 2).min(LOOK_AGAIN_MAX);
        }
    }

    // ---- proof

    /// Whether this is what the step made.
    pub(super) fn prove(&self, seen: Observed) -> Result<Owned, NotOurs> {
        prove(&self.run.stack, self.step, self.parent.as_deref(), seen)
    }

    /// Those of them that are provably ours. What was brought along or is shared is nobody's to prove: it is taken
    /// as found, and nothing is ever done to it.
    pub(super) fn ours(&self, mut seen: Vec<Observed>) -> Vec<Observed> {
        if self.step.identity.is_undone() {
            seen.retain(|seen| self.prove(seen.clone()).is_ok());
        }
        seen
    }

    // ---- deleting

    /// Announces, deletes, and waits until a read proves it gone. A failure is recorded and returned.
    pub(super) async fn remove(&self, owned: &Owned, extra: bool) -> Result<(), Cut> {
        self.announce(owned.reference(), extra)?;
        match self.delete(owned, self.delete_deadline(), None).await {
            Ok(_) => self.record_gone(Some(owned.reference()), extra),
            Err(Cut::Step(error)) => {
                self.record_stays(owned.reference(), extra, &error)?;
                Err(Cut::Step(error))
            }
            Err(halted) => Err(halted),
        }
    }

    pub(super) fn announce(&self, resource: &ResourceRef, extra: bool) -> Result<(), Cut> {
        let (step, resource) = (self.id().clone(), resource.clone());
        self.run.append(Event::DeleteIntent { step, resource, extra }).map(drop)
    }

    pub(super) fn record_gone(&self, resource: Option<&ResourceRef>, extra: bool) -> Result<(), Cut> {
        let step = self.id().clone();
        self.run.append(Event::Deleted { step: step.clone(), resource: resource.cloned(), extra })?;
        if let Some(resource) = resource {
            let item = Item { step, resource: resource.clone(), note: None, usd_per_hour: None };
            self.run.tally(|tally| tally.deleted.push(item));
        }
        Ok(())
    }

    pub(super) fn record_stays(&self, resource: &ResourceRef, extra: bool, error: &StepError) -> Result<(), Cut> {
        let (step, resource, error) = (self.id().clone(), resource.clone(), error.clone());
        self.run.append(Event::DeleteFailed { step, resource, extra, error }).map(drop)
    }

    /// Deletes and waits until a read by id finds nothing. With `patience`, comes back when the cloud has refused for
    /// that long because something still uses it.
    pub(super) async fn delete(
        &self,
        owned: &Owned,
        deadline: Timestamp,
        patience: Option<Duration>,
    ) -> Result<Removal, Cut> {
        let began = self.run.now();
        let usual = Duration::from_secs(self.step.timing.delete_p50_secs.into());
        let mut backoff = Backoff::default();
        let mut accepted = false;
        loop {
            self.run.queue(&self.step.service).await?;
            let first_look = match self.code.delete(self.scope(), owned).await {
                Ok(deletion) => {
                    self.run.went_well(&self.step.service);
                    // A read by that name will always find something.
                    if deletion == Deletion::Taken {
                        return Ok(Removal::Gone);
                    }
                    let started = deletion == Deletion::Started && !accepted && usual > LOOK_AGAIN_MAX;
                    accepted = true;
                    if started { usual.mul_f64(0.6) } else { Duration::ZERO }
                }
                // It was accepted once; a second refusal only says that it is still on its way.
                Err(_) if accepted => Duration::ZERO,
                Err(error) => {
                    // A cloud that permits by tags refuses what went by itself meanwhile: nothing carries any.
                    if error.class == ErrorClass::Auth && self.is_gone(owned.reference(), deadline).await? {
                        return Ok(Removal::Gone);
                    }
                    let error = error.with_residue(Residue::Some(owned.reference().clone()));
                    let waited = since(began, self.run.now());
                    if error.class == ErrorClass::NotYet && patience.is_some_and(|patience| waited >= patience) {
                        return Ok(Removal::Stuck(Box::new(error), backoff.throttled()));
                    }
                    self.run.after(self.id(), &self.step.service, error, &mut backoff, deadline).await?;
                    continue;
                }
            };
            if self.wait_until_gone(owned.reference(), first_look, deadline, RESEND_DELETE.max(usual * 3)).await? {
                return Ok(Removal::Gone);
            }
        }
    }

    /// Whether a read by id finds it no more.
    async fn is_gone(&self, resource: &ResourceRef, deadline: Timestamp) -> Result<bool, Cut> {
        let seen = self.look(Lookup::Id(resource), deadline).await?.into_vec();
        Ok(!seen.iter().any(|seen| seen.reference.id == resource.id))
    }

    /// False when it is time to send the delete again.
    async fn wait_until_gone(
        &self,
        resource: &ResourceRef,
        first_look: Duration,
        mut deadline: Timestamp,
        resend: Duration,
    ) -> Result<bool, Cut> {
        let began = self.run.now();
        let usual = Duration::from_secs(self.step.timing.delete_p50_secs.into());
        let steadily = (usual / 20).clamp(LOOK_AGAIN, LOOK_AGAIN_MAX);
        let mut first_look = Some(first_look);
        loop {
            let asked = self.run.now();
            if self.is_gone(resource, deadline).await? {
                return Ok(true);
            }
            deadline = self.run.answered(deadline, asked);
            if asked >= deadline {
                let message = format!(
                    "cannot delete {} `{}`: it is still there {} after it was asked to go",
                    resource.kind,
                    resource.id,
                    crate::model::time::show_span(since(began, asked))
                );
                return Err(StepError::new(ErrorClass::NotYet, "KW-DEADLINE", message)
                    .with_residue(Residue::Some(resource.clone()))
                    .into());
            }
            if since(began, asked) >= resend {
                return Ok(false);
            }
            self.run.tick(&Tick::Waiting { step: self.id().clone(), note: "deleting".to_owned() });
            let next = first_look.take().unwrap_or_default().max(steadily);
            self.run.pause(next.min(since(self.run.now(), deadline)).max(Duration::from_millis(1))).await?;
        }
    }
}

/// The outputs a step may read: those of the steps it needs, refers to, or is a part of.
pub(super) fn inputs(step: &PlannedStep, state: &StackState) -> Inputs {
    let mut wanted: BTreeSet<StepId> = step.needs.iter().cloned().collect();
    wanted.extend(references(&step.params).into_iter().map(|(from, _)| from));
    let known = wanted.into_iter().filter_map(|id| state.outputs(&id).cloned().map(|outputs| (id, outputs)));
    Inputs(known.collect())
}

/// That a thing which must be ours is not.
pub(super) fn not_ours(why: &NotOurs) -> StepError {
    StepError::new(ErrorClass::Conflict, "KW-NOT-OURS", why.to_string())
        .with_hint("nothing was done to it; move it out of the way, or build under another name")
}
