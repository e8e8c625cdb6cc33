//! The list of machine sizes: what each has, where it stands, and what keeps this subscription from it.

use super::sizes::{self, Size};
use crate::sandbox::{
    azure::{
        locations,
        wire::{Answer, ArmError, Cx, Outcome},
    },
    world::Closed,
};
use serde_json::{Value, json};

/// `skus?$filter=location eq 'eastus'`.
pub(super) fn list(cx: &mut Cx<'_, '_>) -> Outcome {
    let filter = cx.asked("$filter").unwrap_or_default();
    let asked = filter.strip_prefix("location eq '").and_then(|rest| rest.strip_suffix('\''));
    if asked.is_none() && !filter.is_empty() {
        return Err(ArmError::bad(
            "BadRequest",
            format!("The filter '{filter}' is not supported: only location can be filtered by."),
        ));
    }
    let places: Vec<String> = match asked {
        Some(location) => vec![locations::normal(location)],
        None => locations::LOCATIONS.iter().map(|row| row.0.to_owned()).collect(),
    };
    let off = |place: &str| matches!(cx.tx.in_force().closed.get(place), Some(Closed::Off));
    let all = places.iter().flat_map(|place| {
        let off = off(place);
        sizes::in_location(place).into_iter().map(move |size| view(&size, place, off))
    });
    Ok(Answer::list(all.collect()))
}

fn view(size: &Size, place: &str, off: bool) -> Value {
    let zones = sizes::zones(size, place);
    let spot = size.gpus == 0 || size.vcpus < 96;
    let mut capabilities = vec![
        ("vCPUs", size.vcpus.to_string()),
        ("vCPUsAvailable", size.vcpus.to_string()),
        ("MemoryGB", size.memory_gib.to_string()),
        ("CpuArchitectureType", if size.arm { "Arm64" } else { "x64" }.to_owned()),
        ("HyperVGenerations", "V1,V2".to_owned()),
        ("MaxDataDiskCount", (size.vcpus * 2).clamp(4, 64).to_string()),
        ("PremiumIO", if size.name.contains("s_") || size.name.ends_with('s') { "True" } else { "False" }.to_owned()),
        ("LowPriorityCapable", if spot { "True" } else { "False" }.to_owned()),
        ("EphemeralOSDiskSupported", if size.name.contains('d') { "True" } else { "False" }.to_owned()),
        ("EncryptionAtHostSupported", "True".to_owned()),
        ("AcceleratedNetworkingEnabled", "True".to_owned()),
    ];
    if size.gpus > 0 {
        capabilities.push(("GPUs", size.gpus.to_string()));
    }
    let capabilities: Vec<Value> =
        capabilities.into_iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
    let mut restrictions = Vec::new();
    if off {
        restrictions.push(json!({
            "type": "Location", "values": [place], "restrictionInfo": {"locations": [place]},
            "reasonCode": "NotAvailableForSubscription",
        }));
    }
    json!({
        "resourceType": "virtualMachines", "name": size.name, "tier": "Standard",
        "size": size.name.trim_start_matches("Standard_"), "family": size.family, "locations": [place],
        "locationInfo": [{"location": place, "zones": zones, "zoneDetails": []}],
        "capabilities": capabilities, "restrictions": restrictions,
    })
}
