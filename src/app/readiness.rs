//! Whether nodes are Ready, asked of the cluster itself with our own token.

use super::command::program;
use crate::engine::{Identity, Plan, StepId};
use crate::env::{Env, after};
use crate::error::CliError;
use crate::k8s::{self, Access, NodeSeen};
use crate::model::ResolvedSpec;
use crate::model::doc::{Pool, Provision};
use crate::model::spec::ResolvedPool;
use crate::providers::{CloudCluster, Provider};
use std::{collections::BTreeMap, time::Duration};

/// How often the nodes are counted.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// Nodes whose machines run join within minutes, or never.
const DEADLINE: Duration = Duration::from_secs(15 * 60);
/// Below it stand the pools of a plan, by name.
pub(super) const POOLS: &str = "nodes/pool/";

/// What one pool is to have.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wanted {
    /// Its name in the spec.
    pool: String,
    /// The cloud's name of it.
    group: String,
    /// Nodes, as ordered.
    nodes: u32,
    /// An autoscaler changes that.
    scales: bool,
    /// GPUs on each.
    gpus: u32,
}

/// The pools of a plan.
fn wanted(plan: &Plan) -> Vec<Wanted> {
    let Ok(spec) = serde_json::from_value::<ResolvedSpec>(plan.spec.clone()) else { return Vec::new() };
    let pool = |pool: &ResolvedPool| Wanted {
        group: cloud_name(plan, &pool.name).unwrap_or(&pool.name).to_owned(),
        pool: pool.name.clone(),
        nodes: pool.count,
        scales: pool.scales(),
        gpus: pool.gpu.as_ref().map_or(0, |(_, count)| *count),
    };
    spec.node_pools.iter().map(pool).collect()
}

/// Nodes by pool.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Nodes {
    /// Usable ones, by the cloud's name of their pool.
    ready: BTreeMap<String, u32>,
    /// Usable ones in all.
    pub(super) total: u32,
    /// Why the first of the others is not, in the kubelet's words.
    why: Option<String>,
    /// Ready nodes without the GPUs of their pool: pool, node, why.
    lacking: Vec<(String, String, String)>,
}

impl Nodes {
    /// `plugin` says how the device plugin's pods are, by node; none where that was not asked.
    fn of(seen: Vec<NodeSeen>, wanted: &[Wanted], plugin: Option<&Plugin>) -> Self {
        let mut nodes = Self::default();
        for node in seen {
            let pool = wanted.iter().find(|pool| node.pool.as_deref() == Some(&pool.group));
            let short = pool.filter(|pool| node.ready && node.gpus < pool.gpus);
            if let Some(pool) = short {
                let why = lacks(&node, pool.gpus, plugin);
                nodes.why.get_or_insert_with(|| format!("{}: {why}", node.name));
                nodes.lacking.push((pool.pool.clone(), node.name, why));
            } else if node.ready {
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

    /// Whether a Ready node lacks its GPUs.
    pub(super) fn lack_gpus(&self) -> bool {
        !self.lacking.is_empty()
    }

    /// Nodes that are Ready and still not what their pool is for, in words.
    pub(super) fn issues(&self) -> impl Iterator<Item = String> + '_ {
        self.lacking.iter().map(|(pool, node, why)| format!("pool {pool}: node {node}: {why}"))
    }
}

/// What the device plugin's pods are at, by node; nothing where one is ready.
type Plugin = BTreeMap<String, Option<String>>;

/// Why a node has fewer GPUs for pods than its machine has.
fn lacks(node: &NodeSeen, gpus: u32, plugin: Option<&Plugin>) -> String {
    let have = format!("{} of {gpus} {} allocatable", node.gpus, k8s::GPU);
    match plugin.map(|plugin| plugin.get(&node.name)) {
        None => have,
        Some(None) => format!("{have}: no pod of the device plugin is there"),
        Some(Some(Some(state))) => format!("{have}: the device plugin's pod there is {state}"),
        Some(Some(None)) => {
            format!("{have}: the device plugin runs there and has not offered them (yet, or its image has no driver)")
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
pub(super) async fn look(provider: &dyn Provider, cluster: &CloudCluster, plan: &Plan) -> Result<Nodes, String> {
    let client = connect(provider, cluster).await?;
    let wanted = wanted(plan);
    let seen = k8s::nodes(&client, provider.pool_label()).await.map_err(|error| error.message)?;
    let first = Nodes::of(seen.clone(), &wanted, None);
    let Some(label) = provider.device_plugin().filter(|_| !first.lacking.is_empty()) else { return Ok(first) };
    // Only where something is amiss is its cause worth another call; without an answer it is told without a cause.
    let plugin = k8s::pods_by_node(&client, label.namespace, label.label).await.ok();
    Ok(Nodes::of(seen, &wanted, plugin.as_ref()))
}

/// Whether every pool has its nodes, and how many there are to be: as ordered, or as the autoscaler has it by now.
fn settled(nodes: &Nodes, wanted: &[Wanted], cluster: &CloudCluster) -> (bool, u32) {
    let mut all = true;
    let mut sum = 0;
    for pool in wanted {
        let live = cluster.node_pools.iter().find(|live| live.name == pool.pool).filter(|_| pool.scales);
        let nodes_wanted = live.map_or(pool.nodes, |live| live.desired);
        let of_pool = nodes.ready.get(&pool.group).copied().unwrap_or_default();
        // No pool's node stands for another's: they differ in what they are for.
        all &= of_pool >= nodes_wanted;
        sum += nodes_wanted;
    }
    (all, sum)
}

/// The API server of a cluster, once it answers; the error in words.
pub(super) async fn connect(provider: &dyn Provider, cluster: &CloudCluster) -> Result<k8s::Client, String> {
    let Some(endpoint) = &cluster.endpoint else { return Err("the cloud names no endpoint yet".to_owned()) };
    let ca_pem = cluster.ca_pem.clone().unwrap_or_default();
    let token = provider.token(&cluster.name).await.map_err(|error| error.message)?;
    let access = Access { endpoint: endpoint.clone(), ca_pem, token: token.token };
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
    let pools = wanted(plan);
    let end = after(env.now(), DEADLINE);
    let mut waiting = env.ui.waiting("waiting for nodes");
    loop {
        let seen = env
            .reading(async {
                match provider.cluster(&name).await? {
                    Some(cluster) => Ok(look(provider, &cluster, plan).await.map(|nodes| {
                        let (all, wanted) = settled(&nodes, &pools, &cluster);
                        (nodes, all, wanted)
                    })),
                    None => Ok(Err("the cloud no longer knows the cluster".to_owned())),
                }
            })
            .await
            .map_err(|error| stopped(env, error))?;
        let note = match &seen {
            Ok((nodes, all, wanted)) => {
                if let Some(cluster) = doc.cluster.as_mut() {
                    cluster.nodes_ready = Some(nodes.total);
                    cluster.nodes_wanted = *wanted;
                }
                if *all {
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
            .hint(format!("look again: {} status {} --wait ready", program(env), plan.stack.name)));
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

    fn node(pool: &str, ready: bool, gpus: u32) -> NodeSeen {
        NodeSeen {
            name: format!("ip-{pool}"),
            pool: Some(pool.to_owned()),
            ready,
            why: (!ready).then(|| "no network".to_owned()),
            zone: None,
            instance_type: None,
            version: None,
            gpus,
        }
    }

    fn pool(name: &str, nodes: u32, scales: bool, gpus: u32) -> Wanted {
        Wanted { pool: name.to_owned(), group: name.to_owned(), nodes, scales, gpus }
    }

    #[test]
    fn nodes_are_counted_by_pool() {
        let nodes = Nodes::of(vec![node("a", true, 0), node("a", true, 0), node("b", false, 0)], &[], None);
        assert_eq!((nodes.total, nodes.ready["a"]), (2, 2));
        assert_eq!(nodes.why.as_deref(), Some("ip-b: no network"));
    }

    #[test]
    fn a_node_without_its_gpus_is_not_ready_and_says_why() {
        let wanted = [pool("a", 1, false, 0), pool("g", 1, false, 4)];
        let told = |plugin: &Plugin| {
            let nodes = Nodes::of(vec![node("a", true, 0), node("g", true, 3)], &wanted, Some(plugin));
            assert_eq!((nodes.total, nodes.ready.get("g")), (1, None));
            nodes.issues().next().unwrap()
        };
        assert!(
            told(&Plugin::new()).ends_with("3 of 4 nvidia.com/gpu allocatable: no pod of the device plugin is there")
        );
        let waits = Plugin::from([("ip-g".to_owned(), Some("ImagePullBackOff".to_owned()))]);
        assert!(told(&waits).ends_with("the device plugin's pod there is ImagePullBackOff"));
        assert!(told(&Plugin::from([("ip-g".to_owned(), None)])).contains("has not offered them"));
        let whole = Nodes::of(vec![node("g", true, 4)], &wanted, None);
        assert_eq!((whole.total, whole.issues().count()), (1, 0));
    }

    #[test]
    fn scaled_pools_are_settled_as_they_are_scaled_now() {
        let mut cluster = CloudCluster::default();
        let wanted = [pool("a", 1, false, 0), pool("s", 3, true, 0)];
        let nodes = Nodes::of(vec![node("a", true, 0)], &wanted, None);
        assert_eq!(settled(&nodes, &wanted, &cluster), (false, 4));
        cluster.node_pools =
            vec![crate::providers::CloudPool { name: "s".to_owned(), desired: 0, ..Default::default() }];
        assert_eq!(settled(&nodes, &wanted, &cluster), (true, 1));
        // Another pool's node does not stand for one with GPUs.
        let wanted = [pool("a", 0, false, 0), pool("g", 1, false, 1)];
        assert!(!settled(&nodes, &wanted, &cluster).0);
    }
}
