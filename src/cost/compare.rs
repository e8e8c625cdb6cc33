//! Where a need is met for the least money: the cheapest machine that fits in every region of every vendor, with the
//! control plane that goes with it. Pure: one pass over the price table.

use super::{
    Catalogue, MachineType, Need, Vendor,
    attach::{self, Sold},
    fit::allocatable,
};
use crate::model::{Cloud, Region};

/// What is compared.
#[derive(Debug, Clone)]
pub struct Wish {
    /// What each node must offer.
    pub need: Need,
    /// Spot machines instead of on-demand ones.
    pub spot: bool,
    /// Whose.
    pub vendors: Vec<Vendor>,
    /// Regions by name, `*` standing for anything; none means all.
    pub regions: Vec<String>,
    /// ARM machines as well.
    pub arm: bool,
    /// By what machines have, not by what pods get of it.
    pub raw: bool,
}

/// The cheapest way in one region.
#[derive(Debug, Clone, PartialEq)]
pub struct Offer<'a> {
    /// Whose.
    pub vendor: Vendor,
    /// Where.
    pub region: &'a str,
    /// The machine.
    pub machine: MachineType<'a>,
    /// What pods get of it: CPUs and GiB.
    pub allocatable: (f64, f64),
    /// USD an hour for one.
    pub machine_usd: f64,
    /// The same on demand, to see what spot saves.
    pub on_demand_usd: f64,
    /// USD an hour for the control plane; none where the vendor has none.
    pub control_plane_usd: Option<f64>,
    /// USD an hour in all.
    pub usd_per_hour: f64,
    /// Estimated from the nearest family's regional ratio, or with a stand-in's price.
    pub estimated: bool,
    /// Date of the machine's price.
    pub as_of: &'a str,
    /// What the user's discounts and prices made of it.
    pub adjusted: Option<String>,
}

/// The cheapest of every region that has any, cheapest first.
pub fn compare<'a>(table: &'a Catalogue, wish: &Wish) -> Vec<Offer<'a>> {
    let mut all: Vec<Offer<'a>> = wish.vendors.iter().flat_map(|vendor| of_vendor(table, wish, *vendor)).collect();
    let key = |offer: &Offer<'a>| (offer.vendor, offer.region);
    all.sort_by(|a, b| a.usd_per_hour.total_cmp(&b.usd_per_hour).then_with(|| key(a).cmp(&key(b))));
    all
}

fn of_vendor<'a>(table: &'a Catalogue, wish: &Wish, vendor: Vendor) -> Vec<Offer<'a>> {
    let regions = table.regions(vendor);
    let wanted: Vec<bool> = regions.iter().map(|name| is_wanted(&wish.regions, name)).collect();
    let mut best: Vec<Option<(f64, super::InstancePrice<'a>)>> = vec![None; regions.len()];
    let gpus = attachable(table, wish, vendor);
    for (machine, prices) in table.prices_of(vendor) {
        let beside = if gpus.is_empty() { None } else { attached(wish, &machine) };
        let whole = match beside {
            Some((gpu, count)) => MachineType { accelerator: Some((gpu, f64::from(count))), ..machine },
            None => machine,
        };
        if !fits(wish, vendor, &whole) {
            continue;
        }
        for price in prices {
            let Ok(at) = regions.binary_search_by(|name| name.as_str().cmp(price.region)) else { continue };
            let price = match beside {
                None => price,
                Some((_, count)) => match &gpus[at] {
                    Some(gpu) => gpu.beside(price, count),
                    None => continue,
                },
            };
            let is_sold = !wish.spot || has_spot(vendor, whole.name);
            let Some(usd) = price.usd(wish.spot).filter(|_| wanted[at] && is_sold) else { continue };
            // Of two at one price the larger is the better deal, then the name decides.
            let better = best[at].as_ref().is_none_or(|(least, old)| {
                let size = |it: &MachineType<'_>| (it.vcpus, it.memory_gib);
                let (old, new) = (&old.machine, &price.machine);
                usd < *least
                    || usd == *least && (size(new) > size(old) || size(new) == size(old) && new.name < old.name)
            });
            if better {
                best[at] = Some((usd, price));
            }
        }
    }
    best.into_iter().flatten().map(|(usd, price)| offer(table, wish, vendor, usd, price)).collect()
}

/// What one of the accelerators costs in each region, where it is one that is attached to machines; otherwise empty.
fn attachable<'a>(table: &'a Catalogue, wish: &Wish, vendor: Vendor) -> Vec<Option<Sold<'a>>> {
    let Some((gpu, _)) = wish.need.gpu.as_ref().filter(|_| vendor == Vendor::Cloud(Cloud::Gcp)) else {
        return Vec::new();
    };
    table.regions(vendor).iter().map(|region| Sold::here(table, region, gpu)).collect()
}

/// What is attached to a machine to give it the accelerators that are needed: no more of them than it must have.
fn attached<'w>(wish: &'w Wish, machine: &MachineType<'_>) -> Option<(&'w str, u32)> {
    let (gpu, least) = wish.need.gpu.as_ref()?;
    Some((gpu, attach::fewest(gpu, *least, machine)?))
}

fn offer<'a>(
    table: &'a Catalogue,
    wish: &Wish,
    vendor: Vendor,
    usd: f64,
    price: super::InstancePrice<'a>,
) -> Offer<'a> {
    let plane = control_plane(table, vendor, price.region);
    let estimated = price.estimated;
    Offer {
        as_of: price.as_of_on(wish.spot),
        adjusted: price.adjusted_on(wish.spot).cloned(),
        vendor,
        region: price.region,
        allocatable: allocatable(vendor, price.machine.vcpus, price.machine.memory_gib),
        machine: price.machine,
        machine_usd: usd,
        on_demand_usd: price.on_demand,
        control_plane_usd: plane,
        // Prices have five decimals: what binary fractions add is rounded away.
        usd_per_hour: ((usd * f64::from(wish.need.nodes) + plane.unwrap_or(0.0)) * 1e5).round() / 1e5,
        estimated,
    }
}

/// What the control plane that `provision` makes by default costs an hour, before any credit.
fn control_plane(table: &Catalogue, vendor: Vendor, region: &str) -> Option<f64> {
    let (cloud, name) = match vendor {
        Vendor::Cloud(cloud @ Cloud::Aws) => (cloud, "eks-cluster"),
        Vendor::Cloud(cloud @ Cloud::Gcp) => (cloud, "gke-cluster"),
        Vendor::Cloud(cloud @ Cloud::Azure) => (cloud, "aks-free"),
        Vendor::Lambda => return None,
    };
    table.component(cloud, &Region(region.to_owned()), name).map(|price| price.usd)
}

/// Whether a machine can be a node, and offers what is needed.
fn fits(wish: &Wish, vendor: Vendor, machine: &MachineType<'_>) -> bool {
    let need = &wish.need;
    let right_chip = match (&need.gpu, machine.accelerator) {
        (None, None) => true,
        (Some((name, count)), Some((kind, has))) => *name == kind && has >= f64::from(*count),
        _ => false,
    };
    // The larger machines are most: what is cheap to see is looked at first.
    let enough = machine.vcpus >= need.vcpus && machine.memory_gib >= need.memory_gib;
    if !right_chip || !enough || !can_be_a_node(vendor, machine) || !wish.arm && is_arm(vendor, machine.name) {
        return false;
    }
    let (cpu, gib) = match wish.raw {
        true => (machine.vcpus, machine.memory_gib),
        false => allocatable(vendor, machine.vcpus, machine.memory_gib),
    };
    cpu >= need.vcpus && gib >= need.memory_gib && gib > 0.0
}

/// Machines that the managed services refuse, and bare metal, which nobody means who asks for a size.
fn can_be_a_node(vendor: Vendor, machine: &MachineType<'_>) -> bool {
    let name = machine.name;
    match vendor {
        Vendor::Cloud(Cloud::Aws) => {
            let family = name.split('.').next().unwrap_or_default();
            const BEFORE_EKS: [&str; 12] = ["t1", "m1", "m2", "m3", "c1", "c3", "cc2", "g2", "hs1", "i2", "r3", "cr1"];
            !BEFORE_EKS.contains(&family) && !family.starts_with("mac") && !name.contains("metal")
        }
        Vendor::Cloud(Cloud::Gcp) => {
            // The hosts of TPUs have them beside them, not for rent by themselves.
            let is_host = name.contains("metal") || name.ends_with("-tpu");
            machine.memory_gib >= 2.0 && !is_host && !["f1-micro", "g1-small"].contains(&name)
        }
        Vendor::Cloud(Cloud::Azure) => {
            let size = name.strip_prefix("Standard_").unwrap_or_default();
            // The first A series has no generation in its names.
            let first_a = size.starts_with('A') && !size.contains("_v");
            !size.is_empty()
                && !first_a
                && !size.ends_with("_Promo")
                && machine.vcpus >= 2.0
                && machine.memory_gib >= 4.0
        }
        Vendor::Lambda => true,
    }
}

/// Whether a machine of that name is sold on the spot market at all.
fn has_spot(vendor: Vendor, name: &str) -> bool {
    !(vendor == Vendor::Cloud(Cloud::Azure) && name.starts_with("Standard_B"))
}

/// By the vendors' own way of naming.
fn is_arm(vendor: Vendor, name: &str) -> bool {
    match vendor {
        Vendor::Cloud(Cloud::Aws) => {
            let family = name.split('.').next().unwrap_or_default();
            let after = family.trim_start_matches(|c: char| !c.is_ascii_digit());
            family == "a1" || after.trim_start_matches(|c: char| c.is_ascii_digit()).starts_with('g')
        }
        Vendor::Cloud(Cloud::Gcp) => ["t2a-", "c4a-", "n4a-", "a4x-"].iter().any(|family| name.starts_with(family)),
        Vendor::Cloud(Cloud::Azure) => {
            let size = name.trim_start_matches("Standard_").trim_start_matches(|c: char| c.is_ascii_uppercase());
            let features = size.trim_start_matches(|c: char| c.is_ascii_digit() || c == '-');
            // GB200 is a Grace processor with two GPUs.
            features.split('_').next().is_some_and(|features| features.contains('p')) || name.contains("_GB200_")
        }
        Vendor::Lambda => name.contains("gh200"),
    }
}

/// Whether a name is among the patterns; all are where there are none.
fn is_wanted(patterns: &[String], name: &str) -> bool {
    patterns.is_empty() || patterns.iter().any(|pattern| pattern == "all" || is_region(pattern, name))
}

/// Whether a region is meant by a pattern, in which `*` stands for anything.
pub fn is_region(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((head, tail)) => name
            .strip_prefix(head)
            .is_some_and(|rest| (0..=rest.len()).any(|at| rest.is_char_boundary(at) && is_region(tail, &rest[at..]))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::catalogue;

    fn wish(need: &str) -> Wish {
        Wish {
            need: Need::parse(need, catalogue()).unwrap(),
            spot: false,
            vendors: Vendor::ALL.to_vec(),
            regions: Vec::new(),
            arm: false,
            raw: false,
        }
    }

    #[test]
    fn an_attached_gpu_is_priced_with_its_machine_where_it_is_sold() {
        let offers = |need: &str, spot: bool| {
            let here = Wish { vendors: vec![Cloud::Gcp.into()], spot, ..wish(need) };
            compare(catalogue(), &here)
        };
        let find = |need: &str, spot: bool, region: &str| {
            let found = offers(need, spot).into_iter().find(|offer| offer.region == region)?;
            Some((found.machine.name.to_owned(), found.machine.accelerator.unwrap().1, found.machine_usd))
        };
        // 0.0950 for two CPUs and 7.5 GiB, and 0.35 for the T4 beside them.
        assert_eq!(find("T4:1,4gib", false, "us-central1"), Some(("n1-standard-2".to_owned(), 1.0, 0.445)));
        assert_eq!(find("P100:3,4gib", false, "us-east1").map(|it| it.1), Some(4.0), "there is no machine with three");
        // Sixteen CPUs are more than one V100 takes: two of them, though one was asked for.
        assert_eq!(find("V100:1,15vcpu", false, "us-west1"), Some(("n1-highcpu-16".to_owned(), 2.0, 5.52679)));
        assert_eq!(find("T4:1", false, "europe-north1"), None, "no other region's price stands in");
        assert_eq!(find("T4:5", false, "us-central1"), None);
        for offer in offers("T4:1", true) {
            assert!(offer.machine_usd < offer.on_demand_usd && attach::takes_gpus(offer.machine.name), "{offer:?}");
        }
        let sold = |gpu: &str| offers(gpu, false).len();
        assert_eq!((sold("T4"), sold("P4"), sold("P100"), sold("V100")), (23, 7, 7, 5));
    }

    #[test]
    fn the_price_grows_with_the_nodes_and_holds_the_control_plane() {
        let one = |need: &str| compare(catalogue(), &Wish { regions: vec!["us-east-1".to_owned()], ..wish(need) });
        let (few, many) = (one("4vcpu x2"), one("4vcpu x5"));
        assert_eq!(few.len(), 1);
        assert!(many[0].usd_per_hour > few[0].usd_per_hour);
        assert_eq!(few[0].control_plane_usd, Some(0.1));
        assert!((few[0].usd_per_hour - 0.1 - 2.0 * few[0].machine_usd).abs() < 1e-5);
    }

    #[test]
    fn patterns_choose_regions() {
        for (pattern, name, fits) in [
            ("us-*", "us-east-1", true),
            ("*-east*", "us-east-1", true),
            ("us-*-2", "us-east-1", false),
            ("us-east-1", "us-east-1", true),
            ("*", "eastus", true),
            ("us-east", "us-east-1", false),
        ] {
            assert_eq!(is_region(pattern, name), fits, "{pattern} {name}");
        }
    }

    #[test]
    fn arm_is_read_from_names() {
        let (aws, gcp, azure) = (Cloud::Aws.into(), Cloud::Gcp.into(), Cloud::Azure.into());
        for (vendor, name) in
            [(aws, "m7gd.large"), (gcp, "c4a-standard-4"), (azure, "Standard_D2ps_v5"), (azure, "Standard_E4-2pds_v6")]
        {
            assert!(is_arm(vendor, name), "{name}");
        }
        for (vendor, name) in [
            (aws, "g5.xlarge"),
            (aws, "m7i.large"),
            (gcp, "t2d-standard-4"),
            (azure, "Standard_NP10s"),
            (azure, "Standard_D2as_v5"),
        ] {
            assert!(!is_arm(vendor, name), "{name}");
        }
    }
}
