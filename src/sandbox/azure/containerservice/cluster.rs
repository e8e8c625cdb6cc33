//! Clusters: creation with every check AKS makes first, changes, deletion with everything that the node group holds.

use super::{
    CLUSTER, check_idle, credentials, infra, is_busy, nodes, pool, pools,
    profile::{self, Setting},
    removal, rules, set_state, versions,
};
use crate::{
    model::Unit,
    sandbox::{
        azure::{
            compute::usages,
            locations, lro,
            resources::{check_locks, groups, providers},
            store::{self, HIDDEN, due, mins, of_kind, schedule, secs},
            wire::{Answer, ArmError, Cx, Outcome, dig, prune, text},
        },
        kubernetes,
        world::{Object, Origin, Tx},
    },
};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::time::Duration;

/// What `due` calls the moments of a cluster's life.
const INFRA: &str = "infra";
const NODES: &str = "nodes";
const UPDATED: &str = "updated";

const GLANCE: Duration = secs(10);
/// How long machines may take.
const PATIENCE: Duration = mins(12);

/// `PUT …/managedClusters/{name}`.
pub(super) fn put(cx: &mut Cx<'_, '_>) -> Outcome {
    let id = cx.id();
    let stands = of_kind(cx.tx, CLUSTER, &id).cloned();
    store::check_match(cx, stands.as_ref())?;
    check_locks(cx.tx, &id, false)?;
    let location = locations::of_body(&cx.body, "Microsoft.ContainerService/managedClusters")?;
    match stands {
        None => create(cx, &id, &location),
        Some(stands) => update(cx, &stands, &location),
    }
}

fn create(cx: &mut Cx<'_, '_>, id: &str, location: &str) -> Outcome {
    let now = cx.tx.now();
    let mut body = cx.body.clone();
    rules::complete(cx, &mut body)?;
    let long_term = text(&body, "properties.supportPlan") == "AKSLongTermSupport";
    let version = versions::offered(text(&body, "properties.kubernetesVersion"), cx.name(), long_term, now)?;
    body["properties"]["kubernetesVersion"] = json!(version.said);
    body["properties"]["currentKubernetesVersion"] = json!(version.patch);
    let mut group = text(&body, "properties.nodeResourceGroup").to_owned();
    if group.is_empty() {
        group = format!("MC_{}_{}_{location}", cx.target.group.as_deref().unwrap_or_default(), cx.name());
        group.truncate(80);
    }
    rules::check_node_group(cx, &group)?;
    body["properties"]["nodeResourceGroup"] = json!(group);
    let network = body["properties"]["networkProfile"].clone();
    let mut profiles = body["properties"]["agentPoolProfiles"].as_array().cloned().unwrap_or_default();
    if profiles.is_empty() {
        return Err(profile::parameter("agentPoolProfiles", "at least one agent pool must be given"));
    }
    let setting = Setting { location, network: &network, version: &version.patch, now };
    for profile in &mut profiles {
        let name = text(profile, "name").to_owned();
        profile::complete(&name, profile, &setting)?;
    }
    check_profiles(&profiles)?;
    let mut cluster = new_object(cx, id, location, body);
    rules::check_subnets(cx, &cluster, &profiles)?;
    let wishes: Vec<usages::Wish> = profiles.iter().map(|profile| pool::wish(profile, 0)).collect();
    usages::check(cx.tx, location, &wishes)?;
    let op = lro::begin(cx, "Microsoft.ContainerService", location, id, "PutManagedCluster");
    lro::attach(&mut cluster, &op);
    let span = cx.tx.between(secs(50), secs(80));
    cluster.due = due(cx.tx, span, INFRA);
    cx.tx.put(cluster.clone());
    for profile in &profiles {
        let pool_id = format!("{id}/agentPools/{}", text(profile, "name"));
        let pool = pool::object(cx.tx, &pool_id, location, profile);
        cx.tx.put(pool);
    }
    Ok(lro::answer(cx, &cluster, true, Some(&op)))
}

fn check_profiles(profiles: &[Value]) -> Result<(), ArmError> {
    let mut names: Vec<&str> = profiles.iter().map(|profile| text(profile, "name")).collect();
    names.sort_unstable();
    if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(profile::parameter(
            "agentPoolProfile.name",
            format!("agent pool name '{}' is given twice", twice[0]),
        ));
    }
    if !profiles.iter().any(|profile| text(profile, "mode") == "System") {
        let message = "Must define at least one system pool: agentPoolProfiles[].mode.";
        return Err(ArmError::bad("InvalidParameter", message).at("agentPoolProfiles"));
    }
    Ok(())
}

/// A new cluster as an object, not yet in the world.
fn new_object(cx: &mut Cx<'_, '_>, id: &str, location: &str, mut body: Value) -> Object {
    let (uid, suffix) = (cx.tx.hex(24), format!("{:08}", cx.tx.below(100_000_000)));
    let short = cx.tx.hex(8);
    let properties = &mut body["properties"];
    if let Some(map) = properties.as_object_mut() {
        map.remove("agentPoolProfiles");
    }
    let prefix = text(properties, "dnsPrefix").to_owned();
    let fqdn = format!("{prefix}-{short}.hcp.{location}.azmk8s.io");
    properties["azurePortalFQDN"] = json!(format!("{prefix}-{short}.portal.hcp.{location}.azmk8s.io"));
    if dig(properties, "apiServerAccessProfile.enablePrivateCluster") == &json!(true) {
        properties["privateFQDN"] = json!(format!("{prefix}-{short}.privatelink.{location}.azmk8s.io"));
    }
    properties["fqdn"] = json!(fqdn);
    properties["powerState"] = json!({"code": "Running"});
    properties["maxAgentPools"] = json!(100);
    properties["resourceUID"] = json!(cx.tx.hex(24));
    properties["servicePrincipalProfile"] = json!({"clientId": "msi"});
    if dig(properties, "oidcIssuerProfile.enabled") == &json!(true) {
        let issuer = format!("https://{location}.oic.prod-aks.azure.com/{}/{}/", super::super::TENANT, cx.tx.uuid());
        properties["oidcIssuerProfile"]["issuerURL"] = json!(issuer);
    }
    let tier = text(&body, "sku.tier").to_ascii_lowercase();
    let mut cluster = store::resource(cx.tx, CLUSTER, id, location, &body);
    cluster.visible_at = Some(cx.tx.read_lag());
    "Creating".clone_into(&mut cluster.state);
    cluster.usage = vec![store::component(location, &format!("aks-{tier}"), Unit::Hour, 1.0)];
    cluster.doc[HIDDEN] = json!({"uid": uid, "suffix": suffix, "tagged": true, "since": cx.tx.now().to_string()});
    if text(&cluster.doc, "identity.type") == "SystemAssigned" {
        cluster.doc[HIDDEN]["principal"] = json!(cx.tx.uuid());
    }
    store::stamp(cx.tx, &mut cluster);
    cluster
}

fn update(cx: &mut Cx<'_, '_>, stands: &Object, location: &str) -> Outcome {
    check_idle(cx.tx, stands)?;
    if stands.region != location {
        let message = format!(
            "The resource '{}' already exists in location '{}'. A resource with the same name cannot be created in location '{location}'. Please select a new resource name.",
            cx.name(),
            stands.region
        );
        return Err(ArmError::conflict("InvalidResourceLocation", message));
    }
    let (old, asked) = (stands.doc["properties"].clone(), cx.body["properties"].clone());
    rules::check_kept(&old, &asked)?;
    let mut cluster = stands.clone();
    let mut state = "Updating";
    let mut next = old.clone();
    for (key, value) in asked.as_object().into_iter().flatten() {
        if !matches!(key.as_str(), "agentPoolProfiles" | "kubernetesVersion" | "networkProfile" | "oidcIssuerProfile") {
            next[key] = value.clone();
        }
    }
    if dig(&asked, "oidcIssuerProfile.enabled") == &json!(true) && next["oidcIssuerProfile"]["issuerURL"].is_null() {
        let issuer = format!("https://{location}.oic.prod-aks.azure.com/{}/{}/", super::super::TENANT, cx.tx.uuid());
        next["oidcIssuerProfile"] = json!({"enabled": true, "issuerURL": issuer});
    }
    let version = text(&asked, "kubernetesVersion").to_owned();
    if !version.is_empty()
        && version != text(&old, "kubernetesVersion")
        && version != text(&old, "currentKubernetesVersion")
    {
        let version = versions::offered(&version, cx.name(), true, cx.tx.now())?;
        versions::check_upgrade(text(&old, "currentKubernetesVersion"), &version, cx.name())?;
        next["kubernetesVersion"] = json!(version.said);
        next["currentKubernetesVersion"] = json!(version.patch);
        state = "Upgrading";
    }
    prune(&mut next);
    cluster.doc["properties"] = next;
    for key in ["sku", "identity"] {
        if cx.body[key].is_object() {
            cluster.doc[key] = cx.body[key].clone();
        }
    }
    cluster.tags = store::tags(&cx.body);
    let tier = text(&cluster.doc, "sku.tier").to_ascii_lowercase();
    cluster.usage = vec![store::component(location, &format!("aks-{tier}"), Unit::Hour, 1.0)];
    update_pools(cx, &cluster, &asked)?;
    let op = lro::begin(cx, "Microsoft.ContainerService", location, &cluster.id, "PutManagedCluster");
    lro::attach(&mut cluster, &op);
    // What failed on its way up is begun again.
    let built = cluster.doc[HIDDEN]["built"] == json!(true);
    state.clone_into(&mut cluster.state);
    cluster.doc[HIDDEN]["since"] = json!(cx.tx.now().to_string());
    let span = match (built, state) {
        (false, _) => cx.tx.between(secs(20), secs(40)),
        (_, "Upgrading") => cx.tx.between(mins(4), mins(6)),
        _ => cx.tx.between(secs(45), secs(90)),
    };
    cluster.due = due(cx.tx, span, if built { UPDATED } else { INFRA });
    store::stamp(cx.tx, &mut cluster);
    cx.tx.put(cluster.clone());
    Ok(lro::answer(cx, &cluster, false, Some(&op)))
}

/// Pools in the body of a cluster: those that stand may change, new ones come; none may be left out.
fn update_pools(cx: &mut Cx<'_, '_>, cluster: &Object, asked: &Value) -> Result<(), ArmError> {
    let Some(profiles) = asked["agentPoolProfiles"].as_array().cloned() else { return Ok(()) };
    let (location, now) = (cluster.region.clone(), cx.tx.now());
    let network = cluster.doc["properties"]["networkProfile"].clone();
    let version = text(&cluster.doc, "properties.currentKubernetesVersion").to_owned();
    let setting = Setting { location: &location, network: &network, version: &version, now };
    let standing = pools(cx.tx, &cluster.id);
    for pool in &standing {
        let name = pool.name.as_deref().unwrap_or_default();
        if !profiles.iter().any(|profile| text(profile, "name") == name) {
            let message = format!(
                "Agent pool '{name}' is not in the request: the number of agent pools cannot be reduced by updating the cluster. Delete the agent pool instead."
            );
            return Err(ArmError::bad("BadRequest", message));
        }
    }
    check_profiles(&profiles)?;
    for profile in &profiles {
        let name = text(profile, "name").to_owned();
        let mut pool = match standing.iter().find(|pool| pool.name.as_deref() == Some(name.as_str())) {
            Some(stands) => {
                let mut pool = stands.clone();
                pool::change(&mut pool, profile, &setting)?;
                pool
            }
            None => {
                let mut profile = profile.clone();
                profile::complete(&name, &mut profile, &setting)?;
                let id = format!("{}/agentPools/{name}", cluster.id);
                pool::object(cx.tx, &id, &location, &profile)
            }
        };
        rules::check_subnets(cx, cluster, std::slice::from_ref(&pool.doc["properties"]))?;
        let there = nodes::of_pool(cx.tx, &pool.id).len() as u64;
        usages::check(cx.tx, &location, &[pool::wish(&pool.doc["properties"], there)])?;
        if pool.state != "Creating" {
            "Updating".clone_into(&mut pool.state);
        }
        store::stamp(cx.tx, &mut pool);
        cx.tx.put(pool);
    }
    Ok(())
}

/// `PATCH`: tags only, but an operation all the same.
pub(super) fn patch(cx: &mut Cx<'_, '_>) -> Outcome {
    let mut cluster = store::need(cx, CLUSTER)?;
    store::check_match(cx, Some(&cluster))?;
    check_locks(cx.tx, &cluster.id, false)?;
    check_idle(cx.tx, &cluster)?;
    if cx.body["tags"].is_object() {
        cluster.tags = store::tags(&cx.body);
    }
    let op = lro::begin(cx, "Microsoft.ContainerService", &cluster.region.clone(), &cluster.id.clone(), "UpdateTags");
    lro::attach(&mut cluster, &op);
    "Updating".clone_into(&mut cluster.state);
    let span = cx.tx.between(secs(20), secs(40));
    cluster.due = due(cx.tx, span, UPDATED);
    store::stamp(cx.tx, &mut cluster);
    cx.tx.put(cluster.clone());
    Ok(lro::answer(cx, &cluster, false, Some(&op)))
}

/// `POST …/abort`.
pub(super) fn abort(cx: &mut Cx<'_, '_>) -> Outcome {
    let id = super::cluster_id(cx);
    let cluster = super::owner(cx)?;
    if !is_busy(&cluster.state) || cluster.state == "Deleting" {
        let message = format!(
            "There is no operation that can be aborted on managed cluster {}.",
            crate::sandbox::azure::path::name_of(&id)
        );
        return Err(ArmError::bad("OperationNotAllowed", message));
    }
    if let Some(op) = lro::attached(&cluster) {
        lro::cancel(cx.tx, &op);
    }
    set_state(cx.tx, &cluster.id, "Canceled");
    store::change(cx.tx, &cluster.id, |cluster| cluster.due = None);
    for pool in pools(cx.tx, &cluster.id).iter().filter(|pool| is_busy(&pool.state)) {
        set_state(cx.tx, &pool.id, "Canceled");
        store::change(cx.tx, &pool.id, |pool| pool.due = None);
    }
    Ok(Answer::empty(204))
}

/// `POST …/stop` and `…/start`.
pub(super) fn power(cx: &mut Cx<'_, '_>, on: bool) -> Outcome {
    let cluster = super::owner(cx)?;
    check_idle(cx.tx, &cluster)?;
    let word = if on { "Running" } else { "Stopped" };
    let op = lro::begin(cx, "Microsoft.ContainerService", &cluster.region, &cluster.id, word);
    set_state(cx.tx, &cluster.id, if on { "Starting" } else { "Stopping" });
    for pool in pools(cx.tx, &cluster.id) {
        if !on {
            nodes::remove_all(cx.tx, &pool.id);
        }
        super::set(cx.tx, &pool.id, |properties| properties["powerState"] = json!({"code": word}));
    }
    let span = cx.tx.between(mins(2), mins(4));
    let due = due(cx.tx, span, if on { NODES } else { UPDATED });
    let now = cx.tx.now().to_string();
    store::change(cx.tx, &cluster.id, |cluster| {
        cluster.doc["properties"]["powerState"] = json!({"code": word});
        cluster.doc[HIDDEN]["since"] = json!(now);
        cluster.due = due;
        lro::attach(cluster, &op);
    });
    Ok(Answer::empty(202).and(lro::headers(cx, &op)))
}

/// Time passes for a cluster.
pub(super) fn happen(tx: &mut Tx<'_>, cluster: &Object, what: &str) {
    match what {
        INFRA => build(tx, cluster),
        NODES => wait_for_nodes(tx, cluster),
        UPDATED => updated(tx, cluster),
        removal::SWEEP => removal::sweep(tx, cluster),
        _ => {}
    }
}

pub(super) fn since(cluster: &Object) -> Timestamp {
    text(&cluster.doc, "_.since").parse().unwrap_or(cluster.created_at)
}

/// The node group with what machines need, the API server, the machines.
fn build(tx: &mut Tx<'_>, cluster: &Object) {
    if let Some(namespace) = ["Microsoft.Network", "Microsoft.Compute"]
        .into_iter()
        .find(|namespace| !providers::is_registered(tx, namespace))
    {
        let message = format!(
            "The subscription is not registered to use namespace '{namespace}'. See https://aka.ms/rps-not-found for how to register subscriptions."
        );
        return fail(tx, cluster, ArmError::conflict("MissingSubscriptionRegistration", message));
    }
    if let Err(why) = infra::make(tx, cluster) {
        return fail(tx, cluster, why);
    }
    credentials::make(tx, &cluster.id);
    store::change(tx, &cluster.id, |cluster| cluster.doc[HIDDEN]["up"] = json!(true));
    let Some(cluster) = of_kind(tx, CLUSTER, &cluster.id).cloned() else { return };
    for pool in pools(tx, &cluster.id) {
        if let Err(why) = nodes::launch(tx, &cluster, &pool) {
            return fail(tx, &cluster, why);
        }
    }
    schedule(tx, &cluster.id, mins(2), NODES);
}

fn wait_for_nodes(tx: &mut Tx<'_>, cluster: &Object) {
    if cluster.doomed {
        return fail(tx, cluster, ArmError::new(500, "InternalOperationError", "Internal server error."));
    }
    let mut waiting = false;
    let mut hindrance = None;
    for pool in pools(tx, &cluster.id) {
        if let Err(why) = nodes::launch(tx, cluster, &pool) {
            return fail(tx, cluster, why);
        }
        if nodes::of_pool(tx, &pool.id).iter().any(|machine| !nodes::is_ready(machine)) {
            waiting = true;
            hindrance = hindrance.or_else(|| nodes::hindrance(tx, cluster, &pool.doc["properties"]));
        }
    }
    match (waiting, hindrance) {
        (false, _) => {
            store::change(tx, &cluster.id, |cluster| cluster.doc[HIDDEN]["built"] = json!(true));
            succeed(tx, cluster);
        }
        (true, Some(why)) if tx.now() >= since(cluster) + mins(8) => fail(tx, cluster, why),
        (true, _) if tx.now() >= since(cluster) + PATIENCE => {
            fail(tx, cluster, ArmError::new(500, "InternalOperationError", "Internal server error."));
        }
        _ => schedule(tx, &cluster.id, GLANCE, NODES),
    }
}

fn updated(tx: &mut Tx<'_>, cluster: &Object) {
    let pools = pools(tx, &cluster.id);
    let stopped = text(&cluster.doc, "properties.powerState.code") == "Stopped";
    for pool in pools.iter().filter(|_| !stopped) {
        if let Err(why) = nodes::launch(tx, cluster, pool) {
            return fail(tx, cluster, why);
        }
    }
    let waiting = pools.iter().any(|pool| nodes::of_pool(tx, &pool.id).iter().any(|machine| !nodes::is_ready(machine)));
    if waiting {
        return schedule(tx, &cluster.id, GLANCE, NODES);
    }
    succeed(tx, cluster);
}

fn succeed(tx: &mut Tx<'_>, cluster: &Object) {
    for pool in pools(tx, &cluster.id) {
        set_state(tx, &pool.id, "Succeeded");
    }
    set_state(tx, &cluster.id, "Succeeded");
    lro::finish_of(tx, cluster, Ok(()));
    nodes::tell(tx, &cluster.id);
}

pub(super) fn fail(tx: &mut Tx<'_>, cluster: &Object, why: ArmError) {
    for pool in pools(tx, &cluster.id).iter().filter(|pool| is_busy(&pool.state)) {
        set_state(tx, &pool.id, "Failed");
    }
    set_state(tx, &cluster.id, "Failed");
    store::change(tx, &cluster.id, |cluster| cluster.doomed = false);
    lro::finish_of(tx, cluster, Err(why));
}
