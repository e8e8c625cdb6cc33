//! Gives a service account of the cluster an IAM role.

use super::ExtraTags;
use super::refs::{EksName, RoleArn};
use super::support::{self, all_tags, deleted, done, no_id, read, seen, time, visible, what};
use crate::engine::{
    Deletion, Found, Input, Lookup, Observed, Outputs, Owned, Probe, ResourceRef, Scope, Step, StepError, Token,
};
use crate::providers::aws::{client::AwsCx, tags};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

/// How plans name this kind.
pub const KIND: &str = "aws/pod-identity";

/// A pod identity association. Identity: `Child` of the cluster's step with `namespace/service-account` as key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PodIdentity {
    /// The cluster.
    pub cluster: Input<EksName>,
    /// Kubernetes namespace.
    pub namespace: String,
    /// Service account in it.
    pub service_account: String,
    /// The role.
    pub role: Input<RoleArn>,
}

/// One association of a cluster; none where either is gone.
pub(in crate::providers::aws) async fn get(cx: &AwsCx, cluster: &str, id: &str) -> Result<Option<Observed>, StepError> {
    let call = cx.eks.describe_pod_identity_association().cluster_name(cluster).association_id(id).send().await;
    let answer = read("eks:DescribePodIdentityAssociation", &format!("pod identity {id}"), call)?;
    Ok(answer.and_then(|it| it.association).map(|found| {
        let mut seen = seen(KIND, id, tags::from_map(found.tags()));
        let of = [found.namespace().unwrap_or_default(), found.service_account().unwrap_or_default()].join("/");
        seen.evidence.parent = Some(cluster.to_owned());
        seen.evidence.name = Some(of);
        seen.created_at = time(found.created_at());
        seen
    }))
}

#[async_trait]
impl Step<AwsCx> for PodIdentity {
    async fn find(&self, cx: &AwsCx, at: Scope<'_>, by: Lookup<'_>) -> Result<Found, StepError> {
        let cluster = at.inputs.get(&self.cluster)?;
        if let Lookup::Id(it) = by {
            return Ok(get(cx, cluster.as_str(), &it.id).await?.map_or(Found::None, Found::One));
        }
        let call = cx.eks.list_pod_identity_associations().cluster_name(cluster.as_str()).namespace(&self.namespace);
        let call = call.service_account(&self.service_account).into_paginator().items().send();
        let what = what("pod identity", at);
        let mut found = Vec::new();
        for it in support::list("eks:ListPodIdentityAssociations", &what, call.collect().await)? {
            if let Some(id) = it.association_id() {
                found.extend(get(cx, cluster.as_str(), id).await?);
            }
        }
        Ok(found.into())
    }

    async fn create(&self, cx: &AwsCx, at: Scope<'_>, token: &Token) -> Result<ResourceRef, StepError> {
        let what = what("pod identity", at);
        let cluster = at.inputs.get(&self.cluster)?;
        let call = cx.eks.create_pod_identity_association().cluster_name(cluster.as_str()).namespace(&self.namespace);
        let call = call.service_account(&self.service_account).role_arn(at.inputs.get(&self.role)?.0);
        let call = call.client_request_token(token.as_str());
        let call = call.set_tags(Some(tags::map(&all_tags(at, &ExtraTags::new()))));
        let answer = done("eks:CreatePodIdentityAssociation", &what, call.send().await)?;
        let id = answer.association().and_then(|it| it.association_id()).ok_or_else(|| no_id(&what))?;
        Ok(ResourceRef::new(KIND, id))
    }

    async fn converge(&self, _: &AwsCx, _: Scope<'_>, _: &Owned) -> Result<(), StepError> {
        Ok(())
    }

    async fn probe(&self, cx: &AwsCx, at: Scope<'_>, it: &ResourceRef) -> Result<Probe, StepError> {
        let cluster = at.inputs.get(&self.cluster)?;
        visible(&what("pod identity", at), get(cx, cluster.as_str(), &it.id).await?)?;
        Ok(Probe::Ready)
    }

    async fn outputs(&self, _: &AwsCx, _: Scope<'_>, _: &ResourceRef) -> Result<Outputs, StepError> {
        Ok(Outputs::new())
    }

    async fn delete(&self, cx: &AwsCx, at: Scope<'_>, owned: &Owned) -> Result<Deletion, StepError> {
        let cluster = at.inputs.get(&self.cluster)?;
        let call = cx.eks.delete_pod_identity_association().cluster_name(cluster.as_str()).association_id(owned.id());
        deleted("eks:DeletePodIdentityAssociation", &what("pod identity", at), Deletion::Gone, call.send().await)
    }
}
