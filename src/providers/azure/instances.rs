//! VM sizes as this build knows them: what they have, which fit a need, and what a name tells.
//!
//! For where nobody is signed in, and to choose before the region is asked. What a subscription may use there is in
//! [`super::skus`].

use crate::cost::catalogue;
use crate::model::spec::InstanceNeeds;
use crate::model::{Cloud, Region};
use crate::providers::words::{nearest_of, parse_gpu};
use std::collections::{BTreeMap, BTreeSet};

/// The default, and what stands in for it where the region or the subscription does not have it.
pub const USUAL_SIZES: [&str; 5] =
    ["Standard_D2as_v5", "Standard_D2s_v5", "Standard_D2as_v4", "Standard_D2s_v4", "Standard_D2s_v3"];
/// AKS takes no node below this, and no pool of its own pods below [`SYSTEM_GIB`] (AKS documentation, "Use system node
/// pools", read 2026-11).
pub const LEAST_CPUS: u32 = 2;
/// Memory that a pool for AKS's own pods needs.
pub const SYSTEM_GIB: u64 = 4;
/// Every name of a size begins so.
pub const PREFIX: &str = "Standard_";

/// One VM size.
#[derive(Debug, Clone, PartialEq)]
pub struct Size {
    /// `Standard_D2as_v5`
    pub name: String,
    /// `amd64` or `arm64`.
    pub arch: String,
    /// Virtual CPUs, as quotas count them; 0 where they are not known.
    pub vcpus: u32,
    /// Memory.
    pub memory_mib: u64,
    /// Accelerator and how many.
    pub gpu: Option<(String, u32)>,
    /// Whether there are spot machines of it.
    pub spot: bool,
}

impl Size {
    /// A size of which nothing but its name is known.
    pub fn unknown(name: &str) -> Self {
        Self { name: name.to_owned(), arch: arch(name).to_owned(), vcpus: 0, memory_mib: 0, gpu: None, spot: true }
    }

    /// Why AKS's own pods cannot run on it; nothing where they can, or where too little is known.
    pub fn unfit_for_system(&self) -> Option<String> {
        if self.vcpus > 0 && self.vcpus < LEAST_CPUS {
            return Some(format!("it has {} virtual CPU, AKS needs {LEAST_CPUS}", self.vcpus));
        }
        let gib = self.memory_mib / 1024;
        (self.memory_mib > 0 && gib < SYSTEM_GIB).then(|| format!("it has {gib} GiB, AKS's own pods need {SYSTEM_GIB}"))
    }
}

/// What the price table knows of a size.
pub fn from_catalogue(name: &str) -> Option<Size> {
    let known = catalogue().machine_type(Cloud::Azure, name)?;
    // Slices of a GPU are none that pods could ask for by number.
    let whole = known.accelerator.filter(|(_, count)| *count >= 1.0);
    Some(Size {
        name: name.to_owned(),
        arch: arch(name).to_owned(),
        vcpus: known.vcpus as u32,
        memory_mib: (known.memory_gib * 1024.0) as u64,
        gpu: whole.map(|(kind, count)| (kind.to_owned(), count as u32)),
        spot: true,
    })
}

/// A name in its parts: `Standard_E8-4pds_v5` is family `E`, 8, constrained, features `pds`, version 5.
struct Parts<'a> {
    family: &'a str,
    constrained: bool,
    features: &'a str,
    version: u32,
}

impl<'a> Parts<'a> {
    fn of(name: &'a str) -> Option<Self> {
        let mut parts = name.strip_prefix(PREFIX)?.split('_');
        let first = parts.next()?;
        let version = parts.next_back().and_then(|last| last.strip_prefix('v')?.parse().ok()).unwrap_or(1);
        let digits = first.find(|c: char| c.is_ascii_digit())?;
        let (family, rest) = first.split_at(digits);
        let features = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '-');
        Some(Self { family, constrained: rest.contains('-'), features, version })
    }
}

/// The architecture in a size's name: a `p` among its features is an Arm processor (Azure documentation, "Azure virtual
/// machine sizes naming conventions").
pub fn arch(name: &str) -> &'static str {
    if Parts::of(name).is_some_and(|parts| parts.features.contains('p')) { "arm64" } else { "amd64" }
}

/// The cheapest sizes of a region that have what is needed, cheapest first.
pub fn fitting(region: &Region, needs: &InstanceNeeds) -> Vec<String> {
    let (cpu, memory) = (needs.cpu.unwrap_or(0.0), needs.memory_gib.unwrap_or(0.0));
    let gpu = needs.gpu.as_deref().and_then(parse_gpu);
    let mut fit: Vec<(f64, String)> = catalogue()
        .instances_in(Cloud::Azure, region)
        .filter(|it| it.machine.vcpus >= cpu && it.machine.memory_gib >= memory)
        .filter(|it| match (gpu, it.machine.accelerator) {
            (None, None) => is_general(it.machine.name, it.machine.vcpus, it.machine.memory_gib),
            (Some((name, count)), Some((kind, has))) => is_gpu(name, kind) && has == f64::from(count),
            _ => false,
        })
        .map(|it| (it.on_demand, it.machine.name.to_owned()))
        .collect();
    fit.sort_by(|one, two| one.0.total_cmp(&two.0).then_with(|| one.1.cmp(&two.1)));
    fit.into_iter().map(|(_, name)| name).take(24).collect()
}

/// D, E and F from the fourth generation on, x86, with premium storage, with all their CPUs. Burstable ones run out of
/// credit under a node's own pods, confidential ones cost more for what nobody asked for.
fn is_general(name: &str, vcpus: f64, memory_gib: f64) -> bool {
    let Some(parts) = Parts::of(name) else { return false };
    ["D", "E", "F"].contains(&parts.family)
        && parts.version >= 4
        && parts.features.contains('s')
        && !parts.features.contains('p')
        && !parts.constrained
        && vcpus >= f64::from(LEAST_CPUS)
        && memory_gib >= SYSTEM_GIB as f64
}

/// Whether a machine's GPU is the one wished for: one that comes with several sizes of memory is meant by its plain name
/// as well.
fn is_gpu(wish: &str, kind: &str) -> bool {
    let plain = kind.split_once('-').map_or(kind, |(plain, _)| plain);
    kind.eq_ignore_ascii_case(wish) || plain.eq_ignore_ascii_case(wish)
}

/// Whether pods get this accelerator through NVIDIA's driver, which AKS installs.
pub fn is_nvidia(accelerator: &str) -> bool {
    !["MI", "Radeon", "Alveo", "Xilinx", "Gaudi", "Maia"].iter().any(|other| accelerator.starts_with(other))
}

/// NVIDIA's GPUs of a region, by name, each with the numbers of them that machines have.
pub fn gpus(region: &Region) -> BTreeMap<String, BTreeSet<u32>> {
    let mut found: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
    for it in catalogue().instances_in(Cloud::Azure, region) {
        if let Some((name, count)) = it.machine.accelerator.filter(|(name, count)| is_nvidia(name) && *count >= 1.0) {
            found.entry(name.to_owned()).or_default().insert(count as u32);
        }
    }
    found
}

/// The known name that is nearest to this one; the prefix that people leave out is no mistake of the kind that is
/// counted, nor is the case.
pub fn nearest(region: &Region, name: &str) -> Option<String> {
    let bare = |name: &str| {
        let lower = name.to_ascii_lowercase();
        lower.strip_prefix("standard_").map(str::to_owned).unwrap_or(lower)
    };
    let wanted = bare(name);
    let known: Vec<(String, &str)> =
        catalogue().instances_in(Cloud::Azure, region).map(|it| (bare(it.machine.name), it.machine.name)).collect();
    if let Some((_, exact)) = known.iter().find(|(bare, full)| *bare == wanted && *full != name) {
        return Some((*exact).to_owned());
    }
    let meant = nearest_of(&wanted, known.iter().map(|(bare, _)| bare.as_str()))?;
    known.iter().find(|(bare, _)| bare == meant).map(|(_, full)| (*full).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn eastus() -> Region {
        Region("eastus".to_owned())
    }

    #[test]
    fn names_tell_processor_and_generation() {
        for arm in ["Standard_D2ps_v5", "Standard_D2plds_v6", "Standard_E4-2pds_v6"] {
            assert_eq!(arch(arm), "arm64", "{arm}");
        }
        for x86 in ["Standard_D2as_v5", "Standard_NP10s", "Standard_PB6s", "Standard_NC24ads_A100_v4", "m6g.large", ""]
        {
            assert_eq!(arch(x86), "amd64", "{x86}");
        }
    }

    #[test]
    fn needs_find_the_cheapest_that_fits() {
        let needs = InstanceNeeds { cpu: Some(4.0), memory_gib: Some(16.0), gpu: None };
        let found = fitting(&eastus(), &needs);
        let first = from_catalogue(&found[0]).unwrap();
        assert!(first.vcpus >= 4 && first.memory_mib >= 16 * 1024 && first.gpu.is_none(), "{first:?}");
        for name in &found {
            assert!(arch(name) == "amd64" && !name.contains("_B") && !name.contains("_DC"), "{name}");
        }
        assert!(fitting(&eastus(), &InstanceNeeds { cpu: Some(9_999.0), ..InstanceNeeds::default() }).is_empty());
    }

    #[test]
    fn gpus_are_found_by_name_and_number() {
        let wish = |gpu: &str| {
            let found = fitting(&eastus(), &InstanceNeeds { gpu: Some(gpu.to_owned()), ..InstanceNeeds::default() });
            found.into_iter().next()
        };
        assert_eq!(wish("T4:1").as_deref(), Some("Standard_NC4as_T4_v3"));
        assert_eq!(wish("t4:4").as_deref(), Some("Standard_NC64as_T4_v3"));
        assert_eq!(wish("V100:1").as_deref(), Some("Standard_NC6s_v3"));
        assert_eq!(wish("H100:1").as_deref(), Some("Standard_NC40ads_H100_v5"));
        // The only single A100 here has 80 GB, and says so in its name.
        assert_eq!(wish("A100:1").as_deref(), Some("Standard_NC24ads_A100_v4"));
        assert_eq!(wish("A100-80GB:1").as_deref(), Some("Standard_NC24ads_A100_v4"));
        assert_eq!(wish("A10:1").as_deref(), Some("Standard_NV36ads_A10_v5"), "slices are no GPU");
        assert_eq!((wish("T5:1"), wish("T4:3")), (None, None));
    }

    #[test]
    fn only_gpus_that_the_driver_serves_are_suggested() {
        let known = gpus(&eastus());
        assert!(known["T4"].contains(&1) && known.contains_key("H100"));
        assert!(!known.keys().any(|name| name.starts_with("MI")), "{known:?}");
    }

    #[test]
    fn typos_are_met_with_what_was_meant() {
        assert_eq!(nearest(&eastus(), "Standard_D2as_v55").as_deref(), Some("Standard_D2as_v5"));
        assert_eq!(nearest(&eastus(), "standard_d2as_v5").as_deref(), Some("Standard_D2as_v5"));
        assert_eq!(nearest(&eastus(), "D2as_v5").as_deref(), Some("Standard_D2as_v5"));
        assert_eq!(nearest(&eastus(), "m6a.large"), None);
    }

    #[test]
    fn aks_needs_room_for_its_own_pods() {
        let unfit = |name: &str| from_catalogue(name).unwrap().unfit_for_system();
        assert_eq!(unfit("Standard_D2as_v5"), None);
        assert!(unfit("Standard_A1_v2").is_some_and(|why| why.contains("1 virtual CPU")));
        assert_eq!(Size::unknown("Standard_D2as_v9").unfit_for_system(), None);
    }

    #[test]
    fn the_usual_size_is_priced_everywhere() {
        for region in catalogue().regions(Cloud::Azure) {
            let region = Region(region.clone());
            let has = |name: &&&str| catalogue().instance(Cloud::Azure, &region, name).is_some();
            assert!(USUAL_SIZES.iter().any(|name| has(&name)), "{region}");
        }
    }
}
