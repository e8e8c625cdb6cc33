//! One piece taken out at a time: the life fails with exit 3 and names that action, before anything is made; what can
//! be left out is named as well, and stops nothing.
//!
//! `KUBEWRIGHT_TEST_EVERY_PIECE=1` also runs every life in which preflight cannot know: a sample of them runs always.

use super::rig::{Printed, RARE};
use crate::lives::rig::World;
use crate::support::Said;

/// Where a simulation cannot be sure, so that preflight only warns: they hang on marks of what the cluster will make, or
/// on what others leave.
const DOUBTFUL: [&str; 5] = [
    "elasticloadbalancing:DeleteLoadBalancer",
    "elasticloadbalancing:DeleteTargetGroup",
    "iam:DeleteInstanceProfile",
    "iam:RemoveRoleFromInstanceProfile",
    "logs:ListTagsForResource",
];

fn in_parallel(actions: &[String], work: impl Fn(&[String]) + Sync) {
    let half = actions.len().div_ceil(2).max(1);
    std::thread::scope(|scope| {
        for part in actions.chunks(half) {
            scope.spawn(|| work(part));
        }
    });
}

#[test]
fn a_missing_piece_is_found_before_the_first_write_and_named() {
    let printed = Printed::by(&World::new(), &["demo"]);
    let actions: Vec<String> = printed.actions.iter().cloned().collect();
    assert!(actions.len() > 90, "only {} actions", actions.len());
    in_parallel(&actions, |part| {
        let world = World::new();
        for action in part {
            world.limit(&printed.without(action).texts());
            if printed.optional.contains(action) || DOUBTFUL.contains(&action.as_str()) {
                is_warned(&world, action);
            } else {
                is_refused(&world, action);
            }
        }
        assert_eq!((world.show().totals.objects, world.show().requests.mutating), (0, 0), "nothing was made");
    });
    println!(
        "policy: {} pieces taken out: {} refused, {} warned of",
        actions.len(),
        actions.len() - printed.optional.len() - DOUBTFUL.len(),
        printed.optional.len() + DOUBTFUL.len()
    );
}

fn is_refused(world: &World, action: &str) {
    let said = world.go(&["provision", "demo", "--yes", "-o", "json"]).expect(3);
    let error = &said.json()["error"];
    assert_eq!((&error["id"], &error["class"]), (&"KW-AWS-DENIED".into(), &"auth".into()), "{action}: {error:#}");
    assert!(error["message"].as_str().unwrap().contains(action), "{action}: {error:#}");
    assert!(error["hints"].to_string().contains("kubewright policy"), "{action}: {error:#}");
}

fn is_warned(world: &World, action: &str) {
    let plan = world.go(&["provision", "demo", "--dry-run", "-o", "json"]).expect(0).json();
    let rare = RARE.iter().any(|(known, _)| *known == action);
    assert!(rare || plan["preflight"].to_string().contains(action), "{action}: {:#}", plan["preflight"]);
}

/// Nothing is known beforehand here: the cloud itself refuses in the middle.
#[test]
fn a_missing_piece_that_nobody_could_know_of_is_named_where_it_is_missed() {
    let printed = Printed::by(&World::new(), &["demo"]);
    let every = std::env::var("KUBEWRIGHT_TEST_EVERY_PIECE").is_ok_and(|it| it == "1");
    let sample = [
        "ec2:CreateTags",
        "ec2:RunInstances",
        "eks:TagResource",
        "iam:CreateServiceLinkedRole",
        "iam:PassRole",
        "ec2:DeleteNatGateway",
    ];
    let pieces: Vec<String> = printed
        .actions
        .iter()
        .filter(|it| !printed.optional.contains(*it) && !RARE.iter().any(|(rare, _)| rare == it))
        .filter(|it| every || sample.contains(&it.as_str()))
        .cloned()
        .collect();
    in_parallel(&pieces, |part| {
        for action in part {
            fails_somewhere(&printed, action);
        }
    });
    println!("policy: {} pieces missed in the middle", pieces.len());
}

fn fails_somewhere(printed: &Printed, action: &str) {
    let world = World::new();
    world.limit(&printed.without("iam:SimulatePrincipalPolicy").without(action).texts());
    let lives: [&[&str]; 6] = [
        &["provision", "demo", "--yes", "-o", "json"],
        &["status", "demo", "-o", "json"],
        &["protect", "demo", "on", "-o", "json"],
        &["protect", "demo", "off", "-o", "json"],
        &["recover", "demo", "-o", "json"],
        &["destroy", "demo", "--confirm", "demo", "--volumes", "delete", "-o", "json"],
    ];
    for words in lives {
        if words[0] == "recover" {
            world.lose_journals();
        }
        if words[0] == "destroy" {
            world.work_on("demo");
        }
        let said = world.go(words);
        if said.code != 0 {
            return is_named(&said, action);
        }
    }
    panic!("a whole life passes without {action}");
}

/// Exit 3 where nothing is left behind, 9 where something is; either way the action is named.
fn is_named(said: &Said, action: &str) {
    assert!(matches!(said.code, 3 | 9), "{action}: {}\n{}", said.code, said.err);
    assert!(format!("{}{}", said.out, said.err).contains(action), "{action}: {}\n{}", said.out, said.err);
}
