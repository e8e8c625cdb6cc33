//! VPCs and their attributes. A VPC comes with a main route table and a default security group, and goes only when
//! nothing else is left inside it.

use super::{
    Ec2, Stored, endpoint, fail,
    filter::{self, Filter, Known, Page},
    gateway, group, interface,
    kinds::thing,
    links, net, quota, route, subnet,
    tags::{self, TagSpecification},
    wire::Request,
};
use crate::sandbox::{
    aws::ApiError,
    world::{Due, Origin},
};
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A virtual private cloud.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Vpc {
    pub(crate) cidr: Ipv4Net,
    pub(crate) cidr_association: String,
    pub(crate) is_default: bool,
    pub(crate) tenancy: String,
    pub(crate) dns_support: bool,
    pub(crate) dns_hostnames: bool,
    pub(crate) usage_metrics: bool,
    pub(crate) dhcp_options: String,
    pub(crate) network_acl: String,
}

thing!(Vpc, "vpc", "vpc", "InvalidVpcID.NotFound", "InvalidVpcId.Malformed", "The vpc ID '{}' does not exist");

const FILTERS: Known = &[
    ("cidr", "cidrBlock"),
    ("cidr-block-association.cidr-block", "cidrBlockAssociationSet.cidrBlock"),
    ("cidr-block-association.association-id", "cidrBlockAssociationSet.associationId"),
    ("cidr-block-association.state", "cidrBlockAssociationSet.cidrBlockState.state"),
    ("dhcp-options-id", "dhcpOptionsId"),
    ("ipv6-cidr-block-association.ipv6-cidr-block", "ipv6CidrBlockAssociationSet.ipv6CidrBlock"),
    ("ipv6-cidr-block-association.ipv6-pool", "ipv6CidrBlockAssociationSet.ipv6Pool"),
    ("ipv6-cidr-block-association.association-id", "ipv6CidrBlockAssociationSet.associationId"),
    ("ipv6-cidr-block-association.state", "ipv6CidrBlockAssociationSet.ipv6CidrBlockState.state"),
    ("is-default", "isDefault"),
    ("isDefault", "isDefault"),
    ("owner-id", "ownerId"),
    ("state", "state"),
    ("vpc-id", "vpcId"),
];

fn view(vpc: &Stored<Vpc>) -> Value {
    json!({
        "vpcId": vpc.id(), "ownerId": vpc.object.account, "state": vpc.object.state, "cidrBlock": vpc.doc.cidr,
        "cidrBlockAssociationSet": [{
            "associationId": vpc.doc.cidr_association, "cidrBlock": vpc.doc.cidr,
            "cidrBlockState": {"state": "associated"},
        }],
        "dhcpOptionsId": vpc.doc.dhcp_options, "instanceTenancy": vpc.doc.tenancy,
        "isDefault": vpc.doc.is_default, "tagSet": vpc.tag_set(),
        "blockPublicAccessStates": {"internetGatewayBlockMode": "off"},
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct CreateVpc {
    cidr_block: Option<String>,
    instance_tenancy: Option<String>,
    #[serde(default)]
    amazon_provided_ipv6_cidr_block: bool,
    #[serde(default)]
    tag_specification: Vec<TagSpecification>,
}

pub(super) fn create(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let wanted: CreateVpc = request.read()?;
    let tags = tags::for_type(wanted.tag_specification, "vpc")?;
    let Some(cidr) = wanted.cidr_block else {
        return Err(fail("MissingParameter", "Either 'cidrBlock' or 'ipv4IpamPoolId' must be provided."));
    };
    if wanted.amazon_provided_ipv6_cidr_block {
        return Err(fail("UnsupportedOperation", "The sandbox does not rehearse IPv6 networks."));
    }
    let cidr = net::range(&cidr, "cidrBlock")?;
    let first = cidr.network().octets()[0];
    if !(16..=28).contains(&cidr.prefix_len()) || matches!(first, 0 | 127 | 224..) || cidr.network().is_link_local() {
        return Err(fail("InvalidVpc.Range", format!("The CIDR '{cidr}' is invalid.")));
    }
    if cx.all::<Vpc>().len() >= cx.quota(quota::VPCS) {
        return Err(fail("VpcLimitExceeded", "The maximum number of VPCs has been reached."));
    }
    let tenancy = wanted.instance_tenancy.unwrap_or_else(|| "default".to_owned());
    let doc = document(cx, cidr, false, tenancy);
    let mut vpc = cx.draft(doc, "pending", tags);
    let ready = cx.seconds(1, 3);
    vpc.object.due = Some(Due { at: cx.tx.now() + ready, what: "available".to_owned() });
    let reply = json!({"vpc": view(&vpc)});
    let id = vpc.id().to_owned();
    cx.save(vpc);
    furnish(cx, &id);
    Ok(reply)
}

fn document(cx: &mut Ec2<'_, '_>, cidr: Ipv4Net, is_default: bool, tenancy: String) -> Vpc {
    Vpc {
        cidr,
        cidr_association: cx.tx.id("vpc-cidr-assoc"),
        is_default,
        tenancy,
        dns_support: true,
        dns_hostnames: is_default,
        usage_metrics: false,
        dhcp_options: format!("dopt-0{:016x}", 0x00d0_0d00_u64 ^ cx.scope.region.bytes().map(u64::from).sum::<u64>()),
        network_acl: cx.tx.id("acl"),
    }
}

/// What every VPC is born with.
fn furnish(cx: &mut Ec2<'_, '_>, vpc: &str) {
    route::make_main(cx, vpc);
    group::make_default(cx, vpc);
}

/// A VPC that nobody's call made; returns its id. The built-in one is the default VPC.
pub(super) fn make(cx: &mut Ec2<'_, '_>, cidr: Ipv4Net, origin: Origin) -> String {
    let doc = document(cx, cidr, origin == Origin::Builtin, "default".to_owned());
    let vpc = cx.draft_by(origin, doc, "available");
    let id = vpc.id().to_owned();
    cx.save(vpc);
    furnish(cx, &id);
    id
}

/// The default VPC every region of an account starts with: 172.31.0.0/16, a public subnet in each zone.
pub(super) fn make_default(cx: &mut Ec2<'_, '_>) {
    let cidr = Ipv4Net::new([172, 31, 0, 0].into(), 16).expect("a constant");
    let id = make(cx, cidr, Origin::Builtin);
    subnet::make_defaults(cx, &id, cidr);
    let gateway = gateway::make_default(cx, &id);
    route::add_default_route(cx, &id, gateway);
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct DescribeVpcs {
    #[serde(default)]
    vpc_id: Vec<String>,
    #[serde(default)]
    filter: Vec<Filter>,
    next_token: Option<String>,
    max_results: Option<usize>,
}

pub(super) fn describe(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let wanted: DescribeVpcs = request.read()?;
    let rows = cx.listed::<Vpc>(&wanted.vpc_id)?.iter().map(view).collect();
    let rows = filter::keep(rows, &wanted.filter, FILTERS)?;
    filter::page("vpcSet", rows, &Page { token: wanted.next_token, size: wanted.max_results }, 1000)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct VpcOnly {
    vpc_id: String,
}

pub(super) fn delete(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let VpcOnly { vpc_id } = request.read()?;
    let vpc = cx.find::<Vpc>(&vpc_id)?;
    let id = vpc.id();
    let blocked = cx.all::<subnet::Subnet>().iter().any(|it| it.doc.vpc == id)
        || cx.all::<gateway::Gateway>().iter().any(|it| it.doc.vpc.as_deref() == Some(id))
        || cx.all::<group::Group>().iter().any(|it| it.doc.vpc == id && !it.doc.is_default)
        || cx.all::<route::RouteTable>().iter().any(|it| it.doc.vpc == id && it.doc.main.is_none())
        || cx.all::<endpoint::Endpoint>().iter().any(|it| it.doc.vpc == id)
        || links::hold(cx, id)
        || cx.all::<interface::Interface>().iter().any(|it| it.doc.vpc == id);
    if blocked {
        let message = format!("The vpc '{id}' has dependencies and cannot be deleted.");
        return Err(fail("DependencyViolation", message));
    }
    for table in cx.all::<route::RouteTable>().iter().filter(|table| table.doc.vpc == id) {
        cx.drop_object::<route::RouteTable>(table.id());
    }
    for group in cx.all::<group::Group>().iter().filter(|group| group.doc.vpc == id) {
        group::remove(cx, group.id());
    }
    cx.drop_object::<Vpc>(id);
    Ok(json!({"return": true}))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Flag {
    value: bool,
}

impl Flag {
    /// Whether it is to be on.
    pub(super) fn on(&self) -> bool {
        self.value
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct ModifyVpcAttribute {
    vpc_id: String,
    enable_dns_hostnames: Option<Flag>,
    enable_dns_support: Option<Flag>,
    enable_network_address_usage_metrics: Option<Flag>,
}

pub(super) fn modify_attribute(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let wanted: ModifyVpcAttribute = request.read()?;
    let mut vpc = cx.find::<Vpc>(&wanted.vpc_id)?;
    let (hostnames, support, metrics) =
        (wanted.enable_dns_hostnames, wanted.enable_dns_support, wanted.enable_network_address_usage_metrics);
    match [hostnames.is_some(), support.is_some(), metrics.is_some()].iter().filter(|sent| **sent).count() {
        0 => return Err(fail("MissingParameter", "The request must contain exactly one attribute to modify")),
        1 => {}
        _ => {
            let message = "Fields for multiple attribute types specified: only one attribute can be modified at a time";
            return Err(fail("InvalidParameterCombination", message));
        }
    }
    vpc.doc.dns_hostnames = hostnames.map_or(vpc.doc.dns_hostnames, |flag| flag.value);
    vpc.doc.dns_support = support.map_or(vpc.doc.dns_support, |flag| flag.value);
    vpc.doc.usage_metrics = metrics.map_or(vpc.doc.usage_metrics, |flag| flag.value);
    cx.save(vpc);
    Ok(json!({"return": true}))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct DescribeVpcAttribute {
    vpc_id: String,
    attribute: String,
}

pub(super) fn describe_attribute(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let wanted: DescribeVpcAttribute = request.read()?;
    let vpc = cx.find::<Vpc>(&wanted.vpc_id)?;
    let value = match wanted.attribute.as_str() {
        "enableDnsSupport" => vpc.doc.dns_support,
        "enableDnsHostnames" => vpc.doc.dns_hostnames,
        _ => vpc.doc.usage_metrics,
    };
    let attribute = wanted.attribute;
    Ok(json!({"vpcId": vpc.id(), attribute: {"value": value}}))
}

/// Network ACLs are not rehearsed beyond the default one of every VPC, which lets everything through.
pub(super) fn describe_network_acls(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase", deny_unknown_fields)]
    struct DescribeNetworkAcls {
        #[serde(default)]
        network_acl_id: Vec<String>,
        #[serde(default)]
        filter: Vec<Filter>,
        next_token: Option<String>,
        max_results: Option<usize>,
    }
    let wanted: DescribeNetworkAcls = request.read()?;
    let subnets = cx.all::<subnet::Subnet>();
    let entry = |number: u32, action: &str, egress: bool| json!({"cidrBlock": "0.0.0.0/0", "egress": egress, "protocol": "-1", "ruleAction": action, "ruleNumber": number});
    let mut rows: Vec<Value> = cx
        .listed::<Vpc>(&[])?
        .iter()
        .map(|vpc| {
            let acl = &vpc.doc.network_acl;
            let bound = subnets.iter().filter(|subnet| subnet.doc.vpc == vpc.id());
            json!({
                "networkAclId": acl, "vpcId": vpc.id(), "ownerId": vpc.object.account, "default": true,
                "associationSet": bound.map(|subnet| json!({
                    "networkAclAssociationId": subnet.id().replace("subnet-", "aclassoc-"),
                    "networkAclId": acl, "subnetId": subnet.id(),
                })).collect::<Vec<_>>(),
                "entrySet": [entry(100, "allow", true), entry(32767, "deny", true), entry(100, "allow", false), entry(32767, "deny", false)],
            })
        })
        .collect();
    if !wanted.network_acl_id.is_empty() {
        if let Some(absent) =
            wanted.network_acl_id.iter().find(|id| rows.iter().all(|row| row["networkAclId"] != ***id))
        {
            let message = format!("The networkAcl ID '{absent}' does not exist");
            return Err(fail("InvalidNetworkAclID.NotFound", message));
        }
        rows.retain(|row| wanted.network_acl_id.iter().any(|id| row["networkAclId"] == **id));
    }
    let known: Known = &[
        ("association.association-id", "associationSet.networkAclAssociationId"),
        ("association.network-acl-id", "associationSet.networkAclId"),
        ("association.subnet-id", "associationSet.subnetId"),
        ("default", "default"),
        ("network-acl-id", "networkAclId"),
        ("owner-id", "ownerId"),
        ("vpc-id", "vpcId"),
    ];
    let rows = filter::keep(rows, &wanted.filter, known)?;
    filter::page("networkAclSet", rows, &Page { token: wanted.next_token, size: wanted.max_results }, 1000)
}
