//! Repeats of reads that the engine does not make: looks before a plan, listings, status.
//!
//! The engine repeats the calls of steps; what is read outside a run has nobody else to try again.

use crate::engine::{Clock, ErrorClass, StepError};
use std::future::Future;
use std::time::Duration;

/// Attempts where nothing answers: somebody waits to be told.
const UNANSWERED: u32 = 5;
/// Attempts where AWS answers that it cannot now: three quarters of a minute. A service that refuses every other call
/// would otherwise end whatever takes a dozen reads.
const REFUSED: u32 = 10;
/// No pause is longer, unless AWS asks for it.
const LONGEST: Duration = Duration::from_secs(8);

/// Makes a read until it answers, is refused for good, or has failed too often.
pub async fn patient<T, F, Made>(clock: &dyn Clock, mut read: F) -> Result<T, StepError>
where
    F: FnMut() -> Made,
    Made: Future<Output = Result<T, StepError>>,
{
    let mut attempt = 1;
    loop {
        match read().await {
            Err(err) if attempt < most(&err) => {
                let pause = Duration::from_millis(250 << attempt).min(LONGEST);
                clock.sleep(err.retry_after.unwrap_or(pause).max(pause)).await;
                attempt += 1;
            }
            answer => return answer,
        }
    }
}

fn most(err: &StepError) -> u32 {
    match err.class {
        ErrorClass::Transient | ErrorClass::Throttled if err.id == super::error::UNREACHABLE => UNANSWERED,
        ErrorClass::Transient | ErrorClass::Throttled => REFUSED,
        _ => 1,
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
