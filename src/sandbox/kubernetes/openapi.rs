//! As much of OpenAPI v3 as clients need to know that the server validates fields itself: for every kind the PATCH
//! operation with its `fieldValidation` parameter. No schemas.

use super::discovery::{GROUPS, KINDS};
use serde_json::{Map, Value, json};

fn home(group: &str) -> String {
    if group.is_empty() { "api/v1".to_owned() } else { format!("apis/{group}/v1") }
}

/// `/openapi/v3`; links stay below the cluster's prefix.
pub(super) fn index(prefix: &str) -> Value {
    let groups = std::iter::once("").chain(GROUPS.iter().copied());
    let paths: Map<String, Value> = groups
        .map(|group| (home(group), json!({"serverRelativeURL": format!("{prefix}/openapi/v3/{}", home(group))})))
        .collect();
    json!({"paths": paths})
}

/// One group's document.
pub(super) fn document(group: &str) -> Option<Value> {
    if !group.is_empty() && !GROUPS.contains(&group) {
        return None;
    }
    let mut paths = Map::new();
    for kind in KINDS.iter().filter(|kind| kind.group == group) {
        let middle = if kind.namespaced { "/namespaces/{namespace}" } else { "" };
        let operation = json!({
            "x-kubernetes-action": "patch",
            "x-kubernetes-group-version-kind": {"group": group, "version": "v1", "kind": kind.kind},
            "parameters": [{"name": "fieldValidation", "in": "query", "schema": {"type": "string", "uniqueItems": true}}],
            "responses": {},
        });
        paths.insert(format!("/{}{middle}/{}/{{name}}", home(group), kind.plural), json!({"patch": operation}));
    }
    Some(json!({"openapi": "3.0.0", "info": {"title": "Kubernetes", "version": "unversioned"}, "paths": paths}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_group_has_its_document() {
        let index = index("/clusters/X");
        assert_eq!(index["paths"]["apis/apps/v1"]["serverRelativeURL"], "/clusters/X/openapi/v3/apis/apps/v1");
        let core = document("").expect("the core group");
        assert!(core["paths"]["/api/v1/namespaces/{namespace}/services/{name}"]["patch"].is_object());
        assert!(document("nope").is_none());
    }
}
