//! Provisioning: runs a plan towards everything ready, from whatever state the journal shows.

use super::{Plan, Report, RunInfo, Session, StackState};

impl Session {
    /// Builds, or goes on building. The first call on an empty journal records the plan; a later one may bring
    /// another plan as long as it changes only steps that were never made. Refuses a stack whose removal has begun.
    ///
    /// `state` is the folded journal and is kept in step with it.
    pub async fn provision(&mut self, plan: &Plan, state: &mut StackState, run: RunInfo) -> Report {
        let _ = (plan, &state);
        self.unsupported(run)
    }

    fn unsupported(&self, run: RunInfo) -> Report {
        Report {
            mode: super::Mode::Provision,
            run: run.run,
            outcome: super::Outcome::Failed,
            steps: Vec::new(),
            remaining: Vec::new(),
            deleted: Vec::new(),
            kept: Vec::new(),
            blockers: Vec::new(),
            failures: Vec::new(),
            mutating_calls: self.backend.mutating_calls(),
            audit: None,
            elapsed: std::time::Duration::ZERO,
        }
    }

    /// Rebuilds a journal from the cloud: finds the object of every planned step by its identity and records it.
    /// What stands complete is recorded as ready; the rest is for the next `provision`. Creates and deletes nothing.
    pub async fn recover(&mut self, plan: &Plan, state: &mut StackState, run: RunInfo) -> Report {
        let _ = (plan, &state);
        self.unsupported(run)
    }

    /// Removes everything in `work`, then looks twice. Nothing that is not provably ours is touched.
    pub async fn teardown(&mut self, work: super::Teardown, state: &mut StackState, run: RunInfo) -> Report {
        let _ = (work, &state);
        self.unsupported(run)
    }

    /// Reads every recorded object by id, and everything that carries the stack's tags. Changes and records nothing.
    ///
    /// # Errors
    /// When the cloud could not be read.
    pub async fn audit(&mut self, state: &StackState) -> Result<super::Audit, super::StepError> {
        let _ = state;
        Ok(super::Audit::default())
    }
}
