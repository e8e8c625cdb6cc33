//! What would fit is computed, and a file that is given another name does not quietly build a second cluster.

use crate::support::Home;

const PLACE: [&str; 4] = ["--provider", "aws", "--region", "us-east-1"];

fn plan(home: &Home, more: &[&str]) -> crate::support::Said {
    let words: Vec<&str> =
        ["provision", "demo", "--dry-run", "-o", "json"].iter().chain(&PLACE).chain(more).copied().collect();
    home.rehearse(&words)
}

/// The hint that begins with `fits: FLAG`, and its price.
fn fitting(err: &str, flag: &str) -> (String, f64) {
    let line = err.lines().find_map(|line| line.trim().strip_prefix(&format!("hint: fits: {flag}")));
    let line = line.unwrap_or_else(|| panic!("nothing fits with {flag}: {err}"));
    let (nodes, usd) = line.trim().split_once("-> $").unwrap();
    (nodes.trim().to_owned(), usd.trim_end_matches("/h").parse().unwrap())
}

#[test]
fn a_budget_says_what_would_fit_and_it_does() {
    let home = Home::new();
    let limit = ["--max-hourly-cost", "0.60"];
    let refused = plan(&home, &[limit[0], limit[1], "--nodes", "10"]).expect(6);
    let (nodes, usd) = fitting(&refused.err, "--nodes");
    let fits = plan(&home, &[limit[0], limit[1], "--nodes", &nodes]).expect(0).json();
    assert_eq!(fits["cost"]["totals"]["usdPerHour"]["max"].as_f64(), Some(usd));
    let more = (nodes.parse::<u32>().unwrap() + 1).to_string();
    plan(&home, &[limit[0], limit[1], "--nodes", &more]).expect(6);

    // Of several pools each has its own answer.
    let pool = ["--pool", "name=big,type=m6a.4xlarge,count=4", "--max-hourly-cost", "2.00"];
    let refused = plan(&home, &pool).expect(6);
    let (count, usd) = fitting(&refused.err, "--set nodePools.big.count=");
    let smaller = format!("name=big,type=m6a.4xlarge,count={count}");
    let fits = plan(&home, &["--pool", &smaller, pool[2], pool[3]]).expect(0).json();
    assert_eq!(fits["cost"]["totals"]["usdPerHour"]["max"].as_f64(), Some(usd));

    // Where nothing does, nothing is said to.
    let refused = plan(&home, &["--max-hourly-cost", "0.10"]).expect(6);
    assert!(!refused.err.contains("fits:"), "{}", refused.err);
}

#[test]
fn a_quota_says_how_many_nodes_fit_and_they_do() {
    let home = Home::new();
    let machine = ["--node-type", "m6a.4xlarge"];
    let refused = plan(&home, &[machine[0], machine[1], "--nodes", "400"]).expect(5);
    let line = refused.err.lines().find_map(|line| line.trim().strip_prefix("hint: fits today: --nodes ")).unwrap();
    plan(&home, &[machine[0], machine[1], "--nodes", line.trim()]).expect(0);
    let more = (line.trim().parse::<u32>().unwrap() + 1).to_string();
    plan(&home, &[machine[0], machine[1], "--nodes", &more]).expect(5);
}

#[test]
fn a_renamed_file_builds_a_second_cluster_only_if_that_is_meant() {
    let home = Home::new();
    let file = |name: &str| {
        home.write(
            "cluster.yaml",
            &format!("apiVersion: kubewright/v1\nkind: Cluster\nname: {name}\nprovider: aws\nregion: us-east-1\n"),
        );
    };
    let count = || home.run(&["sandbox", "show", "-o", "json"]).expect(0).json()["totals"]["objects"].clone();
    file("demo");
    home.rehearse(&["provision", "--yes", "--wait", "cloud"]).expect(0);
    let before = count();

    file("demo2");
    // `--yes` spends what the plan says, and the plan does not know of the other cluster.
    for words in [&["provision", "--yes"][..], &["provision", "-f", "cluster.yaml"]] {
        let refused = home.rehearse(words).expect(7);
        assert!(refused.err.contains("this file built `demo`"), "{}", refused.err);
        assert!(refused.err.contains("--beside demo"), "{}", refused.err);
    }
    assert_eq!(count(), before, "nothing was made");
    // A name that was typed is meant, and so is the flag.
    let typed = home.rehearse(&["provision", "demo3", "-f", "cluster.yaml", "--dry-run"]).expect(0);
    assert!(!typed.err.contains("this file built"), "{}", typed.err);
    home.rehearse(&["provision", "--beside", "demo", "--yes", "--wait", "cloud"]).expect(0);
    assert_eq!(count().as_u64(), before.as_u64().map(|one| one * 2));
    // What it built last is continued without a question.
    home.rehearse(&["provision", "--wait", "cloud"]).expect(0);
}
