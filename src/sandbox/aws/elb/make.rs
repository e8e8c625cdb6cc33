//! What clients make over the wire: load balancers of all three kinds, target groups, listeners. As strict as the
//! services about where a balancer may stand; what leads where is as far as it goes.

use super::{
    BALANCER, Balancer, BalancerKind, BalancerWish, CLASSIC, Listener, Made, Pair, TARGETS, arn, create_by,
    create_target_group_by, modern, no,
};
use crate::sandbox::aws::{
    ApiError,
    ec2::{inside, wire::Request},
};
use crate::sandbox::world::{Kind, Origin, Scope, Tx};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

fn tags(pairs: Vec<Pair>) -> Result<BTreeMap<String, String>, ApiError> {
    let mut all = BTreeMap::new();
    for Pair { key, value } in pairs {
        if key.is_empty() || key.to_ascii_lowercase().starts_with("aws:") {
            return Err(no("ValidationError", format!("'{key}' is not a valid tag key")));
        }
        if all.insert(key.clone(), value).is_some() {
            return Err(no("DuplicateTagKeys", format!("Duplicate tag key '{key}' specified.")));
        }
    }
    Ok(all)
}

fn check_name(name: &str) -> Result<(), ApiError> {
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if name.is_empty() || name.len() > 32 || !plain || name.starts_with('-') || name.ends_with('-') {
        let message = format!("The load balancer name '{name}' must be 1 to 32 letters, digits and hyphens");
        return Err(no("ValidationError", message));
    }
    Ok(())
}

/// Refuses a place where no balancer of this kind can stand.
fn check_place(
    tx: &Tx<'_>,
    scope: &Scope,
    subnets: &[String],
    groups: &[String],
    kind: BalancerKind,
    outside: bool,
) -> Result<(), ApiError> {
    let (mut zones, mut vpcs) = (BTreeSet::new(), BTreeSet::new());
    for id in subnets {
        let facts = inside::subnet(tx, scope, id)
            .ok_or_else(|| no("SubnetNotFound", format!("The subnet ID '{id}' does not exist")))?;
        if !zones.insert(facts.zone) {
            let message = "A load balancer cannot be attached to multiple subnets in the same Availability Zone";
            return Err(no("InvalidConfigurationRequest", message));
        }
        vpcs.insert(facts.vpc);
    }
    if kind == BalancerKind::Application && zones.len() < 2 {
        let message = "At least two subnets in two different Availability Zones must be specified";
        return Err(no("ValidationError", message));
    }
    let [vpc] = vpcs.iter().collect::<Vec<_>>()[..] else {
        return Err(no("InvalidConfigurationRequest", "The subnets must be of one VPC"));
    };
    if outside && !inside::has_internet_gateway(tx, scope, vpc) {
        return Err(no("InvalidSubnet", format!("VPC {vpc} has no internet gateway")));
    }
    if let Some(group) = groups.iter().find(|group| inside::group_vpc(tx, scope, group).as_ref() != Some(vpc)) {
        let message = format!("Security group '{group}' does not exist in VPC '{vpc}'");
        return Err(no("InvalidSecurityGroup", message));
    }
    Ok(())
}

fn is_outside(scheme: Option<&str>) -> Result<bool, ApiError> {
    match scheme {
        None | Some("internet-facing") => Ok(true),
        Some("internal") => Ok(false),
        Some(other) => Err(no("InvalidScheme", format!("'{other}' is not a scheme"))),
    }
}

fn taken(tx: &Tx<'_>, scope: &Scope, kind: Kind, name: &str) -> bool {
    tx.list_live(scope, kind).any(|it| it.name.as_deref() == Some(name))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct CreateBalancer {
    name: String,
    #[serde(default)]
    subnets: Vec<String>,
    #[serde(default)]
    security_groups: Vec<String>,
    scheme: Option<String>,
    #[serde(default)]
    tags: Vec<Pair>,
    r#type: Option<String>,
    #[serde(default)]
    #[expect(dead_code, reason = "there is IPv4 only")]
    ip_address_type: Option<String>,
}

/// CreateLoadBalancer of 2015.
pub(super) fn balancer(tx: &mut Tx<'_>, scope: &Scope, request: Request) -> Result<Value, ApiError> {
    let wanted: CreateBalancer = request.read()?;
    check_name(&wanted.name)?;
    let kind = match wanted.r#type.as_deref() {
        None | Some("application") => BalancerKind::Application,
        Some(_) => BalancerKind::Network,
    };
    let outside = is_outside(wanted.scheme.as_deref())?;
    check_place(tx, scope, &wanted.subnets, &wanted.security_groups, kind, outside)?;
    let made = made(tx, scope, kind, &wanted.name, outside, wanted.subnets, wanted.security_groups, &[], wanted.tags)?;
    let object = tx.live(scope, BALANCER, &made.id).expect("just made");
    Ok(json!({"LoadBalancers": [modern::view(object)]}))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct ClassicListener {
    #[expect(dead_code, reason = "every listener here is TCP")]
    protocol: String,
    load_balancer_port: u16,
    #[serde(default)]
    #[expect(dead_code, reason = "every listener here is TCP")]
    instance_protocol: Option<String>,
    #[expect(dead_code, reason = "nothing listens behind it")]
    instance_port: u16,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct CreateClassic {
    load_balancer_name: String,
    listeners: Vec<ClassicListener>,
    #[serde(default)]
    subnets: Vec<String>,
    #[serde(default)]
    security_groups: Vec<String>,
    scheme: Option<String>,
    #[serde(default)]
    tags: Vec<Pair>,
}

/// CreateLoadBalancer of 2012.
pub(super) fn classic(tx: &mut Tx<'_>, scope: &Scope, request: Request) -> Result<Value, ApiError> {
    let wanted: CreateClassic = request.read()?;
    let name = &wanted.load_balancer_name;
    check_name(name)?;
    if taken(tx, scope, CLASSIC, name) {
        let message = format!("The specified name '{name}' is used by another load balancer of the account");
        return Err(no("DuplicateLoadBalancerName", message));
    }
    let outside = is_outside(wanted.scheme.as_deref())?;
    check_place(tx, scope, &wanted.subnets, &wanted.security_groups, BalancerKind::Classic, outside)?;
    let ports: Vec<(u16, Option<String>)> =
        wanted.listeners.iter().map(|listener| (listener.load_balancer_port, None)).collect();
    let (kind, groups) = (BalancerKind::Classic, wanted.security_groups);
    let made = made(tx, scope, kind, name, outside, wanted.subnets, groups, &ports, wanted.tags)?;
    Ok(json!({"DNSName": made.dns}))
}

#[expect(clippy::too_many_arguments, reason = "the parameters of one call, in one place")]
fn made(
    tx: &mut Tx<'_>,
    scope: &Scope,
    kind: BalancerKind,
    name: &str,
    internet_facing: bool,
    subnets: Vec<String>,
    groups: Vec<String>,
    listeners: &[(u16, Option<String>)],
    pairs: Vec<Pair>,
) -> Result<Made, ApiError> {
    let (instances, tags) = (Vec::new(), tags(pairs)?);
    let wish = BalancerWish { name, kind, internet_facing, subnets: &subnets, groups, listeners, instances, tags };
    create_by(tx, scope, wish, Origin::Api)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct CreateTargets {
    name: String,
    protocol: Option<String>,
    port: Option<u16>,
    vpc_id: Option<String>,
    target_type: Option<String>,
    #[serde(default)]
    tags: Vec<Pair>,
}

/// CreateTargetGroup.
pub(super) fn target_group(tx: &mut Tx<'_>, scope: &Scope, request: Request) -> Result<Value, ApiError> {
    let wanted: CreateTargets = request.read()?;
    check_name(&wanted.name)?;
    if taken(tx, scope, TARGETS, &wanted.name) {
        let message = format!("A target group with the same name '{}' exists", wanted.name);
        return Err(no("DuplicateTargetGroupName", message));
    }
    let (Some(_), Some(port), Some(vpc)) = (&wanted.protocol, wanted.port, &wanted.vpc_id) else {
        return Err(no("ValidationError", "A protocol, a port and a VPC must be specified"));
    };
    if wanted.target_type.as_deref().is_some_and(|kind| !matches!(kind, "instance" | "ip")) {
        return Err(no("ValidationError", "The sandbox does not rehearse targets of this type"));
    }
    if inside::vpc_dns(tx, scope, vpc).is_none() {
        return Err(no("ValidationError", format!("The VPC ID '{vpc}' is not found")));
    }
    let tags = tags(wanted.tags)?;
    let id = create_target_group_by(tx, scope, &wanted.name, vpc, port, tags, Origin::Api);
    let object = tx.live(scope, TARGETS, &id).expect("just made").clone();
    Ok(json!({"TargetGroups": [modern::targets_view(tx, scope, &object)]}))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Action {
    r#type: String,
    target_group_arn: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct CreateListener {
    load_balancer_arn: String,
    #[serde(default)]
    #[expect(dead_code, reason = "a balancer's kind says it")]
    protocol: Option<String>,
    port: Option<u16>,
    default_actions: Vec<Action>,
}

/// CreateListener.
pub(super) fn listener(tx: &mut Tx<'_>, scope: &Scope, request: Request) -> Result<Value, ApiError> {
    let wanted: CreateListener = request.read()?;
    let (mut object, mut doc) = modern::find(tx, scope, &wanted.load_balancer_arn)?;
    let Some(port) = wanted.port else { return Err(no("ValidationError", "A listener port must be specified")) };
    let [Action { r#type, target_group_arn: Some(target) }] = &wanted.default_actions[..] else {
        return Err(no("ValidationError", "Exactly one default action that forwards must be specified"));
    };
    if r#type != "forward" || tx.live(scope, TARGETS, target).is_none() {
        return Err(no("TargetGroupNotFound", "One or more target groups not found"));
    }
    if doc.listeners.iter().any(|it| it.port == port) {
        return Err(no("DuplicateListener", "A listener already exists on this port for this load balancer"));
    }
    let path = wanted.load_balancer_arn.rsplit_once(":loadbalancer/").map(|(_, path)| path).unwrap_or_default();
    let id = arn(scope, &format!("listener/{path}/{}", tx.hex(16)));
    let listener = Listener { arn: id, port, target_group: Some(target.clone()) };
    let shown = modern::listener_view(&object.id, doc.kind, &listener);
    doc.listeners.push(listener);
    object.write::<Balancer>(&doc);
    tx.put(object);
    Ok(json!({"Listeners": [shown]}))
}
