//! EC2, as strict as the real one: networks, gateways, groups, interfaces, machines, disks.
//!
//! `wire` knows the protocol, `filter` and `store` what all Describe calls and lookups share; every other file is one
//! resource with its rules. What a client may not do, this must refuse with the service's own code: a test that passes
//! only because this is lenient is worth nothing.

mod account;
mod address;
mod endpoint;
pub(crate) mod filter;
mod gateway;
mod group;
mod image;
pub mod inside;
mod instance;
mod interface;
pub(crate) mod kinds;
mod links;
mod machine;
mod nat;
mod net;
pub(crate) mod quota;
mod route;
mod store;
mod subnet;
mod tags;
mod template;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod usage;
mod volume;
mod vpc;
pub(crate) mod wire;
mod zones;

pub(crate) use store::{Ec2, Stored, Thing};

use super::{ApiError, CallCx, Protocol, Reply, Service};
use crate::sandbox::world::{Object, Scope, Tx};
use jiff::Timestamp;
use serde_json::Value;
use std::sync::OnceLock;
use wire::{Actions, Request};

/// The service.
pub struct Ec2Service;

/// Whether there is such a machine type.
pub fn is_machine_type(name: &str) -> bool {
    machine::Machine::named(name).is_some()
}

/// A refusal: EC2 answers them all with status 400.
pub(crate) fn fail(code: &str, message: impl Into<String>) -> ApiError {
    ApiError::bad(code, message)
}

/// A time as EC2 writes it.
pub(crate) fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

fn actions() -> &'static Actions {
    static ACTIONS: OnceLock<Actions> = OnceLock::new();
    ACTIONS.get_or_init(|| Actions::parse(include_str!("actions.txt")))
}

impl Service for Ec2Service {
    fn name(&self) -> &'static str {
        "ec2"
    }

    fn protocol(&self, _: Option<&str>) -> Protocol {
        Protocol::Ec2
    }

    fn call(&self, cx: &mut CallCx<'_, '_>) -> Result<Reply, ApiError> {
        if !actions().knows(cx.op) {
            return Err(cx.unknown_operation());
        }
        let request = actions().read(cx.op, &cx.params.all_pairs())?;
        if request.dry_run {
            return Err(ApiError::new(412, "DryRunOperation", "Request would have succeeded, but DryRun flag is set."));
        }
        let scope = cx.scope.clone();
        let tree = answer(&mut Ec2::new(cx.tx, &scope), request)?;
        Ok(wire::to_xml(&tree, "item").into())
    }

    fn due(&self, tx: &mut Tx<'_>, object: &Object, what: &str) {
        let scope = object.scope();
        match object.kind.as_str() {
            "nat-gateway" => nat::due(tx, &scope, &object.id, what),
            "instance" => instance::due(tx, &scope, &object.id, what),
            "vpc-endpoint" => endpoint::due(tx, &scope, &object.id, what),
            // Its owner let it go some time ago.
            "network-interface" => inside::remove_interface(tx, &scope, &object.id),
            // The rest only ripens into its next state: vpc, subnet, volume, snapshot.
            _ => {
                let mut ripe = object.clone();
                ripe.due = None;
                what.clone_into(&mut ripe.state);
                tx.put(ripe);
            }
        }
    }

    fn furnish(&self, tx: &mut Tx<'_>, scope: &Scope) {
        if zones::is_region(&scope.region) {
            vpc::make_default(&mut Ec2::new(tx, scope));
        }
    }
}

/// Runs one action.
fn answer(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    match request.action.clone().as_str() {
        "CreateVpc" => vpc::create(cx, request),
        "DescribeVpcs" => vpc::describe(cx, request),
        "DeleteVpc" => vpc::delete(cx, request),
        "ModifyVpcAttribute" => vpc::modify_attribute(cx, request),
        "DescribeVpcAttribute" => vpc::describe_attribute(cx, request),
        "DescribeNetworkAcls" => vpc::describe_network_acls(cx, request),
        "CreateSubnet" => subnet::create(cx, request),
        "DescribeSubnets" => subnet::describe(cx, request),
        "DeleteSubnet" => subnet::delete(cx, request),
        "ModifySubnetAttribute" => subnet::modify_attribute(cx, request),
        "CreateInternetGateway" => gateway::create(cx, request),
        "DescribeInternetGateways" => gateway::describe(cx, request),
        "AttachInternetGateway" => gateway::attach(cx, request),
        "DetachInternetGateway" => gateway::detach(cx, request),
        "DeleteInternetGateway" => gateway::delete(cx, request),
        "AllocateAddress" => address::allocate(cx, request),
        "DescribeAddresses" => address::describe(cx, request),
        "ReleaseAddress" => address::release(cx, request),
        "AssociateAddress" => address::associate(cx, request),
        "DisassociateAddress" => address::disassociate(cx, request),
        "CreateNatGateway" => nat::create(cx, request),
        "DescribeNatGateways" => nat::describe(cx, request),
        "DeleteNatGateway" => nat::delete(cx, request),
        "CreateRouteTable" => route::create_table(cx, request),
        "DescribeRouteTables" => route::describe(cx, request),
        "DeleteRouteTable" => route::delete_table(cx, request),
        "CreateRoute" => route::create_route(cx, request),
        "ReplaceRoute" => route::replace_route(cx, request),
        "DeleteRoute" => route::delete_route(cx, request),
        "AssociateRouteTable" => route::associate(cx, request),
        "DisassociateRouteTable" => route::disassociate(cx, request),
        "ReplaceRouteTableAssociation" => route::replace_association(cx, request),
        "CreateSecurityGroup" => group::create(cx, request),
        "DescribeSecurityGroups" => group::describe(cx, request),
        "DescribeSecurityGroupRules" => group::describe_rules(cx, request),
        "DeleteSecurityGroup" => group::delete(cx, request),
        "AuthorizeSecurityGroupIngress" => group::authorize(cx, request, false),
        "AuthorizeSecurityGroupEgress" => group::authorize(cx, request, true),
        "RevokeSecurityGroupIngress" => group::revoke(cx, request, false),
        "RevokeSecurityGroupEgress" => group::revoke(cx, request, true),
        "CreateNetworkInterface" => interface::create(cx, request),
        "DescribeNetworkInterfaces" => interface::describe(cx, request),
        "DeleteNetworkInterface" => interface::delete(cx, request),
        "DetachNetworkInterface" => interface::detach(cx, request),
        "CreateVpcEndpoint" => endpoint::create(cx, request),
        "DescribeVpcEndpoints" => endpoint::describe(cx, request),
        "DeleteVpcEndpoints" => endpoint::delete(cx, request),
        "CreateLaunchTemplate" => template::create(cx, request),
        "DescribeLaunchTemplates" => template::describe(cx, request),
        "DeleteLaunchTemplate" => template::delete(cx, request),
        "CreateLaunchTemplateVersion" => template::create_version(cx, request),
        "DescribeLaunchTemplateVersions" => template::describe_versions(cx, request),
        "ModifyLaunchTemplate" => template::modify(cx, request),
        "DeleteLaunchTemplateVersions" => template::delete_versions(cx, request),
        "RunInstances" => instance::run(cx, request),
        "DescribeInstances" => instance::describe(cx, request),
        "TerminateInstances" => instance::terminate_all(cx, request),
        "DescribeInstanceTypes" => machine::describe(cx, request),
        "DescribeSpotPriceHistory" => machine::describe_spot(cx, request),
        "DescribeInstanceTypeOfferings" => machine::describe_offerings(cx, request),
        "DescribeImages" => image::describe(cx, request),
        "CreateVolume" => volume::create(cx, request),
        "DescribeVolumes" => volume::describe(cx, request),
        "DeleteVolume" => volume::delete(cx, request),
        "CreateSnapshot" => volume::create_snapshot(cx, request),
        "DescribeSnapshots" => volume::describe_snapshots(cx, request),
        "DeleteSnapshot" => volume::delete_snapshot(cx, request),
        "CreateTags" => tags::create(cx, request),
        "DeleteTags" => tags::delete(cx, request),
        "DescribeTags" => tags::describe(cx, request),
        "DescribeAvailabilityZones" => zones::describe(cx, request),
        "DescribeRegions" => zones::describe_regions(cx, request),
        "DescribeAccountAttributes" => account::attributes(cx, request),
        "CreateVpcPeeringConnection" => links::create_peering(cx, request),
        "AcceptVpcPeeringConnection" => links::accept_peering(cx, request),
        "DescribeVpcPeeringConnections" => links::describe_peerings(cx, request),
        "DeleteVpcPeeringConnection" => links::delete_peering(cx, request),
        "CreateTransitGateway" => links::create_transit(cx, request),
        "DescribeTransitGateways" => links::describe_transits(cx, request),
        "DeleteTransitGateway" => links::delete_transit(cx, request),
        "CreateTransitGatewayVpcAttachment" => links::attach_transit(cx, request),
        "DescribeTransitGatewayVpcAttachments" => links::describe_attachments(cx, request),
        "DeleteTransitGatewayVpcAttachment" => links::detach_transit(cx, request),
        "CreateVpnGateway" => links::create_vpn(cx, request),
        "AttachVpnGateway" => links::attach_vpn(cx, request),
        "DescribeVpnGateways" => links::describe_vpns(cx, request),
        "DetachVpnGateway" => links::detach_vpn(cx, request),
        "DeleteVpnGateway" => links::delete_vpn(cx, request),
        "CreateEgressOnlyInternetGateway" => links::create_egress(cx, request),
        "DescribeEgressOnlyInternetGateways" => links::describe_egress(cx, request),
        "DeleteEgressOnlyInternetGateway" => links::delete_egress(cx, request),
        "DescribeKeyPairs" => account::none(&account::KEY_PAIRS, request),
        other => Err(fail("InvalidAction", format!("The action {other} is not valid for this web service."))),
    }
}
