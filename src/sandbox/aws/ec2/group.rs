//! Security groups and their rules. A rule is an object of its own, with an id and tags; a group stays while another
//! group's rule names it or an interface uses it.

mod rules;

pub(crate) use rules::{Peer, Rule};
pub(super) use rules::{authorize, describe_rules, put_rule, revoke};

use super::{
    Ec2, Stored, fail,
    filter::{self, Filter, Known, Page},
    interface::Interface,
    kinds::thing,
    tags::{self, TagSpecification},
    vpc::Vpc,
    wire::Request,
};
use crate::sandbox::{aws::ApiError, world::Origin};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A security group.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Group {
    pub(crate) vpc: String,
    pub(crate) name: String,
    pub(crate) description: String,
    /// The one every VPC is born with.
    pub(crate) is_default: bool,
}

thing!(
    Group,
    "security-group",
    "sg",
    "InvalidGroup.NotFound",
    "InvalidGroupId.Malformed",
    "The security group '{}' does not exist"
);
fn rules_of(cx: &Ec2<'_, '_>, group: &str) -> Vec<Stored<Rule>> {
    cx.all::<Rule>().into_iter().filter(|rule| rule.doc.group == group).collect()
}

/// Groups by id and name, as interfaces and instances show them.
pub(super) fn refs(cx: &Ec2<'_, '_>, ids: &[String]) -> Value {
    let show = |id: &String| json!({"groupId": id, "groupName": cx.peek::<Group>(id).map(|group| group.doc.name)});
    ids.iter().map(show).collect()
}

/// The VPC's default group, as a list of one.
pub(super) fn default_of(cx: &Ec2<'_, '_>, vpc: &str) -> Vec<String> {
    let default = cx.all::<Group>().into_iter().find(|group| group.doc.vpc == vpc && group.doc.is_default);
    default.map(|group| group.object.id).into_iter().collect()
}

const GROUP_FILTERS: Known = &[
    ("description", "groupDescription"),
    ("egress.ip-permission.cidr", "ipPermissionsEgress.ipRanges.cidrIp"),
    ("egress.ip-permission.from-port", "ipPermissionsEgress.fromPort"),
    ("egress.ip-permission.group-id", "ipPermissionsEgress.groups.groupId"),
    ("egress.ip-permission.group-name", "ipPermissionsEgress.groups.groupName"),
    ("egress.ip-permission.ipv6-cidr", "ipPermissionsEgress.ipv6Ranges.cidrIpv6"),
    ("egress.ip-permission.prefix-list-id", "ipPermissionsEgress.prefixListIds.prefixListId"),
    ("egress.ip-permission.protocol", "ipPermissionsEgress.ipProtocol"),
    ("egress.ip-permission.to-port", "ipPermissionsEgress.toPort"),
    ("egress.ip-permission.user-id", "ipPermissionsEgress.groups.userId"),
    ("group-id", "groupId"),
    ("group-name", "groupName"),
    ("ip-permission.cidr", "ipPermissions.ipRanges.cidrIp"),
    ("ip-permission.from-port", "ipPermissions.fromPort"),
    ("ip-permission.group-id", "ipPermissions.groups.groupId"),
    ("ip-permission.group-name", "ipPermissions.groups.groupName"),
    ("ip-permission.ipv6-cidr", "ipPermissions.ipv6Ranges.cidrIpv6"),
    ("ip-permission.prefix-list-id", "ipPermissions.prefixListIds.prefixListId"),
    ("ip-permission.protocol", "ipPermissions.ipProtocol"),
    ("ip-permission.to-port", "ipPermissions.toPort"),
    ("ip-permission.user-id", "ipPermissions.groups.userId"),
    ("owner-id", "ownerId"),
    ("vpc-id", "vpcId"),
];

/// Protocol and ports: what rules are grouped by.
type Traffic = (String, Option<i64>, Option<i64>);

fn permissions(rules: &[Stored<Rule>], egress: bool, account: &str) -> Value {
    let mut sets: BTreeMap<Traffic, [Vec<Value>; 4]> = BTreeMap::new();
    for rule in rules.iter().filter(|rule| rule.doc.egress == egress) {
        let doc = &rule.doc;
        let [groups, v4, v6, lists] = sets.entry((doc.protocol.clone(), doc.from, doc.to)).or_default();
        let described = &doc.description;
        match &doc.peer {
            Peer::Group(id) => groups.push(json!({"groupId": id, "userId": account, "description": described})),
            Peer::Cidr(cidr) => v4.push(json!({"cidrIp": cidr, "description": described})),
            Peer::Cidr6(cidr) => v6.push(json!({"cidrIpv6": cidr, "description": described})),
            Peer::PrefixList(id) => lists.push(json!({"prefixListId": id, "description": described})),
        }
    }
    let rows = sets.into_iter().map(|((protocol, from, to), [groups, v4, v6, lists])| {
        json!({
            "ipProtocol": protocol, "fromPort": from, "toPort": to, "groups": groups, "ipRanges": v4,
            "ipv6Ranges": v6, "prefixListIds": lists,
        })
    });
    rows.collect()
}

fn view(cx: &Ec2<'_, '_>, group: &Stored<Group>) -> Value {
    let (object, rules) = (&group.object, rules_of(cx, group.id()));
    json!({
        "groupId": object.id, "groupName": group.doc.name, "groupDescription": group.doc.description,
        "vpcId": group.doc.vpc, "ownerId": object.account, "tagSet": group.tag_set(),
        "securityGroupArn": arn(group), "ipPermissions": permissions(&rules, false, &object.account),
        "ipPermissionsEgress": permissions(&rules, true, &object.account),
    })
}

fn arn(group: &Stored<Group>) -> String {
    let object = &group.object;
    format!("arn:aws:ec2:{}:{}:security-group/{}", object.region, object.account, object.id)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct CreateSecurityGroup {
    group_name: String,
    group_description: String,
    vpc_id: Option<String>,
    #[serde(default)]
    tag_specification: Vec<TagSpecification>,
}

pub(super) fn create(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let wanted: CreateSecurityGroup = request.read()?;
    let tags = tags::for_type(wanted.tag_specification, "security-group")?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || " ._-:/()#,@[]+=&;{}!$*".contains(c);
    for (parameter, text) in [("GroupName", &wanted.group_name), ("GroupDescription", &wanted.group_description)] {
        if text.len() > 255 || !text.chars().all(allowed) {
            let message = format!(
                "Value ({text}) for parameter {parameter} is invalid. Character sets beyond ASCII are not supported."
            );
            return Err(fail("InvalidParameterValue", message));
        }
    }
    if wanted.group_name.to_ascii_lowercase().starts_with("sg-") {
        let message = format!(
            "Value ({}) for parameter GroupName is invalid. Group names may not be in the format sg-*",
            wanted.group_name
        );
        return Err(fail("InvalidParameterValue", message));
    }
    let vpc = match wanted.vpc_id {
        Some(id) => cx.find::<Vpc>(&id)?,
        None => match cx.all::<Vpc>().into_iter().find(|vpc| vpc.doc.is_default) {
            Some(vpc) => vpc,
            None => return Err(fail("VPCIdNotSpecified", "No default VPC for this user")),
        },
    };
    if cx.all::<Group>().iter().any(|group| group.doc.vpc == vpc.id() && group.doc.name == wanted.group_name) {
        let message = format!("The security group '{}' already exists for VPC '{}'", wanted.group_name, vpc.id());
        return Err(fail("InvalidGroup.Duplicate", message));
    }
    let doc = Group {
        vpc: vpc.id().to_owned(),
        name: wanted.group_name,
        description: wanted.group_description,
        is_default: false,
    };
    let group = put_new(cx, doc, Origin::Api, tags);
    Ok(json!({
        "groupId": group.id(), "securityGroupArn": arn(&group), "tagSet": group.tag_set(),
    }))
}

/// Puts a new group with the rule that lets everything out.
fn put_new(cx: &mut Ec2<'_, '_>, doc: Group, origin: Origin, tags: BTreeMap<String, String>) -> Stored<Group> {
    let mut group = cx.draft(doc, "available", tags);
    group.object.created_by = origin;
    group.object.name = Some(group.doc.name.clone());
    group.object.parent = Some(group.doc.vpc.clone());
    if origin != Origin::Api {
        group.object.visible_at = None;
    }
    let id = group.id().to_owned();
    cx.save(group);
    let everywhere = Peer::Cidr("0.0.0.0/0".to_owned());
    let rule = Rule {
        group: id.clone(),
        egress: true,
        protocol: "-1".to_owned(),
        from: None,
        to: None,
        peer: everywhere,
        description: None,
    };
    put_rule(cx, rule, Origin::Builtin);
    cx.peek(&id).expect("just saved")
}

/// A group made by a service or a controller inside a cluster; returns its id.
pub(super) fn make(cx: &mut Ec2<'_, '_>, doc: Group, tags: BTreeMap<String, String>) -> String {
    put_new(cx, doc, Origin::Controller, tags).object.id
}

/// The group every VPC is born with: members talk to each other.
pub(super) fn make_default(cx: &mut Ec2<'_, '_>, vpc: &str) {
    let doc = Group {
        vpc: vpc.to_owned(),
        name: "default".to_owned(),
        description: "default VPC security group".to_owned(),
        is_default: true,
    };
    let id = put_new(cx, doc, Origin::Builtin, BTreeMap::new()).object.id;
    let peer = Peer::Group(id.clone());
    let rule =
        Rule { group: id, egress: false, protocol: "-1".to_owned(), from: None, to: None, peer, description: None };
    put_rule(cx, rule, Origin::Builtin);
}

/// Removes a group with its rules.
pub(super) fn remove(cx: &mut Ec2<'_, '_>, id: &str) {
    for rule in rules_of(cx, id) {
        cx.drop_object::<Rule>(rule.id());
    }
    cx.drop_object::<Group>(id);
}

/// Whether an interface uses the group or another group's rule names it.
pub(super) fn in_use(cx: &Ec2<'_, '_>, id: &str) -> bool {
    cx.all::<Interface>().iter().any(|eni| eni.doc.groups.iter().any(|group| group == id))
        || cx.all::<Rule>().iter().any(|rule| rule.doc.group != id && rule.doc.peer == Peer::Group(id.to_owned()))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct DeleteSecurityGroup {
    group_id: Option<String>,
    group_name: Option<String>,
}

pub(super) fn delete(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let wanted: DeleteSecurityGroup = request.read()?;
    let group = named(cx, wanted.group_id.as_deref(), wanted.group_name.as_deref())?;
    if group.doc.is_default {
        let message = format!("the specified group: \"{}\" name: \"default\" cannot be deleted by a user", group.id());
        return Err(fail("CannotDelete", message));
    }
    if in_use(cx, group.id()) {
        let message = format!("resource {} has a dependent object", group.id());
        return Err(fail("DependencyViolation", message));
    }
    remove(cx, group.id());
    Ok(json!({"return": true, "groupId": group.id()}))
}

/// The group of a request: by id, or by name in the default VPC.
fn named(cx: &Ec2<'_, '_>, id: Option<&str>, name: Option<&str>) -> Result<Stored<Group>, ApiError> {
    match (id, name) {
        (Some(id), _) => cx.find::<Group>(id),
        (None, Some(name)) => {
            let default = cx.all::<Vpc>().into_iter().find(|vpc| vpc.doc.is_default);
            let mut groups = cx.all::<Group>().into_iter();
            let found = groups
                .find(|group| group.doc.name == name && default.as_ref().is_some_and(|vpc| vpc.id() == group.doc.vpc));
            found.ok_or_else(|| {
                fail("InvalidGroup.NotFound", format!("The security group '{name}' does not exist in default VPC"))
            })
        }
        (None, None) => Err(fail("MissingParameter", "The request must contain the parameter groupName or groupId")),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct DescribeSecurityGroups {
    #[serde(default)]
    group_id: Vec<String>,
    #[serde(default)]
    group_name: Vec<String>,
    #[serde(default)]
    filter: Vec<Filter>,
    next_token: Option<String>,
    max_results: Option<usize>,
}

pub(super) fn describe(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let wanted: DescribeSecurityGroups = request.read()?;
    let mut ids = wanted.group_id;
    for name in &wanted.group_name {
        ids.push(named(cx, None, Some(name))?.object.id);
    }
    let rows = cx.listed::<Group>(&ids)?.iter().map(|group| view(cx, group)).collect();
    let rows = filter::keep(rows, &wanted.filter, GROUP_FILTERS)?;
    filter::page("securityGroupInfo", rows, &Page { token: wanted.next_token, size: wanted.max_results }, 1000)
}
