//! Whole lives under exactly the role that is printed for them, and nothing printed that no life asks for.

use super::bench::Azure;
use serde_json::Value;
use std::collections::BTreeSet;

/// Actions that a life asks for only where something went wrong, or where Azure works by rules of its own that are not
/// rehearsed.
const RARE: &[&str] = &[
    // Disks of workloads.
    "Microsoft.Compute/disks/delete",
    // Where Azure tells an operation's end by its `Location` alone.
    "Microsoft.ContainerService/locations/operationResults/read",
    "Microsoft.Network/locations/operationResults/read",
    "Microsoft.Resources/subscriptions/operationResults/read",
];

fn policy(azure: &Azure, words: &[&str]) -> Value {
    let place = ["--account", "5a4d0000-0000-4000-8000-000000000001", "-o", "json"];
    azure.go(&[&["policy", "demo"], words, &place].concat()).expect(0).json()
}

#[test]
fn a_whole_life_needs_what_is_printed_and_no_more() {
    let azure = Azure::new();
    let printed = policy(&azure, &[]);
    let documents: Vec<String> =
        printed["policies"].as_array().unwrap().iter().map(|it| it["document"].to_string()).collect();
    assert_eq!(documents.len(), 1);
    azure.world.limit(&documents);
    let built = azure.provision(&["-o", "json"]).expect(0).json();
    assert_eq!((&built["outcome"], &built["audit"]["clean"]), (&"created".into(), &true.into()), "{built:#}");
    let again = azure.provision(&["-o", "json"]).expect(0).json();
    assert_eq!((&again["outcome"], &again["mutatingCalls"]), (&"unchanged".into(), &0.into()), "{again:#}");
    azure.go(&["status", "demo", "--check"]).expect(0);
    azure.go(&["status"]).expect(0);
    azure.go(&["kubeconfig", "demo", "--print"]).expect(0);
    azure.go(&["protect", "demo", "on"]).expect(0);
    azure.go(&["protect", "demo", "off"]).expect(0);
    azure.world.lose_journals();
    azure.go(&["recover", "demo"]).expect(0);
    let again = azure.provision(&["-o", "json"]).expect(0).json();
    assert_eq!((&again["outcome"], &again["mutatingCalls"]), (&"unchanged".into(), &0.into()), "{again:#}");
    azure.go(&["destroy", "demo", "--confirm", "demo"]).expect(0);
    assert_eq!(azure.world.show().totals.objects, 0, "{:#?}", azure.world.show().objects);
    let actions: BTreeSet<String> =
        printed["actions"].as_array().unwrap().iter().map(|it| it.as_str().unwrap().to_lowercase()).collect();
    let mut used = BTreeSet::new();
    for asked in azure.world.show().requests.by_action {
        assert_eq!(asked.denied, 0, "{} was denied", asked.action);
        let action = asked.action.to_lowercase();
        let data = action.starts_with("microsoft.containerservice/managedclusters/") && !actions.contains(&action);
        assert!(data || actions.contains(&action), "{} is not in the role", asked.action);
        used.insert(action);
    }
    let rare: BTreeSet<String> = RARE.iter().map(|it| it.to_lowercase()).collect();
    let idle: Vec<&String> =
        actions.iter().filter(|it| !used.contains(*it) && !rare.contains(*it) && !it.contains("/register/")).collect();
    assert!(idle.is_empty(), "printed and never asked for: {idle:?}");
}

#[test]
fn parts_of_a_life_print_their_own_part() {
    let azure = Azure::new();
    let whole = policy(&azure, &[])["actions"].as_array().unwrap().len();
    for part in ["build", "operate", "destroy"] {
        let printed = policy(&azure, &["--for", part]);
        assert!(printed["actions"].as_array().unwrap().len() < whole, "{part}");
    }
    azure.nothing_was_made();
}
