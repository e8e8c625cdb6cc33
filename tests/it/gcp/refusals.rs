//! Bad input: told at once, all of it, with what to write instead; nothing is made.

use super::{go, in_use, mutating};
use crate::lives::rig::World;
use crate::support::Said;

fn refused(world: &World, yaml: &str, code: i32) -> String {
    world.home.write("cluster.yaml", &format!("apiVersion: kubewright/v1\nkind: Cluster\nname: demo\n{yaml}"));
    let said: Said = go(world, &["provision", "--dry-run", "-o", "json"]);
    assert_eq!(said.code, code, "{yaml}\n{}\n{}", said.out, said.err);
    said.json()["error"].to_string() + &said.err
}

#[test]
fn what_has_no_counterpart_says_so() {
    let world = World::new();
    for (yaml, words) in [
        ("network: {nat: per-zone}\n", &["nat", "counterpart"][..]),
        ("aws: {addons: []}\n", &["aws", "counterpart"]),
        ("nodePools: [{name: a, instanceTypes: [e2-standard-2, n2-standard-2], count: 2}]\n", &["instanceTypes"]),
        ("nodePools: [{name: a, instanceType: m6a.large, count: 2}]\n", &["m6a.large", "e2-standard-2"]),
        ("admins: [\"arn:aws:iam::123456789012:role/Admin\"]\n", &["arn:aws", "mail address"]),
        ("region: us-east-1\n", &["us-east-1"]),
        ("network: {zones: [us-east-1a]}\n", &["us-east-1a"]),
        ("tags: {Team: Research}\n", &["Team", "team"]),
    ] {
        let told = refused(&world, yaml, 2);
        assert!(words.iter().all(|word| told.contains(word)), "{yaml}: {words:?} in {told}");
    }
    assert_eq!(mutating(&world), 0);
}

#[test]
fn ranges_that_collide_are_named() {
    let world = World::new();
    for (yaml, word) in [
        ("network: {cidr: 10.0.0.0/16}\ngcp: {podCidr: 10.0.0.0/17}\n", "meet"),
        ("gcp: {podCidr: 10.8.0.0/14, serviceCidr: 10.8.0.0/20}\n", "10.8.0.0/20"),
        ("network: {cidr: 172.17.0.0/16}\n", "container bridge"),
        ("network: {cidr: 10.0.0.0/22}\nnodePools: [{name: a, count: 9}]\n", "room for"),
    ] {
        let told = refused(&world, yaml, 2);
        assert!(told.contains(word), "{yaml}: {word} in {told}");
    }
}

#[test]
fn versions_machines_and_zones_that_are_not_there_are_met_with_what_is() {
    let world = World::new();
    for (yaml, words) in [
        ("version: \"1.12\"\n", &["1.12", "--version"][..]),
        ("nodePools: [{name: a, instanceType: e2-standart-2, count: 2}]\n", &["did you mean e2-standard-2?"]),
        (
            "nodePools: [{name: a, instanceType: {gpu: \"A10G:1\"}, count: 1}]\n",
            &["no machine type", "did you mean A100:1?"],
        ),
        ("nodePools: [{name: a, instanceType: e2-micro, count: 2}]\n", &["cannot be a node"]),
        ("network: {zones: [us-central1-d]}\n", &["us-central1-d", "us-central1-a"]),
    ] {
        let told = refused(&world, yaml, 2);
        assert!(words.iter().all(|word| told.contains(word)), "{yaml}: {words:?} in {told}");
    }
    assert_eq!(mutating(&world), 0);
}

#[test]
fn a_network_that_is_not_there_is_no_place_to_build_in() {
    let world = in_use("");
    let yaml = "network: {existing: {vpc: nowhere, privateSubnets: [nodes], podRange: pods, serviceRange: services}}\n";
    let told = refused(&world, yaml, 2);
    assert!(told.contains("there is no network nowhere"), "{told}");
}

#[test]
fn a_project_of_another_kind_or_of_nobody_is_told_as_such() {
    let world = World::new();
    for project in ["no-such-project", "5a4d0000-0000-4000-8000-000000000001"] {
        let said = go(&world, &["provision", "demo", "--project", project, "--yes", "-o", "json"]).expect(3);
        let error = &said.json()["error"];
        assert_eq!(error["id"], "KW-GCP-PROJECT", "{error:#}");
        assert!(!error["hints"].as_array().unwrap().is_empty(), "{error:#}");
    }
    let told = refused(&world, "account: another-project\n", 3);
    assert!(told.contains("KW-ACCOUNT") && told.contains("another-project"), "{told}");
    assert_eq!(mutating(&world), 0);
}
