//! YAML as a tree in which every key and value knows its line and column.
//!
//! Scalars stay text: `1.30` is not a number that loses its zero, `no` is not `false`. What a configuration file does
//! not need and what makes files dangerous (anchors, aliases, tags, several documents, endless nesting) is refused with
//! its place. Built on the event parser, which does not recurse.

use std::fmt;
use yaml_rust2::{
    Event,
    parser::{Parser, Tag},
    scanner::{Marker, ScanError, TScalarStyle},
};

/// Longest text that is read.
pub const LIMIT: usize = 256 * 1024;
/// Deepest nesting that is read; cluster.yaml needs six.
const DEPTH: usize = 32;

/// A place in a text. Both count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// Line.
    pub line: usize,
    /// Column, in characters.
    pub column: usize,
}

impl From<Marker> for Mark {
    fn from(mark: Marker) -> Self {
        Self { line: mark.line().max(1), column: mark.col() + 1 }
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// A value with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node<P> {
    /// Where it begins.
    pub at: P,
    /// What it is.
    pub kind: Kind<P>,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind<P> {
    /// Text as written. `plain` is without quotes, so that it may also be a number, a truth value or nothing.
    Scalar {
        /// The text.
        text: String,
        /// Whether it stood without quotes.
        plain: bool,
    },
    /// A list.
    List(Vec<Node<P>>),
    /// A mapping, in the order of the text. Keys may repeat: the reader decides.
    Map(Vec<Entry<P>>),
}

/// A key with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<P> {
    /// Where the key is.
    pub at: P,
    /// The key.
    pub key: String,
    /// Its value.
    pub value: Node<P>,
}

impl<P> Node<P> {
    /// Whether it says "nothing": `~`, `null` or no value at all.
    pub fn is_null(&self) -> bool {
        matches!(&self.kind, Kind::Scalar { text, plain: true } if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// The same tree with other places.
    pub fn map_places<Q>(self, place: &impl Fn(P) -> Q) -> Node<Q> {
        let kind = match self.kind {
            Kind::Scalar { text, plain } => Kind::Scalar { text, plain },
            Kind::List(items) => Kind::List(items.into_iter().map(|item| item.map_places(place)).collect()),
            Kind::Map(entries) => Kind::Map(
                entries
                    .into_iter()
                    .map(|entry| Entry { at: place(entry.at), key: entry.key, value: entry.value.map_places(place) })
                    .collect(),
            ),
        };
        Node { at: place(self.at), kind }
    }
}

/// Why a text could not be read as a tree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {message}")]
pub struct YamlError {
    /// Where.
    pub at: Mark,
    /// What is wrong and, where it helps, what to write instead.
    pub message: String,
}

/// Reads one document. An empty text is an empty mapping.
///
/// # Errors
/// The first thing that is no YAML or not wanted here.
pub fn parse(text: &str) -> Result<Node<Mark>, YamlError> {
    let start = Mark { line: 1, column: 1 };
    if text.len() > LIMIT {
        return Err(YamlError { at: start, message: format!("the text is longer than {LIMIT} bytes") });
    }
    let mut tree = Tree { events: Parser::new_from_str(text.strip_prefix('\u{feff}').unwrap_or(text)) };
    let mut root = None;
    loop {
        let (event, mark) = tree.next()?;
        match event {
            Event::StreamEnd => break,
            Event::DocumentStart if root.is_some() => {
                return refuse(mark, "a second document begins here; this file is read as one, so remove it");
            }
            Event::DocumentStart => {
                let (event, mark) = tree.next()?;
                root = Some(tree.node(event, mark, 0)?);
            }
            _ => {}
        }
    }
    Ok(root.filter(|root| !root.is_null()).unwrap_or(Node { at: start, kind: Kind::Map(Vec::new()) }))
}

struct Tree<I> {
    events: Parser<I>,
}

impl<I: Iterator<Item = char>> Tree<I> {
    fn next(&mut self) -> Result<(Event, Marker), YamlError> {
        self.events.next_token().map_err(|error| syntax(&error))
    }

    fn node(&mut self, event: Event, mark: Marker, depth: usize) -> Result<Node<Mark>, YamlError> {
        if depth > DEPTH {
            return refuse(mark, &format!("nested deeper than {DEPTH} levels"));
        }
        let kind = match event {
            Event::Scalar(text, style, anchor, tag) => {
                bare(mark, anchor, tag.as_ref())?;
                Kind::Scalar { text, plain: style == TScalarStyle::Plain }
            }
            Event::SequenceStart(anchor, tag) => {
                bare(mark, anchor, tag.as_ref())?;
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => break Kind::List(items),
                        (event, mark) => items.push(self.node(event, mark, depth + 1)?),
                    }
                }
            }
            Event::MappingStart(anchor, tag) => {
                bare(mark, anchor, tag.as_ref())?;
                let mut entries = Vec::new();
                loop {
                    match self.next()? {
                        (Event::MappingEnd, _) => break Kind::Map(entries),
                        (Event::Scalar(key, _, anchor, tag), at) => {
                            bare(at, anchor, tag.as_ref())?;
                            if key == "<<" {
                                return refuse(at, "merge keys (`<<`) are not read here; write the keys out");
                            }
                            let (event, mark) = self.next()?;
                            let value = self.node(event, mark, depth + 1)?;
                            entries.push(Entry { at: at.into(), key, value });
                        }
                        (Event::Alias(_), at) => return refuse(at, ALIAS),
                        (_, at) => return refuse(at, "a key must be a plain word, not a list or a mapping"),
                    }
                }
            }
            Event::Alias(_) => return refuse(mark, ALIAS),
            _ => return refuse(mark, "a value is missing here"),
        };
        Ok(Node { at: mark.into(), kind })
    }
}

const ALIAS: &str = "aliases (`*name`) are not read here; write the value out";

fn bare(mark: Marker, anchor: usize, tag: Option<&Tag>) -> Result<(), YamlError> {
    if anchor > 0 {
        return refuse(mark, "anchors (`&name`) are not read here; write the value out where it is needed");
    }
    match tag {
        Some(tag) => {
            refuse(mark, &format!("tags (`{}{}`) are not read here; remove it", short(&tag.handle), tag.suffix))
        }
        None => Ok(()),
    }
}

fn short(handle: &str) -> &str {
    if handle == "tag:yaml.org,2002:" { "!!" } else { handle }
}

fn refuse<T>(mark: Marker, message: &str) -> Result<T, YamlError> {
    Err(YamlError { at: mark.into(), message: message.to_owned() })
}

fn syntax(error: &ScanError) -> YamlError {
    let hint = match error.info() {
        info if info.contains("tab") => "; indent with spaces",
        info if info.contains("mapping values are not allowed") => "; put quotes around a value that holds `: `",
        info if info.contains("recursion limit") => "; it is nested far too deep",
        _ => "",
    };
    YamlError { at: (*error.marker()).into(), message: format!("this is not YAML: {}{hint}", error.info()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn error(text: &str) -> String {
        parse(text).unwrap_err().to_string()
    }

    #[test]
    fn every_key_and_value_knows_its_place() {
        let root = parse("\u{feff}a: 1.30\nb:\n  - {c: 'no'}\n").unwrap();
        let Kind::Map(top) = &root.kind else { panic!("{root:?}") };
        assert_eq!(top[0].value.kind, Kind::Scalar { text: "1.30".into(), plain: true });
        assert_eq!(top[0].value.at.to_string(), "1:4");
        let Kind::List(items) = &top[1].value.kind else { panic!("{root:?}") };
        let Kind::Map(inner) = &items[0].kind else { panic!("{root:?}") };
        assert_eq!((inner[0].at.to_string(), inner[0].value.at.to_string()), ("3:6".into(), "3:9".into()));
        assert_eq!(inner[0].value.kind, Kind::Scalar { text: "no".into(), plain: false });
    }

    #[test]
    fn what_is_not_wanted_is_refused_with_its_place() {
        assert!(error("a: &x 1\nb: *x").contains("anchors (`&name`) are not read here"));
        assert_eq!(error("a: *x"), "1:4: this is not YAML: while parsing node, found unknown anchor");
        assert!(error("a: !!int 3").ends_with("tags (`!!int`) are not read here; remove it"));
        assert_eq!(
            error("a: 1\n---\nb: 2"),
            "2:1: a second document begins here; this file is read as one, so remove it"
        );
        assert_eq!(error("<<: {a: 1}"), "1:1: merge keys (`<<`) are not read here; write the keys out");
        assert!(error("? [a]\n: 1").ends_with("a key must be a plain word, not a list or a mapping"));
        assert!(error("a: b: c").contains("put quotes around"), "{}", error("a: b: c"));
        assert!(error(&"x".repeat(LIMIT + 1)).contains("longer than"));
    }

    #[test]
    fn deep_and_endless_texts_end_with_an_error() {
        for deep in ["[".repeat(100_000), "{a: ".repeat(60_000), "- ".repeat(100_000), "? ".repeat(100_000)] {
            parse(&deep).unwrap_err();
        }
        let staircase: String = (0..400).map(|n| format!("{}a:\n", " ".repeat(n))).collect();
        assert!(error(&staircase).contains("nested deeper"));
    }

    #[test]
    fn an_empty_text_is_an_empty_mapping() {
        for empty in ["", "\n\n", "# only a comment\n", "---\n", "~", "--- null\n...\n"] {
            assert_eq!(parse(empty).unwrap().kind, Kind::Map(Vec::new()), "{empty:?}");
        }
    }

    const SAMPLE: &str =
        "a: {b: [1, 'x', \"y\\u00e9\"], c: ~}\nlist:\n  - k: |\n      text\n  - >-\n    fold\n# c\n? q\n: v\n";

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn no_text_makes_it_panic(text in "[-\\[\\]{}:,?#&*!|>'\"%@` \t\r\nab0~<.\\\\\u{0}\u{85}\u{2028}é]{0,60}") {
            let _ = parse(&text);
        }

        #[test]
        fn no_damage_makes_it_panic(at in 0..SAMPLE.len(), with in "[-\\[\\]{}:,?#&*!|>'\"%@` \t\r\n\\\\]{0,3}", cut in 0usize..6) {
            let mut bytes = SAMPLE.as_bytes().to_vec();
            let end = (at + cut).min(bytes.len());
            bytes.splice(at..end, with.into_bytes());
            let _ = parse(&String::from_utf8_lossy(&bytes));
        }
    }
}
