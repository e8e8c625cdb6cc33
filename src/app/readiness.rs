//! Whether nodes are Ready, asked of the cluster itself with our own token.

use crate::engine::{Identity, Plan, StepId};
use crate::env::{Env, after};
use crate::error::CliError;
use crate::k8s::{self, Access, NodeSeen};
use crate::model::doc::{Pool, Provision};
use crate::providers::{CloudCluster, Provider};
use std::{collections::BTreeMap, time::Duration};

/// How often the nodes are counted.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// Nodes whose machines run join within minutes, or never.
const DEADLINE: Duration = Duration::from_secs(15 * 60);
/// Below it stand the pools of a plan, by name.
const POOLS: &str = "nodes/pool/";

/// Nodes by pool.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Nodes {
    /// Ready ones, by the cloud's name of their pool.
    ready: BTreeMap<String, u32>,
    /// Ready ones in all.
    pub(super) total: u32,
    /// Why the first of the others is not, in the kubelet's words.
    why: Option<String>,
}

impl Nodes {
    fn of(seen: Vec<NodeSeen>) -> Self {
        let mut nodes = Self::default();
        for node in seen {
            if node.ready {
                nodes.total += 1;
                *nodes.ready.entry(node.pool.unwrap_or_default()).or_default() += 1;
            } else if nodes.why.is_none() {
                nodes.why = node.why.map(|why| format!("{}: {why}", node.name));
            }
        }
        nodes
    }

    /// Into the pools of a document.
    pub(super) fn count_into(&self, plan: &Plan, pools: &mut [Pool]) {
        for pool in pools {
            let name = cloud_name(plan, &pool.name);
            pool.ready = Some(self.ready.get(name.unwrap_or(&pool.name)).copied().unwrap_or(0));
        }
    }
}

/// What the cloud calls a pool of ours.
fn cloud_name<'a>(plan: &'a Plan, pool: &str) -> Option<&'a str> {
    match &plan.step(&StepId::new(format!("{POOLS}{pool}")))?.identity {
        Identity::Child { key, .. } => Some(key),
        Identity::Name { name } => Some(name),
        _ => None,
    }
}

/// One look at the nodes of a cluster; the error in words.
pub(super) async fn look(provider: &dyn Provider, cluster: &CloudCluster) -> Result<Nodes, String> {
    let client = connect(provider, cluster).await?;
    k8s::nodes(&client, provider.pool_label()).await.map(Nodes::of).map_err(|error| error.message)
}

/// The API server of a cluster, once it answers; the error in words.
pub(super) async fn connect(provider: &dyn Provider, cluster: &CloudCluster) -> Result<k8s::Client, String> {
    let (Some(endpoint), Some(ca_pem)) = (&cluster.endpoint, &cluster.ca_pem) else {
        return Err("the cloud names no endpoint yet".to_owned());
    };
    let token = provider.token(&cluster.name).await.map_err(|error| error.message)?;
    let access = Access { endpoint: endpoint.clone(), ca_pem: ca_pem.clone(), token: token.token };
    let client = k8s::connect(&access).map_err(|error| error.message)?;
    k8s::reachable(&client).await.map_err(|barrier| barrier.words)?;
    Ok(client)
}

/// Waits until as many nodes are Ready as were ordered.
pub(super) async fn wait_for_nodes(
    env: &Env,
    provider: &dyn Provider,
    plan: &Plan,
    doc: &mut Provision,
) -> Result<(), CliError> {
    let name = provider.cluster_name(&plan.stack);
    let wanted = doc.cluster.as_ref().map_or(0, |cluster| cluster.nodes_wanted);
    let end = after(env.now(), DEADLINE);
    let mut waiting = env.ui.waiting("waiting for nodes");
    loop {
        let seen = env
            .reading(async {
                match provider.cluster(&name).await? {
                    Some(cluster) => Ok(look(provider, &cluster).await),
                    None => Ok(Err("the cloud no longer knows the cluster".to_owned())),
                }
            })
            .await
            .map_err(|error| stopped(env, error))?;
        let note = match &seen {
            Ok(nodes) => {
                if let Some(cluster) = doc.cluster.as_mut() {
                    cluster.nodes_ready = Some(nodes.total);
                }
                if nodes.total >= wanted {
                    return Ok(());
                }
                let why = nodes.why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
                format!("{} of {wanted} nodes ready{why}", nodes.total)
            }
            Err(why) => format!("API server: {why}"),
        };
        waiting.note(&env.ui, &note);
        if env.now() >= end {
            return Err(CliError::new(
                "KW-NODES",
                format!("everything stands, but after {} min: {note}", DEADLINE.as_secs() / 60),
            )
            .hint(format!("look again: kubewright status {} --wait ready", plan.stack.name)));
        }
        env.reading(async {
            env.clock.sleep(LOOK_AGAIN).await;
            Ok(())
        })
        .await
        .map_err(|error| stopped(env, error))?;
    }
}

/// A signal or `--timeout` while everything stands already is not "nothing was changed".
fn stopped(env: &Env, error: CliError) -> CliError {
    let message = match env.stop.cause() {
        Some(cause) => format!("{} while waiting for nodes; everything is built and recorded", cause.word()),
        None if error.id == "KW-TIMEOUT" => "the time given by --timeout ran out while waiting for nodes".to_owned(),
        None => return error,
    };
    CliError { message, ..error }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_counted_by_pool() {
        let node = |pool: &str, ready: bool| NodeSeen {
            name: format!("ip-{pool}"),
            pool: Some(pool.to_owned()),
            ready,
            why: (!ready).then(|| "no network".to_owned()),
            zone: None,
            instance_type: None,
            version: None,
        };
        let nodes = Nodes::of(vec![node("a", true), node("a", true), node("b", false)]);
        assert_eq!((nodes.total, nodes.ready["a"]), (2, 2));
        assert_eq!(nodes.why.as_deref(), Some("ip-b: no network"));
    }
}
