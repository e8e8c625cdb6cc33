//! What the engine needs of a provider: steps from plans, listings by tag, leftovers, limits.

use super::{AnyStep, Observed, PlannedStep, StepError, StepId};
use crate::model::Stack;
use async_trait::async_trait;
use std::sync::Arc;

/// Calls a second and how many may come at once, for one service of one account and region.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateLimit {
    /// Steady rate.
    pub per_second: f64,
    /// Burst.
    pub burst: u32,
}

/// Something found by our tags, with the step that must have made it.
#[derive(Debug, Clone, PartialEq)]
pub struct Swept {
    /// A step good enough to delete it: id from its tag, kind, the params `delete` needs.
    pub step: PlannedStep,
    /// What was seen.
    pub seen: Observed,
    /// Step ids found in the same sweep that must be gone first.
    pub after: Vec<StepId>,
}

/// Something the cluster made that stands in the way or would go on billing.
#[derive(Debug, Clone, PartialEq)]
pub struct Leftover {
    /// A step good enough to delete it; its id starts with `caused/`.
    pub step: PlannedStep,
    /// What was seen, with `evidence.caused` set where it is provably ours.
    pub seen: Observed,
    /// Kept at the user's wish (volumes, `Retain`): listed, not deleted, and nothing waits for it.
    pub keep: bool,
    /// Who it belongs to in words, for those that are not ours.
    pub owner: Option<String>,
    /// Price while it stands.
    pub usd_per_hour: Option<f64>,
}

/// A provider, as the engine sees it.
#[async_trait]
pub trait Backend: Send + Sync {
    /// The code behind a planned step.
    ///
    /// # Errors
    /// `Permanent` for a kind or params this build does not know.
    fn step(&self, planned: &PlannedStep) -> Result<Arc<dyn AnyStep>, StepError>;

    /// Everything that carries this stack's tags or names, by per-service listings, with an order to delete it in.
    async fn sweep(&self, stack: &Stack) -> Result<Vec<Swept>, StepError>;

    /// What the cluster itself made, as far as it can be seen at this stage of the teardown. `known` are the objects
    /// of the stack that are proven ours: evidence such as "inside our network" starts from them.
    async fn leftovers(&self, stage: &str, stack: &Stack, known: &[Observed]) -> Result<Vec<Leftover>, StepError>;

    /// The stages to look at when there is no plan, each with the kinds deleted before it looks and the kinds that
    /// wait for it.
    fn sweep_points(&self, swept: &[Swept]) -> Vec<super::SweepPoint>;

    /// How fast a service may be called.
    fn limit(&self, service: &str) -> RateLimit;

    /// Mutating calls sent so far by this process.
    fn mutating_calls(&self) -> u64;
}
