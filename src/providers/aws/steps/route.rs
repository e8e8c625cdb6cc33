//! A route in a table of ours.

use super::refs::{InternetGatewayId, NatGatewayId, RouteTableId};
use super::route_table;
use super::support::{Select, deleted, done, seen_child, visible, what};
use crate::engine::{
    Deletion, Found, Input, Lookup, Outputs, Owned, Probe, ResourceRef, Scope, Step, StepError, Token,
};
use crate::providers::aws::client::AwsCx;
use async_trait::async_trait;
use aws_sdk_ec2::types::{Route as Ec2Route, RouteState};
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

/// How plans name this kind.
pub const KIND: &str = "aws/route";

/// Where a route leads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RouteTarget {
    /// Out, both ways.
    InternetGateway(Input<InternetGatewayId>),
    /// Out only.
    NatGateway(Input<NatGatewayId>),
}

/// A route. Identity: `Child` of the table's step with the destination (`0.0.0.0/0`) as key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Route {
    /// The table.
    pub table: Input<RouteTableId>,
    /// Which addresses.
    pub destination: Ipv4Net,
    /// Where to.
    pub target: RouteTarget,
}

impl Route {
    /// The route to this destination, wherever it leads.
    async fn look(&self, cx: &AwsCx, at: Scope<'_>) -> Result<Option<Ec2Route>, StepError> {
        let table = at.inputs.get(&self.table)?;
        let destination = self.destination.to_string();
        let found = route_table::list(cx, Select::id(table.as_str())).await?.into_iter().next();
        let routes = found.and_then(|(_, table)| table.routes).unwrap_or_default();
        Ok(routes.into_iter().find(|route| route.destination_cidr_block() == Some(destination.as_str())))
    }

    /// Whether a route leads where this one must.
    fn leads_there(&self, at: Scope<'_>, route: &Ec2Route) -> Result<bool, StepError> {
        Ok(match &self.target {
            RouteTarget::InternetGateway(id) => route.gateway_id() == Some(at.inputs.get(id)?.as_str()),
            RouteTarget::NatGateway(id) => route.nat_gateway_id() == Some(at.inputs.get(id)?.as_str()),
        })
    }
}

#[async_trait]
impl Step<AwsCx> for Route {
    async fn find(&self, cx: &AwsCx, at: Scope<'_>, _: Lookup<'_>) -> Result<Found, StepError> {
        let table = at.inputs.get(&self.table)?;
        let destination = self.destination.to_string();
        Ok(self.look(cx, at).await?.map_or(Found::None, |_| {
            Found::One(seen_child(KIND, &format!("{table}/{destination}"), table.as_str(), &destination))
        }))
    }

    async fn create(&self, cx: &AwsCx, at: Scope<'_>, _: &Token) -> Result<ResourceRef, StepError> {
        let table = at.inputs.get(&self.table)?;
        let destination = self.destination.to_string();
        let call = cx.ec2.create_route().route_table_id(table.as_str()).destination_cidr_block(&destination);
        let call = match &self.target {
            RouteTarget::InternetGateway(id) => call.gateway_id(at.inputs.get(id)?.as_str()),
            RouteTarget::NatGateway(id) => call.nat_gateway_id(at.inputs.get(id)?.as_str()),
        };
        done("ec2:CreateRoute", &what("route", at), call.send().await)?;
        Ok(ResourceRef::new(KIND, format!("{table}/{destination}")))
    }

    async fn converge(&self, cx: &AwsCx, at: Scope<'_>, _: &Owned) -> Result<(), StepError> {
        // A route in our own table that leads elsewhere: its gateway was made anew.
        let what = what("route", at);
        let route = visible(&what, self.look(cx, at).await?)?;
        if self.leads_there(at, &route)? {
            return Ok(());
        }
        let table = at.inputs.get(&self.table)?;
        let call = cx.ec2.replace_route().route_table_id(table.as_str());
        let call = call.destination_cidr_block(self.destination.to_string());
        let call = match &self.target {
            RouteTarget::InternetGateway(id) => call.gateway_id(at.inputs.get(id)?.as_str()),
            RouteTarget::NatGateway(id) => call.nat_gateway_id(at.inputs.get(id)?.as_str()),
        };
        done("ec2:ReplaceRoute", &what, call.send().await)?;
        Ok(())
    }

    async fn probe(&self, cx: &AwsCx, at: Scope<'_>, _: &ResourceRef) -> Result<Probe, StepError> {
        let route = visible(&what("route", at), self.look(cx, at).await?)?;
        Ok(match route.state() {
            Some(RouteState::Active) if self.leads_there(at, &route)? => Probe::Ready,
            Some(RouteState::Active) => Probe::NotYet("leads elsewhere".to_owned()),
            state => Probe::NotYet(state.map_or("pending", RouteState::as_str).to_owned()),
        })
    }

    async fn outputs(&self, _: &AwsCx, _: Scope<'_>, _: &ResourceRef) -> Result<Outputs, StepError> {
        Ok(Outputs::new())
    }

    async fn delete(&self, cx: &AwsCx, at: Scope<'_>, _: &Owned) -> Result<Deletion, StepError> {
        let table = at.inputs.get(&self.table)?;
        let call = cx.ec2.delete_route().route_table_id(table.as_str());
        let answer = call.destination_cidr_block(self.destination.to_string()).send().await;
        deleted("ec2:DeleteRoute", &what("route", at), Deletion::Gone, answer)
    }
}
