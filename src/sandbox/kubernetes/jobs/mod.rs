//! The Job controller: pods for what is still to be done, counts of what ended, and the word when it is over. As batch/v1
//! has it since 1.31 for Jobs whose pods never restart in place (the last word is said when the last pod has ended); what
//! it does not do is refused when the Job is made.

mod conditions;
mod count;
mod indexes;
mod pods;
mod rules;
#[cfg(test)]
mod tests;

pub(super) use rules::{check, fill};

use super::{
    deletion,
    discovery::Kind,
    events::{self, Source},
    host::Cluster,
    kubelet, objects,
    views::stamp,
};
use crate::sandbox::world::{Due, Object, Tx};
use conditions::{holds, is_over, set, that_holds};
use count::Verdict;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::time::Duration;

/// Something of a Job falls due: a pause before a retry, its deadline, its end.
pub(super) const SYNC: &str = "sync";
const JOB_NAME: &str = "batch.kubernetes.io/job-name";
const CONTROLLER: &str = "batch.kubernetes.io/controller-uid";

/// The kind of Jobs.
pub(super) fn kind() -> &'static Kind {
    Kind::find("batch", "jobs").expect("a kind of the table")
}

fn time(value: &Value) -> Option<Timestamp> {
    value.as_str().and_then(|text| text.parse().ok())
}

/// A pod started, ended, is to go or is gone: its Job, if it has one, is brought on.
pub(super) fn pod_changed(tx: &mut Tx<'_>, cluster: &Cluster, pod: &Value) {
    match pods::owner(tx, cluster, pod) {
        Some(job) => sync(tx, cluster, &job),
        // Nobody counts it any more.
        None => {
            pods::release(tx, cluster, pod);
        }
    }
}

/// Something of the Job fell due.
pub(super) fn happen(tx: &mut Tx<'_>, cluster: &Cluster, object: &Object) {
    sync(tx, cluster, &object.doc);
}

/// Brings a Job on: to be called whenever anything of it changed.
pub(super) fn sync(tx: &mut Tx<'_>, cluster: &Cluster, job: &Value) {
    let mut row = job.clone();
    let mut own = pods::of(tx, cluster, &row);
    if kubelet::is_leaving(&row) {
        // Whoever deletes it deletes them; nobody counts them any more.
        for pod in &own {
            pods::release(tx, cluster, pod);
            kubelet::let_go(tx, cluster, pod);
        }
        return;
    }
    let next = if is_over(&row) {
        let next = expires(&row);
        if next.is_some_and(|at| at <= tx.now()) {
            return deletion::cascade(tx, cluster, kind(), &row);
        }
        next
    } else {
        bring_on(tx, cluster, &mut row, &mut own)
    };
    let own = pods::of(tx, cluster, &row);
    count_now(&mut row, &own);
    let due = next.map(|at| Due { at: at.max(tx.now()), what: SYNC.to_owned() });
    if row == *job {
        let meta = &row["metadata"];
        let key = objects::id(cluster, meta["namespace"].as_str(), meta["name"].as_str().unwrap_or_default());
        tx.update(&cluster.scope, objects::filed(kind()), &key, |object| object.due = due);
        return;
    }
    objects::put(tx, cluster, kind(), row, |object| object.due = due);
    // Each tells its Job when it goes, which has to stand as it is now.
    for pod in own.iter().filter(|pod| kubelet::is_leaving(pod)) {
        kubelet::let_go(tx, cluster, pod);
    }
}

/// One that is not over; says when to look again.
fn bring_on(tx: &mut Tx<'_>, cluster: &Cluster, row: &mut Value, own: &mut [Value]) -> Option<Timestamp> {
    let suspended = row["spec"]["suspend"] == json!(true);
    count::count(tx, cluster, row, own);
    if row["status"]["startTime"].is_null() && !suspended {
        row["status"]["startTime"] = json!(stamp(tx.now()));
    }
    if let Some(verdict) = count::verdict(row, own, tx.now()) {
        return end(tx, cluster, row, own, verdict);
    }
    if suspended && !holds(row, "Suspended") {
        set(tx, row, "Suspended", true, "JobSuspended", "Job suspended");
        events::say(tx, cluster, row, Source::Job, "Suspended", "Job suspended");
    } else if !suspended && holds(row, "Suspended") {
        set(tx, row, "Suspended", false, "JobResumed", "Job resumed");
        // Its time counts from here.
        row["status"]["startTime"] = json!(stamp(tx.now()));
        events::say(tx, cluster, row, Source::Job, "Resumed", "Job resumed");
    }
    pods::go_on(tx, cluster, row, own)
}

/// First what is decided is said and what still runs is ended; when the last pod has ended, the Job is over.
fn end(tx: &mut Tx<'_>, cluster: &Cluster, row: &mut Value, own: &mut [Value], how: Verdict) -> Option<Timestamp> {
    let (first, last, reason, message) = match &how {
        Verdict::Complete(reason, message) => ("SuccessCriteriaMet", "Complete", *reason, message),
        Verdict::Failed(reason, message) => ("FailureTarget", "Failed", reason.as_str(), message),
    };
    if !holds(row, first) {
        set(tx, row, first, true, reason, message);
    }
    for pod in own.iter_mut().filter(|pod| pods::is_active(pod)) {
        *pod = pods::stop(tx, cluster, row, pod);
    }
    count::count(tx, cluster, row, own);
    if own.iter().any(pods::is_terminating) {
        return None;
    }
    set(tx, row, last, true, reason, message);
    if last == "Complete" {
        row["status"]["completionTime"] = json!(stamp(tx.now()));
        events::say(tx, cluster, row, Source::Job, "Completed", "Job completed");
    } else {
        events::say(tx, cluster, row, Source::Job, reason, message);
    }
    expires(row)
}

/// When a Job that is over goes by itself.
fn expires(row: &Value) -> Option<Timestamp> {
    let ttl = row["spec"]["ttlSecondsAfterFinished"].as_u64()?;
    let over = that_holds(row, "Complete").or_else(|| that_holds(row, "Failed"))?;
    Some(time(&over["lastTransitionTime"])? + Duration::from_secs(ttl))
}

fn count_now(row: &mut Value, own: &[Value]) {
    let active = own.iter().filter(|pod| pods::is_active(pod)).count();
    let ready = own.iter().filter(|pod| pods::is_active(pod) && kubelet::is_running(pod)).count();
    let status = &mut row["status"];
    status["ready"] = json!(ready);
    status["terminating"] = json!(own.iter().filter(|pod| pods::is_terminating(pod)).count());
    status["uncountedTerminatedPods"] = json!({});
    match active {
        // As Go writes numbers that are 0.
        0 => {
            status.as_object_mut().map(|status| status.remove("active"));
        }
        _ => status["active"] = json!(active),
    }
}
