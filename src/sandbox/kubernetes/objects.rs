//! Objects that requests make, change and remove, kept in the world beside the cluster they live in.

use super::{
    controllers,
    deletion::{is_held, remove},
    discovery::{Kind, Source},
    host::Cluster,
    jobs, kubelet,
    paths::Objects,
    pods, schema,
    status::Refusal,
    views::{self, stamp},
};
use crate::sandbox::world::{self, Object, Tx};
use serde_json::{Map, Value, json};

/// How the world files objects of a kind.
pub(super) const fn filed(kind: &Kind) -> world::Kind {
    world::Kind::new("kubernetes", kind.plural)
}

/// The id of an object in the world.
pub(super) fn id(cluster: &Cluster, namespace: Option<&str>, name: &str) -> String {
    format!("{}/{}/{name}", cluster.id, namespace.unwrap_or("-"))
}

/// Everything of a kind, stored and computed, of one namespace or of all, in name order.
pub(super) fn list(tx: &Tx<'_>, cluster: &Cluster, kind: &Kind, namespace: Option<&str>, revision: u64) -> Vec<Value> {
    let mut rows = views::objects(tx, cluster, kind, revision);
    if kind.source == Source::Stored {
        let own = tx.list(&cluster.scope, filed(kind)).filter(|o| o.parent.as_deref() == Some(cluster.id.as_str()));
        let mut own: Vec<Value> = own.map(|object| object.doc.clone()).collect();
        if matches!(kind.plural, "pods" | "deployments" | "daemonsets") && !own.is_empty() {
            let survey = pods::survey(tx, cluster);
            own.iter_mut().for_each(|row| survey.show(kind.plural, row));
        }
        rows.extend(own);
    }
    rows.retain(|row| namespace.is_none_or(|ns| row["metadata"]["namespace"] == json!(ns)));
    rows.sort_by_key(|row| (word(row, "namespace"), word(row, "name")));
    rows
}

fn word(row: &Value, key: &str) -> String {
    row["metadata"][key].as_str().unwrap_or_default().to_owned()
}

/// One object.
pub(super) fn get(tx: &Tx<'_>, cluster: &Cluster, asked: &Objects, revision: u64) -> Result<Value, Refusal> {
    let name = asked.name.as_deref().unwrap_or_default();
    let rows = list(tx, cluster, asked.kind, asked.namespace.as_deref(), revision);
    rows.into_iter()
        .find(|row| row["metadata"]["name"] == json!(name))
        .ok_or_else(|| Refusal::not_found(asked.kind.group, asked.kind.plural, name))
}

/// The objects a list asks for, by label and field selector.
pub(super) fn select(rows: Vec<Value>, labels: Option<&str>, fields: Option<&str>) -> Result<Vec<Value>, Refusal> {
    let mut rows = rows;
    for term in terms(labels) {
        let (key, wanted, equal) = split_term(term);
        rows.retain(|row| {
            let found = row["metadata"]["labels"][key].as_str();
            match wanted {
                Some(value) => (found == Some(value)) == equal,
                None => found.is_some() == equal,
            }
        });
    }
    for term in terms(fields) {
        let (key, wanted, equal) = split_term(term);
        let path = format!("/{}", key.replace('.', "/"));
        let known = [
            "metadata.name",
            "metadata.namespace",
            "spec.nodeName",
            "status.phase",
            "type",
            "reason",
            "involvedObject.name",
            "involvedObject.namespace",
            "involvedObject.kind",
            "involvedObject.uid",
        ];
        if !known.contains(&key) {
            return Err(Refusal::bad_request(format!("field label not supported: {key}")));
        }
        rows.retain(|row| {
            (row.pointer(&path).and_then(Value::as_str).unwrap_or_default() == wanted.unwrap_or_default()) == equal
        });
    }
    Ok(rows)
}

fn terms(text: Option<&str>) -> impl Iterator<Item = &str> {
    text.unwrap_or_default().split(',').map(str::trim).filter(|term| !term.is_empty())
}

/// `a=b`, `a==b`, `a!=b`, `a`, `!a`.
fn split_term(term: &str) -> (&str, Option<&str>, bool) {
    if let Some((key, value)) = term.split_once("!=") {
        return (key.trim(), Some(value.trim()), false);
    }
    if let Some((key, value)) = term.split_once('=') {
        return (key.trim(), Some(value.trim_start_matches('=').trim()), true);
    }
    match term.strip_prefix('!') {
        Some(key) => (key, None, false),
        None => (term, None, true),
    }
}

/// Stores an object as it is now, under the revision this change will have.
pub(super) fn put(
    tx: &mut Tx<'_>,
    cluster: &Cluster,
    kind: &Kind,
    mut row: Value,
    change: impl FnOnce(&mut Object),
) -> Value {
    row["metadata"]["resourceVersion"] = json!(tx.revision().to_string());
    let (namespace, name) =
        (row["metadata"]["namespace"].as_str(), row["metadata"]["name"].as_str().unwrap_or_default());
    let key = id(cluster, namespace, name);
    let mut object = match tx.get(&cluster.scope, filed(kind), &key) {
        Some(object) => object.clone(),
        None => Object::new(&cluster.scope, filed(kind), &key, tx.now()),
    };
    object.cloud = cluster.cloud;
    object.name = Some(name.to_owned());
    object.parent = Some(cluster.id.clone());
    object.state = row["status"]["phase"].as_str().unwrap_or("Active").to_owned();
    object.doc = row.clone();
    change(&mut object);
    tx.put(object);
    row
}

/// Makes an object.
pub(super) fn create(
    tx: &mut Tx<'_>,
    cluster: &Cluster,
    asked: &Objects,
    body: Value,
    dry: bool,
) -> Result<Value, Refusal> {
    let kind = asked.kind;
    let mut row = body;
    check_type(kind, &row)?;
    let meta = row["metadata"].as_object().cloned().unwrap_or_default();
    let name = match (meta.get("name").and_then(Value::as_str), meta.get("generateName").and_then(Value::as_str)) {
        (Some(name), _) => name.to_owned(),
        (None, Some(prefix)) => format!("{prefix}{}", pods::tail(tx)),
        (None, None) => {
            return Err(Refusal::invalid(format!(
                "{} \"\" is invalid: metadata.name: Required value: name or generateName is required",
                kind.kind
            )));
        }
    };
    check_name(kind, &name)?;
    if let Some(namespace) = &asked.namespace {
        if meta.get("namespace").and_then(Value::as_str).is_some_and(|own| own != namespace) {
            return Err(Refusal::bad_request(
                "the namespace of the provided object does not match the namespace sent on the request".to_owned(),
            ));
        }
        check_namespace(tx, cluster, namespace, &name, kind)?;
    } else if kind.namespaced {
        return Err(Refusal::method_not_allowed());
    }
    let one = Objects { name: Some(name.clone()), ..asked.clone() };
    if get(tx, cluster, &one, 0).is_ok() {
        return Err(Refusal::already_exists(kind.group, kind.plural, &name));
    }
    let mut meta = meta;
    for system in ["deletionTimestamp", "selfLink", "managedFields", "resourceVersion"] {
        meta.remove(system);
    }
    meta.insert("name".to_owned(), json!(name));
    if let Some(namespace) = &asked.namespace {
        meta.insert("namespace".to_owned(), json!(namespace));
    }
    meta.insert("uid".to_owned(), json!(tx.uuid()));
    meta.insert("creationTimestamp".to_owned(), json!(stamp(tx.now())));
    row["apiVersion"] = json!(kind.api_version());
    row["kind"] = json!(kind.kind);
    row["metadata"] = Value::Object(meta);
    fill(tx, cluster, kind, &mut row)?;
    schema::check_rules(kind, &row)?;
    if dry {
        return Ok(row);
    }
    let row = put(tx, cluster, kind, row, |_| {});
    controllers::changed(tx, cluster, kind, &row);
    Ok(row)
}

fn check_type(kind: &Kind, row: &Value) -> Result<(), Refusal> {
    if !row.is_object() {
        return Err(Refusal::bad_request("the request body is not an object".to_owned()));
    }
    let stated = |key: &str, own: String| row[key].as_str().is_none_or(|given| given == own);
    if stated("kind", kind.kind.to_owned()) && stated("apiVersion", kind.api_version()) {
        return Ok(());
    }
    Err(Refusal::bad_request(format!(
        "the object provided is {} {}, this path takes {} {}",
        row["apiVersion"].as_str().unwrap_or_default(),
        row["kind"].as_str().unwrap_or_default(),
        kind.api_version(),
        kind.kind
    )))
}

fn check_name(kind: &Kind, name: &str) -> Result<(), Refusal> {
    let label = matches!(kind.plural, "services" | "namespaces");
    let inside = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || (c == '.' && !label);
    let ends = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let most = if label { 63 } else { 253 };
    if !name.is_empty()
        && name.len() <= most
        && name.chars().all(inside)
        && name.starts_with(ends)
        && name.ends_with(ends)
    {
        return Ok(());
    }
    Err(Refusal::invalid(format!(
        "{} \"{name}\" is invalid: metadata.name: Invalid value: \"{name}\": must consist of lower case alphanumeric characters or '-'",
        kind.kind
    )))
}

fn check_namespace(tx: &Tx<'_>, cluster: &Cluster, namespace: &str, name: &str, kind: &Kind) -> Result<(), Refusal> {
    let namespaces = Kind::find("", "namespaces").expect("served");
    let found =
        list(tx, cluster, namespaces, None, 0).into_iter().find(|row| row["metadata"]["name"] == json!(namespace));
    match found {
        None => Err(Refusal::not_found("", "namespaces", namespace)),
        Some(row) if row["status"]["phase"] == json!("Terminating") => Err(Refusal::forbidden(format!(
            "{} \"{name}\" is forbidden: unable to create new content in namespace {namespace} because it is being terminated",
            kind.plural
        ))),
        Some(_) => Ok(()),
    }
}

/// What the API server adds to a new object.
fn fill(tx: &mut Tx<'_>, cluster: &Cluster, kind: &Kind, row: &mut Value) -> Result<(), Refusal> {
    match kind.plural {
        "namespaces" => {
            let name = row["metadata"]["name"].clone();
            row["metadata"]["labels"]["kubernetes.io/metadata.name"] = name;
            row["spec"] = json!({"finalizers": ["kubernetes"]});
            row["status"] = json!({"phase": "Active"});
        }
        "services" => fill_service(tx, cluster, row)?,
        "persistentvolumeclaims" => {
            if row["spec"]["resources"]["requests"]["storage"].as_str().and_then(controllers::gibibytes).is_none() {
                return Err(Refusal::invalid(
                    "PersistentVolumeClaim is invalid: spec.resources[storage]: Required value".to_owned(),
                ));
            }
            if row["spec"]["accessModes"].as_array().is_none_or(Vec::is_empty) {
                return Err(Refusal::invalid("PersistentVolumeClaim is invalid: spec.accessModes: Required value: at least 1 access mode is required".to_owned()));
            }
            if row["spec"]["storageClassName"].is_null()
                && let Some(class) = controllers::default_class(tx, cluster)
            {
                row["spec"]["storageClassName"] = json!(class);
            }
            row["metadata"]["finalizers"] = json!(["kubernetes.io/pvc-protection"]);
            row["status"] = json!({"phase": "Pending"});
        }
        "persistentvolumes" => row["status"] = json!({"phase": "Available"}),
        "storageclasses" => {
            if !row["provisioner"].is_string() {
                return Err(Refusal::invalid("StorageClass is invalid: provisioner: Required value".to_owned()));
            }
            for (key, value) in [("reclaimPolicy", "Delete"), ("volumeBindingMode", "Immediate")] {
                if row[key].is_null() {
                    row[key] = json!(value);
                }
            }
        }
        "secrets" => {
            if let Some(texts) = row["stringData"].as_object().cloned() {
                use base64::Engine;
                for (key, value) in texts {
                    let encoded = base64::engine::general_purpose::STANDARD.encode(value.as_str().unwrap_or_default());
                    row["data"][key] = json!(encoded);
                }
                row.as_object_mut().map(|map| map.remove("stringData"));
            }
            if row["type"].is_null() {
                row["type"] = json!("Opaque");
            }
        }
        "deployments" | "daemonsets" => {
            row["metadata"]["generation"] = json!(1);
            if kind.plural == "deployments" && row["spec"]["replicas"].is_null() {
                row["spec"]["replicas"] = json!(1);
            }
        }
        "jobs" => jobs::fill(row),
        "pods" => {
            if row["spec"]["terminationGracePeriodSeconds"].is_null() {
                row["spec"]["terminationGracePeriodSeconds"] = json!(30);
            }
            row["status"] = json!({"phase": "Pending", "qosClass": pods::qos(&row["spec"])});
        }
        "ingresses" => row["status"] = json!({"loadBalancer": {}}),
        _ => {}
    }
    Ok(())
}

fn fill_service(tx: &mut Tx<'_>, cluster: &Cluster, row: &mut Value) -> Result<(), Refusal> {
    let kind = row["spec"]["type"].as_str().unwrap_or("ClusterIP").to_owned();
    if !["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"].contains(&kind.as_str()) {
        return Err(Refusal::invalid(format!("Service is invalid: spec.type: Unsupported value: \"{kind}\"")));
    }
    row["spec"]["type"] = json!(kind);
    let ports = row["spec"]["ports"].as_array().cloned().unwrap_or_default();
    let headless = row["spec"]["clusterIP"] == json!("None");
    if ports.is_empty() && kind != "ExternalName" && !headless {
        return Err(Refusal::invalid("Service is invalid: spec.ports: Required value".to_owned()));
    }
    let mut filled = Vec::new();
    for mut port in ports {
        let Some(number) = port["port"].as_u64().filter(|n| (1..=65_535).contains(n)) else {
            return Err(Refusal::invalid(
                "Service is invalid: spec.ports[0].port: must be between 1 and 65535, inclusive".to_owned(),
            ));
        };
        if port["protocol"].is_null() {
            port["protocol"] = json!("TCP");
        }
        if port["targetPort"].is_null() {
            port["targetPort"] = json!(number);
        }
        if matches!(kind.as_str(), "NodePort" | "LoadBalancer") && port["nodePort"].is_null() {
            port["nodePort"] = json!(30_000 + tx.below(2_768));
        }
        filled.push(port);
    }
    row["spec"]["ports"] = json!(filled);
    if kind != "ExternalName" && row["spec"]["clusterIP"].is_null() {
        let offset = u32::try_from(256 + tx.below(3_800)).unwrap_or(256);
        let ip = cluster.service_ip(offset);
        row["spec"]["clusterIPs"] = json!([ip]);
        row["spec"]["clusterIP"] = json!(ip);
    }
    row["status"] = json!({"loadBalancer": {}});
    Ok(())
}

/// The stored object, for a change; computed ones cannot be changed.
pub(super) fn stored(tx: &Tx<'_>, cluster: &Cluster, asked: &Objects) -> Result<Value, Refusal> {
    let name = asked.name.as_deref().unwrap_or_default();
    match tx.get(&cluster.scope, filed(asked.kind), &id(cluster, asked.namespace.as_deref(), name)) {
        Some(object) => Ok(object.doc.clone()),
        None => {
            get(tx, cluster, asked, 0)?;
            Err(Refusal::not_simulated(&format!("changes of the built-in {} {name}", asked.kind.singular)))
        }
    }
}

/// Replaces an object (PUT).
pub(super) fn replace(
    tx: &mut Tx<'_>,
    cluster: &Cluster,
    asked: &Objects,
    body: Value,
    dry: bool,
) -> Result<Value, Refusal> {
    check_type(asked.kind, &body)?;
    let before = stored(tx, cluster, asked)?;
    if let Some(given) = body["metadata"]["resourceVersion"].as_str()
        && before["metadata"]["resourceVersion"] != json!(given)
    {
        let (plural, name) = (asked.kind.plural, asked.name.as_deref().unwrap_or_default());
        return Err(Refusal::conflict(format!(
            "Operation cannot be fulfilled on {plural} \"{name}\": the object has been modified; please apply your changes to the latest version and try again"
        )));
    }
    settle(tx, cluster, asked, before, body, dry)
}

/// Merges a patch into an object (RFC 7396).
pub(super) fn patch(
    tx: &mut Tx<'_>,
    cluster: &Cluster,
    asked: &Objects,
    patch: &Value,
    dry: bool,
) -> Result<Value, Refusal> {
    let before = stored(tx, cluster, asked)?;
    let mut after = before.clone();
    merge(&mut after, patch);
    settle(tx, cluster, asked, before, after, dry)
}

fn merge(into: &mut Value, patch: &Value) {
    let Some(members) = patch.as_object() else {
        *into = patch.clone();
        return;
    };
    if !into.is_object() {
        *into = Value::Object(Map::new());
    }
    let target = into.as_object_mut().expect("made an object just now");
    for (key, value) in members {
        if value.is_null() {
            target.remove(key);
        } else {
            merge(target.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

fn settle(
    tx: &mut Tx<'_>,
    cluster: &Cluster,
    asked: &Objects,
    before: Value,
    mut after: Value,
    dry: bool,
) -> Result<Value, Refusal> {
    after["apiVersion"] = before["apiVersion"].clone();
    after["kind"] = before["kind"].clone();
    for kept in ["name", "namespace", "uid", "creationTimestamp", "deletionTimestamp"] {
        match before["metadata"].get(kept) {
            Some(value) => after["metadata"][kept] = value.clone(),
            None => {
                after["metadata"].as_object_mut().map(|meta| meta.remove(kept));
            }
        }
    }
    // Status changes only through the status subresource, and then nothing else does.
    if asked.sub.as_deref() == Some("status") {
        let status = after["status"].clone();
        after = before.clone();
        after["status"] = status;
    } else if !before["status"].is_null() {
        after["status"] = before["status"].clone();
    }
    schema::check_change(asked.kind, &before, &after)?;
    if let Some(generation) = before["metadata"]["generation"].as_u64() {
        let next = generation + u64::from(before["spec"] != after["spec"]);
        after["metadata"]["generation"] = json!(next);
    }
    if dry {
        return Ok(after);
    }
    let leaving = after["metadata"]["deletionTimestamp"].is_string();
    let after = put(tx, cluster, asked.kind, after, |_| {});
    if leaving && runs_to_an_end(asked.kind, &after) {
        kubelet::let_go(tx, cluster, &after);
    } else if leaving && !is_held(&after) {
        remove(tx, cluster, asked.kind, &after);
    } else {
        controllers::changed(tx, cluster, asked.kind, &after);
    }
    Ok(after)
}

pub(super) fn runs_to_an_end(kind: &Kind, row: &Value) -> bool {
    kind.plural == "pods" && kubelet::is_finite(&row["spec"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_choose() {
        let row = |name: &str, labels: Value| json!({"metadata": {"name": name, "labels": labels}});
        let rows =
            || vec![row("a", json!({"app": "x", "tier": "1"})), row("b", json!({"app": "y"})), row("c", json!({}))];
        let names = |labels: Option<&str>, fields: Option<&str>| -> Vec<String> {
            select(rows(), labels, fields).expect("selected").iter().map(|r| word(r, "name")).collect()
        };
        assert_eq!(names(Some("app=x"), None), ["a"]);
        assert_eq!(names(Some("app!=x"), None), ["b", "c"]);
        assert_eq!(names(Some("app,tier"), None), ["a"]);
        assert_eq!(names(Some("!app"), None), ["c"]);
        assert_eq!(names(None, Some("metadata.name=b")), ["b"]);
        assert!(select(rows(), None, Some("spec.unknown=b")).is_err());
    }

    #[test]
    fn a_merge_patch_removes_with_null() {
        let mut row = json!({"a": {"b": 1, "c": 2}, "d": [1, 2]});
        merge(&mut row, &json!({"a": {"b": null, "e": 3}, "d": [4]}));
        assert_eq!(row, json!({"a": {"c": 2, "e": 3}, "d": [4]}));
    }
}
