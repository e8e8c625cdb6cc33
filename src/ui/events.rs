//! `--events`: every journalled event, every tick and a heartbeat as one JSON line; the last line carries the document.
//!
//! A reader that went away or a disk that is full ends the talking, never the work.

use super::{EventWriter, meter::Meter, stream::Stream};
use crate::engine::{Clock, Event, Record, StepId, Tick};
use crate::model::{
    Secrets,
    doc::{EventLine, EventPhase, Progress},
};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::{
    io::ErrorKind,
    sync::{Arc, Mutex, PoisonError},
};

const SCHEMA: &str = "kubewright.event/v1";

enum Target {
    Stdout(Stream),
    // Dropped after its first failed write: a full disk must not stop a build.
    File(Mutex<Option<EventWriter>>),
}

/// Says a warning to whoever listens.
pub(super) type Voice = Box<dyn Fn(&str) + Send + Sync>;

/// Where the lines go.
pub(super) struct Sink {
    target: Target,
    sandbox: bool,
    secrets: Secrets,
    clock: Arc<dyn Clock>,
    voice: Voice,
}

/// What a line says beside how far the run has come.
#[derive(Default)]
struct Said {
    event: String,
    at: Option<Timestamp>,
    step: Option<StepId>,
    phase: Option<EventPhase>,
    cloud_status: Option<String>,
    detail: Map<String, Value>,
}

impl Sink {
    pub(super) fn new(
        writer: Option<EventWriter>,
        sandbox: bool,
        secrets: Secrets,
        clock: Arc<dyn Clock>,
        voice: Voice,
    ) -> Self {
        let target = match writer {
            None => Target::Stdout(Stream::stdout(secrets.clone())),
            Some(writer) => Target::File(Mutex::new(Some(writer))),
        };
        Self { target, sandbox, secrets, clock, voice }
    }

    pub(super) const fn owns_stdout(&self) -> bool {
        matches!(self.target, Target::Stdout(_))
    }

    /// A line of the journal.
    pub(super) fn record(&self, record: &Record, meter: &mut Meter) {
        let Ok(Value::Object(mut detail)) = serde_json::to_value(record) else { return };
        let event = detail.shift_remove("event").and_then(|event| event.as_str().map(str::to_owned));
        for said_elsewhere in ["at", "run", "step"] {
            detail.shift_remove(said_elsewhere);
        }
        let (step, phase) = about(&record.event);
        let said =
            Said { event: event.unwrap_or_default(), at: Some(record.at), step, phase, detail, ..Said::default() };
        self.say(said, Some(meter));
    }

    /// What happens between two lines of the journal.
    pub(super) fn tick(&self, tick: &Tick, meter: &mut Meter) {
        let of = |event: &str, detail: Value| Said {
            event: event.to_owned(),
            detail: detail.as_object().cloned().unwrap_or_default(),
            ..Said::default()
        };
        let said = match tick {
            Tick::Waiting { step, note } => Said {
                step: Some(step.clone()),
                phase: Some(EventPhase::Waiting),
                cloud_status: Some(note.clone()).filter(|note| !note.is_empty()),
                ..of("waiting", json!({"note": note}))
            },
            Tick::Retrying { step, attempt, after, why } => Said {
                step: Some(step.clone()),
                phase: Some(EventPhase::Retrying),
                ..of("retrying", json!({"attempt": attempt, "afterSeconds": after.as_secs_f64(), "why": why}))
            },
            Tick::ClockJumped { by } => of("clockJumped", json!({"bySeconds": by.as_secs()})),
            Tick::Paused { why } => of("paused", json!({"why": why})),
        };
        self.say(said, Some(meter));
    }

    /// A sign of life of a run.
    pub(super) fn heartbeat(&self, meter: &mut Meter) {
        let detail = Map::from_iter([("note".to_owned(), json!(self.secrets.mask(&meter.at_work())))]);
        self.say(Said { event: "heartbeat".to_owned(), detail, ..Said::default() }, Some(meter));
    }

    /// A wait outside a run: news of it, or only a sign of life.
    pub(super) fn waiting(&self, note: &str, news: bool) {
        let detail = Map::from_iter([("note".to_owned(), json!(self.secrets.mask(note)))]);
        let event = if news { "waiting" } else { "heartbeat" }.to_owned();
        let phase = news.then_some(EventPhase::Waiting);
        self.say(Said { event, phase, detail, ..Said::default() }, None);
    }

    fn say(&self, said: Said, meter: Option<&mut Meter>) {
        let mut line = EventLine {
            schema: SCHEMA.to_owned(),
            sandbox: self.sandbox,
            at: said.at.unwrap_or_else(|| self.clock.now()),
            event: said.event,
            run: None,
            verb: None,
            stack: None,
            kind: None,
            step: said.step.as_ref().map(ToString::to_string),
            phase: said.phase,
            cloud_status: said.cloud_status,
            progress: Progress::default(),
            detail: said.detail,
        };
        if let Some(meter) = meter {
            line.progress = meter.reading();
            line.kind = said.step.as_ref().and_then(|step| meter.kind(step)).map(str::to_owned);
            line.run.clone_from(&meter.run);
            line.verb = Some(meter.mode.as_str().to_owned());
            line.stack = Some(meter.stack.clone());
        }
        if let Ok(text) = serde_json::to_string(&line) {
            self.write(&text);
        }
    }

    /// The document itself, marked as the line that ends the stream.
    pub(super) fn document<T: Serialize>(&self, document: &T) {
        if let Ok(Value::Object(mut fields)) = serde_json::to_value(document) {
            fields.shift_insert(1, "event".to_owned(), json!("document"));
            self.write(&Value::Object(fields).to_string());
        }
    }

    fn write(&self, text: &str) {
        match &self.target {
            Target::Stdout(stream) => stream.line(text),
            Target::File(writer) => {
                let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
                let Some(write) = writer.as_mut() else { return };
                let Err(why) = write(&self.secrets.mask(text)) else { return };
                *writer = None;
                // Whoever has stopped reading knows it.
                if why.kind() != ErrorKind::BrokenPipe {
                    (self.voice)(&format!("--events: {why}; no more events are written, the work goes on"));
                }
            }
        }
    }
}

/// The step an event is about, and where that step has come to.
fn about(event: &Event) -> (Option<StepId>, Option<EventPhase>) {
    let (step, phase) = match event {
        Event::Intent { step, .. } => (step, EventPhase::Intent),
        Event::Acted { step, .. } => (step, EventPhase::Acted),
        Event::Ready { step, .. } => (step, EventPhase::Ready),
        Event::Failed { step, .. } | Event::DeleteFailed { step, .. } => (step, EventPhase::Failed),
        Event::Adopted { step, .. } => (step, EventPhase::Adopted),
        Event::DeleteIntent { step, .. } => (step, EventPhase::Deleting),
        Event::Deleted { step, .. } => (step, EventPhase::Deleted),
        Event::Planned { .. } | Event::Replanned { .. } => return (None, Some(EventPhase::Planned)),
        Event::RunStarted { .. } | Event::Note { .. } | Event::RunEnded { .. } => return (None, None),
    };
    (Some(step.clone()), Some(phase))
}
