//! `init` with nobody to ask: what it writes, what it refuses, and that the file and the command line are one plan.

use crate::support::{Home, Said};
use serde_json::Value;
use std::{os::unix::fs::symlink, process::Command};

const PLACE: [&str; 4] = ["--provider", "aws", "--region", "us-east-1"];

fn init(home: &Home, words: &[&str]) -> Said {
    home.rehearse(&[&["init"], &PLACE[..], words].concat())
}

/// What a shell makes of a command line that was shown.
fn pasted(home: &Home, command: &str) -> Said {
    let own = home.command();
    let line = command.replacen("kubewright", &own.get_program().to_string_lossy(), 1);
    let mut shell = Command::new("sh");
    shell.env_clear().current_dir(home.path()).arg("-c").arg(line);
    shell.envs(own.get_envs().filter_map(|(name, value)| Some((name, value?))));
    Said::of(&mut shell)
}

#[test]
fn the_file_and_the_command_line_are_one_plan() {
    let home = Home::new();
    let wishes: [&[&str]; 3] = [
        &[],
        &[
            "--name",
            "etl",
            "--zones",
            "us-east-1a,us-east-1c",
            "--nat",
            "none",
            "--ttl",
            "1d8h",
            "--set",
            "budget.hourlyUsd=3",
            "--set",
            "tags.team=red and blue",
            "--set",
            "protect=true",
        ],
        &[
            "--nodes",
            "3",
            "--node-type",
            "m6i.large",
            "--version",
            "1.36",
            "--api-allow",
            "203.0.113.0/24",
            "--network-cidr",
            "10.7.0.0/16",
            "--nat",
            "per-zone",
            "--zone-count",
            "3",
            "--pool",
            "name=work,type=m6a.xlarge,count=1,label.team=red",
        ],
    ];
    for (at, wish) in wishes.into_iter().enumerate() {
        let file = format!("c{at}.yaml");
        let doc = init(&home, &[&[file.as_str(), "--yes", "-o", "json"], wish].concat()).expect(0).json();
        assert_eq!((&doc["schema"], &doc["live"]), (&"kubewright.init/v1".into(), &true.into()));
        assert_eq!(doc["text"], std::fs::read_to_string(home.path().join(&file)).unwrap());
        let command = doc["command"].as_str().unwrap();
        let by_words = pasted(&home, &format!("{command} --dry-run -o json")).expect(0).json();
        let by_file = pasted(&home, &format!("{} --dry-run -o json", doc["next"].as_str().unwrap())).expect(0).json();
        assert_eq!(by_words["planHash"], by_file["planHash"], "{command}\n{}", doc["text"]);
        assert!(by_file["planHash"].as_str().is_some_and(|hash| hash.len() == 64));
        assert_eq!(doc["usdPerHour"], by_file["cost"]["totals"]["usdPerHour"]["desired"]);
        // The comment in the file says the same, for the time after the rehearsal.
        let comment = doc["text"].as_str().unwrap().lines().find(|line| line.contains("without this file")).unwrap();
        assert!(comment.ends_with(&command.replace("--sandbox ", "")), "{comment}");
    }
    let shown = home.run(&["sandbox", "show", "-o", "json"]).expect(0).json();
    assert_eq!(shown["requests"]["mutating"], 0, "nothing is made by asking");
}

#[test]
fn with_nobody_to_ask_everything_must_be_said() {
    let home = Home::new();
    let refused = home.rehearse(&["init", "-o", "json"]).expect(7).json();
    let message = refused["error"]["message"].as_str().unwrap();
    for flag in ["--provider", "--region", "--name", "--version", "--zone-count", "--node-type", "--nodes", "--nat"] {
        assert!(message.contains(flag), "{message}");
    }
    assert_eq!(refused["error"]["id"], "KW-ANSWER-MISSING");
    let partly = init(&home, &["--name", "demo", "--zones", "us-east-1a,us-east-1b"]).expect(7);
    assert!(partly.err.contains("not said: --version, --node-type, --nodes, --nat\n"), "{}", partly.err);
    assert!(!home.path().join("cluster.yaml").exists());
    let all = [
        "--name",
        "demo",
        "--version",
        "1.35",
        "--zone-count",
        "2",
        "--node-type",
        "m6a.large",
        "--nodes",
        "2",
        "--nat",
        "single",
    ];
    let said = init(&home, &all).expect(0);
    assert_eq!(said.out, "wrote cluster.yaml  demo  aws/us-east-1  $0.3338/h  SANDBOX\n");
    for part in ["total", "ready in about", "the same without a file:", "build it:    kubewright --sandbox provision"] {
        assert!(said.err.contains(part), "{part} in {}", said.err);
    }
    assert_eq!(init(&home, &["other.yaml", "--yes", "-o", "name"]).expect(0).out, "other.yaml\n");
}

#[test]
fn what_is_there_stays_unless_it_may_go() {
    let home = Home::new();
    home.write("cluster.yaml", "mine\n");
    let refused = init(&home, &["--yes", "-o", "json"]).expect(8).json();
    assert_eq!(refused["error"]["id"], "KW-FILE-EXISTS");
    let read = |name: &str| std::fs::read_to_string(home.path().join(name)).unwrap();
    assert_eq!(read("cluster.yaml"), "mine\n");
    // Somebody else's file behind a link is not ours to replace.
    home.write("theirs", "theirs\n");
    symlink(home.path().join("theirs"), home.path().join("link.yaml")).unwrap();
    symlink(home.path().join("nowhere"), home.path().join("dangling.yaml")).unwrap();
    for name in ["link.yaml", "dangling.yaml", "."] {
        let refused = init(&home, &[name, "--yes", "--force"]).expect(8);
        assert!(refused.err.contains("left alone"), "{}", refused.err);
    }
    assert_eq!(read("theirs"), "theirs\n");
    assert!(!home.path().join("nowhere").exists());
    let refused = init(&home, &["none/cluster.yaml", "--yes"]).expect(2);
    assert!(
        refused.err.contains("none/cluster.yaml") && refused.err.contains("nothing was written"),
        "{}",
        refused.err
    );
    init(&home, &["--yes", "--force"]).expect(0);
    assert!(read("cluster.yaml").contains("kind: Cluster"));
}

#[test]
fn bad_answers_in_flags_are_refused_and_nothing_is_written() {
    let home = Home::new();
    for (words, says) in [
        (&["--node-type", "banana"][..], "not an EC2 instance type"),
        (&["--node-type", "m6a.lagre"], "m6a.large"),
        (&["--zone-count", "1"], "at least 2 zones"),
        (&["--zones", "us-east-1a,us-east-1z"], "us-east-1z"),
        (&["--zones", "eu-west-1a,eu-west-1b"], "eu-west-1a"),
        (&["--version", "1.2.3"], "1.2.3"),
        (&["--version", "1.19"], "1.19"),
        (&["--nodes", "100000"], "100000"),
        (&["--set", "region=eu-west-1"], "--region"),
        (&["--set", "netwrok.nat=none"], "did you mean"),
        (&["--nat", "none", "--set", "network.nat=single"], "says otherwise"),
    ] {
        let refused = init(&home, &[&["--yes"], words].concat()).expect(2);
        assert!(refused.err.contains(says), "{words:?}: {}", refused.err);
    }
    let refused = home.rehearse(&["init", "--provider", "aws", "--region", "us-esat-1", "--yes"]).expect(2);
    assert!(refused.err.contains("did you mean `us-east-1`?"), "{}", refused.err);
    assert!(!home.path().join("cluster.yaml").exists());
}

#[test]
fn without_credentials_it_goes_on_from_what_it_knows() {
    let home = Home::new();
    let mut command = home.command();
    command.env("AWS_EC2_METADATA_DISABLED", "true").args(["init", "--yes", "-o", "json"]).args(PLACE);
    let said = Said::of(&mut command).expect(0);
    assert!(said.err.contains("aws was not asked") && said.err.contains("what this build knows"), "{}", said.err);
    let doc: Value = said.json();
    assert_eq!(
        (&doc["live"], &doc["usdPerHour"], &doc["stack"]["account"]),
        (&false.into(), &0.3338.into(), &Value::Null)
    );
    // What it wrote holds where the cloud is asked.
    home.rehearse(&["provision", "--dry-run"]).expect(0);
    // Of a region that is younger than this build it knows no price, and says so.
    let mut command = home.command();
    command.env("AWS_EC2_METADATA_DISABLED", "true").args([
        "init",
        "new.yaml",
        "--yes",
        "--provider",
        "aws",
        "-o",
        "json",
    ]);
    let doc = Said::of(command.args(["--region", "ap-east-9"])).expect(0).json();
    assert_eq!((&doc["usdPerHour"], &doc["eta"]), (&Value::Null, &Value::Null));
    // A region is not guessed where nobody sees it.
    let mut command = home.command();
    command.env("AWS_EC2_METADATA_DISABLED", "true").args(["init", "x.yaml", "--yes", "--provider", "aws"]);
    let refused = Said::of(&mut command).expect(7);
    assert!(refused.err.contains("--region"), "{}", refused.err);
}
