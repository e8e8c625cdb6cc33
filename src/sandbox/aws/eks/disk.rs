//! Disks that the EBS driver makes for claims, with the tags its add-on and its storage class put on them.

use super::{addon, balancer::owned, host::EBS_ADDON};
use crate::sandbox::{
    aws::ec2::inside,
    kubernetes::host::{Cluster, Disk},
    world::Tx,
};
use serde_json::Value;

/// Makes a disk as the EBS driver does, with the tags its add-on was told to put on every disk; returns its id.
pub(super) fn make(tx: &mut Tx<'_>, cluster: &Cluster, disk: &Disk<'_>) -> Option<String> {
    let own = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let configured = addon::configuration_of(tx, &cluster.scope, &cluster.id, EBS_ADDON);
    let extra = configured["controller"]["extraVolumeTags"].as_object().into_iter().flatten();
    let tags = [
        own("CSIVolumeName", disk.name),
        own("ebs.csi.aws.com/cluster", "true"),
        own("KubernetesCluster", &cluster.name),
        own("Name", &format!("{}-dynamic-{}", cluster.name, disk.name)),
        own("kubernetes.io/created-for/pv/name", disk.name),
        own("kubernetes.io/created-for/pvc/namespace", disk.claim.0),
        own("kubernetes.io/created-for/pvc/name", disk.claim.1),
        owned(cluster),
    ];
    let extra = extra.map(|(key, value)| own(key, value.as_str().unwrap_or_default()));
    let tags = tags.into_iter().chain(extra).chain(class_tags(disk.parameters)).collect();
    let kind = disk.parameters["type"].as_str().unwrap_or("gp3");
    inside::create_volume(tx, &cluster.scope, disk.zone, disk.gib, kind, tags)
}

/// Tags a class puts on its disks: `tagSpecification_1: key=value`.
fn class_tags(parameters: &Value) -> Vec<(String, String)> {
    let parameters = parameters.as_object().into_iter().flatten();
    let specs =
        parameters.filter(|(key, _)| key.starts_with("tagSpecification_")).filter_map(|(_, value)| value.as_str());
    specs.filter_map(|spec| spec.split_once('=')).map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// Deletes a disk of the driver.
pub(super) fn remove(tx: &mut Tx<'_>, cluster: &Cluster, volume: &str) {
    inside::remove_volume(tx, &cluster.scope, volume);
}
