//! What the cluster made in its cloud: load balancers behind Services and Ingresses, disks behind volumes.
//!
//! Destroy shows it first, since data dies with it, and deletes it through the cluster's own controllers while they live.

use super::{
    error,
    object::{ObjectKind, ObjectRef, list_all},
};
use crate::engine::StepError;
use k8s_openapi::{
    api::{
        core::v1::{PersistentVolume, PersistentVolumeClaim, Pod, Service},
        networking::v1::Ingress,
    },
    apimachinery::pkg::api::resource::Quantity,
};
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What becomes of a disk when its claim is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Reclaim {
    /// The disk and its data go.
    Delete,
    /// The disk stays and is billed on.
    Retain,
}

/// A load balancer's owner in the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadBalancerMade {
    /// The Service or Ingress.
    pub object: ObjectRef,
    /// Names or addresses it answers at; none until the cloud has made it.
    pub addresses: Vec<String>,
    /// It is being deleted already.
    pub going: bool,
}

/// A disk.
#[derive(Debug, Clone, PartialEq)]
pub struct VolumeMade {
    /// The volume object.
    pub volume: ObjectRef,
    /// The claim that holds it; none when it was released.
    pub claim: Option<ObjectRef>,
    /// Pods on nodes that use the claim: it is not deleted before they are.
    pub pods: Vec<ObjectRef>,
    /// Size.
    pub size_gib: Option<f64>,
    /// What becomes of it with its claim.
    pub reclaim: Reclaim,
    /// Storage class.
    pub storage_class: Option<String>,
    /// The cloud's id, `vol-…`, where it is a cloud's disk.
    pub volume_id: Option<String>,
    /// The cluster's storage driver made it. Otherwise somebody brought it along.
    pub provisioned: bool,
    /// Its claim is being deleted already.
    pub going: bool,
}

/// What the cluster made.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ClusterMade {
    /// Load balancers, by their object.
    pub load_balancers: Vec<LoadBalancerMade>,
    /// Disks, by their object.
    pub volumes: Vec<VolumeMade>,
}

/// Looks at everything that may have made something in the cloud. `finalizers` are the beginnings of those by which the
/// cloud's own controllers hold a Service until its load balancer is gone. Reads only; all of it or an error.
///
/// # Errors
/// As every read.
pub async fn cluster_made(client: &Client, finalizers: &[&str]) -> Result<ClusterMade, StepError> {
    let failed = |what: &'static str| move |cause| error::map(&format!("list the {what}"), &cause);
    let services = async { list_all::<Service>(&Api::all(client.clone())).await.map_err(failed("services")) };
    let ingresses = async { list_all::<Ingress>(&Api::all(client.clone())).await.map_err(failed("ingresses")) };
    let volumes = async { list_all::<PersistentVolume>(&Api::all(client.clone())).await.map_err(failed("volumes")) };
    let claims =
        async { list_all::<PersistentVolumeClaim>(&Api::all(client.clone())).await.map_err(failed("volume claims")) };
    let pods = async { list_all::<Pod>(&Api::all(client.clone())).await.map_err(failed("pods")) };
    let (services, ingresses, volumes, claims, pods) = tokio::try_join!(services, ingresses, volumes, claims, pods)?;

    let mut load_balancers: Vec<_> = services
        .iter()
        .filter_map(|it| of_service(it, finalizers))
        .chain(ingresses.iter().filter_map(of_ingress))
        .collect();
    load_balancers.sort_by(|a, b| a.object.cmp(&b.object));
    let users = users(&pods);
    let claims: BTreeMap<String, &PersistentVolumeClaim> =
        claims.iter().filter_map(|claim| Some((claim.uid()?, claim))).collect();
    let mut volumes: Vec<_> = volumes.iter().map(|volume| of_volume(volume, &claims, &users)).collect();
    volumes.sort_by(|a, b| a.volume.cmp(&b.volume));
    Ok(ClusterMade { load_balancers, volumes })
}

/// Sets what becomes of a disk when its claim is deleted: one mutating call. Not again where it is so already.
///
/// # Errors
/// As every call.
pub async fn set_reclaim(client: &Client, volume: &ObjectRef, reclaim: Reclaim) -> Result<(), StepError> {
    let policy = match reclaim {
        Reclaim::Delete => "Delete",
        Reclaim::Retain => "Retain",
    };
    let patch = serde_json::json!({
        // With the uid a later volume of that name is refused instead of changed.
        "metadata": { "uid": volume.uid },
        "spec": { "persistentVolumeReclaimPolicy": policy },
    });
    let api: Api<PersistentVolume> = Api::all(client.clone());
    let done = api.patch(&volume.name, &PatchParams::default(), &Patch::Merge(patch)).await;
    done.map(|_| ()).map_err(|cause| error::map(&format!("set the reclaim policy of {volume}"), &cause))
}

/// Beginning of the finalizer of Kubernetes' own controllers.
const FINALIZER: &str = "service.kubernetes.io/";

fn of_service(service: &Service, finalizers: &[&str]) -> Option<LoadBalancerMade> {
    // A Service that was of that type once still has the controller's finalizer until its load balancer is gone.
    let held =
        |name: &String| name.starts_with(FINALIZER) || finalizers.iter().any(|beginning| name.starts_with(beginning));
    let balanced = service.spec.as_ref().is_some_and(|spec| spec.type_.as_deref() == Some("LoadBalancer"))
        || service.finalizers().iter().any(held);
    let status = service.status.as_ref().and_then(|status| status.load_balancer.as_ref());
    let points = status.and_then(|status| status.ingress.as_ref()).into_iter().flatten();
    let addresses = points.filter_map(|point| point.hostname.clone().or_else(|| point.ip.clone())).collect();
    balanced.then(|| LoadBalancerMade {
        object: ObjectRef::of(ObjectKind::Service, service),
        addresses,
        going: service.metadata.deletion_timestamp.is_some(),
    })
}

/// Controllers that make load balancers for Ingresses hold them by a finalizer; those that serve them from pods do not.
fn of_ingress(ingress: &Ingress) -> Option<LoadBalancerMade> {
    if ingress.finalizers().is_empty() {
        return None;
    }
    let status = ingress.status.as_ref().and_then(|status| status.load_balancer.as_ref());
    let points = status.and_then(|status| status.ingress.as_ref()).into_iter().flatten();
    Some(LoadBalancerMade {
        object: ObjectRef::of(ObjectKind::Ingress, ingress),
        addresses: points.filter_map(|point| point.hostname.clone().or_else(|| point.ip.clone())).collect(),
        going: ingress.metadata.deletion_timestamp.is_some(),
    })
}

/// Namespace and name of each claim that pods on nodes use, with those pods. Kubernetes keeps such claims.
fn users(pods: &[Pod]) -> BTreeMap<(String, String), Vec<ObjectRef>> {
    let mut users: BTreeMap<_, Vec<ObjectRef>> = BTreeMap::new();
    for pod in pods {
        let Some(spec) = pod.spec.as_ref().filter(|spec| spec.node_name.is_some()) else { continue };
        let ended = pod.status.as_ref().and_then(|status| status.phase.as_deref());
        if matches!(ended, Some("Succeeded" | "Failed")) {
            continue;
        }
        let this = ObjectRef::of(ObjectKind::Pod, pod);
        for volume in spec.volumes.iter().flatten() {
            let claim = match (&volume.persistent_volume_claim, &volume.ephemeral) {
                (Some(source), _) => source.claim_name.clone(),
                // Made for this pod, and named after it and the volume.
                (None, Some(_)) => format!("{}-{}", this.name, volume.name),
                (None, None) => continue,
            };
            users.entry((this.namespace.clone(), claim)).or_default().push(this.clone());
        }
    }
    users
}

fn of_volume(
    volume: &PersistentVolume,
    claims: &BTreeMap<String, &PersistentVolumeClaim>,
    users: &BTreeMap<(String, String), Vec<ObjectRef>>,
) -> VolumeMade {
    let spec = volume.spec.clone().unwrap_or_default();
    let claim = spec.claim_ref.as_ref().and_then(|claim| claim.uid.as_ref()).and_then(|uid| claims.get(uid)).copied();
    let held = claim.map(|claim| ObjectRef::of(ObjectKind::PersistentVolumeClaim, claim));
    let key = held.as_ref().map(|claim| (claim.namespace.clone(), claim.name.clone()));
    let disk = spec
        .csi
        .map(|csi| csi.volume_handle)
        // The in-tree driver writes `aws://us-east-1a/vol-…`.
        .or_else(|| {
            spec.aws_elastic_block_store.map(|disk| disk.volume_id.rsplit('/').next().unwrap_or_default().to_owned())
        })
        .or_else(|| spec.gce_persistent_disk.map(|disk| disk.pd_name))
        .or_else(|| spec.azure_disk.map(|disk| disk.disk_uri));
    VolumeMade {
        volume: ObjectRef::of(ObjectKind::PersistentVolume, volume),
        pods: key.and_then(|key| users.get(&key)).cloned().unwrap_or_default(),
        claim: held,
        size_gib: spec.capacity.as_ref().and_then(|capacity| capacity.get("storage")).and_then(gib),
        reclaim: match spec.persistent_volume_reclaim_policy.as_deref() {
            Some("Delete") => Reclaim::Delete,
            // Volumes made by hand are kept unless they say otherwise; `Recycle` deletes no disk.
            _ => Reclaim::Retain,
        },
        storage_class: spec.storage_class_name,
        volume_id: disk,
        provisioned: volume.annotations().contains_key("pv.kubernetes.io/provisioned-by"),
        going: claim.is_some_and(|claim| claim.metadata.deletion_timestamp.is_some()),
    }
}

/// A quantity of bytes in GiB: `10Gi`, `500M`, `1e9`.
fn gib(quantity: &Quantity) -> Option<f64> {
    let text = quantity.0.as_str();
    let units = [
        ("Ki", 1_024.0),
        ("Mi", 1_048_576.0),
        ("Gi", 1_073_741_824.0),
        ("Ti", 1_099_511_627_776.0),
        ("Pi", 1_125_899_906_842_624.0),
        ("k", 1e3),
        ("M", 1e6),
        ("G", 1e9),
        ("T", 1e12),
        ("P", 1e15),
        ("m", 1e-3),
    ];
    let unit = units.iter().find_map(|(unit, size)| Some((text.strip_suffix(unit)?, *size)));
    let (number, size) = unit.unwrap_or((text, 1.0));
    let bytes = number.parse::<f64>().ok()? * size;
    (bytes.is_finite() && bytes >= 0.0).then_some(bytes / 1_073_741_824.0)
}

#[cfg(test)]
#[path = "made_tests.rs"]
mod tests;
