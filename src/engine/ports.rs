//! What the engine asks of the outside: a durable journal, a clock, ids, somebody who watches, a way to be stopped.

use super::{Event, Record, RunId, StepId};
use async_trait::async_trait;
use jiff::Timestamp;
use std::time::Duration;
use tokio::sync::watch;

/// Why an event could not be made durable. The engine stops before the call it was to announce.
#[derive(Debug, Clone, thiserror::Error)]
#[error("cannot write the journal: {message}")]
pub struct JournalError {
    /// The cause in words, with the path.
    pub message: String,
    /// The disk is full: worth a hint of its own.
    pub disk_full: bool,
}

/// The stack's journal. One writer at a time; the store holds the lock.
pub trait Journal: Send {
    /// Appends and returns only when the line is durable. After an error nothing more may be appended.
    fn append(&mut self, at: Timestamp, run: Option<&RunId>, event: &Event) -> Result<Record, JournalError>;
}

/// Time. Real, paused or virtual.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Now, for timestamps and deadlines.
    fn now(&self) -> Timestamp;
    /// Waits.
    async fn sleep(&self, span: Duration);
}

/// Randomness, so that tests can fix it.
pub trait Ids: Send + Sync {
    /// A new run id.
    fn run_id(&self) -> RunId;
    /// 64 random bits, for jitter and stack ids.
    fn bits(&self) -> u64;
}

/// What is going on between two events, for the progress display. May be dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tick {
    /// A step waits; the cloud's own word, or ours.
    Waiting { step: StepId, note: String },
    /// A call will be tried again.
    Retrying { step: StepId, attempt: u32, after: Duration, why: String },
    /// The clock jumped (a suspended machine): everything is read afresh before any deadline is judged.
    ClockJumped { by: Duration },
    /// Waiting for credentials to come back.
    Paused { why: String },
}

/// Somebody who watches. Must not block; must not fail.
pub trait Observer: Send + Sync {
    /// A line was made durable.
    fn record(&self, record: &Record);
    /// Something moved in between.
    fn tick(&self, tick: &Tick);
}

/// How urgently to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StopSignal {
    /// Go on.
    No,
    /// Start nothing new; record what is in flight.
    Soon,
    /// Stop now.
    Now,
}

/// Where the engine listens for it.
pub type StopReceiver = watch::Receiver<StopSignal>;
