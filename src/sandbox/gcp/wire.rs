//! How Google says no: one value for every refusal, and the two shapes in which its services put it on the wire.

use serde_json::{Map, Value, json};

/// A refusal.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::sandbox) struct Refused {
    /// HTTP status.
    pub(in crate::sandbox) http: u16,
    /// `INVALID_ARGUMENT`.
    pub(in crate::sandbox) status: &'static str,
    /// What Google says to people.
    pub(in crate::sandbox) message: String,
    /// Compute Engine's `errors[].reason`.
    pub(in crate::sandbox) reason: &'static str,
    /// `google.rpc.*` details.
    pub(in crate::sandbox) details: Vec<Value>,
}

impl Refused {
    fn new(http: u16, status: &'static str, reason: &'static str, message: impl Into<String>) -> Self {
        Self { http, status, message: message.into(), reason, details: Vec::new() }
    }

    /// 400, in Google's words for a value that cannot be.
    pub(in crate::sandbox) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "INVALID_ARGUMENT", "invalid", message)
    }

    /// 400 of Compute Engine, which names the field: `Invalid value for field 'resource.name': 'X'. why`.
    pub(in crate::sandbox) fn field(field: &str, value: impl std::fmt::Display, why: &str) -> Self {
        Self::invalid(format!("Invalid value for field '{field}': '{value}'. {why}"))
    }

    /// 400 of Compute Engine for a field that must be there.
    pub(in crate::sandbox) fn required(field: &str) -> Self {
        let message = format!("Invalid value for field '{field}': ''. This field is required.");
        Self { reason: "required", ..Self::invalid(message) }
    }

    /// 400, where the state of things is in the way.
    pub(in crate::sandbox) fn precondition(message: impl Into<String>) -> Self {
        Self::new(400, "FAILED_PRECONDITION", "failedPrecondition", message)
    }

    /// 404.
    pub(in crate::sandbox) fn not_found(message: impl Into<String>) -> Self {
        Self::new(404, "NOT_FOUND", "notFound", message)
    }

    /// 409.
    pub(in crate::sandbox) fn exists(message: impl Into<String>) -> Self {
        Self::new(409, "ALREADY_EXISTS", "alreadyExists", message)
    }

    /// 409, on a policy that has changed since it was read.
    pub(in crate::sandbox) fn aborted(message: impl Into<String>) -> Self {
        Self::new(409, "ABORTED", "aborted", message)
    }

    /// 412, on a fingerprint that is not the current one.
    pub(in crate::sandbox) fn condition_not_met() -> Self {
        Self::new(
            412,
            "FAILED_PRECONDITION",
            "conditionNotMet",
            "Labels fingerprint either invalid or resource labels have changed",
        )
    }

    /// 400 of Compute Engine, where something still stands on something.
    pub(in crate::sandbox) fn in_use(what: &str, user: &str) -> Self {
        let (kind, path) = what.split_once('|').unwrap_or(("", what));
        let message = format!("The {kind} resource '{path}' is already being used by '{user}'");
        Self::new(400, "FAILED_PRECONDITION", "resourceInUseByAnotherResource", message)
    }

    /// 400 of Compute Engine, where something is not usable yet or any more.
    pub(in crate::sandbox) fn not_ready(path: &str) -> Self {
        Self::new(400, "FAILED_PRECONDITION", "resourceNotReady", format!("The resource '{path}' is not ready"))
    }

    /// 403 of Compute Engine's own quotas.
    pub(in crate::sandbox) fn quota(message: impl Into<String>) -> Self {
        Self::new(403, "RESOURCE_EXHAUSTED", "quotaExceeded", message)
    }

    /// 403.
    pub(in crate::sandbox) fn denied(message: impl Into<String>) -> Self {
        Self::new(403, "PERMISSION_DENIED", "forbidden", message)
    }

    /// 401; `reason` is ErrorInfo's.
    pub(in crate::sandbox) fn unauthenticated(message: &str, reason: &str) -> Self {
        Self::new(401, "UNAUTHENTICATED", "authError", message).informed(reason, &[])
    }

    /// 429.
    pub(in crate::sandbox) fn throttled(service: &str) -> Self {
        let message = format!(
            "Quota exceeded for quota metric 'Requests' and limit 'Requests per minute' of service '{service}' for \
             consumer 'project_number:{}'.",
            super::PROJECT_NUMBER
        );
        Self::new(429, "RESOURCE_EXHAUSTED", "rateLimitExceeded", message)
            .informed("RATE_LIMIT_EXCEEDED", &[("service", service), ("quota_limit", "defaultPerMinutePerProject")])
    }

    /// 503 of Compute Engine and 429 of GKE, where a place has no machines left.
    pub(in crate::sandbox) fn no_capacity() -> Self {
        Self::new(
            503,
            "UNAVAILABLE",
            "insufficientCapacity",
            "The zone does not have enough resources available to fulfill the request. Try a different zone, or try \
             again later.",
        )
        .informed("ZONE_RESOURCE_POOL_EXHAUSTED", &[])
    }

    /// 500.
    pub(in crate::sandbox) fn broken() -> Self {
        Self::new(500, "INTERNAL", "backendError", "Internal error encountered.")
    }

    /// The sandbox's own disk failed.
    pub(in crate::sandbox) fn disk(error: impl std::fmt::Display) -> Self {
        Self::new(500, "INTERNAL", "backendError", format!("the sandbox's own disk: {error}"))
    }

    /// With an ErrorInfo.
    pub(in crate::sandbox) fn informed(self, reason: &str, metadata: &[(&str, &str)]) -> Self {
        self.informed_by("googleapis.com", reason, metadata)
    }

    /// With an ErrorInfo of this domain.
    pub(in crate::sandbox) fn informed_by(mut self, domain: &str, reason: &str, metadata: &[(&str, &str)]) -> Self {
        let mut info = json!({
            "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": domain,
        });
        if !metadata.is_empty() {
            let map: Map<String, Value> = metadata.iter().map(|(k, v)| ((*k).to_owned(), json!(v))).collect();
            info["metadata"] = Value::Object(map);
        }
        self.details.push(info);
        self
    }

    /// With a BadRequest that names fields.
    pub(in crate::sandbox) fn violating(mut self, violations: Vec<Value>) -> Self {
        self.details.push(json!({
            "@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": violations,
        }));
        self
    }

    /// The body: Compute Engine's with `errors`, everybody else's without.
    pub(in crate::sandbox) fn body(&self, compute: bool) -> Value {
        let mut error = json!({"code": self.http, "message": self.message});
        if compute {
            let domain = if self.reason == "quotaExceeded" || self.reason == "rateLimitExceeded" {
                "usageLimits"
            } else {
                "global"
            };
            error["errors"] = json!([{"message": self.message, "domain": domain, "reason": self.reason}]);
        }
        if !compute || !self.details.is_empty() {
            error["status"] = json!(self.status);
        }
        if !self.details.is_empty() {
            error["details"] = json!(self.details);
        }
        json!({"error": error})
    }
}

impl From<crate::sandbox::world::WorldError> for Refused {
    fn from(error: crate::sandbox::world::WorldError) -> Self {
        Self::disk(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_family_words_it_its_own_way() {
        let gone = Refused::not_found("The resource 'x' was not found");
        assert_eq!(
            gone.body(true),
            json!({"error": {"code": 404, "message": "The resource 'x' was not found", "errors": [
                {"message": "The resource 'x' was not found", "domain": "global", "reason": "notFound"}]}})
        );
        assert_eq!(gone.body(false)["error"]["status"], "NOT_FOUND");
        assert_eq!(gone.body(false)["error"].get("errors"), None);
        let denied =
            Refused::denied("no").informed_by("iam.googleapis.com", "IAM_PERMISSION_DENIED", &[("permission", "x")]);
        assert_eq!(denied.body(true)["error"]["details"][0]["metadata"]["permission"], "x");
        assert_eq!(denied.body(true)["error"]["errors"][0]["reason"], "forbidden");
    }
}
