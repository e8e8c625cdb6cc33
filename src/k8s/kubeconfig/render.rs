//! JSON values as YAML in block style, so that every YAML reader takes them for the same thing.
//!
//! Text that some reader could take for something else (`no`, `1.30`, `null`) is quoted: YAML 1.1 and 1.2 differ.

use serde_json::Value;
use std::fmt::Write as _;

/// A value as block lines, each `indent` spaces in, the last one ended.
pub(super) fn block(value: &Value, indent: usize) -> String {
    let mut text = String::new();
    write_block(&mut text, value, indent);
    text
}

fn write_block(text: &mut String, value: &Value, indent: usize) {
    let pad = " ".repeat(indent);
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                match value {
                    Value::Object(inner) if !inner.is_empty() => {
                        let _ = writeln!(text, "{pad}{}:", scalar(key));
                        write_block(text, value, indent + 2);
                    }
                    Value::Array(items) if !items.is_empty() => {
                        let _ = writeln!(text, "{pad}{}:", scalar(key));
                        write_block(text, value, indent);
                    }
                    _ => {
                        let _ = writeln!(text, "{pad}{}: {}", scalar(key), flow(value));
                    }
                }
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                let inner = block(item, indent + 2);
                let _ = writeln!(text, "{pad}- {}", inner.trim_start().trim_end_matches('\n'));
            }
        }
        other => {
            let _ = writeln!(text, "{pad}{}", flow(other));
        }
    }
}

fn flow(value: &Value) -> String {
    match value {
        Value::String(text) => scalar(text),
        other => other.to_string(),
    }
}

/// Text as a scalar: plain where no reader can mistake it, else quoted. A JSON string is a YAML double-quoted scalar.
pub(super) fn scalar(text: &str) -> String {
    const RESERVED: &[&str] = &["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    let plain = |c: char| c.is_ascii_alphanumeric() || "._/-".contains(c);
    let safe = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text.chars().all(plain)
        && !RESERVED.contains(&text.to_ascii_lowercase().as_str());
    if safe { text.to_owned() } else { Value::from(text).to_string() }
}
