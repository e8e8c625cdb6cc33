//! The locations that a subscription of the public cloud has, and which of them have zones; as of 2026-11.

use super::wire::ArmError;
use serde_json::{Value, json};

/// Name, display name, geography, latitude and longitude, whether it has zones.
type Row = (&'static str, &'static str, &'static str, (&'static str, &'static str), bool);

/// Locations by name.
pub const LOCATIONS: &[Row] = &[
    ("australiacentral", "Australia Central", "Asia Pacific", ("-35.3075", "149.1244"), false),
    ("australiaeast", "Australia East", "Asia Pacific", ("-33.86", "151.2094"), true),
    ("australiasoutheast", "Australia Southeast", "Asia Pacific", ("-37.8136", "144.9631"), false),
    ("brazilsouth", "Brazil South", "South America", ("-23.55", "-46.633"), true),
    ("canadacentral", "Canada Central", "Canada", ("43.653", "-79.383"), true),
    ("canadaeast", "Canada East", "Canada", ("46.817", "-71.217"), false),
    ("centralindia", "Central India", "Asia Pacific", ("18.5822", "73.9197"), true),
    ("centralus", "Central US", "US", ("41.5908", "-93.6208"), true),
    ("eastasia", "East Asia", "Asia Pacific", ("22.267", "114.188"), true),
    ("eastus", "East US", "US", ("37.3719", "-79.8164"), true),
    ("eastus2", "East US 2", "US", ("36.6681", "-78.3889"), true),
    ("francecentral", "France Central", "Europe", ("46.3772", "2.373"), true),
    ("germanywestcentral", "Germany West Central", "Europe", ("50.110924", "8.682127"), true),
    ("israelcentral", "Israel Central", "Middle East", ("31.2655698", "33.4506633"), true),
    ("italynorth", "Italy North", "Europe", ("45.46888", "9.18109"), true),
    ("japaneast", "Japan East", "Asia Pacific", ("35.68", "139.77"), true),
    ("japanwest", "Japan West", "Asia Pacific", ("34.6939", "135.5022"), true),
    ("koreacentral", "Korea Central", "Asia Pacific", ("37.5665", "126.978"), true),
    ("koreasouth", "Korea South", "Asia Pacific", ("35.1796", "129.0756"), false),
    ("mexicocentral", "Mexico Central", "Mexico", ("20.588818", "-100.389888"), true),
    ("newzealandnorth", "New Zealand North", "Asia Pacific", ("-36.84853", "174.76349"), true),
    ("northcentralus", "North Central US", "US", ("41.8819", "-87.6278"), false),
    ("northeurope", "North Europe", "Europe", ("53.3478", "-6.2597"), true),
    ("norwayeast", "Norway East", "Europe", ("59.913868", "10.752245"), true),
    ("polandcentral", "Poland Central", "Europe", ("52.23334", "21.01666"), true),
    ("qatarcentral", "Qatar Central", "Middle East", ("25.551462", "51.439327"), true),
    ("southafricanorth", "South Africa North", "Africa", ("-25.73134", "28.21837"), true),
    ("southcentralus", "South Central US", "US", ("29.4167", "-98.5"), true),
    ("southeastasia", "Southeast Asia", "Asia Pacific", ("1.283", "103.833"), true),
    ("southindia", "South India", "Asia Pacific", ("12.9822", "80.1636"), false),
    ("spaincentral", "Spain Central", "Europe", ("40.4259", "3.4209"), true),
    ("swedencentral", "Sweden Central", "Europe", ("60.67488", "17.14127"), true),
    ("switzerlandnorth", "Switzerland North", "Europe", ("47.451542", "8.564572"), true),
    ("uaenorth", "UAE North", "Middle East", ("25.266666", "55.316666"), true),
    ("uksouth", "UK South", "Europe", ("50.941", "-0.799"), true),
    ("ukwest", "UK West", "Europe", ("53.427", "-3.084"), false),
    ("westcentralus", "West Central US", "US", ("40.89", "-110.234"), false),
    ("westeurope", "West Europe", "Europe", ("52.3667", "4.9"), true),
    ("westindia", "West India", "Asia Pacific", ("19.088", "72.868"), false),
    ("westus", "West US", "US", ("37.783", "-122.417"), false),
    ("westus2", "West US 2", "US", ("47.233", "-119.852"), true),
    ("westus3", "West US 3", "US", ("33.448376", "-112.074036"), true),
];

/// A location's name as ARM keeps it: `East US` is `eastus`.
pub fn normal(location: &str) -> String {
    location.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_ascii_lowercase()
}

/// Whether there is such a location.
pub fn exists(location: &str) -> bool {
    row(location).is_some()
}

fn row(location: &str) -> Option<&'static Row> {
    let name = normal(location);
    LOCATIONS.iter().find(|row| row.0 == name)
}

/// Its zones: `1`, `2`, `3`, or none.
pub fn zones(location: &str) -> &'static [&'static str] {
    if row(location).is_some_and(|row| row.4) { &["1", "2", "3"] } else { &[] }
}

/// The location a body names, as ARM keeps it.
///
/// # Errors
/// There is no such location for this type.
pub fn of_body(body: &Value, kind: &str) -> Result<String, ArmError> {
    let said = body["location"].as_str().unwrap_or_default();
    if exists(said) {
        return Ok(normal(said));
    }
    let all: Vec<&str> = LOCATIONS.iter().map(|row| row.0).collect();
    let message = format!(
        "The provided location '{said}' is not available for resource type '{kind}'. List of available regions for the resource type is '{}'.",
        all.join(",")
    );
    Err(ArmError::bad("LocationNotAvailableForResourceType", message))
}

/// The location as `locations` lists it.
pub fn view(subscription: &str, row: &Row) -> Value {
    let (name, display, geography, (latitude, longitude), zoned) = row;
    let mut shown = json!({
        "id": format!("/subscriptions/{subscription}/locations/{name}"),
        "name": name,
        "type": "Region",
        "displayName": display,
        "regionalDisplayName": format!("({geography}) {display}"),
        "metadata": {
            "regionType": "Physical",
            "regionCategory": if *zoned { "Recommended" } else { "Other" },
            "geographyGroup": geography,
            "longitude": longitude,
            "latitude": latitude,
        },
    });
    if *zoned {
        let mapping = |zone: &str| json!({"logicalZone": zone, "physicalZone": format!("{name}-az{zone}")});
        shown["availabilityZoneMappings"] = ["1", "2", "3"].into_iter().map(mapping).collect();
    }
    shown
}
