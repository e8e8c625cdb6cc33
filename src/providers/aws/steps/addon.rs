//! An EKS add-on.

use super::ExtraTags;
use super::refs::{EksName, RoleArn};
use super::support::{
    all_tags, broken, busy, deleted, done, is_of_stack, read, refused_for_its_state, seen, time, visible, what,
};
use crate::engine::proof::TAG_STACK;
use crate::engine::{
    Deletion, ErrorClass, Found, Input, Lookup, Observed, Outputs, Owned, Probe, ResourceRef, Scope, Step, StepError,
    Token,
};
use crate::model::Stack;
use crate::providers::aws::{client::AwsCx, error, tags};
use async_trait::async_trait;
use aws_sdk_eks::types::{
    Addon as CloudAddon, AddonIssue, AddonIssueCode, AddonPodIdentityAssociations, AddonStatus, ResolveConflicts,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// How plans name this kind.
pub const KIND: &str = "aws/addon";

/// A service account of the add-on with the role it gets through Pod Identity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AddonIdentity {
    /// The service account in the add-on's namespace.
    pub service_account: String,
    /// Its role.
    pub role: Input<RoleArn>,
}

/// An add-on. Identity: `Child` of the cluster's step with the add-on's name as key. Its `ResourceRef` id is its name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Addon {
    /// The cluster.
    pub cluster: Input<EksName>,
    /// `vpc-cni`, `coredns` …
    pub name: String,
    /// Version; none leaves the choice to EKS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Pod identities made and removed with the add-on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub identities: Vec<AddonIdentity>,
    /// Its own settings, by the add-on's schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configuration: Option<Value>,
}

/// Settings for the EBS driver: every disk and snapshot it makes carries the stack's tag, which alone proves later
/// whose they are.
pub fn storage_tags(stack: &Stack) -> Value {
    json!({ "controller": { "extraVolumeTags": { TAG_STACK: stack.to_string() } } })
}

/// One add-on of a cluster; none where either is gone.
pub(in crate::providers::aws) async fn get(
    cx: &AwsCx,
    cluster: &str,
    name: &str,
) -> Result<Option<(Observed, CloudAddon)>, StepError> {
    let call = cx.eks.describe_addon().cluster_name(cluster).addon_name(name).send().await;
    let answer = read("eks:DescribeAddon", &format!("add-on {name}"), call)?;
    Ok(answer.and_then(|it| it.addon).map(|addon| {
        let mut seen = seen(KIND, name, tags::from_map(addon.tags()));
        seen.evidence.parent = Some(cluster.to_owned());
        seen.evidence.name = Some(name.to_owned());
        seen.created_at = time(addon.created_at());
        (seen, addon)
    }))
}

fn issues(addon: &CloudAddon) -> &[AddonIssue] {
    addon.health().map(|health| health.issues()).unwrap_or_default()
}

/// Deployments have no place to run before there are nodes: EKS calls that DEGRADED, and it heals by itself.
fn only_lacks_nodes(addon: &CloudAddon) -> bool {
    let issues = issues(addon);
    !issues.is_empty() && issues.iter().all(|issue| issue.code() == Some(&AddonIssueCode::InsufficientNumberOfReplicas))
}

fn told(addon: &CloudAddon) -> String {
    let told = issues(addon).iter().map(|issue| {
        let code = issue.code().map_or("no code", AddonIssueCode::as_str);
        format!("{} ({code})", error::clean(issue.message().unwrap_or_default()))
    });
    let told = told.collect::<Vec<_>>().join("; ");
    if told.is_empty() { "EKS gives no reason".to_owned() } else { told }
}

/// Why an add-on could not be made.
fn failure(what: &str, it: &ResourceRef, addon: &CloudAddon) -> StepError {
    let (class, id) = match issues(addon).first().and_then(|issue| issue.code()) {
        Some(AddonIssueCode::AccessDenied | AddonIssueCode::AddonPermissionFailure) => {
            (ErrorClass::Auth, error::DENIED)
        }
        None | Some(AddonIssueCode::InternalFailure | AddonIssueCode::ClusterUnreachable) => {
            (ErrorClass::Transient, error::SERVER)
        }
        Some(_) => (ErrorClass::Permanent, error::REFUSED),
    };
    broken(class, id, it, format!("{what} failed: {}", told(addon)))
}

#[async_trait]
impl Step<AwsCx> for Addon {
    async fn find(&self, cx: &AwsCx, at: Scope<'_>, _: Lookup<'_>) -> Result<Found, StepError> {
        let cluster = at.inputs.get(&self.cluster)?;
        Ok(get(cx, cluster.as_str(), &self.name).await?.map_or(Found::None, |(seen, _)| Found::One(seen)))
    }

    async fn create(&self, cx: &AwsCx, at: Scope<'_>, token: &Token) -> Result<ResourceRef, StepError> {
        let cluster = at.inputs.get(&self.cluster)?;
        let mut identities = Vec::new();
        for identity in &self.identities {
            let role = at.inputs.get(&identity.role)?;
            let made =
                AddonPodIdentityAssociations::builder().service_account(&identity.service_account).role_arn(role.0);
            identities.push(made.build().expect("both fields are set on the line above"));
        }
        let identities = (!identities.is_empty()).then_some(identities);
        let call = cx.eks.create_addon().cluster_name(cluster.as_str()).addon_name(&self.name);
        let call = call.set_addon_version(self.version.clone()).set_pod_identity_associations(identities);
        let call = call.set_configuration_values(self.configuration.as_ref().map(Value::to_string));
        // Self-managed copies that EKS put there itself are taken over.
        let call = call.resolve_conflicts(ResolveConflicts::Overwrite).client_request_token(token.as_str());
        let call = call.set_tags(Some(tags::map(&all_tags(at, &ExtraTags::new()))));
        done("eks:CreateAddon", &what("add-on", at), call.send().await)?;
        Ok(ResourceRef::new(KIND, &self.name))
    }

    async fn converge(&self, _: &AwsCx, _: Scope<'_>, _: &Owned) -> Result<(), StepError> {
        Ok(())
    }

    async fn probe(&self, cx: &AwsCx, at: Scope<'_>, it: &ResourceRef) -> Result<Probe, StepError> {
        let what = what("add-on", at);
        let cluster = at.inputs.get(&self.cluster)?;
        let (_, addon) = visible(&what, get(cx, cluster.as_str(), &it.id).await?)?;
        Ok(match addon.status() {
            Some(AddonStatus::Active) => Probe::Ready,
            Some(AddonStatus::Degraded) if only_lacks_nodes(&addon) => Probe::Ready,
            Some(AddonStatus::CreateFailed) => Probe::Broken(failure(&what, it, &addon)),
            Some(AddonStatus::Deleting) => {
                let why = format!("{what} is being deleted by somebody else");
                Probe::Broken(broken(ErrorClass::Transient, error::ABSENT, it, why))
            }
            Some(AddonStatus::Degraded) => Probe::NotYet(format!("DEGRADED: {}", told(&addon))),
            state => Probe::NotYet(state.map_or("CREATING", AddonStatus::as_str).to_owned()),
        })
    }

    async fn outputs(&self, _: &AwsCx, _: Scope<'_>, _: &ResourceRef) -> Result<Outputs, StepError> {
        Ok(Outputs::new())
    }

    async fn delete(&self, cx: &AwsCx, at: Scope<'_>, owned: &Owned) -> Result<Deletion, StepError> {
        let cluster = at.inputs.get(&self.cluster)?;
        let what = what("add-on", at);
        let Some((seen, addon)) = get(cx, cluster.as_str(), owned.id()).await? else { return Ok(Deletion::Gone) };
        // Its cluster is known by a name that anyone can take once it is free.
        if !is_of_stack(at.stack, &seen.evidence.tags) {
            return Ok(Deletion::Taken);
        }
        if addon.status() == Some(&AddonStatus::Deleting) {
            return Ok(Deletion::Started);
        }
        let call = cx.eks.delete_addon().cluster_name(cluster.as_str()).addon_name(owned.id()).preserve(false);
        let answer = call.send().await;
        if let Some(state @ (AddonStatus::Creating | AddonStatus::Updating)) = addon.status()
            && refused_for_its_state(&answer)
        {
            return Err(busy(&what, format_args!("it is {state}")));
        }
        deleted("eks:DeleteAddon", &what, Deletion::Started, answer)
    }
}

#[cfg(test)]
mod tests {
    use super::super::support::seen_child;
    use super::*;
    use crate::engine::Identity;
    use crate::k8s::testing::{Answer, Server};
    use crate::providers::{aws::testing::cx_at, testing::Told};
    use aws_sdk_eks::types::AddonHealth;

    #[tokio::test]
    async fn an_add_on_of_a_strangers_cluster_stays() {
        let cluster = Input::Given("demo".into());
        let step =
            Addon { cluster, name: "coredns".to_owned(), version: None, identities: Vec::new(), configuration: None };
        let told = Told::new("addons/coredns", Identity::Child { parent: "cluster".into(), key: "coredns".to_owned() });
        for (tags, ends, calls) in [(told.ours(), Deletion::Started, 2), (told.theirs(), Deletion::Taken, 1)] {
            let addon = json!({"addon": {"addonName": "coredns", "status": "ACTIVE", "tags": tags}});
            let server = Server::start(move |_| Answer::of(200, addon.clone())).await;
            let mut ours = seen_child(KIND, "coredns", "demo", "coredns");
            ours.evidence.tags = told.ours();
            let owned = told.owned(Some("demo"), ours);
            let done = step.delete(&cx_at(&server.url()), told.scope(), &owned).await.unwrap();
            assert_eq!((done, server.requests().len()), (ends, calls));
        }
    }

    fn degraded(codes: &[AddonIssueCode]) -> CloudAddon {
        let issues = codes.iter().map(|code| AddonIssue::builder().code(code.clone()).build()).collect();
        CloudAddon::builder().health(AddonHealth::builder().set_issues(Some(issues)).build()).build()
    }

    #[test]
    fn lacking_nodes_is_no_fault_of_the_add_on() {
        assert!(only_lacks_nodes(&degraded(&[AddonIssueCode::InsufficientNumberOfReplicas])));
        assert!(!only_lacks_nodes(&degraded(&[
            AddonIssueCode::InsufficientNumberOfReplicas,
            AddonIssueCode::ConfigurationConflict
        ])));
        assert!(!only_lacks_nodes(&degraded(&[])));
    }
}
