//! The nodes as the API server sees them.

use super::{error, object::list_all};
use crate::engine::StepError;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::{Api, Client};
use std::collections::BTreeMap;

/// How NVIDIA's device plugin calls what it offers.
pub const GPU: &str = "nvidia.com/gpu";

/// A node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeSeen {
    /// Its name.
    pub name: String,
    /// The pool it belongs to, by the label asked for.
    pub pool: Option<String>,
    /// It takes pods.
    pub ready: bool,
    /// Why it does not, in the kubelet's words.
    pub why: Option<String>,
    /// Zone.
    pub zone: Option<String>,
    /// Machine type.
    pub instance_type: Option<String>,
    /// Version of its kubelet, `v1.35.2-eks-1234567`.
    pub version: Option<String>,
    /// NVIDIA GPUs that pods can have there.
    pub gpus: u32,
}

/// Every node, by name. `pool_label` is the label that the provider puts the pool's name in.
///
/// # Errors
/// As every read.
pub async fn nodes(client: &Client, pool_label: &str) -> Result<Vec<NodeSeen>, StepError> {
    let nodes: Vec<Node> =
        list_all(&Api::all(client.clone())).await.map_err(|cause| error::map("list the nodes", &cause))?;
    let mut seen: Vec<NodeSeen> = nodes.into_iter().map(|node| see(node, pool_label)).collect();
    seen.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(seen)
}

fn see(node: Node, pool_label: &str) -> NodeSeen {
    let mut labels = node.metadata.labels.unwrap_or_default();
    let status = node.status.unwrap_or_default();
    let condition = status.conditions.unwrap_or_default().into_iter().find(|condition| condition.type_ == "Ready");
    let going = node.metadata.deletion_timestamp.is_some();
    let ready = !going && condition.as_ref().is_some_and(|condition| condition.status == "True");
    let why = match (ready, going, condition) {
        (true, ..) => None,
        (_, true, _) => Some("being deleted".to_owned()),
        (.., Some(condition)) => condition.message.filter(|text| !text.is_empty()).or(condition.reason),
        (.., None) => Some("its kubelet has not reported yet".to_owned()),
    };
    NodeSeen {
        name: node.metadata.name.unwrap_or_default(),
        pool: labels.remove(pool_label),
        ready,
        why,
        zone: labels.remove("topology.kubernetes.io/zone"),
        instance_type: labels.remove("node.kubernetes.io/instance-type"),
        version: status.node_info.map(|info| info.kubelet_version),
        gpus: status.allocatable.and_then(|all| all.get(GPU)?.0.parse().ok()).unwrap_or_default(),
    }
}

/// What the pods with this label are at, by the node they are on; nothing where one runs and is ready.
///
/// # Errors
/// As every read.
pub async fn pods_by_node(
    client: &Client,
    namespace: &str,
    label: (&str, &str),
) -> Result<BTreeMap<String, Option<String>>, StepError> {
    let all: Vec<Pod> = list_all(&Api::namespaced(client.clone(), namespace))
        .await
        .map_err(|cause| error::map(&format!("list the pods of {namespace}"), &cause))?;
    let wanted = all.into_iter().filter(|pod| {
        pod.metadata.labels.as_ref().and_then(|labels| labels.get(label.0)).is_some_and(|value| value == label.1)
    });
    Ok(wanted.filter_map(|pod| Some((pod.spec.as_ref()?.node_name.clone()?, trouble(&pod)))).collect())
}

fn trouble(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref();
    let conditions = status.and_then(|status| status.conditions.as_ref()).into_iter().flatten();
    if conditions.into_iter().any(|it| it.type_ == "Ready" && it.status == "True") {
        return None;
    }
    let containers = status.and_then(|status| status.container_statuses.as_ref()).into_iter().flatten();
    let waits = containers.filter_map(|it| it.state.as_ref()?.waiting.as_ref()?.reason.clone()).next();
    let phase = || status.and_then(|status| status.phase.clone());
    Some(waits.or_else(phase).unwrap_or_else(|| "Pending".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::k8s::testing::{Answer, Server};
    use serde_json::json;

    #[tokio::test]
    async fn nodes_are_seen_page_by_page() {
        let node = |name: &str, ready: Option<&str>| {
            let conditions: Vec<_> = ready
                .map(|status| json!({ "type": "Ready", "status": status, "message": "container runtime is down" }))
                .into_iter()
                .collect();
            json!({
                "metadata": { "name": name, "labels": {
                    "eks.amazonaws.com/nodegroup": "kw-demo-default", "topology.kubernetes.io/zone": "us-east-1a",
                    "node.kubernetes.io/instance-type": "m6a.large" } },
                "status": { "conditions": conditions },
            })
        };
        let server = Server::start(move |request| {
            let list = |items: Vec<_>, next: &str| {
                Answer::of(
                    200,
                    json!({ "kind": "NodeList", "apiVersion": "v1", "metadata": { "continue": next }, "items": items }),
                )
            };
            if request.query.contains("continue=more") {
                list(vec![node("a", Some("True"))], "")
            } else {
                list(vec![node("c", None), node("b", Some("False"))], "more")
            }
        })
        .await;
        let seen = nodes(&server.client(), "eks.amazonaws.com/nodegroup").await.unwrap();
        let shown: Vec<_> = seen.iter().map(|node| (node.name.as_str(), node.ready, node.why.as_deref())).collect();
        assert_eq!(
            shown,
            [
                ("a", true, None),
                ("b", false, Some("container runtime is down")),
                ("c", false, Some("its kubelet has not reported yet")),
            ]
        );
        assert_eq!(seen[0].pool.as_deref(), Some("kw-demo-default"));
        assert_eq!(
            (seen[0].zone.as_deref(), seen[0].instance_type.as_deref()),
            (Some("us-east-1a"), Some("m6a.large"))
        );
        assert_eq!(server.requests().len(), 2);
    }
}
