//! Node pools: what AKS takes them for, what may be changed of them, and their coming and going.

use super::{
    CLUSTER, POOL, check_idle, is_busy, nodes, owner, pools,
    profile::{self, IMAGE, Setting},
    set, set_state, versions,
};
use crate::sandbox::{
    azure::{
        compute::usages,
        lro,
        path::name_of,
        resources::check_locks,
        store::{self, HIDDEN, due, mins, of_kind, schedule, secs},
        wire::{Answer, ArmError, Cx, Outcome, or_default, text},
    },
    world::{Object, Tx},
};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::time::Duration;

pub(super) const LAUNCH: &str = "launch";
pub(super) const SETTLE: &str = "settle";
const DRAIN: &str = "drain";
/// How often it looks, and how long it waits for machines to come.
const GLANCE: Duration = secs(10);
const PATIENCE: Duration = mins(12);

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
    profile::check_kept(&stands, asked)?;
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
    profile::check_market(&mut next)?;
    profile::check_counts(&next, &name)?;
    profile::check_words(&next)?;
    let version = text(asked, "orchestratorVersion").to_owned();
    if !version.is_empty() && version != text(&stands, "orchestratorVersion") {
        let version = versions::offered(&version, &name, true, setting.now)?;
        profile::check_version(&name, &version.patch, setting.version)?;
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
            profile::complete(cx.name(), &mut profile, &setting)?;
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
