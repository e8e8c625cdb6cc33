//! Lets an IAM identity into the cluster.

use super::ExtraTags;
use super::refs::EksName;
use super::support::{all_tags, deleted, done, is_of_stack, read, seen, time, visible, what};
use crate::engine::{
    Deletion, Found, Input, Lookup, Observed, Outputs, Owned, Probe, ResourceRef, Scope, Step, StepError, Token,
};
use crate::providers::aws::error::{code_of, message_of};
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
    // A cluster that lets in by its ConfigMap alone has no entries; ours never is one.
    if call.as_ref().is_err_and(|why| {
        code_of(why) == Some("InvalidRequestException") && message_of(why).contains("authentication mode")
    }) {
        return Ok(None);
    }
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

#[cfg(test)]
mod tests {
    use super::super::support::seen_child;
    use super::*;
    use crate::engine::Identity;
    use crate::k8s::testing::{Answer, Server};
    use crate::providers::{aws::testing::cx_at, testing::Told};
    use serde_json::json;

    const ANA: &str = "arn:aws:iam::123456789012:role/Ana";

    fn step() -> (AccessEntry, Told) {
        let step = AccessEntry { cluster: Input::Given("demo".into()), principal_arn: ANA.to_owned() };
        (step, Told::new("access/admin", Identity::Child { parent: "cluster".into(), key: ANA.to_owned() }))
    }

    #[tokio::test]
    async fn a_way_into_a_strangers_cluster_stays() {
        let (step, told) = step();
        for (tags, ends, calls) in [(told.ours(), Deletion::Gone, 2), (told.theirs(), Deletion::Taken, 1)] {
            let entry = json!({"accessEntry": {"principalArn": ANA, "tags": tags}});
            let server = Server::start(move |_| Answer::of(200, entry.clone())).await;
            let mut ours = seen_child(KIND, ANA, "demo", ANA);
            ours.evidence.tags = told.ours();
            let owned = told.owned(Some("demo"), ours);
            let done = step.delete(&cx_at(&server.url()), told.scope(), &owned).await.unwrap();
            assert_eq!((done, server.requests().len()), (ends, calls));
        }
    }

    #[tokio::test]
    async fn a_cluster_without_entries_has_none_and_another_refusal_is_one() {
        for (message, is_none) in [
            ("The cluster's authentication mode must be set to one of [API, API_AND_CONFIG_MAP]", true),
            ("The cluster is in a state that does not allow it", false),
        ] {
            let refusal = json!({"__type": "InvalidRequestException", "message": message});
            let server = Server::start(move |_| Answer::of(400, refusal.clone())).await;
            let found = get(&cx_at(&server.url()), "demo", ANA).await;
            assert_eq!(matches!(found, Ok(None)), is_none, "{found:?}");
        }
    }
}
