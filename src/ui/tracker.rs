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
    /// Why its last try failed.
    why: String,
}

impl Running {
    fn new(since: Timestamp, note: &str) -> Self {
        Self { since, note: note.to_owned(), why: String::new() }
    }
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
    /// A try failed for the reason the last one failed for: in full, and in short for where the reason still stands.
    Again { step: StepId, note: String, brief: String },
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
            Tick::Retrying { step, attempt, after, why } => self.tried(step, *attempt, why, after.as_secs().max(1)),
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
        self.running.insert(step.clone(), Running::new(at, note));
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

    fn tried(&mut self, step: &StepId, attempt: u32, why: &str, secs: u64) -> Change {
        let known = self.running.get(step).is_some_and(|running| running.why == why);
        let change = self.note(step, format!("try {attempt} failed ({why}); again in {secs} s"));
        if let Some(running) = self.running.get_mut(step) {
            why.clone_into(&mut running.why);
        }
        match change {
            Change::Note(step, note) if known => {
                Change::Again { step, note, brief: format!("try {attempt} failed likewise; again in {secs} s") }
            }
            other => other,
        }
    }

    fn note(&mut self, step: &StepId, note: String) -> Change {
        // Waiting for something that was made in an earlier run begins here.
        if !self.running.contains_key(step) && !self.done.contains(step) && self.steps.contains_key(step) {
            self.running.insert(step.clone(), Running::new(self.clock.now(), &note));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Creation, Identity, PlannedStep, Timing};
    use crate::model::{Cloud, Region};
    use std::time::Duration;

    struct Still;

    #[async_trait::async_trait]
    impl Clock for Still {
        fn now(&self) -> Timestamp {
            Timestamp::UNIX_EPOCH
        }

        async fn sleep(&self, _: Duration) {}
    }

    fn tracker() -> Tracker {
        let step = PlannedStep {
            id: StepId::new("cluster"),
            kind: "gcp/cluster".to_owned(),
            params: serde_json::Value::Null,
            identity: Identity::Tags,
            tagged: true,
            needs: Vec::new(),
            service: "container".to_owned(),
            creation: Creation::Token,
            settle_secs: 0,
            timing: Timing {
                p50_secs: 300,
                p90_secs: 600,
                deadline_secs: 3_000,
                delete_p50_secs: 100,
                delete_deadline_secs: 3_000,
            },
            dies_with: None,
            usage: Vec::new(),
        };
        let plan = Plan {
            version: 1,
            stack: "demo-0a1b2c3d".parse().expect("a stack"),
            provider: Cloud::Gcp,
            account: "project".to_owned(),
            region: Region("us-central1".to_owned()),
            spec: serde_json::Value::Null,
            tags: BTreeMap::new(),
            steps: vec![step],
            sweeps: Vec::new(),
        };
        Tracker::new(&plan, Vec::new(), Mode::Provision, Arc::new(Still))
    }

    #[test]
    fn a_reason_that_stays_the_same_is_told_once_where_it_still_stands() {
        let mut tracker = tracker();
        let step = StepId::new("cluster");
        let mut tried = |attempt, why: &str| {
            let why = why.to_owned();
            tracker.tick(&Tick::Retrying { step: step.clone(), attempt, after: Duration::from_secs(2), why })
        };
        assert!(
            matches!(tried(1, "not seen yet"), Change::Began(_, note) if note == "try 1 failed (not seen yet); again in 2 s")
        );
        let Change::Again { note, brief, .. } = tried(2, "not seen yet") else { panic!("the same reason") };
        assert_eq!(note, "try 2 failed (not seen yet); again in 2 s");
        assert_eq!(brief, "try 2 failed likewise; again in 2 s");
        assert!(
            matches!(tried(3, "sold out"), Change::Note(_, note) if note.contains("sold out")),
            "another reason is told"
        );
        assert!(matches!(tried(4, "not seen yet"), Change::Note(_, note) if note.contains("not seen yet")));
    }
}
