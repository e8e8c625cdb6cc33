//! Roles and who may assume them.

use super::{
    ApiError, CallCx, Xml, add_tags, already_exists, constraint, delete_conflict,
    documents::{self, Principal},
    encoded, limit_exceeded, managed, name, no_such_entity, page, path, some_tags_xml, tags,
};
use crate::sandbox::{
    aws::{Caller, protocol::iso, servicequotas},
    world::{Kind, Object, Scope, Tx},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, time::Duration};

pub(super) const ROLE: Kind = Kind::new("iam", "role");

/// What a role is besides its tags. The object's id and name are the role's name.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Role {
    pub role_id: String,
    pub arn: String,
    pub path: String,
    pub description: Option<String>,
    pub max_session_duration: i64,
    /// The trust policy as given.
    pub trust: String,
    /// When other services see the role and this trust policy.
    pub usable_at: Timestamp,
    /// Managed policies by ARN, and when other services see them.
    #[serde(default)]
    pub attached: BTreeMap<String, Timestamp>,
    /// Inline policies as given.
    #[serde(default)]
    pub inline: BTreeMap<String, String>,
    #[serde(default)]
    pub boundary: Option<String>,
    /// The service it is linked to.
    #[serde(default)]
    pub linked_to: Option<String>,
}

/// The key a name is kept under: IAM's names differ in more than case.
pub(super) fn find<'a>(tx: &'a Tx<'_>, account: &str, name: &str) -> Option<&'a Object> {
    let scope = Scope::global(account);
    if let Some(object) = tx.get(&scope, ROLE, name) {
        return Some(object);
    }
    tx.list(&scope, ROLE).find(|object| object.id.eq_ignore_ascii_case(name))
}

pub(super) fn missing(name: &str) -> ApiError {
    no_such_entity(format!("The role with name {name} cannot be found."))
}

/// A role for a change: seen at once.
pub(super) fn existing(cx: &CallCx<'_, '_>) -> Result<Object, ApiError> {
    let name = name(&cx.params, "RoleName", 64)?;
    find(cx.tx, &cx.scope.account, &name).cloned().ok_or_else(|| missing(&name))
}

/// A role for a read: seen after the read lag.
pub(super) fn seen(cx: &CallCx<'_, '_>) -> Result<Object, ApiError> {
    let role = existing(cx)?;
    let now = cx.tx.now();
    if role.visible_at.is_some_and(|at| at > now) { Err(missing(&role.id)) } else { Ok(role) }
}

/// A change other services see later.
pub(super) fn propagated(cx: &mut CallCx<'_, '_>) -> Timestamp {
    let range = cx.tx.in_force().iam_lag_ms;
    cx.tx.now() + cx.tx.draw_ms(range)
}

/// Refuses changes to service-linked roles.
pub(super) fn modifiable(object: &Object) -> Result<Role, ApiError> {
    let role: Role = object.read();
    if role.linked_to.is_some() {
        let why = format!(
            "Cannot perform the operation on the protected role '{}' - this role is only modifiable by AWS",
            object.id
        );
        return Err(ApiError::bad("UnmodifiableEntity", why));
    }
    Ok(role)
}

fn principal_exists(tx: &Tx<'_>, principal: &Principal) -> bool {
    match principal {
        Principal::Service(service) => managed::is_service_principal(service),
        Principal::Federated(provider) => {
            provider == "cognito-identity.amazonaws.com"
                || provider == "accounts.google.com"
                || provider.starts_with("arn:aws:iam::") && provider.contains(":oidc-provider/")
                || provider.starts_with("arn:aws:iam::") && provider.contains(":saml-provider/")
        }
        Principal::Aws(text) => {
            if text == "*" || text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit()) {
                return true;
            }
            let Some((account, rest)) = text.strip_prefix("arn:aws:iam::").and_then(|rest| rest.split_once(':')) else {
                return text.starts_with("arn:aws:sts::");
            };
            match rest.split_once('/') {
                None => rest == "root",
                Some(("user", user)) => user == "sandbox",
                Some(("role", role)) => {
                    let name = role.rsplit('/').next().unwrap_or(role);
                    let now = tx.now();
                    find(tx, account, name).is_some_and(|object| object.read::<Role>().usable_at <= now)
                }
                Some(_) => false,
            }
        }
    }
}

pub(super) fn xml(object: &Object, full: bool) -> Xml {
    let role: Role = object.read();
    let xml = Xml::new()
        .text("Path", &role.path)
        .text("RoleName", &object.id)
        .text("RoleId", &role.role_id)
        .text("Arn", &role.arn)
        .text("CreateDate", iso(object.created_at))
        .text("AssumeRolePolicyDocument", encoded(&role.trust))
        .maybe("Description", role.description.as_deref())
        .text("MaxSessionDuration", role.max_session_duration);
    if !full {
        return xml;
    }
    let xml = match &role.boundary {
        None => xml,
        Some(arn) => {
            let boundary = Xml::new().text("PermissionsBoundaryType", "Policy").text("PermissionsBoundaryArn", arn);
            xml.child("PermissionsBoundary", boundary)
        }
    };
    some_tags_xml(xml, &object.tags)
}

fn session_duration(cx: &CallCx<'_, '_>) -> Result<Option<i64>, ApiError> {
    let secs = cx.params.number("MaxSessionDuration")?;
    match secs {
        Some(secs) if !(3_600..=43_200).contains(&secs) => {
            Err(constraint(&secs.to_string(), "maxSessionDuration", "Member must have value between 3600 and 43200"))
        }
        other => Ok(other),
    }
}

fn description(cx: &CallCx<'_, '_>) -> Result<Option<String>, ApiError> {
    match cx.params.text("Description") {
        Some(text) if text.chars().count() > 1_000 => {
            Err(constraint(&text, "description", "Member must have length less than or equal to 1000"))
        }
        other => Ok(other),
    }
}

pub(super) fn create(cx: &mut CallCx<'_, '_>) -> Result<Xml, ApiError> {
    let name = name(&cx.params, "RoleName", 64)?;
    let path = path(&cx.params)?;
    let trust = cx.params.require("AssumeRolePolicyDocument")?.to_owned();
    let (description, seconds) = (description(cx)?, session_duration(cx)?);
    let boundary = cx.params.text("PermissionsBoundary");
    let tags = tags(&cx.params)?;
    if path.starts_with("/aws-service-role/") {
        return Err(ApiError::bad("InvalidInput", "The path /aws-service-role/ is reserved for service-linked roles"));
    }
    if find(cx.tx, &cx.scope.account, &name).is_some() {
        return Err(already_exists(format!("Role with name {name} already exists.")));
    }
    documents::check_trust(&trust, |principal| principal_exists(cx.tx, principal))?;
    if let Some(arn) = &boundary {
        super::policies::must_exist(cx.tx, &cx.scope.account, arn)?;
    }
    let scope = cx.global();
    let limit = servicequotas::quota(cx.tx, "iam", "L-FE177D64");
    if cx.tx.list(&scope, ROLE).count() as f64 >= limit {
        return Err(limit_exceeded("RolesPerAccount", limit));
    }
    let role = Role {
        role_id: format!("AROA{}", cx.tx.letters(17)),
        arn: format!("arn:aws:iam::{}:role{path}{name}", cx.scope.account),
        path,
        description,
        max_session_duration: seconds.unwrap_or(3_600),
        trust,
        usable_at: propagated(cx),
        attached: BTreeMap::new(),
        inline: BTreeMap::new(),
        boundary,
        linked_to: None,
    };
    let mut object = Object::new(&scope, ROLE, &name, cx.tx.now());
    object.name = Some(name);
    object.state = "available".to_owned();
    object.visible_at = Some(cx.tx.read_lag());
    add_tags(&mut object, tags)?;
    object.write(&role);
    let answer = Xml::new().child("Role", xml(&object, true));
    cx.tx.put(object);
    Ok(answer)
}

pub(super) fn get(cx: &mut CallCx<'_, '_>) -> Result<Xml, ApiError> {
    let role = seen(cx)?;
    Ok(Xml::new().child("Role", xml(&role, true).child("RoleLastUsed", Xml::new())))
}

pub(super) fn list(cx: &mut CallCx<'_, '_>) -> Result<Xml, ApiError> {
    let prefix = cx.params.text("PathPrefix").unwrap_or_else(|| "/".to_owned());
    let scope = cx.global();
    let roles: Vec<&Object> =
        cx.tx.search(&scope, ROLE).filter(|object| object.text("path").starts_with(&prefix)).collect();
    let (roles, more) = page(&cx.params, roles)?;
    Ok(Xml::new().list("Roles", "member", roles.into_iter().map(|role| xml(role, false))).extend(more))
}

pub(super) fn update(cx: &mut CallCx<'_, '_>) -> Result<Xml, ApiError> {
    let mut object = existing(cx)?;
    let mut role = modifiable(&object)?;
    role.description = description(cx)?;
    role.max_session_duration = session_duration(cx)?.unwrap_or(3_600);
    object.write(&role);
    cx.tx.put(object);
    Ok(Xml::new())
}

pub(super) fn update_trust(cx: &mut CallCx<'_, '_>) -> Result<Xml, ApiError> {
    let mut object = existing(cx)?;
    let mut role = modifiable(&object)?;
    role.trust = cx.params.require("PolicyDocument")?.to_owned();
    documents::check_trust(&role.trust, |principal| principal_exists(cx.tx, principal))?;
    role.usable_at = propagated(cx);
    object.write(&role);
    cx.tx.put(object);
    Ok(Xml::new())
}

pub(super) fn delete(cx: &mut CallCx<'_, '_>) -> Result<Xml, ApiError> {
    let object = existing(cx)?;
    let role = modifiable(&object)?;
    if !super::profiles::with_role(cx.tx, &cx.scope.account, &object.id).is_empty() {
        return Err(delete_conflict("Cannot delete entity, must remove roles from instance profile first."));
    }
    if !role.attached.is_empty() {
        return Err(delete_conflict("Cannot delete entity, must detach all policies first."));
    }
    if !role.inline.is_empty() {
        return Err(delete_conflict("Cannot delete entity, must delete policies first."));
    }
    cx.tx.remove(&cx.global(), ROLE, &object.id);
    Ok(Xml::new())
}

pub(super) fn tag(cx: &mut CallCx<'_, '_>) -> Result<Xml, ApiError> {
    let object = existing(cx)?;
    modifiable(&object)?;
    super::tag(cx, object)
}

pub(super) fn untag(cx: &mut CallCx<'_, '_>) -> Result<Xml, ApiError> {
    let object = existing(cx)?;
    modifiable(&object)?;
    super::untag(cx, object)
}

pub(super) fn list_tags(cx: &mut CallCx<'_, '_>) -> Result<Xml, ApiError> {
    super::list_tags(cx, seen(cx)?)
}

/// Why a service cannot use a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoleTrouble {
    /// There is none, or it has not propagated yet.
    Missing,
    /// It does not trust the service.
    NotTrusted,
}

/// The name in a role's ARN.
pub fn role_name_of(arn: &str) -> Option<&str> {
    let (_, rest) = arn.strip_prefix("arn:aws:iam::")?.split_once(":role/")?;
    rest.rsplit('/').next()
}

/// The role with this ARN, once it has propagated; its ARN must match in full, path included.
fn propagated_role<'a>(tx: &'a Tx<'_>, arn: &str) -> Option<&'a Object> {
    let account = arn.strip_prefix("arn:aws:iam::")?.split(':').next()?;
    let object = find(tx, account, role_name_of(arn)?)?;
    let usable: Timestamp = object.text("usableAt").parse().ok()?;
    (object.text("arn") == arn && usable <= tx.now()).then_some(object)
}

/// The role, if `service` (`eks.amazonaws.com`) may assume it by now with all these `sts:` actions.
///
/// # Errors
/// Why it may not.
pub fn assumable<'a>(tx: &'a Tx<'_>, arn: &str, service: &str, actions: &[&str]) -> Result<&'a Object, RoleTrouble> {
    let object = propagated_role(tx, arn).ok_or(RoleTrouble::Missing)?;
    let role: Role = object.read();
    let trust = serde_json::from_str(&role.trust).expect("a stored trust policy was checked");
    let named = |principal: &Principal| *principal == Principal::Service(service.to_owned());
    let trusted = actions.iter().all(|action| documents::trusts(&trust, action, named));
    if trusted { Ok(object) } else { Err(RoleTrouble::NotTrusted) }
}

/// Whether a role has this managed policy (the name after `policy/`), as other services see it by now.
pub fn has_policy(role: &Object, policy: &str, now: Timestamp) -> bool {
    let role: Role = role.read();
    role.attached.iter().any(|(arn, at)| arn.ends_with(&format!(":policy/{policy}")) && *at <= now)
}

/// The role, if this caller may assume it by now.
pub fn role_assumable_by(tx: &Tx<'_>, arn: &str, caller: &Caller) -> Option<Object> {
    let object = propagated_role(tx, arn)?;
    let role: Role = object.read();
    let trust = serde_json::from_str(&role.trust).expect("a stored trust policy was checked");
    let root = format!("arn:aws:iam::{}:root", caller.account);
    let me = caller.principal_arn();
    let named = |principal: &Principal| match principal {
        Principal::Aws(text) => [caller.arn.as_str(), &me, &root, &caller.account, "*"].contains(&text.as_str()),
        _ => false,
    };
    documents::trusts(&trust, "sts:AssumeRole", named).then(|| object.clone())
}

/// How long a deletion of a service-linked role takes.
pub(super) const DELETION: Duration = Duration::from_secs(5);
