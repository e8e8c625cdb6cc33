//! Events: what controllers, scheduler and kubelets say of an object, in their own words. They are forgotten after an hour,
//! as a real API server forgets them.

use super::{
    discovery::Kind,
    host::Cluster,
    objects::{self, filed, id},
    views::stamp,
};
use crate::sandbox::world::{Due, Object, Tx};
use serde_json::{Value, json};
use std::time::Duration;

/// What happens to an event last.
pub(super) const EXPIRE: &str = "expire";
/// `--event-ttl` of a real API server.
const KEPT: Duration = Duration::from_secs(3_600);

fn kind() -> &'static Kind {
    Kind::find("", "events").expect("a kind of the table")
}

/// Who speaks.
#[derive(Debug, Clone, Copy)]
pub(super) enum Source {
    Scheduler,
    Kubelet,
    Job,
}

impl Source {
    const fn component(self) -> &'static str {
        match self {
            Self::Scheduler => "default-scheduler",
            Self::Kubelet => "kubelet",
            Self::Job => "job-controller",
        }
    }
}

/// Says something of an object; the same again only counts.
pub(super) fn say(tx: &mut Tx<'_>, cluster: &Cluster, of: &Value, source: Source, reason: &str, message: &str) {
    let namespace = of["metadata"]["namespace"].as_str().unwrap_or("default");
    let about = json!({
        "kind": of["kind"], "apiVersion": of["apiVersion"], "namespace": namespace, "name": of["metadata"]["name"],
        "uid": of["metadata"]["uid"],
    });
    let now = json!(stamp(tx.now()));
    let before = tx.list(&cluster.scope, filed(kind())).find(|object| {
        let doc = &object.doc;
        object.parent.as_deref() == Some(cluster.id.as_str())
            && doc["involvedObject"] == about
            && doc["reason"] == json!(reason)
            && doc["message"] == json!(message)
    });
    if let Some(mut row) = before.map(|object| object.doc.clone()) {
        row["count"] = json!(row["count"].as_u64().unwrap_or(1) + 1);
        row["lastTimestamp"] = now;
        put(tx, cluster, row);
        return;
    }
    let name = format!("{}.{}", of["metadata"]["name"].as_str().unwrap_or_default(), tx.hex(16));
    let uid = tx.uuid();
    let warns = ["Fail", "BackOff", "BackoffLimit", "Deadline", "PodFailurePolicy", "Lost"];
    let level = if warns.iter().any(|word| reason.contains(word)) { "Warning" } else { "Normal" };
    put(
        tx,
        cluster,
        json!({
            "apiVersion": "v1", "kind": "Event",
            "metadata": {"name": name, "namespace": namespace, "uid": uid, "creationTimestamp": now},
            "involvedObject": about, "reason": reason, "message": message, "type": level, "count": 1,
            "firstTimestamp": now, "lastTimestamp": now, "source": {"component": source.component()},
            "reportingComponent": source.component(), "reportingInstance": "",
        }),
    );
}

fn put(tx: &mut Tx<'_>, cluster: &Cluster, row: Value) {
    let due = Due { at: tx.now() + KEPT, what: EXPIRE.to_owned() };
    objects::put(tx, cluster, kind(), row, |object| object.due = Some(due));
}

/// Its hour is over.
pub(super) fn expire(tx: &mut Tx<'_>, cluster: &Cluster, object: &Object) {
    let name = object.name.as_deref().unwrap_or_default();
    tx.remove(&cluster.scope, filed(kind()), &id(cluster, object.doc["metadata"]["namespace"].as_str(), name));
}
