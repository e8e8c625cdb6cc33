//! What the cluster itself made: looked for at each stage of a teardown, proven ours, and removed before what it uses.

use super::super::{
    Caused, ErrorClass, Item, Leftover, Observed, ResourceRef, StepError, StepId,
    audit::item,
    proof::{PART_SEEN, prove_found},
    retry::later,
    run::Cut,
    task::not_ours,
};
use super::{Demolition, add_once};
use futures::stream::{self, StreamExt};
use std::time::Duration;

impl Demolition<'_, '_> {
    /// Deletes what the cluster made, as far as it shows at this stage and is provably ours, until a look shows no
    /// more of it. Returns what may stand in the way and is not ours.
    pub(super) async fn clear_stage(&self, stage: &str) -> Result<Vec<Item>, Cut> {
        let _alone = self.looking.lock().await;
        let mut deadline = later(self.run.now(), self.run.options.stage_deadline);
        loop {
            let asked = self.run.now();
            let (ours, blockers) = self.leftovers(stage).await?;
            if ours.is_empty() {
                return Ok(blockers);
            }
            let removals = ours.into_iter().map(|leftover| self.remove_leftover(leftover));
            let mut removals = stream::iter(removals).buffer_unordered(self.run.options.parallel.max(1));
            let mut failed: Vec<(StepId, StepError)> = Vec::new();
            while let Some((step, removed)) = removals.next().await {
                match removed {
                    Ok(()) => {}
                    Err(cut @ (Cut::Halted | Cut::Later)) => return Err(cut),
                    Err(Cut::Step(error)) => failed.push((step, *error)),
                }
            }
            drop(removals);
            // What somebody else holds on to keeps only itself: the rest goes, as far as it does not hang on it.
            if !failed.is_empty() && failed.iter().all(|(_, error)| error.class == ErrorClass::Conflict) {
                failed.into_iter().for_each(|(step, error)| self.fail_once(step, error));
                return Ok(blockers);
            }
            if let Some((step, mut error)) = failed.pop() {
                failed.into_iter().for_each(|(step, error)| self.fail_once(step, error));
                error.message = format!("`{step}`: {}", error.message);
                return Err(error.into());
            }
            if self.may_postpone {
                return Err(Cut::Later);
            }
            // Looks and removals have deadlines of their own: this one is for what keeps coming back.
            deadline = self.run.answered(deadline, asked);
            if self.run.now() >= deadline {
                let message = format!("the cluster's own objects keep coming back at stage `{stage}`");
                return Err(StepError::new(ErrorClass::NotYet, "KW-DEADLINE", message).into());
            }
            self.run.pause(Duration::from_secs(1)).await?;
        }
    }

    /// A stage is cleared again and again; what failed is told once.
    fn fail_once(&self, step: StepId, error: StepError) {
        let told = self.run.tally(|tally| tally.failures.iter().any(|failure| failure.step.as_ref() == Some(&step)));
        if !told {
            self.run.fail(Some(step), error);
        }
    }

    /// One look: what is provably ours and goes, and what is not ours. What is kept goes straight to the report.
    pub(super) async fn leftovers(&self, stage: &str) -> Result<(Vec<Leftover>, Vec<Item>), Cut> {
        let known = self.known();
        let found = self.run.wide(stage, || self.run.backend.leftovers(stage, &self.run.stack, &known)).await?;
        let (mut ours, mut blockers) = (Vec::new(), Vec::new());
        for mut leftover in found {
            let reference = leftover.seen.reference.clone();
            let mut item = item(&leftover.step.id, &reference);
            item.usd_per_hour = leftover.usd_per_hour;
            if leftover.keep {
                item.note = Some(leftover.owner.unwrap_or_else(|| "kept at your wish".to_owned()));
                self.run.tally(|tally| add_once(&mut tally.kept, item));
                continue;
            }
            // Once the cluster is gone, our journal is the only witness of what was seen in it.
            if leftover.seen.evidence.caused.is_none()
                && let Some(object) = self.sight(&reference).and_then(|line| line.parts.get(PART_SEEN).cloned())
            {
                leftover.seen.evidence.caused = Some(Caused::SeenInCluster { object });
            }
            let seen = with_sight(leftover.seen.clone());
            match prove_found(&self.run.stack, seen.clone(), &self.ours(), Some(&seen.reference)) {
                Ok(_) => ours.push(leftover),
                Err(why) => {
                    item.note = Some(leftover.owner.unwrap_or_else(|| why.to_string()));
                    self.run.tally(|tally| add_once(&mut tally.blockers, item.clone()));
                    blockers.push(item);
                }
            }
        }
        Ok((ours, blockers))
    }

    pub(super) async fn remove_leftover(&self, leftover: Leftover) -> (StepId, Result<(), Cut>) {
        let step = leftover.step.id.clone();
        let removed = async {
            let task = self.task(&leftover.step).await?;
            let seen = with_sight(leftover.seen);
            // The line that says it goes is also the line that says why it was ours: it comes before the proof.
            task.announce(&seen.reference, true)?;
            let line = seen.reference.clone();
            let owned = prove_found(&self.run.stack, seen, &self.ours(), Some(&line)).map_err(|why| not_ours(&why))?;
            Box::pin(self.remove(&task, &owned, true, true)).await
        };
        let removed = removed.await;
        self.caused.lock().expect("no holder of this lock can panic").insert(step.clone(), leftover.step);
        (step, removed)
    }

    /// The journal's line that says where in our cluster this was seen.
    pub(super) fn sight(&self, resource: &ResourceRef) -> Option<ResourceRef> {
        self.run.state(|state| {
            let same = |known: &&ResourceRef| (&known.kind, &known.id) == (&resource.kind, &resource.id);
            let mut known = state.extras().map(|(_, extra)| &extra.resource).filter(same);
            known.find(|known| known.parts.contains_key(PART_SEEN)).cloned()
        })
    }
}

/// With the sight in the cluster, if there was one, in the reference that the journal gets.
fn with_sight(mut seen: Observed) -> Observed {
    if let Some(Caused::SeenInCluster { object }) = &seen.evidence.caused {
        seen.reference.parts.insert(PART_SEEN.to_owned(), object.clone());
    }
    seen
}
