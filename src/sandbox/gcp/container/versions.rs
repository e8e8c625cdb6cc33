//! Versions of Kubernetes that GKE offered in November 2026, by channel.

use super::super::wire::Refused;
use serde_json::{Value, json};

/// A minor version: its builds, newest first, and its ends of support.
struct Minor {
    minor: &'static str,
    builds: &'static [&'static str],
    standard_until: &'static str,
    extended_until: &'static str,
}

const MINORS: &[Minor] = &[
    Minor {
        minor: "1.35",
        builds: &["1.35.6-gke.1127000", "1.35.5-gke.1080000", "1.35.4-gke.1246000"],
        standard_until: "2027-04-11T00:00:00Z",
        extended_until: "2028-02-11T00:00:00Z",
    },
    Minor {
        minor: "1.34",
        builds: &["1.34.9-gke.1059000", "1.34.8-gke.1204000"],
        standard_until: "2027-03-01T00:00:00Z",
        extended_until: "2027-10-01T00:00:00Z",
    },
    Minor {
        minor: "1.33",
        builds: &["1.33.12-gke.1034000"],
        standard_until: "2026-08-03T00:00:00Z",
        extended_until: "2027-06-03T00:00:00Z",
    },
];

/// Channels: name, minors it has, its default build.
const CHANNELS: &[(&str, &[&str], &str)] = &[
    ("RAPID", &["1.35"], "1.35.6-gke.1127000"),
    ("REGULAR", &["1.35", "1.34"], "1.35.5-gke.1080000"),
    ("STABLE", &["1.35", "1.34"], "1.34.9-gke.1059000"),
    ("EXTENDED", &["1.35", "1.34", "1.33"], "1.35.5-gke.1080000"),
];

/// Without a channel.
const DEFAULT: &str = "1.35.5-gke.1080000";

fn builds(minors: &[&str]) -> Vec<&'static str> {
    MINORS.iter().filter(|one| minors.contains(&one.minor)).flat_map(|one| one.builds.iter().copied()).collect()
}

/// What a place offers.
pub(super) fn server_config() -> Value {
    let channels: Vec<Value> = CHANNELS
        .iter()
        .map(|(channel, minors, default)| {
            json!({"channel": channel, "defaultVersion": default, "validVersions": builds(minors), "upgradeTargetVersion": default})
        })
        .collect();
    let all = builds(&["1.35", "1.34"]);
    json!({
        "defaultClusterVersion": DEFAULT, "validMasterVersions": all, "validNodeVersions": builds(&["1.35", "1.34", "1.33"]),
        "defaultImageType": "COS_CONTAINERD", "validImageTypes": ["COS_CONTAINERD", "UBUNTU_CONTAINERD"], "channels": channels,
    })
}

/// The build that a version asked for comes to: whole, a minor, `latest`, `-` or nothing.
///
/// # Errors
/// The channel does not have it.
pub(super) fn resolve(asked: &str, channel: &str) -> Result<String, Refused> {
    let known = CHANNELS.iter().find(|(own, ..)| *own == channel);
    let (minors, default): (&[&str], &str) =
        known.map_or((&["1.35", "1.34"], DEFAULT), |(_, minors, default)| (minors, default));
    let valid = builds(minors);
    let newest = |minor: &str| valid.iter().find(|build| minor_of(build) == minor).copied();
    let found = match asked {
        "" | "-" => Some(default),
        "latest" => valid.first().copied(),
        asked if asked.matches('.').count() == 1 => newest(asked),
        asked if asked.contains("-gke.") => valid.iter().find(|build| **build == asked).copied(),
        asked => valid.iter().find(|build| build.starts_with(&format!("{asked}-gke."))).copied(),
    };
    found.map(ToOwned::to_owned).ok_or_else(|| {
        let place = if known.is_some() { format!(" in release channel {channel}") } else { String::new() };
        Refused::invalid(format!("Master version \"{asked}\" is unsupported{place}."))
    })
}

/// `1.35` of `1.35.6-gke.1127000`.
pub(super) fn minor_of(version: &str) -> String {
    version.split('.').take(2).collect::<Vec<_>>().join(".")
}

/// A minor's number.
pub(super) fn number(version: &str) -> u32 {
    version.split('.').nth(1).and_then(|minor| minor.parse().ok()).unwrap_or_default()
}

/// Minors that nodes may be behind their control plane.
const SKEW: u32 = 2;

/// The build that nodes under a control plane of this version come to: nothing or `-` is the control plane's own, a minor
/// its newest build that is not newer than it.
///
/// # Errors
/// GKE has no such build, or it is newer than the control plane, or too far behind it.
pub(super) fn of_nodes(asked: &str, master: &str) -> Result<String, Refused> {
    if matches!(asked, "" | "-") {
        return Ok(master.to_owned());
    }
    let fits = |build: &str| build == asked || asked.matches('.').count() == 1 && minor_of(build) == asked;
    let known = MINORS.iter().flat_map(|one| one.builds.iter().copied()).find(|build| {
        let whole = build.starts_with(&format!("{asked}-gke."));
        (fits(build) || whole) && (asked.contains("-gke.") || parts(build) <= parts(master))
    });
    let refuse = |why: String| Err(Refused::invalid(why));
    match known {
        None if number(asked) > number(master) => refuse(format!(
            "Node version \"{asked}\" must not have a greater version than the master version \"{master}\"."
        )),
        None => refuse(format!("Node version \"{asked}\" is unsupported.")),
        Some(build) if parts(build) > parts(master) => refuse(format!(
            "Node version \"{build}\" must not have a greater version than the master version \"{master}\"."
        )),
        Some(build) if number(build) + SKEW < number(master) => refuse(format!(
            "Node version \"{build}\" is unsupported with control plane version \"{master}\": nodes may be at most {SKEW} minor versions behind."
        )),
        Some(build) => Ok(build.to_owned()),
    }
}

/// The numbers of a build, to be compared.
fn parts(build: &str) -> Vec<u32> {
    build.split(['.', '-']).filter_map(|part| part.parse().ok()).collect()
}

/// The ends of a version's support.
pub(super) fn support(version: &str) -> (&'static str, &'static str) {
    let minor = minor_of(version);
    MINORS.iter().find(|one| one.minor == minor).map_or(("", ""), |one| (one.standard_until, one.extended_until))
}

/// The newest build of a channel within a minor, and of the next one: where automatic upgrades go.
pub(super) fn targets(version: &str, channel: &str) -> (Option<String>, Option<String>) {
    let minors: &[&str] =
        CHANNELS.iter().find(|(own, ..)| *own == channel).map_or(&["1.35", "1.34"], |(_, minors, _)| minors);
    let valid = builds(minors);
    let patch = valid.iter().find(|build| minor_of(build) == minor_of(version)).filter(|build| **build != version);
    let next = valid.iter().find(|build| number(build) == number(version) + 1);
    (next.map(|build| (*build).to_owned()), patch.map(|build| (*build).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_never_ahead_of_their_control_plane() {
        let master = "1.35.5-gke.1080000";
        for (asked, found) in [
            ("", master),
            ("-", master),
            (master, master),
            ("1.35", master),
            ("1.35.4", "1.35.4-gke.1246000"),
            ("1.34", "1.34.9-gke.1059000"),
            ("1.33.12-gke.1034000", "1.33.12-gke.1034000"),
        ] {
            assert_eq!(of_nodes(asked, master).as_deref(), Ok(found), "{asked}");
        }
        for bad in ["1.35.6-gke.1127000", "1.36", "1.35.9", "1.32", "newest"] {
            assert!(of_nodes(bad, master).is_err(), "{bad}");
        }
        assert!(of_nodes("1.33", "1.36.0-gke.1").is_err(), "three minors behind");
    }

    #[test]
    fn versions_follow_their_channel() {
        for (asked, channel, found) in [
            ("", "REGULAR", "1.35.5-gke.1080000"),
            ("1.34", "STABLE", "1.34.9-gke.1059000"),
            ("latest", "RAPID", "1.35.6-gke.1127000"),
            ("-", "", "1.35.5-gke.1080000"),
            ("1.33", "EXTENDED", "1.33.12-gke.1034000"),
            ("1.35.4-gke.1246000", "REGULAR", "1.35.4-gke.1246000"),
            ("1.35.4", "REGULAR", "1.35.4-gke.1246000"),
        ] {
            assert_eq!(resolve(asked, channel).as_deref(), Ok(found), "{asked} {channel}");
        }
        for (asked, channel) in
            [("1.33", "REGULAR"), ("1.20", "RAPID"), ("1.35.99-gke.1", "REGULAR"), ("newest", "STABLE")]
        {
            assert!(resolve(asked, channel).is_err(), "{asked} {channel}");
        }
        assert_eq!(
            targets("1.34.8-gke.1204000", "REGULAR"),
            (Some("1.35.6-gke.1127000".into()), Some("1.34.9-gke.1059000".into()))
        );
    }
}
