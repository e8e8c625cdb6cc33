//! Credentials that are missing, half, wrong or of another subscription or tenant: told before anything is sent that
//! changes anything, with the way out, and never shown.

use crate::support::{Said, served::Served};

const SECRET: &str = "sbx8Q~not.the.secret.of.anybody.0123456789";
const STRANGER: &str = "99999999-9999-4999-8999-999999999999";

fn told(said: &Said, id: &str, words: &str) {
    assert_eq!(said.code, 3, "{}\n{}", said.out, said.err);
    let error = &said.json()["error"];
    assert_eq!((&error["id"], &error["exit"]), (&id.into(), &3.into()), "{error:#}");
    assert!(error["message"].as_str().unwrap().contains(words), "{words}: {error:#}");
    assert!(!error["hints"].as_array().unwrap().is_empty(), "what to do: {error:#}");
    for shown in [&said.out, &said.err] {
        assert!(!shown.contains(SECRET), "{shown}");
    }
}

#[test]
fn credentials_that_cannot_be_used_are_told_before_anything_is_made() {
    let clouds = Served::start("");
    let machine = clouds.machine("ana");
    let place = ["--provider", "azure", "--region", "eastus", "-o", "json"];
    let verbs =
        [&["provision", "demo", "--yes"][..], &["kubeconfig", "demo"], &["destroy", "demo", "--confirm", "demo"]];
    let with = |words: &[&str], set: &[(&str, &str)], unset: &[&str]| {
        let mut command = machine.command();
        command.envs(set.iter().copied());
        for name in unset {
            command.env_remove(name);
        }
        Said::of(command.args(words).args(place))
    };
    for words in verbs {
        told(&with(words, &[("AZURE_CLIENT_SECRET", SECRET)], &[]), "KW-AZURE-CREDENTIALS", "AADSTS7000215");
        told(&with(words, &[], &["AZURE_CLIENT_ID"]), "KW-AZURE-CREDENTIALS", "AZURE_CLIENT_ID");
        told(&with(words, &[("AZURE_TENANT_ID", STRANGER)], &[]), "KW-AZURE-CREDENTIALS", "AADSTS90002");
        told(&with(words, &[("AZURE_SUBSCRIPTION_ID", STRANGER)], &[]), "KW-AZURE-SUBSCRIPTION", STRANGER);
    }
    assert_eq!(clouds.show()["requests"]["mutating"], 0);
}

#[test]
fn a_subscription_that_is_not_seen_is_met_with_those_that_are() {
    let clouds = Served::start("");
    let machine = clouds.machine("ana");
    let words = ["provision", "demo", "--yes", "--provider", "azure", "--region", "eastus", "-o", "json"];
    let said = machine.run(&[&words[..], &["--subscription", STRANGER]].concat());
    told(&said, "KW-AZURE-SUBSCRIPTION", STRANGER);
    let hints = said.json()["error"]["hints"].to_string();
    assert!(hints.contains("--subscription 5a4d0000-0000-4000-8000-000000000001"), "{hints}");
}

#[test]
fn a_token_is_for_the_subscription_that_was_pinned_and_no_other() {
    let clouds = Served::start("");
    let machine = clouds.machine("ana");
    let words = |subscription: &'static str| {
        ["token", "--cluster", "demo", "--region", "eastus", "--subscription", subscription, "--provider", "azure"]
    };
    for _ in 0..2 {
        let refused = machine.run(&words(STRANGER)).expect(3);
        assert!(refused.out.is_empty() && refused.err.contains(STRANGER), "{}{}", refused.out, refused.err);
    }
    let own = "5a4d0000-0000-4000-8000-000000000001";
    let given = machine.run(&words(own)).expect(0).json();
    assert_eq!(given["kind"], "ExecCredential");
    let token = given["status"]["token"].as_str().unwrap();
    assert_eq!(token.matches('.').count(), 2, "Entra's own token");
    // Kept, and handed out again without a call.
    let before = clouds.show()["requests"]["total"].clone();
    assert_eq!(machine.run(&words(own)).expect(0).json()["status"]["token"], token);
    assert_eq!(clouds.show()["requests"]["total"], before);
}

/// What CI has instead of a secret: a certificate, or a token of its own.
#[test]
fn a_certificate_or_a_federated_token_builds_lets_in_and_takes_down() {
    let clouds = Served::start("");
    let dir = std::path::Path::new(clouds.export("GOOGLE_APPLICATION_CREDENTIALS")).parent().unwrap().to_owned();
    let place = ["--provider", "azure", "--region", "eastus", "-o", "json"];
    let ways = [
        ("AZURE_CLIENT_CERTIFICATE_PATH", "azure-client.pem"),
        ("AZURE_FEDERATED_TOKEN_FILE", "azure-federated-token"),
    ];
    for (variable, file) in ways {
        let machine = clouds.machine("ana");
        let run = |words: &[&str]| {
            let mut command = machine.command();
            command.env_remove("AZURE_CLIENT_SECRET").env(variable, dir.join(file));
            // As clusters hand it to their workloads: with a slash at the end.
            command.env("AZURE_AUTHORITY_HOST", format!("{}/", clouds.export("AZURE_AUTHORITY_HOST")));
            Said::of(command.args(words).args(place)).expect(0).json()
        };
        let made = run(&["provision", "demo", "--yes", "--wait", "cloud"]);
        assert_eq!(made["outcome"], "created", "{variable}: {made:#}");
        let mut command = machine.command();
        command.env_remove("AZURE_CLIENT_SECRET").env(variable, dir.join(file));
        let token = Said::of(command.args(["token", "--cluster", "demo", "--region", "eastus", "--provider", "azure"]));
        assert_eq!(token.expect(0).json()["kind"], "ExecCredential");
        assert_eq!(run(&["destroy", "demo", "--confirm", "demo"])["outcome"], "destroyed", "{variable}");
    }
    assert_eq!(clouds.show()["totals"]["objects"], 0);
}

#[test]
fn a_certificate_that_cannot_be_used_or_is_not_the_applications_is_told() {
    let clouds = Served::start("");
    let machine = clouds.machine("ana");
    let write = |name: &str, text: &[u8]| {
        let path = machine.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let key = std::fs::read_to_string(clouds.export("GOOGLE_APPLICATION_CREDENTIALS")).unwrap();
    let key: serde_json::Value = serde_json::from_str(&key).unwrap();
    let pair =
        rcgen::KeyPair::from_pkcs8_pem_and_sign_algo(key["private_key"].as_str().unwrap(), &rcgen::PKCS_RSA_SHA256);
    let pair = pair.unwrap();
    let mut params = rcgen::CertificateParams::default();
    params.distinguished_name.push(rcgen::DnType::CommonName, "nobody registered this");
    let other = format!("{}{}", pair.serialize_pem(), params.self_signed(&pair).unwrap().pem());
    let files = [
        (write("sp.pfx", &[0x30, 0x82, 0xff, 0xfe]), "AZURE_CLIENT_CERTIFICATE_PATH"),
        (write("page.pem", b"<html>"), "no private key"),
        (machine.path().join("none.pem"), "not there"),
        (write("other.pem", other.as_bytes()), "AADSTS700027"),
    ];
    for (file, why) in files {
        let mut command = machine.command();
        command.env_remove("AZURE_CLIENT_SECRET").env("AZURE_CLIENT_CERTIFICATE_PATH", &file);
        let words = ["provision", "demo", "--yes", "--provider", "azure", "--region", "eastus", "-o", "json"];
        let said = Said::of(command.args(words));
        told(&said, "KW-AZURE-CREDENTIALS", why);
        let body = other.lines().nth(1).unwrap();
        assert!(!said.out.contains(body) && !said.err.contains(body), "the key is never shown");
    }
    assert_eq!(clouds.show()["requests"]["mutating"], 0);
}
