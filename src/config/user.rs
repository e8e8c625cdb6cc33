//! The user's own defaults, `~/.config/kubewright/config.yaml`:
//!
//! ```yaml
//! provider: aws
//! region: eu-west-1
//! profile: acme-dev
//! output: table
//! lockTimeout: 30s
//! budget: { hourlyUsd: 3.00 }
//! ```
//! Each key but `budget` is the default of the flag of that name, and so of its variable.

use super::spec::{
    Place, SpecProblem, read_budget,
    walk::{At, Walk},
};
use super::yaml;
use crate::model::{Cloud, spec::Budget, time::parse_span};
use std::collections::BTreeMap;

/// Longest file that is read.
pub const LIMIT: u64 = yaml::LIMIT as u64;

/// What the file says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct UserConfig {
    /// By the name of the variable that each key is the default of.
    pub variables: BTreeMap<String, String>,
    /// The limits of clusters that bring none themselves.
    pub budget: Option<Budget>,
}

#[derive(Clone, Copy)]
enum Rule {
    Word,
    Truth,
    Span,
    Provider,
    Output,
}

const KEYS: &[(&str, &str, Rule)] = &[
    ("provider", "KUBEWRIGHT_PROVIDER", Rule::Provider),
    ("region", "KUBEWRIGHT_REGION", Rule::Word),
    ("profile", "KUBEWRIGHT_PROFILE", Rule::Word),
    ("roleArn", "KUBEWRIGHT_ROLE_ARN", Rule::Word),
    ("project", "KUBEWRIGHT_PROJECT", Rule::Word),
    ("subscription", "KUBEWRIGHT_SUBSCRIPTION", Rule::Word),
    ("output", "KUBEWRIGHT_OUTPUT", Rule::Output),
    ("noInput", "KUBEWRIGHT_NO_INPUT", Rule::Truth),
    ("noColor", "KUBEWRIGHT_NO_COLOR", Rule::Truth),
    ("quiet", "KUBEWRIGHT_QUIET", Rule::Truth),
    ("timeout", "KUBEWRIGHT_TIMEOUT", Rule::Span),
    ("lockTimeout", "KUBEWRIGHT_LOCK_TIMEOUT", Rule::Span),
];

/// Reads the file.
///
/// # Errors
/// Everything that is wrong with it.
pub fn parse(text: &str, filename: &str) -> Result<UserConfig, Vec<SpecProblem>> {
    let place = |mark| Place::File { name: filename.to_owned(), mark };
    let root = yaml::parse(text).map(|root| root.map_places(&place));
    let root = root.map_err(|error| vec![SpecProblem::new("", error.message).at(&place(error.at))])?;
    let mut walk = Walk::default();
    let mut config = UserConfig::default();
    let valid: Vec<&str> = KEYS.iter().map(|(key, ..)| *key).chain(["budget"]).collect();
    if let Some(fields) = walk.fields(&At { path: String::new(), node: &root }, &valid, "region: eu-west-1") {
        for (key, variable, rule) in KEYS {
            let value = fields.get(key).and_then(|at| value(&mut walk, &at, *rule));
            if let Some(value) = value {
                config.variables.insert((*variable).to_owned(), value);
            }
        }
        config.budget = fields.get("budget").and_then(|at| read_budget(&mut walk, &at));
    }
    if walk.problems.is_empty() { Ok(config) } else { Err(walk.problems) }
}

fn value(walk: &mut Walk, at: &At<'_>, rule: Rule) -> Option<String> {
    if let Rule::Truth = rule {
        return walk.truth(at).map(|truth| truth.to_string());
    }
    let text = walk.text(at, "eu-west-1")?;
    let formats = ["table", "json", "yaml", "name"];
    let refused = match rule {
        Rule::Word | Rule::Truth => {
            text.chars().any(|c| c.is_whitespace() || c.is_control()).then(|| "must be one word".to_owned())
        }
        Rule::Span => parse_span(text).err().map(|why| why.to_string()),
        Rule::Provider => text.parse::<Cloud>().err().map(|why| why.to_string()),
        Rule::Output => (!formats.contains(&text)).then(|| format!("`{text}` is not one of {}", formats.join(", "))),
    };
    match refused {
        Some(why) => {
            walk.problem(at, why);
            None
        }
        None => Some(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_defaults_of_variables() {
        let text = "region: eu-west-1\nlockTimeout: 30s\nnoColor: true\nprofile: ~\nbudget: { hourlyUsd: 3 }\n";
        let config = parse(text, "config.yaml").unwrap();
        let vars: Vec<_> = config.variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(vars, ["KUBEWRIGHT_LOCK_TIMEOUT=30s", "KUBEWRIGHT_NO_COLOR=true", "KUBEWRIGHT_REGION=eu-west-1"]);
        assert_eq!(config.budget.unwrap().hourly_usd, Some(3.0));
        assert_eq!(parse("", "config.yaml"), Ok(UserConfig::default()));
    }

    #[test]
    fn every_key_is_a_variable_that_exists() {
        for (key, variable, _) in KEYS {
            assert!(crate::config::env_vars::VARIABLES.iter().any(|known| known.name == *variable), "{key}");
        }
    }

    #[test]
    fn all_problems_come_at_once() {
        let text = "regoin: x\nprovider: eks\noutput: xml\ntimeout: 5\nyes: true\nnoInput: 1\nbudget: { warnAt: 2 }\n";
        let problems = parse(text, "config.yaml").unwrap_err();
        let keys: Vec<_> = problems.iter().map(|problem| problem.key.as_str()).collect();
        assert_eq!(keys.len(), 7, "{keys:?}");
        assert_eq!(problems[0].to_string(), "config.yaml:1:1: regoin: unknown key; did you mean `region`?");
        assert!(parse("a: &x b", "config.yaml").is_err());
    }
}
