//! The exit codes with their meanings. They stand here only; help, man pages and tests read them.

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
