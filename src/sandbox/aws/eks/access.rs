//! Access entries and their policies: who may talk to a cluster's API server, and as what.

use super::{
    catalog,
    cluster::{body, find, texts},
    error, neighbours,
    requests::{ASSOCIATE_ACCESS_POLICY, CREATE_ACCESS_ENTRY, UPDATE_ACCESS_ENTRY},
    store::{self, ACCESS_ENTRY, CLUSTER, ClusterDoc, Seen, change, seconds, secs, within},
};
use crate::sandbox::{
    aws::{ApiError, CallCx},
    world::{Object, Origin, Scope, Tx},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const STANDARD: &str = "STANDARD";
const TYPES: &[&str] =
    &[STANDARD, "EC2_LINUX", "EC2_WINDOWS", "EC2", "FARGATE_LINUX", "HYBRID_LINUX", "HYPERPOD_LINUX"];
const ADMIN: &str = "AmazonEKSClusterAdminPolicy";

/// What the service keeps of an access entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct EntryDoc {
    api: Value,
    /// Unique id of the principal: a role made again under the old name is another principal.
    principal_id: String,
    /// From when on API servers know of it.
    effective_at: Timestamp,
    policies: Vec<Association>,
}

/// An access policy given to an entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Association {
    policy_arn: String,
    /// None: the whole cluster.
    namespaces: Option<Vec<String>>,
    associated_at: Timestamp,
    modified_at: Timestamp,
    effective_at: Timestamp,
}

impl Association {
    fn view(&self) -> Value {
        let scope = match &self.namespaces {
            None => json!({"type": "cluster", "namespaces": []}),
            Some(namespaces) => json!({"type": "namespace", "namespaces": namespaces}),
        };
        json!({
            "policyArn": self.policy_arn, "accessScope": scope,
            "associatedAt": seconds(self.associated_at), "modifiedAt": seconds(self.modified_at),
        })
    }
}

/// What a principal may do in a cluster.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::sandbox) struct Grant {
    /// Kubernetes user name.
    pub(in crate::sandbox) username: String,
    /// Kubernetes groups.
    pub(in crate::sandbox) groups: Vec<String>,
    /// Access policies by name; with namespaces when not cluster-wide.
    pub(in crate::sandbox) policies: Vec<(&'static str, Option<Vec<String>>)>,
}

fn view(object: &Object) -> Value {
    let doc: EntryDoc = object.read();
    let mut shown = doc.api;
    shown["tags"] = json!(object.tags);
    shown
}

/// The cluster, if its authentication mode knows access entries and it is up.
fn gate(cx: &mut CallCx<'_, '_>) -> Result<String, ApiError> {
    let name = cx.path("name").to_owned();
    let object = find(cx, &name)?;
    let doc: ClusterDoc = object.read();
    if doc.api["accessConfig"]["authenticationMode"] == json!("CONFIG_MAP") {
        return Err(error::request(
            "The cluster's authentication mode must be set to one of [API, API_AND_CONFIG_MAP] to perform this operation.",
        ));
    }
    if !doc.up || object.state == "DELETING" {
        return Err(error::request(format!("Cluster '{name}' is not in ACTIVE status")).with("clusterName", name));
    }
    Ok(name)
}

fn find_entry(cx: &mut CallCx<'_, '_>) -> Result<Object, ApiError> {
    let cluster = gate(cx)?;
    let principal = cx.path("principalArn").to_owned();
    cx.tx.live(&cx.scope, ACCESS_ENTRY, &within(&cluster, &principal)).cloned().ok_or_else(|| {
        error::not_found(format!("The specified principalArn could not be found. You can view your existing access entry resource's principal ARNs with 'aws eks list-access-entries'. {principal}"))
    })
}

/// CreateAccessEntry.
pub(super) fn create(cx: &mut CallCx<'_, '_>) -> Result<Value, ApiError> {
    let request = body(cx, CREATE_ACCESS_ENTRY)?;
    let cluster = gate(cx)?;
    let principal = request["principalArn"].as_str().unwrap_or_default().to_owned();
    let print = store::fingerprint(&request);
    if let Some(object) = cx.tx.live(&cx.scope, ACCESS_ENTRY, &within(&cluster, &principal)) {
        return match store::seen(object.token.as_ref(), print.as_ref()) {
            Seen::Again => Ok(json!({"accessEntry": view(object)})),
            Seen::Differs => Err(store::token_differs()),
            Seen::New => Err(error::in_use("The specified access entry resource is already in use on this cluster.")),
        };
    }
    let kind = request["type"].as_str().unwrap_or(STANDARD);
    if !TYPES.contains(&kind) {
        return Err(error::parameter(format!("The specified type is not valid. Valid types: {}", TYPES.join(", "))));
    }
    let groups = texts(&request["kubernetesGroups"]);
    check_names(kind, &groups, request["username"].as_str())?;
    let id = neighbours::principal_id(cx.tx, &cx.scope.account, &principal)
        .ok_or_else(|| error::parameter("The specified principalArn is invalid: invalid principal."))?;
    let tags = store::tags(request.get("tags")).map_err(error::parameter)?;
    let username = request["username"].as_str().map_or_else(|| default_username(kind, &principal), str::to_owned);
    let groups = if kind == STANDARD { groups } else { node_groups() };
    let lag = cx.tx.between(secs(1), secs(12));
    let doc = EntryDoc {
        api: api(cx.tx, &cx.scope, &cluster, &principal, kind, &username, &groups),
        principal_id: id,
        effective_at: cx.tx.now() + lag,
        policies: Vec::new(),
    };
    let object = entry(cx.tx, &cx.scope, &cluster, &principal, &doc, |object| {
        object.tags = tags;
        object.token = print;
    });
    Ok(json!({"accessEntry": view(&object)}))
}

fn entry(
    tx: &mut Tx<'_>,
    scope: &Scope,
    cluster: &str,
    principal: &str,
    doc: &EntryDoc,
    more: impl FnOnce(&mut Object),
) -> Object {
    let mut object = Object::new(scope, ACCESS_ENTRY, within(cluster, principal), tx.now());
    object.name = Some(principal.to_owned());
    "ACTIVE".clone_into(&mut object.state);
    object.parent = Some(cluster.to_owned());
    object.write(doc);
    more(&mut object);
    tx.put(object.clone());
    object
}

fn api(
    tx: &mut Tx<'_>,
    scope: &Scope,
    cluster: &str,
    principal: &str,
    kind: &str,
    username: &str,
    groups: &[String],
) -> Value {
    let tail = principal.rsplit(':').next().unwrap_or_default();
    let (word, name) = tail.split_once('/').unwrap_or((tail, ""));
    let name = name.rsplit('/').next().unwrap_or_default();
    let arn = format!(
        "arn:aws:eks:{}:{}:access-entry/{cluster}/{word}/{}/{name}/{}",
        scope.region,
        scope.account,
        scope.account,
        tx.uuid()
    );
    json!({
        "clusterName": cluster, "principalArn": principal, "kubernetesGroups": groups, "accessEntryArn": arn,
        "createdAt": seconds(tx.now()), "modifiedAt": seconds(tx.now()), "username": username, "type": kind,
    })
}

fn node_groups() -> Vec<String> {
    vec!["system:nodes".to_owned()]
}

fn default_username(kind: &str, principal: &str) -> String {
    match (kind, principal.split_once(":role/")) {
        (STANDARD, Some((prefix, path))) => {
            let account = prefix.rsplit(':').next().unwrap_or_default();
            let name = path.rsplit('/').next().unwrap_or_default();
            format!("arn:aws:sts::{account}:assumed-role/{name}/{{{{SessionName}}}}")
        }
        (STANDARD, None) => principal.to_owned(),
        _ => "system:node:{{EC2PrivateDNSName}}".to_owned(),
    }
}

fn check_names(kind: &str, groups: &[String], username: Option<&str>) -> Result<(), ApiError> {
    if kind != STANDARD && (!groups.is_empty() || username.is_some()) {
        return Err(error::parameter(format!(
            "Kubernetes groups and a username cannot be given for an access entry of type {kind}"
        )));
    }
    if let Some(group) = groups.iter().find(|group| group.starts_with("system:")) {
        return Err(error::parameter(format!(
            "The kubernetes group name {group} is invalid, it cannot start with system:"
        )));
    }
    let reserved = ["system:", "eks:", "aws:", "amazon:", "iam:"];
    match username {
        Some(name) if reserved.iter().any(|prefix| name.starts_with(prefix)) => Err(error::parameter(format!(
            "The username {name} is invalid, it cannot start with any of {}",
            reserved.join(", ")
        ))),
        _ => Ok(()),
    }
}

/// DescribeAccessEntry.
pub(super) fn describe(cx: &mut CallCx<'_, '_>) -> Result<Value, ApiError> {
    Ok(json!({"accessEntry": view(&find_entry(cx)?)}))
}

/// ListAccessEntries.
pub(super) fn list(cx: &mut CallCx<'_, '_>) -> Result<Value, ApiError> {
    let policy = cx.params.text("associatedPolicyArn");
    let cluster = gate(cx)?;
    let holds = |object: &&Object| {
        policy.as_ref().is_none_or(|policy| object.read::<EntryDoc>().policies.iter().any(|p| p.policy_arn == *policy))
    };
    let names = store::of_cluster(cx.tx, &cx.scope, ACCESS_ENTRY, &cluster)
        .filter(holds)
        .filter_map(|o| o.name.clone())
        .collect();
    store::page(names, "accessEntries", cx.params.get("maxResults"), cx.params.get("nextToken"))
}

/// UpdateAccessEntry.
pub(super) fn update(cx: &mut CallCx<'_, '_>) -> Result<Value, ApiError> {
    let request = body(cx, UPDATE_ACCESS_ENTRY)?;
    let object = find_entry(cx)?;
    let kind = object.doc["api"]["type"].as_str().unwrap_or(STANDARD).to_owned();
    let groups = texts(&request["kubernetesGroups"]);
    check_names(&kind, &groups, request["username"].as_str())?;
    let now = cx.tx.now();
    change(cx.tx, &cx.scope, ACCESS_ENTRY, &object.id, |_, doc: &mut EntryDoc| {
        if request["kubernetesGroups"].is_array() {
            doc.api["kubernetesGroups"] = json!(groups);
        }
        if request["username"].is_string() {
            doc.api["username"] = request["username"].clone();
        }
        doc.api["modifiedAt"] = json!(seconds(now));
    });
    Ok(json!({"accessEntry": view(&find_entry(cx)?)}))
}

/// DeleteAccessEntry.
pub(super) fn delete(cx: &mut CallCx<'_, '_>) -> Result<Value, ApiError> {
    let object = find_entry(cx)?;
    cx.tx.remove(&cx.scope, ACCESS_ENTRY, &object.id);
    Ok(json!({}))
}

/// AssociateAccessPolicy.
pub(super) fn associate(cx: &mut CallCx<'_, '_>) -> Result<Value, ApiError> {
    let request = body(cx, ASSOCIATE_ACCESS_POLICY)?;
    let object = find_entry(cx)?;
    let arn = request["policyArn"].as_str().unwrap_or_default().to_owned();
    if catalog::policy_name(&arn).is_none() {
        return Err(error::parameter("The policyArn parameter format is not valid or names no access policy"));
    }
    let kind = object.doc["api"]["type"].as_str().unwrap_or_default();
    if kind != STANDARD {
        return Err(error::parameter(format!(
            "An access policy cannot be associated with an access entry of type {kind}"
        )));
    }
    let namespaces = texts(&request["accessScope"]["namespaces"]);
    let namespaces = match request["accessScope"]["type"].as_str() {
        Some("cluster") if namespaces.is_empty() => None,
        Some("cluster") => {
            return Err(error::parameter("Namespaces cannot be given for an access scope of type cluster"));
        }
        Some("namespace") if !namespaces.is_empty() => Some(namespaces),
        _ => return Err(error::parameter("An access scope of type namespace needs at least one namespace")),
    };
    let now = cx.tx.now();
    let effective_at = now + cx.tx.between(secs(1), secs(12));
    let association = change(cx.tx, &cx.scope, ACCESS_ENTRY, &object.id, |_, doc: &mut EntryDoc| {
        match doc.policies.iter_mut().find(|p| p.policy_arn == arn) {
            Some(known) => {
                known.namespaces = namespaces;
                known.modified_at = now;
                known.view()
            }
            None => {
                let new =
                    Association { policy_arn: arn, namespaces, associated_at: now, modified_at: now, effective_at };
                let shown = new.view();
                doc.policies.push(new);
                shown
            }
        }
    });
    Ok(
        json!({"clusterName": cx.path("name"), "principalArn": cx.path("principalArn"), "associatedAccessPolicy": association}),
    )
}

/// DisassociateAccessPolicy.
pub(super) fn disassociate(cx: &mut CallCx<'_, '_>) -> Result<Value, ApiError> {
    let object = find_entry(cx)?;
    let arn = cx.path("policyArn").to_owned();
    let found = change(cx.tx, &cx.scope, ACCESS_ENTRY, &object.id, |_, doc: &mut EntryDoc| {
        let before = doc.policies.len();
        doc.policies.retain(|p| p.policy_arn != arn);
        doc.policies.len() < before
    });
    match found {
        Some(true) => Ok(json!({})),
        _ => Err(error::not_found(format!("The policy {arn} is not associated with the access entry"))),
    }
}

/// ListAssociatedAccessPolicies.
pub(super) fn list_associated(cx: &mut CallCx<'_, '_>) -> Result<Value, ApiError> {
    let object = find_entry(cx)?;
    let shown: BTreeMap<String, Value> =
        object.read::<EntryDoc>().policies.iter().map(|p| (p.policy_arn.clone(), p.view())).collect();
    let names = shown.keys().cloned().collect();
    let mut page =
        store::page(names, "associatedAccessPolicies", cx.params.get("maxResults"), cx.params.get("nextToken"))?;
    let rows: Vec<Value> = texts(&page["associatedAccessPolicies"]).iter().map(|arn| shown[arn].clone()).collect();
    page["associatedAccessPolicies"] = json!(rows);
    page["clusterName"] = json!(cx.path("name"));
    page["principalArn"] = json!(cx.path("principalArn"));
    Ok(page)
}

/// ListAccessPolicies.
pub(super) fn list_policies(cx: &CallCx<'_, '_>) -> Result<Value, ApiError> {
    let names = catalog::ACCESS_POLICIES.iter().map(|name| (*name).to_owned()).collect();
    let mut page = store::page(names, "accessPolicies", cx.params.get("maxResults"), cx.params.get("nextToken"))?;
    let rows: Vec<Value> = texts(&page["accessPolicies"])
        .iter()
        .map(|name| json!({"name": name, "arn": catalog::policy_arn(name)}))
        .collect();
    page["accessPolicies"] = json!(rows);
    Ok(page)
}

/// Makes the creator of a cluster its admin.
pub(super) fn bootstrap(tx: &mut Tx<'_>, scope: &Scope, cluster: &str, principal: &str) {
    if tx.live(scope, ACCESS_ENTRY, &within(cluster, principal)).is_some() {
        return;
    }
    let now = tx.now();
    let id = neighbours::principal_id(tx, &scope.account, principal).unwrap_or_default();
    let username = default_username(STANDARD, principal);
    let policy = Association {
        policy_arn: catalog::policy_arn(ADMIN),
        namespaces: None,
        associated_at: now,
        modified_at: now,
        effective_at: now,
    };
    let api = api(tx, scope, cluster, principal, STANDARD, &username, &[]);
    let doc = EntryDoc { api, principal_id: id, effective_at: now, policies: vec![policy] };
    entry(tx, scope, cluster, principal, &doc, |object| object.created_by = Origin::Controller);
}

/// EKS lets the nodes of a managed node group in. The entry stays when the group goes.
pub(super) fn admit_nodes(tx: &mut Tx<'_>, scope: &Scope, cluster: &str, role: &str) {
    let mode_knows = tx
        .live(scope, CLUSTER, cluster)
        .is_some_and(|object| object.doc["api"]["accessConfig"]["authenticationMode"] != json!("CONFIG_MAP"));
    if !mode_knows || tx.live(scope, ACCESS_ENTRY, &within(cluster, role)).is_some() {
        return;
    }
    let Some(id) = neighbours::principal_id(tx, &scope.account, role) else { return };
    let kind = "EC2_LINUX";
    let username = default_username(kind, role);
    let api = api(tx, scope, cluster, role, kind, &username, &node_groups());
    let doc = EntryDoc { api, principal_id: id, effective_at: tx.now(), policies: Vec::new() };
    entry(tx, scope, cluster, role, &doc, |object| object.created_by = Origin::Controller);
}

/// Whether machines with this role may join: their entry must be for the very role that now has the name.
pub(super) fn admits_nodes(tx: &Tx<'_>, scope: &Scope, cluster: &str, owner: &ClusterDoc, role: &str) -> bool {
    if owner.api["accessConfig"]["authenticationMode"] == json!("CONFIG_MAP") {
        return true;
    }
    let Some(object) = tx.live(scope, ACCESS_ENTRY, &within(cluster, role)) else { return false };
    let doc: EntryDoc = object.read();
    doc.api["type"] == json!("EC2_LINUX")
        && neighbours::principal_id(tx, &scope.account, role).is_some_and(|id| id == doc.principal_id)
}

/// What a principal may do in a cluster now; none when the cluster does not know it.
pub(in crate::sandbox) fn grant(tx: &Tx<'_>, cluster: &Object, principal: &str) -> Option<Grant> {
    let owner: ClusterDoc = cluster.read();
    let scope = cluster.scope();
    if owner.api["accessConfig"]["authenticationMode"] == json!("CONFIG_MAP") {
        let creator = owner.bootstrap_admin.as_deref() == Some(principal);
        return creator.then(|| Grant {
            username: "kubernetes-admin".to_owned(),
            groups: vec!["system:masters".to_owned()],
            policies: vec![(ADMIN, None)],
        });
    }
    let doc: EntryDoc = tx.live(&scope, ACCESS_ENTRY, &within(&cluster.id, principal))?.read();
    let known = neighbours::principal_id(tx, &scope.account, principal).is_none_or(|id| id == doc.principal_id);
    if !known || doc.effective_at > tx.now() {
        return None;
    }
    let policies = doc.policies.iter().filter(|p| p.effective_at <= tx.now());
    Some(Grant {
        username: doc.api["username"].as_str().unwrap_or_default().to_owned(),
        groups: texts(&doc.api["kubernetesGroups"]),
        policies: policies.filter_map(|p| Some((catalog::policy_name(&p.policy_arn)?, p.namespaces.clone()))).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_names_follow_the_principal() {
        assert_eq!(
            default_username(STANDARD, "arn:aws:iam::123456789012:role/path/ops"),
            "arn:aws:sts::123456789012:assumed-role/ops/{{SessionName}}"
        );
        assert_eq!(default_username(STANDARD, "arn:aws:iam::123456789012:user/a"), "arn:aws:iam::123456789012:user/a");
        assert_eq!(
            default_username("EC2_LINUX", "arn:aws:iam::123456789012:role/n"),
            "system:node:{{EC2PrivateDNSName}}"
        );
    }

    #[test]
    fn system_groups_and_names_are_refused() {
        assert!(check_names(STANDARD, &["system:masters".to_owned()], None).is_err());
        assert!(check_names(STANDARD, &["viewers".to_owned()], Some("eks:me")).is_err());
        assert!(check_names("EC2_LINUX", &["viewers".to_owned()], None).is_err());
        assert_eq!(check_names(STANDARD, &["viewers".to_owned()], Some("me")), Ok(()));
    }
}
