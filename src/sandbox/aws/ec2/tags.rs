//! Tags: at creation (`TagSpecification`), afterwards (`CreateTags`, `DeleteTags`) and listed across types.

use super::{
    Ec2, fail,
    filter::{self, Filter, Page},
    kinds,
    wire::Request,
};
use crate::sandbox::aws::ApiError;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Tags wanted on what a call makes, by resource type.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct TagSpecification {
    resource_type: Option<String>,
    #[serde(default)]
    tag: Vec<Tag>,
}

/// One tag of a request.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct Tag {
    key: Option<String>,
    value: Option<String>,
}

/// The tags for the one type a call makes.
pub(crate) fn for_type(specs: Vec<TagSpecification>, wanted: &str) -> Result<BTreeMap<String, String>, ApiError> {
    Ok(by_type(specs, &[wanted])?.remove(wanted).unwrap_or_default())
}

/// The tags for each of the types a call can make.
pub(crate) fn by_type(
    specs: Vec<TagSpecification>,
    allowed: &[&str],
) -> Result<BTreeMap<String, BTreeMap<String, String>>, ApiError> {
    let mut all = BTreeMap::new();
    for spec in specs {
        let Some(kind) = spec.resource_type.filter(|kind| !kind.is_empty()) else {
            return Err(fail("InvalidParameterValue", "Tag specification resource type must have a value"));
        };
        if !allowed.contains(&kind.as_str()) {
            let message = format!("'{kind}' is not a valid taggable resource type for this operation.");
            return Err(fail("InvalidParameterValue", message));
        }
        if spec.tag.is_empty() {
            return Err(fail("InvalidParameterValue", "Tag specification must have at least one tag"));
        }
        if all.insert(kind, checked(spec.tag)?).is_some() {
            let message = "The same resource type may not be specified more than once in tag specifications";
            return Err(fail("InvalidParameterValue", message));
        }
    }
    Ok(all)
}

fn checked(tags: Vec<Tag>) -> Result<BTreeMap<String, String>, ApiError> {
    let mut all = BTreeMap::new();
    for Tag { key, value } in tags {
        let key = key.unwrap_or_default();
        let value = value.unwrap_or_default();
        let refuse = |why: String| Err(fail("InvalidParameterValue", why));
        if key.is_empty() {
            return refuse("Tag key cannot be null or empty".to_owned());
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            return refuse("Tag keys starting with 'aws:' are reserved for internal use".to_owned());
        }
        if key.chars().count() > 128 {
            return refuse("Tag key exceeds the maximum length of 128 characters".to_owned());
        }
        if value.chars().count() > 256 {
            return refuse("Tag value exceeds the maximum length of 256 characters".to_owned());
        }
        if key.chars().chain(value.chars()).any(char::is_control) {
            return refuse("Tag keys and values must not contain control characters".to_owned());
        }
        if all.insert(key.clone(), value).is_some() {
            return refuse(format!("Duplicate tag key '{key}' specified."));
        }
    }
    if all.len() > 50 {
        return Err(fail("TagLimitExceeded", "More than 50 tags specified"));
    }
    Ok(all)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct TagsRequest {
    resource_id: Vec<String>,
    tag: Option<Vec<Tag>>,
}

/// Refuses the whole call when one of the resources is unknown; returns their kinds.
fn kinds_of(cx: &Ec2<'_, '_>, ids: &[String]) -> Result<Vec<kinds::Row>, ApiError> {
    if ids.is_empty() {
        return Err(fail("MissingParameter", "The request must contain the parameter resourceIdSet"));
    }
    ids.iter().map(|id| kinds::lookup(cx, id)).collect()
}

pub(super) fn create(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let TagsRequest { resource_id, tag } = request.read()?;
    let kinds = kinds_of(cx, &resource_id)?;
    let tags = checked(tag.unwrap_or_default())?;
    if tags.is_empty() {
        return Err(fail("MissingParameter", "The request must contain the parameter tagSet"));
    }
    for (id, row) in resource_id.iter().zip(kinds) {
        let count = cx.tx.update(&cx.scope, row.kind, id, |object| {
            object.tags.extend(tags.clone());
            object.tags.keys().filter(|key| !key.starts_with("aws:")).count()
        });
        if count.is_some_and(|count| count > 50) {
            return Err(fail("TagLimitExceeded", format!("The maximum number of tags for resource {id} is 50")));
        }
    }
    Ok(json!({"return": true}))
}

pub(super) fn delete(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let TagsRequest { resource_id, tag } = request.read()?;
    let kinds = kinds_of(cx, &resource_id)?;
    if let Some(Tag { key: Some(key), .. }) =
        tag.iter().flatten().find(|tag| tag.key.as_deref().is_some_and(|key| key.starts_with("aws:")))
    {
        return Err(fail(
            "InvalidParameterValue",
            format!("Tag keys starting with 'aws:' are reserved for internal use: {key}"),
        ));
    }
    for (id, row) in resource_id.iter().zip(kinds) {
        cx.tx.update(&cx.scope, row.kind, id, |object| match &tag {
            // Without tags every tag of the client's goes; a tag without a value goes whatever its value is.
            None => object.tags.retain(|key, _| key.starts_with("aws:")),
            Some(tags) => object.tags.retain(|key, held| {
                !tags
                    .iter()
                    .any(|tag| tag.key.as_deref() == Some(key) && tag.value.as_ref().is_none_or(|value| value == held))
            }),
        });
    }
    Ok(json!({"return": true}))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct DescribeTags {
    #[serde(default)]
    filter: Vec<Filter>,
    next_token: Option<String>,
    max_results: Option<usize>,
}

pub(super) fn describe(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let DescribeTags { filter, next_token, max_results } = request.read()?;
    let mut rows = Vec::new();
    for row in kinds::ALL {
        for object in cx.tx.search(&cx.scope, row.kind) {
            for (key, value) in &object.tags {
                rows.push(json!({
                    "resourceId": object.id, "resourceType": row.resource_type, "key": key, "value": value,
                    // Read by the `tag:<key>` filter only.
                    "tagSet": [{"key": key, "value": value}],
                }));
            }
        }
    }
    let known = &[("key", "key"), ("resource-id", "resourceId"), ("resource-type", "resourceType"), ("value", "value")];
    let mut rows = filter::keep(rows, &filter, known)?;
    for row in rows.iter_mut().filter_map(Value::as_object_mut) {
        row.remove("tagSet");
    }
    filter::page("tagSet", rows, &Page { token: next_token, size: max_results }, 1000)
}
