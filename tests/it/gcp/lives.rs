//! From nothing to a cluster and back, whatever is lost on the way.

use super::rig::{PROJECT, World};
use serde_json::{Value, json};

#[test]
fn a_life_from_nothing_to_nothing() {
    let world = World::new();
    let doc = world.build(&["demo"]);
    assert_eq!(doc["outcome"], "created", "{doc:#}");
    assert_eq!(doc["audit"]["clean"], true, "{doc:#}");
    assert_eq!(doc["mutatingCalls"].as_u64(), Some(world.show().requests.mutating), "both count the same calls");
    let kinds: Vec<&str> = doc["resources"].as_array().unwrap().iter().filter_map(|it| it["kind"].as_str()).collect();
    for kind in [
        "gcp/service",
        "gcp/network",
        "gcp/subnetwork",
        "gcp/router",
        "gcp/service-account",
        "gcp/role-binding",
        "gcp/gke-cluster",
    ] {
        assert!(kinds.contains(&kind), "{kind} in {kinds:?}");
    }
    // Twice is once.
    let again = world.build(&["demo"]);
    assert_eq!((&again["outcome"], &again["mutatingCalls"]), (&json!("unchanged"), &json!(0)), "{again:#}");
    let gone = world.destroy("demo");
    assert_eq!((&gone["outcome"], &gone["usdPerHourRemaining"]), (&json!("destroyed"), &json!(0.0)), "{gone:#}");
    assert_eq!(gone["audit"]["clean"], true);
    world.assert_empty();
    assert!(world.go(&["destroy", "demo", "--confirm", "demo"]).expect(0).err.contains("already gone"));
}

#[test]
fn everything_says_whose_it_is() {
    let world = World::new();
    let doc = world.build(&["demo", "--set", "tags.team=research"]);
    let stack = format!("{}-{}", doc["stack"]["name"].as_str().unwrap(), doc["stack"]["id"].as_str().unwrap());
    let clusters = world.rest("GET", &format!("v1/projects/{PROJECT}/locations/-/clusters"), None);
    let cluster = &clusters["clusters"][0];
    assert_eq!(cluster["resourceLabels"]["kubewright-stack"], json!(stack));
    assert_eq!(cluster["resourceLabels"]["team"], "research");
    assert_eq!(cluster["nodePools"][0]["config"]["resourceLabels"]["kubewright-step"], "cluster");
    let networks = world.rest("GET", &format!("compute/v1/projects/{PROJECT}/global/networks"), None);
    let ours = |it: &&Value| it["name"].as_str().unwrap_or_default().starts_with("kw-demo-");
    let network = networks["items"].as_array().unwrap().iter().find(ours).unwrap();
    assert!(network["description"].as_str().unwrap().contains(&format!("kubewright-stack={stack}")), "{network:#}");
    world.destroy("demo");
    world.assert_empty();
}

#[test]
fn a_teardown_needs_no_journal() {
    let world = World::new();
    world.build(&["demo", "--pool", "name=more,count=1"]);
    world.lose_journals();
    let gone = world.destroy("demo");
    assert_eq!(gone["outcome"], "destroyed", "{gone:#}");
    world.assert_empty();
}

#[test]
fn a_pool_that_somebody_made_in_our_cluster_goes_with_it() {
    let world = World::new();
    for lost in [false, true] {
        world.build(&["demo"]);
        let all = format!("v1/projects/{PROJECT}/locations");
        let clusters = world.rest("GET", &format!("{all}/-/clusters"), None);
        let location = clusters["clusters"][0]["location"].as_str().unwrap();
        let pool =
            json!({"nodePool": {"name": "byhand", "initialNodeCount": 1, "config": {"machineType": "e2-small"}}});
        world.rest("POST", &format!("{all}/{location}/clusters/demo/nodePools"), Some(pool));
        world.minutes(10);
        if lost {
            world.lose_journals();
        }
        let gone = world.destroy("demo");
        assert_eq!(gone["outcome"], "destroyed", "{gone:#}");
        world.assert_empty();
    }
}

#[test]
fn reap_goes_by_todays_labels_and_not_by_what_was_written_once() {
    let world = World::new();
    for name in ["kept", "freed"] {
        world.build(&[name, "--ttl", "1h", "--set", "protect=true"]);
    }
    world.go(&["protect", "freed", "off"]).expect(0);
    world.lose_journals();
    world.minutes(120);
    let reap = |more: &[&str]| {
        let doc = world.go(&[&["reap", "--region", "us-central1", "-o", "json"], more].concat()).expect(0).json();
        let row =
            |it: &Value| (it["stack"]["name"].as_str().unwrap().to_owned(), it["outcome"].as_str().unwrap().to_owned());
        doc["due"].as_array().unwrap().iter().map(row).collect::<Vec<_>>()
    };
    let row = |name: &str, outcome: &str| (name.to_owned(), outcome.to_owned());
    // Its network's description holds the spec of the first day, which says that it is protected.
    assert_eq!(reap(&[]), [row("freed", "listed"), row("kept", "protected")]);
    assert_eq!(reap(&["--delete"]), [row("freed", "destroyed"), row("kept", "protected")]);
    assert_eq!(world.of_kind("cluster").len(), 1);
    // A hint is for where the command was typed.
    let lost = world.go(&["protect", "kept", "off"]);
    assert!(lost.err.contains("kubewright --sandbox recover kept"), "{}", lost.err);
}

#[test]
fn a_lost_journal_is_rebuilt_and_nothing_is_made_twice() {
    let world = World::new();
    world.build(&["demo", "--pool", "name=more,count=1"]);
    world.lose_journals();
    world.go(&["recover", "demo"]).expect(0);
    let again = world.build(&["demo"]);
    assert_eq!((&again["outcome"], &again["mutatingCalls"]), (&json!("unchanged"), &json!(0)), "{again:#}");
    world.destroy("demo");
    world.assert_empty();
}

#[test]
fn pools_stand_beside_the_first_and_totals_are_totals() {
    let world = World::new();
    let words = [
        "demo",
        "--nodes",
        "3",
        "--pool",
        "name=burst,min=0,max=4,spot",
        "--pool",
        "name=gpu,type=n1-standard-4,count=1",
    ];
    world.build(&words);
    let clusters = world.rest("GET", &format!("v1/projects/{PROJECT}/locations/-/clusters"), None);
    let pools = clusters["clusters"][0]["nodePools"].as_array().unwrap();
    let pool = |name: &str| pools.iter().find(|it| it["name"] == name).unwrap_or_else(|| panic!("no pool {name}"));
    let total =
        |it: &Value| it["initialNodeCount"].as_u64().unwrap_or(0) * it["locations"].as_array().unwrap().len() as u64;
    assert_eq!(total(pool("default")), 3);
    assert_eq!(pool("burst")["autoscaling"]["totalMaxNodeCount"], 4);
    assert_eq!(pool("burst")["config"]["spot"], true);
    assert_eq!(total(pool("gpu")), 1);
    world.destroy("demo");
    world.assert_empty();
}

#[test]
fn a_network_brought_along_is_adopted_and_left() {
    let world = World::new();
    // The services are on once something was built.
    world.build(&["first"]);
    world.destroy("first");
    let compute = format!("compute/v1/projects/{PROJECT}");
    let network = json!({"name": "mine", "autoCreateSubnetworks": false});
    world.rest("POST", &format!("{compute}/global/networks"), Some(network));
    world.minutes(2);
    let ranges =
        json!([{"rangeName": "p", "ipCidrRange": "10.4.0.0/16"}, {"rangeName": "s", "ipCidrRange": "10.5.0.0/20"}]);
    let subnet = json!({"name": "nodes", "network": format!("projects/{PROJECT}/global/networks/mine"),
        "ipCidrRange": "10.3.0.0/20", "privateIpGoogleAccess": true, "secondaryIpRanges": ranges});
    world.rest("POST", &format!("{compute}/regions/us-central1/subnetworks"), Some(subnet));
    world.minutes(2);
    let file = "apiVersion: kubewright/v1\nkind: Cluster\nname: demo\nprovider: gcp\nregion: us-central1\nnetwork:\n  existing: {vpc: mine, privateSubnets: [nodes], podRange: p, serviceRange: s}\n";
    world.home.write("cluster.yaml", file);
    let doc = world.build(&["-f", "cluster.yaml"]);
    assert_eq!(doc["outcome"], "created", "{doc:#}");
    world.destroy("demo");
    let left: Vec<String> = world.standing().into_iter().filter_map(|it| it.name).collect();
    assert!(left.contains(&"mine".to_owned()) && left.contains(&"nodes".to_owned()), "{left:?}");
    assert!(!left.iter().any(|name| name.starts_with("kw-")), "{left:?}");
}

#[test]
fn a_cluster_of_that_name_is_not_taken_over() {
    let world = World::new();
    world.build(&["first"]);
    let path = format!("v1/projects/{PROJECT}/locations/us-central1-a/clusters");
    let theirs = json!({"cluster": {"name": "demo", "initialNodeCount": 1, "network": "default"}});
    world.rest("POST", &path, Some(theirs));
    world.minutes(20);
    let said = world.go(&["provision", "demo", "--yes", "--wait", "cloud", "--zones", "us-central1-a", "-o", "json"]);
    assert_eq!(said.code, 8, "{}", said.err);
    world.go(&["destroy", "demo", "--confirm", "demo", "--ignore-not-found"]);
    let clusters = world.rest("GET", &path, None);
    assert!(clusters["clusters"].as_array().unwrap().iter().any(|it| it["name"] == "demo"), "it stands");
}
