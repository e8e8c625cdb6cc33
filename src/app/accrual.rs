//! What stacks have cost so far: each object from the moment it was confirmed running until it was proven gone. From
//! journals alone; what a cluster's own doings cost is not in them. What a pool that scales has cost is known between two
//! bounds: how many machines it had and when, no journal tells.

use super::{money, stacks};
use crate::cost::Range;
use crate::engine::{Event, PlannedStep, Record};
use crate::model::doc::shown;
use jiff::{SignedDuration, Timestamp};

/// One billed object's time on the meter.
pub(super) struct Metered<'k> {
    pub(super) step: &'k PlannedStep,
    pub(super) hours: f64,
    pub(super) running: bool,
    /// At the smallest, as ordered, at the largest, to the last decimal; none when unknown.
    rate: Option<Range>,
}

impl Metered<'_> {
    /// An hour of it as ordered, as it is shown; none when unknown.
    pub(super) fn usd_per_hour(&self) -> Option<f64> {
        self.rate.map(|rate| shown(rate.desired))
    }

    /// What it has cost; none when unknown.
    pub(super) fn usd(&self) -> Option<Range> {
        self.rate.map(|rate| rate.map(|usd| usd * self.hours))
    }
}

/// Every billed object that ever ran, in the plan's order.
pub(super) fn metered(known: &stacks::Known, now: Timestamp) -> Vec<Metered<'_>> {
    let steps = known.state.plan().map(|plan| plan.steps.as_slice()).unwrap_or_default();
    let billed = steps.iter().filter(|step| !step.usage.is_empty());
    let all = billed.map(|step| {
        let (hours, running) = on_the_meter(&known.records, step, now);
        Metered { step, hours, running, rate: money::range_of(step) }
    });
    all.filter(|it| it.running || it.hours > 0.0).collect()
}

fn on_the_meter(records: &[Record], step: &PlannedStep, now: Timestamp) -> (f64, bool) {
    let mut begun: Option<&Record> = None;
    let mut since: Option<Timestamp> = None;
    let mut hours = 0.0;
    let span = |from: Timestamp, to: Timestamp| (to.as_millisecond() - from.as_millisecond()).max(0) as f64 / 3_600e3;
    for record in records {
        match &record.event {
            Event::Intent { step: id, .. } | Event::Acted { step: id, .. } if *id == step.id => begun = Some(record),
            Event::Ready { step: id, .. } if *id == step.id => {
                since.get_or_insert_with(|| running_since(begun, record, step));
            }
            Event::Deleted { step: id, extra: false, .. } if *id == step.id => {
                hours += since.take().map_or(0.0, |from| span(from, record.at));
                begun = None;
            }
            _ => {}
        }
    }
    (hours + since.map_or(0.0, |from| span(from, now)), since.is_some())
}

/// Since when it has been running. Whoever made it and was killed did not see that; whoever went on later found it
/// running, and it has been so for about as long as its making usually takes less than it has been there.
fn running_since(begun: Option<&Record>, ready: &Record, step: &PlannedStep) -> Timestamp {
    match begun.filter(|begun| begun.run != ready.run) {
        Some(begun) => {
            let usual = SignedDuration::from_secs(step.timing.p50_secs.into());
            begun.at.saturating_add(usual).map_or(ready.at, |at| at.min(ready.at))
        }
        None => ready.at,
    }
}

/// What the stack has cost, at the least, as ordered and at the most; none when a price is unknown, or its plan is.
pub(super) fn accrued_range(known: &stacks::Known, now: Timestamp) -> Option<Range> {
    known.state.plan()?;
    let sum = metered(known, now).iter().try_fold(Range::default(), |sum, line| Some(sum.plus(line.usd()?)))?;
    Some(sum.map(shown))
}

/// What the stack has cost as ordered; none when a price is unknown, or its plan is.
pub(super) fn accrued(known: &stacks::Known, now: Timestamp) -> Option<f64> {
    accrued_range(known, now).map(|usd| usd.desired)
}
