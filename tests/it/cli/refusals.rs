//! What is refused before any cloud is asked, with which exit code, in words and as a document.

use crate::support::Home;

#[test]
fn nothing_chooses_a_cloud() {
    let said = Home::new().run(&["provision", "demo"]).expect(2);
    insta::assert_snapshot!(said.err, @r"
    error[KW-USAGE]: which cloud? nothing chooses one for `demo`: no --provider, no cluster.yaml, no default
      aws: no credentials · gcp: no credentials · azure: no credentials
      hint: rehearse free and offline   kubewright --sandbox provision demo --provider aws --region us-east-1
      hint: price first, build nothing  kubewright provision demo --provider aws --region us-east-1 --dry-run
    ");
    assert_eq!(said.out, "");
}

#[test]
fn refusals_have_their_exit_codes() {
    let home = Home::new();
    let long = "a".repeat(101);
    for (code, words) in [
        (2, vec!["provision"]),
        (2, vec!["provision", "a", "--provider", "aws"]),
        (2, vec!["provision", &long, "--provider", "aws"]),
        (2, vec!["provision", "dé", "--provider", "aws"]),
        (2, vec!["provision", "demo", "--provider", "gcp", "--region", "eu-west-1"]),
        (2, vec!["provision", "demo", "--provider", "aws", "--region", "us-esat-1"]),
        (2, vec!["provision", "demo", "--provider", "aws", "--region", "eastus"]),
        (2, vec!["provision", "demo", "--provider", "aws", "--nodes", "0"]),
        (2, vec!["provision", "demo", "--provider", "aws", "--network-cidr", "10.0.0.0/30"]),
        (2, vec!["provision", "demo", "--provider", "aws", "--pool", "name=gpu,min=3,max=1"]),
        (2, vec!["provision", "demo", "-f", "missing.yaml"]),
        (2, vec!["provision", "demo", "--ttl", "8"]),
        (2, vec!["provision", "demo", "--max-hourly-cost", "NaN"]),
        (2, vec!["status", "--events", "-", "-o", "json"]),
        (2, vec!["status", "--state", "s3://bucket"]),
        (2, vec!["destroy", "demo", "--confirm", "dmeo"]),
        (2, vec!["upgrade", "demo"]),
        (4, vec!["status", "demo", "--local"]),
        (4, vec!["history", "demo"]),
        (4, vec!["protect", "demo", "on"]),
        (4, vec!["help", "KW-NOPE"]),
        (0, vec!["help", "KW-LOCKED"]),
        (0, vec!["help", "exit-codes"]),
        (0, vec!["status", "--local"]),
    ] {
        let said = home.run(&words).expect(code);
        assert!(code == 0 || said.err.starts_with("error[KW-"), "{words:?}: {}", said.err);
    }
    assert!(!home.path().join("kw").exists(), "a refusal left a trace");
}

#[test]
fn a_refusal_is_one_document_too() {
    let home = Home::new();
    for words in [["provision", "-o", "json"], ["nonsense", "-o", "json"], ["history", "-o", "json"]] {
        let doc = home.run(&words).expect(2).json();
        assert_eq!(doc["schema"], "kubewright.error/v1");
        assert_eq!(doc["error"]["id"], "KW-USAGE");
        assert_eq!(doc["error"]["exit"], 2);
        assert_eq!(doc["sandbox"], false);
    }
}

#[test]
fn a_spec_is_refused_with_all_its_problems() {
    let home = Home::new();
    home.write(
        "cluster.yaml",
        "apiVersion: kubewright/v1\nkind: Cluster\nname: demo\nprovider: aws\nregoin: us-east-1\nnetwork: { zoneCount: many, cidr: 10.0.0.0/8 }\n",
    );
    let said = home.run(&["provision"]).expect(2);
    assert!(said.err.starts_with("error[KW-SPEC]: "), "{}", said.err);
    assert!(said.err.contains("cluster.yaml:5:1: regoin: unknown key; did you mean `region`?"), "{}", said.err);
    assert!(said.err.contains("cluster.yaml:6:23: network.zoneCount"), "{}", said.err);
}

#[test]
fn a_home_that_cannot_be_written_is_named() {
    let home = Home::new();
    home.write("kw", "a file where a directory should be");
    let said = home.run(&["status", "--local"]).expect(8);
    assert!(said.err.contains("KW-STATE") && said.err.contains("KUBEWRIGHT_HOME"), "{}", said.err);
}

#[test]
fn exit_codes_are_listed() {
    insta::assert_snapshot!(Home::new().run(&["help", "exit-codes"]).expect(0).out, @r"
       0  done
       1  unexpected: a fault of kubewright
       2  usage, or an invalid spec
       3  credentials, permission, or the wrong account
       4  not found
       5  quota or capacity
       6  over a budget or a cost limit
       7  declined, or an answer is missing
       8  conflict: lock held, name taken, not ours, plan or spec changed, state unusable
       9  incomplete: something of ours remains in the cloud
      10  `--check` says no
      11  the cloud could not be reached, or the answer is partial
     124  timeout, with nothing left behind
     129  ended by SIGHUP
     130  ended by Ctrl-C (SIGINT)
     143  ended by SIGTERM
    ");
}
