//! A NAT gateway: the way out for private nodes. It fails asynchronously, with a code of its own.

use super::ExtraTags;
use super::refs::{AllocationId, NatGatewayId, SubnetId};
use super::support::{self, Select, all_tags, broken, deleted, done, no_id, seen, shown_name, time, visible, what};
use crate::engine::{
    Deletion, ErrorClass, Found, Input, Lookup, Observed, OutputKey, Outputs, Owned, Probe, ResourceRef, Scope, Step,
    StepError, Token,
};
use crate::providers::aws::{client::AwsCx, error, tags};
use async_trait::async_trait;
use aws_sdk_ec2::types::{NatGateway as Ec2Nat, NatGatewayState, ResourceType};
use serde::{Deserialize, Serialize};

/// How plans name this kind.
pub const KIND: &str = "aws/nat-gateway";
/// The gateway's id.
pub const ID: OutputKey<NatGatewayId> = OutputKey::new("id");

/// A public NAT gateway. Identity: `Tags`. Must wait for the internet gateway's attachment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NatGateway {
    /// A public subnet.
    pub subnet: Input<SubnetId>,
    /// Its address.
    pub allocation: Input<AllocationId>,
}

/// NAT gateways that are not gone; EC2 lists deleted ones for about an hour.
pub(in crate::providers::aws) async fn list(cx: &AwsCx, select: Select) -> Result<Vec<(Observed, Ec2Nat)>, StepError> {
    let request = cx.ec2.describe_nat_gateways().set_nat_gateway_ids(select.ids).set_filter(select.filters);
    let answer = request.into_paginator().items().send().collect().await;
    let gateways = support::list("ec2:DescribeNatGateways", "NAT gateways", answer)?;
    let observe = |nat: Ec2Nat| {
        if nat.state() == Some(&NatGatewayState::Deleted) {
            return None;
        }
        let mut seen = seen(KIND, nat.nat_gateway_id()?, tags::from_ec2(nat.tags()));
        seen.created_at = time(nat.create_time());
        // One that holds its address is the one that works.
        seen.attached = nat.state() == Some(&NatGatewayState::Available);
        Some((seen, nat))
    };
    Ok(gateways.into_iter().filter_map(observe).collect())
}

/// What a failed gateway means. Only a subnet without free addresses is not cured by making it anew.
fn failure(what: &str, it: &ResourceRef, nat: &Ec2Nat) -> StepError {
    let (code, text) = (nat.failure_code().unwrap_or("no code"), nat.failure_message().unwrap_or_default());
    let message = format!("{what} failed: {} ({code})", error::clean(text));
    match code {
        "InsufficientFreeAddressesInSubnet" => broken(ErrorClass::Capacity, error::CAPACITY, it, message)
            .with_hint("the public subnet is full: a larger --network-cidr gives room"),
        // The gateway's attachment, the address or the subnet was not visible to the service yet, or it failed itself.
        _ => broken(ErrorClass::Transient, error::SERVER, it, message),
    }
}

#[async_trait]
impl Step<AwsCx> for NatGateway {
    async fn find(&self, cx: &AwsCx, at: Scope<'_>, by: Lookup<'_>) -> Result<Found, StepError> {
        let found = list(cx, Select::of(at, by)).await?;
        Ok(found.into_iter().map(|(seen, _)| seen).collect::<Vec<_>>().into())
    }

    async fn create(&self, cx: &AwsCx, at: Scope<'_>, token: &Token) -> Result<ResourceRef, StepError> {
        let what = what("NAT gateway", at);
        let (subnet, allocation) = (at.inputs.get(&self.subnet)?, at.inputs.get(&self.allocation)?);
        let tagged = tags::ec2(ResourceType::Natgateway, &all_tags(at, &ExtraTags::new()), Some(&shown_name(at)));
        let call = cx.ec2.create_nat_gateway().subnet_id(subnet.as_str()).allocation_id(allocation.as_str());
        let call = call.client_token(token.as_str()).tag_specifications(tagged);
        let answer = done("ec2:CreateNatGateway", &what, call.send().await)?;
        let id = answer.nat_gateway().and_then(Ec2Nat::nat_gateway_id).ok_or_else(|| no_id(&what))?;
        Ok(ResourceRef::new(KIND, id))
    }

    async fn converge(&self, _: &AwsCx, _: Scope<'_>, _: &Owned) -> Result<(), StepError> {
        Ok(())
    }

    async fn probe(&self, cx: &AwsCx, at: Scope<'_>, it: &ResourceRef) -> Result<Probe, StepError> {
        let what = what("NAT gateway", at);
        let (_, nat) = visible(&what, list(cx, Select::id(&it.id)).await?.into_iter().next())?;
        Ok(match nat.state() {
            Some(NatGatewayState::Available) => Probe::Ready,
            Some(NatGatewayState::Failed) => Probe::Broken(failure(&what, it, &nat)),
            Some(NatGatewayState::Deleting) => {
                let why = format!("{what} is being deleted by somebody else");
                Probe::Broken(broken(ErrorClass::Transient, error::ABSENT, it, why))
            }
            state => Probe::NotYet(state.map_or("pending", NatGatewayState::as_str).to_owned()),
        })
    }

    async fn outputs(&self, _: &AwsCx, _: Scope<'_>, it: &ResourceRef) -> Result<Outputs, StepError> {
        Ok(Outputs::new().with(ID, &NatGatewayId(it.id.clone())))
    }

    async fn delete(&self, cx: &AwsCx, at: Scope<'_>, owned: &Owned) -> Result<Deletion, StepError> {
        let answer = cx.ec2.delete_nat_gateway().nat_gateway_id(owned.id()).send().await;
        deleted("ec2:DeleteNatGateway", &what("NAT gateway", at), Deletion::Started, answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_subnet_is_told_from_a_gateway_that_came_too_early() {
        let it = ResourceRef::new(KIND, "nat-1");
        let failed = |code: &str| failure("NAT gateway", &it, &Ec2Nat::builder().failure_code(code).build());
        assert_eq!(failed("InsufficientFreeAddressesInSubnet").class, ErrorClass::Capacity);
        assert_eq!(failed("Gateway.NotAttached").class, ErrorClass::Transient);
    }
}
