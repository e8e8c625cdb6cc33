//! AWS's Price List (`GetProducts`) and the rows of EC2's spot history.

use crate::{
    cost::{InstancePrice, catalogue},
    model::{Cloud, Region},
    sandbox::{
        aws::{ApiError, CallCx, Protocol, Reply, Service},
        world::Scope,
    },
};
use serde::Deserialize;
use serde_json::{Value, json};

/// The service.
pub(in crate::sandbox) struct Pricing;

const INVALID: &str = "InvalidParameterException";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct GetProducts {
    service_code: String,
    format_version: Option<String>,
    #[serde(default)]
    filters: Vec<Filter>,
    max_results: Option<usize>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Filter {
    r#type: String,
    field: String,
    value: String,
}

impl Service for Pricing {
    fn name(&self) -> &'static str {
        "pricing"
    }

    fn protocol(&self, _: Option<&str>) -> Protocol {
        Protocol::Json("AWSPriceListService")
    }

    fn call(&self, cx: &mut CallCx<'_, '_>) -> Result<Reply, ApiError> {
        if cx.op != "GetProducts" {
            return Err(cx.unknown_operation());
        }
        if !["us-east-1", "eu-central-1", "ap-south-1"].contains(&cx.scope.region.as_str()) {
            return Err(ApiError::bad(INVALID, "The Price List is not served from this region"));
        }
        let input: GetProducts = cx.json(INVALID)?;
        if input.format_version.as_deref().is_some_and(|version| version != "aws_v1") {
            return Err(ApiError::bad(INVALID, "Unknown format version"));
        }
        let most = input.max_results.unwrap_or(100);
        if !(1..=100).contains(&most) {
            return Err(ApiError::bad(INVALID, "MaxResults must be between 1 and 100"));
        }
        let bad = || ApiError::bad("ExpiredNextTokenException", "The pagination token is invalid");
        let from: usize = match &input.next_token {
            Some(token) => token.strip_prefix("aws_v1:").and_then(|at| at.parse().ok()).ok_or_else(bad)?,
            None => 0,
        };
        if let Some(filter) = input.filters.iter().find(|filter| filter.r#type != "TERM_MATCH") {
            return Err(ApiError::bad(INVALID, format!("Unknown filter type {}", filter.r#type)));
        }
        let wanted = |field: &str| input.filters.iter().find(|it| it.field == field).map(|it| it.value.as_str());
        let region = wanted("regionCode")
            .ok_or_else(|| ApiError::bad(INVALID, "the pretend vendor answers for one regionCode at a time"))?;
        let all = match input.service_code.as_str() {
            "AmazonEC2" if wanted("productFamily").is_some() => components(region),
            "AmazonEC2" => machines(region, wanted("instanceType")),
            "AmazonEKS" | "AmazonVPC" => components(region),
            _ => return Err(ApiError::bad("NotFoundException", "No such service")),
        };
        let fits = |entry: &Value| {
            let product = &entry["product"];
            entry["serviceCode"] == json!(input.service_code)
                && input.filters.iter().all(|it| match it.field.as_str() {
                    "productFamily" => product["productFamily"] == json!(it.value),
                    field => product["attributes"][field] == json!(it.value),
                })
        };
        let mut rest = all.iter().filter(|entry| fits(entry)).skip(from);
        let list: Vec<String> = rest.by_ref().take(most).map(Value::to_string).collect();
        let mut reply = json!({"FormatVersion": "aws_v1", "PriceList": list});
        if rest.next().is_some() {
            reply["NextToken"] = json!(format!("aws_v1:{}", from + most));
        }
        Ok(reply.into())
    }
}

/// A product with one price for every tier given: where it begins, and USD.
fn product(service: &str, family: &str, attributes: Value, unit: &str, tiers: &[(&str, f64)]) -> Value {
    let sku = "2MRMUQAPNC9Y7D9E";
    let term = format!("{sku}.JRTCKXETXF");
    let dimensions: serde_json::Map<String, Value> = tiers
        .iter()
        .enumerate()
        .map(|(at, (from, usd))| {
            let price = json!({"unit": unit, "beginRange": from, "endRange": "Inf", "description": "", "appliesTo": [],
                "rateCode": term, "pricePerUnit": {"USD": format!("{usd:.10}")}});
            (format!("{term}.6YS6EN2CT{at}"), price)
        })
        .collect();
    json!({"serviceCode": service, "version": "20260720000000", "publicationDate": "2026-07-20T00:00:00Z",
        "product": {"sku": sku, "productFamily": family, "attributes": attributes},
        "terms": {"OnDemand": {&term: {"sku": sku, "offerTermCode": "JRTCKXETXF", "effectiveDate": "2026-07-01T00:00:00Z",
            "termAttributes": {}, "priceDimensions": dimensions}}}})
}

fn machines(region: &str, only: Option<&str>) -> Vec<Value> {
    let region = Region(region.to_owned());
    let all = catalogue().instances_in(Cloud::Aws, &region);
    all.filter(|price| only.is_none_or(|only| only == price.machine.name))
        .flat_map(|price| of_machine(&price))
        .collect()
}

/// A machine in all its ways to be had, the plain one among them.
fn of_machine(price: &InstancePrice<'_>) -> Vec<Value> {
    let name = price.machine.name;
    let family = if name.contains("metal") { "Compute Instance (bare metal)" } else { "Compute Instance" };
    let with = |changes: &[(&str, &str)], usd: f64| {
        let mut attributes = json!({"instanceType": name, "regionCode": price.region, "locationType": "AWS Region",
            "location": price.region, "operatingSystem": "Linux", "preInstalledSw": "NA", "tenancy": "Shared",
            "capacitystatus": "Used", "marketoption": "OnDemand", "usagetype": format!("BoxUsage:{name}"),
            "vcpu": price.machine.vcpus.to_string(), "memory": format!("{} GiB", price.machine.memory_gib),
            "operation": "RunInstances", "servicecode": "AmazonEC2", "servicename": "Amazon Elastic Compute Cloud"});
        for (key, value) in changes {
            attributes[*key] = json!(value);
        }
        product("AmazonEC2", family, attributes, "Hrs", &[("0", usd)])
    };
    let usd = price.on_demand * if name == super::DEARER.0 { super::DEARER.1 } else { 1.0 };
    vec![
        with(&[("tenancy", "Dedicated")], usd * 1.06),
        with(&[("operatingSystem", "Windows")], usd * 1.9),
        // What no filter of machines keeps away: a local zone under its parent region.
        with(&[("locationType", "AWS Local Zone")], usd * 1.25),
        with(&[], usd),
        with(&[("tenancy", "Host")], 0.0),
        with(&[("preInstalledSw", "SQL Std")], usd * 5.0),
        with(&[("capacitystatus", "UnusedCapacityReservation")], usd),
        with(&[("capacitystatus", "AllocatedCapacityReservation")], 0.0),
        with(&[("marketoption", "CapacityBlock")], usd * 0.6),
    ]
}

fn components(region: &str) -> Vec<Value> {
    let usd = |name: &str| catalogue().component(Cloud::Aws, &Region(region.to_owned()), name).map(|price| price.usd);
    let one = |service: &str, family: &str, usage: &str, unit: &str, tiers: &[(&str, f64)]| {
        let attributes = json!({"regionCode": region, "locationType": "AWS Region", "location": region,
            "usagetype": format!("USE1-{usage}"), "servicecode": service});
        product(service, family, attributes, unit, tiers)
    };
    let known = |name: &str| usd(name).unwrap_or_default();
    vec![
        one("AmazonEKS", "Compute", "AmazonEKS-Hours:extendedSupport", "hours", &[("0", 0.5)]),
        one("AmazonEKS", "Compute", "AmazonEKS-Hours:perCluster", "hours", &[("0", known("eks-cluster"))]),
        one("AmazonEKS", "Compute", "Fargate-vCPU-Hours:perCPU", "hours", &[("0", 0.04048)]),
        one("AmazonEC2", "NAT Gateway", "NatGateway-Bytes", "GB", &[("0", 0.045)]),
        one("AmazonEC2", "NAT Gateway", "NatGateway-Hours", "Hrs", &[("0", known("nat-gateway"))]),
        one("AmazonEC2", "Storage", "EBS:VolumeUsage.gp2", "GB-Mo", &[("0", 0.1)]),
        one("AmazonEC2", "Storage", "EBS:VolumeUsage.gp3", "GB-Mo", &[("0", known("ebs-gp3"))]),
        one("AmazonVPC", "VpcPublicIPv4Address", "PublicIPv4:IdleAddress", "Hrs", &[("0", 0.005)]),
        one(
            "AmazonVPC",
            "VpcPublicIPv4Address",
            "PublicIPv4:InUseAddress",
            "Hrs",
            &[("0", 0.0), ("750", known("public-ipv4"))],
        ),
    ]
}

/// Every row of a region's spot history as of now: one a zone, those of a local zone among them. `zones` are its own.
pub(in crate::sandbox) fn spot_rows(scope: &Scope, zones: &[String], now: &str) -> Vec<Value> {
    let row = |name: &str, product: &str, zone: &str, usd: f64| {
        json!({"instanceType": name, "productDescription": product, "spotPrice": format!("{usd:.6}"), "timestamp": now,
            "availabilityZone": zone})
    };
    let local = format!("{}-atl-2a", scope.region);
    let mut rows = Vec::new();
    for price in catalogue().instances_in(Cloud::Aws, &Region(scope.region.clone())) {
        let (name, Some(spot)) = (price.machine.name, price.spot) else { continue };
        for (at, zone) in zones.iter().enumerate() {
            // The cheapest is not the first.
            let usd = if at + 1 == zones.len() { spot } else { spot * (1.1 + at as f64 / 10.0) };
            rows.push(row(name, "Linux/UNIX", zone, usd));
            rows.push(row(name, "Windows", zone, usd * 0.9));
        }
        rows.push(row(name, "Linux/UNIX", &local, spot * 0.5));
    }
    rows
}
