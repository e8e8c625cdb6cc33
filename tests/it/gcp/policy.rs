//! Lives under exactly the permissions that are printed for them; and without one of them.

use super::go;
use crate::lives::rig::World;
use serde_json::Value;
use std::collections::BTreeSet;

/// As the binary prints it: the custom roles, as texts, and the permissions in them.
fn printed(world: &World, words: &[&str]) -> (Vec<Value>, BTreeSet<String>) {
    let place = ["policy", "demo", "--provider", "gcp", "--region", "us-central1"];
    let doc = world.home.run(&[&place[..], words, &["-o", "json"]].concat()).expect(0).json();
    let roles = doc["policies"].as_array().unwrap().iter().map(|it| it["document"].clone()).collect();
    let actions = doc["actions"].as_array().unwrap().iter().map(|it| it.as_str().unwrap().to_owned()).collect();
    (roles, actions)
}

fn limit(world: &World, roles: &[Value]) {
    world.limit(&roles.iter().map(Value::to_string).collect::<Vec<_>>());
}

/// The same roles without one permission.
fn without(roles: &[Value], permission: &str) -> Vec<Value> {
    let mut roles = roles.to_vec();
    let mut found = false;
    for role in &mut roles {
        let all = role["includedPermissions"].as_array_mut().unwrap();
        let before = all.len();
        all.retain(|it| it != permission);
        found |= all.len() < before;
    }
    assert!(found, "{permission} is in none of the roles");
    roles
}

#[test]
fn a_whole_life_needs_what_is_printed_and_no_more() {
    let world = World::new();
    let (roles, actions) = printed(&world, &[]);
    assert!(actions.contains("container.clusters.create") && roles.len() == 2, "{actions:?}");
    limit(&world, &roles);
    let built = go(&world, &["provision", "demo", "--yes", "-o", "json"]).expect(0).json();
    assert_eq!(built["outcome"], "created", "{built:#}");
    go(&world, &["status", "demo", "-o", "json"]).expect(0);
    go(&world, &["kubeconfig", "demo", "-o", "json"]).expect(0);
    go(&world, &["protect", "demo", "on", "-o", "json"]).expect(0);
    go(&world, &["destroy", "demo", "--confirm", "demo", "-o", "json"]).expect(8);
    go(&world, &["protect", "demo", "off", "-o", "json"]).expect(0);
    let gone = go(&world, &["destroy", "demo", "--confirm", "demo", "-o", "json"]).expect(0).json();
    assert_eq!(
        (&gone["outcome"], gone["remaining"].as_array().map(Vec::len)),
        (&"destroyed".into(), Some(0)),
        "{gone:#}"
    );
}

#[test]
fn without_a_permission_nothing_is_begun_and_it_is_named() {
    let world = World::new();
    let (roles, _) = printed(&world, &[]);
    for permission in [
        "container.clusters.create",
        "compute.routers.create",
        "iam.serviceAccounts.actAs",
        "resourcemanager.projects.setIamPolicy",
        "compute.disks.delete",
    ] {
        limit(&world, &without(&roles, permission));
        let said = go(&world, &["provision", "demo", "--yes", "-o", "json"]).expect(3);
        let error = &said.json()["error"];
        assert_eq!(error["id"], "KW-GCP-DENIED", "{error:#}");
        assert!(
            error.to_string().contains(permission) && error.to_string().contains("kubewright policy demo"),
            "{error:#}"
        );
    }
    assert_eq!(super::mutating(&world), 0);
}

#[test]
fn who_may_only_build_is_told_so_and_builds() {
    let world = World::new();
    let (roles, actions) = printed(&world, &["--for", "build"]);
    assert!(!actions.contains("container.clusters.delete"));
    limit(&world, &roles);
    let plan = go(&world, &["provision", "demo", "--dry-run", "-o", "json"]).expect(0).json();
    assert!(plan["preflight"].to_string().contains("can build it and not take it down"), "{plan:#}");
    go(&world, &["provision", "demo", "--yes", "--wait", "cloud", "-o", "json"]).expect(0);
    let (roles, _) = printed(&world, &["--for", "destroy"]);
    limit(&world, &roles);
    go(&world, &["destroy", "demo", "--confirm", "demo", "-o", "json"]).expect(0);
}
