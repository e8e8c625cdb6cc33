//! REST JSON (EKS): method and path name the operation; errors are named in a header.

use super::{ApiError, Rendered, Reply, json::document};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// One operation: method, path pattern (`/clusters/{name}`; a last `{arn+}` takes the rest), name.
pub type Route = (&'static str, &'static str, &'static str);

/// Finds the operation and its path parameters (decoded).
pub fn route(routes: &[Route], method: &str, path: &str) -> Option<(&'static str, BTreeMap<&'static str, String>)> {
    routes
        .iter()
        .filter(|(verb, _, _)| *verb == method)
        .find_map(|(_, pattern, op)| matches(pattern, path).map(|params| (*op, params)))
}

fn matches(pattern: &'static str, path: &str) -> Option<BTreeMap<&'static str, String>> {
    let mut params = BTreeMap::new();
    let mut given = path.trim_matches('/').split('/');
    for part in pattern.trim_matches('/').split('/') {
        let next = given.next()?;
        match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
            Some(name) => {
                let mut raw = next.to_owned();
                if name.ends_with('+') {
                    for rest in given.by_ref() {
                        raw.push('/');
                        raw.push_str(rest);
                    }
                }
                let value = percent_decode_str(&raw).decode_utf8().ok()?.into_owned();
                if value.is_empty() {
                    return None;
                }
                params.insert(name.trim_end_matches('+'), value);
            }
            None if part == next => {}
            None => return None,
        }
    }
    given.next().is_none().then_some(params)
}

/// The reply on the wire.
pub fn render(request_id: &str, result: &Result<Reply, ApiError>) -> Rendered {
    let mut headers = vec![("x-amzn-requestid", request_id.to_owned())];
    let (http, body) = match result {
        Ok(reply) => (200, document(reply).clone()),
        Err(error) => {
            headers.push(("x-amzn-errortype", error.code.clone()));
            let mut body = json!({"message": error.message});
            if let Value::Object(map) = &mut body {
                map.extend(error.extra.clone());
            }
            (error.http, body)
        }
    };
    Rendered { http, content_type: "application/json", headers, body: body.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_operations() {
        let routes: &[Route] = &[
            ("GET", "/clusters", "ListClusters"),
            ("GET", "/clusters/{name}", "DescribeCluster"),
            ("GET", "/clusters/{name}/node-groups/{nodegroupName}", "DescribeNodegroup"),
            ("GET", "/tags/{resourceArn+}", "ListTagsForResource"),
        ];
        let (op, params) = route(routes, "GET", "/clusters/de%6Do/node-groups/a").expect("found");
        assert_eq!((op, params["name"].as_str(), params["nodegroupName"].as_str()), ("DescribeNodegroup", "demo", "a"));
        let (_, params) = route(routes, "GET", "/tags/arn:aws:eks:r:1:nodegroup/c/n/u").expect("found");
        assert_eq!(params["resourceArn"], "arn:aws:eks:r:1:nodegroup/c/n/u");
        assert!(route(routes, "GET", "/clusters/").is_some_and(|(op, _)| op == "ListClusters"));
        assert!(route(routes, "POST", "/clusters/x").is_none());
        assert!(route(routes, "GET", "/clusters/x/y").is_none());
    }
}
