//! The pretend EKS: operations by path and method, and time passing for what they made.
//!
//! As strict as the real one was in November 2026: roles must have propagated, subnets must span zones, one update at a
//! time, one type of change a call, node groups only on an ACTIVE cluster. What the real service can do and this one
//! does not pretend to is refused with words that say so.

mod access;
mod addon;
mod balancer;
mod catalog;
mod cluster;
mod disk;
mod error;
mod host;
mod neighbours;
mod nodegroup;
mod nodes;
mod pod_identity;
mod requests;
mod scaler;
mod shape;
mod store;
mod tags;
mod updates;
mod versions;

#[cfg(test)]
pub(in crate::sandbox) mod tests;

pub(in crate::sandbox) use tags::{inside, tags_of_arn};

use super::{ApiError, CallCx, Protocol, Reply, Service, protocol::rest_json::Route};
use crate::sandbox::world::{Kind, Object, Scope, Tx};
use serde_json::{Value, json};
use store::{ACCESS_ENTRY, ADDON, CLUSTER, NODEGROUP, POD_IDENTITY};

const ROUTES: &[Route] = &[
    ("POST", "/clusters", "CreateCluster"),
    ("GET", "/clusters", "ListClusters"),
    ("GET", "/clusters/{name}", "DescribeCluster"),
    ("DELETE", "/clusters/{name}", "DeleteCluster"),
    ("POST", "/clusters/{name}/update-config", "UpdateClusterConfig"),
    ("POST", "/clusters/{name}/updates", "UpdateClusterVersion"),
    ("GET", "/clusters/{name}/updates", "ListUpdates"),
    ("GET", "/clusters/{name}/updates/{updateId}", "DescribeUpdate"),
    ("GET", "/cluster-versions", "DescribeClusterVersions"),
    ("POST", "/clusters/{name}/node-groups", "CreateNodegroup"),
    ("GET", "/clusters/{name}/node-groups", "ListNodegroups"),
    ("GET", "/clusters/{name}/node-groups/{nodegroupName}", "DescribeNodegroup"),
    ("DELETE", "/clusters/{name}/node-groups/{nodegroupName}", "DeleteNodegroup"),
    ("POST", "/clusters/{name}/node-groups/{nodegroupName}/update-config", "UpdateNodegroupConfig"),
    ("POST", "/clusters/{name}/addons", "CreateAddon"),
    ("GET", "/clusters/{name}/addons", "ListAddons"),
    ("GET", "/clusters/{name}/addons/{addonName}", "DescribeAddon"),
    ("DELETE", "/clusters/{name}/addons/{addonName}", "DeleteAddon"),
    ("POST", "/clusters/{name}/addons/{addonName}/update", "UpdateAddon"),
    ("GET", "/addons/supported-versions", "DescribeAddonVersions"),
    ("GET", "/addons/configuration-schemas", "DescribeAddonConfiguration"),
    ("POST", "/clusters/{name}/access-entries", "CreateAccessEntry"),
    ("GET", "/clusters/{name}/access-entries", "ListAccessEntries"),
    ("GET", "/clusters/{name}/access-entries/{principalArn}", "DescribeAccessEntry"),
    ("POST", "/clusters/{name}/access-entries/{principalArn}", "UpdateAccessEntry"),
    ("DELETE", "/clusters/{name}/access-entries/{principalArn}", "DeleteAccessEntry"),
    ("POST", "/clusters/{name}/access-entries/{principalArn}/access-policies", "AssociateAccessPolicy"),
    ("GET", "/clusters/{name}/access-entries/{principalArn}/access-policies", "ListAssociatedAccessPolicies"),
    (
        "DELETE",
        "/clusters/{name}/access-entries/{principalArn}/access-policies/{policyArn}",
        "DisassociateAccessPolicy",
    ),
    ("GET", "/access-policies", "ListAccessPolicies"),
    ("POST", "/clusters/{name}/pod-identity-associations", "CreatePodIdentityAssociation"),
    ("GET", "/clusters/{name}/pod-identity-associations", "ListPodIdentityAssociations"),
    ("GET", "/clusters/{name}/pod-identity-associations/{associationId}", "DescribePodIdentityAssociation"),
    ("POST", "/clusters/{name}/pod-identity-associations/{associationId}", "UpdatePodIdentityAssociation"),
    ("DELETE", "/clusters/{name}/pod-identity-associations/{associationId}", "DeletePodIdentityAssociation"),
    ("GET", "/clusters/{name}/fargate-profiles", "ListFargateProfiles"),
    ("GET", "/clusters/{name}/identity-provider-configs", "ListIdentityProviderConfigs"),
    ("POST", "/clusters/{name}/insights", "ListInsights"),
    ("GET", "/tags/{resourceArn+}", "ListTagsForResource"),
    ("POST", "/tags/{resourceArn+}", "TagResource"),
    ("DELETE", "/tags/{resourceArn+}", "UntagResource"),
];

/// The service.
pub struct Eks;

impl Service for Eks {
    fn name(&self) -> &'static str {
        "eks"
    }

    fn protocol(&self, _: Option<&str>) -> Protocol {
        Protocol::RestJson
    }

    fn routes(&self) -> &'static [Route] {
        ROUTES
    }

    fn call(&self, cx: &mut CallCx<'_, '_>) -> Result<Reply, ApiError> {
        answer(cx).map(Reply::Json)
    }

    fn due(&self, tx: &mut Tx<'_>, object: &Object, what: &str) {
        match object.kind.as_str() {
            kind if kind == CLUSTER.kind => cluster::happen(tx, object, what),
            kind if kind == NODEGROUP.kind => nodes::happen(tx, object, what),
            kind if kind == ADDON.kind => addon::happen(tx, object, what),
            _ => {}
        }
    }

    fn no_capacity(&self, op: &str) -> ApiError {
        match op {
            "CreateCluster" => error::zone(
                "Cannot create the cluster because one of the targeted availability zones does not currently have \
                 sufficient capacity to support the cluster",
                &[],
            ),
            _ => ApiError::new(503, "ServiceUnavailableException", "Service is temporarily out of capacity"),
        }
    }
}

fn answer(cx: &mut CallCx<'_, '_>) -> Result<Value, ApiError> {
    match cx.op {
        "CreateCluster" => cluster::create(cx),
        "ListClusters" => cluster::list(cx),
        "DescribeCluster" => cluster::describe(cx),
        "DeleteCluster" => cluster::delete(cx),
        "UpdateClusterConfig" => updates::config(cx),
        "UpdateClusterVersion" => updates::version(cx),
        "ListUpdates" => updates::list(cx),
        "DescribeUpdate" => updates::describe(cx),
        "DescribeClusterVersions" => versions::describe(cx),
        "CreateNodegroup" => nodegroup::create(cx),
        "ListNodegroups" => nodegroup::list(cx),
        "DescribeNodegroup" => nodegroup::describe(cx),
        "DeleteNodegroup" => nodegroup::delete(cx),
        "UpdateNodegroupConfig" => nodegroup::update(cx),
        "CreateAddon" => addon::create(cx),
        "ListAddons" => addon::list(cx),
        "DescribeAddon" => addon::describe(cx),
        "DeleteAddon" => addon::delete(cx),
        "UpdateAddon" => addon::update(cx),
        "DescribeAddonVersions" => addon::versions(cx),
        "DescribeAddonConfiguration" => addon::configuration(cx),
        "CreateAccessEntry" => access::create(cx),
        "ListAccessEntries" => access::list(cx),
        "DescribeAccessEntry" => access::describe(cx),
        "UpdateAccessEntry" => access::update(cx),
        "DeleteAccessEntry" => access::delete(cx),
        "AssociateAccessPolicy" => access::associate(cx),
        "DisassociateAccessPolicy" => access::disassociate(cx),
        "ListAssociatedAccessPolicies" => access::list_associated(cx),
        "ListAccessPolicies" => access::list_policies(cx),
        "CreatePodIdentityAssociation" => pod_identity::create(cx),
        "ListPodIdentityAssociations" => pod_identity::list(cx),
        "DescribePodIdentityAssociation" => pod_identity::describe(cx),
        "UpdatePodIdentityAssociation" => pod_identity::update(cx),
        "DeletePodIdentityAssociation" => pod_identity::delete(cx),
        "ListFargateProfiles" => nothing(cx, "fargateProfileNames"),
        "ListIdentityProviderConfigs" => nothing(cx, "identityProviderConfigs"),
        "ListInsights" => insights(cx),
        "ListTagsForResource" => tags::list(cx),
        "TagResource" => tags::tag(cx),
        "UntagResource" => tags::untag(cx),
        _ => Err(cx.unknown_operation()),
    }
}

/// A listing of what the sandbox never makes.
fn nothing(cx: &mut CallCx<'_, '_>, member: &str) -> Result<Value, ApiError> {
    let cluster = cx.path("name").to_owned();
    cluster::find(cx, &cluster)?;
    store::page(Vec::new(), member, cx.params.get("maxResults"), cx.params.get("nextToken"))
}

/// Nothing of the sandbox stands in the way of an upgrade.
fn insights(cx: &mut CallCx<'_, '_>) -> Result<Value, ApiError> {
    let cluster = cx.path("name").to_owned();
    cluster::body(cx, requests::LIST_INSIGHTS)?;
    cluster::find(cx, &cluster)?;
    Ok(json!({"insights": []}))
}

/// Everything that lives in a cluster goes with it: the service's own objects and the API server's.
fn forget_children(tx: &mut Tx<'_>, scope: &Scope, cluster: &str) {
    for kind in [ADDON, ACCESS_ENTRY, POD_IDENTITY] {
        remove_all(tx, scope, kind, cluster);
    }
    crate::sandbox::kubernetes::forget_cluster(tx, scope, cluster);
}

fn remove_all(tx: &mut Tx<'_>, scope: &Scope, kind: Kind, cluster: &str) {
    let ids: Vec<String> = store::of_cluster(tx, scope, kind, cluster).map(|object| object.id.clone()).collect();
    for id in ids {
        tx.remove(scope, kind, &id);
    }
}
