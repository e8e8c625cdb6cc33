//! Changes that take time: UpdateClusterConfig, UpdateClusterVersion, and the reading of updates of any owner.

use super::{
    cluster::{self, UPDATED, body, find, texts},
    error, neighbours,
    requests::{UPDATE_CLUSTER_CONFIG, UPDATE_CLUSTER_VERSION},
    store::{
        self, ADDON, AddonDoc, CLUSTER, ClusterDoc, NODEGROUP, NodegroupDoc, Seen, Update, change, due, minutes, secs,
    },
    versions,
};
use crate::sandbox::{
    aws::{ApiError, CallCx},
    world::{Object, Tx},
};
use serde_json::{Map, Value, json};

/// The kinds of change one UpdateClusterConfig call may make, and the members that ask for each.
const TYPES: &[(&str, &[&str])] = &[
    (
        "EndpointAccessUpdate",
        &[
            "resourcesVpcConfig/endpointPublicAccess",
            "resourcesVpcConfig/endpointPrivateAccess",
            "resourcesVpcConfig/publicAccessCidrs",
        ],
    ),
    ("VpcConfigUpdate", &["resourcesVpcConfig/subnetIds", "resourcesVpcConfig/securityGroupIds"]),
    ("ControlPlaneEgressUpdate", &["resourcesVpcConfig/controlPlaneEgressMode"]),
    ("LoggingUpdate", &["logging"]),
    ("AccessConfigUpdate", &["accessConfig"]),
    ("UpgradePolicyUpdate", &["upgradePolicy"]),
    ("ZonalShiftConfigUpdate", &["zonalShiftConfig"]),
    ("DeletionProtectionUpdate", &["deletionProtection"]),
    ("ControlPlaneScalingConfigUpdate", &["controlPlaneScalingConfig"]),
    ("AutoModeUpdate", &["computeConfig", "storageConfig", "kubernetesNetworkConfig"]),
    ("RemoteNetworkConfigUpdate", &["remoteNetworkConfig"]),
];

/// Refuses a change while another is on its way, or while the cluster is not up.
fn ready(cx: &CallCx<'_, '_>, object: &Object, doc: &ClusterDoc) -> Result<(), ApiError> {
    let name = cx.path("name");
    if let Some(update) = doc.updates.iter().find(|u| u.status == "InProgress") {
        let message = format!("Cannot {} because cluster {name} currently has update {} in progress", cx.op, update.id);
        return Err(error::in_use(message).with("clusterName", name));
    }
    if object.state != "ACTIVE" {
        let message = format!("Cluster '{name}' is not in ACTIVE status");
        return Err(error::request(message).with("clusterName", name));
    }
    Ok(())
}

/// The update an earlier call with this token began.
pub(super) fn repeated(updates: &[Update], print: Option<&String>) -> Result<Option<Value>, ApiError> {
    for update in updates {
        match store::seen(update.token.as_ref(), print) {
            Seen::Again => return Ok(Some(json!({"update": update.view()}))),
            Seen::Differs => return Err(store::token_differs()),
            Seen::New => {}
        }
    }
    Ok(None)
}

/// UpdateClusterConfig.
pub(super) fn config(cx: &mut CallCx<'_, '_>) -> Result<Value, ApiError> {
    let name = cx.path("name").to_owned();
    let request = body(cx, UPDATE_CLUSTER_CONFIG)?;
    let object = find(cx, &name)?;
    let doc: ClusterDoc = object.read();
    let print = store::fingerprint(&request);
    if let Some(reply) = repeated(&doc.updates, print.as_ref())? {
        return Ok(reply);
    }
    ready(cx, &object, &doc)?;
    let of = |error: ApiError| error.with("clusterName", name.as_str());
    let asked =
        |paths: &[&str]| paths.iter().any(|path| request.pointer(&format!("/{path}")).is_some_and(|v| !v.is_null()));
    let kinds: Vec<&str> = TYPES.iter().filter(|(_, paths)| asked(paths)).map(|(kind, _)| *kind).collect();
    let kind = match kinds.as_slice() {
        [kind] => *kind,
        [] => return Err(of(error::parameter("No changes needed: the request names nothing to update"))),
        _ => {
            return Err(of(error::parameter(format!(
                "Only one type of update can be allowed, not {}",
                kinds.join(" and ")
            ))));
        }
    };
    let (outcome, params) = judge(cx, kind, &request, &doc).map_err(of)?;
    let mut after = doc.api.clone();
    store::merge(&mut after, &outcome);
    if after == doc.api {
        return Err(of(error::parameter(unchanged(kind, &doc.api))));
    }
    let update = Update::begin(cx.tx, kind, &params, outcome, print);
    let quick = matches!(kind, "DeletionProtectionUpdate" | "UpgradePolicyUpdate" | "AccessConfigUpdate");
    let span = if quick { cx.tx.between(secs(10), secs(40)) } else { cx.tx.between(minutes(1), minutes(4)) };
    begin(cx, &name, update, span)
}

fn begin(cx: &mut CallCx<'_, '_>, name: &str, update: Update, span: std::time::Duration) -> Result<Value, ApiError> {
    let reply = json!({"update": update.view()});
    let due = due(cx.tx, span, UPDATED);
    change(cx.tx, &cx.scope, CLUSTER, name, |object, doc: &mut ClusterDoc| {
        "UPDATING".clone_into(&mut object.state);
        object.due = due;
        doc.updates.push(update);
    });
    Ok(reply)
}

fn unchanged(kind: &str, api: &Value) -> String {
    match kind {
        "EndpointAccessUpdate" => {
            let config = &api["resourcesVpcConfig"];
            format!(
                "Cluster is already at the desired configuration with endpointPrivateAccess: {} , endpointPublicAccess: {}, and Public Endpoint Restrictions: [{}]",
                config["endpointPrivateAccess"],
                config["endpointPublicAccess"],
                texts(&config["publicAccessCidrs"]).join(", ")
            )
        }
        "LoggingUpdate" => "No changes needed for the logging config provided".to_owned(),
        _ => "No changes needed, the cluster is already at the desired configuration".to_owned(),
    }
}

type Judged = (Value, Vec<(&'static str, String)>);

/// What the change would make of the description, if it may be made.
fn judge(cx: &CallCx<'_, '_>, kind: &str, request: &Value, doc: &ClusterDoc) -> Result<Judged, ApiError> {
    let now = &doc.api["resourcesVpcConfig"];
    match kind {
        "EndpointAccessUpdate" => endpoint_change(&request["resourcesVpcConfig"], now),
        "VpcConfigUpdate" => vpc_change(cx, &request["resourcesVpcConfig"], now),
        "LoggingUpdate" => {
            let logging = cluster::logging(Some(&doc.api["logging"]), request.get("logging"));
            Ok((json!({"logging": logging}), vec![("ClusterLogging", request["logging"].to_string())]))
        }
        "AccessConfigUpdate" => {
            let order = ["CONFIG_MAP", "API_AND_CONFIG_MAP", "API"];
            let rank = |mode: &Value| order.iter().position(|word| mode == word);
            let (from, to) =
                (&doc.api["accessConfig"]["authenticationMode"], &request["accessConfig"]["authenticationMode"]);
            if rank(to) < rank(from) {
                return Err(error::parameter(
                    format!("Unsupported authentication mode update from {from} to {to}").replace('"', ""),
                ));
            }
            let mode = to.as_str().unwrap_or_default().to_owned();
            Ok((
                json!({"accessConfig": {"authenticationMode": mode}}),
                vec![("AuthenticationMode", format!("\"{mode}\""))],
            ))
        }
        "UpgradePolicyUpdate" => {
            let minor = doc.api["version"].as_str().unwrap_or_default();
            let extended =
                versions::named(minor).is_some_and(|v| v.support(cx.tx.now()) == versions::Support::Extended);
            if extended && request["upgradePolicy"]["supportType"] == json!("STANDARD") {
                return Err(error::request(format!(
                    "The support type cannot be changed to STANDARD while version {minor} is in extended support"
                )));
            }
            Ok((
                json!({"upgradePolicy": request["upgradePolicy"]}),
                vec![("UpgradePolicy", request["upgradePolicy"].to_string())],
            ))
        }
        "DeletionProtectionUpdate" => Ok((
            json!({"deletionProtection": request["deletionProtection"]}),
            vec![("DeletionProtection", request["deletionProtection"].to_string())],
        )),
        "ZonalShiftConfigUpdate" => Ok((
            json!({"zonalShiftConfig": request["zonalShiftConfig"]}),
            vec![("ZonalShiftConfig", request["zonalShiftConfig"].to_string())],
        )),
        "ControlPlaneScalingConfigUpdate" => {
            let tier =
                |value: &Value| value["controlPlaneScalingConfig"]["tier"].as_str().unwrap_or_default().to_owned();
            let params = vec![("PreviousTier", tier(&doc.api)), ("UpdatedTier", tier(request))];
            Ok((json!({"controlPlaneScalingConfig": request["controlPlaneScalingConfig"]}), params))
        }
        "AutoModeUpdate" => Err(error::not_simulated("EKS Auto Mode")),
        other => Err(error::not_simulated(&format!("updates of type {other}"))),
    }
}

fn endpoint_change(asked: &Value, now: &Value) -> Result<Judged, ApiError> {
    let flag = |key: &str| asked[key].as_bool().or(now[key].as_bool()).unwrap_or_default();
    let (public, private) = (flag("endpointPublicAccess"), flag("endpointPrivateAccess"));
    let ranges = texts(&asked["publicAccessCidrs"]);
    cluster::check_endpoint(public, private, &ranges)?;
    let ranges = match (public, ranges.is_empty()) {
        (false, _) => Vec::new(),
        (true, false) => ranges,
        (true, true) => {
            Some(texts(&now["publicAccessCidrs"])).filter(|r| !r.is_empty()).unwrap_or(vec!["0.0.0.0/0".to_owned()])
        }
    };
    let params = vec![
        ("EndpointPublicAccess", public.to_string()),
        ("EndpointPrivateAccess", private.to_string()),
        ("PublicAccessCidrs", json!(ranges).to_string()),
    ];
    let config = json!({"endpointPublicAccess": public, "endpointPrivateAccess": private, "publicAccessCidrs": ranges});
    Ok((json!({"resourcesVpcConfig": config}), params))
}

fn vpc_change(cx: &CallCx<'_, '_>, asked: &Value, now: &Value) -> Result<Judged, ApiError> {
    let mut config = Map::new();
    let mut params = Vec::new();
    let vpc = now["vpcId"].as_str().unwrap_or_default();
    if asked["subnetIds"].is_array() {
        let subnets = texts(&asked["subnetIds"]);
        let zones = |ids: &[String]| -> std::collections::BTreeSet<String> {
            ids.iter().filter_map(|id| neighbours::subnet(cx.tx, &cx.scope, id)).map(|s| s.zone).collect()
        };
        let found = cluster::check_subnets(cx.tx, &cx.scope, cx.path("name"), &subnets)?;
        if found != vpc || zones(&subnets) != zones(&texts(&now["subnetIds"])) {
            return Err(error::parameter(
                "Provided subnets belong to different AZs or another VPC than those the cluster was created with",
            ));
        }
        params.push(("Subnets", json!(subnets).to_string()));
        config.insert("subnetIds".to_owned(), json!(subnets));
    }
    if asked["securityGroupIds"].is_array() {
        let groups = texts(&asked["securityGroupIds"]);
        cluster::check_groups(cx.tx, &cx.scope, &groups, vpc)?;
        params.push(("SecurityGroups", json!(groups).to_string()));
        config.insert("securityGroupIds".to_owned(), json!(groups));
    }
    Ok((json!({"resourcesVpcConfig": config}), params))
}

/// UpdateClusterVersion: one minor version up. Node groups may lag, not lead.
pub(super) fn version(cx: &mut CallCx<'_, '_>) -> Result<Value, ApiError> {
    let name = cx.path("name").to_owned();
    let request = body(cx, UPDATE_CLUSTER_VERSION)?;
    let object = find(cx, &name)?;
    let doc: ClusterDoc = object.read();
    let print = store::fingerprint(&request);
    if let Some(reply) = repeated(&doc.updates, print.as_ref())? {
        return Ok(reply);
    }
    ready(cx, &object, &doc)?;
    let of = |error: ApiError| error.with("clusterName", name.as_str());
    let (from, to) = (doc.api["version"].as_str().unwrap_or_default(), request["version"].as_str().unwrap_or_default());
    let target = versions::offered(to, cx.tx.now())
        .ok_or_else(|| of(error::parameter(format!("unsupported Kubernetes version {to}"))))?;
    let before = versions::named(from).expect("a cluster runs a version of the table");
    if target.number() == before.number() {
        return Err(of(error::parameter(format!("Cluster is already at version: {to}"))));
    }
    if target.number() < before.number() {
        return Err(of(error::not_simulated("version rollbacks")));
    }
    if target.number() != before.number() + 1 {
        return Err(of(error::parameter(format!("Unsupported Kubernetes minor version update from {from} to {to}"))));
    }
    let groups = store::of_cluster(cx.tx, &cx.scope, NODEGROUP, &name);
    let minors = groups.filter_map(|g| versions::named(g.doc["api"]["version"].as_str()?)).map(|v| v.number());
    if minors.min().is_some_and(|oldest| target.number() - oldest > 3) {
        return Err(of(error::request(
            "Kubelet version skew: a node group is more than three minor versions behind the new version",
        )));
    }
    let params = [("Version", to.to_owned()), ("PlatformVersion", target.platform.to_owned())];
    let outcome = json!({"version": target.minor, "platformVersion": target.platform});
    let update = Update::begin(cx.tx, "VersionUpdate", &params, outcome, print);
    let span = cx.tx.between(minutes(8), minutes(12));
    begin(cx, &name, update, span)
}

/// An update of a cluster has taken effect.
pub(super) fn finish_cluster(tx: &mut Tx<'_>, object: &Object) {
    let scope = object.scope();
    let doc: ClusterDoc = object.read();
    let entering_api = doc.updates.iter().any(|u| u.status == "InProgress" && u.kind == "AccessConfigUpdate")
        && doc.api["accessConfig"]["authenticationMode"] == json!("CONFIG_MAP");
    change(tx, &scope, CLUSTER, &object.id, |object, doc: &mut ClusterDoc| {
        store::finish(&mut doc.updates, &mut doc.api);
        "ACTIVE".clone_into(&mut object.state);
        object.due = None;
    });
    cluster::bill(tx, &scope, &object.id);
    if entering_api && let Some(principal) = &doc.bootstrap_admin {
        super::access::bootstrap(tx, &scope, &object.id, principal);
    }
    let doc: Option<ClusterDoc> = tx.get(&scope, CLUSTER, &object.id).map(Object::read);
    if doc.is_some_and(|doc| !cluster::logged(&doc.api["logging"]).is_empty()) {
        neighbours::ensure_log_group(tx, &scope, &object.id);
    }
}

/// The updates of the owner the query names: the cluster itself, a node group or an add-on.
fn of_owner(cx: &mut CallCx<'_, '_>) -> Result<Vec<Update>, ApiError> {
    let name = cx.path("name").to_owned();
    let (group, addon) = (cx.params.text("nodegroupName"), cx.params.text("addonName"));
    let cluster = find(cx, &name)?;
    let missing = |member: &str, id: &str| {
        Err(error::not_found(format!("No {member} found for name: {id}.")).with("clusterName", name.as_str()))
    };
    match (group, addon) {
        (Some(_), Some(_)) => Err(error::parameter("Only one of nodegroupName and addonName can be given")),
        (None, None) => Ok(cluster.read::<ClusterDoc>().updates),
        (Some(id), None) => match cx.tx.live(&cx.scope, NODEGROUP, &store::within(&name, &id)) {
            Some(object) => Ok(object.read::<NodegroupDoc>().updates),
            None => missing("node group", &id),
        },
        (None, Some(id)) => match cx.tx.live(&cx.scope, ADDON, &store::within(&name, &id)) {
            Some(object) => Ok(object.read::<AddonDoc>().updates),
            None => missing("addon", &id),
        },
    }
}

/// DescribeUpdate.
pub(super) fn describe(cx: &mut CallCx<'_, '_>) -> Result<Value, ApiError> {
    let id = cx.path("updateId").to_owned();
    let updates = of_owner(cx)?;
    match updates.iter().find(|update| update.id == id) {
        Some(update) => Ok(json!({"update": update.view()})),
        None => Err(error::not_found(format!("No update found for ID: {id}")).with("clusterName", cx.path("name"))),
    }
}

/// ListUpdates.
pub(super) fn list(cx: &mut CallCx<'_, '_>) -> Result<Value, ApiError> {
    let ids = of_owner(cx)?.into_iter().map(|update| update.id).collect();
    store::page(ids, "updateIds", cx.params.get("maxResults"), cx.params.get("nextToken"))
}
