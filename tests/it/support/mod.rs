//! A private home for the real binary: nothing of the machine's user or clouds gets in, nothing is left behind.

#[cfg(all(feature = "aws", feature = "sandbox"))]
pub(crate) mod canary;
pub(crate) mod contract;
#[cfg(all(feature = "aws", feature = "sandbox"))]
pub(crate) mod gateway;
#[cfg(feature = "sandbox")]
pub(crate) mod opened;
#[cfg(all(feature = "aws", feature = "sandbox"))]
pub(crate) mod served;
#[cfg(all(feature = "aws", feature = "sandbox"))]
pub(crate) mod serving;

use serde_json::Value;
use std::{path::Path, process::Command};

/// A home directory with the binary in it.
pub(crate) struct Home(tempfile::TempDir);

/// What a command said.
pub(crate) struct Said {
    /// Exit code.
    pub(crate) code: i32,
    /// stdout.
    pub(crate) out: String,
    /// stderr.
    pub(crate) err: String,
}

/// Where sandboxes keep what they were asked and answered, for `tests/peers` to judge; usually nowhere.
pub(crate) fn record() -> Option<std::path::PathBuf> {
    std::env::var_os("KUBEWRIGHT_SANDBOX_RECORD").map(Into::into)
}

impl Home {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// The binary in this home, with nothing else in its environment.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("kubewright"));
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path())
            .env("KUBEWRIGHT_HOME", self.path().join("kw"))
            .env("KUBEWRIGHT_SANDBOX_SPEED", "max")
            .env("USER", "ana")
            .envs(record().map(|dir| ("KUBEWRIGHT_SANDBOX_RECORD", dir)))
            .current_dir(self.path());
        command
    }

    pub(crate) fn run(&self, words: &[&str]) -> Said {
        Said::of(self.command().args(words))
    }

    /// Runs in the sandbox.
    pub(crate) fn rehearse(&self, words: &[&str]) -> Said {
        Said::of(self.command().arg("--sandbox").args(words))
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).unwrap();
    }
}

impl Said {
    /// Runs a command to its end, with nobody to answer its questions.
    pub(crate) fn of(command: &mut Command) -> Self {
        let output = command.stdin(std::process::Stdio::null()).output().unwrap();
        let said = Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        };
        // Every answer of every test keeps the contract with scripts.
        contract::check(command, &said);
        said
    }

    /// stdout as the one document it must be.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out)
            .unwrap_or_else(|why| panic!("not one document ({why}): {}\n{}", self.out, self.err))
    }

    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout: {}\nstderr: {}", self.out, self.err);
        self
    }
}
