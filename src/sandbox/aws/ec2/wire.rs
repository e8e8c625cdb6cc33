//! The EC2 and ELB query protocol: flat form parameters checked against the service's own model, and answers
//! written as JSON trees that become XML. Knows shapes, not meaning: what a value does is its handler's business.
//!
//! `actions.txt` holds one line per action: the request's members as the service model (botocore 1.43, Apache-2.0)
//! declares them. `!` marks required ones; `s` text, `b` boolean, `i` integer with an optional range, `d` number,
//! `e(…)` one of, `[…]` a list, `{…}` a structure. What is not declared there is refused, as the service does.

use super::fail;
use crate::sandbox::aws::{ApiError, Xml};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// What one parameter may hold.
#[derive(Debug, PartialEq)]
enum Shape {
    Text,
    Bool,
    Int(Option<(i64, i64)>),
    Number,
    OneOf(Vec<&'static str>),
    List(Box<Shape>),
    Struct(Vec<Member>),
}

#[derive(Debug, PartialEq)]
struct Member {
    name: &'static str,
    required: bool,
    shape: Shape,
}

/// The actions of one service with the shapes of their requests.
pub(crate) struct Actions {
    by_name: BTreeMap<&'static str, Shape>,
}

impl Actions {
    /// Reads the embedded table of one service.
    pub(crate) fn parse(table: &'static str) -> Self {
        let by_name = table
            .lines()
            .filter_map(|line| line.split_once(' '))
            .map(|(name, shape)| {
                let (shape, rest) = parse_shape(shape).expect("the embedded action table is well-formed");
                assert!(rest.is_empty(), "trailing text after the shape of {name}");
                (name, shape)
            })
            .collect();
        Self { by_name }
    }

    /// Whether there is such an action.
    pub(crate) fn knows(&self, action: &str) -> bool {
        self.by_name.contains_key(action)
    }

    /// The request as a tree of typed values, or the refusal the service would give.
    pub(crate) fn read(&self, action: &str, params: &[(String, String)]) -> Result<Request, ApiError> {
        let Some(shape) = self.by_name.get(action) else {
            return Err(fail("InvalidAction", format!("The action {action} is not valid for this web service.")));
        };
        let mut root = Node::default();
        for (key, value) in params {
            root.insert(key, value)?;
        }
        let tree = typed(&root, shape, "")?;
        let Value::Object(mut fields) = tree else {
            return Err(fail("MalformedQueryString", "The query string contains a syntax error."));
        };
        let dry_run = fields.remove("DryRun").and_then(|flag| flag.as_bool()).unwrap_or(false);
        Ok(Request { action: action.to_owned(), dry_run, fields })
    }
}

/// One request, checked against the service's model.
pub(crate) struct Request {
    /// The action's name.
    pub(crate) action: String,
    /// Only ask whether it would be allowed.
    pub(crate) dry_run: bool,
    fields: Map<String, Value>,
}

impl Request {
    /// A request without any parameter, not even the required ones.
    #[cfg(test)]
    pub(super) fn bare(action: &str) -> Self {
        Self { action: action.to_owned(), dry_run: false, fields: Map::new() }
    }

    /// What tells two requests with one token apart: everything but the token.
    pub(crate) fn print(&self) -> String {
        let rest: Map<String, Value> = self
            .fields
            .iter()
            .filter(|(name, _)| *name != "ClientToken")
            .map(|(n, v)| (n.clone(), v.clone()))
            .collect();
        let digest = Sha256::digest(Value::Object(rest).to_string());
        digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    /// The request as the handler's own type. A parameter the service has but the handler does not model is refused
    /// rather than ignored: a rehearsal that drops half of the request proves nothing.
    pub(crate) fn read<T: DeserializeOwned>(self) -> Result<T, ApiError> {
        serde_json::from_value(Value::Object(self.fields)).map_err(|error| {
            let text = error.to_string();
            let name = text.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next());
            match name {
                Some(name) => fail(
                    "UnsupportedOperation",
                    format!("The sandbox does not rehearse the parameter {name} of {}.", self.action),
                ),
                None => fail("InvalidParameterValue", format!("Invalid request to {}: {text}", self.action)),
            }
        })
    }
}

fn parse_shape(text: &'static str) -> Option<(Shape, &'static str)> {
    let mut chars = text.chars();
    let first = chars.next()?;
    let rest = chars.as_str();
    Some(match first {
        's' => (Shape::Text, rest),
        'b' => (Shape::Bool, rest),
        'd' => (Shape::Number, rest),
        'i' => match rest.strip_prefix('(') {
            Some(range) => {
                let (range, rest) = range.split_once(')')?;
                let (low, high) = range.split_once(',')?;
                (Shape::Int(Some((low.parse().ok()?, high.parse().ok()?))), rest)
            }
            None => (Shape::Int(None), rest),
        },
        'e' => {
            let (values, rest) = rest.strip_prefix('(')?.split_once(')')?;
            (Shape::OneOf(values.split('|').collect()), rest)
        }
        '[' => {
            let (item, rest) = parse_shape(rest)?;
            (Shape::List(Box::new(item)), rest.strip_prefix(']')?)
        }
        '{' => {
            let mut members = Vec::new();
            let mut rest = rest;
            while !rest.starts_with('}') {
                let (name, after) = rest.split_once(':')?;
                let (shape, after) = parse_shape(after)?;
                let required = name.ends_with('!');
                members.push(Member { name: name.trim_end_matches('!').trim_start(), required, shape });
                rest = after.trim_start();
            }
            (Shape::Struct(members), &rest[1..])
        }
        _ => return None,
    })
}

/// Dotted keys as a tree.
#[derive(Default)]
struct Node {
    value: Option<String>,
    children: BTreeMap<String, Node>,
}

impl Node {
    fn insert(&mut self, key: &str, value: &str) -> Result<(), ApiError> {
        let mut node = self;
        for (depth, part) in key.split('.').enumerate() {
            if part.is_empty() || depth > 12 {
                return Err(unknown(key));
            }
            node = node.children.entry(part.to_owned()).or_default();
        }
        if node.value.replace(value.to_owned()).is_some() {
            return Err(fail("MalformedQueryString", format!("Duplicate parameter {key}.")));
        }
        Ok(())
    }
}

fn unknown(path: &str) -> ApiError {
    fail("UnknownParameter", format!("The parameter {path} is not recognized"))
}

/// The service's spelling of a parameter in its messages: `VpcId` is `vpcId`.
pub(crate) fn camel(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map(|first| first.to_ascii_lowercase().to_string() + chars.as_str()).unwrap_or_default()
}

fn typed(node: &Node, shape: &Shape, path: &str) -> Result<Value, ApiError> {
    let last = path.rsplit('.').find(|part| part.parse::<u32>().is_err()).unwrap_or(path);
    let leaf = || match (&node.value, node.children.is_empty()) {
        (Some(value), true) => Ok(value.as_str()),
        _ => Err(unknown(path)),
    };
    let invalid = |value: &str, why: &str| {
        fail("InvalidParameterValue", format!("Value ({value}) for parameter {} is invalid. {why}", camel(last)))
    };
    match shape {
        Shape::Text => Ok(Value::from(leaf()?)),
        Shape::Bool => match leaf()? {
            "true" | "True" | "1" => Ok(Value::from(true)),
            "false" | "False" | "0" => Ok(Value::from(false)),
            other => Err(invalid(other, "Must be a boolean")),
        },
        Shape::Int(range) => {
            let text = leaf()?;
            let number: i64 = text.parse().map_err(|_| invalid(text, "Must be an integer"))?;
            match range {
                Some((low, _)) if number < *low => {
                    Err(invalid(text, &format!("Expecting a value greater than or equal to {low}.")))
                }
                Some((_, high)) if number > *high => {
                    Err(invalid(text, &format!("Expecting a value less than or equal to {high}.")))
                }
                _ => Ok(Value::from(number)),
            }
        }
        Shape::Number => {
            let text = leaf()?;
            text.parse::<f64>().map(Value::from).map_err(|_| invalid(text, "Must be a number"))
        }
        Shape::OneOf(values) => {
            let text = leaf()?;
            if values.contains(&text) {
                Ok(Value::from(text))
            } else {
                Err(invalid(text, &format!("Valid values are: {}", values.join(", "))))
            }
        }
        Shape::List(item) => {
            // `Names.member.1` in the older services, `Name.1` in EC2; an empty list arrives as `Names=`.
            let (holder, prefix) = match node.children.get("member") {
                Some(member) => (member, format!("{path}.member")),
                None => (node, path.to_owned()),
            };
            if node.value.as_ref().is_some_and(|value| !value.is_empty()) {
                return Err(unknown(path));
            }
            let mut items = Vec::new();
            for (index, child) in &holder.children {
                let place: u32 = index.parse().map_err(|_| unknown(&format!("{prefix}.{index}")))?;
                items.push((place, typed(child, item, &format!("{prefix}.{index}"))?));
            }
            items.sort_by_key(|(place, _)| *place);
            Ok(Value::Array(items.into_iter().map(|(_, value)| value).collect()))
        }
        Shape::Struct(members) => {
            let join = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
            let mut fields = Map::new();
            for (name, child) in &node.children {
                let Some(member) = members.iter().find(|member| member.name == name) else {
                    return Err(unknown(&join(name)));
                };
                fields.insert(name.clone(), typed(child, &member.shape, &join(name))?);
            }
            for member in members.iter().filter(|member| member.required) {
                let absent = match fields.get(member.name) {
                    None => true,
                    Some(Value::String(text)) => text.is_empty(),
                    Some(_) => false,
                };
                if absent {
                    return Err(fail(
                        "MissingParameter",
                        format!("The request must contain the parameter {}", camel(&join(member.name))),
                    ));
                }
            }
            Ok(Value::Object(fields))
        }
    }
}

/// A list whose elements are not called `item`.
pub(crate) fn named_items(tag: &str, items: Vec<Value>) -> Value {
    serde_json::json!({ "#tag": tag, "#items": items })
}

/// A tree as XML: objects nest, lists hold `item_tag` elements, null is left out.
pub(crate) fn to_xml(tree: &Value, item_tag: &str) -> Xml {
    let Value::Object(fields) = tree else { return Xml::new() };
    fields.iter().fold(Xml::new(), |xml, (name, value)| put(xml, name, value, item_tag))
}

fn put(xml: Xml, name: &str, value: &Value, item_tag: &str) -> Xml {
    match value {
        Value::Null => xml,
        Value::Bool(flag) => xml.text(name, flag),
        Value::Number(number) => xml.text(name, number),
        Value::String(text) => xml.text(name, text),
        Value::Array(items) => xml.child(name, list(items, item_tag, item_tag)),
        Value::Object(fields) => match (fields.get("#tag"), fields.get("#items")) {
            (Some(Value::String(tag)), Some(Value::Array(items))) => xml.child(name, list(items, tag, item_tag)),
            _ => xml.child(name, to_xml(value, item_tag)),
        },
    }
}

fn list(items: &[Value], tag: &str, item_tag: &str) -> Xml {
    items.iter().fold(Xml::new(), |xml, item| put(xml, tag, item, item_tag))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use serde_json::json;

    fn pairs(text: &str) -> Vec<(String, String)> {
        text.split('&').filter_map(|p| p.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
    }

    fn ec2() -> Actions {
        Actions::parse(include_str!("actions.txt"))
    }

    #[test]
    fn nested_lists_become_trees_in_order() {
        let query = "Filter.2.Name=state&Filter.1.Name=vpc-id&Filter.1.Value.2=b&Filter.1.Value.1=a&DryRun=true";
        let request = ec2().read("DescribeVpcs", &pairs(query)).expect("valid");
        assert!(request.dry_run);
        assert_eq!(
            Value::Object(request.fields),
            json!({"Filter": [{"Name": "vpc-id", "Value": ["a", "b"]}, {"Name": "state"}]})
        );
    }

    #[test]
    fn what_the_model_does_not_declare_is_refused() {
        let refusal = |action: &str, query: &str| ec2().read(action, &pairs(query)).err().expect("refused").code;
        assert_eq!(refusal("DescribeVpcs", "Vpc=1"), "UnknownParameter");
        assert_eq!(refusal("DescribeVpcs", "VpcId.x=1"), "UnknownParameter");
        assert_eq!(refusal("DescribeVpcs", "VpcId=vpc-1"), "UnknownParameter");
        assert_eq!(refusal("DescribeVpcs", "VpcId.1.Name=1"), "UnknownParameter");
        assert_eq!(refusal("DescribeVpcs", "MaxResults=4"), "InvalidParameterValue");
        assert_eq!(refusal("DescribeVpcs", "MaxResults=many"), "InvalidParameterValue");
        assert_eq!(refusal("CreateSubnet", "CidrBlock=10.0.0.0/24"), "MissingParameter");
        assert_eq!(refusal("AllocateAddress", "Domain=moon"), "InvalidParameterValue");
        assert_eq!(refusal("MakeCoffee", "Sugar=1"), "InvalidAction");
        assert_eq!(refusal("DescribeVpcs", "DryRun=true&DryRun=false"), "MalformedQueryString");
    }

    #[test]
    fn what_the_handler_does_not_model_is_refused_too() {
        #[derive(Deserialize, Debug)]
        #[serde(rename_all = "PascalCase", deny_unknown_fields)]
        struct Narrow {
            #[expect(dead_code, reason = "only its presence matters")]
            cidr_block: Option<String>,
        }
        let request = ec2().read("CreateVpc", &pairs("CidrBlock=10.0.0.0/16&Ipv6Pool=x")).expect("in the model");
        let refusal = request.read::<Narrow>().expect_err("not rehearsed");
        assert_eq!(refusal.code, "UnsupportedOperation");
    }

    #[test]
    fn trees_become_escaped_xml() {
        let mut out = String::new();
        let tree = json!({"a": [{"k": "<&>"}], "n": null, "b": true, "g": named_items("groupId", vec![json!("sg-1")])});
        to_xml(&tree, "item").write(&mut out);
        assert_eq!(out, "<a><item><k>&lt;&amp;&gt;</k></item></a><b>true</b><g><groupId>sg-1</groupId></g>");
    }
}
