//! Pod identity associations: which role the pods of a service account get.

use super::{
    cluster::{body, find},
    error,
    neighbours::{self, Trouble},
    requests::{CREATE_POD_IDENTITY, UPDATE_POD_IDENTITY},
    store::{self, POD_IDENTITY, Seen, seconds, within},
};
use crate::sandbox::{
    aws::{ApiError, CallCx},
    world::{Object, Scope, Tx},
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn view(object: &Object) -> Value {
    let mut shown = object.doc.clone();
    shown["tags"] = json!(object.tags);
    shown
}

fn find_association(cx: &mut CallCx<'_, '_>) -> Result<Object, ApiError> {
    let (cluster, id) = (cx.path("name").to_owned(), cx.path("associationId").to_owned());
    find(cx, &cluster)?;
    cx.tx.live(&cx.scope, POD_IDENTITY, &within(&cluster, &id)).cloned().ok_or_else(|| {
        error::not_found(format!("No pod identity association found for id: {id}")).with("clusterName", cluster)
    })
}

/// The role must exist, and trust pods to assume it with session tags.
pub(super) fn check_role(tx: &Tx<'_>, scope: &Scope, arn: &str) -> Result<(), ApiError> {
    let actions = ["sts:AssumeRole", "sts:TagSession"];
    match neighbours::role(tx, &scope.account, arn, "pods.eks.amazonaws.com", &actions) {
        Ok(_) => Ok(()),
        Err(Trouble::Malformed) => {
            Err(error::parameter(format!("Error in role params: {arn} is not a valid role ARN")))
        }
        Err(Trouble::Absent) => Err(error::parameter(format!("Role provided in the request does not exist: {arn}"))),
        Err(Trouble::NotTrusted) => Err(error::parameter(format!(
            "Trust policy of role {arn} does not allow the service principal pods.eks.amazonaws.com to perform sts:AssumeRole and sts:TagSession"
        ))),
    }
}

/// Makes an association and returns it.
pub(super) fn make(
    tx: &mut Tx<'_>,
    scope: &Scope,
    cluster: &str,
    namespace: &str,
    account: &str,
    role: &str,
    owner: Option<&str>,
) -> Result<Object, ApiError> {
    let taken = store::of_cluster(tx, scope, POD_IDENTITY, cluster)
        .find(|o| o.text("namespace") == namespace && o.text("serviceAccount") == account)
        .map(|o| o.text("associationId").to_owned());
    if let Some(id) = taken {
        return Err(error::in_use(format!("Association already exists: {id}")).with("clusterName", cluster));
    }
    let id = format!("a-{}", tx.letters(17).to_lowercase());
    let mut object = Object::new(scope, POD_IDENTITY, within(cluster, &id), tx.now());
    object.name = Some(id.clone());
    "ACTIVE".clone_into(&mut object.state);
    object.parent = Some(cluster.to_owned());
    object.doc = json!({
        "clusterName": cluster, "namespace": namespace, "serviceAccount": account, "roleArn": role, "associationId": id,
        "associationArn": format!("arn:aws:eks:{}:{}:podidentityassociation/{cluster}/{id}", scope.region, scope.account),
        "createdAt": seconds(tx.now()), "modifiedAt": seconds(tx.now()), "disableSessionTags": false,
    });
    if let Some(owner) = owner {
        object.set("ownerArn", owner);
    }
    tx.put(object.clone());
    Ok(object)
}

/// CreatePodIdentityAssociation.
pub(super) fn create(cx: &mut CallCx<'_, '_>) -> Result<Value, ApiError> {
    let cluster = cx.path("name").to_owned();
    let request = body(cx, CREATE_POD_IDENTITY)?;
    let owner = find(cx, &cluster)?;
    let print = store::fingerprint(&request);
    for object in store::of_cluster(cx.tx, &cx.scope, POD_IDENTITY, &cluster) {
        match store::seen(object.token.as_ref(), print.as_ref()) {
            Seen::Again => return Ok(json!({"association": view(object)})),
            Seen::Differs => return Err(store::token_differs()),
            Seen::New => {}
        }
    }
    if !matches!(owner.state.as_str(), "ACTIVE" | "UPDATING") {
        return Err(error::request(format!("Cluster '{cluster}' is not in ACTIVE status")).with("clusterName", cluster));
    }
    if request["targetRoleArn"].is_string() {
        return Err(error::not_simulated("target roles of pod identity associations"));
    }
    let text = |member: &str| request[member].as_str().unwrap_or_default().to_owned();
    check_role(cx.tx, &cx.scope, &text("roleArn")).map_err(|error| error.with("clusterName", cluster.as_str()))?;
    let tags = store::tags(request.get("tags")).map_err(error::parameter)?;
    let mut object =
        make(cx.tx, &cx.scope, &cluster, &text("namespace"), &text("serviceAccount"), &text("roleArn"), None)?;
    object.tags = tags;
    object.token = print;
    object.set("disableSessionTags", request["disableSessionTags"].as_bool().unwrap_or(false));
    cx.tx.put(object.clone());
    Ok(json!({"association": view(&object)}))
}

/// DescribePodIdentityAssociation.
pub(super) fn describe(cx: &mut CallCx<'_, '_>) -> Result<Value, ApiError> {
    Ok(json!({"association": view(&find_association(cx)?)}))
}

/// ListPodIdentityAssociations.
pub(super) fn list(cx: &mut CallCx<'_, '_>) -> Result<Value, ApiError> {
    let cluster = cx.path("name").to_owned();
    let (namespace, account) = (cx.params.text("namespace"), cx.params.text("serviceAccount"));
    find(cx, &cluster)?;
    let fits = |o: &&Object| {
        namespace.as_deref().is_none_or(|n| o.text("namespace") == n)
            && account.as_deref().is_none_or(|a| o.text("serviceAccount") == a)
    };
    let members = ["clusterName", "namespace", "serviceAccount", "associationArn", "associationId", "ownerArn"];
    let shown: BTreeMap<String, Value> = store::of_cluster(cx.tx, &cx.scope, POD_IDENTITY, &cluster)
        .filter(fits)
        .map(|o| {
            let row = members.iter().filter(|m| o.doc[**m].is_string()).map(|m| ((*m).to_owned(), o.doc[*m].clone()));
            (o.text("associationId").to_owned(), Value::Object(row.collect()))
        })
        .collect();
    let ids = shown.keys().cloned().collect();
    let mut page = store::page(ids, "associations", cx.params.get("maxResults"), cx.params.get("nextToken"))?;
    let rows: Vec<Value> = super::cluster::texts(&page["associations"]).iter().map(|id| shown[id].clone()).collect();
    page["associations"] = json!(rows);
    Ok(page)
}

/// UpdatePodIdentityAssociation.
pub(super) fn update(cx: &mut CallCx<'_, '_>) -> Result<Value, ApiError> {
    let request = body(cx, UPDATE_POD_IDENTITY)?;
    let mut object = find_association(cx)?;
    if request["targetRoleArn"].is_string() {
        return Err(error::not_simulated("target roles of pod identity associations"));
    }
    if let Some(arn) = request["roleArn"].as_str() {
        check_role(cx.tx, &cx.scope, arn)?;
        object.set("roleArn", arn);
    }
    if let Some(flag) = request["disableSessionTags"].as_bool() {
        object.set("disableSessionTags", flag);
    }
    object.set("modifiedAt", seconds(cx.tx.now()));
    cx.tx.put(object.clone());
    Ok(json!({"association": view(&object)}))
}

/// DeletePodIdentityAssociation.
pub(super) fn delete(cx: &mut CallCx<'_, '_>) -> Result<Value, ApiError> {
    let object = find_association(cx)?;
    if object.doc["ownerArn"].is_string() {
        let message = format!(
            "Association {} is owned by {} and goes with it",
            object.text("associationId"),
            object.text("ownerArn")
        );
        return Err(error::request(message).with("clusterName", cx.path("name")));
    }
    cx.tx.remove(&cx.scope, POD_IDENTITY, &object.id);
    Ok(json!({"association": view(&object)}))
}

/// The role that pods of a service account get.
pub(in crate::sandbox) fn role_of(
    tx: &Tx<'_>,
    scope: &Scope,
    cluster: &str,
    namespace: &str,
    account: &str,
) -> Option<String> {
    store::of_cluster(tx, scope, POD_IDENTITY, cluster)
        .find(|o| o.text("namespace") == namespace && o.text("serviceAccount") == account)
        .map(|o| o.text("roleArn").to_owned())
}

/// ARNs of the associations an add-on made.
pub(super) fn owned_by(tx: &Tx<'_>, scope: &Scope, cluster: &str, owner: &str) -> Vec<String> {
    let all = store::of_cluster(tx, scope, POD_IDENTITY, cluster).filter(|o| o.text("ownerArn") == owner);
    all.map(|o| o.text("associationArn").to_owned()).collect()
}

/// Removes the associations an add-on made.
pub(super) fn forget_owned(tx: &mut Tx<'_>, scope: &Scope, cluster: &str, owner: &str) {
    let all = store::of_cluster(tx, scope, POD_IDENTITY, cluster).filter(|o| o.text("ownerArn") == owner);
    let ids: Vec<String> = all.map(|o| o.id.clone()).collect();
    for id in ids {
        tx.remove(scope, POD_IDENTITY, &id);
    }
}
