//! What each cloud calls things: the one table behind messages that are the same for every cloud but for a word.
//! What a provider says of its own calls it says itself.

use super::Cloud;

/// One cloud's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// The vendor, as people name it.
    pub vendor: &'static str,
    /// Its Kubernetes.
    pub product: &'static str,
    /// What bills and limits belong to.
    pub account: &'static str,
    /// The flag that names one, with the variable for it; none where credentials decide alone.
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
}

const AWS: Terms = Terms {
    vendor: "AWS",
    product: "EKS",
    account: "account",
    account_flag: None,
    other_account: "AWS_PROFILE or --profile",
    sign_in: "aws sso login --profile NAME",
    policies: "IAM policies",
    region_variables: &["AWS_REGION", "AWS_DEFAULT_REGION"],
    zone_variables: &[],
    example_region: "us-east-1",
    default_machine: "m6a.large",
};

const GCP: Terms = Terms {
    vendor: "Google Cloud",
    product: "GKE",
    account: "project",
    account_flag: Some("--project"),
    other_account: "--project or GOOGLE_CLOUD_PROJECT",
    sign_in: "gcloud auth application-default login",
    policies: "IAM roles",
    region_variables: &["CLOUDSDK_COMPUTE_REGION"],
    zone_variables: &["CLOUDSDK_COMPUTE_ZONE"],
    example_region: "us-central1",
    default_machine: "e2-standard-2",
};

const AZURE: Terms = Terms {
    vendor: "Azure",
    product: "AKS",
    account: "subscription",
    account_flag: Some("--subscription"),
    other_account: "--subscription or AZURE_SUBSCRIPTION_ID",
    sign_in: "az login",
    policies: "role definitions",
    region_variables: &["AZURE_DEFAULTS_LOCATION"],
    zone_variables: &[],
    example_region: "eastus",
    default_machine: "Standard_D2as_v5",
};

impl Cloud {
    /// Every cloud there is, built in or not.
    pub const ALL: [Self; 3] = [Self::Aws, Self::Gcp, Self::Azure];

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
