//! Subnets: inside their VPC's range, in a zone, never overlapping; gone only when no interface is left in them.

use super::{
    Ec2, Stored, fail,
    filter::{self, Filter, Known, Page},
    interface::Interface,
    kinds::thing,
    nat::NatGateway,
    net, quota, route,
    tags::{self, TagSpecification},
    vpc::{Flag, Vpc},
    wire::Request,
    zones,
};
use crate::sandbox::{
    aws::ApiError,
    world::{Due, Origin},
};
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A subnet.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Subnet {
    pub(crate) vpc: String,
    pub(crate) cidr: Ipv4Net,
    pub(crate) zone: String,
    pub(crate) zone_id: String,
    pub(crate) public_ip_on_launch: bool,
    pub(crate) default_for_zone: bool,
}

thing!(
    Subnet,
    "subnet",
    "subnet",
    "InvalidSubnetID.NotFound",
    "InvalidSubnetID.Malformed",
    "The subnet ID '{}' does not exist"
);

const FILTERS: Known = &[
    ("availability-zone", "availabilityZone"),
    ("availabilityZone", "availabilityZone"),
    ("availability-zone-id", "availabilityZoneId"),
    ("available-ip-address-count", "availableIpAddressCount"),
    ("cidr-block", "cidrBlock"),
    ("cidr", "cidrBlock"),
    ("default-for-az", "defaultForAz"),
    ("ipv6-cidr-block-association.ipv6-cidr-block", "ipv6CidrBlockAssociationSet.ipv6CidrBlock"),
    ("ipv6-cidr-block-association.association-id", "ipv6CidrBlockAssociationSet.associationId"),
    ("ipv6-cidr-block-association.state", "ipv6CidrBlockAssociationSet.ipv6CidrBlockState.state"),
    ("ipv6-native", "ipv6Native"),
    ("map-public-ip-on-launch", "mapPublicIpOnLaunch"),
    ("outpost-arn", "outpostArn"),
    ("owner-id", "ownerId"),
    ("state", "state"),
    ("subnet-arn", "subnetArn"),
    ("subnet-id", "subnetId"),
    ("vpc-id", "vpcId"),
];

fn view(cx: &Ec2<'_, '_>, subnet: &Stored<Subnet>) -> Value {
    let (object, doc) = (&subnet.object, &subnet.doc);
    json!({
        "subnetId": object.id, "vpcId": doc.vpc, "state": object.state, "cidrBlock": doc.cidr,
        "availableIpAddressCount": net::free_count(cx, &object.id, &doc.cidr),
        "availabilityZone": doc.zone, "availabilityZoneId": doc.zone_id, "defaultForAz": doc.default_for_zone,
        "mapPublicIpOnLaunch": doc.public_ip_on_launch, "mapCustomerOwnedIpOnLaunch": false,
        "assignIpv6AddressOnCreation": false, "enableDns64": false, "ipv6Native": false,
        "ipv6CidrBlockAssociationSet": [], "ownerId": object.account, "tagSet": subnet.tag_set(),
        "subnetArn": format!("arn:aws:ec2:{}:{}:subnet/{}", object.region, object.account, object.id),
        "privateDnsNameOptionsOnLaunch": {
            "hostnameType": "ip-name", "enableResourceNameDnsARecord": false, "enableResourceNameDnsAAAARecord": false,
        },
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct CreateSubnet {
    vpc_id: String,
    cidr_block: Option<String>,
    availability_zone: Option<String>,
    availability_zone_id: Option<String>,
    #[serde(default)]
    tag_specification: Vec<TagSpecification>,
}

pub(super) fn create(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let wanted: CreateSubnet = request.read()?;
    let tags = tags::for_type(wanted.tag_specification, "subnet")?;
    let Some(cidr) = wanted.cidr_block else {
        return Err(fail("MissingParameter", "Either 'cidrBlock' or 'ipv6CidrBlock' should be provided."));
    };
    let cidr = net::range(&cidr, "cidrBlock")?;
    let zone = zones::named(&cx.scope, wanted.availability_zone.as_deref(), wanted.availability_zone_id.as_deref())?;
    let vpc = cx.find::<Vpc>(&wanted.vpc_id)?;
    if !(16..=28).contains(&cidr.prefix_len()) || !vpc.doc.cidr.contains(&cidr) {
        return Err(fail("InvalidSubnet.Range", format!("The CIDR '{cidr}' is invalid.")));
    }
    let siblings: Vec<_> = cx.all::<Subnet>().into_iter().filter(|other| other.doc.vpc == vpc.id()).collect();
    if siblings.iter().any(|other| net::overlap(&other.doc.cidr, &cidr)) {
        return Err(fail("InvalidSubnet.Conflict", format!("The CIDR '{cidr}' conflicts with another subnet")));
    }
    if siblings.len() >= cx.quota(quota::SUBNETS_PER_VPC) {
        return Err(fail("SubnetLimitExceeded", "The maximum number of subnets has been reached."));
    }
    let zone = match zone {
        Some(zone) => zone,
        None => {
            let all = zones::zones(&cx.scope);
            let pick = cx.tx.below(all.len() as u64) as usize;
            all.into_iter().nth(pick).ok_or_else(|| fail("InternalError", "An internal error has occurred"))?
        }
    };
    let doc = Subnet {
        vpc: vpc.id().to_owned(),
        cidr,
        zone: zone.name,
        zone_id: zone.id,
        public_ip_on_launch: false,
        default_for_zone: false,
    };
    let mut subnet = cx.draft(doc, "pending", tags);
    subnet.object.parent = Some(vpc.id().to_owned());
    let ready = cx.seconds(1, 2);
    subnet.object.due = Some(Due { at: cx.tx.now() + ready, what: "available".to_owned() });
    let reply = json!({"subnet": view(cx, &subnet)});
    cx.save(subnet);
    Ok(reply)
}

/// One public /20 per zone, as in every default VPC.
pub(super) fn make_defaults(cx: &mut Ec2<'_, '_>, vpc: &str, cidr: Ipv4Net) {
    let ranges = cidr.subnets(20).expect("a /16 holds /20s");
    for (zone, range) in zones::zones(&cx.scope).into_iter().zip(ranges) {
        let doc = Subnet {
            vpc: vpc.to_owned(),
            cidr: range,
            zone: zone.name,
            zone_id: zone.id,
            public_ip_on_launch: true,
            default_for_zone: true,
        };
        let mut subnet = cx.draft_by(Origin::Builtin, doc, "available");
        subnet.object.parent = Some(vpc.to_owned());
        cx.save(subnet);
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct DescribeSubnets {
    #[serde(default)]
    subnet_id: Vec<String>,
    #[serde(default)]
    filter: Vec<Filter>,
    next_token: Option<String>,
    max_results: Option<usize>,
}

pub(super) fn describe(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let wanted: DescribeSubnets = request.read()?;
    let rows = cx.listed::<Subnet>(&wanted.subnet_id)?.iter().map(|subnet| view(cx, subnet)).collect();
    let rows = filter::keep(rows, &wanted.filter, FILTERS)?;
    filter::page("subnetSet", rows, &Page { token: wanted.next_token, size: wanted.max_results }, 1000)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct DeleteSubnet {
    subnet_id: String,
}

pub(super) fn delete(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let DeleteSubnet { subnet_id } = request.read()?;
    let subnet = cx.find::<Subnet>(&subnet_id)?;
    let id = subnet.id();
    let blocked = cx.all::<Interface>().iter().any(|eni| eni.doc.subnet == id)
        || cx.all::<NatGateway>().iter().any(|nat| nat.doc.subnet == id && nat.object.state != "failed");
    if blocked {
        let message = format!("The subnet '{id}' has dependencies and cannot be deleted.");
        return Err(fail("DependencyViolation", message));
    }
    route::forget_subnet(cx, id);
    cx.drop_object::<Subnet>(id);
    Ok(json!({"return": true}))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct ModifySubnetAttribute {
    subnet_id: String,
    map_public_ip_on_launch: Option<Flag>,
}

pub(super) fn modify_attribute(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let wanted: ModifySubnetAttribute = request.read()?;
    let mut subnet = cx.find::<Subnet>(&wanted.subnet_id)?;
    let Some(flag) = wanted.map_public_ip_on_launch else {
        return Err(fail("MissingParameter", "The request must contain exactly one attribute to modify"));
    };
    subnet.doc.public_ip_on_launch = flag.on();
    cx.save(subnet);
    Ok(json!({"return": true}))
}
