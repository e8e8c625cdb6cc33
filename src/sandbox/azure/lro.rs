//! Long-running operations: the URLs that answers carry, and what they say while the work goes on.
//!
//! `Azure-AsyncOperation` and `Location` hold a signed query string, as ARM's do: whoever shortens or rebuilds it is
//! refused.

use super::{
    locations,
    path::Target,
    store::{self, find},
    wire::{Answer, ArmError, Cx, Outcome},
};
use crate::{
    model::Cloud,
    sandbox::world::{Kind, Object, Scope, Tx},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::time::Duration;

/// An operation: no resource, so no part of what is shown of the world.
pub const OPERATION: Kind = Kind::new("sandbox", "azure-operation");

/// How long a finished one is told of.
const KEPT: Duration = Duration::from_secs(24 * 3600);

/// The version in the URLs of a namespace's operations.
fn version(namespace: &str, asked: &str) -> String {
    if namespace == "Microsoft.ContainerService" { "2016-03-30".to_owned() } else { asked.to_owned() }
}

fn scope(account: &str) -> Scope {
    Scope::global(account)
}

/// Begins one; returns its id.
pub fn begin(cx: &mut Cx<'_, '_>, namespace: &str, location: &str, subject: &str, name: &str) -> String {
    let account = cx.target.subscription.clone().unwrap_or_default();
    let (verb, version) = (cx.verb.to_owned(), version(namespace, cx.version()));
    let id = cx.tx.uuid();
    let mut object = Object::new(&scope(&account), OPERATION, &id, cx.tx.now());
    object.cloud = Cloud::Azure;
    "InProgress".clone_into(&mut object.state);
    object.doc = json!({
        "namespace": namespace, "location": location, "subject": subject, "verb": verb, "name": name,
        "version": version, "start": cx.tx.now().to_string(),
    });
    cx.tx.put(object);
    id
}

/// The seal of an operation's URL.
fn seal(id: &str) -> String {
    let digest = Sha256::digest(format!("kubewright sandbox operation {id}"));
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn url(cx: &Cx<'_, '_>, op: &Object, what: &str) -> String {
    let (namespace, location) = (op.text("namespace"), op.text("location"));
    let place = match namespace {
        "Microsoft.Resources" => format!("{}/{what}/{}", cx.target.subscription_id(), op.id),
        _ => format!("{}/providers/{namespace}/locations/{location}/{what}/{}", cx.target.subscription_id(), op.id),
    };
    format!(
        "{}{place}?api-version={}&t={}&h={}",
        cx.base,
        op.text("version"),
        op.created_at.as_millisecond(),
        seal(&op.id)
    )
}

/// The headers that lead to an operation. Resource groups have but a `Location`.
pub fn headers(cx: &Cx<'_, '_>, id: &str) -> Vec<(&'static str, String)> {
    let account = cx.target.subscription.clone().unwrap_or_default();
    let Some(op) = cx.tx.get(&scope(&account), OPERATION, id) else { return Vec::new() };
    let results = match op.text("namespace") {
        "Microsoft.Resources" => "operationresults",
        _ => "operationResults",
    };
    let mut headers = vec![("location", url(cx, op, results)), ("retry-after", patience(op).to_owned())];
    if op.text("namespace") != "Microsoft.Resources" {
        headers.push(("azure-asyncoperation", url(cx, op, "operations")));
    }
    headers
}

fn patience(op: &Object) -> &'static str {
    match op.text("namespace") {
        "Microsoft.Network" | "Microsoft.Compute" => "2",
        "Microsoft.Resources" => "10",
        _ => "5",
    }
}

/// Ends one.
pub fn finish(tx: &mut Tx<'_>, id: &str, result: Result<(), ArmError>) {
    end(tx, id, if result.is_ok() { "Succeeded" } else { "Failed" }, result.err());
}

/// Ends one that somebody called off.
pub fn cancel(tx: &mut Tx<'_>, id: &str) {
    let why = ArmError::conflict("OperationPreempted", "The operation was aborted by another one.");
    end(tx, id, "Canceled", Some(why));
}

fn end(tx: &mut Tx<'_>, id: &str, state: &str, error: Option<ArmError>) {
    let Some(found) = tx.all().find(|object| object.is(OPERATION) && object.id == id).cloned() else { return };
    let now = tx.now();
    tx.update(&found.scope(), OPERATION, id, |op| {
        state.clone_into(&mut op.state);
        op.set("end", now.to_string());
        op.gone_at = Some(now + KEPT);
        if let Some(error) = error {
            op.set("error", error.object());
            op.set("http", error.http);
        }
    });
}

/// The name of an operation that goes on with this resource.
pub fn running<'a>(tx: &'a Tx<'_>, subject: &str) -> Option<&'a Object> {
    let mut all = tx.all().filter(|object| object.is(OPERATION) && object.state == "InProgress");
    all.find(|op| op.text("subject").eq_ignore_ascii_case(subject))
}

fn known(cx: &Cx<'_, '_>) -> Result<Object, ArmError> {
    let target: &Target = cx.target;
    let account = target.subscription.clone().unwrap_or_default();
    let lost = || {
        let message = format!("The operation '{}' could not be found.", target.name());
        ArmError::new(404, "OperationNotFound", message)
    };
    let op = cx.tx.get(&scope(&account), OPERATION, target.name()).ok_or_else(lost)?;
    let namespace = target.namespace.as_deref().unwrap_or("Microsoft.Resources");
    if op.text("namespace") != namespace || cx.asked("h") != Some(seal(&op.id).as_str()) {
        return Err(lost());
    }
    if target.location().is_some_and(|location| locations::normal(location) != op.text("location")) {
        return Err(lost());
    }
    Ok(op.clone())
}

/// `…/operations/{id}`.
///
/// # Errors
/// There is none.
pub fn status(cx: &mut Cx<'_, '_>) -> Outcome {
    let op = known(cx)?;
    let mut body = json!({"status": op.state});
    if op.text("namespace") != "Microsoft.Network" {
        let id = cx.target.id();
        body = json!({"id": id, "name": op.id, "status": op.state, "startTime": op.text("start")});
    }
    if let Some(end) = op.doc.get("end").filter(|_| op.text("namespace") != "Microsoft.Network") {
        body["endTime"] = end.clone();
    }
    if let Some(error) = op.doc.get("error") {
        body["error"] = error.clone();
    }
    let answer = Answer::ok(body);
    Ok(if op.state == "InProgress" { answer.and(vec![("retry-after", patience(&op).to_owned())]) } else { answer })
}

/// `…/operationResults/{id}`: 202 while it goes on, then what came of it.
///
/// # Errors
/// There is none, or it failed.
pub fn result(cx: &mut Cx<'_, '_>) -> Outcome {
    let op = known(cx)?;
    match op.state.as_str() {
        "InProgress" => Ok(Answer::empty(202).and(headers(cx, &op.id))),
        "Succeeded" => {
            let subject = find(cx.tx, op.text("subject"));
            Ok(match (op.text("verb"), subject) {
                ("DELETE", _) if op.text("namespace") == "Microsoft.Resources" => Answer::empty(200),
                ("DELETE", _) | (_, None) => Answer::empty(204),
                (_, Some(subject)) => Answer::ok(super::shown(cx.tx, subject)),
            })
        }
        _ => {
            let http = op.doc["http"].as_u64().and_then(|http| u16::try_from(http).ok()).unwrap_or(409);
            let error = &op.doc["error"];
            let text = |key: &str| error[key].as_str().unwrap_or_default().to_owned();
            Err(ArmError { code: text("code"), ..ArmError::new(http.max(400), "", text("message")) })
        }
    }
}

/// Notes on a resource which operation works on it; its handler ends that.
pub fn attach(object: &mut Object, id: &str) {
    object.doc[store::HIDDEN]["op"] = json!(id);
}

/// The operation that works on a resource.
pub fn attached(object: &Object) -> Option<String> {
    object.doc[store::HIDDEN]["op"].as_str().map(str::to_owned)
}

/// As [`finish`], for the operation that works on a resource.
pub fn finish_of(tx: &mut Tx<'_>, object: &Object, result: Result<(), ArmError>) {
    if let Some(op) = attached(object) {
        finish(tx, &op, result);
    }
}

/// What a resource looks like to whoever asked for it to be made: 201 the first time, 200 after.
pub fn answer(cx: &Cx<'_, '_>, object: &Object, new: bool, op: Option<&str>) -> Answer {
    let body: Value = super::shown(cx.tx, object);
    let answer = Answer::with(if new { 201 } else { 200 }, body);
    match op {
        Some(op) => answer.and(headers(cx, op)),
        None => answer,
    }
}
