//! The command itself: what it prints, what it says beside, what it refuses; and the sandbox's own way to be told.

use crate::support::Home;
use serde_json::Value;

const PLACE: [&str; 5] = ["policy", "demo", "--provider", "aws", "--region=us-east-1"];

#[test]
fn it_needs_no_credentials_and_says_what_stays_wide() {
    let said = Home::new().run(&PLACE).expect(0);
    let documents: Vec<Value> =
        serde_json::Deserializer::from_str(&said.out).into_iter().collect::<Result<_, _>>().unwrap();
    assert!((1..=3).contains(&documents.len()), "{}", documents.len());
    for document in &documents {
        assert_eq!(document["Version"], "2012-10-17");
    }
    for note in ["AWS knows no resources for them", "demo-????????", "--account ID", "can be left out"] {
        assert!(said.err.contains(note), "{note}: {}", said.err);
    }
    let names = Home::new().run(&[&PLACE[..], &["-o", "name", "-q"]].concat()).expect(0);
    assert!(names.err.is_empty() && names.out.lines().any(|it| it == "iam:PassRole"), "{}{}", names.err, names.out);
    let mut sorted: Vec<&str> = names.out.lines().collect();
    sorted.dedup();
    assert_eq!(sorted.len(), names.out.lines().count(), "each once");
}

#[test]
fn the_document_holds_all_of_it() {
    let doc = Home::new().run(&[&PLACE[..], &["--for", "destroy", "-o", "json"]].concat()).expect(0).json();
    assert_eq!((&doc["schema"], &doc["purpose"]), (&"kubewright.policy/v1".into(), &"destroy".into()));
    assert_eq!((&doc["stack"]["name"], &doc["stack"]["id"]), (&"demo".into(), &Value::Null));
    assert_eq!((&doc["stack"]["region"], &doc["error"]), (&"us-east-1".into(), &Value::Null));
    let actions = doc["actions"].to_string();
    assert!(actions.contains("ec2:DeleteVpc") && !actions.contains("ec2:CreateVpc"), "{actions}");
    for policy in doc["policies"].as_array().unwrap() {
        assert!(policy["characters"].as_u64().unwrap() <= 6_144 && policy["name"].is_string());
    }
    assert!(!doc["wide"].as_array().unwrap().is_empty());
}

#[test]
fn the_files_account_is_meant_and_a_region_must_be_known() {
    let home = Home::new();
    home.write(
        "cluster.yaml",
        "apiVersion: kubewright/v1\nkind: Cluster\nname: demo\nprovider: aws\naccount: \"210987654321\"\n",
    );
    let nowhere = home.run(&["policy"]).expect(2);
    assert!(nowhere.err.contains("which region?"), "{}", nowhere.err);
    let mut command = home.command();
    command.env("AWS_REGION", "eu-west-1").arg("policy");
    let said = crate::support::Said::of(&mut command).expect(0);
    assert!(said.out.contains("arn:aws:ec2:eu-west-1:210987654321:"), "{}", said.out);
    assert!(!said.err.contains("--account ID"), "{}", said.err);
    let narrowed = home.run(&["policy", "--region", "eu-west-1", "--account", "111122223333"]).expect(0);
    assert!(narrowed.out.contains(":111122223333:") && !narrowed.out.contains("210987654321"), "{}", narrowed.out);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let home = Home::new();
    for (words, code, why) in [
        (&["policy"][..], 2, "which cluster?"),
        (&["policy", "demo", "--region", "us-east-1"], 2, "which cloud?"),
        (&["policy", "demo", "--provider", "aws", "--region", "us-esat-1"], 2, "us-east-1"),
        (&["policy", "demo", "--provider", "aws", "--region", "us-east-1", "--account", "12"], 2, "12 digits"),
        (&["policy", "demo", "--provider", "aws", "--region", "us-east-1", "--for", "fun"], 2, "possible values"),
        (&["policy", "demo", "--provider", "aws", "--region", "us-east-1", "--set", "network.nta=none"], 2, "nat"),
        (&["policy", "demo", "--provider", "gcp", "--region", "us-east-1"], 2, "a region of aws"),
    ] {
        let said = home.run(words).expect(code);
        assert!(said.err.contains(why), "{words:?}: {}", said.err);
        assert!(said.out.is_empty(), "{words:?}: {}", said.out);
    }
}

#[test]
fn a_begun_stack_is_meant_as_it_is_recorded() {
    let home = Home::new();
    let words = ["provision", "demo", "--provider", "aws", "--region", "us-east-1", "--nat", "none"];
    home.rehearse(&[&words[..], &["--yes", "--wait", "cloud"]].concat()).expect(0);
    let said = home.rehearse(&["policy", "demo", "-o", "name"]).expect(0);
    assert!(said.out.contains("ec2:CreateVpc") && !said.out.contains("ec2:CreateNatGateway"), "{}", said.out);
}

#[test]
fn the_sandbox_is_told_by_flag_and_by_variable() {
    let home = Home::new();
    let place = ["--provider", "aws", "--region", "us-east-1"];
    home.write("one.json", &home.run(&PLACE).expect(0).out);
    home.run(&["sandbox", "reset", "--policy", "one.json"]).expect(0);
    home.rehearse(&[&["provision", "demo", "--yes", "--wait", "cloud"], &place[..]].concat()).expect(0);
    let other = home.rehearse(&[&["provision", "other", "--yes"], &place[..]].concat()).expect(3);
    assert!(other.err.contains("KW-AWS-DENIED") && other.err.contains("eks:DescribeCluster"), "{}", other.err);
    home.rehearse(&["destroy", "demo", "--confirm", "demo"]).expect(0);

    home.run(&["sandbox", "reset"]).expect(0);
    home.write(
        "none.json",
        r#"{"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}}"#,
    );
    let mut command = home.command();
    command.env("KUBEWRIGHT_SANDBOX_POLICY", "none.json").args(["--sandbox", "provision", "demo"]).args(place);
    let refused = crate::support::Said::of(&mut command).expect(3);
    assert!(refused.err.contains("is not allowed for these credentials"), "{}", refused.err);

    home.write("bad.json", r#"{"Statement": {"Effect": "Perhaps", "Action": "*", "Resource": "*"}}"#);
    for (file, why) in [("absent.json", "cannot read"), ("bad.json", "Syntax errors in policy")] {
        let said = home.run(&["sandbox", "reset", "--policy", file]).expect(2);
        assert!(said.err.contains("--policy") && said.err.contains(why), "{}", said.err);
    }
}
