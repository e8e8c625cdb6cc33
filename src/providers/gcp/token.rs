//! The bearer token of a GKE API server: the caller's own access token, as `gke-gcloud-auth-plugin` hands it out.

use super::client::GcpCx;
use crate::engine::{Clock, StepError};
use crate::providers::ClusterToken;
use crate::providers::gcp::auth::AccessToken;
use jiff::Timestamp;
use std::time::Duration;

/// Where the issuer does not say when a token ends: what is handed out lasts longer than this, as it is asked for anew
/// four minutes before its end.
const AT_LEAST: Duration = Duration::from_secs(180);

/// A token for any cluster that the caller may enter.
///
/// # Errors
/// `Auth` when there are no credentials, or they have expired.
pub async fn token(cx: &GcpCx, wall: &dyn Clock) -> Result<ClusterToken, StepError> {
    Ok(handed_out(cx.tokens().token().await?, wall.now()))
}

fn handed_out(access: AccessToken, now: Timestamp) -> ClusterToken {
    ClusterToken { token: access.token, expires_at: access.expires_at.unwrap_or(now + AT_LEAST) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Secret;

    #[test]
    fn a_token_without_an_end_is_kept_for_minutes_only() {
        let now: Timestamp = "2026-11-27T12:00:00Z".parse().unwrap();
        let access = |expires_at| AccessToken { token: Secret::new("ya29.secret".to_owned()), expires_at };
        assert_eq!(handed_out(access(None), now).expires_at, now + AT_LEAST);
        let end = now + Duration::from_secs(3_000);
        let token = handed_out(access(Some(end)), now);
        assert_eq!(token.expires_at, end);
        assert!(!format!("{token:?}").contains("ya29"));
    }
}
