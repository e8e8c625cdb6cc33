//! Who may do what: role definitions, role assignments as far as they have spread, and the judgement every call passes.

use super::{
    OBJECT_ID, SUBSCRIPTION,
    entra::Caller,
    path::within,
    store::each,
    wire::{ArmError, Cx, texts},
};
use crate::sandbox::world::{Kind, Tx};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Role assignments.
pub const ROLE_ASSIGNMENT: Kind = Kind::new("authorization", "roleAssignments");

/// What a role allows.
#[derive(Debug, Clone, Default)]
pub struct Role {
    /// GUID; empty for what the sandbox was told.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Actions, then those it does not allow after all; then the same for data.
    pub actions: [Vec<String>; 4],
    /// Where it counts.
    pub scopes: Vec<String>,
}

/// GUID, name, actions, notActions, dataActions.
type Row = (&'static str, &'static str, &'static [&'static str], &'static [&'static str], &'static [&'static str]);

const READ_AND_SUPPORT: &[&str] = &["*/read", "Microsoft.Support/*"];

/// The built-in roles that clusters meet, with the actions Microsoft lists for them.
const BUILT_IN: &[Row] = &[
    ("8e3af657-a8ff-443c-a75c-2fe8c4bcb635", "Owner", &["*"], &[], &[]),
    (
        "b24988ac-6180-42a0-ab88-20f7382dd24c",
        "Contributor",
        &["*"],
        &[
            "Microsoft.Authorization/*/Delete",
            "Microsoft.Authorization/*/Write",
            "Microsoft.Authorization/elevateAccess/Action",
            "Microsoft.Blueprint/blueprintAssignments/write",
            "Microsoft.Blueprint/blueprintAssignments/delete",
            "Microsoft.Compute/galleries/share/action",
            "Microsoft.Purview/consents/write",
            "Microsoft.Purview/consents/delete",
        ],
        &[],
    ),
    ("acdd72a7-3385-48ef-bd42-f606fba81ae7", "Reader", &["*/read"], &[], &[]),
    (
        "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9",
        "User Access Administrator",
        &["*/read", "Microsoft.Authorization/*", "Microsoft.Support/*"],
        &[],
        &[],
    ),
    (
        "f58310d9-a9f6-439a-9e8d-f62e7b41a168",
        "Role Based Access Control Administrator",
        &[
            "Microsoft.Authorization/roleAssignments/write",
            "Microsoft.Authorization/roleAssignments/delete",
            "*/read",
            "Microsoft.Support/*",
        ],
        &[],
        &[],
    ),
    (
        "4d97b98b-1d4f-4787-a291-c67834d212e7",
        "Network Contributor",
        &[
            "Microsoft.Authorization/*/read",
            "Microsoft.Insights/alertRules/*",
            "Microsoft.Network/*",
            "Microsoft.ResourceHealth/availabilityStatuses/read",
            "Microsoft.Resources/deployments/*",
            "Microsoft.Resources/subscriptions/resourceGroups/read",
            "Microsoft.Support/*",
        ],
        &[],
        &[],
    ),
    (
        "e40ec5ca-96e0-45a2-b4ff-59039f2c2b59",
        "Managed Identity Contributor",
        &[
            "Microsoft.ManagedIdentity/userAssignedIdentities/read",
            "Microsoft.ManagedIdentity/userAssignedIdentities/write",
            "Microsoft.ManagedIdentity/userAssignedIdentities/delete",
            "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/*",
            "Microsoft.Authorization/*/read",
            "Microsoft.Resources/subscriptions/resourceGroups/read",
        ],
        &[],
        &[],
    ),
    (
        "f1a07417-d97a-45cb-824c-7a7467783830",
        "Managed Identity Operator",
        &[
            "Microsoft.ManagedIdentity/userAssignedIdentities/*/read",
            "Microsoft.ManagedIdentity/userAssignedIdentities/*/assign/action",
            "Microsoft.Authorization/*/read",
            "Microsoft.Resources/subscriptions/resourceGroups/read",
        ],
        &[],
        &[],
    ),
    (
        "ed7f3fbd-7b88-4dd4-9017-9adb7ce333f8",
        "Azure Kubernetes Service Contributor Role",
        &["Microsoft.ContainerService/managedClusters/*", "Microsoft.Resources/deployments/*"],
        &[],
        &[],
    ),
    (
        "0ab0b1a8-8aac-4efd-b8c2-3ee1fb270be8",
        "Azure Kubernetes Service Cluster Admin Role",
        &[
            "Microsoft.ContainerService/managedClusters/listClusterAdminCredential/action",
            "Microsoft.ContainerService/managedClusters/accessProfiles/listCredential/action",
            "Microsoft.ContainerService/managedClusters/read",
            "Microsoft.ContainerService/managedClusters/runcommand/action",
        ],
        &[],
        &[],
    ),
    (
        "4abbcc35-e782-43d8-92c5-2d3f1bd2253f",
        "Azure Kubernetes Service Cluster User Role",
        &[
            "Microsoft.ContainerService/managedClusters/listClusterUserCredential/action",
            "Microsoft.ContainerService/managedClusters/read",
        ],
        &[],
        &[],
    ),
    (
        "b1ff04bb-8a4e-4dc4-8eb5-8693973ce19b",
        "Azure Kubernetes Service RBAC Cluster Admin",
        &[
            "Microsoft.Authorization/*/read",
            "Microsoft.Resources/subscriptions/operationresults/read",
            "Microsoft.Resources/subscriptions/read",
            "Microsoft.Resources/subscriptions/resourceGroups/read",
            "Microsoft.ContainerService/managedClusters/listClusterUserCredential/action",
        ],
        &[],
        &["Microsoft.ContainerService/managedClusters/*"],
    ),
    (
        "7f6c6a51-bcf8-42ba-9220-52d62157d7db",
        "Azure Kubernetes Service RBAC Reader",
        READ_AND_SUPPORT,
        &[],
        &["Microsoft.ContainerService/managedClusters/*/read"],
    ),
    (
        "9980e02c-c2be-4d73-94e8-173b1dc7cf3c",
        "Virtual Machine Contributor",
        &[
            "Microsoft.Authorization/*/read",
            "Microsoft.Compute/virtualMachines/*",
            "Microsoft.Compute/virtualMachineScaleSets/*",
            "Microsoft.Compute/disks/write",
            "Microsoft.Compute/disks/read",
            "Microsoft.Compute/disks/delete",
            "Microsoft.Network/networkInterfaces/*",
            "Microsoft.Network/virtualNetworks/read",
            "Microsoft.Network/virtualNetworks/subnets/join/action",
            "Microsoft.Resources/subscriptions/resourceGroups/read",
        ],
        &[],
        &[],
    ),
    (
        "7f951dda-4ed3-4680-a7ca-43fe172d538d",
        "AcrPull",
        &["Microsoft.ContainerRegistry/registries/pull/read"],
        &[],
        &[],
    ),
];

fn owned(list: &[&str]) -> Vec<String> {
    list.iter().map(|one| (*one).to_owned()).collect()
}

fn built_in(row: &Row) -> Role {
    let (id, name, actions, not, data) = row;
    let actions = [owned(actions), owned(not), owned(data), Vec::new()];
    Role { id: (*id).to_owned(), name: (*name).to_owned(), actions, scopes: vec!["/".to_owned()] }
}

/// Every built-in role.
pub fn roles() -> impl Iterator<Item = Role> {
    BUILT_IN.iter().map(built_in)
}

/// The built-in role of this GUID.
pub fn role(id: &str) -> Option<Role> {
    BUILT_IN.iter().find(|row| row.0.eq_ignore_ascii_case(id)).map(built_in)
}

/// Reads a custom role definition: as `az role definition create` takes it, or as ARM shows it.
pub fn read_role(value: &Value) -> Option<Role> {
    let inside = if value["properties"].is_object() { &value["properties"] } else { value };
    let either = |from: &Value, low: &str, high: &str| {
        let found = if from[low].is_array() { &from[low] } else { &from[high] };
        texts(found)
    };
    let blocks: Vec<&Value> = match inside["permissions"].as_array() {
        Some(blocks) => blocks.iter().collect(),
        None if inside["Actions"].is_array() || inside["actions"].is_array() => vec![inside],
        None => return None,
    };
    let mut role = Role::default();
    for (index, (low, high)) in [
        ("actions", "Actions"),
        ("notActions", "NotActions"),
        ("dataActions", "DataActions"),
        ("notDataActions", "NotDataActions"),
    ]
    .into_iter()
    .enumerate()
    {
        role.actions[index] = blocks.iter().flat_map(|block| either(block, low, high)).collect();
    }
    role.name =
        ["roleName", "Name", "name"].iter().find_map(|key| inside[*key].as_str()).unwrap_or("custom").to_owned();
    role.scopes = either(inside, "assignableScopes", "AssignableScopes");
    Some(role)
}

/// Whether a pattern of a role covers an action.
fn covers(pattern: &str, action: &str) -> bool {
    let (pattern, action) = (pattern.to_ascii_lowercase(), action.to_ascii_lowercase());
    let mut pieces = pattern.split('*');
    let Some(mut rest) = action.strip_prefix(pieces.next().unwrap_or_default()) else { return false };
    let mut wild = false;
    let mut pieces = pieces.peekable();
    while let Some(piece) = pieces.next() {
        wild = true;
        if pieces.peek().is_none() {
            return rest.ends_with(piece);
        }
        match rest.find(piece) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    wild || rest.is_empty()
}

impl Role {
    fn allows(&self, action: &str, data: bool) -> bool {
        let [actions, not, on_data, not_on_data] = &self.actions;
        let (yes, no) = if data { (on_data, not_on_data) } else { (actions, not) };
        let any = |list: &[String]| list.iter().any(|pattern| covers(pattern, action));
        any(yes) && !any(no)
    }

    /// As `permissions` lists it.
    pub fn permission(&self) -> Value {
        let [actions, not, data, not_data] = &self.actions;
        json!({"actions": actions, "notActions": not, "dataActions": data, "notDataActions": not_data})
    }
}

/// What the sandbox was told that the default principal may do; none at all: it owns the subscription.
fn told(tx: &Tx<'_>) -> Vec<Role> {
    let policies = tx.in_force().policies.iter();
    policies.filter_map(|text| serde_json::from_str::<Value>(text).ok()).filter_map(|value| read_role(&value)).collect()
}

/// The roles of a principal at a scope, as far as they have spread by `now`.
pub fn roles_of(tx: &Tx<'_>, principal: &str, scope: &str, now: Timestamp) -> Vec<Role> {
    let mut all: Vec<Role> = Vec::new();
    if principal == OBJECT_ID {
        let told = told(tx);
        let at = |role: &Role| role.scopes.is_empty() || role.scopes.iter().any(|own| own == "/" || within(scope, own));
        if told.is_empty() {
            all.extend(role("8e3af657-a8ff-443c-a75c-2fe8c4bcb635"));
        }
        all.extend(told.into_iter().filter(at));
    }
    for assigned in each(tx, ROLE_ASSIGNMENT) {
        let properties = &assigned.doc["properties"];
        let own = properties["principalId"].as_str().is_some_and(|id| id.eq_ignore_ascii_case(principal));
        let at = properties["scope"].as_str().is_some_and(|own| within(scope, own));
        let spread = assigned.doc["_"]["effectiveAt"].as_str().and_then(|at| at.parse::<Timestamp>().ok());
        if own && at && spread.is_none_or(|spread| spread <= now) {
            let id = properties["roleDefinitionId"].as_str().unwrap_or_default();
            all.extend(role(super::path::name_of(id)));
        }
    }
    all
}

/// Whether a principal may do this there.
pub fn may(tx: &Tx<'_>, principal: &str, action: &str, scope: &str) -> bool {
    roles_of(tx, principal, scope, tx.now()).iter().any(|role| role.allows(action, false))
}

/// Whether a principal may do this to the data there.
pub fn may_on_data(tx: &Tx<'_>, principal: &str, action: &str, scope: &str) -> bool {
    roles_of(tx, principal, scope, tx.now()).iter().any(|role| role.allows(action, true))
}

/// Refuses a call that its caller may not make; counts the question.
///
/// # Errors
/// 403 `AuthorizationFailed`.
pub fn authorize(tx: &mut Tx<'_>, caller: &Caller, action: &str, scope: &str) -> Result<(), ArmError> {
    let allowed = may(tx, &caller.object, action, scope);
    tx.note_question(action, allowed);
    if allowed {
        return Ok(());
    }
    let message = format!(
        "The client '{}' with object id '{}' does not have authorization to perform action '{action}' over scope '{scope}' or the scope is invalid. If access was recently granted, please refresh your credentials.",
        caller.app, caller.object
    );
    Err(ArmError::new(403, "AuthorizationFailed", message))
}

/// Refuses a call that names something which its caller may not use.
///
/// # Errors
/// 403 `LinkedAuthorizationFailed`.
pub fn linked(cx: &mut Cx<'_, '_>, own: &str, action: &str, scope: &str) -> Result<(), ArmError> {
    let allowed = may(cx.tx, &cx.caller.object, action, scope);
    cx.tx.note_question(action, allowed);
    if allowed {
        return Ok(());
    }
    let message = format!(
        "The client '{}' with object id '{}' has permission to perform action '{own}' on scope '{}'; however, it does not have permission to perform action(s) '{action}' on the linked scope(s) '{scope}' (respectively) or the linked scope(s) are invalid.",
        cx.caller.app,
        cx.caller.object,
        cx.id()
    );
    Err(ArmError::new(403, "LinkedAuthorizationFailed", message))
}

/// A role definition's id.
pub fn role_id(guid: &str) -> String {
    format!("/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/{guid}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_cover_what_they_say() {
        for (pattern, action, covered) in [
            ("*", "Microsoft.Network/virtualNetworks/read", true),
            ("*/read", "Microsoft.Network/virtualNetworks/read", true),
            ("*/read", "Microsoft.Network/virtualNetworks/write", false),
            ("Microsoft.Network/*", "microsoft.network/natGateways/join/action", true),
            ("Microsoft.Authorization/*/Write", "Microsoft.Authorization/roleAssignments/write", true),
            ("Microsoft.Network/virtualNetworks/read", "Microsoft.Network/virtualNetworks/read", true),
            ("Microsoft.Network/virtualNetworks/read", "Microsoft.Network/virtualNetworks/readx", false),
        ] {
            assert_eq!(covers(pattern, action), covered, "{pattern} {action}");
        }
    }

    #[test]
    fn an_owner_has_no_say_over_data_and_a_contributor_none_over_roles() {
        let owner = role("8e3af657-a8ff-443c-a75c-2fe8c4bcb635").expect("built in");
        assert!(owner.allows("Microsoft.Authorization/roleAssignments/write", false));
        assert!(!owner.allows("Microsoft.ContainerService/managedClusters/pods/read", true));
        let contributor = role("b24988ac-6180-42a0-ab88-20f7382dd24c").expect("built in");
        assert!(!contributor.allows("Microsoft.Authorization/roleAssignments/write", false));
        assert!(contributor.allows("Microsoft.Network/virtualNetworks/write", false));
    }

    #[test]
    fn custom_roles_are_read_in_both_forms() {
        let az = json!({"Name": "a", "Actions": ["*/read"], "NotActions": ["x/read"], "AssignableScopes": ["/subscriptions/s"]});
        let arm = json!({"properties": {"roleName": "a", "permissions": [{"actions": ["*/read"], "notActions": ["x/read"]}]}});
        for value in [az, arm] {
            let role = read_role(&value).expect("a role");
            assert!(role.allows("y/read", false) && !role.allows("x/read", false) && role.name == "a");
        }
        assert!(read_role(&json!({"Statement": []})).is_none());
    }
}
