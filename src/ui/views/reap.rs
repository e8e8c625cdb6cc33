//! `reap`: what is due and why, or what became of it.

use super::{marked, place};
use crate::model::doc::{Due, DueOutcome, DueReason, Reap};
use crate::ui::{
    Table,
    style::{count, hourly, hourly_short, moment},
    view::View,
};
use jiff::Timestamp;

/// Why a stack is due, in words: `expired 13:40Z`.
pub fn because(due: &Due, now: Timestamp) -> String {
    match (due.reason, due.expires_at, due.created_at) {
        (DueReason::Expired, Some(at), _) => format!("expired {}", moment(at, now)),
        (DueReason::Expired, None, _) => "expired".to_owned(),
        (DueReason::HalfRemoved, ..) => "half removed".to_owned(),
        (DueReason::Abandoned, _, Some(at)) => format!("begun {}, no cluster", moment(at, now)),
        (DueReason::Abandoned, ..) => "no cluster".to_owned(),
    }
}

const fn outcome(due: &Due) -> &'static str {
    match due.outcome {
        DueOutcome::Listed => "due",
        DueOutcome::Protected => "protected: left",
        DueOutcome::Extended => "extended: left",
        DueOutcome::Standing => "somebody is at it: left",
        DueOutcome::Held => "held by another: left",
        DueOutcome::Gone => "gone already",
        DueOutcome::Destroyed => "destroyed",
        DueOutcome::Incomplete => "INCOMPLETE",
    }
}

impl View for Reap {
    const KIND: &'static str = "reap";

    fn human(&self, now: Timestamp, sandbox: bool) -> String {
        if self.due.is_empty() {
            let whole = if self.complete { "nothing is due" } else { "nothing is due in what could be read" };
            return marked(whole.to_owned(), sandbox);
        }
        let mut table = Table::new(&["NAME", "WHERE", "WHY", ">$/h", "BUILDER", ""]);
        for due in &self.due {
            table.row([
                due.stack.name.clone(),
                place(&due.stack),
                because(due, now),
                due.usd_per_hour.map_or_else(|| "?".to_owned(), |usd| format!("{usd:.4}")),
                due.builder.clone().unwrap_or_else(|| "-".to_owned()),
                outcome(due).to_owned(),
            ]);
        }
        let mut text = table.lines().join("\n") + "\n";
        let line = if self.delete {
            format!(
                "{}, {} deleted; {}, {} of what was due remain",
                count(self.destroyed, "stack"),
                count(self.deleted, "resource"),
                count(self.remaining, "resource"),
                hourly_short(self.usd_per_hour)
            )
        } else {
            format!("{} due, {}; --delete takes them down", count(self.due.len(), "stack"), hourly(self.usd_per_hour))
        };
        text.push_str(&marked(line, sandbox));
        text
    }

    fn names(&self) -> Vec<String> {
        self.due.iter().map(|due| due.stack.name.clone()).collect()
    }
}
