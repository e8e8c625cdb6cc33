//! What each cloud calls things: the one table behind messages that are the same for every cloud but for a word.
//! What a provider says of its own calls it says itself.

use super::{Cloud, Region};
use std::collections::BTreeMap;

/// One cloud's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// The vendor, as people name it.
    pub vendor: &'static str,
    /// Its Kubernetes.
    pub product: &'static str,
    /// What bills and limits belong to.
    pub account: &'static str,
    /// One that is nobody's, of the right form: stands in what is priced before anybody is signed in.
    pub nobody: &'static str,
    /// The flag that names one; none where credentials decide alone.
    pub account_flag: Option<&'static str>,
    /// How to come to credentials of another account. Follows "with credentials of …" in hints.
    pub other_account: &'static str,
    /// How to sign in, as a command to paste.
    pub sign_in: &'static str,
    /// What its rules about who may do what are written in.
    pub policies: &'static str,
    /// The variables that name a region as its own tools read them, the strongest first.
    pub region_variables: &'static [&'static str],
    /// The variables that name a zone, where a region may be cut out of one.
    pub zone_variables: &'static [&'static str],
    /// A region for examples.
    pub example_region: &'static str,
    /// The machine of the default pool.
    pub default_machine: &'static str,
    /// How nodes reach the internet where there is no NAT gateway.
    pub without_nat: &'static str,
    /// The component that bills what goes through a NAT gateway.
    pub nat_traffic: &'static str,
}

const AWS: Terms = Terms {
    vendor: "AWS",
    product: "EKS",
    account: "account",
    nobody: "000000000000",
    account_flag: None,
    other_account: "AWS_PROFILE or --profile",
    sign_in: "aws sso login --profile NAME",
    policies: "IAM policies",
    region_variables: &["AWS_REGION", "AWS_DEFAULT_REGION"],
    zone_variables: &[],
    example_region: "us-east-1",
    default_machine: "m6a.large",
    without_nat: "nodes have public addresses",
    nat_traffic: "nat-gateway-data",
};

const GCP: Terms = Terms {
    vendor: "Google Cloud",
    product: "GKE",
    account: "project",
    nobody: "no-project",
    account_flag: Some("--project"),
    other_account: "--project or GOOGLE_CLOUD_PROJECT",
    sign_in: "gcloud auth application-default login",
    policies: "IAM roles",
    region_variables: &["CLOUDSDK_COMPUTE_REGION"],
    zone_variables: &["CLOUDSDK_COMPUTE_ZONE"],
    example_region: "us-central1",
    default_machine: "e2-standard-2",
    without_nat: "nodes have public addresses",
    nat_traffic: "cloud-nat-data",
};

const AZURE: Terms = Terms {
    vendor: "Azure",
    product: "AKS",
    account: "subscription",
    nobody: "00000000-0000-0000-0000-000000000000",
    account_flag: Some("--subscription"),
    other_account: "--subscription or AZURE_SUBSCRIPTION_ID",
    sign_in: "az login",
    policies: "role definitions",
    region_variables: &["AZURE_DEFAULTS_LOCATION"],
    zone_variables: &[],
    example_region: "eastus",
    default_machine: "Standard_D2as_v5",
    without_nat: "nodes go out through the cluster's load balancer",
    nat_traffic: "nat-gateway-data",
};

impl Cloud {
    /// Every cloud there is, built in or not.
    pub const ALL: [Self; 3] = [Self::Aws, Self::Gcp, Self::Azure];

    /// The region that variables name, as the cloud's own tools read them; a zone names its region.
    pub fn region_in(self, vars: &BTreeMap<String, String>) -> Option<Region> {
        let said = |name: &&str| vars.get(*name).filter(|text| !text.is_empty());
        let terms = self.terms();
        let region = terms.region_variables.iter().find_map(said).cloned();
        let of_zone = |zone: &String| zone.rsplit_once('-').map(|(region, _)| region.to_owned());
        region.or_else(|| terms.zone_variables.iter().find_map(said).and_then(of_zone)).map(Region)
    }

    /// Its words.
    pub const fn terms(self) -> &'static Terms {
        match self {
            Self::Aws => &AWS,
            Self::Gcp => &GCP,
            Self::Azure => &AZURE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_names_its_region() {
        let vars = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let zone = ("CLOUDSDK_COMPUTE_ZONE", "europe-west4-b");
        assert_eq!(Cloud::Gcp.region_in(&vars(&[zone])), Some(Region("europe-west4".to_owned())));
        let both = vars(&[zone, ("CLOUDSDK_COMPUTE_REGION", "us-east1"), ("AWS_REGION", "us-east-1")]);
        assert_eq!(Cloud::Gcp.region_in(&both), Some(Region("us-east1".to_owned())));
        assert_eq!(Cloud::Azure.region_in(&both), None);
    }

    #[test]
    fn every_cloud_has_words_of_its_own() {
        for cloud in Cloud::ALL {
            for other in Cloud::ALL.iter().filter(|other| **other != cloud) {
                let (one, two) = (cloud.terms(), other.terms());
                assert_ne!((one.vendor, one.product, one.account), (two.vendor, two.product, two.account));
                assert!(!two.region_variables.iter().any(|name| one.region_variables.contains(name)));
            }
            assert_eq!(cloud.terms().account_flag.is_none(), cloud == Cloud::Aws);
        }
    }
}
