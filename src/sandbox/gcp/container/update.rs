//! Changes of a cluster: one a call, labels by fingerprint, versions one minor at a time.

use super::super::{Answer, Cx, check_labels, wire::Refused};
use super::{
    ops,
    store::{self, Cluster, change, find, label_fingerprint, secs},
    versions,
};
use crate::sandbox::world::Object;
use serde_json::{Value, json};

fn named(cx: &Cx<'_, '_>, location: &str) -> Result<Object, Refused> {
    let name = cx.path.get("clustersId").cloned().unwrap_or_default();
    find(cx.tx, cx.project.id, location, &name)
}

/// Fields of an update and where they go.
const PLACES: &[(&str, &str)] = &[
    ("desiredAddonsConfig", "addonsConfig"),
    ("desiredLoggingConfig", "loggingConfig"),
    ("desiredMonitoringConfig", "monitoringConfig"),
    ("desiredReleaseChannel", "releaseChannel"),
    ("desiredWorkloadIdentityConfig", "workloadIdentityConfig"),
    ("desiredVerticalPodAutoscaling", "verticalPodAutoscaling"),
    ("desiredClusterAutoscaling", "autoscaling"),
    ("desiredControlPlaneEndpointsConfig", "controlPlaneEndpointsConfig"),
    ("desiredMasterAuthorizedNetworksConfig", "masterAuthorizedNetworksConfig"),
    ("desiredCostManagementConfig", "costManagementConfig"),
    ("desiredLocations", "locations"),
];

/// `clusters.update`.
pub(super) fn cluster(cx: &mut Cx<'_, '_>, location: &str) -> Answer {
    let object = named(cx, location)?;
    let update = cx.body["update"].clone();
    let wished: Vec<(String, Value)> = update
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(key, _)| key.starts_with("desired"))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let [(key, value)] = wished.as_slice() else {
        return Err(Refused::invalid("Exactly one update can be applied to a cluster with each request."));
    };
    ops::check_free(cx.tx, &object)?;
    if object.state != "RUNNING" {
        return Err(Refused::precondition(format!("Cluster is not ready: its status is {}.", object.state)));
    }
    let doc: Cluster = object.read();
    let path = store::path(cx.project.id, location, object.name.as_deref().unwrap_or_default());
    let (kind, after) = match key.as_str() {
        "desiredMasterVersion" => {
            let now = doc.text("/currentMasterVersion").to_owned();
            let channel = doc.text("/releaseChannel/channel").to_owned();
            let asked = value.as_str().unwrap_or_default();
            let to = versions::resolve(asked, &channel)?;
            let (from_minor, to_minor) = (versions::number(&now), versions::number(&to));
            if to_minor < from_minor || to_minor > from_minor + 1 {
                let why = format!(
                    "Master cannot be upgraded to \"{to}\": it is at \"{now}\", and only one minor version can be upgraded at a time."
                );
                return Err(Refused::invalid(why));
            }
            change(cx.tx, &object, |_, doc| doc.api["currentMasterVersion"] = json!(to));
            ("UPGRADE_MASTER", cx.tx.between(secs(300), secs(600)))
        }
        key => {
            let Some((_, to)) = PLACES.iter().find(|(own, _)| *own == key) else {
                let refused = Refused::invalid(format!("the sandbox does not update {key} of clusters"));
                return Err(Refused { http: 501, status: "UNIMPLEMENTED", ..refused });
            };
            change(cx.tx, &object, |_, doc| merge(&mut doc.api[*to], value));
            ("UPDATE_CLUSTER", cx.tx.between(secs(20), secs(60)))
        }
    };
    change(cx.tx, &object, |object, _| "RECONCILING".clone_into(&mut object.state));
    Ok(ops::begin(cx, &object, kind, &path, after, "done"))
}

fn merge(into: &mut Value, from: &Value) {
    match (into.as_object_mut(), from.as_object()) {
        (Some(own), Some(new)) => {
            for (key, value) in new {
                merge(own.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        _ => *into = from.clone(),
    }
}

/// `clusters.setResourceLabels`.
pub(super) fn labels(cx: &mut Cx<'_, '_>, location: &str) -> Answer {
    let object = named(cx, location)?;
    ops::check_free(cx.tx, &object)?;
    let labels = check_labels(&cx.body["resourceLabels"]).map_err(Refused::invalid)?;
    if cx.body["labelFingerprint"] != json!(label_fingerprint(&object)) {
        return Err(Refused {
            message: "Labels could not be set due to fingerprint mismatch.".to_owned(),
            ..Refused::condition_not_met()
        });
    }
    change(cx.tx, &object, |object, _| object.tags = labels);
    let path = store::path(cx.project.id, location, object.name.as_deref().unwrap_or_default());
    let after = cx.tx.between(secs(3), secs(10));
    Ok(ops::begin(cx, &object, "SET_LABELS", &path, after, "done"))
}

/// `clusters.fetchClusterUpgradeInfo`.
pub(super) fn upgrade_info(cx: &mut Cx<'_, '_>, location: &str) -> Answer {
    let object = named(cx, location)?;
    let doc: Cluster = object.read();
    let version = doc.text("/currentMasterVersion");
    let (standard, extended) = versions::support(version);
    let (minor, patch) = versions::targets(version, doc.text("/releaseChannel/channel"));
    let mut reply = json!({
        "autoUpgradeStatus": ["ACTIVE"], "endOfStandardSupportTimestamp": standard, "endOfExtendedSupportTimestamp": extended,
    });
    if let Some(minor) = minor {
        reply["minorTargetVersion"] = json!(minor);
    }
    if let Some(patch) = patch {
        reply["patchTargetVersion"] = json!(patch);
    }
    Ok(reply)
}
