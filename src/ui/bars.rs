//! Progress in a terminal: a line per running step with elapsed, usual duration and the cloud's own word, and the
//! whole below with its remaining time.

use super::{
    Style, style,
    tracker::{Change, Tracker},
};
use crate::engine::{Observer, Record, StepId, Tick};
use crate::model::time::show_span;
use indicatif::{MultiProgress, ProgressBar, ProgressState, ProgressStyle};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

const REDRAW: Duration = Duration::from_millis(250);

/// The observer.
pub(super) struct Bars {
    tracker: Arc<Mutex<Tracker>>,
    screen: MultiProgress,
    whole: ProgressBar,
    steps: Mutex<BTreeMap<StepId, ProgressBar>>,
    style: Style,
}

impl Bars {
    pub(super) fn new(tracker: Tracker, style: Style) -> Self {
        let total = tracker.total() as u64;
        let tracker = Arc::new(Mutex::new(tracker));
        let screen = MultiProgress::new();
        let whole = screen.add(ProgressBar::new(total));
        let asked = Arc::clone(&tracker);
        // The lock is only tried: the drawing thread must never wait for an event that waits for the drawing.
        let left = move |_: &ProgressState, out: &mut dyn std::fmt::Write| {
            if let Ok(tracker) = asked.try_lock() {
                let _ = write!(out, "{}", style::about(tracker.eta()));
            }
        };
        whole.set_style(
            ProgressStyle::with_template("[{pos}/{len}] {bar:24} about {left} left")
                .expect("the template is well-formed")
                .with_key("left", left)
                .progress_chars("=> "),
        );
        whole.enable_steady_tick(REDRAW);
        Self { tracker, screen, whole, steps: Mutex::default(), style }
    }

    fn bar(&self, step: &StepId) -> ProgressBar {
        let bar = self.screen.insert_before(&self.whole, ProgressBar::new_spinner());
        let (asked, id) = (Arc::clone(&self.tracker), step.clone());
        let time = move |_: &ProgressState, out: &mut dyn std::fmt::Write| {
            if let Ok(tracker) = asked.try_lock() {
                let elapsed = show_span(Duration::from_secs(tracker.elapsed(&id)));
                let usual = show_span(Duration::from_secs(tracker.usual(&id)));
                let _ = write!(out, "{elapsed:>6} of ~{usual}");
            }
        };
        bar.set_style(
            ProgressStyle::with_template("{spinner} {prefix:34} {time}  {msg}")
                .expect("the template is well-formed")
                .with_key("time", time),
        );
        bar.set_prefix(step.to_string());
        bar.enable_steady_tick(REDRAW);
        bar
    }

    fn show(&self, change: Change, finished: usize) {
        let mut steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        match change {
            Change::Nothing => {}
            Change::Began(step, note) => {
                let bar = self.bar(&step);
                bar.set_message(style::plain(&note));
                steps.insert(step, bar);
            }
            Change::Note(step, note) => {
                if let Some(bar) = steps.get(&step) {
                    bar.set_message(style::plain(&note));
                }
            }
            Change::Done(step, ..) => {
                if let Some(bar) = steps.remove(&step) {
                    bar.finish_and_clear();
                }
                self.whole.set_position(finished as u64);
            }
            Change::Failed(step, why) => {
                if let Some(bar) = steps.remove(&step) {
                    bar.finish_and_clear();
                }
                self.print(&format!("{} {step}: {}", self.style.red("failed"), style::plain(&why)));
            }
            Change::Say(text) => self.print(&style::plain(&text)),
        }
    }

    fn print(&self, line: &str) {
        // A terminal that went away is not worth stopping for.
        let _ = self.screen.println(line);
    }
}

impl Observer for Bars {
    fn record(&self, record: &Record) {
        let (change, finished) = {
            let mut tracker = self.tracker.lock().unwrap_or_else(PoisonError::into_inner);
            (tracker.record(record), tracker.finished())
        };
        self.show(change, finished);
    }

    fn tick(&self, tick: &Tick) {
        let (change, finished) = {
            let mut tracker = self.tracker.lock().unwrap_or_else(PoisonError::into_inner);
            (tracker.tick(tick), tracker.finished())
        };
        self.show(change, finished);
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        for bar in self.steps.lock().unwrap_or_else(PoisonError::into_inner).values() {
            bar.finish_and_clear();
        }
        self.whole.finish_and_clear();
    }
}

/// A spinner for waits outside the engine.
pub(super) fn spinner(what: &str) -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    bar.set_style(ProgressStyle::with_template("{spinner} {prefix}  {msg}").expect("the template is well-formed"));
    bar.set_prefix(what.to_owned());
    bar.enable_steady_tick(REDRAW);
    bar
}
