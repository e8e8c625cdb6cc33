//! Filters and paging, the same for every Describe call: values with wildcards, tags, unknown names refused.
//! Works on the rows a reply would show, so a filter can only match what a client can see.

use super::fail;
use crate::sandbox::aws::ApiError;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::{Map, Value};

/// One filter of a request.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct Filter {
    /// Its name.
    pub(crate) name: Option<String>,
    /// Any of these.
    #[serde(default)]
    pub(crate) value: Vec<String>,
}

/// What every paged Describe call carries.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// Where the last page ended.
    pub(crate) token: Option<String>,
    /// Rows wanted.
    pub(crate) size: Option<usize>,
}

/// Filter names a call knows, each with the place of its value in a row; lists on the way are looked through.
pub(crate) type Known = &'static [(&'static str, &'static str)];

/// Rows that pass all filters.
pub(crate) fn keep(rows: Vec<Value>, filters: &[Filter], known: Known) -> Result<Vec<Value>, ApiError> {
    let mut tests: Vec<(Test, &[String])> = Vec::new();
    for filter in filters {
        let name = filter.name.as_deref().unwrap_or("null");
        let test = match name {
            "tag-key" => Test::TagKey,
            _ => match (name.strip_prefix("tag:"), known.iter().find(|(other, _)| *other == name)) {
                (Some(key), _) => Test::Tag(key),
                (None, Some((_, path))) => Test::Path(path),
                (None, None) => {
                    return Err(fail("InvalidParameterValue", format!("The filter '{name}' is invalid")));
                }
            },
        };
        if filter.value.is_empty() {
            return Err(fail("InvalidParameterValue", format!("The filter '{name}' must have at least one value")));
        }
        if filter.value.len() > 200 {
            return Err(fail(
                "FilterLimitExceeded",
                "The maximum number of filter values specified on a single call is 200",
            ));
        }
        tests.push((test, &filter.value));
    }
    Ok(rows.into_iter().filter(|row| tests.iter().all(|(test, wanted)| test.passes(row, wanted))).collect())
}

enum Test<'a> {
    Tag(&'a str),
    TagKey,
    Path(&'static str),
}

impl Test<'_> {
    fn passes(&self, row: &Value, wanted: &[String]) -> bool {
        let any = |text: &str| wanted.iter().any(|pattern| matches_pattern(pattern, text));
        let tags = || row.get("tagSet").and_then(Value::as_array).into_iter().flatten();
        let field = |tag: &Value, name: &str| tag.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        match self {
            Self::Tag(key) => tags().any(|tag| field(tag, "key") == *key && any(&field(tag, "value"))),
            Self::TagKey => tags().any(|tag| any(&field(tag, "key"))),
            Self::Path(path) => {
                let mut found = false;
                walk(row, path, &mut |text| found |= any(text));
                found
            }
        }
    }
}

/// Visits every scalar at a dotted path.
fn walk(value: &Value, path: &str, visit: &mut impl FnMut(&str)) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| walk(item, path, visit)),
        Value::Object(fields) => {
            let (first, rest) = path.split_once('.').unwrap_or((path, ""));
            if let Some(inner) = fields.get(first) {
                walk(inner, rest, visit);
            }
        }
        _ if !path.is_empty() => {}
        Value::String(text) => visit(text),
        Value::Bool(flag) => visit(if *flag { "true" } else { "false" }),
        Value::Number(number) => visit(&number.to_string()),
        Value::Null => {}
    }
}

/// `*` is any run, `?` any one character, a backslash takes the next literally.
fn matches_pattern(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        let literal = match pattern.get(p) {
            Some('\\') => pattern.get(p + 1).map(|c| (*c, 2)),
            Some('?') => Some((text[t], 1)),
            Some('*') => None,
            Some(c) => Some((*c, 1)),
            None => None,
        };
        match literal {
            Some((c, width)) if c == text[t] => (p, t) = (p + width, t + 1),
            None if pattern.get(p) == Some(&'*') => {
                star = Some((p, t));
                p += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    (p, t) = (at + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// One page of rows under `set`, with the token of the next. `most` is the page the service gives when not asked.
pub(crate) fn page(set: &str, rows: Vec<Value>, page: &Page, most: usize) -> Result<Value, ApiError> {
    let start = match page.token.as_deref() {
        None | Some("") => 0,
        Some(token) => offset(token)
            .filter(|start| *start <= rows.len())
            .ok_or_else(|| fail("InvalidNextToken", "The specified NextToken is not valid."))?,
    };
    let size = page.size.unwrap_or(most);
    if size == 0 {
        let message = "Value ( 0 ) for parameter maxResults is invalid. Expecting a value greater than or equal to 5.";
        return Err(fail("InvalidParameterValue", message));
    }
    let end = rows.len().min(start + size);
    let more = end < rows.len();
    let mut reply = Map::new();
    reply.insert(set.to_owned(), rows.into_iter().skip(start).take(end - start).collect());
    if more {
        reply.insert("nextToken".to_owned(), STANDARD.encode(format!("from:{end}")).into());
    }
    Ok(Value::Object(reply))
}

fn offset(token: &str) -> Option<usize> {
    let text = String::from_utf8(STANDARD.decode(token).ok()?).ok()?;
    text.strip_prefix("from:")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn filter(name: &str, values: &[&str]) -> Filter {
        Filter { name: Some(name.to_owned()), value: values.iter().map(|v| (*v).to_owned()).collect() }
    }

    const KNOWN: Known = &[("attachment.vpc-id", "attachmentSet.vpcId"), ("default", "isDefault")];

    fn rows() -> Vec<Value> {
        vec![
            json!({"id": 1, "attachmentSet": [{"vpcId": "vpc-1"}], "isDefault": true, "tagSet": [{"key": "a", "value": "x1"}]}),
            json!({"id": 2, "attachmentSet": [], "isDefault": false}),
        ]
    }

    fn ids(filters: &[Filter]) -> Vec<i64> {
        keep(rows(), filters, KNOWN).expect("known").iter().filter_map(|row| row["id"].as_i64()).collect()
    }

    #[test]
    fn filters_look_through_lists_and_tags() {
        assert_eq!(ids(&[filter("attachment.vpc-id", &["vpc-1", "vpc-9"])]), [1]);
        assert_eq!(ids(&[filter("tag:a", &["x?"])]), [1]);
        assert_eq!(ids(&[filter("tag:a", &["x"])]), Vec::<i64>::new());
        assert_eq!(ids(&[filter("tag-key", &["*"])]), [1]);
        assert_eq!(ids(&[filter("default", &["false"])]), [2]);
        assert_eq!(ids(&[filter("default", &["true"]), filter("tag:a", &["nope"])]), Vec::<i64>::new());
    }

    #[test]
    fn unknown_filters_are_refused() {
        assert_eq!(
            keep(rows(), &[filter("colour", &["red"])], KNOWN).expect_err("unknown").code,
            "InvalidParameterValue"
        );
        assert_eq!(keep(rows(), &[filter("default", &[])], KNOWN).expect_err("empty").code, "InvalidParameterValue");
    }

    #[test]
    fn patterns() {
        for (pattern, text, hit) in [
            ("aws-K8S-*", "aws-K8S-i-0abc", true),
            ("*a*b", "xxaxxb", true),
            ("*a*b", "xxaxxc", false),
            ("a\\*", "a*", true),
            ("a\\*", "ab", false),
            ("", "", true),
            ("*", "", true),
            ("?", "", false),
        ] {
            assert_eq!(matches_pattern(pattern, text), hit, "{pattern} on {text}");
        }
    }

    #[test]
    fn pages_end() {
        let rows: Vec<Value> = (0..7).map(Value::from).collect();
        let mut token = None;
        let mut seen = Vec::new();
        loop {
            let reply = page("set", rows.clone(), &Page { token, size: Some(3) }, 100).expect("valid token");
            seen.extend(reply["set"].as_array().cloned().unwrap_or_default());
            token = reply.get("nextToken").and_then(Value::as_str).map(str::to_owned);
            if token.is_none() {
                break;
            }
        }
        assert_eq!(seen, rows);
        let nothing = Page { token: None, size: Some(0) };
        assert_eq!(page("set", rows.clone(), &nothing, 100).expect_err("no progress").code, "InvalidParameterValue");
        let bad = Page { token: Some("zzz".to_owned()), size: None };
        assert_eq!(page("set", rows, &bad, 100).expect_err("bad token").code, "InvalidNextToken");
    }
}
