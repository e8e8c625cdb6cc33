//! The log group of a control plane, made before EKS makes it without tags and without an end.

use super::ExtraTags;
use super::support::{self, all_tags, deleted, done, is_of_stack, read, seen, visible, what};
use crate::engine::{
    Deletion, Found, Lookup, Observed, Outputs, Owned, Probe, ResourceRef, Scope, Step, StepError, Token,
};
use crate::providers::aws::{client::AwsCx, tags};
use async_trait::async_trait;
use aws_sdk_cloudwatchlogs::types::LogGroup as CloudGroup;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How plans name this kind.
pub const KIND: &str = "aws/log-group";

/// A log group. Identity: `Name`, tagged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LogGroup {
    /// `/aws/eks/<cluster>/cluster`.
    pub name: String,
    /// Days until lines are dropped: one of the values CloudWatch takes.
    pub retention_days: u16,
}

/// The ARN that tags are asked and set by: the one without the streams' `:*`.
pub(in crate::providers::aws) fn arn_of(group: &CloudGroup) -> String {
    group.log_group_arn().or(group.arn()).unwrap_or_default().trim_end_matches(":*").to_owned()
}

/// The group with exactly this name, with its tags.
pub(in crate::providers::aws) async fn get(
    cx: &AwsCx,
    name: &str,
) -> Result<Option<(Observed, CloudGroup)>, StepError> {
    let what = format!("log group {name}");
    let call = cx.logs.describe_log_groups().log_group_name_prefix(name).into_paginator().items().send();
    let groups = support::list("logs:DescribeLogGroups", &what, call.collect().await)?;
    let Some(group) = groups.into_iter().find(|group| group.log_group_name() == Some(name)) else { return Ok(None) };
    let call = cx.logs.list_tags_for_resource().resource_arn(arn_of(&group)).send().await;
    let Some(tagged) = read("logs:ListTagsForResource", &what, call)? else { return Ok(None) };
    let mut seen = seen(KIND, name, tags::from_map(tagged.tags()));
    seen.evidence.name = Some(name.to_owned());
    seen.created_at = group.creation_time().and_then(|at| Timestamp::from_millisecond(at).ok());
    Ok(Some((seen, group)))
}

#[async_trait]
impl Step<AwsCx> for LogGroup {
    async fn find(&self, cx: &AwsCx, _: Scope<'_>, by: Lookup<'_>) -> Result<Found, StepError> {
        let name = match by {
            Lookup::Id(it) => &it.id,
            Lookup::Identity => &self.name,
        };
        Ok(get(cx, name).await?.map_or(Found::None, |(seen, _)| Found::One(seen)))
    }

    async fn create(&self, cx: &AwsCx, at: Scope<'_>, _: &Token) -> Result<ResourceRef, StepError> {
        let tagged = tags::map(&all_tags(at, &ExtraTags::new()));
        let call = cx.logs.create_log_group().log_group_name(&self.name).set_tags(Some(tagged));
        done("logs:CreateLogGroup", &what("log group", at), call.send().await)?;
        Ok(ResourceRef::new(KIND, &self.name))
    }

    async fn converge(&self, cx: &AwsCx, at: Scope<'_>, owned: &Owned) -> Result<(), StepError> {
        let what = what("log group", at);
        let (_, group) = visible(&what, get(cx, owned.id()).await?)?;
        let days = i32::from(self.retention_days);
        if group.retention_in_days() != Some(days) {
            let call = cx.logs.put_retention_policy().log_group_name(owned.id()).retention_in_days(days);
            done("logs:PutRetentionPolicy", &what, call.send().await)?;
        }
        Ok(())
    }

    async fn probe(&self, cx: &AwsCx, at: Scope<'_>, it: &ResourceRef) -> Result<Probe, StepError> {
        visible(&what("log group", at), get(cx, &it.id).await?)?;
        Ok(Probe::Ready)
    }

    async fn outputs(&self, _: &AwsCx, _: Scope<'_>, _: &ResourceRef) -> Result<Outputs, StepError> {
        Ok(Outputs::new())
    }

    async fn delete(&self, cx: &AwsCx, at: Scope<'_>, owned: &Owned) -> Result<Deletion, StepError> {
        // EKS makes one of that name again, without tags, for whoever has a cluster of that name.
        match get(cx, owned.id()).await? {
            Some((seen, _)) if is_of_stack(at.stack, &seen.evidence.tags) => {}
            Some(_) => return Ok(Deletion::Taken),
            None => return Ok(Deletion::Gone),
        }
        let answer = cx.logs.delete_log_group().log_group_name(owned.id()).send().await;
        deleted("logs:DeleteLogGroup", &what("log group", at), Deletion::Gone, answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Identity;
    use crate::k8s::testing::{Answer, Server};
    use crate::providers::{aws::testing::cx_at, testing::Told};
    use serde_json::json;

    #[tokio::test]
    async fn a_log_group_that_was_made_anew_by_somebody_else_stays() {
        let step = LogGroup { name: "/aws/eks/demo/cluster".to_owned(), retention_days: 7 };
        let told = Told::new("logs", Identity::Name { name: step.name.clone() });
        for (tags, ends, calls) in [
            (told.ours(), Deletion::Gone, 3),
            (told.theirs(), Deletion::Taken, 2),
            (tags::Tags::new(), Deletion::Taken, 2),
        ] {
            let listed = json!({"logGroups": [{"logGroupName": step.name, "logGroupArn": "arn:aws:logs:us-east-1:1:log-group:/aws/eks/demo/cluster"}], "tags": tags});
            let server = Server::start(move |_| Answer::of(200, listed.clone())).await;
            let mut ours = seen(KIND, &step.name, told.ours());
            ours.evidence.name = Some(step.name.clone());
            let owned = told.owned(None, ours);
            let done = step.delete(&cx_at(&server.url()), told.scope(), &owned).await.unwrap();
            assert_eq!((done, server.requests().len()), (ends, calls));
        }
    }
}
