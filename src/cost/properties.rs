//! What must hold of every region and every machine type, checked against the table's own rows by other code than that
//! which searches it: eligibility is by lists here, by rules there.

use super::table::{PriceTable, TypePrices};
use super::{Catalogue, Need, Vendor, Wish, allocatable, catalogue, compare, estimate};
use crate::model::{Cloud, PriceKey, Region, Unit, Usage};
use std::collections::{BTreeMap, BTreeSet};

const CLOUDS: [Cloud; 3] = [Cloud::Aws, Cloud::Gcp, Cloud::Azure];

fn region(name: &str) -> Region {
    Region(name.to_owned())
}

fn machine(cloud: Cloud, place: &str, name: &str, spot: bool, nodes: f64) -> Usage {
    let key = PriceKey::Instance { cloud, region: region(place), instance_type: name.to_owned(), spot };
    Usage { key, unit: Unit::Hour, min: 0.0, desired: nodes, max: nodes + 1.0 }
}

fn beside(cloud: Cloud, place: &str) -> [Usage; 2] {
    let (plane, disk, unit, size) = match cloud {
        Cloud::Aws => ("eks-cluster", "ebs-gp3", Unit::GbMonth, 50.0),
        Cloud::Gcp => ("gke-cluster", "pd-balanced", Unit::GbMonth, 50.0),
        Cloud::Azure => ("aks-standard", "disk-P10-128GiB", Unit::Month, 1.0),
    };
    let fixed = |name: &str, unit, quantity| {
        let key = PriceKey::Component { cloud, region: region(place), name: name.to_owned() };
        Usage::fixed(key, unit, quantity)
    };
    [fixed(plane, Unit::Hour, 1.0), fixed(disk, unit, size)]
}

/// USD an hour in ten-thousandths, summed without binary fractions, of what a machine and what stands beside it cost.
fn by_hand(table: &Catalogue, usage: &[Usage], of: fn(&Usage) -> f64) -> Option<f64> {
    usage
        .iter()
        .map(|usage| {
            let usd = match &usage.key {
                PriceKey::Instance { cloud, region, instance_type, spot } => {
                    table.instance(*cloud, region, instance_type)?.usd(*spot)?
                }
                PriceKey::Component { cloud, region, name } => table.component(*cloud, region, name)?.usd,
            };
            let hours = if usage.unit == Unit::Hour { 1.0 } else { 730.0 };
            Some(usd * of(usage) / hours)
        })
        .sum()
}

#[test]
fn lines_are_the_total_and_more_nodes_cost_more_whatever_the_machine() {
    let table = catalogue();
    for cloud in CLOUDS {
        let places = table.regions(cloud);
        for (at, place) in places.iter().enumerate() {
            for (nth, found) in table.instances_in(cloud, &region(place)).enumerate() {
                // Every type in every seventh region, and every region with every seventh type.
                if !(at + nth).is_multiple_of(7) {
                    continue;
                }
                let name = found.machine.name;
                let of = |nodes: f64, spot: bool| {
                    let [plane, disk] = beside(cloud, place);
                    let usage = [plane, machine(cloud, place, name, spot, nodes), disk];
                    let all = estimate([("all", usage.as_slice())], table, Some(10.0));
                    let month: f64 = all.lines.iter().map(|line| line.usd_per_hour.unwrap().desired * 730.0).sum();
                    let sum = |part: fn(&Usage) -> f64| by_hand(table, &usage, part).unwrap();
                    let total = all.totals.usd_per_hour;
                    let near = |one: f64, two: f64| (one - two).abs() <= 0.000_051;
                    assert!(near(total.min, sum(|it| it.min)) && near(total.max, sum(|it| it.max)), "{place} {name}");
                    assert!(
                        near(total.desired, sum(|it| it.desired)) && near(all.totals.usd_per_month, month),
                        "{name}"
                    );
                    assert!(all.complete && all.unknown.is_empty() && total.min <= total.desired, "{place} {name}");
                    total
                };
                let (one, two) = (of(1.0, false), of(2.0, false));
                assert!(two.desired > one.desired && two.max > one.max && two.min == one.min, "{place} {name}");
                if found.spot.is_some() {
                    let spot = of(1.0, true);
                    assert!(spot.desired <= one.desired && spot.desired > spot.min, "{place} {name}");
                }
            }
        }
    }
}

#[test]
fn what_is_not_sold_is_unknown_and_never_nothing() {
    let table = catalogue();
    let rows = table.unpack();
    let mut unsold = 0_u32;
    for cloud in CLOUDS {
        let vendor = rows.vendors.iter().find(|it| it.vendor == cloud.as_str()).unwrap();
        for place in table.regions(cloud) {
            for (name, it) in &vendor.types {
                let (sold, told) = (it.prices.get(place), table.instance(cloud, &region(place), name));
                let same =
                    sold.map(|row| (row.on_demand as f64 / 1e5, (row.spot > 0).then_some(row.spot as f64 / 1e5)));
                assert_eq!(told.as_ref().map(|it| (it.on_demand, it.spot)), same, "{place} {name}");
                assert!(
                    told.is_none_or(
                        |it| it.on_demand > 0.0 && it.spot.is_none_or(|usd| usd > 0.0 && usd <= it.on_demand)
                    )
                );
                let no_spot = sold.is_some_and(|row| row.spot == 0);
                if sold.is_some() && !no_spot {
                    continue;
                }
                unsold += 1;
                if !unsold.is_multiple_of(23) {
                    continue;
                }
                let [plane, disk] = beside(cloud, place);
                let usage = [plane, machine(cloud, place, name, no_spot, 2.0), disk];
                let all = estimate([("all", usage.as_slice())], table, None);
                assert!(!all.complete && all.unknown == [name.clone()], "{place} {name}: {:?}", all.unknown);
                assert_eq!((all.lines[1].usd_per_hour, all.lines[1].unit_price), (None, None), "{place} {name}");
                assert_eq!(super::usd_per_hour(&usage, table), None, "{place} {name}");
            }
        }
    }
    assert!(unsold > 10_000, "{unsold}");
}

/// Families of Arm machines, by the vendors' own pages.
const ARM: [&str; 44] = [
    "a1", "c6g", "c6gd", "c6gn", "c7g", "c7gd", "c7gn", "c8g", "c8gb", "c8gd", "c8gn", "c9g", "c9gd", "g5g", "hpc7g",
    "i4g", "i8g", "i8ge", "im4gn", "is4gen", "m6g", "m6gd", "m7g", "m7gd", "m8g", "m8gb", "m8gd", "m8gn", "m9g",
    "m9gd", "r6g", "r6gd", "r7g", "r7gd", "r8g", "r8gb", "r8gd", "r8gn", "t4g", "x2gd", "x8g", "c4a", "n4a", "t2a",
];
/// Azure's, with `#` for the size, and Lambda's.
const ARM_SIZES: [&str; 17] = [
    "B#pls_v2",
    "B#ps_v2",
    "B#pts_v2",
    "D#pds_v5",
    "D#pds_v6",
    "D#plds_v5",
    "D#plds_v6",
    "D#pls_v5",
    "D#pls_v6",
    "D#ps_v5",
    "D#ps_v6",
    "E#pds_v5",
    "E#pds_v6",
    "E#ps_v5",
    "E#ps_v6",
    "ND#isr_NDR_GB200_v6",
    "gpu_#x_gh#",
];
/// Families from before EKS.
const OLD: [&str; 12] = ["t1", "m1", "m2", "m3", "c1", "c3", "cc2", "cr1", "g2", "hs1", "i2", "r3"];
/// N1 with GPUs: which, how many, and the largest machine beside them.
const ATTACHED: [(&str, f64, f64, f64); 13] = [
    ("T4", 1.0, 48.0, 312.0),
    ("T4", 2.0, 48.0, 312.0),
    ("T4", 4.0, 96.0, 624.0),
    ("P4", 1.0, 24.0, 156.0),
    ("P4", 2.0, 48.0, 312.0),
    ("P4", 4.0, 96.0, 624.0),
    ("P100", 1.0, 16.0, 104.0),
    ("P100", 2.0, 32.0, 208.0),
    ("P100", 4.0, 64.0, 208.0),
    ("V100", 1.0, 12.0, 78.0),
    ("V100", 2.0, 24.0, 156.0),
    ("V100", 4.0, 48.0, 312.0),
    ("V100", 8.0, 96.0, 624.0),
];

/// `D#ps_v5` of `Standard_D2-1ps_v5`.
fn shape(name: &str) -> String {
    let size = name.strip_prefix("Standard_").unwrap_or(name);
    let mut shape = String::new();
    let mut digits = false;
    for (at, letter) in size.chars().enumerate() {
        let in_size = letter.is_ascii_digit() || digits && letter == '-';
        // Only the first number is the size; Lambda's names have two.
        let first = !shape.contains('#') || digits || name.starts_with("gpu_");
        match in_size && first && at > 0 {
            true if digits => {}
            true => shape.push('#'),
            false => shape.push(letter),
        }
        digits = in_size && first && at > 0;
    }
    shape
}

fn arm(vendor: Vendor, name: &str) -> bool {
    match vendor {
        Vendor::Cloud(Cloud::Aws) => ARM.contains(&name.split('.').next().unwrap()),
        Vendor::Cloud(Cloud::Gcp) => ARM.contains(&name.split('-').next().unwrap()),
        _ => ARM_SIZES.iter().any(|known| shape(name).starts_with(known)),
    }
}

fn no_node(vendor: Vendor, name: &str, it: &TypePrices) -> bool {
    match vendor {
        Vendor::Cloud(Cloud::Aws) => OLD.contains(&name.split('.').next().unwrap()) || name.contains(".metal"),
        Vendor::Cloud(Cloud::Gcp) => {
            let small = ["f1-micro", "g1-small", "e2-micro", "n1-highcpu-2"];
            small.contains(&name) || name.ends_with("-metal") || name.contains("-metal-") || name.ends_with("-tpu")
        }
        Vendor::Cloud(Cloud::Azure) => it.vcpus < 2.0 || it.memory_gib < 4.0 || name.ends_with("_Promo"),
        Vendor::Lambda => false,
    }
}

/// All ways to buy a machine in a vendor's regions: with what is attached to it.
type Way<'t> = (&'t str, &'t str, f64, f64, Option<(&'t str, f64)>, u64, u64);

fn ways<'t>(rows: &'t PriceTable, vendor: Vendor) -> Vec<Way<'t>> {
    let gpu = |place: &str, name: String| {
        let mut found = rows.components.iter().filter(|it| it.cloud == "gcp" && it.region == place && it.name == name);
        found.next().map(|it| (it.usd * 1e5).round() as u64)
    };
    let mut prices: BTreeMap<(&str, &str), (u64, u64)> = BTreeMap::new();
    for place in catalogue().regions(Cloud::Gcp) {
        for name in ["T4", "P4", "P100", "V100"] {
            let (plain, spot) = (format!("gpu-{}", name.to_lowercase()), format!("gpu-{}-spot", name.to_lowercase()));
            if let Some(usd) = gpu(place, plain) {
                prices.insert((place, name), (usd, gpu(place, spot).unwrap_or(0)));
            }
        }
    }
    let table = rows.vendors.iter().find(|it| it.vendor == vendor.as_str()).unwrap();
    let mut all = Vec::new();
    for (name, it) in table.types.iter().filter(|(name, it)| !no_node(vendor, name, it)) {
        let own = (!it.accelerator.is_empty()).then_some((it.accelerator.as_str(), it.accelerators));
        let n1 = vendor == Vendor::Cloud(Cloud::Gcp) && name.starts_with("n1-") && it.vcpus > 1.0;
        let plain = ["standard", "highmem", "highcpu"].iter().any(|shape| name.contains(shape));
        for (place, row) in &it.prices {
            all.push((name.as_str(), place.as_str(), it.vcpus, it.memory_gib, own, row.on_demand, row.spot));
            let fitting = ATTACHED.iter().filter(|it_may| it.vcpus <= it_may.2 && it.memory_gib <= it_may.3);
            for (gpu, count, ..) in fitting.filter(|_| n1 && plain) {
                let Some((usd, spot)) = prices.get(&(place.as_str(), *gpu)) else { continue };
                let on_demand = row.on_demand + usd * *count as u64;
                let spot = if row.spot > 0 && *spot > 0 { row.spot + spot * *count as u64 } else { 0 };
                all.push((name, place, it.vcpus, it.memory_gib, Some((*gpu, *count)), on_demand, spot));
            }
        }
    }
    all
}

/// SplitMix64, from a seed that a failure shows.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

/// Needs of every kind: sizes, each accelerator of the table in usual numbers, and both together.
fn needs(seed: u64) -> Vec<String> {
    let mut dice = Dice(seed);
    let mut all: Vec<String> =
        ["8vcpu,32gib x3", "2vcpu", "16gib", "100vcpu,700gib", "0.1vcpu", "48vcpu,200gib"].map(str::to_owned).to_vec();
    for gpu in catalogue().accelerators() {
        let count = 1 << dice.below(4);
        all.push(format!("{gpu}:1"));
        all.push(format!("{gpu}:{count},{}vcpu x{}", 1 + dice.below(40), 1 + dice.below(5)));
    }
    for _ in 0..12 {
        let (cpus, gib) = (1 << dice.below(8), 1 << dice.below(10));
        all.push(format!("{}vcpu,{}gib", 1 + dice.below(cpus), 1 + dice.below(gib)));
    }
    all
}

#[test]
fn nothing_cheaper_is_missed_and_nothing_that_does_not_fit_is_offered() {
    let seed = 20_260_730;
    let rows = catalogue().unpack();
    let sold: Vec<(Vendor, Vec<Way<'_>>)> = Vendor::ALL.into_iter().map(|it| (it, ways(&rows, it))).collect();
    let mut offers = 0;
    for (nth, text) in needs(seed).iter().enumerate() {
        let (spot, with_arm, raw) = (nth % 2 == 1, nth % 3 == 2, nth % 5 == 4);
        let need = Need::parse(text, catalogue()).unwrap();
        let (vendors, regions) = (Vendor::ALL.to_vec(), Vec::new());
        let wish = Wish { need, spot, vendors, regions, arm: with_arm, raw };
        let found = compare(catalogue(), &wish);
        assert!(found.is_sorted_by(|a, b| a.usd_per_hour <= b.usd_per_hour), "{text}");
        let mut best: BTreeMap<(Vendor, &str), (u64, BTreeSet<&str>)> = BTreeMap::new();
        for (vendor, (name, place, vcpus, gib, own, on_demand, on_spot)) in
            sold.iter().flat_map(|(vendor, ways)| ways.iter().map(move |way| (*vendor, *way)))
        {
            let chip = match (&wish.need.gpu, own) {
                (None, None) => true,
                (Some((wanted, least)), Some((kind, has))) => wanted == kind && has >= f64::from(*least),
                _ => false,
            };
            let no_market = spot && (on_spot == 0 || vendor == Cloud::Azure.into() && name.starts_with("Standard_B"));
            if !chip || no_market {
                continue;
            }
            let (cpus, memory) = if raw { (vcpus, gib) } else { allocatable(vendor, vcpus, gib) };
            let enough = cpus >= wish.need.vcpus && memory >= wish.need.memory_gib && memory > 0.0;
            if !enough || !with_arm && arm(vendor, name) {
                continue;
            }
            let usd = if spot { on_spot } else { on_demand };
            let least = best.entry((vendor, place)).or_insert((u64::MAX, BTreeSet::new()));
            if usd < least.0 {
                *least = (usd, BTreeSet::new());
            }
            if usd == least.0 {
                least.1.insert(name);
            }
        }
        let said = format!("{text} spot={spot} arm={with_arm} raw={raw} (seed {seed})");
        for offer in &found {
            let (usd, names) = best
                .get(&(offer.vendor, offer.region))
                .unwrap_or_else(|| panic!("{said}: nothing fits there, yet {offer:?}"));
            assert_eq!((offer.machine_usd * 1e5).round() as u64, *usd, "{said}: {offer:?} but {names:?}");
            assert!(names.contains(offer.machine.name), "{said}: {offer:?} is not among {names:?}");
            assert!(offer.machine_usd <= offer.on_demand_usd, "{said}: {offer:?}");
            let plane = offer.control_plane_usd.unwrap_or(0.0);
            let sum = offer.machine_usd * f64::from(wish.need.nodes) + plane;
            assert!((offer.usd_per_hour - sum).abs() < 1e-5, "{said}: {offer:?}");
        }
        assert_eq!(found.len(), best.len(), "{said}");
        offers += found.len();
    }
    assert!(offers > 2_000, "{offers} (seed {seed})");
}
