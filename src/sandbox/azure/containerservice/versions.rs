//! The Kubernetes versions that AKS offers, judged at the sandbox's own time, and what may be upgraded to what.

use super::{owner, pool, pools, profile};
use crate::sandbox::azure::{
    locations,
    store::type_of,
    wire::{Answer, ArmError, Cx, Outcome, text},
};
use jiff::Timestamp;
use serde_json::{Value, json};

/// A minor version: its patches, first and last day of ordinary support, whether it is offered for long.
struct Minor {
    minor: &'static str,
    patches: &'static [&'static str],
    from: &'static str,
    until: &'static str,
    long_term: bool,
}

/// Oldest first. AKS release calendar, as of 2026-11; long-term support lasts a year longer.
const MINORS: &[Minor] = &[
    Minor { minor: "1.33", patches: &["1.33.8", "1.33.11"], from: "2025-06-30", until: "2026-06-30", long_term: true },
    Minor { minor: "1.34", patches: &["1.34.4", "1.34.7"], from: "2025-11-30", until: "2026-11-30", long_term: true },
    Minor { minor: "1.35", patches: &["1.35.1", "1.35.4"], from: "2026-03-31", until: "2027-03-31", long_term: true },
    Minor { minor: "1.36", patches: &["1.36.0", "1.36.1"], from: "2026-07-31", until: "2027-07-31", long_term: true },
    Minor { minor: "1.37", patches: &["1.37.0"], from: "2026-12-15", until: "2027-11-30", long_term: true },
];

fn date(text: &str) -> Timestamp {
    format!("{text}T00:00:00Z").parse().expect("the dates of this file are tested")
}

/// How a version stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Preview,
    Official,
    LongTerm,
    Gone,
}

fn standing(minor: &Minor, now: Timestamp) -> Standing {
    let year = std::time::Duration::from_secs(365 * 24 * 3600);
    match (now < date(minor.from), now < date(minor.until), minor.long_term && now < date(minor.until) + year) {
        (true, ..) => Standing::Preview,
        (_, true, _) => Standing::Official,
        (.., true) => Standing::LongTerm,
        _ => Standing::Gone,
    }
}

fn official(now: Timestamp) -> Vec<&'static Minor> {
    MINORS.iter().filter(|minor| standing(minor, now) == Standing::Official).collect()
}

/// The version that AKS takes when none is named: the one before the newest.
fn default(now: Timestamp) -> &'static Minor {
    let all = official(now);
    all.iter().rev().nth(1).or(all.last()).copied().unwrap_or(&MINORS[MINORS.len() - 1])
}

/// A version that was asked for: as it is kept, and the patch that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Version {
    /// `1.35`, or the patch that was asked for.
    pub(super) said: String,
    /// `1.35.4`.
    pub(super) patch: String,
}

impl Version {
    /// Minor number.
    pub(super) fn minor(&self) -> u32 {
        minor_number(&self.patch)
    }
}

/// The minor number of a version.
pub(super) fn minor_number(version: &str) -> u32 {
    version.split('.').nth(1).and_then(|minor| minor.parse().ok()).unwrap_or_default()
}

/// `1.35` of `1.35.4`.
pub(super) fn minor_of(version: &str) -> String {
    version.split('.').take(2).collect::<Vec<_>>().join(".")
}

/// The version asked for, if a new cluster may have it.
///
/// # Errors
/// `K8sVersionNotSupported`, or that it is for long-term support only.
pub(super) fn offered(asked: &str, name: &str, long_term: bool, now: Timestamp) -> Result<Version, ArmError> {
    let newest = |minor: &Minor| minor.patches.last().copied().unwrap_or_default().to_owned();
    if asked.is_empty() {
        let minor = default(now);
        return Ok(Version { said: minor.minor.to_owned(), patch: newest(minor) });
    }
    let unsupported = || {
        let message = format!(
            "Managed cluster {name} is on version {asked}, which is not supported in this region. Please use [az aks get-versions] command to get the supported version list in this region. For more information, please check https://aka.ms/supported-version-list"
        );
        ArmError::bad("K8sVersionNotSupported", message)
    };
    let minor = MINORS.iter().find(|minor| minor.minor == minor_of(asked)).ok_or_else(unsupported)?;
    let patch = match asked.split('.').count() {
        2 => newest(minor),
        _ => minor
            .patches
            .iter()
            .find(|patch| **patch == asked)
            .map(|patch| (*patch).to_owned())
            .ok_or_else(unsupported)?,
    };
    match standing(minor, now) {
        Standing::Official => {}
        Standing::LongTerm if long_term => {}
        Standing::LongTerm => {
            let message = format!(
                "Managed cluster {name} is on version {asked}, which is only available for Long-Term Support (LTS). If you intend to onboard to LTS, please ensure the cluster is in Premium tier and LTS support plan. For more information, please check https://aka.ms/aks/lts"
            );
            return Err(ArmError::bad("K8sVersionNotSupported", message));
        }
        Standing::Preview | Standing::Gone => return Err(unsupported()),
    }
    Ok(Version { said: asked.to_owned(), patch })
}

/// `locations/{location}/kubernetesVersions`.
pub(super) fn list(cx: &mut Cx<'_, '_>) -> Outcome {
    let location = cx.target.location().unwrap_or_default();
    if !locations::exists(location) {
        let message = format!("The location '{location}' is not available for Microsoft.ContainerService.");
        return Err(ArmError::bad("LocationNotAvailable", message));
    }
    let now = cx.tx.now();
    let usual = default(now).minor;
    let shown = MINORS.iter().rev().filter(|minor| standing(minor, now) != Standing::Gone).map(|minor| {
        let standing = standing(minor, now);
        let mut plans = Vec::new();
        if standing != Standing::LongTerm {
            plans.push("KubernetesOfficial");
        }
        if minor.long_term && standing != Standing::Preview {
            plans.push("AKSLongTermSupport");
        }
        let patch = |patch: &&str| ((*patch).to_owned(), json!({"upgrades": upgrades(patch, now)}));
        let patches: serde_json::Map<String, Value> = minor.patches.iter().map(patch).collect();
        let mut one = json!({
            "version": minor.minor, "capabilities": {"supportPlan": plans}, "patchVersions": patches,
        });
        if standing == Standing::Preview {
            one["isPreview"] = json!(true);
        }
        if minor.minor == usual {
            one["isDefault"] = json!(true);
        }
        one
    });
    Ok(Answer::ok(json!({"values": shown.collect::<Vec<Value>>()})))
}

/// The patches that one may be upgraded to: newer ones of its minor and of the next.
fn upgrades(from: &str, now: Timestamp) -> Vec<String> {
    let order = |version: &str| -> Vec<u32> { version.split('.').filter_map(|part| part.parse().ok()).collect() };
    let at = minor_number(from);
    let near = MINORS.iter().filter(|minor| {
        let standing = standing(minor, now);
        matches!(minor_number(minor.minor), number if number == at || number == at + 1)
            && matches!(standing, Standing::Official | Standing::LongTerm)
    });
    let all = near.flat_map(|minor| minor.patches).filter(|patch| order(patch) > order(from));
    all.map(|patch| (*patch).to_owned()).collect()
}

/// Judges the upgrade of a control plane.
///
/// # Errors
/// In AKS's words.
pub(super) fn check_upgrade(from: &str, to: &Version, name: &str) -> Result<(), ArmError> {
    let (old, new) = (minor_number(from), to.minor());
    if new < old {
        let message = format!(
            "Downgrading Kubernetes version of managed cluster {name} from {from} to {} is not allowed.",
            to.said
        );
        return Err(ArmError::bad("OperationNotAllowed", message));
    }
    if new > old + 1 {
        let message = format!(
            "Upgrading Kubernetes version of managed cluster {name} from {from} to {} is not allowed. Available upgrades: the next minor version. Please see https://aka.ms/aks-supported-k8s-ver for version details.",
            to.said
        );
        return Err(ArmError::bad("OperationNotAllowed", message));
    }
    Ok(())
}

fn targets(from: &str, now: Timestamp) -> Vec<Value> {
    upgrades(from, now).into_iter().map(|version| json!({"kubernetesVersion": version})).collect()
}

/// `upgradeProfiles/default` of a cluster.
pub(super) fn cluster_upgrades(cx: &mut Cx<'_, '_>) -> Outcome {
    let owner = owner(cx)?;
    let now = cx.tx.now();
    let current = text(&owner.doc, "properties.currentKubernetesVersion").to_owned();
    let pool = |pool: &crate::sandbox::world::Object| {
        let version = text(&pool.doc, "properties.currentOrchestratorVersion").to_owned();
        json!({
            "name": pool.name, "osType": "Linux", "kubernetesVersion": version, "upgrades": targets(&version, now),
        })
    };
    Ok(Answer::ok(json!({
        "id": format!("{}/upgradeprofiles/default", owner.id), "name": "default",
        "type": format!("{}/upgradeprofiles", type_of(&owner)),
        "properties": {
            "controlPlaneProfile": {"name": "master", "osType": "Linux", "kubernetesVersion": current, "upgrades": targets(&current, now)},
            "agentPoolProfiles": pools(cx.tx, &owner.id).iter().map(pool).collect::<Vec<Value>>(),
        },
    })))
}

/// `upgradeProfiles/default` of a pool.
pub(super) fn pool_upgrades(cx: &mut Cx<'_, '_>) -> Outcome {
    let id = cx.id();
    let pool_id = id.trim_end_matches("/upgradeProfiles/default").to_owned();
    let found = pool::find(cx.tx, &pool_id)?;
    let version = text(&found.doc, "properties.currentOrchestratorVersion").to_owned();
    let now = cx.tx.now();
    Ok(Answer::ok(json!({
        "id": id, "name": "default", "type": format!("{}/upgradeProfiles", type_of(&found)),
        "properties": {
            "kubernetesVersion": version, "osType": "Linux", "upgrades": targets(&version, now),
            "latestNodeImageVersion": profile::IMAGE,
        },
    })))
}

/// `availableAgentPoolVersions`.
pub(super) fn for_pools(cx: &mut Cx<'_, '_>) -> Outcome {
    let owner = owner(cx)?;
    let most = minor_number(text(&owner.doc, "properties.currentKubernetesVersion"));
    let now = cx.tx.now();
    let fits = official(now).into_iter().filter(|minor| minor_number(minor.minor) <= most);
    let all: Vec<Value> = fits
        .flat_map(|minor| minor.patches)
        .map(|patch| json!({"kubernetesVersion": patch, "default": *patch == text(&owner.doc, "properties.currentKubernetesVersion")}))
        .collect();
    Ok(Answer::ok(json!({
        "id": format!("{}/availableagentpoolversions/default", owner.id), "name": "default",
        "type": format!("{}/availableAgentpoolVersions", type_of(&owner)), "properties": {"agentPoolVersions": all},
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(day: &str) -> Timestamp {
        date(day)
    }

    #[test]
    fn versions_come_and_go() {
        let now = at("2026-11-27");
        assert_eq!(offered("", "c", false, now).expect("a default").said, "1.35");
        assert_eq!(offered("1.35", "c", false, now).expect("offered").patch, "1.35.4");
        assert_eq!(offered("1.35.1", "c", false, now).expect("offered").patch, "1.35.1");
        for gone in ["1.30", "1.33", "1.37", "1.35.9", "nonsense"] {
            assert_eq!(offered(gone, "c", false, now).expect_err(gone).code, "K8sVersionNotSupported");
        }
        assert_eq!(offered("1.33", "c", true, now).expect("for long").patch, "1.33.11");
        assert!(offered("1.37", "c", false, at("2027-01-01")).is_ok());
    }

    #[test]
    fn upgrades_go_one_minor_at_a_time() {
        let now = at("2026-11-27");
        assert_eq!(upgrades("1.34.4", now), ["1.34.7", "1.35.1", "1.35.4"]);
        let to = |version: &str| Version { said: version.to_owned(), patch: version.to_owned() };
        assert!(check_upgrade("1.34.4", &to("1.35.4"), "c").is_ok());
        assert!(check_upgrade("1.34.4", &to("1.36.1"), "c").is_err());
        assert!(check_upgrade("1.35.4", &to("1.34.7"), "c").is_err());
    }
}
