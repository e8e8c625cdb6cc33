//! Instance types: what they are, where they are offered, and which fits a need.

use super::client::AwsCx;
use super::error::fail;
use super::tags::filter;
use crate::cost::catalogue;
use crate::engine::StepError;
use crate::model::spec::InstanceNeeds;
use crate::model::{Cloud, Region};
pub use crate::providers::words::{nearest_of, parse_gpu};
use aws_sdk_ec2::types::{ArchitectureType, Filter, LocationType, UsageClassType};
use std::collections::{BTreeMap, BTreeSet};

/// One type.
#[derive(Debug, Clone, PartialEq)]
pub struct InstanceType {
    /// `m6a.large`
    pub name: String,
    /// `amd64` or `arm64`.
    pub arch: String,
    /// Virtual CPUs, as quotas count them.
    pub vcpus: u32,
    /// Memory.
    pub memory_mib: u64,
    /// Accelerator and how many.
    pub gpu: Option<(String, u32)>,
    /// Whether there are spot machines of it.
    pub spot: bool,
}

/// The types of these names that the region has; unknown names are left out.
///
/// # Errors
/// As the call's.
pub async fn describe(cx: &AwsCx, names: &BTreeSet<String>) -> Result<Vec<InstanceType>, StepError> {
    // By filter: asked for by name, one unknown type would refuse the whole call.
    let call = cx.ec2.describe_instance_types().filters(any_of("instance-type", names)).into_paginator().items().send();
    let found = call
        .collect::<Result<Vec<_>, _>>()
        .await
        .map_err(|err| fail("ec2:DescribeInstanceTypes", "instance types", err))?;
    let read = found.iter().filter_map(|it| {
        let arm =
            it.processor_info().is_some_and(|cpu| cpu.supported_architectures().contains(&ArchitectureType::Arm64));
        let gpu = it
            .gpu_info()
            .and_then(|info| info.gpus().first())
            .map(|gpu| (gpu.name().unwrap_or("GPU").to_owned(), u32::try_from(gpu.count().unwrap_or(1)).unwrap_or(1)));
        Some(InstanceType {
            name: it.instance_type()?.as_str().to_owned(),
            arch: if arm { "arm64" } else { "amd64" }.to_owned(),
            vcpus: it
                .v_cpu_info()
                .and_then(|cpu| cpu.default_v_cpus())
                .and_then(|n| u32::try_from(n).ok())
                .unwrap_or_default(),
            memory_mib: it
                .memory_info()
                .and_then(|memory| memory.size_in_mib())
                .and_then(|mib| u64::try_from(mib).ok())
                .unwrap_or_default(),
            gpu,
            spot: it.supported_usage_classes().contains(&UsageClassType::Spot),
        })
    });
    Ok(read.collect())
}

/// For each of these types the zones that have it.
///
/// # Errors
/// As the call's.
pub async fn offerings(cx: &AwsCx, names: &BTreeSet<String>) -> Result<BTreeMap<String, BTreeSet<String>>, StepError> {
    by_zone(cx, Some(any_of("instance-type", names))).await
}

/// For every type of the region the zones that have it.
///
/// # Errors
/// As the call's.
pub async fn everywhere(cx: &AwsCx) -> Result<BTreeMap<String, BTreeSet<String>>, StepError> {
    by_zone(cx, None).await
}

async fn by_zone(cx: &AwsCx, filter: Option<Filter>) -> Result<BTreeMap<String, BTreeSet<String>>, StepError> {
    let call = cx.ec2.describe_instance_type_offerings().location_type(LocationType::AvailabilityZone);
    let call = call.set_filters(filter.map(|filter| vec![filter])).into_paginator().items().send();
    let found = call
        .collect::<Result<Vec<_>, _>>()
        .await
        .map_err(|err| fail("ec2:DescribeInstanceTypeOfferings", "instance types by zone", err))?;
    let mut zones: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for it in found {
        if let (Some(kind), Some(zone)) = (it.instance_type(), it.location()) {
            zones.entry(kind.as_str().to_owned()).or_default().insert(zone.to_owned());
        }
    }
    Ok(zones)
}

fn any_of(name: &str, values: &BTreeSet<String>) -> Filter {
    let mut built = filter(name, "");
    built.values = Some(values.iter().cloned().collect());
    built
}

/// What the price table knows of a type, for endpoints that cannot describe it.
pub fn from_catalogue(name: &str) -> Option<InstanceType> {
    let known = catalogue().machine_type(Cloud::Aws, name)?;
    let gpu = known.accelerator.map(|(kind, count)| (kind.to_owned(), (count.max(1.0)) as u32));
    Some(InstanceType {
        name: name.to_owned(),
        arch: arch(name).to_owned(),
        vcpus: known.vcpus as u32,
        memory_mib: (known.memory_gib * 1024.0) as u64,
        gpu,
        spot: true,
    })
}

/// The architecture in a type's name: Graviton families carry a `g` behind the generation (`m6g`, `c7gn`, `im4gn`).
pub fn arch(name: &str) -> &'static str {
    let family = name.split('.').next().unwrap_or_default();
    let after =
        family.trim_start_matches(|c: char| !c.is_ascii_digit()).trim_start_matches(|c: char| c.is_ascii_digit());
    // g5g is a Graviton with a GPU; g4dn, g5, g6 are not: the letter must stand behind the number.
    if family == "a1" || after.starts_with('g') { "arm64" } else { "amd64" }
}

/// The cheapest types of a region that have what is needed, cheapest first: current, not bare metal, x86 unless the
/// GPUs asked for come with other processors alone.
pub fn fitting(region: &Region, needs: &InstanceNeeds) -> Vec<String> {
    let (cpu, memory) = (needs.cpu.unwrap_or(0.0), needs.memory_gib.unwrap_or(0.0));
    let gpu = needs.gpu.as_deref().and_then(parse_gpu);
    let mut fit: Vec<(f64, String)> = catalogue()
        .instances_in(Cloud::Aws, region)
        .filter(|it| it.machine.vcpus >= cpu && it.machine.memory_gib >= memory)
        .filter(|it| match (gpu, it.machine.accelerator) {
            (None, None) => is_general(it.machine.name),
            (Some((name, count)), Some((kind, has))) => {
                kind.eq_ignore_ascii_case(name) && has == f64::from(count) && !it.machine.name.contains("metal")
            }
            _ => false,
        })
        .map(|it| (it.on_demand, it.machine.name.to_owned()))
        .collect();
    fit.sort_by(|one, two| one.0.total_cmp(&two.0).then_with(|| one.1.cmp(&two.1)));
    fit.into_iter().map(|(_, name)| name).take(24).collect()
}

/// NVIDIA's GPUs of a region, by name, each with the numbers of them that machines have.
pub fn gpus(region: &Region) -> BTreeMap<String, BTreeSet<u32>> {
    let mut found: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
    for it in catalogue().instances_in(Cloud::Aws, region) {
        if let Some((name, count)) = it.machine.accelerator.filter(|(name, count)| is_nvidia(name) && *count >= 1.0) {
            found.entry(name.to_owned()).or_default().insert(count as u32);
        }
    }
    found
}

/// Whether pods get this accelerator through NVIDIA's driver: AWS's own chips and others have other ones.
pub fn is_nvidia(accelerator: &str) -> bool {
    !["Inferentia", "Trainium", "Qualcomm", "Gaudi", "Radeon", "Xilinx"]
        .iter()
        .any(|other| accelerator.starts_with(other))
}

/// Families of the m, c, r and t lines from the fifth generation on (t3 is of that age), with at least 2 GiB: smaller
/// ones have no room for a node's own pods.
fn is_general(name: &str) -> bool {
    let Some((family, size)) = name.split_once('.') else { return false };
    let generation = family.chars().nth(1).and_then(|c| c.to_digit(10)).unwrap_or_default();
    let line = family.starts_with(['m', 'c', 'r']) && generation >= 5 || family.starts_with("t3");
    line && arch(name) == "amd64" && !size.contains("metal") && !["nano", "micro"].contains(&size)
}

/// The known name that is nearest to this one.
pub fn nearest(region: &Region, name: &str) -> Option<String> {
    let known: Vec<String> =
        catalogue().instances_in(Cloud::Aws, region).map(|it| it.machine.name.to_owned()).collect();
    nearest_of(name, known.iter().map(String::as_str)).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn architectures_are_read_from_names() {
        for arm in [
            "m6g.large",
            "c7gn.xlarge",
            "t4g.small",
            "im4gn.large",
            "x2gd.large",
            "a1.large",
            "g5g.xlarge",
            "r8g.large",
        ] {
            assert_eq!(arch(arm), "arm64", "{arm}");
        }
        for x86 in
            ["m6a.large", "g5.xlarge", "g4dn.xlarge", "m7i-flex.large", "p5.48xlarge", "t3.medium", "gr6.4xlarge"]
        {
            assert_eq!(arch(x86), "amd64", "{x86}");
        }
    }

    #[test]
    fn needs_find_the_cheapest_that_fits() {
        let region = Region("us-east-1".to_owned());
        let needs = InstanceNeeds { cpu: Some(8.0), memory_gib: Some(32.0), gpu: None };
        let found = fitting(&region, &needs);
        let first = from_catalogue(&found[0]).unwrap();
        assert!(first.vcpus >= 8 && first.arch == "amd64" && first.gpu.is_none(), "{first:?}");
        assert!(fitting(&region, &InstanceNeeds { cpu: Some(9_999.0), ..InstanceNeeds::default() }).is_empty());
    }

    #[test]
    fn gpus_are_found_by_name_and_number() {
        let region = Region("us-east-1".to_owned());
        let wish =
            |gpu: &str| fitting(&region, &InstanceNeeds { gpu: Some(gpu.to_owned()), ..InstanceNeeds::default() });
        assert_eq!(wish("T4:1")[0], "g4dn.xlarge");
        assert_eq!(wish("t4:4")[0], "g4dn.12xlarge");
        assert_eq!(arch(&wish("T4g:1")[0]), "arm64");
        assert!(wish("T5:1").is_empty() && wish("T4:3").is_empty() && wish("Inferentia:1").len() <= 24);
        let known = gpus(&region);
        assert!(known["T4"].contains(&1) && !known.contains_key("Inferentia") && !known.contains_key("Trainium"));
    }

    #[test]
    fn typos_are_met_with_what_was_meant() {
        let region = Region("us-east-1".to_owned());
        assert_eq!(nearest(&region, "m6a.lagre").as_deref(), Some("m6a.large"));
        assert_eq!(nearest(&region, "Standard_D2as_v5"), None);
    }
}
