//! One object of a pretend cloud, and how it is named.

use crate::model::{Cloud, Usage};
use jiff::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::collections::BTreeMap;

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
    pub(super) account: String,
    pub(super) region: String,
    pub(super) service: String,
    pub(super) kind: String,
    pub(super) id: String,
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
    /// What, in the service's own words; handed back to [`crate::sandbox::hub::PretendCloud::due`].
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
    /// A fault has it end in its vendor's failed state instead of the usable one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub doomed: bool,
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
            doomed: false,
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
