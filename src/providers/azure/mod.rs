//! Azure Kubernetes Service.
//!
//! [`plan`] lays the steps out, [`steps`] knows how each object is found, made and removed, [`kinds`] brings a journalled
//! step back to its code, [`lro`] follows what takes its time, [`sweep`] and [`leftovers`] look for what is to go.
//! Nothing in here knows which endpoint it talks to.

pub mod access;
pub mod adopted;
pub mod auth;
pub mod client;
pub mod clusters;
pub mod error;
pub mod instances;
pub mod lro;
pub mod names;
pub mod offers;
pub mod plugin;
pub mod quotas;
pub mod ranges;
pub mod refs;
pub mod resolve;
pub mod retag;
pub mod skus;
pub mod survey;
pub mod tags;
#[cfg(test)]
pub(crate) mod testing;
pub mod token;
pub mod versions;
pub mod zones;

pub use client::AzureCx;
