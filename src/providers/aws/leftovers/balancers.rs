//! Load balancers and target groups that the cluster's controllers made.

use super::{Look, judged, price};
use crate::engine::{Leftover, Observed, StepError};
use crate::providers::aws::client::AwsCx;
use crate::providers::aws::steps::{self, classic_load_balancer, load_balancer, target_group};
use crate::providers::aws::tags::Tags;
use std::collections::BTreeMap;

/// What the load balancers' services list comes without tags: those are asked for by id.
fn ids<T>(all: &[(Observed, T)]) -> Vec<String> {
    all.iter().map(|(seen, _)| seen.reference.id.clone()).collect()
}

fn with_tags<T>(all: Vec<(Observed, T)>, mut tags: BTreeMap<String, Tags>) -> impl Iterator<Item = (Observed, T)> {
    all.into_iter().map(move |(mut seen, details)| {
        seen.evidence.tags = tags.remove(&seen.reference.id).unwrap_or_default();
        (seen, details)
    })
}

pub(super) async fn balancers(cx: &AwsCx, look: Look<'_>) -> Result<Vec<Leftover>, StepError> {
    let all = load_balancer::list(cx, None).await?;
    let tags = load_balancer::tags_of(cx, &ids(&all)).await?;
    let mut found = Vec::new();
    for (seen, details) in with_tags(all, tags) {
        let component = if details.r#type().is_some_and(|kind| kind.as_str() == "application") { "alb" } else { "nlb" };
        let made = judged(look, seen, details.vpc_id(), "elasticloadbalancing", &steps::LoadBalancer {});
        found.extend(made.map(|it| Leftover { usd_per_hour: price(cx, component, 1.0), ..it }));
    }
    Ok(found)
}

pub(super) async fn classic_balancers(cx: &AwsCx, look: Look<'_>) -> Result<Vec<Leftover>, StepError> {
    let all = classic_load_balancer::list(cx, None).await?;
    let tags = classic_load_balancer::tags_of(cx, &ids(&all)).await?;
    let mut found = Vec::new();
    for (seen, details) in with_tags(all, tags) {
        let made = judged(look, seen, details.vpc_id(), "elasticloadbalancing", &steps::ClassicLoadBalancer {});
        found.extend(made.map(|it| Leftover { usd_per_hour: price(cx, "classic-elb", 1.0), ..it }));
    }
    Ok(found)
}

pub(super) async fn target_groups(cx: &AwsCx, look: Look<'_>) -> Result<Vec<Leftover>, StepError> {
    let all = target_group::list(cx, None).await?;
    let tags = load_balancer::tags_of(cx, &ids(&all)).await?;
    let mut found = Vec::new();
    for (seen, details) in with_tags(all, tags) {
        let made = judged(look, seen, details.vpc_id(), "elasticloadbalancing", &steps::TargetGroup {});
        // A target group of somebody else's costs nothing and stands in nobody's way.
        found.extend(made.filter(|it| it.seen.evidence.caused.is_some()));
    }
    Ok(found)
}
