//! NAT gateways: minutes to come, a minute to go, failures told only afterwards, and an hour as a tombstone.

use super::{
    Ec2, Stored, address, fail,
    filter::{self, Filter, Known, Page},
    gateway::Gateway,
    interface::{self, Attachment, Interface, Wanted},
    kinds::thing,
    net, quota,
    subnet::Subnet,
    tags::{self, TagSpecification},
    time, usage,
    wire::Request,
};
use crate::sandbox::{
    aws::ApiError,
    world::{Due, Object, Scope, Tx},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{collections::BTreeMap, net::Ipv4Addr, time::Duration};

/// How long a deleted or failed gateway stays listed.
const LISTED: Duration = Duration::from_secs(3_600);
/// A deleted gateway's address cannot be released at once.
const LETS_GO_LATE: Duration = Duration::from_secs(4);

/// A NAT gateway.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct NatGateway {
    pub(crate) vpc: String,
    pub(crate) subnet: String,
    /// The Elastic IP; none for a private gateway.
    pub(crate) allocation: Option<String>,
    pub(crate) interface: Option<String>,
    pub(crate) private_ip: Option<Ipv4Addr>,
    pub(crate) public_ip: Option<Ipv4Addr>,
    pub(crate) association: Option<String>,
    /// Why it will not come, or did not: code and message.
    pub(crate) failure: Option<(String, String)>,
    pub(crate) deleted_at: Option<Timestamp>,
}

thing!(
    NatGateway,
    "nat-gateway",
    "nat",
    "NatGatewayNotFound",
    "NatGatewayMalformed",
    "The Nat Gateway {} was not found"
);

impl NatGateway {
    /// Whether its Elastic IP is taken by it: some seconds longer than it lives, as EC2 has it.
    pub(super) fn holds_address(&self, object: &Object, now: Timestamp) -> bool {
        let lives = matches!(object.state.as_str(), "pending" | "available" | "deleting");
        let lately = object.state == "deleted" && object.gone_at.is_some_and(|at| now < at - LISTED + LETS_GO_LATE);
        self.allocation.is_some() && self.failure.is_none() && (lives || lately)
    }
}

const FILTERS: Known =
    &[("nat-gateway-id", "natGatewayId"), ("state", "state"), ("subnet-id", "subnetId"), ("vpc-id", "vpcId")];

fn view(nat: &Stored<NatGateway>) -> Value {
    let doc = &nat.doc;
    let failed = nat.object.state == "failed";
    let status = match nat.object.state.as_str() {
        "pending" => "associating",
        "failed" => "failed",
        _ => "succeeded",
    };
    json!({
        "natGatewayId": nat.id(), "vpcId": doc.vpc, "subnetId": doc.subnet, "state": nat.object.state,
        "createTime": time(nat.object.created_at), "deleteTime": doc.deleted_at.map(time),
        "failureCode": doc.failure.as_ref().filter(|_| failed).map(|(code, _)| code),
        "failureMessage": doc.failure.as_ref().filter(|_| failed).map(|(_, message)| message),
        "connectivityType": if doc.allocation.is_some() { "public" } else { "private" },
        "availabilityMode": "zonal",
        "natGatewayAddressSet": [{
            "allocationId": doc.allocation, "networkInterfaceId": doc.interface, "privateIp": doc.private_ip,
            "publicIp": doc.public_ip, "associationId": doc.association, "isPrimary": true, "status": status,
        }],
        "tagSet": nat.tag_set(),
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct CreateNatGateway {
    subnet_id: Option<String>,
    allocation_id: Option<String>,
    connectivity_type: Option<String>,
    availability_mode: Option<String>,
    client_token: Option<String>,
    #[serde(default)]
    tag_specification: Vec<TagSpecification>,
}

pub(super) fn create(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let print = request.print();
    let wanted: CreateNatGateway = request.read()?;
    let tags = tags::for_type(wanted.tag_specification, "natgateway")?;
    if wanted.availability_mode.as_deref() == Some("regional") {
        return Err(fail("UnsupportedOperation", "The sandbox does not rehearse regional NAT gateways."));
    }
    let Some(subnet) = wanted.subnet_id else {
        return Err(fail(
            "MissingParameter",
            "The request must include the SubnetId parameter. Add the required parameter and retry the request.",
        ));
    };
    let public = wanted.connectivity_type.as_deref() != Some("private");
    match (public, &wanted.allocation_id) {
        (true, None) => {
            let message = "The request must include the AllocationId parameter. Add the required parameter and retry the request.";
            return Err(fail("MissingParameter", message));
        }
        (false, Some(_)) => {
            let message = "The AllocationId parameter is not allowed for a private NAT gateway.";
            return Err(fail("InvalidParameterCombination", message));
        }
        _ => {}
    }
    if let Some(nat) = cx.repeated::<NatGateway>(wanted.client_token.as_deref(), &print)? {
        return Ok(json!({"natGateway": view(&nat), "clientToken": wanted.client_token}));
    }
    let subnet = cx.find::<Subnet>(&subnet)?;
    let allocation = wanted.allocation_id.map(|id| cx.find::<address::Address>(&id)).transpose()?;
    let in_zone = cx.all::<NatGateway>().into_iter().filter(|nat| {
        nat.object.state != "failed"
            && cx.peek::<Subnet>(&nat.doc.subnet).is_some_and(|other| other.doc.zone_id == subnet.doc.zone_id)
    });
    let limit = cx.quota(quota::NAT_GATEWAYS_PER_ZONE);
    if in_zone.count() >= limit {
        let message = format!("Performing this operation would exceed the limit of {limit} NAT gateways");
        return Err(fail("NatGatewayLimitExceeded", message));
    }
    let failure = doom(cx, &subnet, allocation.as_ref());
    let doc = NatGateway {
        vpc: subnet.doc.vpc.clone(),
        subnet: subnet.id().to_owned(),
        allocation: allocation.as_ref().map(|address| address.id().to_owned()),
        interface: None,
        private_ip: None,
        public_ip: None,
        association: None,
        failure,
        deleted_at: None,
    };
    let mut nat = cx.draft(doc, "pending", tags);
    nat.object.parent = Some(subnet.id().to_owned());
    nat.object.token = wanted.client_token.as_ref().map(|token| format!("{token}/{print}"));
    let (wait, what) = match nat.doc.failure {
        None => (cx.seconds(70, 150), "available"),
        Some(_) => (cx.seconds(20, 60), "failed"),
    };
    nat.object.due = Some(Due { at: cx.tx.now() + wait, what: what.to_owned() });
    if nat.doc.failure.is_none() {
        let attachment = Attachment::by_service(cx, "amazon-aws");
        let eni = interface::make(
            cx,
            Wanted {
                subnet: &subnet,
                groups: Vec::new(),
                description: format!("Interface for NAT Gateway {}", nat.id()),
                interface_type: "nat_gateway",
                requester: Some("amazon-aws-nat"),
                tags: BTreeMap::new(),
                attachment: Some(attachment),
            },
        )?;
        nat.doc.private_ip = eni.doc.private_ips.first().copied();
        nat.doc.interface = Some(eni.id().to_owned());
    }
    let reply = json!({"natGateway": view(&nat), "clientToken": wanted.client_token});
    cx.save(nat);
    Ok(reply)
}

/// Why this gateway will fail, if it will: told minutes later, as AWS does.
fn doom(
    cx: &Ec2<'_, '_>,
    subnet: &Stored<Subnet>,
    allocation: Option<&Stored<address::Address>>,
) -> Option<(String, String)> {
    let because = |code: &str, message: String| Some((code.to_owned(), message));
    if let Some(address) = allocation {
        if address.doc.association.is_some() || address::reserved(cx, address.id()).is_some() {
            let message = format!("Elastic IP address {} is already associated", address.id());
            return because("Resource.AlreadyAssociated", message);
        }
        if !cx.all::<Gateway>().iter().any(|gateway| gateway.doc.vpc.as_deref() == Some(&subnet.doc.vpc)) {
            let message = format!("Network {} has no Internet gateway attached", subnet.doc.vpc);
            return because("Gateway.NotAttached", message);
        }
    }
    if net::free_count(cx, subnet.id(), &subnet.doc.cidr) == 0 {
        let message = "Subnet has insufficient free addresses to create this NAT gateway".to_owned();
        return because("InsufficientFreeAddressesInSubnet", message);
    }
    None
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct DescribeNatGateways {
    #[serde(default)]
    nat_gateway_id: Vec<String>,
    #[serde(default)]
    filter: Vec<Filter>,
    next_token: Option<String>,
    max_results: Option<usize>,
}

pub(super) fn describe(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let wanted: DescribeNatGateways = request.read()?;
    let rows = cx.listed::<NatGateway>(&wanted.nat_gateway_id)?.iter().map(view).collect();
    let rows = filter::keep(rows, &wanted.filter, FILTERS)?;
    filter::page("natGatewaySet", rows, &Page { token: wanted.next_token, size: wanted.max_results }, 1000)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct DeleteNatGateway {
    nat_gateway_id: String,
}

pub(super) fn delete(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let wanted: DeleteNatGateway = request.read()?;
    let mut nat = cx.find::<NatGateway>(&wanted.nat_gateway_id)?;
    let reply = json!({"natGatewayId": nat.id()});
    if nat.object.state != "deleting" {
        let wait = cx.seconds(40, 80);
        "deleting".clone_into(&mut nat.object.state);
        nat.object.usage.clear();
        nat.object.due = Some(Due { at: cx.tx.now() + wait, what: "deleted".to_owned() });
        nat.doc.deleted_at = Some(cx.tx.now());
        cx.save(nat);
    }
    Ok(reply)
}

/// A scheduled change of a gateway happens.
pub(super) fn due(tx: &mut Tx<'_>, scope: &Scope, id: &str, what: &str) {
    let cx = &mut Ec2::new(tx, scope);
    let Some(mut nat) = cx.peek::<NatGateway>(id) else { return };
    match what {
        "available" if nat.object.doomed => {
            if let Some(eni) = nat.doc.interface.take() {
                cx.drop_object::<Interface>(&eni);
            }
            let message = format!("The NAT gateway {id} could not be made because of an internal error");
            nat.doc.failure = Some(("InternalError".to_owned(), message));
            "failed".clone_into(&mut nat.object.state);
            nat.object.due = Some(Due { at: cx.tx.now() + LISTED, what: "forgotten".to_owned() });
            nat.doc.deleted_at = Some(cx.tx.now());
            cx.save(nat);
        }
        "available" => {
            if let (Some(allocation), Some(eni)) = (nat.doc.allocation.clone(), nat.doc.interface.clone()) {
                nat.doc.association = address::point(cx, &allocation, &eni);
                nat.doc.public_ip = cx.peek::<address::Address>(&allocation).map(|address| address.doc.ip);
            }
            "available".clone_into(&mut nat.object.state);
            nat.object.usage = vec![usage::component(scope, "nat-gateway")];
            cx.save(nat);
        }
        "failed" => {
            "failed".clone_into(&mut nat.object.state);
            nat.object.due = Some(Due { at: cx.tx.now() + LISTED, what: "forgotten".to_owned() });
            nat.doc.deleted_at = Some(cx.tx.now());
            cx.save(nat);
        }
        "deleted" => {
            if let Some(allocation) = nat.doc.allocation.as_deref().filter(|_| nat.doc.failure.is_none()) {
                address::free(cx, allocation);
            }
            if let Some(eni) = &nat.doc.interface {
                cx.drop_object::<Interface>(eni);
            }
            let id = nat.id().to_owned();
            cx.save(nat);
            let kind = <NatGateway as super::Thing>::KIND;
            cx.tx.bury(scope, kind, &id, "deleted", LISTED);
        }
        _ => cx.drop_object::<NatGateway>(id),
    }
}
