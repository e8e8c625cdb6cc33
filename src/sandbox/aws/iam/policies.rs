//! Managed policies, attached and inline, and customers' own.

use super::{
    ApiError, CallCx, Xml, add_tags, already_exists, delete_conflict, documents, encoded, limit_exceeded, managed,
    name, no_such_entity, page, path,
    roles::{self, Role},
    some_tags_xml, tags,
};
use crate::sandbox::{
    aws::{protocol::iso, servicequotas},
    world::{Kind, Object, Scope, Tx},
};
use serde_json::Value;

pub(super) const POLICY: Kind = Kind::new("iam", "policy");

fn own<'a>(tx: &'a Tx<'_>, account: &str, arn: &str) -> Option<&'a Object> {
    tx.get(&Scope::global(account), POLICY, arn)
}

fn missing(arn: &str) -> ApiError {
    no_such_entity(format!("Policy {arn} does not exist or is not attachable."))
}

/// Refuses policies that are not there.
pub(super) fn must_exist(tx: &Tx<'_>, account: &str, arn: &str) -> Result<(), ApiError> {
    if !arn.starts_with("arn:aws:iam::") || !arn.contains(":policy/") {
        return Err(ApiError::bad("InvalidInput", format!("ARN {arn} is not valid.")));
    }
    if managed::exists(arn) || own(tx, account, arn).is_some() { Ok(()) } else { Err(missing(arn)) }
}

/// What a policy says.
pub(super) fn document(tx: &Tx<'_>, account: &str, arn: &str) -> Option<Value> {
    managed::document(arn)
        .or_else(|| own(tx, account, arn).and_then(|policy| serde_json::from_str(policy.text("document")).ok()))
}

pub(super) fn attach(cx: &mut CallCx<'_, '_>) -> Result<Xml, ApiError> {
    let arn = cx.params.require("PolicyArn")?.to_owned();
    let mut object = roles::existing(cx)?;
    let mut role = roles::modifiable(&object)?;
    must_exist(cx.tx, &cx.scope.account, &arn)?;
    if arn.contains("policy/aws-service-role/") {
        let why = format!("Policy {arn} is only attachable to service-linked roles");
        return Err(ApiError::bad("PolicyNotAttachable", why));
    }
    if !role.attached.contains_key(&arn) {
        let limit = servicequotas::quota(cx.tx, "iam", "L-0DA4ABF3");
        if role.attached.len() as f64 >= limit {
            return Err(limit_exceeded("PoliciesPerRole", limit));
        }
        role.attached.insert(arn, roles::propagated(cx));
        object.write(&role);
        cx.tx.put(object);
    }
    Ok(Xml::new())
}

pub(super) fn detach(cx: &mut CallCx<'_, '_>) -> Result<Xml, ApiError> {
    let arn = cx.params.require("PolicyArn")?.to_owned();
    let mut object = roles::existing(cx)?;
    let mut role = roles::modifiable(&object)?;
    if role.attached.remove(&arn).is_none() {
        return Err(no_such_entity(format!("Policy {arn} was not found.")));
    }
    object.write(&role);
    cx.tx.put(object);
    Ok(Xml::new())
}

pub(super) fn list_attached(cx: &mut CallCx<'_, '_>) -> Result<Xml, ApiError> {
    let prefix = cx.params.text("PathPrefix").unwrap_or_else(|| "/".to_owned());
    let role: Role = roles::seen(cx)?.read();
    let path_of = |arn: &str| arn.split_once(":policy").map(|(_, path)| path.to_owned()).unwrap_or_default();
    let arns: Vec<String> = role.attached.into_keys().filter(|arn| path_of(arn).starts_with(&prefix)).collect();
    let (arns, more) = page(&cx.params, arns)?;
    let item = |arn: String| {
        let name = arn.rsplit('/').next().unwrap_or_default().to_owned();
        Xml::new().text("PolicyName", name).text("PolicyArn", arn)
    };
    Ok(Xml::new().list("AttachedPolicies", "member", arns.into_iter().map(item)).extend(more))
}

pub(super) fn put_inline(cx: &mut CallCx<'_, '_>) -> Result<Xml, ApiError> {
    let policy = name(&cx.params, "PolicyName", 128)?;
    let text = cx.params.require("PolicyDocument")?.to_owned();
    let mut object = roles::existing(cx)?;
    let mut role = roles::modifiable(&object)?;
    documents::check_identity(&text)?;
    role.inline.insert(policy, text);
    let size: usize = role.inline.values().map(|text| text.chars().filter(|c| !c.is_whitespace()).count()).sum();
    if size > documents::INLINE_LIMIT {
        let why = format!("Maximum policy size of {} bytes exceeded for role {}", documents::INLINE_LIMIT, object.id);
        return Err(ApiError::new(409, "LimitExceeded", why));
    }
    object.write(&role);
    cx.tx.put(object);
    Ok(Xml::new())
}

fn no_inline(policy: &str) -> ApiError {
    no_such_entity(format!("The role policy with name {policy} cannot be found."))
}

pub(super) fn get_inline(cx: &mut CallCx<'_, '_>) -> Result<Xml, ApiError> {
    let policy = name(&cx.params, "PolicyName", 128)?;
    let object = roles::seen(cx)?;
    let role: Role = object.read();
    let text = role.inline.get(&policy).ok_or_else(|| no_inline(&policy))?;
    Ok(Xml::new().text("RoleName", &object.id).text("PolicyName", &policy).text("PolicyDocument", encoded(text)))
}

pub(super) fn delete_inline(cx: &mut CallCx<'_, '_>) -> Result<Xml, ApiError> {
    let policy = name(&cx.params, "PolicyName", 128)?;
    let mut object = roles::existing(cx)?;
    let mut role = roles::modifiable(&object)?;
    role.inline.remove(&policy).ok_or_else(|| no_inline(&policy))?;
    object.write(&role);
    cx.tx.put(object);
    Ok(Xml::new())
}

pub(super) fn list_inline(cx: &mut CallCx<'_, '_>) -> Result<Xml, ApiError> {
    let role: Role = roles::seen(cx)?.read();
    let (names, more) = page(&cx.params, role.inline.into_keys().collect())?;
    Ok(Xml::new().texts("PolicyNames", "member", names).extend(more))
}

/// A policy's description, the vendor's or the customer's.
fn xml(tx: &Tx<'_>, account: &str, arn: &str) -> Option<Xml> {
    let path = arn.split_once(":policy").map(|(_, rest)| &rest[..=rest.rfind('/').unwrap_or(0)])?;
    let attached = tx.list(&Scope::global(account), roles::ROLE);
    let count = attached.filter(|role| role.read::<Role>().attached.contains_key(arn)).count();
    let name = arn.rsplit('/').next().unwrap_or_default();
    let describe = |id: String, made: String| {
        Xml::new()
            .text("PolicyName", name)
            .text("PolicyId", id)
            .text("Arn", arn)
            .text("Path", path)
            .text("DefaultVersionId", "v1")
            .text("AttachmentCount", count)
            .text("PermissionsBoundaryUsageCount", 0)
            .text("IsAttachable", true)
            .text("CreateDate", &made)
            .text("UpdateDate", &made)
    };
    match own(tx, account, arn) {
        Some(policy) => {
            let xml = describe(policy.text("policyId").to_owned(), iso(policy.created_at));
            Some(some_tags_xml(xml.maybe("Description", policy.doc["description"].as_str()), &policy.tags))
        }
        None if managed::exists(arn) => {
            let id: String =
                name.bytes().map(|b| char::from(b'A' + b % 26)).chain("A".repeat(17).chars()).take(17).collect();
            Some(describe(format!("ANPA{id}"), "2018-05-27T21:06:14Z".to_owned()))
        }
        None => None,
    }
}

fn not_found(arn: &str) -> ApiError {
    no_such_entity(format!("Policy {arn} was not found."))
}

pub(super) fn get(cx: &mut CallCx<'_, '_>) -> Result<Xml, ApiError> {
    let arn = cx.params.require("PolicyArn")?.to_owned();
    let policy = xml(cx.tx, &cx.scope.account, &arn).ok_or_else(|| not_found(&arn))?;
    Ok(Xml::new().child("Policy", policy))
}

pub(super) fn get_version(cx: &mut CallCx<'_, '_>) -> Result<Xml, ApiError> {
    let arn = cx.params.require("PolicyArn")?.to_owned();
    let version = cx.params.require("VersionId")?.to_owned();
    let document = document(cx.tx, &cx.scope.account, &arn).filter(|_| version == "v1");
    let document = document.ok_or_else(|| no_such_entity(format!("Policy {arn} version {version} does not exist.")))?;
    let made = own(cx.tx, &cx.scope.account, &arn).map_or("2018-05-27T21:06:14Z".to_owned(), |o| iso(o.created_at));
    let version = Xml::new()
        .text("Document", encoded(&document.to_string()))
        .text("VersionId", "v1")
        .text("IsDefaultVersion", true)
        .text("CreateDate", made);
    Ok(Xml::new().child("PolicyVersion", version))
}

pub(super) fn list(cx: &mut CallCx<'_, '_>) -> Result<Xml, ApiError> {
    let which = cx.params.text("Scope").unwrap_or_else(|| "All".to_owned());
    let only_attached = cx.params.flag("OnlyAttached")?.unwrap_or(false);
    let prefix = cx.params.text("PathPrefix").unwrap_or_else(|| "/".to_owned());
    cx.params.ignore("PolicyUsageFilter");
    let mut arns: Vec<String> = if which == "Local" { Vec::new() } else { managed::arns().collect() };
    if which != "AWS" {
        arns.extend(cx.tx.search(&cx.global(), POLICY).map(|policy| policy.id.clone()));
    }
    let attached =
        |arn: &String| cx.tx.list(&cx.global(), roles::ROLE).any(|role| role.read::<Role>().attached.contains_key(arn));
    arns.retain(|arn| arn.split_once(":policy").is_some_and(|(_, path)| path.starts_with(&prefix)));
    arns.retain(|arn| !only_attached || attached(arn));
    let (arns, more) = page(&cx.params, arns)?;
    let items: Vec<Xml> = arns.iter().filter_map(|arn| xml(cx.tx, &cx.scope.account, arn)).collect();
    Ok(Xml::new().list("Policies", "member", items).extend(more))
}

pub(super) fn create(cx: &mut CallCx<'_, '_>) -> Result<Xml, ApiError> {
    let name = name(&cx.params, "PolicyName", 128)?;
    let path = path(&cx.params)?;
    let text = cx.params.require("PolicyDocument")?.to_owned();
    let description = cx.params.text("Description");
    let tags = tags(&cx.params)?;
    documents::check_identity(&text)?;
    if text.chars().filter(|c| !c.is_whitespace()).count() > documents::MANAGED_LIMIT {
        return Err(limit_exceeded("PolicySize", documents::MANAGED_LIMIT));
    }
    let arn = format!("arn:aws:iam::{}:policy{path}{name}", cx.scope.account);
    let scope = cx.global();
    let taken =
        cx.tx.list(&scope, POLICY).any(|policy| policy.name.as_deref().is_some_and(|n| n.eq_ignore_ascii_case(&name)));
    if taken {
        return Err(already_exists(format!("A policy called {name} already exists. Duplicate names are not allowed.")));
    }
    let mut object = Object::new(&scope, POLICY, &arn, cx.tx.now());
    object.name = Some(name);
    object.state = "available".to_owned();
    object.visible_at = Some(cx.tx.read_lag());
    object.set("document", text);
    object.set("policyId", format!("ANPA{}", cx.tx.letters(17)));
    if let Some(text) = description {
        object.set("description", text);
    }
    add_tags(&mut object, tags)?;
    cx.tx.put(object);
    let policy = xml(cx.tx, &cx.scope.account, &arn).ok_or_else(|| not_found(&arn))?;
    Ok(Xml::new().child("Policy", policy))
}

pub(super) fn delete(cx: &mut CallCx<'_, '_>) -> Result<Xml, ApiError> {
    let arn = cx.params.require("PolicyArn")?.to_owned();
    let scope = cx.global();
    if own(cx.tx, &cx.scope.account, &arn).is_none() {
        return Err(not_found(&arn));
    }
    if cx.tx.list(&scope, roles::ROLE).any(|role| role.read::<Role>().attached.contains_key(&arn)) {
        return Err(delete_conflict("Cannot delete a policy attached to entities."));
    }
    cx.tx.remove(&scope, POLICY, &arn);
    Ok(Xml::new())
}
