//! A gateway endpoint: S3 without NAT, free of charge.

use super::ExtraTags;
use super::refs::{RouteTableId, VpcId};
use super::support::{self, Select, all_tags, broken, deleted, done, no_id, seen, shown_name, time, visible, what};
use crate::engine::{
    Deletion, ErrorClass, Found, Input, Lookup, Observed, Outputs, Owned, Probe, ResourceRef, Scope, Step, StepError,
    Token,
};
use crate::providers::aws::{client::AwsCx, error, tags};
use async_trait::async_trait;
use aws_sdk_ec2::types::{ResourceType, VpcEndpoint as Ec2Endpoint, VpcEndpointType};
use serde::{Deserialize, Serialize};

/// How plans name this kind.
pub const KIND: &str = "aws/vpc-endpoint";

/// A gateway endpoint. Identity: `Tags`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VpcEndpoint {
    /// The VPC.
    pub vpc: Input<VpcId>,
    /// `com.amazonaws.<region>.s3`.
    pub service_name: String,
    /// The tables that get a route to it.
    pub route_tables: Vec<Input<RouteTableId>>,
}

/// VPC endpoints that are not gone.
pub(in crate::providers::aws) async fn list(
    cx: &AwsCx,
    select: Select,
) -> Result<Vec<(Observed, Ec2Endpoint)>, StepError> {
    let request = cx.ec2.describe_vpc_endpoints().set_vpc_endpoint_ids(select.ids).set_filters(select.filters);
    let answer = request.into_paginator().items().send().collect().await;
    let endpoints = support::list("ec2:DescribeVpcEndpoints", "VPC endpoints", answer)?;
    let observe = |endpoint: Ec2Endpoint| {
        if state(&endpoint) == "deleted" {
            return None;
        }
        let mut seen = seen(KIND, endpoint.vpc_endpoint_id()?, tags::from_ec2(endpoint.tags()));
        seen.reference.name = endpoint.service_name().map(str::to_owned);
        seen.created_at = time(endpoint.creation_timestamp());
        Some((seen, endpoint))
    };
    Ok(endpoints.into_iter().filter_map(observe).collect())
}

/// EC2 writes these states in either case.
fn state(endpoint: &Ec2Endpoint) -> String {
    endpoint.state().map(|state| state.as_str().to_ascii_lowercase()).unwrap_or_default()
}

#[async_trait]
impl Step<AwsCx> for VpcEndpoint {
    async fn find(&self, cx: &AwsCx, at: Scope<'_>, by: Lookup<'_>) -> Result<Found, StepError> {
        let found = list(cx, Select::of(at, by)).await?;
        Ok(found.into_iter().map(|(seen, _)| seen).collect::<Vec<_>>().into())
    }

    async fn create(&self, cx: &AwsCx, at: Scope<'_>, token: &Token) -> Result<ResourceRef, StepError> {
        let what = what("VPC endpoint", at);
        let vpc = at.inputs.get(&self.vpc)?;
        let tables = self.route_tables.iter().map(|table| Ok(at.inputs.get(table)?.0));
        let tables = tables.collect::<Result<Vec<_>, StepError>>()?;
        let tagged = tags::ec2(ResourceType::VpcEndpoint, &all_tags(at, &ExtraTags::new()), Some(&shown_name(at)));
        let call = cx.ec2.create_vpc_endpoint().vpc_id(vpc.as_str()).service_name(&self.service_name);
        let call = call.vpc_endpoint_type(VpcEndpointType::Gateway).set_route_table_ids(Some(tables));
        let call = call.client_token(token.as_str()).tag_specifications(tagged);
        let answer = done("ec2:CreateVpcEndpoint", &what, call.send().await)?;
        let id = answer.vpc_endpoint().and_then(Ec2Endpoint::vpc_endpoint_id).ok_or_else(|| no_id(&what))?;
        Ok(ResourceRef::new(KIND, id))
    }

    async fn converge(&self, _: &AwsCx, _: Scope<'_>, _: &Owned) -> Result<(), StepError> {
        Ok(())
    }

    async fn probe(&self, cx: &AwsCx, at: Scope<'_>, it: &ResourceRef) -> Result<Probe, StepError> {
        let what = what("VPC endpoint", at);
        let (_, endpoint) = visible(&what, list(cx, Select::id(&it.id)).await?.into_iter().next())?;
        Ok(match state(&endpoint).as_str() {
            "available" => Probe::Ready,
            bad @ ("failed" | "rejected" | "expired" | "deleting") => {
                let told = endpoint.last_error().and_then(|it| it.message()).unwrap_or(bad);
                let why = format!("{what} cannot be used: {}", error::clean(told));
                Probe::Broken(broken(ErrorClass::Transient, error::SERVER, it, why))
            }
            state => Probe::NotYet(state.to_owned()),
        })
    }

    async fn outputs(&self, _: &AwsCx, _: Scope<'_>, _: &ResourceRef) -> Result<Outputs, StepError> {
        Ok(Outputs::new())
    }

    async fn delete(&self, cx: &AwsCx, at: Scope<'_>, owned: &Owned) -> Result<Deletion, StepError> {
        let what = what("VPC endpoint", at);
        let answer = cx.ec2.delete_vpc_endpoints().vpc_endpoint_ids(owned.id()).send().await;
        // A refusal for one endpoint comes inside a successful answer.
        let refused = answer.as_ref().ok().and_then(|answer| answer.unsuccessful().first()?.error());
        if let Some(refused) = refused {
            let (code, text) = (refused.code().unwrap_or_default(), refused.message().unwrap_or_default());
            if code.ends_with(".NotFound") {
                return Ok(Deletion::Gone);
            }
            return Err(error::refused("ec2:DeleteVpcEndpoints", &what, code, text));
        }
        deleted("ec2:DeleteVpcEndpoints", &what, Deletion::Started, answer)
    }
}
