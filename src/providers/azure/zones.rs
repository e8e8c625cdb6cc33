//! Availability zones: `1`, `2`, `3` where a region has them, and regions without any.
//!
//! ARM tells a region's zones only through what is offered in them ([`super::skus`]); the table here is for where it
//! cannot be asked.

use crate::cost::catalogue;
use crate::model::{Cloud, Region};

/// The zones of every region that has some.
pub const ALL: [&str; 3] = ["1", "2", "3"];

/// Regions without zones. Azure documentation, "List of Azure regions", 2026-11.
const WITHOUT: [&str; 20] = [
    "australiacentral",
    "australiacentral2",
    "australiasoutheast",
    "brazilsoutheast",
    "canadaeast",
    "francesouth",
    "germanynorth",
    "jioindiacentral",
    "jioindiawest",
    "koreasouth",
    "northcentralus",
    "norwaywest",
    "southafricawest",
    "southindia",
    "switzerlandwest",
    "uaecentral",
    "ukwest",
    "westcentralus",
    "westindia",
    "westus",
];

/// The zones of a region as this build knows them; none for a region that it does not know.
pub fn embedded(region: &Region) -> Option<Vec<String>> {
    let name = region.as_str();
    catalogue().regions(Cloud::Azure).iter().find(|known| *known == name)?;
    let zones = if WITHOUT.contains(&name) { &[][..] } else { &ALL };
    Some(zones.iter().map(|zone| (*zone).to_owned()).collect())
}

/// A zone as it is written in ARM: node labels and other tools put the region before it (`eastus-1`).
pub fn plain<'a>(region: &Region, zone: &'a str) -> &'a str {
    zone.strip_prefix(region.as_str()).and_then(|rest| rest.strip_prefix('-')).unwrap_or(zone)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(name: &str) -> Region {
        Region(name.to_owned())
    }

    #[test]
    fn regions_have_three_zones_or_none() {
        assert_eq!(embedded(&region("eastus")).unwrap(), ALL);
        assert_eq!(embedded(&region("westus")).unwrap(), Vec::<String>::new());
        assert_eq!(embedded(&region("us-east-1")), None);
        for name in catalogue().regions(Cloud::Azure) {
            assert!([0, 3].contains(&embedded(&region(name)).unwrap().len()));
        }
    }

    #[test]
    fn zones_are_taken_as_labels_write_them() {
        assert_eq!(plain(&region("eastus"), "eastus-2"), "2");
        assert_eq!(plain(&region("eastus"), "2"), "2");
        assert_eq!(plain(&region("eastus"), "us-east-1a"), "us-east-1a");
        assert_eq!(plain(&region("eastus"), "eastus2-1"), "eastus2-1");
    }
}
