//! How objects go: at once, when their finalizers let them, before or after what belongs to them.

use super::{
    controllers,
    discovery::{KINDS, Kind, Source},
    host::Cluster,
    jobs, kubelet,
    objects::{filed, id, put, runs_to_an_end, stored},
    paths::Objects,
    status::Refusal,
    views::{NAMESPACES, stamp},
};
use crate::sandbox::world::Tx;
use serde_json::{Value, json};

/// Whether a finalizer keeps it.
pub(super) fn is_held(row: &Value) -> bool {
    row["metadata"]["finalizers"].as_array().is_some_and(|list| !list.is_empty())
}

/// What becomes of what belongs to an object that goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Policy {
    /// It goes after it.
    #[default]
    Background,
    /// It goes before it.
    Foreground,
    /// It stays.
    Orphan,
}

impl Policy {
    /// As deletions name it.
    pub(super) fn read(text: &str) -> Result<Self, Refusal> {
        match text {
            "Background" => Ok(Self::Background),
            "Foreground" => Ok(Self::Foreground),
            "Orphan" => Ok(Self::Orphan),
            other => Err(Refusal::invalid(format!(
                "DeleteOptions.meta.k8s.io \"\" is invalid: propagationPolicy: Unsupported value: \"{other}\": supported values: \"Background\", \"Foreground\", \"Orphan\""
            ))),
        }
    }
}

/// Keeps an object until what belongs to it has gone.
const FOREGROUND: &str = "foregroundDeletion";

/// How an object is to go.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Going<'a> {
    /// Only the one with this uid.
    pub(super) uid: Option<&'a str>,
    /// What becomes of what belongs to it.
    pub(super) policy: Policy,
    /// How long a pod may take to end.
    pub(super) grace: Option<u64>,
    /// Nothing happens.
    pub(super) dry: bool,
}

/// Removes an object, or marks it when something must be done first. Returns it as it was last.
pub(super) fn delete(tx: &mut Tx<'_>, cluster: &Cluster, asked: &Objects, going: Going<'_>) -> Result<Value, Refusal> {
    let dry = going.dry;
    if asked.kind.plural == "namespaces" && asked.name.as_deref().is_some_and(|name| NAMESPACES.contains(&name)) {
        let name = asked.name.as_deref().unwrap_or_default();
        return Err(Refusal::forbidden(format!(
            "namespaces \"{name}\" is forbidden: this namespace may not be deleted"
        )));
    }
    let mut row = stored(tx, cluster, asked)?;
    if let Some(wanted) = going.uid.filter(|uid| row["metadata"]["uid"] != json!(uid)) {
        let (plural, name) = (asked.kind.plural, asked.name.as_deref().unwrap_or_default());
        let has = row["metadata"]["uid"].as_str().unwrap_or_default();
        return Err(Refusal::conflict(format!(
            "Operation cannot be fulfilled on {plural} \"{name}\": Precondition failed: UID in precondition: {wanted}, UID in object meta: {has}"
        )));
    }
    if dry {
        return Ok(row);
    }
    if runs_to_an_end(asked.kind, &row) {
        return Ok(kubelet::delete(tx, cluster, &row, going.grace));
    }
    if row["metadata"]["deletionTimestamp"].is_string() {
        return Ok(row);
    }
    row["metadata"]["deletionTimestamp"] = json!(stamp(tx.now()));
    row["metadata"]["deletionGracePeriodSeconds"] = json!(0);
    let waits = |(_, child): &(&Kind, Value)| holds_back(child, &row);
    if going.policy == Policy::Foreground && owned(tx, cluster, &row).iter().any(waits) {
        let mut all = row["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
        all.push(json!(FOREGROUND));
        row["metadata"]["finalizers"] = json!(all);
    }
    if is_held(&row) || asked.kind.plural == "namespaces" {
        if asked.kind.plural == "namespaces" {
            row["status"] = json!({"phase": "Terminating"});
        }
        let row = put(tx, cluster, asked.kind, row, |_| {});
        controllers::changed(tx, cluster, asked.kind, &row);
        if going.policy == Policy::Foreground {
            collect(tx, cluster, &row);
        }
        return Ok(row);
    }
    remove(tx, cluster, asked.kind, &row);
    if going.policy == Policy::Orphan {
        orphan(tx, cluster, &row);
    } else {
        collect(tx, cluster, &row);
    }
    controllers::removed(tx, cluster, asked.kind);
    Ok(row)
}

/// Takes an object out. Whoever waited for it to go before itself goes then, too.
pub(super) fn remove(tx: &mut Tx<'_>, cluster: &Cluster, kind: &Kind, row: &Value) {
    let text = |of: &Value, key: &str| of[key].as_str().unwrap_or_default().to_owned();
    let namespace = row["metadata"]["namespace"].as_str();
    tx.remove(&cluster.scope, filed(kind), &id(cluster, namespace, &text(&row["metadata"], "name")));
    for owner in row["metadata"]["ownerReferences"].as_array().into_iter().flatten() {
        let group = text(owner, "apiVersion");
        let group = group.rsplit_once('/').map_or("", |(group, _)| group);
        let Some(of) = KINDS.iter().find(|of| of.group == group && owner["kind"] == json!(of.kind)) else { continue };
        let key = id(cluster, namespace.filter(|_| of.namespaced), &text(owner, "name"));
        let found = tx.get(&cluster.scope, filed(of), &key).filter(|it| it.doc["metadata"]["uid"] == owner["uid"]);
        let Some(mut above) = found.map(|object| object.doc.clone()) else { continue };
        let finalizers = above["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
        let waits = finalizers.contains(&json!(FOREGROUND));
        if waits && !owned(tx, cluster, &above).iter().any(|(_, child)| holds_back(child, &above)) {
            let left: Vec<Value> = finalizers.into_iter().filter(|it| *it != json!(FOREGROUND)).collect();
            above["metadata"]["finalizers"] = json!(left);
            if is_held(&above) {
                put(tx, cluster, of, above, |_| {});
            } else {
                remove(tx, cluster, of, &above);
            }
        }
    }
}

/// Whether its owner, when it goes after what belongs to it, waits for this one.
fn holds_back(child: &Value, owner: &Value) -> bool {
    let owners = child["metadata"]["ownerReferences"].as_array().into_iter().flatten();
    owners.into_iter().any(|it| it["uid"] == owner["metadata"]["uid"] && it["blockOwnerDeletion"] == json!(true))
}

/// What is owned by this object.
fn owned(tx: &Tx<'_>, cluster: &Cluster, row: &Value) -> Vec<(&'static Kind, Value)> {
    let mut found = Vec::new();
    for kind in KINDS.iter().filter(|kind| kind.source == Source::Stored) {
        let inside = tx.list(&cluster.scope, filed(kind)).filter(|o| o.parent.as_deref() == Some(cluster.id.as_str()));
        let owned = inside.filter(|object| {
            let owners = object.doc["metadata"]["ownerReferences"].as_array().into_iter().flatten();
            owners.into_iter().any(|owner| owner["uid"] == row["metadata"]["uid"])
        });
        found.extend(owned.map(|object| (kind, object.doc.clone())));
    }
    found
}

/// The garbage collector: what belongs to an object that is gone goes.
fn collect(tx: &mut Tx<'_>, cluster: &Cluster, row: &Value) {
    for (kind, child) in owned(tx, cluster, row) {
        cascade(tx, cluster, kind, &child);
    }
}

/// The opposite: it stays, and belongs to nobody.
fn orphan(tx: &mut Tx<'_>, cluster: &Cluster, row: &Value) {
    for (kind, mut child) in owned(tx, cluster, row) {
        let owners = child["metadata"]["ownerReferences"].as_array().cloned().unwrap_or_default();
        let left: Vec<Value> = owners.into_iter().filter(|owner| owner["uid"] != row["metadata"]["uid"]).collect();
        child["metadata"]["ownerReferences"] = json!(left);
        let child = put(tx, cluster, kind, child, |_| {});
        if kind.plural == "pods" {
            jobs::pod_changed(tx, cluster, &child);
        }
    }
}

/// Removes an object after what belongs to it; no harm where it is gone already.
pub(super) fn cascade(tx: &mut Tx<'_>, cluster: &Cluster, kind: &'static Kind, row: &Value) {
    let text = |key: &str| row["metadata"][key].as_str().map(str::to_owned);
    let one = Objects { kind, namespace: text("namespace"), name: text("name"), sub: None };
    // It was there a moment ago; nothing else refuses.
    let uid = row["metadata"]["uid"].as_str();
    let _ = delete(tx, cluster, &one, Going { uid, policy: Policy::Foreground, ..Going::default() });
}
