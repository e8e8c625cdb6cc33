//! STS: who the callers are, temporary credentials, and the proof inside EKS tokens.
//!
//! Keys of the sandbox are derived from the account number and mean nothing outside. Lifetimes are real time.

use super::{ApiError, CallCx, Caller, DEFAULT_ACCOUNT, Protocol, Reply, Service, Xml, protocol::iso, sigv4};
use crate::sandbox::world::{Kind, Object, Origin, Scope, Tx};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use std::time::Duration;

/// The XML namespace of its replies.
pub const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

const SESSION: Kind = Kind::new("sts", "session");
/// What an EKS token begins with.
const TOKEN_PREFIX: &str = "k8s-aws-v1.";

/// Permanent keys of an account's `user/sandbox`, who may do everything: access key id and secret.
pub fn permanent_keys(account: &str) -> (String, String) {
    (format!("AKIASB{account}KW"), derived(account, "secret", 40))
}

fn derived(account: &str, what: &str, length: usize) -> String {
    let digest = Sha256::digest(format!("kubewright sandbox {what} {account}"));
    digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>().chars().take(length).collect()
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

/// The account's permanent user.
pub fn permanent_caller(account: &str) -> Caller {
    Caller {
        account: account.to_owned(),
        arn: format!("arn:aws:iam::{account}:user/sandbox"),
        user_id: format!("AIDA{}", derived(account, "user", 17).to_uppercase()),
    }
}

/// The default account's keys.
pub fn default_keys() -> (String, String) {
    permanent_keys(DEFAULT_ACCOUNT)
}

/// Sessions are found by access key alone.
fn sessions() -> Scope {
    Scope::global("")
}

/// The refusal of credentials whose time is over.
pub fn expired() -> ApiError {
    ApiError::new(403, "ExpiredToken", "The security token included in the request is expired")
}

/// Proves who signed. `wall` is real time.
///
/// # Errors
/// `InvalidClientTokenId`, `ExpiredToken`, `SignatureDoesNotMatch`.
pub fn authenticate(
    tx: &Tx<'_>,
    request: &sigv4::Signed<'_>,
    claim: &sigv4::Claim,
    wall: Timestamp,
) -> Result<Caller, ApiError> {
    let unknown =
        || ApiError::new(403, "InvalidClientTokenId", "The security token included in the request is invalid.");
    let permanent = claim.access_key.strip_prefix("AKIASB").and_then(|rest| rest.strip_suffix("KW"));
    if let Some(account) = permanent.filter(|account| is_account(account)) {
        if claim.session_token.is_some() {
            return Err(unknown());
        }
        sigv4::verify(request, claim, &permanent_keys(account).1, wall)?;
        return Ok(permanent_caller(account));
    }
    let session = tx.get(&sessions(), SESSION, &claim.access_key).ok_or_else(unknown)?;
    if claim.session_token.as_deref() != Some(session.text("token")) {
        return Err(unknown());
    }
    sigv4::verify(request, claim, session.text("secret"), wall)?;
    let expires: Timestamp = session.text("expires").parse().map_err(|_| unknown())?;
    if wall >= expires {
        return Err(expired());
    }
    Ok(Caller {
        account: session.text("account").to_owned(),
        arn: session.text("arn").to_owned(),
        user_id: session.text("userId").to_owned(),
    })
}

/// Proves an EKS bearer token for this cluster: a presigned GetCallerIdentity with the cluster's name among its signed
/// headers, no older than a quarter of an hour of real time.
///
/// # Errors
/// Why it is refused, in words for a log; the API server only says 401.
pub fn verify_token(tx: &Tx<'_>, token: &str, cluster: &str, wall: Timestamp) -> Result<Caller, String> {
    let encoded = token.strip_prefix(TOKEN_PREFIX).ok_or("it does not begin with k8s-aws-v1.")?;
    let url =
        URL_SAFE_NO_PAD.decode(encoded.trim_end_matches('=')).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let url = url.ok_or("it holds no URL")?;
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")).ok_or("it holds no URL")?;
    let (address, query) = rest.split_once('?').ok_or("its URL has no query")?;
    let (host, path) = address.split_once('/').unwrap_or((address, ""));
    let ours = tx.site().aws_url.strip_prefix("http://") == Some(host);
    let the_vendors = host.starts_with("sts.") && host.ends_with(".amazonaws.com");
    if !path.is_empty() || !(ours || the_vendors) {
        return Err(format!("its URL goes to {address}"));
    }
    let headers = [("host".to_owned(), host.to_owned()), ("x-k8s-aws-id".to_owned(), cluster.to_owned())];
    let request = sigv4::Signed { method: "GET", path: "/", query, headers: &headers, body: b"" };
    let claim = sigv4::claim(&request).map_err(|error| error.message)?;
    if claim.service != "sts" || !claim.signs("x-k8s-aws-id") {
        return Err("it is not signed for a cluster".to_owned());
    }
    let is_identity = form_urlencoded::parse(query.as_bytes()).any(|(k, v)| k == "Action" && v == "GetCallerIdentity");
    if !is_identity {
        return Err("it asks for something else than the caller's identity".to_owned());
    }
    authenticate(tx, &request, &claim, wall).map_err(|error| error.message)
}

/// The service.
pub struct Sts {
    /// Real time, for the lifetimes of what it hands out.
    pub wall: crate::sandbox::hub::Wall,
}

impl Service for Sts {
    fn name(&self) -> &'static str {
        "sts"
    }

    fn protocol(&self, _: Option<&str>) -> Protocol {
        Protocol::Query(NAMESPACE)
    }

    fn call(&self, cx: &mut CallCx<'_, '_>) -> Result<Reply, ApiError> {
        match cx.op {
            "GetCallerIdentity" => Ok(Xml::new()
                .text("UserId", &cx.caller.user_id)
                .text("Account", &cx.caller.account)
                .text("Arn", &cx.caller.arn)
                .into()),
            "AssumeRole" => self.assume_role(cx),
            "GetSessionToken" => {
                let secs = duration(cx, 900, 129_600, 43_200)?;
                cx.params.ignore("SerialNumber");
                cx.params.ignore("TokenCode");
                let credentials = self.hand_out(cx.tx, cx.caller, secs);
                Ok(Xml::new().child("Credentials", credentials).into())
            }
            _ => Err(cx.unknown_operation()),
        }
    }
}

fn duration(cx: &CallCx<'_, '_>, least: i64, most: i64, default: i64) -> Result<i64, ApiError> {
    let secs = cx.params.number("DurationSeconds")?.unwrap_or(default);
    if !(least..=most).contains(&secs) {
        let why = format!(
            "1 validation error detected: Value '{secs}' at 'durationSeconds' failed to satisfy constraint: Member must have value between {least} and {most}"
        );
        return Err(ApiError::bad("ValidationError", why));
    }
    Ok(secs)
}

impl Sts {
    fn assume_role(&self, cx: &mut CallCx<'_, '_>) -> Result<Reply, ApiError> {
        let arn = cx.params.require("RoleArn")?.to_owned();
        let name = cx.params.require("RoleSessionName")?.to_owned();
        let secs = duration(cx, 900, 43_200, 3_600)?;
        for known in ["Policy", "PolicyArns", "Tags", "TransitiveTagKeys", "SourceIdentity", "ExternalId"] {
            cx.params.ignore(known);
        }
        if !(2..=64).contains(&name.len())
            || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b))
        {
            let why = format!(
                "1 validation error detected: Value '{name}' at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]*"
            );
            return Err(ApiError::bad("ValidationError", why));
        }
        let refused = || {
            let why =
                format!("User: {} is not authorized to perform: sts:AssumeRole on resource: {arn}", cx.caller.arn);
            ApiError::new(403, "AccessDenied", why)
        };
        let role = super::iam::role_assumable_by(cx.tx, &arn, cx.caller).ok_or_else(refused)?;
        let longest = role.doc["maxSessionDuration"].as_i64().unwrap_or(3_600);
        if secs > longest {
            let why = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.";
            return Err(ApiError::bad("ValidationError", why));
        }
        let role_id = role.text("roleId");
        let session = Caller {
            account: role.account.clone(),
            arn: format!("arn:aws:sts::{}:assumed-role/{}/{name}", role.account, role.id),
            user_id: format!("{role_id}:{name}"),
        };
        let credentials = self.hand_out(cx.tx, &session, secs);
        let user = Xml::new().text("AssumedRoleId", &session.user_id).text("Arn", &session.arn);
        Ok(Xml::new().child("Credentials", credentials).child("AssumedRoleUser", user).into())
    }

    fn hand_out(&self, tx: &mut Tx<'_>, caller: &Caller, secs: i64) -> Xml {
        let wall = (self.wall)();
        let stale: Vec<String> = tx
            .list(&sessions(), SESSION)
            .filter(|session| session.text("expires").parse::<Timestamp>().is_ok_and(|at| at < wall))
            .map(|session| session.id.clone())
            .collect();
        for id in stale {
            tx.remove(&sessions(), SESSION, &id);
        }
        let expires = iso(wall + Duration::from_secs(secs.unsigned_abs()));
        let (key, secret) = (format!("ASIA{}", tx.letters(16)), tx.hex(40));
        let token = format!("FwoGZXIvYXdzE{}", tx.hex(160));
        let mut session = Object::new(&sessions(), SESSION, &key, tx.now());
        session.created_by = Origin::Builtin;
        session.state = "active".to_owned();
        for (field, value) in [
            ("secret", &secret),
            ("token", &token),
            ("expires", &expires),
            ("account", &caller.account),
            ("arn", &caller.arn),
            ("userId", &caller.user_id),
        ] {
            session.set(field, value.as_str());
        }
        tx.put(session);
        Xml::new()
            .text("AccessKeyId", key)
            .text("SecretAccessKey", secret)
            .text("SessionToken", token)
            .text("Expiration", expires)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::world::{Birth, NoLog, Settings, VERSION, World};

    #[test]
    fn tokens_prove_the_caller_for_one_cluster_and_a_quarter_of_an_hour() {
        let now: Timestamp = "2026-01-01T00:10:00Z".parse().unwrap();
        let birth = Birth { version: VERSION, id: "0".to_owned(), seed: 1, epoch: now, settings: Settings::default() };
        let mut world = World::create(birth, Box::new(NoLog)).unwrap();
        let tx = world.begin(now);
        let (key, secret) = default_keys();
        let token = |host: &str, query: &str, cluster: &str, secret: &str, stamp: &str| {
            let headers = [("host".to_owned(), host.to_owned()), ("x-k8s-aws-id".to_owned(), cluster.to_owned())];
            let signed = sigv4::presign((&key, secret), "sts", query, &headers, stamp);
            format!("{TOKEN_PREFIX}{}", URL_SAFE_NO_PAD.encode(format!("https://{host}/?{signed}")))
        };
        let (host, query) = ("sts.us-east-1.amazonaws.com", "Action=GetCallerIdentity&Version=2011-06-15");
        let fresh = "20260101T000900Z";
        let judge = |token: &str| verify_token(&tx, token, "demo", now);
        assert_eq!(judge(&token(host, query, "demo", &secret, fresh)).unwrap(), permanent_caller(DEFAULT_ACCOUNT));
        for (what, bad) in [
            ("another cluster", token(host, query, "other", &secret, fresh)),
            ("a wrong secret", token(host, query, "demo", "wrong", fresh)),
            ("too old", token(host, query, "demo", &secret, "20251231T235400Z")),
            ("another action", token(host, "Action=GetSessionToken&Version=2011-06-15", "demo", &secret, fresh)),
            ("another host", token("evil.example.com", query, "demo", &secret, fresh)),
            ("no token", "k8s-aws-v1.!!".to_owned()),
            ("nothing", String::new()),
        ] {
            assert!(judge(&bad).is_err(), "{what}");
        }
    }
}
