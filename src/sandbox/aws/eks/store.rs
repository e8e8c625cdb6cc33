//! How EKS objects are kept in the world, and the few things every operation does with them.
//!
//! An object's `doc` holds what the API shows (`api`) beside what only the service knows. Status and tags live on the object.

use super::error;
use crate::sandbox::{
    aws::protocol::ApiError,
    world::{Due, Kind, Object, Scope, Tx},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Clusters, by name.
pub(in crate::sandbox) const CLUSTER: Kind = Kind::new("eks", "cluster");
/// Managed node groups, by `cluster/name`.
pub(in crate::sandbox) const NODEGROUP: Kind = Kind::new("eks", "nodegroup");
/// Add-ons, by `cluster/name`.
pub(in crate::sandbox) const ADDON: Kind = Kind::new("eks", "addon");
/// Access entries, by `cluster/principal ARN`.
pub(in crate::sandbox) const ACCESS_ENTRY: Kind = Kind::new("eks", "access-entry");
/// Pod identity associations, by `cluster/association id`.
pub(in crate::sandbox) const POD_IDENTITY: Kind = Kind::new("eks", "pod-identity-association");

/// What the service keeps of a cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::sandbox) struct ClusterDoc {
    /// What DescribeCluster shows, besides status, tags and what a control plane shows only once it is up.
    pub(in crate::sandbox) api: Value,
    /// The path of its Kubernetes API and the end of its OIDC issuer.
    pub(in crate::sandbox) uid: String,
    /// Whether the control plane serves.
    pub(in crate::sandbox) up: bool,
    /// Who called CreateCluster and is made admin once it is up, if the call asked for that.
    pub(in crate::sandbox) bootstrap_admin: Option<String>,
    /// Whether EKS put its own vpc-cni, kube-proxy and coredns in.
    pub(in crate::sandbox) self_managed: bool,
    /// Its ENIs.
    pub(in crate::sandbox) enis: Vec<String>,
    /// Updates, oldest first.
    pub(in crate::sandbox) updates: Vec<Update>,
}

/// What the service keeps of a node group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::sandbox) struct NodegroupDoc {
    /// What DescribeNodegroup shows.
    pub(in crate::sandbox) api: Value,
    /// End of the names of what EKS makes for it: instance profile, launch template, Auto Scaling group.
    pub(in crate::sandbox) uuid: String,
    /// The launch template EKS made for it, once it has.
    pub(in crate::sandbox) own_template: Option<String>,
    /// Its machines.
    pub(in crate::sandbox) nodes: Vec<Node>,
    /// What the launch template says of the machines.
    pub(in crate::sandbox) template: Option<Template>,
    /// Why machines did not start or nodes do not join, while that is so.
    pub(in crate::sandbox) obstacle: Option<Obstacle>,
    /// Updates, oldest first.
    pub(in crate::sandbox) updates: Vec<Update>,
}

/// What a node group takes from its launch template.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::sandbox) struct Template {
    /// Id.
    pub(in crate::sandbox) id: String,
    /// Name.
    pub(in crate::sandbox) name: String,
    /// Version number.
    pub(in crate::sandbox) version: String,
    /// Image of its own.
    pub(in crate::sandbox) image: Option<String>,
    /// Machine type.
    pub(in crate::sandbox) instance_type: Option<String>,
    /// Tags for machines.
    pub(in crate::sandbox) instance_tags: BTreeMap<String, String>,
    /// Tags for their disks.
    pub(in crate::sandbox) volume_tags: BTreeMap<String, String>,
    /// Tags for their network interfaces.
    pub(in crate::sandbox) interface_tags: BTreeMap<String, String>,
    /// Root disk size.
    pub(in crate::sandbox) disk_gib: Option<u32>,
    /// Security groups instead of the cluster's.
    pub(in crate::sandbox) security_groups: Vec<String>,
}

/// An issue that the health of a node group will show once EKS gives up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::sandbox) struct Obstacle {
    /// Issue code, `NodeCreationFailure`.
    pub(in crate::sandbox) code: String,
    /// What people read.
    pub(in crate::sandbox) message: String,
}

/// A machine of a node group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::sandbox) struct Node {
    /// EC2 instance id.
    pub(in crate::sandbox) instance: String,
    /// Its type.
    pub(in crate::sandbox) instance_type: String,
    /// Its subnet.
    pub(in crate::sandbox) subnet: String,
    /// Its zone, `us-east-1a`.
    pub(in crate::sandbox) zone: String,
    /// Its address in the VPC.
    pub(in crate::sandbox) private_ip: String,
    /// When it joined the cluster.
    pub(in crate::sandbox) joined_at: Option<Timestamp>,
    /// Whether its kubelet reports Ready.
    pub(in crate::sandbox) ready: bool,
}

/// What the service keeps of an add-on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::sandbox) struct AddonDoc {
    /// What DescribeAddon shows.
    pub(in crate::sandbox) api: Value,
    /// It would overwrite what is in the cluster already, and was not allowed to.
    pub(in crate::sandbox) conflicts: bool,
    /// Updates, oldest first.
    pub(in crate::sandbox) updates: Vec<Update>,
}

/// A change that takes time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::sandbox) struct Update {
    /// Its id.
    pub(super) id: String,
    /// `VersionUpdate`, `EndpointAccessUpdate` …
    pub(super) kind: String,
    /// `InProgress`, `Successful`, `Failed`.
    pub(super) status: String,
    /// Type and value, as DescribeUpdate lists them.
    pub(super) params: Vec<(String, String)>,
    /// When it was asked for.
    pub(super) created_at: Timestamp,
    /// Why it failed.
    #[serde(default)]
    pub(super) errors: Vec<Value>,
    /// Token and fingerprint of the request.
    pub(super) token: Option<String>,
    /// What becomes of the owner's `api` when it succeeds: members to merge in.
    pub(super) outcome: Value,
}

impl Update {
    /// A new update, in progress.
    pub(super) fn begin(
        tx: &mut Tx<'_>,
        kind: &str,
        params: &[(&str, String)],
        outcome: Value,
        token: Option<String>,
    ) -> Self {
        Self {
            id: tx.uuid(),
            kind: kind.to_owned(),
            status: "InProgress".to_owned(),
            params: params.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect(),
            created_at: tx.now(),
            errors: Vec::new(),
            token,
            outcome,
        }
    }

    /// It did not work out.
    pub(super) fn fail(&mut self, why: Option<&Obstacle>) {
        "Failed".clone_into(&mut self.status);
        self.errors = why
            .map(|why| json!({"errorCode": "Unknown", "errorMessage": why.message, "resourceIds": []}))
            .into_iter()
            .collect();
    }

    /// As the API shows it.
    pub(super) fn view(&self) -> Value {
        let params: Vec<Value> = self.params.iter().map(|(k, v)| json!({"type": k, "value": v})).collect();
        json!({
            "id": self.id, "status": self.status, "type": self.kind, "params": params,
            "createdAt": seconds(self.created_at), "errors": self.errors,
        })
    }
}

/// Finishes the update in progress: its outcome is merged into `api`.
pub(super) fn finish(updates: &mut [Update], api: &mut Value) {
    if let Some(update) = updates.iter_mut().find(|u| u.status == "InProgress") {
        "Successful".clone_into(&mut update.status);
        merge(api, &update.outcome);
    }
}

/// Puts the members of `from` into `into`, objects member by member, everything else whole; `null` removes.
pub(super) fn merge(into: &mut Value, from: &Value) {
    let (Some(target), Some(source)) = (into.as_object_mut(), from.as_object()) else {
        *into = from.clone();
        return;
    };
    for (key, value) in source {
        if value.is_null() {
            target.remove(key);
        } else if value.is_object() && target.get(key).is_some_and(Value::is_object) {
            merge(&mut target[key], value);
        } else {
            target.insert(key.clone(), value.clone());
        }
    }
}

/// Seconds since 1970, as REST JSON writes times.
pub(super) fn seconds(at: Timestamp) -> f64 {
    at.as_millisecond() as f64 / 1000.0
}

/// Token and fingerprint of a request, as kept on what it made.
pub(super) fn fingerprint(body: &Value) -> Option<String> {
    let token = body.get("clientRequestToken")?.as_str()?;
    let digest = Sha256::digest(body.to_string().as_bytes());
    Some(format!("{token}/{}", URL_SAFE_NO_PAD.encode(&digest[..9])))
}

/// What a token says of an earlier request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// Never heard of it.
    New,
    /// The same request again.
    Again,
    /// The same token with other parameters.
    Differs,
}

/// Compares the fingerprint an object was made with and the one of this request.
pub(super) fn seen(before: Option<&String>, now: Option<&String>) -> Seen {
    let token = |text: &str| text.rsplit_once('/').map(|(t, _)| t.to_owned());
    match (before, now) {
        (Some(before), Some(now)) if before == now => Seen::Again,
        (Some(before), Some(now)) if token(before) == token(now) => Seen::Differs,
        _ => Seen::New,
    }
}

/// The answer to a token that comes again with other parameters.
pub(super) fn token_differs() -> ApiError {
    error::parameter("The clientRequestToken was already used by a request with different parameters")
}

/// Checks the tags of a create or tag call and returns them.
pub(super) fn tags(value: Option<&Value>) -> Result<BTreeMap<String, String>, String> {
    let pairs = value.and_then(Value::as_object).into_iter().flatten();
    let tags: BTreeMap<String, String> =
        pairs.map(|(k, v)| (k.clone(), v.as_str().unwrap_or_default().to_owned())).collect();
    if tags.len() > 50 {
        return Err("a resource has at most 50 tags".to_owned());
    }
    for (key, value) in &tags {
        let count = key.chars().count();
        if count == 0 || count > 128 || value.chars().count() > 256 {
            return Err(format!("tag `{key}` is too long or empty"));
        }
        if key.starts_with("aws:") {
            return Err(format!("tag keys starting with aws: are reserved for system use, not `{key}`"));
        }
        let odd = |c: char| !(c.is_alphanumeric() || c.is_whitespace() || "_.:/=+-@".contains(c));
        if key.chars().chain(value.chars()).any(odd) {
            return Err(format!("tag `{key}` holds a character that is not allowed"));
        }
    }
    Ok(tags)
}

/// One page of names: those after the token, at most `max`, and the token of the next page.
pub(super) fn page(
    names: Vec<String>,
    member: &str,
    max: Option<&str>,
    token: Option<&str>,
) -> Result<Value, ApiError> {
    let max: usize = match max.map(str::parse::<usize>) {
        None => 100,
        Some(Ok(n)) if (1..=100).contains(&n) => n,
        Some(_) => return Err(error::parameter("maxResults must lie between 1 and 100")),
    };
    let after = match token {
        None => None,
        Some(token) => {
            let decoded = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            Some(decoded.ok_or_else(|| error::parameter("nextToken is not valid"))?)
        }
    };
    let mut names: Vec<String> = names.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
    names.retain(|name| after.as_ref().is_none_or(|after| name > after));
    let more = names.len() > max;
    names.truncate(max);
    let next = names.last().filter(|_| more).map(|last| URL_SAFE_NO_PAD.encode(last));
    let mut reply = json!({ member: names });
    if let Some(next) = next {
        reply["nextToken"] = json!(next);
    }
    Ok(reply)
}

/// The object's document, changed in place together with its state and due.
pub(super) fn change<D: Serialize + DeserializeOwned, R>(
    tx: &mut Tx<'_>,
    scope: &Scope,
    kind: Kind,
    id: &str,
    change: impl FnOnce(&mut Object, &mut D) -> R,
) -> Option<R> {
    tx.update(scope, kind, id, |object| {
        let mut doc: D = object.read();
        let result = change(object, &mut doc);
        object.write(&doc);
        result
    })
}

/// What happens next to an object, and when.
pub(super) fn due(tx: &Tx<'_>, after: Duration, what: &str) -> Option<Due> {
    Some(Due { at: tx.now() + after, what: what.to_owned() })
}

/// Minutes.
pub(super) const fn minutes(n: u64) -> Duration {
    Duration::from_secs(n * 60)
}

/// Seconds.
pub(super) const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// The id of an object that belongs to a cluster.
pub(in crate::sandbox) fn within(cluster: &str, name: &str) -> String {
    format!("{cluster}/{name}")
}

/// The objects of a kind that belong to a cluster.
pub(in crate::sandbox) fn of_cluster<'t>(
    tx: &'t Tx<'_>,
    scope: &Scope,
    kind: Kind,
    cluster: &'t str,
) -> impl Iterator<Item = &'t Object> {
    tx.list_live(scope, kind).filter(move |object| object.parent.as_deref() == Some(cluster))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merging_keeps_what_is_not_named() {
        let mut api = json!({"a": {"b": 1, "c": 2}, "d": [1]});
        merge(&mut api, &json!({"a": {"b": 3}, "d": [2], "e": 4, "a2": null}));
        assert_eq!(api, json!({"a": {"b": 3, "c": 2}, "d": [2], "e": 4}));
    }

    #[test]
    fn pages_follow_each_other() {
        let names = || vec!["b".to_owned(), "a".to_owned(), "c".to_owned()];
        let first = page(names(), "clusters", Some("2"), None).expect("a page");
        assert_eq!(first["clusters"], json!(["a", "b"]));
        let second = page(names(), "clusters", Some("2"), first["nextToken"].as_str()).expect("a page");
        assert_eq!(second, json!({"clusters": ["c"]}));
        assert!(page(names(), "clusters", Some("0"), None).is_err());
        assert!(page(names(), "clusters", None, Some("%")).is_err());
    }

    #[test]
    fn a_token_tells_again_from_different() {
        let one = fingerprint(&json!({"clientRequestToken": "t", "name": "a"}));
        let other = fingerprint(&json!({"clientRequestToken": "t", "name": "b"}));
        assert_eq!(seen(one.as_ref(), one.as_ref()), Seen::Again);
        assert_eq!(seen(one.as_ref(), other.as_ref()), Seen::Differs);
        assert_eq!(seen(None, one.as_ref()), Seen::New);
        assert_eq!(fingerprint(&json!({"name": "a"})), None);
    }

    #[test]
    fn tags_keep_the_rules() {
        assert!(tags(Some(&json!({"aws:x": "y"}))).is_err());
        assert!(tags(Some(&json!({"k": "v;"}))).is_err());
        assert_eq!(tags(Some(&json!({"kubewright-stack": "demo-0000beef"}))).expect("fine").len(), 1);
    }
}
