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

/// GKE, for a build or a teardown.
pub struct GcpBackend {
    cx: Arc<GcpCx>,
    clock: Arc<dyn Clock>,
    volumes: VolumeFate,
}

impl GcpBackend {
    /// The same project and region as `cx`, for a run.
    pub fn new(cx: &GcpCx, clock: Arc<dyn Clock>, volumes: VolumeFate) -> Self {
        Self { cx: Arc::new(cx.in_a_run()), clock, volumes }
    }
}

#[async_trait]
impl Backend for GcpBackend {
    fn step(&self, planned: &PlannedStep) -> Result<Arc<dyn AnyStep>, StepError> {
        kinds::step(&self.cx, planned)
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

    /// Well below what Google gives a project, so that others in it get their share: Compute Engine 25 reads and 20
    /// writes a second, Kubernetes Engine 50 a second, IAM and Resource Manager 10 (their "Quotas" pages, 2026-11).
    fn limit(&self, service: &str) -> RateLimit {
        match service {
            "compute" => RateLimit { per_second: 12.0, burst: 40 },
            "container" => RateLimit { per_second: 8.0, burst: 20 },
            _ => RateLimit { per_second: 4.0, burst: 12 },
        }
    }

    fn mutating_calls(&self) -> u64 {
        self.cx.mutating_calls()
    }
}
