//! The Azure port: Entra's paths, then ARM: who bears the token, which type, which version, whether the caller may, whether
//! the namespace is registered and the group stands, whether the body fits; then the call under its faults.

use super::{
    SUBSCRIPTION, access,
    certificate::Certificate,
    containerservice, entra,
    path::Target,
    resources::{groups, providers},
    routes::{self, Matched},
    shapes, store,
    wire::{Answer, ArmError, Cx, Outcome},
};
use crate::{
    model::Cloud,
    sandbox::{
        hub::{Call, Hub, Refusal},
        server::{Body, full},
        world::{Closed, Scope, Tx, WorldError},
    },
};
use hyper::{Response, http::request::Parts};
use jiff::Timestamp;
use serde_json::{Value, json};

/// What is known of a request before anything is done.
pub(super) struct Request<'a> {
    pub(super) verb: &'a str,
    pub(super) target: Target,
    pub(super) matched: Matched,
    pub(super) query: Vec<(String, String)>,
    pub(super) if_match: Option<String>,
    pub(super) if_none_match: Option<String>,
    pub(super) content_type: Option<String>,
    pub(super) body: &'a [u8],
    pub(super) caller: entra::Caller,
}

/// Ids that every answer carries, and when it was given.
struct Marks {
    request: String,
    correlation: String,
    client: Option<String>,
    at: Timestamp,
}

fn header(parts: &Parts, name: &str) -> Option<String> {
    parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

fn pairs(text: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(text).map(|(key, value)| (key.into_owned(), value.into_owned())).collect()
}

/// Answers one request; `None` drops the connection.
pub async fn handle(
    hub: &Hub,
    application: Option<&Certificate>,
    parts: &Parts,
    body: &[u8],
) -> Option<Response<Body>> {
    let request = hub.transact(|tx| Ok::<_, WorldError>(tx.uuid())).unwrap_or_default();
    let returned = header(parts, "x-ms-return-client-request-id").is_some_and(|asked| asked == "true");
    let marks = Marks {
        correlation: header(parts, "x-ms-correlation-request-id").unwrap_or_else(|| request.clone()),
        client: header(parts, "x-ms-client-request-id").filter(|_| returned),
        request,
        at: hub.wall(),
    };
    let path: Vec<&str> = parts.uri.path().split('/').filter(|part| !part.is_empty()).collect();
    let first = path.first().copied().unwrap_or_default();
    if first.eq_ignore_ascii_case("metadata") {
        // Today's version is of one cloud, the older ones of a list.
        let today = parts.uri.query().is_some_and(|query| query.contains("api-version=2022-09-01"));
        return Some(respond(
            &marks,
            "GET",
            Ok(Answer::ok(if today { endpoints(hub) } else { json!([endpoints(hub)]) })),
        ));
    }
    if !first.eq_ignore_ascii_case("subscriptions") && !first.eq_ignore_ascii_case("providers") && first != "tenants" {
        return entra_call(hub, application, parts, &path, body, &marks).await;
    }
    arm_call(hub, parts, body, &marks).await
}

/// `/metadata/endpoints`: what `az cloud register` asks.
fn endpoints(hub: &Hub) -> Value {
    let url = hub.look(|world| world.site().azure_url.clone());
    json!({
        "name": "KubewrightSandbox",
        "portal": url,
        "authentication": {
            "loginEndpoint": url, "audiences": ["https://management.core.windows.net/", "https://management.azure.com/"],
            "tenant": "common", "identityProvider": "AAD",
        },
        "resourceManager": url,
        "graph": format!("{url}/graph"), "graphAudience": "https://graph.windows.net/",
        "microsoftGraphResourceId": format!("{url}/graph"),
        "activeDirectoryDataLake": "https://datalake.azure.net/", "batch": "https://batch.core.windows.net/",
        "media": "https://rest.media.azure.net", "sqlManagement": "https://management.core.windows.net:8443/",
        "vmImageAliasDoc": format!("{url}/metadata/aliases.json"),
        "suffixes": {
            "acrLoginServer": "azurecr.io", "keyVaultDns": "vault.azure.net", "sqlServerHostname": "database.windows.net",
            "storage": "core.windows.net", "mhsmDns": "managedhsm.azure.net",
        },
    })
}

async fn entra_call(
    hub: &Hub,
    application: Option<&Certificate>,
    parts: &Parts,
    path: &[&str],
    body: &[u8],
    marks: &Marks,
) -> Option<Response<Body>> {
    let host = hub.look(|world| world.site().azure_url.clone());
    let (reply, op) = match (parts.method.as_str(), path) {
        ("POST", [tenant, "oauth2", "v2.0", "token"]) => {
            let directory = entra::Directory { application, host: &host };
            (entra::issue(&directory, tenant, &pairs(body), &marks.request, marks.at), "token")
        }
        ("GET", path) => {
            let lost =
                || (404, json!({"error": "not_found", "error_description": "AADSTS90015: there is nothing here."}));
            (entra::discover(path, &host).unwrap_or_else(lost), "discover")
        }
        _ => ((405, json!({"error": "invalid_request"})), "discover"),
    };
    let call = Call {
        service: "login".to_owned(),
        op: op.to_owned(),
        mutating: false,
        shown: json!({"path": parts.uri.path()}),
    };
    let refuse = |refusal| match refusal {
        Refusal::Throttled => (
            429,
            json!({"error": "temporarily_unavailable", "error_description": "AADSTS90055: Request is throttled due to too many requests."}),
        ),
        Refusal::Expired => (
            401,
            json!({"error": "invalid_client", "error_description": "AADSTS7000222: The provided client secret keys for app are expired.", "error_codes": [7_000_222]}),
        ),
        Refusal::Broken | Refusal::NoCapacity => (
            503,
            json!({"error": "temporarily_unavailable", "error_description": "AADSTS90033: A transient error has occurred. Please try again."}),
        ),
    };
    let well = reply.0 < 400;
    let (http, body) = hub.endure(&call, refuse, |_| (reply, well)).await?;
    Some(respond(marks, parts.method.as_str(), Ok(Answer::with(http, body))))
}

async fn arm_call(hub: &Hub, parts: &Parts, body: &[u8], marks: &Marks) -> Option<Response<Body>> {
    let verb = parts.method.as_str();
    let refused = |error: ArmError| {
        tracing::debug!(code = %error.code, message = %error.message, "refused before any service");
        Some(respond(marks, verb, Err(error)))
    };
    let caller = match entra::authenticate(header(parts, "authorization").as_deref(), marks.at) {
        Ok(caller) => caller,
        Err(error) => return refused(error),
    };
    let query = pairs(parts.uri.query().unwrap_or_default().as_bytes());
    let Some(target) = Target::read(parts.uri.path()) else {
        return refused(ArmError::new(404, "InvalidResourceType", "The path names nothing that ARM has."));
    };
    let matched = match routes::find(&target, verb) {
        Ok(matched) => matched,
        Err(error) => return refused(error),
    };
    let lists = matched.action.as_deref().is_some_and(|action| action.starts_with("list"));
    let call = Call {
        service: matched.service.to_owned(),
        op: matched.op.clone(),
        mutating: !matches!(verb, "GET" | "HEAD") && !lists,
        shown: json!({
            "method": verb, "path": parts.uri.path(), "query": parts.uri.query(),
            "body": serde_json::from_slice::<Value>(body).unwrap_or_default(),
        }),
    };
    let capacity = matched.service;
    let request = Request {
        verb,
        target,
        matched,
        query,
        if_match: header(parts, "if-match"),
        if_none_match: header(parts, "if-none-match"),
        content_type: header(parts, "content-type"),
        body,
        caller,
    };
    if hub.transact(|tx| Ok::<_, WorldError>(silent(tx, &request))).unwrap_or_default() {
        return None;
    }
    let refuse = |refusal| Err(refusal_words(refusal, capacity, marks.at));
    let effect = |fails_later: bool| {
        let scope = Scope::global(SUBSCRIPTION);
        let result = hub.transact_in(Cloud::Azure, &scope, |tx| {
            if fails_later {
                tx.doom();
            }
            perform(tx, &request)
        });
        let well = result.is_ok();
        (result, well)
    };
    let result: Outcome = hub.endure(&call, refuse, effect).await?;
    if let Err(error) = &result {
        tracing::debug!(service = %call.service, op = %call.op, code = %error.code, message = %error.message, "refused");
    }
    Some(respond(marks, verb, result))
}

fn refusal_words(refusal: Refusal, service: &str, at: Timestamp) -> ArmError {
    match refusal {
        Refusal::Broken => {
            let message = "Encountered internal server error. Diagnostic information: timestamp and correlation id are in the headers.";
            ArmError::new(500, "InternalServerError", message)
        }
        Refusal::Throttled if service == "containerservice" => {
            let message = "The request is being throttled as the limit has been reached for operation type. For more information, see https://aka.ms/aks-throttling.";
            ArmError::new(429, "TooManyRequests", message).with_header("retry-after", "5")
        }
        Refusal::Throttled => {
            let message = "Number of requests for subscription and operation exceeded the backend storage limit. Please try again after '5' seconds.";
            ArmError::new(429, "SubscriptionRequestsThrottled", message).with_header("retry-after", "5")
        }
        Refusal::NoCapacity => {
            let message = "Allocation failed. We do not have sufficient capacity for the requested VM size in this region. Read more about improving likelihood of allocation success at https://aka.ms/allocation-guidance.";
            ArmError::conflict("AllocationFailed", message)
        }
        Refusal::Expired => entra::expired(at),
    }
}

/// The location that a request is about, as far as it can be told.
fn location(tx: &Tx<'_>, request: &Request<'_>) -> Option<String> {
    let said = serde_json::from_slice::<Value>(request.body).ok();
    let said = said.and_then(|body| body["location"].as_str().map(super::locations::normal));
    let stands = || store::find(tx, &request.target.id()).map(|object| object.region.clone());
    let group = || store::find(tx, &request.target.group_id()).map(|object| object.region.clone());
    request.target.location().map(super::locations::normal).or(said).or_else(stands).or_else(group)
}

fn closed(tx: &Tx<'_>, request: &Request<'_>) -> Option<(String, Closed)> {
    if tx.in_force().closed.is_empty() {
        return None;
    }
    let location = location(tx, request)?;
    tx.in_force().closed.get(&location).map(|why| (location, *why))
}

fn silent(tx: &Tx<'_>, request: &Request<'_>) -> bool {
    matches!(closed(tx, request), Some((_, Closed::Silent)))
}

/// A location of no use: for those who would make something there.
fn check_location(tx: &Tx<'_>, request: &Request<'_>) -> Result<(), ArmError> {
    let Some((location, why)) = closed(tx, request) else { return Ok(()) };
    match why {
        Closed::Off if request.verb == "PUT" => {
            let message = format!(
                "The provided location '{location}' is not available for resource type '{}/{}': the subscription has no access to it.",
                request.matched.route.namespace, request.matched.route.kind
            );
            Err(ArmError::bad("LocationNotAvailableForResourceType", message))
        }
        Closed::Denied if matches!(request.verb, "PUT" | "PATCH") => {
            let name = request.target.name();
            let message = format!(
                "Resource '{name}' was disallowed by policy. Policy identifiers: '[{{\"policyAssignment\":{{\"name\":\"Allowed locations\",\"id\":\"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/policyAssignments/allowed-locations\"}}}}]'."
            );
            Err(ArmError::new(403, "RequestDisallowedByPolicy", message).at(name))
        }
        _ => Ok(()),
    }
}

/// The action of a request, and the scope it is judged at.
fn action(request: &Request<'_>) -> Option<(String, String)> {
    let target = &request.target;
    let route = request.matched.route;
    let word = match request.verb {
        "GET" | "HEAD" => "read".to_owned(),
        "PUT" | "PATCH" => "write".to_owned(),
        "DELETE" => "delete".to_owned(),
        _ => format!("{}/action", request.matched.action.as_deref().unwrap_or_default()),
    };
    let subscription = target.subscription_id();
    let named = match (route.namespace, route.kind) {
        ("", "subscriptions" | "tenants") if !target.named() => return None,
        ("", "subscriptions") => "Microsoft.Resources/subscriptions".to_owned(),
        ("", "providers") if request.verb == "POST" => target.name().to_owned(),
        ("", "resources") if target.group.is_some() => {
            "Microsoft.Resources/subscriptions/resourceGroups/resources".to_owned()
        }
        ("", kind) => format!("Microsoft.Resources/subscriptions/{kind}"),
        (namespace, kind) => format!("{namespace}/{kind}"),
    };
    let scope = match route.namespace {
        "" if target.group.is_none() => subscription,
        "" => target.group_id(),
        _ if target.is_extension() && !target.named() && !target.scope.is_empty() => target.scope.clone(),
        _ => target.id(),
    };
    Some((format!("{named}/{word}"), scope))
}

/// Everything that ARM judges before the resource provider does, then the call itself.
pub(super) fn perform(tx: &mut Tx<'_>, request: &Request<'_>) -> Outcome {
    let (target, route) = (&request.target, request.matched.route);
    if let Some(subscription) = &target.subscription {
        check_subscription(subscription)?;
    }
    let place = location(tx, request).unwrap_or_default();
    let asked = request.query.iter().find(|(key, _)| key.eq_ignore_ascii_case("api-version"));
    route.check_version(asked.map(|(_, version)| version.as_str()), &place)?;
    if let Some((action, scope)) = action(request) {
        access::authorize(tx, &request.caller, &action, &scope)?;
        if !matches!(request.verb, "GET" | "HEAD") {
            containerservice::check_denied(tx, &request.caller, &action, &scope)?;
        }
    }
    check_location(tx, request)?;
    if matches!(request.verb, "PUT") {
        route.check_name(target.name())?;
    }
    if !matches!(request.verb, "GET" | "HEAD") && !route.namespace.is_empty() {
        providers::check_registered(tx, route.namespace)?;
    }
    if target.group.is_some() && !route.namespace.is_empty() && !target.is_extension() {
        groups::check_stands(tx, &target.group_id(), request.verb)?;
    }
    let body = read_body(tx, request)?;
    let base = tx.site().azure_url.clone();
    let mut cx = Cx {
        tx,
        target,
        verb: request.verb,
        query: &request.query,
        if_match: request.if_match.clone(),
        if_none_match: request.if_none_match.clone(),
        body,
        caller: &request.caller,
        base: &base,
    };
    super::dispatch(&mut cx, request.matched.service)
}

fn check_subscription(subscription: &str) -> Result<(), ArmError> {
    if uuid::Uuid::parse_str(subscription).is_err() {
        let message = format!("The provided subscription identifier '{subscription}' is malformed or invalid.");
        return Err(ArmError::bad("InvalidSubscriptionId", message));
    }
    if !subscription.eq_ignore_ascii_case(SUBSCRIPTION) {
        let message = format!("The subscription '{subscription}' could not be found.");
        return Err(ArmError::new(404, "SubscriptionNotFound", message));
    }
    Ok(())
}

/// The body, with nothing in it that its type does not know.
fn read_body(tx: &Tx<'_>, request: &Request<'_>) -> Result<Value, ArmError> {
    let route = request.matched.route;
    let definition = match request.verb {
        "PUT" => route.body,
        "PATCH" => route.patch,
        _ => "",
    };
    if request.body.is_empty() {
        if definition.is_empty() {
            return Ok(Value::Null);
        }
        let message = "The request content was invalid and could not be deserialized: the body is empty.";
        return Err(ArmError::bad("InvalidRequestContent", message));
    }
    if !request.content_type.as_deref().is_some_and(|kind| kind.starts_with("application/json")) {
        let given = request.content_type.as_deref().unwrap_or_default();
        let message =
            format!("The content media type '{given}' is not supported. Only 'application/json' is supported.");
        return Err(ArmError::new(415, "UnsupportedMediaType", message));
    }
    let body: Value = serde_json::from_slice(request.body).map_err(|why| {
        let message = format!("The request content was invalid and could not be deserialized: '{why}'.");
        ArmError::bad("InvalidRequestContent", message)
    })?;
    let namespace = if route.namespace.is_empty() { "Microsoft.Resources" } else { route.namespace };
    if !definition.is_empty()
        && let Some(shapes) = shapes::of(namespace)
    {
        let stands = store::find(tx, &request.target.id()).map(|object| super::shown(tx, object));
        shapes.check(definition, &body, stands.as_ref())?;
        store::check_tags(&body)?;
    }
    Ok(body)
}

/// The answer with everything that ARM puts around it.
fn respond(marks: &Marks, verb: &str, outcome: Outcome) -> Response<Body> {
    let answer = outcome.unwrap_or_else(|error| Answer {
        http: error.http,
        headers: error.headers.clone(),
        body: Some(json!({"error": error.object()})),
    });
    let routed = format!("SANDBOX:{}:{}", marks.at.strftime("%Y%m%dT%H%M%SZ"), marks.request);
    let (kind, left) = match verb {
        "GET" | "HEAD" => ("x-ms-ratelimit-remaining-subscription-reads", "16499"),
        "DELETE" => ("x-ms-ratelimit-remaining-subscription-deletes", "799"),
        _ => ("x-ms-ratelimit-remaining-subscription-writes", "799"),
    };
    let mut builder = Response::builder()
        .status(answer.http)
        .header("cache-control", "no-cache")
        .header("pragma", "no-cache")
        .header("expires", "-1")
        .header("date", marks.at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string())
        .header("strict-transport-security", "max-age=31536000; includeSubDomains")
        .header("x-content-type-options", "nosniff")
        .header("x-ms-request-id", &marks.request)
        .header("x-ms-correlation-request-id", &marks.correlation)
        .header("x-ms-routing-request-id", routed)
        .header(kind, left);
    if let Some(client) = &marks.client {
        builder = builder.header("x-ms-client-request-id", client);
    }
    for (name, value) in &answer.headers {
        builder = builder.header(*name, value);
    }
    let body = match answer.body.filter(|_| verb != "HEAD") {
        Some(body) => {
            builder = builder.header("content-type", "application/json; charset=utf-8");
            full(body.to_string())
        }
        None => full(""),
    };
    builder.body(body).expect("statuses and headers of the sandbox are valid")
}
