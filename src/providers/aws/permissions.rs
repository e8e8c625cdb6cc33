//! The IAM actions that a stack's life asks for, in one table: by kind of step, and what every life asks for besides.
//! Preflight simulates them before the first write; `kubewright policy` prints them as policies.
//!
//! Resources and condition keys are those of the Service Authorization Reference ("Actions, resources, and condition
//! keys" of EC2, EKS, IAM, Elastic Load Balancing and CloudWatch Logs). A new kind of step needs its row here; what a
//! row says of resources and conditions is spelled out in [`super::grants`].

use super::steps;
pub use crate::providers::life::Life;
use std::collections::BTreeSet;

/// What an action is asked for on, and so how far it can be narrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum On {
    /// AWS does not narrow it: reads of a region.
    Region,
    /// The same for services without regions.
    Account,
    /// A new thing of EC2's, tagged in the call, and the standing things of ours that it goes into.
    Ec2New(&'static str, &'static [&'static str]),
    /// Things of EC2's that carry our tag.
    Ec2Ours(&'static [&'static str]),
    /// Things of EC2's that the cluster made: they carry its name.
    Ec2Caused(&'static [&'static str]),
    /// Things of EC2's that GuardDuty put beside the nodes.
    Ec2GuardDuty(&'static [&'static str]),
    /// A launch from a template of ours.
    Ec2Launch,
    /// Tags in a creating call of EC2's.
    Ec2Tags,
    /// The cluster, not there yet.
    EksNew,
    /// The cluster, for what is made in it.
    EksInside,
    /// The cluster and what is in it, to be read.
    EksRead(&'static str),
    /// The cluster and what is in it, carrying our tag.
    EksOurs(&'static str),
    /// Node groups of the cluster that carry our tag or nobody's: EKS keeps the cluster as long as one stands.
    EksGroups,
    /// Tags in a creating call of EKS's.
    EksTags,
    /// Our roles, by their names.
    Role,
    /// The same for reads, which also ask whether a role is there: IAM then judges by the bare name, for what is not
    /// there has no path.
    RoleRead,
    /// Our roles, and only with the policies of the plan.
    RoleWithPolicy,
    /// Our roles or those brought along, handed to EKS.
    RolePassed,
    /// Roles of all stacks: their tags tell them apart.
    RolesOfAll,
    /// The caller's own role, whatever it is called.
    RoleOfCaller,
    /// Instance profiles of EKS's.
    Profile,
    /// The role that node groups are run with by EKS itself.
    LinkedRole,
    /// AWS's own roles, made once for an account.
    NewLinkedRole,
    /// Load balancers and target groups that the cluster made.
    Balancer,
    /// The control plane's log group.
    LogGroup,
}

/// One row: an action, what it is done to, when, and whether a life goes on without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Need {
    /// `ec2:CreateVpc`.
    pub action: &'static str,
    /// What it is done to.
    pub on: On,
    /// When.
    pub life: Life,
    /// Without it something is not known beforehand, and said so; nothing fails.
    pub optional: bool,
}

const fn row(action: &'static str, on: On, life: Life) -> Need {
    Need { action, on, life, optional: false }
}

/// A read that every part of a life makes.
const fn read(action: &'static str) -> Need {
    row(action, On::Region, Life::ALL)
}

const fn eks_read(action: &'static str, of: &'static str) -> Need {
    row(action, On::EksRead(of), Life::ALL)
}

const fn make(action: &'static str, on: On) -> Need {
    row(action, on, Life::BUILD)
}

/// A build changes it as well, for what it made before.
const fn change(action: &'static str, on: On) -> Need {
    row(action, on, Life::BUILD.or(Life::OPERATE))
}

const fn remove(action: &'static str, on: On) -> Need {
    row(action, on, Life::DESTROY)
}

const fn ahead(action: &'static str, on: On) -> Need {
    Need { optional: true, ..row(action, on, Life::BUILD) }
}

/// A look of a teardown, without which something in its way stays unnamed.
const fn look(action: &'static str) -> Need {
    Need { optional: true, ..row(action, On::Region, Life::DESTROY) }
}

/// Tags in creating calls, and tags that protection and recovery write later.
const EC2_TAGS: [Need; 2] = [
    make("ec2:CreateTags", On::Ec2Tags),
    change(
        "ec2:CreateTags",
        On::Ec2Ours(&[
            "vpc",
            "subnet",
            "internet-gateway",
            "elastic-ip",
            "natgateway",
            "route-table",
            "security-group",
            "vpc-endpoint",
            "launch-template",
        ]),
    ),
];

/// What each kind asks for.
fn of_kind(kind: &str) -> &'static [Need] {
    use On::{
        Ec2New, Ec2Ours, EksInside, EksNew, EksOurs, EksTags, LogGroup, Role, RolePassed, RoleRead, RoleWithPolicy,
    };
    match kind {
        steps::iam_role::KIND => {
            const {
                &[
                    row("iam:GetRole", RoleRead, Life::ALL),
                    make("iam:CreateRole", Role),
                    change("iam:TagRole", Role),
                    make("iam:PassRole", RolePassed),
                    remove("iam:DeleteRole", Role),
                    // What somebody else attached keeps a role from going.
                    row("iam:ListAttachedRolePolicies", RoleRead, Life::ALL),
                    remove("iam:DetachRolePolicy", Role),
                    remove("iam:ListRolePolicies", RoleRead),
                    remove("iam:DeleteRolePolicy", Role),
                    remove("iam:ListInstanceProfilesForRole", RoleRead),
                    remove("iam:RemoveRoleFromInstanceProfile", On::Profile),
                    remove("iam:DeleteInstanceProfile", On::Profile),
                ]
            }
        }
        steps::inline_policy::KIND => {
            const {
                &[
                    row("iam:GetRolePolicy", RoleRead, Life::ALL),
                    make("iam:PutRolePolicy", Role),
                    remove("iam:DeleteRolePolicy", Role),
                ]
            }
        }
        steps::role_policy::KIND => {
            const {
                &[
                    row("iam:ListAttachedRolePolicies", RoleRead, Life::ALL),
                    make("iam:AttachRolePolicy", RoleWithPolicy),
                    remove("iam:DetachRolePolicy", Role),
                ]
            }
        }
        steps::vpc::KIND => {
            const {
                &[
                    read("ec2:DescribeVpcs"),
                    read("ec2:DescribeVpcAttribute"),
                    make("ec2:CreateVpc", Ec2New("vpc", &[])),
                    make("ec2:ModifyVpcAttribute", Ec2Ours(&["vpc"])),
                    remove("ec2:DeleteVpc", Ec2Ours(&["vpc"])),
                    // GuardDuty's, where it watches the nodes: a network of ours cannot go while they stand in it.
                    remove("ec2:DeleteVpcEndpoints", On::Ec2GuardDuty(&["vpc-endpoint"])),
                    remove("ec2:DeleteSecurityGroup", On::Ec2GuardDuty(&["security-group"])),
                    // What others joined to it: unseen, it keeps the network from going without being named.
                    look("ec2:DescribeVpcPeeringConnections"),
                    look("ec2:DescribeTransitGatewayVpcAttachments"),
                    look("ec2:DescribeVpnGateways"),
                    look("ec2:DescribeEgressOnlyInternetGateways"),
                ]
            }
        }
        steps::subnet::KIND => {
            const {
                &[
                    read("ec2:DescribeSubnets"),
                    make("ec2:CreateSubnet", Ec2New("subnet", &["vpc"])),
                    make("ec2:ModifySubnetAttribute", Ec2Ours(&["subnet"])),
                    remove("ec2:DeleteSubnet", Ec2Ours(&["subnet"])),
                ]
            }
        }
        steps::internet_gateway::KIND => {
            const {
                &[
                    read("ec2:DescribeInternetGateways"),
                    make("ec2:CreateInternetGateway", Ec2New("internet-gateway", &[])),
                    remove("ec2:DeleteInternetGateway", Ec2Ours(&["internet-gateway"])),
                ]
            }
        }
        steps::gateway_attachment::KIND => {
            const {
                &[
                    make("ec2:AttachInternetGateway", Ec2Ours(&["internet-gateway", "vpc"])),
                    remove("ec2:DetachInternetGateway", Ec2Ours(&["internet-gateway", "vpc"])),
                ]
            }
        }
        steps::elastic_ip::KIND => {
            const {
                &[
                    read("ec2:DescribeAddresses"),
                    make("ec2:AllocateAddress", Ec2New("elastic-ip", &[])),
                    remove("ec2:ReleaseAddress", Ec2Ours(&["elastic-ip"])),
                ]
            }
        }
        steps::nat_gateway::KIND => {
            const {
                &[
                    read("ec2:DescribeNatGateways"),
                    make("ec2:CreateNatGateway", Ec2New("natgateway", &["subnet", "elastic-ip"])),
                    remove("ec2:DeleteNatGateway", Ec2Ours(&["natgateway"])),
                ]
            }
        }
        steps::route_table::KIND => {
            const {
                &[
                    read("ec2:DescribeRouteTables"),
                    make("ec2:CreateRouteTable", Ec2New("route-table", &["vpc"])),
                    remove("ec2:DeleteRouteTable", Ec2Ours(&["route-table"])),
                ]
            }
        }
        steps::route::KIND => {
            const {
                &[
                    make("ec2:CreateRoute", Ec2Ours(&["route-table"])),
                    make("ec2:ReplaceRoute", Ec2Ours(&["route-table"])),
                    remove("ec2:DeleteRoute", Ec2Ours(&["route-table"])),
                ]
            }
        }
        steps::route_table_association::KIND => {
            const {
                &[
                    make("ec2:AssociateRouteTable", Ec2Ours(&["route-table", "subnet"])),
                    remove("ec2:DisassociateRouteTable", Ec2Ours(&["route-table"])),
                ]
            }
        }
        steps::vpc_endpoint::KIND => {
            const {
                &[
                    read("ec2:DescribeVpcEndpoints"),
                    make("ec2:CreateVpcEndpoint", Ec2New("vpc-endpoint", &["vpc", "route-table"])),
                    remove("ec2:DeleteVpcEndpoints", Ec2Ours(&["vpc-endpoint"])),
                ]
            }
        }
        steps::security_group::KIND => {
            const {
                &[
                    read("ec2:DescribeSecurityGroups"),
                    make("ec2:CreateSecurityGroup", Ec2New("security-group", &["vpc"])),
                    remove("ec2:DeleteSecurityGroup", Ec2Ours(&["security-group"])),
                    remove("ec2:RevokeSecurityGroupIngress", Ec2Ours(&["security-group"])),
                    remove("ec2:RevokeSecurityGroupEgress", Ec2Ours(&["security-group"])),
                ]
            }
        }
        steps::launch_template::KIND => {
            const {
                &[
                    read("ec2:DescribeLaunchTemplates"),
                    make("ec2:CreateLaunchTemplate", Ec2New("launch-template", &[])),
                    remove("ec2:DeleteLaunchTemplate", Ec2Ours(&["launch-template"])),
                ]
            }
        }
        steps::existing::VPC_KIND => const { &[read("ec2:DescribeVpcs")] },
        steps::existing::SUBNET_KIND => {
            const { &[read("ec2:DescribeSubnets"), read("ec2:DescribeRouteTables"), read("ec2:DescribeVpcEndpoints")] }
        }
        steps::cluster::KIND => {
            const {
                &[
                    eks_read("eks:DescribeCluster", "cluster"),
                    eks_read("eks:ListNodegroups", "cluster"),
                    make("eks:CreateCluster", EksNew),
                    make("eks:TagResource", EksTags),
                    change("eks:TagResource", EksOurs("cluster")),
                    change("eks:TagResource", EksOurs("nodegroup")),
                    // EKS takes its roles from us: the cluster's, and its own if the account has none yet.
                    make("iam:PassRole", RolePassed),
                    make("iam:CreateServiceLinkedRole", On::NewLinkedRole),
                    remove("eks:DeleteCluster", EksOurs("cluster")),
                    Need { optional: true, ..row("eks:ListFargateProfiles", On::EksRead("cluster"), Life::DESTROY) },
                    // What the cluster makes and leaves behind.
                    remove("ec2:DeleteNetworkInterface", On::Ec2Caused(&["network-interface"])),
                    remove("ec2:DeleteNetworkInterface", Ec2Ours(&["network-interface"])),
                    remove("ec2:DeleteSecurityGroup", On::Ec2Caused(&["security-group"])),
                    remove("ec2:RevokeSecurityGroupIngress", On::Ec2Caused(&["security-group"])),
                    remove("ec2:RevokeSecurityGroupEgress", On::Ec2Caused(&["security-group"])),
                    remove("ec2:DeleteVolume", Ec2Ours(&["volume"])),
                    remove("ec2:DeleteSnapshot", Ec2Ours(&["snapshot"])),
                    remove("ec2:TerminateInstances", Ec2Ours(&["instance"])),
                    remove("elasticloadbalancing:DeleteLoadBalancer", On::Balancer),
                    remove("elasticloadbalancing:DeleteTargetGroup", On::Balancer),
                ]
            }
        }
        steps::node_group::KIND => {
            const {
                &[
                    eks_read("eks:DescribeNodegroup", "nodegroup"),
                    make("eks:CreateNodegroup", EksInside),
                    make("iam:PassRole", RolePassed),
                    // EKS checks that the caller could start what the launch template describes, and see its own role.
                    make("ec2:RunInstances", On::Ec2Launch),
                    make("iam:GetRole", On::LinkedRole),
                    remove("eks:DeleteNodegroup", On::EksGroups),
                ]
            }
        }
        steps::addon::KIND => {
            const {
                &[
                    eks_read("eks:DescribeAddon", "addon"),
                    ahead("eks:DescribeAddonVersions", On::Region),
                    make("eks:CreateAddon", EksInside),
                    remove("eks:DeleteAddon", EksOurs("addon")),
                ]
            }
        }
        steps::access_entry::KIND => {
            const {
                &[
                    eks_read("eks:DescribeAccessEntry", "access-entry"),
                    make("eks:CreateAccessEntry", EksInside),
                    remove("eks:DeleteAccessEntry", EksOurs("access-entry")),
                ]
            }
        }
        steps::access_policy::KIND => {
            const {
                &[
                    eks_read("eks:DescribeAccessEntry", "access-entry"),
                    eks_read("eks:ListAssociatedAccessPolicies", "access-entry"),
                    make("eks:AssociateAccessPolicy", EksOurs("access-entry")),
                    remove("eks:DisassociateAccessPolicy", EksOurs("access-entry")),
                ]
            }
        }
        steps::pod_identity::KIND => {
            const {
                &[
                    eks_read("eks:ListPodIdentityAssociations", "cluster"),
                    eks_read("eks:DescribePodIdentityAssociation", "podidentityassociation"),
                    make("eks:CreatePodIdentityAssociation", EksInside),
                    remove("eks:DeletePodIdentityAssociation", EksOurs("podidentityassociation")),
                ]
            }
        }
        steps::log_group::KIND => {
            const {
                &[
                    make("logs:CreateLogGroup", LogGroup),
                    change("logs:TagResource", LogGroup),
                    make("logs:PutRetentionPolicy", LogGroup),
                    remove("logs:DeleteLogGroup", LogGroup),
                ]
            }
        }
        _ => &[],
    }
}

/// What every life asks for, whatever its plan: whose stacks there are, what the region has, what is left over.
const ALWAYS: &[Need] = &[
    // A stack of the name may stand, with or without the things that this plan has.
    read("ec2:DescribeVpcs"),
    read("ec2:DescribeSubnets"),
    read("ec2:DescribeInternetGateways"),
    read("ec2:DescribeAddresses"),
    read("ec2:DescribeNatGateways"),
    read("ec2:DescribeRouteTables"),
    read("ec2:DescribeSecurityGroups"),
    read("ec2:DescribeVpcEndpoints"),
    read("ec2:DescribeLaunchTemplates"),
    row("iam:ListRoles", On::Account, Life::ALL),
    row("iam:ListRoleTags", On::RolesOfAll, Life::ALL),
    // What can be chosen.
    make("ec2:DescribeAvailabilityZones", On::Region),
    make("eks:DescribeClusterVersions", On::Region),
    ahead("ec2:DescribeInstanceTypes", On::Region),
    ahead("ec2:DescribeInstanceTypeOfferings", On::Region),
    // Limits and what is in use, permissions, and the caller's own role.
    ahead("servicequotas:GetServiceQuota", On::Region),
    ahead("servicequotas:GetAWSDefaultServiceQuota", On::Region),
    ahead("iam:GetAccountSummary", On::Account),
    ahead("iam:SimulatePrincipalPolicy", On::Account),
    ahead("iam:GetRole", On::RoleOfCaller),
    // All clusters of the region, of which ours may be one.
    Need { optional: true, ..row("eks:ListClusters", On::Region, Life::BUILD.or(Life::OPERATE)) },
    Need { optional: true, ..row("eks:DescribeClusterVersions", On::Region, Life::OPERATE) },
    // What the cluster may have left.
    row("ec2:DescribeInstances", On::Region, Life::BUILD.or(Life::DESTROY)),
    row("ec2:DescribeNetworkInterfaces", On::Region, Life::DESTROY),
    row("ec2:DescribeVolumes", On::Region, Life::DESTROY),
    row("ec2:DescribeSnapshots", On::Region, Life::DESTROY),
    row("elasticloadbalancing:DescribeLoadBalancers", On::Region, Life::DESTROY),
    row("elasticloadbalancing:DescribeTags", On::Region, Life::DESTROY),
    row("elasticloadbalancing:DescribeTargetGroups", On::Region, Life::DESTROY),
    // Every audit lists what carries the stack's tags, a log group of ours among it.
    read("logs:DescribeLogGroups"),
    row("logs:ListTagsForResource", On::LogGroup, Life::ALL),
];

/// Everything that a stack of these kinds asks for in these parts of its life, sorted by action.
pub fn needs<'k>(kinds: impl Iterator<Item = &'k str>, life: Life) -> BTreeSet<Need> {
    let mut all: BTreeSet<Need> = kinds.flat_map(of_kind).chain(ALWAYS).copied().collect();
    if all.iter().any(|need| matches!(need.on, On::Ec2New(..))) {
        all.extend(EC2_TAGS);
    }
    all.retain(|need| need.life.meets(life));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Identity;
    use crate::providers::aws::{plan, testing};

    #[test]
    fn every_kind_that_is_made_is_covered() {
        let spec = testing::spec("demo");
        let plan = plan::plan(&spec, &"demo-0a1b2c3d".parse().unwrap(), [].into()).unwrap();
        for step in plan.steps.iter().filter(|step| !matches!(step.identity, Identity::External { .. })) {
            for life in [Life::BUILD, Life::DESTROY] {
                let acts = of_kind(&step.kind).iter().any(|need| need.life == life && !need.optional);
                assert!(acts, "{} needs an action to make and one to remove it", step.kind);
            }
        }
        let all = needs(plan.steps.iter().map(|step| step.kind.as_str()), Life::ALL);
        let has = |action: &str| all.iter().any(|need| need.action == action);
        assert!(has("ec2:CreateTags") && has("iam:PassRole") && has("iam:CreateServiceLinkedRole"));
    }

    #[test]
    fn parts_of_a_life_ask_for_their_own() {
        let of = |life| needs([steps::vpc::KIND].into_iter(), life);
        let has = |life, action: &str| of(life).iter().any(|need| need.action == action);
        assert!(has(Life::BUILD, "ec2:CreateVpc") && !has(Life::BUILD, "ec2:DeleteVpc"));
        assert!(has(Life::DESTROY, "ec2:DeleteVpc") && !has(Life::DESTROY, "ec2:CreateVpc"));
        assert!(has(Life::OPERATE, "ec2:CreateTags") && !has(Life::OPERATE, "ec2:ModifyVpcAttribute"));
        assert!(has(Life::ALL, "ec2:DescribeVpcs") && has(Life::OPERATE, "ec2:DescribeVpcs"));
    }
}
