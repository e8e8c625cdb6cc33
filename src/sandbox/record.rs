//! What the clouds' ports were asked and what they answered, for those who judge both from outside: one JSON object a line
//! in a file of this server's own. Kept only where `KUBEWRIGHT_SANDBOX_RECORD` names a directory.
//!
//! It changes nothing of an exchange, and keeps no secret: headers that authorize, the bodies of calls for tokens, and
//! fields that hold keys are left out, though they open nothing but the pretend clouds.

use super::{
    SandboxError,
    server::{Body, full},
};
use crate::store;
use http_body_util::BodyExt;
use hyper::{HeaderMap, Response, http::request::Parts};
use serde_json::{Map, Value, json};
use std::{
    io::Write,
    path::Path,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// Headers that authorize.
const SECRET_HEADERS: &[&str] = &["authorization", "cookie", "proxy-authorization", "x-amz-security-token"];
/// Fields that hold keys, whatever they stand in.
const SECRET_FIELDS: &[&str] =
    &["privateKeyData", "clientKey", "password", "access_token", "accessToken", "secretText"];
/// What stands in their place: valid wherever base64 is asked for.
const WITHHELD: &str = "d2l0aGhlbGQ=";

/// The file that exchanges are kept in, if any.
pub struct Recorder(Option<Mutex<Box<dyn Write + Send>>>);

impl Recorder {
    /// Begins a file in this directory, named by the process and how many servers it had before.
    ///
    /// # Errors
    /// The directory cannot be used.
    pub fn open(dir: Option<&Path>, pid: u32) -> Result<Self, SandboxError> {
        static SERVERS: AtomicU64 = AtomicU64::new(1);
        let Some(dir) = dir else { return Ok(Self(None)) };
        store::make_shared_dir(dir)?;
        let nth = SERVERS.fetch_add(1, Ordering::SeqCst);
        let file = store::begin_shared(&dir.join(format!("{pid}-{nth}.jsonl")))?;
        Ok(Self(Some(Mutex::new(Box::new(file)))))
    }

    /// Keeps a request with its answer, which is handed through. `None` is a connection that is dropped.
    pub async fn keep(
        &self,
        cloud: &str,
        parts: &Parts,
        body: &[u8],
        answer: Option<Response<Body>>,
    ) -> Option<Response<Body>> {
        let Some(file) = &self.0 else { return answer };
        let (answer, line) = match answer {
            None => (None, line(cloud, parts, body, None)),
            Some(answer) => {
                let (head, reply) = answer.into_parts();
                let reply = reply.collect().await.ok()?.to_bytes();
                let line = line(cloud, parts, body, Some((head.status.as_u16(), &head.headers, &reply)));
                (Some(Response::from_parts(head, full(reply))), line)
            }
        };
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = file.write_all(format!("{line}\n").as_bytes()) {
            tracing::error!(%error, "an exchange could not be recorded");
        }
        answer
    }
}

fn line(cloud: &str, parts: &Parts, body: &[u8], answer: Option<(u16, &HeaderMap, &[u8])>) -> Value {
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let token = is_for_a_token(cloud, parts);
    let path = if token { parts.uri.path() } else { path };
    let text = |bytes: &[u8]| if token { Value::Null } else { Value::String(masked(parts.uri.path(), bytes)) };
    let (status, reply_headers, reply) = match answer {
        Some((status, heads, reply)) => (status, headers(heads), text(reply)),
        None => (0, Map::new(), Value::Null),
    };
    json!({
        "cloud": cloud,
        "method": parts.method.as_str(),
        "path": path,
        "headers": headers(&parts.headers),
        "body": text(body),
        "status": status,
        "replyHeaders": reply_headers,
        "reply": reply,
    })
}

/// Whether the call is for credentials, or is itself one: then neither its body nor its reply is kept.
fn is_for_a_token(cloud: &str, parts: &Parts) -> bool {
    let path = parts.uri.path().to_ascii_lowercase();
    match cloud {
        "aws" => signing_scope(&parts.headers).is_none_or(|scope| scope.contains("/sts/")),
        _ => path.ends_with("token") || path.contains("/oauth2/") || path.contains("/metadata/identity"),
    }
}

/// What a signature was made for, which tells the service: `20261127/us-east-1/ec2/aws4_request`.
fn signing_scope(headers: &HeaderMap) -> Option<&str> {
    let authorization = headers.get("authorization")?.to_str().ok()?;
    let (_, credential) = authorization.split_once("Credential=")?;
    let (_, scope) = credential.split_once('/')?;
    scope.split(',').next()
}

fn headers(from: &HeaderMap) -> Map<String, Value> {
    let shown = from.iter().filter(|(name, _)| !SECRET_HEADERS.contains(&name.as_str()));
    let mut shown: Map<String, Value> = shown
        .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned().into()))
        .collect();
    if let Some(scope) = signing_scope(from) {
        shown.insert("authorization".to_owned(), format!("AWS4-HMAC-SHA256 Credential=-/{scope}").into());
    }
    shown
}

/// A body without what opens anything.
fn masked(path: &str, body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let credentials = path.to_ascii_lowercase().ends_with("credential");
    if !credentials && !SECRET_FIELDS.iter().any(|field| text.contains(field)) {
        return text.into_owned();
    }
    match serde_json::from_str(&text) {
        Ok(mut value) => {
            mask(&mut value, credentials);
            value.to_string()
        }
        Err(_) => WITHHELD.to_owned(),
    }
}

fn mask(value: &mut Value, credentials: bool) {
    match value {
        Value::Object(map) => {
            for (name, inner) in map {
                if inner.is_string() && (SECRET_FIELDS.contains(&name.as_str()) || credentials && name == "value") {
                    *inner = WITHHELD.into();
                }
                mask(inner, credentials);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|inner| mask(inner, credentials)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::Request;

    fn request(path: &str, authorization: &str) -> Parts {
        Request::get(path)
            .header("authorization", authorization)
            .header("if-match", "7")
            .body(())
            .unwrap()
            .into_parts()
            .0
    }

    const SIGNED: &str =
        "AWS4-HMAC-SHA256 Credential=AKIAKEY/20261127/us-east-1/ec2/aws4_request, SignedHeaders=host, Signature=0f0f";

    #[tokio::test]
    async fn what_was_said_is_kept_and_handed_through() {
        let dir = tempfile::tempdir().unwrap();
        let recorder = Recorder::open(Some(&dir.path().join("in/it")), 7).unwrap();
        let answer = Response::builder().status(201).header("etag", "8").body(full("{\"name\":\"x\"}")).unwrap();
        let parts = request("/v1/projects/p?fields=name", "Bearer canary");
        let back = recorder.keep("gcp", &parts, b"{\"a\":1}", Some(answer)).await.unwrap();
        assert_eq!(back.into_body().collect().await.unwrap().to_bytes(), "{\"name\":\"x\"}");
        assert!(recorder.keep("gcp", &parts, b"", None).await.is_none(), "a dropped connection stays one");
        let [file] = store::file_names(&dir.path().join("in/it")).try_into().unwrap();
        let text = store::read_text(&dir.path().join("in/it").join(file), 1 << 20).unwrap();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let first = json!({
            "cloud": "gcp", "method": "GET", "path": "/v1/projects/p?fields=name", "headers": {"if-match": "7"}, "body": "{\"a\":1}",
            "status": 201, "replyHeaders": {"etag": "8"}, "reply": "{\"name\":\"x\"}",
        });
        assert_eq!(lines[0], first);
        assert_eq!((&lines[1]["status"], &lines[1]["reply"]), (&json!(0), &Value::Null));
    }

    #[tokio::test]
    async fn nothing_is_kept_unasked() {
        let recorder = Recorder::open(None, 7).unwrap();
        assert!(recorder.keep("aws", &request("/", SIGNED), b"", Some(Response::new(full("x")))).await.is_some());
    }

    #[test]
    fn no_secret_is_kept() {
        let answer = HeaderMap::new();
        let reply = |reply: &'static str| Some((200, &answer, reply.as_bytes()));
        let signed = line("aws", &request("/", SIGNED), b"Action=DescribeVpcs", reply("<ok/>"));
        assert_eq!(
            signed["headers"]["authorization"],
            "AWS4-HMAC-SHA256 Credential=-/20261127/us-east-1/ec2/aws4_request"
        );
        assert_eq!(signed["body"], "Action=DescribeVpcs");
        let role = SIGNED.replace("/ec2/", "/sts/");
        let kept = [
            signed,
            line("aws", &request("/?X-Amz-Signature=canary", &role), b"canary", reply("canary")),
            line(
                "gcp",
                &request("/token", "Bearer canary"),
                b"assertion=canary",
                reply("{\"access_token\":\"canary\"}"),
            ),
            line("azure", &request("/t/oauth2/v2.0/token", "Basic canary"), b"client_secret=canary", reply("canary")),
            line(
                "azure",
                &request("/c/listClusterUserCredential", "x"),
                b"",
                reply("{\"kubeconfigs\":[{\"value\":\"canary\"}]}"),
            ),
            line("gcp", &request("/v1/keys", "x"), b"", reply("{\"privateKeyData\":\"canary\"}")),
            line("gcp", &request("/v1/keys", "x"), b"", reply("half a {\"privateKeyData\":\"canary")),
        ];
        for it in &kept {
            let text = it.to_string();
            assert!(!["canary", "AKIAKEY", "0f0f"].iter().any(|secret| text.contains(secret)), "{text}");
        }
        assert!(kept[4].to_string().contains("kubeconfigs"), "the rest of such a reply is kept");
    }
}
