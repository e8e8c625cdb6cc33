//! What all steps share: how an answer becomes evidence, how an operation's news become the engine's, which answers
//! mean "gone".
//!
//! Making a thing at Google is an operation. The reference that the journal gets holds its name, so that a thing which
//! cannot be read yet is not taken for one that is gone, and one whose making failed says why. What is seen of a failed
//! making is the operation itself: its sight stands under the operation's name, so that nothing waits for it to go.

use crate::engine::{
    Deletion, ErrorClass, Evidence, Found, Identity, Lookup, Observed, Owned, ResourceRef, Scope, StepError, Token,
};
use crate::providers::gcp::client::{Failure, GcpCx, Request};
use crate::providers::gcp::error::{self, Told};
use crate::providers::gcp::labels::Tags;
use crate::providers::kit;
pub(in crate::providers::gcp) use crate::providers::kit::{broken, never_made, what};
use jiff::Timestamp;
use serde_json::Value;

/// Under this key a reference holds the operation that makes its object: its place inside the project.
pub(in crate::providers::gcp) const PART_OPERATION: &str = "operation";

/// An object with its tags; the caller adds what else is known.
pub(in crate::providers::gcp) fn seen(kind: &str, id: &str, tags: Tags) -> Observed {
    Observed {
        reference: ResourceRef::new(kind, id),
        evidence: Evidence { tags, name: Some(id.to_owned()), ..Evidence::default() },
        created_at: None,
        attached: false,
    }
}

/// An entry in something.
pub(in crate::providers::gcp) fn seen_child(kind: &str, id: &str, parent: &str, key: &str, tags: Tags) -> Observed {
    Observed {
        reference: ResourceRef::new(kind, id),
        evidence: Evidence { tags, name: Some(key.to_owned()), parent: Some(parent.to_owned()), caused: None },
        created_at: None,
        attached: false,
    }
}

/// Google's time as ours.
pub(in crate::providers::gcp) fn time(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

/// The token as Compute Engine wants it: a UUID that is not all zeros.
pub(super) fn request_id(token: &Token) -> String {
    let hex: Vec<char> = token.as_str().chars().take(32).collect();
    let part = |from: usize, to: usize| hex[from..to].iter().collect::<String>();
    format!("{}-{}-4{}-8{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
}

/// Of an object that exists but is not visible yet, or is gone.
pub(in crate::providers::gcp) fn visible<T>(what: &str, found: Option<T>) -> Result<T, StepError> {
    kit::visible(error::NOT_YET, what, found)
}

/// Waiting for something in a delete.
pub(in crate::providers::gcp) fn busy(what: &str, why: impl std::fmt::Display) -> StepError {
    kit::busy(error::NOT_YET, what, why)
}

/// Something that is not ours is in the way of a delete.
pub(in crate::providers::gcp) fn blocked(what: &str, why: impl std::fmt::Display) -> StepError {
    kit::blocked(error::BLOCKED, what, why)
}

// ---- operations

/// How the making of something stands.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "one at a time, taken apart where it is made; a box would only be noise")]
pub(super) enum Making {
    /// Under way; in words.
    Running(String),
    /// It failed.
    Failed(StepError),
    /// It is done.
    Done,
    /// Nobody knows any more.
    Unknown,
}

/// The reference of what this Compute operation makes.
pub(super) fn being_made(kind: &str, id: &str, operation: &Value) -> ResourceRef {
    let mut reference = ResourceRef::new(kind, id);
    reference.parts.extend(compute_operation(operation).map(|path| (PART_OPERATION.to_owned(), path)));
    reference
}

/// A creation that Google refuses because something is not there: one of the things that it needs, all of which were
/// made and seen before, is not known everywhere yet. Whatever else is not there will not come by waiting.
pub(super) fn needs_seen(needs: &[&str], failure: Failure) -> StepError {
    let named = |need: &&str| {
        let told = failure.told.as_deref().map(|told| told.message.as_str()).unwrap_or_default();
        let words = told.split(|c: char| !(c.is_ascii_alphanumeric() || "-_.@/".contains(c)));
        !need.is_empty() && words.map(|word| word.trim_end_matches('.')).any(|word| is_path_of(need, word))
    };
    if !failure.is_absent() || !needs.iter().any(named) {
        return failure.error;
    }
    let mut late = failure.error;
    late.class = ErrorClass::NotYet;
    error::NOT_YET.clone_into(&mut late.id);
    late.retry_for = Some(error::PROPAGATION);
    late
}

/// Whether a message that says `word` means this: by its name alone, or by as much of its path as both tell. A network is
/// no subnetwork of its name.
fn is_path_of(it: &str, word: &str) -> bool {
    let mut pairs = it.rsplit('/').zip(word.rsplit('/'));
    pairs.next().is_some_and(|(a, b)| a == b) && pairs.next().is_none_or(|(a, b)| a == b)
}

/// Where a Compute operation is read: its name with its place.
fn compute_operation(operation: &Value) -> Option<String> {
    let text = |key: &str| operation.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let name = text("name")?;
    let last = |link: &str| link.rsplit('/').next().unwrap_or_default().to_owned();
    Some(match (text("zone"), text("region")) {
        (Some(zone), _) => format!("zones/{}/operations/{name}", last(zone)),
        (_, Some(region)) => format!("regions/{}/operations/{name}", last(region)),
        _ => format!("global/operations/{name}"),
    })
}

/// The operation behind a reference, as it stands.
pub(super) async fn operation(cx: &GcpCx, it: &ResourceRef) -> Result<Option<Value>, StepError> {
    let Some(path) = it.parts.get(PART_OPERATION) else { return Ok(None) };
    let request = if path.starts_with("locations/") {
        let whole = format!("v1/projects/{}/{path}", crate::providers::gcp::client::encoded(cx.project()?));
        Request::get("container:projects.locations.operations.get", whole, "operation")
    } else if path.starts_with("operations/") {
        Request::get("serviceusage:operations.get", format!("v1/{path}"), "operation")
    } else {
        let op = match path.split('/').next() {
            Some("zones") => "compute:zoneOperations.get",
            Some("regions") => "compute:regionOperations.get",
            _ => "compute:globalOperations.get",
        };
        Request::get(op, cx.compute_path(path)?, "operation")
    };
    cx.read(request).await
}

/// How the making stands, by its operation.
pub(super) async fn making(cx: &GcpCx, it: &ResourceRef, what: &str) -> Result<Making, StepError> {
    Ok(match operation(cx, it).await? {
        Some(operation) => judged(&operation, what),
        None => Making::Unknown,
    })
}

/// The same for a probe: whoever may see the thing need not be allowed to see operations, and the thing itself tells.
pub(super) async fn followed(cx: &GcpCx, it: &ResourceRef, what: &str) -> Result<Making, StepError> {
    match making(cx, it, what).await {
        Err(denied) if denied.id == error::DENIED => {
            tracing::debug!(%denied, "the operation cannot be read");
            Ok(Making::Unknown)
        }
        made => made,
    }
}

fn judged(operation: &Value, what: &str) -> Making {
    let status = operation.get("status").and_then(Value::as_str);
    // Service Usage says `done`, the others `status`.
    let done = status == Some("DONE") || operation.get("done").and_then(Value::as_bool) == Some(true);
    if !done {
        return Making::Running(in_words(operation));
    }
    let told = Told::of_compute_operation(operation)
        .or_else(|| operation.get("error").and_then(Told::of_status))
        .or_else(|| old_style(operation));
    match told {
        Some(told) => Making::Failed(error::operation_failed("create", what, &told)),
        None => Making::Done,
    }
}

/// The deprecated twin of `error` in Container operations: set, and nothing else is, by some of them.
fn old_style(operation: &Value) -> Option<Told> {
    let message = operation.get("statusMessage").and_then(Value::as_str).filter(|text| !text.is_empty())?;
    // Compute writes its progress there too; what failed has an HTTP status.
    let kubernetes = operation
        .get("operationType")
        .and_then(Value::as_str)
        .is_some_and(|kind| kind.contains("CLUSTER") || kind.contains("NODE"));
    kubernetes.then(|| Told { status: 500, message: message.to_owned(), ..Told::default() })
}

/// What an operation says of itself while it runs: status, percent, stage, and what stands against it.
pub(super) fn in_words(operation: &Value) -> String {
    let text = |key: &str| operation.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let mut words = text("status").unwrap_or("RUNNING").to_owned();
    let percent = operation.get("progress").and_then(Value::as_u64).or_else(|| percent_of(operation.get("progress")));
    if let Some(percent) = percent.filter(|percent| *percent <= 100) {
        words.push_str(&format!(" {percent}%"));
    }
    if let Some(stage) = stage_of(operation.get("progress")).or_else(|| text("detail").map(str::to_owned)) {
        words.push_str(&format!(", {}", error::clean(&stage)));
    }
    if let Some(trouble) = trouble_of(operation) {
        words.push_str(&format!(": {trouble}"));
    }
    words
}

/// A thing's own status with what its operation says beside "running".
pub(super) fn both(status: &str, operation: &str) -> String {
    format!("{status} {}", operation.trim_start_matches("RUNNING").trim_start()).trim_end().to_owned()
}

/// Every `X` of the metrics with its `X_TOTAL`.
fn counted(progress: Option<&Value>) -> Vec<(String, u64, u64)> {
    let metrics = progress.and_then(|it| it.get("metrics")).and_then(Value::as_array);
    let number = |metric: &Value| {
        let value = metric.get("intValue")?;
        value.as_u64().or_else(|| value.as_str().and_then(|text| text.parse().ok()))
    };
    let named: Vec<(&str, u64)> = metrics
        .into_iter()
        .flatten()
        .filter_map(|metric| Some((metric.get("name").and_then(Value::as_str)?, number(metric)?)))
        .collect();
    let total = |name: &str| named.iter().find(|(other, _)| other.strip_suffix("_TOTAL") == Some(name));
    let pairs = named.iter().filter_map(|(name, value)| Some(((*name).to_owned(), *value, total(name)?.1)));
    pairs.collect()
}

fn percent_of(progress: Option<&Value>) -> Option<u64> {
    let all = counted(progress);
    let total: u64 = all.iter().map(|(.., total)| total).sum();
    let done: u64 = all.iter().map(|(_, done, total)| done.min(total)).sum();
    if let Some(percent) = (done * 100).checked_div(total) {
        return Some(percent);
    }
    let stages = progress?.get("stages")?.as_array().filter(|all| !all.is_empty())?;
    let done = stages.iter().filter(|stage| stage.get("status").and_then(Value::as_str) == Some("DONE")).count();
    u64::try_from(done * 100 / stages.len()).ok()
}

/// The stage that is under way.
fn stage_of(progress: Option<&Value>) -> Option<String> {
    let stages = progress.and_then(|it| it.get("stages")).and_then(Value::as_array);
    let running =
        stages.into_iter().flatten().find(|stage| stage.get("status").and_then(Value::as_str) == Some("RUNNING"));
    if let Some(name) = running.and_then(|stage| stage.get("name")).and_then(Value::as_str) {
        return Some(name.to_lowercase().replace('_', " "));
    }
    let under_way = counted(progress).into_iter().find(|(_, done, total)| done < total)?;
    Some(under_way.0.to_lowercase().replace('_', " "))
}

/// Conditions say long before the end why there may be none that is good.
fn trouble_of(operation: &Value) -> Option<String> {
    let lists =
        ["nodepoolConditions", "clusterConditions"].into_iter().filter_map(|key| operation.get(key)?.as_array());
    let told: Vec<String> = lists.flatten().filter_map(condition).collect();
    (!told.is_empty()).then(|| told.join("; "))
}

fn condition(condition: &Value) -> Option<String> {
    let text = |key: &str| condition.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let code = text("code").filter(|code| *code != "UNKNOWN").or_else(|| text("canonicalCode"));
    let message = text("message").map(error::clean);
    match (code, message) {
        (Some(code), Some(message)) => Some(format!("{message} ({code})")),
        (one, other) => other.or_else(|| one.map(str::to_owned)),
    }
}

/// A look for something whose making is an operation: what was read, or how the making stands.
pub(super) async fn or_its_making(
    cx: &GcpCx,
    at: Scope<'_>,
    by: Lookup<'_>,
    read: Option<Observed>,
    what: &str,
) -> Result<Found, StepError> {
    if let Some(seen) = read {
        return Ok(Found::One(seen));
    }
    let Lookup::Id(it) = by else { return Ok(Found::None) };
    Ok(match making(cx, it, what).await? {
        Making::Running(_) => Found::One(of_making(at, it.clone())),
        // What there is of it is the operation that failed.
        Making::Failed(_) => {
            let operation = it.parts.get(PART_OPERATION).cloned().unwrap_or_default();
            Found::One(of_making(at, ResourceRef::new(it.kind.clone(), operation)))
        }
        Making::Done | Making::Unknown => Found::None,
    })
}

/// The sight of something that our own operation is making: ours by the journal's word.
fn of_making(at: Scope<'_>, reference: ResourceRef) -> Observed {
    let (name, parent) = match at.identity {
        Identity::Name { name } => (Some(name.clone()), None),
        Identity::Child { key, .. } => (Some(key.clone()), reference.parts.get(PART_PARENT).cloned()),
        _ => (None, None),
    };
    let evidence = Evidence { tags: at.tags.clone(), name, parent, caused: None };
    Observed { reference, evidence, created_at: None, attached: false }
}

/// Under this key the reference of a child that is being made holds its parent's id.
pub(super) const PART_PARENT: &str = "parent";

/// Removes something whose making is an operation: one call. What is not there but still being made is not gone.
pub(super) async fn remove(cx: &GcpCx, request: Request<'_>, owned: &Owned, what: &str) -> Result<Deletion, Failure> {
    match cx.call(request).await {
        Ok(_) => Ok(Deletion::Started),
        Err(failure) if failure.is_absent() => {
            let unsent = |error| Failure { error, told: None };
            match making(cx, owned.reference(), what).await.map_err(unsent)? {
                Making::Running(words) => Err(unsent(busy(what, format_args!("it is still being made, {words}")))),
                Making::Failed(_) | Making::Done | Making::Unknown => Ok(Deletion::Gone),
            }
        }
        Err(failure) => Err(failure),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::StepId;
    use serde_json::json;

    #[test]
    fn a_token_is_a_uuid_and_always_the_same() {
        let stack = "demo-0a1b2c3d".parse().unwrap();
        let id = request_id(&Token::derive(&stack, &StepId::from("network"), 1));
        let parsed = uuid::Uuid::parse_str(&id).unwrap();
        assert_eq!(parsed.get_version_num(), 4);
        assert_eq!(id, request_id(&Token::derive(&stack, &StepId::from("network"), 1)));
        assert_ne!(id, request_id(&Token::derive(&stack, &StepId::from("network"), 2)));
    }

    #[test]
    fn a_running_operation_says_how_far_it_is_and_what_stands_against_it() {
        let compute = json!({"status": "RUNNING", "progress": 40});
        assert_eq!(in_words(&compute), "RUNNING 40%");
        assert_eq!(both("PROVISIONING", "RUNNING 40%"), "PROVISIONING 40%");
        assert_eq!(both("PROVISIONING", "RUNNING"), "PROVISIONING");
        let metric = |name: &str, value: &str| json!({"name": name, "intValue": value});
        let gke = json!({"status": "RUNNING", "operationType": "CREATE_CLUSTER", "progress": {"metrics": [
            metric("CLUSTER_CONFIGURING", "12"), metric("CLUSTER_CONFIGURING_TOTAL", "12"),
            metric("CLUSTER_DEPLOYING", "3"), metric("CLUSTER_DEPLOYING_TOTAL", "8")]},
            "nodepoolConditions": [{"code": "GCE_STOCKOUT", "message": "us-central1-a has no more."}]});
        assert_eq!(in_words(&gke), "RUNNING 75%, cluster deploying: us-central1-a has no more (GCE_STOCKOUT)");
    }

    #[test]
    fn an_operation_is_done_failed_or_under_way() {
        assert!(matches!(judged(&json!({"status": "PENDING"}), "it"), Making::Running(_)));
        assert!(matches!(judged(&json!({"status": "DONE"}), "it"), Making::Done));
        assert!(matches!(judged(&json!({"done": true, "response": {}}), "it"), Making::Done));
        let failed = json!({"status": "DONE", "error": {"code": 8, "message": "GCE_STOCKOUT in us-central1-a"}});
        let Making::Failed(why) = judged(&failed, "cluster") else { panic!("it failed") };
        assert_eq!(why.class, ErrorClass::Capacity);
        let compute = json!({"status": "DONE", "httpErrorStatusCode": 403,
            "error": {"errors": [{"code": "QUOTA_EXCEEDED", "message": "Quota 'NETWORKS' exceeded."}]}});
        let Making::Failed(why) = judged(&compute, "network") else { panic!("it failed") };
        assert_eq!(why.class, ErrorClass::Quota);
    }

    #[test]
    fn operations_are_read_where_they_are() {
        let base = "https://www.googleapis.com/compute/v1/projects/p";
        let place =
            |key: &str, place: &str| compute_operation(&json!({"name": "operation-1", key: format!("{base}/{place}")}));
        assert_eq!(place("region", "regions/us-central1").unwrap(), "regions/us-central1/operations/operation-1");
        assert_eq!(place("zone", "zones/us-central1-a").unwrap(), "zones/us-central1-a/operations/operation-1");
        assert_eq!(place("other", "").unwrap(), "global/operations/operation-1");
    }

    #[test]
    fn only_what_was_made_before_is_waited_for() {
        let refused = |status: u16, code: &str, message: &str| {
            let told = Told { status, code: Some(code.to_owned()), message: message.to_owned(), ..Told::default() };
            let told = Box::new(told);
            Failure { error: error::refused("compute:subnetworks.insert", "subnetwork", &told), told: Some(told) }
        };
        let needs =
            ["projects/acme/global/networks/kw-demo-0a1b2c3d-network", "", "nodes@acme.iam.gserviceaccount.com"];
        let class = |failure| needs_seen(&needs, failure).class;
        let network = "The resource 'projects/acme/global/networks/kw-demo-0a1b2c3d-network' was not found";
        assert_eq!(class(refused(404, "NOT_FOUND", network)), ErrorClass::NotYet);
        let account = "Service account nodes@acme.iam.gserviceaccount.com. is not there";
        let late = needs_seen(&needs, refused(404, "NOT_FOUND", account));
        assert!(late.class == ErrorClass::NotYet && late.retry_for.is_some(), "{late:?}");
        for other in [
            "The resource 'projects/acme' was not found",
            "Not found: kw-demo-0a1b2c3d-network-2",
            "The resource 'projects/acme/regions/us-central1/subnetworks/kw-demo-0a1b2c3d-network' was not found",
            "no zone x",
        ] {
            assert_eq!(class(refused(404, "NOT_FOUND", other)), ErrorClass::Permanent, "{other}");
        }
        assert_eq!(class(refused(404, "", network)), ErrorClass::Permanent, "not Google's own word");
    }
}
