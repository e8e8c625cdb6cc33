//! Which kinds the pretend API server serves, and the discovery documents made from that one table.

use serde_json::{Value, json};

/// Where objects of a kind come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// Made and removed by requests; kept in the world.
    Stored,
    /// Computed from the cloud objects behind it.
    View,
    /// Served, and always empty: nothing in the sandbox makes one.
    Empty,
}

/// A kind of object.
#[derive(Debug)]
pub(super) struct Kind {
    /// API group, empty for the core.
    pub(super) group: &'static str,
    /// The word in paths.
    pub(super) plural: &'static str,
    /// The word for one.
    pub(super) singular: &'static str,
    /// The word in `kind`.
    pub(super) kind: &'static str,
    /// Whether it lives in a namespace.
    pub(super) namespaced: bool,
    /// Abbreviations kubectl knows.
    pub(super) short: &'static [&'static str],
    /// Where its objects come from.
    pub(super) source: Source,
}

const fn kind(
    group: &'static str,
    plural: &'static str,
    singular: &'static str,
    kind: &'static str,
    namespaced: bool,
    short: &'static [&'static str],
    source: Source,
) -> Kind {
    Kind { group, plural, singular, kind, namespaced, short, source }
}

const APPS: &str = "apps";
const BATCH: &str = "batch";
const NET: &str = "networking.k8s.io";
const STORAGE: &str = "storage.k8s.io";
const POLICY: &str = "policy";
const RBAC: &str = "rbac.authorization.k8s.io";

/// Every kind, group by group. All are `v1`.
pub(super) const KINDS: &[Kind] = &[
    kind("", "configmaps", "configmap", "ConfigMap", true, &["cm"], Source::Stored),
    kind("", "events", "event", "Event", true, &["ev"], Source::Stored),
    kind("", "namespaces", "namespace", "Namespace", false, &["ns"], Source::Stored),
    kind("", "nodes", "node", "Node", false, &["no"], Source::View),
    kind(
        "",
        "persistentvolumeclaims",
        "persistentvolumeclaim",
        "PersistentVolumeClaim",
        true,
        &["pvc"],
        Source::Stored,
    ),
    kind("", "persistentvolumes", "persistentvolume", "PersistentVolume", false, &["pv"], Source::Stored),
    kind("", "pods", "pod", "Pod", true, &["po"], Source::Stored),
    kind("", "secrets", "secret", "Secret", true, &[], Source::Stored),
    kind("", "serviceaccounts", "serviceaccount", "ServiceAccount", true, &["sa"], Source::Stored),
    kind("", "services", "service", "Service", true, &["svc"], Source::Stored),
    kind(APPS, "daemonsets", "daemonset", "DaemonSet", true, &["ds"], Source::Stored),
    kind(APPS, "deployments", "deployment", "Deployment", true, &["deploy"], Source::Stored),
    kind(APPS, "replicasets", "replicaset", "ReplicaSet", true, &["rs"], Source::Empty),
    kind(APPS, "statefulsets", "statefulset", "StatefulSet", true, &["sts"], Source::Empty),
    kind(BATCH, "cronjobs", "cronjob", "CronJob", true, &["cj"], Source::Empty),
    kind(BATCH, "jobs", "job", "Job", true, &[], Source::Stored),
    kind(NET, "ingresses", "ingress", "Ingress", true, &["ing"], Source::Stored),
    kind(POLICY, "poddisruptionbudgets", "poddisruptionbudget", "PodDisruptionBudget", true, &["pdb"], Source::Empty),
    kind(RBAC, "clusterrolebindings", "clusterrolebinding", "ClusterRoleBinding", false, &[], Source::Stored),
    kind(RBAC, "clusterroles", "clusterrole", "ClusterRole", false, &[], Source::Stored),
    kind(RBAC, "rolebindings", "rolebinding", "RoleBinding", true, &[], Source::Stored),
    kind(RBAC, "roles", "role", "Role", true, &[], Source::Stored),
    kind(STORAGE, "storageclasses", "storageclass", "StorageClass", false, &["sc"], Source::Stored),
    kind(STORAGE, "volumeattachments", "volumeattachment", "VolumeAttachment", false, &[], Source::Empty),
];

/// The named API groups.
pub(super) const GROUPS: &[&str] = &[APPS, BATCH, NET, POLICY, RBAC, STORAGE];

impl Kind {
    /// The kind of that path word in that group.
    pub(super) fn find(group: &str, plural: &str) -> Option<&'static Self> {
        KINDS.iter().find(|k| k.group == group && k.plural == plural)
    }

    /// `v1` or `apps/v1`.
    pub(super) fn api_version(&self) -> String {
        if self.group.is_empty() { "v1".to_owned() } else { format!("{}/v1", self.group) }
    }

    const fn verbs(&self) -> &'static [&'static str] {
        match self.source {
            Source::Stored => &["create", "delete", "get", "list", "patch", "update", "watch"],
            Source::View | Source::Empty => &["get", "list", "watch"],
        }
    }

    /// A list of these, as clients parse it.
    pub(super) fn list(&self, items: Vec<Value>, revision: u64) -> Value {
        json!({
            "kind": format!("{}List", self.kind), "apiVersion": self.api_version(),
            "metadata": {"resourceVersion": revision.to_string()}, "items": items,
        })
    }
}

/// `/api`.
pub(super) fn core_versions(address: &str) -> Value {
    json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}]})
}

/// `/apis`.
pub(super) fn groups() -> Value {
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": GROUPS.iter().map(|g| group_entry(g)).collect::<Vec<_>>()})
}

fn group_entry(name: &str) -> Value {
    let version = json!({"groupVersion": format!("{name}/v1"), "version": "v1"});
    json!({"name": name, "versions": [version], "preferredVersion": version})
}

/// `/apis/<group>`.
pub(super) fn group(name: &str) -> Option<Value> {
    GROUPS.contains(&name).then(|| {
        let mut entry = group_entry(name);
        entry["kind"] = json!("APIGroup");
        entry["apiVersion"] = json!("v1");
        entry
    })
}

/// `/api/v1` and `/apis/<group>/v1`.
pub(super) fn resources(group: &str) -> Option<Value> {
    if !group.is_empty() && !GROUPS.contains(&group) {
        return None;
    }
    let version = if group.is_empty() { "v1".to_owned() } else { format!("{group}/v1") };
    let entries: Vec<Value> = KINDS
        .iter()
        .filter(|k| k.group == group)
        .map(|k| json!({"name": k.plural, "singularName": k.singular, "namespaced": k.namespaced, "kind": k.kind, "verbs": k.verbs(), "shortNames": k.short}))
        .collect();
    Some(json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": entries}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn discovery_lists_what_is_served_and_nothing_else() {
        for k in KINDS {
            assert!(k.group.is_empty() || GROUPS.contains(&k.group), "{}", k.plural);
            let list = resources(k.group).expect("served");
            assert!(list["resources"].as_array().expect("a list").iter().any(|r| r["name"] == k.plural));
        }
        assert!(resources("gateway.networking.k8s.io").is_none());
        assert_eq!(group("apps").expect("served")["preferredVersion"]["groupVersion"], "apps/v1");
    }

    #[test]
    fn lists_parse_as_kubernetes_types() {
        let list = Kind::find("", "nodes").expect("served").list(vec![], 7);
        let parsed: kube::core::ObjectList<k8s_openapi::api::core::v1::Node> =
            serde_json::from_value(list).expect("a node list");
        assert_eq!(parsed.metadata.resource_version.as_deref(), Some("7"));
        let groups: k8s_openapi::apimachinery::pkg::apis::meta::v1::APIGroupList =
            serde_json::from_value(groups()).expect("groups");
        assert_eq!(groups.groups.len(), GROUPS.len());
    }
}
