//! What joins a VPC to other networks: peering connections, transit gateway attachments, VPN gateways, egress-only
//! gateways. Nothing is routed over them here; they are what people put into a network, and what keeps it from going.

use super::{
    Ec2, Stored, Thing, fail,
    filter::{self, Filter, Known, Page},
    interface::{self, Attachment, Interface, Wanted},
    kinds::thing,
    subnet::Subnet,
    tags::{self, TagSpecification},
    time,
    vpc::Vpc,
    wire::Request,
};
use crate::sandbox::{aws::ApiError, world::Due};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};

/// How long a deleted one is still listed.
const SHOWN_DELETED: Duration = Duration::from_secs(3_600);

/// A peering connection of two VPCs of this account and region.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Peering {
    pub(crate) requester: String,
    pub(crate) accepter: String,
}

/// A transit gateway.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Transit {
    pub(crate) description: String,
}

/// A transit gateway's foot in a VPC.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TransitAttachment {
    pub(crate) gateway: String,
    pub(crate) vpc: String,
    pub(crate) subnets: Vec<String>,
    pub(crate) interfaces: Vec<String>,
}

/// A virtual private gateway.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct VpnGateway {
    pub(crate) vpc: Option<String>,
}

/// An egress-only internet gateway.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct EgressGateway {
    pub(crate) vpc: String,
}

thing!(
    Peering,
    "vpc-peering-connection",
    "pcx",
    "InvalidVpcPeeringConnectionID.NotFound",
    "InvalidVpcPeeringConnectionId.Malformed",
    "The vpcPeeringConnection ID '{}' does not exist"
);
thing!(
    Transit,
    "transit-gateway",
    "tgw",
    "InvalidTransitGatewayID.NotFound",
    "InvalidTransitGatewayID.Malformed",
    "Transit Gateway {} was deleted or does not exist."
);
thing!(
    TransitAttachment,
    "transit-gateway-attachment",
    "tgw-attach",
    "InvalidTransitGatewayAttachmentID.NotFound",
    "InvalidTransitGatewayAttachmentID.Malformed",
    "Transit Gateway Attachment {} was deleted or does not exist."
);
thing!(
    VpnGateway,
    "vpn-gateway",
    "vgw",
    "InvalidVpnGatewayID.NotFound",
    "InvalidVpnGatewayID.Malformed",
    "The vpnGateway ID '{}' does not exist"
);
thing!(
    EgressGateway,
    "egress-only-internet-gateway",
    "eigw",
    "InvalidGatewayID.NotFound",
    "InvalidEgressOnlyInternetGatewayId.Malformed",
    "The egressOnlyInternetGateway ID '{}' does not exist"
);

const PEERING_FILTERS: Known = &[
    ("accepter-vpc-info.cidr-block", "accepterVpcInfo.cidrBlock"),
    ("accepter-vpc-info.owner-id", "accepterVpcInfo.ownerId"),
    ("accepter-vpc-info.vpc-id", "accepterVpcInfo.vpcId"),
    ("expiration-time", "expirationTime"),
    ("requester-vpc-info.cidr-block", "requesterVpcInfo.cidrBlock"),
    ("requester-vpc-info.owner-id", "requesterVpcInfo.ownerId"),
    ("requester-vpc-info.vpc-id", "requesterVpcInfo.vpcId"),
    ("status-code", "status.code"),
    ("status-message", "status.message"),
    ("vpc-peering-connection-id", "vpcPeeringConnectionId"),
];
const TRANSIT_FILTERS: Known =
    &[("owner-id", "ownerId"), ("state", "state"), ("transit-gateway-id", "transitGatewayId")];
const ATTACHMENT_FILTERS: Known = &[
    ("state", "state"),
    ("transit-gateway-attachment-id", "transitGatewayAttachmentId"),
    ("transit-gateway-id", "transitGatewayId"),
    ("vpc-id", "vpcId"),
];
const VPN_FILTERS: Known = &[
    ("amazon-side-asn", "amazonSideAsn"),
    ("attachment.state", "attachments.state"),
    ("attachment.vpc-id", "attachments.vpcId"),
    ("availability-zone", "availabilityZone"),
    ("state", "state"),
    ("type", "type"),
    ("vpn-gateway-id", "vpnGatewayId"),
];

/// Whether one of them keeps this VPC from going.
pub(super) fn hold(cx: &Ec2<'_, '_>, vpc: &str) -> bool {
    cx.all::<Peering>().iter().any(|it| it.doc.requester == vpc || it.doc.accepter == vpc)
        || cx.all::<TransitAttachment>().iter().any(|it| it.doc.vpc == vpc)
        || cx.all::<VpnGateway>().iter().any(|it| it.doc.vpc.as_deref() == Some(vpc))
        || cx.all::<EgressGateway>().iter().any(|it| it.doc.vpc == vpc)
}

/// Every Describe call of this file: ids under one name or another, filters, pages.
fn rows<T: Thing>(
    cx: &Ec2<'_, '_>,
    request: Request,
    ids: &str,
    set: &str,
    known: Known,
    view: impl Fn(&Ec2<'_, '_>, &Stored<T>) -> Value,
) -> Result<Value, ApiError> {
    let mut fields: serde_json::Map<String, Value> = request.read()?;
    let mut take = |name: &str| fields.remove(name);
    let named: Vec<String> = take(ids).and_then(|ids| serde_json::from_value(ids).ok()).unwrap_or_default();
    let filters: Vec<Filter> =
        take("Filter").and_then(|filters| serde_json::from_value(filters).ok()).unwrap_or_default();
    let token = take("NextToken").and_then(|token| token.as_str().map(str::to_owned));
    let size = take("MaxResults").and_then(|size| size.as_u64()).and_then(|size| usize::try_from(size).ok());
    let found = cx.listed::<T>(&named)?.iter().map(|one| view(cx, one)).collect();
    filter::page(set, filter::keep(found, &filters, known)?, &Page { token, size }, 1000)
}

/// Deleted, and shown as that for a while.
fn bury<T: Thing>(cx: &mut Ec2<'_, '_>, id: &str) {
    let scope = cx.scope.clone();
    cx.tx.bury(&scope, T::KIND, id, "deleted", SHOWN_DELETED);
}

// ---- peering connections

fn peering_view(cx: &Ec2<'_, '_>, it: &Stored<Peering>) -> Value {
    let side = |vpc: &str| {
        let cidr = cx.peek::<Vpc>(vpc).map(|vpc| vpc.doc.cidr);
        json!({"vpcId": vpc, "ownerId": it.object.account, "region": it.object.region, "cidrBlock": cidr})
    };
    let words = match it.object.state.as_str() {
        "active" => "Active",
        "deleted" => "Deleted",
        _ => "Pending Acceptance by the owner of the accepter VPC",
    };
    json!({
        "vpcPeeringConnectionId": it.id(), "requesterVpcInfo": side(&it.doc.requester),
        "accepterVpcInfo": side(&it.doc.accepter), "status": {"code": it.object.state, "message": words},
        "tagSet": it.tag_set(),
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct CreatePeering {
    vpc_id: String,
    peer_vpc_id: Option<String>,
    peer_owner_id: Option<String>,
    peer_region: Option<String>,
    #[serde(default)]
    tag_specification: Vec<TagSpecification>,
}

pub(super) fn create_peering(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let wanted: CreatePeering = request.read()?;
    let tags = tags::for_type(wanted.tag_specification, "vpc-peering-connection")?;
    let elsewhere = wanted.peer_owner_id.is_some_and(|owner| owner != cx.scope.account)
        || wanted.peer_region.is_some_and(|region| region != cx.scope.region);
    if elsewhere {
        let message = "The sandbox does not rehearse peering with other accounts or regions.";
        return Err(fail("UnsupportedOperation", message));
    }
    let Some(peer) = wanted.peer_vpc_id else {
        return Err(fail("MissingParameter", "The request must contain the parameter peerVpcId"));
    };
    let (ours, theirs) = (cx.find::<Vpc>(&wanted.vpc_id)?, cx.find::<Vpc>(&peer)?);
    let pair = |it: &Stored<Peering>| [&it.doc.requester, &it.doc.accepter].contains(&&wanted.vpc_id);
    let overlaps = ours.doc.cidr.contains(&theirs.doc.cidr) || theirs.doc.cidr.contains(&ours.doc.cidr);
    if ours.id() == theirs.id() || overlaps {
        let message = "The VPCs have overlapping CIDR ranges.";
        return Err(fail("InvalidParameterValue", message));
    }
    if cx.all::<Peering>().iter().any(|it| pair(it) && [&it.doc.requester, &it.doc.accepter].contains(&&peer)) {
        return Err(fail("VpcPeeringConnectionAlreadyExists", "There is a peering connection of these VPCs already."));
    }
    let peering = cx.draft(Peering { requester: wanted.vpc_id, accepter: peer }, "pending-acceptance", tags);
    let reply = json!({"vpcPeeringConnection": peering_view(cx, &peering)});
    cx.save(peering);
    Ok(reply)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct PeeringOnly {
    vpc_peering_connection_id: String,
}

pub(super) fn accept_peering(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let PeeringOnly { vpc_peering_connection_id } = request.read()?;
    let mut peering = cx.find::<Peering>(&vpc_peering_connection_id)?;
    "active".clone_into(&mut peering.object.state);
    let reply = json!({"vpcPeeringConnection": peering_view(cx, &peering)});
    cx.save(peering);
    Ok(reply)
}

pub(super) fn delete_peering(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let PeeringOnly { vpc_peering_connection_id } = request.read()?;
    cx.find::<Peering>(&vpc_peering_connection_id)?;
    bury::<Peering>(cx, &vpc_peering_connection_id);
    Ok(json!({"return": true}))
}

pub(super) fn describe_peerings(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let (ids, set) = ("VpcPeeringConnectionId", "vpcPeeringConnectionSet");
    rows(cx, request, ids, set, PEERING_FILTERS, peering_view)
}

// ---- transit gateways

fn transit_view(_: &Ec2<'_, '_>, it: &Stored<Transit>) -> Value {
    json!({
        "transitGatewayId": it.id(), "ownerId": it.object.account, "state": it.object.state,
        "description": it.doc.description, "creationTime": time(it.object.created_at), "tagSet": it.tag_set(),
    })
}

fn attachment_view(_: &Ec2<'_, '_>, it: &Stored<TransitAttachment>) -> Value {
    json!({
        "transitGatewayAttachmentId": it.id(), "transitGatewayId": it.doc.gateway, "vpcId": it.doc.vpc,
        "vpcOwnerId": it.object.account, "state": it.object.state, "subnetIds": it.doc.subnets,
        "creationTime": time(it.object.created_at), "tagSet": it.tag_set(),
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct CreateTransit {
    #[serde(default)]
    description: String,
    #[serde(default)]
    #[expect(dead_code, reason = "nothing is routed here")]
    options: Value,
    #[serde(default)]
    tag_specification: Vec<TagSpecification>,
}

pub(super) fn create_transit(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let wanted: CreateTransit = request.read()?;
    let tags = tags::for_type(wanted.tag_specification, "transit-gateway")?;
    let mut transit = cx.draft(Transit { description: wanted.description }, "pending", tags);
    let ready = cx.seconds(30, 90);
    transit.object.due = Some(Due { at: cx.tx.now() + ready, what: "available".to_owned() });
    let reply = json!({"transitGateway": transit_view(cx, &transit)});
    cx.save(transit);
    Ok(reply)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct TransitOnly {
    transit_gateway_id: String,
}

pub(super) fn delete_transit(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let TransitOnly { transit_gateway_id } = request.read()?;
    let transit = cx.find::<Transit>(&transit_gateway_id)?;
    if let Some(held) = cx.all::<TransitAttachment>().iter().find(|it| it.doc.gateway == transit.id()) {
        let message = format!("{} has non-deleted VPC attachments: {}.", transit.id(), held.id());
        return Err(fail("IncorrectState", message));
    }
    bury::<Transit>(cx, transit.id());
    Ok(json!({"transitGateway": {"transitGatewayId": transit.id(), "state": "deleting"}}))
}

pub(super) fn describe_transits(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    rows(cx, request, "TransitGatewayIds", "transitGatewaySet", TRANSIT_FILTERS, transit_view)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct CreateAttachment {
    transit_gateway_id: String,
    vpc_id: String,
    subnet_ids: Vec<String>,
    #[serde(default)]
    #[expect(dead_code, reason = "nothing is routed here")]
    options: Value,
    #[serde(default)]
    tag_specifications: Vec<TagSpecification>,
}

pub(super) fn attach_transit(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let wanted: CreateAttachment = request.read()?;
    let tags = tags::for_type(wanted.tag_specifications, "transit-gateway-attachment")?;
    let transit = cx.find::<Transit>(&wanted.transit_gateway_id)?;
    let vpc = cx.find::<Vpc>(&wanted.vpc_id)?;
    if transit.object.state != "available" {
        return Err(fail("IncorrectState", format!("{} is in invalid state", transit.id())));
    }
    if cx.all::<TransitAttachment>().iter().any(|it| it.doc.gateway == transit.id() && it.doc.vpc == vpc.id()) {
        let message = format!("{} has non-deleted Transit Gateway Attachments with same VPC ID.", transit.id());
        return Err(fail("DuplicateTransitGatewayAttachment", message));
    }
    let mut subnets: Vec<Stored<Subnet>> = Vec::new();
    for id in &wanted.subnet_ids {
        let subnet = cx.find::<Subnet>(id)?;
        if subnet.doc.vpc != vpc.id() || subnets.iter().any(|other| other.doc.zone == subnet.doc.zone) {
            let message = format!("Subnet {id} is of another VPC or shares its zone with another one");
            return Err(fail("InvalidParameterValue", message));
        }
        subnets.push(subnet);
    }
    if subnets.is_empty() {
        return Err(fail("MissingParameter", "The request must contain the parameter SubnetIds"));
    }
    let doc = TransitAttachment {
        gateway: wanted.transit_gateway_id,
        vpc: wanted.vpc_id,
        subnets: wanted.subnet_ids,
        interfaces: Vec::new(),
    };
    let mut attachment = cx.draft(doc, "pending", tags);
    attachment.object.parent = Some(vpc.id().to_owned());
    for subnet in &subnets {
        let held = Attachment::by_service(cx, "amazon-aws");
        let description = format!("Network Interface for Transit Gateway Attachment {}", attachment.id());
        let eni = interface::make(
            cx,
            Wanted {
                subnet,
                groups: Vec::new(),
                description,
                interface_type: "transit_gateway",
                requester: Some("amazon-aws"),
                tags: BTreeMap::new(),
                attachment: Some(held),
            },
        )?;
        attachment.doc.interfaces.push(eni.object.id);
    }
    let ready = cx.seconds(30, 60);
    attachment.object.due = Some(Due { at: cx.tx.now() + ready, what: "available".to_owned() });
    let reply = json!({"transitGatewayVpcAttachment": attachment_view(cx, &attachment)});
    cx.save(attachment);
    Ok(reply)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct AttachmentOnly {
    transit_gateway_attachment_id: String,
}

pub(super) fn detach_transit(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let AttachmentOnly { transit_gateway_attachment_id } = request.read()?;
    let attachment = cx.find::<TransitAttachment>(&transit_gateway_attachment_id)?;
    for eni in &attachment.doc.interfaces {
        cx.drop_object::<Interface>(eni);
    }
    let mut reply = attachment_view(cx, &attachment);
    reply["state"] = "deleting".into();
    bury::<TransitAttachment>(cx, attachment.id());
    Ok(json!({"transitGatewayVpcAttachment": reply}))
}

pub(super) fn describe_attachments(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let (ids, set) = ("TransitGatewayAttachmentIds", "transitGatewayVpcAttachments");
    rows(cx, request, ids, set, ATTACHMENT_FILTERS, attachment_view)
}

// ---- VPN gateways

fn vpn_view(_: &Ec2<'_, '_>, it: &Stored<VpnGateway>) -> Value {
    let attached = it.doc.vpc.iter().map(|vpc| json!({"vpcId": vpc, "state": "attached"}));
    json!({
        "vpnGatewayId": it.id(), "state": it.object.state, "type": "ipsec.1", "amazonSideAsn": 64_512,
        "attachments": attached.collect::<Vec<_>>(), "tagSet": it.tag_set(),
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct CreateVpn {
    #[expect(dead_code, reason = "the model knows one type")]
    r#type: String,
    #[serde(default)]
    tag_specification: Vec<TagSpecification>,
}

pub(super) fn create_vpn(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let wanted: CreateVpn = request.read()?;
    let tags = tags::for_type(wanted.tag_specification, "vpn-gateway")?;
    let gateway = cx.draft(VpnGateway { vpc: None }, "available", tags);
    let reply = json!({"vpnGateway": vpn_view(cx, &gateway)});
    cx.save(gateway);
    Ok(reply)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct VpnAttachment {
    vpc_id: String,
    vpn_gateway_id: String,
}

pub(super) fn attach_vpn(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let wanted: VpnAttachment = request.read()?;
    let mut gateway = cx.find::<VpnGateway>(&wanted.vpn_gateway_id)?;
    let vpc = cx.find::<Vpc>(&wanted.vpc_id)?;
    if let Some(held) = &gateway.doc.vpc {
        let message = format!("The vpnGateway '{}' is already attached to {held}", gateway.id());
        return Err(fail("VpnGatewayAttachmentLimitExceeded", message));
    }
    if cx.all::<VpnGateway>().iter().any(|other| other.doc.vpc.as_deref() == Some(vpc.id())) {
        let message = format!("Network {} already has a VPN gateway attached", vpc.id());
        return Err(fail("InvalidParameterValue", message));
    }
    gateway.doc.vpc = Some(vpc.id().to_owned());
    gateway.object.parent.clone_from(&gateway.doc.vpc);
    cx.save(gateway);
    Ok(json!({"attachment": {"vpcId": vpc.id(), "state": "attached"}}))
}

pub(super) fn detach_vpn(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let wanted: VpnAttachment = request.read()?;
    let mut gateway = cx.find::<VpnGateway>(&wanted.vpn_gateway_id)?;
    if gateway.doc.vpc.as_deref() != Some(&wanted.vpc_id) {
        let message = format!("The attachment with vpn gateway ID '{}' does not exist", gateway.id());
        return Err(fail("InvalidVpnGatewayAttachment.NotFound", message));
    }
    gateway.doc.vpc = None;
    gateway.object.parent = None;
    cx.save(gateway);
    Ok(json!({"return": true}))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct VpnOnly {
    vpn_gateway_id: String,
}

pub(super) fn delete_vpn(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let VpnOnly { vpn_gateway_id } = request.read()?;
    let gateway = cx.find::<VpnGateway>(&vpn_gateway_id)?;
    if gateway.doc.vpc.is_some() {
        return Err(fail("IncorrectState", format!("The vpnGateway '{}' is in use", gateway.id())));
    }
    bury::<VpnGateway>(cx, gateway.id());
    Ok(json!({"return": true}))
}

pub(super) fn describe_vpns(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    rows(cx, request, "VpnGatewayId", "vpnGatewaySet", VPN_FILTERS, vpn_view)
}

// ---- egress-only gateways

fn egress_view(_: &Ec2<'_, '_>, it: &Stored<EgressGateway>) -> Value {
    json!({
        "egressOnlyInternetGatewayId": it.id(), "attachmentSet": [{"vpcId": it.doc.vpc, "state": "attached"}],
        "tagSet": it.tag_set(),
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct CreateEgress {
    vpc_id: String,
    client_token: Option<String>,
    #[serde(default)]
    tag_specification: Vec<TagSpecification>,
}

pub(super) fn create_egress(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let print = request.print();
    let wanted: CreateEgress = request.read()?;
    let tags = tags::for_type(wanted.tag_specification, "egress-only-internet-gateway")?;
    if let Some(gateway) = cx.repeated::<EgressGateway>(wanted.client_token.as_deref(), &print)? {
        return Ok(json!({"egressOnlyInternetGateway": egress_view(cx, &gateway)}));
    }
    let vpc = cx.find::<Vpc>(&wanted.vpc_id)?;
    let mut gateway = cx.draft(EgressGateway { vpc: vpc.id().to_owned() }, "attached", tags);
    gateway.object.parent = Some(wanted.vpc_id);
    gateway.object.token = wanted.client_token.map(|token| format!("{token}/{print}"));
    let reply = json!({"egressOnlyInternetGateway": egress_view(cx, &gateway)});
    cx.save(gateway);
    Ok(reply)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct EgressOnly {
    egress_only_internet_gateway_id: String,
}

pub(super) fn delete_egress(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let EgressOnly { egress_only_internet_gateway_id } = request.read()?;
    cx.find::<EgressGateway>(&egress_only_internet_gateway_id)?;
    cx.drop_object::<EgressGateway>(&egress_only_internet_gateway_id);
    Ok(json!({"returnCode": true}))
}

pub(super) fn describe_egress(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    rows(cx, request, "EgressOnlyInternetGatewayId", "egressOnlyInternetGatewaySet", &[], egress_view)
}
