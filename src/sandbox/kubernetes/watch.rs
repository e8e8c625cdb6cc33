//! Watches: a stream of events made by comparing what is there with what the client knows.
//!
//! No history is kept. A watch begins at a list this server answered lately; from any other revision it is `410 Gone`,
//! and the client lists again, as it must with a real server too.

use super::{
    discovery::Kind,
    objects,
    paths::Objects,
    server::{Trouble, reachable, respond_with},
    table::{self, Include},
};
use crate::sandbox::{hub::Hub, server::Body};
use hyper::{Response, body::Bytes};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::{Instant, timeout_at};

/// How many lists are remembered.
const REMEMBERED: usize = 128;

/// A list that was answered: of which cluster and kind, at which revision, with what in it.
type Listed = (String, &'static str, u64, Vec<Value>);

/// Lists answered lately.
#[derive(Default)]
pub(super) struct Lists(Mutex<VecDeque<Listed>>);

impl Lists {
    /// Notes a list.
    pub(super) fn remember(&self, uid: &str, kind: &'static Kind, revision: u64, rows: &[Value]) {
        let mut lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lists.len() >= REMEMBERED {
            lists.pop_front();
        }
        lists.push_back((uid.to_owned(), kind.plural, revision, rows.to_vec()));
    }

    /// What a list at this revision held.
    pub(super) fn recall(&self, uid: &str, kind: &Kind, revision: &str) -> Option<Vec<Value>> {
        let revision: u64 = revision.parse().ok()?;
        let lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |(u, k, r, _): &&Listed| u == uid && *k == kind.plural && *r == revision;
        lists.iter().rev().find(fits).map(|(_, _, _, rows)| rows.clone())
    }
}

/// A watch about to be streamed.
#[derive(Debug)]
pub(super) struct Watch {
    uid: String,
    at: Option<Objects>,
    labels: Option<String>,
    fields: Option<String>,
    known: BTreeMap<String, Value>,
    seconds: u64,
    table: Option<Include>,
}

fn key(row: &Value) -> String {
    row["metadata"]["uid"].as_str().unwrap_or_default().to_owned()
}

/// Whether two states of an object differ in more than the revision.
fn differ(a: &Value, b: &Value) -> bool {
    let bare = |row: &Value| {
        let mut row = row.clone();
        if let Some(meta) = row["metadata"].as_object_mut() {
            meta.remove("resourceVersion");
        }
        row
    };
    bare(a) != bare(b)
}

/// The events that lead from what is known to what is there.
fn events(known: &BTreeMap<String, Value>, now: &BTreeMap<String, Value>) -> Vec<Value> {
    let gone = known
        .iter()
        .filter(|(key, _)| !now.contains_key(*key))
        .map(|(_, row)| json!({"type": "DELETED", "object": row}));
    let come = now.iter().filter_map(|(key, row)| match known.get(key) {
        None => Some(json!({"type": "ADDED", "object": row})),
        Some(before) if differ(before, row) => Some(json!({"type": "MODIFIED", "object": row})),
        Some(_) => None,
    });
    gone.chain(come).collect()
}

impl Watch {
    /// A watch of objects that the client knows in this state.
    pub(super) fn new(
        uid: &str,
        at: &Objects,
        selectors: (Option<String>, Option<String>),
        known: Vec<Value>,
        seconds: u64,
    ) -> Self {
        let known = known.into_iter().map(|row| (key(&row), row)).collect();
        let (labels, fields) = selectors;
        Self { uid: uid.to_owned(), at: Some(at.clone()), labels, fields, known, seconds, table: None }
    }

    /// The same with a table of one row in each event.
    pub(super) fn in_tables(self, table: Option<Include>) -> Self {
        Self { table, ..self }
    }

    /// An event in the form that was asked for.
    fn shown(&self, mut event: Value, at: &Objects, now: Timestamp) -> Value {
        if let Some(include) = self.table {
            let row = event["object"].take();
            let version = row["metadata"]["resourceVersion"].clone();
            event["object"] = table::table(at.kind, &[row], include, now, &version);
        }
        event
    }

    /// A watch from a revision nobody remembers.
    pub(super) const fn expired() -> Self {
        Self {
            uid: String::new(),
            at: None,
            labels: None,
            fields: None,
            known: BTreeMap::new(),
            seconds: 0,
            table: None,
        }
    }

    /// What is there now; none when the API server is gone.
    fn look(&self, hub: &Hub, at: &Objects) -> Option<(BTreeMap<String, Value>, Timestamp)> {
        let look = hub.transact(|tx| {
            let cluster = reachable(tx, &self.uid).ok_or(Trouble::Silent)?;
            let revision = tx.revision().saturating_sub(1);
            let rows = objects::list(tx, &cluster, at.kind, at.namespace.as_deref(), revision);
            let rows = objects::select(rows, self.labels.as_deref(), self.fields.as_deref()).map_err(Trouble::No)?;
            Ok::<_, Trouble>((rows, tx.now()))
        });
        let (rows, now) = look.ok()?;
        Some((rows.into_iter().map(|row| (key(&row), row)).collect(), now))
    }

    /// The next events, in lines; none when the stream ends.
    async fn next(&mut self, hub: &Hub, until: Instant) -> Option<String> {
        let Some(at) = self.at.clone() else {
            // Said once, then the stream ends.
            return (std::mem::replace(&mut self.seconds, 1) == 0).then(|| {
                let status = json!({
                    "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": "Expired", "code": 410,
                    "message": "The resourceVersion for the provided watch is too old.",
                });
                format!("{}\n", json!({"type": "ERROR", "object": status}))
            });
        };
        let mut changes = hub.changes();
        loop {
            changes.mark_unchanged();
            let (there, now) = self.look(hub, &at)?;
            let told = events(&self.known, &there).into_iter().map(|event| self.shown(event, &at, now));
            let lines: String = told.map(|event| format!("{event}\n")).collect();
            self.known = there;
            if !lines.is_empty() {
                return Some(lines);
            }
            timeout_at(until, changes.changed()).await.ok()?.ok()?;
        }
    }

    /// Streams until the time is up, the server stops, or the cluster goes.
    pub(super) fn respond(self, hub: Arc<Hub>) -> Response<Body> {
        let until = Instant::now() + Duration::from_secs(self.seconds.clamp(1, 3_600));
        let stream = futures::stream::unfold((self, hub), move |(mut watch, hub)| async move {
            let lines = watch.next(&hub, until).await?;
            Some((Bytes::from(lines), (watch, hub)))
        });
        respond_with("application/json", stream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(uid: &str, revision: &str, data: u32) -> (String, Value) {
        (uid.to_owned(), json!({"metadata": {"uid": uid, "resourceVersion": revision}, "data": data}))
    }

    #[test]
    fn events_tell_the_difference() {
        let known = BTreeMap::from([row("a", "1", 1), row("b", "1", 1), row("c", "1", 1)]);
        let now = BTreeMap::from([row("b", "9", 1), row("c", "9", 2), row("d", "9", 1)]);
        let told: Vec<(String, String)> = events(&known, &now)
            .iter()
            .map(|e| {
                (e["type"].as_str().unwrap().to_owned(), e["object"]["metadata"]["uid"].as_str().unwrap().to_owned())
            })
            .collect();
        let own = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(told, [own("DELETED", "a"), own("MODIFIED", "c"), own("ADDED", "d")]);
    }

    #[test]
    fn only_remembered_lists_can_be_watched_from() {
        let (lists, nodes) = (Lists::default(), Kind::find("", "nodes").expect("served"));
        lists.remember("u", nodes, 7, &[json!({})]);
        assert_eq!(lists.recall("u", nodes, "7").map(|rows| rows.len()), Some(1));
        assert!(lists.recall("u", nodes, "6").is_none() && lists.recall("v", nodes, "7").is_none());
        assert!(lists.recall("u", nodes, "x").is_none());
    }
}
