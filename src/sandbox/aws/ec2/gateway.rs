//! Internet gateways: one per VPC, not to be detached while anything in the VPC has a public address.

use super::{
    Ec2, Stored, fail,
    filter::{self, Filter, Known, Page},
    interface::Interface,
    kinds::thing,
    nat::NatGateway,
    quota,
    tags::{self, TagSpecification},
    vpc::Vpc,
    wire::Request,
};
use crate::sandbox::{aws::ApiError, world::Origin};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// An internet gateway.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Gateway {
    /// The VPC it is attached to.
    pub(crate) vpc: Option<String>,
}

thing!(
    Gateway,
    "internet-gateway",
    "igw",
    "InvalidInternetGatewayID.NotFound",
    "InvalidInternetGatewayId.Malformed",
    "The internetGateway ID '{}' does not exist"
);

const FILTERS: Known = &[
    ("attachment.state", "attachmentSet.state"),
    ("attachment.vpc-id", "attachmentSet.vpcId"),
    ("internet-gateway-id", "internetGatewayId"),
    ("owner-id", "ownerId"),
];

fn view(gateway: &Stored<Gateway>) -> Value {
    let attachment = gateway.doc.vpc.iter().map(|vpc| json!({"vpcId": vpc, "state": "available"}));
    json!({
        "internetGatewayId": gateway.id(), "ownerId": gateway.object.account,
        "attachmentSet": attachment.collect::<Vec<_>>(), "tagSet": gateway.tag_set(),
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct CreateInternetGateway {
    #[serde(default)]
    tag_specification: Vec<TagSpecification>,
}

pub(super) fn create(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let wanted: CreateInternetGateway = request.read()?;
    let tags = tags::for_type(wanted.tag_specification, "internet-gateway")?;
    if cx.all::<Gateway>().len() >= cx.quota(quota::INTERNET_GATEWAYS) {
        let message = "The maximum number of internet gateways has been reached.";
        return Err(fail("InternetGatewayLimitExceeded", message));
    }
    let gateway = cx.draft(Gateway { vpc: None }, "available", tags);
    let reply = json!({"internetGateway": view(&gateway)});
    cx.save(gateway);
    Ok(reply)
}

/// The default VPC's gateway; returns its id.
pub(super) fn make_default(cx: &mut Ec2<'_, '_>, vpc: &str) -> String {
    let gateway = cx.draft_by(Origin::Builtin, Gateway { vpc: Some(vpc.to_owned()) }, "available");
    let id = gateway.id().to_owned();
    cx.save(gateway);
    id
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct DescribeInternetGateways {
    #[serde(default)]
    internet_gateway_id: Vec<String>,
    #[serde(default)]
    filter: Vec<Filter>,
    next_token: Option<String>,
    max_results: Option<usize>,
}

pub(super) fn describe(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let wanted: DescribeInternetGateways = request.read()?;
    let rows = cx.listed::<Gateway>(&wanted.internet_gateway_id)?.iter().map(view).collect();
    let rows = filter::keep(rows, &wanted.filter, FILTERS)?;
    filter::page("internetGatewaySet", rows, &Page { token: wanted.next_token, size: wanted.max_results }, 1000)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Attachment {
    internet_gateway_id: String,
    vpc_id: String,
}

pub(super) fn attach(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let wanted: Attachment = request.read()?;
    let mut gateway = cx.find::<Gateway>(&wanted.internet_gateway_id)?;
    let vpc = cx.find::<Vpc>(&wanted.vpc_id)?;
    if let Some(held) = &gateway.doc.vpc {
        let message = format!("resource {} is already attached to network {held}", gateway.id());
        return Err(fail("Resource.AlreadyAssociated", message));
    }
    if cx.all::<Gateway>().iter().any(|other| other.doc.vpc.as_deref() == Some(vpc.id())) {
        let message = format!("Network {} already has an internet gateway attached", vpc.id());
        return Err(fail("InvalidParameterValue", message));
    }
    gateway.doc.vpc = Some(vpc.id().to_owned());
    gateway.object.parent = gateway.doc.vpc.clone();
    cx.save(gateway);
    Ok(json!({"return": true}))
}

pub(super) fn detach(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let wanted: Attachment = request.read()?;
    let mut gateway = cx.find::<Gateway>(&wanted.internet_gateway_id)?;
    let vpc = cx.find::<Vpc>(&wanted.vpc_id)?;
    if gateway.doc.vpc.as_deref() != Some(vpc.id()) {
        let message = format!("resource {} is not attached to network {}", gateway.id(), vpc.id());
        return Err(fail("Gateway.NotAttached", message));
    }
    let now = cx.tx.now();
    let mapped = cx.all::<Interface>().iter().any(|eni| eni.doc.vpc == vpc.id() && eni.doc.public.is_some())
        // A gateway that is being made holds its address before the interface shows it.
        || cx.all::<NatGateway>().iter().any(|nat| nat.doc.vpc == vpc.id() && nat.doc.holds_address(&nat.object, now));
    if mapped {
        let message = format!(
            "Network {} has some mapped public address(es). Please unmap those public address(es) before detaching \
             the gateway.",
            vpc.id()
        );
        return Err(fail("DependencyViolation", message));
    }
    gateway.doc.vpc = None;
    gateway.object.parent = None;
    cx.save(gateway);
    Ok(json!({"return": true}))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct DeleteInternetGateway {
    internet_gateway_id: String,
}

pub(super) fn delete(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let wanted: DeleteInternetGateway = request.read()?;
    let gateway = cx.find::<Gateway>(&wanted.internet_gateway_id)?;
    if gateway.doc.vpc.is_some() {
        let message = format!("The internetGateway '{}' has dependencies and cannot be deleted.", gateway.id());
        return Err(fail("DependencyViolation", message));
    }
    cx.drop_object::<Gateway>(gateway.id());
    Ok(json!({"return": true}))
}
