//! Why a file could not be used: the path, the cause in words, and what kind of trouble it is.

use super::lock::Holder;
use std::{
    io,
    path::{Path, PathBuf},
};

/// What kind of trouble: decides exit code and hint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreErrorKind {
    /// There is no such file.
    NotFound,
    /// Not ours to read or write: permissions, a read-only disk, a symbolic link, a directory in its place.
    Unusable,
    /// The disk or the quota is full.
    Full,
    /// A line or a document that is not what was written.
    Damaged {
        /// Its line, from 1, where there are lines.
        line: Option<u64>,
    },
    /// Written by a newer kubewright.
    Newer,
    /// Longer than anything it could sensibly be.
    TooLarge,
    /// Somebody else holds the lock.
    Locked {
        /// Who, where it could be read.
        holder: Option<Holder>,
    },
    /// It is there already.
    Exists,
}

/// A file that could not be used. The message names it and the cause.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct StoreError {
    /// What kind of trouble.
    pub kind: StoreErrorKind,
    /// Which file.
    pub path: PathBuf,
    /// What was tried, on which file, why it failed. Lower case, no period.
    pub message: String,
}

impl StoreError {
    /// An error of this kind.
    pub fn new(kind: StoreErrorKind, path: &Path, message: impl Into<String>) -> Self {
        Self { kind, path: path.to_owned(), message: message.into() }
    }

    /// What the system said about an attempt to `tried` this file.
    pub fn io(tried: &str, path: &Path, cause: &io::Error) -> Self {
        let kind = match cause.kind() {
            io::ErrorKind::NotFound => StoreErrorKind::NotFound,
            io::ErrorKind::AlreadyExists => StoreErrorKind::Exists,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                StoreErrorKind::Full
            }
            _ => StoreErrorKind::Unusable,
        };
        // With O_NOFOLLOW a symbolic link is reported as a loop.
        let why = if cause.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) {
            "it is a symbolic link, which is not followed here".to_owned()
        } else {
            describe(cause)
        };
        Self::new(kind, path, format!("cannot {tried} {}: {why}", path.display()))
    }

    /// A line or document that is not what was written.
    pub fn damaged(path: &Path, line: Option<u64>, why: &str) -> Self {
        let place = line.map(|line| format!(" line {line}")).unwrap_or_default();
        Self::new(StoreErrorKind::Damaged { line }, path, format!("{}{place} is damaged: {why}", path.display()))
    }
}

/// The system's words without Rust's `(os error 13)`, lower case as in all our messages.
fn describe(cause: &io::Error) -> String {
    let text = cause.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut letters = text.chars();
    letters.next().map(|first| first.to_lowercase().collect::<String>() + letters.as_str()).unwrap_or_default()
}
