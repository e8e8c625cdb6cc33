//! The pods of a Job: those that are there, those that are wanted now, and those that are too many.

use super::{
    count::{FAILURES, deadline, failures_before},
    indexes, kind,
    rules::is_indexed,
    time,
};
use crate::sandbox::{
    kubernetes::{
        events::{self, Source},
        host::Cluster,
        kubelet,
        objects::{self, filed, id},
        paths::Objects,
    },
    world::Tx,
};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};

/// Pods carry their index here, as a label and an annotation.
const INDEX: &str = "batch.kubernetes.io/job-completion-index";
/// Holds a pod until its end is counted.
const TRACKING: &str = "batch.kubernetes.io/job-tracking";
/// First pause before a retry; doubled with each, up to [`LONGEST`].
const FIRST: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_secs(360);
/// So many pods are made at once.
const AT_ONCE: usize = 500;

pub(super) fn index_of(pod: &Value) -> Option<u64> {
    pod["metadata"]["annotations"][INDEX].as_str()?.parse().ok()
}

/// Its pods.
pub(super) fn of(tx: &Tx<'_>, cluster: &Cluster, job: &Value) -> Vec<Value> {
    let own = tx.list(&cluster.scope, filed(kubelet::kind()));
    own.filter(|object| object.doc["metadata"]["ownerReferences"][0]["uid"] == job["metadata"]["uid"])
        .map(|object| object.doc.clone())
        .collect()
}

pub(super) fn is_active(pod: &Value) -> bool {
    !kubelet::has_ended(pod) && !kubelet::is_leaving(pod)
}

/// Told to go, and not there yet. One that was on no node is gone at once.
pub(super) fn is_terminating(pod: &Value) -> bool {
    let at_once = pod["metadata"]["deletionGracePeriodSeconds"] == json!(0);
    !kubelet::has_ended(pod) && kubelet::is_leaving(pod) && !at_once
}

/// Whether its end is still to be counted.
pub(super) fn is_counted_on(pod: &Value) -> bool {
    pod["metadata"]["finalizers"].as_array().is_some_and(|all| all.contains(&json!(TRACKING)))
}

/// The Job that a pod belongs to.
pub(super) fn owner(tx: &Tx<'_>, cluster: &Cluster, pod: &Value) -> Option<Value> {
    let by = &pod["metadata"]["ownerReferences"][0];
    let key = id(cluster, pod["metadata"]["namespace"].as_str(), by["name"].as_str()?);
    let object = tx.get(&cluster.scope, filed(kind()), &key).filter(|_| by["kind"] == json!("Job"))?;
    (object.doc["metadata"]["uid"] == by["uid"]).then(|| object.doc.clone())
}

/// Its end needs to be counted no more. Returns it as it is then.
pub(super) fn release(tx: &mut Tx<'_>, cluster: &Cluster, pod: &Value) -> Value {
    let Some(mut pod) = kubelet::standing(tx, cluster, pod).filter(is_counted_on) else { return pod.clone() };
    if let Some(all) = pod["metadata"]["finalizers"].as_array_mut() {
        all.retain(|it| *it != json!(TRACKING));
    }
    objects::put(tx, cluster, kubelet::kind(), pod, |_| {})
}

/// Tells a pod of the Job to end.
pub(super) fn stop(tx: &mut Tx<'_>, cluster: &Cluster, job: &Value, pod: &Value) -> Value {
    let name = pod["metadata"]["name"].as_str().unwrap_or_default();
    events::say(tx, cluster, job, Source::Job, "SuccessfulDelete", &format!("Deleted pod: {name}"));
    kubelet::tell_to_go(tx, cluster, pod, None)
}

/// Makes the pods that are wanted now, or ends those that are too many; says when to look again.
pub(super) fn go_on(tx: &mut Tx<'_>, cluster: &Cluster, row: &Value, pods: &mut [Value]) -> Option<Timestamp> {
    let until = deadline(row);
    let spec = &row["spec"];
    let active = pods.iter().filter(|pod| is_active(pod)).count() as u64;
    let terminating = pods.iter().filter(|pod| is_terminating(pod)).count() as u64;
    let succeeded = row["status"]["succeeded"].as_u64().unwrap_or_default();
    let lost = indexes::read(&row["status"]["failedIndexes"]);
    let wanted = match spec["completions"].as_u64() {
        _ if spec["suspend"] == json!(true) => 0,
        // A work queue that has had a success is only waited for.
        None if succeeded > 0 => active,
        None => spec["parallelism"].as_u64().unwrap_or(1),
        Some(all) => spec["parallelism"].as_u64().unwrap_or(1).min(all.saturating_sub(succeeded + lost.len() as u64)),
    };
    if active > wanted {
        end_excess(tx, cluster, row, pods, active - wanted);
        return until;
    }
    // Under this policy what is still ending takes a place.
    let ending = if spec["podReplacementPolicy"] == json!("Failed") { terminating } else { 0 };
    let take = usize::try_from(wanted.saturating_sub(active + ending)).unwrap_or(AT_ONCE).min(AT_ONCE);
    let sooner = |at: Timestamp| Some(until.map_or(at, |until| until.min(at)));
    if take == 0 {
        return until;
    }
    let each = !spec["backoffLimitPerIndex"].is_null();
    if let Some(at) = resting_until(pods).filter(|at| !each && *at > tx.now()) {
        return sooner(at);
    }
    if !is_indexed(row) {
        for _ in 0..take {
            make(tx, cluster, row, None, 0);
        }
        return until;
    }
    let done = indexes::read(&row["status"]["completedIndexes"]);
    let taken: BTreeSet<u64> = pods.iter().filter(|pod| is_active(pod)).filter_map(index_of).collect();
    let all = 0..spec["completions"].as_u64().unwrap_or_default();
    let free = all.filter(|n| !done.contains(n) && !lost.contains(n) && !taken.contains(n));
    let mut next: Option<Timestamp> = None;
    for index in free.take(take).collect::<Vec<_>>() {
        let (failures, rests) = of_index(pods, index);
        match rests.filter(|at| each && *at > tx.now()) {
            Some(at) => next = Some(next.map_or(at, |next| next.min(at))),
            None => make(tx, cluster, row, Some(index), failures),
        }
    }
    next.map_or(until, sooner)
}

/// Ends so many: first what runs least. They count for nothing.
fn end_excess(tx: &mut Tx<'_>, cluster: &Cluster, row: &Value, pods: &mut [Value], excess: u64) {
    let mut active: Vec<&mut Value> = pods.iter_mut().filter(|pod| is_active(pod)).collect();
    active.sort_by_key(|pod| (pod["spec"]["nodeName"].is_string(), kubelet::is_running(pod)));
    for pod in active.into_iter().take(usize::try_from(excess).unwrap_or(usize::MAX)) {
        let released = release(tx, cluster, pod);
        *pod = stop(tx, cluster, row, &released);
    }
}

/// When a pod ended, or was told to.
fn ended_at(pod: &Value) -> Option<Timestamp> {
    let finished = time(&pod["status"]["containerStatuses"][0]["state"]["terminated"]["finishedAt"]);
    finished.or_else(|| {
        let grace = pod["metadata"]["deletionGracePeriodSeconds"].as_u64()?;
        Some(time(&pod["metadata"]["deletionTimestamp"])? - Duration::from_secs(grace))
    })
}

/// After so many failures, of which this was the last.
fn pause_after(failures: u64, last: Timestamp) -> Timestamp {
    let doublings = u32::try_from(failures.saturating_sub(1)).unwrap_or(u32::MAX).min(10);
    last + (FIRST * 2_u32.saturating_pow(doublings)).min(LONGEST)
}

/// Until when no pod is made, after failures since the last success: ten seconds, then twice as long each time.
fn resting_until(pods: &[Value]) -> Option<Timestamp> {
    let at = |phase: &'static str| pods.iter().filter(move |pod| pod["status"]["phase"] == json!(phase));
    let success = at("Succeeded").filter_map(ended_at).max();
    let failures: Vec<Timestamp> =
        at("Failed").filter_map(ended_at).filter(|at| success.is_none_or(|success| *at > success)).collect();
    failures.iter().max().map(|last| pause_after(failures.len() as u64, *last))
}

/// How often an index has failed, and until when it rests.
fn of_index(pods: &[Value], index: u64) -> (u64, Option<Timestamp>) {
    let failed = pods.iter().filter(|pod| index_of(pod) == Some(index) && pod["status"]["phase"] == json!("Failed"));
    match failed.max_by_key(|pod| failures_before(pod)) {
        None => (0, None),
        Some(last) => {
            let failures = failures_before(last) + 1;
            (failures, ended_at(last).map(|at| pause_after(failures, at)))
        }
    }
}

fn make(tx: &mut Tx<'_>, cluster: &Cluster, job: &Value, index: Option<u64>, failures: u64) {
    let text = |key: &str| job["metadata"][key].as_str().unwrap_or_default().to_owned();
    let (name, namespace) = (text("name"), text("namespace"));
    let template = &job["spec"]["template"];
    let mut spec = template["spec"].clone();
    let map = |value: &Value| value.as_object().cloned().unwrap_or_default();
    let (mut labels, mut annotations) =
        (map(&template["metadata"]["labels"]), map(&template["metadata"]["annotations"]));
    let mut prefix = format!("{name}-");
    if let Some(index) = index {
        prefix = format!("{name}-{index}-");
        let number = json!(index.to_string());
        labels.insert(INDEX.to_owned(), number.clone());
        annotations.insert(INDEX.to_owned(), number);
        if !job["spec"]["backoffLimitPerIndex"].is_null() {
            annotations.insert(FAILURES.to_owned(), json!(failures.to_string()));
        }
        spec["hostname"] = json!(format!("{name}-{index}"));
        let from = json!({"fieldRef": {"apiVersion": "v1", "fieldPath": format!("metadata.labels['{INDEX}']")}});
        let mut env = spec["containers"][0]["env"].as_array().cloned().unwrap_or_default();
        env.push(json!({"name": "JOB_COMPLETION_INDEX", "valueFrom": from}));
        spec["containers"][0]["env"] = json!(env);
    }
    // A pod's name is a host's name: 63 characters, of which five tell it from others.
    let body = json!({
        "metadata": {
            "generateName": prefix.chars().take(58).collect::<String>(),
            "labels": Value::Object(labels), "annotations": Value::Object(annotations), "finalizers": [TRACKING],
            "ownerReferences": [{
                "apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": job["metadata"]["uid"],
                "controller": true, "blockOwnerDeletion": true,
            }],
        },
        "spec": spec,
    });
    let asked = Objects { kind: kubelet::kind(), namespace: Some(namespace), name: None, sub: None };
    match objects::create(tx, cluster, &asked, body, false) {
        Ok(pod) => {
            let said = format!("Created pod: {}", pod["metadata"]["name"].as_str().unwrap_or_default());
            events::say(tx, cluster, job, Source::Job, "SuccessfulCreate", &said);
        }
        Err(refusal) => {
            let said = format!("Error creating: {}", refusal.body()["message"].as_str().unwrap_or_default());
            events::say(tx, cluster, job, Source::Job, "FailedCreate", &said);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(phase: &str, second: u32) -> Value {
        json!({"status": {"phase": phase, "containerStatuses": [
            {"state": {"terminated": {"finishedAt": format!("2026-11-20T12:00:{second:02}Z")}}}]}})
    }

    #[test]
    fn pauses_double_until_there_is_a_success() {
        let from: Timestamp = "2026-11-20T12:00:00Z".parse().expect("a time");
        let rests = |pods: &[Value]| resting_until(pods).map(|at| at.as_second() - from.as_second());
        assert_eq!(rests(&[]), None);
        assert_eq!(rests(&[ended("Failed", 1)]), Some(11));
        assert_eq!(rests(&[ended("Failed", 1), ended("Failed", 2)]), Some(22));
        assert_eq!(rests(&[ended("Failed", 1), ended("Succeeded", 2), ended("Failed", 3)]), Some(13));
        assert_eq!(rests(&vec![ended("Failed", 0); 20]), Some(360));
    }
}
