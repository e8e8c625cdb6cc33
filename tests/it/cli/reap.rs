//! `reap`: what is due goes, from tags alone; what is protected, extended, young or somebody else's stays.

use crate::support::{
    Said,
    served::{Machine, Served},
};
use serde_json::Value;
use std::process::Stdio;

fn build(machine: &Machine, name: &str, more: &[&str], code: i32) {
    let words = ["provision", name, "--provider", "aws", "--region", "us-east-1", "--wait", "cloud", "--yes"];
    machine.run(&[&words, more].concat()).expect(code);
}

fn reap(machine: &Machine, more: &[&str], code: i32) -> Value {
    machine
        .run(&[&["reap", "--provider", "aws", "--region", "us-east-1", "-o", "json"], more].concat())
        .expect(code)
        .json()
}

/// Name, reason and outcome of each.
fn rows(doc: &Value) -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let due = doc["due"].as_array().unwrap().iter();
    due.map(|it| (text(&it["stack"]["name"]), text(&it["reason"]), text(&it["outcome"]))).collect()
}

fn row(name: &str, reason: &str, outcome: &str) -> (String, String, String) {
    (name.to_owned(), reason.to_owned(), outcome.to_owned())
}

/// The names that objects of the world carry.
fn standing(served: &Served) -> Vec<String> {
    let shown = served.show();
    // What is gone is shown for a while, as EC2 does.
    let stays = |it: &Value| it["state"] != "terminated" && it["state"] != "deleted";
    let of = |it: &Value| it["tags"]["cluster_name"].as_str().filter(|_| stays(it)).map(str::to_owned);
    let mut names: Vec<String> = shown["objects"].as_array().unwrap().iter().filter_map(of).collect();
    names.sort();
    names.dedup();
    names
}

/// Kind and state of everything that carries a name.
fn left_of(served: &Served, name: &str) -> Vec<(Value, Value)> {
    let shown = served.show();
    let named = shown["objects"].as_array().unwrap().iter().filter(|it| it["tags"]["cluster_name"] == name);
    named.map(|it| (it["kind"].clone(), it["state"].clone())).collect()
}

#[test]
fn what_is_past_its_expiry_goes_by_its_tags_and_nothing_else_does() {
    let served = Served::start("");
    let (ana, bob) = (served.aws_machine("ana"), served.aws_machine("bob"));
    build(&ana, "short", &["--ttl", "1h"], 0);
    build(&ana, "kept", &["--ttl", "1h", "--set", "protect=true"], 0);
    build(&ana, "longer", &["--ttl", "1h"], 0);
    build(&ana, "forever", &[], 0);
    ana.run(&["extend", "longer", "9h"]).expect(0);
    assert_eq!(rows(&reap(&bob, &["--delete"], 0)), [], "nothing is due yet");
    served.skip_hours(2);
    let calls = served.show()["requests"]["mutating"].as_u64().unwrap();
    let listed = reap(&bob, &[], 0);
    assert_eq!(rows(&listed), [row("kept", "expired", "protected"), row("short", "expired", "listed")]);
    assert!(listed["due"][1]["usdPerHour"].as_f64().unwrap() > 0.2 && listed["due"][1]["builder"].is_string());
    assert_eq!(served.show()["requests"]["mutating"].as_u64().unwrap(), calls, "a look changes nothing");

    let gone = reap(&bob, &["--delete"], 0);
    assert_eq!(rows(&gone), [row("kept", "expired", "protected"), row("short", "expired", "destroyed")]);
    assert!(gone["deleted"].as_u64().unwrap() > 20 && gone["remaining"] == 0, "{gone}");
    assert_eq!(standing(&served), ["forever", "kept", "longer"], "{:#?}", left_of(&served, "short"));
    assert_eq!(rows(&reap(&bob, &["--delete"], 0)), [row("kept", "expired", "protected")]);
    for name in ["longer", "forever"] {
        let seen = ana.run(&["status", name, "-o", "json"]).expect(0).json();
        assert_eq!(seen["clusters"][0]["phase"], "ready", "{name}");
    }
}

#[test]
fn what_a_dead_builder_left_goes_once_nobody_can_be_building_it() {
    let mut served = Served::start("eks:CreateCluster=error-before");
    let (ana, bob) = (served.aws_machine("ana"), served.aws_machine("bob"));
    build(&ana, "torso", &[], 9);
    served.restart("");
    served.skip_hours(2);
    assert_eq!(rows(&reap(&bob, &["--delete"], 0)), [], "somebody may be at it still");
    served.skip_hours(2);
    assert_eq!(rows(&reap(&bob, &["--delete"], 0)), [row("torso", "abandoned", "destroyed")]);
    assert_eq!(served.show()["totals"]["objects"], 0);
}

#[test]
fn a_cluster_that_cannot_be_read_today_is_nobodys_leavings() {
    let mut served = Served::start("");
    let (ana, bob) = (served.aws_machine("ana"), served.aws_machine("bob"));
    build(&ana, "demo", &[], 0);
    served.skip_hours(5);
    served.restart("eks:DescribeCluster=error-before");
    for more in [&[][..], &["--delete"]] {
        let said = reap(&bob, more, 11);
        assert_eq!((rows(&said), said["complete"].as_bool()), (vec![], Some(false)), "{said}");
    }
    // Nor does a look at everything say that there is none.
    let words = ["status", "--all", "--provider", "aws", "--region", "us-east-1", "-o", "json"];
    let seen = bob.run(&words).expect(11).json();
    let rows_of = |status: &str| {
        let all = seen["clusters"].as_array().unwrap().iter();
        all.filter(|it| it["stack"]["name"] == "demo" && it["cloudStatus"] == status).count()
    };
    assert!(rows_of("UNKNOWN") > 0 && rows_of("ABSENT") == 0, "{seen}");
    assert!(!seen["clusters"].to_string().contains("destroy demo"), "{seen}");
    served.restart("");
    assert_eq!(rows(&reap(&bob, &["--delete"], 0)), []);
    let seen = ana.run(&["status", "demo", "-o", "json"]).expect(0).json();
    assert_eq!(seen["clusters"][0]["phase"], "ready");
}

#[test]
fn a_removal_that_stopped_is_finished_and_what_will_not_go_is_exit_9() {
    let mut served = Served::start("");
    let ana = served.aws_machine("ana");
    build(&ana, "demo", &[], 0);
    served.restart("ec2:DeleteNatGateway=error-before");
    ana.run(&["destroy", "demo", "--confirm", "demo"]).expect(9);
    let stuck = reap(&ana, &["--delete"], 9);
    assert_eq!(rows(&stuck), [row("demo", "halfRemoved", "incomplete")]);
    assert!(!stuck["due"][0]["remaining"].as_array().unwrap().is_empty() && !stuck["error"].is_null(), "{stuck}");
    served.restart("");
    assert_eq!(rows(&reap(&ana, &["--delete"], 0)), [row("demo", "halfRemoved", "destroyed")]);
    assert_eq!(served.show()["totals"]["objects"], 0);
}

#[test]
fn two_at_once_take_a_stack_down_once() {
    let served = Served::start("");
    let ana = served.aws_machine("ana");
    build(&ana, "demo", &["--ttl", "1h"], 0);
    served.skip_hours(2);
    let words = ["reap", "--delete", "--provider", "aws", "--region", "us-east-1", "-o", "json"];
    let both: Vec<_> = (0..2)
        .map(|_| {
            let mut command = ana.command();
            command.args(words).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let ended: Vec<_> = both.into_iter().map(|child| child.wait_with_output().unwrap()).collect();
    let said: Vec<Value> = ended.iter().map(|it| serde_json::from_slice(&it.stdout).unwrap()).collect();
    assert!(ended.iter().all(|it| it.status.code() == Some(0)), "{said:#?}");
    let destroyed: u64 = said.iter().map(|doc| doc["destroyed"].as_u64().unwrap()).sum();
    assert_eq!(destroyed, 1, "{said:#?}");
    assert_eq!(served.show()["totals"]["objects"], 0);
}

#[test]
fn a_place_that_does_not_answer_is_exit_11_and_hides_nothing() {
    let served = Served::start("");
    let ana = served.aws_machine("ana");
    build(&ana, "demo", &["--ttl", "1h"], 0);
    served.skip_hours(2);
    let mut away = ana.command();
    away.args(["reap", "--delete", "-o", "json"]).env("KUBEWRIGHT_PROVIDER", "aws");
    // Its other regions are asked through an address where nobody listens.
    away.env("AWS_ENDPOINT_URL_EKS", "http://127.0.0.1:9");
    let said = Said::of(&mut away).expect(11).json();
    assert_eq!(said["complete"], false);
    assert!(!said["failures"].as_array().unwrap().is_empty());
    reap(&ana, &["--delete"], 0);
    assert_eq!(served.show()["totals"]["objects"], 0);
}
