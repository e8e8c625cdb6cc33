//! What ARM itself has: subscriptions, locations, resource groups, registrations, the list of everything, tags, locks.

pub(super) mod groups;
pub(super) mod providers;
mod search;

pub(super) use groups::{LOCK, check_locks};
pub(super) use providers::PROVIDER;

use super::{
    SUBSCRIPTION, TENANT, locations,
    store::{self, find, view},
    wire::{Answer, ArmError, Cx, Outcome},
};
use crate::sandbox::world::{Object, Scope, Tx};
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn subscription() -> Value {
    json!({
        "id": format!("/subscriptions/{SUBSCRIPTION}"),
        "subscriptionId": SUBSCRIPTION,
        "tenantId": TENANT,
        "displayName": "kubewright sandbox",
        "state": "Enabled",
        "subscriptionPolicies": {"locationPlacementId": "Public_2014-09-01", "quotaId": "PayAsYouGo_2014-09-01", "spendingLimit": "Off"},
        "authorizationSource": "RoleBased",
        "managedByTenants": [],
    })
}

/// Answers a call.
pub(super) fn call(cx: &mut Cx<'_, '_>) -> Outcome {
    match (cx.verb, cx.target.full_type().as_str(), cx.target.named()) {
        ("GET", "subscriptions", true) => Ok(Answer::ok(subscription())),
        ("GET", "subscriptions", false) => Ok(Answer::ok(json!({"value": [subscription()], "nextLink": ""}))),
        ("GET", "tenants", _) => {
            let tenant = json!({"id": format!("/tenants/{TENANT}"), "tenantId": TENANT, "displayName": "kubewright sandbox", "tenantCategory": "Home"});
            Ok(Answer::list(vec![tenant]))
        }
        ("GET", "locations", false) => {
            let all = locations::LOCATIONS.iter().map(|row| locations::view(SUBSCRIPTION, row));
            Ok(Answer::list(all.collect()))
        }
        ("GET", "resources", false) => search::list(cx),
        (_, "providers" | "providers/register" | "providers/unregister", _) => providers::call(cx),
        (_, "resourceGroups", _) => groups::call(cx),
        (_, "tags", true) => tags_call(cx),
        _ => Err(super::no_such_call(cx)),
    }
}

/// Time passes for a group or a registration.
pub(super) fn happen(tx: &mut Tx<'_>, object: &Object, what: &str) {
    if object.is(PROVIDER) {
        providers::happen(tx, object, what);
    } else {
        groups::happen(tx, object, what);
    }
}

/// What a subscription has from the start.
pub(super) fn furnish(tx: &mut Tx<'_>, scope: &Scope) {
    providers::furnish(tx, scope);
}

/// `{scope}/providers/Microsoft.Resources/tags/default`.
fn tags_call(cx: &mut Cx<'_, '_>) -> Outcome {
    let scope = cx.target.scope.clone();
    let object = find(cx.tx, &scope).cloned().ok_or_else(|| store::not_found(&scope))?;
    let said: BTreeMap<String, String> = store::tags(&cx.body["properties"]);
    store::check_tags(&cx.body["properties"])?;
    let mut tags = object.tags.clone();
    match (cx.verb, cx.body["operation"].as_str().unwrap_or_default()) {
        ("GET", _) => {}
        ("PUT", _) => tags = said,
        ("PATCH", op) if op.eq_ignore_ascii_case("replace") => tags = said,
        ("PATCH", op) if op.eq_ignore_ascii_case("merge") => tags.extend(said),
        ("PATCH", op) if op.eq_ignore_ascii_case("delete") => {
            tags.retain(|key, value| said.get(key) != Some(value));
        }
        _ => return Err(ArmError::bad("InvalidRequestContent", "The operation must be Replace, Merge or Delete.")),
    }
    if cx.verb != "GET" {
        check_locks(cx.tx, &scope, false)?;
        store::change(cx.tx, &scope, |object| object.tags.clone_from(&tags));
    }
    Ok(Answer::ok(json!({
        "id": format!("{scope}/providers/Microsoft.Resources/tags/default"), "name": "default",
        "type": "Microsoft.Resources/tags", "properties": {"tags": tags},
    })))
}

/// A resource as lists of everything show it.
fn generic(object: &Object, expand: &str) -> Value {
    let full = view(object);
    let mut shown = json!({});
    for key in ["id", "name", "type", "sku", "kind", "location", "identity", "managedBy", "tags"] {
        if !full[key].is_null() {
            shown[key] = full[key].clone();
        }
    }
    let state = full["properties"]["provisioningState"].as_str().unwrap_or("Succeeded");
    for (word, value) in [
        ("provisioningState", state.to_owned()),
        ("createdTime", object.created_at.to_string()),
        ("changedTime", object.created_at.to_string()),
    ] {
        if expand.to_ascii_lowercase().contains(&word.to_ascii_lowercase()) {
            shown[word] = json!(value);
        }
    }
    shown
}
