//! Ties a subnet of ours to a route table of ours.

use super::refs::{RouteTableId, SubnetId};
use super::route_table;
use super::support::{Select, broken, child_key, deleted, done, no_id, seen_child, visible, what};
use crate::engine::{
    Deletion, ErrorClass, Found, Input, Lookup, Observed, Outputs, Owned, Probe, ResourceRef, Scope, Step, StepError,
    Token,
};
use crate::providers::aws::{client::AwsCx, error};
use async_trait::async_trait;
use aws_sdk_ec2::types::{RouteTableAssociation as Ec2Association, RouteTableAssociationStateCode as State};
use serde::{Deserialize, Serialize};

/// How plans name this kind.
pub const KIND: &str = "aws/route-table-association";

/// An association. Identity: `Child` of the table's step; the key is free (the subnet's step id is a good one), since
/// the subnet's own id is not known before the call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RouteTableAssociation {
    /// The table.
    pub table: Input<RouteTableId>,
    /// The subnet.
    pub subnet: Input<SubnetId>,
}

impl RouteTableAssociation {
    /// The subnet's association, whichever table it names.
    async fn look(&self, cx: &AwsCx, at: Scope<'_>) -> Result<Option<(Observed, Ec2Association)>, StepError> {
        let subnet = at.inputs.get(&self.subnet)?;
        for (table, details) in route_table::list(cx, Select::by("association.subnet-id", subnet.as_str())).await? {
            let mut all = details.associations.unwrap_or_default().into_iter();
            let ours = all.find(|it| {
                let gone = it.association_state().and_then(|state| state.state()) == Some(&State::Disassociated);
                it.subnet_id() == Some(subnet.as_str()) && !gone
            });
            let Some(it) = ours else { continue };
            let Some(id) = it.route_table_association_id() else { continue };
            let key = child_key(&at).unwrap_or(subnet.as_str());
            return Ok(Some((seen_child(KIND, id, &table.reference.id, key), it)));
        }
        Ok(None)
    }
}

#[async_trait]
impl Step<AwsCx> for RouteTableAssociation {
    async fn find(&self, cx: &AwsCx, at: Scope<'_>, by: Lookup<'_>) -> Result<Found, StepError> {
        let found = self.look(cx, at).await?.map(|(seen, _)| seen);
        // Another association of the same subnet is not the one that was asked for by id.
        let wanted = |seen: &Observed| {
            matches!(by, Lookup::Identity) || matches!(by, Lookup::Id(it) if it.id == seen.reference.id)
        };
        Ok(found.filter(wanted).map_or(Found::None, Found::One))
    }

    async fn create(&self, cx: &AwsCx, at: Scope<'_>, _: &Token) -> Result<ResourceRef, StepError> {
        let what = what("route table's association", at);
        let (table, subnet) = (at.inputs.get(&self.table)?, at.inputs.get(&self.subnet)?);
        let call = cx.ec2.associate_route_table().route_table_id(table.as_str()).subnet_id(subnet.as_str());
        let answer = done("ec2:AssociateRouteTable", &what, call.send().await)?;
        Ok(ResourceRef::new(KIND, answer.association_id().ok_or_else(|| no_id(&what))?))
    }

    async fn converge(&self, _: &AwsCx, _: Scope<'_>, _: &Owned) -> Result<(), StepError> {
        Ok(())
    }

    async fn probe(&self, cx: &AwsCx, at: Scope<'_>, it: &ResourceRef) -> Result<Probe, StepError> {
        let what = what("route table's association", at);
        let (_, found) = visible(&what, self.look(cx, at).await?)?;
        let state = found.association_state();
        Ok(match state.and_then(|state| state.state()) {
            None | Some(State::Associated) => Probe::Ready,
            Some(State::Failed) => {
                let why = state.and_then(|state| state.status_message()).unwrap_or("no reason given");
                let why = format!("{what} failed: {}", error::clean(why));
                Probe::Broken(broken(ErrorClass::Transient, error::SERVER, it, why))
            }
            Some(state) => Probe::NotYet(state.as_str().to_owned()),
        })
    }

    async fn outputs(&self, _: &AwsCx, _: Scope<'_>, _: &ResourceRef) -> Result<Outputs, StepError> {
        Ok(Outputs::new())
    }

    async fn delete(&self, cx: &AwsCx, at: Scope<'_>, owned: &Owned) -> Result<Deletion, StepError> {
        let answer = cx.ec2.disassociate_route_table().association_id(owned.id()).send().await;
        deleted("ec2:DisassociateRouteTable", &what("route table's association", at), Deletion::Gone, answer)
    }
}
