//! How resources are kept in the world and shown: one object a resource, its id the object's, its `properties` and all
//! else of its description in the document; what nobody sees stands under `_` there.

use super::{
    path::{self, name_of, within},
    wire::{ArmError, Cx, prune},
};
use crate::{
    model::{Cloud, PriceKey, Region, Unit, Usage},
    sandbox::world::{Due, Kind, Object, Origin, Scope, Tx},
};
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, time::Duration};

/// Where what nobody sees stands in a document.
pub const HIDDEN: &str = "_";

/// Resource groups.
pub const GROUP: Kind = Kind::new("resources", "resourceGroups");

/// Seconds.
pub const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Minutes.
pub const fn mins(n: u64) -> Duration {
    Duration::from_secs(n * 60)
}

/// Every object of Azure that stands.
pub fn all<'a>(tx: &'a Tx<'_>) -> impl Iterator<Item = &'a Object> {
    tx.all().filter(|object| object.cloud == Cloud::Azure && !object.is_gone())
}

/// The resource of this id, in any case.
pub fn find<'a>(tx: &'a Tx<'_>, id: &str) -> Option<&'a Object> {
    all(tx).find(|object| object.id.len() == id.len() && object.id.eq_ignore_ascii_case(id))
}

/// The resource of this id, if it is of this kind.
pub fn of_kind<'a>(tx: &'a Tx<'_>, kind: Kind, id: &str) -> Option<&'a Object> {
    find(tx, id).filter(|object| object.is(kind))
}

/// All resources of a kind, anywhere.
pub fn each<'a>(tx: &'a Tx<'_>, kind: Kind) -> impl Iterator<Item = &'a Object> {
    all(tx).filter(move |object| object.is(kind))
}

/// The resources of a kind within a scope (a subscription, a group, a parent), as a list sees them.
pub fn listed(tx: &Tx<'_>, kind: Kind, scope: &str) -> Vec<Object> {
    let now = tx.now();
    let seen = |object: &&Object| object.visible_at.is_none_or(|at| at <= now) && within(&object.id, scope);
    each(tx, kind).filter(seen).cloned().collect()
}

/// The namespace of a service: `Microsoft.Network`.
pub fn namespace(service: &str) -> String {
    path::spelled(&format!("Microsoft.{service}"))
}

/// The type of a resource: `Microsoft.Network/virtualNetworks`.
pub fn type_of(object: &Object) -> String {
    match object.kind.as_str() {
        "resourceGroups" => "Microsoft.Resources/resourceGroups".to_owned(),
        kind => format!("{}/{kind}", namespace(&object.service)),
    }
}

/// A new resource; its document is what was said, without what is told elsewhere.
pub fn resource(tx: &Tx<'_>, kind: Kind, id: &str, location: &str, body: &Value) -> Object {
    let account = id.split('/').nth(2).unwrap_or_default();
    let mut object = Object::new(&Scope::new(account, location), kind, id, tx.now());
    object.cloud = Cloud::Azure;
    object.name = Some(name_of(id).to_owned());
    object.parent = parent_of(id);
    object.tags = tags(body);
    let mut doc = body.clone();
    if let Some(map) = doc.as_object_mut() {
        for told in ["id", "name", "type", "location", "tags", "etag", "eTag", "systemData"] {
            map.remove(told);
        }
    }
    object.doc = if doc.is_object() { doc } else { Value::Object(Map::new()) };
    object
}

/// The id of what a resource lives in: its parent resource, or its group.
pub fn parent_of(id: &str) -> Option<String> {
    let group = path::group_of(id)?;
    let inside = id[group.len()..].split('/').count();
    // `/providers/Ns/type/name`, then two more for every level.
    match inside {
        0..=1 => None,
        2..=5 => Some(group),
        _ => id.rsplitn(3, '/').nth(2).map(str::to_owned),
    }
}

/// The tags of a body.
pub fn tags(body: &Value) -> BTreeMap<String, String> {
    let pairs = body["tags"].as_object().into_iter().flatten();
    pairs.map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned())).collect()
}

/// Checks tags as ARM does: at most 50, names to 512 and values to 256 characters, no reserved characters.
///
/// # Errors
/// In ARM's words.
pub fn check_tags(body: &Value) -> Result<(), ArmError> {
    let tags = tags(body);
    if tags.len() > 50 {
        let message = format!("The number of tags ({}) exceeds the maximum allowed number of 50.", tags.len());
        return Err(ArmError::bad("TooManyTags", message));
    }
    for (name, value) in &tags {
        if name.is_empty() || name.len() > 512 || name.contains(['<', '>', '%', '&', '\\', '?', '/']) {
            let why = "Tag names cannot be empty, longer than 512 characters, or contain any of <,>,%,&,\\,?,/";
            return Err(ArmError::bad(
                "InvalidTagNameCharacters",
                format!("The tag name '{name}' is not valid. {why}."),
            ));
        }
        let reserved = ["microsoft", "azure", "windows"];
        if reserved.iter().any(|word| name.to_ascii_lowercase().starts_with(word)) {
            let message = format!("The tag name '{name}' is not valid: it starts with a reserved prefix.");
            return Err(ArmError::bad("ReservedTagName", message));
        }
        if value.len() > 256 {
            let message = format!("The value of the tag '{name}' is longer than 256 characters.");
            return Err(ArmError::bad("InvalidTagValueLength", message));
        }
    }
    Ok(())
}

/// The resource as ARM shows it.
pub fn view(object: &Object) -> Value {
    let mut shown = json!({"id": object.id, "name": object.name, "type": type_of(object)});
    if object.region != Scope::GLOBAL && !object.kind.contains('/') {
        shown["location"] = json!(object.region);
    }
    if !object.kind.contains('/') && (!object.tags.is_empty() || object.doc["_"]["tagged"] == json!(true)) {
        shown["tags"] = json!(object.tags);
    }
    for (key, value) in object.doc.as_object().into_iter().flatten().filter(|(key, _)| *key != HIDDEN) {
        shown[key] = value.clone();
    }
    prune(&mut shown);
    shown
}

/// Changes a resource in place.
pub fn change<R>(tx: &mut Tx<'_>, id: &str, change: impl FnOnce(&mut Object) -> R) -> Option<R> {
    let mut object = find(tx, id)?.clone();
    let result = change(&mut object);
    tx.put(object);
    Some(result)
}

/// Removes a resource and the role assignments at it.
pub fn remove(tx: &mut Tx<'_>, id: &str) {
    let below: Vec<Object> = all(tx).filter(|object| within(&object.id, id)).cloned().collect();
    for object in below {
        let kind = kind_of(&object);
        tx.remove(&object.scope(), kind, &object.id);
    }
}

/// The kind of an object of ours.
pub fn kind_of(object: &Object) -> Kind {
    let known = super::KINDS.iter().find(|kind| object.is(**kind));
    *known.expect("every kind of the pretend Azure is in the list of kinds")
}

/// Puts a number on the document's version.
pub fn stamp(tx: &mut Tx<'_>, object: &mut Object) -> String {
    let etag = tx.uuid();
    object.doc[HIDDEN]["etag"] = json!(etag);
    etag
}

/// The version of a resource, without quotes.
pub fn etag(object: &Object) -> &str {
    object.doc[HIDDEN]["etag"].as_str().unwrap_or_default()
}

/// Judges `If-Match` and `If-None-Match`.
///
/// # Errors
/// 412, in ARM's words.
pub fn check_match(cx: &Cx<'_, '_>, stands: Option<&Object>) -> Result<(), ArmError> {
    let bare = |text: &str| text.trim().trim_start_matches("W/").trim_matches('"').to_owned();
    if cx.if_none_match.as_deref().map(bare).as_deref() == Some("*") && stands.is_some() {
        let message = format!("The resource '{}' already exists, and 'If-None-Match: *' was given.", cx.id());
        return Err(ArmError::new(412, "PreconditionFailed", message));
    }
    let Some(asked) = cx.if_match.as_deref().map(bare) else { return Ok(()) };
    match stands {
        None => {
            let message = format!("The resource '{}' does not exist, and 'If-Match' was given.", cx.id());
            Err(ArmError::new(412, "PreconditionFailed", message))
        }
        Some(object) if asked != "*" && asked != etag(object) => {
            let message = format!(
                "The request was rejected because the etag '{asked}' does not match the current etag '{}' of the resource.",
                etag(object)
            );
            Err(ArmError::new(412, "EtagMismatch", message))
        }
        Some(_) => Ok(()),
    }
}

/// What happens to an object after this span.
pub fn due(tx: &Tx<'_>, after: Duration, what: &str) -> Option<Due> {
    Some(Due { at: tx.now() + after, what: what.to_owned() })
}

/// Schedules what happens next.
pub fn schedule(tx: &mut Tx<'_>, id: &str, after: Duration, what: &str) {
    let due = due(tx, after, what);
    change(tx, id, |object| object.due = due);
}

/// Says that it was made by a service on somebody's behalf.
#[must_use]
pub fn by_controller(mut object: Object) -> Object {
    object.created_by = Origin::Controller;
    object
}

/// What a component costs.
pub fn component(region: &str, name: &str, unit: Unit, quantity: f64) -> Usage {
    let key = PriceKey::Component { cloud: Cloud::Azure, region: Region(region.to_owned()), name: name.to_owned() };
    Usage::fixed(key, unit, quantity)
}

/// 404, as ARM says it.
pub fn not_found(id: &str) -> ArmError {
    let group = path::group_of(id).map(|group| name_of(&group).to_owned()).unwrap_or_default();
    let short = id.split("/providers/").last().unwrap_or(id);
    let mut parts = short.split('/');
    let namespace = parts.next().unwrap_or_default();
    let rest: Vec<&str> = parts.collect();
    let types: Vec<&str> = rest.iter().step_by(2).copied().collect();
    let names: Vec<&str> = rest.iter().skip(1).step_by(2).copied().collect();
    let message = format!(
        "The Resource '{namespace}/{}/{}' under resource group '{group}' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix",
        types.join("/"),
        names.join("/")
    );
    ArmError::new(404, "ResourceNotFound", message)
}

/// The resource the path names.
///
/// # Errors
/// 404.
pub fn need(cx: &Cx<'_, '_>, kind: Kind) -> Result<Object, ArmError> {
    let id = cx.id();
    of_kind(cx.tx, kind, &id).cloned().ok_or_else(|| not_found(&id))
}
