//! What all verbs of a session share while they run: the journal and the state behind one lock, calls with retries,
//! waits that a signal can end, and the tally for the report.
//!
//! Nothing here or above spawns tasks or writes in `Drop`: a future that is dropped leaves what a kill leaves.

use super::{
    AuthGate, Backend, Clock, ErrorClass, Event, Failure, Ids, Item, Journal, Mode, Observer, Options, Outcome, Record,
    Report, Residue, RunInfo, RunOutcome, Session, StackState, StepError, StepId, StepReport, StepState, StopSignal,
    Tick,
    limits::Limits,
    ports::StopReceiver,
    retry::{Backoff, later, since},
};
use crate::model::Stack;
use futures::future::BoxFuture;
use jiff::Timestamp;
use std::{
    collections::{BTreeMap, HashSet},
    future::Future,
    sync::Mutex,
    time::Duration,
};
use tokio::sync::watch;

/// Long waits are cut in pieces, so that a suspended machine is noticed soon after it wakes.
const NAP: Duration = Duration::from_secs(30);
/// A nap that took this much longer than asked was no nap.
const JUMP: Duration = Duration::from_secs(120);
/// An answer that takes no longer came at the first attempt or soon after.
const PROMPT: Duration = Duration::from_secs(5);
/// How often to look whether credentials are back.
const GATE_EVERY: Duration = Duration::from_secs(10);

/// Why a piece of work ended before its time.
#[derive(Debug)]
pub(super) enum Cut {
    /// The run ends: a signal, a timeout, a failure elsewhere, a journal that takes nothing more.
    Halted,
    /// Something still uses the thing; a new look shows what.
    Later,
    /// This went wrong.
    Step(Box<StepError>),
}

impl From<StepError> for Cut {
    fn from(error: StepError) -> Self {
        Self::Step(Box::new(error))
    }
}

struct Core<'a> {
    journal: &'a mut dyn Journal,
    state: &'a mut StackState,
    /// After the first failed append nothing more is appended.
    closed: bool,
}

/// What the report will tell.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) failures: Vec<Failure>,
    pub(super) deleted: Vec<Item>,
    pub(super) kept: Vec<Item>,
    pub(super) blockers: Vec<Item>,
    /// Why a step's object was left where it is.
    pub(super) notes: BTreeMap<StepId, String>,
}

/// One run under way.
pub(super) struct Run<'a> {
    pub(super) backend: &'a dyn Backend,
    pub(super) options: &'a Options,
    pub(super) info: RunInfo,
    pub(super) stack: Stack,
    clock: &'a dyn Clock,
    ids: &'a dyn Ids,
    observer: &'a dyn Observer,
    gate: Option<&'a dyn AuthGate>,
    mode: Mode,
    core: Mutex<Core<'a>>,
    tally: Mutex<Tally>,
    limits: Limits,
    halt: watch::Sender<bool>,
    began: Timestamp,
    calls_before: u64,
}

impl<'a> Run<'a> {
    /// The run, and the receiver of signals that [`Self::attend`] takes.
    pub(super) fn of(
        session: &'a mut Session,
        state: &'a mut StackState,
        stack: Stack,
        info: RunInfo,
        mode: Mode,
    ) -> (Self, StopReceiver) {
        let run = Self {
            backend: &*session.backend,
            options: &session.options,
            info,
            stack,
            clock: &*session.clock,
            ids: &*session.ids,
            observer: &*session.observer,
            gate: session.gate.as_deref(),
            mode,
            core: Mutex::new(Core { journal: &mut *session.journal, state, closed: false }),
            tally: Mutex::default(),
            limits: Limits::default(),
            halt: watch::Sender::new(false),
            began: session.clock.now(),
            calls_before: session.backend.mutating_calls(),
        };
        (run, session.stop.clone())
    }

    // ---- journal and state

    /// Makes an event durable and folds it. Everything the engine does in the world comes after such a line.
    pub(super) fn append(&self, event: Event) -> Result<Record, Cut> {
        let record = {
            let mut core = self.core.lock().expect("no holder of this lock can panic");
            if core.closed {
                return Err(Cut::Halted);
            }
            let started = core.state.last_run().is_some_and(|last| last.run == self.info.run)
                || matches!(event, Event::RunStarted { .. });
            let appended = core.journal.append(self.clock.now(), started.then_some(&self.info.run), &event);
            let folded = match appended {
                Ok(record) => core
                    .state
                    .apply(&record)
                    .map(|()| record)
                    .map_err(|bad| StepError::new(ErrorClass::Permanent, "KW-BUG", bad.to_string())),
                Err(error) => {
                    let hint = if error.disk_full {
                        "make room on that disk; nothing was sent after the last line"
                    } else {
                        "see to that file; nothing was sent after the last line"
                    };
                    Err(StepError::new(ErrorClass::Permanent, "KW-JOURNAL", error.to_string()).with_hint(hint))
                }
            };
            match folded {
                Ok(record) => record,
                Err(error) => {
                    core.closed = true;
                    drop(core);
                    self.fail(None, error);
                    self.stop();
                    return Err(Cut::Halted);
                }
            }
        };
        self.observer.record(&record);
        Ok(record)
    }

    /// Reads the state.
    pub(super) fn state<T>(&self, read: impl FnOnce(&StackState) -> T) -> T {
        read(self.core.lock().expect("no holder of this lock can panic").state)
    }

    /// Where a step stands.
    pub(super) fn step_state(&self, id: &StepId) -> StepState {
        self.state(|state| state.step(id).clone())
    }

    /// Adds to what the report will tell.
    pub(super) fn tally<T>(&self, add: impl FnOnce(&mut Tally) -> T) -> T {
        add(&mut self.tally.lock().expect("no holder of this lock can panic"))
    }

    /// Notes a failure for the report.
    pub(super) fn fail(&self, step: Option<StepId>, error: StepError) {
        self.tally(|tally| tally.failures.push(Failure { step, error }));
    }

    // ---- time and signals

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(super) fn tick(&self, tick: &Tick) {
        self.observer.tick(tick);
    }

    /// Nothing new starts from here on, and all waits end.
    pub(super) fn stop(&self) {
        self.halt.send_replace(true);
    }

    pub(super) fn stopped(&self) -> bool {
        *self.halt.borrow()
    }

    /// The deadline moved on by the time that the machine was asleep since `then`, of which `meant` was waited on
    /// purpose: what others had to do for this step did not go on either.
    pub(super) fn awake(&self, deadline: Timestamp, then: Timestamp, meant: Duration) -> Timestamp {
        let lost = since(then, self.now()).saturating_sub(meant);
        if lost > JUMP { later(deadline, lost) } else { deadline }
    }

    /// The deadline moved on by the time that an answer took beyond what answers take: the call was told to slow down, or
    /// the network was away, and it was repeated. What is waited for had no say in that.
    pub(super) fn answered(&self, deadline: Timestamp, asked: Timestamp) -> Timestamp {
        later(deadline, since(asked, self.now()).saturating_sub(PROMPT))
    }

    /// Waits, in pieces. Comes back early after a clock jump, so that the caller reads afresh before it judges.
    pub(super) async fn pause(&self, span: Duration) -> Result<(), Cut> {
        let mut left = span;
        loop {
            if self.stopped() {
                return Err(Cut::Halted);
            }
            if left.is_zero() {
                return Ok(());
            }
            let nap = left.min(NAP);
            let before = self.now();
            let mut halt = self.halt.subscribe();
            tokio::select! {
                biased;
                _ = halt.wait_for(|halted| *halted) => return Err(Cut::Halted),
                () = self.clock.sleep(nap) => {}
            }
            let slept = since(before, self.now());
            if slept > nap + JUMP {
                self.tick(&Tick::ClockJumped { by: slept.saturating_sub(nap) });
                return Ok(());
            }
            left = left.saturating_sub(nap);
        }
    }

    /// Runs `work` to its end, or to the end that signals and the overall timeout give it. None when it was dropped
    /// on the way.
    pub(super) async fn attend<T>(&self, mut stop: StopReceiver, work: impl Future<Output = T>) -> (Option<T>, Ending) {
        tokio::pin!(work);
        let mut ending = Ending::ByItself;
        let mut limit = self.options.timeout;
        let mut deaf = false;
        loop {
            let signal = *stop.borrow_and_update();
            if signal == StopSignal::Now {
                self.stop();
                return (None, Ending::Signal);
            }
            if signal == StopSignal::Soon && ending != Ending::Signal {
                ending = Ending::Signal;
                self.stop();
                limit = Some(self.options.grace);
            }
            let nap = limit.map(|left| left.min(NAP));
            let before = self.now();
            tokio::select! {
                biased;
                done = &mut work => return (Some(done), ending),
                changed = stop.changed(), if !deaf => deaf = changed.is_err(),
                () = async { match nap { Some(nap) => self.clock.sleep(nap).await, None => std::future::pending().await } } => {
                    let slept = since(before, self.now());
                    let nap = nap.unwrap_or_default();
                    // Time asleep with the lid closed does not count: waits that became true meanwhile are read first.
                    limit = limit.map(|left| left.saturating_sub(if slept > nap + JUMP { nap } else { slept }));
                    if limit == Some(Duration::ZERO) {
                        if ending != Ending::ByItself {
                            return (None, ending); // the grace is over
                        }
                        ending = Ending::Timeout;
                        self.stop();
                        limit = Some(self.options.grace);
                    }
                }
            }
        }
    }

    // ---- calls

    /// Waits for the next place in a service's queue.
    pub(super) async fn queue(&self, service: &str) -> Result<(), Cut> {
        let wait = self.limits.take(self.backend, service, self.now());
        self.pause(wait).await
    }

    /// A call went through.
    pub(super) fn went_well(&self, service: &str) {
        self.limits.fine(service);
    }

    /// After a failed call: comes back when it is to be tried again, with the error when it is not. Credentials that
    /// ran out are waited for where somebody is there to renew them.
    pub(super) async fn after(
        &self,
        step: &StepId,
        service: &str,
        error: StepError,
        backoff: &mut Backoff,
        deadline: Timestamp,
    ) -> Result<(), Cut> {
        if error.class == ErrorClass::Auth && error.id.ends_with("-EXPIRED") && self.gate.is_some() {
            return self.wait_at_the_gate(&error).await;
        }
        if error.class == ErrorClass::Throttled {
            self.limits.throttled(self.backend, service, self.now());
        }
        let Some(wait) = backoff.next(&error, self.now(), deadline, self.options.transient_for, self.ids.bits()) else {
            return Err(error.into());
        };
        self.tick(&Tick::Retrying {
            step: step.clone(),
            attempt: backoff.attempts(),
            after: wait,
            why: error.message.clone(),
        });
        self.pause(wait).await
    }

    async fn wait_at_the_gate(&self, error: &StepError) -> Result<(), Cut> {
        let Some(gate) = self.gate else {
            return Err(error.clone().into());
        };
        loop {
            self.tick(&Tick::Paused { why: error.message.clone() });
            self.pause(GATE_EVERY).await?;
            if gate.is_open().await {
                return Ok(());
            }
        }
    }

    /// A call that may be repeated without harm: reads, idempotent changes. What it may leave behind is for the
    /// step's state to say, so its residue is never believed.
    pub(super) async fn call<'c, T>(
        &self,
        step: &StepId,
        service: &str,
        deadline: Timestamp,
        attempt: impl Fn() -> BoxFuture<'c, Result<T, StepError>>,
    ) -> Result<T, Cut> {
        let mut backoff = Backoff::default();
        loop {
            self.queue(service).await?;
            match attempt().await {
                Ok(value) => {
                    self.went_well(service);
                    return Ok(value);
                }
                Err(error) => {
                    let error = error.with_residue(Residue::Unknown);
                    self.after(step, service, error, &mut backoff, deadline).await?;
                }
            }
        }
    }

    /// A look at many services at once, which no single queue governs.
    pub(super) async fn wide<'c, T>(
        &self,
        what: &str,
        attempt: impl Fn() -> BoxFuture<'c, Result<T, StepError>>,
    ) -> Result<T, Cut> {
        let (step, deadline) = (StepId::new(what), later(self.now(), self.options.stage_deadline));
        let mut backoff = Backoff::default();
        loop {
            match attempt().await {
                Ok(value) => return Ok(value),
                Err(error) => self.after(&step, what, error, &mut backoff, deadline).await?,
            }
        }
    }

    // ---- beginning and end

    /// Says who takes the stack on.
    pub(super) fn start(&self) -> Result<(), Cut> {
        let info = self.info.clone();
        self.append(Event::RunStarted {
            run: info.run,
            mode: self.mode,
            host: info.host,
            pid: info.pid,
            user: info.user,
            version: info.version,
        })
        .map(drop)
    }

    /// Says how it ended and makes the report. `goal` is whether everything it set out to do was done and audited.
    pub(super) fn finish(self, ending: Ending, goal: bool, audit: Option<super::Audit>) -> Report {
        let mutating_calls = self.backend.mutating_calls().saturating_sub(self.calls_before);
        let failed = self.tally(|tally| tally.failures.first().map(|failure| failure.error.clone()));
        let outcome = match ending {
            Ending::Signal => Outcome::Stopped,
            Ending::Timeout => Outcome::TimedOut,
            Ending::ByItself if goal && failed.is_none() => Outcome::Done,
            Ending::ByItself => Outcome::Failed,
        };
        let ended = Event::RunEnded {
            run: self.info.run.clone(),
            outcome: match outcome {
                Outcome::Done => RunOutcome::Done,
                Outcome::Failed => RunOutcome::Failed,
                Outcome::Stopped | Outcome::TimedOut => RunOutcome::Stopped,
            },
            mutating_calls,
            error: failed,
        };
        // A run that could not say that it ended has not reached its goal: the next one looks again.
        let outcome = match self.append(ended) {
            Err(_) if outcome == Outcome::Done => Outcome::Failed,
            _ => outcome,
        };
        let elapsed = since(self.began, self.now());
        let core = self.core.into_inner().expect("no holder of this lock can panic");
        let tally = self.tally.into_inner().expect("no holder of this lock can panic");
        report(core.state, tally, Given { mode: self.mode, info: self.info, outcome, mutating_calls, audit, elapsed })
    }

    /// The moment `span` from now.
    pub(super) fn in_secs(&self, secs: u32) -> Timestamp {
        later(self.now(), Duration::from_secs(secs.into()))
    }
}

/// What ended a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// There was nothing left that could be done.
    ByItself,
    /// A signal.
    Signal,
    /// The overall timeout.
    Timeout,
}

struct Given {
    mode: Mode,
    info: RunInfo,
    outcome: Outcome,
    mutating_calls: u64,
    audit: Option<super::Audit>,
    elapsed: Duration,
}

fn report(state: &StackState, tally: Tally, given: Given) -> Report {
    let planned: Vec<StepReport> = match state.plan() {
        Some(plan) => plan
            .steps
            .iter()
            .map(|step| StepReport {
                step: step.id.clone(),
                kind: step.kind.clone(),
                state: state.step(&step.id).clone(),
            })
            .collect(),
        None => state
            .steps()
            .map(|(id, step)| StepReport {
                step: id.clone(),
                kind: step.resource().map(|resource| resource.kind.clone()).unwrap_or_default(),
                state: step.clone(),
            })
            .collect(),
    };
    let kept: HashSet<&str> = tally.kept.iter().map(|item| item.resource.id.as_str()).collect();
    let mut remaining: Vec<Item> = state
        .resources()
        .filter(|(_, resource)| !kept.contains(resource.id.as_str()))
        .map(|(id, resource)| {
            let failed = match state.step(id) {
                StepState::DeleteFailed { error, .. } | StepState::Failed { error, .. } => Some(error.message.clone()),
                _ => None,
            };
            let note = tally.notes.get(id).cloned().or(failed);
            Item { step: id.clone(), resource: resource.clone(), note, usd_per_hour: None }
        })
        .collect();
    if given.mode == Mode::Destroy {
        for item in given.audit.iter().flat_map(|audit| &audit.unexpected) {
            if !remaining.iter().any(|known| known.resource.id == item.resource.id) {
                remaining.push(item.clone());
            }
        }
    }
    Report {
        mode: given.mode,
        run: given.info.run,
        outcome: given.outcome,
        steps: planned,
        remaining,
        deleted: tally.deleted,
        kept: tally.kept,
        blockers: tally.blockers,
        failures: tally.failures,
        mutating_calls: given.mutating_calls,
        audit: given.audit,
        elapsed: given.elapsed,
    }
}

/// A run that was refused before it began: nothing is journalled.
pub(super) fn refused(state: &StackState, info: RunInfo, mode: Mode, error: StepError) -> Report {
    let tally = Tally { failures: vec![Failure { step: None, error }], ..Tally::default() };
    let given = Given { mode, info, outcome: Outcome::Failed, mutating_calls: 0, audit: None, elapsed: Duration::ZERO };
    report(state, tally, given)
}
