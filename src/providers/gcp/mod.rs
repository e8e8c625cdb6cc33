//! Google Kubernetes Engine.
//!
//! [`provider`] is the door. [`resolve`] decides, [`preflight`] asks what may be asked before the first write, [`plan`]
//! lays the steps out, [`steps`] knows how each object is found, made and removed, [`kinds`] brings a journalled step
//! back to its code, [`sweep`] and [`leftovers`] look for what is to go. Nothing in here knows which endpoint it talks to.

pub mod addons;
pub mod adopted;
pub mod auth;
pub mod backend;
pub mod client;
pub mod clusters;
pub mod error;
pub mod exchange;
pub mod gcloud;
pub mod instances;
pub mod kinds;
pub mod labels;
pub mod layout;
pub mod leftovers;
pub mod names;
pub mod offers;
pub mod permissions;
pub mod plan;
pub mod plugin;
pub mod policy;
pub mod preflight;
pub mod project;
pub mod provider;
pub mod quotas;
pub mod resolve;
pub mod retag;
pub mod scopes;
pub mod stages;
pub mod steps;
pub mod survey;
pub mod sweep;
#[cfg(test)]
pub(crate) mod testing;
pub mod token;
pub mod versions;
pub mod way_in;
pub mod wire;
pub mod zones;

pub use client::GcpCx;
pub use provider::Gcp;

use super::{Entry, OpenOptions, Opening, Provider};
use crate::model::Cloud;
use std::sync::Arc;

/// Google Cloud in the registry.
pub const ENTRY: Entry = Entry {
    cloud: Cloud::Gcp,
    plugin: &plugin::GcpPlugin,
    credentials: plugin::in_sight,
    open,
    policies: policy::policies,
    first_region: "us-central1",
    embedded: offers::embedded,
    suggested: offers::suggested,
    usual: offers::usual,
};

fn open(options: OpenOptions) -> Opening {
    Box::pin(async move { Ok(Gcp::open(&options)?.map(|gcp| Arc::new(gcp) as Arc<dyn Provider>)) })
}
