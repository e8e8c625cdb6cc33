//! The actions that a stack's life asks for, in one table: by kind of step, and what every life asks for besides.
//! Preflight holds them against what the caller may do; `kubewright policy` prints them as roles.
//!
//! Actions are those of "Azure permissions" (Azure documentation, Role-based access control). A new kind of step needs
//! its row here.

use super::kinds;
use serde::Deserialize;
use std::collections::BTreeSet;

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

    const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the two have a part in common.
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// Where an action is asked for, and so how far it can be narrowed: a role counts at a scope and below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum On {
    /// The subscription: listings, limits, and everything in a group that is not there yet.
    Subscription,
    /// The network brought along.
    Network,
    /// The identity brought along.
    Identity,
}

/// One row: an action, where, when, and whether a life goes on without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Need {
    /// `Microsoft.Network/virtualNetworks/write`.
    pub action: &'static str,
    /// Where.
    pub on: On,
    /// When.
    pub life: Life,
    /// Without it something is not known beforehand, and said so; nothing fails.
    pub optional: bool,
    /// Done inside the cluster, to what Azure calls data.
    pub data: bool,
}

const fn row(action: &'static str, life: Life) -> Need {
    Need { action, on: On::Subscription, life, optional: false, data: false }
}

const fn read(action: &'static str) -> Need {
    row(action, Life::ALL)
}

const fn make(action: &'static str) -> Need {
    row(action, Life::BUILD)
}

const fn remove(action: &'static str) -> Need {
    row(action, Life::DESTROY)
}

/// Read before the first write, to know what would fail.
const fn ahead(action: &'static str) -> Need {
    Need { optional: true, ..row(action, Life::BUILD) }
}

/// A look of a teardown, without which something in its way stays unnamed.
const fn look(action: &'static str) -> Need {
    Need { optional: true, ..row(action, Life::DESTROY) }
}

const fn on(on: On, need: Need) -> Need {
    Need { on, ..need }
}

/// Done inside the cluster.
const fn inside(action: &'static str, life: Life) -> Need {
    Need { data: true, ..row(action, life) }
}
