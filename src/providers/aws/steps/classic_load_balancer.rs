//! A classic load balancer that the cluster made for a Service. Its id is its name.

use super::remains::Remains;
use super::support::{self, deleted, in_chunks, seen, time};
use crate::engine::{Deletion, Observed, StepError};
use crate::providers::aws::{client::AwsCx, tags::Tags};
use async_trait::async_trait;
use aws_sdk_elasticloadbalancing::types::{LoadBalancerDescription, Tag, TagDescription};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How plans name this kind.
pub const KIND: &str = "aws/classic-load-balancer";
/// How many names one call for tags takes.
const TAGS_AT_ONCE: usize = 20;

/// A classic load balancer, by name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassicLoadBalancer {}

/// Classic load balancers of the region, or those with these names; without their tags.
pub(in crate::providers::aws) async fn list(
    cx: &AwsCx,
    names: Option<Vec<String>>,
) -> Result<Vec<(Observed, LoadBalancerDescription)>, StepError> {
    let request = cx.elb.describe_load_balancers().set_load_balancer_names(names);
    let answer = request.into_paginator().items().send().collect().await;
    let found = support::list("elasticloadbalancing:DescribeLoadBalancers", "classic load balancers", answer)?;
    let observe = |balancer: LoadBalancerDescription| {
        let mut seen = seen(KIND, balancer.load_balancer_name()?, Tags::new());
        seen.evidence.name = balancer.load_balancer_name().map(str::to_owned);
        seen.created_at = time(balancer.created_time());
        Some((seen, balancer))
    };
    Ok(found.into_iter().filter_map(observe).collect())
}

/// Tags by name.
pub(in crate::providers::aws) async fn tags_of<'a>(
    cx: &'a AwsCx,
    names: &'a [String],
) -> Result<BTreeMap<String, Tags>, StepError> {
    in_chunks(names, TAGS_AT_ONCE, move |some| described(cx, some)).await
}

/// None where one of them is gone.
async fn described(cx: &AwsCx, names: &[String]) -> Result<Option<BTreeMap<String, Tags>>, StepError> {
    let call = cx.elb.describe_tags().set_load_balancer_names(Some(names.to_vec())).send().await;
    let answer = support::read("elasticloadbalancing:DescribeTags", "tags of classic load balancers", call)?;
    let read = |it: &TagDescription| {
        let pair = |tag: &Tag| (tag.key().to_owned(), tag.value().unwrap_or_default().to_owned());
        let tags: Tags = it.tags().iter().map(pair).collect();
        (it.load_balancer_name().unwrap_or_default().to_owned(), tags)
    };
    Ok(answer.map(|it| it.tag_descriptions().iter().map(read).collect()))
}

#[async_trait]
impl Remains for ClassicLoadBalancer {
    const NOUN: &'static str = "classic load balancer";

    async fn read(&self, cx: &AwsCx, id: &str) -> Result<Vec<Observed>, StepError> {
        Ok(list(cx, Some(vec![id.to_owned()])).await?.into_iter().map(|(seen, _)| seen).collect())
    }

    async fn remove(&self, cx: &AwsCx, what: &str, id: &str) -> Result<Deletion, StepError> {
        let answer = cx.elb.delete_load_balancer().load_balancer_name(id).send().await;
        deleted("elasticloadbalancing:DeleteLoadBalancer", what, Deletion::Started, answer)
    }
}
