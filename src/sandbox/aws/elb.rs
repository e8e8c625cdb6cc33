//! Load balancers: application and network ones (the 2015 API) and classic ones (the 2012 API) behind one signing name.
//!
//! The controllers inside clusters make them through [`create`] and [`create_target_group`], clients over the wire. A
//! balancer's interfaces outlive it by minutes, and block what they touch, as they do in AWS.

mod classic;
mod make;
mod modern;
#[cfg(test)]
mod tests;

use super::{
    ApiError, CallCx, Protocol, Reply, Service,
    ec2::{
        filter::{self, Page},
        inside::{self, InterfaceWish},
        usage, wire,
    },
};
use crate::sandbox::world::{Due, Kind, Object, Origin, Scope, Tx};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};

const BALANCER: Kind = Kind::new("elasticloadbalancing", "load-balancer");
const CLASSIC: Kind = Kind::new("elasticloadbalancing", "classic-load-balancer");
const TARGETS: Kind = Kind::new("elasticloadbalancing", "target-group");

const CLASSIC_VERSION: &str = "2012-06-01";

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
    create_by(tx, scope, wish, Origin::Controller)
}

fn create_by(tx: &mut Tx<'_>, scope: &Scope, wish: BalancerWish<'_>, origin: Origin) -> Result<Made, ApiError> {
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
    object.created_by = origin;
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
    create_target_group_by(tx, scope, name, vpc, port, tags, Origin::Controller)
}

fn create_target_group_by(
    tx: &mut Tx<'_>,
    scope: &Scope,
    name: &str,
    vpc: &str,
    port: u16,
    tags: BTreeMap<String, String>,
    origin: Origin,
) -> String {
    let id = arn(scope, &format!("targetgroup/{name}/{}", tx.hex(16)));
    let mut object = Object::new(scope, TARGETS, &id, tx.now());
    object.name = Some(name.to_owned());
    "active".clone_into(&mut object.state);
    object.tags = tags;
    object.parent = Some(vpc.to_owned());
    object.created_by = origin;
    let target_type = "instance".to_owned();
    object.write(&TargetGroup { name: name.to_owned(), vpc: vpc.to_owned(), port, target_type });
    tx.put(object);
    id
}

/// Tags of a balancer or target group, by ARN (or name, if classic).
pub fn tags_of(tx: &Tx<'_>, scope: &Scope, id: &str) -> BTreeMap<String, String> {
    let kinds = if id.starts_with("arn:") { &[BALANCER, TARGETS][..] } else { &[CLASSIC] };
    kinds.iter().find_map(|kind| tx.get(scope, *kind, id)).map(|object| object.tags.clone()).unwrap_or_default()
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
        let actions = if old { classic::actions() } else { modern::actions() };
        if !actions.knows(cx.op) {
            return Err(cx.unknown_operation());
        }
        let request =
            actions.read(cx.op, &cx.params.all_pairs()).map_err(|error| no("ValidationError", error.message))?;
        let scope = cx.scope.clone();
        let tree = if old { classic::answer(cx.tx, &scope, request)? } else { modern::answer(cx.tx, &scope, request)? };
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
