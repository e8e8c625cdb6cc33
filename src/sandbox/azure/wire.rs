//! What a call is asked with and answered with: ARM's errors, answers, and what a handler sees of a request.

use super::{entra::Caller, path::Target};
use crate::sandbox::world::{Tx, WorldError};
use serde_json::{Map, Value, json};

/// A refusal in ARM's shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArmError {
    /// HTTP status.
    pub http: u16,
    /// Code.
    pub code: String,
    /// Message.
    pub message: String,
    /// What it is about, where ARM says so.
    pub target: Option<String>,
    /// Codes and messages inside.
    pub details: Vec<(String, String)>,
    /// Headers besides.
    pub headers: Vec<(&'static str, String)>,
}

impl ArmError {
    /// A refusal.
    pub fn new(http: u16, code: &str, message: impl Into<String>) -> Self {
        let (code, message) = (code.to_owned(), message.into());
        Self { http, code, message, target: None, details: Vec::new(), headers: Vec::new() }
    }

    /// A 400.
    pub fn bad(code: &str, message: impl Into<String>) -> Self {
        Self::new(400, code, message)
    }

    /// A 409.
    pub fn conflict(code: &str, message: impl Into<String>) -> Self {
        Self::new(409, code, message)
    }

    /// Says what it is about.
    #[must_use]
    pub fn at(mut self, target: &str) -> Self {
        self.target = Some(target.to_owned());
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The error object, as it stands in replies and in operations.
    pub fn object(&self) -> Value {
        let mut object = json!({"code": self.code, "message": self.message});
        if let Some(target) = &self.target {
            object["target"] = json!(target);
        }
        if !self.details.is_empty() {
            let inside = |(code, message): &(String, String)| json!({"code": code, "message": message});
            object["details"] = self.details.iter().map(inside).collect();
        }
        object
    }
}

impl From<WorldError> for ArmError {
    fn from(error: WorldError) -> Self {
        Self::new(500, "InternalServerError", format!("the sandbox's own disk: {error}"))
    }
}

/// An answer.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// HTTP status.
    pub http: u16,
    /// Headers besides those every answer has.
    pub headers: Vec<(&'static str, String)>,
    /// Body; none at all for 202 and 204.
    pub body: Option<Value>,
}

impl Answer {
    /// 200 with a body.
    pub fn ok(body: Value) -> Self {
        Self::with(200, body)
    }

    /// A status with a body.
    pub fn with(http: u16, body: Value) -> Self {
        Self { http, headers: Vec::new(), body: Some(body) }
    }

    /// A status without a body.
    pub fn empty(http: u16) -> Self {
        Self { http, ..Self::default() }
    }

    /// A list as ARM answers it.
    pub fn list(values: Vec<Value>) -> Self {
        Self::ok(json!({"value": values}))
    }

    /// With headers.
    #[must_use]
    pub fn and(mut self, headers: Vec<(&'static str, String)>) -> Self {
        self.headers.extend(headers);
        self
    }
}

/// What a call comes to.
pub type Outcome = Result<Answer, ArmError>;

/// A call as a resource provider sees it.
pub struct Cx<'a, 'w> {
    /// The world. Changes count only if the call succeeds.
    pub tx: &'a mut Tx<'w>,
    /// What it is about.
    pub target: &'a Target,
    /// `GET`, `PUT` …
    pub verb: &'a str,
    /// The query string.
    pub query: &'a [(String, String)],
    /// `If-Match`.
    pub if_match: Option<String>,
    /// `If-None-Match`.
    pub if_none_match: Option<String>,
    /// The body, checked for members that nobody knows; null where there is none.
    pub body: Value,
    /// Who calls.
    pub caller: &'a Caller,
    /// `https://127.0.0.1:4713`, as the caller reached it: what the URLs of operations begin with.
    pub base: &'a str,
}

impl Cx<'_, '_> {
    /// A parameter of the query string.
    pub fn asked(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The API version it was asked in.
    pub fn version(&self) -> &str {
        self.asked("api-version").unwrap_or_default()
    }

    /// The resource id the path names.
    pub fn id(&self) -> String {
        self.target.id()
    }

    /// The resource's own name.
    pub fn name(&self) -> &str {
        self.target.name()
    }
}

/// A member by path, `properties.natGateway.id`; null where there is none.
pub fn dig<'a>(value: &'a Value, path: &str) -> &'a Value {
    path.split('.').fold(value, |at, key| &at[key])
}

/// A text by path; empty where there is none.
pub fn text<'a>(value: &'a Value, path: &str) -> &'a str {
    dig(value, path).as_str().unwrap_or_default()
}

/// The texts of a list; none where there is no list.
pub fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The members of an object, in order; none where there is no object.
pub fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// Puts a default where nothing (or null) was said.
pub fn or_default(value: &mut Value, path: &str, default: Value) {
    let mut at = value;
    for key in path.split('.') {
        if !at.is_object() {
            *at = Value::Object(Map::new());
        }
        at = &mut at[key];
    }
    if at.is_null() {
        *at = default;
    }
}

/// Removes members that are null, all the way down: ARM does not show what nobody said.
pub fn prune(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, inner| !inner.is_null());
            map.values_mut().for_each(prune);
        }
        Value::Array(list) => list.iter_mut().for_each(prune),
        _ => {}
    }
}
