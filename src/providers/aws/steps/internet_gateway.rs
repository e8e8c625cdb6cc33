//! The door of a VPC to the internet; attached by a step of its own.

use super::ExtraTags;
use super::refs::InternetGatewayId;
use super::support::{self, Select, all_tags, deleted, done, no_id, seen, shown_name, visible, what};
use crate::engine::{
    Deletion, Found, Lookup, Observed, OutputKey, Outputs, Owned, Probe, ResourceRef, Scope, Step, StepError, Token,
};
use crate::providers::aws::{client::AwsCx, tags};
use async_trait::async_trait;
use aws_sdk_ec2::types::{InternetGateway as Ec2Gateway, ResourceType};
use serde::{Deserialize, Serialize};

/// How plans name this kind.
pub const KIND: &str = "aws/internet-gateway";
/// The gateway's id.
pub const ID: OutputKey<InternetGatewayId> = OutputKey::new("id");

/// An internet gateway. Identity: `Tags`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InternetGateway {}

/// Internet gateways with their attachments.
pub(in crate::providers::aws) async fn list(
    cx: &AwsCx,
    select: Select,
) -> Result<Vec<(Observed, Ec2Gateway)>, StepError> {
    let request = cx.ec2.describe_internet_gateways().set_internet_gateway_ids(select.ids).set_filters(select.filters);
    let answer = request.into_paginator().items().send().collect().await;
    let gateways = support::list("ec2:DescribeInternetGateways", "internet gateways", answer)?;
    let observe = |gateway: Ec2Gateway| {
        let mut seen = seen(KIND, gateway.internet_gateway_id()?, tags::from_ec2(gateway.tags()));
        seen.attached = !gateway.attachments().is_empty();
        Some((seen, gateway))
    };
    Ok(gateways.into_iter().filter_map(observe).collect())
}

#[async_trait]
impl Step<AwsCx> for InternetGateway {
    async fn find(&self, cx: &AwsCx, at: Scope<'_>, by: Lookup<'_>) -> Result<Found, StepError> {
        let found = list(cx, Select::of(at, by)).await?;
        Ok(found.into_iter().map(|(seen, _)| seen).collect::<Vec<_>>().into())
    }

    async fn create(&self, cx: &AwsCx, at: Scope<'_>, _: &Token) -> Result<ResourceRef, StepError> {
        let what = what("internet gateway", at);
        let tagged = tags::ec2(ResourceType::InternetGateway, &all_tags(at, &ExtraTags::new()), Some(&shown_name(at)));
        let call = cx.ec2.create_internet_gateway().tag_specifications(tagged).send();
        let answer = done("ec2:CreateInternetGateway", &what, call.await)?;
        let id = answer.internet_gateway().and_then(Ec2Gateway::internet_gateway_id).ok_or_else(|| no_id(&what))?;
        Ok(ResourceRef::new(KIND, id))
    }

    async fn converge(&self, _: &AwsCx, _: Scope<'_>, _: &Owned) -> Result<(), StepError> {
        Ok(())
    }

    async fn probe(&self, cx: &AwsCx, at: Scope<'_>, it: &ResourceRef) -> Result<Probe, StepError> {
        visible(&what("internet gateway", at), list(cx, Select::id(&it.id)).await?.first())?;
        Ok(Probe::Ready)
    }

    async fn outputs(&self, _: &AwsCx, _: Scope<'_>, it: &ResourceRef) -> Result<Outputs, StepError> {
        Ok(Outputs::new().with(ID, &InternetGatewayId(it.id.clone())))
    }

    async fn delete(&self, cx: &AwsCx, at: Scope<'_>, owned: &Owned) -> Result<Deletion, StepError> {
        let answer = cx.ec2.delete_internet_gateway().internet_gateway_id(owned.id()).send().await;
        deleted("ec2:DeleteInternetGateway", &what("internet gateway", at), Deletion::Gone, answer)
    }
}
