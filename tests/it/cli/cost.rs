//! `cost` and `extend`: known bills, limits, comparisons that can be built, and money that agrees with the journal.

use crate::support::{Home, served::Served};
use serde_json::Value;

const PLACE: [&str; 4] = ["--provider", "aws", "--region", "us-east-1"];

fn usd(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("no money: {value}"))
}

#[test]
fn two_small_nodes_cost_what_the_price_pages_say() {
    let home = Home::new();
    let words = [&["cost", "estimate", "--node-type", "t3.medium", "-o", "json"], &PLACE[..]].concat();
    let doc = home.run(&words).expect(0).json();
    assert_eq!(doc["schema"], "kubewright.cost-estimate/v1");
    let lines = doc["lines"].as_array().unwrap();
    let hourly = |name: &str| -> f64 {
        lines.iter().filter(|line| line["component"] == name).map(|line| usd(&line["usdPerHour"]["desired"])).sum()
    };
    assert!((hourly("eks-cluster") + hourly("t3.medium") - 0.1832).abs() < 1e-9);
    let sum: f64 = lines.iter().map(|line| usd(&line["usdPerHour"]["desired"])).sum();
    assert!((sum - usd(&doc["totals"]["usdPerHour"]["desired"])).abs() < 1e-4, "the lines are the total");
    // The month is the lines' own, not that of a total that was rounded first.
    let month: f64 = lines.iter().map(|line| usd(&line["usdPerHour"]["desired"]) * 730.0).sum();
    assert!((month - usd(&doc["totals"]["usdPerMonth"])).abs() < 1e-3, "{month} {}", doc["totals"]);
    assert!(lines.iter().all(|line| line["source"].as_str().is_some_and(|it| !it.is_empty())), "{lines:?}");

    // What is priced without asking is what a plan is priced at.
    let plan = [&["provision", "demo", "--node-type", "t3.medium", "--dry-run", "-o", "json"], &PLACE[..]].concat();
    assert_eq!(home.rehearse(&plan).expect(0).json()["cost"]["totals"], doc["totals"]);
}

#[test]
fn a_limit_is_exit_6_with_the_table_still_on_stdout() {
    let home = Home::new();
    let over = [&["cost", "estimate", "--max-hourly-cost", "0.30"], &PLACE[..]].concat();
    let said = home.run(&over).expect(6);
    assert!(said.out.contains("eks-cluster") && said.err.contains("KW-BUDGET"), "{}\n{}", said.out, said.err);
    // Where nothing is made, nothing is said of what was not made, nor of a flag that there is not.
    assert!(!said.err.contains("created") && !said.err.contains("--override-budget"), "{}", said.err);
    // A budget of the file counts as well, and of a pool that scales the most.
    home.write(
        "c.yaml",
        "apiVersion: kubewright/v1\nkind: Cluster\nname: demo\nprovider: aws\nregion: us-east-1\nbudget: { hourlyUsd: 0.60 }\nnodePools:\n  - { name: a, min: 1, max: 5, instanceType: m6a.large }\n",
    );
    let said = home.run(&["cost", "estimate", "-f", "c.yaml"]).expect(6);
    assert!(said.out.contains("between $") && said.err.contains("at maximum"), "{}\n{}", said.out, said.err);
    let grid = home.run(&["cost", "estimate", "-f", "c.yaml", "--set", "budget.hourlyUsd=9", "-o", "csv"]).expect(0);
    assert!(grid.out.starts_with("step,component,") && grid.out.lines().count() > 5, "{}", grid.out);
    let grid = home.run(&["cost", "estimate", "-f", "c.yaml", "--set", "budget.hourlyUsd=9", "-o", "markdown"]);
    assert!(grid.expect(0).out.starts_with("| step | component |"));
}

#[test]
fn the_cheapest_is_what_provision_takes() {
    let home = Home::new();
    let words =
        ["cost", "compare", "--need", "3vcpu,10gib x2", "--providers", "aws", "--regions", "us-*", "-o", "json"];
    let doc = home.run(&words).expect(0).json();
    let offers = doc["offers"].as_array().unwrap();
    assert!(offers.iter().all(|offer| usd(&offer["allocatableVcpus"]) >= 3.0 && usd(&offer["allocatableGib"]) >= 10.0));
    assert!(offers.is_sorted_by(|a, b| usd(&a["usdPerHour"]["total"]) <= usd(&b["usdPerHour"]["total"])));
    let flags = home.run(&[&words[..7], &["us-*", "--cheapest"]].concat()).expect(0).out;
    assert_eq!(Some(flags.trim()), offers[0]["flags"].as_str());
    let built: Vec<&str> =
        ["provision", "demo", "--dry-run", "-o", "json"].into_iter().chain(flags.split_whitespace()).collect();
    let plan = home.rehearse(&built).expect(0).json();
    assert_eq!(plan["spec"]["nodePools"][0]["instanceType"], offers[0]["instanceType"]);
}

#[test]
fn impossible_needs_are_told_apart() {
    let home = Home::new();
    for (words, code, part) in [
        (&["--need", "V10O:1"][..], 2, "did you mean `V100`?"),
        (&["--need", "8vcpu,9vcpu x0"], 2, "said twice"),
        (&["--need", "9999vcpu"], 4, "KW-NO-MATCH"),
        (&["--need", "2vcpu", "--regions", "us-esat-1"], 2, "did you mean us-east-1?"),
        (&["--need", "2vcpu", "--providers", "awz"], 2, "none of aws, gcp, azure, lambda"),
        (&["--need", "A100:1", "--providers", "gcp", "--regions", "africa-south1"], 4, "there is one in"),
    ] {
        let said = home.run(&[&["cost", "compare"], words].concat()).expect(code);
        assert!(said.err.contains(part), "{words:?}: {}", said.err);
    }
    let said = home.run(&["status", "-o", "csv"]).expect(2);
    assert!(said.err.contains("for the tables of `cost`"), "{}", said.err);
}

#[test]
fn what_a_cluster_has_cost_is_the_sum_of_its_objects() {
    let served = Served::start("");
    let ana = served.aws_machine("ana");
    ana.run(&["provision", "demo", "--provider", "aws", "--wait", "cloud", "--ttl", "10h", "--yes"]).expect(0);
    served.skip_hours(3);
    let show = ana.run(&["cost", "show", "demo", "-o", "json"]).expect(0).json();
    let lines = show["lines"].as_array().unwrap();
    let sum: f64 = lines.iter().map(|line| usd(&line["usd"])).sum();
    assert!((sum - usd(&show["accruedUsd"])).abs() < 1e-3, "{show}");
    assert!(usd(&show["accruedUsd"]) > 3.0 * usd(&show["usdPerHour"]) * 0.95, "{show}");
    let status = ana.run(&["status", "demo", "--local", "-o", "json"]).expect(0).json();
    assert!((usd(&status["clusters"][0]["accruedUsd"]) - usd(&show["accruedUsd"])).abs() < 0.01);
    let list = ana.run(&["cost", "list", "-o", "json"]).expect(0).json();
    assert_eq!((list["stacks"].as_array().map(Vec::len), list["complete"].as_bool()), (Some(1), Some(true)));
    assert_eq!(list["usdPerHour"], show["usdPerHour"]);
    // Nothing is forecast beyond the expiry.
    let whole = ana.run(&["cost", "forecast", "demo", "--days", "30", "-o", "json"]).expect(0).json();
    assert!(usd(&whole["desiredUsd"]) < 8.0 * usd(&show["usdPerHour"]) && !whole["expiresAt"].is_null(), "{whole}");
    ana.run(&["cost", "forecast", "demo", "--days", "-1"]).expect(2);
    ana.run(&["destroy", "demo", "--confirm", "demo"]).expect(0);
    served.skip_hours(100);
    let gone = ana.run(&["cost", "show", "demo", "-o", "json"]).expect(0).json();
    assert_eq!(gone["usdPerHour"], 0.0);
    assert!(usd(&gone["accruedUsd"]) < usd(&show["accruedUsd"]) + 1.0 && !gone["destroyedAt"].is_null(), "{gone}");
}

#[test]
fn an_expiry_moves_on_every_machine_and_never_back() {
    let served = Served::start("");
    let (ana, bob) = (served.aws_machine("ana"), served.aws_machine("bob"));
    ana.run(&["provision", "demo", "--provider", "aws", "--wait", "cloud", "--ttl", "2h", "--yes"]).expect(0);
    let first: i64 = served.tag("kubewright-expires-at")[0].parse().unwrap();
    let said = ana.run(&["extend", "demo", "8h", "-o", "json"]).expect(0).json();
    let tags = served.tag("kubewright-expires-at");
    assert!(tags.len() > 15 && tags.iter().all(|at| *at == (first + 8 * 3_600).to_string()), "{tags:?}");
    assert!(said["mutatingCalls"].as_u64().unwrap() > 0 && said["expiredAt"] != said["expiresAt"]);
    // A machine without a journal moves it by the tags, and the one with it sees that.
    bob.run(&["extend", "demo", "1h"]).expect(0);
    let seen = ana.run(&["extend", "demo", "1h", "-o", "json"]).expect(0).json();
    assert!(served.tag("kubewright-expires-at").iter().all(|at| *at == (first + 10 * 3_600).to_string()));
    assert!(seen["expiresAt"].is_string());
    let back = ana.run(&["extend", "demo", "1m", "--from-now"]).expect(2);
    assert!(back.err.contains("never made earlier"), "{}", back.err);
    // Near its end whoever names it is told.
    served.skip_hours(12);
    let told = ana.run(&["status", "demo", "--local"]);
    assert!(told.err.contains("extend demo 2h"), "{}", told.err);
    // Past its end, the time that is asked for is counted from now: what ends with 0 is not taken down a moment later.
    served.skip_hours(5);
    let late = bob.run(&["extend", "demo", "1h", "-o", "json"]).expect(0).json();
    let time = |key: &str| late[key].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert!(time("expiredAt") < time("at"), "{late}");
    assert!(time("expiresAt").as_second() - time("at").as_second() > 3_000, "{late}");
    let due = bob.run(&["reap", "--provider", "aws", "--region", "us-east-1", "-o", "json"]).expect(0).json();
    assert_eq!(due["due"].as_array().map(Vec::len), Some(0), "{due}");
    ana.run(&["destroy", "demo", "--confirm", "demo"]).expect(0);
    ana.run(&["extend", "demo", "1h"]).expect(4);
}

#[test]
fn what_never_expires_is_not_given_an_end_by_accident() {
    let served = Served::start("");
    let ana = served.aws_machine("ana");
    ana.run(&["provision", "demo", "--provider", "aws", "--wait", "cloud", "--yes"]).expect(0);
    let refused = ana.run(&["extend", "demo", "8h"]).expect(2);
    assert!(refused.err.contains("extend demo 8h --from-now"), "{}", refused.err);
    assert!(served.tag("kubewright-expires-at").is_empty());
    ana.run(&["extend", "demo", "8h", "--from-now"]).expect(0);
    assert!(!served.tag("kubewright-expires-at").is_empty());
}
