//! One thing that is wrong with a spec: where, which key, what, and what to write instead.

use crate::config::yaml::Mark;
use std::fmt;

/// Where a value came from. Files sort before flags.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A place in a file.
    File {
        /// As the user named it.
        name: String,
        /// Line and column.
        mark: Mark,
    },
    /// A flag as typed, `--set network.nat=none`.
    Flag(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { name, mark } => write!(f, "{name}:{mark}"),
            Self::Flag(flag) => f.write_str(flag),
        }
    }
}

/// One problem. Prints as one line: `cluster.yaml:7:5: nodePools[0].cout: unknown key; did you mean `count`?`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecProblem {
    /// Where it stands, if it stands anywhere.
    pub place: Option<Place>,
    /// Key path, `nodePools[0].min`; empty for the document as a whole.
    pub key: String,
    /// What is wrong. Lower case, no period.
    pub message: String,
    /// The valid key or value that is nearest.
    pub nearest: Option<String>,
    /// What to write instead.
    pub instead: Option<String>,
}

impl SpecProblem {
    /// A problem of this key.
    pub fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { place: None, key: key.into(), message: message.into(), nearest: None, instead: None }
    }

    /// With what to write instead.
    #[must_use]
    pub fn instead(mut self, text: impl Into<String>) -> Self {
        self.instead = Some(text.into());
        self
    }

    /// With the nearest of these valid words, if one is near.
    #[must_use]
    pub fn nearest(mut self, word: &str, valid: &[&str]) -> Self {
        self.nearest = nearest(word, valid).map(str::to_owned);
        self
    }

    /// With its place.
    #[must_use]
    pub fn at(mut self, place: &Place) -> Self {
        self.place = Some(place.clone());
        self
    }
}

impl fmt::Display for SpecProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)?;
        if let Some(nearest) = &self.nearest {
            write!(f, "; did you mean `{nearest}`?")?;
        } else if let Some(instead) = &self.instead {
            write!(f, "; {instead}")?;
        }
        Ok(())
    }
}

/// The valid word that a typing error or another tool's habit turned into this one.
pub(super) fn nearest<'a>(word: &str, valid: &[&'a str]) -> Option<&'a str> {
    let plain = |word: &str| word.to_lowercase().replace(['-', '_'], "");
    let wanted = plain(word);
    if wanted.is_empty() || word.len() > 64 {
        return None;
    }
    let distance = |valid: &&str| strsim::damerau_levenshtein(&wanted, &plain(valid));
    let best = valid.iter().min_by_key(|valid| distance(valid))?;
    // A third of the letters may differ, at least one.
    (distance(best) <= (wanted.chars().count() / 3).max(1)).then_some(*best)
}
