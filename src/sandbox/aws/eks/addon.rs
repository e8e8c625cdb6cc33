//! Add-ons: what may be installed, how long it takes, and why a Deployment is DEGRADED while there are no nodes.

use super::{
    catalog::{self, AddonInfo},
    cluster::{body, find, find_active},
    error, neighbours, nodes, pod_identity,
    requests::{CREATE_ADDON, UPDATE_ADDON},
    store::{self, ADDON, AddonDoc, CLUSTER, ClusterDoc, Seen, Update, change, due, seconds, secs, within},
    updates,
    versions::{self, KubeVersion},
};
use crate::sandbox::{
    aws::{ApiError, CallCx},
    world::{Object, Scope, Tx},
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const SETTLE: &str = "settle";
const GONE: &str = "gone";
/// What EKS itself puts into a cluster unless told not to.
const SELF_MANAGED: &[&str] = &["vpc-cni", "kube-proxy", "coredns"];

fn view(tx: &Tx<'_>, object: &Object) -> Value {
    let doc: AddonDoc = object.read();
    let mut shown = doc.api;
    shown["status"] = json!(object.state);
    shown["tags"] = json!(object.tags);
    let arn = shown["addonArn"].as_str().unwrap_or_default();
    let owned = pod_identity::owned_by(tx, &object.scope(), object.parent.as_deref().unwrap_or_default(), arn);
    if !owned.is_empty() {
        shown["podIdentityAssociations"] = json!(owned);
    }
    shown
}

fn find_addon(cx: &mut CallCx<'_, '_>) -> Result<Object, ApiError> {
    let (cluster, name) = (cx.path("name").to_owned(), cx.path("addonName").to_owned());
    find(cx, &cluster)?;
    cx.tx.live(&cx.scope, ADDON, &within(&cluster, &name)).cloned().ok_or_else(|| {
        error::not_found(format!("No addon: {name} found in cluster: {cluster}"))
            .with("clusterName", cluster)
            .with("addonName", name)
    })
}

fn version_of(owner: &Object) -> &'static KubeVersion {
    let doc: ClusterDoc = owner.read();
    doc.api["version"].as_str().and_then(versions::named).expect("a cluster runs a version of the table")
}

/// What Create and Update have in common to judge.
fn judge(cx: &CallCx<'_, '_>, info: &AddonInfo, version: &KubeVersion, request: &Value) -> Result<(), ApiError> {
    if let Some(asked) = request["addonVersion"].as_str()
        && !info.fits(asked, version)
    {
        return Err(error::parameter("Addon version specified is not supported"));
    }
    if let Some(values) = request["configurationValues"].as_str().filter(|values| !values.trim().is_empty()) {
        info.check_configuration(values).map_err(error::parameter)?;
    }
    let identities = request["podIdentityAssociations"].as_array();
    if let Some(arn) = request["serviceAccountRoleArn"].as_str() {
        if identities.is_some_and(|list| !list.is_empty()) {
            return Err(error::parameter("serviceAccountRoleArn and podIdentityAssociations cannot both be given"));
        }
        if !neighbours::role_exists(cx.tx, &cx.scope.account, arn) {
            return Err(error::parameter(format!("Role with arn: {arn} does not exist")));
        }
    }
    for identity in identities.into_iter().flatten() {
        pod_identity::check_role(cx.tx, &cx.scope, identity["roleArn"].as_str().unwrap_or_default())?;
        let account = identity["serviceAccount"].as_str().unwrap_or_default();
        if info.identity.is_none_or(|(known, _)| known != account) {
            return Err(error::parameter(format!("Service account {account} is not used by addon {}", info.name)));
        }
    }
    Ok(())
}

/// CreateAddon.
pub(super) fn create(cx: &mut CallCx<'_, '_>) -> Result<Value, ApiError> {
    let cluster = cx.path("name").to_owned();
    let request = body(cx, CREATE_ADDON)?;
    let name = request["addonName"].as_str().unwrap_or_default().to_owned();
    let of = |error: ApiError| error.with("clusterName", cluster.as_str()).with("addonName", name.as_str());
    find(cx, &cluster)?;
    let id = within(&cluster, &name);
    let print = store::fingerprint(&request);
    if let Some(object) = cx.tx.live(&cx.scope, ADDON, &id) {
        return match store::seen(object.token.as_ref(), print.as_ref()) {
            Seen::Again if object.state != "DELETING" => Ok(json!({"addon": view(cx.tx, object)})),
            Seen::Differs => Err(of(store::token_differs())),
            _ => Err(of(error::in_use("Addon already exists."))),
        };
    }
    let owner = find_active(cx, &cluster)?;
    let Some(info) = catalog::addon(&name) else {
        return Err(of(error::parameter(format!(
            "Addon {name} specified is not supported in {} kubernetes version",
            version_of(&owner).minor
        ))));
    };
    let version = version_of(&owner);
    judge(cx, info, version, &request).map_err(of)?;
    let tags = store::tags(request.get("tags")).map_err(error::parameter)?;
    let build = request["addonVersion"].as_str().map_or_else(|| info.builds(version)[0].clone(), str::to_owned);
    let arn = format!("arn:aws:eks:{}:{}:addon/{cluster}/{name}/{}", cx.scope.region, cx.scope.account, cx.tx.uuid());
    let mut api = json!({
        "addonName": name, "clusterName": cluster, "addonVersion": build, "addonArn": arn,
        "health": {"issues": []}, "createdAt": seconds(cx.tx.now()), "modifiedAt": seconds(cx.tx.now()),
        "owner": "aws", "publisher": "eks",
        "namespaceConfig": {"namespace": request["namespaceConfig"]["namespace"].as_str().unwrap_or(info.namespace)},
    });
    for member in ["serviceAccountRoleArn", "configurationValues"] {
        if request[member].is_string() {
            api[member] = request[member].clone();
        }
    }
    associate(cx, &cluster, info, &arn, &request["podIdentityAssociations"]).map_err(of)?;
    let conflicts = owner.read::<ClusterDoc>().self_managed
        && SELF_MANAGED.contains(&info.name)
        && request["resolveConflicts"] != json!("OVERWRITE");
    let mut object = Object::new(&cx.scope, ADDON, id, cx.tx.now());
    object.name = Some(name.clone());
    "CREATING".clone_into(&mut object.state);
    object.tags = tags;
    object.parent = Some(cluster);
    object.token = print;
    let span = cx.tx.between(secs(15), secs(35));
    let patience = if info.needs_nodes { secs(40) } else { secs(0) };
    object.due = due(cx.tx, span + patience, SETTLE);
    object.write(&AddonDoc { api, conflicts, updates: Vec::new() });
    cx.tx.put(object.clone());
    Ok(json!({"addon": view(cx.tx, &object)}))
}

fn associate(
    cx: &mut CallCx<'_, '_>,
    cluster: &str,
    info: &AddonInfo,
    arn: &str,
    asked: &Value,
) -> Result<(), ApiError> {
    for identity in asked.as_array().into_iter().flatten() {
        let (account, role) =
            (identity["serviceAccount"].as_str().unwrap_or_default(), identity["roleArn"].as_str().unwrap_or_default());
        pod_identity::make(cx.tx, &cx.scope, cluster, info.namespace, account, role, Some(arn))?;
    }
    Ok(())
}

/// DescribeAddon.
pub(super) fn describe(cx: &mut CallCx<'_, '_>) -> Result<Value, ApiError> {
    let object = find_addon(cx)?;
    Ok(json!({"addon": view(cx.tx, &object)}))
}

/// ListAddons.
pub(super) fn list(cx: &mut CallCx<'_, '_>) -> Result<Value, ApiError> {
    let cluster = cx.path("name").to_owned();
    find(cx, &cluster)?;
    let names = store::of_cluster(cx.tx, &cx.scope, ADDON, &cluster).filter_map(|a| a.name.clone()).collect();
    store::page(names, "addons", cx.params.get("maxResults"), cx.params.get("nextToken"))
}

/// UpdateAddon.
pub(super) fn update(cx: &mut CallCx<'_, '_>) -> Result<Value, ApiError> {
    let request = body(cx, UPDATE_ADDON)?;
    let object = find_addon(cx)?;
    let doc: AddonDoc = object.read();
    let (cluster, name) = (cx.path("name").to_owned(), cx.path("addonName").to_owned());
    let of = |error: ApiError| error.with("clusterName", cluster.as_str()).with("addonName", name.as_str());
    let print = store::fingerprint(&request);
    if let Some(reply) = updates::repeated(&doc.updates, print.as_ref())? {
        return Ok(reply);
    }
    if matches!(object.state.as_str(), "CREATING" | "UPDATING" | "DELETING") {
        return Err(of(error::in_use(format!(
            "Addon {name} cannot be updated as it is currently in {} state",
            object.state
        ))));
    }
    let owner = find_active(cx, &cluster)?;
    let info = catalog::addon(&name).expect("only add-ons of the table are installed");
    judge(cx, info, version_of(&owner), &request).map_err(of)?;
    let mut outcome = json!({});
    let mut params = Vec::new();
    let members = [
        ("addonVersion", "AddonVersion"),
        ("serviceAccountRoleArn", "ServiceAccountRoleArn"),
        ("configurationValues", "ConfigurationValues"),
    ];
    for (member, param) in members {
        if let Some(text) = request[member].as_str() {
            outcome[member] = json!(text);
            params.push((param, text.to_owned()));
        }
    }
    if let Some(mode) = request["resolveConflicts"].as_str() {
        params.push(("ResolveConflicts", mode.to_owned()));
    }
    if request["podIdentityAssociations"].is_array() {
        let arn = doc.api["addonArn"].as_str().unwrap_or_default().to_owned();
        pod_identity::forget_owned(cx.tx, &cx.scope, &cluster, &arn);
        associate(cx, &cluster, info, &arn, &request["podIdentityAssociations"]).map_err(of)?;
        params.push(("PodIdentityAssociations", request["podIdentityAssociations"].to_string()));
    }
    let update = Update::begin(cx.tx, "AddonUpdate", &params, outcome, print);
    let reply = json!({"update": update.view()});
    let span = cx.tx.between(secs(20), secs(60));
    let due = due(cx.tx, span, SETTLE);
    let overwrite = request["resolveConflicts"] == json!("OVERWRITE");
    change(cx.tx, &cx.scope, ADDON, &object.id, |object, doc: &mut AddonDoc| {
        "UPDATING".clone_into(&mut object.state);
        object.due = due;
        doc.conflicts &= !overwrite;
        doc.updates.push(update);
    });
    Ok(reply)
}

/// DeleteAddon.
pub(super) fn delete(cx: &mut CallCx<'_, '_>) -> Result<Value, ApiError> {
    let _ = cx.params.flag("preserve")?;
    let object = find_addon(cx)?;
    if object.state != "DELETING" {
        let span = cx.tx.between(secs(10), secs(30));
        let due = due(cx.tx, span, GONE);
        cx.tx.update(&cx.scope, ADDON, &object.id, |object| {
            "DELETING".clone_into(&mut object.state);
            object.due = due;
        });
    }
    let object = find_addon(cx)?;
    Ok(json!({"addon": view(cx.tx, &object)}))
}

/// Time passes for an add-on.
pub(super) fn happen(tx: &mut Tx<'_>, object: &Object, what: &str) {
    match what {
        SETTLE => settle(tx, object),
        GONE => {
            let doc: AddonDoc = object.read();
            let (scope, cluster) = (object.scope(), object.parent.clone().unwrap_or_default());
            pod_identity::forget_owned(tx, &scope, &cluster, doc.api["addonArn"].as_str().unwrap_or_default());
            tx.remove(&scope, ADDON, &object.id);
        }
        _ => {}
    }
}

fn settle(tx: &mut Tx<'_>, object: &Object) {
    let scope = object.scope();
    let cluster = object.parent.clone().unwrap_or_default();
    let info = object.name.as_deref().and_then(catalog::addon).expect("only add-ons of the table are installed");
    let starved = info.needs_nodes && nodes::ready_count(tx, &scope, &cluster) == 0;
    let now = seconds(tx.now());
    change(tx, &scope, ADDON, &object.id, |object, doc: &mut AddonDoc| {
        let (state, issue) = if doc.conflicts {
            let message = "Conflicts found when trying to apply. Will not continue due to resolve conflicts mode.";
            ("CREATE_FAILED", Some(("ConfigurationConflict", message)))
        } else if object.doomed && object.state == "CREATING" {
            ("CREATE_FAILED", Some(("InternalFailure", "The add-on could not be installed: internal failure")))
        } else if starved {
            let message = "The add-on is unhealthy because it doesn't have the desired number of replicas.";
            ("DEGRADED", Some(("InsufficientNumberOfReplicas", message)))
        } else {
            ("ACTIVE", None)
        };
        if object.state == "UPDATING" {
            store::finish(&mut doc.updates, &mut doc.api);
        }
        state.clone_into(&mut object.state);
        object.due = None;
        doc.api["modifiedAt"] = json!(now);
        let issues: Vec<Value> = issue
            .map(|(code, message)| json!({"code": code, "message": message, "resourceIds": []}))
            .into_iter()
            .collect();
        doc.api["health"] = json!({"issues": issues});
    });
}

/// Nodes came or went: Deployments find room, or lose it, a little later.
pub(super) fn reconsider(tx: &mut Tx<'_>, scope: &Scope, cluster: &str) {
    let starved = nodes::ready_count(tx, scope, cluster) == 0;
    let stale: Vec<String> = store::of_cluster(tx, scope, ADDON, cluster)
        .filter(|object| object.name.as_deref().and_then(catalog::addon).is_some_and(|info| info.needs_nodes))
        .filter(|object| object.state == if starved { "ACTIVE" } else { "DEGRADED" })
        .map(|object| object.id.clone())
        .collect();
    for id in stale {
        let span = tx.between(secs(20), secs(45));
        let due = due(tx, span, SETTLE);
        tx.update(scope, ADDON, &id, |object| object.due = due);
    }
}

/// Whether an add-on of a cluster runs.
pub(in crate::sandbox) fn is_active(tx: &Tx<'_>, scope: &Scope, cluster: &str, name: &str) -> bool {
    tx.live(scope, ADDON, &within(cluster, name))
        .is_some_and(|object| matches!(object.state.as_str(), "ACTIVE" | "UPDATING"))
}

/// The configuration values of an add-on; null where there are none.
pub(in crate::sandbox) fn configuration_of(tx: &Tx<'_>, scope: &Scope, cluster: &str, name: &str) -> Value {
    let doc = tx.live(scope, ADDON, &within(cluster, name)).map(Object::read::<AddonDoc>);
    let text = doc.as_ref().and_then(|doc| doc.api["configurationValues"].as_str()).unwrap_or_default();
    serde_yaml::from_str(text).unwrap_or(Value::Null)
}

/// Whether pods of an add-on may do what a managed policy allows: by Pod Identity, by IRSA, or as the nodes do.
pub(in crate::sandbox) fn may(tx: &Tx<'_>, scope: &Scope, cluster: &str, name: &str, policy: &str) -> bool {
    let Some(doc) = tx.live(scope, ADDON, &within(cluster, name)).map(Object::read::<AddonDoc>) else { return false };
    let Some((account, _)) = catalog::addon(name).and_then(|info| info.identity) else { return false };
    let allows = |arn: &str, principal: &str| {
        neighbours::role(tx, &scope.account, arn, principal, &["sts:AssumeRole"])
            .is_ok_and(|role| role.allows(&[policy]))
    };
    let agent = is_active(tx, scope, cluster, "eks-pod-identity-agent");
    let by_identity = pod_identity::role_of(tx, scope, cluster, "kube-system", account)
        .is_some_and(|arn| agent && allows(&arn, "pods.eks.amazonaws.com"));
    let by_nodes = nodes::joined(tx, scope, cluster)
        .iter()
        .any(|(group, _)| allows(group.api["nodeRole"].as_str().unwrap_or_default(), "ec2.amazonaws.com"));
    by_identity || by_nodes || doc.api["serviceAccountRoleArn"].is_string()
}

/// DescribeAddonVersions.
pub(super) fn versions(cx: &CallCx<'_, '_>) -> Result<Value, ApiError> {
    let (name, minor) = (cx.params.text("addonName"), cx.params.text("kubernetesVersion"));
    let lists = [(cx.params.list("types"), 0), (cx.params.list("owners"), 1), (cx.params.list("publishers"), 2)];
    if let Some(name) = &name
        && catalog::addon(name).is_none()
    {
        return Err(error::not_found(format!("Addon {name} not found")).with("addonName", name.as_str()));
    }
    let wanted = match &minor {
        None => None,
        Some(minor) => Some(
            versions::named(minor)
                .ok_or_else(|| error::parameter(format!("Kubernetes version {minor} is not supported")))?,
        ),
    };
    let fits = |info: &AddonInfo| {
        name.as_deref().is_none_or(|name| name == info.name)
            && lists
                .iter()
                .all(|(words, which)| words.is_empty() || words.iter().any(|w| w == [info.kind, "aws", "eks"][*which]))
    };
    let shown: BTreeMap<String, Value> = catalog::ADDONS
        .iter()
        .filter(|info| fits(info))
        .map(|info| {
            (
                info.name.to_owned(),
                json!({
                    "addonName": info.name, "type": info.kind, "publisher": "eks", "owner": "aws",
                    "defaultNamespace": info.namespace, "addonVersions": builds(info, wanted),
                }),
            )
        })
        .collect();
    let names = shown.keys().cloned().collect();
    let mut page = store::page(names, "addons", cx.params.get("maxResults"), cx.params.get("nextToken"))?;
    let rows: Vec<Value> = super::cluster::texts(&page["addons"]).iter().map(|name| shown[name].clone()).collect();
    page["addons"] = json!(rows);
    Ok(page)
}

/// The builds of an add-on with the Kubernetes versions each fits.
fn builds(info: &AddonInfo, wanted: Option<&KubeVersion>) -> Vec<Value> {
    let mut rows: Vec<(String, Vec<Value>)> = Vec::new();
    for version in versions::VERSIONS.iter().filter(|v| wanted.is_none_or(|w| w.minor == v.minor)) {
        for (index, build) in info.builds(version).into_iter().enumerate() {
            let fit = json!({"clusterVersion": version.minor, "platformVersions": ["*"], "defaultVersion": index == 0});
            match rows.iter_mut().find(|(known, _)| *known == build) {
                Some((_, fits)) => fits.push(fit),
                None => rows.push((build, vec![fit])),
            }
        }
    }
    rows.into_iter()
        .map(|(build, fits)| {
            json!({
                "addonVersion": build, "architecture": ["amd64", "arm64"], "computeTypes": ["ec2", "auto", "hybrid"],
                "compatibilities": fits, "requiresConfiguration": false, "requiresIamPermissions": info.identity.is_some(),
            })
        })
        .collect()
}

/// DescribeAddonConfiguration.
pub(super) fn configuration(cx: &CallCx<'_, '_>) -> Result<Value, ApiError> {
    let (name, build) = (cx.params.require("addonName")?, cx.params.require("addonVersion")?);
    let info = catalog::addon(name).filter(|info| info.has_build(build));
    let info = info.ok_or_else(|| error::not_found(format!("Addon {name} version {build} not found")))?;
    let identities: Vec<Value> = info
        .identity
        .map(|(account, policy)| json!({"serviceAccount": account, "recommendedManagedPolicies": [policy]}))
        .into_iter()
        .collect();
    Ok(json!({
        "addonName": name, "addonVersion": build, "configurationSchema": info.configuration_schema(),
        "podIdentityConfiguration": identities,
    }))
}

/// What stands of an add-on while it stands: for the API server's list of workloads.
pub(in crate::sandbox) fn installed(tx: &Tx<'_>, scope: &Scope, cluster: &str) -> Vec<String> {
    let own = tx.live(scope, CLUSTER, cluster).is_some_and(|object| object.read::<ClusterDoc>().self_managed);
    let mut names: Vec<String> = store::of_cluster(tx, scope, ADDON, cluster)
        .filter(|object| object.state != "CREATE_FAILED")
        .filter_map(|object| object.name.clone())
        .collect();
    for name in SELF_MANAGED.iter().filter(|_| own) {
        if !names.iter().any(|known| known == name) {
            names.push((*name).to_owned());
        }
    }
    names
}
