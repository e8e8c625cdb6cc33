//! The token endpoints: assertions of the service account's key, refresh tokens, federated tokens, impersonation; and
//! who a bearer token is. Lifetimes are real time.

use super::{
    ACCOUNT, Caller, USER,
    keys::{AUDIENCE, Keys, Public, SUBJECT},
    wire::Refused,
};
use crate::sandbox::hub::{Call, Hub, Refusal};
use serde_json::{Value, json};

/// The scope that opens everything.
pub(in crate::sandbox) const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
const LIFETIME: i64 = 3_599;

/// What a token endpoint answers: status and JSON.
pub(in crate::sandbox) type Answer = (u16, Value);

fn refuse(code: u16, error: &str, why: &str) -> Answer {
    (code, json!({"error": error, "error_description": why}))
}

/// Which token endpoint a path is, as faults name its operation.
pub(in crate::sandbox) fn endpoint(verb: &str, path: &str) -> Option<&'static str> {
    match (verb, path) {
        ("POST", "/token" | "/oauth2/v4/token") => Some("token.create"),
        ("POST", "/v1/token") => Some("token.exchange"),
        ("GET" | "POST", "/tokeninfo" | "/oauth2/v3/tokeninfo" | "/oauth2/v1/tokeninfo") => Some("tokeninfo.get"),
        _ => None,
    }
}

/// Answers a token endpoint under its faults; `None` drops the connection.
pub(in crate::sandbox) async fn handle(
    hub: &Hub,
    keys: &Keys,
    op: &'static str,
    query: &str,
    body: &[u8],
    json: bool,
) -> Option<Answer> {
    let fields = fields(query, body, json);
    // Nothing of a token call is shown: everything in it is a credential.
    let call = Call { service: "oauth2".to_owned(), op: op.to_owned(), mutating: false, shown: json!({}) };
    let refusal = |refusal| match refusal {
        Refusal::Broken | Refusal::NoCapacity => refuse(500, "internal_failure", "Internal error."),
        Refusal::Throttled => refuse(429, "rate_limit_exceeded", "Too many requests."),
        Refusal::Expired => refuse(400, "invalid_grant", "Token has been expired or revoked."),
    };
    let now = hub.wall().as_second();
    hub.endure(&call, refusal, |_| {
        let answer = answer(keys, op, &fields, now);
        let well = answer.0 == 200;
        (answer, well)
    })
    .await
}

fn fields(query: &str, body: &[u8], json: bool) -> Vec<(String, String)> {
    let mut pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    if json {
        let map: serde_json::Map<String, Value> = serde_json::from_slice(body).unwrap_or_default();
        let text = |(key, value): (String, Value)| Some((key, value.as_str()?.to_owned()));
        pairs.extend(map.into_iter().filter_map(text));
    } else {
        pairs.extend(form_urlencoded::parse(body).into_owned());
    }
    pairs
}

fn answer(keys: &Keys, op: &str, fields: &[(String, String)], now: i64) -> Answer {
    // The exchange takes the names of its standard, or Google's own spelling of them.
    let get = |name: &str| {
        let same = |own: &str| own == name || own.to_lowercase() == name.replace('_', "");
        fields.iter().find(|(own, _)| same(own)).map_or("", |(_, value)| value.as_str())
    };
    match (op, get("grant_type")) {
        ("token.create", "urn:ietf:params:oauth:grant-type:jwt-bearer") => assertion(keys, get("assertion"), now),
        ("token.create", "refresh_token") => {
            if !keys.knows_client(get("client_id"), get("client_secret")) {
                return refuse(401, "invalid_client", "The OAuth client was not found.");
            }
            if get("refresh_token") != keys.refresh_token() {
                return refuse(400, "invalid_grant", "Bad Request");
            }
            (200, granted(keys, USER, get("scope"), now))
        }
        ("token.create", "") => refuse(400, "invalid_request", "Required parameter is missing: grant_type"),
        ("token.create", other) => refuse(400, "unsupported_grant_type", &format!("Invalid grant_type: {other}")),
        ("token.exchange", "urn:ietf:params:oauth:grant-type:token-exchange") => exchange(keys, &get, now),
        ("token.exchange", other) => refuse(400, "unsupported_grant_type", &format!("Unsupported grant type: {other}")),
        _ => info(keys, get("access_token"), now),
    }
}

fn granted(keys: &Keys, subject: &str, scope: &str, now: i64) -> Value {
    let scope = if scope.is_empty() { SCOPE } else { scope };
    let token = keys.seal(&json!({"sub": subject, "exp": now + LIFETIME, "scope": scope})).unwrap_or_default();
    json!({"access_token": token, "expires_in": LIFETIME, "scope": scope, "token_type": "Bearer"})
}

/// A signed assertion for an access token.
fn assertion(keys: &Keys, token: &str, now: i64) -> Answer {
    let Some(claims) = keys.public().verify(token) else {
        return refuse(400, "invalid_grant", "Invalid JWT Signature.");
    };
    if claims["iss"] != json!(ACCOUNT) {
        return refuse(400, "invalid_grant", "Invalid grant: account not found");
    }
    if !claims["aud"].as_str().is_some_and(|aud| aud.ends_with("/token")) {
        return refuse(400, "invalid_grant", "Invalid JWT: Failed audience check.");
    }
    let (issued, expires) = (claims["iat"].as_i64().unwrap_or(now), claims["exp"].as_i64().unwrap_or_default());
    if expires < now || expires > now + 3_900 || issued > now + 300 {
        let why = "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your \
                   iat and exp values in the JWT claim.";
        return refuse(400, "invalid_grant", why);
    }
    match claims["scope"].as_str() {
        Some(scope) if !scope.is_empty() => (200, granted(keys, ACCOUNT, scope, now)),
        _ => refuse(400, "invalid_scope", "Empty or missing scope not allowed."),
    }
}

/// A subject's token for a federated one.
fn exchange<'a>(keys: &Keys, get: &impl Fn(&str) -> &'a str, now: i64) -> Answer {
    if get("audience") != AUDIENCE {
        return refuse(
            400,
            "invalid_target",
            "The target service indicated by the \"audience\" parameters is invalid. This might either be because the pool or provider is disabled or deleted or because it doesn't exist.",
        );
    }
    if get("subject_token_type") != "urn:ietf:params:oauth:token-type:jwt" {
        return refuse(400, "invalid_request", "Invalid subject token type.");
    }
    let claims = keys.public().verify(get("subject_token")).filter(|claims| claims["aud"] == json!(AUDIENCE));
    let Some(claims) = claims else {
        return refuse(400, "invalid_grant", "ID Token issued by the subject token's issuer could not be verified.");
    };
    if claims["exp"].as_i64().unwrap_or_default() < now {
        return refuse(400, "invalid_grant", "The subject token has expired.");
    }
    let subject = claims["sub"].as_str().unwrap_or(SUBJECT);
    let mut reply = granted(keys, &principal(subject), get("scope"), now);
    reply["issued_token_type"] = json!("urn:ietf:params:oauth:token-type:access_token");
    (200, reply)
}

/// A federated identity as IAM names it.
pub(in crate::sandbox) fn principal(subject: &str) -> String {
    let pool = AUDIENCE.rsplit_once("/providers/").map_or(AUDIENCE, |(pool, _)| pool);
    format!("principal:{pool}/subject/{subject}")
}

fn info(keys: &Keys, token: &str, now: i64) -> Answer {
    match keys.public().unseal(token).filter(|says| says["exp"].as_i64().unwrap_or_default() > now) {
        None => refuse(400, "invalid_token", "Invalid Value"),
        Some(says) => {
            let expires = says["exp"].as_i64().unwrap_or_default();
            let reply = json!({
                "azp": "100000000000000000001", "aud": "100000000000000000001", "scope": says["scope"],
                "exp": expires.to_string(), "expires_in": (expires - now).to_string(), "email": says["sub"],
                "email_verified": "true", "access_type": "online",
            });
            (200, reply)
        }
    }
}

/// A token for another service account, as its credentials service gives it.
pub(in crate::sandbox) fn impersonate(keys: &Keys, account: &str, body: &Value, now: i64) -> Result<Value, Refused> {
    let scopes: Vec<&str> = body["scope"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if scopes.is_empty() {
        return Err(Refused::invalid("Request contains an invalid argument."));
    }
    let asked = body["lifetime"].as_str().unwrap_or("3600s").trim_end_matches('s').parse::<i64>();
    let Some(lifetime) = asked.ok().filter(|span| (1..=3_600).contains(span)) else {
        return Err(Refused::invalid("The lifetime of the token must be at most 3600 seconds."));
    };
    let says = json!({"sub": account, "exp": now + lifetime, "scope": scopes.join(" ")});
    let token = keys.seal(&says).map_err(Refused::disk)?;
    let until = jiff::Timestamp::from_second(now + lifetime).unwrap_or(jiff::Timestamp::MAX);
    Ok(json!({"accessToken": token, "expireTime": until.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()}))
}

const MISSING: &str = "Request is missing required authentication credential. Expected OAuth 2 access token, login cookie \
                       or other valid authentication credential. See \
                       https://developers.google.com/identity/sign-in/web/devconsole-project.";
const INVALID: &str = "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or \
                       other valid authentication credential. See \
                       https://developers.google.com/identity/sign-in/web/devconsole-project.";

/// The refusal of a token whose time is over.
pub(in crate::sandbox) fn expired() -> Refused {
    Refused::unauthenticated(INVALID, "ACCESS_TOKEN_EXPIRED")
}

/// Who a bearer is; `header` is the Authorization header.
///
/// # Errors
/// Nobody we know, or not any more.
pub(in crate::sandbox) fn bearer(keys: &Public, header: Option<&str>, now: i64) -> Result<Caller, Refused> {
    let Some(header) = header else { return Err(Refused::unauthenticated(MISSING, "CREDENTIALS_MISSING")) };
    let Some(token) = header.strip_prefix("Bearer ") else {
        return Err(Refused::unauthenticated(INVALID, "ACCESS_TOKEN_TYPE_UNSUPPORTED"));
    };
    who(keys, token.trim(), now).map_err(|late| {
        if late { expired() } else { Refused::unauthenticated(INVALID, "ACCESS_TOKEN_TYPE_UNSUPPORTED") }
    })
}

/// Who a token is. Refused with whether its time is over.
pub(in crate::sandbox) fn who(keys: &Public, token: &str, now: i64) -> Result<Caller, bool> {
    // A service account's own signed token is as good as one that was asked for, while it is young.
    let says = match keys.unseal(token) {
        Some(says) => says,
        None => {
            let claims = keys.verify(token).filter(|claims| {
                let whose = claims["iss"] == json!(ACCOUNT) && claims["sub"] == json!(ACCOUNT);
                let good = claims["scope"].is_string() || claims["aud"].is_string();
                let span = claims["exp"].as_i64().unwrap_or_default() - claims["iat"].as_i64().unwrap_or_default();
                whose && good && (0..=3_660).contains(&span)
            });
            let mut claims = claims.ok_or(false)?;
            if claims["scope"].is_null() {
                claims["scope"] = json!(SCOPE);
            }
            claims
        }
    };
    if says["exp"].as_i64().unwrap_or_default() <= now {
        return Err(true);
    }
    let text = |key: &str| says[key].as_str().unwrap_or_default().to_owned();
    Ok(Caller { email: text("sub"), scopes: text("scope").split(' ').map(ToOwned::to_owned).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

    #[test]
    fn an_assertion_buys_a_token_for_an_hour() {
        let keys = Keys::generate().expect("a key");
        let now = 1_800_000_000;
        let ask = |iss: &str, exp: i64| {
            let claims = json!({"iss": iss, "scope": SCOPE, "aud": "http://127.0.0.1:1/token", "iat": now, "exp": exp});
            let signed = keys.sign(&claims).expect("signs");
            answer(&keys, "token.create", &pairs(&[("grant_type", GRANT), ("assertion", &signed)]), now)
        };
        let (code, reply) = ask(ACCOUNT, now + 3_600);
        assert_eq!((code, reply["expires_in"].as_i64()), (200, Some(LIFETIME)));
        let token = reply["access_token"].as_str().expect("a token");
        let header = format!("Bearer {token}");
        assert_eq!(bearer(&keys.public(), Some(&header), now).expect("known").email, ACCOUNT);
        let late = bearer(&keys.public(), Some(&header), now + 4_000).expect_err("too late");
        assert_eq!(late.details[0]["reason"], "ACCESS_TOKEN_EXPIRED");
        assert_eq!(bearer(&keys.public(), None, now).expect_err("nobody").http, 401);
        assert_eq!(ask("other@x", now + 60).1["error"], "invalid_grant");
        assert_eq!(ask(ACCOUNT, now - 60).0, 400);
        let broken = pairs(&[("grant_type", GRANT), ("assertion", "a.b.c")]);
        assert_eq!(answer(&keys, "token.create", &broken, now).1["error_description"], "Invalid JWT Signature.");
        assert_eq!(answer(&keys, "token.create", &[], now).1["error"], "invalid_request");
    }

    #[test]
    fn users_federation_and_impersonation() {
        let keys = Keys::generate().expect("a key");
        let now = 1_800_000_000;
        let secret = keys.derived_for_tests();
        let refresh = keys.refresh_token();
        let mut fields = pairs(&[
            ("grant_type", "refresh_token"),
            ("client_id", super::super::keys::CLIENT_ID),
            ("client_secret", &secret),
            ("refresh_token", &refresh),
        ]);
        let (code, reply) = answer(&keys, "token.create", &fields, now);
        assert_eq!(code, 200);
        let token = reply["access_token"].as_str().expect("a token");
        assert_eq!(who(&keys.public(), token, now).expect("known").email, USER);
        assert_eq!(info(&keys, token, now).1["email"], USER);
        "1//gone".clone_into(&mut fields[3].1);
        assert_eq!(answer(&keys, "token.create", &fields, now).1["error"], "invalid_grant");

        let subject = keys.sign(&json!({"sub": SUBJECT, "aud": AUDIENCE, "exp": now + 60})).expect("signs");
        let fields = pairs(&[
            ("grantType", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("audience", AUDIENCE),
            ("subjectTokenType", "urn:ietf:params:oauth:token-type:jwt"),
            ("subjectToken", &subject),
        ]);
        let (code, reply) = answer(&keys, "token.exchange", &fields, now);
        assert_eq!(code, 200, "{reply}");
        let token = reply["access_token"].as_str().expect("a token");
        assert_eq!(who(&keys.public(), token, now).expect("known").email, principal(SUBJECT));

        let given = impersonate(&keys, ACCOUNT, &json!({"scope": [SCOPE], "lifetime": "600s"}), now).expect("given");
        assert_eq!(
            who(&keys.public(), given["accessToken"].as_str().expect("a token"), now).expect("known").email,
            ACCOUNT
        );
        assert!(impersonate(&keys, ACCOUNT, &json!({"scope": [SCOPE], "lifetime": "7200s"}), now).is_err());
        assert!(impersonate(&keys, ACCOUNT, &json!({}), now).is_err());
    }

    #[test]
    fn a_self_signed_token_is_a_token() {
        let keys = Keys::generate().expect("a key");
        let now = 1_800_000_000;
        let claims = json!({"iss": ACCOUNT, "sub": ACCOUNT, "scope": SCOPE, "iat": now - 10, "exp": now + 3_590});
        let signed = keys.sign(&claims).expect("signs");
        assert_eq!(who(&keys.public(), &signed, now).expect("known").email, ACCOUNT);
        assert_eq!(who(&keys.public(), &signed, now + 3_600), Err(true));
        let other = Keys::generate().expect("a key").sign(&claims).expect("signs");
        assert_eq!(who(&keys.public(), &other, now), Err(false));
    }
}
