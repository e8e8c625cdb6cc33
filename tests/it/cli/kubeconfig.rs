//! kubectl's files and kubectl's tokens: what others wrote survives everything, and what we hand out opens the door.

use crate::support::{Home, serving::Serving};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;
use std::process::{Command, Stdio};
use std::time::Duration;

const THEIRS: &str = "\
apiVersion: v1
kind: Config
clusters:
- {name: prod, cluster: {server: 'https://prod.example.com'}}   # theirs
users:
- name: me
  user: {token: theirs}
contexts:
- name: prod
  context: {cluster: prod, user: me}
current-context: prod
";

fn yaml(text: &str) -> Value {
    serde_yaml::from_str(text).unwrap()
}

fn contexts(text: &str) -> Vec<String> {
    let file = yaml(text);
    let list = file["contexts"].as_array().cloned().unwrap_or_default();
    list.iter().map(|it| it["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_context_comes_with_the_cluster_and_goes_with_it() {
    let home = Home::new();
    let built = home
        .rehearse(&["provision", "demo", "--provider", "aws", "--region", "us-east-1", "--yes", "-o", "json"])
        .expect(0)
        .json();
    assert_eq!(built["kubeconfig"]["context"], "demo");
    let path = built["kubeconfig"]["path"].as_str().unwrap().to_owned();
    assert!(path.starts_with(home.path().to_str().unwrap()), "the user's own is never touched by a rehearsal: {path}");
    let read = || std::fs::read_to_string(&path).unwrap();
    assert_eq!(yaml(&read())["current-context"], "demo", "there was none before");
    let again = home.rehearse(&["kubeconfig", "demo", "-o", "json"]).expect(0).json();
    assert_eq!((&again["action"], &again["switched"]), (&"unchanged".into(), &false.into()));

    // Another file, with somebody else's context in it.
    home.write("kc", THEIRS);
    let wrote = home.rehearse(&["kubeconfig", "demo", "--kubeconfig", "kc"]).expect(0);
    assert!(wrote.err.contains("was 1 context, now 2") && wrote.err.contains("unchanged: `prod`"), "{}", wrote.err);
    let kc = || std::fs::read_to_string(home.path().join("kc")).unwrap();
    for line in THEIRS.lines() {
        assert!(kc().lines().any(|it| it == line), "lost: {line}\n{}", kc());
    }
    let taken = home.rehearse(&["kubeconfig", "demo", "--kubeconfig", "kc", "--alias", "prod"]).expect(8);
    assert!(taken.err.contains("KW-NAME-TAKEN"), "{}", taken.err);
    home.rehearse(&["kubeconfig", "demo", "--kubeconfig", "kc", "--alias", "research", "--use"]).expect(0);
    assert_eq!(contexts(&kc()), ["prod", "research"]);
    assert_eq!(yaml(&kc())["current-context"], "research");

    opens_the_door(&home, &yaml(&kc()));

    let gone = home.rehearse(&["kubeconfig", "demo", "--kubeconfig", "kc", "--remove"]).expect(0);
    assert!(gone.err.contains("no context is current now"), "{}", gone.err);
    assert_eq!(contexts(&kc()), ["prod"]);
    home.rehearse(&["kubeconfig", "demo", "--kubeconfig", "kc", "--remove"]).expect(4);

    let alone = home.rehearse(&["kubeconfig", "demo", "--print"]).expect(0);
    assert_eq!(contexts(&alone.out), ["demo"]);
    for (name, text) in [("broken", "clusters: {"), ("twice", "contexts:\n- name: a\n- name: a\n")] {
        home.write(name, text);
        let refused = home.rehearse(&["kubeconfig", "demo", "--kubeconfig", name, "-o", "json"]).expect(8).json();
        assert_eq!(refused["error"]["id"], "KW-KUBECONFIG");
        assert_eq!(std::fs::read_to_string(home.path().join(name)).unwrap(), text);
    }
    home.rehearse(&["kubeconfig", "demo", "--kubeconfig", "."]).expect(8);
    takes_what_kubectl_takes_and_nothing_else(&home);

    home.rehearse(&["destroy", "demo", "--confirm", "demo"]).expect(0);
    assert_eq!(contexts(&read()), Vec::<String>::new(), "the context went with its cluster");
    home.rehearse(&["kubeconfig", "demo", "--provider", "aws", "--region", "us-east-1"]).expect(4);
}

/// Files of every kind: the good ones get the context, the others stay byte for byte.
fn takes_what_kubectl_takes_and_nothing_else(home: &Home) {
    let json = r#"{"apiVersion": "v1", "kind": "Config", "current-context": "prod",
        "clusters": [{"name": "prod", "cluster": {"server": "https://prod.example.com"}}],
        "users": [{"name": "me", "user": {"token": "theirs"}}],
        "contexts": [{"name": "prod", "context": {"cluster": "prod", "user": "me"}}]}"#;
    for (name, text, before) in [("empty", "", 0), ("blank", "\n# nothing yet\n", 0), ("json", json, 1)] {
        home.write(name, text);
        home.rehearse(&["kubeconfig", "demo", "--kubeconfig", name]).expect(0);
        let after = std::fs::read_to_string(home.path().join(name)).unwrap();
        assert_eq!(contexts(&after).len(), before + 1, "{name}: {after}");
        if before == 1 {
            assert_eq!(yaml(&after)["current-context"], "prod", "{after}");
            assert_eq!(yaml(&after)["users"][0]["user"]["token"], "theirs", "{after}");
        }
    }
    let huge = format!("# {}\n", "x".repeat(20 << 20));
    for (name, text) in [("huge", huge.as_str()), ("list", "- a\n- b\n"), ("word", "prod\n"), ("tab", "a:\n\t- b\n")] {
        home.write(name, text);
        let refused = home.rehearse(&["kubeconfig", "demo", "--kubeconfig", name, "-o", "json"]).expect(8).json();
        assert_eq!(refused["error"]["id"], "KW-KUBECONFIG", "{name}: {refused:#}");
        assert!(refused["error"]["message"].as_str().unwrap().contains(name), "{refused:#}");
        assert!(std::fs::read_to_string(home.path().join(name)).unwrap() == text, "{name} was changed");
    }
    // Places where nothing can be put: below a file, and where the system lets nobody.
    for place in ["json/kc", "/proc/kubewright/kc"] {
        let refused = home.rehearse(&["kubeconfig", "demo", "--kubeconfig", place, "-o", "json"]).expect(8).json();
        assert_eq!(refused["error"]["id"], "KW-KUBECONFIG", "{place}: {refused:#}");
        assert!(refused["error"]["hints"].to_string().contains("--print"), "{refused:#}");
    }
}

/// The plugin named in the kubeconfig is called as kubectl calls it, and its token asked for the nodes.
fn opens_the_door(home: &Home, kubeconfig: &Value) {
    let server = Serving::start(home);
    let exec = &kubeconfig["users"][1]["user"]["exec"];
    let args: Vec<&str> = exec["args"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    let call = |more: &[(&str, &str)]| {
        let mut command = Command::new(exec["command"].as_str().unwrap());
        command.args(&args).env_clear().env("HOME", home.path()).env("KUBEWRIGHT_HOME", home.path().join("plugin"));
        command.envs(&server.env).envs(more.iter().copied());
        let output = command.stdin(Stdio::null()).output().unwrap();
        (
            output.status.code().unwrap_or(-1),
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let (code, first, err) = call(&[]);
    assert_eq!(code, 0, "{err}");
    let answer: Value = serde_json::from_str(&first).expect("exactly one object");
    assert_eq!(answer["kind"], "ExecCredential");
    let token = answer["status"]["token"].as_str().unwrap().to_owned();
    // Whose keys these are is known now: no endpoint is needed any more.
    let (code, offline, err) = call(&[("AWS_ENDPOINT_URL", "http://127.0.0.1:1")]);
    assert_eq!(code, 0, "{err}");
    assert!(offline.contains("k8s-aws-v1."));
    let strangers = call(&[("AWS_ACCESS_KEY_ID", "AKIASTRANGER00000000")]);
    assert_eq!(strangers.0, 3, "{}", strangers.2);
    assert!(!strangers.1.contains("token"), "nothing is handed out on failure");

    let cluster = &kubeconfig["clusters"][1]["cluster"];
    let ca = STANDARD.decode(cluster["certificate-authority-data"].as_str().unwrap()).unwrap();
    let client = reqwest::Client::builder()
        .tls_certs_only([reqwest::Certificate::from_pem(&ca).unwrap()])
        .no_proxy()
        .build()
        .unwrap();
    let nodes = format!("{}/api/v1/nodes", cluster["server"].as_str().unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let ask = |token: &str| runtime.block_on(client.get(&nodes).bearer_auth(token).send()).unwrap();
    let list: Value = runtime.block_on(ask(&token).json()).unwrap();
    assert_eq!(list["items"].as_array().unwrap().len(), 2, "{list:#}");
    assert_eq!(ask("k8s-aws-v1.bm9uc2Vuc2U").status(), 401);
}

#[test]
fn a_kill_at_any_instant_and_writers_at_once_damage_nothing() {
    let home = Home::new();
    home.rehearse(&["provision", "demo", "--provider", "aws", "--region", "us-east-1", "--yes", "--wait", "cloud"])
        .expect(0);
    // A server that outlives the writers: one that a command starts for itself ends with it.
    let _server = Serving::start(&home);
    home.write("kc", THEIRS);
    let spawn = |alias: &str| {
        let mut command = home.command();
        command.args(["--sandbox", "kubeconfig", "demo", "--kubeconfig", "kc", "--alias", alias]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let whole = |text: &str| {
        let file = yaml(text);
        assert_eq!(file["current-context"], "prod", "{text}");
        assert_eq!(file["clusters"][0]["cluster"]["server"], "https://prod.example.com", "{text}");
        assert_eq!(contexts(text)[0], "prod", "{text}");
        contexts(text).len()
    };
    let mut written = 0;
    for nth in 0..12u64 {
        let mut child = spawn(&format!("kw-{nth}"));
        std::thread::sleep(Duration::from_millis(40 * nth));
        child.kill().unwrap();
        child.wait().unwrap();
        written = written.max(whole(&std::fs::read_to_string(home.path().join("kc")).unwrap()));
    }
    let writers: Vec<_> = (0..3).map(|nth| spawn(&format!("at-once-{nth}"))).collect();
    for writer in writers {
        let output = writer.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let text = std::fs::read_to_string(home.path().join("kc")).unwrap();
    assert_eq!(whole(&text), 2, "one context of ours, whoever came last: {text}");
    assert!(!home.path().join("kc.lock").exists(), "no lock stays behind");
    home.rehearse(&["destroy", "demo", "--confirm", "demo"]).expect(0);
}
