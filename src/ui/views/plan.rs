//! The plan with its cost and time, as shown before the question and by `--dry-run`.

use crate::model::doc::{self, HOURS_PER_MONTH};
use crate::ui::{
    Style, Table,
    style::{PASTE, about, moment},
    view::View,
};
use jiff::Timestamp;
use serde::Serialize;

/// One line of the table.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// What.
    pub what: String,
    /// How many.
    pub count: String,
    /// Price by the hour; none is unknown, zero is free.
    pub usd_per_hour: Option<f64>,
    /// Usual time, where it matters.
    pub p50_secs: Option<u64>,
    /// Where the price is from, and what turning it off would save.
    pub note: String,
}

/// A plan document with what only people need.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlanView {
    /// The document.
    #[serde(flatten)]
    pub doc: doc::Plan,
    /// `plan demo: EKS 1.35, us-east-1a,b, 2 x m6a.large; 31 resources`.
    #[serde(skip)]
    pub headline: String,
    /// Who pays: account and caller.
    #[serde(skip)]
    pub who: String,
    /// The table.
    #[serde(skip)]
    pub rows: Vec<Row>,
    /// The sums.
    #[serde(skip)]
    pub totals: doc::Totals,
    /// Whether some line has no price.
    #[serde(skip)]
    pub unknown: Vec<String>,
    /// When it would expire, and the money until then.
    #[serde(skip)]
    pub expiry: Option<(Timestamp, f64)>,
    /// Defaults that were used, in words.
    #[serde(skip)]
    pub defaults: Vec<String>,
    /// What is not in the price.
    #[serde(skip)]
    pub excluded: Vec<String>,
    /// What was brought along.
    #[serde(skip)]
    pub adopted: Vec<String>,
}

/// Columns below which only what, how many and how much an hour fits.
const ROOMY: usize = 60;

/// The table of what is billed, with its total. On a narrow terminal it leaves out what can be worked out.
pub fn price_table(
    rows: &[Row],
    totals: &doc::Totals,
    complete: bool,
    eta: doc::Eta,
    columns: Option<usize>,
) -> String {
    let hourly = totals.usd_per_hour;
    let narrow = columns.is_some_and(|columns| columns < ROOMY);
    let shown = if narrow { 3 } else { 6 };
    let mut table = Table::new(&["WHAT", ">N", ">$/h", ">$/month", ">p50", ""][..shown]);
    for row in rows {
        let price = |scale: f64, digits: usize| match row.usd_per_hour {
            None => "unknown".to_owned(),
            Some(0.0) => "-".to_owned(),
            Some(usd) => format!("{:.digits$}", usd * scale),
        };
        let cells = [
            row.what.clone(),
            row.count.clone(),
            price(1.0, 4),
            price(HOURS_PER_MONTH, 2),
            row.p50_secs.map_or_else(String::new, about),
            row.note.clone(),
        ];
        table.row(cells.into_iter().take(shown));
    }
    let more = if complete { "" } else { "+" };
    let learned = if eta.basis == doc::Basis::History { ", moved by earlier runs here" } else { "" };
    let total = [
        "total".to_owned(),
        String::new(),
        format!("{:.4}{more}", hourly.desired),
        format!("{:.2}{more}", totals.usd_per_month),
        about(eta.p50_seconds),
        format!("p90 {}{learned}", about(eta.p90_seconds)),
    ];
    table.row(total.into_iter().take(shown));
    let mut text = table.lines().join("\n") + "\n";
    if hourly.max > hourly.desired {
        text.push_str(&format!("at most ${:.4}/h when scaled up: budgets are judged by that\n", hourly.max));
    }
    text
}

impl PlanView {
    /// The whole conversation piece: who, preflight, table, notes.
    pub fn text(&self, now: Timestamp, style: Style) -> String {
        let mut text = format!("{}\n{}\n{}\n", style.bold(&self.headline), self.who, self.preflight(style));
        text.push_str(&price_table(&self.rows, &self.totals, self.unknown.is_empty(), self.doc.eta, None));
        if let Some((at, usd)) = self.expiry {
            text.push_str(&format!(
                "until expiry {}: ${usd:.2}; the expiry is a tag, it enforces nothing by itself\n",
                moment(at, now)
            ));
        }
        for name in &self.unknown {
            text.push_str(&format!("{} no price known for {name}; it is not in the total\n", style.yellow("warning:")));
        }
        if !self.adopted.is_empty() {
            text.push_str(&format!(
                "adopted: {} - never changed, never deleted, not priced\n",
                self.adopted.join(", ")
            ));
        }
        if !self.defaults.is_empty() {
            text.push_str(&format!("defaults used: {}\n", self.defaults.join(" · ")));
        }
        if !self.excluded.is_empty() {
            text.push_str(&format!("not in the price: {}\n", self.excluded.join(", ")));
        }
        if let Some(words) = self.doc.budget.warning(self.totals.usd_per_hour.max) {
            text.push_str(&format!("{} {words}\n", style.yellow("warning:")));
        }
        text
    }

    fn preflight(&self, style: Style) -> String {
        let count = |status: &str| self.doc.preflight.iter().filter(|check| check.status == status).count();
        let mut text =
            format!("preflight  ok {}  warn {}  fail {}", count("ok"), count("warn") + count("unknown"), count("fail"));
        for check in self.doc.preflight.iter().filter(|check| check.status != "ok") {
            let label = if check.status == "fail" { style.red("fail") } else { style.yellow(&check.status) };
            text.push_str(&format!("\n  {label} {}: {}", check.id, check.message));
            // Those of what failed come with the error.
            for hint in check.hints.iter().filter(|_| check.status != "fail") {
                text.push_str(&format!("\n       {PASTE}{hint}"));
            }
        }
        text
    }
}

impl View for PlanView {
    const KIND: &'static str = "plan";

    fn human(&self, now: Timestamp, _: bool) -> String {
        let mut text = self.text(now, Style { color: false });
        text.push_str(&format!("plan hash {}\n", self.doc.plan_hash));
        text
    }

    fn names(&self) -> Vec<String> {
        self.doc.steps.iter().map(|step| step.id.clone()).collect()
    }
}
