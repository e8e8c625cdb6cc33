//! What a destroy says at the end, and `protect`.

use super::{audit_lines, marked};
use crate::model::doc::{Audit, Destroy, DestroyOutcome, Extend, Protect, Remaining};
use crate::ui::{
    style::{hourly, hourly_short, moment},
    view::View,
};
use jiff::Timestamp;

impl View for Destroy {
    const KIND: &'static str = "destroy";

    fn human(&self, _: Timestamp, sandbox: bool) -> String {
        let name = &self.stack.name;
        let all = self.deleted.len() + self.remaining.len();
        let line = match self.outcome {
            DestroyOutcome::Declined => return String::new(),
            DestroyOutcome::Nothing => format!("{name}: nothing there; 0 resources, $0.00/h remain"),
            DestroyOutcome::Destroyed => {
                let mut line = format!(
                    "{name}: {} of {all} deleted, second look: 0 resources, $0.00/h remain",
                    self.deleted.len()
                );
                line.push_str(&self.left());
                line
            }
            DestroyOutcome::Incomplete => {
                let mut line = format!(
                    "{name}: {} of {all} deleted; REMAIN {} ours: {} {}",
                    self.deleted.len(),
                    self.remaining.len(),
                    self.remaining.iter().map(|item| item.id.as_str()).collect::<Vec<_>>().join(", "),
                    hourly_short(self.usd_per_hour_remaining)
                );
                line.push_str(&self.left());
                line
            }
        };
        let mut text = marked(line, sandbox);
        for item in &self.remaining {
            let why = item.why.as_deref().unwrap_or("still there");
            text.push_str(&format!("  {} {}: {why}\n", item.kind, item.id));
        }
        // What remains has been told; the second look adds only what nobody expected.
        let news = self.audit.as_ref().filter(|_| self.outcome != DestroyOutcome::Destroyed).map(|audit| Audit {
            unexpected: audit.unexpected.iter().filter(|line| !self.tells(line)).cloned().collect(),
            ..audit.clone()
        });
        text + &audit_lines(news.as_ref())
    }

    fn names(&self) -> Vec<String> {
        self.remaining.iter().map(|item| item.id.clone()).collect()
    }
}

impl Destroy {
    /// What stays on purpose: kept because somebody said so, or never undone.
    fn left(&self) -> String {
        let (switched, kept): (Vec<_>, Vec<_>) =
            self.kept.iter().partition(|item| item.why.as_deref() == Some(crate::model::doc::ONE_WAY));
        let mut text = String::new();
        if !kept.is_empty() {
            text.push_str(&format!("; kept by request: {}", list(&kept)));
        }
        if !switched.is_empty() {
            let names: Vec<&str> = switched.iter().map(|item| item.id.rsplit('/').next().unwrap_or(&item.id)).collect();
            text.push_str(&format!("; stays switched on: {}", names.join(", ")));
        }
        text
    }

    /// Whether a line of the audit is about something that is listed as remaining.
    fn tells(&self, line: &str) -> bool {
        self.remaining.iter().any(|item| line.split(' ').any(|word| word == item.id))
    }
}

fn list(items: &[&Remaining]) -> String {
    items.iter().map(|item| format!("{} {}", item.id, hourly(item.usd_per_hour))).collect::<Vec<_>>().join(", ")
}

impl View for Extend {
    const KIND: &'static str = "extend";

    fn human(&self, now: Timestamp, sandbox: bool) -> String {
        let before = self.expired_at.map_or_else(String::new, |at| format!(" (before: {})", moment(at, now)));
        let line = format!(
            "{}  expires {}{before}; the expiry is a tag, `kubewright reap --delete` enforces it",
            self.stack.name,
            moment(self.expires_at, now)
        );
        marked(line, sandbox)
    }

    fn names(&self) -> Vec<String> {
        vec![self.stack.name.clone()]
    }
}

impl View for Protect {
    const KIND: &'static str = "protect";

    fn human(&self, _: Timestamp, sandbox: bool) -> String {
        let state = if self.protect { "protected" } else { "not protected" };
        let already = if self.changed { "" } else { " (as before)" };
        marked(format!("{}  {state}{already}", self.stack.name), sandbox)
    }

    fn names(&self) -> Vec<String> {
        vec![self.stack.name.clone()]
    }
}
