//! Lambda Cloud's instance types: prices in cents, with a type that has none.

use super::Answer;
use crate::cost::{Vendor, catalogue};
use serde_json::{Value, json};

/// The pretend account's key.
pub(super) const KEY: &str = "secret_kubewright-sandbox_0000000000000000";

pub(super) fn answer(bearer: Option<&str>) -> Answer {
    if bearer.and_then(|it| it.strip_prefix("Bearer ")) != Some(KEY) {
        let error = json!({"code": "global/invalid-api-key", "message": "API key was invalid, expired, or deleted.",
            "suggestion": "Check your API key or create a new one, then try again."});
        return (401, json!({ "error": error }));
    }
    let mut data = serde_json::Map::new();
    for (machine, prices) in catalogue().prices_of(Vendor::Lambda) {
        let prices: Vec<_> = prices.collect();
        let Some(first) = prices.first() else { continue };
        let gpus = machine.accelerator.map_or(0.0, |(_, count)| count);
        // Capacity comes and goes: half of the regions have some.
        let free = prices.iter().step_by(2).map(|price| json!({"name": price.region, "description": price.region}));
        let kind = json!({"name": machine.name, "description": machine.name, "gpu_description": "N/A",
            "price_cents_per_hour": (first.on_demand * 100.0).round() as u64,
            "specs": {"vcpus": machine.vcpus, "memory_gib": machine.memory_gib, "storage_gib": 512, "gpus": gpus}});
        let entry = json!({"instance_type": kind, "regions_with_capacity_available": free.collect::<Vec<Value>>()});
        data.insert(machine.name.to_owned(), entry);
    }
    let preview = json!({"name": "gpu_1x_preview", "description": "preview", "gpu_description": "N/A",
        "price_cents_per_hour": 0, "specs": {"vcpus": 8, "memory_gib": 64, "storage_gib": 512, "gpus": 1}});
    data.insert("gpu_1x_preview".to_owned(), json!({"instance_type": preview, "regions_with_capacity_available": []}));
    (200, json!({ "data": data }))
}
