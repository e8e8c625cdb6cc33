//! A subnet in one zone.

use super::ExtraTags;
use super::blockers::{self, DEPENDENCY};
use super::refs::{SubnetId, VpcId};
use super::support::{
    self, Select, all_tags, broken, code_of_result, deleted, done, no_id, seen, shown_name, visible, what,
};
use crate::engine::{
    Deletion, ErrorClass, Found, Input, Lookup, Observed, OutputKey, Outputs, Owned, Probe, ResourceRef, Scope, Step,
    StepError, Token,
};
use crate::providers::aws::{client::AwsCx, error, tags};
use async_trait::async_trait;
use aws_sdk_ec2::types::{AttributeBooleanValue, ResourceType, Subnet as Ec2Subnet, SubnetState};
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

/// How plans name this kind.
pub const KIND: &str = "aws/subnet";
/// The subnet's id.
pub const ID: OutputKey<SubnetId> = OutputKey::new("id");

/// A subnet. Identity: `Tags`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Subnet {
    /// The VPC.
    pub vpc: Input<VpcId>,
    /// Address range.
    pub cidr: Ipv4Net,
    /// Zone by name.
    pub zone: String,
    /// Machines in it get public addresses.
    pub public: bool,
    /// More tags: `kubernetes.io/role/elb`, `kubernetes.io/role/internal-elb`, `kubernetes.io/cluster/<name>`.
    #[serde(default, skip_serializing_if = "ExtraTags::is_empty")]
    pub extra_tags: ExtraTags,
}

/// Subnets with all that EC2 says of them.
pub(in crate::providers::aws) async fn list(
    cx: &AwsCx,
    select: Select,
) -> Result<Vec<(Observed, Ec2Subnet)>, StepError> {
    let request = cx.ec2.describe_subnets().set_subnet_ids(select.ids).set_filters(select.filters);
    let subnets =
        support::list("ec2:DescribeSubnets", "subnets", request.into_paginator().items().send().collect().await)?;
    let observe = |subnet: Ec2Subnet| Some((seen(KIND, subnet.subnet_id()?, tags::from_ec2(subnet.tags())), subnet));
    Ok(subnets.into_iter().filter_map(observe).collect())
}

#[async_trait]
impl Step<AwsCx> for Subnet {
    async fn find(&self, cx: &AwsCx, at: Scope<'_>, by: Lookup<'_>) -> Result<Found, StepError> {
        let found = list(cx, Select::of(at, by)).await?;
        Ok(found.into_iter().map(|(seen, _)| seen).collect::<Vec<_>>().into())
    }

    async fn create(&self, cx: &AwsCx, at: Scope<'_>, _: &Token) -> Result<ResourceRef, StepError> {
        let what = what("subnet", at);
        let vpc = at.inputs.get(&self.vpc)?;
        let tagged = tags::ec2(ResourceType::Subnet, &all_tags(at, &self.extra_tags), Some(&shown_name(at)));
        let call = cx.ec2.create_subnet().vpc_id(vpc.as_str()).cidr_block(self.cidr.to_string());
        let call = call.availability_zone(&self.zone).tag_specifications(tagged);
        let answer = done("ec2:CreateSubnet", &what, call.send().await)?;
        let id = answer.subnet().and_then(Ec2Subnet::subnet_id).ok_or_else(|| no_id(&what))?;
        Ok(ResourceRef::new(KIND, id))
    }

    async fn converge(&self, cx: &AwsCx, at: Scope<'_>, owned: &Owned) -> Result<(), StepError> {
        let what = what("subnet", at);
        let (_, subnet) = visible(&what, list(cx, Select::id(owned.id())).await?.into_iter().next())?;
        if subnet.map_public_ip_on_launch() == Some(self.public) {
            return Ok(());
        }
        let value = AttributeBooleanValue::builder().value(self.public).build();
        let call = cx.ec2.modify_subnet_attribute().subnet_id(owned.id()).map_public_ip_on_launch(value);
        done("ec2:ModifySubnetAttribute", &what, call.send().await)?;
        Ok(())
    }

    async fn probe(&self, cx: &AwsCx, at: Scope<'_>, it: &ResourceRef) -> Result<Probe, StepError> {
        let what = what("subnet", at);
        let (_, subnet) = visible(&what, list(cx, Select::id(&it.id)).await?.into_iter().next())?;
        Ok(match subnet.state() {
            Some(SubnetState::Available) => Probe::Ready,
            Some(state @ (SubnetState::Failed | SubnetState::FailedInsufficientCapacity)) => {
                let why = format!("{what} cannot be used: its state is {state}");
                Probe::Broken(broken(ErrorClass::Capacity, error::CAPACITY, it, why))
            }
            state => Probe::NotYet(state.map_or("pending", SubnetState::as_str).to_owned()),
        })
    }

    async fn outputs(&self, _: &AwsCx, _: Scope<'_>, it: &ResourceRef) -> Result<Outputs, StepError> {
        Ok(Outputs::new().with(ID, &SubnetId(it.id.clone())))
    }

    async fn delete(&self, cx: &AwsCx, at: Scope<'_>, owned: &Owned) -> Result<Deletion, StepError> {
        let answer = cx.ec2.delete_subnet().subnet_id(owned.id()).send().await;
        if code_of_result(&answer) == Some(DEPENDENCY) {
            return Err(blockers::of_subnet(cx, at, owned.id()).await?);
        }
        deleted("ec2:DeleteSubnet", &what("subnet", at), Deletion::Gone, answer)
    }
}
