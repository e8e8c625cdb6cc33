//! `status`: one cluster in depth, or a table of all.

use super::place;
use crate::model::doc::{Phase, Status, StatusCluster};
use crate::ui::{
    Table,
    style::{hourly, moment},
    view::View,
};
use jiff::Timestamp;

const HOURS_PER_MONTH: f64 = 730.0;

impl View for Status {
    const KIND: &'static str = "status";

    fn human(&self, now: Timestamp, sandbox: bool) -> String {
        match self.clusters.as_slice() {
            [] if !self.failures.is_empty() => "no cluster could be read\n".to_owned(),
            [] => "no clusters\n".to_owned(),
            [one] => depth(one, now, sandbox),
            many => list(many, now, sandbox),
        }
    }

    fn names(&self) -> Vec<String> {
        self.clusters.iter().map(|cluster| cluster.stack.name.clone()).collect()
    }
}

fn word(cluster: &StatusCluster) -> String {
    match cluster.phase {
        Phase::Degraded => "UNHEALTHY".to_owned(),
        Phase::Failed => "FAILED".to_owned(),
        phase => phase.as_str().to_owned(),
    }
}

fn depth(cluster: &StatusCluster, now: Timestamp, sandbox: bool) -> String {
    let stack = &cluster.stack;
    let unverified = if cluster.cloud_status.is_none() { "*" } else { "" };
    let mut line = format!("{}  {}  {}{unverified}", stack.name, place(stack), word(cluster));
    if let Some(version) = &cluster.version {
        line.push_str(&format!("  {version}"));
        if let Some(ends) = &cluster.support_ends {
            line.push_str(&format!(" (standard support until {ends})"));
        }
    }
    if cluster.usd_per_hour.is_some() {
        line.push_str(&format!("  {}", hourly(cluster.usd_per_hour)));
    }
    if let Some(at) = cluster.expires_at {
        line.push_str(&format!("  {} {}", if at <= now { "EXPIRED" } else { "expires" }, moment(at, now)));
    }
    if cluster.protect {
        line.push_str("  protected");
    }
    if sandbox {
        line.push_str("  SANDBOX");
    }
    let mut text = line + "\n";
    let mut add = |label: &str, value: String| text.push_str(&format!("  {label:<14} {value}\n"));
    add(
        "stack",
        format!(
            "{}-{}  account {}",
            stack.name,
            stack.id.as_deref().unwrap_or("?"),
            stack.account.as_deref().unwrap_or("?")
        ),
    );
    match &cluster.cloud_status {
        Some(status) => add("control plane", status.clone()),
        None => add("control plane", "not asked".to_owned()),
    }
    if let (Some(host), Some(port)) = (&cluster.host, cluster.port) {
        let reachable = match cluster.reachable {
            Some(true) => "  answers",
            Some(false) => "  NO ANSWER",
            None => "",
        };
        add("API server", format!("{host}:{port}{reachable}"));
    }
    for pool in &cluster.node_pools {
        let ready = pool.ready.map_or_else(|| "?".to_owned(), |ready| ready.to_string());
        let spot = if pool.spot { " spot" } else { "" };
        add(
            &format!("pool {}", pool.name),
            format!("{ready}/{} nodes ready  {}{spot}", pool.desired, pool.instance_type.as_deref().unwrap_or("?")),
        );
    }
    if let Some(accrued) = cluster.accrued_usd {
        let since = cluster.created_at.map_or_else(String::new, |at| format!(" since {}", moment(at, now)));
        add("money", format!("${accrued:.2} so far{since}"));
    }
    if let Some(lock) = &cluster.lock {
        add("held by", lock.holder.clone());
    }
    if cluster.phase == Phase::Deleting && cluster.lock.is_none() {
        add("removal", "has begun, and nobody here is at work on it".to_owned());
    }
    for drift in &cluster.drift {
        add("drift", format!("{} {} {}", drift.kind, drift.id.as_deref().unwrap_or("-"), drift.what));
    }
    for issue in &cluster.issues {
        add("issue", issue.clone());
    }
    if !unverified.is_empty() {
        text.push_str("  * from the journal; the cloud was not asked\n");
    }
    text
}

fn list(clusters: &[StatusCluster], now: Timestamp, sandbox: bool) -> String {
    let mut table = Table::new(&["REF", "STATE", ">AGE", ">$/h", ">$/month", "EXPIRES"]);
    let mut sum = Some(0.0);
    for cluster in clusters {
        sum = sum.zip(cluster.usd_per_hour).map(|(sum, usd): (f64, f64)| sum + usd);
        table.row([
            format!("{}/{}", place(&cluster.stack), cluster.stack.name),
            word(cluster),
            cluster.created_at.map_or_else(|| "-".to_owned(), |at| age(at, now)),
            cluster.usd_per_hour.map_or_else(|| "?".to_owned(), |usd| format!("{usd:.4}")),
            cluster.usd_per_hour.map_or_else(|| "?".to_owned(), |usd| format!("{:.0}", usd * HOURS_PER_MONTH)),
            match cluster.expires_at {
                _ if cluster.protect => "protected".to_owned(),
                Some(at) => moment(at, now),
                None => "-".to_owned(),
            },
        ]);
    }
    let total =
        |scale: f64, digits: usize| sum.map_or_else(|| "?".to_owned(), |sum| format!("{:.digits$}", sum * scale));
    table.row([
        "total".to_owned(),
        String::new(),
        String::new(),
        total(1.0, 4),
        total(HOURS_PER_MONTH, 0),
        String::new(),
    ]);
    let mut text = table.lines().join("\n") + "\n";
    if sandbox {
        text.push_str("SANDBOX\n");
    }
    text
}

fn age(from: Timestamp, now: Timestamp) -> String {
    match now.as_second() - from.as_second() {
        secs @ ..7_200 => format!("{}m", (secs / 60).max(0)),
        secs @ 7_200..172_800 => format!("{}h", secs / 3_600),
        secs => format!("{}d", secs / 86_400),
    }
}
