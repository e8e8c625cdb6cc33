//! Holds the arrows between the rooms: which room may say `use crate::<room>`, and which may touch what.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// Room → the rooms it may import. `ARCHITECTURE.md` draws the same picture.
const ARROWS: &[(&str, &[&str])] = &[
    ("main", &["app", "cli", "config", "env", "error", "ui"]),
    ("env", &["config", "engine", "error", "model", "providers", "sandbox", "store", "ui"]),
    ("error", &["engine", "model", "store"]),
    ("cli", &["app", "config", "engine", "env", "error", "model", "providers", "sandbox", "store", "ui"]),
    ("app", &["config", "cost", "engine", "env", "error", "k8s", "model", "providers", "store", "ui"]),
    ("ui", &["engine", "error", "model"]),
    ("providers", &["cost", "engine", "k8s", "model"]),
    ("engine", &["model"]),
    ("store", &["engine", "model"]),
    ("config", &["model", "store"]),
    ("k8s", &["engine", "model", "store"]),
    ("cost", &["model"]),
    ("sandbox", &["cost", "model", "store"]),
    ("model", &[]),
];

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("src is readable") {
        let path = entry.expect("src is readable").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn all() -> Vec<(String, PathBuf, String)> {
    let mut files = Vec::new();
    sources(&root(), &mut files);
    assert!(files.len() > 50, "only {} sources seen: the test looks in the wrong place", files.len());
    files
        .into_iter()
        .map(|path| {
            let inside = path.strip_prefix(root()).expect("below src").to_path_buf();
            let first = inside.components().next().expect("a file").as_os_str().to_string_lossy().into_owned();
            let text = fs::read_to_string(&path).expect("sources are text");
            (first.trim_end_matches(".rs").to_owned(), inside, text)
        })
        .collect()
}

/// The rooms a source names after `crate::`, braces included.
fn imports(text: &str) -> Vec<String> {
    let mut rooms = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        let before = text[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        let rest = &text[at + "crate::".len()..];
        if let Some(inner) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut word = String::new();
            let mut start = true;
            for c in inner.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => start = true,
                    c if depth == 0 && start && (c.is_alphanumeric() || c == '_') => word.push(c),
                    c if c.is_whitespace() => continue,
                    _ => start = false,
                }
                if (!start || c == ',' || c == '{') && !word.is_empty() {
                    rooms.push(std::mem::take(&mut word));
                }
            }
            rooms.extend((!word.is_empty()).then_some(word));
        } else {
            let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            rooms.extend((!name.is_empty()).then_some(name));
        }
    }
    rooms
}

#[test]
fn the_arrows_hold() {
    let allowed: BTreeMap<&str, &[&str]> = ARROWS.iter().copied().collect();
    let mut wrong = Vec::new();
    for (room, file, text) in all() {
        if room == "lib" {
            continue;
        }
        let may = allowed.get(room.as_str()).unwrap_or_else(|| panic!("room `{room}` has no line in ARROWS"));
        for target in imports(&text) {
            if target != room && allowed.contains_key(target.as_str()) && !may.contains(&target.as_str()) {
                wrong.push(format!("{}: {room} → {target}", file.display()));
            }
        }
    }
    wrong.sort();
    wrong.dedup();
    assert!(wrong.is_empty(), "arrows that DESIGN does not draw:\n{}", wrong.join("\n"));
}

#[test]
fn only_two_places_know_the_sandbox() {
    for (_, file, text) in all() {
        let name = file.to_string_lossy().into_owned();
        let may = name.starts_with("sandbox")
            || name.starts_with("env")
            || name.starts_with("cli/sandbox")
            || name == "lib.rs";
        assert!(may || !imports(&text).contains(&"sandbox".to_owned()), "{name} imports the sandbox");
    }
}

#[test]
fn every_file_says_what_it_is_for() {
    for (_, file, text) in all() {
        assert!(text.starts_with("//!"), "{} does not open with `//!`", file.display());
    }
}

#[test]
fn provider_code_names_no_emulator() {
    for (room, file, text) in all() {
        if room == "providers" {
            let text = text.to_lowercase();
            for word in ["sandbox", "moto", "localstack"] {
                assert!(!text.contains(word), "{} says `{word}`", file.display());
            }
        }
    }
}

#[test]
fn the_reader_of_imports_reads() {
    let text = "use crate::{model::{Stack, Cloud}, engine::Plan, ui};\nuse crate::store;\nlet x = crate::k8s::f();";
    assert_eq!(imports(text), ["model", "engine", "ui", "store", "k8s"]);
}
