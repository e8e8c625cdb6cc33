//! The bearer token of an EKS API server: a presigned `sts:GetCallerIdentity`, made without any call.
//!
//! Format and lifetimes as in `aws eks get-token` and aws-iam-authenticator, checked against what the aws CLI makes.

use super::client::{AwsCx, dns_suffix, partition};
use super::error;
use crate::engine::{ErrorClass, Residue, StepError};
use crate::model::Secret;
use crate::providers::ClusterToken;
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign};
use aws_sigv4::sign::v4;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::time::{Duration, SystemTime};

/// What the API server's authenticator looks for.
const PREFIX: &str = "k8s-aws-v1.";
/// The URL is valid this long as a request; the server takes the token for a quarter of an hour all the same.
const URL_LIFE: Duration = Duration::from_secs(60);
/// One minute less than the server's quarter of an hour.
const TOKEN_LIFE: Duration = Duration::from_secs(14 * 60);
/// SigV4's unreserved characters.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A token for the cluster of this name, signed with the credentials in use.
///
/// # Errors
/// `Auth` when there are no credentials, or they have expired.
pub async fn token(cx: &AwsCx, cluster: &str) -> Result<ClusterToken, StepError> {
    let credentials = cx.credentials().await?;
    presign(&credentials, cx.region.as_str(), dns_suffix(cx.partition), cluster, cx.wall_time())
}

/// The same with keys at hand: no call, no configuration.
pub fn static_token(
    key_id: &str,
    secret: &str,
    session: Option<String>,
    region: &str,
    cluster: &str,
    now: Timestamp,
) -> Option<ClusterToken> {
    let keys = Credentials::new(key_id, secret, session, None, "environment");
    presign(&keys, region, dns_suffix(partition(region)), cluster, now.into()).ok()
}

/// Always signed for the region's public STS host, whatever endpoint our own calls go to: the server compares it with
/// a fixed list.
fn presign(
    credentials: &Credentials,
    region: &str,
    suffix: &str,
    cluster: &str,
    now: SystemTime,
) -> Result<ClusterToken, StepError> {
    let expired = credentials.expiry().is_some_and(|end| end <= now);
    if expired {
        return Err(StepError::new(ErrorClass::Auth, error::EXPIRED, "the AWS credentials have expired")
            .with_residue(Residue::None));
    }
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(URL_LIFE);
    let identity = credentials.clone().into();
    let params =
        v4::SigningParams::builder().identity(&identity).region(region).name("sts").time(now).settings(settings);
    let params = params.build().map_err(|err| failed(&err.to_string()))?.into();
    let url = format!("https://sts.{region}.{suffix}/?Action=GetCallerIdentity&Version=2011-06-15");
    let request =
        SignableRequest::new("GET", &url, std::iter::once(("x-k8s-aws-id", cluster)), SignableBody::Bytes(&[]));
    let request = request.map_err(|err| failed(&err.to_string()))?;
    let (signed, _) = sign(request, &params).map_err(|err| failed(&err.to_string()))?.into_parts();
    let mut url = url;
    for (key, value) in signed.params() {
        url.push_str(&format!("&{key}={}", utf8_percent_encode(value, ENCODED)));
    }
    let expires = now + TOKEN_LIFE;
    // Signed by credentials that end before the token would: it ends with them.
    let expires = credentials.expiry().map_or(expires, |end| expires.min(end));
    let expires_at = Timestamp::try_from(expires).map_err(|err| failed(&err.to_string()))?;
    Ok(ClusterToken { token: Secret::new(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(url))), expires_at })
}

fn failed(why: &str) -> StepError {
    StepError::new(ErrorClass::Permanent, error::REFUSED, format!("cannot sign a token: {}", error::clean(why)))
        .with_residue(Residue::None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(secs)
    }

    fn url_of(token: &ClusterToken) -> String {
        let bytes = URL_SAFE_NO_PAD.decode(token.token.reveal().strip_prefix(PREFIX).unwrap()).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn the_token_is_what_the_aws_cli_makes() {
        let keys = Credentials::new(
            "AKIDEXAMPLE",
            "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
            Some("tok/en+1".to_owned()),
            None,
            "test",
        );
        let token = presign(&keys, "eu-west-1", "amazonaws.com", "demo", at(1_763_640_000)).unwrap();
        let url = url_of(&token);
        assert!(
            url.starts_with("https://sts.eu-west-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-"),
            "{url}"
        );
        for part in [
            "X-Amz-Algorithm=AWS4-HMAC-SHA256",
            "X-Amz-Credential=AKIDEXAMPLE%2F20251120%2Feu-west-1%2Fsts%2Faws4_request",
            "X-Amz-Date=20251120T120000Z",
            "X-Amz-Expires=60",
            "X-Amz-SignedHeaders=host%3Bx-k8s-aws-id",
            "X-Amz-Security-Token=tok%2Fen%2B1",
            "X-Amz-Signature=",
        ] {
            assert!(url.contains(part), "{part} in {url}");
        }
        assert_eq!(token.expires_at.as_second(), 1_763_640_000 + 840);
        assert_eq!(format!("{token:?}").matches("k8s-aws").count(), 0);
        let other = presign(&keys, "eu-west-1", "amazonaws.com", "demo2", at(1_763_640_000)).unwrap();
        assert_ne!(url_of(&other), url);
    }

    #[test]
    fn a_token_never_outlives_its_credentials() {
        let keys = |end| Credentials::new("AKIDEXAMPLE", "secret", None, Some(at(end)), "test");
        let token = presign(&keys(1_100), "us-east-1", "amazonaws.com", "demo", at(1_000)).unwrap();
        assert_eq!(token.expires_at.as_second(), 1_100);
        let dead = presign(&keys(900), "us-east-1", "amazonaws.com", "demo", at(1_000)).unwrap_err();
        assert_eq!(dead.id, error::EXPIRED);
    }
}
