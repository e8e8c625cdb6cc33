//! Instance profiles.

use super::{
    ApiError, CallCx, Xml, add_tags, already_exists, delete_conflict, limit_exceeded, name, no_such_entity, page, path,
    roles, some_tags_xml, tags,
};
use crate::sandbox::{
    aws::{protocol::iso, servicequotas},
    world::{Kind, Object, Origin, Scope, Tx},
};
use serde_json::Value;

pub(super) const PROFILE: Kind = Kind::new("iam", "instance-profile");

fn find<'a>(tx: &'a Tx<'_>, account: &str, name: &str) -> Option<&'a Object> {
    tx.list(&Scope::global(account), PROFILE).find(|object| object.id.eq_ignore_ascii_case(name))
}

fn existing(cx: &CallCx<'_, '_>) -> Result<Object, ApiError> {
    let name = name(&cx.params, "InstanceProfileName", 128)?;
    let found = find(cx.tx, &cx.scope.account, &name).cloned();
    found.ok_or_else(|| no_such_entity(format!("Instance Profile {name} cannot be found.")))
}

/// The profiles a role is in.
pub(super) fn with_role(tx: &Tx<'_>, account: &str, role: &str) -> Vec<Object> {
    tx.list(&Scope::global(account), PROFILE).filter(|profile| profile.text("role") == role).cloned().collect()
}

fn xml(tx: &Tx<'_>, object: &Object) -> Xml {
    let role = roles::find(tx, &object.account, object.text("role")).map(|role| roles::xml(role, false));
    let xml = Xml::new()
        .text("Path", object.text("path"))
        .text("InstanceProfileName", &object.id)
        .text("InstanceProfileId", object.text("profileId"))
        .text("Arn", object.text("arn"))
        .text("CreateDate", iso(object.created_at))
        .list("Roles", "member", role);
    some_tags_xml(xml, &object.tags)
}

fn make(tx: &mut Tx<'_>, account: &str, name: &str, path: &str) -> Object {
    let mut object = Object::new(&Scope::global(account), PROFILE, name, tx.now());
    object.name = Some(name.to_owned());
    object.state = "available".to_owned();
    object.visible_at = Some(tx.read_lag());
    object.set("path", path);
    object.set("profileId", format!("AIPA{}", tx.letters(17)));
    object.set("arn", format!("arn:aws:iam::{account}:instance-profile{path}{name}"));
    object
}

pub(super) fn create(cx: &mut CallCx<'_, '_>) -> Result<Xml, ApiError> {
    let name = name(&cx.params, "InstanceProfileName", 128)?;
    let path = path(&cx.params)?;
    let tags = tags(&cx.params)?;
    if find(cx.tx, &cx.scope.account, &name).is_some() {
        return Err(already_exists(format!("Instance Profile {name} already exists.")));
    }
    let limit = servicequotas::quota(cx.tx, "iam", "L-6E65F664");
    if cx.tx.list(&cx.global(), PROFILE).count() as f64 >= limit {
        return Err(limit_exceeded("InstanceProfilesPerAccount", limit));
    }
    let account = cx.scope.account.clone();
    let mut object = make(cx.tx, &account, &name, &path);
    add_tags(&mut object, tags)?;
    let answer = Xml::new().child("InstanceProfile", xml(cx.tx, &object));
    cx.tx.put(object);
    Ok(answer)
}

pub(super) fn get(cx: &mut CallCx<'_, '_>) -> Result<Xml, ApiError> {
    let object = existing(cx)?;
    if object.visible_at.is_some_and(|at| at > cx.tx.now()) {
        return Err(no_such_entity(format!("Instance Profile {} cannot be found.", object.id)));
    }
    Ok(Xml::new().child("InstanceProfile", xml(cx.tx, &object)))
}

pub(super) fn delete(cx: &mut CallCx<'_, '_>) -> Result<Xml, ApiError> {
    let object = existing(cx)?;
    if !object.text("role").is_empty() {
        return Err(delete_conflict("Cannot delete entity, must remove roles from instance profile first."));
    }
    cx.tx.remove(&cx.global(), PROFILE, &object.id);
    Ok(Xml::new())
}

fn listed(cx: &CallCx<'_, '_>, profiles: Vec<Object>) -> Result<Xml, ApiError> {
    let (profiles, more) = page(&cx.params, profiles)?;
    let items = profiles.iter().map(|profile| xml(cx.tx, profile));
    Ok(Xml::new().list("InstanceProfiles", "member", items).extend(more))
}

pub(super) fn list(cx: &mut CallCx<'_, '_>) -> Result<Xml, ApiError> {
    let prefix = cx.params.text("PathPrefix").unwrap_or_else(|| "/".to_owned());
    let all = cx.tx.search(&cx.global(), PROFILE).filter(|object| object.text("path").starts_with(&prefix));
    listed(cx, all.cloned().collect())
}

pub(super) fn list_for_role(cx: &mut CallCx<'_, '_>) -> Result<Xml, ApiError> {
    let role = roles::seen(cx)?;
    listed(cx, with_role(cx.tx, &cx.scope.account, &role.id))
}

pub(super) fn add_role(cx: &mut CallCx<'_, '_>) -> Result<Xml, ApiError> {
    let mut object = existing(cx)?;
    let role = roles::existing(cx)?;
    roles::modifiable(&role)?;
    if !object.text("role").is_empty() {
        return Err(limit_exceeded("InstanceSessionsPerInstanceProfile", 1));
    }
    object.set("role", role.id);
    object.set("usableAt", roles::propagated(cx).to_string());
    cx.tx.put(object);
    Ok(Xml::new())
}

pub(super) fn remove_role(cx: &mut CallCx<'_, '_>) -> Result<Xml, ApiError> {
    let mut object = existing(cx)?;
    let role = name(&cx.params, "RoleName", 64)?;
    if !object.text("role").eq_ignore_ascii_case(&role) {
        return Err(roles::missing(&role));
    }
    object.set("role", Value::Null);
    cx.tx.put(object);
    Ok(Xml::new())
}

pub(super) fn tag(cx: &mut CallCx<'_, '_>) -> Result<Xml, ApiError> {
    let object = existing(cx)?;
    super::tag(cx, object)
}

pub(super) fn untag(cx: &mut CallCx<'_, '_>) -> Result<Xml, ApiError> {
    let object = existing(cx)?;
    super::untag(cx, object)
}

pub(super) fn list_tags(cx: &mut CallCx<'_, '_>) -> Result<Xml, ApiError> {
    super::list_tags(cx, existing(cx)?)
}

/// The role of an instance profile, by the profile's name, once it has propagated.
pub fn instance_profile_role(tx: &Tx<'_>, account: &str, profile: &str) -> Option<String> {
    let object = find(tx, account, profile)?;
    let usable = object.text("usableAt").parse::<jiff::Timestamp>().ok()?;
    (usable <= tx.now() && !object.text("role").is_empty()).then(|| object.text("role").to_owned())
}

/// The profile that EKS makes for a node group's role. Returns its ARN.
pub fn ensure_instance_profile(tx: &mut Tx<'_>, account: &str, name: &str, role: &str) -> String {
    if let Some(object) = find(tx, account, name) {
        return object.text("arn").to_owned();
    }
    let mut object = make(tx, account, name, "/");
    object.created_by = Origin::Controller;
    object.set("role", role);
    object.set("usableAt", tx.now().to_string());
    let arn = object.text("arn").to_owned();
    tx.put(object);
    arn
}

/// Takes away a profile that EKS made.
pub fn delete_instance_profile(tx: &mut Tx<'_>, account: &str, name: &str) {
    tx.remove(&Scope::global(account), PROFILE, name);
}
