//! What stands inside another object and dies with it: objects of a cluster's own API, for one.
//!
//! They go first and by their own calls, as everything does, for a controller among them may work against the teardown.
//! But where their holder's inside cannot be reached nothing is lost by leaving them: the holder takes them along.

use super::super::{StepId, run::Cut, task::Task, teardown::Target};
use super::Demolition;

impl Demolition<'_, '_> {
    /// Clears a target, and says what went with it.
    pub(super) async fn clear_with_inside(&self, target: &Target) -> Result<(), Cut> {
        let Some(holder) = &target.step.dies_with else {
            self.clear(target).await?;
            return self.record_gone_with(&target.step.id);
        };
        let closed = self.closed.lock().expect("no holder of this lock can panic").contains(holder);
        if closed {
            return Ok(());
        }
        match self.clear(target).await {
            Err(Cut::Step(error)) => {
                tracing::warn!(step = %target.step.id, %error, "left to go with `{holder}`");
                self.run.tally(|tally| {
                    let note = format!("goes with `{holder}`: {}", error.message);
                    tally.notes.entry(target.step.id.clone()).or_insert(note);
                });
                self.closed.lock().expect("no holder of this lock can panic").insert(holder.clone());
                Ok(())
            }
            done => done,
        }
    }

    /// The holder is gone, and with it all that the journal still has inside.
    fn record_gone_with(&self, holder: &StepId) -> Result<(), Cut> {
        if !self.run.step_state(holder).is_unmade() {
            return Ok(());
        }
        for inside in self.work.targets.values().filter(|target| target.step.dies_with.as_ref() == Some(holder)) {
            let state = self.run.step_state(&inside.step.id);
            if state.is_unmade() {
                continue;
            }
            let task = Task::new(self.run, self.plan, &inside.step, super::Inputs::default())?;
            task.record_gone(state.resource(), false)?;
        }
        Ok(())
    }
}
