//! What a request body may hold: a small schema language and its check.
//!
//! The real service ignores members it does not know; this one refuses them, so that a misspelt setting is found in a
//! rehearsal and not on a bill. The tables follow botocore's model of EKS (2017-11-01) and aws-sdk-eks 1.160.

use serde_json::Value;

/// The form of one value.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    /// Any text.
    Text,
    /// Text of at least and at most so many characters.
    Sized(usize, usize),
    /// One of these words.
    Word(&'static [&'static str]),
    /// `true` or `false`.
    Bool,
    /// A whole number within bounds.
    Int(i64, i64),
    /// A list of one shape.
    List(&'static Shape),
    /// Free keys, text values.
    Map,
    /// Known members only.
    Struct(&'static [Member]),
}

/// A member of a structure.
#[derive(Debug, Clone, Copy)]
pub(super) struct Member {
    name: &'static str,
    shape: Shape,
    required: bool,
}

/// A member that may be left out.
pub(super) const fn opt(name: &'static str, shape: Shape) -> Member {
    Member { name, shape, required: false }
}

/// A member that must be there.
pub(super) const fn req(name: &'static str, shape: Shape) -> Member {
    Member { name, shape, required: true }
}

/// A list of texts.
pub(super) const TEXTS: Shape = Shape::List(&Shape::Text);

/// Checks `body` against the members, answering the first difference as a sentence.
pub(super) fn check(body: &Value, members: &[Member]) -> Result<(), String> {
    structure(body, members, "")
}

fn structure(value: &Value, members: &[Member], at: &str) -> Result<(), String> {
    let Some(map) = value.as_object() else {
        return Err(format!("{} must be an object", shown(at)));
    };
    for (key, inner) in map {
        let path = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
        let Some(member) = members.iter().find(|m| m.name == key) else {
            return Err(format!("{path} is not a known member of the request"));
        };
        if !inner.is_null() {
            one(inner, member.shape, &path)?;
        }
    }
    match members.iter().find(|m| m.required && map.get(m.name).is_none_or(Value::is_null)) {
        Some(missing) if at.is_empty() => Err(format!("{} is required", missing.name)),
        Some(missing) => Err(format!("{at}.{} is required", missing.name)),
        None => Ok(()),
    }
}

fn one(value: &Value, shape: Shape, at: &str) -> Result<(), String> {
    match shape {
        Shape::Text => text(value, at).map(|_| ()),
        Shape::Sized(min, max) => {
            let count = text(value, at)?.chars().count();
            if count < min || count > max {
                return Err(format!("{at} must have {min} to {max} characters, not {count}"));
            }
            Ok(())
        }
        Shape::Word(words) => {
            let word = text(value, at)?;
            if words.contains(&word) {
                return Ok(());
            }
            Err(format!("{at} must be one of [{}], not {word}", words.join(", ")))
        }
        Shape::Bool if value.is_boolean() => Ok(()),
        Shape::Bool => Err(format!("{at} must be true or false")),
        Shape::Int(min, max) => match value.as_i64() {
            Some(number) if (min..=max).contains(&number) => Ok(()),
            Some(number) => Err(format!("{at} must lie between {min} and {max}, not {number}")),
            None => Err(format!("{at} must be a whole number")),
        },
        Shape::List(inner) => {
            let list = value.as_array().ok_or_else(|| format!("{at} must be a list"))?;
            list.iter().enumerate().try_for_each(|(i, item)| one(item, *inner, &format!("{at}[{i}]")))
        }
        Shape::Map => {
            let map = value.as_object().ok_or_else(|| format!("{at} must be an object"))?;
            map.iter().try_for_each(|(key, item)| text(item, &format!("{at}.{key}")).map(|_| ()))
        }
        Shape::Struct(members) => structure(value, members, at),
    }
}

fn text<'v>(value: &'v Value, at: &str) -> Result<&'v str, String> {
    value.as_str().ok_or_else(|| format!("{at} must be a string"))
}

fn shown(at: &str) -> &str {
    if at.is_empty() { "the request" } else { at }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const INNER: &[Member] = &[req("key", Shape::Text), opt("n", Shape::Int(1, 3))];
    const OUTER: &[Member] = &[
        req("name", Shape::Sized(1, 5)),
        opt("rows", Shape::List(&Shape::Struct(INNER))),
        opt("on", Shape::Bool),
        opt("mode", Shape::Word(&["A", "B"])),
    ];

    #[test]
    fn what_differs_is_named_with_its_path() {
        let refused = |body: Value| check(&body, OUTER).expect_err("refused");
        assert_eq!(refused(json!({})), "name is required");
        assert_eq!(refused(json!({"name": "toolong"})), "name must have 1 to 5 characters, not 7");
        assert_eq!(refused(json!({"name": "a", "nmae": 1})), "nmae is not a known member of the request");
        assert_eq!(refused(json!({"name": "a", "rows": [{"key": "k"}, {}]})), "rows[1].key is required");
        assert_eq!(
            refused(json!({"name": "a", "rows": [{"key": "k", "n": 4}]})),
            "rows[0].n must lie between 1 and 3, not 4"
        );
        assert_eq!(refused(json!({"name": "a", "on": "yes"})), "on must be true or false");
        assert_eq!(refused(json!({"name": "a", "mode": "C"})), "mode must be one of [A, B], not C");
        assert_eq!(refused(json!([])), "the request must be an object");
    }

    #[test]
    fn absent_and_null_are_the_same() {
        assert_eq!(check(&json!({"name": "a", "on": null, "rows": null}), OUTER), Ok(()));
    }
}
