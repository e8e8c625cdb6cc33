//! The EKS control plane.

use super::ExtraTags;
use super::refs::{EksName, RoleArn, SecurityGroupId, SubnetId};
use super::support::{
    all_tags, blocked, broken, busy, code_of_result, deleted, done, is_of_stack, lacking, no_id, read,
    refused_for_its_state, seen, time, visible, what,
};
use crate::engine::{
    Deletion, ErrorClass, Found, Input, Lookup, Observed, OutputKey, Outputs, Owned, Probe, ResourceRef, Scope, Step,
    StepError, Token,
};
use crate::providers::aws::{client::AwsCx, error, tags};
use async_trait::async_trait;
use aws_sdk_eks::operation::create_cluster::CreateClusterError;
use aws_sdk_eks::types::{
    AuthenticationMode, Cluster as CloudCluster, ClusterIssueCode, ClusterStatus, CreateAccessConfigRequest, LogSetup,
    LogType, Logging, SupportType, UpgradePolicyRequest, VpcConfigRequest,
};
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

/// How plans name this kind.
pub const KIND: &str = "aws/eks-cluster";
/// The cluster's name.
pub const NAME: OutputKey<EksName> = OutputKey::new("name");
/// The same as plain text, for what is done in clusters of every cloud.
pub const ID: OutputKey<String> = OutputKey::new("name");
/// The cluster's ARN.
pub const ARN: OutputKey<String> = OutputKey::new("arn");
/// The API server's URL.
pub const ENDPOINT: OutputKey<String> = OutputKey::new("endpoint");
/// The API server's CA, PEM in base64.
pub const CA: OutputKey<String> = OutputKey::new("ca");
/// The Kubernetes version it runs.
pub const VERSION: OutputKey<String> = OutputKey::new("version");
/// The security group that EKS made for it. Missing where the cloud does not say.
pub const SECURITY_GROUP: OutputKey<SecurityGroupId> = OutputKey::new("securityGroup");
/// The OIDC issuer. Missing where the cloud does not say.
pub const OIDC_ISSUER: OutputKey<String> = OutputKey::new("oidcIssuer");

/// Under this key a sight of a cluster holds the security group that EKS made for it.
pub(in crate::providers::aws) const PART_GROUP: &str = "security-group";

/// A control plane with access mode API and support type STANDARD. Identity: `Name`, tagged. Its `ResourceRef` id is
/// its name. Must wait for the role's policies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cluster {
    /// Name, the same as in the identity.
    pub name: EksName,
    /// Kubernetes minor version.
    pub version: String,
    /// The control plane's role.
    pub role: Input<RoleArn>,
    /// Subnets in at least two zones.
    pub subnets: Vec<Input<SubnetId>>,
    /// Security groups beside the one EKS makes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub security_groups: Vec<Input<SecurityGroupId>>,
    /// Ranges that may reach the public endpoint.
    pub public_access_cidrs: Vec<Ipv4Net>,
    /// The endpoint is reachable from inside the VPC.
    pub private_access: bool,
    /// Control plane logs to keep: `api`, `audit`, `authenticator`, `controllerManager`, `scheduler`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logs: Vec<String>,
    /// Whoever calls gets in as admin, without an access entry of ours. Cannot be changed later.
    pub creator_is_admin: bool,
    /// EKS installs its own copies of network, proxy and DNS: only where no add-on brings them.
    pub self_managed_addons: bool,
    /// More tags.
    #[serde(default, skip_serializing_if = "ExtraTags::is_empty")]
    pub extra_tags: ExtraTags,
}

/// One cluster with its tags.
pub(in crate::providers::aws) async fn get(
    cx: &AwsCx,
    name: &str,
) -> Result<Option<(Observed, CloudCluster)>, StepError> {
    let call = cx.eks.describe_cluster().name(name).send().await;
    let answer = read("eks:DescribeCluster", &format!("cluster {name}"), call)?;
    Ok(answer.and_then(|it| it.cluster).map(|cluster| {
        let mut seen = seen(KIND, name, tags::from_map(cluster.tags()));
        seen.evidence.name = cluster.name().map(str::to_owned);
        seen.created_at = time(cluster.created_at());
        // Remembered by the teardown when the cluster itself can no longer say it.
        let group = cluster.resources_vpc_config().and_then(|it| it.cluster_security_group_id());
        seen.reference.parts.extend(group.map(|group| (PART_GROUP.to_owned(), group.to_owned())));
        (seen, cluster)
    }))
}

/// Why a control plane ended FAILED, and whether another one could fare better.
fn failure(what: &str, it: &ResourceRef, cluster: &CloudCluster) -> StepError {
    let issues = cluster.health().map(|health| health.issues()).unwrap_or_default();
    let told = issues.iter().map(|issue| {
        let code = issue.code().map_or("no code", ClusterIssueCode::as_str);
        format!("{} ({code})", error::clean(issue.message().unwrap_or_default()))
    });
    let told = told.collect::<Vec<_>>().join("; ");
    let why = if told.is_empty() { "EKS gives no reason".to_owned() } else { told };
    let message = format!("{what} ended FAILED: {why}");
    let (class, id) = match issues.first().and_then(|issue| issue.code()) {
        None | Some(ClusterIssueCode::InternalFailure | ClusterIssueCode::ClusterUnreachable) => {
            (ErrorClass::Transient, error::SERVER)
        }
        Some(ClusterIssueCode::AccessDenied) => (ErrorClass::Auth, error::DENIED),
        Some(ClusterIssueCode::ResourceLimitExceeded) => (ErrorClass::Quota, error::QUOTA),
        Some(ClusterIssueCode::InsufficientFreeAddresses) => (ErrorClass::Capacity, error::CAPACITY),
        Some(_) => (ErrorClass::Permanent, error::REFUSED),
    };
    broken(class, id, it, message)
}

impl Cluster {
    fn network(&self, at: Scope<'_>) -> Result<VpcConfigRequest, StepError> {
        let mut network =
            VpcConfigRequest::builder().endpoint_public_access(true).endpoint_private_access(self.private_access);
        for subnet in &self.subnets {
            network = network.subnet_ids(at.inputs.get(subnet)?.0);
        }
        for group in &self.security_groups {
            network = network.security_group_ids(at.inputs.get(group)?.0);
        }
        for range in &self.public_access_cidrs {
            network = network.public_access_cidrs(range.to_string());
        }
        Ok(network.build())
    }

    fn logging(&self) -> Option<Logging> {
        if self.logs.is_empty() {
            return None;
        }
        let types = self.logs.iter().map(|log| LogType::from(log.as_str())).collect();
        Some(
            Logging::builder()
                .cluster_logging(LogSetup::builder().set_types(Some(types)).enabled(true).build())
                .build(),
        )
    }
}

#[async_trait]
impl Step<AwsCx> for Cluster {
    async fn find(&self, cx: &AwsCx, _: Scope<'_>, by: Lookup<'_>) -> Result<Found, StepError> {
        let name = match by {
            Lookup::Id(it) => &it.id,
            Lookup::Identity => &self.name.0,
        };
        Ok(get(cx, name).await?.map_or(Found::None, |(seen, _)| Found::One(seen)))
    }

    async fn create(&self, cx: &AwsCx, at: Scope<'_>, token: &Token) -> Result<ResourceRef, StepError> {
        let what = what("cluster", at);
        // All of this is said now: later each would be an update of its own, one at a time (EKS API Reference, `UpdateClusterConfig`).
        let access = CreateAccessConfigRequest::builder()
            .authentication_mode(AuthenticationMode::Api)
            .bootstrap_cluster_creator_admin_permissions(self.creator_is_admin)
            .build();
        let call = cx.eks.create_cluster().name(self.name.as_str()).version(&self.version);
        let call = call.role_arn(at.inputs.get(&self.role)?.0).resources_vpc_config(self.network(at)?);
        let call = call.set_logging(self.logging()).access_config(access);
        let call = call.upgrade_policy(UpgradePolicyRequest::builder().support_type(SupportType::Standard).build());
        let call = call.bootstrap_self_managed_addons(self.self_managed_addons);
        let call = call.set_tags(Some(tags::map(&all_tags(at, &self.extra_tags)))).client_request_token(token.as_str());
        let answer = call.send().await.map_err(|err| {
            let zones = match err.as_service_error() {
                Some(CreateClusterError::UnsupportedAvailabilityZoneException(told)) => told.valid_zones().join(","),
                _ => String::new(),
            };
            let failed = error::fail("eks:CreateCluster", &what, err);
            if zones.is_empty() { failed } else { failed.with_hint(format!("EKS has room in --zones {zones}")) }
        })?;
        let cluster = answer.cluster().ok_or_else(|| no_id(&what))?;
        Ok(ResourceRef::new(KIND, cluster.name().unwrap_or(self.name.as_str())))
    }

    async fn converge(&self, cx: &AwsCx, at: Scope<'_>, owned: &Owned) -> Result<(), StepError> {
        let Some((seen, cluster)) = get(cx, owned.id()).await? else { return Ok(()) };
        let labels = lacking(&seen, &self.extra_tags);
        if let Some(arn) = cluster.arn().filter(|_| !labels.is_empty()) {
            let call = cx.eks.tag_resource().resource_arn(arn).set_tags(Some(tags::map(&labels)));
            done("eks:TagResource", &what("cluster", at), call.send().await)?;
        }
        Ok(())
    }

    async fn probe(&self, cx: &AwsCx, at: Scope<'_>, it: &ResourceRef) -> Result<Probe, StepError> {
        let what = what("cluster", at);
        let (_, cluster) = visible(&what, get(cx, &it.id).await?)?;
        Ok(match cluster.status() {
            Some(ClusterStatus::Active) => Probe::Ready,
            Some(ClusterStatus::Failed) => Probe::Broken(failure(&what, it, &cluster)),
            Some(ClusterStatus::Deleting) => {
                let why = format!("{what} is being deleted by somebody else");
                Probe::Broken(broken(ErrorClass::Transient, error::ABSENT, it, why))
            }
            state => Probe::NotYet(state.map_or("CREATING", ClusterStatus::as_str).to_owned()),
        })
    }

    async fn outputs(&self, cx: &AwsCx, at: Scope<'_>, it: &ResourceRef) -> Result<Outputs, StepError> {
        let (_, cluster) = visible(&what("cluster", at), get(cx, &it.id).await?)?;
        let mut outputs = Outputs::new().with(NAME, &EksName(it.id.clone()));
        let issuer = cluster.identity().and_then(|it| it.oidc()).and_then(|it| it.issuer());
        let texts = [
            (ARN, cluster.arn()),
            (ENDPOINT, cluster.endpoint()),
            (CA, cluster.certificate_authority().and_then(|it| it.data())),
            (VERSION, cluster.version()),
            (OIDC_ISSUER, issuer),
        ];
        for (key, value) in texts {
            if let Some(value) = value {
                outputs = outputs.with(key, &value.to_owned());
            }
        }
        let group = cluster.resources_vpc_config().and_then(|it| it.cluster_security_group_id());
        Ok(match group {
            Some(group) => outputs.with(SECURITY_GROUP, &SecurityGroupId::from(group)),
            None => outputs,
        })
    }

    async fn delete(&self, cx: &AwsCx, at: Scope<'_>, owned: &Owned) -> Result<Deletion, StepError> {
        let what = what("cluster", at);
        let Some((seen, cluster)) = get(cx, owned.id()).await? else { return Ok(Deletion::Gone) };
        // The name is the user's own: once ours is gone, another of that name is somebody else's.
        if !is_of_stack(at.stack, &seen.evidence.tags) {
            return Ok(Deletion::Taken);
        }
        if cluster.status() == Some(&ClusterStatus::Deleting) {
            return Ok(Deletion::Started);
        }
        // We never switch it on: whoever did wants to be asked.
        if cluster.deletion_protection() == Some(true) {
            return Err(blocked(&what, "its deletion protection was switched on").with_hint(format!(
                "aws eks update-cluster-config --region {} --name {} --no-deletion-protection",
                cx.region,
                owned.id()
            )));
        }
        let answer = cx.eks.delete_cluster().name(owned.id()).send().await;
        if let Some(state @ (ClusterStatus::Creating | ClusterStatus::Updating | ClusterStatus::Pending)) =
            cluster.status()
            && refused_for_its_state(&answer)
        {
            return Err(busy(&what, format_args!("it is {state}")));
        }
        if code_of_result(&answer) == Some("ResourceInUseException") {
            // Node groups are found and removed before. Nothing of ours makes Fargate profiles, so they are named.
            let call = cx.eks.list_fargate_profiles().cluster_name(owned.id()).into_paginator().items().send();
            let profiles = call.collect::<Result<Vec<String>, _>>().await.unwrap_or_default();
            if let Some(first) = profiles.first() {
                let why = format!("it has Fargate profiles that are not ours: {}", profiles.join(", "));
                return Err(blocked(&what, why).with_hint(format!(
                    "aws eks delete-fargate-profile --region {} --cluster-name {} --fargate-profile-name {first}",
                    cx.region,
                    owned.id()
                )));
            }
        }
        deleted("eks:DeleteCluster", &what, Deletion::Started, answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Identity;
    use crate::k8s::testing::{Answer, Server};
    use crate::providers::aws::tags::Tags;
    use crate::providers::{aws::testing::cx_at, testing::Told};
    use aws_sdk_eks::types::{ClusterHealth, ClusterIssue};
    use serde_json::json;

    #[test]
    fn a_failed_control_plane_says_why() {
        let it = ResourceRef::new(KIND, "demo");
        let failed = |issue: Option<(ClusterIssueCode, &str)>| {
            let issues = issue.map(|(code, text)| vec![ClusterIssue::builder().code(code).message(text).build()]);
            let health = ClusterHealth::builder().set_issues(issues).build();
            failure("cluster", &it, &CloudCluster::builder().health(health).build())
        };
        assert_eq!(failed(None).class, ErrorClass::Transient);
        let full = failed(Some((ClusterIssueCode::InsufficientFreeAddresses, "no free addresses in subnet-1.")));
        assert_eq!(full.class, ErrorClass::Capacity);
        assert!(full.message.contains("no free addresses in subnet-1 (InsufficientFreeAddresses)"), "{}", full.message);
        assert_eq!(failed(Some((ClusterIssueCode::IamRoleNotFound, ""))).class, ErrorClass::Permanent);
    }

    /// What the calls of a delete were, where what stands under the name carries these tags.
    async fn asked_to_delete(step: &Cluster, told: &Told, tags: Tags) -> (Deletion, Vec<String>) {
        let cluster = json!({"cluster": {"name": "demo", "status": "ACTIVE", "tags": tags}});
        let server = Server::start(move |_| Answer::of(200, cluster.clone())).await;
        let owned = told.owned(None, {
            let mut seen = seen(KIND, "demo", told.ours());
            seen.evidence.name = Some("demo".to_owned());
            seen
        });
        let done = step.delete(&cx_at(&server.url()), told.scope(), &owned).await.unwrap();
        (done, server.requests().into_iter().map(|asked| asked.method).collect())
    }

    #[tokio::test]
    async fn a_strangers_cluster_of_the_same_name_stays() {
        let step = serde_json::from_value(json!({"name": "demo", "version": "1.35", "role": "r", "subnets": [],
            "publicAccessCidrs": [], "privateAccess": false, "creatorIsAdmin": false, "selfManagedAddons": false}));
        let step: Cluster = step.unwrap();
        let told = Told::new("cluster", Identity::Name { name: "demo".to_owned() });
        for foreign in [told.theirs(), Tags::new()] {
            assert_eq!(asked_to_delete(&step, &told, foreign).await, (Deletion::Taken, vec!["GET".to_owned()]));
        }
        let calls = ["GET", "DELETE"].map(str::to_owned).to_vec();
        assert_eq!(asked_to_delete(&step, &told, told.ours()).await, (Deletion::Started, calls), "ours goes");
    }
}
