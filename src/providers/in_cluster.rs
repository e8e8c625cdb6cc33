//! What stands in a cluster and holds something in the cloud: Services and Ingresses with load balancers, claims with
//! disks. Deleted through the API server, while its controllers live to remove what they made.
//!
//! Where the API server cannot be reached, or does not let us in, the teardown goes on by what the cloud tells: nothing
//! here fails for that reason alone.

use super::VolumeFate;
use super::kit::{self, never_made, what};
use crate::engine::{
    Caused, Deletion, ErrorClass, Found, Identity, Input, Leftover, Lookup, Outputs, Owned, Probe, ResourceRef, Scope,
    Step, StepError, StepId, Token,
};
use crate::k8s::{self, ObjectKind, ObjectRef, Reclaim};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A Service with a load balancer.
pub const SERVICE: &str = "k8s/service";
/// An Ingress with a load balancer.
pub const INGRESS: &str = "k8s/ingress";
/// A claim on a disk.
pub const CLAIM: &str = "k8s/claim";

/// A cloud's way into its clusters: what the context of its steps can do.
#[async_trait]
pub trait WayIn: Send + Sync {
    /// A client for the API server of the cluster that the cloud knows by this id; none when the cluster is gone or has
    /// no endpoint (yet, or any more).
    async fn connect(&self, cluster: &str) -> Result<Option<k8s::Client>, StepError>;

    /// The same, but not into a cluster that is going: what is in it goes along.
    async fn enter(&self, cluster: &str) -> Result<Option<k8s::Client>, StepError>;

    /// A mutating call goes to the API server, past the cloud's own client.
    fn count_mutating_call(&self);

    /// The cloud's id for what is not visible yet, or still in use.
    fn not_yet(&self) -> &'static str;

    /// How long it may take until somebody who was given access is let in.
    fn let_in_within(&self) -> Duration;

    /// Beginnings of the finalizers by which the cloud's own controllers hold Services with load balancers.
    fn balancer_finalizers(&self) -> &'static [&'static str] {
        &[]
    }
}

/// An object in the cluster. Its `ResourceRef` id is `namespace/name`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InCluster {
    /// The cluster's id in its cloud.
    pub cluster: Input<String>,
    /// The object, with the uid that tells it from a later one of its name.
    pub object: ObjectRef,
}

/// What stands in our clusters and holds something in the cloud. Reads only.
///
/// # Errors
/// When the API server answers, but not to all that was asked.
pub async fn made<Cx: WayIn>(
    cx: &Cx,
    clusters: impl IntoIterator<Item = &str>,
    volumes: VolumeFate,
) -> Result<Vec<Leftover>, StepError> {
    let mut found = Vec::new();
    for name in clusters {
        let Some(client) = cx.connect(name).await? else { continue };
        if let Err(why) = k8s::reachable(&client).await {
            tracing::warn!(cluster = name, %why, "cannot look inside the cluster: going on from outside");
            continue;
        }
        let made = match k8s::cluster_made(&client, cx.balancer_finalizers()).await {
            Err(denied) if denied.class == ErrorClass::Auth => {
                tracing::warn!(cluster = name, why = %denied, "may not look inside the cluster: going on from outside");
                continue;
            }
            made => made?,
        };
        found.extend(made.load_balancers.into_iter().map(|balancer| leftover(name, balancer.object)));
        // By policy the driver deletes the disk with its claim. A disk whose policy is `Retain`, or that is to be
        // kept, keeps its claim; the later look for disks lists it, or deletes it when told so.
        let dies = |volume: &k8s::VolumeMade| volume.provisioned && volume.reclaim == Reclaim::Delete;
        let claims = made.volumes.into_iter().filter(|volume| dies(volume) && volumes != VolumeFate::Keep);
        found.extend(claims.filter_map(|volume| volume.claim).map(|claim| leftover(name, claim)));
    }
    Ok(found)
}

fn leftover(cluster: &str, object: ObjectRef) -> Leftover {
    let id = format!("{}/{}", object.namespace, object.name);
    let kind = match object.kind {
        ObjectKind::Service => SERVICE,
        ObjectKind::Ingress => INGRESS,
        _ => CLAIM,
    };
    let mut seen = kit::seen_child(kind, &id, cluster, &id);
    // One line of the journal says where it was seen, and outlives the cluster.
    seen.evidence.caused = Some(Caused::SeenInCluster { object: object.to_string() });
    let params = InCluster { cluster: Input::Given(cluster.to_owned()), object };
    let step = StepId::new(format!("caused/{kind}/{id}"));
    let step = kit::deletable(step, kind, &params, (Identity::Tags, false), "k8s", (2, 900));
    Leftover { step, seen, keep: false, owner: None, usd_per_hour: None }
}

#[async_trait]
impl<Cx: WayIn> Step<Cx> for InCluster {
    async fn find(&self, cx: &Cx, at: Scope<'_>, by: Lookup<'_>) -> Result<Found, StepError> {
        let (cluster, Lookup::Id(it)) = (at.inputs.get(&self.cluster)?, by) else { return Ok(Found::None) };
        // It went with its cluster.
        let Some(client) = cx.connect(&cluster).await? else { return Ok(Found::None) };
        if k8s::is_gone(&client, &self.object).await? {
            return Ok(Found::None);
        }
        Ok(Found::One(kit::seen_child(&it.kind, &it.id, &cluster, &it.id)))
    }

    async fn create(&self, _: &Cx, at: Scope<'_>, _: &Token) -> Result<ResourceRef, StepError> {
        Err(never_made(&what("object", at)))
    }

    async fn converge(&self, _: &Cx, _: Scope<'_>, _: &Owned) -> Result<(), StepError> {
        Ok(())
    }

    async fn probe(&self, _: &Cx, _: Scope<'_>, _: &ResourceRef) -> Result<Probe, StepError> {
        Ok(Probe::Ready)
    }

    async fn outputs(&self, _: &Cx, _: Scope<'_>, _: &ResourceRef) -> Result<Outputs, StepError> {
        Ok(Outputs::new())
    }

    async fn delete(&self, cx: &Cx, at: Scope<'_>, _: &Owned) -> Result<Deletion, StepError> {
        let cluster = at.inputs.get(&self.cluster)?;
        let Some(client) = cx.connect(&cluster).await? else { return Ok(Deletion::Gone) };
        if self.object.kind == ObjectKind::PersistentVolumeClaim {
            // Kubernetes keeps a claim as long as pods on nodes use it. Once it is going no new pod gets it, so those
            // that have it now are the last: they go one by one.
            let made = k8s::cluster_made(&client, cx.balancer_finalizers()).await?;
            let volume = made.volumes.into_iter().find(|volume| volume.claim.as_ref() == Some(&self.object));
            if let Some(pod) = volume.filter(|volume| volume.going).and_then(|volume| volume.pods.into_iter().next()) {
                cx.count_mutating_call();
                k8s::delete(&client, &pod).await?;
                return Err(kit::busy(
                    cx.not_yet(),
                    &self.object.to_string(),
                    format_args!("{pod} used it and goes first"),
                ));
            }
        }
        cx.count_mutating_call();
        let deletion = k8s::delete(&client, &self.object).await?;
        if self.object.kind == ObjectKind::PersistentVolumeClaim && !k8s::is_gone(&client, &self.object).await? {
            let made = k8s::cluster_made(&client, cx.balancer_finalizers()).await?;
            let in_use =
                |volume: &k8s::VolumeMade| volume.claim.as_ref() == Some(&self.object) && !volume.pods.is_empty();
            if made.volumes.iter().any(in_use) {
                return Err(kit::busy(cx.not_yet(), &self.object.to_string(), "pods use it"));
            }
        }
        Ok(deletion)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::proof::{PART_SEEN, prove_found};

    #[test]
    fn a_sight_in_the_cluster_counts_only_once_it_is_journalled() {
        let object = ObjectRef {
            kind: ObjectKind::Service,
            namespace: "default".to_owned(),
            name: "web".to_owned(),
            uid: "1".to_owned(),
        };
        let found = leftover("demo", object);
        assert_eq!(found.step.id.as_str(), "caused/k8s/service/default/web");
        let stack = "demo-0a1b2c3d".parse().unwrap();
        assert!(prove_found(&stack, found.seen.clone(), &["demo".to_owned()].into(), None).is_err());
        let mut line = found.seen.reference.clone();
        line.parts.insert(PART_SEEN.to_owned(), "Service default/web".to_owned());
        assert!(prove_found(&stack, found.seen, &[].into(), Some(&line)).is_ok());
    }
}
