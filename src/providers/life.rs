//! The parts of a stack's life, as tables of permissions tell them apart.

use super::Purpose;

/// In which parts of a stack's life something is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Life(u8);

impl Life {
    /// Plan, build, continue.
    pub const BUILD: Self = Self(1);
    /// Status, access, protection, recovery.
    pub const OPERATE: Self = Self(2);
    /// Take down, and look again.
    pub const DESTROY: Self = Self(4);
    /// All of it.
    pub const ALL: Self = Self(7);

    /// The part that somebody asks about.
    pub const fn of(purpose: Purpose) -> Self {
        match purpose {
            Purpose::All => Self::ALL,
            Purpose::Build => Self::BUILD,
            Purpose::Operate => Self::OPERATE,
            Purpose::Destroy => Self::DESTROY,
        }
    }

    /// Both.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the two have a part in common.
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}
