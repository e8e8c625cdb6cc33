//! Flat parameters (query protocols, and the query strings of REST calls) with nested names.
//!
//! Strictness: every accessor notes what it looked at. What nobody looked at by the end of a call is unknown to the
//! operation, and the call is refused and undone. So an action reads all parameters it accepts, always.

use super::ApiError;
use std::{cell::RefCell, collections::BTreeSet};

#[derive(Debug)]
struct Inner {
    values: Vec<(String, String)>,
    read: RefCell<BTreeSet<usize>>,
    missing_code: &'static str,
    invalid_code: &'static str,
}

/// Parameters below a prefix; the whole request at the top.
#[derive(Debug, Clone)]
pub struct Params {
    inner: std::rc::Rc<Inner>,
    prefix: String,
}

impl Params {
    /// Takes decoded pairs; the codes are the vendor's for a missing and a malformed parameter.
    pub fn new(values: Vec<(String, String)>, missing_code: &'static str, invalid_code: &'static str) -> Self {
        let read = RefCell::new(BTreeSet::new());
        Self { inner: std::rc::Rc::new(Inner { values, read, missing_code, invalid_code }), prefix: String::new() }
    }

    fn full(&self, name: &str) -> String {
        if self.prefix.is_empty() { name.to_owned() } else { format!("{}.{name}", self.prefix) }
    }

    fn all(&self, full: &str) -> Vec<&str> {
        let mut found = Vec::new();
        for (index, (name, value)) in self.inner.values.iter().enumerate() {
            if name == full {
                self.inner.read.borrow_mut().insert(index);
                found.push(value.as_str());
            }
        }
        found
    }

    /// Where this group hangs, for messages: `TagSpecification.1`. Empty at the top.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// A parameter's text.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(&self.full(name)).into_iter().next()
    }

    /// As [`Params::get`], owned.
    pub fn text(&self, name: &str) -> Option<String> {
        self.get(name).map(str::to_owned)
    }

    /// A parameter that must be there and not be empty.
    pub fn require(&self, name: &str) -> Result<&str, ApiError> {
        self.get(name).filter(|value| !value.is_empty()).ok_or_else(|| {
            ApiError::bad(
                self.inner.missing_code,
                format!("The request must contain the parameter {}", self.full(name)),
            )
        })
    }

    /// `true` or `false`.
    pub fn flag(&self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.get(name) {
            None => Ok(None),
            Some("true" | "True") => Ok(Some(true)),
            Some("false" | "False") => Ok(Some(false)),
            Some(other) => Err(self.invalid(name, other, "boolean")),
        }
    }

    /// A whole number.
    pub fn number(&self, name: &str) -> Result<Option<i64>, ApiError> {
        match self.get(name) {
            None => Ok(None),
            Some(text) => text.parse().map(Some).map_err(|_| self.invalid(name, text, "integer")),
        }
    }

    fn invalid(&self, name: &str, value: &str, wanted: &str) -> ApiError {
        let full = self.full(name);
        ApiError::bad(
            self.inner.invalid_code,
            format!("Invalid value '{value}' for {full}. It must be of type {wanted}"),
        )
    }

    /// The numbers that follow `name.` (or `name.member.`), ascending, with the prefix of each.
    fn indices(&self, name: &str) -> Vec<String> {
        let base = self.full(name);
        // An empty list is sent as the bare name without a value.
        let _ = self.all(&base);
        let _ = self.all(&format!("{base}.member"));
        let mut numbers = BTreeSet::new();
        for (key, _) in &self.inner.values {
            let Some(rest) = key.strip_prefix(&base).and_then(|rest| rest.strip_prefix('.')) else { continue };
            let (rest, member) = match rest.strip_prefix("member.") {
                Some(rest) => (rest, true),
                None => (rest, false),
            };
            let digits = rest.split('.').next().unwrap_or_default();
            if let Ok(number) = digits.parse::<u32>() {
                numbers.insert((number, member));
            }
        }
        let dotted = |(number, member)| format!("{base}.{}{number}", if member { "member." } else { "" });
        numbers.into_iter().map(dotted).collect()
    }

    /// A list of texts: `Name.1`, `Name.member.1`, or a name given several times.
    pub fn list(&self, name: &str) -> Vec<String> {
        let repeated = self.all(&self.full(name));
        let mut values: Vec<String> =
            repeated.into_iter().filter(|value| !value.is_empty()).map(str::to_owned).collect();
        for index in self.indices(name) {
            values.extend(self.all(&index).into_iter().map(str::to_owned));
        }
        values
    }

    /// A list of groups: `Name.1.Field`, `Name.member.1.Field`.
    pub fn groups(&self, name: &str) -> Vec<Self> {
        let group = |prefix| Self { inner: std::rc::Rc::clone(&self.inner), prefix };
        self.indices(name).into_iter().map(group).collect()
    }

    /// A nested group, `Name.Field`, if any of its fields was sent.
    pub fn group(&self, name: &str) -> Option<Self> {
        let prefix = self.full(name);
        let below = format!("{prefix}.");
        let sent = self.inner.values.iter().any(|(key, _)| key.starts_with(&below));
        sent.then(|| Self { inner: std::rc::Rc::clone(&self.inner), prefix })
    }

    /// `Filter.N.Name` with its `Filter.N.Value.M` (EC2) or `Filters.member.N…Values` (others).
    pub fn filters(&self, name: &str) -> Vec<(String, Vec<String>)> {
        let pair = |group: Self| {
            let mut values = group.list("Value");
            values.extend(group.list("Values"));
            (group.text("Name").unwrap_or_default(), values)
        };
        self.groups(name).into_iter().map(pair).collect()
    }

    /// Notes that a parameter is known without looking at it.
    pub fn ignore(&self, name: &str) {
        let full = self.full(name);
        let below = format!("{full}.");
        for (index, (key, _)) in self.inner.values.iter().enumerate() {
            if *key == full || key.starts_with(&below) {
                self.inner.read.borrow_mut().insert(index);
            }
        }
    }

    /// Every parameter as sent, all of them noted as known: for a service that checks the whole request against its
    /// model itself.
    pub fn all_pairs(&self) -> Vec<(String, String)> {
        self.inner.read.borrow_mut().extend(0..self.inner.values.len());
        self.inner.values.clone()
    }

    /// The first parameter nobody looked at.
    pub fn unread(&self) -> Option<&str> {
        let read = self.inner.read.borrow();
        let values = self.inner.values.iter().enumerate();
        values.filter(|(index, _)| !read.contains(index)).map(|(_, (name, _))| name.as_str()).next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(pairs: &[(&str, &str)]) -> Params {
        let pairs = pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        Params::new(pairs, "MissingParameter", "InvalidParameterValue")
    }

    #[test]
    fn lists_and_groups_are_found_in_numeric_order() {
        let p = params(&[
            ("SubnetId.10", "c"),
            ("SubnetId.2", "b"),
            ("SubnetId.1", "a"),
            ("Tags.member.1.Key", "k"),
            ("Tags.member.1.Value", "v"),
            ("Data.Options.Hop", "2"),
            ("tagKeys", "x"),
            ("tagKeys", "y"),
        ]);
        assert_eq!(p.list("SubnetId"), ["a", "b", "c"]);
        assert_eq!(p.list("tagKeys"), ["x", "y"]);
        let tags = p.groups("Tags");
        assert_eq!((tags.len(), tags[0].get("Key"), tags[0].get("Value")), (1, Some("k"), Some("v")));
        let data = p.group("Data").expect("sent");
        assert_eq!(data.group("Options").expect("sent").number("Hop"), Ok(Some(2)));
        assert_eq!(p.unread(), None);
    }

    #[test]
    fn what_nobody_reads_is_unknown() {
        let p = params(&[("Known", "1"), ("Unknwon.1", "2")]);
        assert_eq!(p.get("Known"), Some("1"));
        assert_eq!(p.unread(), Some("Unknwon.1"));
        assert_eq!(p.require("Absent").unwrap_err().code, "MissingParameter");
        assert_eq!(p.flag("Known").unwrap_err().code, "InvalidParameterValue");
    }
}
