//! Kubernetes versions that EKS offers.

use super::client::AwsCx;
use super::error::fail;
use super::steps::support::time;
use crate::engine::StepError;
use crate::providers::versions;
pub use crate::providers::versions::{MIN_DAYS, Support, Version, choose, minor};
use aws_sdk_eks::types::VersionStatus;
use jiff::Timestamp;

/// All versions that EKS knows, oldest first.
///
/// # Errors
/// As the call's.
pub async fn all(cx: &AwsCx) -> Result<Vec<Version>, StepError> {
    let call = cx.eks.describe_cluster_versions().include_all(true).into_paginator().items().send();
    let found = call
        .collect::<Result<Vec<_>, _>>()
        .await
        .map_err(|err| fail("eks:DescribeClusterVersions", "Kubernetes versions", err))?;
    let read = found.iter().filter_map(|it| {
        let support = match it.version_status() {
            Some(VersionStatus::StandardSupport) => Support::Standard,
            Some(VersionStatus::ExtendedSupport) => Support::Extended,
            _ => Support::Ended,
        };
        let standard_ends = time(it.end_of_standard_support_date());
        Some(Version { name: it.cluster_version()?.to_owned(), default: it.default_version(), support, standard_ends })
    });
    let mut versions: Vec<Version> = read.collect();
    versions.sort_by_key(Version::minor);
    Ok(versions)
}

/// What this build knows: name, whether EKS takes it when none is named, and the end of standard support. AWS
/// documentation, 2026-11-20.
const EMBEDDED: [(&str, bool, &str); 4] = [
    ("1.33", false, "2026-07-29T00:00:00Z"),
    ("1.34", true, "2026-12-02T00:00:00Z"),
    ("1.35", false, "2027-03-27T00:00:00Z"),
    ("1.36", false, "2027-08-02T00:00:00Z"),
];

/// The versions this build knows, oldest first, for where EKS cannot be asked.
pub fn embedded(now: Timestamp) -> Vec<Version> {
    versions::dated(&EMBEDDED, now)
}
