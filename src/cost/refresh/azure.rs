//! Azure's Retail Prices: one meter an item, machines of every system and market mixed.
//!
//! The rule that works (checked against 55,091 prices): a productName with " Win" or "Cloud Services" is not Linux, a meter
//! that ends in "Low Priority" is a market that is gone, one that ends in " Spot" is spot, "Expired" and "Free" are none;
//! an hour, above zero, and of what is left the least. Testing for the ending " Windows" is wrong for 2,101 of them.

use super::{Fresh, Unreadable, list, next, text};
use serde_json::Value;

/// Reads one page; returns the address of the next, as the API wrote it.
///
/// # Errors
/// Another currency, a page without its items, or fewer than it counts.
pub fn read_page(page: &Value, fresh: &mut Fresh) -> Result<Option<String>, Unreadable> {
    let items = list(page, "Items")?;
    let currency = text(page, "BillingCurrency");
    if currency != "USD" {
        return Err(Unreadable::Currency(if currency.is_empty() { "no currency".into() } else { currency.into() }));
    }
    if let Some(count) = page.get("Count").and_then(Value::as_u64).filter(|count| *count != items.len() as u64) {
        return Err(Unreadable::Cut(format!("{} items of {count}", items.len())));
    }
    for item in items {
        let currency = text(item, "currencyCode");
        if currency != "USD" {
            return Err(Unreadable::Currency(currency.to_owned()));
        }
        read_item(item, fresh);
    }
    Ok(next(page, "NextPageLink"))
}

fn read_item(item: &Value, fresh: &mut Fresh) {
    let (product, sku, meter) = (text(item, "productName"), text(item, "skuName"), text(item, "meterName"));
    let ends = |ending: &str| sku.ends_with(ending) || meter.ends_with(ending);
    let holds = |word: &str| sku.contains(word) || meter.contains(word);
    let usd = item.get("retailPrice").and_then(Value::as_f64).unwrap_or_default();
    let why = match () {
        () if text(item, "serviceName") != "Virtual Machines" => Some("another service"),
        () if text(item, "type") != "Consumption" => Some("reservations and savings plans"),
        () if product.contains(" Win") => Some("Windows"),
        () if product.contains("CloudServices") || product.contains("Cloud Services") => Some("Cloud Services"),
        () if ends("Low Priority") => Some("low priority"),
        () if holds("Expired") || holds("Free") => Some("expired or free"),
        () if text(item, "unitOfMeasure") != "1 Hour" => Some("not by the hour"),
        () if item.get("tierMinimumUnits").and_then(Value::as_f64).unwrap_or_default() > 0.0 => Some("later tiers"),
        () if usd <= 0.0 => Some("no price"),
        () => None,
    };
    if let Some(why) = why {
        return fresh.drop(why);
    }
    let (region, name) = (text(item, "armRegionName"), text(item, "armSkuName"));
    if region.is_empty() || name.is_empty() {
        return fresh.drop("no region or size");
    }
    // Some are spelled as people write them: `Standard_NC8as T4 v3`.
    let read = fresh.at(region, &name.replace(' ', "_"));
    Fresh::least(if ends(" Spot") { &mut read.spot } else { &mut read.on_demand }, usd);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn item(size: &str, product: &str, meter: &str, usd: f64) -> Value {
        json!({"currencyCode": "USD", "tierMinimumUnits": 0.0, "retailPrice": usd, "unitPrice": usd,
            "armRegionName": "koreasouth", "location": "KR South", "effectiveStartDate": "2025-03-01T00:00:00Z",
            "meterId": "0b1c", "meterName": meter, "productId": "DZH318Z0BQ4C", "skuId": "DZH318Z0BQ4C/00F1",
            "productName": product, "skuName": meter, "serviceName": "Virtual Machines", "serviceId": "DZH313Z7MMC8",
            "serviceFamily": "Compute", "unitOfMeasure": "1 Hour", "type": "Consumption",
            "isPrimaryMeterRegion": true, "armSkuName": size})
    }

    fn page(items: Vec<Value>) -> Value {
        json!({"BillingCurrency": "USD", "CustomerEntityId": "Default", "CustomerEntityType": "Retail",
            "Count": items.len(), "NextPageLink": null, "Items": items})
    }

    fn read(items: Vec<Value>) -> Fresh {
        let mut fresh = Fresh::default();
        assert_eq!(read_page(&page(items), &mut fresh), Ok(None));
        fresh
    }

    fn machine(fresh: &Fresh, name: &str) -> (Option<f64>, Option<f64>) {
        let read = fresh.machines.get(&("koreasouth".to_owned(), name.to_owned())).copied().unwrap_or_default();
        (read.on_demand, read.spot)
    }

    #[test]
    fn windows_is_not_only_what_ends_in_windows() {
        // A test for the ending " Windows" takes 9.163 for this one.
        let size = "Standard_D96as_v5";
        let fresh = read(vec![
            item(size, "Virtual Machines Dasv5 Series Windows - Expanded", "D96as v5", 9.163),
            item(size, "Virtual Machines Dasv5 Series Win", "D96as v5", 9.163),
            item(size, "Virtual Machines Dasv5 Series Windows", "D96as v5", 9.163),
            item(size, "Dasv5 Series CloudServices", "D96as v5", 1.0),
            item(size, "Dasv5 Series Cloud Services", "D96as v5", 1.0),
            item(size, "Virtual Machines Dasv5 Series", "D96as v5", 4.747),
        ]);
        assert_eq!(machine(&fresh, size), (Some(4.747), None));
        assert_eq!((fresh.dropped["Windows"], fresh.dropped["Cloud Services"]), (3, 2));
    }

    #[test]
    fn spot_low_priority_and_on_demand_are_told_apart_in_any_order() {
        let (size, product) = ("Standard_D4s_v5", "Virtual Machines Dsv5 Series");
        let mut items = vec![
            item(size, product, "D4s v5 Spot", 0.0384),
            item(size, product, "D4s v5 Low Priority", 0.0192),
            item(size, product, "D4s v5", 0.192),
            item(size, product, "D4s v5 Expired", 0.001),
            item(size, product, "D4s v5/Free", 0.001),
            item(size, product, "D4s v5", 0.0),
        ];
        assert_eq!(machine(&read(items.clone()), size), (Some(0.192), Some(0.0384)));
        items.reverse();
        assert_eq!(machine(&read(items), size), (Some(0.192), Some(0.0384)));
    }

    #[test]
    fn reservations_months_and_later_tiers_are_no_hourly_price() {
        let (size, product) = ("Standard_D4s_v5", "Virtual Machines Dsv5 Series");
        let with = |key: &str, value: Value| {
            let mut it = item(size, product, "D4s v5", 0.05);
            it[key] = value;
            it
        };
        let fresh = read(vec![
            with("type", json!("Reservation")),
            with("unitOfMeasure", json!("1/Month")),
            with("tierMinimumUnits", json!(100.0)),
            with("serviceName", json!("Azure Virtual Desktop")),
            item(size, product, "D4s v5", 0.192),
            item(size, product, "D4s v5", 0.2),
        ]);
        assert_eq!(machine(&fresh, size), (Some(0.192), None), "of two meters the least");
    }

    #[test]
    fn sizes_as_people_write_them_are_the_same_sizes() {
        let fresh = read(vec![item("Standard_NC8as T4 v3", "Virtual Machines NCasT4 v3 Series", "NC8as T4 v3", 0.752)]);
        assert_eq!(machine(&fresh, "Standard_NC8as_T4_v3"), (Some(0.752), None));
    }

    #[test]
    fn what_is_no_whole_page_in_dollars_is_an_error() {
        let mut fresh = Fresh::default();
        let good = page(vec![item("Standard_D4s_v5", "Virtual Machines Dsv5 Series", "D4s v5", 0.192)]);
        let with = |key: &str, value: Value| {
            let mut it = good.clone();
            it[key] = value;
            it
        };
        for (wrong, part) in [
            (with("BillingCurrency", json!("EUR")), "in EUR"),
            (with("Count", json!(1_000)), "1 items of 1000"),
            (with("Items", json!(null)), "no list `Items`"),
            (json!([]), "no list"),
        ] {
            let error = read_page(&wrong, &mut fresh).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
        let mut mixed = good.clone();
        mixed["Items"][0]["currencyCode"] = json!("JPY");
        assert_eq!(read_page(&mixed, &mut fresh), Err(Unreadable::Currency("JPY".to_owned())));
        let link = "https://prices.azure.com:443/api/retail/prices?$skip=1000";
        assert_eq!(read_page(&with("NextPageLink", json!(link)), &mut fresh), Ok(Some(link.to_owned())));
    }
}
