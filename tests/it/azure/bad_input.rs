//! What AKS cannot build, or has no counterpart for: told with what to write instead, and nothing is made.

use super::bench::{Azure, refused};

#[test]
fn regions_and_zones_of_other_clouds_are_met_with_azures_own() {
    let azure = Azure::new();
    refused(&azure.provision(&["--region", "us-east-1"]), 2, &["`us-east-1` is a region of aws, not of azure"]);
    refused(&azure.provision(&["--region", "us-central1"]), 2, &["is a region of gcp"]);
    refused(&azure.provision(&["--region", "eastsu"]), 2, &["eastus"]);
    refused(&azure.provision(&["--zones", "us-east-1a,us-east-1b"]), 2, &["us-east-1a"]);
    refused(&azure.provision(&["--zones", "1,4"]), 2, &["4"]);
    refused(&azure.provision(&["--region", "westus", "--zones", "1"]), 2, &["westus has no availability zones"]);
    azure.nothing_was_made();
}

#[test]
fn machines_and_versions_that_there_are_not_are_met_with_those_there_are() {
    let azure = Azure::new();
    refused(&azure.provision(&["--node-type", "Standard_D2as_v55"]), 2, &["did you mean Standard_D2as_v5?"]);
    refused(&azure.provision(&["--node-type", "m6a.large"]), 2, &["m6a.large"]);
    refused(&azure.provision(&["--version", "1.99"]), 2, &["AKS does not offer Kubernetes 1.99", "1.35"]);
    refused(&azure.file("nodePools:\n  - { name: gpu, instanceType: { gpu: \"T5:1\" }, count: 1 }\n"), 2, &["T4"]);
    azure.nothing_was_made();
}

#[test]
fn what_has_no_counterpart_on_aks_says_so() {
    let azure = Azure::new();
    refused(&azure.provision(&["--nat", "per-zone"]), 2, &["network.nat", "no counterpart", "single"]);
    let several = "nodePools:\n  - { name: a, instanceTypes: [Standard_D2as_v5, Standard_D2s_v5], count: 1 }\n";
    refused(&azure.file(several), 2, &["instanceTypes"]);
    let spot = "nodePools:\n  - { name: a, spot: true, count: 2 }\n";
    refused(&azure.file(spot), 2, &["own pods"]);
    azure.nothing_was_made();
}

#[test]
fn ranges_that_collide_are_refused_with_one_that_does_not() {
    let azure = Azure::new();
    let pods = azure.file("azure: { podCidr: 10.0.128.0/17 }\n");
    refused(&pods, 2, &["azure.podCidr", "10.0.128.0/17", "10.0.0.0/16"]);
    let both = azure.file("azure: { podCidr: 10.244.0.0/16, serviceCidr: 10.244.8.0/24 }\n");
    refused(&both, 2, &["azure.serviceCidr", "10.244.8.0/24", "10.244.0.0/16"]);
    refused(&azure.file("azure: { serviceCidr: 172.31.0.0/16 }\n"), 2, &["172.31.0.0/16"]);
    azure.nothing_was_made();
}

#[test]
fn networks_that_are_not_there_are_told_apart() {
    let azure = Azure::new();
    let subscription = "5a4d0000-0000-4000-8000-000000000001";
    let network = |vpc: &str, subnets: &str| {
        azure.file(&format!("network: {{ existing: {{ vpc: \"{vpc}\", privateSubnets: [{subnets}] }} }}\n"))
    };
    refused(&network("vpc-0123456789abcdef0", "aks"), 2, &["vpc-0123456789abcdef0"]);
    let id =
        format!("/subscriptions/{subscription}/resourceGroups/net/providers/Microsoft.Network/virtualNetworks/corp");
    refused(&network(&id, "aks"), 2, &["there is no virtual network"]);
    refused(&network(&id, "a, b"), 2, &["privateSubnets"]);
    azure.nothing_was_made();
}

#[test]
fn kubenet_is_built_on_request_and_its_end_is_said() {
    let azure = Azure::new();
    azure.world.home.write(
        "k.yaml",
        "apiVersion: kubewright/v1\nkind: Cluster\nname: demo\nprovider: azure\nregion: eastus\nazure: { network: kubenet }\n",
    );
    let plan = azure.go(&["provision", "-f", "k.yaml", "--dry-run", "-o", "json"]).expect(0).json();
    let warned = super::bench::checks(&plan, "warn");
    assert!(warned.iter().any(|it| it.contains("kubenet retires on 31 March 2028")), "{warned:?}");
    let usual = azure.go(&["provision", "demo", "--dry-run", "-o", "json"]).expect(0).json();
    assert!(!super::bench::checks(&usual, "warn").iter().any(|it| it.contains("kubenet")));
    azure.nothing_was_made();
}
