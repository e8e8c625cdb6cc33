//! What a principal may do: the simulation call, and the judgement every call of an assumed role passes.

use super::{
    ApiError, CallCx, Xml, constraint,
    documents::{self, Verdict},
    no_such_entity, page, policies,
    roles::{self, Role},
};
use crate::sandbox::{
    aws::{Caller, protocol::iso, sts},
    world::Tx,
};
use serde_json::Value;
use std::collections::BTreeMap;

/// What a role's policies say, its boundary included.
fn judge_role(tx: &Tx<'_>, account: &str, role: &Role, action: &str, resource: &str) -> Verdict {
    let attached = role.attached.keys().filter_map(|arn| policies::document(tx, account, arn));
    let inline = role.inline.values().filter_map(|text| serde_json::from_str(text).ok());
    let documents: Vec<Value> = attached.chain(inline).collect();
    let verdict = documents::judge(&documents, action, resource);
    let boundary = role.boundary.as_ref().and_then(|arn| policies::document(tx, account, arn));
    match (verdict, boundary) {
        (Verdict::Allowed, Some(boundary)) => documents::judge([&boundary], action, resource),
        (verdict, _) => verdict,
    }
}

/// Whether this caller may do this (`ec2:CreateVpc`) on something. The account's permanent user may do everything.
pub fn may(tx: &Tx<'_>, caller: &Caller, action: &str) -> bool {
    let principal = caller.principal_arn();
    let Some(name) = roles::role_name_of(&principal) else { return true };
    match roles::find(tx, &caller.account, name) {
        Some(role) => judge_role(tx, &caller.account, &role.read(), action, "*") == Verdict::Allowed,
        None => false,
    }
}

/// Whether the role with this ARN may do this to something with these tags: conditions on tags are held against them.
pub fn role_may(tx: &Tx<'_>, arn: &str, action: &str, resource: &str, tags: &BTreeMap<String, String>) -> bool {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let (Some(account), Some(name)) = (parts.get(4), roles::role_name_of(arn)) else { return false };
    let Some(role) = roles::find(tx, account, name).map(|object| object.read::<Role>()) else { return false };
    let attached = role.attached.keys().filter_map(|arn| policies::document(tx, account, arn));
    let inline = role.inline.values().filter_map(|text| serde_json::from_str(text).ok());
    let mut documents: Vec<Value> = attached.chain(inline).collect();
    for document in &mut documents {
        if let Some(statements) = document["Statement"].as_array_mut() {
            statements.retain(|statement| tags_hold(statement, tags));
        }
    }
    documents::judge(&documents, action, resource) == Verdict::Allowed
}

/// Whether what a statement asks of its resource's tags is so.
fn tags_hold(statement: &Value, tags: &BTreeMap<String, String>) -> bool {
    let asked = statement["Condition"]["StringEquals"].as_object().into_iter().flatten();
    let mut of_tags = asked.filter_map(|(key, value)| Some((key.split_once(":ResourceTag/")?.1, value)));
    of_tags.all(|(key, value)| tags.get(key).is_some_and(|have| value.as_str() == Some(have)))
}

pub(super) fn principal(cx: &mut CallCx<'_, '_>) -> Result<Xml, ApiError> {
    let source = cx.params.require("PolicySourceArn")?.to_owned();
    let actions = cx.params.list("ActionNames");
    let mut resources = cx.params.list("ResourceArns");
    for known in [
        "PolicyInputList",
        "PermissionsBoundaryPolicyInputList",
        "ContextEntries",
        "ResourceOwner",
        "CallerArn",
        "ResourcePolicy",
        "ResourceHandlingOption",
    ] {
        cx.params.ignore(known);
    }
    if actions.is_empty() {
        return Err(ApiError::bad(
            "ValidationError",
            "1 validation error detected: Value null at 'actionNames' failed to satisfy constraint: Member must not be null",
        ));
    }
    if let Some(bad) = actions.iter().find(|action| !action.contains(':') && *action != "*") {
        return Err(constraint(bad, "actionNames", "Invalid action"));
    }
    if resources.is_empty() {
        resources.push("*".to_owned());
    }
    let account = cx.scope.account.clone();
    let role: Option<Role> = match roles::role_name_of(&source) {
        Some(name) => {
            let missing = || no_such_entity(format!("The role with name {name} cannot be found."));
            Some(roles::find(cx.tx, &account, name).ok_or_else(missing)?.read())
        }
        None if source == sts::permanent_caller(&account).arn => None,
        None if source.contains(":user/") => {
            let name = source.rsplit('/').next().unwrap_or_default();
            return Err(no_such_entity(format!("The user with name {name} cannot be found.")));
        }
        None => {
            return Err(ApiError::bad(
                "InvalidInput",
                format!("Invalid Entity Arn: {source} does not clearly define entity type and name."),
            ));
        }
    };
    let mut results = Vec::new();
    for action in &actions {
        for resource in &resources {
            let verdict = match &role {
                None => Verdict::Allowed,
                Some(role) => judge_role(cx.tx, &account, role, action, resource),
            };
            let word = match verdict {
                Verdict::Allowed => "allowed",
                Verdict::ImplicitDeny => "implicitDeny",
                Verdict::ExplicitDeny => "explicitDeny",
            };
            results.push(
                Xml::new()
                    .text("EvalActionName", action)
                    .text("EvalResourceName", resource)
                    .text("EvalDecision", word)
                    .list("MatchedStatements", "member", [])
                    .list("MissingContextValues", "member", []),
            );
        }
    }
    let (results, more) = page(&cx.params, results)?;
    Ok(Xml::new().list("EvaluationResults", "member", results).extend(more))
}

pub(super) fn get_user(cx: &mut CallCx<'_, '_>) -> Result<Xml, ApiError> {
    let me = sts::permanent_caller(&cx.scope.account);
    let named = cx.params.text("UserName");
    if let Some(name) = named.filter(|name| name != "sandbox") {
        return Err(no_such_entity(format!("The user with name {name} cannot be found.")));
    }
    let user = Xml::new()
        .text("Path", "/")
        .text("UserName", "sandbox")
        .text("UserId", &me.user_id)
        .text("Arn", &me.arn)
        .text("CreateDate", iso(jiff::Timestamp::UNIX_EPOCH));
    Ok(Xml::new().child("User", user))
}
