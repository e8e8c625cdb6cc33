//! The simulation call: the same judgement that every call passes, over what the caller of it says is known.

use super::{
    ApiError, CallCx, Xml, constraint,
    evaluate::{Ask, Context, Verdict},
    no_such_entity, page,
    principal::{self, Rights},
    roles,
};
use crate::sandbox::aws::{protocol::iso, sts};

/// What the request says of conditions: `ContextEntries.member.N`.
fn context(cx: &CallCx<'_, '_>) -> Context {
    let mut context = Context::default();
    for entry in cx.params.groups("ContextEntries") {
        entry.ignore("ContextKeyType");
        let key = entry.text("ContextKeyName").unwrap_or_default();
        for value in entry.list("ContextKeyValues") {
            context = context.with(&key, value);
        }
    }
    context
}

pub(super) fn principal(cx: &mut CallCx<'_, '_>) -> Result<Xml, ApiError> {
    let source = cx.params.require("PolicySourceArn")?.to_owned();
    let actions = cx.params.list("ActionNames");
    let mut resources = cx.params.list("ResourceArns");
    for known in [
        "PolicyInputList",
        "PermissionsBoundaryPolicyInputList",
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
    let context = context(cx);
    let rights = match roles::role_name_of(&source) {
        Some(name) => {
            let missing = || no_such_entity(format!("The role with name {name} cannot be found."));
            let role = roles::find(cx.tx, &account, name).ok_or_else(missing)?.read();
            Rights::of_role(cx.tx, &account, &role)
        }
        None if principal::is_permanent(&account, &source) => Rights::of_user(cx.tx),
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
            let ask = Ask { action: action.clone(), resource: resource.clone(), context: context.clone() };
            let word = match rights.judge(&ask) {
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
                    .texts("MissingContextValues", "member", rights.missing_keys(&ask)),
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
