//! What stacks have cost so far: each object from the moment it was confirmed running until it was proven gone. From
//! journals alone; what a cluster's own doings cost is not in them.

use super::{money, stacks};
use crate::engine::{Event, PlannedStep};
use jiff::Timestamp;

/// One billed object's time on the meter.
pub(super) struct Metered<'k> {
    pub(super) step: &'k PlannedStep,
    pub(super) hours: f64,
    pub(super) running: bool,
    /// As ordered; none when unknown.
    pub(super) usd_per_hour: Option<f64>,
}

impl Metered<'_> {
    /// What it has cost; none when unknown.
    pub(super) fn usd(&self) -> Option<f64> {
        Some(self.usd_per_hour? * self.hours)
    }
}

/// Every billed object that ever ran, in the plan's order.
pub(super) fn metered(known: &stacks::Known, now: Timestamp) -> Vec<Metered<'_>> {
    let steps = known.state.plan().map(|plan| plan.steps.as_slice()).unwrap_or_default();
    let billed = steps.iter().filter(|step| !step.usage.is_empty());
    let all = billed.map(|step| {
        let (hours, running) = on_the_meter(known, step, now);
        Metered { step, hours, running, usd_per_hour: money::of_step(step) }
    });
    all.filter(|it| it.running || it.hours > 0.0).collect()
}

fn on_the_meter(known: &stacks::Known, step: &PlannedStep, now: Timestamp) -> (f64, bool) {
    let mut since: Option<Timestamp> = None;
    let mut hours = 0.0;
    let span = |from: Timestamp, to: Timestamp| (to.as_second() - from.as_second()).max(0) as f64 / 3_600.0;
    for record in &known.records {
        match &record.event {
            Event::Ready { step: id, .. } if *id == step.id => {
                since.get_or_insert(record.at);
            }
            Event::Deleted { step: id, extra: false, .. } if *id == step.id => {
                hours += since.take().map_or(0.0, |from| span(from, record.at));
            }
            _ => {}
        }
    }
    (hours + since.map_or(0.0, |from| span(from, now)), since.is_some())
}

/// What the stack has cost; none when a price is unknown, or its plan is.
pub(super) fn accrued(known: &stacks::Known, now: Timestamp) -> Option<f64> {
    known.state.plan()?;
    let usd = metered(known, now).iter().map(Metered::usd).sum::<Option<f64>>()?;
    Some((usd * 1e4).round() / 1e4 + 0.0)
}
