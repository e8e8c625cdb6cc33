//! Entra: tokens for applications, and the judgement of tokens.
//!
//! Tokens are signed with a key of the sandbox's own and live in real time. A client secret is believed, so is a federated
//! token that this sandbox signed, and what the application's certificate signed; nothing else is.

use super::{
    CLIENT_ID, OBJECT_ID, TENANT,
    certificate::{Certificate, Doubt},
    wire::ArmError,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The server application of AKS.
pub const AKS_SERVER: &str = "6dae42f8-4368-4678-94ff-3960e28e3630";
/// Audiences that ARM takes.
const MANAGEMENT: &[&str] = &[
    "https://management.azure.com",
    "https://management.azure.com/",
    "https://management.core.windows.net",
    "https://management.core.windows.net/",
];
/// The tenant's first domain, by which it may be called.
const DOMAIN: &str = "kubewrightsandbox.onmicrosoft.com";
/// How long a token lives.
const LIFETIME_SECS: i64 = 3_599;
/// What federated tokens are for.
const EXCHANGE: &str = "api://AzureADTokenExchange";
/// Who signs federated tokens here.
const ISSUER: &str = "https://tokens.sandbox.kubewright.invalid";

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Application.
    pub app: String,
    /// Object id of its service principal: what role assignments name.
    pub object: String,
    /// Tenant.
    pub tenant: String,
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The secret of the pretend application.
pub fn client_secret() -> String {
    let digest = hex(Sha256::digest("kubewright sandbox client secret"));
    format!("sbx8Q~{}", &digest[..34])
}

fn signature(text: &str) -> Vec<u8> {
    let key = Sha256::digest("kubewright sandbox token key");
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes keys of any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn sign(claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let head = json!({"typ": "JWT", "alg": "HS256", "kid": "kubewright-sandbox"});
    let text = format!("{}.{}", part(&head), part(claims));
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature(&text)))
}

/// The claims of a token that was signed here; `None` for any other.
fn claims(token: &str) -> Option<Value> {
    let (text, given) = token.rsplit_once('.')?;
    let given = URL_SAFE_NO_PAD.decode(given).ok()?;
    if given != signature(text) {
        return None;
    }
    let body = URL_SAFE_NO_PAD.decode(text.split_once('.')?.1).ok()?;
    serde_json::from_slice(&body).ok()
}

/// A token for an audience.
pub fn token(audience: &str, now: Timestamp) -> String {
    let now = now.as_second();
    sign(&json!({
        "aud": audience, "iss": format!("https://sts.windows.net/{TENANT}/"), "iat": now - 300, "nbf": now - 300,
        "exp": now + LIFETIME_SECS, "appid": CLIENT_ID, "appidacr": "1", "idtyp": "app", "oid": OBJECT_ID,
        "sub": OBJECT_ID, "tid": TENANT, "uti": &hex(Sha256::digest(now.to_string()))[..22], "ver": "1.0",
    }))
}

/// A federated token, as a pipeline or a cluster would hand to its programs.
pub fn federated_token(now: Timestamp) -> String {
    let now = now.as_second();
    let ten_years = 10 * 365 * 24 * 3600;
    sign(&json!({"iss": ISSUER, "sub": "sandbox", "aud": EXCHANGE, "iat": now, "nbf": now, "exp": now + ten_years}))
}

/// What Entra answers: a status and a document.
pub type Reply = (u16, Value);

fn refuse(http: u16, error: &str, number: u32, why: &str, trace: &str, now: Timestamp) -> Reply {
    let at = now.strftime("%Y-%m-%d %H:%M:%SZ").to_string();
    let text = format!("AADSTS{number}: {why} Trace ID: {trace} Correlation ID: {trace} Timestamp: {at}");
    let body = json!({
        "error": error, "error_description": text, "error_codes": [number], "timestamp": at, "trace_id": trace,
        "correlation_id": trace, "error_uri": format!("https://login.microsoftonline.com/error?code={number}"),
    });
    (http, body)
}

fn is_tenant(name: &str) -> bool {
    name.eq_ignore_ascii_case(TENANT) || name.eq_ignore_ascii_case(DOMAIN)
}

/// What tokens are judged by.
pub(super) struct Directory<'a> {
    /// The application's certificate, if it has one.
    pub(super) application: Option<&'a Certificate>,
    /// Where this is: `https://localhost:4714`.
    pub(super) host: &'a str,
}

impl Directory<'_> {
    /// Why an assertion that the sandbox did not sign itself is refused; `None` where it is the certificate's.
    fn doubts(&self, assertion: &str, tenant: &str, now: Timestamp) -> Option<(u32, &'static str)> {
        const UNVERIFIED: &str = "The signature of the client assertion could not be verified.";
        let audience = format!("{}/{tenant}/oauth2/v2.0/token", self.host);
        let Some(application) = self.application else { return Some((700_027, UNVERIFIED)) };
        Some(match application.judge(assertion, &audience, now.as_second()).err()? {
            Doubt::OtherCertificate => (
                700_027,
                "The certificate with identifier used to sign the client assertion is not registered on application.",
            ),
            Doubt::Signature => (700_027, UNVERIFIED),
            Doubt::Audience => (700_023, "Client assertion audience claim does not match Realm issuer."),
            Doubt::Issuer => (700_021, "Client assertion application identifier doesn't match 'client_id' parameter."),
            Doubt::Time => (700_024, "Client assertion is not within its valid time range."),
        })
    }
}

/// `POST /{tenant}/oauth2/v2.0/token`.
pub(super) fn issue(
    directory: &Directory<'_>,
    tenant: &str,
    form: &[(String, String)],
    trace: &str,
    now: Timestamp,
) -> Reply {
    let get = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let refuse = |http, error, number, why: &str| refuse(http, error, number, why, trace, now);
    if !is_tenant(tenant) {
        let why = format!(
            "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud."
        );
        return refuse(400, "invalid_request", 90_002, &why);
    }
    let missing = ["grant_type", "client_id", "scope"].into_iter().find(|name| get(name).is_none());
    if let Some(name) = missing {
        let why = format!("The request body must contain the following parameter: '{name}'.");
        return refuse(400, "invalid_request", 900_144, &why);
    }
    let app = get("client_id").unwrap_or_default();
    if !app.eq_ignore_ascii_case(CLIENT_ID) {
        let why = format!("Application with identifier '{app}' was not found in the directory 'kubewright sandbox'.");
        return refuse(400, "unauthorized_client", 700_016, &why);
    }
    if get("grant_type") != Some("client_credentials") {
        let why = format!("The app requested an unsupported grant type '{}'.", get("grant_type").unwrap_or_default());
        return refuse(400, "unsupported_grant_type", 70_003, &why);
    }
    match (get("client_secret"), get("client_assertion")) {
        (None, None) => {
            let why = "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.";
            return refuse(401, "invalid_client", 7_000_218, why);
        }
        (Some(secret), _) if secret != client_secret() => {
            let why = format!(
                "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '{app}'."
            );
            return refuse(401, "invalid_client", 7_000_215, &why);
        }
        (Some(_), _) => {}
        (None, Some(assertion)) => {
            if get("client_assertion_type") != Some("urn:ietf:params:oauth:client-assertion-type:jwt-bearer") {
                let why = "The request body must contain the following parameter: 'client_assertion_type'.";
                return refuse(400, "invalid_request", 900_144, why);
            }
            match claims(assertion) {
                None => {
                    if let Some((number, why)) = directory.doubts(assertion, tenant, now) {
                        return refuse(401, "invalid_client", number, why);
                    }
                }
                Some(claims) if claims["iss"] != json!(ISSUER) || claims["aud"] != json!(EXCHANGE) => {
                    let why = format!(
                        "No matching federated identity record found for presented assertion issuer {}.",
                        claims["iss"]
                    );
                    return refuse(401, "invalid_client", 700_211, &why);
                }
                Some(claims) if claims["exp"].as_i64().unwrap_or_default() <= now.as_second() => {
                    let why = "Client assertion is not within its valid time range.";
                    return refuse(401, "invalid_client", 700_024, why);
                }
                Some(_) => {}
            }
        }
    }
    let scope = get("scope").unwrap_or_default();
    let wanted: Vec<&str> =
        scope.split(' ').filter(|one| !matches!(*one, "" | "openid" | "offline_access" | "profile")).collect();
    let [one] = wanted.as_slice() else {
        let why =
            format!("The provided request must include a 'scope' input parameter with one resource, not '{scope}'.");
        return refuse(400, "invalid_scope", 70_011, &why);
    };
    let Some(resource) = one.strip_suffix("/.default") else {
        let why =
            format!("The provided value for the input parameter 'scope' is not valid. The scope {scope} is not valid.");
        return refuse(400, "invalid_scope", 1_002_012, &why);
    };
    let bare = resource.trim_start_matches("api://");
    let audience = if bare == AKS_SERVER { AKS_SERVER } else { resource };
    if audience != AKS_SERVER && !MANAGEMENT.contains(&resource) {
        let why =
            format!("The resource principal named {resource} was not found in the tenant named kubewright sandbox.");
        return refuse(400, "invalid_resource", 500_011, &why);
    }
    let body = json!({
        "token_type": "Bearer", "expires_in": LIFETIME_SECS, "ext_expires_in": LIFETIME_SECS,
        "access_token": token(audience, now),
    });
    (200, body)
}

/// Everything else that clients ask Entra before they ask for a token; `None` where there is nothing of the kind.
pub fn discover(path: &[&str], host: &str) -> Option<Reply> {
    let tenant = path.first().copied().unwrap_or_default();
    let known = is_tenant(tenant) || matches!(tenant, "common" | "organizations");
    let named = if is_tenant(tenant) { TENANT } else { "{tenantid}" };
    match &path[1..] {
        [".well-known", "openid-configuration"] | ["v2.0", ".well-known", "openid-configuration"] if known => {
            let at = format!("{host}/{tenant}/oauth2/v2.0");
            Some((
                200,
                json!({
                    "token_endpoint": format!("{at}/token"),
                    "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
                    "jwks_uri": format!("{host}/{tenant}/discovery/v2.0/keys"),
                    "response_modes_supported": ["query", "fragment", "form_post"],
                    "subject_types_supported": ["pairwise"],
                    "id_token_signing_alg_values_supported": ["RS256"],
                    "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
                    "scopes_supported": ["openid", "profile", "email", "offline_access"],
                    "issuer": format!("{host}/{named}/v2.0"),
                    "authorization_endpoint": format!("{at}/authorize"),
                    "device_authorization_endpoint": format!("{at}/devicecode"),
                    "end_session_endpoint": format!("{at}/logout"),
                    "tenant_region_scope": "NA",
                    "cloud_instance_name": "microsoftonline.com",
                }),
            ))
        }
        [".well-known", "openid-configuration"] | ["v2.0", ".well-known", "openid-configuration"] => {
            let why = format!(
                "AADSTS90002: Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud."
            );
            Some((400, json!({"error": "invalid_tenant", "error_description": why, "error_codes": [90_002]})))
        }
        ["discovery", "v2.0", "keys"] => Some((200, json!({"keys": []}))),
        ["discovery", "instance"] => {
            let bare = host.trim_start_matches("https://");
            Some((
                200,
                json!({
                    "tenant_discovery_endpoint": format!("{host}/{TENANT}/v2.0/.well-known/openid-configuration"),
                    "api-version": "1.1",
                    "metadata": [{"preferred_network": bare, "preferred_cache": bare, "aliases": [bare]}],
                }),
            ))
        }
        _ => None,
    }
}

fn unauthorized(code: &str, message: impl Into<String>) -> ArmError {
    let challenge = format!(
        "Bearer authorization_uri=\"https://login.windows.net/{TENANT}\", error=\"invalid_token\", error_description=\"The access token is invalid.\""
    );
    ArmError::new(401, code, message).with_header("www-authenticate", challenge)
}

/// ARM's words for a token whose time is over.
pub fn expired(at: Timestamp) -> ArmError {
    let utc = at.strftime("%m/%d/%Y %I:%M:%S %p").to_string();
    unauthorized(
        "ExpiredAuthenticationToken",
        format!("The access token expiry UTC time '{utc}' is earlier than current UTC time."),
    )
}

/// Who the bearer of a token is, to ARM.
///
/// # Errors
/// 401, in ARM's words.
pub fn authenticate(authorization: Option<&str>, now: Timestamp) -> Result<Caller, ArmError> {
    let Some(header) = authorization else {
        return Err(unauthorized(
            "AuthenticationFailed",
            "Authentication failed. The 'Authorization' header is missing.",
        ));
    };
    let bearer = header.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let Some((_, token)) = bearer else {
        let message = "Authentication failed. The 'Authorization' header is provided in an invalid format.";
        return Err(unauthorized("AuthenticationFailedInvalidHeader", message));
    };
    let caller = judge(token.trim(), now, |audience| MANAGEMENT.contains(&audience))?;
    Ok(caller)
}

/// Who the bearer of a token is, to an audience.
///
/// # Errors
/// 401, in ARM's words.
pub fn judge(token: &str, now: Timestamp, takes: impl Fn(&str) -> bool) -> Result<Caller, ArmError> {
    let Some(claims) = claims(token) else {
        return Err(unauthorized("InvalidAuthenticationToken", "The access token is invalid."));
    };
    let text = |key: &str| claims[key].as_str().unwrap_or_default().to_owned();
    if text("tid") != TENANT {
        let message = format!(
            "The access token is from the wrong issuer '{}'. It must match the tenant 'https://sts.windows.net/{TENANT}/' associated with this subscription. Please use the authority (URL) 'https://login.windows.net/{TENANT}' to get the token. Note, if the subscription is transferred to another tenant there is no impact to the services, but information about new tenant could take time to propagate (up to an hour). If you just transferred your subscription and see this error message, please try back later.",
            text("iss")
        );
        return Err(unauthorized("InvalidAuthenticationTokenTenant", message));
    }
    let audience = text("aud");
    if !takes(&audience) {
        let message = format!(
            "The access token has been obtained for wrong audience or resource '{audience}'. It should exactly match with one of the allowed audiences 'https://management.core.windows.net/','https://management.core.windows.net','https://management.azure.com/','https://management.azure.com'."
        );
        return Err(unauthorized("InvalidAuthenticationTokenAudience", message));
    }
    let ends = claims["exp"].as_i64().unwrap_or_default();
    if ends <= now.as_second() {
        return Err(expired(Timestamp::from_second(ends).unwrap_or(now)));
    }
    Ok(Caller { app: text("appid"), object: text("oid"), tenant: text("tid") })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-01-01T00:00:00Z".parse().expect("a time")
    }

    fn ask(changes: &[(&str, &str)]) -> Reply {
        let secret = client_secret();
        let mut form = vec![
            ("grant_type", "client_credentials"),
            ("client_id", CLIENT_ID),
            ("client_secret", secret.as_str()),
            ("scope", "https://management.azure.com/.default"),
        ];
        form.retain(|(name, _)| !changes.iter().any(|(other, _)| other == name));
        form.extend(changes.iter().filter(|(_, value)| !value.is_empty()));
        let form: Vec<_> = form.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        issue(&Directory { application: None, host: "https://localhost:1" }, TENANT, &form, "trace", now())
    }

    #[test]
    fn secrets_and_federated_tokens_are_exchanged() {
        let (http, body) = ask(&[]);
        assert_eq!((http, body["token_type"].as_str()), (200, Some("Bearer")));
        let bearer = format!("Bearer {}", body["access_token"].as_str().expect("a token"));
        let caller = authenticate(Some(&bearer), now()).expect("known");
        assert_eq!((caller.app.as_str(), caller.object.as_str()), (CLIENT_ID, OBJECT_ID));
        let assertion = federated_token(now());
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        let by_assertion =
            [("client_secret", ""), ("client_assertion", assertion.as_str()), ("client_assertion_type", kind)];
        assert_eq!(ask(&by_assertion).0, 200);
    }

    #[test]
    fn what_the_certificate_signed_is_believed_for_what_it_says_only() {
        let pair = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).expect("a key");
        let (application, file) = Certificate::over(&pair).expect("made");
        let again = Certificate::over(&pair).expect("made").1;
        assert_eq!(file, again, "the same key makes the same certificate");
        let pem = file.split("-----BEGIN CERTIFICATE-----").nth(1).expect("a certificate");
        let body: String = pem.lines().take_while(|line| !line.starts_with("-----END")).collect();
        let der = base64::prelude::BASE64_STANDARD.decode(body).expect("base64");
        let thumbprint = URL_SAFE_NO_PAD.encode(Sha256::digest(der));
        let at = format!("https://localhost:1/{TENANT}/oauth2/v2.0/token");
        let (now, part) = (now(), |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string()));
        let number = |change: (&str, Value)| {
            let mut head = json!({"alg": "RS256", "typ": "JWT", "x5t#S256": thumbprint});
            let mut says = json!({"aud": at, "iss": CLIENT_ID, "sub": CLIENT_ID, "jti": "1",
                "nbf": now.as_second() - 1, "exp": now.as_second() + 600});
            let of = if head.get(change.0).is_some() { &mut head } else { &mut says };
            of[change.0] = change.1;
            let text = format!("{}.{}", part(&head), part(&says));
            let signature = rcgen::SigningKey::sign(&pair, text.as_bytes()).expect("signs");
            let assertion = format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature));
            let directory = Directory { application: Some(&application), host: "https://localhost:1" };
            directory.doubts(&assertion, TENANT, now).map(|(number, _)| number)
        };
        assert_eq!(number(("typ", json!("JWT"))), None);
        assert_eq!(number(("x5t#S256", json!("another"))), Some(700_027));
        assert_eq!(number(("alg", json!("none"))), Some(700_027));
        assert_eq!(number(("alg", json!("PS256"))), Some(700_027), "signed another way than it says");
        assert_eq!(number(("aud", json!("https://localhost:1"))), Some(700_023));
        assert_eq!(number(("sub", json!("other"))), Some(700_021));
        assert_eq!(number(("exp", json!(now.as_second()))), Some(700_024));
        assert_eq!(number(("jti", Value::Null)), Some(700_024));
    }

    #[test]
    fn what_is_wrong_is_refused_in_entras_words() {
        let number = |changes: &[(&str, &str)]| ask(changes).1["error_codes"][0].as_u64().expect("a number");
        assert_eq!(number(&[("client_secret", "guess")]), 7_000_215);
        assert_eq!(number(&[("client_id", "00000000-0000-0000-0000-000000000000")]), 700_016);
        assert_eq!(number(&[("scope", "https://vault.azure.net/.default")]), 500_011);
        assert_eq!(number(&[("scope", "")]), 900_144);
        assert_eq!(number(&[("grant_type", "password")]), 70_003);
        assert_eq!(number(&[("client_secret", "")]), 7_000_218);
        let nowhere = Directory { application: None, host: "" };
        assert_eq!(issue(&nowhere, "nobody", &[], "t", now()).1["error_codes"][0], 90_002);
    }

    #[test]
    fn arm_takes_only_its_own_tokens_in_their_time() {
        let code =
            |authorization: Option<&str>, at: Timestamp| authenticate(authorization, at).expect_err("refused").code;
        assert_eq!(code(None, now()), "AuthenticationFailed");
        assert_eq!(code(Some("Basic x"), now()), "AuthenticationFailedInvalidHeader");
        assert_eq!(code(Some("Bearer x.y.z"), now()), "InvalidAuthenticationToken");
        let good = format!("Bearer {}", token(MANAGEMENT[0], now()));
        let later = now() + std::time::Duration::from_secs(3_600);
        assert_eq!(code(Some(&good), later), "ExpiredAuthenticationToken");
        let other = format!("Bearer {}", token(AKS_SERVER, now()));
        assert_eq!(code(Some(&other), now()), "InvalidAuthenticationTokenAudience");
        let foreign = sign(&json!({"tid": "other", "aud": MANAGEMENT[0], "exp": now().as_second() + 9}));
        assert_eq!(code(Some(&format!("Bearer {foreign}")), now()), "InvalidAuthenticationTokenTenant");
    }
}
