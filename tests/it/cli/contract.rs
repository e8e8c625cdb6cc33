//! What scripts rely on: schemas, events that say how far it is, durations that learn.

use crate::support::{Home, Said, serving::Serving};
use serde_json::Value;
use std::path::Path;

const PLACE: [&str; 4] = ["--provider", "aws", "--region", "us-east-1"];

fn build(home: &Home, name: &str, more: &[&str]) -> Said {
    home.rehearse(&[&["provision", name, "--yes", "--wait", "cloud"][..], &PLACE, more].concat()).expect(0)
}

fn plan(home: &Home, name: &str) -> Value {
    home.rehearse(&[&["provision", name, "--dry-run", "-o", "json"][..], &PLACE].concat()).expect(0).json()
}

fn events(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn schemas_are_printed_and_listed() {
    let home = Home::new();
    let cluster = home.run(&["schema"]).expect(0).json();
    assert_eq!(cluster["title"], "kubewright cluster.yaml");
    assert_eq!(cluster["additionalProperties"], false);
    assert_eq!(home.run(&["schema", "cluster", "-o", "json"]).expect(0).json(), cluster);
    let list = home.run(&["schema", "list", "-o", "json"]).expect(0).json();
    for kind in list["kinds"].as_array().unwrap() {
        let kind = kind["kind"].as_str().unwrap();
        let schema = home.run(&["schema", kind]).expect(0).json();
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema", "{kind}");
    }
    assert!(home.run(&["schema", "list"]).expect(0).out.contains("kubewright.status/v1"));
    let yaml = home.run(&["schema", "event", "-o", "yaml"]).expect(0).out;
    assert!(yaml.contains("title: kubewright.event/v1"), "{yaml}");
    let refused = home.run(&["schema", "statsu", "-o", "json"]).expect(2);
    assert!(refused.json()["error"]["hints"].to_string().contains("status"), "{}", refused.out);
    assert!(!home.path().join("kw").exists(), "a schema leaves no trace");
}

#[test]
fn events_say_how_far_it_is_and_what_it_costs() {
    let home = Home::new();
    let _server = Serving::start(&home);
    build(&home, "demo", &["--events", "up.ndjson"]);
    let all = events(&home.path().join("up.ndjson"));
    let (last, lines) = all.split_last().unwrap();
    assert_eq!((&last["event"], &last["schema"]), (&"document".into(), &"kubewright.provision/v1".into()));
    let of_run: Vec<&Value> = lines.iter().filter(|line| !line["verb"].is_null()).collect();
    let percents: Vec<f64> = of_run.iter().map(|line| line["percent"].as_f64().unwrap()).collect();
    assert!(percents.windows(2).all(|pair| pair[0] <= pair[1]), "it never falls: {percents:?}");
    assert!(percents[0] < 5.0 && *percents.last().unwrap() == 100.0, "{percents:?}");
    let first = of_run[0];
    assert!(first["etaSeconds"].as_u64().unwrap() > 300, "{first:#}");
    assert!(first["etaP90Seconds"].as_u64() >= first["etaSeconds"].as_u64(), "{first:#}");
    assert_eq!((&first["usdPerHour"], &first["usdSoFar"]), (&Value::from(0.0), &Value::from(0.0)), "{first:#}");
    let end = of_run.last().unwrap();
    assert_eq!((&end["event"], &end["etaSeconds"]), (&"runEnded".into(), &0.into()));
    assert_eq!(end["usdPerHour"], last["usdPerHour"]);
    assert!(end["usdSoFar"].as_f64().unwrap() > 0.0, "{end:#}");
    let of_cluster = |phase: &str| of_run.iter().any(|line| line["step"] == "cluster" && line["phase"] == phase);
    for phase in ["intent", "acted", "waiting", "ready"] {
        assert!(of_cluster(phase), "{phase}");
    }
    assert!(of_run.iter().any(|line| line["cloudStatus"] == "CREATING"), "the cloud's own word");
    assert!(of_run.iter().all(|line| line["stack"]["name"] == "demo" && line["verb"] == "provision"));
    assert!(of_run.iter().filter(|line| line["step"] == "cluster").all(|line| line["kind"].is_string()));

    let down = ["destroy", "demo", "--confirm", "demo", "--events", "down.ndjson"];
    home.rehearse(&down).expect(0);
    let all = events(&home.path().join("down.ndjson"));
    let of_run: Vec<&Value> = all.iter().filter(|line| line["verb"] == "destroy").collect();
    let (first, end) = (of_run.first().unwrap(), of_run.last().unwrap());
    assert_eq!(first["usdPerHour"], last["usdPerHour"], "all of it stands");
    assert_eq!((&end["usdPerHour"], &end["percent"]), (&Value::from(0.0), &Value::from(100.0)), "{end:#}");
    assert!(end["usdSoFar"].as_f64().unwrap() > 0.0, "what stood while it went was paid for");
    assert!(of_run.iter().any(|line| line["phase"] == "deleted"));
}

#[test]
fn a_full_disk_for_events_is_one_warning() {
    let home = Home::new();
    let _server = Serving::start(&home);
    let said = build(&home, "demo", &["--events", "/dev/full"]);
    let warned = said.err.lines().filter(|line| line.contains("no more events are written")).count();
    assert_eq!(warned, 1, "{}", said.err);
}

#[test]
fn the_time_it_takes_is_learned_and_the_plan_stays_what_it_is() {
    let home = Home::new();
    let _server = Serving::start(&home);
    let durations = home.path().join("kw/sandbox/durations.json");
    let before = plan(&home, "next");
    assert_eq!(before["eta"]["basis"], "table");
    assert!(!durations.exists(), "a look leaves no trace");
    for name in ["one-a", "one-b"] {
        build(&home, name, &["-q"]);
        home.rehearse(&["destroy", name, "--confirm", name, "-q"]).expect(0);
    }
    let kept = std::fs::read_to_string(&durations).unwrap();
    let seen: Value = serde_json::from_str(&kept).unwrap();
    assert_eq!(seen["kinds"]["aws/eks-cluster"]["made"].as_array().map(Vec::len), Some(2), "{seen:#}");
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(std::fs::metadata(&durations).unwrap().permissions().mode() & 0o777, 0o600);

    // A machine whose control planes take an hour.
    let mut slow = seen.clone();
    slow["kinds"]["aws/eks-cluster"]["made"] = serde_json::json!([3600, 3600, 3600, 3600]);
    std::fs::write(&durations, slow.to_string()).unwrap();
    let after = plan(&home, "next");
    let secs = |doc: &Value| doc["eta"]["p50Seconds"].as_u64().unwrap();
    assert!(secs(&after) > secs(&before) + 1_500, "{} → {}", secs(&before), secs(&after));
    assert_eq!(after["eta"]["basis"], "history");
    assert_eq!(after["planHash"], before["planHash"], "what will be built is the same");

    // Damaged, of another version, or gone: made anew from the journals.
    for damage in ["{\"version\":1,\"kinds\":", "{\"version\":9,\"kinds\":{}}", "", "[]"] {
        std::fs::write(&durations, damage).unwrap();
        let again = plan(&home, "next");
        assert!(secs(&again) < secs(&before) + 600, "{damage}: {}", secs(&again));
        let rebuilt: Value = serde_json::from_str(&std::fs::read_to_string(&durations).unwrap()).unwrap();
        assert_eq!(rebuilt["kinds"]["aws/eks-cluster"], seen["kinds"]["aws/eks-cluster"], "{damage}");
    }
    std::fs::remove_file(&durations).unwrap();
    plan(&home, "next");
    assert!(durations.exists());
    // A new world has no past.
    home.run(&["sandbox", "reset"]).expect(0);
    assert!(!durations.exists());
}
