//! What people call the clouds' regions. For lists and completion; nothing is decided by it.

use super::{Cloud, Region};

/// The city or area of a region, where it is known.
pub fn city(cloud: Cloud, region: &Region) -> Option<&'static str> {
    let table = match cloud {
        Cloud::Aws => AWS,
        Cloud::Gcp => GCP,
        Cloud::Azure => AZURE,
    };
    table.iter().find(|(name, _)| *name == region.as_str()).map(|(_, city)| *city)
}

const AWS: &[(&str, &str)] = &[
    ("af-south-1", "Cape Town"),
    ("ap-east-1", "Hong Kong"),
    ("ap-east-2", "Taipei"),
    ("ap-northeast-1", "Tokyo"),
    ("ap-northeast-2", "Seoul"),
    ("ap-northeast-3", "Osaka"),
    ("ap-south-1", "Mumbai"),
    ("ap-south-2", "Hyderabad"),
    ("ap-southeast-1", "Singapore"),
    ("ap-southeast-2", "Sydney"),
    ("ap-southeast-3", "Jakarta"),
    ("ap-southeast-4", "Melbourne"),
    ("ap-southeast-5", "Malaysia"),
    ("ap-southeast-6", "New Zealand"),
    ("ap-southeast-7", "Thailand"),
    ("ca-central-1", "Montreal"),
    ("ca-west-1", "Calgary"),
    ("eu-central-1", "Frankfurt"),
    ("eu-central-2", "Zurich"),
    ("eu-north-1", "Stockholm"),
    ("eu-south-1", "Milan"),
    ("eu-south-2", "Spain"),
    ("eu-west-1", "Ireland"),
    ("eu-west-2", "London"),
    ("eu-west-3", "Paris"),
    ("il-central-1", "Tel Aviv"),
    ("me-central-1", "UAE"),
    ("me-south-1", "Bahrain"),
    ("mx-central-1", "Mexico"),
    ("sa-east-1", "Sao Paulo"),
    ("us-east-1", "N. Virginia"),
    ("us-east-2", "Ohio"),
    ("us-gov-east-1", "GovCloud East"),
    ("us-gov-west-1", "GovCloud West"),
    ("us-west-1", "N. California"),
    ("us-west-2", "Oregon"),
];

const GCP: &[(&str, &str)] = &[
    ("africa-south1", "Johannesburg"),
    ("asia-east1", "Taiwan"),
    ("asia-east2", "Hong Kong"),
    ("asia-northeast1", "Tokyo"),
    ("asia-northeast2", "Osaka"),
    ("asia-northeast3", "Seoul"),
    ("asia-south1", "Mumbai"),
    ("asia-south2", "Delhi"),
    ("asia-southeast1", "Singapore"),
    ("asia-southeast2", "Jakarta"),
    ("australia-southeast1", "Sydney"),
    ("australia-southeast2", "Melbourne"),
    ("europe-central2", "Warsaw"),
    ("europe-north1", "Finland"),
    ("europe-north2", "Stockholm"),
    ("europe-southwest1", "Madrid"),
    ("europe-west1", "Belgium"),
    ("europe-west10", "Berlin"),
    ("europe-west12", "Turin"),
    ("europe-west2", "London"),
    ("europe-west3", "Frankfurt"),
    ("europe-west4", "Netherlands"),
    ("europe-west6", "Zurich"),
    ("europe-west8", "Milan"),
    ("europe-west9", "Paris"),
    ("me-central1", "Doha"),
    ("me-central2", "Dammam"),
    ("me-west1", "Tel Aviv"),
    ("northamerica-northeast1", "Montreal"),
    ("northamerica-northeast2", "Toronto"),
    ("northamerica-south1", "Mexico"),
    ("southamerica-east1", "Sao Paulo"),
    ("southamerica-west1", "Santiago"),
    ("us-central1", "Iowa"),
    ("us-east1", "South Carolina"),
    ("us-east4", "N. Virginia"),
    ("us-east5", "Columbus"),
    ("us-south1", "Dallas"),
    ("us-west1", "Oregon"),
    ("us-west2", "Los Angeles"),
    ("us-west3", "Salt Lake City"),
    ("us-west4", "Las Vegas"),
];

const AZURE: &[(&str, &str)] = &[
    ("australiacentral", "Canberra"),
    ("australiaeast", "New South Wales"),
    ("australiasoutheast", "Victoria"),
    ("brazilsouth", "Sao Paulo"),
    ("canadacentral", "Toronto"),
    ("canadaeast", "Quebec"),
    ("centralindia", "Pune"),
    ("centralus", "Iowa"),
    ("eastasia", "Hong Kong"),
    ("eastus", "Virginia"),
    ("eastus2", "Virginia"),
    ("francecentral", "Paris"),
    ("germanywestcentral", "Frankfurt"),
    ("israelcentral", "Israel"),
    ("italynorth", "Milan"),
    ("japaneast", "Tokyo"),
    ("japanwest", "Osaka"),
    ("koreacentral", "Seoul"),
    ("northcentralus", "Illinois"),
    ("northeurope", "Ireland"),
    ("norwayeast", "Oslo"),
    ("polandcentral", "Warsaw"),
    ("qatarcentral", "Doha"),
    ("southafricanorth", "Johannesburg"),
    ("southcentralus", "Texas"),
    ("southeastasia", "Singapore"),
    ("southindia", "Chennai"),
    ("spaincentral", "Madrid"),
    ("swedencentral", "Gavle"),
    ("switzerlandnorth", "Zurich"),
    ("uaenorth", "Dubai"),
    ("uksouth", "London"),
    ("ukwest", "Cardiff"),
    ("westcentralus", "Wyoming"),
    ("westeurope", "Netherlands"),
    ("westus", "California"),
    ("westus2", "Washington"),
    ("westus3", "Phoenix"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_in_the_tables_once_and_in_plain_letters() {
        for table in [AWS, GCP, AZURE] {
            assert!(table.windows(2).all(|pair| pair[0].0 < pair[1].0), "not in order");
            assert!(table.iter().all(|(_, city)| city.is_ascii() && !city.contains(':')));
        }
        assert_eq!(city(Cloud::Aws, &Region("eu-central-1".to_owned())), Some("Frankfurt"));
        assert_eq!(city(Cloud::Gcp, &Region("eu-central-1".to_owned())), None);
    }
}
