//! Microsoft.Authorization: role assignments, which spread slowly; role definitions; what the caller may do; locks.

use super::{
    OBJECT_ID, SUBSCRIPTION,
    access::{self, ROLE_ASSIGNMENT},
    containerservice, managedidentity,
    path::{name_of, within},
    resources::LOCK,
    store::{self, find, of_kind},
    wire::{Answer, ArmError, Cx, Outcome, text},
};
use crate::{
    model::Cloud,
    sandbox::world::{Object, Origin, Scope, Tx},
};
use jiff::Timestamp;
use serde_json::{Value, json};

/// The default principal owns the subscription.
pub(super) fn furnish(tx: &mut Tx<'_>, scope: &Scope) {
    let at = format!("/subscriptions/{SUBSCRIPTION}");
    let id = format!("{at}/providers/Microsoft.Authorization/roleAssignments/00000000-0000-4000-8000-0000000000ff");
    let mut object = Object::new(scope, ROLE_ASSIGNMENT, id, tx.now());
    object.cloud = Cloud::Azure;
    object.name = Some("00000000-0000-4000-8000-0000000000ff".to_owned());
    object.created_by = Origin::Builtin;
    // Whether it counts is decided by what the sandbox was told: nothing is read from this one.
    object.doc = json!({
        "properties": {
            "scope": at, "roleDefinitionId": access::role_id("8e3af657-a8ff-443c-a75c-2fe8c4bcb635"),
            "principalId": OBJECT_ID, "principalType": "ServicePrincipal",
        },
        "_": {"effectiveAt": Timestamp::MAX.to_string()},
    });
    tx.put(object);
}

/// Answers a call.
pub(super) fn call(cx: &mut Cx<'_, '_>) -> Outcome {
    match (cx.target.full_type().as_str(), cx.verb, cx.target.named()) {
        ("roleAssignments", "GET", false) => list(cx),
        ("roleAssignments", "GET", true) => match assignment(cx) {
            Some(object) => Ok(Answer::ok(view(&object))),
            None => Err(no_assignment(cx)),
        },
        ("roleAssignments", "PUT", _) => put(cx),
        ("roleAssignments", "DELETE", _) => {
            let Some(object) = assignment(cx) else { return Ok(Answer::empty(204)) };
            super::resources::check_locks(cx.tx, &object.id, true)?;
            store::remove(cx.tx, &object.id);
            Ok(Answer::ok(view(&object)))
        }
        ("roleDefinitions", _, true) => {
            let role = access::role(cx.name());
            role.map(|role| Answer::ok(definition(&role))).ok_or_else(|| no_definition(cx.name()))
        }
        ("roleDefinitions", _, false) => {
            let wanted = cx
                .asked("$filter")
                .and_then(|filter| filter.strip_prefix("roleName eq '")?.strip_suffix('\'').map(str::to_owned));
            let all = access::roles()
                .filter(|role| wanted.as_ref().is_none_or(|wanted| role.name.eq_ignore_ascii_case(wanted)));
            Ok(Answer::list(all.map(|role| definition(&role)).collect()))
        }
        ("permissions", ..) => {
            let (scope, now) = (cx.target.scope.clone(), cx.tx.now());
            let roles = access::roles_of(cx.tx, &cx.caller.object, &scope, now);
            Ok(Answer::list(roles.iter().map(access::Role::permission).collect()))
        }
        ("policyAssignments", ..) => Ok(Answer::list(Vec::new())),
        ("locks", verb, named) => locks(cx, verb, named),
        _ => Err(super::no_such_call(cx)),
    }
}

fn definition(role: &access::Role) -> Value {
    json!({
        "id": access::role_id(&role.id), "name": role.id, "type": "Microsoft.Authorization/roleDefinitions",
        "properties": {
            "roleName": role.name, "type": "BuiltInRole", "description": role.name, "assignableScopes": ["/"],
            "permissions": [role.permission()],
        },
    })
}

fn view(object: &Object) -> Value {
    store::view(object)
}

fn assignment(cx: &Cx<'_, '_>) -> Option<Object> {
    of_kind(cx.tx, ROLE_ASSIGNMENT, &cx.id()).cloned()
}

fn no_assignment(cx: &Cx<'_, '_>) -> ArmError {
    ArmError::new(404, "RoleAssignmentNotFound", format!("The role assignment '{}' is not found.", cx.name()))
}

fn no_definition(name: &str) -> ArmError {
    let message = format!("The specified role definition with ID '{}' does not exist.", name.replace('-', ""));
    ArmError::new(404, "RoleDefinitionDoesNotExist", message)
}

/// Those at a scope, above it and below it; `atScope()` leaves out those below.
fn list(cx: &mut Cx<'_, '_>) -> Outcome {
    let scope = cx.target.scope.clone();
    let filter = cx.asked("$filter").unwrap_or_default().to_owned();
    let mut principal = None;
    let mut exact = false;
    for part in filter.split(" and ").map(str::trim).filter(|part| !part.is_empty()) {
        let id = part
            .strip_prefix("principalId eq ")
            .or_else(|| part.strip_prefix("assignedTo("))
            .map(|id| id.trim_end_matches(')').trim_matches('\'').to_owned());
        match (part, id) {
            ("atScope()", _) => exact = true,
            (_, Some(id)) => principal = Some(id),
            _ => return Err(ArmError::bad("UnsupportedFilter", format!("The filter '{filter}' is not supported."))),
        }
    }
    let now = cx.tx.now();
    let fits = |object: &&Object| {
        let at = text(&object.doc, "properties.scope");
        let placed = within(&scope, at) || !exact && within(at, &scope);
        let whose =
            principal.as_ref().is_none_or(|id| text(&object.doc, "properties.principalId").eq_ignore_ascii_case(id));
        placed && whose && object.visible_at.is_none_or(|at| at <= now)
    };
    Ok(Answer::list(store::each(cx.tx, ROLE_ASSIGNMENT).filter(fits).map(view).collect()))
}

fn scope_stands(cx: &Cx<'_, '_>) -> Result<(), ArmError> {
    let scope = &cx.target.scope;
    if scope.eq_ignore_ascii_case(&cx.target.subscription_id()) || find(cx.tx, scope).is_some() {
        return Ok(());
    }
    if cx.target.group.is_some() {
        super::resources::groups::check_stands(cx.tx, &cx.target.group_id(), "GET")?;
    }
    Err(store::not_found(scope))
}

fn put(cx: &mut Cx<'_, '_>) -> Outcome {
    scope_stands(cx)?;
    let (id, scope) = (cx.id(), cx.target.scope.clone());
    super::resources::check_locks(cx.tx, &scope, false)?;
    let properties = &cx.body["properties"];
    let role = text(properties, "roleDefinitionId").to_owned();
    let principal = text(properties, "principalId").to_owned();
    if access::role(name_of(&role)).is_none() {
        return Err(no_definition(name_of(&role)));
    }
    if uuid::Uuid::parse_str(&principal).is_err() {
        let message = format!("The Principal ID '{principal}' is not valid. Principal ID must be a GUID.");
        return Err(ArmError::bad("InvalidPrincipalId", message));
    }
    // Only who says what kind of principal it is spares the directory from having heard of it.
    let kind = match properties["principalType"].as_str() {
        Some(kind) => kind.to_owned(),
        None => look_up(cx.tx, &principal)?,
    };
    let same = |object: &&Object| {
        let its = &object.doc["properties"];
        text(its, "scope").eq_ignore_ascii_case(&scope)
            && text(its, "principalId").eq_ignore_ascii_case(&principal)
            && name_of(text(its, "roleDefinitionId")).eq_ignore_ascii_case(name_of(&role))
    };
    if let Some(other) = store::each(cx.tx, ROLE_ASSIGNMENT).find(same) {
        if other.id.eq_ignore_ascii_case(&id) {
            return Ok(Answer::ok(view(other)));
        }
        let message = format!(
            "The role assignment already exists. The ID of the existing role assignment is {}.",
            other.name.as_deref().unwrap_or_default().replace('-', "")
        );
        return Err(ArmError::conflict("RoleAssignmentExists", message));
    }
    if assignment(cx).is_some() {
        let message = "Tenant ID, application ID, principal ID, and scope are not allowed to be updated.";
        return Err(ArmError::conflict("RoleAssignmentUpdateNotPermitted", message));
    }
    let range = cx.tx.in_force().iam_lag_ms;
    let effective = cx.tx.now() + cx.tx.draw_ms(range);
    let now = cx.tx.now().to_string();
    let mut object = store::resource(cx.tx, ROLE_ASSIGNMENT, &id, Scope::GLOBAL, &cx.body);
    object.parent = Some(scope.clone());
    object.visible_at = Some(cx.tx.read_lag());
    object.doc["properties"] = json!({
        "roleDefinitionId": access::role_id(&name_of(&role).to_ascii_lowercase()),
        "principalId": principal, "principalType": kind, "scope": scope,
        "description": properties["description"], "condition": properties["condition"],
        "conditionVersion": properties["conditionVersion"],
        "createdOn": now, "updatedOn": now, "createdBy": cx.caller.object, "updatedBy": cx.caller.object,
    });
    object.doc[store::HIDDEN] = json!({"effectiveAt": effective.to_string()});
    cx.tx.put(object.clone());
    Ok(Answer::with(201, view(&object)))
}

/// What kind of principal the directory says this is.
fn look_up(tx: &Tx<'_>, principal: &str) -> Result<String, ArmError> {
    let known =
        managedidentity::known_at(tx, principal).or_else(|| containerservice::principal_known_at(tx, principal));
    if principal.eq_ignore_ascii_case(OBJECT_ID) || known.is_some_and(|known| known <= tx.now()) {
        return Ok("ServicePrincipal".to_owned());
    }
    let message = format!(
        "Principal {} does not exist in the directory {}. Check that you have the correct principal ID. If you are creating this principal and then immediately assigning a role, this error might be related to a replication delay. In this case, set the role assignment principalType property to a value, such as ServicePrincipal, User, or Group.  See https://aka.ms/docs-principaltype",
        principal.replace('-', ""),
        super::TENANT
    );
    Err(ArmError::bad("PrincipalNotFound", message))
}

/// Locks, at any scope.
fn locks(cx: &mut Cx<'_, '_>, verb: &str, named: bool) -> Outcome {
    let scope = cx.target.scope.clone();
    if !named {
        let at = |lock: &&Object| within(lock.text("scope"), &scope) || within(&scope, lock.text("scope"));
        return Ok(Answer::list(store::each(cx.tx, LOCK).filter(at).map(view_lock).collect()));
    }
    let id = cx.id();
    let stands = of_kind(cx.tx, LOCK, &id).cloned();
    match (verb, stands) {
        ("GET", Some(lock)) => Ok(Answer::ok(view_lock(&lock))),
        ("DELETE", Some(_)) => {
            store::remove(cx.tx, &id);
            Ok(Answer::empty(200))
        }
        ("DELETE", None) => Ok(Answer::empty(204)),
        ("PUT", stands) => {
            scope_stands(cx)?;
            let mut lock = store::resource(cx.tx, LOCK, &id, Scope::GLOBAL, &cx.body);
            lock.parent = Some(scope.clone());
            lock.set("scope", scope);
            cx.tx.put(lock.clone());
            Ok(Answer::with(if stands.is_some() { 200 } else { 201 }, view_lock(&lock)))
        }
        _ => Err(ArmError::new(404, "LockNotFound", format!("The lock '{}' could not be found.", cx.name()))),
    }
}

fn view_lock(lock: &Object) -> Value {
    let mut shown = view(lock);
    if let Some(map) = shown.as_object_mut() {
        map.remove("scope");
    }
    shown
}
