//! Changing the tags of what stands: protection and its end. Only what is proven ours is ever given to this.
//!
//! An update of an object replaces all of its tags; the tags themselves are an object at every scope, resource groups'
//! among them, that can be merged into. Pools are parts of a cluster and have no such object: they are put again as they
//! were read. AKS does one thing at a time with a cluster, so what concerns one stands in line.

use super::client::{AzureCx, Only, Op, version};
use super::error::NOT_YET;
use super::refs::ArmId;
use super::steps;
use super::tags::Tags;
use crate::engine::{Clock, ErrorClass, Owned, Residue, StepError};
use crate::providers::patience::patient;
use serde_json::{Value, json};
use std::future::Future;
use std::time::Duration;

const UPDATE: Op = Op::new("resources:tags.updateAtScope", version::RESOURCES);
const POOL: Op = Op::new("containerservice:agentPools.get", version::AKS);
const PUT_POOL: Op = Op::new("containerservice:agentPools.createOrUpdate", version::AKS);
/// An update of a pool's tags takes a minute or two.
const BETWEEN: Duration = Duration::from_secs(10);
const ATTEMPTS: u32 = 60;

/// Whether tags of a kind are changed while it stands: role assignments have a description instead, which stays.
pub fn changes(kind: &str) -> bool {
    kind != steps::role_assignment::KIND
}

/// Puts `tags` on each of them.
///
/// # Errors
/// As the first call that fails; `Permanent` for an object without tags of its own, before any call.
pub async fn retag(cx: &AzureCx, clock: &dyn Clock, owned: &[Owned], tags: &Tags) -> Result<(), StepError> {
    let ids: Vec<ArmId> = owned.iter().map(|it| ArmId(it.id().to_owned())).collect();
    if let Some((odd, id)) = owned.iter().zip(&ids).find(|(_, id)| Place::of(id).is_none()) {
        let message = format!("cannot tag {id}: its kind {} carries no tags", odd.reference().kind);
        return Err(StepError::new(ErrorClass::Permanent, "KW-PLAN", message).with_residue(Residue::None));
    }
    let mut ordered: Vec<(Place, &ArmId)> = ids.iter().filter_map(|id| Some((Place::of(id)?, id))).collect();
    ordered.sort_by_key(|(place, _)| *place);
    for (place, id) in ordered {
        match place {
            Place::Alone => patient(clock, || merge(cx, id, tags)).await?,
            Place::Pool => in_line(clock, || put_pool(cx, id, tags)).await?,
            Place::Cluster => in_line(clock, || merge(cx, id, tags)).await?,
        }
    }
    Ok(())
}

/// How an object's tags are changed, in the order in which that is done: what keeps a cluster busy comes last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Alone,
    Cluster,
    Pool,
}

impl Place {
    /// None for what carries no tags: subnets, role assignments, what is in no group.
    fn of(id: &ArmId) -> Option<Self> {
        id.group_name()?;
        match id.kind().map(|kind| kind.to_ascii_lowercase()).as_deref() {
            None => Some(Self::Alone),
            Some("microsoft.containerservice/managedclusters") => Some(Self::Cluster),
            Some("microsoft.containerservice/managedclusters/agentpools") => Some(Self::Pool),
            Some(kind) if kind.starts_with("microsoft.authorization/") => None,
            Some(_) => id.parent().is_none().then_some(Self::Alone),
        }
    }
}

async fn merge(cx: &AzureCx, id: &ArmId, tags: &Tags) -> Result<(), StepError> {
    let at = ArmId(format!("{id}/providers/Microsoft.Resources/tags/default"));
    let body = json!({ "operation": "Merge", "properties": { "tags": tags } });
    cx.patch(UPDATE, &format!("tags of {}", id.name()), &at, body).await.map(drop)
}

async fn put_pool(cx: &AzureCx, id: &ArmId, tags: &Tags) -> Result<(), StepError> {
    let what = format!("tags of node pool {}", id.name());
    let Some(mut pool) = cx.get::<Value>(POOL, &what, id).await? else { return Ok(()) };
    let etag = pool["properties"]["eTag"].as_str().map(str::to_owned);
    let Some(properties) = pool["properties"].as_object_mut() else { return Ok(()) };
    let own = properties.entry("tags").or_insert_with(|| json!({}));
    if own.is_null() {
        *own = json!({});
    }
    if let Some(own) = own.as_object_mut() {
        own.extend(tags.iter().map(|(key, value)| (key.clone(), json!(value))));
    }
    let body = json!({ "properties": steps::repair::pool_to_send(pool["properties"].take()) });
    let only = etag.as_deref().map_or(Only::Always, Only::IfStill);
    cx.put(PUT_POOL, &what, id, body, only).await.map(drop)
}

/// Until the cluster is free.
async fn in_line<F, Made>(clock: &dyn Clock, mut change: F) -> Result<(), StepError>
where
    F: FnMut() -> Made,
    Made: Future<Output = Result<(), StepError>>,
{
    let mut attempt = 1;
    loop {
        match patient(clock, &mut change).await {
            Err(err) if err.id == NOT_YET && attempt < ATTEMPTS => {
                clock.sleep(err.retry_after.unwrap_or(BETWEEN).max(BETWEEN)).await;
                attempt += 1;
            }
            answer => return answer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_keeps_a_cluster_busy_comes_last_and_parts_carry_no_tags() {
        let group = ArmId::group("s", "kw-demo-0a1b2c3d");
        let network = group.inside("Microsoft.Network/virtualNetworks", "v");
        let cluster = group.inside("microsoft.containerservice/managedClusters", "demo");
        let assigned = network.part("subnets", "n").inside("Microsoft.Authorization/roleAssignments", "1");
        assert_eq!((Place::of(&group), Place::of(&network)), (Some(Place::Alone), Some(Place::Alone)));
        assert_eq!(Place::of(&cluster), Some(Place::Cluster));
        assert_eq!(Place::of(&cluster.part("agentPools", "gpu")), Some(Place::Pool));
        for bare in [network.part("subnets", "n"), assigned, ArmId::subscription("s"), "nonsense".into()] {
            assert_eq!(Place::of(&bare), None, "{bare}");
        }
        assert!(Place::Alone < Place::Cluster && Place::Cluster < Place::Pool);
    }
}
