//! Names and ids: clusters, stacks, clouds, regions. Parsed at the border; a value of these types is valid.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// Why a name was refused. Lower case, reads after "cluster name `x`: ".
#[derive(Debug, thiserror::Error, PartialEq, Eq, Clone)]
#[error("{0}")]
pub struct NameError(pub String);

/// A cluster's name: `^[a-z][a-z0-9-]{0,38}[a-z0-9]$`, unique among live stacks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClusterName(String);

impl ClusterName {
    /// Longest name that leaves room for our suffixes in every cloud's limits.
    pub const MAX: usize = 40;

    /// The name as typed.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ClusterName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let refuse = |why: &str| Err(NameError(why.to_owned()));
        let count = text.chars().count();
        if count < 2 {
            return refuse("a name has at least 2 characters");
        }
        if count > Self::MAX {
            return refuse(&format!("a name has at most {} characters, this one has {count}", Self::MAX));
        }
        if let Some(bad) = text.chars().find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '-')) {
            return refuse(&format!("only a-z, 0-9 and `-` are allowed, not {bad:?}"));
        }
        if !text.starts_with(|c: char| c.is_ascii_lowercase()) {
            return refuse("a name starts with a letter a-z");
        }
        if text.ends_with('-') {
            return refuse("a name ends with a letter or a digit, not `-`");
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for ClusterName {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<ClusterName> for String {
    fn from(name: ClusterName) -> Self {
        name.0
    }
}

impl fmt::Display for ClusterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Eight hexadecimal digits, drawn once per stack: what makes two clusters of one name two stacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StackId(u32);

impl StackId {
    /// The id with these bits; the caller draws them at random.
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }
}

impl FromStr for StackId {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let valid = text.len() == 8 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        match u32::from_str_radix(text, 16) {
            Ok(bits) if valid => Ok(Self(bits)),
            _ => Err(NameError(format!("a stack id is 8 hexadecimal digits, not `{text}`"))),
        }
    }
}

impl TryFrom<String> for StackId {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<StackId> for String {
    fn from(id: StackId) -> Self {
        id.to_string()
    }
}

impl fmt::Display for StackId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// One cluster with everything it owns. Shown and tagged as `demo-7f3a1b2c`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Stack {
    /// The user's name for it.
    pub name: ClusterName,
    /// What tells it from an earlier stack of the same name.
    pub id: StackId,
}

impl fmt::Display for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.name, self.id)
    }
}

impl FromStr for Stack {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let Some((name, id)) = text.rsplit_once('-') else {
            return Err(NameError(format!("a stack is written name-id, not `{text}`")));
        };
        Ok(Self { name: name.parse()?, id: id.parse()? })
    }
}

/// A cloud kubewright builds on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cloud {
    /// Amazon Web Services, EKS.
    Aws,
    /// Google Cloud, GKE.
    Gcp,
    /// Microsoft Azure, AKS.
    Azure,
}

impl Cloud {
    /// The word users type.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::Gcp => "gcp",
            Self::Azure => "azure",
        }
    }
}

impl fmt::Display for Cloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Cloud {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        match text {
            "aws" => Ok(Self::Aws),
            "gcp" => Ok(Self::Gcp),
            "azure" => Ok(Self::Azure),
            other => Err(NameError(format!("no provider `{other}`; there are aws, gcp, azure"))),
        }
    }
}

/// A region in its cloud's own spelling. Whether it exists is the provider's to say.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Region(pub String);

impl Region {
    /// The region as typed.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_to_the_pattern() {
        for good in ["ab", "demo", "a1", "ci-9123-1", &"a".repeat(40)] {
            assert!(good.parse::<ClusterName>().is_ok(), "{good}");
        }
        for bad in ["", "a", "1a", "-a", "a-", "Demo", "dé", "a_b", &"a".repeat(41), "a b", "a\n"] {
            assert!(bad.parse::<ClusterName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_stack_reads_back() {
        let stack: Stack = "ci-9-0000beef".parse().expect("valid");
        assert_eq!(stack.name.as_str(), "ci-9");
        assert_eq!(stack.to_string(), "ci-9-0000beef");
        assert!("demo-7F3A1B2C".parse::<Stack>().is_err());
    }
}
