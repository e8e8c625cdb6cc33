//! The attachment of a managed policy to a role of ours.

use super::iam_role::attached_policies;
use super::refs::RoleName;
use super::support::{deleted, done, seen_child, visible, what};
use crate::engine::{
    Deletion, Found, Input, Lookup, Outputs, Owned, Probe, ResourceRef, Scope, Step, StepError, Token,
};
use crate::providers::aws::client::AwsCx;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

/// How plans name this kind.
pub const KIND: &str = "aws/role-policy";

/// An attachment. Identity: `Child` of the role's step with the policy's ARN as key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RolePolicy {
    /// The role.
    pub role: Input<RoleName>,
    /// The managed policy.
    pub policy_arn: String,
}

#[async_trait]
impl Step<AwsCx> for RolePolicy {
    async fn find(&self, cx: &AwsCx, at: Scope<'_>, _: Lookup<'_>) -> Result<Found, StepError> {
        let role = at.inputs.get(&self.role)?;
        let attached = attached_policies(cx, role.as_str()).await?;
        let ours = attached.iter().find(|policy| **policy == self.policy_arn);
        Ok(ours.map_or(Found::None, |policy| Found::One(seen_child(KIND, policy, role.as_str(), policy))))
    }

    async fn create(&self, cx: &AwsCx, at: Scope<'_>, _: &Token) -> Result<ResourceRef, StepError> {
        let role = at.inputs.get(&self.role)?;
        let call = cx.iam.attach_role_policy().role_name(role.as_str()).policy_arn(&self.policy_arn);
        done("iam:AttachRolePolicy", &what("role's policy", at), call.send().await)?;
        Ok(ResourceRef::new(KIND, &self.policy_arn))
    }

    async fn converge(&self, _: &AwsCx, _: Scope<'_>, _: &Owned) -> Result<(), StepError> {
        Ok(())
    }

    async fn probe(&self, cx: &AwsCx, at: Scope<'_>, it: &ResourceRef) -> Result<Probe, StepError> {
        let role = at.inputs.get(&self.role)?;
        let attached = attached_policies(cx, role.as_str()).await?;
        visible(&what("role's policy", at), attached.iter().find(|policy| **policy == it.id))?;
        Ok(Probe::Ready)
    }

    async fn outputs(&self, _: &AwsCx, _: Scope<'_>, _: &ResourceRef) -> Result<Outputs, StepError> {
        Ok(Outputs::new())
    }

    async fn delete(&self, cx: &AwsCx, at: Scope<'_>, owned: &Owned) -> Result<Deletion, StepError> {
        let role = at.inputs.get(&self.role)?;
        let answer = cx.iam.detach_role_policy().role_name(role.as_str()).policy_arn(owned.id()).send().await;
        deleted("iam:DetachRolePolicy", &what("role's policy", at), Deletion::Gone, answer)
    }
}
