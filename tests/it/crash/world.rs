//! An in-memory cloud: objects with kinds, tags, parents, tokens and names; reads that lag; requests that land late;
//! nothing can be deleted while it is used. It outlives the processes that talk to it.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// How far reads lag behind.
pub const LAG_SECS: i64 = 3;
/// How long a request may be on its way after its sender died.
pub const FLIGHT_SECS: i64 = 5;
/// What a plan for this world has to wait for: lag and flight, and a little more.
pub const SETTLE_SECS: u32 = 9;

/// What the kinds of this world share and differ in; a step's params.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(default)]
pub struct Traits {
    /// Seconds until usable.
    pub ready_secs: i64,
    /// Seconds a deletion takes.
    pub gone_secs: i64,
    /// A second creation under one name replaces the first instead of being refused.
    pub put: bool,
    /// Honours tokens.
    pub tokens: bool,
    /// Needs a follow-up before it counts as whole.
    pub follow_up: bool,
    /// When usable, it makes objects of its own: a load balancer, and an interface inside the first thing it uses.
    pub causes: bool,
    /// So many of them never become usable.
    pub breaks: u32,
    /// Broken for lack of capacity.
    pub sold_out: bool,
    /// Stands inside its parent, does not hold it, and goes when that goes.
    pub inside: bool,
    /// The moment its name is free somebody else takes it; the name is the id.
    pub coveted: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    pub id: String,
    pub kind: String,
    pub name: Option<String>,
    pub tags: BTreeMap<String, String>,
    pub parent: Option<String>,
    pub uses: BTreeSet<String>,
    pub traits: Traits,
    pub created_at: Timestamp,
    pub broken: bool,
    pub followed_up: bool,
    pub caused_by: Option<String>,
    /// Being deleted; gone from then on.
    pub gone_at: Option<Timestamp>,
    /// Not of our making.
    pub foreign: bool,
}

impl Object {
    pub fn exists(&self, now: Timestamp) -> bool {
        self.gone_at.is_none_or(|gone| gone > now)
    }

    fn visible(&self, now: Timestamp) -> bool {
        let lag = SignedDuration::from_secs(LAG_SECS);
        let seen_from = if self.foreign { self.created_at } else { self.created_at + lag };
        seen_from <= now && self.gone_at.is_none_or(|gone| gone + lag > now)
    }

    pub fn usable(&self, now: Timestamp) -> bool {
        !self.broken && self.created_at + SignedDuration::from_secs(self.traits.ready_secs) <= now
    }
}

/// A creation as it reaches the cloud.
#[derive(Debug, Clone, PartialEq)]
pub struct Creation {
    pub kind: String,
    pub name: Option<String>,
    pub tags: BTreeMap<String, String>,
    pub parent: Option<String>,
    pub uses: BTreeSet<String>,
    pub traits: Traits,
    pub token: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    Create(Creation),
    FollowUp(String),
    Delete(String),
}

/// Why the cloud says no. It then did nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    Exists,
    InUse(String),
    NotReady(String),
    NotFound,
}

#[derive(Debug, Clone, Default)]
pub struct World {
    pub objects: BTreeMap<String, Object>,
    on_their_way: Vec<(Timestamp, Request)>,
    tokens: BTreeMap<String, String>,
    made: BTreeMap<String, u32>,
    next: u32,
    /// The tag index is so late that a sweep finds nothing at all.
    pub sweep_is_blind: bool,
    /// Reads by id do not lag.
    pub ids_are_consistent: bool,
    /// A token that comes back with other tags is refused, as EC2 does, and not answered with the first object.
    pub tokens_are_strict: bool,
    /// What stands inside others can be neither seen nor touched.
    pub sealed: bool,
}

impl World {
    /// Lets time pass: late requests land, clusters make what they make.
    pub fn pass(&mut self, now: Timestamp) {
        let (due, waiting) = std::mem::take(&mut self.on_their_way).into_iter().partition(|(at, _)| *at <= now);
        self.on_their_way = waiting;
        let due: Vec<(Timestamp, Request)> = due;
        for (at, request) in due {
            // Its sender is dead: whatever the answer is, nobody hears it.
            let _ = self.act(request, at);
        }
        let ripe: Vec<Object> = self
            .objects
            .values()
            .filter(|object| object.traits.causes && object.exists(now) && object.usable(now))
            .filter(|object| object.gone_at.is_none())
            .cloned()
            .collect();
        for cluster in ripe {
            let made = self.objects.values().any(|object| object.caused_by.as_ref() == Some(&cluster.id));
            if !made && let Some(network) = cluster.uses.first().cloned() {
                self.cause(&cluster.id, "lb", None, now);
                self.cause(&cluster.id, "eni", Some(network), now);
            }
        }
    }

    fn cause(&mut self, cluster: &str, kind: &str, inside: Option<String>, now: Timestamp) {
        let id = self.draw(kind);
        let object = Object {
            id: id.clone(),
            kind: format!("w/{kind}"),
            name: None,
            tags: BTreeMap::new(),
            parent: None,
            uses: inside.into_iter().collect(),
            traits: Traits::default(),
            created_at: now,
            broken: false,
            followed_up: true,
            caused_by: Some(cluster.to_owned()),
            gone_at: None,
            foreign: false,
        };
        self.objects.insert(id, object);
    }

    fn draw(&mut self, kind: &str) -> String {
        self.next += 1;
        format!("{}-{}", kind.trim_start_matches("w/"), self.next)
    }

    /// A request whose sender is dead will arrive then.
    pub fn send_late(&mut self, request: Request, now: Timestamp) {
        self.on_their_way.push((now + SignedDuration::from_secs(FLIGHT_SECS), request));
    }

    /// The effect of a request; the id of what it made.
    pub fn act(&mut self, request: Request, now: Timestamp) -> Result<String, Refusal> {
        match request {
            Request::Create(creation) => self.create(creation, now),
            Request::FollowUp(id) => match self.objects.get_mut(&id).filter(|object| object.exists(now)) {
                Some(object) => {
                    object.followed_up = true;
                    Ok(id)
                }
                None => Err(Refusal::NotFound),
            },
            Request::Delete(id) => self.delete(&id, now),
        }
    }

    fn create(&mut self, new: Creation, now: Timestamp) -> Result<String, Refusal> {
        if let Some(id) = new.token.as_ref().and_then(|token| self.tokens.get(token)) {
            if self.tokens_are_strict && self.objects.get(id).is_none_or(|first| first.tags != new.tags) {
                return Err(Refusal::Exists);
            }
            return Ok(id.clone()); // even where that one is long gone
        }
        let twin = self.objects.values_mut().find(|object| {
            new.name.is_some()
                && object.exists(now)
                && (&object.kind, &object.name, &object.parent) == (&new.kind, &new.name, &new.parent)
        });
        if let Some(twin) = twin {
            return if new.traits.put && !twin.foreign { Ok(twin.id.clone()) } else { Err(Refusal::Exists) };
        }
        for id in new.uses.iter().chain(&new.parent) {
            match self.objects.get(id) {
                Some(used) if used.exists(now) && used.usable(now) && (used.followed_up || !used.traits.follow_up) => {}
                _ => return Err(Refusal::NotReady(id.clone())),
            }
        }
        let key = format!("{}{:?}{:?}", new.kind, new.name, new.tags.get("kubewright-step"));
        let made = self.made.entry(key).or_default();
        *made += 1;
        let broken = *made <= new.traits.breaks;
        let id = self.draw(&new.kind);
        self.tokens.extend(new.token.map(|token| (token, id.clone())));
        let object = Object {
            id: id.clone(),
            kind: new.kind,
            name: new.name,
            tags: new.tags,
            parent: new.parent,
            uses: new.uses,
            traits: new.traits,
            created_at: now,
            broken,
            followed_up: false,
            caused_by: None,
            gone_at: None,
            foreign: false,
        };
        self.objects.insert(id.clone(), object);
        Ok(id)
    }

    fn delete(&mut self, id: &str, now: Timestamp) -> Result<String, Refusal> {
        let user = self
            .objects
            .values()
            .filter(|other| !other.traits.inside)
            .find(|other| other.exists(now) && (other.uses.contains(id) || other.parent.as_deref() == Some(id)));
        if let Some(user) = user {
            return Err(Refusal::InUse(user.id.clone()));
        }
        match self.objects.get_mut(id) {
            Some(object) if object.exists(now) => {
                if object.traits.coveted {
                    (object.foreign, object.created_at) = (true, now);
                    object.tags.clear();
                    return Ok(id.to_owned());
                }
                let gone = now + SignedDuration::from_secs(object.traits.gone_secs);
                object.gone_at = Some(object.gone_at.unwrap_or(gone).min(gone));
                let inside = |other: &&mut Object| other.traits.inside && other.parent.as_deref() == Some(id);
                for other in self.objects.values_mut().filter(inside) {
                    other.gone_at = Some(other.gone_at.unwrap_or(gone).min(gone));
                }
                Ok(id.to_owned())
            }
            _ => Err(Refusal::NotFound),
        }
    }

    /// What reads show.
    pub fn visible(&self, now: Timestamp) -> impl Iterator<Item = &Object> {
        self.objects.values().filter(move |object| object.visible(now))
    }

    /// What a read by id shows.
    pub fn by_id(&self, id: &str, now: Timestamp) -> Option<&Object> {
        self.objects
            .get(id)
            .filter(|object| if self.ids_are_consistent { object.exists(now) } else { object.visible(now) })
    }

    /// What is really there and not foreign.
    pub fn ours(&self, now: Timestamp) -> Vec<&Object> {
        self.objects.values().filter(|object| !object.foreign && object.exists(now)).collect()
    }

    pub fn foreign(&self) -> Vec<&Object> {
        self.objects.values().filter(|object| object.foreign).collect()
    }

    /// Puts something there that is none of our business.
    pub fn plant(
        &mut self,
        kind: &str,
        name: Option<&str>,
        tags: &[(&str, &str)],
        uses: &[&str],
        now: Timestamp,
    ) -> String {
        let id = self.draw(&format!("foreign-{}", kind.trim_start_matches("w/")));
        let object = Object {
            id: id.clone(),
            kind: kind.to_owned(),
            name: name.map(str::to_owned),
            tags: tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            parent: None,
            uses: uses.iter().map(|id| (*id).to_owned()).collect(),
            traits: Traits::default(),
            created_at: now - SignedDuration::from_hours(24),
            broken: false,
            followed_up: true,
            caused_by: None,
            gone_at: None,
            foreign: true,
        };
        self.objects.insert(id.clone(), object);
        id
    }

    /// The world without ids and times: what two builds of one plan have in common, duplicates included.
    pub fn shape(&self, now: Timestamp) -> Vec<String> {
        let called = |id: &String| {
            let object = &self.objects[id];
            let step = object.tags.get("kubewright-step").or(object.name.as_ref());
            format!("{}:{}", object.kind, step.unwrap_or(&object.kind))
        };
        let mut shape: Vec<String> = self
            .ours(now)
            .into_iter()
            .map(|object| {
                let uses: Vec<String> = object.uses.iter().chain(&object.parent).map(called).collect();
                let whole = object.followed_up || !object.traits.follow_up;
                let run_free: Vec<_> = object.tags.iter().filter(|(key, _)| *key != "kubewright-run").collect();
                format!("{} {run_free:?} broken={} whole={whole} uses={uses:?}", called(&object.id), object.broken)
            })
            .collect();
        shape.sort();
        shape
    }
}
