//! Node pools: what AKS takes them for, what may be changed of them, and their coming and going.

use super::{
    CLUSTER, POOL, check_idle, is_busy, nodes, owner, pools, set, set_state,
    versions::{self, minor_number},
};
use crate::sandbox::{
    azure::{
        compute::{sizes, usages},
        lro,
        path::name_of,
        resources::check_locks,
        store::{self, HIDDEN, due, mins, of_kind, schedule, secs},
        wire::{Answer, ArmError, Cx, Outcome, dig, or_default, text, texts},
    },
    world::{Object, Tx},
};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::time::Duration;

/// The image of new nodes.
pub(super) const IMAGE: &str = "AKSUbuntu-2204gen2containerd-202611.12.0";
/// The size that AKS takes where none is named.
const USUAL_SIZE: &str = "Standard_D2s_v5";
/// The taint of spot pools.
const SPOT_TAINT: &str = "kubernetes.azure.com/scalesetpriority=spot:NoSchedule";

pub(super) const LAUNCH: &str = "launch";
pub(super) const SETTLE: &str = "settle";
const DRAIN: &str = "drain";
/// How often it looks, and how long it waits for machines to come.
const GLANCE: Duration = secs(10);
const PATIENCE: Duration = mins(12);

/// A refusal of a parameter, as AKS words it.
pub(super) fn parameter(name: &str, why: impl std::fmt::Display) -> ArmError {
    ArmError::bad("InvalidParameter", format!("The value of parameter {name} is invalid. Error details: {why}. Please see https://aka.ms/aks-naming-rules for more details.")).at(name)
}

/// The pool of this id.
pub(super) fn find(tx: &Tx<'_>, id: &str) -> Result<Object, ArmError> {
    of_kind(tx, POOL, id).cloned().ok_or_else(|| {
        let message = format!("Agent pool not found for {}.", name_of(id));
        ArmError::new(404, "NotFound", message)
    })
}

pub(super) fn need(cx: &Cx<'_, '_>) -> Result<Object, ArmError> {
    owner(cx)?;
    find(cx.tx, &cx.id())
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
fn check_version(name: &str, pool: &str, control_plane: &str) -> Result<(), ArmError> {
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
fn check_market(profile: &mut Value) -> Result<(), ArmError> {
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

fn check_counts(profile: &Value, name: &str) -> Result<(), ArmError> {
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
fn check_words(profile: &Value) -> Result<(), ArmError> {
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
fn check_kept(stands: &Value, asked: &Value) -> Result<(), ArmError> {
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

/// A new pool as an object, not yet in the world.
pub(super) fn object(tx: &mut Tx<'_>, id: &str, location: &str, profile: &Value) -> Object {
    let mut properties = profile.clone();
    if let Some(map) = properties.as_object_mut() {
        for told in ["name", "tags", "eTag", "provisioningState"] {
            map.remove(told);
        }
    }
    let body = json!({"properties": properties});
    let mut pool = store::resource(tx, POOL, id, location, &body);
    pool.tags = store::tags(profile);
    "Creating".clone_into(&mut pool.state);
    pool.doc[HIDDEN] = json!({});
    store::stamp(tx, &mut pool);
    pool
}

/// Changes a pool that stands; says whether anything but words changes.
///
/// # Errors
/// In AKS's words.
pub(super) fn change(pool: &mut Object, asked: &Value, setting: &Setting<'_>) -> Result<(), ArmError> {
    let stands = pool.doc["properties"].clone();
    check_kept(&stands, asked)?;
    let was_scaled = stands["enableAutoScaling"] == json!(true);
    let stays_scaled = asked["enableAutoScaling"].as_bool().unwrap_or(was_scaled);
    if was_scaled && stays_scaled && !asked["count"].is_null() && asked["count"] != stands["count"] {
        let message = "Scaling of cluster autoscaler enabled node pool is not allowed. Disable the cluster autoscaler first, or change its bounds.";
        return Err(ArmError::bad("CannotScaleClusterAutoscalerEnabledNodePool", message));
    }
    let name = pool.name.clone().unwrap_or_default();
    let mut next = stands.clone();
    // A PUT is the whole pool: what it leaves out goes back to what AKS takes, but for what cannot be changed.
    for key in ["nodeLabels", "nodeTaints", "enableAutoScaling", "minCount", "maxCount"] {
        next[key] = Value::Null;
    }
    for (key, value) in asked.as_object().into_iter().flatten() {
        if !matches!(key.as_str(), "name" | "tags" | "eTag" | "provisioningState" | "orchestratorVersion") {
            next[key] = value.clone();
        }
    }
    or_default(&mut next, "enableAutoScaling", json!(false));
    if text(&next, "scaleSetPriority") == "Spot" {
        next["upgradeSettings"] = asked["upgradeSettings"].clone();
    }
    // Into bounds that were just switched on or moved.
    if next["enableAutoScaling"] == json!(true)
        && let (Some(min), Some(max)) = (next["minCount"].as_i64(), next["maxCount"].as_i64())
        && min <= max
        && asked["count"].is_null()
    {
        next["count"] = json!(next["count"].as_i64().unwrap_or(min).clamp(min, max));
    }
    check_market(&mut next)?;
    check_counts(&next, &name)?;
    check_words(&next)?;
    let version = text(asked, "orchestratorVersion").to_owned();
    if !version.is_empty() && version != text(&stands, "orchestratorVersion") {
        let version = versions::offered(&version, &name, true, setting.now)?;
        check_version(&name, &version.patch, setting.version)?;
        versions::check_upgrade(text(&stands, "currentOrchestratorVersion"), &version, &name)?;
        next["orchestratorVersion"] = json!(version.said);
        next["currentOrchestratorVersion"] = json!(version.patch);
    }
    store_prune(&mut next);
    pool.doc["properties"] = next;
    if asked["tags"].is_object() {
        pool.tags = store::tags(asked);
    }
    Ok(())
}

fn store_prune(value: &mut Value) {
    crate::sandbox::azure::wire::prune(value);
}

/// What more vCPUs a change needs.
pub(super) fn wish(profile: &Value, standing: u64) -> usages::Wish {
    let wanted = profile["count"].as_u64().unwrap_or_default();
    usages::Wish {
        size: text(profile, "vmSize").to_owned(),
        nodes: wanted.saturating_sub(standing),
        spot: text(profile, "scaleSetPriority") == "Spot",
    }
}

/// `PUT …/agentPools/{name}`.
pub(super) fn put(cx: &mut Cx<'_, '_>) -> Outcome {
    let cluster = owner(cx)?;
    let id = format!("{}/agentPools/{}", cluster.id, cx.name());
    let stands = of_kind(cx.tx, POOL, &id).cloned();
    store::check_match(cx, stands.as_ref())?;
    check_locks(cx.tx, &cluster.id, false)?;
    check_idle(cx.tx, &cluster)?;
    let location = cluster.region.clone();
    let network = cluster.doc["properties"]["networkProfile"].clone();
    let version = text(&cluster.doc, "properties.currentKubernetesVersion").to_owned();
    let setting = Setting { location: &location, network: &network, version: &version, now: cx.tx.now() };
    let asked = cx.body["properties"].clone();
    let new = stands.is_none();
    let mut pool = match stands {
        None => {
            let mut profile = asked.clone();
            complete(cx.name(), &mut profile, &setting)?;
            object(cx.tx, &id, &location, &profile)
        }
        Some(mut pool) => {
            change(&mut pool, &asked, &setting)?;
            "Updating".clone_into(&mut pool.state);
            store::stamp(cx.tx, &mut pool);
            pool
        }
    };
    super::rules::check_subnets(cx, &cluster, std::slice::from_ref(&pool.doc["properties"]))?;
    let standing = nodes::of_pool(cx.tx, &pool.id).len() as u64;
    usages::check(cx.tx, &location, &[wish(&pool.doc["properties"], standing)])?;
    let op = lro::begin(cx, "Microsoft.ContainerService", &location, &id, "PutAgentPool");
    lro::attach(&mut pool, &op);
    let span = cx.tx.between(secs(15), secs(30));
    pool.due = due(cx.tx, span, LAUNCH);
    pool.doc[HIDDEN]["since"] = json!(cx.tx.now().to_string());
    cx.tx.put(pool.clone());
    Ok(lro::answer(cx, &pool, new, Some(&op)))
}

/// `DELETE …/agentPools/{name}`.
pub(super) fn delete(cx: &mut Cx<'_, '_>) -> Outcome {
    let cluster = owner(cx)?;
    let id = cx.id();
    let Some(pool) = of_kind(cx.tx, POOL, &id).cloned() else { return Ok(Answer::empty(204)) };
    store::check_match(cx, Some(&pool))?;
    check_locks(cx.tx, &pool.id, true)?;
    if pool.state == "Deleting"
        && let Some(op) = lro::attached(&pool)
    {
        return Ok(Answer::empty(202).and(lro::headers(cx, &op)));
    }
    check_idle(cx.tx, &cluster)?;
    let others = pools(cx.tx, &cluster.id).into_iter().filter(|other| other.id != pool.id);
    if !others.into_iter().any(|other| text(&other.doc, "properties.mode") == "System") {
        let message = "There has to be at least one system agent pool.";
        return Err(ArmError::bad("OperationNotAllowed", message));
    }
    let op = lro::begin(cx, "Microsoft.ContainerService", &pool.region, &pool.id, "DeleteAgentPool");
    let span = cx.tx.between(secs(60), secs(150));
    let due = due(cx.tx, span, DRAIN);
    set_state(cx.tx, &pool.id, "Deleting");
    store::change(cx.tx, &pool.id, |pool| {
        pool.due = due;
        lro::attach(pool, &op);
    });
    Ok(Answer::empty(202).and(lro::headers(cx, &op)))
}

/// `POST …/agentPools/{name}/upgradeNodeImageVersion`.
pub(super) fn upgrade_image(cx: &mut Cx<'_, '_>) -> Outcome {
    let cluster = owner(cx)?;
    let pool = find(cx.tx, &cx.id())?;
    check_idle(cx.tx, &cluster)?;
    let op = lro::begin(cx, "Microsoft.ContainerService", &pool.region, &pool.id, "UpgradeNodeImageVersion");
    set_state(cx.tx, &pool.id, "UpgradingNodeImageVersion");
    schedule(cx.tx, &pool.id, mins(4), SETTLE);
    store::change(cx.tx, &pool.id, |pool| lro::attach(pool, &op));
    Ok(Answer::empty(202).and(lro::headers(cx, &op)))
}

/// `POST …/agentPools/{name}/abort`.
pub(super) fn abort(cx: &mut Cx<'_, '_>) -> Outcome {
    owner(cx)?;
    let pool = find(cx.tx, &cx.id())?;
    if !is_busy(&pool.state) {
        let message = format!("There is no operation to abort on agent pool {}.", cx.name());
        return Err(ArmError::bad("OperationNotAllowed", message));
    }
    if let Some(op) = lro::attached(&pool) {
        lro::cancel(cx.tx, &op);
    }
    set_state(cx.tx, &pool.id, "Canceled");
    store::change(cx.tx, &pool.id, |pool| pool.due = None);
    Ok(Answer::empty(204))
}

/// Time passes for a pool.
pub(super) fn happen(tx: &mut Tx<'_>, pool: &Object, what: &str) {
    let Some(cluster) = pool.parent.as_deref().and_then(|id| of_kind(tx, CLUSTER, id)).cloned() else { return };
    match what {
        LAUNCH => match nodes::launch(tx, &cluster, pool) {
            Ok(()) => schedule(tx, &pool.id, GLANCE, SETTLE),
            Err(why) => fail(tx, pool, why),
        },
        SETTLE => settle(tx, &cluster, pool),
        DRAIN => {
            nodes::remove_all(tx, &pool.id);
            lro::finish_of(tx, pool, Ok(()));
            store::remove(tx, &pool.id);
            nodes::tell(tx, &cluster.id);
        }
        _ => {}
    }
}

fn settle(tx: &mut Tx<'_>, cluster: &Object, pool: &Object) {
    let since = text(&pool.doc, "_.since").parse::<Timestamp>().unwrap_or(pool.created_at);
    if pool.doomed && pool.state == "Creating" {
        return fail(tx, pool, ArmError::new(500, "InternalOperationError", "Internal server error."));
    }
    let waiting = nodes::of_pool(tx, &pool.id).iter().any(|machine| !nodes::is_ready(machine));
    let hindrance = if waiting { nodes::hindrance(tx, cluster, &pool.doc["properties"]) } else { None };
    match (waiting, hindrance) {
        (false, _) => {
            if is_busy(&pool.state) {
                set_state(tx, &pool.id, "Succeeded");
                lro::finish_of(tx, pool, Ok(()));
            }
            set(tx, &pool.id, |properties| properties["nodeImageVersion"] = json!(IMAGE));
        }
        (true, Some(why)) if tx.now() >= since + mins(6) => fail(tx, pool, why),
        (true, None) if tx.now() >= since + PATIENCE => {
            fail(tx, pool, ArmError::new(500, "InternalOperationError", "Internal server error."));
        }
        _ => schedule(tx, &pool.id, GLANCE, SETTLE),
    }
}

fn fail(tx: &mut Tx<'_>, pool: &Object, why: ArmError) {
    set_state(tx, &pool.id, "Failed");
    store::change(tx, &pool.id, |pool| pool.doomed = false);
    lro::finish_of(tx, pool, Err(why));
}
