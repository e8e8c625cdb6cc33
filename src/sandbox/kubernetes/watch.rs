//! Watches: a stream of events made by comparing what is there with what the client knows.
//!
//! Of history only the lists are kept that this server answered lately, and what watches saw. A watch begins at any revision
//! since one of those; from an older one it is `410 Gone`, and the client lists again, as it must with a real server too.

use super::{
    discovery::Kind,
    objects,
    paths::Objects,
    reply::respond_with,
    server::{Trouble, reachable},
    status::Refusal,
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

/// How many states are remembered.
const REMEMBERED: usize = 128;
/// A watch that has nothing to say says so this often, where it is asked to.
const BOOKMARKS: Duration = Duration::from_secs(60);

/// Everything of a kind in a cluster at a revision.
#[derive(Debug, Clone)]
struct Listed {
    uid: String,
    plural: &'static str,
    revision: u64,
    rows: Arc<Vec<Value>>,
}

/// What was listed lately, and what watches saw.
#[derive(Debug, Default)]
pub(super) struct Lists(Mutex<VecDeque<Listed>>);

impl Lists {
    /// Notes everything of a kind, whatever of it was asked for.
    pub(super) fn remember(&self, uid: &str, kind: &'static Kind, revision: u64, rows: &[Value]) {
        let mut lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let last = lists.iter().filter(|it| it.uid == uid && it.plural == kind.plural).max_by_key(|it| it.revision);
        // Nothing changed since.
        if last.is_some_and(|last| *last.rows == rows) {
            return;
        }
        if lists.len() >= REMEMBERED {
            lists.pop_front();
        }
        let rows = Arc::new(rows.to_vec());
        lists.push_back(Listed { uid: uid.to_owned(), plural: kind.plural, revision, rows });
    }

    /// The last state that is remembered up to this revision, with its own.
    pub(super) fn recall(&self, uid: &str, kind: &Kind, revision: u64) -> Option<(u64, Arc<Vec<Value>>)> {
        let lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |it: &&Listed| it.uid == uid && it.plural == kind.plural && it.revision <= revision;
        let last = lists.iter().filter(fits).max_by_key(|it| it.revision)?;
        Some((last.revision, Arc::clone(&last.rows)))
    }
}

/// Where a watch begins.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Since {
    /// The state that it is made from.
    pub(super) base: u64,
    /// What the client has seen already.
    pub(super) seen: u64,
}

/// How a watch is to speak.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Manner {
    /// For how long, in real seconds.
    pub(super) seconds: u64,
    /// A table of one row in each event.
    pub(super) table: Option<Include>,
    /// It says where it stands from time to time.
    pub(super) bookmarks: bool,
    /// It says when everything that is there has been told.
    pub(super) initial: bool,
}

/// Which objects are watched.
#[derive(Debug, Clone)]
pub(super) struct Scene {
    pub(super) uid: String,
    pub(super) at: Objects,
    pub(super) labels: Option<String>,
    pub(super) fields: Option<String>,
}

impl Scene {
    /// Those of everything there is.
    pub(super) fn among(&self, rows: &[Value]) -> Result<Vec<Value>, Refusal> {
        let namespace = self.at.namespace.as_deref();
        let within = rows.iter().filter(|row| namespace.is_none_or(|ns| row["metadata"]["namespace"] == json!(ns)));
        objects::select(within.cloned().collect(), self.labels.as_deref(), self.fields.as_deref())
    }
}

/// A watch about to be streamed.
#[derive(Debug)]
pub(super) struct Watch {
    /// None for a revision nobody remembers.
    scene: Option<Scene>,
    lists: Arc<Lists>,
    known: BTreeMap<String, Value>,
    since: Since,
    /// The revision that was looked at last.
    at: u64,
    manner: Manner,
    over: bool,
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

/// The revision of an object.
fn revision_of(row: &Value) -> Option<u64> {
    row["metadata"]["resourceVersion"].as_str()?.parse().ok()
}

/// The events that lead from what is known to what is there: first what went, then what came, as it came.
fn events(known: &BTreeMap<String, Value>, now: &BTreeMap<String, Value>) -> Vec<Value> {
    let gone = known
        .iter()
        .filter(|(key, _)| !now.contains_key(*key))
        .map(|(_, row)| json!({"type": "DELETED", "object": row}));
    let mut there: Vec<(&String, &Value)> = now.iter().collect();
    there.sort_by_key(|(_, row)| revision_of(row));
    let come = there.into_iter().filter_map(|(key, row)| match known.get(key) {
        None => Some(json!({"type": "ADDED", "object": row})),
        Some(before) if differ(before, row) => Some(json!({"type": "MODIFIED", "object": row})),
        Some(_) => None,
    });
    gone.chain(come).collect()
}

impl Watch {
    /// A watch of objects that the client knows in this state.
    pub(super) fn new(scene: Scene, lists: &Arc<Lists>, known: Vec<Value>, since: Since, manner: Manner) -> Self {
        let known = known.into_iter().map(|row| (key(&row), row)).collect();
        Self { scene: Some(scene), lists: Arc::clone(lists), known, since, at: since.seen, manner, over: false }
    }

    /// A watch from a revision nobody remembers.
    pub(super) fn expired() -> Self {
        Self {
            scene: None,
            lists: Arc::default(),
            known: BTreeMap::new(),
            since: Since::default(),
            at: 0,
            manner: Manner::default(),
            over: false,
        }
    }

    /// What is there now, and at which revision; none when the API server is gone.
    fn look(&self, hub: &Hub, scene: &Scene) -> Option<(BTreeMap<String, Value>, u64, Timestamp)> {
        let look = hub.transact(|tx| {
            let cluster = reachable(tx, &scene.uid).ok_or(Trouble::Silent)?;
            let revision = tx.revision().saturating_sub(1);
            let rows = objects::list(tx, &cluster, scene.at.kind, None, revision);
            self.lists.remember(&scene.uid, scene.at.kind, revision, &rows);
            let rows = scene.among(&rows).map_err(Trouble::No)?;
            Ok::<_, Trouble>((rows, revision, tx.now()))
        });
        let (rows, revision, now) = look.ok()?;
        Some((rows.into_iter().map(|row| (key(&row), row)).collect(), revision, now))
    }

    /// The events that bring the client to this state, in the form that was asked for.
    fn told(&self, scene: &Scene, there: &BTreeMap<String, Value>, now: Timestamp) -> String {
        let seen = |row: &Value| revision_of(row).is_some_and(|at| self.since.base < at && at <= self.since.seen);
        let mut lines = String::new();
        for mut event in events(&self.known, there) {
            if event["type"] == json!("DELETED") {
                // Who is cut off here has yet to hear what came at the same time: it goes on from where this began.
                let version = self.at.max(revision_of(&event["object"]).unwrap_or_default());
                event["object"]["metadata"]["resourceVersion"] = json!(version.to_string());
            } else if seen(&event["object"]) {
                continue;
            }
            if let Some(include) = self.manner.table {
                let row = event["object"].take();
                let version = row["metadata"]["resourceVersion"].clone();
                event["object"] = table::table(scene.at.kind, &[row], include, now, &version);
            }
            lines.push_str(&format!("{event}\n"));
        }
        lines
    }

    /// The next events, in lines; none when the stream ends.
    async fn next(&mut self, hub: &Hub, until: Instant) -> Option<String> {
        let Some(scene) = self.scene.clone() else {
            // Said once, then the stream ends.
            return (!std::mem::replace(&mut self.over, true)).then(gone);
        };
        let mut changes = hub.changes();
        let mut bookmark = Instant::now() + BOOKMARKS;
        loop {
            changes.mark_unchanged();
            let (there, revision, now) = self.look(hub, &scene)?;
            let mut lines = self.told(&scene, &there, now);
            (self.known, self.at) = (there, revision);
            if std::mem::take(&mut self.manner.initial) {
                lines.push_str(&bookmarked(scene.at.kind, revision, true));
            } else if lines.is_empty() && self.manner.bookmarks && Instant::now() >= bookmark {
                lines = bookmarked(scene.at.kind, revision, false);
            }
            if !lines.is_empty() {
                return Some(lines);
            }
            let next = if self.manner.bookmarks { until.min(bookmark.max(Instant::now())) } else { until };
            match timeout_at(next, changes.changed()).await {
                Ok(changed) => changed.ok()?,
                Err(_) if Instant::now() >= until => return None,
                Err(_) => bookmark = bookmark.min(Instant::now()),
            }
        }
    }

    /// Streams until the time is up, the server stops, or the cluster goes.
    pub(super) fn respond(self, hub: Arc<Hub>) -> Response<Body> {
        let until = Instant::now() + Duration::from_secs(self.manner.seconds.clamp(1, 3_600));
        let stream = futures::stream::unfold((self, hub), move |(mut watch, hub)| async move {
            let lines = watch.next(&hub, until).await?;
            Some((Bytes::from(lines), (watch, hub)))
        });
        respond_with("application/json", stream)
    }
}

/// The revision is too old.
fn gone() -> String {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": "Expired", "code": 410,
        "message": "The resourceVersion for the provided watch is too old.",
    });
    format!("{}\n", json!({"type": "ERROR", "object": status}))
}

/// Where a watch stands; `initial` where everything that was there has been told.
fn bookmarked(kind: &Kind, revision: u64, initial: bool) -> String {
    let mut meta = json!({"resourceVersion": revision.to_string(), "creationTimestamp": null});
    if initial {
        meta["annotations"] = json!({"k8s.io/initial-events-end": "true"});
    }
    let object = json!({"kind": kind.kind, "apiVersion": kind.api_version(), "metadata": meta});
    format!("{}\n", json!({"type": "BOOKMARK", "object": object}))
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
    fn only_what_is_remembered_can_be_watched_from() {
        let (lists, nodes) = (Lists::default(), Kind::find("", "nodes").expect("served"));
        lists.remember("u", nodes, 7, &[json!({})]);
        lists.remember("u", nodes, 9, &[]);
        let recall = |uid, revision| lists.recall(uid, nodes, revision).map(|(base, rows)| (base, rows.len()));
        assert_eq!((recall("u", 7), recall("u", 8), recall("u", 9)), (Some((7, 1)), Some((7, 1)), Some((9, 0))));
        assert_eq!((recall("u", 6), recall("v", 7)), (None, None));
    }

    #[test]
    fn what_the_client_has_seen_is_not_told_again() {
        let kind = Kind::find("", "pods").expect("served");
        let at = Objects { kind, namespace: None, name: None, sub: None };
        let scene = Scene { uid: "u".to_owned(), at, labels: None, fields: None };
        let known = vec![row("a", "3", 1).1, row("b", "5", 1).1, row("c", "2", 1).1];
        let since = Since { base: 5, seen: 8 };
        let watch = Watch::new(scene.clone(), &Arc::default(), known, since, Manner::default());
        // `a` changed before the client's revision, `b` after it; `c` went; `d` came before it.
        let there = BTreeMap::from([row("a", "7", 2), row("b", "9", 2), row("d", "8", 1)]);
        let told = watch.told(&scene, &there, Timestamp::UNIX_EPOCH);
        let of = |line: &str| serde_json::from_str::<Value>(line).expect("a document");
        let told: Vec<Value> = told.lines().map(of).collect();
        let show = |it: &Value| format!("{} {}", it["type"], it["object"]["metadata"]);
        let told: Vec<String> = told.iter().map(show).collect();
        assert_eq!(
            told,
            [r#""DELETED" {"uid":"c","resourceVersion":"8"}"#, r#""MODIFIED" {"uid":"b","resourceVersion":"9"}"#,]
        );
    }
}
