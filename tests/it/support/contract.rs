//! Whatever a test makes the binary write for programs is held against its schema: every document, every line of
//! `--events`. Here a field that no schema lists is a fault too, though consumers must bear it.

use super::Said;
use jsonschema::{Draft, Validator};
use kubewright::app::schema;
use serde_json::Value;
use std::{collections::BTreeMap, path::Path, process::Command, sync::LazyLock};

static VALIDATORS: LazyLock<BTreeMap<String, Validator>> = LazyLock::new(|| {
    let kinds = schema::names().into_iter().filter(|name| ![schema::LIST, schema::CLUSTER].contains(name));
    let made = kinds.map(|kind| {
        let schema = closed(schema::of(kind).unwrap());
        let options = jsonschema::options().with_draft(Draft::Draft202012).should_validate_formats(true);
        (format!("kubewright.{kind}/v1"), options.build(&schema).unwrap())
    });
    made.collect()
});

/// The same schema, in which nothing may stand that it does not list.
fn closed(mut schema: Value) -> Value {
    match &mut schema {
        Value::Object(fields) => {
            for value in fields.values_mut() {
                *value = closed(value.take());
            }
            if fields.get("properties").is_some_and(Value::is_object) && !fields.contains_key("additionalProperties") {
                fields.insert("additionalProperties".to_owned(), Value::Bool(false));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = closed(item.take())),
        _ => {}
    }
    schema
}

/// What is wrong with a document or an event.
pub(crate) fn faults(document: &Value) -> Vec<String> {
    let Some(name) = document["schema"].as_str() else { return vec!["it names no schema".to_owned()] };
    let Some(validator) = VALIDATORS.get(name) else { return vec![format!("there is no schema {name}")] };
    validator.iter_errors(document).map(|error| error.to_string()).collect()
}

fn judge(document: &Value, from: &str) {
    let faults = faults(document);
    assert!(faults.is_empty(), "{from} breaks its schema:\n{}\n{document:#}", faults.join("\n"));
}

fn ours(document: &Value) -> bool {
    document["schema"].as_str().is_some_and(|name| name.starts_with("kubewright."))
}

/// Judges whatever this command wrote for programs.
pub(crate) fn check(command: &Command, said: &Said) {
    let words: Vec<String> = command.get_args().map(|word| word.to_string_lossy().into_owned()).collect();
    let from = words.join(" ");
    let whole = serde_json::from_str::<Value>(&said.out).ok();
    let whole = whole.or_else(|| {
        let yaml = said.out.starts_with("schema: kubewright.");
        yaml.then(|| serde_yaml::from_str(&said.out).unwrap_or_else(|why| panic!("{from}: no YAML: {why}")))
    });
    match whole.filter(ours) {
        Some(document) => judge(&document, &from),
        None => lines(&said.out, &from, said.code),
    }
    let file = words.iter().position(|word| word == "--events").and_then(|at| words.get(at + 1));
    if let Some(file) = file.filter(|file| *file != "-" && !file.starts_with("/dev/")) {
        let path = command.get_current_dir().unwrap_or(Path::new(".")).join(file);
        if let Ok(text) = std::fs::read_to_string(path) {
            lines(&text, &format!("{from}, events"), said.code);
        }
    }
}

fn lines(text: &str, from: &str, code: i32) {
    for line in text.lines().filter(|line| line.starts_with("{\"schema\":\"kubewright.")) {
        match serde_json::from_str::<Value>(line) {
            Ok(event) => judge(&event, from),
            // Only who was killed may leave half a line.
            Err(why) => assert!(code < 0, "{from}: no JSON ({why}): {line}"),
        }
    }
}

#[test]
fn what_breaks_its_schema_is_noticed() {
    let good: Value = serde_json::json!({
        "schema": "kubewright.status/v1", "at": "2026-11-20T12:00:00Z", "sandbox": true, "error": null,
        "complete": true, "regions": null, "clusters": [], "failures": [],
    });
    assert_eq!(faults(&good), Vec::<String>::new());
    let broken = |change: &dyn Fn(&mut Value)| {
        let mut document = good.clone();
        change(&mut document);
        assert!(!faults(&document).is_empty(), "{document}");
        std::panic::catch_unwind(|| judge(&document, "a test")).expect_err("every test would fail by it");
    };
    broken(&|it| drop(it.as_object_mut().unwrap().remove("at")));
    broken(&|it| it["at"] = "yesterday".into());
    broken(&|it| it["complete"] = "yes".into());
    broken(&|it| it["clusters"] = Value::Null);
    broken(&|it| it["surprise"] = 1.into());
    broken(&|it| it["failures"] = serde_json::json!([{"provider": "aws", "region": "us-east-1"}]));
    broken(&|it| it["schema"] = "kubewright.statistics/v1".into());
}
