//! Operations that end badly: failed, called off, forgotten; machines that are not to be had; limits.

use super::rig::{AKS, Azure};
use serde_json::Value;

fn cluster(azure: &Azure) -> String {
    format!("{}/providers/Microsoft.ContainerService/managedClusters/demo", azure.group())
}

/// A failure of Azure's own: the cluster is put once more where it stands, and is not made twice.
#[test]
fn a_cluster_that_failed_by_accident_is_mended() {
    let azure = Azure::with("containerservice:managedClusters.createOrUpdate=fail-later@1");
    let built = azure.build(&["demo"]);
    assert_eq!((&built["outcome"], &built["audit"]["clean"]), (&"created".into(), &true.into()), "{built:#}");
    let puts = azure.show().requests.by_op;
    let deleted = puts.iter().find(|op| op.op == "containerservice:managedClusters.delete");
    assert!(deleted.is_none_or(|op| op.count == 0), "mended, not replaced: {puts:#?}");
    azure.destroy("demo");
    azure.assert_empty();
}

#[test]
fn an_operation_that_somebody_called_off_is_taken_up_again() {
    let azure = Azure::in_use();
    azure.cut_off_at_the_cluster();
    azure.arm("POST", &format!("{}/abort", cluster(&azure)), AKS, Value::Null);
    azure.minutes(2);
    let state = azure.arm("GET", &cluster(&azure), AKS, Value::Null)["properties"]["provisioningState"].clone();
    assert_eq!(state, "Canceled");
    let built = azure.build(&["demo"]);
    assert_eq!((&built["outcome"], &built["audit"]["clean"]), (&"resumed".into(), &true.into()), "{built:#}");
    azure.destroy("demo");
    azure.assert_empty();
}

/// Azure forgets operations after a day: the object itself tells how it stands.
#[test]
fn an_operation_that_vanished_is_not_missed() {
    let azure = Azure::in_use();
    azure.cut_off_at_the_cluster();
    azure.minutes(26 * 60);
    let built = azure.build(&["demo"]);
    assert_eq!((&built["outcome"], &built["audit"]["clean"]), (&"resumed".into(), &true.into()), "{built:#}");
    azure.destroy("demo");
    azure.assert_empty();
}

#[test]
fn a_sold_out_zone_is_told_and_answered_with_another_machine() {
    let azure = Azure::new();
    azure.quotas(&[("capacity/eastus-2/Standard_D2as_v5", 0.0)]);
    let said = azure.go(&["provision", "demo", "--yes", "-o", "json"]);
    let doc = said.json();
    assert_eq!(doc["error"]["id"], "KW-AZURE-CAPACITY", "{doc:#}");
    assert!(azure.standing("managedClusters").is_empty(), "what will never work is not left standing");
    let other = azure.build(&["demo", "--node-type", "Standard_D2s_v5"]);
    assert_eq!((&other["outcome"], &other["audit"]["clean"]), (&"resumed".into(), &true.into()), "{other:#}");
    azure.destroy("demo");
    azure.assert_empty();
}

#[test]
fn a_pool_that_is_not_to_be_had_leaves_the_cluster_standing() {
    let azure = Azure::new();
    azure.quotas(&[("capacity/Standard_NC4as_T4_v3", 0.0)]);
    let pools = ["--pool", "name=default,count=2", "--pool", "name=gpu,type=Standard_NC4as_T4_v3,count=1"];
    let said = azure.go(&[&["provision", "demo", "--yes", "-o", "json"], &pools[..]].concat()).expect(9);
    assert_eq!(
        (&said.json()["error"]["id"], &said.json()["error"]["step"]),
        (&"KW-AZURE-CAPACITY".into(), &"nodes/pool/gpu".into())
    );
    assert_eq!(azure.standing("managedClusters").len(), 1);
    azure.quotas(&[]);
    let built = azure.build(&[&["demo"], &pools[..]].concat());
    assert_eq!(built["audit"]["clean"], true, "{built:#}");
    azure.destroy("demo");
    azure.assert_empty();
}

/// A limit that is used up between the first look and the call.
#[test]
fn a_quota_is_told_with_its_numbers() {
    let azure = Azure::new();
    azure.quotas(&[("compute/standardDASv5Family", 3.0)]);
    let said = azure.go(&["provision", "demo", "--yes", "-o", "json"]).expect(5);
    let doc = said.json();
    assert!(doc["error"]["message"].as_str().unwrap().contains('3'), "{doc:#}");
    assert_eq!(azure.show().requests.mutating, 0, "told before the first write");
}

#[test]
fn an_entra_that_is_busy_refuses_nobody() {
    let azure = Azure::with("login:*=throttle@2,login:*=error-before@3");
    let said = azure.go(&["status", "--all", "--provider", "azure", "-o", "json"]).expect(0);
    assert_eq!(said.json()["complete"], true, "{:#}", said.json());
    assert!(azure.show().faults.iter().all(|fault| fault.fired == 1), "{:?}", azure.show().faults);
}

#[test]
fn what_azure_throws_at_times_is_ridden_out() {
    let faults =
        "*:*=throttle:10%,*:mutating=error-before:10%,containerservice:*=error-after:10%,network:*=drop:5%,seed=3";
    let azure = Azure::with(faults);
    let built = azure.build(&["demo"]);
    assert_eq!(built["audit"]["clean"], true, "{built:#}");
    assert!(azure.show().faults.iter().any(|fault| fault.fired > 0));
    azure.destroy("demo");
    azure.assert_empty();
}
