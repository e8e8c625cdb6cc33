//! A security group: ours for the control plane, or one that the cluster made and left behind.

use super::ExtraTags;
use super::blockers::{self, DEPENDENCY};
use super::refs::{SecurityGroupId, VpcId};
use super::support::{
    self, Select, all_tags, busy, code_of_result, deleted, done, no_id, seen, shown_name, visible, what,
};
use crate::engine::{
    Deletion, Found, Input, Lookup, Observed, OutputKey, Outputs, Owned, Probe, ResourceRef, Scope, Step, StepError,
    Token,
};
use crate::providers::aws::{client::AwsCx, tags};
use async_trait::async_trait;
use aws_sdk_ec2::types::{IpPermission, ResourceType, SecurityGroup as Ec2Group};
use serde::{Deserialize, Serialize};

/// How plans name this kind.
pub const KIND: &str = "aws/security-group";
/// The group's id.
pub const ID: OutputKey<SecurityGroupId> = OutputKey::new("id");

/// A security group without rules of its own: it lets everything out, nothing in. Identity: `Tags`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecurityGroup {
    /// The VPC.
    pub vpc: Input<VpcId>,
    /// Its name, unique in the VPC.
    pub name: String,
    /// What it is for; a name cannot be changed later, nor can this.
    pub description: String,
}

/// Security groups with their rules.
pub(in crate::providers::aws) async fn list(
    cx: &AwsCx,
    select: Select,
) -> Result<Vec<(Observed, Ec2Group)>, StepError> {
    let request = cx.ec2.describe_security_groups().set_group_ids(select.ids).set_filters(select.filters);
    let answer = request.into_paginator().items().send().collect().await;
    let groups = support::list("ec2:DescribeSecurityGroups", "security groups", answer)?;
    let observe = |group: Ec2Group| {
        let mut seen = seen(KIND, group.group_id()?, tags::from_ec2(group.tags()));
        seen.reference.name = group.group_name().map(str::to_owned);
        seen.evidence.name = group.group_name().map(str::to_owned);
        Some((seen, group))
    };
    Ok(groups.into_iter().filter_map(observe).collect())
}

/// Those rules of a group that name another group: as long as they stand, neither group can go.
fn cross_references(own: &str, rules: &[IpPermission]) -> Vec<IpPermission> {
    let other = |rule: &IpPermission| {
        let pairs: Vec<_> =
            rule.user_id_group_pairs().iter().filter(|pair| pair.group_id() != Some(own)).cloned().collect();
        (!pairs.is_empty()).then(|| {
            let same = IpPermission::builder().set_ip_protocol(rule.ip_protocol().map(str::to_owned));
            same.set_from_port(rule.from_port())
                .set_to_port(rule.to_port())
                .set_user_id_group_pairs(Some(pairs))
                .build()
        })
    };
    rules.iter().filter_map(other).collect()
}

#[async_trait]
impl Step<AwsCx> for SecurityGroup {
    async fn find(&self, cx: &AwsCx, at: Scope<'_>, by: Lookup<'_>) -> Result<Found, StepError> {
        let found = list(cx, Select::of(at, by)).await?;
        Ok(found.into_iter().map(|(seen, _)| seen).collect::<Vec<_>>().into())
    }

    async fn create(&self, cx: &AwsCx, at: Scope<'_>, _: &Token) -> Result<ResourceRef, StepError> {
        let what = what("security group", at);
        let vpc = at.inputs.get(&self.vpc)?;
        let tagged = tags::ec2(ResourceType::SecurityGroup, &all_tags(at, &ExtraTags::new()), Some(&shown_name(at)));
        let call = cx.ec2.create_security_group().vpc_id(vpc.as_str()).group_name(&self.name);
        let call = call.description(&self.description).tag_specifications(tagged);
        let answer = done("ec2:CreateSecurityGroup", &what, call.send().await)?;
        let mut made = ResourceRef::new(KIND, answer.group_id().ok_or_else(|| no_id(&what))?);
        made.name = Some(self.name.clone());
        Ok(made)
    }

    async fn converge(&self, _: &AwsCx, _: Scope<'_>, _: &Owned) -> Result<(), StepError> {
        Ok(())
    }

    async fn probe(&self, cx: &AwsCx, at: Scope<'_>, it: &ResourceRef) -> Result<Probe, StepError> {
        visible(&what("security group", at), list(cx, Select::id(&it.id)).await?.first())?;
        Ok(Probe::Ready)
    }

    async fn outputs(&self, _: &AwsCx, _: Scope<'_>, it: &ResourceRef) -> Result<Outputs, StepError> {
        Ok(Outputs::new().with(ID, &SecurityGroupId(it.id.clone())))
    }

    async fn delete(&self, cx: &AwsCx, at: Scope<'_>, owned: &Owned) -> Result<Deletion, StepError> {
        let what = what("security group", at);
        let answer = cx.ec2.delete_security_group().group_id(owned.id()).send().await;
        if code_of_result(&answer) != Some(DEPENDENCY) {
            return deleted("ec2:DeleteSecurityGroup", &what, Deletion::Gone, answer);
        }
        // Groups of one cluster name each other in their rules. Each gives up its own rules, never another's: once
        // all that go have done so, all can go.
        let Some((_, group)) = list(cx, Select::id(owned.id())).await?.into_iter().next() else {
            return Ok(Deletion::Gone);
        };
        let inward = cross_references(owned.id(), group.ip_permissions());
        if !inward.is_empty() {
            let call = cx.ec2.revoke_security_group_ingress().group_id(owned.id()).set_ip_permissions(Some(inward));
            done("ec2:RevokeSecurityGroupIngress", &what, call.send().await)?;
            return Err(busy(&what, "its rules that name other groups went first"));
        }
        let outward = cross_references(owned.id(), group.ip_permissions_egress());
        if !outward.is_empty() {
            let call = cx.ec2.revoke_security_group_egress().group_id(owned.id()).set_ip_permissions(Some(outward));
            done("ec2:RevokeSecurityGroupEgress", &what, call.send().await)?;
            return Err(busy(&what, "its rules that name other groups went first"));
        }
        Err(blockers::of_group(cx, at, owned.id()).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_ec2::types::UserIdGroupPair;

    #[test]
    fn only_rules_that_name_another_group_are_given_up() {
        let pair = |id: &str| UserIdGroupPair::builder().group_id(id).build();
        let rule = IpPermission::builder().ip_protocol("tcp").from_port(443).to_port(443);
        let rules = [
            rule.clone().user_id_group_pairs(pair("sg-own")).build(),
            rule.user_id_group_pairs(pair("sg-own")).user_id_group_pairs(pair("sg-other")).build(),
            IpPermission::builder().ip_protocol("-1").build(),
        ];
        let given_up = cross_references("sg-own", &rules);
        assert_eq!(given_up.len(), 1);
        assert_eq!(given_up[0].user_id_group_pairs(), [pair("sg-other")]);
        assert_eq!(given_up[0].from_port(), Some(443));
    }
}
