//! AWS Signature Version 4, checked as the vendor checks it: header-signed and presigned requests, in real time.

use super::ApiError;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// Everything but the unreserved characters is escaped.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";
/// How far client and server clocks may be apart, in seconds.
const SKEW_SECS: i64 = 300;
/// Life of a presigned STS request, in seconds.
const STS_LIFE_SECS: i64 = 900;
/// Longest life of a presigned request, in seconds.
const MAX_EXPIRES_SECS: i64 = 604_800;

/// What of a request is signed.
#[derive(Debug, Clone, Copy)]
pub struct Signed<'a> {
    /// Method.
    pub method: &'a str,
    /// Path as sent, still escaped.
    pub path: &'a str,
    /// Query string as sent.
    pub query: &'a str,
    /// Headers, names in lower case.
    pub headers: &'a [(String, String)],
    /// Body.
    pub body: &'a [u8],
}

impl Signed<'_> {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The query string's pairs, decoded. A `+` stays a plus: SigV4 escapes blanks as `%20`.
    fn pairs(&self) -> Vec<(String, String)> {
        let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let parts = self.query.split('&').filter(|part| !part.is_empty());
        parts.map(|part| part.split_once('=').unwrap_or((part, ""))).map(|(k, v)| (decode(k), decode(v))).collect()
    }
}

/// What the request says about who signed it; not yet proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Access key id.
    pub access_key: String,
    /// Region of the credential scope.
    pub region: String,
    /// Service of the credential scope.
    pub service: String,
    /// Session token sent along.
    pub session_token: Option<String>,
    date: String,
    stamp: String,
    signed_headers: Vec<String>,
    signature: String,
    /// Seconds a presigned request lives; none for header-signed ones.
    expires: Option<i64>,
}

/// Reads the claim from the `Authorization` header or the query.
pub fn claim(request: &Signed<'_>) -> Result<Claim, ApiError> {
    let incomplete = |what: &str| {
        ApiError::new(400, "IncompleteSignature", format!("Authorization header or query lacks a valid {what}"))
    };
    let pairs = request.pairs();
    let query = |name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    let (credential, signed, signature, stamp, token, expires) = match request.header("authorization") {
        Some(text) => {
            let fields = text.strip_prefix(ALGORITHM).ok_or_else(|| incomplete("algorithm"))?;
            let field = |name: &str| {
                let value = fields.split(',').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='));
                value.map(str::to_owned).ok_or_else(|| incomplete(name))
            };
            let stamp = request.header("x-amz-date").ok_or_else(|| incomplete("X-Amz-Date"))?.to_owned();
            let token = request.header("x-amz-security-token").map(str::to_owned);
            (field("Credential")?, field("SignedHeaders")?, field("Signature")?, stamp, token, None)
        }
        None if query("X-Amz-Algorithm").is_some() => {
            if query("X-Amz-Algorithm").as_deref() != Some(ALGORITHM) {
                return Err(incomplete("X-Amz-Algorithm"));
            }
            let need = |name: &str| query(name).ok_or_else(|| incomplete(name));
            let expires = match query("X-Amz-Expires") {
                None => MAX_EXPIRES_SECS,
                Some(text) => text
                    .parse()
                    .ok()
                    .filter(|secs| (1..=MAX_EXPIRES_SECS).contains(secs))
                    .ok_or_else(|| incomplete("X-Amz-Expires"))?,
            };
            let (credential, signed) = (need("X-Amz-Credential")?, need("X-Amz-SignedHeaders")?);
            let (signature, stamp) = (need("X-Amz-Signature")?, need("X-Amz-Date")?);
            (credential, signed, signature, stamp, query("X-Amz-Security-Token"), Some(expires))
        }
        None => {
            return Err(ApiError::new(403, "MissingAuthenticationToken", "Request is missing Authentication Token"));
        }
    };
    let scope: Vec<&str> = credential.split('/').collect();
    let &[access_key, date, region, service, "aws4_request"] = scope.as_slice() else {
        return Err(incomplete("Credential"));
    };
    Ok(Claim {
        access_key: access_key.to_owned(),
        region: region.to_owned(),
        service: service.to_owned(),
        session_token: token,
        date: date.to_owned(),
        stamp,
        signed_headers: signed.split(';').map(str::to_owned).collect(),
        signature,
        expires,
    })
}

/// Proves the claim with the secret. `now` is real time.
pub fn verify(request: &Signed<'_>, claim: &Claim, secret: &str, now: Timestamp) -> Result<(), ApiError> {
    check_time(claim, now)?;
    let refuse = |why: &str| Err(ApiError::new(403, "SignatureDoesNotMatch", why));
    if !claim.signed_headers.iter().any(|name| name == "host") {
        return refuse("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.");
    }
    if claim.signed_headers.iter().any(|name| request.header(name).is_none()) {
        return refuse("A signed header is missing from the request.");
    }
    let canonical = canonical_request(request, claim);
    let scope = format!("{}/{}/{}/aws4_request", claim.date, claim.region, claim.service);
    let to_sign = format!("{ALGORITHM}\n{}\n{scope}\n{}", claim.stamp, hex(&Sha256::digest(canonical.as_bytes())));
    let expected = signature(secret, &claim.date, &claim.region, &claim.service, &to_sign);
    // Both are digests of what the client sent and loopback-only secrets; a plain comparison reveals nothing of worth.
    if expected != claim.signature {
        return refuse(
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.",
        );
    }
    Ok(())
}

fn check_time(claim: &Claim, now: Timestamp) -> Result<(), ApiError> {
    let malformed = || ApiError::new(400, "IncompleteSignature", "Date must be in ISO-8601 'basic format'.");
    let signed_at = parse_stamp(&claim.stamp).ok_or_else(malformed)?;
    if !claim.stamp.starts_with(&claim.date) {
        let why =
            format!("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date: {}", claim.stamp);
        return Err(ApiError::new(403, "SignatureDoesNotMatch", why));
    }
    let age = now.as_second() - signed_at.as_second();
    if age < -SKEW_SECS {
        let why = format!("Signature not yet current: {} is still later than {now}", claim.stamp);
        return Err(ApiError::new(403, "SignatureDoesNotMatch", why));
    }
    // STS honours a presigned GetCallerIdentity for a quarter of an hour whatever X-Amz-Expires says; EKS tokens, signed
    // for 60 s and used for 14 minutes, rely on it.
    let expires = claim.expires.map(|life| if claim.service == "sts" { STS_LIFE_SECS } else { life });
    match expires {
        Some(life) if age > life => Err(ApiError::new(403, "ExpiredToken", "Request has expired.")),
        None if age > SKEW_SECS => {
            let why = format!("Signature expired: {} is now earlier than {now}", claim.stamp);
            Err(ApiError::new(403, "SignatureDoesNotMatch", why))
        }
        _ => Ok(()),
    }
}

impl Claim {
    /// When it was signed; none if that does not parse.
    pub fn signed_at(&self) -> Option<Timestamp> {
        parse_stamp(&self.stamp)
    }

    /// Whether this header is among the signed ones.
    pub fn signs(&self, header: &str) -> bool {
        self.signed_headers.iter().any(|name| name == header)
    }
}

/// `20260101T000000Z`.
fn parse_stamp(stamp: &str) -> Option<Timestamp> {
    if stamp.len() != 16 || !stamp.is_ascii() {
        return None;
    }
    let (date, time) = (&stamp[..8], &stamp[9..15]);
    let iso = format!("{}-{}-{}T{}:{}:{}Z", &date[..4], &date[4..6], &date[6..], &time[..2], &time[2..4], &time[4..]);
    (stamp.as_bytes()[8] == b'T' && stamp.ends_with('Z')).then(|| iso.parse().ok()).flatten()
}

fn canonical_request(request: &Signed<'_>, claim: &Claim) -> String {
    // The path is escaped once more: every service but S3.
    let path = match request.path {
        "" => "/".to_owned(),
        path => {
            path.split('/').map(|part| utf8_percent_encode(part, UNRESERVED).to_string()).collect::<Vec<_>>().join("/")
        }
    };
    let escape = |text: &str| utf8_percent_encode(text, UNRESERVED).to_string();
    let mut pairs: Vec<(String, String)> = request
        .pairs()
        .into_iter()
        .filter(|(name, _)| name != "X-Amz-Signature")
        .map(|(name, value)| (escape(&name), escape(&value)))
        .collect();
    pairs.sort();
    let query = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
    let mut headers = String::new();
    for name in &claim.signed_headers {
        let values = request
            .headers
            .iter()
            .filter(|(key, _)| key == name)
            .map(|(_, value)| value.split_ascii_whitespace().collect::<Vec<_>>().join(" "));
        let _ = writeln!(headers, "{name}:{}", values.collect::<Vec<_>>().join(","));
    }
    let payload = match request.header("x-amz-content-sha256") {
        Some(UNSIGNED_PAYLOAD) => UNSIGNED_PAYLOAD.to_owned(),
        _ => hex(&Sha256::digest(request.body)),
    };
    let signed = claim.signed_headers.join(";");
    format!("{}\n{path}\n{query}\n{headers}\n{signed}\n{payload}", request.method)
}

fn mac(key: &[u8], data: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(data.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// The signature of a string to sign.
fn signature(secret: &str, date: &str, region: &str, service: &str, to_sign: &str) -> String {
    let mut key = mac(format!("AWS4{secret}").as_bytes(), date);
    for part in [region, service, "aws4_request"] {
        key = mac(&key, part);
    }
    hex(&mac(&key, to_sign))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The query of a presigned GET, as a client makes it.
#[cfg(test)]
pub(in crate::sandbox) fn presign(
    (key, secret): (&str, &str),
    service: &str,
    query: &str,
    headers: &[(String, String)],
    stamp: &str,
) -> String {
    let date = &stamp[..8];
    let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
    let draft = format!(
        "{query}&X-Amz-Algorithm={ALGORITHM}&X-Amz-Credential={key}%2F{date}%2Fus-east-1%2F{service}%2Faws4_request&X-Amz-Date={stamp}&X-Amz-SignedHeaders={}&X-Amz-Expires=60&X-Amz-Signature=",
        names.join("%3B")
    );
    let draft = draft.trim_start_matches('&').to_owned();
    let request = Signed { method: "GET", path: "/", query: &draft, headers, body: b"" };
    let canonical = canonical_request(&request, &claim(&request).expect("a draft is readable"));
    let digest = hex(&Sha256::digest(canonical.as_bytes()));
    let to_sign = format!("{ALGORITHM}\n{stamp}\n{date}/us-east-1/{service}/aws4_request\n{digest}");
    format!("{draft}{}", signature(secret, date, "us-east-1", service, &to_sign))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

    fn headers(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    fn authorization(service: &str, signed: &str, signature: &str) -> String {
        format!(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/{service}/aws4_request, SignedHeaders={signed}, Signature={signature}"
        )
    }

    fn at(text: &str) -> Timestamp {
        text.parse().expect("valid")
    }

    /// The vendor's documented example and its published test suite (get-vanilla, get-vanilla-query-order-key-case,
    /// post-x-www-form-urlencoded).
    #[test]
    fn the_vendors_vectors_verify() {
        let form = "application/x-www-form-urlencoded; charset=utf-8";
        let vectors = [
            (
                "GET",
                "Action=ListUsers&Version=2010-05-08",
                "iam",
                "iam.amazonaws.com",
                Some(form),
                "",
                "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
            ),
            (
                "GET",
                "",
                "service",
                "example.amazonaws.com",
                None,
                "",
                "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
            ),
            (
                "GET",
                "Param2=value2&Param1=value1",
                "service",
                "example.amazonaws.com",
                None,
                "",
                "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            ),
            (
                "POST",
                "",
                "service",
                "example.amazonaws.com",
                Some("application/x-www-form-urlencoded"),
                "Param1=value1",
                "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
            ),
        ];
        for (method, query, service, host, content_type, body, signature) in vectors {
            let names = if content_type.is_some() { "content-type;host;x-amz-date" } else { "host;x-amz-date" };
            let authorization = authorization(service, names, signature);
            let mut given =
                headers(&[("host", host), ("x-amz-date", "20150830T123600Z"), ("authorization", &authorization)]);
            given.extend(content_type.map(|text| ("content-type".to_owned(), text.to_owned())));
            let request = Signed { method, path: "/", query, headers: &given, body: body.as_bytes() };
            let claim = claim(&request).expect("readable");
            assert_eq!((claim.access_key.as_str(), claim.service.as_str()), ("AKIDEXAMPLE", service));
            let now = at("2015-08-30T12:36:30Z");
            assert_eq!(verify(&request, &claim, SECRET, now), Ok(()), "{query} {body}");
            let wrong = verify(&request, &claim, "another", now).expect_err("refused");
            assert_eq!((wrong.http, wrong.code.as_str()), (403, "SignatureDoesNotMatch"));
            let tampered = Signed { body: b"x", ..request };
            assert!(verify(&tampered, &claim, SECRET, now).is_err());
        }
    }

    #[test]
    fn time_and_missing_parts_are_refused_in_the_vendors_words() {
        let authorization = authorization(
            "service",
            "host;x-amz-date",
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        );
        let given = headers(&[
            ("host", "example.amazonaws.com"),
            ("x-amz-date", "20150830T123600Z"),
            ("authorization", &authorization),
        ]);
        let request = Signed { method: "GET", path: "/", query: "", headers: &given, body: b"" };
        let known = claim(&request).expect("readable");
        let late = verify(&request, &known, SECRET, at("2015-08-30T12:41:01Z")).expect_err("refused");
        assert!(late.message.starts_with("Signature expired: 20150830T123600Z"), "{}", late.message);
        let early = verify(&request, &known, SECRET, at("2015-08-30T12:30:59Z")).expect_err("refused");
        assert!(early.message.starts_with("Signature not yet current"), "{}", early.message);
        let unsigned = Signed { headers: &given[..2], ..request };
        assert_eq!(claim(&unsigned).expect_err("refused").code, "MissingAuthenticationToken");
        let broken = headers(&[("authorization", "AWS4-HMAC-SHA256 Credential=x"), ("x-amz-date", "20150830T123600Z")]);
        let broken = Signed { headers: &broken, ..request };
        assert_eq!(claim(&broken).expect_err("refused").code, "IncompleteSignature");
    }

    #[test]
    fn presigned_requests_verify_until_they_expire() {
        let given = headers(&[("host", "example.amazonaws.com")]);
        let refused = |service: &str, now: &str| {
            let query = presign(("AKIDEXAMPLE", SECRET), service, "", &given, "20150830T123600Z");
            let request = Signed { method: "GET", path: "/", query: &query, headers: &given, body: b"" };
            verify(&request, &claim(&request).expect("readable"), SECRET, at(now)).err().map(|error| error.code)
        };
        assert_eq!(refused("service", "2015-08-30T12:36:59Z"), None);
        assert_eq!(refused("service", "2015-08-30T12:37:01Z").as_deref(), Some("ExpiredToken"));
        assert_eq!(refused("sts", "2015-08-30T12:50:59Z"), None, "a quarter of an hour, whatever it says");
        assert_eq!(refused("sts", "2015-08-30T12:51:01Z").as_deref(), Some("ExpiredToken"));
    }
}
