//! Network interfaces: of instances, of services (`requester-managed`), and free-standing ones. They hold a subnet's
//! addresses, use security groups and carry public addresses; that is what blocks most deletions.

use super::{
    Ec2, Stored, fail,
    filter::{self, Filter, Known, Page},
    group::{self, Group},
    kinds::thing,
    net, quota,
    subnet::Subnet,
    tags::{self, TagSpecification},
    time,
    wire::Request,
};
use crate::sandbox::{aws::ApiError, world::Origin};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{collections::BTreeMap, net::Ipv4Addr};

/// A network interface.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Interface {
    pub(crate) vpc: String,
    pub(crate) subnet: String,
    pub(crate) zone: String,
    pub(crate) zone_id: String,
    pub(crate) description: String,
    pub(crate) groups: Vec<String>,
    pub(crate) private_ips: Vec<Ipv4Addr>,
    pub(crate) mac: String,
    pub(crate) interface_type: String,
    /// Who asked for it, when it was not the account.
    pub(crate) requester: Option<String>,
    /// A service's own; the account may look, not touch.
    pub(crate) requester_managed: bool,
    pub(crate) attachment: Option<Attachment>,
    pub(crate) public: Option<PublicAddress>,
}

/// What an interface is attached to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Attachment {
    pub(crate) id: String,
    pub(crate) instance: Option<String>,
    pub(crate) owner: Option<String>,
    pub(crate) device_index: u32,
    pub(crate) delete_on_termination: bool,
    pub(crate) at: Timestamp,
}

impl Attachment {
    /// To something of a service's, not to an instance of the account.
    pub(crate) fn by_service(cx: &mut Ec2<'_, '_>, owner: &str) -> Self {
        let (id, at) = (cx.tx.id("ela-attach"), cx.tx.now());
        Self { id, instance: None, owner: Some(owner.to_owned()), device_index: 1, delete_on_termination: false, at }
    }
}

/// A public address mapped to an interface: an Elastic IP, or one of Amazon's own.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PublicAddress {
    pub(crate) ip: Ipv4Addr,
    pub(crate) allocation: Option<String>,
    pub(crate) association: Option<String>,
}

thing!(
    Interface,
    "network-interface",
    "eni",
    "InvalidNetworkInterfaceID.NotFound",
    "InvalidNetworkInterfaceId.Malformed",
    "The networkInterface ID '{}' does not exist"
);

const FILTERS: Known = &[
    ("association.allocation-id", "association.allocationId"),
    ("association.association-id", "association.associationId"),
    ("addresses.association.owner-id", "privateIpAddressesSet.association.ipOwnerId"),
    ("addresses.association.public-ip", "privateIpAddressesSet.association.publicIp"),
    ("addresses.primary", "privateIpAddressesSet.primary"),
    ("addresses.private-ip-address", "privateIpAddressesSet.privateIpAddress"),
    ("association.ip-owner-id", "association.ipOwnerId"),
    ("association.public-ip", "association.publicIp"),
    ("association.public-dns-name", "association.publicDnsName"),
    ("attachment.attach-time", "attachment.attachTime"),
    ("attachment.attachment-id", "attachment.attachmentId"),
    ("attachment.delete-on-termination", "attachment.deleteOnTermination"),
    ("attachment.device-index", "attachment.deviceIndex"),
    ("attachment.instance-id", "attachment.instanceId"),
    ("attachment.instance-owner-id", "attachment.instanceOwnerId"),
    ("attachment.status", "attachment.status"),
    ("availability-zone", "availabilityZone"),
    ("availability-zone-id", "availabilityZoneId"),
    ("description", "description"),
    ("group-id", "groupSet.groupId"),
    ("group-name", "groupSet.groupName"),
    ("ipv6-addresses.ipv6-address", "ipv6AddressesSet.ipv6Address"),
    ("interface-type", "interfaceType"),
    ("mac-address", "macAddress"),
    ("network-interface-id", "networkInterfaceId"),
    ("operator.managed", "operator.managed"),
    ("operator.principal", "operator.principal"),
    ("owner-id", "ownerId"),
    ("private-dns-name", "privateDnsName"),
    ("private-ip-address", "privateIpAddress"),
    ("requester-id", "requesterId"),
    ("requester-managed", "requesterManaged"),
    ("source-dest-check", "sourceDestCheck"),
    ("status", "status"),
    ("subnet-id", "subnetId"),
    ("vpc-id", "vpcId"),
];

/// The interface as replies show it.
pub(super) fn view(cx: &Ec2<'_, '_>, eni: &Stored<Interface>) -> Value {
    let (object, doc) = (&eni.object, &eni.doc);
    let dns = |ip: &Ipv4Addr| format!("ip-{}.{}.compute.internal", ip.to_string().replace('.', "-"), object.region);
    let association = doc.public.as_ref().map(|public| {
        json!({
            "publicIp": public.ip, "allocationId": public.allocation, "associationId": public.association,
            "ipOwnerId": if public.allocation.is_some() { object.account.as_str() } else { "amazon" },
        })
    });
    let addresses = doc.private_ips.iter().enumerate().map(|(index, ip)| {
        json!({
            "privateIpAddress": ip, "privateDnsName": dns(ip), "primary": index == 0,
            "association": association.as_ref().filter(|_| index == 0),
        })
    });
    let attachment = doc.attachment.as_ref().map(|held| {
        json!({
            "attachmentId": held.id, "instanceId": held.instance, "status": "attached", "deviceIndex": held.device_index,
            "instanceOwnerId": held.owner.as_ref().unwrap_or(&object.account), "networkCardIndex": 0,
            "attachTime": time(held.at), "deleteOnTermination": held.delete_on_termination,
        })
    });
    json!({
        "networkInterfaceId": object.id, "subnetId": doc.subnet, "vpcId": doc.vpc, "availabilityZone": doc.zone,
        "availabilityZoneId": doc.zone_id, "description": doc.description, "ownerId": object.account,
        "requesterId": doc.requester, "requesterManaged": doc.requester_managed, "status": object.state,
        "macAddress": doc.mac, "privateIpAddress": doc.private_ips.first(),
        "privateDnsName": doc.private_ips.first().map(dns), "sourceDestCheck": doc.interface_type != "nat_gateway",
        "groupSet": group::refs(cx, &doc.groups), "attachment": attachment, "association": association,
        "privateIpAddressesSet": addresses.collect::<Vec<_>>(), "ipv6AddressesSet": [],
        "interfaceType": doc.interface_type, "tagSet": eni.tag_set(),
    })
}

/// An interface to be made.
pub(crate) struct Wanted<'a> {
    /// Where.
    pub(crate) subnet: &'a Stored<Subnet>,
    /// Its security groups.
    pub(crate) groups: Vec<String>,
    /// Its description: how everybody tells whose it is.
    pub(crate) description: String,
    /// `interface`, `nat_gateway`, `network_load_balancer`, …
    pub(crate) interface_type: &'a str,
    /// The service's principal, when it is the service's own.
    pub(crate) requester: Option<&'a str>,
    /// Tags.
    pub(crate) tags: BTreeMap<String, String>,
    /// What it is attached to.
    pub(crate) attachment: Option<Attachment>,
}

/// Makes an interface on behalf of a service or controller.
pub(crate) fn make(cx: &mut Ec2<'_, '_>, wanted: Wanted<'_>) -> Result<Stored<Interface>, ApiError> {
    let mut eni = draft(cx, wanted)?;
    eni.object.created_by = Origin::Controller;
    eni.object.visible_at = None;
    let id = eni.id().to_owned();
    cx.save(eni);
    Ok(cx.peek(&id).expect("just saved"))
}

fn draft(cx: &mut Ec2<'_, '_>, wanted: Wanted<'_>) -> Result<Stored<Interface>, ApiError> {
    if cx.all::<Interface>().len() >= cx.quota(quota::INTERFACES) {
        let message = "The maximum number of network interfaces has been reached.";
        return Err(fail("NetworkInterfaceLimitExceeded", message));
    }
    let subnet = wanted.subnet;
    let ip = net::free_address(cx, subnet.id(), &subnet.doc.cidr)?;
    let bits = cx.tx.bits().to_be_bytes();
    let mac = format!("0a:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", bits[0], bits[1], bits[2], bits[3], bits[4]);
    let state = if wanted.attachment.is_some() { "in-use" } else { "available" };
    let doc = Interface {
        vpc: subnet.doc.vpc.clone(),
        subnet: subnet.id().to_owned(),
        zone: subnet.doc.zone.clone(),
        zone_id: subnet.doc.zone_id.clone(),
        description: wanted.description,
        groups: wanted.groups,
        private_ips: vec![ip],
        mac,
        interface_type: wanted.interface_type.to_owned(),
        requester: wanted.requester.map(str::to_owned),
        requester_managed: wanted.requester.is_some(),
        attachment: wanted.attachment,
        public: None,
    };
    let mut eni = cx.draft(doc, state, wanted.tags);
    eni.object.parent = Some(subnet.id().to_owned());
    Ok(eni)
}

/// Refuses groups that do not exist or live elsewhere.
pub(super) fn check_groups(cx: &Ec2<'_, '_>, vpc: &str, groups: &[String]) -> Result<(), ApiError> {
    for id in groups {
        if cx.find::<Group>(id)?.doc.vpc != vpc {
            let message = "You have specified two resources that belong to different networks.";
            return Err(fail("InvalidParameter", message));
        }
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct CreateNetworkInterface {
    subnet_id: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    security_group_id: Vec<String>,
    client_token: Option<String>,
    #[serde(default)]
    tag_specification: Vec<TagSpecification>,
}

pub(super) fn create(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let print = request.print();
    let wanted: CreateNetworkInterface = request.read()?;
    let tags = tags::for_type(wanted.tag_specification, "network-interface")?;
    if let Some(eni) = cx.repeated::<Interface>(wanted.client_token.as_deref(), &print)? {
        return Ok(json!({"networkInterface": view(cx, &eni), "clientToken": wanted.client_token}));
    }
    let subnet = cx.find::<Subnet>(&wanted.subnet_id)?;
    check_groups(cx, &subnet.doc.vpc, &wanted.security_group_id)?;
    let groups = match wanted.security_group_id {
        given if !given.is_empty() => given,
        _ => group::default_of(cx, &subnet.doc.vpc),
    };
    let mut eni = draft(
        cx,
        Wanted {
            subnet: &subnet,
            groups,
            description: wanted.description,
            interface_type: "interface",
            requester: None,
            tags,
            attachment: None,
        },
    )?;
    eni.object.token = wanted.client_token.as_ref().map(|token| format!("{token}/{print}"));
    let mut shown = view(cx, &eni);
    shown["status"] = "pending".into();
    cx.save(eni);
    Ok(json!({"networkInterface": shown, "clientToken": wanted.client_token}))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct DescribeNetworkInterfaces {
    #[serde(default)]
    network_interface_id: Vec<String>,
    #[serde(default)]
    filter: Vec<Filter>,
    next_token: Option<String>,
    max_results: Option<usize>,
}

pub(super) fn describe(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let wanted: DescribeNetworkInterfaces = request.read()?;
    if wanted.max_results.is_some() && !wanted.network_interface_id.is_empty() {
        let message = "The parameter networkInterfaceIdSet cannot be used with the parameter maxResults";
        return Err(fail("InvalidParameterCombination", message));
    }
    let rows = cx.listed::<Interface>(&wanted.network_interface_id)?.iter().map(|eni| view(cx, eni)).collect();
    let rows = filter::keep(rows, &wanted.filter, FILTERS)?;
    filter::page("networkInterfaceSet", rows, &Page { token: wanted.next_token, size: wanted.max_results }, 1000)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct InterfaceOnly {
    network_interface_id: String,
}

pub(super) fn delete(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let InterfaceOnly { network_interface_id } = request.read()?;
    let eni = cx.find::<Interface>(&network_interface_id)?;
    if eni.doc.attachment.is_some() {
        let message = format!("Network interface '{}' is currently in use.", eni.id());
        return Err(fail("InvalidParameterValue", message));
    }
    if eni.doc.requester_managed {
        return Err(fail("AuthFailure", "You do not have permission to access the specified resource."));
    }
    let id = eni.id().to_owned();
    if let Some(allocation) = eni.doc.public.as_ref().and_then(|public| public.allocation.clone()) {
        super::address::free(cx, &allocation);
    }
    cx.drop_object::<Interface>(&id);
    Ok(json!({"return": true}))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct DetachNetworkInterface {
    attachment_id: String,
    #[serde(default)]
    #[expect(dead_code, reason = "the interface goes either way; there is no guest here to ask")]
    force: bool,
}

pub(super) fn detach(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let wanted: DetachNetworkInterface = request.read()?;
    let id = wanted.attachment_id;
    if id.starts_with("ela-attach-") {
        let message = "You are not allowed to manage 'ela-attach' attachments.";
        return Err(fail("OperationNotPermitted", message));
    }
    let holds = |eni: &Stored<Interface>| eni.doc.attachment.as_ref().is_some_and(|held| held.id == id);
    let Some(mut eni) = cx.all::<Interface>().into_iter().find(holds) else {
        return Err(fail("InvalidAttachmentID.NotFound", format!("The attachment '{id}' does not exist")));
    };
    if eni.doc.attachment.as_ref().is_some_and(|held| held.device_index == 0) {
        let message = "The network interface at device index 0 and networkCard index 0 cannot be detached.";
        return Err(fail("OperationNotPermitted", message));
    }
    eni.doc.attachment = None;
    "available".clone_into(&mut eni.object.state);
    cx.save(eni);
    Ok(json!({"return": true}))
}
