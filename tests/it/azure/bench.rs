//! The binary on Azure in a sandbox of its own, and what that saw.

use crate::lives::rig::World;
use crate::support::Said;
use kubewright::sandbox::{clock::Speed, conditions::Conditions};
use serde_json::Value;

/// A world in which everything happens in eastus.
pub(super) struct Azure {
    pub(super) world: World,
}

impl Azure {
    pub(super) fn new() -> Self {
        Self { world: World::new() }
    }

    /// With limits and sold-out machines.
    pub(super) fn under(conditions: Conditions) -> Self {
        Self { world: World::under("", Speed::Max, conditions) }
    }

    pub(super) fn go(&self, words: &[&str]) -> Said {
        let mut command = self.world.home.command();
        command.env("KUBEWRIGHT_PROVIDER", "azure").env("KUBEWRIGHT_REGION", "eastus").arg("--sandbox");
        Said::of(command.args(words))
    }

    /// Provisions `demo` with these words more.
    pub(super) fn provision(&self, words: &[&str]) -> Said {
        self.go(&[&["provision", "demo", "--yes"], words].concat())
    }

    /// Provisions what this says below the name.
    pub(super) fn file(&self, text: &str) -> Said {
        let head = "apiVersion: kubewright/v1\nkind: Cluster\nname: demo\nprovider: azure\nregion: eastus\n";
        self.world.home.write("c.yaml", &format!("{head}{text}"));
        self.go(&["provision", "-f", "c.yaml", "--yes"])
    }

    /// How many calls that change anything there were.
    pub(super) fn mutations(&self) -> u64 {
        self.world.show().requests.mutating
    }

    #[track_caller]
    pub(super) fn nothing_was_made(&self) {
        assert_eq!(self.mutations(), 0, "{:#?}", self.world.show().requests.by_op);
        assert!(!self.world.home.path().join("kw/sandbox/stacks").exists(), "a journal was begun");
    }
}

/// A refusal with this code that says all of these.
#[track_caller]
pub(super) fn refused(said: &Said, code: i32, parts: &[&str]) {
    assert_eq!(said.code, code, "{}\n{}", said.out, said.err);
    for fault in ["panicked", "KW-BUG", "RUST_BACKTRACE"] {
        assert!(!said.err.contains(fault), "{}", said.err);
    }
    for part in parts {
        assert!(said.err.contains(part), "`{part}` is not in\n{}", said.err);
    }
}

/// The checks of a dry run's preflight that have this status.
pub(super) fn checks(document: &Value, status: &str) -> Vec<String> {
    let all = document["preflight"].as_array().expect("a list").iter();
    let of = all.filter(|check| check["status"] == status);
    of.map(|check| format!("{}: {}", check["id"].as_str().unwrap(), check["message"].as_str().unwrap())).collect()
}
