//! Azure Kubernetes Service.
//!
//! [`provider`] is the door. [`resolve`] decides, [`preflight`] asks what may be asked before the first write, [`plan`]
//! lays the steps out, [`steps`] knows how each object is found, made and removed, [`kinds`] brings a journalled step
//! back to its code, [`lro`] follows what takes its time, [`sweep`] and [`leftovers`] look for what is to go, [`survey`]
//! at a whole subscription. Nothing in here knows which endpoint it talks to.

pub mod access;
pub mod adopted;
pub mod auth;
mod certificate;
pub mod client;
pub mod clusters;
pub mod disks;
pub mod error;
pub mod in_cluster;
pub mod instances;
pub mod kinds;
pub mod leftovers;
pub mod lro;
pub mod models;
pub mod names;
pub mod offers;
pub mod permissions;
pub mod plan;
pub mod plugin;
pub mod policy;
pub mod preflight;
pub mod provider;
pub mod quotas;
pub mod ranges;
pub mod refs;
pub mod resolve;
pub mod retag;
pub mod rules;
pub mod skus;
pub mod stages;
pub mod steps;
pub mod survey;
pub mod sweep;
pub mod tags;
#[cfg(test)]
pub(crate) mod testing;
pub mod token;
pub mod versions;
pub mod zones;

pub use client::AzureCx;
pub use provider::Azure;

use super::{Entry, OpenOptions, Opening, Provider};
use crate::model::Cloud;
use std::sync::Arc;

/// Azure in the registry.
pub const ENTRY: Entry = Entry {
    cloud: Cloud::Azure,
    plugin: &plugin::AzurePlugin,
    credentials: plugin::in_sight,
    open,
    policies: policy::policies,
    first_region: "eastus",
    embedded: offers::embedded,
    suggested: offers::suggested,
    usual: offers::usual,
};

fn open(options: OpenOptions) -> Opening {
    Box::pin(async { Ok(Azure::open(options)?.map(|azure| Arc::new(azure) as Arc<dyn Provider>)) })
}
