//! The life of a pod that runs to an end: bound to a node, its image pulled, its container started, ended, and gone. Each
//! step is one event of the world, so that a server that is started again goes on where the other stopped.
//!
//! Pods that run for ever (Deployments, DaemonSets, and pods that always restart) are computed in [`super::pods`]; those
//! here are kept. Simulated containers pretend to run for [`Script::span`] and end well; annotations of the pod ask for
//! another end:
//!
//! | annotation | meaning |
//! |---|---|
//! | `sandbox.kubewright.dev/seconds` | how long it runs, in virtual seconds |
//! | `sandbox.kubewright.dev/exit-code` | how it ends |
//! | `sandbox.kubewright.dev/log` | what it prints |
//! | `sandbox.kubewright.dev/fail` | `ImagePull`: the image is not there; `OOMKilled`: it takes too much memory |

use super::{
    autoscaler,
    discovery::Kind,
    events::{self, Source},
    host::{self, Cluster},
    jobs,
    objects::{self, filed, id},
    pods,
    views::stamp,
};
use crate::sandbox::world::{Due, Object, Tx};
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::time::Duration;

/// The scheduler looks at it.
pub(super) const BIND: &str = "bind";
/// Its container is to start.
pub(super) const START: &str = "start";
/// Its simulated container ends.
pub(super) const END: &str = "end";
/// Its time to end by itself is over.
pub(super) const GONE: &str = "gone";

/// Waiting pods are looked at again this late, whatever happens; what frees room or makes nodes looks at once.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// How long a kubelet waits before it tries again what could not be started.
const TRY_AGAIN: Duration = Duration::from_secs(10);
const ANNOTATIONS: &str = "sandbox.kubewright.dev/";

/// The kind of pods.
pub(super) fn kind() -> &'static Kind {
    Kind::find("", "pods").expect("a kind of the table")
}

/// Whether a pod of this spec runs to an end.
pub(super) fn is_finite(spec: &Value) -> bool {
    matches!(spec["restartPolicy"].as_str(), Some("Never" | "OnFailure"))
}

/// Whether it has ended.
pub(super) fn has_ended(row: &Value) -> bool {
    matches!(row["status"]["phase"].as_str(), Some("Succeeded" | "Failed"))
}

/// Whether its container runs.
pub(super) fn is_running(row: &Value) -> bool {
    row["status"]["phase"] == json!("Running")
}

/// Command and arguments of a container.
pub(super) fn words(container: &Value) -> Vec<String> {
    let both = ["command", "args"].into_iter().flat_map(|key| container[key].as_array().into_iter().flatten());
    both.map(|word| word.as_str().unwrap_or_default().to_owned()).collect()
}

/// How a container ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ending {
    pub(super) code: i64,
    pub(super) reason: &'static str,
    pub(super) message: Option<String>,
}

impl Ending {
    /// It ran and ended by itself.
    pub(super) const fn exited(code: i64) -> Self {
        Self { code, reason: if code == 0 { "Completed" } else { "Error" }, message: None }
    }
}

/// What a simulated container does.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Script {
    /// How long it runs.
    pub(super) span: Duration,
    /// How it ends.
    pub(super) ending: Ending,
    /// What it prints.
    pub(super) lines: Vec<String>,
    /// Its image is not there.
    pub(super) no_image: bool,
}

impl Script {
    /// Reads a pod's annotations.
    pub(super) fn of(row: &Value) -> Self {
        let said = |key: &str| row["metadata"]["annotations"][format!("{ANNOTATIONS}{key}")].as_str();
        let number = |key: &str| said(key).and_then(|text| text.parse::<u32>().ok());
        let code = i64::from(number("exit-code").unwrap_or(0));
        let fails = said("fail").unwrap_or_default();
        let ending = match fails {
            "OOMKilled" => Ending { code: 137, reason: "OOMKilled", message: None },
            _ => Ending::exited(code),
        };
        let lines = match said("log") {
            Some(text) => text.lines().map(str::to_owned).collect(),
            None => {
                let words = words(&row["spec"]["containers"][0]).join(" ");
                vec![format!("(simulated: `{words}` was not run; `--pods local` runs pods here)")]
            }
        };
        let span = Duration::from_secs(number("seconds").unwrap_or(10).into());
        Self { span, ending, lines, no_image: fails == "ImagePull" }
    }

    /// What it has printed by now, with the times: evenly over its span.
    pub(super) fn printed(&self, row: &Value, now: Timestamp) -> Vec<(Timestamp, String)> {
        let state = &row["status"]["containerStatuses"][0]["state"];
        let at = |value: &Value| value.as_str().and_then(|text| text.parse::<Timestamp>().ok());
        let (started, ended) = match (at(&state["running"]["startedAt"]), at(&state["terminated"]["startedAt"])) {
            (Some(started), _) => (started, None),
            (None, Some(started)) => (started, at(&state["terminated"]["finishedAt"])),
            (None, None) => return Vec::new(),
        };
        let step = self.span / u32::try_from(self.lines.len() + 1).unwrap_or(u32::MAX);
        let until = ended.unwrap_or(now);
        let timed = self.lines.iter().zip(1_u32..).map(|(line, n)| (started + step * n, line.clone()));
        timed.take_while(|(at, _)| *at <= until).collect()
    }
}

fn schedule(tx: &mut Tx<'_>, cluster: &Cluster, row: &Value, after: Duration, what: &str) {
    let due = Due { at: tx.now() + after, what: what.to_owned() };
    let meta = &row["metadata"];
    let key = id(cluster, meta["namespace"].as_str(), meta["name"].as_str().unwrap_or_default());
    tx.update(&cluster.scope, filed(kind()), &key, |object| object.due = Some(due));
}

fn between(tx: &mut Tx<'_>, from: u64, to: u64) -> Duration {
    tx.between(Duration::from_millis(from), Duration::from_millis(to))
}

/// A pod is there, or was changed.
pub(super) fn changed(tx: &mut Tx<'_>, cluster: &Cluster, row: &Value) {
    let fresh = row["spec"]["nodeName"].is_null() && !has_ended(row) && row["metadata"]["deletionTimestamp"].is_null();
    if fresh && is_finite(&row["spec"]) {
        let pause = between(tx, 20, 200);
        schedule(tx, cluster, row, pause, BIND);
    }
}

/// A server begins: what ran as a process under an earlier one runs no more, as on a machine that was restarted. `runs` are
/// those that this server has started already.
pub(super) fn begin(tx: &mut Tx<'_>, runs: impl Fn(&Value) -> bool) {
    // What is simulated has its end in the world.
    let waits = |object: &&Object| object.is(filed(kind())) && object.due.is_none() && is_running(&object.doc);
    let lost = tx.all().filter(waits).filter(|object| is_finite(&object.doc["spec"]) && !runs(&object.doc));
    for object in lost.cloned().collect::<Vec<_>>() {
        if let Some(cluster) = host::cluster_of(tx, &object) {
            let message = Some("The container could not be located when the pod was terminated".to_owned());
            let ending = Ending { code: 137, reason: "ContainerStatusUnknown", message };
            ended(tx, &cluster, object.doc, &ending);
        }
    }
}

/// Every pod of a cluster that runs to an end.
fn finite(tx: &Tx<'_>, cluster: &Cluster) -> Vec<Value> {
    let own = tx.list(&cluster.scope, filed(kind())).filter(|it| it.parent.as_deref() == Some(cluster.id.as_str()));
    own.filter(|object| is_finite(&object.doc["spec"])).map(|object| object.doc.clone()).collect()
}

/// Nodes came or went, or room came free: who waits is looked at, who ran on a node that is gone has failed.
pub(super) fn look_around(tx: &mut Tx<'_>, cluster: &Cluster) {
    let rows = finite(tx, cluster);
    if rows.is_empty() {
        return;
    }
    let nodes: Vec<String> = cluster.host().nodes(tx, cluster).into_iter().map(|node| node.name).collect();
    for row in rows.iter().filter(|row| !has_ended(row)) {
        match row["spec"]["nodeName"].as_str() {
            None => changed(tx, cluster, row),
            Some(node) if !nodes.iter().any(|name| name == node) => {
                let message = "PodGC: node no longer exists".to_owned();
                let mut row = row.clone();
                row["status"]["conditions"] = with(
                    &row,
                    json!({"type": "DisruptionTarget", "status": "True", "reason": "DeletionByPodGC", "message": message}),
                );
                row["status"]["reason"] = json!("NodeLost");
                let row = objects::put(tx, cluster, kind(), row, |object| object.due = None);
                ended(
                    tx,
                    cluster,
                    row,
                    &Ending { code: 137, reason: "ContainerStatusUnknown", message: Some(message) },
                );
            }
            Some(_) => {}
        }
    }
}

/// Its conditions with this one in place of an earlier of its type.
fn with(row: &Value, condition: Value) -> Value {
    let before = row["status"]["conditions"].as_array().into_iter().flatten();
    let mut all: Vec<Value> = before.filter(|it| it["type"] != condition["type"]).cloned().collect();
    all.push(condition);
    json!(all)
}

fn condition(tx: &Tx<'_>, row: &mut Value, of: &str, yes: bool, why: Option<(&str, &str)>) {
    let mut one = json!({
        "type": of, "status": if yes { "True" } else { "False" }, "lastTransitionTime": stamp(tx.now()),
        "lastProbeTime": null,
    });
    if let Some((reason, message)) = why {
        one["reason"] = json!(reason);
        if !message.is_empty() {
            one["message"] = json!(message);
        }
    }
    row["status"]["conditions"] = with(row, one);
}

fn set_state(row: &mut Value, state: Value) {
    let container = &row["spec"]["containers"][0];
    let running = !state["running"].is_null();
    let (name, image) = (container["name"].clone(), container["image"].clone());
    row["status"]["containerStatuses"] = json!([{
        "name": name, "image": image, "imageID": "", "ready": running, "started": running, "restartCount": 0,
        "state": state,
    }]);
}

/// Time passes for a pod that runs to an end.
pub(super) fn happen(tx: &mut Tx<'_>, cluster: &Cluster, object: &Object, what: &str) {
    match what {
        BIND => bind(tx, cluster, object.doc.clone()),
        START => start(tx, cluster, object.doc.clone()),
        END => {
            let ending = Script::of(&object.doc).ending;
            ended(tx, cluster, object.doc.clone(), &ending);
        }
        GONE => gone(tx, cluster, &object.doc),
        _ => {}
    }
}

fn bind(tx: &mut Tx<'_>, cluster: &Cluster, mut row: Value) {
    let survey = pods::survey(tx, cluster);
    let Some(place) = survey.pods.iter().find(|pod| pod.meta["uid"] == row["metadata"]["uid"]) else { return };
    let Some(node) = place.node.clone() else {
        let why = place.waits_for();
        if row["status"]["conditions"][0]["message"] != json!(why) {
            condition(tx, &mut row, "PodScheduled", false, Some(("Unschedulable", &why)));
            row = objects::put(tx, cluster, kind(), row, |_| {});
            events::say(tx, cluster, &row, Source::Scheduler, "FailedScheduling", &why);
            autoscaler::poke(tx, cluster);
        }
        schedule(tx, cluster, &row, LOOK_AGAIN, BIND);
        return;
    };
    let meta = &row["metadata"];
    let who =
        format!("{}/{}", meta["namespace"].as_str().unwrap_or_default(), meta["name"].as_str().unwrap_or_default());
    let host = cluster.host().nodes(tx, cluster).into_iter().find(|it| it.name == node).map(|it| it.internal_ip);
    row["spec"]["nodeName"] = json!(node);
    row["status"]["hostIP"] = json!(host);
    row["status"]["startTime"] = json!(stamp(tx.now()));
    condition(tx, &mut row, "PodScheduled", true, None);
    condition(tx, &mut row, "Initialized", true, None);
    condition(tx, &mut row, "Ready", false, Some(("ContainersNotReady", "containers with unready status")));
    set_state(&mut row, json!({"waiting": {"reason": "ContainerCreating"}}));
    let row = objects::put(tx, cluster, kind(), row, |_| {});
    events::say(tx, cluster, &row, Source::Scheduler, "Scheduled", &format!("Successfully assigned {who} to {node}"));
    let image = row["spec"]["containers"][0]["image"].as_str().unwrap_or_default().to_owned();
    events::say(tx, cluster, &row, Source::Kubelet, "Pulling", &format!("Pulling image \"{image}\""));
    let pulls = between(tx, 1_000, 4_000);
    schedule(tx, cluster, &row, pulls, START);
}

/// What its container names and is not there, in the kubelet's words.
fn lacks(tx: &Tx<'_>, cluster: &Cluster, row: &Value) -> Option<String> {
    let namespace = row["metadata"]["namespace"].as_str();
    let container = &row["spec"]["containers"][0];
    let mut wanted: Vec<(&str, &Value)> = Vec::new();
    for source in container["envFrom"].as_array().into_iter().flatten() {
        wanted.extend([("secrets", &source["secretRef"]), ("configmaps", &source["configMapRef"])]);
    }
    for variable in container["env"].as_array().into_iter().flatten() {
        let from = &variable["valueFrom"];
        wanted.extend([("secrets", &from["secretKeyRef"]), ("configmaps", &from["configMapKeyRef"])]);
    }
    for volume in row["spec"]["volumes"].as_array().into_iter().flatten() {
        wanted.push(("configmaps", &volume["configMap"]));
    }
    wanted.into_iter().filter(|(_, it)| it["name"].is_string() && it["optional"] != json!(true)).find_map(|(of, it)| {
        let of = Kind::find("", of).expect("a kind of the table");
        let name = it["name"].as_str().unwrap_or_default();
        let Some(found) = tx.get(&cluster.scope, filed(of), &id(cluster, namespace, name)) else {
            return Some(format!("{} \"{name}\" not found", of.singular));
        };
        let key = it["key"].as_str()?;
        let missing = found.doc["data"][key].is_null() && found.doc["binaryData"][key].is_null();
        missing.then(|| format!("couldn't find key {key} in {} {}/{name}", of.kind, namespace.unwrap_or_default()))
    })
}

fn start(tx: &mut Tx<'_>, cluster: &Cluster, mut row: Value) {
    let script = Script::of(&row);
    let image = row["spec"]["containers"][0]["image"].as_str().unwrap_or_default().to_owned();
    if script.no_image {
        let why = format!("Back-off pulling image \"{image}\": ErrImagePull: {image}: not found");
        set_state(&mut row, json!({"waiting": {"reason": "ImagePullBackOff", "message": why}}));
        let row = objects::put(tx, cluster, kind(), row, |_| {});
        events::say(
            tx,
            cluster,
            &row,
            Source::Kubelet,
            "Failed",
            &format!("Failed to pull image \"{image}\": not found"),
        );
        events::say(tx, cluster, &row, Source::Kubelet, "BackOff", &format!("Back-off pulling image \"{image}\""));
        return schedule(tx, cluster, &row, LOOK_AGAIN, START);
    }
    if let Some(why) = lacks(tx, cluster, &row) {
        set_state(&mut row, json!({"waiting": {"reason": "CreateContainerConfigError", "message": why}}));
        let row = objects::put(tx, cluster, kind(), row, |_| {});
        events::say(tx, cluster, &row, Source::Kubelet, "Failed", &format!("Error: {why}"));
        return schedule(tx, cluster, &row, TRY_AGAIN, START);
    }
    let name = row["spec"]["containers"][0]["name"].as_str().unwrap_or_default().to_owned();
    set_state(&mut row, json!({"running": {"startedAt": stamp(tx.now())}}));
    row["status"]["phase"] = json!("Running");
    row["status"]["podIP"] = json!(pod_ip(&row));
    condition(tx, &mut row, "Ready", true, None);
    let row = objects::put(tx, cluster, kind(), row, |_| {});
    for (reason, said) in [
        ("Pulled", format!("Successfully pulled image \"{image}\"")),
        ("Created", format!("Container created: {name}")),
        ("Started", format!("Container started: {name}")),
    ] {
        events::say(tx, cluster, &row, Source::Kubelet, reason, &said);
    }
    schedule(tx, cluster, &row, script.span, END);
    jobs::pods_changed(tx, cluster, &row);
}

/// An address of the pod network that follows from the pod.
fn pod_ip(row: &Value) -> String {
    let digest = Sha256::digest(row["metadata"]["uid"].as_str().unwrap_or_default().as_bytes());
    format!("10.244.{}.{}", digest[0], digest[1].clamp(1, 254))
}

/// Its container ended.
pub(super) fn ended(tx: &mut Tx<'_>, cluster: &Cluster, mut row: Value, ending: &Ending) {
    if has_ended(&row) {
        return;
    }
    let started = row["status"]["containerStatuses"][0]["state"]["running"]["startedAt"].clone();
    let mut state = json!({
        "exitCode": ending.code, "reason": ending.reason, "startedAt": started, "finishedAt": stamp(tx.now()),
    });
    if let Some(message) = &ending.message {
        state["message"] = json!(message);
    }
    set_state(&mut row, json!({"terminated": state}));
    row["status"]["phase"] = json!(if ending.code == 0 { "Succeeded" } else { "Failed" });
    condition(tx, &mut row, "Ready", false, Some(("PodCompleted", "")));
    let row = objects::put(tx, cluster, kind(), row, |object| object.due = None);
    jobs::pod_ended(tx, cluster, &row);
    if row["metadata"]["deletionTimestamp"].is_string() {
        remove(tx, cluster, &row);
    }
    look_around(tx, cluster);
    autoscaler::poke(tx, cluster);
}

/// A pod is to go: its container is told to end. Says whether that takes its time.
pub(super) fn told_to_end(tx: &mut Tx<'_>, cluster: &Cluster, row: &Value, grace: Option<u64>) -> bool {
    if !is_finite(&row["spec"]) || !is_running(row) {
        return false;
    }
    let grace = grace.or(row["spec"]["terminationGracePeriodSeconds"].as_u64()).unwrap_or(30);
    if grace == 0 {
        return false;
    }
    let mut row = row.clone();
    row["metadata"]["deletionTimestamp"] = json!(stamp(tx.now() + Duration::from_secs(grace)));
    row["metadata"]["deletionGracePeriodSeconds"] = json!(grace);
    let row = objects::put(tx, cluster, kind(), row, |_| {});
    events::say(tx, cluster, &row, Source::Kubelet, "Killing", "Stopping container");
    let pause = between(tx, 500, 1_500);
    schedule(tx, cluster, &row, pause, GONE);
    true
}

/// A pod that was told to end has ended.
pub(super) fn gone(tx: &mut Tx<'_>, cluster: &Cluster, row: &Value) {
    remove(tx, cluster, row);
    jobs::pod_removed(tx, cluster, row);
    look_around(tx, cluster);
    autoscaler::poke(tx, cluster);
}

fn remove(tx: &mut Tx<'_>, cluster: &Cluster, row: &Value) {
    let meta = &row["metadata"];
    let key = id(cluster, meta["namespace"].as_str(), meta["name"].as_str().unwrap_or_default());
    tx.remove(&cluster.scope, filed(kind()), &key);
}
