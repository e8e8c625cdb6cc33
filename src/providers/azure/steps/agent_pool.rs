//! A further pool of a cluster's nodes.

use super::pool::{Place, PoolParams};
use super::support::{Type, all_tags, seen_child};
use crate::engine::{
    Deletion, Found, Input, Lookup, Observed, Outputs, Owned, Probe, ResourceRef, Scope, Step, StepError, Token,
};
use crate::providers::azure::client::{AzureCx, Only, Op, version};
use crate::providers::azure::lro;
use crate::providers::azure::models::{Answered, PoolSeen};
use crate::providers::azure::refs::ArmId;
use crate::providers::azure::tags;
use crate::providers::kit::ExtraTags;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// How plans name this kind.
pub const KIND: &str = "azure/agent-pool";

/// Its operations.
pub(in crate::providers::azure) const TYPE: Type = Type {
    kind: KIND,
    noun: "node pool",
    get: Op::new("containerservice:agentPools.get", version::AKS),
    put: Op::new("containerservice:agentPools.createOrUpdate", version::AKS),
    delete: Op::new("containerservice:agentPools.delete", version::AKS),
};

/// An agent pool. Identity: `Child` of the cluster's step with the pool's name as key, tagged. Its `ResourceRef` id is
/// its resource id. AKS does one thing at a time with a cluster, so pools stand in line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AgentPool {
    /// The cluster.
    pub cluster: Input<ArmId>,
    /// The nodes' subnet.
    pub subnet: Input<ArmId>,
    /// What it is to be.
    pub pool: PoolParams,
}

/// One pool with its tags.
pub(in crate::providers::azure) async fn get(
    cx: &AzureCx,
    cluster: &ArmId,
    name: &str,
) -> Result<Option<(Observed, PoolSeen)>, StepError> {
    let id = cluster.part("agentPools", name);
    let found: Option<Answered<PoolSeen>> = cx.get(TYPE.get, &format!("node pool {name}"), &id).await?;
    Ok(found.map(|it| {
        let mut seen = seen_child(KIND, id.as_str(), cluster.as_str(), name);
        seen.reference.name = Some(name.to_owned());
        seen.evidence.tags = it.properties.tags.clone();
        (seen, it.properties)
    }))
}

impl AgentPool {
    async fn read(&self, cx: &AzureCx, at: Scope<'_>) -> Result<Option<(Observed, PoolSeen)>, StepError> {
        get(cx, &at.inputs.get(&self.cluster)?, &self.pool.name).await
    }
}

#[async_trait]
impl Step<AzureCx> for AgentPool {
    async fn find(&self, cx: &AzureCx, at: Scope<'_>, by: Lookup<'_>) -> Result<Found, StepError> {
        let Some((seen, pool)) = self.read(cx, at).await? else { return Ok(Found::None) };
        if let Lookup::Id(it) = by {
            lro::surface(cx, TYPE.delete, &TYPE.what(at), &it.id, pool.provisioning_state.as_deref()).await?;
        }
        Ok(Found::One(seen))
    }

    async fn create(&self, cx: &AzureCx, at: Scope<'_>, _: &Token) -> Result<ResourceRef, StepError> {
        let id = at.inputs.get(&self.cluster)?.part("agentPools", &self.pool.name);
        let tags = all_tags(at, &ExtraTags::new());
        let body = json!({ "properties": self.pool.body(Place::User, &at.inputs.get(&self.subnet)?, tags) });
        TYPE.create(cx, at, &id, &body, Only::IfAbsent).await
    }

    async fn converge(&self, _: &AzureCx, _: Scope<'_>, _: &Owned) -> Result<(), StepError> {
        Ok(())
    }

    async fn probe(&self, cx: &AzureCx, at: Scope<'_>, it: &ResourceRef) -> Result<Probe, StepError> {
        let read = async { Ok(self.read(cx, at).await?.map(|(_, pool)| pool.provisioning_state)) };
        lro::probe(cx, TYPE.put, &TYPE.what(at), it, read).await
    }

    async fn outputs(&self, _: &AzureCx, _: Scope<'_>, _: &ResourceRef) -> Result<Outputs, StepError> {
        Ok(Outputs::new())
    }

    async fn delete(&self, cx: &AzureCx, at: Scope<'_>, owned: &Owned) -> Result<Deletion, StepError> {
        let Some((seen, pool)) = self.read(cx, at).await? else { return Ok(Deletion::Gone) };
        // Once ours is gone, another of that name is somebody else's.
        if !tags::is_ours(at.stack, &seen.evidence.tags) {
            return Ok(Deletion::Taken);
        }
        if pool.provisioning_state.is_some_and(|state| state.eq_ignore_ascii_case("deleting")) {
            return Ok(Deletion::Started);
        }
        // The whole cluster is going: no budget of pods is to hold it up.
        TYPE.delete(cx, at, owned.id(), &[("ignore-pod-disruption-budget", "true")]).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Identity;
    use crate::k8s::testing::{Answer, Server};
    use crate::providers::{azure::testing::cx_at, testing::Told};

    #[tokio::test]
    async fn a_strangers_pool_of_the_same_name_stays() {
        let pool = json!({"name": "gpu", "vmSize": "Standard_D2as_v5", "diskGib": 50, "count": 1, "min": 1, "max": 1,
            "spot": false, "gpu": false, "version": "1.35", "zones": []});
        let cluster = ArmId("/subscriptions/s/resourceGroups/g/providers/p/managedClusters/demo".to_owned());
        let step = json!({"cluster": cluster, "subnet": "/n", "pool": pool});
        let step: AgentPool = serde_json::from_value(step).unwrap();
        let identity = Identity::Child { parent: "cluster".into(), key: "gpu".to_owned() };
        let told = Told::new("nodes/gpu", identity);
        for (tags, then, calls) in [
            (told.ours(), Deletion::Started, 2),
            (told.theirs(), Deletion::Taken, 1),
            (tags::Tags::new(), Deletion::Taken, 1),
        ] {
            let seen = json!({"name": "gpu", "properties": {"provisioningState": "Succeeded", "tags": tags}});
            let server =
                Server::start(move |asked| Answer::of(if asked.method == "GET" { 200 } else { 202 }, seen.clone()))
                    .await;
            let mut ours = seen_child(KIND, cluster.part("agentPools", "gpu").as_str(), cluster.as_str(), "gpu");
            ours.evidence.tags = told.ours();
            let owned = told.owned(Some(cluster.as_str()), ours);
            let done = step.delete(&cx_at(&server.url()), told.scope(), &owned).await.unwrap();
            assert_eq!((done, server.requests().len()), (then, calls));
        }
    }
}
