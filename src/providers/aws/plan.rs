//! The plan of an EKS cluster: a pure function of the resolved spec, the stack and its tags.
//!
//! Step ids, the same on every machine:
//!
//! ```text
//! iam/{cluster,node,ebs-csi}-role[/policy/<name>]
//! network/vpc  network/internet-gateway[/attachment]  network/subnet/{public,private}-<a…>  network/control-plane-group
//! network/nat/<a…>[/address]  network/routes/{public,private[-<a…>]}[/default, /subnet-<a…>]  network/endpoint/s3
//! cluster  access/<who>[/policy]  addons/<name>[/identity]  nodes/pool/<name>[/template]
//! iam/autoscaler-role[/policy/scale]  in-cluster/autoscaler/{identity,service-account,…,deployment}
//! in-cluster/device-plugin
//! ```
//!
//! The letter is the place of a zone in the spec, not its name. The order is the shortest there is: the control plane
//! needs a role with its policies and subnets, nothing else, so the network is finished while it starts. Add-ons that
//! nodes need to become Ready are asked for before them, the others after.

mod eks;
mod in_cluster;
mod network;

use super::client::partition;
use super::clusters::TAG_REGION;
use super::layout::Layout;
use super::names::{NODE_GROUP_MAX, ROLE_MAX, named};
use super::steps::iam_role::Trusts;
use super::steps::refs::{RoleArn, RoleName, SecurityGroupId, SubnetId};
use super::steps::{self, ExtraTags};
use super::{stages, tags};
use crate::engine::{Creation, Identity, Input, Plan, StepError, StepId, Timing};
use crate::model::spec::ResolvedAws;
use crate::model::{Cloud, ResolvedSpec, Stack};
use crate::providers::plans::{Habits, Steps, refuse, timing};
use std::collections::BTreeMap;

/// Add-ons that a node needs before it is Ready, or before the first pod asks for an identity.
pub const BEFORE_NODES: [&str; 3] = ["vpc-cni", "kube-proxy", "eks-pod-identity-agent"];
/// The storage driver, the one add-on that has an identity of its own.
pub const EBS_CSI: &str = "aws-ebs-csi-driver";
/// The agent that hands identities to pods.
pub const POD_IDENTITY_AGENT: &str = "eks-pod-identity-agent";
const AGENT_ADDON: &str = "addons/eks-pod-identity-agent";

/// The control plane's step.
pub const CLUSTER: &str = "cluster";
/// The network's step.
pub const VPC: &str = "network/vpc";
/// The cluster role's step.
pub const CLUSTER_ROLE: &str = "iam/cluster-role";
const NODE_ROLE: &str = "iam/node-role";
const EBS_ROLE: &str = "iam/ebs-csi-role";
const GROUP: &str = "network/control-plane-group";

pub use eks::ami_type;

/// Builds the plan. The same arguments give the same plan on every machine.
///
/// # Errors
/// `Permanent`, `KW-SPEC`, for a spec that is not of AWS or that no network layout fits.
pub fn plan(spec: &ResolvedSpec, stack: &Stack, tags: BTreeMap<String, String>) -> Result<Plan, StepError> {
    if spec.provider != Cloud::Aws {
        return Err(refuse(format!("a spec for {} is not for aws", spec.provider)));
    }
    let layout = match &spec.network.existing {
        Some(_) => Layout::default(),
        None => Layout::of(spec.network.cidr, spec.network.zones.len(), spec.network.nat).map_err(refuse)?,
    };
    let mut build = Build {
        spec,
        stack,
        aws: spec.aws.clone().unwrap_or_else(no_aws),
        anchor: tags::spec_chunks(spec).unwrap_or_default(),
        steps: Steps::new(spec),
    };
    let mut roles = build.roles();
    build.autoscaler_role(&mut roles);
    let net = build.network(&layout);
    let cluster_needs = roles.cluster_ready.clone();
    build.control_plane(&roles, &net, cluster_needs);
    let access = build.access();
    let early = build.addons(BEFORE_NODES.iter().copied(), &roles, &[]);
    build.device_plugin(&access);
    let pools = build.pools(&roles, &net, &early);
    build.autoscaler(&roles, &access, &pools);
    let late: Vec<String> =
        build.aws.addons.iter().filter(|name| !BEFORE_NODES.contains(&name.as_str())).cloned().collect();
    build.addons(late.iter().map(String::as_str), &roles, &pools);
    build.steps.whole(stack, tags, stages::points)
}

/// The cluster's name in EKS: as the user typed it, so that their other tools find it.
pub fn cluster_name(stack: &Stack) -> String {
    stack.name.to_string()
}

fn no_aws() -> ResolvedAws {
    ResolvedAws { addons: Vec::new(), cluster_role_arn: None, node_role_arn: None, admin_principal_arn: None }
}

/// Roles, given or made.
struct Roles {
    cluster: Input<RoleArn>,
    cluster_ready: Vec<StepId>,
    node: Input<RoleArn>,
    node_ready: Vec<StepId>,
    ebs: Option<Input<RoleArn>>,
    ebs_ready: Vec<StepId>,
    autoscaler: Option<Input<RoleArn>>,
    autoscaler_ready: Vec<StepId>,
}

/// Network, given or made.
struct Net {
    /// For the control plane's interfaces.
    control: Vec<Input<SubnetId>>,
    /// For nodes.
    nodes: Vec<Input<SubnetId>>,
    group: Input<SecurityGroupId>,
    /// What must stand before a node can reach anything.
    egress: Vec<StepId>,
    /// Nodes have public addresses, each billed.
    public_nodes: bool,
}

struct Build<'a> {
    spec: &'a ResolvedSpec,
    stack: &'a Stack,
    aws: ResolvedAws,
    anchor: ExtraTags,
    steps: Steps<'a>,
}

// Medians and 90th percentiles as users report them (a control plane 8 to 12 minutes, nodes 2 to 4, a NAT gateway 1 to
// 3); deadlines leave room for what is rare but ends well.

/// EC2 reads lag up to a minute, a request lives 30 s.
const EC2_SETTLE: u32 = 90;
/// IAM and EKS: half a minute each.
const OTHER_SETTLE: u32 = 60;

const fn ec2(creation: Creation, tagged: bool, timing: Timing) -> Habits {
    Habits { service: "ec2", creation, tagged, settle_secs: EC2_SETTLE, timing }
}

const fn iam(tagged: bool) -> Habits {
    let timing = timing(2, 8, 180, 2, 300);
    Habits { service: "iam", creation: Creation::ByName, tagged, settle_secs: OTHER_SETTLE, timing }
}

const fn eks(creation: Creation, tagged: bool, timing: Timing) -> Habits {
    Habits { service: "eks", creation, tagged, settle_secs: OTHER_SETTLE, timing }
}

impl Build<'_> {
    fn named(&self, what: &str, max: usize) -> String {
        named(self.stack, what, max)
    }

    fn cluster_name(&self) -> String {
        cluster_name(self.stack)
    }

    /// What EKS calls a pool's node group.
    fn group_name(&self, pool: &str) -> String {
        self.named(pool, NODE_GROUP_MAX)
    }

    fn aws_policy(&self, path: &str) -> String {
        format!("arn:{}:iam::aws:policy/{path}", partition(self.spec.region.as_str()))
    }

    // --- iam ---

    fn roles(&mut self) -> Roles {
        let anchor = self.anchor.clone();
        let (cluster, cluster_ready) = match self.aws.cluster_role_arn.clone() {
            Some(arn) => (Input::Given(RoleArn(arn)), Vec::new()),
            None => self.role(
                CLUSTER_ROLE,
                "cluster",
                Trusts::Eks,
                "EKS control plane",
                anchor,
                &[("eks-cluster", "AmazonEKSClusterPolicy")],
            ),
        };
        let wants_node_role = !self.spec.node_pools.is_empty();
        let (node, node_ready) = match self.aws.node_role_arn.clone() {
            Some(arn) => (Input::Given(RoleArn(arn)), Vec::new()),
            None if wants_node_role => self.role(
                NODE_ROLE,
                "node",
                Trusts::Ec2,
                "EKS nodes",
                ExtraTags::new(),
                &[
                    ("worker-node", "AmazonEKSWorkerNodePolicy"),
                    ("registry", "AmazonEC2ContainerRegistryPullOnly"),
                    ("network", "AmazonEKS_CNI_Policy"),
                ],
            ),
            None => (Input::Given(RoleArn(String::new())), Vec::new()),
        };
        let has = |name: &str| self.aws.addons.iter().any(|addon| addon == name);
        let (ebs, ebs_ready) = if has(EBS_CSI) {
            let policies = [("storage", "service-role/AmazonEBSCSIDriverPolicy")];
            let (role, ready) =
                self.role(EBS_ROLE, "ebs-csi", Trusts::Pods, "EBS storage driver", ExtraTags::new(), &policies);
            (Some(role), ready)
        } else {
            (None, Vec::new())
        };
        let (autoscaler, autoscaler_ready) = (None, Vec::new());
        Roles { cluster, cluster_ready, node, node_ready, ebs, ebs_ready, autoscaler, autoscaler_ready }
    }

    /// A role with its policies, and the steps that stand for "usable".
    fn role(
        &mut self,
        id: &str,
        what: &str,
        trusts: Trusts,
        purpose: &str,
        mut extra_tags: ExtraTags,
        policies: &[(&str, &str)],
    ) -> (Input<RoleArn>, Vec<StepId>) {
        // Roles are global: this says which region's stack one belongs to.
        extra_tags.insert(TAG_REGION.to_owned(), self.spec.region.to_string());
        let name = self.named(what, ROLE_MAX);
        let description = format!("{purpose} of cluster {} (kubewright)", self.stack.name);
        let params = steps::IamRole { name: RoleName(name.clone()), trusts, description, extra_tags };
        let role = self.steps.add(id, steps::iam_role::KIND, &params, Identity::Name { name }, iam(true), vec![]);
        let mut ready = Vec::new();
        for (short, path) in policies {
            let policy_arn = self.aws_policy(path);
            let params =
                steps::RolePolicy { role: steps::iam_role::NAME.of(role.clone()), policy_arn: policy_arn.clone() };
            let identity = Identity::Child { parent: role.clone(), key: policy_arn };
            ready.push(self.steps.add(
                format!("{id}/policy/{short}").as_str(),
                steps::role_policy::KIND,
                &params,
                identity,
                iam(false),
                vec![],
            ));
        }
        (steps::iam_role::ARN.of(role), ready)
    }
}

#[cfg(test)]
mod tests;
