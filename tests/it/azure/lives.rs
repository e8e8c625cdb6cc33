//! Built, built again, killed half-way, lost and found, and gone.

use super::rig::{AKS, Azure, RESOURCES};
use kubewright::sandbox::azure::SUBSCRIPTION;
use serde_json::{Value, json};

#[test]
fn a_cluster_is_built_once_and_goes_without_a_trace() {
    let azure = Azure::new();
    let built = azure.build(&["demo"]);
    assert_eq!((&built["outcome"], &built["audit"]["clean"]), (&"created".into(), &true.into()), "{built:#}");
    let sent = azure.show().requests.mutating;
    assert_eq!(built["mutatingCalls"].as_u64(), Some(sent), "both count alike");
    let again = azure.build(&["demo"]);
    assert_eq!((&again["outcome"], &again["mutatingCalls"]), (&"unchanged".into(), &0.into()));
    assert_eq!(azure.show().requests.mutating, sent);
    for object in azure.show().objects.iter().filter(|it| it.created_by == "api") {
        let untagged = ["roleAssignments", "virtualNetworks/subnets"].contains(&object.kind.as_str());
        assert!(untagged || object.tags.contains_key("kubewright-stack"), "{object:#?}");
    }
    let gone = azure.destroy("demo");
    assert_eq!((&gone["outcome"], &gone["audit"]["clean"]), (&"destroyed".into(), &true.into()), "{gone:#}");
    azure.assert_empty();
    assert!(azure.go(&["destroy", "demo", "--confirm", "demo"]).expect(0).err.contains("already gone"));
}

#[test]
fn what_was_asked_for_is_what_azure_is_told() {
    let azure = Azure::new();
    let pools = ["--pool", "name=default,count=2", "--pool", "name=gpu-b,type=Standard_NC4as_T4_v3,spot,min=0,max=2"];
    azure.build(&[&["demo", "--api-allow", "203.0.113.0/24", "--zones", "1,3"], &pools[..]].concat());
    let cluster = format!("{}/providers/Microsoft.ContainerService/managedClusters/demo", azure.group());
    let cluster = azure.arm("GET", &cluster, AKS, Value::Null);
    let properties = &cluster["properties"];
    assert_eq!(cluster["sku"], json!({"name": "Base", "tier": "Free"}));
    assert_eq!((&properties["enableRBAC"], &properties["disableLocalAccounts"]), (&true.into(), &true.into()));
    assert_eq!(properties["aadProfile"]["enableAzureRBAC"], true);
    assert_eq!(properties["oidcIssuerProfile"]["enabled"], true);
    assert_eq!(properties["securityProfile"]["workloadIdentity"]["enabled"], true);
    let network = &properties["networkProfile"];
    let has =
        ["networkPlugin", "networkPluginMode", "networkDataplane", "outboundType"].map(|key| network[key].clone());
    assert_eq!(has, ["azure", "overlay", "cilium", "userAssignedNATGateway"]);
    let allowed = properties["apiServerAccessProfile"]["authorizedIPRanges"].as_array().unwrap();
    assert_eq!(allowed[0], "203.0.113.0/24");
    assert!(allowed[1].as_str().unwrap().ends_with("/32"), "the nodes' own way out: {allowed:?}");
    let pools = properties["agentPoolProfiles"].as_array().unwrap();
    let (system, gpu) = (&pools[0], &pools[1]);
    assert_eq!((&system["mode"], &system["availabilityZones"]), (&"System".into(), &json!(["1", "3"])));
    assert_eq!(
        (&gpu["mode"], &gpu["scaleSetPriority"], &gpu["gpuProfile"]["driver"]),
        (&"User".into(), &"Spot".into(), &"Install".into())
    );
    assert!(gpu["name"].as_str().unwrap().starts_with("gpub"), "{gpu:#}");
    let network = format!("{}/providers/Microsoft.Network/virtualNetworks", azure.group());
    let subnet =
        azure.arm("GET", &network, super::rig::NETWORK, Value::Null)["value"][0]["properties"]["subnets"][0].clone();
    assert_eq!(subnet["properties"]["defaultOutboundAccess"], false);
    azure.destroy("demo");
    azure.assert_empty();
}

/// Every lost or broken reply of a call that makes something: continued to one cluster, and gone to nothing.
#[test]
fn lost_replies_make_nothing_twice() {
    let calls = [
        "resources:resourceGroups.createOrUpdate",
        "network:publicIPAddresses.createOrUpdate",
        "network:natGateways.createOrUpdate",
        "network:virtualNetworks.createOrUpdate",
        "managedidentity:userAssignedIdentities.createOrUpdate",
        "authorization:roleAssignments.create",
        "containerservice:managedClusters.createOrUpdate",
    ];
    let faults: Vec<String> = calls.iter().map(|call| format!("{call}=lost-reply@1")).collect();
    let azure = Azure::with(&faults.join(","));
    let built = azure.build(&["demo"]);
    assert_eq!((&built["outcome"], &built["audit"]["clean"]), (&"created".into(), &true.into()), "{built:#}");
    let fired: u64 = azure.show().faults.iter().map(|fault| fault.fired).sum();
    assert_eq!(fired, calls.len() as u64, "{:#?}", azure.show().faults);
    for kind in ["resourceGroups", "virtualNetworks", "natGateways", "managedClusters"] {
        let made = azure.standing(kind).into_iter().filter(|it| it.created_by == "api").count();
        assert_eq!(made, 1, "{kind}");
    }
    azure.destroy("demo");
    azure.assert_empty();
}

/// The process ends where the cloud's answer is still out; another one goes on, with the journal or without it.
#[test]
fn a_build_that_was_cut_off_is_continued_and_removed_from_anywhere() {
    let mut azure = Azure::new();
    for minutes in ["1m", "3m", "5m"] {
        azure.go(&["provision", "demo", "--yes", "--timeout", minutes]);
        let built = azure.build(&["demo"]);
        assert_eq!(built["audit"]["clean"], true, "{minutes}: {built:#}");
        azure.destroy("demo");
        azure.assert_empty();
        azure.go(&["provision", "demo", "--yes", "--timeout", minutes]);
        azure.lose_journals();
        let gone = azure.go(&["destroy", "demo", "--confirm", "demo", "-o", "json"]).expect(0).json();
        assert_eq!(gone["audit"]["clean"], true, "{minutes}: {gone:#}");
        azure.assert_empty();
        azure.restart("");
    }
}

#[test]
fn a_lost_journal_is_rebuilt_from_the_group() {
    let azure = Azure::new();
    azure.build(&["demo"]);
    azure.lose_journals();
    azure.go(&["recover", "demo"]).expect(0);
    let same = azure.build(&["demo"]);
    assert_eq!((&same["outcome"], &same["mutatingCalls"]), (&"unchanged".into(), &0.into()), "{same:#}");
    azure.destroy("demo");
    azure.assert_empty();
}

#[test]
fn a_network_that_was_brought_along_stays_as_it_was() {
    let azure = Azure::new();
    let hub = azure.group_of_others("hub");
    let path = format!("{hub}/providers/Microsoft.Network/virtualNetworks/shared");
    let body = json!({
        "location": "eastus",
        "properties": {
            "addressSpace": {"addressPrefixes": ["10.20.0.0/16"]},
            "subnets": [{"name": "aks", "properties": {"addressPrefix": "10.20.0.0/20", "defaultOutboundAccess": false}}],
        },
    });
    azure.arm("PUT", &path, super::rig::NETWORK, body);
    azure.minutes(2);
    let before = azure.arm("GET", &path, super::rig::NETWORK, Value::Null);
    let id = format!("/subscriptions/{SUBSCRIPTION}{path}");
    let file = azure.home.path().join("cluster.yaml");
    let text = format!(
        "apiVersion: kubewright/v1\nkind: Cluster\nname: demo\nprovider: azure\nnetwork:\n  existing: {{ vpc: {id}, privateSubnets: [aks] }}\n"
    );
    std::fs::write(&file, text).unwrap();
    azure.build(&["-f", file.to_str().unwrap()]);
    assert!(azure.standing("natGateways").is_empty());
    azure.lose_journals();
    azure.destroy("demo");
    let after = azure.arm("GET", &path, super::rig::NETWORK, Value::Null);
    let shape =
        |it: &Value| (it["tags"].clone(), it["properties"]["subnets"][0]["properties"]["addressPrefix"].clone());
    assert_eq!(shape(&before), shape(&after));
    assert!(azure.standing("roleAssignments").is_empty(), "ours on their subnet is gone");
    azure.arm("DELETE", &hub, RESOURCES, Value::Null);
    azure.minutes(20);
    azure.assert_empty();
}
