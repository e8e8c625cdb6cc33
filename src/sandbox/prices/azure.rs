//! Azure Retail Prices: a thousand meters a page, of every system and market.

use super::Answer;
use crate::{
    cost::{InstancePrice, catalogue},
    model::{Cloud, Region},
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const PAGE: usize = 1_000;
const VERSION: &str = "2023-01-01-preview";

fn refused(why: &str) -> Answer {
    (400, json!({"Error": {"Code": "BadRequest", "Message": why}}))
}

/// Fields that may be asked for, as the API spells them.
const FIELDS: [&str; 9] = [
    "armRegionName",
    "armSkuName",
    "location",
    "meterName",
    "priceType",
    "productName",
    "serviceFamily",
    "serviceName",
    "skuName",
];

pub(super) fn answer(query: &str) -> Answer {
    let pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let known = ["api-version", "currencyCode", "meterRegion", "$filter", "$skip", "$top"];
    if let Some((name, _)) = pairs.iter().find(|(name, _)| !known.contains(&name.as_str())) {
        return refused(&format!("The query parameter {name} is not supported."));
    }
    let get = |name: &str| pairs.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str());
    if get("api-version").is_some_and(|version| version != VERSION) {
        return refused("The requested API version is not supported.");
    }
    if get("currencyCode").is_some_and(|currency| currency != "'USD'") {
        return refused("The pretend vendor sells in USD only.");
    }
    let Some(filter) = get("$filter") else { return refused("The pretend vendor answers filtered questions only.") };
    let Some(filter) = read_filter(filter) else { return refused("Invalid OData parameters supplied") };
    let Ok(skip) = get("$skip").unwrap_or("0").parse::<usize>() else { return refused("$skip is not a number.") };
    let (all, left) = page(&filter, skip);
    let next = left.then(|| {
        let filter = get("$filter").unwrap_or_default().replace(' ', "%20");
        let skip = skip + PAGE;
        format!("https://prices.azure.com:443/api/retail/prices?api-version={VERSION}&$filter={filter}&$skip={skip}")
    });
    let count = all.len();
    (
        200,
        json!({"BillingCurrency": "USD", "CustomerEntityId": "Default", "CustomerEntityType": "Retail", "Items": all,
            "NextPageLink": next, "Count": count}),
    )
}

/// `a eq 'x' and b eq 'y'`: names and values are compared letter by letter.
fn read_filter(text: &str) -> Option<BTreeMap<&str, &str>> {
    text.split(" and ")
        .map(|term| {
            let (field, value) = term.trim().split_once(" eq ")?;
            let value = value.strip_prefix('\'')?.strip_suffix('\'')?;
            FIELDS.contains(&field).then_some((field, value))
        })
        .collect()
}

/// The items of a page, and whether more follow.
fn page(filter: &BTreeMap<&str, &str>, skip: usize) -> (Vec<Value>, bool) {
    let is = |field: &str, value: &str| filter.get(field).is_none_or(|wanted| *wanted == value);
    let mut all = Vec::new();
    for region in catalogue().regions(Cloud::Azure).iter().filter(|region| is("armRegionName", region)) {
        for price in catalogue().instances_in(Cloud::Azure, &Region(region.clone())) {
            if is("armSkuName", price.machine.name) {
                all.extend(meters(&price));
            }
        }
    }
    let fits = |item: &Value| {
        let field = |name: &str| if name == "priceType" { "type".to_owned() } else { name.to_owned() };
        filter.iter().all(|(name, value)| item[field(name)].as_str() == Some(value))
    };
    let mut rest = all.into_iter().filter(fits).skip(skip);
    let found: Vec<Value> = rest.by_ref().take(PAGE).collect();
    (found, rest.next().is_some())
}

/// All meters of a size in a region, the plain one somewhere among them.
fn meters(price: &InstancePrice<'_>) -> Vec<Value> {
    let size = price.machine.name.strip_prefix("Standard_").unwrap_or(price.machine.name).replace('_', " ");
    let family: String = size.chars().filter(|c| !c.is_ascii_digit()).collect();
    let product = format!("Virtual Machines {family} Series");
    let usd = price.on_demand;
    let item = |product: &str, meter: &str, usd: f64| {
        json!({"currencyCode": "USD", "tierMinimumUnits": 0.0, "retailPrice": usd, "unitPrice": usd,
            "armRegionName": price.region, "location": price.region, "effectiveStartDate": "2026-06-01T00:00:00Z",
            "meterId": "00000000-0000-0000-0000-000000000000", "meterName": meter, "productId": "DZH318Z0BQ4C",
            "skuId": "DZH318Z0BQ4C/00F1", "productName": product, "skuName": meter, "serviceName": "Virtual Machines",
            "serviceId": "DZH313Z7MMC8", "serviceFamily": "Compute", "unitOfMeasure": "1 Hour", "type": "Consumption",
            "isPrimaryMeterRegion": true, "armSkuName": price.machine.name})
    };
    let mut all = vec![
        item(&format!("{product} Windows"), &size, usd * 1.9),
        item(&product, &format!("{size} Low Priority"), usd * 0.05),
        item(&format!("{product} Win"), &size, usd * 0.9),
    ];
    if let Some(spot) = price.spot {
        all.push(item(&product, &format!("{size} Spot"), spot));
        all.push(item(&format!("{product} Windows - Expanded"), &format!("{size} Spot"), spot * 0.9));
    }
    all.push(item(&product, &size, usd));
    all.push(item(&format!("{family} Series Cloud Services"), &size, usd * 0.8));
    all.push(item(&product, &format!("{size} Expired"), usd * 0.1));
    all.push(item(&product, &size, 0.0));
    let mut reserved = item(&product, &size, usd * 0.4);
    (reserved["type"], reserved["reservationTerm"]) = (json!("Reservation"), json!("3 Years"));
    all.push(reserved);
    all
}
