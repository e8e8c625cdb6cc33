//! Repeats of reads that the engine does not make: looks before a plan, listings, status.
//!
//! The engine repeats the calls of steps; what is read outside a run has nobody else to try again.

use crate::engine::{Clock, ErrorClass, StepError};
use std::future::Future;
use std::time::Duration;

const ATTEMPTS: u32 = 5;

/// Makes a read until it answers, is refused for good, or has failed five times.
pub async fn patient<T, F, Made>(clock: &dyn Clock, mut read: F) -> Result<T, StepError>
where
    F: FnMut() -> Made,
    Made: Future<Output = Result<T, StepError>>,
{
    let mut attempt = 1;
    loop {
        match read().await {
            Err(err) if attempt < ATTEMPTS && matches!(err.class, ErrorClass::Transient | ErrorClass::Throttled) => {
                let pause = Duration::from_millis(250 << attempt);
                clock.sleep(err.retry_after.unwrap_or(pause).max(pause)).await;
                attempt += 1;
            }
            answer => return answer,
        }
    }
}

/// An answer, or nothing where it cannot be known: not allowed to read, or the endpoint does not have the operation.
///
/// # Errors
/// What stops everything: no credentials, no connection.
pub fn if_known<T>(answer: Result<T, StepError>) -> Result<Option<T>, StepError> {
    match answer {
        Ok(it) => Ok(Some(it)),
        Err(err) if stops_everything(&err) => Err(err),
        Err(err) => {
            tracing::debug!(error = %err, "cannot be known");
            Ok(None)
        }
    }
}

fn stops_everything(err: &StepError) -> bool {
    use super::error::{AUTH, EXPIRED, UNREACHABLE};
    [AUTH, EXPIRED, UNREACHABLE].contains(&err.id.as_str())
}
