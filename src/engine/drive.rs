//! What one step goes through on its way to ready: the recovery rules of the design, row by row.
//!
//! Every decision is taken from the folded state and every move is journalled before the next, so a kill between any
//! two lines of this file is one of the states that the loop in [`Drive::bring_to_ready`] starts from.

use super::{
    Creation, ErrorClass, Event, Identity, Lookup, Observed, Owned, Probe, Residue, ResourceRef, StackState, StepError,
    StepState, Tick, Token,
    retry::{Backoff, since},
    run::Cut,
    task::{Task, not_ours},
};
use jiff::Timestamp;
use std::time::Duration;

/// Refusals because "somebody else is changing it" that are waited out.
const CONFLICTS: u32 = 5;
/// Waits for objects that usually take no longer than this begin with a look.
const QUICK: Duration = Duration::from_secs(5);

/// A step on its way.
pub(super) struct Drive<'t, 'r, 'a> {
    task: &'t Task<'r, 'a>,
    /// Objects begun in this run that turned out broken.
    replaced: u32,
    /// Whether the object was begun in this run: a failure left by an earlier one is old news, and is replaced.
    begun_here: bool,
}

impl<'t, 'r, 'a> Drive<'t, 'r, 'a> {
    pub(super) fn new(task: &'t Task<'r, 'a>) -> Self {
        Self { task, replaced: 0, begun_here: false }
    }

    /// Brings the step to ready from wherever it stands.
    pub(super) async fn bring_to_ready(mut self) -> Result<(), Cut> {
        self.finish_duplicates().await?;
        let mut made_ready = false;
        loop {
            match self.task.state() {
                StepState::Pending => {
                    let doubted = self.task.run.state(StackState::doubted_since);
                    let found = match doubted.filter(|_| self.task.step.identity.is_undone()) {
                        Some(since) => self.adopt(since).await?,
                        None => false,
                    };
                    if !found {
                        self.first(1).await?;
                    }
                }
                StepState::Deleted { generation } => self.first(generation + 1).await?,
                StepState::Failed { generation, error, .. } if error.residue == Residue::None => {
                    self.first(generation + 1).await?;
                }
                StepState::Failed { generation, at, .. } => {
                    if !self.adopt(at).await? {
                        self.begin(generation + 1).await?;
                    }
                }
                StepState::Intended { generation, token, at } => self.resume(generation, token, at).await?,
                StepState::Acted { generation, resource, at } => {
                    self.settle_in(generation, resource, at).await?;
                    made_ready = matches!(self.task.state(), StepState::Ready { .. });
                }
                StepState::Ready { .. } if made_ready => return Ok(()),
                StepState::Ready { generation, resource, at, .. } => {
                    if self.is_still_there(&resource, at).await? {
                        return Ok(());
                    }
                    self.recreate(generation, &resource, at).await?;
                }
                StepState::Deleting { resource, .. } | StepState::DeleteFailed { resource, .. } => {
                    self.finish_deletion(&resource).await?;
                }
            }
        }
    }

    // ---- beginnings

    /// Nothing of it is there yet.
    async fn first(&mut self, generation: u32) -> Result<(), Cut> {
        let task = self.task;
        match &task.step.identity {
            Identity::External { id } => {
                let found = task.look(Lookup::Identity, task.deadline()).await?.into_vec();
                let Some(seen) = found.into_iter().next() else {
                    let message = format!("{} `{id}`, which the spec brings along, is not there", task.step.kind);
                    return Err(StepError::new(ErrorClass::Permanent, "KW-NOT-FOUND", message).into());
                };
                self.record_adopted(seen.reference)
            }
            Identity::OneWay { .. } => {
                let found = task.look(Lookup::Identity, task.deadline()).await?.into_vec();
                match found.into_iter().next() {
                    Some(seen) => self.record_adopted(seen.reference),
                    None => self.begin(generation).await,
                }
            }
            _ => self.begin(generation).await,
        }
    }

    async fn begin(&mut self, generation: u32) -> Result<(), Cut> {
        self.begun_here = true;
        let token = Token::derive(&self.task.run.stack, self.task.id(), generation);
        self.send(generation, token, false).await
    }

    /// A call may have been sent before: look first.
    async fn resume(&mut self, generation: u32, token: Token, at: Timestamp) -> Result<(), Cut> {
        let task = self.task;
        match task.step.creation {
            // Sent again, it gives the same object, wherever the first one is.
            Creation::Token | Creation::ByName => {
                let found = task.look(Lookup::Identity, task.deadline()).await?.into_vec();
                if self.keep_one(task.ours(found)).await? {
                    return Ok(());
                }
                self.begun_here = true;
                self.send(generation, token, true).await
            }
            Creation::Plain => {
                if self.adopt(at).await? {
                    return Ok(());
                }
                self.begin(generation + 1).await
            }
        }
    }

    /// Sends the one creating call until something is known about its fate. `doubtful`: an earlier call of this
    /// intent may have had an effect, so a refusal of this one proves nothing.
    async fn send(&mut self, mut generation: u32, mut token: Token, mut doubtful: bool) -> Result<(), Cut> {
        let task = self.task;
        let (run, id, service) = (task.run, task.id(), task.step.service.as_str());
        let deadline = task.deadline();
        let mut backoff = Backoff::default();
        let mut conflicts = 0;
        loop {
            // The queue comes first: the intent's time starts the settle window, so the call must follow it at once.
            run.queue(service).await?;
            let record = run.append(Event::Intent { step: id.clone(), generation, token: token.clone() })?;
            let error = match task.code().create(task.scope(), &token).await {
                Ok(resource) => {
                    run.went_well(service);
                    return run.append(Event::Acted { step: id.clone(), resource }).map(drop);
                }
                Err(error) => error,
            };
            if let Residue::Some(resource) = error.residue {
                return run.append(Event::Acted { step: id.clone(), resource }).map(drop);
            }
            doubtful |= error.residue == Residue::Unknown;
            if error.class == ErrorClass::Conflict {
                if self.adopt_conflicting(&error, record.at).await? {
                    return Ok(());
                }
                doubtful = false; // the search went through the settle window
                if task.step.creation == Creation::Token {
                    // The cloud knows the token from something that is gone: it would refuse it for ever.
                    generation += 1;
                    token = Token::derive(&run.stack, id, generation);
                }
                conflicts += 1;
                let mut wait = error.with_residue(Residue::None);
                if conflicts < CONFLICTS {
                    wait.class = ErrorClass::NotYet;
                }
                run.after(id, service, wait, &mut backoff, deadline).await?;
                continue;
            }
            let retried = run.after(id, service, error, &mut backoff, deadline).await;
            if !doubtful {
                retried?;
                continue;
            }
            match retried {
                Err(cut @ (Cut::Halted | Cut::Later)) => return Err(cut),
                Ok(()) if task.step.creation != Creation::Plain => {
                    let found = task.look(Lookup::Identity, deadline).await?.into_vec();
                    if self.keep_one(task.ours(found)).await? {
                        return Ok(());
                    }
                }
                Ok(()) => {
                    if self.adopt(record.at).await? {
                        return Ok(());
                    }
                    doubtful = false;
                    generation += 1;
                    token = Token::derive(&run.stack, id, generation);
                }
                Err(Cut::Step(error)) => {
                    // Given up, but not before it is known what the calls left behind.
                    if self.adopt(record.at).await? {
                        return Ok(());
                    }
                    return Err(error.with_residue(Residue::None).into());
                }
            }
        }
    }

    /// "It exists", or "somebody is changing it". True when it is ours and was adopted; an error when it is somebody
    /// else's; false when there is nothing to be found.
    async fn adopt_conflicting(&mut self, error: &StepError, at: Timestamp) -> Result<bool, Cut> {
        let task = self.task;
        let found = task.look(Lookup::Identity, task.deadline()).await?.into_vec();
        if self.keep_one(task.ours(found.clone())).await? {
            return Ok(true);
        }
        if let Some(why) = found.into_iter().find_map(|seen| task.prove(seen).err()) {
            let mut refusal = not_ours(&why).with_residue(Residue::None);
            refusal.message = format!("{}; {}", error.message, refusal.message);
            refusal.code.clone_from(&error.code);
            refusal.request_id.clone_from(&error.request_id);
            return Err(refusal.into());
        }
        self.adopt(at).await
    }

    // ---- finding

    /// Looks through the settle window and takes what is ours. False only when nothing is there for sure.
    async fn adopt(&mut self, at: Timestamp) -> Result<bool, Cut> {
        let found = self.task.look_settled(at, self.task.deadline()).await?;
        self.keep_one(found).await
    }

    /// Of several that are ours, keeps the attached or oldest one and deletes the others; only then the kept one is
    /// recorded, so that a kill in between finds all that are left again.
    async fn keep_one(&mut self, ours: Vec<Observed>) -> Result<bool, Cut> {
        let mut ours = best_first(ours).into_iter();
        let Some(kept) = ours.next() else { return Ok(false) };
        if self.task.step.identity.is_undone() {
            for duplicate in ours.filter(|seen| seen.reference.id != kept.reference.id) {
                let owned = self.task.prove(duplicate).map_err(|why| not_ours(&why))?;
                self.task.remove(&owned, true).await?;
            }
        }
        self.record_adopted(kept.reference)?;
        Ok(true)
    }

    fn record_adopted(&self, resource: ResourceRef) -> Result<(), Cut> {
        self.task.run.append(Event::Adopted { step: self.task.id().clone(), resource }).map(drop)
    }

    /// Deletions of duplicates that an earlier run announced.
    async fn finish_duplicates(&self) -> Result<(), Cut> {
        let task = self.task;
        let announced: Vec<ResourceRef> = task.run.state(|state| {
            state.extras().filter(|(step, _)| *step == task.id()).map(|(_, extra)| extra.resource.clone()).collect()
        });
        for resource in announced {
            finish(task, &resource, true).await?;
        }
        Ok(())
    }

    async fn finish_deletion(&self, resource: &ResourceRef) -> Result<(), Cut> {
        finish(self.task, resource, false).await
    }

    // ---- from made to ready

    async fn settle_in(&mut self, generation: u32, resource: ResourceRef, at: Timestamp) -> Result<(), Cut> {
        let task = self.task;
        let Some(seen) = task.look_by_id(&resource, at, task.deadline()).await? else {
            // Gone for good. The old token names a thing that is no more, so a new one is drawn.
            if self.adopt(at).await? {
                return Ok(());
            }
            self.count_replacement(&resource, None)?;
            return self.begin(generation + 1).await;
        };
        let owned =
            if task.step.identity.is_undone() { Some(task.prove(seen).map_err(|why| not_ours(&why))?) } else { None };
        if let Some(owned) = &owned {
            let (id, service) = (task.id(), task.step.service.as_str());
            task.run.call(id, service, task.deadline(), || task.code().converge(task.scope(), owned)).await?;
        }
        let mut broken = self.wait(&resource, at).await?;
        if let (Some(owned), Some(why)) = (&owned, &broken)
            && why.class.is_retried()
        {
            // What failed by an accident of the cloud's may be mended where it stands; some kinds know how.
            let (id, service) = (task.id(), task.step.service.as_str());
            task.run.call(id, service, task.deadline(), || task.code().converge(task.scope(), owned)).await?;
            broken = self.wait(&resource, at).await?;
        }
        if let Some(why) = broken {
            return match owned {
                Some(owned) => self.replace(generation, &owned, why).await,
                None => Err(why.into()),
            };
        }
        let (id, service) = (task.id(), task.step.service.as_str());
        let outputs =
            task.run.call(id, service, task.deadline(), || task.code().outputs(task.scope(), &resource)).await?;
        task.run.append(Event::Ready { step: id.clone(), resource, outputs }).map(drop)
    }

    /// Waits until it can be used: one look at once (a resumed object may long be ready), the next near the usual
    /// duration, then steadily. Some(why) when it never will.
    async fn wait(&self, resource: &ResourceRef, at: Timestamp) -> Result<Option<StepError>, Cut> {
        let task = self.task;
        let (run, timing) = (task.run, &task.step.timing);
        let mut deadline = task.deadline();
        let began = run.now();
        let usual = Duration::from_secs(timing.p50_secs.into());
        let steadily = (usual / 25).clamp(Duration::from_secs(1), Duration::from_secs(10));
        let mut near_usual = (usual > QUICK).then(|| usual.mul_f64(0.6).saturating_sub(since(at, began)));
        loop {
            let asked = run.now();
            let probe =
                run.call(task.id(), &task.step.service, deadline, || task.code().probe(task.scope(), resource)).await?;
            deadline = run.answered(deadline, asked);
            let (note, no_sooner) = match probe {
                Probe::Ready => return Ok(None),
                Probe::Broken(why) => return Ok(Some(why)),
                Probe::NotYet(note) => (note, Duration::ZERO),
                Probe::NotBefore(note, pause) => (note, pause),
            };
            if asked >= deadline {
                let waited = crate::model::time::show_span(since(began, asked));
                let kind = &task.step.kind;
                let mut message = format!("{kind} `{}` is not ready after {waited}", resource.id);
                if !note.is_empty() {
                    message = format!("{message}; the cloud says {note}");
                }
                return Err(StepError::new(ErrorClass::NotYet, "KW-DEADLINE", message)
                    .with_residue(Residue::Some(resource.clone()))
                    .into());
            }
            run.tick(&Tick::Waiting { step: task.id().clone(), note });
            let next = near_usual.take().unwrap_or_default().max(steadily).max(no_sooner);
            let (paused, span) = (run.now(), next.min(since(run.now(), deadline)).max(Duration::from_millis(1)));
            run.pause(span).await?;
            deadline = run.awake(deadline, paused, span);
        }
    }

    /// It will never be ready: away with it, and a new one where that makes sense.
    async fn replace(&mut self, generation: u32, owned: &Owned, why: StepError) -> Result<(), Cut> {
        self.task.remove(owned, false).await?;
        let hopeless = matches!(why.class, ErrorClass::Quota | ErrorClass::Capacity | ErrorClass::Auth);
        if hopeless && self.begun_here {
            return Err(why.with_residue(Residue::None).into());
        }
        self.count_replacement(owned.reference(), Some(why))?;
        self.begin(generation + 1).await
    }

    fn count_replacement(&mut self, resource: &ResourceRef, why: Option<StepError>) -> Result<(), Cut> {
        // What an earlier run left broken is replaced once for free: somebody asked to try again.
        self.replaced += u32::from(self.begun_here);
        if self.replaced <= self.task.run.options.replacements {
            return Ok(());
        }
        Err(why
            .unwrap_or_else(|| {
                let message =
                    format!("{} `{}` vanished after it was made, again and again", resource.kind, resource.id);
                StepError::new(ErrorClass::Permanent, "KW-NOT-FOUND", message)
            })
            .with_residue(Residue::None)
            .into())
    }

    // ---- ready before

    /// One read, and a second look only where that says no.
    async fn is_still_there(&self, resource: &ResourceRef, at: Timestamp) -> Result<bool, Cut> {
        Ok(self.task.look_by_id(resource, at, self.task.deadline()).await?.is_some())
    }

    /// It was ready and is gone: reported, and made anew only where that was agreed to.
    async fn recreate(&mut self, generation: u32, resource: &ResourceRef, at: Timestamp) -> Result<(), Cut> {
        let brought_along = matches!(self.task.step.identity, Identity::External { .. });
        if !self.task.run.options.recreate || brought_along {
            let message = format!("{} `{}` was ready and is no longer there", resource.kind, resource.id);
            let error = StepError::new(ErrorClass::Conflict, "KW-DRIFT", message)
                .with_residue(Residue::Some(resource.clone()))
                .with_hint("somebody deleted it; consent to make it anew, or destroy the stack");
            return Err(error.into());
        }
        if self.adopt(at).await? {
            return Ok(());
        }
        self.begin(generation + 1).await
    }
}

/// Several objects of one step, the one to keep first: what something of ours is attached to, then the oldest.
pub(super) fn best_first(mut ours: Vec<Observed>) -> Vec<Observed> {
    ours.sort_by_key(|seen| (!seen.attached, seen.created_at.unwrap_or(Timestamp::MAX), seen.reference.id.clone()));
    ours
}

/// Goes on with a deletion that was announced.
async fn finish(task: &Task<'_, '_>, resource: &ResourceRef, extra: bool) -> Result<(), Cut> {
    let deadline = task.delete_deadline();
    let seen = task.look(Lookup::Id(resource), deadline).await?.into_vec();
    match seen.into_iter().find(|seen| seen.reference.id == resource.id) {
        None => task.record_gone(Some(resource), extra),
        Some(seen) => {
            let owned = task.prove(seen).map_err(|why| not_ours(&why))?;
            task.remove(&owned, extra).await
        }
    }
}
