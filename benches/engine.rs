//! What the engine costs by itself: µs and bytes per step at 100, 1,000 and 10,000 steps whose calls take no time.
//!
//! `cargo bench --bench engine`. Prints numbers and ratios; fails when a step costs more than 50 µs at 10,000 steps or
//! when memory grows faster than the plan.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark measures real time and prints what it measured"
)]

use async_trait::async_trait;
use jiff::Timestamp;
use kubewright::engine::{
    AnyStep, Backend, Clock, Creation, Deletion, Event, Evidence, Found, Identity, Ids, Input, Journal, JournalError,
    Leftover, Lookup, Observed, Observer, Options, Outcome, OutputKey, Outputs, Owned, Plan, PlannedStep, Probe,
    RateLimit, Record, ResourceRef, RunId, RunInfo, Scope, Session, StackState, StepError, StopSignal, SweepPoint,
    Swept, Tick, Timing, Token,
};
use kubewright::model::{Cloud, Region, Stack};
use serde_json::json;
use std::{collections::BTreeMap, sync::Arc, time::Duration, time::Instant};

const ID: OutputKey<String> = OutputKey::new("id");
const BUDGET_MICROS: f64 = 50.0;

/// A cloud in which everything works at once: object ids are step ids.
struct Instantly;

#[async_trait]
impl AnyStep for Instantly {
    async fn find(&self, at: Scope<'_>, _: Lookup<'_>) -> Result<Found, StepError> {
        Ok(Found::One(Observed {
            reference: ResourceRef::new("bench/thing", at.step.as_str()),
            evidence: Evidence { tags: at.tags.clone(), ..Evidence::default() },
            created_at: None,
            attached: false,
        }))
    }
    async fn create(&self, at: Scope<'_>, _: &Token) -> Result<ResourceRef, StepError> {
        Ok(ResourceRef::new("bench/thing", at.step.as_str()))
    }
    async fn converge(&self, _: Scope<'_>, _: &Owned) -> Result<(), StepError> {
        Ok(())
    }
    async fn probe(&self, _: Scope<'_>, _: &ResourceRef) -> Result<Probe, StepError> {
        Ok(Probe::Ready)
    }
    async fn outputs(&self, _: Scope<'_>, it: &ResourceRef) -> Result<Outputs, StepError> {
        Ok(Outputs::new().with(ID, &it.id))
    }
    async fn delete(&self, _: Scope<'_>, _: &Owned) -> Result<Deletion, StepError> {
        Ok(Deletion::Gone)
    }
}

#[async_trait]
impl Backend for Instantly {
    fn step(&self, _: &PlannedStep) -> Result<Arc<dyn AnyStep>, StepError> {
        Ok(Arc::new(Self))
    }
    async fn sweep(&self, _: &Stack) -> Result<Vec<Swept>, StepError> {
        Ok(Vec::new())
    }
    async fn leftovers(&self, _: &str, _: &Stack, _: &[Observed]) -> Result<Vec<Leftover>, StepError> {
        Ok(Vec::new())
    }
    fn sweep_points(&self, _: &[Swept]) -> Vec<SweepPoint> {
        Vec::new()
    }
    fn limit(&self, _: &str) -> RateLimit {
        RateLimit { per_second: 1e9, burst: u32::MAX }
    }
    fn mutating_calls(&self) -> u64 {
        0
    }
}

/// Counts lines; the disk's own time is the store's to measure.
struct Counting(u64);

impl Journal for Counting {
    fn append(&mut self, at: Timestamp, run: Option<&RunId>, event: &Event) -> Result<Record, JournalError> {
        self.0 += 1;
        Ok(Record { seq: self.0, at, run: run.cloned(), event: event.clone() })
    }
}

struct RealTime;

#[async_trait]
impl Clock for RealTime {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
    async fn sleep(&self, span: Duration) {
        tokio::time::sleep(span).await;
    }
}

impl Ids for RealTime {
    fn run_id(&self) -> RunId {
        RunId("bench".to_owned())
    }
    fn bits(&self) -> u64 {
        7
    }
}

impl Observer for RealTime {
    fn record(&self, _: &Record) {}
    fn tick(&self, _: &Tick) {}
}

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
fn build(steps: usize) -> (f64, u64) {
    let plan = plan(steps);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let (_signal, stop) = tokio::sync::watch::channel(StopSignal::No);
    let mut session = Session {
        backend: Arc::new(Instantly),
        journal: Box::new(Counting(0)),
        clock: Arc::new(RealTime),
        ids: Arc::new(RealTime),
        observer: Arc::new(RealTime),
        stop,
        options: Options::default(),
        gate: None,
    };
    let info = RunInfo {
        run: RunId("bench".to_owned()),
        host: String::new(),
        pid: 1,
        user: String::new(),
        version: String::new(),
    };
    let mut state = StackState::default();
    let before = resident().unwrap_or_default();
    let began = Instant::now();
    let report = runtime.block_on(session.provision(&plan, &mut state, info));
    let took = began.elapsed().as_secs_f64();
    let grown = resident().unwrap_or_default().saturating_sub(before);
    assert_eq!(report.outcome, Outcome::Done, "{:?}", report.failures);
    (took, grown)
}

fn main() {
    build(100); // warms up
    let mut rows = Vec::new();
    println!("{:>8} {:>10} {:>12} {:>14}", "steps", "ms", "µs a step", "bytes a step");
    for steps in [100_usize, 1_000, 10_000] {
        // The fastest of a few: what is asked is the engine's cost, not the machine's mood.
        let runs: Vec<(f64, u64)> = (0..if steps > 1_000 { 3 } else { 9 }).map(|_| build(steps)).collect();
        let took = runs.iter().map(|run| run.0).fold(f64::INFINITY, f64::min);
        let grown = runs.iter().map(|run| run.1).max().unwrap_or_default();
        let (micros, bytes) = (took * 1e6 / steps as f64, grown as f64 / steps as f64);
        println!("{steps:>8} {:>10.2} {micros:>12.2} {bytes:>14.0}", took * 1e3);
        rows.push((micros, bytes));
    }
    let (first, last) = (rows[0], rows[2]);
    println!("time per step, 10,000 over 100 steps: {:.2}", last.0 / first.0);
    println!("10,000 steps over the budget of {BUDGET_MICROS} µs a step: {:.2}", last.0 / BUDGET_MICROS);
    let linear = rows[1].1 <= 0.0 || last.1 <= 2.0 * rows[1].1.max(2_000.0);
    println!("memory per step, 10,000 over 1,000 steps: {:.2}", last.1 / rows[1].1.max(1.0));
    if cfg!(debug_assertions) {
        println!("a debug build; its time is not judged");
    } else {
        assert!(last.0 <= BUDGET_MICROS, "a step costs {:.1} µs", last.0);
    }
    assert!(linear, "memory grows faster than the plan");
}
