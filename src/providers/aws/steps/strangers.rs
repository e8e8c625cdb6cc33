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

/// Everything in or at this network that keeps it from going, network interfaces and endpoints aside; ours as well.
pub(in crate::providers::aws) async fn around(cx: &AwsCx, vpc: &str) -> Result<Vec<Stranger>, StepError> {
    let (inside, links) = tokio::try_join!(inside(cx, vpc), links(cx, vpc))?;
    Ok([inside, links].concat())
}

/// What stands inside.
async fn inside(cx: &AwsCx, vpc: &str) -> Result<Vec<Stranger>, StepError> {
    let (at, by) = (format!("--region {}", cx.region), || filter("vpc-id", vpc));
    let mut found = Vec::new();
    let call = cx.ec2.describe_subnets().filters(by()).into_paginator().items().send();
    for it in list("ec2:DescribeSubnets", "subnets", call.collect().await)? {
        let remove = |id: &str| format!("aws ec2 delete-subnet {at} --subnet-id {id}");
        found.push(Stranger::new(super::subnet::KIND, "subnet", it.subnet_id(), tags::from_ec2(it.tags()), remove));
    }
    let call = cx.ec2.describe_security_groups().filters(by()).into_paginator().items().send();
    for it in list("ec2:DescribeSecurityGroups", "security groups", call.collect().await)? {
        if it.group_name() != Some("default") {
            let remove = |id: &str| format!("aws ec2 delete-security-group {at} --group-id {id}");
            let (kind, tags) = (super::security_group::KIND, tags::from_ec2(it.tags()));
            found.push(Stranger::new(kind, "security group", it.group_id(), tags, remove));
        }
    }
    let call = cx.ec2.describe_route_tables().filters(by()).into_paginator().items().send();
    for it in list("ec2:DescribeRouteTables", "route tables", call.collect().await)? {
        if !it.associations().iter().any(|tie| tie.main() == Some(true)) {
            let remove = |id: &str| format!("aws ec2 delete-route-table {at} --route-table-id {id}");
            let (kind, tags) = (super::route_table::KIND, tags::from_ec2(it.tags()));
            found.push(Stranger::new(kind, "route table", it.route_table_id(), tags, remove));
        }
    }
    let call = cx.ec2.describe_nat_gateways().filter(by()).into_paginator().items().send();
    for it in list("ec2:DescribeNatGateways", "NAT gateways", call.collect().await)? {
        // A failed one holds nothing and goes by itself.
        if !matches!(it.state(), Some(NatGatewayState::Deleted | NatGatewayState::Deleting | NatGatewayState::Failed)) {
            let remove = |id: &str| format!("aws ec2 delete-nat-gateway {at} --nat-gateway-id {id}");
            let (kind, tags) = (super::nat_gateway::KIND, tags::from_ec2(it.tags()));
            found.push(Stranger::new(kind, "NAT gateway", it.nat_gateway_id(), tags, remove));
        }
    }
    let call = cx.ec2.describe_internet_gateways().filters(filter("attachment.vpc-id", vpc));
    let answer = call.into_paginator().items().send().collect().await;
    for it in list("ec2:DescribeInternetGateways", "internet gateways", answer)? {
        let remove =
            |id: &str| format!("aws ec2 detach-internet-gateway {at} --internet-gateway-id {id} --vpc-id {vpc}");
        let (kind, tags) = (super::internet_gateway::KIND, tags::from_ec2(it.tags()));
        found.push(Stranger::new(kind, "internet gateway", it.internet_gateway_id(), tags, remove));
    }
    Ok(found)
}

/// What joins it to other networks. No step makes any of these, so that not being allowed to look stops nothing.
async fn links(cx: &AwsCx, vpc: &str) -> Result<Vec<Stranger>, StepError> {
    let at = format!("--region {}", cx.region);
    let mut found = Vec::new();
    for side in ["requester-vpc-info.vpc-id", "accepter-vpc-info.vpc-id"] {
        let call = cx.ec2.describe_vpc_peering_connections().filters(filter(side, vpc)).into_paginator().items().send();
        let answer = list("ec2:DescribeVpcPeeringConnections", "peering connections", call.collect().await);
        for it in if_allowed(answer)? {
            use VpcPeeringConnectionStateReasonCode as Code;
            let state = it.status().and_then(|status| status.code());
            if matches!(state, Some(Code::Deleted | Code::Deleting | Code::Rejected | Code::Expired | Code::Failed)) {
                continue;
            }
            let sides = [it.requester_vpc_info(), it.accepter_vpc_info()].into_iter().flatten();
            let other = sides.into_iter().find(|side| side.vpc_id() != Some(vpc));
            let to = other.map_or_else(String::new, |other| {
                let part = |text: Option<&str>| text.unwrap_or("?").to_owned();
                format!("with {} of account {}", part(other.vpc_id()), part(other.owner_id()))
            });
            let remove =
                |id: &str| format!("aws ec2 delete-vpc-peering-connection {at} --vpc-peering-connection-id {id}");
            let (id, tags) = (it.vpc_peering_connection_id(), tags::from_ec2(it.tags()));
            let kind = "aws/vpc-peering-connection";
            found.push(Stranger::new(kind, "VPC peering connection", id, tags, remove).saying(to));
        }
    }
    let call = cx.ec2.describe_transit_gateway_vpc_attachments().filters(filter("vpc-id", vpc));
    let answer = call.into_paginator().items().send().collect().await;
    for it in if_allowed(list("ec2:DescribeTransitGatewayVpcAttachments", "transit gateway attachments", answer))? {
        use TransitGatewayAttachmentState as State;
        if matches!(it.state(), Some(State::Deleted | State::Rejected | State::Failed)) {
            continue;
        }
        let to =
            format!("to {} of account {}", it.transit_gateway_id().unwrap_or("?"), it.vpc_owner_id().unwrap_or("?"));
        let remove = |id: &str| {
            format!("aws ec2 delete-transit-gateway-vpc-attachment {at} --transit-gateway-attachment-id {id}")
        };
        let (id, tags) = (it.transit_gateway_attachment_id(), tags::from_ec2(it.tags()));
        let kind = "aws/transit-gateway-attachment";
        found.push(Stranger::new(kind, "transit gateway attachment", id, tags, remove).saying(to));
    }
    let call = cx.ec2.describe_vpn_gateways().filters(filter("attachment.vpc-id", vpc)).send().await;
    let answer = call.map(|answer| answer.vpn_gateways.unwrap_or_default());
    for it in if_allowed(list("ec2:DescribeVpnGateways", "VPN gateways", answer))? {
        // Detached ones are listed with their last attachment.
        let held = it
            .vpc_attachments()
            .iter()
            .any(|tie| tie.vpc_id() == Some(vpc) && tie.state().is_some_and(|state| state.as_str() != "detached"));
        if held && it.state() != Some(&VpnState::Deleted) {
            let remove = |id: &str| format!("aws ec2 detach-vpn-gateway {at} --vpn-gateway-id {id} --vpc-id {vpc}");
            let (id, tags) = (it.vpn_gateway_id(), tags::from_ec2(it.tags()));
            found.push(Stranger::new("aws/vpn-gateway", "VPN gateway", id, tags, remove));
        }
    }
    let call = cx.ec2.describe_egress_only_internet_gateways().into_paginator().items().send();
    let answer = list("ec2:DescribeEgressOnlyInternetGateways", "egress-only gateways", call.collect().await);
    for it in if_allowed(answer)?.iter().filter(|it| it.attachments().iter().any(|tie| tie.vpc_id() == Some(vpc))) {
        let remove = |id: &str| {
            format!("aws ec2 delete-egress-only-internet-gateway {at} --egress-only-internet-gateway-id {id}")
        };
        let (id, tags) = (it.egress_only_internet_gateway_id(), tags::from_ec2(it.tags()));
        let kind = "aws/egress-only-internet-gateway";
        found.push(Stranger::new(kind, "egress-only internet gateway", id, tags, remove));
    }
    Ok(found)
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
