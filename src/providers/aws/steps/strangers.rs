//! What somebody else put into our network or joined to it: read so that it can be named, with its owner and the way
//! to remove it. Nothing here changes anything.

use super::support::{is_of_stack, list};
use crate::engine::StepError;
use crate::model::Stack;
use crate::providers::aws::client::AwsCx;
use crate::providers::aws::error::DENIED;
use crate::providers::aws::tags::{self, Tags, filter};
use aws_sdk_ec2::types::{
    NatGatewayState, TransitGatewayAttachmentState, VpcPeeringConnectionStateReasonCode, VpnState,
};

/// One object in or at a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::providers::aws) struct Stranger {
    /// As plans would name its kind.
    pub kind: &'static str,
    /// Its id.
    pub id: String,
    /// Its tags.
    pub tags: Tags,
    /// What it is and whose, in words, with its id.
    pub words: String,
    /// The command that removes it, for whoever owns it.
    pub removal: String,
}

impl Stranger {
    fn new(kind: &'static str, noun: &str, id: Option<&str>, tags: Tags, removal: impl Fn(&str) -> String) -> Self {
        let id = id.unwrap_or("?").to_owned();
        let name = tags.get("Name").map(|shown| format!(" (`{shown}`)")).unwrap_or_default();
        Self { kind, words: format!("{noun} {id}{name}"), removal: removal(&id), id, tags }
    }

    fn saying(mut self, more: impl std::fmt::Display) -> Self {
        self.words = format!("{} {more}", self.words);
        self
    }

    /// Whether it goes with the stack: tagged by a step of ours, or made by EKS, a controller of the cluster or
    /// GuardDuty, which the teardown sweeps.
    pub(in crate::providers::aws) fn is_going(&self, stack: &Stack, cluster: &str) -> bool {
        is_of_stack(stack, &self.tags)
            || tags::names_cluster(cluster, &self.tags)
            || tags::is_guard_duty(&self.tags)
            || self.tags.contains_key("aws:eks:cluster-name")
    }
}

/// One listing. Each is a read of its own, so that one that is refused does not have the others made again.
#[derive(Debug, Clone, Copy)]
pub(in crate::providers::aws) enum Place {
    Subnets,
    Groups,
    Tables,
    NatGateways,
    InternetGateways,
    /// Peering connections that were asked for from here.
    PeeringsAsked,
    /// Peering connections that were asked for from the other side.
    PeeringsTaken,
    TransitGateways,
    VpnGateways,
    EgressGateways,
}

/// Everything in or at a network that keeps it from going, network interfaces and endpoints aside.
pub(in crate::providers::aws) const PLACES: [Place; 10] = [
    Place::Subnets,
    Place::Groups,
    Place::Tables,
    Place::NatGateways,
    Place::InternetGateways,
    Place::PeeringsAsked,
    Place::PeeringsTaken,
    Place::TransitGateways,
    Place::VpnGateways,
    Place::EgressGateways,
];

impl Place {
    /// What is there, ours as well. No step makes what joins networks, so that not being allowed to look at that stops
    /// nothing.
    pub(in crate::providers::aws) async fn look(self, cx: &AwsCx, vpc: &str) -> Result<Vec<Stranger>, StepError> {
        match self {
            Self::Subnets => subnets(cx, vpc).await,
            Self::Groups => groups(cx, vpc).await,
            Self::Tables => tables(cx, vpc).await,
            Self::NatGateways => nat_gateways(cx, vpc).await,
            Self::InternetGateways => internet_gateways(cx, vpc).await,
            Self::PeeringsAsked => if_allowed(peerings(cx, "requester-vpc-info.vpc-id", vpc).await),
            Self::PeeringsTaken => if_allowed(peerings(cx, "accepter-vpc-info.vpc-id", vpc).await),
            Self::TransitGateways => if_allowed(transit_gateways(cx, vpc).await),
            Self::VpnGateways => if_allowed(vpn_gateways(cx, vpc).await),
            Self::EgressGateways => if_allowed(egress_gateways(cx, vpc).await),
        }
    }
}

/// The command's own region.
fn at(cx: &AwsCx) -> String {
    format!("--region {}", cx.region)
}

async fn subnets(cx: &AwsCx, vpc: &str) -> Result<Vec<Stranger>, StepError> {
    let call = cx.ec2.describe_subnets().filters(filter("vpc-id", vpc)).into_paginator().items().send();
    let remove = |id: &str| format!("aws ec2 delete-subnet {} --subnet-id {id}", at(cx));
    let found = list("ec2:DescribeSubnets", "subnets", call.collect().await)?;
    let named = found
        .iter()
        .map(|it| Stranger::new(super::subnet::KIND, "subnet", it.subnet_id(), tags::from_ec2(it.tags()), remove));
    Ok(named.collect())
}

async fn groups(cx: &AwsCx, vpc: &str) -> Result<Vec<Stranger>, StepError> {
    let call = cx.ec2.describe_security_groups().filters(filter("vpc-id", vpc)).into_paginator().items().send();
    let remove = |id: &str| format!("aws ec2 delete-security-group {} --group-id {id}", at(cx));
    let found = list("ec2:DescribeSecurityGroups", "security groups", call.collect().await)?;
    let named = found.iter().filter(|it| it.group_name() != Some("default")).map(|it| {
        let (kind, tags) = (super::security_group::KIND, tags::from_ec2(it.tags()));
        Stranger::new(kind, "security group", it.group_id(), tags, remove)
    });
    Ok(named.collect())
}

async fn tables(cx: &AwsCx, vpc: &str) -> Result<Vec<Stranger>, StepError> {
    let call = cx.ec2.describe_route_tables().filters(filter("vpc-id", vpc)).into_paginator().items().send();
    let remove = |id: &str| format!("aws ec2 delete-route-table {} --route-table-id {id}", at(cx));
    let found = list("ec2:DescribeRouteTables", "route tables", call.collect().await)?;
    let own = found.iter().filter(|it| !it.associations().iter().any(|tie| tie.main() == Some(true)));
    let named = own.map(|it| {
        let (kind, tags) = (super::route_table::KIND, tags::from_ec2(it.tags()));
        Stranger::new(kind, "route table", it.route_table_id(), tags, remove)
    });
    Ok(named.collect())
}

async fn nat_gateways(cx: &AwsCx, vpc: &str) -> Result<Vec<Stranger>, StepError> {
    use NatGatewayState as State;
    let call = cx.ec2.describe_nat_gateways().filter(filter("vpc-id", vpc)).into_paginator().items().send();
    let remove = |id: &str| format!("aws ec2 delete-nat-gateway {} --nat-gateway-id {id}", at(cx));
    let found = list("ec2:DescribeNatGateways", "NAT gateways", call.collect().await)?;
    // A failed one holds nothing and goes by itself.
    let stands =
        found.iter().filter(|it| !matches!(it.state(), Some(State::Deleted | State::Deleting | State::Failed)));
    let named = stands.map(|it| {
        let (kind, tags) = (super::nat_gateway::KIND, tags::from_ec2(it.tags()));
        Stranger::new(kind, "NAT gateway", it.nat_gateway_id(), tags, remove)
    });
    Ok(named.collect())
}

async fn internet_gateways(cx: &AwsCx, vpc: &str) -> Result<Vec<Stranger>, StepError> {
    let call = cx.ec2.describe_internet_gateways().filters(filter("attachment.vpc-id", vpc));
    let answer = call.into_paginator().items().send().collect().await;
    let remove =
        |id: &str| format!("aws ec2 detach-internet-gateway {} --internet-gateway-id {id} --vpc-id {vpc}", at(cx));
    let found = list("ec2:DescribeInternetGateways", "internet gateways", answer)?;
    let named = found.iter().map(|it| {
        let (kind, tags) = (super::internet_gateway::KIND, tags::from_ec2(it.tags()));
        Stranger::new(kind, "internet gateway", it.internet_gateway_id(), tags, remove)
    });
    Ok(named.collect())
}

async fn peerings(cx: &AwsCx, side: &str, vpc: &str) -> Result<Vec<Stranger>, StepError> {
    use VpcPeeringConnectionStateReasonCode as Code;
    let call = cx.ec2.describe_vpc_peering_connections().filters(filter(side, vpc)).into_paginator().items().send();
    let remove =
        |id: &str| format!("aws ec2 delete-vpc-peering-connection {} --vpc-peering-connection-id {id}", at(cx));
    let found = list("ec2:DescribeVpcPeeringConnections", "peering connections", call.collect().await)?;
    let stands = found.iter().filter(|it| {
        let state = it.status().and_then(|status| status.code());
        !matches!(state, Some(Code::Deleted | Code::Deleting | Code::Rejected | Code::Expired | Code::Failed))
    });
    let named = stands.map(|it| {
        let sides = [it.requester_vpc_info(), it.accepter_vpc_info()].into_iter().flatten();
        let other = sides.into_iter().find(|side| side.vpc_id() != Some(vpc));
        let to = other.map_or_else(String::new, |other| {
            format!("with {} of account {}", other.vpc_id().unwrap_or("?"), other.owner_id().unwrap_or("?"))
        });
        let (id, tags) = (it.vpc_peering_connection_id(), tags::from_ec2(it.tags()));
        Stranger::new("aws/vpc-peering-connection", "VPC peering connection", id, tags, remove).saying(to)
    });
    Ok(named.collect())
}

async fn transit_gateways(cx: &AwsCx, vpc: &str) -> Result<Vec<Stranger>, StepError> {
    use TransitGatewayAttachmentState as State;
    let call = cx.ec2.describe_transit_gateway_vpc_attachments().filters(filter("vpc-id", vpc));
    let answer = call.into_paginator().items().send().collect().await;
    let remove = |id: &str| {
        format!("aws ec2 delete-transit-gateway-vpc-attachment {} --transit-gateway-attachment-id {id}", at(cx))
    };
    let found = list("ec2:DescribeTransitGatewayVpcAttachments", "transit gateway attachments", answer)?;
    let stands =
        found.iter().filter(|it| !matches!(it.state(), Some(State::Deleted | State::Rejected | State::Failed)));
    let named = stands.map(|it| {
        let to = format!("to {}", it.transit_gateway_id().unwrap_or("?"));
        let (id, tags) = (it.transit_gateway_attachment_id(), tags::from_ec2(it.tags()));
        Stranger::new("aws/transit-gateway-attachment", "transit gateway attachment", id, tags, remove).saying(to)
    });
    Ok(named.collect())
}

async fn vpn_gateways(cx: &AwsCx, vpc: &str) -> Result<Vec<Stranger>, StepError> {
    let call = cx.ec2.describe_vpn_gateways().filters(filter("attachment.vpc-id", vpc)).send().await;
    let answer = call.map(|answer| answer.vpn_gateways.unwrap_or_default());
    let remove = |id: &str| format!("aws ec2 detach-vpn-gateway {} --vpn-gateway-id {id} --vpc-id {vpc}", at(cx));
    let found = list("ec2:DescribeVpnGateways", "VPN gateways", answer)?;
    // Detached ones are listed with their last attachment.
    let held = found.iter().filter(|it| {
        let mut ties = it.vpc_attachments().iter().filter(|tie| tie.vpc_id() == Some(vpc));
        it.state() != Some(&VpnState::Deleted)
            && ties.any(|tie| tie.state().is_some_and(|state| state.as_str() != "detached"))
    });
    let named = held.map(|it| {
        Stranger::new("aws/vpn-gateway", "VPN gateway", it.vpn_gateway_id(), tags::from_ec2(it.tags()), remove)
    });
    Ok(named.collect())
}

async fn egress_gateways(cx: &AwsCx, vpc: &str) -> Result<Vec<Stranger>, StepError> {
    let call = cx.ec2.describe_egress_only_internet_gateways().into_paginator().items().send();
    let remove = |id: &str| {
        format!("aws ec2 delete-egress-only-internet-gateway {} --egress-only-internet-gateway-id {id}", at(cx))
    };
    let found = list("ec2:DescribeEgressOnlyInternetGateways", "egress-only gateways", call.collect().await)?;
    let named = found.iter().filter(|it| it.attachments().iter().any(|tie| tie.vpc_id() == Some(vpc))).map(|it| {
        let (id, tags) = (it.egress_only_internet_gateway_id(), tags::from_ec2(it.tags()));
        Stranger::new("aws/egress-only-internet-gateway", "egress-only internet gateway", id, tags, remove)
    });
    Ok(named.collect())
}

/// Nothing where it may not be read.
fn if_allowed<T>(answer: Result<Vec<T>, StepError>) -> Result<Vec<T>, StepError> {
    match answer {
        Err(denied) if denied.id == DENIED => {
            tracing::debug!(%denied, "what may stand in the way of a network cannot be seen whole");
            Ok(Vec::new())
        }
        answer => answer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ErrorClass;
    use crate::engine::proof::TAG_STACK;

    fn stranger(pairs: &[(&str, &str)]) -> Stranger {
        let tags = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Stranger::new("aws/subnet", "subnet", Some("subnet-1"), tags, |id| format!("remove {id}"))
    }

    #[test]
    fn what_the_teardown_removes_by_itself_is_no_stranger() {
        let stack = "demo-0a1b2c3d".parse().unwrap();
        for ours in [
            (TAG_STACK, "demo-0a1b2c3d"),
            ("kubernetes.io/cluster/demo", "owned"),
            ("aws:eks:cluster-name", "demo"),
            ("GuardDutyManaged", "true"),
        ] {
            assert!(stranger(&[ours]).is_going(&stack, "demo"), "{ours:?}");
        }
        for theirs in [
            (TAG_STACK, "demo-ffffffff"),
            ("kubernetes.io/cluster/demo", "shared"),
            ("kubernetes.io/cluster/other", "owned"),
            ("Name", "demo"),
        ] {
            assert!(!stranger(&[theirs]).is_going(&stack, "demo"), "{theirs:?}");
        }
    }

    #[test]
    fn a_stranger_is_called_by_its_name_and_its_id() {
        let it = stranger(&[("Name", "reports")]).saying("of the data team");
        assert_eq!(it.words, "subnet subnet-1 (`reports`) of the data team");
        assert_eq!(it.removal, "remove subnet-1");
    }

    #[test]
    fn only_a_denial_is_passed_over() {
        let failed = |id: &str| Err::<Vec<u8>, _>(StepError::new(ErrorClass::Auth, id, "no"));
        assert!(if_allowed(failed(DENIED)).unwrap().is_empty());
        assert!(if_allowed(failed("KW-AWS-EXPIRED")).is_err());
    }
}
