//! Tags on clusters, node groups, add-ons, access entries and pod identity associations, by ARN.

use super::{
    cluster::body,
    requests::TAG_RESOURCE,
    store::{self, ACCESS_ENTRY, ADDON, CLUSTER, NODEGROUP, POD_IDENTITY},
};
use crate::sandbox::{
    aws::{ApiError, CallCx},
    world::{Kind, Object, Scope, Tx},
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn bad(message: impl Into<String>) -> ApiError {
    ApiError::bad("BadRequestException", message)
}

/// The kind that ARNs call by this word, and where its objects keep their ARN.
fn kind_of(word: &str) -> Option<(Kind, &'static str)> {
    Some(match word {
        "cluster" => (CLUSTER, "/api/arn"),
        "nodegroup" => (NODEGROUP, "/api/nodegroupArn"),
        "addon" => (ADDON, "/api/addonArn"),
        "access-entry" => (ACCESS_ENTRY, "/api/accessEntryArn"),
        "podidentityassociation" => (POD_IDENTITY, "/associationArn"),
        _ => return None,
    })
}

fn arn_of<'o>(object: &'o Object, member: &str) -> Option<&'o str> {
    object.doc.pointer(member).and_then(Value::as_str)
}

/// Kind and object of an ARN: none for what is no ARN of this account and region's, then none for what is not there.
fn standing<'t>(tx: &'t Tx<'_>, scope: &Scope, arn: &str) -> Option<(Kind, Option<&'t Object>)> {
    let rest = arn.strip_prefix(&format!("arn:aws:eks:{}:{}:", scope.region, scope.account))?;
    let (kind, member) = kind_of(rest.split('/').next().unwrap_or_default())?;
    let named = |object: &&Object| arn_of(object, member) == Some(arn);
    Some((kind, tx.list_live(scope, kind).find(named)))
}

/// Tags of what has this ARN.
pub(in crate::sandbox) fn tags_of_arn(tx: &Tx<'_>, scope: &Scope, arn: &str) -> BTreeMap<String, String> {
    standing(tx, scope, arn).and_then(|(_, object)| object).map(|object| object.tags.clone()).unwrap_or_default()
}

/// ARN and tags of something in a cluster, by the word of its ARN and its name.
pub(in crate::sandbox) fn inside(
    tx: &Tx<'_>,
    scope: &Scope,
    word: &str,
    cluster: &str,
    name: &str,
) -> Option<(String, BTreeMap<String, String>)> {
    let (kind, member) = kind_of(word)?;
    let object = tx.live(scope, kind, &store::within(cluster, name))?;
    Some((arn_of(object, member)?.to_owned(), object.tags.clone()))
}

/// The object with the ARN of the path.
fn find(cx: &CallCx<'_, '_>) -> Result<(Kind, Object), ApiError> {
    let arn = cx.path("resourceArn");
    match standing(cx.tx, &cx.scope, arn) {
        Some((kind, Some(object))) => Ok((kind, object.clone())),
        Some((_, None)) => Err(ApiError::new(404, "NotFoundException", format!("Resource not found for ARN: {arn}"))),
        None => Err(bad(format!("Invalid ARN: {arn}"))),
    }
}

/// ListTagsForResource.
pub(super) fn list(cx: &CallCx<'_, '_>) -> Result<Value, ApiError> {
    let (_, object) = find(cx)?;
    Ok(json!({"tags": object.tags}))
}

/// TagResource.
pub(super) fn tag(cx: &mut CallCx<'_, '_>) -> Result<Value, ApiError> {
    let request = body(cx, TAG_RESOURCE).map_err(|error| bad(error.message))?;
    let tags = store::tags(request.get("tags")).map_err(bad)?;
    let (kind, mut object) = find(cx)?;
    object.tags.extend(tags);
    if object.tags.len() > 50 {
        return Err(bad("a resource has at most 50 tags"));
    }
    cx.tx.update(&cx.scope, kind, &object.id, |stored| stored.tags = object.tags);
    Ok(json!({}))
}

/// UntagResource.
pub(super) fn untag(cx: &mut CallCx<'_, '_>) -> Result<Value, ApiError> {
    let keys = cx.params.list("tagKeys");
    if keys.is_empty() || keys.len() > 50 {
        return Err(bad("tagKeys must name 1 to 50 keys"));
    }
    let (kind, object) = find(cx)?;
    cx.tx.update(&cx.scope, kind, &object.id, |stored| stored.tags.retain(|key, _| !keys.contains(key)));
    Ok(json!({}))
}
