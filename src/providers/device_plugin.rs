//! NVIDIA's device plugin, for clouds that leave it to whoever makes the nodes.
//!
//! After the project's own manifest: NVIDIA/k8s-device-plugin, `deployments/static/nvidia-device-plugin.yml`; read 2026-11.

use super::PodsAt;
use crate::k8s::GPU;
use crate::model::spec::{Taint, TaintEffect};
use serde_json::{Value, json};

/// Where system pods live.
pub const NAMESPACE: &str = "kube-system";
/// By this label the device plugin's pods are known.
const LABEL: (&str, &str) = ("name", "nvidia-device-plugin-ds");
/// A release that knows the drivers of AL2023 and of AKS's images, and runs on every version that is on offer.
const IMAGE: &str = "nvcr.io/nvidia/k8s-device-plugin:v0.17.1";

/// Where its pods are.
pub const PODS: PodsAt = PodsAt { namespace: NAMESPACE, label: LABEL };

/// Only on nodes whose `label` has one of these values.
pub fn on_nodes(label: &str, values: &[String]) -> Value {
    json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
        {"matchExpressions": [{"key": label, "operator": "In", "values": values}]}]}}})
}

/// NVIDIA's device plugin on the nodes that `affinity` leaves, whatever keeps other pods off them.
pub fn manifest<'t>(affinity: &Value, taints: impl Iterator<Item = &'t Taint>) -> Value {
    let labels = json!({LABEL.0: LABEL.1});
    let mut tolerations = vec![json!({"key": GPU, "operator": "Exists"})];
    for taint in taints.filter(|taint| taint.effect != TaintEffect::PreferNoSchedule && taint.key != GPU) {
        let effect = if taint.effect == TaintEffect::NoExecute { "NoExecute" } else { "NoSchedule" };
        let wanted = json!({"key": taint.key, "operator": "Exists", "effect": effect});
        if !tolerations.contains(&wanted) {
            tolerations.push(wanted);
        }
    }
    let folder = "/var/lib/kubelet/device-plugins";
    json!({
        "apiVersion": "apps/v1", "kind": "DaemonSet",
        "metadata": {"name": "nvidia-device-plugin-daemonset", "namespace": NAMESPACE, "labels": labels},
        "spec": {
            "selector": {"matchLabels": labels},
            "updateStrategy": {"type": "RollingUpdate"},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "priorityClassName": "system-node-critical",
                    "affinity": affinity,
                    "tolerations": tolerations,
                    "containers": [{
                        "name": "nvidia-device-plugin-ctr",
                        "image": IMAGE,
                        "env": [{"name": "FAIL_ON_INIT_ERROR", "value": "false"}],
                        "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
                        "volumeMounts": [{"name": "device-plugins", "mountPath": folder}],
                    }],
                    "volumes": [{"name": "device-plugins", "hostPath": {"path": folder, "type": "Directory"}}],
                },
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::apps::v1::DaemonSet;

    #[test]
    fn the_manifest_is_whole_as_its_type() {
        let taint = Taint { key: "only".to_owned(), value: None, effect: TaintEffect::NoExecute };
        let made = manifest(&on_nodes("pool", &["a".to_owned()]), [taint].iter());
        let read: DaemonSet = serde_json::from_value(made.clone()).unwrap();
        assert_eq!(serde_json::to_value(read).unwrap(), made, "no field is misspelt");
    }

    #[test]
    fn the_plugin_goes_wherever_gpus_are() {
        let taints = [
            Taint { key: GPU.to_owned(), value: None, effect: TaintEffect::NoSchedule },
            Taint { key: "team".to_owned(), value: Some("ml".to_owned()), effect: TaintEffect::NoSchedule },
            Taint { key: "team".to_owned(), value: Some("x".to_owned()), effect: TaintEffect::NoSchedule },
        ];
        let tolerations = &manifest(&on_nodes("pool", &[]), taints.iter())["spec"]["template"]["spec"]["tolerations"];
        let wanted = json!([
            {"key": GPU, "operator": "Exists"}, {"key": "team", "operator": "Exists", "effect": "NoSchedule"},
        ]);
        assert_eq!(*tolerations, wanted);
    }
}
