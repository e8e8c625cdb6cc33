//! The ways EKS says no: each exception of the service model with the HTTP status the model gives it.

use crate::sandbox::aws::protocol::ApiError;
use serde_json::json;

/// A parameter is wrong.
pub(super) fn parameter(message: impl Into<String>) -> ApiError {
    ApiError::bad("InvalidParameterException", message)
}

/// The request does not fit the state of things.
pub(super) fn request(message: impl Into<String>) -> ApiError {
    ApiError::bad("InvalidRequestException", message)
}

/// It is there already, or something holds it.
pub(super) fn in_use(message: impl Into<String>) -> ApiError {
    ApiError::new(409, "ResourceInUseException", message)
}

/// It is not there.
pub(super) fn not_found(message: impl Into<String>) -> ApiError {
    ApiError::new(404, "ResourceNotFoundException", message)
}

/// The older word for several things, a missing cluster among them.
pub(super) fn client(message: impl Into<String>) -> ApiError {
    ApiError::bad("ClientException", message)
}

/// A quota is used up.
pub(super) fn limit(message: impl Into<String>) -> ApiError {
    ApiError::bad("ResourceLimitExceededException", message)
}

/// No control plane in that zone; says which zones would do.
pub(super) fn zone(message: impl Into<String>, valid: &[String]) -> ApiError {
    ApiError::bad("UnsupportedAvailabilityZoneException", message).with("validZones", json!(valid))
}

/// The real service can; the sandbox does not pretend to.
pub(super) fn not_simulated(what: &str) -> ApiError {
    request(format!("the sandbox does not simulate {what}"))
}
