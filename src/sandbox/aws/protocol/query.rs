//! The query protocols: form-encoded requests, XML replies. EC2 has a dialect of its own.

use super::{ApiError, Rendered, Reply, Xml};

const XML: &str = "text/xml;charset=UTF-8";
const EC2_NAMESPACE: &str = "http://ec2.amazonaws.com/doc/2016-11-15/";

/// Decodes a form body (or query string) into pairs, with `Action` and `Version` taken out.
pub fn parse(form: &[u8]) -> (Option<String>, Option<String>, Vec<(String, String)>) {
    let (mut action, mut version, mut rest) = (None, None, Vec::new());
    for (name, value) in form_urlencoded::parse(form) {
        match name.as_ref() {
            "Action" => action = Some(value.into_owned()),
            "Version" => version = Some(value.into_owned()),
            _ => rest.push((name.into_owned(), value.into_owned())),
        }
    }
    (action, version, rest)
}

fn members(reply: &Reply) -> Xml {
    match reply {
        Reply::Xml(xml) => xml.clone(),
        Reply::Json(_) => unreachable!("a query service answers XML"),
    }
}

/// EC2: members and request id side by side; errors in `<Errors>`.
pub fn render_ec2(op: &str, request_id: &str, result: &Result<Reply, ApiError>) -> Rendered {
    let mut body = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let http = match result {
        Ok(reply) => {
            body.push_str(&format!("<{op}Response xmlns=\"{EC2_NAMESPACE}\">"));
            Xml::new().text("requestId", request_id).extend(members(reply)).write(&mut body);
            body.push_str(&format!("</{op}Response>"));
            200
        }
        Err(error) => {
            let inner = Xml::new().text("Code", &error.code).text("Message", &error.message);
            let errors = Xml::new().child("Error", inner);
            Xml::new()
                .child("Response", Xml::new().child("Errors", errors).text("RequestID", request_id))
                .write(&mut body);
            error.http
        }
    };
    Rendered { http, content_type: XML, headers: vec![("x-amzn-requestid", request_id.to_owned())], body }
}

/// The others: `<OpResult>` and `<ResponseMetadata>`; errors in `<ErrorResponse>`.
pub fn render(namespace: &str, op: &str, request_id: &str, result: &Result<Reply, ApiError>) -> Rendered {
    let mut body = String::new();
    let http = match result {
        Ok(reply) => {
            body.push_str(&format!("<{op}Response xmlns=\"{namespace}\">"));
            Xml::new()
                .child(&format!("{op}Result"), members(reply))
                .child("ResponseMetadata", Xml::new().text("RequestId", request_id))
                .write(&mut body);
            body.push_str(&format!("</{op}Response>"));
            200
        }
        Err(error) => {
            let kind = if error.http >= 500 { "Receiver" } else { "Sender" };
            let inner = Xml::new().text("Type", kind).text("Code", &error.code).text("Message", &error.message);
            body.push_str(&format!("<ErrorResponse xmlns=\"{namespace}\">"));
            Xml::new().child("Error", inner).text("RequestId", request_id).write(&mut body);
            body.push_str("</ErrorResponse>");
            error.http
        }
    };
    Rendered { http, content_type: "text/xml", headers: vec![("x-amzn-requestid", request_id.to_owned())], body }
}
