//! The vendors' price APIs of the pretend world. What they say for a plain machine is the embedded table, to the cent, but
//! for one machine that has become dearer since ([`DEARER`]); around it stands what the real ones mix in: other
//! tenancies, systems and markets, queues, zones that are not the region, free tiers, meters of zero. Who reads them
//! naively gets other prices.
//!
//! AWS and Google answer at their own ports, behind their own gates; Azure and Lambda at `/_prices/…` of the plain port.
//! Questions are held to the form that the vendor takes, no more and no less.

pub(super) mod aws;
mod azure;
pub(super) mod gcp;
mod lambda;

use super::{
    Endpoints,
    hub::{Call, Hub, Refusal},
    server::{Body, full},
};
use hyper::{Response, http::request::Parts};
use serde_json::{Value, json};
use std::{collections::BTreeMap, ffi::OsString};

/// A machine of AWS's, and its price today as a share of the table's.
const DEARER: (&str, f64) = ("m6a.large", 1.05);

/// Path of these APIs on the plain port.
pub(super) const PATH: &str = "/_prices/";

/// What clients need to ask here instead of the vendors.
pub(super) fn client_env(endpoints: &Endpoints) -> BTreeMap<String, OsString> {
    let text = |url: &str| OsString::from(url);
    BTreeMap::from([
        ("KUBEWRIGHT_PRICE_AWS_ENDPOINT".to_owned(), text(&endpoints.aws)),
        ("KUBEWRIGHT_PRICE_GCP_ENDPOINT".to_owned(), text(&endpoints.gcp)),
        ("KUBEWRIGHT_PRICE_AZURE_ENDPOINT".to_owned(), text(&format!("{}{PATH}azure", endpoints.aws))),
        ("KUBEWRIGHT_PRICE_LAMBDA_ENDPOINT".to_owned(), text(&format!("{}{PATH}lambda", endpoints.aws))),
        ("LAMBDA_API_KEY".to_owned(), text(lambda::KEY)),
    ])
}

/// An answer: HTTP status and document.
type Answer = (u16, Value);

/// Answers a request below [`PATH`]; `None` drops the connection.
pub(super) async fn handle(hub: &Hub, parts: &Parts) -> Option<Response<Body>> {
    let path = parts.uri.path().strip_prefix(PATH).unwrap_or_default();
    let (vendor, path) = path.split_once('/').unwrap_or((path, ""));
    let query = parts.uri.query().unwrap_or_default();
    let bearer = parts.headers.get("authorization").and_then(|value| value.to_str().ok());
    let shown = json!({"path": parts.uri.path(), "query": query});
    let call = Call { service: "prices".to_owned(), op: vendor.to_owned(), mutating: false, shown };
    let refuse = |refusal| match refusal {
        Refusal::Throttled | Refusal::NoCapacity => (429, json!({"error": {"message": "Too many requests"}})),
        Refusal::Expired => (401, json!({"error": {"message": "The credentials have expired"}})),
        Refusal::Broken => (500, json!({"error": {"message": "Something went wrong"}})),
    };
    let effect = |_| {
        let answer = match (vendor, parts.method.as_str(), path) {
            ("azure", "GET", "api/retail/prices") => azure::answer(query),
            ("lambda", "GET", "api/v1/instance-types") => lambda::answer(bearer),
            _ => (404, json!({"error": {"message": "there is nothing here"}})),
        };
        let well = answer.0 < 400;
        (answer, well)
    };
    let (status, document) = hub.endure(&call, refuse, effect).await?;
    let reply = Response::builder().status(status).header("content-type", "application/json; charset=utf-8");
    Some(reply.body(full(document.to_string())).expect("statuses and headers of the sandbox are valid"))
}
