//! Limits of the project: how much the plan needs, how much is in use, how much there may be.
//!
//! Compute Engine tells them with a region and with the project. Families that its listing does not have (C4, N4 and
//! younger) are in the Cloud Quotas API alone, by machine family: they are not judged beyond the project's sum.

use super::client::{GcpCx, Request, encoded};
use super::{error, instances};
use crate::engine::{Clock, ErrorClass, StepError};
use crate::providers::patience::patient;
use crate::providers::{Check, CheckStatus};
use serde::Deserialize;
use std::collections::BTreeMap;

/// One limit as Compute Engine lists it.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Quota {
    /// `CPUS`
    pub metric: String,
    /// How much there may be.
    pub limit: f64,
    /// How much is in use.
    pub usage: f64,
}

/// Limits of a region and of its project.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Limits {
    /// Those of the region.
    pub region: Vec<Quota>,
    /// Those of all regions together.
    pub project: Vec<Quota>,
}

impl Limits {
    /// The limit of this name that counts first, and whether it is the region's.
    fn of(&self, metric: &str) -> Option<(&Quota, bool)> {
        let find = |all: &'_ [Quota]| all.iter().position(|it| it.metric == metric);
        match (find(&self.region), find(&self.project)) {
            (Some(at), _) => Some((&self.region[at], true)),
            (None, Some(at)) => Some((&self.project[at], false)),
            (None, None) => None,
        }
    }
}

/// What a plan takes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Demand {
    /// Networks.
    pub networks: f64,
    /// Subnetworks.
    pub subnetworks: f64,
    /// Routers.
    pub routers: f64,
    /// Addresses for translation.
    pub nat_addresses: f64,
    /// The pools.
    pub pools: Vec<Machines>,
}

/// The machines of one pool.
#[derive(Debug, Clone, PartialEq)]
pub struct Machines {
    /// Machine type.
    pub machine: String,
    /// Virtual CPUs of one.
    pub vcpus: u32,
    /// Accelerator, and how many in one.
    pub gpu: Option<(String, u32)>,
    /// Spot machines.
    pub spot: bool,
    /// Most of them.
    pub nodes: u32,
    /// In so many zones: a group of machines each.
    pub zones: u32,
    /// Boot disk of one.
    pub disk_gib: u32,
    /// Each has a public address.
    pub public: bool,
}

/// How much of a limit is needed: by the nodes themselves, and with one more of each pool while it is renewed.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Need {
    nodes: f64,
    surge: f64,
}

impl Need {
    const fn fixed(amount: f64) -> Self {
        Self { nodes: amount, surge: amount }
    }
}

/// The limit that a family's CPUs count against; none where Compute Engine's listing has none for it.
fn cpu_metric(machine: &str) -> Option<&'static str> {
    Some(match instances::family(machine) {
        "e2" | "n1" | "f1" | "g1" => "CPUS",
        "n2" => "N2_CPUS",
        "n2d" => "N2D_CPUS",
        "c2" => "C2_CPUS",
        "c2d" => "C2D_CPUS",
        "c3" => "C3_CPUS",
        "t2d" => "T2D_CPUS",
        "t2a" => "T2A_CPUS",
        "a2" => "A2_CPUS",
        "m1" => "M1_CPUS",
        "m2" => "M2_CPUS",
        "m3" => "M3_CPUS",
        _ => return None,
    })
}

impl Demand {
    /// How much it needs of which limit.
    fn needs(&self, limits: &Limits) -> BTreeMap<&'static str, Need> {
        let mut needs: BTreeMap<&'static str, Need> = BTreeMap::new();
        let fixed = [
            ("NETWORKS", self.networks),
            ("SUBNETWORKS", self.subnetworks),
            ("ROUTERS", self.routers),
            ("IN_USE_ADDRESSES", self.nat_addresses),
            ("INSTANCE_GROUP_MANAGERS", self.pools.iter().map(|it| f64::from(it.zones)).sum()),
        ];
        for (metric, amount) in fixed {
            add(&mut needs, metric, Need::fixed(amount));
        }
        for pool in &self.pools {
            let of = |each: f64| Need { nodes: f64::from(pool.nodes) * each, surge: f64::from(pool.nodes + 1) * each };
            let cpus = of(f64::from(pool.vcpus));
            if let Some(metric) = market(cpu_metric(&pool.machine), "PREEMPTIBLE_CPUS", pool.spot, limits) {
                add(&mut needs, metric, cpus);
            }
            add(&mut needs, "CPUS_ALL_REGIONS", cpus);
            add(&mut needs, "INSTANCES", of(1.0));
            if let Some((gpu, each)) = &pool.gpu {
                let gpus = of(f64::from(*each));
                let spot = instances::gpu_quota(gpu, true).unwrap_or_default();
                if let Some(metric) = market(instances::gpu_quota(gpu, false), spot, pool.spot, limits) {
                    add(&mut needs, metric, gpus);
                }
                add(&mut needs, "GPUS_ALL_REGIONS", gpus);
            }
            let disks =
                if instances::disk_type(&pool.machine) == "pd-balanced" { "SSD_TOTAL_GB" } else { "HDB_TOTAL_GB" };
            add(&mut needs, disks, of(f64::from(pool.disk_gib)));
            if pool.public {
                add(&mut needs, "IN_USE_ADDRESSES", of(1.0));
            }
        }
        needs.retain(|_, need| need.surge > 0.0);
        needs
    }

    /// Whether there is one pool, so that fewer nodes are an answer; and what one of its nodes takes of a limit.
    fn per_node(&self, metric: &str) -> Option<f64> {
        let [pool] = &self.pools[..] else { return None };
        let gpus = pool.gpu.as_ref().map(|(_, each)| f64::from(*each));
        match metric {
            metric if metric.contains("GPUS") => gpus,
            metric if metric.contains("CPUS") => Some(f64::from(pool.vcpus)),
            "INSTANCES" => Some(1.0),
            "SSD_TOTAL_GB" | "HDB_TOTAL_GB" => Some(f64::from(pool.disk_gib)),
            _ => None,
        }
    }
}

fn add(needs: &mut BTreeMap<&'static str, Need>, metric: &'static str, more: Need) {
    let need = needs.entry(metric).or_default();
    (need.nodes, need.surge) = (need.nodes + more.nodes, need.surge + more.surge);
}

/// Spot machines have limits of their own where a project was ever given one; where that is zero they count against the
/// usual ones (Compute Engine, "Allocation quotas", "Preemptible quotas").
fn market(usual: Option<&'static str>, spot: &'static str, is_spot: bool, limits: &Limits) -> Option<&'static str> {
    let given = limits.of(spot).is_some_and(|(quota, _)| quota.limit > 0.0);
    if is_spot && given { Some(spot) } else { usual }
}

/// One check for every limit that the plan takes from.
pub async fn checks(cx: &GcpCx, clock: &dyn Clock, demand: &Demand) -> Vec<Check> {
    let region = patient(clock, || region(cx));
    let project = patient(clock, || project(cx));
    let (region, project) = futures::join!(region, project);
    let mut checks = Vec::new();
    let mut denied = Vec::new();
    let mut known = |answer: Result<Vec<Quota>, StepError>, whose: &'static str| {
        answer.unwrap_or_else(|err| {
            tracing::debug!(error = %err, whose, "limits cannot be read");
            denied.push(format!("{whose} ({})", err.message));
            Vec::new()
        })
    };
    let limits = Limits { region: known(region, "the region's"), project: known(project, "the project's") };
    if !denied.is_empty() {
        let message = format!("these limits cannot be read: {}", denied.join("; "));
        checks.push(Check::of("quotas", CheckStatus::Unknown, message));
    }
    checks.extend(judged(demand, &limits, cx.region.as_str(), cx.project().unwrap_or_default()));
    checks
}

/// The limits of the region.
async fn region(cx: &GcpCx) -> Result<Vec<Quota>, StepError> {
    let region = cx.region.as_str();
    let path = cx.compute_path(&format!("regions/{}", encoded(region)))?;
    listed(cx, Request::get("compute:regions.get", path, region)).await
}

/// The limits of the project.
async fn project(cx: &GcpCx) -> Result<Vec<Quota>, StepError> {
    let project = cx.project()?;
    listed(cx, Request::get("compute:projects.get", format!("projects/{}", encoded(project)), project)).await
}

async fn listed(cx: &GcpCx, request: Request<'_>) -> Result<Vec<Quota>, StepError> {
    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    struct Holder {
        quotas: Vec<Quota>,
    }
    Ok(cx.ask::<Holder>(request).await?.quotas)
}

fn judged(demand: &Demand, limits: &Limits, region: &str, project: &str) -> Vec<Check> {
    let needs = demand.needs(limits);
    let judge = |(metric, need): (&&'static str, &Need)| {
        let (quota, regional) = limits.of(metric)?;
        let place = if regional { region } else { "all regions" };
        Some(judge(metric, *need, quota, place, project, demand.per_node(metric)))
    };
    needs.iter().filter_map(judge).collect()
}

fn judge(metric: &str, need: Need, quota: &Quota, place: &str, project: &str, per_node: Option<f64>) -> Check {
    let Quota { limit, usage, .. } = quota;
    let numbers = Check {
        need: Some(need.nodes),
        have: Some(*usage),
        limit: Some(*limit),
        ..Check::of(
            "quota",
            CheckStatus::Ok,
            format!("{metric} in {place}: {} needed, {usage} of {limit} in use", need.nodes),
        )
    };
    if usage + need.surge <= *limit {
        return numbers;
    }
    let console =
        format!("raise it: https://console.cloud.google.com/iam-admin/quotas?project={project} (metric {metric})");
    if usage + need.nodes <= *limit {
        let message = format!(
            "{metric} in {place} has room for the nodes and not for one more of each pool while it is upgraded: {} needed then, {usage} of {limit} in use",
            need.surge
        );
        return Check { status: CheckStatus::Warn, message, hints: vec![console], ..numbers };
    }
    let mut hints = vec![console];
    if let Some(each) = per_node.filter(|each| *each > 0.0) {
        let nodes = ((limit - usage) / each).floor();
        if nodes >= 1.0 {
            hints.push(format!("fits today: --nodes {nodes}"));
        }
    }
    Check {
        id: error::QUOTA.to_owned(),
        status: CheckStatus::Fail,
        message: format!("{} needed, {metric} in {place} allows {limit} and {usage} are used", need.nodes),
        class: Some(ErrorClass::Quota),
        hints,
        ..numbers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quota(metric: &str, limit: f64, usage: f64) -> Quota {
        Quota { metric: metric.to_owned(), limit, usage }
    }

    fn pool(machine: &str, nodes: u32) -> Machines {
        Machines {
            machine: machine.to_owned(),
            vcpus: 2,
            gpu: None,
            spot: false,
            nodes,
            zones: 2,
            disk_gib: 50,
            public: false,
        }
    }

    fn limits() -> Limits {
        Limits {
            region: vec![
                quota("CPUS", 8.0, 2.0),
                quota("PREEMPTIBLE_CPUS", 0.0, 0.0),
                quota("NVIDIA_T4_GPUS", 0.0, 0.0),
                quota("SSD_TOTAL_GB", 500.0, 0.0),
                quota("IN_USE_ADDRESSES", 8.0, 0.0),
            ],
            project: vec![quota("CPUS_ALL_REGIONS", 32.0, 2.0), quota("NETWORKS", 5.0, 5.0)],
        }
    }

    fn states(demand: &Demand) -> Vec<(String, CheckStatus)> {
        let checks = judged(demand, &limits(), "us-central1", "acme-prod");
        checks.into_iter().filter(|it| it.status != CheckStatus::Ok).map(|it| (it.message, it.status)).collect()
    }

    #[test]
    fn what_fits_with_surge_is_fine_and_without_it_a_warning() {
        let mut demand = Demand { pools: vec![pool("e2-standard-2", 2)], ..Demand::default() };
        assert_eq!(states(&demand), []);
        demand.pools[0].nodes = 3;
        let said = states(&demand);
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].0.contains("CPUS in us-central1 has room for the nodes") && said[0].1 == CheckStatus::Warn);
    }

    #[test]
    fn what_does_not_fit_is_refused_with_numbers_and_what_would_fit() {
        let demand = Demand { networks: 1.0, pools: vec![pool("e2-standard-2", 4)], ..Demand::default() };
        let checks = judged(&demand, &limits(), "us-central1", "acme-prod");
        let failed: Vec<&Check> = checks.iter().filter(|it| it.status == CheckStatus::Fail).collect();
        assert_eq!(failed.len(), 2, "{checks:?}");
        let cpus = failed.iter().find(|it| it.message.contains("CPUS")).unwrap();
        assert_eq!((cpus.need, cpus.have, cpus.limit), (Some(8.0), Some(2.0), Some(8.0)));
        assert_eq!(cpus.hints[1], "fits today: --nodes 3");
        assert!(failed.iter().any(|it| it.message == "1 needed, NETWORKS in all regions allows 5 and 5 are used"));
        assert!(failed.iter().all(|it| it.class == Some(ErrorClass::Quota) && it.id == "KW-GCP-QUOTA"));
    }

    #[test]
    fn a_gpu_limit_of_zero_is_refused_on_either_market() {
        let mut gpu = Machines { gpu: Some(("T4".to_owned(), 1)), ..pool("n1-standard-4", 1) };
        let said = |gpu: &Machines| states(&Demand { pools: vec![gpu.clone()], ..Demand::default() });
        assert!(said(&gpu)[0].0.contains("NVIDIA_T4_GPUS in us-central1 allows 0"), "{:?}", said(&gpu));
        gpu.spot = true;
        assert!(said(&gpu)[0].0.contains("1 needed, NVIDIA_T4_GPUS"), "no limit for spot was ever given");
    }

    #[test]
    fn families_that_the_listing_does_not_have_count_in_the_sum_only() {
        let demand = Demand { pools: vec![Machines { vcpus: 16, ..pool("n4-standard-16", 2) }], ..Demand::default() };
        let said = states(&demand);
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].0.contains("32 needed, CPUS_ALL_REGIONS in all regions allows 32 and 2"), "{said:?}");
    }

    #[test]
    fn public_nodes_need_an_address_each() {
        let demand = Demand {
            pools: vec![Machines { public: true, vcpus: 0, ..pool("e2-standard-2", 8) }],
            ..Demand::default()
        };
        assert!(
            states(&demand)
                .iter()
                .any(|(said, status)| said.contains("IN_USE_ADDRESSES") && *status == CheckStatus::Warn)
        );
    }
}
