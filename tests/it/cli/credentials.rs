//! Credentials that are missing, half, wrong or of another account: told before anything is sent that changes anything,
//! never shown.

use crate::support::{Said, served::Served};

const SECRET: &str = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY00";

fn told(said: &Said, id: &str) {
    assert_eq!(said.code, 3, "{}\n{}", said.out, said.err);
    let error = &said.json()["error"];
    assert_eq!((&error["id"], &error["exit"]), (&id.into(), &3.into()), "{error:#}");
    assert!(!error["hints"].as_array().unwrap().is_empty(), "what to do: {error:#}");
    for shown in [&said.out, &said.err] {
        assert!(!shown.contains(SECRET), "{shown}");
    }
}

#[test]
fn keys_that_cannot_be_used_are_told_before_anything_is_made() {
    let clouds = Served::start("");
    let machine = clouds.aws_machine("ana");
    let verbs = [
        &["provision", "demo", "--provider", "aws", "--region", "us-east-1", "--yes", "-o", "json"][..],
        &["kubeconfig", "demo", "--provider", "aws", "--region", "us-east-1", "-o", "json"],
        &["destroy", "demo", "--confirm", "demo", "--provider", "aws", "--region", "us-east-1", "-o", "json"],
    ];
    let with = |words: &[&str], set: &[(&str, &str)], unset: &[&str]| {
        let mut command = machine.command();
        command.envs(set.iter().copied());
        for name in unset {
            command.env_remove(name);
        }
        Said::of(command.args(words))
    };
    for words in verbs {
        // None at all, a key without its secret, keys that nobody has, a secret that is not the key's.
        let both = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
        told(&with(words, &[], &both), "KW-AWS-CREDENTIALS");
        told(&with(words, &[], &both[1..]), "KW-AWS-CREDENTIALS");
        told(
            &with(words, &[("AWS_ACCESS_KEY_ID", "AKIASTRANGER00000000"), ("AWS_SECRET_ACCESS_KEY", SECRET)], &[]),
            "KW-AWS-CREDENTIALS",
        );
        told(&with(words, &[("AWS_SECRET_ACCESS_KEY", SECRET)], &[]), "KW-AWS-CREDENTIALS");
    }
    assert_eq!(clouds.show()["requests"]["mutating"], 0);
}

#[test]
fn a_token_is_never_made_with_the_keys_of_another_account() {
    let clouds = Served::start("");
    let machine = clouds.aws_machine("ana");
    let words = |account: &'static str| {
        ["token", "--cluster", "demo", "--region", "us-east-1", "--account", account, "--provider", "aws"]
    };
    // The second time the account of the keys is known, and nobody has to be asked.
    for _ in 0..2 {
        let refused = machine.run(&words("999999999999")).expect(3);
        assert!(refused.out.is_empty() && refused.err.contains("999999999999"), "{}{}", refused.out, refused.err);
    }
}
