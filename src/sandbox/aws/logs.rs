//! CloudWatch Logs: log groups. What is in them does not matter here.

use super::{ApiError, CallCx, Protocol, Reply, Service};
use crate::sandbox::world::{Kind, Object, Origin, Scope, Tx};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const GROUP: Kind = Kind::new("logs", "log-group");
const INVALID: &str = "InvalidParameterException";
const RETENTIONS: &[i64] =
    &[1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1_096, 1_827, 2_192, 2_557, 2_922, 3_288, 3_653];

/// The service.
pub struct Logs;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Create {
    log_group_name: String,
    kms_key_id: Option<String>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    log_group_class: Option<String>,
    #[serde(default)]
    deletion_protection_enabled: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Named {
    log_group_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Retain {
    log_group_name: String,
    retention_in_days: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Describe {
    log_group_name_prefix: Option<String>,
    log_group_name_pattern: Option<String>,
    next_token: Option<String>,
    limit: Option<usize>,
    log_group_class: Option<String>,
    log_group_identifiers: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Tag {
    resource_arn: String,
    tags: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Untag {
    resource_arn: String,
    tag_keys: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Resource {
    resource_arn: String,
}

fn arn(object: &Object) -> String {
    format!("arn:aws:logs:{}:{}:log-group:{}", object.region, object.account, object.id)
}

fn missing() -> ApiError {
    ApiError::bad("ResourceNotFoundException", "The specified log group does not exist.")
}

fn by_name(cx: &CallCx<'_, '_>, name: &str) -> Result<Object, ApiError> {
    cx.tx.get(&cx.scope, GROUP, name).cloned().ok_or_else(missing)
}

fn by_arn(cx: &CallCx<'_, '_>, arn: &str) -> Result<Object, ApiError> {
    let prefix = format!("arn:aws:logs:{}:{}:log-group:", cx.scope.region, cx.scope.account);
    let name =
        arn.strip_prefix(&prefix).ok_or_else(|| ApiError::bad(INVALID, "The ARN of the resource is invalid."))?;
    by_name(cx, name.trim_end_matches(":*"))
        .map_err(|_| ApiError::bad("ResourceNotFoundException", "The specified resource does not exist."))
}

/// Tags of the log group with this ARN.
pub fn tags_of(tx: &Tx<'_>, scope: &Scope, arn: &str) -> BTreeMap<String, String> {
    let name = arn.split(":log-group:").nth(1).unwrap_or_default().trim_end_matches(":*");
    tx.get(scope, GROUP, name).map(|object| object.tags.clone()).unwrap_or_default()
}

fn check_name(name: &str) -> Result<(), ApiError> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b".-_/#".contains(&b);
    if (1..=512).contains(&name.len()) && name.bytes().all(allowed) {
        return Ok(());
    }
    let why = format!(
        "1 validation error detected: Value '{name}' at 'logGroupName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\.\\-_/#A-Za-z0-9]+"
    );
    Err(ApiError::bad(INVALID, why))
}

fn check_tags(object: &Object) -> Result<(), ApiError> {
    if object.tags.len() > 50 {
        return Err(ApiError::bad("TooManyTagsException", "A resource may have at most 50 tags"));
    }
    if object.tags.keys().any(|key| key.starts_with("aws:")) {
        return Err(ApiError::bad(INVALID, "Tag keys must not begin with aws:"));
    }
    Ok(())
}

fn create(cx: &mut CallCx<'_, '_>) -> Result<Value, ApiError> {
    let input: Create = cx.json(INVALID)?;
    check_name(&input.log_group_name)?;
    if cx.tx.get(&cx.scope, GROUP, &input.log_group_name).is_some() {
        return Err(ApiError::bad("ResourceAlreadyExistsException", "The specified log group already exists"));
    }
    let class = input.log_group_class.unwrap_or_else(|| "STANDARD".to_owned());
    if !matches!(class.as_str(), "STANDARD" | "INFREQUENT_ACCESS" | "DELIVERY") {
        return Err(ApiError::bad(INVALID, format!("{class} is no log group class")));
    }
    let mut object = Object::new(&cx.scope, GROUP, &input.log_group_name, cx.tx.now());
    object.name = Some(input.log_group_name);
    object.state = "available".to_owned();
    object.tags = input.tags;
    object.visible_at = Some(cx.tx.read_lag());
    object.set("class", class);
    object.set("protected", input.deletion_protection_enabled);
    if let Some(key) = input.kms_key_id {
        object.set("kmsKeyId", key);
    }
    check_tags(&object)?;
    cx.tx.put(object);
    Ok(json!({}))
}

fn view(object: &Object) -> Value {
    let mut view = json!({
        "logGroupName": object.id,
        "creationTime": object.created_at.as_millisecond(),
        "metricFilterCount": 0,
        "arn": format!("{}:*", arn(object)),
        "storedBytes": 0,
        "logGroupClass": object.text("class"),
        "logGroupArn": arn(object),
        "deletionProtectionEnabled": object.doc["protected"],
    });
    for (field, stored) in [("retentionInDays", "retention"), ("kmsKeyId", "kmsKeyId")] {
        if let Some(value) = object.doc.get(stored).filter(|value| !value.is_null()) {
            view[field] = value.clone();
        }
    }
    view
}

fn describe(cx: &CallCx<'_, '_>) -> Result<Value, ApiError> {
    let input: Describe = cx.json(INVALID)?;
    if input.log_group_name_prefix.is_some() && input.log_group_name_pattern.is_some() {
        return Err(ApiError::bad(
            INVALID,
            "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.",
        ));
    }
    let limit = input.limit.unwrap_or(50);
    if !(1..=50).contains(&limit) {
        return Err(ApiError::bad(
            INVALID,
            "1 validation error detected: Value at 'limit' failed to satisfy constraint: Member must have value less than or equal to 50",
        ));
    }
    let wanted = |object: &&Object| {
        input.log_group_name_prefix.as_deref().is_none_or(|prefix| object.id.starts_with(prefix))
            && input
                .log_group_name_pattern
                .as_deref()
                .is_none_or(|part| object.id.to_lowercase().contains(&part.to_lowercase()))
            && input.log_group_class.as_deref().is_none_or(|class| object.text("class") == class)
            && input
                .log_group_identifiers
                .as_ref()
                .is_none_or(|ids| ids.iter().any(|id| *id == object.id || *id == arn(object)))
    };
    let mut found: Vec<&Object> = cx.tx.search(&cx.scope, GROUP).filter(wanted).collect();
    let after = input.next_token.unwrap_or_default();
    found.retain(|object| object.id > after);
    let more = found.len() > limit;
    found.truncate(limit);
    let mut reply = json!({ "logGroups": found.iter().map(|object| view(object)).collect::<Vec<_>>() });
    if let Some(last) = found.last().filter(|_| more) {
        reply["nextToken"] = json!(last.id);
    }
    Ok(reply)
}

fn delete(cx: &mut CallCx<'_, '_>) -> Result<Value, ApiError> {
    let input: Named = cx.json(INVALID)?;
    let object = by_name(cx, &input.log_group_name)?;
    if object.doc["protected"] == json!(true) {
        return Err(ApiError::bad("ValidationException", "Cannot delete a log group with deletion protection enabled"));
    }
    cx.tx.remove(&cx.scope, GROUP, &object.id);
    Ok(json!({}))
}

fn retain(cx: &mut CallCx<'_, '_>) -> Result<Value, ApiError> {
    let input: Retain = cx.json(INVALID)?;
    let mut object = by_name(cx, &input.log_group_name)?;
    if !RETENTIONS.contains(&input.retention_in_days) {
        let why = format!(
            "1 validation error detected: Value '{}' at 'retentionInDays' failed to satisfy constraint: Member must satisfy enum value set: {RETENTIONS:?}",
            input.retention_in_days
        );
        return Err(ApiError::bad(INVALID, why));
    }
    object.set("retention", input.retention_in_days);
    cx.tx.put(object);
    Ok(json!({}))
}

fn unretain(cx: &mut CallCx<'_, '_>) -> Result<Value, ApiError> {
    let input: Named = cx.json(INVALID)?;
    let mut object = by_name(cx, &input.log_group_name)?;
    object.set("retention", Value::Null);
    cx.tx.put(object);
    Ok(json!({}))
}

fn tag(cx: &mut CallCx<'_, '_>) -> Result<Value, ApiError> {
    let input: Tag = cx.json(INVALID)?;
    let mut object = by_arn(cx, &input.resource_arn)?;
    object.tags.extend(input.tags);
    check_tags(&object)?;
    cx.tx.put(object);
    Ok(json!({}))
}

fn untag(cx: &mut CallCx<'_, '_>) -> Result<Value, ApiError> {
    let input: Untag = cx.json(INVALID)?;
    let mut object = by_arn(cx, &input.resource_arn)?;
    for key in input.tag_keys {
        object.tags.remove(&key);
    }
    cx.tx.put(object);
    Ok(json!({}))
}

/// The log group EKS writes to: made when logging is on and it is not there yet.
pub fn ensure_log_group(tx: &mut Tx<'_>, scope: &Scope, name: &str) {
    if tx.get(scope, GROUP, name).is_none() {
        let mut object = Object::new(scope, GROUP, name, tx.now());
        object.name = Some(name.to_owned());
        object.state = "available".to_owned();
        object.created_by = Origin::Controller;
        object.set("class", "STANDARD");
        object.set("protected", false);
        tx.put(object);
    }
}

impl Service for Logs {
    fn name(&self) -> &'static str {
        "logs"
    }

    fn protocol(&self, _: Option<&str>) -> Protocol {
        Protocol::Json("Logs_20140328")
    }

    fn call(&self, cx: &mut CallCx<'_, '_>) -> Result<Reply, ApiError> {
        let value = match cx.op {
            "CreateLogGroup" => create(cx),
            "DescribeLogGroups" => describe(cx),
            "DeleteLogGroup" => delete(cx),
            "PutRetentionPolicy" => retain(cx),
            "DeleteRetentionPolicy" => unretain(cx),
            "TagResource" => tag(cx),
            "UntagResource" => untag(cx),
            "ListTagsForResource" => {
                let input: Resource = cx.json(INVALID)?;
                by_arn(cx, &input.resource_arn).map(|object| json!({ "tags": object.tags }))
            }
            _ => Err(cx.unknown_operation()),
        };
        value.map(Reply::Json)
    }

    fn broken(&self) -> ApiError {
        ApiError::new(500, "ServiceUnavailableException", "The service cannot complete the request.")
    }
}
