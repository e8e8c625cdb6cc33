//! The Kubernetes versions EKS offers and their support dates, judged at the sandbox's own time.
//!
//! Dates as published by AWS on 2026-11-20: 14 months of standard support, then 12 of extended.

use super::{error, store};
use crate::sandbox::aws::{ApiError, CallCx};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde_json::{Value, json};

/// One minor version.
#[derive(Debug)]
pub(in crate::sandbox) struct KubeVersion {
    /// `1.35`.
    pub(in crate::sandbox) minor: &'static str,
    /// The patch release its API servers run.
    pub(in crate::sandbox) patch: &'static str,
    /// The platform version of new clusters.
    pub(in crate::sandbox) platform: &'static str,
    released: (i16, i8, i8),
    standard_end: (i16, i8, i8),
    extended_end: (i16, i8, i8),
}

/// Where a version stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sandbox) enum Support {
    /// Not offered yet.
    Unreleased,
    /// At the ordinary price.
    Standard,
    /// At six times the price.
    Extended,
    /// Not offered any more.
    Ended,
}

impl Support {
    /// The word of `versionStatus`.
    pub(super) const fn version_status(self) -> &'static str {
        match self {
            Self::Standard => "STANDARD_SUPPORT",
            Self::Extended => "EXTENDED_SUPPORT",
            Self::Unreleased | Self::Ended => "UNSUPPORTED",
        }
    }

    /// The word of the deprecated `status`.
    pub(super) const fn status(self) -> &'static str {
        match self {
            Self::Standard => "standard-support",
            Self::Extended => "extended-support",
            Self::Unreleased | Self::Ended => "unsupported",
        }
    }
}

/// Newest first, as the service lists them.
pub(in crate::sandbox) const VERSIONS: &[KubeVersion] = &[
    KubeVersion {
        minor: "1.36",
        patch: "1.36.2",
        platform: "eks.4",
        released: (2026, 6, 2),
        standard_end: (2027, 8, 2),
        extended_end: (2028, 8, 2),
    },
    KubeVersion {
        minor: "1.35",
        patch: "1.35.6",
        platform: "eks.13",
        released: (2026, 1, 27),
        standard_end: (2027, 3, 27),
        extended_end: (2028, 3, 27),
    },
    KubeVersion {
        minor: "1.34",
        patch: "1.34.8",
        platform: "eks.22",
        released: (2025, 10, 2),
        standard_end: (2026, 12, 2),
        extended_end: (2027, 12, 2),
    },
    KubeVersion {
        minor: "1.33",
        patch: "1.33.11",
        platform: "eks.36",
        released: (2025, 5, 29),
        standard_end: (2026, 7, 29),
        extended_end: (2027, 7, 29),
    },
    KubeVersion {
        minor: "1.32",
        patch: "1.32.13",
        platform: "eks.43",
        released: (2025, 1, 23),
        standard_end: (2026, 3, 23),
        extended_end: (2027, 3, 23),
    },
    KubeVersion {
        minor: "1.31",
        patch: "1.31.14",
        platform: "eks.59",
        released: (2024, 9, 26),
        standard_end: (2025, 11, 26),
        extended_end: (2026, 11, 26),
    },
    KubeVersion {
        minor: "1.30",
        patch: "1.30.14",
        platform: "eks.67",
        released: (2024, 5, 23),
        standard_end: (2025, 7, 23),
        extended_end: (2026, 7, 23),
    },
];

/// What EKS takes when a request names none, as long as it has standard support.
const DEFAULT: &str = "1.34";

impl KubeVersion {
    /// Start of its general availability.
    pub(super) fn released(&self) -> Timestamp {
        midnight(self.released)
    }

    /// When the price rises.
    pub(super) fn standard_end(&self) -> Timestamp {
        midnight(self.standard_end)
    }

    /// When it is upgraded whether one likes it or not.
    pub(super) fn extended_end(&self) -> Timestamp {
        midnight(self.extended_end)
    }

    /// Its support at a moment.
    pub(in crate::sandbox) fn support(&self, now: Timestamp) -> Support {
        if now < self.released() {
            Support::Unreleased
        } else if now < self.standard_end() {
            Support::Standard
        } else if now < self.extended_end() {
            Support::Extended
        } else {
            Support::Ended
        }
    }

    fn view(&self, now: Timestamp) -> Value {
        let support = self.support(now);
        json!({
            "clusterVersion": self.minor, "clusterType": "eks", "defaultPlatformVersion": self.platform,
            "defaultVersion": self.minor == default(now).minor, "releaseDate": store::seconds(self.released()),
            "endOfStandardSupportDate": store::seconds(self.standard_end()),
            "endOfExtendedSupportDate": store::seconds(self.extended_end()),
            "status": support.status(), "versionStatus": support.version_status(), "kubernetesPatchVersion": self.patch,
        })
    }

    /// The minor number: 35 of 1.35.
    pub(in crate::sandbox) fn number(&self) -> u32 {
        self.minor.split_once('.').and_then(|(_, n)| n.parse().ok()).expect("the table holds 1.N only")
    }
}

fn midnight((year, month, day): (i16, i8, i8)) -> Timestamp {
    let date = Date::new(year, month, day).expect("the table holds real dates");
    date.to_zoned(TimeZone::UTC).expect("every date has a midnight in UTC").timestamp()
}

/// The version of that name, offered or not.
pub(in crate::sandbox) fn named(minor: &str) -> Option<&'static KubeVersion> {
    VERSIONS.iter().find(|v| v.minor == minor)
}

/// The version of that name if clusters can run it now.
pub(in crate::sandbox) fn offered(minor: &str, now: Timestamp) -> Option<&'static KubeVersion> {
    named(minor).filter(|v| matches!(v.support(now), Support::Standard | Support::Extended))
}

/// The version of a cluster that asked for none: the known default, or when its standard support has ended the oldest that has it.
pub(in crate::sandbox) fn default(now: Timestamp) -> &'static KubeVersion {
    let standard = |v: &&KubeVersion| v.support(now) == Support::Standard;
    let known = VERSIONS.iter().find(|v| v.minor == DEFAULT).filter(standard);
    known.or_else(|| VERSIONS.iter().rev().find(standard)).unwrap_or(&VERSIONS[0])
}

/// DescribeClusterVersions.
pub(super) fn describe(cx: &CallCx<'_, '_>) -> Result<Value, ApiError> {
    let now = cx.tx.now();
    let kind = cx.params.text("clusterType");
    let only_default = cx.params.flag("defaultOnly")?.unwrap_or(false);
    let all = cx.params.flag("includeAll")?.unwrap_or(false);
    let named = cx.params.list("clusterVersions");
    let (status, version_status) = (cx.params.text("status"), cx.params.text("versionStatus"));
    let (max, token) = (cx.params.get("maxResults"), cx.params.get("nextToken"));
    if kind.is_some_and(|kind| kind != "eks" && kind != "eks-local-outposts") {
        return Err(error::parameter("clusterType must be one of [eks, eks-local-outposts]"));
    }
    let fits = |v: &&KubeVersion| {
        let support = v.support(now);
        let offered = matches!(support, Support::Standard | Support::Extended);
        (offered || (all && support == Support::Ended) || named.iter().any(|n| n == v.minor))
            && support != Support::Unreleased
            && (named.is_empty() || named.iter().any(|n| n == v.minor))
            && (!only_default || v.minor == default(now).minor)
            && status.as_deref().is_none_or(|word| word == support.status())
            && version_status.as_deref().is_none_or(|word| word == support.version_status())
    };
    let chosen: Vec<&KubeVersion> = VERSIONS.iter().filter(fits).collect();
    let mut page = store::page(chosen.iter().map(|v| v.minor.to_owned()).collect(), "clusterVersions", max, token)?;
    let shown = super::cluster::texts(&page["clusterVersions"]);
    let rows: Vec<Value> =
        chosen.into_iter().filter(|v| shown.iter().any(|s| s == v.minor)).map(|v| v.view(now)).collect();
    page["clusterVersions"] = json!(rows);
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    #[test]
    fn support_follows_the_published_dates() {
        let now = day("2026-11-20T12:00:00Z");
        let support = |minor: &str| named(minor).expect("known").support(now);
        assert_eq!(support("1.36"), Support::Standard);
        assert_eq!(support("1.34"), Support::Standard);
        assert_eq!(support("1.33"), Support::Extended);
        assert_eq!(support("1.30"), Support::Ended);
        assert!(offered("1.30", now).is_none());
        assert!(offered("1.31", now).is_some());
        assert!(offered("1.31", day("2026-11-26T00:00:00Z")).is_none());
    }

    #[test]
    fn the_default_leaves_a_version_with_its_standard_support() {
        assert_eq!(default(day("2026-11-20T12:00:00Z")).minor, "1.34");
        assert_eq!(default(day("2026-12-02T00:00:00Z")).minor, "1.35");
        assert_eq!(default(day("2030-01-01T00:00:00Z")).minor, "1.36");
    }
}
