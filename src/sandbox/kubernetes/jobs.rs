//! The Job controller: pods for what is still to be done, counts of what ended, and the word when it is over. As batch/v1
//! has it for Jobs whose pods never restart in place; what it does not do is refused when the Job is made.

use super::{
    discovery::Kind,
    events::{self, Source},
    host::Cluster,
    kubelet,
    objects::{self, filed, id},
    paths::Objects,
    status::Refusal,
    views::stamp,
};
use crate::sandbox::world::{Due, Object, Tx};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};

/// Something of a Job falls due: a pause before a retry, its deadline, its end.
pub(super) const SYNC: &str = "sync";
/// Pods carry their index here, as a label and an annotation.
pub(super) const INDEX: &str = "batch.kubernetes.io/job-completion-index";
const JOB_NAME: &str = "batch.kubernetes.io/job-name";
const CONTROLLER: &str = "batch.kubernetes.io/controller-uid";
/// First pause before a retry; doubled with each, up to [`LONGEST`].
const FIRST: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_secs(360);

/// The kind of Jobs.
pub(super) fn kind() -> &'static Kind {
    Kind::find("batch", "jobs").expect("a kind of the table")
}

fn invalid(row: &Value, why: &str) -> Refusal {
    Refusal::invalid(format!(
        "Job.batch \"{}\" is invalid: {why}",
        row["metadata"]["name"].as_str().unwrap_or_default()
    ))
}

/// What the API server adds to a new Job.
pub(super) fn fill(row: &mut Value) {
    let (name, uid) = (row["metadata"]["name"].clone(), row["metadata"]["uid"].clone());
    row["metadata"]["generation"] = json!(1);
    let spec = &mut row["spec"];
    let indexed = spec["completionMode"] == json!("Indexed");
    // A fixed number of completions is 1 where nothing is said; `parallelism` alone makes a work queue.
    if !indexed && spec["completions"].is_null() && spec["parallelism"].is_null() {
        spec["completions"] = json!(1);
    }
    let limit = if spec["backoffLimitPerIndex"].is_null() { 6 } else { i64::from(i32::MAX) };
    for (key, value) in [
        ("parallelism", json!(1)),
        ("backoffLimit", json!(limit)),
        ("completionMode", json!(if indexed { "Indexed" } else { "NonIndexed" })),
        ("suspend", json!(false)),
        ("podReplacementPolicy", json!("TerminatingOrFailed")),
    ] {
        if spec[key].is_null() {
            spec[key] = value;
        }
    }
    spec["selector"] = json!({"matchLabels": {CONTROLLER: uid}});
    for (key, value) in [(CONTROLLER, &uid), (JOB_NAME, &name), ("controller-uid", &uid), ("job-name", &name)] {
        spec["template"]["metadata"]["labels"][key] = value.clone();
    }
    row["status"] = json!({});
}

/// Rules for a Job that is about to stand.
pub(super) fn check(row: &Value) -> Result<(), Refusal> {
    let spec = &row["spec"];
    let pod = &spec["template"]["spec"];
    let indexed = spec["completionMode"] == json!("Indexed");
    match pod["restartPolicy"].as_str() {
        Some("Never") => {}
        Some("OnFailure") => return Err(Refusal::not_simulated("Jobs that restart in place; use restartPolicy Never")),
        _ => {
            return Err(invalid(
                row,
                "spec.template.spec.restartPolicy: Required value: valid values: \"OnFailure\", \"Never\"",
            ));
        }
    }
    for key in ["parallelism", "completions", "backoffLimit", "activeDeadlineSeconds", "ttlSecondsAfterFinished"] {
        if spec[key].as_i64().is_some_and(|number| number < 0) {
            return Err(invalid(
                row,
                &format!("spec.{key}: Invalid value: {}: must be greater than or equal to 0", spec[key]),
            ));
        }
    }
    if indexed && spec["completions"].is_null() {
        return Err(invalid(row, "spec.completions: Required value: when completion mode is Indexed"));
    }
    if !indexed && (!spec["backoffLimitPerIndex"].is_null() || !spec["maxFailedIndexes"].is_null()) {
        return Err(invalid(row, "spec.backoffLimitPerIndex: Invalid value: requires indexed completion mode"));
    }
    for rule in spec["podFailurePolicy"]["rules"].as_array().into_iter().flatten() {
        if rule["action"] == json!("FailIndex") && spec["backoffLimitPerIndex"].is_null() {
            return Err(invalid(
                row,
                "spec.podFailurePolicy.rules[0].action: Invalid value: \"FailIndex\": requires the backoffLimitPerIndex to be set",
            ));
        }
    }
    for (key, what) in [("successPolicy", "success policies of Jobs"), ("managedBy", "Jobs managed by others")] {
        if !spec[key].is_null() {
            return Err(Refusal::not_simulated(what));
        }
    }
    if spec["podReplacementPolicy"] == json!("Failed") {
        return Err(Refusal::not_simulated("the pod replacement policy Failed"));
    }
    // The labels under which kubectl and others find a Job's pods leave 63 characters.
    let name = row["metadata"]["name"].as_str().unwrap_or_default();
    if name.len() > 63 {
        return Err(invalid(
            row,
            &format!("spec.template.labels: Invalid value: \"{name}\": must be no more than 63 characters"),
        ));
    }
    Ok(())
}

/// Its condition of this type that holds.
fn holds(row: &Value, which: &str) -> bool {
    let conditions = row["status"]["conditions"].as_array().into_iter().flatten();
    conditions.into_iter().any(|it| it["type"] == json!(which) && it["status"] == json!("True"))
}

fn is_over(row: &Value) -> bool {
    holds(row, "Complete") || holds(row, "Failed")
}

fn set(tx: &Tx<'_>, row: &mut Value, which: &str, yes: bool, reason: &str, message: &str) {
    let before = row["status"]["conditions"].as_array().into_iter().flatten();
    let mut all: Vec<Value> = before.filter(|it| it["type"] != json!(which)).cloned().collect();
    let now = stamp(tx.now());
    all.push(json!({
        "type": which, "status": if yes { "True" } else { "False" }, "reason": reason, "message": message,
        "lastProbeTime": now, "lastTransitionTime": now,
    }));
    row["status"]["conditions"] = json!(all);
}

/// The indexes that a text like `0-2,5` names.
fn indexes(text: &Value) -> BTreeSet<u64> {
    let parts = text.as_str().unwrap_or_default().split(',').filter(|part| !part.is_empty());
    let span = |part: &str| {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        Some(from.parse::<u64>().ok()?..=to.parse::<u64>().ok()?)
    };
    parts.filter_map(span).flatten().collect()
}

/// The text that names these indexes.
fn named(indexes: &BTreeSet<u64>) -> String {
    let mut spans: Vec<(u64, u64)> = Vec::new();
    for index in indexes {
        match spans.last_mut() {
            Some((_, to)) if *to + 1 == *index => *to = *index,
            _ => spans.push((*index, *index)),
        }
    }
    let one = |(from, to): &(u64, u64)| match to - from {
        0 => from.to_string(),
        1 => format!("{from},{to}"),
        _ => format!("{from}-{to}"),
    };
    spans.iter().map(one).collect::<Vec<_>>().join(",")
}

fn index_of(pod: &Value) -> Option<u64> {
    pod["metadata"]["annotations"][INDEX].as_str()?.parse().ok()
}

/// Its pods.
fn pods_of(tx: &Tx<'_>, cluster: &Cluster, job: &Value) -> Vec<Value> {
    let own = tx.list(&cluster.scope, filed(kubelet::kind()));
    own.filter(|object| object.doc["metadata"]["ownerReferences"][0]["uid"] == job["metadata"]["uid"])
        .map(|object| object.doc.clone())
        .collect()
}

fn is_active(pod: &Value) -> bool {
    !kubelet::has_ended(pod) && pod["metadata"]["deletionTimestamp"].is_null()
}

/// The Job that a pod belongs to.
fn owner(tx: &Tx<'_>, cluster: &Cluster, pod: &Value) -> Option<Value> {
    let by = &pod["metadata"]["ownerReferences"][0];
    let key = id(cluster, pod["metadata"]["namespace"].as_str(), by["name"].as_str()?);
    let object = tx.get(&cluster.scope, filed(kind()), &key).filter(|_| by["kind"] == json!("Job"))?;
    (object.doc["metadata"]["uid"] == by["uid"]).then(|| object.doc.clone())
}

fn put(tx: &mut Tx<'_>, cluster: &Cluster, row: Value) -> Value {
    objects::put(tx, cluster, kind(), row, |_| {})
}

fn add(row: &mut Value, key: &str) {
    row["status"][key] = json!(row["status"][key].as_u64().unwrap_or_default() + 1);
}

/// A pod of a Job came to an end.
pub(super) fn pod_ended(tx: &mut Tx<'_>, cluster: &Cluster, pod: &Value) {
    let Some(mut job) = owner(tx, cluster, pod) else { return };
    // Pods that are stopped because the Job is, count for nothing.
    if is_over(&job) || (job["spec"]["suspend"] == json!(true) && !is_active(pod)) {
        return sync(tx, cluster, &job);
    }
    let index = index_of(pod).filter(|_| job["spec"]["completionMode"] == json!("Indexed"));
    if pod["status"]["phase"] == json!("Succeeded") {
        add(&mut job, "succeeded");
        if let Some(index) = index {
            let mut done = indexes(&job["status"]["completedIndexes"]);
            done.insert(index);
            job["status"]["succeeded"] = json!(done.len());
            job["status"]["completedIndexes"] = json!(named(&done));
        }
    } else {
        count_failure(tx, &mut job, pod, index);
    }
    let job = put(tx, cluster, job);
    sync(tx, cluster, &job);
}

/// What the first rule of the failure policy that fits says of this pod, and which it is.
fn ruled<'j>(job: &'j Value, pod: &Value) -> Option<(&'j str, usize)> {
    let state = &pod["status"]["containerStatuses"][0];
    let code = &state["state"]["terminated"]["exitCode"];
    let conditions = pod["status"]["conditions"].as_array();
    job["spec"]["podFailurePolicy"]["rules"].as_array()?.iter().enumerate().find_map(|(number, rule)| {
        let codes = &rule["onExitCodes"];
        let of_container = codes["containerName"].is_null() || codes["containerName"] == state["name"];
        let listed = codes["values"].as_array().is_some_and(|all| all.contains(code));
        let by_code =
            !codes.is_null() && of_container && *code != json!(0) && listed == (codes["operator"] == json!("In"));
        let by_condition = rule["onPodConditions"].as_array().into_iter().flatten().any(|wanted| {
            let status = wanted["status"].as_str().unwrap_or("True");
            conditions.into_iter().flatten().any(|it| it["type"] == wanted["type"] && it["status"] == json!(status))
        });
        (by_code || by_condition).then(|| (rule["action"].as_str().unwrap_or("Count"), number))
    })
}

fn count_failure(tx: &mut Tx<'_>, job: &mut Value, pod: &Value, index: Option<u64>) {
    let ruled = ruled(job, pod).map(|(action, number)| (action.to_owned(), number));
    let fail_index = |job: &mut Value| {
        let mut failed = indexes(&job["status"]["failedIndexes"]);
        failed.extend(index);
        job["status"]["failedIndexes"] = json!(named(&failed));
    };
    match ruled.as_ref().map(|(action, number)| (action.as_str(), number)) {
        Some(("Ignore", _)) => return,
        Some(("FailJob", number)) => {
            let code = &pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"];
            let (namespace, name) = (&pod["metadata"]["namespace"], &pod["metadata"]["name"]);
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let message = format!(
                "Container {} for pod {}/{} failed with exit code {code} matching FailJob rule at index {number}",
                text(&pod["spec"]["containers"][0]["name"]),
                text(namespace),
                text(name)
            );
            set(tx, job, "FailureTarget", true, "PodFailurePolicy", &message);
        }
        Some(("FailIndex", _)) => fail_index(job),
        _ => {
            let limit = job["spec"]["backoffLimitPerIndex"].as_u64();
            let before = pod["metadata"]["annotations"]["batch.kubernetes.io/job-index-failure-count"].as_str();
            let before: u64 = before.and_then(|text| text.parse().ok()).unwrap_or_default();
            if limit.is_some_and(|limit| before >= limit) {
                fail_index(job);
            }
        }
    }
    add(job, "failed");
}

/// A pod of a Job was taken away while it ran: that is a failure, where the Job did not want it.
pub(super) fn pod_removed(tx: &mut Tx<'_>, cluster: &Cluster, pod: &Value) {
    let Some(mut job) = owner(tx, cluster, pod) else { return };
    if !kubelet::has_ended(pod) && !is_over(&job) && job["spec"]["suspend"] != json!(true) {
        add(&mut job, "failed");
        job = put(tx, cluster, job);
    }
    sync(tx, cluster, &job);
}

/// A pod of a Job started.
pub(super) fn pods_changed(tx: &mut Tx<'_>, cluster: &Cluster, pod: &Value) {
    if let Some(job) = owner(tx, cluster, pod) {
        sync(tx, cluster, &job);
    }
}

/// Something of the Job fell due.
pub(super) fn happen(tx: &mut Tx<'_>, cluster: &Cluster, object: &Object) {
    sync(tx, cluster, &object.doc);
}

fn time(value: &Value) -> Option<Timestamp> {
    value.as_str().and_then(|text| text.parse().ok())
}

/// Brings a Job on: to be called whenever anything of it changed.
pub(super) fn sync(tx: &mut Tx<'_>, cluster: &Cluster, job: &Value) {
    if job["metadata"]["deletionTimestamp"].is_string() {
        return;
    }
    let mut row = job.clone();
    let mut next: Option<Timestamp> = None;
    if is_over(&row) {
        stop_pods(tx, cluster, &row);
        count_now(tx, cluster, &mut row);
        next = expires(&row);
        if next.is_some_and(|at| at <= tx.now()) {
            return objects::cascade(tx, cluster, kind(), &row);
        }
    } else if row["spec"]["suspend"] == json!(true) {
        if !holds(&row, "Suspended") {
            set(tx, &mut row, "Suspended", true, "JobSuspended", "Job suspended");
            events::say(tx, cluster, &row, Source::Job, "Suspended", "Job suspended");
        }
        row["status"].as_object_mut().map(|status| status.remove("startTime"));
        row = put(tx, cluster, row);
        stop_pods(tx, cluster, &row);
        count_now(tx, cluster, &mut row);
    } else {
        if holds(&row, "Suspended") {
            set(tx, &mut row, "Suspended", false, "JobResumed", "Job resumed");
            events::say(tx, cluster, &row, Source::Job, "Resumed", "Job resumed");
        }
        if row["status"]["startTime"].is_null() {
            row["status"]["startTime"] = json!(stamp(tx.now()));
        }
        match verdict(tx, cluster, &row) {
            Some(Verdict::Failed(reason, message)) => {
                finish(tx, cluster, &mut row, "Failed", reason, &message);
                next = expires(&row);
            }
            Some(Verdict::Complete) => {
                row["status"]["completionTime"] = json!(stamp(tx.now()));
                finish(
                    tx,
                    cluster,
                    &mut row,
                    "Complete",
                    "CompletionsReached",
                    "Reached expected number of succeeded pods",
                );
                next = expires(&row);
            }
            None => next = go_on(tx, cluster, &mut row),
        }
        count_now(tx, cluster, &mut row);
    }
    let due = next.map(|at| Due { at: at.max(tx.now()), what: SYNC.to_owned() });
    objects::put(tx, cluster, kind(), row, |object| object.due = due);
}

/// When a Job that is over goes by itself.
fn expires(row: &Value) -> Option<Timestamp> {
    let ttl = row["spec"]["ttlSecondsAfterFinished"].as_u64()?;
    let over = row["status"]["conditions"].as_array()?.iter().find(|it| {
        (it["type"] == json!("Complete") || it["type"] == json!("Failed")) && it["status"] == json!("True")
    })?;
    Some(time(&over["lastTransitionTime"])? + Duration::from_secs(ttl))
}

fn count_now(tx: &Tx<'_>, cluster: &Cluster, row: &mut Value) {
    let pods = pods_of(tx, cluster, row);
    let ready = |pod: &&Value| is_active(pod) && pod["status"]["phase"] == json!("Running");
    let status = &mut row["status"];
    status["active"] = json!(pods.iter().filter(|pod| is_active(pod)).count());
    status["ready"] = json!(pods.iter().filter(ready).count());
    let leaving = |pod: &&Value| !kubelet::has_ended(pod) && !is_active(pod);
    status["terminating"] = json!(pods.iter().filter(leaving).count());
    status["uncountedTerminatedPods"] = json!({});
}

enum Verdict {
    Complete,
    Failed(&'static str, String),
}

/// Whether it is over, and how.
fn verdict(tx: &Tx<'_>, cluster: &Cluster, row: &Value) -> Option<Verdict> {
    let (spec, status) = (&row["spec"], &row["status"]);
    let count = |key: &str| status[key].as_u64().unwrap_or_default();
    let failed = |reason, message: &str| Some(Verdict::Failed(reason, message.to_owned()));
    if holds(row, "FailureTarget") {
        let all = status["conditions"].as_array().into_iter().flatten();
        let message = all.into_iter().find(|it| it["type"] == json!("FailureTarget"))?["message"].as_str()?;
        return failed("PodFailurePolicy", message);
    }
    let completions = spec["completions"].as_u64();
    if completions.is_some_and(|wanted| count("succeeded") >= wanted) {
        return Some(Verdict::Complete);
    }
    let active = pods_of(tx, cluster, row).iter().filter(|pod| is_active(pod)).count();
    if completions.is_none() && count("succeeded") > 0 && active == 0 {
        return Some(Verdict::Complete);
    }
    if count("failed") > spec["backoffLimit"].as_u64().unwrap_or(6) {
        return failed("BackoffLimitExceeded", "Job has reached the specified backoff limit");
    }
    let lost = indexes(&status["failedIndexes"]).len() as u64;
    if spec["maxFailedIndexes"].as_u64().is_some_and(|most| lost > most) {
        return failed("MaxFailedIndexesExceeded", "Job has exceeded the specified maximal number of failed indexes");
    }
    if lost > 0 && completions.is_some_and(|wanted| count("succeeded") + lost >= wanted) {
        return failed("FailedIndexes", "Job has failed indexes");
    }
    let deadline = deadline(row)?;
    (tx.now() >= deadline)
        .then(|| Verdict::Failed("DeadlineExceeded", "Job was active longer than specified deadline".to_owned()))
}

fn deadline(row: &Value) -> Option<Timestamp> {
    let span = row["spec"]["activeDeadlineSeconds"].as_u64()?;
    Some(time(&row["status"]["startTime"])? + Duration::from_secs(span))
}

fn finish(tx: &mut Tx<'_>, cluster: &Cluster, row: &mut Value, which: &str, reason: &str, message: &str) {
    let first = if which == "Failed" { "FailureTarget" } else { "SuccessCriteriaMet" };
    set(tx, row, first, true, reason, message);
    set(tx, row, which, true, reason, message);
    *row = put(tx, cluster, row.clone());
    let (said, words) = if which == "Failed" { (reason, message) } else { ("Completed", "Job completed") };
    events::say(tx, cluster, row, Source::Job, said, words);
    stop_pods(tx, cluster, row);
}

/// Ends what still runs.
fn stop_pods(tx: &mut Tx<'_>, cluster: &Cluster, row: &Value) {
    for pod in pods_of(tx, cluster, row).iter().filter(|pod| is_active(pod)) {
        let text = |key: &str| pod["metadata"][key].as_str().unwrap_or_default().to_owned();
        events::say(tx, cluster, row, Source::Job, "SuccessfulDelete", &format!("Deleted pod: {}", text("name")));
        if !kubelet::told_to_end(tx, cluster, pod, None) {
            let key = id(cluster, Some(&text("namespace")), &text("name"));
            tx.remove(&cluster.scope, filed(kubelet::kind()), &key);
        }
    }
}

/// Makes the pods that are wanted now; says when to look again.
fn go_on(tx: &mut Tx<'_>, cluster: &Cluster, row: &mut Value) -> Option<Timestamp> {
    *row = put(tx, cluster, row.clone());
    let until = deadline(row);
    let pods = pods_of(tx, cluster, row);
    let active: Vec<&Value> = pods.iter().filter(|pod| is_active(pod)).collect();
    let spec = &row["spec"];
    let parallelism = spec["parallelism"].as_u64().unwrap_or(1);
    let succeeded = row["status"]["succeeded"].as_u64().unwrap_or_default();
    let lost = indexes(&row["status"]["failedIndexes"]);
    let left = match spec["completions"].as_u64() {
        Some(wanted) => wanted.saturating_sub(succeeded + lost.len() as u64),
        // A work queue that has had a success is only waited for.
        None if succeeded > 0 => 0,
        None => u64::MAX,
    };
    let wanted = parallelism.min(left).saturating_sub(active.len() as u64);
    if wanted == 0 {
        return until;
    }
    if let Some(at) = resting_until(row, &pods).filter(|at| *at > tx.now()) {
        return Some(until.map_or(at, |until| until.min(at)));
    }
    let free: Vec<Option<u64>> = if spec["completionMode"] == json!("Indexed") {
        let done = indexes(&row["status"]["completedIndexes"]);
        let taken: BTreeSet<u64> = active.iter().filter_map(|pod| index_of(pod)).collect();
        let all = 0..spec["completions"].as_u64().unwrap_or_default();
        all.filter(|n| !done.contains(n) && !lost.contains(n) && !taken.contains(n)).map(Some).collect()
    } else {
        vec![None; usize::try_from(wanted).unwrap_or(1_000).min(1_000)]
    };
    let take = usize::try_from(wanted).unwrap_or(usize::MAX);
    for index in free.into_iter().take(take) {
        let failures = pods.iter().filter(|pod| index.is_some() && index_of(pod) == index).count();
        make_pod(tx, cluster, row, index, failures);
    }
    until
}

/// Until when no pod is made, after failures: ten seconds, then twice as long each time.
fn resting_until(row: &Value, pods: &[Value]) -> Option<Timestamp> {
    let failed = row["status"]["failed"].as_u64().filter(|failed| *failed > 0)?;
    let ended = pods
        .iter()
        .filter(|pod| pod["status"]["phase"] == json!("Failed"))
        .filter_map(|pod| time(&pod["status"]["containerStatuses"][0]["state"]["terminated"]["finishedAt"]))
        .max()?;
    let factor = 2_u32.saturating_pow(u32::try_from(failed - 1).unwrap_or(u32::MAX).min(10));
    Some(ended + (FIRST * factor).min(LONGEST))
}

fn make_pod(tx: &mut Tx<'_>, cluster: &Cluster, job: &Value, index: Option<u64>, failures: usize) {
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
            annotations.insert("batch.kubernetes.io/job-index-failure-count".to_owned(), json!(failures.to_string()));
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
            "labels": Value::Object(labels), "annotations": Value::Object(annotations),
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

    #[test]
    fn indexes_are_named_as_kubernetes_names_them() {
        for (text, count) in [("", 0), ("0", 1), ("0,1", 2), ("0-2,5", 4), ("1,3-5,7", 5)] {
            let read = indexes(&json!(text));
            assert_eq!(read.len(), count, "{text}");
            assert_eq!(named(&read), text);
        }
    }

    #[test]
    fn pauses_double() {
        let pod = json!({"status": {"phase": "Failed", "containerStatuses": [
            {"state": {"terminated": {"finishedAt": "2026-11-20T12:00:00Z"}}}]}});
        let after = |failed: u64| {
            let row = json!({"status": {"failed": failed}});
            let from: Timestamp = "2026-11-20T12:00:00Z".parse().expect("a time");
            resting_until(&row, std::slice::from_ref(&pod)).map(|at| at.as_second() - from.as_second())
        };
        assert_eq!((after(0), after(1), after(2), after(20)), (None, Some(10), Some(20), Some(360)));
    }

    #[test]
    fn failure_policies_go_by_the_first_rule_that_fits() {
        let job = json!({"spec": {"podFailurePolicy": {"rules": [
            {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]},
            {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}},
            {"action": "FailIndex", "onExitCodes": {"operator": "NotIn", "values": [1]}},
        ]}}});
        let pod = |code: u64, conditions: Value| {
            json!({"status": {"conditions": conditions, "containerStatuses": [
                {"name": "main", "state": {"terminated": {"exitCode": code}}}]}})
        };
        let said = |code, conditions| ruled(&job, &pod(code, conditions)).map(|(action, _)| action);
        assert_eq!(said(42, json!([])), Some("FailJob"));
        assert_eq!(said(42, json!([{"type": "DisruptionTarget", "status": "True"}])), Some("Ignore"));
        assert_eq!(said(2, json!([])), Some("FailIndex"));
        assert_eq!(said(1, json!([])), None);
    }
}
