//! AWS's own policies that clusters use. The documents are cut down to action lists: enough to judge what a principal
//! may do, not a copy of the vendor's text.

use serde_json::{Value, json};

/// ARN without the `arn:aws:iam::aws:policy/` in front, and what it allows.
const MANAGED: &[(&str, &[&str])] = &[
    ("AdministratorAccess", &["*"]),
    (
        "PowerUserAccess",
        &[
            "ec2:*",
            "eks:*",
            "elasticloadbalancing:*",
            "autoscaling:*",
            "logs:*",
            "ssm:*",
            "servicequotas:*",
            "iam:CreateServiceLinkedRole",
            "iam:DeleteServiceLinkedRole",
            "iam:ListRoles",
        ],
    ),
    ("ReadOnlyAccess", &["*:Describe*", "*:Get*", "*:List*"]),
    ("IAMFullAccess", &["iam:*"]),
    ("AmazonEC2FullAccess", &["ec2:*", "elasticloadbalancing:*", "autoscaling:*", "cloudwatch:*"]),
    ("AmazonVPCFullAccess", &["ec2:*"]),
    (
        "AmazonEKSClusterPolicy",
        &[
            "autoscaling:Describe*",
            "autoscaling:UpdateAutoScalingGroup",
            "ec2:AttachVolume",
            "ec2:AuthorizeSecurityGroupIngress",
            "ec2:CreateRoute",
            "ec2:CreateSecurityGroup",
            "ec2:CreateTags",
            "ec2:CreateVolume",
            "ec2:DeleteRoute",
            "ec2:DeleteSecurityGroup",
            "ec2:DeleteVolume",
            "ec2:Describe*",
            "ec2:DetachVolume",
            "ec2:ModifyInstanceAttribute",
            "ec2:ModifyVolume",
            "ec2:RevokeSecurityGroupIngress",
            "elasticloadbalancing:*",
            "kms:DescribeKey",
            "iam:CreateServiceLinkedRole",
        ],
    ),
    (
        "AmazonEKSServicePolicy",
        &[
            "ec2:CreateNetworkInterface",
            "ec2:DeleteNetworkInterface",
            "ec2:Describe*",
            "eks:UpdateClusterVersion",
            "iam:CreateServiceLinkedRole",
        ],
    ),
    (
        "AmazonEKSVPCResourceController",
        &[
            "ec2:CreateNetworkInterfacePermission",
            "ec2:CreateNetworkInterface",
            "ec2:DetachNetworkInterface",
            "ec2:ModifyNetworkInterfaceAttribute",
            "ec2:DeleteNetworkInterface",
            "ec2:AttachNetworkInterface",
            "ec2:UnassignPrivateIpAddresses",
            "ec2:AssignPrivateIpAddresses",
        ],
    ),
    ("AmazonEKSWorkerNodePolicy", &["ec2:Describe*", "eks:DescribeCluster", "eks-auth:AssumeRoleForPodIdentity"]),
    ("AmazonEKSWorkerNodeMinimalPolicy", &["eks-auth:AssumeRoleForPodIdentity"]),
    (
        "AmazonEKS_CNI_Policy",
        &[
            "ec2:AssignPrivateIpAddresses",
            "ec2:AttachNetworkInterface",
            "ec2:CreateNetworkInterface",
            "ec2:DeleteNetworkInterface",
            "ec2:Describe*",
            "ec2:DetachNetworkInterface",
            "ec2:ModifyNetworkInterfaceAttribute",
            "ec2:UnassignPrivateIpAddresses",
            "ec2:CreateTags",
        ],
    ),
    (
        "AmazonEKSFargatePodExecutionRolePolicy",
        &[
            "ecr:GetAuthorizationToken",
            "ecr:BatchCheckLayerAvailability",
            "ecr:GetDownloadUrlForLayer",
            "ecr:BatchGetImage",
        ],
    ),
    (
        "AmazonEKSComputePolicy",
        &[
            "ec2:CreateFleet",
            "ec2:RunInstances",
            "ec2:CreateLaunchTemplate",
            "ec2:DeleteLaunchTemplate",
            "ec2:TerminateInstances",
            "ec2:CreateTags",
            "iam:AddRoleToInstanceProfile",
            "iam:CreateInstanceProfile",
            "iam:PassRole",
        ],
    ),
    (
        "AmazonEKSBlockStoragePolicy",
        &[
            "ec2:AttachVolume",
            "ec2:CreateSnapshot",
            "ec2:CreateTags",
            "ec2:CreateVolume",
            "ec2:DeleteSnapshot",
            "ec2:DeleteVolume",
            "ec2:Describe*",
            "ec2:DetachVolume",
            "ec2:ModifyVolume",
        ],
    ),
    (
        "AmazonEKSLoadBalancingPolicy",
        &[
            "elasticloadbalancing:*",
            "ec2:AuthorizeSecurityGroupIngress",
            "ec2:CreateSecurityGroup",
            "ec2:DeleteSecurityGroup",
            "ec2:Describe*",
        ],
    ),
    (
        "AmazonEKSNetworkingPolicy",
        &[
            "ec2:CreateNetworkInterface",
            "ec2:DeleteNetworkInterface",
            "ec2:AttachNetworkInterface",
            "ec2:AssignPrivateIpAddresses",
            "ec2:Describe*",
        ],
    ),
    (
        "AmazonEC2ContainerRegistryReadOnly",
        &[
            "ecr:GetAuthorizationToken",
            "ecr:BatchCheckLayerAvailability",
            "ecr:GetDownloadUrlForLayer",
            "ecr:Get*",
            "ecr:Describe*",
            "ecr:List*",
            "ecr:BatchGetImage",
        ],
    ),
    (
        "AmazonEC2ContainerRegistryPullOnly",
        &[
            "ecr:GetAuthorizationToken",
            "ecr:BatchCheckLayerAvailability",
            "ecr:GetDownloadUrlForLayer",
            "ecr:BatchGetImage",
            "ecr:BatchImportUpstreamImage",
        ],
    ),
    ("AmazonEC2ContainerRegistryPowerUser", &["ecr:*"]),
    ("AmazonSSMManagedInstanceCore", &["ssm:*", "ssmmessages:*", "ec2messages:*"]),
    (
        "CloudWatchAgentServerPolicy",
        &[
            "cloudwatch:PutMetricData",
            "ec2:DescribeVolumes",
            "ec2:DescribeTags",
            "logs:PutLogEvents",
            "logs:Describe*",
            "logs:CreateLogStream",
            "logs:CreateLogGroup",
        ],
    ),
    ("AmazonS3ReadOnlyAccess", &["s3:Get*", "s3:List*", "s3:Describe*"]),
    ("AmazonS3FullAccess", &["s3:*"]),
    (
        "service-role/AmazonEBSCSIDriverPolicy",
        &[
            "ec2:CreateSnapshot",
            "ec2:AttachVolume",
            "ec2:DetachVolume",
            "ec2:ModifyVolume",
            "ec2:Describe*",
            "ec2:CreateTags",
            "ec2:DeleteTags",
            "ec2:CreateVolume",
            "ec2:DeleteVolume",
            "ec2:DeleteSnapshot",
        ],
    ),
    ("service-role/AmazonEFSCSIDriverPolicy", &["elasticfilesystem:*"]),
    ("aws-service-role/AmazonEKSServiceRolePolicy", &["ec2:*", "iam:ListAttachedRolePolicies"]),
    ("aws-service-role/AWSServiceRoleForAmazonEKSNodegroup", &["ec2:*", "autoscaling:*", "iam:*"]),
    ("aws-service-role/AutoScalingServiceRolePolicy", &["ec2:*", "elasticloadbalancing:*"]),
    ("aws-service-role/AWSElasticLoadBalancingServiceRolePolicy", &["ec2:*"]),
    ("aws-service-role/AWSEC2SpotServiceRolePolicy", &["ec2:*"]),
    ("aws-service-role/AmazonEKSForFargateServiceRolePolicy", &["ec2:*"]),
];

const PREFIX: &str = "arn:aws:iam::aws:policy/";

/// Whether there is such a policy.
pub fn exists(arn: &str) -> bool {
    actions(arn).is_some()
}

/// All ARNs.
pub fn arns() -> impl Iterator<Item = String> {
    MANAGED.iter().map(|(name, _)| format!("{PREFIX}{name}"))
}

fn actions(arn: &str) -> Option<&'static [&'static str]> {
    let name = arn.strip_prefix(PREFIX)?;
    MANAGED.iter().find(|(known, _)| *known == name).map(|(_, actions)| *actions)
}

/// What it allows, as a document.
pub fn document(arn: &str) -> Option<Value> {
    let actions = actions(arn)?;
    Some(json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]}))
}

/// Service principals that trust policies may name.
pub fn is_service_principal(name: &str) -> bool {
    const SERVICES: &[&str] = &[
        "eks",
        "ec2",
        "pods.eks",
        "eks-nodegroup",
        "eks-fargate",
        "eks-fargate-pods",
        "autoscaling",
        "spot",
        "spotfleet",
        "elasticloadbalancing",
        "lambda",
        "ecs",
        "ecs-tasks",
        "ssm",
        "cloudformation",
        "codebuild",
        "codepipeline",
        "events",
        "scheduler",
        "states",
        "s3",
        "sns",
        "sqs",
        "logs",
        "monitoring",
        "backup",
        "batch",
        "glue",
        "rds",
        "delivery.logs",
        "vpc-flow-logs",
        "firehose",
        "apigateway",
        "config",
        "cloudtrail",
        "guardduty",
        "kms",
        "capabilities.eks",
        "eks-local-outpost",
        "dlm",
        "fsx",
        "sagemaker",
        "imagebuilder",
    ];
    name.strip_suffix(".amazonaws.com").is_some_and(|service| SERVICES.contains(&service))
}
