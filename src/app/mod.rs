//! The work of each verb, on plain values: plan, ask, do, report. Knows no clap type and no terminal.

mod accrual;
mod cloud;
mod command;
pub mod cost;
pub mod destroy;
mod durations;
pub mod extend;
mod guess;
pub mod history;
pub mod init;
mod inside;
pub mod kubeconfig;
mod money;
mod outcome;
pub mod places;
pub mod policy;
pub mod prices;
pub mod protect;
pub mod provision;
mod readiness;
pub mod reap;
pub mod recover;
pub mod refresh;
mod respec;
pub mod schema;
mod spread;
mod stacks;
pub mod status;
mod tags;
pub mod token;

pub use stacks::{AtHand, at_hand};
