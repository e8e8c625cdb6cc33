//! What goes wrong, as a user and a script see it: the exit codes, the classes that lead to them, and the error ids
//! with their explanations. All three tables stand here only; help, man pages and tests read them.

use crate::engine::{ErrorClass, JournalError, StepError};
use crate::model::doc;
use crate::store::{StoreError, StoreErrorKind};

/// A process's last word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Exit(u8);

impl Exit {
    /// All that was asked for is done.
    pub const DONE: Self = Self(0);
    /// A fault of ours.
    pub const UNEXPECTED: Self = Self(1);
    /// The command line or the spec is wrong.
    pub const USAGE: Self = Self(2);
    /// Not signed in, not allowed, or the wrong account.
    pub const AUTH: Self = Self(3);
    /// There is no such thing.
    pub const NOT_FOUND: Self = Self(4);
    /// A limit of the account, or the cloud has none left.
    pub const CAPACITY: Self = Self(5);
    /// Over a budget or a cost limit.
    pub const BUDGET: Self = Self(6);
    /// The user said no, or nobody was there to answer.
    pub const DECLINED: Self = Self(7);
    /// Lock held, name taken, not ours, plan or spec changed, state unusable.
    pub const CONFLICT: Self = Self(8);
    /// Something of ours remains in the cloud.
    pub const INCOMPLETE: Self = Self(9);
    /// `--check` says no.
    pub const CHECK: Self = Self(10);
    /// The cloud could not be reached, or the answer is partial.
    pub const UNREACHABLE: Self = Self(11);
    /// Out of time, with nothing left behind.
    pub const TIMEOUT: Self = Self(124);
    /// SIGHUP.
    pub const HANGUP: Self = Self(129);
    /// Ctrl-C.
    pub const INTERRUPT: Self = Self(130);
    /// SIGTERM.
    pub const TERMINATED: Self = Self(143);

    /// The number the shell sees.
    pub const fn code(self) -> u8 {
        self.0
    }

    /// Whether a signal ended it.
    pub const fn is_signal(self) -> bool {
        matches!(self, Self::HANGUP | Self::INTERRUPT | Self::TERMINATED)
    }
}

/// Every exit code with its meaning, in order: README, man pages and `help exit-codes` print this.
pub const EXIT_CODES: &[(Exit, &str)] = &[
    (Exit::DONE, "done"),
    (Exit::UNEXPECTED, "unexpected: a fault of kubewright"),
    (Exit::USAGE, "usage, or an invalid spec"),
    (Exit::AUTH, "credentials, permission, or the wrong account"),
    (Exit::NOT_FOUND, "not found"),
    (Exit::CAPACITY, "quota or capacity"),
    (Exit::BUDGET, "over a budget or a cost limit"),
    (Exit::DECLINED, "declined, or an answer is missing"),
    (Exit::CONFLICT, "conflict: lock held, name taken, not ours, plan or spec changed, state unusable"),
    (Exit::INCOMPLETE, "incomplete: something of ours remains in the cloud"),
    (Exit::CHECK, "`--check` says no"),
    (Exit::UNREACHABLE, "the cloud could not be reached, or the answer is partial"),
    (Exit::TIMEOUT, "timeout, with nothing left behind"),
    (Exit::HANGUP, "ended by SIGHUP"),
    (Exit::INTERRUPT, "ended by Ctrl-C (SIGINT)"),
    (Exit::TERMINATED, "ended by SIGTERM"),
];

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

/// An error id with what `help KW-…` says about it.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// The id.
    pub id: &'static str,
    /// Its class.
    pub class: Class,
    /// What it means and what to do.
    pub text: &'static str,
}

const fn entry(id: &'static str, class: Class, text: &'static str) -> Entry {
    Entry { id, class, text }
}

/// Every error id. Providers add theirs here too, so that `help` knows them all.
pub const CATALOGUE: &[Entry] = &[
    entry(
        "KW-BUG",
        Class::Unexpected,
        "A fault of kubewright itself. What was built is in the journal: the same command continues, `kubewright destroy NAME` removes it.",
    ),
    entry(
        "KW-USAGE",
        Class::Usage,
        "The command line is wrong. The message names the flag or the missing choice; `kubewright help COMMAND` lists what there is.",
    ),
    entry(
        "KW-SPEC",
        Class::Spec,
        "The cluster as asked for cannot be built. All problems are listed at once, with line, column and the nearest valid key where a file is to blame.",
    ),
    entry(
        "KW-DAY2",
        Class::Conflict,
        "The cluster is finished and the spec differs from what was built. `provision` never changes a finished cluster; put the spec back, or destroy the cluster and build it anew.",
    ),
    entry(
        "KW-NAME-TAKEN",
        Class::Conflict,
        "A live stack or cluster of that name exists in the cloud, and this machine has no journal of it. `kubewright recover NAME` rebuilds the journal; or choose another name.",
    ),
    entry(
        "KW-NOT-OURS",
        Class::Conflict,
        "The object carries no proof of being made by this stack. kubewright changes and deletes only what is provably its own.",
    ),
    entry(
        "KW-PLAN-CHANGED",
        Class::Conflict,
        "The plan is not the one that `--expect-plan` names. Look at the new one with `--dry-run` and pass its hash.",
    ),
    entry(
        "KW-PLAN",
        Class::Unexpected,
        "The plan does not hold together: a fault of kubewright, or a journal edited by hand.",
    ),
    entry(
        "KW-NOT-FOUND",
        Class::NotFound,
        "No stack of that name: neither in the local journals nor, where the cloud was asked, in the account and region.",
    ),
    entry(
        "KW-NOTHING-RECORDED",
        Class::NotFound,
        "There is no journal of that name on this machine. `kubewright recover NAME` looks in the cloud.",
    ),
    entry("KW-AMBIGUOUS", Class::Conflict, "More than one stack bears that name. `--stack ID` says which."),
    entry("KW-LOCKED", Class::Conflict, "Another kubewright works on that stack. `--lock-timeout 10m` waits for it."),
    entry(
        "KW-STATE",
        Class::State,
        "The state directory cannot be used: not readable, not writable, full, or holding something unexpected. `KUBEWRIGHT_HOME` moves it.",
    ),
    entry(
        "KW-JOURNAL",
        Class::State,
        "A line of the journal is damaged or was written by a newer kubewright. The line is named. `destroy NAME --from-tags` removes the stack without it; moving the file away and `recover NAME` rebuilds it.",
    ),
    entry(
        "KW-DELETING",
        Class::Conflict,
        "The removal of this stack has begun; it must be finished before anything is built: `kubewright destroy NAME`.",
    ),
    entry("KW-PROTECTED", Class::Conflict, "The stack is protected. `kubewright protect NAME off` lifts that."),
    entry(
        "KW-BUDGET",
        Class::Budget,
        "The plan at its maximum costs more than a limit allows. Nothing was created. `--override-budget` passes the limits and is written to the journal; `--yes` does not.",
    ),
    entry("KW-DECLINED", Class::Declined, "The question was answered with no. Nothing was changed."),
    entry(
        "KW-ANSWER-MISSING",
        Class::Declined,
        "A question must be answered and there is no terminal to ask at. The message names the flag that answers it.",
    ),
    entry(
        "KW-INCOMPLETE",
        Class::Incomplete,
        "Something of ours remains in the cloud. Both ways on are printed: continue, or destroy.",
    ),
    entry("KW-CHECK", Class::Check, "`--check` found the cluster unhealthy or changed."),
    entry(
        "KW-DRIFT",
        Class::Conflict,
        "The cloud and the journal disagree: something recorded is gone, or something of ours is not recorded.",
    ),
    entry("KW-UNREACHABLE", Class::Unreachable, "The cloud did not answer, or not in full."),
    entry("KW-TIMEOUT", Class::Timeout, "The time given by `--timeout` ran out."),
    entry(
        "KW-DEADLINE",
        Class::Timeout,
        "A step took longer than it ever should. The same command goes on waiting; `destroy` removes what there is.",
    ),
    entry(
        "KW-INTERRUPTED",
        Class::Interrupted,
        "A signal ended the run. What was in flight is recorded; the same command continues.",
    ),
    entry(
        "KW-NODES",
        Class::Incomplete,
        "The nodes did not become Ready in time although the cloud's objects are. `--wait cloud` does not wait for them.",
    ),
    entry(
        "KW-SANDBOX",
        Class::Unexpected,
        "The rehearsal world cannot be started or reached. `kubewright sandbox reset` starts a new one.",
    ),
    entry("KW-PREFLIGHT", Class::Spec, "A check before the first write failed. Nothing was created."),
    entry(
        "KW-ACCOUNT",
        Class::Auth,
        "The credentials belong to another account than the one that is pinned or recorded.",
    ),
    entry(
        "KW-ROLLED-BACK",
        Class::Incomplete,
        "The build failed and `--on-failure rollback` removed what it had made.",
    ),
    entry(
        "KW-AWS-CREDENTIALS",
        Class::Auth,
        "No AWS credentials were found, or AWS refused them. Nothing was tried. `aws configure`, `AWS_PROFILE`, or rehearse with `--sandbox`.",
    ),
    entry(
        "KW-AWS-EXPIRED",
        Class::Auth,
        "The AWS credentials have expired. Sign in again (`aws sso login --profile NAME`); the same command then continues.",
    ),
    entry(
        "KW-AWS-DENIED",
        Class::Auth,
        "AWS does not allow these credentials to do that. The message names the action.",
    ),
    entry(
        "KW-AWS-QUOTA",
        Class::Quota,
        "A limit of the AWS account is too low. The hint holds the request that raises it.",
    ),
    entry(
        "KW-AWS-CAPACITY",
        Class::Capacity,
        "AWS has no such machine left in these zones now. Continue with another `--node-type`, other `--zones`, or later.",
    ),
    entry("KW-AWS-VERSION", Class::Spec, "EKS does not offer that Kubernetes version."),
    entry("KW-AWS-ZONE", Class::Spec, "A zone is not in the region, or EKS or the instance type is not offered there."),
    entry("KW-AWS-TYPE", Class::Spec, "The instance type is not offered in the region, or not fit for the cluster."),
    entry(
        "KW-NET-EGRESS",
        Class::Spec,
        "Nodes in an adopted subnet would not reach the services they need, so they would never join.",
    ),
    entry("KW-NET-IPS", Class::Spec, "An adopted subnet has too few free addresses."),
    entry("KW-NET", Class::Spec, "The network as asked for cannot work."),
];

/// The catalogue's entry for an id.
pub fn explain(id: &str) -> Option<&'static Entry> {
    CATALOGUE.iter().find(|entry| entry.id.eq_ignore_ascii_case(id))
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
    fn ids_are_unique_and_well_formed() {
        for (at, entry) in CATALOGUE.iter().enumerate() {
            assert!(entry.id.starts_with("KW-"), "{}", entry.id);
            assert!(entry.text.ends_with('.') || entry.text.ends_with('`'), "{}", entry.id);
            assert!(CATALOGUE[at + 1..].iter().all(|other| other.id != entry.id), "{} stands twice", entry.id);
        }
    }

    #[test]
    fn every_class_leads_to_a_listed_exit_code() {
        for entry in CATALOGUE {
            assert!(EXIT_CODES.iter().any(|(exit, _)| *exit == entry.class.exit()), "{}", entry.id);
        }
    }

    #[test]
    fn a_step_error_keeps_its_cause() {
        let cli: CliError = StepError::new(ErrorClass::Quota, "KW-AWS-QUOTA", "too few").into();
        assert_eq!((cli.exit, cli.class), (Exit::CAPACITY, Class::Quota));
        let cli: CliError = StepError::new(ErrorClass::Permanent, "KW-SPEC", "no").into();
        assert_eq!(cli.exit, Exit::USAGE);
    }
}
