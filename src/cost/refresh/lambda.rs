//! Lambda Cloud's instance types: one price for all regions, in cents.

use super::{Fresh, Unreadable, text};
use serde_json::Value;

/// Reads `GET /api/v1/instance-types`; `regions` are those that prices are for: capacity comes and goes, prices do not
/// differ.
///
/// # Errors
/// An answer without its map of types.
pub fn read(answer: &Value, regions: &[String], fresh: &mut Fresh) -> Result<(), Unreadable> {
    let types = answer.get("data").and_then(Value::as_object);
    let types = types.ok_or_else(|| Unreadable::Shape("it has no map `data`".to_owned()))?;
    for entry in types.values() {
        let kind = entry.get("instance_type").unwrap_or(&Value::Null);
        let name = text(kind, "name");
        let cents = kind.get("price_cents_per_hour").and_then(Value::as_f64);
        let cents = cents.ok_or_else(|| Unreadable::Shape(format!("`{name}` has no price_cents_per_hour")))?;
        if name.is_empty() || cents <= 0.0 {
            fresh.drop("no price");
            continue;
        }
        for region in regions {
            fresh.at(region, name).on_demand = Some(cents / 100.0);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn cents_are_dollars_in_every_region_with_or_without_capacity() {
        let answer = json!({"data": {
            "gpu_1x_a10": {"instance_type": {"name": "gpu_1x_a10", "description": "1x A10 (24 GB PCIe)",
                "gpu_description": "A10 (24 GB PCIe)", "price_cents_per_hour": 129,
                "specs": {"vcpus": 30, "memory_gib": 200, "storage_gib": 1400, "gpus": 1}},
                "regions_with_capacity_available": []},
            "gpu_free": {"instance_type": {"name": "gpu_free", "price_cents_per_hour": 0, "specs": {}},
                "regions_with_capacity_available": [{"name": "us-east-1", "description": "Virginia, USA"}]}}});
        let mut fresh = Fresh::default();
        read(&answer, &["us-east-1".to_owned(), "us-west-1".to_owned()], &mut fresh).unwrap();
        assert_eq!(fresh.machines.len(), 2);
        assert!(fresh.machines.values().all(|read| read.on_demand == Some(1.29) && read.spot.is_none()));
        for wrong in [json!({"error": {}}), json!({"data": {"x": {"instance_type": {"name": "x"}}}})] {
            assert!(read(&wrong, &[], &mut fresh).is_err());
        }
    }
}
