//! The rules of security groups: objects of their own, made and unmade by calls on their group.

use super::super::{
    Ec2, Stored, fail,
    filter::{self, Filter, Known, Page},
    kinds::thing,
    quota,
    tags::{self, TagSpecification},
    wire::Request,
};
use super::{Group, named, rules_of};
use crate::sandbox::{aws::ApiError, world::Origin};
use ipnet::{Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

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

const RULE_FILTERS: Known = &[("group-id", "groupId"), ("security-group-rule-id", "securityGroupRuleId")];

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

/// Puts a rule of a service's or the group's own making.
pub(in crate::sandbox::aws::ec2) fn put_rule(cx: &mut Ec2<'_, '_>, rule: Rule, origin: Origin) {
    let mut stored = cx.draft_by(origin, rule, "available");
    stored.object.parent = Some(stored.doc.group.clone());
    cx.save(stored);
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

pub(in crate::sandbox::aws::ec2) fn describe_rules(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
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
pub(in crate::sandbox::aws::ec2) fn authorize(
    cx: &mut Ec2<'_, '_>,
    request: Request,
    egress: bool,
) -> Result<Value, ApiError> {
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
pub(in crate::sandbox::aws::ec2) fn revoke(
    cx: &mut Ec2<'_, '_>,
    request: Request,
    egress: bool,
) -> Result<Value, ApiError> {
    let mut wanted: RulesRequest = request.read()?;
    let group = named(cx, wanted.group_id.as_deref(), wanted.group_name.as_deref())?;
    let permissions = wanted.permissions();
    let held = rules_of(cx, group.id());
    let mut going = Vec::new();
    for id in &wanted.security_group_rule_id {
        super::super::store::well_formed::<Rule>(id)?;
        match held.iter().find(|rule| rule.id() == id && rule.doc.egress == egress) {
            Some(rule) => going.push(rule),
            None => return Err(fail("InvalidSecurityGroupRuleId.NotFound", <Rule as super::super::Thing>::absent(id))),
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
