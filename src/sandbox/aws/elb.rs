//! Load balancers: application and network ones (the 2015 API) and classic ones (the 2012 API) behind one signing name.
//!
//! Nobody here creates them over the wire: the controllers inside clusters do, through [`create`] and
//! [`create_target_group`]. Clients look, and delete what was left behind. A balancer's interfaces outlive it by
//! minutes, and block what they touch, as they do in AWS.

use super::{
    ApiError, CallCx, Protocol, Reply, Service,
    ec2::{
        filter::{self, Page},
        inside::{self, InterfaceWish},
        time, usage,
        wire::{self, Actions, Request},
    },
};
use crate::sandbox::world::{Due, Kind, Object, Origin, Scope, Tx};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::OnceLock, time::Duration};

const BALANCER: Kind = Kind::new("elasticloadbalancing", "load-balancer");
const CLASSIC: Kind = Kind::new("elasticloadbalancing", "classic-load-balancer");
const TARGETS: Kind = Kind::new("elasticloadbalancing", "target-group");

const CLASSIC_VERSION: &str = "2012-06-01";

const MODERN_ACTIONS: &str = "\
AddTags {ResourceArns!:[s] Tags!:[{Key!:s Value:s}]}
DeleteListener {ListenerArn!:s}
DeleteLoadBalancer {LoadBalancerArn!:s}
DeleteTargetGroup {TargetGroupArn!:s}
DescribeListeners {LoadBalancerArn:s ListenerArns:[s] Marker:s PageSize:i(1,400)}
DescribeLoadBalancerAttributes {LoadBalancerArn!:s}
DescribeLoadBalancers {LoadBalancerArns:[s] Names:[s] Marker:s PageSize:i(1,400)}
DescribeTags {ResourceArns!:[s]}
DescribeTargetGroups {LoadBalancerArn:s TargetGroupArns:[s] Names:[s] Marker:s PageSize:i(1,400)}
ModifyLoadBalancerAttributes {LoadBalancerArn!:s Attributes!:[{Key:s Value:s}]}
";

const CLASSIC_ACTIONS: &str = "\
DeleteLoadBalancer {LoadBalancerName!:s}
DescribeLoadBalancers {LoadBalancerNames:[s] Marker:s PageSize:i(1,400)}
DescribeTags {LoadBalancerNames!:[s]}
";

/// Which of the three.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum BalancerKind {
    /// HTTP, for an Ingress.
    Application,
    /// TCP, for a Service.
    Network,
    /// The first kind, what a Service gets from the in-tree controller.
    Classic,
}

impl BalancerKind {
    const fn component(self) -> &'static str {
        match self {
            Self::Application => "alb",
            Self::Network => "nlb",
            Self::Classic => "classic-elb",
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Balancer {
    name: String,
    kind: BalancerKind,
    scheme: String,
    dns: String,
    vpc: String,
    subnets: Vec<(String, String)>,
    groups: Vec<String>,
    interfaces: Vec<String>,
    listeners: Vec<Listener>,
    instances: Vec<String>,
    deletion_protection: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Listener {
    arn: String,
    port: u16,
    target_group: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct TargetGroup {
    name: String,
    vpc: String,
    port: u16,
    target_type: String,
}

/// A load balancer a controller wants.
#[derive(Debug, Clone)]
pub struct BalancerWish<'a> {
    /// Its name, `k8s-default-web-…` or 32 hexadecimal digits.
    pub name: &'a str,
    /// Which kind.
    pub kind: BalancerKind,
    /// Reachable from outside.
    pub internet_facing: bool,
    /// Subnets, one per zone.
    pub subnets: &'a [String],
    /// Its security groups.
    pub groups: Vec<String>,
    /// Ports it listens on, with the target group each leads to.
    pub listeners: &'a [(u16, Option<String>)],
    /// Machines behind a classic one.
    pub instances: Vec<String>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
}

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// ARN, or the name of a classic one.
    pub id: String,
    /// Its host name.
    pub dns: String,
}

fn no(code: &str, message: impl Into<String>) -> ApiError {
    ApiError::bad(code, message)
}

fn arn(scope: &Scope, rest: &str) -> String {
    format!("arn:aws:elasticloadbalancing:{}:{}:{rest}", scope.region, scope.account)
}

/// Makes a balancer for a controller: `provisioning` for a minute or two, with an interface in every subnet.
///
/// # Errors
/// `SubnetNotFound`, `InvalidSubnet` for a full one, `DuplicateLoadBalancerName`.
pub fn create(tx: &mut Tx<'_>, scope: &Scope, wish: BalancerWish<'_>) -> Result<Made, ApiError> {
    let classic = wish.kind == BalancerKind::Classic;
    let kind = if classic { CLASSIC } else { BALANCER };
    if tx.list_live(scope, kind).any(|other| other.name.as_deref() == Some(wish.name)) {
        let message = format!("A load balancer with the same name '{}' exists, but with different settings", wish.name);
        return Err(no("DuplicateLoadBalancerName", message));
    }
    let digits = tx.hex(16);
    let (word, family) = match wish.kind {
        BalancerKind::Application => ("app", "interface"),
        BalancerKind::Network => ("net", "network_load_balancer"),
        BalancerKind::Classic => ("", "interface"),
    };
    let (id, description) = if classic {
        (wish.name.to_owned(), format!("ELB {}", wish.name))
    } else {
        let path = format!("{word}/{}/{digits}", wish.name);
        (arn(scope, &format!("loadbalancer/{path}")), format!("ELB {path}"))
    };
    let dns = match wish.kind {
        BalancerKind::Network => format!("{}-{digits}.elb.{}.amazonaws.com", wish.name, scope.region),
        _ => format!(
            "{}-{}.{}.elb.amazonaws.com",
            wish.name,
            u32::from_str_radix(&digits[..7], 16).unwrap_or(7),
            scope.region
        ),
    };
    let (mut subnets, mut interfaces, mut vpc) = (Vec::new(), Vec::new(), String::new());
    for subnet in wish.subnets {
        let facts = inside::subnet(tx, scope, subnet)
            .ok_or_else(|| no("SubnetNotFound", format!("The subnet ID '{subnet}' does not exist")))?;
        subnets.push((subnet.clone(), facts.zone));
        vpc = facts.vpc;
        let eni = inside::create_requester_interface(
            tx,
            scope,
            InterfaceWish {
                subnet,
                groups: wish.groups.clone(),
                description: description.clone(),
                interface_type: family,
                requester: "amazon-elb",
                owner: "amazon-elb",
                tags: BTreeMap::new(),
                public: wish.internet_facing,
            },
        )
        .map_err(|error| no("InvalidSubnet", error.message))?;
        interfaces.push(eni);
    }
    if subnets.is_empty() {
        return Err(no("ValidationError", "At least one subnet must be specified"));
    }
    let mut listeners = Vec::new();
    for (port, target_group) in wish.listeners {
        let listener = format!("listener/{word}/{}/{digits}/{}", wish.name, tx.hex(16));
        listeners.push(Listener { arn: arn(scope, &listener), port: *port, target_group: target_group.clone() });
    }
    let mut object = Object::new(scope, kind, &id, tx.now());
    object.name = Some(wish.name.to_owned());
    (if classic { "active" } else { "provisioning" }).clone_into(&mut object.state);
    object.tags = wish.tags;
    object.parent = Some(vpc.clone());
    object.created_by = Origin::Controller;
    object.usage = vec![usage::component(scope, wish.kind.component())];
    if !classic {
        let wait = tx.between(Duration::from_secs(60), Duration::from_secs(150));
        object.due = Some(Due { at: tx.now() + wait, what: "active".to_owned() });
    }
    let scheme = if wish.internet_facing { "internet-facing" } else { "internal" };
    object.write(&Balancer {
        name: wish.name.to_owned(),
        kind: wish.kind,
        scheme: scheme.to_owned(),
        dns: dns.clone(),
        vpc,
        subnets,
        groups: wish.groups,
        interfaces,
        listeners,
        instances: wish.instances,
        deletion_protection: false,
    });
    tx.put(object);
    Ok(Made { id, dns })
}

/// Makes a target group for a controller; returns its ARN.
pub fn create_target_group(
    tx: &mut Tx<'_>,
    scope: &Scope,
    name: &str,
    vpc: &str,
    port: u16,
    tags: BTreeMap<String, String>,
) -> String {
    let id = arn(scope, &format!("targetgroup/{name}/{}", tx.hex(16)));
    let mut object = Object::new(scope, TARGETS, &id, tx.now());
    object.name = Some(name.to_owned());
    "active".clone_into(&mut object.state);
    object.tags = tags;
    object.parent = Some(vpc.to_owned());
    object.created_by = Origin::Controller;
    let target_type = "instance".to_owned();
    object.write(&TargetGroup { name: name.to_owned(), vpc: vpc.to_owned(), port, target_type });
    tx.put(object);
    id
}

/// Deletes a balancer by ARN (or name, if classic); its interfaces stay for minutes. Nothing happens when there is none.
pub fn delete(tx: &mut Tx<'_>, scope: &Scope, id: &str) {
    let kind = if id.starts_with("arn:") { BALANCER } else { CLASSIC };
    let Some(object) = tx.remove(scope, kind, id) else { return };
    for eni in object.read::<Balancer>().interfaces {
        let wait = tx.between(Duration::from_secs(45), Duration::from_secs(240));
        inside::release_interface(tx, scope, &eni, wait);
    }
}

/// Deletes a target group by ARN, in use or not.
pub fn delete_target_group(tx: &mut Tx<'_>, scope: &Scope, id: &str) {
    tx.remove(scope, TARGETS, id);
}

/// The service.
pub struct Elb;

fn modern() -> &'static Actions {
    static ACTIONS: OnceLock<Actions> = OnceLock::new();
    ACTIONS.get_or_init(|| Actions::parse(MODERN_ACTIONS))
}

fn classic() -> &'static Actions {
    static ACTIONS: OnceLock<Actions> = OnceLock::new();
    ACTIONS.get_or_init(|| Actions::parse(CLASSIC_ACTIONS))
}

impl Service for Elb {
    fn name(&self) -> &'static str {
        "elasticloadbalancing"
    }

    fn protocol(&self, version: Option<&str>) -> Protocol {
        match version {
            Some(CLASSIC_VERSION) => Protocol::Query("http://elasticloadbalancing.amazonaws.com/doc/2012-06-01/"),
            _ => Protocol::Query("http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/"),
        }
    }

    fn call(&self, cx: &mut CallCx<'_, '_>) -> Result<Reply, ApiError> {
        let old = cx.version == Some(CLASSIC_VERSION);
        let actions = if old { classic() } else { modern() };
        if !actions.knows(cx.op) {
            return Err(cx.unknown_operation());
        }
        let request =
            actions.read(cx.op, &cx.params.all_pairs()).map_err(|error| no("ValidationError", error.message))?;
        let scope = cx.scope.clone();
        let tree = if old { answer_classic(cx.tx, &scope, request)? } else { answer(cx.tx, &scope, request)? };
        Ok(wire::to_xml(&tree, "member").into())
    }

    fn due(&self, tx: &mut Tx<'_>, object: &Object, what: &str) {
        let mut ripe = object.clone();
        ripe.due = None;
        what.clone_into(&mut ripe.state);
        tx.put(ripe);
    }
}

/// The parameters of every request; which of them an action has, its shape says.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
struct Params {
    load_balancer_arn: Option<String>,
    load_balancer_arns: Vec<String>,
    load_balancer_name: String,
    load_balancer_names: Vec<String>,
    target_group_arn: String,
    target_group_arns: Vec<String>,
    listener_arn: String,
    listener_arns: Vec<String>,
    resource_arns: Vec<String>,
    names: Vec<String>,
    attributes: Vec<Pair>,
    tags: Vec<Pair>,
    marker: Option<String>,
    page_size: Option<usize>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Pair {
    key: String,
    #[serde(default)]
    value: String,
}

impl Params {
    /// One page of rows; the rest under `NextMarker`.
    fn page(&self, set: &str, rows: Vec<Value>) -> Result<Value, ApiError> {
        let page = Page { token: self.marker.clone(), size: self.page_size };
        let mut reply = filter::page(set, rows, &page, 400).map_err(|error| no("ValidationError", error.message))?;
        if let Some(token) = reply.as_object_mut().and_then(|fields| fields.remove("nextToken")) {
            reply["NextMarker"] = token;
        }
        Ok(reply)
    }
}

fn tag_list(object: &Object) -> Value {
    object.tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect()
}

fn no_balancer() -> ApiError {
    no("LoadBalancerNotFound", "One or more load balancers not found")
}

fn no_targets() -> ApiError {
    no("TargetGroupNotFound", "One or more target groups not found")
}

fn balancer_arn(arn: &str) -> Result<(), ApiError> {
    if arn.starts_with("arn:aws") && arn.contains(":loadbalancer/") {
        return Ok(());
    }
    Err(no("ValidationError", format!("'{arn}' is not a valid load balancer ARN")))
}

fn find(tx: &Tx<'_>, scope: &Scope, arn: &str) -> Result<(Object, Balancer), ApiError> {
    balancer_arn(arn)?;
    let object = tx.live(scope, BALANCER, arn).ok_or_else(no_balancer)?;
    Ok((object.clone(), object.read()))
}

fn view(object: &Object) -> Value {
    let doc: Balancer = object.read();
    let zones = doc
        .subnets
        .iter()
        .map(|(subnet, zone)| json!({"ZoneName": zone, "SubnetId": subnet, "LoadBalancerAddresses": []}));
    json!({
        "LoadBalancerArn": object.id, "DNSName": doc.dns, "CanonicalHostedZoneId": "Z35SXDOTRQ7X7K",
        "CreatedTime": time(object.created_at), "LoadBalancerName": doc.name, "Scheme": doc.scheme, "VpcId": doc.vpc,
        "State": {"Code": object.state},
        "Type": if doc.kind == BalancerKind::Network { "network" } else { "application" },
        "AvailabilityZones": zones.collect::<Vec<_>>(), "SecurityGroups": doc.groups, "IpAddressType": "ipv4",
    })
}

fn listener_view(balancer: &str, kind: BalancerKind, listener: &Listener) -> Value {
    let protocol = if kind == BalancerKind::Network { "TCP" } else { "HTTP" };
    json!({
        "ListenerArn": listener.arn, "LoadBalancerArn": balancer, "Port": listener.port, "Protocol": protocol,
        "DefaultActions": [{"Type": "forward", "TargetGroupArn": listener.target_group}],
    })
}

/// Target groups are in use by the listeners that lead to them.
fn users(tx: &Tx<'_>, scope: &Scope, targets: &str) -> Vec<String> {
    let leads = |object: &&Object| {
        object.read::<Balancer>().listeners.iter().any(|listener| listener.target_group.as_deref() == Some(targets))
    };
    tx.list_live(scope, BALANCER).filter(leads).map(|object| object.id.clone()).collect()
}

fn targets_view(tx: &Tx<'_>, scope: &Scope, object: &Object) -> Value {
    let doc: TargetGroup = object.read();
    json!({
        "TargetGroupArn": object.id, "TargetGroupName": doc.name, "Protocol": "TCP", "Port": doc.port,
        "VpcId": doc.vpc, "HealthCheckProtocol": "TCP", "HealthCheckPort": "traffic-port", "HealthCheckEnabled": true,
        "HealthCheckIntervalSeconds": 30, "HealthCheckTimeoutSeconds": 10, "HealthyThresholdCount": 3,
        "UnhealthyThresholdCount": 3, "LoadBalancerArns": users(tx, scope, &object.id), "TargetType": doc.target_type,
        "IpAddressType": "ipv4",
    })
}

fn attributes(doc: &Balancer) -> Value {
    json!({"Attributes": [{"Key": "deletion_protection.enabled", "Value": doc.deletion_protection.to_string()}]})
}

/// The object of a tagging call: a balancer or a target group.
fn tagged(tx: &Tx<'_>, scope: &Scope, arn: &str) -> Result<Object, ApiError> {
    let (kind, absent) =
        if arn.contains(":targetgroup/") { (TARGETS, no_targets()) } else { (BALANCER, no_balancer()) };
    tx.live(scope, kind, arn).cloned().ok_or(absent)
}

fn answer(tx: &mut Tx<'_>, scope: &Scope, request: Request) -> Result<Value, ApiError> {
    let action = request.action.clone();
    let wanted: Params = request.read()?;
    let balancer = wanted.load_balancer_arn.clone().unwrap_or_default();
    match action.as_str() {
        "DescribeLoadBalancers" => {
            for arn in &wanted.load_balancer_arns {
                find(tx, scope, arn)?;
            }
            let all: Vec<Object> = tx.search(scope, BALANCER).cloned().collect();
            let named = |name: &String| all.iter().any(|object| object.name.as_ref() == Some(name));
            if !wanted.names.iter().all(named) {
                return Err(no_balancer());
            }
            let asked = |object: &&Object| {
                (wanted.load_balancer_arns.is_empty() || wanted.load_balancer_arns.contains(&object.id))
                    && (wanted.names.is_empty() || object.name.as_ref().is_some_and(|name| wanted.names.contains(name)))
            };
            wanted.page("LoadBalancers", all.iter().filter(asked).map(view).collect())
        }
        "DescribeListeners" => {
            if wanted.load_balancer_arn.is_none() && wanted.listener_arns.is_empty() {
                return Err(no("ValidationError", "You must specify either listener ARNs or a load balancer ARN"));
            }
            let mut rows = Vec::new();
            if wanted.load_balancer_arn.is_some() {
                let (_, doc) = find(tx, scope, &balancer)?;
                rows.extend(doc.listeners.iter().map(|listener| listener_view(&balancer, doc.kind, listener)));
            } else {
                for object in tx.list_live(scope, BALANCER) {
                    let doc: Balancer = object.read();
                    let asked = doc.listeners.iter().filter(|listener| wanted.listener_arns.contains(&listener.arn));
                    rows.extend(asked.map(|listener| listener_view(&object.id, doc.kind, listener)));
                }
                if rows.len() < wanted.listener_arns.len() {
                    return Err(no("ListenerNotFound", "One or more listeners not found"));
                }
            }
            wanted.page("Listeners", rows)
        }
        "DescribeTargetGroups" => {
            let all: Vec<Object> = tx.search(scope, TARGETS).cloned().collect();
            let known = wanted.target_group_arns.iter().all(|arn| all.iter().any(|object| object.id == *arn))
                && wanted.names.iter().all(|name| all.iter().any(|object| object.name.as_ref() == Some(name)));
            if !known {
                return Err(no_targets());
            }
            if wanted.load_balancer_arn.is_some() {
                find(tx, scope, &balancer)?;
            }
            let asked = |object: &&Object| {
                (wanted.target_group_arns.is_empty() || wanted.target_group_arns.contains(&object.id))
                    && (wanted.names.is_empty() || object.name.as_ref().is_some_and(|name| wanted.names.contains(name)))
                    && (wanted.load_balancer_arn.is_none() || users(tx, scope, &object.id).contains(&balancer))
            };
            let rows = all.iter().filter(asked).map(|object| targets_view(tx, scope, object)).collect();
            wanted.page("TargetGroups", rows)
        }
        "DescribeTags" => {
            if wanted.resource_arns.len() > 20 {
                return Err(no("ValidationError", "A maximum of 20 resource ARNs can be specified"));
            }
            let mut rows = Vec::new();
            for arn in &wanted.resource_arns {
                rows.push(json!({"ResourceArn": arn, "Tags": tag_list(&tagged(tx, scope, arn)?)}));
            }
            Ok(json!({"TagDescriptions": rows}))
        }
        "AddTags" => {
            for arn in &wanted.resource_arns {
                let mut object = tagged(tx, scope, arn)?;
                object.tags.extend(wanted.tags.iter().map(|pair| (pair.key.clone(), pair.value.clone())));
                tx.put(object);
            }
            Ok(json!({}))
        }
        "DescribeLoadBalancerAttributes" => Ok(attributes(&find(tx, scope, &balancer)?.1)),
        "ModifyLoadBalancerAttributes" => {
            let (mut object, mut doc) = find(tx, scope, &balancer)?;
            for pair in &wanted.attributes {
                match (pair.key.as_str(), pair.value.as_str()) {
                    ("deletion_protection.enabled", flag @ ("true" | "false")) => {
                        doc.deletion_protection = flag == "true"
                    }
                    (key, _) => {
                        let message = format!("Load balancer attribute key '{key}' is not recognized");
                        return Err(no("ValidationError", message));
                    }
                }
            }
            object.write(&doc);
            tx.put(object);
            Ok(attributes(&doc))
        }
        "DeleteLoadBalancer" => {
            balancer_arn(&balancer)?;
            // Deleting what is gone succeeds.
            if let Ok((_, doc)) = find(tx, scope, &balancer) {
                if doc.deletion_protection {
                    let message =
                        format!("Load balancer '{balancer}' cannot be deleted because deletion protection is enabled");
                    return Err(no("OperationNotPermitted", message));
                }
                delete(tx, scope, &balancer);
            }
            Ok(json!({}))
        }
        "DeleteListener" => {
            let arn = &wanted.listener_arn;
            let holds = |object: &&Object| object.read::<Balancer>().listeners.iter().any(|it| it.arn == *arn);
            let Some(mut object) = tx.list_live(scope, BALANCER).find(holds).cloned() else {
                return Err(no("ListenerNotFound", format!("Listener '{arn}' not found")));
            };
            let mut doc: Balancer = object.read();
            doc.listeners.retain(|listener| listener.arn != *arn);
            object.write(&doc);
            tx.put(object);
            Ok(json!({}))
        }
        "DeleteTargetGroup" => {
            let arn = &wanted.target_group_arn;
            if !arn.contains(":targetgroup/") {
                return Err(no("ValidationError", format!("'{arn}' is not a valid target group ARN")));
            }
            if !users(tx, scope, arn).is_empty() {
                let message = format!("Target group '{arn}' is currently in use by a listener or a rule");
                return Err(no("ResourceInUse", message));
            }
            delete_target_group(tx, scope, arn);
            Ok(json!({}))
        }
        other => Err(no("InvalidAction", format!("The action {other} is not valid for this web service."))),
    }
}

fn classic_view(object: &Object) -> Value {
    let doc: Balancer = object.read();
    let listeners = doc.listeners.iter().map(|listener| {
        json!({
            "Listener": {
                "Protocol": "TCP", "LoadBalancerPort": listener.port, "InstanceProtocol": "TCP", "InstancePort": listener.port,
            },
            "PolicyNames": [],
        })
    });
    let (subnets, zones): (Vec<&String>, Vec<&String>) =
        doc.subnets.iter().map(|(subnet, zone)| (subnet, zone)).unzip();
    json!({
        "LoadBalancerName": doc.name, "DNSName": doc.dns, "CanonicalHostedZoneNameID": "Z35SXDOTRQ7X7K",
        "ListenerDescriptions": listeners.collect::<Vec<_>>(), "AvailabilityZones": zones, "Subnets": subnets,
        "VPCId": doc.vpc, "Instances": doc.instances.iter().map(|id| json!({"InstanceId": id})).collect::<Vec<_>>(),
        "SecurityGroups": doc.groups, "CreatedTime": time(object.created_at), "Scheme": doc.scheme,
    })
}

fn answer_classic(tx: &mut Tx<'_>, scope: &Scope, request: Request) -> Result<Value, ApiError> {
    let action = request.action.clone();
    let wanted: Params = request.read()?;
    let absent = |name: &str| no("LoadBalancerNotFound", format!("There is no ACTIVE Load Balancer named '{name}'"));
    match action.as_str() {
        "DescribeLoadBalancers" => {
            let names = &wanted.load_balancer_names;
            if let Some(name) = names.iter().find(|name| tx.live(scope, CLASSIC, name).is_none()) {
                return Err(absent(name));
            }
            let asked = |object: &&Object| names.is_empty() || names.contains(&object.id);
            let rows = tx.search(scope, CLASSIC).filter(asked).map(classic_view).collect();
            wanted.page("LoadBalancerDescriptions", rows)
        }
        "DescribeTags" => {
            let mut rows = Vec::new();
            for name in &wanted.load_balancer_names {
                let object = tx.live(scope, CLASSIC, name).ok_or_else(|| absent(name))?;
                rows.push(json!({"LoadBalancerName": name, "Tags": tag_list(object)}));
            }
            Ok(json!({"TagDescriptions": rows}))
        }
        // Deleting what is gone succeeds.
        "DeleteLoadBalancer" => {
            delete(tx, scope, &wanted.load_balancer_name);
            Ok(json!({}))
        }
        other => Err(no("InvalidAction", format!("The action {other} is not valid for this web service."))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::aws::ec2::tests::Rig;

    fn call(rig: &mut Rig, op: &str, query: &str) -> Result<Value, ApiError> {
        let pairs: Vec<(String, String)> = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .collect();
        rig.within(|tx, scope| answer(tx, scope, modern().read(op, &pairs)?))
    }

    fn balancer(rig: &mut Rig, kind: BalancerKind) -> (String, String, String) {
        let vpc = rig.vpc();
        let subnet = rig.subnet(&vpc, "10.0.0.0/24", "us-east-1a");
        let made = rig.within(|tx, scope| {
            let targets = create_target_group(tx, scope, "k8s-web", &vpc, 80, BTreeMap::new());
            let wish = BalancerWish {
                name: "k8s-default-web",
                kind,
                internet_facing: true,
                subnets: std::slice::from_ref(&subnet),
                groups: Vec::new(),
                listeners: &[(80, Some(targets))],
                instances: Vec::new(),
                tags: BTreeMap::from([("kubernetes.io/cluster/demo".to_owned(), "owned".to_owned())]),
            };
            create(tx, scope, wish).expect("there is room")
        });
        (made.id, vpc, subnet)
    }

    #[test]
    fn a_balancer_leaves_its_interface_behind_for_minutes() {
        let mut rig = Rig::new();
        let (arn, _, subnet) = balancer(&mut rig, BalancerKind::Network);
        let shown =
            call(&mut rig, "DescribeLoadBalancers", &format!("LoadBalancerArns.member.1={arn}")).expect("stands");
        assert_eq!(shown["LoadBalancers"][0]["State"]["Code"], "provisioning");
        let tags = call(&mut rig, "DescribeTags", &format!("ResourceArns.member.1={arn}")).expect("stands");
        assert_eq!(tags["TagDescriptions"][0]["Tags"][0]["Key"], "kubernetes.io/cluster/demo");
        let query = "Filter.1.Name=description&Filter.1.Value.1=ELB net/k8s-default-web/*";
        let eni =
            |rig: &mut Rig| rig.ok("DescribeNetworkInterfaces", query)["networkInterfaceSet"].as_array().map(Vec::len);
        assert_eq!(eni(&mut rig), Some(1));
        let targets =
            call(&mut rig, "DescribeTargetGroups", "").expect("stands")["TargetGroups"][0]["TargetGroupArn"].clone();
        let delete_targets = format!("TargetGroupArn={}", targets.as_str().expect("an ARN"));
        assert_eq!(call(&mut rig, "DeleteTargetGroup", &delete_targets).expect_err("in use").code, "ResourceInUse");
        call(&mut rig, "DeleteLoadBalancer", &format!("LoadBalancerArn={arn}")).expect("deleted");
        call(&mut rig, "DeleteLoadBalancer", &format!("LoadBalancerArn={arn}")).expect("deleting twice succeeds");
        let again = call(&mut rig, "DescribeLoadBalancers", &format!("LoadBalancerArns.member.1={arn}"));
        assert_eq!(again.expect_err("gone").code, "LoadBalancerNotFound");
        call(&mut rig, "DeleteTargetGroup", &delete_targets).expect("no longer in use");
        assert_eq!(eni(&mut rig), Some(1));
        assert_eq!(rig.refused("DeleteSubnet", &format!("SubnetId={subnet}")), "DependencyViolation");
        rig.wait(300);
        assert_eq!(eni(&mut rig), Some(0));
        rig.ok("DeleteSubnet", &format!("SubnetId={subnet}"));
    }

    #[test]
    fn protection_holds() {
        let mut rig = Rig::new();
        let (arn, ..) = balancer(&mut rig, BalancerKind::Application);
        let protect = |flag: &str| {
            format!(
                "LoadBalancerArn={arn}&Attributes.member.1.Key=deletion_protection.enabled&Attributes.member.1.Value={flag}"
            )
        };
        call(&mut rig, "ModifyLoadBalancerAttributes", &protect("true")).expect("known");
        let refused = call(&mut rig, "DeleteLoadBalancer", &format!("LoadBalancerArn={arn}"));
        assert_eq!(refused.expect_err("protected").code, "OperationNotPermitted");
        call(&mut rig, "ModifyLoadBalancerAttributes", &protect("false")).expect("known");
        call(&mut rig, "DeleteLoadBalancer", &format!("LoadBalancerArn={arn}")).expect("no longer protected");
    }

    #[test]
    fn classic_ones_go_by_name() {
        let mut rig = Rig::new();
        let (name, ..) = balancer(&mut rig, BalancerKind::Classic);
        let call = |rig: &mut Rig, op: &str, key: &str, value: &str| {
            let pairs = [(key.to_owned(), value.to_owned())];
            rig.within(|tx, scope| answer_classic(tx, scope, classic().read(op, &pairs)?))
        };
        let shown = call(&mut rig, "DescribeLoadBalancers", "LoadBalancerNames.member.1", &name).expect("stands");
        assert_eq!(shown["LoadBalancerDescriptions"][0]["Scheme"], "internet-facing");
        call(&mut rig, "DeleteLoadBalancer", "LoadBalancerName", &name).expect("deleted");
        let gone = call(&mut rig, "DescribeLoadBalancers", "LoadBalancerNames.member.1", &name);
        assert_eq!(gone.expect_err("gone").code, "LoadBalancerNotFound");
    }
}
