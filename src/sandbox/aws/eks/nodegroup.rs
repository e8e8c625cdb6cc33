//! Managed node groups as the API sees them: what a request may ask for, description, change and deletion.
//! What the machines do meanwhile is in `nodes.rs`.

use super::{
    cluster::{body, find, find_active, texts},
    error,
    neighbours::{self, Trouble},
    nodes,
    requests::{CREATE_NODEGROUP, UPDATE_NODEGROUP_CONFIG},
    store::{
        self, CLUSTER, ClusterDoc, NODEGROUP, NodegroupDoc, Seen, Template, Update, change, due, minutes, seconds, secs,
    },
    updates,
    versions::{self, KubeVersion},
};
use crate::sandbox::{
    aws::{ApiError, CallCx},
    world::{Object, Scope, Tx},
};
use serde_json::{Value, json};

/// Prefixes only EKS and Kubernetes themselves may put on a label.
const RESERVED_LABELS: &[&str] = &["kubernetes.io/", "k8s.io/", "eks.amazonaws.com/"];

/// Finds a node group by cluster and name.
fn find_group(cx: &mut CallCx<'_, '_>) -> Result<Object, ApiError> {
    let (cluster, name) = (cx.path("name").to_owned(), cx.path("nodegroupName").to_owned());
    find(cx, &cluster)?;
    cx.tx.live(&cx.scope, NODEGROUP, &store::within(&cluster, &name)).cloned().ok_or_else(|| {
        error::not_found(format!("No node group found for name: {name}."))
            .with("clusterName", cluster)
            .with("nodegroupName", name)
    })
}

/// The node group as the API shows it.
fn view(object: &Object) -> Value {
    let doc: NodegroupDoc = object.read();
    let mut shown = doc.api;
    shown["status"] = json!(object.state);
    shown["tags"] = json!(object.tags);
    shown
}

/// CreateNodegroup.
pub(super) fn create(cx: &mut CallCx<'_, '_>) -> Result<Value, ApiError> {
    let cluster = cx.path("name").to_owned();
    let request = body(cx, CREATE_NODEGROUP)?;
    let name = request["nodegroupName"].as_str().unwrap_or_default().to_owned();
    let of = |error: ApiError| error.with("clusterName", cluster.as_str()).with("nodegroupName", name.as_str());
    find(cx, &cluster)?;
    let print = store::fingerprint(&request);
    if let Some(object) = cx.tx.live(&cx.scope, NODEGROUP, &store::within(&cluster, &name)) {
        return match store::seen(object.token.as_ref(), print.as_ref()) {
            Seen::Again if object.state != "DELETING" => Ok(json!({"nodegroup": view(object)})),
            Seen::Differs => Err(of(store::token_differs())),
            _ => {
                Err(of(error::in_use(format!("NodeGroup already exists with name {name} and cluster name {cluster}"))))
            }
        };
    }
    let owner = find_active(cx, &cluster)?;
    let tags = store::tags(request.get("tags")).map_err(error::parameter)?;
    let (api, template) = judge(cx, &owner, &request).map_err(of)?;
    neighbours::ensure_linked_role(cx.tx, &cx.scope.account, "eks-nodegroup.amazonaws.com");
    neighbours::ensure_linked_role(cx.tx, &cx.scope.account, "autoscaling.amazonaws.com");
    let uuid = cx.tx.uuid();
    let mut api = api;
    api["nodegroupArn"] =
        json!(format!("arn:aws:eks:{}:{}:nodegroup/{cluster}/{name}/{uuid}", cx.scope.region, cx.scope.account));
    api["resources"] = json!({"autoScalingGroups": [{"name": format!("eks-{name}-{uuid}")}]});
    let mut object = Object::new(&cx.scope, NODEGROUP, store::within(&cluster, &name), cx.tx.now());
    object.name = Some(name);
    "CREATING".clone_into(&mut object.state);
    object.tags = tags;
    object.parent = Some(cluster);
    object.token = print;
    let after = cx.tx.between(secs(20), secs(40));
    object.due = due(cx.tx, after, nodes::LAUNCH);
    let doc = NodegroupDoc {
        api,
        uuid,
        own_template: None,
        nodes: Vec::new(),
        template,
        obstacle: None,
        updates: Vec::new(),
    };
    object.write(&doc);
    cx.tx.put(object.clone());
    Ok(json!({"nodegroup": view(&object)}))
}

/// Judges a request against the cluster and its surroundings; composes the description.
fn judge(cx: &CallCx<'_, '_>, owner: &Object, request: &Value) -> Result<(Value, Option<Template>), ApiError> {
    let (cluster, name) = (owner.id.as_str(), request["nodegroupName"].as_str().unwrap_or_default());
    let fits = name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if !fits {
        return Err(error::parameter(
            "The nodegroup name must start with a letter or digit and hold only letters, digits, hyphens and underscores",
        ));
    }
    let standing = store::of_cluster(cx.tx, &cx.scope, NODEGROUP, cluster).count() as f64;
    let limit = neighbours::quota(cx.tx, "L-6D54EA21");
    if standing >= limit {
        return Err(error::limit(format!("Nodegroup limit exceeded for cluster {cluster}. Current limit is {limit}")));
    }
    let scaling = scaling(cx.tx, None, &request["scalingConfig"])?;
    let doc: ClusterDoc = owner.read();
    let role = request["nodeRole"].as_str().unwrap_or_default();
    check_role(cx.tx, &cx.scope, role)?;
    let subnets = texts(&request["subnets"]);
    check_subnets(cx.tx, &cx.scope, &subnets, &doc)?;
    if request["remoteAccess"].is_object() {
        return Err(error::not_simulated("remote access to nodes"));
    }
    if request["capacityType"] == json!("CAPACITY_BLOCK") {
        return Err(error::not_simulated("capacity blocks"));
    }
    let template = template(cx, request)?;
    let version = version(&doc, request, template.as_ref())?;
    let (types, ami_type) = machines(request, template.as_ref(), version)?;
    let release = format!("{}-20261109", version.patch);
    if let Some(asked) = request["releaseVersion"].as_str().filter(|asked| **asked != release) {
        return Err(error::parameter(format!(
            "Requested release version {asked} is not valid for kubernetes version {}",
            version.minor
        )));
    }
    let labels = labels(request.get("labels"))?;
    let taints = taints(&request["taints"])?;
    let mut api = json!({
        "nodegroupName": name, "clusterName": cluster, "version": version.minor, "releaseVersion": release,
        "createdAt": seconds(cx.tx.now()), "modifiedAt": seconds(cx.tx.now()),
        "capacityType": request["capacityType"].as_str().unwrap_or("ON_DEMAND"),
        "scalingConfig": scaling, "subnets": subnets, "amiType": ami_type, "nodeRole": role,
        "labels": labels, "taints": taints, "health": {"issues": []},
        "updateConfig": update_config(&request["updateConfig"])?,
    });
    if let Some(types) = types {
        api["instanceTypes"] = json!(types);
    }
    if let Some(repair) = request.get("nodeRepairConfig").filter(|v| v.is_object()) {
        api["nodeRepairConfig"] = repair.clone();
    }
    match &request["launchTemplate"] {
        asked if asked.is_object() => {
            let found = template.as_ref().map(|t| json!({"id": t.id, "name": t.name, "version": t.version}));
            api["launchTemplate"] = json!(found);
        }
        _ => api["diskSize"] = json!(disk_size(&request["diskSize"])?),
    }
    Ok((api, template))
}

fn disk_size(asked: &Value) -> Result<i64, ApiError> {
    match asked.as_i64() {
        None => Ok(20),
        Some(size) if (1..=16_384).contains(&size) => Ok(size),
        Some(size) => Err(error::parameter(format!("diskSize {size} is not between 1 and 16384 GiB"))),
    }
}

fn update_config(asked: &Value) -> Result<Value, ApiError> {
    match (asked.get("maxUnavailable"), asked.get("maxUnavailablePercentage")) {
        (Some(a), Some(b)) if !a.is_null() && !b.is_null() => {
            Err(error::parameter("Only one of maxUnavailable and maxUnavailablePercentage can be given"))
        }
        _ if asked.is_object() => Ok(asked.clone()),
        _ => Ok(json!({"maxUnavailable": 1, "updateStrategy": "DEFAULT"})),
    }
}

/// The sizes after this request: what it leaves out stays as before.
fn scaling(tx: &Tx<'_>, before: Option<&Value>, asked: &Value) -> Result<Value, ApiError> {
    let size = |key: &str, default: i64| {
        let kept = before.and_then(|b| b[key].as_i64());
        asked[key].as_i64().or(kept).unwrap_or(default)
    };
    let (min, max) = (size("minSize", 1), size("maxSize", 2));
    let desired = size("desiredSize", if asked.is_object() { min } else { 2 });
    if min > max {
        return Err(error::parameter(format!("Minimum capacity {min} can't be greater than maximum size {max}")));
    }
    if min > desired {
        return Err(error::parameter(format!("Minimum capacity {min} can't be greater than desired size {desired}")));
    }
    if desired > max {
        return Err(error::parameter(format!("Desired capacity {desired} can't be greater than max size {max}")));
    }
    let limit = neighbours::quota(tx, "L-BD136A63");
    if max as f64 > limit {
        return Err(error::limit(format!("Nodegroup max size {max} exceeds the limit of {limit} nodes per nodegroup")));
    }
    Ok(json!({"minSize": min, "maxSize": max, "desiredSize": desired}))
}

/// The node role must exist, trust EC2 and hold its policies.
fn check_role(tx: &Tx<'_>, scope: &Scope, arn: &str) -> Result<(), ApiError> {
    let role = neighbours::role(tx, &scope.account, arn, "ec2.amazonaws.com", &["sts:AssumeRole"]).map_err(|trouble| {
        error::parameter(match trouble {
            Trouble::Malformed => format!("Error in role params: {arn} is not a valid role ARN"),
            Trouble::Absent => format!("Role with arn: {arn}, could not be assumed because it does not exist or the trusted entity is not correct"),
            Trouble::NotTrusted => "Following required service principals [ec2.amazonaws.com] were not found in the trust relationships of nodeRole".to_owned(),
        })
    })?;
    let worker = role.allows(&["AmazonEKSWorkerNodePolicy", "AmazonEKSWorkerNodeMinimalPolicy"]);
    let images = role.allows(&["AmazonEC2ContainerRegistryReadOnly", "AmazonEC2ContainerRegistryPullOnly"]);
    if worker && images {
        return Ok(());
    }
    Err(error::parameter(
        "The provided role doesn't have the Amazon EKS Managed Policies associated with it. Please ensure the following \
         policies [arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy, \
         arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryReadOnly] are attached",
    ))
}

fn check_subnets(tx: &Tx<'_>, scope: &Scope, ids: &[String], doc: &ClusterDoc) -> Result<(), ApiError> {
    if ids.is_empty() {
        return Err(error::parameter("Subnets cannot be empty"));
    }
    let vpc = doc.api["resourcesVpcConfig"]["vpcId"].as_str();
    for id in ids {
        match neighbours::subnet(tx, scope, id) {
            None => {
                return Err(error::parameter(format!(
                    "The subnet ID '{id}' does not exist (Service: Ec2, Status Code: 400)"
                )));
            }
            Some(subnet) if Some(subnet.vpc.as_str()) != vpc => {
                return Err(error::parameter(format!("Subnet {id} does not belong to the VPC of the cluster")));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

fn template(cx: &CallCx<'_, '_>, request: &Value) -> Result<Option<Template>, ApiError> {
    let asked = &request["launchTemplate"];
    if !asked.is_object() {
        return Ok(None);
    }
    if !request["diskSize"].is_null() {
        return Err(error::parameter("Disk size must be specified within the launch template."));
    }
    if asked["id"].is_string() == asked["name"].is_string() {
        return Err(error::parameter("Either provide launch template ID or launch template name in the request."));
    }
    neighbours::template(cx.tx, &cx.scope, asked).map(Some).map_err(error::parameter)
}

/// The group's version: the cluster's, or an older one that it still supports.
fn version(doc: &ClusterDoc, request: &Value, template: Option<&Template>) -> Result<&'static KubeVersion, ApiError> {
    let own = doc.api["version"].as_str().and_then(versions::named).expect("a cluster runs a version of the table");
    let Some(asked) = request["version"].as_str() else { return Ok(own) };
    if template.is_some_and(|t| t.image.is_some()) {
        return Err(error::parameter(
            "You cannot specify the version field when using a launch template with a custom AMI",
        ));
    }
    let version = versions::named(asked)
        .ok_or_else(|| error::parameter(format!("Requested Nodegroup release version {asked} is invalid")))?;
    if version.number() > own.number() {
        return Err(error::parameter(format!(
            "Nodegroup Kubernetes version should be equal to Cluster kubernetes version {} or less, not {asked}",
            own.minor
        )));
    }
    if own.number() - version.number() > 3 {
        return Err(error::parameter(format!(
            "Nodegroup Kubernetes version {asked} is too old for cluster version {}",
            own.minor
        )));
    }
    Ok(version)
}

/// The machine types shown (none when the template has them) and the image type, which must fit each other.
fn machines(
    request: &Value,
    template: Option<&Template>,
    version: &KubeVersion,
) -> Result<(Option<Vec<String>>, String), ApiError> {
    let mut asked = texts(&request["instanceTypes"]);
    let in_template = template.and_then(|t| t.instance_type.clone());
    if !asked.is_empty() && in_template.is_some() {
        return Err(error::parameter(
            "Instance types must be given either in the launch template or in the request, not in both",
        ));
    }
    let shown = match &in_template {
        Some(kind) => {
            asked = vec![kind.clone()];
            None
        }
        None => {
            if asked.is_empty() {
                asked.push("t3.medium".to_owned());
            }
            Some(asked.clone())
        }
    };
    let unknown: Vec<&str> = asked.iter().map(String::as_str).filter(|t| neighbours::machine(t).is_none()).collect();
    if !unknown.is_empty() {
        return Err(error::parameter(format!(
            "The following supplied instance types do not exist: [{}]",
            unknown.join(", ")
        )));
    }
    let facts: Vec<_> = asked.iter().filter_map(|t| neighbours::machine(t).map(|m| (t, m))).collect();
    if template.is_some_and(|t| t.image.is_some()) {
        return match request["amiType"].as_str() {
            None | Some("CUSTOM") => Ok((shown, "CUSTOM".to_owned())),
            Some(_) => {
                Err(error::parameter("You cannot specify an AMI Type when using a launch template with a custom AMI"))
            }
        };
    }
    let ami_type = match request["amiType"].as_str() {
        Some("CUSTOM") => return Err(error::parameter("A CUSTOM amiType needs a launch template with an image")),
        Some(word) => word.to_owned(),
        None => match facts.first() {
            Some((_, m)) if m.arm => "AL2023_ARM_64_STANDARD".to_owned(),
            Some((_, m)) if m.gpus > 0 => "AL2023_x86_64_NVIDIA".to_owned(),
            _ => "AL2023_x86_64_STANDARD".to_owned(),
        },
    };
    if ami_type.starts_with("AL2_") && version.number() >= 33 {
        return Err(error::parameter(format!(
            "Requested amiType {ami_type} is not supported for kubernetes version {}",
            version.minor
        )));
    }
    let (arm, gpu) = (ami_type.contains("ARM"), ami_type.contains("NVIDIA") || ami_type.ends_with("_GPU"));
    match facts.iter().find(|(_, m)| m.arm != arm || (gpu && m.gpus == 0)) {
        Some((kind, _)) => {
            Err(error::parameter(format!("[{kind}] is not a valid instance type for requested amiType {ami_type}")))
        }
        None => Ok((shown, ami_type)),
    }
}

fn labels(value: Option<&Value>) -> Result<Value, ApiError> {
    for (key, value) in value.and_then(Value::as_object).into_iter().flatten() {
        let text = value.as_str().unwrap_or_default();
        if RESERVED_LABELS.iter().any(|prefix| key.contains(prefix)) {
            return Err(error::parameter(
                "Label cannot contain reserved prefixes [kubernetes.io/, k8s.io/, eks.amazonaws.com/]",
            ));
        }
        let name = key.rsplit('/').next().unwrap_or_default();
        let fits = |s: &str| s.len() <= 63 && s.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        if name.is_empty() || !fits(name) || !fits(text) {
            return Err(error::parameter(format!("Label {key}={text} is not valid")));
        }
    }
    Ok(value.filter(|v| v.is_object()).cloned().unwrap_or_else(|| json!({})))
}

fn taints(value: &Value) -> Result<Value, ApiError> {
    let list = value.as_array().cloned().unwrap_or_default();
    if list.len() > 50 {
        return Err(error::parameter("A node group has at most 50 taints"));
    }
    if list.iter().any(|taint| !taint["key"].is_string() || !taint["effect"].is_string()) {
        return Err(error::parameter("A taint needs a key and an effect"));
    }
    let mut keys: Vec<(&Value, &Value)> = list.iter().map(|t| (&t["key"], &t["effect"])).collect();
    keys.sort_by_key(|(a, b)| (a.to_string(), b.to_string()));
    if keys.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(error::parameter("Taints must be unique by key and effect"));
    }
    Ok(json!(list))
}

/// DescribeNodegroup.
pub(super) fn describe(cx: &mut CallCx<'_, '_>) -> Result<Value, ApiError> {
    Ok(json!({"nodegroup": view(&find_group(cx)?)}))
}

/// ListNodegroups.
pub(super) fn list(cx: &mut CallCx<'_, '_>) -> Result<Value, ApiError> {
    let cluster = cx.path("name").to_owned();
    find(cx, &cluster)?;
    let names = store::of_cluster(cx.tx, &cx.scope, NODEGROUP, &cluster).filter_map(|g| g.name.clone()).collect();
    store::page(names, "nodegroups", cx.params.get("maxResults"), cx.params.get("nextToken"))
}

/// UpdateNodegroupConfig.
pub(super) fn update(cx: &mut CallCx<'_, '_>) -> Result<Value, ApiError> {
    let request = body(cx, UPDATE_NODEGROUP_CONFIG)?;
    let object = find_group(cx)?;
    let doc: NodegroupDoc = object.read();
    let (cluster, name) = (cx.path("name").to_owned(), cx.path("nodegroupName").to_owned());
    let of = |error: ApiError| error.with("clusterName", cluster.as_str()).with("nodegroupName", name.as_str());
    let print = store::fingerprint(&request);
    if let Some(reply) = updates::repeated(&doc.updates, print.as_ref())? {
        return Ok(reply);
    }
    let status = cx.tx.live(&cx.scope, CLUSTER, &cluster).map(|c| c.state.clone()).unwrap_or_default();
    if status != "ACTIVE" {
        return Err(of(error::request(format!("Cluster '{cluster}' is not in ACTIVE status"))));
    }
    if !matches!(object.state.as_str(), "ACTIVE" | "DEGRADED") {
        return Err(of(error::in_use(format!(
            "Nodegroup cannot be updated as it is currently not in Active State (status {})",
            object.state
        ))));
    }
    let mut outcome = json!({});
    let mut params = Vec::new();
    if request["scalingConfig"].is_object() {
        let sizes = scaling(cx.tx, Some(&doc.api["scalingConfig"]), &request["scalingConfig"]).map_err(of)?;
        for (param, key) in [("MinSize", "minSize"), ("MaxSize", "maxSize"), ("DesiredSize", "desiredSize")] {
            params.push((param, sizes[key].to_string()));
        }
        outcome["scalingConfig"] = sizes;
    }
    if request["labels"].is_object() {
        let add = labels(request["labels"].get("addOrUpdateLabels")).map_err(of)?;
        let remove = texts(&request["labels"]["removeLabels"]);
        params.push(("LabelsToAdd", add.to_string()));
        params.push(("LabelsToRemove", json!(remove).to_string()));
        let mut change = add;
        for key in remove {
            change[key] = Value::Null;
        }
        outcome["labels"] = change;
    }
    if request["taints"].is_object() {
        let (add, remove) =
            (taints(&request["taints"]["addOrUpdateTaints"]).map_err(of)?, &request["taints"]["removeTaints"]);
        params.push(("TaintsToAdd", add.to_string()));
        params.push(("TaintsToRemove", remove.to_string()));
        let same = |a: &Value, b: &Value| a["key"] == b["key"] && a["effect"] == b["effect"];
        let mut kept = doc.api["taints"].as_array().cloned().unwrap_or_default();
        let changed: Vec<&Value> = add.as_array().into_iter().chain(remove.as_array()).flatten().collect();
        kept.retain(|taint| !changed.iter().any(|c| same(c, taint)));
        kept.extend(add.as_array().cloned().unwrap_or_default());
        outcome["taints"] = json!(kept);
    }
    for (member, param) in [("updateConfig", "MaxUnavailable"), ("nodeRepairConfig", "NodeRepairConfig")] {
        if request[member].is_object() {
            outcome[member] = if member == "updateConfig" {
                update_config(&request[member]).map_err(of)?
            } else {
                request[member].clone()
            };
            params.push((param, request[member].to_string()));
        }
    }
    if params.is_empty() {
        return Err(of(error::parameter("No changes needed: the request names nothing to update")));
    }
    let update = Update::begin(cx.tx, "ConfigUpdate", &params, outcome, print);
    let reply = json!({"update": update.view()});
    let after = cx.tx.between(secs(20), secs(40));
    let due = due(cx.tx, after, nodes::RESIZE);
    change(cx.tx, &cx.scope, NODEGROUP, &object.id, |object, doc: &mut NodegroupDoc| {
        "UPDATING".clone_into(&mut object.state);
        object.due = due;
        doc.updates.push(update);
    });
    Ok(reply)
}

/// DeleteNodegroup.
pub(super) fn delete(cx: &mut CallCx<'_, '_>) -> Result<Value, ApiError> {
    let object = find_group(cx)?;
    if object.state == "UPDATING" {
        let message = format!("Nodegroup {} currently has an update in progress", cx.path("nodegroupName"));
        return Err(error::in_use(message)
            .with("clusterName", cx.path("name"))
            .with("nodegroupName", cx.path("nodegroupName")));
    }
    if object.state != "DELETING" {
        let after = cx.tx.between(minutes(1), minutes(3));
        let due = due(cx.tx, after, nodes::DRAIN);
        cx.tx.update(&cx.scope, NODEGROUP, &object.id, |object| {
            "DELETING".clone_into(&mut object.state);
            object.due = due;
        });
    }
    let object = find_group(cx)?;
    Ok(json!({"nodegroup": view(&object)}))
}
