//! Machine types: what the catalogue knows of each, what follows from its name, and which zones offer it.

use super::{
    Ec2, fail,
    filter::{self, Filter, Known, Page},
    wire::{Request, named_items},
    zones,
};
use crate::{
    cost::catalogue,
    model::{Cloud, Region},
    sandbox::{aws::ApiError, prices::aws::spot_rows, world::Scope},
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// A machine type as EC2 describes it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Machine {
    /// `m6a.large`.
    pub(crate) name: String,
    /// Virtual CPUs.
    pub(crate) vcpus: u32,
    /// Memory.
    pub(crate) memory_mib: u64,
    /// Graviton.
    pub(crate) arm: bool,
    /// GPU or accelerator: name and how many.
    pub(crate) accelerator: Option<(String, u32)>,
}

impl Machine {
    /// The type of this name, if there is one anywhere.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let known = catalogue().machine_type(Cloud::Aws, name)?;
        Some(Self {
            name: known.name.to_owned(),
            vcpus: known.vcpus.ceil() as u32,
            memory_mib: (known.memory_gib * 1024.0).round() as u64,
            arm: is_arm(name),
            accelerator: known.accelerator.map(|(what, count)| (what.to_owned(), (count.ceil() as u32).max(1))),
        })
    }

    /// Its family, `m6a`.
    pub(crate) fn family(&self) -> &str {
        family(&self.name)
    }

    /// Whether it has a GPU; inference and training chips of Amazon's are none.
    pub(crate) fn gpu(&self) -> bool {
        self.accelerator.as_ref().is_some_and(|(name, _)| !is_neuron(name) && !name.starts_with("Qualcomm"))
    }

    /// The quota its vCPUs count against, on demand or spot.
    pub(crate) fn quota_code(&self, spot: bool) -> &'static str {
        let letters: String = self.family().chars().take_while(char::is_ascii_alphabetic).collect();
        let (on_demand, on_spot) = match letters.as_str() {
            "g" | "gr" | "vt" => ("L-DB2E81BA", "L-3819A6DF"),
            "p" => ("L-417A185B", "L-7212CCBC"),
            "f" => ("L-74FC7D96", "L-88CF9481"),
            "inf" => ("L-1945791B", "L-B5D1601B"),
            "trn" => ("L-2C3B7624", "L-6B0D517C"),
            "dl" => ("L-6E869C2A", "L-85EED4F7"),
            "x" => ("L-7295265B", "L-E3A00192"),
            "u" => ("L-43DA4232", "L-43DA4232"),
            "hpc" => ("L-F7808C92", "L-F7808C92"),
            _ => ("L-1216C47A", "L-34B43A08"),
        };
        if spot { on_spot } else { on_demand }
    }
}

fn family(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

fn is_neuron(accelerator: &str) -> bool {
    accelerator.starts_with("Inferentia") || accelerator.starts_with("Trainium")
}

/// Graviton types carry a `g` after the generation; the first one, `a1`, does not.
fn is_arm(name: &str) -> bool {
    let family = family(name);
    let attributes =
        family.trim_start_matches(|c: char| !c.is_ascii_digit()).trim_start_matches(|c: char| c.is_ascii_digit());
    family == "a1" || attributes.split('-').next().is_some_and(|letters| letters.contains('g'))
}

/// Families so common that every modern zone has them.
const EVERYWHERE: &[&str] = &[
    "c5", "c5a", "c6a", "c6g", "c6i", "c7g", "c7i", "m4", "m5", "m5a", "m6a", "m6g", "m6i", "m7a", "m7g", "m7i", "r5",
    "r6g", "r6i", "t2", "t3", "t3a", "t4g",
];

/// What the oldest zone of us-east-1 still has.
const OLD: &[&str] = &["c3", "c4", "d2", "i3", "m3", "m4", "r3", "r4", "t2"];

/// Whether a zone offers a type that its region has.
fn offered_in_zone(zone_id: &str, name: &str) -> bool {
    let family = family(name);
    if zone_id == "use1-az3" {
        return OLD.contains(&family);
    }
    if EVERYWHERE.contains(&family) {
        return true;
    }
    // FNV-1a over zone and family: the same answer in every world.
    let hash = zone_id
        .bytes()
        .chain(family.bytes())
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let rare =
        family.starts_with(['p', 'g', 'x', 'u']) || ["inf", "trn", "dl", "hpc"].iter().any(|p| family.starts_with(p));
    (hash >> 20) % 100 >= if rare { 40 } else { 10 }
}

fn in_region(scope: &Scope, name: &str) -> bool {
    catalogue().instance(Cloud::Aws, &Region(scope.region.clone()), name).is_some()
}

/// Whether this zone offers this type. A type offered by no zone of its region at all is offered by the first.
pub(crate) fn offered(scope: &Scope, zone_id: &str, name: &str) -> bool {
    if !in_region(scope, name) {
        return false;
    }
    if offered_in_zone(zone_id, name) {
        return true;
    }
    let zones = zones::zones(scope);
    let first = zones.iter().find(|zone| zone.id != "use1-az3").map(|zone| zone.id.as_str());
    !zones.iter().any(|zone| offered_in_zone(&zone.id, name)) && first == Some(zone_id)
}

fn regional(scope: &Scope) -> Vec<Machine> {
    let region = Region(scope.region.clone());
    let names: BTreeSet<&str> = catalogue().instances_in(Cloud::Aws, &region).map(|price| price.machine.name).collect();
    names.into_iter().filter_map(Machine::named).collect()
}

const GPU_MEMORY_MIB: &[(&str, u64)] = &[
    ("A100", 40_960),
    ("A100-80GB", 81_920),
    ("A10G", 24_576),
    ("B200", 183_359),
    ("B300", 294_912),
    ("H100", 81_920),
    ("H200", 144_384),
    ("L4", 24_576),
    ("L40S", 49_152),
    ("T4", 16_384),
    ("T4g", 16_384),
    ("V100", 16_384),
];

fn view(machine: &Machine) -> Value {
    let arch = if machine.arm { "arm64" } else { "x86_64" };
    let (cores, threads) = if machine.arm || machine.vcpus == 1 { (machine.vcpus, 1) } else { (machine.vcpus / 2, 2) };
    let family = machine.family();
    let old = ["1", "2", "3", "4"]
        .iter()
        .any(|generation| family.trim_start_matches(|c: char| !c.is_ascii_digit()).starts_with(generation))
        && !matches!(family, "t3" | "t3a" | "t4g" | "g4dn" | "p4d" | "p4de" | "a1");
    let gpu = machine.accelerator.as_ref().filter(|_| machine.gpu()).map(|(name, count)| {
        let memory = GPU_MEMORY_MIB.iter().find(|(other, _)| other == name).map(|(_, mib)| *mib);
        json!({
            "gpus": [{"name": name, "manufacturer": "NVIDIA", "count": count, "memoryInfo": {"sizeInMiB": memory}}],
            "totalGpuMemoryInMiB": memory.map(|mib| mib * u64::from(*count)),
        })
    });
    let neuron = machine.accelerator.as_ref().filter(|(name, _)| is_neuron(name)).map(|(name, count)| {
        let chip = json!({"name": name, "manufacturer": "AWS", "count": count});
        json!({"accelerators": named_items("member", vec![chip])})
    });
    json!({
        "instanceType": machine.name, "currentGeneration": !old, "freeTierEligible": machine.name == "t3.micro",
        "supportedUsageClasses": ["on-demand", "spot"], "supportedRootDeviceTypes": ["ebs"],
        "supportedVirtualizationTypes": ["hvm"], "bareMetal": machine.name.contains("metal"),
        "hypervisor": if old { "xen" } else { "nitro" },
        "processorInfo": {"supportedArchitectures": [arch]},
        "vCpuInfo": {"defaultVCpus": machine.vcpus, "defaultCores": cores, "defaultThreadsPerCore": threads},
        "memoryInfo": {"sizeInMiB": machine.memory_mib}, "instanceStorageSupported": false,
        "ebsInfo": {"ebsOptimizedSupport": "default", "encryptionSupport": "supported", "nvmeSupport": "required"},
        "networkInfo": {
            "maximumNetworkInterfaces": if machine.vcpus <= 2 { 3 } else { 4 },
            "ipv4AddressesPerInterface": if machine.vcpus <= 2 { 10 } else { 15 },
            "ipv6Supported": true, "enaSupport": "required", "efaSupported": false,
        },
        "gpuInfo": gpu, "inferenceAcceleratorInfo": neuron,
        "burstablePerformanceSupported": family.starts_with('t') && !family.starts_with("trn"),
        "hibernationSupported": false, "dedicatedHostsSupported": true, "autoRecoverySupported": true,
        "supportedBootModes": ["legacy-bios", "uefi"],
    })
}

const FILTERS: Known = &[
    ("auto-recovery-supported", "autoRecoverySupported"),
    ("bare-metal", "bareMetal"),
    ("burstable-performance-supported", "burstablePerformanceSupported"),
    ("current-generation", "currentGeneration"),
    ("dedicated-hosts-supported", "dedicatedHostsSupported"),
    ("ebs-info.ebs-optimized-support", "ebsInfo.ebsOptimizedSupport"),
    ("ebs-info.encryption-support", "ebsInfo.encryptionSupport"),
    ("ebs-info.nvme-support", "ebsInfo.nvmeSupport"),
    ("free-tier-eligible", "freeTierEligible"),
    ("hibernation-supported", "hibernationSupported"),
    ("hypervisor", "hypervisor"),
    ("instance-storage-supported", "instanceStorageSupported"),
    ("instance-type", "instanceType"),
    ("memory-info.size-in-mib", "memoryInfo.sizeInMiB"),
    ("network-info.efa-supported", "networkInfo.efaSupported"),
    ("network-info.ena-support", "networkInfo.enaSupport"),
    ("network-info.ipv4-addresses-per-interface", "networkInfo.ipv4AddressesPerInterface"),
    ("network-info.ipv6-supported", "networkInfo.ipv6Supported"),
    ("network-info.maximum-network-interfaces", "networkInfo.maximumNetworkInterfaces"),
    ("processor-info.supported-architecture", "processorInfo.supportedArchitectures"),
    ("supported-boot-mode", "supportedBootModes"),
    ("supported-root-device-type", "supportedRootDeviceTypes"),
    ("supported-usage-class", "supportedUsageClasses"),
    ("supported-virtualization-type", "supportedVirtualizationTypes"),
    ("vcpu-info.default-cores", "vCpuInfo.defaultCores"),
    ("vcpu-info.default-threads-per-core", "vCpuInfo.defaultThreadsPerCore"),
    ("vcpu-info.default-vcpus", "vCpuInfo.defaultVCpus"),
];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct DescribeInstanceTypes {
    #[serde(default)]
    instance_type: Vec<String>,
    #[serde(default)]
    filter: Vec<Filter>,
    next_token: Option<String>,
    max_results: Option<usize>,
}

pub(super) fn describe(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let wanted: DescribeInstanceTypes = request.read()?;
    if !wanted.instance_type.is_empty() && wanted.max_results.is_some() {
        let message = "The parameter instanceType cannot be used with the parameter maxResults";
        return Err(fail("InvalidParameterCombination", message));
    }
    if wanted.instance_type.len() > 100 {
        return Err(fail("InvalidParameterValue", "The number of instance types must not exceed 100"));
    }
    let machines = if wanted.instance_type.is_empty() {
        regional(&cx.scope)
    } else {
        let unknown: Vec<&str> =
            wanted.instance_type.iter().map(String::as_str).filter(|name| !in_region(&cx.scope, name)).collect();
        if !unknown.is_empty() {
            let message = format!("The following supplied instance types do not exist: [{}]", unknown.join(", "));
            return Err(fail("InvalidInstanceType", message));
        }
        wanted.instance_type.iter().filter_map(|name| Machine::named(name)).collect()
    };
    let rows = filter::keep(machines.iter().map(view).collect(), &wanted.filter, FILTERS)?;
    filter::page("instanceTypeSet", rows, &Page { token: wanted.next_token, size: wanted.max_results }, 100)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct DescribeOfferings {
    location_type: Option<String>,
    #[serde(default)]
    filter: Vec<Filter>,
    next_token: Option<String>,
    max_results: Option<usize>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct DescribeSpot {
    #[serde(default)]
    filter: Vec<Filter>,
    #[serde(default)]
    instance_type: Vec<String>,
    #[serde(default)]
    product_description: Vec<String>,
    availability_zone: Option<String>,
    start_time: Option<String>,
    next_token: Option<String>,
    max_results: Option<usize>,
}

/// The market as of now. Without a time to start from, a day that was cheaper stands in the history too.
pub(super) fn describe_spot(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let wanted: DescribeSpot = request.read()?;
    let zones: Vec<String> = zones::zones(&cx.scope).iter().map(|zone| zone.name.clone()).collect();
    let now = super::time(cx.tx.now());
    let mut rows = spot_rows(&cx.scope, &zones, &now);
    if wanted.start_time.is_none() {
        let older = rows.iter().map(|row| {
            let mut row = row.clone();
            (row["spotPrice"], row["timestamp"]) = (json!("0.000100"), json!("2026-01-05T10:00:00.000Z"));
            row
        });
        let older: Vec<Value> = older.collect();
        rows.extend(older);
    }
    let among =
        |list: &[String], row: &Value, key: &str| list.is_empty() || list.iter().any(|own| row[key] == json!(own));
    rows.retain(|row| {
        among(&wanted.instance_type, row, "instanceType")
            && among(&wanted.product_description, row, "productDescription")
            && wanted.availability_zone.as_ref().is_none_or(|zone| row["availabilityZone"] == json!(zone))
    });
    let known = &[("instance-type", "instanceType"), ("availability-zone", "availabilityZone")];
    let rows = filter::keep(rows, &wanted.filter, known)?;
    let page = Page { token: wanted.next_token, size: wanted.max_results };
    filter::page("spotPriceHistorySet", rows, &page, 1000)
}

pub(super) fn describe_offerings(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let wanted: DescribeOfferings = request.read()?;
    let kind = wanted.location_type.unwrap_or_else(|| "region".to_owned());
    let zones = zones::zones(&cx.scope);
    let row = |name: &str, location: &str| json!({"instanceType": name, "locationType": kind, "location": location});
    let mut rows = Vec::new();
    for machine in regional(&cx.scope) {
        let name = machine.name.as_str();
        if kind == "region" {
            rows.push(row(name, &cx.scope.region));
            continue;
        }
        let there = zones.iter().filter(|zone| offered(&cx.scope, &zone.id, name));
        match kind.as_str() {
            "availability-zone" => rows.extend(there.map(|zone| row(name, &zone.name))),
            "availability-zone-id" => rows.extend(there.map(|zone| row(name, &zone.id))),
            _ => {}
        }
    }
    let known = &[("instance-type", "instanceType"), ("location", "location")];
    let rows = filter::keep(rows, &wanted.filter, known)?;
    let page = Page { token: wanted.next_token, size: wanted.max_results };
    filter::page("instanceTypeOfferingSet", rows, &page, 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_processor() {
        for arm in ["m6g.large", "c7gn.xlarge", "t4g.small", "a1.large", "g5g.xlarge", "im4gn.large", "is4gen.large"] {
            assert!(is_arm(arm), "{arm}");
        }
        for intel in
            ["m6a.large", "g4dn.xlarge", "g5.xlarge", "p4d.24xlarge", "t3.micro", "i3en.large", "c7i-flex.large"]
        {
            assert!(!is_arm(intel), "{intel}");
        }
    }

    #[test]
    fn the_oldest_zone_has_old_types_only_and_common_types_are_everywhere_else() {
        let scope = Scope::new("123456789012", "us-east-1");
        assert!(!offered(&scope, "use1-az3", "m6a.large"));
        assert!(offered(&scope, "use1-az3", "m4.large"));
        for zone in zones::zones(&scope).iter().filter(|zone| zone.id != "use1-az3") {
            assert!(offered(&scope, &zone.id, "m6a.large"), "{}", zone.id);
        }
        assert!(!offered(&scope, "use1-az1", "m99.large"));
        let everywhere = regional(&scope)
            .into_iter()
            .all(|machine| zones::zones(&scope).iter().any(|zone| offered(&scope, &zone.id, &machine.name)));
        assert!(everywhere, "a type its region sells is offered by some zone");
    }

    #[test]
    fn vcpus_count_against_the_family_s_quota() {
        let code = |name: &str, spot| Machine::named(name).expect("in the catalogue").quota_code(spot);
        assert_eq!(code("m6a.large", false), "L-1216C47A");
        assert_eq!(code("m6a.large", true), "L-34B43A08");
        assert_eq!(code("g5.xlarge", false), "L-DB2E81BA");
        assert_eq!(code("trn1.2xlarge", false), "L-2C3B7624");
    }
}
