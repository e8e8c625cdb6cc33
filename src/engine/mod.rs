//! The step engine: runs, resumes and undoes a plan so that no crash loses, doubles or orphans anything.
//!
//! Knows no cloud, no terminal and no file: those come in through the ports of [`ports`] and the
//! [`backend::Backend`] of a provider. Invariants are listed in `ARCHITECTURE.md`.

mod audit;
pub mod backend;
mod build;
mod demolish;
mod drive;
pub mod error;
pub mod event;
pub mod graph;
pub mod identity;
pub mod ids;
pub mod io;
mod limits;
pub mod pace;
pub mod plan;
pub mod ports;
pub mod proof;
mod rebuild;
mod retry;
mod run;
pub mod session;
pub mod state;
pub mod step;
mod task;
pub mod teardown;

pub use backend::{Backend, Leftover, RateLimit, Swept};
pub use error::{ErrorClass, Residue, StepError};
pub use event::{Event, Mode, Record, RunOutcome};
pub use graph::{Eta, PlanFault};
pub use identity::Identity;
pub use ids::{RunId, StepId, Token};
pub use io::{Input, Inputs, OutputKey, Outputs};
pub use pace::{Paced, Paces};
pub use plan::{Creation, Plan, PlannedStep, SweepPoint, Timing};
pub use ports::{Clock, Ids, Journal, JournalError, Observer, StopReceiver, StopSignal, Tick};
pub use proof::{Caused, Evidence, NotOurs, Observed, Owned, ResourceRef};
pub use session::{Audit, AuthGate, Failure, Item, Options, Outcome, Report, RunInfo, Session, StepReport};
pub use state::{BadTransition, Extra, RunSeen, StackState, Standing, StepState};
pub use step::{AnyStep, Bound, Deletion, Found, Lookup, Probe, Scope, Step};
pub use teardown::Teardown;
