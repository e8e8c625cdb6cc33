//! Least privilege for one plan, as custom roles of IAM: every permission that its life asks for and no other.
//!
//! Google's roles name no things: how far one reaches is decided where it is bound. One permission is worth a role of its
//! own, as whoever has it could make himself owner of the project: the right to grant, which a condition can bind to the
//! roles that nodes get.

use super::permissions::{self, GRANT, Need};
use super::{plan, resolve, steps};
use crate::engine::{Plan, StepError};
use crate::model::{ClusterSpec, Region, Stack, StackId};
use crate::providers::life::Life;
use crate::providers::{Policies, PolicyDocument, Purpose};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Roles of Google's own that hold all of it, and more.
const PREDEFINED: [(&str, &str); 8] = [
    ("container.", "roles/container.admin"),
    ("compute.networks.", "roles/compute.networkAdmin"),
    ("compute.firewalls.delete", "roles/compute.securityAdmin"),
    ("compute.disks.delete", "roles/compute.storageAdmin"),
    ("iam.serviceAccounts.create", "roles/iam.serviceAccountAdmin"),
    ("iam.serviceAccounts.actAs", "roles/iam.serviceAccountUser"),
    (GRANT, "roles/resourcemanager.projectIamAdmin"),
    ("serviceusage.services.enable", "roles/serviceusage.serviceUsageAdmin"),
];

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
    let spec = ClusterSpec { account: account.map(str::to_owned).or_else(|| spec.account.clone()), ..spec.clone() };
    let resolved = resolve::offline(&spec, region)?;
    let stack = Stack { name: resolved.name.clone(), id: StackId::from_bits(0) };
    let plan = plan::plan(&resolved, &stack, BTreeMap::new()).map_err(|problem| vec![problem])?;
    let needs = permissions::needs(plan.steps.iter().map(|step| step.kind.as_str()), Life::of(purpose));
    let names = permissions::names(&needs);
    let needed = permissions::names(needs.iter().filter(|need| !need.optional));
    let (granting, plain): (BTreeSet<&str>, BTreeSet<&str>) = names.iter().partition(|name| **name == GRANT);
    let mut documents =
        vec![role(&stack, "", "everything that the cluster's life asks for, but the right to grant", &plain)];
    if !granting.is_empty() {
        let why = "grants the nodes' account its roles; bind it with the condition that kubewright prints";
        documents.push(role(&stack, "-grants", why, &granting));
    }
    Ok(Policies {
        documents,
        optional: names.difference(&needed).map(|name| (*name).to_owned()).collect(),
        actions: names.iter().map(|name| (*name).to_owned()).collect(),
        wide: wide(&plan, &needs, &names, account),
    })
}

/// As `gcloud iam roles create --file` takes it.
fn role(stack: &Stack, which: &str, why: &str, permissions: &BTreeSet<&str>) -> PolicyDocument {
    let name = format!("kubewright-{}{which}", stack.name);
    let document = json!({
        "title": name,
        "description": format!("kubewright, cluster {}: {why}", stack.name),
        "stage": "GA",
        "includedPermissions": permissions,
    });
    PolicyDocument { name, characters: characters(&document), document }
}

/// As IAM counts: title, description and names of permissions.
fn characters(document: &Value) -> usize {
    let text = |key: &str| document[key].as_str().unwrap_or_default().len();
    let names = document["includedPermissions"].as_array().into_iter().flatten();
    text("title") + text("description") + names.filter_map(Value::as_str).map(str::len).sum::<usize>()
}

/// A condition under which only these roles can be granted.
fn condition(roles: &BTreeSet<String>) -> String {
    let list: Vec<String> = roles.iter().map(|role| format!("'{role}'")).collect();
    format!("api.getAttribute('iam.googleapis.com/modifiedGrantsByRole', []).hasOnly([{}])", list.join(", "))
}

/// What stays wider than one stack, and why.
fn wide(plan: &Plan, needs: &BTreeSet<Need>, names: &BTreeSet<&str>, account: Option<&str>) -> Vec<String> {
    let project = account.unwrap_or("PROJECT");
    let name = format!("kubewright-{}", plan.stack.name);
    // Ids of custom roles take no `-`.
    let id = name.replace('-', "_");
    let mut notes = vec![format!(
        "a role reaches everything in the project it is bound in: networks, clusters and disks of others too; a project of its own is the narrowest place for a cluster (gcloud iam roles create {id} --project {project} --file FILE)"
    )];
    if names.contains(GRANT) {
        let roles = plan.steps.iter().filter(|step| step.kind == steps::role_binding::KIND);
        let roles: BTreeSet<String> =
            roles.filter_map(|step| step.params["role"].as_str().map(str::to_owned)).collect();
        notes.push(format!(
            "{GRANT} could grant anything to anybody; bound like this it can grant only what this cluster needs: gcloud projects add-iam-policy-binding {project} --member MEMBER --role projects/{project}/roles/{id}_grants --condition=^:^title=kubewright:expression=\"{}\"",
            condition(&roles)
        ));
    }
    if names.contains(permissions::ACT_AS) {
        notes.push(format!(
            "{} reaches every service account of the project where it is bound there: with gcp.nodeServiceAccount it can be bound on that one account instead",
            permissions::ACT_AS
        ));
    }
    if needs.iter().any(|need| need.permission.starts_with("compute.") && need.permission.ends_with(".delete")) {
        notes.push(
            "disks, firewall rules and parts of load balancers that the cluster made can be deleted anywhere in the project: kubewright deletes only what it can prove to be the cluster's"
                .to_owned(),
        );
    }
    let held = |(start, _): &&(&str, &str)| names.iter().any(|name| name.starts_with(start));
    let predefined: Vec<&str> = PREDEFINED.iter().filter(held).map(|(_, role)| *role).collect();
    notes.push(format!("roles of Google's own that hold all of it, and much more: {}", predefined.join(", ")));
    if account.is_none() {
        notes.push("no project is named: --account ID puts it into the commands".to_owned());
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::spec::{ExistingNetwork, GcpSpec, NetworkSpec};

    fn spec() -> ClusterSpec {
        ClusterSpec { name: "demo".parse().ok(), ..ClusterSpec::default() }
    }

    fn printed(spec: &ClusterSpec, purpose: Purpose) -> Policies {
        policies(spec, &Region("us-central1".to_owned()), Some("acme-prod"), purpose).unwrap()
    }

    fn has(made: &Policies, name: &str) -> bool {
        made.actions.iter().any(|it| it == name)
    }

    #[test]
    fn the_right_to_grant_stands_alone_and_comes_with_a_condition() {
        let made = printed(&spec(), Purpose::All);
        let all = |at: usize| made.documents[at].document["includedPermissions"].as_array().unwrap().clone();
        assert_eq!(all(1), [json!(GRANT)]);
        assert!(!all(0).contains(&json!(GRANT)) && all(0).contains(&json!("container.clusters.create")));
        let note = made.wide.iter().find(|note| note.contains("add-iam-policy-binding")).unwrap();
        assert!(note.contains("roles/container.defaultNodeServiceAccount") && note.contains("hasOnly(["), "{note}");
        assert!(made.documents.iter().all(|it| it.characters < 64 * 1024 && it.document["title"].is_string()));
    }

    #[test]
    fn parts_of_a_life_are_less_than_all_of_it() {
        let (build, destroy) = (printed(&spec(), Purpose::Build), printed(&spec(), Purpose::Destroy));
        assert!(has(&build, "compute.networks.create") && !has(&build, "compute.networks.delete"));
        assert!(has(&destroy, "compute.networks.delete") && !has(&destroy, "compute.networks.create"));
        let operate = printed(&spec(), Purpose::Operate);
        assert!(operate.documents.len() == 1 && !has(&operate, GRANT));
    }

    #[test]
    fn the_plan_decides_what_is_in_it() {
        let existing = ExistingNetwork {
            vpc: "shared".to_owned(),
            private_subnets: vec!["nodes".to_owned()],
            pod_range: Some("pods".to_owned()),
            service_range: Some("services".to_owned()),
            ..ExistingNetwork::default()
        };
        let adopted = ClusterSpec {
            network: Some(NetworkSpec { existing: Some(existing), ..NetworkSpec::default() }),
            gcp: Some(GcpSpec {
                node_service_account: Some("nodes@acme-prod.iam.gserviceaccount.com".to_owned()),
                ..GcpSpec::default()
            }),
            ..spec()
        };
        let made = printed(&adopted, Purpose::All);
        for name in ["compute.networks.create", "compute.networks.delete", "iam.serviceAccounts.create", GRANT] {
            assert!(!has(&made, name), "{name}");
        }
        let wrong = ClusterSpec { admins: vec!["me".to_owned()], ..spec() };
        let refused = policies(&wrong, &Region("us-central1".to_owned()), None, Purpose::All).unwrap_err();
        assert!(refused[0].message.contains("`me`"));
    }
}
