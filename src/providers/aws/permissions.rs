//! The IAM actions that each kind of step asks for, to make it and to remove it, and what a teardown looks at and removes
//! beside the steps (Service Authorization Reference, "Actions, resources, and condition keys" of EC2, EKS, IAM and CloudWatch Logs).

use super::steps;
use std::collections::BTreeSet;

/// What a kind needs. Reads that planning makes are left out: a plan that could be made has read. Those that only a
/// teardown makes are asked for now, or a cluster is built that cannot be taken down.
fn actions_of(kind: &str) -> &'static [&'static str] {
    match kind {
        steps::iam_role::KIND => &[
            "iam:CreateRole",
            "iam:GetRole",
            "iam:TagRole",
            "iam:PassRole",
            "iam:DeleteRole",
            "iam:ListRolePolicies",
            "iam:ListInstanceProfilesForRole",
            "iam:ListRoles",
        ],
        steps::role_policy::KIND => &["iam:AttachRolePolicy", "iam:ListAttachedRolePolicies", "iam:DetachRolePolicy"],
        steps::inline_policy::KIND => &["iam:PutRolePolicy", "iam:GetRolePolicy", "iam:DeleteRolePolicy"],
        steps::vpc::KIND => &["ec2:CreateVpc", "ec2:ModifyVpcAttribute", "ec2:DeleteVpc"],
        steps::subnet::KIND => &["ec2:CreateSubnet", "ec2:ModifySubnetAttribute", "ec2:DeleteSubnet"],
        steps::internet_gateway::KIND => &["ec2:CreateInternetGateway", "ec2:DeleteInternetGateway"],
        steps::gateway_attachment::KIND => &["ec2:AttachInternetGateway", "ec2:DetachInternetGateway"],
        steps::elastic_ip::KIND => &["ec2:AllocateAddress", "ec2:ReleaseAddress"],
        steps::nat_gateway::KIND => &["ec2:CreateNatGateway", "ec2:DeleteNatGateway"],
        steps::route_table::KIND => &["ec2:CreateRouteTable", "ec2:DeleteRouteTable"],
        steps::route::KIND => &["ec2:CreateRoute", "ec2:DeleteRoute"],
        steps::route_table_association::KIND => &["ec2:AssociateRouteTable", "ec2:DisassociateRouteTable"],
        steps::vpc_endpoint::KIND => &["ec2:CreateVpcEndpoint", "ec2:DeleteVpcEndpoints"],
        steps::security_group::KIND => &[
            "ec2:CreateSecurityGroup",
            "ec2:DeleteSecurityGroup",
            "ec2:RevokeSecurityGroupIngress",
            "ec2:RevokeSecurityGroupEgress",
        ],
        steps::launch_template::KIND => &["ec2:CreateLaunchTemplate", "ec2:DeleteLaunchTemplate"],
        steps::cluster::KIND => &[
            "eks:CreateCluster",
            "eks:DescribeCluster",
            "eks:TagResource",
            "eks:DeleteCluster",
            "eks:ListNodegroups",
            // What the cluster makes and leaves behind.
            "ec2:DescribeInstances",
            "ec2:DescribeNetworkInterfaces",
            "ec2:DescribeSnapshots",
            "ec2:DescribeVolumes",
            "ec2:DeleteNetworkInterface",
            "ec2:TerminateInstances",
            "elasticloadbalancing:DescribeLoadBalancers",
            "elasticloadbalancing:DescribeTags",
            "elasticloadbalancing:DescribeTargetGroups",
            "elasticloadbalancing:DeleteLoadBalancer",
            "elasticloadbalancing:DeleteTargetGroup",
        ],
        // EKS checks that the caller could start what the launch template describes.
        steps::node_group::KIND => {
            &["eks:CreateNodegroup", "eks:DescribeNodegroup", "eks:DeleteNodegroup", "ec2:RunInstances"]
        }
        steps::addon::KIND => &["eks:CreateAddon", "eks:DescribeAddon", "eks:DeleteAddon"],
        steps::access_entry::KIND => &["eks:CreateAccessEntry", "eks:DescribeAccessEntry", "eks:DeleteAccessEntry"],
        steps::access_policy::KIND => &["eks:AssociateAccessPolicy", "eks:DisassociateAccessPolicy"],
        steps::pod_identity::KIND => &["eks:CreatePodIdentityAssociation", "eks:DeletePodIdentityAssociation"],
        steps::log_group::KIND => {
            &["logs:CreateLogGroup", "logs:TagResource", "logs:PutRetentionPolicy", "logs:DeleteLogGroup"]
        }
        _ => &[],
    }
}

/// What an EKS action is allowed or denied for: the end of its ARN, with `CLUSTER` for the cluster's name.
pub fn eks_resource(name: &str) -> &'static str {
    // What is made inside a cluster is asked of the cluster; what is done to it later, of itself.
    if name.starts_with("Create") || name.starts_with("List") {
        "cluster/CLUSTER"
    } else if name.contains("Nodegroup") {
        "nodegroup/CLUSTER/default/00000000-0000-0000-0000-000000000000"
    } else if name.contains("Addon") {
        "addon/CLUSTER/vpc-cni/00000000-0000-0000-0000-000000000000"
    } else if name.contains("Access") {
        "access-entry/CLUSTER/role/123456789012/admin/00000000-0000-0000-0000-000000000000"
    } else if name.contains("PodIdentity") {
        "podidentityassociation/CLUSTER/a-00000000000000000"
    } else {
        "cluster/CLUSTER"
    }
}

/// Whether an IAM action is about no role in particular.
pub fn is_about_all(name: &str) -> bool {
    name == "ListRoles"
}

/// Every action that steps of these kinds need, sorted.
pub fn actions<'k>(kinds: impl Iterator<Item = &'k str>) -> BTreeSet<&'static str> {
    let mut all: BTreeSet<&'static str> = kinds.flat_map(actions_of).copied().collect();
    if all.iter().any(|action| action.starts_with("ec2:Create")) {
        // Asked for with every tag in a creating call.
        all.insert("ec2:CreateTags");
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Identity;
    use crate::providers::aws::{plan, testing};

    #[test]
    fn what_stands_in_a_cluster_is_asked_for_by_its_own_arn() {
        assert_eq!(eks_resource("CreateNodegroup"), "cluster/CLUSTER");
        assert_eq!(eks_resource("DeleteCluster"), "cluster/CLUSTER");
        assert!(eks_resource("DeleteNodegroup").starts_with("nodegroup/CLUSTER/"));
        assert!(eks_resource("DescribeAddon").starts_with("addon/CLUSTER/"));
        assert!(eks_resource("AssociateAccessPolicy").starts_with("access-entry/CLUSTER/"));
        assert!(eks_resource("DeletePodIdentityAssociation").starts_with("podidentityassociation/CLUSTER/"));
    }

    #[test]
    fn every_kind_that_is_made_is_covered() {
        let spec = testing::spec("demo");
        let plan = plan::plan(&spec, &"demo-0a1b2c3d".parse().unwrap(), [].into()).unwrap();
        for step in plan.steps.iter().filter(|step| !matches!(step.identity, Identity::External { .. })) {
            let needed = actions_of(&step.kind);
            assert!(needed.len() >= 2, "{} needs an action to make and one to remove it", step.kind);
        }
        let all = actions(plan.steps.iter().map(|step| step.kind.as_str()));
        assert!(all.contains("ec2:CreateTags") && all.contains("iam:PassRole"));
    }
}
