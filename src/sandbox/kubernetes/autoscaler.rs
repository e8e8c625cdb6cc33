//! The cluster autoscaler at work: node pools grow for pods that have no room, and nodes that nobody needs go. It is the
//! cloud's own where the cloud has one; elsewhere it works when one stands in the cluster and may do what it must.
//!
//! It looks when something changed that could make it act, and while it waits for something; nothing ticks for ever.

use super::{
    discovery::Kind,
    host::{Act, Cluster, Pool, Runner, Scaling},
    objects::filed,
    pods::{self, Pod, Room, Slot, Survey},
};
use crate::sandbox::world::{self, Due, Object, Origin, Scope, Tx};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::time::Duration;

/// What it remembers between two looks, one for a cluster.
const LOOP: world::Kind = world::Kind::new("kubernetes", "autoscaler-loop");
/// What its due is called.
const SCAN: &str = "scan";
/// An image of this name is the autoscaler.
const IMAGE: &str = "/cluster-autoscaler:";
/// It looks this often while it waits (`--scan-interval` is 10 s).
const AGAIN: Duration = Duration::from_secs(20);
/// A node that is not needed for so long goes (`--scale-down-unneeded-time`).
const UNNEEDED: Duration = Duration::from_secs(600);
/// What it must be allowed to see in the cluster.
const WATCHES: &[(&str, &str)] =
    &[("", "nodes"), ("", "pods"), ("apps", "daemonsets"), ("policy", "poddisruptionbudgets")];

fn is_autoscaler(pod: &Pod) -> bool {
    pod.images().any(|image| image.contains(IMAGE))
}

/// Whether it may do this in the cloud, and why not.
fn lets(tx: &Tx<'_>, cluster: &Cluster, me: &Pod, act: Act<'_>) -> Result<(), String> {
    let containers = me.spec["containers"].as_array().into_iter().flatten();
    let words = containers.flat_map(|it| [&it["command"], &it["args"]]).filter_map(Value::as_array).flatten();
    let words: Vec<&str> = words.filter_map(Value::as_str).collect();
    let runner = Runner {
        namespace: me.meta["namespace"].as_str().unwrap_or_default(),
        account: me.spec["serviceAccountName"].as_str().unwrap_or("default"),
        words: &words,
    };
    cluster.host().lets(tx, cluster, &runner, act)
}

/// Why an autoscaler's container does not go on running; nothing for any other pod.
pub(super) fn cannot_work(tx: &Tx<'_>, cluster: &Cluster, pod: &Pod) -> Option<(&'static str, String)> {
    if !is_autoscaler(pod) {
        return None;
    }
    let crash = |why: String| Some(("CrashLoopBackOff", why));
    if let Err(why) = lets(tx, cluster, pod, Act::Start) {
        return crash(why);
    }
    let denied = WATCHES.iter().find(|(group, resource)| !may_watch(tx, cluster, pod, group, resource));
    denied.and_then(|(_, resource)| crash(format!("cannot list resource \"{resource}\" at the cluster scope")))
}

/// Whether a ClusterRoleBinding gives the pod's service account a ClusterRole that lists and watches this.
fn may_watch(tx: &Tx<'_>, cluster: &Cluster, pod: &Pod, group: &str, resource: &str) -> bool {
    let rows = |plural: &str| -> Vec<Value> {
        let kind = Kind::find("rbac.authorization.k8s.io", plural).expect("a kind of the table");
        let own = tx.list(&cluster.scope, filed(kind)).filter(|o| o.parent.as_deref() == Some(cluster.id.as_str()));
        own.map(|object| object.doc.clone()).collect()
    };
    let account = pod.spec["serviceAccountName"].as_str().unwrap_or("default");
    let me = json!({"kind": "ServiceAccount", "name": account, "namespace": pod.meta["namespace"]});
    let bound = rows("clusterrolebindings").into_iter().filter(|binding| {
        let mut subjects = binding["subjects"].as_array().into_iter().flatten();
        subjects.any(|it| ["kind", "name", "namespace"].iter().all(|key| it[*key] == me[*key]))
    });
    let given: Vec<Value> = bound.map(|binding| binding["roleRef"]["name"].clone()).collect();
    let listed = |rule: &Value, key: &str, word: &str| {
        rule[key].as_array().is_some_and(|all| all.contains(&json!(word)) || all.contains(&json!("*")))
    };
    rows("clusterroles").iter().filter(|role| given.contains(&role["metadata"]["name"])).any(|role| {
        role["rules"].as_array().into_iter().flatten().any(|rule| {
            listed(rule, "apiGroups", group)
                && listed(rule, "resources", resource)
                && listed(rule, "verbs", "list")
                && listed(rule, "verbs", "watch")
                && rule["resourceNames"].is_null()
        })
    })
}

/// Something changed that it may act on.
pub(super) fn poke(tx: &mut Tx<'_>, cluster: &Cluster) {
    let works = match cluster.host().scaling() {
        Scaling::Cloud => cluster.host().pools(tx, cluster).iter().any(|pool| pool.scales),
        Scaling::InCluster => {
            let deployments = Kind::find("apps", "deployments").expect("a kind of the table");
            tx.list(&cluster.scope, filed(deployments)).any(|object| {
                object.parent.as_deref() == Some(cluster.id.as_str())
                    && object.doc["spec"]["template"]["spec"]["containers"].to_string().contains(IMAGE)
            })
        }
    };
    if works {
        look_in(tx, cluster, AGAIN);
    } else {
        forget(tx, &cluster.scope, &cluster.id);
    }
}

fn look_in(tx: &mut Tx<'_>, cluster: &Cluster, span: Duration) {
    let at = tx.now() + span;
    let mut memory = match tx.get(&cluster.scope, LOOP, &cluster.id) {
        Some(memory) => memory.clone(),
        None => Object::new(&cluster.scope, LOOP, &cluster.id, tx.now()),
    };
    memory.cloud = cluster.cloud;
    if memory.due.as_ref().is_some_and(|due| due.at <= at) {
        return;
    }
    memory.created_by = Origin::Builtin;
    memory.parent = Some(cluster.id.clone());
    memory.due = Some(Due { at, what: SCAN.to_owned() });
    tx.put(memory);
}

/// Its cluster or its Deployment is gone.
pub(super) fn forget(tx: &mut Tx<'_>, scope: &Scope, cluster: &str) {
    tx.remove(scope, LOOP, cluster);
}

/// Whether this object is what it remembers.
pub(super) fn is_loop(object: &Object) -> bool {
    object.is(LOOP)
}

/// Whoever acts: the cloud, or a pod in the cluster with what its identity may.
struct Actor<'a>(Option<&'a Pod>);

impl Actor<'_> {
    fn may(&self, tx: &Tx<'_>, cluster: &Cluster, act: Act<'_>) -> bool {
        self.0.is_none_or(|me| lets(tx, cluster, me, act).is_ok())
    }
}

/// It looks.
pub(super) fn scan(tx: &mut Tx<'_>, cluster: &Cluster) {
    let survey = pods::survey(tx, cluster);
    let hungry = survey.pods.iter().any(|pod| pod.is_pending() && !is_autoscaler(pod));
    let actor = match cluster.host().scaling() {
        Scaling::Cloud => Actor(None),
        Scaling::InCluster => {
            let Some(me) = survey.pods.iter().find(|pod| is_autoscaler(pod)) else { return };
            if !me.runs() {
                // It may come up yet: its node, its role, its start.
                return look_in(tx, cluster, AGAIN * 3);
            }
            Actor(Some(me))
        }
    };
    let mut pools = Vec::new();
    if actor.may(tx, cluster, Act::Find) {
        pools = cluster.host().pools(tx, cluster);
        pools.retain(|pool| pool.scales);
    }
    let mut waits = hungry.then_some(AGAIN * 3);
    if hungry && grow(tx, cluster, &actor, &survey, &pools) {
        waits = Some(AGAIN);
    }
    if let Some(span) = shrink(tx, cluster, &actor, &survey, &pools) {
        waits = Some(waits.map_or(span, |other| other.min(span)));
    }
    if let Some(span) = waits {
        look_in(tx, cluster, span);
    }
}

/// A node that a pool would add. What labels and taints it would have is known from a node that it has, or asked of the
/// cloud.
fn template(tx: &Tx<'_>, cluster: &Cluster, actor: &Actor<'_>, survey: &Survey, pool: &Pool) -> Slot {
    let like = survey.slots.iter().find(|slot| slot.pool == pool.name && slot.ready);
    let (labels, taints) = match like {
        Some(slot) => (slot.labels.clone(), slot.taints.clone()),
        None if actor.may(tx, cluster, Act::Imagine(pool)) => (pool.labels.clone(), pool.taints.clone()),
        None => (json!({}), Vec::new()),
    };
    pods::imagined(cluster, pool, labels, taints)
}

/// Adds nodes for pods without room. Says whether something is under way.
fn grow(tx: &mut Tx<'_>, cluster: &Cluster, actor: &Actor<'_>, survey: &Survey, pools: &[Pool]) -> bool {
    let mut left: Vec<&Pod> = survey.pods.iter().filter(|pod| pod.is_pending()).collect();
    let mut moving = false;
    // Nodes that were ordered and are not usable yet come first; one whose GPUs are still to be offered is one of them.
    for pool in pools {
        let like = template(tx, cluster, actor, survey, pool);
        let whole = |slot: &&Slot| {
            slot.pool == pool.name && slot.ready && (like.free.gpus == 0.0 || survey.gpus.contains_key(&slot.name))
        };
        let usable = survey.slots.iter().filter(whole).count() as u64;
        for _ in usable..pool.desired {
            moving = true;
            let mut free = like.free;
            left.retain(|pod| !fits(pod, &like, &mut free));
        }
    }
    let able = pools.iter().filter(|pool| pool.settled && pool.desired < pool.max);
    let mut options: Vec<(&Pool, Slot)> = able.map(|pool| (pool, template(tx, cluster, actor, survey, pool))).collect();
    // The least waste: the smallest machine that will do.
    options.sort_by(|(_, a), (_, b)| a.free.gpus.total_cmp(&b.free.gpus).then(a.free.millis.total_cmp(&b.free.millis)));
    if !actor.may(tx, cluster, Act::Grow) {
        return moving;
    }
    for (pool, like) in options {
        let mut desired = pool.desired;
        while desired < pool.max && left.iter().any(|pod| fits(pod, &like, &mut like.free.clone())) {
            let mut free = like.free;
            left.retain(|pod| !fits(pod, &like, &mut free));
            desired += 1;
        }
        if desired > pool.desired {
            moving |= cluster.host().resize(tx, cluster, &pool.name, desired, &[]);
        }
    }
    moving
}

fn fits(pod: &Pod, like: &Slot, free: &mut Room) -> bool {
    let asked = pod.asks();
    let yes = pod.may_be_on(like).is_ok() && free.holds(&asked);
    if yes {
        free.take(&asked);
    }
    yes
}

/// Lets nodes go that nobody needs; says when to look again, while some are waited for.
fn shrink(tx: &mut Tx<'_>, cluster: &Cluster, actor: &Actor<'_>, survey: &Survey, pools: &[Pool]) -> Option<Duration> {
    let now = tx.now();
    let before = tx.get(&cluster.scope, LOOP, &cluster.id).map(|memory| memory.doc.clone()).unwrap_or_default();
    let allowed = actor.may(tx, cluster, Act::Shrink);
    let mut idle = json!({});
    let mut next: Option<Duration> = None;
    let mut wait = |span: Duration| next = Some(next.map_or(span, |other| other.min(span)));
    for pool in pools.iter().filter(|pool| pool.desired > pool.min) {
        let used = |slot: &Slot| survey.pods.iter().any(|pod| !pod.daemon && pod.node.as_ref() == Some(&slot.name));
        let of_pool = survey.slots.iter().filter(|slot| slot.pool == pool.name && slot.ready && !used(slot));
        let mut going = Vec::new();
        for slot in of_pool {
            let since = before[&slot.machine].as_str().and_then(|at| at.parse::<Timestamp>().ok()).unwrap_or(now);
            let passed = Duration::from_secs(u64::try_from(now.as_second() - since.as_second()).unwrap_or_default());
            if passed < UNNEEDED {
                wait(UNNEEDED - passed);
            } else if (going.len() as u64) < pool.desired - pool.min {
                going.push(slot.machine.clone());
                wait(AGAIN);
            }
            idle[&slot.machine] = json!(since.to_string());
        }
        if allowed && pool.settled && !going.is_empty() {
            let desired = pool.desired - going.len() as u64;
            cluster.host().resize(tx, cluster, &pool.name, desired, &going);
        }
    }
    if idle != before {
        let memory = tx.get(&cluster.scope, LOOP, &cluster.id).cloned();
        if let Some(mut memory) = memory {
            memory.doc = idle;
            tx.put(memory);
        }
    }
    next
}
