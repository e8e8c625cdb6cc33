//! Machine types: what they are, which fits a need, which accelerators they have or can be given, and on which disks
//! they start.
//!
//! Compute Engine knows GPUs of two kinds: those that come with a machine type (L4 with g2, A100 with a2, H100 with a3)
//! and those that are attached to an N1 machine (T4, P4, P100, V100). A GKE pool names the accelerator in either case.

pub use crate::cost::attach::{gpu_component, takes_gpus};
use crate::cost::{
    attach::{self, ATTACHED},
    catalogue,
};
use crate::model::spec::InstanceNeeds;
use crate::model::{Cloud, Region};
pub use crate::providers::words::{nearest_of, parse_gpu};
use std::collections::{BTreeMap, BTreeSet};

/// The default, and what stands in for it where the region does not have it.
pub const MACHINE_TYPES: [&str; 4] = ["e2-standard-2", "n2d-standard-2", "n2-standard-2", "n4-standard-2"];

/// One machine type.
#[derive(Debug, Clone, PartialEq)]
pub struct MachineType {
    /// `e2-standard-2`
    pub name: String,
    /// `amd64` or `arm64`.
    pub arch: String,
    /// Virtual CPUs, as quotas count them.
    pub vcpus: u32,
    /// Memory.
    pub memory_mib: u64,
    /// The accelerator that comes with it, and how many.
    pub gpu: Option<(String, u32)>,
}

/// A machine that a pool may have: its type, and the accelerator asked for with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// Machine type.
    pub name: String,
    /// Accelerator and how many, be they part of the type or attached.
    pub gpu: Option<(String, u32)>,
}

/// A GPU: its name in prices and specs, its accelerator type, and its limits of the account on demand and on spot.
struct Gpu {
    name: &'static str,
    accelerator: &'static str,
    quota: &'static str,
    preemptible: &'static str,
}

const fn gpu(name: &'static str, accelerator: &'static str, quota: &'static str, preemptible: &'static str) -> Gpu {
    Gpu { name, accelerator, quota, preemptible }
}

/// Compute Engine, "GPU machine types", and the quota metrics of its API; read 2026-11. An empty metric is one that only
/// the Cloud Quotas API knows.
const GPUS: [Gpu; 10] = [
    gpu("T4", "nvidia-tesla-t4", "NVIDIA_T4_GPUS", "PREEMPTIBLE_NVIDIA_T4_GPUS"),
    gpu("P4", "nvidia-tesla-p4", "NVIDIA_P4_GPUS", "PREEMPTIBLE_NVIDIA_P4_GPUS"),
    gpu("P100", "nvidia-tesla-p100", "NVIDIA_P100_GPUS", "PREEMPTIBLE_NVIDIA_P100_GPUS"),
    gpu("V100", "nvidia-tesla-v100", "NVIDIA_V100_GPUS", "PREEMPTIBLE_NVIDIA_V100_GPUS"),
    gpu("L4", "nvidia-l4", "NVIDIA_L4_GPUS", "PREEMPTIBLE_NVIDIA_L4_GPUS"),
    gpu("A100", "nvidia-tesla-a100", "NVIDIA_A100_GPUS", "PREEMPTIBLE_NVIDIA_A100_GPUS"),
    gpu("A100-80GB", "nvidia-a100-80gb", "NVIDIA_A100_80GB_GPUS", "PREEMPTIBLE_NVIDIA_A100_80GB_GPUS"),
    gpu("H100", "nvidia-h100-80gb", "", "PREEMPTIBLE_NVIDIA_H100_GPUS"),
    gpu("H100-MEGA", "nvidia-h100-mega-80gb", "", ""),
    gpu("RTX-PRO-6000", "nvidia-rtx-pro-6000", "", ""),
];

fn known(name: &str) -> Option<&'static Gpu> {
    GPUS.iter().find(|gpu| gpu.name.eq_ignore_ascii_case(name))
}

/// Compute Engine's word for a GPU of a spec: `nvidia-tesla-t4` for `T4`.
pub fn accelerator_type(gpu: &str) -> Option<&'static str> {
    known(gpu).map(|gpu| gpu.accelerator)
}

/// A spec's word for Compute Engine's: `T4` for `nvidia-tesla-t4`. Slices and variants of workstations are none.
pub fn gpu_name(accelerator_type: &str) -> Option<&'static str> {
    GPUS.iter().find(|gpu| gpu.accelerator == accelerator_type).map(|gpu| gpu.name)
}

/// The limit that a GPU counts against; none where Compute Engine's own listing does not have it.
pub fn gpu_quota(gpu: &str, spot: bool) -> Option<&'static str> {
    let gpu = known(gpu)?;
    Some(if spot { gpu.preemptible } else { gpu.quota }).filter(|metric| !metric.is_empty())
}

/// What the price table knows of a type, for where Compute Engine cannot be asked.
pub fn from_catalogue(name: &str) -> Option<MachineType> {
    let found = catalogue().machine_type(Cloud::Gcp, name)?;
    let gpu = found.accelerator.filter(|(_, count)| *count >= 1.0).map(|(kind, count)| (kind.to_owned(), count as u32));
    Some(MachineType {
        name: name.to_owned(),
        arch: arch(name).to_owned(),
        vcpus: found.vcpus as u32,
        memory_mib: (found.memory_gib * 1024.0) as u64,
        gpu,
    })
}

/// `e2` of `e2-standard-2`.
pub fn family(name: &str) -> &str {
    name.split('-').next().unwrap_or_default()
}

/// The architecture, by the family: Tau T2A, C4A and N4A are Arm, all others x86.
pub fn arch(name: &str) -> &'static str {
    if ["t2a", "c4a", "n4a"].contains(&family(name)) { "arm64" } else { "amd64" }
}

/// The boot disk of a family: the fourth generation starts on Hyperdisk only (Compute Engine, "Choose a disk type",
/// read 2026-11).
pub fn disk_type(name: &str) -> &'static str {
    const HYPERDISK_ONLY: [&str; 12] = ["n4", "n4a", "n4d", "c4", "c4a", "c4d", "c4n", "m4", "x4", "a4", "a4x", "g4"];
    if HYPERDISK_ONLY.contains(&family(name)) { "hyperdisk-balanced" } else { "pd-balanced" }
}

/// Why no node of ours runs on a type; nothing where it may.
pub fn unfit(name: &str) -> Option<&'static str> {
    match family(name) {
        "f1" | "g1" => Some("it has less memory than a node's own pods need"),
        _ if name == "e2-micro" => Some("it has less memory than a node's own pods need"),
        family if family.starts_with("ct") || family.starts_with("tpu") || name.ends_with("-tpu") => {
            Some("it has TPUs; pools are made with NVIDIA GPUs or without accelerators")
        }
        _ if name.ends_with("-metal") => Some("GKE pools are made on virtual machines"),
        _ => match from_catalogue_accelerator(name) {
            Some(share) if share < 1.0 => Some("it has a share of a GPU only"),
            _ => None,
        },
    }
}

fn from_catalogue_accelerator(name: &str) -> Option<f64> {
    catalogue().machine_type(Cloud::Gcp, name)?.accelerator.map(|(_, count)| count)
}

/// The cheapest machines of a region that have what is needed, cheapest first: whole processors, x86, on disks whose
/// price is known.
pub fn fitting(region: &Region, needs: &InstanceNeeds) -> Vec<Choice> {
    let (cpu, memory) = (needs.cpu.unwrap_or(0.0), needs.memory_gib.unwrap_or(0.0));
    let wish = needs.gpu.as_deref().and_then(parse_gpu);
    let mut fit: Vec<(f64, Choice)> = Vec::new();
    for it in catalogue().instances_in(Cloud::Gcp, region) {
        let machine = &it.machine;
        if machine.vcpus < cpu || machine.memory_gib < memory {
            continue;
        }
        let choice = |gpu| Choice { name: machine.name.to_owned(), gpu };
        match (wish, machine.accelerator) {
            (None, None) if is_general(machine.name) => fit.push((it.on_demand, choice(None))),
            (Some((name, count)), Some((kind, has))) if kind.eq_ignore_ascii_case(name) && has == f64::from(count) => {
                fit.push((it.on_demand, choice(Some((kind.to_owned(), count)))));
            }
            (Some((name, count)), None) if attach::has_room(name, count, machine) => {
                let sold = attach::known(name).zip(attach::price(catalogue(), region, name, false));
                let Some(((gpu, _), price)) = sold else { continue };
                fit.push((it.on_demand + price.usd * f64::from(count), choice(Some(((*gpu).to_owned(), count)))));
            }
            _ => {}
        }
    }
    fit.sort_by(|one, two| one.0.total_cmp(&two.0).then_with(|| one.1.name.cmp(&two.1.name)));
    fit.into_iter().map(|(_, choice)| choice).take(24).collect()
}

/// The GPUs of a region, by name, each with the numbers of them that machines have or take.
pub fn gpus(region: &Region) -> BTreeMap<String, BTreeSet<u32>> {
    let mut found: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
    for it in catalogue().instances_in(Cloud::Gcp, region) {
        if let Some((name, count)) =
            it.machine.accelerator.filter(|(name, count)| known(name).is_some() && *count >= 1.0)
        {
            found.entry(name.to_owned()).or_default().insert(count as u32);
        }
    }
    for (name, sizes) in ATTACHED {
        if attach::price(catalogue(), region, name, false).is_some() {
            found.entry(name.to_owned()).or_default().extend(sizes.iter().map(|(count, ..)| *count));
        }
    }
    found
}

/// Families for any work, from two whole processors and 2 GiB on, that start on balanced persistent disks.
fn is_general(name: &str) -> bool {
    const FAMILIES: [&str; 8] = ["e2", "n2", "n2d", "c2", "c2d", "c3", "c3d", "t2d"];
    let shared = ["e2-micro", "e2-small", "e2-medium"].contains(&name);
    FAMILIES.contains(&family(name)) && !shared && !name.ends_with("-lssd") && unfit(name).is_none()
}

/// The known name that is nearest to this one.
pub fn nearest(region: &Region, name: &str) -> Option<String> {
    let known: Vec<String> =
        catalogue().instances_in(Cloud::Gcp, region).map(|it| it.machine.name.to_owned()).collect();
    nearest_of(name, known.iter().map(String::as_str)).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(name: &str) -> Region {
        Region(name.to_owned())
    }

    fn wish(place: &str, gpu: &str) -> Vec<Choice> {
        fitting(&region(place), &InstanceNeeds { gpu: Some(gpu.to_owned()), ..InstanceNeeds::default() })
    }

    #[test]
    fn needs_find_the_cheapest_that_fits() {
        let needs = InstanceNeeds { cpu: Some(8.0), memory_gib: Some(32.0), gpu: None };
        let found = fitting(&region("us-central1"), &needs);
        assert_eq!(found[0], Choice { name: "e2-standard-8".to_owned(), gpu: None });
        assert!(found.iter().all(|it| arch(&it.name) == "amd64" && disk_type(&it.name) == "pd-balanced"));
        let none = InstanceNeeds { cpu: Some(9_999.0), ..InstanceNeeds::default() };
        assert!(fitting(&region("us-central1"), &none).is_empty());
    }

    #[test]
    fn gpus_come_with_their_machine_or_are_attached_to_one() {
        let first = |gpu: &str| wish("us-central1", gpu).into_iter().next().map(|it| it.name);
        assert_eq!(first("L4:1").as_deref(), Some("g2-standard-4"));
        assert_eq!(first("A100:1").as_deref(), Some("a2-highgpu-1g"));
        assert_eq!(first("H100:8").as_deref(), Some("a3-highgpu-8g"));
        assert!(first("T4:1").is_some_and(|name| name.starts_with("n1-")));
        assert_eq!(wish("us-central1", "t4:1")[0].gpu, Some(("T4".to_owned(), 1)));
        assert!(wish("us-central1", "T4:3").is_empty() && wish("us-central1", "A10G:1").is_empty());
        assert!(wish("europe-north1", "T4:1").is_empty(), "that region has none");
        let large = InstanceNeeds { cpu: Some(16.0), memory_gib: None, gpu: Some("V100:1".to_owned()) };
        assert!(fitting(&region("us-central1"), &large).is_empty(), "one V100 takes 12 CPUs at most");
    }

    #[test]
    fn what_a_region_has_is_told_by_name_and_number() {
        let here = gpus(&region("us-central1"));
        assert!(here["T4"].contains(&4) && here["L4"].contains(&8) && !here.contains_key("tpu-v5p-slice"));
        assert!(!gpus(&region("europe-north1")).contains_key("T4"));
    }

    #[test]
    fn every_gpu_of_the_price_table_has_its_accelerator_type() {
        for machine in catalogue().machine_types(Cloud::Gcp) {
            let Some((name, _)) = machine.accelerator.filter(|(name, _)| !name.starts_with("tpu")) else { continue };
            assert!(accelerator_type(name).is_some_and(|it| gpu_name(it) == Some(known(name).unwrap().name)), "{name}");
        }
        assert_eq!(gpu_quota("t4", true), Some("PREEMPTIBLE_NVIDIA_T4_GPUS"));
        assert_eq!(gpu_quota("H100", false), None);
    }

    #[test]
    fn families_tell_processor_and_disk() {
        for (name, processor, disk) in [
            ("e2-standard-2", "amd64", "pd-balanced"),
            ("t2a-standard-4", "arm64", "pd-balanced"),
            ("c4a-standard-8", "arm64", "hyperdisk-balanced"),
            ("n4-standard-2", "amd64", "hyperdisk-balanced"),
            ("g2-standard-4", "amd64", "pd-balanced"),
        ] {
            assert_eq!((arch(name), disk_type(name)), (processor, disk), "{name}");
        }
        for name in ["f1-micro", "e2-micro", "ct5lp-hightpu-1t", "c3-standard-192-metal", "g4-standard-6"] {
            assert!(unfit(name).is_some(), "{name}");
        }
        assert_eq!(unfit("e2-standard-2"), None);
    }

    #[test]
    fn typos_are_met_with_what_was_meant() {
        assert_eq!(nearest(&region("us-central1"), "e2-standart-2").as_deref(), Some("e2-standard-2"));
        assert_eq!(nearest(&region("us-central1"), "m6a.large"), None);
    }
}
