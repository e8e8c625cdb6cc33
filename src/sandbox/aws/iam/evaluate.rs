//! What policies say of one request: effect, action, resource and conditions.
//!
//! As the IAM User Guide has it ("Policy evaluation logic", "Condition operators", "Set operators"). An operator that is
//! not evaluated here fails closed: an allowance that hangs on it does not count, a denial does.

use super::documents::{statements, texts};
use serde_json::Value;
use std::collections::BTreeMap;

/// What is known of a request, by condition key. Keys are the same in any case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context(BTreeMap<String, Vec<String>>);

impl Context {
    /// With one more value under a key.
    pub fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.0.entry(key.to_ascii_lowercase()).or_default().push(value.into());
        self
    }

    /// With tags under `aws:RequestTag/…` or `aws:ResourceTag/…`.
    pub fn tagged<'t>(mut self, side: &str, tags: impl IntoIterator<Item = (&'t String, &'t String)>) -> Self {
        for (key, value) in tags {
            self = self.with(&format!("aws:{side}/{key}"), value);
            if side == "RequestTag" {
                self = self.with("aws:TagKeys", key);
            }
        }
        self
    }

    /// With all of another's.
    pub fn and(mut self, other: &Self) -> Self {
        for (key, values) in &other.0 {
            self.0.entry(key.clone()).or_default().extend(values.iter().cloned());
        }
        self
    }

    fn get(&self, key: &str) -> Option<&[String]> {
        self.0.get(&key.to_ascii_lowercase()).map(Vec::as_slice)
    }
}

/// One thing that a call must be allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// `ec2:CreateVpc`.
    pub action: String,
    /// ARN, or `*` for actions without resources.
    pub resource: String,
    /// Conditions are judged by this.
    pub context: Context,
}

/// What a set of policies says about an action on a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// A statement allows it and none denies it.
    Allowed,
    /// No statement speaks of it.
    ImplicitDeny,
    /// A statement denies it.
    ExplicitDeny,
}

/// Judges a request over these documents.
pub fn judge<'a>(documents: impl IntoIterator<Item = &'a Value>, ask: &Ask) -> Verdict {
    let mut verdict = Verdict::ImplicitDeny;
    for statement in documents.into_iter().flat_map(statements) {
        if !acts(statement, &ask.action) || !touches(statement, &ask.resource) {
            continue;
        }
        let held = conditions(statement, &ask.context);
        if statement["Effect"] == "Allow" {
            if held == Held::Yes {
                verdict = Verdict::Allowed;
            }
        } else if held != Held::No {
            return Verdict::ExplicitDeny;
        }
    }
    verdict
}

/// The condition keys that these documents name for an action and the context lacks: what a simulation reports.
pub fn missing_keys<'a>(documents: impl IntoIterator<Item = &'a Value>, ask: &Ask) -> Vec<String> {
    let mut missing: Vec<String> = Vec::new();
    for statement in documents.into_iter().flat_map(statements).filter(|statement| acts(statement, &ask.action)) {
        let tests = statement["Condition"].as_object().into_iter().flat_map(serde_json::Map::values);
        for key in tests.filter_map(Value::as_object).flat_map(serde_json::Map::keys) {
            if ask.context.get(key).is_none() && touches(statement, &ask.resource) && !missing.contains(key) {
                missing.push(key.clone());
            }
        }
    }
    missing
}

/// Whether a statement speaks of an action.
pub(super) fn acts(statement: &Value, action: &str) -> bool {
    let hit = |value: &Value| texts(value).unwrap_or_default().iter().any(|pattern| like(pattern, action, true));
    match (statement.get("Action"), statement.get("NotAction")) {
        (Some(value), _) => hit(value),
        (None, Some(value)) => !hit(value),
        (None, None) => false,
    }
}

fn touches(statement: &Value, resource: &str) -> bool {
    let hit = |value: &Value| texts(value).unwrap_or_default().iter().any(|pattern| like(pattern, resource, false));
    match (statement.get("Resource"), statement.get("NotResource")) {
        (Some(value), _) => hit(value),
        (None, Some(value)) => !hit(value),
        (None, None) => true,
    }
}

/// Whether conditions hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    Yes,
    No,
    /// Nobody here can say.
    Unknown,
}

fn conditions(statement: &Value, context: &Context) -> Held {
    let mut held = Held::Yes;
    let blocks = statement.get("Condition").and_then(Value::as_object);
    for (operator, tests) in blocks.into_iter().flatten() {
        for (key, wanted) in tests.as_object().into_iter().flatten() {
            match Operator::parse(operator).map(|operator| operator.holds(context.get(key), &values(wanted))) {
                Some(true) => {}
                Some(false) => return Held::No,
                None => held = Held::Unknown,
            }
        }
    }
    held
}

fn values(wanted: &Value) -> Vec<String> {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match wanted {
        Value::Array(items) => items.iter().map(text).collect(),
        one => vec![text(one)],
    }
}

/// How many of a key's values must match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quantity {
    /// The key has one value.
    One,
    /// `ForAnyValue:`.
    Any,
    /// `ForAllValues:`.
    All,
}

type Compare = fn(&str, &str) -> bool;

struct Operator {
    quantity: Quantity,
    if_exists: bool,
    negated: bool,
    /// None is `Null`.
    compare: Option<Compare>,
}

/// Operators that are evaluated here: name, whether it is a negation, how it compares a pattern with a value.
const COMPARED: [(&str, bool, Compare); 11] = [
    ("StringEquals", false, |pattern, value| pattern == value),
    ("StringNotEquals", true, |pattern, value| pattern == value),
    ("StringEqualsIgnoreCase", false, |pattern, value| pattern.eq_ignore_ascii_case(value)),
    ("StringNotEqualsIgnoreCase", true, |pattern, value| pattern.eq_ignore_ascii_case(value)),
    ("StringLike", false, |pattern, value| like(pattern, value, false)),
    ("StringNotLike", true, |pattern, value| like(pattern, value, false)),
    ("ArnEquals", false, arn_like),
    ("ArnLike", false, arn_like),
    ("ArnNotEquals", true, arn_like),
    ("ArnNotLike", true, arn_like),
    ("Bool", false, |pattern, value| pattern.eq_ignore_ascii_case(value)),
];

/// Operators that IAM knows and this does not evaluate.
const OTHERS: [&str; 15] = [
    "NumericEquals",
    "NumericNotEquals",
    "NumericLessThan",
    "NumericLessThanEquals",
    "NumericGreaterThan",
    "NumericGreaterThanEquals",
    "DateEquals",
    "DateNotEquals",
    "DateLessThan",
    "DateLessThanEquals",
    "DateGreaterThan",
    "DateGreaterThanEquals",
    "BinaryEquals",
    "IpAddress",
    "NotIpAddress",
];

/// The operator without what stands before and after it.
fn bare(text: &str) -> (Quantity, &str, bool) {
    let (quantity, rest) = match text.split_once(':') {
        Some(("ForAnyValue", rest)) => (Quantity::Any, rest),
        Some(("ForAllValues", rest)) => (Quantity::All, rest),
        _ => (Quantity::One, text),
    };
    match rest.strip_suffix("IfExists") {
        Some(name) => (quantity, name, true),
        None => (quantity, rest, false),
    }
}

/// Whether IAM has such an operator, and whether it is evaluated here.
pub(super) fn is_operator(text: &str) -> (bool, bool) {
    let evaluated = Operator::parse(text).is_some();
    (evaluated || OTHERS.contains(&bare(text).1), evaluated)
}

impl Operator {
    fn parse(text: &str) -> Option<Self> {
        let (quantity, name, if_exists) = bare(text);
        if name == "Null" && quantity == Quantity::One && !if_exists {
            return Some(Self { quantity, if_exists, negated: false, compare: None });
        }
        let (_, negated, compare) = COMPARED.iter().find(|(known, _, _)| *known == name)?;
        Some(Self { quantity, if_exists, negated: *negated, compare: Some(*compare) })
    }

    fn holds(&self, held: Option<&[String]>, wanted: &[String]) -> bool {
        let Some(compare) = self.compare else {
            return wanted.iter().any(|word| word.eq_ignore_ascii_case("true") == held.is_none());
        };
        let Some(held) = held else {
            return self.if_exists || self.negated || self.quantity == Quantity::All;
        };
        let fits = |value: &String| wanted.iter().any(|pattern| compare(pattern, value)) != self.negated;
        match self.quantity {
            Quantity::All => held.iter().all(fits),
            Quantity::Any => held.iter().any(fits),
            // A negation holds only where none of the values is one of those.
            Quantity::One if self.negated => held.iter().all(fits),
            Quantity::One => held.iter().any(fits),
        }
    }
}

/// The six parts of an ARN are compared one by one: a `*` does not reach across a colon but in the last.
fn arn_like(pattern: &str, value: &str) -> bool {
    let mut parts = value.splitn(6, ':');
    pattern.splitn(6, ':').all(|part| parts.next().is_some_and(|held| like(part, held, false)))
        && parts.next().is_none()
}

/// IAM's patterns: `*` any run, `?` one character; actions in any case.
pub(super) fn like(pattern: &str, text: &str, any_case: bool) -> bool {
    let same = |a: u8, b: u8| a == b || any_case && a.eq_ignore_ascii_case(&b);
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&c) if c == b'?' || same(c, text[t]) => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn ask(action: &str, resource: &str, context: Context) -> Ask {
        Ask { action: action.to_owned(), resource: resource.to_owned(), context }
    }

    fn judged(statement: Value, ask: &Ask) -> Verdict {
        judge([&json!({"Statement": statement})], ask)
    }

    #[test]
    fn patterns_match_as_iam_does() {
        for (pattern, text) in
            [("*", "ec2:RunInstances"), ("ec2:*", "ec2:X"), ("EC2:describe*", "ec2:DescribeVpcs"), ("a?c", "abc")]
        {
            assert!(like(pattern, text, true), "{pattern} {text}");
        }
        for (pattern, text) in [("ec2:*", "eks:X"), ("ec2:Run", "ec2:RunInstances"), ("a?c", "ac")] {
            assert!(!like(pattern, text, true), "{pattern} {text}");
        }
        assert!(!like("arn:A", "arn:a", false));
    }

    #[test]
    fn deny_wins_and_silence_is_denial() {
        let allow = json!({"Statement": {"Effect": "Allow", "Action": "ec2:*", "Resource": "*"}});
        let deny = json!({"Statement": [{"Effect": "Deny", "Action": ["ec2:DeleteVpc"], "Resource": "*"}]});
        let judge = |action: &str| judge([&allow, &deny], &ask(action, "*", Context::default()));
        assert_eq!(judge("ec2:CreateVpc"), Verdict::Allowed);
        assert_eq!(judge("ec2:DeleteVpc"), Verdict::ExplicitDeny);
        assert_eq!(judge("eks:ListClusters"), Verdict::ImplicitDeny);
    }

    #[test]
    fn resources_are_matched_and_everything_is_not_something() {
        let statement = |key: &str| json!({"Effect": "Allow", "Action": "ec2:*", key: "arn:aws:ec2:*:*:vpc/*"});
        let vpc = ask("ec2:DeleteVpc", "arn:aws:ec2:us-east-1:1:vpc/vpc-1", Context::default());
        let subnet = ask("ec2:DeleteSubnet", "arn:aws:ec2:us-east-1:1:subnet/subnet-1", Context::default());
        let all = ask("ec2:DescribeVpcs", "*", Context::default());
        let of = |key: &str, ask: &Ask| judged(statement(key), ask) == Verdict::Allowed;
        assert_eq!([&vpc, &subnet, &all].map(|it| of("Resource", it)), [true, false, false]);
        assert_eq!([&vpc, &subnet, &all].map(|it| of("NotResource", it)), [false, true, true]);
    }

    #[test]
    fn every_operator_holds_as_documented() {
        let context = Context::default()
            .with("aws:RequestedRegion", "us-east-1")
            .with("aws:TagKeys", "a")
            .with("aws:TagKeys", "b")
            .with("iam:PolicyARN", "arn:aws:iam::aws:policy/X")
            .with("ec2:IsLaunchTemplateResource", "true");
        let holds = |operator: &str, key: &str, value: Value| {
            let statement =
                json!({"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {operator: {key: value}}});
            judged(statement, &ask("ec2:X", "*", context.clone())) == Verdict::Allowed
        };
        let region = "aws:requestedREGION";
        for (operator, key, value, expected) in [
            ("StringEquals", region, json!(["eu-west-1", "us-east-1"]), true),
            ("StringEquals", region, json!("US-EAST-1"), false),
            ("StringEqualsIgnoreCase", region, json!("US-EAST-1"), true),
            ("StringNotEquals", region, json!("us-east-1"), false),
            ("StringNotEquals", "aws:absent", json!("x"), true),
            ("StringLike", region, json!("us-*-?"), true),
            ("StringLike", "aws:absent", json!("*"), false),
            ("StringLikeIfExists", "aws:absent", json!("x"), true),
            ("StringEqualsIfExists", region, json!("x"), false),
            ("StringNotLike", region, json!("us-*"), false),
            ("ArnLike", "iam:PolicyARN", json!("arn:aws:iam::aws:policy/*"), true),
            ("ArnLike", "iam:PolicyARN", json!("arn:*:policy/*"), false),
            ("ArnEquals", "iam:PolicyARN", json!("arn:aws:iam::aws:policy/X"), true),
            ("ArnNotLike", "iam:PolicyARN", json!("arn:aws:iam::aws:policy/*"), false),
            ("Bool", "ec2:IsLaunchTemplateResource", json!(true), true),
            ("Bool", "ec2:IsLaunchTemplateResource", json!("false"), false),
            ("Null", "aws:absent", json!("true"), true),
            ("Null", region, json!("true"), false),
            ("ForAllValues:StringEquals", "aws:TagKeys", json!(["a", "b", "c"]), true),
            ("ForAllValues:StringEquals", "aws:TagKeys", json!(["a"]), false),
            ("ForAllValues:StringEquals", "aws:absent", json!(["a"]), true),
            ("ForAnyValue:StringEquals", "aws:TagKeys", json!(["b", "c"]), true),
            ("ForAnyValue:StringEquals", "aws:absent", json!(["a"]), false),
        ] {
            assert_eq!(holds(operator, key, value.clone()), expected, "{operator} {key} {value}");
        }
    }

    #[test]
    fn what_is_not_evaluated_fails_closed() {
        let with = |effect: &str| {
            json!([
                {"Effect": "Allow", "Action": "s3:*", "Resource": "*"},
                {"Effect": effect, "Action": "*", "Resource": "*", "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}},
            ])
        };
        assert_eq!(judged(with("Allow"), &ask("ec2:X", "*", Context::default())), Verdict::ImplicitDeny);
        assert_eq!(judged(with("Deny"), &ask("s3:X", "*", Context::default())), Verdict::ExplicitDeny);
        assert_eq!((is_operator("IpAddress"), is_operator("StringLikes")), ((true, false), (false, false)));
    }

    #[test]
    fn a_simulation_learns_which_keys_it_left_out() {
        let tagged = json!({"Statement": {"Effect": "Allow", "Action": "ec2:DeleteVpc", "Resource": "*",
            "Condition": {"StringEquals": {"aws:ResourceTag/a": "1", "aws:RequestedRegion": "us-east-1"}}}});
        let known = Context::default().with("aws:RequestedRegion", "us-east-1");
        assert_eq!(missing_keys([&tagged], &ask("ec2:DeleteVpc", "*", known.clone())), ["aws:ResourceTag/a"]);
        assert!(missing_keys([&tagged], &ask("ec2:CreateVpc", "*", known)).is_empty());
    }
}
