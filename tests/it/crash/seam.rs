//! Where a run can be killed or hurt: every append and every mutating call passes here and is counted.
//!
//! At the chosen point the process "dies": a synchronous point unwinds, an asynchronous one parks and wakes the
//! harness, which drops the engine's future. Every later point parks or unwinds too, so that no sibling writes on
//! after the death.

use std::{
    future::pending,
    panic::resume_unwind,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
};
use tokio::sync::Notify;

/// The payload that tells a death from a bug.
pub struct Killed;

/// What happens instead of a mutating call's usual course.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// No effect, and nobody knows that.
    ErrorBefore,
    /// The effect, and no reply.
    LostReply,
    /// No effect, and the cloud says so.
    Throttle,
    /// No effect, refused for good.
    Permanent,
    /// The effect, and an error that is final.
    PermanentAfter,
    /// No effect: the credentials ran out.
    Expired,
}

/// What is to go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Script {
    Nothing,
    /// Die at this point.
    Crash(usize),
    /// Hurt this mutating call.
    Fault(usize, Fault),
    /// The disk is full from this append on.
    DiskFull(usize),
}

pub struct Seam {
    script: Script,
    points: AtomicUsize,
    calls: AtomicUsize,
    appends: AtomicUsize,
    dead: AtomicBool,
    death: Notify,
}

impl Seam {
    pub fn new(script: Script) -> Self {
        Self {
            script,
            points: AtomicUsize::new(0),
            calls: AtomicUsize::new(0),
            appends: AtomicUsize::new(0),
            dead: AtomicBool::new(false),
            death: Notify::new(),
        }
    }

    /// Crash points passed so far.
    pub fn points(&self) -> usize {
        self.points.load(SeqCst)
    }

    /// Mutating calls seen so far.
    pub fn calls(&self) -> usize {
        self.calls.load(SeqCst)
    }

    /// Appends seen so far.
    pub fn appends(&self) -> usize {
        self.appends.load(SeqCst)
    }

    pub fn is_dead(&self) -> bool {
        self.dead.load(SeqCst)
    }

    /// Waits for the death that an asynchronous point announces.
    pub async fn death(&self) {
        self.death.notified().await;
    }

    /// Whether to die exactly here. Dead processes pass no points.
    pub fn dies_here(&self) -> bool {
        let point = self.points.fetch_add(1, SeqCst);
        self.script == Script::Crash(point)
    }

    pub fn die_now(&self) -> ! {
        self.dead.store(true, SeqCst);
        resume_unwind(Box::new(Killed))
    }

    pub async fn die(&self) -> ! {
        self.dead.store(true, SeqCst);
        self.death.notify_one();
        loop {
            pending::<()>().await;
        }
    }

    /// Every call of a dead process hangs for ever.
    pub async fn alive(&self) {
        if self.is_dead() {
            pending::<()>().await;
        }
    }

    /// A mutating call begins; what is to be done to it.
    pub fn call(&self) -> Option<Fault> {
        let call = self.calls.fetch_add(1, SeqCst);
        match self.script {
            Script::Fault(nth, fault) if nth == call => Some(fault),
            _ => None,
        }
    }

    /// An append begins; whether there is room for it.
    pub fn has_room(&self) -> bool {
        let append = self.appends.fetch_add(1, SeqCst);
        !matches!(self.script, Script::DiskFull(nth) if append >= nth)
    }
}
