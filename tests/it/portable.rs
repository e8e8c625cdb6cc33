//! One file, three clouds: with no region, machines given as needs and another `provider:` line it builds, goes on,
//! reports, hands to kubectl and is provably removed; what a cloud has no counterpart for is told.

use crate::support::{Home, Said};
use serde_json::Value;

const CLOUDS: [&str; 3] = ["aws", "gcp", "azure"];

/// The file of the README. Only the `provider:` line differs between clouds.
fn file(name: &str, cloud: &str) -> String {
    format!(
        "apiVersion: kubewright/v1\nkind: Cluster\nname: {name}\nprovider: {cloud}\nenvironment: dev\n\
         network: {{ zoneCount: 2, nat: single }}\n\
         nodePools:\n\
         \x20 - {{ name: default, instanceType: {{ cpu: 2, memoryGiB: 8 }}, count: 2 }}\n\
         \x20 - {{ name: gpu, instanceType: {{ cpu: 4, memoryGiB: 15, gpu: \"T4:1\" }}, min: 0, max: 2, spot: true }}\n\
         tags: {{ team: research }}\n"
    )
}

fn keys(value: &Value) -> Vec<&String> {
    value.as_object().map(|map| map.keys().collect()).unwrap_or_default()
}

#[test]
fn one_file_lives_on_every_cloud() {
    let home = Home::new();
    let mut plans: Vec<Value> = Vec::new();
    let mut built: Vec<Value> = Vec::new();
    for cloud in CLOUDS {
        let name = format!("demo-{cloud}");
        // A file that is given another name asks before it builds beside what it built: each cloud has its own copy.
        let path = format!("{cloud}.yaml");
        home.write(&path, &file(&name, cloud));
        let plan = home.rehearse(&["provision", "-f", &path, "--dry-run", "-o", "json"]).expect(0).json();
        assert_eq!(plan["stack"]["provider"], cloud);
        assert_eq!(plan["cost"]["complete"], true, "{cloud}: {}", plan["cost"]["unknown"]);
        let hourly = &plan["cost"]["totals"]["usdPerHour"];
        let usd = |key: &str| hourly[key].as_f64().unwrap_or_default();
        assert!(usd("min") > 0.0 && usd("max") > usd("desired"), "{cloud}: the pool that scales is priced: {hourly}");
        assert!(plan["eta"]["p50Seconds"].as_u64().unwrap_or_default() > 60, "{cloud}");
        let human = home.rehearse(&["provision", "-f", &path, "--dry-run"]).expect(0);
        for word in ["control plane", "NAT", "total", "p90"] {
            assert!(human.out.contains(word) || human.err.contains(word), "{cloud} has no {word}: {}", human.out);
        }
        plans.push(plan);

        let first = home.rehearse(&["provision", "-f", &path, "--yes", "-o", "json"]).expect(0).json();
        assert_eq!((&first["outcome"], &first["audit"]["clean"]), (&"created".into(), &true.into()), "{cloud}");
        assert_eq!(first["cluster"]["nodesReady"], 2, "{cloud}");
        let again = home.rehearse(&["provision", "-f", &path, "--yes", "-o", "json"]).expect(0).json();
        assert_eq!((&again["outcome"], &again["mutatingCalls"]), (&"unchanged".into(), &0.into()), "{cloud}");
        built.push(first);
    }
    for pair in plans.windows(2).chain(built.windows(2)) {
        assert_eq!(keys(&pair[0]), keys(&pair[1]), "the same form on every cloud");
        for part in ["cost", "eta", "budget", "cluster", "audit"] {
            assert_eq!(keys(&pair[0][part]), keys(&pair[1][part]), "{part}");
        }
    }

    // One table over all of them, in the order of the journals, and each in depth.
    let all = home.rehearse(&["status", "-o", "json"]).expect(0).json();
    let shown = |status: &Value| -> Vec<String> {
        let clusters = status["clusters"].as_array().cloned().unwrap_or_default();
        let word = |it: &Value| format!("{} {}", it["stack"]["provider"].as_str().unwrap_or(""), it["phase"]);
        let mut words: Vec<String> = clusters.iter().map(word).collect();
        words.sort();
        words
    };
    assert_eq!(shown(&all), ["aws \"ready\"", "azure \"ready\"", "gcp \"ready\""], "{all}");
    let wide = home.rehearse(&["status", "--all", "-o", "json"]).expect(0).json();
    assert_eq!(shown(&wide), shown(&all), "{wide}");
    assert_eq!((&wide["complete"], &wide["failures"]), (&true.into(), &Value::Array(Vec::new())));

    for cloud in CLOUDS {
        let name = format!("demo-{cloud}");
        let context = home.rehearse(&["kubeconfig", &name, "--print"]).expect(0).out;
        let flag = [("aws", "--account"), ("gcp", "--project"), ("azure", "--subscription")];
        let (_, flag) = flag.into_iter().find(|(known, _)| *known == cloud).expect("listed");
        assert!(context.contains(flag) && context.contains(&format!("- {cloud}")), "{context}");
        let refused = home.rehearse(&["destroy", &name]).expect(7);
        assert!(refused.err.contains("--confirm"), "{}", refused.err);
        let gone = home.rehearse(&["destroy", &name, "--confirm", &name, "-o", "json"]).expect(0).json();
        assert_eq!((&gone["outcome"], &gone["remaining"]), (&"destroyed".into(), &Value::Array(Vec::new())), "{cloud}");
        assert_eq!(gone["usdPerHourRemaining"], 0.0, "{cloud}");
    }
    let left = home.rehearse(&["sandbox", "show", "-o", "json"]).expect(0).json();
    assert_eq!(left["totals"]["objects"], 0, "{}", left["objects"]);
}

/// One cloud of several is down: the others are shown as they are, what it holds as it was last known, and the code says
/// that the answer is not whole.
#[test]
fn a_cloud_that_fails_hides_nothing_of_the_others() {
    let home = Home::new();
    for cloud in ["aws", "gcp"] {
        let path = format!("{cloud}.yaml");
        home.write(&path, &file(&format!("demo-{cloud}"), cloud));
        home.rehearse(&["provision", "-f", &path, "--yes", "--wait", "cloud"]).expect(0);
    }
    let mut down = home.command();
    down.env("KUBEWRIGHT_SANDBOX_FAULT", "container:*=error-before");
    let doc = Said::of(down.args(["--sandbox", "status", "--all", "-o", "json"])).expect(11).json();
    assert_eq!((&doc["complete"], &doc["error"]["class"]), (&false.into(), &"unreachable".into()), "{doc:#}");
    let row = |name: &str| {
        let rows = doc["clusters"].as_array().expect("a list");
        rows.iter().find(|row| row["stack"]["name"] == name).unwrap_or_else(|| panic!("no {name}: {doc:#}"))
    };
    assert_eq!((&row("demo-aws")["phase"], &row("demo-aws")["cloudStatus"]), (&"ready".into(), &"ACTIVE".into()));
    // From the journal: what the cloud says of it is not known.
    assert_eq!((&row("demo-gcp")["phase"], &row("demo-gcp")["cloudStatus"]), (&"ready".into(), &Value::Null));
    let failures = doc["failures"].as_array().expect("a list");
    assert!(failures.iter().any(|it| it["region"] == "us-central1"), "{failures:#?}");
    for failure in failures {
        assert_eq!((&failure["provider"], &failure["error"]["id"]), (&"gcp".into(), &"KW-GCP-SERVER".into()));
    }
    // Up again it is as if nothing had been.
    let whole = home.rehearse(&["status", "--all", "-o", "json"]).expect(0).json();
    assert_eq!((&whole["complete"], whole["clusters"].as_array().map(Vec::len)), (&true.into(), Some(2)), "{whole:#}");
}

#[test]
fn what_has_no_counterpart_is_told_before_anything_is_asked() {
    let home = Home::new();
    for (cloud, line, words) in [
        ("gcp", "network: { nat: per-zone }", "has no counterpart on gcp"),
        ("azure", "network: { nat: per-zone }", "has no counterpart on azure"),
        ("gcp", "nodePools: [{ name: a, instanceTypes: [e2-medium, e2-small] }]", "one machine type"),
        ("azure", "aws: { addons: [vpc-cni] }", "has no counterpart on azure"),
        ("aws", "gcp: { regional: true }", "has no counterpart on aws"),
        ("gcp", "region: eastus", "is not a Google Cloud region"),
        ("azure", "nodePools: [{ name: a, instanceType: m6a.large }]", "write it as in `Standard_D2as_v5`"),
    ] {
        home.write(
            "c.yaml",
            &format!("apiVersion: kubewright/v1\nkind: Cluster\nname: demo\nprovider: {cloud}\n{line}\n"),
        );
        let said = home.rehearse(&["provision", "-f", "c.yaml", "--dry-run"]).expect(2);
        assert!(said.err.contains(words), "{cloud} {line}: {}", said.err);
    }
}

#[test]
fn another_project_or_subscription_is_refused() {
    let home = Home::new();
    for (cloud, pin) in [("gcp", "somebody-elses"), ("azure", "11111111-2222-3333-4444-555555555555")] {
        let text = file("demo", cloud) + &format!("account: {pin}\n");
        home.write("c.yaml", &text);
        let said = home.rehearse(&["provision", "-f", "c.yaml", "--yes"]).expect(3);
        assert!(said.err.contains(pin) && said.err.contains("nothing was done"), "{}", said.err);
    }
}

#[test]
fn several_clouds_in_sight_are_listed_and_none_is_guessed() {
    let home = Home::new();
    let said = home.rehearse(&["provision", "demo", "--yes"]).expect(2);
    assert!(said.err.contains("which cloud?"), "{}", said.err);
    for cloud in CLOUDS {
        assert!(said.err.contains(&format!("{cloud}: credentials found")), "{}", said.err);
    }
}
