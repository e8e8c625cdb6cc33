//! What stands in clusters whose pools scale, as it is sent to the API server, and what the autoscaler
//! may do in AWS.
//!
//! After the projects' own manifests: kubernetes/autoscaler, `cloudprovider/aws/examples/cluster-autoscaler-autodiscover.yaml`
//! and `cloudprovider/aws/README.md`; read 2026-11.

use crate::providers::device_plugin::{NAMESPACE, on_nodes};
use serde_json::{Value, json};

/// Name of the autoscaler and of all that belongs to it.
pub const AUTOSCALER: &str = "cluster-autoscaler";
/// Node label by which the autoscaler knows that GPUs are still to come on a node that has none yet.
pub const ACCELERATOR: &str = "k8s.amazonaws.com/accelerator";
/// EKS puts it on every node.
pub const GROUP_LABEL: &str = "eks.amazonaws.com/nodegroup";

const RBAC: &str = "rbac.authorization.k8s.io";

/// The autoscaler follows the cluster's minor version; each has a `.0`.
fn autoscaler_image(version: &str) -> String {
    format!("registry.k8s.io/autoscaling/cluster-autoscaler:v{version}.0")
}

/// What the autoscaler may do: look at everything it is built to look at, and change the size of this cluster's groups
/// alone, which EKS tags for it.
pub fn scaling_policy(partition: &str, region: &str, account: &str, cluster: &str) -> Value {
    let own = format!("aws:ResourceTag/k8s.io/cluster-autoscaler/{cluster}");
    json!({
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "Look", "Effect": "Allow", "Resource": "*",
                "Action": [
                    "autoscaling:DescribeAutoScalingGroups", "autoscaling:DescribeAutoScalingInstances",
                    "autoscaling:DescribeLaunchConfigurations", "autoscaling:DescribeScalingActivities",
                    "autoscaling:DescribeTags", "ec2:DescribeImages", "ec2:DescribeInstanceTypes",
                    "ec2:DescribeLaunchTemplateVersions", "ec2:GetInstanceTypesFromInstanceRequirements",
                ],
            },
            {
                // Labels and taints of groups without a node: how they scale from zero.
                "Sid": "LookAtEmptyGroups", "Effect": "Allow", "Action": "eks:DescribeNodegroup",
                "Resource": format!("arn:{partition}:eks:{region}:{account}:nodegroup/{cluster}/*"),
            },
            {
                "Sid": "Scale", "Effect": "Allow", "Resource": "*",
                "Action": ["autoscaling:SetDesiredCapacity", "autoscaling:TerminateInstanceInAutoScalingGroup"],
                "Condition": { "StringEquals": {
                    "aws:ResourceTag/k8s.io/cluster-autoscaler/enabled": "true", own: "owned",
                } },
            },
        ],
    })
}

fn meta(place: Option<&str>) -> Value {
    let labels = json!({"k8s-addon": "cluster-autoscaler.addons.k8s.io", "k8s-app": AUTOSCALER});
    let mut meta = json!({"name": AUTOSCALER, "labels": labels});
    if let Some(namespace) = place {
        meta["namespace"] = json!(namespace);
    }
    meta
}

/// Who the autoscaler is.
pub fn service_account() -> Value {
    json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta(Some(NAMESPACE))})
}

/// What the autoscaler may do in the cluster, or in one namespace.
pub fn autoscaler_role(place: Option<&str>) -> Value {
    let rule = |group: &str, resources: &[&str], verbs: &[&str]| json!({"apiGroups": [group], "resources": resources, "verbs": verbs});
    let named = |mut rule: Value, names: &[&str]| {
        rule["resourceNames"] = json!(names);
        rule
    };
    let look = ["get", "list", "watch"];
    let rules = match place {
        None => vec![
            rule("", &["events", "endpoints"], &["create", "patch"]),
            rule("", &["pods/eviction"], &["create"]),
            rule("", &["pods/status"], &["update"]),
            named(rule("", &["endpoints"], &["get", "update"]), &[AUTOSCALER]),
            rule("", &["nodes"], &["get", "list", "update", "watch"]),
            rule(
                "",
                &[
                    "namespaces",
                    "persistentvolumeclaims",
                    "persistentvolumes",
                    "pods",
                    "replicationcontrollers",
                    "services",
                ],
                &look,
            ),
            rule("policy", &["poddisruptionbudgets"], &look),
            rule("apps", &["daemonsets", "replicasets", "statefulsets"], &look),
            rule(
                "storage.k8s.io",
                &["csidrivers", "csinodes", "csistoragecapacities", "storageclasses", "volumeattachments"],
                &look,
            ),
            rule("resource.k8s.io", &["deviceclasses", "resourceclaims", "resourceslices"], &look),
            rule("batch", &["jobs"], &["get", "list", "patch", "watch"]),
            rule("coordination.k8s.io", &["leases"], &["create"]),
            named(rule("coordination.k8s.io", &["leases"], &["get", "update"]), &[AUTOSCALER]),
        ],
        Some(_) => vec![
            rule("", &["configmaps"], &["create", "list", "watch"]),
            named(
                rule("", &["configmaps"], &["delete", "get", "update", "watch"]),
                &["cluster-autoscaler-status", "cluster-autoscaler-priority-expander"],
            ),
        ],
    };
    let kind = if place.is_some() { "Role" } else { "ClusterRole" };
    json!({"apiVersion": format!("{RBAC}/v1"), "kind": kind, "metadata": meta(place), "rules": rules})
}

/// Gives the autoscaler what [`autoscaler_role`] says.
pub fn autoscaler_binding(place: Option<&str>) -> Value {
    let kind = if place.is_some() { "Role" } else { "ClusterRole" };
    json!({
        "apiVersion": format!("{RBAC}/v1"), "kind": format!("{kind}Binding"), "metadata": meta(place),
        "roleRef": {"apiGroup": RBAC, "kind": kind, "name": AUTOSCALER},
        "subjects": [{"kind": "ServiceAccount", "name": AUTOSCALER, "namespace": NAMESPACE}],
    })
}

/// The autoscaler. It runs in `groups` alone, which always have a node: a system pod would keep a node of a pool that
/// may be empty from going.
pub fn autoscaler(cluster: &str, region: &str, version: &str, groups: &[String]) -> Value {
    let labels = json!({"app": AUTOSCALER});
    let discovery = format!(
        "--node-group-auto-discovery=asg:tag=k8s.io/cluster-autoscaler/enabled,k8s.io/cluster-autoscaler/{cluster}"
    );
    let mut metadata = meta(Some(NAMESPACE));
    metadata["labels"]["app"] = json!(AUTOSCALER);
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata,
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "serviceAccountName": AUTOSCALER,
                    "priorityClassName": "system-cluster-critical",
                    "affinity": on_nodes(GROUP_LABEL, groups),
                    "securityContext": {
                        "runAsNonRoot": true, "runAsUser": 65534, "fsGroup": 65534,
                        "seccompProfile": {"type": "RuntimeDefault"},
                    },
                    "containers": [{
                        "name": AUTOSCALER,
                        "image": autoscaler_image(version),
                        "command": [
                            "./cluster-autoscaler", "--cloud-provider=aws", "--expander=least-waste",
                            "--skip-nodes-with-local-storage=false", "--stderrthreshold=info", "--v=4", discovery,
                        ],
                        "env": [{"name": "AWS_REGION", "value": region}],
                        "resources": {
                            "limits": {"cpu": "100m", "memory": "600Mi"}, "requests": {"cpu": "100m", "memory": "600Mi"},
                        },
                        "securityContext": {
                            "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
                            "capabilities": {"drop": ["ALL"]},
                        },
                    }],
                },
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::apps::v1::Deployment;
    use k8s_openapi::api::core::v1::ServiceAccount;
    use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
    use serde::{Serialize, de::DeserializeOwned};

    /// What comes out of the type is what went in: no field is misspelt.
    fn reads<T: DeserializeOwned + Serialize>(manifest: Value) {
        let read: T = serde_json::from_value(manifest.clone()).unwrap();
        assert_eq!(serde_json::to_value(read).unwrap(), manifest);
    }

    #[test]
    fn every_manifest_is_whole_as_its_type() {
        let groups = ["a".to_owned()];
        reads::<ServiceAccount>(service_account());
        reads::<ClusterRole>(autoscaler_role(None));
        reads::<Role>(autoscaler_role(Some(NAMESPACE)));
        reads::<ClusterRoleBinding>(autoscaler_binding(None));
        reads::<RoleBinding>(autoscaler_binding(Some(NAMESPACE)));
        reads::<Deployment>(autoscaler("demo", "us-east-1", "1.35", &groups));
    }

    #[test]
    fn only_this_clusters_groups_may_be_scaled() {
        let policy = scaling_policy("aws", "us-east-1", "123456789012", "demo");
        let statements = policy["Statement"].as_array().unwrap();
        for statement in statements {
            let changes = statement["Action"].to_string().contains("Set")
                || statement["Action"].to_string().contains("Terminate");
            let narrowed = &statement["Condition"]["StringEquals"]["aws:ResourceTag/k8s.io/cluster-autoscaler/demo"];
            assert_eq!(changes, *narrowed == "owned", "{statement}");
        }
        assert_eq!(statements[1]["Resource"], "arn:aws:eks:us-east-1:123456789012:nodegroup/demo/*");
    }
}
