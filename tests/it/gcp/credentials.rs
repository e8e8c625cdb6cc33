//! Credentials that are missing, broken, expired or foreign: told before anything is sent that changes anything, never
//! shown.

use crate::support::{Said, served::Served};

const VERBS: [&[&str]; 3] = [
    &["provision", "demo", "--provider", "gcp", "--region", "us-central1", "--yes", "-o", "json"],
    &["kubeconfig", "demo", "--provider", "gcp", "--region", "us-central1", "-o", "json"],
    &["destroy", "demo", "--confirm", "demo", "--provider", "gcp", "--region", "us-central1", "-o", "json"],
];

fn told(said: &Said, ids: &[&str]) {
    assert_eq!(said.code, 3, "{}\n{}", said.out, said.err);
    let error = &said.json()["error"];
    assert!(ids.iter().any(|id| error["id"] == *id), "{ids:?}: {error:#}");
    assert!(!error["hints"].as_array().unwrap().is_empty(), "what to do: {error:#}");
}

#[test]
fn what_cannot_be_used_is_told_before_anything_is_made() {
    let clouds = Served::start("");
    let machine = clouds.machine("ana");
    let key: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(clouds.export("GOOGLE_APPLICATION_CREDENTIALS")).unwrap())
            .unwrap();
    let secret = key["private_key"].as_str().unwrap().lines().nth(1).unwrap().to_owned();
    let write = |name: &str, text: &str| {
        let path = machine.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let changed = |field: &str, value: serde_json::Value| {
        let mut key = key.clone();
        key[field] = value;
        key.to_string()
    };
    let cut: String = key["private_key"].as_str().unwrap().lines().take(4).collect::<Vec<_>>().join("\n");
    let files = [
        write("page.json", "<html>sign in</html>"),
        write("cut.json", &changed("private_key", cut.into())),
        write("stranger.json", &changed("client_email", "nobody@kubewright-sandbox.iam.gserviceaccount.com".into())),
        write("kind.json", &changed("type", "made_up".into())),
        machine.path().join("none.json").display().to_string(),
    ];
    for words in VERBS {
        for file in &files {
            let mut command = machine.command();
            command.env("GOOGLE_APPLICATION_CREDENTIALS", file);
            let said = Said::of(command.args(words));
            told(&said, &["KW-GCP-CREDENTIALS"]);
            for shown in [&said.out, &said.err] {
                assert!(!shown.contains(&secret), "{file}: {shown}");
            }
        }
    }
    assert_eq!(clouds.show()["requests"]["mutating"], 0);
}

#[test]
fn a_token_that_nobody_issued_is_refused() {
    let clouds = Served::start("");
    let machine = clouds.machine("ana");
    let token = machine.path().join("token");
    std::fs::write(&token, "ya29.made-up-by-somebody").unwrap();
    for words in VERBS {
        let mut command = machine.command();
        command.env_remove("GOOGLE_APPLICATION_CREDENTIALS").env("CLOUDSDK_AUTH_ACCESS_TOKEN_FILE", &token);
        let said = Said::of(command.args(words));
        told(&said, &["KW-GCP-CREDENTIALS", "KW-GCP-EXPIRED"]);
        assert!(!said.out.contains("ya29") && !said.err.contains("ya29"), "{}{}", said.out, said.err);
    }
    assert_eq!(clouds.show()["requests"]["mutating"], 0);
}

#[test]
fn kubectls_token_is_kept_for_the_next_call_and_for_the_same_question_only() {
    let clouds = Served::start("");
    let machine = clouds.machine("ana");
    machine.run(&[&["provision"], &VERBS[0][1..], &["--wait", "cloud"]].concat()).expect(0);
    let words = |project: &'static str| {
        ["token", "--cluster", "demo", "--region", "us-central1", "--account", project, "--provider", "gcp"]
    };
    let first = machine.run(&words("kubewright-sandbox")).expect(0).json();
    assert_eq!(first["kind"], "ExecCredential");
    let asked = || clouds.show()["requests"]["total"].as_u64().unwrap();
    let before = asked();
    let second = machine.run(&words("kubewright-sandbox")).expect(0).json();
    assert_eq!(first["status"]["token"], second["status"]["token"]);
    assert_eq!(asked(), before, "a kept token needs no call");
    let refused = machine.run(&words("no-such-project"));
    assert_eq!((refused.code, refused.out.is_empty()), (3, true), "{}", refused.err);
}

/// What CI and people have instead of a key: a user's own credentials, a pipeline's token, somebody to speak as.
#[test]
fn every_kind_of_credential_file_builds_lets_in_and_takes_down() {
    let clouds = Served::start("");
    let key = clouds.export("GOOGLE_APPLICATION_CREDENTIALS").to_owned();
    for kind in ["gcp-user.json", "gcp-federated.json", "gcp-impersonated.json"] {
        let machine = clouds.machine("ana");
        let file = key.replace("gcp-key.json", kind);
        let secrets: Vec<String> = ["refresh_token", "client_secret"]
            .iter()
            .filter_map(|field| {
                let file: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
                let of = if file["source_credentials"].is_object() { &file["source_credentials"] } else { &file };
                of[*field].as_str().map(str::to_owned)
            })
            .collect();
        let run = |words: &[&str]| {
            let mut command = machine.command();
            let said = Said::of(command.env("GOOGLE_APPLICATION_CREDENTIALS", &file).args(words)).expect(0);
            for secret in &secrets {
                assert!(!said.out.contains(secret) && !said.err.contains(secret), "{kind}: {}{}", said.out, said.err);
            }
            said
        };
        let made = run(&[&["provision"], &VERBS[0][1..], &["--wait", "cloud"]].concat()).json();
        assert_eq!(made["outcome"], "created", "{kind}: {made:#}");
        let token = ["token", "--cluster", "demo", "--region", "us-central1", "--account", "kubewright-sandbox"];
        let given = run(&[&token[..], &["--provider", "gcp"]].concat()).json();
        assert!(given["status"]["token"].as_str().unwrap().starts_with("ya29."), "{kind}");
        assert_eq!(run(VERBS[2]).json()["outcome"], "destroyed", "{kind}");
    }
    assert_eq!(clouds.show()["totals"]["objects"], 0);
}
