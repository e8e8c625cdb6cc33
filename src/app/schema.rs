//! `schema`: the JSON Schemas of cluster.yaml and of every document, made from the very types that are written.
//!
//! They say what is promised: required fields, types, words. Consumers ignore what they do not know, for later versions
//! add fields; so no schema here forbids any, but cluster.yaml's, which is read and not written.

use crate::config::spec;
use crate::cost::Estimate;
use crate::env::Env;
use crate::error::{CliError, Exit};
use crate::model::doc::{self, SchemaKind, SchemaList};
use crate::ui::Format;
use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

/// cluster.yaml's own.
pub const CLUSTER: &str = "cluster";
/// Lists the others.
pub const LIST: &str = "list";
/// The definition of a document without its head, where it can hold others of its kind.
const BODY: &str = "Body";
/// One line of `--events`, which has a head of its own.
const EVENT: &str = "event";

/// A document by its kind.
struct Kind {
    name: &'static str,
    about: &'static str,
    body: fn(SchemaGenerator) -> Schema,
}

const fn kind<T: JsonSchema>(name: &'static str, about: &'static str) -> Kind {
    Kind { name, about, body: SchemaGenerator::into_root_schema_for::<T> }
}

/// Every kind of document that is written, by name.
const KINDS: &[Kind] = &[
    kind::<doc::CostCompare>("cost-compare", "where a need is met for the least money"),
    kind::<Estimate>("cost-estimate", "what a plan costs; part of `plan`"),
    kind::<doc::CostForecast>("cost-forecast", "what a stack will cost in a span"),
    kind::<doc::CostList>("cost-list", "what all stacks cost"),
    kind::<doc::CostRefresh>("cost-refresh", "what the vendors' price APIs said"),
    kind::<doc::CostShow>("cost-show", "what a stack has cost, object by object"),
    kind::<doc::Destroy>("destroy", "what a destroy removed, kept, and left"),
    kind::<doc::Nothing>("error", "a failure with nothing else to say"),
    kind::<doc::EventLine>(EVENT, "one line of --events"),
    kind::<doc::Extend>("extend", "when a stack expires now"),
    kind::<doc::History>("history", "what happened to a stack"),
    kind::<doc::HistoryVerify>("history-verify", "whether journals are as they were written"),
    kind::<doc::Init>("init", "a cluster.yaml that was written"),
    kind::<doc::KubeconfigReport>("kubeconfig", "what became of a context"),
    kind::<doc::Plan>("plan", "what provision --dry-run would build, its cost and time"),
    kind::<doc::Policy>("policy", "the least that a cluster's life needs to be allowed"),
    kind::<doc::Protect>("protect", "whether a stack is protected"),
    kind::<doc::Provision>("provision", "what a build made"),
    kind::<doc::Reap>("reap", "stacks that are due to go, and what became of them"),
    kind::<doc::SandboxShow>("sandbox-show", "the pretend clouds' own view"),
    kind::<SchemaList>("schema-list", "the schemas there are"),
    kind::<doc::Status>("status", "clusters, and the places that did not answer"),
];

/// What may be asked for.
pub fn names() -> Vec<&'static str> {
    [CLUSTER, LIST].into_iter().chain(KINDS.iter().map(|kind| kind.name)).collect()
}

/// Runs the verb.
pub fn run(env: &Env, name: &str) -> Result<Exit, CliError> {
    if name == LIST {
        let file = SchemaKind {
            kind: CLUSTER.to_owned(),
            id: spec::API_VERSION.to_owned(),
            about: "cluster.yaml: kubewright schema > cluster.schema.json".to_owned(),
        };
        let documents = KINDS.iter().map(|kind| SchemaKind {
            kind: kind.name.to_owned(),
            id: id(kind.name),
            about: kind.about.to_owned(),
        });
        let list = SchemaList { kinds: std::iter::once(file).chain(documents).collect() };
        env.ui.show(env.now(), &list, None);
        return Ok(Exit::DONE);
    }
    let schema = of(name).ok_or_else(|| CliError::usage(format!("there is no schema `{name}`")))?;
    let text = match env.settings.format {
        Format::Yaml => serde_yaml::to_string(&schema).expect("JSON values are YAML values"),
        Format::Table | Format::Json | Format::Name | Format::Csv | Format::Markdown => pretty(&schema),
    };
    env.ui.raw(&text);
    Ok(Exit::DONE)
}

/// The files of all of them: name and text.
pub fn files() -> Vec<(String, String)> {
    let names = names().into_iter().filter(|name| *name != LIST);
    names.filter_map(|name| Some((format!("{name}.schema.json"), pretty(&of(name)?)))).collect()
}

fn pretty(schema: &Value) -> String {
    let mut text = serde_json::to_string_pretty(schema).expect("a schema is a JSON value");
    text.push('\n');
    text
}

/// The schema of cluster.yaml or of a kind of document.
pub fn of(name: &str) -> Option<Value> {
    if name == CLUSTER {
        return Some(spec::schema());
    }
    KINDS.iter().find(|kind| kind.name == name).map(document)
}

/// What `schema` says in a document of this kind.
fn id(kind: &str) -> String {
    format!("kubewright.{kind}/v1")
}

fn document(kind: &Kind) -> Value {
    let mut generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let error = generator.subschema_for::<doc::Error>();
    let cost = generator.subschema_for::<Estimate>();
    let mut schema = (kind.body)(generator).to_value();
    let Some(top) = schema.as_object_mut() else { return schema };
    top.insert("$id".to_owned(), json!(format!("urn:kubewright:schema:{}:v1", kind.name)));
    top.insert("title".to_owned(), json!(id(kind.name)));
    top.insert(
        "description".to_owned(),
        json!(format!("{}. Ignore what is not listed: fields are added.", kind.about)),
    );
    let mut properties = match top.remove("properties") {
        Some(Value::Object(properties)) => properties,
        _ => Map::new(),
    };
    // The model does not know prices; what stands there is an estimate.
    if let Some(slot) = properties.get_mut("cost").filter(|_| kind.name == "plan") {
        *slot = cost.to_value();
    }
    if kind.name != EVENT {
        // A document of its own kind inside it has no head of its own.
        let inner =
            json!({"type": "object", "properties": properties.clone(), "required": top.get("required").cloned()});
        let of_its_kind = properties.values_mut().fold(false, |any, value| point_inside(value) | any);
        if of_its_kind && let Some(defs) = top.entry("$defs").or_insert_with(|| json!({})).as_object_mut() {
            let mut inner = inner;
            point_inside(&mut inner);
            defs.insert(BODY.to_owned(), inner);
        }
        let mut with_head = head(kind.name, &error.to_value());
        with_head.append(&mut properties);
        properties = with_head;
        let body = top.remove("required").and_then(|names| names.as_array().cloned()).unwrap_or_default();
        let names = ["schema", "at", "sandbox", "error"].iter().map(|name| json!(name)).chain(body);
        top.insert("required".to_owned(), Value::Array(names.collect()));
    }
    top.insert("properties".to_owned(), Value::Object(properties));
    unused_removed(schema)
}

/// Turns references to the whole document into references to its body. Whether there were any.
fn point_inside(value: &mut Value) -> bool {
    match value {
        Value::Object(map) => {
            let whole = map.get("$ref").is_some_and(|to| to == "#");
            if whole {
                map.insert("$ref".to_owned(), json!(format!("#/$defs/{BODY}")));
            }
            map.values_mut().fold(whole, |any, value| point_inside(value) | any)
        }
        Value::Array(list) => list.iter_mut().fold(false, |any, value| point_inside(value) | any),
        _ => false,
    }
}

/// What every document begins with.
fn head(kind: &str, error: &Value) -> Map<String, Value> {
    let error = if kind == "error" { error.clone() } else { json!({"anyOf": [error, {"type": "null"}]}) };
    let head = json!({
        "schema": {"description": "What this document is.", "const": id(kind)},
        "event": {"description": "Only in the last line of --events, which carries the document.", "const": "document"},
        "at": {"description": "When it was made.", "type": "string", "format": "date-time"},
        "sandbox": {"description": "Whether all of it is pretend.", "type": "boolean"},
        "error": error,
    });
    head.as_object().cloned().unwrap_or_default()
}

/// Without definitions that nothing refers to.
fn unused_removed(mut schema: Value) -> Value {
    loop {
        let text = schema.to_string();
        let Some(defs) = schema.get_mut("$defs").and_then(Value::as_object_mut) else { return schema };
        let before = defs.len();
        defs.retain(|name, _| text.contains(&format!("\"#/$defs/{name}\"")));
        if defs.len() == before {
            if defs.is_empty()
                && let Some(top) = schema.as_object_mut()
            {
                top.remove("$defs");
            }
            return schema;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schema_is_one_and_describes_its_fields() {
        for name in names().into_iter().filter(|name| *name != LIST) {
            let schema = of(name).expect("it is listed");
            jsonschema::draft202012::meta::validate(&schema).unwrap_or_else(|why| panic!("{name}: {why}"));
            let properties = schema["properties"].as_object().expect("a mapping");
            for (field, about) in properties.iter().filter(|(field, _)| *field != "error" && *field != "cost") {
                assert!(about["description"].is_string() || about.get("$ref").is_some(), "{name}.{field}: {about}");
            }
            if name != CLUSTER {
                assert_eq!(properties["schema"]["const"], id(name));
            }
        }
        assert!(of("nothing").is_none());
    }

    #[test]
    fn classes_of_errors_are_those_of_the_schema() {
        use crate::error::CATALOGUE;
        for entry in CATALOGUE {
            assert!(doc::CLASSES.contains(&entry.class.as_str()), "{}", entry.class.as_str());
        }
    }

    #[test]
    fn unknown_stays_possible_and_required_stays_required() {
        let status = of("status").expect("it is there");
        let required = |schema: &Value| schema["required"].as_array().expect("a list").clone();
        assert!(required(&status).contains(&json!("complete")) && required(&status).contains(&json!("error")));
        let cluster = &status["$defs"]["StatusCluster"];
        assert!(required(cluster).contains(&json!("usdPerHour")), "null where unknown, never left out");
        assert_eq!(cluster["properties"]["usdPerHour"]["type"], json!(["number", "null"]));
        assert_eq!(of("plan").expect("it is there")["properties"]["cost"], json!({"$ref": "#/$defs/Estimate"}));
        assert!(of("event").expect("it is there")["$defs"].get("Estimate").is_none());
    }
}
