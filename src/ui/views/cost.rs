//! `cost`: tables of money, and bars that show where it goes.

use super::{marked, place};
use crate::model::doc::{
    CostCompare, CostForecast, CostList, CostRefresh, CostShow, Estimate, HOURS_PER_MONTH, Line, Offered,
};
use crate::ui::{
    Table,
    style::{hourly, moment},
    view::{Grid, View},
};
use jiff::Timestamp;
use serde::Serialize;

/// An estimate as the answer of a verb.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EstimateView {
    /// The document.
    #[serde(flatten)]
    pub cost: Estimate,
}

/// Letters of the longest bar.
const BAR: f64 = 24.0;

fn bar(share: f64) -> String {
    "#".repeat((share * BAR).round().clamp(0.0, BAR) as usize)
}

fn usd(usd: Option<f64>, digits: usize) -> String {
    usd.map_or_else(|| "unknown".to_owned(), |usd| format!("{usd:.digits$}"))
}

/// Text of a cell that programs read: a number, or nothing.
fn number(usd: Option<f64>) -> String {
    usd.map(|usd| usd.to_string()).unwrap_or_default()
}

impl View for EstimateView {
    const KIND: &'static str = "cost-estimate";

    fn human(&self, _: Timestamp, sandbox: bool) -> String {
        let cost = &self.cost;
        let total = cost.totals.usd_per_hour;
        let scales = total.min < total.max;
        let headings: &[&str] = if scales {
            &["WHAT", ">QTY", "UNIT", ">$/UNIT", ">$/h MIN", ">$/h", ">$/h MAX", ">$/month", ""]
        } else {
            &["WHAT", ">QTY", "UNIT", ">$/UNIT", ">$/h", ">$/month", ""]
        };
        let mut table = Table::new(headings);
        let mut lines: Vec<_> = cost.lines.iter().collect();
        let now = |line: &Line| line.usd_per_hour.map_or(f64::MAX, |range| range.desired);
        lines.sort_by(|a, b| now(b).total_cmp(&now(a)));
        for line in lines {
            let hour = line.usd_per_hour;
            let estimated = if line.extrapolated { " ~" } else { "" };
            let mut cells = vec![
                if line.sku == "spot" { format!("{} spot", line.component) } else { line.component.clone() },
                line.quantity.to_string(),
                line.unit.clone(),
                line.unit_price.map_or_else(|| "unknown".to_owned(), |price| format!("{price}{estimated}")),
            ];
            if scales {
                cells.push(usd(hour.map(|range| range.min), 4));
            }
            cells.push(usd(hour.map(|range| range.desired), 4));
            if scales {
                cells.push(usd(hour.map(|range| range.max), 4));
            }
            cells.push(usd(hour.map(|range| range.desired * HOURS_PER_MONTH), 2));
            cells.push(hour.map_or_else(String::new, |range| bar(range.desired / total.desired.max(1e-9))));
            table.row(cells);
        }
        let more = if cost.complete { "" } else { "+" };
        let mut text = table.lines().join("\n");
        text.push_str(&marked(
            format!(
                "\ntotal ${:.4}{more}/h · ${:.2}{more} a day · ${:.2}{more} a month of {HOURS_PER_MONTH} h",
                total.desired, cost.totals.usd_per_day, cost.totals.usd_per_month
            ),
            sandbox,
        ));
        if scales {
            text.push_str(&format!(
                "between ${:.4} and ${:.4}/h as pools scale: budgets are judged by the most\n",
                total.min, total.max
            ));
        }
        if let Some(usd) = cost.totals.until_ttl_usd {
            text.push_str(&format!("until its time to live is over: ${usd:.2}\n"));
        }
        for line in &cost.lines {
            if let Some(note) = &line.adjusted {
                text.push_str(&format!("{} ({}): {note}\n", line.component, line.step));
            }
        }
        for name in &cost.unknown {
            text.push_str(&format!("no price known for {name}: it is not in the total\n"));
        }
        if cost.lines.iter().any(|line| line.extrapolated) {
            text.push_str("~ estimated from another region's price\n");
        }
        text.push_str(&format!("list prices of {}; not in them: {}\n", dates(cost), cost.excluded.join(", ")));
        text
    }

    fn names(&self) -> Vec<String> {
        self.cost.lines.iter().map(|line| line.component.clone()).collect()
    }

    fn grid(&self) -> Option<Grid> {
        let headings = [
            "step",
            "component",
            "provider",
            "region",
            "sku",
            "quantity",
            "unit",
            "unit_price",
            "usd_per_hour_min",
            "usd_per_hour",
            "usd_per_hour_max",
            "source",
            "as_of",
            "extrapolated",
            "adjusted",
        ];
        let rows = self.cost.lines.iter().map(|line| {
            let hour = line.usd_per_hour;
            vec![
                line.step.clone(),
                line.component.clone(),
                line.provider.clone(),
                line.region.clone(),
                line.sku.clone(),
                line.quantity.to_string(),
                line.unit.clone(),
                number(line.unit_price),
                number(hour.map(|range| range.min)),
                number(hour.map(|range| range.desired)),
                number(hour.map(|range| range.max)),
                line.source.clone(),
                line.as_of.clone(),
                line.extrapolated.to_string(),
                line.adjusted.clone().unwrap_or_default(),
            ]
        });
        Some(Grid::new(&headings, rows))
    }
}

/// From the oldest price to the newest.
fn dates(cost: &Estimate) -> String {
    let dates = || cost.lines.iter().map(|line| line.as_of.as_str()).filter(|date| !date.is_empty());
    match (dates().min(), dates().max()) {
        (Some(first), Some(last)) if first != last => format!("{first} to {last}"),
        (Some(date), _) => date.to_owned(),
        _ => cost.catalogue_date.clone(),
    }
}

impl View for CostCompare {
    const KIND: &'static str = "cost-compare";

    fn human(&self, _: Timestamp, _: bool) -> String {
        let last = if self.spot { ">SAVES" } else { "" };
        let mut table =
            Table::new(&["WHERE", "MACHINE", ">vCPU", ">GiB", "GPU", ">$/h EACH", ">$/h", ">$/month", last]);
        for offer in &self.offers {
            table.row([
                format!("{}/{}", offer.provider, offer.region),
                offer.instance_type.clone(),
                format!("{}", offer.vcpus),
                format!("{}", offer.memory_gib),
                offer.gpu.clone().unwrap_or_default(),
                format!("{:.4}{}", offer.usd_per_hour.machine, if offer.extrapolated { " ~" } else { "" }),
                format!("{:.4}", offer.usd_per_hour.total),
                format!("{:.2}", offer.usd_per_month),
                offer.saving_percent.map_or_else(String::new, |percent| format!("{percent:.0} %")),
            ]);
        }
        let mut text = table.lines().join("\n") + "\n";
        if self.found > self.offers.len() {
            text.push_str(&format!("{} more regions; --top 0 shows all\n", self.found - self.offers.len()));
        }
        if self.offers.iter().any(|offer| offer.adjusted.is_some()) {
            text.push_str("machine prices are less discounts, or your own: see `adjusted` in -o json\n");
        }
        if self.offers.iter().any(|offer| offer.extrapolated) {
            text.push_str("~ estimated from another region's price\n");
        }
        let plane = match self.need.nodes {
            1 => "one node".to_owned(),
            nodes => format!("{nodes} nodes"),
        };
        text.push_str(&format!(
            "$/h is {plane} and the control plane; prices up to {}; not in them: {}\n",
            self.catalogue_date,
            self.excluded.join(", ")
        ));
        if let Some(flags) = self.offers.iter().find_map(|offer| offer.flags.as_ref()) {
            text.push_str(&format!("to build the cheapest: kubewright provision NAME {flags}\n"));
        }
        text
    }

    fn names(&self) -> Vec<String> {
        self.offers.iter().map(|offer| format!("{}/{}/{}", offer.provider, offer.region, offer.instance_type)).collect()
    }

    fn grid(&self) -> Option<Grid> {
        let headings = [
            "provider",
            "region",
            "instance_type",
            "vcpus",
            "memory_gib",
            "gpu",
            "nodes",
            "usd_per_hour_machine",
            "usd_per_hour_on_demand",
            "usd_per_hour_control_plane",
            "usd_per_hour",
            "usd_per_month",
            "as_of",
            "extrapolated",
        ];
        let row = |it: &Offered| {
            vec![
                it.provider.clone(),
                it.region.clone(),
                it.instance_type.clone(),
                it.vcpus.to_string(),
                it.memory_gib.to_string(),
                it.gpu.clone().unwrap_or_default(),
                self.need.nodes.to_string(),
                it.usd_per_hour.machine.to_string(),
                it.usd_per_hour.on_demand.to_string(),
                number(it.usd_per_hour.control_plane),
                it.usd_per_hour.total.to_string(),
                it.usd_per_month.to_string(),
                it.as_of.clone(),
                it.extrapolated.to_string(),
            ]
        };
        Some(Grid::new(&headings, self.offers.iter().map(row)))
    }
}

impl View for CostShow {
    const KIND: &'static str = "cost-show";

    fn human(&self, now: Timestamp, sandbox: bool) -> String {
        let stack = &self.stack;
        let id = stack.id.as_deref().unwrap_or("?");
        let since = self.since.map_or_else(String::new, |at| format!(", since {}", moment(at, now)));
        let mut text = marked(format!("{}-{id}  {}{since}", stack.name, place(stack)), sandbox);
        let mut table = Table::new(&["WHAT", "STEP", ">HOURS", ">$/h", ">$", ""]);
        let all = self.accrued_usd.unwrap_or_default().max(1e-9);
        for line in &self.lines {
            let ended = if line.running { "" } else { "gone" };
            let share = line.usd.map_or_else(String::new, |usd| bar(usd / all));
            table.row([
                line.components.join(" + "),
                line.step.clone(),
                format!("{:.2}", line.hours),
                usd(line.usd_per_hour, 4),
                usd(line.usd, 4),
                format!("{share} {ended}").trim().to_owned(),
            ]);
        }
        text.push_str(&(table.lines().join("\n") + "\n"));
        let spent = usd(self.accrued_usd, 2);
        match self.destroyed_at {
            Some(at) => text.push_str(&format!("cost ${spent} in all; gone since {}\n", moment(at, now))),
            None => {
                let month = usd(self.usd_per_month, 2);
                text.push_str(&format!("cost ${spent} so far; {}, ${month} a month\n", hourly(self.usd_per_hour)));
            }
        }
        if self.accrued_min_usd != self.accrued_max_usd {
            let (least, most) = (usd(self.accrued_min_usd, 2), usd(self.accrued_max_usd, 2));
            text.push_str(&format!("between ${least} and ${most}, by how pools scaled; counted as ordered here\n"));
        }
        if let (Some(at), Some(usd)) = (self.expires_at, self.until_expiry_usd) {
            text.push_str(&format!("until expiry {}: ${usd:.2} more\n", moment(at, now)));
        }
        text.push_str(&format!("not in it: {}\n", self.excluded.join(", ")));
        text
    }

    fn names(&self) -> Vec<String> {
        vec![self.stack.name.clone()]
    }

    fn grid(&self) -> Option<Grid> {
        let headings = ["step", "components", "hours", "usd_per_hour", "usd", "running"];
        let rows = self.lines.iter().map(|line| {
            vec![
                line.step.clone(),
                line.components.join(" + "),
                line.hours.to_string(),
                number(line.usd_per_hour),
                number(line.usd),
                line.running.to_string(),
            ]
        });
        Some(Grid::new(&headings, rows))
    }
}

impl View for CostList {
    const KIND: &'static str = "cost-list";

    fn human(&self, now: Timestamp, sandbox: bool) -> String {
        if self.stacks.is_empty() {
            return marked(
                "no clusters recorded here; `kubewright status --all` looks into the clouds".to_owned(),
                sandbox,
            );
        }
        let mut table = Table::new(&["NAME", "WHERE", ">$/h", ">$/month", ">SO FAR", "EXPIRES", ""]);
        for it in &self.stacks {
            let share = it.usd_per_hour.map_or_else(String::new, |usd| bar(usd / self.usd_per_hour.max(1e-9)));
            table.row([
                it.stack.name.clone(),
                place(&it.stack),
                usd(it.usd_per_hour, 4),
                usd(it.usd_per_month, 2),
                usd(it.accrued_usd, 2),
                it.expires_at.map_or_else(|| "-".to_owned(), |at| moment(at, now)),
                share,
            ]);
        }
        let more = if self.complete { "" } else { "+" };
        table.row([
            "total".to_owned(),
            String::new(),
            format!("{:.4}{more}", self.usd_per_hour),
            format!("{:.2}{more}", self.usd_per_month),
            format!("{:.2}{more}", self.accrued_usd),
            String::new(),
            if sandbox { "SANDBOX".to_owned() } else { String::new() },
        ]);
        table.lines().join("\n") + "\n"
    }

    fn names(&self) -> Vec<String> {
        self.stacks.iter().map(|it| it.stack.name.clone()).collect()
    }

    fn grid(&self) -> Option<Grid> {
        let headings =
            ["name", "id", "provider", "region", "usd_per_hour", "usd_per_month", "accrued_usd", "expires_at"];
        let rows = self.stacks.iter().map(|it| {
            vec![
                it.stack.name.clone(),
                it.stack.id.clone().unwrap_or_default(),
                it.stack.provider.clone(),
                it.stack.region.clone(),
                number(it.usd_per_hour),
                number(it.usd_per_month),
                number(it.accrued_usd),
                it.expires_at.map(|at| at.to_string()).unwrap_or_default(),
            ]
        });
        Some(Grid::new(&headings, rows))
    }
}

impl View for CostForecast {
    const KIND: &'static str = "cost-forecast";

    fn human(&self, now: Timestamp, sandbox: bool) -> String {
        let until = self.expires_at.unwrap_or(self.until);
        let why = if self.expires_at.is_some() { ", when it expires (if `reap` runs)" } else { "" };
        let mut text = marked(
            format!("{}: ${} until {}{why}", self.stack.name, usd(self.desired_usd, 2), moment(until, now)),
            sandbox,
        );
        if self.min_usd != self.max_usd {
            text.push_str(&format!("between ${} and ${} as pools scale\n", usd(self.min_usd, 2), usd(self.max_usd, 2)));
        }
        text.push_str(&format!("so far ${}\n", usd(self.accrued_usd, 2)));
        text
    }

    fn names(&self) -> Vec<String> {
        vec![self.stack.name.clone()]
    }

    fn grid(&self) -> Option<Grid> {
        let headings = ["name", "days", "until", "accrued_usd", "min_usd", "desired_usd", "max_usd"];
        let row = vec![
            self.stack.name.clone(),
            self.days.to_string(),
            self.until.to_string(),
            number(self.accrued_usd),
            number(self.min_usd),
            number(self.desired_usd),
            number(self.max_usd),
        ];
        Some(Grid::new(&headings, [row]))
    }
}

impl View for CostRefresh {
    const KIND: &'static str = "cost-refresh";

    fn human(&self, _: Timestamp, _: bool) -> String {
        let mut table = Table::new(&["VENDOR", "REGIONS", ">PRICES", ">CHANGED", ">SPOT", ">OTHER", ""]);
        for it in &self.vendors {
            let regions = match it.regions.as_slice() {
                [] => String::new(),
                [one] => one.clone(),
                many => format!("{} regions", many.len()),
            };
            table.row([
                it.provider.clone(),
                regions,
                it.prices.to_string(),
                it.changed.to_string(),
                it.spot.to_string(),
                it.components.to_string(),
                it.reason.clone().map_or_else(|| it.outcome.clone(), |why| format!("{}: {why}", it.outcome)),
            ]);
        }
        let mut text = table.lines().join("\n") + "\n";
        for (vendor, odd) in self.vendors.iter().flat_map(|it| it.doubtful.iter().map(move |odd| (&it.provider, odd))) {
            let said = odd.said.map_or_else(|| "two prices at once".to_owned(), |usd| format!("${usd}"));
            let (region, name, known) = (&odd.region, &odd.name, odd.known);
            text.push_str(&format!("not believed: {vendor}/{region} {name} at {said}; ${known} stands\n"));
        }
        text.push_str(&format!("newest price in force: {}\n", self.catalogue_date));
        text
    }

    fn names(&self) -> Vec<String> {
        let read = self.vendors.iter().filter(|it| it.outcome == "read");
        read.flat_map(|it| it.regions.iter().map(|region| format!("{}/{region}", it.provider))).collect()
    }

    fn grid(&self) -> Option<Grid> {
        let headings =
            ["provider", "outcome", "regions", "prices", "changed", "spot", "components", "doubtful", "reason"];
        let rows = self.vendors.iter().map(|it| {
            vec![
                it.provider.clone(),
                it.outcome.clone(),
                it.regions.join(" "),
                it.prices.to_string(),
                it.changed.to_string(),
                it.spot.to_string(),
                it.components.to_string(),
                it.doubtful.len().to_string(),
                it.reason.clone().unwrap_or_default(),
            ]
        });
        Some(Grid::new(&headings, rows))
    }
}
