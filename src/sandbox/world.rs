//! The sandbox's durable memory: every object of every cloud, and the log it is rebuilt from.
//!
//! Everything a request changes is one [`Tx`]; it becomes one line of the log, durable before the reply leaves, or nothing.
//! A torn last line is as if the request had never come. This file knows no vendor and no wall clock.

mod log;
mod meter;
mod object;
#[cfg(test)]
mod tests;
mod tx;

pub use self::log::{Log, NoLog, VERSION, WorldError};
pub use meter::Span;
pub use object::{Due, Key, Kind, Object, Origin, Scope};
pub use tx::Tx;

use self::{
    log::{Line, encode},
    meter::Meter,
};
use super::conditions::Conditions;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

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
    /// Regions that this account cannot use, and why. Left out where there are none, so that older servers read it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub closed: BTreeMap<String, Closed>,
    /// IAM policies of the accounts' permanent users; none at all lets them do everything.
    pub policies: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            read_lag_ms: (0, 3_000),
            iam_lag_ms: (2_000, 10_000),
            faults: String::new(),
            quotas: BTreeMap::new(),
            closed: BTreeMap::new(),
            policies: Vec::new(),
        }
    }
}

/// Why a region is of no use to the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Closed {
    /// Nobody turned it on: credentials are unknown there.
    Off,
    /// A policy of the organisation denies every call but those to global services.
    Denied,
    /// It does not answer.
    Silent,
}

/// Where the running servers listen; not part of the durable world.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Site {
    /// `http://127.0.0.1:4711`: all AWS services and the control endpoints.
    pub aws_url: String,
    /// `https://127.0.0.1:4712`: the Kubernetes API servers, each under a path of its own.
    pub kubernetes_url: String,
    /// `http://127.0.0.1:4713`: Google's APIs, told apart by path.
    pub gcp_url: String,
    /// `https://localhost:4714`: Azure Resource Manager and Entra.
    pub azure_url: String,
    /// The certificate authority both sides trust, PEM.
    pub ca_pem: String,
}

/// How often an operation was called.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpCount {
    /// Whether it changes anything: all but Describe, Get, List, Simulate and AssumeRole.
    pub mutating: bool,
    /// Calls.
    pub count: u64,
    /// Of these, calls answered with an error.
    pub failed: u64,
}

/// How often an action was asked for, by its own call or by another's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Times it was allowed.
    pub allowed: u64,
    /// Times it was denied.
    pub denied: u64,
}

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
    /// What the log says.
    settings: Settings,
    /// What this server was told on top; not in the log.
    conditions: Conditions,
    /// Both together.
    effective: Settings,
    state: State,
    now: Timestamp,
    revision: u64,
    draws: u64,
    ops: BTreeMap<String, OpCount>,
    ops_unsaved: BTreeSet<String>,
    actions: BTreeMap<String, Asked>,
    actions_unsaved: BTreeSet<String>,
    meter: Meter,
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
            conditions: Conditions::default(),
            effective: birth.settings.clone(),
            now: birth.epoch,
            birth,
            state: State::default(),
            revision: 0,
            draws: 0,
            ops: BTreeMap::new(),
            ops_unsaved: BTreeSet::new(),
            actions: BTreeMap::new(),
            actions_unsaved: BTreeSet::new(),
            meter: Meter::default(),
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
            self.effective = self.conditions.over(&self.settings);
        }
        self.now = line.at.unwrap_or(self.now).max(self.now);
        self.revision = line.rev.unwrap_or(self.revision);
        self.draws = line.draws.unwrap_or(self.draws);
        // What was due comes to the log after the time that was reached meanwhile.
        let at = line.at.unwrap_or(self.now);
        for object in line.put {
            self.meter.note(at, &object.key(), Some(&object));
            self.state.set(object.key(), Some(object));
        }
        for key in line.del {
            self.meter.note(at, &key, None);
            self.state.set(key, None);
        }
        // A line that holds everything tells of each object that it is there, and here since when.
        if let Some(meter) = line.meter {
            self.meter = meter;
        }
        self.ops.extend(line.ops);
        self.actions.extend(line.actions);
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
            actions: self.actions.clone(),
            meter: Some(self.meter.clone()),
            ..Line::default()
        });
        self.log.replace(&[birth, all])?;
        self.ops_unsaved.clear();
        self.actions_unsaved.clear();
        Ok(())
    }

    /// What was fixed at the start.
    pub fn birth(&self) -> &Birth {
        &self.birth
    }

    /// How sluggish and how generous, as things are now.
    pub fn in_force(&self) -> &Settings {
        &self.effective
    }

    /// As long as this server lives: what it was told to do otherwise than the world says.
    pub fn set_conditions(&mut self, conditions: Conditions) {
        self.effective = conditions.over(&self.settings);
        self.conditions = conditions;
    }

    /// Changes the settings, durably; what the server was told before counts no more.
    pub fn change_settings(&mut self, settings: Settings) -> Result<(), WorldError> {
        self.settings = settings.clone();
        self.set_conditions(Conditions::default());
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

    /// What has been billed, from when to when.
    pub fn spans(&self) -> impl Iterator<Item = &Span> {
        self.meter.spans()
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

    /// How often each action was asked for.
    pub fn actions(&self) -> &BTreeMap<String, Asked> {
        &self.actions
    }

    /// Counts a question. Made durable with the next change or tick.
    fn note_question(&mut self, action: &str, allowed: bool) {
        let entry = self.actions.entry(action.to_owned()).or_default();
        entry.allowed += u64::from(allowed);
        entry.denied += u64::from(!allowed);
        self.actions_unsaved.insert(action.to_owned());
    }

    fn take_actions(&mut self) -> BTreeMap<String, Asked> {
        let unsaved = std::mem::take(&mut self.actions_unsaved);
        unsaved.into_iter().filter_map(|name| self.actions.get(&name).cloned().map(|asked| (name, asked))).collect()
    }

    fn take_ops(&mut self) -> BTreeMap<String, OpCount> {
        let unsaved = std::mem::take(&mut self.ops_unsaved);
        unsaved.into_iter().filter_map(|op| self.ops.get(&op).cloned().map(|count| (op, count))).collect()
    }

    /// Notes the time and the counts. With `sync` durably, otherwise a crash may forget it.
    pub fn tick(&mut self, now: Timestamp, sync: bool) -> Result<(), WorldError> {
        self.now = self.now.max(now);
        let line = Line { at: Some(self.now), ops: self.take_ops(), actions: self.take_actions(), ..Line::default() };
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
        Tx { world: self, now, undo: Vec::new(), committed: false, dooming: false }
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
