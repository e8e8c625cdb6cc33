//! Kubernetes versions that AKS offers in a location, as it lists them and as this build knows them.

use crate::providers::versions::{Support, Version, dated, minor};
use jiff::Timestamp;
use serde::Deserialize;
use std::collections::BTreeSet;

/// What this build knows: name, whether AKS takes it when none is named (the one before the newest), and the last day of
/// community support. AKS documentation, "AKS Kubernetes release calendar", which gives months only; 2026-11.
const EMBEDDED: [(&str, bool, &str); 4] = [
    ("1.33", false, "2026-06-30T00:00:00Z"),
    ("1.34", false, "2026-11-30T00:00:00Z"),
    ("1.35", true, "2027-03-31T00:00:00Z"),
    ("1.36", false, "2027-07-31T00:00:00Z"),
];

/// What a location offers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offered {
    /// Versions, oldest first. Those that only long-term support still covers are [`Support::Extended`].
    pub versions: Vec<Version>,
    /// Versions that AKS shows before it supports them.
    pub previews: BTreeSet<String>,
}

/// The versions this build knows, oldest first, for where AKS cannot be asked.
pub fn embedded(now: Timestamp) -> Offered {
    Offered { versions: dated(&EMBEDDED, now), previews: BTreeSet::new() }
}

/// AKS's own list, `kubernetesVersions`.
#[derive(Debug, Deserialize)]
pub struct Listing {
    #[serde(default)]
    values: Vec<Listed>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    version: String,
    #[serde(default)]
    is_default: bool,
    #[serde(default)]
    is_preview: bool,
    #[serde(default)]
    capabilities: Capabilities,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Capabilities {
    #[serde(default)]
    support_plan: Vec<String>,
}

impl Listing {
    /// What it says, with the dates of this build's own calendar: AKS's list has none.
    pub fn read(self, now: Timestamp) -> Offered {
        let known = dated(&EMBEDDED, now);
        let ends = |name: &str| known.iter().find(|it| it.name == name)?.standard_ends;
        let mut offered = Offered::default();
        for it in self.values.into_iter().filter(|it| minor(&it.version).is_some()) {
            if it.is_preview {
                offered.previews.insert(it.version);
                continue;
            }
            let official = it.capabilities.support_plan.iter().any(|plan| plan == "KubernetesOfficial");
            offered.versions.push(Version {
                standard_ends: ends(&it.version),
                // A list without plans is from before there were any.
                support: if official || it.capabilities.support_plan.is_empty() {
                    Support::Standard
                } else {
                    Support::Extended
                },
                default: it.is_default,
                name: it.version,
            });
        }
        offered.versions.sort_by_key(Version::minor);
        offered
    }
}

/// The minor version of what a cluster runs, `1.35` of `1.35.4`.
pub fn minor_of(full: &str) -> String {
    let mut parts = full.splitn(3, '.');
    match (parts.next(), parts.next()) {
        (Some(major), Some(minor)) => format!("{major}.{minor}"),
        _ => full.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::versions::choose;

    fn listing() -> Listing {
        let version = |name: &str, default: bool, preview: bool, plans: &[&str]| {
            serde_json::json!({ "version": name, "isDefault": default, "isPreview": preview,
                "capabilities": { "supportPlan": plans }, "patchVersions": {} })
        };
        let values = [
            version("1.37", false, true, &["KubernetesOfficial"]),
            version("1.35", true, false, &["KubernetesOfficial", "AKSLongTermSupport"]),
            version("1.33", false, false, &["AKSLongTermSupport"]),
            version("1.36", false, false, &["KubernetesOfficial"]),
        ];
        serde_json::from_value(serde_json::json!({ "values": values })).unwrap()
    }

    #[test]
    fn previews_and_long_term_support_are_not_the_usual_price() {
        let now = "2026-11-27T12:00:00Z".parse().unwrap();
        let offered = listing().read(now);
        let names: Vec<(&str, Support)> = offered.versions.iter().map(|it| (it.name.as_str(), it.support)).collect();
        assert_eq!(names, [("1.33", Support::Extended), ("1.35", Support::Standard), ("1.36", Support::Standard)]);
        assert!(offered.previews.contains("1.37"));
        assert_eq!(choose(&offered.versions, now).unwrap().name, "1.35");
        let later = "2027-01-15T12:00:00Z".parse().unwrap();
        assert_eq!(choose(&listing().read(later).versions, later).unwrap().name, "1.36", "75 days are too few");
    }

    #[test]
    fn the_calendar_ages() {
        let chosen = |now: &str| {
            let now = now.parse().unwrap();
            choose(&embedded(now).versions, now).unwrap().name.clone()
        };
        assert_eq!((chosen("2026-11-27T00:00:00Z"), chosen("2027-02-01T00:00:00Z")), ("1.35".into(), "1.36".into()));
        assert_eq!(minor_of("1.35.4"), "1.35");
    }
}
