//! Objects that we put into a cluster ourselves: made from a manifest by one call, found by kind and name, and told
//! apart from later ones of their name by their uid.
//!
//! The server is asked to refuse what it does not know: a misspelt field must fail a build and not be dropped.

use super::error;
use crate::engine::{Deletion, ErrorClass, Residue, StepError};
use jiff::Timestamp;
use kube::{
    Client, Error,
    api::{DeleteParams, GetParams, PostParams, Preconditions, PropagationPolicy},
    core::Request,
};
use serde_json::Value;
use std::collections::BTreeMap;

/// Who we are among those that set fields.
const MANAGER: &str = "kubewright";

/// Kind, API, the word in paths, whether it lives in a namespace.
type Row = (&'static str, &'static str, &'static str, bool);

/// Every kind we make.
const KINDS: [Row; 7] = [
    ("ClusterRole", "rbac.authorization.k8s.io/v1", "clusterroles", false),
    ("ClusterRoleBinding", "rbac.authorization.k8s.io/v1", "clusterrolebindings", false),
    ("DaemonSet", "apps/v1", "daemonsets", true),
    ("Deployment", "apps/v1", "deployments", true),
    ("Role", "rbac.authorization.k8s.io/v1", "roles", true),
    ("RoleBinding", "rbac.authorization.k8s.io/v1", "rolebindings", true),
    ("ServiceAccount", "v1", "serviceaccounts", true),
];

/// An object as the API server has it now.
#[derive(Debug, Clone, PartialEq)]
pub struct Made {
    /// What tells it from a later one of its name.
    pub uid: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// When it was made.
    pub created_at: Option<Timestamp>,
    /// It is being deleted.
    pub going: bool,
    /// All of it.
    pub whole: Value,
}

/// Where a manifest's object stands.
struct Place<'m> {
    request: Request,
    name: &'m str,
}

/// What a manifest speaks of, for people and as a key: `Deployment kube-system/cluster-autoscaler`.
pub fn called(manifest: &Value) -> String {
    let text = |path: &str| manifest.pointer(path).and_then(Value::as_str).unwrap_or_default();
    let (kind, namespace, name) = (text("/kind"), text("/metadata/namespace"), text("/metadata/name"));
    if namespace.is_empty() { format!("{kind} {name}") } else { format!("{kind} {namespace}/{name}") }
}

fn place(manifest: &Value) -> Result<Place<'_>, StepError> {
    let text = |path: &str| manifest.pointer(path).and_then(Value::as_str);
    let known = KINDS.iter().find(|row| text("/kind") == Some(row.0) && text("/apiVersion") == Some(row.1));
    let (Some((_, api, plural, namespaced)), Some(name)) = (known, text("/metadata/name")) else {
        let message = format!("{} is nothing that this version puts into a cluster", called(manifest));
        return Err(StepError::new(ErrorClass::Permanent, "KW-PLAN", message).with_residue(Residue::None));
    };
    let home = if api.contains('/') { format!("/apis/{api}") } else { format!("/api/{api}") };
    let path = match text("/metadata/namespace").filter(|_| *namespaced) {
        Some(namespace) => format!("{home}/namespaces/{namespace}/{plural}"),
        None => format!("{home}/{plural}"),
    };
    Ok(Place { request: Request::new(path), name })
}

/// Makes it: one mutating call. One of its name that is there already stays as it is, and is a conflict.
///
/// # Errors
/// As every call.
pub async fn create(client: &Client, manifest: &Value) -> Result<Made, StepError> {
    let tried = format!("create {}", called(manifest));
    let failed = |cause| error::map(&tried, &cause);
    let at = place(manifest)?;
    let body = serde_json::to_vec(manifest).expect("a manifest is JSON already");
    let ours = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
    let mut request = at.request.create(&ours, body).map_err(|cause| failed(made_no_request(cause)))?;
    // kube has no word for this in a creating call.
    if let Ok(strict) = format!("{}&fieldValidation=Strict", request.uri()).parse() {
        *request.uri_mut() = strict;
    }
    client.request::<Value>(request).await.map(see).map_err(failed)
}

/// The object of this kind and name as it is now, whoever made it.
///
/// # Errors
/// As every read.
pub async fn read(client: &Client, manifest: &Value) -> Result<Option<Made>, StepError> {
    let tried = format!("read {}", called(manifest));
    let at = place(manifest)?;
    let request = at.request.get(at.name, &GetParams::default());
    let request = request.map_err(|cause| error::map(&tried, &made_no_request(cause)))?;
    match client.request::<Value>(request).await {
        Ok(whole) => Ok(Some(see(whole))),
        Err(cause) if error::is_absent(&cause) => Ok(None),
        Err(cause) => Err(error::map(&tried, &cause)),
    }
}

/// Deletes the one with this uid and no later one of its name, with what it made: one mutating call.
///
/// # Errors
/// As every call; one that is gone already is no error.
pub async fn remove(client: &Client, manifest: &Value, uid: &str) -> Result<Deletion, StepError> {
    let tried = format!("delete {}", called(manifest));
    let at = place(manifest)?;
    let only_this = Preconditions { uid: Some(uid.to_owned()), resource_version: None };
    let params = DeleteParams {
        propagation_policy: Some(PropagationPolicy::Background),
        preconditions: Some(only_this),
        ..DeleteParams::default()
    };
    let request = at.request.delete(at.name, &params);
    let request = request.map_err(|cause| error::map(&tried, &made_no_request(cause)))?;
    match client.request::<Value>(request).await {
        Ok(_) => Ok(Deletion::Started),
        Err(cause) if error::is_absent(&cause) => Ok(Deletion::Gone),
        Err(Error::Api(status)) if status.code == 409 && status.message.contains("UID in precondition") => {
            Ok(Deletion::Gone)
        }
        Err(cause) => Err(error::map(&tried, &cause)),
    }
}

fn made_no_request(cause: kube::core::request::Error) -> Error {
    Error::BuildRequest(cause)
}

fn see(whole: Value) -> Made {
    let meta = &whole["metadata"];
    let labels = meta["labels"].as_object().into_iter().flatten();
    Made {
        uid: meta["uid"].as_str().unwrap_or_default().to_owned(),
        labels: labels.map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned())).collect(),
        created_at: meta["creationTimestamp"].as_str().and_then(|at| at.parse().ok()),
        going: meta["deletionTimestamp"].is_string(),
        whole,
    }
}

impl Made {
    /// What it still waits for, in words; none once it does its work. Only what runs pods ever waits.
    pub fn waits_for(&self) -> Option<String> {
        if self.going {
            return Some("it is being deleted".to_owned());
        }
        let number = |path: &str| self.whole.pointer(path).and_then(Value::as_u64).unwrap_or_default();
        let stale = number("/status/observedGeneration") < number("/metadata/generation");
        let (word, have, want) = match self.whole["kind"].as_str() {
            Some("Deployment") => ("available", number("/status/availableReplicas"), number("/spec/replicas")),
            Some("DaemonSet") => {
                ("available", number("/status/numberAvailable"), number("/status/desiredNumberScheduled"))
            }
            _ => return None,
        };
        if stale || self.whole["status"].is_null() {
            return Some("its controller has not looked at it yet".to_owned());
        }
        if have >= want {
            return None;
        }
        let conditions = self.whole["status"]["conditions"].as_array().into_iter().flatten();
        let why = conditions.filter(|it| it["status"] == "False").find_map(|it| it["message"].as_str());
        let why = why.map(|why| format!(" ({why})")).unwrap_or_default();
        Some(format!("{have} of {want} pods {word}{why}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::k8s::testing::{Answer, Server};
    use serde_json::json;

    fn deployment() -> Value {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a", "namespace": "kube-system"}})
    }

    #[tokio::test]
    async fn it_is_made_strictly_and_deleted_by_its_uid_alone() {
        let server = Server::start(|request| match request.method.as_str() {
            "POST" => Answer::of(201, json!({"kind": "Deployment", "metadata": {"uid": "u-1", "labels": {"a": "b"}}})),
            _ => Answer::of(200, json!({"kind": "Status", "status": "Success", "metadata": {}})),
        })
        .await;
        let made = create(&server.client(), &deployment()).await.unwrap();
        assert_eq!((made.uid.as_str(), made.labels["a"].as_str()), ("u-1", "b"));
        assert_eq!(remove(&server.client(), &deployment(), "u-1").await.unwrap(), Deletion::Started);
        let sent = server.requests();
        assert_eq!(sent[0].path, "/apis/apps/v1/namespaces/kube-system/deployments");
        assert!(sent[0].query.contains("fieldManager=kubewright&fieldValidation=Strict"), "{}", sent[0].query);
        assert!(sent[1].path.ends_with("/deployments/a"));
        assert!(sent[1].body.contains("u-1"), "{}", sent[1].body);
    }

    #[tokio::test]
    async fn what_this_version_never_makes_is_refused_before_any_call() {
        let server = Server::start(|_| Answer::of(200, json!({}))).await;
        let odd = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}});
        assert_eq!(read(&server.client(), &odd).await.unwrap_err().id, "KW-PLAN");
        assert!(server.requests().is_empty());
    }

    #[test]
    fn a_deployment_waits_for_its_pods_and_says_why() {
        let seen = |status: Value| {
            let mut whole = deployment();
            (whole["spec"], whole["status"]) = (json!({"replicas": 1}), status);
            whole["metadata"]["generation"] = json!(1);
            see(whole).waits_for()
        };
        assert_eq!(seen(json!({"observedGeneration": 1, "availableReplicas": 1})), None);
        assert!(seen(json!({"observedGeneration": 0, "availableReplicas": 1})).is_some());
        let conditions = json!([{"type": "Available", "status": "False", "message": "no room"}]);
        let lacking = seen(json!({"observedGeneration": 1, "conditions": conditions}));
        assert_eq!(lacking.as_deref(), Some("0 of 1 pods available (no room)"));
        let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "r"}});
        assert_eq!(see(role).waits_for(), None);
    }
}
