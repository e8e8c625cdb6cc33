//! `init` as a person meets it: Enter all the way, bad answers, Ctrl-C at each question, a narrow terminal.

use super::pty::Pty;
use crate::lives::rig::World;

/// Every question, in its order.
const QUESTIONS: [&str; 11] = [
    "Cloud [aws]",
    "Region [us-east-1]",
    "Name [demo]",
    "Kubernetes version [1.35]",
    "Zones, how many or which [2]",
    "Machine type [m6a.large]",
    "Nodes [2]",
    "NAT gateway [single]",
    "Life time, 8h or 2d [none]",
    "Budget, USD an hour [none]",
    "Write cluster.yaml [yes]",
];

fn begin(world: &World, words: &[&str], columns: usize) -> Pty {
    let mut command = world.command();
    command.arg("init").args(words);
    Pty::spawn(command, columns)
}

#[test]
fn enter_all_the_way_makes_a_cheap_cluster_that_works() {
    for columns in [100, 40] {
        let world = World::new();
        let mut pty = begin(&world, &[], columns);
        for question in QUESTIONS {
            pty.expect(question);
            pty.send("\r");
        }
        let ended = pty.end().expect(0);
        assert!(ended.flat().contains("wrote cluster.yaml  demo  aws/us-east-1"), "{}", ended.text);
        let said = ended.raw.replace("\r\n    ", " ");
        for part in [
            "supported until 2027-03-27",
            "us-east-1a us-east-1b",
            "N. Virginia",
            "$0.0864/h",
            "0.3338",
            "kubewright --sandbox provision demo --provider aws --region us-east-1 --version 1.35",
        ] {
            assert!(said.contains(part), "{columns} columns: `{part}` in\n{}", ended.text);
        }
        // A narrow terminal gets the columns that fit, each row in one line.
        assert_eq!(ended.text.contains("$/month"), columns == 100, "{}", ended.text);
        assert!(ended.text.lines().any(|line| line.starts_with("total") && line.contains("0.3338")), "{}", ended.text);
        let planned = world.go(&["provision", "--dry-run", "-o", "json"]).expect(0).json();
        assert_eq!(planned["cost"]["totals"]["usdPerHour"]["desired"], 0.3338);
        assert_eq!(world.show().requests.mutating, 0);
    }
}

#[test]
fn ctrl_c_at_each_question_leaves_nothing() {
    let world = World::new();
    let file = world.home.path().join("cluster.yaml");
    for (at, last) in QUESTIONS.iter().enumerate() {
        let mut pty = begin(&world, &[], 80);
        for question in &QUESTIONS[..at] {
            pty.expect(question);
            pty.send("\r");
        }
        pty.expect(last);
        pty.send("\u{3}");
        let ended = pty.end().expect(130);
        assert!(ended.flat().contains("Ctrl-C ended the command; nothing was changed"), "{last}: {}", ended.text);
        let count = |code: &str| ended.raw.matches(code).count();
        assert_eq!(count("\u{1b}[?25l"), count("\u{1b}[?25h"), "{last}: the cursor is as it was");
        assert!(!file.exists(), "{last}");
    }
    // The end of the input is a no.
    for (at, last) in [(0, QUESTIONS[0]), (10, QUESTIONS[10])] {
        let mut pty = begin(&world, &[], 80);
        for question in &QUESTIONS[..at] {
            pty.expect(question);
            pty.send("\r");
        }
        pty.expect(last);
        pty.send("\u{4}");
        let ended = pty.end().expect(7);
        assert!(ended.flat().contains("declined; nothing was written"), "{}", ended.text);
        assert!(!file.exists());
    }
    let left: Vec<_> = std::fs::read_dir(world.home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().starts_with(".kubewright-")), "{left:?}");
}

#[test]
fn bad_answers_are_told_at_once_and_good_ones_are_kept() {
    let world = World::new();
    let mut pty = begin(&world, &[], 100);
    // What is answered, what is said to that; what is good has nothing said to it.
    for (question, answers) in [
        (QUESTIONS[0], &[("gce", "no provider `gce`"), ("1", "")][..]),
        (QUESTIONS[1], &[("mars", "no aws region `mars`"), ("us-", "us-west-2"), ("ohio", "")]),
        (QUESTIONS[2], &[("Demo_1", "only a-z"), ("x", "at least 2 characters"), ("etl", "")]),
        (QUESTIONS[3], &[("1.19", "does not offer 1.19"), ("latest", "not a Kubernetes minor version"), ("1", "")]),
        (QUESTIONS[4], &[("9", "has 3 zones"), ("1", "at least 2 zones"), ("a,z", "no zone z"), ("a b", "")]),
        (QUESTIONS[5], &[("banana", "has no banana"), ("m6a.", "m6a.xlarge"), ("m6i.large", "")]),
        (QUESTIONS[6], &[("many", "not a number of nodes"), ("-1", "not a number"), ("100000", "100000"), ("3", "")]),
        (QUESTIONS[7], &[("maybe", "not one of single, per-zone, none"), ("3", "")]),
        (QUESTIONS[8], &[("5", "not a span"), ("8h", "")]),
        (QUESTIONS[9], &[("much", "not an amount"), ("0.01", "less than it costs"), ("$3", "")]),
        (QUESTIONS[10], &[("perhaps", "yes or no"), ("y", "")]),
    ] {
        let question = question.split(" [").next().unwrap();
        let mut asked = pty.raw.matches(question).count();
        for (answer, said) in answers {
            while pty.raw.matches(question).count() == asked {
                pty.expect_more();
            }
            asked = pty.raw.matches(question).count();
            let before = pty.raw.len();
            pty.send(&format!("{answer}\r"));
            while !said.is_empty() && !pty.raw[before..].replace("\r\n    ", " ").contains(said) {
                pty.expect_more();
            }
        }
    }
    let ended = pty.end().expect(0);
    assert!(ended.text.contains("wrote cluster.yaml  etl  aws/us-east-2"), "{}", ended.text);
    let text = std::fs::read_to_string(world.home.path().join("cluster.yaml")).unwrap();
    for line in [
        "name: etl",
        "region: us-east-2",
        "version: '1.36'",
        "ttl: 8h",
        "hourlyUsd: 3.0",
        "- us-east-2b",
        "nat: none",
        "instanceType: m6i.large",
        "count: 3",
    ] {
        assert!(text.contains(line), "`{line}` in\n{text}");
    }
}

#[test]
fn flags_are_not_asked_again_and_a_standing_name_is_refused() {
    let world = World::new();
    world.build(&["demo"]);
    let mut pty = begin(&world, &["--nodes", "3", "--ttl", "8h", "--nat", "none", "--version", "1.35"], 100);
    pty.expect("Cloud");
    pty.send("\r");
    pty.expect("Region");
    pty.send("\r");
    pty.expect("Name [demo2]");
    pty.send("demo\r");
    pty.expect("stands already");
    pty.send("\r");
    for question in [QUESTIONS[4], QUESTIONS[5], QUESTIONS[9], QUESTIONS[10]] {
        pty.expect(question);
        pty.send("\r");
    }
    let ended = pty.end().expect(0);
    for never in ["Kubernetes version [", "Nodes [", "NAT gateway [", "Life time"] {
        assert!(!ended.raw.contains(never), "{never} was asked:\n{}", ended.text);
    }
    assert!(ended.text.contains("wrote cluster.yaml  demo2"), "{}", ended.text);
    world.destroy("demo");
}
