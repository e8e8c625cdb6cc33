//! The conditions of a Job.

use crate::sandbox::{kubernetes::views::stamp, world::Tx};
use serde_json::{Value, json};

fn all(row: &Value) -> impl Iterator<Item = &Value> {
    row["status"]["conditions"].as_array().into_iter().flatten()
}

/// Its condition of this type that holds.
pub(super) fn that_holds<'r>(row: &'r Value, which: &str) -> Option<&'r Value> {
    all(row).find(|it| it["type"] == json!(which) && it["status"] == json!("True"))
}

pub(super) fn holds(row: &Value, which: &str) -> bool {
    that_holds(row, which).is_some()
}

/// Reason and message of a condition that holds.
pub(super) fn message_of(row: &Value, which: &str) -> Option<(String, String)> {
    let found = that_holds(row, which)?;
    let text = |key: &str| found[key].as_str().unwrap_or_default().to_owned();
    Some((text("reason"), text("message")))
}

/// Whether it has ended for good.
pub(super) fn is_over(row: &Value) -> bool {
    holds(row, "Complete") || holds(row, "Failed")
}

pub(super) fn set(tx: &Tx<'_>, row: &mut Value, which: &str, yes: bool, reason: &str, message: &str) {
    let mut others: Vec<Value> = all(row).filter(|it| it["type"] != json!(which)).cloned().collect();
    let now = stamp(tx.now());
    others.push(json!({
        "type": which, "status": if yes { "True" } else { "False" }, "reason": reason, "message": message,
        "lastProbeTime": now, "lastTransitionTime": now,
    }));
    row["status"]["conditions"] = json!(others);
}
