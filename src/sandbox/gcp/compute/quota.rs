//! Quotas: what a project may have in a region and altogether, and how much of it stands.

use super::super::wire::Refused;
use super::{
    ops::failure,
    reads,
    store::{
        ADDRESS, BACKEND, DISK, ENDPOINT_GROUP, FIREWALL, FORWARDING, GROUP, HEALTH_CHECK, HTTP_CHECK, INSTANCE,
        MANAGER, NETWORK, Place, ROUTE, ROUTER, SUBNETWORK, Sort, TARGET_POOL, URL_MAP,
    },
};
use crate::sandbox::world::{Object, Tx};
use serde_json::{Value, json};

/// Quotas of a region: metric and usual limit.
pub(super) const REGIONAL: &[(&str, f64)] = &[
    ("CPUS", 200.0),
    ("DISKS_TOTAL_GB", 102_400.0),
    ("STATIC_ADDRESSES", 21.0),
    ("IN_USE_ADDRESSES", 69.0),
    ("SSD_TOTAL_GB", 40_960.0),
    ("LOCAL_SSD_TOTAL_GB", 12_000.0),
    ("INSTANCE_GROUPS", 1_000.0),
    ("INSTANCE_GROUP_MANAGERS", 500.0),
    ("INSTANCES", 2_400.0),
    ("AUTOSCALERS", 500.0),
    ("REGIONAL_AUTOSCALERS", 100.0),
    ("REGIONAL_INSTANCE_GROUP_MANAGERS", 200.0),
    ("COMMITMENTS", 0.0),
    ("FORWARDING_RULES", 45.0),
    ("TARGET_POOLS", 150.0),
    ("ROUTERS", 20.0),
    ("NETWORK_ENDPOINT_GROUPS", 200.0),
    ("INTERNAL_ADDRESSES", 200.0),
    ("PREEMPTIBLE_CPUS", 200.0),
    ("N2_CPUS", 200.0),
    ("N2D_CPUS", 200.0),
    ("C2_CPUS", 100.0),
    ("C2D_CPUS", 100.0),
    ("C3_CPUS", 100.0),
    ("E2_CPUS", 200.0),
    ("T2D_CPUS", 100.0),
    ("T2A_CPUS", 100.0),
    ("A2_CPUS", 96.0),
    ("M1_CPUS", 0.0),
    ("M3_CPUS", 0.0),
    ("NVIDIA_L4_GPUS", 8.0),
    ("NVIDIA_T4_GPUS", 8.0),
    ("NVIDIA_V100_GPUS", 1.0),
    ("NVIDIA_P100_GPUS", 1.0),
    ("NVIDIA_P4_GPUS", 1.0),
    ("NVIDIA_A100_GPUS", 8.0),
    ("NVIDIA_A100_80GB_GPUS", 8.0),
    ("PREEMPTIBLE_NVIDIA_L4_GPUS", 8.0),
    ("PREEMPTIBLE_NVIDIA_T4_GPUS", 8.0),
    ("PREEMPTIBLE_NVIDIA_V100_GPUS", 1.0),
    ("PREEMPTIBLE_NVIDIA_A100_GPUS", 8.0),
    ("PREEMPTIBLE_NVIDIA_A100_80GB_GPUS", 8.0),
    ("PREEMPTIBLE_NVIDIA_H100_GPUS", 8.0),
];

/// Quotas of a project.
pub(super) const GLOBAL: &[(&str, f64)] = &[
    ("SNAPSHOTS", 5_000.0),
    ("NETWORKS", 15.0),
    ("FIREWALLS", 200.0),
    ("IMAGES", 2_000.0),
    ("STATIC_ADDRESSES", 21.0),
    ("ROUTES", 250.0),
    ("FORWARDING_RULES", 45.0),
    ("TARGET_POOLS", 150.0),
    ("HEALTH_CHECKS", 150.0),
    ("IN_USE_ADDRESSES", 69.0),
    ("TARGET_HTTP_PROXIES", 30.0),
    ("TARGET_HTTPS_PROXIES", 30.0),
    ("URL_MAPS", 30.0),
    ("BACKEND_SERVICES", 50.0),
    ("INSTANCE_TEMPLATES", 300.0),
    ("SSL_CERTIFICATES", 30.0),
    ("SUBNETWORKS", 275.0),
    ("NETWORK_ENDPOINT_GROUPS", 200.0),
    ("CPUS_ALL_REGIONS", 600.0),
    ("GPUS_ALL_REGIONS", 16.0),
];

/// Whether this is a quota of Compute Engine.
pub(in crate::sandbox) fn is_metric(name: &str) -> bool {
    REGIONAL.iter().chain(GLOBAL).any(|(own, _)| *own == name)
}

/// The limit in force; regional unless `region` is none.
fn limit(tx: &Tx<'_>, region: Option<&str>, metric: &str) -> f64 {
    if let Some(said) = tx.in_force().quotas.get(&format!("compute/{metric}")) {
        return *said;
    }
    let table = if region.is_some() { REGIONAL } else { GLOBAL };
    table.iter().find(|(own, _)| *own == metric).map_or(f64::INFINITY, |(_, limit)| *limit)
}

/// What counts against a metric.
fn counted(metric: &str) -> &'static [Sort] {
    match metric {
        "NETWORKS" => &[NETWORK],
        "SUBNETWORKS" => &[SUBNETWORK],
        "ROUTERS" => &[ROUTER],
        "ROUTES" => &[ROUTE],
        "FIREWALLS" => &[FIREWALL],
        "FORWARDING_RULES" => &[FORWARDING],
        "TARGET_POOLS" => &[TARGET_POOL],
        "HEALTH_CHECKS" => &[HEALTH_CHECK, HTTP_CHECK],
        "BACKEND_SERVICES" => &[BACKEND],
        "URL_MAPS" => &[URL_MAP],
        "NETWORK_ENDPOINT_GROUPS" => &[ENDPOINT_GROUP],
        "INSTANCE_GROUPS" => &[GROUP],
        "INSTANCE_GROUP_MANAGERS" => &[MANAGER],
        "INSTANCES" => &[INSTANCE],
        _ => &[],
    }
}

/// How much of a metric a machine takes.
fn of_machine(object: &Object, metric: &str) -> f64 {
    let machine = object.text("machineType").rsplit('/').next().unwrap_or_default();
    let spot = object.doc["scheduling"]["provisioningModel"] == json!("SPOT");
    needs(machine, spot).into_iter().find(|(own, _)| own == metric).map_or(0.0, |(_, amount)| amount)
}

/// What one machine of this type takes of which quotas.
pub(in crate::sandbox) fn needs(machine: &str, spot: bool) -> Vec<(String, f64)> {
    let Some(kind) = reads::machine(machine) else { return Vec::new() };
    let family = machine.split('-').next().unwrap_or_default();
    let own = match family {
        "n2" | "n2d" | "c2" | "c2d" | "c3" | "t2d" | "t2a" | "a2" | "m1" | "m3" => {
            format!("{}_CPUS", family.to_uppercase())
        }
        _ => "CPUS".to_owned(),
    };
    let cpus = kind.vcpus.ceil();
    // Preemptible machines have a quota of their own.
    let mut needs =
        vec![(if spot { "PREEMPTIBLE_CPUS".to_owned() } else { own }, cpus), ("CPUS_ALL_REGIONS".to_owned(), cpus)];
    needs.push(("INSTANCES".to_owned(), 1.0));
    if let Some((accelerator, count)) = reads::accelerators(machine) {
        needs.push((gpu_metric(accelerator, spot), count));
        needs.push(("GPUS_ALL_REGIONS".to_owned(), count));
    }
    needs
}

/// The quota that an accelerator counts against.
pub(in crate::sandbox) fn gpu_metric(accelerator: &str, spot: bool) -> String {
    let base = match accelerator {
        "nvidia-tesla-a100" => "NVIDIA_A100",
        "nvidia-a100-80gb" => "NVIDIA_A100_80GB",
        "nvidia-l4" => "NVIDIA_L4",
        "nvidia-tesla-t4" => "NVIDIA_T4",
        "nvidia-tesla-v100" => "NVIDIA_V100",
        "nvidia-tesla-p100" => "NVIDIA_P100",
        "nvidia-tesla-p4" => "NVIDIA_P4",
        _ => "NVIDIA_H100",
    };
    format!("{}{base}_GPUS", if spot { "PREEMPTIBLE_" } else { "" })
}

/// How much of a metric stands.
pub(super) fn usage(tx: &Tx<'_>, project: &str, region: Option<&str>, metric: &str) -> f64 {
    let here = |object: &&Object| {
        object.service == "compute"
            && object.account == project
            && !object.is_gone()
            && region.is_none_or(|r| object.region == r)
    };
    let all = || tx.all().filter(here);
    let sorts = counted(metric);
    if !sorts.is_empty() {
        // Counted where they live: a region's own, or those of the whole project.
        return all().filter(|object| sorts.iter().any(|sort| object.is(sort.kind()))).count() as f64;
    }
    let disks = |ssd: bool| {
        let own = all().filter(|object| object.is(DISK.kind()) && object.text("type").ends_with("pd-standard") != ssd);
        own.map(|disk| disk.text("sizeGb").parse::<f64>().unwrap_or_default()).sum()
    };
    match metric {
        "DISKS_TOTAL_GB" => disks(false),
        "SSD_TOTAL_GB" => disks(true),
        "STATIC_ADDRESSES" => {
            all().filter(|o| o.is(ADDRESS.kind()) && o.text("addressType") == "EXTERNAL").count() as f64
        }
        "INTERNAL_ADDRESSES" => {
            all().filter(|o| o.is(ADDRESS.kind()) && o.text("addressType") == "INTERNAL").count() as f64
        }
        "IN_USE_ADDRESSES" => {
            let public = |object: &&Object| {
                object.is(INSTANCE.kind()) && !object.doc["networkInterfaces"][0]["accessConfigs"].is_null()
            };
            all().filter(public).count() as f64
        }
        metric => all().filter(|object| object.is(INSTANCE.kind())).map(|object| of_machine(object, metric)).sum(),
    }
}

/// Every quota of a region or of the project, as its description lists them.
pub(super) fn list(tx: &Tx<'_>, project: &str, region: Option<&str>) -> Vec<Value> {
    let table = if region.is_some() { REGIONAL } else { GLOBAL };
    let one = |(metric, _): &(&str, f64)| json!({"metric": metric, "limit": limit(tx, region, metric), "usage": usage(tx, project, region, metric)});
    table.iter().map(one).collect()
}

fn place_of(place: Option<&Place>) -> Option<&str> {
    match place {
        Some(Place::Region(region)) => Some(region),
        _ => None,
    }
}

/// Refuses at once what goes over a quota.
///
/// # Errors
/// As Compute Engine words it.
pub(super) fn check(tx: &Tx<'_>, project: &str, place: Option<&Place>, metric: &str, more: f64) -> Result<(), Refused> {
    let region = place_of(place);
    let limit = limit(tx, region, metric);
    if usage(tx, project, region, metric) + more <= limit {
        return Ok(());
    }
    let where_ = region.map_or_else(|| " globally.".to_owned(), |region| format!(" in region {region}."));
    Err(Refused::quota(format!("Quota '{metric}' exceeded.  Limit: {limit:.1}{where_}")))
}

/// The error an operation ends in that goes over a quota, if it does.
pub(in crate::sandbox) fn shortage(
    tx: &Tx<'_>,
    project: &str,
    region: Option<&str>,
    metric: &str,
    more: f64,
) -> Option<Value> {
    let region = region.filter(|_| REGIONAL.iter().any(|(own, _)| *own == metric));
    let limit = limit(tx, region, metric);
    if usage(tx, project, region, metric) + more <= limit {
        return None;
    }
    let where_ = region.map_or_else(|| " globally.".to_owned(), |region| format!(" in region {region}."));
    let (name, dimensions) = match region {
        Some(region) => (format!("{}-per-project-region", metric.replace('_', "-")), json!({"region": region})),
        None => (format!("{}-per-project", metric.replace('_', "-")), json!({"global": "global"})),
    };
    let info = json!([{"quotaInfo": {
        "metricName": format!("compute.googleapis.com/{}", metric.to_lowercase()), "limitName": name,
        "dimensions": dimensions, "limit": limit,
    }}]);
    let message = format!("Quota '{metric}' exceeded.  Limit: {limit:.1}{where_}");
    Some(failure(403, "FORBIDDEN", "QUOTA_EXCEEDED", &message, Some(info)))
}

/// What one machine more would go over, of everything it takes.
pub(in crate::sandbox) fn machine_shortage(
    tx: &Tx<'_>,
    project: &str,
    region: &str,
    machine: &str,
    spot: bool,
    public: bool,
) -> Option<Value> {
    let mut needs = needs(machine, spot);
    if public {
        needs.push(("IN_USE_ADDRESSES".to_owned(), 1.0));
    }
    needs.iter().find_map(|(metric, amount)| shortage(tx, project, Some(region), metric, *amount))
}
