//! IAM: roles, policies, instance profiles, OpenID providers, service-linked roles, simulation.
//!
//! Names are strongly consistent, reads lag a little, and other services believe in a role only after it has
//! propagated ([`assumable`], [`has_policy`]).

mod account;
mod documents;
mod evaluate;
mod managed;
mod needs;
mod policies;
mod principal;
mod profiles;
mod providers;
mod roles;
mod service_linked;
mod simulate;
#[cfg(test)]
mod tests;

pub use needs::Request;
pub use principal::{authorize, forbidden, read_policies, role_may};
pub use profiles::{delete_instance_profile, ensure_instance_profile, instance_profile_role};
pub use providers::issuer_is_trusted;
pub use roles::{RoleTrouble, assumable, has_policy, role_assumable_by, role_name_of};
pub use service_linked::ensure_service_linked_role;

use super::{ApiError, CallCx, Params, Protocol, Reply, Service, Xml};
use crate::sandbox::world::{Object, Tx};
use std::collections::BTreeMap;

const NAMESPACE: &str = "https://iam.amazonaws.com/doc/2010-05-08/";

/// The service.
pub struct Iam;

impl Service for Iam {
    fn name(&self) -> &'static str {
        "iam"
    }

    fn protocol(&self, _: Option<&str>) -> Protocol {
        Protocol::Query(NAMESPACE)
    }

    fn call(&self, cx: &mut CallCx<'_, '_>) -> Result<Reply, ApiError> {
        let xml = match cx.op {
            "CreateRole" => roles::create(cx),
            "GetRole" => roles::get(cx),
            "ListRoles" => roles::list(cx),
            "UpdateRole" => roles::update(cx),
            "UpdateAssumeRolePolicy" => roles::update_trust(cx),
            "DeleteRole" => roles::delete(cx),
            "TagRole" => roles::tag(cx),
            "UntagRole" => roles::untag(cx),
            "ListRoleTags" => roles::list_tags(cx),
            "AttachRolePolicy" => policies::attach(cx),
            "DetachRolePolicy" => policies::detach(cx),
            "ListAttachedRolePolicies" => policies::list_attached(cx),
            "PutRolePolicy" => policies::put_inline(cx),
            "GetRolePolicy" => policies::get_inline(cx),
            "DeleteRolePolicy" => policies::delete_inline(cx),
            "ListRolePolicies" => policies::list_inline(cx),
            "GetPolicy" => policies::get(cx),
            "GetPolicyVersion" => policies::get_version(cx),
            "ListPolicies" => policies::list(cx),
            "CreatePolicy" => policies::create(cx),
            "DeletePolicy" => policies::delete(cx),
            "CreateInstanceProfile" => profiles::create(cx),
            "GetInstanceProfile" => profiles::get(cx),
            "DeleteInstanceProfile" => profiles::delete(cx),
            "ListInstanceProfiles" => profiles::list(cx),
            "ListInstanceProfilesForRole" => profiles::list_for_role(cx),
            "AddRoleToInstanceProfile" => profiles::add_role(cx),
            "RemoveRoleFromInstanceProfile" => profiles::remove_role(cx),
            "TagInstanceProfile" => profiles::tag(cx),
            "UntagInstanceProfile" => profiles::untag(cx),
            "ListInstanceProfileTags" => profiles::list_tags(cx),
            "CreateOpenIDConnectProvider" => providers::create(cx),
            "GetOpenIDConnectProvider" => providers::get(cx),
            "DeleteOpenIDConnectProvider" => providers::delete(cx),
            "ListOpenIDConnectProviders" => providers::list(cx),
            "TagOpenIDConnectProvider" => providers::tag(cx),
            "UntagOpenIDConnectProvider" => providers::untag(cx),
            "ListOpenIDConnectProviderTags" => providers::list_tags(cx),
            "CreateServiceLinkedRole" => service_linked::create(cx),
            "DeleteServiceLinkedRole" => service_linked::delete(cx),
            "GetServiceLinkedRoleDeletionStatus" => service_linked::deletion_status(cx),
            "SimulatePrincipalPolicy" => simulate::principal(cx),
            "GetAccountSummary" => account::summary(cx),
            "GetUser" => simulate::get_user(cx),
            _ => Err(cx.unknown_operation()),
        };
        xml.map(Reply::Xml)
    }

    fn due(&self, tx: &mut Tx<'_>, object: &Object, _: &str) {
        service_linked::finish(tx, object);
    }
}

fn no_such_entity(why: impl Into<String>) -> ApiError {
    ApiError::new(404, "NoSuchEntity", why)
}

fn already_exists(why: impl Into<String>) -> ApiError {
    ApiError::new(409, "EntityAlreadyExists", why)
}

fn delete_conflict(why: impl Into<String>) -> ApiError {
    ApiError::new(409, "DeleteConflict", why)
}

fn limit_exceeded(what: &str, limit: impl std::fmt::Display) -> ApiError {
    ApiError::new(409, "LimitExceeded", format!("Cannot exceed quota for {what}: {limit}"))
}

fn constraint(value: &str, field: &str, rule: &str) -> ApiError {
    let why = format!("1 validation error detected: Value '{value}' at '{field}' failed to satisfy constraint: {rule}");
    ApiError::bad("ValidationError", why)
}

/// A name of IAM's alphabet, not longer than `longest`.
fn name(params: &Params, parameter: &str, longest: usize) -> Result<String, ApiError> {
    let text = params.require(parameter)?;
    let mut field = parameter.to_owned();
    field.replace_range(..1, &parameter[..1].to_lowercase());
    if text.len() > longest {
        return Err(constraint(text, &field, &format!("Member must have length less than or equal to {longest}")));
    }
    if !text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+=,.@_-".contains(&b)) {
        return Err(constraint(text, &field, "Member must satisfy regular expression pattern: [\\w+=,.@-]+"));
    }
    Ok(text.to_owned())
}

fn path(params: &Params) -> Result<String, ApiError> {
    let text = params.get("Path").unwrap_or("/");
    let printable = text.bytes().all(|b| (0x21..=0x7e).contains(&b));
    if !text.starts_with('/') || !text.ends_with('/') || text.len() > 512 || !printable {
        return Err(constraint(
            text,
            "path",
            "Member must satisfy regular expression pattern: (\\u002F)|(\\u002F[\\u0021-\\u007E]+\\u002F)",
        ));
    }
    Ok(text.to_owned())
}

/// `Tags.member.N`, checked.
fn tags(params: &Params) -> Result<BTreeMap<String, String>, ApiError> {
    let mut tags = BTreeMap::new();
    for group in params.groups("Tags") {
        let key = group.require("Key")?.to_owned();
        let value = group.text("Value").ok_or_else(|| ApiError::bad("ValidationError", "A tag needs a value"))?;
        let allowed =
            |text: &str| text.chars().all(|c| c.is_alphanumeric() || c.is_whitespace() || "_.:/=+-@".contains(c));
        if key.chars().count() > 128 || !allowed(&key) {
            return Err(constraint(
                &key,
                "tags.1.member.key",
                "Member must satisfy regular expression pattern: [\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]+",
            ));
        }
        if value.chars().count() > 256 || !allowed(&value) {
            return Err(constraint(
                &value,
                "tags.1.member.value",
                "Member must satisfy regular expression pattern: [\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*",
            ));
        }
        if key.to_lowercase().starts_with("aws:") {
            let why = "AWS prefixed tag key names are not allowed for external use.";
            return Err(ApiError::bad("InvalidInput", why));
        }
        if tags.keys().any(|known: &String| known.eq_ignore_ascii_case(&key)) {
            let why = "Duplicate tag keys found. Please note that Tag keys are case insensitive.";
            return Err(ApiError::bad("InvalidInput", why));
        }
        tags.insert(key, value);
    }
    Ok(tags)
}

/// Adds tags to an object, up to fifty.
fn add_tags(object: &mut Object, new: BTreeMap<String, String>) -> Result<(), ApiError> {
    for (key, value) in new {
        // Keys differ in more than case.
        object.tags.retain(|known, _| !known.eq_ignore_ascii_case(&key));
        object.tags.insert(key, value);
    }
    if object.tags.len() > 50 {
        return Err(ApiError::new(409, "LimitExceeded", "The number of tags has reached the maximum limit."));
    }
    Ok(())
}

/// The tagging calls of every kind: on the object that the call names, once it is found and may be changed.
fn tag(cx: &mut CallCx<'_, '_>, mut object: Object) -> Result<Xml, ApiError> {
    add_tags(&mut object, tags(&cx.params)?)?;
    cx.tx.put(object);
    Ok(Xml::new())
}

fn untag(cx: &mut CallCx<'_, '_>, mut object: Object) -> Result<Xml, ApiError> {
    for key in cx.params.list("TagKeys") {
        object.tags.remove(&key);
    }
    cx.tx.put(object);
    Ok(Xml::new())
}

fn list_tags(cx: &CallCx<'_, '_>, object: Object) -> Result<Xml, ApiError> {
    let (tags, more) = page(&cx.params, object.tags.into_iter().collect())?;
    Ok(tags_xml(Xml::new(), &tags.into_iter().collect()).extend(more))
}

fn tags_xml(xml: Xml, tags: &BTreeMap<String, String>) -> Xml {
    xml.list("Tags", "member", tags.iter().map(|(k, v)| Xml::new().text("Key", k).text("Value", v)))
}

/// Tags where replies leave them out when there are none.
fn some_tags_xml(xml: Xml, tags: &BTreeMap<String, String>) -> Xml {
    if tags.is_empty() { xml } else { tags_xml(xml, tags) }
}

/// One page of a list, by `Marker` and `MaxItems`: the items, `IsTruncated` and the next marker.
fn page<T>(params: &Params, items: Vec<T>) -> Result<(Vec<T>, Xml), ApiError> {
    let most = params.number("MaxItems")?.unwrap_or(100);
    if !(1..=1_000).contains(&most) {
        return Err(constraint(&most.to_string(), "maxItems", "Member must have value between 1 and 1000"));
    }
    let from: usize = match params.get("Marker") {
        None => 0,
        Some(marker) => marker
            .strip_prefix("from-")
            .and_then(|number| number.parse().ok())
            .ok_or_else(|| ApiError::bad("ValidationError", format!("Invalid Marker: {marker}")))?,
    };
    let to = from.saturating_add(usize::try_from(most).unwrap_or(100));
    let more = items.len() > to;
    let items = items.into_iter().skip(from).take(to - from).collect();
    let xml = Xml::new().text("IsTruncated", more).maybe("Marker", more.then(|| format!("from-{to}")));
    Ok((items, xml))
}

/// Documents travel percent-encoded in replies.
fn encoded(document: &str) -> String {
    const UNRESERVED: &percent_encoding::AsciiSet =
        &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    percent_encoding::utf8_percent_encode(document, UNRESERVED).to_string()
}
