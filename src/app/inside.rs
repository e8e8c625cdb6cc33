//! What lives in a cluster and dies with it, or stays and is billed on: shown before anybody says yes.
//!
//! Reads only, through the cluster's own API server. Where that cannot be asked, the answer says so; it is never guessed.

use super::readiness;
use crate::k8s::{self, ClusterMade, ObjectRef, Reclaim, VolumeMade};
use crate::providers::{Provider, VolumeFate};

/// How many are named before the rest is only counted.
const NAMED: usize = 12;

/// Looks inside; none when the cluster does not stand, the reason in words when it cannot be asked.
pub(super) async fn look(provider: &dyn Provider, cluster: &str) -> Result<Option<ClusterMade>, String> {
    let Some(seen) = provider.cluster(cluster).await.map_err(|error| error.message)? else { return Ok(None) };
    let client = readiness::connect(provider, &seen).await?;
    k8s::cluster_made(&client, provider.balancer_finalizers()).await.map(Some).map_err(|error| error.message)
}

/// What becomes of it, in lines of the preview.
pub(super) fn lines(made: &ClusterMade, fate: VolumeFate) -> Vec<String> {
    let mut lines = Vec::new();
    if !made.load_balancers.is_empty() {
        let names = made.load_balancers.iter().map(|balancer| name(&balancer.object)).collect();
        lines.push(format!("  load balancers: {} go", listed(names, ", ")));
    }
    if !made.volumes.is_empty() {
        let hint = if fate == VolumeFate::ByPolicy { "      (--volumes keep|delete)" } else { "" };
        lines.push(format!(
            "  volumes: {}{hint}",
            listed(made.volumes.iter().map(|it| volume(it, fate)).collect(), "; ")
        ));
    }
    lines
}

fn volume(volume: &VolumeMade, fate: VolumeFate) -> String {
    let size = volume.size_gib.map_or_else(String::new, |gib| format!(" {gib} GiB"));
    let policy = match volume.reclaim {
        Reclaim::Delete => "Delete",
        Reclaim::Retain => "Retain",
    };
    let goes = volume.provisioned
        && match fate {
            VolumeFate::ByPolicy => volume.reclaim == Reclaim::Delete,
            VolumeFate::Keep => false,
            VolumeFate::Delete => true,
        };
    let end = match (goes, volume.provisioned) {
        (true, _) => "goes with its data",
        (false, true) => "kept, billed on",
        (false, false) => "brought along, kept",
    };
    let name = name(volume.claim.as_ref().unwrap_or(&volume.volume));
    format!("{name}{size} ({policy}) {end}")
}

fn name(object: &ObjectRef) -> String {
    match object.namespace.as_str() {
        "" | "default" => object.name.clone(),
        namespace => format!("{namespace}/{}", object.name),
    }
}

fn listed(names: Vec<String>, between: &str) -> String {
    let more = names.len().saturating_sub(NAMED);
    let mut text = names.into_iter().take(NAMED).collect::<Vec<_>>().join(between);
    if more > 0 {
        text.push_str(&format!("{between}{more} more"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::k8s::{LoadBalancerMade, ObjectKind};

    fn object(kind: ObjectKind, namespace: &str, name: &str) -> ObjectRef {
        ObjectRef { kind, namespace: namespace.into(), name: name.into(), uid: "1".into() }
    }

    fn disk(claim: Option<&str>, reclaim: Reclaim, provisioned: bool) -> VolumeMade {
        VolumeMade {
            volume: object(ObjectKind::PersistentVolume, "", "pvc-1"),
            claim: claim.map(|name| object(ObjectKind::PersistentVolumeClaim, "default", name)),
            pods: Vec::new(),
            size_gib: Some(100.0),
            reclaim,
            storage_class: None,
            volume_id: None,
            provisioned,
            going: false,
        }
    }

    #[test]
    fn every_volume_is_named_with_its_end() {
        let made = ClusterMade {
            load_balancers: vec![LoadBalancerMade {
                object: object(ObjectKind::Service, "shop", "web"),
                addresses: Vec::new(),
                going: false,
            }],
            volumes: vec![
                disk(Some("data-pg-0"), Reclaim::Retain, true),
                disk(Some("cache-0"), Reclaim::Delete, true),
                disk(None, Reclaim::Delete, false),
            ],
        };
        assert_eq!(
            lines(&made, VolumeFate::ByPolicy),
            [
                "  load balancers: shop/web go",
                "  volumes: data-pg-0 100 GiB (Retain) kept, billed on; cache-0 100 GiB (Delete) goes with its data; \
                 pvc-1 100 GiB (Delete) brought along, kept      (--volumes keep|delete)",
            ]
        );
        let words = |fate| lines(&made, fate).join("\n");
        assert_eq!(words(VolumeFate::Keep).matches("goes").count(), 0);
        assert_eq!(words(VolumeFate::Delete).matches("goes with its data").count(), 2);
        assert!(lines(&ClusterMade::default(), VolumeFate::ByPolicy).is_empty());
        let many = ClusterMade { volumes: vec![disk(None, Reclaim::Delete, true); 15], ..ClusterMade::default() };
        assert!(lines(&many, VolumeFate::Keep)[0].ends_with("; 3 more"));
    }
}
