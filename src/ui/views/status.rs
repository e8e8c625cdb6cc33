//! `status`: one cluster in depth, or a table of all.

use super::place;
use crate::model::doc::{HOURS_PER_MONTH, Phase, Status, StatusCluster};
use crate::ui::{
    Table,
    style::{hourly, moment},
    view::View,
};
use jiff::Timestamp;

/// What `managedBy` says of clusters that kubewright did not make.
const OTHER: &str = "other";

impl View for Status {
    const KIND: &'static str = "status";

    fn human(&self, now: Timestamp, sandbox: bool) -> String {
        match self.clusters.as_slice() {
            some if self.regions.is_some() && !some.is_empty() => list(some, now, sandbox),
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
    let foreign = if cluster.managed_by == OTHER { "foreign" } else { "" };
    match cluster.phase {
        Phase::Ready if !foreign.is_empty() => foreign.to_owned(),
        phase if !foreign.is_empty() => format!("{foreign}, {}", phase.as_str()),
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
    let mut table = Table::new(&["REF", "STATE", ">AGE", ">$/h", ">$/month", "OWNER", "EXPIRES"]);
    let mut sum = 0.0;
    let mut whole = true;
    for cluster in clusters {
        let (usd, more) = match (cluster.usd_per_hour, cluster.usd_per_hour_at_least) {
            (Some(usd), _) => (Some(usd), ""),
            (None, least) => (least, "+"),
        };
        whole &= more.is_empty();
        sum += usd.unwrap_or(0.0);
        let price = |scale: f64, digits: usize| {
            usd.map_or_else(|| "?".to_owned(), |usd| format!("{:.digits$}{more}", usd * scale))
        };
        let unverified = if cluster.cloud_status.is_none() { "*" } else { "" };
        table.row([
            format!("{}/{}", place(&cluster.stack), cluster.stack.name),
            format!("{}{unverified}", word(cluster)),
            cluster.created_at.map_or_else(|| "-".to_owned(), |at| age(at, now)),
            price(1.0, 4),
            price(HOURS_PER_MONTH, 0),
            owner(cluster),
            match cluster.expires_at {
                _ if cluster.protect => "protected".to_owned(),
                Some(at) => moment(at, now),
                None => "-".to_owned(),
            },
        ]);
    }
    let more = if whole { "" } else { "+" };
    let total = |scale: f64, digits: usize| match sum {
        0.0 if !whole => "?".to_owned(),
        sum => format!("{:.digits$}{more}", sum * scale),
    };
    let blank = String::new;
    table.row(["total".to_owned(), blank(), blank(), total(1.0, 4), total(HOURS_PER_MONTH, 0), blank(), blank()]);
    let mut text = table.lines().join("\n") + "\n";
    for cluster in clusters.iter().filter(|cluster| cluster.phase == Phase::Incomplete && cluster.lock.is_none()) {
        for issue in &cluster.issues {
            text.push_str(&format!("  {}/{}: {issue}\n", place(&cluster.stack), cluster.stack.name));
        }
    }
    if clusters.iter().any(|cluster| cluster.cloud_status.is_none()) {
        text.push_str("* from the journal; the cloud was not asked\n");
    }
    if sandbox {
        text.push_str("SANDBOX\n");
    }
    text
}

/// Who made it: the tool where it is not us, else the person.
fn owner(cluster: &StatusCluster) -> String {
    let owner = cluster.owner.as_ref();
    let known =
        owner.and_then(|owner| owner.by.clone().or_else(|| (owner.tool != "kubewright").then(|| owner.tool.clone())));
    known.unwrap_or_else(|| "-".to_owned())
}

fn age(from: Timestamp, now: Timestamp) -> String {
    match now.as_second() - from.as_second() {
        secs @ ..7_200 => format!("{}m", (secs / 60).max(0)),
        secs @ 7_200..172_800 => format!("{}h", secs / 3_600),
        secs => format!("{}d", secs / 86_400),
    }
}
