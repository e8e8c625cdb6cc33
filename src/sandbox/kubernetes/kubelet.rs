//! The life of a pod that runs to an end: bound to a node, its image pulled, its container started, ended, and gone. Each
//! step is one event of the world, so that a server that is started again goes on where the other stopped.
//!
//! Pods that run for ever (Deployments, DaemonSets, and pods that always restart) are computed in [`super::pods`]; those
//! here are kept. What simulated containers do is in [`super::script`].
//!
//! Whoever deletes a pod has its container told to end; the pod goes when that has ended and no finalizer holds it.

use super::{
    autoscaler, deletion,
    discovery::Kind,
    events::{self, Source},
    host::{self, Cluster},
    jobs,
    objects::{self, filed, id},
    pods,
    script::{Ending, START_ERROR, Script},
    views::stamp,
};
use crate::sandbox::world::{Due, Object, Tx};
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
/// How long a pod has to end where nobody says.
const GRACE: u64 = 30;
/// Longer spans in seconds than this mean the same: calendars end.
pub(super) const CENTURY: u64 = 100 * 365 * 86_400;

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

/// Whether it is to go.
pub(super) fn is_leaving(row: &Value) -> bool {
    row["metadata"]["deletionTimestamp"].is_string()
}

/// Whether its container runs.
pub(super) fn is_running(row: &Value) -> bool {
    row["status"]["phase"] == json!("Running")
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
    let fresh = row["spec"]["nodeName"].is_null() && !has_ended(row) && !is_leaving(row);
    if fresh && is_finite(&row["spec"]) {
        let pause = between(tx, 20, 200);
        schedule(tx, cluster, row, pause, BIND);
    }
}

/// A server begins: what ran as a process under an earlier one runs no more, as on a machine that was restarted. `runs` are
/// those that this server has started already.
pub(super) fn begin(tx: &mut Tx<'_>, runs: impl Fn(&Value) -> bool) {
    // What is simulated, or waits, has its next step in the world.
    let waits = |object: &&Object| object.is(filed(kind())) && object.due.is_none() && !has_ended(&object.doc);
    let bound = |row: &Value| is_finite(&row["spec"]) && row["spec"]["nodeName"].is_string();
    let lost = tx.all().filter(waits).filter(|object| bound(&object.doc) && !runs(&object.doc));
    for object in lost.cloned().collect::<Vec<_>>() {
        if let Some(cluster) = host::cluster_of(tx, &object) {
            ended(tx, &cluster, object.doc, &Ending::not_located());
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
                let message = "PodGC: node no longer exists";
                let mut row = row.clone();
                row["status"]["conditions"] = with(
                    &row,
                    json!({"type": "DisruptionTarget", "status": "True", "reason": "DeletionByPodGC", "message": message}),
                );
                row["status"]["reason"] = json!("NodeLost");
                let row = objects::put(tx, cluster, kind(), row, |object| object.due = None);
                ended(tx, cluster, row, &Ending::lost(message));
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
        "state": state, "lastState": {},
    }]);
}

/// Time passes for a pod that runs to an end.
pub(super) fn happen(tx: &mut Tx<'_>, cluster: &Cluster, object: &Object, what: &str) {
    match what {
        BIND => bind(tx, cluster, object.doc.clone()),
        START => {
            if let Some(row) = created(tx, cluster, object.doc.clone()) {
                let span = Script::of(&row).span;
                schedule(tx, cluster, &row, span, END);
                let row = standing(tx, cluster, &row).unwrap_or(row);
                started(tx, cluster, row);
            }
        }
        END => {
            let ending = Script::of(&object.doc).ending;
            ended(tx, cluster, object.doc.clone(), &ending);
        }
        GONE if is_running(&object.doc) => ended(tx, cluster, object.doc.clone(), &Ending::exited(143)),
        GONE => ended(tx, cluster, object.doc.clone(), &Ending::not_located()),
        _ => {}
    }
}

/// A pod as it stands now.
pub(super) fn standing(tx: &Tx<'_>, cluster: &Cluster, row: &Value) -> Option<Value> {
    let meta = &row["metadata"];
    let key = id(cluster, meta["namespace"].as_str(), meta["name"].as_str().unwrap_or_default());
    let found = tx.get(&cluster.scope, filed(kind()), &key)?;
    (found.doc["metadata"]["uid"] == meta["uid"]).then(|| found.doc.clone())
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
    row["status"]["hostIPs"] = json!([{"ip": host}]);
    row["status"]["hostIP"] = json!(host);
    row["status"]["startTime"] = json!(stamp(tx.now()));
    condition(tx, &mut row, "PodScheduled", true, None);
    condition(tx, &mut row, "Initialized", true, None);
    ready(tx, &mut row, false, Some(("ContainersNotReady", "containers with unready status")));
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

/// What a volume of it is made from and is not there, in the kubelet's words.
fn unmountable(tx: &Tx<'_>, cluster: &Cluster, row: &Value) -> Option<String> {
    let namespace = row["metadata"]["namespace"].as_str();
    let missing = |of: &str, source: &Value, key: &str| {
        let of = Kind::find("", of).expect("a kind of the table");
        let name = source[key].as_str().filter(|_| source["optional"] != json!(true))?;
        let found = tx.get(&cluster.scope, filed(of), &id(cluster, namespace, name));
        found.is_none().then(|| format!("{} \"{name}\" not found", of.singular))
    };
    row["spec"]["volumes"].as_array()?.iter().find_map(|volume| {
        let of_map = missing("configmaps", &volume["configMap"], "name");
        let why = of_map.or_else(|| missing("secrets", &volume["secret"], "secretName"))?;
        Some(format!("MountVolume.SetUp failed for volume {} : {why}", volume["name"]))
    })
}

/// The container of a pod whose image is pulled is made, unless something of it is missing; then it is tried again.
pub(super) fn created(tx: &mut Tx<'_>, cluster: &Cluster, mut row: Value) -> Option<Value> {
    let container = &row["spec"]["containers"][0];
    let text = |key: &str| container[key].as_str().unwrap_or_default().to_owned();
    let (image, name) = (text("image"), text("name"));
    if Script::of(&row).no_image {
        no_image(tx, cluster, row, &image);
        return None;
    }
    if let Some(why) = unmountable(tx, cluster, &row) {
        events::say(tx, cluster, &row, Source::Kubelet, "FailedMount", &why);
        schedule(tx, cluster, &row, TRY_AGAIN, START);
        return None;
    }
    if let Some(why) = lacks(tx, cluster, &row) {
        set_state(&mut row, json!({"waiting": {"reason": "CreateContainerConfigError", "message": why}}));
        let row = objects::put(tx, cluster, kind(), row, |_| {});
        events::say(tx, cluster, &row, Source::Kubelet, "Failed", &format!("Error: {why}"));
        schedule(tx, cluster, &row, TRY_AGAIN, START);
        return None;
    }
    for (reason, said) in [
        ("Pulled", format!("Successfully pulled image \"{image}\"")),
        ("Created", format!("Container created: {name}")),
    ] {
        events::say(tx, cluster, &row, Source::Kubelet, reason, &said);
    }
    Some(row)
}

/// The first time it says why, then it only waits longer.
fn no_image(tx: &mut Tx<'_>, cluster: &Cluster, mut row: Value, image: &str) {
    let first = row["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == json!("ContainerCreating");
    let cause = format!("failed to pull and unpack image \"{image}\": failed to resolve image: {image}: not found");
    let back_off = format!("Back-off pulling image \"{image}\"");
    let (reason, message, pause, told) = if first {
        let told = [("Failed", format!("Failed to pull image \"{image}\": {cause}"))];
        ("ErrImagePull", cause, TRY_AGAIN, told)
    } else {
        ("ImagePullBackOff", format!("{back_off}: ErrImagePull: {cause}"), LOOK_AGAIN, [("BackOff", back_off)])
    };
    set_state(&mut row, json!({"waiting": {"reason": reason, "message": message}}));
    let row = objects::put(tx, cluster, kind(), row, |_| {});
    for (reason, said) in told.into_iter().chain([("Failed", format!("Error: {reason}"))]) {
        events::say(tx, cluster, &row, Source::Kubelet, reason, &said);
    }
    schedule(tx, cluster, &row, pause, START);
}

/// Its container runs.
pub(super) fn started(tx: &mut Tx<'_>, cluster: &Cluster, mut row: Value) {
    let name = row["spec"]["containers"][0]["name"].as_str().unwrap_or_default().to_owned();
    set_state(&mut row, json!({"running": {"startedAt": stamp(tx.now())}}));
    row["status"]["phase"] = json!("Running");
    let ip = pod_ip(&row);
    row["status"]["podIPs"] = json!([{"ip": ip}]);
    row["status"]["podIP"] = json!(ip);
    ready(tx, &mut row, true, None);
    let row = objects::put(tx, cluster, kind(), row, |_| {});
    events::say(tx, cluster, &row, Source::Kubelet, "Started", &format!("Container started: {name}"));
    jobs::pod_changed(tx, cluster, &row);
}

/// The conditions that say whether it serves.
fn ready(tx: &Tx<'_>, row: &mut Value, yes: bool, why: Option<(&str, &str)>) {
    for of in ["Ready", "ContainersReady"] {
        condition(tx, row, of, yes, why);
    }
}

/// An address of the pod network that follows from the pod.
fn pod_ip(row: &Value) -> String {
    let digest = Sha256::digest(row["metadata"]["uid"].as_str().unwrap_or_default().as_bytes());
    format!("10.244.{}.{}", digest[0], digest[1].clamp(1, 254))
}

/// Its container ended, or never began.
pub(super) fn ended(tx: &mut Tx<'_>, cluster: &Cluster, mut row: Value, ending: &Ending) {
    if has_ended(&row) {
        return;
    }
    let started = match row["status"]["containerStatuses"][0]["state"]["running"]["startedAt"].as_str() {
        Some(at) => at.to_owned(),
        // As runtimes say "never".
        None => "1970-01-01T00:00:00Z".to_owned(),
    };
    let mut state = json!({
        "exitCode": ending.code, "reason": ending.reason, "startedAt": started, "finishedAt": stamp(tx.now()),
    });
    if let Some(message) = &ending.message {
        state["message"] = json!(message);
    }
    set_state(&mut row, json!({"terminated": state}));
    let well = ending.code == 0;
    row["status"]["phase"] = json!(if well { "Succeeded" } else { "Failed" });
    ready(tx, &mut row, false, Some((if well { "PodCompleted" } else { "PodFailed" }, "")));
    let row = objects::put(tx, cluster, kind(), row, |object| object.due = None);
    if ending.reason == START_ERROR {
        let said = format!("Error: {}", ending.message.as_deref().unwrap_or_default());
        events::say(tx, cluster, &row, Source::Kubelet, "Failed", &said);
    }
    jobs::pod_changed(tx, cluster, &row);
    let_go(tx, cluster, &row);
    room_came_free(tx, cluster);
}

fn room_came_free(tx: &mut Tx<'_>, cluster: &Cluster) {
    look_around(tx, cluster);
    autoscaler::poke(tx, cluster);
}

/// A pod is to go: its container is told to end, and has so long for it; a shorter time counts where it was told before.
/// Its Job is not told. Returns the pod as it is then.
pub(super) fn tell_to_go(tx: &mut Tx<'_>, cluster: &Cluster, row: &Value, grace: Option<u64>) -> Value {
    let bound = row["spec"]["nodeName"].is_string();
    let grace = match bound && !has_ended(row) {
        true => grace.or(row["spec"]["terminationGracePeriodSeconds"].as_u64()).unwrap_or(GRACE).min(CENTURY),
        false => 0,
    };
    let before = row["metadata"]["deletionGracePeriodSeconds"].as_u64().filter(|_| is_leaving(row));
    if before.is_some_and(|before| before <= grace) {
        return row.clone();
    }
    let mut row = row.clone();
    row["metadata"]["deletionTimestamp"] = json!(stamp(tx.now() + Duration::from_secs(grace)));
    row["metadata"]["deletionGracePeriodSeconds"] = json!(grace);
    let row = objects::put(tx, cluster, kind(), row, |_| {});
    if grace > 0 && before.is_none() {
        if is_running(&row) {
            events::say(tx, cluster, &row, Source::Kubelet, "Killing", "Stopping container");
        }
        let pause = between(tx, 500, 1_500);
        schedule(tx, cluster, &row, pause, GONE);
    }
    row
}

/// A pod is deleted. Says how it stands then, or how it stood last.
pub(super) fn delete(tx: &mut Tx<'_>, cluster: &Cluster, row: &Value, grace: Option<u64>) -> Value {
    let row = tell_to_go(tx, cluster, row, grace);
    jobs::pod_changed(tx, cluster, &row);
    let row = standing(tx, cluster, &row).unwrap_or(row);
    let_go(tx, cluster, &row);
    row
}

/// A pod that is to go goes, once its container has ended, or nobody waits for that, and nothing holds it.
pub(super) fn let_go(tx: &mut Tx<'_>, cluster: &Cluster, row: &Value) {
    let Some(row) = standing(tx, cluster, row) else { return };
    let waits = row["metadata"]["deletionGracePeriodSeconds"] != json!(0) && !has_ended(&row);
    let held = row["metadata"]["finalizers"].as_array().is_some_and(|all| !all.is_empty());
    if is_leaving(&row) && !waits && !held {
        deletion::remove(tx, cluster, kind(), &row);
        jobs::pod_changed(tx, cluster, &row);
        room_came_free(tx, cluster);
    }
}
