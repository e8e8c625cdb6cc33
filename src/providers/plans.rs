//! How every cloud lays its plan out: steps with their habits, one after the other, and the whole with what it is for.

use crate::engine::{
    Creation, ErrorClass, Identity, Plan, PlannedStep, Residue, StepError, StepId, SweepPoint, Timing,
};
use crate::model::{PriceKey, ResolvedSpec, Stack, Usage};
use serde::Serialize;
use std::collections::BTreeMap;

/// Format of the plan document.
const VERSION: u32 = 1;

/// How one kind behaves in time and under repetition.
#[derive(Clone, Copy)]
pub struct Habits {
    /// Whose limiter its calls pass.
    pub service: &'static str,
    /// How its creation may be repeated.
    pub creation: Creation,
    /// Whether it carries our tags.
    pub tagged: bool,
    /// How long reads lag behind a creation, plus the longest life of a request on its way.
    pub settle_secs: u32,
    /// Usual durations and deadlines.
    pub timing: Timing,
}

impl Habits {
    /// Of what was brought along: only read.
    pub const fn adopted(service: &'static str) -> Self {
        let timing = timing(1, 2, 60, 0, 60);
        Self { service, creation: Creation::ByName, tagged: false, settle_secs: 0, timing }
    }
}

/// Median, 90th percentile and deadline of making it; median and deadline of its removal; all in seconds.
pub const fn timing(
    p50_secs: u32,
    p90_secs: u32,
    deadline_secs: u32,
    delete_p50_secs: u32,
    delete_deadline_secs: u32,
) -> Timing {
    Timing { p50_secs, p90_secs, deadline_secs, delete_p50_secs, delete_deadline_secs }
}

/// A spec that this cloud cannot plan.
pub fn refuse(message: impl Into<String>) -> StepError {
    StepError::new(ErrorClass::Permanent, "KW-SPEC", message).with_residue(Residue::None)
}

/// The steps of a spec's plan, in the making.
pub struct Steps<'a> {
    spec: &'a ResolvedSpec,
    list: Vec<PlannedStep>,
}

impl<'a> Steps<'a> {
    /// None yet.
    pub const fn new(spec: &'a ResolvedSpec) -> Self {
        Self { spec, list: Vec::new() }
    }

    /// One more.
    pub fn add(
        &mut self,
        id: impl Into<StepId>,
        kind: &str,
        params: &impl Serialize,
        identity: Identity,
        habits: Habits,
        needs: Vec<StepId>,
    ) -> StepId {
        let id = id.into();
        self.list.push(PlannedStep {
            id: id.clone(),
            kind: kind.to_owned(),
            params: serde_json::to_value(params).expect("params are strings, numbers, lists and maps of them"),
            identity,
            tagged: habits.tagged,
            needs,
            service: habits.service.to_owned(),
            creation: habits.creation,
            settle_secs: habits.settle_secs,
            timing: habits.timing,
            usage: Vec::new(),
            dies_with: None,
        });
        id
    }

    /// The step added last.
    pub fn last(&mut self) -> &mut PlannedStep {
        self.list.last_mut().expect("called right after a step was added")
    }

    /// Bills the step added last.
    pub fn bill(&mut self, usage: impl IntoIterator<Item = Usage>) {
        self.last().usage.extend(usage);
    }

    /// A component's key into the price table, of this cloud and region.
    pub fn component(&self, name: &str) -> PriceKey {
        PriceKey::Component { cloud: self.spec.provider, region: self.spec.region.clone(), name: name.to_owned() }
    }

    /// The plan. `points` says where its teardown looks for what the cluster itself made.
    ///
    /// # Errors
    /// `Permanent`, `KW-PLAN`, for steps that do not fit together: a fault of the cloud's own plan.
    pub fn whole(
        self,
        stack: &Stack,
        tags: BTreeMap<String, String>,
        points: fn(&[(StepId, &str)]) -> Vec<SweepPoint>,
    ) -> Result<Plan, StepError> {
        let kinds: Vec<(StepId, &str)> = self.list.iter().map(|it| (it.id.clone(), it.kind.as_str())).collect();
        let sweeps = points(&kinds);
        let spec = self.spec;
        let whole = Plan {
            version: VERSION,
            stack: stack.clone(),
            provider: spec.provider,
            account: spec.account.clone(),
            region: spec.region.clone(),
            spec: serde_json::to_value(spec).expect("a resolved spec is strings, numbers, lists and maps of them"),
            tags,
            steps: self.list,
            sweeps,
        };
        whole.checked().map_err(|fault| {
            StepError::new(ErrorClass::Permanent, "KW-PLAN", fault.to_string()).with_residue(Residue::None)
        })
    }
}
