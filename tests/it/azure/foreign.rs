//! What belongs to others: never adopted, never changed, never removed, and named where it is in the way.

use super::rig::{Azure, NETWORK, RESOURCES};
use serde_json::{Value, json};

/// Near-misses of our tags and names, in groups of others.
#[test]
fn look_alikes_survive_every_way() {
    let azure = Azure::new();
    let theirs = azure.group_of_others("kw-demo-ffffffff");
    let near = json!({"kubewright-stack": "demo-ffffffff", "kubewright-step": "network__nat__address", "cluster_name": "demo"});
    let address = azure.address(&theirs, "kw-demo-ffffffff-nat", near);
    let named = azure.address(&theirs, "demo", json!({"cluster_name": "demo", "created_by": "kubewright"}));
    let before = [&address, &named].map(|path| azure.arm("GET", path, NETWORK, Value::Null)["tags"].clone());
    azure.build(&["demo"]);
    azure.destroy("demo");
    azure.build(&["demo"]);
    azure.lose_journals();
    azure.destroy("demo");
    let after = [&address, &named].map(|path| azure.arm("GET", path, NETWORK, Value::Null)["tags"].clone());
    assert_eq!(before, after);
    azure.arm("DELETE", &theirs, RESOURCES, Value::Null);
    azure.minutes(30);
    azure.assert_empty();
}

/// The group holds something of somebody's: all of ours goes, the group and that stay, and it is named.
#[test]
fn a_group_that_holds_a_strangers_thing_stays() {
    for lost in [false, true] {
        let azure = Azure::new();
        azure.build(&["demo"]);
        let group = azure.group();
        let address = azure.address(&group, "reports", json!({"team": "data"}));
        if lost {
            azure.lose_journals();
        }
        let said = azure.go(&["destroy", "demo", "--confirm", "demo", "-o", "json"]).expect(9);
        let doc = said.json();
        assert!(doc["error"]["message"].as_str().unwrap().contains("reports"), "{doc:#}");
        azure.arm("GET", &address, NETWORK, Value::Null);
        assert!(azure.standing("managedClusters").is_empty() && azure.standing("virtualNetworks").is_empty());
        azure.arm("DELETE", &address, NETWORK, Value::Null);
        azure.minutes(2);
        azure.destroy("demo");
        azure.assert_empty();
    }
}

/// AKS would take it along with the group of the nodes.
#[test]
fn a_strangers_thing_among_the_nodes_is_not_taken_along() {
    let azure = Azure::new();
    azure.build(&["demo"]);
    let nodes = format!("{}-nodes", azure.group());
    let address = azure.address(&nodes, "jumpbox", json!({"team": "ops"}));
    let said = azure.go(&["destroy", "demo", "--confirm", "demo", "-o", "json"]).expect(9);
    let doc = said.json();
    assert!(doc["error"]["message"].as_str().unwrap().contains("jumpbox"), "{doc:#}");
    assert_eq!(azure.standing("managedClusters").len(), 1, "nothing that would take it along was asked for");
    azure.arm("DELETE", &address, NETWORK, Value::Null);
    azure.minutes(2);
    azure.destroy("demo");
    azure.assert_empty();
}

#[test]
fn a_strangers_subnet_keeps_the_network() {
    let azure = Azure::new();
    azure.build(&["demo"]);
    let network = azure.standing("virtualNetworks").remove(0).name.unwrap();
    let subnet = format!("{}/providers/Microsoft.Network/virtualNetworks/{network}/subnets/reports", azure.group());
    let body = json!({"properties": {"addressPrefix": "10.0.200.0/24"}});
    azure.arm("PUT", &subnet, NETWORK, body);
    azure.minutes(2);
    let doc = azure.go(&["destroy", "demo", "--confirm", "demo", "-o", "json"]).expect(9).json();
    assert!(doc["error"]["message"].as_str().unwrap().contains("subnet reports"), "{doc:#}");
    azure.arm("GET", &subnet, NETWORK, Value::Null);
    azure.arm("DELETE", &subnet, NETWORK, Value::Null);
    azure.minutes(2);
    azure.destroy("demo");
    azure.assert_empty();
}
