//! Security groups and their rules. A rule is an object of its own, with an id and tags; a group stays while another
//! group's rule names it or an interface uses it.

use super::{
    Ec2, Stored, fail,
    filter::{self, Filter, Known, Page},
    interface::Interface,
    kinds::thing,
    quota,
    tags::{self, TagSpecification},
    vpc::Vpc,
    wire::Request,
};
use crate::sandbox::{aws::ApiError, world::Origin};
use ipnet::{Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
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

/// One rule of a group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Rule {
    pub(crate) group: String,
    pub(crate) egress: bool,
    /// `tcp`, `udp`, `icmp`, `icmpv6`, `-1` or a number.
    pub(crate) protocol: String,
    pub(crate) from: Option<i64>,
    pub(crate) to: Option<i64>,
    pub(crate) peer: Peer,
    pub(crate) description: Option<String>,
}

/// The other side of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Peer {
    /// An IPv4 range.
    Cidr(String),
    /// An IPv6 range.
    Cidr6(String),
    /// Members of a group.
    Group(String),
    /// A prefix list.
    PrefixList(String),
}

thing!(
    Group,
    "security-group",
    "sg",
    "InvalidGroup.NotFound",
    "InvalidGroupId.Malformed",
    "The security group '{}' does not exist"
);
thing!(
    Rule,
    "security-group-rule",
    "sgr",
    "InvalidSecurityGroupRuleId.NotFound",
    "InvalidSecurityGroupRuleId.Malformed",
    "The security group rule ID '{}' does not exist"
);

impl Rule {
    /// Whether the two let the same traffic through; descriptions do not count.
    fn same(&self, other: &Self) -> bool {
        (&self.group, self.egress, &self.protocol, self.from, self.to, &self.peer)
            == (&other.group, other.egress, &other.protocol, other.from, other.to, &other.peer)
    }

    fn told(&self) -> String {
        let peer = match &self.peer {
            Peer::Cidr(text) | Peer::Cidr6(text) | Peer::Group(text) | Peer::PrefixList(text) => text,
        };
        let ports = match (self.from, self.to) {
            (Some(from), Some(to)) => format!("{}, from port: {from}, to port: {to}", self.protocol.to_uppercase()),
            _ => "ALL".to_owned(),
        };
        format!("peer: {peer}, {ports}, ALLOW")
    }
}

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

const RULE_FILTERS: Known = &[("group-id", "groupId"), ("security-group-rule-id", "securityGroupRuleId")];

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

fn rule_view(rule: &Stored<Rule>) -> Value {
    let (object, doc) = (&rule.object, &rule.doc);
    let mut shown = json!({
        "securityGroupRuleId": object.id, "groupId": doc.group, "groupOwnerId": object.account,
        "isEgress": doc.egress, "ipProtocol": doc.protocol, "fromPort": doc.from.unwrap_or(-1),
        "toPort": doc.to.unwrap_or(-1), "description": doc.description, "tagSet": rule.tag_set(),
        "securityGroupRuleArn":
            format!("arn:aws:ec2:{}:{}:security-group-rule/{}", object.region, object.account, object.id),
    });
    let (field, value) = match &doc.peer {
        Peer::Cidr(cidr) => ("cidrIpv4", json!(cidr)),
        Peer::Cidr6(cidr) => ("cidrIpv6", json!(cidr)),
        Peer::PrefixList(id) => ("prefixListId", json!(id)),
        Peer::Group(id) => ("referencedGroupInfo", json!({"groupId": id, "userId": object.account})),
    };
    shown[field] = value;
    shown
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

/// Puts a rule of a service's or the group's own making.
pub(super) fn put_rule(cx: &mut Ec2<'_, '_>, rule: Rule, origin: Origin) {
    let mut stored = cx.draft_by(origin, rule, "available");
    stored.object.parent = Some(stored.doc.group.clone());
    cx.save(stored);
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

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct DescribeSecurityGroupRules {
    #[serde(default)]
    security_group_rule_id: Vec<String>,
    #[serde(default)]
    filter: Vec<Filter>,
    next_token: Option<String>,
    max_results: Option<usize>,
}

pub(super) fn describe_rules(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let wanted: DescribeSecurityGroupRules = request.read()?;
    let rows = cx.listed::<Rule>(&wanted.security_group_rule_id)?.iter().map(rule_view).collect();
    let rows = filter::keep(rows, &wanted.filter, RULE_FILTERS)?;
    filter::page("securityGroupRuleSet", rows, &Page { token: wanted.next_token, size: wanted.max_results }, 1000)
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
struct Permission {
    ip_protocol: Option<String>,
    from_port: Option<i64>,
    to_port: Option<i64>,
    groups: Vec<GroupPair>,
    ip_ranges: Vec<IpRange>,
    ipv6_ranges: Vec<Ipv6Range>,
    prefix_list_ids: Vec<PrefixListId>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct GroupPair {
    group_id: String,
    user_id: Option<String>,
    description: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct IpRange {
    cidr_ip: String,
    description: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Ipv6Range {
    cidr_ipv6: String,
    description: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct PrefixListId {
    prefix_list_id: String,
    description: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct RulesRequest {
    group_id: Option<String>,
    group_name: Option<String>,
    #[serde(default)]
    ip_permissions: Vec<Permission>,
    #[serde(default)]
    security_group_rule_id: Vec<String>,
    ip_protocol: Option<String>,
    from_port: Option<i64>,
    to_port: Option<i64>,
    cidr_ip: Option<String>,
    #[serde(default)]
    tag_specification: Vec<TagSpecification>,
}

impl RulesRequest {
    /// The permissions, the older flat form included.
    fn permissions(&mut self) -> Vec<Permission> {
        let mut all = std::mem::take(&mut self.ip_permissions);
        if let Some(cidr_ip) = self.cidr_ip.take() {
            all.push(Permission {
                ip_protocol: self.ip_protocol.take(),
                from_port: self.from_port,
                to_port: self.to_port,
                ip_ranges: vec![IpRange { cidr_ip, description: None }],
                ..Permission::default()
            });
        }
        all
    }
}

/// The rules a request's permissions stand for, checked.
fn rules(
    cx: &Ec2<'_, '_>,
    group: &Stored<Group>,
    egress: bool,
    permissions: Vec<Permission>,
) -> Result<Vec<Rule>, ApiError> {
    let mut all = Vec::new();
    for permission in permissions {
        let Some(protocol) = permission.ip_protocol.as_deref().and_then(protocol) else {
            let given = permission.ip_protocol.unwrap_or_default();
            let message = format!("Invalid value '{given}' for IP protocol. Unknown protocol.");
            return Err(fail("InvalidParameterValue", message));
        };
        let (from, to) = ports(&protocol, permission.from_port, permission.to_port)?;
        let mut add = |peer: Peer, description: Option<String>| {
            let (group, protocol) = (group.id().to_owned(), protocol.clone());
            all.push(Rule { group, egress, protocol, from, to, peer, description });
        };
        let malformed = |cidr: &str| fail("InvalidParameterValue", format!("CIDR block {cidr} is malformed"));
        for range in permission.ip_ranges {
            let cidr: Ipv4Net = range.cidr_ip.parse().map_err(|_| malformed(&range.cidr_ip))?;
            add(Peer::Cidr(cidr.trunc().to_string()), range.description);
        }
        for range in permission.ipv6_ranges {
            let cidr: Ipv6Net = range.cidr_ipv6.parse().map_err(|_| malformed(&range.cidr_ipv6))?;
            add(Peer::Cidr6(cidr.trunc().to_string()), range.description);
        }
        for pair in permission.groups {
            let other = cx.find::<Group>(&pair.group_id)?;
            if other.doc.vpc != group.doc.vpc || pair.user_id.is_some_and(|user| user != other.object.account) {
                let message = "You have specified two resources that belong to different networks.";
                return Err(fail("InvalidGroup.NotFound", message));
            }
            add(Peer::Group(pair.group_id), pair.description);
        }
        for list in permission.prefix_list_ids {
            add(Peer::PrefixList(list.prefix_list_id), list.description);
        }
    }
    Ok(all)
}

fn protocol(text: &str) -> Option<String> {
    Some(match text.to_ascii_lowercase().as_str() {
        "tcp" | "6" => "tcp".to_owned(),
        "udp" | "17" => "udp".to_owned(),
        "icmp" | "1" => "icmp".to_owned(),
        "icmpv6" | "58" => "icmpv6".to_owned(),
        "-1" | "all" => "-1".to_owned(),
        number => number.parse::<u8>().ok()?.to_string(),
    })
}

fn ports(protocol: &str, from: Option<i64>, to: Option<i64>) -> Result<(Option<i64>, Option<i64>), ApiError> {
    let refuse = |why: &str| Err(fail("InvalidParameterValue", why.to_owned()));
    match (protocol, from, to) {
        ("tcp" | "udp", Some(from), Some(to)) if (0..=65_535).contains(&from) && (from..=65_535).contains(&to) => {
            Ok((Some(from), Some(to)))
        }
        ("tcp" | "udp", Some(from), Some(to)) => {
            refuse(&format!("Invalid {} port range ({from},{to})", protocol.to_uppercase()))
        }
        ("tcp" | "udp", ..) => {
            refuse("Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange.")
        }
        ("icmp" | "icmpv6", Some(kind), Some(code)) => Ok((Some(kind), Some(code))),
        ("icmp" | "icmpv6", ..) => refuse("Invalid value 'ICMP type and code must be specified.' for portRange."),
        _ => Ok((None, None)),
    }
}

/// Authorizes, for one direction.
pub(super) fn authorize(cx: &mut Ec2<'_, '_>, request: Request, egress: bool) -> Result<Value, ApiError> {
    let mut wanted: RulesRequest = request.read()?;
    let group = named(cx, wanted.group_id.as_deref(), wanted.group_name.as_deref())?;
    let permissions = wanted.permissions();
    let tags = tags::for_type(wanted.tag_specification, "security-group-rule")?;
    let new = rules(cx, &group, egress, permissions)?;
    if new.is_empty() {
        return Err(fail("MissingParameter", "The request must contain the parameter ipPermissions"));
    }
    let mut held: Vec<Rule> = rules_of(cx, group.id()).into_iter().map(|rule| rule.doc).collect();
    let mut shown = Vec::new();
    for rule in new {
        if held.iter().any(|other| other.same(&rule)) {
            let message = format!("the specified rule \"{}\" already exists", rule.told());
            return Err(fail("InvalidPermission.Duplicate", message));
        }
        held.push(rule.clone());
        if held.iter().filter(|other| other.egress == egress).count() > cx.quota(quota::RULES_PER_GROUP) {
            let message = "The maximum number of rules per security group has been reached.";
            return Err(fail("RulesPerSecurityGroupLimitExceeded", message));
        }
        let mut stored = cx.draft(rule, "available", tags.clone());
        stored.object.parent = Some(group.id().to_owned());
        shown.push(rule_view(&stored));
        cx.save(stored);
    }
    Ok(json!({"return": true, "securityGroupRuleSet": shown}))
}

/// Revokes, for one direction: by rule id, or by what the rules say.
pub(super) fn revoke(cx: &mut Ec2<'_, '_>, request: Request, egress: bool) -> Result<Value, ApiError> {
    let mut wanted: RulesRequest = request.read()?;
    let group = named(cx, wanted.group_id.as_deref(), wanted.group_name.as_deref())?;
    let permissions = wanted.permissions();
    let held = rules_of(cx, group.id());
    let mut going = Vec::new();
    for id in &wanted.security_group_rule_id {
        super::store::well_formed::<Rule>(id)?;
        match held.iter().find(|rule| rule.id() == id && rule.doc.egress == egress) {
            Some(rule) => going.push(rule),
            None => return Err(fail("InvalidSecurityGroupRuleId.NotFound", <Rule as super::Thing>::absent(id))),
        }
    }
    for rule in rules(cx, &group, egress, permissions)? {
        match held.iter().find(|other| other.doc.same(&rule)) {
            Some(found) => going.push(found),
            None => {
                let message = "The specified rule does not exist in this security group.";
                return Err(fail("InvalidPermission.NotFound", message));
            }
        }
    }
    if going.is_empty() {
        return Err(fail("MissingParameter", "The request must contain the parameter ipPermissions"));
    }
    let mut shown = Vec::new();
    for rule in going {
        let mut row: Map<String, Value> = rule_view(rule).as_object().cloned().unwrap_or_default();
        row.retain(|name, _| !matches!(name.as_str(), "tagSet" | "securityGroupRuleArn" | "groupOwnerId"));
        if let Some(info) = row.remove("referencedGroupInfo") {
            row.insert("referencedGroupId".to_owned(), info["groupId"].clone());
        }
        shown.push(Value::Object(row));
        cx.drop_object::<Rule>(rule.id());
    }
    Ok(json!({"return": true, "revokedSecurityGroupRuleSet": shown, "unknownIpPermissionSet": []}))
}
