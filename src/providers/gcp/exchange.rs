//! One exchange at Google's token endpoint: what a key signed, or what signing in left behind, for an access token.
//!
//! The libraries keep to themselves when a user's token ends, and tell of a refused key no more than of a server that has
//! a bad hour; here both are known. Nothing is tried again, and nothing that is sent or comes back is ever shown. Source:
//! RFC 7523 and RFC 6749, as "Using OAuth 2.0 for Server to Server Applications" tells them, read 2026-11.

use super::auth::{AccessToken, SCOPE};
use super::error::{self, clean};
use crate::engine::{Clock, ErrorClass, StepError};
use crate::model::Secret;
use crate::providers::{jwt, rest::encoded};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// Where Google gives tokens, unless a credential file says otherwise.
pub(super) const TOKENS: &str = "https://oauth2.googleapis.com/token";
/// How long what a key signs may be used.
const SIGNED_FOR: i64 = 3_600;
/// Tokens that end sooner are asked for anew.
const ABOUT_TO_END: Duration = Duration::from_secs(300);
/// And not used from here on: a call with it may be on its way for a while.
const NO_LONGER: Duration = Duration::from_secs(30);

/// What is exchanged.
pub(super) enum Grant {
    /// The key of a service account.
    Key {
        /// Signs.
        key: Box<gcp_auth::CustomServiceAccount>,
        /// Whose it is.
        email: String,
        /// Which of its keys, where the file says so.
        id: Option<String>,
    },
    /// Somebody who signed in.
    User {
        /// The OAuth client they signed in with.
        client: String,
        /// That client's secret.
        secret: Secret<String>,
        /// What signing in left behind.
        refresh: Secret<String>,
    },
}

/// An exchange, and the token that it gave last.
pub(super) struct Exchange {
    grant: Grant,
    url: String,
    http: reqwest::Client,
    wall: Arc<dyn Clock>,
    kept: Mutex<Option<AccessToken>>,
}

/// Errors of the token endpoint that pass.
const PASSING: [&str; 3] = ["internal_failure", "server_error", "temporarily_unavailable"];

impl Exchange {
    /// Makes no call. `wall` is real time: what is signed and what comes back end by it.
    pub(super) fn new(grant: Grant, url: String, http: reqwest::Client, wall: Arc<dyn Clock>) -> Self {
        Self { grant, url, http, wall, kept: Mutex::default() }
    }

    /// A token that lasts a while yet, kept or new. `words` are the credentials' own.
    ///
    /// # Errors
    /// `Auth` where Google refuses, `Transient` where it does not answer or has a fault of its own.
    pub(super) async fn token(&self, words: &str) -> Result<AccessToken, StepError> {
        // One at a time: thirty steps that begin together need one token.
        let mut kept = self.kept.lock().await;
        let now = self.wall.now();
        let lasts = |it: &AccessToken| it.expires_at.is_some_and(|end| end > now + ABOUT_TO_END);
        if let Some(kept) = kept.as_ref().filter(|it| lasts(it)) {
            return Ok(kept.clone());
        }
        match self.ask(words, now).await {
            Ok(given) => {
                *kept = Some(given.clone());
                Ok(given)
            }
            // The last minutes of a token are there for a token endpoint that has a bad one.
            Err(late) if late.class == ErrorClass::Transient => {
                kept.clone().filter(|it| it.expires_at.is_some_and(|end| end > now + NO_LONGER)).ok_or(late)
            }
            Err(refused) => Err(refused),
        }
    }

    async fn ask(&self, words: &str, now: Timestamp) -> Result<AccessToken, StepError> {
        let late = |why: &dyn std::fmt::Display| error::credentials_late(&format!("{words}: {why}"));
        let request = self.http.post(&self.url).header("accept", "application/json");
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(self.form(words, now)?);
        let answer = request.send().await.map_err(|cause| late(&cause.without_url()))?;
        let status = answer.status().as_u16();
        let text = answer.bytes().await.map_err(|cause| late(&cause.without_url()))?;
        let told: Value = serde_json::from_slice(&text).unwrap_or_default();
        match (status, told["access_token"].as_str().filter(|token| !token.is_empty())) {
            (200..=299, Some(token)) => {
                let lasts = told["expires_in"].as_i64().unwrap_or_default().clamp(0, 86_400);
                let expires_at = Timestamp::from_second(now.as_second() + lasts).ok();
                Ok(AccessToken { token: Secret::new(token.to_owned()), expires_at })
            }
            (200..=299, None) => Err(late(&"the answer holds no token")),
            (408 | 429 | 500.., _) => Err(late(&format_args!("the token endpoint answers HTTP {status}"))),
            // RFC 6749 §4.1.2.1 has words for what is the server's own trouble, whatever the status.
            _ if told["error"].as_str().is_some_and(|word| PASSING.contains(&word)) => {
                Err(late(&format_args!("the token endpoint answers {} (HTTP {status})", told["error"])))
            }
            _ => Err(self.refused(words, status, &told)),
        }
    }

    /// A refusal in the endpoint's own words.
    fn refused(&self, words: &str, status: u16, told: &Value) -> StepError {
        let text = |key: &str| told[key].as_str().filter(|text| !text.is_empty()).map(clean);
        let why = match (text("error_description"), text("error")) {
            (Some(why), Some(code)) => format!("{why} ({code})"),
            (Some(why), None) | (None, Some(why)) => why,
            (None, None) => format!("the token endpoint answers HTTP {status}"),
        };
        match self.grant {
            // A key does not end: it is deleted, or what it signs is out of its time.
            Grant::Key { .. } => error::no_credentials(format!(
                "{words}: Google accepts it not: {why}; a deleted key, a disabled account, or a clock that is off"
            )),
            Grant::User { .. } => error::credentials_refused(&format!("{words}: {why}")),
        }
    }

    fn form(&self, words: &str, now: Timestamp) -> Result<String, StepError> {
        let fields: Vec<(&str, String)> = match &self.grant {
            Grant::Key { key, email, id } => {
                let signed = signed(key, email, id.as_deref(), &self.url, now.as_second())
                    .ok_or_else(|| error::no_credentials(format!("{words}: its private key signs nothing")))?;
                let grant = "urn:ietf:params:oauth:grant-type:jwt-bearer".to_owned();
                vec![("grant_type", grant), ("assertion", signed)]
            }
            Grant::User { client, secret, refresh } => vec![
                ("grant_type", "refresh_token".to_owned()),
                ("client_id", client.clone()),
                ("client_secret", secret.reveal().clone()),
                ("refresh_token", refresh.reveal().clone()),
            ],
        };
        let pairs = fields.iter().map(|(name, value)| format!("{name}={}", encoded(value)));
        Ok(pairs.collect::<Vec<_>>().join("&"))
    }
}

/// The assertion of a key: who asks whom for what, and until when. None where the key cannot sign.
fn signed(
    key: &gcp_auth::CustomServiceAccount,
    email: &str,
    id: Option<&str>,
    audience: &str,
    now: i64,
) -> Option<String> {
    let mut head = json!({"alg": "RS256", "typ": "JWT"});
    if let Some(id) = id {
        head["kid"] = json!(id);
    }
    let claims = json!({"iss": email, "aud": audience, "scope": SCOPE, "iat": now, "exp": now + SIGNED_FOR});
    jwt::signed(&head, &claims, |text| key.signer().sign(text).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::k8s::testing::{Answer, Server};
    use crate::providers::testing::Stands;

    fn user(url: &str) -> Exchange {
        let secret = |text: &str| Secret::new(text.to_owned());
        let grant = Grant::User { client: "a".to_owned(), secret: secret("b&b"), refresh: secret("1//c") };
        Exchange::new(grant, url.to_owned(), reqwest::Client::new(), Arc::new(Stands))
    }

    #[tokio::test]
    async fn a_token_is_kept_until_it_is_about_to_end() {
        for (lasts, calls) in [(3_599, 1), (299, 2)] {
            let server = Server::start(move |_| {
                Answer::of(200, json!({"access_token": "ya29.one", "expires_in": lasts, "token_type": "Bearer"}))
            })
            .await;
            let user = user(&server.url());
            for _ in 0..2 {
                let given = user.token("me").await.unwrap();
                assert_eq!(given.token.reveal(), "ya29.one");
                assert_eq!(given.expires_at.unwrap(), Stands.now() + Duration::from_secs(lasts));
            }
            let asked = server.requests();
            assert_eq!(asked.len(), calls);
            let sent = "grant_type=refresh_token&client_id=a&client_secret=b%26b&refresh_token=1%2F%2Fc";
            assert_eq!(asked[0].body, sent);
        }
    }

    #[tokio::test]
    async fn a_bad_hour_of_the_token_endpoint_is_no_refusal() {
        let told = async |code: u16, body: &str| {
            let body = body.to_owned();
            let server = Server::start(move |_| Answer::text(code, &body)).await;
            user(&server.url()).token("me").await.unwrap_err()
        };
        for code in [500, 503, 429, 408, 400] {
            let late = told(code, "{\"error\": \"internal_failure\"}").await;
            assert_eq!((late.class, &*late.id), (ErrorClass::Transient, "KW-UNREACHABLE"), "{code}");
        }
        assert_eq!(told(200, "<html>").await.class, ErrorClass::Transient);
        let ended =
            told(400, "{\"error\": \"invalid_grant\", \"error_description\": \"Token has been revoked.\"}").await;
        assert_eq!((ended.class, &*ended.id), (ErrorClass::Auth, error::EXPIRED));
        assert!(ended.message.contains("revoked (invalid_grant)"), "{}", ended.message);
        assert_eq!(told(401, "{\"error\": \"invalid_client\"}").await.id, error::AUTH);
        let nowhere = user("http://127.0.0.1:1/token").token("me").await.unwrap_err();
        assert_eq!(nowhere.class, ErrorClass::Transient);
    }

    #[tokio::test]
    async fn a_token_is_used_to_its_end_while_no_new_one_comes() {
        for (lasts, goes_on) in [(200, true), (20, false)] {
            let first = Mutex::new(true);
            let server = Server::start(move |_| {
                if std::mem::take(&mut *first.try_lock().unwrap()) {
                    return Answer::of(200, json!({"access_token": "ya29.one", "expires_in": lasts}));
                }
                Answer::text(503, "")
            })
            .await;
            let user = user(&server.url());
            user.token("me").await.unwrap();
            let again = user.token("me").await;
            assert_eq!(again.is_ok(), goes_on, "{lasts} s left");
            assert_eq!(server.requests().len(), 2);
        }
    }
}
