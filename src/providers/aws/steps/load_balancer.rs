//! A network or application load balancer that the cluster made for a Service or an Ingress. Its id is its ARN.

use super::remains::Remains;
use super::support::{self, blocked, code_of_result, deleted, in_chunks, seen, time};
use crate::engine::{Deletion, Observed, StepError};
use crate::providers::aws::{client::AwsCx, tags::Tags};
use async_trait::async_trait;
use aws_sdk_elasticloadbalancingv2::types::{LoadBalancer as CloudBalancer, TagDescription};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How plans name this kind.
pub const KIND: &str = "aws/load-balancer";
/// How many ARNs one call for tags takes.
const TAGS_AT_ONCE: usize = 20;

/// A load balancer, by ARN.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoadBalancer {}

/// Load balancers of the region, or those with these ARNs; without their tags.
pub(in crate::providers::aws) async fn list(
    cx: &AwsCx,
    arns: Option<Vec<String>>,
) -> Result<Vec<(Observed, CloudBalancer)>, StepError> {
    let request = cx.elbv2.describe_load_balancers().set_load_balancer_arns(arns);
    let answer = request.into_paginator().items().send().collect().await;
    let found = support::list("elasticloadbalancing:DescribeLoadBalancers", "load balancers", answer)?;
    let observe = |balancer: CloudBalancer| {
        let mut seen = seen(KIND, balancer.load_balancer_arn()?, Tags::new());
        seen.reference.name = balancer.load_balancer_name().map(str::to_owned);
        seen.evidence.name = balancer.load_balancer_name().map(str::to_owned);
        seen.created_at = time(balancer.created_time());
        Some((seen, balancer))
    };
    Ok(found.into_iter().filter_map(observe).collect())
}

/// Tags by ARN, of load balancers and target groups alike.
pub(in crate::providers::aws) async fn tags_of<'a>(
    cx: &'a AwsCx,
    arns: &'a [String],
) -> Result<BTreeMap<String, Tags>, StepError> {
    in_chunks(arns, TAGS_AT_ONCE, move |some| described(cx, some)).await
}

/// None where one of them is gone.
async fn described(cx: &AwsCx, arns: &[String]) -> Result<Option<BTreeMap<String, Tags>>, StepError> {
    let call = cx.elbv2.describe_tags().set_resource_arns(Some(arns.to_vec())).send().await;
    let answer = support::read("elasticloadbalancing:DescribeTags", "tags of load balancers", call)?;
    let read = |it: &TagDescription| {
        let text = |part: Option<&str>| part.unwrap_or_default().to_owned();
        let tags: Tags = it.tags().iter().map(|tag| (text(tag.key()), text(tag.value()))).collect();
        (text(it.resource_arn()), tags)
    };
    Ok(answer.map(|it| it.tag_descriptions().iter().map(read).collect()))
}

#[async_trait]
impl Remains for LoadBalancer {
    const NOUN: &'static str = "load balancer";

    async fn read(&self, cx: &AwsCx, id: &str) -> Result<Vec<Observed>, StepError> {
        Ok(list(cx, Some(vec![id.to_owned()])).await?.into_iter().map(|(seen, _)| seen).collect())
    }

    async fn remove(&self, cx: &AwsCx, what: &str, id: &str) -> Result<Deletion, StepError> {
        let answer = cx.elbv2.delete_load_balancer().load_balancer_arn(id).send().await;
        if code_of_result(&answer) == Some("OperationNotPermitted") {
            return Err(blocked(what, "its deletion protection is on").with_hint(format!(
                "aws elbv2 modify-load-balancer-attributes --region {} --load-balancer-arn {id} --attributes Key=deletion_protection.enabled,Value=false",
                cx.region
            )));
        }
        deleted("elasticloadbalancing:DeleteLoadBalancer", what, Deletion::Started, answer)
    }
}
