//! What the product costs: a whole build in the sandbox at speed 20 against the critical path of the same world and
//! against a strictly serial run, and the answers a user waits for.
//!
//! `cargo bench --bench product`; takes a minute. Everything runs in a directory of its own.
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
use kubewright::engine::{Event, Journal, Options, Plan};
use kubewright::store::{Holder, StateDir};
use pretend::Durations;
use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

const BINARY: &str = env!("CARGO_BIN_EXE_kubewright");
const SPEED: f64 = 20.0;
/// How often an answer is asked for; the middle one counts.
const ASKED: usize = 41;
const STACKS: usize = 10;

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

    /// The middle one of many runs, in milliseconds.
    fn answer(&self, mut command: Command) -> f64 {
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut spans: Vec<Duration> = Vec::with_capacity(ASKED);
        for _ in 0..ASKED {
            let began = Instant::now();
            assert!(command.status().unwrap().success());
            spans.push(began.elapsed());
        }
        spans.sort();
        spans[ASKED / 2].as_secs_f64() * 1e3
    }
}

/// The plan's time in the engine alone, on paused time, where things take as long as they took in the world.
fn replay(plan: &Plan, durations: &Durations, parallel: usize) -> f64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let options = Options { parallel, ..Options::default() };
    runtime.block_on(pretend::build(&pretend::pretend(plan.clone()), durations.clone(), options)).as_secs_f64()
}

fn sandbox_build(home: &Home) {
    home.run(&["sandbox", "reset", "--seed", "7"]);
    let began = Instant::now();
    home.run(&["--sandbox", "provision", "demo", "--provider", "aws", "--region", "us-east-1", "--yes"]);
    let whole = began.elapsed().as_secs_f64() * SPEED;
    let built = Built::read(&home.sandbox());
    let (critical, chain) = built.critical_path();
    let serial: f64 = built.durations.values().copied().map(seconds).sum();
    let (parallel, one_by_one) =
        (replay(&built.plan, &built.durations, Options::default().parallel), replay(&built.plan, &built.durations, 1));

    print::section(&format!(
        "a build of {} steps in the sandbox, seconds of its time at speed {SPEED}",
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

/// The journal of the build under more names, as somebody has who builds much.
async fn more_stacks(home: &Home) {
    let clock = pretend::clock();
    let dir = StateDir::open(&home.sandbox());
    let demo = dir.list().unwrap()[0].stack.clone();
    let records = dir.read(&demo).unwrap().records;
    for nth in 1..STACKS {
        let stack: kubewright::model::Stack = format!("demo-{nth}-{nth:08x}").parse().unwrap();
        let holder =
            Holder { user: "me".into(), host: "here".into(), pid: 1, since: clock.now(), verb: "bench".into() };
        let lock = dir.lock(&stack, &holder, Duration::ZERO, &*clock).await.unwrap();
        let mut journal = dir.create(&lock).unwrap();
        for record in &records {
            let mut event = record.event.clone();
            if let Event::Planned { plan, .. } = &mut event {
                plan.stack = stack.clone();
            }
            journal.append(record.at, record.run.as_ref(), &event).unwrap();
        }
    }
}

fn answers(home: &Home) {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(more_stacks(home));
    print::section(&format!("what a user waits for, the middle of {ASKED} runs; {STACKS} stacks at hand"));
    let local = |words: &[&str]| {
        let mut command = home.command(words);
        command.env("KUBEWRIGHT_HOME", home.sandbox());
        command
    };
    print::budget("kubewright --version", home.answer(local(&["--version"])), "ms", 8.0);
    let mut tab = local(&["--", "kubewright", "destroy", ""]);
    tab.env("KUBEWRIGHT_COMPLETE", "bash").env("_CLAP_COMPLETE_INDEX", "2");
    print::budget("one TAB, for the name of a stack", home.answer(tab), "ms", 20.0);
    print::budget("kubewright status --local", home.answer(local(&["status", "--local"])), "ms", 15.0);
    print::row("for comparison: starting and ending `true`", home.answer(Command::new("true")), "ms", "");
    let bytes = Path::new(BINARY).metadata().unwrap().len();
    print::budget("the binary", bytes as f64 / 1e6, "MB", 40.0);
}

fn main() {
    let home = Home(tempfile::tempdir().unwrap());
    sandbox_build(&home);
    answers(&home);
}
