//! Limits of the subscription, and roles that allow too little: judged before the first write.

use super::bench::{Azure, checks, refused};
use kubewright::sandbox::conditions::Conditions;
use serde_json::json;

fn limited(quotas: &str) -> Azure {
    let mut conditions = Conditions::default();
    conditions.set_quotas(quotas).unwrap();
    Azure::under(conditions)
}

#[test]
fn a_family_without_quota_stops_before_the_first_write() {
    let azure = limited("standardDASv5Family=0");
    refused(&azure.provision(&[]), 5, &["KW-AZURE-QUOTA", "eastus"]);
    azure.nothing_was_made();
    // Another family is another limit.
    azure.go(&["provision", "demo", "--node-type", "Standard_D2s_v5", "--dry-run"]).expect(0);
}

#[test]
fn quota_counts_every_node_there_may_be_and_warns_of_upgrades() {
    let azure = limited("standardDASv5Family=5");
    let plan = azure.go(&["provision", "demo", "--dry-run", "-o", "json"]).expect(0).json();
    let warned = checks(&plan, "warn");
    assert!(warned.iter().any(|it| it.contains("while a pool is upgraded")), "{warned:?}");
    let more = azure.go(&["provision", "demo", "--nodes", "3", "--dry-run", "-o", "json"]);
    refused(&azure.provision(&["--nodes", "3"]), 5, &["6 needed", "fits today: --nodes 2"]);
    assert!(!checks(&more.json(), "fail").is_empty());
    azure.nothing_was_made();
}

#[test]
fn roles_that_allow_too_little_are_told_with_the_actions_they_lack() {
    let azure = Azure::new();
    let reader = json!({
        "Name": "reader", "IsCustom": true, "Actions": ["*/read"], "NotActions": [],
        "AssignableScopes": ["/subscriptions/5a4d0000-0000-4000-8000-000000000001"],
    });
    azure.world.limit(&[reader.to_string()]);
    let said = azure.provision(&[]);
    refused(
        &said,
        3,
        &["KW-AZURE-DENIED", "Microsoft.ContainerService/managedClusters/write", "kubewright policy demo"],
    );
    azure.nothing_was_made();
    let builder = json!({
        "Name": "builder", "IsCustom": true, "Actions": ["*"], "NotActions": ["*/delete"],
        "AssignableScopes": ["/subscriptions/5a4d0000-0000-4000-8000-000000000001"],
    });
    azure.world.limit(&[builder.to_string()]);
    let plan = azure.go(&["provision", "demo", "--dry-run", "-o", "json"]).expect(0).json();
    let warned = checks(&plan, "warn");
    assert!(warned.iter().any(|it| it.contains("can build it and not take it down")), "{warned:?}");
}
