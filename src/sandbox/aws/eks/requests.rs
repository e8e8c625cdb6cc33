//! The members of every EKS request body, as tables for `shape::check`. Path and query parameters are not in them.

use super::shape::{Member, Shape, TEXTS, opt, req};

const ANY_INT: Shape = Shape::Int(i64::MIN, i64::MAX);
const POSITIVE: Shape = Shape::Int(1, i64::MAX);
const COUNT: Shape = Shape::Int(0, i64::MAX);
const PERCENT: Shape = Shape::Int(1, 100);
const ENABLED: Shape = Shape::Struct(&[opt("enabled", Shape::Bool)]);
const TOKEN: Member = opt("clientRequestToken", Shape::Text);
const TAGS: Member = opt("tags", Shape::Map);

const VPC_CONFIG: Shape = Shape::Struct(&[
    opt("subnetIds", TEXTS),
    opt("securityGroupIds", TEXTS),
    opt("endpointPublicAccess", Shape::Bool),
    opt("endpointPrivateAccess", Shape::Bool),
    opt("publicAccessCidrs", TEXTS),
    opt("controlPlaneEgressMode", Shape::Word(&["AWS_MANAGED", "CUSTOMER_ROUTED", "CUSTOMER_ISOLATED"])),
]);
const NETWORK_CONFIG: Shape = Shape::Struct(&[
    opt("serviceIpv4Cidr", Shape::Text),
    opt("ipFamily", Shape::Word(&["ipv4", "ipv6"])),
    opt("elasticLoadBalancing", ENABLED),
]);
/// The kinds of control plane log.
pub(super) const LOG_TYPES: &[&str] = &["api", "audit", "authenticator", "controllerManager", "scheduler"];
const LOGGING: Shape = Shape::Struct(&[opt(
    "clusterLogging",
    Shape::List(&Shape::Struct(&[opt("types", Shape::List(&Shape::Word(LOG_TYPES))), opt("enabled", Shape::Bool)])),
)]);
const ENCRYPTION: Shape = Shape::List(&Shape::Struct(&[
    opt("resources", TEXTS),
    opt("provider", Shape::Struct(&[opt("keyArn", Shape::Text)])),
]));
const AUTH_MODE: Member = opt("authenticationMode", Shape::Word(&["API", "API_AND_CONFIG_MAP", "CONFIG_MAP"]));
const UPGRADE_POLICY: Member =
    opt("upgradePolicy", Shape::Struct(&[opt("supportType", Shape::Word(&["STANDARD", "EXTENDED"]))]));
const CIDR_LISTS: Shape = Shape::List(&Shape::Struct(&[opt("cidrs", TEXTS)]));
const REMOTE_NETWORK: Member = opt(
    "remoteNetworkConfig",
    Shape::Struct(&[opt("remoteNodeNetworks", CIDR_LISTS), opt("remotePodNetworks", CIDR_LISTS)]),
);
const COMPUTE: Member = opt(
    "computeConfig",
    Shape::Struct(&[opt("enabled", Shape::Bool), opt("nodePools", TEXTS), opt("nodeRoleArn", Shape::Text)]),
);
const STORAGE: Member = opt("storageConfig", Shape::Struct(&[opt("blockStorage", ENABLED)]));
const SCALING_TIER: Member = opt(
    "controlPlaneScalingConfig",
    Shape::Struct(&[opt("tier", Shape::Word(&["standard", "tier-xl", "tier-2xl", "tier-4xl", "tier-8xl"]))]),
);
const ZONAL_SHIFT: Member = opt("zonalShiftConfig", ENABLED);
const PROTECTION: Member = opt("deletionProtection", Shape::Bool);

/// CreateCluster.
pub(super) const CREATE_CLUSTER: &[Member] = &[
    req("name", Shape::Sized(1, 100)),
    opt("version", Shape::Text),
    req("roleArn", Shape::Text),
    req("resourcesVpcConfig", VPC_CONFIG),
    opt("kubernetesNetworkConfig", NETWORK_CONFIG),
    opt("logging", LOGGING),
    TOKEN,
    TAGS,
    opt("encryptionConfig", ENCRYPTION),
    opt("accessConfig", Shape::Struct(&[opt("bootstrapClusterCreatorAdminPermissions", Shape::Bool), AUTH_MODE])),
    opt("bootstrapSelfManagedAddons", Shape::Bool),
    UPGRADE_POLICY,
    ZONAL_SHIFT,
    REMOTE_NETWORK,
    COMPUTE,
    STORAGE,
    PROTECTION,
    SCALING_TIER,
];

/// UpdateClusterConfig.
pub(super) const UPDATE_CLUSTER_CONFIG: &[Member] = &[
    opt("resourcesVpcConfig", VPC_CONFIG),
    opt("logging", LOGGING),
    TOKEN,
    opt("accessConfig", Shape::Struct(&[AUTH_MODE])),
    UPGRADE_POLICY,
    ZONAL_SHIFT,
    COMPUTE,
    opt("kubernetesNetworkConfig", NETWORK_CONFIG),
    STORAGE,
    REMOTE_NETWORK,
    PROTECTION,
    SCALING_TIER,
];

/// UpdateClusterVersion.
pub(super) const UPDATE_CLUSTER_VERSION: &[Member] = &[
    req("version", Shape::Text),
    TOKEN,
    opt("force", Shape::Bool),
    opt("rollbackConfig", Shape::Struct(&[opt("timeoutMinutes", POSITIVE)])),
];

/// The AMI types a managed node group may name.
pub(super) const AMI_TYPES: &[&str] = &[
    "AL2_x86_64",
    "AL2_x86_64_GPU",
    "AL2_ARM_64",
    "CUSTOM",
    "BOTTLEROCKET_ARM_64",
    "BOTTLEROCKET_x86_64",
    "BOTTLEROCKET_ARM_64_FIPS",
    "BOTTLEROCKET_x86_64_FIPS",
    "BOTTLEROCKET_ARM_64_NVIDIA",
    "BOTTLEROCKET_x86_64_NVIDIA",
    "BOTTLEROCKET_ARM_64_NVIDIA_FIPS",
    "BOTTLEROCKET_x86_64_NVIDIA_FIPS",
    "WINDOWS_CORE_2019_x86_64",
    "WINDOWS_FULL_2019_x86_64",
    "WINDOWS_CORE_2022_x86_64",
    "WINDOWS_FULL_2022_x86_64",
    "WINDOWS_CORE_2025_x86_64",
    "WINDOWS_FULL_2025_x86_64",
    "AL2023_x86_64_STANDARD",
    "AL2023_ARM_64_STANDARD",
    "AL2023_x86_64_NEURON",
    "AL2023_x86_64_NVIDIA",
    "AL2023_ARM_64_NVIDIA",
];
const SCALING: Member =
    opt("scalingConfig", Shape::Struct(&[opt("minSize", COUNT), opt("maxSize", POSITIVE), opt("desiredSize", COUNT)]));
const TAINTS: Shape = Shape::List(&Shape::Struct(&[
    opt("key", Shape::Sized(1, 63)),
    opt("value", Shape::Sized(0, 63)),
    opt("effect", Shape::Word(&["NO_SCHEDULE", "NO_EXECUTE", "PREFER_NO_SCHEDULE"])),
]));
const LAUNCH_TEMPLATE: Member = opt(
    "launchTemplate",
    Shape::Struct(&[opt("name", Shape::Text), opt("version", Shape::Text), opt("id", Shape::Text)]),
);
const NODE_UPDATE: Member = opt(
    "updateConfig",
    Shape::Struct(&[
        opt("maxUnavailable", POSITIVE),
        opt("maxUnavailablePercentage", PERCENT),
        opt("updateStrategy", Shape::Word(&["DEFAULT", "MINIMAL"])),
    ]),
);
const NODE_REPAIR: Member = opt(
    "nodeRepairConfig",
    Shape::Struct(&[
        opt("enabled", Shape::Bool),
        opt("maxUnhealthyNodeThresholdCount", POSITIVE),
        opt("maxUnhealthyNodeThresholdPercentage", PERCENT),
        opt("maxParallelNodesRepairedCount", POSITIVE),
        opt("maxParallelNodesRepairedPercentage", PERCENT),
    ]),
);

/// CreateNodegroup.
pub(super) const CREATE_NODEGROUP: &[Member] = &[
    req("nodegroupName", Shape::Sized(1, 63)),
    SCALING,
    opt("diskSize", ANY_INT),
    req("subnets", TEXTS),
    opt("instanceTypes", TEXTS),
    opt("amiType", Shape::Word(AMI_TYPES)),
    opt("remoteAccess", Shape::Struct(&[opt("ec2SshKey", Shape::Text), opt("sourceSecurityGroups", TEXTS)])),
    req("nodeRole", Shape::Text),
    opt("labels", Shape::Map),
    opt("taints", TAINTS),
    TAGS,
    TOKEN,
    LAUNCH_TEMPLATE,
    NODE_UPDATE,
    NODE_REPAIR,
    opt("capacityType", Shape::Word(&["ON_DEMAND", "SPOT", "CAPACITY_BLOCK"])),
    opt("version", Shape::Text),
    opt("releaseVersion", Shape::Text),
];

/// UpdateNodegroupConfig.
pub(super) const UPDATE_NODEGROUP_CONFIG: &[Member] = &[
    opt("labels", Shape::Struct(&[opt("addOrUpdateLabels", Shape::Map), opt("removeLabels", TEXTS)])),
    opt("taints", Shape::Struct(&[opt("addOrUpdateTaints", TAINTS), opt("removeTaints", TAINTS)])),
    SCALING,
    NODE_UPDATE,
    NODE_REPAIR,
    TOKEN,
];

const RESOLVE: Member = opt("resolveConflicts", Shape::Word(&["OVERWRITE", "NONE", "PRESERVE"]));
const ADDON_IDENTITY: Member = opt(
    "podIdentityAssociations",
    Shape::List(&Shape::Struct(&[req("serviceAccount", Shape::Text), req("roleArn", Shape::Text)])),
);

/// CreateAddon.
pub(super) const CREATE_ADDON: &[Member] = &[
    req("addonName", Shape::Text),
    opt("addonVersion", Shape::Text),
    opt("serviceAccountRoleArn", Shape::Sized(1, 255)),
    RESOLVE,
    TOKEN,
    TAGS,
    opt("configurationValues", Shape::Text),
    ADDON_IDENTITY,
    opt("namespaceConfig", Shape::Struct(&[opt("namespace", Shape::Sized(1, 63))])),
];

/// UpdateAddon.
pub(super) const UPDATE_ADDON: &[Member] = &[
    opt("addonVersion", Shape::Text),
    opt("serviceAccountRoleArn", Shape::Sized(1, 255)),
    RESOLVE,
    TOKEN,
    opt("configurationValues", Shape::Text),
    ADDON_IDENTITY,
];

/// CreateAccessEntry.
pub(super) const CREATE_ACCESS_ENTRY: &[Member] = &[
    req("principalArn", Shape::Text),
    opt("kubernetesGroups", TEXTS),
    TAGS,
    TOKEN,
    opt("username", Shape::Text),
    opt("type", Shape::Text),
];

/// UpdateAccessEntry.
pub(super) const UPDATE_ACCESS_ENTRY: &[Member] =
    &[opt("kubernetesGroups", TEXTS), TOKEN, opt("username", Shape::Text)];

/// AssociateAccessPolicy.
pub(super) const ASSOCIATE_ACCESS_POLICY: &[Member] = &[
    req("policyArn", Shape::Text),
    req("accessScope", Shape::Struct(&[opt("type", Shape::Word(&["cluster", "namespace"])), opt("namespaces", TEXTS)])),
];

/// CreatePodIdentityAssociation.
pub(super) const CREATE_POD_IDENTITY: &[Member] = &[
    req("namespace", Shape::Text),
    req("serviceAccount", Shape::Text),
    req("roleArn", Shape::Text),
    TOKEN,
    TAGS,
    opt("disableSessionTags", Shape::Bool),
    opt("targetRoleArn", Shape::Text),
];

/// UpdatePodIdentityAssociation.
pub(super) const UPDATE_POD_IDENTITY: &[Member] =
    &[opt("roleArn", Shape::Text), TOKEN, opt("disableSessionTags", Shape::Bool), opt("targetRoleArn", Shape::Text)];

/// TagResource.
pub(super) const TAG_RESOURCE: &[Member] = &[req("tags", Shape::Map)];

/// ListInsights.
pub(super) const LIST_INSIGHTS: &[Member] = &[
    opt("filter", Shape::Struct(&[opt("categories", TEXTS), opt("kubernetesVersions", TEXTS), opt("statuses", TEXTS)])),
    opt("maxResults", PERCENT),
    opt("nextToken", Shape::Text),
];
