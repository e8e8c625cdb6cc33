//! A node pool beside the first.
//!
//! GKE changes one thing of a cluster at a time: plans put the pools in a row, and what comes in between (an upgrade,
//! somebody else's pool) is waited for.

use super::Pool;
use super::cluster::{being_made, failure};
use super::support::{
    Making, PART_PARENT, both, broken, busy, making, or_its_making, remove, seen_child, visible, what,
};
use crate::engine::{
    Deletion, ErrorClass, Found, Input, Lookup, Observed, Outputs, Owned, Probe, Residue, ResourceRef, Scope, Step,
    StepError, Token,
};
use crate::providers::gcp::client::{GcpCx, Request};
use crate::providers::gcp::{error, labels, wire};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// How plans name this kind.
pub const KIND: &str = "gcp/node-pool";

/// A node pool. Identity: `Child` of the cluster's step with its name as key, labelled. Its `ResourceRef` id is its name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodePool {
    /// The cluster.
    pub cluster: Input<String>,
    /// Where its control plane is.
    pub location: String,
    /// What the pool is.
    pub pool: Pool,
}

fn place(cluster: &str, pool: &str) -> String {
    format!("clusters/{cluster}/nodePools/{pool}")
}

/// One node pool of a cluster; none where either is gone.
pub(in crate::providers::gcp) async fn get(
    cx: &GcpCx,
    location: &str,
    cluster: &str,
    name: &str,
) -> Result<Option<(Observed, wire::NodePool)>, StepError> {
    let path = cx.container_path(location, &place(cluster, name))?;
    let what = format!("node pool {name}");
    let request = Request::get("container:projects.locations.clusters.nodePools.get", path, &what);
    let read: Option<wire::NodePool> = cx.read(request).await?;
    Ok(read.map(|pool| (observed(cluster, &pool), pool)))
}

/// A node pool as evidence.
pub(in crate::providers::gcp) fn observed(cluster: &str, pool: &wire::NodePool) -> Observed {
    seen_child(KIND, &pool.name, cluster, &pool.name, labels::tags(&pool.config.resource_labels))
}

#[async_trait]
impl Step<GcpCx> for NodePool {
    async fn find(&self, cx: &GcpCx, at: Scope<'_>, by: Lookup<'_>) -> Result<Found, StepError> {
        let cluster = at.inputs.get(&self.cluster)?;
        let read = get(cx, &self.location, &cluster, &self.pool.name).await?.map(|(sight, _)| sight);
        or_its_making(cx, at, by, read, &what("node pool", at)).await
    }

    async fn create(&self, cx: &GcpCx, at: Scope<'_>, _: &Token) -> Result<ResourceRef, StepError> {
        let what = what("node pool", at);
        let cluster = at.inputs.get(&self.cluster)?;
        let path = cx.container_path(&self.location, &format!("clusters/{cluster}/nodePools"))?;
        let body = json!({"nodePool": self.pool.body(at.inputs, at.tags)?});
        let request = Request::post("container:projects.locations.clusters.nodePools.create", path, &what);
        let operation = cx.call(request.body(&body)).await?;
        let mut reference = being_made(KIND, &self.pool.name, &self.location, &operation);
        reference.parts.insert(PART_PARENT.to_owned(), cluster);
        Ok(reference)
    }

    async fn converge(&self, _: &GcpCx, _: Scope<'_>, _: &Owned) -> Result<(), StepError> {
        Ok(())
    }

    async fn probe(&self, cx: &GcpCx, at: Scope<'_>, it: &ResourceRef) -> Result<Probe, StepError> {
        let what = what("node pool", at);
        let cluster = at.inputs.get(&self.cluster)?;
        let making = making(cx, it, &what).await?;
        let failed = if let Making::Failed(why) = &making { Some(why) } else { None };
        let Some((_, pool)) = get(cx, &self.location, &cluster, &self.pool.name).await? else {
            return match making {
                Making::Failed(why) => Ok(Probe::Broken(why.with_residue(Residue::None))),
                Making::Running(words) => Ok(Probe::NotYet(words)),
                Making::Done | Making::Unknown => visible(&what, None::<()>).map(|()| Probe::Ready),
            };
        };
        if let Making::Running(words) = &making {
            return Ok(Probe::NotYet(both(&pool.status, words)));
        }
        Ok(match (pool.status.as_str(), failed) {
            ("ERROR" | "RUNNING_WITH_ERROR", _) | (_, Some(_)) => {
                Probe::Broken(failure(&what, it, &pool.status, &pool.conditions, &pool.status_message, failed))
            }
            ("RUNNING", None) => Probe::Ready,
            ("STOPPING", None) => {
                let why = format!("{what} is being deleted by somebody else");
                Probe::Broken(broken(ErrorClass::Transient, error::ABSENT, it, why))
            }
            (status, None) => Probe::NotYet(status.to_owned()),
        })
    }

    async fn outputs(&self, _: &GcpCx, _: Scope<'_>, _: &ResourceRef) -> Result<Outputs, StepError> {
        Ok(Outputs::new())
    }

    async fn delete(&self, cx: &GcpCx, at: Scope<'_>, owned: &Owned) -> Result<Deletion, StepError> {
        let what = what("node pool", at);
        let cluster = at.inputs.get(&self.cluster)?;
        let read = get(cx, &self.location, &cluster, &self.pool.name).await?;
        if read.as_ref().is_some_and(|(_, pool)| pool.status == "STOPPING") {
            return Ok(Deletion::Started);
        }
        let path = cx.container_path(&self.location, &place(&cluster, &self.pool.name))?;
        let request = Request::delete("container:projects.locations.clusters.nodePools.delete", path, &what);
        match remove(cx, request, owned, &what).await {
            Err(failure) if failure.error.class == ErrorClass::NotYet => Err(busy(&what, failure.error.message)),
            done => Ok(done?),
        }
    }
}
