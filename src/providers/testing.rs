//! What the unit tests of every cloud start from: a spec and a pool, a step as the engine tells it, a clock that stands.

use super::anchors::Tags;
use crate::engine::proof::{TAG_STACK, TAG_STEP, prove};
use crate::engine::{Clock, Identity, Inputs, Observed, Owned, PlannedStep, RunId, Scope, StepId};
use crate::model::spec::{Budget, Nat, ResolvedNetwork, ResolvedPool};
use crate::model::{Cloud, Region, ResolvedSpec, Stack};
use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::json;
use std::time::Duration;

/// The default cluster of a cloud, less what only that cloud has. `place` is its region and its account.
pub(crate) fn spec(
    name: &str,
    cloud: Cloud,
    place: (&str, &str),
    zones: [&str; 2],
    pool: ResolvedPool,
) -> ResolvedSpec {
    let (region, account) = place;
    ResolvedSpec {
        name: name.parse().unwrap(),
        provider: cloud,
        region: Region(region.to_owned()),
        account: account.to_owned(),
        environment: None,
        version: "1.35".to_owned(),
        ttl_secs: None,
        protect: false,
        budget: Budget::default(),
        network: ResolvedNetwork {
            cidr: "10.0.0.0/16".parse().unwrap(),
            zones: zones.map(str::to_owned).to_vec(),
            nat: Nat::Single,
            api_allow: vec!["0.0.0.0/0".parse().unwrap()],
            existing: None,
        },
        node_pools: vec![pool],
        admins: Vec::new(),
        tags: [("team".to_owned(), "research".to_owned())].into(),
        aws: None,
        gcp: None,
        azure: None,
        defaults: vec!["network.nat".to_owned()],
    }
}

/// A pool of two such machines.
pub(crate) fn pool(name: &str, instance_type: &str) -> ResolvedPool {
    ResolvedPool {
        name: name.to_owned(),
        instance_type: instance_type.to_owned(),
        other_types: Vec::new(),
        billed_type: None,
        arch: "amd64".to_owned(),
        gpu: None,
        count: 2,
        min: 2,
        max: 2,
        spot: false,
        disk_gib: 50,
        labels: [].into(),
        taints: Vec::new(),
    }
}

/// A clock on which nothing takes time.
pub(crate) struct Stands;

#[async_trait]
impl Clock for Stands {
    fn now(&self) -> Timestamp {
        "2026-11-27T00:00:00Z".parse().unwrap()
    }
    async fn sleep(&self, _: Duration) {}
}

/// A tagged step of the stack `demo-0a1b2c3d`, as the engine tells it.
pub(crate) struct Told {
    stack: Stack,
    run: RunId,
    step: PlannedStep,
    inputs: Inputs,
    tags: Tags,
}

impl Told {
    /// A step with this id and this identity.
    pub(crate) fn new(id: &str, identity: Identity) -> Self {
        let step = serde_json::from_value(json!({
            "id": id, "kind": "test/thing", "params": {}, "identity": identity, "tagged": true, "needs": [],
            "service": "s", "creation": "token", "settleSecs": 0,
            "timing": {"p50Secs": 0, "p90Secs": 0, "deadlineSecs": 0, "deleteP50Secs": 0, "deleteDeadlineSecs": 0},
        }));
        let stack: Stack = "demo-0a1b2c3d".parse().unwrap();
        let tags = tags(&stack, id);
        Self { stack, run: RunId("r".to_owned()), step: step.unwrap(), inputs: Inputs::default(), tags }
    }

    /// What a verb is told.
    pub(crate) fn scope(&self) -> Scope<'_> {
        Scope {
            stack: &self.stack,
            run: &self.run,
            step: &self.step.id,
            identity: &self.step.identity,
            inputs: &self.inputs,
            tags: &self.tags,
        }
    }

    /// What was seen, proven.
    pub(crate) fn owned(&self, parent: Option<&str>, seen: Observed) -> Owned {
        prove(&self.stack, &self.step, parent, seen).unwrap()
    }

    /// Our own two tags.
    pub(crate) fn ours(&self) -> Tags {
        self.tags.clone()
    }

    /// The tags of the same step of another stack of the same name.
    pub(crate) fn theirs(&self) -> Tags {
        tags(&"demo-ffffffff".parse().unwrap(), self.step.id.as_str())
    }
}

fn tags(stack: &Stack, step: &str) -> Tags {
    let step = StepId::new(step).tag_value();
    [(TAG_STACK.to_owned(), stack.to_string()), (TAG_STEP.to_owned(), step)].into()
}
