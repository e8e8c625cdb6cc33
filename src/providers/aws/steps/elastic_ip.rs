//! A fixed public address for a NAT gateway.

use super::ExtraTags;
use super::refs::AllocationId;
use super::support::{
    Select, all_tags, busy, code_of_result, deleted, done, no_id, read, seen, shown_name, visible, what,
};
use crate::engine::{
    Deletion, Found, Lookup, Observed, OutputKey, Outputs, Owned, Probe, ResourceRef, Scope, Step, StepError, Token,
};
use crate::providers::aws::{client::AwsCx, error, tags};
use async_trait::async_trait;
use aws_sdk_ec2::types::{Address, DomainType, ResourceType};
use serde::{Deserialize, Serialize};

/// How plans name this kind.
pub const KIND: &str = "aws/elastic-ip";
/// The allocation's id.
pub const ALLOCATION: OutputKey<AllocationId> = OutputKey::new("allocation");
/// The address.
pub const ADDRESS: OutputKey<String> = OutputKey::new("address");

/// An Elastic IP. Identity: `Tags`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ElasticIp {}

/// Addresses with what they are associated with.
pub(in crate::providers::aws) async fn list(cx: &AwsCx, select: Select) -> Result<Vec<(Observed, Address)>, StepError> {
    let call = cx.ec2.describe_addresses().set_allocation_ids(select.ids).set_filters(select.filters);
    let answer = read("ec2:DescribeAddresses", "elastic IPs", call.send().await)?;
    let observe = |address: Address| {
        let mut seen = seen(KIND, address.allocation_id()?, tags::from_ec2(address.tags()));
        seen.attached = address.association_id().is_some();
        Some((seen, address))
    };
    Ok(answer.and_then(|it| it.addresses).unwrap_or_default().into_iter().filter_map(observe).collect())
}

#[async_trait]
impl Step<AwsCx> for ElasticIp {
    async fn find(&self, cx: &AwsCx, at: Scope<'_>, by: Lookup<'_>) -> Result<Found, StepError> {
        let found = list(cx, Select::of(at, by)).await?;
        Ok(found.into_iter().map(|(seen, _)| seen).collect::<Vec<_>>().into())
    }

    async fn create(&self, cx: &AwsCx, at: Scope<'_>, _: &Token) -> Result<ResourceRef, StepError> {
        let what = what("elastic IP", at);
        let tagged = tags::ec2(ResourceType::ElasticIp, &all_tags(at, &ExtraTags::new()), Some(&shown_name(at)));
        let call = cx.ec2.allocate_address().domain(DomainType::Vpc).tag_specifications(tagged).send();
        let answer = done("ec2:AllocateAddress", &what, call.await)?;
        Ok(ResourceRef::new(KIND, answer.allocation_id().ok_or_else(|| no_id(&what))?))
    }

    async fn converge(&self, _: &AwsCx, _: Scope<'_>, _: &Owned) -> Result<(), StepError> {
        Ok(())
    }

    async fn probe(&self, cx: &AwsCx, at: Scope<'_>, it: &ResourceRef) -> Result<Probe, StepError> {
        visible(&what("elastic IP", at), list(cx, Select::id(&it.id)).await?.first())?;
        Ok(Probe::Ready)
    }

    async fn outputs(&self, cx: &AwsCx, at: Scope<'_>, it: &ResourceRef) -> Result<Outputs, StepError> {
        let found = list(cx, Select::id(&it.id)).await?.into_iter().next();
        let (_, address) = visible(&what("elastic IP", at), found)?;
        let public = address.public_ip().unwrap_or_default().to_owned();
        Ok(Outputs::new().with(ALLOCATION, &AllocationId(it.id.clone())).with(ADDRESS, &public))
    }

    async fn delete(&self, cx: &AwsCx, at: Scope<'_>, owned: &Owned) -> Result<Deletion, StepError> {
        // Right after its gateway is gone EC2 may still call it in use: `InvalidIPAddress.InUse` is waited for.
        let what = what("elastic IP", at);
        let answer = cx.ec2.release_address().allocation_id(owned.id()).send().await;
        // Or, since the interface it was mapped to is EC2's own, that it is not ours to touch. Real denials have
        // other words and another code.
        let mapped = code_of_result(&answer) == Some("AuthFailure")
            && answer.as_ref().is_err_and(|err| {
                error::message_of(err).contains("do not have permission to access the specified resource")
            });
        if mapped {
            return Err(busy(&what, "its gateway has not let go of it"));
        }
        deleted("ec2:ReleaseAddress", &what, Deletion::Gone, answer)
    }
}
