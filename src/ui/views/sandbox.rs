//! `sandbox show`.

use crate::model::doc::SandboxShow;
use crate::ui::{Table, style::hourly_short, view::View};
use jiff::Timestamp;

impl View for SandboxShow {
    const KIND: &'static str = "sandbox-show";

    fn human(&self, _: Timestamp, _: bool) -> String {
        let speed = self.world.speed.as_deref().unwrap_or("-");
        let mut text = format!(
            "world {}  seed {}  speed {}  its time {}  revision {}\n",
            self.world.id,
            self.world.seed,
            speed,
            self.world.virtual_time.strftime("%Y-%m-%d %H:%M:%SZ"),
            self.world.revision
        );
        let shown: Vec<_> = self.objects.iter().filter(|object| object.created_by != "builtin").collect();
        if !shown.is_empty() {
            let mut table = Table::new(&["SERVICE", "KIND", "ID", "STATE", "BY", ">$/h", "STACK"]);
            for object in shown {
                let price = if object.billable {
                    object.usd_per_hour.map_or_else(|| "?".to_owned(), |usd| format!("{usd:.4}"))
                } else {
                    "-".to_owned()
                };
                table.row([
                    object.service.as_str(),
                    &object.kind,
                    &object.id,
                    &object.state,
                    &object.created_by,
                    &price,
                    object.tags.get("kubewright-stack").map_or("-", String::as_str),
                ]);
            }
            for line in table.lines() {
                text.push_str(&line);
                text.push('\n');
            }
        }
        text.push_str(&format!(
            "{} resources, {} billed, {}\n{} requests, {} mutating\n",
            self.totals.objects,
            self.totals.billable,
            hourly_short(self.totals.usd_per_hour),
            self.requests.total,
            self.requests.mutating
        ));
        for fault in &self.faults {
            text.push_str(&format!("fault {}  fired {}\n", fault.spec, fault.fired));
        }
        text
    }

    fn names(&self) -> Vec<String> {
        self.objects.iter().filter(|object| object.created_by != "builtin").map(|object| object.id.clone()).collect()
    }
}
