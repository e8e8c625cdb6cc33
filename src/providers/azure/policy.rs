//! Least privilege for one plan, as custom roles: every action that its life calls and no other.
//!
//! Needs no credentials and asks nobody: what of a spec only the cloud can fill in (zones, version, machine sizes)
//! changes no permission. A role of Azure's counts at a scope and below it. The stack's own resource group does not exist
//! before the build, and its name is drawn then, so what is done inside it is allowed in the subscription; what is done
//! to a network or an identity that is brought along is a role of its own, for the group that it is in.

use super::adopted;
use super::permissions::{self, Need, On};
use super::refs::ArmId;
use super::{plan, resolve};
use crate::engine::StepError;
use crate::model::{ClusterSpec, Region, ResolvedSpec, Stack, StackId};
use crate::providers::life::Life;
use crate::providers::{Policies, PolicyDocument, Purpose};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The roles for a spec with a name, in this region.
///
/// # Errors
/// Every problem of the spec that needs no cloud to be found.
pub fn policies(
    spec: &ClusterSpec,
    region: &Region,
    account: Option<&str>,
    purpose: Purpose,
) -> Result<Policies, Vec<StepError>> {
    let resolved = resolve::offline(spec, region)?;
    let stack = Stack { name: resolved.name.clone(), id: StackId::from_bits(0) };
    let plan = plan::plan(&resolved, &stack, BTreeMap::new()).map_err(|problem| vec![problem])?;
    let life = Life::of(purpose);
    let kinds = plan.steps.iter().map(|step| step.kind.as_str());
    let needs = permissions::needs(kinds, resolved.network.existing.is_some(), life);
    let account = account.or(spec.account.as_deref());
    let documents = [On::Subscription, On::Network, On::Identity].into_iter();
    let documents = documents.filter_map(|on| role(on, &needs, &stack, &resolved, account));
    let documents: Vec<PolicyDocument> = documents.collect();
    let actions = |optional: bool| -> BTreeSet<String> {
        needs.iter().filter(|need| need.optional == optional).map(|need| need.action.to_owned()).collect()
    };
    let needed = actions(false);
    Ok(Policies {
        optional: actions(true).difference(&needed).cloned().collect(),
        actions: needed.union(&actions(true)).cloned().collect(),
        wide: wide(&needs, &resolved, account, &documents),
        documents,
    })
}

/// The role for one scope; none where nothing is needed there.
fn role(
    on: On,
    needs: &BTreeSet<Need>,
    stack: &Stack,
    spec: &ResolvedSpec,
    account: Option<&str>,
) -> Option<PolicyDocument> {
    let actions: BTreeSet<&str> = needs.iter().filter(|need| need.on == on).map(|need| need.action).collect();
    if actions.is_empty() {
        return None;
    }
    let subscription =
        account.map_or_else(|| "/subscriptions/SUBSCRIPTION-ID".to_owned(), |id| format!("/subscriptions/{id}"));
    let (suffix, what, scope) = match on {
        On::Subscription => ("", "", subscription),
        On::Network => {
            let existing = spec.network.existing.as_ref()?;
            let group = adopted::network_id(&existing.vpc)?.group_id()?;
            ("-network", ", in the network that it is put into", group.to_string())
        }
        On::Identity => {
            let identity = ArmId(spec.azure.as_ref()?.identity.clone()?);
            ("-identity", ", with the identity that it is given", identity.group_id()?.to_string())
        }
    };
    let name = format!("kubewright-{}{suffix}", stack.name);
    let document = json!({
        "Name": name,
        "IsCustom": true,
        "Description": format!("Build, run and remove the AKS cluster {} with kubewright{what}", stack.name),
        "Actions": actions,
        "NotActions": [],
        "DataActions": [],
        "NotDataActions": [],
        "AssignableScopes": [scope],
    });
    Some(PolicyDocument { name, characters: characters(&document), document })
}

fn characters(document: &Value) -> usize {
    document.to_string().chars().count()
}

/// What stays wider than one stack, and why.
fn wide(
    needs: &BTreeSet<Need>,
    spec: &ResolvedSpec,
    account: Option<&str>,
    documents: &[PolicyDocument],
) -> Vec<String> {
    let name = &spec.name;
    let has = |action: &str| needs.iter().any(|need| need.action == action && need.on == On::Subscription);
    let mut notes = vec![format!(
        "roles count at a scope: the group of cluster `{name}` is made by the build, under a name that is drawn then, so what is done in it is allowed in the whole subscription"
    )];
    if account.is_none() {
        notes.push("no subscription is named: put its id into AssignableScopes, or --account ID does".to_owned());
    }
    if has("Microsoft.Authorization/roleAssignments/write") {
        notes.push(
            "Microsoft.Authorization/roleAssignments/write can give any role: narrow it, where the role is assigned, by a condition on the roles that kubewright gives (Network Contributor 4d97b98b-1d4f-4787-a291-c67834d212e7, Azure Kubernetes Service RBAC Cluster Admin b1ff04bb-8a4e-4dc4-8eb5-8693973ce19b)"
                .to_owned(),
        );
    }
    if has("Microsoft.Resources/subscriptions/resourceGroups/delete") {
        notes.push(
            "Microsoft.Resources/subscriptions/resourceGroups/delete reaches every group: kubewright deletes none that does not carry its tags, or holds anything else"
                .to_owned(),
        );
    }
    if needs.iter().any(|need| need.action.ends_with("/register/action")) {
        notes.push(
            "…/register/action is used once in a subscription, and not at all where the providers are registered"
                .to_owned(),
        );
    }
    if spec.azure.as_ref().is_some_and(|azure| azure.azure_rbac) {
        notes.push(
            "what is looked at inside the cluster (nodes, Services, volumes) is allowed by the role that the build gives to whoever builds; others need Azure Kubernetes Service RBAC Cluster Admin on it"
                .to_owned(),
        );
    }
    if documents.len() > 1 {
        notes.push("assign each role at its own scope: the groups in AssignableScopes".to_owned());
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::spec::{ExistingNetwork, Nat, NetworkSpec};

    fn spec(name: &str) -> ClusterSpec {
        ClusterSpec { name: Some(name.parse().unwrap()), ..ClusterSpec::default() }
    }

    fn printed(spec: &ClusterSpec, purpose: Purpose) -> Policies {
        policies(spec, &Region("eastus".to_owned()), Some("11111111-2222-4333-8444-555555555555"), purpose).unwrap()
    }

    fn has(made: &Policies, action: &str) -> bool {
        made.actions.iter().any(|it| it == action)
    }

    #[test]
    fn a_role_is_what_azure_takes() {
        let made = printed(&spec("demo"), Purpose::All);
        let role = &made.documents[0].document;
        assert_eq!(
            (made.documents.len(), role["Name"].as_str(), role["IsCustom"].as_bool()),
            (1, Some("kubewright-demo"), Some(true))
        );
        assert_eq!(role["AssignableScopes"][0], "/subscriptions/11111111-2222-4333-8444-555555555555");
        for action in role["Actions"].as_array().unwrap() {
            let action = action.as_str().unwrap();
            assert!(!action.contains('*') && action.starts_with("Microsoft."), "{action}");
        }
    }

    #[test]
    fn parts_of_a_life_are_less_than_the_whole() {
        let (make, remove) =
            ("Microsoft.ContainerService/managedClusters/write", "Microsoft.ContainerService/managedClusters/delete");
        let build = printed(&spec("demo"), Purpose::Build);
        assert!(has(&build, make) && !has(&build, remove));
        let destroy = printed(&spec("demo"), Purpose::Destroy);
        assert!(has(&destroy, remove) && !has(&destroy, make));
        for action in printed(&spec("demo"), Purpose::Operate).actions {
            let changes = !action.ends_with("/read") && !action.contains("/list");
            assert!(!changes || action == "Microsoft.Resources/tags/write", "{action}");
        }
    }

    #[test]
    fn the_plan_decides_what_is_in_it() {
        let bare = ClusterSpec {
            network: Some(NetworkSpec { nat: Some(Nat::None), ..NetworkSpec::default() }),
            ..spec("demo")
        };
        let gateway = "Microsoft.Network/natGateways/write";
        assert!(has(&printed(&spec("demo"), Purpose::All), gateway) && !has(&printed(&bare, Purpose::All), gateway));
    }

    #[test]
    fn a_network_that_is_brought_along_is_a_role_of_its_own() {
        let existing = ExistingNetwork {
            vpc: "/subscriptions/s/resourceGroups/net/providers/Microsoft.Network/virtualNetworks/corp".to_owned(),
            private_subnets: vec!["aks".to_owned()],
            ..ExistingNetwork::default()
        };
        let network = NetworkSpec { existing: Some(existing), ..NetworkSpec::default() };
        let made = printed(&ClusterSpec { network: Some(network), ..spec("demo") }, Purpose::All);
        assert_eq!(made.documents.len(), 2);
        let role = &made.documents[1].document;
        assert_eq!(role["AssignableScopes"][0], "/subscriptions/s/resourceGroups/net");
        assert!(role["Actions"].to_string().contains("subnets/join/action"));
        assert!(!has(&made, "Microsoft.Network/virtualNetworks/delete"), "what is not ours is never deleted");
    }
}
