//! Disks of claims: what AKS's storage driver made in the nodes' group. They go with the group, data and all, so whoever
//! removes a cluster has to know of them first.

use super::client::{AzureCx, Op, version};
use super::models::{Answered, DiskProperties};
use super::refs::ArmId;
use super::steps::support::blocked;
use super::tags::Tags;
use crate::engine::StepError;
use crate::model::Stack;

const LIST: Op = Op::new("compute:disks.list", version::DISKS);
/// What the storage driver writes on its disks.
const CLAIM_NAMESPACE: &str = "kubernetes.io-created-for-pvc-namespace";
const CLAIM_NAME: &str = "kubernetes.io-created-for-pvc-name";
const VOLUME_NAME: &str = "kubernetes.io-created-for-pv-name";

/// A disk with what it is for.
pub(super) type Disk = Answered<DiskProperties>;

/// The disks of claims in the nodes' group of this cluster.
///
/// # Errors
/// As the listing's.
pub(super) async fn of_claims(cx: &AzureCx, cluster: &ArmId, node_group: &str) -> Result<Vec<Disk>, StepError> {
    let group = ArmId::group(cluster.segment("subscriptions").unwrap_or_default(), node_group);
    let all = in_group(cx, &group).await?;
    Ok(all.into_iter().filter(|disk| is_of_a_claim(&disk.tags)).collect())
}

/// Every disk of a group.
///
/// # Errors
/// As the listing's.
pub(super) async fn in_group(cx: &AzureCx, group: &ArmId) -> Result<Vec<Disk>, StepError> {
    let what = format!("disks in resource group {}", group.name());
    cx.list(LIST, &what, &ArmId(format!("{group}/providers/Microsoft.Compute/disks")), &[]).await
}

/// Whether the storage driver made it for a claim.
pub(super) fn is_of_a_claim(tags: &Tags) -> bool {
    tags.contains_key(CLAIM_NAME) || tags.contains_key(VOLUME_NAME)
}

/// `default/data (10 GiB, pvc-…)`
pub(super) fn in_words(disk: &Disk) -> String {
    let claim = disk.tags.get(CLAIM_NAME).map(|name| {
        let namespace = disk.tags.get(CLAIM_NAMESPACE).map_or("default", String::as_str);
        format!("{namespace}/{name}")
    });
    let size = disk.properties.disk_size_gb.map(|gib| format!("{gib:.0} GiB, ")).unwrap_or_default();
    format!("{} ({size}{})", claim.as_deref().unwrap_or("a volume"), disk.name)
}

/// Refuses to remove what takes data along that is to be kept.
pub(super) fn would_die(what: &str, stack: &Stack, held: &[String]) -> StepError {
    let why = format!("disks that are to be kept would go with the group of its nodes: {}", held.join(", "));
    blocked(what, why)
        .with_hint("save them first: az snapshot create --resource-group ANOTHER --name NAME --source DISK-ID --incremental true")
        .with_hint(format!("or let them go, with their data: kubewright destroy {} --volumes delete", stack.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_disk_is_called_by_its_claim() {
        let disk: Disk = serde_json::from_value(json!({
            "name": "pvc-1", "properties": {"diskSizeGB": 10},
            "tags": {CLAIM_NAMESPACE: "shop", CLAIM_NAME: "data", "k8s-azure-created-by": "kubernetes-azure-dd"},
        }))
        .unwrap();
        assert!(is_of_a_claim(&disk.tags));
        assert_eq!(in_words(&disk), "shop/data (10 GiB, pvc-1)");
        assert!(!is_of_a_claim(&Tags::new()));
    }
}
