//! EC2: every thing a call makes and every thing it names is asked for by itself, tags in a creating call once more as
//! `ec2:CreateTags`.

use super::{By, Context, Need, Request, Tags, need, requested, standing};
use crate::sandbox::{
    aws::ec2::{inside, kinds},
    world::Tx,
};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What creating calls make.
const MADE: [(&str, &[&str]); 14] = [
    ("CreateVpc", &["vpc"]),
    ("CreateSubnet", &["subnet"]),
    ("CreateInternetGateway", &["internet-gateway"]),
    ("AllocateAddress", &["elastic-ip"]),
    ("CreateNatGateway", &["natgateway"]),
    ("CreateRouteTable", &["route-table"]),
    ("CreateSecurityGroup", &["security-group"]),
    ("CreateNetworkInterface", &["network-interface"]),
    ("CreateVpcEndpoint", &["vpc-endpoint"]),
    ("CreateLaunchTemplate", &["launch-template"]),
    ("CreateVolume", &["volume"]),
    ("CreateSnapshot", &["snapshot"]),
    ("RunInstances", LAUNCHED),
    ("AuthorizeSecurityGroupIngress", &["security-group-rule"]),
];
const LAUNCHED: &[&str] = &["instance", "volume", "network-interface"];

/// Parameters that name things which are not asked for: peers in rules, targets of routes, what a template only describes.
const NOT_ASKED: [&str; 8] = [
    "Filter.",
    "IpPermissions.",
    "LaunchTemplateData.",
    "ClientToken",
    "GatewayId",
    "NatGatewayId",
    "DestinationPrefixListId",
    "TagSpecification.",
];
/// Calls whose gateway is a thing they change, not where a route leads.
const ABOUT_GATEWAYS: [&str; 4] =
    ["AttachInternetGateway", "DetachInternetGateway", "DeleteInternetGateway", "DeleteNatGateway"];

pub(super) fn needs(tx: &Tx<'_>, request: &Request<'_>) -> Vec<Need> {
    if request.op.starts_with("Describe") || request.op.starts_with("Get") {
        return vec![need(request.action(), "*", Context::default())];
    }
    let made = MADE.iter().find(|(op, _)| *op == request.op).map(|(_, kinds)| *kinds).unwrap_or_default();
    let tags = tag_specifications(request);
    let mut needs: Vec<Need> = Vec::new();
    for kind in made {
        let asked = tags.get(*kind).cloned().unwrap_or_default();
        needs.push(need(request.action(), request.arn("ec2", &format!("{kind}/*")), requested(&asked)));
    }
    let new_tags = if request.op == "CreateTags" { request.tags("Tag.") } else { Tags::new() };
    for (arn, held) in named(tx, request) {
        needs.push(need(request.action(), arn, standing(&held).and(&requested(&new_tags))));
    }
    for kind in made {
        if let Some(tags) = tags.get(*kind) {
            let context = requested(tags).with("ec2:CreateAction", request.op);
            needs.push(need("ec2:CreateTags", request.arn("ec2", &format!("{kind}/*")), context));
        }
    }
    if needs.is_empty() {
        needs.push(need(request.action(), "*", Context::default()));
    }
    needs
}

/// Tags wanted on what is made, by type.
fn tag_specifications(request: &Request<'_>) -> BTreeMap<String, Tags> {
    let types = request.pairs.iter().filter_map(|(name, kind)| {
        let stem = name.strip_suffix(".ResourceType")?;
        stem.starts_with("TagSpecification.").then_some((stem, kind))
    });
    types.map(|(stem, kind)| (kind.clone(), request.tags(&format!("{stem}.Tag.")))).collect()
}

/// Every standing thing that the call names, with its tags.
fn named(tx: &Tx<'_>, request: &Request<'_>) -> Vec<(String, Tags)> {
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for (name, value) in request.pairs {
        let gateway = ABOUT_GATEWAYS.contains(&request.op);
        let left_out = |start: &&str| name.starts_with(*start) && !(gateway && start.ends_with("GatewayId"));
        if NOT_ASKED.iter().any(left_out) || !seen.insert(value.clone()) {
            continue;
        }
        found.extend(thing(tx, request, value));
    }
    found
}

/// ARN and tags of the thing with this id; none for a text that is no id.
fn thing(tx: &Tx<'_>, request: &Request<'_>, id: &str) -> Option<(String, Tags)> {
    if id.starts_with("ami-") {
        return Some((format!("arn:aws:ec2:{}::image/{id}", request.scope.region), Tags::new()));
    }
    // An association is its table's.
    let id = if id.starts_with("rtbassoc-") { kinds::table_of(tx, request.scope, id)? } else { id.to_owned() };
    let row = kinds::of_id(&id)?;
    let tags = tx.get(request.scope, row.kind, &id).map(|object| object.tags.clone()).unwrap_or_default();
    Some((request.arn("ec2", &format!("{}/{id}", row.resource_type)), tags))
}

/// What EKS tries with the caller's rights when a node group is made from a launch template: a launch, without making
/// anything. None where there is no such template: EKS says so itself.
pub(super) fn launch(tx: &Tx<'_>, request: &Request<'_>, template: &Value, subnets: &Value) -> Vec<Need> {
    let text = |member: &str| template[member].as_str();
    let Ok(found) = inside::launch_data(tx, request.scope, text("id"), text("name"), text("version")) else {
        return Vec::new();
    };
    let lookup = |id: &str| thing(tx, request, id);
    let Some((arn, held)) = lookup(&found.id) else { return Vec::new() };
    let context = || Context::default().with("ec2:LaunchTemplate", &arn).with("ec2:IsLaunchTemplateResource", "true");
    let mut needs = vec![need("ec2:RunInstances", &arn, context().and(&standing(&held)))];
    let image = format!("arn:aws:ec2:{}::image/*", request.scope.region);
    needs.push(need("ec2:RunInstances", image, context()));
    for kind in LAUNCHED {
        let (resource, tags) = (request.arn("ec2", &format!("{kind}/*")), found.tags(kind));
        needs.push(need("ec2:RunInstances", &resource, context().and(&requested(&tags))));
        if !tags.is_empty() {
            let context = requested(&tags).with("ec2:CreateAction", "RunInstances");
            needs.push(need("ec2:CreateTags", &resource, context));
        }
    }
    let subnets = subnets.as_array().into_iter().flatten().filter_map(Value::as_str);
    for (arn, held) in subnets.filter_map(lookup) {
        needs.push(need("ec2:RunInstances", arn, context().and(&standing(&held))));
    }
    needs.into_iter().map(|need| Need { by: By::LaunchTemplate, ..need }).collect()
}
