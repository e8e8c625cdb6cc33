//! `sandbox show`: the whole world as the document that users see.

use super::{
    hub::Hub,
    world::{Object, Origin, World},
};
use crate::{
    cost,
    model::{
        Usage,
        doc::{
            SandboxAction, SandboxFault, SandboxObject, SandboxOp, SandboxRequests, SandboxShow, SandboxTotals,
            SandboxWorld,
        },
    },
};

/// A running world.
pub fn of_hub(hub: &Hub) -> SandboxShow {
    let reading = hub.reading();
    let mut show = hub.look(of_world);
    show.world.speed = Some(reading.speed.into());
    show.world.virtual_time = show.world.virtual_time.max(reading.now);
    let fired = hub.fired().into_iter();
    show.faults = fired.map(|fault| SandboxFault { spec: fault.spec, fired: fault.fired }).collect();
    show
}

/// A world at rest.
pub fn of_world(world: &World) -> SandboxShow {
    // What is inside clusters, and the sandbox's own marks, are no objects of a cloud.
    let listed = |object: &&Object| {
        !matches!(object.service.as_str(), "kubernetes" | "sandbox")
            && !matches!(object.kind.as_str(), "session" | "operation")
    };
    let objects: Vec<SandboxObject> = world.objects().filter(listed).map(view).collect();
    let counted: Vec<&Object> = world
        .objects()
        .filter(listed)
        .filter(|object| object.created_by != Origin::Builtin && !object.is_gone())
        .collect();
    let prices: Vec<Option<f64>> = counted.iter().map(|object| usd_per_hour(&object.usage)).collect();
    let by_op: Vec<SandboxOp> = world
        .ops()
        .iter()
        .map(|(op, count)| SandboxOp {
            op: op.clone(),
            mutating: count.mutating,
            count: count.count,
            failed: count.failed,
        })
        .collect();
    SandboxShow {
        world: SandboxWorld {
            id: world.birth().id.clone(),
            seed: world.birth().seed,
            speed: None,
            virtual_time: world.now(),
            revision: world.revision(),
        },
        totals: SandboxTotals {
            objects: counted.len(),
            billable: counted.iter().filter(|object| !object.usage.is_empty()).count(),
            // An empty sum of floats is -0.
            usd_per_hour: prices.into_iter().sum::<Option<f64>>().map(|sum| sum + 0.0),
        },
        requests: SandboxRequests {
            total: by_op.iter().map(|op| op.count).sum(),
            mutating: by_op.iter().filter(|op| op.mutating).map(|op| op.count).sum(),
            by_op,
            by_action: world
                .actions()
                .iter()
                .map(|(action, asked)| SandboxAction {
                    action: action.clone(),
                    allowed: asked.allowed,
                    denied: asked.denied,
                })
                .collect(),
        },
        objects,
        faults: Vec::new(),
    }
}

fn view(object: &Object) -> SandboxObject {
    SandboxObject {
        cloud: object.cloud.to_string(),
        account: object.account.clone(),
        region: object.region.clone(),
        service: object.service.clone(),
        kind: object.kind.clone(),
        id: object.id.clone(),
        name: object.name.clone(),
        state: object.state.clone(),
        tags: object.tags.clone(),
        parent: object.parent.clone(),
        created_by: object.created_by.as_str().to_owned(),
        created_at: object.created_at,
        billable: !object.usage.is_empty(),
        usd_per_hour: usd_per_hour(&object.usage),
    }
}

fn usd_per_hour(usage: &[Usage]) -> Option<f64> {
    cost::usd_per_hour(usage, cost::catalogue())
}
