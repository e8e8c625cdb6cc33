//! What each call must be allowed, as Google's references say, and who is allowed what. Written from Google's side:
//! what a client believes it needs is checked against this.

use super::{ACCOUNT, Caller, Cx, USER, projects, tables::Method, token, wire::Refused};
use crate::sandbox::world::Tx;
use serde_json::Value;

/// Everything a call needs, in the order in which Google asks.
pub(in crate::sandbox) fn needs(service: &str, method: &Method) -> Vec<String> {
    let (collection, verb) = method.op().rsplit_once('.').unwrap_or(("", method.id));
    let one = |permission: &str| vec![permission.to_owned()];
    match service {
        "compute" => compute(collection, verb),
        "container" => match (collection, verb) {
            (_, "getServerConfig") => one("container.clusters.list"),
            ("clusters", "setResourceLabels") => one("container.clusters.update"),
            ("clusters", "fetchClusterUpgradeInfo") => one("container.clusters.get"),
            ("nodePools", "get" | "list") => one("container.clusters.get"),
            ("nodePools", _) => one("container.clusters.update"),
            ("operations", "cancel") => one("container.operations.update"),
            (collection, verb) => one(&format!("container.{collection}.{verb}")),
        },
        "iam" if collection == "roles" => Vec::new(),
        "iam" if verb == "testIamPermissions" => Vec::new(),
        "iam" => one(&format!("iam.{collection}.{verb}")),
        "iamcredentials" => one("iam.serviceAccounts.getAccessToken"),
        "cloudresourcemanager" => match verb {
            "get" | "getIamPolicy" | "setIamPolicy" => one(&format!("resourcemanager.projects.{verb}")),
            _ => Vec::new(),
        },
        "serviceusage" => match (collection, verb) {
            ("services", "batchGet" | "get") => one("serviceusage.services.get"),
            ("services", "batchEnable" | "enable") => one("serviceusage.services.enable"),
            ("services", verb) => one(&format!("serviceusage.services.{verb}")),
            _ => Vec::new(),
        },
        "cloudbilling" => one("resourcemanager.projects.get"),
        _ => Vec::new(),
    }
}

fn compute(collection: &str, verb: &str) -> Vec<String> {
    let action = match verb {
        "insert" => "create",
        "patch" => "update",
        "aggregatedList" => "list",
        "wait" | "getRouterStatus" | "listErrors" => "get",
        "listInstances" => "get",
        "setPrivateIpGoogleAccess" => "setPrivateIpGoogleAccess",
        verb => verb,
    };
    let mut needs = vec![format!("compute.{collection}.{action}")];
    // What joins a network or leaves it changes the network's policy.
    let joins = matches!(collection, "subnetworks" | "routers" | "firewalls" | "routes");
    if joins && matches!(action, "create" | "delete" | "update") {
        needs.push("compute.networks.updatePolicy".to_owned());
    }
    if collection == "instances" && action == "create" {
        needs.extend(["compute.disks.create", "compute.subnetworks.use"].map(ToOwned::to_owned));
    }
    needs
}

/// Services whose permissions can be asked for, with the collections known here; anything else is no permission.
const KNOWN: &[(&str, &[&str])] = &[
    (
        "compute",
        &[
            "acceleratorTypes",
            "addresses",
            "backendServices",
            "diskTypes",
            "disks",
            "firewalls",
            "forwardingRules",
            "globalAddresses",
            "globalForwardingRules",
            "globalNetworkEndpointGroups",
            "globalOperations",
            "healthChecks",
            "httpHealthChecks",
            "httpsHealthChecks",
            "images",
            "instanceGroupManagers",
            "instanceGroups",
            "instanceTemplates",
            "instances",
            "machineTypes",
            "networkEndpointGroups",
            "networks",
            "projects",
            "regionBackendServices",
            "regionHealthChecks",
            "regionOperations",
            "regionSslCertificates",
            "regionTargetHttpProxies",
            "regionTargetHttpsProxies",
            "regionNetworkEndpointGroups",
            "regionInstanceGroups",
            "regionInstanceGroupManagers",
            "regionDisks",
            "regionUrlMaps",
            "regions",
            "routers",
            "routes",
            "snapshots",
            "sslCertificates",
            "subnetworks",
            "targetHttpProxies",
            "targetHttpsProxies",
            "targetPools",
            "urlMaps",
            "zoneOperations",
            "zones",
        ],
    ),
    (
        "container",
        &[
            "clusters",
            "operations",
            "nodes",
            "pods",
            "services",
            "namespaces",
            "secrets",
            "deployments",
            "persistentVolumes",
            "persistentVolumeClaims",
            "daemonSets",
            "roles",
            "clusterRoles",
            "clusterRoleBindings",
            "configMaps",
            "ingresses",
            "jobs",
            "events",
            "serviceAccounts",
            "storageClasses",
        ],
    ),
    ("iam", &["serviceAccounts", "serviceAccountKeys", "roles"]),
    ("resourcemanager", &["projects"]),
    ("serviceusage", &["services", "operations", "quotas"]),
    ("logging", &["logEntries", "logs"]),
    ("monitoring", &["timeSeries", "metricDescriptors"]),
    ("artifactregistry", &["repositories", "packages", "tags", "versions"]),
    ("autoscaling", &["sites"]),
    ("billing", &["resourceAssociations", "accounts"]),
    ("cloudquotas", &["quotas"]),
    ("storage", &["buckets", "objects"]),
];

/// Whether this is a permission at all.
pub(in crate::sandbox) fn exists(permission: &str) -> bool {
    let mut parts = permission.split('.');
    let (Some(service), Some(collection), Some(verb), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let known = KNOWN.iter().find(|(own, _)| *own == service).is_some_and(|(_, all)| all.contains(&collection));
    known && verb.len() > 1 && verb.chars().all(|c| c.is_ascii_alphabetic())
}

/// Permissions of the roles that the pretend IAM understands; `*` ends a prefix.
const ROLES: &[(&str, &[&str])] = &[
    ("roles/owner", &["*"]),
    (
        "roles/editor",
        &[
            "compute.*",
            "container.*",
            "serviceusage.*",
            "logging.*",
            "monitoring.*",
            "iam.serviceAccounts.actAs",
            "iam.serviceAccounts.get",
            "iam.serviceAccounts.list",
            "resourcemanager.projects.get",
            "storage.*",
            "autoscaling.*",
            "artifactregistry.*",
        ],
    ),
    (
        "roles/viewer",
        &[
            "compute.networks.get",
            "compute.networks.list",
            "container.clusters.get",
            "container.clusters.list",
            "resourcemanager.projects.get",
        ],
    ),
    ("roles/container.admin", &["container.*", "resourcemanager.projects.get"]),
    (
        "roles/container.clusterAdmin",
        &["container.clusters.*", "container.operations.*", "resourcemanager.projects.get"],
    ),
    // What is inside clusters, and which there are: not the clusters themselves, nor who may do what in them.
    (
        "roles/container.developer",
        &[
            "container.clusters.connect",
            "container.clusters.get",
            "container.clusters.list",
            "container.clusterRoleBindings.get",
            "container.clusterRoleBindings.list",
            "container.clusterRoles.get",
            "container.clusterRoles.list",
            "container.configMaps.*",
            "container.daemonSets.*",
            "container.deployments.*",
            "container.events.*",
            "container.ingresses.*",
            "container.jobs.*",
            "container.namespaces.*",
            "container.nodes.*",
            "container.operations.*",
            "container.persistentVolumeClaims.*",
            "container.persistentVolumes.*",
            "container.pods.*",
            "container.roles.get",
            "container.roles.list",
            "container.secrets.*",
            "container.serviceAccounts.*",
            "container.services.*",
            "container.storageClasses.*",
            "resourcemanager.projects.get",
        ],
    ),
    ("roles/compute.admin", &["compute.*", "resourcemanager.projects.get", "serviceusage.services.get"]),
    ("roles/compute.viewer", &["compute.networks.get", "compute.networks.list"]),
    (
        "roles/compute.networkAdmin",
        &[
            "compute.networks.*",
            "compute.subnetworks.*",
            "compute.routers.*",
            "compute.addresses.*",
            "compute.firewalls.get",
            "compute.firewalls.list",
            "compute.forwardingRules.*",
            "compute.targetPools.*",
            "compute.healthChecks.*",
            "compute.backendServices.*",
        ],
    ),
    ("roles/compute.securityAdmin", &["compute.firewalls.*", "compute.networks.updatePolicy"]),
    (
        "roles/iam.serviceAccountUser",
        &["iam.serviceAccounts.actAs", "iam.serviceAccounts.get", "iam.serviceAccounts.list"],
    ),
    ("roles/iam.serviceAccountAdmin", &["iam.serviceAccounts.*"]),
    ("roles/iam.serviceAccountTokenCreator", &["iam.serviceAccounts.getAccessToken"]),
    ("roles/iam.workloadIdentityUser", &["iam.serviceAccounts.getAccessToken"]),
    ("roles/iam.serviceAccountCreator", &["iam.serviceAccounts.create"]),
    (
        "roles/resourcemanager.projectIamAdmin",
        &[
            "resourcemanager.projects.getIamPolicy",
            "resourcemanager.projects.setIamPolicy",
            "resourcemanager.projects.get",
        ],
    ),
    ("roles/serviceusage.serviceUsageAdmin", &["serviceusage.*"]),
    (
        "roles/serviceusage.serviceUsageConsumer",
        &["serviceusage.services.get", "serviceusage.services.list", "serviceusage.services.use"],
    ),
    ("roles/browser", &["resourcemanager.projects.get"]),
    ("roles/billing.viewer", &["billing.*"]),
    ("roles/container.defaultNodeServiceAccount", NODE),
    ("roles/container.nodeServiceAccount", NODE),
    ("roles/container.serviceAgent", &["compute.*", "container.*"]),
    ("roles/container.hostServiceAgentUser", &["compute.firewalls.get"]),
    ("roles/compute.serviceAgent", &["compute.*"]),
    ("roles/artifactregistry.reader", &["artifactregistry.repositories.downloadArtifacts"]),
    ("roles/logging.logWriter", &["logging.logEntries.create"]),
    ("roles/monitoring.metricWriter", &["monitoring.timeSeries.create"]),
    ("roles/monitoring.viewer", &["monitoring.timeSeries.list"]),
    ("roles/stackdriver.resourceMetadata.writer", &["monitoring.metricDescriptors.create"]),
    ("roles/autoscaling.metricsWriter", &["autoscaling.sites.writeMetrics"]),
    ("roles/storage.objectViewer", &["storage.objects.get", "storage.objects.list"]),
];

/// What a node needs of its account, else it never becomes ready here.
const NODE: &[&str] = &[
    "logging.logEntries.create",
    "monitoring.timeSeries.create",
    "monitoring.timeSeries.list",
    "autoscaling.sites.writeMetrics",
];

/// Whether IAM knows this role.
pub(in crate::sandbox) fn is_role(role: &str) -> bool {
    ROLES.iter().any(|(own, _)| *own == role) || role.starts_with("projects/") && role.contains("/roles/")
}

/// What a role holds.
pub(in crate::sandbox) fn role(role: &str) -> Option<&'static [&'static str]> {
    ROLES.iter().find(|(own, _)| *own == role).map(|(_, permissions)| *permissions)
}

fn holds(role: &str, permission: &str) -> bool {
    self::role(role).into_iter().flatten().any(|own| match own.strip_suffix('*') {
        Some(prefix) => permission.starts_with(prefix),
        None => *own == permission,
    })
}

/// Whether a policy's bindings give a member this permission.
pub(in crate::sandbox) fn granted(bindings: &Value, member: &str, permission: &str) -> bool {
    let all = bindings.as_array().into_iter().flatten();
    all.filter(|binding| binding["members"].as_array().is_some_and(|list| list.iter().any(|own| own == member)))
        .any(|binding| holds(binding["role"].as_str().unwrap_or_default(), permission))
}

/// Whether a service account may do all that a node does.
pub(in crate::sandbox) fn may_be_node(tx: &Tx<'_>, project: &str, email: &str) -> bool {
    let policy = projects::bindings(tx, project);
    NODE.iter().all(|permission| granted(&policy, &format!("serviceAccount:{email}"), permission))
}

/// How IAM names a caller.
fn member(email: &str) -> String {
    if email.starts_with("principal:") {
        email.to_owned()
    } else if email.ends_with("gserviceaccount.com") {
        format!("serviceAccount:{email}")
    } else {
        format!("user:{email}")
    }
}

/// Whether a caller may do this in a project.
pub(in crate::sandbox) fn may(tx: &Tx<'_>, project: &str, caller: &Caller, permission: &str) -> bool {
    if !caller.scopes.iter().any(|scope| scope == token::SCOPE || opens(scope, permission)) {
        return false;
    }
    let own = [ACCOUNT, USER].contains(&caller.email.as_str());
    let told: Vec<Value> = super::roles_in_force(tx);
    if own && !told.is_empty() {
        let has = |role: &Value| {
            role["includedPermissions"].as_array().is_some_and(|list| list.iter().any(|one| one == permission))
        };
        return told.iter().any(has);
    }
    if own {
        return true;
    }
    granted(&projects::bindings(tx, project), &member(&caller.email), permission)
}

/// Whether a narrower scope than cloud-platform covers this.
fn opens(scope: &str, permission: &str) -> bool {
    let read = permission.ends_with(".get") || permission.ends_with(".list");
    match scope.strip_prefix("https://www.googleapis.com/auth/").unwrap_or(scope) {
        "compute" => permission.starts_with("compute."),
        "compute.readonly" => permission.starts_with("compute.") && read,
        "cloud-platform.read-only" | "cloudplatformprojects.readonly" => read,
        _ => false,
    }
}

/// Refuses what the caller may not do, in the words of the service.
///
/// # Errors
/// As the service words it.
pub(in crate::sandbox) fn check(cx: &mut Cx<'_, '_>, permission: &str, resource: &str) -> Result<(), Refused> {
    let allowed = may(cx.tx, cx.project.id, cx.caller, permission);
    cx.tx.note_question(permission, allowed);
    if allowed {
        return Ok(());
    }
    let scoped = cx.caller.scopes.iter().any(|scope| scope == token::SCOPE || opens(scope, permission));
    if !scoped {
        return Err(Refused::denied("Request had insufficient authentication scopes.").informed(
            "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
            &[("service", &format!("{}.googleapis.com", cx.api.service))],
        ));
    }
    Err(refusal(cx.api.service, permission, resource))
}

fn refusal(service: &str, permission: &str, resource: &str) -> Refused {
    let refused = match service {
        "compute" => Refused::denied(format!("Required '{permission}' permission for '{resource}'")),
        "container" => Refused::denied(format!("Required \"{permission}\" permission(s) for \"{resource}\".")),
        "cloudresourcemanager" | "cloudbilling" => Refused::denied("The caller does not have permission"),
        _ => Refused::denied(format!("Permission '{permission}' denied on resource (or it may not exist).")),
    };
    refused.informed_by(
        "iam.googleapis.com",
        "IAM_PERMISSION_DENIED",
        &[("permission", permission), ("resource", resource)],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn roles_give_what_they_hold() {
        let bindings = json!([{"role": "roles/container.defaultNodeServiceAccount", "members": ["serviceAccount:n@p"]},
            {"role": "roles/compute.networkAdmin", "members": ["user:a@b"]}]);
        assert!(granted(&bindings, "serviceAccount:n@p", "logging.logEntries.create"));
        assert!(!granted(&bindings, "serviceAccount:m@p", "logging.logEntries.create"));
        assert!(
            granted(&bindings, "user:a@b", "compute.networks.delete")
                && !granted(&bindings, "user:a@b", "compute.disks.delete")
        );
        assert!(is_role("roles/artifactregistry.reader") && !is_role("roles/container.nodes"));
    }

    #[test]
    fn a_developer_works_inside_clusters_and_makes_none() {
        let bindings = json!([{"role": "roles/container.developer", "members": ["user:a@b"]}]);
        let may = |permission: &str| granted(&bindings, "user:a@b", permission);
        assert!(may("container.clusters.get") && may("container.pods.list") && may("container.services.delete"));
        for above in ["container.clusters.create", "container.clusters.delete", "container.clusterRoleBindings.create"]
        {
            assert!(!may(above), "{above}");
        }
        // A role that names nothing that exists would be a role that gives nothing.
        for permission in role("roles/container.developer").expect("a role") {
            assert!(exists(&permission.replace('*', "get")), "{permission}");
        }
    }

    #[test]
    fn permissions_are_known_or_not() {
        assert!(exists("container.clusters.create") && exists("compute.networks.updatePolicy"));
        for bad in ["container.cluster.create", "eks.clusters.create", "compute.networks", "compute.networks.x.y", ""] {
            assert!(!exists(bad), "{bad}");
        }
    }

    #[test]
    fn every_call_has_its_permission() {
        for api in super::super::tables::apis() {
            for method in api.methods() {
                for permission in needs(api.service, method) {
                    assert!(exists(&permission), "{}: {permission}", method.id);
                }
            }
        }
    }
}
