//! Whatever is not ours stays as it was.

use super::*;
use proptest::prelude::*;

fn entry(cluster: &str, context: &str) -> Entry {
    Entry {
        mark: mark_of("aws", "123456789012", "us-east-1", cluster),
        context: context.to_owned(),
        server: "https://ABC.gr7.us-east-1.eks.amazonaws.com".to_owned(),
        ca_pem: Some("-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n".to_owned()),
        login: Login::Exec(ExecCommand {
            command: "/usr/local/bin/kubewright".to_owned(),
            args: ["token", "--cluster", cluster, "--region", "us-east-1"].map(str::to_owned).to_vec(),
        }),
    }
}

#[test]
fn a_certificate_takes_the_place_of_the_plugin_and_gives_it_back() {
    let by_plugin = entry("demo", "demo");
    let login = Login::Certificate {
        certificate_pem: "-----BEGIN CERTIFICATE-----".to_owned(),
        key_pem: crate::model::Secret::new("-----BEGIN KEY-----".to_owned()),
    };
    let by_certificate = Entry { ca_pem: None, login, ..by_plugin.clone() };
    assert!(!format!("{by_certificate:?}").contains("BEGIN KEY"));
    let first = Kubeconfig::empty().with(&by_plugin).unwrap();
    let second = first.with(&by_certificate).unwrap();
    assert!(second.text().contains("client-key-data") && !second.text().contains("exec:"), "{}", second.text());
    assert!(!second.text().contains("certificate-authority-data"), "everybody trusts it");
    assert_eq!(second.with(&by_plugin).unwrap().text(), first.text());
}

const THEIRS: &str = "\
# kept by hand
apiVersion: v1
kind: Config
preferences: {colors: true}   # nice
clusters:
  - name: prod   # the big one
    cluster:
      server: https://prod.example.com
      insecure-skip-tls-verify: true

  # another
  - cluster: {server: 'https://dev.example.com'}
    name: dev
users:
- name: me
  user:
    token: s3cret
contexts:
- context:
    cluster: prod
    user: me
    namespace: \"no\"
  name: prod
current-context: prod
future-field:
  deep: [1, two, ~]
";

#[test]
fn an_entry_is_added_and_nothing_else_changes() {
    let before = Kubeconfig::parse(THEIRS).unwrap();
    let after = before.with(&entry("demo", "demo")).unwrap();
    assert_eq!(after.current(), Some("prod"), "the current context never moves by itself");
    for line in THEIRS.lines() {
        assert!(after.text().lines().any(|it| it == line), "lost: {line}");
    }
    insta::assert_snapshot!(after.text());
    let again = Kubeconfig::parse(after.text()).unwrap();
    assert_eq!(again.ours("aws/123456789012/us-east-1/demo").unwrap().name, "demo");
    assert_eq!(again.with(&entry("demo", "demo")).unwrap().text(), after.text(), "writing it twice changes nothing");
    assert_eq!(again.without("aws/123456789012/us-east-1/demo").unwrap().text(), THEIRS);
}

#[test]
fn a_new_file_is_what_kubectl_writes_and_is_empty_again_afterwards() {
    let one = Kubeconfig::empty().with(&entry("no", "no")).unwrap().with_current(Some("no")).unwrap();
    assert!(one.text().starts_with("apiVersion: v1\nkind: Config\nclusters:\n- "), "{}", one.text());
    assert!(one.text().contains("- name: \"no\"\n"), "a name that YAML 1.1 takes for false is quoted: {}", one.text());
    assert_eq!(one.current(), Some("no"));
    let none = one.without("aws/123456789012/us-east-1/no").unwrap();
    assert_eq!(
        none.text(),
        "apiVersion: v1\nkind: Config\nclusters: []\nusers: []\ncontexts: []\ncurrent-context: \"\"\n"
    );
    assert_eq!(none.current(), None);
}

#[test]
fn a_rename_takes_the_old_name_and_the_current_context_along() {
    let one = Kubeconfig::empty().with(&entry("demo", "demo")).unwrap().with_current(Some("demo")).unwrap();
    let two = one.with(&entry("demo", "research")).unwrap();
    assert_eq!(two.contexts().iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["research"]);
    assert_eq!(two.current(), Some("research"));
}

#[test]
fn what_others_wrote_is_refused_not_replaced() {
    let before = Kubeconfig::parse(THEIRS).unwrap();
    let error = before.with(&entry("demo", "prod")).unwrap_err();
    assert_eq!(error.to_string(), "a context `prod` is there already and was not written by kubewright");
    let other = before.with(&entry("a", "a")).unwrap();
    assert!(other.with(&entry("b", "a")).is_err(), "the context of another cluster of ours is not replaced either");
}

#[test]
fn an_entry_that_a_foreign_context_uses_stays() {
    let ours = Kubeconfig::parse(THEIRS).unwrap().with(&entry("demo", "demo")).unwrap();
    let name = entry::entry_name("aws/123456789012/us-east-1/demo");
    let text = ours.text().replace(
        "contexts:\n",
        &format!("contexts:\n- name: mine\n  context: {{cluster: '{name}', user: '{name}', namespace: x}}\n"),
    );
    let after = Kubeconfig::parse(&text).unwrap().without("aws/123456789012/us-east-1/demo").unwrap();
    assert!(after.contexts().iter().any(|it| it.name == "mine"));
    assert_eq!(after.contexts().iter().filter(|it| it.name == "demo").count(), 0);
    assert!(after.item(List::Clusters, &name).is_some() && after.item(List::Users, &name).is_some());
}

#[test]
fn other_styles_keep_their_meaning() {
    let json = r#"{"kind":"Config","clusters":[{"name":"a","cluster":{"server":"https://a","x":[1,2.5,null]}}],"users":null,"contexts":[]}"#;
    let after = Kubeconfig::parse(json).unwrap().with(&entry("demo", "demo")).unwrap();
    let value: Json = serde_json::from_str(after.text()).expect("JSON stays JSON");
    assert_eq!(value["clusters"][0]["cluster"]["x"], json!([1, 2.5, null]));
    assert_eq!(value["clusters"].as_array().unwrap().len(), 2);

    let flow =
        "clusters: [{name: a, cluster: {server: 'https://a'}}]\nusers: &u\n- {name: a, user: {}}\ncontexts: []\n";
    let after = Kubeconfig::parse(flow).unwrap().with(&entry("demo", "demo")).unwrap();
    assert_eq!(after.items(List::Clusters).unwrap().len(), 2);
    assert_eq!(Kubeconfig::parse(after.text()).unwrap().root, after.root);

    let windows = THEIRS.replace('\n', "\r\n");
    let after = Kubeconfig::parse(&windows).unwrap().with(&entry("demo", "demo")).unwrap();
    assert!(after.text().lines().count() > windows.lines().count());
    assert!(!after.text().replace("\r\n", "").contains('\n'), "line ends stay as they were");
}

#[test]
fn what_kubectl_refuses_is_refused_with_the_reason() {
    for (text, words) in [
        ("clusters: {a: b}\n", "`clusters` is not a list"),
        ("- a\n", "not a mapping"),
        ("contexts:\n- name: a\n- name: a\n", "`a` stands twice in `contexts`"),
        ("users:\n- user: {}\n", "an entry of `users` has no name"),
        ("current-context: [1]\n", "`current-context` is not text"),
        ("a: b: c\n", ""),
        ("{\"a\": ", ""),
    ] {
        let error = Kubeconfig::parse(text).unwrap_err().to_string();
        assert!(!error.is_empty() && error.contains(words), "{text:?}: {error}");
    }
    for empty in ["", "\n", "# nothing\n", "---\n", "\u{feff}"] {
        assert!(Kubeconfig::parse(empty).unwrap().contexts().is_empty(), "{empty:?}");
        let after = Kubeconfig::parse(empty).unwrap().with(&entry("demo", "demo")).unwrap();
        assert_eq!(Kubeconfig::parse(after.text()).unwrap().contexts().len(), 1, "{empty:?}: {}", after.text());
    }
}

#[test]
fn the_allowlist_names_the_plugin() {
    let text = allowlist("/usr/local/bin/kubewright");
    let value: Value = serde_yaml::from_str(&text).unwrap();
    assert_eq!(value["credentialPluginAllowlist"][0]["name"], "/usr/local/bin/kubewright");
    assert_eq!(value["credentialPluginPolicy"], "Allowlist");
}

/// A kubeconfig somebody might have, with comments, indents and fields of their own.
fn some_file() -> impl Strategy<Value = String> {
    let word = "[a-z][a-z0-9@:/._-]{0,12}";
    let item = (word, "[ -~]{0,20}", any::<bool>(), any::<bool>());
    let list = prop::collection::vec(item, 0..5);
    let lists = (list.clone(), list.clone(), list);
    (lists, any::<bool>(), any::<bool>(), prop::option::of(word), any::<[bool; 3]>()).prop_map(
        |((clusters, users, contexts), indented, crlf, current, kept)| {
            let mut text = String::from("# mine\napiVersion: v1\nkind: Config\n");
            for ((key, body, items), kept) in
                [("clusters", "cluster", clusters), ("users", "user", users), ("contexts", "context", contexts)]
                    .into_iter()
                    .zip(kept)
            {
                if items.is_empty() && !kept {
                    continue;
                }
                text += &format!("{key}:{}\n", if items.is_empty() { " []" } else { "" });
                let mut seen = std::collections::BTreeSet::new();
                let pad = if indented { "  " } else { "" };
                for (name, value, comment, first) in items {
                    if !seen.insert(name.clone()) {
                        continue;
                    }
                    let (name, value) = (Json::from(name), Json::from(value));
                    let lines = if first {
                        format!("{pad}- name: {name}\n{pad}  {body}:\n{pad}    server: {value}\n")
                    } else {
                        format!(
                            "{pad}- {body}:\n{pad}    server: {value}\n\n{pad}    cluster: x\n{pad}  name: {name}\n"
                        )
                    };
                    text += &lines;
                    if comment {
                        text += &format!("{pad}# about the next\n");
                    }
                }
            }
            if let Some(current) = current {
                text += &format!("current-context: {}\n", Json::from(current));
            }
            if crlf { text.replace('\n', "\r\n") } else { text }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_file_survives_a_cluster_coming_renamed_and_going(text in some_file()) {
        let before = Kubeconfig::parse(&text).unwrap();
        let one = before.with(&entry("demo", "kw demo")).unwrap();
        let two = one.with(&entry("other", "kw other")).unwrap().with(&entry("demo", "kw renamed")).unwrap();
        prop_assert_eq!(two.current(), before.current());
        for list in List::ALL {
            for item in before.items(list).unwrap() {
                prop_assert_eq!(two.item(list, name_of(item).unwrap()), Some(item));
            }
        }
        let lines: Vec<&str> = two.text().lines().collect();
        for line in text.lines().filter(|line| !line.ends_with(" []") && !line.ends_with(" []\r")) {
            prop_assert!(lines.contains(&line), "lost {:?}", line);
        }
        let mark = |name| mark_of("aws", "123456789012", "us-east-1", name);
        let after = two.without(&mark("demo")).unwrap().without(&mark("other")).unwrap();
        for list in List::ALL {
            prop_assert_eq!(after.items(list).unwrap(), before.items(list).unwrap());
        }
        prop_assert_eq!(after.current(), before.current());
    }
}
