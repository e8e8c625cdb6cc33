//! One process at work on one stack: what it is given, what it is asked, and what it reports.
//!
//! The work itself is in [`super::build`], [`super::teardown`], [`super::rebuild`] and [`super::audit`].

use super::{
    Backend, Clock, Ids, Journal, Mode, Observer, ResourceRef, RunId, StepError, StepId, StepState, ports::StopReceiver,
};
use async_trait::async_trait;
use std::{sync::Arc, time::Duration};

/// Looks whether credentials that had expired are good again.
#[async_trait]
pub trait AuthGate: Send + Sync {
    /// Reads afresh; true once calls can go on.
    async fn is_open(&self) -> bool;
}

/// How a run behaves.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many steps may be under way at once.
    pub parallel: usize,
    /// The whole run stops after this long.
    pub timeout: Option<Duration>,
    /// Consent to make anew what was ready and has vanished.
    pub recreate: bool,
    /// How often one run may replace an object that will never be ready.
    pub replacements: u32,
    /// After the first signal: how long calls in flight have to come back.
    pub grace: Duration,
    /// How long one call is repeated that fails for reasons of the network alone.
    pub transient_for: Duration,
    /// How long one stage of a teardown may take to clear what the cluster made.
    pub stage_deadline: Duration,
    /// The longest pause between the two reads that must both be clean before a stack counts as destroyed.
    pub audit_gap: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            parallel: 24,
            timeout: None,
            recreate: false,
            replacements: 2,
            grace: Duration::from_secs(15),
            transient_for: Duration::from_secs(300),
            stage_deadline: Duration::from_secs(1_200),
            audit_gap: Duration::from_secs(30),
        }
    }
}

/// Who runs, for the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunInfo {
    /// A fresh id.
    pub run: RunId,
    /// This machine.
    pub host: String,
    /// This process.
    pub pid: u32,
    /// Who started it.
    pub user: String,
    /// This build.
    pub version: String,
}

/// Everything a run needs. One session does one thing at a time; it may do several, one after the other.
pub struct Session {
    /// The provider.
    pub backend: Arc<dyn Backend>,
    /// The stack's journal; the caller holds its lock.
    pub journal: Box<dyn Journal>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub ids: Arc<dyn Ids>,
    /// Who watches.
    pub observer: Arc<dyn Observer>,
    /// Signals.
    pub stop: StopReceiver,
    /// How it behaves.
    pub options: Options,
    /// At a terminal: waits for credentials to come back instead of ending.
    pub gate: Option<Arc<dyn AuthGate>>,
}

/// How a run came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All it set out to do, and the audit agreed.
    Done,
    /// See [`Report::failures`].
    Failed,
    /// A signal.
    Stopped,
    /// [`Options::timeout`].
    TimedOut,
}

/// A step at the end of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct StepReport {
    /// The step.
    pub step: StepId,
    /// Its kind.
    pub kind: String,
    /// Where it stands.
    pub state: StepState,
}

/// One object, with the step it belongs to.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// The step; `caused/…` for what the cluster made.
    pub step: StepId,
    /// The object.
    pub resource: ResourceRef,
    /// Whose it is where that is not us, or why it stands.
    pub note: Option<String>,
    /// Price while it stands, where the search for leftovers knows one.
    pub usd_per_hour: Option<f64>,
}

/// What went wrong, and with which step.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// None for the run as a whole.
    pub step: Option<StepId>,
    /// The cause.
    pub error: StepError,
}

/// What a look at the cloud said about what the journal says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Audit {
    /// Nothing missing, nothing unexpected.
    pub clean: bool,
    /// How many objects were looked at.
    pub checked: usize,
    /// In the journal, not in the cloud.
    pub missing: Vec<Item>,
    /// Ours in the cloud, not in the journal; after a teardown: still there.
    pub unexpected: Vec<Item>,
}

/// What a run did.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Which way it went.
    pub mode: Mode,
    /// Its id.
    pub run: RunId,
    /// How it came out.
    pub outcome: Outcome,
    /// All steps as they stand now.
    pub steps: Vec<StepReport>,
    /// What stands in the cloud now and is ours, as far as the journal and the last look know.
    pub remaining: Vec<Item>,
    /// What this run removed.
    pub deleted: Vec<Item>,
    /// What it left at the user's wish (volumes with `Retain`), or because it is never undone or not ours to undo.
    pub kept: Vec<Item>,
    /// What stands in the way and is not provably ours: reported, never touched.
    pub blockers: Vec<Item>,
    /// Why it did not get further.
    pub failures: Vec<Failure>,
    /// Mutating calls it sent.
    pub mutating_calls: u64,
    /// The last look; none when it did not come to one.
    pub audit: Option<Audit>,
    /// How long it took.
    pub elapsed: Duration,
}
