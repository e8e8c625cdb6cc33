//! Which types the pretend Azure has, in which API versions, what may be done with each, and how each may be named.

use super::{path::Target, wire::ArmError};
use regex_automata::meta::Regex;
use std::sync::OnceLock;

/// A resource type.
pub struct Route {
    /// `Microsoft.Network`; empty for what ARM itself has.
    pub namespace: &'static str,
    /// `virtualNetworks/subnets`.
    pub kind: &'static str,
    /// `L`ist, `G`et, `H`ead, `P`ut, p`A`tch, `D`elete; actions by name.
    verbs: &'static str,
    actions: &'static [&'static str],
    /// The definition of the body of PUT.
    pub body: &'static str,
    /// The definition of the body of PATCH.
    pub patch: &'static str,
    versions: &'static [&'static str],
    name: &'static str,
}

const AKS: &[&str] = &[
    "2024-09-01",
    "2025-01-01",
    "2025-02-01",
    "2025-03-01",
    "2025-04-01",
    "2025-05-01",
    "2025-07-01",
    "2025-08-01",
    "2025-09-01",
    "2025-10-01",
    "2026-01-01",
    "2026-02-01",
    "2026-03-01",
    "2026-04-01",
    "2026-05-01",
    "2026-06-01",
    "2026-07-01",
    "2026-08-01",
];
const AKS_OPERATIONS: &[&str] = &["2016-03-30", "2017-08-31"];
const NETWORK: &[&str] = &[
    "2023-09-01",
    "2023-11-01",
    "2024-01-01",
    "2024-03-01",
    "2024-05-01",
    "2024-07-01",
    "2024-10-01",
    "2025-01-01",
    "2025-03-01",
    "2025-05-01",
    "2025-07-01",
    "2025-09-01",
    "2026-01-01",
    "2026-03-01",
];
const COMPUTE: &[&str] =
    &["2023-09-01", "2024-03-01", "2024-07-01", "2024-11-01", "2025-04-01", "2025-11-01", "2026-03-01", "2026-04-01"];
const DISKS: &[&str] =
    &["2023-04-02", "2023-10-02", "2024-03-02", "2025-01-02", "2025-03-03", "2026-03-02", "2026-03-03"];
const COMPUTE_ALL: &[&str] = &[
    "2023-04-02",
    "2023-09-01",
    "2023-10-02",
    "2024-03-01",
    "2024-03-02",
    "2024-07-01",
    "2024-11-01",
    "2025-01-02",
    "2025-04-01",
    "2025-11-01",
    "2025-03-03",
    "2026-03-01",
    "2026-03-02",
    "2026-03-03",
    "2026-04-01",
];
const SKUS: &[&str] =
    &["2017-09-01", "2019-04-01", "2021-07-01", "2025-04-01", "2026-03-01", "2026-03-02", "2026-04-01"];
const RESOURCES: &[&str] = &[
    "2018-05-01",
    "2019-10-01",
    "2020-06-01",
    "2020-10-01",
    "2021-01-01",
    "2021-04-01",
    "2022-09-01",
    "2023-07-01",
    "2024-03-01",
    "2024-07-01",
    "2024-11-01",
    "2025-03-01",
    "2025-04-01",
];
const SUBSCRIPTIONS: &[&str] =
    &["2016-06-01", "2018-06-01", "2019-06-01", "2019-11-01", "2020-01-01", "2021-01-01", "2021-10-01", "2022-12-01"];
const ROLES: &[&str] = &["2015-07-01", "2018-01-01-preview", "2020-04-01-preview", "2022-04-01", "2022-05-01-preview"];
const LOCKS: &[&str] = &["2016-09-01", "2017-04-01", "2020-05-01"];
const POLICY: &[&str] = &["2021-06-01", "2022-06-01", "2023-04-01", "2024-05-01", "2025-03-01"];
const MSI: &[&str] =
    &["2018-11-30", "2022-01-31-preview", "2023-01-31", "2024-11-30", "2025-01-31-preview", "2025-05-31-preview"];

const NETWORK_NAME: &str = "^[a-zA-Z0-9]([a-zA-Z0-9_.-]{0,78}[a-zA-Z0-9_])?$";
const DISK_NAME: &str = "^[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,79}$";
const GROUP_NAME: &str = r"^[-\w._()]{0,89}[-\w_()]$";
const CLUSTER_NAME: &str = "^[a-zA-Z0-9]$|^[a-zA-Z0-9][-_a-zA-Z0-9]{0,61}[a-zA-Z0-9]$";
const POOL_NAME: &str = "^[a-z][a-z0-9]{0,11}$";
const MSI_NAME: &str = "^[a-zA-Z0-9][a-zA-Z0-9_-]{2,127}$";
const LOCK_NAME: &str = "^[^<>*%&:?.+/]{1,89}[^<>*%&:?.+/ ]?$";
const GUID: &str = "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$";

const fn route(
    namespace: &'static str,
    kind: &'static str,
    verbs: &'static str,
    versions: &'static [&'static str],
) -> Route {
    Route { namespace, kind, verbs, actions: &[], body: "", patch: "", versions, name: "" }
}

const fn bodies(route: Route, body: &'static str, patch: &'static str, name: &'static str) -> Route {
    Route { body, patch, name, ..route }
}

const fn acting(route: Route, actions: &'static [&'static str]) -> Route {
    Route { actions, ..route }
}

const fn net(kind: &'static str, body: &'static str) -> Route {
    bodies(route("Microsoft.Network", kind, "LGPAD", NETWORK), body, "TagsObject", NETWORK_NAME)
}

/// Every type.
pub const ROUTES: &[Route] = &[
    route("", "subscriptions", "LG", SUBSCRIPTIONS),
    route("", "tenants", "L", SUBSCRIPTIONS),
    route("", "locations", "L", SUBSCRIPTIONS),
    acting(route("", "providers", "LG", RESOURCES), &["register", "unregister"]),
    route("", "resources", "L", RESOURCES),
    route("", "operationResults", "G", RESOURCES),
    bodies(route("", "resourceGroups", "LGHPAD", RESOURCES), "ResourceGroup", "ResourceGroupPatchable", GROUP_NAME),
    bodies(route("Microsoft.Resources", "tags", "GPA", RESOURCES), "TagsResource", "TagsPatchResource", "^default$"),
    bodies(route("Microsoft.Authorization", "locks", "LGPD", LOCKS), "ManagementLockObject", "", LOCK_NAME),
    route("Microsoft.Authorization", "policyAssignments", "L", POLICY),
    route("Microsoft.Authorization", "permissions", "L", ROLES),
    bodies(
        route("Microsoft.Authorization", "roleAssignments", "LGPD", ROLES),
        "RoleAssignmentCreateParameters",
        "",
        GUID,
    ),
    bodies(route("Microsoft.Authorization", "roleDefinitions", "LG", ROLES), "RoleDefinition", "", GUID),
    bodies(
        route("Microsoft.ManagedIdentity", "userAssignedIdentities", "LGPAD", MSI),
        "Identity",
        "IdentityUpdate",
        MSI_NAME,
    ),
    bodies(
        route("Microsoft.ManagedIdentity", "userAssignedIdentities/federatedIdentityCredentials", "LGPD", MSI),
        "FederatedIdentityCredential",
        "",
        MSI_NAME,
    ),
    net("virtualNetworks", "VirtualNetwork"),
    bodies(route("Microsoft.Network", "virtualNetworks/subnets", "LGPD", NETWORK), "Subnet", "", NETWORK_NAME),
    net("natGateways", "NatGateway"),
    net("publicIPAddresses", "PublicIPAddress"),
    net("networkSecurityGroups", "NetworkSecurityGroup"),
    net("routeTables", "RouteTable"),
    net("loadBalancers", "LoadBalancer"),
    net("networkInterfaces", "NetworkInterface"),
    route("Microsoft.Network", "locations/usages", "L", NETWORK),
    route("Microsoft.Network", "locations/operations", "G", NETWORK),
    route("Microsoft.Network", "locations/operationResults", "G", NETWORK),
    route("Microsoft.Compute", "locations/usages", "L", COMPUTE),
    route("Microsoft.Compute", "skus", "L", SKUS),
    bodies(route("Microsoft.Compute", "disks", "LGPAD", DISKS), "Disk", "DiskUpdate", DISK_NAME),
    bodies(route("Microsoft.Compute", "snapshots", "LGPAD", DISKS), "Snapshot", "SnapshotUpdate", DISK_NAME),
    route("Microsoft.Compute", "virtualMachines", "L", COMPUTE),
    route("Microsoft.Compute", "virtualMachineScaleSets", "LGD", COMPUTE),
    route("Microsoft.Compute", "virtualMachineScaleSets/virtualMachines", "LG", COMPUTE),
    route("Microsoft.Compute", "locations/operations", "G", COMPUTE_ALL),
    route("Microsoft.Compute", "locations/operationResults", "G", COMPUTE_ALL),
    acting(
        bodies(
            route("Microsoft.ContainerService", "managedClusters", "LGPAD", AKS),
            "ManagedCluster",
            "TagsObject",
            CLUSTER_NAME,
        ),
        &[
            "listClusterUserCredential",
            "listClusterAdminCredential",
            "listClusterMonitoringUserCredential",
            "abort",
            "start",
            "stop",
        ],
    ),
    acting(
        bodies(
            route("Microsoft.ContainerService", "managedClusters/agentPools", "LGPD", AKS),
            "AgentPool",
            "",
            POOL_NAME,
        ),
        &["abort", "upgradeNodeImageVersion"],
    ),
    route("Microsoft.ContainerService", "managedClusters/upgradeProfiles", "G", AKS),
    route("Microsoft.ContainerService", "managedClusters/availableAgentPoolVersions", "L", AKS),
    route("Microsoft.ContainerService", "managedClusters/agentPools/upgradeProfiles", "G", AKS),
    route("Microsoft.ContainerService", "managedClusters/maintenanceConfigurations", "L", AKS),
    route("Microsoft.ContainerService", "snapshots", "L", AKS),
    route("Microsoft.ContainerService", "locations/kubernetesVersions", "L", AKS),
    route("Microsoft.ContainerService", "locations/operations", "G", AKS_OPERATIONS),
    route("Microsoft.ContainerService", "locations/operationResults", "G", AKS_OPERATIONS),
];

/// What a request is: its type, and its operation as faults and counts name it.
pub struct Matched {
    /// The type.
    pub route: &'static Route,
    /// `virtualNetworks.createOrUpdate`.
    pub op: String,
    /// Service as faults name it: `network`.
    pub service: &'static str,
    /// The action's name, for a POST.
    pub action: Option<String>,
}

fn service(namespace: &str) -> &'static str {
    match namespace {
        "Microsoft.Network" => "network",
        "Microsoft.Compute" => "compute",
        "Microsoft.ContainerService" => "containerservice",
        "Microsoft.ManagedIdentity" => "managedidentity",
        "Microsoft.Authorization" => "authorization",
        _ => "resources",
    }
}

/// The type that a path names, and what is to be done with it.
///
/// # Errors
/// Nothing of the kind exists, or nothing of the kind can be done with it.
pub fn find(target: &Target, verb: &str) -> Result<Matched, ArmError> {
    let namespace = target.namespace.as_deref().unwrap_or_default();
    let mut kind = target.full_type();
    let mut action = None;
    if verb == "POST" && target.types.len() == target.names.len() + 1 {
        action = target.types.last().cloned();
        kind = target.types[..target.types.len() - 1].join("/");
    }
    let known = |route: &&Route| route.namespace == namespace && route.kind.eq_ignore_ascii_case(&kind);
    let Some(route) = ROUTES.iter().find(known) else { return Err(unknown(namespace, &kind)) };
    let (letter, word) = match (verb, target.named()) {
        ("GET", true) => ('G', "get"),
        ("GET", false) => ('L', "list"),
        ("HEAD", _) => ('H', "checkExistence"),
        ("PUT", _) => ('P', "createOrUpdate"),
        ("PATCH", _) if matches!(route.patch, "TagsObject") => ('A', "updateTags"),
        ("PATCH", _) => ('A', "update"),
        ("DELETE", _) => ('D', "delete"),
        _ => (' ', ""),
    };
    let short = route.kind.rsplit('/').next().unwrap_or(route.kind);
    let (fits, op) = match &action {
        Some(action) => (route.actions.contains(&action.as_str()), format!("{short}.{action}")),
        None => {
            let complete = matches!(verb, "GET") || target.named();
            (complete && route.verbs.contains(letter), format!("{short}.{word}"))
        }
    };
    if !fits {
        let message = format!("The requested resource does not support http method '{verb}'.");
        return Err(ArmError::new(405, "UnsupportedHttpMethod", message));
    }
    Ok(Matched { route, op, service: service(namespace), action })
}

fn unknown(namespace: &str, kind: &str) -> ArmError {
    if namespace.is_empty() {
        return ArmError::new(404, "InvalidResourceType", format!("The path '{kind}' names nothing that ARM has."));
    }
    if ROUTES.iter().all(|route| route.namespace != namespace) {
        let message = format!("The resource namespace '{namespace}' is invalid.");
        return ArmError::new(404, "InvalidResourceNamespace", message);
    }
    let message = format!("The resource type '{kind}' could not be found in the namespace '{namespace}'.");
    ArmError::new(404, "InvalidResourceType", message)
}

impl Route {
    /// Judges the API version.
    ///
    /// # Errors
    /// It is missing, or this type has none of that name.
    pub fn check_version(&self, asked: Option<&str>, location: &str) -> Result<(), ArmError> {
        let Some(asked) = asked.filter(|asked| !asked.is_empty()) else {
            let message = "The api-version query parameter (?api-version=) is required for all requests.";
            return Err(ArmError::bad("MissingApiVersionParameter", message));
        };
        if self.versions.contains(&asked) {
            return Ok(());
        }
        let supported = self.versions.join(",");
        let is_date =
            asked.len() >= 10 && asked.is_char_boundary(10) && asked[..10].parse::<jiff::civil::Date>().is_ok();
        if self.namespace.is_empty() || !is_date {
            let message = format!("The api-version '{asked}' is invalid. The supported versions are '{supported}'.");
            return Err(ArmError::bad("InvalidApiVersionParameter", message));
        }
        let place = if location.is_empty() { "global" } else { location };
        let message = format!(
            "No registered resource provider found for location '{place}' and API version '{asked}' for type '{}'. The supported api-versions are '{supported}'.",
            self.kind
        );
        Err(ArmError::bad("NoRegisteredProviderFound", message))
    }

    /// The newest version but previews, as provider lists show it.
    pub fn versions(&self) -> &'static [&'static str] {
        self.versions
    }

    /// Judges the name of something that is to be made.
    ///
    /// # Errors
    /// In the words of its service.
    pub fn check_name(&self, name: &str) -> Result<(), ArmError> {
        if self.name.is_empty() || pattern(self.name).is_none_or(|pattern| pattern.is_match(name)) {
            return Ok(());
        }
        let (code, message) = match self.kind {
            "resourceGroups" => (
                "InvalidResourceGroup",
                format!(
                    "The provided resource group name '{name}' has these invalid characters or is too long. The name can only be a letter, digit, '-', '.', '(', ')' or '_', up to 90 of them, and cannot end with '.'."
                ),
            ),
            "managedClusters" => (
                "InvalidParameter",
                format!(
                    "The value of parameter resourceName is invalid. Error details: '{name}' does not match the pattern {CLUSTER_NAME}. Please see https://aka.ms/aks-naming-rules for more details."
                ),
            ),
            "managedClusters/agentPools" => (
                "InvalidParameter",
                format!(
                    "The value of parameter agentPoolName is invalid. Error details: agent pool name '{name}' must start with a lowercase letter, have max length of 12, and only have characters a-z0-9. Please see https://aka.ms/aks-naming-rules for more details."
                ),
            ),
            "roleAssignments" => (
                "InvalidRoleAssignmentId",
                format!("The role assignment ID '{name}' is not valid. The role assignment ID must be a GUID."),
            ),
            "userAssignedIdentities" => (
                "BadRequest",
                format!(
                    "The resource name '{name}' is invalid: it must be 3 to 128 letters, digits, '-' and '_', and begin with a letter or digit."
                ),
            ),
            _ => (
                "InvalidResourceName",
                format!(
                    "Resource name {name} is invalid. The name can be up to 80 characters long. It must begin with a word character, and it must end with a word character or with '_'. The name may contain word characters or '.', '-', '_'."
                ),
            ),
        };
        Err(ArmError::bad(code, message))
    }
}

fn pattern(text: &'static str) -> Option<&'static Regex> {
    static PATTERNS: OnceLock<Vec<(&str, Regex)>> = OnceLock::new();
    let all = PATTERNS.get_or_init(|| {
        let mut made: Vec<(&str, Regex)> = Vec::new();
        for route in ROUTES.iter().filter(|route| !route.name.is_empty()) {
            if made.iter().all(|(text, _)| *text != route.name) {
                made.push((route.name, Regex::new(route.name).expect("the patterns of this file are tested")));
            }
        }
        made
    });
    all.iter().find(|(known, _)| *known == text).map(|(_, pattern)| pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matched(verb: &str, path: &str) -> Result<Matched, ArmError> {
        find(&Target::read(path).expect("a path"), verb)
    }

    #[test]
    fn requests_have_the_names_that_faults_use() {
        let group = "/subscriptions/s/resourceGroups/g";
        for (verb, path, service, op) in [
            ("PUT", group.to_owned(), "resources", "resourceGroups.createOrUpdate"),
            ("HEAD", group.to_owned(), "resources", "resourceGroups.checkExistence"),
            ("GET", "/subscriptions".to_owned(), "resources", "subscriptions.list"),
            ("GET", "/subscriptions/s/locations".to_owned(), "resources", "locations.list"),
            (
                "POST",
                "/subscriptions/s/providers/microsoft.network/register".to_owned(),
                "resources",
                "providers.register",
            ),
            (
                "PUT",
                format!("{group}/providers/Microsoft.Network/virtualNetworks/v/subnets/a"),
                "network",
                "subnets.createOrUpdate",
            ),
            (
                "PATCH",
                format!("{group}/providers/Microsoft.Network/natGateways/v"),
                "network",
                "natGateways.updateTags",
            ),
            (
                "POST",
                format!("{group}/providers/Microsoft.ContainerService/managedclusters/c/listClusterUserCredential"),
                "containerservice",
                "managedClusters.listClusterUserCredential",
            ),
            (
                "GET",
                format!("{group}/providers/Microsoft.ContainerService/managedClusters/c/upgradeProfiles/default"),
                "containerservice",
                "upgradeProfiles.get",
            ),
            (
                "GET",
                "/subscriptions/s/providers/Microsoft.Compute/locations/l/usages".to_owned(),
                "compute",
                "usages.list",
            ),
            (
                "GET",
                format!(
                    "{group}/providers/Microsoft.Network/virtualNetworks/v/providers/Microsoft.Authorization/roleAssignments"
                ),
                "authorization",
                "roleAssignments.list",
            ),
        ] {
            let found = matched(verb, &path).unwrap_or_else(|error| panic!("{verb} {path}: {}", error.message));
            assert_eq!((found.service, found.op.as_str()), (service, op));
        }
    }

    #[test]
    fn what_nobody_has_is_refused() {
        let code = |verb: &str, path: &str| matched(verb, path).err().expect("refused").code;
        let provider = "/subscriptions/s/resourceGroups/g/providers";
        assert_eq!(code("GET", &format!("{provider}/Microsoft.Nothing/things/a")), "InvalidResourceNamespace");
        assert_eq!(code("GET", &format!("{provider}/Microsoft.Network/things/a")), "InvalidResourceType");
        assert_eq!(code("POST", &format!("{provider}/Microsoft.Network/natGateways/a")), "UnsupportedHttpMethod");
        assert_eq!(code("PUT", &format!("{provider}/Microsoft.Network/natGateways")), "UnsupportedHttpMethod");
    }

    #[test]
    fn versions_and_names_are_judged() {
        let cluster = ROUTES.iter().find(|route| route.kind == "managedClusters").expect("there");
        let code = |asked: Option<&str>| cluster.check_version(asked, "eastus").expect_err("refused");
        assert_eq!(code(None).code, "MissingApiVersionParameter");
        assert_eq!(code(Some("soon")).code, "InvalidApiVersionParameter");
        let future = code(Some("2031-01-01"));
        assert_eq!(future.code, "NoRegisteredProviderFound");
        assert!(future.message.contains("2025-10-01"));
        cluster.check_version(Some("2025-10-01"), "").expect("pinned");
        for (kind, good, bad) in [
            ("managedClusters", "demo-1", "-demo"),
            ("managedClusters/agentPools", "pool1", "Pool-1"),
            ("resourceGroups", "a.b(c)_d", "ends."),
            ("virtualNetworks", "demo-vnet", "demo vnet"),
            ("roleAssignments", "5a4d0000-0000-4000-8000-000000000001", "x"),
            ("userAssignedIdentities", "demo-id", "ab"),
        ] {
            let route = ROUTES.iter().find(|route| route.kind == kind).expect("there");
            route.check_name(good).expect("a good name");
            assert!(route.check_name(bad).is_err(), "{kind}: {bad}");
        }
    }
}
