//! EC2's own view of the world: typed documents over sandbox objects, id rules, tokens, read lag.
//! Every rule that looks something up goes through here, so that "not found", "malformed" and "not visible yet"
//! are said in one place. Makes no decision about what a resource may do.

use super::{fail, quota::Quota};
use crate::sandbox::{
    aws::{ApiError, servicequotas},
    world::{Kind, Object, Origin, Scope, Tx},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};

/// A kind of EC2 object with its document.
pub(crate) trait Thing: Serialize + DeserializeOwned {
    /// Kind in the world.
    const KIND: Kind;
    /// Ids are `PREFIX-` and 8 or 17 hexadecimal digits.
    const PREFIX: &'static str;
    /// Error code for an id nobody has.
    const NOT_FOUND: &'static str;
    /// Error code for an id of the wrong shape.
    const MALFORMED: &'static str;

    /// The message for an id nobody has.
    fn absent(id: &str) -> String;
}

/// An object with its document read.
pub(crate) struct Stored<T> {
    /// The object; its own document is stale until [`Ec2::save`].
    pub(crate) object: Object,
    /// The document.
    pub(crate) doc: T,
}

impl<T: Thing> Stored<T> {
    pub(crate) fn new(object: &Object) -> Self {
        Self { object: object.clone(), doc: object.read() }
    }

    /// The id.
    pub(crate) fn id(&self) -> &str {
        &self.object.id
    }

    /// The tags as every reply shows them; null when there are none.
    pub(crate) fn tag_set(&self) -> Value {
        tag_set(&self.object.tags)
    }
}

/// Tags as replies show them.
pub(crate) fn tag_set(tags: &BTreeMap<String, String>) -> Value {
    if tags.is_empty() {
        return Value::Null;
    }
    tags.iter().map(|(key, value)| json!({"key": key, "value": value})).collect()
}

/// One account's EC2 in one region, within one transaction.
pub(crate) struct Ec2<'a, 'w> {
    /// The transaction.
    pub(crate) tx: &'a mut Tx<'w>,
    /// Whose and where.
    pub(crate) scope: Scope,
}

impl<'a, 'w> Ec2<'a, 'w> {
    /// EC2 of this scope.
    pub(crate) fn new(tx: &'a mut Tx<'w>, scope: &Scope) -> Self {
        Self { tx, scope: scope.clone() }
    }

    /// Whether an object made a moment ago can be read by id already: ids become readable in the first third of
    /// the time searches need.
    fn readable(&self, object: &Object) -> bool {
        object
            .visible_at
            .is_none_or(|at| object.created_at + (at.duration_since(object.created_at) / 3) <= self.tx.now())
    }

    /// The object with this id, for a call that needs it to stand.
    pub(crate) fn find<T: Thing>(&self, id: &str) -> Result<Stored<T>, ApiError> {
        well_formed::<T>(id)?;
        let object = self.tx.live(&self.scope, T::KIND, id).filter(|object| self.readable(object));
        object.map(Stored::new).ok_or_else(|| fail(T::NOT_FOUND, T::absent(id)))
    }

    /// The object with this id if it stands, whatever clients can see yet.
    pub(crate) fn peek<T: Thing>(&self, id: &str) -> Option<Stored<T>> {
        peek(self.tx, &self.scope, id)
    }

    /// All that stand, whatever clients can see yet: what rules are judged by.
    pub(crate) fn all<T: Thing>(&self) -> Vec<Stored<T>> {
        all(self.tx, &self.scope)
    }

    /// What a Describe call looks at: the named ones (each must exist), or all that searches see. Tombstones count.
    pub(crate) fn listed<T: Thing>(&self, ids: &[String]) -> Result<Vec<Stored<T>>, ApiError> {
        if ids.is_empty() {
            return Ok(self.tx.search(&self.scope, T::KIND).map(Stored::new).collect());
        }
        let mut found = BTreeMap::new();
        for id in ids {
            well_formed::<T>(id)?;
            let object = self.tx.get(&self.scope, T::KIND, id).filter(|object| self.readable(object));
            let object = object.ok_or_else(|| fail(T::NOT_FOUND, T::absent(id)))?;
            found.insert(id.clone(), Stored::new(object));
        }
        Ok(found.into_values().collect())
    }

    /// A new object with a fresh id, made by a client's call and not yet in the world: [`Self::save`] puts it there.
    pub(crate) fn draft<T: Thing>(&mut self, doc: T, state: &str, tags: BTreeMap<String, String>) -> Stored<T> {
        let id = self.tx.id(T::PREFIX);
        let mut object = Object::new(&self.scope, T::KIND, id, self.tx.now());
        state.clone_into(&mut object.state);
        object.tags = tags;
        object.visible_at = Some(self.tx.read_lag());
        Stored { object, doc }
    }

    /// As [`Self::draft`], of another origin than a client's call and seen at once.
    pub(crate) fn draft_by<T: Thing>(&mut self, origin: Origin, doc: T, state: &str) -> Stored<T> {
        let mut stored = self.draft(doc, state, BTreeMap::new());
        stored.object.created_by = origin;
        stored.object.visible_at = None;
        stored
    }

    /// Puts the object with its document.
    pub(crate) fn save<T: Thing>(&mut self, stored: Stored<T>) {
        let Stored { mut object, doc } = stored;
        object.write(&doc);
        self.tx.put(object);
    }

    /// Removes the object without a trace.
    pub(crate) fn drop_object<T: Thing>(&mut self, id: &str) {
        self.tx.remove(&self.scope, T::KIND, id);
    }

    /// A span of virtual seconds between the two.
    pub(crate) fn seconds(&mut self, from: u64, to: u64) -> Duration {
        self.tx.between(Duration::from_secs(from), Duration::from_secs(to))
    }

    /// What an earlier call with this token made; the same token with other parameters is refused.
    pub(crate) fn repeated<T: Thing>(&self, token: Option<&str>, print: &str) -> Result<Option<Stored<T>>, ApiError> {
        let Some(token) = token else { return Ok(None) };
        for object in self.tx.list(&self.scope, T::KIND) {
            match object.token.as_deref().and_then(|held| held.rsplit_once('/')) {
                Some((held, first)) if held == token && first == print => return Ok(Some(Stored::new(object))),
                Some((held, _)) if held == token => {
                    return Err(fail(
                        "IdempotentParameterMismatch",
                        "Arguments on this idempotent request are inconsistent with arguments used in previous \
                         request(s).",
                    ));
                }
                _ => {}
            }
        }
        Ok(None)
    }

    /// How many this account may have.
    pub(crate) fn quota(&self, (service, code): Quota) -> usize {
        servicequotas::quota(self.tx, service, code) as usize
    }
}

/// As [`Ec2::peek`], for readers that hold no more than a look at the world.
pub(crate) fn peek<T: Thing>(tx: &Tx<'_>, scope: &Scope, id: &str) -> Option<Stored<T>> {
    tx.live(scope, T::KIND, id).map(Stored::new)
}

/// As [`Ec2::all`], for readers that hold no more than a look at the world.
pub(crate) fn all<T: Thing>(tx: &Tx<'_>, scope: &Scope) -> Vec<Stored<T>> {
    tx.list_live(scope, T::KIND).map(Stored::new).collect()
}

/// Refuses an id that no such object can have.
pub(crate) fn well_formed<T: Thing>(id: &str) -> Result<(), ApiError> {
    let digits = id.strip_prefix(T::PREFIX).and_then(|rest| rest.strip_prefix('-'));
    let valid = digits.is_some_and(|digits| {
        matches!(digits.len(), 8 | 17) && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    });
    if valid {
        return Ok(());
    }
    Err(fail(T::MALFORMED, format!("Invalid id: \"{id}\" (expecting \"{}-...\")", T::PREFIX)))
}
