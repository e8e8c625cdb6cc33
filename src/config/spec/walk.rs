//! Walking a tree by key path: types, unknown and repeated keys, and where everything stands.

use super::problem::{Place, SpecProblem, nearest};
use crate::config::yaml::{Kind, Node};
use std::collections::BTreeMap;

/// Keys of other tools and older habits, with ours.
const HABITS: &[(&str, &str)] = &[
    ("nodegroups", "nodePools"),
    ("managednodegroups", "nodePools"),
    ("pools", "nodePools"),
    ("nodes", "nodePools"),
    ("vpc", "network"),
    ("replicas", "count"),
    ("desiredcapacity", "count"),
    ("desiredsize", "count"),
    ("desired", "count"),
    ("size", "count"),
    ("minsize", "min"),
    ("maxsize", "max"),
    ("mincount", "min"),
    ("maxcount", "max"),
    ("machinetype", "instanceType"),
    ("vmsize", "instanceType"),
    ("nodetype", "instanceType"),
    ("type", "instanceType"),
    ("volumesize", "diskGiB"),
    ("disksize", "diskGiB"),
    ("disk", "diskGiB"),
    ("memory", "memoryGiB"),
    ("mem", "memoryGiB"),
    ("vcpu", "cpu"),
    ("cpus", "cpu"),
    ("kubernetesversion", "version"),
    ("k8sversion", "version"),
    ("cloud", "provider"),
    ("env", "environment"),
    ("publicaccesscidrs", "apiAllow"),
    ("cidrblock", "cidr"),
    ("hourly", "hourlyUsd"),
    ("monthly", "monthlyUsd"),
    ("availabilityzones", "zones"),
    ("azs", "zones"),
];

/// Where each key path stands.
#[derive(Debug, Default)]
pub(in crate::config) struct Places(BTreeMap<String, Place>);

impl Places {
    /// The place of this path, or of the nearest thing around it.
    pub(in crate::config) fn find(&self, key: &str) -> Option<Place> {
        let mut key = key;
        loop {
            if let Some(place) = self.0.get(key) {
                return Some(place.clone());
            }
            key = match key.rfind(['.', '[']) {
                Some(at) => &key[..at],
                None if key.is_empty() => return None,
                None => "",
            };
        }
    }
}

/// Collects what is wrong while the reader goes through the tree.
#[derive(Debug, Default)]
pub(in crate::config) struct Walk {
    pub(in crate::config) problems: Vec<SpecProblem>,
    pub(in crate::config) places: Places,
    /// Where keys belong in this kind of file: a section, none for the top level, and its keys.
    pub(in crate::config) sections: &'static [(&'static str, &'static [&'static str])],
}

/// The fields of a mapping, by key.
pub(in crate::config) struct Fields<'n> {
    path: String,
    fields: BTreeMap<&'n str, &'n Node<Place>>,
}

/// A value with its path.
#[derive(Clone)]
pub(in crate::config) struct At<'n> {
    pub(in crate::config) path: String,
    pub(in crate::config) node: &'n Node<Place>,
}

impl<'n> Fields<'n> {
    /// The value of this key; "nothing" counts as omitted.
    pub(in crate::config) fn get(&self, key: &str) -> Option<At<'n>> {
        let node = self.fields.get(key).filter(|node| !node.is_null())?;
        Some(At { path: join(&self.path, key), node })
    }
}

/// `network` and `nat` are `network.nat`.
pub(in crate::config) fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

impl Walk {
    /// Notes a problem of this value.
    pub(in crate::config) fn problem(&mut self, at: &At<'_>, problem: impl Into<String>) {
        self.note(at, SpecProblem::new("", problem));
    }

    /// Notes a problem that is already half written.
    pub(in crate::config) fn note(&mut self, at: &At<'_>, problem: SpecProblem) {
        self.problems.push(SpecProblem { key: at.path.clone(), ..problem }.at(&at.node.at));
    }

    /// Notes that something else was expected.
    pub(in crate::config) fn expected(&mut self, at: &At<'_>, wanted: &str, example: &str) {
        let problem = SpecProblem::new("", format!("expected {wanted}, found {}", found(at.node)));
        self.note(at, problem.instead(format!("write `{example}`")));
    }

    /// The entries of a mapping whose keys are the user's own; repeated keys are a problem, the first one counts.
    pub(in crate::config) fn entries<'n>(&mut self, at: &At<'n>, example: &str) -> Option<Vec<(&'n str, At<'n>)>> {
        self.places.0.insert(at.path.clone(), at.node.at.clone());
        let Kind::Map(entries) = &at.node.kind else {
            self.expected(at, "a mapping", example);
            return None;
        };
        let mut seen: Vec<(&str, At<'n>)> = Vec::new();
        for entry in entries {
            let path = join(&at.path, &entry.key);
            if let Some((_, first)) = seen.iter().find(|(key, _)| *key == entry.key) {
                let message = format!("this key is given twice, first at {}", first.node.at);
                self.problems.push(SpecProblem::new(path, message).at(&entry.at));
                continue;
            }
            self.places.0.insert(path.clone(), entry.value.at.clone());
            seen.push((&entry.key, At { path, node: &entry.value }));
        }
        Some(seen)
    }

    /// The entries of a mapping with these keys; every other key is a problem.
    pub(in crate::config) fn fields<'n>(&mut self, at: &At<'n>, valid: &[&str], example: &str) -> Option<Fields<'n>> {
        let entries = self.entries(at, example)?;
        let mut fields = BTreeMap::new();
        for (key, value) in entries {
            if valid.contains(&key) {
                fields.insert(key, value.node);
            } else {
                let key_place = key_place(at.node, key).unwrap_or(&value.node.at);
                let problem = unknown(key, &at.path, valid, self.sections);
                self.problems.push(problem.at(key_place));
            }
        }
        Some(Fields { path: at.path.clone(), fields })
    }

    /// The items of a list.
    pub(in crate::config) fn items<'n>(&mut self, at: &At<'n>, example: &str) -> Option<Vec<At<'n>>> {
        self.places.0.insert(at.path.clone(), at.node.at.clone());
        let Kind::List(items) = &at.node.kind else {
            self.expected(at, "a list", example);
            return None;
        };
        let item = |(index, node)| At { path: format!("{}[{index}]", at.path), node };
        let items: Vec<_> = items.iter().enumerate().map(item).collect();
        for item in &items {
            self.places.0.insert(item.path.clone(), item.node.at.clone());
        }
        Some(items)
    }

    /// Text, with or without quotes.
    pub(in crate::config) fn text<'n>(&mut self, at: &At<'n>, example: &str) -> Option<&'n str> {
        match &at.node.kind {
            Kind::Scalar { text, .. } if !at.node.is_null() => Some(text),
            _ => {
                self.expected(at, "text", example);
                None
            }
        }
    }

    /// `true` or `false`.
    pub(in crate::config) fn truth(&mut self, at: &At<'_>) -> Option<bool> {
        match &at.node.kind {
            Kind::Scalar { text, plain: true } if matches!(text.as_str(), "true" | "True" | "TRUE") => Some(true),
            Kind::Scalar { text, plain: true } if matches!(text.as_str(), "false" | "False" | "FALSE") => Some(false),
            Kind::Scalar { text, .. } => {
                let meant = match text.to_lowercase().as_str() {
                    "yes" | "on" | "y" | "true" | "1" => "true",
                    "no" | "off" | "n" | "false" | "0" => "false",
                    _ => "true` or `false",
                };
                self.expected(at, "true or false", meant);
                None
            }
            _ => {
                self.expected(at, "true or false", "true");
                None
            }
        }
    }

    /// A whole number within these bounds.
    pub(in crate::config) fn whole(&mut self, at: &At<'_>, least: u32, most: u32) -> Option<u32> {
        let Kind::Scalar { text, plain: true } = &at.node.kind else {
            self.expected(at, "a whole number", &least.max(1).to_string());
            return None;
        };
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse() {
            Ok(number) if digits && (least..=most).contains(&number) => Some(number),
            _ if digits || text.parse::<i64>().is_ok() => {
                self.problem(at, format!("must be between {least} and {most}, not {text}"));
                None
            }
            _ => {
                self.expected(at, "a whole number", &least.max(1).to_string());
                None
            }
        }
    }

    /// A number above zero.
    pub(in crate::config) fn positive(&mut self, at: &At<'_>, example: &str) -> Option<f64> {
        let Kind::Scalar { text, plain: true } = &at.node.kind else {
            self.expected(at, "a number", example);
            return None;
        };
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() && number > 0.0 => Some(number),
            Ok(_) => {
                self.problem(at, format!("must be a number above 0, not {text}"));
                None
            }
            Err(_) => {
                self.expected(at, "a number", example);
                None
            }
        }
    }
}

fn key_place<'n>(map: &'n Node<Place>, key: &str) -> Option<&'n Place> {
    match &map.kind {
        Kind::Map(entries) => entries.iter().find(|entry| entry.key == key).map(|entry| &entry.at),
        _ => None,
    }
}

/// What a value is, for "expected …, found …".
fn found(node: &Node<Place>) -> String {
    match &node.kind {
        _ if node.is_null() => "nothing".to_owned(),
        Kind::Scalar { text, plain } => {
            let shown: String = text.chars().take(40).collect();
            let shown = shown.escape_debug();
            if *plain { format!("`{shown}`") } else { format!("the text \"{shown}\"") }
        }
        Kind::List(_) => "a list".to_owned(),
        Kind::Map(_) => "a mapping".to_owned(),
    }
}

fn unknown(key: &str, path: &str, valid: &[&str], sections: &[(&str, &[&str])]) -> SpecProblem {
    let problem = SpecProblem::new(join(path, key), "unknown key");
    let plain = key.to_lowercase().replace(['-', '_'], "");
    let habit = HABITS.iter().find(|(theirs, ours)| *theirs == plain && valid.contains(ours)).map(|(_, ours)| *ours);
    if let Some(word) = habit.or_else(|| nearest(key, valid)) {
        return SpecProblem { nearest: Some(word.to_owned()), ..problem };
    }
    if let Some((section, _)) = sections.iter().find(|(_, keys)| keys.contains(&key)) {
        let place = if section.is_empty() { "at the top level".to_owned() } else { format!("under `{section}`") };
        return problem.instead(format!("`{key}` belongs {place}"));
    }
    problem.instead(format!("valid keys here: {}", valid.join(", ")))
}
