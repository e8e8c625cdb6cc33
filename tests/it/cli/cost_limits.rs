//! Budgets and cost limits through the binary: from flags, from the cluster's file, from the user's own configuration.

use crate::support::{Home, Said};
use serde_json::Value;

const PLACE: [&str; 4] = ["--provider", "aws", "--region", "us-east-1"];

fn estimate(home: &Home, more: &[&str]) -> Said {
    home.run(&[&["cost", "estimate"], &PLACE[..], more].concat())
}

/// A file of one cluster at 0.3338 USD an hour, with this in it.
fn file(home: &Home, more: &str) {
    home.write(
        "cluster.yaml",
        &format!("apiVersion: kubewright/v1\nkind: Cluster\nname: demo\nprovider: aws\nregion: us-east-1\n{more}"),
    );
}

fn user(home: &Home, text: &str) {
    std::fs::create_dir_all(home.path().join(".config/kubewright")).unwrap();
    home.write(".config/kubewright/config.yaml", text);
}

#[test]
fn both_flags_limit_and_the_tighter_one_counts() {
    let home = Home::new();
    // 0.3338 an hour are 243.64 a month.
    for (flags, code, limit) in [
        (&["--max-hourly-cost", "0.34"][..], 0, ""),
        (&["--max-hourly-cost", "0.33"], 6, "limit of 0.3300"),
        (&["--max-monthly-cost", "244"], 0, ""),
        (&["--max-monthly-cost", "240"], 6, "limit of 0.3288"),
        (&["--max-hourly-cost", "9", "--max-monthly-cost", "73"], 6, "limit of 0.1000"),
        (&["--max-hourly-cost", "0"], 6, "limit of 0.0000"),
    ] {
        let said = estimate(&home, flags).expect(code);
        assert!(said.err.contains(limit) && said.out.contains("eks-cluster"), "{flags:?}: {}\n{}", said.err, said.out);
        let doc = estimate(&home, &[flags, &["-o", "json"]].concat()).expect(code).json();
        let id = if code == 6 { Value::from("KW-BUDGET") } else { Value::Null };
        assert_eq!((&doc["error"]["id"], doc["lines"].as_array().map(Vec::len)), (&id, Some(5)), "{flags:?}");
    }
    for absurd in ["-1", "nan", "inf", "cheap", ""] {
        let flag = format!("--max-hourly-cost={absurd}");
        let said = estimate(&home, &[&flag]).expect(2);
        assert!(said.err.contains("USD") || said.err.contains("value"), "{absurd}: {}", said.err);
    }
}

#[test]
fn a_budget_warns_where_it_was_told_to() {
    let home = Home::new();
    let warned = |budget: &str| {
        file(&home, budget);
        let said = home.run(&["cost", "estimate"]).expect(0);
        said.err.contains("close to the budget: $0.3338/h at maximum is")
    };
    assert!(warned("budget: { hourlyUsd: 0.40 }\n"), "83 % is more than the usual 80");
    assert!(!warned("budget: { hourlyUsd: 0.40, warnAt: 0.9 }\n"));
    assert!(warned("budget: { monthlyUsd: 1000, warnAt: 0.2 }\n"));
    assert!(!warned("budget: { hourlyUsd: 9 }\n"));
    let plan = home.rehearse(&["provision", "--dry-run"]).expect(0);
    assert!(!plan.out.contains("close to the budget"), "{}", plan.out);
    file(&home, "budget: { hourlyUsd: 0.40 }\n");
    let plan = home.rehearse(&["provision", "--dry-run"]).expect(0);
    assert!(plan.out.contains("close to the budget: $0.3338/h at maximum is 83 % of $0.4000/h"), "{}", plan.out);
    file(&home, "budget: { hourlyUsd: 0, monthlyUsd: cheap, warnAt: 80 }\n");
    let said = home.run(&["cost", "estimate"]).expect(2);
    for part in ["budget.hourlyUsd", "budget.monthlyUsd", "budget.warnAt"] {
        assert!(said.err.contains(part), "{part}: {}", said.err);
    }
}

#[test]
fn the_users_own_limit_holds_for_clusters_that_bring_none() {
    let home = Home::new();
    user(&home, "budget: { hourlyUsd: 0.20 }\n");
    file(&home, "");
    let said = home.run(&["cost", "estimate"]).expect(6);
    assert!(said.err.contains("limit of 0.2000"), "{}", said.err);
    // To say when to warn is no limit, and lifts none.
    file(&home, "budget: { warnAt: 0.5 }\n");
    home.run(&["cost", "estimate"]).expect(6);
    file(&home, "budget: { hourlyUsd: 9 }\n");
    home.run(&["cost", "estimate"]).expect(0);
    user(&home, "budget: { hourlyUsd: -1 }\n");
    home.run(&["cost", "estimate"]).expect(2);
}

#[test]
fn pools_that_scale_are_judged_at_their_largest() {
    let home = Home::new();
    let pools = "nodePools:\n  - { name: a, min: 1, count: 1, max: 9, instanceType: m6a.large }\n";
    file(&home, &format!("budget: {{ hourlyUsd: 0.60 }}\n{pools}"));
    let said = home.run(&["cost", "estimate", "-o", "json"]).expect(6);
    let doc = said.json();
    let hour = &doc["totals"]["usdPerHour"];
    assert!(hour["desired"].as_f64().unwrap() < 0.60 && hour["max"].as_f64().unwrap() > 0.60, "{hour}");
    assert!(said.err.contains("at maximum"), "{}", said.err);
    let refused = home.rehearse(&["provision", "--yes"]).expect(6);
    assert!(refused.err.contains("fits: --set nodePools.a.max="), "{}", refused.err);
    home.run(&["cost", "estimate", "--set", "nodePools.a.max=3"]).expect(0);
}

#[test]
fn an_unknown_price_stops_what_has_a_limit_and_nothing_else() {
    let home = Home::new();
    // No price of a disk of that size is in the table.
    let dear =
        ["cost", "estimate", "--provider", "azure", "--region", "eastus", "--set", "nodePools.default.diskGiB=2048"];
    let free = home.run(&[&dear[..], &["-o", "json"]].concat()).expect(0).json();
    assert_eq!((&free["complete"], free["unknown"].as_array().map(Vec::len)), (&false.into(), Some(1)), "{free}");
    let line = free["lines"].as_array().unwrap().iter().find(|line| line["unitPrice"].is_null()).unwrap();
    assert_eq!(line["usdPerHour"], Value::Null);
    let said = home.run(&[&dear[..], &["--max-monthly-cost", "100000"]].concat()).expect(6);
    assert!(
        said.err.contains("no price is known for disk-") && said.out.contains("aks-free"),
        "{}\n{}",
        said.err,
        said.out
    );
    let build = ["provision", "demo", "--yes", "--wait", "cloud", "--max-hourly-cost", "50"];
    let build = [&build[..], &dear[2..]].concat();
    let said = home.rehearse(&build).expect(6);
    assert!(said.err.contains("no price is known for disk-"), "{}", said.err);
    home.rehearse(&[&build[..], &["--override-budget"]].concat()).expect(0);
    let told = home.rehearse(&["history", "demo", "-o", "json"]).expect(0).out;
    assert!(told.contains("and what is not known (disk-"), "{told}");
}

#[test]
fn a_budget_stops_before_the_first_change_and_only_the_override_passes() {
    let home = Home::new();
    file(&home, "budget: { hourlyUsd: 0.20 }\n");
    let build = ["provision", "--wait", "cloud", "--yes"];
    let said = home.rehearse(&build).expect(6);
    assert!(said.out.contains("control plane") && said.err.contains("--override-budget"), "{}\n{}", said.out, said.err);
    let doc = home.rehearse(&[&build[..], &["-o", "json"]].concat()).expect(6).json();
    assert_eq!((&doc["error"]["id"], &doc["error"]["exit"]), (&"KW-BUDGET".into(), &6.into()));
    let plan = home.rehearse(&["provision", "--dry-run", "-o", "json"]).expect(6).json();
    assert_eq!(plan["budget"]["verdict"], "over");
    let shown = home.run(&["sandbox", "show", "-o", "json"]).expect(0).json();
    assert_eq!(shown["requests"]["mutating"], 0, "nothing was made");
    let plan = home.rehearse(&["provision", "--dry-run", "--override-budget", "-o", "json"]).expect(0).json();
    assert_eq!(plan["budget"]["verdict"], "overridden");
    home.rehearse(&[&build[..], &["--override-budget"]].concat()).expect(0);
    let told = home.rehearse(&["history", "demo", "-o", "json"]).expect(0).out;
    assert!(told.contains("budget overridden by ana"), "{told}");
    // What stands is not stopped by its budget: nothing is to be made.
    let again = home.rehearse(&[&build[..], &["-o", "json"]].concat()).expect(0).json();
    assert_eq!((&again["outcome"], &again["mutatingCalls"]), (&"unchanged".into(), &0.into()));
    home.rehearse(&["destroy", "demo", "--confirm", "demo"]).expect(0);
}

#[test]
fn what_was_begun_goes_on_within_todays_limit_only() {
    let home = Home::new();
    let build = [&["provision", "demo", "--yes", "--wait", "cloud"], &PLACE[..]].concat();
    let failed = Said::of(
        home.command()
            .env("KUBEWRIGHT_SANDBOX_FAULT", "eks:CreateNodegroup=error-before")
            .arg("--sandbox")
            .args(&build),
    );
    assert_ne!(failed.code, 0, "{}", failed.err);
    let before = home.run(&["sandbox", "show", "-o", "json"]).expect(0).json();
    let said = home.rehearse(&[&build[..], &["--max-hourly-cost", "0.20"]].concat());
    assert_eq!(said.code, 6, "{}", said.err);
    let after = home.run(&["sandbox", "show", "-o", "json"]).expect(0).json();
    assert_eq!(before["requests"]["mutating"], after["requests"]["mutating"], "{}", said.err);
    home.rehearse(&[&build[..], &["--max-hourly-cost", "0.40"]].concat()).expect(0);
}
