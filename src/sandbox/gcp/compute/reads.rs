//! What stands by itself: the project with its quotas, regions, zones, machine types, accelerators, disk types.

use super::super::{Answer, BORN, Cx, accounts, filter::Filter, page, places, wire::Refused};
use super::{
    quota,
    store::{LINK, Place},
};
use crate::{
    cost::{MachineType, catalogue},
    model::{Cloud, Region},
};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Disk types: name, smallest and largest gibibytes.
pub(super) const DISK_TYPES: &[(&str, u32, u32)] = &[
    ("hyperdisk-balanced", 4, 65_536),
    ("hyperdisk-extreme", 64, 65_536),
    ("hyperdisk-throughput", 2_048, 32_768),
    ("local-ssd", 375, 375),
    ("pd-balanced", 10, 65_536),
    ("pd-extreme", 500, 65_536),
    ("pd-ssd", 10, 65_536),
    ("pd-standard", 10, 65_536),
];

/// Accelerators: Google's name, the catalogue's, what people read, most on a machine.
const ACCELERATORS: &[(&str, &str, &str, u32)] = &[
    ("nvidia-a100-80gb", "A100-80GB", "NVIDIA A100 80GB", 8),
    ("nvidia-h100-80gb", "H100", "NVIDIA H100 80GB", 8),
    ("nvidia-h100-mega-80gb", "H100-MEGA", "NVIDIA H100 80GB MEGA", 8),
    ("nvidia-l4", "L4", "NVIDIA L4", 8),
    ("nvidia-rtx-pro-6000", "RTX-PRO-6000", "NVIDIA RTX PRO 6000", 8),
    ("nvidia-tesla-a100", "A100", "NVIDIA A100 40GB", 16),
    ("nvidia-tesla-p100", "P100", "NVIDIA Tesla P100", 4),
    ("nvidia-tesla-p4", "P4", "NVIDIA Tesla P4", 4),
    ("nvidia-tesla-t4", "T4", "NVIDIA T4", 4),
    ("nvidia-tesla-v100", "V100", "NVIDIA V100", 8),
];

/// Accelerators that are attached to N1 machines rather than built into their own.
const ATTACHED: &[&str] = &["nvidia-tesla-p100", "nvidia-tesla-p4", "nvidia-tesla-t4", "nvidia-tesla-v100"];

/// A machine type, if there is one anywhere.
pub(in crate::sandbox) fn machine(name: &str) -> Option<MachineType<'static>> {
    catalogue().machine_type(Cloud::Gcp, name)
}

/// A machine type that a zone offers.
pub(in crate::sandbox) fn machine_in(zone: &str, name: &str) -> Option<MachineType<'static>> {
    let region = places::region_of(zone)?;
    catalogue().instance(Cloud::Gcp, &Region(region.to_owned()), name).map(|price| price.machine)
}

/// The accelerators built into a machine type: Google's name and how many.
pub(in crate::sandbox) fn accelerators(name: &str) -> Option<(&'static str, f64)> {
    let (own, count) = machine(name)?.accelerator?;
    ACCELERATORS.iter().find(|(_, catalogued, ..)| *catalogued == own).map(|(google, ..)| (*google, count))
}

/// Whether a zone has this accelerator: where a machine with it is sold, and T4 and the like in every second zone.
pub(in crate::sandbox) fn has_accelerator(zone: &str, name: &str) -> bool {
    let Some(region) = places::region_of(zone) else { return false };
    if ATTACHED.contains(&name) {
        return zone.ends_with('a') || zone.ends_with('b') || zone.ends_with('c') && region.len().is_multiple_of(2);
    }
    let Some((_, own, ..)) = ACCELERATORS.iter().find(|(google, ..)| *google == name) else { return false };
    let region = Region(region.to_owned());
    catalogue().instances_in(Cloud::Gcp, &region).any(|price| price.machine.accelerator.is_some_and(|(a, _)| a == *own))
}

/// Whether machines of a type are of the Arm architecture.
pub(in crate::sandbox) fn is_arm(machine: &str) -> bool {
    ["t2a-", "c4a-", "n4a-"].iter().any(|family| machine.starts_with(family))
}

/// A steady number for a name.
fn id(name: &str) -> String {
    let sum =
        name.bytes().fold(1_469_598_103_934_665_603_u64, |sum, b| (sum ^ u64::from(b)).wrapping_mul(1_099_511_628_211));
    (sum >> 1).to_string()
}

fn born() -> String {
    BORN.replace('Z', "-00:00")
}

fn region_view(cx: &Cx<'_, '_>, region: &str) -> Value {
    let root = format!("{LINK}projects/{}", cx.project.id);
    let zones: Vec<String> = places::zones(region).iter().map(|zone| format!("{root}/zones/{zone}")).collect();
    json!({
        "kind": "compute#region", "id": id(region), "creationTimestamp": born(), "name": region, "description": region,
        "status": "UP", "zones": zones, "quotas": quota::list(cx.tx, cx.project.id, Some(region)),
        "selfLink": format!("{root}/regions/{region}"), "supportsPzs": false,
    })
}

fn zone_view(cx: &Cx<'_, '_>, zone: &str) -> Value {
    let root = format!("{LINK}projects/{}", cx.project.id);
    let region = places::region_of(zone).unwrap_or_default();
    json!({
        "kind": "compute#zone", "id": id(zone), "creationTimestamp": born(), "name": zone, "description": zone, "status": "UP",
        "region": format!("{root}/regions/{region}"), "selfLink": format!("{root}/zones/{zone}"), "supportsPzs": false,
        "availableCpuPlatforms": ["Intel Cascade Lake", "Intel Ice Lake", "AMD Milan"],
    })
}

fn machine_view(project: &str, zone: &str, kind: &MachineType<'_>) -> Value {
    let name = kind.name;
    let mut view = json!({
        "kind": "compute#machineType", "id": id(name), "creationTimestamp": born(), "name": name, "zone": zone,
        "description": format!("{} vCPU, {} GB RAM", kind.vcpus, kind.memory_gib), "guestCpus": kind.vcpus.ceil() as i64,
        "memoryMb": (kind.memory_gib * 1024.0).round() as i64, "maximumPersistentDisks": 128, "imageSpaceGb": 0,
        "maximumPersistentDisksSizeGb": "263168", "isSharedCpu": kind.vcpus < 1.0 || name.ends_with("-micro") || name.ends_with("-small") || name.ends_with("-medium") && name.starts_with("e2"),
        "architecture": if is_arm(name) { "ARM64" } else { "X86_64" },
        "selfLink": format!("{LINK}projects/{project}/zones/{zone}/machineTypes/{name}"),
    });
    if let Some((accelerator, count)) = accelerators(name) {
        view["accelerators"] =
            json!([{"guestAcceleratorType": accelerator, "guestAcceleratorCount": count.ceil() as i64}]);
    }
    view
}

fn accelerator_view(project: &str, zone: &str, (name, _, shown, most): &(&str, &str, &str, u32)) -> Value {
    json!({
        "kind": "compute#acceleratorType", "id": id(name), "creationTimestamp": born(), "name": name, "description": shown,
        "maximumCardsPerInstance": most, "zone": format!("{LINK}projects/{project}/zones/{zone}"),
        "selfLink": format!("{LINK}projects/{project}/zones/{zone}/acceleratorTypes/{name}"),
    })
}

fn disk_view(project: &str, zone: &str, (name, least, most): &(&str, u32, u32)) -> Value {
    json!({
        "kind": "compute#diskType", "id": id(name), "creationTimestamp": born(), "name": name, "description": name,
        "validDiskSize": format!("{least}GB-{most}GB"), "defaultDiskSizeGb": "100",
        "zone": format!("{LINK}projects/{project}/zones/{zone}"),
        "selfLink": format!("{LINK}projects/{project}/zones/{zone}/diskTypes/{name}"),
    })
}

/// What a zone has of a collection.
fn of_zone(project: &str, zone: &str, collection: &str) -> Vec<Value> {
    let region = Region(places::region_of(zone).unwrap_or_default().to_owned());
    match collection {
        "machineTypes" => {
            let all = catalogue().instances_in(Cloud::Gcp, &region);
            all.map(|price| machine_view(project, zone, &price.machine)).collect()
        }
        "acceleratorTypes" => {
            let here = ACCELERATORS.iter().filter(|(name, ..)| has_accelerator(zone, name));
            here.map(|accelerator| accelerator_view(project, zone, accelerator)).collect()
        }
        _ => DISK_TYPES.iter().map(|disk| disk_view(project, zone, disk)).collect(),
    }
}

fn listing(cx: &Cx<'_, '_>, kind: &str, path: &str, mut views: Vec<Value>) -> Answer {
    let filter = Filter::read(cx.query("filter"))?;
    views.retain(|view| filter.takes(view));
    let (items, next) = page(&views, cx.query("maxResults"), cx.query("pageToken"), 500)?;
    let path = format!("projects/{}/{path}", cx.project.id);
    let mut reply = json!({"kind": format!("compute#{kind}List"), "id": path, "selfLink": format!("{LINK}{path}")});
    if !items.is_empty() {
        reply["items"] = json!(items);
    }
    if let Some(next) = next {
        reply["nextPageToken"] = json!(next);
    }
    Ok(reply)
}

fn missing(cx: &Cx<'_, '_>, path: &str) -> Refused {
    Refused::not_found(format!("The resource 'projects/{}/{path}' was not found", cx.project.id))
}

/// Answers a call of these; `None`: it is another's.
pub(super) fn answer(cx: &mut Cx<'_, '_>, collection: &str, verb: &str) -> Option<Answer> {
    Some(match (collection, verb) {
        ("projects", "get") => Ok(project(cx)),
        ("regions", "get") => {
            let name = cx.path.get("region").cloned().unwrap_or_default();
            if places::is_region(&name) {
                Ok(region_view(cx, &name))
            } else {
                Err(missing(cx, &format!("regions/{name}")))
            }
        }
        ("regions", _) => {
            let views = places::regions().map(|region| region_view(cx, region)).collect();
            listing(cx, "region", "regions", views)
        }
        ("zones", "get") => {
            let name = cx.path.get("zone").cloned().unwrap_or_default();
            match places::region_of(&name) {
                Some(_) => Ok(zone_view(cx, &name)),
                None => Err(missing(cx, &format!("zones/{name}"))),
            }
        }
        ("zones", _) => {
            let zones = places::regions().flat_map(places::zones);
            let views = zones.map(|zone| zone_view(cx, &zone)).collect();
            listing(cx, "zone", "zones", views)
        }
        ("machineTypes" | "acceleratorTypes" | "diskTypes", "aggregatedList") => aggregated(cx, collection),
        ("machineTypes" | "acceleratorTypes" | "diskTypes", verb) => zonal(cx, collection, verb),
        _ => return None,
    })
}

fn zonal(cx: &mut Cx<'_, '_>, collection: &str, verb: &str) -> Answer {
    let Place::Zone(zone) = super::place(cx)? else { return Err(cx.unknown()) };
    let views = of_zone(cx.project.id, &zone, collection);
    if verb == "list" {
        return listing(cx, collection.trim_end_matches('s'), &format!("zones/{zone}/{collection}"), views);
    }
    let name = super::name(cx);
    // Custom machine types are made of their name.
    let found = views.into_iter().find(|view| view["name"] == json!(name));
    found.ok_or_else(|| missing(cx, &format!("zones/{zone}/{collection}/{name}")))
}

fn aggregated(cx: &mut Cx<'_, '_>, collection: &str) -> Answer {
    let filter = Filter::read(cx.query("filter"))?;
    let mut flat = Vec::new();
    for zone in places::regions().flat_map(places::zones) {
        let here = of_zone(cx.project.id, &zone, collection).into_iter().filter(|view| filter.takes(view));
        flat.extend(here.map(|view| json!([format!("zones/{zone}"), view])));
    }
    let (items, next) = page(&flat, cx.query("maxResults"), cx.query("pageToken"), 500)?;
    let mut map: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for item in items {
        map.entry(item[0].as_str().unwrap_or_default().to_owned()).or_default().push(item[1].clone());
    }
    let scoped: Map<String, Value> =
        map.into_iter().map(|(place, items)| (place, json!({collection: items}))).collect();
    let path = format!("projects/{}/aggregated/{collection}", cx.project.id);
    let mut reply = json!({
        "kind": format!("compute#{}AggregatedList", collection.trim_end_matches('s')), "id": path, "items": scoped,
        "selfLink": format!("{LINK}{path}"),
    });
    if let Some(next) = next {
        reply["nextPageToken"] = json!(next);
    }
    Ok(reply)
}

fn project(cx: &Cx<'_, '_>) -> Value {
    json!({
        "kind": "compute#project", "id": cx.project.number, "name": cx.project.id, "creationTimestamp": born(),
        "commonInstanceMetadata": {"kind": "compute#metadata", "fingerprint": "c2FuZGJveA=="},
        "quotas": quota::list(cx.tx, cx.project.id, None), "defaultNetworkTier": "PREMIUM", "xpnProjectStatus": "UNSPECIFIED_XPN_PROJECT_STATUS",
        "defaultServiceAccount": accounts::default_of(cx.project),
        "selfLink": format!("{LINK}projects/{}", cx.project.id),
    })
}
