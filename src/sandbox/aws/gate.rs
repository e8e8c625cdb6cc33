//! The AWS port: who signed, which service, which operation, then the call under its faults, then the vendor's envelope.

use super::{
    ApiError, Aws, CallCx, Caller, Params, Protocol, Reply, Service, iam, is_mutating,
    protocol::{self, Rendered, query, rest_json},
    regions, sigv4, sts,
};
use crate::model::Cloud;
use crate::sandbox::{
    hub::{Call, Hub, Refusal},
    server::{Body, full},
    world::{Closed, Scope, Tx, WorldError},
};
use hyper::{Response, http::request::Parts};
use jiff::Timestamp;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What the service answers, or that the sandbox's own disk failed.
enum Trouble {
    Api(ApiError),
    World(WorldError),
}

impl From<WorldError> for Trouble {
    fn from(error: WorldError) -> Self {
        Self::World(error)
    }
}

/// Which operation a request names.
struct Target {
    protocol: Protocol,
    op: String,
    version: Option<String>,
    /// Parameters of query calls and the query strings of REST calls, decoded.
    pairs: Vec<(String, String)>,
    path: BTreeMap<&'static str, String>,
}

/// Answers one request; `None` drops the connection.
pub async fn handle(aws: &Aws, hub: &Hub, parts: &Parts, body: &[u8]) -> Option<Response<Body>> {
    let headers: Vec<(String, String)> = parts
        .headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    let signed = sigv4::Signed {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: parts.uri.query().unwrap_or_default(),
        headers: &headers,
        body,
    };
    let request_id = hub.transact(|tx| Ok::<_, WorldError>(tx.uuid())).unwrap_or_default();
    let guessed = guess_protocol(&signed);
    let refuse = |protocol, error: ApiError| {
        tracing::debug!(code = %error.code, message = %error.message, "refused before any service");
        Some(respond(hub.wall(), protocol::render(protocol, "Unknown", &request_id, &Err(error))))
    };
    let claim = match sigv4::claim(&signed) {
        Ok(claim) => claim,
        Err(error) => return refuse(guessed, auth_words(guessed, error)),
    };
    let Some(service) = aws.service(&claim.service) else {
        let why = format!("Credential should be scoped to a service of the sandbox, not `{}`", claim.service);
        return refuse(guessed, auth_words(guessed, ApiError::new(403, "SignatureDoesNotMatch", why)));
    };
    let target = match find_target(service, &signed) {
        Ok(target) => target,
        Err(error) => return refuse(service.protocol(None), error),
    };
    let caller = match authenticate(hub, &signed, &claim) {
        Ok(caller) => caller,
        Err(Trouble::Api(error)) => return refuse(target.protocol, auth_words(target.protocol, error)),
        Err(Trouble::World(error)) => return refuse(target.protocol, disk_failed(&error)),
    };
    match hub.transact(|tx| Ok::<_, WorldError>(tx.in_force().closed.get(&claim.region).copied())).unwrap_or_default() {
        Some(Closed::Silent) => return None,
        Some(Closed::Off) => {
            let why = "The security token included in the request is invalid.";
            let error = ApiError::new(403, "InvalidClientTokenId", why);
            return refuse(target.protocol, auth_words(target.protocol, error));
        }
        // IAM and STS know no region to be kept out of, for such policies leave them out.
        Some(Closed::Denied) if !matches!(service.name(), "iam" | "sts") => {
            let action = format!("{}:{}", service.name(), target.op);
            return refuse(target.protocol, iam::forbidden(target.protocol, &caller, &action));
        }
        Some(Closed::Denied) | None => {}
    }
    let scope = Scope::new(&caller.account, &claim.region);
    let dry = target.pairs.iter().any(|(name, value)| name == "DryRun" && value == "true");
    let call = Call {
        service: service.name().to_owned(),
        op: target.op.clone(),
        mutating: is_mutating(&target.op) && !dry,
        shown: shown(&target, body),
    };
    let refusal = |refusal| match refusal {
        Refusal::Broken => Err(service.broken()),
        Refusal::Throttled => Err(service.throttled()),
        Refusal::NoCapacity => Err(service.no_capacity(&target.op)),
        Refusal::Expired => Err(auth_words(target.protocol, sts::expired())),
    };
    let effect = |fails_later: bool| {
        let result = hub.transact_in(Cloud::Aws, &scope, |tx| {
            if fails_later {
                tx.doom();
            }
            perform(service, &target, &caller, &scope, &request_id, body, tx)
        });
        let result = result.map_err(|trouble| match trouble {
            Trouble::Api(error) => error,
            Trouble::World(error) => disk_failed(&error),
        });
        let well = result.is_ok();
        (result, well)
    };
    let result = hub.endure(&call, refusal, effect).await?;
    if let Err(error) = &result {
        tracing::debug!(service = %call.service, op = %call.op, code = %error.code, message = %error.message, "refused");
    }
    Some(respond(hub.wall(), protocol::render(target.protocol, &target.op, &request_id, &result)))
}

fn disk_failed(error: &WorldError) -> ApiError {
    ApiError::new(500, "InternalFailure", format!("the sandbox's own disk: {error}"))
}

fn perform(
    service: &dyn Service,
    target: &Target,
    caller: &Caller,
    scope: &Scope,
    request_id: &str,
    body: &[u8],
    tx: &mut Tx<'_>,
) -> Result<Reply, Trouble> {
    let params = match target.protocol {
        Protocol::Ec2 => Params::new(target.pairs.clone(), "MissingParameter", "InvalidParameterValue"),
        Protocol::Query(_) => Params::new(target.pairs.clone(), "ValidationError", "ValidationError"),
        Protocol::Json(_) | Protocol::RestJson => {
            Params::new(target.pairs.clone(), "InvalidParameterException", "InvalidParameterException")
        }
    };
    let asked =
        iam::Request { service: service.name(), op: &target.op, pairs: &target.pairs, path: &target.path, body, scope };
    iam::authorize(tx, caller, target.protocol, &asked).map_err(Trouble::Api)?;
    let mut cx = CallCx {
        op: &target.op,
        version: target.version.as_deref(),
        params: params.clone(),
        path: target.path.clone(),
        body,
        caller,
        scope: scope.clone(),
        request_id,
        tx,
    };
    let result = service.call(&mut cx);
    let unknown = |name: &str| match target.protocol {
        Protocol::Ec2 => ApiError::bad("UnknownParameter", format!("The parameter {name} is not recognized")),
        Protocol::Query(_) => ApiError::bad("ValidationError", format!("The parameter {name} is not recognized")),
        Protocol::Json(_) => ApiError::bad("ValidationException", format!("The parameter {name} is not recognized")),
        Protocol::RestJson => {
            ApiError::bad("InvalidParameterException", format!("The parameter {name} is not recognized"))
        }
    };
    match (result, params.unread()) {
        (Err(error), _) => Err(Trouble::Api(error)),
        (Ok(_), Some(name)) => Err(Trouble::Api(unknown(name))),
        (Ok(reply), None) => Ok(reply),
    }
}

/// What protocol a request speaks that names no known service.
fn guess_protocol(request: &sigv4::Signed<'_>) -> Protocol {
    if request.headers.iter().any(|(name, _)| name == "x-amz-target") {
        return Protocol::Json("");
    }
    let (action, version, _) =
        query::parse(if request.body.is_empty() { request.query.as_bytes() } else { request.body });
    match (action, version.as_deref()) {
        (Some(_), Some("2016-11-15")) => Protocol::Ec2,
        (Some(_), _) => Protocol::Query(sts::NAMESPACE),
        (None, _) => Protocol::RestJson,
    }
}

fn find_target(service: &dyn Service, request: &sigv4::Signed<'_>) -> Result<Target, ApiError> {
    match service.protocol(None) {
        Protocol::Ec2 | Protocol::Query(_) => {
            let form = if request.body.is_empty() { request.query.as_bytes() } else { request.body };
            let (action, version, mut pairs) = query::parse(form);
            if request.path != "/" {
                return Err(ApiError::new(
                    404,
                    "InvalidAction",
                    format!("{} is no path of this service", request.path),
                ));
            }
            pairs.retain(|(name, _)| !name.starts_with("X-Amz-"));
            let op = action
                .ok_or_else(|| ApiError::bad("MissingAction", "The request must contain the parameter Action"))?;
            let version = version
                .ok_or_else(|| ApiError::bad("MissingParameter", "The request must contain the parameter Version"))?;
            let protocol = service.protocol(Some(&version));
            Ok(Target { protocol, op, version: Some(version), pairs, path: BTreeMap::new() })
        }
        protocol @ Protocol::Json(prefix) => {
            let target =
                request.headers.iter().find(|(name, _)| name == "x-amz-target").map(|(_, value)| value.as_str());
            let op = target.and_then(|target| target.split_once('.')).filter(|(given, _)| *given == prefix);
            let (_, op) = op.ok_or_else(|| {
                ApiError::bad("UnknownOperationException", "X-Amz-Target names no operation of this service")
            })?;
            Ok(Target { protocol, op: op.to_owned(), version: None, pairs: Vec::new(), path: BTreeMap::new() })
        }
        Protocol::RestJson => {
            let Some((op, path)) = rest_json::route(service.routes(), request.method, request.path) else {
                let why = format!("The sandbox has no {} {}", request.method, request.path);
                return Err(ApiError::new(404, "UnknownOperationException", why));
            };
            let (_, _, pairs) = query::parse(request.query.as_bytes());
            Ok(Target { protocol: Protocol::RestJson, op: op.to_owned(), version: None, pairs, path })
        }
    }
}

fn authenticate(hub: &Hub, signed: &sigv4::Signed<'_>, claim: &sigv4::Claim) -> Result<Caller, Trouble> {
    if !regions::exists(&claim.region) {
        let why = format!("Credential should be scoped to a valid region, not '{}'.", claim.region);
        return Err(Trouble::Api(ApiError::new(403, "SignatureDoesNotMatch", why)));
    }
    hub.transact(|tx| sts::authenticate(tx, signed, claim, hub.wall()).map_err(Trouble::Api))
}

/// The services word authentication failures differently.
fn auth_words(protocol: Protocol, error: ApiError) -> ApiError {
    let invalid_token = "The security token included in the request is invalid.";
    match (protocol, error.code.as_str()) {
        (Protocol::Ec2, "SignatureDoesNotMatch" | "InvalidClientTokenId") => {
            ApiError::new(401, "AuthFailure", "AWS was not able to validate the provided access credentials")
        }
        (Protocol::Ec2, "ExpiredToken") => ApiError::new(400, "RequestExpired", "Request has expired."),
        (Protocol::Json(_) | Protocol::RestJson, "SignatureDoesNotMatch") => {
            ApiError { code: "InvalidSignatureException".to_owned(), http: auth_status(protocol), ..error }
        }
        (Protocol::Json(_) | Protocol::RestJson, "InvalidClientTokenId") => {
            ApiError::new(auth_status(protocol), "UnrecognizedClientException", invalid_token)
        }
        (Protocol::Json(_) | Protocol::RestJson, "ExpiredToken") => {
            ApiError { code: "ExpiredTokenException".to_owned(), http: auth_status(protocol), ..error }
        }
        (Protocol::Json(_) | Protocol::RestJson, "MissingAuthenticationToken") => {
            ApiError { code: "MissingAuthenticationTokenException".to_owned(), http: auth_status(protocol), ..error }
        }
        _ => error,
    }
}

const fn auth_status(protocol: Protocol) -> u16 {
    match protocol {
        Protocol::Json(_) => 400,
        _ => 403,
    }
}

/// What a held call's control file says about the request.
fn shown(target: &Target, body: &[u8]) -> Value {
    let mut map = Map::new();
    for (name, value) in target
        .pairs
        .iter()
        .chain(target.path.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect::<Vec<_>>().iter())
    {
        map.insert(name.clone(), Value::String(value.clone()));
    }
    if matches!(target.protocol, Protocol::Json(_) | Protocol::RestJson) {
        map.insert("body".to_owned(), serde_json::from_slice(body).unwrap_or(Value::Null));
    }
    Value::Object(map)
}

/// Every answer says when it was given: by the same clock that signatures are judged by.
fn respond(at: Timestamp, rendered: Rendered) -> Response<Body> {
    let date = at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let mut builder = Response::builder().status(rendered.http).header("content-type", rendered.content_type);
    builder = builder.header("date", date);
    for (name, value) in rendered.headers {
        builder = builder.header(name, value);
    }
    builder.body(full(rendered.body)).expect("statuses and headers of the sandbox are valid")
}
