//! What goes wrong half-way: rolled back, continued with another wish, or waited for in vain.

use super::rig::World;
use kubewright::sandbox::clock::Speed;

#[test]
fn a_failed_build_is_rolled_back_to_nothing() {
    let world = World::with("eks:CreateNodegroup=capacity", Speed::Max);
    // Nothing remains, so the cause decides: EKS says that it has no room just now.
    let said = world.go(&["provision", "demo", "--yes", "--on-failure", "rollback", "-o", "json"]).expect(11);
    let doc = said.json();
    assert_eq!((&doc["outcome"], &doc["error"]["exit"]), (&"rolledBack".into(), &11.into()));
    assert_eq!((&doc["error"]["step"], &doc["usdPerHour"]), (&"nodes/pool/default".into(), &0.0.into()));
    assert_eq!((&doc["audit"]["clean"], &doc["commands"]), (&true.into(), &serde_json::Value::Null));
    world.assert_empty();
    assert_eq!(doc["mutatingCalls"].as_u64(), Some(world.show().requests.mutating), "build and rollback together");
    // The name is free again.
    assert!(world.go(&["destroy", "demo", "--confirm", "demo"]).expect(0).err.contains("already gone"));
}

/// However a build ends that is not what was asked for, and was not told to by a signal.
#[test]
fn time_that_runs_out_and_nodes_that_never_come_are_rolled_back_too() {
    let mut world = World::new();
    let words = ["provision", "demo", "--yes", "--on-failure", "rollback", "-o", "json"];
    let late = world.go(&[&words[..], &["--timeout", "8m"]].concat()).expect(124).json();
    assert_eq!((&late["outcome"], &late["error"]["id"]), (&"rolledBack".into(), &"KW-TIMEOUT".into()), "{late:#}");
    assert_eq!((&late["audit"]["clean"], &late["commands"]), (&true.into(), &serde_json::Value::Null));
    world.assert_empty();
    // The rollback itself gets stuck: nothing is claimed that is not so.
    world.restart("ec2:DeleteVpc=error-before", Speed::Max);
    let stuck = world.go(&[&words[..], &["--timeout", "8m"]].concat()).expect(9).json();
    assert_eq!((&stuck["outcome"], &stuck["error"]["id"]), (&"incomplete".into(), &"KW-TIMEOUT".into()), "{stuck:#}");
    world.restart("", Speed::Max);
    world.destroy("demo");
    // Everything stands in the cloud, and no node ever gets Ready: the API server does not answer for them.
    world.restart("kubernetes:*=error-before", Speed::Max);
    let nodes = world.go(&words).expect(124).json();
    assert_eq!((&nodes["outcome"], &nodes["error"]["id"]), (&"rolledBack".into(), &"KW-NODES".into()), "{nodes:#}");
    assert_eq!((&nodes["kubeconfig"], &nodes["usdPerHour"]), (&serde_json::Value::Null, &0.0.into()));
    world.assert_empty();
    // A finished stack is no failed build.
    world.restart("", Speed::Max);
    world.build(&["demo"]);
    world.restart("ec2:Describe*=delay:20s", Speed::Max);
    let kept = world.go(&["provision", "demo", "--on-failure", "rollback", "--timeout", "60s", "-o", "json"]);
    assert_eq!(kept.expect(124).json()["outcome"], "unchanged");
    world.restart("", Speed::Max);
    assert!(!world.standing("vpc").is_empty());
    world.destroy("demo");
}

#[test]
fn a_stock_out_is_answered_with_another_machine() {
    let mut world = World::with("eks:CreateNodegroup=capacity", Speed::Max);
    let said = world.go(&["provision", "demo", "--yes"]).expect(9);
    for part in ["running: ", "continue with ", "provision demo --yes", "destroy demo --confirm demo"] {
        assert!(said.err.contains(part), "{part} in {}", said.err);
    }
    // Nothing will happen by itself any more.
    let waited = world.go(&["status", "demo", "--wait", "ready", "--timeout", "2h", "-o", "json"]).expect(9).json();
    assert_eq!(waited["clusters"][0]["phase"], "failed");
    let impossible = world.go(&["provision", "demo", "--network-cidr", "10.7.0.0/16", "--yes"]).expect(8);
    assert!(impossible.err.contains("it changes what was already made: network/vpc"), "{}", impossible.err);
    let before: Vec<String> = world.standing("vpc").into_iter().map(|it| it.id).collect();
    world.restart("", Speed::Max);
    let other = world.build(&["demo", "--node-type", "m6i.large"]);
    assert_eq!((&other["outcome"], &other["audit"]["clean"]), (&"resumed".into(), &true.into()));
    assert_eq!(world.standing("vpc").into_iter().map(|it| it.id).collect::<Vec<_>>(), before, "what stood is kept");
    let kinds: Vec<_> = world.wait(world.ec2().describe_instances().send()).unwrap().reservations.unwrap();
    for machine in kinds.iter().flat_map(|it| it.instances()) {
        assert_eq!(machine.instance_type().map(|it| it.as_str()), Some("m6i.large"));
    }
    let history = world.go(&["history", "demo"]).expect(0).out;
    assert!(history.contains("replanned: ") && history.contains("provision by ana@"), "{history}");
    // The cloud's own record of the spec followed: another machine recovers what was built, not what was first wished.
    world.lose_journals();
    world.go(&["recover", "demo"]).expect(0);
    let same = world.go(&["provision", "demo", "--node-type", "m6i.large", "--wait", "cloud", "-o", "json"]);
    let same = same.expect(0).json();
    assert_eq!((&same["outcome"], &same["mutatingCalls"]), (&"unchanged".into(), &0.into()));
    world.destroy("demo");
    world.assert_empty();
}

#[test]
fn a_removal_that_stuck_is_not_waited_for() {
    let mut world = World::new();
    world.build(&["demo"]);
    world.restart("ec2:DeleteVpc=error-before", Speed::Max);
    let stuck = world.go(&["destroy", "demo", "--confirm", "demo", "-o", "json"]).expect(9).json();
    assert_eq!(stuck["outcome"], "incomplete");
    let left: Vec<_> = stuck["remaining"].as_array().unwrap().iter().map(|it| it["kind"].clone()).collect();
    assert_eq!(left, ["aws/vpc"], "{stuck:#}");
    let refused = world.go(&["provision", "demo", "--yes"]).expect(8);
    assert!(refused.err.contains("KW-DELETING"), "{}", refused.err);
    for goal in ["deleted", "ready"] {
        let said = world.go(&["status", "demo", "--wait", goal, "--timeout", "10h"]).expect(9);
        assert!(said.err.contains("destroy demo --confirm demo"), "{goal}: {}", said.err);
    }
    world.restart("", Speed::Max);
    world.destroy("demo");
    world.go(&["status", "demo", "--wait", "deleted", "--timeout", "1h"]).expect(0);
    world.assert_empty();
}

#[test]
fn time_runs_out_with_something_standing_or_with_nothing() {
    let mut world = World::new();
    // Too short to ask anything: nothing was made.
    world.restart("sts:*=delay:2s", Speed::Max);
    let said = world.go(&["provision", "demo", "--yes", "--timeout", "1s"]).expect(124);
    assert!(said.err.contains("KW-TIMEOUT"), "{}", said.err);
    assert_eq!(world.show().requests.mutating, 0);
    world.restart("", Speed::Max);
    let said = world.go(&["provision", "demo", "--yes", "--timeout", "8m", "-o", "json"]).expect(9);
    assert_eq!((&said.json()["outcome"], &said.json()["error"]["id"]), (&"incomplete".into(), &"KW-TIMEOUT".into()));
    let built = world.build(&["demo"]);
    assert_eq!(built["outcome"], "resumed");
    // A look at a finished stack that takes too long is no failed build: nothing is missing, nothing was changed.
    world.restart("ec2:Describe*=delay:20s", Speed::Max);
    let said = world.go(&["provision", "demo", "--timeout", "60s", "-o", "json"]).expect(124).json();
    assert_eq!((&said["error"]["id"], &said["error"]["exit"]), (&"KW-TIMEOUT".into(), &124.into()));
    assert_eq!((&said["outcome"], &said["mutatingCalls"]), (&"unchanged".into(), &0.into()), "{said:#}");
    world.restart("", Speed::Max);
    world.destroy("demo");
    world.assert_empty();
}

/// A machine whose clock is twenty minutes off: AWS takes no signature, whatever is wrong with nothing else.
#[test]
fn a_clock_that_is_off_is_told_with_the_difference() {
    for (ahead, words) in [(20, "20 min slow"), (-20, "20 min fast")] {
        let world = World::ahead("", Speed::Max, ahead);
        for verb in [
            &["provision", "demo", "--dry-run"][..],
            &["status", "demo"],
            &["destroy", "demo", "--confirm", "demo"],
            &["token", "--cluster", "demo", "--region", "us-east-1", "--account", "000000000000", "--provider", "aws"],
        ] {
            let said = world.go(verb).expect(3);
            assert!(said.err.contains("KW-AWS-CLOCK") && said.err.contains(words), "{verb:?}: {}", said.err);
            assert!(said.err.contains("set this machine's clock"), "{}", said.err);
        }
    }
}
