//! What can be known before the first write.

use super::asked::{go, in_use, limited, mutating, named};
use crate::lives::rig::World;
use crate::support::Said;
use serde_json::Value;

const PLAN: [&str; 5] = ["provision", "demo", "--dry-run", "-o", "json"];

fn plan(world: &World, more: &[&str]) -> Said {
    go(world, &[&PLAN[..], more].concat())
}

fn check<'a>(doc: &'a Value, id: &str) -> &'a Value {
    let all = doc["preflight"].as_array().unwrap_or_else(|| panic!("{doc:#}"));
    all.iter().find(|it| it["id"] == id).unwrap_or_else(|| panic!("no {id} in {all:#?}"))
}

#[test]
fn a_good_plan_is_asked_about_from_project_to_permissions() {
    let world = in_use("");
    let before = mutating(&world);
    let doc = plan(&world, &[]).expect(0).json();
    for id in ["identity", "billing", "services", "name", "version", "zones", "quota", "permissions"] {
        assert_ne!(check(&doc, id)["status"], "fail", "{id}");
    }
    assert!(check(&doc, "identity")["message"].as_str().unwrap().contains("kubewright-sandbox (123456789012)"));
    let pool = &doc["spec"]["nodePools"][0];
    assert_eq!(
        (&pool["instanceType"], &pool["count"], &pool["diskGib"]),
        (&"e2-standard-2".into(), &2.into(), &50.into())
    );
    assert_eq!(doc["spec"]["gcp"]["location"], "us-central1-a");
    assert!(doc["spec"]["gcp"]["initialVersion"].as_str().unwrap().contains("-gke."));
    assert!(doc["cost"]["complete"].as_bool().unwrap(), "{:#}", doc["cost"]);
    assert_eq!(mutating(&world), before);
}

#[test]
fn a_limit_that_is_too_low_stops_before_anything_is_made() {
    let world = in_use("CPUS=6,NETWORKS=2");
    let before = mutating(&world);
    let said = go(&world, &["provision", "demo", "--yes", "-o", "json"]).expect(5);
    let error = &said.json()["error"];
    assert_eq!(error["id"], "KW-GCP-QUOTA", "{error:#}");
    let text = error.to_string();
    assert!(text.contains("4 needed, CPUS in us-central1 allows 6 and 4 are used"), "{text}");
    assert!(text.contains("NETWORKS") && text.contains("iam-admin/quotas"), "{text}");
    assert_eq!(mutating(&world), before);
}

#[test]
fn gpus_without_a_limit_are_refused_and_say_which() {
    let world = in_use("NVIDIA_T4_GPUS=0,PREEMPTIBLE_NVIDIA_T4_GPUS=0");
    let before = mutating(&world);
    world.home.write(
        "cluster.yaml",
        "apiVersion: kubewright/v1\nkind: Cluster\nname: demo\nnodePools:\n  - {name: default}\n  - {name: gpu, instanceType: {gpu: \"T4:1\"}, min: 0, max: 1}\n",
    );
    let said = go(&world, &["provision", "--yes", "-o", "json"]).expect(5);
    assert!(said.json()["error"].to_string().contains("NVIDIA_T4_GPUS"), "{}", said.out);
    assert_eq!(mutating(&world), before);
}

#[test]
fn a_project_that_nobody_pays_for_is_refused_with_the_command_that_mends_it() {
    let world = limited("LINKED_PROJECTS=0");
    let said = go(&world, &["provision", "demo", "--yes", "-o", "json"]).expect(3);
    let error = &said.json()["error"];
    assert_eq!(error["id"], "KW-GCP-BILLING", "{error:#}");
    assert!(error["hints"].to_string().contains("gcloud billing projects link kubewright-sandbox"), "{error:#}");
    assert_eq!(mutating(&world), 0);
}

#[test]
fn a_taken_name_is_refused_and_says_whose_it_is() {
    let world = in_use("");
    let before = mutating(&world);
    // Another machine shares the clouds and no journal.
    let kept = world.home.path().join("kw/sandbox/stacks");
    std::fs::rename(&kept, world.home.path().join("elsewhere")).unwrap();
    let said = go(&world, &["provision", "warm", "--yes", "-o", "json"]).expect(8);
    assert_eq!(said.json()["error"]["id"], "KW-NAME-TAKEN", "{}", said.out);
    assert_eq!(mutating(&world), before);
}

#[test]
fn a_range_that_holds_anothers_services_is_refused() {
    let world = in_use("");
    let (network, subnet) = (named(&world, "network"), named(&world, "subnetwork"));
    world.home.write(
        "cluster.yaml",
        &format!(
            "apiVersion: kubewright/v1\nkind: Cluster\nname: demo\nnetwork: {{existing: {{vpc: {network}, privateSubnets: [{subnet}], podRange: pods, serviceRange: services}}}}\n"
        ),
    );
    let said = go(&world, &["provision", "--yes", "-o", "json"]).expect(2);
    let error = said.json()["error"].to_string();
    assert!(error.contains("range services holds the Services of cluster warm"), "{error}");
}

#[test]
fn a_pool_that_cannot_be_spread_says_so_and_is_no_refusal() {
    let world = World::new();
    let doc = plan(&world, &["--nodes", "3"]).expect(0).json();
    let said = check(&doc, "spread");
    assert_eq!(said["status"], "warn");
    assert!(said["message"].as_str().unwrap().contains("all stand in us-central1-a"), "{said:#}");
}

#[test]
fn services_that_are_off_are_named_and_then_switched_on() {
    let world = World::new();
    let doc = plan(&world, &[]).expect(0).json();
    let services = check(&doc, "services");
    assert_ne!(services["status"], "fail");
    let steps = doc["steps"].as_array().unwrap();
    assert!(steps.iter().any(|it| it["kind"] == "gcp/service" && it["id"] == "service/container"), "{steps:#?}");
}
