//! A node pool beside the first.
//!
//! GKE changes one thing of a cluster at a time: plans put the pools in a row, and what comes in between (an upgrade,
//! somebody else's pool) is waited for.

use super::Pool;
use super::cluster::{being_made, failure};
use super::support::{
    Making, PART_PARENT, both, broken, busy, followed, making, needs_seen, or_its_making, remove, seen_child, visible,
    what,
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
        let made = cx.call(request.body(&body)).await;
        let operation = made.map_err(|failure| needs_seen(&[&cluster], failure))?;
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
        let making = followed(cx, it, &what).await?;
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
        match &read {
            // Its cluster is known by a name that anyone can take once it is free.
            Some((seen, _)) if labels::stack_of(&seen.evidence.tags).as_ref() != Some(at.stack) => {
                return Ok(Deletion::Taken);
            }
            Some((_, pool)) if pool.status == "STOPPING" => return Ok(Deletion::Started),
            Some(_) => {}
            // Another one of that name may come: it is not asked to go.
            None => {
                return match making(cx, owned.reference(), &what).await? {
                    Making::Running(words) => Err(busy(&what, format_args!("it is still being made, {words}"))),
                    Making::Failed(_) | Making::Done | Making::Unknown => Ok(Deletion::Gone),
                };
            }
        }
        let path = cx.container_path(&self.location, &place(&cluster, &self.pool.name))?;
        let request = Request::delete("container:projects.locations.clusters.nodePools.delete", path, &what);
        match remove(cx, request, owned, &what).await {
            Err(failure) if failure.error.class == ErrorClass::NotYet => Err(busy(&what, failure.error.message)),
            done => Ok(done?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Identity;
    use crate::k8s::testing::{Answer, Server};
    use crate::providers::{gcp::testing::cx_at, testing::Told};

    fn step() -> (NodePool, Told) {
        let pool = json!({"cluster": "demo", "location": "us-central1-a", "pool": {"name": "gpu", "machineType": "m",
            "diskType": "d", "diskGib": 50, "spot": false, "account": "a", "scopes": [], "zones": [],
            "nodesPerZone": 1, "private": true, "upgraded": true}});
        let identity = Identity::Child { parent: "cluster".into(), key: "gpu".to_owned() };
        (serde_json::from_value(pool).unwrap(), Told::new("nodes/gpu", identity))
    }

    #[tokio::test]
    async fn a_pool_of_a_strangers_cluster_stays() {
        let (step, told) = step();
        let labelled = |tags| {
            Answer::of(
                200,
                json!({"name": "gpu", "status": "RUNNING", "config": {"resourceLabels": labels::labels(&tags)}}),
            )
        };
        let absent =
            || Answer::of(404, json!({"error": {"code": 404, "status": "NOT_FOUND", "message": "Not found: it."}}));
        for (then, calls, tags) in [
            (Deletion::Started, vec!["GET", "DELETE"], Some(told.ours())),
            (Deletion::Taken, vec!["GET"], Some(told.theirs())),
            (Deletion::Taken, vec!["GET"], Some(labels::Tags::new())),
            (Deletion::Gone, vec!["GET"], None),
        ] {
            let server = Server::start(move |asked| match (&*asked.method, &tags) {
                ("GET", Some(tags)) => labelled(tags.clone()),
                ("GET", None) => absent(),
                _ => Answer::of(200, json!({"name": "operation-1", "status": "RUNNING"})),
            })
            .await;
            let owned = told.owned(Some("demo"), seen_child(KIND, "gpu", "demo", "gpu", told.ours()));
            let done = step.delete(&cx_at(&server.url()), told.scope(), &owned).await.unwrap();
            let sent: Vec<String> = server.requests().into_iter().map(|asked| asked.method).collect();
            assert_eq!((done, sent), (then, calls.into_iter().map(str::to_owned).collect()));
        }
    }

    #[tokio::test]
    async fn who_may_not_see_operations_is_told_by_the_pool_itself() {
        let denied = json!({"error": {"code": 403, "status": "PERMISSION_DENIED", "message": "Required \"container.operations.get\" permission"}});
        let server = Server::start(move |asked| {
            if asked.path.contains("/operations/") {
                return Answer::of(403, denied.clone());
            }
            Answer::of(200, json!({"name": "gpu", "status": "RUNNING"}))
        })
        .await;
        let (step, told) = step();
        let it = being_made(KIND, "gpu", "us-central1-a", &json!({"name": "operation-1"}));
        let cx = cx_at(&server.url());
        assert_eq!(step.probe(&cx, told.scope(), &it).await.unwrap(), Probe::Ready);
        assert_eq!(making(&cx, &it, "pool").await.unwrap_err().class, ErrorClass::Auth, "nothing is gone by that");
    }
}
