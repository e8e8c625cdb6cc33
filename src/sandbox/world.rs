//! The sandbox's durable memory: every object of every cloud, and the log it is rebuilt from.
//!
//! Everything a request changes is one [`Tx`]; it becomes one line of the log, durable before the reply leaves, or nothing.
//! A torn last line is as if the request had never come. This file knows no vendor and no wall clock.

use crate::model::{Cloud, Usage};
use jiff::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    time::Duration,
};

/// What sort of thing an object is: the service's signing name and the service's own word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind {
    /// `ec2`, `iam`, `eks`, `kubernetes`.
    pub service: &'static str,
    /// `vpc`, `role`, `cluster`.
    pub kind: &'static str,
}

impl Kind {
    /// Declares a kind: `const VPC: Kind = Kind::new("ec2", "vpc");`
    pub const fn new(service: &'static str, kind: &'static str) -> Self {
        Self { service, kind }
    }
}

/// Whose and where. Objects of global services live in region [`Scope::GLOBAL`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Scope {
    /// Account, project or subscription.
    pub account: String,
    /// Region.
    pub region: String,
}

impl Scope {
    /// The region of services that have none (IAM).
    pub const GLOBAL: &'static str = "global";

    /// A scope.
    pub fn new(account: impl Into<String>, region: impl Into<String>) -> Self {
        Self { account: account.into(), region: region.into() }
    }

    /// The account's global scope.
    pub fn global(account: impl Into<String>) -> Self {
        Self::new(account, Self::GLOBAL)
    }
}

/// An object's full name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    account: String,
    region: String,
    service: String,
    kind: String,
    id: String,
}

impl Key {
    /// A key.
    pub fn new(scope: &Scope, kind: Kind, id: impl Into<String>) -> Self {
        Self {
            account: scope.account.clone(),
            region: scope.region.clone(),
            service: kind.service.to_owned(),
            kind: kind.kind.to_owned(),
            id: id.into(),
        }
    }
}

/// Who made an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// A client, by a call.
    Api,
    /// A controller inside a cluster or a service on the client's behalf (load balancers, ENIs, node instances).
    Controller,
    /// There from the start (default VPC); not counted in totals.
    Builtin,
    /// Put there by a test or a rehearsal script.
    Seeded,
}

impl Origin {
    /// The word in documents.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Controller => "controller",
            Self::Builtin => "builtin",
            Self::Seeded => "seeded",
        }
    }
}

/// Something that happens to an object by itself at a point of virtual time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Due {
    /// When, virtual.
    pub at: Timestamp,
    /// What, in the service's own words; handed back to [`super::aws::Service::due`].
    pub what: String,
}

/// One object of a cloud.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Object {
    /// Cloud.
    pub cloud: Cloud,
    /// Service, by signing name.
    pub service: String,
    /// Kind within the service.
    pub kind: String,
    /// Id, unique within account, region and kind.
    pub id: String,
    /// Name, if it has one besides the id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Account.
    pub account: String,
    /// Region, [`Scope::GLOBAL`] for global services.
    pub region: String,
    /// The vendor's status word.
    pub state: String,
    /// Tags.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// Id of what it lives in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// Who made it.
    pub created_by: Origin,
    /// When, virtual.
    pub created_at: Timestamp,
    /// What is billed while it stands; empty = free.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub usage: Vec<Usage>,
    /// What happens to it next by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Due>,
    /// Idempotency token of the call that made it, as `token` or `token/fingerprint of parameters`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// Searches (by tag, by filter) do not see it before this virtual time; reads by id may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visible_at: Option<Timestamp>,
    /// It is a tombstone: still listed in its final state, forgotten at this virtual time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gone_at: Option<Timestamp>,
    /// Everything else, in a shape its service chooses.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub doc: Value,
}

impl Object {
    /// An AWS object made now by the caller; the rest is filled in with struct update or assignments.
    pub fn new(scope: &Scope, kind: Kind, id: impl Into<String>, now: Timestamp) -> Self {
        Self {
            cloud: Cloud::Aws,
            service: kind.service.to_owned(),
            kind: kind.kind.to_owned(),
            id: id.into(),
            name: None,
            account: scope.account.clone(),
            region: scope.region.clone(),
            state: String::new(),
            tags: BTreeMap::new(),
            parent: None,
            created_by: Origin::Api,
            created_at: now,
            usage: Vec::new(),
            due: None,
            token: None,
            visible_at: None,
            gone_at: None,
            doc: Value::Null,
        }
    }

    /// Its key.
    pub fn key(&self) -> Key {
        Key {
            account: self.account.clone(),
            region: self.region.clone(),
            service: self.service.clone(),
            kind: self.kind.clone(),
            id: self.id.clone(),
        }
    }

    /// Where it lives.
    pub fn scope(&self) -> Scope {
        Scope::new(&self.account, &self.region)
    }

    /// Whether it is of this kind.
    pub fn is(&self, kind: Kind) -> bool {
        self.service == kind.service && self.kind == kind.kind
    }

    /// Whether it is a tombstone.
    pub fn is_gone(&self) -> bool {
        self.gone_at.is_some()
    }

    /// A text field of the document; empty when absent.
    pub fn text(&self, field: &str) -> &str {
        self.doc.get(field).and_then(Value::as_str).unwrap_or_default()
    }

    /// Sets a field of the document, making the document a map if it was nothing.
    pub fn set(&mut self, field: &str, value: impl Into<Value>) {
        if !self.doc.is_object() {
            self.doc = Value::Object(serde_json::Map::new());
        }
        if let Some(map) = self.doc.as_object_mut() {
            map.insert(field.to_owned(), value.into());
        }
    }

    /// The document as the service's own type. The service wrote it, so it reads back.
    pub fn read<T: DeserializeOwned>(&self) -> T {
        serde_json::from_value(self.doc.clone()).expect("a service reads the documents it wrote")
    }

    /// Replaces the document.
    pub fn write<T: Serialize>(&mut self, doc: &T) {
        self.doc = serde_json::to_value(doc).expect("sandbox documents have string keys");
    }
}

/// What is fixed when a world is made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Birth {
    /// Format of the log.
    pub version: u32,
    /// Eight hexadecimal digits.
    pub id: String,
    /// All randomness of the world follows from it.
    pub seed: u64,
    /// Virtual time at the start.
    pub epoch: Timestamp,
    /// How sluggish the clouds are and what they allow.
    #[serde(default)]
    pub settings: Settings,
}

/// How sluggish the clouds are and what they allow. Times are virtual.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Settings {
    /// Until a search sees a new object, in milliseconds, drawn from this range.
    pub read_lag_ms: (u64, u64),
    /// Until other services see an IAM change, in milliseconds, drawn from this range.
    pub iam_lag_ms: (u64, u64),
    /// Faults of servers started without any of their own.
    pub faults: String,
    /// Service quotas that differ from the vendor's default: `ec2/L-0263D0A3` → 2.
    pub quotas: BTreeMap<String, f64>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { read_lag_ms: (0, 3_000), iam_lag_ms: (2_000, 10_000), faults: String::new(), quotas: BTreeMap::new() }
    }
}

/// Where the running servers listen; not part of the durable world.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Site {
    /// `http://127.0.0.1:4711`: all AWS services and the control endpoints.
    pub aws_url: String,
    /// `https://127.0.0.1:4712`: the Kubernetes API servers, each under a path of its own.
    pub kubernetes_url: String,
    /// The certificate authority both sides trust, PEM.
    pub ca_pem: String,
}

/// How often an operation was called.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpCount {
    /// Whether it changes anything (DESIGN: the mutating-call definition).
    pub mutating: bool,
    /// Calls.
    pub count: u64,
    /// Of these, calls answered with an error.
    pub failed: u64,
}

/// One line of the log.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    birth: Option<Birth>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rev: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    draws: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    settings: Option<Settings>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    put: Vec<Object>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    del: Vec<Key>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    ops: BTreeMap<String, OpCount>,
}

/// Where the world's lines go. The file behind it belongs to the store room.
pub trait Log: Send {
    /// Appends one line (without its line feed). With `sync` it returns only when the line is durable.
    fn append(&mut self, line: &str, sync: bool) -> io::Result<()>;
    /// Replaces the whole log atomically.
    fn replace(&mut self, lines: &[String]) -> io::Result<()>;
}

/// A log that forgets: for unit tests and for looking at a world without owning it.
#[derive(Debug, Default)]
pub struct NoLog;

impl Log for NoLog {
    fn append(&mut self, _: &str, _: bool) -> io::Result<()> {
        Ok(())
    }
    fn replace(&mut self, _: &[String]) -> io::Result<()> {
        Ok(())
    }
}

/// Why a log could not be read.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// A line that is not the last does not parse.
    #[error("line {line} of the sandbox's log is damaged: {why}")]
    Damaged {
        /// Counted from one.
        line: usize,
        /// The parser's words.
        why: String,
    },
    /// Written by a newer kubewright.
    #[error("the sandbox's log has format {0}, this kubewright reads up to {VERSION}")]
    Newer(u32),
    /// The log does not begin with the world's birth.
    #[error("the sandbox's log has no beginning")]
    Headless,
    /// The disk said no.
    #[error("cannot write the sandbox's log: {0}")]
    Io(#[from] io::Error),
}

/// Format of the log this build writes.
pub const VERSION: u32 = 1;

/// All objects, indexed.
#[derive(Debug, Default)]
struct State {
    objects: BTreeMap<Key, Object>,
    /// Due transitions and tombstones' ends, in time order.
    agenda: BTreeSet<(Timestamp, Key)>,
}

impl State {
    fn agenda_times(object: &Object) -> impl Iterator<Item = Timestamp> {
        object.due.as_ref().map(|due| due.at).into_iter().chain(object.gone_at)
    }

    /// Puts or removes; returns what was there.
    fn set(&mut self, key: Key, object: Option<Object>) -> Option<Object> {
        let before = self.objects.remove(&key);
        if let Some(before) = &before {
            for at in Self::agenda_times(before) {
                self.agenda.remove(&(at, key.clone()));
            }
        }
        if let Some(object) = object {
            for at in Self::agenda_times(&object) {
                self.agenda.insert((at, key.clone()));
            }
            self.objects.insert(key, object);
        }
        before
    }
}

/// The world: its birth, its objects, its clock's last reading, its request counts.
pub struct World {
    birth: Birth,
    settings: Settings,
    state: State,
    now: Timestamp,
    revision: u64,
    draws: u64,
    ops: BTreeMap<String, OpCount>,
    ops_unsaved: BTreeSet<String>,
    site: Site,
    log: Box<dyn Log>,
}

/// Marks an account and region whose built-in objects have been made.
const FURNISHED: Kind = Kind::new("sandbox", "furnished");

impl World {
    /// A new world; its birth is durable when this returns.
    pub fn create(birth: Birth, mut log: Box<dyn Log>) -> Result<Self, WorldError> {
        log.replace(&[encode(&Line { birth: Some(birth.clone()), ..Line::default() })])?;
        Ok(Self::empty(birth, log))
    }

    fn empty(birth: Birth, log: Box<dyn Log>) -> Self {
        Self {
            settings: birth.settings.clone(),
            now: birth.epoch,
            birth,
            state: State::default(),
            revision: 0,
            draws: 0,
            ops: BTreeMap::new(),
            ops_unsaved: BTreeSet::new(),
            site: Site::default(),
            log,
        }
    }

    /// Reads a world back from whole lines; whoever read the file has dropped a torn last one.
    ///
    /// # Errors
    /// A line is damaged, the format is newer, or the birth is missing.
    pub fn read(lines: &[Vec<u8>], log: Box<dyn Log>) -> Result<Self, WorldError> {
        let parse = |(index, raw): (usize, &Vec<u8>)| {
            serde_json::from_slice::<Line>(raw)
                .map_err(|error| WorldError::Damaged { line: index + 1, why: error.to_string() })
        };
        let mut lines = lines.iter().enumerate().map(parse);
        let birth = lines.next().ok_or(WorldError::Headless)??.birth.ok_or(WorldError::Headless)?;
        if birth.version > VERSION {
            return Err(WorldError::Newer(birth.version));
        }
        let mut world = Self::empty(birth, log);
        for line in lines {
            world.apply(line?);
        }
        Ok(world)
    }

    fn apply(&mut self, line: Line) {
        if let Some(settings) = line.settings {
            self.settings = settings;
        }
        self.now = line.at.unwrap_or(self.now).max(self.now);
        self.revision = line.rev.unwrap_or(self.revision);
        self.draws = line.draws.unwrap_or(self.draws);
        for object in line.put {
            self.state.set(object.key(), Some(object));
        }
        for key in line.del {
            self.state.set(key, None);
        }
        self.ops.extend(line.ops);
    }

    /// Rewrites the log as one birth and one line of everything. Done when a server starts.
    pub fn compact(&mut self) -> Result<(), WorldError> {
        let birth = encode(&Line { birth: Some(self.birth.clone()), ..Line::default() });
        let all = encode(&Line {
            at: Some(self.now),
            rev: Some(self.revision),
            draws: Some(self.draws),
            settings: Some(self.settings.clone()),
            put: self.state.objects.values().cloned().collect(),
            ops: self.ops.clone(),
            ..Line::default()
        });
        self.log.replace(&[birth, all])?;
        self.ops_unsaved.clear();
        Ok(())
    }

    /// What was fixed at the start.
    pub fn birth(&self) -> &Birth {
        &self.birth
    }

    /// How sluggish and how generous.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Changes the settings, durably.
    pub fn change_settings(&mut self, settings: Settings) -> Result<(), WorldError> {
        self.settings = settings.clone();
        let line = Line { settings: Some(settings), at: Some(self.now), ..Line::default() };
        self.log.append(&encode(&line), true)?;
        Ok(())
    }

    /// Where the servers listen.
    pub fn site(&self) -> &Site {
        &self.site
    }

    /// Says where the servers listen.
    pub fn set_site(&mut self, site: Site) {
        self.site = site;
    }

    /// Whether the built-in objects of this scope have been made.
    pub fn is_furnished(&self, scope: &Scope) -> bool {
        self.state.objects.contains_key(&Key::new(scope, FURNISHED, ""))
    }

    /// Virtual time of the last change or tick.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Counts changes; Kubernetes resource versions follow it.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// All objects, in key order.
    pub fn objects(&self) -> impl Iterator<Item = &Object> {
        self.state.objects.values()
    }

    /// Call counts by `service:Operation`.
    pub fn ops(&self) -> &BTreeMap<String, OpCount> {
        &self.ops
    }

    /// Counts a call. Made durable with the next change or tick.
    pub fn count(&mut self, op: &str, mutating: bool, failed: bool) {
        let entry = self.ops.entry(op.to_owned()).or_default();
        entry.mutating = mutating;
        entry.count += 1;
        entry.failed += u64::from(failed);
        self.ops_unsaved.insert(op.to_owned());
    }

    fn take_ops(&mut self) -> BTreeMap<String, OpCount> {
        let unsaved = std::mem::take(&mut self.ops_unsaved);
        unsaved.into_iter().filter_map(|op| self.ops.get(&op).cloned().map(|count| (op, count))).collect()
    }

    /// Notes the time and the counts. With `sync` durably, otherwise a crash may forget it.
    pub fn tick(&mut self, now: Timestamp, sync: bool) -> Result<(), WorldError> {
        self.now = self.now.max(now);
        let line = Line { at: Some(self.now), ops: self.take_ops(), ..Line::default() };
        self.log.append(&encode(&line), sync)?;
        Ok(())
    }

    /// When something next happens by itself.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.state.agenda.first().map(|(at, _)| *at)
    }

    /// Begins a group of changes at this virtual time (never before the last one).
    pub fn begin(&mut self, now: Timestamp) -> Tx<'_> {
        self.now = self.now.max(now);
        let now = self.now;
        Tx { world: self, now, undo: Vec::new(), committed: false }
    }

    /// Lets everything happen that is due up to `now`, in time order; `happen` is given each object with its due.
    /// Durable when it returns. Returns how many transitions happened.
    pub fn advance(
        &mut self,
        now: Timestamp,
        mut happen: impl FnMut(&mut Tx<'_>, &Object, &str),
    ) -> Result<usize, WorldError> {
        let mut count = 0;
        while let Some((at, key)) = self.state.agenda.first().filter(|(at, _)| *at <= now).cloned() {
            count += 1;
            let mut tx = self.begin(at);
            tx.now = at;
            let object = tx.world.state.objects.get(&key).cloned().expect("the agenda names objects that stand");
            match &object.due {
                Some(due) if due.at == at => {
                    tx.put(Object { due: None, ..object.clone() });
                    happen(&mut tx, &object, &due.what);
                }
                _ => tx.remove_key(key),
            }
            tx.commit_unsynced()?;
        }
        if count > 0 {
            self.tick(now, true)?;
        }
        Ok(count)
    }
}

/// A group of changes: all durable at [`Tx::commit`], or undone when dropped without it.
pub struct Tx<'w> {
    world: &'w mut World,
    now: Timestamp,
    undo: Vec<(Key, Option<Object>)>,
    committed: bool,
}

impl<'w> Tx<'w> {
    /// Virtual time of this call.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// How sluggish and how generous the clouds are.
    pub fn settings(&self) -> &Settings {
        &self.world.settings
    }

    /// Where the servers listen, for replies that name endpoints.
    pub fn site(&self) -> &Site {
        &self.world.site
    }

    /// Notes that the built-in objects of this scope have been made.
    pub fn mark_furnished(&mut self, scope: &Scope) {
        let mut mark = Object::new(scope, FURNISHED, "", self.now);
        mark.created_by = Origin::Builtin;
        self.put(mark);
    }

    /// The revision this group will have once committed.
    pub fn revision(&self) -> u64 {
        self.world.revision + 1
    }

    /// An object by id, tombstones included.
    pub fn get(&self, scope: &Scope, kind: Kind, id: &str) -> Option<&Object> {
        self.world.state.objects.get(&Key::new(scope, kind, id))
    }

    /// An object by id, unless it is a tombstone.
    pub fn live(&self, scope: &Scope, kind: Kind, id: &str) -> Option<&Object> {
        self.get(scope, kind, id).filter(|object| !object.is_gone())
    }

    /// All objects of a kind in a scope, in id order, tombstones included.
    pub fn list<'a>(&'a self, scope: &Scope, kind: Kind) -> impl Iterator<Item = &'a Object> + use<'a, 'w> {
        let start = Key::new(scope, kind, "");
        let of = start.clone();
        let from = self.world.state.objects.range(start..).map(|(_, object)| object);
        from.take_while(move |object| {
            object.kind == of.kind
                && object.service == of.service
                && object.region == of.region
                && object.account == of.account
        })
    }

    /// As [`Tx::list`], without tombstones.
    pub fn list_live<'a>(&'a self, scope: &Scope, kind: Kind) -> impl Iterator<Item = &'a Object> + use<'a, 'w> {
        self.list(scope, kind).filter(|object| !object.is_gone())
    }

    /// As [`Tx::list`], but as a search sees it now: without what is not visible yet.
    pub fn search<'a>(&'a self, scope: &Scope, kind: Kind) -> impl Iterator<Item = &'a Object> + use<'a, 'w> {
        let now = self.now;
        self.list(scope, kind).filter(move |object| object.visible_at.is_none_or(|at| at <= now))
    }

    /// Every object of the world, for rules that cross services.
    pub fn all(&self) -> impl Iterator<Item = &Object> {
        self.world.state.objects.values()
    }

    /// Puts an object, new or changed.
    pub fn put(&mut self, object: Object) {
        let key = object.key();
        let before = self.world.state.set(key.clone(), Some(object));
        self.undo.push((key, before));
    }

    /// Changes an object in place; `None` when it is not there.
    pub fn update<R>(
        &mut self,
        scope: &Scope,
        kind: Kind,
        id: &str,
        change: impl FnOnce(&mut Object) -> R,
    ) -> Option<R> {
        let mut object = self.get(scope, kind, id)?.clone();
        let result = change(&mut object);
        self.put(object);
        Some(result)
    }

    /// Removes an object without a trace; returns it.
    pub fn remove(&mut self, scope: &Scope, kind: Kind, id: &str) -> Option<Object> {
        let key = Key::new(scope, kind, id);
        let object = self.world.state.objects.get(&key).cloned()?;
        self.remove_key(key);
        Some(object)
    }

    fn remove_key(&mut self, key: Key) {
        let before = self.world.state.set(key.clone(), None);
        self.undo.push((key, before));
    }

    /// Leaves an object listed in a final state for a while: `deleted`, `terminated`. It no longer bills or changes.
    pub fn bury(&mut self, scope: &Scope, kind: Kind, id: &str, state: &str, listed_for: Duration) {
        let gone_at = self.now + listed_for;
        self.update(scope, kind, id, |object| {
            object.state = state.to_owned();
            object.usage.clear();
            object.due = None;
            object.gone_at = Some(gone_at);
        });
    }

    /// 64 bits that follow from the world's seed and how many were drawn before.
    pub fn bits(&mut self) -> u64 {
        self.world.draws += 1;
        mix(self.world.birth.seed.wrapping_add(self.world.draws.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }

    /// A number in `0..bound` (0 for a bound of 0).
    pub fn below(&mut self, bound: u64) -> u64 {
        let bits = self.bits();
        if bound == 0 { 0 } else { bits % bound }
    }

    /// A span between the two.
    pub fn between(&mut self, from: Duration, to: Duration) -> Duration {
        let width = to.saturating_sub(from).as_millis() as u64;
        from + Duration::from_millis(self.below(width + 1))
    }

    /// A span in milliseconds from a settings range.
    pub fn draw_ms(&mut self, range: (u64, u64)) -> Duration {
        self.between(Duration::from_millis(range.0), Duration::from_millis(range.1))
    }

    /// When a search will see what is made now.
    pub fn read_lag(&mut self) -> Timestamp {
        let range = self.world.settings.read_lag_ms;
        self.now + self.draw_ms(range)
    }

    /// Hexadecimal digits.
    pub fn hex(&mut self, digits: usize) -> String {
        let mut text = String::new();
        while text.len() < digits {
            text.push_str(&format!("{:016x}", self.bits()));
        }
        text.truncate(digits);
        text
    }

    /// Capital letters and digits, as in IAM's unique ids and EKS endpoints.
    pub fn letters(&mut self, count: usize) -> String {
        const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        (0..count).map(|_| char::from(ALPHABET[self.below(32) as usize])).collect()
    }

    /// An EC2 id: `vpc-0` and sixteen digits.
    pub fn id(&mut self, prefix: &str) -> String {
        format!("{prefix}-0{}", self.hex(16))
    }

    /// A UUID, as in update ids and request ids.
    pub fn uuid(&mut self) -> String {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.bits().to_be_bytes());
        bytes[8..].copy_from_slice(&self.bits().to_be_bytes());
        uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
    }

    fn line(&mut self) -> Option<Line> {
        let touched: BTreeSet<Key> = self.undo.iter().map(|(key, _)| key.clone()).collect();
        if touched.is_empty() {
            return None;
        }
        let mut line = Line { at: Some(self.now), draws: Some(self.world.draws), ..Line::default() };
        self.world.revision += 1;
        line.rev = Some(self.world.revision);
        for key in touched {
            match self.world.state.objects.get(&key) {
                Some(object) => line.put.push(object.clone()),
                None => line.del.push(key),
            }
        }
        Some(line)
    }

    fn finish(mut self, sync: bool, with_ops: bool) -> Result<bool, WorldError> {
        let Some(mut line) = self.line() else {
            self.committed = true;
            return Ok(false);
        };
        if with_ops {
            line.ops = self.world.take_ops();
        }
        self.world.log.append(&encode(&line), sync)?;
        self.committed = true;
        Ok(true)
    }

    /// Makes the group durable. Says whether anything changed.
    pub fn commit(self) -> Result<bool, WorldError> {
        self.finish(true, true)
    }

    fn commit_unsynced(self) -> Result<bool, WorldError> {
        self.finish(false, false)
    }
}

impl Drop for Tx<'_> {
    fn drop(&mut self) {
        if !self.committed {
            for (key, before) in self.undo.drain(..).rev() {
                self.world.state.set(key, before);
            }
        }
    }
}

fn encode(line: &Line) -> String {
    serde_json::to_string(line).expect("lines have string keys")
}

/// SplitMix64's finaliser.
const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    const VPC: Kind = Kind::new("ec2", "vpc");

    /// A log in memory that can refuse to write.
    #[derive(Debug, Clone, Default)]
    struct Memory(Arc<Mutex<(Vec<String>, bool)>>);

    impl Log for Memory {
        fn append(&mut self, line: &str, _: bool) -> io::Result<()> {
            let mut inner = self.0.lock().unwrap();
            if inner.1 {
                return Err(io::Error::other("full"));
            }
            inner.0.push(line.to_owned());
            Ok(())
        }
        fn replace(&mut self, lines: &[String]) -> io::Result<()> {
            self.0.lock().unwrap().0 = lines.to_vec();
            Ok(())
        }
    }

    impl Memory {
        fn lines(&self) -> Vec<Vec<u8>> {
            self.0.lock().unwrap().0.iter().map(|line| line.clone().into_bytes()).collect()
        }
    }

    fn birth() -> Birth {
        let epoch = "2026-01-01T00:00:00Z".parse().unwrap();
        Birth { version: VERSION, id: "00c0ffee".to_owned(), seed: 7, epoch, settings: Settings::default() }
    }

    fn scope() -> Scope {
        Scope::new("123456789012", "us-east-1")
    }

    fn add(world: &mut World, id: &str) {
        let now = world.now();
        let mut tx = world.begin(now);
        tx.bits();
        tx.put(Object::new(&scope(), VPC, id, now));
        assert!(tx.commit().unwrap());
    }

    fn all(world: &World) -> Vec<Object> {
        world.objects().cloned().collect()
    }

    #[test]
    fn a_world_reads_back_and_compacts() {
        let memory = Memory::default();
        let mut world = World::create(birth(), Box::new(memory.clone())).unwrap();
        for id in ["vpc-1", "vpc-2", "vpc-3"] {
            add(&mut world, id);
        }
        let now = world.now() + Duration::from_secs(5);
        let mut tx = world.begin(now);
        tx.remove(&scope(), VPC, "vpc-2");
        tx.update(&scope(), VPC, "vpc-3", |vpc| vpc.state = "available".to_owned());
        tx.commit().unwrap();
        world.count("ec2:DescribeVpcs", false, true);
        world.tick(now, true).unwrap();
        let mut read = World::read(&memory.lines(), Box::new(memory.clone())).unwrap();
        let state = |world: &World| (all(world), world.now(), world.revision(), world.draws, world.ops().clone());
        assert_eq!(state(&read), state(&world));
        assert_eq!(read.ops()["ec2:DescribeVpcs"], OpCount { mutating: false, count: 1, failed: 1 });
        read.compact().unwrap();
        assert_eq!(memory.lines().len(), 2);
        let again = World::read(&memory.lines(), Box::new(NoLog)).unwrap();
        assert_eq!(state(&again), state(&world));
    }

    #[test]
    fn a_call_is_whole_or_never_was() {
        let memory = Memory::default();
        let mut world = World::create(birth(), Box::new(memory.clone())).unwrap();
        add(&mut world, "vpc-1");
        let (before, lines) = (all(&world), memory.lines());
        let now = world.now();
        let mut tx = world.begin(now);
        tx.put(Object::new(&scope(), VPC, "vpc-2", now));
        tx.update(&scope(), VPC, "vpc-1", |vpc| vpc.state = "changed".to_owned());
        tx.remove(&scope(), VPC, "vpc-1");
        drop(tx);
        assert_eq!((all(&world), memory.lines()), (before.clone(), lines));
        memory.0.lock().unwrap().1 = true;
        let mut tx = world.begin(now);
        tx.put(Object::new(&scope(), VPC, "vpc-3", now));
        assert!(tx.commit().is_err());
        assert_eq!(all(&world), before, "what could not be written did not happen");
    }

    #[test]
    fn every_prefix_of_the_log_is_a_world() {
        let memory = Memory::default();
        let mut world = World::create(birth(), Box::new(memory.clone())).unwrap();
        for id in ["vpc-1", "vpc-2", "vpc-3"] {
            add(&mut world, id);
        }
        let lines = memory.lines();
        for kept in 1..=lines.len() {
            let read = World::read(&lines[..kept], Box::new(NoLog)).unwrap();
            assert_eq!(read.objects().count(), kept - 1);
        }
        assert!(matches!(World::read(&[], Box::new(NoLog)), Err(WorldError::Headless)));
        let mut bad = lines.clone();
        bad[1].truncate(10);
        assert!(matches!(World::read(&bad, Box::new(NoLog)), Err(WorldError::Damaged { line: 2, .. })));
        let newer = Birth { version: VERSION + 1, ..birth() };
        let newer = encode(&Line { birth: Some(newer), ..Line::default() }).into_bytes();
        assert!(matches!(World::read(&[newer], Box::new(NoLog)), Err(WorldError::Newer(2))));
    }

    #[test]
    fn what_is_due_happens_in_order_at_its_own_time() {
        let mut world = World::create(birth(), Box::new(NoLog)).unwrap();
        let start = world.now();
        let mut tx = world.begin(start);
        for (id, secs) in [("vpc-b", 20), ("vpc-a", 10)] {
            let mut vpc = Object::new(&scope(), VPC, id, start);
            vpc.due = Some(Due { at: start + Duration::from_secs(secs), what: "available".to_owned() });
            tx.put(vpc);
        }
        tx.commit().unwrap();
        let mut seen = Vec::new();
        let happened = world.advance(start + Duration::from_secs(60), |tx, object, what| {
            seen.push((object.id.clone(), what.to_owned(), tx.now()));
            let (scope, id) = (object.scope(), object.id.clone());
            tx.update(&scope, VPC, &id, |vpc| vpc.state = what.to_owned());
            if id == "vpc-a" {
                tx.bury(&scope, VPC, &id, "deleted", Duration::from_secs(15));
            }
        });
        assert_eq!(happened.unwrap(), 3, "two transitions and the end of a tombstone");
        let at = |secs| start + Duration::from_secs(secs);
        let want = [("vpc-a", "available", at(10)), ("vpc-b", "available", at(20))];
        assert_eq!(seen, want.map(|(id, what, at)| (id.to_owned(), what.to_owned(), at)));
        let left = all(&world);
        assert_eq!((left.len(), left[0].id.as_str(), left[0].due.is_none()), (1, "vpc-b", true));
        assert_eq!((world.now(), world.next_due()), (at(60), None));
    }

    #[test]
    fn searches_lag_and_randomness_follows_the_seed() {
        let run = || {
            let mut world = World::create(birth(), Box::new(NoLog)).unwrap();
            let now = world.now();
            let mut tx = world.begin(now);
            let id = tx.id("vpc");
            let mut vpc = Object::new(&scope(), VPC, &id, now);
            vpc.visible_at = Some(now + Duration::from_secs(2));
            tx.put(vpc);
            assert_eq!((tx.list(&scope(), VPC).count(), tx.search(&scope(), VPC).count()), (1, 0));
            tx.commit().unwrap();
            let mut tx = world.begin(now + Duration::from_secs(2));
            assert_eq!(tx.search(&scope(), VPC).count(), 1);
            (id, tx.uuid(), tx.letters(8))
        };
        assert_eq!(run(), run());
        assert!(run().0.starts_with("vpc-0") && run().0.len() == 21);
    }
}
