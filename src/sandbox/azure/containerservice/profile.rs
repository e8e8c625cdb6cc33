//! What a node pool's profile may say: size, counts, market, labels, taints, versions, and what of it can be changed.

use super::versions::{self, minor_number};
use crate::sandbox::azure::{
    compute::sizes,
    wire::{ArmError, dig, or_default, text, texts},
};
use jiff::Timestamp;
use serde_json::{Value, json};

/// The image of new nodes.
pub(super) const IMAGE: &str = "AKSUbuntu-2204gen2containerd-202611.12.0";
/// The size that AKS takes where none is named.
const USUAL_SIZE: &str = "Standard_D2s_v5";
/// The taint of spot pools.
const SPOT_TAINT: &str = "kubernetes.azure.com/scalesetpriority=spot:NoSchedule";

/// A refusal of a parameter, as AKS words it.
pub(super) fn parameter(name: &str, why: impl std::fmt::Display) -> ArmError {
    ArmError::bad("InvalidParameter", format!("The value of parameter {name} is invalid. Error details: {why}. Please see https://aka.ms/aks-naming-rules for more details.")).at(name)
}

/// What is the same in every pool of a cluster.
pub(super) struct Setting<'a> {
    /// Where.
    pub(super) location: &'a str,
    /// `networkProfile`.
    pub(super) network: &'a Value,
    /// The control plane's version.
    pub(super) version: &'a str,
    /// Now.
    pub(super) now: Timestamp,
}

/// Judges the profile of a new pool and completes it.
///
/// # Errors
/// In AKS's words.
pub(super) fn complete(name: &str, profile: &mut Value, setting: &Setting<'_>) -> Result<(), ArmError> {
    let well = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.len() <= 12
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    if !well {
        return Err(parameter(
            "agentPoolProfile.name",
            format!(
                "agent pool name '{name}' must start with a lowercase letter, have max length of 12, and only have characters a-z0-9"
            ),
        ));
    }
    if text(profile, "vmSize").is_empty() {
        profile["vmSize"] = json!(USUAL_SIZE);
    }
    let overlay = text(setting.network, "networkPluginMode") == "overlay";
    let most_pods = match (text(setting.network, "networkPlugin"), overlay) {
        ("kubenet", _) => 110,
        (_, true) => 250,
        _ => 30,
    };
    for (key, value) in [
        ("count", json!(1)),
        ("osDiskSizeGB", json!(128)),
        ("osDiskType", json!("Managed")),
        ("kubeletDiskType", json!("OS")),
        ("maxPods", json!(most_pods)),
        ("type", json!("VirtualMachineScaleSets")),
        ("mode", json!("User")),
        ("osType", json!("Linux")),
        ("osSKU", json!("Ubuntu")),
        ("enableAutoScaling", json!(false)),
        ("enableNodePublicIP", json!(false)),
        ("enableFIPS", json!(false)),
        ("scaleDownMode", json!("Delete")),
        ("powerState", json!({"code": "Running"})),
        ("scaleSetPriority", json!(null)),
    ] {
        or_default(profile, key, value);
    }
    if profile["osDiskSizeGB"] == json!(0) {
        profile["osDiskSizeGB"] = json!(128);
    }
    check_size(profile, setting.location)?;
    check_market(profile)?;
    check_counts(profile, name)?;
    check_words(profile)?;
    let asked = text(profile, "orchestratorVersion").to_owned();
    let version = if asked.is_empty() {
        versions::Version { said: setting.version.to_owned(), patch: setting.version.to_owned() }
    } else {
        versions::offered(&asked, name, true, setting.now)?
    };
    check_version(name, &version.patch, setting.version)?;
    profile["orchestratorVersion"] = json!(version.said);
    profile["currentOrchestratorVersion"] = json!(version.patch);
    profile["nodeImageVersion"] = json!(IMAGE);
    if text(profile, "scaleSetPriority") != "Spot" {
        or_default(profile, "upgradeSettings.maxSurge", json!("10%"));
        or_default(profile, "upgradeSettings.maxUnavailable", json!("0"));
    }
    Ok(())
}

/// Pools are not newer than their control plane, nor much older.
pub(super) fn check_version(name: &str, pool: &str, control_plane: &str) -> Result<(), ArmError> {
    let (own, most) = (minor_number(pool), minor_number(control_plane));
    if own > most || own + 3 < most {
        let message = format!(
            "Node pool version {pool} of agent pool {name} and control plane version {control_plane} are incompatible: the pool's minor version must not be newer, nor more than 3 older. For more information, please check https://aka.ms/aks/UpgradeVersionRules"
        );
        return Err(ArmError::bad("NodePoolMcVersionIncompatible", message));
    }
    Ok(())
}

fn check_size(profile: &Value, location: &str) -> Result<(), ArmError> {
    let asked = text(profile, "vmSize");
    let Some(size) = sizes::named(asked).filter(|size| sizes::offered(&size.name, location)) else {
        let message = format!(
            "The VM size of {asked} is not allowed in your subscription in location '{location}'. The available VM sizes can be listed with 'az vm list-skus'. For more details, please visit https://aka.ms/aks/quotas-skus-regions"
        );
        return Err(ArmError::bad("BadRequest", message));
    };
    if size.vcpus < 2 || text(profile, "mode") == "System" && size.memory_gib < 4.0 {
        let message = format!(
            "System node pools must use VM sku with more than 2 cores and 4GB memory. VM size '{asked}' has {} cores and {}GB memory.",
            size.vcpus, size.memory_gib
        );
        return Err(ArmError::bad("InvalidSystemPoolSKU", message));
    }
    let there = sizes::zones(&size, location);
    let lost = texts(&profile["availabilityZones"]).into_iter().find(|zone| !there.contains(&zone.as_str()));
    if let Some(zone) = lost {
        let message = format!(
            "Preflight validation check for resource(s) failed. Message: The zone(s) '{zone}' for resource of size '{asked}' is not supported. The supported zones for location '{location}' are '{}'",
            there.join(",")
        );
        return Err(ArmError::bad("AvailabilityZoneNotSupported", message));
    }
    if size.arm && text(profile, "osType") == "Windows" {
        return Err(parameter("agentPoolProfile.osType", "Windows node pools do not run on Arm64 sizes"));
    }
    Ok(())
}

/// What a spot pool may not be, and what it gets.
pub(super) fn check_market(profile: &mut Value) -> Result<(), ArmError> {
    if text(profile, "scaleSetPriority") != "Spot" {
        for only in ["scaleSetEvictionPolicy", "spotMaxPrice"] {
            if !profile[only].is_null() && profile[only] != json!(-1) {
                return Err(parameter(&format!("agentPoolProfile.{only}"), "it is for spot pools only"));
            }
        }
        return Ok(());
    }
    if text(profile, "mode") == "System" {
        let message = "A system node pool cannot be a spot pool: scaleSetPriority Spot needs mode User.";
        return Err(parameter("agentPoolProfile.scaleSetPriority", message));
    }
    if !dig(profile, "upgradeSettings.maxSurge").is_null() {
        return Err(parameter("agentPoolProfile.upgradeSettings.maxSurge", "Spot pools can't set max surge"));
    }
    or_default(profile, "scaleSetEvictionPolicy", json!("Delete"));
    or_default(profile, "spotMaxPrice", json!(-1));
    or_default(profile, "nodeLabels", json!({}));
    profile["nodeLabels"]["kubernetes.azure.com/scalesetpriority"] = json!("spot");
    let mut taints = texts(&profile["nodeTaints"]);
    if !taints.iter().any(|taint| taint == SPOT_TAINT) {
        taints.push(SPOT_TAINT.to_owned());
    }
    profile["nodeTaints"] = json!(taints);
    Ok(())
}

pub(super) fn check_counts(profile: &Value, name: &str) -> Result<(), ArmError> {
    let number = |key: &str| profile[key].as_i64();
    let count = number("count").unwrap_or(1);
    let scales = profile["enableAutoScaling"] == json!(true);
    if !(0..=1_000).contains(&count) {
        return Err(parameter(
            "agentPoolProfile.count",
            format!("the count of agent pool {name} must be 0 to 1000, not {count}"),
        ));
    }
    if text(profile, "mode") == "System" && (count < 1 || scales && number("minCount").is_some_and(|min| min < 1)) {
        return Err(parameter("agentPoolProfile.count", "a system pool must have at least 1 node"));
    }
    if let Some(pods) = number("maxPods").filter(|pods| !(10..=250).contains(pods)) {
        return Err(parameter(
            "agentPoolProfile.kubernetesConfig.maxPods",
            format!("maxPods must be 10 to 250, not {pods}"),
        ));
    }
    match (scales, number("minCount"), number("maxCount")) {
        (false, None, None) => Ok(()),
        (false, ..) => Err(parameter(
            "agentPoolProfile.minCount",
            "minCount and maxCount cannot be set when cluster autoscaler is disabled",
        )),
        (true, Some(min), Some(max)) if min <= max && max >= 1 && max <= 1_000 => {
            if (min..=max).contains(&count) {
                return Ok(());
            }
            Err(parameter(
                "agentPoolProfile.count",
                format!("the count {count} of agent pool {name} must be between minCount {min} and maxCount {max}"),
            ))
        }
        (true, Some(min), Some(max)) => Err(parameter(
            "agentPoolProfile.minCount",
            format!("minCount {min} must not be greater than maxCount {max}, which is 1 to 1000"),
        )),
        (true, ..) => Err(parameter(
            "agentPoolProfile.minCount",
            "minCount and maxCount must be set when cluster autoscaler is enabled",
        )),
    }
}

/// Labels and taints.
pub(super) fn check_words(profile: &Value) -> Result<(), ArmError> {
    for (key, _) in profile["nodeLabels"].as_object().into_iter().flatten() {
        let own = key == "kubernetes.azure.com/scalesetpriority" && text(profile, "scaleSetPriority") == "Spot";
        let prefix = key.split_once('/').map_or("", |(prefix, _)| prefix);
        if !own && (prefix == "kubernetes.azure.com" || prefix.ends_with("kubernetes.io")) {
            return Err(parameter(
                "agentPoolProfile.nodeLabels",
                format!("label key '{key}' has the reserved prefix '{prefix}'"),
            ));
        }
    }
    for taint in texts(&profile["nodeTaints"]) {
        let parts = taint.split_once('=').and_then(|(key, rest)| Some((key, rest.split_once(':')?.1)));
        let well = parts.is_some_and(|(key, effect)| {
            !key.is_empty() && matches!(effect, "NoSchedule" | "PreferNoSchedule" | "NoExecute")
        });
        if !well {
            return Err(parameter(
                "agentPoolProfile.nodeTaints",
                format!("taint '{taint}' is not of the form key=value:Effect"),
            ));
        }
    }
    Ok(())
}

/// What a pool has that cannot be changed, and what of it is asked to change.
pub(super) fn check_kept(stands: &Value, asked: &Value) -> Result<(), ArmError> {
    for key in [
        "vmSize",
        "osDiskSizeGB",
        "osDiskType",
        "kubeletDiskType",
        "vnetSubnetID",
        "podSubnetID",
        "availabilityZones",
        "osType",
        "scaleSetPriority",
        "type",
        "maxPods",
        "enableFIPS",
    ] {
        let same = |a: &Value, b: &Value| match (a.as_str(), b.as_str()) {
            (Some(a), Some(b)) => a.eq_ignore_ascii_case(b),
            _ => a == b,
        };
        if !asked[key].is_null() && !same(&asked[key], &stands[key]) {
            let message = format!("Changing property 'properties.{key}' is not allowed.");
            return Err(ArmError::bad("PropertyChangeNotAllowed", message).at(&format!("properties.{key}")));
        }
    }
    Ok(())
}
