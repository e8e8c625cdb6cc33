//! JSON 1.1: `X-Amz-Target` names the operation, bodies are documents, errors carry `__type`.

use super::{ApiError, Rendered, Reply};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

pub(super) fn document(reply: &Reply) -> &Value {
    match reply {
        Reply::Json(value) => value,
        Reply::Xml(_) => unreachable!("a JSON service answers JSON"),
    }
}

/// Reads a body as the operation's input; an empty body is an empty document. The type refuses unknown members.
pub fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    let body = if body.iter().all(u8::is_ascii_whitespace) { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|error| error.to_string())
}

/// The reply on the wire.
pub fn render(request_id: &str, result: &Result<Reply, ApiError>) -> Rendered {
    let headers = vec![("x-amzn-requestid", request_id.to_owned())];
    let content_type = "application/x-amz-json-1.1";
    match result {
        Ok(reply) => Rendered { http: 200, content_type, headers, body: document(reply).to_string() },
        Err(error) => {
            let mut body = json!({"__type": error.code, "message": error.message});
            if let Some(map) = body.as_object_mut() {
                map.extend(error.extra.clone());
            }
            Rendered { http: error.http, content_type, headers, body: body.to_string() }
        }
    }
}
