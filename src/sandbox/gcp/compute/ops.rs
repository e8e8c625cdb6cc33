//! Operations: every change is one, takes its usual time, and may end in an error.

use super::super::{Answer, Cx, builtin, filter::Filter, page, wire::Refused};
use super::{
    ends,
    store::{LINK, Named, Place, number, stamp, users},
};
use crate::sandbox::world::{Due, Kind, Object, Scope, Tx};
use serde_json::{Value, json};
use std::time::Duration;

const OPERATION: Kind = Kind::new("compute", "operation");
/// How long operations are remembered.
const REMEMBERED: Duration = Duration::from_secs(14 * 24 * 3600);

/// An operation that begins.
pub(super) struct Begin<'a> {
    /// `insert`, `delete`, `patch`.
    pub(super) action: &'static str,
    /// On what.
    pub(super) on: &'a Named,
    /// Its number.
    pub(super) target_id: &'a str,
    /// For how long.
    pub(super) span: Duration,
    /// The error it ends in, if it does: code, message, details.
    pub(super) fails: Option<Value>,
}

fn scope(place: &Place, project: &str) -> Scope {
    place.scope(project)
}

/// Begins an operation and answers it.
pub(super) fn begin(cx: &mut Cx<'_, '_>, begin: &Begin<'_>) -> Value {
    let place = &begin.on.place;
    let project = &begin.on.project;
    let tail = (cx.tx.hex(13), cx.tx.hex(8), cx.tx.hex(8));
    let name = format!("operation-{}-{}-{}-{}", cx.tx.now().as_millisecond(), tail.0, tail.1, tail.2);
    let mut object = builtin(cx.tx, &scope(place, project), OPERATION, &place.id(&name));
    object.name = Some(name.clone());
    "RUNNING".clone_into(&mut object.state);
    object.due = Some(Due { at: cx.tx.now() + begin.span, what: "done".to_owned() });
    object.gone_at = Some(cx.tx.now() + begin.span + REMEMBERED);
    object.token = match cx.query("requestId") {
        "" => None,
        id => Some(format!("{id}/{}", fingerprint(cx))),
    };
    let id = number(cx.tx);
    let start = stamp(cx.tx.now());
    let mut op = json!({
        "kind": "compute#operation", "id": id, "name": name, "operationType": begin.action,
        "targetLink": begin.on.link(), "targetId": begin.target_id, "user": cx.caller.email, "insertTime": start,
        "startTime": start, "selfLink": format!("{LINK}projects/{project}/{}/operations/{name}", place.path()),
    });
    match place {
        Place::Global => {}
        Place::Region(region) => op["region"] = json!(format!("{LINK}projects/{project}/regions/{region}")),
        Place::Zone(zone) => op["zone"] = json!(format!("{LINK}projects/{project}/zones/{zone}")),
    }
    object.doc = json!({"op": op, "target": begin.on.path(), "fails": begin.fails});
    cx.tx.put(object.clone());
    view(&object, cx.tx)
}

/// What a request was, so that the same id with another request is told apart.
fn fingerprint(cx: &Cx<'_, '_>) -> String {
    super::store::fingerprint(&format!("{}{:?}{}", cx.method.id, cx.path, cx.body))
}

/// The operation that this request id began, if it did.
///
/// # Errors
/// The id is none, or began something else.
pub(super) fn replay(cx: &Cx<'_, '_>) -> Result<Option<Value>, Refused> {
    let id = cx.query("requestId");
    if id.is_empty() {
        return Ok(None);
    }
    let good = uuid::Uuid::parse_str(id).is_ok_and(|uuid| !uuid.is_nil()) && id.len() == 36;
    if !good {
        return Err(Refused::field("requestId", id, "Must be a valid UUID that is not the zero UUID."));
    }
    let tokens =
        |object: &Object| object.is(OPERATION) && object.token.as_deref().is_some_and(|token| token.starts_with(id));
    let Some(before) = cx.tx.all().find(|object| object.account == cx.project.id && tokens(object)) else {
        return Ok(None);
    };
    if before.token.as_deref() == Some(&format!("{id}/{}", fingerprint(cx))) {
        return Ok(Some(view(before, cx.tx)));
    }
    Err(Refused::field("requestId", id, "The request id was already used with a different request."))
}

/// Whether something is under way on this.
pub(super) fn busy(tx: &Tx<'_>, on: &Named) -> bool {
    let path = on.path();
    tx.all().any(|object| object.is(OPERATION) && object.due.is_some() && object.text("target") == path)
}

fn view(object: &Object, tx: &Tx<'_>) -> Value {
    let mut op = object.doc["op"].clone();
    let done = object.due.as_ref().is_none_or(|due| due.at <= tx.now());
    op["status"] = json!(if done { "DONE" } else { object.state.as_str() });
    op["progress"] = json!(if done { 100 } else { 0 });
    if done && let Some(error) = object.doc.get("error").filter(|error| !error.is_null()) {
        op["error"] = json!({"errors": [error["error"]]});
        op["httpErrorStatusCode"] = error["http"].clone();
        op["httpErrorMessage"] = error["status"].clone();
    }
    op
}

/// An operation ends.
pub(super) fn happen(tx: &mut Tx<'_>, object: &Object) {
    let target = Named::read(object.text("target"), &object.account);
    let action = object.doc["op"]["operationType"].as_str().unwrap_or_default().to_owned();
    let planned = object.doc.get("fails").filter(|fails| !fails.is_null()).cloned();
    let doomed = object.doomed.then(|| {
        failure(
            503,
            "SERVICE UNAVAILABLE",
            "INTERNAL_ERROR",
            "Internal error. Please try again or contact Google Support.",
            None,
        )
    });
    let mut error = planned.or(doomed);
    if let Some(target) = &target {
        // Somebody may have begun to use it meanwhile.
        if action == "delete"
            && error.is_none()
            && let Some(user) = users(tx, target, 1).first()
        {
            let message = Refused::in_use(&format!("{}|{}", target.sort.singular, target.path()), &user.path()).message;
            error = Some(failure(400, "BAD REQUEST", "RESOURCE_IN_USE_BY_ANOTHER_RESOURCE", &message, None));
        }
        ends(tx, target, &action, error.is_some());
    }
    let end = stamp(tx.now());
    tx.update(&object.scope(), OPERATION, &object.id, |operation| {
        operation.due = None;
        "DONE".clone_into(&mut operation.state);
        operation.doc["op"]["endTime"] = json!(end);
        if let Some(error) = error {
            operation.set("error", error);
        }
    });
}

/// How an operation ends in an error.
pub(in crate::sandbox) fn failure(http: u16, status: &str, code: &str, message: &str, details: Option<Value>) -> Value {
    let mut error = json!({"code": code, "message": message});
    if let Some(details) = details {
        error["errorDetails"] = details;
    }
    json!({"http": http, "status": status, "error": error})
}

/// Answers a call about operations.
pub(super) fn answer(cx: &mut Cx<'_, '_>, place: Place) -> Answer {
    match cx.verb() {
        "get" | "wait" => {
            let name = cx.path.get("operation").cloned().unwrap_or_default();
            let found = cx.tx.get(&scope(&place, cx.project.id), OPERATION, &place.id(&name));
            let object = found.ok_or_else(|| {
                let path = format!("projects/{}/{}/operations/{name}", cx.project.id, place.path());
                Refused::not_found(format!("The resource '{path}' was not found"))
            })?;
            // A wait may end early or unfinished; this one always does.
            Ok(view(object, cx.tx))
        }
        _ => {
            let filter = Filter::read(cx.query("filter"))?;
            let all = cx.tx.list(&scope(&place, cx.project.id), OPERATION);
            let here = all.filter(|object| Place::of(object) == place);
            let views: Vec<Value> = here.map(|object| view(object, cx.tx)).filter(|view| filter.takes(view)).collect();
            let (items, next) = page(&views, cx.query("maxResults"), cx.query("pageToken"), 500)?;
            let path = format!("projects/{}/{}/operations", cx.project.id, place.path());
            let mut reply = json!({"kind": "compute#operationList", "id": path, "selfLink": format!("{LINK}{path}")});
            if !items.is_empty() {
                reply["items"] = json!(items);
            }
            if let Some(next) = next {
                reply["nextPageToken"] = json!(next);
            }
            Ok(reply)
        }
    }
}

/// Every operation of a project, for the aggregated list.
pub(super) fn all(tx: &Tx<'_>, project: &str) -> Vec<(Place, Value)> {
    let own = tx.all().filter(|object| object.is(OPERATION) && object.account == project);
    own.map(|object| (Place::of(object), view(object, tx))).collect()
}
