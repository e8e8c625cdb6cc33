//! Where pods are: a small scheduler over the nodes as they stand now, and what follows for Deployments, DaemonSets and
//! GPUs. Everything here is computed anew from the objects that stand; nothing is kept.
//!
//! Pods are taken in the order they were made, nodes in the order they joined, so that a pod stays where it is for as
//! long as its node stands. Pods that the cloud brings take no room.

use super::{
    autoscaler,
    discovery::Kind,
    host::{Cluster, Gpus, NodeFacts, Pool},
    kubelet,
    objects::filed,
    views::{self, stamp, suffix, uid},
};
use crate::sandbox::world::Tx;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};

/// What NVIDIA's plugin offers.
pub(super) const GPU: &str = "nvidia.com/gpu";
/// An image of this name is that plugin.
const PLUGIN: &str = "k8s-device-plugin";
/// From its start until a container runs, its image pulled.
const STARTS: Duration = Duration::from_secs(8);
/// From its start until the plugin has offered what it found.
const OFFERS: Duration = Duration::from_secs(15);

/// What pods ask for and nodes have.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Room {
    pub(super) millis: f64,
    pub(super) mebibytes: f64,
    pub(super) gpus: f64,
    pub(super) pods: f64,
}

impl Room {
    pub(super) fn holds(&self, asked: &Self) -> bool {
        self.millis >= asked.millis
            && self.mebibytes >= asked.mebibytes
            && self.gpus >= asked.gpus
            && self.pods >= asked.pods
    }

    pub(super) fn take(&mut self, asked: &Self) {
        self.millis -= asked.millis;
        self.mebibytes -= asked.mebibytes;
        self.gpus -= asked.gpus;
        self.pods -= asked.pods;
    }
}

/// A node as pods see it, or one as it would be.
#[derive(Debug, Clone)]
pub(super) struct Slot {
    pub(super) name: String,
    /// The cloud's id of its machine; empty for one that does not stand.
    pub(super) machine: String,
    /// Its pool.
    pub(super) pool: String,
    pub(super) labels: Value,
    pub(super) taints: Vec<Value>,
    pub(super) ready: bool,
    pub(super) free: Room,
}

/// A pod, stored or of a workload.
#[derive(Debug, Clone)]
pub(super) struct Pod {
    pub(super) meta: Value,
    pub(super) spec: Value,
    made: Timestamp,
    /// DaemonSets' pods keep no node from going.
    pub(super) daemon: bool,
    /// The node it is on.
    pub(super) node: Option<String>,
    /// Why it is on none, or does not run there.
    why: Option<(&'static str, String)>,
}

/// Everything at this moment.
pub(super) struct Survey {
    pub(super) slots: Vec<Slot>,
    pub(super) pods: Vec<Pod>,
    /// GPUs that nodes offer, by node.
    pub(super) gpus: BTreeMap<String, u32>,
    now: Timestamp,
}

/// A quantity as a number: `100m`, `2`, `600Mi`.
pub(super) fn amount(text: &str) -> Option<f64> {
    const UNITS: &[(&str, f64)] = &[
        ("Ki", 1024.0),
        ("Mi", 1_048_576.0),
        ("Gi", 1_073_741_824.0),
        ("Ti", 1_099_511_627_776.0),
        ("m", 1e-3),
        ("k", 1e3),
        ("M", 1e6),
        ("G", 1e9),
        ("T", 1e12),
    ];
    let unit = UNITS.iter().find_map(|(suffix, factor)| text.strip_suffix(suffix).map(|number| (number, *factor)));
    let (number, factor) = unit.unwrap_or((text, 1.0));
    number.parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0).map(|n| n * factor)
}

impl Pod {
    /// What its containers ask for together; a limit without a request is one.
    pub(super) fn asks(&self) -> Room {
        let mut room = Room { pods: 1.0, ..Room::default() };
        for container in self.spec["containers"].as_array().into_iter().flatten() {
            let of = |resource: &str| {
                let resources = &container["resources"];
                let text = resources["requests"][resource].as_str().or(resources["limits"][resource].as_str());
                text.and_then(amount).unwrap_or_default()
            };
            room.millis += of("cpu") * 1_000.0;
            room.mebibytes += of("memory") / 1_048_576.0;
            room.gpus += of(GPU);
        }
        room
    }

    /// Whether its selector and affinity let it be there, and it tolerates what keeps others off.
    pub(super) fn may_be_on(&self, slot: &Slot) -> Result<(), &'static str> {
        let selector = self.spec["nodeSelector"].as_object().into_iter().flatten();
        let selected = selector.into_iter().all(|(key, value)| slot.labels[key] == *value);
        let required = &self.spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
        let terms = required["nodeSelectorTerms"].as_array();
        let matched = terms.is_none_or(|terms| terms.iter().any(|term| term_fits(term, &slot.labels)));
        if !selected || !matched {
            return Err("node(s) didn't match Pod's node affinity/selector");
        }
        let none = Vec::new();
        let tolerations = self.spec["tolerations"].as_array().unwrap_or(&none);
        let repels = |taint: &&Value| {
            taint["effect"] != json!("PreferNoSchedule") && !tolerations.iter().any(|it| tolerates(it, taint))
        };
        if slot.taints.iter().any(|taint| repels(&taint)) {
            return Err("node(s) had untolerated taint(s)");
        }
        Ok(())
    }

    /// Whether it runs.
    pub(super) fn runs(&self) -> bool {
        self.node.is_some() && self.why.is_none()
    }

    /// Why it is on no node, in the scheduler's words.
    pub(super) fn waits_for(&self) -> String {
        self.why.as_ref().map(|(_, why)| why.clone()).unwrap_or_default()
    }

    /// Whether no node has room for it.
    pub(super) fn is_pending(&self) -> bool {
        self.node.is_none()
    }

    pub(super) fn images(&self) -> impl Iterator<Item = &str> {
        let containers = self.spec["containers"].as_array().into_iter().flatten();
        containers.filter_map(|container| container["image"].as_str())
    }

    fn view(&self, now: Timestamp) -> Value {
        let running = self.runs();
        let word = |yes: bool| if yes { "True" } else { "False" };
        let mut scheduled = json!({"type": "PodScheduled", "status": word(self.node.is_some())});
        if let (None, Some((reason, why))) = (&self.node, &self.why) {
            scheduled["reason"] = json!(reason);
            scheduled["message"] = json!(why);
        }
        let mut spec = self.spec.clone();
        let mut status = json!({
            "phase": if running { "Running" } else { "Pending" },
            "conditions": [scheduled, {"type": "Ready", "status": word(running)}],
        });
        if let Some(node) = &self.node {
            spec["nodeName"] = json!(node);
            let containers = self.spec["containers"].as_array().into_iter().flatten().map(|container| {
                let state = match &self.why {
                    None => json!({"running": {"startedAt": stamp(now)}}),
                    Some((reason, why)) => json!({"waiting": {"reason": reason, "message": why}}),
                };
                json!({
                    "name": container["name"], "image": container["image"], "imageID": "", "ready": running,
                    "started": running, "restartCount": 0, "state": state,
                })
            });
            status["containerStatuses"] = containers.collect();
        }
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": self.meta, "spec": spec, "status": status})
    }
}

fn term_fits(term: &Value, labels: &Value) -> bool {
    term["matchExpressions"].as_array().into_iter().flatten().all(|rule| {
        let has = rule["key"].as_str().and_then(|key| labels.get(key));
        let listed = |value: &Value| rule["values"].as_array().is_some_and(|all| all.contains(value));
        match rule["operator"].as_str() {
            Some("In") => has.is_some_and(listed),
            Some("NotIn") => !has.is_some_and(listed),
            Some("Exists") => has.is_some(),
            Some("DoesNotExist") => has.is_none(),
            _ => false,
        }
    })
}

fn tolerates(toleration: &Value, taint: &Value) -> bool {
    let same_key = toleration["key"].is_null() || toleration["key"] == taint["key"];
    let same_effect = toleration["effect"].is_null() || toleration["effect"] == taint["effect"];
    let exists = toleration["operator"] == json!("Exists");
    let value = |it: &Value| it["value"].as_str().unwrap_or_default().to_owned();
    same_key && same_effect && (exists || !toleration["key"].is_null() && value(toleration) == value(taint))
}

/// The nodes as they stand, without their GPUs, in the order they joined.
fn slots(cluster: &Cluster, nodes: &[NodeFacts]) -> Vec<Slot> {
    let mut slots: Vec<(Timestamp, Slot)> = nodes
        .iter()
        .map(|node| {
            let view = views::node_view(cluster, node, 0);
            let of = |key: &str| view["status"]["allocatable"][key].as_str().and_then(amount).unwrap_or_default();
            let slot = Slot {
                name: node.name.clone(),
                machine: node.machine_id.clone(),
                pool: node.pool.clone(),
                labels: view["metadata"]["labels"].clone(),
                taints: view["spec"]["taints"].as_array().cloned().unwrap_or_default(),
                ready: node.ready,
                free: Room {
                    millis: of("cpu") * 1_000.0,
                    mebibytes: of("memory") / 1_048_576.0,
                    gpus: 0.0,
                    pods: of("pods"),
                },
            };
            (node.joined_at, slot)
        })
        .collect();
    slots.sort_by(|(one, a), (other, b)| one.cmp(other).then_with(|| a.name.cmp(&b.name)));
    slots.into_iter().map(|(_, slot)| slot).collect()
}

/// GPUs in each machine that has their driver, by node: how many, since when, and whether a plugin of the cloud's own
/// offers them.
fn machines_with_gpus(nodes: &[NodeFacts]) -> BTreeMap<String, (u32, Timestamp, bool)> {
    let driven = |node: &NodeFacts| {
        let (gpus, own) = match node.gpus {
            Gpus::None | Gpus::Bare(_) => return None,
            Gpus::Driven(gpus) => (gpus, false),
            Gpus::Offered(gpus) => (gpus, true),
        };
        (gpus > 0).then(|| (node.name.clone(), (gpus, node.joined_at, own)))
    };
    nodes.iter().filter_map(driven).collect()
}

fn stored<'t>(
    tx: &'t Tx<'_>,
    cluster: &'t Cluster,
    group: &str,
    plural: &str,
) -> impl Iterator<Item = (&'t Value, Timestamp)> {
    let kind = Kind::find(group, plural).expect("a kind of the table");
    let own = tx.list(&cluster.scope, filed(kind)).filter(|o| o.parent.as_deref() == Some(cluster.id.as_str()));
    own.map(|object| (&object.doc, object.created_at))
}

/// A pod of a workload's template; `key` tells it from the workload's others.
fn of_template(cluster: &Cluster, owner: &Value, made: Timestamp, key: &str, middle: Option<&str>) -> Pod {
    let text = |path: &str| owner.pointer(path).and_then(Value::as_str).unwrap_or_default();
    let (name, namespace, kind) = (text("/metadata/name"), text("/metadata/namespace"), text("/kind"));
    let tail = suffix(&[&cluster.uid, text("/metadata/uid"), key], 5);
    let pod = match middle {
        Some(hash) => format!("{name}-{hash}-{tail}"),
        None => format!("{name}-{tail}"),
    };
    let owned_by = if kind == "Deployment" { "ReplicaSet" } else { kind };
    let template = &owner["spec"]["template"];
    let meta = json!({
        "name": pod, "namespace": namespace, "uid": uid(&[&cluster.uid, "pods", namespace, &pod]),
        "resourceVersion": "1", "creationTimestamp": stamp(made),
        "labels": template["metadata"]["labels"], "annotations": template["metadata"]["annotations"],
        "ownerReferences": [{
            "apiVersion": "apps/v1", "kind": owned_by, "name": name, "controller": true, "uid": owner["metadata"]["uid"],
        }],
    });
    Pod { meta, spec: template["spec"].clone(), made, daemon: kind == "DaemonSet", node: None, why: None }
}

/// Whether the service account of a workload's pods is there; without it none is made.
fn has_account(tx: &Tx<'_>, cluster: &Cluster, owner: &Value) -> bool {
    let account = owner["spec"]["template"]["spec"]["serviceAccountName"].as_str().unwrap_or("default");
    let namespace = &owner["metadata"]["namespace"];
    account == "default"
        || stored(tx, cluster, "", "serviceaccounts")
            .any(|(row, _)| row["metadata"]["name"] == json!(account) && row["metadata"]["namespace"] == *namespace)
}

/// What `generateName` ends with.
pub(super) fn tail(tx: &mut Tx<'_>) -> String {
    suffix(&[&tx.hex(16)], 5)
}

/// How a pod's containers are served when their node runs short.
pub(super) fn qos(spec: &Value) -> &'static str {
    let (mut any, mut all) = (false, true);
    for container in spec["containers"].as_array().into_iter().flatten() {
        for resource in ["cpu", "memory"] {
            let of = |side: &str| container["resources"][side][resource].as_str().and_then(amount);
            any |= of("requests").is_some() || of("limits").is_some();
            all &= of("limits").is_some() && of("requests").is_none_or(|asked| Some(asked) == of("limits"));
        }
    }
    match (any, all) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}

/// Looks at everything.
pub(super) fn survey(tx: &Tx<'_>, cluster: &Cluster) -> Survey {
    let now = tx.now();
    let nodes = cluster.host().nodes(tx, cluster);
    let mut slots = slots(cluster, &nodes);
    let mut pods = Vec::new();
    let driven = machines_with_gpus(&nodes);
    // The cloud's own plugin starts with the node.
    let offered = driven.iter().filter(|(name, (_, joined, own))| {
        *own && now >= *joined + OFFERS && slots.iter().any(|slot| slot.ready && slot.name == **name)
    });
    let mut gpus: BTreeMap<String, u32> = offered.map(|(name, (count, ..))| (name.clone(), *count)).collect();
    for (set, made) in stored(tx, cluster, "apps", "daemonsets").filter(|(set, _)| has_account(tx, cluster, set)) {
        for slot in &mut slots {
            let mut pod = of_template(cluster, set, made, &slot.name, None);
            // The controller makes none where it may not be.
            if !slot.ready || pod.may_be_on(slot).is_err() {
                continue;
            }
            slot.free.take(&pod.asks());
            pod.node = Some(slot.name.clone());
            let since = driven.get(&slot.name).map_or(made, |(_, joined, _)| made.max(*joined));
            pod.why = starting(now, since);
            let offers = pod.images().any(|image| image.contains(PLUGIN)) && now >= since + OFFERS;
            if let Some((count, ..)) = driven.get(&slot.name).filter(|_| offers) {
                gpus.insert(slot.name.clone(), *count);
            }
            pods.push(pod);
        }
    }
    for slot in &mut slots {
        slot.free.gpus = gpus.get(&slot.name).copied().map_or(0.0, f64::from);
    }
    let mut wanting: Vec<Pod> = Vec::new();
    for (deployment, made) in stored(tx, cluster, "apps", "deployments").filter(|(it, _)| has_account(tx, cluster, it))
    {
        let copies = deployment["spec"]["replicas"].as_u64().unwrap_or(1);
        let hash = suffix(&[&cluster.uid, deployment["metadata"]["uid"].as_str().unwrap_or_default()], 10);
        wanting.extend((0..copies).map(|n| of_template(cluster, deployment, made, &n.to_string(), Some(&hash))));
    }
    for (row, made) in stored(tx, cluster, "", "pods").filter(|(row, _)| !kubelet::has_ended(row)) {
        let (meta, spec) = (row["metadata"].clone(), row["spec"].clone());
        let mut pod = Pod { meta, spec, made, daemon: false, node: None, why: None };
        // What runs to an end stays where it was bound.
        match row["spec"]["nodeName"].as_str().filter(|_| kubelet::is_finite(&row["spec"])) {
            Some(node) => {
                if let Some(slot) = slots.iter_mut().find(|slot| slot.name == node) {
                    slot.free.take(&pod.asks());
                }
                pod.node = Some(node.to_owned());
                pods.push(pod);
            }
            None => wanting.push(pod),
        }
    }
    wanting.sort_by_key(|pod| (pod.made, pod.meta["name"].to_string()));
    for mut pod in wanting {
        let asked = pod.asks();
        let fits = |slot: &&mut Slot| slot.ready && pod.may_be_on(slot).is_ok() && slot.free.holds(&asked);
        if let Some(slot) = slots.iter_mut().find(fits) {
            slot.free.take(&asked);
            pod.node = Some(slot.name.clone());
            pod.why = starting(now, pod.made).or_else(|| autoscaler::cannot_work(tx, cluster, &pod));
        } else {
            pod.why = Some(("Unschedulable", unschedulable(&pod, &slots)));
        }
        pods.push(pod);
    }
    Survey { slots, pods, gpus, now }
}

fn starting(now: Timestamp, since: Timestamp) -> Option<(&'static str, String)> {
    (now < since + STARTS).then(|| ("ContainerCreating", String::new()))
}

/// In the scheduler's words.
fn unschedulable(pod: &Pod, slots: &[Slot]) -> String {
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    let asked = pod.asks();
    for slot in slots {
        let why = match pod.may_be_on(slot) {
            _ if !slot.ready => "node(s) were not ready",
            Err(why) => why,
            Ok(()) if slot.free.gpus < asked.gpus => "Insufficient nvidia.com/gpu",
            Ok(()) if slot.free.mebibytes < asked.mebibytes => "Insufficient memory",
            Ok(()) if slot.free.millis < asked.millis => "Insufficient cpu",
            Ok(()) => "Too many pods",
        };
        *reasons.entry(why).or_default() += 1;
    }
    let reasons: Vec<String> = reasons.into_iter().map(|(why, count)| format!("{count} {why}")).collect();
    format!("0/{} nodes are available: {}.", slots.len(), reasons.join(", "))
}

impl Survey {
    /// The pods as the API server shows them, without those that are stored.
    pub(super) fn computed_pods(&self) -> Vec<Value> {
        let of_workloads =
            self.pods.iter().filter(|pod| pod.meta["ownerReferences"][0]["apiVersion"] == json!("apps/v1"));
        of_workloads.map(|pod| pod.view(self.now)).collect()
    }

    /// Gives a stored object the status that it has now.
    pub(super) fn show(&self, plural: &str, row: &mut Value) {
        match plural {
            "pods" => {
                let same = |pod: &&Pod| pod.meta["uid"] == row["metadata"]["uid"];
                if let Some(pod) = self.pods.iter().find(same).filter(|pod| !kubelet::is_finite(&pod.spec)) {
                    *row = pod.view(self.now);
                }
            }
            "deployments" => row["status"] = self.of_deployment(row),
            "daemonsets" => row["status"] = self.of_daemon_set(row),
            _ => {}
        }
    }

    fn owned<'s>(&'s self, row: &'s Value) -> impl Iterator<Item = &'s Pod> {
        self.pods.iter().filter(move |pod| pod.meta["ownerReferences"][0]["uid"] == row["metadata"]["uid"])
    }

    fn of_deployment(&self, row: &Value) -> Value {
        let wanted = row["spec"]["replicas"].as_u64().unwrap_or(1);
        let (all, running) = (self.owned(row).count(), self.owned(row).filter(|pod| pod.runs()).count());
        let available = running as u64 >= wanted;
        let why = self.owned(row).find_map(|pod| pod.why.as_ref()).map(|(reason, why)| format!("{reason}: {why}"));
        let message = match (available, all, why) {
            (true, ..) => "Deployment has minimum availability.".to_owned(),
            (_, 0, _) if wanted > 0 => "pods are forbidden: error looking up service account".to_owned(),
            (.., Some(why)) => format!("Deployment does not have minimum availability. {}", why.trim_end_matches(": ")),
            _ => "Deployment does not have minimum availability.".to_owned(),
        };
        let reason = if available { "MinimumReplicasAvailable" } else { "MinimumReplicasUnavailable" };
        json!({
            "observedGeneration": row["metadata"]["generation"], "replicas": all, "updatedReplicas": all,
            "readyReplicas": running, "availableReplicas": running,
            "unavailableReplicas": wanted.saturating_sub(running as u64),
            "conditions": [{
                "type": "Available", "status": if available { "True" } else { "False" }, "reason": reason, "message": message,
            }],
        })
    }

    fn of_daemon_set(&self, row: &Value) -> Value {
        let (all, running) = (self.owned(row).count(), self.owned(row).filter(|pod| pod.runs()).count());
        json!({
            "observedGeneration": row["metadata"]["generation"], "currentNumberScheduled": all,
            "desiredNumberScheduled": all, "updatedNumberScheduled": all, "numberMisscheduled": 0,
            "numberReady": running, "numberAvailable": running, "numberUnavailable": all - running,
        })
    }
}

/// A node that a pool would add, as an autoscaler imagines it from the machine's type; labels and taints as far as they
/// are known to it.
pub(super) fn imagined(cluster: &Cluster, pool: &Pool, labels: Value, taints: Vec<Value>) -> Slot {
    let (cpus, gib) = views::machine_size(cluster, &pool.machine);
    let free = Room {
        millis: cpus * 1_000.0 - 70.0,
        mebibytes: gib * 1_024.0 - 1_000.0,
        gpus: f64::from(pool.gpus),
        pods: 58.0,
    };
    let name = format!("template-{}-{}", pool.name, cluster.region);
    Slot { name, machine: String::new(), pool: pool.name.clone(), labels, taints, ready: true, free }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(spec: Value) -> Pod {
        Pod { meta: json!({}), spec, made: Timestamp::UNIX_EPOCH, daemon: false, node: None, why: None }
    }

    fn slot(labels: Value, taints: Value) -> Slot {
        let taints = taints.as_array().cloned().unwrap_or_default();
        let (name, machine, pool) = (String::new(), String::new(), String::new());
        Slot { name, machine, pool, labels, taints, ready: true, free: Room::default() }
    }

    #[test]
    fn quantities_read() {
        assert_eq!((amount("100m"), amount("2"), amount("1Mi")), (Some(0.1), Some(2.0), Some(1_048_576.0)));
        assert_eq!((amount("-1"), amount("x"), amount("")), (None, None, None));
    }

    #[test]
    fn taints_and_affinity_decide_where_a_pod_may_be() {
        let taint = json!([{"key": "only", "value": "ml", "effect": "NoSchedule"}]);
        let tolerant = |toleration: Value| pod(json!({"tolerations": [toleration]}));
        let there = slot(json!({"team": "ml"}), taint);
        assert!(pod(json!({})).may_be_on(&there).is_err());
        assert!(tolerant(json!({"key": "only", "operator": "Exists"})).may_be_on(&there).is_ok());
        assert!(tolerant(json!({"key": "only", "value": "ml", "effect": "NoSchedule"})).may_be_on(&there).is_ok());
        assert!(tolerant(json!({"key": "only", "value": "other"})).may_be_on(&there).is_err());
        let wants = |values: Value| {
            let rule = json!({"key": "team", "operator": "In", "values": values});
            pod(json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchExpressions": [rule]}]}}}}))
        };
        let open = slot(json!({"team": "ml"}), json!([]));
        assert!(wants(json!(["ml"])).may_be_on(&open).is_ok() && wants(json!(["web"])).may_be_on(&open).is_err());
    }

    #[test]
    fn a_limit_is_a_request_too() {
        let asked = pod(json!({"containers": [
            {"resources": {"limits": {"nvidia.com/gpu": "2", "cpu": "1"}}}, {"resources": {"requests": {"cpu": "500m"}}}]}));
        assert_eq!((asked.asks().gpus, asked.asks().millis), (2.0, 1_500.0));
    }
}
