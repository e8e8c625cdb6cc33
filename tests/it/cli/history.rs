//! `history`: who, what, when, how long and what it cost; and a chain that tells of every byte that was changed.

use crate::support::{Home, Said};
use serde_json::Value;
use std::path::PathBuf;

const BUILD: [&str; 8] = ["provision", "demo", "--yes", "--wait", "cloud", "--provider", "aws", "--region"];

fn build(home: &Home) -> Value {
    home.rehearse(&[&BUILD[..], &["us-east-1", "-o", "json"]].concat()).expect(0).json()
}

fn history(home: &Home, words: &[&str]) -> Said {
    home.rehearse(&[&["history", "demo"], words].concat())
}

fn journals(home: &Home) -> Vec<PathBuf> {
    let dir = std::fs::read_dir(home.path().join("kw/sandbox/stacks")).unwrap();
    dir.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|end| end == "jsonl")).collect()
}

#[test]
fn it_tells_who_what_when_how_long_and_what_it_cost() {
    let home = Home::new();
    let built = build(&home);
    let doc = history(&home, &["-o", "json"]).expect(0).json();
    let run = &doc["runs"][0];
    assert_eq!((&run["verb"], &run["outcome"], &run["user"]), (&"provision".into(), &"done".into(), &"ana".into()));
    assert_eq!(run["mutatingCalls"], built["mutatingCalls"]);
    // Journal and engine each round their own moments.
    let seconds = |doc: &Value| doc["seconds"].as_i64().unwrap();
    assert!((seconds(run) - seconds(&built)).abs() <= 1, "{run}");
    assert_eq!((&doc["standing"], &doc["usdPerHour"]), (&"ready".into(), &0.3338.into()));
    let accrued = doc["accruedUsd"].as_f64().unwrap();
    let status = home.rehearse(&["status", "demo", "--local", "-o", "json"]).expect(0).json();
    assert!((status["clusters"][0]["accruedUsd"].as_f64().unwrap() - accrued).abs() < 0.01);
    let events = doc["events"].as_array().unwrap();
    let ready = events.iter().find(|it| it["event"] == "ready" && it["step"] == "cluster").unwrap();
    assert!(ready["seconds"].as_u64().is_some_and(|secs| secs > 60) && ready["kind"] == "aws/eks-cluster", "{ready}");
    assert_eq!(doc["chain"]["events"], events.len());
    assert!(events.iter().all(|it| it["detail"]["plan"].is_null()), "plans would drown it");

    let table = history(&home, &[]).expect(0).out;
    for part in
        ["  ready  $0.3338/h  cost $", "provision by ana@", "kubewright 0.", "done after ", " mutating calls", "vpc-"]
    {
        assert!(table.contains(part), "`{part}` in\n{table}");
    }
    let wide: Vec<_> = table.lines().filter(|line| line.chars().count() > 80).collect();
    assert!(wide.is_empty(), "{wide:#?}");
    // A line for each step, though each has several events; every event with -v.
    let steps = built["resources"].as_array().unwrap().len();
    let rows = table.lines().filter(|line| line.contains("  ready    ") || line.contains("  adopted  ")).count();
    assert_eq!(rows, steps, "{table}");
    let all = history(&home, &["-v"]).expect(0).out;
    assert_eq!(all.lines().filter(|line| line.starts_with("  20")).count(), events.len() + 1, "{all}");

    // Parts of it.
    let id = run["id"].as_str().unwrap();
    for wanted in ["last", id, &id[..id.len() - 2]] {
        let part = history(&home, &["--run", wanted, "-o", "json"]).expect(0).json();
        assert_eq!(part["runs"].as_array().map(Vec::len), Some(1));
        assert!(part["events"].as_array().unwrap().iter().all(|it| it["run"] == run["id"]));
    }
    let none = history(&home, &["--run", "nope"]).expect(4);
    assert!(none.err.contains(id), "the runs there are: {}", none.err);
    let count = |words: &[&str]| {
        history(&home, &[words, &["-o", "json"]].concat()).expect(0).json()["events"].as_array().unwrap().len()
    };
    assert_eq!((count(&["--since", "2001-01-01"]), count(&["--since", "2199-01-01T08:00Z"])), (events.len(), 0));
    assert!(count(&["--since", "3650d"]) == events.len());
    history(&home, &["--since", "yesterday"]).expect(2);

    // Notes are part of the story.
    home.rehearse(&["protect", "demo", "on"]).expect(0);
    assert!(history(&home, &[]).expect(0).out.contains("protection on by ana@"));
}

#[test]
fn every_changed_byte_breaks_the_chain_and_its_line_is_named() {
    let home = Home::new();
    build(&home);
    let path = journals(&home).remove(0);
    let good = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = good.split_inclusive('\n').collect();
    let head = lines.last().unwrap().rsplit_once("\"hash\":\"").unwrap().1.trim_end().trim_end_matches("\"}");
    let said = history(&home, &["--verify"]).expect(0);
    assert!(said.out.ends_with(&format!(": {} events, chain intact, head {head}\n", lines.len())), "{}", said.out);
    let doc = history(&home, &["--verify", "-o", "json"]).expect(0).json();
    assert_eq!(
        (&doc["schema"], &doc["journals"][0]["chain"]["head"]),
        (&"kubewright.history-verify/v1".into(), &head.into())
    );
    assert_eq!(history(&home, &["-o", "json"]).expect(0).json()["chain"]["head"], head);

    // A kill while the last line was being written is no fault.
    std::fs::write(&path, format!("{good}{{\"v\":1,\"se")).unwrap();
    let torn = history(&home, &["--verify"]).expect(0);
    assert!(torn.out.contains("10 bytes of a torn last line") && torn.out.contains(head), "{}", torn.out);

    let broken = |text: String, line: u64| {
        std::fs::write(&path, text).unwrap();
        let said = history(&home, &["--verify", "-o", "json"]).expect(8);
        let doc = said.json();
        let journal = &doc["journals"][0];
        assert_eq!((&journal["intact"], &journal["line"]), (&false.into(), &line.into()), "{doc}");
        assert_eq!(doc["error"]["id"], "KW-JOURNAL");
        let table = history(&home, &["--verify"]).expect(8);
        assert!(table.out.contains(&format!("NOT INTACT, line {line}: ")), "{}", table.out);
        journal["why"].as_str().unwrap().to_owned()
    };
    // A byte here and there, of which JSON stays JSON.
    for at in [1, lines.len() / 2, lines.len() - 1] {
        let mut changed: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        changed[at] = changed[at].replacen("\"at\":\"2", "\"at\":\"1", 1);
        assert_ne!(changed[at], lines[at]);
        let why = broken(changed.concat(), at as u64 + 1);
        assert!(why.contains("does not match its hash"), "{why}");
    }
    let without: String = lines.iter().enumerate().filter(|(at, _)| *at != 4).map(|(_, line)| *line).collect();
    assert!(broken(without, 5).contains("does not follow"), "a line was taken out");
    let mut swapped = lines.clone();
    swapped.swap(6, 7);
    broken(swapped.concat(), 7);
    assert!(broken(good.replacen('\n', "\n\n", 1), 2).contains("not a journal line"));
    std::fs::write(&path, &good).unwrap();
    history(&home, &["--verify"]).expect(0);
}

#[test]
fn destroyed_stacks_and_their_namesakes_have_a_history_too() {
    let home = Home::new();
    build(&home);
    home.rehearse(&["destroy", "demo", "--confirm", "demo"]).expect(0);
    let gone = history(&home, &["-o", "json"]).expect(0).json();
    assert_eq!((&gone["standing"], &gone["usdPerHour"]), (&"destroyed".into(), &0.0.into()));
    assert!(gone["destroyedAt"].is_string() && gone["runs"].as_array().map(Vec::len) == Some(2), "{gone}");
    let cost = gone["accruedUsd"].as_f64().unwrap();
    assert!(cost > 0.0);
    let table = history(&home, &[]).expect(0).out;
    assert!(table.contains("destroy by ana@") && table.contains("  deleted  "), "{table}");
    let first = gone["stack"]["id"].as_str().unwrap().to_owned();

    build(&home);
    let now = history(&home, &["-o", "json"]).expect(0).json();
    let second = now["stack"]["id"].as_str().unwrap();
    assert_ne!(second, first);
    assert_eq!(now["otherStacks"], serde_json::json!([format!("demo-{first}")]));
    let all = history(&home, &["--all", "-o", "json"]).expect(0).json();
    assert_eq!((&all["stack"]["id"], &all["others"][0]["stack"]["id"]), (&second.into(), &first.as_str().into()));
    assert_eq!(all["others"][0]["accruedUsd"].as_f64(), Some(cost), "what is gone costs no more");
    let by_id = history(&home, &["--stack", &first, "-o", "json"]).expect(0).json();
    assert_eq!(by_id["standing"], "destroyed");
    assert!(history(&home, &[]).expect(0).out.contains(&format!("other stacks of this name: demo-{first}")));

    // Both are checked; one bad one does not hide the good one.
    assert_eq!(history(&home, &["--verify"]).expect(0).out.lines().count(), 2);
    let path = journals(&home).into_iter().find(|path| path.to_string_lossy().contains(&first)).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen("\"seq\":2", "\"seq\":3", 1)).unwrap();
    let said = history(&home, &["--verify"]).expect(8);
    assert!(
        said.out.contains("chain intact") && said.out.contains(&format!("demo-{first}: NOT INTACT")),
        "{}",
        said.out
    );
    history(&home, &["--verify", "--stack", second]).expect(0);
    let said = history(&home, &["--all", "-o", "json"]).expect(8).json();
    assert_eq!((&said["stack"]["id"], &said["error"]["id"]), (&second.into(), &"KW-JOURNAL".into()));
    home.rehearse(&["history", "nobody", "--verify"]).expect(4);
}
