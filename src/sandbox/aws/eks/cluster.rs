//! Clusters: creation with every check the real service makes first, description, deletion and what it leaves behind.

use super::{
    access, error,
    neighbours::{self, Trouble},
    requests::{CREATE_CLUSTER, LOG_TYPES},
    shape,
    store::{self, CLUSTER, ClusterDoc, NODEGROUP, Seen, change, due, minutes, seconds, secs},
    versions::{self, KubeVersion, Support},
};
use crate::{
    model::{Cloud, PriceKey, Region, Unit, Usage},
    sandbox::{
        aws::{ApiError, CallCx},
        world::{Object, Scope, Site, Tx},
    },
};
use base64::{Engine, engine::general_purpose::STANDARD};
use ipnet::Ipv4Net;
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};

/// Ranges a public endpoint may name.
const PUBLIC_RANGES: usize = 40;
/// Security groups beside the one EKS makes.
const GROUPS: usize = 4;

/// What `due` calls the moments of a cluster's life.
pub(super) const NETWORK: &str = "network";
const ACTIVE: &str = "active";
const RELEASE: &str = "release";
const SWEEP: &str = "sweep";
pub(super) const UPDATED: &str = "updated";

/// The body of a call, checked against its table.
pub(super) fn body(cx: &CallCx<'_, '_>, members: &[shape::Member]) -> Result<Value, ApiError> {
    let text = if cx.body.is_empty() { b"{}".as_slice() } else { cx.body };
    let value: Value =
        serde_json::from_slice(text).map_err(|why| ApiError::bad("SerializationException", why.to_string()))?;
    shape::check(&value, members).map_err(error::parameter)?;
    Ok(value)
}

/// The cluster the path names, or the service's words for its absence.
pub(super) fn find(cx: &mut CallCx<'_, '_>, name: &str) -> Result<Object, ApiError> {
    if let Some(object) = cx.tx.live(&cx.scope, CLUSTER, name) {
        return Ok(object.clone());
    }
    // Operations besides DescribeCluster now and then use the older exception (seen in 2026: `No cluster found for name`).
    if cx.op != "DescribeCluster" && cx.tx.below(4) == 0 {
        return Err(error::client(format!("No cluster found for name: {name}.")).with("clusterName", name));
    }
    Err(error::not_found(format!("No cluster found for name: {name}.")).with("clusterName", name))
}

/// The cluster the path names, if its status is ACTIVE.
pub(super) fn find_active(cx: &mut CallCx<'_, '_>, name: &str) -> Result<Object, ApiError> {
    let object = find(cx, name)?;
    if object.state == "ACTIVE" {
        return Ok(object);
    }
    Err(error::request(format!("Cluster '{name}' is not in ACTIVE status")).with("clusterName", name))
}

/// CreateCluster.
pub(super) fn create(cx: &mut CallCx<'_, '_>) -> Result<Value, ApiError> {
    let request = body(cx, CREATE_CLUSTER)?;
    let name = request["name"].as_str().unwrap_or_default();
    check_name(name)?;
    let print = store::fingerprint(&request);
    if let Some(object) = cx.tx.live(&cx.scope, CLUSTER, name) {
        return match store::seen(object.token.as_ref(), print.as_ref()) {
            Seen::Again if object.state != "DELETING" => Ok(json!({"cluster": view(object, cx.tx.site())})),
            Seen::Differs => Err(store::token_differs()),
            _ => Err(error::in_use(format!("Cluster already exists with name: {name}")).with("clusterName", name)),
        };
    }
    let limit = neighbours::quota(cx.tx, "L-1194D53C");
    if cx.tx.list_live(&cx.scope, CLUSTER).count() as f64 >= limit {
        let message = format!("Cluster limit exceeded for account. Current limit is {limit}");
        return Err(error::limit(message).with("clusterName", name));
    }
    let now = cx.tx.now();
    let version = match request["version"].as_str() {
        None => versions::default(now),
        Some(minor) => versions::offered(minor, now).ok_or_else(|| {
            error::parameter(format!("unsupported Kubernetes version {minor}")).with("clusterName", name)
        })?,
    };
    let tags = store::tags(request.get("tags")).map_err(error::parameter)?;
    refuse_what_is_not_simulated(&request)?;
    let api = describe_new(cx, &request, version)?;
    let role = request["roleArn"].as_str().unwrap_or_default();
    check_role(cx.tx, &cx.scope, role).map_err(|error| error.with("clusterName", name))?;

    // A cluster of that name may still be on its way out of the network.
    if cx.tx.get(&cx.scope, CLUSTER, name).is_some() {
        sweep(cx.tx, &cx.scope, name);
    }
    neighbours::ensure_linked_role(cx.tx, &cx.scope.account, "eks.amazonaws.com");
    let admin = request["accessConfig"]["bootstrapClusterCreatorAdminPermissions"].as_bool().unwrap_or(true);
    let doc = ClusterDoc {
        api,
        uid: cx.tx.hex(32).to_uppercase(),
        up: false,
        bootstrap_admin: admin.then(|| cx.caller.principal_arn()),
        self_managed: request["bootstrapSelfManagedAddons"].as_bool().unwrap_or(true),
        enis: Vec::new(),
        updates: Vec::new(),
    };
    let after = cx.tx.between(secs(30), secs(60));
    let mut object = Object::new(&cx.scope, CLUSTER, name, now);
    object.name = Some(name.to_owned());
    "CREATING".clone_into(&mut object.state);
    object.tags = tags;
    object.parent = doc.api["resourcesVpcConfig"]["vpcId"].as_str().map(str::to_owned);
    object.usage = usage(&cx.scope, version, cx.tx);
    object.token = print;
    object.due = due(cx.tx, after, NETWORK);
    object.write(&doc);
    cx.tx.put(object.clone());
    Ok(json!({"cluster": view(&object, cx.tx.site())}))
}

fn check_name(name: &str) -> Result<(), ApiError> {
    let fits = name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if fits {
        return Ok(());
    }
    Err(error::parameter(
        "The cluster name can contain only alphanumeric characters (case-sensitive) and hyphens. It must start with an alphanumeric character and can't be longer than 100 characters.",
    ))
}

fn refuse_what_is_not_simulated(request: &Value) -> Result<(), ApiError> {
    let auto = [
        "/computeConfig/enabled",
        "/storageConfig/blockStorage/enabled",
        "/kubernetesNetworkConfig/elasticLoadBalancing/enabled",
    ];
    let asked: Vec<bool> = auto.iter().map(|path| request.pointer(path) == Some(&json!(true))).collect();
    if asked.contains(&true) && asked.contains(&false) {
        return Err(error::parameter(
            "For EKS Auto Mode, please ensure that all required configs, including computeConfig, kubernetesNetworkConfig, and blockStorage are all either fully enabled or fully disabled.",
        ));
    }
    if asked.contains(&true) {
        return Err(error::not_simulated("EKS Auto Mode"));
    }
    if let Some(key) = request.pointer("/encryptionConfig/0/provider/keyArn").and_then(Value::as_str) {
        return Err(error::parameter(format!(
            "The keyArn in encryptionConfig provider: {key} does not exist (the sandbox has no KMS)"
        )));
    }
    if request.pointer("/kubernetesNetworkConfig/ipFamily") == Some(&json!("ipv6")) {
        return Err(error::not_simulated("IPv6 clusters"));
    }
    if request["remoteNetworkConfig"].is_object() {
        return Err(error::not_simulated("hybrid nodes"));
    }
    Ok(())
}

/// Judges everything that shows in the description and composes it.
fn describe_new(cx: &CallCx<'_, '_>, request: &Value, version: &KubeVersion) -> Result<Value, ApiError> {
    let name = request["name"].as_str().unwrap_or_default();
    let config = &request["resourcesVpcConfig"];
    let subnets = texts(&config["subnetIds"]);
    let vpc = check_subnets(cx.tx, &cx.scope, name, &subnets)?;
    let groups = texts(&config["securityGroupIds"]);
    check_groups(cx.tx, &cx.scope, &groups, &vpc)?;
    let public = config["endpointPublicAccess"].as_bool().unwrap_or(true);
    let private = config["endpointPrivateAccess"].as_bool().unwrap_or(false);
    let mut ranges = texts(&config["publicAccessCidrs"]);
    check_endpoint(public, private, &ranges)?;
    if ranges.is_empty() && public {
        ranges.push("0.0.0.0/0".to_owned());
    }
    let service_range =
        service_range(cx.tx, &cx.scope, &vpc, request["kubernetesNetworkConfig"]["serviceIpv4Cidr"].as_str())?;
    let access = &request["accessConfig"];
    let mode = access["authenticationMode"].as_str().unwrap_or("CONFIG_MAP");
    let admin = access["bootstrapClusterCreatorAdminPermissions"].as_bool().unwrap_or(true);
    Ok(json!({
        "name": name,
        "arn": format!("arn:aws:eks:{}:{}:cluster/{name}", cx.scope.region, cx.scope.account),
        "createdAt": seconds(cx.tx.now()),
        "version": version.minor,
        "roleArn": request["roleArn"],
        "resourcesVpcConfig": {
            "subnetIds": subnets, "securityGroupIds": groups, "vpcId": vpc, "endpointPublicAccess": public,
            "endpointPrivateAccess": private, "publicAccessCidrs": ranges,
            "controlPlaneEgressMode": config["controlPlaneEgressMode"].as_str().unwrap_or("AWS_MANAGED"),
        },
        "kubernetesNetworkConfig": {"serviceIpv4Cidr": service_range, "ipFamily": "ipv4", "elasticLoadBalancing": {"enabled": false}},
        "logging": logging(None, request.get("logging")),
        "platformVersion": version.platform,
        "health": {"issues": []},
        "accessConfig": {"bootstrapClusterCreatorAdminPermissions": admin, "authenticationMode": mode},
        "upgradePolicy": {"supportType": request["upgradePolicy"]["supportType"].as_str().unwrap_or("EXTENDED")},
        "zonalShiftConfig": {"enabled": request["zonalShiftConfig"]["enabled"].as_bool().unwrap_or(false)},
        "controlPlaneScalingConfig": {"tier": request["controlPlaneScalingConfig"]["tier"].as_str().unwrap_or("standard")},
        "deletionProtection": request["deletionProtection"].as_bool().unwrap_or(false),
    }))
}

/// The texts of a list; absent is empty.
pub(super) fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// At least two zones of one VPC, none of the zones that hold no control planes. Returns the VPC.
pub(super) fn check_subnets(tx: &Tx<'_>, scope: &Scope, cluster: &str, ids: &[String]) -> Result<String, ApiError> {
    let distinct: BTreeSet<&String> = ids.iter().collect();
    if distinct.len() != ids.len() {
        return Err(error::parameter("Subnets specified must be unique").with("clusterName", cluster));
    }
    let mut subnets = Vec::new();
    for id in ids {
        subnets.push(neighbours::subnet(tx, scope, id).ok_or_else(|| {
            let message = format!("The subnet ID '{id}' does not exist (Service: Ec2, Status Code: 400)");
            error::parameter(message).with("clusterName", cluster)
        })?);
    }
    let zones: BTreeSet<&str> = subnets.iter().map(|s| s.zone.as_str()).collect();
    if zones.len() < 2 {
        let message = "Subnets specified must be in at least two different AZs";
        return Err(error::parameter(message).with("clusterName", cluster));
    }
    let vpc = subnets[0].vpc.clone();
    if subnets.iter().any(|s| s.vpc != vpc) {
        return Err(error::parameter("Subnets specified must belong to the same VPC").with("clusterName", cluster));
    }
    if let Some(bad) = subnets.iter().find(|s| !neighbours::holds_control_planes(&s.zone_id)) {
        let valid: Vec<String> = neighbours::control_plane_zones(scope);
        let message = format!(
            "Cannot create cluster '{cluster}' because {}, the targeted availability zone, does not currently have \
             sufficient capacity to support the cluster. Retry and choose from these availability zones: {}",
            bad.zone,
            valid.join(", ")
        );
        return Err(error::zone(message, &valid).with("clusterName", cluster));
    }
    Ok(vpc)
}

pub(super) fn check_groups(tx: &Tx<'_>, scope: &Scope, ids: &[String], vpc: &str) -> Result<(), ApiError> {
    if ids.len() > GROUPS {
        return Err(error::parameter(format!("At most {GROUPS} security groups can be given, not {}", ids.len())));
    }
    match ids.iter().find(|id| neighbours::group_vpc(tx, scope, id).as_deref() != Some(vpc)) {
        Some(id) => Err(error::parameter(format!("Security group '{id}' does not exist in VPC {vpc}"))),
        None => Ok(()),
    }
}

pub(super) fn check_endpoint(public: bool, private: bool, ranges: &[String]) -> Result<(), ApiError> {
    if !public && !private {
        return Err(error::parameter("Private and public endpoint access cannot be false"));
    }
    if ranges.len() > PUBLIC_RANGES {
        return Err(error::parameter(format!("At most {PUBLIC_RANGES} publicAccessCidrs can be given")));
    }
    if !ranges.is_empty() && !public {
        return Err(error::parameter("publicAccessCidrs cannot be given while endpointPublicAccess is false"));
    }
    for range in ranges {
        let net: Option<Ipv4Net> = range.parse().ok();
        let reserved =
            |net: Ipv4Net| net.prefix_len() > 0 && (net.network().is_private() || net.network().is_loopback());
        if net.is_none_or(|net| net.trunc() != net || reserved(net)) {
            return Err(error::parameter(format!("The following CIDRs are invalid in publicAccessCidrs: [{range}]")));
        }
    }
    Ok(())
}

/// The range of Service addresses: private, /12 to /24, clear of the VPC. EKS picks 10.100/16 or 172.20/16 itself.
fn service_range(tx: &Tx<'_>, scope: &Scope, vpc: &str, asked: Option<&str>) -> Result<String, ApiError> {
    let ours = neighbours::vpc_ranges(tx, scope, vpc);
    let clear =
        |net: &Ipv4Net| !ours.iter().any(|range| range.contains(&net.network()) || net.contains(&range.network()));
    let Some(text) = asked else {
        let ten: Ipv4Net = "10.100.0.0/16".parse().expect("a range");
        return Ok(if clear(&ten) && !ours.iter().any(|r| r.network().octets()[0] == 10) {
            ten.to_string()
        } else {
            "172.20.0.0/16".to_owned()
        });
    };
    let net: Ipv4Net =
        text.parse().map_err(|_| error::parameter(format!("serviceIpv4Cidr {text} is not a valid CIDR")))?;
    if !net.network().is_private() || !(12..=24).contains(&net.prefix_len()) {
        return Err(error::parameter(format!("serviceIpv4Cidr {text} must be a private range between /24 and /12")));
    }
    if !clear(&net) {
        return Err(error::parameter(format!("serviceIpv4Cidr {text} overlaps with the VPC's range")));
    }
    Ok(text.to_owned())
}

/// What is logged, as the service lists it: the types that are on, then those that are off.
pub(super) fn logging(before: Option<&Value>, asked: Option<&Value>) -> Value {
    let mut on: BTreeSet<String> = before.map(logged).unwrap_or_default();
    for setup in asked.and_then(|a| a["clusterLogging"].as_array()).into_iter().flatten() {
        for kind in texts(&setup["types"]) {
            if setup["enabled"] == json!(true) {
                on.insert(kind)
            } else {
                on.remove(&kind)
            };
        }
    }
    let off: Vec<&str> = LOG_TYPES.iter().copied().filter(|kind| !on.contains(*kind)).collect();
    let mut setups = Vec::new();
    if !on.is_empty() {
        setups.push(json!({"types": on, "enabled": true}));
    }
    if !off.is_empty() {
        setups.push(json!({"types": off, "enabled": false}));
    }
    json!({"clusterLogging": setups})
}

/// The types that are on.
pub(super) fn logged(logging: &Value) -> BTreeSet<String> {
    let setups = logging["clusterLogging"].as_array().into_iter().flatten();
    setups.filter(|s| s["enabled"] == json!(true)).flat_map(|s| texts(&s["types"])).collect()
}

/// The role must exist, trust EKS, hold its policies, and other services must have heard of all that.
fn check_role(tx: &Tx<'_>, scope: &Scope, arn: &str) -> Result<(), ApiError> {
    match neighbours::role(tx, &scope.account, arn, "eks.amazonaws.com", &["sts:AssumeRole"]) {
        Err(Trouble::Malformed) => {
            Err(error::parameter(format!("Error in role params: {arn} is not a valid role ARN")))
        }
        Err(Trouble::Absent | Trouble::NotTrusted) => Err(error::parameter(format!(
            "Role with arn: {arn}, could not be assumed because it does not exist or the trusted entity is not correct"
        ))),
        Ok(role) if role.allows(&["AmazonEKSClusterPolicy"]) => Ok(()),
        Ok(_) => Err(error::parameter(
            "The provided role doesn't have the Amazon EKS Managed Policies associated with it. \
             Please ensure the following policy is attached: AmazonEKSClusterPolicy",
        )),
    }
}

/// What a control plane costs: six times as much once its version is past standard support.
fn usage(scope: &Scope, version: &KubeVersion, tx: &Tx<'_>) -> Vec<Usage> {
    let name =
        if version.support(tx.now()) == Support::Standard { "eks-cluster" } else { "eks-cluster-extended-support" };
    let key = PriceKey::Component { cloud: Cloud::Aws, region: Region(scope.region.clone()), name: name.to_owned() };
    vec![Usage::fixed(key, Unit::Hour, 1.0)]
}

/// Bills a cluster by its version.
pub(super) fn bill(tx: &mut Tx<'_>, scope: &Scope, name: &str) {
    let Some(doc) = tx.get(scope, CLUSTER, name).map(Object::read::<ClusterDoc>) else { return };
    let Some(version) = doc.api["version"].as_str().and_then(versions::named) else { return };
    let usage = usage(scope, version, tx);
    tx.update(scope, CLUSTER, name, |object| object.usage = usage);
}

/// The cluster as the API shows it.
pub(super) fn view(object: &Object, site: &Site) -> Value {
    let doc: ClusterDoc = object.read();
    let mut shown = doc.api;
    shown["status"] = json!(object.state);
    shown["tags"] = json!(object.tags);
    shown["certificateAuthority"] = json!({});
    if doc.up {
        shown["endpoint"] = json!(format!("{}/clusters/{}", site.kubernetes_url, doc.uid));
        shown["certificateAuthority"]["data"] = json!(STANDARD.encode(&site.ca_pem));
        let issuer = format!("https://oidc.eks.{}.amazonaws.com/id/{}", object.region, doc.uid);
        shown["identity"] = json!({"oidc": {"issuer": issuer}});
    }
    shown
}

/// DescribeCluster.
pub(super) fn describe(cx: &mut CallCx<'_, '_>) -> Result<Value, ApiError> {
    let name = cx.path("name").to_owned();
    let object = find(cx, &name)?;
    Ok(json!({"cluster": view(&object, cx.tx.site())}))
}

/// ListClusters.
pub(super) fn list(cx: &mut CallCx<'_, '_>) -> Result<Value, ApiError> {
    let _ = cx.params.list("include");
    let names = cx.tx.list_live(&cx.scope, CLUSTER).map(|object| object.id.clone()).collect();
    store::page(names, "clusters", cx.params.get("maxResults"), cx.params.get("nextToken"))
}

/// DeleteCluster.
pub(super) fn delete(cx: &mut CallCx<'_, '_>) -> Result<Value, ApiError> {
    let name = cx.path("name").to_owned();
    let object = find(cx, &name)?;
    let doc: ClusterDoc = object.read();
    let busy = |message: String| Err(error::in_use(message).with("clusterName", name.as_str()));
    if doc.api["deletionProtection"] == json!(true) {
        let message =
            format!("Cluster {name} has deletion protection enabled. Disable it before you delete the cluster");
        return Err(error::request(message).with("clusterName", name.as_str()));
    }
    if store::of_cluster(cx.tx, &cx.scope, NODEGROUP, &name).next().is_some() {
        return busy("Cluster has nodegroups attached".to_owned());
    }
    match object.state.as_str() {
        "DELETING" => return Ok(json!({"cluster": view(&object, cx.tx.site())})),
        "CREATING" => return busy(format!("Cannot delete because cluster {name} is still being created")),
        "UPDATING" => {
            let id = doc.updates.iter().find(|u| u.status == "InProgress").map_or("", |u| u.id.as_str());
            return busy(format!("Cannot delete because cluster {name} currently has update {id} in progress"));
        }
        _ => {}
    }
    let span = cx.tx.between(minutes(2), minutes(6));
    let due = due(cx.tx, span, RELEASE);
    change(cx.tx, &cx.scope, CLUSTER, &name, |object, doc: &mut ClusterDoc| {
        "DELETING".clone_into(&mut object.state);
        object.due = due;
        doc.updates.retain(|u| u.status != "InProgress");
    });
    let object = find(cx, &name)?;
    Ok(json!({"cluster": view(&object, cx.tx.site())}))
}

/// Time passes for a cluster.
pub(super) fn happen(tx: &mut Tx<'_>, object: &Object, what: &str) {
    let scope = object.scope();
    match what {
        NETWORK => enter_network(tx, object),
        ACTIVE => come_up(tx, object),
        RELEASE => release(tx, object),
        SWEEP => sweep(tx, &scope, &object.id),
        UPDATED => super::updates::finish_cluster(tx, object),
        _ => {}
    }
}

/// A minute in: the security group, the ENIs and the log group appear in the account.
fn enter_network(tx: &mut Tx<'_>, object: &Object) {
    let scope = object.scope();
    let doc: ClusterDoc = object.read();
    if let Some((code, message, id)) = breakage(tx, &scope, &doc) {
        return fail(tx, object, code, &message, &id);
    }
    let config = &doc.api["resourcesVpcConfig"];
    let vpc = config["vpcId"].as_str().unwrap_or_default();
    let group = neighbours::make_cluster_group(tx, &scope, &object.id, vpc);
    let mut groups = texts(&config["securityGroupIds"]);
    groups.push(group.clone());
    let mut enis = Vec::new();
    for subnet in texts(&config["subnetIds"]) {
        match neighbours::make_control_plane_eni(tx, &scope, &object.id, &subnet, &groups) {
            Ok(eni) => enis.push(eni),
            Err(error) => {
                let issue = if error.code == "InsufficientFreeAddressesInSubnet" {
                    "InsufficientFreeAddresses"
                } else {
                    "Other"
                };
                let message = format!("No network interface could be made in subnet {subnet}: {}", error.message);
                note(tx, &scope, &object.id, &enis, Some(&group));
                return fail(tx, object, issue, &message, &subnet);
            }
        }
    }
    note(tx, &scope, &object.id, &enis, Some(&group));
    if !logged(&doc.api["logging"]).is_empty() {
        neighbours::ensure_log_group(tx, &scope, &object.id);
    }
    let rest = tx.between(minutes(8), minutes(9));
    let due = due(tx, rest, ACTIVE);
    tx.update(&scope, CLUSTER, &object.id, |object| object.due = due);
}

fn note(tx: &mut Tx<'_>, scope: &Scope, name: &str, enis: &[String], group: Option<&str>) {
    change(tx, scope, CLUSTER, name, |_, doc: &mut ClusterDoc| {
        doc.enis = enis.to_vec();
        doc.api["resourcesVpcConfig"]["clusterSecurityGroupId"] = json!(group);
    });
}

/// What a cluster being made needs and no longer has.
fn breakage(tx: &Tx<'_>, scope: &Scope, doc: &ClusterDoc) -> Option<(&'static str, String, String)> {
    let role = doc.api["roleArn"].as_str().unwrap_or_default();
    if neighbours::role(tx, &scope.account, role, "eks.amazonaws.com", &["sts:AssumeRole"]).is_err() {
        let message = format!("The role {role} of the cluster cannot be assumed or does not exist any more");
        return Some(("IamRoleNotFound", message, role.to_owned()));
    }
    let subnets = texts(&doc.api["resourcesVpcConfig"]["subnetIds"]);
    let lost = subnets.into_iter().find(|id| neighbours::subnet(tx, scope, id).is_none())?;
    Some(("Ec2SubnetNotFound", format!("Subnet {lost} of the cluster does not exist any more"), lost))
}

fn fail(tx: &mut Tx<'_>, object: &Object, code: &str, message: &str, id: &str) {
    change(tx, &object.scope(), CLUSTER, &object.id, |object, doc: &mut ClusterDoc| {
        "FAILED".clone_into(&mut object.state);
        object.due = None;
        doc.api["health"] = json!({"issues": [{"code": code, "message": message, "resourceIds": [id]}]});
    });
}

/// The control plane serves.
fn come_up(tx: &mut Tx<'_>, object: &Object) {
    let scope = object.scope();
    let doc: ClusterDoc = object.read();
    if object.doomed {
        let message = "The control plane could not be started because of an internal failure";
        return fail(tx, object, "InternalFailure", message, &object.id);
    }
    if let Some((code, message, id)) = breakage(tx, &scope, &doc) {
        return fail(tx, object, code, &message, &id);
    }
    change(tx, &scope, CLUSTER, &object.id, |object, doc: &mut ClusterDoc| {
        "ACTIVE".clone_into(&mut object.state);
        object.due = None;
        doc.up = true;
    });
    if doc.api["accessConfig"]["authenticationMode"] != json!("CONFIG_MAP")
        && let Some(principal) = &doc.bootstrap_admin
    {
        access::bootstrap(tx, &scope, &object.id, principal);
    }
}

/// The control plane is gone; the network follows a little later.
fn release(tx: &mut Tx<'_>, object: &Object) {
    let scope = object.scope();
    let name = object.id.as_str();
    super::forget_children(tx, &scope, name);
    let lag = tx.between(secs(10), secs(90));
    let due = due(tx, lag, SWEEP);
    tx.bury(&scope, CLUSTER, name, "DELETED", lag + Duration::from_secs(1));
    tx.update(&scope, CLUSTER, name, |object| object.due = due);
}

/// EKS takes its ENIs and its security group back, as far as its role still lets it and nobody else uses the group.
fn sweep(tx: &mut Tx<'_>, scope: &Scope, name: &str) {
    let Some(doc) = tx.get(scope, CLUSTER, name).map(Object::read::<ClusterDoc>) else { return };
    let role = doc.api["roleArn"].as_str().unwrap_or_default();
    let able = neighbours::role(tx, &scope.account, role, "eks.amazonaws.com", &["sts:AssumeRole"])
        .is_ok_and(|role| role.allows(&["AmazonEKSClusterPolicy"]));
    if !able {
        return;
    }
    for eni in &doc.enis {
        neighbours::remove_eni(tx, scope, eni);
    }
    if let Some(group) = doc.api["resourcesVpcConfig"]["clusterSecurityGroupId"].as_str() {
        neighbours::remove_group_if_unused(tx, scope, group);
    }
}
