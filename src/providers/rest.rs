//! One JSON call over HTTP with a bearer token: the plumbing of the clouds that are spoken to in plain REST.
//!
//! It sends, counts what changes something, and tells a whole answer from a broken one. What a vendor's error means is
//! for each cloud's `error`; this file knows no vendor, never tries again, and shows no token, header or body.

use super::patience::UNREACHABLE;
use crate::engine::{ErrorClass, Residue, StepError};
use crate::model::Secret;
use serde_json::Value;
use std::{
    error::Error as _,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// Makes the one client of a cloud: TLS, proxies and time limits are the outside's business.
pub type HttpMaker = Arc<dyn Fn() -> Result<reqwest::Client, StepError> + Send + Sync>;

/// What came back is no answer of the cloud's.
pub const GARBLED: &str = "KW-GARBLED";

/// No pause that a vendor asks for is longer.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// Longest answer that is read.
const ANSWER_LIMIT: usize = 64 << 20;

/// What is done to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Read.
    Get,
    /// Make or replace.
    Put,
    /// Change in part.
    Patch,
    /// Make, or do something.
    Post,
    /// Remove.
    Delete,
}

impl Verb {
    /// As HTTP writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Post => "POST",
            Self::Delete => "DELETE",
        }
    }

    const fn method(self) -> reqwest::Method {
        match self {
            Self::Get => reqwest::Method::GET,
            Self::Put => reqwest::Method::PUT,
            Self::Patch => reqwest::Method::PATCH,
            Self::Post => reqwest::Method::POST,
            Self::Delete => reqwest::Method::DELETE,
        }
    }
}

/// One call.
pub struct Call<'a> {
    /// Service and operation in the vendor's words, for errors and for who watches: `compute networks.insert`.
    pub op: &'a str,
    /// On which thing, for errors: `network kw-demo-1a2b3c4d`.
    pub what: &'a str,
    /// Verb.
    pub verb: Verb,
    /// The whole address, encoded.
    pub url: String,
    /// Headers besides `authorization`, `accept` and `content-type`.
    pub headers: Vec<(&'static str, String)>,
    /// What is sent.
    pub body: Option<Value>,
    /// Whether it changes anything.
    pub mutating: bool,
}

/// What is sent may be a credential: it is not shown.
impl fmt::Debug for Call<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("op", &self.op).field("what", &self.what).finish_non_exhaustive()
    }
}

/// A whole answer, whatever it says.
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The document; null for an empty body.
    pub body: Value,
}

/// What came may be a credential: it is not shown.
impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("status", &self.status).finish_non_exhaustive()
    }
}

impl Answer {
    /// Whether it says yes.
    pub const fn is_ok(&self) -> bool {
        self.status >= 200 && self.status < 300
    }

    /// A header by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The vendor's word on when to come back, where it is a number of seconds; longer than a few minutes nobody waits
    /// in one piece.
    pub fn retry_after(&self) -> Option<Duration> {
        let asked = self.header("retry-after").and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
        asked.map(|pause| pause.min(LONGEST_PAUSE))
    }
}

/// Sends calls and counts them. Clones count together.
#[derive(Clone)]
pub struct Rest {
    http: reqwest::Client,
    counter: Arc<AtomicU64>,
}

impl Rest {
    /// Sends through this client.
    pub fn new(http: reqwest::Client) -> Self {
        Self { http, counter: Arc::default() }
    }

    /// Mutating calls sent so far.
    pub fn mutating_calls(&self) -> u64 {
        self.counter.load(Ordering::Relaxed)
    }

    /// Counts a mutating call that goes another way, to a cluster's own API server.
    pub fn count_mutating_call(&self) {
        self.counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Sends one call, once.
    ///
    /// # Errors
    /// `Transient` where no whole answer came: no connection (nothing was done), a connection that broke or an answer
    /// that was cut (nobody knows), a page instead of a document.
    pub async fn send(&self, call: Call<'_>, token: &Secret<String>) -> Result<Answer, StepError> {
        self.send_as(call, Some(token)).await
    }

    /// The same without a bearer token: for what is public, or is signed in a header of the call's own.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub async fn send_open(&self, call: Call<'_>) -> Result<Answer, StepError> {
        self.send_as(call, None).await
    }

    async fn send_as(&self, call: Call<'_>, token: Option<&Secret<String>>) -> Result<Answer, StepError> {
        if call.mutating {
            self.count_mutating_call();
        }
        tracing::debug!(operation = call.op, on = call.what, mutating = call.mutating, "call");
        let mut request = self.http.request(call.verb.method(), &call.url);
        if let Some(token) = token {
            request = request.bearer_auth(token.reveal());
        }
        request = request.header("accept", "application/json");
        for (name, value) in &call.headers {
            request = request.header(*name, value);
        }
        request = match &call.body {
            Some(body) => request.json(body),
            // Some front ends refuse a body that is not there and has no length either.
            None if matches!(call.verb, Verb::Post | Verb::Put | Verb::Patch) => request.header("content-length", "0"),
            None => request,
        };
        let response = request.send().await.map_err(|cause| unsent(&call, &cause))?;
        let status = response.status().as_u16();
        let headers = response
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
        let headers: Vec<(String, String)> = headers.collect();
        let text = whole(&call, response).await?;
        if text.iter().all(u8::is_ascii_whitespace) {
            return Ok(Answer { status, headers, body: Value::Null });
        }
        let body = serde_json::from_slice(&text).map_err(|_| garbled(&call, status, &text))?;
        Ok(Answer { status, headers, body })
    }
}

async fn whole(call: &Call<'_>, mut response: reqwest::Response) -> Result<Vec<u8>, StepError> {
    let mut text = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if text.len() + chunk.len() <= ANSWER_LIMIT => text.extend_from_slice(&chunk),
            Ok(Some(_)) => return Err(lost(call, "the answer is longer than any of this cloud's")),
            Ok(None) => return Ok(text),
            Err(_) => return Err(lost(call, "the answer broke off")),
        }
    }
}

fn unsent(call: &Call<'_>, cause: &reqwest::Error) -> StepError {
    let error = lost(call, &in_words(cause));
    // Without a connection nothing has been asked for; in everything later the reply alone may be lost.
    if cause.is_connect() || cause.is_builder() { error.with_residue(Residue::None) } else { error }
}

/// The innermost cause, without the address: that may hold what is nobody's business.
fn in_words(cause: &reqwest::Error) -> String {
    let mut link = cause.source();
    let mut words = None;
    while let Some(error) = link {
        words = Some(error.to_string());
        link = error.source();
    }
    match (cause.is_timeout(), words) {
        (true, _) => "no answer in time".to_owned(),
        (false, Some(words)) => words,
        (false, None) => "the connection failed".to_owned(),
    }
}

fn lost(call: &Call<'_>, why: &str) -> StepError {
    StepError::new(ErrorClass::Transient, UNREACHABLE, format!("{} on {}: {why}", call.op, call.what))
}

/// A proxy's or portal's page, or half a document.
fn garbled(call: &Call<'_>, status: u16, text: &[u8]) -> StepError {
    let page = text.trim_ascii_start().first() == Some(&b'<');
    let why = match (status, page) {
        (407, _) => "the proxy wants a password (407)".to_owned(),
        (_, true) => {
            format!("a page of HTML came back instead of an answer (HTTP {status}): is there a proxy in between?")
        }
        (_, false) => format!("the answer is no whole JSON document (HTTP {status})"),
    };
    StepError::new(ErrorClass::Transient, GARBLED, format!("{} on {}: {why}", call.op, call.what))
}

/// A field that is null is one that is not there: what stands in its place may not be null.
pub fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, field| !field.is_null());
            fields.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

/// One segment of a path, or one value of a query, as it stands in an address.
pub fn encoded(text: &str) -> String {
    const KEPT: &percent_encoding::AsciiSet =
        &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
    percent_encoding::utf8_percent_encode(text, KEPT).to_string()
}
