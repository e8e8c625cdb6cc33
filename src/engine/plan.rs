//! The plan: a validated graph of steps, serialisable, so that a fresh process can run or undo it.

use super::{Identity, StepId};
use crate::model::{Cloud, Region, Stack, Usage};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{collections::BTreeMap, time::Duration};

/// How a creating call may be repeated when its reply was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Creation {
    /// The cloud honours our token: the same call again gives the same object.
    Token,
    /// The name or place decides: a second call changes nothing or says it exists.
    ByName,
    /// A second call makes a second object: looked for through the settle window first.
    Plain,
}

/// How long it usually takes, and how long it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Timing {
    /// Median seconds until ready.
    pub p50_secs: u32,
    /// Nine of ten are ready by then.
    pub p90_secs: u32,
    /// Waiting ends here.
    pub deadline_secs: u32,
    /// Median seconds until deleted.
    pub delete_p50_secs: u32,
    /// Waiting for the deletion ends here.
    pub delete_deadline_secs: u32,
}

/// One object of the plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedStep {
    /// Stable path.
    pub id: StepId,
    /// The provider's kind, `aws/vpc`: how a fresh process finds the code.
    pub kind: String,
    /// Its resolved params, with references to other steps' outputs.
    pub params: Value,
    /// How its object is found.
    pub identity: Identity,
    /// Whether the object carries our tags, so that a name alone never proves it.
    pub tagged: bool,
    /// Steps that must be ready first: those its params refer to and those it only has to wait for.
    pub needs: Vec<StepId>,
    /// Whose limiter its calls pass, `ec2`.
    pub service: String,
    /// How its creation may be repeated.
    pub creation: Creation,
    /// How long reads may lag behind a creation, plus the longest life of a request on its way.
    pub settle_secs: u32,
    /// Usual durations and deadlines.
    pub timing: Timing,
    /// What it is billed by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub usage: Vec<Usage>,
    /// The step whose object holds it and takes it along when it goes: where that one's inside cannot be reached, a
    /// teardown does not wait for this one, and an audit does not miss it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dies_with: Option<StepId>,
}

impl PlannedStep {
    /// The settle window.
    pub const fn settle(&self) -> Duration {
        Duration::from_secs(self.settle_secs as u64)
    }
}

/// A place in the teardown where the provider looks for what the cluster itself made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SweepPoint {
    /// The provider's name for this look, `leaked-enis`.
    pub stage: String,
    /// Steps that must be deleted before it looks.
    pub after: Vec<StepId>,
    /// Steps that are deleted only when all it found is gone.
    pub before: Vec<StepId>,
}

/// What will be built: decided once, then exactly that.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// Format of this document.
    pub version: u32,
    /// The stack.
    pub stack: Stack,
    /// Its cloud.
    pub provider: Cloud,
    /// Account, project or subscription, as proven before planning.
    pub account: String,
    /// Region.
    pub region: Region,
    /// The resolved spec, defaults and choices filled in.
    pub spec: Value,
    /// Tags every object gets beside the step's own: ours without step and run, and the user's.
    pub tags: BTreeMap<String, String>,
    /// The steps, in an order in which each stands after its needs.
    pub steps: Vec<PlannedStep>,
    /// Looks for leftovers during teardown.
    pub sweeps: Vec<SweepPoint>,
}
