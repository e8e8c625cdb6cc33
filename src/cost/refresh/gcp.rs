//! Google's Cloud Billing Catalog: no machine has a price of its own; cores, memory and GPUs have, family by family.
//!
//! A machine is its cores and its GiB, and its GPUs where it has any. What a description says counts, not only what the
//! category says: GPUs of a queue ("DWS Defined Duration") are published as on demand at half the price, and spot prices of
//! new GPUs as on demand too. Types whose price holds local disks cannot be put together from here and are left as they are.

use super::{Fresh, ReadComponent, Unreadable, list, next, text};
use crate::cost::attach::{ATTACHED, gpu_component};
use serde_json::Value;
use std::collections::BTreeMap;

/// Compute Engine in the catalog.
pub const COMPUTE: &str = "6F81-5844-456A";

/// What a SKU is the price of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Core(String),
    Memory(String),
    Gpu(&'static str),
}

/// Prices of parts by region and market.
#[derive(Debug, Default)]
pub struct Skus {
    parts: BTreeMap<(String, bool, Part), f64>,
    dropped: BTreeMap<&'static str, usize>,
}

/// A machine type whose price is wanted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wanted<'a> {
    /// `n2-standard-4`.
    pub name: &'a str,
    /// Virtual CPUs.
    pub vcpus: f64,
    /// GiB.
    pub memory_gib: f64,
    /// Accelerator in the table's words, and how many.
    pub gpu: Option<(&'a str, f64)>,
}

/// GPUs: how descriptions begin, and our name. Some have several spellings.
const GPUS: [(&str, &str); 13] = [
    ("Nvidia Tesla T4 GPU", "T4"),
    ("Nvidia Tesla P4 GPU", "P4"),
    ("Nvidia Tesla P100 GPU", "P100"),
    ("Nvidia Tesla V100 GPU", "V100"),
    ("Nvidia L4 GPU", "L4"),
    ("Nvidia Tesla A100 GPU", "A100"),
    ("Nvidia Tesla A100 80GB GPU", "A100-80GB"),
    ("Nvidia H100 80GB GPU", "H100"),
    ("Nvidia H100 80GB Mega GPU", "H100-MEGA"),
    ("Nvidia H100 80GB Plus GPU", "H100-MEGA"),
    ("Nvidia H100 Mega 80GB GPU", "H100-MEGA"),
    ("Nvidia H200 141GB GPU", "H200"),
    ("Nvidia B200 GPU", "B200"),
];

/// Words of descriptions whose price nobody pays who starts a machine.
const NOT_PLAIN: [(&str, &str); 8] = [
    ("dws", "queued and calendar capacity"),
    ("calendar mode", "queued and calendar capacity"),
    ("custom", "custom machines"),
    ("sole tenancy", "sole tenancy"),
    ("premium", "premiums"),
    ("reserved", "reservations"),
    ("commitment", "commitments"),
    ("extended", "extended memory"),
];

impl Skus {
    /// Reads one page; returns the token of the next.
    ///
    /// # Errors
    /// A page without its list, or prices in another currency.
    pub fn read_page(&mut self, page: &Value) -> Result<Option<String>, Unreadable> {
        for sku in list(page, "skus")? {
            if let Err(why) = self.read_sku(sku)? {
                *self.dropped.entry(why).or_default() += 1;
            }
        }
        Ok(next(page, "nextPageToken"))
    }

    fn read_sku(&mut self, sku: &Value) -> Result<Result<(), &'static str>, Unreadable> {
        let (category, description) = (sku.get("category").unwrap_or(&Value::Null), text(sku, "description"));
        let lower = description.to_lowercase();
        let usage = text(category, "usageType");
        if text(category, "resourceFamily") != "Compute" {
            return Ok(Err("other resources"));
        }
        if !matches!(usage, "OnDemand" | "Preemptible") {
            return Ok(Err("commitments"));
        }
        if let Some((_, why)) = NOT_PLAIN.iter().find(|(word, _)| lower.contains(word)) {
            return Ok(Err(why));
        }
        let spot = usage == "Preemptible" || lower.contains("preemptible") || lower.contains("spot");
        let Some(part) = part(description) else { return Ok(Err("other parts")) };
        let unit = if matches!(part, Part::Memory(_)) { "GiBy.h" } else { "h" };
        let Some(usd) = price(sku, unit)? else { return Ok(Err("no price")) };
        let regions = list(sku, "serviceRegions")?;
        for region in regions.iter().filter_map(Value::as_str) {
            let slot = self.parts.entry((region.to_owned(), spot, part.clone())).or_insert(usd);
            // One part under two names: whoever pays is charged by one of them; the dearer misleads nobody.
            *slot = slot.max(usd);
        }
        Ok(Ok(()))
    }

    fn part(&self, region: &str, spot: bool, part: Part) -> Option<f64> {
        self.parts.get(&(region.to_owned(), spot, part)).copied()
    }

    /// What these machines cost in these regions, where all their parts are known.
    pub fn machines(mut self, wanted: &[Wanted<'_>], regions: &[String]) -> Fresh {
        let readable = wanted.iter().filter(|it| is_made_of_parts(it)).map(|it| it.name.to_owned()).collect();
        let dropped = std::mem::take(&mut self.dropped);
        let mut fresh = Fresh { dropped, readable: Some(readable), ..Fresh::default() };
        for region in regions {
            for machine in wanted.iter().filter(|it| is_made_of_parts(it)) {
                let on_demand = self.machine(region, false, machine);
                let spot = self.machine(region, true, machine);
                if on_demand.is_some() || spot.is_some() {
                    let read = fresh.at(region, machine.name);
                    (read.on_demand, read.spot) = (on_demand, spot);
                }
            }
            for (gpu, _) in ATTACHED {
                for spot in [false, true] {
                    if let Some(usd) = self.part(region, spot, Part::Gpu(gpu)) {
                        let Some(name) = gpu_component(gpu, spot) else { continue };
                        let (region, unit) = (region.clone(), "hour".to_owned());
                        fresh.components.push(ReadComponent { region, name, unit, usd });
                    }
                }
            }
        }
        fresh
    }

    fn machine(&self, region: &str, spot: bool, machine: &Wanted<'_>) -> Option<f64> {
        let family = machine.name.split('-').next().unwrap_or_default();
        let core = self.part(region, spot, Part::Core(family.to_owned()))?;
        let memory = self.part(region, spot, Part::Memory(family.to_owned()))?;
        let gpus = match machine.gpu {
            None => 0.0,
            Some((name, count)) => {
                let known = GPUS.iter().find(|(_, own)| *own == name)?.1;
                self.part(region, spot, Part::Gpu(known))? * count
            }
        };
        Some(billed_cpus(machine) * core + machine.memory_gib * memory + gpus)
    }
}

/// Whether cores, memory and GPUs are all there is to its price.
fn is_made_of_parts(machine: &Wanted<'_>) -> bool {
    const FAMILIES: [&str; 18] = [
        "e2", "n1", "n2", "n2d", "n4", "n4a", "n4d", "t2d", "t2a", "c2", "c2d", "c3", "c3d", "c4", "c4a", "c4d", "g2",
        "a2",
    ];
    const SHAPES: [&str; 8] = ["standard", "highmem", "highcpu", "highgpu", "megagpu", "micro", "small", "medium"];
    let mut words = machine.name.split('-');
    let (family, shape, size, rest) = (words.next(), words.next(), words.next(), words.next());
    family.is_some_and(|it| FAMILIES.contains(&it))
        && shape.is_some_and(|it| SHAPES.contains(&it))
        && size.is_none_or(|it| it.trim_end_matches('g').chars().all(|c| c.is_ascii_digit()))
        && rest.is_none()
}

/// The small shared-core machines are billed for a share of their cores.
fn billed_cpus(machine: &Wanted<'_>) -> f64 {
    match machine.name {
        "e2-micro" => 0.25,
        "e2-small" => 0.5,
        "e2-medium" => 1.0,
        _ => machine.vcpus,
    }
}

/// `Spot Preemptible N2D AMD Instance Core running in Belgium` is a core of n2d.
fn part(description: &str) -> Option<Part> {
    let plain = description.strip_prefix("Spot Preemptible ").or_else(|| description.strip_prefix("Preemptible "));
    let what = plain.unwrap_or(description);
    let what = what.split(" running in ").next().unwrap_or(what).trim();
    let gpu = what.split(" attached to ").next().unwrap_or(what);
    if let Some((_, name)) = GPUS.iter().find(|(words, _)| *words == gpu) {
        return Some(Part::Gpu(name));
    }
    let family = |words: &str| {
        let first = words.split(' ').next().unwrap_or_default().to_lowercase();
        if words.starts_with("Compute optimized") { "c2".to_owned() } else { first }
    };
    if let Some(words) = what.strip_suffix(" Core") {
        return Some(Part::Core(family(words)));
    }
    what.strip_suffix(" Ram").map(|words| Part::Memory(family(words)))
}

/// The first tier above zero: free ones come before it.
fn price(sku: &Value, unit: &str) -> Result<Option<f64>, Unreadable> {
    // The newest stands last.
    let info = list(sku, "pricingInfo")?.last();
    let expression = info.and_then(|info| info.get("pricingExpression")).unwrap_or(&Value::Null);
    if text(expression, "usageUnit") != unit {
        return Ok(None);
    }
    for tier in list(expression, "tieredRates")? {
        let money = tier.get("unitPrice").unwrap_or(&Value::Null);
        let currency = text(money, "currencyCode");
        if currency != "USD" {
            return Err(Unreadable::Currency(currency.to_owned()));
        }
        let nanos = money.get("nanos").and_then(Value::as_f64).unwrap_or_default();
        let units = match text(money, "units") {
            "" => 0.0,
            units => units.parse().map_err(|_| Unreadable::Shape(format!("`units` is {units}, not a number")))?,
        };
        let usd = units + nanos / 1e9;
        if usd > 0.0 {
            return Ok(Some(usd));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn sku(description: &str, group: &str, usage: &str, unit: &str, usd: f64) -> Value {
        let (units, nanos) = (usd.trunc(), (usd.fract() * 1e9).round());
        json!({"name": "services/6F81-5844-456A/skus/0012-B7F2-DD14", "skuId": "0012-B7F2-DD14", "description": description,
            "category": {"serviceDisplayName": "Compute Engine", "resourceFamily": "Compute", "resourceGroup": group,
                "usageType": usage},
            "serviceRegions": ["us-central1"],
            "pricingInfo": [{"summary": "", "effectiveTime": "2026-07-30T00:00:00Z", "currencyConversionRate": 1,
                "pricingExpression": {"usageUnit": unit, "displayQuantity": 1, "tieredRates": [{"startUsageAmount": 0,
                    "unitPrice": {"currencyCode": "USD", "units": units.to_string(), "nanos": nanos}}]}}],
            "serviceProviderName": "Google"})
    }

    fn read(skus: Vec<Value>, wanted: &[Wanted<'_>]) -> Fresh {
        let mut all = Skus::default();
        assert_eq!(all.read_page(&json!({"skus": skus, "nextPageToken": ""})), Ok(None));
        all.machines(wanted, &["us-central1".to_owned()])
    }

    fn machine(fresh: &Fresh, name: &str) -> (Option<f64>, Option<f64>) {
        let five = |usd: f64| (usd * 1e5).round() / 1e5;
        let read = fresh.machines.get(&("us-central1".to_owned(), name.to_owned())).copied().unwrap_or_default();
        (read.on_demand.map(five), read.spot.map(five))
    }

    const E2: Wanted<'_> = Wanted { name: "e2-standard-4", vcpus: 4.0, memory_gib: 16.0, gpu: None };

    fn e2() -> Vec<Value> {
        vec![
            sku("E2 Instance Core running in Americas", "CPU", "OnDemand", "h", 0.021_811_59),
            sku("E2 Instance Ram running in Americas", "RAM", "OnDemand", "GiBy.h", 0.002_923_53),
            sku("Spot Preemptible E2 Instance Core running in Americas", "CPU", "Preemptible", "h", 0.013_087),
            sku("Spot Preemptible E2 Instance Ram running in Americas", "RAM", "Preemptible", "GiBy.h", 0.001_754),
        ]
    }

    #[test]
    fn a_machine_is_its_cores_and_its_memory() {
        let medium = Wanted { name: "e2-medium", vcpus: 2.0, memory_gib: 4.0, gpu: None };
        let fresh = read(e2(), &[E2, medium]);
        assert_eq!(machine(&fresh, "e2-standard-4"), (Some(0.13402), Some(0.08041)));
        assert_eq!(machine(&fresh, "e2-medium").0, Some(0.03351), "billed for one core of its two");
    }

    #[test]
    fn commitments_custom_machines_and_sole_tenancy_are_not_the_price() {
        let mut skus = e2();
        for (description, usage) in [
            ("Commitment v1: E2 Cpu in Americas for 1 Year", "Commit1Yr"),
            ("E2 Custom Instance Core running in Americas", "OnDemand"),
            ("E2 Sole Tenancy Instance Core running in Americas", "OnDemand"),
            ("E2 Instance Core Sole Tenancy Premium running in Americas", "OnDemand"),
            ("Reserved E2 Instance Core running in Americas", "OnDemand"),
        ] {
            skus.push(sku(description, "CPU", usage, "h", 9.0));
        }
        assert_eq!(machine(&read(skus, &[E2]), "e2-standard-4").0, Some(0.13402));
    }

    fn gpus() -> (Vec<Value>, Vec<Wanted<'static>>) {
        let skus = vec![
            sku("A2 Instance Core running in Americas", "CPU", "OnDemand", "h", 0.031_611),
            sku("A2 Instance Ram running in Americas", "RAM", "OnDemand", "GiBy.h", 0.004_237),
            sku("Nvidia Tesla A100 GPU running in Americas", "GPU", "OnDemand", "h", 2.933_91),
            sku("G2 Instance Core running in Americas", "CPU", "OnDemand", "h", 0.024_988),
            sku("G2 Instance Ram running in Americas", "RAM", "OnDemand", "GiBy.h", 0.002_927),
            sku("Nvidia L4 GPU running in Americas", "GPU", "OnDemand", "h", 0.560_04),
        ];
        let wanted = vec![
            Wanted { name: "a2-highgpu-1g", vcpus: 12.0, memory_gib: 85.0, gpu: Some(("A100", 1.0)) },
            Wanted { name: "g2-standard-4", vcpus: 4.0, memory_gib: 16.0, gpu: Some(("L4", 1.0)) },
        ];
        (skus, wanted)
    }

    #[test]
    fn gpus_of_a_queue_are_published_as_on_demand_and_are_not() {
        let (mut skus, wanted) = gpus();
        skus.insert(
            0,
            sku("Nvidia Tesla A100 GPU DWS Defined Duration running in Americas", "GPU", "OnDemand", "h", 1.4),
        );
        skus.push(sku(
            "Nvidia L4 GPU attached to DWS Defined Duration VMs running in Americas",
            "GPU",
            "OnDemand",
            "h",
            0.3,
        ));
        let fresh = read(skus, &wanted);
        assert_eq!(machine(&fresh, "a2-highgpu-1g"), (Some(3.67339), None));
        assert_eq!(machine(&fresh, "g2-standard-4"), (Some(0.70682), None));
        assert_eq!(fresh.dropped["queued and calendar capacity"], 2);
    }

    #[test]
    fn a_spot_price_is_spot_whatever_its_category_says() {
        let (mut skus, wanted) = gpus();
        for (description, group, unit, usd) in [
            ("Spot Preemptible G2 Instance Core running in Americas", "CPU", "h", 0.014),
            ("Spot Preemptible G2 Instance Ram running in Americas", "RAM", "GiBy.h", 0.001_6),
            ("Nvidia L4 GPU attached to Spot Preemptible VMs running in Americas", "GPU", "h", 0.3),
        ] {
            skus.insert(0, sku(description, group, "OnDemand", unit, usd));
        }
        assert_eq!(machine(&read(skus, &wanted), "g2-standard-4"), (Some(0.70682), Some(0.3816)));
    }

    #[test]
    fn all_spellings_of_a_gpu_are_one_gpu() {
        for words in ["Nvidia H100 80GB Mega GPU", "Nvidia H100 80GB Plus GPU", "Nvidia H100 Mega 80GB GPU"] {
            assert_eq!(part(&format!("{words} running in Americas")), Some(Part::Gpu("H100-MEGA")), "{words}");
        }
        assert_eq!(part("Nvidia H100 80GB GPU running in Iowa"), Some(Part::Gpu("H100")));
        assert_eq!(part("Nvidia Tesla A100 80GB GPU running in Iowa"), Some(Part::Gpu("A100-80GB")));
        assert_eq!(part("Compute optimized Core running in Iowa"), Some(Part::Core("c2".into())));
        assert_eq!(part("N1 Predefined Instance Ram running in Iowa"), Some(Part::Memory("n1".into())));
    }

    #[test]
    fn a_price_that_holds_local_disks_is_not_put_together() {
        let whole = |name| is_made_of_parts(&Wanted { name, ..E2 });
        assert!(whole("c3-standard-4") && whole("a2-highgpu-1g") && whole("e2-medium"));
        for name in
            ["c3-standard-4-lssd", "a2-ultragpu-1g", "a3-highgpu-8g", "n2d-384-224-tpu", "m1-ultramem-40", "f1-micro"]
        {
            assert!(!whole(name), "{name}");
        }
    }

    #[test]
    fn free_tiers_zeros_and_other_currencies() {
        let mut skus = e2();
        let rates = "/pricingInfo/0/pricingExpression/tieredRates";
        let rate = skus[0].pointer(&format!("{rates}/0")).unwrap().clone();
        let mut free = rate.clone();
        (free["unitPrice"]["nanos"], free["unitPrice"]["units"]) = (json!(0), json!("0"));
        *skus[0].pointer_mut(rates).unwrap() = json!([free, rate]);
        assert_eq!(machine(&read(skus.clone(), &[E2]), "e2-standard-4").0, Some(0.13402));
        *skus[0].pointer_mut(rates).unwrap() = json!([free]);
        assert_eq!(machine(&read(skus.clone(), &[E2]), "e2-standard-4").0, None, "never zero");
        skus[1].pointer_mut(rates).unwrap()[0]["unitPrice"]["currencyCode"] = json!("EUR");
        let error = Skus::default().read_page(&json!({"skus": skus}));
        assert_eq!(error, Err(Unreadable::Currency("EUR".to_owned())));
        assert!(Skus::default().read_page(&json!({"error": {"code": 403}})).is_err());
    }

    #[test]
    fn attached_gpus_are_components() {
        let skus = vec![
            sku("Nvidia Tesla T4 GPU running in Americas", "GPU", "OnDemand", "h", 0.35),
            sku(
                "Nvidia Tesla T4 GPU attached to Spot Preemptible VMs running in Americas",
                "GPU",
                "Preemptible",
                "h",
                0.1654,
            ),
        ];
        let fresh = read(skus, &[]);
        let found: Vec<_> = fresh.components.iter().map(|it| (it.name.as_str(), it.usd)).collect();
        assert_eq!(found, [("gpu-t4", 0.35), ("gpu-t4-spot", 0.1654)]);
    }
}
