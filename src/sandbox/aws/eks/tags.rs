//! Tags on clusters, node groups, add-ons, access entries and pod identity associations, by ARN.

use super::{
    cluster::body,
    requests::TAG_RESOURCE,
    store::{self, ACCESS_ENTRY, ADDON, CLUSTER, NODEGROUP, POD_IDENTITY},
};
use crate::sandbox::{
    aws::{ApiError, CallCx},
    world::{Kind, Object},
};
use serde_json::{Value, json};

fn bad(message: impl Into<String>) -> ApiError {
    ApiError::bad("BadRequestException", message)
}

/// The object with the ARN of the path.
fn find(cx: &CallCx<'_, '_>) -> Result<(Kind, Object), ApiError> {
    let arn = cx.path("resourceArn");
    let prefix = format!("arn:aws:eks:{}:{}:", cx.scope.region, cx.scope.account);
    let Some(rest) = arn.strip_prefix(&prefix) else {
        return Err(bad(format!("Invalid ARN: {arn}")));
    };
    let (kind, member) = match rest.split('/').next().unwrap_or_default() {
        "cluster" => (CLUSTER, "/api/arn"),
        "nodegroup" => (NODEGROUP, "/api/nodegroupArn"),
        "addon" => (ADDON, "/api/addonArn"),
        "access-entry" => (ACCESS_ENTRY, "/api/accessEntryArn"),
        "podidentityassociation" => (POD_IDENTITY, "/associationArn"),
        _ => return Err(bad(format!("Invalid ARN: {arn}"))),
    };
    let named = |object: &&Object| object.doc.pointer(member).and_then(Value::as_str) == Some(arn);
    match cx.tx.list_live(&cx.scope, kind).find(named) {
        Some(object) => Ok((kind, object.clone())),
        None => Err(ApiError::new(404, "NotFoundException", format!("Resource not found for ARN: {arn}"))),
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
