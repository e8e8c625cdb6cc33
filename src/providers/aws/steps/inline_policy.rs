//! A policy written into a role of ours.

use super::refs::RoleName;
use super::support::{deleted, done, read, seen_child, visible, what};
use crate::engine::{
    Deletion, Found, Input, Lookup, Observed, Outputs, Owned, Probe, ResourceRef, Scope, Step, StepError, Token,
};
use crate::providers::aws::client::AwsCx;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How plans name this kind.
pub const KIND: &str = "aws/inline-policy";

/// An inline policy. Identity: `Child` of the role's step with the policy's name as key. Its `ResourceRef` id is
/// `role/name`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InlinePolicy {
    /// The role.
    pub role: Input<RoleName>,
    /// Name in the role.
    pub name: String,
    /// What it allows.
    pub document: Value,
}

impl InlinePolicy {
    async fn look(&self, cx: &AwsCx, at: Scope<'_>, role: &str) -> Result<Option<Observed>, StepError> {
        let call = cx.iam.get_role_policy().role_name(role).policy_name(&self.name).send().await;
        let found = read("iam:GetRolePolicy", &what("role's policy", at), call)?;
        Ok(found.map(|_| seen_child(KIND, &format!("{role}/{}", self.name), role, &self.name)))
    }
}

#[async_trait]
impl Step<AwsCx> for InlinePolicy {
    async fn find(&self, cx: &AwsCx, at: Scope<'_>, _: Lookup<'_>) -> Result<Found, StepError> {
        let role = at.inputs.get(&self.role)?;
        Ok(self.look(cx, at, role.as_str()).await?.map_or(Found::None, Found::One))
    }

    async fn create(&self, cx: &AwsCx, at: Scope<'_>, _: &Token) -> Result<ResourceRef, StepError> {
        let role = at.inputs.get(&self.role)?;
        let call = cx.iam.put_role_policy().role_name(role.as_str()).policy_name(&self.name);
        let call = call.policy_document(self.document.to_string());
        done("iam:PutRolePolicy", &what("role's policy", at), call.send().await)?;
        Ok(ResourceRef::new(KIND, format!("{role}/{}", self.name)))
    }

    async fn converge(&self, _: &AwsCx, _: Scope<'_>, _: &Owned) -> Result<(), StepError> {
        Ok(())
    }

    async fn probe(&self, cx: &AwsCx, at: Scope<'_>, _: &ResourceRef) -> Result<Probe, StepError> {
        let role = at.inputs.get(&self.role)?;
        visible(&what("role's policy", at), self.look(cx, at, role.as_str()).await?)?;
        Ok(Probe::Ready)
    }

    async fn outputs(&self, _: &AwsCx, _: Scope<'_>, _: &ResourceRef) -> Result<Outputs, StepError> {
        Ok(Outputs::new())
    }

    async fn delete(&self, cx: &AwsCx, at: Scope<'_>, _: &Owned) -> Result<Deletion, StepError> {
        let role = at.inputs.get(&self.role)?;
        let answer = cx.iam.delete_role_policy().role_name(role.as_str()).policy_name(&self.name).send().await;
        deleted("iam:DeleteRolePolicy", &what("role's policy", at), Deletion::Gone, answer)
    }
}
