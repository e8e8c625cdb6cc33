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
}

#[async_trait]
impl Step<AwsCx> for AccessPolicy {
    async fn find(&self, cx: &AwsCx, at: Scope<'_>, _: Lookup<'_>) -> Result<Found, StepError> {
        if !self.is_associated(cx, at).await? {
            return Ok(Found::None);
        }
        // It has no tags, and its cluster is known by a name that anyone can take: the entry it hangs on has tags.
        let cluster = at.inputs.get(&self.cluster)?;
        let entry = access_entry::get(cx, cluster.as_str(), &self.principal_arn).await?;
        let parent = match entry {
            Some(entry) if is_of_stack(at.stack, &entry.evidence.tags) => self.principal_arn.clone(),
            _ => format!("{} of another stack", self.principal_arn),
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
        let cluster = at.inputs.get(&self.cluster)?;
        let call = cx.eks.disassociate_access_policy().cluster_name(cluster.as_str());
        let call = call.principal_arn(&self.principal_arn).policy_arn(owned.id());
        deleted("eks:DisassociateAccessPolicy", &what("access policy", at), Deletion::Gone, call.send().await)
    }
}
