//! What the pods of a Job that ended mean to it: successes, failures, and whether it is over. Every pod counts once: it
//! carries a finalizer until it has been counted.

use super::{
    conditions::{holds, message_of, set},
    indexes,
    pods::{index_of, is_active, release},
    rules::is_indexed,
    time,
};
use crate::sandbox::{
    kubernetes::{
        host::Cluster,
        kubelet::{self, CENTURY},
    },
    world::Tx,
};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};

/// On pods of Jobs with a limit for each index: how often the index failed before.
pub(super) const FAILURES: &str = "batch.kubernetes.io/job-index-failure-count";

/// Whether a pod has failed, as the Job's replacement policy sees it.
fn has_failed(job: &Value, pod: &Value) -> bool {
    let at_once = job["spec"]["podReplacementPolicy"] != json!("Failed");
    pod["status"]["phase"] == json!("Failed") || at_once && kubelet::is_leaving(pod) && !has_succeeded(pod)
}

fn has_succeeded(pod: &Value) -> bool {
    pod["status"]["phase"] == json!("Succeeded")
}

fn add(row: &mut Value, key: &str) {
    row["status"][key] = json!(row["status"][key].as_u64().unwrap_or_default() + 1);
}

/// Counts what ended since, and lets it go.
pub(super) fn count(tx: &mut Tx<'_>, cluster: &Cluster, row: &mut Value, pods: &mut [Value]) {
    for pod in pods.iter_mut().filter(|pod| super::pods::is_counted_on(pod)) {
        let index = index_of(pod).filter(|_| is_indexed(row));
        if has_succeeded(pod) {
            match index {
                Some(index) => {
                    let mut done = indexes::read(&row["status"]["completedIndexes"]);
                    done.insert(index);
                    row["status"]["succeeded"] = json!(done.len());
                    row["status"]["completedIndexes"] = json!(indexes::named(&done));
                }
                None => add(row, "succeeded"),
            }
        } else if has_failed(row, pod) || holds(row, "FailureTarget") {
            // What still runs when a Job fails has failed, too.
            count_failure(tx, row, pod, index);
        } else if !holds(row, "SuccessCriteriaMet") {
            continue;
        }
        *pod = release(tx, cluster, pod);
    }
    if !row["spec"]["backoffLimitPerIndex"].is_null() && row["status"]["failedIndexes"].is_null() {
        row["status"]["failedIndexes"] = json!("");
    }
}

/// What the first rule of the failure policy that fits says of this pod, and which it is.
fn ruled<'j>(job: &'j Value, pod: &Value) -> Option<(&'j str, usize)> {
    if pod["status"]["phase"] != json!("Failed") {
        return None;
    }
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

fn count_failure(tx: &Tx<'_>, job: &mut Value, pod: &Value, index: Option<u64>) {
    let action = ruled(job, pod).map(|(action, number)| (action.to_owned(), number));
    match action.as_ref().map(|(action, number)| (action.as_str(), *number)) {
        Some(("Ignore", _)) => return,
        Some(("FailJob", number)) if !holds(job, "FailureTarget") => {
            let message = matched(job, pod, number);
            set(tx, job, "FailureTarget", true, "PodFailurePolicy", &message);
        }
        Some(("FailIndex", _)) => fail_index(job, index),
        _ => {
            let limit = job["spec"]["backoffLimitPerIndex"].as_u64();
            if limit.is_some_and(|limit| failures_before(pod) >= limit) {
                fail_index(job, index);
            }
        }
    }
    add(job, "failed");
}

/// Why a Job failed, in its controller's words.
fn matched(job: &Value, pod: &Value, number: usize) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let who = format!("pod {}/{}", text(&pod["metadata"]["namespace"]), text(&pod["metadata"]["name"]));
    let tail = format!("matching FailJob rule at index {number}");
    match job["spec"]["podFailurePolicy"]["rules"][number]["onPodConditions"][0]["type"].as_str() {
        Some(which) => format!("Pod {} has condition {which} {tail}", who.trim_start_matches("pod ")),
        None => {
            let code = &pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"];
            let container = text(&pod["spec"]["containers"][0]["name"]);
            format!("Container {container} for {who} failed with exit code {code} {tail}")
        }
    }
}

fn fail_index(job: &mut Value, index: Option<u64>) {
    let mut failed = indexes::read(&job["status"]["failedIndexes"]);
    failed.extend(index);
    job["status"]["failedIndexes"] = json!(indexes::named(&failed));
}

/// How often a pod's index had failed before it.
pub(super) fn failures_before(pod: &Value) -> u64 {
    let before = pod["metadata"]["annotations"][FAILURES].as_str();
    before.and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// How a Job ends.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Complete(&'static str, String),
    Failed(String, String),
}

/// Whether it is to end, and how.
pub(super) fn verdict(row: &Value, pods: &[Value], now: Timestamp) -> Option<Verdict> {
    let (spec, status) = (&row["spec"], &row["status"]);
    let count = |key: &str| status[key].as_u64().unwrap_or_default();
    let failed = |reason: &str, message: &str| Some(Verdict::Failed(reason.to_owned(), message.to_owned()));
    let complete = |reason, message: &str| Some(Verdict::Complete(reason, message.to_owned()));
    if let Some((reason, message)) = message_of(row, "SuccessCriteriaMet") {
        let reason = if reason == "SuccessPolicy" { "SuccessPolicy" } else { "CompletionsReached" };
        return complete(reason, &message);
    }
    if let Some((reason, message)) = message_of(row, "FailureTarget") {
        return failed(&reason, &message);
    }
    if count("failed") > spec["backoffLimit"].as_u64().unwrap_or(6) {
        return failed("BackoffLimitExceeded", "Job has reached the specified backoff limit");
    }
    if deadline(row).is_some_and(|deadline| now >= deadline) {
        return failed("DeadlineExceeded", "Job was active longer than specified deadline");
    }
    let (done, lost) = (indexes::read(&status["completedIndexes"]), indexes::read(&status["failedIndexes"]));
    let failures = lost.len() as u64;
    if spec["maxFailedIndexes"].as_u64().is_some_and(|most| failures > most) {
        return failed("MaxFailedIndexesExceeded", "Job has exceeded the specified maximal number of failed indexes");
    }
    let completions = spec["completions"].as_u64();
    if failures > 0 && completions.is_some_and(|wanted| count("succeeded") + failures >= wanted) {
        return failed("FailedIndexes", "Job has failed indexes");
    }
    let rules = spec["successPolicy"]["rules"].as_array().into_iter().flatten();
    if let Some((number, _)) = rules.enumerate().find(|(_, rule)| suffices(rule, &done)) {
        return complete("SuccessPolicy", &format!("Matched rules at index {number}"));
    }
    let active = pods.iter().any(is_active);
    let reached = match completions {
        Some(wanted) => count("succeeded") >= wanted && !active,
        None => count("succeeded") > 0 && !active,
    };
    if reached { complete("CompletionsReached", "Reached expected number of succeeded pods") } else { None }
}

/// Whether these successes are enough for a rule of a success policy.
fn suffices(rule: &Value, done: &BTreeSet<u64>) -> bool {
    let counted = match rule["succeededIndexes"].is_null() {
        true => done.clone(),
        false => indexes::read(&rule["succeededIndexes"]).intersection(done).copied().collect(),
    };
    match rule["succeededCount"].as_u64() {
        Some(wanted) => counted.len() as u64 >= wanted,
        None => counted.len() == indexes::read(&rule["succeededIndexes"]).len(),
    }
}

/// When its time is over; never while it is suspended.
pub(super) fn deadline(row: &Value) -> Option<Timestamp> {
    let span = row["spec"]["activeDeadlineSeconds"].as_u64().filter(|_| row["spec"]["suspend"] != json!(true))?;
    Some(time(&row["status"]["startTime"])? + Duration::from_secs(span.min(CENTURY)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failure_policies_go_by_the_first_rule_that_fits() {
        let job = json!({"spec": {"podFailurePolicy": {"rules": [
            {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]},
            {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}},
            {"action": "FailIndex", "onExitCodes": {"operator": "NotIn", "values": [1]}},
        ]}}});
        let pod = |code: u64, conditions: Value| {
            json!({"status": {"phase": "Failed", "conditions": conditions, "containerStatuses": [
                {"name": "main", "state": {"terminated": {"exitCode": code}}}]}})
        };
        let said = |code, conditions| ruled(&job, &pod(code, conditions)).map(|(action, _)| action);
        assert_eq!(said(42, json!([])), Some("FailJob"));
        assert_eq!(said(42, json!([{"type": "DisruptionTarget", "status": "True"}])), Some("Ignore"));
        assert_eq!(said(2, json!([])), Some("FailIndex"));
        assert_eq!(said(1, json!([])), None);
    }

    #[test]
    fn success_policies_ask_for_indexes_or_for_so_many() {
        let done = BTreeSet::from([0, 2, 3]);
        for (rule, enough) in [
            (json!({"succeededIndexes": "0"}), true),
            (json!({"succeededIndexes": "0-1"}), false),
            (json!({"succeededIndexes": "0-1", "succeededCount": 1}), true),
            (json!({"succeededCount": 3}), true),
            (json!({"succeededCount": 4}), false),
        ] {
            assert_eq!(suffices(&rule, &done), enough, "{rule}");
        }
    }
}
