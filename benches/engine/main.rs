//! What the engine costs by itself: µs and bytes per step at 100, 1,000 and 10,000 steps whose calls take no time.
//!
//! `cargo bench --bench engine`.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark measures real time and prints what it measured"
)]

#[path = "../support/pretend.rs"]
mod pretend;
#[path = "../support/print.rs"]
mod print;

use kubewright::engine::{Creation, Identity, Input, Options, Plan, PlannedStep, Timing};
use kubewright::model::{Cloud, Region};
use pretend::{Durations, ID};
use serde_json::json;
use std::{collections::BTreeMap, time::Instant};

/// Layers of ten, each step on two of the layer below, as deep as it takes.
fn plan(steps: usize) -> Plan {
    let id = |nth: usize| format!("layer/{}/step-{}", nth / 10, nth % 10);
    let below = |nth: usize| -> Vec<Input<String>> {
        let layer = nth / 10;
        if layer == 0 {
            return Vec::new();
        }
        [nth % 10, (nth + 3) % 10].map(|at| ID.of(id((layer - 1) * 10 + at).as_str())).to_vec()
    };
    let timing = Timing { p50_secs: 1, p90_secs: 2, deadline_secs: 600, delete_p50_secs: 1, delete_deadline_secs: 600 };
    Plan {
        version: 1,
        stack: "bench-0000beef".parse().unwrap(),
        provider: Cloud::Aws,
        account: "1".to_owned(),
        region: Region("r".to_owned()),
        spec: json!({}),
        tags: BTreeMap::from([("created_by".to_owned(), "kubewright".to_owned())]),
        steps: (0..steps)
            .map(|nth| PlannedStep {
                id: id(nth).as_str().into(),
                kind: "bench/thing".to_owned(),
                params: json!({"uses": below(nth)}),
                identity: Identity::Tags,
                tagged: true,
                needs: Vec::new(),
                service: "bench".to_owned(),
                creation: Creation::Token,
                settle_secs: 0,
                timing,
                usage: Vec::new(),
                dies_with: None,
            })
            .collect(),
        sweeps: Vec::new(),
    }
    .checked()
    .unwrap()
}

/// Resident bytes now, where the system says so.
fn resident() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    Some(statm.split_whitespace().nth(1)?.parse::<u64>().ok()? * 4096)
}

/// Seconds and resident bytes that one build of this many steps takes.
fn build(steps: usize) -> (f64, f64) {
    let plan = pretend::pretend(plan(steps));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let before = resident().unwrap_or_default();
    let began = Instant::now();
    runtime.block_on(pretend::build(&plan, Durations::new(), Options::default()));
    let took = began.elapsed().as_secs_f64();
    (took, resident().unwrap_or_default().saturating_sub(before) as f64)
}

fn main() {
    build(100); // warms up
    print::section("engine alone: layers of ten steps, each on two of the layer below");
    let mut rows = Vec::new();
    for (steps, shown, times) in [(100, "100", 9), (1_000, "1,000", 9), (10_000, "10,000", 3)] {
        // The fastest of a few: what is asked is the engine's cost, not the machine's mood. Only the first run of a size
        // makes the heap grow.
        let runs: Vec<(f64, f64)> = (0..times).map(|_| build(steps)).collect();
        let took = runs.iter().map(|run| run.0).fold(f64::INFINITY, f64::min);
        let grown = runs.iter().map(|run| run.1).fold(0.0, f64::max);
        let (micros, kib) = (took * 1e6 / steps as f64, grown / 1024.0 / steps as f64);
        let what = format!("a step, of {shown}");
        if steps == 10_000 {
            print::budget(&what, micros, "µs", 50.0);
        } else {
            print::row(&what, micros, "µs", "");
        }
        print::row("  memory", kib, "KiB", "");
        rows.push((micros, kib));
    }
    print::row("time per step, 10,000 over 100 steps", rows[2].0 / rows[0].0, "x", "");
    print::row("memory per step, 10,000 over 1,000 steps", rows[2].1 / rows[1].1.max(1.0), "x", "linear is 1");
}
