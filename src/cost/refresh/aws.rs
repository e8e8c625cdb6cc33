//! AWS's Price List (`GetProducts`) and spot history.
//!
//! Products come as JSON in text, one for every tenancy, system, preinstalled software and capacity status of a machine;
//! bare metal is a family of its own, local zones stand under their parent region. Forgetting the tenancy alone makes a
//! third of all prices wrong by 6 to 10 %.

use super::{Fresh, ReadComponent, Unreadable, list, next, text};
use serde_json::Value;

/// What the API is asked for machines of one region: attribute and value, each to be met exactly.
pub const MACHINE_FILTERS: [(&str, &str); 5] = [
    ("operatingSystem", "Linux"),
    ("preInstalledSw", "NA"),
    ("tenancy", "Shared"),
    ("capacitystatus", "Used"),
    ("marketoption", "OnDemand"),
];

/// Reads one page of products; returns the token of the next.
///
/// # Errors
/// A page without its list, or with something in it that is no product.
pub fn read_page(page: &Value, fresh: &mut Fresh) -> Result<Option<String>, Unreadable> {
    for entry in list(page, "PriceList")? {
        let text = entry.as_str().ok_or_else(|| Unreadable::Shape("a product is no text".to_owned()))?;
        let product: Value =
            serde_json::from_str(text).map_err(|_| Unreadable::Shape("a product is no JSON".to_owned()))?;
        read_product(&product, fresh)?;
    }
    Ok(next(page, "NextToken"))
}

fn read_product(entry: &Value, fresh: &mut Fresh) -> Result<(), Unreadable> {
    let product = entry.get("product").ok_or_else(|| Unreadable::Shape("an entry has no product".to_owned()))?;
    let attributes = product.get("attributes").unwrap_or(&Value::Null);
    let is = |key: &str| text(attributes, key);
    let region = is("regionCode");
    if region.is_empty() || is("locationType") != "AWS Region" {
        fresh.drop("local and wavelength zones");
        return Ok(());
    }
    match text(product, "productFamily") {
        "Compute Instance" | "Compute Instance (bare metal)" => {
            if let Some(why) = no_plain_machine(attributes) {
                fresh.drop(why);
            } else if let Some(usd) = price(entry, "Hrs", fresh)? {
                let read = fresh.at(region, is("instanceType"));
                match read.on_demand {
                    // Two prices of one thing: neither is believed.
                    Some(known) if (known - usd).abs() > 1e-9 => read.on_demand = Some(f64::NAN),
                    _ => read.on_demand = Some(usd),
                }
            }
        }
        _ => read_component(entry, attributes, region, fresh)?,
    }
    Ok(())
}

/// Why it is not the price of a Linux machine that anyone can start; none if it is.
fn no_plain_machine(attributes: &Value) -> Option<&'static str> {
    let is = |key: &str| text(attributes, key);
    match () {
        () if is("tenancy") != "Shared" => Some("dedicated tenancy"),
        () if is("operatingSystem") != "Linux" => Some("other systems"),
        () if !matches!(is("preInstalledSw"), "NA" | "") => Some("preinstalled software"),
        () if is("capacitystatus") != "Used" => Some("reserved and unused capacity"),
        () if !matches!(is("marketoption"), "OnDemand" | "") => Some("capacity blocks"),
        () if is("instanceType").is_empty() => Some("no type"),
        () => None,
    }
}

/// The component that a usage type is, with its unit in the API and here.
fn component(usage: &str) -> Option<(&'static str, &'static str, &'static str)> {
    const KNOWN: [(&str, &str, &str, &str); 4] = [
        ("AmazonEKS-Hours:perCluster", "eks-cluster", "Hours", "hour"),
        ("NatGateway-Hours", "nat-gateway", "Hrs", "hour"),
        ("EBS:VolumeUsage.gp3", "ebs-gp3", "GB-Mo", "GB-month"),
        ("PublicIPv4:InUseAddress", "public-ipv4", "Hrs", "hour"),
    ];
    // `USE1-AmazonEKS-Hours:perCluster`; without the prefix in the oldest region.
    let met = |suffix: &str| usage == suffix || usage.strip_suffix(suffix).is_some_and(|head| head.ends_with('-'));
    KNOWN.into_iter().find(|known| met(known.0)).map(|(_, name, theirs, ours)| (name, theirs, ours))
}

fn read_component(entry: &Value, attributes: &Value, region: &str, fresh: &mut Fresh) -> Result<(), Unreadable> {
    let Some((name, theirs, unit)) = component(text(attributes, "usagetype")) else {
        fresh.drop("other products");
        return Ok(());
    };
    if let Some(usd) = price(entry, theirs, fresh)? {
        let (region, name, unit) = (region.to_owned(), name.to_owned(), unit.to_owned());
        fresh.components.push(ReadComponent { region, name, unit, usd });
    }
    Ok(())
}

/// The first price above zero of the on-demand terms: a free tier comes before it.
fn price(entry: &Value, unit: &str, fresh: &mut Fresh) -> Result<Option<f64>, Unreadable> {
    let terms = entry.pointer("/terms/OnDemand").and_then(Value::as_object);
    let dimensions = terms.into_iter().flat_map(|terms| terms.values());
    let dimensions = dimensions.filter_map(|term| term.get("priceDimensions")?.as_object());
    let mut tiers: Vec<(f64, f64)> = Vec::new();
    for dimension in dimensions.flat_map(|it| it.values()).filter(|it| same_unit(text(it, "unit"), unit)) {
        let prices = dimension.get("pricePerUnit").and_then(Value::as_object);
        let prices = prices.ok_or_else(|| Unreadable::Shape("a term has no price".to_owned()))?;
        let Some(usd) = prices.get("USD").and_then(Value::as_str) else {
            return Err(Unreadable::Currency(
                prices.keys().next().cloned().unwrap_or_else(|| "no currency".to_owned()),
            ));
        };
        let usd: f64 = usd.parse().map_err(|_| Unreadable::Shape(format!("`{usd}` is no price")))?;
        tiers.push((text(dimension, "beginRange").parse().unwrap_or_default(), usd));
    }
    tiers.sort_by(|a, b| a.0.total_cmp(&b.0));
    let found = tiers.into_iter().map(|(_, usd)| usd).find(|usd| *usd > 0.0);
    if found.is_none() {
        fresh.drop("no price");
    }
    Ok(found)
}

/// The same unit is written `Hrs`, `Hours` and `hours`.
fn same_unit(one: &str, other: &str) -> bool {
    let short = |unit: &str| match unit.to_ascii_lowercase().as_str() {
        "hrs" | "hours" | "hour" => "hours".to_owned(),
        unit => unit.to_owned(),
    };
    short(one) == short(other)
}

/// One row of the spot history.
#[derive(Debug, Clone, PartialEq)]
pub struct SpotRow<'a> {
    /// Machine type.
    pub name: &'a str,
    /// `Linux/UNIX`.
    pub product: &'a str,
    /// `us-east-1a`; local zones are longer.
    pub zone: &'a str,
    /// USD an hour, as it is written.
    pub price: &'a str,
}

/// Reads rows of a region's spot history as of now: the cheapest of its own zones stands.
///
/// # Errors
/// A price that is no number.
pub fn read_spot<'a>(
    region: &str,
    rows: impl IntoIterator<Item = SpotRow<'a>>,
    fresh: &mut Fresh,
) -> Result<(), Unreadable> {
    for row in rows {
        let own = row.zone.strip_prefix(region).is_some_and(|zone| zone.len() == 1);
        let usd: f64 = row.price.parse().map_err(|_| Unreadable::Shape(format!("`{}` is no spot price", row.price)))?;
        let why = match () {
            () if !row.product.starts_with("Linux/UNIX") => Some("other systems"),
            () if !own => Some("local and wavelength zones"),
            () if usd <= 0.0 => Some("no price"),
            () => None,
        };
        match why {
            Some(why) => fresh.drop(why),
            None => Fresh::least(&mut fresh.at(region, row.name).spot, usd),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn product(changes: &[(&str, &str)], family: &str, unit: &str, usd: &str) -> Value {
        let mut attributes = json!({"instanceType": "m5.large", "regionCode": "us-east-1", "locationType": "AWS Region",
            "location": "US East (N. Virginia)", "operatingSystem": "Linux", "preInstalledSw": "NA", "tenancy": "Shared",
            "capacitystatus": "Used", "marketoption": "OnDemand", "usagetype": "BoxUsage:m5.large", "vcpu": "2",
            "memory": "8 GiB", "operation": "RunInstances", "servicecode": "AmazonEC2"});
        for (key, value) in changes {
            attributes[*key] = json!(value);
        }
        json!({"serviceCode": "AmazonEC2", "version": "20260720", "product": {"sku": "2MRMUQAPNC9Y7D9E",
            "productFamily": family, "attributes": attributes},
            "terms": {"OnDemand": {"2MRMUQAPNC9Y7D9E.JRTCKXETXF": {"sku": "2MRMUQAPNC9Y7D9E", "offerTermCode": "JRTCKXETXF",
                "effectiveDate": "2026-07-01T00:00:00Z", "termAttributes": {}, "priceDimensions": {
                "2MRMUQAPNC9Y7D9E.JRTCKXETXF.6YS6EN2CT7": {"unit": unit, "beginRange": "0", "endRange": "Inf",
                    "description": "per On Demand Linux", "appliesTo": [], "pricePerUnit": {"USD": usd}}}}},
              "Reserved": {"2MRMUQAPNC9Y7D9E.4NA7Y494T4": {"priceDimensions": {"x": {"unit": "Hrs", "pricePerUnit": {"USD": "0.0600000000"}}}}}}})
    }

    fn machine(changes: &[(&str, &str)], usd: &str) -> Value {
        product(changes, "Compute Instance", "Hrs", usd)
    }

    fn page(products: &[Value]) -> Value {
        let list: Vec<String> = products.iter().map(Value::to_string).collect();
        json!({"FormatVersion": "aws_v1", "PriceList": list})
    }

    fn read(products: &[Value]) -> Fresh {
        let mut fresh = Fresh::default();
        assert_eq!(read_page(&page(products), &mut fresh), Ok(None));
        fresh
    }

    fn usd(fresh: &Fresh, name: &str) -> Option<f64> {
        fresh.machines.get(&("us-east-1".to_owned(), name.to_owned()))?.on_demand
    }

    #[test]
    fn a_dedicated_price_is_not_the_machines_price_even_where_the_filter_was_ignored() {
        // Who takes the last, or the first, has 0.102 or 0.188.
        let fresh = read(&[
            machine(&[("tenancy", "Dedicated")], "0.1020000000"),
            machine(&[], "0.0960000000"),
            machine(&[("tenancy", "Host")], "0.0000000000"),
            machine(&[("operatingSystem", "Windows")], "0.1880000000"),
            machine(&[("preInstalledSw", "SQL Std")], "0.5760000000"),
            machine(&[("capacitystatus", "UnusedCapacityReservation")], "0.0970000000"),
            machine(&[("marketoption", "CapacityBlock")], "0.0500000000"),
            machine(&[("capacitystatus", "AllocatedCapacityReservation")], "0.0000000000"),
        ]);
        assert_eq!(usd(&fresh, "m5.large"), Some(0.096));
        assert_eq!(fresh.machines.len(), 1);
        assert_eq!(fresh.dropped["dedicated tenancy"], 2);
    }

    #[test]
    fn bare_metal_is_a_family_of_its_own() {
        let metal = |tenancy: &str, usd: &str| {
            let changes = [("instanceType", "c6g.metal"), ("tenancy", tenancy)];
            product(&changes, "Compute Instance (bare metal)", "Hrs", usd)
        };
        let fresh = read(&[metal("Dedicated", "2.3066000000"), metal("Shared", "2.1760000000")]);
        assert_eq!(usd(&fresh, "c6g.metal"), Some(2.176));
    }

    #[test]
    fn a_local_zone_under_its_parent_region_is_not_the_region() {
        let local = [("locationType", "AWS Local Zone"), ("usagetype", "ATL2-BoxUsage:m5.large")];
        let fresh = read(&[machine(&local, "0.1200000000"), machine(&[], "0.0960000000")]);
        assert_eq!(usd(&fresh, "m5.large"), Some(0.096));
    }

    #[test]
    fn two_prices_of_one_thing_are_none() {
        let fresh = read(&[machine(&[], "0.0960000000"), machine(&[], "0.0990000000")]);
        assert!(usd(&fresh, "m5.large").is_some_and(f64::is_nan));
    }

    #[test]
    fn components_are_known_by_their_usage_and_a_free_tier_is_not_their_price() {
        let eks = product(&[("usagetype", "USE1-AmazonEKS-Hours:perCluster")], "Compute", "hours", "0.1000000000");
        let mut address =
            product(&[("usagetype", "PublicIPv4:InUseAddress")], "VpcPublicIPv4Address", "Hrs", "0.0050000000");
        let term = "/terms/OnDemand/2MRMUQAPNC9Y7D9E.JRTCKXETXF/priceDimensions";
        let dimensions = address.pointer_mut(term).unwrap();
        let mut free = dimensions["2MRMUQAPNC9Y7D9E.JRTCKXETXF.6YS6EN2CT7"].clone();
        dimensions["2MRMUQAPNC9Y7D9E.JRTCKXETXF.6YS6EN2CT7"]["beginRange"] = json!("750");
        (free["endRange"], free["pricePerUnit"]["USD"]) = (json!("750"), json!("0.0000000000"));
        dimensions["2MRMUQAPNC9Y7D9E.JRTCKXETXF.FREE"] = free;
        let bytes = product(&[("usagetype", "NatGateway-Bytes")], "NAT Gateway", "GB", "0.0450000000");
        let nat = product(&[("usagetype", "NatGateway-Hours")], "NAT Gateway", "Hrs", "0.0450000000");
        let other =
            product(&[("usagetype", "USE1-AmazonEKS-Hours:extendedSupport")], "Compute", "hours", "0.5000000000");
        let fresh = read(&[eks, address, bytes, nat, other]);
        let found: Vec<(&str, f64)> = fresh.components.iter().map(|it| (it.name.as_str(), it.usd)).collect();
        assert_eq!(found, [("eks-cluster", 0.1), ("public-ipv4", 0.005), ("nat-gateway", 0.045)]);
    }

    #[test]
    fn zero_prices_another_currency_and_half_an_answer() {
        assert_eq!(read(&[machine(&[], "0.0000000000")]).dropped["no price"], 1);
        let mut fresh = Fresh::default();
        let mut chinese = machine(&[], "0.6");
        *chinese
            .pointer_mut("/terms/OnDemand/2MRMUQAPNC9Y7D9E.JRTCKXETXF/priceDimensions/2MRMUQAPNC9Y7D9E.JRTCKXETXF.6YS6EN2CT7/pricePerUnit")
            .unwrap() = json!({"CNY": "0.6880000000"});
        assert_eq!(read_page(&page(&[chinese]), &mut fresh), Err(Unreadable::Currency("CNY".to_owned())));
        for wrong in
            [json!({}), json!({"PriceList": "x"}), json!({"PriceList": ["{\"product\":"]}), json!({"PriceList": [{}]})]
        {
            assert!(matches!(read_page(&wrong, &mut fresh), Err(Unreadable::Shape(_))), "{wrong}");
        }
        let more = json!({"PriceList": [], "NextToken": "aws_v1:2"});
        assert_eq!(read_page(&more, &mut fresh), Ok(Some("aws_v1:2".to_owned())));
    }

    #[test]
    fn spot_is_the_cheapest_zone_of_the_region_itself() {
        let row = |zone, product, price| SpotRow { name: "m5.large", product, zone, price };
        let mut fresh = Fresh::default();
        let rows = [
            row("us-east-1a", "Linux/UNIX", "0.0410"),
            row("us-east-1-atl-2a", "Linux/UNIX", "0.0100"),
            row("us-east-1b", "Windows", "0.0200"),
            row("us-east-1c", "Linux/UNIX", "0.0390"),
            row("us-east-1d", "Linux/UNIX", "0.0000"),
            row("us-east-1a", "Red Hat Enterprise Linux", "0.0300"),
        ];
        read_spot("us-east-1", rows, &mut fresh).unwrap();
        assert_eq!(fresh.machines[&("us-east-1".to_owned(), "m5.large".to_owned())].spot, Some(0.039));
        assert!(read_spot("us-east-1", [row("us-east-1a", "Linux/UNIX", "cheap")], &mut fresh).is_err());
    }
}
