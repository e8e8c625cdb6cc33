//! The attachment of our internet gateway to our VPC.

use super::blockers::{self, DEPENDENCY};
use super::internet_gateway;
use super::refs::{InternetGatewayId, VpcId};
use super::support::{Select, code_of_result, deleted, done, seen_child, what};
use crate::engine::{
    Deletion, Found, Input, Lookup, Observed, Outputs, Owned, Probe, ResourceRef, Scope, Step, StepError, Token,
};
use crate::providers::aws::client::AwsCx;
use async_trait::async_trait;
use aws_sdk_ec2::types::AttachmentStatus;
use serde::{Deserialize, Serialize};

/// How plans name this kind.
pub const KIND: &str = "aws/gateway-attachment";
/// The key of its `Child` identity: a VPC has one internet gateway at most.
pub const KEY: &str = "internet-gateway";

/// An attachment. Identity: `Child` of the VPC's step with [`KEY`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GatewayAttachment {
    /// The VPC.
    pub vpc: Input<VpcId>,
    /// The gateway.
    pub gateway: Input<InternetGatewayId>,
}

impl GatewayAttachment {
    /// The gateway attached to the VPC, with its state. Somebody else's gateway is not entry [`KEY`].
    async fn look(&self, cx: &AwsCx, at: Scope<'_>) -> Result<Option<(Observed, Option<AttachmentStatus>)>, StepError> {
        let (vpc, gateway) = (at.inputs.get(&self.vpc)?, at.inputs.get(&self.gateway)?);
        for (found, details) in internet_gateway::list(cx, Select::by("attachment.vpc-id", vpc.as_str())).await? {
            let attachment = details.attachments().iter().find(|it| it.vpc_id() == Some(vpc.as_str()));
            let Some(attachment) = attachment.filter(|it| it.state() != Some(&AttachmentStatus::Detached)) else {
                continue;
            };
            let id = &found.reference.id;
            let key = if id == gateway.as_str() { KEY } else { id };
            let mut seen = seen_child(KIND, id, vpc.as_str(), key);
            seen.attached = true;
            return Ok(Some((seen, attachment.state().cloned())));
        }
        Ok(None)
    }
}

#[async_trait]
impl Step<AwsCx> for GatewayAttachment {
    async fn find(&self, cx: &AwsCx, at: Scope<'_>, _: Lookup<'_>) -> Result<Found, StepError> {
        Ok(self.look(cx, at).await?.map_or(Found::None, |(seen, _)| Found::One(seen)))
    }

    async fn create(&self, cx: &AwsCx, at: Scope<'_>, _: &Token) -> Result<ResourceRef, StepError> {
        let (vpc, gateway) = (at.inputs.get(&self.vpc)?, at.inputs.get(&self.gateway)?);
        let call = cx.ec2.attach_internet_gateway().vpc_id(vpc.as_str()).internet_gateway_id(gateway.as_str());
        done("ec2:AttachInternetGateway", &what("internet gateway's attachment", at), call.send().await)?;
        Ok(ResourceRef::new(KIND, gateway.as_str()))
    }

    async fn converge(&self, _: &AwsCx, _: Scope<'_>, _: &Owned) -> Result<(), StepError> {
        Ok(())
    }

    async fn probe(&self, cx: &AwsCx, at: Scope<'_>, _: &ResourceRef) -> Result<Probe, StepError> {
        Ok(match self.look(cx, at).await? {
            // `available` is the word EC2 really uses here, and no variant of the SDK's.
            Some((_, Some(AttachmentStatus::Attached))) => Probe::Ready,
            Some((_, Some(state))) if state.as_str() == "available" => Probe::Ready,
            Some((_, state)) => {
                Probe::NotYet(state.map_or_else(|| "attaching".to_owned(), |it| it.as_str().to_owned()))
            }
            None => Probe::NotYet("attaching".to_owned()),
        })
    }

    async fn outputs(&self, _: &AwsCx, _: Scope<'_>, _: &ResourceRef) -> Result<Outputs, StepError> {
        Ok(Outputs::new())
    }

    async fn delete(&self, cx: &AwsCx, at: Scope<'_>, owned: &Owned) -> Result<Deletion, StepError> {
        let vpc = at.inputs.get(&self.vpc)?;
        let call = cx.ec2.detach_internet_gateway().vpc_id(vpc.as_str()).internet_gateway_id(owned.id());
        let answer = call.send().await;
        if code_of_result(&answer) == Some(DEPENDENCY) {
            return Err(blockers::of_gateway(cx, at, vpc.as_str()).await?);
        }
        deleted("ec2:DetachInternetGateway", &what("internet gateway's attachment", at), Deletion::Gone, answer)
    }
}
