//! A cloud in which every call works at once and an object is ready a given time later: what is left is the engine.

use async_trait::async_trait;
use jiff::Timestamp;
use kubewright::engine::{
    AnyStep, Backend, Clock, Creation, Deletion, Event, Evidence, Found, Identity, Ids, Journal, JournalError,
    Leftover, Lookup, Observed, Observer, Options, Outcome, OutputKey, Outputs, Owned, Plan, PlannedStep, Probe,
    RateLimit, Record, ResourceRef, RunId, RunInfo, Scope, Session, StackState, StepError, StepId, StopSignal,
    SweepPoint, Swept, Tick, Token,
};
use kubewright::model::Stack;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

/// What every step puts out.
pub const ID: OutputKey<String> = OutputKey::new("id");

/// How long things take to be ready; those not named take no time.
pub type Durations = HashMap<StepId, Duration>;

/// Object ids are step ids.
struct Pretend {
    durations: Durations,
    clock: Arc<dyn Clock>,
    begun: Mutex<HashMap<StepId, Timestamp>>,
}

struct Step(Arc<Pretend>);

#[async_trait]
impl AnyStep for Step {
    async fn find(&self, at: Scope<'_>, _: Lookup<'_>) -> Result<Found, StepError> {
        Ok(Found::One(Observed {
            reference: ResourceRef::new("bench/thing", at.step.as_str()),
            evidence: Evidence { tags: at.tags.clone(), ..Evidence::default() },
            created_at: None,
            attached: false,
        }))
    }
    async fn create(&self, at: Scope<'_>, _: &Token) -> Result<ResourceRef, StepError> {
        if self.0.durations.contains_key(at.step) {
            self.0.begun.lock().unwrap().insert(at.step.clone(), self.0.clock.now());
        }
        Ok(ResourceRef::new("bench/thing", at.step.as_str()))
    }
    async fn converge(&self, _: Scope<'_>, _: &Owned) -> Result<(), StepError> {
        Ok(())
    }
    async fn probe(&self, at: Scope<'_>, _: &ResourceRef) -> Result<Probe, StepError> {
        let begun = self.0.begun.lock().unwrap().get(at.step).copied();
        let ready = begun.map(|begun| begun + self.0.durations[at.step]);
        let waits = ready.is_some_and(|ready| ready > self.0.clock.now());
        Ok(if waits { Probe::NotYet(String::new()) } else { Probe::Ready })
    }
    async fn outputs(&self, _: Scope<'_>, it: &ResourceRef) -> Result<Outputs, StepError> {
        Ok(Outputs::new().with(ID, &it.id))
    }
    async fn delete(&self, _: Scope<'_>, _: &Owned) -> Result<Deletion, StepError> {
        Ok(Deletion::Gone)
    }
}

struct Cloud(Arc<Pretend>);

#[async_trait]
impl Backend for Cloud {
    fn step(&self, _: &PlannedStep) -> Result<Arc<dyn AnyStep>, StepError> {
        Ok(Arc::new(Step(Arc::clone(&self.0))))
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

/// The runtime's time, real or paused.
struct RuntimeTime {
    from: Timestamp,
    since: tokio::time::Instant,
}

#[async_trait]
impl Clock for RuntimeTime {
    fn now(&self) -> Timestamp {
        self.from + self.since.elapsed()
    }
    async fn sleep(&self, span: Duration) {
        tokio::time::sleep(span).await;
    }
}

struct Nobody;

impl Ids for Nobody {
    fn run_id(&self) -> RunId {
        RunId("bench".to_owned())
    }
    fn bits(&self) -> u64 {
        7
    }
}

impl Observer for Nobody {
    fn record(&self, _: &Record) {}
    fn tick(&self, _: &Tick) {}
}

/// A clock of the runtime it is made in.
pub fn clock() -> Arc<dyn Clock> {
    Arc::new(RuntimeTime { from: Timestamp::now(), since: tokio::time::Instant::now() })
}

/// The same plan, of things that this cloud makes.
pub fn pretend(mut plan: Plan) -> Plan {
    for step in &mut plan.steps {
        (step.identity, step.tagged, step.creation) = (Identity::Tags, true, Creation::Token);
    }
    plan
}

/// Builds it, and says how long that took on the runtime's clock.
pub async fn build(plan: &Plan, durations: Durations, options: Options) -> Duration {
    let clock = clock();
    let (_signal, stop) = tokio::sync::watch::channel(StopSignal::No);
    let begun = Mutex::default();
    let mut session = Session {
        backend: Arc::new(Cloud(Arc::new(Pretend { durations, clock: Arc::clone(&clock), begun }))),
        journal: Box::new(Counting(0)),
        clock,
        ids: Arc::new(Nobody),
        observer: Arc::new(Nobody),
        stop,
        options,
        gate: None,
    };
    let info = RunInfo {
        run: RunId("bench".to_owned()),
        host: String::new(),
        pid: 1,
        user: String::new(),
        version: String::new(),
    };
    let report = session.provision(plan, &mut StackState::default(), info).await;
    assert_eq!(report.outcome, Outcome::Done, "{:?}", report.failures);
    report.elapsed
}
