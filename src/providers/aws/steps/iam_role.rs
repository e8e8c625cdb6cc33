//! An IAM role, found by its name under the path `/kubewright/` and proven by its tags.

use super::ExtraTags;
use super::refs::{RoleArn, RoleName};
use super::support::{self, all_tags, busy, deleted, done, lacking, no_id, read, seen, time, visible, what};
use crate::engine::{
    Deletion, Found, Lookup, Observed, OutputKey, Outputs, Owned, Probe, ResourceRef, Scope, Step, StepError, Token,
};
use crate::providers::aws::{client::AwsCx, names, tags};
use async_trait::async_trait;
use aws_sdk_iam::types::Role;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// How plans name this kind.
pub const KIND: &str = "aws/iam-role";
/// The role's name.
pub const NAME: OutputKey<RoleName> = OutputKey::new("name");
/// The role's ARN.
pub const ARN: OutputKey<RoleArn> = OutputKey::new("arn");

/// Who may take the role on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trusts {
    /// The EKS control plane.
    Eks,
    /// Nodes.
    Ec2,
    /// Pods, through EKS Pod Identity.
    Pods,
}

/// A role. Identity: `Name`, tagged. Its `ResourceRef` id is its name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IamRole {
    /// Name, at most 64 characters, the same as in the identity.
    pub name: RoleName,
    /// Trust policy.
    pub trusts: Trusts,
    /// Shown in the console.
    pub description: String,
    /// More tags.
    #[serde(default, skip_serializing_if = "ExtraTags::is_empty")]
    pub extra_tags: ExtraTags,
}

impl Trusts {
    /// The service that takes the role on, as this partition calls it. In China EKS refuses node roles that trust
    /// EC2 by its usual name, and its own name is the usual one (eksctl's table of service principals).
    pub fn service(self, partition: &str) -> &'static str {
        match self {
            Self::Ec2 if partition == "aws-cn" => "ec2.amazonaws.com.cn",
            Self::Ec2 if partition == "aws-iso" => "ec2.c2s.ic.gov",
            Self::Ec2 if partition == "aws-iso-b" => "ec2.sc2s.sgov.gov",
            Self::Eks => "eks.amazonaws.com",
            Self::Ec2 => "ec2.amazonaws.com",
            Self::Pods => "pods.eks.amazonaws.com",
        }
    }

    /// The trust policy, as JSON.
    fn policy(self, partition: &str) -> String {
        // Pod Identity refuses roles that cannot tag the session (Amazon EKS User Guide, "EKS Pod Identities").
        let action =
            if self == Self::Pods { json!(["sts:AssumeRole", "sts:TagSession"]) } else { json!("sts:AssumeRole") };
        json!({
            "Version": "2012-10-17",
            "Statement": [{ "Effect": "Allow", "Principal": { "Service": self.service(partition) }, "Action": action }],
        })
        .to_string()
    }
}

/// One role with its tags.
pub(in crate::providers::aws) async fn get(cx: &AwsCx, name: &str) -> Result<Option<(Observed, Role)>, StepError> {
    let answer = read("iam:GetRole", &format!("role {name}"), cx.iam.get_role().role_name(name).send().await)?;
    Ok(answer.and_then(|it| it.role).map(|role| {
        let mut seen = seen(KIND, role.role_name(), tags::from_iam(role.tags()));
        seen.evidence.name = Some(role.role_name().to_owned());
        seen.created_at = time(Some(role.create_date()));
        (seen, role)
    }))
}

/// Managed policies attached to a role; none where the role is gone.
pub(in crate::providers::aws) async fn attached_policies(cx: &AwsCx, role: &str) -> Result<Vec<String>, StepError> {
    let call = cx.iam.list_attached_role_policies().role_name(role).into_paginator().items().send();
    let found =
        support::list("iam:ListAttachedRolePolicies", &format!("policies of role {role}"), call.collect().await)?;
    Ok(found.into_iter().filter_map(|policy| policy.policy_arn).collect())
}

/// Removes one thing that keeps a role of ours from going, and says what it was. All of these are parts of the role:
/// what EKS or somebody else attached to it has no meaning without it.
async fn shed(cx: &AwsCx, what: &str, role: &str) -> Result<Option<String>, StepError> {
    if let Some(policy) = attached_policies(cx, role).await?.into_iter().next() {
        let call = cx.iam.detach_role_policy().role_name(role).policy_arn(&policy);
        read("iam:DetachRolePolicy", what, call.send().await)?;
        return Ok(Some(format!("policy {policy} was still attached")));
    }
    let inline = cx.iam.list_role_policies().role_name(role).into_paginator().items().send().collect().await;
    if let Some(policy) = support::list("iam:ListRolePolicies", what, inline)?.into_iter().next() {
        let call = cx.iam.delete_role_policy().role_name(role).policy_name(&policy);
        read("iam:DeleteRolePolicy", what, call.send().await)?;
        return Ok(Some(format!("inline policy {policy} was still in it")));
    }
    let profiles =
        cx.iam.list_instance_profiles_for_role().role_name(role).into_paginator().items().send().collect().await;
    let Some(profile) = support::list("iam:ListInstanceProfilesForRole", what, profiles)?.into_iter().next() else {
        return Ok(None);
    };
    let name = profile.instance_profile_name();
    let call = cx.iam.remove_role_from_instance_profile().role_name(role).instance_profile_name(name);
    read("iam:RemoveRoleFromInstanceProfile", what, call.send().await)?;
    // EKS forgets it now and then; anybody else's profile stays.
    if is_of_eks(name) && profile.roles().len() <= 1 {
        let call = cx.iam.delete_instance_profile().instance_profile_name(name);
        read("iam:DeleteInstanceProfile", what, call.send().await)?;
    }
    Ok(Some(format!("instance profile {name} still held it")))
}

/// Whether EKS made the instance profile of this name for a node group: it calls them `eks-<uuid>`.
fn is_of_eks(profile: &str) -> bool {
    let groups: Vec<&str> = profile.strip_prefix("eks-").unwrap_or_default().split('-').collect();
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    lengths == [8, 4, 4, 4, 12] && groups.concat().bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[async_trait]
impl Step<AwsCx> for IamRole {
    async fn find(&self, cx: &AwsCx, _: Scope<'_>, by: Lookup<'_>) -> Result<Found, StepError> {
        let name = match by {
            Lookup::Id(it) => &it.id,
            Lookup::Identity => &self.name.0,
        };
        Ok(get(cx, name).await?.map_or(Found::None, |(seen, _)| Found::One(seen)))
    }

    async fn create(&self, cx: &AwsCx, at: Scope<'_>, _: &Token) -> Result<ResourceRef, StepError> {
        let what = what("role", at);
        let call = cx.iam.create_role().role_name(self.name.as_str()).path(names::ROLE_PATH);
        let call = call.assume_role_policy_document(self.trusts.policy(cx.partition)).description(&self.description);
        let call = call.set_tags(Some(tags::iam(&all_tags(at, &self.extra_tags))));
        let answer = done("iam:CreateRole", &what, call.send().await)?;
        let role = answer.role().ok_or_else(|| no_id(&what))?;
        Ok(ResourceRef::new(KIND, role.role_name()))
    }

    async fn converge(&self, cx: &AwsCx, at: Scope<'_>, owned: &Owned) -> Result<(), StepError> {
        let found = get(cx, owned.id()).await?;
        let labels = found.map(|(seen, _)| lacking(&seen, &self.extra_tags)).unwrap_or_default();
        if !labels.is_empty() {
            let call = cx.iam.tag_role().role_name(owned.id()).set_tags(Some(tags::iam(&labels)));
            done("iam:TagRole", &what("role", at), call.send().await)?;
        }
        Ok(())
    }

    async fn probe(&self, cx: &AwsCx, at: Scope<'_>, it: &ResourceRef) -> Result<Probe, StepError> {
        visible(&what("role", at), get(cx, &it.id).await?)?;
        Ok(Probe::Ready)
    }

    async fn outputs(&self, cx: &AwsCx, at: Scope<'_>, it: &ResourceRef) -> Result<Outputs, StepError> {
        let (_, role) = visible(&what("role", at), get(cx, &it.id).await?)?;
        Ok(Outputs::new().with(NAME, &RoleName(it.id.clone())).with(ARN, &RoleArn(role.arn().to_owned())))
    }

    async fn delete(&self, cx: &AwsCx, at: Scope<'_>, owned: &Owned) -> Result<Deletion, StepError> {
        let what = what("role", at);
        if let Some(shed) = shed(cx, &what, owned.id()).await? {
            return Err(busy(&what, shed));
        }
        let answer = cx.iam.delete_role().role_name(owned.id()).send().await;
        deleted("iam:DeleteRole", &what, Deletion::Gone, answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_profiles_that_eks_named_are_its_own() {
        assert!(is_of_eks("eks-0ac81f2e-5d6b-4c2a-9f10-0123456789ab"));
        for other in [
            "eks-team",
            "eks-",
            "",
            "0ac81f2e-5d6b-4c2a-9f10-0123456789ab",
            "eks-0ac81f2e-5d6b-4c2a-9f10-0123456789ab-x",
        ] {
            assert!(!is_of_eks(other), "{other}");
        }
    }

    #[test]
    fn only_pods_may_tag_their_session() {
        assert!(Trusts::Pods.policy("aws").contains("sts:TagSession"));
        assert!(!Trusts::Eks.policy("aws").contains("sts:TagSession"));
        assert!(Trusts::Ec2.policy("aws").contains("\"Service\":\"ec2.amazonaws.com\""));
    }

    #[test]
    fn nodes_in_china_trust_the_name_that_eks_asks_for_there() {
        assert!(Trusts::Ec2.policy("aws-cn").contains("\"ec2.amazonaws.com.cn\""));
        assert!(Trusts::Ec2.policy("aws-us-gov").contains("\"ec2.amazonaws.com\""));
        assert!(Trusts::Eks.policy("aws-cn").contains("\"eks.amazonaws.com\""));
    }
}
