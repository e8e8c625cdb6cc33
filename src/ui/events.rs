//! `--events`: every journalled event and every tick as one JSON line; the last line carries the document.

use super::{EventWriter, stream::Stream};
use crate::engine::{Record, Tick};
use crate::model::Secrets;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::sync::{Mutex, PoisonError};

enum Target {
    Stdout(Stream),
    // Dropped after its first failed write: a full disk must not stop a build.
    File(Mutex<Option<EventWriter>>),
}

/// Where the lines go.
pub(super) struct Sink {
    target: Target,
    sandbox: bool,
    secrets: Secrets,
}

impl Sink {
    pub(super) fn new(writer: Option<EventWriter>, sandbox: bool, secrets: Secrets) -> Self {
        let target = match writer {
            None => Target::Stdout(Stream::stdout(secrets.clone())),
            Some(writer) => Target::File(Mutex::new(Some(writer))),
        };
        Self { target, sandbox, secrets }
    }

    pub(super) const fn owns_stdout(&self) -> bool {
        matches!(self.target, Target::Stdout(_))
    }

    pub(super) fn record(&self, record: &Record) {
        if let Ok(Value::Object(fields)) = serde_json::to_value(record) {
            self.line("kubewright.event/v1", fields);
        }
    }

    pub(super) fn tick(&self, tick: &Tick) {
        let value = match tick {
            Tick::Waiting { step, note } => json!({"event": "waiting", "step": step, "note": note}),
            Tick::Retrying { step, attempt, after, why } => {
                json!({"event": "retrying", "step": step, "attempt": attempt, "afterSeconds": after.as_secs_f64(), "why": why})
            }
            Tick::ClockJumped { by } => json!({"event": "clockJumped", "bySeconds": by.as_secs()}),
            Tick::Paused { why } => json!({"event": "paused", "why": why}),
        };
        if let Value::Object(fields) = value {
            self.line("kubewright.event/v1", fields);
        }
    }

    /// The document itself, marked as the line that ends the stream.
    pub(super) fn document<T: Serialize>(&self, document: &T) {
        if let Ok(Value::Object(mut fields)) = serde_json::to_value(document) {
            let schema = fields.shift_remove("schema").and_then(|schema| schema.as_str().map(str::to_owned));
            fields.shift_insert(0, "event".to_owned(), json!("document"));
            self.line(schema.as_deref().unwrap_or_default(), fields);
        }
    }

    fn line(&self, schema: &str, fields: Map<String, Value>) {
        let mut line = Map::new();
        line.insert("schema".to_owned(), json!(schema));
        line.insert("sandbox".to_owned(), json!(self.sandbox));
        line.extend(fields);
        let text = Value::Object(line).to_string();
        match &self.target {
            Target::Stdout(stream) => stream.line(&text),
            Target::File(writer) => {
                let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(write) = writer.as_mut()
                    && write(&self.secrets.mask(&text)).is_err()
                {
                    *writer = None;
                }
            }
        }
    }
}
