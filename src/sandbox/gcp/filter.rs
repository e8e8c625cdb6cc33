//! The filter language of Google's lists: `labels.k=v`, `name eq re.*`, `(a=b) AND NOT c:d`.

use super::wire::Refused;
use regex_automata::meta::Regex;
use serde_json::Value;

/// A filter, read.
#[derive(Debug)]
pub(super) struct Filter(Option<Term>);

#[derive(Debug)]
enum Term {
    All(Vec<Term>),
    Any(Vec<Term>),
    Not(Box<Term>),
    Is { field: String, by: By, value: String },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Equal,
    Unequal,
    Has,
    Less,
    AtMost,
    More,
    AtLeast,
    Matches,
    MatchesNot,
}

fn refuse(text: &str) -> Refused {
    Refused::field("filter", text, "Invalid list filter expression.")
}

impl Filter {
    /// Reads one; an empty text takes everything.
    ///
    /// # Errors
    /// It is none.
    pub(super) fn read(text: &str) -> Result<Self, Refused> {
        if text.trim().is_empty() {
            return Ok(Self(None));
        }
        let words = words(text).ok_or_else(|| refuse(text))?;
        let mut reader = Reader { words: &words, at: 0 };
        let term = reader.any().filter(|_| reader.at == words.len()).ok_or_else(|| refuse(text))?;
        check(&term).ok_or_else(|| refuse(text))?;
        Ok(Self(Some(term)))
    }

    /// Whether it takes this object.
    pub(super) fn takes(&self, object: &Value) -> bool {
        self.0.as_ref().is_none_or(|term| term.takes(object))
    }
}

fn check(term: &Term) -> Option<()> {
    match term {
        Term::All(terms) | Term::Any(terms) => terms.iter().try_for_each(check),
        Term::Not(term) => check(term),
        Term::Is { by: By::Matches | By::MatchesNot, value, .. } => Regex::new(value).ok().map(|_| ()),
        Term::Is { .. } => Some(()),
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Word {
    Open,
    Close,
    Operator(By),
    Text(String),
    Quoted(String),
}

fn words(text: &str) -> Option<Vec<Word>> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (word, used) = match first {
            '(' => (Word::Open, 1),
            ')' => (Word::Close, 1),
            '"' | '\'' => {
                let end = rest[1..].find(first)?;
                (Word::Quoted(rest[1..=end].to_owned()), end + 2)
            }
            _ => match operator(rest) {
                Some((by, used)) => (Word::Operator(by), used),
                None => {
                    let end = rest.find(|c: char| c.is_whitespace() || "()=!<>:".contains(c)).unwrap_or(rest.len());
                    // A label's key may hold a quoted part: labels."a.b".
                    (Word::Text(rest[..end].replace('"', "")), end.max(1))
                }
            },
        };
        words.push(word);
        rest = rest[used..].trim_start();
    }
    // A value may hold colons and slashes of its own: what follows an operator up to a blank is one value.
    Some(words)
}

fn operator(text: &str) -> Option<(By, usize)> {
    const ALL: [(&str, By); 7] = [
        ("!=", By::Unequal),
        ("<=", By::AtMost),
        (">=", By::AtLeast),
        ("=", By::Equal),
        (":", By::Has),
        ("<", By::Less),
        (">", By::More),
    ];
    ALL.iter().find(|(sign, _)| text.starts_with(sign)).map(|(sign, by)| (*by, sign.len()))
}

struct Reader<'a> {
    words: &'a [Word],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<&Word> {
        self.words.get(self.at)
    }

    fn says(&mut self, word: &str) -> bool {
        let said = matches!(self.peek(), Some(Word::Text(text)) if text == word);
        self.at += usize::from(said);
        said
    }

    fn any(&mut self) -> Option<Term> {
        let mut terms = vec![self.all()?];
        while self.says("OR") {
            terms.push(self.all()?);
        }
        Some(if terms.len() == 1 { terms.remove(0) } else { Term::Any(terms) })
    }

    fn all(&mut self) -> Option<Term> {
        let mut terms = vec![self.one()?];
        while self.peek().is_some_and(|word| *word != Word::Close && *word != Word::Text("OR".to_owned())) {
            self.says("AND");
            terms.push(self.one()?);
        }
        Some(if terms.len() == 1 { terms.remove(0) } else { Term::All(terms) })
    }

    fn one(&mut self) -> Option<Term> {
        if self.says("NOT") || self.says("-") {
            return Some(Term::Not(Box::new(self.one()?)));
        }
        if self.peek() == Some(&Word::Open) {
            self.at += 1;
            let inner = self.any()?;
            (self.peek() == Some(&Word::Close)).then(|| self.at += 1)?;
            return Some(inner);
        }
        let Word::Text(field) = self.peek()?.clone() else { return None };
        self.at += 1;
        let mut by = match self.peek()?.clone() {
            Word::Operator(by) => by,
            Word::Text(word) if word == "eq" => By::Matches,
            Word::Text(word) if word == "ne" => By::MatchesNot,
            _ => return None,
        };
        self.at += 1;
        // `name~re` of gcloud does not reach the API; `=` may be doubled.
        if by == By::Equal && self.peek() == Some(&Word::Operator(By::Equal)) {
            self.at += 1;
            by = By::Equal;
        }
        let (Word::Text(value) | Word::Quoted(value)) = self.peek()?.clone() else { return None };
        self.at += 1;
        let mut value = value;
        // The rest of a value that holds an operator's sign, as a URL does.
        while let (Some(Word::Operator(By::Has)), Some(Word::Text(more))) = (self.peek(), self.words.get(self.at + 1)) {
            if !more.starts_with('/') {
                break;
            }
            value = format!("{value}:{more}");
            self.at += 2;
        }
        Some(Term::Is { field, by, value })
    }
}

impl Term {
    fn takes(&self, object: &Value) -> bool {
        match self {
            Self::All(terms) => terms.iter().all(|term| term.takes(object)),
            Self::Any(terms) => terms.iter().any(|term| term.takes(object)),
            Self::Not(term) => !term.takes(object),
            Self::Is { field, by, value } => {
                let found = at(object, field);
                match by {
                    By::Unequal => !found.iter().any(|own| text(own) == *value),
                    By::MatchesNot => !found.iter().any(|own| matches(&text(own), value)),
                    by => found.iter().any(|own| holds(own, *by, value)),
                }
            }
        }
    }
}

/// Everything a dotted field names; lists are looked through.
fn at<'a>(object: &'a Value, field: &str) -> Vec<&'a Value> {
    if let Value::Array(items) = object {
        return items.iter().flat_map(|item| at(item, field)).collect();
    }
    if field.is_empty() {
        return vec![object];
    }
    // Keys of labels may hold dots themselves.
    if let Some(whole) = object.get(field) {
        return at(whole, "");
    }
    let (head, rest) = field.split_once('.').unwrap_or((field, ""));
    object.get(head).filter(|_| head != field).map(|inner| at(inner, rest)).unwrap_or_default()
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

fn matches(own: &str, pattern: &str) -> bool {
    // The whole value must match, as RE2's FullMatch has it.
    Regex::new(&format!("^(?:{pattern})$")).is_ok_and(|regex| regex.is_match(own))
}

fn holds(own: &Value, by: By, value: &str) -> bool {
    let shown = text(own);
    let numbers = || Some((shown.parse::<f64>().ok()?, value.parse::<f64>().ok()?));
    let ordered = |fits: fn(std::cmp::Ordering) -> bool| match numbers() {
        Some((a, b)) => a.partial_cmp(&b).is_some_and(fits),
        None => fits(shown.as_str().cmp(value)),
    };
    match by {
        By::Equal => match value.strip_suffix('*') {
            Some(prefix) => shown.starts_with(prefix),
            None => shown == value,
        },
        By::Has if value == "*" => true,
        By::Has => shown.to_lowercase().contains(&value.trim_matches('*').to_lowercase()),
        By::Less => ordered(std::cmp::Ordering::is_lt),
        By::AtMost => ordered(std::cmp::Ordering::is_le),
        By::More => ordered(std::cmp::Ordering::is_gt),
        By::AtLeast => ordered(std::cmp::Ordering::is_ge),
        By::Matches => matches(&shown, value),
        By::Unequal | By::MatchesNot => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn filters_take_what_they_say() {
        let object = json!({"name": "gke-demo-1", "labels": {"kubewright-stack": "demo-1a2b3c4d", "a": ""}, "sizeGb": "20",
            "network": "https://www.googleapis.com/compute/v1/projects/p/global/networks/n", "users": ["x", "y"]});
        for filter in [
            "",
            "labels.kubewright-stack=demo-1a2b3c4d",
            "labels.kubewright-stack:*",
            "labels.a:*",
            "name=gke-*",
            "name eq gke-.*",
            "name eq \".*(^gke-demo-1$).*\"",
            "(name = \"gke-demo-1\") AND (sizeGb > 10)",
            "name=other OR sizeGb<=20",
            "NOT name=other",
            "name!=other users=y",
            "network=\"https://www.googleapis.com/compute/v1/projects/p/global/networks/n\"",
            "network=https://www.googleapis.com/compute/v1/projects/p/global/networks/n",
            "network eq .*/networks/n",
        ] {
            assert!(Filter::read(filter).expect(filter).takes(&object), "{filter}");
        }
        for filter in
            ["name=gke", "labels.none:*", "name ne gke-.*", "sizeGb>20", "NOT users:x", "name=a AND sizeGb=20"]
        {
            assert!(!Filter::read(filter).expect(filter).takes(&object), "{filter}");
        }
        for filter in ["name", "name=", "(name=x", "name eq [", "name = = = x", "\"name\"=x"] {
            assert!(Filter::read(filter).is_err(), "{filter}");
        }
    }
}
