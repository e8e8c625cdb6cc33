//! Progress without a terminal: one line per change and a sign of life at least every 30 seconds.

use super::{
    pulse::Pulse,
    stream::Stream,
    style,
    tracker::{Change, Tracker},
};
use crate::engine::{Mode, Observer, Record, Tick};
use crate::model::{Secrets, time::show_span};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

struct Shared {
    tracker: Mutex<Tracker>,
    err: Stream,
}

/// The observer.
pub(super) struct Lines {
    shared: Arc<Shared>,
    pulse: Pulse,
}

impl Lines {
    pub(super) fn new(tracker: Tracker, secrets: Secrets) -> Self {
        let shared = Arc::new(Shared { tracker: Mutex::new(tracker), err: Stream::stderr(secrets) });
        let beating = Arc::clone(&shared);
        let pulse = Pulse::new(move || beating.heartbeat());
        Self { shared, pulse }
    }

    fn show(&self, change: &Change, tracker: &Tracker) {
        let place = format!("[{}/{}]", tracker.finished(), tracker.total());
        let line = match change {
            Change::Nothing => return,
            Change::Began(step, note) => format!("{place} {step}  {note}"),
            Change::Done(step, word, secs) => {
                format!("{place} {step}  {word}  {}", show_span(Duration::from_secs(*secs)))
            }
            Change::Failed(step, why) => format!("{place} {step}  failed: {why}"),
            Change::Note(step, note) | Change::Again { step, brief: note, .. } => format!("{place} {step}  {note}"),
            Change::Say(text) => text.clone(),
        };
        self.shared.err.line(&style::plain(&line));
        self.pulse.said();
    }
}

impl Shared {
    fn heartbeat(&self) {
        let tracker = self.tracker.lock().unwrap_or_else(PoisonError::into_inner);
        let running: Vec<String> = tracker
            .running
            .iter()
            .map(|(step, running)| {
                format!("{step} {} ({})", show_span(Duration::from_secs(tracker.elapsed(step))), running.note)
            })
            .collect();
        let verb = if tracker.mode == Mode::Destroy { "removing" } else { "building" };
        let what = if running.is_empty() { "waiting".to_owned() } else { running.join(", ") };
        let line = format!(
            "[{}/{}] still {verb}: {what}; about {} left",
            tracker.finished(),
            tracker.total(),
            style::about(tracker.eta())
        );
        self.err.line(&style::plain(&line));
    }
}

impl Observer for Lines {
    fn record(&self, record: &Record) {
        let mut tracker = self.shared.tracker.lock().unwrap_or_else(PoisonError::into_inner);
        let change = tracker.record(record);
        self.show(&change, &tracker);
    }

    fn tick(&self, tick: &Tick) {
        let mut tracker = self.shared.tracker.lock().unwrap_or_else(PoisonError::into_inner);
        let change = tracker.tick(tick);
        self.show(&change, &tracker);
    }
}
