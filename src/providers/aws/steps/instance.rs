//! A machine that outlived its node group.

use super::remains::Remains;
use super::support::{self, Select, deleted, seen, time};
use crate::engine::{Deletion, Observed, StepError};
use crate::providers::aws::{client::AwsCx, tags};
use async_trait::async_trait;
use aws_sdk_ec2::types::{Instance as Ec2Instance, InstanceStateName};
use serde::{Deserialize, Serialize};

/// How plans name this kind.
pub const KIND: &str = "aws/instance";

/// A machine, by id.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Instance {}

/// Machines that are not gone; EC2 lists terminated ones for about an hour.
pub(in crate::providers::aws) async fn list(
    cx: &AwsCx,
    select: Select,
) -> Result<Vec<(Observed, Ec2Instance)>, StepError> {
    let request = cx.ec2.describe_instances().set_instance_ids(select.ids).set_filters(select.filters);
    let answer = request.into_paginator().items().send().collect().await;
    let reservations = support::list("ec2:DescribeInstances", "instances", answer)?;
    let observe = |instance: Ec2Instance| {
        if instance.state().and_then(|state| state.name()) == Some(&InstanceStateName::Terminated) {
            return None;
        }
        let tags = tags::from_ec2(instance.tags());
        let name = tags.get("Name").cloned();
        let mut seen = seen(KIND, instance.instance_id()?, tags);
        seen.reference.name = name;
        seen.created_at = time(instance.launch_time());
        Some((seen, instance))
    };
    Ok(reservations.into_iter().flat_map(|it| it.instances.unwrap_or_default()).filter_map(observe).collect())
}

#[async_trait]
impl Remains for Instance {
    const NOUN: &'static str = "instance";

    async fn read(&self, cx: &AwsCx, id: &str) -> Result<Vec<Observed>, StepError> {
        Ok(list(cx, Select::id(id)).await?.into_iter().map(|(seen, _)| seen).collect())
    }

    async fn remove(&self, cx: &AwsCx, what: &str, id: &str) -> Result<Deletion, StepError> {
        let answer = cx.ec2.terminate_instances().instance_ids(id).send().await;
        deleted("ec2:TerminateInstances", what, Deletion::Started, answer)
    }
}
