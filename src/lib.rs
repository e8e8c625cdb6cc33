//! The rooms of kubewright, one line each. `ARCHITECTURE.md` draws the arrows between them.

pub mod app;
pub mod cli;
pub mod config;
pub mod cost;
pub mod engine;
pub mod env;
pub mod error;
pub mod k8s;
pub mod model;
pub mod providers;
#[cfg(feature = "sandbox")]
pub mod sandbox;
pub mod store;
pub mod ui;
