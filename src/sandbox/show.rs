//! `sandbox show`: the whole world as one document. Field names are a contract (DESIGN §13).

use super::{
    clock::Speed,
    faults::Fired,
    hub::Hub,
    world::{Object, Origin, World},
};
use crate::{
    cost,
    model::{Cloud, Usage},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The document, without the envelope every document has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Show {
    /// The world itself.
    pub world: WorldView,
    /// Every object, tombstones included.
    pub objects: Vec<ObjectView>,
    /// Sums over what is not built in and not a tombstone.
    pub totals: Totals,
    /// Calls since the world began.
    pub requests: Requests,
    /// Faults of the running server.
    pub faults: Vec<Fired>,
}

/// The world itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorldView {
    /// Eight hexadecimal digits.
    pub id: String,
    /// Seed.
    pub seed: u64,
    /// Speed of the running server; null when none runs.
    pub speed: Option<Speed>,
    /// Virtual time.
    pub virtual_time: Timestamp,
    /// Counts changes.
    pub revision: u64,
}

/// One object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectView {
    /// Cloud.
    pub cloud: Cloud,
    /// Account.
    pub account: String,
    /// Region.
    pub region: String,
    /// Service.
    pub service: String,
    /// Kind.
    pub kind: String,
    /// Id.
    pub id: String,
    /// Name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The vendor's status word.
    pub state: String,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// What it lives in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// Who made it.
    pub created_by: Origin,
    /// When, virtual.
    pub created_at: Timestamp,
    /// Whether it costs anything while it stands.
    pub billable: bool,
    /// What; null when a price is unknown.
    pub usd_per_hour: Option<f64>,
}

/// Sums.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    /// Objects.
    pub objects: usize,
    /// Of these, billable.
    pub billable: usize,
    /// Null when any price is unknown.
    pub usd_per_hour: Option<f64>,
}

/// Calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Requests {
    /// All.
    pub total: u64,
    /// Those that change anything.
    pub mutating: u64,
    /// By operation.
    pub by_op: Vec<OpView>,
}

/// Calls of one operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OpView {
    /// `ec2:CreateVpc`.
    pub op: String,
    /// Whether it changes anything.
    pub mutating: bool,
    /// Calls.
    pub count: u64,
    /// Answered with an error, or not at all.
    pub failed: u64,
}

/// A running world.
pub fn of_hub(hub: &Hub) -> Show {
    let reading = hub.reading();
    let mut show = hub.look(|world| of_world(world, Vec::new()));
    show.world.speed = Some(reading.speed);
    show.world.virtual_time = show.world.virtual_time.max(reading.now);
    show.faults = hub.fired();
    show
}

/// A world at rest.
pub fn of_world(world: &World, faults: Vec<Fired>) -> Show {
    // What is inside clusters, and the sandbox's own marks, are no objects of a cloud.
    let listed =
        |object: &&Object| !matches!(object.service.as_str(), "kubernetes" | "sandbox") && object.kind != "session";
    let objects: Vec<ObjectView> = world.objects().filter(listed).map(view).collect();
    let counted: Vec<&Object> = world
        .objects()
        .filter(listed)
        .filter(|object| object.created_by != Origin::Builtin && !object.is_gone())
        .collect();
    let prices: Vec<Option<f64>> = counted.iter().map(|object| usd_per_hour(&object.usage)).collect();
    let by_op: Vec<OpView> = world
        .ops()
        .iter()
        .map(|(op, count)| OpView {
            op: op.clone(),
            mutating: count.mutating,
            count: count.count,
            failed: count.failed,
        })
        .collect();
    Show {
        world: WorldView {
            id: world.birth().id.clone(),
            seed: world.birth().seed,
            speed: None,
            virtual_time: world.now(),
            revision: world.revision(),
        },
        totals: Totals {
            objects: counted.len(),
            billable: counted.iter().filter(|object| !object.usage.is_empty()).count(),
            usd_per_hour: prices.into_iter().sum(),
        },
        requests: Requests {
            total: by_op.iter().map(|op| op.count).sum(),
            mutating: by_op.iter().filter(|op| op.mutating).map(|op| op.count).sum(),
            by_op,
        },
        objects,
        faults,
    }
}

fn view(object: &Object) -> ObjectView {
    ObjectView {
        cloud: object.cloud,
        account: object.account.clone(),
        region: object.region.clone(),
        service: object.service.clone(),
        kind: object.kind.clone(),
        id: object.id.clone(),
        name: object.name.clone(),
        state: object.state.clone(),
        tags: object.tags.clone(),
        parent: object.parent.clone(),
        created_by: object.created_by,
        created_at: object.created_at,
        billable: !object.usage.is_empty(),
        usd_per_hour: usd_per_hour(&object.usage),
    }
}

fn usd_per_hour(usage: &[Usage]) -> Option<f64> {
    cost::usd_per_hour(usage, cost::catalogue())
}
