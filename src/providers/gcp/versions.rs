//! Kubernetes versions that GKE offers in a place, by release channel.
//!
//! `serverConfig` tells what there is and what a channel takes by default, not how long it lasts: the end of standard
//! support is told per cluster only (`fetchClusterUpgradeInfo`), so for what is yet to be built the release schedule of
//! Google's documentation stands here. A version that is newer than this build has no date, and is taken to last.

use crate::model::spec::ReleaseChannel;
use crate::providers::versions;
pub use crate::providers::versions::{MIN_DAYS, Support, Version, choose, minor};
use jiff::Timestamp;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Name, whether the regular channel takes it when none is named, and the end of standard support: GKE "release
/// schedule", read 2026-11. Dates in the future are Google's own estimate.
const EMBEDDED: [(&str, bool, &str); 5] = [
    ("1.33", false, "2026-08-03T00:00:00Z"),
    ("1.34", false, "2026-10-01T00:00:00Z"),
    ("1.35", true, "2027-04-11T00:00:00Z"),
    ("1.36", false, "2027-08-15T00:00:00Z"),
    ("1.37", false, "2028-01-15T00:00:00Z"),
];

/// What `serverConfig` answers.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServerConfig {
    /// By release channel.
    pub channels: Vec<Channel>,
    /// Without one.
    pub default_cluster_version: String,
    /// Without one, newest first.
    pub valid_master_versions: Vec<String>,
}

/// One release channel.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Channel {
    /// `REGULAR`
    pub channel: String,
    /// `1.35.6-gke.1127000`
    pub default_version: String,
    /// Newest first.
    pub valid_versions: Vec<String>,
}

/// `1.35` of `1.35.6-gke.1127000`.
pub fn minor_of(version: &str) -> Option<String> {
    let mut parts = version.split('.');
    let (one, two) = (parts.next()?, parts.next()?);
    let name = format!("{one}.{two}");
    minor(&name).map(|_| name)
}

/// What may be built in one place on one channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offered {
    /// Minor versions, oldest first.
    pub versions: Vec<Version>,
    /// The whole version that each begins with: the channel's default where it is of that minor, else the newest.
    whole: BTreeMap<String, String>,
}

impl Offered {
    /// The whole version with which a cluster of this minor begins.
    pub fn whole(&self, minor: &str) -> Option<&str> {
        self.whole.get(minor).map(String::as_str)
    }
}

/// The versions of a channel.
pub fn offered(config: &ServerConfig, channel: ReleaseChannel, now: Timestamp) -> Offered {
    let of =
        |channel: ReleaseChannel| config.channels.iter().find(|it| it.channel.eq_ignore_ascii_case(channel.as_str()));
    let (default, valid) = match of(channel) {
        Some(it) => (&it.default_version, &it.valid_versions),
        None => (&config.default_cluster_version, &config.valid_master_versions),
    };
    let usual = minor_of(default);
    let mut whole = BTreeMap::new();
    for version in valid {
        let Some(name) = minor_of(version) else { continue };
        let first = if usual.as_ref() == Some(&name) { default.clone() } else { version.clone() };
        whole.entry(name).or_insert(first);
    }
    if let Some(name) = &usual {
        whole.entry(name.clone()).or_insert_with(|| default.clone());
    }
    let version = |name: &String| {
        let ends = ends(name);
        let support = match ends {
            // What the extended channel still has is supported there, for more money.
            Some(end) if end <= now => Support::Extended,
            _ => Support::Standard,
        };
        Version { name: name.clone(), default: usual.as_ref() == Some(name), support, standard_ends: ends }
    };
    let mut versions: Vec<Version> = whole.keys().map(version).collect();
    versions.sort_by_key(Version::minor);
    Offered { versions, whole }
}

/// When standard support of a minor version ends, as far as this build knows.
pub fn ends(name: &str) -> Option<Timestamp> {
    let (_, _, ends) = EMBEDDED.iter().find(|(known, ..)| *known == name)?;
    ends.parse().ok()
}

/// The versions this build knows, oldest first, for where GKE cannot be asked.
pub fn embedded(now: Timestamp) -> Vec<Version> {
    versions::dated(&EMBEDDED, now)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> ServerConfig {
        serde_json::from_value(serde_json::json!({
            "channels": [
                {"channel": "RAPID", "defaultVersion": "1.37.0-gke.9", "validVersions": ["1.37.0-gke.9", "1.36.4-gke.2"]},
                {"channel": "REGULAR", "defaultVersion": "1.35.6-gke.1",
                    "validVersions": ["1.36.4-gke.2", "1.36.3-gke.7", "1.35.7-gke.3", "1.35.6-gke.1", "1.34.9-gke.5"]},
            ],
            "defaultClusterVersion": "1.35.6-gke.1",
            "validMasterVersions": ["1.36.4-gke.2", "1.35.6-gke.1"],
            "aKeyOfTomorrow": true,
        }))
        .unwrap()
    }

    fn now() -> Timestamp {
        "2026-11-27T00:00:00Z".parse().unwrap()
    }

    #[test]
    fn a_channel_tells_minors_and_the_version_each_begins_with() {
        let regular = offered(&config(), ReleaseChannel::Regular, now());
        let names: Vec<&str> = regular.versions.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["1.34", "1.35", "1.36"]);
        assert_eq!(regular.whole("1.35"), Some("1.35.6-gke.1"), "the channel's default, not the newest");
        assert_eq!(regular.whole("1.36"), Some("1.36.4-gke.2"));
        assert_eq!(choose(&regular.versions, now()).unwrap().name, "1.35");
        let old: Vec<Support> = regular.versions.iter().map(|it| it.support).collect();
        assert_eq!(old, [Support::Extended, Support::Standard, Support::Standard]);
    }

    #[test]
    fn a_default_about_to_expire_is_passed_over() {
        let later = "2027-02-01T00:00:00Z".parse().unwrap();
        let regular = offered(&config(), ReleaseChannel::Regular, later);
        assert_eq!(choose(&regular.versions, later).unwrap().name, "1.36");
    }

    #[test]
    fn without_a_channel_the_static_list_counts() {
        let none = offered(&config(), ReleaseChannel::None, now());
        assert_eq!(none.versions.len(), 2);
        assert!(none.versions[0].default && none.versions[0].name == "1.35");
    }

    #[test]
    fn what_is_newer_than_this_build_has_no_date_and_lasts() {
        let mut config = config();
        config.channels[1].default_version = "1.41.0-gke.1".to_owned();
        let regular = offered(&config, ReleaseChannel::Regular, now());
        assert_eq!(choose(&regular.versions, now()).unwrap().name, "1.41");
        assert_eq!(regular.versions.last().unwrap().ends_on(), None);
    }

    #[test]
    fn minors_are_read_from_whole_versions() {
        assert_eq!(minor_of("1.35.6-gke.1127000").as_deref(), Some("1.35"));
        for bad in ["", "1", "latest", "-", "2.1.0"] {
            assert_eq!(minor_of(bad), None, "{bad}");
        }
    }
}
