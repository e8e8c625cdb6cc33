//! Repeats of reads that the engine does not make: looks before a plan, listings, status.
//!
//! The engine repeats the calls of steps; what is read outside a run has nobody else to try again.

use crate::engine::{Clock, ErrorClass, StepError};
use std::future::Future;
use std::time::Duration;

/// The cloud could not be reached, or broke off: what every cloud's client says then.
pub const UNREACHABLE: &str = "KW-UNREACHABLE";
/// Attempts where nothing answers: somebody waits to be told.
const UNANSWERED: u32 = 5;
/// Attempts where the cloud answers that it cannot now: three quarters of a minute. A service that refuses every other call
/// would otherwise end whatever takes a dozen reads.
const REFUSED: u32 = 10;
/// No pause is longer, unless the cloud asks for it.
const LONGEST: Duration = Duration::from_secs(8);
/// A cloud that asks for a longer one is not waited for: somebody wants an answer.
const LONGEST_ASKED: Duration = Duration::from_secs(60);

/// Makes a read until it answers, is refused for good, or has failed too often.
pub async fn patient<T, F, Made>(clock: &dyn Clock, mut read: F) -> Result<T, StepError>
where
    F: FnMut() -> Made,
    Made: Future<Output = Result<T, StepError>>,
{
    let mut attempt = 1;
    loop {
        match read().await {
            Err(err) if attempt < most(&err) && err.retry_after.unwrap_or_default() <= LONGEST_ASKED => {
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
        ErrorClass::Transient | ErrorClass::Throttled if err.id == UNREACHABLE => UNANSWERED,
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

/// Whether every other question would fail alike: no credentials, none that count any more, or no connection. Not being
/// allowed to ask one thing is none of these.
pub fn stops_everything(err: &StepError) -> bool {
    let signed_out = err.id.ends_with("-CREDENTIALS") || err.id.ends_with("-EXPIRED");
    err.id == UNREACHABLE || signed_out && err.class == ErrorClass::Auth
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn being_refused_one_thing_stops_nothing_else() {
        let answer = |class, id: &str| if_known::<()>(Err(StepError::new(class, id, "no")));
        assert_eq!(answer(ErrorClass::Auth, "KW-AWS-DENIED"), Ok(None));
        assert!(answer(ErrorClass::Auth, "KW-AWS-EXPIRED").is_err());
        assert!(answer(ErrorClass::Auth, "KW-AWS-CREDENTIALS").is_err());
        assert!(answer(ErrorClass::Transient, UNREACHABLE).is_err());
    }
}
