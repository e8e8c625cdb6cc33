//! A managed node group.

use super::ExtraTags;
use super::cluster;
use super::refs::{EksName, LaunchTemplateId, RoleArn, SubnetId};
use super::support::{
    all_tags, broken, busy, deleted, done, is_of_stack, read, refused_for_its_state, seen, time, visible, what,
};
use crate::engine::{
    Deletion, ErrorClass, Found, Input, Lookup, Observed, Outputs, Owned, Probe, ResourceRef, Scope, Step, StepError,
    Token,
};
use crate::model::spec::{Taint, TaintEffect};
use crate::providers::aws::{client::AwsCx, error, tags};
use async_trait::async_trait;
use aws_sdk_eks::types::{
    AmiTypes, CapacityTypes, Issue, LaunchTemplateSpecification, Nodegroup, NodegroupIssueCode, NodegroupScalingConfig,
    NodegroupStatus, NodegroupUpdateConfig, Taint as CloudTaint, TaintEffect as CloudEffect,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How plans name this kind.
pub const KIND: &str = "aws/node-group";

/// A managed node group. Identity: `Child` of the cluster's step with the group's name as key. Its `ResourceRef` id is
/// its name. Must wait for the node role's policies, for a way out of its subnets and for the network add-on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodeGroup {
    /// The cluster.
    pub cluster: Input<EksName>,
    /// Name in the cluster, at most 63 characters.
    pub name: String,
    /// Kubernetes minor version.
    pub version: String,
    /// The nodes' role.
    pub role: Input<RoleArn>,
    /// Subnets to spread over.
    pub subnets: Vec<Input<SubnetId>>,
    /// The launch template.
    pub launch_template: Input<LaunchTemplateId>,
    /// Which version of it.
    pub launch_template_version: Input<String>,
    /// Machine types.
    pub instance_types: Vec<String>,
    /// EKS's word for the image: `AL2023_x86_64_STANDARD`, `AL2023_ARM_64_STANDARD` …
    pub ami_type: String,
    /// Spot machines.
    pub spot: bool,
    /// Fewest nodes.
    pub min: u32,
    /// Nodes now.
    pub desired: u32,
    /// Most nodes.
    pub max: u32,
    /// Kubernetes labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Kubernetes taints.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taints: Vec<Taint>,
}

/// One node group of a cluster; none where either is gone.
pub(in crate::providers::aws) async fn get(
    cx: &AwsCx,
    cluster: &str,
    name: &str,
) -> Result<Option<(Observed, Nodegroup)>, StepError> {
    let call = cx.eks.describe_nodegroup().cluster_name(cluster).nodegroup_name(name).send().await;
    let answer = read("eks:DescribeNodegroup", &format!("node group {name}"), call)?;
    Ok(answer.and_then(|it| it.nodegroup).map(|group| {
        let mut seen = seen(KIND, name, tags::from_map(group.tags()));
        seen.evidence.parent = Some(cluster.to_owned());
        seen.evidence.name = Some(name.to_owned());
        seen.created_at = time(group.created_at());
        (seen, group)
    }))
}

fn issues(group: &Nodegroup) -> &[Issue] {
    group.health().map(|health| health.issues()).unwrap_or_default()
}

fn told(group: &Nodegroup) -> String {
    let told = issues(group).iter().map(|issue| {
        let code = issue.code().map_or("no code", NodegroupIssueCode::as_str);
        format!("{} ({code})", error::clean(issue.message().unwrap_or_default()))
    });
    let told = told.collect::<Vec<_>>().join("; ");
    if told.is_empty() { "EKS gives no reason".to_owned() } else { told }
}

/// What a launch failure of the scaling group is about: EKS has one code for all, EC2's own stands in the text.
fn launch_failure(text: &str) -> (ErrorClass, &'static str) {
    let quota = ["VcpuLimitExceeded", "InstanceLimitExceeded", "MaxSpotInstanceCountExceeded", "limit"];
    let capacity = ["InsufficientInstanceCapacity", "UnfulfillableCapacity", "capacity", "not supported"];
    // A quota text speaks of capacity too ("more vCPU capacity than your current vCPU limit"): quota is asked first.
    if quota.iter().any(|word| text.contains(word)) {
        (ErrorClass::Quota, error::QUOTA)
    } else if capacity.iter().any(|word| text.contains(word)) {
        (ErrorClass::Capacity, error::CAPACITY)
    } else {
        (ErrorClass::Permanent, error::REFUSED)
    }
}

/// Why a group ended CREATE_FAILED, and what to do about it.
fn failure(what: &str, it: &ResourceRef, group: &Nodegroup) -> StepError {
    use NodegroupIssueCode as Code;
    let first = issues(group).first();
    let text = first.and_then(|issue| issue.message()).unwrap_or_default();
    let (class, id) = match first.and_then(|issue| issue.code()) {
        Some(Code::AsgInstanceLaunchFailures) => launch_failure(text),
        Some(Code::InstanceLimitExceeded | Code::LimitExceeded | Code::IamLimitExceeded) => {
            (ErrorClass::Quota, error::QUOTA)
        }
        Some(Code::InsufficientFreeAddresses) => (ErrorClass::Capacity, error::CAPACITY),
        Some(Code::AccessDenied) => (ErrorClass::Auth, error::DENIED),
        None
        | Some(
            Code::InternalFailure
            | Code::ClusterUnreachable
            | Code::IamThrottling
            | Code::AutoScalingGroupRateLimitExceeded
            | Code::IamInstanceProfileNotFound,
        ) => (ErrorClass::Transient, error::SERVER),
        Some(_) => (ErrorClass::Permanent, error::REFUSED),
    };
    let failed = broken(class, id, it, format!("{what} failed: {}", told(group)));
    match (class, first.and_then(|issue| issue.code())) {
        (ErrorClass::Quota, _) => failed.with_hint(
            "aws service-quotas request-service-quota-increase --service-code ec2 --quota-code L-1216C47A --desired-value N",
        ),
        (ErrorClass::Capacity, Some(Code::InsufficientFreeAddresses)) => {
            failed.with_hint("the subnets are full: a larger --network-cidr gives room")
        }
        (ErrorClass::Capacity, _) => {
            failed.with_hint("another instance type (--node-type) or other zones (--zones) may have it")
        }
        (_, Some(Code::NodeCreationFailure)) => failed.with_hint(
            "the nodes came up but did not join: they need a way out (NAT or public addresses) and a network add-on",
        ),
        (_, Some(Code::Ec2SubnetInvalidConfiguration)) => {
            failed.with_hint("public subnets must give their machines public addresses")
        }
        _ => failed,
    }
}

fn cloud_taint(taint: &Taint) -> CloudTaint {
    let effect = match taint.effect {
        TaintEffect::NoSchedule => CloudEffect::NoSchedule,
        TaintEffect::PreferNoSchedule => CloudEffect::PreferNoSchedule,
        TaintEffect::NoExecute => CloudEffect::NoExecute,
    };
    CloudTaint::builder().key(&taint.key).set_value(taint.value.clone()).effect(effect).build()
}

/// Node counts are far below what the field holds; a plan that says otherwise is refused by EKS, not by us.
fn count(nodes: u32) -> i32 {
    i32::try_from(nodes).unwrap_or(i32::MAX)
}

#[async_trait]
impl Step<AwsCx> for NodeGroup {
    async fn find(&self, cx: &AwsCx, at: Scope<'_>, _: Lookup<'_>) -> Result<Found, StepError> {
        let cluster = at.inputs.get(&self.cluster)?;
        Ok(get(cx, cluster.as_str(), &self.name).await?.map_or(Found::None, |(seen, _)| Found::One(seen)))
    }

    async fn create(&self, cx: &AwsCx, at: Scope<'_>, token: &Token) -> Result<ResourceRef, StepError> {
        let cluster = at.inputs.get(&self.cluster)?;
        let mut call = cx.eks.create_nodegroup().cluster_name(cluster.as_str()).nodegroup_name(&self.name);
        for subnet in &self.subnets {
            call = call.subnets(at.inputs.get(subnet)?.0);
        }
        for taint in &self.taints {
            call = call.taints(cloud_taint(taint));
        }
        for (key, value) in &self.labels {
            call = call.labels(key, value);
        }
        let template = LaunchTemplateSpecification::builder()
            .id(at.inputs.get(&self.launch_template)?.0)
            .version(at.inputs.get(&self.launch_template_version)?)
            .build();
        let size = NodegroupScalingConfig::builder()
            .min_size(count(self.min))
            .desired_size(count(self.desired))
            .max_size(count(self.max))
            .build();
        let call = call.version(&self.version).node_role(at.inputs.get(&self.role)?.0).launch_template(template);
        let call = call.scaling_config(size).set_instance_types(Some(self.instance_types.clone()));
        let call = call.ami_type(AmiTypes::from(self.ami_type.as_str()));
        let call = call.capacity_type(if self.spot { CapacityTypes::Spot } else { CapacityTypes::OnDemand });
        let call = call.update_config(NodegroupUpdateConfig::builder().max_unavailable(1).build());
        let call =
            call.set_tags(Some(tags::map(&all_tags(at, &ExtraTags::new())))).client_request_token(token.as_str());
        done("eks:CreateNodegroup", &what("node group", at), call.send().await)?;
        Ok(ResourceRef::new(KIND, &self.name))
    }

    async fn converge(&self, _: &AwsCx, _: Scope<'_>, _: &Owned) -> Result<(), StepError> {
        Ok(())
    }

    async fn probe(&self, cx: &AwsCx, at: Scope<'_>, it: &ResourceRef) -> Result<Probe, StepError> {
        let what = what("node group", at);
        let cluster = at.inputs.get(&self.cluster)?;
        let (_, group) = visible(&what, get(cx, cluster.as_str(), &it.id).await?)?;
        Ok(match group.status() {
            Some(NodegroupStatus::Active) => Probe::Ready,
            Some(NodegroupStatus::CreateFailed) => Probe::Broken(failure(&what, it, &group)),
            Some(NodegroupStatus::Deleting | NodegroupStatus::DeleteFailed) => {
                let why = format!("{what} is being deleted by somebody else");
                Probe::Broken(broken(ErrorClass::Transient, error::ABSENT, it, why))
            }
            Some(NodegroupStatus::Degraded) => Probe::NotYet(format!("DEGRADED: {}", told(&group))),
            state => Probe::NotYet(state.map_or("CREATING", NodegroupStatus::as_str).to_owned()),
        })
    }

    async fn outputs(&self, _: &AwsCx, _: Scope<'_>, _: &ResourceRef) -> Result<Outputs, StepError> {
        Ok(Outputs::new())
    }

    async fn delete(&self, cx: &AwsCx, at: Scope<'_>, owned: &Owned) -> Result<Deletion, StepError> {
        let cluster = at.inputs.get(&self.cluster)?;
        let what = what("node group", at);
        let Some((seen, group)) = get(cx, cluster.as_str(), owned.id()).await? else { return Ok(Deletion::Gone) };
        // Its cluster is known by a name that anyone can take once it is free. One that somebody else made in ours goes
        // with ours.
        let is_in_ours = async || {
            let cluster = cluster::get(cx, cluster.as_str()).await?;
            Ok::<_, StepError>(cluster.is_some_and(|(it, _)| is_of_stack(at.stack, &it.evidence.tags)))
        };
        if !is_of_stack(at.stack, &seen.evidence.tags) && !is_in_ours().await? {
            return Ok(Deletion::Taken);
        }
        if group.status() == Some(&NodegroupStatus::Deleting) {
            return Ok(Deletion::Started);
        }
        let call = cx.eks.delete_nodegroup().cluster_name(cluster.as_str()).nodegroup_name(owned.id());
        let answer = call.send().await;
        if let Some(state @ (NodegroupStatus::Creating | NodegroupStatus::Updating)) = group.status()
            && refused_for_its_state(&answer)
        {
            return Err(busy(&what, format_args!("it is {state}")));
        }
        deleted("eks:DeleteNodegroup", &what, Deletion::Started, answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Identity;
    use crate::k8s::testing::{Answer, Server};
    use crate::providers::{aws::testing::cx_at, testing::Told};
    use aws_sdk_eks::types::NodegroupHealth;
    use serde_json::json;

    fn failed(code: NodegroupIssueCode, text: &str) -> StepError {
        let health = NodegroupHealth::builder().issues(Issue::builder().code(code).message(text).build()).build();
        failure("node group", &ResourceRef::new(KIND, "default"), &Nodegroup::builder().health(health).build())
    }

    #[test]
    fn one_code_of_eks_is_told_apart_by_ec2s_own() {
        let sold_out = "Could not launch On-Demand Instances. InsufficientInstanceCapacity - We currently do not have sufficient m6a.large capacity";
        let quota = "Could not launch On-Demand Instances. VcpuLimitExceeded - You have requested more vCPU capacity than your current vCPU limit of 32 allows";
        let code = || NodegroupIssueCode::AsgInstanceLaunchFailures;
        assert_eq!(failed(code(), sold_out).class, ErrorClass::Capacity);
        assert_eq!(failed(code(), sold_out).id, error::CAPACITY);
        assert_eq!(failed(code(), quota).class, ErrorClass::Quota);
        assert_eq!(failed(code(), "Invalid launch template").class, ErrorClass::Permanent);
    }

    #[test]
    fn nodes_that_do_not_join_get_a_hint() {
        let failed = failed(NodegroupIssueCode::NodeCreationFailure, "Instances failed to join the kubernetes cluster");
        assert_eq!(failed.class, ErrorClass::Permanent);
        assert!(failed.hints[0].contains("did not join"), "{:?}", failed.hints);
    }

    #[tokio::test]
    async fn a_node_group_of_a_strangers_cluster_stays() {
        let step = serde_json::from_value(json!({"cluster": "demo", "name": "default", "version": "1.35", "role": "r",
            "subnets": [], "launchTemplate": "lt-1", "launchTemplateVersion": "1", "instanceTypes": [],
            "amiType": "AL2023_x86_64_STANDARD", "spot": false, "min": 1, "desired": 1, "max": 1}));
        let step: NodeGroup = step.unwrap();
        let identity = Identity::Child { parent: "cluster".into(), key: "default".to_owned() };
        let told = Told::new("nodes/default", identity);
        // Whose the group is, whose its cluster is, and what comes of it.
        for (tags, cluster, then, calls) in [
            (told.ours(), told.ours(), Deletion::Started, 2),
            (told.theirs(), told.theirs(), Deletion::Taken, 2),
            (tags::Tags::new(), told.theirs(), Deletion::Taken, 2),
            (tags::Tags::new(), told.ours(), Deletion::Started, 3),
        ] {
            let group = json!({"nodegroup": {"nodegroupName": "default", "status": "ACTIVE", "tags": tags}});
            let cluster = json!({"cluster": {"name": "demo", "status": "ACTIVE", "tags": cluster}});
            let server = Server::start(move |asked| {
                Answer::of(200, if asked.path.contains("/node-groups") { group.clone() } else { cluster.clone() })
            })
            .await;
            let mut ours = seen(KIND, "default", told.ours());
            (ours.evidence.parent, ours.evidence.name) = (Some("demo".to_owned()), Some("default".to_owned()));
            let owned = told.owned(Some("demo"), ours);
            let done = step.delete(&cx_at(&server.url()), told.scope(), &owned).await.unwrap();
            assert_eq!((done, server.requests().len()), (then, calls));
        }
    }
}
