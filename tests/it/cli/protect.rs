//! `protect`, seen from two machines: what one says counts on the other, and a word half spoken is no word.

use crate::support::served::{Machine, Served};

const BUILD: [&str; 8] = ["provision", "demo", "--provider", "aws", "--wait", "cloud", "--yes", "-o"];

fn build(machine: &Machine, more: &[&str], code: i32) {
    let words: Vec<&str> = BUILD.iter().copied().chain(["json"]).chain(more.iter().copied()).collect();
    machine.run(&words).expect(code);
}

fn switch(machine: &Machine, word: &str) -> (bool, u64) {
    let doc = machine.run(&["protect", "demo", word, "-o", "json"]).expect(0).json();
    assert_eq!(doc["protect"], word == "on");
    (doc["changed"].as_bool().unwrap(), doc["mutatingCalls"].as_u64().unwrap())
}

fn mutating(served: &Served) -> u64 {
    served.show()["requests"]["mutating"].as_u64().unwrap()
}

#[test]
fn what_one_machine_says_counts_on_every_other() {
    let served = Served::start("");
    let (ana, bob) = (served.aws_machine("ana"), served.aws_machine("bob"));
    build(&ana, &[], 0);
    let before = mutating(&served);
    let (changed, calls) = switch(&ana, "on");
    assert!(changed && calls > 0);
    assert_eq!(mutating(&served) - before, calls, "engine and sandbox count alike");
    let said = served.tag("kubewright-protect");
    assert!(said.len() > 15 && said.iter().all(|value| value == "true"), "{said:?}");
    assert_eq!(switch(&ana, "on"), (false, 0), "said once, it is said");

    // The other machine knows it from the tags, and from the journal it makes of them.
    let refused = bob.run(&["destroy", "demo", "--from-tags", "--confirm", "demo"]).expect(8);
    assert!(refused.err.contains("KW-PROTECTED") && refused.err.contains("protect demo off"), "{}", refused.err);
    bob.run(&["recover", "demo"]).expect(0);
    let seen = bob.run(&["status", "demo", "--local", "-o", "json"]).expect(0).json();
    assert_eq!(seen["clusters"][0]["protect"], true);
    bob.run(&["destroy", "demo", "--confirm", "demo"]).expect(8);
    assert!(switch(&bob, "off").0);
    assert!(served.tag("kubewright-protect").iter().all(|value| value == "false"));

    // What was lifted elsewhere is still noted here, and what was turned on elsewhere is seen.
    ana.run(&["destroy", "demo", "--confirm", "demo"]).expect(8);
    assert_eq!(switch(&ana, "off"), (true, 0), "there is nothing left to change in the cloud");
    switch(&bob, "on");
    let seen = ana.run(&["status", "demo", "-o", "json"]).expect(0).json();
    assert_eq!(seen["clusters"][0]["protect"], true);
    let refused = ana.run(&["destroy", "demo", "--confirm", "demo"]).expect(8);
    assert!(refused.err.contains("KW-PROTECTED") && refused.err.contains("say so"), "{}", refused.err);
    assert!(switch(&ana, "off").0, "the journal here knew nothing of it, the cloud did");
    ana.run(&["destroy", "demo", "--confirm", "demo"]).expect(0);
    assert_eq!(served.show()["totals"]["objects"], 0);
}

#[test]
fn lifted_halfway_it_is_not_lifted() {
    // Neither the network nor the roles can be had: the build stays unfinished, and so does the lifting.
    let mut served = Served::start("ec2:CreateNatGateway=error-before,iam:TagRole=error-before");
    let (ana, bob) = (served.aws_machine("ana"), served.aws_machine("bob"));
    build(&ana, &["--set", "protect=true"], 9);
    let halfway = ana.run(&["protect", "demo", "off"]).expect(11);
    assert!(halfway.err.contains("counts as protected until"), "{}", halfway.err);
    let said = served.tag("kubewright-protect");
    assert!(said.iter().any(|value| value == "true") && said.iter().any(|value| value == "false"), "{said:?}");
    for (machine, words) in [
        (&ana, &["destroy", "demo", "--confirm", "demo"][..]),
        (&ana, &["destroy", "demo", "--from-tags", "--confirm", "demo"]),
        (&bob, &["destroy", "demo", "--from-tags", "--confirm", "demo"]),
    ] {
        assert!(machine.run(words).expect(8).err.contains("KW-PROTECTED"));
    }

    served.restart("");
    assert!(switch(&ana, "off").0);
    // What is made from now on does not bring it back.
    build(&ana, &[], 0);
    let said = served.tag("kubewright-protect");
    assert!(!said.is_empty() && said.iter().all(|value| value == "false"), "{said:?}");
    bob.run(&["destroy", "demo", "--from-tags", "--confirm", "demo"]).expect(0);
    assert_eq!(served.show()["totals"]["objects"], 0);
}

#[test]
fn without_the_cloud_nothing_is_noted() {
    let served = Served::start("");
    let ana = served.aws_machine("ana");
    build(&ana, &[], 0);
    let before = std::fs::read(ana.journal()).unwrap();
    let mut signed_out = ana.command();
    signed_out.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    let said = signed_out.args(["protect", "demo", "on"]).output().unwrap();
    assert_eq!(said.status.code(), Some(3), "{}", String::from_utf8_lossy(&said.stderr));
    assert_eq!(std::fs::read(ana.journal()).unwrap(), before);
    assert!(served.tag("kubewright-protect").is_empty());
}
