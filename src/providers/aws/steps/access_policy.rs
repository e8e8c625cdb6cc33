//! What an access entry may do in the whole cluster.

use super::access_entry;
use super::refs::EksName;
use super::support::{self, deleted, done, is_of_stack, seen_child, visible, what};
use crate::engine::{
    Deletion, Found, Input, Lookup, Outputs, Owned, Probe, ResourceRef, Scope, Step, StepError, Token,
};
use crate::providers::aws::client::AwsCx;
use async_trait::async_trait;
use aws_sdk_eks::types::{AccessScope, AccessScopeType};
use serde::{Deserialize, Serialize};

/// How plans name this kind.
pub const KIND: &str = "aws/access-policy";
/// Everything.
pub const CLUSTER_ADMIN: &str = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy";

/// An association of an access policy, cluster wide. Identity: `Child` of the access entry's step with the policy's
/// ARN as key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AccessPolicy {
    /// The cluster.
    pub cluster: Input<EksName>,
    /// Whose entry.
    pub principal_arn: String,
    /// The policy.
    pub policy_arn: String,
}

impl AccessPolicy {
    /// Whether the entry has the policy for the whole cluster.
    async fn is_associated(&self, cx: &AwsCx, at: Scope<'_>) -> Result<bool, StepError> {
        let cluster = at.inputs.get(&self.cluster)?;
        let call = cx.eks.list_associated_access_policies().cluster_name(cluster.as_str());
        let call = call.principal_arn(&self.principal_arn).into_paginator().items().send();
        let what = what("access policy", at);
        let found = support::list("eks:ListAssociatedAccessPolicies", &what, call.collect().await)?;
        Ok(found.iter().any(|it| {
            let everywhere = it.access_scope().and_then(|scope| scope.r#type()) == Some(&AccessScopeType::Cluster);
            it.policy_arn() == Some(&self.policy_arn) && everywhere
        }))
    }

    /// It has no tags, and its cluster is known by a name that anyone can take: the entry it hangs on has tags. None
    /// where there is no entry.
    async fn is_on_our_entry(&self, cx: &AwsCx, at: Scope<'_>) -> Result<Option<bool>, StepError> {
        let cluster = at.inputs.get(&self.cluster)?;
        let entry = access_entry::get(cx, cluster.as_str(), &self.principal_arn).await?;
        Ok(entry.map(|entry| is_of_stack(at.stack, &entry.evidence.tags)))
    }
}

#[async_trait]
impl Step<AwsCx> for AccessPolicy {
    async fn find(&self, cx: &AwsCx, at: Scope<'_>, _: Lookup<'_>) -> Result<Found, StepError> {
        let Some(is_ours) = self.is_on_our_entry(cx, at).await? else { return Ok(Found::None) };
        if !self.is_associated(cx, at).await? {
            return Ok(Found::None);
        }
        let parent = match is_ours {
            true => self.principal_arn.clone(),
            false => format!("{} of another stack", self.principal_arn),
        };
        Ok(Found::One(seen_child(KIND, &self.policy_arn, &parent, &self.policy_arn)))
    }

    async fn create(&self, cx: &AwsCx, at: Scope<'_>, _: &Token) -> Result<ResourceRef, StepError> {
        let cluster = at.inputs.get(&self.cluster)?;
        let everywhere = AccessScope::builder().r#type(AccessScopeType::Cluster).build();
        let call = cx.eks.associate_access_policy().cluster_name(cluster.as_str()).principal_arn(&self.principal_arn);
        let call = call.policy_arn(&self.policy_arn).access_scope(everywhere);
        done("eks:AssociateAccessPolicy", &what("access policy", at), call.send().await)?;
        Ok(ResourceRef::new(KIND, &self.policy_arn))
    }

    async fn converge(&self, _: &AwsCx, _: Scope<'_>, _: &Owned) -> Result<(), StepError> {
        Ok(())
    }

    async fn probe(&self, cx: &AwsCx, at: Scope<'_>, _: &ResourceRef) -> Result<Probe, StepError> {
        visible(&what("access policy", at), self.is_associated(cx, at).await?.then_some(()))?;
        Ok(Probe::Ready)
    }

    async fn outputs(&self, _: &AwsCx, _: Scope<'_>, _: &ResourceRef) -> Result<Outputs, StepError> {
        Ok(Outputs::new())
    }

    async fn delete(&self, cx: &AwsCx, at: Scope<'_>, owned: &Owned) -> Result<Deletion, StepError> {
        match self.is_on_our_entry(cx, at).await? {
            Some(true) => {}
            Some(false) => return Ok(Deletion::Taken),
            None => return Ok(Deletion::Gone),
        }
        let cluster = at.inputs.get(&self.cluster)?;
        let call = cx.eks.disassociate_access_policy().cluster_name(cluster.as_str());
        let call = call.principal_arn(&self.principal_arn).policy_arn(owned.id());
        deleted("eks:DisassociateAccessPolicy", &what("access policy", at), Deletion::Gone, call.send().await)
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
    async fn a_right_in_a_strangers_cluster_stays() {
        const ANA: &str = "arn:aws:iam::123456789012:role/Ana";
        let (cluster, principal_arn, policy_arn) =
            (Input::Given("demo".into()), ANA.to_owned(), CLUSTER_ADMIN.to_owned());
        let step = AccessPolicy { cluster, principal_arn, policy_arn };
        let identity = Identity::Child { parent: "access/admin".into(), key: CLUSTER_ADMIN.to_owned() };
        let told = Told::new("access/admin/policy", identity);
        for (tags, ends, calls) in [(told.ours(), Deletion::Gone, 2), (told.theirs(), Deletion::Taken, 1)] {
            let entry = json!({"accessEntry": {"principalArn": ANA, "tags": tags}});
            let server = Server::start(move |_| Answer::of(200, entry.clone())).await;
            let mut ours = seen_child(KIND, CLUSTER_ADMIN, ANA, CLUSTER_ADMIN);
            ours.evidence.tags = told.ours();
            let owned = told.owned(Some(ANA), ours);
            let done = step.delete(&cx_at(&server.url()), told.scope(), &owned).await.unwrap();
            assert_eq!((done, server.requests().len()), (ends, calls));
        }
    }
}
