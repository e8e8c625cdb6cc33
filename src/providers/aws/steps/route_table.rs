//! A route table; its routes and associations are steps of their own.

use super::ExtraTags;
use super::refs::{RouteTableId, VpcId};
use super::support::{self, Select, all_tags, deleted, done, no_id, seen, shown_name, visible, what};
use crate::engine::{
    Deletion, Found, Input, Lookup, Observed, OutputKey, Outputs, Owned, Probe, ResourceRef, Scope, Step, StepError,
    Token,
};
use crate::providers::aws::{client::AwsCx, tags};
use async_trait::async_trait;
use aws_sdk_ec2::types::{ResourceType, RouteTable as Ec2RouteTable};
use serde::{Deserialize, Serialize};

/// How plans name this kind.
pub const KIND: &str = "aws/route-table";
/// The table's id.
pub const ID: OutputKey<RouteTableId> = OutputKey::new("id");

/// A route table. Identity: `Tags`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RouteTable {
    /// The VPC.
    pub vpc: Input<VpcId>,
}

/// Route tables with their routes and associations.
pub(in crate::providers::aws) async fn list(
    cx: &AwsCx,
    select: Select,
) -> Result<Vec<(Observed, Ec2RouteTable)>, StepError> {
    let request = cx.ec2.describe_route_tables().set_route_table_ids(select.ids).set_filters(select.filters);
    let answer = request.into_paginator().items().send().collect().await;
    let tables = support::list("ec2:DescribeRouteTables", "route tables", answer)?;
    let observe = |table: Ec2RouteTable| {
        let mut seen = seen(KIND, table.route_table_id()?, tags::from_ec2(table.tags()));
        seen.attached = !table.associations().is_empty();
        Some((seen, table))
    };
    Ok(tables.into_iter().filter_map(observe).collect())
}

#[async_trait]
impl Step<AwsCx> for RouteTable {
    async fn find(&self, cx: &AwsCx, at: Scope<'_>, by: Lookup<'_>) -> Result<Found, StepError> {
        let found = list(cx, Select::of(at, by)).await?;
        Ok(found.into_iter().map(|(seen, _)| seen).collect::<Vec<_>>().into())
    }

    async fn create(&self, cx: &AwsCx, at: Scope<'_>, token: &Token) -> Result<ResourceRef, StepError> {
        let what = what("route table", at);
        let vpc = at.inputs.get(&self.vpc)?;
        let tagged = tags::ec2(ResourceType::RouteTable, &all_tags(at, &ExtraTags::new()), Some(&shown_name(at)));
        let call = cx.ec2.create_route_table().vpc_id(vpc.as_str()).client_token(token.as_str());
        let answer = done("ec2:CreateRouteTable", &what, call.tag_specifications(tagged).send().await)?;
        let id = answer.route_table().and_then(Ec2RouteTable::route_table_id).ok_or_else(|| no_id(&what))?;
        Ok(ResourceRef::new(KIND, id))
    }

    async fn converge(&self, _: &AwsCx, _: Scope<'_>, _: &Owned) -> Result<(), StepError> {
        Ok(())
    }

    async fn probe(&self, cx: &AwsCx, at: Scope<'_>, it: &ResourceRef) -> Result<Probe, StepError> {
        visible(&what("route table", at), list(cx, Select::id(&it.id)).await?.first())?;
        Ok(Probe::Ready)
    }

    async fn outputs(&self, _: &AwsCx, _: Scope<'_>, it: &ResourceRef) -> Result<Outputs, StepError> {
        Ok(Outputs::new().with(ID, &RouteTableId(it.id.clone())))
    }

    async fn delete(&self, cx: &AwsCx, at: Scope<'_>, owned: &Owned) -> Result<Deletion, StepError> {
        // Its routes go with it; `DependencyViolation` while a subnet is still associated is waited for.
        let answer = cx.ec2.delete_route_table().route_table_id(owned.id()).send().await;
        deleted("ec2:DeleteRouteTable", &what("route table", at), Deletion::Gone, answer)
    }
}
