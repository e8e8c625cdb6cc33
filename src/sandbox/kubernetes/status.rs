//! Kubernetes' own way to say no: the `Status` object with its HTTP code.

use serde_json::{Value, json};

/// A refusal of the API server.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Refusal {
    code: u16,
    reason: &'static str,
    message: String,
    details: Option<Value>,
}

impl Refusal {
    const fn new(code: u16, reason: &'static str, message: String) -> Self {
        Self { code, reason, message, details: None }
    }

    /// The token is missing, malformed, expired, or its owner has no access entry.
    pub(super) fn unauthorized() -> Self {
        Self::new(401, "Unauthorized", "Unauthorized".to_owned())
    }

    /// The user is known and may not.
    pub(super) fn forbidden(message: String) -> Self {
        Self::new(403, "Forbidden", message)
    }

    /// No such path or API.
    pub(super) fn no_path() -> Self {
        Self::new(404, "NotFound", "the server could not find the requested resource".to_owned())
    }

    /// No object of that name.
    pub(super) fn not_found(group: &str, plural: &str, name: &str) -> Self {
        let full = if group.is_empty() { plural.to_owned() } else { format!("{plural}.{group}") };
        Self {
            details: Some(json!({"name": name, "group": group, "kind": plural})),
            ..Self::new(404, "NotFound", format!("{full} \"{name}\" not found"))
        }
    }

    /// An object of that name is there already.
    pub(super) fn already_exists(group: &str, plural: &str, name: &str) -> Self {
        let full = if group.is_empty() { plural.to_owned() } else { format!("{plural}.{group}") };
        Self {
            details: Some(json!({"name": name, "group": group, "kind": plural})),
            ..Self::new(409, "AlreadyExists", format!("{full} \"{name}\" already exists"))
        }
    }

    /// The object changed since it was read, or is being removed.
    pub(super) fn conflict(message: String) -> Self {
        Self::new(409, "Conflict", message)
    }

    /// The object breaks a rule of its kind.
    pub(super) fn invalid(message: String) -> Self {
        Self::new(422, "Invalid", message)
    }

    /// The request cannot be read.
    pub(super) fn bad_request(message: String) -> Self {
        Self::new(400, "BadRequest", message)
    }

    /// The body is of a kind that this server does not read; a real one does.
    pub(super) fn unsupported_media_type(media: &str) -> Self {
        let message = format!(
            "the body of the request was in an unknown format - accepted media types include: application/json, application/yaml (the sandbox does not read {media}; kubectl sends JSON with `create -f` and `apply -f`)"
        );
        Self::new(415, "UnsupportedMediaType", message)
    }

    /// The kind is served, the verb never is.
    pub(super) fn method_not_allowed() -> Self {
        let message = "the server does not allow this method on the requested resource".to_owned();
        Self::new(405, "MethodNotAllowed", message)
    }

    /// A real API server would do it; this one does not pretend to.
    pub(super) fn not_simulated(what: &str) -> Self {
        Self::new(501, "NotImplemented", format!("the sandbox does not simulate {what}"))
    }

    /// The control plane is not up yet, or gone.
    pub(super) fn unavailable() -> Self {
        Self::new(503, "ServiceUnavailable", "the control plane of this cluster does not serve".to_owned())
    }

    /// The HTTP code.
    pub(super) const fn code(&self) -> u16 {
        self.code
    }

    /// The body.
    pub(super) fn body(&self) -> Value {
        let mut body = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "code": self.code,
        });
        if let Some(details) = &self.details {
            body["details"] = details.clone();
        }
        body
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_object_is_named_as_kubectl_shows_it() {
        let body = Refusal::not_found("storage.k8s.io", "storageclasses", "gp9").body();
        assert_eq!(body["message"], "storageclasses.storage.k8s.io \"gp9\" not found");
        assert_eq!(body["details"]["kind"], "storageclasses");
        assert_eq!(body["code"], 404);
    }
}
