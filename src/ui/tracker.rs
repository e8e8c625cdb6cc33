//! What a run has done and has still to do, folded from its events: the shared memory of both progress displays.

use crate::engine::{Clock, Event, Mode, Plan, Record, StepId, Tick};
use jiff::Timestamp;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// A step that is being worked on.
#[derive(Debug, Clone)]
pub(super) struct Running {
    pub(super) since: Timestamp,
    pub(super) note: String,
}

struct Shape {
    p50: u64,
    p90: u64,
    /// Steps that wait for this one in this direction.
    needs: Vec<StepId>,
}

/// Progress of one run.
pub(super) struct Tracker {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) mode: Mode,
    steps: BTreeMap<StepId, Shape>,
    order: Vec<StepId>,
    done: BTreeSet<StepId>,
    pub(super) running: BTreeMap<StepId, Running>,
}

/// What an event meant for the display.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// A step began.
    Began(StepId, String),
    /// A step is done, after so many seconds.
    Done(StepId, &'static str, u64),
    /// A step failed.
    Failed(StepId, String),
    /// The cloud's word changed.
    Note(StepId, String),
    /// Something to say about the run.
    Say(String),
    /// Nothing to show.
    Nothing,
}

impl Tracker {
    pub(super) fn new(plan: &Plan, done: Vec<StepId>, mode: Mode, clock: Arc<dyn Clock>) -> Self {
        let destroying = mode == Mode::Destroy;
        let mut steps: BTreeMap<StepId, Shape> = BTreeMap::new();
        let mut order: Vec<StepId> = plan.steps.iter().map(|step| step.id.clone()).collect();
        for step in &plan.steps {
            let (p50, p90, needs) = if destroying {
                (step.timing.delete_p50_secs, step.timing.delete_p50_secs, Vec::new())
            } else {
                (step.timing.p50_secs, step.timing.p90_secs, step.needs.clone())
            };
            steps.insert(step.id.clone(), Shape { p50: u64::from(p50), p90: u64::from(p90), needs });
        }
        if destroying {
            order.reverse();
            for step in &plan.steps {
                for need in &step.needs {
                    if let Some(shape) = steps.get_mut(need) {
                        shape.needs.push(step.id.clone());
                    }
                }
            }
        }
        Self { clock, mode, steps, order, done: done.into_iter().collect(), running: BTreeMap::new() }
    }

    pub(super) fn total(&self) -> usize {
        self.steps.len()
    }

    pub(super) fn finished(&self) -> usize {
        self.done.iter().filter(|id| self.steps.contains_key(id)).count()
    }

    pub(super) fn elapsed(&self, id: &StepId) -> u64 {
        seconds_between(self.since(id), self.clock.now())
    }

    /// When work on a step began; now, when it has not.
    pub(super) fn since(&self, id: &StepId) -> Timestamp {
        self.running.get(id).map_or_else(|| self.clock.now(), |running| running.since)
    }

    pub(super) fn usual(&self, id: &StepId) -> u64 {
        self.steps.get(id).map_or(0, |shape| shape.p50)
    }

    /// Usual seconds along the longest path that is left.
    pub(super) fn eta(&self) -> u64 {
        self.left(|shape| shape.p50)
    }

    /// The same for the slow tenth.
    pub(super) fn eta_p90(&self) -> u64 {
        self.left(|shape| shape.p90)
    }

    /// Seconds along the longest path that is left; a running step that is late still counts a little.
    fn left(&self, usual: impl Fn(&Shape) -> u64) -> u64 {
        let mut ends: BTreeMap<&StepId, u64> = BTreeMap::new();
        let mut longest = 0;
        for id in &self.order {
            let Some(shape) = self.steps.get(id) else { continue };
            if self.done.contains(id) {
                continue;
            }
            let before = shape.needs.iter().filter_map(|need| ends.get(need)).max().copied().unwrap_or(0);
            let usual = usual(shape);
            let left = if self.running.contains_key(id) {
                usual.saturating_sub(self.elapsed(id)).max(usual / 20)
            } else {
                usual
            };
            ends.insert(id, before + left);
            longest = longest.max(before + left);
        }
        longest
    }

    pub(super) fn record(&mut self, record: &Record) -> Change {
        match &record.event {
            Event::Intent { step, .. } => self.begin(step, record.at, "creating"),
            Event::DeleteIntent { step, resource, extra: true } => {
                Change::Note(step.clone(), format!("deleting {}", resource.id))
            }
            Event::DeleteIntent { step, .. } => self.begin(step, record.at, "deleting"),
            Event::Adopted { step, .. } => match self.begin(step, record.at, "adopted") {
                Change::Nothing => Change::Note(step.clone(), "adopted".to_owned()),
                change => change,
            },
            Event::Acted { step, .. } => {
                if let Some(running) = self.running.get_mut(step) {
                    "made, waiting".clone_into(&mut running.note);
                }
                Change::Nothing
            }
            Event::Ready { step, .. } => self.end(step, record.at, "ready"),
            Event::Deleted { step, resource, extra: true } => Change::Say(format!(
                "{step}: {} deleted",
                resource.as_ref().map_or("leftover", |resource| resource.id.as_str())
            )),
            Event::Deleted { step, .. } => self.end(step, record.at, "deleted"),
            Event::Failed { step, error } | Event::DeleteFailed { step, error, .. } => {
                self.running.remove(step);
                Change::Failed(step.clone(), error.message.clone())
            }
            Event::Replanned { why, .. } => Change::Say(format!("replanned: {why}")),
            Event::Note { what } => Change::Say(what.clone()),
            Event::Planned { .. } | Event::RunStarted { .. } | Event::RunEnded { .. } => Change::Nothing,
        }
    }

    pub(super) fn tick(&mut self, tick: &Tick) -> Change {
        match tick {
            // Some clouds have no word for it yet.
            Tick::Waiting { note, .. } if note.is_empty() => Change::Nothing,
            Tick::Waiting { step, note } => self.note(step, note.clone()),
            Tick::Retrying { step, attempt, after, why } => {
                self.note(step, format!("try {attempt} failed ({why}); again in {} s", after.as_secs().max(1)))
            }
            Tick::ClockJumped { by } => Change::Say(format!(
                "the clock jumped {}: reading the cloud before judging any deadline",
                crate::model::time::show_span(*by)
            )),
            Tick::Paused { why } => {
                Change::Say(format!("paused: {why}; I look every 10 s. Ctrl-C: stop, continue later"))
            }
        }
    }

    fn begin(&mut self, step: &StepId, at: Timestamp, note: &str) -> Change {
        if self.running.contains_key(step) {
            return Change::Nothing;
        }
        // A step may start anew after it was found gone.
        self.done.remove(step);
        self.running.insert(step.clone(), Running { since: at, note: note.to_owned() });
        Change::Began(step.clone(), note.to_owned())
    }

    fn end(&mut self, step: &StepId, at: Timestamp, word: &'static str) -> Change {
        let since = self.running.remove(step).map_or(at, |running| running.since);
        if self.done.insert(step.clone()) {
            Change::Done(step.clone(), word, seconds_between(since, at))
        } else {
            Change::Nothing
        }
    }

    fn note(&mut self, step: &StepId, note: String) -> Change {
        // Waiting for something that was made in an earlier run begins here.
        if !self.running.contains_key(step) && !self.done.contains(step) && self.steps.contains_key(step) {
            self.running.insert(step.clone(), Running { since: self.clock.now(), note: note.clone() });
            return Change::Began(step.clone(), note);
        }
        match self.running.get_mut(step) {
            Some(running) if running.note != note => {
                running.note.clone_from(&note);
                Change::Note(step.clone(), note)
            }
            _ => Change::Nothing,
        }
    }
}

fn seconds_between(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.as_second() - from.as_second()).unwrap_or(0)
}
