//! What request bodies may hold: the definitions of Microsoft's own API descriptions, and the check against them.
//!
//! The real services ignore much of what they do not know; this one refuses it, so that a misspelt setting is found in a
//! rehearsal and not on a bill. Members that only the service sets are refused, too, unless they say what is anyway.
//!
//! The tables in `shapes/` are made by `tests/peers/tables.py`. One that cannot be read is a bug of ours, and stops every test.

use super::wire::ArmError;
use regex_automata::meta::Regex;
use serde_json::Value;
use std::{collections::HashMap, sync::OnceLock};

/// The form of one value.
#[derive(Debug)]
enum Form {
    Any,
    Text(Option<Regex>),
    Int(i64, i64),
    Real,
    Bool,
    Word(Vec<&'static str>),
    List(Box<Form>),
    Map(Box<Form>),
    Def(&'static str),
}

#[derive(Debug)]
struct Member {
    name: &'static str,
    required: bool,
    read_only: bool,
    form: Form,
}

/// The definitions of one namespace.
#[derive(Debug)]
pub struct Shapes(HashMap<&'static str, Vec<Member>>);

macro_rules! tables {
    ($($namespace:literal => $file:literal),* $(,)?) => {
        #[cfg(test)]
        const NAMESPACES: &[&str] = &[$($namespace),*];

        /// The definitions of a namespace.
        pub fn of(namespace: &str) -> Option<&'static Shapes> {
            match namespace {
                $($namespace => {
                    static TABLE: OnceLock<Shapes> = OnceLock::new();
                    Some(TABLE.get_or_init(|| Shapes::read(include_str!($file))))
                })*
                _ => None,
            }
        }
    };
}

tables! {
    "Microsoft.Authorization" => "shapes/authorization.txt",
    "Microsoft.Compute" => "shapes/compute.txt",
    "Microsoft.ContainerService" => "shapes/containerservice.txt",
    "Microsoft.ManagedIdentity" => "shapes/managedidentity.txt",
    "Microsoft.Network" => "shapes/network.txt",
    "Microsoft.Resources" => "shapes/resources.txt",
}

fn form(text: &'static str) -> Form {
    if let Some(inner) = text.strip_prefix('[') {
        return Form::List(Box::new(form(&inner[..inner.len() - 1])));
    }
    if let Some(inner) = text.strip_prefix('{') {
        return Form::Map(Box::new(form(&inner[..inner.len() - 1])));
    }
    if let Some(name) = text.strip_prefix('@') {
        return Form::Def(name);
    }
    if let Some(words) = text.strip_prefix("enum(") {
        return Form::Word(words.trim_end_matches(')').split('|').collect());
    }
    if let Some(pattern) = text.strip_prefix("text /") {
        let pattern = pattern.strip_suffix('/').expect("the tables' patterns end");
        return Form::Text(Some(Regex::new(pattern).expect("the tables' patterns can be read")));
    }
    if let Some(range) = text.strip_prefix("int(") {
        let (from, to) = range.trim_end_matches(')').split_once("..").expect("the tables' ranges have two ends");
        return Form::Int(bound(from, i64::MIN), bound(to, i64::MAX));
    }
    match text {
        "text" => Form::Text(None),
        "int" => Form::Int(i64::from(i32::MIN), i64::from(i32::MAX)),
        "bool" => Form::Bool,
        "real" => Form::Real,
        "any" => Form::Any,
        other => panic!("the tables have no form {other}"),
    }
}

/// One end of a range, which may be open.
fn bound(text: &str, open: i64) -> i64 {
    if text.is_empty() { open } else { text.parse().expect("the tables' ranges are numbers") }
}

impl Shapes {
    fn read(table: &'static str) -> Self {
        let (mut all, mut current) = (HashMap::<&str, Vec<Member>>::new(), "");
        for line in table.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if let Some(name) = line.strip_prefix("= ") {
                current = name;
                all.entry(name).or_default();
                continue;
            }
            let (name, shape) = line.split_once(' ').expect("the tables' members have forms");
            let bare = name.trim_end_matches(['!', '~']);
            let (required, read_only) = (name.ends_with('!'), name.ends_with('~'));
            all.entry(current).or_default().push(Member { name: bare, required, read_only, form: form(shape) });
        }
        Self(all)
    }

    /// Checks a body; what is there already may be said again by members that only the service sets.
    ///
    /// # Errors
    /// The first thing that does not fit, in ARM's words.
    pub fn check(&self, definition: &str, body: &Value, stands: Option<&Value>) -> Result<(), ArmError> {
        self.structure(definition, body, stands.unwrap_or(&Value::Null), "")
    }

    fn structure(&self, definition: &str, value: &Value, stands: &Value, at: &str) -> Result<(), ArmError> {
        let members = self.0.get(definition).expect("a test holds that every definition named is there");
        let Some(map) = value.as_object() else {
            return Err(invalid(at, &format!("Error converting value to type '{definition}'")));
        };
        for (key, inner) in map {
            let path = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
            let Some(member) = members.iter().find(|member| member.name == key) else {
                let short = definition.split('.').next().unwrap_or(definition);
                return Err(invalid(&path, &format!("Could not find member '{key}' on object of type '{short}'")));
            };
            if member.read_only {
                if !inner.is_null() && *inner != stands[key] {
                    return Err(invalid(&path, &format!("Member '{key}' is read-only and cannot be set")));
                }
            } else if !inner.is_null() {
                self.one(inner, &member.form, &stands[key], &path)?;
            }
        }
        match members.iter().find(|m| m.required && map.get(m.name).is_none_or(Value::is_null)) {
            Some(missing) => Err(required(at, missing.name)),
            None => Ok(()),
        }
    }

    fn one(&self, value: &Value, form: &Form, stands: &Value, at: &str) -> Result<(), ArmError> {
        let wrong = |what: &str| Err(invalid(at, &format!("Error converting value {value} to type '{what}'")));
        match form {
            Form::Any => Ok(()),
            Form::Text(pattern) => match value.as_str() {
                None => wrong("System.String"),
                Some(text) if pattern.as_ref().is_some_and(|pattern| !pattern.is_match(text)) => {
                    Err(parameter(at, &format!("The value '{text}' has not the form that is asked for")))
                }
                Some(_) => Ok(()),
            },
            Form::Int(from, to) => match value.as_i64() {
                None => wrong("System.Int32"),
                Some(number) if number < *from || number > *to => {
                    Err(parameter(at, &format!("The value {number} must be between {from} and {to}")))
                }
                Some(_) => Ok(()),
            },
            Form::Real if value.is_number() => Ok(()),
            Form::Real => wrong("System.Double"),
            Form::Bool if value.is_boolean() => Ok(()),
            Form::Bool => wrong("System.Boolean"),
            Form::Word(words) => match value.as_str() {
                None => wrong("System.String"),
                Some(text) if words.iter().any(|word| word.eq_ignore_ascii_case(text)) => Ok(()),
                Some(text) => Err(parameter(at, &format!("The value '{text}' is not one of {}", words.join(", ")))),
            },
            Form::List(inner) => {
                let Some(list) = value.as_array() else { return wrong("System.Collections.Generic.List") };
                // Things in lists are told apart by their names.
                let same = |one: &Value| {
                    let theirs = stands.as_array().into_iter().flatten();
                    theirs.into_iter().find(|other| !one["name"].is_null() && other["name"] == one["name"]).cloned()
                };
                list.iter().enumerate().try_for_each(|(index, one)| {
                    self.one(one, inner, &same(one).unwrap_or_default(), &format!("{at}[{index}]"))
                })
            }
            Form::Map(inner) => {
                let Some(map) = value.as_object() else { return wrong("System.Collections.Generic.Dictionary") };
                map.iter()
                    .filter(|(_, one)| !one.is_null())
                    .try_for_each(|(key, one)| self.one(one, inner, &stands[key], &format!("{at}.{key}")))
            }
            Form::Def(definition) => self.structure(definition, value, stands, at),
        }
    }
}

fn invalid(path: &str, why: &str) -> ArmError {
    let message =
        format!("The request content was invalid and could not be deserialized: '{why}. Path '{path}', line 1.'.");
    ArmError::bad("InvalidRequestContent", message)
}

fn parameter(path: &str, why: &str) -> ArmError {
    ArmError::bad("InvalidParameter", format!("{why} (parameter '{path}').")).at(path)
}

fn required(at: &str, name: &str) -> ArmError {
    if name == "location" {
        return ArmError::bad("LocationRequired", "The location property is required for this definition.");
    }
    let place = if at.is_empty() { "the request".to_owned() } else { format!("'{at}'") };
    ArmError::bad("InvalidRequestContent", format!("The request content was invalid: '{name}' is required in {place}."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refused(namespace: &str, definition: &str, body: Value) -> ArmError {
        of(namespace).expect("a table").check(definition, &body, None).expect_err("refused")
    }

    /// Reads every table whole, its patterns and ranges, too.
    #[test]
    fn every_definition_that_is_named_is_there() {
        fn named(form: &Form) -> Option<&'static str> {
            match form {
                Form::List(inner) | Form::Map(inner) => named(inner),
                Form::Def(name) => Some(name),
                _ => None,
            }
        }
        for namespace in NAMESPACES {
            let table = of(namespace).expect("a table");
            for (owner, members) in &table.0 {
                for name in members.iter().filter_map(|member| named(&member.form)) {
                    assert!(table.0.contains_key(name), "{namespace}: {owner} names {name}");
                }
            }
        }
    }

    #[test]
    fn the_body_of_every_type_is_described() {
        let mut seen = 0;
        for route in super::super::routes::ROUTES {
            let namespace = if route.namespace.is_empty() { "Microsoft.Resources" } else { route.namespace };
            for body in [route.body, route.patch].into_iter().filter(|body| !body.is_empty()) {
                let table = of(namespace).unwrap_or_else(|| panic!("{namespace} has bodies and no table"));
                assert!(table.0.contains_key(body), "{namespace} {}: {body}", route.kind);
                seen += 1;
            }
        }
        assert!(seen > 20, "only {seen} bodies");
    }

    #[test]
    #[should_panic(expected = "the tables' patterns can be read")]
    fn a_pattern_that_cannot_be_read_stops() {
        form("text /[a-z/");
    }

    #[test]
    fn bodies_are_judged_member_by_member() {
        let cluster = |properties: Value| json!({"location": "eastus", "properties": properties});
        let aks = |body| refused("Microsoft.ContainerService", "ManagedCluster", body);
        let error = aks(cluster(json!({"dnsPrefixx": "a"})));
        assert_eq!(error.code, "InvalidRequestContent");
        assert!(error.message.contains("Could not find member 'dnsPrefixx' on object of type 'ManagedCluster'"));
        assert!(error.message.contains("Path 'properties.dnsPrefixx'"));
        let pool = |pool: Value| aks(cluster(json!({"agentPoolProfiles": [pool]})));
        assert!(pool(json!({"name": "a", "count": 1.5})).message.contains("System.Int32"));
        assert!(pool(json!({"name": "a", "osDiskSizeGB": 4096})).message.contains("between 0 and 2048"));
        assert!(pool(json!({"name": "a", "mode": "Master"})).message.contains("'Master' is not one of System"));
        assert!(aks(cluster(json!({"fqdn": "x"}))).message.contains("read-only"));
        assert_eq!(aks(json!({"properties": {}})).code, "LocationRequired");
        let network = refused("Microsoft.Network", "VirtualNetwork", json!({"properties": {"subnets": {}}}));
        assert!(network.message.contains("System.Collections.Generic.List"));
    }

    #[test]
    fn what_the_service_set_may_be_said_again() {
        let table = of("Microsoft.ContainerService").expect("a table");
        let stands = json!({"location": "eastus", "properties": {"fqdn": "x", "agentPoolProfiles": [{"name": "a", "eTag": "1"}]}});
        table.check("ManagedCluster", &stands, Some(&stands)).expect("what is may be said");
        let mut other = stands.clone();
        other["properties"]["agentPoolProfiles"][0]["eTag"] = json!("2");
        assert!(table.check("ManagedCluster", &other, Some(&stands)).is_err());
    }
}
