//! Regions and zones: names, zone ids, and how this account's letters are shuffled over the ids.
//!
//! Zone ids per region are from the AWS documentation (2026-11); which letter stands for which id differs from
//! account to account, so nothing may be concluded from a letter. Local Zones exist but nobody opted in.

use super::{
    Ec2, fail,
    filter::{self, Filter},
    wire::Request,
};
use crate::sandbox::{
    aws::ApiError,
    world::{Closed, Scope},
};
use serde::Deserialize;
use serde_json::{Value, json};

/// A region, the prefix of its zone ids, the letters a new account sees and the numbers of the ids behind them.
struct Region {
    name: &'static str,
    ids: &'static str,
    letters: &'static str,
    numbers: &'static [u8],
    opt_in: bool,
}

const fn region(name: &'static str, ids: &'static str) -> Region {
    Region { name, ids, letters: "abc", numbers: &[1, 2, 3], opt_in: false }
}

const fn opt_in(name: &'static str, ids: &'static str) -> Region {
    Region { name, ids, letters: "abc", numbers: &[1, 2, 3], opt_in: true }
}

const REGIONS: &[Region] = &[
    opt_in("af-south-1", "afs1"),
    opt_in("ap-east-1", "ape1"),
    opt_in("ap-east-2", "ape2"),
    Region { letters: "acd", numbers: &[1, 2, 4], ..region("ap-northeast-1", "apne1") },
    Region { letters: "abcd", numbers: &[1, 2, 3, 4], ..region("ap-northeast-2", "apne2") },
    region("ap-northeast-3", "apne3"),
    region("ap-south-1", "aps1"),
    opt_in("ap-south-2", "aps2"),
    region("ap-southeast-1", "apse1"),
    region("ap-southeast-2", "apse2"),
    opt_in("ap-southeast-3", "apse3"),
    opt_in("ap-southeast-4", "apse4"),
    opt_in("ap-southeast-5", "apse5"),
    opt_in("ap-southeast-6", "apse6"),
    opt_in("ap-southeast-7", "apse7"),
    Region { letters: "abd", numbers: &[1, 2, 4], ..region("ca-central-1", "cac1") },
    opt_in("ca-west-1", "caw1"),
    region("eu-central-1", "euc1"),
    opt_in("eu-central-2", "euc2"),
    region("eu-north-1", "eun1"),
    opt_in("eu-south-1", "eus1"),
    opt_in("eu-south-2", "eus2"),
    region("eu-west-1", "euw1"),
    region("eu-west-2", "euw2"),
    region("eu-west-3", "euw3"),
    opt_in("il-central-1", "ilc1"),
    opt_in("me-central-1", "mec1"),
    opt_in("me-south-1", "mes1"),
    opt_in("mx-central-1", "mxc1"),
    region("sa-east-1", "sae1"),
    Region { letters: "abcdef", numbers: &[1, 2, 3, 4, 5, 6], ..region("us-east-1", "use1") },
    region("us-east-2", "use2"),
    region("us-gov-east-1", "usge1"),
    region("us-gov-west-1", "usgw1"),
    Region { letters: "ac", numbers: &[1, 3], ..region("us-west-1", "usw1") },
    Region { letters: "abcd", numbers: &[1, 2, 3, 4], ..region("us-west-2", "usw2") },
];

/// Local Zones, by region: zone name, zone id, group, long name.
const LOCAL: &[(&str, &str, &str, &str, &str)] = &[
    ("us-east-1", "us-east-1-bos-1a", "use1-bos1-az1", "us-east-1-bos-1", "US East (Boston)"),
    ("us-west-2", "us-west-2-lax-1a", "usw2-lax1-az1", "us-west-2-lax-1", "US West (Los Angeles)"),
];

/// An Availability Zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Zone {
    /// `us-east-1a`.
    pub(crate) name: String,
    /// `use1-az4`: the same place for every account.
    pub(crate) id: String,
}

/// Whether AWS has this region.
pub(crate) fn is_region(name: &str) -> bool {
    REGIONS.iter().any(|region| region.name == name)
}

/// The zones an account sees in a region, by letter.
pub(crate) fn zones(scope: &Scope) -> Vec<Zone> {
    let Some(region) = REGIONS.iter().find(|region| region.name == scope.region) else { return Vec::new() };
    let mut numbers = region.numbers.to_vec();
    // The oldest place of us-east-1 is `e` for nearly everybody; the rest is shuffled by account (Fisher-Yates).
    let pinned = (region.name == "us-east-1").then_some((4, 3));
    if let Some((_, number)) = pinned {
        numbers.retain(|other| *other != number);
    }
    let mut bits = scope
        .account
        .bytes()
        .chain(region.name.bytes())
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    for last in (1..numbers.len()).rev() {
        bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        numbers.swap(last, (bits >> 33) as usize % (last + 1));
    }
    if let Some((place, number)) = pinned {
        numbers.insert(place, number);
    }
    let zone = |(letter, number): (char, &u8)| Zone {
        name: format!("{}{letter}", region.name),
        id: format!("{}-az{number}", region.ids),
    };
    region.letters.chars().zip(&numbers).map(zone).collect()
}

/// The zone named in a request, by name or id.
pub(crate) fn named(scope: &Scope, name: Option<&str>, id: Option<&str>) -> Result<Option<Zone>, ApiError> {
    let all = zones(scope);
    let (parameter, wanted) = match (name, id) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => {
            let message = "The parameters AvailabilityZone and AvailabilityZoneId cannot be used together";
            return Err(fail("InvalidParameterCombination", message));
        }
        (Some(name), None) => ("availabilityZone", name),
        (None, Some(id)) => ("availabilityZoneId", id),
    };
    let found = all.iter().find(|zone| if name.is_some() { zone.name == wanted } else { zone.id == wanted });
    match found {
        Some(zone) => Ok(Some(zone.clone())),
        None => {
            let names: Vec<_> = all.iter().map(|zone| zone.name.as_str()).collect();
            Err(fail(
                "InvalidParameterValue",
                format!(
                    "Value ({wanted}) for parameter {parameter} is invalid. Subnets can currently only be created in \
                     the following availability zones: {}.",
                    names.join(", ")
                ),
            ))
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct DescribeZones {
    #[serde(default)]
    zone_name: Vec<String>,
    #[serde(default)]
    zone_id: Vec<String>,
    #[serde(default)]
    all_availability_zones: bool,
    #[serde(default)]
    filter: Vec<Filter>,
}

pub(super) fn describe(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let wanted: DescribeZones = request.read()?;
    let region = cx.scope.region.clone();
    let mut rows: Vec<Value> = zones(&cx.scope)
        .into_iter()
        .map(|zone| {
            json!({
                "optInStatus": "opt-in-not-required", "messageSet": [], "regionName": region, "zoneName": zone.name,
                "zoneId": zone.id, "groupName": format!("{region}-zg-1"), "networkBorderGroup": region,
                "zoneType": "availability-zone", "zoneState": "available",
            })
        })
        .collect();
    if wanted.all_availability_zones {
        let parent = zones(&cx.scope).into_iter().next();
        rows.extend(LOCAL.iter().filter(|(of, ..)| *of == region).map(|(_, name, id, group, long)| {
            json!({
                "optInStatus": "not-opted-in", "messageSet": [], "regionName": region, "zoneName": name, "zoneId": id,
                "groupName": group, "groupLongName": long, "networkBorderGroup": group, "zoneType": "local-zone",
                "parentZoneName": parent.as_ref().map(|zone| &zone.name),
                "parentZoneId": parent.as_ref().map(|zone| &zone.id), "zoneState": "available",
            })
        }));
    }
    for (field, names) in [("zoneName", &wanted.zone_name), ("zoneId", &wanted.zone_id)] {
        if let Some(unknown) = names.iter().find(|name| rows.iter().all(|row| row[field] != ***name)) {
            return Err(fail("InvalidParameterValue", format!("Invalid availability zone: [{unknown}]")));
        }
        if !names.is_empty() {
            rows.retain(|row| names.iter().any(|name| row[field] == **name));
        }
    }
    let known = &[
        ("group-long-name", "groupLongName"),
        ("group-name", "groupName"),
        ("message", "messageSet.message"),
        ("opt-in-status", "optInStatus"),
        ("parent-zone-id", "parentZoneId"),
        ("parent-zone-name", "parentZoneName"),
        ("region-name", "regionName"),
        ("state", "zoneState"),
        ("zone-id", "zoneId"),
        ("zone-name", "zoneName"),
        ("zone-type", "zoneType"),
    ];
    Ok(json!({"availabilityZoneInfo": filter::keep(rows, &wanted.filter, known)?}))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct DescribeRegions {
    #[serde(default)]
    region_name: Vec<String>,
    #[serde(default)]
    all_regions: bool,
    #[serde(default)]
    filter: Vec<Filter>,
}

pub(super) fn describe_regions(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let wanted: DescribeRegions = request.read()?;
    let gov = |name: &str| name.starts_with("us-gov-");
    let here = gov(&cx.scope.region);
    if let Some(unknown) = wanted.region_name.iter().find(|name| !is_region(name) || gov(name) != here) {
        return Err(fail("InvalidParameterValue", format!("Invalid region provided: {unknown}")));
    }
    let closed = cx.tx.in_force().closed.clone();
    let is_off = |name: &str| closed.get(name) == Some(&Closed::Off);
    let rows = REGIONS
        .iter()
        .filter(|region| gov(region.name) == here && (wanted.all_regions || !is_off(region.name)))
        .filter(|region| wanted.region_name.is_empty() || wanted.region_name.iter().any(|name| name == region.name))
        .map(|region| {
            json!({
                "regionName": region.name, "regionEndpoint": format!("ec2.{}.amazonaws.com", region.name),
                "optInStatus": match region.opt_in {
                    _ if is_off(region.name) => "not-opted-in",
                    true => "opted-in",
                    false => "opt-in-not-required",
                },
            })
        })
        .collect();
    let known = &[("endpoint", "regionEndpoint"), ("opt-in-status", "optInStatus"), ("region-name", "regionName")];
    Ok(json!({"regionInfo": filter::keep(rows, &wanted.filter, known)?}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_shuffled_over_ids_but_complete() {
        let one = zones(&Scope::new("111111111111", "us-east-1"));
        assert_eq!(one.len(), 6);
        assert_eq!((one[4].name.as_str(), one[4].id.as_str()), ("us-east-1e", "use1-az3"));
        let mut ids: Vec<_> = one.iter().map(|zone| zone.id.clone()).collect();
        ids.sort();
        assert_eq!(ids, ["use1-az1", "use1-az2", "use1-az3", "use1-az4", "use1-az5", "use1-az6"]);
        let accounts = ["111111111111", "222222222222", "333333333333", "444444444444", "555555555555"];
        assert!(accounts.iter().any(|account| zones(&Scope::new(*account, "us-east-1")) != one));
        assert!(zones(&Scope::new("111111111111", "mars-1")).is_empty());
    }
}
