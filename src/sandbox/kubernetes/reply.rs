//! Replies as they go over the wire: documents, streams, nothing.

use crate::sandbox::server::{Body, full};
use futures::{Stream, StreamExt};
use http_body_util::{BodyExt, StreamBody};
use hyper::{
    Response,
    body::{Bytes, Frame},
};
use serde_json::{Value, json};
use std::convert::Infallible;

/// Too fast.
pub(super) fn too_many() -> Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": "TooManyRequests", "code": 429,
        "message": "Too many requests, please try again later.", "details": {"retryAfterSeconds": 1},
    })
}

/// A reply that goes on until its stream ends.
pub(super) fn respond_with(media: &'static str, stream: impl Stream<Item = Bytes> + Send + 'static) -> Response<Body> {
    let frames = stream.map(|bytes| Ok::<_, Infallible>(Frame::data(bytes)));
    let body: Body = StreamBody::new(frames).map_err(|never| match never {}).boxed_unsync();
    let reply = Response::builder().status(200).header("content-type", media);
    reply.body(body).expect("headers of the sandbox are valid")
}

/// No content.
pub(super) fn respond_empty() -> Response<Body> {
    Response::builder().status(204).body(full(String::new())).expect("codes of the sandbox are valid")
}

/// A document.
pub(super) fn respond(code: u16, body: &Value) -> Response<Body> {
    let reply = Response::builder().status(code).header("content-type", "application/json");
    reply.body(full(body.to_string())).expect("codes and headers of the sandbox are valid")
}
