//! The one line that a provision ends with.

use super::{audit_lines, marked, place};
use crate::model::doc::{Provision, ProvisionOutcome};
use crate::ui::{
    style::{hourly, moment},
    view::View,
};
use jiff::Timestamp;

impl View for Provision {
    const KIND: &'static str = "provision";

    fn human(&self, now: Timestamp, sandbox: bool) -> String {
        let Some(stack) = &self.stack else { return String::new() };
        let word = match self.outcome {
            ProvisionOutcome::Created | ProvisionOutcome::Resumed | ProvisionOutcome::Unchanged => "ready",
            ProvisionOutcome::Incomplete => "INCOMPLETE",
            ProvisionOutcome::RolledBack => "rolled back",
            ProvisionOutcome::Declined => return String::new(),
        };
        let mut line = format!("{}  {}  {word}", stack.name, place(stack));
        if let Some(cluster) = &self.cluster {
            if let Some(version) = &cluster.version {
                line.push_str(&format!("  {version}"));
            }
            match cluster.nodes_ready {
                Some(ready) => line.push_str(&format!("  {ready}/{} nodes", cluster.nodes_wanted)),
                None => line.push_str(&format!("  {} nodes ordered", cluster.nodes_wanted)),
            }
        }
        if self.outcome == ProvisionOutcome::Incomplete {
            let made = self.resources.iter().filter(|res| res.id.is_some()).count();
            line.push_str(&format!("  {made} of {} objects", self.resources.len()));
        }
        line.push_str(&format!("  {}", hourly(self.usd_per_hour)));
        if let Some(at) = self.expires_at {
            line.push_str(&format!("  expires {}", moment(at, now)));
        }
        if self.outcome == ProvisionOutcome::Unchanged {
            line.push_str("  nothing to do");
        }
        marked(line, sandbox) + &audit_lines(self.audit.as_ref())
    }

    fn names(&self) -> Vec<String> {
        self.stack.iter().map(|stack| stack.name.clone()).collect()
    }
}
