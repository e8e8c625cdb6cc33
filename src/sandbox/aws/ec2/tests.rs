//! Rules of EC2, tried at the service's own door without HTTP.

use super::*;
use crate::sandbox::{
    aws::{Caller, Params},
    world::{Birth, NoLog, Settings, World},
};
use std::{collections::BTreeMap, time::Duration};

/// One account's EC2 in us-east-1, and its clock.
pub(crate) struct Rig {
    pub(crate) world: World,
    pub(crate) scope: Scope,
    now: Timestamp,
}

impl Rig {
    /// A world with the built-in objects in place and no read lag.
    pub(crate) fn new() -> Self {
        Self::with(Settings { read_lag_ms: (0, 0), ..Settings::default() })
    }

    pub(crate) fn with(settings: Settings) -> Self {
        let epoch: Timestamp = "2026-11-20T12:00:00Z".parse().expect("valid");
        let birth = Birth { version: 1, id: "00000007".to_owned(), seed: 7, epoch, settings };
        let world = World::create(birth, Box::new(NoLog)).expect("a log that forgets does not fail");
        let mut rig = Self { world, scope: Scope::new("123456789012", "us-east-1"), now: epoch };
        rig.within(|tx, scope| Ec2Service.furnish(tx, scope));
        rig
    }

    pub(crate) fn within<R>(&mut self, work: impl FnOnce(&mut Tx<'_>, &Scope) -> R) -> R {
        let scope = self.scope.clone();
        let mut tx = self.world.begin(self.now);
        let result = work(&mut tx, &scope);
        tx.commit().expect("a log that forgets does not fail");
        result
    }

    pub(crate) fn wait(&mut self, secs: u64) {
        self.now += Duration::from_secs(secs);
        let happen = |tx: &mut Tx<'_>, object: &Object, what: &str| Ec2Service.due(tx, object, what);
        self.world.advance(self.now, happen).expect("a log that forgets does not fail");
    }

    /// Calls an action with `A=1&B.1=2`; the tree of its reply.
    pub(crate) fn call(&mut self, op: &str, query: &str) -> Result<Value, ApiError> {
        let pairs: Vec<(String, String)> = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .collect();
        let scope = self.scope.clone();
        let mut tx = self.world.begin(self.now);
        let request = actions().read(op, &pairs)?;
        let reply = answer(&mut Ec2::new(&mut tx, &scope), request)?;
        tx.commit().expect("a log that forgets does not fail");
        Ok(reply)
    }

    pub(crate) fn ok(&mut self, op: &str, query: &str) -> Value {
        self.call(op, query).unwrap_or_else(|error| panic!("{op} {query}: {} {}", error.code, error.message))
    }

    /// The id at this place of the reply.
    pub(crate) fn id(&mut self, op: &str, query: &str, pointer: &str) -> String {
        let reply = self.ok(op, query);
        reply
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_else(|| panic!("{op}: no {pointer} in {reply}"))
            .to_owned()
    }

    pub(crate) fn refused(&mut self, op: &str, query: &str) -> String {
        match self.call(op, query) {
            Err(error) => error.code,
            Ok(reply) => panic!("{op} {query} should be refused: {reply}"),
        }
    }

    pub(crate) fn vpc(&mut self) -> String {
        self.id("CreateVpc", "CidrBlock=10.0.0.0/16", "/vpc/vpcId")
    }

    pub(crate) fn subnet(&mut self, vpc: &str, cidr: &str, zone: &str) -> String {
        let query = format!("VpcId={vpc}&CidrBlock={cidr}&AvailabilityZone={zone}");
        self.id("CreateSubnet", &query, "/subnet/subnetId")
    }

    /// A VPC with an attached gateway, a subnet and an address.
    fn edge(&mut self) -> (String, String, String, String) {
        let vpc = self.vpc();
        let gateway = self.id("CreateInternetGateway", "", "/internetGateway/internetGatewayId");
        self.ok("AttachInternetGateway", &format!("InternetGatewayId={gateway}&VpcId={vpc}"));
        let subnet = self.subnet(&vpc, "10.0.0.0/24", "us-east-1a");
        let address = self.id("AllocateAddress", "Domain=vpc", "/allocationId");
        (vpc, gateway, subnet, address)
    }

    fn nat(&mut self, subnet: &str, address: &str) -> String {
        let query = format!("SubnetId={subnet}&AllocationId={address}&ClientToken=t-{subnet}");
        self.id("CreateNatGateway", &query, "/natGateway/natGatewayId")
    }
}

#[test]
fn every_action_of_the_table_is_answered_through_the_door() {
    let mut rig = Rig::new();
    let scope = rig.scope.clone();
    let caller = Caller {
        account: scope.account.clone(),
        arn: "arn:aws:iam::123456789012:user/sandbox".to_owned(),
        user_id: "AIDA".to_owned(),
    };
    let mut tx = rig.world.begin("2026-11-20T12:00:00Z".parse().expect("valid"));
    let pairs =
        vec![("Filter.1.Name".to_owned(), "is-default".to_owned()), ("Filter.1.Value.1".to_owned(), "true".to_owned())];
    let mut cx = CallCx {
        op: "DescribeVpcs",
        version: Some("2016-11-15"),
        params: Params::new(pairs, "MissingParameter", "InvalidParameterValue"),
        path: BTreeMap::new(),
        body: b"",
        caller: &caller,
        scope,
        request_id: "r",
        tx: &mut tx,
    };
    let Ok(Reply::Xml(xml)) = Ec2Service.call(&mut cx) else { panic!("answered in XML") };
    let mut text = String::new();
    xml.write(&mut text);
    assert!(
        text.contains("<isDefault>true</isDefault>") && text.contains("<cidrBlock>172.31.0.0/16</cidrBlock>"),
        "{text}"
    );
    assert_eq!(cx.params.unread(), None);
    cx.op = "DescribeCoffee";
    assert_eq!(Ec2Service.call(&mut cx).expect_err("no such action").code, "InvalidAction");
}

#[test]
fn no_action_of_the_table_is_left_without_an_answer() {
    let mut rig = Rig::new();
    for op in include_str!("actions.txt").lines().filter_map(|line| line.split(' ').next()) {
        let request = Request::bare(op);
        let scope = rig.scope.clone();
        let outcome = rig.within(|tx, _| answer(&mut Ec2::new(tx, &scope), request));
        assert!(outcome.err().is_none_or(|error| error.code != "InvalidAction"), "{op} has no handler");
    }
}

#[test]
fn a_dry_run_changes_nothing() {
    let mut rig = Rig::new();
    let request = actions().read("CreateVpc", &[("DryRun".to_owned(), "true".to_owned())]).expect("valid");
    assert!(request.dry_run);
    assert_eq!(rig.ok("DescribeVpcs", "")["vpcSet"].as_array().map(Vec::len), Some(1));
}

#[test]
fn vpcs_have_ranges_limits_and_a_moment_of_pending() {
    let mut rig = Rig::new();
    assert_eq!(rig.refused("CreateVpc", "CidrBlock=10.0.0.0/8"), "InvalidVpc.Range");
    assert_eq!(rig.refused("CreateVpc", "CidrBlock=ten"), "InvalidParameterValue");
    assert_eq!(rig.refused("CreateVpc", "InstanceTenancy=default"), "MissingParameter");
    let vpc = rig.vpc();
    let state = |rig: &mut Rig| rig.id("DescribeVpcs", &format!("VpcId.1={vpc}"), "/vpcSet/0/state");
    assert_eq!(state(&mut rig), "pending");
    rig.wait(5);
    assert_eq!(state(&mut rig), "available");
    (0..3).for_each(|_| drop(rig.vpc()));
    assert_eq!(rig.refused("CreateVpc", "CidrBlock=10.0.0.0/16"), "VpcLimitExceeded");
    rig.ok("DeleteVpc", &format!("VpcId={vpc}"));
    assert_eq!(rig.refused("DeleteVpc", &format!("VpcId={vpc}")), "InvalidVpcID.NotFound");
    assert_eq!(rig.refused("DescribeVpcs", "VpcId.1=vpc"), "InvalidVpcId.Malformed");
}

#[test]
fn attributes_change_one_at_a_time() {
    let mut rig = Rig::new();
    let vpc = rig.vpc();
    let both = format!("VpcId={vpc}&EnableDnsHostnames.Value=true&EnableDnsSupport.Value=true");
    assert_eq!(rig.refused("ModifyVpcAttribute", &both), "InvalidParameterCombination");
    rig.ok("ModifyVpcAttribute", &format!("VpcId={vpc}&EnableDnsHostnames.Value=true"));
    let read = rig.ok("DescribeVpcAttribute", &format!("VpcId={vpc}&Attribute=enableDnsHostnames"));
    assert_eq!(read["enableDnsHostnames"]["value"], true);
}

#[test]
fn subnets_stay_inside_and_apart() {
    let mut rig = Rig::new();
    let vpc = rig.vpc();
    let subnet = rig.subnet(&vpc, "10.0.0.0/24", "us-east-1a");
    let make = |cidr: &str, zone: &str| format!("VpcId={vpc}&CidrBlock={cidr}&AvailabilityZone={zone}");
    assert_eq!(rig.refused("CreateSubnet", &make("10.0.0.128/25", "us-east-1b")), "InvalidSubnet.Conflict");
    assert_eq!(rig.refused("CreateSubnet", &make("10.1.0.0/24", "us-east-1b")), "InvalidSubnet.Range");
    assert_eq!(rig.refused("CreateSubnet", &make("10.0.1.0/29", "us-east-1b")), "InvalidSubnet.Range");
    assert_eq!(rig.refused("CreateSubnet", &make("10.0.1.0/24", "us-east-1z")), "InvalidParameterValue");
    assert_eq!(rig.refused("DeleteVpc", &format!("VpcId={vpc}")), "DependencyViolation");
    let row = rig.ok("DescribeSubnets", &format!("SubnetId.1={subnet}"))["subnetSet"][0].clone();
    assert_eq!((&row["availableIpAddressCount"], &row["mapPublicIpOnLaunch"]), (&251.into(), &false.into()));
    rig.ok("ModifySubnetAttribute", &format!("SubnetId={subnet}&MapPublicIpOnLaunch.Value=true"));
    let filter = format!(
        "Filter.1.Name=map-public-ip-on-launch&Filter.1.Value.1=true&Filter.2.Name=vpc-id&Filter.2.Value.1={vpc}"
    );
    assert_eq!(rig.ok("DescribeSubnets", &filter)["subnetSet"].as_array().map(Vec::len), Some(1));
}

#[test]
fn nat_gateways_take_minutes_and_hold_everything_they_touch() {
    let mut rig = Rig::new();
    let (vpc, gateway, subnet, address) = rig.edge();
    let nat = rig.nat(&subnet, &address);
    // The same token gives the same gateway; other parameters under it are refused.
    assert_eq!(rig.nat(&subnet, &address), nat);
    let other = format!("SubnetId={subnet}&AllocationId=eipalloc-00000000&ClientToken=t-{subnet}");
    assert_eq!(rig.refused("CreateNatGateway", &other), "IdempotentParameterMismatch");
    let table = rig.id("CreateRouteTable", &format!("VpcId={vpc}"), "/routeTable/routeTableId");
    let route = format!("RouteTableId={table}&DestinationCidrBlock=0.0.0.0/0&NatGatewayId={nat}");
    assert_eq!(rig.refused("CreateRoute", &route), "InvalidNatGatewayID.NotFound");
    assert_eq!(rig.refused("ReleaseAddress", &format!("AllocationId={address}")), "AuthFailure");
    rig.wait(200);
    let shown = rig.ok("DescribeNatGateways", &format!("NatGatewayId.1={nat}"))["natGatewaySet"][0].clone();
    assert_eq!(shown["state"], "available");
    assert_eq!(shown["natGatewayAddressSet"][0]["allocationId"], address.as_str());
    rig.ok("CreateRoute", &route);
    assert_eq!(rig.refused("CreateRoute", &route), "RouteAlreadyExists");
    assert_eq!(rig.refused("ReleaseAddress", &format!("AllocationId={address}")), "AuthFailure");
    let detach = format!("InternetGatewayId={gateway}&VpcId={vpc}");
    assert_eq!(rig.refused("DetachInternetGateway", &detach), "DependencyViolation");
    assert_eq!(rig.refused("DeleteSubnet", &format!("SubnetId={subnet}")), "DependencyViolation");
    rig.ok("DeleteNatGateway", &format!("NatGatewayId={nat}"));
    assert_eq!(rig.refused("ReleaseAddress", &format!("AllocationId={address}")), "AuthFailure");
    let state =
        |rig: &mut Rig| rig.id("DescribeNatGateways", &format!("NatGatewayId.1={nat}"), "/natGatewaySet/0/state");
    while state(&mut rig) != "deleted" {
        rig.wait(1);
    }
    assert_eq!(rig.refused("ReleaseAddress", &format!("AllocationId={address}")), "AuthFailure", "it lets go late");
    rig.wait(5);
    assert_eq!(rig.refused("DeleteNatGateway", &format!("NatGatewayId={nat}")), "NatGatewayNotFound");
    rig.ok("ReleaseAddress", &format!("AllocationId={address}"));
    rig.ok("DetachInternetGateway", &detach);
    rig.ok("DeleteSubnet", &format!("SubnetId={subnet}"));
    let table_row = rig.ok("DescribeRouteTables", &format!("RouteTableId.1={table}"))["routeTableSet"][0].clone();
    assert_eq!(table_row["routeSet"][1]["state"], "blackhole");
    rig.ok("DeleteRouteTable", &format!("RouteTableId={table}"));
    rig.ok("DeleteVpc", &format!("VpcId={vpc}"));
    rig.wait(3_700);
    assert_eq!(rig.refused("DescribeNatGateways", &format!("NatGatewayId.1={nat}")), "NatGatewayNotFound");
}

#[test]
fn a_nat_gateway_without_a_way_out_fails_later() {
    let mut rig = Rig::new();
    let vpc = rig.vpc();
    let subnet = rig.subnet(&vpc, "10.0.0.0/24", "us-east-1a");
    let address = rig.id("AllocateAddress", "Domain=vpc", "/allocationId");
    let nat = rig.nat(&subnet, &address);
    rig.wait(90);
    let shown = rig.ok("DescribeNatGateways", &format!("NatGatewayId.1={nat}"))["natGatewaySet"][0].clone();
    assert_eq!((&shown["state"], &shown["failureCode"]), (&"failed".into(), &"Gateway.NotAttached".into()));
    rig.ok("ReleaseAddress", &format!("AllocationId={address}"));
    rig.ok("DeleteSubnet", &format!("SubnetId={subnet}"));
}

#[test]
fn two_nat_gateways_cannot_share_an_address() {
    let mut rig = Rig::new();
    let (vpc, _, first, address) = rig.edge();
    let second = rig.subnet(&vpc, "10.0.1.0/24", "us-east-1b");
    rig.nat(&first, &address);
    let loser = rig.nat(&second, &address);
    rig.wait(200);
    let shown = rig.ok("DescribeNatGateways", &format!("NatGatewayId.1={loser}"))["natGatewaySet"][0].clone();
    assert_eq!(shown["failureCode"], "Resource.AlreadyAssociated");
    assert_eq!(rig.refused("ReleaseAddress", &format!("AllocationId={address}")), "AuthFailure");
}

#[test]
fn addresses_are_five() {
    let mut rig = Rig::new();
    (0..5).for_each(|_| drop(rig.ok("AllocateAddress", "Domain=vpc")));
    assert_eq!(rig.refused("AllocateAddress", "Domain=vpc"), "AddressLimitExceeded");
}

#[test]
fn gateways_attach_once() {
    let mut rig = Rig::new();
    let (vpc, gateway, ..) = rig.edge();
    let pair = format!("InternetGatewayId={gateway}&VpcId={vpc}");
    assert_eq!(rig.refused("AttachInternetGateway", &pair), "Resource.AlreadyAssociated");
    assert_eq!(rig.refused("DeleteInternetGateway", &format!("InternetGatewayId={gateway}")), "DependencyViolation");
    rig.ok("DetachInternetGateway", &pair);
    assert_eq!(rig.refused("DetachInternetGateway", &pair), "Gateway.NotAttached");
    rig.ok("DeleteInternetGateway", &format!("InternetGatewayId={gateway}"));
}

#[test]
fn a_subnet_has_one_route_table_and_the_main_one_stays() {
    let mut rig = Rig::new();
    let (vpc, gateway, subnet, _) = rig.edge();
    let make = format!("VpcId={vpc}&ClientToken=one");
    let first = rig.id("CreateRouteTable", &make, "/routeTable/routeTableId");
    assert_eq!(rig.id("CreateRouteTable", &make, "/routeTable/routeTableId"), first);
    let second = rig.id("CreateRouteTable", &format!("VpcId={vpc}&ClientToken=two"), "/routeTable/routeTableId");
    let bind = |table: &str| format!("RouteTableId={table}&SubnetId={subnet}");
    let bound = rig.id("AssociateRouteTable", &bind(&first), "/associationId");
    assert_eq!(rig.id("AssociateRouteTable", &bind(&first), "/associationId"), bound);
    assert_eq!(rig.refused("AssociateRouteTable", &bind(&second)), "Resource.AlreadyAssociated");
    assert_eq!(rig.refused("DeleteRouteTable", &format!("RouteTableId={first}")), "DependencyViolation");
    rig.ok("DisassociateRouteTable", &format!("AssociationId={bound}"));
    assert_eq!(
        rig.refused("DisassociateRouteTable", &format!("AssociationId={bound}")),
        "InvalidAssociationID.NotFound"
    );
    rig.ok("DeleteRouteTable", &format!("RouteTableId={first}"));
    let query =
        format!("Filter.1.Name=vpc-id&Filter.1.Value.1={vpc}&Filter.2.Name=association.main&Filter.2.Value.1=true");
    let main = rig.id("DescribeRouteTables", &query, "/routeTableSet/0/routeTableId");
    assert_eq!(rig.refused("DeleteRouteTable", &format!("RouteTableId={main}")), "DependencyViolation");
    let inside = format!("RouteTableId={second}&DestinationCidrBlock=10.0.9.0/24&GatewayId={gateway}");
    assert_eq!(rig.refused("CreateRoute", &inside), "InvalidParameterValue");
    let local = format!("RouteTableId={second}&DestinationCidrBlock=10.0.0.0/16&GatewayId={gateway}");
    assert_eq!(rig.refused("CreateRoute", &local), "RouteAlreadyExists");
    let elsewhere = rig.vpc();
    let foreign = rig.id("CreateRouteTable", &format!("VpcId={elsewhere}"), "/routeTable/routeTableId");
    let out = format!("RouteTableId={foreign}&DestinationCidrBlock=0.0.0.0/0&GatewayId={gateway}");
    assert_eq!(rig.refused("CreateRoute", &out), "InvalidParameterValue");
}

#[test]
fn security_groups_hold_on_to_each_other() {
    let mut rig = Rig::new();
    let vpc = rig.vpc();
    let make = |name: &str| format!("GroupName={name}&GroupDescription=x&VpcId={vpc}");
    let a = rig.id("CreateSecurityGroup", &make("a"), "/groupId");
    let b = rig.id("CreateSecurityGroup", &make("b"), "/groupId");
    assert_eq!(rig.refused("CreateSecurityGroup", &make("a")), "InvalidGroup.Duplicate");
    let from_b = format!(
        "GroupId={a}&IpPermissions.1.IpProtocol=tcp&IpPermissions.1.FromPort=443&IpPermissions.1.ToPort=443&IpPermissions.1.Groups.1.GroupId={b}"
    );
    let rule = rig.id("AuthorizeSecurityGroupIngress", &from_b, "/securityGroupRuleSet/0/securityGroupRuleId");
    assert_eq!(rig.refused("AuthorizeSecurityGroupIngress", &from_b), "InvalidPermission.Duplicate");
    assert_eq!(rig.refused("DeleteSecurityGroup", &format!("GroupId={b}")), "DependencyViolation");
    rig.ok("RevokeSecurityGroupIngress", &format!("GroupId={a}&SecurityGroupRuleId.1={rule}"));
    assert_eq!(rig.refused("RevokeSecurityGroupIngress", &from_b), "InvalidPermission.NotFound");
    rig.ok("DeleteSecurityGroup", &format!("GroupId={b}"));
    let query =
        format!("Filter.1.Name=vpc-id&Filter.1.Value.1={vpc}&Filter.2.Name=group-name&Filter.2.Value.1=default");
    let default = rig.id("DescribeSecurityGroups", &query, "/securityGroupInfo/0/groupId");
    assert_eq!(rig.refused("DeleteSecurityGroup", &format!("GroupId={default}")), "CannotDelete");
    let no_ports = format!("GroupId={a}&IpPermissions.1.IpProtocol=tcp&IpPermissions.1.IpRanges.1.CidrIp=0.0.0.0/0");
    assert_eq!(rig.refused("AuthorizeSecurityGroupIngress", &no_ports), "InvalidParameterValue");
}

#[test]
fn interfaces_block_groups_and_subnets() {
    let mut rig = Rig::new();
    let vpc = rig.vpc();
    let subnet = rig.subnet(&vpc, "10.0.0.0/24", "us-east-1a");
    let group = rig.id("CreateSecurityGroup", &format!("GroupName=g&GroupDescription=x&VpcId={vpc}"), "/groupId");
    let make = format!("SubnetId={subnet}&SecurityGroupId.1={group}&Description=aws-K8S-i-0&ClientToken=t");
    let eni = rig.id("CreateNetworkInterface", &make, "/networkInterface/networkInterfaceId");
    assert_eq!(rig.id("CreateNetworkInterface", &make, "/networkInterface/networkInterfaceId"), eni);
    let query = "Filter.1.Name=description&Filter.1.Value.1=aws-K8S-*&Filter.2.Name=status&Filter.2.Value.1=available";
    assert_eq!(rig.id("DescribeNetworkInterfaces", query, "/networkInterfaceSet/0/networkInterfaceId"), eni);
    assert_eq!(rig.refused("DeleteSecurityGroup", &format!("GroupId={group}")), "DependencyViolation");
    assert_eq!(rig.refused("DeleteSubnet", &format!("SubnetId={subnet}")), "DependencyViolation");
    rig.ok("DeleteNetworkInterface", &format!("NetworkInterfaceId={eni}"));
    rig.ok("DeleteSecurityGroup", &format!("GroupId={group}"));
    rig.ok("DeleteSubnet", &format!("SubnetId={subnet}"));
}

#[test]
fn tags_come_with_the_call_and_are_found() {
    let mut rig = Rig::new();
    let tagged = "CidrBlock=10.0.0.0/16&TagSpecification.1.ResourceType=vpc&TagSpecification.1.Tag.1.Key=stack&TagSpecification.1.Tag.1.Value=demo-1";
    let vpc = rig.id("CreateVpc", tagged, "/vpc/vpcId");
    let find = "Filter.1.Name=tag:stack&Filter.1.Value.1=demo-1";
    assert_eq!(rig.id("DescribeVpcs", find, "/vpcSet/0/vpcId"), vpc);
    assert_eq!(rig.refused("CreateVpc", &tagged.replace("=vpc&", "=subnet&")), "InvalidParameterValue");
    assert_eq!(rig.refused("CreateVpc", &tagged.replace("=stack", "=aws:stack")), "InvalidParameterValue");
    assert_eq!(rig.refused("DescribeVpcs", "Filter.1.Name=colour&Filter.1.Value.1=red"), "InvalidParameterValue");
    rig.ok("CreateTags", &format!("ResourceId.1={vpc}&Tag.1.Key=more&Tag.1.Value=1"));
    rig.ok("DeleteTags", &format!("ResourceId.1={vpc}&Tag.1.Key=stack&Tag.1.Value=other"));
    assert_eq!(
        rig.ok("DescribeTags", &format!("Filter.1.Name=resource-id&Filter.1.Value.1={vpc}"))["tagSet"]
            .as_array()
            .map(Vec::len),
        Some(2)
    );
    rig.ok("DeleteTags", &format!("ResourceId.1={vpc}&Tag.1.Key=stack"));
    assert_eq!(rig.ok("DescribeVpcs", find)["vpcSet"].as_array().map(Vec::len), Some(0));
    assert_eq!(
        rig.refused("CreateTags", "ResourceId.1=vpc-00000000&Tag.1.Key=a&Tag.1.Value=b"),
        "InvalidVpcID.NotFound"
    );
}

#[test]
fn searches_lag_behind_and_ids_a_little() {
    let mut rig = Rig::with(Settings { read_lag_ms: (9_000, 9_000), ..Settings::default() });
    let vpc = rig.vpc();
    let by_id = format!("VpcId.1={vpc}");
    let search = "Filter.1.Name=is-default&Filter.1.Value.1=false";
    assert_eq!(rig.refused("DescribeVpcs", &by_id), "InvalidVpcID.NotFound");
    rig.wait(4);
    rig.ok("DescribeVpcs", &by_id);
    assert_eq!(rig.ok("DescribeVpcs", search)["vpcSet"].as_array().map(Vec::len), Some(0));
    rig.wait(6);
    assert_eq!(rig.ok("DescribeVpcs", search)["vpcSet"].as_array().map(Vec::len), Some(1));
}

#[test]
fn a_gateway_endpoint_lives_in_its_route_tables() {
    let mut rig = Rig::new();
    let vpc = rig.vpc();
    let table = rig.id("CreateRouteTable", &format!("VpcId={vpc}"), "/routeTable/routeTableId");
    let make = format!("VpcId={vpc}&ServiceName=com.amazonaws.us-east-1.s3&RouteTableId.1={table}&ClientToken=t");
    let endpoint = rig.id("CreateVpcEndpoint", &make, "/vpcEndpoint/vpcEndpointId");
    assert_eq!(rig.id("CreateVpcEndpoint", &make, "/vpcEndpoint/vpcEndpointId"), endpoint);
    assert_eq!(rig.refused("CreateVpcEndpoint", &make.replace("=t", "=u")), "RouteAlreadyExists");
    let routes = rig.ok("DescribeRouteTables", &format!("RouteTableId.1={table}"));
    assert_eq!(routes["routeTableSet"][0]["routeSet"][1]["gatewayId"], endpoint.as_str());
    assert_eq!(rig.refused("DeleteVpc", &format!("VpcId={vpc}")), "DependencyViolation");
    rig.ok("DeleteVpcEndpoints", &format!("VpcEndpointId.1={endpoint}"));
    let again = rig.ok("DeleteVpcEndpoints", &format!("VpcEndpointId.1={endpoint}"));
    assert_eq!(again["unsuccessful"][0]["error"]["code"], "InvalidVpcEndpointId.NotFound");
}

#[test]
fn the_zones_of_an_account_carry_ids() {
    let mut rig = Rig::new();
    let rows = rig.ok("DescribeAvailabilityZones", "")["availabilityZoneInfo"].as_array().cloned().unwrap_or_default();
    assert_eq!(rows.len(), 6);
    assert!(rows.iter().any(|row| row["zoneId"] == "use1-az3"));
    let all = rig.ok(
        "DescribeAvailabilityZones",
        "AllAvailabilityZones=true&Filter.1.Name=zone-type&Filter.1.Value.1=local-zone",
    );
    assert_eq!(all["availabilityZoneInfo"].as_array().map(Vec::len), Some(1));
    assert_eq!(rig.refused("DescribeAvailabilityZones", "ZoneName.1=us-east-1z"), "InvalidParameterValue");
}

const TEMPLATE: &str = "LaunchTemplateName=kw-demo&ClientToken=t&LaunchTemplateData.BlockDeviceMapping.1.DeviceName=/dev/xvda\
    &LaunchTemplateData.BlockDeviceMapping.1.Ebs.VolumeSize=50&LaunchTemplateData.BlockDeviceMapping.1.Ebs.VolumeType=gp3\
    &LaunchTemplateData.MetadataOptions.HttpTokens=required&LaunchTemplateData.TagSpecification.1.ResourceType=volume\
    &LaunchTemplateData.TagSpecification.1.Tag.1.Key=stack&LaunchTemplateData.TagSpecification.1.Tag.1.Value=demo";

#[test]
fn launch_templates_have_names_versions_and_tokens() {
    let mut rig = Rig::new();
    let id = rig.id("CreateLaunchTemplate", TEMPLATE, "/launchTemplate/launchTemplateId");
    assert_eq!(rig.id("CreateLaunchTemplate", TEMPLATE, "/launchTemplate/launchTemplateId"), id);
    let other = TEMPLATE.replace("ClientToken=t", "ClientToken=u");
    assert_eq!(rig.refused("CreateLaunchTemplate", &other), "InvalidLaunchTemplateName.AlreadyExistsException");
    assert_eq!(
        rig.refused("CreateLaunchTemplate", &TEMPLATE.replace("VolumeSize=50", "VolumeSize=60")),
        "IdempotentParameterMismatch"
    );
    let bad = other.replace("kw-demo", "kw-2").replace("ResourceType=volume", "ResourceType=subnet");
    assert_eq!(rig.refused("CreateLaunchTemplate", &bad), "InvalidParameterValue");
    assert_eq!(
        rig.refused("CreateLaunchTemplate", "LaunchTemplateName=kw-3&LaunchTemplateData.UserData=*"),
        "InvalidUserData.Malformed"
    );
    assert_eq!(
        rig.refused("CreateLaunchTemplate", "LaunchTemplateName=k&LaunchTemplateData.ImageId=ami-1"),
        "InvalidLaunchTemplateName.MalformedException"
    );
    let version = format!("LaunchTemplateId={id}&SourceVersion=1&LaunchTemplateData.InstanceType=m6a.large");
    rig.ok("CreateLaunchTemplateVersion", &version);
    let row =
        rig.ok("DescribeLaunchTemplateVersions", &format!("LaunchTemplateId={id}&LaunchTemplateVersion.1=$Latest"));
    let data = &row["launchTemplateVersionSet"][0]["launchTemplateData"];
    assert_eq!(data["instanceType"], "m6a.large");
    assert_eq!(data["blockDeviceMappingSet"][0]["ebs"]["volumeSize"], 50);
    assert_eq!(data["tagSpecificationSet"][0]["tagSet"][0]["value"], "demo");
    assert_eq!(
        rig.refused("DescribeLaunchTemplateVersions", &format!("LaunchTemplateId={id}&LaunchTemplateVersion.1=9")),
        "InvalidLaunchTemplateId.VersionNotFound"
    );
    rig.ok("DeleteLaunchTemplate", "LaunchTemplateName=kw-demo");
    assert_eq!(
        rig.refused("DeleteLaunchTemplate", &format!("LaunchTemplateId={id}")),
        "InvalidLaunchTemplateId.NotFound"
    );
}

fn launch(rig: &mut Rig, subnet: &str, kind: &str) -> Result<inside::Launched, ApiError> {
    let request = inside::LaunchRequest {
        subnet,
        instance_type: kind,
        image: "ami-00000000000000000",
        spot: false,
        groups: &[],
        disk_gib: 50,
        instance_tags: BTreeMap::from([("eks:cluster-name".to_owned(), "demo".to_owned())]),
        volume_tags: BTreeMap::from([("stack".to_owned(), "demo".to_owned())]),
        interface_tags: BTreeMap::new(),
        profile: None,
    };
    rig.within(|tx, scope| inside::launch(tx, scope, request))
}

#[test]
fn machines_come_with_a_disk_and_an_interface_and_take_them_along() {
    let mut rig = Rig::new();
    let vpc = rig.vpc();
    let subnet = rig.subnet(&vpc, "10.0.0.0/24", "us-east-1a");
    let node = launch(&mut rig, &subnet, "m6a.large").expect("there is room");
    rig.wait(60);
    let query = "Filter.1.Name=tag:eks:cluster-name&Filter.1.Value.1=demo&Filter.2.Name=instance-state-name&Filter.2.Value.1=running";
    assert_eq!(rig.id("DescribeInstances", query, "/reservationSet/0/instancesSet/0/instanceId"), node.id);
    let shown =
        rig.ok("DescribeInstances", query)["reservationSet"][0]["instancesSet"][0]["networkInterfaceSet"][0].clone();
    assert!(shown["networkInterfaceId"].is_string() && shown.get("requesterManaged").is_none(), "{shown}");
    let disk = rig.id("DescribeVolumes", "Filter.1.Name=tag:stack&Filter.1.Value.1=demo", "/volumeSet/0/volumeId");
    assert_eq!(rig.refused("DeleteVolume", &format!("VolumeId={disk}")), "VolumeInUse");
    assert_eq!(rig.refused("DeleteSubnet", &format!("SubnetId={subnet}")), "DependencyViolation");
    let by_instance = format!("Filter.1.Name=attachment.instance-id&Filter.1.Value.1={}", node.id);
    let eni = rig.ok("DescribeNetworkInterfaces", &by_instance)["networkInterfaceSet"][0].clone();
    let eni_id = eni["networkInterfaceId"].as_str().expect("an id");
    assert_eq!(rig.refused("DeleteNetworkInterface", &format!("NetworkInterfaceId={eni_id}")), "InvalidParameterValue");
    let detach = format!("AttachmentId={}", eni["attachment"]["attachmentId"].as_str().expect("an id"));
    assert_eq!(rig.refused("DetachNetworkInterface", &detach), "OperationNotPermitted");
    let gone = rig.ok("TerminateInstances", &format!("InstanceId.1={}", node.id));
    assert_eq!(gone["instancesSet"][0]["currentState"]["name"], "shutting-down");
    assert_eq!(rig.refused("DeleteSubnet", &format!("SubnetId={subnet}")), "DependencyViolation");
    rig.wait(90);
    rig.ok("DeleteSubnet", &format!("SubnetId={subnet}"));
    assert_eq!(rig.refused("DescribeVolumes", &format!("VolumeId.1={disk}")), "InvalidVolume.NotFound");
    let state = "/reservationSet/0/instancesSet/0/instanceState/name";
    assert_eq!(rig.id("DescribeInstances", &format!("InstanceId.1={}", node.id), state), "terminated");
}

#[test]
fn machines_are_refused_for_quota_stock_and_zone() {
    let quotas = [("ec2/L-1216C47A", 4.0), ("capacity/us-east-1b/t3.medium", 1.0)];
    let quotas = quotas.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
    let mut rig = Rig::with(Settings { read_lag_ms: (0, 0), quotas, ..Settings::default() });
    let vpc = rig.vpc();
    let (here, old) = (rig.subnet(&vpc, "10.0.0.0/24", "us-east-1b"), rig.subnet(&vpc, "10.0.1.0/24", "us-east-1e"));
    let code = |result: Result<inside::Launched, ApiError>| result.expect_err("refused").code;
    assert_eq!(code(launch(&mut rig, &old, "m6a.large")), "Unsupported");
    assert_eq!(code(launch(&mut rig, &here, "m99.large")), "InvalidParameterValue");
    launch(&mut rig, &here, "t3.medium").expect("one is left");
    assert_eq!(code(launch(&mut rig, &here, "t3.medium")), "InsufficientInstanceCapacity");
    launch(&mut rig, &here, "m6a.large").expect("four vCPUs");
    assert_eq!(code(launch(&mut rig, &here, "m6a.large")), "VcpuLimitExceeded");
}

#[test]
fn run_instances_honours_its_token_and_the_image() {
    let mut rig = Rig::new();
    let vpc = rig.vpc();
    let subnet = rig.subnet(&vpc, "10.0.0.0/24", "us-east-1a");
    let images = crate::sandbox::aws::ssm::images("us-east-1");
    let image = &images.iter().find(|image| image.arch == "x86_64").expect("there are images").id;
    let run = |kind: &str| {
        format!("ImageId={image}&InstanceType={kind}&MinCount=1&MaxCount=2&SubnetId={subnet}&ClientToken={kind}")
    };
    let first = rig.id("RunInstances", &run("t3.micro"), "/instancesSet/1/instanceId");
    assert_eq!(rig.id("RunInstances", &run("t3.micro"), "/instancesSet/1/instanceId"), first);
    assert_eq!(rig.refused("RunInstances", &run("t4g.micro")), "InvalidParameterValue");
    let unknown = run("t3.micro").replace(image.as_str(), "ami-0000000000000000f");
    assert_eq!(rig.refused("RunInstances", &unknown.replace("Token=t3", "Token=x3")), "InvalidAMIID.NotFound");
}

#[test]
fn machine_types_are_paged_and_offered_by_zone() {
    let mut rig = Rig::new();
    let page = rig.ok("DescribeInstanceTypes", "");
    assert_eq!(page["instanceTypeSet"].as_array().map(Vec::len), Some(100));
    assert!(page["nextToken"].is_string());
    let one = rig.ok("DescribeInstanceTypes", "InstanceType.1=m6a.large");
    let row = &one["instanceTypeSet"][0];
    assert_eq!((&row["vCpuInfo"]["defaultVCpus"], &row["memoryInfo"]["sizeInMiB"]), (&2.into(), &8192.into()));
    assert_eq!(rig.refused("DescribeInstanceTypes", "InstanceType.1=m99.large"), "InvalidInstanceType");
    let zones = "LocationType=availability-zone&Filter.1.Name=instance-type&Filter.1.Value.1=m6a.large";
    let offered = rig.ok("DescribeInstanceTypeOfferings", zones)["instanceTypeOfferingSet"].as_array().map(Vec::len);
    assert_eq!(offered, Some(5), "every zone but the oldest");
}

#[test]
fn volumes_and_snapshots_stay_until_deleted() {
    let mut rig = Rig::new();
    let volume = rig.id("CreateVolume", "AvailabilityZone=us-east-1a&Size=20&VolumeType=gp3", "/volumeId");
    let snapshot = rig.id("CreateSnapshot", &format!("VolumeId={volume}"), "/snapshotId");
    rig.wait(120);
    assert_eq!(rig.id("DescribeSnapshots", "Owner.1=self", "/snapshotSet/0/status"), "completed");
    assert_eq!(rig.id("DescribeVolumes", &format!("VolumeId.1={volume}"), "/volumeSet/0/status"), "available");
    assert_eq!(
        rig.refused("CreateVolume", "AvailabilityZone=us-east-1a&Size=1&VolumeType=st1"),
        "InvalidParameterValue"
    );
    rig.ok("DeleteVolume", &format!("VolumeId={volume}"));
    rig.ok("DeleteSnapshot", &format!("SnapshotId={snapshot}"));
    assert_eq!(rig.refused("DeleteSnapshot", &format!("SnapshotId={snapshot}")), "InvalidSnapshot.NotFound");
}

#[test]
fn nodes_know_whether_they_get_out() {
    let mut rig = Rig::new();
    let (vpc, gateway, public, address) = rig.edge();
    let private = rig.subnet(&vpc, "10.0.1.0/24", "us-east-1b");
    let out = |rig: &mut Rig, subnet: &str| rig.within(|tx, scope| inside::way_out(tx, scope, subnet)).is_ok();
    assert!(!out(&mut rig, &private));
    let table = |rig: &mut Rig, subnet: &str| {
        let table = rig.id("CreateRouteTable", &format!("VpcId={vpc}"), "/routeTable/routeTableId");
        rig.ok("AssociateRouteTable", &format!("RouteTableId={table}&SubnetId={subnet}"));
        table
    };
    let outer = table(&mut rig, &public);
    rig.ok("CreateRoute", &format!("RouteTableId={outer}&DestinationCidrBlock=0.0.0.0/0&GatewayId={gateway}"));
    assert!(!out(&mut rig, &public), "no public addresses yet");
    assert!(rig.within(|tx, scope| inside::public_without_addresses(tx, scope, &public)));
    rig.ok("ModifySubnetAttribute", &format!("SubnetId={public}&MapPublicIpOnLaunch.Value=true"));
    assert!(out(&mut rig, &public));
    let nat = rig.nat(&public, &address);
    rig.wait(200);
    let inner = table(&mut rig, &private);
    rig.ok("CreateRoute", &format!("RouteTableId={inner}&DestinationCidrBlock=0.0.0.0/0&NatGatewayId={nat}"));
    assert!(out(&mut rig, &private));
    rig.ok("DeleteNatGateway", &format!("NatGatewayId={nat}"));
    assert!(!out(&mut rig, &private));
}

#[test]
fn a_service_s_interface_is_nobody_else_s_to_touch() {
    let mut rig = Rig::new();
    let (vpc, gateway, subnet, _) = rig.edge();
    let wish = inside::InterfaceWish {
        subnet: &subnet,
        groups: Vec::new(),
        description: "ELB app/demo/1".to_owned(),
        interface_type: "interface",
        requester: "amazon-elb",
        owner: "amazon-elb",
        tags: BTreeMap::new(),
        public: true,
    };
    let eni = rig.within(|tx, scope| inside::create_requester_interface(tx, scope, wish)).expect("there is room");
    let row =
        rig.ok("DescribeNetworkInterfaces", &format!("NetworkInterfaceId.1={eni}"))["networkInterfaceSet"][0].clone();
    assert_eq!((&row["requesterManaged"], &row["status"]), (&true.into(), &"in-use".into()));
    let attachment = row["attachment"]["attachmentId"].as_str().expect("an id");
    assert_eq!(rig.refused("DetachNetworkInterface", &format!("AttachmentId={attachment}")), "OperationNotPermitted");
    assert_eq!(rig.refused("DeleteNetworkInterface", &format!("NetworkInterfaceId={eni}")), "InvalidParameterValue");
    let detach = format!("InternetGatewayId={gateway}&VpcId={vpc}");
    assert_eq!(rig.refused("DetachInternetGateway", &detach), "DependencyViolation");
    rig.within(|tx, scope| inside::remove_interface(tx, scope, &eni));
    rig.ok("DetachInternetGateway", &detach);
}
