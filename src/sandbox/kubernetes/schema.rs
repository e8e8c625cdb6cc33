//! Whether an object is what its kind says: known fields of the right types, and the rules that a real API server holds
//! new workloads and roles to.

use super::{discovery::Kind, jobs, kubelet, status::Refusal};
use k8s_openapi::api::{
    apps::v1::{DaemonSet, Deployment},
    batch::v1::Job,
    core::v1::{
        ConfigMap, Event, Namespace, PersistentVolume, PersistentVolumeClaim, Pod, Secret, Service, ServiceAccount,
    },
    networking::v1::Ingress,
    rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding},
    storage::v1::StorageClass,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

/// What the type makes of it: the same again, without what it does not know.
fn through<T: DeserializeOwned + Serialize>(body: &Value) -> Result<Value, String> {
    let read: T = serde_json::from_value(body.clone()).map_err(|why| why.to_string())?;
    serde_json::to_value(read).map_err(|why| why.to_string())
}

fn as_its_type(kind: &Kind, body: &Value) -> Option<Result<Value, String>> {
    Some(match kind.plural {
        "clusterrolebindings" => through::<ClusterRoleBinding>(body),
        "clusterroles" => through::<ClusterRole>(body),
        "configmaps" => through::<ConfigMap>(body),
        "daemonsets" => through::<DaemonSet>(body),
        "deployments" => through::<Deployment>(body),
        "events" => through::<Event>(body),
        "ingresses" => through::<Ingress>(body),
        "jobs" => through::<Job>(body),
        "namespaces" => through::<Namespace>(body),
        "persistentvolumeclaims" => through::<PersistentVolumeClaim>(body),
        "persistentvolumes" => through::<PersistentVolume>(body),
        "pods" => through::<Pod>(body),
        "rolebindings" => through::<RoleBinding>(body),
        "roles" => through::<Role>(body),
        "secrets" => through::<Secret>(body),
        "serviceaccounts" => through::<ServiceAccount>(body),
        "services" => through::<Service>(body),
        "storageclasses" => through::<StorageClass>(body),
        _ => return None,
    })
}

/// Checks the fields of a body. `strict` is `fieldValidation=Strict`: what is not known is refused instead of dropped.
pub(super) fn check_fields(kind: &Kind, body: &Value, strict: bool) -> Result<(), Refusal> {
    let refuse = |why: String| {
        let of = kind.kind;
        Refusal::bad_request(format!("{of} in version \"v1\" cannot be handled as a {of}: {why}"))
    };
    // A body without these two is what its path says.
    let mut whole = body.clone();
    if let Some(fields) = whole.as_object_mut() {
        fields.insert("apiVersion".to_owned(), json!(kind.api_version()));
        fields.insert("kind".to_owned(), json!(kind.kind));
    }
    let back = match as_its_type(kind, &whole) {
        None => return Ok(()),
        Some(Err(why)) => return Err(refuse(format!("json: {why}"))),
        Some(Ok(back)) => back,
    };
    let mut unknown = Vec::new();
    differ(&whole, &back, "", &mut unknown);
    match unknown.as_slice() {
        [] => Ok(()),
        _ if !strict => Ok(()),
        all => {
            let named: Vec<String> = all.iter().map(|path| format!("unknown field \"{path}\"")).collect();
            Err(refuse(format!("strict decoding error: {}", named.join(", "))))
        }
    }
}

/// Fields of `sent` that did not come back.
fn differ(sent: &Value, back: &Value, at: &str, unknown: &mut Vec<String>) {
    match (sent, back) {
        (Value::Object(sent), Value::Object(back)) => {
            for (key, value) in sent {
                let path = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
                match back.get(key) {
                    Some(inner) => differ(value, inner, &path, unknown),
                    None if is_nothing(value) => {}
                    None => unknown.push(path),
                }
            }
        }
        (Value::Array(sent), Value::Array(back)) => {
            for (index, (value, inner)) in sent.iter().zip(back).enumerate() {
                differ(value, inner, &format!("{at}[{index}]"), unknown);
            }
        }
        _ => {}
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

fn invalid(kind: &Kind, row: &Value, why: &str) -> Refusal {
    let name = row["metadata"]["name"].as_str().unwrap_or_default();
    Refusal::invalid(format!("{} \"{name}\" is invalid: {why}", kind.kind))
}

/// Label values: 63 characters, of which first and last are letters or digits.
fn is_label(value: &str) -> bool {
    let ends = |c: char| c.is_ascii_alphanumeric();
    value.len() <= 63
        && value.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        && (value.is_empty() || value.starts_with(ends) && value.ends_with(ends))
}

fn check_labels(kind: &Kind, row: &Value, path: &str, labels: &Value) -> Result<(), Refusal> {
    for (key, value) in labels.as_object().into_iter().flatten() {
        let name = key.rsplit('/').next().unwrap_or_default();
        let text = value.as_str().unwrap_or_default();
        if name.is_empty() || !is_label(name) || key.matches('/').count() > 1 {
            let why = format!(
                "{path}: Invalid value: \"{key}\": name part must consist of alphanumeric characters, '-', '_' or '.'"
            );
            return Err(invalid(kind, row, &why));
        }
        if !is_label(text) {
            let why = format!(
                "{path}: Invalid value: \"{text}\": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.'"
            );
            return Err(invalid(kind, row, &why));
        }
    }
    Ok(())
}

/// Rules for an object that is about to stand.
pub(super) fn check_rules(kind: &Kind, row: &Value) -> Result<(), Refusal> {
    check_labels(kind, row, "metadata.labels", &row["metadata"]["labels"])?;
    match kind.plural {
        "deployments" | "daemonsets" => check_workload(kind, row),
        "jobs" => {
            jobs::check(row)?;
            check_pod(kind, row, "spec.template.spec", &row["spec"]["template"]["spec"])?;
            check_finite(&row["spec"]["template"]["spec"])
        }
        "pods" => {
            check_pod(kind, row, "spec", &row["spec"])?;
            check_finite(&row["spec"])
        }
        "clusterroles" | "roles" => check_role(kind, row),
        "clusterrolebindings" | "rolebindings" => check_binding(kind, row),
        _ => Ok(()),
    }
}

/// What may not change once it stands.
pub(super) fn check_change(kind: &Kind, before: &Value, after: &Value) -> Result<(), Refusal> {
    let fixed: &[&str] = match kind.plural {
        "deployments" | "daemonsets" => &["/spec/selector"],
        "jobs" => &["/spec/selector", "/spec/template", "/spec/completionMode", "/spec/completions"],
        "clusterrolebindings" | "rolebindings" => &["/roleRef"],
        _ => &[],
    };
    match fixed.iter().find(|path| before.pointer(path) != after.pointer(path)) {
        None => check_rules(kind, after),
        Some(path) => {
            let field = path.trim_start_matches('/').replace('/', ".");
            let word = if field == "roleRef" { "cannot change roleRef" } else { "field is immutable" };
            Err(invalid(kind, after, &format!("{field}: Invalid value: {word}")))
        }
    }
}

fn check_workload(kind: &Kind, row: &Value) -> Result<(), Refusal> {
    let wanted = row["spec"]["selector"]["matchLabels"].as_object();
    let Some(wanted) = wanted.filter(|labels| !labels.is_empty()) else {
        return Err(invalid(kind, row, "spec.selector: Required value"));
    };
    let template = &row["spec"]["template"];
    let labels = &template["metadata"]["labels"];
    check_labels(kind, row, "spec.template.metadata.labels", labels)?;
    if wanted.iter().any(|(key, value)| labels[key] != *value) {
        let why = format!(
            "spec.template.metadata.labels: Invalid value: {labels}: `selector` does not match template `labels`"
        );
        return Err(invalid(kind, row, &why));
    }
    if let Some(policy) = template["spec"]["restartPolicy"].as_str().filter(|policy| *policy != "Always") {
        let why =
            format!("spec.template.spec.restartPolicy: Unsupported value: \"{policy}\": supported values: \"Always\"");
        return Err(invalid(kind, row, &why));
    }
    check_pod(kind, row, "spec.template.spec", &template["spec"])
}

fn check_pod(kind: &Kind, row: &Value, at: &str, spec: &Value) -> Result<(), Refusal> {
    let containers = spec["containers"].as_array().filter(|all| !all.is_empty());
    let Some(containers) = containers else {
        return Err(invalid(kind, row, &format!("{at}.containers: Required value")));
    };
    let volumes: Vec<&str> =
        spec["volumes"].as_array().into_iter().flatten().filter_map(|volume| volume["name"].as_str()).collect();
    for (index, container) in containers.iter().enumerate() {
        let here = format!("{at}.containers[{index}]");
        for field in ["name", "image"] {
            if container[field].as_str().is_none_or(str::is_empty) {
                return Err(invalid(kind, row, &format!("{here}.{field}: Required value")));
            }
        }
        for mount in container["volumeMounts"].as_array().into_iter().flatten() {
            let name = mount["name"].as_str().unwrap_or_default();
            if !volumes.contains(&name) {
                return Err(invalid(kind, row, &format!("{here}.volumeMounts[0].name: Not found: \"{name}\"")));
            }
        }
        for side in ["requests", "limits"] {
            for (resource, amount) in container["resources"][side].as_object().into_iter().flatten() {
                let text = amount.as_str().unwrap_or_default();
                if super::pods::amount(text).is_none() {
                    let why = format!(
                        "{here}.resources.{side}[{resource}]: Invalid value: \"{text}\": quantities must match the regular expression"
                    );
                    return Err(invalid(kind, row, &why));
                }
            }
        }
        let resources = &container["resources"];
        for (resource, amount) in resources["requests"].as_object().into_iter().flatten() {
            // What a plugin offers is had whole or not at all.
            if resource.contains('/') && resources["limits"][resource] != *amount {
                let why = format!(
                    "{here}.resources.limits: Required value: Limit must be set for non overcommitable resources ({resource})"
                );
                return Err(invalid(kind, row, &why));
            }
        }
    }
    Ok(())
}

/// What of pods that run to an end is not simulated.
fn check_finite(spec: &Value) -> Result<(), Refusal> {
    if !kubelet::is_finite(spec) {
        return Ok(());
    }
    if spec["restartPolicy"] == json!("OnFailure") {
        return Err(Refusal::not_simulated("pods that restart in place until they succeed"));
    }
    if spec["containers"].as_array().is_some_and(|all| all.len() > 1) {
        return Err(Refusal::not_simulated("several containers in a pod that runs to an end"));
    }
    if spec["initContainers"].as_array().is_some_and(|all| !all.is_empty()) {
        return Err(Refusal::not_simulated("init containers of a pod that runs to an end"));
    }
    Ok(())
}

fn check_role(kind: &Kind, row: &Value) -> Result<(), Refusal> {
    for (index, rule) in row["rules"].as_array().into_iter().flatten().enumerate() {
        let empty = |field: &str| rule[field].as_array().is_none_or(Vec::is_empty);
        let lacking = ["verbs", "apiGroups", "resources"].into_iter().find(|field| empty(field));
        if let Some(field) = lacking.filter(|field| *field == "verbs" || empty("nonResourceURLs")) {
            return Err(invalid(kind, row, &format!("rules[{index}].{field}: Required value")));
        }
    }
    Ok(())
}

fn check_binding(kind: &Kind, row: &Value) -> Result<(), Refusal> {
    let to = &row["roleRef"];
    let kinds: &[&str] = if kind.namespaced { &["ClusterRole", "Role"] } else { &["ClusterRole"] };
    if to["apiGroup"] != json!("rbac.authorization.k8s.io") {
        return Err(invalid(
            kind,
            row,
            "roleRef.apiGroup: Unsupported value: supported values: \"rbac.authorization.k8s.io\"",
        ));
    }
    if !to["kind"].as_str().is_some_and(|word| kinds.contains(&word)) {
        return Err(invalid(
            kind,
            row,
            &format!("roleRef.kind: Unsupported value: {}: supported values: {kinds:?}", to["kind"]),
        ));
    }
    if to["name"].as_str().is_none_or(str::is_empty) {
        return Err(invalid(kind, row, "roleRef.name: Required value"));
    }
    for (index, subject) in row["subjects"].as_array().into_iter().flatten().enumerate() {
        if subject["kind"] == json!("ServiceAccount") && !subject["namespace"].is_string() {
            return Err(invalid(kind, row, &format!("subjects[{index}].namespace: Required value")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment() -> Value {
        json!({
            "metadata": {"name": "a"},
            "spec": {
                "selector": {"matchLabels": {"app": "a"}},
                "template": {
                    "metadata": {"labels": {"app": "a"}},
                    "spec": {"containers": [{"name": "a", "image": "a:1", "resources": {"requests": {"cpu": "100m"}}}]},
                },
            },
        })
    }

    fn said(kind: &str, row: &Value) -> String {
        let kind = Kind::find("apps", kind).or_else(|| Kind::find("rbac.authorization.k8s.io", kind)).expect("served");
        match check_fields(kind, row, true).and_then(|()| check_rules(kind, row)) {
            Ok(()) => "fine".to_owned(),
            Err(refusal) => format!("{} {}", refusal.code(), refusal.body()["message"].as_str().unwrap_or_default()),
        }
    }

    fn with(path: &str, value: Value) -> Value {
        let mut row = deployment();
        let (above, key) = path.rsplit_once('/').expect("a path");
        row.pointer_mut(above).expect("there")[key] = value;
        row
    }

    #[test]
    fn unknown_fields_are_refused_when_asked_to_be() {
        assert_eq!(said("deployments", &deployment()), "fine");
        let row = with("/spec/replica", json!(2));
        assert!(said("deployments", &row).ends_with("strict decoding error: unknown field \"spec.replica\""));
        let kind = Kind::find("apps", "deployments").expect("served");
        assert_eq!(check_fields(kind, &row, false), Ok(()));
        assert!(said("deployments", &with("/spec/replicas", json!("two"))).starts_with("400 "));
        let deep = with("/spec/template/spec/containers", json!([{"name": "a", "image": "a", "comand": ["x"]}]));
        assert!(said("deployments", &deep).contains("spec.template.spec.containers[0].comand"));
    }

    #[test]
    fn workloads_keep_the_rules() {
        for (path, value, word) in [
            ("/spec/selector", json!({"matchLabels": {"app": "b"}}), "`selector` does not match"),
            ("/spec/selector", json!({"matchLabels": {}}), "spec.selector: Required value"),
            ("/spec/template/spec/containers", json!([]), "containers: Required value"),
            ("/spec/template/spec/restartPolicy", json!("Never"), "restartPolicy: Unsupported"),
            ("/metadata/labels", json!({"step": "a/b"}), "a valid label"),
            (
                "/spec/template/spec/containers",
                json!([{"name": "a", "image": "a", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}]),
                "Not found: \"v\"",
            ),
            (
                "/spec/template/spec/containers",
                json!([{"name": "a", "image": "a", "resources": {"requests": {"cpu": "lots"}}}]),
                "quantities must match",
            ),
            (
                "/spec/template/spec/containers",
                json!([{"name": "a", "image": "a", "resources": {"requests": {"nvidia.com/gpu": "1"}}}]),
                "Limit must be set",
            ),
        ] {
            let told = said("deployments", &with(path, value));
            assert!(told.starts_with("422 ") && told.contains(word), "{told}");
        }
        let kind = Kind::find("apps", "deployments").expect("served");
        let other = with("/spec/selector", json!({"matchLabels": {"app": "b"}}));
        assert!(check_change(kind, &deployment(), &other).is_err());
        assert_eq!(check_change(kind, &deployment(), &with("/spec/replicas", json!(2))), Ok(()));
    }

    #[test]
    fn bindings_name_what_they_give() {
        let binding =
            |role: Value, subjects: Value| json!({"metadata": {"name": "b"}, "roleRef": role, "subjects": subjects});
        let role = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "r"});
        let one = json!([{"kind": "ServiceAccount", "name": "a", "namespace": "n"}]);
        assert_eq!(said("clusterrolebindings", &binding(role.clone(), one.clone())), "fine");
        let nowhere = json!([{"kind": "ServiceAccount", "name": "a"}]);
        assert!(said("clusterrolebindings", &binding(role.clone(), nowhere)).contains("namespace: Required"));
        let odd = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"});
        assert!(said("clusterrolebindings", &binding(odd, one)).contains("roleRef.kind"));
        let rules =
            json!({"metadata": {"name": "r"}, "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": []}]});
        assert!(said("clusterroles", &rules).contains("rules[0].verbs: Required"));
    }
}
