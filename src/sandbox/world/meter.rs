//! What the pretend clouds would bill: which object was billed by what, from when to when, by the world's own clock.
//!
//! A record for checks: whoever adds it up with a price table has the bill, and needs no word of a client's. An object is
//! on the meter from the moment when it is usable, as the vendors bill machines and gateways, until nothing of it is billed.

use super::{Key, Object};
use crate::model::{Cloud, Usage};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One object's time at one rate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Span {
    /// Which object.
    #[serde(flatten)]
    pub key: Key,
    /// Whose cloud.
    pub cloud: Cloud,
    /// What it is billed by.
    pub usage: Vec<Usage>,
    /// From when.
    pub from: Timestamp,
    /// Until when; none while it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
}

/// All spans since the world was made.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Meter {
    /// Those that are over, in the order of their ends.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    over: Vec<Span>,
    /// Those that go on.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", with = "spans")]
    open: BTreeMap<Key, Span>,
}

impl Meter {
    /// Takes note of an object as it is from now on; none where it is gone.
    pub(super) fn note(&mut self, at: Timestamp, key: &Key, object: Option<&Object>) {
        let billed = object.filter(|object| !object.usage.is_empty() && !object.is_gone());
        let going_on = self.open.get(key);
        if let (Some(span), Some(object)) = (going_on, billed)
            && span.usage == object.usage
        {
            return;
        }
        let was_on = going_on.is_some();
        if let Some(span) = self.open.remove(key) {
            self.over.push(Span { to: Some(at), ..span });
        }
        // What is on its way costs nothing yet; what is on its way out does.
        if let Some(object) = billed.filter(|object| was_on || object.due.is_none()) {
            let (cloud, usage) = (object.cloud, object.usage.clone());
            self.open.insert(key.clone(), Span { key: key.clone(), cloud, usage, from: at, to: None });
        }
    }

    /// All of them, those that are over first.
    pub(super) fn spans(&self) -> impl Iterator<Item = &Span> {
        self.over.iter().chain(self.open.values())
    }
}

/// Keys are no text, so open spans are kept as a list.
mod spans {
    use super::{BTreeMap, Key, Span};
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(open: &BTreeMap<Key, Span>, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(open.values())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<Key, Span>, D::Error> {
        Ok(Vec::<Span>::deserialize(from)?.into_iter().map(|span| (span.key.clone(), span)).collect())
    }
}
