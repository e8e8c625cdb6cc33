//! Google's Cloud Billing Catalog: the parts that the table's machines are made of, worked out from their prices, with
//! commitments, queues and sole tenancy among them.

use crate::{
    cost::{InstancePrice, catalogue, refresh::gcp::COMPUTE},
    model::{Cloud, Region},
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Most of a page.
const MOST: usize = 5_000;

/// Whether a path is one of the catalog's; the service it names.
pub(in crate::sandbox) fn service(verb: &str, path: &str) -> Option<String> {
    let service = path.strip_prefix("/v1/services/")?.strip_suffix("/skus")?;
    (verb == "GET" && !service.contains('/')).then(|| service.to_owned())
}

/// One page of a service's SKUs; `Err` is what is wrong with the question.
pub(in crate::sandbox) fn answer(service: &str, query: &str) -> Result<Value, String> {
    let pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let known = ["currencyCode", "pageSize", "pageToken", "startTime", "endTime", "alt", "key", "prettyPrint"];
    if let Some((name, _)) = pairs.iter().find(|(name, _)| !known.contains(&name.as_str())) {
        return Err(format!("Invalid JSON payload received. Unknown name \"{name}\": Cannot bind query parameter."));
    }
    let get = |name: &str| pairs.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str());
    if get("currencyCode").is_some_and(|currency| currency != "USD") {
        return Err("Invalid currency code: the pretend vendor sells in USD only.".to_owned());
    }
    let size: usize = get("pageSize").unwrap_or("5000").parse().map_err(|_| "Invalid page size.".to_owned())?;
    let from: usize = match get("pageToken").filter(|token| !token.is_empty()) {
        Some(token) => token.strip_prefix("from-").and_then(|at| at.parse().ok()).ok_or("Invalid page token.")?,
        None => 0,
    };
    let all = if service == COMPUTE { skus() } else { Vec::new() };
    let size = if size == 0 { MOST } else { size.min(MOST) };
    let next = if all.len() > from + size { format!("from-{}", from + size) } else { String::new() };
    let page: Vec<Value> = all.into_iter().skip(from).take(size).collect();
    Ok(json!({"skus": page, "nextPageToken": next}))
}

fn sku(description: &str, group: &str, usage: &str, region: &str, unit: &str, usd: f64) -> Value {
    let nanos = (usd * 1e9).round();
    let money = |nanos: f64| json!({"currencyCode": "USD", "units": (nanos / 1e9).trunc().to_string(), "nanos": (nanos % 1e9) as i64});
    // A tier of nothing for nothing comes first here and there.
    let tiers = if group == "RAM" {
        json!([{"startUsageAmount": 0, "unitPrice": money(0.0)}, {"startUsageAmount": 0.0001, "unitPrice": money(nanos)}])
    } else {
        json!([{"startUsageAmount": 0, "unitPrice": money(nanos)}])
    };
    json!({"name": format!("services/{COMPUTE}/skus/0000-0000-0000"), "skuId": "0000-0000-0000", "description": description,
        "category": {"serviceDisplayName": "Compute Engine", "resourceFamily": "Compute", "resourceGroup": group,
            "usageType": usage},
        "serviceRegions": [region],
        "pricingInfo": [{"summary": "", "currencyConversionRate": 1, "effectiveTime": "2026-07-30T00:00:00Z",
            "pricingExpression": {"usageUnit": unit, "displayQuantity": 1, "tieredRates": tiers}}],
        "serviceProviderName": "Google", "geoTaxonomy": {"type": "REGIONAL", "regions": [region]}})
}

/// A GPU that comes with a family: as Google's parts are called, and as the table calls it.
type Gpu = Option<(&'static str, &'static str)>;

/// Families, the words of their parts, and the GPU that comes with them.
const FAMILIES: [(&str, &str, Gpu); 18] = [
    ("e2", "E2 Instance", None),
    ("n1", "N1 Predefined Instance", None),
    ("n2", "N2 Instance", None),
    ("n2d", "N2D AMD Instance", None),
    ("n4", "N4 Instance", None),
    ("t2d", "T2D AMD Instance", None),
    ("t2a", "T2A Arm Instance", None),
    ("c2", "Compute optimized", None),
    ("c2d", "C2D AMD Instance", None),
    ("c3", "C3 Instance", None),
    ("c3d", "C3D Instance", None),
    ("c4", "C4 Instance", None),
    ("c4a", "C4A Arm Instance", None),
    ("c4d", "C4D AMD Instance", None),
    ("n4a", "N4A Arm Instance", None),
    ("n4d", "N4D AMD Instance", None),
    ("g2", "G2 Instance", Some(("Nvidia L4 GPU", "L4"))),
    ("a2", "A2 Instance", Some(("Nvidia Tesla A100 GPU", "A100"))),
];

fn skus() -> Vec<Value> {
    let mut all = Vec::new();
    for region in catalogue().regions(Cloud::Gcp) {
        let here: Vec<InstancePrice<'_>> = catalogue().instances_in(Cloud::Gcp, &Region(region.clone())).collect();
        for (family, words, gpu) in FAMILIES {
            for spot in [false, true] {
                if let Some(parts) = parts(family, gpu.map(|(_, name)| name), spot, &here) {
                    of_family(words, gpu.map(|(words, _)| words), spot, region, &parts, &mut all);
                }
            }
        }
        for gpu in ["T4", "P4", "P100", "V100"] {
            for (spot, ending) in [(false, ""), (true, "-spot")] {
                let name = format!("gpu-{}{ending}", gpu.to_lowercase());
                let price = catalogue().component(Cloud::Gcp, &Region(region.clone()), &name);
                if let Some(price) = price.filter(|price| !price.estimated) {
                    let words = format!("Nvidia Tesla {gpu} GPU");
                    let words = if spot { format!("{words} attached to Spot Preemptible VMs") } else { words };
                    let usage = if spot { "Preemptible" } else { "OnDemand" };
                    all.push(sku(&format!("{words} running in {region}"), "GPU", usage, region, "h", price.usd));
                }
            }
        }
    }
    all
}

/// USD an hour of a core, a GiB and a GPU.
struct Parts {
    core: f64,
    memory: f64,
    gpu: f64,
}

/// What the parts must cost for the family's machines to cost what they do.
fn parts(family: &str, gpu: Option<&str>, spot: bool, here: &[InstancePrice<'_>]) -> Option<Parts> {
    let usd = |it: &InstancePrice<'_>| if spot { it.spot } else { Some(it.on_demand) };
    let shapes = ["standard", "highmem", "highcpu", "highgpu"];
    let plain = |it: &&InstancePrice<'_>| {
        let words: Vec<&str> = it.machine.name.split('-').collect();
        words.len() == 3 && words[0] == family && shapes.contains(&words[1])
    };
    // By what they have for a core: the largest of each is the most exact.
    let mut by_ratio: BTreeMap<(u64, u64), (&InstancePrice<'_>, f64)> = BTreeMap::new();
    for it in here.iter().filter(plain) {
        let Some(usd) = usd(it) else { continue };
        let machine = &it.machine;
        let gpus = match (gpu, machine.accelerator) {
            (Some(name), Some((kind, count))) if kind == name => count,
            (None, None) => 0.0,
            _ => continue,
        };
        let key = ((machine.memory_gib / machine.vcpus * 1e3) as u64, (gpus / machine.vcpus * 1e6) as u64);
        let slot = by_ratio.entry(key).or_insert((it, usd));
        if machine.vcpus > slot.0.machine.vcpus {
            *slot = (it, usd);
        }
    }
    let mut known = by_ratio.into_values();
    let (one, usd) = known.next()?;
    let (cpus, gib) = (one.machine.vcpus, one.machine.memory_gib);
    let gpus = one.machine.accelerator.map_or(0.0, |(_, count)| count);
    let second = known.next_back();
    if gpus > 0.0 {
        // A GPU with the cores that always come along: what is left for the cores is a guess, but it adds up.
        let rate = match second {
            Some((other, dearer)) => {
                let more = other.machine.accelerator.map_or(0.0, |(_, count)| count);
                (usd * more - dearer * gpus) / (cpus * more - other.machine.vcpus * gpus)
            }
            None => usd / cpus / 5.0,
        };
        let core = rate / (1.0 + gib / cpus * 0.134);
        return Some(Parts { core, memory: core * 0.134, gpu: (usd - rate * cpus) / gpus });
    }
    match second {
        Some((other, dearer)) => {
            let (more_cpus, more_gib) = (other.machine.vcpus, other.machine.memory_gib);
            let memory = (dearer * cpus - usd * more_cpus) / (more_gib * cpus - gib * more_cpus);
            Some(Parts { core: (usd - memory * gib) / cpus, memory, gpu: 0.0 })
        }
        None => {
            let core = usd / (cpus + 0.134 * gib);
            Some(Parts { core, memory: core * 0.134, gpu: 0.0 })
        }
    }
}

fn of_family(words: &str, gpu: Option<&str>, spot: bool, region: &str, parts: &Parts, all: &mut Vec<Value>) {
    let (prefix, usage) = if spot { ("Spot Preemptible ", "Preemptible") } else { ("", "OnDemand") };
    let core = format!("{prefix}{words} Core running in {region}");
    all.push(sku(&core, "CPU", usage, region, "h", parts.core));
    all.push(sku(&format!("{prefix}{words} Ram running in {region}"), "RAM", usage, region, "GiBy.h", parts.memory));
    if let Some(gpu) = gpu {
        let words = if spot { format!("{gpu} attached to Spot Preemptible VMs") } else { gpu.to_owned() };
        all.push(sku(&format!("{words} running in {region}"), "GPU", usage, region, "h", parts.gpu));
    }
    if spot {
        return;
    }
    let first = words.split(' ').next().unwrap_or_default();
    all.push(sku(
        &format!("{words} Core Sole Tenancy running in {region}"),
        "CPU",
        usage,
        region,
        "h",
        parts.core * 1.1,
    ));
    all.push(sku(
        &format!("{first} Custom Instance Core running in {region}"),
        "CPU",
        usage,
        region,
        "h",
        parts.core * 1.05,
    ));
    let commitment = format!("Commitment v1: {first} Cpu in {region} for 3 Years");
    all.push(sku(&commitment, "CPU", "Commit3Yr", region, "h", parts.core * 0.45));
    if let Some(gpu) = gpu {
        // Published as on demand, at half the price.
        let queued = format!("{gpu} DWS Defined Duration running in {region}");
        all.push(sku(&queued, "GPU", "OnDemand", region, "h", parts.gpu * 0.47));
    }
}
