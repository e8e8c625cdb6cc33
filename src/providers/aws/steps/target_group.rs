//! A target group that the cluster made for a load balancer. Its id is its ARN.

use super::remains::Remains;
use super::support::{self, deleted, seen};
use crate::engine::{Deletion, Observed, StepError};
use crate::providers::aws::{client::AwsCx, tags::Tags};
use async_trait::async_trait;
use aws_sdk_elasticloadbalancingv2::types::TargetGroup as CloudGroup;
use serde::{Deserialize, Serialize};

/// How plans name this kind.
pub const KIND: &str = "aws/target-group";

/// A target group, by ARN.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetGroup {}

/// Target groups of the region, or those with these ARNs; without their tags.
pub(in crate::providers::aws) async fn list(
    cx: &AwsCx,
    arns: Option<Vec<String>>,
) -> Result<Vec<(Observed, CloudGroup)>, StepError> {
    let request = cx.elbv2.describe_target_groups().set_target_group_arns(arns);
    let answer = request.into_paginator().items().send().collect().await;
    let found = support::list("elasticloadbalancing:DescribeTargetGroups", "target groups", answer)?;
    let observe = |group: CloudGroup| {
        let mut seen = seen(KIND, group.target_group_arn()?, Tags::new());
        seen.reference.name = group.target_group_name().map(str::to_owned);
        seen.evidence.name = group.target_group_name().map(str::to_owned);
        seen.attached = !group.load_balancer_arns().is_empty();
        Some((seen, group))
    };
    Ok(found.into_iter().filter_map(observe).collect())
}

#[async_trait]
impl Remains for TargetGroup {
    const NOUN: &'static str = "target group";

    async fn read(&self, cx: &AwsCx, id: &str) -> Result<Vec<Observed>, StepError> {
        Ok(list(cx, Some(vec![id.to_owned()])).await?.into_iter().map(|(seen, _)| seen).collect())
    }

    async fn remove(&self, cx: &AwsCx, what: &str, id: &str) -> Result<Deletion, StepError> {
        // Refused with `ResourceInUse`, which is waited for, until its load balancer is gone.
        let answer = cx.elbv2.delete_target_group().target_group_arn(id).send().await;
        deleted("elasticloadbalancing:DeleteTargetGroup", what, Deletion::Gone, answer)
    }
}
