//! Elastic IP addresses. Billed from allocation to release, associated or not; not released while something uses them.

use super::{
    Ec2, Stored, Thing, fail,
    filter::{self, Filter, Known},
    instance::Instance,
    interface::{Interface, PublicAddress},
    kinds::thing,
    nat::NatGateway,
    net, quota,
    tags::{self, TagSpecification},
    usage,
    wire::Request,
};
use crate::sandbox::aws::ApiError;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::net::Ipv4Addr;

/// An Elastic IP.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Address {
    pub(crate) ip: Ipv4Addr,
    /// What it points to now.
    pub(crate) association: Option<Association>,
}

/// Where an address points.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Association {
    pub(crate) id: String,
    pub(crate) interface: String,
    pub(crate) private_ip: Ipv4Addr,
}

thing!(
    Address,
    "elastic-ip",
    "eipalloc",
    "InvalidAllocationID.NotFound",
    "InvalidAllocationID.Malformed",
    "The allocation ID '{}' does not exist"
);

const FILTERS: Known = &[
    ("allocation-id", "allocationId"),
    ("association-id", "associationId"),
    ("domain", "domain"),
    ("instance-id", "instanceId"),
    ("network-border-group", "networkBorderGroup"),
    ("network-interface-id", "networkInterfaceId"),
    ("network-interface-owner-id", "networkInterfaceOwnerId"),
    ("private-ip-address", "privateIpAddress"),
    ("public-ip", "publicIp"),
];

fn view(cx: &Ec2<'_, '_>, address: &Stored<Address>) -> Value {
    let held = address.doc.association.as_ref();
    let interface = held.and_then(|held| cx.peek::<Interface>(&held.interface));
    let attachment = interface.as_ref().and_then(|eni| eni.doc.attachment.as_ref());
    json!({
        "allocationId": address.id(), "publicIp": address.doc.ip, "domain": "vpc", "publicIpv4Pool": "amazon",
        "networkBorderGroup": address.object.region, "associationId": held.map(|held| &held.id),
        "networkInterfaceId": held.map(|held| &held.interface),
        "networkInterfaceOwnerId": held.map(|_| &address.object.account),
        "privateIpAddress": held.map(|held| held.private_ip),
        "instanceId": attachment.and_then(|attachment| attachment.instance.as_ref()), "tagSet": address.tag_set(),
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct AllocateAddress {
    domain: Option<String>,
    network_border_group: Option<String>,
    #[serde(default)]
    tag_specification: Vec<TagSpecification>,
}

pub(super) fn allocate(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let wanted: AllocateAddress = request.read()?;
    let tags = tags::for_type(wanted.tag_specification, "elastic-ip")?;
    if wanted.domain.as_deref() == Some("standard") {
        return Err(fail("InvalidParameterValue", "Value (standard) for parameter domain is invalid."));
    }
    if wanted.network_border_group.is_some_and(|group| group != cx.scope.region) {
        let message = "The network border group is not valid for this region or has not been opted in to.";
        return Err(fail("InvalidParameterValue", message));
    }
    if cx.all::<Address>().len() >= cx.quota(quota::ADDRESSES) {
        return Err(fail("AddressLimitExceeded", "The maximum number of addresses has been reached."));
    }
    let ip = net::public_address(cx);
    let mut address = cx.draft(Address { ip, association: None }, "available", tags);
    address.object.name = Some(ip.to_string());
    address.object.usage = vec![usage::component(&cx.scope, "public-ipv4")];
    let reply = json!({
        "publicIp": ip, "allocationId": address.id(), "publicIpv4Pool": "amazon", "domain": "vpc",
        "networkBorderGroup": cx.scope.region,
    });
    cx.save(address);
    Ok(reply)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct DescribeAddresses {
    #[serde(default)]
    allocation_id: Vec<String>,
    #[serde(default)]
    public_ip: Vec<String>,
    #[serde(default)]
    filter: Vec<Filter>,
}

pub(super) fn describe(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let wanted: DescribeAddresses = request.read()?;
    let mut found = cx.listed::<Address>(&wanted.allocation_id)?;
    if let Some(absent) = wanted.public_ip.iter().find(|ip| found.iter().all(|it| it.doc.ip.to_string() != **ip)) {
        return Err(fail("InvalidAddress.NotFound", format!("Address '{absent}' not found.")));
    }
    if !wanted.public_ip.is_empty() {
        found.retain(|address| wanted.public_ip.contains(&address.doc.ip.to_string()));
    }
    let rows = found.iter().map(|address| view(cx, address)).collect();
    Ok(json!({"addressesSet": filter::keep(rows, &wanted.filter, FILTERS)?}))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct ReleaseAddress {
    allocation_id: Option<String>,
    public_ip: Option<String>,
    network_border_group: Option<String>,
}

pub(super) fn release(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let wanted: ReleaseAddress = request.read()?;
    if wanted.network_border_group.is_some_and(|group| group != cx.scope.region) {
        return Err(fail("InvalidParameterValue", "The network border group does not match the address"));
    }
    let id = match (wanted.allocation_id, wanted.public_ip) {
        (Some(id), None) => id,
        (None, Some(_)) => {
            let message = "You must specify an allocation id when releasing a VPC elastic IP address";
            return Err(fail("InvalidParameterValue", message));
        }
        (Some(_), Some(_)) => {
            return Err(fail(
                "InvalidParameterCombination",
                "You may specify public IP or allocation id, but not both",
            ));
        }
        (None, None) => {
            return Err(fail("MissingParameter", "Either public IP or allocation id must be specified"));
        }
    };
    let address = cx.find::<Address>(&id)?;
    // The interface behind it is EC2's own, and so is the answer: no word of "in use".
    if reserved(cx, &id).is_some() {
        return Err(denied());
    }
    if address.doc.association.is_some() {
        return Err(fail("InvalidIPAddress.InUse", format!("Address {} is in use.", address.doc.ip)));
    }
    cx.drop_object::<Address>(&id);
    Ok(json!({"return": true}))
}

/// The NAT gateway that holds or is about to hold this address.
pub(super) fn reserved(cx: &Ec2<'_, '_>, allocation: &str) -> Option<String> {
    let now = cx.tx.now();
    // A deleted gateway still counts for a while.
    let mut gateways = cx.tx.list(&cx.scope, NatGateway::KIND).map(Stored::<NatGateway>::new);
    let holds = |nat: &Stored<NatGateway>| {
        nat.doc.allocation.as_deref() == Some(allocation) && nat.doc.holds_address(&nat.object, now)
    };
    gateways.find(holds).map(|nat| nat.id().to_owned())
}

/// Points an address at an interface; returns the association's id. The interface must be saved by the caller's side
/// of the world already.
pub(super) fn point(cx: &mut Ec2<'_, '_>, allocation: &str, interface: &str) -> Option<String> {
    let mut address = cx.peek::<Address>(allocation)?;
    let mut eni = cx.peek::<Interface>(interface)?;
    let id = cx.tx.id("eipassoc");
    let private_ip = *eni.doc.private_ips.first()?;
    address.doc.association = Some(Association { id: id.clone(), interface: interface.to_owned(), private_ip });
    eni.doc.public = Some(PublicAddress {
        ip: address.doc.ip,
        allocation: Some(allocation.to_owned()),
        association: Some(id.clone()),
    });
    cx.save(address);
    cx.save(eni);
    Some(id)
}

/// Takes an address off whatever it points to.
pub(super) fn free(cx: &mut Ec2<'_, '_>, allocation: &str) {
    let Some(mut address) = cx.peek::<Address>(allocation) else { return };
    if let Some(held) = address.doc.association.take()
        && let Some(mut eni) = cx.peek::<Interface>(&held.interface)
    {
        eni.doc.public = None;
        cx.save(eni);
    }
    cx.save(address);
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct AssociateAddress {
    allocation_id: String,
    instance_id: Option<String>,
    network_interface_id: Option<String>,
    #[serde(default)]
    allow_reassociation: bool,
}

pub(super) fn associate(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let wanted: AssociateAddress = request.read()?;
    let address = cx.find::<Address>(&wanted.allocation_id)?;
    let interface = match (wanted.network_interface_id, wanted.instance_id) {
        (Some(id), None) => cx.find::<Interface>(&id)?,
        (None, Some(id)) => {
            let instance = cx.find::<Instance>(&id)?;
            cx.find::<Interface>(&instance.doc.interface)?
        }
        _ => {
            let message = "Either instance ID or network interface id must be specified, but not both";
            return Err(fail("InvalidParameterCombination", message));
        }
    };
    if interface.doc.requester_managed {
        return Err(denied());
    }
    if let Some(held) = &address.doc.association {
        if held.interface == interface.id() {
            return Ok(json!({"return": true, "associationId": held.id}));
        }
        if !wanted.allow_reassociation {
            let message = format!("resource {} is already associated with associate-id {}", address.id(), held.id);
            return Err(fail("Resource.AlreadyAssociated", message));
        }
    }
    if reserved(cx, address.id()).is_some() {
        return Err(denied());
    }
    let attached =
        cx.all::<super::gateway::Gateway>().iter().any(|it| it.doc.vpc.as_deref() == Some(&interface.doc.vpc));
    if !attached {
        let message = format!("Network {} is not attached to any internet gateway", interface.doc.vpc);
        return Err(fail("Gateway.NotAttached", message));
    }
    free(cx, address.id());
    let id = point(cx, address.id(), interface.id());
    Ok(json!({"return": true, "associationId": id}))
}

fn denied() -> ApiError {
    fail("AuthFailure", "You do not have permission to access the specified resource.")
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct DisassociateAddress {
    association_id: String,
}

pub(super) fn disassociate(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let wanted: DisassociateAddress = request.read()?;
    let found = cx
        .all::<Address>()
        .into_iter()
        .find(|address| address.doc.association.as_ref().is_some_and(|held| held.id == wanted.association_id));
    let Some(address) = found else {
        let message = format!("The association ID '{}' does not exist", wanted.association_id);
        return Err(fail("InvalidAssociationID.NotFound", message));
    };
    // A NAT gateway's or load balancer's address goes with it, not before.
    let held = address.doc.association.as_ref().and_then(|held| cx.peek::<Interface>(&held.interface));
    if held.is_some_and(|eni| eni.doc.requester_managed) {
        return Err(denied());
    }
    free(cx, address.id());
    Ok(json!({"return": true}))
}
