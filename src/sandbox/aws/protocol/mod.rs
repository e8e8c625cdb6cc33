//! AWS wire protocols: how parameters arrive and how replies and errors leave. No service's rules live here.

pub mod json;
pub mod params;
pub mod query;
pub mod rest_json;
pub mod xml;

pub use params::Params;
pub use xml::Xml;

use serde_json::Value;
use std::collections::BTreeMap;

/// Which of AWS's protocols a service speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// EC2's own query dialect.
    Ec2,
    /// Query with `member` lists, replies wrapped in `<OpResult>`; the namespace of its XML.
    Query(&'static str),
    /// `X-Amz-Target: Prefix.Operation`, JSON bodies; the prefix.
    Json(&'static str),
    /// Paths and methods, JSON bodies.
    RestJson,
}

/// A refusal in the vendor's words. The protocol gives it its shape.
#[derive(Debug, Clone, PartialEq)]
pub struct ApiError {
    /// HTTP status.
    pub http: u16,
    /// The vendor's error code.
    pub code: String,
    /// The vendor's message.
    pub message: String,
    /// Further members of the error (`clusterName`, `validZones`); JSON protocols only.
    pub extra: BTreeMap<String, Value>,
}

impl ApiError {
    /// An error with this status.
    pub fn new(http: u16, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { http, code: code.into(), message: message.into(), extra: BTreeMap::new() }
    }

    /// A 400.
    pub fn bad(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(400, code, message)
    }

    /// Adds a member to the error document.
    pub fn with(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.extra.insert(member.to_owned(), value.into());
        self
    }
}

/// What a call answers. The XML or JSON holds the members of the operation's output, nothing around them.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// Members for the query protocols.
    Xml(Xml),
    /// Document for the JSON protocols.
    Json(Value),
}

impl From<Xml> for Reply {
    fn from(xml: Xml) -> Self {
        Self::Xml(xml)
    }
}

impl From<Value> for Reply {
    fn from(value: Value) -> Self {
        Self::Json(value)
    }
}

/// A time as AWS writes it in XML: whole seconds, UTC.
pub fn iso(at: jiff::Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A time as AWS writes it in JSON: seconds since 1970.
pub fn epoch(at: jiff::Timestamp) -> Value {
    Value::from(at.as_millisecond() as f64 / 1000.0)
}

/// A reply or error as it goes over the wire.
#[derive(Debug, Clone, PartialEq)]
pub struct Rendered {
    /// HTTP status.
    pub http: u16,
    /// `Content-Type`.
    pub content_type: &'static str,
    /// Further headers.
    pub headers: Vec<(&'static str, String)>,
    /// Body.
    pub body: String,
}

/// Renders what a call came to in the service's protocol.
pub fn render(protocol: Protocol, op: &str, request_id: &str, result: &Result<Reply, ApiError>) -> Rendered {
    match protocol {
        Protocol::Ec2 => query::render_ec2(op, request_id, result),
        Protocol::Query(namespace) => query::render(namespace, op, request_id, result),
        Protocol::Json(_) => json::render(request_id, result),
        Protocol::RestJson => rest_json::render(request_id, result),
    }
}
