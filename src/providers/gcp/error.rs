//! What Google says went wrong, in the engine's classes and in words for people.
//!
//! Three shapes carry the same news: `google.rpc.Status` in the body of a refused call (Compute adds `errors[].reason`),
//! the error of a Container operation (a Status again), and the error of a Compute operation (`errors[].code`). All come
//! together in [`Told`], which one table classifies. Only Google's own body makes a 404 "absent"; whatever else answers
//! 404 (a proxy, a wrong endpoint) has said nothing.
//!
//! Sources: Google's "Error model" (google.aip.dev/193), Compute Engine API "Troubleshooting", and the texts on which
//! mature providers retry.

use crate::engine::{ErrorClass, Residue, StepError};
use crate::providers::patience::UNREACHABLE;
use crate::providers::rest::LONGEST_PAUSE;
pub(super) use crate::providers::words::clean;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// Refused for a limit of the project.
pub const QUOTA: &str = "KW-GCP-QUOTA";
/// Google has none left of it in that zone.
pub const CAPACITY: &str = "KW-GCP-CAPACITY";
/// The credentials have ended.
pub const EXPIRED: &str = "KW-GCP-EXPIRED";
/// No credentials, or not accepted.
pub const AUTH: &str = "KW-GCP-CREDENTIALS";
/// The credentials are good, the action is not allowed.
pub const DENIED: &str = "KW-GCP-DENIED";
/// A service is off in the project.
pub const API_OFF: &str = "KW-GCP-API-DISABLED";
/// The project has no billing account that pays.
pub const BILLING: &str = "KW-GCP-BILLING";
/// Told to slow down.
pub const THROTTLED: &str = "KW-GCP-THROTTLED";
/// Google had a fault of its own.
pub const SERVER: &str = "KW-GCP-SERVER";
/// An answer that is not Google's.
pub const ANSWER: &str = "KW-GCP-ANSWER";
/// Something needed is not visible or not ready yet.
pub const NOT_YET: &str = "KW-GCP-NOT-YET";
/// Something with that name or place is there.
pub const EXISTS: &str = "KW-GCP-EXISTS";
/// Something is there no more.
pub const ABSENT: &str = "KW-GCP-ABSENT";
/// Something that is not ours is in the way.
pub const BLOCKED: &str = "KW-GCP-BLOCKED";
/// Google refused the request as it stands.
pub const REFUSED: &str = "KW-GCP-REFUSED";

/// A new service account, or a service just switched on, is known everywhere well within this.
pub(super) const PROPAGATION: Duration = Duration::from_secs(180);
/// How long a service that was just switched on may still say that it is off.
const SWITCHING_ON: Duration = Duration::from_secs(300);

/// What a body, or an operation, says of a failure.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Told {
    /// HTTP status; of an operation that says none, the one that fits its code.
    pub status: u16,
    /// `google.rpc.Code` by name: `ALREADY_EXISTS`.
    pub code: Option<String>,
    /// The finest word there is: `ErrorInfo.reason`, Compute's `errors[].reason`, an operation's `errors[].code`.
    pub reason: Option<String>,
    /// The sentence.
    pub message: String,
    /// `ErrorInfo.metadata`, and the numbers of an exceeded quota.
    pub metadata: BTreeMap<String, String>,
    /// Google's own word on when to try again.
    pub retry_after: Option<Duration>,
}

impl Told {
    /// From the body of a refused call; none where the body is not Google's.
    pub fn of_body(status: u16, body: &Value) -> Option<Self> {
        let error = body.get("error")?.as_object()?;
        let said = error.get("code")?.as_u64().and_then(|code| u16::try_from(code).ok())?;
        let mut told = Self {
            status: if said == 0 { status } else { said },
            code: error.get("status").and_then(Value::as_str).map(str::to_owned),
            message: error.get("message").and_then(Value::as_str).unwrap_or_default().to_owned(),
            ..Self::default()
        };
        let first = error.get("errors").and_then(|all| all.get(0));
        told.reason = first.and_then(|one| one.get("reason")).and_then(Value::as_str).map(str::to_owned);
        told.read_details(error.get("details"));
        Some(told)
    }

    /// From a `google.rpc.Status`: the error of a Container or Service Usage operation.
    pub fn of_status(status: &Value) -> Option<Self> {
        let code = status.get("code").and_then(Value::as_u64).filter(|code| *code != 0)?;
        let (name, http) = rpc_code(code);
        let mut told = Self {
            status: http,
            code: Some(name.to_owned()),
            message: status.get("message").and_then(Value::as_str).unwrap_or_default().to_owned(),
            ..Self::default()
        };
        told.read_details(status.get("details"));
        Some(told)
    }

    /// From the error of a Compute operation.
    pub fn of_compute_operation(operation: &Value) -> Option<Self> {
        let first = operation.get("error")?.get("errors")?.get(0)?;
        let text = |key: &str| first.get(key).and_then(Value::as_str).map(str::to_owned);
        let http = operation.get("httpErrorStatusCode").and_then(Value::as_u64);
        let mut told = Self {
            status: http.and_then(|code| u16::try_from(code).ok()).unwrap_or(400),
            reason: text("code"),
            message: text("message").unwrap_or_default(),
            ..Self::default()
        };
        for detail in first.get("errorDetails").and_then(Value::as_array).into_iter().flatten() {
            told.read_quota(detail.get("quotaInfo"));
        }
        Some(told)
    }

    fn read_details(&mut self, details: Option<&Value>) {
        for detail in details.and_then(Value::as_array).into_iter().flatten() {
            let kind = detail.get("@type").and_then(Value::as_str).unwrap_or_default();
            if kind.ends_with("google.rpc.ErrorInfo") {
                if let Some(reason) = detail.get("reason").and_then(Value::as_str) {
                    self.reason = Some(reason.to_owned());
                }
                for (key, value) in detail.get("metadata").and_then(Value::as_object).into_iter().flatten() {
                    self.metadata.extend(value.as_str().map(|value| (key.clone(), value.to_owned())));
                }
            } else if kind.ends_with("google.rpc.RetryInfo") {
                self.retry_after = detail.get("retryDelay").and_then(Value::as_str).and_then(span);
            } else if kind.ends_with("QuotaExceededInfo") || detail.get("metricName").is_some() {
                self.read_quota(Some(detail));
            }
        }
    }

    fn read_quota(&mut self, quota: Option<&Value>) {
        let Some(quota) = quota.and_then(Value::as_object) else { return };
        for key in ["metricName", "limitName"] {
            self.metadata.extend(quota.get(key).and_then(Value::as_str).map(|it| (key.to_owned(), it.to_owned())));
        }
        if let Some(limit) = quota.get("limit").and_then(Value::as_f64) {
            self.metadata.insert("limit".to_owned(), limit.to_string());
        }
        for (key, value) in quota.get("dimensions").and_then(Value::as_object).into_iter().flatten() {
            self.metadata.extend(value.as_str().map(|value| (key.clone(), value.to_owned())));
        }
    }

    fn is(&self, reason: &str) -> bool {
        self.reason.as_deref() == Some(reason)
    }

    fn coded(&self, code: &str) -> bool {
        self.code.as_deref() == Some(code)
    }

    /// The vendor's finest word, for the error's code.
    fn word(&self) -> Option<&str> {
        self.reason.as_deref().or(self.code.as_deref())
    }

    /// Whether Google itself says that the thing asked for is not there. That its project is not there says something
    /// else.
    pub fn is_absent(&self) -> bool {
        self.says_absent() && !is_about_project(&self.message)
    }

    /// Whether a 404 is Google's own: one of a proxy or of a wrong address has no such word.
    fn says_absent(&self) -> bool {
        self.status == 404 && (self.coded("NOT_FOUND") || self.is("notFound"))
    }

    /// Whether something still uses the thing.
    pub fn is_in_use(&self) -> bool {
        self.is("resourceInUseByAnotherResource")
            || self.is("RESOURCE_IN_USE_BY_ANOTHER_RESOURCE")
            || self.message.contains("is already being used by")
    }
}

/// "The resource 'projects/acme' was not found": the path ends with the project.
fn is_about_project(text: &str) -> bool {
    let Some((_, rest)) = text.split_once("'projects/") else { return false };
    rest.split('\'').next().is_some_and(|path| !path.contains('/')) && text.contains("not found")
}

/// Names and HTTP statuses of `google.rpc.Code`.
fn rpc_code(code: u64) -> (&'static str, u16) {
    match code {
        1 => ("CANCELLED", 499),
        3 => ("INVALID_ARGUMENT", 400),
        4 => ("DEADLINE_EXCEEDED", 504),
        5 => ("NOT_FOUND", 404),
        6 => ("ALREADY_EXISTS", 409),
        7 => ("PERMISSION_DENIED", 403),
        8 => ("RESOURCE_EXHAUSTED", 429),
        9 => ("FAILED_PRECONDITION", 400),
        10 => ("ABORTED", 409),
        11 => ("OUT_OF_RANGE", 400),
        12 => ("UNIMPLEMENTED", 501),
        13 => ("INTERNAL", 500),
        14 => ("UNAVAILABLE", 503),
        15 => ("DATA_LOSS", 500),
        16 => ("UNAUTHENTICATED", 401),
        _ => ("UNKNOWN", 500),
    }
}

/// A duration as protobuf writes it: `3.5s`.
fn span(text: &str) -> Option<Duration> {
    let secs: f64 = text.strip_suffix('s')?.parse().ok()?;
    Duration::try_from_secs_f64(secs.clamp(0.0, 300.0)).ok()
}

/// The failure of one call that Google refused. `op` is the method as the discovery document names it behind its
/// service, `compute:networks.insert`; `what` the thing in the user's words. Reads "cannot create {what}: {why}".
pub fn refused(op: &str, what: &str, told: &Told) -> StepError {
    let (class, id) = classify(told);
    let why = match told.word() {
        Some(word) => format!("{} ({word})", clean(&told.message)),
        None => clean(&told.message),
    };
    let mut made = new(class, id, op, what, &why);
    made.code = told.word().map(str::to_owned);
    made.retry_after = told.retry_after.map(|pause| pause.min(LONGEST_PAUSE));
    // A refusal in Google's own words was decided before any effect. Of a 5xx nobody knows, but for those that say why.
    if told.status < 500 || matches!(class, ErrorClass::Capacity | ErrorClass::Quota | ErrorClass::Throttled) {
        made.residue = Residue::None;
    }
    if class == ErrorClass::NotYet && is_propagation(told) {
        made.retry_for = Some(PROPAGATION);
    }
    advised(made, told)
}

/// The failure of an operation that Google had accepted: `what` is the thing, `verb` what was being done with it.
pub fn operation_failed(verb: &str, what: &str, told: &Told) -> StepError {
    let (class, id) = classify(told);
    let why = match told.word() {
        Some(word) => format!("{} ({word})", clean(&told.message)),
        None => clean(&told.message),
    };
    let mut made = StepError::new(class, id, format!("cannot {verb} {what}: {why}"));
    made.code = told.word().map(str::to_owned);
    advised(made, told)
}

/// An answer that is none of Google's: nothing is known of the effect.
pub fn not_googles(op: &str, what: &str, status: u16) -> StepError {
    let class = match status {
        408 | 429 | 500.. => ErrorClass::Transient,
        _ => ErrorClass::Permanent,
    };
    new(class, ANSWER, op, what, &format!("HTTP {status} without an error of Google's")).with_hint(
        "is an endpoint override (KUBEWRIGHT_GCP_*_ENDPOINT, CLOUDSDK_API_ENDPOINT_OVERRIDES_*) or a proxy in the way?",
    )
}

/// An answer that should be JSON of a known shape and is not.
pub fn unreadable(op: &str, what: &str, why: impl std::fmt::Display) -> StepError {
    new(ErrorClass::Transient, ANSWER, op, what, &format!("the answer could not be read: {why}"))
}

/// With what the user can do about it.
fn advised(mut made: StepError, told: &Told) -> StepError {
    match made.id.as_str() {
        DENIED => {
            let permission =
                told.metadata.get("permission").map(String::as_str).or_else(|| permission_in(&told.message));
            match permission {
                Some(permission) => made
                    .with_hint(format!("allow {permission}, then run the same command again"))
                    .with_hint("everything that a cluster needs: kubewright policy NAME"),
                None => made.with_hint("everything that a cluster needs: kubewright policy NAME"),
            }
        }
        API_OFF => {
            let service =
                told.metadata.get("service").map_or_else(|| service_in(&told.message), |it| Some(it.as_str()));
            let named = service.unwrap_or("container.googleapis.com");
            let project = told.metadata.get("consumer").and_then(|it| it.strip_prefix("projects/"));
            let project = project.map_or_else(String::new, |project| format!(" --project {project}"));
            made.with_hint(format!("gcloud services enable {named}{project}"))
        }
        BILLING => made.with_hint("link a billing account: gcloud billing projects link PROJECT --billing-account ID"),
        EXPIRED => made.with_hint("sign in again: gcloud auth application-default login"),
        AUTH => made.with_hint("check the credentials: gcloud auth application-default print-access-token"),
        QUOTA => {
            let named = told.metadata.get("metricName").or_else(|| told.metadata.get("quota_metric"));
            let limit = told.metadata.get("limit").filter(|limit| !made.message.contains(limit.as_str()));
            if let (Some(metric), Some(limit)) = (named, limit) {
                made.message = format!("{}; {metric} has a limit of {limit}", made.message);
            }
            made.with_hint("raise it: https://console.cloud.google.com/iam-admin/quotas, or delete what is not needed")
        }
        CAPACITY => made.with_hint("another machine type (--node-type) or other zones (--zones) may have it"),
        _ => made,
    }
}

/// Class and id of what was told.
pub fn classify(told: &Told) -> (ErrorClass, &'static str) {
    use ErrorClass::{Auth, Capacity, Conflict, NotYet, Permanent, Quota, Throttled, Transient};
    let text = told.message.as_str();
    if told.status == 401 || told.coded("UNAUTHENTICATED") {
        let ended = told.is("ACCESS_TOKEN_EXPIRED") || text.contains("expired");
        return (Auth, if ended { EXPIRED } else { AUTH });
    }
    // Said in passing by many errors, under many codes: asked for first.
    if is_rate(told) {
        return (Throttled, THROTTLED);
    }
    if is_stock_out(told) {
        return (Capacity, CAPACITY);
    }
    if is_quota(told) {
        return (Quota, QUOTA);
    }
    match told.word().unwrap_or_default() {
        "SERVICE_DISABLED" | "accessNotConfigured" => return (Auth, API_OFF),
        "BILLING_DISABLED" | "UREQ_PROJECT_BILLING_NOT_OPEN" => return (Auth, BILLING),
        "CLUSTER_ALREADY_HAS_OPERATION"
        | "operationInProgress"
        | "resourceNotReady"
        | "RESOURCE_NOT_READY"
        | "RESOURCE_OPERATION_RATE_EXCEEDED"
        | "resourceInUseByAnotherResource"
        | "RESOURCE_IN_USE_BY_ANOTHER_RESOURCE"
        | "conditionNotMet"
        | "ABORTED" => return (NotYet, NOT_YET),
        "alreadyExists" | "ALREADY_EXISTS" | "RESOURCE_ALREADY_EXISTS" => return (Conflict, EXISTS),
        _ => {}
    }
    if is_billing(text) {
        return (Auth, BILLING);
    }
    if is_busy(text) || is_propagation(told) || told.is_in_use() {
        return (NotYet, NOT_YET);
    }
    match told.status {
        403 if text.contains("has not been used in project") || text.contains("it is disabled") => (Auth, API_OFF),
        403 => (Auth, DENIED),
        404 if told.says_absent() => (Permanent, ABSENT),
        409 if told.coded("ALREADY_EXISTS") || text.contains("lready exists") => (Conflict, EXISTS),
        409 | 412 => (NotYet, NOT_YET),
        // The operation was cancelled by somebody: again is a decision of theirs.
        499 => (Permanent, REFUSED),
        408 | 500.. => (Transient, SERVER),
        _ => (Permanent, REFUSED),
    }
}

/// Calls a minute, not things.
fn is_rate(told: &Told) -> bool {
    const REASONS: [&str; 6] = [
        "rateLimitExceeded",
        "userRateLimitExceeded",
        "RATE_LIMIT_EXCEEDED",
        "CONCURRENT_OPERATIONS_QUOTA_EXCEEDED",
        "concurrentLimitExceeded",
        "quotaExceededPerMinute",
    ];
    let text = told.message.as_str();
    let metric = text.contains("Quota exceeded for quota metric") && text.contains("per minute");
    REASONS.iter().any(|reason| told.is(reason))
        || metric
        || (told.status == 429 && !is_stock_out(told) && !is_quota(told))
}

/// A zone that has no such machine left.
fn is_stock_out(told: &Told) -> bool {
    const WORDS: [&str; 6] = [
        "ZONE_RESOURCE_POOL_EXHAUSTED",
        "GCE_STOCKOUT",
        "insufficientCapacity",
        "does not have enough resources available to fulfill the request",
        "does not have sufficient capacity",
        "out of stock",
    ];
    WORDS
        .iter()
        .any(|word| told.reason.as_deref().is_some_and(|it| it.starts_with(word)) || told.message.contains(word))
}

/// A limit of the project.
fn is_quota(told: &Told) -> bool {
    const REASONS: [&str; 4] = ["quotaExceeded", "QUOTA_EXCEEDED", "GCE_QUOTA_EXCEEDED", "limitExceeded"];
    let text = told.message.as_str();
    let said = text.contains("Insufficient regional quota")
        || text.contains("Insufficient project quota")
        || text.contains("GCE_QUOTA_EXCEEDED")
        || (text.contains("Quota '") && text.contains("exceeded"))
        || text.contains("Maximum number of service accounts");
    REASONS.iter().any(|reason| told.is(reason)) || said
}

fn is_billing(text: &str) -> bool {
    text.contains("requires billing to be enabled")
        || text.contains("Billing must be enabled")
        || text.contains("billing account for the owning project is disabled")
}

/// Somebody, we perhaps, is changing the thing.
fn is_busy(text: &str) -> bool {
    const TEXTS: [&str; 7] = [
        "incompatible operation",
        "Another activation or deactivation is in progress",
        "Master is being updated",
        "luster is not ready",
        "is not ready",
        "There is a peering operation in progress",
        "There were concurrent policy changes",
    ];
    TEXTS.iter().any(|known| text.contains(known))
}

/// Not everybody at Google knows of a new service account yet.
fn is_propagation(told: &Told) -> bool {
    let text = told.message.as_str();
    let about = text.contains("ervice account") || text.contains("serviceAccount");
    let unknown = about && text.contains("does not exist");
    // `iam.serviceAccounts.get` of one that was made a second ago.
    let perhaps = told.status == 403 && text.contains("iam.serviceAccounts.") && text.contains("or it may not exist");
    (told.status == 400 && unknown) || perhaps
}

/// The permission a message names: "Permission 'container.clusters.create' denied", "Required 'compute.networks.create'
/// permission".
pub(super) fn permission_in(text: &str) -> Option<&str> {
    let quoted = text.split(['\'', '"', '`']).skip(1).step_by(2);
    quoted.into_iter().find(|word| word.matches('.').count() == 2 && !word.contains('/') && !word.contains(' '))
}

/// The service a message names.
fn service_in(text: &str) -> Option<&str> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '.' || c == '-'));
    words.map(|word| word.trim_end_matches('.')).find(|word| word.ends_with(".googleapis.com"))
}

/// Within a build, a service that was switched on a moment ago may still be called off.
pub(super) fn while_switching_on(mut error: StepError) -> StepError {
    if error.id == API_OFF {
        error.class = ErrorClass::NotYet;
        error.retry_for = Some(SWITCHING_ON);
    }
    error
}

/// No credentials that can be used, with what to do.
pub(super) fn no_credentials(why: impl std::fmt::Display) -> StepError {
    StepError::new(ErrorClass::Auth, AUTH, format!("no Google credentials: {why}"))
        .with_residue(Residue::None)
        .with_hint("sign in: gcloud auth application-default login; or set GOOGLE_APPLICATION_CREDENTIALS to a key or federation file")
}

/// The credentials' own source did not answer; nothing was sent.
pub(super) fn credentials_late(why: &str) -> StepError {
    let message = format!("the source of the Google credentials gives none: {}", clean(why));
    StepError::new(ErrorClass::Transient, UNREACHABLE, message).with_residue(Residue::None)
}

/// A token that its issuer refused.
pub(super) fn credentials_refused(why: &str) -> StepError {
    let lower = why.to_lowercase();
    if lower.contains("invalid_grant") || lower.contains("expired") || lower.contains("reauth") {
        return StepError::new(ErrorClass::Auth, EXPIRED, format!("the Google credentials have ended: {}", clean(why)))
            .with_residue(Residue::None)
            .with_hint("sign in again: gcloud auth application-default login; a key may have been deleted");
    }
    no_credentials(clean(why))
}

fn new(class: ErrorClass, id: &str, op: &str, what: &str, why: &str) -> StepError {
    StepError::new(class, id, format!("cannot {} {what}: {why}", verb(op)))
}

/// The verb of a method in a sentence.
pub(super) fn verb(op: &str) -> &'static str {
    let name = op.rsplit(['.', ':']).next().unwrap_or_default();
    match name {
        "insert" | "create" => "create",
        "delete" => "delete",
        "enable" | "batchEnable" => "enable",
        "get" | "list" | "aggregatedList" | "batchGet" | "getIamPolicy" | "testIamPermissions" | "getServerConfig"
        | "getBillingInfo" | "wait" => "read",
        _ => "change",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn body(code: u16, status: &str, message: &str, details: Value) -> Told {
        let body = json!({"error": {"code": code, "status": status, "message": message, "details": details}});
        Told::of_body(code, &body).unwrap()
    }

    fn compute(code: u16, reason: &str, message: &str) -> Told {
        let one = json!({"domain": "global", "reason": reason, "message": message});
        Told::of_body(code, &json!({"error": {"code": code, "message": message, "errors": [one]}})).unwrap()
    }

    fn info(reason: &str, metadata: Value) -> Value {
        json!([{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com",
            "metadata": metadata}])
    }

    #[test]
    fn every_row_of_the_table_has_its_class() {
        use ErrorClass::{Auth, Capacity, Conflict, NotYet, Permanent, Quota, Throttled, Transient};
        let rate = "Quota exceeded for quota metric 'Read requests' and limit 'Read requests per minute' of service";
        let rows = [
            (compute(403, "rateLimitExceeded", "Rate Limit Exceeded"), Throttled),
            (body(403, "PERMISSION_DENIED", rate, json!([])), Throttled),
            (body(429, "RESOURCE_EXHAUSTED", "slow down", info("RATE_LIMIT_EXCEEDED", json!({}))), Throttled),
            (body(403, "", "x", info("CONCURRENT_OPERATIONS_QUOTA_EXCEEDED", json!({}))), Throttled),
            (body(503, "UNAVAILABLE", "try again", json!([])), Transient),
            (compute(409, "operationInProgress", "another operation"), NotYet),
            (compute(400, "resourceNotReady", "The resource 'x' is not ready"), NotYet),
            (
                body(400, "FAILED_PRECONDITION", "Cluster is running incompatible operation operation-1", json!([])),
                NotYet,
            ),
            (body(400, "FAILED_PRECONDITION", "x", info("CLUSTER_ALREADY_HAS_OPERATION", json!({}))), NotYet),
            (body(400, "INVALID_ARGUMENT", "Service account x@y does not exist", json!([])), NotYet),
            (body(409, "ABORTED", "There were concurrent policy changes", json!([])), NotYet),
            (compute(412, "conditionNotMet", "Labels fingerprint"), NotYet),
            (compute(400, "resourceInUseByAnotherResource", "'a' is already being used by 'b'"), NotYet),
            (compute(403, "quotaExceeded", "Quota 'NETWORKS' exceeded. Limit: 5.0 globally"), Quota),
            (body(403, "PERMISSION_DENIED", "Insufficient regional quota to satisfy request", json!([])), Quota),
            (compute(503, "insufficientCapacity", "no"), Capacity),
            (body(401, "UNAUTHENTICATED", "invalid", json!([])), Auth),
            (body(403, "PERMISSION_DENIED", "x", info("SERVICE_DISABLED", json!({}))), Auth),
            (body(403, "PERMISSION_DENIED", "x", info("IAM_PERMISSION_DENIED", json!({}))), Auth),
            (body(409, "ALREADY_EXISTS", "Already exists: projects/p", json!([])), Conflict),
            (compute(409, "alreadyExists", "The resource already exists"), Conflict),
            (body(400, "INVALID_ARGUMENT", "bad name", json!([])), Permanent),
            (body(404, "NOT_FOUND", "no", json!([])), Permanent),
        ];
        for (told, class) in rows {
            assert_eq!(classify(&told).0, class, "{told:?}");
        }
    }

    #[test]
    fn what_was_decided_before_any_effect_left_nothing() {
        let refused = |told: &Told| refused("compute:networks.insert", "network", told).residue;
        assert_eq!(refused(&compute(403, "quotaExceeded", "Quota 'NETWORKS' exceeded.")), Residue::None);
        assert_eq!(refused(&body(503, "UNAVAILABLE", "x", json!([]))), Residue::Unknown);
        assert_eq!(refused(&compute(503, "insufficientCapacity", "x")), Residue::None);
    }

    #[test]
    fn only_googles_own_body_says_absent() {
        assert!(Told::of_body(404, &json!("<html>")).is_none());
        assert!(Told::of_body(404, &json!({"message": "not found"})).is_none());
        assert!(compute(404, "notFound", "The resource 'projects/p/global/networks/n' was not found").is_absent());
        assert!(!compute(404, "notFound", "The resource 'projects/p' was not found").is_absent());
        assert!(!compute(403, "forbidden", "not found").is_absent());
    }

    #[test]
    fn a_denial_names_the_permission_and_an_api_that_is_off_its_command() {
        let denied = body(
            403,
            "PERMISSION_DENIED",
            "Required \"container.clusters.create\" permission(s) for \"projects/p\".",
            json!([]),
        );
        let error = refused("container:projects.locations.clusters.create", "cluster", &denied);
        assert!(error.hints[0].contains("container.clusters.create"), "{:?}", error.hints);
        let off = body(
            403,
            "PERMISSION_DENIED",
            "Kubernetes Engine API has not been used",
            info("SERVICE_DISABLED", json!({"service": "container.googleapis.com", "consumer": "projects/1234"})),
        );
        let error = refused("container:projects.locations.clusters.list", "clusters", &off);
        assert_eq!(error.hints, ["gcloud services enable container.googleapis.com --project 1234"]);
        assert_eq!(while_switching_on(error).class, ErrorClass::NotYet);
    }

    #[test]
    fn a_failed_operation_says_its_numbers() {
        let operation = json!({"error": {"errors": [{"code": "QUOTA_EXCEEDED", "message": "Quota 'CPUS' exceeded.",
            "errorDetails": [{"quotaInfo": {"metricName": "compute.googleapis.com/cpus", "limitName": "CPUS-per-region",
            "limit": 24.0, "dimensions": {"region": "us-central1"}}}]}]}});
        let told = Told::of_compute_operation(&operation).unwrap();
        let error = operation_failed("create", "network", &told);
        assert_eq!(error.class, ErrorClass::Quota);
        assert!(error.message.contains("limit of 24"), "{}", error.message);
        let stock = json!({"code": 8, "message": "ZONE_RESOURCE_POOL_EXHAUSTED: us-central1-a"});
        assert_eq!(classify(&Told::of_status(&stock).unwrap()).0, ErrorClass::Capacity);
        assert_eq!(Told::of_status(&json!({"code": 0})), None);
    }
}
