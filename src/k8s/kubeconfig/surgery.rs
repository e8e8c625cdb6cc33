//! Edits in the text itself: list items are cut, replaced and added by line, and nothing else is touched.
//!
//! This knows block style only and may be wrong about anything exotic; whoever calls it reads the result back and
//! compares. `None` means: not in a style this can edit.

use super::{Edit, List, render};

/// The text with the edits made.
pub(super) fn apply(text: &str, edits: &[Edit]) -> Option<String> {
    let crlf = text.contains("\r\n");
    let mut text = if crlf { text.replace("\r\n", "\n") } else { text.to_owned() };
    for edit in edits {
        text = match edit {
            Edit::Put(list, name, value) => put(&text, *list, name, value)?,
            Edit::Drop(list, name) => cut(&text, *list, name)?,
            Edit::Current(name) => current(&text, name.as_deref()),
        };
    }
    Some(if crlf { text.replace('\n', "\r\n") } else { text })
}

/// The text with its last line ended.
pub(super) fn ended(text: &str) -> String {
    if text.is_empty() || text.ends_with('\n') { text.to_owned() } else { format!("{text}\n") }
}

/// A list in the text, by line numbers.
struct Place {
    /// The line of its key.
    key: usize,
    /// How far its items are indented.
    indent: usize,
    /// First line and the line after the last, of each item.
    items: Vec<(usize, usize)>,
}

fn lines(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}

/// None: there is no such key. `Some(None)`: it is there in a style that cannot be edited.
fn find(lines: &[&str], list: List) -> Option<Option<Place>> {
    let prefix = format!("{}:", list.key());
    let key = lines.iter().position(|line| {
        line.strip_prefix(prefix.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\n', '\t']))
    })?;
    let rest = lines[key][prefix.len()..].split(" #").next().unwrap_or_default().trim();
    let body = key + 1;
    let end = lines[body..].iter().position(|line| !is_inside(line)).map_or(lines.len(), |at| body + at);
    if matches!(rest, "[]" | "null" | "~") {
        return Some(Some(Place { key, indent: 0, items: Vec::new() }));
    }
    if !(rest.is_empty() || rest.starts_with('#')) {
        return Some(None);
    }
    let Some(first) = lines[body..end].iter().position(|line| is_content(line)).map(|at| body + at) else {
        return Some(Some(Place { key, indent: 0, items: Vec::new() }));
    };
    let indent = indent_of(lines[first]);
    let starts: Vec<usize> =
        (first..end).filter(|at| indent_of(lines[*at]) == indent && lines[*at][indent..].starts_with("- ")).collect();
    if starts.first() != Some(&first) {
        return Some(None);
    }
    let items = starts
        .iter()
        .enumerate()
        .map(|(nth, start)| {
            let limit = starts.get(nth + 1).copied().unwrap_or(end);
            let last = (*start..limit).rev().find(|at| is_content(lines[*at])).unwrap_or(*start);
            (*start, last + 1)
        })
        .collect();
    Some(Some(Place { key, indent, items }))
}

/// A line that belongs to the list above it: indented, a dash, blank or a comment.
fn is_inside(line: &str) -> bool {
    line.starts_with([' ', '#', '\n']) || line.starts_with("- ") || line.trim().is_empty()
}

fn is_content(line: &str) -> bool {
    let line = line.trim();
    !line.is_empty() && !line.starts_with('#')
}

fn indent_of(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

/// The item of this name.
fn item(lines: &[&str], place: &Place, name: &str) -> Option<(usize, usize)> {
    place.items.iter().copied().find(|(start, end)| {
        let text: String = lines[*start..*end].concat();
        let read: Result<serde_yaml::Value, _> = serde_yaml::from_str(&text);
        read.ok().and_then(|items| Some(items.get(0)?.get("name")?.as_str()? == name)).unwrap_or(false)
    })
}

fn spliced(lines: &[&str], from: usize, to: usize, new: &str) -> String {
    let head: String = lines[..from].concat();
    let head = if head.is_empty() { head } else { ended(&head) };
    head + new + &lines[to..].concat()
}

fn put(text: &str, list: List, name: &str, value: &serde_json::Value) -> Option<String> {
    let lines = lines(text);
    let rendered = |indent: usize| render::block(&serde_json::Value::Array(vec![value.clone()]), indent);
    let Some(place) = find(&lines, list) else {
        return Some(format!("{}{}:\n{}", ended(text), list.key(), rendered(0)));
    };
    let place = place?;
    if let Some((start, end)) = item(&lines, &place, name) {
        return Some(spliced(&lines, start, end, &rendered(place.indent)));
    }
    Some(match place.items.last() {
        Some((_, end)) => spliced(&lines, *end, *end, &rendered(place.indent)),
        None => {
            let key = format!("{}:\n{}", list.key(), rendered(0));
            spliced(&lines, place.key, place.key + 1, &key)
        }
    })
}

fn cut(text: &str, list: List, name: &str) -> Option<String> {
    let lines = lines(text);
    let place = find(&lines, list)??;
    let (start, end) = item(&lines, &place, name)?;
    if place.items.len() == 1 {
        // A key without items would be null.
        let without = spliced(&lines, start, end, "");
        let lines = self::lines(&without);
        return Some(spliced(&lines, place.key, place.key + 1, &format!("{}: []\n", list.key())));
    }
    Some(spliced(&lines, start, end, ""))
}

fn current(text: &str, name: Option<&str>) -> String {
    const KEY: &str = "current-context:";
    let line = format!("{KEY} {}\n", render::scalar(name.unwrap_or_default()));
    let lines = lines(text);
    match lines.iter().position(|line| line.starts_with(KEY)) {
        Some(at) => spliced(&lines, at, at + 1, &line),
        None if name.is_none() => text.to_owned(),
        None => ended(text) + &line,
    }
}
