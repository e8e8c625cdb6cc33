//! The last look of a teardown: nothing is left, by id, by tag, and of what the cluster made.

use super::super::{
    Audit, Lookup, Observed,
    audit::{item, sweep},
    run::Cut,
};
use super::{Demolition, Look, add_once};
use futures::stream::{self, StreamExt};
use std::collections::HashSet;

/// The stage name of the last look for what the cluster made.
pub(super) const AUDIT: &str = "audit";

impl Demolition<'_, '_> {
    /// Nothing of what was removed, nothing with our tags, nothing the cluster made.
    pub(super) async fn look(&self) -> Result<Look, Cut> {
        let mut audit = Audit::default();
        let deleted = self.run.tally(|tally| tally.deleted.clone());
        audit.checked = deleted.len();
        let reads = deleted.into_iter().map(|gone| async move {
            let caused = self.caused.lock().expect("no holder of this lock can panic").get(&gone.step).cloned();
            let planned = self.work.targets.get(&gone.step).map(|target| target.step.clone());
            let Some(step) = planned.or(caused) else { return Ok(None) };
            let task = self.task(&step).await?;
            let seen = match task.look(Lookup::Id(&gone.resource), task.delete_deadline()).await {
                // What it stood in was found gone, or is found standing by itself.
                Err(Cut::Step(_)) if step.dies_with.is_some() => return Ok(None),
                seen => seen?.into_vec(),
            };
            // Under a name that was free again may stand what is not ours.
            let is_ours = |seen: &Observed| !step.tagged || task.prove(seen.clone()).is_ok();
            let back = seen.iter().any(|seen| seen.reference.id == gone.resource.id && is_ours(seen));
            Ok::<_, Cut>(back.then_some(gone))
        });
        let mut reads = stream::iter(reads).buffer_unordered(self.run.options.parallel.max(1));
        while let Some(back) = reads.next().await {
            audit.unexpected.extend(back?);
        }
        drop(reads);
        let kept: HashSet<String> =
            self.run.tally(|tally| tally.kept.iter().map(|item| item.resource.id.clone()).collect());
        self.run.tally(|tally| {
            if tally.failures.is_empty() {
                tally.blockers.clear(); // only what stands now is worth telling
            }
        });
        let (caused, _) = self.leftovers(AUDIT).await?;
        for leftover in &caused {
            let mut left = item(&leftover.step.id, &leftover.seen.reference);
            left.usd_per_hour = leftover.usd_per_hour;
            add_once(&mut audit.unexpected, left);
        }
        let mut swept = sweep(self.run).await?;
        swept.retain(|found| found.step.identity.is_undone() && !kept.contains(&found.seen.reference.id));
        for found in &swept {
            add_once(&mut audit.unexpected, item(&found.step.id, &found.seen.reference));
        }
        let stands = self.run.state(|state| {
            let own = state.resources().filter(|(id, _)| self.work.targets.contains_key(id));
            own.map(|(id, resource)| item(id, resource)).collect::<Vec<_>>()
        });
        stands.into_iter().for_each(|item| add_once(&mut audit.unexpected, item));
        audit.checked += audit.unexpected.len();
        audit.clean = audit.unexpected.is_empty();
        Ok(Look { audit, swept, caused: !caused.is_empty() })
    }
}
