//! Disks: what holds data goes only when the user said so.

use super::{Look, leftover, price, reported};
use crate::engine::proof::TAG_STACK;
use crate::engine::{Caused, Leftover, Observed, StepError};
use crate::providers::VolumeFate;
use crate::providers::gcp::client::GcpCx;
use crate::providers::gcp::steps::cluster::{self, PART_LOCATION};
use crate::providers::gcp::steps::remains;
use crate::providers::gcp::steps::strangers::everywhere;
use crate::providers::gcp::wire::{self, Thing};

/// The cluster's name, on everything that GKE makes for one.
const CLUSTER: &str = "goog-k8s-cluster-name";
/// Its place.
const LOCATION: &str = "goog-k8s-cluster-location";

/// Disks that the storage driver made for our cluster's volumes. By reclaim policy it removed what was to be removed
/// while the cluster lived: what is left has the policy `Retain`, or nobody can say any more.
pub(super) async fn disks(cx: &GcpCx, look: Look<'_>) -> Result<Vec<Leftover>, StepError> {
    let mut found = Vec::new();
    for disk in everywhere(cx, &remains::DISK).await? {
        let Some(whose) = whose(look, &disk) else { continue };
        let gib: f64 = disk.size_gb.parse().unwrap_or_default();
        let kind = wire::last(&disk.r#type).to_owned();
        let usd_per_hour = price(cx, &kind, gib);
        let what = format!("{gib} GiB {kind}");
        found.push(Leftover { usd_per_hour, ..judged(look, &disk, &what, whose) });
    }
    Ok(found)
}

enum Whose {
    /// Made by our cluster's storage driver.
    Ours(Caused),
    /// For a cluster of our name; which one, nobody can say.
    Somebodys,
}

/// Whether it was made for a volume, and for ours: by our own label, or by name and place of our cluster, and after that
/// was made. There is one cluster of a name in a place at a time.
fn whose(look: Look<'_>, disk: &Thing) -> Option<Whose> {
    let made_for_a_volume = disk.description.contains("kubernetes.io/created-for/pv")
        || disk.name.starts_with("pvc-")
        || disk.name.contains("-dynamic-pvc-");
    let label = |key: &str| disk.labels.get(key).map(String::as_str);
    if !made_for_a_volume {
        return None;
    }
    if label(TAG_STACK) == Some(look.stack.to_string().as_str()) {
        return Some(Whose::Ours(Caused::StorageTag { tag: format!("{TAG_STACK}={}", look.stack) }));
    }
    if label(CLUSTER) != Some(look.cluster()) {
        return None;
    }
    let made_at = crate::providers::gcp::steps::support::time(&disk.creation_timestamp);
    let ours = |cluster: &&Observed| {
        let place = cluster.reference.parts.get(PART_LOCATION).map(String::as_str);
        cluster.created_at.is_some() && made_at >= cluster.created_at && place.is_some() && label(LOCATION) == place
    };
    match look.of_kind(cluster::KIND).find(ours) {
        Some(cluster) => Some(Whose::Ours(Caused::InsideOwned { container: cluster.reference.id.clone() })),
        // A cluster of that name in another place, or one that was before ours.
        None if look.of_kind(cluster::KIND).next().is_some() => None,
        None if look.known.is_empty() => None,
        None => Some(Whose::Somebodys),
    }
}

fn judged(look: Look<'_>, disk: &Thing, what: &str, whose: Whose) -> Leftover {
    let mut seen = remains::observed(&remains::DISK, disk);
    let caused = match whose {
        Whose::Ours(caused) => caused,
        Whose::Somebodys => {
            let owner = format!("{what} for a cluster named `{}`, which may have been another one", look.cluster());
            return Leftover { keep: true, ..reported(leftover(&remains::DISK, seen), owner) };
        }
    };
    if seen.attached {
        let user = disk.users.first().map(|link| wire::last(link)).unwrap_or("somebody").to_owned();
        let owner = format!("{what}, in use by {user}");
        return Leftover { keep: true, ..reported(leftover(&remains::DISK, seen), owner) };
    }
    seen.evidence.caused = Some(caused);
    let keep = look.volumes != VolumeFate::Delete;
    let owner = keep.then(|| match look.volumes {
        VolumeFate::Keep => format!("{what}, kept as asked"),
        _ => format!("{what}, kept: its reclaim policy may be Retain; --volumes delete removes it"),
    });
    Leftover { keep, owner, ..leftover(&remains::DISK, seen) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Stack;
    use crate::providers::gcp::labels::Tags;
    use crate::providers::gcp::steps::support;
    use std::collections::BTreeMap;

    fn disk(labels: &[(&str, &str)], at: &str) -> Thing {
        let labels: BTreeMap<String, String> =
            labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Thing {
            name: "pvc-1".to_owned(),
            self_link: "https://www.googleapis.com/compute/v1/projects/p/zones/z/disks/pvc-1".to_owned(),
            creation_timestamp: at.to_owned(),
            labels,
            ..Thing::default()
        }
    }

    fn our_cluster() -> Vec<Observed> {
        let mut cluster = support::seen(cluster::KIND, "demo", Tags::new());
        cluster.reference.parts.insert(PART_LOCATION.to_owned(), "us-central1-a".to_owned());
        cluster.created_at = "2026-11-27T10:00:00Z".parse().ok();
        vec![cluster]
    }

    #[test]
    fn disks_with_data_go_only_when_told() {
        let stack: Stack = "demo-0a1b2c3d".parse().unwrap();
        let known = our_cluster();
        let named = [(CLUSTER, "demo"), (LOCATION, "us-central1-a")];
        let fate = |volumes, it: &Thing| {
            let look = Look { stack: &stack, known: &known, volumes };
            whose(look, it).map(|whose| judged(look, it, "10 GiB pd-balanced", whose))
        };
        let ours = disk(&named, "2026-11-27T11:00:00.000-00:00");
        for (volumes, keep) in [(VolumeFate::ByPolicy, true), (VolumeFate::Keep, true), (VolumeFate::Delete, false)] {
            let found = fate(volumes, &ours).unwrap();
            assert_eq!(found.keep, keep, "{volumes:?}");
            assert!(found.seen.evidence.caused.is_some());
        }
        assert!(fate(VolumeFate::Delete, &disk(&named, "2026-11-27T09:00:00Z")).is_none(), "older than our cluster");
        let elsewhere = [(CLUSTER, "demo"), (LOCATION, "europe-west4-a")];
        assert!(fate(VolumeFate::Delete, &disk(&elsewhere, "2026-11-27T11:00:00Z")).is_none());
        assert!(fate(VolumeFate::Delete, &disk(&[(CLUSTER, "demo2")], "2026-11-27T11:00:00Z")).is_none());
        let mut attached = ours;
        attached.users = vec!["zones/z/instances/gke-demo-1".to_owned()];
        assert!(fate(VolumeFate::Delete, &attached).unwrap().keep);
    }
}
