//! The ways on that errors and documents name: they work where they are pasted, whatever is set for other commands.

use crate::support::{Home, Said};
use serde_json::Value;
use std::path::PathBuf;

const BUILD: [&str; 12] = [
    "provision",
    "demo",
    "--yes",
    "--provider",
    "aws",
    "--region",
    "us-east-1",
    "--wait",
    "cloud",
    "--pool",
    "name=work,type=m6a.large,count=1",
    "-q",
];

fn rehearse_with(home: &Home, variable: (&str, &str), words: &[&str]) -> Said {
    let mut command = home.command();
    command.env(variable.0, variable.1).arg("--sandbox").args(words);
    Said::of(&mut command)
}

fn objects(home: &Home) -> Value {
    home.run(&["sandbox", "show", "-o", "json"]).expect(0).json()["totals"]["objects"].clone()
}

fn journal(home: &Home) -> PathBuf {
    let dir = std::fs::read_dir(home.path().join("kw/sandbox/stacks")).unwrap();
    let mut found =
        dir.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|end| end == "jsonl"));
    found.next().expect("there is a journal")
}

/// What a kill in the middle of a rebuild leaves: the plan, the start, and the first thing that was found.
fn cut_short(home: &Home) {
    let path = journal(home);
    let text = std::fs::read_to_string(&path).unwrap();
    let kept: String = text.split_inclusive('\n').take(3).collect();
    assert!(kept.contains(r#""found":true"#) && kept.contains(r#""event":"adopted""#), "{kept}");
    std::fs::write(&path, kept).unwrap();
}

#[test]
fn what_is_set_for_other_commands_does_not_move_a_stack_that_is_begun() {
    let home = Home::new();
    home.rehearse(&BUILD).expect(0);
    let again = ["provision", "demo", "--wait", "cloud", "-o", "json"];
    for variable in [("KUBEWRIGHT_REGION", "eu-west-1"), ("KUBEWRIGHT_PROVIDER", "aws")] {
        let same = rehearse_with(&home, variable, &again).expect(0).json();
        assert_eq!((&same["outcome"], &same["mutatingCalls"]), (&"unchanged".into(), &0.into()), "{variable:?}");
    }
    let typed = home.rehearse(&["provision", "demo", "--region", "eu-west-1", "-o", "json"]).expect(8).json();
    assert_eq!(typed["error"]["id"], "KW-DAY2");
    // Flags may speak of what only the journal knows.
    let set = home.rehearse(&["provision", "demo", "--wait", "cloud", "--set", "nodePools.work.count=1", "-o", "json"]);
    assert_eq!(set.expect(0).json()["outcome"], "unchanged");
    let other = home.rehearse(&["provision", "demo", "--set", "nodePools.work.count=2"]).expect(8);
    assert!(other.err.contains("nodePools.work.count 1 -> 2"), "{}", other.err);

    // A rebuild of the lost journal that dies on its way doubles nothing: it can be repeated, and built upon.
    let before = objects(&home);
    std::fs::remove_file(journal(&home)).unwrap();
    home.rehearse(&["recover", "demo", "--provider", "aws", "--region", "us-east-1"]).expect(0);
    cut_short(&home);
    let repeated = home.rehearse(&["recover", "demo", "--provider", "aws", "--region", "us-east-1"]).expect(0);
    assert!(repeated.err.contains("it begins again"), "{}", repeated.err);
    cut_short(&home);
    let built_upon = home.rehearse(&["provision", "demo", "--yes", "--wait", "cloud", "-o", "json"]).expect(0).json();
    assert_eq!((&built_upon["outcome"], &built_upon["audit"]["clean"]), (&"resumed".into(), &true.into()));
    assert_eq!(objects(&home), before, "nothing was made twice");
    home.rehearse(&["destroy", "demo", "--confirm", "demo"]).expect(0);
    assert_eq!(objects(&home), 0);
}

#[test]
fn a_variable_chooses_the_format_of_early_errors_too() {
    let home = Home::new();
    let mut command = home.command();
    command.env("KUBEWRIGHT_OUTPUT", "json").env_remove("HOME").env_remove("KUBEWRIGHT_HOME").args(["status"]);
    let said = Said::of(&mut command).expect(8);
    assert_eq!(said.json()["error"]["id"], "KW-STATE");
}

#[test]
fn an_events_file_ends_with_the_document_even_where_nothing_began() {
    let home = Home::new();
    let file = home.path().join("kw.ndjson");
    home.run(&["history", "demo", "--events", file.to_str().unwrap()]).expect(4);
    let text = std::fs::read_to_string(file).unwrap();
    let last: Value = serde_json::from_str(text.lines().last().expect("a line")).unwrap();
    assert_eq!((&last["event"], &last["error"]["id"]), (&"document".into(), &"KW-NOTHING-RECORDED".into()));
}
