//! Azure Kubernetes Service.
//!
//! [`plan`] lays the steps out, [`steps`] knows how each object is found, made and removed, [`kinds`] brings a journalled
//! step back to its code, [`lro`] follows what takes its time, [`sweep`] and [`leftovers`] look for what is to go.
//! Nothing in here knows which endpoint it talks to.

pub mod auth;
pub mod client;
pub mod error;
pub mod lro;
pub mod names;
pub mod refs;
pub mod tags;
#[cfg(test)]
pub(crate) mod testing;

pub use client::AzureCx;
