//! One member of one role in the project's policy. The policy is everybody's: it is read, changed in one entry and
//! written with the etag it was read with; whoever was quicker is given way to.
//!
//! Our own service account's entries are ours by its address, which holds the stack's id. A person's entry carries a
//! condition whose title says so: the same person's own right to the same role is another entry, and is never touched.

use super::support::{seen_child, visible, what};
use crate::engine::{
    Deletion, ErrorClass, Found, Input, Lookup, Observed, Outputs, Owned, Probe, Residue, ResourceRef, Scope, Step,
    StepError, Token,
};
use crate::model::Stack;
use crate::providers::gcp::client::{GcpCx, Request, encoded};
use crate::providers::gcp::error;
use crate::providers::gcp::labels::Tags;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// How plans name this kind.
pub const KIND: &str = "gcp/role-binding";
/// Policies with conditions are of this version; one that is asked for less leaves them out, and writing it loses them.
const POLICY_VERSION: u32 = 3;
/// A condition that always holds: only its title matters.
const ALWAYS: &str = "request.time < timestamp(\"2100-01-01T00:00:00Z\")";

/// A member of a role. Identity: `Member` of the project, with [`key`] as key. Its `ResourceRef` id is that key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RoleBinding {
    /// `roles/container.defaultNodeServiceAccount`
    pub role: String,
    /// Who: the address of a service account of ours, or a whole member (`user:ana@example.com`).
    pub member: Input<String>,
    /// Title of the condition, for members that are not of our making.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

/// The project as an identity names it.
pub fn of_project(project: &str) -> String {
    format!("projects/{project}")
}

/// What tells an entry from the others of a policy.
pub fn key(role: &str, member: &str, title: Option<&str>) -> String {
    match title {
        Some(title) => format!("{role} {member} if {title}"),
        None => format!("{role} {member}"),
    }
}

/// The title that marks an entry as a stack's.
pub fn title(stack: &Stack) -> String {
    format!("kubewright {stack}")
}

/// `serviceAccount:…` for the bare address of a service account of ours.
pub fn whole(member: &str) -> String {
    if member.contains(':') { member.to_owned() } else { format!("serviceAccount:{member}") }
}

/// Whether a member of a policy is this one, be it that its account was deleted: then it stands there with an id.
fn is_same(listed: &str, member: &str) -> bool {
    let deleted = listed.strip_prefix("deleted:").and_then(|rest| rest.split("?uid=").next());
    listed == member || deleted == Some(member)
}

/// One entry of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::providers::gcp) struct Entry {
    /// The role.
    pub role: String,
    /// The member, whole, as it was before its account was deleted.
    pub member: String,
    /// The title of its condition.
    pub title: Option<String>,
}

/// Every entry of a policy.
pub(in crate::providers::gcp) fn entries(policy: &Value) -> Vec<Entry> {
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let mut found = Vec::new();
    for binding in policy.get("bindings").and_then(Value::as_array).into_iter().flatten() {
        let title = binding.get("condition").and_then(|it| text(it, "title"));
        for member in binding.get("members").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            let member = member.strip_prefix("deleted:").unwrap_or(member).split("?uid=").next().unwrap_or(member);
            let role = text(binding, "role").unwrap_or_default();
            found.push(Entry { role, member: member.to_owned(), title: title.clone() });
        }
    }
    found
}

/// The project's policy, whole.
pub(in crate::providers::gcp) async fn policy(cx: &GcpCx) -> Result<Value, StepError> {
    let path = format!("v1/projects/{}:getIamPolicy", encoded(cx.project()?));
    let request = Request::post("cloudresourcemanager:projects.getIamPolicy", path, "the project's policy");
    let body = json!({"options": {"requestedPolicyVersion": POLICY_VERSION}});
    Ok(cx.call(request.body(&body)).await?)
}

async fn write(cx: &GcpCx, policy: Value, what: &str) -> Result<(), StepError> {
    let path = format!("v1/projects/{}:setIamPolicy", encoded(cx.project()?));
    let request = Request::post("cloudresourcemanager:projects.setIamPolicy", path, what);
    cx.call(request.body(&json!({"policy": policy}))).await?;
    Ok(())
}

/// An entry as evidence.
pub(in crate::providers::gcp) fn observed(project: &str, entry: &Entry) -> Observed {
    let key = key(&entry.role, &entry.member, entry.title.as_deref());
    seen_child(KIND, &key, &of_project(project), &key, Tags::new())
}

impl RoleBinding {
    fn member(&self, at: Scope<'_>) -> Result<String, StepError> {
        Ok(whole(&at.inputs.get(&self.member)?))
    }

    fn is_it(&self, binding: &Value) -> bool {
        let title = binding.get("condition").and_then(|it| it.get("title")).and_then(Value::as_str);
        let conditional = binding.get("condition").is_some_and(|it| !it.is_null());
        let role = binding.get("role").and_then(Value::as_str) == Some(self.role.as_str());
        role && title == self.title.as_deref() && conditional == self.title.is_some()
    }

    async fn entry(&self, cx: &GcpCx, member: &str) -> Result<Option<Observed>, StepError> {
        let policy = policy(cx).await?;
        let bindings = policy.get("bindings").and_then(Value::as_array);
        let mut ours = bindings.into_iter().flatten().filter(|binding| self.is_it(binding));
        let there = ours.any(|binding| {
            let members = binding.get("members").and_then(Value::as_array);
            members.into_iter().flatten().filter_map(Value::as_str).any(|listed| is_same(listed, member))
        });
        let entry = Entry { role: self.role.clone(), member: member.to_owned(), title: self.title.clone() };
        Ok(if there { Some(observed(cx.project()?, &entry)) } else { None })
    }

    /// The policy with the member in it.
    fn added(&self, mut policy: Value, member: &str) -> Result<Value, StepError> {
        let whole = policy.as_object_mut().ok_or_else(|| no_policy("the answer is no policy"))?;
        whole.insert("version".to_owned(), json!(POLICY_VERSION));
        let bindings = whole.entry("bindings").or_insert_with(|| json!([]));
        let list = bindings.as_array_mut().ok_or_else(|| no_policy("its bindings are no list"))?;
        if let Some(binding) = list.iter_mut().find(|binding| self.is_it(binding)) {
            let members = binding.as_object_mut().map(|it| it.entry("members").or_insert_with(|| json!([])));
            if let Some(members) = members.and_then(Value::as_array_mut)
                && !members.iter().any(|listed| listed == member)
            {
                members.push(json!(member));
            }
            return Ok(policy);
        }
        let mut binding = json!({"role": self.role, "members": [member]});
        if let Some(title) = &self.title {
            let text = "made by kubewright, which removes it with the cluster";
            binding["condition"] = json!({"title": title, "description": text, "expression": ALWAYS});
        }
        list.push(binding);
        Ok(policy)
    }

    /// The policy without the member; none where it was not in it.
    fn removed(&self, mut policy: Value, member: &str) -> Option<Value> {
        let whole = policy.as_object_mut()?;
        whole.insert("version".to_owned(), json!(POLICY_VERSION));
        let list = whole.get_mut("bindings")?.as_array_mut()?;
        let mut changed = false;
        for binding in list.iter_mut().filter(|binding| self.is_it(binding)) {
            if let Some(members) = binding.get_mut("members").and_then(Value::as_array_mut) {
                let before = members.len();
                members.retain(|listed| !listed.as_str().is_some_and(|listed| is_same(listed, member)));
                changed |= members.len() != before;
            }
        }
        list.retain(|binding| binding.get("members").and_then(Value::as_array).is_some_and(|it| !it.is_empty()));
        changed.then_some(policy)
    }
}

fn no_policy(why: &str) -> StepError {
    StepError::new(ErrorClass::Transient, error::ANSWER, format!("cannot read the project's policy: {why}"))
        .with_residue(Residue::None)
}

#[async_trait]
impl Step<GcpCx> for RoleBinding {
    async fn find(&self, cx: &GcpCx, at: Scope<'_>, _: Lookup<'_>) -> Result<Found, StepError> {
        let member = self.member(at)?;
        Ok(self.entry(cx, &member).await?.map_or(Found::None, Found::One))
    }

    async fn create(&self, cx: &GcpCx, at: Scope<'_>, _: &Token) -> Result<ResourceRef, StepError> {
        let what = what(&format!("policy: {}", self.role), at);
        let member = self.member(at)?;
        let policy = self.added(policy(cx).await?, &member)?;
        write(cx, policy, &what).await?;
        Ok(ResourceRef::new(KIND, key(&self.role, &member, self.title.as_deref())))
    }

    async fn converge(&self, _: &GcpCx, _: Scope<'_>, _: &Owned) -> Result<(), StepError> {
        Ok(())
    }

    async fn probe(&self, cx: &GcpCx, at: Scope<'_>, _: &ResourceRef) -> Result<Probe, StepError> {
        let member = self.member(at)?;
        visible(&what("role binding", at), self.entry(cx, &member).await?).map(|_| Probe::Ready)
    }

    async fn outputs(&self, _: &GcpCx, _: Scope<'_>, _: &ResourceRef) -> Result<Outputs, StepError> {
        Ok(Outputs::new())
    }

    async fn delete(&self, cx: &GcpCx, at: Scope<'_>, _: &Owned) -> Result<Deletion, StepError> {
        let member = self.member(at)?;
        match self.removed(policy(cx).await?, &member) {
            Some(policy) => {
                write(cx, policy, &what(&format!("policy: {}", self.role), at)).await?;
                Ok(Deletion::Started)
            }
            None => Ok(Deletion::Gone),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binding(title: Option<&str>) -> RoleBinding {
        let title = title.map(str::to_owned);
        RoleBinding { role: "roles/container.admin".to_owned(), member: Input::Given(String::new()), title }
    }

    const ANA: &str = "user:ana@example.com";

    #[test]
    fn what_others_put_there_stays() {
        let before = json!({"etag": "abc", "version": 1, "bindings": [
            {"role": "roles/owner", "members": [ANA]},
            {"role": "roles/container.admin", "members": [ANA, "user:bo@example.com"]},
            {"role": "roles/container.admin", "members": [ANA], "condition": {"title": "business hours", "expression": "true"}},
        ]});
        let ours = binding(Some("kubewright demo-0a1b2c3d"));
        let with = ours.added(before.clone(), ANA).unwrap();
        assert_eq!(with["etag"], "abc");
        assert_eq!(with["version"], 3);
        assert_eq!(with["bindings"].as_array().unwrap().len(), 4);
        assert_eq!(ours.added(with.clone(), ANA).unwrap(), with, "twice is once");
        let without = ours.removed(with, ANA).unwrap();
        assert_eq!(without["bindings"], before["bindings"]);
        assert_eq!(ours.removed(before, ANA), None, "her own entries are not ours");
    }

    #[test]
    fn the_entry_of_a_deleted_account_is_still_its_own() {
        let member = "serviceAccount:kw-demo-0a1b2c3d-nodes@acme.iam.gserviceaccount.com";
        let listed = format!("deleted:{member}?uid=123");
        let policy = json!({"bindings": [{"role": "roles/container.admin", "members": [listed]}]});
        assert_eq!(entries(&policy)[0].member, member);
        assert_eq!(binding(None).removed(policy, member).unwrap()["bindings"], json!([]));
    }
}
