//! From what `kube` says to the engine's errors.

use crate::engine::{ErrorClass, Residue, StepError};
use crate::model::without_secrets;
use kube::Error;
use std::time::Duration;

/// Whether the API server itself said that there is no such object. A bare 404 from something in between does not.
pub(super) fn is_absent(error: &Error) -> bool {
    matches!(error, Error::Api(status) if status.code == 404 && status.reason == "NotFound")
}

/// What failed while trying to `tried`. A call that was refused left nothing; one whose answer was lost may have.
pub(super) fn map(tried: &str, error: &Error) -> StepError {
    match error {
        Error::Api(status) => {
            let (class, id) = match status.code {
                401 => (ErrorClass::Auth, "KW-K8S-UNAUTHORIZED"),
                403 => (ErrorClass::Auth, "KW-K8S-FORBIDDEN"),
                409 => (ErrorClass::Conflict, "KW-K8S-CONFLICT"),
                429 => (ErrorClass::Throttled, "KW-K8S-THROTTLED"),
                // 410: the listing took longer than the server keeps its place; it begins anew.
                408 | 410 | 500..=599 => (ErrorClass::Transient, "KW-K8S-UNAVAILABLE"),
                _ => (ErrorClass::Permanent, "KW-K8S-REFUSED"),
            };
            let said = if status.message.is_empty() { &status.reason } else { &status.message };
            let residue = if status.code < 500 { Residue::None } else { Residue::Unknown };
            let message = format!("cannot {tried}: the API server answered {}: {}", status.code, without_secrets(said));
            let mut error = StepError::new(class, id, message).with_residue(residue);
            error.code = (!status.reason.is_empty()).then(|| status.reason.clone());
            error.retry_after = status
                .details
                .as_ref()
                .map(|details| details.retry_after_seconds)
                .filter(|secs| *secs > 0)
                .map(|secs| Duration::from_secs(secs.into()));
            if status.code == 401 {
                error = error
                    .with_hint("the token is of another account, or the caller has no access entry in the cluster");
            }
            error
        }
        Error::SerdeError(_) | Error::FromUtf8(_) => {
            let message = format!("cannot {tried}: what answered is not a Kubernetes API server");
            StepError::new(ErrorClass::Transient, "KW-K8S-ANSWER", message)
        }
        Error::BuildRequest(_) | Error::HttpError(_) | Error::Auth(_) => {
            let message = format!("cannot {tried}: the request could not be made");
            StepError::new(ErrorClass::Permanent, "KW-K8S-REQUEST", message).with_residue(Residue::None)
        }
        other => {
            let message = format!("cannot {tried}: {}", super::reach::words(other).1);
            StepError::new(ErrorClass::Transient, "KW-K8S-UNREACHABLE", message)
        }
    }
}
