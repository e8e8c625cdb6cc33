//! A role given to somebody on something: to the cluster's identity on the nodes' subnet, to people on the cluster.
//!
//! It carries no tags. Its name is a GUID that only this step of this stack comes to, and its description says the same
//! in words. It goes before whom it was given to: what is left of a role of somebody who is gone nobody can read.

use super::support::{Type, seen_child, visible, what};
use crate::engine::proof::{TAG_STACK, TAG_STEP};
use crate::engine::{
    Deletion, ErrorClass, Found, Identity, Input, Lookup, Observed, Outputs, Owned, Probe, ResourceRef, Scope, Step,
    StepError, StepId, Token,
};
use crate::model::Stack;
use crate::providers::azure::client::{AzureCx, Only, Op, version};
use crate::providers::azure::models::{Answered, RoleAssignmentProperties};
use crate::providers::azure::refs::{ArmId, PrincipalId};
use crate::providers::azure::{error, names};
use crate::providers::kit;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// How plans name this kind.
pub const KIND: &str = "azure/role-assignment";
/// Its type, as ids spell it.
pub const ARM_TYPE: &str = "Microsoft.Authorization/roleAssignments";
/// Network Contributor.
pub const NETWORK_CONTRIBUTOR: &str = "4d97b98b-1d4f-4787-a291-c67834d212e7";
/// Azure Kubernetes Service RBAC Cluster Admin.
pub const CLUSTER_ADMIN: &str = "b1ff04bb-8a4e-4dc4-8eb5-8693973ce19b";

/// Its operations.
pub(in crate::providers::azure) const TYPE: Type = Type {
    kind: KIND,
    noun: "role assignment",
    get: Op::new("authorization:roleAssignments.get", version::AUTHORIZATION),
    put: Op::new("authorization:roleAssignments.createOrUpdate", version::AUTHORIZATION),
    delete: Op::new("authorization:roleAssignments.delete", version::AUTHORIZATION),
};
/// What descriptions of ours begin with.
const MARK: &str = "kubewright ";

/// A role assignment. Identity: `Child` of what it holds on, or `Member` where that was brought along, with its name as
/// key. Its `ResourceRef` id is its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RoleAssignment {
    /// What it holds on.
    pub scope: Input<ArmId>,
    /// Its name, a GUID.
    pub name: String,
    /// The role's GUID.
    pub role: String,
    /// Whom it is given to.
    pub principal: Input<PrincipalId>,
    /// `User`, `Group` or `ServicePrincipal`, where that is known: then Azure takes it before it has heard of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal_type: Option<String>,
}

/// The stack and step that an assignment of ours names, where its GUID says the same.
pub(in crate::providers::azure) fn named_in(it: &Answered<RoleAssignmentProperties>) -> Option<(Stack, StepId)> {
    let words = it.properties.description.as_deref()?.strip_prefix(MARK)?;
    let (stack, step) = words.split_once(' ')?;
    let (stack, step) = (stack.parse().ok()?, StepId::new(step));
    names::assignment(&stack, &step).eq_ignore_ascii_case(&it.name).then_some((stack, step))
}

/// One seen where no plan tells of it: the words stand for the tags that it cannot carry.
pub(in crate::providers::azure) fn observe(id: &ArmId, stack: &Stack, step: &StepId) -> Observed {
    let tags = [(TAG_STACK, stack.to_string()), (TAG_STEP, step.tag_value())];
    kit::seen(KIND, id.as_str(), tags.map(|(key, value)| (key.to_owned(), value)).into())
}

impl RoleAssignment {
    fn id(&self, scope: &ArmId) -> ArmId {
        scope.inside(ARM_TYPE, &self.name)
    }

    /// What the proof asks for: the object that the assignment stands on, as the plan names it.
    fn parent(at: Scope<'_>, scope: &ArmId) -> String {
        match at.identity {
            Identity::Member { of, .. } if scope.is(of) => of.clone(),
            Identity::Child { .. } => scope.parent().unwrap_or_else(|| scope.clone()).0,
            _ => scope.0.clone(),
        }
    }

    async fn read(
        &self,
        cx: &AzureCx,
        at: Scope<'_>,
    ) -> Result<Option<(Observed, Answered<RoleAssignmentProperties>)>, StepError> {
        let scope = at.inputs.get(&self.scope)?;
        let id = self.id(&scope);
        let found: Option<Answered<RoleAssignmentProperties>> = cx.get(TYPE.get, &TYPE.what(at), &id).await?;
        Ok(found.map(|it| (seen_child(KIND, id.as_str(), &Self::parent(at, &scope), &self.name), it)))
    }
}

#[async_trait]
impl Step<AzureCx> for RoleAssignment {
    async fn find(&self, cx: &AzureCx, at: Scope<'_>, by: Lookup<'_>) -> Result<Found, StepError> {
        // Without a plan its scope is not known, and its id is all there is.
        if let (Lookup::Id(it), Identity::Tags) = (by, at.identity) {
            let id = ArmId(it.id.clone());
            let found: Option<Answered<RoleAssignmentProperties>> = cx.get(TYPE.get, &TYPE.what(at), &id).await?;
            let named = found.and_then(|it| named_in(&it));
            return Ok(named.map_or(Found::None, |(stack, step)| Found::One(observe(&id, &stack, &step))));
        }
        Ok(self.read(cx, at).await?.map_or(Found::None, |(seen, _)| Found::One(seen)))
    }

    async fn create(&self, cx: &AzureCx, at: Scope<'_>, _: &Token) -> Result<ResourceRef, StepError> {
        let scope = at.inputs.get(&self.scope)?;
        let subscription = scope.segment("subscriptions").unwrap_or_default();
        let properties = RoleAssignmentProperties {
            role_definition_id: format!(
                "/subscriptions/{subscription}/providers/Microsoft.Authorization/roleDefinitions/{}",
                self.role
            ),
            principal_id: at.inputs.get(&self.principal)?.0,
            principal_type: self.principal_type.clone(),
            description: Some(format!("{MARK}{} {}", at.stack, at.step)),
            scope: None,
        };
        TYPE.create(cx, at, &self.id(&scope), &json!({ "properties": properties }), Only::Always).await
    }

    async fn converge(&self, _: &AzureCx, _: Scope<'_>, _: &Owned) -> Result<(), StepError> {
        Ok(())
    }

    async fn probe(&self, cx: &AzureCx, at: Scope<'_>, it: &ResourceRef) -> Result<Probe, StepError> {
        let what = what(TYPE.noun, at);
        let (_, found) = visible(&what, self.read(cx, at).await?)?;
        let wanted = at.inputs.get(&self.principal)?.0;
        if found.properties.principal_id.eq_ignore_ascii_case(&wanted) {
            return Ok(Probe::Ready);
        }
        // Whom it was given to is gone, and another one has the name.
        let why = format!("{what} is given to {}, who is gone", found.properties.principal_id);
        Ok(Probe::Broken(kit::broken(ErrorClass::Transient, error::ABSENT, it, why)))
    }

    async fn outputs(&self, _: &AzureCx, _: Scope<'_>, _: &ResourceRef) -> Result<Outputs, StepError> {
        Ok(Outputs::new())
    }

    async fn delete(&self, cx: &AzureCx, at: Scope<'_>, owned: &Owned) -> Result<Deletion, StepError> {
        TYPE.delete(cx, at, owned.id(), &[]).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assignment(name: &str, description: Option<&str>) -> Answered<RoleAssignmentProperties> {
        let properties = RoleAssignmentProperties {
            description: description.map(str::to_owned),
            ..RoleAssignmentProperties::default()
        };
        Answered { name: name.to_owned(), properties, ..Answered::default() }
    }

    #[test]
    fn an_assignment_is_ours_only_where_words_and_name_agree() {
        let (stack, step): (Stack, StepId) = ("demo-0a1b2c3d".parse().unwrap(), "network/role".into());
        let guid = names::assignment(&stack, &step);
        let ours = assignment(&guid, Some("kubewright demo-0a1b2c3d network/role"));
        assert_eq!(named_in(&ours), Some((stack, step)));
        for near in [
            assignment(&guid, Some("kubewright demo-0a1b2c3d access/admin")),
            assignment(&guid, Some("kubewright demo-0a1b2c3e network/role")),
            assignment("11111111-2222-4333-8444-555555555555", Some("kubewright demo-0a1b2c3d network/role")),
            assignment(&guid, Some("demo-0a1b2c3d network/role")),
            assignment(&guid, None),
        ] {
            assert_eq!(named_in(&near), None, "{near:?}");
        }
    }
}
