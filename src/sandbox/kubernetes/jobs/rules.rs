//! What the API server adds to a new Job, and the rules it holds it to.

use super::{CONTROLLER, JOB_NAME, indexes};
use crate::sandbox::kubernetes::status::Refusal;
use serde_json::{Value, json};

fn invalid(row: &Value, why: &str) -> Refusal {
    let name = row["metadata"]["name"].as_str().unwrap_or_default();
    Refusal::invalid(format!("Job.batch \"{name}\" is invalid: {why}"))
}

pub(super) fn is_indexed(row: &Value) -> bool {
    row["spec"]["completionMode"] == json!("Indexed")
}

/// Indexes of one Job are counted one by one here.
const MOST: u64 = 100_000;
/// Rules of a success policy.
const RULES: usize = 20;

/// What the API server adds to a new Job.
pub(in super::super) fn fill(row: &mut Value) {
    let (name, uid) = (row["metadata"]["name"].clone(), row["metadata"]["uid"].clone());
    let indexed = is_indexed(row);
    row["metadata"]["generation"] = json!(1);
    let spec = &mut row["spec"];
    // A fixed number of completions is 1 where nothing is said; `parallelism` alone makes a work queue.
    if !indexed && spec["completions"].is_null() && spec["parallelism"].is_null() {
        spec["completions"] = json!(1);
    }
    let limit = if spec["backoffLimitPerIndex"].is_null() { 6 } else { i64::from(i32::MAX) };
    let replaces = if spec["podFailurePolicy"].is_null() { "TerminatingOrFailed" } else { "Failed" };
    for (key, value) in [
        ("parallelism", json!(1)),
        ("backoffLimit", json!(limit)),
        ("completionMode", json!("NonIndexed")),
        ("suspend", json!(false)),
        ("podReplacementPolicy", json!(replaces)),
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
pub(in super::super) fn check(row: &Value) -> Result<(), Refusal> {
    let spec = &row["spec"];
    let refuse = |why: &str| Err(invalid(row, why));
    match spec["template"]["spec"]["restartPolicy"].as_str() {
        Some("Never") => {}
        Some("OnFailure") => return Err(Refusal::not_simulated("Jobs that restart in place; use restartPolicy Never")),
        _ => {
            return refuse("spec.template.spec.restartPolicy: Required value: valid values: \"OnFailure\", \"Never\"");
        }
    }
    let numbers = ["parallelism", "completions", "backoffLimit", "activeDeadlineSeconds", "ttlSecondsAfterFinished"];
    for key in numbers.into_iter().chain(["backoffLimitPerIndex", "maxFailedIndexes"]) {
        if spec[key].as_i64().is_some_and(|number| number < 0) {
            return refuse(&format!("spec.{key}: Invalid value: {}: must be greater than or equal to 0", spec[key]));
        }
    }
    match spec["completionMode"].as_str() {
        Some("Indexed" | "NonIndexed") => {}
        _ => {
            return refuse(&format!(
                "spec.completionMode: Unsupported value: {}: supported values: \"Indexed\", \"NonIndexed\"",
                spec["completionMode"]
            ));
        }
    }
    if is_indexed(row) && spec["completions"].is_null() {
        return refuse("spec.completions: Required value: when completion mode is Indexed");
    }
    if !is_indexed(row) {
        for key in ["backoffLimitPerIndex", "maxFailedIndexes", "successPolicy"] {
            if !spec[key].is_null() {
                return refuse(&format!("spec.{key}: Invalid value: requires indexed completion mode"));
            }
        }
    }
    if !spec["maxFailedIndexes"].is_null() && spec["backoffLimitPerIndex"].is_null() {
        return refuse("spec.backoffLimitPerIndex: Required value: when maxFailedIndexes is specified");
    }
    if spec["completions"].as_u64().is_some_and(|count| count > MOST) {
        return Err(Refusal::not_simulated(&format!("Jobs of more than {MOST} completions")));
    }
    check_failures(row)?;
    check_success(row)?;
    if spec["managedBy"].is_string() && spec["managedBy"] != json!("kubernetes.io/job-controller") {
        return Err(Refusal::not_simulated("Jobs managed by others"));
    }
    // The labels under which kubectl and others find a Job's pods leave 63 characters.
    let name = row["metadata"]["name"].as_str().unwrap_or_default();
    if name.len() > 63 {
        return refuse(&format!("spec.template.labels: Invalid value: \"{name}\": must be no more than 63 characters"));
    }
    Ok(())
}

/// Rules for a success policy: it can come true, and not before anything has succeeded.
fn check_success(row: &Value) -> Result<(), Refusal> {
    let spec = &row["spec"];
    let refuse = |why: &str| Err(invalid(row, why));
    if spec["successPolicy"].is_null() {
        return Ok(());
    }
    let completions = spec["completions"].as_u64().unwrap_or_default();
    let rules = spec["successPolicy"]["rules"].as_array().map(Vec::as_slice).unwrap_or_default();
    if rules.is_empty() {
        return refuse("spec.successPolicy.rules: Required value: at least one rules must be specified");
    }
    if rules.len() > RULES {
        return refuse(&format!(
            "spec.successPolicy.rules: Too many: {}: must have at most {RULES} items",
            rules.len()
        ));
    }
    for (number, rule) in rules.iter().enumerate() {
        let at = format!("spec.successPolicy.rules[{number}]");
        let (count, indexes) = (&rule["succeededCount"], &rule["succeededIndexes"]);
        if count.is_null() && indexes.is_null() {
            return refuse(&format!(
                "{at}: Required value: at least one of succeededCount or succeededIndexes must be specified"
            ));
        }
        let named = match indexes.as_str().map(|text| indexes::spans(text, completions)) {
            None => completions,
            Some(Some(spans)) => spans.iter().map(|(from, to)| to - from + 1).sum(),
            Some(None) => {
                return refuse(&format!(
                    "{at}.succeededIndexes: Invalid value: {indexes}: error parsing succeededIndexes"
                ));
            }
        };
        if !count.is_null() && !count.as_u64().is_some_and(|count| (1..=named).contains(&count)) {
            return refuse(&format!(
                "{at}.succeededCount: Invalid value: {count}: must be positive and no more than {named}"
            ));
        }
    }
    Ok(())
}

/// Rules for what is said of failed pods.
fn check_failures(row: &Value) -> Result<(), Refusal> {
    let spec = &row["spec"];
    let refuse = |why: &str| Err(invalid(row, why));
    match spec["podReplacementPolicy"].as_str() {
        Some("Failed") => {}
        Some("TerminatingOrFailed") if spec["podFailurePolicy"].is_null() => {}
        _ => {
            let supported =
                if spec["podFailurePolicy"].is_null() { "\"Failed\", \"TerminatingOrFailed\"" } else { "\"Failed\"" };
            return refuse(&format!(
                "spec.podReplacementPolicy: Unsupported value: {}: supported values: {supported}",
                spec["podReplacementPolicy"]
            ));
        }
    }
    for (number, rule) in spec["podFailurePolicy"]["rules"].as_array().into_iter().flatten().enumerate() {
        let at = format!("spec.podFailurePolicy.rules[{number}]");
        match rule["action"].as_str() {
            Some("FailIndex") if spec["backoffLimitPerIndex"].is_null() => {
                return refuse(&format!(
                    "{at}.action: Invalid value: \"FailIndex\": requires the backoffLimitPerIndex to be set"
                ));
            }
            Some("FailJob" | "FailIndex" | "Ignore" | "Count") => {}
            _ => {
                return refuse(&format!(
                    "{at}.action: Required value: valid values: [\"Count\" \"FailIndex\" \"FailJob\" \"Ignore\"]"
                ));
            }
        }
        let codes = &rule["onExitCodes"];
        let conditions = rule["onPodConditions"].as_array().is_some_and(|all| !all.is_empty());
        if codes.is_null() != conditions {
            return refuse(&format!(
                "{at}: Invalid value: specifying one of OnExitCodes and OnPodConditions is required"
            ));
        }
        let zero = codes["values"].as_array().is_some_and(|all| all.contains(&json!(0)));
        if zero && codes["operator"] == json!("In") {
            return refuse(&format!("{at}.onExitCodes.values[0]: Invalid value: 0: must not be 0 for the In operator"));
        }
    }
    Ok(())
}
