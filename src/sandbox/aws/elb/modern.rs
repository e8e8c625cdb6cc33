//! The API of 2015, for application and network balancers: by ARN, with target groups beside them.

use super::{
    BALANCER, Balancer, BalancerKind, Listener, Params, TARGETS, TargetGroup, delete, delete_target_group, make, no,
    tag_list,
};
use crate::sandbox::aws::{
    ApiError,
    ec2::{
        time,
        wire::{Actions, Request},
    },
};
use crate::sandbox::world::{Object, Scope, Tx};
use serde_json::{Value, json};
use std::sync::OnceLock;

const ACTIONS_TEXT: &str = "\
AddTags {ResourceArns!:[s] Tags!:[{Key!:s Value:s}]}
CreateListener {LoadBalancerArn!:s Protocol:e(HTTP|TCP) Port:i(1,65535) DefaultActions!:[{Type!:e(forward) TargetGroupArn:s}]}
CreateLoadBalancer {Name!:s Subnets:[s] SecurityGroups:[s] Scheme:e(internet-facing|internal) Tags:[{Key!:s Value:s}] Type:e(application|network) IpAddressType:e(ipv4)}
CreateTargetGroup {Name!:s Protocol:e(HTTP|HTTPS|TCP|TLS|UDP|TCP_UDP) Port:i(1,65535) VpcId:s TargetType:e(instance|ip|lambda|alb) Tags:[{Key!:s Value:s}]}
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

pub(super) fn actions() -> &'static Actions {
    static ACTIONS: OnceLock<Actions> = OnceLock::new();
    ACTIONS.get_or_init(|| Actions::parse(ACTIONS_TEXT))
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

pub(super) fn find(tx: &Tx<'_>, scope: &Scope, arn: &str) -> Result<(Object, Balancer), ApiError> {
    balancer_arn(arn)?;
    let object = tx.live(scope, BALANCER, arn).ok_or_else(no_balancer)?;
    Ok((object.clone(), object.read()))
}

pub(super) fn view(object: &Object) -> Value {
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

pub(super) fn listener_view(balancer: &str, kind: BalancerKind, listener: &Listener) -> Value {
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

pub(super) fn targets_view(tx: &Tx<'_>, scope: &Scope, object: &Object) -> Value {
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

pub(super) fn answer(tx: &mut Tx<'_>, scope: &Scope, request: Request) -> Result<Value, ApiError> {
    let action = request.action.clone();
    match action.as_str() {
        "CreateLoadBalancer" => return make::balancer(tx, scope, request),
        "CreateTargetGroup" => return make::target_group(tx, scope, request),
        "CreateListener" => return make::listener(tx, scope, request),
        _ => {}
    }
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
