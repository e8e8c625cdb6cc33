//! The cluster autoscaler at work: when one stands in the cluster and may do what it must, node groups grow for pods
//! that have no room, and nodes that nobody needs go.
//!
//! It looks when something changed that could make it act, and while it waits for something; nothing ticks for ever.

use super::{
    discovery::Kind,
    objects::filed,
    pods::{self, Pod, Room, Slot, Survey},
    views::Cluster,
};
use crate::sandbox::{
    aws::{
        eks::{self, GroupSize},
        iam,
    },
    world::{self, Due, Object, Origin, Scope, Tx},
};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};

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
const DISCOVERY: &str = "--node-group-auto-discovery=asg:tag=";

/// Without these it ends as soon as it has started.
const LOOKS: &[&str] = &[
    "autoscaling:DescribeAutoScalingGroups",
    "autoscaling:DescribeAutoScalingInstances",
    "autoscaling:DescribeScalingActivities",
    "autoscaling:DescribeTags",
    "ec2:DescribeImages",
    "ec2:DescribeInstanceTypes",
    "ec2:DescribeLaunchTemplateVersions",
];
/// What it must be allowed to see in the cluster.
const WATCHES: &[(&str, &str)] =
    &[("", "nodes"), ("", "pods"), ("apps", "daemonsets"), ("policy", "poddisruptionbudgets")];

fn is_autoscaler(pod: &Pod) -> bool {
    pod.images().any(|image| image.contains(IMAGE))
}

/// The role that pods of a service account have, by Pod Identity: only where its agent runs.
fn role_of(tx: &Tx<'_>, cluster: &Cluster, pod: &Pod) -> Option<String> {
    let account = pod.spec["serviceAccountName"].as_str().unwrap_or("default");
    let namespace = pod.meta["namespace"].as_str().unwrap_or_default();
    let agent = eks::addon_is_active(tx, &cluster.scope, &cluster.name, "eks-pod-identity-agent");
    eks::pod_role(tx, &cluster.scope, &cluster.name, namespace, account).filter(|_| agent)
}

/// Why an autoscaler's container does not go on running; nothing for any other pod.
pub(super) fn cannot_work(tx: &Tx<'_>, cluster: &Cluster, pod: &Pod) -> Option<(&'static str, String)> {
    if !is_autoscaler(pod) {
        return None;
    }
    let crash = |why: String| Some(("CrashLoopBackOff", why));
    let Some(role) = role_of(tx, cluster, pod) else {
        return crash("no EC2 IMDS role found and no pod identity".to_owned());
    };
    let may = |action: &&&str| iam::role_may(tx, &role, action, "*", &BTreeMap::new());
    if let Some(action) = LOOKS.iter().find(|action| !may(action)) {
        return crash(format!("AccessDenied: not authorized to perform: {action}"));
    }
    let denied = WATCHES.iter().find(|(group, resource)| !may_watch(tx, cluster, pod, group, resource));
    denied.and_then(|(_, resource)| crash(format!("cannot list resource \"{resource}\" at the cluster scope")))
}

/// Whether a ClusterRoleBinding gives the pod's service account a ClusterRole that lists and watches this.
fn may_watch(tx: &Tx<'_>, cluster: &Cluster, pod: &Pod, group: &str, resource: &str) -> bool {
    let rows = |plural: &str| -> Vec<Value> {
        let kind = Kind::find("rbac.authorization.k8s.io", plural).expect("a kind of the table");
        let own = tx.list(&cluster.scope, filed(kind)).filter(|o| o.parent.as_deref() == Some(cluster.name.as_str()));
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
    let deployments = Kind::find("apps", "deployments").expect("a kind of the table");
    let stands = tx.list(&cluster.scope, filed(deployments)).any(|object| {
        object.parent.as_deref() == Some(cluster.name.as_str())
            && object.doc["spec"]["template"]["spec"]["containers"].to_string().contains(IMAGE)
    });
    if stands {
        look_in(tx, cluster, AGAIN);
    } else {
        forget(tx, &cluster.scope, &cluster.name);
    }
}

fn look_in(tx: &mut Tx<'_>, cluster: &Cluster, span: Duration) {
    let at = tx.now() + span;
    let mut memory = match tx.get(&cluster.scope, LOOP, &cluster.name) {
        Some(memory) => memory.clone(),
        None => Object::new(&cluster.scope, LOOP, &cluster.name, tx.now()),
    };
    if memory.due.as_ref().is_some_and(|due| due.at <= at) {
        return;
    }
    memory.created_by = Origin::Builtin;
    memory.parent = Some(cluster.name.clone());
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

/// It looks.
pub(super) fn scan(tx: &mut Tx<'_>, cluster: &Cluster) {
    let survey = pods::survey(tx, cluster);
    let hungry = survey.pods.iter().any(|pod| pod.is_pending() && !is_autoscaler(pod));
    let Some(me) = survey.pods.iter().find(|pod| is_autoscaler(pod)) else { return };
    if !me.runs() {
        // It may come up yet: its node, its role, its start.
        return look_in(tx, cluster, AGAIN * 3);
    }
    let groups = discovered(tx, cluster, me);
    let mut waits = hungry.then_some(AGAIN * 3);
    if hungry && grow(tx, cluster, me, &survey, &groups) {
        waits = Some(AGAIN);
    }
    if let Some(span) = shrink(tx, cluster, me, &survey, &groups) {
        waits = Some(waits.map_or(span, |other| other.min(span)));
    }
    if let Some(span) = waits {
        look_in(tx, cluster, span);
    }
}

/// The groups that its flag finds by their tags: EKS puts the usual two on every group of the cluster.
fn discovered(tx: &Tx<'_>, cluster: &Cluster, me: &Pod) -> Vec<GroupSize> {
    let containers = me.spec["containers"].as_array().into_iter().flatten();
    let words = containers.flat_map(|it| [&it["command"], &it["args"]]).filter_map(Value::as_array).flatten();
    let wanted: Vec<String> = words
        .filter_map(|word| word.as_str()?.strip_prefix(DISCOVERY))
        .flat_map(|tags| tags.split(',').map(str::to_owned))
        .collect();
    let carried = tags(cluster);
    if wanted.is_empty() || !wanted.iter().all(|tag| carried.contains_key(tag.split('=').next().unwrap_or_default())) {
        return Vec::new();
    }
    eks::group_sizes(tx, &cluster.scope, &cluster.name)
}

fn tags(cluster: &Cluster) -> BTreeMap<String, String> {
    [
        ("k8s.io/cluster-autoscaler/enabled".to_owned(), "true".to_owned()),
        (format!("k8s.io/cluster-autoscaler/{}", cluster.name), "owned".to_owned()),
    ]
    .into()
}

fn may(tx: &Tx<'_>, cluster: &Cluster, me: &Pod, action: &str, resource: &str) -> bool {
    role_of(tx, cluster, me).is_some_and(|role| iam::role_may(tx, &role, action, resource, &tags(cluster)))
}

/// A node that a group would add. What labels and taints it would have is known from a node that it has, or asked of EKS.
fn template(tx: &Tx<'_>, cluster: &Cluster, me: &Pod, survey: &Survey, group: &GroupSize) -> Slot {
    let like = survey.slots.iter().find(|slot| slot.group == group.name && slot.ready);
    let asked = || may(tx, cluster, me, "eks:DescribeNodegroup", &group.arn);
    let (labels, taints) = match like {
        Some(slot) => (slot.labels.clone(), slot.taints.clone()),
        None if asked() => {
            let mut labels = group.labels.clone();
            labels["eks.amazonaws.com/nodegroup"] = json!(group.name);
            (labels, group.taints.clone())
        }
        None => (json!({}), Vec::new()),
    };
    pods::imagined(&cluster.scope, &group.name, &group.machine, labels, taints)
}

/// Adds nodes for pods without room. Says whether something is under way.
fn grow(tx: &mut Tx<'_>, cluster: &Cluster, me: &Pod, survey: &Survey, groups: &[GroupSize]) -> bool {
    let mut left: Vec<&Pod> = survey.pods.iter().filter(|pod| pod.is_pending()).collect();
    let mut moving = false;
    // Nodes that were ordered and are not usable yet come first; one whose GPUs are still to be offered is one of them.
    for group in groups {
        let like = template(tx, cluster, me, survey, group);
        let whole = |slot: &&Slot| {
            slot.group == group.name && slot.ready && (like.free.gpus == 0.0 || survey.gpus.contains_key(&slot.name))
        };
        let usable = survey.slots.iter().filter(whole).count() as u64;
        for _ in usable..group.desired {
            moving = true;
            let mut free = like.free;
            left.retain(|pod| !fits(pod, &like, &mut free));
        }
    }
    let able = groups.iter().filter(|group| group.settled && group.desired < group.max);
    let mut options: Vec<(&GroupSize, Slot)> =
        able.map(|group| (group, template(tx, cluster, me, survey, group))).collect();
    // The least waste: the smallest machine that will do.
    options.sort_by(|(_, a), (_, b)| a.free.gpus.total_cmp(&b.free.gpus).then(a.free.millis.total_cmp(&b.free.millis)));
    if !may(tx, cluster, me, "autoscaling:SetDesiredCapacity", "*") {
        return moving;
    }
    for (group, like) in options {
        let mut desired = group.desired;
        while desired < group.max && left.iter().any(|pod| fits(pod, &like, &mut like.free.clone())) {
            let mut free = like.free;
            left.retain(|pod| !fits(pod, &like, &mut free));
            desired += 1;
        }
        if desired > group.desired {
            moving |= eks::resize_group(tx, &cluster.scope, &cluster.name, &group.name, desired, &[]);
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
fn shrink(tx: &mut Tx<'_>, cluster: &Cluster, me: &Pod, survey: &Survey, groups: &[GroupSize]) -> Option<Duration> {
    let now = tx.now();
    let before = tx.get(&cluster.scope, LOOP, &cluster.name).map(|memory| memory.doc.clone()).unwrap_or_default();
    let allowed = may(tx, cluster, me, "autoscaling:TerminateInstanceInAutoScalingGroup", "*");
    let mut idle = json!({});
    let mut next: Option<Duration> = None;
    let mut wait = |span: Duration| next = Some(next.map_or(span, |other| other.min(span)));
    for group in groups.iter().filter(|group| group.desired > group.min) {
        let used = |slot: &Slot| survey.pods.iter().any(|pod| !pod.daemon && pod.node.as_ref() == Some(&slot.name));
        let of_group = survey.slots.iter().filter(|slot| slot.group == group.name && slot.ready && !used(slot));
        let mut going = Vec::new();
        for slot in of_group {
            let since = before[&slot.instance].as_str().and_then(|at| at.parse::<Timestamp>().ok()).unwrap_or(now);
            let passed = Duration::from_secs(u64::try_from(now.as_second() - since.as_second()).unwrap_or_default());
            if passed < UNNEEDED {
                wait(UNNEEDED - passed);
            } else if (going.len() as u64) < group.desired - group.min {
                going.push(slot.instance.clone());
                wait(AGAIN);
            }
            idle[&slot.instance] = json!(since.to_string());
        }
        if allowed && group.settled && !going.is_empty() {
            let desired = group.desired - going.len() as u64;
            eks::resize_group(tx, &cluster.scope, &cluster.name, &group.name, desired, &going);
        }
    }
    if idle != before {
        let memory = tx.get(&cluster.scope, LOOP, &cluster.name).cloned();
        if let Some(mut memory) = memory {
            memory.doc = idle;
            tx.put(memory);
        }
    }
    next
}
