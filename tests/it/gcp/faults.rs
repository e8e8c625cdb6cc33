//! What goes wrong on the way: killed, unanswered, out of stock, over a limit.

use super::rig::World;
use crate::support::serving::until;
use serde_json::json;

/// Calls on the way to a cluster; one process is killed at each, before the effect and after it.
const CALLS: [&str; 6] = [
    "compute:networks.insert",
    "compute:subnetworks.insert",
    "compute:routers.insert",
    "iam:projects.serviceAccounts.create",
    "cloudresourcemanager:projects.setIamPolicy",
    "container:projects.locations.clusters.create",
];

/// Killed once the server has written down that it holds the call.
fn killed_at(world: &World, call: &str, words: &[&str]) {
    let mut child = world.start(words);
    let holds = world.home.path().join("kw/sandbox/holds");
    until(call, || {
        assert_eq!(child.try_wait().unwrap(), None, "{call}: it ended, and nothing was held");
        std::fs::read_dir(&holds).is_ok_and(|mut all| all.next().is_some()).then_some(())
    });
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(fired(world), [1], "{call}");
}

/// How often each rule struck.
fn fired(world: &World) -> Vec<u64> {
    world.show().faults.iter().map(|it| it.fired).collect()
}

#[test]
fn killed_at_any_call_it_goes_on_or_goes_away() {
    for (at, call) in CALLS.into_iter().enumerate() {
        for hold in ["hold-before", "hold-after"] {
            let mut world = World::with(&format!("{call}={hold}@1"));
            killed_at(&world, call, &["provision", "demo", "--yes", "--wait", "cloud"]);
            world.restart("");
            // Continued, taken down with the journal, and without it, in turn.
            match at % 3 {
                0 => {
                    let doc = world.build(&["demo"]);
                    assert_eq!(doc["audit"]["clean"], true, "{call} {hold}: {doc:#}");
                }
                1 => {}
                _ => world.lose_journals(),
            }
            world.go(&["destroy", "demo", "--confirm", "demo", "--ignore-not-found"]).expect(0);
            world.assert_empty();
        }
    }
}

#[test]
fn a_lost_reply_makes_nothing_twice() {
    for call in CALLS {
        let world = World::with(&format!("{call}=lost-reply@1"));
        let doc = world.build(&["demo"]);
        assert_eq!(fired(&world), [1], "{call}: no reply was lost");
        assert_eq!((&doc["outcome"], &doc["audit"]["clean"]), (&json!("created"), &json!(true)), "{call}: {doc:#}");
        assert_eq!(world.of_kind("cluster").len(), 1, "{call}");
        world.destroy("demo");
        world.assert_empty();
    }
}

#[test]
fn a_stock_out_says_so_and_is_answered_with_another_machine() {
    let mut world = World::with("container:projects.locations.clusters.create=capacity");
    let said = world.go(&["provision", "demo", "--yes", "--wait", "cloud", "-o", "json"]);
    let doc = said.json();
    assert_eq!(doc["error"]["id"], "KW-GCP-CAPACITY", "{doc:#}");
    assert!([5, 9].contains(&said.code), "{}", said.err);
    world.restart("");
    let doc = world.build(&["demo", "--node-type", "n2-standard-2"]);
    assert_eq!(doc["audit"]["clean"], true, "{doc:#}");
    world.destroy("demo");
    world.assert_empty();
}

#[test]
fn a_noisy_cloud_is_outlasted() {
    let world = World::with("compute:*=throttle:10%,container:*=throttle:10%,iam:*=error-before:10%,seed=5");
    let doc = world.build(&["demo"]);
    assert_eq!(doc["outcome"], "created", "{doc:#}");
    world.destroy("demo");
    world.assert_empty();
    assert!(fired(&world).iter().sum::<u64>() > 5, "it was quiet: {:?}", fired(&world));
}
