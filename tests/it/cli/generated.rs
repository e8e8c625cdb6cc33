//! The committed completions, manual pages and schemas are those that the binary writes now.

use crate::support::Home;
use std::{collections::BTreeMap, fs, path::Path};

fn files(dir: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(dir).unwrap_or_else(|why| panic!("{}: {why}", dir.display()));
    entries
        .map(|entry| {
            let path = entry.unwrap().path();
            (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read_to_string(&path).unwrap())
        })
        .collect()
}

#[test]
fn completions_man_pages_and_schemas_are_fresh() {
    let home = Home::new();
    home.run(&["generate", "."]).expect(0);
    for dir in ["completions", "man", "schemas"] {
        let (committed, now) = (files(&Path::new(env!("CARGO_MANIFEST_DIR")).join(dir)), files(&home.path().join(dir)));
        let names = |files: &BTreeMap<String, String>| files.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&committed), names(&now), "run `kubewright generate .`");
        for (name, text) in &now {
            assert!(committed[name] == *text, "{dir}/{name} is stale: run `kubewright generate .`");
        }
    }
}

#[test]
fn tab_completes_verbs_and_regions_without_a_state_directory() {
    let home = Home::new();
    let tab = |words: &[&str]| {
        let mut command = home.command();
        command.env("KUBEWRIGHT_COMPLETE", "bash").env("_CLAP_COMPLETE_INDEX", (words.len() - 1).to_string());
        let output = command.arg("--").args(words).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(tab(&["kubewright", "prov"]).contains("provision"));
    assert!(tab(&["kubewright", "provision", "x", "--region", "us-e"]).contains("us-east-1"));
    assert_eq!(tab(&["kubewright", "destroy", ""]).lines().filter(|line| !line.starts_with('-')).count(), 0);
    assert!(!home.path().join("kw").exists(), "completion left a trace");
}
