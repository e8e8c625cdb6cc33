//! A group of changes to the world: all of them or none, in one line of the log.

use super::log::{Line, encode};
use super::{FURNISHED, Key, Kind, Object, Origin, Scope, Settings, Site, World, WorldError};
use jiff::Timestamp;
use std::{collections::BTreeSet, time::Duration};

/// A group of changes: all durable at [`Tx::commit`], or undone when dropped without it.
pub struct Tx<'w> {
    pub(super) world: &'w mut World,
    pub(super) now: Timestamp,
    pub(super) undo: Vec<(Key, Option<Object>)>,
    pub(super) committed: bool,
    pub(super) dooming: bool,
}

impl<'w> Tx<'w> {
    /// Virtual time of this call.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// How sluggish and how generous the clouds are.
    pub fn in_force(&self) -> &Settings {
        &self.world.effective
    }

    /// Counts that an action was asked for; that stays whatever becomes of the call.
    pub fn note_question(&mut self, action: &str, allowed: bool) {
        self.world.note_question(action, allowed);
    }

    /// What this call makes from here on, and what takes its time to become usable, never will be.
    pub fn doom(&mut self) {
        self.dooming = true;
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
    pub fn put(&mut self, mut object: Object) {
        let key = object.key();
        let is_new = self.world.state.objects.get(&key).is_none_or(Object::is_gone);
        object.doomed |= self.dooming && object.due.is_some() && is_new;
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

    pub(super) fn remove_key(&mut self, key: Key) {
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
        let range = self.world.effective.read_lag_ms;
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
            line.actions = self.world.take_actions();
        }
        self.world.log.append(&encode(&line), sync)?;
        self.committed = true;
        for object in &line.put {
            self.world.meter.note(self.now, &object.key(), Some(object));
        }
        for key in &line.del {
            self.world.meter.note(self.now, key, None);
        }
        Ok(true)
    }

    /// Makes the group durable. Says whether anything changed.
    pub fn commit(self) -> Result<bool, WorldError> {
        self.finish(true, true)
    }

    pub(super) fn commit_unsynced(self) -> Result<bool, WorldError> {
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

/// SplitMix64's finaliser.
const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
