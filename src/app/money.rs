//! What a plan costs, what the budgets say, and the table that shows both before the question.

use crate::cost::{Estimate, HOURS_PER_MONTH, Range, estimate, prices, range_per_hour, usd_per_hour};
use crate::engine::{Plan, PlannedStep};
use crate::error::CliError;
use crate::model::doc::{BudgetVerdict, shown};
use crate::model::spec::{Budget, Nat};
use crate::model::{Cloud, ResolvedSpec, Usage};
use crate::providers::Provider;
use crate::ui::PlanRow;
use std::collections::BTreeMap;

/// Above this share of a limit the plan warns, unless the budget says otherwise.
const WARN_AT: f64 = 0.8;

/// A hundredth of a cent of rounding must not stop a plan that costs exactly its limit.
const ROUNDING: f64 = 5e-5;

/// Limits given on the command line.
#[derive(Debug, Clone, Default)]
pub struct Limits {
    /// `--max-hourly-cost`.
    pub hourly_usd: Option<f64>,
    /// `--max-monthly-cost`.
    pub monthly_usd: Option<f64>,
    /// `--override-budget`.
    pub override_budget: bool,
}

/// Prices the steps of a plan.
pub(super) fn price(plan: &Plan, spec: &ResolvedSpec) -> Estimate {
    let ttl_hours = spec.ttl_secs.map(|secs| secs as f64 / 3_600.0);
    let steps = plan.steps.iter().map(|step| (step.id.as_str(), step.usage.as_slice()));
    estimate(steps, prices(), ttl_hours)
}

/// What one step's object costs an hour; nothing billed is zero.
pub(super) fn of_step(step: &PlannedStep) -> Option<f64> {
    of_usage(&step.usage)
}

/// What this usage costs an hour.
pub(super) fn of_usage(usage: &[Usage]) -> Option<f64> {
    if usage.is_empty() { Some(0.0) } else { usd_per_hour(usage, prices()) }
}

/// What one step's object costs an hour at the smallest, as ordered and at the largest, to be multiplied by hours.
pub(super) fn range_of(step: &PlannedStep) -> Option<Range> {
    range_per_hour(&step.usage, prices())
}

/// What an autoscaled pool costs an hour more, or less, with so many nodes than as it was ordered.
pub(super) fn scaled(step: &PlannedStep, max: u32, nodes: u32) -> Option<f64> {
    let share = f64::from(nodes) / f64::from(max.max(1));
    let now: Vec<Usage> =
        step.usage.iter().map(|usage| Usage { desired: usage.max * share, ..usage.clone() }).collect();
    Some(of_usage(&now)? - of_usage(&step.usage)?)
}

/// A sum in which one unknown makes all unknown; rounded to what prices are quoted in.
pub(super) fn sum(parts: impl IntoIterator<Item = Option<f64>>) -> Option<f64> {
    parts.into_iter().sum::<Option<f64>>().map(shown)
}

/// The budget that counts: the user's own limits hold for clusters that bring none themselves. To say when to warn is no
/// limit, and lifts none.
pub(super) fn in_force(of_cluster: &Budget, of_user: Option<&Budget>) -> Budget {
    let user = of_user.cloned().unwrap_or_default();
    let limits = if of_cluster.is_limit() { of_cluster } else { &user };
    let (hourly_usd, monthly_usd) = (limits.hourly_usd, limits.monthly_usd);
    Budget { hourly_usd, monthly_usd, warn_at: of_cluster.warn_at.or(user.warn_at) }
}

/// The budget's word on an estimate, and the refusal where there is one. What it stops, and what passes it, the verb adds.
pub(super) fn judge(cost: &Estimate, budget: &Budget, limits: &Limits) -> (BudgetVerdict, Option<CliError>) {
    let hourly = [budget.hourly_usd, limits.hourly_usd].into_iter().flatten();
    let monthly = [budget.monthly_usd, limits.monthly_usd].into_iter().flatten().map(|usd| usd / HOURS_PER_MONTH);
    let Some(limit) = hourly.chain(monthly).reduce(f64::min) else {
        return (BudgetVerdict { limit_usd_per_hour: None, verdict: "none".to_owned() }, None);
    };
    let range = cost.totals.usd_per_hour;
    let over = range.max > limit + ROUNDING;
    let verdict = match () {
        () if (over || !cost.complete) && limits.override_budget => "overridden",
        () if over => "over",
        () if !cost.complete => "unknown",
        () if range.max > limit * budget.warn_at.unwrap_or(WARN_AT) => "warn",
        () => "ok",
    };
    let refusal = match verdict {
        "over" => {
            let now = if range.desired < range.max {
                format!(" (now {:.4}, max {:.4})", range.desired, range.max)
            } else {
                String::new()
            };
            Some(CliError::new(
                "KW-BUDGET",
                format!("${:.4}/h at maximum is over the limit of {limit:.4}{now}", range.max),
            ))
        }
        "unknown" => Some(CliError::new(
            "KW-BUDGET",
            format!(
                "no price is known for {}, so the limit of ${limit:.4}/h cannot be judged",
                cost.unknown.join(", ")
            ),
        )),
        _ => None,
    };
    (BudgetVerdict { limit_usd_per_hour: Some(limit), verdict: verdict.to_owned() }, refusal)
}

/// Smaller clusters that stay within `limit`: one pool at a time is made smaller. Every figure is of a plan that was
/// made and priced for it.
pub(super) fn fitting(provider: &dyn Provider, plan: &Plan, spec: &ResolvedSpec, limit: f64) -> Vec<String> {
    let priced = |spec: &ResolvedSpec| {
        let made = provider.plan(spec, &plan.stack, plan.tags.clone()).ok()?;
        let cost = price(&made, spec);
        cost.complete.then_some(cost.totals.usd_per_hour.max)
    };
    let mut found = Vec::new();
    for (at, pool) in spec.node_pools.iter().enumerate() {
        let scales = pool.min < pool.max;
        let with = |nodes: u32| {
            let mut smaller = spec.clone();
            let pool = &mut smaller.node_pools[at];
            (pool.max, pool.count) = (nodes, pool.count.min(nodes));
            if !scales {
                (pool.min, pool.count) = (nodes, nodes);
            }
            smaller
        };
        // The price grows with the nodes: the largest number that fits is between one that does and one that does not.
        let (mut fits, mut over) = (pool.min.max(1), pool.max);
        if !scales {
            fits = 1;
        }
        let Some(mut usd) = priced(&with(fits)).filter(|usd| *usd <= limit + ROUNDING && fits < over) else { continue };
        while over - fits > 1 {
            let middle = fits + (over - fits) / 2;
            match priced(&with(middle)) {
                Some(less) if less <= limit + ROUNDING => (fits, usd) = (middle, less),
                _ => over = middle,
            }
        }
        let flag = match (at, scales) {
            // `--nodes` speaks of the pool that stands where none is named.
            (0, false) if pool.name == "default" => format!("--nodes {fits}"),
            (_, false) => format!("--set nodePools.{}.count={fits}", pool.name),
            (_, true) => format!("--set nodePools.{}.max={fits}", pool.name),
        };
        found.push((usd, format!("fits: {flag}   -> ${usd:.4}/h")));
    }
    // What leaves most of what was asked for comes first.
    found.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    found.into_iter().map(|(_, line)| line).collect()
}

/// The rows of the plan table: one per billed thing, the free ones together.
pub(super) fn rows(plan: &Plan, spec: &ResolvedSpec, cost: &Estimate) -> Vec<PlanRow> {
    let timing: BTreeMap<&str, u64> =
        plan.steps.iter().map(|step| (step.id.as_str(), u64::from(step.timing.p50_secs))).collect();
    let mut rows: Vec<(String, PlanRow, f64)> = Vec::new();
    for line in &cost.lines {
        let usd = line.usd_per_hour.map(|range| range.desired);
        let p50 = timing.get(line.step.as_str()).copied();
        let key = format!("{} {}", line.component, line.sku);
        if let Some((_, row, quantity)) = rows.iter_mut().find(|(known, ..)| *known == key) {
            *quantity += line.quantity;
            row.usd_per_hour = row.usd_per_hour.zip(usd).map(|(sum, usd)| sum + usd);
            row.p50_secs = row.p50_secs.max(p50);
        } else {
            let note = match line.sku.as_str() {
                "list" => [line.adjusted.clone(), savings(&line.component, spec)]
                    .into_iter()
                    .flatten()
                    .collect::<Vec<_>>()
                    .join("; "),
                sku => match &line.adjusted {
                    Some(adjusted) => format!("{sku}, {adjusted}"),
                    None => {
                        let old = if line.extrapolated { ", estimated" } else { "" };
                        format!("{sku}, list price {}{old}", line.as_of)
                    }
                },
            };
            let row =
                PlanRow { what: label(&line.component), count: String::new(), usd_per_hour: usd, p50_secs: p50, note };
            rows.push((key, row, line.quantity));
        }
    }
    let units: BTreeMap<String, &str> =
        cost.lines.iter().map(|line| (format!("{} {}", line.component, line.sku), line.unit.as_str())).collect();
    let mut shown: Vec<PlanRow> = rows
        .into_iter()
        .map(|(key, mut row, quantity)| {
            let unit = if units.get(&key) == Some(&"GB-month") { " GiB" } else { "" };
            row.count = format!("{quantity}{unit}");
            // Only what takes minutes is worth a time.
            row.p50_secs = row.p50_secs.filter(|secs| *secs >= 60);
            row
        })
        .collect();
    shown.sort_by(|a, b| b.usd_per_hour.unwrap_or(f64::MAX).total_cmp(&a.usd_per_hour.unwrap_or(f64::MAX)));
    let free = plan.steps.iter().filter(|step| step.usage.is_empty()).count();
    if free > 0 {
        shown.push(PlanRow {
            what: "free objects".to_owned(),
            count: free.to_string(),
            usd_per_hour: Some(0.0),
            p50_secs: None,
            note: String::new(),
        });
    }
    shown
}

fn label(component: &str) -> String {
    match component {
        "eks-cluster" | "eks-control-plane" | "control-plane" | "gke-cluster" => "control plane".to_owned(),
        "nat-gateway" => "NAT gateway".to_owned(),
        "public-ipv4" | "public-ip" => "public address".to_owned(),
        "ebs-gp3" | "disk-gp3" => "gp3 disk".to_owned(),
        other if other.starts_with("aks-") => "control plane".to_owned(),
        other if other.starts_with("cloud-nat") => "Cloud NAT, by machine".to_owned(),
        other if other.starts_with("public-ip") => "public address".to_owned(),
        other if other.starts_with("pd-") || other.starts_with("hyperdisk-") => format!("{other} disk"),
        other => match other.strip_prefix("disk-").and_then(|disk| disk.split_once('-')) {
            // Azure bills disks by their step: `disk-P10-128GiB`.
            Some((step, size)) if size.ends_with("GiB") => format!("{step} disk, {size}"),
            _ => other.to_owned(),
        },
    }
}

fn savings(component: &str, spec: &ResolvedSpec) -> Option<String> {
    let is_nat = component == "nat-gateway" || component.starts_with("cloud-nat");
    if !is_nat || spec.network.nat == Nat::None {
        return None;
    }
    let terms = spec.provider.terms();
    let price = prices().component(spec.provider, &spec.region, terms.nat_traffic);
    let traffic = price.map_or_else(String::new, |price| format!("plus ${}/GB; ", price.usd));
    Some(format!("{traffic}--nat none saves it, then {}", terms.without_nat))
}

/// The defaults that were used, in the words of the flags that change them.
pub(super) fn defaults(spec: &ResolvedSpec) -> Vec<String> {
    spec.defaults
        .iter()
        .map(|path| match path.as_str() {
            "version" => format!("version {}", spec.version),
            "network.nat" => "NAT single (--nat)".to_owned(),
            "network.cidr" => format!("network {} (--network-cidr)", spec.network.cidr),
            "network.zones" | "network.zoneCount" => {
                format!("zones {} (--zones, --zone-count)", spec.network.zones.join(","))
            }
            "network.apiAllow" => "API server open to 0.0.0.0/0 (--api-allow)".to_owned(),
            "nodePools" => "one pool (--pool)".to_owned(),
            "aws.addons" => match &spec.aws {
                Some(aws) => format!("add-ons {} (aws.addons)", aws.addons.join(", ")),
                None => "add-ons".to_owned(),
            },
            other => {
                pool_default(other, spec).or_else(|| cloud_default(other, spec)).unwrap_or_else(|| other.to_owned())
            }
        })
        .collect()
}

/// What only GKE or AKS has, with the key that changes it.
fn cloud_default(path: &str, spec: &ResolvedSpec) -> Option<String> {
    let (_, key) = path.split_once('.')?;
    let said = |words: String| Some(format!("{words} ({path})"));
    if let Some(gcp) = spec.gcp.as_ref().filter(|_| spec.provider == Cloud::Gcp) {
        return match key {
            "regional" if gcp.location == spec.region.as_str() => said("control plane in three zones".to_owned()),
            "regional" => said(format!("control plane in {} alone", gcp.location)),
            "releaseChannel" => said(format!("release channel {}", gcp.release_channel.as_str())),
            "podCidr" => said(format!("pods {}", gcp.pod_cidr?)),
            "serviceCidr" => said(format!("Services {}", gcp.service_cidr?)),
            "oauthScopes" => said(format!("node scopes {}", scopes(&gcp.oauth_scopes))),
            "addons" => said(format!("add-ons {}", gcp.addons.join(", "))),
            _ => None,
        };
    }
    let azure = spec.azure.as_ref().filter(|_| spec.provider == Cloud::Azure)?;
    match key {
        "tier" => said(format!("tier {}", azure.tier.as_str())),
        "network" => said(format!("pod network {}", azure.network.as_str())),
        "podCidr" => said(format!("pods {}", azure.pod_cidr)),
        "serviceCidr" => said(format!("Services {}", azure.service_cidr)),
        "azureRbac" if azure.azure_rbac => said("Azure roles decide who may do what inside".to_owned()),
        "localAccounts" if !azure.local_accounts => said("no local accounts".to_owned()),
        _ => None,
    }
}

/// Google's scopes without what they all begin with.
fn scopes(scopes: &[String]) -> String {
    scopes.iter().map(|scope| scope.rsplit('/').next().unwrap_or(scope)).collect::<Vec<_>>().join(", ")
}

/// `nodePools.default.count` as `default: 2 nodes (--nodes)`.
fn pool_default(path: &str, spec: &ResolvedSpec) -> Option<String> {
    let (name, key) = path.strip_prefix("nodePools.")?.rsplit_once('.')?;
    let pool = spec.node_pools.iter().find(|pool| pool.name == name)?;
    let first = spec.node_pools.first().is_some_and(|first| first.name == name);
    let flag = |flag: &str| if first { format!(" ({flag})") } else { String::new() };
    let words = match key {
        "count" => format!("{}{}", crate::ui::style::count(pool.count as usize, "node"), flag("--nodes")),
        "instanceType" => format!("{}{}", pool.instance_type, flag("--node-type")),
        "diskGiB" => format!("{} GiB disks", pool.disk_gib),
        _ => return None,
    };
    Some(if spec.node_pools.len() == 1 { words } else { format!("pool {name}: {words}") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::Totals;

    fn cost(desired: f64, max: f64, complete: bool) -> Estimate {
        Estimate {
            currency: "USD".into(),
            catalogue_date: "2026-07-20".into(),
            hours_per_month: 730.0,
            lines: Vec::new(),
            totals: Totals { usd_per_hour: Range { min: desired, desired, max }, ..Totals::default() },
            complete,
            unknown: if complete { Vec::new() } else { vec!["z9.huge".into()] },
            excluded: Vec::new(),
        }
    }

    fn verdict(cost: &Estimate, limits: &Limits) -> (String, bool) {
        let (verdict, refusal) = judge(cost, &Budget::default(), limits);
        (verdict.verdict, refusal.is_some())
    }

    #[test]
    fn limits_are_judged_at_the_maximum() {
        let limits = Limits { hourly_usd: Some(2.0), ..Limits::default() };
        assert_eq!(verdict(&cost(0.3, 2.38, true), &limits), ("over".to_owned(), true));
        assert_eq!(verdict(&cost(0.3, 2.0, true), &limits), ("warn".to_owned(), false));
        assert_eq!(verdict(&cost(0.3, 0.4, true), &limits), ("ok".to_owned(), false));
        assert_eq!(verdict(&cost(0.3, 0.4, false), &limits), ("unknown".to_owned(), true));
        assert_eq!(verdict(&cost(9.0, 9.0, true), &Limits::default()), ("none".to_owned(), false));
    }

    #[test]
    fn a_word_on_when_to_warn_lifts_no_limit() {
        let budget = |hourly_usd, monthly_usd, warn_at| Budget { hourly_usd, monthly_usd, warn_at };
        let user = budget(Some(1.0), None, Some(0.5));
        assert_eq!(in_force(&Budget::default(), Some(&user)), user);
        assert_eq!(in_force(&budget(None, None, Some(0.9)), Some(&user)), budget(Some(1.0), None, Some(0.9)));
        // A cluster's own limit of any kind is the whole word.
        assert_eq!(in_force(&budget(None, Some(9.0), None), Some(&user)), budget(None, Some(9.0), Some(0.5)));
        assert_eq!(in_force(&Budget::default(), None), Budget::default());
    }

    #[test]
    fn only_the_override_passes() {
        let limits = Limits { monthly_usd: Some(73.0), override_budget: true, ..Limits::default() };
        assert_eq!(verdict(&cost(0.3, 2.38, true), &limits), ("overridden".to_owned(), false));
        let (shown, _) = judge(&cost(0.01, 0.01, true), &Budget::default(), &limits);
        assert_eq!(shown.limit_usd_per_hour, Some(0.1));
    }
}
