//! The network everything else lives in.

use super::ExtraTags;
use super::blockers::{self, DEPENDENCY};
use super::refs::VpcId;
use super::support::{
    self, Select, all_tags, code_of_result, deleted, done, lacking, no_id, read, seen, shown_name, visible, what,
};
use crate::engine::{
    Deletion, Found, Lookup, Observed, OutputKey, Outputs, Owned, Probe, ResourceRef, Scope, Step, StepError, Token,
};
use crate::providers::aws::{client::AwsCx, tags};
use async_trait::async_trait;
use aws_sdk_ec2::types::{AttributeBooleanValue, ResourceType, Vpc as Ec2Vpc, VpcAttributeName, VpcState};
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

/// How plans name this kind.
pub const KIND: &str = "aws/vpc";
/// The VPC's id.
pub const ID: OutputKey<VpcId> = OutputKey::new("id");

/// A VPC with DNS names on. Identity: `Tags`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Vpc {
    /// Address range.
    pub cidr: Ipv4Net,
    /// More tags.
    #[serde(default, skip_serializing_if = "ExtraTags::is_empty")]
    pub extra_tags: ExtraTags,
}

/// VPCs with their ranges.
pub(in crate::providers::aws) async fn list(cx: &AwsCx, select: Select) -> Result<Vec<(Observed, Ec2Vpc)>, StepError> {
    let request = cx.ec2.describe_vpcs().set_vpc_ids(select.ids).set_filters(select.filters);
    let vpcs = support::list("ec2:DescribeVpcs", "VPCs", request.into_paginator().items().send().collect().await)?;
    let observe = |vpc: Ec2Vpc| Some((seen(KIND, vpc.vpc_id()?, tags::from_ec2(vpc.tags())), vpc));
    Ok(vpcs.into_iter().filter_map(observe).collect())
}

#[async_trait]
impl Step<AwsCx> for Vpc {
    async fn find(&self, cx: &AwsCx, at: Scope<'_>, by: Lookup<'_>) -> Result<Found, StepError> {
        let found = list(cx, Select::of(at, by)).await?;
        Ok(found.into_iter().map(|(seen, _)| seen).collect::<Vec<_>>().into())
    }

    async fn create(&self, cx: &AwsCx, at: Scope<'_>, _: &Token) -> Result<ResourceRef, StepError> {
        let what = what("VPC", at);
        let tagged = tags::ec2(ResourceType::Vpc, &all_tags(at, &self.extra_tags), Some(&shown_name(at)));
        let call = cx.ec2.create_vpc().cidr_block(self.cidr.to_string()).tag_specifications(tagged).send();
        let answer = done("ec2:CreateVpc", &what, call.await)?;
        let id = answer.vpc().and_then(Ec2Vpc::vpc_id).ok_or_else(|| no_id(&what))?;
        Ok(ResourceRef::new(KIND, id))
    }

    async fn converge(&self, cx: &AwsCx, at: Scope<'_>, owned: &Owned) -> Result<(), StepError> {
        // Nodes and private endpoints need both; one attribute a call is all that EC2 takes.
        let what = what("VPC", at);
        let found = list(cx, Select::id(owned.id())).await?.into_iter().next();
        let labels = found.map(|(seen, _)| lacking(&seen, &self.extra_tags)).unwrap_or_default();
        if !labels.is_empty() {
            let call = cx.ec2.create_tags().resources(owned.id()).set_tags(Some(tags::ec2_list(&labels)));
            done("ec2:CreateTags", &what, call.send().await)?;
        }
        for attribute in [VpcAttributeName::EnableDnsSupport, VpcAttributeName::EnableDnsHostnames] {
            let call = cx.ec2.describe_vpc_attribute().vpc_id(owned.id()).attribute(attribute.clone()).send();
            let now = visible(&what, read("ec2:DescribeVpcAttribute", &what, call.await)?)?;
            let support = attribute == VpcAttributeName::EnableDnsSupport;
            let value = if support { now.enable_dns_support() } else { now.enable_dns_hostnames() };
            if value.and_then(AttributeBooleanValue::value) == Some(true) {
                continue;
            }
            let on = AttributeBooleanValue::builder().value(true).build();
            let call = cx.ec2.modify_vpc_attribute().vpc_id(owned.id());
            let call = if support { call.enable_dns_support(on) } else { call.enable_dns_hostnames(on) };
            done("ec2:ModifyVpcAttribute", &what, call.send().await)?;
        }
        Ok(())
    }

    async fn probe(&self, cx: &AwsCx, at: Scope<'_>, it: &ResourceRef) -> Result<Probe, StepError> {
        let found = list(cx, Select::id(&it.id)).await?;
        let (_, vpc) = visible(&what("VPC", at), found.into_iter().next())?;
        Ok(match vpc.state() {
            Some(VpcState::Available) => Probe::Ready,
            state => Probe::NotYet(state.map_or("pending", VpcState::as_str).to_owned()),
        })
    }

    async fn outputs(&self, _: &AwsCx, _: Scope<'_>, it: &ResourceRef) -> Result<Outputs, StepError> {
        Ok(Outputs::new().with(ID, &VpcId(it.id.clone())))
    }

    async fn delete(&self, cx: &AwsCx, at: Scope<'_>, owned: &Owned) -> Result<Deletion, StepError> {
        let answer = cx.ec2.delete_vpc().vpc_id(owned.id()).send().await;
        if code_of_result(&answer) == Some(DEPENDENCY) {
            return Err(blockers::of_vpc(cx, at, owned.id()).await?);
        }
        deleted("ec2:DeleteVpc", &what("VPC", at), Deletion::Gone, answer)
    }
}
