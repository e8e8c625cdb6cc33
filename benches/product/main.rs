//! What a build costs in time, on each cloud: a whole one in the sandbox at speed 20 against the critical path of the same
//! world and against a strictly serial run. The answers a user waits for are measured by `benches/compare/run`.
//!
//! `cargo bench --bench product [-- CLOUD…]`; takes a minute a cloud. Everything runs in a directory of its own.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark measures real time and prints what it measured"
)]

mod durations;
#[path = "../support/pretend.rs"]
mod pretend;
#[path = "../support/print.rs"]
mod print;

use durations::{Built, seconds};
use kubewright::engine::{Options, Plan};
use pretend::Durations;
use std::{
    path::PathBuf,
    process::{Command, Stdio},
    time::Instant,
};

const BINARY: &str = env!("CARGO_BIN_EXE_kubewright");
const SPEED: f64 = 20.0;

/// A home of its own, with nothing of the user's in the environment.
struct Home(tempfile::TempDir);

impl Home {
    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command.args(words).env_clear().current_dir(self.0.path()).stdin(Stdio::null());
        command.env("HOME", self.0.path()).env("KUBEWRIGHT_HOME", self.0.path().join("kw"));
        command.env("KUBEWRIGHT_SANDBOX_SPEED", SPEED.to_string());
        command
    }

    fn sandbox(&self) -> PathBuf {
        self.0.path().join("kw/sandbox")
    }

    fn run(&self, words: &[&str]) {
        let output = self.command(words).output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// The plan's time in the engine alone, on paused time, where things take as long as they took in the world.
fn replay(plan: &Plan, durations: &Durations, parallel: usize) -> f64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let options = Options { parallel, ..Options::default() };
    runtime.block_on(pretend::build(&pretend::pretend(plan.clone()), durations.clone(), options)).as_secs_f64()
}

fn sandbox_build(home: &Home, cloud: &str, region: &str) {
    home.run(&["sandbox", "reset", "--seed", "7"]);
    let began = Instant::now();
    home.run(&["--sandbox", "provision", "demo", "--provider", cloud, "--region", region, "--yes"]);
    let whole = began.elapsed().as_secs_f64() * SPEED;
    let built = Built::read(&home.sandbox());
    let (critical, chain) = built.critical_path();
    let serial: f64 = built.durations.values().copied().map(seconds).sum();
    let (parallel, one_by_one) =
        (replay(&built.plan, &built.durations, Options::default().parallel), replay(&built.plan, &built.durations, 1));

    print::section(&format!(
        "{cloud}: a build of {} steps in the sandbox, seconds of its time at speed {SPEED}",
        built.plan.steps.len()
    ));
    print::row("critical path of what the world took", critical, "s", &chain.join(" > "));
    print::row("all steps one after the other, nothing lost between them", serial, "s", "");
    print::row("the engine on these durations, one step at a time", one_by_one, "s", "");
    print::row("the engine on these durations, in parallel", parallel, "s", "");
    print::row("the build, first intent to clean audit", built.took, "s", "");
    print::row("the whole command, planning and nodes Ready included", whole, "s", "");
    print::budget("build over critical path", built.took / critical, "x", 1.05);
    print::row("build over the serial run", built.took / one_by_one, "x", "");
    print::row("whole command over critical path", whole / critical, "x", "");
}

const CLOUDS: [(&str, &str); 3] = [("aws", "us-east-1"), ("gcp", "us-central1"), ("azure", "eastus")];

fn main() {
    // cargo's own word comes first.
    let asked: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    for (cloud, region) in CLOUDS {
        if asked.is_empty() || asked.iter().any(|word| word == cloud) {
            sandbox_build(&Home(tempfile::tempdir().unwrap()), cloud, region);
        }
    }
}
