//! Streams that are closed, full or read no further: they end the talking, never the work.

use crate::support::{Home, serving::Serving};
use std::process::{Command, Stdio};

const BUILD: &str = "--sandbox provision demo --provider aws --region us-east-1 --yes --wait cloud";

/// The binary with the shell's redirections.
fn redirected(home: &Home, words: &str, redirections: &str) -> i32 {
    let binary = home.command().get_program().to_owned();
    let mut shell = Command::new("sh");
    shell.env_clear().current_dir(home.path());
    let command = home.command();
    shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell.args(["-c", &format!("exec \"$0\" {words} {redirections}")]).arg(binary);
    shell.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    shell.status().unwrap().code().unwrap_or(-1)
}

/// The binary with readers that go away at once.
fn unheard(home: &Home, words: &str) -> i32 {
    let mut command = home.command();
    command.args(words.split(' ')).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop((child.stdout.take(), child.stderr.take()));
    child.wait().unwrap().code().unwrap_or(-1)
}

fn objects(home: &Home) -> u64 {
    home.run(&["sandbox", "show", "-o", "json"]).expect(0).json()["totals"]["objects"].as_u64().unwrap()
}

#[test]
fn a_build_that_nobody_listens_to_is_built() {
    let home = Home::new();
    let _server = Serving::start(&home);
    assert_eq!(unheard(&home, BUILD), 0, "both readers went away");
    assert!(objects(&home) > 20);
    assert_eq!(unheard(&home, "--sandbox status demo -o json"), 0);
    assert_eq!(unheard(&home, "--sandbox status demo --events -"), 0);
    assert_eq!(redirected(&home, "--sandbox destroy demo --confirm demo", "<&- >&- 2>&-"), 0, "everything is closed");
    assert_eq!(objects(&home), 0);
}

#[test]
fn closed_and_full_streams_stop_nothing() {
    let home = Home::new();
    let _server = Serving::start(&home);
    assert_eq!(redirected(&home, BUILD, "--events - >&- 2>err"), 0, "stdout is closed");
    let told = std::fs::read_to_string(home.path().join("err")).unwrap();
    assert!(told.contains("ready"), "stderr is not: {told}");
    assert_eq!(redirected(&home, BUILD, "-o json >out 2>&-"), 0, "stderr is closed");
    let doc: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(home.path().join("out")).unwrap()).unwrap();
    assert_eq!(doc["outcome"], "unchanged", "the document goes to stdout and nothing else does");
    assert_eq!(redirected(&home, "--sandbox status demo", ">/dev/full 2>/dev/full"), 0);
    let destroy = "--sandbox destroy demo --confirm demo";
    assert_eq!(redirected(&home, destroy, "--events /dev/full >/dev/full 2>/dev/full"), 0, "no space anywhere");
    assert_eq!(objects(&home), 0);
    // Nothing of the talk went into a file that happened to get the number of a closed stream.
    let journal = std::fs::read_dir(home.path().join("kw/sandbox/stacks")).unwrap();
    let journals = journal.map(|entry| entry.unwrap().path()).filter(|path| path.extension().unwrap() == "jsonl");
    for journal in journals {
        for line in std::fs::read_to_string(journal).unwrap().lines() {
            assert!(line.starts_with("{\"v\":1,"), "{line}");
        }
    }
}

#[test]
fn without_a_terminal_the_missing_answer_is_named() {
    let home = Home::new();
    let _server = Serving::start(&home);
    let unasked = |words: &str, redirections: &str, flag: &str| {
        let redirections = format!("{redirections} 2>err");
        assert_eq!(redirected(&home, words, &redirections), 7, "{words} {redirections}");
        let told = std::fs::read_to_string(home.path().join("err")).unwrap();
        assert!(told.contains("KW-ANSWER-MISSING") && told.contains(flag), "{told}");
    };
    let build = BUILD.replace(" --yes", "");
    for stdin in ["</dev/null", "<&-", "<cluster.yaml"] {
        home.write("cluster.yaml", "y\ny\ndemo\n");
        unasked(&build, stdin, "--yes");
    }
    assert!(!home.path().join("kw/sandbox/stacks").exists(), "an unanswered question leaves nothing");
    assert_eq!(redirected(&home, BUILD, ""), 0);
    let before = objects(&home);
    unasked("--sandbox destroy demo", "</dev/null", "--confirm demo");
    unasked("--sandbox destroy demo --yes", "<&-", "--confirm demo");
    unasked("--sandbox destroy demo --no-input", "<cluster.yaml", "--confirm demo");
    assert_eq!(objects(&home), before);
}
