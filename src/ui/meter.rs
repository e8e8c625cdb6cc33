//! How far a run has come, how long it usually still takes, and what it costs: folded from its events for `--events`.

use super::tracker::Tracker;
use crate::engine::{Clock, Event, Mode, Plan, Record, RunOutcome, StepId};
use crate::model::doc::{Progress, Stack, shown};
use jiff::Timestamp;
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// What is watched: a plan with usual durations, and what each step costs an hour.
pub struct Watched<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// Steps that need no work in this direction.
    pub done: Vec<StepId>,
    /// Which way it goes.
    pub mode: Mode,
    /// Price of each step's object; none is unknown.
    pub usd: BTreeMap<StepId, Option<f64>>,
}

/// The fold.
pub(super) struct Meter {
    tracker: Tracker,
    clock: Arc<dyn Clock>,
    /// The run, once it has begun.
    pub(super) run: Option<String>,
    pub(super) mode: Mode,
    pub(super) stack: Stack,
    kinds: HashMap<StepId, String>,
    usd: BTreeMap<StepId, Option<f64>>,
    /// What stands, and since when this run pays for it.
    standing: BTreeMap<StepId, Timestamp>,
    /// For what is gone again.
    spent: Option<f64>,
    whole: u64,
    percent: f64,
}

impl Meter {
    pub(super) fn new(watched: &Watched<'_>, clock: Arc<dyn Clock>) -> Self {
        let Watched { plan, done, mode, usd } = watched;
        let stands = |id: &StepId| done.contains(id) != (*mode == Mode::Destroy);
        let now = clock.now();
        let standing = match mode {
            // What a rebuild finds has been paid for all along; it says so as it finds it.
            Mode::Recover => BTreeMap::new(),
            _ => plan.steps.iter().filter(|step| stands(&step.id)).map(|step| (step.id.clone(), now)).collect(),
        };
        let whole = Tracker::new(plan, Vec::new(), *mode, Arc::clone(&clock)).eta();
        Self {
            tracker: Tracker::new(plan, done.clone(), *mode, Arc::clone(&clock)),
            clock,
            run: None,
            mode: *mode,
            stack: Stack {
                name: plan.stack.name.to_string(),
                id: Some(plan.stack.id.to_string()),
                provider: plan.provider.to_string(),
                account: Some(plan.account.clone()),
                region: plan.region.to_string(),
            },
            kinds: plan.steps.iter().map(|step| (step.id.clone(), step.kind.clone())).collect(),
            usd: usd.clone(),
            standing,
            spent: Some(0.0),
            whole,
            percent: 0.0,
        }
    }

    pub(super) fn kind(&self, step: &StepId) -> Option<&str> {
        self.kinds.get(step).map(String::as_str)
    }

    /// The steps at work with the cloud's word, in words.
    pub(super) fn at_work(&self) -> String {
        let running = self.tracker.running.iter().map(|(step, running)| format!("{step}: {}", running.note));
        running.collect::<Vec<_>>().join(", ")
    }

    pub(super) fn record(&mut self, record: &Record) {
        self.tracker.record(record);
        match &record.event {
            Event::RunStarted { run, .. } => self.run = Some(run.to_string()),
            Event::Ready { step, .. } => {
                self.standing.entry(step.clone()).or_insert(record.at);
            }
            Event::Deleted { step, extra: false, .. } => {
                if let Some(since) = self.standing.remove(step) {
                    let usd = self.usd.get(step).copied().flatten();
                    self.spent = self.spent.zip(usd).map(|(spent, usd)| spent + usd * hours(since, record.at));
                }
            }
            Event::RunEnded { outcome: RunOutcome::Done, .. } => self.percent = 100.0,
            _ => {}
        }
    }

    pub(super) fn tick(&mut self, tick: &crate::engine::Tick) {
        self.tracker.tick(tick);
    }

    /// Where it stands now.
    pub(super) fn reading(&mut self) -> Progress {
        let eta = self.tracker.eta();
        let share = match (self.whole, self.tracker.total()) {
            (_, 0) => None,
            (0, total) => Some(self.tracker.finished() as f64 / total as f64),
            (whole, _) => Some(1.0 - eta.min(whole) as f64 / whole as f64),
        };
        // All of it is said only by the end of the run.
        let percent = share.map(|share| (share * 1_000.0).floor() / 10.0).map(|share| share.min(99.9));
        self.percent = percent.map_or(self.percent, |percent| percent.max(self.percent));
        let over = self.percent >= 100.0;
        let now = self.clock.now();
        let price = |step: &StepId| self.usd.get(step).copied().flatten();
        let hourly: Option<f64> = self.standing.keys().map(price).sum();
        let running: Option<f64> =
            self.standing.iter().map(|(step, since)| Some(price(step)? * hours(*since, now))).sum();
        let so_far = self.spent.zip(running).map(|(spent, running)| spent + running);
        Progress {
            percent: percent.map(|_| self.percent).or(over.then_some(100.0)),
            eta_seconds: Some(if over { 0 } else { eta }),
            eta_p90_seconds: match self.mode {
                Mode::Destroy => None,
                _ if over => Some(0),
                _ => Some(self.tracker.eta_p90().max(eta)),
            },
            usd_per_hour: hourly.map(shown),
            usd_so_far: so_far.map(shown),
        }
    }
}

fn hours(from: Timestamp, to: Timestamp) -> f64 {
    (to.as_millisecond() - from.as_millisecond()).max(0) as f64 / 3_600_000.0
}
