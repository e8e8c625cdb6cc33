//! What goes wrong, as a user and a script see it: the classes of failure and the error on its way out. The two tables
//! that users read are below: [`EXIT_CODES`] and [`CATALOGUE`].

mod catalogue;
mod exit;

pub use catalogue::{CATALOGUE, Entry, explain};
pub use exit::{EXIT_CODES, Exit};

use crate::engine::{ErrorClass, JournalError, StepError};
use crate::model::doc;
use crate::store::{StoreError, StoreErrorKind};

/// What kind of failure it is; decides the exit code unless something of ours remains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// A fault of ours.
    Unexpected,
    /// The command line.
    Usage,
    /// The spec.
    Spec,
    /// Credentials, permission, account.
    Auth,
    /// No such thing.
    NotFound,
    /// A limit of the account.
    Quota,
    /// The cloud has none left.
    Capacity,
    /// Too expensive.
    Budget,
    /// No, or no answer.
    Declined,
    /// Somebody or something else is in the way.
    Conflict,
    /// Our own files.
    State,
    /// Something of ours remains.
    Incomplete,
    /// `--check`.
    Check,
    /// No answer from the cloud.
    Unreachable,
    /// Out of time.
    Timeout,
    /// A signal.
    Interrupted,
}

impl Class {
    /// The word in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unexpected => "unexpected",
            Self::Usage => "usage",
            Self::Spec => "spec",
            Self::Auth => "auth",
            Self::NotFound => "notFound",
            Self::Quota => "quota",
            Self::Capacity => "capacity",
            Self::Budget => "budget",
            Self::Declined => "declined",
            Self::Conflict => "conflict",
            Self::State => "state",
            Self::Incomplete => "incomplete",
            Self::Check => "check",
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::Interrupted => "interrupted",
        }
    }

    /// The exit code it leads to.
    pub const fn exit(self) -> Exit {
        match self {
            Self::Unexpected => Exit::UNEXPECTED,
            Self::Usage | Self::Spec => Exit::USAGE,
            Self::Auth => Exit::AUTH,
            Self::NotFound => Exit::NOT_FOUND,
            Self::Quota | Self::Capacity => Exit::CAPACITY,
            Self::Budget => Exit::BUDGET,
            Self::Declined => Exit::DECLINED,
            Self::Conflict | Self::State => Exit::CONFLICT,
            Self::Incomplete => Exit::INCOMPLETE,
            Self::Check => Exit::CHECK,
            Self::Unreachable => Exit::UNREACHABLE,
            Self::Timeout => Exit::TIMEOUT,
            Self::Interrupted => Exit::INTERRUPT,
        }
    }

    const fn is_retryable(self) -> bool {
        matches!(self, Self::Capacity | Self::Unreachable | Self::Timeout | Self::Interrupted | Self::Incomplete)
    }
}

/// A failure on its way to the user.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct CliError {
    /// Our id.
    pub id: String,
    /// The cause's class.
    pub class: Class,
    /// The process's exit code: the class's own, or 9 or a signal's.
    pub exit: Exit,
    /// What was tried, on which thing, why it failed. Lower case, no period.
    pub message: String,
    /// Further lines, shown indented; not in JSON, where they are fields of the document.
    pub details: Vec<String>,
    /// The step that failed.
    pub step: Option<String>,
    /// The cloud's id of the thing.
    pub resource: Option<String>,
    /// The cloud's request id.
    pub request_id: Option<String>,
    /// Commands to paste.
    pub hints: Vec<String>,
}

impl CliError {
    /// An error with an id of the catalogue; class and exit code follow from it.
    pub fn new(id: &str, message: impl Into<String>) -> Self {
        let class = explain(id).map_or(Class::Unexpected, |entry| entry.class);
        Self {
            id: id.to_owned(),
            class,
            exit: class.exit(),
            message: message.into(),
            details: Vec::new(),
            step: None,
            resource: None,
            request_id: None,
            hints: Vec::new(),
        }
    }

    /// The command line is wrong.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new("KW-USAGE", message)
    }

    /// With one more hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// With one more line.
    #[must_use]
    pub fn detail(mut self, line: impl Into<String>) -> Self {
        self.details.push(line.into());
        self
    }

    /// The same cause with another exit code.
    #[must_use]
    pub fn exiting(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    /// Whether somebody wanted to be gone, or time was up.
    pub fn is_interruption(&self) -> bool {
        matches!(self.class, Class::Interrupted | Class::Timeout)
    }

    /// With more to do next.
    #[must_use]
    pub fn hint_all(mut self, hints: &[String]) -> Self {
        self.hints.extend_from_slice(hints);
        self
    }

    /// As JSON.
    pub fn to_doc(&self) -> doc::Error {
        doc::Error {
            id: self.id.clone(),
            class: self.class.as_str().to_owned(),
            exit: self.exit.code(),
            message: self.message.clone(),
            step: self.step.clone(),
            resource: self.resource.clone(),
            request_id: self.request_id.clone(),
            retryable: self.class.is_retryable(),
            hints: self.hints.clone(),
            details: self.details.clone(),
        }
    }

    /// Several problems of the same kind as one error: the first leads, the others follow as lines.
    pub fn of_many(errors: Vec<StepError>) -> Self {
        let mut all = errors.into_iter().map(Self::from);
        let Some(mut first) = all.next() else {
            return Self::new("KW-BUG", "refused without a reason");
        };
        for other in all {
            first.details.push(format!("{}: {}", other.id, other.message));
            for hint in other.hints {
                if !first.hints.contains(&hint) {
                    first.hints.push(hint);
                }
            }
        }
        first
    }
}

impl From<StepError> for CliError {
    fn from(error: StepError) -> Self {
        let by_class = match error.class {
            ErrorClass::Transient | ErrorClass::Throttled => Class::Unreachable,
            ErrorClass::NotYet => Class::Timeout,
            ErrorClass::Conflict => Class::Conflict,
            ErrorClass::Auth => Class::Auth,
            ErrorClass::Quota => Class::Quota,
            ErrorClass::Capacity => Class::Capacity,
            ErrorClass::Permanent => Class::Unexpected,
        };
        // What the failing call knew beats the table, except that "permanent" says nothing about whose fault it is.
        let class = match (by_class, explain(&error.id)) {
            (Class::Unexpected, Some(entry)) => entry.class,
            (class, _) => class,
        };
        let mut cli = Self::new(&error.id, error.message);
        cli.class = class;
        cli.exit = class.exit();
        cli.request_id = error.request_id;
        cli.hints = error.hints;
        cli
    }
}

impl From<JournalError> for CliError {
    fn from(error: JournalError) -> Self {
        let cli = Self::new("KW-STATE", error.to_string());
        if error.disk_full {
            cli.hint("free some space, then run the same command again: everything made so far is recorded")
        } else {
            cli
        }
    }
}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        match error.kind {
            StoreErrorKind::Locked { .. } => Self::new("KW-LOCKED", error.message),
            StoreErrorKind::Damaged { .. } => Self::new("KW-JOURNAL", error.message),
            StoreErrorKind::Newer => Self::new("KW-JOURNAL", error.message).hint("use the newer kubewright"),
            StoreErrorKind::Full => {
                Self::new("KW-STATE", error.message).hint("free some space, then run the command again")
            }
            StoreErrorKind::Unusable => Self::new("KW-STATE", error.message)
                .hint("make it readable and writable for you, or point KUBEWRIGHT_HOME elsewhere"),
            StoreErrorKind::NotFound | StoreErrorKind::TooLarge | StoreErrorKind::Exists => {
                Self::new("KW-STATE", error.message)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_error_keeps_its_cause() {
        let cli: CliError = StepError::new(ErrorClass::Quota, "KW-AWS-QUOTA", "too few").into();
        assert_eq!((cli.exit, cli.class), (Exit::CAPACITY, Class::Quota));
        let cli: CliError = StepError::new(ErrorClass::Permanent, "KW-SPEC", "no").into();
        assert_eq!(cli.exit, Exit::USAGE);
    }
}
