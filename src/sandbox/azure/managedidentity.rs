//! Microsoft.ManagedIdentity: identities that stand at once, and whose principals the directory hears of later.

use super::{
    TENANT, locations,
    resources::check_locks,
    store::{self, of_kind},
    wire::{Answer, ArmError, Cx, Outcome, text, texts},
};
use crate::sandbox::world::{Kind, Tx};
use jiff::Timestamp;
use serde_json::json;

pub(super) const IDENTITY: Kind = Kind::new("managedidentity", "userAssignedIdentities");
pub(super) const FEDERATED: Kind = Kind::new("managedidentity", "userAssignedIdentities/federatedIdentityCredentials");

/// Answers a call.
pub(super) fn call(cx: &mut Cx<'_, '_>) -> Outcome {
    let kind = if cx.target.types.len() == 1 { IDENTITY } else { FEDERATED };
    if !cx.target.named() {
        let scope = match (kind, &cx.target.group) {
            (FEDERATED, _) => cx.id(),
            (_, Some(_)) => cx.target.group_id(),
            (_, None) => cx.target.subscription_id(),
        };
        return Ok(Answer::list(store::listed(cx.tx, kind, &scope).iter().map(store::view).collect()));
    }
    match (cx.verb, kind) {
        ("GET", _) => Ok(Answer::ok(store::view(&store::need(cx, kind)?))),
        ("PUT", IDENTITY) => put(cx),
        ("PUT", _) => put_federated(cx),
        ("PATCH", _) => {
            let mut object = store::need(cx, kind)?;
            check_locks(cx.tx, &object.id, false)?;
            if cx.body["tags"].is_object() {
                object.tags = store::tags(&cx.body);
            }
            cx.tx.put(object.clone());
            Ok(Answer::ok(store::view(&object)))
        }
        _ => {
            let id = cx.id();
            if of_kind(cx.tx, kind, &id).is_none() {
                return Ok(Answer::empty(204));
            }
            check_locks(cx.tx, &id, true)?;
            store::remove(cx.tx, &id);
            Ok(Answer::empty(200))
        }
    }
}

fn put(cx: &mut Cx<'_, '_>) -> Outcome {
    let id = cx.id();
    let location = locations::of_body(&cx.body, "Microsoft.ManagedIdentity/userAssignedIdentities")?;
    check_locks(cx.tx, &id, false)?;
    if let Some(mut object) = of_kind(cx.tx, IDENTITY, &id).cloned() {
        if object.region != location {
            let message = format!("The resource '{}' already exists in location '{}'.", cx.name(), object.region);
            return Err(ArmError::conflict("InvalidResourceLocation", message));
        }
        object.tags = store::tags(&cx.body);
        cx.tx.put(object.clone());
        return Ok(Answer::ok(store::view(&object)));
    }
    let mut object = store::resource(cx.tx, IDENTITY, &id, &location, &cx.body);
    object.visible_at = Some(cx.tx.read_lag());
    let range = cx.tx.in_force().iam_lag_ms;
    let known = cx.tx.now() + cx.tx.draw_ms(range);
    "Succeeded".clone_into(&mut object.state);
    object.doc["properties"]["tenantId"] = json!(TENANT);
    object.doc["properties"]["principalId"] = json!(cx.tx.uuid());
    object.doc["properties"]["clientId"] = json!(cx.tx.uuid());
    object.doc[store::HIDDEN] = json!({"knownAt": known.to_string(), "tagged": true});
    cx.tx.put(object.clone());
    Ok(Answer::with(201, store::view(&object)))
}

fn put_federated(cx: &mut Cx<'_, '_>) -> Outcome {
    let id = cx.id();
    let parent = store::parent_of(&id).unwrap_or_default();
    let owner = of_kind(cx.tx, IDENTITY, &parent).cloned().ok_or_else(|| store::not_found(&parent))?;
    let properties = &cx.body["properties"];
    if text(properties, "issuer").is_empty()
        || text(properties, "subject").is_empty()
        || texts(&properties["audiences"]).len() != 1
    {
        let message = "The federated identity credential must have an issuer, a subject and one audience.";
        return Err(ArmError::bad("BadRequest", message));
    }
    let new = of_kind(cx.tx, FEDERATED, &id).is_none();
    let mut object = store::resource(cx.tx, FEDERATED, &id, &owner.region, &cx.body);
    "Succeeded".clone_into(&mut object.state);
    cx.tx.put(object.clone());
    Ok(Answer::with(if new { 201 } else { 200 }, store::view(&object)))
}

/// Since when the directory knows a principal: `None` where there is no identity with it.
pub(super) fn known_at(tx: &Tx<'_>, principal: &str) -> Option<Timestamp> {
    let own = |object: &&crate::sandbox::world::Object| {
        text(&object.doc, "properties.principalId").eq_ignore_ascii_case(principal)
    };
    let identity = store::each(tx, IDENTITY).find(own)?;
    text(&identity.doc, "_.knownAt").parse().ok()
}
