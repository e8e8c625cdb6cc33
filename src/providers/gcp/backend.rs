//! The engine's view of one project and region.

use super::client::GcpCx;
use super::{kinds, leftovers, stages, sweep};
use crate::engine::{
    AnyStep, Backend, Clock, Leftover, Observed, PlannedStep, RateLimit, StepError, StepId, SweepPoint, Swept,
};
use crate::model::Stack;
use crate::providers::VolumeFate;
use async_trait::async_trait;
use std::sync::Arc;

/// See [`Backend`].
pub struct GcpBackend {
    /// For listings and looks.
    cx: Arc<GcpCx>,
    /// For steps: services that were switched on a moment ago are given time.
    steps: Arc<GcpCx>,
    clock: Arc<dyn Clock>,
    volumes: VolumeFate,
}

impl GcpBackend {
    /// The view of this context, for a teardown that was told what to do with disks.
    pub fn new(cx: &Arc<GcpCx>, clock: Arc<dyn Clock>, volumes: VolumeFate) -> Self {
        Self { cx: Arc::clone(cx), steps: Arc::new(cx.in_a_run()), clock, volumes }
    }
}

#[async_trait]
impl Backend for GcpBackend {
    fn step(&self, planned: &PlannedStep) -> Result<Arc<dyn AnyStep>, StepError> {
        kinds::step(&self.steps, planned)
    }

    async fn sweep(&self, stack: &Stack) -> Result<Vec<Swept>, StepError> {
        sweep::sweep(&self.cx, &*self.clock, stack).await
    }

    async fn leftovers(&self, stage: &str, stack: &Stack, known: &[Observed]) -> Result<Vec<Leftover>, StepError> {
        let look = leftovers::Look { stack, known, volumes: self.volumes };
        leftovers::leftovers(&self.cx, &*self.clock, stage, look).await
    }

    fn sweep_points(&self, swept: &[Swept]) -> Vec<SweepPoint> {
        let found: Vec<(StepId, &str)> = swept.iter().map(|it| (it.step.id.clone(), it.step.kind.as_str())).collect();
        stages::points(&found)
    }

    /// Well below Google's published limits, so that others in the project get their share: Compute allows 25 reads and
    /// as many writes a second, GKE 50 a second in a region, IAM and Resource Manager ten, Service Usage two.
    fn limit(&self, service: &str) -> RateLimit {
        match service {
            "compute" => RateLimit { per_second: 12.0, burst: 40 },
            "container" => RateLimit { per_second: 8.0, burst: 20 },
            "serviceusage" => RateLimit { per_second: 2.0, burst: 8 },
            _ => RateLimit { per_second: 5.0, burst: 15 },
        }
    }

    fn mutating_calls(&self) -> u64 {
        self.cx.mutating_calls()
    }
}
