//! Lets an IAM identity into the cluster.

use super::ExtraTags;
use super::refs::EksName;
use super::support::{all_tags, deleted, done, is_of_stack, read, seen, time, visible, what};
use crate::engine::{
    Deletion, Found, Input, Lookup, Observed, Outputs, Owned, Probe, ResourceRef, Scope, Step, StepError, Token,
};
use crate::providers::aws::{client::AwsCx, tags};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

/// How plans name this kind.
pub const KIND: &str = "aws/access-entry";

/// An access entry of type STANDARD. Identity: `Child` of the cluster's step with the principal's ARN as key.
/// Its `ResourceRef` id is that ARN.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AccessEntry {
    /// The cluster.
    pub cluster: Input<EksName>,
    /// The user or role (never a session) that gets in.
    pub principal_arn: String,
}

/// A principal's entry in a cluster; none where either is gone.
pub(in crate::providers::aws) async fn get(
    cx: &AwsCx,
    cluster: &str,
    principal: &str,
) -> Result<Option<Observed>, StepError> {
    let what = format!("access entry of {principal}");
    let call = cx.eks.describe_access_entry().cluster_name(cluster).principal_arn(principal).send().await;
    let answer = read("eks:DescribeAccessEntry", &what, call)?;
    Ok(answer.and_then(|it| it.access_entry).map(|entry| {
        let mut seen = seen(KIND, principal, tags::from_map(entry.tags()));
        seen.evidence.parent = Some(cluster.to_owned());
        seen.evidence.name = Some(principal.to_owned());
        seen.created_at = time(entry.created_at());
        seen
    }))
}

#[async_trait]
impl Step<AwsCx> for AccessEntry {
    async fn find(&self, cx: &AwsCx, at: Scope<'_>, _: Lookup<'_>) -> Result<Found, StepError> {
        let cluster = at.inputs.get(&self.cluster)?;
        Ok(get(cx, cluster.as_str(), &self.principal_arn).await?.map_or(Found::None, Found::One))
    }

    async fn create(&self, cx: &AwsCx, at: Scope<'_>, token: &Token) -> Result<ResourceRef, StepError> {
        let cluster = at.inputs.get(&self.cluster)?;
        let call = cx.eks.create_access_entry().cluster_name(cluster.as_str()).principal_arn(&self.principal_arn);
        let call = call.r#type("STANDARD").set_tags(Some(tags::map(&all_tags(at, &ExtraTags::new()))));
        let call = call.client_request_token(token.as_str());
        done("eks:CreateAccessEntry", &what("access entry", at), call.send().await)?;
        Ok(ResourceRef::new(KIND, &self.principal_arn))
    }

    async fn converge(&self, _: &AwsCx, _: Scope<'_>, _: &Owned) -> Result<(), StepError> {
        Ok(())
    }

    async fn probe(&self, cx: &AwsCx, at: Scope<'_>, it: &ResourceRef) -> Result<Probe, StepError> {
        let cluster = at.inputs.get(&self.cluster)?;
        visible(&what("access entry", at), get(cx, cluster.as_str(), &it.id).await?)?;
        Ok(Probe::Ready)
    }

    async fn outputs(&self, _: &AwsCx, _: Scope<'_>, _: &ResourceRef) -> Result<Outputs, StepError> {
        Ok(Outputs::new())
    }

    async fn delete(&self, cx: &AwsCx, at: Scope<'_>, owned: &Owned) -> Result<Deletion, StepError> {
        let cluster = at.inputs.get(&self.cluster)?;
        // Its cluster is known by a name that anyone can take once it is free.
        match get(cx, cluster.as_str(), owned.id()).await? {
            Some(seen) if is_of_stack(at.stack, &seen.evidence.tags) => {}
            Some(_) => return Ok(Deletion::Taken),
            None => return Ok(Deletion::Gone),
        }
        let call = cx.eks.delete_access_entry().cluster_name(cluster.as_str()).principal_arn(owned.id());
        deleted("eks:DeleteAccessEntry", &what("access entry", at), Deletion::Gone, call.send().await)
    }
}
