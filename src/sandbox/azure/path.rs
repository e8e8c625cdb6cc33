//! ARM's paths: what resource one names. Literals are compared without regard to case, as ARM does.

/// What a path names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Target {
    /// Subscription, as written.
    pub subscription: Option<String>,
    /// Resource group, as written.
    pub group: Option<String>,
    /// What is before the last `/providers/`, as written: the scope of role assignments, locks and permissions.
    pub scope: String,
    /// `Microsoft.Network`, in its own spelling where it is known.
    pub namespace: Option<String>,
    /// Types, in their own spelling where they are known.
    pub types: Vec<String>,
    /// Names; one fewer than types where a collection or an action is meant.
    pub names: Vec<String>,
}

/// Namespaces and types in their own spelling, one line each, with the fewest letters that tell them apart.
const SPELLINGS: &[&str] = &[
    "Microsoft.Authorization",
    "Microsoft.Compute",
    "Microsoft.ContainerService",
    "Microsoft.ManagedIdentity",
    "Microsoft.Network",
    "Microsoft.Resources",
    "Microsoft.Storage",
    "subscriptions",
    "resourceGroups",
    "providers",
    "locations",
    "operations",
    "operationResults",
    "usages",
    "skus",
    "virtualNetworks",
    "subnets",
    "natGateways",
    "publicIPAddresses",
    "networkSecurityGroups",
    "securityRules",
    "routeTables",
    "routes",
    "loadBalancers",
    "networkInterfaces",
    "disks",
    "snapshots",
    "virtualMachineScaleSets",
    "virtualMachines",
    "userAssignedIdentities",
    "federatedIdentityCredentials",
    "roleAssignments",
    "roleDefinitions",
    "permissions",
    "locks",
    "policyAssignments",
    "tags",
    "managedClusters",
    "agentPools",
    "upgradeProfiles",
    "availableAgentPoolVersions",
    "kubernetesVersions",
    "maintenanceConfigurations",
    "machines",
    "abort",
    "register",
    "unregister",
    "start",
    "stop",
    "listClusterUserCredential",
    "listClusterAdminCredential",
    "listClusterMonitoringUserCredential",
    "upgradeNodeImageVersion",
    "deleteMachines",
    "resources",
];

/// A literal in its own spelling.
pub fn spelled(word: &str) -> String {
    let known = SPELLINGS.iter().find(|known| known.eq_ignore_ascii_case(word));
    known.map_or(word, |known| known).to_owned()
}

impl Target {
    /// Reads a path; `None` where it has no shape of ARM's.
    pub fn read(path: &str) -> Option<Self> {
        let decoded: Vec<String> = path
            .trim_matches('/')
            .split('/')
            .filter(|part| !part.is_empty())
            .map(|part| percent_encoding::percent_decode_str(part).decode_utf8_lossy().into_owned())
            .collect();
        let mut parts = decoded.as_slice();
        let mut target = Self::default();
        let is = |part: &String, word: &str| part.eq_ignore_ascii_case(word);
        // The scope of an extension resource is a whole id of its own.
        if let Some(last) = parts.iter().rposition(|part| is(part, "providers")) {
            target.scope = parts[..last].iter().map(|part| format!("/{part}")).collect();
        }
        match parts {
            [word, rest @ ..] if is(word, "subscriptions") => match rest {
                [] => {
                    target.types = vec!["subscriptions".to_owned()];
                    return Some(target);
                }
                [id, rest @ ..] => {
                    target.subscription = Some(id.clone());
                    parts = rest;
                }
            },
            [word] if is(word, "tenants") => {
                target.types = vec!["tenants".to_owned()];
                return Some(target);
            }
            _ => {}
        }
        if parts.is_empty() {
            target.types = vec!["subscriptions".to_owned()];
            target.names = target.subscription.iter().cloned().collect();
            return target.subscription.is_some().then_some(target);
        }
        if let [word, rest @ ..] = parts
            && is(word, "resourceGroups")
        {
            match rest {
                [] => {
                    target.types = vec!["resourceGroups".to_owned()];
                    return Some(target);
                }
                [name, rest @ ..] => {
                    target.group = Some(name.clone());
                    parts = rest;
                }
            }
            if parts.is_empty() {
                target.types = vec!["resourceGroups".to_owned()];
                target.names = target.group.iter().cloned().collect();
                return Some(target);
            }
        }
        match parts.iter().rposition(|part| is(part, "providers")) {
            // Subscription and group level: `locations`, `resources`, `operationresults/{id}`.
            None => target.split(parts),
            Some(at) => match &parts[at + 1..] {
                [] => target.types = vec!["providers".to_owned()],
                [namespace] => {
                    target.types = vec!["providers".to_owned()];
                    target.names = vec![spelled(namespace)];
                }
                [namespace, action] if is(action, "register") || is(action, "unregister") => {
                    target.types = vec!["providers".to_owned(), spelled(action)];
                    target.names = vec![spelled(namespace)];
                }
                [namespace, rest @ ..] => {
                    target.namespace = Some(spelled(namespace));
                    target.split(rest);
                }
            },
        }
        Some(target)
    }

    fn split(&mut self, parts: &[String]) {
        for pair in parts.chunks(2) {
            self.types.push(spelled(&pair[0]));
            self.names.extend(pair.get(1).cloned());
        }
    }

    /// Whether it ends with a name.
    pub fn named(&self) -> bool {
        self.names.len() == self.types.len()
    }

    /// The last name.
    pub fn name(&self) -> &str {
        self.names.last().map_or("", String::as_str)
    }

    /// The last type.
    pub fn kind(&self) -> &str {
        self.types.last().map_or("", String::as_str)
    }

    /// The types as one: `virtualNetworks/subnets`.
    pub fn full_type(&self) -> String {
        self.types.join("/")
    }

    /// `/subscriptions/…`, where a subscription is named.
    pub fn subscription_id(&self) -> String {
        self.subscription.as_ref().map_or_else(String::new, |id| format!("/subscriptions/{id}"))
    }

    /// The id of the resource group.
    pub fn group_id(&self) -> String {
        let group = self.group.as_deref().unwrap_or_default();
        format!("{}/resourceGroups/{group}", self.subscription_id())
    }

    /// The id of what is named, in ARM's spelling.
    pub fn id(&self) -> String {
        let mut id = match (&self.namespace, &self.group) {
            (Some(_), _) if !self.scope.is_empty() && self.is_extension() => self.scope.clone(),
            (_, Some(_)) => self.group_id(),
            _ => self.subscription_id(),
        };
        if let Some(namespace) = &self.namespace {
            id = format!("{id}/providers/{namespace}");
            for (kind, name) in self.types.iter().zip(&self.names) {
                id = format!("{id}/{kind}/{name}");
            }
        }
        id
    }

    /// Whether it belongs to another resource by its scope rather than by its place in a group.
    pub fn is_extension(&self) -> bool {
        matches!(self.namespace.as_deref(), Some("Microsoft.Authorization" | "Microsoft.Resources"))
    }

    /// A location named in the path.
    pub fn location(&self) -> Option<&str> {
        let at = self.types.iter().position(|kind| kind == "locations")?;
        self.names.get(at).map(String::as_str)
    }
}

/// The group's id of a resource's id.
pub fn group_of(id: &str) -> Option<String> {
    let parts: Vec<&str> = id.split('/').collect();
    match parts.as_slice() {
        ["", subscriptions, _, groups, _, ..]
            if subscriptions.eq_ignore_ascii_case("subscriptions") && groups.eq_ignore_ascii_case("resourceGroups") =>
        {
            Some(parts[..5].join("/"))
        }
        _ => None,
    }
}

/// The last part of an id: the resource's name.
pub fn name_of(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or(id)
}

/// Whether one id is the other, or lies within it.
pub fn within(id: &str, scope: &str) -> bool {
    let scope = scope.trim_end_matches('/');
    id.get(..scope.len()).is_some_and(|head| head.eq_ignore_ascii_case(scope))
        && id[scope.len()..].chars().next().is_none_or(|next| next == '/')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &str) -> Target {
        Target::read(path).expect("a path of ARM's")
    }

    #[test]
    fn paths_are_read_without_regard_to_case() {
        let subnet = read("/Subscriptions/s/resourcegroups/G/PROVIDERS/microsoft.network/VIRTUALNETWORKS/v/subnets/a");
        assert_eq!(
            subnet.id(),
            "/subscriptions/s/resourceGroups/G/providers/Microsoft.Network/virtualNetworks/v/subnets/a"
        );
        assert_eq!((subnet.full_type().as_str(), subnet.named()), ("virtualNetworks/subnets", true));
        let list = read("/subscriptions/s/providers/Microsoft.Compute/locations/eastus/usages");
        assert_eq!((list.location(), list.kind(), list.named()), (Some("eastus"), "usages", false));
        let group = read("/subscriptions/s/resourcegroups/g");
        assert_eq!((group.id().as_str(), group.kind()), ("/subscriptions/s/resourceGroups/g", "resourceGroups"));
        let register = read("/subscriptions/s/providers/microsoft.containerservice/register");
        assert_eq!((register.kind(), register.name()), ("register", "Microsoft.ContainerService"));
    }

    #[test]
    fn an_extension_keeps_the_scope_it_is_at() {
        let scope = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/v/subnets/a";
        let role = read(&format!("{scope}/providers/Microsoft.Authorization/roleAssignments/1"));
        assert_eq!(role.scope, scope);
        assert_eq!(role.id(), format!("{scope}/providers/Microsoft.Authorization/roleAssignments/1"));
        assert!(within(&role.id(), scope) && !within("/subscriptions/sx", "/subscriptions/s"));
        assert_eq!(group_of(&role.id()).as_deref(), Some("/subscriptions/s/resourceGroups/g"));
    }

    #[test]
    fn what_is_no_path_of_arms_names_nothing() {
        assert_eq!(Target::read("/subscriptions").expect("a list").types, ["subscriptions"]);
        assert_eq!(Target::read("/"), None);
    }
}
